/* SPDX-License-Identifier: Apache-2.0 */
/* Live tail over a WebSocket: {"streams":[…],"dropped_entries":[…]}.
 *
 *     store thread ── rows ──▶ pipeline ──▶ bounded text ──▶ tail's own thread ──▶ socket
 *
 * A reader that is too slow loses lines, never holds up the store; how many it lost it is told. */
#include <pthread.h>
#include <stdlib.h>

#include "api/loki.h"
#include "api/loki_json.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/thread.h"
#include "logql/parse.h"
#include "logql/scan.h"

enum {
    TAILS_MAX = 32,        /* at one time */
    PENDING_MAX = 1 << 20, /* bytes of lines that wait for the socket */
    HISTORY_MAX = 1000,    /* lines from before, with start= */
};

WEIR_COUNTER(dropped_lines, "weir_loki_tail_dropped_lines_total",
             "Log lines that live tails left out because their reader was too slow.", "");

struct tail {
    struct weir_api *api;
    struct weir_http_request *req;
    struct weir_query query; /* holds tree and plan */
    struct weir_logql_expr *expr;
    struct weir_logql_plan plan;
    struct weir_logql_scan scan;
    struct weir_tail *subscription;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t arrived;
    struct weir_buf pending; /* stream objects, with commas between */
    uint64_t dropped;
    int64_t dropped_ns; /* time of the last line that was dropped */
};

/* ---- on the store's thread ------------------------------------------------------------------- */

static bool take_line(void *arg, struct weir_logql_entry *entry) {
    struct tail *tail = arg;
    struct weir_logql_lines lines = {0};
    struct weir_logql_line line = {.time_ns = entry->time_ns, .line = entry->line};
    struct weir_buf text;
    weir_buf_init(&text, PENDING_MAX);
    struct weir_json_writer w = weir_json_writer(&text);
    lines.items = &line;
    lines.count = 1;
    bool good = weir_logql_labels_freeze(weir_logql_entry_labels(entry), NULL, entry->arena,
                                         &line.labels, &line.labels_count) == 0 &&
                weir_loki_add_streams(&w, &lines, false, entry->arena) == 0 && !text.failed &&
                text.len > 2;
    struct weir_view object =
        good ? weir_view(text.ptr + 1, text.len - 2) : weir_view("", 0); /* without [ ] */
    pthread_mutex_lock(&tail->lock);
    if (good && tail->pending.len + object.len + 1 <= PENDING_MAX) {
        if (tail->pending.len) weir_buf_add_char(&tail->pending, ',');
        weir_buf_add_view(&tail->pending, object);
    } else {
        tail->dropped++;
        tail->dropped_ns = entry->time_ns;
        weir_metric_add(&dropped_lines, 1);
    }
    pthread_cond_signal(&tail->arrived);
    pthread_mutex_unlock(&tail->lock);
    weir_buf_done(&text);
    return true;
}

static void take_rows(void *arg, const struct weir_block *block) {
    struct tail *tail = arg;
    struct weir_logql_reader reader = {
        .source = tail->api->source,
        .query = &tail->query,
        .plan = &tail->plan,
        .scan = &tail->scan,
        .from_ns = INT64_MIN,
        .until_ns = INT64_MAX,
        .visit = take_line,
        .arg = tail,
    };
    weir_logql_read_block(&reader, block, NULL);
}

/* ---- on the tail's thread -------------------------------------------------------------------- */

/* Sends what waits; 0, or an error when the peer has gone. */
static int send_pending(struct tail *tail) {
    struct weir_buf message;
    weir_buf_init(&message, PENDING_MAX + 4096);
    pthread_mutex_lock(&tail->lock);
    bool any = tail->pending.len || tail->dropped;
    weir_buf_add_str(&message, "{\"streams\":[");
    weir_buf_add_view(&message, weir_buf_view(&tail->pending));
    weir_buf_add_str(&message, "],\"dropped_entries\":[");
    if (tail->dropped)
        weir_buf_printf(&message, "{\"labels\":{\"dropped\":\"%llu\"},\"timestamp\":\"%lld\"}",
                        (unsigned long long)tail->dropped, (long long)tail->dropped_ns);
    weir_buf_add_str(&message, "]}");
    weir_buf_clear(&tail->pending);
    tail->dropped = 0;
    pthread_mutex_unlock(&tail->lock);
    int rc = any ? weir_http_websocket_send(tail->req, weir_buf_view(&message)) : 0;
    weir_buf_done(&message);
    return rc;
}

static void wait_for_lines(struct tail *tail) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200 * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    pthread_mutex_lock(&tail->lock);
    if (!tail->pending.len && !tail->dropped)
        pthread_cond_timedwait(&tail->arrived, &tail->lock, &until);
    pthread_mutex_unlock(&tail->lock);
}

static void tail_free(struct tail *tail) {
    if (!tail) return;
    struct weir_api *api = tail->api;
    weir_logql_plan_done(&tail->plan);
    weir_query_done(&tail->query);
    weir_buf_done(&tail->pending);
    pthread_cond_destroy(&tail->arrived);
    pthread_mutex_destroy(&tail->lock);
    free(tail);
    atomic_fetch_sub(&api->tails_count,
                     1); /* last: the app waits for it before it frees the rest */
}

