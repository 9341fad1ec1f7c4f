/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_translate.h"

#include <math.h>
#include <stdlib.h>

#include "base/metric.h"
#include "otlp/prometheus.h"
#include "store/series_codec.h"
#include "store/series_key.h"
#include "wire/json.h"

WEIR_COUNTER(refused_time, "weir_store_points_refused_total", "Metric points that were not stored.",
             "reason=\"no time\"");
WEIR_COUNTER(refused_labels, "weir_store_points_refused_total",
             "Metric points that were not stored.", "reason=\"too many labels\"");
WEIR_COUNTER(refused_exponential, "weir_store_points_refused_total",
             "Metric points that were not stored.",
             "reason=\"exponential histogram with delta temporality\"");
WEIR_COUNTER(refused_value, "weir_store_points_refused_total",
             "Metric points that were not stored.", "reason=\"malformed point\"");

/* The finest bounds that exponential histograms are stored with: four to an octave. */
enum { SCALE_MAX = 2, SCALE_MIN = -10, BUCKETS_MAX = 4096 };

struct translator {
    const struct weir_otlp_batch *batch;
    struct weir_arena *arena;
    const struct weir_series_sink *sink;
    uint32_t metric;       /* what the fields below belong to */
    struct weir_view name; /* family */
    struct weir_prometheus_labels target;
    struct weir_arena kept; /* name, target: they outlive the scratch arena's resets */
    struct weir_label labels[WEIR_SERIES_LABELS_MAX + 2];
    uint32_t labels_count; /* of the point at work, without __name__ and le */
    int64_t time_ms;
    bool stale, delta;
    struct weir_exemplar *exemplars; /* of the point at work, ascending values */
    uint32_t exemplars_count, exemplars_at;
};

