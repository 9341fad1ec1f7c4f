/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders, with errors in words.
 *
 * Threads: any.
 */
#ifndef WEIR_BASE_FS_H
#define WEIR_BASE_FS_H

#include "base/buf.h"
#include "base/error.h"

/* Reads a whole file; WEIR_ETOOBIG past `out`'s limit, else as weir_error_from_errno. */
int weir_fs_read_file(const char *path, struct weir_buf *out, struct weir_error *reterr);
/* Writes a file so that it is there whole or not at all: temp file, fsync, rename, fsync folder. */
int weir_fs_write_file(const char *path, struct weir_view content, struct weir_error *reterr);
/* Writes all bytes at an offset (or the current position when offset < 0), through short writes. */
int weir_fs_write_all(int fd, const void *ptr, size_t len, int64_t offset);
/* Reads exactly `len` bytes at an offset; WEIR_ECORRUPT when the file is shorter. */
int weir_fs_read_at(int fd, void *ptr, size_t len, uint64_t offset);
/* Makes a folder and its parents; fine if it is there. */
int weir_fs_make_dirs(const char *path, struct weir_error *reterr);
/* fsync of a folder, after creating, renaming or removing names in it. */
int weir_fs_sync_dir(const char *path, struct weir_error *reterr);
/* Removes a file, or a folder with all in it; fine if it is not there. */
int weir_fs_remove_all(const char *path, struct weir_error *reterr);
/* Bytes free to this user, and size of the file system that holds `path`. */
int weir_fs_space(const char *path, uint64_t *ret_free, uint64_t *ret_size);

#endif
