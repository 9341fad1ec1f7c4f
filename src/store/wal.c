/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/part_format.h"
#include "store/wal_format.h"

enum { GROUP_BYTES_MAX = 1 << 30, GROUP_ROOM_KEPT = 8 << 20 };

WEIR_GAUGE(wal_bytes, "weir_store_wal_bytes", "Bytes of the write log on disk.", "");
WEIR_COUNTER(fsyncs, "weir_store_fsync_total", "fsyncs of the write log.", "");
WEIR_COUNTER(fsync_failures, "weir_store_fsync_failed_total",
             "fsyncs of the write log that failed.", "");

static _Atomic int64_t fsync_ns; /* all of them together */
static double fsync_seconds(void) {
    return (double)atomic_load_explicit(&fsync_ns, memory_order_relaxed) / (double)WEIR_NS_PER_S;
}
WEIR_COUNTER_READ(fsync_time, "weir_store_fsync_seconds_total",
                  "Time spent in fsyncs of the write log.", "", fsync_seconds);

/* ---- bytes ---------------------------------------------------------------------------------- */

bool weir_wal_segment_path(const struct weir_wal *wal, uint64_t first_seq, char *ret,
                           size_t ret_size) {
    int len = snprintf(ret, ret_size, "%s/%016" PRIx64 ".wal", wal->path, first_seq);
    return len > 0 && (size_t)len < ret_size;
}

void weir_wal_put_header(struct weir_buf *out, uint64_t first_seq) {
    size_t start = out->len;
    weir_buf_add_str(out, WEIR_WAL_MAGIC);
    weir_part_put_u32(out, WEIR_WAL_VERSION);
    weir_part_put_u32(out, 0);
    weir_part_put_u64(out, first_seq);
    weir_part_put_u32(out, 0);
    weir_part_put_u32(out,
                      out->failed ? 0 : weir_crc32c(0, out->ptr + start, WEIR_WAL_HEADER_SIZE - 4));
}

void weir_wal_put_record(struct weir_buf *out, const struct weir_wal_record *record) {
    size_t start = out->len;
    weir_part_put_u32(out, WEIR_WAL_RECORD_MAGIC);
    weir_part_put_u32(out, 0); /* the checksum's place */
    weir_part_put_u32(out, (uint32_t)record->bytes.len);
    weir_part_put_u32(out, (uint32_t)record->signal);
    weir_part_put_u64(out, record->seq);
    weir_buf_add_view(out, record->bytes);
    if (out->failed) return;
    uint32_t crc = weir_crc32c(0, out->ptr + start + 8, out->len - start - 8);
    struct weir_buf place;
    weir_buf_init(&place, 4);
    weir_part_put_u32(&place, crc);
    if (!place.failed) memcpy(out->ptr + start + 4, place.ptr, 4);
    weir_buf_done(&place);
}

bool weir_wal_get_record(struct weir_view bytes, struct weir_wal_record *ret, size_t *ret_size) {
    if (bytes.len < WEIR_WAL_RECORD_HEADER_SIZE) return false;
    const char *at = bytes.ptr;
    uint32_t len = weir_part_get_u32(at + 8), signal = weir_part_get_u32(at + 12);
    if (weir_part_get_u32(at) != WEIR_WAL_RECORD_MAGIC || len > WEIR_WAL_RECORD_MAX ||
        len > bytes.len - WEIR_WAL_RECORD_HEADER_SIZE || signal >= WEIR_SIGNALS_COUNT)
        return false;
    size_t size = WEIR_WAL_RECORD_HEADER_SIZE + (size_t)len;
    if (weir_crc32c(0, at + 8, size - 8) != weir_part_get_u32(at + 4)) return false;
    *ret = (struct weir_wal_record){
        .seq = weir_part_get_u64(at + 16),
        .signal = (enum weir_signal)signal,
        .bytes = weir_view(at + WEIR_WAL_RECORD_HEADER_SIZE, len),
    };
    *ret_size = size;
    return true;
}

/* ---- segments ------------------------------------------------------------------------------- */

bool weir_wal_add_segment(struct weir_wal *wal, struct weir_wal_segment segment) {
    if (wal->segments_count == wal->segments_room) {
        uint32_t room = wal->segments_room ? wal->segments_room * 2 : 16;
        struct weir_wal_segment *grown = realloc(wal->segments, room * sizeof *grown);
        if (!grown) return false;
        wal->segments = grown;
        wal->segments_room = room;
    }
    wal->segments[wal->segments_count++] = segment;
    return true;
}

