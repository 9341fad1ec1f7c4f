/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed pool of threads that run jobs from one bounded queue.
 *
 * Threads: any.
 */
#ifndef WEIR_BASE_POOL_H
#define WEIR_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct weir_pool;
typedef void weir_pool_job(void *arg);

/* `name` is shown by the system's tools (15 bytes at most count). NULL: out of
 * memory or threads. */
struct weir_pool *weir_pool_new(const char *name, size_t threads_count, size_t queue_room);
/* Runs what waits, joins the threads, frees. Takes NULL. */
void weir_pool_free(struct weir_pool *pool);
/* False when the queue is full or closing: `job` will not run. */
bool weir_pool_try_run(struct weir_pool *pool, weir_pool_job *job, void *arg);

#endif
