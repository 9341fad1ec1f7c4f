/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/lex.h"

#include <math.h>

#include <stdio.h>

int weir_traceql_error_at(struct weir_view query, size_t at, struct weir_error *reterr,
                          const char *format, ...) {
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < query.len; i++) {
        column++;
        if (query.ptr[i] == '\n') line++, column = 1;
    }
    char words[400];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return weir_error_at(reterr, WEIR_EINVALID, line, column, "parse error at line %u, col %u: %s",
                         line, column, words);
}

static char peek(const struct weir_traceql_lex *lex, size_t ahead) {
    return lex->at + ahead < lex->input.len ? lex->input.ptr[lex->at + ahead] : 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_blanks(struct weir_traceql_lex *lex) {
    for (; lex->at < lex->input.len; lex->at++) {
        char c = peek(lex, 0);
        if (c == '/' && peek(lex, 1) == '/') { /* a comment up to the line's end */
            while (lex->at < lex->input.len && peek(lex, 0) != '\n') lex->at++;
            lex->at--;
        } else if (c == '/' && peek(lex, 1) == '*') {
            size_t len = weir_view_find(weir_view_from(lex->input, lex->at), WEIR_VIEW("*/"));
            lex->at = len == SIZE_MAX ? lex->input.len - 1 : lex->at + len + 1;
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

static int no_end(struct weir_traceql_lex *lex, size_t from, char quote,
                  struct weir_error *reterr) {
    return weir_traceql_error_at(lex->input, from, reterr, "string has no end; close it with %c",
                                 quote);
}

/* A string in "…" with escapes. Decoded into `ret`. */
static int quoted(struct weir_traceql_lex *lex, struct weir_view *ret, struct weir_error *reterr) {
    static const char letters[] = "abfnrtv\\\"'", meanings[] = "\a\b\f\n\r\t\v\\\"'";
    size_t from = lex->at++;
    char *out = weir_arena_alloc(lex->arena, lex->input.len - from);
    if (!out) return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
    size_t len = 0;
    for (;; lex->at++) {
        char c = peek(lex, 0);
        if (lex->at >= lex->input.len || c == '\n') return no_end(lex, from, '"', reterr);
        if (c == '"') break;
        if (c == '\\') {
            char next = peek(lex, 1);
            const char *known = next ? strchr(letters, next) : NULL;
            if (!known)
                return weir_traceql_error_at(
                    lex->input, lex->at, reterr,
                    "invalid escape in a string; write \\\\ for a backslash, or use "
                    "`backquotes`");
            c = meanings[known - letters];
            lex->at++;
        }
        out[len++] = c;
    }
    lex->at++;
    *ret = weir_view(out, len);
    return 0;
}

static int backquoted(struct weir_traceql_lex *lex, struct weir_view *ret,
                      struct weir_error *reterr) {
    struct weir_view rest = weir_view_from(lex->input, lex->at + 1);
    size_t len = weir_view_find(rest, WEIR_VIEW("`"));
    if (len == SIZE_MAX) return no_end(lex, lex->at, '`', reterr);
    lex->at += len + 2;
    *ret = weir_view_upto(rest, len);
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool ends_attribute(char c) {
    return (unsigned char)c <= ' ' || strchr("{}()|,=!<>~+*/%^&\"`", c) != NULL;
}

/* The name behind a scope's dot: plain (dots, dashes, slashes… in it) or with "quoted parts". A '/'
 * belongs to the name unless blanks stand before it. */
static int attribute_name(struct weir_traceql_lex *lex, struct weir_view *ret,
                          struct weir_error *reterr) {
    size_t from = lex->at, len = 0;
    char *out = weir_arena_alloc(lex->arena, lex->input.len - from + 1);
    if (!out) return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
    while (lex->at < lex->input.len) {
        char c = peek(lex, 0);
        if (c == '"') {
            struct weir_view part = WEIR_VIEW("");
            int rc = quoted(lex, &part, reterr);
            if (rc != 0) return rc;
            if (part.len) memcpy(out + len, part.ptr, part.len);
            len += part.len;
        } else if (!ends_attribute(c) || c == '/') {
            out[len++] = c;
            lex->at++;
        } else {
            break;
        }
    }
    if (!len)
        return weir_traceql_error_at(lex->input, from, reterr,
                                     "an attribute name must follow the dot");
    *ret = weir_view(out, len);
    return 0;
}

static size_t word_len(const struct weir_traceql_lex *lex) {
    size_t len = 0;
    while (is_letter(peek(lex, len)) || is_digit(peek(lex, len))) len++;
    return len;
}

static const char *const scopes[] = {"span",  "resource", "parent",
                                     "event", "link",     "instrumentation"};

static bool is_scope(struct weir_view word) {
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        if (weir_view_is(word, scopes[i])) return true;
    return false;
}

/* A keyword, an intrinsic (also scope:intrinsic), or the scope of an attribute. */
static int name(struct weir_traceql_lex *lex, struct weir_traceql_token *ret,
                struct weir_error *reterr) {
    struct weir_view word = weir_view_upto(weir_view_from(lex->input, lex->at), word_len(lex));
    size_t from = lex->at;
    lex->at += word.len;
    if (peek(lex, 0) == '.' && is_scope(word)) {
        lex->at++;
        ret->kind = WEIR_TRACEQL_TOKEN_ATTRIBUTE;
        ret->text = word;
        /* parent.span.x and parent.resource.x: the scope is both words */
        struct weir_view next = weir_view_upto(weir_view_from(lex->input, lex->at), word_len(lex));
        if (weir_view_is(word, "parent") && peek(lex, next.len) == '.' &&
            (weir_view_is(next, "span") || weir_view_is(next, "resource"))) {
            lex->at += next.len + 1;
            ret->text = weir_view(word.ptr, word.len + 1 + next.len);
        }
        return attribute_name(lex, &ret->str, reterr);
    }
    if (peek(lex, 0) == ':' && is_letter(peek(lex, 1))) {
        lex->at++;
        lex->at += word_len(lex);
    }
    ret->kind = WEIR_TRACEQL_TOKEN_NAME;
    ret->text = weir_view(lex->input.ptr + from, lex->at - from);
    return 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int number(struct weir_traceql_lex *lex, struct weir_traceql_token *ret,
                  struct weir_error *reterr) {
    size_t len = 0;
    for (;; len++) {
        char c = peek(lex, len), before = len ? peek(lex, len - 1) : 0;
        bool exponent = (before == 'e' || before == 'E') && is_digit(peek(lex, len + 1));
        bool micro = (unsigned char)c == 0xc2 || (unsigned char)c == 0xb5;
        if (!is_digit(c) && !is_letter(c) && c != '.' && !micro &&
            !((c == '+' || c == '-') && exponent))
            break;
    }
    struct weir_view text = weir_view_upto(weir_view_from(lex->input, lex->at), len);
    ret->text = text;
    if (weir_view_to_i64(text, &ret->i64)) {
        ret->kind = WEIR_TRACEQL_TOKEN_INT;
        ret->f64 = (double)ret->i64;
    } else if (weir_view_to_f64(text, &ret->f64) && isfinite(ret->f64)) {
        ret->kind = WEIR_TRACEQL_TOKEN_FLOAT;
    } else if (weir_view_to_duration_ns(text, &ret->i64)) {
        ret->kind = WEIR_TRACEQL_TOKEN_DURATION;
    } else {
        return weir_traceql_error_at(lex->input, lex->at, reterr,
                                     "\"%.*s\" is not a number or a duration (100ms, 1h30m)",
                                     WEIR_VIEW_ARG(weir_view_upto(text, 40)));
    }
    lex->at += len;
    return 0;
}

/* ---- signs ----------------------------------------------------------------------------------- */

static const struct {
    char text[4];
    int kind;
} signs[] = {
    /* longest first */
    {"!>>", WEIR_TRACEQL_TOKEN_NOT_DESC},    {"!<<", WEIR_TRACEQL_TOKEN_NOT_ANCE},
    {"&>>", WEIR_TRACEQL_TOKEN_UNION_DESC},  {"&<<", WEIR_TRACEQL_TOKEN_UNION_ANCE},
    {"!=", WEIR_TRACEQL_TOKEN_NE},           {"=~", WEIR_TRACEQL_TOKEN_RE},
    {"!~", WEIR_TRACEQL_TOKEN_NRE},          {">=", WEIR_TRACEQL_TOKEN_GE},
    {"<=", WEIR_TRACEQL_TOKEN_LE},           {"&&", WEIR_TRACEQL_TOKEN_AND},
    {"||", WEIR_TRACEQL_TOKEN_OR},           {">>", WEIR_TRACEQL_TOKEN_DESC},
    {"<<", WEIR_TRACEQL_TOKEN_ANCE},         {"!>", WEIR_TRACEQL_TOKEN_NOT_CHILD},
    {"!<", WEIR_TRACEQL_TOKEN_NOT_PARENT},   {"&>", WEIR_TRACEQL_TOKEN_UNION_CHILD},
    {"&<", WEIR_TRACEQL_TOKEN_UNION_PARENT}, {"&~", WEIR_TRACEQL_TOKEN_UNION_SIBL},
};

static int sign(struct weir_traceql_lex *lex, struct weir_traceql_token *ret,
                struct weir_error *reterr) {
    struct weir_view rest = weir_view_from(lex->input, lex->at);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (weir_view_starts(rest, weir_view_str(signs[i].text))) {
            ret->kind = signs[i].kind;
            lex->at += strlen(signs[i].text);
            return 0;
        }
    char c = peek(lex, 0);
    if (!c || !strchr("{}(),|+-*/%^=><~!", c))
        return weir_traceql_error_at(lex->input, lex->at, reterr, "unexpected character '%c'%s",
                                     c >= ' ' && c < 127 ? c : '?',
                                     c == '&' ? "; and is written &&" : "");
    ret->kind = (unsigned char)c;
    lex->at++;
    return 0;
}

int weir_traceql_lex_next(struct weir_traceql_lex *lex, struct weir_traceql_token *ret,
                          struct weir_error *reterr) {
    skip_blanks(lex);
    *ret = (struct weir_traceql_token){.at = (uint32_t)lex->at, .end = (uint32_t)lex->at};
    if (lex->at >= lex->input.len) return 0;
    size_t from = lex->at;
    char c = peek(lex, 0);
    int rc;
    if (is_letter(c)) {
        rc = name(lex, ret, reterr);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(lex, 1)))) {
        rc = number(lex, ret, reterr);
    } else if (c == '.') {
        lex->at++;
        ret->kind = WEIR_TRACEQL_TOKEN_ATTRIBUTE;
        ret->text = weir_view(lex->input.ptr + from, 0);
        rc = attribute_name(lex, &ret->str, reterr);
    } else if (c == '"' || c == '`') {
        ret->kind = WEIR_TRACEQL_TOKEN_STRING;
        rc = c == '"' ? quoted(lex, &ret->str, reterr) : backquoted(lex, &ret->str, reterr);
        ret->text = weir_view(lex->input.ptr + from, lex->at - from);
    } else {
        rc = sign(lex, ret, reterr);
        ret->text = weir_view(lex->input.ptr + from, lex->at - from);
    }
    ret->end = (uint32_t)lex->at;
    return rc;
}