static uint64_t bytes_locked(const struct weir_wal *wal) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < wal->segments_count; i++) bytes += wal->segments[i].size_bytes;
    return bytes;
}

uint64_t weir_wal_bytes(struct weir_wal *wal) {
    pthread_mutex_lock(&wal->lock);
    uint64_t bytes = bytes_locked(wal);
    pthread_mutex_unlock(&wal->lock);
    weir_metric_set(&wal_bytes, (int64_t)bytes);
    return bytes;
}

uint64_t weir_wal_bytes_from(struct weir_wal *wal, uint64_t seq) {
    uint64_t bytes = 0;
    pthread_mutex_lock(&wal->lock);
    for (uint32_t i = 0; i < wal->segments_count; i++)
        if (wal->segments[i].last_seq >= seq) bytes += wal->segments[i].size_bytes;
    pthread_mutex_unlock(&wal->lock);
    return bytes;
}

uint64_t weir_wal_last_seq(struct weir_wal *wal) {
    pthread_mutex_lock(&wal->lock);
    uint64_t seq = wal->last_seq;
    pthread_mutex_unlock(&wal->lock);
    return seq;
}

/* Leaves the segment that is written to; the next append starts another. */
static void leave_segment(struct weir_wal *wal) {
    pthread_mutex_lock(&wal->lock);
    if (wal->fd >= 0) close(wal->fd);
    wal->fd = -1;
    pthread_mutex_unlock(&wal->lock);
}

void weir_wal_close(struct weir_wal *wal) {
    if (!wal) return;
    leave_segment(wal);
    pthread_mutex_destroy(&wal->lock);
    weir_buf_done(&wal->buf);
    free(wal->segments);
    free(wal->path);
    free(wal);
}

