/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded set of connections. What takes long (connecting, asking, saying goodbye) happens
 * outside the lock, by the thread that takes or gives; there is no thread of the pool's own. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "pq/connection.h"
#include "pq/pool_metrics.h"

enum { MAX_DEFAULT = 8, WAIT_MS = 5000, IDLE_MS = 300000, CHECK_MS = 1000 };

struct weir_pq_pool {
    char *conninfo; /* NULL: PG* variables */
    unsigned max, idle_max;
    int64_t wait_ns, idle_ns, check_ns; /* check_ns -1: never */
    pid_t pid;
    struct weir_pq_pool_metrics metrics;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct weir_pq *idle; /* the latest given back first */
    unsigned idle_count;
    unsigned used; /* given out, or being opened */
    unsigned waiting;
    uint64_t opened, closed, timeouts;
    bool closing;
};

/* ── opening ─────────────────────────────────────────────────────────────────────────────────── */

static int64_t or_default(int64_t value, int64_t otherwise) {
    return value ? value : otherwise;
}

static const char *value_of(const PQconninfoOption *options, const char *key) {
    for (; options && options->keyword; options++)
        if (!strcmp(options->keyword, key)) return options->val ? options->val : "";
    return "";
}

/* "<address>:<port>/<database>" as the connection string and the variables say it. */
static bool default_name(const char *conninfo, char *name, size_t size, struct weir_error *reterr) {
    char *words = NULL;
    PQconninfoOption *defaults = PQconndefaults();
    PQconninfoOption *options = PQconninfoParse(conninfo ? conninfo : "", &words);
    if (!options || !defaults)
        weir_error_set(reterr, words ? WEIR_EINVALID : WEIR_ENOMEMORY, "postgresql: %s",
                       words ? words : "out of memory");
    const char *parts[3];
    static const char *const keys[] = {"host", "port", "dbname"};
    for (int i = 0; i < 3; i++) {
        parts[i] = value_of(options, keys[i]);
        if (!parts[i][0]) parts[i] = value_of(defaults, keys[i]);
    }
    snprintf(name, size, "%s:%s/%s", parts[0][0] ? parts[0] : "localhost", parts[1], parts[2]);
    bool read = options && defaults;
    PQfreemem(words);
    PQconninfoFree(options);
    PQconninfoFree(defaults);
    return read;
}

static bool init_waiting(struct weir_pq_pool *pool) {
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr)) return false;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    bool ok = !pthread_cond_init(&pool->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (!ok) return false;
    if (!pthread_mutex_init(&pool->lock, NULL)) return true;
    pthread_cond_destroy(&pool->changed);
    return false;
}

struct weir_pq_pool *weir_pq_pool_open(const struct weir_pq_pool_options *given,
                                       struct weir_error *reterr) {
    struct weir_pq_pool_options options = {.struct_size = 0};
    char name[512];
    if (!given || given->struct_size < sizeof given->struct_size) {
        weir_error_set(reterr, WEIR_EINVALID, "weir_pq_pool_open: struct_size is not set");
        return NULL;
    }
    memcpy(&options, given,
           given->struct_size < sizeof options ? given->struct_size : sizeof options);
    if (options.wait_ms < 0 || options.idle_ms < 0 || options.check_ms < -1) {
        weir_error_set(reterr, WEIR_EINVALID, "weir_pq_pool_open: a time is negative");
        return NULL;
    }
    if (!default_name(options.conninfo, name, sizeof name, reterr)) return NULL;
    struct weir_pq_pool *pool = calloc(1, sizeof *pool);
    if (!pool || (options.conninfo && !(pool->conninfo = strdup(options.conninfo))) ||
        !init_waiting(pool)) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "postgresql: out of memory");
        if (pool) free(pool->conninfo);
        free(pool);
        return NULL;
    }
    pool->pid = getpid();
    pool->max = options.max ? options.max : MAX_DEFAULT;
    pool->idle_max =
        options.idle_max && options.idle_max < pool->max ? options.idle_max : pool->max;
    pool->wait_ns = or_default(options.wait_ms, WAIT_MS) * WEIR_NS_PER_MS;
    pool->idle_ns = or_default(options.idle_ms, IDLE_MS) * WEIR_NS_PER_MS;
    pool->check_ns =
        options.check_ms < 0 ? -1 : or_default(options.check_ms, CHECK_MS) * WEIR_NS_PER_MS;
    weir_pq_pool_metrics_open(&pool->metrics, options.name ? options.name : name, pool->max,
                              pool->idle_max);
    return pool;
}

/* ── under the lock ──────────────────────────────────────────────────────────────────────────── */

