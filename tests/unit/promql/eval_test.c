/* SPDX-License-Identifier: Apache-2.0 */
/* What the golden files cannot say: limits, failures, what is asked of the source, the plan's text.
 */
#include <math.h>
#include <stdio.h>

#include "memory_source.h"
#include "unit.h"

static struct memory_source source;

static int set_up(void **state) {
    (void)state;
    memory_init(&source);
    for (int i = 0; i < 50; i++) {
        char name[60];
        snprintf(name, sizeof name, "m%s{i=\"%02d\",g=\"%d\"}", i < 40 ? "" : "_total", i, i % 4);
        struct memory_series *s = memory_add(&source, weir_view_str(name));
        for (int t = 0; t < 20; t++) memory_sample(&source, s, t * 60000, i + t);
    }
    memory_sort(&source);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    memory_done(&source);
    return 0;
}

static int eval(struct weir_query *query, const char *text,
                const struct weir_promql_options *options, struct weir_promql_result *ret,
                struct weir_error *err) {
    struct weir_promql_expr *expr;
    int code = weir_promql_parse(&query->arena, weir_view_str(text), &expr, err);
    return code ? code : weir_promql_eval(query, &source.source, expr, options, ret, err);
}

static const struct weir_promql_options range = {
    .start_ms = 0, .end_ms = 1140000, .step_ms = 60000};

static void selectors_are_read_once(void **state) {
    (void)state;
    struct weir_query query;
    struct weir_promql_result result;
    weir_query_init(&query, 0, 0);
    assert_int_equal(
        eval(&query, "sum by (g) (rate(m[5m])) / count by (g) (m)", &range, &result, NULL), 0);
    assert_int_equal(source.selects_count, 2); /* not once a step */
    assert_int_equal(result.series_count, 4);
    assert_int_equal(query.series_read, 80);
    for (uint32_t i = 1; i < result.series_count; i++) /* range answers come sorted by labels */
        assert_true(weir_view_cmp(result.series[i - 1].labels[0].value,
                                  result.series[i].labels[0].value) < 0);
    weir_query_done(&query);
}

static void limits_hold(void **state) {
    (void)state;
    struct weir_promql_options few = range;
    struct weir_promql_result result;
    struct weir_error err = {0};
    struct weir_query query;
    few.samples_max = 799; /* m has 800 */
    weir_query_init(&query, 0, 0);
    assert_int_equal(eval(&query, "sum(m)", &few, &result, &err), WEIR_ELIMIT);
    assert_non_null(strstr(err.message, "more than 799 samples"));
    few.samples_max = 800;
    assert_int_equal(eval(&query, "sum(m)", &few, &result, &err), 0);
    few = range;
    few.steps_max = 19;
    assert_int_equal(eval(&query, "sum(m)", &few, &result, &err), WEIR_EINVALID);
    few.steps_max = 20;
    assert_int_equal(eval(&query, "sum(m)", &few, &result, &err), 0);
    assert_int_equal(eval(&query, "sum_over_time(vector(1)[1y:1ms])", &range, &result, &err),
                     WEIR_ELIMIT);
    weir_query_done(&query);
}

/* Memory runs out at any point: an error in words, no leak, no crash. */
static void memory_may_run_out(void **state) {
    (void)state;
    static const char *const texts[] = {
        "m * on (i) group_left () m",
        "topk(3, m)",
        "count_values(\"v\", m)",
        "sum by (i) (rate(m[5m]))",
        "label_replace(m, \"x\", \"$1\", \"i\", \"(.*)\")",
        "m or m_total",
        "histogram_quantile(0.5, label_replace(m, \"le\", \"$1\", \"i\", \"(.*)\"))",
        "sum_over_time(m[5m:1m])",
        "{__name__=~\"m.*\"} + 1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool worked = false;
        for (size_t size = 4096; size <= 4096 << 9; size += size / 3) {
            struct weir_query query;
            struct weir_promql_result result;
            struct weir_error err = {0};
            weir_query_init(&query, size, 0);
            int code = eval(&query, texts[i], &range, &result, &err);
            if (code && code != WEIR_ENOMEMORY && code != WEIR_ELIMIT)
                fail_msg("%s: %s", texts[i], err.message);
            worked = code == 0;
            weir_query_done(&query);
        }
        if (!worked) fail_msg("%s never worked", texts[i]);
    }
}

