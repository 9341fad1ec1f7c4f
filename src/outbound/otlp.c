/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/otlp.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/client.h"
#include "net/encoding.h"
#include "net/grpc_client.h"
#include "wire/pb.h"

enum {
    BODY_SIZE_MAX = 64 << 20,
    ANSWER_SIZE_MAX = 1 << 20,
    CONNECT_TIMEOUT_MS = 5000,
    GZIP_LEVEL = 1, /* level 1 halves what level 6 costs, for a tenth more bytes */
    OWN_FIELDS = 3,
};

struct link {
    struct weir_outbound outbound;
    struct weir_http_client *http; /* one of the two */
    struct weir_grpc_client *grpc;
    bool gzip;
    struct weir_buf packed; /* the compressed body, room kept */
    const char *path;       /* gRPC method */
    size_t fields_count;
    struct weir_http_field fields[]; /* headers of every request */
};

bool weir_outbound_retries_http(int status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

bool weir_outbound_retries_grpc(int status, bool has_retry_info) {
    enum {
        CANCELLED = 1,
        DEADLINE_EXCEEDED = 4,
        RESOURCE_EXHAUSTED = 8,
        ABORTED = 10,
        OUT_OF_RANGE = 11,
        UNAVAILABLE = 14,
        DATA_LOSS = 15
    };
    return status == CANCELLED || status == DEADLINE_EXCEEDED || status == ABORTED ||
           status == OUT_OF_RANGE || status == UNAVAILABLE || status == DATA_LOSS ||
           (status == RESOURCE_EXHAUSTED && has_retry_info);
}

static void say(struct weir_outbound_answer *ret, struct weir_view words) {
    snprintf(ret->message, sizeof ret->message, "%.*s",
             WEIR_VIEW_ARG(weir_view_upto(words, sizeof ret->message - 1)));
    for (char *at = ret->message; *at; at++)
        if ((unsigned char)*at < ' ') *at = ' ';
}

void weir_outbound_read_answer(struct weir_view body, struct weir_outbound_answer *ret) {
    struct weir_pb pb = weir_pb(body), inner;
    struct weir_pb_field field, part;
    while (weir_pb_next(&pb, &field) > 0) {
        if (field.number != 1 || field.wire != WEIR_PB_BYTES) continue;
        inner = weir_pb(field.bytes);
        while (weir_pb_next(&inner, &part) > 0) {
            if (part.number == 1 && part.wire == WEIR_PB_VARINT) ret->rejected = part.value;
            if (part.number == 2 && part.wire == WEIR_PB_BYTES) say(ret, part.bytes);
        }
    }
}

/* No answer came, or none that could be read. Even a certificate that is not trusted may be mended
 * while we wait: it is tried again at the usual pace, until the batch's time is up. */
static void failed(const struct weir_error *err, struct weir_outbound_answer *ret) {
    ret->code = err->code;
    ret->retry =
        err->code != WEIR_ECANCELED && err->code != WEIR_ETOOBIG && err->code != WEIR_ECLOSED;
    say(ret, weir_view_str(err->message));
}

/* The body as it goes out; uncompressed when compression fails. */
static struct weir_view pack(struct link *link, struct weir_view body, bool *ret_gzip) {
    *ret_gzip = false;
    if (!link->gzip) return body;
    weir_buf_clear(&link->packed);
    if (weir_encoding_gzip(body, GZIP_LEVEL, &link->packed) != WEIR_OK) return body;
    *ret_gzip = true;
    return weir_buf_view(&link->packed);
}

/* ── HTTP ────────────────────────────────────────────────────────────────────────────────────── */

/* A google.rpc.Status, or plain text: the words in it. */
static struct weir_view error_words(struct weir_view body) {
    struct weir_pb pb = weir_pb(body);
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0)
        if (field.number == 2 && field.wire == WEIR_PB_BYTES) return field.bytes;
    return weir_view_is_utf8(body) ? body : WEIR_VIEW("");
}

static void http_send(struct weir_outbound *outbound, struct weir_view body, int64_t timeout_ms,
                      struct weir_outbound_answer *ret) {
    struct link *link = (struct link *)outbound;
    struct weir_http_client_answer answer;
    struct weir_error err = {.code = 0};
    bool gzip;
    *ret = (struct weir_outbound_answer){.retry_after_ms = -1};
    body = pack(link, body, &gzip);
    const struct weir_http_client_request request = {
        .method = "POST",
        .path = "",
        .fields = link->fields,
        .fields_count = link->fields_count - (gzip ? 0 : 1), /* Content-Encoding stands last */
        .body = body,
        .timeout_ms = timeout_ms,
    };
    if (weir_http_client_do(link->http, &request, &answer, &err) != WEIR_OK) {
        failed(&err, ret);
        return;
    }
    ret->retry_after_ms = answer.retry_after_ms;
    if (answer.status >= 200 && answer.status < 300) {
        weir_outbound_read_answer(answer.body, ret);
        return;
    }
    char words[320];
    struct weir_view said = error_words(answer.body);
    snprintf(words, sizeof words, "HTTP %d%s%.*s", answer.status, said.len ? ": " : "",
             WEIR_VIEW_ARG(weir_view_upto(said, 250)));
    say(ret, weir_view_str(words));
    ret->code = answer.status == 401  ? WEIR_EAUTH
                : answer.status < 500 ? WEIR_EINVALID
                                      : WEIR_EUNAVAILABLE;
    ret->retry = weir_outbound_retries_http(answer.status);
}

