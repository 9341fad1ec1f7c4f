/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/span.h"

#include <stdio.h>

#include "attrs.h"
#include "base/rand.h"
#include "capture.h"
#include "sdk/sdk.h"
#include "weir/trace.h"

static uint64_t seed;
static struct weir_tracer *tracer;

static void flush(void) {
    struct weir_error err = {.message = ""};
    if (weir_flush(5000, &err) != WEIR_OK) fail_msg("flush: %s", err.message);
}

static void nothing_before_init(void **state) {
    (void)state;
    assert_false(weir_is_running());
    struct weir_span *span = weir_span_start(tracer, "x", NULL);
    assert_null(span);
    weir_span_set(span, WEIR_INT("a", 1));
    weir_span_set_all(span, NULL, 3);
    weir_span_add_event(span, "e", 0, NULL, 0);
    weir_span_add_link(span, NULL);
    weir_span_record_exception(span, "t", "m", NULL, NULL, 0);
    weir_span_set_status(span, WEIR_STATUS_OK, NULL);
    weir_span_update_name(span, "y");
    weir_span_set_bound(span, NULL);
    assert_false(weir_span_is_recording(span));
    assert_int_equal(weir_span_start_ns(span), 0);
    struct weir_span_context sc = weir_span_context_get(span);
    assert_false(weir_span_context_is_valid(&sc));
    weir_span_cancel(span);
    weir_span_end(span);
    assert_int_equal(weir_flush(10, NULL), WEIR_OK);
    assert_int_equal(weir_shutdown(10, NULL), WEIR_OK);
}

static void limits(void **state) {
    (void)state;
    capture_init("t", NULL);
    struct weir_span *span = weir_span_start(tracer, "limits", NULL);
    struct weir_link link = {.span_context = {.trace_id = {1}, .span_id = {1}}},
                     invalid = {.attributes_count = 0};
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        weir_span_set(span, WEIR_INT(key, i));
        weir_span_add_event(span, key, i + 1, NULL, 0);
        weir_span_add_link(span, &link);
        weir_span_add_link(span, &invalid);
    }
    weir_span_set(span, WEIR_STR("k7", "again")); /* a known key has room */
    weir_span_end(span);
    flush();
    const struct weir_otlp_span *out = captured_span(0);
    assert_int_equal(out->attrs.count, 128);
    assert_int_equal(out->events_count, 128);
    assert_int_equal(out->links_count, 128);
    assert_int_equal(out->dropped_attrs_count, 72);
    assert_int_equal(out->dropped_events_count, 72);
    assert_int_equal(out->dropped_links_count, 72);
    assert_view_is(attr_str(out->attrs, "k7"), "again");
    capture_done();
}

/* Random edits against a naive model of what the span should hold. */
static void edits_against_a_model(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    capture_init("t", NULL);
    for (uint32_t round = 0; round < 200; round++) {
        int64_t model[40];
        bool there[40] = {false};
        char name[16] = "start", long_text[2000];
        uint32_t count = 0;
        struct weir_attribute pair[] = {WEIR_INT("k1", 1000), WEIR_INT("k2", 2000)};
        struct weir_attribute_set *bound = weir_attributes_bind(pair, 2);
        memset(long_text, 'x', sizeof long_text);
        struct weir_span *span = weir_span_start(tracer, name, NULL);
        for (uint64_t steps = weir_rand_below(&rand, 60); steps; steps--) {
            char key[8];
            uint64_t n = weir_rand_below(&rand, 40);
            snprintf(key, sizeof key, "k%d", (int)n);
            switch (weir_rand_below(&rand, 6)) {
            case 0:
                snprintf(name, sizeof name, "name%d", (int)steps);
                weir_span_update_name(span, name);
                break;
            case 1:
                weir_span_set_bound(span, bound);
                count += (uint32_t)(!there[1] + !there[2]);
                there[1] = there[2] = true;
                model[1] = 1000;
                model[2] = 2000;
                break;
            case 2: weir_span_set_status(span, WEIR_STATUS_ERROR, name); break;
            case 3:
                weir_span_add_event(span, key, 1,
                                    (struct weir_attribute[]){WEIR_STR("long", "text")}, 1);
                break;
            default:
                weir_span_set(span, WEIR_INT(key, (int64_t)steps));
                count += !there[n];
                there[n] = true;
                model[n] = (int64_t)steps;
            }
        }
        if (round % 10 == 0) { /* outgrows the block */
            weir_span_set(span, weir_attribute_strn("long", long_text, sizeof long_text));
            count++;
        }
        weir_span_end(span);
        weir_attributes_free(bound);
        flush();
        const struct weir_otlp_span *out = captured_span(round);
        assert_view_is(out->name, name);
        if (out->attrs.count != count)
            fail_msg("seed %llu, round %u", (unsigned long long)seed, round);
        for (int i = 0; i < 40; i++) {
            char key[8];
            snprintf(key, sizeof key, "k%d", i);
            assert_int_equal(weir_attrs_get(out->attrs, weir_view_str(key)) != NULL, there[i]);
            if (there[i]) assert_int_equal(attr_of(out->attrs, key)->i64, model[i]);
        }
    }
    capture_done();
}

