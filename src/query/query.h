/* SPDX-License-Identifier: Apache-2.0 */
/* One question on its way: its arena, its deadline, its budget, and what it cost so far.
 *
 * Born in the API when the request is parsed, passed to every room that works for it, gone when the
 * answer is sent. Rooms call weir_query_check() once per block.
 *
 * Threads: one worker owns it; weir_query_cancel() from any thread.
 */
#ifndef WEIR_QUERY_QUERY_H
#define WEIR_QUERY_QUERY_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/error.h"

struct weir_query {
    struct weir_arena arena;     /* everything that lives as long as the question */
    int64_t deadline_ns;         /* monotonic; 0 = none */
    atomic_bool canceled;        /* the asker went away, or the server stops */
    bool (*is_canceled)(void *); /* asked as well when set (the connection's own flag) */
    void *is_canceled_arg;
    uint64_t bytes_read_max; /* budget; 0 = none */
    uint64_t rows_max;       /* rows (or samples) that may be looked at; 0 = none */
    /* What it cost (for ?explain and statistics). */
    uint64_t bytes_read;    /* from disk, compressed */
    uint64_t bytes_decoded; /* after decompression */
    uint64_t rows_read;     /* rows or samples looked at */
    uint64_t blocks_read, blocks_skipped, parts_read, parts_skipped, series_read;
};

/* `memory_max`: bytes that the arena may hold; 0 = none. */
void weir_query_init(struct weir_query *query, size_t memory_max, int64_t timeout_ns);
void weir_query_done(struct weir_query *query);
void weir_query_cancel(struct weir_query *query);
/* 0, WEIR_ECANCELED, WEIR_ETIMEOUT, WEIR_ELIMIT (a budget is used up), or WEIR_ENOMEMORY (the arena
 * refused). */
int weir_query_check(struct weir_query *query, struct weir_error *reterr);
/* Appends the costs as a JSON object. */
struct weir_buf;
void weir_query_add_explain(const struct weir_query *query, struct weir_buf *json);

#endif
