/* SPDX-License-Identifier: Apache-2.0 */
/* An immutable part of series: samples in pages, series in key order, postings by label.
 *
 *     header │ data, series and exemplar pages │ posting pages │ meta page │ trailer
 *
 *     meta ─▶ series page ─▶ key, chunks ─▶ data page ─▶ samples
 *     meta ─▶ posting page: (label name, value) ─▶ ordinals of the series that have it
 *     meta ─▶ exemplar page: ordinal ─▶ exemplars of that series
 *
 * Only the meta page is in memory; a reader opens the pages that its matchers need.
 *
 * Threads: a part serves any thread; a reader and a writer have one owner. Memory: heap, counted
 * references; a doomed part's file goes with its last reference.
 */
#ifndef WEIR_STORE_SERIES_PART_H
#define WEIR_STORE_SERIES_PART_H

#include "store/series_codec.h"
#include "store/series_exemplar.h"
#include "store/series_key.h"

enum { WEIR_SERIES_PAGE_SERIES = 128 }; /* series in one series page */

struct weir_series_posting_page {
    struct weir_series_page page;
    struct weir_view name, value; /* of its first entry */
};

struct weir_series_exemplar_page {
    struct weir_series_page page;
    uint32_t ordinal;       /* the first series in it */
    int64_t min_ms, max_ms; /* of its exemplars */
};

struct weir_series_part {
    atomic_uint refs;
    atomic_bool doomed;
    struct weir_disk *disk;
    int fd;
    char *path;
    uint64_t id, size_bytes;
    uint64_t rank; /* of two parts, the samples of the larger rank win */
    uint64_t samples_count;
    uint32_t series_count;
    int64_t min_ms, max_ms;
    struct weir_arena arena; /* what follows */
    struct weir_series_page *data_pages, *series_pages;
    struct weir_series_posting_page *posting_pages;
    struct weir_series_exemplar_page *exemplar_pages; /* version 1 has none */
    uint32_t data_pages_count, series_pages_count, posting_pages_count, exemplar_pages_count;
    struct weir_metric_meta *metas;
    uint32_t metas_count;
};

/* WEIR_ECORRUPT, WEIR_EVERSION, WEIR_ENOTFOUND, … with the path. */
int weir_series_part_open(struct weir_disk *disk, const char *path, uint64_t id,
                          struct weir_series_part **ret, struct weir_error *reterr);
struct weir_series_part *weir_series_part_ref(struct weir_series_part *part);
void weir_series_part_unref(struct weir_series_part *part);

/* ---- reading ---- */

struct weir_series_chunk_ref {
    uint32_t page, offset, len, count;
    int64_t min_ms, max_ms;
};

struct weir_series_part_reader {
    struct weir_series_part *part; /* a reference */
    struct weir_query *query;      /* costs; NULL while merging */
    int64_t from_ms, until_ms;
    uint64_t *wanted;                       /* bit per ordinal */
    struct weir_buf postings, series, data; /* a page each */
    uint32_t series_page, data_page;        /* which; UINT32_MAX = none */
    struct weir_view rest;                  /* of the series page */
    uint32_t ordinal;                       /* of the entry that `rest` starts with */
    uint32_t next;                          /* first ordinal not looked at */
    /* The present series. */
    struct weir_buf key;
    struct weir_series_chunk_ref *chunks;
    uint32_t chunks_count, chunks_room;
    /* next_exemplars alone. */
    struct weir_buf exemplars;             /* a page */
    struct weir_view exemplars_rest, some; /* of the page; the present series' */
    uint32_t exemplar_page;                /* the next one */
    uint64_t exemplar_ordinal;
};

/* Finds the matching ordinals. Takes a reference of the part. `query` may be NULL. */
int weir_series_part_reader_init(struct weir_series_part_reader *reader,
                                 struct weir_series_part *part, struct weir_query *query,
                                 const struct weir_matcher *matchers, uint32_t matchers_count,
                                 int64_t from_ms, int64_t until_ms, struct weir_error *reterr);
void weir_series_part_reader_done(struct weir_series_part_reader *reader);
/* The next matching series that may have samples in the range: key and chunks are set. WEIR_END. */
int weir_series_part_reader_next(struct weir_series_part_reader *reader, struct weir_error *reterr);

/* The next matching series that has exemplars, in a page of the range. A reader is asked either for
 * these or for those above. WEIR_END. */
int weir_series_part_reader_next_exemplars(struct weir_series_part_reader *reader,
                                           struct weir_error *reterr);
/* Adds the present series' exemplars within the range. */
int weir_series_part_reader_exemplars(struct weir_series_part_reader *reader,
                                      struct weir_arena *arena, struct weir_series_exemplars *into,
                                      struct weir_error *reterr);

/* Samples under way, in memory of the heap. */
struct weir_series_samples {
    int64_t *times_ms;
    double *values;
    uint32_t count, room;
};
/* Room for `more`; false when memory is out or past 2^31 samples. */
bool weir_series_samples_room(struct weir_series_samples *samples, uint32_t more);
void weir_series_samples_done(struct weir_series_samples *samples);
/* Ascending times, of equal ones only the last. False: out of memory. */
bool weir_series_samples_sort(struct weir_series_samples *samples);
/* Appends the present series' samples within the range. */
int weir_series_part_reader_samples(struct weir_series_part_reader *reader,
                                    struct weir_series_samples *into, struct weir_error *reterr);

/* ---- writing ---- */

struct weir_series_part_writer;

int weir_series_part_writer_open(struct weir_disk *disk, const char *path, uint64_t rank,
                                 struct weir_series_part_writer **ret, struct weir_error *reterr);
/* Series come in the order of their keys; times ascend strictly; count ≥ 1. */
int weir_series_part_writer_add(struct weir_series_part_writer *writer, struct weir_view key,
                                const int64_t *times_ms, const double *values, uint32_t count,
                                struct weir_error *reterr);
/* Exemplars of the series that was added last; an empty set is none. */
int weir_series_part_writer_add_exemplars(struct weir_series_part_writer *writer,
                                          const struct weir_series_exemplars *exemplars,
                                          struct weir_error *reterr);
/* Copies; the first of a name wins. False: out of memory. */
bool weir_series_part_writer_add_meta(struct weir_series_part_writer *writer,
                                      const struct weir_metric_meta *meta);
/* Everything to disk, fsynced (the folder is the caller's). */
int weir_series_part_writer_finish(struct weir_series_part_writer *writer,
                                   struct weir_error *reterr);
/* Takes NULL. Leaves the file as it is. */
void weir_series_part_writer_close(struct weir_series_part_writer *writer);

enum { WEIR_SERIES_PART_VERSION = 2, WEIR_SERIES_HEADER_SIZE = 16, WEIR_SERIES_TRAILER_SIZE = 40 };
#define WEIR_SERIES_PART_MAGIC "WEIRSERI"

#endif
