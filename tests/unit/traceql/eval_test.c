/* SPDX-License-Identifier: Apache-2.0 */
/* Queries over the fixture traces of tests/golden/traceql/fixture.json. The table
 * tests/golden/traceql/matches.txt says per query which spans (by name, in order of start) match,
 * or which series come out; each query runs with hints ignored and obeyed, in small and large
 * blocks. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "fake_source.h"
#include "traceql/eval.h"
#include "traceql/parse.h"
#include "wire/json.h"

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One text per spanset, sorted: "name name". */
static void add_results(struct weir_buf *out, const struct weir_traceql_results *results,
                        struct weir_arena *arena) {
    char *texts[200];
    uint32_t count = 0;
    for (uint32_t t = 0; t < results->count; t++)
        for (uint32_t g = 0; g < results->items[t].groups.count && count < 200; g++) {
            const struct weir_traceql_group *group = &results->items[t].groups.items[g];
            struct weir_buf line;
            weir_buf_init(&line, 1 << 16);
            for (uint32_t i = 0; i < group->count; i++)
                weir_buf_printf(
                    &line, "%s%.*s", i ? " " : "",
                    WEIR_VIEW_ARG(results->items[t].trace->spans[group->spans[i]].name));
            texts[count++] = weir_arena_strdup(arena, weir_buf_view(&line));
            weir_buf_done(&line);
        }
    qsort(texts, count, sizeof *texts, by_text);
    for (uint32_t i = 0; i < count; i++) weir_buf_printf(out, "%s%s", i ? "; " : "", texts[i]);
    if (!count) weir_buf_add_str(out, "-");
}

/* "{a=b} 1 2 _; …", sorted. */
static void add_matrix(struct weir_buf *out, const struct weir_traceql_matrix *m,
                       struct weir_arena *arena) {
    char *texts[200];
    uint32_t count = 0;
    for (; count < m->count && count < 200; count++) {
        struct weir_buf line;
        weir_buf_init(&line, 1 << 16);
        weir_buf_add_char(&line, '{');
        for (uint32_t i = 0; i < m->series[count].labels_count; i++)
            weir_buf_printf(
                &line, "%s%.*s=%.*s", i ? ", " : "", WEIR_VIEW_ARG(m->series[count].labels[i].name),
                WEIR_VIEW_ARG(weir_traceql_to_text(&m->series[count].labels[i].value, arena)));
        weir_buf_add_char(&line, '}');
        for (uint32_t i = 0; i < m->intervals; i++) {
            double value = m->series[count].values[i];
            if (value != value)
                weir_buf_add_str(&line, " _");
            else
                weir_buf_printf(&line, " %.6g", value);
        }
        texts[count] = weir_arena_strdup(arena, weir_buf_view(&line));
        weir_buf_done(&line);
    }
    qsort(texts, count, sizeof *texts, by_text);
    for (uint32_t i = 0; i < count; i++) weir_buf_printf(out, "%s%s", i ? "; " : "", texts[i]);
    if (!count) weir_buf_add_str(out, "-");
}

/* The fixture lies in 1000 s … 1060 s. */
static int ask(struct fake_source *fake, struct weir_view text, struct weir_buf *out,
               struct weir_error *err) {
    struct weir_traceql_options options = {
        .start_ns = INT64_C(1000000000000), .end_ns = INT64_C(1060000000000), .limit = 20};
    struct weir_query query;
    struct weir_traceql_plan plan;
    struct weir_traceql_query *tree = NULL;
    struct weir_traceql_results results;
    struct weir_traceql_matrix matrix;
    weir_query_init(&query, (size_t)64 << 20, 0);
    int rc = weir_traceql_parse(text, &query.arena, &tree, err);
    if (rc == 0) rc = weir_traceql_plan_init(&plan, tree, &query.arena, err);
    if (rc == 0) {
        options.step_ns = INT64_C(20000000000);
        if (tree->is_metrics) {
            rc = weir_traceql_metrics(&fake->source, &query, &plan, &options, &matrix, err);
            if (rc == 0) add_matrix(out, &matrix, &query.arena);
        } else {
            rc = weir_traceql_search(&fake->source, &query, &plan, &options, &results, err);
            if (rc == 0) add_results(out, &results, &query.arena);
        }
        weir_traceql_plan_done(&plan);
    }
    if (rc != 0) weir_buf_printf(out, "error: %s", err->message);
    weir_query_done(&query);
    return rc;
}

