/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/eval.h"

#include <stdlib.h>

#include "logql/evaluation.h"
#include "logql/scan.h"
#include "query/regex.h"

bool weir_logql_is_absent(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == WEIR_LOGQL_ABSENT_BITS;
}

double weir_logql_absent(void) {
    uint64_t bits = WEIR_LOGQL_ABSENT_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int by_name(const void *a, const void *b) {
    const struct weir_logql_label *x = a, *y = b;
    return weir_view_cmp(x->name, y->name);
}

int weir_logql_labels_freeze(const struct weir_logql_labels *labels, const struct weir_view *skip,
                             struct weir_arena *arena, const struct weir_logql_label **ret,
                             uint32_t *ret_count) {
    struct weir_logql_label *items =
        WEIR_NEW_ARRAY(arena, struct weir_logql_label, labels->count + 1);
    uint32_t count = 0;
    if (!items) return WEIR_ENOMEMORY;
    for (uint32_t i = 0; i < labels->count; i++) {
        const struct weir_logql_label *label = &labels->items[i];
        if (!label->value.len || (skip && weir_view_eq(label->name, *skip))) continue;
        items[count++] =
            (struct weir_logql_label){weir_arena_copy(arena, label->name),
                                      weir_arena_copy(arena, label->value), label->category};
    }
    if (arena->failed) return WEIR_ENOMEMORY;
    qsort(items, count, sizeof *items, by_name);
    *ret = items;
    *ret_count = count;
    return 0;
}

/* ---- log lines: the best `limit` in a heap whose root is the worst -----------------------------
 */

struct lines {
    struct weir_logql_line *items;
    uint32_t *seqs; /* arrival, so that equal times keep their order */
    uint32_t count, limit, seq;
    bool forward, failed;
    struct weir_arena *arena;
};

/* True when a comes after b in the answer. */
static bool is_worse(const struct lines *lines, int64_t a_ns, uint32_t a_seq, int64_t b_ns,
                     uint32_t b_seq) {
    if (a_ns != b_ns) return lines->forward ? a_ns > b_ns : a_ns < b_ns;
    return a_seq > b_seq;
}

static bool worse_at(const struct lines *lines, uint32_t a, uint32_t b) {
    return is_worse(lines, lines->items[a].time_ns, lines->seqs[a], lines->items[b].time_ns,
                    lines->seqs[b]);
}

static void swap(struct lines *lines, uint32_t a, uint32_t b) {
    struct weir_logql_line line = lines->items[a];
    uint32_t seq = lines->seqs[a];
    lines->items[a] = lines->items[b];
    lines->seqs[a] = lines->seqs[b];
    lines->items[b] = line;
    lines->seqs[b] = seq;
}

static void sift_down(struct lines *lines, uint32_t at, uint32_t count) {
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && worse_at(lines, child + 1, child)) child++;
        if (!worse_at(lines, child, at)) return;
        swap(lines, child, at);
        at = child;
    }
}

