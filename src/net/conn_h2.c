/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 on a connection of the server, with nghttp2: plain requests and unary gRPC calls side by
 * side.
 *
 * Inside nghttp2's callbacks the session must live on: nothing here closes the connection directly;
 * it marks `out.failed` or `close_when_sent`, which conn_settle acts on. */
#include "net/conn.h"

#include <stdio.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "net/grpc.h"
#include "net/server.h"

#define STREAMS_MAX            128
#define STREAM_WINDOW_SIZE     (1 << 20)
#define CONNECTION_WINDOW_SIZE (16 << 20)
#define FRAME_SIZE_MAX         (256 * 1024)
#define HEAD_SIZE_MAX          (64 * 1024)
#define FIELDS_MAX             128
#define DROPPED_SIZE_MAX       (16u << 20) /* of a request that is answered already */
#define BODY_RATE_MIN          1024 /* bytes per second, averaged, below which a body is too slow */
#define CHECKS_PER_TIMEOUT     4
/* Frames that make work without asking for an answer are paid for from a bucket of tokens. */
#define TOKENS_MAX        2000
#define TOKENS_PER_S      200
#define RESET_TOKENS      4
#define ANSWER_FIELDS_MAX (WEIR_HTTP_REPLY_FIELDS_MAX + 12)

struct weir_http2 {
    nghttp2_session *session;
    int64_t last_input_ns;
    int64_t next_check_ns; /* of the streams' progress */
    int64_t tokens, tokens_ns;
};

static int64_t now_ns(const struct weir_http_conn *conn) {
    return weir_loop_now_ns(conn->worker->loop);
}

static int64_t idle_ns(const struct weir_http_conn *conn) {
    return conn->server->options.idle_timeout_ms * WEIR_NS_PER_MS;
}

static struct weir_http_call *call_of(nghttp2_session *session, int32_t stream_id) {
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* ---- request ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
    struct weir_http_conn *conn = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct weir_http_call *call = weir_http_call_new(conn);
    if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->stream_id = frame->hd.stream_id;
    call->started_ns = call->progress_ns = now_ns(conn);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static void add_field(struct weir_http_call *call, struct weir_view name, struct weir_view value) {
    call->fields_size += name.len + value.len + 32; /* as RFC 9113, 6.5.2 counts */
    if (call->fields_size > HEAD_SIZE_MAX || call->fields_count >= FIELDS_MAX) return;
    name = weir_arena_copy(&call->arena, name);
    value = weir_view_trim(weir_arena_copy(&call->arena, value));
    if (!name.ptr || !value.ptr) return;
    if (weir_view_is(name, ":method")) {
        call->req.method = value;
    } else if (weir_view_is(name, ":path")) {
        call->raw_path = value;
    } else if (weir_view_is(name, ":authority")) {
        call->authority = value;
    } else if (name.ptr[0] != ':') {
        struct weir_http_field *field =
            WEIR_PUSH(&call->arena, call->fields, call->fields_count, call->fields_room);
        if (field) *field = (struct weir_http_field){name, value};
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg) {
    (void)flags;
    (void)arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct weir_http_call *call = call_of(session, frame->hd.stream_id);
    if (call) add_field(call, weir_view(name, name_len), weir_view(value, value_len));
    return 0;
}

/* The head is complete. */
static void begin_request(struct weir_http_call *call) {
    uint64_t length;
    bool has_length = weir_view_to_u64(weir_http_call_field(call, "content-length"), &length);
    if (call->authority.len == 0) call->authority = weir_http_call_field(call, "host");
    call->req.is_grpc = weir_view_is(call->req.method, "POST") &&
                        weir_grpc_is_content_type(weir_http_call_field(call, "content-type"));
    if (call->fields_size > HEAD_SIZE_MAX || call->fields_count >= FIELDS_MAX ||
        call->arena.failed) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_HEAD_SIZE, 431,
                              "the headers are larger than 64 KiB, or more than %d",
                              FIELDS_MAX - 1);
        return;
    }
    weir_http_call_check(call, call->raw_path,
                         has_length && length <= INT64_MAX ? (int64_t)length : -1);
}

/* The peer has sent all of the stream. */
static void end_request(struct weir_http_call *call) {
    call->received = true;
    if (!atomic_load(&call->answered)) weir_http_call_dispatch(call);
}

