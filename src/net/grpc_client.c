/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "net/dial.h"
#include "net/grpc.h"

#define CONNECT_TIMEOUT_MS_DEFAULT 5000
#define TIMEOUT_MS_DEFAULT         10000
#define ANSWER_SIZE_MAX_DEFAULT    (4u << 20)
#define STREAM_WINDOW_SIZE         (1 << 20)
#define METADATA_MAX               32
#define ANSWER_HEAD_SIZE_MAX       (64 * 1024)
#define READ_SIZE                  (64 * 1024)

struct weir_grpc_client {
    struct weir_dial_target target;
    int64_t connect_timeout_ms;
    atomic_bool canceled;
    struct weir_tls *tls;            /* of https, else NULL */
    struct weir_transport transport; /* fd -1: not connected */
    pid_t pid; /* that connected: a child must not speak on its parent's connection */
    nghttp2_session *session;
    struct weir_view unsent; /* of the session's latest frame */
    char *read_room;

    /* The call at hand. */
    const struct weir_grpc_client_call *call;
    int32_t stream_id;
    size_t sent;         /* bytes of prefix and message handed to nghttp2 */
    bool closed;         /* the stream has ended */
    bool refused;        /* the server said that it has not looked at the stream */
    bool got_status;     /* grpc-status was there */
    bool is_grpc;        /* content-type was gRPC's */
    uint32_t reset_code; /* of RST_STREAM */
    int http_status;
    int grpc_status;
    size_t head_size;                  /* bytes of headers and trailers */
    struct weir_view message, details; /* in the arena */
    struct weir_arena arena;
    struct weir_buf body; /* frames */
};

/* ---- what the server sends ---- */

static void take_field(struct weir_grpc_client *client, struct weir_view name,
                       struct weir_view value) {
    uint64_t number;
    client->head_size += name.len + value.len;
    if (client->head_size > ANSWER_HEAD_SIZE_MAX) return;
    if (weir_view_is(name, ":status")) {
        if (weir_view_to_u64(value, &number) && number < 1000) client->http_status = (int)number;
    } else if (weir_view_is(name, "content-type")) {
        client->is_grpc = weir_grpc_is_content_type(value);
    } else if (weir_view_is(name, "grpc-status")) {
        client->got_status = weir_view_to_u64(value, &number);
        client->grpc_status = client->got_status && number <= 16 ? (int)number : WEIR_GRPC_UNKNOWN;
    } else if (weir_view_is(name, "grpc-message")) {
        client->message = weir_grpc_message_decode(&client->arena, value);
    } else if (weir_view_is(name, "grpc-status-details-bin")) {
        weir_text_base64_decode(&client->arena, value, &client->details);
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg) {
    struct weir_grpc_client *client = arg;
    (void)session;
    (void)flags;
    if (frame->hd.stream_id == client->stream_id)
        take_field(client, weir_view(name, name_len), weir_view(value, value_len));
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *arg) {
    struct weir_grpc_client *client = arg;
    (void)flags;
    if (stream_id != client->stream_id || client->body.failed) return 0;
    weir_buf_add(&client->body, data, len);
    if (client->body.failed)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *arg) {
    struct weir_grpc_client *client = arg;
    (void)session;
    if (stream_id != client->stream_id) return 0;
    client->closed = true;
    client->reset_code = error_code;
    client->refused = error_code == NGHTTP2_REFUSED_STREAM;
    return 0;
}

/* ---- connection ---- */

static void disconnect(struct weir_grpc_client *client) {
    nghttp2_session_del(client->session);
    client->session = NULL;
    client->unsent = WEIR_VIEW("");
    if (client->transport.fd >= 0) client->transport.ops->close(&client->transport);
}

static int new_session(struct weir_grpc_client *client) {
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_SIZE},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, ANSWER_HEAD_SIZE_MAX},
    };
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return WEIR_ENOMEMORY;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    int rc = nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    if (rc != 0) return WEIR_ENOMEMORY;
    rc = nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings,
                                 sizeof settings / sizeof *settings);
    return rc == 0 ? WEIR_OK : WEIR_ENOMEMORY;
}

static int connect_client(struct weir_grpc_client *client, int64_t deadline_ns,
                          struct weir_error *reterr) {
    int64_t until_ns = weir_clock_mono_ns() + client->connect_timeout_ms * WEIR_NS_PER_MS;
    if (until_ns > deadline_ns) until_ns = deadline_ns;
    int rc = weir_dial_connect(&client->target, client->tls, until_ns, &client->canceled,
                               &client->transport, reterr);
    if (rc != WEIR_OK) return rc;
    client->pid = getpid();
    if (new_session(client) == WEIR_OK) return WEIR_OK;
    disconnect(client);
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the gRPC client");
}

/* ---- what we send ---- */

