/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of pointers between threads. What is pushed is handed over whole.
 *
 * Threads: any; many producers, many consumers.
 */
#ifndef WEIR_BASE_QUEUE_H
#define WEIR_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_queue;

/* NULL when memory is out. `room` is the largest number of waiting items. */
struct weir_queue *weir_queue_new(size_t room);
/* The queue must be empty or its items be someone else's. Takes NULL. */
void weir_queue_free(struct weir_queue *queue);
/* False when full or closed: the item stays the caller's. */
bool weir_queue_try_push(struct weir_queue *queue, void *item);
/* Waits for room; false when closed. */
bool weir_queue_push(struct weir_queue *queue, void *item);
/* The oldest item, waiting up to timeout_ns (-1 = for ever, 0 = not at all). NULL: nothing came in
 * time, or the queue is closed and empty. */
void *weir_queue_pop(struct weir_queue *queue, int64_t timeout_ns);
/* Refuses further pushes and wakes every waiter; what is inside can still be popped. */
void weir_queue_close(struct weir_queue *queue);

#endif