/* The answer came before the whole request. Clients (curl 7.88 is one) lose the answer when the
 * stream is reset at once, so some of the rest is read and dropped. */
static int drop_content(nghttp2_session *session, struct weir_http_call *call, size_t len) {
    size_t before = call->dropped_size;
    call->dropped_size += len;
    if (before <= DROPPED_SIZE_MAX && call->dropped_size > DROPPED_SIZE_MAX)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *arg) {
    struct weir_http_conn *conn = arg;
    (void)flags;
    struct weir_http_call *call = call_of(session, stream_id);
    if (!call) return 0;
    if (atomic_load(&call->answered)) return drop_content(session, call, len);
    call->progress_ns = now_ns(conn);
    weir_http_call_body_add(call, weir_view(data, len));
    return 0;
}

/* Pays for a frame; too many of them end the connection. */
static void pay(struct weir_http_conn *conn, int64_t price) {
    struct weir_http2 *h2 = conn->h2;
    int64_t now = now_ns(conn), earned = (now - h2->tokens_ns) * TOKENS_PER_S / WEIR_NS_PER_S;
    if (earned > 0) {
        h2->tokens = h2->tokens + earned > TOKENS_MAX ? TOKENS_MAX : h2->tokens + earned;
        h2->tokens_ns = now;
    }
    if (h2->tokens < 0) return;
    h2->tokens -= price;
    if (h2->tokens >= 0) return;
    weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_ABUSE);
    nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
    struct weir_http_conn *conn = arg;
    struct weir_http_call *call =
        frame->hd.stream_id ? call_of(session, frame->hd.stream_id) : NULL;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (call && frame->headers.cat == NGHTTP2_HCAT_REQUEST) begin_request(call);
        break;
    case NGHTTP2_DATA:
        if (frame->hd.length == 0) pay(conn, 1);
        break;
    case NGHTTP2_RST_STREAM: pay(conn, RESET_TOKENS); break;
    case NGHTTP2_WINDOW_UPDATE: break;
    default: pay(conn, 1); break;
    }
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (call && ends) end_request(call);
    return 0;
}

/* ---- answer ---- */

static nghttp2_nv nv(const char *name, struct weir_view value) {
    /* nghttp2 copies both; its type just lacks the const. */
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)(value.ptr ? value.ptr : ""),
                        .valuelen = value.len};
}

/* grpc-status, grpc-message and details, for the trailers or a trailers-only answer. */
static size_t grpc_trailers(const struct weir_http_call *call, char *status_text, size_t size,
                            nghttp2_nv *ret) {
    size_t count = 0;
    snprintf(status_text, size, "%d", call->grpc_status);
    ret[count++] = nv("grpc-status", weir_view_str(status_text));
    if (call->grpc_message.len) ret[count++] = nv("grpc-message", call->grpc_message);
    if (call->grpc_details.len) ret[count++] = nv("grpc-status-details-bin", call->grpc_details);
    return count;
}

/* What the answer still has to send is in the call; its lock is held. */
static ssize_t copy_content(struct weir_http_call *call, uint8_t *to, size_t room) {
    size_t len = call->reply.len - call->body_at;
    if (len > room) len = room;
    if (len) memcpy(to, call->reply.ptr + call->body_at, len);
    call->body_at += len;
    bool piped = call->answer == WEIR_HTTP_ANSWER_STREAM;
    if (piped && call->body_at == call->reply.len) {
        weir_buf_clear(&call->reply);
        call->body_at = 0;
        pthread_cond_broadcast(&call->changed);
    }
    return (ssize_t)len;
}

static ssize_t read_content(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *arg) {
    struct weir_http_conn *conn = arg;
    struct weir_http_call *call = source->ptr;
    pthread_mutex_lock(&call->lock);
    bool whole = call->answer != WEIR_HTTP_ANSWER_STREAM || call->ended, aborted = call->aborted;
    ssize_t len = copy_content(call, to, room);
    bool done = whole && call->body_at == call->reply.len;
    pthread_mutex_unlock(&call->lock);
    if (len) call->progress_ns = now_ns(conn);
    if (done && aborted)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM: it is not whole */
    if (len == 0 && !done) return NGHTTP2_ERR_DEFERRED;
    if (!done) return len;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->answer == WEIR_HTTP_ANSWER_GRPC) {
        char status_text[16];
        nghttp2_nv trailers[3];
        size_t count = grpc_trailers(call, status_text, sizeof status_text, trailers);
        if (nghttp2_submit_trailer(session, stream_id, trailers, count) == 0)
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return len;
}