static void check(struct fake_source *fake, int line, struct weir_view text,
                  struct weir_view expected) {
    static const uint32_t sizes[] = {1, 3, 100};
    for (int obey = 0; obey < 2; obey++)
        for (int i = 0; i < 3; i++) {
            struct weir_buf out;
            struct weir_error err = {0};
            weir_buf_init(&out, 1 << 16);
            fake->obey_hints = obey;
            fake->block_rows = sizes[i];
            ask(fake, text, &out, &err);
            bool same = weir_view_eq(weir_buf_view(&out), expected) ||
                        (weir_view_is(expected, "error") &&
                         weir_view_starts(weir_buf_view(&out), WEIR_VIEW("error: ")));
            if (!same)
                print_error(
                    "matches.txt:%d (hints %d, blocks of %u): %.*s\n  got    %.*s\n  wanted %.*s\n",
                    line, obey, sizes[i], WEIR_VIEW_ARG(text), (int)out.len, out.ptr,
                    WEIR_VIEW_ARG(expected));
            assert_true(same);
            weir_buf_done(&out);
        }
}

static void test_matches(void **state) {
    (void)state;
    struct weir_buf fixture, table;
    struct fake_source fake;
    weir_buf_init(&fixture, 1 << 20);
    weir_buf_init(&table, 1 << 20);
    assert_int_equal(weir_fs_read_file("tests/golden/traceql/fixture.json", &fixture, NULL), 0);
    assert_int_equal(weir_fs_read_file("tests/golden/traceql/matches.txt", &table, NULL), 0);
    fake_source_init(&fake);
    fake_source_add_json(&fake, WEIR_SIGNAL_TRACE, weir_buf_view(&fixture));
    struct weir_view rest = weir_buf_view(&table);
    int line_number = 0, queries = 0;
    while (rest.ptr) {
        struct weir_view line = weir_view_cut(&rest, '\n');
        line_number++;
        if (!line.len || line.ptr[0] == '#') continue;
        size_t arrow = weir_view_find(line, WEIR_VIEW(" => "));
        assert_true(arrow != SIZE_MAX);
        check(&fake, line_number, weir_view_upto(line, arrow), weir_view_from(line, arrow + 4));
        queries++;
    }
    assert_true(queries > 60);
    fake_source_done(&fake);
    weir_buf_done(&fixture);
    weir_buf_done(&table);
}

