/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder: there, writable, ours alone, of a version that we know. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/engine.h"

enum { VERSION = 1 };

static bool join(char ret[PATH_MAX], const char *folder, const char *name) {
    return snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

static int told_owner(int fd, const char *path, struct weir_error *reterr) {
    char pid[32] = "unknown";
    ssize_t len = pread(fd, pid, sizeof pid - 1, 0);
    if (len > 0) {
        pid[len] = 0;
        pid[strcspn(pid, "\n")] = 0;
    }
    return weir_error_set(
        reterr, WEIR_ECONFLICT,
        "%s is in use by the process %s; stop it, or choose another folder with --data", path, pid);
}

/* The lock goes with the process, whatever ends it. */
static int lock_folder(const char *path, int *ret_fd, struct weir_error *reterr) {
    char file[PATH_MAX], pid[32];
    if (!join(file, path, "lock"))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return weir_error_set(
            reterr, weir_error_from_errno(errno),
            "cannot write to the data folder: cannot create %s: %s; make it writable "
            "or choose another with --data",
            file, strerror(errno));
    int rc = WEIR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK ? told_owner(fd, path, reterr)
                                  : weir_error_set(reterr, weir_error_from_errno(errno),
                                                   "cannot lock %s: %s", file, strerror(errno));
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (rc == WEIR_OK && ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, pid, (size_t)len, 0); /* for humans */
    if (rc == WEIR_OK)
        *ret_fd = fd;
    else
        close(fd);
    return rc;
}

static int check_version(struct weir_disk *disk, const char *path, struct weir_error *reterr) {
    char file[PATH_MAX];
    if (!join(file, path, "version"))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", path);
    struct weir_buf text;
    weir_buf_init(&text, 4096);
    int rc = weir_fs_read_file(file, &text, reterr);
    struct weir_view line = weir_view_trim(weir_buf_view(&text));
    uint64_t version = 0;
    if (rc == WEIR_ENOTFOUND) {
        rc = weir_disk_replace_file(disk, file, WEIR_VIEW("weir-store 1\n"), reterr);
    } else if (rc == WEIR_OK && (!weir_view_starts(line, WEIR_VIEW("weir-store ")) ||
                                 !weir_view_to_u64(weir_view_from(line, 11), &version))) {
        rc = weir_error_set(reterr, WEIR_ECORRUPT,
                            "%s is not a data folder of this program's; choose another with --data",
                            path);
    } else if (rc == WEIR_OK && version > VERSION) {
        rc = weir_error_set(
            reterr, WEIR_EVERSION,
            "%s was written by a newer version (format %llu, this one knows up to %d); use "
            "that version, or choose another folder with --data",
            path, (unsigned long long)version, VERSION);
    }
    weir_buf_done(&text);
    return rc;
}

int weir_store_folder_open(struct weir_disk *disk, const char *path, int *ret_fd,
                           struct weir_error *reterr) {
    static const char *const folders[] = {"wal", "spans", "logs", "metrics"};
    struct weir_error err = {0};
    int rc = weir_fs_make_dirs(path, &err);
    if (rc != WEIR_OK)
        return weir_error_set(reterr, rc, "%s; make it writable or choose another with --data",
                              err.message);
    int fd = -1;
    rc = lock_folder(path, &fd, reterr);
    if (rc != WEIR_OK) return rc;
    rc = check_version(disk, path, reterr);
    for (size_t i = 0; rc == WEIR_OK && i < sizeof folders / sizeof *folders; i++) {
        char folder[PATH_MAX];
        rc = join(folder, path, folders[i])
                 ? weir_fs_make_dirs(folder, reterr)
                 : weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", path);
    }
    if (rc == WEIR_OK) rc = weir_disk_sync_dir(disk, path, reterr);
    if (rc == WEIR_OK)
        *ret_fd = fd;
    else
        close(fd);
    return rc;
}
