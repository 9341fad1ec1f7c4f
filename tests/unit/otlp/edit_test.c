/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/edit.h"

#include "base/rand.h"
#include "golden.h"

struct plan {
    uint64_t keep; /* by record, modulo 64 */
    struct weir_attr attr;
    uint32_t resources_seen, records_seen;
};

static bool keep(void *arg, const struct weir_otlp_batch *batch, uint32_t index) {
    (void)batch;
    return ((struct plan *)arg)->keep >> (index % 64) & 1;
}

static bool replace_record(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                           struct weir_attrs *attrs) {
    struct plan *plan = arg;
    (void)batch, (void)index;
    plan->records_seen++;
    *attrs = (struct weir_attrs){&plan->attr, 1};
    return true;
}

static bool replace_resource(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                             struct weir_attrs *attrs) {
    struct plan *plan = arg;
    assert_true(index < batch->resources_count);
    plan->resources_seen++;
    *attrs = (struct weir_attrs){&plan->attr, 1};
    return true;
}

static bool rename_all(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                       struct weir_view *name) {
    (void)arg, (void)batch, (void)index;
    *name = WEIR_VIEW("renamed");
    return true;
}

static const enum weir_signal signals[] = {WEIR_SIGNAL_TRACE, WEIR_SIGNAL_METRIC, WEIR_SIGNAL_LOG};

static struct weir_otlp_batch *edited(const struct weir_otlp_batch *batch,
                                      const struct weir_otlp_edit *edit) {
    struct weir_otlp_batch *ret;
    struct weir_error err;
    assert_int_equal(weir_otlp_edit(batch, edit, &ret, &err), WEIR_OK);
    return ret;
}

static struct weir_view raw_of(const struct weir_otlp_batch *batch, uint32_t i) {
    return batch->signal == WEIR_SIGNAL_TRACE ? batch->spans[i].raw
           : batch->signal == WEIR_SIGNAL_LOG ? batch->logs[i].raw
                                              : batch->points[i].raw;
}

static struct weir_attrs attrs_of(const struct weir_otlp_batch *batch, uint32_t i) {
    return batch->signal == WEIR_SIGNAL_TRACE ? batch->spans[i].attrs
           : batch->signal == WEIR_SIGNAL_LOG ? batch->logs[i].attrs
                                              : batch->points[i].attrs;
}

static void nothing_edited_is_the_same(void **state) {
    (void)state;
    for (int s = 0; s < 3; s++) {
        struct weir_otlp_batch *batch = golden_batch(signals[s]);
        struct weir_otlp_batch *ret = edited(batch, &(struct weir_otlp_edit){.arg = NULL});
        assert_int_equal(weir_otlp_batch_records_count(ret), weir_otlp_batch_records_count(batch));
        assert_int_equal(ret->bytes.len, batch->bytes.len);
        for (uint32_t i = 0; i < weir_otlp_batch_records_count(ret); i++)
            assert_true(weir_view_eq(raw_of(ret, i), raw_of(batch, i)));
        weir_otlp_batch_unref(ret);
        weir_otlp_batch_unref(batch);
    }
}

static void what_is_kept_is_untouched_and_in_order(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 200; round++) {
        struct weir_otlp_batch *batch = golden_batch(signals[round % 3]);
        struct plan plan = {.keep = weir_rand_next(&rand)};
        struct weir_otlp_batch *ret =
            edited(batch, &(struct weir_otlp_edit){.arg = &plan, .keep = keep});
        uint32_t kept = 0;
        for (uint32_t i = 0; i < weir_otlp_batch_records_count(batch); i++)
            if (keep(&plan, batch, i))
                assert_true(ret && weir_view_eq(raw_of(ret, kept++), raw_of(batch, i)));
        assert_int_equal(ret ? weir_otlp_batch_records_count(ret) : 0, kept);
        if (ret && batch->signal == WEIR_SIGNAL_METRIC)
            for (uint32_t i = 0; i < ret->metrics_count; i++) assert_true(ret->metrics[i].name.len);
        weir_otlp_batch_unref(ret);
        weir_otlp_batch_unref(batch);
    }
}

static void attributes_are_replaced(void **state) {
    (void)state;
    for (int s = 0; s < 3; s++) {
        struct weir_otlp_batch *batch = golden_batch(signals[s]);
        struct plan plan = {.attr = {WEIR_VIEW("only"), weir_value_i64(7)}};
        struct weir_otlp_batch *ret = edited(
            batch, &(struct weir_otlp_edit){
                       .arg = &plan, .record = replace_record, .resource = replace_resource});
        uint32_t count = weir_otlp_batch_records_count(batch);
        assert_int_equal(plan.records_seen, count);
        assert_int_equal(plan.resources_seen, batch->resources_count);
        assert_int_equal(weir_otlp_batch_records_count(ret), count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(attrs_of(ret, i).count, 1);
            assert_true(weir_view_is(attrs_of(ret, i).items[0].key, "only"));
        }
        for (uint32_t i = 0; i < ret->resources_count; i++)
            assert_int_equal(ret->resources[i].attrs.count, 1);
        if (batch->signal == WEIR_SIGNAL_TRACE)
            for (uint32_t i = 0; i < count; i++) {
                assert_memory_equal(ret->spans[i].trace_id, batch->spans[i].trace_id, 16);
                assert_true(weir_view_eq(ret->spans[i].name, batch->spans[i].name));
                assert_int_equal(ret->spans[i].events_count, batch->spans[i].events_count);
                assert_int_equal(ret->spans[i].links_count, batch->spans[i].links_count);
            }
        weir_otlp_batch_unref(ret);
        weir_otlp_batch_unref(batch);
    }
}

static void names_are_replaced(void **state) {
    (void)state;
    struct weir_otlp_edit edit = {.name = rename_all};
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_TRACE), *ret = edited(batch, &edit);
    for (uint32_t i = 0; i < ret->spans_count; i++)
        assert_true(weir_view_is(ret->spans[i].name, "renamed"));
    weir_otlp_batch_unref(ret);
    weir_otlp_batch_unref(batch);
    batch = golden_batch(WEIR_SIGNAL_METRIC);
    ret = edited(batch, &edit);
    assert_int_equal(ret->metrics_count, batch->metrics_count);
    for (uint32_t i = 0; i < ret->metrics_count; i++) {
        assert_true(weir_view_is(ret->metrics[i].name, "renamed"));
        assert_true(weir_view_eq(ret->metrics[i].unit, batch->metrics[i].unit));
        assert_int_equal(ret->metrics[i].type, batch->metrics[i].type);
    }
    weir_otlp_batch_unref(ret);
    weir_otlp_batch_unref(batch);
}

static void nothing_left_is_no_batch(void **state) {
    (void)state;
    struct plan plan = {.keep = 0};
    for (int s = 0; s < 3; s++) {
        struct weir_otlp_batch *batch = golden_batch(signals[s]);
        assert_null(edited(batch, &(struct weir_otlp_edit){.arg = &plan, .keep = keep}));
        weir_otlp_batch_unref(batch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_edited_is_the_same),
        cmocka_unit_test(what_is_kept_is_untouched_and_in_order),
        cmocka_unit_test(attributes_are_replaced),
        cmocka_unit_test(names_are_replaced),
        cmocka_unit_test(nothing_left_is_no_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
