/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

/* What may come next. */
enum state {
    STATE_VALUE,        /* a value: at the start, behind a key, behind a comma in an array */
    STATE_VALUE_OR_END, /* behind '[' */
    STATE_KEY,          /* behind a comma in an object */
    STATE_KEY_OR_END,   /* behind '{' */
    STATE_COMMA_OR_END, /* behind a value */
    STATE_FAILED,
};

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

void weir_json_init(struct weir_json *json, struct weir_view input) {
    *json = (struct weir_json){.input = input};
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void position(const struct weir_json *json, size_t at, uint32_t *ret_line,
                     uint32_t *ret_column) {
    uint32_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < at && i < json->input.len; i++)
        if (json->input.ptr[i] == '\n') line++, line_start = i + 1;
    *ret_line = line;
    *ret_column = (uint32_t)(at - line_start) + 1;
}

static enum weir_json_token fail_at(struct weir_json *json, size_t at, const char *what) {
    uint32_t line, column;
    position(json, at, &line, &column);
    json->state = STATE_FAILED;
    weir_error_at(&json->error, WEIR_EINVALID, line, column, "JSON: %s at line %u, column %u", what,
                  line, column);
    return WEIR_JSON_ERROR;
}

static enum weir_json_token fail(struct weir_json *json, const char *what) {
    return fail_at(json, json->at, json->at >= json->input.len ? "the text ends too early" : what);
}

bool weir_json_fail(struct weir_json *json, const char *format, ...) {
    char words[300];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (json->state != STATE_FAILED) fail_at(json, json->start, words);
    return false;
}

/* ---- lexing ---------------------------------------------------------------------------------- */

static void skip_blanks(struct weir_json *json) {
    const char *ptr = json->input.ptr;
    size_t at = json->at, len = json->input.len;
    while (at < len && (ptr[at] == ' ' || ptr[at] == '\n' || ptr[at] == '\r' || ptr[at] == '\t'))
        at++;
    json->at = at;
}

static bool is_digit(const struct weir_json *json) {
    return json->at < json->input.len && json->input.ptr[json->at] >= '0' &&
           json->input.ptr[json->at] <= '9';
}

static bool digits(struct weir_json *json) {
    if (!is_digit(json)) return false;
    while (is_digit(json)) json->at++;
    return true;
}

static bool take_any(struct weir_json *json, char a, char b) {
    if (json->at >= json->input.len) return false;
    char c = json->input.ptr[json->at];
    if (c != a && c != b) return false;
    json->at++;
    return true;
}

static enum weir_json_token number(struct weir_json *json) {
    size_t start = json->at;
    take_any(json, '-', '-');
    if (take_any(json, '0', '0')) {
        if (is_digit(json)) return fail(json, "a number must not start with 0");
    } else if (!digits(json)) {
        return fail(json, "a digit is missing");
    }
    if (take_any(json, '.', '.') && !digits(json)) return fail(json, "a digit is missing");
    if (take_any(json, 'e', 'E')) {
        take_any(json, '+', '-');
        if (!digits(json)) return fail(json, "a digit is missing");
    }
    json->text = weir_view(json->input.ptr + start, json->at - start);
    json->state = STATE_COMMA_OR_END;
    return WEIR_JSON_NUMBER;
}

/* Bytes that a string's scan must look at get their high bit set: '"', '\\', below 0x20. */
static uint64_t string_stops(uint64_t word) {
    uint64_t quote = word ^ ONES * '"', slash = word ^ ONES * '\\';
    return (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
            ((word - ONES * 0x20) & ~word)) &
           HIGHS;
}

static bool escape(struct weir_json *json) {
    const char *ptr = json->input.ptr;
    size_t at = json->at + 1, len = json->input.len; /* behind the backslash */
    if (at >= len) return fail_at(json, len, "the text ends too early"), false;
    if (!memchr("\"\\/bfnrtu", ptr[at], 9)) return fail(json, "unknown escape in a string"), false;
    uint8_t ignored[2];
    if (ptr[at] == 'u' &&
        (len - at < 5 || !weir_view_to_bytes_hex(weir_view(ptr + at + 1, 4), ignored, 2)))
        return fail(json, "\\u needs four hex digits"), false;
    json->at = at + (ptr[at] == 'u' ? 5 : 1);
    json->escaped = true;
    return true;
}

