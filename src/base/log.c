/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"

static int level_min = WEIR_LOG_INFO;

void weir_log_level_set(enum weir_log_level level) {
    __atomic_store_n(&level_min, (int)level, __ATOMIC_RELAXED);
}

static const char *paint(enum weir_log_level level, bool colours) {
    static const char *const plain[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    static const char *const coloured[] = {"\x1b[2mDEBUG\x1b[0m", "\x1b[32mINFO \x1b[0m",
                                           "\x1b[33mWARN \x1b[0m", "\x1b[31mERROR\x1b[0m"};
    return colours ? coloured[level] : plain[level];
}

void weir_log(enum weir_log_level level, const char *room, const char *format, ...) {
    if ((int)level < __atomic_load_n(&level_min, __ATOMIC_RELAXED)) return;
    struct weir_buf line;
    weir_buf_init(&line, 4096);
    weir_clock_add_rfc3339(&line, weir_clock_wall_ns(), 3);
    weir_buf_printf(&line, " %s %s: ", paint(level, isatty(STDERR_FILENO)), room);
    va_list args;
    va_start(args, format);
    weir_buf_vprintf(&line, format, args);
    va_end(args);
    line.failed = false;
    weir_buf_add_char(&line, '\n');
    ssize_t written = write(STDERR_FILENO, line.ptr, line.len);
    (void)written; /* a closed stderr is no reason to stop */
    weir_buf_done(&line);
}
