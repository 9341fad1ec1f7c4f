/* SPDX-License-Identifier: Apache-2.0 */
#include "store/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

enum { FILE_MODE = 0640 };

void weir_disk_init(struct weir_disk *disk, bool sync) {
    *disk = (struct weir_disk){.sync = sync};
}

static int failed(struct weir_error *reterr, const char *what, const char *path, int number) {
    return weir_error_set(reterr, weir_error_from_errno(number), "cannot %s %s: %s", what, path,
                          strerror(number));
}

/* Counts one call; true when it is the turn of a planned fault. */
static bool strikes(struct weir_disk_fault *fault) {
    if (atomic_load_explicit(&fault->count, memory_order_relaxed) == 0) return false;
    if (atomic_load_explicit(&fault->after, memory_order_relaxed) > 0) {
        atomic_fetch_sub_explicit(&fault->after, 1, memory_order_relaxed);
        return false;
    }
    atomic_fetch_sub_explicit(&fault->count, 1, memory_order_relaxed);
    return true;
}

int weir_disk_create(struct weir_disk *disk, const char *path, int *ret_fd,
                     struct weir_error *reterr) {
    struct weir_disk_fault *fault = &disk->faults[WEIR_DISK_OPEN];
    if (strikes(fault)) return failed(reterr, "create", path, fault->error);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0) return failed(reterr, "create", path, errno);
    *ret_fd = fd;
    return WEIR_OK;
}

int weir_disk_open(struct weir_disk *disk, const char *path, int *ret_fd,
                   struct weir_error *reterr) {
    (void)disk;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed(reterr, "open", path, errno);
    *ret_fd = fd;
    return WEIR_OK;
}

int weir_disk_write(struct weir_disk *disk, int fd, const void *ptr, size_t len, uint64_t offset) {
    struct weir_disk_fault *fault = &disk->faults[WEIR_DISK_WRITE];
    if (strikes(fault)) {
        size_t torn = fault->torn_bytes < len ? fault->torn_bytes : len;
        (void)weir_fs_write_all(fd, ptr, torn, (int64_t)offset);
        return weir_error_from_errno(fault->error);
    }
    return weir_fs_write_all(fd, ptr, len, (int64_t)offset);
}

int weir_disk_read(struct weir_disk *disk, int fd, void *ptr, size_t len, uint64_t offset) {
    struct weir_disk_fault *fault = &disk->faults[WEIR_DISK_READ];
    if (strikes(fault)) return weir_error_from_errno(fault->error);
    return weir_fs_read_at(fd, ptr, len, offset);
}

int weir_disk_sync(struct weir_disk *disk, int fd) {
    struct weir_disk_fault *fault = &disk->faults[WEIR_DISK_SYNC];
    if (strikes(fault)) return weir_error_from_errno(fault->error);
    if (!disk->sync) return WEIR_OK;
    return fdatasync(fd) == 0 ? WEIR_OK : weir_error_from_errno(errno);
}

int weir_disk_sync_dir(struct weir_disk *disk, const char *path, struct weir_error *reterr) {
    return disk->sync ? weir_fs_sync_dir(path, reterr) : WEIR_OK;
}

/* Makes the temp file durable; it stays behind on failure, the caller removes it. */
static int write_temp(struct weir_disk *disk, const char *temp, struct weir_view content,
                      struct weir_error *reterr) {
    int fd = -1;
    int rc = weir_disk_create(disk, temp, &fd, reterr);
    if (rc != WEIR_OK) return rc;
    rc = weir_disk_write(disk, fd, content.ptr, content.len, 0);
    if (rc == WEIR_OK) rc = weir_disk_sync(disk, fd);
    close(fd);
    if (rc == WEIR_OK) return rc;
    return weir_error_set(reterr, rc, "cannot write %s: %s", temp, weir_error_text(rc));
}

static int rename_file(struct weir_disk *disk, const char *from, const char *to,
                       struct weir_error *reterr) {
    struct weir_disk_fault *fault = &disk->faults[WEIR_DISK_RENAME];
    if (strikes(fault)) return failed(reterr, "rename to", to, fault->error);
    return rename(from, to) == 0 ? WEIR_OK : failed(reterr, "rename to", to, errno);
}

int weir_disk_replace_file(struct weir_disk *disk, const char *path, struct weir_view content,
                           struct weir_error *reterr) {
    char temp[PATH_MAX], folder[PATH_MAX];
    if (snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp)
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", path);
    memcpy(folder, temp, sizeof folder);
    unlink(temp); /* a crash may have left one */
    int rc = write_temp(disk, temp, content, reterr);
    if (rc == WEIR_OK) rc = rename_file(disk, temp, path, reterr);
    if (rc != WEIR_OK) {
        unlink(temp);
        return rc;
    }
    return weir_disk_sync_dir(disk, dirname(folder), reterr);
}

int weir_disk_remove(struct weir_disk *disk, const char *path, struct weir_error *reterr) {
    (void)disk;
    return unlink(path) == 0 || errno == ENOENT ? WEIR_OK : failed(reterr, "remove", path, errno);
}

int weir_disk_size(int fd, uint64_t *ret_size) {
    struct stat st;
    if (fstat(fd, &st) != 0) return weir_error_from_errno(errno);
    *ret_size = (uint64_t)st.st_size;
    return WEIR_OK;
}

int weir_disk_list(const char *path, int (*visit)(void *arg, const char *name), void *arg,
                   struct weir_error *reterr) {
    DIR *dir = opendir(path);
    if (!dir) return failed(reterr, "list", path, errno);
    int rc = WEIR_OK;
    for (struct dirent *entry; rc == WEIR_OK && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = visit(arg, entry->d_name);
    closedir(dir);
    return rc;
}
