/* SPDX-License-Identifier: Apache-2.0 */
#include "net/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/encoding.h"
#include "net/grpc.h"
#include "net/server.h"

#define ARENA_SIZE_MAX (8u << 20) /* head, parameters, what handlers keep there */

/* ---- life ---- */

static void run_task(void *arg) {
    struct weir_http_call *call = arg;
    atomic_store(&call->posted, false);
    struct weir_http_conn *conn = call->conn;
    if (conn && !conn->closed) {
        conn->protocol->answer(conn, call);
        weir_http_conn_settle(conn);
    }
    weir_http_call_unref(call);
}

struct weir_http_call *weir_http_call_new(struct weir_http_conn *conn) {
    struct weir_http_call *call = calloc(1, sizeof *call);
    if (!call) return NULL;
    weir_arena_init(&call->arena, ARENA_SIZE_MAX);
    call->req.arena = &call->arena;
    call->req.peer = weir_arena_copy(&call->arena, weir_view_str(conn->peer));
    call->server = weir_http_server_ref(conn->server);
    call->worker = conn->worker;
    call->door = conn->door;
    call->body_size_max = conn->door->door.body_size_max;
    weir_buf_init(&call->body, SIZE_MAX);
    weir_buf_init(&call->reply, SIZE_MAX);
    atomic_init(&call->refs, 2);
    call->task = (struct weir_loop_task){.run = run_task, .arg = call};
    pthread_mutex_init(&call->lock, NULL);
    pthread_cond_init(&call->changed, NULL);
    call->conn = conn;
    call->next = conn->calls;
    call->link = &conn->calls;
    if (call->next) call->next->link = &call->next;
    conn->calls = call;
    conn->calls_count++;
    return call;
}

struct weir_http_call *weir_http_call_ref(struct weir_http_call *call) {
    atomic_fetch_add(&call->refs, 1);
    return call;
}

void weir_http_call_unref(struct weir_http_call *call) {
    if (!call || atomic_fetch_sub(&call->refs, 1) != 1) return;
    weir_http_server_budget_give(call->server, call->budget_taken);
    weir_http_server_unref(call->server);
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->lock);
    weir_buf_done(&call->body);
    weir_buf_done(&call->reply);
    weir_arena_done(&call->arena);
    free(call);
}

void weir_http_call_cancel(struct weir_http_call *call) {
    pthread_mutex_lock(&call->lock);
    atomic_store(&call->canceled, true);
    pthread_cond_broadcast(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

void weir_http_call_detach(struct weir_http_call *call, bool canceled) {
    struct weir_http_conn *conn = call->conn;
    if (!conn) return;
    call->conn = NULL;
    *call->link = call->next;
    if (call->next) call->next->link = call->link;
    conn->calls_count--;
    if (canceled) weir_http_call_cancel(call);
    bool unasked = !call->dispatched && !atomic_load(&call->answered);
    if (unasked) weir_http_call_unref(call); /* the answer's reference: no handler will use it */
    weir_http_call_unref(call);
}

void weir_http_call_notify(struct weir_http_call *call) {
    /* A quick handler answers under the eyes of its dispatcher, which looks for itself. */
    if (weir_loop_is_current(call->worker->loop) && call->in_dispatch) return;
    if (atomic_exchange(&call->posted, true)) return;
    weir_http_call_ref(call);
    if (!weir_loop_post(call->worker->loop, &call->task)) weir_http_call_unref(call);
}

struct weir_view weir_http_call_field(const struct weir_http_call *call, const char *name) {
    return weir_http_field_get(call->fields, call->fields_count, name);
}

/* ---- refusing ---- */

void weir_http_call_refuse(struct weir_http_call *call, enum weir_http_refusal why, int status,
                           const char *format, ...) {
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    weir_http_door_count_refused(call->door, why);
    if (call->req.is_grpc) {
        int grpc_status = status == 413                    ? WEIR_GRPC_RESOURCE_EXHAUSTED
                          : status == 404 || status == 415 ? WEIR_GRPC_UNIMPLEMENTED
                          : status == 400                  ? WEIR_GRPC_INVALID_ARGUMENT
                                                           : weir_grpc_status_from_http(status);
        if (status == 415)
            weir_http_reply_header(&call->req, "grpc-accept-encoding",
                                   WEIR_VIEW(WEIR_ENCODING_ACCEPTED));
        weir_http_reply_grpc(&call->req, grpc_status, text, WEIR_VIEW(""), WEIR_VIEW(""));
        return;
    }
    if (status == 415)
        weir_http_reply_header(&call->req, "Accept-Encoding", WEIR_VIEW(WEIR_ENCODING_ACCEPTED));
    if (status == 503 || status == 429)
        weir_http_reply_header(&call->req, "Retry-After", WEIR_VIEW("1"));
    size_t len = strlen(text);
    text[len] = '\n'; /* vsnprintf left room for it */
    weir_http_reply_view(&call->req, status, "text/plain; charset=utf-8", weir_view(text, len + 1));
}

/* ---- the head ---- */

/* No handler has this method here: 204 for OPTIONS, 405, or 404. */
static void refuse_route(struct weir_http_call *call) {
    struct weir_buf allowed;
    weir_buf_init(&allowed, 256);
    weir_http_route_add_allowed(call->door->door.routes, call->door->door.routes_count,
                                call->raw_path, &call->arena, &allowed);
    if (allowed.len) weir_http_reply_header(&call->req, "Allow", weir_buf_view(&allowed));
    if (allowed.len && weir_view_is(call->req.method, "OPTIONS"))
        weir_http_reply_view(&call->req, 204, NULL, WEIR_VIEW(""));
    else if (allowed.len)
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_METHOD, 405,
                              "%.*s is not allowed here, only %.*s",
                              WEIR_VIEW_ARG(weir_view_upto(call->req.method, 20)),
                              WEIR_VIEW_ARG(weir_buf_view(&allowed)));
    else
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_NOT_FOUND, 404, "there is nothing at %.*s",
                              WEIR_VIEW_ARG(weir_view_upto(call->req.path, 200)));
    weir_buf_done(&allowed);
}

