/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/encoded.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *inside(struct weir_encoded *encoded) {
    return (uint8_t *)encoded + WEIR_ENCODED_HEAD_SIZE;
}

struct weir_encoded *weir_encoded_take(struct weir_lane *lane, const struct weir_lane_class *class,
                                       const struct weir_instrumentation *scope) {
    struct weir_encoded *encoded = (void *)weir_lane_take(lane, class, scope);
    if (!encoded) return NULL;
    encoded->data = inside(encoded);
    encoded->size = 0;
    encoded->room = WEIR_ENCODED_INLINE_SIZE;
    return encoded;
}

void weir_encoded_done(struct weir_lane_record *record) {
    struct weir_encoded *encoded = (void *)record;
    if (encoded->data != inside(encoded)) free(encoded->data);
    encoded->data = inside(encoded);
}

uint8_t *weir_encoded_reserve(struct weir_encoded *encoded, size_t size) {
    if (__builtin_expect(size <= encoded->room - encoded->size, 1))
        return encoded->data + encoded->size;
    if (size > WEIR_ENCODED_SIZE_MAX - encoded->size) return NULL;
    size_t room = encoded->room;
    while (room - encoded->size < size) room *= 2;
    bool is_inline = encoded->data == inside(encoded);
    uint8_t *data = realloc(is_inline ? NULL : encoded->data, room);
    if (!data) return NULL;
    if (is_inline) memcpy(data, inside(encoded), encoded->size);
    encoded->data = data;
    encoded->room = (uint32_t)room;
    return data + encoded->size;
}
