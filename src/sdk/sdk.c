/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sdk.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sdk/exporter.h"
#include "sdk/health.h"
#include "sdk/instrumentation.h"
#include "sdk/lane.h"
#include "sdk/metric.h"
#include "sdk/port.h"
#include "sdk/self.h"

enum { FLUSH_TIMEOUT_MS = 10000, REPORT_INTERVAL_MS = 1000 };

_Atomic unsigned weir_sdk_on;
struct weir_sdk_counters weir_sdk_counters;

/* Held for a whole init, flush or shutdown; taken with a deadline. */
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
/* guarded by life */
static int uses; /* inits without their shutdown */
static struct weir_config *retired;
static struct weir_port *_Atomic port;

/* Guards that the exporter is not freed while someone looks at it; held briefly. */
static pthread_mutex_t swap = PTHREAD_MUTEX_INITIALIZER;
static struct weir_exporter *exporter; /* written under life and swap */
struct weir_config *_Atomic weir_sdk_current;

static void publish_exporter(struct weir_exporter *now) {
    pthread_mutex_lock(&swap);
    exporter = now;
    pthread_mutex_unlock(&swap);
}

void weir_sdk_report(const struct weir_error *err) {
    static _Atomic int64_t last_ns = INT64_MIN;
    const struct weir_config *config = weir_sdk_config();
    int64_t now = weir_clock_mono_ns(), last = atomic_load(&last_ns);
    if (!config || !config->on_error) return;
    if (last != INT64_MIN && now - last < REPORT_INTERVAL_MS * WEIR_NS_PER_MS) return;
    if (atomic_compare_exchange_strong(&last_ns, &last, now))
        config->on_error(config->on_error_arg, err);
}

/* A mistake of ours must not harm the host: count, switch everything off, say so. */
static void bug_found(const char *file, int line, const char *message) {
    struct weir_error err = {.code = 0};
    weir_sdk_count(&weir_sdk_counters.bugs, 1);
    atomic_store(&weir_sdk_on, WEIR_SDK_NO_METRICS);
    weir_error_set(&err, WEIR_EBUG, "libweir switched itself off: %s:%d: %s", file, line, message);
    weir_sdk_report(&err);
}

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

/* Locks are taken outermost first. `life`, the collection's and the health checks' lock may be held
 * for long, so they are not waited for: the child makes them anew. */
static void fork_prepare(void) {
    pthread_mutex_lock(&swap);
    if (exporter) weir_exporter_lock(exporter);
    pthread_mutex_lock(weir_instrumentation_lock());
    for (int i = 1; i < WEIR_METRICS_LOCKS_COUNT; i++) pthread_mutex_lock(weir_metrics_lock(i));
    pthread_mutex_lock(weir_lanes_lock());
}

static void fork_release(void) {
    pthread_mutex_unlock(weir_lanes_lock());
    for (int i = WEIR_METRICS_LOCKS_COUNT - 1; i > 0; i--)
        pthread_mutex_unlock(weir_metrics_lock(i));
    pthread_mutex_unlock(weir_instrumentation_lock());
    if (exporter) weir_exporter_unlock(exporter);
    pthread_mutex_unlock(&swap);
}

static void fork_child(void) {
    weir_lanes_forked();
    memset(&weir_sdk_counters, 0, sizeof weir_sdk_counters); /* nobody else is here */
    fork_release();
    pthread_mutex_init(&life, NULL);
    pthread_mutex_init(weir_metrics_lock(0), NULL);
    weir_health_forked();
    weir_metrics_forked();
    weir_port_forked(atomic_exchange(&port, NULL));
    if (!exporter) return;
    weir_lanes_wake_set(NULL);
    weir_exporter_forked(exporter);
    exporter = NULL;
    atomic_fetch_or(&weir_sdk_on, WEIR_SDK_FORKED);
}

static void watch_forks(void) {
    pthread_atfork(fork_prepare, fork_release, fork_child);
}

/* Call with life held. */
static int start_exporter(const struct weir_config *config, struct weir_error *reterr) {
    struct weir_exporter *started;
    int rc = weir_exporter_start(config, &started, reterr);
    if (rc == WEIR_OK) publish_exporter(started);
    return rc;
}

