/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/connectors/tally.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"

enum { KEY_SIZE_MAX = 64 << 10 };

void weir_tally_init(struct weir_tally *tally, const double *bounds, uint32_t bounds_count,
                     uint32_t histograms_count, uint32_t series_max) {
    *tally = (struct weir_tally){.bounds_count = bounds_count,
                                 .histograms_count = histograms_count,
                                 .series_max = series_max};
    memcpy(tally->bounds, bounds, bounds_count * sizeof *bounds);
    weir_map_init(&tally->map);
}

static struct weir_tally_series *series_of(const struct weir_map_entry *entry) {
    return (struct weir_tally_series *)(uintptr_t)entry->value;
}

void weir_tally_done(struct weir_tally *tally) {
    for (uint32_t i = 0; i < tally->map.count; i++) free(series_of(&tally->map.entries[i]));
    weir_map_done(&tally->map);
}

/* ---- series ---------------------------------------------------------------------------------- */

/* A text into the series' own room. */
static struct weir_view keep(char **at, struct weir_view text) {
    char *start = *at;
    if (text.len) memcpy(start, text.ptr, text.len);
    *at += text.len;
    return weir_view(start, text.len);
}

static bool has_text(struct weir_value value) {
    return value.type == WEIR_VALUE_STRING || value.type >= WEIR_VALUE_BYTES;
}

static struct weir_tally_series *make(struct weir_tally *tally, struct weir_view key,
                                      const struct weir_attr *attrs, uint32_t count,
                                      int64_t now_ns) {
    size_t texts = key.len;
    for (uint32_t i = 0; i < count; i++)
        texts += attrs[i].key.len + (has_text(attrs[i].value) ? attrs[i].value.str.len : 0);
    struct weir_tally_series *series = NULL;
    size_t histograms = tally->histograms_count * sizeof *series->histograms;
    if (!(series = calloc(1, sizeof *series + histograms + texts))) return NULL;
    char *at = (char *)series + sizeof *series + histograms;
    series->key = keep(&at, key);
    series->attrs_count = count;
    series->start_ns = series->last_ns = now_ns;
    for (uint32_t i = 0; i < count; i++) {
        series->attrs[i].key = keep(&at, attrs[i].key);
        series->attrs[i].value = attrs[i].value;
        if (has_text(attrs[i].value)) series->attrs[i].value.str = keep(&at, attrs[i].value.str);
    }
    if (weir_map_put(&tally->map, series->key, (uint64_t)(uintptr_t)series, NULL)) return series;
    free(series);
    return NULL;
}

struct weir_tally_series *weir_tally_at(struct weir_tally *tally, const struct weir_attr *attrs,
                                        uint32_t count, int64_t now_ns) {
    static const struct weir_attr overflow = {WEIR_VIEW_INIT("otel.metric.overflow"),
                                              {.type = WEIR_VALUE_BOOL, .boolean = true}};
    char room[1024];
    struct weir_buf buf = {.ptr = room, .room = sizeof room, .size_max = sizeof room}, heap;
    if (count > WEIR_TALLY_ATTRS_MAX) count = WEIR_TALLY_ATTRS_MAX;
    struct weir_attrs all = {attrs, count};
    weir_otlp_put_attrs(&buf, 1, all);
    weir_buf_init(&heap, KEY_SIZE_MAX);
    if (buf.failed) weir_otlp_put_attrs(&heap, 1, all);
    struct weir_view key = weir_buf_view(buf.failed ? &heap : &buf);
    const uint64_t *found = weir_map_get(&tally->map, key);
    struct weir_tally_series *series = found ? (struct weir_tally_series *)(uintptr_t)*found : NULL;
    if (!series && tally->map.count < tally->series_max && !heap.failed) {
        series = make(tally, key, attrs, count, now_ns);
    } else if (!series && !(count == 1 && weir_view_eq(attrs->key, overflow.key))) {
        tally->overflowed++;
        tally->series_max++; /* the overflow series itself has always room */
        series = weir_tally_at(tally, &overflow, 1, now_ns);
        tally->series_max--;
    }
    weir_buf_done(&heap);
    if (series && now_ns > series->last_ns) series->last_ns = now_ns;
    return series;
}

