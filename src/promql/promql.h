/* SPDX-License-Identifier: Apache-2.0 */
/* PromQL: text in, series out, over any weir_source.
 *
 *     parse ─▶ expr ─▶ plan (operators) ─▶ rows pulled series by series ─▶ result
 *
 * An operator gives one series at a time with its values at every step, so that sum(rate(x[5m]))
 * over a million series holds one of them. Semantics are Prometheus 3's: left-open ranges, 5
 * minutes of look-back, stale markers, extrapolating rates.
 *
 * Threads: one owner per query. Memory: trees and results lie in the arena that was given.
 * Source: Prometheus 3, "Querying".
 */
#ifndef WEIR_PROMQL_PROMQL_H
#define WEIR_PROMQL_PROMQL_H

#include "promql/ast.h"
#include "query/source.h"

/* Parses and checks. Borrows `text` (the tree has views into it). Errors: WEIR_EINVALID with line,
 * column and a hint; WEIR_ENOMEMORY. */
int weir_promql_parse(struct weir_arena *arena, struct weir_view text,
                      struct weir_promql_expr **ret, struct weir_error *reterr);
/* The canonical spelling: parsing it gives the same tree. ptr NULL when out of memory. */
struct weir_view weir_promql_print(struct weir_arena *arena, const struct weir_promql_expr *expr);
/* The same on several indented lines where it is long (/api/v1/format_query). */
struct weir_view weir_promql_format(struct weir_arena *arena, const struct weir_promql_expr *expr);

/* The matchers of one selector, as a source takes them; `matchers` is the heap's. */
struct weir_promql_matchers {
    struct weir_matcher *items;
    uint32_t count;
};
/* Compiles the selector's regular expressions. Borrows the tree. */
int weir_promql_matchers_new(const struct weir_promql_expr *selector,
                             struct weir_promql_matchers *ret, struct weir_error *reterr);
/* Frees what _new gave. Takes zeroed structs. */
void weir_promql_matchers_free(struct weir_promql_matchers *matchers);
/* WEIR_ELIMIT when a regular expression was given up, else 0. */
int weir_promql_matchers_check(const struct weir_promql_matchers *matchers,
                               struct weir_error *reterr);

struct weir_promql_options {
    int64_t start_ms, end_ms; /* an instant query has start = end and step 0 */
    int64_t step_ms;          /* > 0 for a range query; 0 = instant */
    int64_t lookback_ms;      /* 0 = 5 minutes */
    int64_t interval_ms;      /* step of subqueries that name none; 0 = 1 minute */
    uint64_t samples_max;     /* samples that selectors may give; 0 = 200 million (none is kept) */
    uint32_t steps_max;       /* of a range query; 0 = 11 000 */
    struct weir_view text;    /* the query as written, for positions in notes; may be empty */
};

struct weir_promql_series {
    const struct weir_label *labels; /* sorted by name */
    uint32_t labels_count, count;
    const int64_t *times_ms;
    const double *values;
};

struct weir_promql_note {
    bool info; /* else a warning */
    struct weir_view text;
};

struct weir_promql_result {
    enum weir_promql_type type;        /* of the answer; a range query gives MATRIX */
    struct weir_promql_series *series; /* SCALAR: one without labels; VECTOR: one sample each */
    uint32_t series_count;
    struct weir_view text; /* STRING */
    const struct weir_promql_note *notes;
    uint32_t notes_count;
};

/* Evaluates over the source; `query` gives arena, deadline, budget and counts. The result lies in
 * query->arena. Errors: WEIR_EINVALID (not a question of this kind), WEIR_ELIMIT (too many steps,
 * samples, bytes), WEIR_EUNSUPPORTED (a function that is not computed yet), WEIR_ETIMEOUT,
 * WEIR_ECANCELED, WEIR_ENOMEMORY, and the source's. */
int weir_promql_eval(struct weir_query *query, struct weir_source *source,
                     const struct weir_promql_expr *expr, const struct weir_promql_options *options,
                     struct weir_promql_result *ret, struct weir_error *reterr);

/* The plan as indented text, one operator a line, without running it. */
int weir_promql_explain(struct weir_arena *arena, const struct weir_promql_expr *expr,
                        const struct weir_promql_options *options, struct weir_view *ret,
                        struct weir_error *reterr);

#endif
