/* SPDX-License-Identifier: Apache-2.0 */
/* AnyValue from and to its protobuf form, as JSON and as display text.
 *
 * Decoding is shallow: arrays and maps stay encoded (base/value.h) and are opened level by level
 * with the two cursors. What a batch holds has been checked whole while it was decoded, so cursors
 * over a batch's values never fail.
 *
 * Threads: any. Memory: views into the encoded bytes.
 * Source: opentelemetry-proto 1.11, common/v1/common.proto; OTLP/JSON.
 */
#ifndef WEIR_OTLP_VALUE_H
#define WEIR_OTLP_VALUE_H

#include "base/arena.h"
#include "base/value.h"
#include "wire/json.h"
#include "wire/pb.h"

enum { WEIR_VALUE_DEPTH_MAX = 64 }; /* arrays and maps within each other */

/* One encoded AnyValue; false when it is malformed protobuf. */
bool weir_value_decode(struct weir_view any, struct weir_value *ret);
/* One encoded KeyValue. */
bool weir_value_decode_attr(struct weir_view key_value, struct weir_attr *ret);
/* True when the value is well-formed to its depths: protobuf, UTF-8, at most DEPTH_MAX levels. */
bool weir_value_is_valid(struct weir_value value);

/* Walks an ARRAY's elements, a MAP's entries: true with the next one, false behind the last. */
struct weir_value_cursor {
    struct weir_pb pb;
};
struct weir_value_cursor weir_value_cursor(struct weir_value array_or_map);
bool weir_value_next(struct weir_value_cursor *cursor, struct weir_value *ret);
bool weir_value_next_attr(struct weir_value_cursor *cursor, struct weir_attr *ret);

/* Adds the value as plain JSON: strings, numbers, booleans, arrays, objects; bytes as base64. */
void weir_value_add_json(struct weir_json_writer *w, struct weir_value value);
/* Adds the value as OTLP/JSON's AnyValue: {"stringValue":"x"}, {"intValue":"1"}, … */
void weir_value_add_otlp_json(struct weir_json_writer *w, struct weir_value value);
/* Adds [{"key":…,"value":{…}}, …] as OTLP/JSON writes attributes. */
void weir_attrs_add_otlp_json(struct weir_json_writer *w, struct weir_attrs attrs);
/* Adds the value as text: strings bare, numbers and booleans as in JSON, the rest as JSON. This is
 * how a value becomes a Prometheus or Loki label. */
void weir_value_add_text(struct weir_buf *buf, struct weir_value value);
/* The same as a view: the string's own bytes, else text made in the arena. */
struct weir_view weir_value_text(struct weir_arena *arena, struct weir_value value);

/* Writes the fields of an AnyValue (into an open message). */
void weir_value_encode(struct weir_buf *buf, struct weir_value value);

#endif
