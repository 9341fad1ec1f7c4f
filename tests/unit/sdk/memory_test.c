/* SPDX-License-Identifier: Apache-2.0 */
/* The host must survive the n-th allocation failing, for every n: of all code that is linked into
 * libweir, the allocator's calls are wrapped by the linker. */
#include <stdio.h>
#include <stdlib.h>

#include "capture.h"
#include "sdk/metric.h"
#include "weir/log.h"
#include "weir/metric.h"
#include "weir/propagation.h"
#include "weir/trace.h"

static _Atomic long countdown = -1; /* the allocation that fails when it reaches 0; < 0: none */
static _Atomic long made;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static bool fails(void) {
    atomic_fetch_add(&made, 1);
    return atomic_load(&countdown) >= 0 && atomic_fetch_sub(&countdown, 1) == 0;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *ptr, size_t size) {
    return fails() ? NULL : __real_realloc(ptr, size);
}
void *__wrap_aligned_alloc(size_t align, size_t size) {
    return fails() ? NULL : __real_aligned_alloc(align, size);
}

static const char *header(void *arg, const char *name, size_t *ret_size) {
    const char *value = strcmp(name, "traceparent") == 0
                            ? "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                        : strcmp(name, "tracestate") == 0 ? "a=1"
                                                          : "k=v";
    (void)arg;
    *ret_size = strlen(value);
    return value;
}

static int ignore(void *arg, const char *name, const char *value, size_t size) {
    (void)arg;
    (void)name;
    (void)value;
    return size > 0 ? 0 : -1;
}

static void observe(void *arg, struct weir_observer *observer) {
    struct weir_attribute attr = WEIR_STR("a", arg);
    weir_observer_record(observer, 1, &attr, 1);
}