static struct weir_pq *pop(struct weir_pq_pool *pool) {
    struct weir_pq *pq = pool->idle;
    if (!pq) return NULL;
    pool->idle = pq->next;
    pool->idle_count--;
    pq->next = NULL;
    weir_series_add(pool->metrics.idle, -1);
    return pq;
}

static void push(struct weir_pq_pool *pool, struct weir_pq *pq, int64_t now_ns) {
    pq->since_ns = now_ns;
    pq->next = pool->idle;
    pool->idle = pq;
    pool->idle_count++;
    weir_series_add(pool->metrics.idle, 1);
}

static void count_used(struct weir_pq_pool *pool, int by) {
    pool->used = (unsigned)((int)pool->used + by);
    weir_series_add(pool->metrics.used, by);
    if (by < 0) pthread_cond_broadcast(&pool->changed);
}

/* Takes out those that were idle for too long; gives them as a list. */
static struct weir_pq *pop_old(struct weir_pq_pool *pool, int64_t now_ns) {
    struct weir_pq **at = &pool->idle;
    while (*at && now_ns - (*at)->since_ns <= pool->idle_ns) at = &(*at)->next;
    struct weir_pq *old = *at; /* the rest is older still */
    *at = NULL;
    for (struct weir_pq *pq = old; pq; pq = pq->next) {
        pool->idle_count--;
        pool->closed++;
        weir_series_add(pool->metrics.idle, -1);
    }
    return old;
}

/* Waits for a place until the deadline: WEIR_OK, an idle connection in *ret if there is one, and
 * counted as used. */
