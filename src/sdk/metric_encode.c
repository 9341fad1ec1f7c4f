/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot of all instruments as OTLP. Source: opentelemetry-proto 1.11,
 * metrics/v1/metrics.proto. */
#include "sdk/metric.h"
#include "wire/pb.h"

enum { DELTA = 1, CUMULATIVE = 2 };

/* Packed repeated fixed64 or double. */
static void put_packed(struct weir_buf *buf, uint32_t number, const void *values, uint32_t count) {
    weir_pb_put_bytes(buf, number, weir_view(values, count * sizeof(uint64_t)));
}

static bool is_zero(const uint8_t *id, size_t size) {
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) any |= id[i];
    return !any;
}

static void put_exemplars(const struct weir_point *point, uint32_t number, struct weir_buf *buf) {
    for (uint32_t i = 0; i < point->exemplars_count; i++) {
        const struct weir_exemplar *exemplar = &point->exemplars[i];
        size_t mark = weir_pb_begin(buf, number);
        weir_pb_put_fixed64(buf, 2, (uint64_t)exemplar->time_ns);
        if (point->is_int)
            weir_pb_put_fixed64(buf, 6, (uint64_t)(int64_t)exemplar->value);
        else
            weir_pb_put_f64(buf, 3, exemplar->value);
        if (!is_zero(exemplar->trace_id, sizeof exemplar->trace_id)) {
            weir_pb_put_bytes(buf, 4, weir_view(exemplar->span_id, sizeof exemplar->span_id));
            weir_pb_put_bytes(buf, 5, weir_view(exemplar->trace_id, sizeof exemplar->trace_id));
        }
        weir_pb_end(buf, mark);
    }
}

static void put_number(const struct weir_point *point, int64_t time_ns, struct weir_buf *buf) {
    size_t mark = weir_pb_begin(buf, 1);
    weir_pb_put_fixed64_opt(buf, 2, (uint64_t)point->start_ns);
    weir_pb_put_fixed64(buf, 3, (uint64_t)time_ns);
    if (point->is_int)
        weir_pb_put_fixed64(buf, 6, (uint64_t)point->i64);
    else
        weir_pb_put_f64(buf, 4, point->f64);
    put_exemplars(point, 5, buf);
    weir_buf_add_view(buf, point->attrs);
    weir_pb_end(buf, mark);
}

static void put_histogram(const struct weir_point *point, int64_t time_ns, struct weir_buf *buf) {
    size_t mark = weir_pb_begin(buf, 1);
    uint32_t bounds = point->instrument->bounds_count;
    weir_pb_put_fixed64(buf, 2, (uint64_t)point->start_ns);
    weir_pb_put_fixed64(buf, 3, (uint64_t)time_ns);
    weir_pb_put_fixed64(buf, 4, point->count);
    weir_pb_put_f64(buf, 5, point->sum);
    put_packed(buf, 6, point->counts, bounds + 1);
    put_packed(buf, 7, point->instrument->bounds, bounds);
    put_exemplars(point, 8, buf);
    weir_buf_add_view(buf, point->attrs);
    if (point->count) {
        weir_pb_put_f64(buf, 11, point->min);
        weir_pb_put_f64(buf, 12, point->max);
    }
    weir_pb_end(buf, mark);
}

/* Without the buckets at the ends that hold nothing. */
static void put_side(struct weir_buf *buf, uint32_t number,
                     const struct weir_exponential_side *side) {
    uint32_t first = 0, end = side->count;
    while (first < end && !side->counts[first]) first++;
    while (end > first && !side->counts[end - 1]) end--;
    if (first == end) return;
    size_t mark = weir_pb_begin(buf, number);
    weir_pb_put_sint(buf, 1, side->low + first);
    size_t counts = weir_pb_begin(buf, 2);
    for (uint32_t i = first; i < end; i++) weir_pb_add_varint(buf, side->counts[i]);
    weir_pb_end(buf, counts);
    weir_pb_end(buf, mark);
}

