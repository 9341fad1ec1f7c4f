/* SPDX-License-Identifier: Apache-2.0 */
/* The server watches itself: its own counters (base/metric.h) become an OTLP batch every few
 * seconds, and go to the sink like everybody's. service.name is "weir".
 *
 * Threads: one of its own; new and free from the owner.
 */
#ifndef WEIR_COLLECT_RECEIVERS_SELF_H
#define WEIR_COLLECT_RECEIVERS_SELF_H

#include "base/buf.h"
#include "otlp/sink.h"

struct weir_self;

/* Borrows the sink. The first batch goes out after one interval. NULL: out of memory or threads. */
struct weir_self *weir_self_new(struct weir_sink *sink, int64_t interval_ms);
/* Waits for the answer to what is under way. Takes NULL. */
void weir_self_free(struct weir_self *self);
/* Adds all metrics as an ExportMetricsServiceRequest. */
void weir_self_encode(struct weir_buf *buf, int64_t start_ns, int64_t now_ns);

#endif
