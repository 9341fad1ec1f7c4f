/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics and their points. Source: opentelemetry-proto 1.11, metrics/v1/metrics.proto. */
#include <math.h>

#include "otlp/decode.h"

enum {
    METRIC_GAUGE = 5,
    METRIC_SUM = 7,
    METRIC_HISTOGRAM = 9,
    METRIC_EXPONENTIAL = 10,
    METRIC_SUMMARY = 11
};

/* ---- lists of numbers, packed or not --------------------------------------------------------- */

/* Room for `more` 8-byte numbers behind the `count` that are there; the place of the first, or NULL
 * when the arena is full. Both kinds of list hold 8-byte elements. */
static void *list_grow(struct weir_otlp_decoder *d, void *items, uint32_t count, size_t more) {
    return weir_arena_grow(d->arena, items, count * sizeof(uint64_t),
                           (count + more) * sizeof(uint64_t));
}

static bool add_fixed64s(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                         uint64_t **items, uint32_t *count) {
    bool packed = field->wire == WEIR_PB_BYTES;
    size_t more = packed ? field->bytes.len / 8 : 1;
    if (packed && field->bytes.len % 8)
        return weir_otlp_decode_fail(d, field->bytes.ptr, "malformed packed list");
    uint64_t *grown = list_grow(d, *items, *count, more);
    if (!grown) return weir_otlp_decode_fail(d, NULL, "");
    if (!packed)
        grown[*count] = field->value;
    else if (more)
        memcpy(grown + *count, field->bytes.ptr, 8 * more); /* little-endian, as we are */
    *items = grown;
    *count += (uint32_t)more;
    return true;
}

static bool add_varints(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                        uint64_t **items, uint32_t *count) {
    bool packed = field->wire == WEIR_PB_BYTES;
    size_t more = packed ? 0 : 1;
    for (size_t i = 0; i < field->bytes.len; i++) more += (uint8_t)field->bytes.ptr[i] < 0x80;
    uint64_t *grown = list_grow(d, *items, *count, more);
    if (!grown) return weir_otlp_decode_fail(d, NULL, "");
    *items = grown;
    if (!packed) {
        grown[(*count)++] = field->value;
        return true;
    }
    struct weir_pb pb = weir_pb(field->bytes);
    while (pb.at < pb.end) {
        if (!weir_pb_varint(&pb, &grown[*count]))
            return weir_otlp_decode_fail(d, pb.at, "malformed packed list");
        (*count)++;
    }
    return true;
}

/* ---- parts of points ------------------------------------------------------------------------- */

static bool decode_exemplar(struct weir_otlp_decoder *d, struct weir_view raw,
                            struct weir_otlp_exemplar *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct weir_otlp_attr_list attrs;
    int rc;
    *ret = (struct weir_otlp_exemplar){0};
    if (!weir_otlp_decode_attrs_begin(d, weir_otlp_decode_counts(raw).of[7], &attrs)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(2, FIXED64): ret->time_ns = weir_otlp_decode_time(field.value); break;
        case WEIR_PB_KEY(3, FIXED64): ret->value = weir_pb_to_f64(field.value); break;
        case WEIR_PB_KEY(4, BYTES): ret->span_id = weir_otlp_decode_id(field.bytes, 8); break;
        case WEIR_PB_KEY(5, BYTES): ret->trace_id = weir_otlp_decode_id(field.bytes, 16); break;
        case WEIR_PB_KEY(6, FIXED64): ret->value = (double)(int64_t)field.value; break;
        case WEIR_PB_KEY(7, BYTES):
            if (!weir_otlp_decode_attr(d, field.bytes, &attrs)) return false;
            break;
        default: break;
        }
    }
    ret->attrs = weir_otlp_decode_attrs_end(&attrs);
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed Exemplar");
}

static bool decode_buckets(struct weir_otlp_decoder *d, struct weir_view raw,
                           struct weir_otlp_buckets *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    uint64_t *counts = NULL;
    int rc;
    *ret = (struct weir_otlp_buckets){0};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(1, VARINT): ret->offset = (int32_t)weir_pb_to_sint(field.value); break;
        case WEIR_PB_KEY(2, VARINT):
        case WEIR_PB_KEY(2, BYTES):
            if (!add_varints(d, &field, &counts, &ret->counts_count)) return false;
            break;
        default: break;
        }
    }
    ret->counts = counts;
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed Buckets");
}