static void put_exponential(const struct weir_point *point, int64_t time_ns, struct weir_buf *buf) {
    const struct weir_exponential *it = point->exponential;
    size_t mark = weir_pb_begin(buf, 1);
    weir_buf_add_view(buf, point->attrs);
    weir_pb_put_fixed64(buf, 2, (uint64_t)point->start_ns);
    weir_pb_put_fixed64(buf, 3, (uint64_t)time_ns);
    weir_pb_put_fixed64(buf, 4, weir_exponential_count(it));
    weir_pb_put_f64(buf, 5, point->sum);
    weir_pb_put_sint(buf, 6, WEIR_EXPONENTIAL_SCALE - (int64_t)it->halvings);
    weir_pb_put_fixed64(buf, 7, it->zero);
    put_side(buf, 8, &it->positive);
    put_side(buf, 9, &it->negative);
    put_exemplars(point, 11, buf);
    if (point->count) {
        weir_pb_put_f64(buf, 12, point->min);
        weir_pb_put_f64(buf, 13, point->max);
    }
    weir_pb_end(buf, mark);
}

static bool is_monotonic(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_COUNTER || it->type == WEIR_INSTRUMENT_OBSERVABLE_COUNTER;
}

/* The field of Metric that holds this instrument's data. */
static uint32_t data_field(const struct weir_instrument *it) {
    enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPONENTIAL = 10 };
    switch (it->type) {
    case WEIR_INSTRUMENT_HISTOGRAM: return it->exponential ? EXPONENTIAL : HISTOGRAM;
    case WEIR_INSTRUMENT_GAUGE:
    case WEIR_INSTRUMENT_OBSERVABLE_GAUGE: return GAUGE;
    case WEIR_INSTRUMENT_COUNTER:
    case WEIR_INSTRUMENT_UPDOWN:
    case WEIR_INSTRUMENT_OBSERVABLE_COUNTER:
    case WEIR_INSTRUMENT_OBSERVABLE_UPDOWN: break;
    }
    return SUM;
}

/* One Metric with the points [from, to), all of one instrument. */
static void put_metric(const struct weir_snapshot *snapshot, uint32_t from, uint32_t to,
                       struct weir_buf *buf) {
    const struct weir_instrument *it = snapshot->points[from].instrument;
    size_t metric = weir_pb_begin(buf, 2);
    weir_pb_put_bytes(buf, 1, it->name);
    weir_pb_put_bytes_opt(buf, 2, it->description);
    weir_pb_put_bytes_opt(buf, 3, it->unit);
    uint32_t field = data_field(it);
    size_t data = weir_pb_begin(buf, field);
    for (uint32_t i = from; i < to; i++) {
        const struct weir_point *point = &snapshot->points[i];
        if (it->type != WEIR_INSTRUMENT_HISTOGRAM)
            put_number(point, snapshot->time_ns, buf);
        else if (point->exponential)
            put_exponential(point, snapshot->time_ns, buf);
        else if (point->counts)
            put_histogram(point, snapshot->time_ns, buf);
    }
    if (field != 5)
        weir_pb_put_varint(
            buf, 2, weir_instrument_is_delta(it, snapshot->temporality) ? DELTA : CUMULATIVE);
    if (field == 7 && is_monotonic(it)) weir_pb_put_varint(buf, 3, 1);
    weir_pb_end(buf, data);
    weir_pb_end(buf, metric);
}

/* One ScopeMetrics, from point `at` on; gives the first point of the next scope. */
static uint32_t put_scope(const struct weir_snapshot *snapshot, uint32_t at, struct weir_buf *buf) {
    const struct weir_meter *meter = snapshot->points[at].instrument->meter;
    size_t mark = weir_pb_begin(buf, 2);
    weir_buf_add_view(buf, meter->info.encoded);
    while (at < snapshot->count && snapshot->points[at].instrument->meter == meter) {
        uint32_t from = at;
        while (at < snapshot->count &&
               snapshot->points[at].instrument == snapshot->points[from].instrument)
            at++;
        put_metric(snapshot, from, at, buf);
    }
    weir_pb_end(buf, mark);
    return at;
}

uint64_t weir_metrics_encode(const struct weir_config *config, struct weir_view resource,
                             struct weir_buf *buf) {
    struct weir_snapshot snapshot;
    weir_metrics_take(&snapshot, config->temporality); /* what did not fit in memory is left out */
    uint64_t count = snapshot.count;
    if (count) {
        size_t mark = weir_pb_begin(buf, 1);
        weir_buf_add_view(buf, resource);
        for (uint32_t at = 0; at < snapshot.count;) at = put_scope(&snapshot, at, buf);
        weir_pb_end(buf, mark);
    }
    weir_snapshot_done(&snapshot);
    return count;
}
