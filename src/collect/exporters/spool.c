/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/exporters/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/fs.h"
#include "base/thread.h"

enum {
    HEAD_SIZE = 9, /* len, crc, kind */
    SEGMENT_SIZE = 16 << 20,
    RECORD_SIZE_MAX = 256 << 20,
    PATH_SIZE = 1024,
    SEGMENTS_MAX = 1 << 20,
};

struct waiting {
    weir_spool_done *done;
    void *arg;
};

struct weir_spool {
    char path[PATH_SIZE];
    uint64_t bytes_max;
    int folder_fd, cursor_fd, write_fd;
    pthread_t syncer;
    pthread_mutex_t mutex; /* guards all below but the reader's */
    pthread_cond_t put, synced;
    uint64_t *segments; /* where each begins, ascending; the last is written to */
    uint32_t segments_count, segments_room;
    uint64_t write_at, read_at; /* positions since ever */
    struct waiting *waiting;
    uint32_t waiting_count, waiting_room;
    bool woken, closing, broken; /* broken: a failed write could not be undone */
    /* the reader's */
    int read_fd;
    uint64_t read_segment; /* that read_fd is open on */
    char *record;
    size_t record_room, record_size; /* size 0: none is peeked */
};

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void segment_name(char ret[32], uint64_t start) {
    snprintf(ret, 32, "%016llx.spool", (unsigned long long)start);
}

/* ---- segments -------------------------------------------------------------------------------- */

static bool add_segment(struct weir_spool *spool, uint64_t start) {
    if (spool->segments_count == spool->segments_room) {
        uint32_t room = spool->segments_room ? 2 * spool->segments_room : 16;
        uint64_t *segments =
            room > SEGMENTS_MAX ? NULL : realloc(spool->segments, room * sizeof *segments);
        if (!segments) return false;
        spool->segments = segments;
        spool->segments_room = room;
    }
    spool->segments[spool->segments_count++] = start;
    return true;
}

static int open_segment(struct weir_spool *spool, uint64_t start, int flags) {
    char name[32];
    segment_name(name, start);
    return openat(spool->folder_fd, name, flags | O_CLOEXEC, 0600);
}

/* A new segment at write_at, to be written to. */
static int begin_segment(struct weir_spool *spool) {
    int fd = open_segment(spool, spool->write_at, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0) return errno == ENOSPC ? WEIR_EFULL : WEIR_EIO;
    if (!add_segment(spool, spool->write_at)) {
        close(fd);
        return WEIR_ENOMEMORY;
    }
    if (spool->write_fd >= 0) {
        fdatasync(spool->write_fd);
        close(spool->write_fd);
    }
    spool->write_fd = fd;
    fsync(spool->folder_fd);
    return WEIR_OK;
}

/* Removes segments that lie wholly before the reader. */
static void drop_read(struct weir_spool *spool) {
    while (spool->segments_count > 1 && spool->segments[1] <= spool->read_at) {
        char name[32];
        segment_name(name, spool->segments[0]);
        unlinkat(spool->folder_fd, name, 0);
        memmove(spool->segments, spool->segments + 1,
                --spool->segments_count * sizeof *spool->segments);
    }
}

