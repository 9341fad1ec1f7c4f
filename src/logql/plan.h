/* SPDX-License-Identifier: Apache-2.0 */
/* What a query needs before it can run: compiled expressions, the columns to read, the hints to the
 * store, and a word about everything that parses but is not evaluated.
 *
 * Threads: owner only. Memory: arena; the regular expressions are the plan's until
 * weir_logql_plan_done.
 */
#ifndef WEIR_LOGQL_PLAN_H
#define WEIR_LOGQL_PLAN_H

#include "logql/ast.h"
#include "query/source.h"

enum weir_logql_column {
    WEIR_LOGQL_COLUMN_TIME,
    WEIR_LOGQL_COLUMN_RESOURCE,
    WEIR_LOGQL_COLUMN_BODY,
    WEIR_LOGQL_COLUMN_ATTRS,
    WEIR_LOGQL_COLUMN_TRACE_ID,
    WEIR_LOGQL_COLUMN_SPAN_ID,
    WEIR_LOGQL_COLUMN_SEVERITY_NUMBER,
    WEIR_LOGQL_COLUMN_SEVERITY_TEXT,
    WEIR_LOGQL_COLUMN_SCOPE_NAME,
    WEIR_LOGQL_COLUMN_SCOPE_VERSION,
    WEIR_LOGQL_COLUMN_EVENT_NAME,
    WEIR_LOGQL_COLUMNS_COUNT,
};

enum { WEIR_LOGQL_PREDICATES_MAX = 16 };

/* How one log pipeline is read. */
struct weir_logql_scan {
    const struct weir_logql_log *log;
    struct weir_column columns[WEIR_LOGQL_COLUMNS_COUNT];
    uint32_t columns_count;
    int index[WEIR_LOGQL_COLUMNS_COUNT]; /* place in `columns`, or -1: not needed */
    struct weir_predicate predicates[WEIR_LOGQL_PREDICATES_MAX];
    uint32_t predicates_count;
    uint8_t ids[24]; /* storage of the id predicates: trace, span */
};

struct weir_logql_regex_list;

struct weir_logql_plan {
    struct weir_arena *arena;
    struct weir_logql_regex_list
        *regexes; /* all of them, to free and to ask whether they gave up */
};

/* Compiles everything in the tree in place. Errors: WEIR_EINVALID (cannot be after a check),
 * WEIR_EUNSUPPORTED "… is not evaluated" for what only parses. */
int weir_logql_plan_init(struct weir_logql_plan *plan, struct weir_view text,
                         struct weir_logql_expr *expr, struct weir_arena *arena,
                         struct weir_error *reterr);
void weir_logql_plan_done(struct weir_logql_plan *plan);
/* WEIR_ELIMIT when a regular expression gave up on some line. Once per block. */
int weir_logql_plan_check(const struct weir_logql_plan *plan, struct weir_error *reterr);

/* Columns and hints for a pipeline whose answer shows the labels `names` only (NULL: all of them).
 */
void weir_logql_scan_init(struct weir_logql_scan *scan, const struct weir_logql_log *log,
                          const struct weir_logql_grouping *by, bool needs_bytes);

#endif