void weir_sdk_restart(void) {
    unsigned before = atomic_fetch_and(&weir_sdk_on, ~(unsigned)WEIR_SDK_FORKED);
    if (!(before & WEIR_SDK_FORKED)) return;
    pthread_mutex_lock(&life);
    if (uses && !exporter && start_exporter(weir_sdk_config(), NULL) != WEIR_OK)
        atomic_fetch_and(&weir_sdk_on, ~(unsigned)(WEIR_SDK_RECORDS_SPANS | WEIR_SDK_RECORDS_LOGS));
    pthread_mutex_unlock(&life);
}

/* ── init and shutdown ───────────────────────────────────────────────────────────────────────── */

static bool needs_exporter(const struct weir_config *config) {
    return config->log_file || config->exporters[0] || config->exporters[2] ||
           config->exporters[WEIR_SDK_METRICS] & (WEIR_EXPORTER_OTLP | WEIR_EXPORTER_CONSOLE);
}

static unsigned bits_of(const struct weir_config *config) {
    const unsigned pushed = WEIR_EXPORTER_OTLP | WEIR_EXPORTER_CONSOLE;
    unsigned bits = WEIR_SDK_RUNS | WEIR_SDK_PROPAGATES;
    if (config->disabled) return WEIR_SDK_PROPAGATES | WEIR_SDK_NO_METRICS;
    if (config->exemplars == WEIR_CONFIG_EXEMPLARS_ALL) bits |= WEIR_SDK_EXEMPLARS_ALL;
    if (config->exemplars == WEIR_CONFIG_EXEMPLARS_NONE) bits |= WEIR_SDK_EXEMPLARS_NONE;
    if (config->exporters[WEIR_SDK_TRACES] & pushed) bits |= WEIR_SDK_RECORDS_SPANS;
    if (config->exporters[WEIR_SDK_LOGS] & pushed || config->log_file)
        bits |= WEIR_SDK_RECORDS_LOGS;
    if (config->lazy && needs_exporter(config)) bits |= WEIR_SDK_FORKED;
    return bits;
}

static int start_all(const struct weir_config *config, struct weir_error *reterr) {
    struct weir_port *started = NULL;
    int number = config->http_port < 0 ? 0 : config->http_port, rc = WEIR_OK;
    if (config->disabled) return WEIR_OK;
    if (config->http_port) rc = weir_port_start(config->http_host, number, &started, reterr);
    if (!rc && needs_exporter(config) && !config->lazy) rc = start_exporter(config, reterr);
    if (rc) {
        weir_port_stop(started);
        return rc;
    }
    atomic_store(&port, started);
    weir_self_start();
    return WEIR_OK;
}

static int init(const struct weir_options *options, struct weir_error *reterr) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weir_config *config;
    if (uses && options)
        return weir_error_set(
            reterr, WEIR_ECONFLICT,
            "libweir runs already in this process: pass NULL options to share it");
    if (uses) {
        uses++;
        return WEIR_OK;
    }
    int rc = weir_config_new(options, &config, reterr);
    if (rc) return rc;
    pthread_once(&once, watch_forks);
    weir_bug_handler_set(bug_found);
    if ((rc = start_all(config, reterr))) {
        weir_config_free(config);
        return rc;
    }
    struct weir_config *before = atomic_load(&weir_sdk_current);
    if (before) before->next = retired, retired = before;
    atomic_store_explicit(&weir_sdk_current, config, memory_order_release);
    uses = 1;
    atomic_store(&weir_sdk_on, bits_of(config));
    return WEIR_OK;
}

int weir_init(const struct weir_options *options, struct weir_error *reterr) {
    pthread_mutex_lock(&life);
    int rc = init(options, reterr);
    pthread_mutex_unlock(&life);
    return rc;
}

static int64_t deadline_of(int64_t timeout_ms) {
    const int64_t most = 24 * 3600 * 1000;
    if (timeout_ms <= 0) timeout_ms = FLUSH_TIMEOUT_MS;
    return weir_clock_mono_ns() + (timeout_ms < most ? timeout_ms : most) * WEIR_NS_PER_MS;
}

/* False when another init, flush or shutdown does not end in time. */
static bool lock_life(int64_t deadline_ns) {
    int64_t wall_ns = weir_clock_wall_ns() + deadline_ns - weir_clock_mono_ns();
    struct timespec until = {.tv_sec = (time_t)(wall_ns / WEIR_NS_PER_S),
                             .tv_nsec = (long)(wall_ns % WEIR_NS_PER_S)};
    return pthread_mutex_timedlock(&life, &until) == 0;
}

