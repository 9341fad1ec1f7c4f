/* SPDX-License-Identifier: Apache-2.0 */
/* Batches to memtable. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/series.h"
#include "store/series_translate.h"

WEIR_COUNTER(refused_series, "weir_store_points_refused_total",
             "Metric points that were not stored.", "reason=\"too many series\"");
WEIR_COUNTER(refused_key, "weir_store_points_refused_total", "Metric points that were not stored.",
             "reason=\"labels too long\"");
WEIR_COUNTER(samples_total, "weir_store_samples_total", "Samples that metric points became.", "");

WEIR_COUNTER(exemplars_total, "weir_store_exemplars_total", "Exemplars stored.", "");
WEIR_COUNTER(exemplars_dropped, "weir_store_exemplars_dropped_total",
             "Exemplars left out: another one stands for the series in these ten seconds.", "");

static const int64_t tell_every_ns = 60 * WEIR_NS_PER_S;

/* Too many series: counted each time, told once a minute, with the metric's name. */
static void refuse_series(struct weir_view name) {
    static _Atomic int64_t told_ns;
    int64_t now = weir_clock_mono_ns(), before = atomic_load(&told_ns);
    weir_metric_add(&refused_series, 1);
    if ((before && now - before < tell_every_ns) ||
        !atomic_compare_exchange_strong(&told_ns, &before, now))
        return;
    weir_log_warn("store",
                  "too many series: points of %.*s (and perhaps others) are refused; remove the "
                  "label that has a value for each request or message",
                  WEIR_VIEW_ARG(name));
}

/* The running sum of a delta series with `value` added; false when memory is out. */
static bool accumulate(struct weir_series_table *table, double *value) {
    struct weir_view key = weir_buf_view(&table->key);
    uint64_t *place = weir_map_get(&table->deltas, key), zero = 0;
    if (!place) {
        if (table->deltas.count >= WEIR_SERIES_DELTAS_MAX) { /* all start anew: a counter reset */
            weir_map_clear(&table->deltas);
            weir_arena_reset(&table->deltas_arena);
        }
        key = weir_arena_copy(&table->deltas_arena, key);
        place = key.ptr ? weir_map_put(&table->deltas, key, zero, NULL) : NULL;
        if (!place) return false;
    }
    double sum;
    memcpy(&sum, place, sizeof sum);
    sum += *value;
    memcpy(place, &sum, sizeof sum);
    *value = sum;
    return true;
}

static int add_exemplars(struct weir_series_table *table, const struct weir_series_point *point) {
    for (uint32_t i = 0; i < point->exemplars_count; i++) {
        struct weir_series_exemplar one;
        if (!weir_series_exemplar_of(&point->exemplars[i], &table->labels, &one))
            return WEIR_ENOMEMORY;
        switch (weir_series_mem_add_exemplar(table->active, weir_buf_view(&table->key), &one)) {
        case WEIR_SERIES_EXEMPLAR_KEPT: weir_metric_add(&exemplars_total, 1); break;
        case WEIR_SERIES_EXEMPLAR_DROPPED: weir_metric_add(&exemplars_dropped, 1); break;
        case WEIR_SERIES_EXEMPLAR_SAME: break;
        case WEIR_SERIES_EXEMPLAR_NO_MEMORY: return WEIR_ENOMEMORY;
        }
    }
    return 0;
}

static int emit(void *arg, const struct weir_series_point *point) {
    struct weir_series_table *table = arg;
    struct weir_series_mem *mem = table->active;
    weir_buf_clear(&table->key);
    weir_series_key_put(&table->key, point->labels, point->labels_count);
    struct weir_view key = weir_buf_view(&table->key), name = WEIR_VIEW("");
    if (table->key.failed) {
        weir_metric_add(&refused_key, 1);
        return 0;
    }
    struct weir_label labels[WEIR_SERIES_LABELS_MAX];
    int n = weir_series_key_labels(key, labels, WEIR_SERIES_LABELS_MAX);
    for (int i = 0; i < n; i++)
        if (weir_view_is(labels[i].name, "__name__")) name = labels[i].value;
    if (mem->map.count >= table->active_series_max && !weir_map_get(&mem->map, key)) {
        refuse_series(point->name);
        return 0;
    }
    double value = point->value;
    if (point->delta && !accumulate(table, &value)) return WEIR_ENOMEMORY;
    weir_metric_add(&samples_total, 1);
    if (!weir_series_mem_add(mem, key, name, point->time_ms, value)) return WEIR_ENOMEMORY;
    return add_exemplars(table, point);
}

static bool meta(void *arg, const struct weir_metric_meta *m) {
    return weir_series_meta_put(arg, m);
}

int weir_series_append(struct weir_store_table *base, const struct weir_otlp_batch *batch,
                       uint64_t seq, struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    struct weir_series_mem *mem = table->active; /* only this thread replaces it */
    struct weir_series_sink sink = {table, emit, meta};
    if (batch->points_count == 0) return 0;
    pthread_rwlock_wrlock(&mem->lock);
    if (mem->samples_count == 0) mem->since_ns = weir_clock_wall_ns();
    if (seq < mem->first_seq) mem->first_seq = seq;
    mem->last_seq = seq;
    int code = weir_series_translate(batch, &table->scratch, &sink);
    pthread_rwlock_unlock(&mem->lock);
    return code ? weir_error_set(reterr, code, "no memory for new samples of %s", table->path) : 0;
}
