/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes inside a part of series: varints, chunks of samples, checked pages.
 *
 *     chunk: times as deltas of deltas; values as scaled integers' deltas, or as XOR in byte planes
 *     page:  whole chunks (or entries), zstd-compressed together, with a CRC-32C
 *
 * docs/formats/series.md draws them. Decoders trust nothing.
 *
 * Threads: pure functions; a page buffer has one owner.
 */
#ifndef WEIR_STORE_SERIES_CODEC_H
#define WEIR_STORE_SERIES_CODEC_H

#include "base/buf.h"
#include "query/query.h"
#include "store/disk.h"

enum {
    WEIR_SERIES_CHUNK_SAMPLES_MAX = 512,
    WEIR_SERIES_PAGE_RAW_MAX = 64 << 20, /* sanity; pages aim at WEIR_SERIES_PAGE_RAW */
    WEIR_SERIES_PAGE_RAW = 64 << 10,
};

#define WEIR_SERIES_STALE_BITS UINT64_C(0x7ff0000000000002)

void weir_series_put_varint(struct weir_buf *out, uint64_t value);
void weir_series_put_zigzag(struct weir_buf *out, int64_t value);
void weir_series_put_view(struct weir_buf *out, struct weir_view v); /* length, bytes */
/* False when the bytes end early. */
bool weir_series_get_varint(struct weir_view *rest, uint64_t *ret);
bool weir_series_get_u32(struct weir_view *rest, uint32_t *ret);
bool weir_series_get_zigzag(struct weir_view *rest, int64_t *ret);
bool weir_series_get_view(struct weir_view *rest, struct weir_view *ret);

/* 1 … CHUNK_SAMPLES_MAX samples, times ascending. */
void weir_series_chunk_encode(struct weir_buf *out, const int64_t *times_ms, const double *values,
                              uint32_t count);
/* Exactly `count` samples out of `in`; WEIR_ECORRUPT when they are not there. */
int weir_series_chunk_decode(struct weir_view in, int64_t *times_ms, double *values,
                             uint32_t count);

struct weir_series_page {
    uint64_t offset;       /* in the file */
    uint32_t stored_len;   /* == raw_len: not compressed */
    uint32_t raw_len, crc; /* crc: of the stored bytes */
};
void weir_series_put_page(struct weir_buf *out, const struct weir_series_page *page);
bool weir_series_get_page(struct weir_view *rest, struct weir_series_page *ret);
/* Compresses and writes `raw` at *offset, which moves behind it. */
int weir_series_page_write(struct weir_disk *disk, int fd, struct weir_view raw, uint64_t *offset,
                           struct weir_series_page *ret);
/* Reads into `raw` (its old content goes). Counts into `query` when it is not NULL. WEIR_ECORRUPT
 * on a wrong checksum. */
int weir_series_page_read(struct weir_disk *disk, int fd, const struct weir_series_page *page,
                          struct weir_buf *raw, struct weir_query *query);

#endif
