/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the write log back. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/part_format.h"
#include "store/wal_format.h"

enum { GROUP_BYTES_MAX = 1 << 30 };
static const uint64_t segment_bytes_default = UINT64_C(64) << 20;

WEIR_COUNTER(torn_tails, "weir_store_wal_torn_total",
             "Unfinished records cut off at the end of the write log.", "");
WEIR_COUNTER(damaged, "weir_store_corrupt_total", "Damaged pieces found on disk.", "piece=\"wal\"");

struct scan {
    struct weir_wal *wal;
    weir_wal_visit *visit;
    void *arg;
    struct weir_wal_report report;
};

static int add_name(void *arg, const char *name) {
    struct weir_wal *wal = arg;
    struct weir_view v = weir_view_str(name);
    uint8_t bytes[8];
    if (v.len != 20 || !weir_view_ends(v, WEIR_VIEW(".wal")) ||
        !weir_view_to_bytes_hex(weir_view_upto(v, 16), bytes, sizeof bytes))
        return WEIR_OK;
    uint64_t first_seq = 0;
    for (size_t i = 0; i < sizeof bytes; i++) first_seq = first_seq << 8 | bytes[i];
    return weir_wal_add_segment(wal, (struct weir_wal_segment){first_seq, 0, 0}) ? WEIR_OK
                                                                                 : WEIR_ENOMEMORY;
}

static int by_first_seq(const void *a, const void *b) {
    const struct weir_wal_segment *x = a, *y = b;
    return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

/* The next offset behind `at` where a whole record stands, or the end. */
static size_t find_record(struct weir_view bytes, size_t at) {
    struct weir_wal_record record;
    size_t size;
    for (at++; at < bytes.len; at++) {
        const char *found = memchr(bytes.ptr + at, 'W', bytes.len - at);
        if (!found) break;
        at = (size_t)(found - bytes.ptr);
        if (weir_wal_get_record(weir_view_from(bytes, at), &record, &size)) return at;
    }
    return bytes.len;
}

/* Keeps the file under another name, so that cutting the log later does not lose it. */
static void keep_bad(const char *path, uint64_t offset) {
    char bad[PATH_MAX];
    bool kept = snprintf(bad, sizeof bad, "%s.bad", path) < (int)sizeof bad && link(path, bad) == 0;
    weir_log_error("store",
                   "%s is damaged at byte %" PRIu64
                   ": what cannot be read is skipped; the file is kept "
                   "as %s, restore it from a backup or delete it",
                   path, offset, kept ? bad : path);
}

static int truncate_segment(struct weir_wal *wal, const char *path, uint64_t size,
                            struct weir_error *reterr) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool fine =
        fd >= 0 && ftruncate(fd, (off_t)size) == 0 && weir_disk_sync(wal->disk, fd) == WEIR_OK;
    if (fd >= 0) close(fd);
    if (fine) return WEIR_OK;
    return weir_error_set(reterr, WEIR_EIO, "cannot cut the unfinished end off %s", path);
}

static bool header_fits(struct weir_view bytes) {
    return bytes.len >= WEIR_WAL_HEADER_SIZE && memcmp(bytes.ptr, WEIR_WAL_MAGIC, 8) == 0 &&
           weir_part_get_u32(bytes.ptr + 28) == weir_crc32c(0, bytes.ptr, 28);
}

static int check_version(struct weir_view bytes, const char *path, struct weir_error *reterr) {
    uint32_t version = weir_part_get_u32(bytes.ptr + 8);
    if (version <= WEIR_WAL_VERSION) return WEIR_OK;
    return weir_error_set(reterr, WEIR_EVERSION,
                          "%s has format %u, this program knows up to %d; use the newer program",
                          path, version, WEIR_WAL_VERSION);
}

static int visit_record(struct scan *scan, struct weir_wal_segment *segment,
                        const struct weir_wal_record *record, struct weir_error *reterr) {
    segment->last_seq = record->seq;
    if (record->seq <= scan->wal->last_seq) return WEIR_OK; /* written again after a failed fsync */
    scan->wal->last_seq = record->seq;
    scan->report.records_count++;
    return scan->visit(scan->arg, record, reterr);
}

