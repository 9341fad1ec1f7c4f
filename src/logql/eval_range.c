/* SPDX-License-Identifier: Apache-2.0 */
/* Range aggregations. Counts and bytes are kept as differences per step (a line adds to the first
 * window that holds it and takes away behind the last), so that their cost does not grow with
 * range ÷ step and their memory not with the lines; numbers of unwrap are kept and looked at again.
 */
#include <math.h>
#include <stdlib.h>

#include "logql/evaluation.h"
#include "logql/functions.h"
#include "logql/scan.h"

struct sample {
    int64_t time_ns; /* shifted by the offset */
    double value;
};

struct stream {
    const struct weir_logql_label *labels;
    uint32_t labels_count;
    int64_t *counts, *bytes; /* differences per step, steps + 1 of them */
    struct sample *samples;  /* unwrap */
    uint32_t samples_count, samples_room;
};

struct range {
    struct weir_logql_evaluation *e;
    const struct weir_logql_expr *expr;
    const struct weir_logql_grouping *by; /* or NULL: all labels */
    bool unwraps, wants_bytes;
    bool by_resource; /* the group follows from the stream labels alone */
    struct stream *streams;
    uint32_t count, room;
    struct weir_map map; /* key → index into streams */
    struct weir_arena scratch;
    int rc;
};

