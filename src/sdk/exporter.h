/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter: the one thread that turns records into requests and sends them.
 *
 *     lanes' rings of spans ─ drain ─┐  batch: encode, release records
 *     lanes' rings of logs ─ drain ──┼─▶ request ─ send ─▶ ok │ retry later │ drop, count
 *     instruments ─ collect ─────────┘  (one request under way per signal)
 *
 * A request that may succeed later is tried again with growing pauses and jitter, or when the
 * receiver said; until its time is over, then it is dropped and counted. While one waits, records
 * stay in the rings, each thread's up to the queue's limit; past it the newest are dropped and
 * counted by the thread that made them.
 *
 * Threads: start, flush and stop by sdk.c; the rest is the exporter's own.
 */
#ifndef WEIR_SDK_EXPORTER_H
#define WEIR_SDK_EXPORTER_H

#include "sdk/config.h"
#include "sdk/transport.h"

struct weir_exporter;

/* Opens the transports and starts the thread. Keeps `config` by pointer. */
int weir_exporter_start(const struct weir_config *config, struct weir_exporter **ret,
                        struct weir_error *reterr);
/* Waits until all that was recorded before has been sent, or given up, or the deadline (monotonic).
 */
int weir_exporter_flush(struct weir_exporter *exporter, int64_t deadline_ns,
                        struct weir_error *reterr);
/* Flushes, ends the thread, frees. Past the deadline the thread is left to itself. */
int weir_exporter_stop(struct weir_exporter *exporter, int64_t deadline_ns,
                       struct weir_error *reterr);
/* Wakes the thread. Never blocks; any thread. */
void weir_exporter_wake(struct weir_exporter *exporter);
/* In a forked child: frees what the parent's exporter held, without its thread. */
void weir_exporter_forked(struct weir_exporter *exporter);
/* Held across fork, so that the queues are whole in the child. */
void weir_exporter_lock(struct weir_exporter *exporter);
void weir_exporter_unlock(struct weir_exporter *exporter);

/* What the thread calls each time that it looks: at least every second while it is not sending, and
 * before a flush. For the process, across restarts; any thread. */
void weir_exporter_tick_set(void (*also)(void));

/* Tests put their own in place of weir_sdk_transport_open; NULL: back. Before start. */
void weir_exporter_transport_set(weir_sdk_transport_open_fn *open);

#endif
