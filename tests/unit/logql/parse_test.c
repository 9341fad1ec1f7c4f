/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "logql/parse.h"
#include "logql/print.h"

static const char *const accepted[] = {
    "{app=\"foo\"}",
    "{ app = \"foo\" , b!=\"c\", d=~\"e.+\", f!~\"g\" , }",
    "{app=\"foo\"} |= \"bar\" != \"baz\" |~ \"x.y\" !~ `z\\d`",
    "{app=\"foo\"} |= \"a\" or \"b\" or \"c\"",
    "{app=\"foo\"} |> \"<_>err<_>\" !> \"<_>ok\"",
    "{app=\"foo\"} |= ip(\"10.0.0.0/8\") | json | addr != ip(\"::1\")",
    "{app=\"foo\"} | json",
    "{app=\"foo\"} | json a=\"x.y[0]\", b=\"z[\\\"q r\\\"]\", c",
    "{app=\"foo\"} | logfmt --strict --keep-empty a=\"b\", c",
    "{app=\"foo\"} | regexp `(?P<verb>\\w+) (?P<path>\\S+)`",
    "{app=\"foo\"} | pattern `<ip> - <_> \"<method>\"`",
    "{app=\"foo\"} | unpack | decolorize",
    "{app=\"foo\"} | json | level=\"ERROR\"",
    "{app=\"foo\"} | json | a>5 and b<=10ms or c==1.5KB, d!=\"x\"",
    "{app=\"foo\"} | json | (a>5 or b<2) c=~\"x\"",
    "{app=\"foo\"} | a = 5 | b > -3.5",
    "{app=\"foo\"} | line_format \"{{.a}} x {{.b | ToUpper}} {{__line__}}\"",
    "{app=\"foo\"} | label_format a=b, c=\"{{.d}}\"",
    "{app=\"foo\"} | drop a, b=\"c\", d=~\"e\" | keep f",
    "({app=\"foo\"} |= \"x\") | json",
    "# comment\n{app=\"foo\"} # more\n|= \"x\"",
    "rate({app=\"foo\"}[5m])",
    "rate({app=\"foo\"} [5m] |= \"x\")",
    "rate(({app=\"foo\"} |= \"x\")[1h30m])",
    "count_over_time({app=\"foo\"} | json | x=\"y\" [1d] offset 5m)",
    "count_over_time({app=\"foo\"}[5m] offset -1h)",
    "bytes_over_time({app=\"foo\"}[5m])",
    "absent_over_time({app=\"foo\"}[5m])",
    "sum_over_time({app=\"foo\"} | json | unwrap bytes(size) [5m])",
    "max_over_time({app=\"foo\"} | unwrap duration(took) | __error__=\"\" [5m]) by (host)",
    "quantile_over_time(0.99, {app=\"foo\"} | unwrap x [5m]) without (a)",
    "rate_counter({app=\"foo\"} | unwrap x [5m])",
    "sum by (a, b) (rate({app=\"foo\"}[5m]))",
    "sum(rate({app=\"foo\"}[5m])) without (a)",
    "sum by () (rate({app=\"foo\"}[5m]))",
    "topk(10, sum by (a) (rate({app=\"foo\"}[5m])))",
    "sort_desc(sum by (a) (rate({app=\"foo\"}[5m])))",
    "sum(rate({app=\"foo\"}[5m])) / sum(rate({app=\"bar\"}[5m])) * 100",
    "rate({app=\"foo\"}[5m]) / on(a) group_left(b) rate({app=\"bar\"}[5m])",
    "rate({app=\"foo\"}[5m]) > bool 5 and rate({app=\"bar\"}[5m]) unless vector(0)",
    "vector(1)+vector(1)",
    "-1 + 2 * 3 ^ 2 ^ 2 % 5",
    "label_replace(rate({app=\"foo\"}[5m]), \"dst\", \"$1\", \"src\", \"(.*)\")",
    "{app=\"föö\\u00e9\\n\\\"\"}",
};

