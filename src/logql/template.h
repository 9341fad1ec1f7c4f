/* SPDX-License-Identifier: Apache-2.0 */
/* The templates of line_format and label_format: plain text with {{.label}} in it.
 *
 * The supported part of Go's templates: {{.name}}, {{__line__}}, {{__timestamp__}} (RFC 3339), each
 * with `| ToUpper` or `| ToLower` (also upper, lower) behind. All else is an error that says so.
 *
 * Threads: immutable after parse. Memory: arena; texts are views into the query.
 */
#ifndef WEIR_LOGQL_TEMPLATE_H
#define WEIR_LOGQL_TEMPLATE_H

#include "base/arena.h"
#include "base/error.h"

enum weir_logql_template_part_kind {
    WEIR_LOGQL_TEMPLATE_TEXT,
    WEIR_LOGQL_TEMPLATE_LABEL,
    WEIR_LOGQL_TEMPLATE_LINE,
    WEIR_LOGQL_TEMPLATE_TIMESTAMP,
};

struct weir_logql_template_part {
    enum weir_logql_template_part_kind kind;
    struct weir_view text; /* TEXT: itself; LABEL: the name */
    bool upper, lower;
};

struct weir_logql_template {
    struct weir_logql_template_part *parts;
    uint32_t parts_count;
};

/* Errors: WEIR_EINVALID that names the part that is not supported. */
int weir_logql_template_parse(struct weir_view text, struct weir_arena *arena,
                              struct weir_logql_template **ret, struct weir_error *reterr);

#endif