static void sift_up(struct lines *lines, uint32_t at) {
    while (at && worse_at(lines, at, (at - 1) / 2)) {
        swap(lines, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static bool keep_line(void *arg, struct weir_logql_entry *entry) {
    struct lines *lines = arg;
    uint32_t seq = lines->seq++;
    bool full = lines->count == lines->limit;
    if (full && is_worse(lines, entry->time_ns, seq, lines->items[0].time_ns, lines->seqs[0]))
        return true;
    uint32_t at = full ? 0 : lines->count++;
    struct weir_logql_line *line = &lines->items[at];
    *line = (struct weir_logql_line){.time_ns = entry->time_ns,
                                     .line = weir_arena_copy(lines->arena, entry->line)};
    lines->seqs[at] = seq;
    lines->failed = weir_logql_labels_freeze(weir_logql_entry_labels(entry), NULL, lines->arena,
                                             &line->labels, &line->labels_count) != 0;
    if (full)
        sift_down(lines, 0, lines->count);
    else
        sift_up(lines, at);
    return !lines->failed;
}

/* Goes on while a line that is still to come could be better than the worst that is kept. */
static bool lines_want_more(void *arg, int64_t bound_ns) {
    const struct lines *lines = arg;
    if (lines->count < lines->limit) return true;
    return lines->forward ? bound_ns <= lines->items[0].time_ns
                          : bound_ns >= lines->items[0].time_ns;
}

int weir_logql_eval_lines(struct weir_source *source, struct weir_query *query,
                          const struct weir_logql_plan *plan, const struct weir_logql_expr *expr,
                          const struct weir_logql_options *options, struct weir_logql_lines *ret,
                          struct weir_error *reterr) {
    struct lines lines = {.limit = options->limit ? options->limit : 1,
                          .forward = options->forward,
                          .arena = &query->arena};
    struct weir_logql_scan scan;
    lines.items = WEIR_NEW_ARRAY(&query->arena, struct weir_logql_line, lines.limit);
    lines.seqs = WEIR_NEW_ARRAY(&query->arena, uint32_t, lines.limit);
    if (!lines.items || !lines.seqs)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
    weir_logql_scan_init(&scan, &expr->log, NULL, true);
    struct weir_logql_reader reader = {
        .source = source,
        .query = query,
        .plan = plan,
        .scan = &scan,
        .from_ns = options->start_ns,
        .until_ns = options->end_ns,
        .newest_first = !options->forward,
        .visit = keep_line,
        .bound = lines_want_more,
        .arg = &lines,
    };
    int rc = weir_logql_read(&reader, reterr);
    if (rc == 0 && lines.failed)
        rc = weir_error_set(reterr, WEIR_ELIMIT,
                            "the answer needs too much memory; lower the limit");
    if (rc != 0) return rc;
    for (uint32_t end = lines.count; end > 1; end--) { /* heap sort: the worst to the back */
        swap(&lines, 0, end - 1);
        sift_down(&lines, 0, end - 1);
    }
    *ret = (struct weir_logql_lines){lines.items, lines.count};
    return 0;
}

/* ---- matrices -------------------------------------------------------------------------------- */

int weir_logql_out_of_memory(struct weir_logql_evaluation *e) {
    return weir_error_set(e->reterr, WEIR_ELIMIT,
                          "query needs too much memory: narrow the selector, the time range, or "
                          "aggregate by fewer labels");
}

struct weir_logql_matrix weir_logql_matrix_new(const struct weir_logql_evaluation *e) {
    return (struct weir_logql_matrix){
        .start_ns = e->start_ns, .step_ns = e->step_ns, .steps = e->steps};
}

struct weir_logql_series *weir_logql_matrix_add(struct weir_logql_evaluation *e,
                                                struct weir_logql_matrix *matrix,
                                                const struct weir_logql_label *labels,
                                                uint32_t count) {
    if (matrix->count == WEIR_LOGQL_SERIES_MAX) {
        weir_error_set(
            e->reterr, WEIR_ELIMIT,
            "maximum of series (%d) reached for a single query; aggregate with sum by (…)",
            WEIR_LOGQL_SERIES_MAX);
        return NULL;
    }
    double *values = weir_arena_alloc(e->arena, e->steps * sizeof *values);
    struct weir_logql_series *series =
        values ? WEIR_PUSH(e->arena, matrix->series, matrix->count, matrix->room) : NULL;
    if (!series) {
        weir_logql_out_of_memory(e);
        return NULL;
    }
    for (uint32_t i = 0; i < e->steps; i++) values[i] = weir_logql_absent();
    *series = (struct weir_logql_series){labels, count, values};
    return series;
}

struct weir_view weir_logql_labels_key(const struct weir_logql_label *labels, uint32_t count,
                                       struct weir_arena *arena) {
    size_t size = 0, at = 0;
    for (uint32_t i = 0; i < count; i++) size += labels[i].name.len + labels[i].value.len + 2;
    char *out = weir_arena_alloc(arena, size + 1);
    if (!out) return weir_view(NULL, 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct weir_view parts[] = {labels[i].name, labels[i].value};
        for (int k = 0; k < 2; k++) {
            if (parts[k].len) memcpy(out + at, parts[k].ptr, parts[k].len);
            at += parts[k].len;
            out[at++] = (char)0xff; /* in no UTF-8 text */
        }
    }
    return weir_view(out, at);
}

static bool is_named(const struct weir_logql_grouping *by, struct weir_view name) {
    for (uint32_t i = 0; i < by->names_count; i++)
        if (weir_view_eq(by->names[i], name)) return true;
    return false;
}

int weir_logql_group(const struct weir_logql_grouping *by, const struct weir_logql_label *labels,
                     uint32_t count, struct weir_arena *arena, struct weir_logql_label **ret,
                     uint32_t *ret_count) {
    struct weir_logql_label *items = WEIR_NEW_ARRAY(arena, struct weir_logql_label, count + 1);
    uint32_t kept = 0;
    if (!items) return WEIR_ENOMEMORY;
    for (uint32_t i = 0; i < count; i++) {
        bool named = by->present && is_named(by, labels[i].name);
        if (named != (by->present && by->without) && (by->present)) items[kept++] = labels[i];
    }
    *ret = items;
    *ret_count = kept;
    return 0;
}

static int constant(struct weir_logql_evaluation *e, double value, bool is_scalar,
                    struct weir_logql_matrix *ret) {
    *ret = weir_logql_matrix_new(e);
    ret->is_scalar = is_scalar;
    struct weir_logql_series *series = weir_logql_matrix_add(e, ret, NULL, 0);
    if (!series) return WEIR_ELIMIT;
    for (uint32_t i = 0; i < e->steps; i++) series->values[i] = value;
    return 0;
}

/* ---- label_replace --------------------------------------------------------------------------- */

/* $1, ${1}, $name, ${name} of the replacement. */
static struct weir_view expand(const struct weir_regex *regex, struct weir_view pattern,
                               const struct weir_view *groups, unsigned count,
                               struct weir_arena *arena) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 16);
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] != '$' || i + 1 >= pattern.len) {
            weir_buf_add_char(&buf, pattern.ptr[i]);
            continue;
        }
        bool braces = pattern.ptr[i + 1] == '{';
        size_t from = i + (braces ? 2 : 1), to = from;
        while (to < pattern.len &&
               (pattern.ptr[to] == '_' || (pattern.ptr[to] >= '0' && pattern.ptr[to] <= '9') ||
                ((pattern.ptr[to] | 32) >= 'a' && (pattern.ptr[to] | 32) <= 'z')))
            to++;
        struct weir_view name = weir_view(pattern.ptr + from, to - from);
        uint64_t number;
        for (unsigned g = 0; g < count; g++) {
            bool hit = weir_view_to_u64(name, &number)
                           ? number == g
                           : weir_view_eq(weir_regex_group_name(regex, g), name);
            if (hit && name.len) weir_buf_add_view(&buf, groups[g]);
        }
        if (pattern.ptr[i + 1] == '$') weir_buf_add_char(&buf, '$'), to = i + 2;
        i = to - (braces && to < pattern.len && pattern.ptr[to] == '}' ? 0 : 1);
    }
    struct weir_view text = weir_arena_copy(arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return text;
}