static bool refuse_too_big(struct weir_http_call *call) {
    weir_http_call_refuse(call, WEIR_HTTP_REFUSED_BODY_SIZE, 413,
                          "the body is larger than %zu bytes: send smaller batches",
                          call->body_size_max);
    return false;
}

static bool check_target(struct weir_http_call *call, struct weir_view target) {
    struct weir_view authority;
    call->req.path = WEIR_VIEW("/");
    if (weir_uri_split_target(target, &call->raw_path, &call->req.query, &authority) &&
        weir_uri_decode_path(&call->arena, call->raw_path, &call->req.path)) {
        if (authority.len) call->authority = authority; /* the absolute form wins over Host */
        return true;
    }
    weir_http_call_refuse(call, WEIR_HTTP_REFUSED_MALFORMED, 400,
                          "the request target is malformed, or leaves its folder");
    return false;
}

static bool check_encoding(struct weir_http_call *call) {
    struct weir_view coding = weir_http_call_field(call, "content-encoding");
    if (call->req.is_grpc || weir_encoding_known(coding)) return true;
    weir_http_call_refuse(
        call, WEIR_HTTP_REFUSED_ENCODING, 415,
        "Content-Encoding \"%.*s\" is not supported: use one of " WEIR_ENCODING_ACCEPTED,
        WEIR_VIEW_ARG(weir_view_upto(coding, 40)));
    return false;
}

bool weir_http_call_check(struct weir_http_call *call, struct weir_view target,
                          int64_t content_length) {
    const char *reason;
    call->is_head = weir_view_is(call->req.method, "HEAD");
    if (!check_target(call, target)) return false;
    if (!weir_http_door_allows(call->door, call->authority, weir_http_call_field(call, "origin"),
                               &reason)) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_HOST, 403, "%s", reason);
        return false;
    }
    call->route =
        weir_http_route_find(call->door->door.routes, call->door->door.routes_count,
                             call->req.method, call->raw_path, &call->arena, &call->path_params);
    if (!call->route) {
        refuse_route(call);
        return false;
    }
    if (call->route->body_size_max) call->body_size_max = call->route->body_size_max;
    size_t wire_max = call->body_size_max + (call->req.is_grpc ? WEIR_GRPC_PREFIX_SIZE : 0);
    if (content_length >= 0 && (uint64_t)content_length > wire_max) return refuse_too_big(call);
    return check_encoding(call);
}

/* ---- the body ---- */

static bool take_budget(struct weir_http_call *call, size_t size) {
    if (size <= call->budget_taken) return true;
    size_t more = size - call->budget_taken;
    if (!weir_http_server_budget_take(call->server, more)) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_BUSY, 503,
                              "too many request bodies are in memory: try again");
        return false;
    }
    call->budget_taken = size;
    return true;
}

/* gRPC tells the message's size up front: refuse before it is here. */
static bool check_grpc_size(struct weir_http_call *call) {
    bool compressed;
    size_t len;
    if (!call->req.is_grpc || call->body.len < WEIR_GRPC_PREFIX_SIZE) return true;
    if (!weir_grpc_prefix_parse(weir_buf_view(&call->body), &compressed, &len)) return true;
    if (len <= call->body_size_max) return true;
    weir_http_call_refuse(call, WEIR_HTTP_REFUSED_BODY_SIZE, 413,
                          "the message of %zu bytes is larger than %zu bytes: send smaller batches",
                          len, call->body_size_max);
    return false;
}

