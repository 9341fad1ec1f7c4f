/* SPDX-License-Identifier: Apache-2.0 */
/* The operators of a running query; inside of src/promql only.
 *
 *     node ── next() ──▶ row: the labels of one series, and its value at each step of the grid
 *
 * A step without a value holds the stale marker, which is never a value of its own. Every node has
 * its own grid (a subquery's differs from the query's). Nodes that only map rows stream; those that
 * must see all rows (binary operators, topk, sort) keep them in the query's arena.
 *
 * Threads: one owner. Memory: nodes in the arena; rows are borrowed until the next call on their
 * node.
 */
#ifndef WEIR_PROMQL_EVAL_H
#define WEIR_PROMQL_EVAL_H

#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "promql/functions.h"
#include "promql/promql.h"

struct weir_promql_grid {
    int64_t start_ms, step_ms;
    uint32_t count; /* steps, ≥ 1 unless a subquery covers none */
};

struct weir_promql_row {
    const struct weir_label *labels; /* sorted by name */
    uint32_t labels_count;
    double *values; /* one a step; the consumer may overwrite them */
};

struct weir_promql_run;

struct weir_promql_node {
    const char *name;        /* for the plan's text */
    struct weir_view detail; /* the same; may be empty */
    struct weir_promql_run *run;
    struct weir_promql_grid grid;
    struct weir_promql_node *inputs[2 + WEIR_PROMQL_ARGS_MAX];
    uint32_t inputs_count;
    bool one_name;  /* no two rows differ in __name__ only */
    bool started;   /* next was called */
    double *values; /* the node's own row of values */
    /* 0 and a row, WEIR_END, or an error told in run->reterr. */
    int (*next)(struct weir_promql_node *node, struct weir_promql_row *ret);
    void (*close)(struct weir_promql_node *node); /* may be NULL */
    struct weir_promql_node *older;               /* list of all nodes */
};

struct weir_promql_run {
    struct weir_query *query;
    struct weir_arena *arena; /* query->arena, or the explainer's */
    struct weir_source *source;
    struct weir_promql_options options;
    struct weir_error *reterr;
    struct weir_promql_node *nodes; /* newest first */
    uint64_t samples_count;
    struct weir_promql_note *notes;
    uint32_t notes_count, notes_room;
};

/* What a window slides over: one series' samples. */
struct weir_promql_samples {
    const struct weir_label *labels;
    uint32_t labels_count, count;
    const int64_t *times_ms;
    const double *values; /* no stale markers */
};

/* ---- values ---- */

#define WEIR_PROMQL_STALE_BITS UINT64_C(0x7ff0000000000002)