static int wait_for_place(struct weir_pq_pool *pool, int64_t deadline_ns, struct weir_pq **ret) {
    const struct timespec until = {(time_t)(deadline_ns / WEIR_NS_PER_S),
                                   (long)(deadline_ns % WEIR_NS_PER_S)};
    int rc = 0;
    pool->waiting++;
    weir_series_add(pool->metrics.pending, 1);
    while (!pool->closing && !pool->idle && pool->used >= pool->max && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    pool->waiting--;
    weir_series_add(pool->metrics.pending, -1);
    if (pool->closing) return pthread_cond_broadcast(&pool->changed), WEIR_ECLOSED;
    if (!pool->idle && pool->used + pool->idle_count >= pool->max) {
        pool->timeouts++;
        weir_series_add(pool->metrics.timeouts, 1);
        return WEIR_ETIMEOUT;
    }
    *ret = pop(pool);
    count_used(pool, 1);
    return WEIR_OK;
}

/* ── outside the lock ────────────────────────────────────────────────────────────────────────── */

static void close_all(struct weir_pq *list) {
    while (list) {
        struct weir_pq *next = list->next;
        weir_pq_close(list);
        list = next;
    }
}

/* Something to read on an idle connection is the server's goodbye. */
static bool was_left(struct weir_pq *pq) {
    struct pollfd fd = {.fd = PQsocket(pq->conn), .events = POLLIN};
    if (fd.fd < 0) return true;
    if (poll(&fd, 1, 0) <= 0) return false;
    return !PQconsumeInput(pq->conn) || PQstatus(pq->conn) != CONNECTION_OK;
}

static bool is_alive(const struct weir_pq_pool *pool, struct weir_pq *pq) {
    if (PQstatus(pq->conn) != CONNECTION_OK || was_left(pq)) return false;
    if (pool->check_ns < 0 || weir_clock_mono_ns() - pq->since_ns <= pool->check_ns) return true;
    PGresult *result = PQexec(pq->conn, "");
    bool answered = PQresultStatus(result) == PGRES_EMPTY_QUERY;
    PQclear(result);
    return answered;
}

static struct weir_pq *open_one(struct weir_pq_pool *pool, struct weir_error *reterr) {
    int64_t start_ns = weir_clock_mono_ns();
    int64_t timeout_s = pool->wait_ns / WEIR_NS_PER_S;
    if (timeout_s < 2) timeout_s = 2; /* libpq knows no shorter one */
    struct weir_pq *pq =
        weir_pq_connect(pool->conninfo, timeout_s > 86400 ? 86400 : (int)timeout_s, reterr);
    if (pq)
        weir_series_record(pool->metrics.create_time,
                           (double)(weir_clock_mono_ns() - start_ns) / 1e9);
    return pq;
}

static int refuse(int code, struct weir_error *reterr) {
    return weir_error_set(reterr, code, "postgresql: %s",
                          code == WEIR_ETIMEOUT ? "all connections of the pool stayed in use"
                                                : "the pool is closed");
}

/* A live connection for the place that is counted already: `idle` if it still answers. */
static struct weir_pq *fill_place(struct weir_pq_pool *pool, struct weir_pq *idle,
                                  struct weir_error *reterr) {
    uint64_t opened = 0, closed = 0;
    struct weir_pq *pq = idle;
    if (pq && !is_alive(pool, pq)) {
        weir_pq_close(pq);
        pq = NULL;
        closed = 1;
    }
    if (!pq && (pq = open_one(pool, reterr))) opened = 1;
    pthread_mutex_lock(&pool->lock);
    pool->opened += opened;
    pool->closed += closed;
    if (!pq) count_used(pool, -1);
    pthread_mutex_unlock(&pool->lock);
    return pq;
}

struct weir_pq *weir_pq_pool_take(struct weir_pq_pool *pool, struct weir_error *reterr) {
    struct weir_pq *pq = NULL;
    if (!pool || pool->pid != getpid()) {
        refuse(WEIR_ECLOSED, reterr);
        return NULL;
    }
    int64_t start_ns = weir_clock_mono_ns();
    pthread_mutex_lock(&pool->lock);
    struct weir_pq *old = pop_old(pool, start_ns);
    int code = wait_for_place(pool, start_ns + pool->wait_ns, &pq);
    pthread_mutex_unlock(&pool->lock);
    close_all(old);
    if (code != WEIR_OK) {
        refuse(code, reterr);
        return NULL;
    }
    pq = fill_place(pool, pq, reterr);
    int64_t now_ns = weir_clock_mono_ns();
    if (!pq) return NULL;
    pq->since_ns = now_ns;
    weir_series_record(pool->metrics.wait_time, (double)(now_ns - start_ns) / 1e9);
    return pq;
}

/* Ready for the next one: no transaction, nothing half done. */
static bool clean(struct weir_pq *pq) {
    if (pq->copy.target) weir_pq_copy_end(pq, "given back to the pool", NULL, NULL);
    switch (PQtransactionStatus(pq->conn)) {
    case PQTRANS_IDLE: return PQstatus(pq->conn) == CONNECTION_OK;
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR:
        return weir_pq_rollback(pq, NULL) == WEIR_OK &&
               PQtransactionStatus(pq->conn) == PQTRANS_IDLE;
    case PQTRANS_ACTIVE:
    case PQTRANS_UNKNOWN: break;
    }
    return false;
}

void weir_pq_pool_give(struct weir_pq_pool *pool, struct weir_pq *pq) {
    if (!pool || !pq) return;
    if (pool->pid != getpid()) {
        weir_pq_close(pq);
        return;
    }
    weir_series_record(pool->metrics.use_time, (double)(weir_clock_mono_ns() - pq->since_ns) / 1e9);
    bool keep = clean(pq);
    int64_t now_ns = weir_clock_mono_ns();
    pthread_mutex_lock(&pool->lock);
    struct weir_pq *old = pop_old(pool, now_ns);
    keep = keep && !pool->closing && pool->idle_count < pool->idle_max;
    if (keep) {
        push(pool, pq, now_ns);
    } else {
        pq->next = old;
        old = pq;
        pool->closed++;
    }
    count_used(pool, -1);
    pthread_mutex_unlock(&pool->lock);
    close_all(old);
}

/* ── closing ─────────────────────────────────────────────────────────────────────────────────── */

void weir_pq_pool_close(struct weir_pq_pool *pool) {
    if (!pool) return;
    if (pool->pid == getpid()) {
        pthread_mutex_lock(&pool->lock);
        pool->closing = true;
        pthread_cond_broadcast(&pool->changed);
        while (pool->used || pool->waiting) pthread_cond_wait(&pool->changed, &pool->lock);
        while (pool->idle) weir_pq_close(pop(pool));
        pthread_mutex_unlock(&pool->lock);
        weir_pq_pool_metrics_close(&pool->metrics, pool->max, pool->idle_max);
        pthread_cond_destroy(&pool->changed);
        pthread_mutex_destroy(&pool->lock);
    } else {
        close_all(pool->idle);
    }
    free(pool->conninfo);
    free(pool);
}

void weir_pq_pool_stats_get(struct weir_pq_pool *pool, struct weir_pq_pool_stats *stats) {
    struct weir_pq_pool_stats now = {.struct_size = stats->struct_size};
    if (pool && pool->pid == getpid()) {
        pthread_mutex_lock(&pool->lock);
        now.used = pool->used;
        now.idle = pool->idle_count;
        now.waiting = pool->waiting;
        now.opened = pool->opened;
        now.closed = pool->closed;
        now.timeouts = pool->timeouts;
        pthread_mutex_unlock(&pool->lock);
    }
    memcpy(stats, &now, now.struct_size < sizeof now ? now.struct_size : sizeof now);
}