static double stale_marker(void) {
    uint64_t bits = WEIR_SERIES_STALE_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t insert(struct weir_label *labels, uint32_t count, struct weir_label label) {
    uint32_t at = count;
    for (; at > 0 && weir_view_cmp(labels[at - 1].name, label.name) > 0; at--)
        labels[at] = labels[at - 1];
    labels[at] = label;
    return count + 1;
}

/* One sample of name+suffix, with one more label when `extra` has a name, and with the exemplars up
 * to the bound that no sample before has taken. */
static int emit(struct translator *t, const char *suffix, struct weir_label extra, double value,
                double bound) {
    struct weir_label labels[WEIR_SERIES_LABELS_MAX + 2];
    uint32_t n = t->labels_count;
    struct weir_view name = t->name;
    if (*suffix) name = weir_arena_printf(t->arena, "%.*s%s", WEIR_VIEW_ARG(t->name), suffix);
    if (!name.ptr) return WEIR_ENOMEMORY;
    memcpy(labels, t->labels, n * sizeof *labels);
    n = insert(labels, n, (struct weir_label){WEIR_VIEW("__name__"), name});
    if (extra.name.len) n = insert(labels, n, extra);
    uint32_t first = t->exemplars_at;
    while (t->exemplars_at < t->exemplars_count && t->exemplars[t->exemplars_at].value <= bound)
        t->exemplars_at++;
    struct weir_series_point point = {.labels = labels,
                                      .labels_count = n,
                                      .name = name,
                                      .time_ms = t->time_ms,
                                      .value = t->stale ? stale_marker() : value,
                                      .delta = t->delta && !t->stale,
                                      .exemplars = t->exemplars + first,
                                      .exemplars_count = t->exemplars_at - first};
    return t->sink->emit(t->sink->arg, &point);
}

static int emit_plain(struct translator *t, const char *suffix, double value) {
    return emit(t, suffix, (struct weir_label){{NULL, 0}, {NULL, 0}}, value, (double)INFINITY);
}

static int emit_bound(struct translator *t, const char *suffix, const char *label, double bound,
                      double value) {
    struct weir_buf text;
    weir_buf_init(&text, 400);
    weir_json_format_f64(&text, bound);
    struct weir_view copy = weir_arena_copy(t->arena, weir_buf_view(&text));
    weir_buf_done(&text);
    if (!copy.ptr) return WEIR_ENOMEMORY;
    return emit(t, suffix, (struct weir_label){weir_view_str(label), copy}, value, bound);
}

static int emit_totals(struct translator *t, const struct weir_otlp_point *point) {
    int code = emit_plain(t, "_count", (double)point->count);
    if (code == 0 && (!isnan(point->sum) || t->stale)) code = emit_plain(t, "_sum", point->sum);
    return code;
}

static int emit_histogram(struct translator *t, const struct weir_otlp_point *point) {
    uint64_t sum = 0;
    if (point->counts_count && point->counts_count != point->bounds_count + 1) {
        weir_metric_add(&refused_value, 1);
        return 0;
    }
    for (uint32_t i = 0; i < point->bounds_count && point->counts_count; i++) {
        sum += point->counts[i];
        int code = emit_bound(t, "_bucket", "le", point->bounds[i], (double)sum);
        if (code) return code;
    }
    int code = emit_bound(t, "_bucket", "le", (double)INFINITY, (double)point->count);
    return code ? code : emit_totals(t, point);
}

static int emit_summary(struct translator *t, const struct weir_otlp_point *point) {
    t->delta = false;
    for (uint32_t i = 0; i < point->quantiles_count; i++) {
        int code =
            emit_bound(t, "", "quantile", point->quantiles[i].quantile, point->quantiles[i].value);
        if (code) return code;
    }
    return emit_totals(t, point);
}

/* One side of an exponential histogram, its buckets folded to SCALE_MAX. The negative side is
 * walked from its far end, so that bounds ascend. */
static int emit_side(struct translator *t, const struct weir_otlp_buckets *side, int scale,
                     bool negative, uint64_t *sum) {
    int fold = scale > SCALE_MAX ? scale - SCALE_MAX : 0;
    for (uint32_t i = 0; i < side->counts_count; i++) {
        uint32_t at = negative ? side->counts_count - 1 - i : i;
        int64_t index = ((int64_t)side->offset + at) >> fold;
        bool last = i + 1 == side->counts_count;
        int64_t next =
            ((int64_t)side->offset + (negative ? (int64_t)at - 1 : (int64_t)at + 1)) >> fold;
        *sum += side->counts[at];
        if (!last && next == index) continue;
        /* (base^index, base^(index+1)] or its mirror image, whose upper bound is the nearer one. */
        double bound = exp2(ldexp((double)(negative ? index : index + 1), -(scale - fold)));
        if (!isfinite(bound)) continue;
        int code = emit_bound(t, "_bucket", "le", negative ? -bound : bound, (double)*sum);
        if (code) return code;
    }
    return 0;
}

static int emit_exponential(struct translator *t, const struct weir_otlp_point *point) {
    if (t->delta) { /* each point has other buckets: their running sums would not fit together */
        weir_metric_add(&refused_exponential, 1);
        return 0;
    }
    if (point->scale < SCALE_MIN || point->scale > 20 ||
        point->positive.counts_count > BUCKETS_MAX || point->negative.counts_count > BUCKETS_MAX) {
        weir_metric_add(&refused_value, 1);
        return 0;
    }
    uint64_t sum = 0;
    int code = emit_side(t, &point->negative, point->scale, true, &sum);
    sum += point->zero_count;
    if (code == 0) code = emit_bound(t, "_bucket", "le", point->zero_threshold, (double)sum);
    if (code == 0) code = emit_side(t, &point->positive, point->scale, false, &sum);
    if (code == 0) code = emit_bound(t, "_bucket", "le", (double)INFINITY, (double)point->count);
    return code ? code : emit_totals(t, point);
}

/* Family name, target labels and metadata of the metric. */
static int enter_metric(struct translator *t, uint32_t index) {
    const struct weir_otlp_metric *m = &t->batch->metrics[index];
    const struct weir_otlp_scope *scope = &t->batch->scopes[m->scope];
    t->metric = index;
    weir_arena_reset(&t->kept);
    t->name = weir_prometheus_metric_name(&t->kept, m->name, m->unit, m->type, m->monotonic);
    if (!t->name.ptr || !weir_prometheus_target_labels(
                            &t->kept, &t->batch->resources[scope->resource], scope, &t->target))
        return WEIR_ENOMEMORY;
    struct weir_metric_meta meta = {.name = t->name,
                                    .otlp_name = m->name,
                                    .type = weir_view_str(weir_prometheus_type(m)),
                                    .unit = weir_prometheus_unit(&t->kept, m->unit),
                                    .help = m->description};
    return t->sink->meta(t->sink->arg, &meta) ? 0 : WEIR_ENOMEMORY;
}

static bool take_labels(struct translator *t, struct weir_prometheus_labels labels) {
    t->labels_count = 0;
    if (labels.count > WEIR_SERIES_LABELS_MAX - 2) {
        weir_metric_add(&refused_labels, 1);
        return false;
    }
    for (uint32_t i = 0; i < labels.count; i++)
        t->labels[t->labels_count++] =
            (struct weir_label){labels.items[i].name, labels.items[i].value};
    return true;
}

static int by_value(const void *left, const void *right) {
    const struct weir_exemplar *a = left, *b = right;
    return a->value < b->value ? -1 : a->value > b->value;
}

static bool take_exemplar(struct translator *t, const struct weir_otlp_exemplar *exemplar,
                          struct weir_exemplar *ret) {
    struct weir_prometheus_labels attrs;
    if (!weir_prometheus_point_labels(t->arena, exemplar->attrs,
                                      (struct weir_prometheus_labels){NULL, 0}, &attrs))
        return false;
    struct weir_label *labels = WEIR_NEW_ARRAY(t->arena, struct weir_label, attrs.count + 1U);
    if (!labels) return false;
    for (uint32_t i = 0; i < attrs.count; i++)
        labels[i] = (struct weir_label){attrs.items[i].name, attrs.items[i].value};
    *ret = (struct weir_exemplar){.time_ms = exemplar->time_ns > 0 ? exemplar->time_ns / 1000000
                                                                   : t->time_ms,
                                  .value = exemplar->value,
                                  .trace_id = exemplar->trace_id,
                                  .span_id = exemplar->span_id,
                                  .labels = labels,
                                  .labels_count = attrs.count};
    return true;
}

static bool take_exemplars(struct translator *t, const struct weir_otlp_point *point) {
    t->exemplars = NULL;
    t->exemplars_count = t->exemplars_at = 0;
    if (!point->exemplars_count || t->stale) return true;
    t->exemplars = WEIR_NEW_ARRAY(t->arena, struct weir_exemplar, point->exemplars_count);
    if (!t->exemplars) return false;
    for (uint32_t i = 0; i < point->exemplars_count; i++) {
        if (isnan(point->exemplars[i].value)) continue; /* no bucket counts it */
        if (!take_exemplar(t, &point->exemplars[i], &t->exemplars[t->exemplars_count]))
            return false;
        t->exemplars_count++;
    }
    if (t->exemplars_count) qsort(t->exemplars, t->exemplars_count, sizeof *t->exemplars, by_value);
    return true;
}

static int translate_point(struct translator *t, const struct weir_otlp_point *point) {
    const struct weir_otlp_metric *m = &t->batch->metrics[point->metric];
    struct weir_prometheus_labels labels;
    int code = point->metric == t->metric ? 0 : enter_metric(t, point->metric);
    if (code) return code;
    if (point->time_ns <= 0) {
        weir_metric_add(&refused_time, 1);
        return 0;
    }
    weir_arena_reset(t->arena);
    if (!weir_prometheus_point_labels(t->arena, point->attrs, t->target, &labels))
        return WEIR_ENOMEMORY;
    if (!take_labels(t, labels)) return 0;
    t->time_ms = point->time_ns / 1000000;
    t->stale = point->flags & 1;
    t->delta = m->temporality == WEIR_TEMPORALITY_DELTA && m->type != WEIR_METRIC_TYPE_GAUGE;
    if (!take_exemplars(t, point)) return WEIR_ENOMEMORY;
    if (m->type == WEIR_METRIC_TYPE_HISTOGRAM) return emit_histogram(t, point);
    if (m->type == WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM) return emit_exponential(t, point);
    if (m->type == WEIR_METRIC_TYPE_SUMMARY) return emit_summary(t, point);
    return emit_plain(t, "", point->value);
}

/* target_info of each resource, at the time of its newest point. */
static int translate_resources(struct translator *t) {
    const struct weir_otlp_batch *b = t->batch;
    for (uint32_t r = 0; r < b->resources_count; r++) {
        struct weir_prometheus_labels labels;
        int64_t newest_ns = 0;
        for (uint32_t i = 0; i < b->points_count; i++)
            if (b->scopes[b->metrics[b->points[i].metric].scope].resource == r &&
                b->points[i].time_ns > newest_ns)
                newest_ns = b->points[i].time_ns;
        if (newest_ns == 0) continue;
        weir_arena_reset(t->arena);
        if (!weir_prometheus_target_info(t->arena, &b->resources[r], &labels))
            return WEIR_ENOMEMORY;
        if (labels.count == 0 || !take_labels(t, labels)) continue;
        t->name = WEIR_VIEW("target_info");
        t->time_ms = newest_ns / 1000000;
        t->stale = t->delta = false;
        t->exemplars_count = t->exemplars_at = 0;
        int code = emit_plain(t, "", 1);
        if (code) return code;
    }
    return 0;
}

int weir_series_translate(const struct weir_otlp_batch *batch, struct weir_arena *arena,
                          const struct weir_series_sink *sink) {
    struct translator t = {.batch = batch, .arena = arena, .sink = sink, .metric = UINT32_MAX};
    int code = 0;
    weir_arena_init(&t.kept, 0);
    for (uint32_t i = 0; i < batch->points_count && code == 0; i++)
        code = translate_point(&t, &batch->points[i]);
    if (code == 0) code = translate_resources(&t);
    weir_arena_done(&t.kept);
    return code;
}
