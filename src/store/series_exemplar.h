/* SPDX-License-Identifier: Apache-2.0 */
/* The exemplars of one series: at most one each ten seconds, so that they cost little beside the
 * samples, however many a sender has.
 *
 *     0 s        10 s       20 s       30 s
 *     │ a      b │          │ c        │        b takes the place of a: it is newer
 *
 * Of two, the one with a trace id stays; else the newer one. So it is the same in whatever order
 * they come: memtables, parts and merges agree. docs/formats/series.md draws the bytes.
 *
 * Threads: a set has one owner or is guarded by its memtable's lock.
 * Memory: items and their labels lie in the arena that was given.
 */
#ifndef WEIR_STORE_SERIES_EXEMPLAR_H
#define WEIR_STORE_SERIES_EXEMPLAR_H

#include "base/arena.h"
#include "base/buf.h"
#include "query/source.h"

enum {
    WEIR_SERIES_EXEMPLAR_SPAN_MS = 10000,
    WEIR_SERIES_EXEMPLARS_MAX = 10000, /* of a series in one memtable or part; the newest stay */
    WEIR_SERIES_EXEMPLAR_LABELS_LEN_MAX = 1024, /* bytes; labels that do not fit are left out */
    WEIR_SERIES_EXEMPLAR_LABELS_MAX = 64,
};

struct weir_series_exemplar {
    int64_t time_ms;
    double value;
    uint8_t trace_id[16], span_id[8]; /* all zero: none */
    struct weir_view labels;          /* as in a series' key */
    size_t labels_room;               /* bytes there for other labels; inside of the set */
};

struct weir_series_exemplars {
    struct weir_series_exemplar **items; /* ascending times; one each SPAN_MS */
    uint32_t count, room;
};

enum weir_series_exemplar_fate {
    WEIR_SERIES_EXEMPLAR_KEPT,    /* it is there, and none left for it */
    WEIR_SERIES_EXEMPLAR_DROPPED, /* it, or the one whose place it took */
    WEIR_SERIES_EXEMPLAR_SAME,    /* it was there already */
    WEIR_SERIES_EXEMPLAR_NO_MEMORY,
};

/* Copies `one` (borrowed) into the set. */
enum weir_series_exemplar_fate weir_series_exemplars_add(struct weir_series_exemplars *set,
                                                         struct weir_arena *arena,
                                                         const struct weir_series_exemplar *one);
/* Ids and labels of a source's exemplar as they are stored; labels go into `labels` (cleared
 * first), which must live as long as *ret is used. False: out of memory. */
bool weir_series_exemplar_of(const struct weir_exemplar *exemplar, struct weir_buf *labels,
                             struct weir_series_exemplar *ret);
/* The other way: *ret borrows from `one` and the arena. False: damaged labels or out of memory. */
bool weir_series_exemplar_show(const struct weir_series_exemplar *one, struct weir_arena *arena,
                               struct weir_exemplar *ret);

/* Appends all of the set as bytes. */
void weir_series_exemplars_encode(struct weir_buf *out, const struct weir_series_exemplars *set);
/* The next of such bytes; *time_ms is that of the one before (0 at first) and is moved. The labels
 * are a view of the bytes. False when the bytes are malformed. */
bool weir_series_exemplar_decode(struct weir_view *rest, int64_t *time_ms,
                                 struct weir_series_exemplar *ret);

#endif