/* From behind the opening quote to behind the closing one. */
static bool string(struct weir_json *json) {
    const char *ptr = json->input.ptr;
    size_t start = json->at, len = json->input.len;
    uint64_t seen = 0;
    json->escaped = false;
    for (;;) {
        uint64_t word;
        while (len - json->at >= 8) {
            memcpy(&word, ptr + json->at, 8);
            uint64_t stops = string_stops(word);
            if (stops) { /* the lowest one is exact; those above may be false */
                unsigned before = (unsigned)__builtin_ctzll(stops) & ~7U;
                seen |= word & ((UINT64_C(1) << before) - 1);
                json->at += before / 8;
                break;
            }
            seen |= word;
            json->at += 8;
        }
        if (json->at >= len) return fail(json, ""), false;
        uint8_t byte = (uint8_t)ptr[json->at];
        seen |= byte;
        if (byte == '"') break;
        if (byte < 0x20)
            return fail(json, "control character in a string (write \\n, \\u0001, …)"), false;
        if (byte == '\\') {
            if (!escape(json)) return false;
        } else {
            json->at++;
        }
    }
    json->text = weir_view(ptr + start, json->at - start);
    json->at++;
    if ((seen & HIGHS) && !weir_view_is_utf8(json->text))
        return fail_at(json, start, "string is not UTF-8"), false;
    return true;
}

static enum weir_json_token literal(struct weir_json *json, const char *word,
                                    enum weir_json_token token) {
    struct weir_view rest = weir_view_from(json->input, json->at);
    if (!weir_view_starts(rest, weir_view_str(word)))
        return fail_at(json, json->at, "a value must stand here");
    json->at += strlen(word);
    json->state = STATE_COMMA_OR_END;
    return token;
}

/* ---- structure ------------------------------------------------------------------------------- */

static bool in_object(const struct weir_json *json) {
    uint32_t level = json->depth - 1;
    return json->object_bits[level / 64] >> (level % 64) & 1;
}

static enum weir_json_token open_level(struct weir_json *json, bool object) {
    if (json->depth >= WEIR_JSON_DEPTH_MAX) return fail(json, "nested deeper than 128 levels");
    uint64_t bit = UINT64_C(1) << (json->depth % 64), *bits = &json->object_bits[json->depth / 64];
    *bits = object ? *bits | bit : *bits & ~bit;
    json->depth++;
    json->at++;
    json->state = object ? STATE_KEY_OR_END : STATE_VALUE_OR_END;
    return object ? WEIR_JSON_OBJECT : WEIR_JSON_ARRAY;
}

static enum weir_json_token close_level(struct weir_json *json) {
    bool object = in_object(json);
    json->depth--;
    json->at++;
    json->state = STATE_COMMA_OR_END;
    return object ? WEIR_JSON_OBJECT_END : WEIR_JSON_ARRAY_END;
}

static enum weir_json_token value(struct weir_json *json) {
    char c = json->input.ptr[json->at];
    switch (c) {
    case '{': return open_level(json, true);
    case '[': return open_level(json, false);
    case 't': return literal(json, "true", WEIR_JSON_TRUE);
    case 'f': return literal(json, "false", WEIR_JSON_FALSE);
    case 'n': return literal(json, "null", WEIR_JSON_NULL);
    case '"':
        json->at++;
        if (!string(json)) return WEIR_JSON_ERROR;
        json->state = STATE_COMMA_OR_END;
        return WEIR_JSON_STRING;
    default:
        if (c == '-' || (c >= '0' && c <= '9')) return number(json);
        return fail(json, "a value must stand here");
    }
}

static enum weir_json_token key(struct weir_json *json) {
    if (json->input.ptr[json->at] != '"') return fail(json, "a key in quotes must stand here");
    json->at++;
    if (!string(json)) return WEIR_JSON_ERROR;
    skip_blanks(json);
    if (!take_any(json, ':', ':')) return fail(json, "a colon must stand here");
    json->state = STATE_VALUE;
    return WEIR_JSON_KEY;
}

static enum weir_json_token at_end(struct weir_json *json) {
    return json->at >= json->input.len ? WEIR_JSON_END : fail(json, "text behind the value");
}

