/* SPDX-License-Identifier: Apache-2.0 */
/* What a query needs before it can run: compiled expressions, a slot for each attribute it names,
 * the columns to read, the hints to the store.
 *
 * Threads: owner only. Memory: arena; the regular expressions are the plan's until
 * weir_traceql_plan_done.
 */
#ifndef WEIR_TRACEQL_PLAN_H
#define WEIR_TRACEQL_PLAN_H

#include "query/source.h"
#include "traceql/alias.h"
#include "traceql/ast.h"

enum {
    WEIR_TRACEQL_SLOTS_MAX = 64,
    WEIR_TRACEQL_COLUMNS_MAX = 400,
    WEIR_TRACEQL_PREDICATES_MAX = 8,
};

/* One attribute that the query names: the row's value is put under its number. */
struct weir_traceql_slot {
    enum weir_traceql_scope
        scope; /* ANY, SPAN, RESOURCE (PARENT reads its own ANY slot of the parent) */
    struct weir_view name;
    struct weir_traceql_aliases aliases;
    bool shown; /* part of the answer's attributes */
};

/* The fixed columns that may be needed. */
enum weir_traceql_fixed {
    WEIR_TRACEQL_FIXED_TIME,
    WEIR_TRACEQL_FIXED_TRACE_ID,
    WEIR_TRACEQL_FIXED_SPAN_ID,
    WEIR_TRACEQL_FIXED_PARENT,
    WEIR_TRACEQL_FIXED_NAME,
    WEIR_TRACEQL_FIXED_DURATION,
    WEIR_TRACEQL_FIXED_KIND,
    WEIR_TRACEQL_FIXED_STATUS,
    WEIR_TRACEQL_FIXED_STATUS_MESSAGE,
    WEIR_TRACEQL_FIXED_SCOPE_NAME,
    WEIR_TRACEQL_FIXED_SCOPE_VERSION,
    WEIR_TRACEQL_FIXED_EVENTS,
    WEIR_TRACEQL_FIXED_LINKS,
    WEIR_TRACEQL_FIXED_SERVICE, /* resource service.name, for whole traces */
    WEIR_TRACEQL_FIXED_COUNT,
};

struct weir_traceql_regex_list;

struct weir_traceql_plan {
    struct weir_arena *arena;
    const struct weir_traceql_query *query;
    struct weir_traceql_slot slots[WEIR_TRACEQL_SLOTS_MAX];
    uint32_t slots_count;
    bool needs[WEIR_TRACEQL_FIXED_COUNT]; /* by the filters */
    bool shows_status, shows_kind;        /* select(status), … */
    bool needs_trace;                     /* some field is known only with the whole trace */
    bool is_simple;          /* one filter decides span by span; stages only show or group */
    const char *unsupported; /* what a metrics query cannot evaluate, or NULL */
    struct weir_traceql_regex_list *regexes;
};

/* Which columns to ask for, and where they come back. */
struct weir_traceql_layout {
    struct weir_column columns[WEIR_TRACEQL_COLUMNS_MAX];
    uint32_t columns_count;
    int fixed[WEIR_TRACEQL_FIXED_COUNT]; /* place in `columns`, or -1 */
    /* Per slot: places of the span's names, then of the resource's; -1 ends. */
    int16_t slots[WEIR_TRACEQL_SLOTS_MAX][2 * WEIR_TRACEQL_ALIASES_MAX + 1];
};

/* Errors: WEIR_EUNSUPPORTED for what parses and is not evaluated; WEIR_EINVALID over a limit. */
int weir_traceql_plan_init(struct weir_traceql_plan *plan, struct weir_traceql_query *query,
                           struct weir_arena *arena, struct weir_error *reterr);
void weir_traceql_plan_done(struct weir_traceql_plan *plan);
/* WEIR_ELIMIT when a regular expression gave up. Once per block. */
int weir_traceql_plan_check(const struct weir_traceql_plan *plan, struct weir_error *reterr);
/* `whole`: everything that a whole trace needs; else only what the filters look at. */
void weir_traceql_layout_init(struct weir_traceql_layout *layout,
                              const struct weir_traceql_plan *plan, bool whole);
/* Hints that every span of a single filter satisfies; gives their number. */
uint32_t weir_traceql_plan_predicates(const struct weir_traceql_plan *plan,
                                      struct weir_predicate *ret);

#endif