static int start_segment(struct weir_wal *wal, uint64_t first_seq, struct weir_error *reterr) {
    char path[PATH_MAX];
    if (!weir_wal_segment_path(wal, first_seq, path, sizeof path))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", wal->path);
    int fd = -1;
    int rc = weir_disk_create(wal->disk, path, &fd, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_buf header;
    weir_buf_init(&header, WEIR_WAL_HEADER_SIZE);
    weir_wal_put_header(&header, first_seq);
    rc = header.failed ? WEIR_ENOMEMORY : weir_disk_write(wal->disk, fd, header.ptr, header.len, 0);
    weir_buf_done(&header);
    if (rc != WEIR_OK)
        weir_error_set(reterr, rc, "cannot write %s: %s", path, weir_error_text(rc));
    else
        rc = weir_disk_sync_dir(wal->disk, wal->path, reterr);
    pthread_mutex_lock(&wal->lock);
    struct weir_wal_segment segment = {first_seq, 0, WEIR_WAL_HEADER_SIZE};
    if (rc == WEIR_OK && !weir_wal_add_segment(wal, segment))
        rc = weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the write log");
    if (rc == WEIR_OK) wal->fd = fd;
    pthread_mutex_unlock(&wal->lock);
    if (rc != WEIR_OK) {
        close(fd);
        weir_disk_remove(wal->disk, path, NULL);
    }
    return rc;
}

/* ---- append --------------------------------------------------------------------------------- */

static int sync_timed(struct weir_wal *wal) {
    int64_t start_ns = weir_clock_mono_ns();
    int rc = weir_disk_sync(wal->disk, wal->fd);
    atomic_fetch_add_explicit(&fsync_ns, weir_clock_mono_ns() - start_ns, memory_order_relaxed);
    weir_metric_add(rc == WEIR_OK ? &fsyncs : &fsync_failures, 1);
    return rc;
}

/* Only the writer changes the last segment while fd is open. */
static struct weir_wal_segment *last_segment(struct weir_wal *wal) {
    return &wal->segments[wal->segments_count - 1];
}

/* Cuts off what a failed write left; where that fails too, the segment is left for good. */
static void take_back(struct weir_wal *wal, uint64_t size_bytes) {
    if (ftruncate(wal->fd, (off_t)size_bytes) != 0) leave_segment(wal);
}

/* One try in the current segment. *ret_lost: fsync failed, the segment must be left. */
static int write_group(struct weir_wal *wal, uint64_t first_seq, uint64_t last_seq, bool *ret_lost,
                       struct weir_error *reterr) {
    *ret_lost = false;
    if (wal->fd < 0) {
        int rc = start_segment(wal, first_seq, reterr);
        if (rc != WEIR_OK) return rc;
    }
    pthread_mutex_lock(&wal->lock);
    uint64_t offset = last_segment(wal)->size_bytes;
    pthread_mutex_unlock(&wal->lock);
    int rc = weir_disk_write(wal->disk, wal->fd, wal->buf.ptr, wal->buf.len, offset);
    if (rc != WEIR_OK) {
        take_back(wal, offset);
        return weir_error_set(reterr, rc, "cannot write to the log in %s: %s", wal->path,
                              weir_error_text(rc));
    }
    rc = sync_timed(wal);
    pthread_mutex_lock(&wal->lock);
    struct weir_wal_segment *segment = last_segment(wal);
    segment->size_bytes += wal->buf.len; /* after a failed fsync as well: it may be there */
    segment->last_seq = last_seq;
    if (rc == WEIR_OK) wal->last_seq = last_seq;
    pthread_mutex_unlock(&wal->lock);
    *ret_lost = rc != WEIR_OK;
    if (rc == WEIR_OK) return rc;
    return weir_error_set(reterr, rc, "cannot sync the log in %s: %s", wal->path,
                          weir_error_text(rc));
}

/* Segment names must differ: a group that was lost in a segment of its own takes the next number.
 */
static uint64_t segment_name(struct weir_wal *wal, uint64_t seq) {
    pthread_mutex_lock(&wal->lock);
    if (wal->segments_count && last_segment(wal)->first_seq >= seq)
        seq = last_segment(wal)->first_seq + 1;
    pthread_mutex_unlock(&wal->lock);
    return seq;
}

int weir_wal_append(struct weir_wal *wal, const struct weir_wal_record *records, uint32_t count,
                    struct weir_error *reterr) {
    weir_buf_clear(&wal->buf);
    for (uint32_t i = 0; i < count; i++) weir_wal_put_record(&wal->buf, &records[i]);
    if (wal->buf.failed)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write to the log");
    uint64_t last_seq = records[count - 1].seq;
    bool lost;
    int rc = write_group(wal, segment_name(wal, records[0].seq), last_seq, &lost, reterr);
    if (lost) {
        leave_segment(wal);
        rc = write_group(wal, segment_name(wal, records[0].seq), last_seq, &lost, reterr);
        if (lost) leave_segment(wal);
    }
    pthread_mutex_lock(&wal->lock);
    bool full = rc == WEIR_OK && last_segment(wal)->size_bytes >= wal->segment_bytes;
    pthread_mutex_unlock(&wal->lock);
    if (full) leave_segment(wal);
    if (wal->buf.room > GROUP_ROOM_KEPT) {
        weir_buf_done(&wal->buf);
        weir_buf_init(&wal->buf, GROUP_BYTES_MAX);
    }
    return rc;
}

/* ---- cut ------------------------------------------------------------------------------------ */

/* Takes the oldest segment out of the list when all it holds is ≤ seq. */
static bool take_oldest(struct weir_wal *wal, uint64_t seq, bool all,
                        struct weir_wal_segment *ret) {
    pthread_mutex_lock(&wal->lock);
    bool fits = wal->segments_count > 0 && wal->segments[0].last_seq <= seq;
    if (fits && wal->segments_count == 1 && wal->fd >= 0) {
        fits = all;
        if (all) close(wal->fd);
        if (all) wal->fd = -1;
    }
    if (fits) {
        *ret = wal->segments[0];
        wal->segments_count--;
        memmove(wal->segments, wal->segments + 1, wal->segments_count * sizeof *wal->segments);
    }
    pthread_mutex_unlock(&wal->lock);
    return fits;
}

int weir_wal_cut(struct weir_wal *wal, uint64_t seq, bool all, struct weir_error *reterr) {
    struct weir_wal_segment segment;
    while (take_oldest(wal, seq, all, &segment)) {
        char path[PATH_MAX];
        if (!weir_wal_segment_path(wal, segment.first_seq, path, sizeof path)) continue;
        int rc = weir_disk_remove(wal->disk, path, reterr);
        if (rc != WEIR_OK) return rc;
    }
    weir_wal_bytes(wal);
    return WEIR_OK;
}
