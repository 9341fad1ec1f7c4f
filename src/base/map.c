/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>

void weir_map_init(struct weir_map *map) {
    *map = (struct weir_map){0};
}

void weir_map_done(struct weir_map *map) {
    if (!map) return;
    free(map->entries);
    free(map->slots);
    weir_map_init(map);
}

void weir_map_clear(struct weir_map *map) {
    map->count = 0;
    if (map->slots) memset(map->slots, 0, map->slots_count * sizeof *map->slots);
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t *find_slot(const struct weir_map *map, struct weir_view key, uint64_t hash) {
    uint32_t mask = map->slots_count - 1, at = (uint32_t)hash & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t index = map->slots[at];
        if (index == 0) return &map->slots[at];
        const struct weir_map_entry *entry = &map->entries[index - 1];
        if (entry->hash == hash && weir_view_eq(entry->key, key)) return &map->slots[at];
    }
}

uint64_t *weir_map_get(const struct weir_map *map, struct weir_view key) {
    if (map->count == 0) return NULL;
    uint32_t index = *find_slot(map, key, weir_view_hash(key));
    return index ? &map->entries[index - 1].value : NULL;
}

static bool grow(struct weir_map *map) {
    uint32_t room = map->room ? map->room * 2 : 16, slots_count = room * 2;
    if (room <= map->room) return false;
    struct weir_map_entry *entries = realloc(map->entries, room * sizeof *entries);
    if (!entries) return false;
    map->entries = entries;
    uint32_t *slots = calloc(slots_count, sizeof *slots);
    if (!slots) return false;
    free(map->slots);
    map->slots = slots;
    map->slots_count = slots_count;
    map->room = room;
    for (uint32_t i = 0; i < map->count; i++) {
        uint32_t at = (uint32_t)entries[i].hash & (slots_count - 1);
        while (slots[at]) at = (at + 1) & (slots_count - 1);
        slots[at] = i + 1;
    }
    return true;
}

uint64_t *weir_map_put(struct weir_map *map, struct weir_view key, uint64_t value, bool *ret_new) {
    if (map->count == map->room && !grow(map)) return NULL;
    uint64_t hash = weir_view_hash(key);
    uint32_t *slot = find_slot(map, key, hash);
    if (ret_new) *ret_new = *slot == 0;
    if (*slot == 0) {
        map->entries[map->count] = (struct weir_map_entry){key, hash, value};
        *slot = ++map->count;
    }
    return &map->entries[*slot - 1].value;
}
