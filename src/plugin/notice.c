/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/notice.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Debian's nghttp2 archive is compiled for programs, which reach a variable of libc's in a way that
 * a shared object cannot; one function of it, never called, prints to stderr. The linker leads that
 * name to this variable (--wrap=stderr). */
extern FILE *weir_plugin_stderr __asm__("__wrap_stderr");
extern FILE *libc_stderr __asm__("__real_stderr");
FILE *weir_plugin_stderr;

__attribute__((constructor)) static void keep_stderr(void) {
    weir_plugin_stderr = libc_stderr;
}

static bool is_quiet(void) {
    const char *value = getenv("WEIR_QUIET");
    return value && value[0] && strcmp(value, "0") != 0;
}

void weir_plugin_notice(const char *format, ...) {
    static atomic_bool said;
    if (is_quiet() || atomic_exchange(&said, true)) return;
    char line[1024] = "weir: ";
    size_t at = strlen(line), room = sizeof line - at - 1;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line + at, room, format, args);
    va_end(args);
    if (len < 0) return;
    at += (size_t)len < room ? (size_t)len : room - 1;
    line[at++] = '\n';
    /* A pipe that says so takes this much without waiting; one that nobody reads says otherwise. */
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) || out.revents & POLLERR) return;
    if (write(STDERR_FILENO, line, at) < 0) return;
}
