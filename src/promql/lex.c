/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/lex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/text.h"

enum { NUMBER_LEN_MAX = 100 };

int weir_promql_error_at(struct weir_error *reterr, struct weir_view input, size_t at,
                         const char *format, ...) {
    if (!reterr) return WEIR_EINVALID;
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < input.len; i++) {
        column++;
        if (input.ptr[i] == '\n') line++, column = 1;
    }
    va_list args;
    va_start(args, format);
    weir_error_setv(reterr, WEIR_EINVALID, format, args);
    va_end(args);
    reterr->line = line;
    reterr->column = column;
    return WEIR_EINVALID;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool weir_promql_is_label_name(struct weir_view name) {
    return weir_promql_is_metric_name(name) && !memchr(name.ptr, ':', name.len);
}

bool weir_promql_is_metric_name(struct weir_view name) {
    if (name.len == 0 || !(is_alpha(name.ptr[0]) || name.ptr[0] == ':')) return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_alpha(name.ptr[i]) && !is_digit(name.ptr[i]) && name.ptr[i] != ':') return false;
    return true;
}

/* Matches one unit at the start of `rest`; units[] is in descending order, *rank only grows. */
static bool cut_unit(struct weir_view *rest, size_t *rank, int64_t *ret_ms) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
                 {"ms", 1},          {"m", 60000},     {"s", 1000}};
    static const size_t ranks[] = {1, 2, 3, 4, 7, 5, 6};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct weir_view name = weir_view_str(units[i].name);
        if (!weir_view_starts(*rest, name)) continue;
        if (ranks[i] <= *rank) return false;
        *rank = ranks[i];
        *ret_ms = units[i].ms;
        *rest = weir_view_from(*rest, name.len);
        return true;
    }
    return false;
}

/* The longest duration at the start of `text`: gives its length, 0 if there is none. */
static size_t duration_len(struct weir_view text, int64_t *ret_ms) {
    struct weir_view rest = text;
    size_t rank = 0;
    int64_t sum = 0;
    while (rest.len && is_digit(rest.ptr[0])) {
        size_t digits = 0;
        while (digits < rest.len && is_digit(rest.ptr[digits])) digits++;
        int64_t count, unit_ms, part;
        if (!weir_view_to_i64(weir_view_upto(rest, digits), &count)) return 0;
        rest = weir_view_from(rest, digits);
        if (!cut_unit(&rest, &rank, &unit_ms)) return 0;
        if (__builtin_mul_overflow(count, unit_ms, &part)) return 0;
        if (__builtin_add_overflow(sum, part, &sum)) return 0;
        if (sum > INT64_MAX / 1000000) return 0; /* Prometheus holds durations in nanoseconds */
    }
    *ret_ms = sum;
    return text.len - rest.len;
}

bool weir_promql_to_duration_ms(struct weir_view text, int64_t *ret) {
    int64_t ms;
    if (text.len == 0 || duration_len(text, &ms) != text.len) return false;
    *ret = ms;
    return true;
}

static char peek(const struct weir_promql_lex *lex, size_t ahead) {
    size_t at = lex->at + ahead;
    return at < lex->input.len ? lex->input.ptr[at] : 0;
}

static void skip_blanks(struct weir_promql_lex *lex) {
    for (; lex->at < lex->input.len; lex->at++) {
        char c = peek(lex, 0);
        if (c == '#')
            while (lex->at < lex->input.len && peek(lex, 0) != '\n') lex->at++;
        else if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return;
        if (lex->at >= lex->input.len) return;
    }
}

static size_t digits_at(const struct weir_promql_lex *lex, size_t ahead, bool hex) {
    size_t n = 0;
    for (;; n++) {
        char c = peek(lex, ahead + n);
        if (!(hex ? weir_text_hex_digit(c) >= 0 : is_digit(c)) && c != '_') return n;
    }
}