void weir_tally_record(struct weir_tally *tally, struct weir_tally_series *series,
                       uint32_t histogram, double value, const struct weir_otlp_span *span) {
    struct weir_tally_histogram *to = &series->histograms[histogram];
    uint32_t bucket = 0;
    while (bucket < tally->bounds_count && value > tally->bounds[bucket]) bucket++;
    to->counts[bucket]++;
    to->count++;
    to->sum += value;
    if (!tally->exemplars || !span) return;
    struct weir_tally_exemplar *exemplar = &to->exemplars[bucket];
    exemplar->time_ns = span->end_ns;
    exemplar->value = value;
    memcpy(exemplar->trace_id, span->trace_id, 16);
    memcpy(exemplar->span_id, span->span_id, 8);
}

bool weir_tally_expire(struct weir_tally *tally, int64_t before_ns) {
    struct weir_map left;
    bool some = false, whole = true;
    for (uint32_t i = 0; i < tally->map.count; i++)
        some |= series_of(&tally->map.entries[i])->last_ns < before_ns;
    if (!some) return true;
    weir_map_init(&left);
    for (uint32_t i = 0; i < tally->map.count && whole; i++) {
        const struct weir_tally_series *series = series_of(&tally->map.entries[i]);
        if (series->last_ns >= before_ns)
            whole = weir_map_put(&left, series->key, (uint64_t)(uintptr_t)series, NULL) != NULL;
    }
    if (!whole) {
        weir_map_done(&left);
        return false;
    }
    for (uint32_t i = 0; i < tally->map.count; i++)
        if (series_of(&tally->map.entries[i])->last_ns < before_ns)
            free(series_of(&tally->map.entries[i]));
    weir_map_done(&tally->map);
    tally->map = left;
    return true;
}

/* ---- as metrics ------------------------------------------------------------------------------ */

static uint32_t list_exemplars(const struct weir_tally_histogram *from, uint32_t buckets,
                               double scale, struct weir_otlp_exemplar *to) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < buckets; i++)
        if (from->exemplars[i].time_ns)
            to[count++] = (struct weir_otlp_exemplar){.time_ns = from->exemplars[i].time_ns,
                                                      .value = from->exemplars[i].value * scale,
                                                      .trace_id = from->exemplars[i].trace_id,
                                                      .span_id = from->exemplars[i].span_id};
    return count;
}

/* Of a count: the newest of its distribution; what it added is 1. */
static uint32_t newest_exemplar(const struct weir_tally_histogram *from, uint32_t buckets,
                                struct weir_otlp_exemplar *to) {
    const struct weir_tally_exemplar *newest = &from->exemplars[0];
    for (uint32_t i = 1; i < buckets; i++)
        if (from->exemplars[i].time_ns > newest->time_ns) newest = &from->exemplars[i];
    if (!newest->time_ns) return 0;
    *to = (struct weir_otlp_exemplar){.time_ns = newest->time_ns,
                                      .value = 1,
                                      .trace_id = newest->trace_id,
                                      .span_id = newest->span_id};
    return 1;
}