/* Everything once; `round` makes names new, so that what lives for ever is made anew. */
static void use_everything(long round) {
    char name[32], large[3000], arg[] = "x";
    snprintf(name, sizeof name, "m%ld", round % 1000);
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = 0;
    struct weir_options options = {.struct_size = sizeof options,
                                   .flags = WEIR_INIT_NO_ENVIRONMENT,
                                   .http_port = -1,
                                   .http_host = "127.0.0.1",
                                   .headers = "a=b"};
    weir_init(&options, NULL);
    struct weir_tracer *tracer = weir_tracer_get(name, NULL);
    struct weir_meter *meter = weir_meter_get(name, NULL);
    struct weir_logger *logger = weir_logger_get(name, NULL);
    struct weir_attribute attrs[] = {WEIR_INT("n", round),
                                     weir_attribute_strn("large", large, sizeof large)};
    struct weir_context *ctx = weir_extract(NULL, header, NULL),
                        *with = weir_baggage_set(ctx, "b", "c");
    struct weir_attribute_set *set = weir_attributes_bind(attrs, 2);
    struct weir_span_options span_options = {
        .struct_size = sizeof span_options, .parent = ctx, .bound = set};
    struct weir_span *span = weir_span_start(tracer, "s", &span_options);
    weir_span_set_all(span, attrs, 2);
    weir_inject(with, ignore, NULL);
    weir_logger_log(logger, WEIR_SEVERITY_INFO, large, attrs, 1);
    weir_span_end(span);
    weir_instrument_add(weir_counter_get(meter, "c", NULL, NULL), 1, attrs, 2);
    weir_instrument_record(weir_histogram_get(meter, "h", NULL, NULL, NULL, 0), 1, NULL, 0);
    struct weir_instrument *observed =
        weir_instrument_get(meter, WEIR_INSTRUMENT_OBSERVABLE_GAUGE, "o", NULL, NULL, NULL);
    int id = weir_instrument_observe(observed, observe, arg);
    free(weir_metrics_text(NULL));
    weir_flush(2000, NULL);
    weir_instrument_unobserve(observed, id);
    weir_attributes_free(set);
    weir_context_unref(ctx);
    weir_context_unref(with);
    weir_shutdown(2000, NULL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    weir_exporter_transport_set(capture_open);
    use_everything(0);
    capture_forget();
    long before = atomic_load(&made);
    use_everything(1);
    capture_forget();
    long count = atomic_load(&made) - before;
    printf("%ld allocations\n", count);
    assert_true(count > 50);
    for (long n = 0; n < count; n++) {
        atomic_store(&countdown, n);
        use_everything(n + 2);
        atomic_store(&countdown, -1);
        capture_forget();
    }
    use_everything(1); /* and all is well again */
    assert_true(captured.count >= 3);
    capture_forget();
}

/* The real transports: to a port that nobody listens on. */
static void transports(void **state) {
    (void)state;
    const struct weir_config_header header = {WEIR_VIEW_INIT("a"), WEIR_VIEW_INIT("b")};
    for (int grpc = 0; grpc < 2; grpc++)
        for (long n = 0; n < 40; n++) {
            struct weir_config_otlp otlp = {.url = WEIR_VIEW("http://127.0.0.1:1/v1/traces"),
                                            .grpc = grpc,
                                            .gzip = true,
                                            .headers = &header,
                                            .headers_count = 1};
            struct weir_outbound *transport = NULL;
            struct weir_outbound_answer answer = {.code = 0};
            if (grpc) otlp.url = WEIR_VIEW("http://127.0.0.1:1");
            atomic_store(&countdown, n);
            int rc = weir_sdk_transport_open(&otlp, WEIR_SDK_TRACES, &transport, NULL);
            if (rc == WEIR_OK) transport->send(transport, WEIR_VIEW("body"), 1000, &answer);
            atomic_store(&countdown, -1);
            if (rc != WEIR_OK)
                assert_int_equal(rc, WEIR_ENOMEMORY);
            else
                assert_true(answer.code < 0 && answer.retry && answer.message[0]);
            if (transport) transport->close(transport);
        }
}

struct first_call {
    struct weir_series *sum, *histogram, *gauge;
    struct weir_context *sampled;
    long allocations;
};

/* A thread that has never measured, with series that another one looked up. */
static void *measure(void *arg) {
    struct first_call *first = arg;
    struct weir_scope scope;
    long before = atomic_load(&made);
    for (int i = 0; i < 3; i++) {
        weir_series_add(first->sum, 1);
        weir_series_record(first->histogram, i);
        weir_series_record(first->gauge, i);
        weir_scope_attach(&scope, first->sampled);
        weir_series_add(first->sum, 1);
        weir_series_record(first->histogram, i);
        weir_scope_detach(&scope);
    }
    first->allocations = atomic_load(&made) - before;
    return NULL;
}

static void measuring_neither_allocates_nor_locks(void **state) {
    (void)state;
    struct weir_meter *meter = weir_meter_get("measuring", NULL);
    struct weir_span_context span = {.trace_id = {1}, .span_id = {1}, .flags = WEIR_FLAG_SAMPLED};
    struct first_call first = {
        .sum = weir_series_get(weir_counter_get(meter, "c", NULL, NULL), NULL, 0),
        .histogram = weir_series_get(weir_histogram_get(meter, "h", NULL, NULL, NULL, 0), NULL, 0),
        .gauge = weir_series_get(weir_gauge_get(meter, "g", NULL, NULL), NULL, 0),
        .sampled = weir_context_with_span_context(NULL, &span)};
    pthread_t thread;
    assert_non_null(first.sampled);
    for (int i = 0; i < WEIR_METRICS_LOCKS_COUNT; i++) pthread_mutex_lock(weir_metrics_lock(i));
    assert_int_equal(pthread_create(&thread, NULL, measure, &first), 0);
    pthread_join(thread, NULL); /* never, if it waited for one of them */
    for (int i = WEIR_METRICS_LOCKS_COUNT - 1; i >= 0; i--)
        pthread_mutex_unlock(weir_metrics_lock(i));
    assert_int_equal(first.allocations, 0);
    weir_context_unref(first.sampled);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(transports),
                                       cmocka_unit_test(measuring_neither_allocates_nor_locks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
