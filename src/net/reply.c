/* SPDX-License-Identifier: Apache-2.0 */
/* How a handler answers: the answer is laid down in the call, and the loop is told. */
#include "base/text.h"
#include "net/call.h"

#include <stdio.h>

#include "net/encoding.h"
#include "net/grpc.h"
#include "net/websocket.h"

#define GZIP_SIZE_MIN 1024
#define GZIP_LEVEL    1 /* dashboards poll: time counts more than the last tenth of size */

/* Claims the right to answer. False: somebody did, which is a bug of the handler. */
static bool claim(struct weir_http_call *call) {
    if (!atomic_exchange(&call->answered, true)) return true;
    weir_bug("%.*s was answered twice", WEIR_VIEW_ARG(call->req.path));
    return false;
}

/* Ends the handler's right to the request. */
static void hand_over(struct weir_http_call *call) {
    weir_http_call_notify(call);
    weir_http_call_unref(call);
}

static struct weir_view keep(struct weir_http_call *call, struct weir_view v) {
    struct weir_view copy = weir_arena_copy(&call->arena, v);
    return copy.ptr ? copy : WEIR_VIEW("");
}

void weir_http_reply_header(struct weir_http_request *req, const char *name,
                            struct weir_view value) {
    struct weir_http_call *call = weir_http_call_of(req);
    char *kept = weir_arena_strdup(&call->arena, weir_view_str(name));
    for (char *c = kept; c && *c && call->stream_id; c++) /* HTTP/2 knows only lower case */
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 'a' - 'A');
    pthread_mutex_lock(&call->lock);
    if (kept && call->reply_fields_count < WEIR_HTTP_REPLY_FIELDS_MAX)
        call->reply_fields[call->reply_fields_count++] =
            (struct weir_http_field){weir_view_str(kept), keep(call, value)};
    pthread_mutex_unlock(&call->lock);
}

static bool is_compressible(struct weir_view type) {
    static const char *const media[] = {"application/json",       "application/x-ndjson",
                                        "application/javascript", "application/openmetrics-text",
                                        "application/xml",        "image/svg+xml"};
    if (weir_view_starts(type, WEIR_VIEW("text/"))) return true;
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (weir_http_media_is(type, media[i])) return true;
    return false;
}

static bool wants_gzip(const struct weir_http_call *call, struct weir_view type, size_t size) {
    struct weir_view has =
        weir_http_field_get(call->reply_fields, call->reply_fields_count, "content-encoding");
    return size >= GZIP_SIZE_MIN && has.len == 0 && is_compressible(type) &&
           weir_http_accepts(weir_http_call_field(call, "accept-encoding"), "gzip");
}

/* Takes the body: compressed or as it is. */
static void set_body(struct weir_http_call *call, struct weir_buf *body) {
    struct weir_buf small;
    weir_buf_init(&small, SIZE_MAX);
    if (wants_gzip(call, call->content_type, body->len) &&
        weir_encoding_gzip(weir_buf_view(body), GZIP_LEVEL, &small) == WEIR_OK &&
        small.len < body->len) {
        weir_buf_done(body);
        *body = small;
        weir_buf_init(&small, 0);
        call->reply_gzipped = true;
    }
    weir_buf_done(&small);
    call->reply = *body;
    call->reply_size = body->len;
    weir_buf_init(body, body->size_max);
}

void weir_http_reply_buf(struct weir_http_request *req, int status, const char *content_type,
                         struct weir_buf *body) {
    struct weir_http_call *call = weir_http_call_of(req);
    if (body->failed) {
        weir_buf_done(body);
        weir_buf_clear(body);
        weir_buf_add_str(body, "the answer is too large\n");
        status = 500;
        content_type = "text/plain; charset=utf-8";
    }
    if (call->req.is_grpc) { /* a handler for both doors need not know */
        char text[300];
        snprintf(text, sizeof text, "%.*s",
                 WEIR_VIEW_ARG(weir_view_upto(weir_buf_view(body), 290)));
        weir_buf_done(body);
        weir_http_reply_grpc(req, weir_grpc_status_from_http(status), text, WEIR_VIEW(""),
                             WEIR_VIEW(""));
        return;
    }
    if (!claim(call)) {
        weir_buf_done(body);
        return;
    }
    pthread_mutex_lock(&call->lock);
    call->answer = WEIR_HTTP_ANSWER_WHOLE;
    call->status = status;
    call->content_type = keep(call, weir_view_str(content_type));
    set_body(call, body);
    pthread_mutex_unlock(&call->lock);
    hand_over(call);
}

void weir_http_reply_view(struct weir_http_request *req, int status, const char *content_type,
                          struct weir_view body) {
    struct weir_buf copy;
    weir_buf_init(&copy, SIZE_MAX);
    weir_buf_add_view(&copy, body);
    weir_http_reply_buf(req, status, content_type, &copy);
}