static void http_cancel(struct weir_outbound *outbound) {
    weir_http_client_cancel(((struct link *)outbound)->http);
}

/* ── gRPC ────────────────────────────────────────────────────────────────────────────────────── */

static void grpc_send(struct weir_outbound *outbound, struct weir_view body, int64_t timeout_ms,
                      struct weir_outbound_answer *ret) {
    struct link *link = (struct link *)outbound;
    struct weir_grpc_client_answer answer;
    struct weir_error err = {.code = 0};
    *ret = (struct weir_outbound_answer){.retry_after_ms = -1};
    struct weir_grpc_client_call call = {
        .path = link->path,
        .metadata = link->fields,
        .metadata_count = link->fields_count,
        .timeout_ms = timeout_ms,
    };
    call.message = pack(link, body, &call.gzip);
    if (weir_grpc_client_do(link->grpc, &call, &answer, &err) != WEIR_OK) {
        failed(&err, ret);
        return;
    }
    ret->retry_after_ms = answer.retry_after_ms;
    if (answer.status == 0) {
        weir_outbound_read_answer(answer.body, ret);
        return;
    }
    char words[320];
    snprintf(words, sizeof words, "gRPC status %d: %.*s", answer.status,
             WEIR_VIEW_ARG(weir_view_upto(answer.message, 250)));
    say(ret, weir_view_str(words));
    ret->retry = weir_outbound_retries_grpc(answer.status, answer.retry_after_ms >= 0);
    ret->code = answer.status == 16 ? WEIR_EAUTH : ret->retry ? WEIR_EUNAVAILABLE : WEIR_EINVALID;
}

static void grpc_cancel(struct weir_outbound *outbound) {
    weir_grpc_client_cancel(((struct link *)outbound)->grpc);
}

/* ── open and close ──────────────────────────────────────────────────────────────────────────── */

static void link_close(struct weir_outbound *outbound) {
    struct link *link = (struct link *)outbound;
    if (link->http) weir_http_client_close(link->http);
    if (link->grpc) weir_grpc_client_close(link->grpc);
    weir_buf_done(&link->packed);
    free(link);
}

static void add_field(struct link *link, struct weir_view name, struct weir_view value) {
    link->fields[link->fields_count++] = (struct weir_http_field){.name = name, .value = value};
}

static int open_http(struct link *link, const struct weir_outbound_options *from,
                     struct weir_error *reterr) {
    const struct weir_http_client_options options = {.url = from->url,
                                                     .tls = &from->tls,
                                                     .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                     .answer_size_max = ANSWER_SIZE_MAX};
    link->outbound.send = http_send;
    link->outbound.cancel = http_cancel;
    add_field(link, WEIR_VIEW("User-Agent"), weir_view_str(from->user_agent));
    add_field(link, WEIR_VIEW("Content-Type"), WEIR_VIEW("application/x-protobuf"));
    add_field(link, WEIR_VIEW("Content-Encoding"), WEIR_VIEW("gzip"));
    return weir_http_client_open(&options, &link->http, reterr);
}

static int open_grpc(struct link *link, const struct weir_outbound_options *from,
                     struct weir_error *reterr) {
    static const char *const paths[] = {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    };
    const struct weir_grpc_client_options options = {.endpoint = from->url,
                                                     .tls = &from->tls,
                                                     .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                     .answer_size_max = ANSWER_SIZE_MAX};
    link->outbound.send = grpc_send;
    link->outbound.cancel = grpc_cancel;
    link->path = paths[from->signal];
    add_field(link, WEIR_VIEW("user-agent"), weir_view_str(from->user_agent));
    return weir_grpc_client_open(&options, &link->grpc, reterr);
}

int weir_outbound_otlp_open(const struct weir_outbound_options *options, struct weir_outbound **ret,
                            struct weir_error *reterr) {
    struct link *link =
        calloc(1, sizeof *link + (options->fields_count + OWN_FIELDS) * sizeof *link->fields);
    if (!link) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for an exporter");
    link->outbound.close = link_close;
    link->gzip = options->gzip;
    weir_buf_init(&link->packed, BODY_SIZE_MAX);
    for (size_t i = 0; i < options->fields_count; i++)
        add_field(link, options->fields[i].name, options->fields[i].value);
    int rc = options->grpc ? open_grpc(link, options, reterr) : open_http(link, options, reterr);
    if (rc != WEIR_OK) {
        link_close(&link->outbound);
        return rc;
    }
    *ret = &link->outbound;
    return WEIR_OK;
}
