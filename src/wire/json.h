/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: a pull tokenizer and a streaming writer.
 *
 *     weir_json_init(&json, text);
 *     while ((token = weir_json_next(&json)) != WEIR_JSON_END) ...
 *
 * The reader checks the grammar, UTF-8, escapes, and depth (≤ 128); errors carry line and column.
 * Strings come raw (`json.text`, escapes inside) and are decoded into an arena only when asked.
 *
 * Threads: owner only. Memory: views into the input; decoded strings in the arena.
 * Source: RFC 8259.
 */
#ifndef WEIR_WIRE_JSON_H
#define WEIR_WIRE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum weir_json_token {
    WEIR_JSON_END,    /* the one value is complete */
    WEIR_JSON_ERROR,  /* malformed: see json.error */
    WEIR_JSON_OBJECT, /* { */
    WEIR_JSON_OBJECT_END,
    WEIR_JSON_ARRAY, /* [ */
    WEIR_JSON_ARRAY_END,
    WEIR_JSON_KEY,    /* text: raw key without quotes; the value follows */
    WEIR_JSON_STRING, /* text: raw string without quotes */
    WEIR_JSON_NUMBER, /* text: the digits */
    WEIR_JSON_TRUE,
    WEIR_JSON_FALSE,
    WEIR_JSON_NULL,
};

enum { WEIR_JSON_DEPTH_MAX = 128 };

struct weir_json {
    struct weir_view input;  /* all of it */
    size_t at;               /* next byte */
    size_t start;            /* first byte of the present token */
    struct weir_view text;   /* of KEY, STRING, NUMBER */
    bool escaped;            /* text has backslashes */
    uint32_t depth;          /* open objects and arrays */
    uint64_t object_bits[2]; /* one bit a level: 1 = object, 0 = array */
    uint8_t state;           /* what may come next; private */
    struct weir_error error; /* set with WEIR_JSON_ERROR */
};

void weir_json_init(struct weir_json *json, struct weir_view input);
enum weir_json_token weir_json_next(struct weir_json *json);
/* The current KEY's or STRING's text with escapes resolved: the raw view itself if there are none,
 * else a copy in the arena. */
struct weir_view weir_json_str(struct weir_json *json, struct weir_arena *arena);
/* Refuses the present token for a reason of the caller's: sets `error` with its line and column;
 * every later call gives ERROR. False always. */
bool weir_json_fail(struct weir_json *json, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* After OBJECT or ARRAY: reads on behind its end. After KEY: over the value. False on an error. */
bool weir_json_skip(struct weir_json *json);
/* After OBJECT or ARRAY (`skip`s it) or a scalar: the raw text of the value, with its brackets. */
struct weir_view weir_json_raw(struct weir_json *json, enum weir_json_token token);

/* Writer: puts commas and escapes itself. Not-finite doubles become strings "NaN", "Infinity",
 * "-Infinity" as in the JSON mapping of protobuf. Bytes that are not UTF-8 become U+FFFD. */
struct weir_json_writer {
    struct weir_buf *buf;
    bool comma; /* a value stands before */
};

static inline struct weir_json_writer weir_json_writer(struct weir_buf *buf) {
    return (struct weir_json_writer){.buf = buf};
}
void weir_json_begin_object(struct weir_json_writer *w);
void weir_json_end_object(struct weir_json_writer *w);
void weir_json_begin_array(struct weir_json_writer *w);
void weir_json_end_array(struct weir_json_writer *w);
void weir_json_key(struct weir_json_writer *w, const char *key);
void weir_json_key_view(struct weir_json_writer *w, struct weir_view key);
void weir_json_add_str(struct weir_json_writer *w, struct weir_view str);
void weir_json_add_cstr(struct weir_json_writer *w, const char *str);
void weir_json_add_i64(struct weir_json_writer *w, int64_t value);
void weir_json_add_u64(struct weir_json_writer *w, uint64_t value);
void weir_json_add_f64(struct weir_json_writer *w, double value); /* shortest that reads back */
void weir_json_add_bool(struct weir_json_writer *w, bool value);
void weir_json_add_null(struct weir_json_writer *w);
void weir_json_add_raw(struct weir_json_writer *w, struct weir_view json);
void weir_json_add_hex(struct weir_json_writer *w, const void *ptr, size_t len);
/* 64-bit integers as strings, as OTLP/JSON and Tempo spell them. */
void weir_json_add_i64_str(struct weir_json_writer *w, int64_t value);
void weir_json_add_u64_str(struct weir_json_writer *w, uint64_t value);
void weir_json_add_base64(struct weir_json_writer *w, struct weir_view bytes);
/* The shortest decimal that reads back to the same double, as Go's strconv 'f'/'g' -1 prints it;
 * "+Inf", "-Inf", "NaN". For Prometheus sample values. */
void weir_json_format_f64(struct weir_buf *buf, double value);

#endif
