/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "traceql/eval.h"
#include "traceql/functions.h"
#include "traceql/print.h"

enum { BUCKETS = 64 }; /* powers of two, of quantile and histogram */

struct cell {
    double count, sum, min, max;
};

struct bin {
    struct weir_traceql_label *labels;
    struct cell *cells; /* per interval */
    uint32_t *buckets;  /* per interval and power of two; NULL when not wanted */
};

struct metrics {
    struct weir_query *query;
    struct weir_arena *arena;
    const struct weir_traceql_plan *plan;
    const struct weir_traceql_stage *stage;
    const struct weir_traceql_options *options;
    struct weir_error *reterr;
    int64_t step_ns;
    uint32_t intervals;
    struct bin *bins;
    uint32_t count, room;
    struct weir_map map; /* label values → bin */
    struct weir_arena scratch;
    bool is_duration; /* of the measured field: ns, shown in seconds */
};

static int nomem(struct metrics *m) {
    return weir_error_set(m->reterr, WEIR_ELIMIT,
                          "query needs too much memory: narrow the range or group by less");
}

static bool wants_buckets(const struct metrics *m) {
    return m->stage->metric == WEIR_TRACEQL_METRIC_QUANTILE ||
           m->stage->metric == WEIR_TRACEQL_METRIC_HISTOGRAM;
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct weir_view group_key(struct metrics *m, const struct weir_traceql_span *span,
                                  struct weir_traceql_value *values, uint32_t values_count) {
    struct weir_buf key;
    weir_buf_init(&key, 1 << 20);
    for (uint32_t i = 0; i < values_count; i++) {
        values[i] = weir_traceql_evaluate(m->plan, m->stage->by[i], span);
        weir_buf_add_char(&key, (char)values[i].type);
        weir_buf_add_view(&key, weir_traceql_to_text(&values[i], &m->scratch));
        weir_buf_add_char(&key, (char)0xff);
    }
    struct weir_view copy = weir_arena_copy(&m->scratch, weir_buf_view(&key));
    weir_buf_done(&key);
    return copy;
}

static int new_bin(struct metrics *m, const struct weir_traceql_value *values,
                   uint32_t values_count) {
    if (m->count == WEIR_TRACEQL_SERIES_MAX)
        return weir_error_set(m->reterr, WEIR_ELIMIT,
                              "more than %d series; group by fewer or less varied fields",
                              WEIR_TRACEQL_SERIES_MAX);
    struct bin *bin = WEIR_PUSH(m->arena, m->bins, m->count, m->room);
    if (!bin) return nomem(m);
    bin->labels = WEIR_NEW_ARRAY(m->arena, struct weir_traceql_label, m->stage->by_count + 2);
    bin->cells = WEIR_NEW_ARRAY(m->arena, struct cell, m->intervals);
    bin->buckets = wants_buckets(m)
                       ? WEIR_NEW_ARRAY(m->arena, uint32_t, (size_t)m->intervals * BUCKETS)
                       : NULL;
    for (uint32_t i = 0; bin->labels && i < values_count; i++) {
        struct weir_buf name;
        weir_buf_init(&name, 4096);
        weir_traceql_print_field(&m->stage->by[i]->field, &name);
        bin->labels[i].name = weir_arena_copy(m->arena, weir_buf_view(&name));
        bin->labels[i].value = values[i];
        bool has_str =
            values[i].type == WEIR_TRACEQL_TYPE_STRING || values[i].type == WEIR_TRACEQL_TYPE_ARRAY;
        if (has_str) bin->labels[i].value.str = weir_arena_copy(m->arena, values[i].str);
        weir_buf_done(&name);
    }
    return m->arena->failed ? nomem(m) : 0;
}

static struct bin *bin_of(struct metrics *m, const struct weir_traceql_span *span, int *rc) {
    struct weir_traceql_value values[WEIR_TRACEQL_BY_MAX];
    uint32_t count = m->stage->by_count;
    bool is_new;
    weir_arena_reset(&m->scratch);
    struct weir_view key = group_key(m, span, values, count);
    uint64_t *slot = weir_map_get(&m->map, key);
    if (slot) return &m->bins[*slot];
    if ((*rc = new_bin(m, values, count)) != 0) return NULL;
    slot = weir_map_put(&m->map, weir_arena_copy(m->arena, key), m->count - 1, &is_new);
    if (!slot) *rc = nomem(m);
    return slot ? &m->bins[*slot] : NULL;
}

static uint32_t bucket_of(double value) {
    int exponent;
    if (!(value > 1)) return 0;
    double fraction = frexp(value, &exponent); /* value = fraction × 2^exponent, ½ ≤ fraction < 1 */
    int bucket = fraction == 0.5 ? exponent - 1 : exponent; /* 2^k itself lies in bucket k */
    return bucket < BUCKETS ? (uint32_t)bucket : BUCKETS - 1;
}

static int take_span(struct metrics *m, const struct weir_traceql_span *span) {
    double number = 0;
    int rc = 0;
    int64_t since = span->start_ns - m->options->start_ns - 1;
    if (since < 0 || span->start_ns > m->options->end_ns) return 0;
    if (weir_traceql_accepts(m->plan, m->plan->query->spanset->filter, span) != 1) return 0;
    if (m->stage->field) {
        struct weir_traceql_value value = weir_traceql_evaluate(m->plan, m->stage->field, span);
        if (!weir_traceql_to_number(&value, &number)) return 0;
        m->is_duration |= value.type == WEIR_TRACEQL_TYPE_DURATION;
    }
    uint64_t interval = (uint64_t)since / (uint64_t)m->step_ns;
    struct bin *bin = interval < m->intervals ? bin_of(m, span, &rc) : NULL;
    if (!bin) return rc;
    struct cell *cell = &bin->cells[interval];
    if (cell->count == 0 || number < cell->min) cell->min = number;
    if (cell->count == 0 || number > cell->max) cell->max = number;
    cell->count++;
    cell->sum += number;
    if (bin->buckets) bin->buckets[interval * BUCKETS + bucket_of(number)]++;
    return 0;
}

static int read_spans(struct metrics *m, struct weir_source *source) {
    struct weir_predicate predicates[WEIR_TRACEQL_PREDICATES_MAX];
    struct weir_value values[WEIR_TRACEQL_SLOTS_MAX];
    struct weir_traceql_layout *layout = weir_arena_alloc(m->arena, sizeof *layout);
    struct weir_cursor *cursor = NULL;
    const struct weir_block *block = NULL;
    if (!layout) return nomem(m);
    weir_traceql_layout_init(layout, m->plan, false);
    struct weir_select select = {
        .table = WEIR_TABLE_SPANS,
        .from_ns = m->options->start_ns + 1,
        .until_ns = m->options->end_ns + 1,
        .columns = layout->columns,
        .columns_count = layout->columns_count,
        .predicates = predicates,
        .predicates_count = weir_traceql_plan_predicates(m->plan, predicates),
    };
    int rc = source->select(source, m->query, &select, &cursor, m->reterr);
    if (rc != 0) return rc;
    while ((rc = weir_query_check(m->query, m->reterr)) == 0 &&
           (rc = cursor->next(cursor, &block, m->reterr)) == 0) {
        for (uint32_t row = 0; rc == 0 && row < block->rows_count; row++) {
            struct weir_traceql_span span;
            weir_traceql_span_read(m->plan, layout, block, row, values, &span);
            span.is_alone = true;
            rc = take_span(m, &span);
        }
        if (rc == 0) rc = weir_traceql_plan_check(m->plan, m->reterr);
        if (rc != 0) break;
    }
    cursor->close(cursor);
    return rc == WEIR_END ? 0 : rc;
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct weir_traceql_series *add_series(struct metrics *m, struct weir_traceql_matrix *matrix,
                                              const struct bin *bin, const char *extra_name,
                                              double extra) {
    struct weir_traceql_series *series =
        WEIR_PUSH(m->arena, matrix->series, matrix->count, matrix->room);
    double *values = weir_arena_alloc(m->arena, m->intervals * sizeof *values);
    struct weir_traceql_label *labels =
        WEIR_NEW_ARRAY(m->arena, struct weir_traceql_label, m->stage->by_count + 2);
    if (!series || !values || !labels) return NULL;
    uint32_t count = m->stage->by_count;
    memcpy(labels, bin->labels, count * sizeof *labels);
    if (extra_name)
        labels[count++] = (struct weir_traceql_label){
            weir_view_str(extra_name), {.type = WEIR_TRACEQL_TYPE_FLOAT, .f64 = extra}};
    if (!count) /* as Tempo names a series without groups */
        labels[count++] = (struct weir_traceql_label){
            WEIR_VIEW("__name__"),
            {.type = WEIR_TRACEQL_TYPE_STRING,
             .str = weir_view_str(weir_traceql_metric_name(m->stage->metric))}};
    for (uint32_t i = 0; i < m->intervals; i++) values[i] = NAN;
    *series = (struct weir_traceql_series){labels, count, values};
    return series;
}

static double cell_value(const struct metrics *m, const struct cell *cell) {
    double unit = m->is_duration ? 1e-9 : 1;
    switch (m->stage->metric) {
    case WEIR_TRACEQL_METRIC_RATE: return cell->count / ((double)m->step_ns / 1e9);
    case WEIR_TRACEQL_METRIC_COUNT: return cell->count;
    case WEIR_TRACEQL_METRIC_MIN: return cell->count > 0 ? cell->min * unit : NAN;
    case WEIR_TRACEQL_METRIC_MAX: return cell->count > 0 ? cell->max * unit : NAN;
    case WEIR_TRACEQL_METRIC_AVG: return cell->count > 0 ? cell->sum / cell->count * unit : NAN;
    case WEIR_TRACEQL_METRIC_SUM: return cell->count > 0 ? cell->sum * unit : NAN;
    case WEIR_TRACEQL_METRIC_QUANTILE:
    case WEIR_TRACEQL_METRIC_HISTOGRAM:
    case WEIR_TRACEQL_METRIC_COMPARE:
    case WEIR_TRACEQL_METRIC_TOPK:
    case WEIR_TRACEQL_METRIC_BOTTOMK: break;
    }
    return NAN;
}

/* Interpolated within its power of two, on the exponential scale. */
static double bucket_quantile(const uint32_t *buckets, double count, double q) {
    double rank = q * count, seen = 0;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        if (!buckets[i]) continue;
        if (seen + buckets[i] >= rank) {
            double part = (rank - seen) / buckets[i];
            return i == 0 ? part : exp2((double)(i - 1) + part);
        }
        seen += buckets[i];
    }
    return exp2(BUCKETS - 1);
}

static bool finish_quantiles(struct metrics *m, const struct bin *bin,
                             struct weir_traceql_matrix *matrix) {
    for (uint32_t k = 0; k < m->stage->numbers_count; k++) {
        struct weir_traceql_series *series = add_series(m, matrix, bin, "p", m->stage->numbers[k]);
        if (!series) return false;
        for (uint32_t i = 0; i < m->intervals; i++)
            if (bin->cells[i].count > 0)
                series->values[i] = bucket_quantile(bin->buckets + (size_t)i * BUCKETS,
                                                    bin->cells[i].count, m->stage->numbers[k]) *
                                    (m->is_duration ? 1e-9 : 1);
    }
    return true;
}

static bool finish_histogram(struct metrics *m, const struct bin *bin,
                             struct weir_traceql_matrix *matrix) {
    for (uint32_t b = 0; b < BUCKETS; b++) {
        bool any = false;
        for (uint32_t i = 0; i < m->intervals; i++)
            any |= bin->buckets[(size_t)i * BUCKETS + b] > 0;
        struct weir_traceql_series *series =
            any ? add_series(m, matrix, bin, "__bucket", exp2(b) * (m->is_duration ? 1e-9 : 1))
                : NULL;
        if (any && !series) return false;
        for (uint32_t i = 0; any && i < m->intervals; i++)
            series->values[i] = bin->buckets[(size_t)i * BUCKETS + b];
    }
    return true;
}

static bool finish_bin(struct metrics *m, const struct bin *bin,
                       struct weir_traceql_matrix *matrix) {
    if (m->stage->metric == WEIR_TRACEQL_METRIC_QUANTILE) return finish_quantiles(m, bin, matrix);
    if (m->stage->metric == WEIR_TRACEQL_METRIC_HISTOGRAM) return finish_histogram(m, bin, matrix);
    struct weir_traceql_series *series = add_series(m, matrix, bin, NULL, 0);
    if (!series) return false;
    for (uint32_t i = 0; i < m->intervals; i++) series->values[i] = cell_value(m, &bin->cells[i]);
    return true;
}

struct rank {
    double value;
    uint32_t series;
};

static int by_value(const void *a, const void *b) {
    const struct rank *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? 1 : -1;
    return (x->series > y->series) - (x->series < y->series);
}

/* topk, bottomk: per interval; what is not among them is not there. */
static bool keep_best(struct metrics *m, const struct weir_traceql_stage *stage,
                      struct weir_traceql_matrix *matrix) {
    struct rank *ranks = WEIR_NEW_ARRAY(m->arena, struct rank, matrix->count + 1);
    if (!ranks) return false;
    double sign = stage->metric == WEIR_TRACEQL_METRIC_BOTTOMK ? -1 : 1;
    for (uint32_t i = 0; i < m->intervals; i++) {
        uint32_t count = 0;
        for (uint32_t k = 0; k < matrix->count; k++)
            if (!isnan(matrix->series[k].values[i]))
                ranks[count++] = (struct rank){sign * matrix->series[k].values[i], k};
        qsort(ranks, count, sizeof *ranks, by_value);
        for (uint32_t k = 0; k < count; k++)
            if (k >= stage->numbers[0]) matrix->series[ranks[k].series].values[i] = NAN;
    }
    uint32_t kept = 0;
    for (uint32_t k = 0; k < matrix->count; k++)
        for (uint32_t i = 0; i < m->intervals; i++)
            if (!isnan(matrix->series[k].values[i])) {
                matrix->series[kept++] = matrix->series[k];
                break;
            }
    matrix->count = kept;
    return true;
}

static int finish(struct metrics *m, struct weir_traceql_matrix *ret) {
    struct weir_traceql_matrix matrix = {
        .start_ns = m->options->start_ns, .step_ns = m->step_ns, .intervals = m->intervals};
    bool good = true;
    for (uint32_t i = 0; good && i < m->count; i++) good = finish_bin(m, &m->bins[i], &matrix);
    for (const struct weir_traceql_stage *s = m->stage->next; good && s; s = s->next)
        good = keep_best(m, s, &matrix);
    *ret = matrix;
    return good ? 0 : nomem(m);
}

int weir_traceql_metrics(struct weir_source *source, struct weir_query *query,
                         const struct weir_traceql_plan *plan,
                         const struct weir_traceql_options *options,
                         struct weir_traceql_matrix *ret, struct weir_error *reterr) {
    const struct weir_traceql_stage *stage = plan->query->stages;
    while (stage && stage->kind != WEIR_TRACEQL_STAGE_METRICS) stage = stage->next;
    int64_t span = options->end_ns - options->start_ns;
    if (!stage)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "a metrics query ends in rate(), count_over_time(), …");
    if (span <= 0)
        return weir_error_set(reterr, WEIR_EINVALID, "the end must lie behind the start");
    int64_t step = options->step_ns > 0 ? options->step_ns : span;
    if ((span + step - 1) / step > WEIR_TRACEQL_INTERVALS_MAX)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "more than %d points per series; increase the step",
                              WEIR_TRACEQL_INTERVALS_MAX);
    struct metrics m = {
        .query = query,
        .arena = &query->arena,
        .plan = plan,
        .stage = stage,
        .options = options,
        .reterr = reterr,
        .step_ns = step,
        .intervals = (uint32_t)((span + step - 1) / step),
    };
    weir_map_init(&m.map);
    weir_arena_init(&m.scratch, (size_t)16 << 20);
    int rc = read_spans(&m, source);
    if (rc == 0) rc = finish(&m, ret);
    weir_arena_done(&m.scratch);
    weir_map_done(&m.map);
    return rc;
}
