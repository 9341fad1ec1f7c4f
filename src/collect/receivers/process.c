/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/receivers/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"

static int64_t start_ns; /* written before main(), constant afterwards */

__attribute__((constructor)) static void remember_start(void) {
    start_ns = weir_clock_wall_ns();
}

static double cpu_seconds(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double resident_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void) {
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    if (!dir) return 0;
    while (readdir(dir)) count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

static double start_seconds(void) {
    return (double)start_ns / 1e9;
}

WEIR_COUNTER_READ(cpu, "process_cpu_seconds_total", "User and system CPU time.", "", cpu_seconds);
WEIR_GAUGE_READ(resident, "process_resident_memory_bytes", "Resident memory.", "", resident_bytes);
WEIR_GAUGE_READ(files, "process_open_fds", "Open file descriptors.", "", open_files);
WEIR_GAUGE_READ(start, "process_start_time_seconds", "Start of the process, Unix time.", "",
                start_seconds);

void weir_process_metrics_use(void) {}