static bool decode_quantile(struct weir_otlp_decoder *d, struct weir_view raw,
                            struct weir_otlp_quantile *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    int rc;
    *ret = (struct weir_otlp_quantile){0};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, FIXED64))
            ret->quantile = weir_pb_to_f64(field.value);
        if (weir_pb_key(&field) == WEIR_PB_KEY(2, FIXED64))
            ret->value = weir_pb_to_f64(field.value);
    }
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed ValueAtQuantile");
}

/* ---- points ---------------------------------------------------------------------------------- */

/* A point under way: what the index shows as const, still being filled. */
struct point_lists {
    struct weir_otlp_attr_list attrs;
    struct weir_otlp_exemplar *exemplars;
    struct weir_otlp_quantile *quantiles;
    uint64_t *counts;
    uint64_t *bounds; /* the doubles' bits */
    bool has_value;
};

/* Field numbers that differ by the type of point. */
struct point_shape {
    uint8_t attrs, exemplars, quantiles; /* 0: this type has none */
};

static const struct point_shape shapes[] = {
    [WEIR_METRIC_TYPE_GAUGE] = {7, 5, 0},     [WEIR_METRIC_TYPE_SUM] = {7, 5, 0},
    [WEIR_METRIC_TYPE_HISTOGRAM] = {9, 8, 0}, [WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM] = {1, 11, 0},
    [WEIR_METRIC_TYPE_SUMMARY] = {7, 0, 6},
};

static bool begin_lists(struct weir_otlp_decoder *d, struct weir_view raw,
                        enum weir_metric_type type, struct point_lists *ret) {
    struct weir_otlp_counts counts = weir_otlp_decode_counts(raw);
    const struct point_shape *shape = &shapes[type];
    uint32_t exemplars = shape->exemplars ? counts.of[shape->exemplars] : 0;
    uint32_t quantiles = shape->quantiles ? counts.of[shape->quantiles] : 0;
    *ret = (struct point_lists){0};
    if (!weir_otlp_decode_attrs_begin(d, counts.of[shape->attrs], &ret->attrs)) return false;
    if (exemplars) ret->exemplars = weir_arena_alloc(d->arena, exemplars * sizeof *ret->exemplars);
    if (quantiles) ret->quantiles = weir_arena_alloc(d->arena, quantiles * sizeof *ret->quantiles);
    return !d->arena->failed || weir_otlp_decode_fail(d, NULL, "");
}

static void set_int(struct weir_otlp_point *point, struct point_lists *lists, int64_t value) {
    point->is_int = true;
    point->i64 = value;
    point->value = (double)value;
    lists->has_value = true;
}

static void set_double(struct weir_otlp_point *point, struct point_lists *lists, double value) {
    point->is_int = false;
    point->value = value;
    lists->has_value = true;
}

/* NumberDataPoint; times, attributes and exemplars are read by the caller. */
static bool number_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                         struct weir_otlp_point *point, struct point_lists *lists) {
    (void)d;
    switch (weir_pb_key(field)) {
    case WEIR_PB_KEY(4, FIXED64): set_double(point, lists, weir_pb_to_f64(field->value)); break;
    case WEIR_PB_KEY(6, FIXED64): set_int(point, lists, (int64_t)field->value); break;
    case WEIR_PB_KEY(8, VARINT): point->flags = (uint32_t)field->value; break;
    default: break;
    }
    return true;
}

static bool histogram_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                            struct weir_otlp_point *point, struct point_lists *lists) {
    switch (weir_pb_key(field)) {
    case WEIR_PB_KEY(4, FIXED64): point->count = field->value; break;
    case WEIR_PB_KEY(5, FIXED64): point->sum = weir_pb_to_f64(field->value); break;
    case WEIR_PB_KEY(6, FIXED64):
    case WEIR_PB_KEY(6, BYTES): return add_fixed64s(d, field, &lists->counts, &point->counts_count);
    case WEIR_PB_KEY(7, FIXED64):
    case WEIR_PB_KEY(7, BYTES): return add_fixed64s(d, field, &lists->bounds, &point->bounds_count);
    case WEIR_PB_KEY(10, VARINT): point->flags = (uint32_t)field->value; break;
    case WEIR_PB_KEY(11, FIXED64): point->min = weir_pb_to_f64(field->value); break;
    case WEIR_PB_KEY(12, FIXED64): point->max = weir_pb_to_f64(field->value); break;
    default: break;
    }
    return true;
}