/* More traces than one batch holds: each is found once, and the limit holds. */
static void test_many_traces(void **state) {
    (void)state;
    struct weir_buf json;
    struct fake_source fake;
    weir_buf_init(&json, 4 << 20);
    fake_source_init(&fake);
    weir_buf_add_str(&json, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[");
    for (int i = 0; i < 1300; i++)
        weir_buf_printf(&json,
                        "%s{\"traceId\":\"%032x\",\"spanId\":\"%016x\",\"name\":\"n%d\","
                        "\"startTimeUnixNano\":\"%lld\","
                        "\"endTimeUnixNano\":\"%lld\"}",
                        i ? "," : "", i + 1, i + 1, i, 1000000000000LL + i * 1000000LL,
                        1000000000100LL + i * 1000000LL);
    weir_buf_add_str(&json, "]}]}]}");
    fake_source_add_json(&fake, WEIR_SIGNAL_TRACE, weir_buf_view(&json));
    fake.block_rows = 700;
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_traceql_plan plan;
    struct weir_traceql_query *tree;
    struct weir_traceql_results results;
    struct weir_traceql_options options = {.start_ns = 0, .end_ns = INT64_MAX, .limit = 1000};
    weir_query_init(&query, (size_t)256 << 20, 0);
    assert_int_equal(
        weir_traceql_parse(WEIR_VIEW("{ rootName =~ \"n.*[05]\" }"), &query.arena, &tree, &err), 0);
    assert_int_equal(weir_traceql_plan_init(&plan, tree, &query.arena, &err), 0);
    assert_int_equal(weir_traceql_search(&fake.source, &query, &plan, &options, &results, &err), 0);
    assert_int_equal(results.count, 260);
    assert_int_equal(results.inspected_count, 1300);
    for (uint32_t i = 1; i < results.count; i++)
        assert_true(results.items[i - 1].trace->start_ns > results.items[i].trace->start_ns);
    options.limit = 7;
    assert_int_equal(weir_traceql_search(&fake.source, &query, &plan, &options, &results, &err), 0);
    assert_int_equal(results.count, 7);
    weir_traceql_plan_done(&plan);
    weir_query_done(&query);
    fake_source_done(&fake);
    weir_buf_done(&json);
}

/* `count` traces of one span each, with names of `name_len` bytes and a number. */
static void add_traces(struct fake_source *fake, int count, int name_len) {
    struct weir_buf json;
    weir_buf_init(&json, 256 << 20);
    for (int i = 0; i < count;) {
        weir_buf_clear(&json);
        weir_buf_add_str(&json, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[");
        for (int n = 0; i < count && n < 10000; i++, n++)
            weir_buf_printf(&json,
                            "%s{\"traceId\":\"%032x\",\"spanId\":\"%016x\",\"name\":\"%0*d\","
                            "\"startTimeUnixNano\":\"%lld\"}",
                            n ? "," : "", i + 1, i + 1, name_len, i,
                            1000000000000LL + i * 1000000LL);
        weir_buf_add_str(&json, "]}]}]}");
        fake_source_add_json(fake, WEIR_SIGNAL_TRACE, weir_buf_view(&json));
    }
    weir_buf_done(&json);
}

/* Searches with little memory for the query itself; gives the count of results. */
static uint32_t search_small(struct fake_source *fake, const char *text, uint64_t *ret_inspected) {
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_traceql_plan plan;
    struct weir_traceql_query *tree;
    struct weir_traceql_results results;
    struct weir_traceql_options options = {.start_ns = 0, .end_ns = INT64_MAX, .limit = 3};
    weir_query_init(&query, (size_t)2 << 20, 0);
    assert_int_equal(weir_traceql_parse(weir_view_str(text), &query.arena, &tree, &err), 0);
    assert_int_equal(weir_traceql_plan_init(&plan, tree, &query.arena, &err), 0);
    if (weir_traceql_search(&fake->source, &query, &plan, &options, &results, &err) != 0)
        fail_msg("%s", err.message);
    for (uint32_t i = 0; i < results.count; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_memory_not_equal(results.items[i].trace->id, results.items[j].trace->id, 16);
    *ret_inspected = results.inspected_count;
    weir_traceql_plan_done(&plan);
    weir_query_done(&query);
    return results.count;
}

/* However many candidates there are and however large their traces: the query keeps only results.
 */
static void test_memory_is_for_results(void **state) {
    (void)state;
    struct fake_source many, large;
    uint64_t inspected;
    fake_source_init(&many);
    add_traces(&many, 70000, 1); /* more than are remembered at a time */
    assert_int_equal(search_small(&many, "{ rootName = \"nope\" }", &inspected), 0);
    assert_in_range(inspected, 70000, 2 * 70000);
    assert_int_equal(search_small(&many, "{ rootName =~ \"(5|69999)\" }", &inspected), 2);
    fake_source_done(&many);
    fake_source_init(&large);
    add_traces(&large, 350, 100000); /* a batch of all is larger than a batch may be */
    assert_int_equal(search_small(&large, "{ rootName =~ \"0*(5|345)\" }", &inspected), 2);
    assert_int_equal(inspected, 350);
    fake_source_done(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches),
                                       cmocka_unit_test(test_many_traces),
                                       cmocka_unit_test(test_memory_is_for_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
