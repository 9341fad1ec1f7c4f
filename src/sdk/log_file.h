/* SPDX-License-Identifier: Apache-2.0 */
/* A file of lines that turns over: app.log, app.log.1 (newest old one), … app.log.5.
 *
 * Lines are never split over files. When writing fails (disk full, folder gone) the lines are lost
 * and counted, and each later write tries again. Several processes may write one file only if none
 * of them rotates it: give each its own.
 *
 * Threads: owner only.
 */
#ifndef WEIR_SDK_LOG_FILE_H
#define WEIR_SDK_LOG_FILE_H

#include "base/error.h"
#include "base/view.h"

struct weir_log_file;

enum { WEIR_LOG_FILE_SIZE_MAX = 10 * 1000 * 1000, WEIR_LOG_FILES_KEPT = 5 };

/* Opens (appending) or makes the file; its folder must exist. WEIR_EINVALID or as
 * weir_error_from_errno, with path and remedy. */
int weir_log_file_open(const char *path, struct weir_log_file **ret, struct weir_error *reterr);
/* Takes NULL. */
void weir_log_file_close(struct weir_log_file *file);
/* Whole lines. */
void weir_log_file_write(struct weir_log_file *file, struct weir_view lines);
/* Tests use a smaller limit. */
void weir_log_file_size_max_set(struct weir_log_file *file, size_t size_max);

#endif
