/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from bytes to a 64-bit value that remembers insertion order.
 *
 *   entries:  [k0 v0][k1 v1][k2 v2] ...      iterate 0..count
 *   slots:    open addressing, index + 1 into entries, 0 = free
 *
 * Keys are borrowed: they must outlive the map (put them in an arena). There is no removal; maps
 * are built, asked, and thrown away whole.
 *
 * Threads: owner only. Memory: heap; the struct is the caller's.
 */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include "base/view.h"

struct weir_map_entry {
    struct weir_view key; /* borrowed */
    uint64_t hash;        /* weir_view_hash(key) */
    uint64_t value;       /* a number or a pointer */
};

struct weir_map {
    struct weir_map_entry *entries; /* in insertion order */
    uint32_t *slots;                /* power of two many */
    uint32_t count, room, slots_count;
};

void weir_map_init(struct weir_map *map);
/* Frees the map, not the keys. Takes NULL and zeroed structs. */
void weir_map_done(struct weir_map *map);
/* Forgets all entries, keeps the room. */
void weir_map_clear(struct weir_map *map);
/* The entry's value (a pointer into the map, valid until the next put), or NULL. */
uint64_t *weir_map_get(const struct weir_map *map, struct weir_view key);
/* The value's place, made with `value` if the key is new (*ret_new says so). NULL:
 * out of memory. */
uint64_t *weir_map_put(struct weir_map *map, struct weir_view key, uint64_t value, bool *ret_new);

#endif