static void failures_pass_through(void **state) {
    (void)state;
    struct weir_query query;
    struct weir_promql_result result;
    struct weir_error err = {0};
    weir_query_init(&query, 0, 0);
    source.fail = WEIR_EIO;
    assert_int_equal(eval(&query, "sum(m) + count(m) or topk(1, m)", &range, &result, &err),
                     WEIR_EIO);
    assert_string_equal(err.message, "the source failed");
    source.fail = 0;
    weir_query_cancel(&query);
    assert_int_equal(eval(&query, "sum(m)", &range, &result, &err), WEIR_ECANCELED);
    weir_query_done(&query);
    weir_query_init(&query, 0, 1);
    assert_int_equal(eval(&query, "sum(m)", &range, &result, &err), WEIR_ETIMEOUT);
    weir_query_done(&query);
}

static void notes_say_what_is_odd(void **state) {
    (void)state;
    struct weir_query query;
    struct weir_promql_result result;
    weir_query_init(&query, 0, 0);
    assert_int_equal(eval(&query, "rate(m[5m])", &range, &result, NULL), 0);
    assert_int_equal(result.notes_count, 1); /* once, not once a series */
    assert_true(result.notes[0].info);
    assert_int_equal(eval(&query, "rate(m_total[5m])", &range, &result, NULL), 0);
    assert_int_equal(result.notes_count, 0);
    weir_query_done(&query);
}

static void plan_is_readable(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_promql_expr *expr;
    struct weir_view plan;
    weir_arena_init(&arena, 0);
    assert_int_equal(
        weir_promql_parse(&arena, WEIR_VIEW("topk(2, sum without (i) (abs(m offset 5m))) > bool 3"),
                          &expr, NULL),
        0);
    assert_int_equal(weir_promql_explain(&arena, expr, &range, &plan, NULL), 0);
    assert_view_is(plan, "without name  (20 steps)\n"
                         "  >\n"
                         "    topk\n"
                         "      sum without i\n"
                         "        without name\n"
                         "          abs\n"
                         "            select m offset 5m\n"
                         "      number 2\n"
                         "    number 3\n");
    weir_arena_done(&arena);
}

static void matchers_become_plain_where_they_can(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_promql_expr *expr;
    struct weir_promql_matchers m;
    weir_arena_init(&arena, 0);
    assert_int_equal(weir_promql_parse(
                         &arena,
                         WEIR_VIEW("m{a=~\"x\",b=~\".*\",c=~\".+\",d!~\"y\",e=~\"x|y\",f!~\".+\"}"),
                         &expr, NULL),
                     0);
    assert_int_equal(weir_promql_matchers_new(expr, &m, NULL), 0);
    static const struct {
        const char *name, *value;
        enum weir_op op;
    } expected[] = {{"__name__", "m", WEIR_OP_EQ}, {"a", "x", WEIR_OP_EQ},   {"c", "", WEIR_OP_NE},
                    {"d", "y", WEIR_OP_NE},        {"e", "", WEIR_OP_MATCH}, {"f", "", WEIR_OP_EQ}};
    assert_int_equal(m.count, 6);
    for (uint32_t i = 0; i < m.count; i++) {
        assert_view_is(m.items[i].name, expected[i].name);
        assert_view_is(m.items[i].value, expected[i].value);
        assert_int_equal(m.items[i].op, expected[i].op);
    }
    weir_promql_matchers_free(&m);
    weir_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(selectors_are_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_may_run_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_pass_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notes_say_what_is_odd, set_up, tear_down),
        cmocka_unit_test(plan_is_readable),
        cmocka_unit_test(matchers_become_plain_where_they_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
