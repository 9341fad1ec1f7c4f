/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect check behind regex.h: private to src/query. */
#ifndef WEIR_QUERY_REGEX_CHECK_H
#define WEIR_QUERY_REGEX_CHECK_H

#include "base/buf.h"
#include "base/error.h"

/* Walks the pattern once. Adds to `out` what PCRE2 shall read for it, and to `literal` the longest
 * run of bytes that every match must contain (empty = unknown). `*ret_is_literal`: the pattern is
 * plain text, equal to `literal`. Errors: WEIR_EINVALID with the column. */
int weir_regex_rewrite(struct weir_view pattern, struct weir_buf *out, struct weir_buf *literal,
                       bool *ret_is_literal, struct weir_error *reterr);

#endif
