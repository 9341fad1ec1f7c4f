/* SPDX-License-Identifier: Apache-2.0 */
/* A span while it is recorded: a header, and data that is already encoded as fields of an OTLP
 * Span.
 *
 *     data:  [trace_state] [name] [attribute] [event] [link] [attribute] …   in the order they came
 *
 * Protobuf takes fields in any order, so that the exporter adds what the header holds (ids, times,
 * kind, status code, counts) and copies the data as it lies. Replacing an attribute or the name
 * cuts the old field out.
 *
 * Threads: the span's present owner; after weir_lane_push the exporter.
 * Source: opentelemetry-proto 1.11, trace/v1/trace.proto.
 */
#ifndef WEIR_SDK_SPAN_H
#define WEIR_SDK_SPAN_H

#include "base/buf.h"
#include "sdk/encoded.h"
#include "weir/trace.h"

struct weir_span {
    struct weir_encoded record;
    struct weir_span_context context; /* its own identity */
    uint8_t parent_id[8];             /* all zero: root */
    int64_t start_ns, end_ns;
    /* All zero at first, down to links_dropped. */
    uint64_t keys;                   /* weir_attr_key_bit of the attributes so far */
    uint32_t name_at, name_size;     /* the encoded name within data */
    uint32_t status_at, status_size; /* the encoded Status message within data; size 0: none yet */
    uint32_t attributes_count, events_count, links_count;
    uint32_t attributes_dropped, events_dropped, links_dropped;
    uint8_t kind, status;
    bool recording, parent_remote;
};

#endif
