/* SPDX-License-Identifier: Apache-2.0 */
/* The processor `memory_limiter`: past the soft limit batches are refused, to be sent again.
 *
 *     memory_limiter: {check_interval: 1s, limit_mib: 2048, spike_limit_mib: 512}
 *     memory_limiter: {limit_percentage: 80, spike_limit_percentage: 15}      of --memory
 *
 * The soft limit is limit − spike_limit (a fifth of the limit, when not given). What is measured is
 * the resident memory of the process. The admission budget of the doors refuses earlier; this one
 * is for who wants a bound of his own in one pipeline.
 *
 * Source: opentelemetry-collector, memorylimiterprocessor.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "collect/types.h"

WEIR_COUNTER(memory_refused, "weir_collect_memory_limiter_refused_total",
             "Batches that memory_limiter refused.", "");

enum { RETRY_AFTER_MS = 1000 };

struct limiter {
    struct weir_component component;
    uint64_t soft_bytes;
    int64_t interval_ns, checked_ns; /* the ticker's */
    atomic_bool full;
};

static uint64_t resident_bytes(void) {
    unsigned long long whole, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    int read = fscanf(file, "%llu %llu", &whole, &pages);
    fclose(file);
    return read == 2 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct limiter *self = (struct limiter *)sink;
    if (!atomic_load_explicit(&self->full, memory_order_relaxed)) {
        weir_sink_push(self->component.next[batch->signal], batch, done, arg);
        return;
    }
    const struct weir_sink_answer answer = {.code = WEIR_EBUSY,
                                            .retry_after_ms = RETRY_AFTER_MS,
                                            .message = "memory_limiter: above the soft limit"};
    weir_metric_add(&memory_refused, 1);
    weir_otlp_batch_unref(batch);
    done(arg, &answer);
}

static void tick(struct weir_component *component, int64_t mono_ns) {
    struct limiter *self = (struct limiter *)component;
    if (mono_ns - self->checked_ns < self->interval_ns) return;
    self->checked_ns = mono_ns;
    atomic_store(&self->full, resident_bytes() > self->soft_bytes);
}

static void close_limiter(struct weir_component *component) {
    free(component);
}

/* Bytes of `<name>_mib`, else of `<name>_percentage`; 0: neither is given. */
static int read_limit(const struct weir_component_env *env, const struct weir_yaml *config,
                      const char *mib_key, const char *percentage_key, uint64_t *ret,
                      struct weir_error *reterr) {
    int64_t mib = 0, percentage = 0;
    int rc = weir_yaml_get_i64(config, mib_key, 1, INT64_C(1) << 40, &mib, reterr);
    if (!rc) rc = weir_yaml_get_i64(config, percentage_key, 1, 100, &percentage, reterr);
    *ret = mib ? (uint64_t)mib << 20 : env->memory_bytes / 100 * (uint64_t)percentage;
    return rc;
}

static int open_limiter(const struct weir_component_env *env, const struct weir_yaml *config,
                        const char *id, struct weir_component **ret, struct weir_error *reterr) {
    static const char *const keys[] = {"check_interval",         "limit_mib",
                                       "spike_limit_mib",        "limit_percentage",
                                       "spike_limit_percentage", NULL};
    int64_t interval_ns = WEIR_NS_PER_S;
    uint64_t limit = 0, spike = 0;
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(config, "check_interval", &interval_ns, reterr);
    if (!rc) rc = read_limit(env, config, "limit_mib", "limit_percentage", &limit, reterr);
    if (!rc)
        rc = read_limit(env, config, "spike_limit_mib", "spike_limit_percentage", &spike, reterr);
    if (rc) return rc;
    if (!weir_yaml_get(config, "limit_mib") && !weir_yaml_get(config, "limit_percentage")) {
        const char *words = "memory_limiter needs limit_mib or limit_percentage";
        return config ? weir_yaml_fail(config, reterr, "%s", words)
                      : weir_error_set(reterr, WEIR_EINVALID, "%s", words);
    }
    if (!spike) spike = limit / 5;
    if (limit && spike >= limit)
        return weir_yaml_fail(config, reterr, "the spike limit must be below the limit");
    struct limiter *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    self->component.sink.push = push;
    self->soft_bytes = limit - spike;
    self->interval_ns = interval_ns;
    *ret = &self->component;
    return WEIR_OK;
}

const struct weir_component_type weir_memory_limiter_type = {.name = "memory_limiter",
                                                             .kind = WEIR_PROCESSOR,
                                                             .takes = WEIR_ALL_SIGNALS,
                                                             .gives = WEIR_ALL_SIGNALS,
                                                             .open = open_limiter,
                                                             .close = close_limiter,
                                                             .tick = tick};
