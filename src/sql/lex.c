/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/lex.h"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_word(char c) {
    return is_word_start(c) || is_digit(c) || c == '$';
}

static bool is_blank(char c) { /* control characters too */
    return (unsigned char)c <= ' ' || c == 0x7f;
}

/* The byte `ahead` of the present one; 0 past the end. */
static char look(const struct weir_sql_lexer *lexer, size_t ahead) {
    size_t at = lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.ptr[at] : 0;
}

static bool at_end(const struct weir_sql_lexer *lexer) {
    return lexer->at >= lexer->text.len;
}

char weir_sql_peek(const struct weir_sql_lexer *lexer) {
    size_t at = lexer->at;
    while (at < lexer->text.len && is_blank(lexer->text.ptr[at])) at++;
    return at < lexer->text.len ? lexer->text.ptr[at] : 0;
}

/* ── blanks and comments ─────────────────────────────────────────────────────────────────────── */

static void skip_line(struct weir_sql_lexer *lexer) {
    while (!at_end(lexer) && look(lexer, 0) != '\n') lexer->at++;
}

static void skip_block(struct weir_sql_lexer *lexer) {
    size_t depth = 1;
    lexer->at += 2;
    while (!at_end(lexer) && depth) {
        if (look(lexer, 0) == '*' && look(lexer, 1) == '/') {
            depth--;
            lexer->at += 2;
        } else if (look(lexer, 0) == '/' && look(lexer, 1) == '*' &&
                   lexer->dialect != WEIR_SQL_SQLITE) { /* PostgreSQL nests them */
            depth++;
            lexer->at += 2;
        } else {
            lexer->at++;
        }
    }
}

static bool skip_blanks(struct weir_sql_lexer *lexer) {
    size_t from = lexer->at;
    while (!at_end(lexer)) {
        if (is_blank(look(lexer, 0)))
            lexer->at++;
        else if (look(lexer, 0) == '-' && look(lexer, 1) == '-')
            skip_line(lexer);
        else if (look(lexer, 0) == '/' && look(lexer, 1) == '*')
            skip_block(lexer);
        else
            break;
    }
    return lexer->at > from;
}

/* ── quotes ──────────────────────────────────────────────────────────────────────────────────── */

/* Past a quoted run whose opening quote is at `at`; a doubled quote stands for itself. False: it
 * does not end. */
static bool skip_quoted(struct weir_sql_lexer *lexer, char quote, bool backslash) {
    for (lexer->at++; !at_end(lexer); lexer->at++) {
        char c = look(lexer, 0);
        if (c == '\\' && backslash) {
            lexer->at++;
        } else if (c == quote) {
            if (look(lexer, 1) != quote || lexer->at + 1 >= lexer->text.len)
                return lexer->at++, true;
            lexer->at++;
        }
    }
    lexer->at = lexer->text.len;
    return false;
}

/* PostgreSQL goes on with a string after blanks that hold a line break: 'a' \n 'b'. */
static bool continues(struct weir_sql_lexer *lexer) {
    size_t from = lexer->at;
    bool broken = false;
    while (!at_end(lexer)) {
        char c = look(lexer, 0);
        if (c == '-' && look(lexer, 1) == '-') {
            skip_line(lexer);
            continue;
        }
        if (!is_blank(c)) break;
        broken |= c == '\n' || c == '\r';
        lexer->at++;
    }
    if (broken && look(lexer, 0) == '\'') return true;
    lexer->at = from;
    return false;
}

static enum weir_sql_token_type string(struct weir_sql_lexer *lexer, bool backslash) {
    bool ended = skip_quoted(lexer, '\'', backslash);
    while (ended && lexer->dialect != WEIR_SQL_SQLITE && continues(lexer))
        ended = skip_quoted(lexer, '\'', backslash);
    return WEIR_SQL_LITERAL;
}

static enum weir_sql_token_type name(struct weir_sql_lexer *lexer, char quote) {
    return skip_quoted(lexer, quote, false) ? WEIR_SQL_QUOTED : WEIR_SQL_LITERAL;
}

/* $tag$ … $tag$, with `at` on the first dollar; false, and nothing skipped, if it is none. */
static bool dollar_string(struct weir_sql_lexer *lexer) {
    size_t size = 1;
    if (is_digit(look(lexer, 1))) return false;
    while (is_word(look(lexer, size)) && look(lexer, size) != '$') size++;
    if (look(lexer, size) != '$') return false;
    struct weir_view tag = weir_view(lexer->text.ptr + lexer->at, size + 1);
    lexer->at += tag.len;
    size_t end = weir_view_find(weir_view_from(lexer->text, lexer->at), tag);
    lexer->at = end == SIZE_MAX ? lexer->text.len : lexer->at + end + tag.len;
    return true;
}

