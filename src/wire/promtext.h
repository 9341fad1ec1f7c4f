/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the Prometheus text format 0.0.4 or OpenMetrics 1.0.
 *
 *     weir_promtext_family(&w, "sent_total", "counter", "Messages sent.", "");
 *     weir_promtext_sample(&w, "sent_total");
 *     weir_promtext_label(&w, "topic", topic);
 *     weir_promtext_value(&w, 12);
 *     weir_promtext_end(&w);                        # OpenMetrics wants an end
 *
 * Threads: owner only. Memory: the caller's buffer.
 * Source: prometheus.io, Exposition formats; OpenMetrics 1.0.
 */
#ifndef WEIR_WIRE_PROMTEXT_H
#define WEIR_WIRE_PROMTEXT_H

#include "base/buf.h"

#define WEIR_PROMTEXT_TYPE    "text/plain; version=0.0.4; charset=utf-8"
#define WEIR_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct weir_promtext {
    struct weir_buf *buf;
    bool openmetrics; /* which of the two */
    bool labels_open; /* a '{' stands before */
};

static inline struct weir_promtext weir_promtext(struct weir_buf *buf, bool openmetrics) {
    return (struct weir_promtext){.buf = buf, .openmetrics = openmetrics};
}

/* HELP, TYPE and (OpenMetrics) UNIT lines. `name` as samples bear it, with _total for counters;
 * `type`: counter, gauge, histogram, summary; help and unit may be empty. */
void weir_promtext_family(struct weir_promtext *w, struct weir_view name, const char *type,
                          struct weir_view help, struct weir_view unit);
/* Begins a sample line: name and suffix ("_bucket", "_sum", "_count", ""). */
void weir_promtext_sample(struct weir_promtext *w, struct weir_view name, const char *suffix);
void weir_promtext_label(struct weir_promtext *w, struct weir_view name, struct weir_view value);
/* le and quantile: a number as a label. */
void weir_promtext_label_f64(struct weir_promtext *w, const char *name, double value);
/* Labels that are spelled already: `a="b",c="d"` or "". */
void weir_promtext_labels_raw(struct weir_promtext *w, struct weir_view labels);
/* Ends the line with its value. */
void weir_promtext_value(struct weir_promtext *w, double value);
/* The same with an exemplar (OpenMetrics; left out of the older format). `time_ns` 0: none. */
void weir_promtext_value_exemplar(struct weir_promtext *w, double value, const uint8_t trace_id[16],
                                  const uint8_t span_id[8], double exemplar, int64_t time_ns);
void weir_promtext_end(struct weir_promtext *w);

#endif
