/* SPDX-License-Identifier: Apache-2.0 */
/* A send while it is under way, as small as it can be: what differs from one message to the next
 * lies in 128 bytes, what does not is a label, encoded once.
 *
 *     on_send ── take, start ─▶ record ── waits for its acknowledgement ─▶ end ─▶ lane ─▶ exporter
 *                                 └▶ label: span name and attributes of client, operation and topic
 *
 * The exporter's thread writes it as OTLP. What a record has no room for (a tracestate, the key,
 * older attribute names) is an ordinary span, which the record then stands for.
 *
 * Threads: a record's present owner; labels do not change.
 * Memory: a record is its lane's; labels live until the process ends, at most
 * WEIR_KAFKA_LABELS_MAX.
 * Source: OpenTelemetry semantic conventions 1.44, messaging spans; opentelemetry-proto 1.11.
 */
#ifndef WEIR_KAFKA_SEND_RECORD_H
#define WEIR_KAFKA_SEND_RECORD_H

#include "base/view.h"
#include "rd/rd.h"
#include "sdk/lane.h"
#include "weir/trace.h"

enum { WEIR_KAFKA_LABELS_MAX = 65536 };

struct weir_kafka_label {
    struct weir_kafka_label *next; /* in its bucket */
    const struct weir_rd *rd;      /* names errors */
    const struct weir_tracer *tracer;
    uint64_t hash;
    uint32_t size;
    int semconv;     /* of the attributes that are added to it */
    uint8_t bytes[]; /* fields of Span: name and attributes */
};

/* The label with this span name and these attributes, as they are; `semconv` (enum
 * weir_kafka_semconv) names those that are added to it. NULL: memory is out, or there are too many.
 * Takes a lock. Any thread. */
const struct weir_kafka_label *weir_kafka_label_get(
    const struct weir_rd *rd, const struct weir_tracer *tracer, int semconv, const char *name,
    const struct weir_attribute_set *bound, const struct weir_attribute *attrs, size_t count);

enum weir_kafka_record_bits {
    WEIR_KAFKA_RECORD_LINKED = 1, /* the message came with a context: CLIENT, and a link */
    WEIR_KAFKA_RECORD_TOMBSTONE = 2,
    WEIR_KAFKA_RECORD_PARENT_REMOTE = 4,
    WEIR_KAFKA_RECORD_INJECTED = 8, /* the headers are ours */
    WEIR_KAFKA_RECORD_SPAN = 16,    /* stands for `span` */
};

struct weir_kafka_record {
    struct weir_lane_record record;
    _Atomic(const void *) message; /* in flight: its address */
    union {
        struct {
            uint8_t trace_id[16], span_id[8], parent_id[8]; /* parent all zero: a root */
        };
        struct weir_span *span;
    };
    _Atomic int64_t start_ns; /* wall; read by whoever looks for old ones */
    int64_t end_ns;
    const struct weir_kafka_label *label;
    int64_t offset;    /* -1: none */
    int32_t partition; /* -1: none */
    int16_t err;       /* rd_kafka_resp_err_t, or WEIR_KAFKA_ERR_… */
    uint8_t bits;      /* enum weir_kafka_record_bits */
    uint8_t flags;     /* its own W3C flags; those of the link in the upper four */
    uint8_t link_trace_id[16], link_span_id[8];
};

/* Ends that librdkafka has no error for. */
enum { WEIR_KAFKA_ERR_DESTROYED = INT16_MIN, /* the client was, before the acknowledgement */ };

/* How the send is called when it fails: `error.type`, and in words. Static texts. */
const char *weir_kafka_error_type(const struct weir_rd *rd, int err);
const char *weir_kafka_error_text(const struct weir_rd *rd, int err);

/* A record without link, message or ids, that counts as a started span. NULL: none was left, which
 * is counted. Lane's owner. */
struct weir_kafka_record *weir_kafka_record_take(struct weir_lane *lane,
                                                 const struct weir_kafka_label *label);
/* Makes a block that was taken before into such a record. */
void weir_kafka_record_reuse(struct weir_kafka_record *record, struct weir_lane *lane,
                             const struct weir_kafka_label *label);
/* A block that is not counted as anything yet. */
struct weir_kafka_record *weir_kafka_record_spare(struct weir_lane *lane);
/* Ids of a new span: the trace's lower half from a draw that was made already. */
void weir_kafka_record_root(struct weir_kafka_record *record, struct weir_lane *lane,
                            uint64_t draw);
void weir_kafka_record_child(struct weir_kafka_record *record, struct weir_lane *lane,
                             const struct weir_span_context *parent);
void weir_kafka_record_link(struct weir_kafka_record *record, const struct weir_span_context *link);
struct weir_span_context weir_kafka_record_context(const struct weir_kafka_record *record);
/* The span ends now, as acknowledged: partition and offset -1: none. Gives true when the record has
 * left; else it is the caller's still: an empty block, counted as it had to be. Lane's owner; lane
 * NULL: memory was out. */
bool weir_kafka_record_end(struct weir_lane *lane, struct weir_kafka_record *record, int64_t end_ns,
                           int err, int32_t partition, int64_t offset);
/* Forgets the span; the block is the caller's. */
void weir_kafka_record_cancel(struct weir_lane *lane, struct weir_kafka_record *record);

#endif
