/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/json.h"
#include "otlp/value.h"

static enum weir_pb_wire wire_of(enum weir_otlp_kind kind) {
    switch (kind) {
    case WEIR_OTLP_STRING:
    case WEIR_OTLP_BYTES:
    case WEIR_OTLP_ID:
    case WEIR_OTLP_MESSAGE: return WEIR_PB_BYTES;
    case WEIR_OTLP_FIXED32: return WEIR_PB_FIXED32;
    case WEIR_OTLP_FIXED64:
    case WEIR_OTLP_SFIXED64:
    case WEIR_OTLP_DOUBLE: return WEIR_PB_FIXED64;
    case WEIR_OTLP_BOOL:
    case WEIR_OTLP_UINT32:
    case WEIR_OTLP_INT64:
    case WEIR_OTLP_UINT64:
    case WEIR_OTLP_SINT32:
    case WEIR_OTLP_ENUM: break;
    }
    return WEIR_PB_VARINT;
}

static bool add_any_value(struct weir_json_writer *w, struct weir_view bytes) {
    struct weir_value value;
    if (!weir_value_decode(bytes, &value) || !weir_value_is_valid(value)) {
        weir_json_add_null(w);
        return false;
    }
    weir_value_add_otlp_json(w, value);
    return true;
}

static bool add_value(struct weir_json_writer *w, const struct weir_otlp_field *field,
                      uint64_t value, struct weir_view bytes) {
    switch ((enum weir_otlp_kind)field->kind) {
    case WEIR_OTLP_STRING: weir_json_add_str(w, bytes); break;
    case WEIR_OTLP_BYTES: weir_json_add_base64(w, bytes); break;
    case WEIR_OTLP_ID: weir_json_add_hex(w, bytes.ptr, bytes.len); break;
    case WEIR_OTLP_BOOL: weir_json_add_bool(w, value != 0); break;
    case WEIR_OTLP_UINT32:
    case WEIR_OTLP_FIXED32: weir_json_add_u64(w, (uint32_t)value); break;
    case WEIR_OTLP_ENUM: weir_json_add_i64(w, (int32_t)(uint32_t)value); break;
    case WEIR_OTLP_SINT32: weir_json_add_i64(w, (int32_t)weir_pb_to_sint(value)); break;
    case WEIR_OTLP_INT64:
    case WEIR_OTLP_SFIXED64: weir_json_add_i64_str(w, (int64_t)value); break;
    case WEIR_OTLP_UINT64:
    case WEIR_OTLP_FIXED64: weir_json_add_u64_str(w, value); break;
    case WEIR_OTLP_DOUBLE: weir_json_add_f64(w, weir_pb_to_f64(value)); break;
    case WEIR_OTLP_MESSAGE:
        return field->message == &weir_otlp_message_any_value
                   ? add_any_value(w, bytes)
                   : weir_otlp_json_add(w, field->message, bytes);
    }
    return true;
}

static bool add_packed(struct weir_json_writer *w, const struct weir_otlp_field *field,
                       struct weir_view bytes) {
    struct weir_pb pb = weir_pb(bytes);
    while (pb.at < pb.end) {
        uint64_t value;
        if (field->kind == WEIR_OTLP_UINT64) {
            if (!weir_pb_varint(&pb, &value)) return false;
        } else {
            if (pb.end - pb.at < 8) return false;
            memcpy(&value, pb.at, 8); /* little-endian, as we are */
            pb.at += 8;
        }
        add_value(w, field, value, bytes);
    }
    return true;
}

/* All occurrences, in one array, however the encoder spread them. */
static bool add_repeated(struct weir_json_writer *w, const struct weir_otlp_field *field,
                         struct weir_view message) {
    struct weir_pb pb = weir_pb(message);
    struct weir_pb_field at;
    enum weir_pb_wire wire = wire_of((enum weir_otlp_kind)field->kind);
    bool ok = true;
    weir_json_key(w, field->name);
    weir_json_begin_array(w);
    while (ok && weir_pb_next(&pb, &at) > 0) {
        if (at.number != field->number) continue;
        if (at.wire == wire)
            ok = add_value(w, field, at.value, at.bytes);
        else if (at.wire == WEIR_PB_BYTES)
            ok = add_packed(w, field, at.bytes);
    }
    weir_json_end_array(w);
    return ok;
}

/* The last occurrence counts; the default is left out where absence says the same. */
static bool add_single(struct weir_json_writer *w, const struct weir_otlp_field *field,
                       struct weir_view message) {
    struct weir_pb pb = weir_pb(message);
    struct weir_pb_field at, last = {.number = 0};
    enum weir_pb_wire wire = wire_of((enum weir_otlp_kind)field->kind);
    while (weir_pb_next(&pb, &at) > 0)
        if (at.number == field->number && at.wire == wire) last = at;
    if (!last.number) return true;
    if (!(field->flags & WEIR_OTLP_PRESENCE) && last.value == 0 && last.bytes.len == 0) return true;
    weir_json_key(w, field->name);
    return add_value(w, field, last.value, last.bytes);
}

static bool is_repeated_here(const struct weir_otlp_field *field, const struct weir_pb_field *at) {
    return at->number == field->number &&
           (at->wire == wire_of((enum weir_otlp_kind)field->kind) ||
            (at->wire == WEIR_PB_BYTES && at->bytes.len)); /* an empty packed list is no list */
}

bool weir_otlp_json_add_fields(struct weir_json_writer *w, const struct weir_otlp_message *message,
                               struct weir_view bytes) {
    uint32_t seen = 0; /* by index into the table: which fields are there at all */
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field at;
    int rc;
    while ((rc = weir_pb_next(&pb, &at)) > 0)
        for (uint32_t i = 0; i < message->fields_count; i++)
            if (is_repeated_here(&message->fields[i], &at)) seen |= 1U << i;
    if (rc < 0) return false;
    bool ok = true;
    for (uint32_t i = 0; ok && i < message->fields_count; i++) {
        const struct weir_otlp_field *field = &message->fields[i];
        if (!(seen >> i & 1)) continue;
        ok = field->flags & WEIR_OTLP_REPEATED ? add_repeated(w, field, bytes)
                                               : add_single(w, field, bytes);
    }
    return ok;
}

bool weir_otlp_json_add(struct weir_json_writer *w, const struct weir_otlp_message *message,
                        struct weir_view bytes) {
    weir_json_begin_object(w);
    bool ok = weir_otlp_json_add_fields(w, message, bytes);
    weir_json_end_object(w);
    return ok;
}
