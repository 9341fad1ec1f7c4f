/* SPDX-License-Identifier: Apache-2.0 */
/* Weir's own counters and gauges, which every room may bump.
 *
 *     WEIR_COUNTER(bad_json, "weir_otlp_invalid_total", "Requests refused as malformed.",
 *                  "reason=\"json\"");
 *     weir_metric_add(&bad_json, 1);
 *
 * A metric is a static variable that registers itself before main(); same name with other labels is
 * the same family (give it the same help). Names are final: Prometheus spelling, counters end in
 * _total, units in base units. Reading them all gives the server's /metrics page.
 *
 * Threads: any. Adding is one relaxed atomic add.
 */
#ifndef WEIR_BASE_METRIC_H
#define WEIR_BASE_METRIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum weir_metric_kind { WEIR_METRIC_COUNTER, WEIR_METRIC_GAUGE };

struct weir_metric {
    const char *name;           /* family name */
    const char *help;           /* one sentence */
    const char *labels;         /* `a="b",c="d"` or "" */
    enum weir_metric_kind kind; /* counter: only grows */
    _Atomic int64_t value;      /* the number, when read is NULL */
    double (*read)(void);       /* computed when asked; NULL for plain ones */
    struct weir_metric *next;   /* registry list */
};

#define WEIR_METRIC_DEFINE(var, name_, help_, labels_, kind_, read_)                               \
    static struct weir_metric var = {                                                              \
        .name = (name_), .help = (help_), .labels = (labels_), .kind = (kind_), .read = (read_)};  \
    __attribute__((constructor)) static void weir_metric_register_##var(void) {                    \
        weir_metric_register(&var);                                                                \
    }                                                                                              \
    struct weir_metric /* wants a semicolon */

#define WEIR_COUNTER(var, name, help, labels)                                                      \
    WEIR_METRIC_DEFINE(var, name, help, labels, WEIR_METRIC_COUNTER, NULL)
#define WEIR_GAUGE(var, name, help, labels)                                                        \
    WEIR_METRIC_DEFINE(var, name, help, labels, WEIR_METRIC_GAUGE, NULL)
/* A gauge that is computed by `read` (double (*)(void)) whenever it is asked. */
#define WEIR_GAUGE_READ(var, name, help, labels, read)                                             \
    WEIR_METRIC_DEFINE(var, name, help, labels, WEIR_METRIC_GAUGE, read)
#define WEIR_COUNTER_READ(var, name, help, labels, read)                                           \
    WEIR_METRIC_DEFINE(var, name, help, labels, WEIR_METRIC_COUNTER, read)

/* Adds it to the registry; the struct must live as long as the program. */
void weir_metric_register(struct weir_metric *metric);

static inline void weir_metric_add(struct weir_metric *metric, int64_t amount) {
    atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}
static inline void weir_metric_set(struct weir_metric *metric, int64_t value) {
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}
/* The value now. */
double weir_metric_get(const struct weir_metric *metric);

/* Calls `visit` for every metric, families together in name order. */
void weir_metric_each(void (*visit)(void *arg, const struct weir_metric *metric), void *arg);

#endif