/* Behind a value inside an object or array: its end, or a comma and what follows. */
static enum weir_json_token after_value(struct weir_json *json) {
    bool object = in_object(json);
    char c = json->input.ptr[json->at];
    if (c == (object ? '}' : ']')) return close_level(json);
    if (c != ',')
        return fail(json, object ? "a comma or } must stand here" : "a comma or ] must stand here");
    json->at++;
    json->state = object ? STATE_KEY : STATE_VALUE;
    return weir_json_next(json);
}

enum weir_json_token weir_json_next(struct weir_json *json) {
    if (json->state == STATE_FAILED) return WEIR_JSON_ERROR;
    skip_blanks(json);
    if (json->state == STATE_COMMA_OR_END && json->depth == 0) return at_end(json);
    if (json->at >= json->input.len) return fail(json, "");
    json->start = json->at;
    char c = json->input.ptr[json->at];
    switch ((enum state)json->state) {
    case STATE_KEY_OR_END:
        if (c == '}') return close_level(json);
        return key(json);
    case STATE_KEY: return key(json);
    case STATE_VALUE_OR_END:
        if (c == ']') return close_level(json);
        return value(json);
    case STATE_VALUE: return value(json);
    case STATE_COMMA_OR_END: return after_value(json);
    case STATE_FAILED: break;
    }
    return WEIR_JSON_ERROR;
}

bool weir_json_skip(struct weir_json *json) {
    if (json->state == STATE_VALUE && weir_json_next(json) == WEIR_JSON_ERROR) return false;
    if (json->state != STATE_KEY_OR_END && json->state != STATE_VALUE_OR_END)
        return json->state != STATE_FAILED;
    uint32_t outer = json->depth - 1;
    while (json->depth > outer)
        if (weir_json_next(json) == WEIR_JSON_ERROR) return false;
    return true;
}

struct weir_view weir_json_raw(struct weir_json *json, enum weir_json_token token) {
    struct weir_view none = {NULL, 0};
    size_t start = json->at - 1;
    switch (token) {
    case WEIR_JSON_OBJECT:
    case WEIR_JSON_ARRAY:
        return weir_json_skip(json) ? weir_view(json->input.ptr + start, json->at - start) : none;
    case WEIR_JSON_STRING: return weir_view(json->text.ptr - 1, json->text.len + 2);
    case WEIR_JSON_NUMBER: return json->text;
    case WEIR_JSON_TRUE:
    case WEIR_JSON_NULL: return weir_view(json->input.ptr + json->at - 4, 4);
    case WEIR_JSON_FALSE: return weir_view(json->input.ptr + json->at - 5, 5);
    case WEIR_JSON_END:
    case WEIR_JSON_ERROR:
    case WEIR_JSON_OBJECT_END:
    case WEIR_JSON_ARRAY_END:
    case WEIR_JSON_KEY: break;
    }
    return none;
}

/* ---- escapes --------------------------------------------------------------------------------- */

static uint32_t hex4(const char *at) {
    uint8_t bytes[2] = {0};
    weir_view_to_bytes_hex(weir_view(at, 4), bytes, 2); /* digits were checked while lexing */
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* \uXXXX at `at`; a pair of surrogates is one rune, a lone one becomes U+FFFD. */
static const char *unicode_escape(const char *at, const char *end, uint32_t *ret) {
    uint32_t rune = hex4(at + 2);
    at += 6;
    if (rune >= 0xD800 && rune < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex4(at + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            *ret = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
            return at + 6;
        }
    }
    *ret = rune >= 0xD800 && rune < 0xE000 ? 0xFFFD : rune;
    return at;
}

static char plain_escape(char c) {
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c; /* " \ / */
    }
}

struct weir_view weir_json_str(struct weir_json *json, struct weir_arena *arena) {
    if (!json->escaped) return json->text;
    char *copy = weir_arena_alloc_aligned(arena, json->text.len, 1), *to = copy;
    if (!copy) return weir_view(NULL, 0);
    const char *at = json->text.ptr, *end = at + json->text.len;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash ? slash : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (!slash) break;
        uint32_t rune;
        if (at[1] == 'u') {
            at = unicode_escape(at, end, &rune);
            to += weir_text_utf8_put(to, rune);
        } else {
            *to++ = plain_escape(at[1]);
            at += 2;
        }
    }
    return weir_view(copy, (size_t)(to - copy));
}
