/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/text.h"
#include "otlp/json.h"
#include "wire/pb.h"

/* One conversion: the reader, the writer, and room for what has escapes. */
struct converter {
    struct weir_json json;
    struct weir_buf *out;
    struct weir_arena scratch;
    const struct weir_otlp_message *message; /* whose field is read, for errors */
    const struct weir_otlp_field *field;
};

static bool refuse(struct converter *c, const char *wanted) {
    return weir_json_fail(&c->json, "%s.%s must be %s", c->message->name, c->field->name, wanted);
}

/* ---- scalars --------------------------------------------------------------------------------- */

static bool bytes_of_hex(struct converter *c, struct weir_view text, struct weir_view *ret) {
    uint8_t *bytes = weir_arena_alloc_aligned(&c->scratch, text.len / 2 + 1, 1);
    if (!bytes || !weir_view_to_bytes_hex(text, bytes, text.len / 2))
        return refuse(c, "hex digits");
    *ret = weir_view(bytes, text.len / 2);
    return true;
}

static bool put_bytes(struct converter *c, enum weir_json_token token) {
    const struct weir_otlp_field *field = c->field;
    if (token != WEIR_JSON_STRING) return refuse(c, "a string");
    struct weir_view bytes = weir_json_str(&c->json, &c->scratch);
    if (field->kind == WEIR_OTLP_ID && !bytes_of_hex(c, bytes, &bytes)) return false;
    if (field->kind == WEIR_OTLP_BYTES && !weir_text_base64_decode(&c->scratch, bytes, &bytes))
        return refuse(c, "base64");
    if (bytes.len || field->flags) weir_pb_put_bytes(c->out, field->number, bytes);
    return true;
}

static bool put_bool(struct converter *c, enum weir_json_token token) {
    if (token != WEIR_JSON_TRUE && token != WEIR_JSON_FALSE) return refuse(c, "true or false");
    if (token == WEIR_JSON_TRUE || c->field->flags)
        weir_pb_put_varint(c->out, c->field->number, token == WEIR_JSON_TRUE);
    return true;
}

static bool f64_of(struct converter *c, enum weir_json_token token, double *ret) {
    struct weir_view text = c->json.text;
    if (token == WEIR_JSON_STRING) {
        if (weir_view_is(text, "Infinity")) return *ret = INFINITY, true;
        if (weir_view_is(text, "-Infinity")) return *ret = -INFINITY, true;
        if (weir_view_is(text, "NaN")) return *ret = NAN, true;
    }
    /* Decimals only: no "nan(...)", hexadecimal or "inf" that strtod would take. Digits past the
     * number's room cannot move the nearest double by more than rounding. */
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789+-.eE", text.ptr[i]) || text.ptr[i] == 0)
            return refuse(c, "a number");
    if ((token != WEIR_JSON_NUMBER && token != WEIR_JSON_STRING) || !text.len)
        return refuse(c, "a number");
    char *copy = weir_arena_strdup(&c->scratch, text), *end;
    if (!copy) return refuse(c, "shorter");
    *ret = weir_number_strtod(copy, &end);
    return *end == 0 || refuse(c, "a number");
}

/* An integer as a number or a string; 1e3 and 5.0 are integers, too. Wraps into
 * the field's bits. */
static bool integer_of(struct converter *c, enum weir_json_token token, bool is_signed,
                       uint64_t *ret) {
    struct weir_view text = c->json.text;
    int64_t i64;
    double f64 = 0;
    if (token != WEIR_JSON_NUMBER && token != WEIR_JSON_STRING) return refuse(c, "an integer");
    if (weir_view_to_u64(text, ret) && (!is_signed || *ret <= INT64_MAX)) return true;
    if (is_signed && weir_view_to_i64(text, &i64)) return *ret = (uint64_t)i64, true;
    if (token == WEIR_JSON_STRING) return refuse(c, "an integer in range");
    if (!f64_of(c, token, &f64)) return false;
    if (f64 != trunc(f64) || f64 < (is_signed ? -0x1p63 : 0) ||
        f64 >= (is_signed ? 0x1p63 : 0x1p64))
        return refuse(c, is_signed ? "an integer in range" : "an unsigned integer in range");
    *ret = is_signed ? (uint64_t)(int64_t)f64 : (uint64_t)f64;
    return true;
}

static bool enum_of(struct converter *c, enum weir_json_token token, uint64_t *ret) {
    if (token == WEIR_JSON_STRING)
        for (uint32_t i = 0; c->field->enum_names[i]; i++)
            if (weir_view_is(c->json.text, c->field->enum_names[i])) return *ret = i, true;
    if (token == WEIR_JSON_STRING) {
        const char *nearest = weir_view_nearest(c->json.text, c->field->enum_names);
        return weir_json_fail(&c->json, "%s.%s has no value \"%.*s\"%s%s", c->message->name,
                              c->field->name, (int)(c->json.text.len < 40 ? c->json.text.len : 40),
                              c->json.text.ptr, nearest ? "; did you mean " : "",
                              nearest ? nearest : "");
    }
    if (!integer_of(c, token, true, ret)) return false;
    int64_t value = (int64_t)*ret;
    return (value >= INT32_MIN && value <= INT32_MAX) || refuse(c, "an enum value");
}