static const struct {
    const char *query, *words; /* words that the message must hold */
    unsigned column;
} rejected[] = {
    {"", "unexpected end", 1},
    {"{", "expected a label name", 2},
    {"{}", "at least one regexp or equality matcher", 1},
    {"{a=\"\"}", "at least one", 1},
    {"{a=~\".*\"}", "at least one", 1},
    {"{a!=\"b\"}", "at least one", 1},
    {"{a=\"b\"", "expected , or }", 7},
    {"{a=\"b}", "string has no end", 4},
    {"{a='b'}", "unexpected character '''", 4},
    {"{a=b}", "expected a string", 4},
    {"{a=~\"(?=x)\"}", "not supported", 2},
    {"{a=~\"(\"}", "missing closing )", 2},
    {"{a=\"b\"} |= ", "expected a string", 12},
    {"{a=\"b\"} |~ \"(?<!x)\"", "not supported", 9},
    {"{a=\"b\"} | foo", "expected a comparison", 14},
    {"{a=\"b\"} | json x=5", "expected a string", 18},
    {"{a=\"b\"} | json x=\"a..b\"", "JSON path", 16},
    {"{a=\"b\"} | regexp \"(a)\"", "named group", 11},
    {"{a=\"b\"} | pattern \"abc\"", "at least one capture", 11},
    {"{a=\"b\"} | pattern \"<a><b>\"", "consecutive captures", 11},
    {"{a=\"b\"} |> \"<x>\"", "named captures are not allowed", 9},
    {"{a=\"b\"} | line_format \"{{ if .x }}\"", "{{ if .x }} is not supported", 11},
    {"{a=\"b\"} | line_format \"{{.x\"", "{{ without }}", 11},
    {"{a=\"b\"} | label_format a=b, a=c", "set twice", 29},
    {"{a=\"b\"} | logfmt --fast", "expected --strict", 18},
    {"{a=\"b\"} | unwrap x", "expected a comparison", 18},
    {"rate({a=\"b\"})", "expected a range", 13},
    {"rate({a=\"b\"}[5])", "expected a range such as 5m", 14},
    {"rate({a=\"b\"}[5m][5m])", "only one range", 17},
    {"count_over_time({a=\"b\"} | unwrap x [5m])", "takes no unwrap", 1},
    {"sum_over_time({a=\"b\"}[5m])", "needs numbers", 1},
    {"quantile_over_time({a=\"b\"} | unwrap x [5m])", "wants a number first", 1},
    {"rate({a=\"b\"}[5m]) by (x)", "grouping is not allowed", 1},
    {"max_over_time({a=\"b\"} | unwrap x | json [5m])", "only label filters may follow", 36},
    {"max_over_time({a=\"b\"} | unwrap foo(x) [5m])", "unknown conversion", 32},
    {"sum({a=\"b\"})", "aggregates numbers", 1},
    {"topk(0, rate({a=\"b\"}[5m]))", "whole number", 1},
    {"topk(rate({a=\"b\"}[5m]))", "expected a number", 6},
    {"sum(5)", "bare number", 5},
    {"{a=\"b\"} + 1", "works on numbers", 1},
    {"1 and 2", "unexpected literal", 1},
    {"rate({a=\"b\"}[5m]) + bool 1", "bool goes with comparisons", 19},
    {"rat({a=\"b\"}[5m])", "did you mean rate?", 1},
    {"variants(rate({a=\"b\"}[5m])) of ({a=\"b\"}[5m])", "variants", 1},
    {"{a=\"b\"} extra", "expected the end", 9},
    {"{a=\"b\"} | x > 5zz", "not a number", 15},
    {"{a=\"\\q\"}", "invalid escape", 5},
};

static int parse(const char *query, struct weir_arena *arena, struct weir_buf *printed,
                 struct weir_error *err) {
    struct weir_logql_expr *expr = NULL;
    int rc = weir_logql_parse(weir_view_str(query), arena, &expr, err);
    if (rc == 0) weir_logql_print(expr, printed);
    return rc;
}

static void test_accepted_and_round_trip(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        struct weir_arena arena;
        struct weir_buf once, twice;
        struct weir_error err = {0};
        weir_arena_init(&arena, 1 << 20);
        weir_buf_init(&once, 1 << 16);
        weir_buf_init(&twice, 1 << 16);
        if (parse(accepted[i], &arena, &once, &err) != 0)
            fail_msg("%s: %s", accepted[i], err.message);
        char *text = weir_arena_strdup(&arena, weir_buf_view(&once));
        if (parse(text, &arena, &twice, &err) != 0)
            fail_msg("%s -> %s: %s", accepted[i], text, err.message);
        assert_view_is(weir_buf_view(&twice), text);
        weir_buf_done(&once);
        weir_buf_done(&twice);
        weir_arena_done(&arena);
    }
}

