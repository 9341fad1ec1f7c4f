/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/encoded.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *inside(struct weir_encoded *encoded) {
    return (uint8_t *)encoded + WEIR_ENCODED_HEAD_SIZE;
}

void weir_encoded_done(struct weir_lane_record *record) {
    struct weir_encoded *encoded = (void *)record;
    if (encoded->data == inside(encoded)) return;
    free(encoded->data);
    encoded->data = inside(encoded);
}

uint8_t *weir_encoded_grow(struct weir_encoded *encoded, size_t size) {
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