static void status_rules(void **state) {
    (void)state;
    const struct {
        enum weir_status first, second;
        enum weir_span_status expected;
        const char *message;
    } rows[] = {
        {WEIR_STATUS_ERROR, WEIR_STATUS_OK, WEIR_SPAN_STATUS_OK, ""},
        {WEIR_STATUS_OK, WEIR_STATUS_ERROR, WEIR_SPAN_STATUS_OK, ""},
        {WEIR_STATUS_ERROR, WEIR_STATUS_UNSET, WEIR_SPAN_STATUS_ERROR, "one"},
        {WEIR_STATUS_ERROR, WEIR_STATUS_ERROR, WEIR_SPAN_STATUS_ERROR, "two"},
        {WEIR_STATUS_UNSET, WEIR_STATUS_UNSET, WEIR_SPAN_STATUS_UNSET, ""},
    };
    capture_init("t", NULL);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_span *span = weir_span_start(tracer, "s", NULL);
        weir_span_set_status(span, rows[i].first, "one");
        weir_span_set(span, WEIR_INT("between", 1));
        weir_span_set_status(span, rows[i].second, "two");
        weir_span_end(span);
        flush();
        assert_int_equal(captured_span(i)->status_code, rows[i].expected);
        assert_view_is(captured_span(i)->status_message, rows[i].message);
    }
    capture_done();
}

static void unsampled_spans_have_identity(void **state) {
    (void)state;
    struct weir_options options = {.sampler = "always_off"};
    capture_init("t", &options);
    struct weir_span *span = weir_span_start(tracer, "s", NULL);
    struct weir_span_context sc = weir_span_context_get(span);
    assert_false(weir_span_is_recording(span));
    assert_true(weir_span_context_is_valid(&sc));
    assert_false(weir_span_context_is_sampled(&sc));
    weir_span_set(span, WEIR_INT("a", 1));
    weir_span_end(span);
    flush();
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 0);
    capture_done();
}

/* A span may follow the decision of another than its parent (process follows its message). */
static void sampling_follows_whom_it_is_told(void **state) {
    (void)state;
    capture_init("t", NULL);
    struct weir_span_context yes = {.trace_id = {1}, .span_id = {1}, .flags = WEIR_FLAG_SAMPLED};
    struct weir_span_context no = {.trace_id = {2}, .span_id = {2}};
    struct weir_span_options options = {.struct_size = sizeof options,
                                        .parent_span = &no,
                                        .sample_follows = true,
                                        .sample_parent = &yes};
    struct weir_span *span = weir_span_start(tracer, "s", &options);
    assert_true(weir_span_is_recording(span));
    struct weir_span_context sc = weir_span_context_get(span);
    assert_memory_equal(sc.trace_id, no.trace_id, 16);
    weir_span_cancel(span);
    options.parent_span = &yes;
    options.sample_parent = &no;
    span = weir_span_start(tracer, "s", &options);
    assert_false(weir_span_is_recording(span));
    weir_span_end(span);
    options.sample_parent = NULL;
    span = weir_span_start(tracer, "s", &options);
    assert_true(weir_span_is_recording(span)); /* the root sampler decides: always on */
    weir_span_cancel(span);
    flush();
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 0); /* canceled spans go nowhere */
    capture_done();
}

static void older_options_are_read(void **state) {
    (void)state;
    capture_init("t", NULL);
    struct weir_span_options options = {.struct_size = offsetof(struct weir_span_options, start_ns),
                                        .kind = WEIR_KIND_SERVER,
                                        .root = true,
                                        .start_ns = 5};
    weir_span_end(weir_span_start(tracer, "old", &options));
    flush();
    assert_int_equal(captured_span(0)->kind, WEIR_SPAN_KIND_SERVER);
    assert_true(captured_span(0)->start_ns > 5); /* beyond the older struct */
    capture_done();
}

enum { THREADS = 4, PER_THREAD = 1500 };

static void *record_some(void *arg) {
    for (int i = 0; i < PER_THREAD; i++) {
        struct weir_span *span = weir_span_start(tracer, "threaded", NULL);
        weir_span_set(span, WEIR_INT("thread", (int64_t)(intptr_t)arg));
        weir_span_end(span);
    }
    return NULL;
}

/* Every span is either exported or counted as dropped; threads end and their lanes
 * are used again. */
static void threads_lose_nothing_uncounted(void **state) {
    (void)state;
    struct weir_stats before = {.struct_size = sizeof before}, after = before;
    weir_stats_get(&before);
    capture_init("t", NULL);
    for (int round = 0; round < 3; round++) {
        pthread_t threads[THREADS];
        for (intptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, record_some, (void *)i), 0);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    }
    flush();
    weir_stats_get(&after);
    uint64_t started = after.spans_started - before.spans_started;
    uint64_t out = after.spans_exported - before.spans_exported;
    uint64_t lost = after.spans_dropped_queue - before.spans_dropped_queue;
    assert_int_equal(started, 3 * THREADS * PER_THREAD);
    assert_int_equal(out + lost, started);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), out);
    assert_true(out > 0);
    capture_done();
}

static void *end_it(void *arg) {
    weir_span_set(arg, WEIR_STR("ended", "elsewhere"));
    weir_span_end(arg);
    return NULL;
}

static void spans_end_on_other_threads(void **state) {
    (void)state;
    capture_init("t", NULL);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, end_it, weir_span_start(tracer, "moved", NULL));
        pthread_join(thread, NULL);
    }
    flush();
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 20);
    capture_done();
}

int main(void) {
    const char *text = getenv("WEIR_SEED");
    seed = text ? strtoull(text, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    tracer = weir_tracer_get("unit", "1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_before_init),
        cmocka_unit_test(limits),
        cmocka_unit_test(edits_against_a_model),
        cmocka_unit_test(status_rules),
        cmocka_unit_test(unsampled_spans_have_identity),
        cmocka_unit_test(sampling_follows_whom_it_is_told),
        cmocka_unit_test(older_options_are_read),
        cmocka_unit_test(threads_lose_nothing_uncounted),
        cmocka_unit_test(spans_end_on_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
