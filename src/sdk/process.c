/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/json.h"

/* Reads a small file; "" when there is none. */
static void read_text(const char *path, char *to, size_t room) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, to, room - 1) : 0;
    if (fd >= 0) close(fd);
    to[len > 0 ? len : 0] = 0;
}

/* Fields of /proc/self/stat, counted as in proc(5); the name (2) may hold anything, so count behind
 * it. */
static void read_stat(struct weir_process *ret) {
    char text[1024];
    read_text("/proc/self/stat", text, sizeof text);
    struct weir_view rest = weir_view_str(text);
    const char *end = rest.len ? memrchr(rest.ptr, ')', rest.len) : NULL;
    if (!end) return;
    rest = weir_view_from(rest, (size_t)(end - rest.ptr) + 2);
    uint64_t fields[53] = {0}, ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    for (int number = 3; rest.len && number <= 24; number++)
        weir_view_to_u64(weir_view_cut(&rest, ' '), &fields[number]);
    if (!ticks) return;
    ret->threads = fields[20];
    ret->virtual_bytes = fields[23];
    ret->resident_bytes = fields[24] * (uint64_t)sysconf(_SC_PAGESIZE);
    struct timespec boot;
    if (clock_gettime(CLOCK_BOOTTIME, &boot) == 0)
        ret->start_seconds = (double)weir_clock_wall_ns() * 1e-9 -
                             ((double)boot.tv_sec + (double)boot.tv_nsec * 1e-9) +
                             (double)fields[22] / (double)ticks;
}

static uint64_t count_fds(void) {
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return 0;
    for (struct dirent *entry; (entry = readdir(dir));) count += entry->d_name[0] != '.';
    closedir(dir);
    return count ? count - 1 : 0; /* not the one that reads the folder */
}

void weir_process_read(struct weir_process *ret) {
    struct rusage usage;
    struct rlimit limit;
    *ret = (struct weir_process){.cpu_seconds = 0};
    read_stat(ret);
    ret->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) ret->max_fds = limit.rlim_cur;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        ret->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void add(struct weir_buf *buf, const char *name, const char *type, const char *help,
                double value) {
    weir_buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
    weir_json_format_f64(buf, value);
    weir_buf_add_char(buf, '\n');
}

void weir_process_add_text(struct weir_buf *buf) {
    struct weir_process p;
    weir_process_read(&p);
    add(buf, "process_cpu_seconds_total", "counter", "Processor time used, user and system.",
        p.cpu_seconds);
    add(buf, "process_resident_memory_bytes", "gauge", "Memory that is in RAM.",
        (double)p.resident_bytes);
    add(buf, "process_virtual_memory_bytes", "gauge", "Address space in use.",
        (double)p.virtual_bytes);
    add(buf, "process_threads", "gauge", "Threads of the process.", (double)p.threads);
    add(buf, "process_open_fds", "gauge", "Open file descriptors.", (double)p.open_fds);
    add(buf, "process_max_fds", "gauge", "Most file descriptors that may be open.",
        (double)p.max_fds);
    if (p.start_seconds > 0)
        add(buf, "process_start_time_seconds", "gauge",
            "When the process started, in seconds since 1970.", p.start_seconds);
}
