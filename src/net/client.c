/* SPDX-License-Identifier: Apache-2.0 */
#include "net/client.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/dial.h"
#include "net/http1.h"

#define CONNECT_TIMEOUT_MS_DEFAULT 5000
#define TIMEOUT_MS_DEFAULT         10000
#define ANSWER_SIZE_MAX_DEFAULT    (4u << 20)
#define REQUEST_HEAD_SIZE_MAX      (64 * 1024)
#define READ_SIZE                  (16 * 1024)

struct weir_http_client {
    struct weir_dial_target target;
    int64_t connect_timeout_ms;
    atomic_bool canceled;
    struct weir_tls *tls;            /* of https, else NULL */
    struct weir_transport transport; /* fd -1: not connected */
    pid_t pid;               /* that connected: a child must not speak on its parent's connection */
    struct weir_buf request; /* head */
    struct weir_buf input;   /* received, not parsed yet */
    struct weir_buf head_bytes; /* of the answer; `head` points into it */
    struct weir_buf body;
    struct weir_http1_head head;
};

/* One exchange: what the steps share. */
struct exchange {
    struct weir_http_client *client;
    const struct weir_http_client_request *request;
    int64_t deadline_ns;
    bool reused;    /* on a connection that was kept */
    bool got_bytes; /* of the answer */
    bool wrote_all;
    struct weir_error *reterr;
};

int weir_http_client_open(const struct weir_http_client_options *options,
                          struct weir_http_client **ret, struct weir_error *reterr) {
    struct weir_http_client *client = calloc(1, sizeof *client);
    if (!client) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the HTTP client");
    client->transport.fd = -1;
    atomic_init(&client->canceled, false);
    client->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS_DEFAULT;
    weir_buf_init(&client->request, REQUEST_HEAD_SIZE_MAX);
    weir_buf_init(&client->input, WEIR_HTTP1_HEAD_SIZE_MAX + READ_SIZE);
    weir_buf_init(&client->head_bytes, WEIR_HTTP1_HEAD_SIZE_MAX);
    weir_buf_init(&client->body,
                  options->answer_size_max ? options->answer_size_max : ANSWER_SIZE_MAX_DEFAULT);
    static const char *const ports[] = {"80", "443"};
    int rc = weir_dial_parse(options->url, false, ports, &client->target, reterr);
    if (rc == WEIR_OK && client->target.tls)
        rc = weir_tls_new(options->tls, WEIR_TLS_HTTP_CLIENT, &client->tls, reterr);
    if (rc == WEIR_OK && client->tls) weir_tls_preload();
    if (rc != WEIR_OK) {
        weir_http_client_close(client);
        return rc;
    }
    *ret = client;
    return WEIR_OK;
}

static void disconnect(struct weir_http_client *client) {
    if (client->transport.fd >= 0) client->transport.ops->close(&client->transport);
}

void weir_http_client_close(struct weir_http_client *client) {
    if (!client) return;
    disconnect(client);
    weir_tls_free(client->tls);
    weir_buf_done(&client->request);
    weir_buf_done(&client->input);
    weir_buf_done(&client->head_bytes);
    weir_buf_done(&client->body);
    free(client);
}

void weir_http_client_cancel(struct weir_http_client *client) {
    atomic_store(&client->canceled, true);
}

static int fail(struct exchange *x, int code) {
    return weir_dial_error(&x->client->target, &x->client->transport, code, x->reterr);
}

static int connect_client(struct exchange *x) {
    struct weir_http_client *client = x->client;
    if (client->transport.fd >= 0 && client->pid != getpid()) disconnect(client);
    x->reused = client->transport.fd >= 0;
    if (x->reused) return WEIR_OK;
    int64_t until_ns = weir_clock_mono_ns() + client->connect_timeout_ms * WEIR_NS_PER_MS;
    if (until_ns > x->deadline_ns) until_ns = x->deadline_ns;
    int rc = weir_dial_connect(&client->target, client->tls, until_ns, &client->canceled,
                               &client->transport, x->reterr);
    client->pid = getpid();
    return rc;
}

