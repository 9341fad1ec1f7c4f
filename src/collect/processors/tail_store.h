/* SPDX-License-Identifier: Apache-2.0 */
/* Traces that wait for their decision: the encoded spans, and little else.
 *
 *     trace ─▶ chunk ─▶ chunk          a chunk: spans of one batch, as they came, one after another
 *                │        │
 *                ▼        ▼
 *              head     head           resource and scope, kept once for all traces that have them
 *
 * Traces stand in the order in which their first span came, so the oldest is the next to decide.
 *
 * Threads: owner only. Memory: the store's; `bytes` says how much.
 */
#ifndef WEIR_COLLECT_PROCESSORS_TAIL_STORE_H
#define WEIR_COLLECT_PROCESSORS_TAIL_STORE_H

#include "base/buf.h"
#include "collect/processors/tail_policy.h"

struct weir_tail_head;
struct weir_tail_chunk;

struct weir_tail_entry {
    struct weir_tail_trace trace;
    struct weir_tail_entry *newer;
    struct weir_tail_chunk *first, *last;
    int64_t since_ns; /* monotonic, of the first span */
    uint32_t bytes;
};

struct weir_tail_store {
    struct weir_tail_entry *oldest, *newest;
    struct weir_tail_entry **slots; /* open addressing by trace id */
    struct weir_tail_head **heads;  /* open hashing by content */
    uint32_t slots_count, count, heads_count;
    uint64_t bytes;
};

/* False: out of memory. */
bool weir_tail_store_init(struct weir_tail_store *store);
void weir_tail_store_done(struct weir_tail_store *store);
/* The trace's entry; NULL: it is not here. */
struct weir_tail_entry *weir_tail_store_find(const struct weir_tail_store *store,
                                             const uint8_t trace_id[16]);
/* A new entry, behind all others. NULL: out of memory. */
struct weir_tail_entry *weir_tail_store_add(struct weir_tail_store *store,
                                            const uint8_t trace_id[16], int64_t now_ns);
/* Keeps spans [first, first + count) of a batch, all of one trace and one scope. False: out of
 * memory. */
bool weir_tail_store_keep(struct weir_tail_store *store, struct weir_tail_entry *entry,
                          const struct weir_otlp_batch *batch, uint32_t first, uint32_t count);
/* Takes the oldest out; the caller frees it. */
struct weir_tail_entry *weir_tail_store_take(struct weir_tail_store *store);
/* Appends the entry's spans as an ExportTraceServiceRequest; several may follow each other. */
void weir_tail_entry_add(const struct weir_tail_entry *entry, struct weir_buf *out);
void weir_tail_entry_free(struct weir_tail_store *store, struct weir_tail_entry *entry);

#endif