static size_t whole_fields(const struct weir_http_call *call, char *length_text, size_t size,
                           nghttp2_nv *fields, size_t count) {
    if (call->reply_gzipped) {
        fields[count++] = nv("content-encoding", WEIR_VIEW("gzip"));
        fields[count++] = nv("vary", WEIR_VIEW("accept-encoding"));
    }
    if (call->status == 204 || call->status == 304) return count;
    snprintf(length_text, size, "%zu", call->reply_size);
    fields[count++] = nv("content-length", weir_view_str(length_text));
    return count;
}

/* Sends the head and says where the content comes from. The call's lock is held. */
static int submit(struct weir_http_conn *conn, struct weir_http_call *call) {
    nghttp2_nv fields[ANSWER_FIELDS_MAX];
    char status[16], length_text[32], grpc_text[16];
    size_t count = 0;
    bool is_grpc = call->answer == WEIR_HTTP_ANSWER_GRPC;
    bool bodyless = call->is_head || (is_grpc && call->grpc_status != WEIR_GRPC_OK) ||
                    (call->answer == WEIR_HTTP_ANSWER_WHOLE && call->reply.len == 0);
    snprintf(status, sizeof status, "%d", call->status);
    fields[count++] = nv(":status", weir_view_str(status));
    fields[count++] = nv("date", weir_view_str(weir_http_worker_date(conn->worker)));
    if (is_grpc)
        fields[count++] = nv("content-type", WEIR_VIEW("application/grpc"));
    else if (call->content_type.len)
        fields[count++] = nv("content-type", call->content_type);
    for (size_t i = 0; i < call->reply_fields_count; i++) {
        fields[count] = nv("", call->reply_fields[i].value);
        fields[count].name = (uint8_t *)(uintptr_t)call->reply_fields[i].name.ptr;
        fields[count++].namelen = call->reply_fields[i].name.len;
    }
    if (call->answer == WEIR_HTTP_ANSWER_WHOLE)
        count = whole_fields(call, length_text, sizeof length_text, fields, count);
    if (is_grpc && bodyless)
        count += grpc_trailers(call, grpc_text, sizeof grpc_text, fields + count);
    nghttp2_data_provider content = {.source.ptr = call, .read_callback = read_content};
    return nghttp2_submit_response(conn->h2->session, call->stream_id, fields, count,
                                   bodyless ? NULL : &content);
}

static void answer(struct weir_http_conn *conn, struct weir_http_call *call) {
    if (!atomic_load(&call->answered)) return;
    int rc = 0;
    pthread_mutex_lock(&call->lock);
    bool ready =
        call->answer != WEIR_HTTP_ANSWER_NONE; /* claimed, not laid down yet: a task will come */
    if (ready && !call->head_sent) {
        call->head_sent = true;
        call->progress_ns = now_ns(conn);
        rc = submit(conn, call);
    } else if (ready) {
        nghttp2_session_resume_data(conn->h2->session,
                                    call->stream_id); /* fails when it runs already */
    }
    pthread_mutex_unlock(&call->lock);
    if (rc != 0)
        nghttp2_submit_rst_stream(conn->h2->session, NGHTTP2_FLAG_NONE, call->stream_id,
                                  NGHTTP2_INTERNAL_ERROR);
}

/* The HTTP class that a gRPC status counts as. */
static int counted_status(const struct weir_http_call *call) {
    if (call->answer != WEIR_HTTP_ANSWER_GRPC || call->grpc_status == WEIR_GRPC_OK)
        return call->status;
    switch (call->grpc_status) {
    case WEIR_GRPC_UNKNOWN:
    case WEIR_GRPC_DEADLINE_EXCEEDED:
    case WEIR_GRPC_INTERNAL:
    case WEIR_GRPC_UNAVAILABLE:
    case 15: /* data loss */ return 500;
    default: return 400;
    }
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *arg) {
    struct weir_http_conn *conn = arg;
    struct weir_http_call *call = call_of(session, stream_id);
    if (!call || conn->closed) return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    if (call->head_sent) weir_http_door_count_status(conn->door, counted_status(call));
    bool complete = call->head_sent && error_code == NGHTTP2_NO_ERROR;
    weir_http_call_detach(call, !complete);
    return 0;
}

