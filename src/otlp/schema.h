/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's messages as tables: what OTLP/JSON is read and written with.
 *
 * Threads: constant data.
 * Source: opentelemetry-proto 1.11; names as in its JSON mapping.
 */
#ifndef WEIR_OTLP_SCHEMA_H
#define WEIR_OTLP_SCHEMA_H

#include "otlp/batch.h"

enum weir_otlp_kind {
    WEIR_OTLP_STRING,
    WEIR_OTLP_BYTES, /* base64 in JSON */
    WEIR_OTLP_ID,    /* bytes that are hex in JSON */
    WEIR_OTLP_BOOL,
    WEIR_OTLP_UINT32,
    WEIR_OTLP_INT64,  /* varint; a string in JSON */
    WEIR_OTLP_UINT64, /* varint; a string in JSON */
    WEIR_OTLP_SINT32, /* zigzag varint */
    WEIR_OTLP_ENUM,   /* a number in JSON; its name is read, too */
    WEIR_OTLP_FIXED32,
    WEIR_OTLP_FIXED64, /* a string in JSON */
    WEIR_OTLP_SFIXED64,
    WEIR_OTLP_DOUBLE,
    WEIR_OTLP_MESSAGE,
};

enum weir_otlp_field_flags {
    WEIR_OTLP_REPEATED = 1, /* numbers are packed */
    WEIR_OTLP_PRESENCE = 2, /* the default value is written, too: oneof or optional */
};

struct weir_otlp_message;

struct weir_otlp_field {
    const char *name; /* lowerCamelCase */
    uint16_t number;
    uint8_t kind;                            /* enum weir_otlp_kind */
    uint8_t flags;                           /* enum weir_otlp_field_flags */
    const struct weir_otlp_message *message; /* MESSAGE */
    const char *const *enum_names;           /* ENUM: by value, NULL-terminated */
};

struct weir_otlp_message {
    const char *name; /* for errors: "Span" */
    const struct weir_otlp_field *fields;
    uint32_t fields_count;
};

extern const struct weir_otlp_message weir_otlp_message_any_value;
extern const struct weir_otlp_message weir_otlp_message_resource;
extern const struct weir_otlp_message weir_otlp_message_scope;
extern const struct weir_otlp_message weir_otlp_message_span;
extern const struct weir_otlp_message weir_otlp_message_metric;
extern const struct weir_otlp_message weir_otlp_message_log;

/* Export{Trace,Metrics,Logs}ServiceRequest. */
const struct weir_otlp_message *weir_otlp_message_request(enum weir_signal signal);

#endif