/* Bytes of the segment in memory; `is_last`: a bad end is a torn write and is cut off. */
static int scan_bytes(struct scan *scan, struct weir_wal_segment *segment, struct weir_view bytes,
                      const char *path, bool is_last, struct weir_error *reterr) {
    size_t at = WEIR_WAL_HEADER_SIZE;
    bool fits = header_fits(bytes), kept = false;
    if (fits) {
        int rc = check_version(bytes, path, reterr);
        if (rc != WEIR_OK) return rc;
    } else {
        at = 0;
    }
    while (at < bytes.len) {
        struct weir_wal_record record;
        size_t size;
        if (weir_wal_get_record(weir_view_from(bytes, at), &record, &size)) {
            int rc = visit_record(scan, segment, &record, reterr);
            if (rc != WEIR_OK) return rc;
            at += size;
            continue;
        }
        size_t next = find_record(bytes, at);
        if (next == bytes.len && is_last) { /* nothing whole behind it: a write that was cut */
            weir_metric_add(&torn_tails, 1);
            scan->report.torn_bytes += bytes.len - at;
            segment->size_bytes = at;
            return truncate_segment(scan->wal, path, at, reterr);
        }
        weir_metric_add(&damaged, 1);
        scan->report.damaged_count++;
        if (!kept) keep_bad(path, at);
        kept = true;
        at = next;
    }
    return WEIR_OK;
}

static int scan_segment(struct scan *scan, struct weir_wal_segment *segment, bool is_last,
                        struct weir_error *reterr) {
    struct weir_wal *wal = scan->wal;
    char path[PATH_MAX];
    int fd = -1;
    if (!weir_wal_segment_path(wal, segment->first_seq, path, sizeof path))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", wal->path);
    int rc = weir_disk_open(wal->disk, path, &fd, reterr);
    if (rc != WEIR_OK) return rc;
    rc = weir_disk_size(fd, &segment->size_bytes);
    if (rc == WEIR_OK && segment->size_bytes) {
        size_t len = segment->size_bytes;
        void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            rc = weir_error_set(reterr, WEIR_EIO, "cannot read %s", path);
        } else {
            rc = scan_bytes(scan, segment, weir_view(bytes, len), path, is_last, reterr);
            munmap(bytes, len);
        }
    }
    close(fd);
    return rc;
}

static struct weir_wal *new_wal(const struct weir_wal_options *options) {
    struct weir_wal *wal = calloc(1, sizeof *wal);
    if (!wal) return NULL;
    wal->disk = options->disk;
    wal->path = strdup(options->path);
    wal->segment_bytes = options->segment_bytes ? options->segment_bytes : segment_bytes_default;
    wal->fd = -1;
    pthread_mutex_init(&wal->lock, NULL);
    weir_buf_init(&wal->buf, GROUP_BYTES_MAX);
    if (wal->path) return wal;
    weir_wal_close(wal);
    return NULL;
}

int weir_wal_open(const struct weir_wal_options *options, weir_wal_visit *visit, void *arg,
                  struct weir_wal **ret, struct weir_wal_report *ret_report,
                  struct weir_error *reterr) {
    struct weir_wal *wal = new_wal(options);
    if (!wal) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the write log");
    struct scan scan = {wal, visit, arg, {0}};
    int rc = weir_disk_list(options->path, add_name, wal, reterr);
    if (rc == WEIR_OK && wal->segments_count)
        qsort(wal->segments, wal->segments_count, sizeof *wal->segments, by_first_seq);
    for (uint32_t i = 0; rc == WEIR_OK && i < wal->segments_count; i++)
        rc = scan_segment(&scan, &wal->segments[i], i + 1 == wal->segments_count, reterr);
    if (rc != WEIR_OK) {
        weir_wal_close(wal);
        return rc;
    }
    weir_wal_bytes(wal);
    *ret = wal;
    *ret_report = scan.report;
    return WEIR_OK;
}
