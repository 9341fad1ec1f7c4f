/* SPDX-License-Identifier: Apache-2.0 */
/* A record that holds its fields encoded as OTLP from the start: whatever the application adds is
 * appended, and the exporter copies it as it lies.
 *
 * The data lies in the block behind a head; a record whose data outgrows it gets a heap buffer.
 *
 * Threads: the record's owner. Memory: freed with the record.
 */
#ifndef WEIR_SDK_ENCODED_H
#define WEIR_SDK_ENCODED_H

#include "sdk/lane.h"

enum {
    WEIR_ENCODED_HEAD_SIZE = 160, /* of the block: struct weir_span, or just struct weir_encoded */
    WEIR_ENCODED_INLINE_SIZE = WEIR_LANE_LARGE_SIZE - WEIR_ENCODED_HEAD_SIZE,
    WEIR_ENCODED_SIZE_MAX = 1 << 20, /* data bytes of one record */
};

struct weir_encoded {
    struct weir_lane_record record;
    uint8_t *data; /* in the block, or the heap's */
    uint32_t size, room;
};

/* A record without data; NULL as weir_lane_take. The class is of the large size and its `done` is
 * weir_encoded_done. Lane's owner. */
static inline struct weir_encoded *weir_encoded_take(struct weir_lane *lane,
                                                     const struct weir_lane_class *class,
                                                     const struct weir_instrumentation *scope) {
    struct weir_encoded *encoded = (void *)weir_lane_take(lane, class, scope);
    if (!encoded) return NULL;
    encoded->data = (uint8_t *)encoded + WEIR_ENCODED_HEAD_SIZE;
    encoded->size = 0;
    encoded->room = WEIR_ENCODED_INLINE_SIZE;
    return encoded;
}
void weir_encoded_done(struct weir_lane_record *record);
/* Room for `size` more bytes of data: gives where they go (add to ->size yourself), NULL when
 * refused. */
uint8_t *weir_encoded_grow(struct weir_encoded *encoded, size_t size);
static inline uint8_t *weir_encoded_reserve(struct weir_encoded *encoded, size_t size) {
    if (__builtin_expect(size <= encoded->room - encoded->size, 1))
        return encoded->data + encoded->size;
    return weir_encoded_grow(encoded, size);
}

#endif
