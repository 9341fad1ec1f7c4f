/* SPDX-License-Identifier: Apache-2.0 */
/* A page of metrics in Prometheus' text format, and sums over it.
 *
 * Threads: owner only. Memory: samples lie in the arena and borrow the page.
 * Source: prometheus.io, Exposition formats.
 */
#ifndef WEIR_DOCTOR_SCRAPE_H
#define WEIR_DOCTOR_SCRAPE_H

#include "base/arena.h"

struct weir_scrape_sample {
    struct weir_view name, labels; /* labels: between the braces, as written */
    double value;
};

struct weir_scrape {
    struct weir_scrape_sample *samples;
    uint32_t count, room;
};

/* Lines that are no samples are skipped; false: no line is one, or memory is out. */
bool weir_scrape_parse(struct weir_arena *arena, struct weir_view page, struct weir_scrape *ret);
/* Samples of that name. */
size_t weir_scrape_count(const struct weir_scrape *scrape, const char *name);
/* Sum of the samples of that name, NaN left out; with `label` NULL all of them, else those where it
 * has that value: "" for those without it, "*" for those with it. */
double weir_scrape_sum(const struct weir_scrape *scrape, const char *name, const char *label,
                       const char *value);

#endif
