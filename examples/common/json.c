/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct reader {
    const char *at, *end;
};

static void blanks(struct reader *r) {
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at) r->at++;
}

static bool eat(struct reader *r, char c) {
    blanks(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static int hex4(const char *text) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = tolower((unsigned char)text[i]);
        if (!isxdigit(c)) return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return value;
}

/* One character of a string behind its backslash, as UTF-8 (surrogates become '?'). */
static size_t escape(struct reader *r, char out[4]) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = *r->at ? strchr(from, *r->at) : NULL;
    if (found) {
        out[0] = to[found - from];
        r->at++;
        return 1;
    }
    int code = *r->at == 'u' && r->end - r->at > 4 ? hex4(r->at + 1) : -1;
    if (code < 0) return 0;
    r->at += 5;
    if (code >= 0xd800 && code < 0xe000) code = '?';
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (size == 1) out[0] = (char)code;
    if (size > 1) out[0] = (char)(size == 2 ? 0xc0 | code >> 6 : 0xe0 | code >> 12);
    if (size == 3) out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    if (size > 1) out[size - 1] = (char)(0x80 | (code & 0x3f));
    return size;
}

static bool string(struct reader *r, char *out, size_t room) {
    size_t len = 0;
    if (!eat(r, '"')) return false;
    while (r->at < r->end && *r->at != '"') {
        char bytes[4];
        size_t count = 1;
        bytes[0] = *r->at++;
        if ((unsigned char)bytes[0] < 0x20) return false;
        if (bytes[0] == '\\' && (r->at >= r->end || !(count = escape(r, bytes)))) return false;
        if (len + count < room) {
            memcpy(out + len, bytes, count);
            len += count;
        }
    }
    if (room) out[len] = 0;
    return eat(r, '"');
}

static bool value(struct reader *r, struct json_field *field, int depth);

static bool members(struct reader *r, char close, bool named, int depth) {
    struct json_field inner;
    if (eat(r, close)) return true;
    do {
        if (named && (!string(r, inner.name, sizeof inner.name) || !eat(r, ':'))) return false;
        if (!value(r, &inner, depth)) return false;
    } while (eat(r, ','));
    return eat(r, close);
}

static bool word(struct reader *r, const char *text) {
    size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0) return false;
    r->at += len;
    return true;
}

static bool number(struct reader *r, double *ret) {
    char text[64];
    size_t len = 0;
    while (r->at < r->end && len < sizeof text - 1 && *r->at && strchr("+-.eE0123456789", *r->at))
        text[len++] = *r->at++;
    text[len] = 0;
    char *end;
    *ret = strtod(text, &end);
    return len && !*end && (isdigit((unsigned char)text[0]) || text[0] == '-');
}

static bool value(struct reader *r, struct json_field *field, int depth) {
    blanks(r);
    if (r->at >= r->end || depth > DEPTH_MAX) return false;
    field->text = r->at;
    bool ok;
    if (*r->at == '"') {
        field->type = JSON_STRING;
        ok = string(r, field->str, sizeof field->str);
    } else if (*r->at == '{' || *r->at == '[') {
        bool named = *r->at++ == '{';
        field->type = named ? JSON_OBJECT : JSON_ARRAY;
        ok = members(r, named ? '}' : ']', named, depth + 1);
    } else if (*r->at == 't' || *r->at == 'f') {
        field->type = JSON_BOOL;
        field->number = *r->at == 't';
        ok = word(r, *r->at == 't' ? "true" : "false");
    } else if (*r->at == 'n') {
        field->type = JSON_NULL;
        ok = word(r, "null");
    } else {
        field->type = JSON_NUMBER;
        ok = number(r, &field->number);
    }
    field->size = (size_t)(r->at - field->text);
    return ok;
}

bool json_walk(const char *text, size_t size,
               void (*visit)(void *arg, const struct json_field *field), void *arg) {
    struct reader r = {text, text ? text + size : text};
    if (!text || !eat(&r, '{')) return false;
    if (!eat(&r, '}')) {
        do {
            struct json_field field;
            if (!string(&r, field.name, sizeof field.name) || !eat(&r, ':') ||
                !value(&r, &field, 0))
                return false;
            visit(arg, &field);
        } while (eat(&r, ','));
        if (!eat(&r, '}')) return false;
    }
    blanks(&r);
    return r.at == r.end;
}
