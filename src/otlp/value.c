/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/value.h"

/* Fields of AnyValue. */
enum { ANY_STRING = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_MAP, ANY_BYTES };

static void set_str(struct weir_value *ret, enum weir_value_type type, struct weir_view bytes) {
    *ret = (struct weir_value){.type = type, .str = bytes};
}

bool weir_value_decode(struct weir_view any, struct weir_value *ret) {
    struct weir_pb pb = weir_pb(any);
    struct weir_pb_field field;
    int rc;
    *ret = (struct weir_value){.type = WEIR_VALUE_NONE};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(ANY_STRING, BYTES): set_str(ret, WEIR_VALUE_STRING, field.bytes); break;
        case WEIR_PB_KEY(ANY_BOOL, VARINT): *ret = weir_value_bool(field.value != 0); break;
        case WEIR_PB_KEY(ANY_INT, VARINT): *ret = weir_value_i64((int64_t)field.value); break;
        case WEIR_PB_KEY(ANY_DOUBLE, FIXED64):
            *ret = weir_value_f64(weir_pb_to_f64(field.value));
            break;
        case WEIR_PB_KEY(ANY_ARRAY, BYTES): set_str(ret, WEIR_VALUE_ARRAY, field.bytes); break;
        case WEIR_PB_KEY(ANY_MAP, BYTES): set_str(ret, WEIR_VALUE_MAP, field.bytes); break;
        case WEIR_PB_KEY(ANY_BYTES, BYTES): set_str(ret, WEIR_VALUE_BYTES, field.bytes); break;
        default: break;
        }
    }
    return rc == 0;
}

bool weir_value_decode_attr(struct weir_view key_value, struct weir_attr *ret) {
    struct weir_pb pb = weir_pb(key_value);
    struct weir_pb_field field;
    int rc;
    *ret = (struct weir_attr){.key = WEIR_VIEW("")};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        if (field.wire != WEIR_PB_BYTES) continue;
        if (field.number == 1) ret->key = field.bytes;
        if (field.number == 2 && !weir_value_decode(field.bytes, &ret->value)) return false;
    }
    return rc == 0;
}

static bool is_valid_at(struct weir_value value, unsigned depth);

static bool is_valid_inside(struct weir_value value, unsigned depth) {
    struct weir_pb pb = weir_pb(value.str);
    struct weir_pb_field field;
    int rc;
    if (depth >= WEIR_VALUE_DEPTH_MAX) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        struct weir_attr attr = {.key = WEIR_VIEW("")};
        if (field.number != 1 || field.wire != WEIR_PB_BYTES) continue;
        if (!(value.type == WEIR_VALUE_MAP ? weir_value_decode_attr(field.bytes, &attr)
                                           : weir_value_decode(field.bytes, &attr.value)))
            return false;
        if (!weir_view_is_utf8(attr.key) || !is_valid_at(attr.value, depth + 1)) return false;
    }
    return rc == 0;
}

static bool is_valid_at(struct weir_value value, unsigned depth) {
    if (value.type == WEIR_VALUE_STRING) return weir_view_is_utf8(value.str);
    if (value.type == WEIR_VALUE_ARRAY || value.type == WEIR_VALUE_MAP)
        return is_valid_inside(value, depth);
    return true;
}

bool weir_value_is_valid(struct weir_value value) {
    return is_valid_at(value, 0);
}

struct weir_value_cursor weir_value_cursor(struct weir_value array_or_map) {
    bool nested = array_or_map.type == WEIR_VALUE_ARRAY || array_or_map.type == WEIR_VALUE_MAP;
    return (struct weir_value_cursor){weir_pb(nested ? array_or_map.str : weir_view(NULL, 0))};
}

static bool next_element(struct weir_value_cursor *cursor, struct weir_view *ret) {
    struct weir_pb_field field;
    while (weir_pb_next(&cursor->pb, &field) > 0) {
        if (field.number != 1 || field.wire != WEIR_PB_BYTES) continue;
        *ret = field.bytes;
        return true;
    }
    return false;
}

bool weir_value_next(struct weir_value_cursor *cursor, struct weir_value *ret) {
    struct weir_view bytes;
    return next_element(cursor, &bytes) && weir_value_decode(bytes, ret);
}