/* ── the rest ────────────────────────────────────────────────────────────────────────────────── */

static enum weir_sql_token_type number(struct weir_sql_lexer *lexer) {
    bool is_hex = look(lexer, 0) == '0' && (look(lexer, 1) | 0x20) == 'x';
    while (is_word(look(lexer, 0)) || look(lexer, 0) == '.') {
        bool exponent = (look(lexer, 0) | 0x20) == 'e' && !is_hex;
        lexer->at++;
        if (exponent && (look(lexer, 0) == '+' || look(lexer, 0) == '-') &&
            is_digit(look(lexer, 1)))
            lexer->at++;
    }
    return WEIR_SQL_LITERAL;
}

static void skip_word(struct weir_sql_lexer *lexer) {
    while (is_word(look(lexer, 0))) lexer->at++;
}

/* A word, or a string or name with a prefix: E'', B'', X'', N'', U&'', U&"". */
static enum weir_sql_token_type word(struct weir_sql_lexer *lexer) {
    char c = (char)(look(lexer, 0) | 0x20);
    bool is_sqlite = lexer->dialect == WEIR_SQL_SQLITE;
    if (look(lexer, 1) == '\'' &&
        (c == 'x' || (!is_sqlite && (c == 'e' || c == 'b' || c == 'n')))) {
        lexer->at++;
        return string(lexer,
                      c == 'e' || (c == 'n' && lexer->dialect == WEIR_SQL_POSTGRES_BACKSLASH));
    }
    if (c == 'u' && !is_sqlite && look(lexer, 1) == '&' &&
        (look(lexer, 2) == '\'' || look(lexer, 2) == '"')) {
        lexer->at += 2;
        return look(lexer, 0) == '"' ? name(lexer, '"') : string(lexer, false);
    }
    skip_word(lexer);
    return WEIR_SQL_WORD;
}

static enum weir_sql_token_type sqlite_special(struct weir_sql_lexer *lexer) {
    char c = look(lexer, 0);
    if (c == '`') return name(lexer, c);
    if (c == '[') {
        while (!at_end(lexer) && look(lexer, 0) != ']') lexer->at++;
        if (at_end(lexer)) return WEIR_SQL_LITERAL;
        lexer->at++;
        return WEIR_SQL_QUOTED;
    }
    lexer->at++;
    if (c == '?') {
        while (is_digit(look(lexer, 0))) lexer->at++;
        return WEIR_SQL_PARAM;
    }
    if ((c == ':' || c == '@' || c == '$') && is_word(look(lexer, 0))) {
        skip_word(lexer);
        return WEIR_SQL_PARAM;
    }
    return WEIR_SQL_PUNCT;
}

static enum weir_sql_token_type postgres_special(struct weir_sql_lexer *lexer) {
    if (look(lexer, 0) == '$' && dollar_string(lexer)) return WEIR_SQL_LITERAL;
    bool is_param = look(lexer, 0) == '$' && is_digit(look(lexer, 1));
    lexer->at++;
    while (is_param && is_digit(look(lexer, 0))) lexer->at++;
    return is_param ? WEIR_SQL_PARAM : WEIR_SQL_PUNCT;
}

static enum weir_sql_token_type token(struct weir_sql_lexer *lexer) {
    char c = look(lexer, 0);
    if (is_digit(c) || (c == '.' && is_digit(look(lexer, 1)))) return number(lexer);
    if (is_word_start(c)) return word(lexer);
    if (c == '\'') return string(lexer, lexer->dialect == WEIR_SQL_POSTGRES_BACKSLASH);
    if (c == '"') return name(lexer, c);
    return lexer->dialect == WEIR_SQL_SQLITE ? sqlite_special(lexer) : postgres_special(lexer);
}

struct weir_sql_token weir_sql_next(struct weir_sql_lexer *lexer) {
    struct weir_sql_token ret = {.spaced = skip_blanks(lexer)};
    size_t from = lexer->at;
    if (!at_end(lexer)) ret.type = token(lexer);
    ret.text = weir_view(lexer->text.ptr + from, lexer->at - from);
    return ret;
}
