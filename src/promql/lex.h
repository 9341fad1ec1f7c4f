/* SPDX-License-Identifier: Apache-2.0 */
/* PromQL text to tokens. Keywords are plain words here: whether `by` is a keyword or a metric's
 * name only the parser knows.
 *
 * Threads: owner only. Memory: tokens are views into the text; decoded strings go to the arena.
 * Source: Prometheus 3, "Querying basics".
 */
#ifndef WEIR_PROMQL_LEX_H
#define WEIR_PROMQL_LEX_H

#include "base/arena.h"
#include "base/error.h"

enum weir_promql_token_kind {
    WEIR_PROMQL_TOKEN_END,
    WEIR_PROMQL_TOKEN_WORD,     /* identifier or keyword; may hold ':' */
    WEIR_PROMQL_TOKEN_NUMBER,   /* `number` is set */
    WEIR_PROMQL_TOKEN_DURATION, /* `number` is set, in seconds; `ms` in milliseconds */
    WEIR_PROMQL_TOKEN_STRING,   /* `str` is set, escapes resolved */
    WEIR_PROMQL_TOKEN_SYMBOL,   /* `text` is one of ( ) { } [ ] , : @ + - * / % ^ = == != ... */
};

struct weir_promql_token {
    enum weir_promql_token_kind kind;
    struct weir_view text; /* as written */
    size_t at;             /* byte offset of `text` in the query */
    double number;
    int64_t ms;
    struct weir_view str;
};

struct weir_promql_lex {
    struct weir_view input;
    size_t at; /* next byte */
    struct weir_arena *arena;
};

/* Reads the next token. 0, WEIR_EINVALID with line and column, or WEIR_ENOMEMORY. */
int weir_promql_lex_next(struct weir_promql_lex *lex, struct weir_promql_token *ret,
                         struct weir_error *reterr);

/* Fills *reterr with the 1-based line and column of byte `at` in `input`; returns WEIR_EINVALID. */
int weir_promql_error_at(struct weir_error *reterr, struct weir_view input, size_t at,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A duration as PromQL spells it ("1h30m", units y w d h m s ms, each once, descending), in ms. */
bool weir_promql_to_duration_ms(struct weir_view text, int64_t *ret);
/* [a-zA-Z_][a-zA-Z0-9_]*, the label names that need no quotes. */
bool weir_promql_is_label_name(struct weir_view name);
/* As label names, but ':' is allowed: metric names that need no quotes. */
bool weir_promql_is_metric_name(struct weir_view name);

#endif