static ssize_t read_message(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *arg) {
    struct weir_grpc_client *client = arg;
    (void)session;
    (void)stream_id;
    (void)source;
    struct weir_view message = client->call->message;
    size_t at = client->sent, len = 0;
    char prefix[WEIR_GRPC_PREFIX_SIZE] = {client->call->gzip, (char)(message.len >> 24),
                                          (char)(message.len >> 16), (char)(message.len >> 8),
                                          (char)message.len};
    while (at < sizeof prefix && len < room) to[len++] = (uint8_t)prefix[at++];
    if (at >= sizeof prefix) {
        struct weir_view rest =
            weir_view_upto(weir_view_from(message, at - sizeof prefix), room - len);
        if (rest.len) memcpy(to + len, rest.ptr, rest.len);
        len += rest.len;
        at += rest.len;
    }
    client->sent = at;
    if (at == sizeof prefix + message.len) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv nv(struct weir_view name, struct weir_view value) {
    /* nghttp2 copies both; its type just lacks the const. */
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                        .namelen = name.len,
                        .value = (uint8_t *)(uintptr_t)(value.ptr ? value.ptr : ""),
                        .valuelen = value.len};
}

static int submit(struct weir_grpc_client *client, int64_t timeout_ms, struct weir_error *reterr) {
    const struct weir_grpc_client_call *call = client->call;
    nghttp2_nv fields[METADATA_MAX + 10];
    char path[512], timeout[32];
    size_t count = 0;
    snprintf(path, sizeof path, "%s%s", client->target.prefix, call->path);
    snprintf(timeout, sizeof timeout, "%lldm",
             (long long)(timeout_ms > 99999999 ? 99999999 : timeout_ms));
    fields[count++] = nv(WEIR_VIEW(":method"), WEIR_VIEW("POST"));
    fields[count++] =
        nv(WEIR_VIEW(":scheme"), client->target.tls ? WEIR_VIEW("https") : WEIR_VIEW("http"));
    fields[count++] = nv(WEIR_VIEW(":path"), weir_view_str(path));
    fields[count++] = nv(WEIR_VIEW(":authority"), weir_view_str(client->target.authority));
    fields[count++] = nv(WEIR_VIEW("te"), WEIR_VIEW("trailers"));
    fields[count++] = nv(WEIR_VIEW("content-type"), WEIR_VIEW("application/grpc"));
    fields[count++] = nv(WEIR_VIEW("grpc-timeout"), weir_view_str(timeout));
    if (call->gzip) fields[count++] = nv(WEIR_VIEW("grpc-encoding"), WEIR_VIEW("gzip"));
    for (size_t i = 0; i < call->metadata_count && i < METADATA_MAX; i++)
        fields[count++] = nv(call->metadata[i].name, call->metadata[i].value);
    nghttp2_data_provider content = {.read_callback = read_message};
    client->stream_id =
        nghttp2_submit_request(client->session, NULL, fields, count, &content, NULL);
    if (client->stream_id >= 0) return WEIR_OK;
    return weir_error_set(
        reterr, client->stream_id == NGHTTP2_ERR_NOMEM ? WEIR_ENOMEMORY : WEIR_EUNAVAILABLE,
        "cannot start a call: %s", nghttp2_strerror(client->stream_id));
}

/* Writes what the session has, as far as the socket takes it. */
static int write_some(struct weir_grpc_client *client) {
    for (;;) {
        if (client->unsent.len == 0) {
            const uint8_t *frame;
            ssize_t len = nghttp2_session_mem_send(client->session, &frame);
            if (len < 0) return len == NGHTTP2_ERR_NOMEM ? WEIR_ENOMEMORY : WEIR_EUNAVAILABLE;
            if (len == 0) return WEIR_OK;
            client->unsent = weir_view(frame, (size_t)len);
        }
        int64_t wrote =
            weir_dial_try_write(&client->transport, client->unsent.ptr, client->unsent.len);
        if (wrote < 0) return (int)wrote;
        if (wrote == 0) return WEIR_OK;
        client->unsent = weir_view_from(client->unsent, (size_t)wrote);
    }
}

static int read_some(struct weir_grpc_client *client) {
    int64_t got = weir_dial_try_read(&client->transport, client->read_room, READ_SIZE);
    if (got == WEIR_EBUSY) return WEIR_OK; /* TLS's own, or half a record */
    if (got < 0) return (int)got;
    if (got == 0) return WEIR_EUNAVAILABLE;
    ssize_t used =
        nghttp2_session_mem_recv(client->session, (const uint8_t *)client->read_room, (size_t)got);
    if (used == NGHTTP2_ERR_NOMEM) return WEIR_ENOMEMORY;
    return used < 0 ? WEIR_EINVALID : WEIR_OK;
}