static int replace_in(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                      struct weir_logql_series *series) {
    struct weir_view groups[WEIR_REGEX_CAPTURES_MAX], source = {"", 0};
    unsigned count = weir_regex_groups_count(expr->regex) + 1;
    if (count > WEIR_REGEX_CAPTURES_MAX) count = WEIR_REGEX_CAPTURES_MAX;
    for (uint32_t i = 0; i < series->labels_count; i++)
        if (weir_view_eq(series->labels[i].name, expr->replace[2]))
            source = series->labels[i].value;
    if (weir_regex_captures(expr->regex, source, groups, count) != 1) return 0;
    struct weir_logql_labels labels;
    weir_logql_labels_init(&labels, e->arena);
    for (uint32_t i = 0; i < series->labels_count; i++)
        weir_logql_labels_set(&labels, series->labels[i].name, series->labels[i].value);
    weir_logql_labels_set(&labels, expr->replace[0],
                          expand(expr->regex, expr->replace[1], groups, count, e->arena));
    if (weir_logql_labels_freeze(&labels, NULL, e->arena, &series->labels, &series->labels_count) !=
        0)
        return weir_logql_out_of_memory(e);
    return 0;
}

static int label_replace(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                         struct weir_logql_matrix *ret) {
    int rc = weir_logql_evaluate(e, expr->left, ret);
    for (uint32_t i = 0; rc == 0 && i < ret->count; i++) rc = replace_in(e, expr, &ret->series[i]);
    return rc;
}

int weir_logql_evaluate(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                        struct weir_logql_matrix *ret) {
    int rc = weir_query_check(e->query, e->reterr);
    if (rc != 0) return rc;
    switch (expr->kind) {
    case WEIR_LOGQL_RANGE_AGG: return weir_logql_evaluate_range(e, expr, NULL, ret);
    case WEIR_LOGQL_VECTOR_AGG: return weir_logql_evaluate_vector_agg(e, expr, ret);
    case WEIR_LOGQL_BINARY: return weir_logql_evaluate_binary(e, expr, ret);
    case WEIR_LOGQL_LITERAL: return constant(e, expr->param, true, ret);
    case WEIR_LOGQL_VECTOR: return constant(e, expr->param, false, ret);
    case WEIR_LOGQL_LABEL_REPLACE: return label_replace(e, expr, ret);
    case WEIR_LOGQL_LOG: break;
    }
    return weir_error_set(e->reterr, WEIR_EINVALID, "a log query has no numbers");
}

int weir_logql_eval_matrix(struct weir_source *source, struct weir_query *query,
                           const struct weir_logql_plan *plan, const struct weir_logql_expr *expr,
                           const struct weir_logql_options *options, struct weir_logql_matrix *ret,
                           struct weir_error *reterr) {
    int64_t span = options->end_ns - options->start_ns;
    int64_t steps = options->step_ns > 0 && span > 0 ? span / options->step_ns + 1 : 1;
    if (span < 0) return weir_error_set(reterr, WEIR_EINVALID, "the end is before the start");
    if (steps > WEIR_LOGQL_STEPS_MAX)
        return weir_error_set(
            reterr, WEIR_EINVALID,
            "exceeded maximum resolution of %d points per time series; increase the step",
            WEIR_LOGQL_STEPS_MAX);
    struct weir_logql_evaluation e = {
        .source = source,
        .query = query,
        .arena = &query->arena,
        .plan = plan,
        .start_ns = options->start_ns,
        .step_ns = options->step_ns,
        .steps = (uint32_t)steps,
        .reterr = reterr,
    };
    return weir_logql_evaluate(&e, expr, ret);
}
