/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/lex.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

int weir_logql_error_at(struct weir_view query, size_t at, struct weir_error *reterr,
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

static char peek(const struct weir_logql_lex *lex, size_t ahead) {
    return lex->at + ahead < lex->input.len ? lex->input.ptr[lex->at + ahead] : 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c) {
    return is_name_start(c) || is_digit(c);
}

static void skip_blanks(struct weir_logql_lex *lex) {
    for (;;) {
        char c = peek(lex, 0);
        if (lex->at >= lex->input.len) return;
        if (c == '#')
            while (lex->at < lex->input.len && peek(lex, 0) != '\n') lex->at++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            lex->at++;
        else
            return;
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

/* `count` digits of a base at the cursor; false when there are fewer. */
static bool code_digits(struct weir_logql_lex *lex, unsigned count, unsigned base, uint32_t *ret) {
    uint32_t sum = 0;
    for (unsigned i = 0; i < count; i++, lex->at++) {
        int digit = weir_text_hex_digit(peek(lex, 0));
        if (digit < 0 || (unsigned)digit >= base) return false;
        sum = sum * base + (unsigned)digit;
    }
    *ret = sum;
    return true;
}

/* Behind a backslash; Go's escapes. Gives the bytes written, 0 = unknown escape. */
static size_t escape(struct weir_logql_lex *lex, char *out) {
    static const char letters[] = "abfnrtv\\\"'", meanings[] = "\a\b\f\n\r\t\v\\\"'";
    char c = peek(lex, 0);
    const char *known = c ? strchr(letters, c) : NULL;
    uint32_t code;
    if (known) {
        lex->at++;
        out[0] = meanings[known - letters];
        return 1;
    }
    if (c >= '0' && c <= '7')
        return code_digits(lex, 3, 8, &code) && code < 256 ? (out[0] = (char)code, 1U) : 0;
    lex->at++;
    if (c == 'x') return code_digits(lex, 2, 16, &code) ? (out[0] = (char)code, 1U) : 0;
    if (c != 'u' && c != 'U') return 0;
    if (!code_digits(lex, c == 'u' ? 4 : 8, 16, &code)) return 0;
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
    return weir_text_utf8_put(out, code);
}

static int quoted(struct weir_logql_lex *lex, struct weir_logql_token *ret,
                  struct weir_error *reterr) {
    size_t from = lex->at++;
    char *out = weir_arena_alloc(lex->arena, lex->input.len - from + 4);
    if (!out) return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
    size_t len = 0;
    for (;;) {
        char c = peek(lex, 0);
        if (lex->at >= lex->input.len || c == '\n')
            return weir_logql_error_at(lex->input, from, reterr,
                                       "string has no end; close it with \"");
        if (c == '"') break;
        lex->at++;
        if (c != '\\') {
            out[len++] = c;
            continue;
        }
        size_t at = lex->at - 1, size = escape(lex, out + len);
        if (size == 0)
            return weir_logql_error_at(
                lex->input, at, reterr,
                "invalid escape in a string; write \\\\ for a backslash, or use "
                "`backquotes`");
        len += size;
    }
    lex->at++;
    ret->kind = WEIR_LOGQL_TOKEN_STRING;
    ret->str = weir_view(out, len);
    return 0;
}

static int backquoted(struct weir_logql_lex *lex, struct weir_logql_token *ret,
                      struct weir_error *reterr) {
    size_t from = lex->at + 1;
    struct weir_view rest = weir_view_from(lex->input, from);
    size_t len = weir_view_find(rest, WEIR_VIEW("`"));
    if (len == SIZE_MAX)
        return weir_logql_error_at(lex->input, lex->at, reterr,
                                   "string has no end; close it with `");
    lex->at = from + len + 1;
    ret->kind = WEIR_LOGQL_TOKEN_STRING;
    ret->str = weir_view_upto(rest, len);
    return 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

bool weir_logql_to_bytes(struct weir_view text, double *ret) {
    static const char *const units[] = {"b", "kb", "mb", "gb", "tb", "pb", "eb"};
    static const char *const shorts[] = {"", "k", "m", "g", "t", "p", "e"};
    static const char *const binary[] = {"", "kib", "mib", "gib", "tib", "pib", "eib"};
    static const char *const binary_shorts[] = {"", "ki", "mi", "gi", "ti", "pi", "ei"};
    size_t digits = 0;
    while (digits < text.len && (is_digit(text.ptr[digits]) || text.ptr[digits] == '.')) digits++;
    double number;
    if (!digits || !weir_view_to_f64(weir_view_upto(text, digits), &number)) return false;
    struct weir_view unit = weir_view_trim(weir_view_from(text, digits));
    for (int i = 0; i < 7; i++) {
        if (weir_view_eq_nocase(unit, weir_view_str(units[i])) ||
            weir_view_eq_nocase(unit, weir_view_str(shorts[i])))
            return *ret = trunc(number * pow(1000, i)), true;
        if (i && (weir_view_eq_nocase(unit, weir_view_str(binary[i])) ||
                  weir_view_eq_nocase(unit, weir_view_str(binary_shorts[i]))))
            return *ret = trunc(number * pow(1024, i)), true;
    }
    return false;
}

static size_t number_len(const struct weir_logql_lex *lex) {
    size_t len = 0;
    bool is_hex = peek(lex, 0) == '0' && (peek(lex, 1) == 'x' || peek(lex, 1) == 'X');
    for (;; len++) {
        char c = peek(lex, len);
        if (is_name(c) || c == '.' || (unsigned char)c == 0xc2 || (unsigned char)c == 0xb5)
            continue;
        char before = len ? peek(lex, len - 1) : 0;
        bool exponent = !is_hex && (before == 'e' || before == 'E') && is_digit(peek(lex, len + 1));
        if ((c == '+' || c == '-') && exponent) continue;
        return len;
    }
}

static int number(struct weir_logql_lex *lex, struct weir_logql_token *ret,
                  struct weir_error *reterr) {
    struct weir_view text = weir_view_upto(weir_view_from(lex->input, lex->at), number_len(lex));
    if (weir_view_to_f64(text, &ret->number) && isfinite(ret->number)) {
        ret->kind = WEIR_LOGQL_TOKEN_NUMBER;
    } else if (weir_view_to_duration_ns(text, &ret->duration_ns)) {
        ret->kind = WEIR_LOGQL_TOKEN_DURATION;
        ret->number = (double)ret->duration_ns / 1e9;
    } else if (weir_logql_to_bytes(text, &ret->number)) {
        ret->kind = WEIR_LOGQL_TOKEN_BYTES;
    } else {
        return weir_logql_error_at(
            lex->input, lex->at, reterr,
            "\"%.*s\" is not a number, a duration (5m, 1h30m) or a size (10MB)",
            WEIR_VIEW_ARG(weir_view_upto(text, 40)));
    }
    lex->at += text.len;
    return 0;
}

/* ---- signs ----------------------------------------------------------------------------------- */

static const struct {
    char text[3];
    int kind;
} pairs[] = {
    {"|=", WEIR_LOGQL_TOKEN_PIPE_EQ},  {"|~", WEIR_LOGQL_TOKEN_PIPE_RE},
    {"|>", WEIR_LOGQL_TOKEN_PIPE_PAT}, {"!=", WEIR_LOGQL_TOKEN_NE},
    {"!~", WEIR_LOGQL_TOKEN_NRE},      {"!>", WEIR_LOGQL_TOKEN_NPAT},
    {"=~", WEIR_LOGQL_TOKEN_RE},       {"==", WEIR_LOGQL_TOKEN_EQ_EQ},
    {">=", WEIR_LOGQL_TOKEN_GE},       {"<=", WEIR_LOGQL_TOKEN_LE},
};

static int sign(struct weir_logql_lex *lex, struct weir_logql_token *ret,
                struct weir_error *reterr) {
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (peek(lex, 0) == pairs[i].text[0] && peek(lex, 1) == pairs[i].text[1]) {
            ret->kind = pairs[i].kind;
            lex->at += 2;
            return 0;
        }
    char c = peek(lex, 0);
    if (!c || !strchr("{}()[],|+-*/%^=><", c))
        return weir_logql_error_at(lex->input, lex->at, reterr, "unexpected character '%c'",
                                   c >= ' ' && c < 127 ? c : '?');
    ret->kind = (unsigned char)c;
    lex->at++;
    return 0;
}

static void name(struct weir_logql_lex *lex, struct weir_logql_token *ret) {
    while (is_name(peek(lex, 0)) && lex->at < lex->input.len) lex->at++;
    ret->kind = WEIR_LOGQL_TOKEN_NAME;
}

static void flag(struct weir_logql_lex *lex, struct weir_logql_token *ret) {
    lex->at += 2;
    while (is_name(peek(lex, 0)) || peek(lex, 0) == '-') lex->at++;
    ret->kind = WEIR_LOGQL_TOKEN_FLAG;
}

int weir_logql_lex_next(struct weir_logql_lex *lex, struct weir_logql_token *ret,
                        struct weir_error *reterr) {
    skip_blanks(lex);
    *ret = (struct weir_logql_token){.at = (uint32_t)lex->at};
    size_t from = lex->at;
    int rc = 0;
    if (lex->at >= lex->input.len) return 0;
    char c = peek(lex, 0);
    if (is_name_start(c))
        name(lex, ret);
    else if (is_digit(c) || (c == '.' && is_digit(peek(lex, 1))))
        rc = number(lex, ret, reterr);
    else if (c == '"')
        rc = quoted(lex, ret, reterr);
    else if (c == '`')
        rc = backquoted(lex, ret, reterr);
    else if (c == '-' && peek(lex, 1) == '-' && is_name_start(peek(lex, 2)))
        flag(lex, ret);
    else
        rc = sign(lex, ret, reterr);
    ret->text = weir_view(lex->input.ptr + from, lex->at - from);
    return rc;
}
