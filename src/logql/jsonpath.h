/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of `| json name="request.headers[\"User-Agent\"][0]"`.
 *
 * Threads: immutable after parse. Memory: arena.
 */
#ifndef WEIR_LOGQL_JSONPATH_H
#define WEIR_LOGQL_JSONPATH_H

#include "base/arena.h"
#include "base/error.h"

struct weir_logql_path_step {
    struct weir_view key; /* of an object; ptr NULL: of an array */
    uint64_t index;
};

struct weir_logql_path {
    struct weir_logql_path_step *steps;
    uint32_t steps_count;
};

/* Errors: WEIR_EINVALID with the position in the path. */
int weir_logql_path_parse(struct weir_view text, struct weir_arena *arena,
                          struct weir_logql_path *ret, struct weir_error *reterr);

#endif
