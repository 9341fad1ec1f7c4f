/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in memory that no part holds yet: append-only chunks of rows, strings in one arena.
 *
 *     chunk ─▶ chunk ─▶ chunk        rows never move, are never changed
 *     [2048]   [2048]   [ 17 …]      `count` is published once per batch, so that a reader who
 *                                    reads it first sees whole batches only
 *
 * Keys, names, scopes, and resources are kept once per memtable.
 *
 * Threads: one writer; any readers beside it, without a lock. Memory: reference-counted.
 */
#ifndef WEIR_STORE_MEMTABLE_H
#define WEIR_STORE_MEMTABLE_H

#include <stdatomic.h>

#include "base/map.h"
#include "otlp/batch.h"
#include "store/row.h"

enum { WEIR_MEMTABLE_CHUNK_ROWS = 2048 };

struct weir_memtable_chunk {
    _Atomic(struct weir_memtable_chunk *) next;
    _Atomic int64_t min_ns, max_ns; /* times; may be wider than what a reader is to see */
    struct weir_row rows[WEIR_MEMTABLE_CHUNK_ROWS];
};

struct weir_memtable {
    atomic_uint refs;
    enum weir_table table;
    _Atomic(struct weir_memtable_chunk *) first;
    _Atomic uint64_t count;         /* rows that readers may see */
    _Atomic size_t size_bytes;      /* heap bytes */
    _Atomic int64_t min_ns, max_ns; /* times; INT64_MAX, INT64_MIN while empty */
    uint64_t first_seq, last_seq;   /* of the batches inside; 0 = none */
    int64_t since_ns;               /* wall time of the first append */
    /* The writer's own. */
    struct weir_memtable_chunk *last;
    uint64_t written; /* rows, with those not published yet */
    struct weir_arena arena;
    struct weir_map strings;   /* text → the view that stays */
    struct weir_map resources; /* raw bytes → struct weir_row_resource */
    struct weir_map keys;      /* record attribute keys → bits of value types seen */
};

struct weir_memtable *weir_memtable_new(enum weir_table table);
struct weir_memtable *weir_memtable_ref(struct weir_memtable *memtable);
/* Takes NULL. */
void weir_memtable_unref(struct weir_memtable *memtable);

/* Copies every record of the batch (borrowed), all or nothing. `now_ns`: time of log records that
 * bring none. WEIR_ENOMEMORY. */
int weir_memtable_append(struct weir_memtable *memtable, const struct weir_otlp_batch *batch,
                         uint64_t seq, int64_t now_ns, struct weir_error *reterr);

/* Gives up to `room` rows of chunk number `index` among the first `count` rows; 0 = no such chunk.
 */
static inline uint32_t weir_memtable_chunk_rows(uint64_t count, uint64_t index) {
    uint64_t from = index * WEIR_MEMTABLE_CHUNK_ROWS;
    return count <= from                             ? 0
           : count - from < WEIR_MEMTABLE_CHUNK_ROWS ? (uint32_t)(count - from)
                                                     : WEIR_MEMTABLE_CHUNK_ROWS;
}

#endif