/* Passes lines on until the peer goes or the server stops. */
static void serve(struct tail *tail) {
    while (!atomic_load(&tail->api->stopping) && !weir_http_is_canceled(tail->req)) {
        wait_for_lines(tail);
        if (send_pending(tail) != 0) break;
    }
    tail->api->source->tail_close(tail->api->source, tail->subscription);
    weir_http_websocket_close(tail->req);
}

/* ---- its start ------------------------------------------------------------------------------- */

static int prepare(struct tail *tail, struct weir_error *reterr) {
    struct weir_http_request *req = tail->req;
    struct weir_view text = weir_arena_copy(&tail->query.arena, weir_http_param(req, "query"));
    int rc = weir_logql_parse(text, &tail->query.arena, &tail->expr, reterr);
    if (rc == 0 && !weir_logql_is_log(tail->expr))
        rc = weir_error_set(reterr, WEIR_EINVALID, "only log queries can be tailed");
    if (rc == 0)
        rc = weir_logql_plan_init(&tail->plan, text, tail->expr, &tail->query.arena, reterr);
    if (rc == 0 && !req->is_websocket)
        rc = weir_error_set(reterr, WEIR_EINVALID,
                            "live tail needs a WebSocket: send Upgrade: websocket");
    if (rc == 0) weir_logql_scan_init(&tail->scan, &tail->expr->log, NULL, true);
    return rc;
}

/* Lines from `start` up to now go first. */
static void add_history(struct tail *tail) {
    struct weir_logql_options options = {.end_ns = weir_clock_wall_ns(), .limit = 100};
    struct weir_logql_lines lines;
    struct weir_query query;
    if (!weir_http_param(tail->req, "start").len) return;
    weir_api_query_init(tail->api, tail->req, &query);
    struct weir_json_writer w = weir_json_writer(&tail->pending);
    if (weir_api_param_time_ns(tail->req, "start", 0, &options.start_ns, NULL) == 0 &&
        weir_api_param_count(tail->req, "limit", 100, HISTORY_MAX, &options.limit, NULL) == 0 &&
        weir_logql_eval_lines(tail->api->source, &query, &tail->plan, tail->expr, &options, &lines,
                              NULL) == 0 &&
        weir_loki_add_streams(&w, &lines, false, &query.arena) == 0 && !tail->pending.failed &&
        tail->pending.len >= 2) {
        weir_buf_drop(&tail->pending, 1); /* [ */
        tail->pending.len--;              /* ] */
    } else {
        weir_buf_clear(&tail->pending);
    }
    weir_query_done(&query);
}

static int subscribe(struct tail *tail, struct weir_error *reterr) {
    struct weir_source *source = tail->api->source;
    int rc = source->tail(source, WEIR_TABLE_LOGS, tail->scan.columns, tail->scan.columns_count,
                          take_rows, tail, &tail->subscription, reterr);
    if (rc != 0) return rc;
    rc = weir_http_accept_websocket(tail->req);
    if (rc == 0 || rc == WEIR_ECANCELED) return 0; /* gone already: serve() sees it */
    source->tail_close(source, tail->subscription);
    return weir_error_set(reterr, rc, "the live tail could not start: %s", weir_error_text(rc));
}

static void *run(void *arg) {
    struct tail *tail = arg;
    struct weir_error err = {0};
    int rc = prepare(tail, &err);
    if (rc == 0) add_history(tail);
    if (rc == 0) rc = subscribe(tail, &err);
    if (rc == 0)
        serve(tail);
    else
        weir_api_reply_error(tail->req, &err);
    tail_free(tail);
    return NULL;
}

static void refuse(struct weir_http_request *req, int code, const char *words) {
    struct weir_error err = {0};
    weir_error_set(&err, code, "%s", words);
    weir_api_reply_error(req, &err);
}

/* A quick handler: a tail lives as long as its reader, so it gets a thread and no place in the
 * pool. */
void weir_loki_tail(void *ctx, struct weir_http_request *req) {
    struct weir_api *api = ctx;
    pthread_t thread;
    if (atomic_fetch_add(&api->tails_count, 1) >= TAILS_MAX) {
        atomic_fetch_sub(&api->tails_count, 1);
        refuse(req, WEIR_EBUSY, "too many live tails are open; close one and try again");
        return;
    }
    struct tail *tail = calloc(1, sizeof *tail);
    if (!tail) {
        atomic_fetch_sub(&api->tails_count, 1);
        refuse(req, WEIR_ENOMEMORY, "out of memory");
        return;
    }
    tail->api = api;
    tail->req = req;
    pthread_mutex_init(&tail->lock, NULL);
    pthread_cond_init(&tail->arrived, NULL);
    weir_buf_init(&tail->pending, (size_t)PENDING_MAX * 2);
    weir_query_init(&tail->query, (size_t)16 << 20, 0);
    if (weir_thread_start(&thread, "weir-tail", run, tail) == 0) {
        pthread_detach(thread);
        return;
    }
    tail_free(tail);
    refuse(req, WEIR_EBUSY, "no thread is left for the live tail; try again later");
}
