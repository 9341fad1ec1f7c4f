/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of SQL: just enough to tell values from names.
 *
 * Threads: owner only. Memory: tokens borrow from the text.
 */
#ifndef WEIR_SQL_LEX_H
#define WEIR_SQL_LEX_H

#include "sql/sql.h"

enum weir_sql_token_type {
    WEIR_SQL_END,
    WEIR_SQL_WORD,    /* keyword or name */
    WEIR_SQL_QUOTED,  /* "name", [name], `name` */
    WEIR_SQL_LITERAL, /* string or number; whatever does not end */
    WEIR_SQL_PARAM,   /* $1, ?, ?1, :name, @name */
    WEIR_SQL_PUNCT    /* one byte */
};

struct weir_sql_token {
    enum weir_sql_token_type type;
    struct weir_view text;
    bool spaced; /* blanks or comments stand before it */
};

struct weir_sql_lexer {
    struct weir_view text;
    size_t at;
    enum weir_sql_dialect dialect;
};

struct weir_sql_token weir_sql_next(struct weir_sql_lexer *lexer);
/* The next byte that is no blank, 0 at the end; comments are not skipped. */
char weir_sql_peek(const struct weir_sql_lexer *lexer);

#endif
