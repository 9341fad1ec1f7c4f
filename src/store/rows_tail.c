/* SPDX-License-Identifier: Apache-2.0 */
/* Live rows: whoever tails sees each batch when it is stored. */
#include <stdlib.h>

#include "store/rows.h"

static size_t keys_len(const struct weir_column *columns, uint32_t count) {
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) len += columns[i].key.len;
    return len;
}

int weir_rows_tail(struct weir_store_table *table, const struct weir_column *columns,
                   uint32_t columns_count, weir_tail_rows *visit, void *arg, struct weir_tail **ret,
                   struct weir_error *reterr) {
    struct weir_rows *rows = (struct weir_rows *)table;
    struct weir_tail *tail = calloc(1, sizeof *tail);
    size_t size = columns_count * sizeof *columns;
    char *copy = malloc(size + keys_len(columns, columns_count) + 1);
    if (!tail || !copy) {
        free(tail);
        free(copy);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to follow live rows");
    }
    tail->table = rows->table;
    tail->columns = (struct weir_column *)(void *)copy;
    tail->columns_count = columns_count;
    tail->rows = visit;
    tail->arg = arg;
    char *keys = copy + size;
    for (uint32_t i = 0; i < columns_count; i++) {
        struct weir_view key = columns[i].key;
        if (key.len) memcpy(keys, key.ptr, key.len);
        tail->columns[i] = (struct weir_column){columns[i].id, weir_view(keys, key.len)};
        keys += key.len;
    }
    pthread_mutex_lock(&rows->tails_lock);
    tail->next = rows->tails;
    rows->tails = tail;
    pthread_mutex_unlock(&rows->tails_lock);
    *ret = tail;
    return WEIR_OK;
}

void weir_rows_tail_close(struct weir_store_table *table, struct weir_tail *tail) {
    struct weir_rows *rows = (struct weir_rows *)table;
    pthread_mutex_lock(&rows->tails_lock);
    for (struct weir_tail **at = &rows->tails; *at; at = &(*at)->next)
        if (*at == tail) {
            *at = tail->next;
            break;
        }
    pthread_mutex_unlock(&rows->tails_lock);
    free(tail->columns);
    free(tail);
}

/* One block of at most a chunk's rows, for one listener. */
static void show(struct weir_rows *rows, const struct weir_tail *tail,
                 const struct weir_row *const *picked, uint32_t count) {
    struct weir_arena *arena = &rows->tails_arena;
    struct weir_column_data *data =
        WEIR_NEW_ARRAY(arena, struct weir_column_data, tail->columns_count);
    if (!data || !weir_rows_to_columns(arena, rows->table, picked, count, tail->columns,
                                       tail->columns_count, data))
        return;
    tail->rows(tail->arg, &(struct weir_block){.rows_count = count,
                                               .columns = data,
                                               .columns_count = tail->columns_count,
                                               .bound_ns = INT64_MIN});
}

void weir_rows_tail_feed(struct weir_rows *rows, struct weir_memtable *memtable, uint64_t from) {
    pthread_mutex_lock(&rows->tails_lock);
    struct weir_memtable_chunk *chunk = rows->tails ? memtable->first : NULL;
    uint64_t count = memtable->written;
    for (uint64_t start = 0; chunk && start < count; start += WEIR_MEMTABLE_CHUNK_ROWS) {
        if (start + WEIR_MEMTABLE_CHUNK_ROWS > from) {
            weir_arena_reset(&rows->tails_arena);
            uint64_t first = from > start ? from - start : 0;
            uint32_t until = weir_memtable_chunk_rows(count, start / WEIR_MEMTABLE_CHUNK_ROWS);
            uint32_t picked_count = until - (uint32_t)first;
            const struct weir_row **picked =
                weir_arena_alloc(&rows->tails_arena, 2 * picked_count * sizeof(struct weir_row *));
            for (uint32_t i = 0; picked && i < picked_count; i++)
                picked[i] = &chunk->rows[first + i];
            if (picked) weir_rows_sort(picked, picked + picked_count, picked_count);
            for (struct weir_tail *tail = rows->tails; tail && picked; tail = tail->next)
                show(rows, tail, picked, picked_count);
        }
        chunk = chunk->next;
    }
    pthread_mutex_unlock(&rows->tails_lock);
}