bool weir_value_next_attr(struct weir_value_cursor *cursor, struct weir_attr *ret) {
    struct weir_view bytes;
    return next_element(cursor, &bytes) && weir_value_decode_attr(bytes, ret);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_json_inside(struct weir_json_writer *w, struct weir_value value) {
    struct weir_value_cursor cursor = weir_value_cursor(value);
    struct weir_attr attr;
    if (value.type == WEIR_VALUE_ARRAY) {
        weir_json_begin_array(w);
        while (weir_value_next(&cursor, &attr.value)) weir_value_add_json(w, attr.value);
        weir_json_end_array(w);
        return;
    }
    weir_json_begin_object(w);
    while (weir_value_next_attr(&cursor, &attr)) {
        weir_json_key_view(w, attr.key);
        weir_value_add_json(w, attr.value);
    }
    weir_json_end_object(w);
}

void weir_value_add_json(struct weir_json_writer *w, struct weir_value value) {
    switch (value.type) {
    case WEIR_VALUE_NONE: weir_json_add_null(w); break;
    case WEIR_VALUE_STRING: weir_json_add_str(w, value.str); break;
    case WEIR_VALUE_BOOL: weir_json_add_bool(w, value.boolean); break;
    case WEIR_VALUE_INT: weir_json_add_i64(w, value.i64); break;
    case WEIR_VALUE_DOUBLE: weir_json_add_f64(w, value.f64); break;
    case WEIR_VALUE_BYTES: weir_json_add_base64(w, value.str); break;
    case WEIR_VALUE_ARRAY:
    case WEIR_VALUE_MAP: add_json_inside(w, value); break;
    }
}

static void add_otlp_attr(struct weir_json_writer *w, struct weir_attr attr) {
    weir_json_begin_object(w);
    weir_json_key(w, "key");
    weir_json_add_str(w, attr.key);
    if (attr.value.type != WEIR_VALUE_NONE) {
        weir_json_key(w, "value");
        weir_value_add_otlp_json(w, attr.value);
    }
    weir_json_end_object(w);
}

static void add_otlp_inside(struct weir_json_writer *w, struct weir_value value) {
    struct weir_value_cursor cursor = weir_value_cursor(value);
    struct weir_attr attr;
    weir_json_begin_object(w);
    weir_json_key(w, "values");
    weir_json_begin_array(w);
    if (value.type == WEIR_VALUE_ARRAY)
        while (weir_value_next(&cursor, &attr.value)) weir_value_add_otlp_json(w, attr.value);
    else
        while (weir_value_next_attr(&cursor, &attr)) add_otlp_attr(w, attr);
    weir_json_end_array(w);
    weir_json_end_object(w);
}

void weir_value_add_otlp_json(struct weir_json_writer *w, struct weir_value value) {
    static const char *const names[] = {
        [WEIR_VALUE_STRING] = "stringValue", [WEIR_VALUE_BOOL] = "boolValue",
        [WEIR_VALUE_INT] = "intValue",       [WEIR_VALUE_DOUBLE] = "doubleValue",
        [WEIR_VALUE_BYTES] = "bytesValue",   [WEIR_VALUE_ARRAY] = "arrayValue",
        [WEIR_VALUE_MAP] = "kvlistValue",
    };
    weir_json_begin_object(w);
    if (value.type != WEIR_VALUE_NONE) weir_json_key(w, names[value.type]);
    switch (value.type) {
    case WEIR_VALUE_NONE: break;
    case WEIR_VALUE_INT: weir_json_add_i64_str(w, value.i64); break;
    case WEIR_VALUE_ARRAY:
    case WEIR_VALUE_MAP: add_otlp_inside(w, value); break;
    case WEIR_VALUE_STRING:
    case WEIR_VALUE_BOOL:
    case WEIR_VALUE_DOUBLE:
    case WEIR_VALUE_BYTES: weir_value_add_json(w, value); break;
    }
    weir_json_end_object(w);
}

void weir_attrs_add_otlp_json(struct weir_json_writer *w, struct weir_attrs attrs) {
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < attrs.count; i++) add_otlp_attr(w, attrs.items[i]);
    weir_json_end_array(w);
}

/* ---- text ------------------------------------------------------------------------------------ */

void weir_value_add_text(struct weir_buf *buf, struct weir_value value) {
    struct weir_json_writer w = weir_json_writer(buf);
    if (value.type == WEIR_VALUE_STRING)
        weir_buf_add_view(buf, value.str);
    else if (value.type == WEIR_VALUE_DOUBLE)
        weir_json_format_f64(buf, value.f64);
    else if (value.type != WEIR_VALUE_NONE)
        weir_value_add_json(&w, value);
}

/* The commonest after strings: no buffer of its own. */
static struct weir_view int_text(struct weir_arena *arena, int64_t value) {
    char out[20];
    size_t at = sizeof out;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do out[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) out[--at] = '-';
    return weir_arena_copy(arena, weir_view(out + at, sizeof out - at));
}

struct weir_view weir_value_text(struct weir_arena *arena, struct weir_value value) {
    if (value.type == WEIR_VALUE_STRING) return value.str;
    if (value.type == WEIR_VALUE_INT) return int_text(arena, value.i64);
    struct weir_buf buf;
    weir_buf_init(&buf, SIZE_MAX / 2);
    weir_value_add_text(&buf, value);
    struct weir_view text = weir_arena_copy(arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return text;
}

/* ---- encode ---------------------------------------------------------------------------------- */

void weir_value_encode(struct weir_buf *buf, struct weir_value value) {
    switch (value.type) {
    case WEIR_VALUE_NONE: break;
    case WEIR_VALUE_STRING: weir_pb_put_bytes(buf, ANY_STRING, value.str); break;
    case WEIR_VALUE_BOOL: weir_pb_put_varint(buf, ANY_BOOL, value.boolean); break;
    case WEIR_VALUE_INT: weir_pb_put_varint(buf, ANY_INT, (uint64_t)value.i64); break;
    case WEIR_VALUE_DOUBLE: weir_pb_put_f64(buf, ANY_DOUBLE, value.f64); break;
    case WEIR_VALUE_BYTES: weir_pb_put_bytes(buf, ANY_BYTES, value.str); break;
    case WEIR_VALUE_ARRAY: weir_pb_put_bytes(buf, ANY_ARRAY, value.str); break;
    case WEIR_VALUE_MAP: weir_pb_put_bytes(buf, ANY_MAP, value.str); break;
    }
}
