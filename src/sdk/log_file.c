/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "sdk/sdk.h"

struct weir_log_file {
    int fd; /* -1 when it could not be opened */
    size_t size, size_max;
    char path[];
};

static int open_file(struct weir_log_file *file) {
    struct stat st;
    file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    file->size = file->fd >= 0 && fstat(file->fd, &st) == 0 ? (size_t)st.st_size : 0;
    return file->fd;
}

int weir_log_file_open(const char *path, struct weir_log_file **ret, struct weir_error *reterr) {
    size_t len = strlen(path);
    struct weir_log_file *file = malloc(sizeof *file + len + 1);
    if (!file) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for the log file");
    memcpy(file->path, path, len + 1);
    file->size_max = WEIR_LOG_FILE_SIZE_MAX;
    if (open_file(file) < 0) {
        int rc = weir_error_from_errno(errno);
        weir_error_set(reterr, rc,
                       "log file %s: %s (WEIR_LOG_FILE: its folder must exist and be writable)",
                       path, strerror(errno));
        free(file);
        return rc;
    }
    *ret = file;
    return WEIR_OK;
}

void weir_log_file_close(struct weir_log_file *file) {
    if (!file) return;
    if (file->fd >= 0) close(file->fd);
    free(file);
}

void weir_log_file_size_max_set(struct weir_log_file *file, size_t size_max) {
    file->size_max = size_max;
}

static void rotate(struct weir_log_file *file) {
    size_t room = strlen(file->path) + 8;
    char *from = malloc(2 * room), *to = from ? from + room : NULL;
    if (!from) return; /* goes on in the old file */
    for (int i = WEIR_LOG_FILES_KEPT; i > 0; i--) {
        snprintf(to, room, "%s.%d", file->path, i);
        if (i > 1)
            snprintf(from, room, "%s.%d", file->path, i - 1);
        else
            snprintf(from, room, "%s", file->path);
        rename(from, to); /* one that is not there is no loss */
    }
    free(from);
    if (file->fd >= 0) close(file->fd);
    open_file(file);
}

/* As many whole lines as stay within the limit; at least one. */
static size_t fitting(const struct weir_log_file *file, struct weir_view lines) {
    size_t room = file->size_max > file->size ? file->size_max - file->size : 0;
    if (lines.len <= room) return lines.len;
    const char *end = room ? memrchr(lines.ptr, '\n', room) : NULL;
    if (end) return (size_t)(end + 1 - lines.ptr);
    if (file->size) return 0; /* into the next file */
    end = memchr(lines.ptr, '\n', lines.len);
    return end ? (size_t)(end + 1 - lines.ptr) : lines.len;
}

void weir_log_file_write(struct weir_log_file *file, struct weir_view lines) {
    while (lines.len) {
        if (file->fd < 0 && open_file(file) < 0) {
            weir_sdk_count(&weir_sdk_counters.log_file_errors, 1);
            return;
        }
        size_t step = fitting(file, lines);
        if (!step) {
            rotate(file);
            if (file->size)
                step = lines.len; /* could not rotate: rather one long file */
            else
                continue;
        }
        if (weir_fs_write_all(file->fd, lines.ptr, step, -1) != WEIR_OK) {
            weir_sdk_count(&weir_sdk_counters.log_file_errors, 1);
            close(file->fd);
            file->fd = -1;
            return;
        }
        file->size += step;
        lines = weir_view_from(lines, step);
    }
}