static int write_head(struct exchange *x) {
    const struct weir_http_client_request *request = x->request;
    struct weir_buf *out = &x->client->request;
    weir_buf_clear(out);
    weir_buf_printf(out, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", request->method,
                    x->client->target.prefix, request->path, x->client->target.authority);
    for (size_t i = 0; i < request->fields_count; i++)
        weir_http1_add_field(out, request->fields[i].name, request->fields[i].value);
    bool bodyless = request->body.len == 0 &&
                    (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0);
    if (!bodyless) weir_buf_printf(out, "Content-Length: %zu\r\n", request->body.len);
    weir_buf_add_str(out, "\r\n");
    return out->failed
               ? weir_error_set(x->reterr, WEIR_ENOMEMORY, "the request's headers are too large")
               : WEIR_OK;
}

/* More bytes into `input`: > 0, 0 at the end, WEIR_EBUSY when it may not wait and none are there,
 * or a failure. */
static int64_t read_more(struct exchange *x, bool wait) {
    struct weir_http_client *client = x->client;
    char *to = weir_buf_reserve(&client->input, READ_SIZE);
    if (!to) return weir_error_set(x->reterr, WEIR_ENOMEMORY, "no memory for the answer");
    int64_t got =
        wait ? weir_dial_read(&client->transport, to, READ_SIZE, x->deadline_ns, &client->canceled)
             : weir_dial_try_read(&client->transport, to, READ_SIZE);
    if (got == WEIR_EBUSY) return got;
    if (got < 0) return fail(x, (int)got);
    client->input.len += (size_t)got;
    if (got) x->got_bytes = true;
    return got;
}

/* Writes until done, or until the server begins to answer. */
static int write_all(struct exchange *x, struct weir_view bytes) {
    struct weir_http_client *client = x->client;
    while (bytes.len) {
        int64_t wrote = weir_dial_try_write(&client->transport, bytes.ptr, bytes.len);
        if (wrote < 0) return WEIR_OK; /* perhaps an answer waits that says why */
        bytes = weir_view_from(bytes, (size_t)wrote);
        if (bytes.len == 0) break;
        if (wrote > 0) continue;
        int ready = weir_dial_wait(&client->transport, WEIR_DIAL_READABLE | WEIR_DIAL_WRITABLE,
                                   x->deadline_ns, &client->canceled);
        if (ready < 0) return fail(x, ready);
        /* What can be read may be TLS's own, and no answer. */
        int64_t got = ready == WEIR_DIAL_READABLE ? read_more(x, false) : WEIR_EBUSY;
        if (got != WEIR_EBUSY) return got < 0 ? (int)got : WEIR_OK;
    }
    x->wrote_all = true;
    return WEIR_OK;
}

static int write_request(struct exchange *x) {
    int rc = write_head(x);
    if (rc == WEIR_OK) rc = write_all(x, weir_buf_view(&x->client->request));
    if (rc != WEIR_OK || !x->wrote_all) return rc;
    x->wrote_all = false;
    return write_all(x, x->request->body);
}

static int not_http(struct exchange *x, const char *reason) {
    return weir_error_set(x->reterr, WEIR_EINVALID, "%s port %s: the answer is not HTTP: %s",
                          x->client->target.host, x->client->target.port, reason);
}

static int read_head(struct exchange *x) {
    struct weir_http_client *client = x->client;
    struct weir_http1_scan scan = {0};
    const char *reason = "";
    size_t len;
    for (;;) {
        if (weir_http1_head_find(weir_buf_view(&client->input), &scan, &len, &reason))
            return not_http(x, reason);
        if (len) break;
        int64_t got = read_more(x, true);
        if (got < 0) return (int)got;
        if (got == 0) return fail(x, WEIR_EUNAVAILABLE);
    }
    weir_buf_clear(&client->head_bytes);
    weir_buf_add(&client->head_bytes, client->input.ptr, len);
    weir_buf_drop(&client->input, len);
    if (client->head_bytes.failed) return weir_error_set(x->reterr, WEIR_ENOMEMORY, "no memory");
    if (weir_http1_parse_response(weir_buf_view(&client->head_bytes), &client->head, &reason))
        return not_http(x, reason);
    return WEIR_OK;
}

/* Heads 100 to 199 announce; the one behind them answers. */
static int read_final_head(struct exchange *x) {
    int rc;
    do rc = read_head(x);
    while (rc == WEIR_OK && x->client->head.status < 200 && x->client->head.status != 101);
    if (rc == WEIR_OK && x->client->head.status == 101) return not_http(x, "it switches protocols");
    return rc;
}