/* Length of the number at the present byte, without looking at what follows it. */
static size_t number_len(const struct weir_promql_lex *lex) {
    if (peek(lex, 0) == '0' && (peek(lex, 1) | 32) == 'x') return 2 + digits_at(lex, 2, true);
    size_t len = digits_at(lex, 0, false);
    if (peek(lex, len) == '.') len += 1 + digits_at(lex, len + 1, false);
    if ((peek(lex, len) | 32) == 'e') {
        size_t sign = peek(lex, len + 1) == '+' || peek(lex, len + 1) == '-';
        if (is_digit(peek(lex, len + 1 + sign)))
            len += 1 + sign + digits_at(lex, len + 1 + sign, false);
    }
    return len;
}

/* Go's rule: an underscore stands between digits (or behind 0x), nowhere else. */
static bool number_value(struct weir_view text, double *ret) {
    char plain[NUMBER_LEN_MAX];
    size_t n = 0;
    bool hex = text.len > 1 && (text.ptr[1] | 32) == 'x';
    if (text.len >= sizeof plain) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            plain[n++] = text.ptr[i];
            continue;
        }
        bool after = i > 0 && (weir_text_hex_digit(text.ptr[i - 1]) >= 0 || (hex && i == 2));
        if (!after || i + 1 == text.len || weir_text_hex_digit(text.ptr[i + 1]) < 0) return false;
    }
    plain[n] = 0;
    char *end;
    *ret = hex ? (double)strtoull(plain, &end, 16) : weir_number_strtod(plain, &end);
    return n > (hex ? 2U : 0U) && *end == 0;
}

static int lex_number(struct weir_promql_lex *lex, struct weir_promql_token *ret,
                      struct weir_error *reterr) {
    int64_t ms;
    struct weir_view rest = weir_view_from(lex->input, lex->at);
    size_t len = duration_len(rest, &ms);
    bool is_duration = len > 0;
    if (!is_duration) len = number_len(lex);
    char next = peek(lex, len);
    if (is_alpha(next) || is_digit(next) || next == '.') {
        size_t bad = len;
        while (is_alpha(peek(lex, bad)) || is_digit(peek(lex, bad))) bad++;
        return weir_promql_error_at(reterr, lex->input, lex->at,
                                    "bad number or duration syntax: \"%.*s\"",
                                    WEIR_VIEW_ARG(weir_view_upto(rest, bad + (next == '.'))));
    }
    ret->kind = is_duration ? WEIR_PROMQL_TOKEN_DURATION : WEIR_PROMQL_TOKEN_NUMBER;
    ret->text = weir_view_upto(rest, len);
    ret->ms = ms;
    ret->number = (double)ms / 1000;
    if (!is_duration && !number_value(ret->text, &ret->number))
        return weir_promql_error_at(reterr, lex->input, lex->at, "bad number: \"%.*s\"",
                                    WEIR_VIEW_ARG(ret->text));
    lex->at += len;
    return 0;
}

static bool digits_value(struct weir_view text, unsigned base, uint32_t *ret) {
    uint32_t sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = weir_text_hex_digit(text.ptr[i]);
        if (digit < 0 || (unsigned)digit >= base) return false;
        sum = sum * base + (unsigned)digit;
    }
    *ret = sum;
    return text.len > 0;
}

/* Decodes the escape behind a backslash at `rest`: appends to out, gives the bytes it
 * took, or 0. */
static size_t unescape(struct weir_view rest, char quote, char *out, size_t *out_len) {
    static const char names[] = "abfnrtv\\", bytes[] = "\a\b\f\n\r\t\v\\";
    if (rest.len == 0) return 0;
    char c = rest.ptr[0];
    const char *simple = c ? strchr(names, c) : NULL;
    if (simple || c == quote) {
        out[(*out_len)++] = simple ? bytes[simple - names] : quote;
        return 1;
    }
    bool octal = c >= '0' && c <= '7';
    size_t from = octal ? 0 : 1, len = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t value;
    if (len == 0 || rest.len < from + len) return 0;
    if (!digits_value(weir_view(rest.ptr + from, len), octal ? 8 : 16, &value)) return 0;
    if (octal || c == 'x') {
        if (value > 255) return 0;
        out[(*out_len)++] = (char)value;
    } else {
        if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 0;
        *out_len += weir_text_utf8_put(out + *out_len, value);
    }
    return from + len;
}