bool weir_http_call_body_add(struct weir_http_call *call, struct weir_view bytes) {
    size_t wire_max = call->body_size_max + (call->req.is_grpc ? WEIR_GRPC_PREFIX_SIZE : 0);
    bool at_prefix = call->body.len < WEIR_GRPC_PREFIX_SIZE;
    if (bytes.len > wire_max - call->body.len) return refuse_too_big(call);
    if (!take_budget(call, call->body.len + bytes.len)) return false;
    weir_buf_add_view(&call->body, bytes);
    if (call->body.failed) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_BUSY, 503, "no memory for the request body");
        return false;
    }
    return !at_prefix || check_grpc_size(call);
}

/* Replaces the body by what it decodes to. */
static bool decompress(struct weir_http_call *call, struct weir_view coding,
                       struct weir_view bytes) {
    struct weir_buf out;
    struct weir_error err;
    weir_buf_init(&out, call->body_size_max);
    int rc = weir_encoding_decode(coding, bytes, &out, &err);
    if (rc == WEIR_OK && !take_budget(call, out.len)) {
        weir_buf_done(&out);
        return false;
    }
    if (rc != WEIR_OK) {
        weir_buf_done(&out);
        weir_http_call_refuse(
            call, rc == WEIR_ETOOBIG ? WEIR_HTTP_REFUSED_BODY_SIZE : WEIR_HTTP_REFUSED_ENCODING,
            weir_error_http(rc), "%s", err.message);
        return false;
    }
    weir_buf_done(&call->body);
    call->body = out;
    call->req.body = weir_buf_view(&call->body);
    return true;
}

static bool unpack_grpc(struct weir_http_call *call) {
    struct weir_error err;
    struct weir_view message;
    bool compressed;
    if (weir_grpc_message_get(weir_buf_view(&call->body), &message, &compressed, &err) != WEIR_OK) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_MALFORMED, 400, "%s", err.message);
        return false;
    }
    call->req.body = message;
    struct weir_view coding = weir_http_call_field(call, "grpc-encoding");
    if (!compressed) return true;
    if (weir_encoding_is_identity(coding)) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_MALFORMED, 400,
                              "the message is compressed, but grpc-encoding does not say how");
        return false;
    }
    return decompress(call, coding, message);
}

static bool unpack(struct weir_http_call *call) {
    call->req.body_size_wire = call->body.len;
    weir_metric_add(&call->door->counters->received_bytes, (int64_t)call->body.len);
    if (call->req.is_grpc) return unpack_grpc(call);
    struct weir_view coding = weir_http_call_field(call, "content-encoding");
    call->req.body = weir_buf_view(&call->body);
    return weir_encoding_is_identity(coding) || decompress(call, coding, call->req.body);
}

/* ---- the handler ---- */

static void run_handler(struct weir_http_call *call) {
    if (unpack(call)) call->route->handler(call->door->door.ctx, &call->req);
}

/* What a blocking handler left open when it returned. */
static void close_open_end(struct weir_http_call *call) {
    if (!atomic_load(&call->answered)) {
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_INTERNAL, 500,
                              "the request was not answered");
        return;
    }
    pthread_mutex_lock(&call->lock);
    bool open =
        (call->answer == WEIR_HTTP_ANSWER_STREAM || call->answer == WEIR_HTTP_ANSWER_WEBSOCKET) &&
        !call->ended;
    if (open) call->aborted = call->ended = true;
    pthread_mutex_unlock(&call->lock);
    if (!open) return;
    weir_http_call_notify(call);
    weir_http_call_unref(call);
}

static void run_job(void *arg) {
    struct weir_http_call *call = arg;
    run_handler(call);
    close_open_end(call);
    weir_http_call_unref(call);
}

void weir_http_call_dispatch(struct weir_http_call *call) {
    struct weir_http_conn *conn = call->conn;
    call->dispatched = true;
    if (call->route->flags & WEIR_HTTP_BLOCKING) {
        weir_http_call_ref(call);
        struct weir_pool *pool = call->server->options.pool;
        if (pool && weir_pool_try_run(pool, run_job, call)) return;
        weir_http_call_unref(call);
        call->in_dispatch = true;
        weir_http_call_refuse(call, WEIR_HTTP_REFUSED_BUSY, 503,
                              "too many requests wait: try again");
    } else {
        call->in_dispatch = true;
        weir_http_call_ref(call); /* the answer may end the last other reference */
        run_handler(call);
        call->in_dispatch = false;
        if (atomic_load(&call->answered) && call->conn) conn->protocol->answer(conn, call);
        weir_http_call_unref(call);
        return;
    }
    call->in_dispatch = false;
    conn->protocol->answer(conn, call);
}