/* Until the stream is closed. */
static int run_call(struct weir_grpc_client *client, int64_t deadline_ns) {
    while (!client->closed) {
        int rc = write_some(client), broken = rc == WEIR_EUNAVAILABLE;
        if (rc != WEIR_OK && !broken) return rc;
        if (client->closed) break; /* by our own RST_STREAM */
        if (!broken && !nghttp2_session_want_read(client->session) && client->unsent.len == 0)
            return WEIR_EUNAVAILABLE; /* GOAWAY, and our stream is not among the served */
        int wanted = WEIR_DIAL_READABLE | (client->unsent.len && !broken ? WEIR_DIAL_WRITABLE : 0);
        int ready = weir_dial_wait(&client->transport, wanted, deadline_ns, &client->canceled);
        if (ready < 0) return ready;
        /* After a broken write an answer may still wait to be read. */
        rc = ready & WEIR_DIAL_READABLE ? read_some(client) : WEIR_OK;
        if (rc != WEIR_OK) return rc;
    }
    return WEIR_OK;
}

/* ---- the answer ---- */

/* A varint at *v; false when cut off. */
static bool take_varint(struct weir_view *v, uint64_t *ret) {
    uint64_t value = 0;
    for (unsigned shift = 0; v->len && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)v->ptr[0];
        *v = weir_view_from(*v, 1);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The next field of a protobuf message whose wire types are varint and bytes; false at the end. */
static bool take_proto_field(struct weir_view *v, uint64_t *ret_number, struct weir_view *ret_bytes,
                             uint64_t *ret_varint) {
    uint64_t key, value;
    if (!take_varint(v, &key) || !take_varint(v, &value)) return false;
    *ret_number = key >> 3;
    *ret_varint = value;
    *ret_bytes = WEIR_VIEW("");
    if ((key & 7) == 0) return true;
    if ((key & 7) != 2 || value > v->len) return false;
    *ret_bytes = weir_view_upto(*v, (size_t)value);
    *v = weir_view_from(*v, (size_t)value);
    return true;
}

/* Duration { seconds = 1, nanos = 2 } inside RetryInfo { retry_delay = 1 }. */
static int64_t retry_delay_ms(struct weir_view info) {
    uint64_t number, varint, seconds = 0, nanos = 0;
    struct weir_view bytes, duration = {NULL, 0};
    while (take_proto_field(&info, &number, &bytes, &varint))
        if (number == 1) duration = bytes;
    if (!duration.ptr) return -1;
    while (take_proto_field(&duration, &number, &bytes, &varint)) {
        if (number == 1) seconds = varint;
        if (number == 2) nanos = varint;
    }
    if (seconds > 86400) return (int64_t)seconds < 0 ? 0 : 86400000;
    return (int64_t)(seconds * 1000 + (nanos < 1000000000 ? nanos / 1000000 : 0));
}

/* google.rpc.Status { details = 3: Any { type_url = 1, value = 2 } }. */
static int64_t find_retry_info(struct weir_view status) {
    uint64_t number, varint;
    struct weir_view any, bytes;
    while (take_proto_field(&status, &number, &any, &varint)) {
        struct weir_view type = WEIR_VIEW(""), value = WEIR_VIEW("");
        if (number != 3) continue;
        while (take_proto_field(&any, &number, &bytes, &varint)) {
            if (number == 1) type = bytes;
            if (number == 2) value = bytes;
        }
        if (weir_view_ends(type, WEIR_VIEW("google.rpc.RetryInfo"))) return retry_delay_ms(value);
    }
    return -1;
}

static int take_message(struct weir_grpc_client *client, struct weir_view *ret,
                        struct weir_error *reterr) {
    bool compressed;
    int rc = weir_grpc_message_get(weir_buf_view(&client->body), ret, &compressed, reterr);
    if (rc == WEIR_OK && compressed)
        rc = weir_error_set(reterr, WEIR_EINVALID, "the answer is compressed, unasked");
    return rc;
}

static int take_answer(struct weir_grpc_client *client, struct weir_grpc_client_answer *ret,
                       struct weir_error *reterr) {
    struct weir_grpc_client_answer answer = {.message = client->message,
                                             .details = client->details};
    if (client->body.failed)
        return weir_error_set(reterr, WEIR_ETOOBIG, "the answer is larger than %zu bytes",
                              client->body.size_max);
    if (client->got_status) {
        answer.status = client->grpc_status;
    } else if (client->http_status && client->http_status != 200) {
        answer.status = weir_grpc_status_from_http(client->http_status);
        answer.message = weir_arena_printf(&client->arena, "HTTP status %d", client->http_status);
    } else if (client->reset_code == NGHTTP2_NO_ERROR && client->http_status && !client->is_grpc) {
        return weir_error_set(reterr, WEIR_EINVALID, "%s port %s does not speak gRPC",
                              client->target.host, client->target.port);
    } else {
        return weir_error_set(reterr, WEIR_EUNAVAILABLE, "%s port %s: the call was reset (%s)",
                              client->target.host, client->target.port,
                              nghttp2_http2_strerror(client->reset_code));
    }
    answer.retry_after_ms = find_retry_info(client->details);
    int rc = answer.status == WEIR_GRPC_OK ? take_message(client, &answer.body, reterr) : WEIR_OK;
    if (rc == WEIR_OK) *ret = answer;
    return rc;
}

/* ---- public ---- */

int weir_grpc_client_open(const struct weir_grpc_client_options *options,
                          struct weir_grpc_client **ret, struct weir_error *reterr) {
    struct weir_grpc_client *client = calloc(1, sizeof *client);
    if (!client) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the gRPC client");
    client->transport.fd = -1;
    atomic_init(&client->canceled, false);
    client->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS_DEFAULT;
    weir_arena_init(&client->arena, 4 * ANSWER_HEAD_SIZE_MAX);
    size_t size_max = options->answer_size_max ? options->answer_size_max : ANSWER_SIZE_MAX_DEFAULT;
    weir_buf_init(&client->body, size_max + WEIR_GRPC_PREFIX_SIZE);
    client->read_room = malloc(READ_SIZE);
    static const char *const ports[] = {"4317", "4317"};
    int rc = client->read_room
                 ? weir_dial_parse(options->endpoint, true, ports, &client->target, reterr)
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the gRPC client");
    if (rc == WEIR_OK && client->target.tls)
        rc = weir_tls_new(options->tls, WEIR_TLS_GRPC_CLIENT, &client->tls, reterr);
    if (rc == WEIR_OK && client->tls) weir_tls_preload();
    if (rc != WEIR_OK) {
        weir_grpc_client_close(client);
        return rc;
    }
    *ret = client;
    return WEIR_OK;
}

void weir_grpc_client_close(struct weir_grpc_client *client) {
    if (!client) return;
    disconnect(client);
    weir_tls_free(client->tls);
    weir_arena_done(&client->arena);
    weir_buf_done(&client->body);
    free(client->read_room);
    free(client);
}

void weir_grpc_client_cancel(struct weir_grpc_client *client) {
    atomic_store(&client->canceled, true);
}

static void begin_call(struct weir_grpc_client *client, const struct weir_grpc_client_call *call) {
    client->call = call;
    client->stream_id = -1;
    client->sent = client->head_size = 0;
    client->closed = client->refused = client->got_status = client->is_grpc = false;
    client->reset_code = 0;
    client->http_status = client->grpc_status = 0;
    client->message = client->details = WEIR_VIEW("");
    weir_arena_reset(&client->arena);
    weir_buf_clear(&client->body);
}

static int call_once(struct weir_grpc_client *client, const struct weir_grpc_client_call *call,
                     int64_t deadline_ns, struct weir_grpc_client_answer *ret,
                     struct weir_error *reterr) {
    begin_call(client, call);
    int rc = client->transport.fd >= 0 ? WEIR_OK : connect_client(client, deadline_ns, reterr);
    if (rc != WEIR_OK) return rc;
    int64_t left_ms = (deadline_ns - weir_clock_mono_ns()) / WEIR_NS_PER_MS;
    rc = submit(client, left_ms > 1 ? left_ms : 1, reterr);
    if (rc == WEIR_OK) {
        rc = run_call(client, deadline_ns);
        if (rc == WEIR_EINVALID)
            weir_error_set(reterr, rc, "%s port %s does not speak HTTP/2", client->target.host,
                           client->target.port);
        else if (rc != WEIR_OK)
            rc = weir_dial_error(&client->target, &client->transport, rc, reterr);
    }
    if (rc == WEIR_OK) rc = take_answer(client, ret, reterr);
    /* A call that did not end leaves a stream behind; GOAWAY forbids the next one. */
    if (!client->closed || !nghttp2_session_check_request_allowed(client->session))
        disconnect(client);
    return rc;
}

int weir_grpc_client_do(struct weir_grpc_client *client, const struct weir_grpc_client_call *call,
                        struct weir_grpc_client_answer *ret, struct weir_error *reterr) {
    int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TIMEOUT_MS_DEFAULT;
    int64_t deadline_ns = weir_clock_mono_ns() + timeout_ms * WEIR_NS_PER_MS;
    if (client->transport.fd >= 0 && client->pid != getpid()) disconnect(client);
    bool reused = client->transport.fd >= 0;
    int rc = call_once(client, call, deadline_ns, ret, reterr);
    bool unseen = client->refused || (client->http_status == 0 && client->head_size == 0);
    if (rc == WEIR_EUNAVAILABLE && reused && unseen) {
        disconnect(client);
        rc = call_once(client, call, deadline_ns, ret, reterr);
    }
    return rc;
}
