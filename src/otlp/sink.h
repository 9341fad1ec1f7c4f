/* SPDX-License-Identifier: Apache-2.0 */
/* Where batches go: the only way into the store, and into every exporter.
 *
 * push() hands one reference of the batch over. The answer comes through `done`, exactly once, on
 * any thread, possibly before push returns:
 *
 *     WEIR_OK                      stored durably (fsynced), or handed to a durable queue
 *     WEIR_EBUSY, WEIR_EUNAVAILABLE, WEIR_EFULL, ...   refused, try again after retry_after_ms
 *     WEIR_EINVALID                never try this again
 *
 * Threads: any.
 */
#ifndef WEIR_OTLP_SINK_H
#define WEIR_OTLP_SINK_H

#include "otlp/batch.h"

struct weir_sink_answer {
    int code;                /* WEIR_OK or why not */
    int64_t retry_after_ms;  /* with retriable codes; 0 = no hint */
    uint32_t rejected_count; /* records of the batch that were refused for good (partial success) */
    const char *message;     /* borrowed until `done` returns; "" if there is nothing to say */
};

typedef void weir_sink_done(void *arg, const struct weir_sink_answer *answer);

struct weir_sink {
    /* Takes one reference of `batch`. */
    void (*push)(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg);
};

static inline void weir_sink_push(struct weir_sink *sink, struct weir_otlp_batch *batch,
                                  weir_sink_done *done, void *arg) {
    sink->push(sink, batch, done, arg);
}

#endif