static bool exponential_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                              struct weir_otlp_point *point, struct point_lists *lists) {
    (void)lists;
    switch (weir_pb_key(field)) {
    case WEIR_PB_KEY(4, FIXED64): point->count = field->value; break;
    case WEIR_PB_KEY(5, FIXED64): point->sum = weir_pb_to_f64(field->value); break;
    case WEIR_PB_KEY(6, VARINT): point->scale = (int32_t)weir_pb_to_sint(field->value); break;
    case WEIR_PB_KEY(7, FIXED64): point->zero_count = field->value; break;
    case WEIR_PB_KEY(8, BYTES): return decode_buckets(d, field->bytes, &point->positive);
    case WEIR_PB_KEY(9, BYTES): return decode_buckets(d, field->bytes, &point->negative);
    case WEIR_PB_KEY(10, VARINT): point->flags = (uint32_t)field->value; break;
    case WEIR_PB_KEY(12, FIXED64): point->min = weir_pb_to_f64(field->value); break;
    case WEIR_PB_KEY(13, FIXED64): point->max = weir_pb_to_f64(field->value); break;
    case WEIR_PB_KEY(14, FIXED64): point->zero_threshold = weir_pb_to_f64(field->value); break;
    default: break;
    }
    return true;
}

static bool summary_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                          struct weir_otlp_point *point, struct point_lists *lists) {
    switch (weir_pb_key(field)) {
    case WEIR_PB_KEY(4, FIXED64): point->count = field->value; break;
    case WEIR_PB_KEY(5, FIXED64): point->sum = weir_pb_to_f64(field->value); break;
    case WEIR_PB_KEY(6, BYTES):
        return decode_quantile(d, field->bytes, &lists->quantiles[point->quantiles_count++]);
    case WEIR_PB_KEY(8, VARINT): point->flags = (uint32_t)field->value; break;
    default: break;
    }
    return true;
}

static bool point_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                        enum weir_metric_type type, struct weir_otlp_point *point,
                        struct point_lists *lists) {
    const struct point_shape *shape = &shapes[type];
    if (field->wire == WEIR_PB_BYTES && field->number == shape->attrs)
        return weir_otlp_decode_attr(d, field->bytes, &lists->attrs);
    if (field->wire == WEIR_PB_BYTES && shape->exemplars && field->number == shape->exemplars)
        return decode_exemplar(d, field->bytes, &lists->exemplars[point->exemplars_count++]);
    if (weir_pb_key(field) == WEIR_PB_KEY(2, FIXED64))
        point->start_ns = weir_otlp_decode_time(field->value);
    if (weir_pb_key(field) == WEIR_PB_KEY(3, FIXED64))
        point->time_ns = weir_otlp_decode_time(field->value);
    switch (type) {
    case WEIR_METRIC_TYPE_GAUGE:
    case WEIR_METRIC_TYPE_SUM: return number_field(d, field, point, lists);
    case WEIR_METRIC_TYPE_HISTOGRAM: return histogram_field(d, field, point, lists);
    case WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM: return exponential_field(d, field, point, lists);
    case WEIR_METRIC_TYPE_SUMMARY: return summary_field(d, field, point, lists);
    }
    return true;
}

static bool is_ascending(const double *bounds, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (isnan(bounds[i]) || (i && bounds[i] <= bounds[i - 1])) return false;
    return true;
}

/* What makes a point worth refusing, or NULL. */
static const char *point_fault(enum weir_metric_type type, const struct weir_otlp_point *point,
                               const struct point_lists *lists) {
    enum { NO_RECORDED_VALUE = 1, SCALE_MIN = -10, SCALE_MAX = 20 };
    if (point->start_ns == INT64_MAX || point->time_ns == INT64_MAX)
        return "time_unix_nano is beyond the year 2262";
    if (type <= WEIR_METRIC_TYPE_SUM && !lists->has_value && !(point->flags & NO_RECORDED_VALUE))
        return "a point has neither as_double nor as_int";
    if (point->counts_count && point->counts_count != point->bounds_count + 1)
        return "bucket_counts must be one more than explicit_bounds";
    if (!is_ascending(point->bounds, point->bounds_count)) return "explicit_bounds must ascend";
    if (type == WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM &&
        (point->scale < SCALE_MIN || point->scale > SCALE_MAX))
        return "scale must be -10 … 20";
    return NULL;
}