/* The segment that holds a position. */
static uint64_t segment_of(const struct weir_spool *spool, uint64_t at) {
    uint32_t i = spool->segments_count;
    while (i > 1 && spool->segments[i - 1] > at) i--;
    return spool->segments[i - 1];
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Reads the record at an offset of an open segment into spool->record: its whole size, 0 at a torn
 * or damaged one. */
static size_t read_record(struct weir_spool *spool, int fd, uint64_t offset) {
    uint8_t head[HEAD_SIZE];
    if (weir_fs_read_at(fd, head, sizeof head, offset) != WEIR_OK) return 0;
    uint32_t len = get_u32(head);
    if (len > RECORD_SIZE_MAX) return 0;
    if (spool->record_room < len + 1u) {
        char *record = realloc(spool->record, len + 1u);
        if (!record) return 0;
        spool->record = record;
        spool->record_room = len + 1u;
    }
    spool->record[0] = (char)head[8];
    if (len && weir_fs_read_at(fd, spool->record + 1, len, offset + HEAD_SIZE) != WEIR_OK) return 0;
    return weir_crc32c(0, spool->record, len + 1u) == get_u32(head + 4) ? HEAD_SIZE + len : 0;
}

/* Where the good records of a segment end. */
static uint64_t good_end(struct weir_spool *spool, int fd) {
    uint64_t at = 0;
    for (size_t size; (size = read_record(spool, fd, at)); at += size) {
    }
    return at;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int list_segments(struct weir_spool *spool) {
    DIR *folder = opendir(spool->path);
    if (!folder) return WEIR_EIO;
    const struct dirent *entry;
    bool whole = true;
    while ((entry = readdir(folder))) {
        unsigned long long start;
        char tail[8];
        if (strlen(entry->d_name) == 22 && sscanf(entry->d_name, "%16llx%7s", &start, tail) == 2 &&
            !strcmp(tail, ".spool"))
            whole &= add_segment(spool, start);
    }
    closedir(folder);
    if (!whole) return WEIR_ENOMEMORY;
    if (spool->segments_count)
        qsort(spool->segments, spool->segments_count, sizeof *spool->segments, compare);
    return WEIR_OK;
}

static uint64_t read_cursor(const struct weir_spool *spool) {
    uint8_t bytes[12];
    if (weir_fs_read_at(spool->cursor_fd, bytes, sizeof bytes, 0) != WEIR_OK) return 0;
    if (weir_crc32c(0, bytes, 8) != get_u32(bytes + 8)) return 0;
    return (uint64_t)get_u32(bytes) | (uint64_t)get_u32(bytes + 4) << 32;
}

static void write_cursor(const struct weir_spool *spool) {
    uint8_t bytes[12];
    put_u32(bytes, (uint32_t)spool->read_at);
    put_u32(bytes + 4, (uint32_t)(spool->read_at >> 32));
    put_u32(bytes + 8, weir_crc32c(0, bytes, 8));
    weir_fs_write_all(spool->cursor_fd, bytes, sizeof bytes, 0);
}

/* Goes on where the last owner ended. */
static int recover(struct weir_spool *spool) {
    int rc = list_segments(spool);
    if (rc) return rc;
    if (!spool->segments_count) return begin_segment(spool);
    uint64_t last = spool->segments[spool->segments_count - 1];
    if ((spool->write_fd = open_segment(spool, last, O_RDWR)) < 0) return WEIR_EIO;
    uint64_t end = good_end(spool, spool->write_fd);
    if (ftruncate(spool->write_fd, (off_t)end) != 0) return WEIR_EIO;
    spool->write_at = last + end;
    spool->read_at = read_cursor(spool);
    if (spool->read_at < spool->segments[0]) spool->read_at = spool->segments[0];
    if (spool->read_at > spool->write_at) spool->read_at = spool->write_at;
    drop_read(spool);
    return WEIR_OK;
}

static void *run_sync(void *arg);

static void release(struct weir_spool *spool) {
    int *const fds[] = {&spool->folder_fd, &spool->cursor_fd, &spool->write_fd, &spool->read_fd};
    for (int i = 0; i < 4; i++)
        if (*fds[i] >= 0) close(*fds[i]);
    pthread_cond_destroy(&spool->put);
    pthread_cond_destroy(&spool->synced);
    pthread_mutex_destroy(&spool->mutex);
    free(spool->segments);
    free(spool->waiting);
    free(spool->record);
    free(spool);
}

static int open_files(struct weir_spool *spool, struct weir_error *reterr) {
    int rc = weir_fs_make_dirs(spool->path, reterr);
    if (rc) return rc;
    spool->folder_fd = open(spool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->folder_fd >= 0)
        spool->cursor_fd = openat(spool->folder_fd, "cursor", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (spool->cursor_fd < 0)
        return weir_error_set(reterr, WEIR_EIO, "%s: cannot open the queue: %s", spool->path,
                              strerror(errno));
    if (flock(spool->cursor_fd, LOCK_EX | LOCK_NB) != 0)
        return weir_error_set(reterr, WEIR_ECONFLICT, "%s: another process has this queue open",
                              spool->path);
    rc = recover(spool);
    return rc ? weir_error_set(reterr, rc, "%s: cannot read the queue", spool->path) : WEIR_OK;
}

int weir_spool_open(const char *path, uint64_t bytes_max, struct weir_spool **ret,
                    struct weir_error *reterr) {
    struct weir_spool *spool = calloc(1, sizeof *spool);
    if (!spool) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for a queue");
    spool->folder_fd = spool->cursor_fd = spool->write_fd = spool->read_fd = -1;
    spool->bytes_max = bytes_max;
    snprintf(spool->path, sizeof spool->path, "%s", path);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&spool->put, &attr);
    pthread_cond_init(&spool->synced, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&spool->mutex, NULL);
    int rc = open_files(spool, reterr);
    if (!rc && (rc = weir_thread_start(&spool->syncer, "weir-spool", run_sync, spool)))
        weir_error_set(reterr, rc, "no thread for a queue");
    if (rc) {
        release(spool);
        return rc;
    }
    *ret = spool;
    return WEIR_OK;
}

void weir_spool_close(struct weir_spool *spool) {
    if (!spool) return;
    pthread_mutex_lock(&spool->mutex);
    spool->closing = true;
    pthread_cond_broadcast(&spool->put);
    pthread_mutex_unlock(&spool->mutex);
    pthread_join(spool->syncer, NULL);
    fdatasync(spool->cursor_fd);
    release(spool);
}

/* ---- putting --------------------------------------------------------------------------------- */

static bool add_waiting(struct weir_spool *spool, weir_spool_done *done, void *arg) {
    if (spool->waiting_count == spool->waiting_room) {
        uint32_t room = spool->waiting_room ? 2 * spool->waiting_room : 64;
        struct waiting *waiting = realloc(spool->waiting, room * sizeof *waiting);
        if (!waiting) return false;
        spool->waiting = waiting;
        spool->waiting_room = room;
    }
    spool->waiting[spool->waiting_count++] = (struct waiting){done, arg};
    return true;
}

/* With the mutex held. What could not be written whole is cut off again. */
static int append(struct weir_spool *spool, uint8_t kind, struct weir_view bytes) {
    uint8_t head[HEAD_SIZE];
    uint64_t start = spool->segments[spool->segments_count - 1];
    if (spool->write_at - start >= SEGMENT_SIZE) {
        int rc = begin_segment(spool);
        if (rc) return rc;
        start = spool->write_at;
    }
    head[8] = kind;
    put_u32(head, (uint32_t)bytes.len);
    put_u32(head + 4, weir_crc32c(weir_crc32c(0, &kind, 1), bytes.ptr, bytes.len));
    int64_t offset = (int64_t)(spool->write_at - start);
    int rc = weir_fs_write_all(spool->write_fd, head, sizeof head, offset);
    if (!rc && bytes.len)
        rc = weir_fs_write_all(spool->write_fd, bytes.ptr, bytes.len, offset + HEAD_SIZE);
    if (!rc) {
        spool->write_at += HEAD_SIZE + bytes.len;
        return WEIR_OK;
    }
    if (ftruncate(spool->write_fd, offset) != 0) spool->broken = true;
    return rc == WEIR_EFULL ? WEIR_EFULL : WEIR_EIO;
}

int weir_spool_put(struct weir_spool *spool, uint8_t kind, struct weir_view bytes,
                   weir_spool_done *done, void *arg) {
    pthread_mutex_lock(&spool->mutex);
    int rc = WEIR_OK;
    uint64_t held = spool->write_at - spool->read_at;
    if (spool->broken || spool->closing)
        rc = WEIR_EIO;
    else if (bytes.len > RECORD_SIZE_MAX || held + HEAD_SIZE + bytes.len > spool->bytes_max)
        rc = WEIR_EFULL;
    else if (!add_waiting(spool, done, arg))
        rc = WEIR_ENOMEMORY;
    else if ((rc = append(spool, kind, bytes)))
        spool->waiting_count--;
    else
        pthread_cond_signal(&spool->put);
    pthread_mutex_unlock(&spool->mutex);
    return rc;
}

/* Forces to disk for all who wait, while the next ones are put. */
static void *run_sync(void *arg) {
    struct weir_spool *spool = arg;
    pthread_mutex_lock(&spool->mutex);
    for (;;) {
        while (!spool->waiting_count && !spool->closing)
            pthread_cond_wait(&spool->put, &spool->mutex);
        if (!spool->waiting_count) break;
        struct waiting *list = spool->waiting;
        uint32_t count = spool->waiting_count;
        spool->waiting = NULL;
        spool->waiting_count = spool->waiting_room = 0;
        int fd = dup(spool->write_fd); /* a segment that ends meanwhile is forced when it ends */
        pthread_mutex_unlock(&spool->mutex);
        int code = fd >= 0 && fdatasync(fd) == 0 ? WEIR_OK : WEIR_EIO;
        if (fd >= 0) close(fd);
        for (uint32_t i = 0; i < count; i++) list[i].done(list[i].arg, code);
        free(list);
        pthread_mutex_lock(&spool->mutex);
        pthread_cond_broadcast(&spool->synced);
    }
    pthread_mutex_unlock(&spool->mutex);
    return NULL;
}

/* ---- taking ---------------------------------------------------------------------------------- */

static bool wait_for_record(struct weir_spool *spool, int64_t wait_ms) {
    int64_t until_ns = weir_clock_mono_ns() + wait_ms * WEIR_NS_PER_MS;
    struct timespec until = {.tv_sec = (time_t)(until_ns / WEIR_NS_PER_S),
                             .tv_nsec = (long)(until_ns % WEIR_NS_PER_S)};
    int waited = 0;
    while (spool->read_at == spool->write_at && !spool->woken && !waited)
        waited = pthread_cond_timedwait(&spool->synced, &spool->mutex, &until);
    return spool->read_at < spool->write_at && !spool->woken;
}

bool weir_spool_peek(struct weir_spool *spool, int64_t wait_ms, uint8_t *ret_kind,
                     struct weir_view *ret_bytes) {
    pthread_mutex_lock(&spool->mutex);
    bool some = wait_for_record(spool, wait_ms);
    while (some && !spool->record_size) {
        uint64_t at = spool->read_at, segment = segment_of(spool, at);
        pthread_mutex_unlock(&spool->mutex);
        if (spool->read_fd < 0 || spool->read_segment != segment) {
            if (spool->read_fd >= 0) close(spool->read_fd);
            spool->read_fd = open_segment(spool, segment, O_RDONLY);
            spool->read_segment = segment;
        }
        if (spool->read_fd >= 0)
            spool->record_size = read_record(spool, spool->read_fd, at - segment);
        pthread_mutex_lock(&spool->mutex);
        if (spool->record_size) break;
        /* damaged: the rest of this segment cannot be told apart; the next one can */
        uint32_t i = 0;
        while (i < spool->segments_count && spool->segments[i] <= at) i++;
        spool->read_at = i < spool->segments_count ? spool->segments[i] : spool->write_at;
        drop_read(spool);
        some = spool->read_at < spool->write_at;
    }
    pthread_mutex_unlock(&spool->mutex);
    if (!some || !spool->record_size) return false;
    *ret_kind = (uint8_t)spool->record[0];
    *ret_bytes = weir_view(spool->record + 1, spool->record_size - HEAD_SIZE);
    return true;
}

void weir_spool_advance(struct weir_spool *spool) {
    if (!spool->record_size) return;
    pthread_mutex_lock(&spool->mutex);
    spool->read_at += spool->record_size;
    spool->record_size = 0;
    write_cursor(spool);
    drop_read(spool);
    pthread_mutex_unlock(&spool->mutex);
}

void weir_spool_wake(struct weir_spool *spool) {
    pthread_mutex_lock(&spool->mutex);
    spool->woken = true;
    pthread_cond_broadcast(&spool->synced);
    pthread_mutex_unlock(&spool->mutex);
}

uint64_t weir_spool_bytes(struct weir_spool *spool) {
    pthread_mutex_lock(&spool->mutex);
    uint64_t bytes = spool->write_at - spool->read_at;
    pthread_mutex_unlock(&spool->mutex);
    return bytes;
}