static int read_body(struct exchange *x) {
    struct weir_http_client *client = x->client;
    struct weir_http1_body body;
    const char *reason = "";
    weir_buf_clear(&client->body);
    weir_http1_body_init_response(&body, &client->head, weir_view_str(x->request->method));
    for (;;) {
        struct weir_view in = weir_buf_view(&client->input), content;
        while (in.len && !body.done) {
            if (weir_http1_body_parse(&body, &in, &content, &reason)) return not_http(x, reason);
            weir_buf_add_view(&client->body, content);
        }
        if (client->body.failed)
            return weir_error_set(x->reterr, WEIR_ETOOBIG, "the answer is larger than %zu bytes",
                                  client->body.size_max);
        if (in.len) client->head.keep_alive = false; /* bytes that nobody asked for */
        weir_buf_clear(&client->input);
        if (body.done) return WEIR_OK;
        int64_t got = read_more(x, true);
        if (got < 0) return (int)got;
        if (got > 0) continue;
        client->head.keep_alive = false;
        return body.kind == WEIR_HTTP1_UNTIL_CLOSE ? WEIR_OK : fail(x, WEIR_EUNAVAILABLE);
    }
}

static int exchange_once(struct exchange *x) {
    x->got_bytes = x->wrote_all = false;
    weir_buf_clear(&x->client->input);
    int rc = connect_client(x);
    if (rc == WEIR_OK) rc = write_request(x);
    if (rc == WEIR_OK) rc = read_final_head(x);
    if (rc == WEIR_OK) rc = read_body(x);
    if (rc != WEIR_OK || !x->wrote_all || !x->client->head.keep_alive) disconnect(x->client);
    return rc;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that may be sent. */
static bool parse_http_date(struct weir_view text, int64_t *ret_s) {
    static const struct weir_view months = WEIR_VIEW_INIT("JanFebMarAprMayJunJulAugSepOctNovDec");
    uint64_t day, year, hour, minute, second;
    if (text.len != 29) return false;
    size_t month = weir_view_find(months, weir_view(text.ptr + 8, 3));
    if (month == SIZE_MAX || month % 3 || !weir_view_to_u64(weir_view(text.ptr + 5, 2), &day) ||
        !weir_view_to_u64(weir_view(text.ptr + 12, 4), &year) ||
        !weir_view_to_u64(weir_view(text.ptr + 17, 2), &hour) ||
        !weir_view_to_u64(weir_view(text.ptr + 20, 2), &minute) ||
        !weir_view_to_u64(weir_view(text.ptr + 23, 2), &second))
        return false;
    struct tm tm = {.tm_year = (int)year - 1900,
                    .tm_mon = (int)month / 3,
                    .tm_mday = (int)day,
                    .tm_hour = (int)hour,
                    .tm_min = (int)minute,
                    .tm_sec = (int)second};
    *ret_s = (int64_t)timegm(&tm);
    return true;
}

static int64_t retry_after_ms(struct weir_view value) {
    uint64_t seconds;
    int64_t at_s;
    if (weir_view_to_u64(value, &seconds))
        return seconds > 86400 ? 86400000 : (int64_t)seconds * 1000;
    if (!parse_http_date(value, &at_s)) return -1;
    int64_t left_ms = at_s * 1000 - weir_clock_wall_ns() / WEIR_NS_PER_MS;
    return left_ms < 0 ? 0 : left_ms > 86400000 ? 86400000 : left_ms;
}

int weir_http_client_do(struct weir_http_client *client,
                        const struct weir_http_client_request *request,
                        struct weir_http_client_answer *ret, struct weir_error *reterr) {
    int64_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS_DEFAULT;
    struct exchange x = {.client = client, .request = request, .reterr = reterr};
    x.deadline_ns = weir_clock_mono_ns() + timeout_ms * WEIR_NS_PER_MS;
    int rc = exchange_once(&x);
    if (rc == WEIR_EUNAVAILABLE && x.reused && !x.got_bytes) rc = exchange_once(&x);
    if (rc != WEIR_OK) return rc;
    const struct weir_http1_head *head = &client->head;
    *ret = (struct weir_http_client_answer){.status = head->status,
                                            .fields = head->fields,
                                            .fields_count = head->fields_count,
                                            .body = weir_buf_view(&client->body)};
    ret->retry_after_ms =
        retry_after_ms(weir_http_field_get(head->fields, head->fields_count, "retry-after"));
    return WEIR_OK;
}
