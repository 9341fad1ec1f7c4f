/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of spans that several threads record at a given rate.
 *
 *     export THREADS SPANS_PER_SECOND SECONDS      where to: OTEL_* variables
 *
 * Each thread records in bursts of 100, a span with six attributes as in bench/span.c. Prints spans
 * started, exported and dropped; seconds until the last was sent; nanoseconds of processor time a
 * span, of the recording threads and of all else in the process, which is the exporter. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "weir/trace.h"
#include "weir/weir.h"

enum { BURST = 100, THREADS_MAX = 64 };

static struct weir_tracer *tracer;
static struct weir_attribute_set *bound;

struct worker {
    pthread_t thread;
    int64_t started_ns, burst_ns; /* one burst in so long */
    long bursts;
    int64_t cpu_ns;
};

static void one_span(long i) {
    struct weir_span_options options = {
        .struct_size = sizeof options, .kind = WEIR_KIND_PRODUCER, .bound = bound};
    struct weir_span *span = weir_span_start(tracer, "send orders", &options);
    weir_span_set(span, WEIR_INT("messaging.kafka.offset", i));
    weir_span_set(span, WEIR_STR("messaging.destination.partition.id", "3"));
    weir_span_end(span);
}

static void *work(void *arg) {
    struct worker *self = arg;
    struct timespec cpu;
    for (long n = 0; n < self->bursts; n++) {
        int64_t early_ns = self->started_ns + n * self->burst_ns - weir_clock_mono_ns();
        if (early_ns > 0) weir_clock_sleep_ns(early_ns);
        for (long i = 0; i < BURST; i++) one_span(i);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    self->cpu_ns = (int64_t)cpu.tv_sec * WEIR_NS_PER_S + cpu.tv_nsec;
    return NULL;
}

static int64_t process_cpu_ns(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * WEIR_NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * WEIR_NS_PER_US;
}

int main(int argc, char **argv) {
    struct worker workers[THREADS_MAX] = {{.bursts = 0}};
    struct weir_options init = {.struct_size = sizeof init,
                                .sampler = "always_on",
                                .metrics_exporter = "none",
                                .logs_exporter = "none"};
    struct weir_error err = {.message = ""};
    int threads = argc == 4 ? (int)strtol(argv[1], NULL, 10) : 0;
    double rate = argc == 4 ? strtod(argv[2], NULL) : 0,
           seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    if (threads < 1 || threads > THREADS_MAX || rate <= 0 || seconds <= 0)
        return fputs("usage: export THREADS SPANS_PER_SECOND SECONDS\n", stderr), 2;
    const struct weir_attribute fixed[] = {WEIR_STR("messaging.system", "kafka"),
                                           WEIR_STR("messaging.operation.name", "send"),
                                           WEIR_STR("messaging.operation.type", "send"),
                                           WEIR_STR("messaging.destination.name", "orders")};
    if (weir_init(&init, &err) != WEIR_OK) return fprintf(stderr, "%s\n", err.message), 1;
    tracer = weir_tracer_get("bench", NULL);
    bound = weir_attributes_bind(fixed, 4);
    int64_t started_ns = weir_clock_mono_ns(), recording_ns = 0;
    for (int i = 0; i < threads; i++) {
        workers[i].started_ns = started_ns;
        workers[i].burst_ns = (int64_t)(1e9 * BURST * threads / rate);
        workers[i].bursts = (long)(rate * seconds / threads / BURST);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 1;
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        recording_ns += workers[i].cpu_ns;
    }
    weir_flush(60000, NULL);
    double took = (double)(weir_clock_mono_ns() - started_ns) / 1e9;
    struct weir_stats s = {.struct_size = sizeof s};
    weir_stats_get(&s);
    double count = (double)s.spans_started;
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %.3f %.1f %.1f\n", s.spans_started,
           s.spans_exported,
           s.spans_dropped_queue + s.spans_dropped_memory + s.spans_dropped_export, took,
           (double)recording_ns / count, (double)(process_cpu_ns() - recording_ns) / count);
    weir_shutdown(1000, NULL);
    return 0;
}