static int busy(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ETIMEOUT, "another flush or shutdown has not ended in time");
}

int weir_flush(int64_t timeout_ms, struct weir_error *reterr) {
    int64_t deadline_ns = deadline_of(timeout_ms);
    weir_sdk_continue_after_fork();
    if (!lock_life(deadline_ns)) return busy(reterr);
    int rc = exporter ? weir_exporter_flush(exporter, deadline_ns, reterr) : WEIR_OK;
    pthread_mutex_unlock(&life);
    return rc;
}

static int stop_all(int64_t deadline_ns, struct weir_error *reterr) {
    struct weir_exporter *last = exporter;
    atomic_store(&weir_sdk_on, 0);
    publish_exporter(NULL);
    int rc = last ? weir_exporter_stop(last, deadline_ns, reterr) : WEIR_OK;
    weir_port_stop(atomic_exchange(&port, NULL));
    return rc;
}

int weir_shutdown(int64_t timeout_ms, struct weir_error *reterr) {
    int64_t deadline_ns = deadline_of(timeout_ms);
    int rc = WEIR_OK;
    if (!lock_life(deadline_ns)) return busy(reterr);
    if (uses > 1) {
        uses--;
        if (exporter) rc = weir_exporter_flush(exporter, deadline_ns, reterr);
    } else if (uses == 1) {
        uses = 0;
        rc = stop_all(deadline_ns, reterr);
    }
    pthread_mutex_unlock(&life);
    return rc;
}

bool weir_is_running(void) {
    return weir_sdk_bits() & WEIR_SDK_RUNS;
}

uint16_t weir_http_port(void) {
    return weir_port_number(atomic_load(&port));
}

const char *weir_version(void) {
    return WEIR_VERSION;
}

/* ── statistics ──────────────────────────────────────────────────────────────────────────────── */

void weir_stats_get(struct weir_stats *stats) {
    const struct weir_sdk_counters *c = &weir_sdk_counters;
    struct weir_lane_sums sums;
    if (!stats || stats->struct_size < sizeof stats->struct_size) return;
    weir_lanes_sum(&sums);
    uint64_t without = weir_sdk_read(&c->spans_ended_without_lane);
    struct weir_stats now = {
        .struct_size = stats->struct_size,
        .spans_started = sums.spans_started + weir_sdk_read(&c->spans_without_lane),
        .spans_exported = weir_sdk_read(&c->exported[WEIR_SDK_TRACES]),
        .spans_dropped_queue = sums.spans_dropped_full,
        .spans_dropped_memory =
            sums.spans_dropped_memory + weir_sdk_read(&c->spans_without_lane) + without,
        .spans_dropped_export = weir_sdk_read(&c->dropped_export[WEIR_SDK_TRACES]),
        .logs_emitted = sums.logs_emitted,
        .logs_exported = weir_sdk_read(&c->exported[WEIR_SDK_LOGS]),
        .logs_dropped_queue = sums.logs_dropped_full,
        .logs_dropped_memory = sums.logs_dropped_memory,
        .logs_dropped_export = weir_sdk_read(&c->dropped_export[WEIR_SDK_LOGS]),
        .points_exported = weir_sdk_read(&c->exported[WEIR_SDK_METRICS]),
        .points_dropped_export = weir_sdk_read(&c->dropped_export[WEIR_SDK_METRICS]),
        .attributes_dropped = weir_sdk_read(&c->attributes_dropped),
        .headers_malformed = weir_sdk_read(&c->headers_malformed),
        .exports_retried = weir_sdk_read(&c->exports_retried),
        .bugs = weir_sdk_read(&c->bugs),
        .spans_dropped_closed = sums.spans_dropped_closed,
        .spans_cancelled = sums.spans_cancelled,
        .spans_open = sums.spans_open > without ? sums.spans_open - without : 0,
        .spans_waiting = sums.spans_waiting + weir_sdk_read(&c->in_flight[WEIR_SDK_TRACES]),
    };
    memcpy(stats, &now, stats->struct_size < sizeof now ? stats->struct_size : sizeof now);
}
