/* SPDX-License-Identifier: Apache-2.0 */
/* LogQL's words: names, strings, numbers with their units, and the signs.
 *
 * Threads: owner only. Memory: decoded strings go to the arena, the rest are views into the query.
 */
#ifndef WEIR_LOGQL_LEX_H
#define WEIR_LOGQL_LEX_H

#include "base/arena.h"
#include "base/error.h"

/* Signs of one character are their own code: '{' '}' '(' ')' '[' ']' ',' '|' '+' '-' '*' '/' '%'
 * '^'
 * '=' '>' '<'. */
enum weir_logql_token_kind {
    WEIR_LOGQL_TOKEN_END = 0,
    WEIR_LOGQL_TOKEN_NAME = 256,
    WEIR_LOGQL_TOKEN_STRING,
    WEIR_LOGQL_TOKEN_NUMBER,
    WEIR_LOGQL_TOKEN_DURATION,
    WEIR_LOGQL_TOKEN_BYTES,
    WEIR_LOGQL_TOKEN_FLAG,     /* --strict */
    WEIR_LOGQL_TOKEN_PIPE_EQ,  /* |= */
    WEIR_LOGQL_TOKEN_PIPE_RE,  /* |~ */
    WEIR_LOGQL_TOKEN_PIPE_PAT, /* |> */
    WEIR_LOGQL_TOKEN_NE,       /* != */
    WEIR_LOGQL_TOKEN_NRE,      /* !~ */
    WEIR_LOGQL_TOKEN_NPAT,     /* !> */
    WEIR_LOGQL_TOKEN_RE,       /* =~ */
    WEIR_LOGQL_TOKEN_EQ_EQ,    /* == */
    WEIR_LOGQL_TOKEN_GE,
    WEIR_LOGQL_TOKEN_LE,
};

struct weir_logql_token {
    int kind;
    uint32_t at;           /* byte in the query */
    struct weir_view text; /* as written */
    struct weir_view str;  /* STRING: decoded */
    double number;         /* NUMBER; DURATION in seconds; BYTES in bytes */
    int64_t duration_ns;   /* DURATION */
};

struct weir_logql_lex {
    struct weir_view input;
    size_t at;
    struct weir_arena *arena;
};

/* Reads the next word. Errors: WEIR_EINVALID with line and column. */
int weir_logql_lex_next(struct weir_logql_lex *lex, struct weir_logql_token *ret,
                        struct weir_error *reterr);
/* Fills *reterr with "parse error at line L, col C: …" for a byte of the query. */
int weir_logql_error_at(struct weir_view query, size_t at, struct weir_error *reterr,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "10MB", "5 KiB", "7b" in bytes; units in any case, decimal unless they have an i. */
bool weir_logql_to_bytes(struct weir_view text, double *ret);

#endif
