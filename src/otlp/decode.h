/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of batch decoding: what the three signals share. Used by batch.c and decode_*.c only.
 *
 * A first walk counts resources, scopes, records and points, so that each index array is allocated
 * once, at its size; a second walk fills them. Functions give false when the body is malformed as a
 * whole (the error is set). A record that is invalid by itself is rejected: counted, and its slot
 * used again.
 *
 * Threads: owner only. Memory: all in the batch's arena.
 */
#ifndef WEIR_OTLP_DECODE_H
#define WEIR_OTLP_DECODE_H

#include "otlp/batch.h"
#include "wire/pb.h"

struct weir_otlp_decoder {
    struct weir_otlp_batch *batch; /* its counts say how much of each array is filled */
    struct weir_arena *arena;      /* the batch's */
    struct weir_error *err;        /* may be NULL */
    struct weir_otlp_resource *resources;
    struct weir_otlp_scope *scopes;
    struct weir_otlp_span *spans;
    struct weir_otlp_log *logs;
    struct weir_otlp_metric *metrics;
    struct weir_otlp_point *points;
};

/* Occurrences of each length-delimited field below 16. */
struct weir_otlp_counts {
    uint32_t of[16];
};

/* Attributes under way: room for all that the message has. */
struct weir_otlp_attr_list {
    struct weir_attr *items;
    uint32_t count, room;
};

/* Sets WEIR_EINVALID (or WEIR_ETOOBIG when the arena is used up) with words and the offset of `at`
 * in the body; false always. */
bool weir_otlp_decode_fail(struct weir_otlp_decoder *d, const void *at, const char *what);
/* Counts a record as rejected; the words of the first are kept. */
void weir_otlp_decode_reject(struct weir_otlp_decoder *d, uint32_t count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Stops quietly at malformed bytes: the walk that fills tells. */
struct weir_otlp_counts weir_otlp_decode_counts(struct weir_view message);
/* A string field, checked to be UTF-8. `what` names it: "Span.name". */
bool weir_otlp_decode_text(struct weir_otlp_decoder *d, struct weir_view bytes,
                           struct weir_view *ret, const char *what);
bool weir_otlp_decode_attrs_begin(struct weir_otlp_decoder *d, uint32_t count,
                                  struct weir_otlp_attr_list *ret);
bool weir_otlp_decode_attr(struct weir_otlp_decoder *d, struct weir_view bytes,
                           struct weir_otlp_attr_list *list);
static inline struct weir_attrs weir_otlp_decode_attrs_end(const struct weir_otlp_attr_list *list) {
    return (struct weir_attrs){list->items, list->count};
}

/* The id when it has the right size and is not all zero, else NULL. */
const uint8_t *weir_otlp_decode_id(struct weir_view bytes, size_t size);
/* Unsigned nanoseconds as the index keeps them; INT64_MAX stands for "beyond the year 2262". */
static inline int64_t weir_otlp_decode_time(uint64_t ns) {
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* At most 60 bytes of a name, cut between runes, for words about a rejected record. */
static inline struct weir_view weir_otlp_decode_short(struct weir_view name) {
    size_t len = name.len < 60 ? name.len : 60;
    while (len < name.len && len && ((uint8_t)name.ptr[len] & 0xC0) == 0x80) len--;
    return weir_view_upto(name, len);
}

/* One record of each signal; `scope` is its index. */
bool weir_otlp_decode_span(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope);
bool weir_otlp_decode_log(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope);
bool weir_otlp_decode_metric(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope);
/* Data points of one encoded Metric, for the counting walk. */
uint32_t weir_otlp_decode_points_count(struct weir_view metric);

#endif
