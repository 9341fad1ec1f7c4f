/* SPDX-License-Identifier: Apache-2.0 */
/* The process span of a polled message is active on the thread that polled it, until it ends: sends
 * on that thread become its children.
 *
 *     on_consume ─▶ begin ─────────────────────────▶ end (next poll, message destroyed, …)
 *                     └─ the thread's own slot holds a copy of the identity
 *
 * A process span may end on another thread (the consumer is closed there), and a thread may end
 * before it. So nothing points anywhere: the slot holds values, and a number that says which
 * process span they are of. What has ended elsewhere is seen by that number when somebody asks.
 *
 * Contexts that the application attaches itself win: while there are any when a message is polled,
 * its span is not made active.
 *
 * Threads: any; each has its own slot.
 */
#ifndef WEIR_KAFKA_RECEIVE_NESTING_H
#define WEIR_KAFKA_RECEIVE_NESTING_H

#include "weir/context.h"

/* Makes this identity current on the calling thread, in the place of the one before. Copies it,
 * with a tracestate of up to 512 bytes. Gives a number to end it by, never 0. */
uint64_t weir_kafka_nesting_begin(const struct weir_span_context *span);
/* It has ended, on whichever thread this is. Takes 0. */
void weir_kafka_nesting_end(uint64_t number);
/* Before the current context is asked for: forgets what has ended on another thread. */
void weir_kafka_nesting_refresh(void);

#endif