/* The bits that the field's wire form carries. */
static bool number_of(struct converter *c, enum weir_json_token token, uint64_t *ret) {
    double f64;
    switch ((enum weir_otlp_kind)c->field->kind) {
    case WEIR_OTLP_ENUM: return enum_of(c, token, ret);
    case WEIR_OTLP_INT64:
    case WEIR_OTLP_SFIXED64: return integer_of(c, token, true, ret);
    case WEIR_OTLP_UINT64:
    case WEIR_OTLP_FIXED64: return integer_of(c, token, false, ret);
    case WEIR_OTLP_UINT32:
    case WEIR_OTLP_FIXED32:
        return integer_of(c, token, false, ret) &&
               (*ret <= UINT32_MAX || refuse(c, "at most 4294967295"));
    case WEIR_OTLP_SINT32:
        if (!integer_of(c, token, true, ret)) return false;
        if ((int64_t)*ret < INT32_MIN || (int64_t)*ret > INT32_MAX)
            return refuse(c, "a 32-bit integer");
        *ret = weir_pb_from_sint((int64_t)*ret);
        return true;
    case WEIR_OTLP_DOUBLE:
        if (!f64_of(c, token, &f64)) return false;
        memcpy(ret, &f64, sizeof f64);
        return true;
    case WEIR_OTLP_STRING:
    case WEIR_OTLP_BYTES:
    case WEIR_OTLP_ID:
    case WEIR_OTLP_BOOL:
    case WEIR_OTLP_MESSAGE: break;
    }
    return refuse(c, "something else");
}

static bool put_number(struct converter *c, enum weir_json_token token) {
    const struct weir_otlp_field *field = c->field;
    uint64_t value;
    if (!number_of(c, token, &value)) return false;
    if (value == 0 && !(field->flags & WEIR_OTLP_PRESENCE)) return true;
    switch ((enum weir_otlp_kind)field->kind) {
    case WEIR_OTLP_FIXED32: weir_pb_put_fixed32(c->out, field->number, (uint32_t)value); break;
    case WEIR_OTLP_FIXED64:
    case WEIR_OTLP_SFIXED64:
    case WEIR_OTLP_DOUBLE: weir_pb_put_fixed64(c->out, field->number, value); break;
    case WEIR_OTLP_UINT32:
    case WEIR_OTLP_INT64:
    case WEIR_OTLP_UINT64:
    case WEIR_OTLP_SINT32:
    case WEIR_OTLP_ENUM:
    case WEIR_OTLP_STRING:
    case WEIR_OTLP_BYTES:
    case WEIR_OTLP_ID:
    case WEIR_OTLP_BOOL:
    case WEIR_OTLP_MESSAGE: weir_pb_put_varint(c->out, field->number, value); break;
    }
    return true;
}

/* ---- messages and arrays --------------------------------------------------------------------- */

static bool put_message(struct converter *c, const struct weir_otlp_message *message);

static bool put_value(struct converter *c, enum weir_json_token token) {
    const struct weir_otlp_field *field = c->field;
    switch ((enum weir_otlp_kind)field->kind) {
    case WEIR_OTLP_STRING:
    case WEIR_OTLP_BYTES:
    case WEIR_OTLP_ID: return put_bytes(c, token);
    case WEIR_OTLP_BOOL: return put_bool(c, token);
    case WEIR_OTLP_MESSAGE: {
        if (token != WEIR_JSON_OBJECT) return refuse(c, "an object");
        size_t mark = weir_pb_begin(c->out, field->number);
        if (!put_message(c, field->message)) return false;
        weir_pb_end(c->out, mark);
        return true;
    }
    case WEIR_OTLP_UINT32:
    case WEIR_OTLP_INT64:
    case WEIR_OTLP_UINT64:
    case WEIR_OTLP_SINT32:
    case WEIR_OTLP_ENUM:
    case WEIR_OTLP_FIXED32:
    case WEIR_OTLP_FIXED64:
    case WEIR_OTLP_SFIXED64:
    case WEIR_OTLP_DOUBLE: break;
    }
    return put_number(c, token);
}

/* A list of numbers: packed, one length for all. */
static bool put_packed(struct converter *c) {
    const struct weir_otlp_field *field = c->field;
    enum weir_json_token token = weir_json_next(&c->json);
    if (token == WEIR_JSON_ARRAY_END) return true;
    size_t mark = weir_pb_begin(c->out, field->number);
    for (; token != WEIR_JSON_ARRAY_END; token = weir_json_next(&c->json)) {
        uint64_t value;
        if (token == WEIR_JSON_ERROR || !number_of(c, token, &value)) return false;
        if (field->kind == WEIR_OTLP_UINT64)
            weir_pb_add_varint(c->out, value);
        else
            weir_buf_add(c->out, &value, sizeof value); /* little-endian, as we are */
    }
    weir_pb_end(c->out, mark);
    return true;
}