static inline double weir_promql_absent(void) {
    uint64_t bits = WEIR_PROMQL_STALE_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline bool weir_promql_is_absent(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == WEIR_PROMQL_STALE_BITS;
}
static inline int64_t weir_promql_grid_at(const struct weir_promql_grid *grid, uint32_t step) {
    return grid->start_ms + (int64_t)step * grid->step_ms;
}
static inline int64_t weir_promql_grid_end(const struct weir_promql_grid *grid) {
    return grid->count ? weir_promql_grid_at(grid, grid->count - 1) : grid->start_ms;
}
/* Fills with absence. */
void weir_promql_values_clear(double *values, uint32_t count);
bool weir_promql_values_any(const double *values, uint32_t count);

/* ---- labels (labels.c) ---- */

struct weir_view weir_promql_labels_get(const struct weir_label *labels, uint32_t count,
                                        struct weir_view name);
/* Deep copy into the arena; NULL when out of memory. */
struct weir_label *weir_promql_labels_copy(struct weir_arena *arena,
                                           const struct weir_label *labels, uint32_t count);
/* Without the given name; in place of a copy gives a run of `labels` where it can. `scratch` has
 * room for count labels. */
const struct weir_label *weir_promql_labels_drop(const struct weir_label *labels, uint32_t *count,
                                                 struct weir_view name, struct weir_label *scratch);
/* A sorted set with `name` set to `value` (removed when empty): into `out`, room for count + 1. */
uint32_t weir_promql_labels_set(const struct weir_label *labels, uint32_t count,
                                struct weir_view name, struct weir_view value,
                                struct weir_label *out);
int weir_promql_labels_cmp(const struct weir_label *a, uint32_t a_count, const struct weir_label *b,
                           uint32_t b_count);
/* The bytes that tell label sets apart. Appends to `key`. Only `names` when `keep`, else all but
 * `names`; never __name__ unless it is kept by name or `with_name`. */
void weir_promql_labels_key(const struct weir_label *labels, uint32_t count,
                            const struct weir_promql_names *names, bool keep, bool with_name,
                            struct weir_buf *key);
/* {a="b", c="d"} for messages, cut at `size`. */
const char *weir_promql_labels_text(const struct weir_label *labels, uint32_t count, char *buf,
                                    size_t size);
enum { WEIR_PROMQL_KEY_LEN_MAX = 1 << 20 };

/* ---- nodes ---- */

/* A zeroed node of `size` bytes with its row of values; NULL when out of memory (told). */
void *weir_promql_node_new(struct weir_promql_run *run, size_t size, const char *name,
                           struct weir_promql_grid grid,
                           int (*next)(struct weir_promql_node *, struct weir_promql_row *));
void weir_promql_tell_no_memory(struct weir_promql_run *run);
static inline int weir_promql_no_memory(struct weir_promql_run *run) {
    weir_promql_tell_no_memory(run);
    return WEIR_ENOMEMORY;
}
/* Adds a warning or info once; silently full past 10. */
void weir_promql_note_add(struct weir_promql_run *run, bool info, struct weir_view text);
/* The one row of a scalar node, copied to `values`. */
int weir_promql_scalar_read(struct weir_promql_node *scalar, double *values);
/* Reads all inputs from `first` on as scalars: *ret[i] is a row of values each. */
int weir_promql_scalars_read(struct weir_promql_node *node, uint32_t first, double **ret);

/* Rows kept by labels, each labels once; steps of equal labels flow together. */
struct weir_promql_kept {
    struct weir_map map; /* key → index into rows */
    struct weir_promql_row *rows;
    uint32_t rows_count, rows_room;
    struct weir_buf key; /* scratch */
};
void weir_promql_kept_init(struct weir_promql_kept *kept);
void weir_promql_kept_done(struct weir_promql_kept *kept);
/* The kept row with these labels (copied), made with absent values if new. */
int weir_promql_kept_get(struct weir_promql_kept *kept, struct weir_promql_node *node,
                         const struct weir_label *labels, uint32_t labels_count,
                         struct weir_promql_row **ret);
/* Adds a row's values; two values at one step are an error ("same labelset"). */
int weir_promql_kept_add(struct weir_promql_kept *kept, struct weir_promql_node *node,
                         const struct weir_promql_row *row);

/* Builders, one file each; inputs are nodes already made. NULL when it failed (told). */
struct weir_promql_node *weir_promql_select_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid,
                                                const struct weir_promql_expr *selector,
                                                bool timestamps);
/* `subquery`: the inner node, or NULL for a plain range. Scalar inputs are added by the caller. */
struct weir_promql_node *weir_promql_window_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid,
                                                const struct weir_promql_function *function,
                                                const struct weir_promql_expr *range,
                                                struct weir_promql_node *subquery);
/* The next series of a window's input; for queries whose answer is a range vector. */
int weir_promql_window_samples(struct weir_promql_node *window, struct weir_promql_samples *ret);
/* The grid on which a subquery's operand is evaluated. */
struct weir_promql_grid weir_promql_subquery_grid(const struct weir_promql_run *run,
                                                  const struct weir_promql_expr *subquery,
                                                  struct weir_promql_grid outer);
/* The time that a modified selector or subquery looks at, at `time_ms`. */
int64_t weir_promql_time_of(const struct weir_promql_run *run, const struct weir_promql_expr *expr,
                            int64_t time_ms);

struct weir_promql_node *weir_promql_call_new(struct weir_promql_run *run,
                                              struct weir_promql_grid grid,
                                              const struct weir_promql_expr *call,
                                              struct weir_promql_node *vector);
struct weir_promql_node *weir_promql_number_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid, double number);
struct weir_promql_node *weir_promql_merge_new(struct weir_promql_node *input);
struct weir_promql_node *weir_promql_aggregate_new(struct weir_promql_run *run,
                                                   struct weir_promql_grid grid,
                                                   const struct weir_promql_expr *expr,
                                                   struct weir_promql_node *vector,
                                                   struct weir_promql_node *param);
struct weir_promql_node *weir_promql_binary_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid,
                                                const struct weir_promql_expr *expr,
                                                struct weir_promql_node *left,
                                                struct weir_promql_node *right);

/* Expression to nodes (plan.c). */
struct weir_promql_node *weir_promql_plan(struct weir_promql_run *run, struct weir_promql_grid grid,
                                          const struct weir_promql_expr *expr);

#endif