bool weir_logql_range_takes_sum(const struct weir_logql_expr *expr) {
    if (expr->kind != WEIR_LOGQL_RANGE_AGG || expr->grouping.present) return false;
    switch ((int)expr->func) {
    case WEIR_LOGQL_RATE:
    case WEIR_LOGQL_COUNT_OVER_TIME:
    case WEIR_LOGQL_BYTES_RATE:
    case WEIR_LOGQL_BYTES_OVER_TIME:
    case WEIR_LOGQL_SUM_OVER_TIME: return true;
    default: return false;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The steps whose windows (t − range, t] hold the time; false when none does. */
static bool steps_of(const struct range *r, int64_t time_ns, uint32_t *first, uint32_t *last) {
    const struct weir_logql_evaluation *e = r->e;
    int64_t from_start = time_ns - e->start_ns, to_end = from_start + r->expr->range_ns - 1;
    if (to_end < 0) return false;
    if (e->steps == 1) return *first = *last = 0, from_start <= 0;
    int64_t lo = from_start <= 0 ? 0 : (from_start + e->step_ns - 1) / e->step_ns;
    int64_t hi = to_end / e->step_ns;
    if (hi >= e->steps) hi = e->steps - 1;
    if (lo > hi) return false;
    *first = (uint32_t)lo;
    *last = (uint32_t)hi;
    return true;
}

/* The group of a label: a small set, so that hashing it is cheap. */
static int group_labels(struct range *r, struct weir_logql_entry *entry,
                        const struct weir_logql_label **ret, uint32_t *ret_count) {
    struct weir_logql_labels *labels = weir_logql_entry_labels(entry);
    const struct weir_view *skip = r->expr->log.unwrap ? &r->expr->log.unwrap->name : NULL;
    if (!r->by || r->by->without) {
        const struct weir_logql_label *all;
        uint32_t all_count;
        int rc = weir_logql_labels_freeze(labels, skip, &r->scratch, &all, &all_count);
        if (rc != 0 || !r->by) return *ret = all, *ret_count = all_count, rc;
        struct weir_logql_label *kept;
        rc = weir_logql_group(r->by, all, all_count, &r->scratch, &kept, ret_count);
        return *ret = kept, rc;
    }
    struct weir_logql_labels few;
    weir_logql_labels_init(&few, &r->scratch);
    for (uint32_t i = 0; i < r->by->names_count; i++) {
        const struct weir_view *value = weir_logql_labels_get(labels, r->by->names[i]);
        if (value && value->len) weir_logql_labels_set(&few, r->by->names[i], *value);
    }
    return weir_logql_labels_freeze(&few, NULL, &r->scratch, ret, ret_count);
}

static int new_stream(struct range *r, const struct weir_logql_label *labels, uint32_t count) {
    struct weir_arena *arena = r->e->arena;
    if (r->count == WEIR_LOGQL_SERIES_MAX)
        return weir_error_set(r->e->reterr, WEIR_ELIMIT,
                              "maximum of series (%d) reached for a single query; structured "
                              "metadata such as trace_id "
                              "make series of their own: aggregate with sum by (…)",
                              WEIR_LOGQL_SERIES_MAX);
    struct stream *stream = WEIR_PUSH(arena, r->streams, r->count, r->room);
    struct weir_logql_label *copy = WEIR_NEW_ARRAY(arena, struct weir_logql_label, count + 1);
    if (!stream || !copy) return weir_logql_out_of_memory(r->e);
    for (uint32_t i = 0; i < count; i++)
        copy[i] =
            (struct weir_logql_label){weir_arena_copy(arena, labels[i].name),
                                      weir_arena_copy(arena, labels[i].value), labels[i].category};
    *stream = (struct stream){.labels = copy, .labels_count = count};
    if (!r->unwraps) {
        stream->counts = WEIR_NEW_ARRAY(arena, int64_t, r->e->steps + 1);
        stream->bytes = r->wants_bytes ? WEIR_NEW_ARRAY(arena, int64_t, r->e->steps + 1) : NULL;
    }
    return arena->failed ? weir_logql_out_of_memory(r->e) : 0;
}

/* sum by (service_name) (…) and the like, behind stages that only drop lines. */
static bool groups_by_resource(const struct range *r) {
    struct weir_view key;
    if (!r->by || r->by->without || r->unwraps) return false;
    for (uint32_t i = 0; i < r->by->names_count; i++)
        if (!weir_logql_is_stream_label(r->by->names[i], &key)) return false;
    for (const struct weir_logql_stage *s = r->expr->log.stages; s; s = s->next)
        if (s->kind != WEIR_LOGQL_STAGE_LINE_FILTER && s->kind != WEIR_LOGQL_STAGE_LABEL_FILTER)
            return false;
    return true;
}

static struct stream *find_stream(struct range *r, struct weir_logql_entry *entry) {
    const struct weir_logql_label *labels;
    uint32_t count;
    bool is_new;
    weir_arena_reset(&r->scratch);
    r->rc = group_labels(r, entry, &labels, &count);
    if (r->rc != 0) return NULL;
    struct weir_view key = weir_logql_labels_key(labels, count, &r->scratch);
    uint64_t *slot = weir_map_get(&r->map, key);
    if (slot) return &r->streams[*slot];
    r->rc = new_stream(r, labels, count);
    if (r->rc != 0) return NULL;
    slot = weir_map_put(&r->map, weir_arena_copy(r->e->arena, key), r->count - 1, &is_new);
    if (!slot) r->rc = weir_logql_out_of_memory(r->e);
    return slot ? &r->streams[*slot] : NULL;
}

static struct stream *stream_of(struct range *r, struct weir_logql_entry *entry) {
    if (r->by_resource && *entry->memo) return &r->streams[*entry->memo - 1];
    struct stream *stream = find_stream(r, entry);
    if (r->by_resource && stream) *entry->memo = (uint32_t)(stream - r->streams) + 1;
    return stream;
}

/* Loki's rule: a line with an error ends the query, unless the query filters __error__. */
static int refuse_error(struct range *r, struct weir_logql_entry *entry) {
    const struct weir_view *error =
        entry->labels_ready ? weir_logql_labels_get(&entry->labels, WEIR_VIEW("__error__")) : NULL;
    if (!error || !error->len) return 0;
    return weir_error_set(
        r->e->reterr, WEIR_EINVALID,
        "pipeline error: '%.*s' on a line; add | __error__=\"\" to leave such lines out",
        WEIR_VIEW_ARG(*error));
}

static bool take_line(void *arg, struct weir_logql_entry *entry) {
    struct range *r = arg;
    const struct weir_logql_unwrap *unwrap = r->expr->log.unwrap;
    double value = 0;
    uint32_t first, last;
    entry->time_ns += r->expr->offset_ns;
    if (!steps_of(r, entry->time_ns, &first, &last)) return true;
    if (unwrap && !weir_logql_unwrap_value(unwrap, entry, &value)) return true;
    if (unwrap && !weir_logql_stages_run(unwrap->filters, entry)) return true;
    r->rc = refuse_error(r, entry);
    struct stream *stream = r->rc == 0 ? stream_of(r, entry) : NULL;
    if (!stream) return false;
    if (r->unwraps) {
        struct sample *sample =
            WEIR_PUSH(r->e->arena, stream->samples, stream->samples_count, stream->samples_room);
        if (sample)
            *sample = (struct sample){entry->time_ns, value};
        else
            r->rc = weir_logql_out_of_memory(r->e);
        return sample;
    }
    stream->counts[first]++;
    stream->counts[last + 1]--;
    if (stream->bytes) {
        stream->bytes[first] += (int64_t)entry->line.len;
        stream->bytes[last + 1] -= (int64_t)entry->line.len;
    }
    return true;
}

static int read_lines(struct range *r) {
    const struct weir_logql_expr *expr = r->expr;
    struct weir_logql_evaluation *e = r->e;
    struct weir_logql_scan scan;
    weir_logql_scan_init(&scan, &expr->log, r->by, r->wants_bytes);
    int64_t end_ns = e->start_ns + (int64_t)(e->steps - 1) * e->step_ns;
    struct weir_logql_reader reader = {
        .source = e->source,
        .query = e->query,
        .plan = e->plan,
        .scan = &scan,
        .from_ns = e->start_ns - expr->range_ns - expr->offset_ns + 1,
        .until_ns = end_ns - expr->offset_ns + 1,
        .visit = take_line,
        .arg = r,
    };
    int rc = weir_logql_read(&reader, e->reterr);
    return r->rc != 0 ? r->rc : rc;
}

/* ---- counting -------------------------------------------------------------------------------- */

static void finish_counts(struct range *r, const struct stream *stream, double *values) {
    double seconds = (double)r->expr->range_ns / 1e9;
    bool is_rate = r->expr->func == WEIR_LOGQL_RATE || r->expr->func == WEIR_LOGQL_BYTES_RATE;
    int64_t count = 0, bytes = 0;
    for (uint32_t i = 0; i < r->e->steps; i++) {
        count += stream->counts[i];
        if (stream->bytes) bytes += stream->bytes[i];
        if (count == 0) continue;
        double value = (double)(stream->bytes ? bytes : count);
        values[i] = is_rate ? value / seconds : value;
    }
}

/* ---- windows of numbers ---------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double variance(const struct sample *s, size_t count) {
    double mean = 0, sum = 0; /* Welford: stable in one pass */
    for (size_t i = 0; i < count; i++) {
        double delta = s[i].value - mean;
        mean += delta / (double)(i + 1);
        sum += delta * (s[i].value - mean);
    }
    return sum / (double)count;
}

double weir_logql_quantile(double q, const double *sorted, size_t count) {
    if (count == 0 || isnan(q)) return NAN;
    if (q < 0) return -INFINITY;
    if (q > 1) return INFINITY;
    double rank = q * (double)(count - 1);
    size_t low = (size_t)floor(rank), high = low + 1 < count ? low + 1 : count - 1;
    double weight = rank - floor(rank);
    return sorted[low] * (1 - weight) + sorted[high] * weight;
}

static double window_quantile(struct range *r, const struct sample *s, size_t count) {
    weir_arena_reset(&r->scratch);
    double *sorted = weir_arena_alloc(&r->scratch, count * sizeof *sorted);
    if (!sorted) return NAN;
    for (size_t i = 0; i < count; i++) sorted[i] = s[i].value;
    qsort(sorted, count, sizeof *sorted, by_value);
    return weir_logql_quantile(r->expr->param, sorted, count);
}

/* A counter's rate as Prometheus extrapolates it: resets are counted, the ends are drawn out to the
 * window's, at most by half of the mean distance of samples (and not below zero). */
static double counter_rate(const struct sample *s, size_t count, int64_t from_ns, int64_t to_ns) {
    if (count < 2) return weir_logql_absent();
    double grown = s[count - 1].value - s[0].value;
    for (size_t i = 1; i < count; i++)
        if (s[i].value < s[i - 1].value) grown += s[i - 1].value;
    double to_start = (double)(s[0].time_ns - from_ns) / 1e9,
           to_end = (double)(to_ns - s[count - 1].time_ns) / 1e9;
    double sampled = (double)(s[count - 1].time_ns - s[0].time_ns) / 1e9;
    double mean = sampled / (double)(count - 1);
    if (grown > 0 && s[0].value >= 0 && to_start > sampled * (s[0].value / grown))
        to_start = sampled * (s[0].value / grown);
    double covered = sampled;
    covered += to_start < mean * 1.1 ? to_start : mean / 2;
    covered += to_end < mean * 1.1 ? to_end : mean / 2;
    return sampled > 0 ? grown * (covered / sampled) / ((double)(to_ns - from_ns) / 1e9)
                       : weir_logql_absent();
}

static double window_value(struct range *r, const struct sample *s, size_t count, int64_t at_ns) {
    double sum = 0, min = s[0].value, max = s[0].value;
    for (size_t i = 0; i < count; i++) {
        sum += s[i].value;
        if (s[i].value < min || isnan(min)) min = s[i].value;
        if (s[i].value > max || isnan(max)) max = s[i].value;
    }
    switch ((int)r->expr->func) {
    case WEIR_LOGQL_RATE: return sum / ((double)r->expr->range_ns / 1e9);
    case WEIR_LOGQL_SUM_OVER_TIME: return sum;
    case WEIR_LOGQL_AVG_OVER_TIME: return sum / (double)count;
    case WEIR_LOGQL_MIN_OVER_TIME: return min;
    case WEIR_LOGQL_MAX_OVER_TIME: return max;
    case WEIR_LOGQL_FIRST_OVER_TIME: return s[0].value;
    case WEIR_LOGQL_LAST_OVER_TIME: return s[count - 1].value;
    case WEIR_LOGQL_STDVAR_OVER_TIME: return variance(s, count);
    case WEIR_LOGQL_STDDEV_OVER_TIME: return sqrt(variance(s, count));
    case WEIR_LOGQL_QUANTILE_OVER_TIME: return window_quantile(r, s, count);
    case WEIR_LOGQL_RATE_COUNTER: return counter_rate(s, count, at_ns - r->expr->range_ns, at_ns);
    default: return (double)count; /* absent_over_time looks at presence only */
    }
}

static int by_time(const void *a, const void *b) {
    const struct sample *x = a, *y = b;
    return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static int finish_windows(struct range *r, struct stream *stream, double *values) {
    size_t from = 0, to = 0;
    qsort(stream->samples, stream->samples_count, sizeof *stream->samples, by_time);
    for (uint32_t i = 0; i < r->e->steps; i++) {
        int64_t at_ns = r->e->start_ns + (int64_t)i * r->e->step_ns;
        while (to < stream->samples_count && stream->samples[to].time_ns <= at_ns) to++;
        while (from < to && stream->samples[from].time_ns <= at_ns - r->expr->range_ns) from++;
        if (to > from) values[i] = window_value(r, stream->samples + from, to - from, at_ns);
        int rc = i % 64 == 0 ? weir_query_check(r->e->query, r->e->reterr) : 0;
        if (rc != 0) return rc;
    }
    return 0;
}

/* ---- absence --------------------------------------------------------------------------------- */

/* 1 where nothing is, with the labels that the selector's equalities name. */
static int finish_absent(struct range *r, const struct weir_logql_matrix *present,
                         struct weir_logql_matrix *ret) {
    const struct weir_logql_log *log = &r->expr->log;
    struct weir_logql_labels labels;
    const struct weir_logql_label *frozen;
    uint32_t count;
    weir_logql_labels_init(&labels, r->e->arena);
    for (uint32_t i = 0; i < log->matchers_count; i++)
        if (log->matchers[i].op == WEIR_LOGQL_OP_EQ)
            weir_logql_labels_set(&labels, log->matchers[i].name, log->matchers[i].value);
    if (weir_logql_labels_freeze(&labels, NULL, r->e->arena, &frozen, &count) != 0)
        return weir_logql_out_of_memory(r->e);
    struct weir_logql_series *series = weir_logql_matrix_add(r->e, ret, frozen, count);
    if (!series) return WEIR_ELIMIT;
    bool any = false;
    for (uint32_t i = 0; i < r->e->steps; i++) {
        bool there = false;
        for (uint32_t k = 0; k < present->count && !there; k++)
            there = !weir_logql_is_absent(present->series[k].values[i]);
        if (!there) series->values[i] = 1;
        any |= !there;
    }
    if (!any) ret->count = 0;
    return 0;
}

static int finish(struct range *r, struct weir_logql_matrix *ret) {
    struct weir_logql_matrix matrix = weir_logql_matrix_new(r->e);
    for (uint32_t i = 0; i < r->count; i++) {
        struct stream *stream = &r->streams[i];
        struct weir_logql_series *series =
            weir_logql_matrix_add(r->e, &matrix, stream->labels, stream->labels_count);
        if (!series) return WEIR_ELIMIT;
        int rc = 0;
        if (r->unwraps)
            rc = finish_windows(r, stream, series->values);
        else
            finish_counts(r, stream, series->values);
        if (rc != 0) return rc;
    }
    *ret = matrix;
    if (r->expr->func != WEIR_LOGQL_ABSENT_OVER_TIME) return 0;
    *ret = weir_logql_matrix_new(r->e);
    return finish_absent(r, &matrix, ret);
}

int weir_logql_evaluate_range(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                              const struct weir_logql_grouping *by, struct weir_logql_matrix *ret) {
    static const struct weir_logql_grouping nothing = {.present = true};
    struct range r = {.e = e, .expr = expr, .by = by, .unwraps = expr->log.unwrap};
    if (expr->grouping.present) r.by = &expr->grouping;
    if (expr->func == WEIR_LOGQL_ABSENT_OVER_TIME) r.by = &nothing;
    r.wants_bytes = expr->func == WEIR_LOGQL_BYTES_RATE || expr->func == WEIR_LOGQL_BYTES_OVER_TIME;
    r.by_resource = groups_by_resource(&r);
    weir_map_init(&r.map);
    weir_arena_init(&r.scratch, (size_t)64 << 20);
    int rc = read_lines(&r);
    if (rc == 0) rc = finish(&r, ret);
    weir_arena_done(&r.scratch);
    weir_map_done(&r.map);
    return rc;
}
