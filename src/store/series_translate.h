/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP points to Prometheus series and samples.
 *
 *     gauge, sum        name                     (delta sums: see `delta`)
 *     histogram         name_bucket{le}, name_count, name_sum
 *     exponential       the same, with bounds at powers of 2^(1/4) or coarser
 *     summary           name{quantile}, name_count, name_sum
 *     resource          target_info, once a batch
 *     exemplar          goes with its sum or gauge, or with the bucket that counted it
 *
 * Threads: any. Memory: what `emit` gets is borrowed for the call.
 * Source: OpenTelemetry specification 1.50, Prometheus and OpenMetrics Compatibility.
 */
#ifndef WEIR_STORE_SERIES_TRANSLATE_H
#define WEIR_STORE_SERIES_TRANSLATE_H

#include "otlp/batch.h"
#include "query/source.h"

struct weir_series_point {
    const struct weir_label *labels; /* sorted, with __name__ */
    uint32_t labels_count;
    struct weir_view name; /* value of __name__ */
    int64_t time_ms;
    double value;                          /* stale marker where nothing was recorded */
    bool delta;                            /* value is what was added since the sample before */
    const struct weir_exemplar *exemplars; /* of a histogram: those of this bucket */
    uint32_t exemplars_count;
};

struct weir_series_sink {
    void *arg;
    int (*emit)(void *arg, const struct weir_series_point *point); /* not 0 stops */
    bool (*meta)(void *arg, const struct weir_metric_meta *meta);  /* false stops: out of memory */
};

/* Translates the whole batch; `arena` is scratch and is reset on the way. 0, WEIR_ENOMEMORY, or
 * what emit gave. Points that cannot be translated are counted in weir_store_points_refused_total.
 */
int weir_series_translate(const struct weir_otlp_batch *batch, struct weir_arena *arena,
                          const struct weir_series_sink *sink);

#endif
