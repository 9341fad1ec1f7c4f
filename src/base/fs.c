/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int failed(struct weir_error *reterr, const char *what, const char *path) {
    int number = errno;
    return weir_error_set(reterr, weir_error_from_errno(number), "cannot %s %s: %s", what, path,
                          strerror(number));
}

static int read_into(int fd, struct weir_buf *out, const char *path, struct weir_error *reterr) {
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(reterr, "read", path);
        if (got == 0) return WEIR_OK;
        weir_buf_add(out, chunk, (size_t)got);
        if (out->failed)
            return weir_error_set(reterr, WEIR_ETOOBIG, "%s is larger than %zu bytes", path,
                                  out->size_max);
    }
}

int weir_fs_read_file(const char *path, struct weir_buf *out, struct weir_error *reterr) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed(reterr, "open", path);
    int rc = read_into(fd, out, path, reterr);
    close(fd);
    return rc;
}

int weir_fs_write_all(int fd, const void *ptr, size_t len, int64_t offset) {
    const char *from = ptr;
    while (len) {
        ssize_t wrote = offset < 0 ? write(fd, from, len) : pwrite(fd, from, len, offset);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return weir_error_from_errno(wrote ? errno : EIO);
        from += wrote;
        len -= (size_t)wrote;
        if (offset >= 0) offset += wrote;
    }
    return WEIR_OK;
}

int weir_fs_read_at(int fd, void *ptr, size_t len, uint64_t offset) {
    char *to = ptr;
    while (len) {
        ssize_t got = pread(fd, to, len, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return weir_error_from_errno(errno);
        if (got == 0) return WEIR_ECORRUPT;
        to += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return WEIR_OK;
}

int weir_fs_sync_dir(const char *path, struct weir_error *reterr) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed(reterr, "open", path);
    int rc = fsync(fd) == 0 ? WEIR_OK : failed(reterr, "sync", path);
    close(fd);
    return rc;
}

static int write_and_sync(const char *path, struct weir_view content, struct weir_error *reterr) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0) return failed(reterr, "create", path);
    int rc = weir_fs_write_all(fd, content.ptr, content.len, -1);
    if (rc != WEIR_OK)
        weir_error_set(reterr, rc, "cannot write %s: %s", path, weir_error_text(rc));
    else if (fsync(fd) != 0)
        rc = failed(reterr, "sync", path);
    close(fd);
    return rc;
}

int weir_fs_write_file(const char *path, struct weir_view content, struct weir_error *reterr) {
    char temp[PATH_MAX], folder[PATH_MAX];
    if (snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp)
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", path);
    memcpy(folder, temp, sizeof folder);
    int rc = write_and_sync(temp, content, reterr);
    if (rc == WEIR_OK && rename(temp, path) != 0) rc = failed(reterr, "rename to", path);
    if (rc != WEIR_OK) {
        unlink(temp);
        return rc;
    }
    return weir_fs_sync_dir(dirname(folder), reterr);
}

int weir_fs_make_dirs(const char *path, struct weir_error *reterr) {
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return weir_error_set(reterr, WEIR_EINVALID, "unusable path '%s'", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        part[i] = 0;
        if (mkdir(part, 0750) != 0 && errno != EEXIST) return failed(reterr, "create folder", part);
        part[i] = i < len ? '/' : 0;
    }
    struct stat st;
    if (stat(path, &st) != 0) return failed(reterr, "open folder", path);
    if (!S_ISDIR(st.st_mode))
        return weir_error_set(reterr, WEIR_EINVALID, "%s is not a folder", path);
    return WEIR_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

int weir_fs_remove_all(const char *path, struct weir_error *reterr) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return WEIR_OK;
    return failed(reterr, "remove", path);
}

int weir_fs_space(const char *path, uint64_t *ret_free, uint64_t *ret_size) {
    struct statvfs st;
    if (statvfs(path, &st) != 0) return weir_error_from_errno(errno);
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_size = (uint64_t)st.f_blocks * st.f_frsize;
    return WEIR_OK;
}
