/* SPDX-License-Identifier: Apache-2.0 */
/* The one door between the store and the file system, so that tests can make the disk fail at any
 * step: full, torn, or lying.
 *
 * Every call returns 0 or a code (WEIR_EFULL when the disk is full, WEIR_EIO, …) and words that
 * name the path. With `sync` off nothing is fsynced (tests, throw-away data).
 *
 * Threads: any; faults are set while nothing else runs.
 */
#ifndef WEIR_STORE_DISK_H
#define WEIR_STORE_DISK_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/view.h"

enum weir_disk_op {
    WEIR_DISK_OPEN, /* creating files; opening to read never fails by a fault */
    WEIR_DISK_WRITE,
    WEIR_DISK_SYNC,
    WEIR_DISK_RENAME,
    WEIR_DISK_READ,
    WEIR_DISK_OPS_COUNT,
};

/* Fails calls of one kind: lets `after` of them pass, then `count` fail with `error` (an errno). A
 * failing write puts `torn_bytes` of its bytes on disk first. */
struct weir_disk_fault {
    atomic_int after, count;
    int error;
    size_t torn_bytes;
};

struct weir_disk {
    bool sync;                                          /* fsync for real */
    struct weir_disk_fault faults[WEIR_DISK_OPS_COUNT]; /* all zero: none */
};

void weir_disk_init(struct weir_disk *disk, bool sync);

/* Creates (fails if it is there already) and opens for reading and writing. */
int weir_disk_create(struct weir_disk *disk, const char *path, int *ret_fd,
                     struct weir_error *reterr);
/* Opens for reading. */
int weir_disk_open(struct weir_disk *disk, const char *path, int *ret_fd,
                   struct weir_error *reterr);
/* All bytes at an offset. On failure some of them may be there. */
int weir_disk_write(struct weir_disk *disk, int fd, const void *ptr, size_t len, uint64_t offset);
/* Exactly `len` bytes; WEIR_ECORRUPT when the file is shorter. */
int weir_disk_read(struct weir_disk *disk, int fd, void *ptr, size_t len, uint64_t offset);
/* fdatasync. After a failure the file's unsynced pages are lost territory: never try again on the
 * same file. */
int weir_disk_sync(struct weir_disk *disk, int fd);
int weir_disk_sync_dir(struct weir_disk *disk, const char *path, struct weir_error *reterr);
/* Whole or not at all: temp file, fsync, rename, fsync of the folder. */
int weir_disk_replace_file(struct weir_disk *disk, const char *path, struct weir_view content,
                           struct weir_error *reterr);
/* Fine if it is not there. */
int weir_disk_remove(struct weir_disk *disk, const char *path, struct weir_error *reterr);
int weir_disk_size(int fd, uint64_t *ret_size);

/* Calls `visit` with the name of every entry of a folder but "." and "..". */
int weir_disk_list(const char *path, int (*visit)(void *arg, const char *name), void *arg,
                   struct weir_error *reterr);

#endif
