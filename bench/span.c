/* SPDX-License-Identifier: Apache-2.0 */
/* The price of one recorded span with six attributes on the caller's thread, beside its floor.
 *
 *     span floor|span|unsampled|counter|empty COUNT
 *
 * `floor`: two clock reads, two random ids, one 96-byte copy. Run under callgrind for instruction
 * counts (bench/client.py does), or alone for nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/rand.h"
#include "weir/metric.h"
#include "weir/trace.h"
#include "weir/weir.h"

static char ring[1024][96];

__attribute__((noinline)) static void one_floor(long i) {
    char record[96] = {0};
    int64_t start = weir_clock_wall_ns();
    uint64_t id = weir_rand_u64(), other = weir_rand_u64();
    int64_t end = weir_clock_wall_ns();
    memcpy(record, &start, 8);
    memcpy(record + 8, &end, 8);
    memcpy(record + 16, &id, 8);
    memcpy(record + 24, &other, 8);
    memcpy(ring[i & 1023], record, sizeof record);
}

__attribute__((noinline)) static void one_span(struct weir_tracer *tracer,
                                               const struct weir_attribute_set *bound, long i) {
    struct weir_span_options options = {
        .struct_size = sizeof options, .kind = WEIR_KIND_PRODUCER, .bound = bound};
    struct weir_span *span = weir_span_start(tracer, "send orders", &options);
    weir_span_set(span, WEIR_INT("messaging.kafka.offset", i));
    weir_span_set(span, WEIR_STR("messaging.destination.partition.id", "3"));
    weir_span_end(span);
}

__attribute__((noinline)) static void one_empty(long i) {
    __asm__ volatile("" ::"r"(i));
}

int main(int argc, char **argv) {
    if (argc < 3) return fputs("usage: span floor|span|unsampled|counter|empty COUNT\n", stderr), 2;
    long count = strtol(argv[2], NULL, 10);
    int is_floor = !strcmp(argv[1], "floor"), is_empty = !strcmp(argv[1], "empty"),
        is_counter = !strcmp(argv[1], "counter");
    struct weir_options init = {.struct_size = sizeof init,
                                .sampler =
                                    strcmp(argv[1], "unsampled") ? "always_on" : "always_off"};
    if (weir_init(&init, NULL) != 0) return 1;
    struct weir_tracer *tracer = weir_tracer_get("bench", NULL);
    const struct weir_attribute fixed[] = {WEIR_STR("messaging.system", "kafka"),
                                           WEIR_STR("messaging.operation.name", "send"),
                                           WEIR_STR("messaging.operation.type", "send"),
                                           WEIR_STR("messaging.destination.name", "orders")};
    struct weir_attribute_set *bound = weir_attributes_bind(fixed, 4);
    struct weir_series *counter =
        weir_series_get(weir_instrument_get(weir_meter_get("bench", NULL), WEIR_INSTRUMENT_COUNTER,
                                            "bench.count", "{item}", "Counts.", NULL),
                        NULL, 0);
    int64_t started = weir_clock_mono_ns();
    for (long i = 0; i < count; i++) {
        if (is_floor)
            one_floor(i);
        else if (is_empty)
            one_empty(i);
        else if (is_counter)
            weir_series_add(counter, 1);
        else
            one_span(tracer, bound, i);
    }
    printf("%.2f\n", (double)(weir_clock_mono_ns() - started) / (double)count);
    return 0;
}
