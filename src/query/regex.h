/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions for all query languages: the RE2 dialect that Prometheus, Loki and Tempo
 * document, run by PCRE2.
 *
 * A pattern is first checked against the dialect: look-around, back-references, possessive and
 * atomic groups, recursion, conditionals, verbs, call-outs, \K and friends are refused with a
 * position, so that nobody leans on what another engine would not do. Then it is compiled (JIT
 * where possible). A match that would take too long ends with WEIR_ELIMIT instead of the server's
 * time.
 *
 * Differences to RE2 that remain: none in which texts match, but \s also takes a vertical tab.
 *
 * Threads: one owner at a time (a regex holds its own scratch memory). Memory: heap.
 * Source: RE2 syntax page; pcre2api(3), 10.42.
 */
#ifndef WEIR_QUERY_REGEX_H
#define WEIR_QUERY_REGEX_H

#include "base/error.h"
#include "base/view.h"

struct weir_regex;

enum weir_regex_flags {
    WEIR_REGEX_SEARCH = 0,   /* matches anywhere in the text: line filters, the `regexp` parser */
    WEIR_REGEX_ANCHORED = 1, /* matches the whole text, `.` takes newlines: label matchers */
};

enum {
    WEIR_REGEX_PATTERN_MAX = 16384, /* bytes of a pattern */
    WEIR_REGEX_CAPTURES_MAX = 64,   /* groups that weir_regex_captures() can give */
};

/* Checks and compiles. Errors: WEIR_EINVALID (column = byte in the pattern, 1-based),
 * WEIR_EUNSUPPORTED is never given: a refused construct is WEIR_EINVALID too; WEIR_ENOMEMORY. */
int weir_regex_new(struct weir_view pattern, unsigned flags, struct weir_regex **ret,
                   struct weir_error *reterr);
/* Takes NULL. */
void weir_regex_free(struct weir_regex *regex);

/* 1 match, 0 none, WEIR_ELIMIT "regex too complex". */
int weir_regex_match(const struct weir_regex *regex, struct weir_view text);
/* The same in the shape of weir_predicate.match and weir_matcher.match; a match that was given up
 * counts as none and is remembered for weir_regex_check(). */
bool weir_regex_is_match(const void *regex, struct weir_view text);
/* 0, or WEIR_ELIMIT with words if any match so far was given up. Ask it once per block. */
int weir_regex_check(const struct weir_regex *regex, struct weir_error *reterr);

/* Groups in the pattern, without group 0. */
unsigned weir_regex_groups_count(const struct weir_regex *regex);
/* The name of group `index` (1-based), or the empty view. Borrowed from the regex. */
struct weir_view weir_regex_group_name(const struct weir_regex *regex, unsigned index);
/* Like weir_regex_match; on 1, groups 0 … count-1 stand in `ret` as views into `text` (ptr NULL
 * where a group did not take part). count ≤ WEIR_REGEX_CAPTURES_MAX. */
int weir_regex_captures(const struct weir_regex *regex, struct weir_view text,
                        struct weir_view *ret, unsigned count);

/* Only the dialect check, nothing compiled: for parsers and their fuzzers. */
int weir_regex_validate(struct weir_view pattern, struct weir_error *reterr);

#endif