static void put_series(const struct weir_tally *tally, const struct weir_tally_series *series,
                       struct weir_otlp_metric_open *open, enum weir_tally_what what,
                       const double *bounds, double scale, int64_t now_ns) {
    struct weir_otlp_exemplar exemplars[WEIR_TALLY_BOUNDS_MAX + 1];
    struct weir_otlp_point point = {.attrs = {series->attrs, series->attrs_count},
                                    .start_ns = series->start_ns,
                                    .time_ns = now_ns};
    if (what <= WEIR_TALLY_FAILED) {
        point.is_int = true;
        point.i64 = (int64_t)(what == WEIR_TALLY_COUNT ? series->count : series->failed);
        point.value = (double)point.i64;
        if (what == WEIR_TALLY_COUNT && tally->histograms_count) {
            point.exemplars = exemplars;
            point.exemplars_count =
                newest_exemplar(&series->histograms[0], tally->bounds_count + 1, exemplars);
        }
    } else {
        const struct weir_tally_histogram *histogram = &series->histograms[what - WEIR_TALLY_FIRST];
        if (!histogram->count) return;
        point.count = histogram->count;
        point.sum = histogram->sum * scale;
        point.min = point.max = NAN;
        point.bounds = bounds;
        point.bounds_count = tally->bounds_count;
        point.counts = histogram->counts;
        point.counts_count = tally->bounds_count + 1;
        point.exemplars = exemplars;
        point.exemplars_count = list_exemplars(histogram, point.counts_count, scale, exemplars);
    }
    weir_otlp_put_point(open, &point);
}

void weir_tally_put(const struct weir_tally *tally, struct weir_buf *buf, const char *name,
                    const char *unit, const char *description, enum weir_tally_what what,
                    double scale, int64_t now_ns) {
    struct weir_otlp_metric_open open;
    const bool sum = what <= WEIR_TALLY_FAILED;
    const struct weir_otlp_metric metric = {.name = weir_view_str(name),
                                            .unit = weir_view_str(unit),
                                            .description = weir_view_str(description),
                                            .type = sum ? WEIR_METRIC_TYPE_SUM
                                                        : WEIR_METRIC_TYPE_HISTOGRAM,
                                            .temporality = WEIR_TEMPORALITY_CUMULATIVE,
                                            .monotonic = sum};
    double bounds[WEIR_TALLY_BOUNDS_MAX];
    for (uint32_t i = 0; i < tally->bounds_count; i++) bounds[i] = tally->bounds[i] * scale;
    weir_otlp_metric_begin(&open, buf, &metric);
    for (uint32_t i = 0; i < tally->map.count; i++)
        put_series(tally, series_of(&tally->map.entries[i]), &open, what, bounds, scale, now_ns);
    weir_otlp_metric_end(&open);
}

static void forget(void *arg, const struct weir_sink_answer *answer) {
    (void)arg, (void)answer;
}

void weir_tally_give(struct weir_sink *sink, struct weir_buf *buf) {
    struct weir_otlp_batch *batch;
    size_t len = buf->failed ? 0 : buf->len;
    if (!len) {
        weir_buf_done(buf);
        return;
    }
    char *body = weir_buf_take(buf, &len);
    if (weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &batch, NULL) == WEIR_OK)
        weir_sink_push(sink, batch, forget, NULL);
}

/* ---- configuration --------------------------------------------------------------------------- */

int weir_tally_read_buckets(const struct weir_yaml *list, int64_t unit_ns,
                            double bounds[WEIR_TALLY_BOUNDS_MAX], uint32_t *count,
                            struct weir_error *reterr) {
    if (!list) return WEIR_OK;
    if (list->type != WEIR_YAML_LIST || list->count > WEIR_TALLY_BOUNDS_MAX)
        return weir_yaml_fail(list, reterr, "buckets is a list of at most %d durations",
                              WEIR_TALLY_BOUNDS_MAX);
    for (*count = 0; *count < list->count; ++*count) {
        int64_t bound_ns;
        if (!weir_view_to_duration_ns(list->items[*count]->text, &bound_ns))
            return weir_yaml_fail(list->items[*count], reterr, "a bucket is a duration like 100ms");
        bounds[*count] = (double)bound_ns / (double)unit_ns;
        if (*count && bounds[*count] <= bounds[*count - 1])
            return weir_yaml_fail(list->items[*count], reterr, "buckets must ascend");
    }
    return WEIR_OK;
}