static bool decode_point(struct weir_otlp_decoder *d, struct weir_view raw,
                         const struct weir_otlp_metric *metric) {
    struct weir_otlp_point *point = &d->points[d->batch->points_count];
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct point_lists lists;
    int rc;
    *point = (struct weir_otlp_point){
        .metric = d->batch->metrics_count, .sum = NAN, .min = NAN, .max = NAN, .raw = raw};
    if (!begin_lists(d, raw, metric->type, &lists)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0)
        if (!point_field(d, &field, metric->type, point, &lists)) return false;
    if (rc < 0) return weir_otlp_decode_fail(d, pb.at, "malformed data point");
    point->attrs = weir_otlp_decode_attrs_end(&lists.attrs);
    point->exemplars = lists.exemplars;
    point->quantiles = lists.quantiles;
    point->counts = lists.counts;
    point->bounds = (const double *)(const void *)lists.bounds;
    const char *fault = point_fault(metric->type, point, &lists);
    if (fault)
        weir_otlp_decode_reject(d, 1, "metric \"%.*s\": %s",
                                WEIR_VIEW_ARG(weir_otlp_decode_short(metric->name)), fault);
    else
        d->batch->points_count++;
    return true;
}

/* ---- metrics --------------------------------------------------------------------------------- */

static bool type_of(uint32_t number, enum weir_metric_type *ret) {
    switch (number) {
    case METRIC_GAUGE: *ret = WEIR_METRIC_TYPE_GAUGE; return true;
    case METRIC_SUM: *ret = WEIR_METRIC_TYPE_SUM; return true;
    case METRIC_HISTOGRAM: *ret = WEIR_METRIC_TYPE_HISTOGRAM; return true;
    case METRIC_EXPONENTIAL: *ret = WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM; return true;
    case METRIC_SUMMARY: *ret = WEIR_METRIC_TYPE_SUMMARY; return true;
    default: return false;
    }
}

/* The metric's own fields; `ret_data` is its data message, the last one if there are several. */
static bool metric_head(struct weir_otlp_decoder *d, struct weir_view raw,
                        struct weir_otlp_metric *metric, struct weir_view *ret_data) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    int rc;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        bool ok = true;
        if (field.wire != WEIR_PB_BYTES) continue;
        if (field.number == 1)
            ok = weir_otlp_decode_text(d, field.bytes, &metric->name, "Metric.name");
        if (field.number == 2)
            ok = weir_otlp_decode_text(d, field.bytes, &metric->description, "Metric.description");
        if (field.number == 3)
            ok = weir_otlp_decode_text(d, field.bytes, &metric->unit, "Metric.unit");
        if (type_of(field.number, &metric->type)) *ret_data = field.bytes;
        if (!ok) return false;
    }
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed Metric");
}

/* What stands beside the points: 2 aggregation_temporality, 3 is_monotonic. */
static bool metric_data_head(struct weir_otlp_decoder *d, struct weir_view data,
                             struct weir_otlp_metric *metric) {
    struct weir_pb pb = weir_pb(data);
    struct weir_pb_field field;
    int rc;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(2, VARINT) &&
            field.value <= WEIR_TEMPORALITY_CUMULATIVE)
            metric->temporality = (enum weir_temporality)field.value;
        if (weir_pb_key(&field) == WEIR_PB_KEY(3, VARINT) && metric->type == WEIR_METRIC_TYPE_SUM)
            metric->monotonic = field.value != 0;
    }
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed metric data");
}

static bool decode_points(struct weir_otlp_decoder *d, struct weir_view data,
                          const struct weir_otlp_metric *metric) {
    struct weir_pb pb = weir_pb(data);
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0) /* metric_data_head saw that it is well-formed */
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, BYTES) && !decode_point(d, field.bytes, metric))
            return false;
    return true;
}

bool weir_otlp_decode_metric(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope) {
    struct weir_otlp_metric *metric = &d->metrics[d->batch->metrics_count];
    struct weir_view data = {NULL, 0};
    *metric = (struct weir_otlp_metric){.scope = scope};
    if (!metric_head(d, raw, metric, &data) || !metric_data_head(d, data, metric)) return false;
    if (metric->name.len == 0) {
        weir_otlp_decode_reject(d, weir_otlp_decode_counts(data).of[1], "a metric has no name");
        return true;
    }
    if (!decode_points(d, data, metric)) return false;
    d->batch->metrics_count++;
    return true;
}

uint32_t weir_otlp_decode_points_count(struct weir_view metric) {
    struct weir_pb pb = weir_pb(metric);
    struct weir_pb_field field;
    enum weir_metric_type ignored;
    uint32_t count = 0;
    while (weir_pb_next(&pb, &field) > 0)
        if (field.wire == WEIR_PB_BYTES && type_of(field.number, &ignored))
            count += weir_otlp_decode_counts(field.bytes).of[1];
    return count;
}
