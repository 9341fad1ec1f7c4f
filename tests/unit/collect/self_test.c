/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/receivers/self.h"

#include <stdatomic.h>

#include "attrs.h"
#include "base/clock.h"
#include "base/metric.h"
#include "collect/receivers/process.h"
#include "otlp/prometheus.h"
#include "unit.h"

WEIR_COUNTER(first, "test_things_total", "Things.", "kind=\"a\",side=\"left\"");
WEIR_COUNTER(second, "test_things_total", "Things.", "kind=\"b\"");
WEIR_GAUGE(level, "test_level", "A level.", "");

static struct weir_otlp_batch *encoded(void) {
    struct weir_buf buf;
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {0};
    size_t len;
    weir_buf_init(&buf, 1 << 20);
    weir_self_encode(&buf, 100, 200);
    char *body = weir_buf_take(&buf, &len);
    if (weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &batch, &err) < 0)
        fail_msg("%s", err.message);
    return batch;
}

static const struct weir_otlp_metric *metric_of(const struct weir_otlp_batch *batch,
                                                const char *name) {
    const struct weir_otlp_metric *found = NULL;
    for (uint32_t i = 0; i < batch->metrics_count; i++) {
        if (!weir_view_is(batch->metrics[i].name, name)) continue;
        assert_null(found); /* a family stands together */
        found = &batch->metrics[i];
    }
    static const struct weir_otlp_metric none;
    if (!found) fail_msg("no metric %s", name);
    return found ? found : &none;
}

static void registry_becomes_otlp(void **state) {
    (void)state;
    weir_process_metrics_use();
    weir_metric_add(&first, 5);
    weir_metric_add(&second, 7);
    weir_metric_set(&level, -3);
    struct weir_otlp_batch *batch = encoded();
    assert_int_equal(batch->rejected_count, 0);
    assert_view_is(attr_of(batch->resources[0].attrs, "service.name")->str, "weir");
    const struct weir_otlp_metric *things = metric_of(batch, "test_things");
    assert_int_equal(things->type, WEIR_METRIC_TYPE_SUM);
    assert_true(things->monotonic);
    int64_t sum = 0;
    uint32_t attrs = 0;
    for (uint32_t i = 0; i < batch->points_count; i++) {
        const struct weir_otlp_point *point = &batch->points[i];
        if (&batch->metrics[point->metric] != things) continue;
        assert_true(point->start_ns == 100 && point->time_ns == 200 && point->is_int);
        sum += point->i64;
        attrs += point->attrs.count;
        if (point->i64 == 5) assert_view_is(attr_of(point->attrs, "side")->str, "left");
    }
    assert_int_equal(sum, 12);
    assert_int_equal(attrs, 3);
    assert_int_equal(metric_of(batch, "test_level")->type, WEIR_METRIC_TYPE_GAUGE);
    metric_of(batch, "process_resident_memory_bytes");
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    assert_view_is(
        weir_prometheus_metric_name(&arena, things->name, things->unit, things->type, true),
        "test_things_total"); /* comes back as it was registered */
    weir_arena_done(&arena);
    weir_otlp_batch_unref(batch);
}

struct counting_sink {
    struct weir_sink sink;
    atomic_int pushed;
};

static void count(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                  void *arg) {
    struct counting_sink *counting = (struct counting_sink *)sink;
    assert_true(batch->points_count > 0);
    weir_otlp_batch_unref(batch);
    struct weir_sink_answer answer = {
        .code = atomic_fetch_add(&counting->pushed, 1) ? WEIR_OK : WEIR_EBUSY, .message = ""};
    done(arg, &answer);
}

static void pushes_until_it_is_freed(void **state) {
    (void)state;
    struct counting_sink counting = {.sink = {count}};
    struct weir_self *self = weir_self_new(&counting.sink, 1);
    assert_non_null(self);
    for (int i = 0; i < 5000 && atomic_load(&counting.pushed) < 3; i++)
        weir_clock_sleep_ns(WEIR_NS_PER_MS);
    weir_self_free(self);
    int pushed = atomic_load(&counting.pushed);
    assert_true(pushed >= 3);
    weir_clock_sleep_ns(5 * WEIR_NS_PER_MS);
    assert_int_equal(atomic_load(&counting.pushed), pushed);
    weir_self_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_becomes_otlp),
        cmocka_unit_test(pushes_until_it_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
