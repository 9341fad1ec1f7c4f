/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement does, and to what: "INSERT shipping_details SELECT orders".
 *
 * A small machine on tokens, not a grammar: it knows the words that begin an operation and those
 * that come before a table. What it does not know it leaves out.
 *
 * Threads: owner only. Memory: values; no allocation.
 */
#ifndef WEIR_SQL_SUMMARY_H
#define WEIR_SQL_SUMMARY_H

#include "sql/lex.h"
#include "sql/sql.h"

enum { WEIR_SQL_LEVELS_MAX = 32, WEIR_SQL_NAME_MAX = 130 };

struct weir_sql_summary {
    char text[WEIR_SQL_SUMMARY_MAX + 1]; /* NUL-terminated */
    size_t size;
    bool full;
    /* of the present statement */
    int first;       /* keyword of its first operation; 0: none yet */
    int last;        /* keyword of the token before, 0: a name or something else */
    char last_punct; /* the token before, if it is one byte; else 0 */
    bool begun;      /* there was a token */
    bool with;       /* it began with WITH */
    bool assigns;    /* SET was seen: what follows = or TO is a value */
    bool is_value;   /* between such a word and the next comma or parenthesis */
    bool named;      /* CREATE, ALTER, DROP: the kind of object was told */
    uint32_t depth;  /* parentheses */
    uint32_t blocks; /* BEGIN … END in the body of a trigger or function */
    struct weir_sql_level {
        int operation; /* its keyword; 0: parentheses of something else */
        bool is_list;  /* a comma leads to one more table */
    } levels[WEIR_SQL_LEVELS_MAX];
    /* the name that is being read */
    enum { WEIR_SQL_NAME_NONE, WEIR_SQL_NAME_AWAITED, WEIR_SQL_NAME_READ, WEIR_SQL_NAME_DOT } name;
    bool may_be_call; /* name( is a function, no table */
    bool in_columns;  /* INSERT INTO name (…: a quoted word is a column here */
    char name_text[WEIR_SQL_NAME_MAX];
    size_t name_size;
};

/* Zeroed memory is a fresh one. Takes one token; gives true when it stands for a value (what SET
 * and PRAGMA assign). */
bool weir_sql_summary_take(struct weir_sql_summary *summary, const struct weir_sql_token *token);
/* True when a "word" can only be a name here. */
bool weir_sql_summary_awaits_name(const struct weir_sql_summary *summary);
/* True when a semicolon ends the statement here. */
bool weir_sql_summary_may_end(const struct weir_sql_summary *summary);
/* The statement ended: its text is whole. */
void weir_sql_summary_end(struct weir_sql_summary *summary);

#endif
