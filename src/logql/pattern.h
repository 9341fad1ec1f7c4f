/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns such as `<ip> - <_> "<method> <path>"`: plain text with captures between.
 *
 * Threads: immutable after parse. Memory: arena; captures are views into the line.
 */
#ifndef WEIR_LOGQL_PATTERN_H
#define WEIR_LOGQL_PATTERN_H

#include "base/arena.h"
#include "base/error.h"

enum { WEIR_LOGQL_PATTERN_PIECES_MAX = 128 };

struct weir_logql_piece {
    struct weir_view text; /* literal, or the capture's name ("_" or "" = not kept) */
    bool is_capture;
};

struct weir_logql_pattern {
    struct weir_logql_piece *pieces;
    uint32_t pieces_count;
};

/* `wants_names`: at least one capture must have a name (the `pattern` parser); else (line filters)
 * none may. Two captures side by side are refused: nothing says where one ends. */
int weir_logql_pattern_parse(struct weir_view text, bool wants_names, struct weir_arena *arena,
                             struct weir_logql_pattern **ret, struct weir_error *reterr);
/* Reads the line from left to right; `captures[i]` gets piece i's text where it is a capture that
 * was found (ptr NULL otherwise). False when not even the first literal matched. */
bool weir_logql_pattern_extract(const struct weir_logql_pattern *pattern, struct weir_view line,
                                struct weir_view *captures);
/* The whole line has the pattern's shape. */
bool weir_logql_pattern_match(const struct weir_logql_pattern *pattern, struct weir_view line);

#endif
