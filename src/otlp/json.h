/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP/JSON to OTLP protobuf and back, driven by the tables of otlp/schema.h.
 *
 * Read: lowerCamelCase and original field names; trace and span ids in hex of any case; 64-bit
 * integers as strings or numbers; enums as numbers or names; bytes as base64 (both alphabets, with
 * or without padding); NaN and infinities as strings; null for absent; unknown fields are skipped.
 * Written: what OTLP/JSON prescribes; default values are left out.
 *
 * Threads: any. Memory: the caller's buffers.
 * Source: opentelemetry-proto, docs/specification.md, JSON Protobuf Encoding.
 */
#ifndef WEIR_OTLP_JSON_H
#define WEIR_OTLP_JSON_H

#include "otlp/schema.h"
#include "wire/json.h"

/* Adds the encoded message to `out`. WEIR_EINVALID with line and column; WEIR_ETOOBIG when `out` is
 * full. */
int weir_otlp_json_to_pb(const struct weir_otlp_message *message, struct weir_view text,
                         struct weir_buf *out, struct weir_error *reterr);

/* Adds the encoded message as one JSON object; false when it is malformed (the JSON then ends early
 * but is balanced). */
bool weir_otlp_json_add(struct weir_json_writer *w, const struct weir_otlp_message *message,
                        struct weir_view bytes);
/* Only its members, into an object that the caller opened: "events":[…] out of a Span message that
 * has only events. */
bool weir_otlp_json_add_fields(struct weir_json_writer *w, const struct weir_otlp_message *message,
                               struct weir_view bytes);

#endif
