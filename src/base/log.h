/* SPDX-License-Identifier: Apache-2.0 */
/* The server's and the tools' own log lines, on stderr. libweir never logs.
 *
 *     2026-11-21T10:00:00.123Z INFO  store: opened /var/lib/weir (3 parts)
 *
 * Threads: any; one write(2) per line.
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

enum weir_log_level { WEIR_LOG_DEBUG, WEIR_LOG_INFO, WEIR_LOG_WARN, WEIR_LOG_ERROR };

/* Lines below the level are dropped; INFO at first. */
void weir_log_level_set(enum weir_log_level level);
void weir_log(enum weir_log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define weir_log_debug(room, ...) weir_log(WEIR_LOG_DEBUG, room, __VA_ARGS__)
#define weir_log_info(room, ...)  weir_log(WEIR_LOG_INFO, room, __VA_ARGS__)
#define weir_log_warn(room, ...)  weir_log(WEIR_LOG_WARN, room, __VA_ARGS__)
#define weir_log_error(room, ...) weir_log(WEIR_LOG_ERROR, room, __VA_ARGS__)

#endif
