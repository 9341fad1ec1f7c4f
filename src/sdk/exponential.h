/* SPDX-License-Identifier: Apache-2.0 */
/* Exponential histograms: buckets that are as fine as 160 of them allow, whatever the values are.
 *
 *     index i of scale s: values in (2^(i / 2^s), 2^((i + 1) / 2^s)]; halving joins 2i and 2i + 1
 *
 * Each thread keeps one in cells of its own (sdk/cell.h), all zero at first, at the finest scale; a
 * value that does not fit halves the scale until it does. Meanwhile the version is odd, so that
 * readers look again. Threads without cells share two more, one at a time.
 *
 * Threads: adding any, without lock or allocation; reading and the rest under the caller's lock.
 * Source: OpenTelemetry specification 1.60, metrics/data-model.md, ExponentialHistogram.
 */
#ifndef WEIR_SDK_EXPONENTIAL_H
#define WEIR_SDK_EXPONENTIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    WEIR_EXPONENTIAL_BUCKETS = 160, /* of one sign */
    WEIR_EXPONENTIAL_SCALE = 20,    /* the finest; it fits any double before -5 */
    WEIR_EXPONENTIAL_HEAD = 8,      /* cells before the buckets' */
    WEIR_EXPONENTIAL_CELLS = WEIR_EXPONENTIAL_HEAD + 2 * WEIR_EXPONENTIAL_BUCKETS,
};

struct weir_exponential_side {
    int64_t low;    /* index of the first bucket */
    uint32_t count; /* of buckets in use; 0: none */
    uint64_t counts[WEIR_EXPONENTIAL_BUCKETS];
};

/* All zero: empty. */
struct weir_exponential {
    uint32_t halvings; /* scale = WEIR_EXPONENTIAL_SCALE - halvings */
    uint64_t zero;     /* values that are 0 */
    struct weir_exponential_side positive, negative;
};

/* Adds `count` times a finite value to cells that only the caller writes. */
void weir_exponential_add(_Atomic uint64_t *cells, double value, uint64_t count);
/* Adds what the cells hold to *to. False: their writer was interrupted for too long. */
bool weir_exponential_read(const _Atomic uint64_t *cells, struct weir_exponential *to);

void weir_exponential_merge(struct weir_exponential *to, const struct weir_exponential *from);
/* Takes off what *from held at an earlier time. */
void weir_exponential_subtract(struct weir_exponential *from, const struct weir_exponential *what);
/* Adds `count` times a finite value. */
void weir_exponential_merge_value(struct weir_exponential *to, double value, uint64_t count);
/* All values. */
uint64_t weir_exponential_count(const struct weir_exponential *it);

enum { WEIR_EXPONENTIAL_BOUNDS_MAX = 64 };

/* A series' share of it. */
struct weir_exponential_series {
    _Atomic uint32_t first; /* number of the first cell */
    struct {
        atomic_bool busy;
        _Atomic uint64_t cells[WEIR_EXPONENTIAL_CELLS];
    } shared[2];
    /* What found both places taken, by the buckets of the instrument's bounds. */
    _Atomic uint64_t unplaced[WEIR_EXPONENTIAL_BOUNDS_MAX + 1];
    struct weir_exponential forgotten; /* all that there was when the series was removed */
    struct weir_exponential last;      /* what there was without it when deltas were taken */
};

/* NULL: out of memory. */
struct weir_exponential_series *weir_exponential_series_new(void);
/* `bucket`: of the instrument's bounds, for the case that others were interrupted while they held
 * the shared cells. */
void weir_exponential_series_add(struct weir_exponential_series *series, double value,
                                 uint64_t count, uint32_t bucket);
/* Adds up all threads' since the beginning, forgotten or not. False: one was interrupted for too
 * long while it changed its cells. */
bool weir_exponential_series_read(const struct weir_exponential_series *series,
                                  const double *bounds, uint32_t bounds_count,
                                  struct weir_exponential *ret);
/* In a forked child, where threads' cells are zero already. */
void weir_exponential_series_forked(struct weir_exponential_series *series);

#endif
