/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the lines of one log pipeline: asks the source for blocks, keeps the lines that the
 * selector and the stages accept, and hands each to a visitor.
 *
 * Selector and resource labels are worked out once per distinct resource of a block.
 *
 * Threads: owner only. Memory: an entry lives until the visitor returns.
 */
#ifndef WEIR_LOGQL_SCAN_H
#define WEIR_LOGQL_SCAN_H

#include "logql/plan.h"
#include "logql/stages.h"

/* False ends the scan. */
typedef bool weir_logql_visit(void *arg, struct weir_logql_entry *entry);
/* Called behind each block: false ends the scan, e.g. because nothing older can matter. */
typedef bool weir_logql_visit_bound(void *arg, int64_t bound_ns);

struct weir_logql_reader {
    struct weir_source *source;
    struct weir_query *query;
    const struct weir_logql_plan *plan;
    const struct weir_logql_scan *scan;
    int64_t from_ns, until_ns; /* from ≤ time < until */
    bool newest_first;         /* of blocks; inside a block the order follows too */
    weir_logql_visit *visit;
    weir_logql_visit_bound *bound; /* or NULL */
    void *arg;
};

int weir_logql_read(const struct weir_logql_reader *reader, struct weir_error *reterr);
/* Lines of one block that came by other ways (live tail); oldest first. `block` has scan->columns.
 */
int weir_logql_read_block(const struct weir_logql_reader *reader, const struct weir_block *block,
                          struct weir_error *reterr);

#endif