/* ---- the connection ---- */

static size_t input(struct weir_http_conn *conn, struct weir_view bytes) {
    struct weir_http2 *h2 = conn->h2;
    h2->last_input_ns = now_ns(conn);
    ssize_t used = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);
    if (used < 0) {
        weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_MALFORMED);
        conn->out.failed = true;
        return bytes.len;
    }
    return (size_t)used;
}

static void refill(struct weir_http_conn *conn) {
    nghttp2_session *session = conn->h2->session;
    const uint8_t *frame;
    while (conn->out.len < WEIR_HTTP_OUT_HIGH) {
        ssize_t len = nghttp2_session_mem_send(session, &frame);
        if (len < 0) conn->out.failed = true;
        if (len <= 0) break;
        weir_outq_add(&conn->out, weir_view(frame, (size_t)len));
    }
    if (!nghttp2_session_want_read(session) && !nghttp2_session_want_write(session))
        conn->close_when_sent = true;
    if (conn->draining && conn->calls_count == 0) conn->close_when_sent = true;
}

static void eof(struct weir_http_conn *conn) {
    weir_http_conn_close(conn);
}

static bool wants_input(const struct weir_http_conn *conn) {
    return !conn->close_when_sent;
}

static int64_t deadline_ns(const struct weir_http_conn *conn) {
    return conn->calls_count ? conn->h2->next_check_ns : conn->h2->last_input_ns + idle_ns(conn);
}

/* The request, or the peer's reading of the answer, makes no progress. */
static bool is_stuck(struct weir_http_conn *conn, struct weir_http_call *call) {
    int64_t now = now_ns(conn), silent_ns = now - call->progress_ns;
    if (!call->received) {
        size_t size = call->body.len + call->dropped_size;
        int64_t allowed_ns = idle_ns(conn) + (int64_t)(size / BODY_RATE_MIN) * WEIR_NS_PER_S;
        return silent_ns > idle_ns(conn) || now - call->started_ns > allowed_ns;
    }
    if (!call->head_sent) return false; /* the handler's time */
    pthread_mutex_lock(&call->lock);
    bool waits = call->reply.len > call->body_at;
    pthread_mutex_unlock(&call->lock);
    return waits && silent_ns > idle_ns(conn);
}

static void timeout(struct weir_http_conn *conn) {
    struct weir_http2 *h2 = conn->h2;
    if (conn->calls_count == 0) {
        nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
        return;
    }
    h2->next_check_ns = now_ns(conn) + idle_ns(conn) / CHECKS_PER_TIMEOUT;
    for (struct weir_http_call *call = conn->calls; call; call = call->next) {
        if (!is_stuck(conn, call)) continue;
        weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_TIMEOUT);
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
    }
}

static void drain(struct weir_http_conn *conn) {
    nghttp2_session *session = conn->h2->session;
    nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR, NULL,
                          0);
}

const struct weir_http_protocol weir_http_protocol_h2 = {
    .input = input,
    .answer = answer,
    .refill = refill,
    .eof = eof,
    .wants_input = wants_input,
    .deadline_ns = deadline_ns,
    .timeout = timeout,
    .drain = drain,
};

static nghttp2_session *new_session(struct weir_http_conn *conn) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_session_server_new2(&session, callbacks, conn, option);
        nghttp2_option_del(option);
    }
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

bool weir_http2_start(struct weir_http_conn *conn) {
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_SIZE},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_SIZE_MAX},
    };
    struct weir_http2 *h2 = calloc(1, sizeof *h2);
    if (!h2) return false;
    conn->h2 = h2;
    h2->session = new_session(conn);
    if (!h2->session) return false;
    h2->last_input_ns = h2->tokens_ns = now_ns(conn);
    h2->tokens = TOKENS_MAX;
    h2->next_check_ns = now_ns(conn) + idle_ns(conn) / CHECKS_PER_TIMEOUT;
    conn->protocol = &weir_http_protocol_h2;
    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings) != 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW_SIZE) != 0)
        return false;
    if (conn->draining) drain(conn);
    return true;
}

void weir_http2_free(struct weir_http2 *h2) {
    if (!h2) return;
    nghttp2_session_del(h2->session);
    free(h2);
}
