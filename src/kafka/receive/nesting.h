/* SPDX-License-Identifier: Apache-2.0 */
/* The process span of a polled message is active on the thread that polled it, until it ends: sends
 * on that thread become its children.
 *
 *     on_consume ─▶ begin ─────────────────────────▶ end (next poll, message destroyed, …)
 *                     └─ the thread's own slot holds a copy of the identity
 *
 * A process span may end on another thread (librdkafka closes a consumer on its own), and a thread
 * may end before it. So slots hold values, are numbered anew by each begin, and are never freed:
 * who ends an old number changes nothing, and who ends a slot of another thread only empties it.
 *
 * Contexts that the application attaches itself win: while there are any when a message is polled,
 * its span is not made active.
 *
 * Threads: any. Memory: a slot goes to the next new thread when its thread ends.
 */
#ifndef WEIR_KAFKA_RECEIVE_NESTING_H
#define WEIR_KAFKA_RECEIVE_NESTING_H

#include "weir/context.h"

struct weir_kafka_nested {
    struct weir_kafka_nesting_slot *slot; /* NULL: nothing was made active */
    uint64_t number;
};

/* Makes this identity current on the calling thread, in the place of the one before. Copies it,
 * with a tracestate of up to 512 bytes. */
struct weir_kafka_nested weir_kafka_nesting_begin(const struct weir_span_context *span);
/* It has ended, on whichever thread this is. */
void weir_kafka_nesting_end(struct weir_kafka_nested nesting);

#endif