static int lex_string(struct weir_promql_lex *lex, struct weir_promql_token *ret,
                      struct weir_error *reterr) {
    char quote = peek(lex, 0);
    struct weir_view rest = weir_view_from(lex->input, lex->at);
    char *out = weir_arena_alloc_aligned(lex->arena, rest.len + 1, 1);
    if (!out) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory while reading a string");
    size_t i = 1, len = 0;
    for (;;) {
        if (i >= rest.len || (rest.ptr[i] == '\n' && quote != '`'))
            return weir_promql_error_at(reterr, lex->input, lex->at, "unterminated quoted string");
        char c = rest.ptr[i++];
        if (c == quote) break;
        if (c != '\\' || quote == '`') {
            out[len++] = c;
            continue;
        }
        size_t taken = unescape(weir_view_from(rest, i), quote, out, &len);
        if (taken == 0)
            return weir_promql_error_at(reterr, lex->input, lex->at + i - 1,
                                        "unknown escape sequence in a string; write \\\\ for a "
                                        "backslash, or use `backquotes`");
        i += taken;
    }
    out[len] = 0;
    ret->kind = WEIR_PROMQL_TOKEN_STRING;
    ret->text = weir_view_upto(rest, i);
    ret->str = weir_view(out, len);
    lex->at += i;
    if (!weir_view_is_utf8(ret->str))
        return weir_promql_error_at(reterr, lex->input, ret->at, "string is not valid UTF-8");
    return 0;
}

static int lex_symbol(struct weir_promql_lex *lex, struct weir_promql_token *ret,
                      struct weir_error *reterr) {
    static const char *const pairs[] = {"==", "!=", "=~", "!~", ">=", "<="};
    struct weir_view rest = weir_view_from(lex->input, lex->at);
    size_t len = strchr("(){}[],:@+-*/%^=<>", rest.ptr[0]) && rest.ptr[0] ? 1 : 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (weir_view_starts(rest, weir_view_str(pairs[i]))) len = 2;
    if (len == 0) {
        while (len < rest.len && len < 4 && (len == 0 || (rest.ptr[len] & 0xC0) == 0x80)) len++;
        return weir_promql_error_at(reterr, lex->input, lex->at, "unexpected character: '%.*s'",
                                    WEIR_VIEW_ARG(weir_view_upto(rest, len)));
    }
    ret->kind = WEIR_PROMQL_TOKEN_SYMBOL;
    ret->text = weir_view_upto(rest, len);
    lex->at += len;
    return 0;
}

int weir_promql_lex_next(struct weir_promql_lex *lex, struct weir_promql_token *ret,
                         struct weir_error *reterr) {
    skip_blanks(lex);
    *ret = (struct weir_promql_token){.at = lex->at};
    if (lex->at >= lex->input.len) return 0;
    char c = peek(lex, 0);
    if (is_digit(c) || (c == '.' && is_digit(peek(lex, 1)))) return lex_number(lex, ret, reterr);
    if (c == '"' || c == '\'' || c == '`') return lex_string(lex, ret, reterr);
    /* A colon starts a word (a recording rule's name) only where a letter follows: [5m:1m] has
     * none. */
    if (!is_alpha(c) && !(c == ':' && is_alpha(peek(lex, 1)))) return lex_symbol(lex, ret, reterr);
    size_t len = 1;
    while (is_alpha(peek(lex, len)) || is_digit(peek(lex, len)) || peek(lex, len) == ':') len++;
    ret->kind = WEIR_PROMQL_TOKEN_WORD;
    ret->text = weir_view_upto(weir_view_from(lex->input, lex->at), len);
    lex->at += len;
    return 0;
}
