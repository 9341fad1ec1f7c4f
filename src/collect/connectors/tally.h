/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and distributions by attribute set: what connectors make metrics of.
 *
 *     series = weir_tally_at(&tally, attrs, count, now_ns);        found, or made
 *     weir_tally_record(&tally, series, 0, seconds, span);         count, bucket, exemplar
 *     weir_tally_put(&tally, &group, "calls", …);                  one metric with all series
 *
 * At most `series_max` sets are told apart; later ones share one with otel.metric.overflow=true.
 *
 * Threads: owner only. Memory: each series owns its attributes.
 */
#ifndef WEIR_COLLECT_CONNECTORS_TALLY_H
#define WEIR_COLLECT_CONNECTORS_TALLY_H

#include "base/map.h"
#include "otlp/encode.h"
#include "otlp/sink.h"
#include "wire/yaml.h"

enum { WEIR_TALLY_BOUNDS_MAX = 64, WEIR_TALLY_HISTOGRAMS_MAX = 2, WEIR_TALLY_ATTRS_MAX = 40 };

struct weir_tally_exemplar {
    int64_t time_ns; /* 0: none */
    double value;
    uint8_t trace_id[16], span_id[8];
};

struct weir_tally_histogram {
    uint64_t counts[WEIR_TALLY_BOUNDS_MAX + 1];
    struct weir_tally_exemplar exemplars[WEIR_TALLY_BOUNDS_MAX + 1]; /* the latest of each bucket */
    uint64_t count;
    double sum;
};

struct weir_tally_series {
    struct weir_view key; /* the attributes, encoded; in this block */
    struct weir_attr attrs[WEIR_TALLY_ATTRS_MAX];
    uint32_t attrs_count;
    int64_t start_ns, last_ns; /* wall time */
    uint64_t count, failed;
    struct weir_tally_histogram histograms[];
};

struct weir_tally {
    struct weir_map map; /* key → series */
    double bounds[WEIR_TALLY_BOUNDS_MAX];
    uint32_t bounds_count, histograms_count, series_max;
    bool exemplars;
    uint64_t overflowed; /* attribute sets that found no room */
};

void weir_tally_init(struct weir_tally *tally, const double *bounds, uint32_t bounds_count,
                     uint32_t histograms_count, uint32_t series_max);
void weir_tally_done(struct weir_tally *tally);
/* Copies the attributes. NULL: out of memory. */
struct weir_tally_series *weir_tally_at(struct weir_tally *tally, const struct weir_attr *attrs,
                                        uint32_t count, int64_t now_ns);
/* `span` (NULL: none) becomes the bucket's exemplar. */
void weir_tally_record(struct weir_tally *tally, struct weir_tally_series *series,
                       uint32_t histogram, double value, const struct weir_otlp_span *span);
/* Forgets series that were not touched since. False: out of memory, all stay. */
bool weir_tally_expire(struct weir_tally *tally, int64_t before_ns);

/* One metric of all series: the count, the failed count, or a histogram, with values and bounds
 * multiplied by `scale`. */
enum weir_tally_what { WEIR_TALLY_COUNT, WEIR_TALLY_FAILED, WEIR_TALLY_FIRST, WEIR_TALLY_SECOND };
void weir_tally_put(const struct weir_tally *tally, struct weir_buf *buf, const char *name,
                    const char *unit, const char *description, enum weir_tally_what what,
                    double scale, int64_t now_ns);

/* Sends a request of such metrics on and empties the buffer; nothing when it is empty or too large.
 * The answer is not waited for: what is cumulative is told again. */
void weir_tally_give(struct weir_sink *sink, struct weir_buf *buf);

/* Reads a list of durations, in units of `unit_ns`, as ascending bounds; NULL leaves them as they
 * are. */
int weir_tally_read_buckets(const struct weir_yaml *list, int64_t unit_ns,
                            double bounds[WEIR_TALLY_BOUNDS_MAX], uint32_t *count,
                            struct weir_error *reterr);

#endif