static void test_rejected_with_position(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rejected / sizeof *rejected; i++) {
        struct weir_arena arena;
        struct weir_buf printed;
        struct weir_error err = {0};
        weir_arena_init(&arena, 1 << 20);
        weir_buf_init(&printed, 1 << 16);
        int rc = parse(rejected[i].query, &arena, &printed, &err);
        if (rc != WEIR_EINVALID) fail_msg("%s was accepted (%d)", rejected[i].query, rc);
        if (!strstr(err.message, rejected[i].words))
            fail_msg("%s: %s", rejected[i].query, err.message);
        if (err.column != rejected[i].column)
            fail_msg("%s: column %u, want %u: %s", rejected[i].query, err.column,
                     rejected[i].column, err.message);
        weir_buf_done(&printed);
        weir_arena_done(&arena);
    }
}

static void test_precedence(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"1+2*3", "(1 + (2 * 3))"},
        {"2^3^2", "(2 ^ (3 ^ 2))"},
        {"1-2-3", "((1 - 2) - 3)"},
        {"vector(1) or vector(2) and vector(3) > 1+1",
         "(vector(1) or (vector(2) and (vector(3) > (1 + 1))))"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_arena arena;
        struct weir_buf printed;
        struct weir_error err = {0};
        weir_arena_init(&arena, 1 << 20);
        weir_buf_init(&printed, 1 << 16);
        assert_int_equal(parse(rows[i].in, &arena, &printed, &err), 0);
        assert_view_is(weir_buf_view(&printed), rows[i].out);
        weir_buf_done(&printed);
        weir_arena_done(&arena);
    }
}

/* Cuts and random changes of good queries: never a crash, and what is accepted prints and
 * re-parses. */
static void test_mutations_never_crash(void **state) {
    (void)state;
    unsigned seed = 4711;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        for (int round = 0; round < 150; round++) {
            char query[256];
            size_t len = strlen(accepted[i]);
            memcpy(query, accepted[i], len);
            for (int k = 0; k < 1 + round % 3; k++) {
                seed = seed * 1103515245U + 12345U;
                query[(seed >> 8) % len] = "{}()[]|=!~\"`,.0a5m "[(seed >> 20) % 19];
            }
            seed = seed * 1103515245U + 12345U;
            if (round % 5 == 0) len = (seed >> 8) % len;
            struct weir_arena arena;
            struct weir_buf once;
            weir_arena_init(&arena, 1 << 20);
            weir_buf_init(&once, 1 << 16);
            struct weir_logql_expr *expr = NULL, *again = NULL;
            struct weir_error err = {0};
            char *exact = malloc(len ? len : 1); /* so that a read past the end is seen */
            memcpy(exact, query, len);
            if (weir_logql_parse(weir_view(exact, len), &arena, &expr, &err) == 0) {
                weir_logql_print(expr, &once);
                if (weir_logql_parse(weir_buf_view(&once), &arena, &again, &err) != 0)
                    fail_msg("%.*s -> %.*s: %s", (int)len, query, (int)once.len, once.ptr,
                             err.message);
            }
            free(exact);
            weir_buf_done(&once);
            weir_arena_done(&arena);
        }
}

static void test_deep_nesting_is_refused(void **state) {
    (void)state;
    static char query[20000];
    memset(query, '(', sizeof query - 1);
    struct weir_arena arena;
    struct weir_error err = {0};
    struct weir_logql_expr *expr;
    weir_arena_init(&arena, 1 << 20);
    assert_int_equal(weir_logql_parse(weir_view(query, sizeof query - 1), &arena, &expr, &err),
                     WEIR_EINVALID);
    assert_non_null(strstr(err.message, "too deeply"));
    weir_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_and_round_trip),
        cmocka_unit_test(test_rejected_with_position),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_mutations_never_crash),
        cmocka_unit_test(test_deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
