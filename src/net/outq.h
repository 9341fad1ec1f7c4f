/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way to a socket: small writes are gathered, large bodies are taken over whole.
 *
 *     [head+body+head+body ... 16k] -> [taken body 2 MB] -> [...]     written with one sendmsg
 *
 * Threads: owner only. Memory: the struct is the caller's; chunks are the heap's.
 */
#ifndef WEIR_NET_OUTQ_H
#define WEIR_NET_OUTQ_H

#include <sys/uio.h>

#include "base/view.h"

struct weir_outq_chunk;

struct weir_outq {
    struct weir_outq_chunk *first, *last;
    size_t len;  /* bytes that wait */
    bool failed; /* memory was out: what waits is incomplete, close the connection */
};

void weir_outq_init(struct weir_outq *q);
void weir_outq_done(struct weir_outq *q);
/* Copies. */
void weir_outq_add(struct weir_outq *q, struct weir_view bytes);
/* Takes malloc'ed memory; freed here in every case. */
void weir_outq_add_taken(struct weir_outq *q, char *ptr, size_t len);
/* Up to `room` runs from the front, for writev; gives their number. */
int weir_outq_peek(const struct weir_outq *q, struct iovec *runs, int room);
/* Drops what was written. */
void weir_outq_drop(struct weir_outq *q, size_t len);

#endif