void weir_http_reply_error(struct weir_http_request *req, const struct weir_error *err) {
    if (req->is_grpc) {
        weir_http_reply_grpc(req, weir_error_grpc(err->code), err->message, WEIR_VIEW(""),
                             WEIR_VIEW(""));
        return;
    }
    struct weir_buf text;
    weir_buf_init(&text, SIZE_MAX);
    if (err->line) weir_buf_printf(&text, "%u:%u: ", err->line, err->column);
    weir_buf_add_str(&text, err->message);
    weir_buf_add_char(&text, '\n');
    int status = weir_error_http(err->code);
    const struct weir_http_call *call = weir_http_call_of(req);
    bool says_when =
        weir_http_field_get(call->reply_fields, call->reply_fields_count, "retry-after").len;
    if ((status == 429 || status == 503) && !says_when)
        weir_http_reply_header(req, "Retry-After", WEIR_VIEW("1"));
    weir_http_reply_buf(req, status, "text/plain; charset=utf-8", &text);
}

/* ---- streams ---- */

void weir_http_stream_begin(struct weir_http_request *req, int status, const char *content_type) {
    struct weir_http_call *call = weir_http_call_of(req);
    if (!claim(call)) return;
    pthread_mutex_lock(&call->lock);
    call->answer = WEIR_HTTP_ANSWER_STREAM;
    call->status = status;
    call->content_type = keep(call, weir_view_str(content_type));
    pthread_mutex_unlock(&call->lock);
    weir_http_call_notify(call);
}

/* Waits for room in the pipe, then adds head and bytes to it. */
static int pipe_write(struct weir_http_call *call, struct weir_view head, struct weir_view bytes) {
    pthread_mutex_lock(&call->lock);
    while (call->reply.len >= WEIR_HTTP_PIPE_SIZE_MAX && !atomic_load(&call->canceled))
        pthread_cond_wait(&call->changed, &call->lock);
    bool gone = atomic_load(&call->canceled);
    if (!gone) {
        weir_buf_add_view(&call->reply, head);
        weir_buf_add_view(&call->reply, bytes);
    }
    bool failed = call->reply.failed;
    pthread_mutex_unlock(&call->lock);
    if (gone) return WEIR_ECANCELED;
    weir_http_call_notify(call);
    return failed ? WEIR_ENOMEMORY : WEIR_OK;
}

int weir_http_stream_write(struct weir_http_request *req, struct weir_view bytes) {
    struct weir_http_call *call = weir_http_call_of(req);
    while (bytes.len) {
        struct weir_view part = weir_view_upto(bytes, WEIR_HTTP_PIPE_SIZE_MAX);
        int rc = pipe_write(call, WEIR_VIEW(""), part);
        if (rc != WEIR_OK) return rc;
        bytes = weir_view_from(bytes, part.len);
    }
    return weir_http_is_canceled(req) ? WEIR_ECANCELED : WEIR_OK;
}

static void end_pipe(struct weir_http_call *call) {
    pthread_mutex_lock(&call->lock);
    call->ended = true;
    if (call->reply.failed) call->aborted = true;
    pthread_mutex_unlock(&call->lock);
    hand_over(call);
}

void weir_http_stream_end(struct weir_http_request *req) {
    end_pipe(weir_http_call_of(req));
}

/* ---- gRPC ---- */

static struct weir_view encode(struct weir_http_call *call, struct weir_view text,
                               void (*add)(struct weir_buf *out, struct weir_view v)) {
    struct weir_buf out;
    weir_buf_init(&out, 16 * 1024); /* peers limit their header lists */
    add(&out, text);
    struct weir_view kept = keep(call, out.failed ? WEIR_VIEW("") : weir_buf_view(&out));
    weir_buf_done(&out);
    return kept;
}

void weir_http_reply_grpc(struct weir_http_request *req, int grpc_status, const char *grpc_message,
                          struct weir_view message, struct weir_view status_details) {
    struct weir_http_call *call = weir_http_call_of(req);
    if (!claim(call)) return;
    pthread_mutex_lock(&call->lock);
    call->answer = WEIR_HTTP_ANSWER_GRPC;
    call->status = 200;
    call->grpc_status = grpc_status;
    call->grpc_message = encode(call, weir_view_str(grpc_message), weir_grpc_add_message);
    call->grpc_details = encode(call, status_details, weir_text_base64_add);
    if (grpc_status == WEIR_GRPC_OK) {
        weir_grpc_add_prefix(&call->reply, false, message.len);
        weir_buf_add_view(&call->reply, message);
    }
    pthread_mutex_unlock(&call->lock);
    hand_over(call);
}

/* ---- WebSocket ---- */

int weir_http_accept_websocket(struct weir_http_request *req) {
    struct weir_http_call *call = weir_http_call_of(req);
    if (!req->is_websocket) return WEIR_EINVALID;
    if (!claim(call)) return WEIR_EBUG;
    pthread_mutex_lock(&call->lock);
    call->answer = WEIR_HTTP_ANSWER_WEBSOCKET;
    call->status = 101;
    pthread_mutex_unlock(&call->lock);
    weir_http_call_notify(call);
    return weir_http_is_canceled(req) ? WEIR_ECANCELED : WEIR_OK;
}

int weir_http_websocket_send(struct weir_http_request *req, struct weir_view text) {
    char head[WEIR_WEBSOCKET_HEAD_SIZE_MAX];
    size_t size = weir_websocket_head_encode(WEIR_WEBSOCKET_TEXT, text.len, head);
    return pipe_write(weir_http_call_of(req), weir_view(head, size), text);
}

void weir_http_websocket_close(struct weir_http_request *req) {
    end_pipe(weir_http_call_of(req));
}