static bool put_array(struct converter *c, enum weir_json_token token) {
    const struct weir_otlp_message *message = c->message;
    const struct weir_otlp_field *field = c->field;
    if (token != WEIR_JSON_ARRAY) return refuse(c, "an array");
    if (field->kind == WEIR_OTLP_DOUBLE || field->kind == WEIR_OTLP_FIXED64 ||
        field->kind == WEIR_OTLP_UINT64)
        return put_packed(c);
    while ((token = weir_json_next(&c->json)) != WEIR_JSON_ARRAY_END) {
        c->message = message; /* what lies inside has changed them */
        c->field = field;
        if (token == WEIR_JSON_ERROR || !put_value(c, token)) return false;
    }
    return true;
}

/* trace_id → traceId; a key without underscores stays. */
static struct weir_view camel_case(struct weir_view key, char room[static 64]) {
    if (key.len == 0 || key.len > 64 || !memchr(key.ptr, '_', key.len)) return key;
    size_t len = 0;
    for (size_t i = 0; i < key.len; i++) {
        char next = i + 1 < key.len ? key.ptr[i + 1] : 0;
        if (key.ptr[i] == '_' && next >= 'a' && next <= 'z')
            room[len++] = (char)(key.ptr[++i] - 32);
        else
            room[len++] = key.ptr[i];
    }
    return weir_view(room, len);
}

/* Fields mostly come in the table's order: the search starts behind the last one found. */
static const struct weir_otlp_field *find_field(const struct weir_otlp_message *message,
                                                struct weir_view key, uint32_t *hint) {
    for (uint32_t i = 0; i < message->fields_count; i++) {
        uint32_t at =
            *hint + i < message->fields_count ? *hint + i : *hint + i - message->fields_count;
        if (!weir_view_is(key, message->fields[at].name)) continue;
        *hint = at + 1 < message->fields_count ? at + 1 : 0;
        return &message->fields[at];
    }
    return NULL;
}

/* The members of an object whose '{' has been read, up to its '}'. */
static bool put_message(struct converter *c, const struct weir_otlp_message *message) {
    enum weir_json_token token;
    uint32_t hint = 0;
    while ((token = weir_json_next(&c->json)) == WEIR_JSON_KEY) {
        char room[64];
        struct weir_view key = camel_case(weir_json_str(&c->json, &c->scratch), room);
        const struct weir_otlp_field *field = find_field(message, key, &hint);
        if (!field) {
            if (!weir_json_skip(&c->json)) return false;
            continue;
        }
        token = weir_json_next(&c->json);
        if (token == WEIR_JSON_ERROR) return false;
        if (token == WEIR_JSON_NULL) continue;
        c->message = message;
        c->field = field;
        if (!(field->flags & WEIR_OTLP_REPEATED ? put_array(c, token) : put_value(c, token)))
            return false;
    }
    return token == WEIR_JSON_OBJECT_END;
}

int weir_otlp_json_to_pb(const struct weir_otlp_message *message, struct weir_view text,
                         struct weir_buf *out, struct weir_error *reterr) {
    struct converter c = {.out = out};
    weir_json_init(&c.json, text);
    weir_arena_init(&c.scratch, 4 * text.len + (1 << 16));
    enum weir_json_token token = weir_json_next(&c.json);
    bool ok = token == WEIR_JSON_OBJECT
                  ? put_message(&c, message)
                  : weir_json_fail(&c.json, "%s must be an object", message->name);
    ok = ok && weir_json_next(&c.json) == WEIR_JSON_END;
    bool full = out->failed || c.scratch.failed;
    weir_arena_done(&c.scratch);
    if (full)
        return weir_error_set(reterr, WEIR_ETOOBIG, "OTLP/JSON: more than %zu bytes",
                              out->size_max);
    if (ok) return WEIR_OK;
    return weir_error_at(reterr, WEIR_EINVALID, c.json.error.line, c.json.error.column, "OTLP/%s",
                         c.json.error.message);
}

int weir_otlp_batch_decode_json(enum weir_signal signal, struct weir_view text,
                                size_t arena_size_max, struct weir_otlp_batch **ret_batch,
                                struct weir_error *reterr) {
    struct weir_buf buf;
    weir_buf_init(&buf, 4 * text.len + 1024); /* "1," becomes eight bytes in a list of bounds */
    int rc = weir_otlp_json_to_pb(weir_otlp_message_request(signal), text, &buf, reterr);
    if (rc < 0) {
        weir_buf_done(&buf);
        return rc;
    }
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    return weir_otlp_batch_decode(signal, body, len, arena_size_max, ret_batch, reterr);
}
