/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/rand.h"
#include "promql/promql.h"
#include "unit.h"

/* What is written, and its canonical spelling. */
static const struct {
    const char *text, *printed;
} good[] = {
    {"1", "1"},
    {"-1", "-1"},
    {"+Inf", "Inf"},
    {"-inf", "-Inf"},
    {"nan", "NaN"},
    {"5m", "300"},
    {"0x1f", "31"},
    {"\"text\"", "\"text\""},
    {"foo", "foo"},
    {"foo:bar", "foo:bar"},
    {"sum", "sum"},
    {"on", "on"},
    {"start", "start"},
    {"foo{}", "foo"},
    {"foo { a = 'b' , }", "foo{a=\"b\"}"},
    {"{a!=\"\",b=~\"x.*\",c!~`y`}", "{a!=\"\",b=~\"x.*\",c!~\"y\"}"},
    {"{\"metric.name\", \"label.name\"=\"v\"}", "{\"metric.name\",\"label.name\"=\"v\"}"},
    {"{a=\"b\", \"foo\"}", "foo{a=\"b\"}"},
    {"{by=\"x\",on=\"y\",sum=\"z\"}", "{by=\"x\",on=\"y\",sum=\"z\"}"},
    {"foo[5m]", "foo[5m]"},
    {"foo[300]", "foo[5m]"},
    {"foo[1h30m]", "foo[1h30m]"},
    {"foo[90m]", "foo[1h30m]"},
    {"foo[36h]", "foo[1d12h]"},
    {"foo[7d]", "foo[1w]"},
    {"foo offset 5m", "foo offset 5m"},
    {"foo offset -5m", "foo offset -5m"},
    {"foo[1m] OFFSET 1h", "foo[1m] offset 1h"},
    {"foo @ 1.5", "foo @ 1.500"},
    {"foo @ -1", "foo @ -1.000"},
    {"foo @ start()", "foo @ start()"},
    {"foo[5m] offset 1m @ end()", "foo[5m] @ end() offset 1m"},
    {"rate(foo[5m])[1h:1m] offset 1m", "rate(foo[5m])[1h:1m] offset 1m"},
    {"foo[5m:]", "foo[5m:]"},
    {"1 + 2 * 3 ^ 4 ^ 5", "1 + 2 * 3 ^ 4 ^ 5"},
    {"(1 + 2) * 3", "(1 + 2) * 3"},
    {"-foo ^ 2", "-foo ^ 2"},
    {"-1 ^ 2", "-1 ^ 2"},
    {"foo == bool 1", "foo == bool 1"},
    {"foo AND bar Or baz unLESS qux", "foo and bar or baz unless qux"},
    {"foo * on(a,b) bar", "foo * on (a, b) bar"},
    {"foo * ignoring(a) group_left(b) bar", "foo * ignoring (a) group_left (b) bar"},
    {"foo / on() group_right bar", "foo / on () group_right () bar"},
    {"foo * on(\"a.b\") bar", "foo * on (\"a.b\") bar"},
    {"foo atan2 bar % 2", "foo atan2 bar % 2"},
    {"sum(foo)", "sum(foo)"},
    {"sum by (a) (foo)", "sum by (a) (foo)"},
    {"sum(foo) by (a,)", "sum by (a) (foo)"},
    {"SUM(foo) without ()", "sum without () (foo)"},
    {"topk(5, foo)", "topk(5, foo)"},
    {"count_values('v', foo)", "count_values(\"v\", foo)"},
    {"quantile by (\"a b\") (0.9, foo)", "quantile by (\"a b\") (0.9, foo)"},
    {"rate(foo[5m])", "rate(foo[5m])"},
    {"time()", "time()"},
    {"hour()", "hour()"},
    {"round(foo)", "round(foo)"},
    {"round(foo, 0.1)", "round(foo, 0.1)"},
    {"label_join(foo, \"d\", \"-\", \"a\", \"b\")", "label_join(foo, \"d\", \"-\", \"a\", \"b\")"},
    {"label_join(foo, \"d\", \"-\")", "label_join(foo, \"d\", \"-\")"},
    {"histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
     "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))"},
    {"foo # comment\n + bar", "foo + bar"},
    {"foo{a=\"\\\"\\n\\\\\"}", "foo{a=\"\\\"\\n\\\\\"}"},
    {"info(foo)", "info(foo)"},
};

/* What is refused, where, and a part of what is said. */
static const struct {
    const char *text;
    unsigned line, column;
    const char *words;
} bad[] = {
    {"", 1, 1, "no expression found in input"},
    {"# only a comment", 1, 1, "no expression found"},
    {"(", 1, 2, "unexpected end of input"},
    {"1 +", 1, 4, "unexpected end of input"},
    {"foo bar", 1, 5, "unexpected identifier \"bar\""},
    {"foo{", 1, 5, "label matching"},
    {"foo{a}", 1, 6, "label matching operator"},
    {"foo{a=b}", 1, 7, "expected string"},
    {"foo{a:b=\"x\"}", 1, 5, "unexpected identifier \"a:b\""},
    {"foo{a=~\"(\"}", 1, 8, ""},
    {"foo{a=~\"(?=x)\"}", 1, 8, ""},
    {"{}", 1, 1, "at least one non-empty matcher"},
    {"{a=\"\"}", 1, 1, "at least one non-empty matcher"},
    {"{a=~\".*\"}", 1, 1, "at least one non-empty matcher"},
    {"{a!=\"x\"}", 1, 1, "at least one non-empty matcher"},
    {"foo{__name__=\"bar\"}", 1, 1, "must not be set twice"},
    {"foo{\"bar\"}", 1, 5, "must not be set twice"},
    {"foo[5m", 1, 7, "range selector"},
    {"foo[0s]", 1, 5, "greater than 0"},
    {"foo[bar]", 1, 5, "number or duration"},
    {"rate(foo)[5m]", 1, 10, "ranges only allowed for vector selectors"},
    {"foo offset 5m [1m]", 1, 15, "no offset modifiers allowed before range"},
    {"foo offset 1m offset 2m", 1, 15, "multiple times"},
    {"foo @ 1 @ 2", 1, 9, "multiple times"},
    {"foo @ inf", 1, 7, "out of bounds"},
    {"1 offset 5m", 1, 3, "must be preceded by"},
    {"sum(foo) offset 5m", 1, 10, "must be preceded by"},
    {"foo == 1 == bool", 1, 17, "unexpected end of input"},
    {"1 == 1", 1, 1, "must use BOOL"},
    {"foo + bool 1", 1, 7, "bool modifier"},
    {"1 and foo", 1, 1, "set operator \"and\" not allowed"},
    {"foo + \"x\"", 1, 7, "only scalar and instant vector"},
    {"foo[5m] + 1", 1, 1, "only scalar and instant vector"},
    {"1 + on(a) foo", 1, 1, "only allowed between instant vectors"},
    {"foo and on(a) group_left() bar", 1, 15, "no grouping allowed"},
    {"foo * on(a) group_left(a) bar", 1, 1, "must not occur in ON and GROUP"},
    {"-\"x\"", 1, 1, "unary expression"},
    {"-foo[5m]", 1, 1, "unary expression"},
    {"1[5m:]", 1, 1, "subquery is only allowed on instant vector"},
    {"ratee(foo[5m])", 1, 1, "did you mean \"rate\"?"},
    {"\n\n  summ(foo)", 3, 3, "did you mean \"sum\"?"},
    {"rate(foo)", 1, 6,
     "expected type range vector in call to function \"rate\", got instant vector"},
    {"abs(foo[5m])", 1, 5, "expected type instant vector"},
    {"rate()", 1, 1, "expected 1 argument in call to \"rate\", got 0"},
    {"clamp(foo, 1)", 1, 1, "expected 3 arguments"},
    {"round(foo, 1, 2)", 1, 1, "expected at most 2 arguments"},
    {"label_join(foo, \"d\")", 1, 1, "at least 3 arguments"},
    {"sum(foo, bar)", 1, 1, "wrong number of arguments"},
    {"topk(foo)", 1, 1, "wrong number of arguments"},
    {"topk(\"a\", foo)", 1, 6, "expected type scalar in aggregation parameter"},
    {"sum(1)", 1, 5, "expected type instant vector in aggregation"},
    {"sum(foo,)", 1, 9, "trailing commas"},
    {"sum by (\"\") (foo)", 1, 9, "must not be empty"},
    {"foo ! bar", 1, 5, "unexpected character: '!'"},
    {"foo{a=\"b}", 1, 7, "unterminated"},
    {"5x", 1, 1, "bad number or duration"},
};

static void prints_and_reads_back(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct weir_arena arena;
        struct weir_promql_expr *expr;
        struct weir_error err = {0};
        weir_arena_init(&arena, 0);
        if (weir_promql_parse(&arena, weir_view_str(good[i].text), &expr, &err))
            fail_msg("%s: %s", good[i].text, err.message);
        struct weir_view printed = weir_promql_print(&arena, expr);
        assert_view_is(printed, good[i].printed);
        assert_int_equal(weir_promql_parse(&arena, printed, &expr, &err), 0);
        assert_view_is(weir_promql_print(&arena, expr), good[i].printed);
        struct weir_view pretty = weir_promql_format(&arena, expr);
        assert_int_equal(weir_promql_parse(&arena, pretty, &expr, &err), 0);
        assert_view_is(weir_promql_print(&arena, expr), good[i].printed);
        weir_arena_done(&arena);
    }
}

static void says_what_is_wrong_and_where(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_arena arena;
        struct weir_promql_expr *expr;
        struct weir_error err = {0};
        weir_arena_init(&arena, 0);
        if (weir_promql_parse(&arena, weir_view_str(bad[i].text), &expr, &err) != WEIR_EINVALID)
            fail_msg("%s was taken", bad[i].text);
        if (err.line != bad[i].line || err.column != bad[i].column ||
            !strstr(err.message, bad[i].words))
            fail_msg("%s: %u:%u: %s", bad[i].text, err.line, err.column, err.message);
        weir_arena_done(&arena);
    }
}

static void precedence_makes_the_tree(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_promql_expr *e;
    weir_arena_init(&arena, 0);
    assert_int_equal(
        weir_promql_parse(&arena, WEIR_VIEW("a or b and c == d + e * -f ^ g ^ h"), &e, NULL), 0);
    static const enum weir_promql_op ops[] = {WEIR_PROMQL_OP_OR, WEIR_PROMQL_OP_AND,
                                              WEIR_PROMQL_OP_EQ, WEIR_PROMQL_OP_ADD,
                                              WEIR_PROMQL_OP_MUL};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        assert_int_equal(e->kind, WEIR_PROMQL_BINARY);
        assert_int_equal(e->op, ops[i]);
        e = e->right;
    }
    assert_int_equal(e->kind, WEIR_PROMQL_UNARY); /* -(f ^ (g ^ h)) */
    assert_int_equal(e->left->op, WEIR_PROMQL_OP_POW);
    assert_int_equal(e->left->right->op, WEIR_PROMQL_OP_POW);
    assert_int_equal(weir_promql_parse(&arena, WEIR_VIEW("a - b - c"), &e, NULL), 0);
    assert_int_equal(e->left->kind, WEIR_PROMQL_BINARY);
    weir_arena_done(&arena);
}

static int parse_repeated(const char *open, const char *middle, const char *close, size_t times) {
    struct weir_buf buf;
    struct weir_arena arena;
    struct weir_promql_expr *expr;
    weir_buf_init(&buf, 1 << 20);
    weir_arena_init(&arena, 0);
    for (size_t i = 0; i < times; i++) weir_buf_add_str(&buf, open);
    weir_buf_add_str(&buf, middle);
    for (size_t i = 0; i < times; i++) weir_buf_add_str(&buf, close);
    int code = weir_promql_parse(&arena, weir_buf_view(&buf), &expr, NULL);
    weir_arena_done(&arena);
    weir_buf_done(&buf);
    return code;
}

static void depth_is_bounded(void **state) {
    (void)state;
    assert_int_equal(parse_repeated("(", "1", ")", 100), 0);
    assert_int_equal(parse_repeated("(", "1", ")", 50000), WEIR_EINVALID);
    assert_int_equal(parse_repeated("-", "a", "", 50000), WEIR_EINVALID);
    assert_int_equal(parse_repeated("1 + ", "1", "", 1000), 0);
    assert_int_equal(parse_repeated("1 + ", "1", "", 50000), WEIR_EINVALID);
    assert_int_equal(parse_repeated("a ^ ", "1", "", 5000), WEIR_EINVALID);
    assert_int_equal(parse_repeated("a", "", "[5m:]", 50000), WEIR_EINVALID);
}

/* Any bytes: an answer, never a crash; what is taken prints to what is taken. */
static void survives_noise(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 3000; round++) {
        char text[200];
        size_t at = weir_rand_below(&rand, sizeof good / sizeof *good);
        size_t len = strlen(good[at].text);
        memcpy(text, good[at].text, len);
        for (uint64_t n = weir_rand_below(&rand, 3) + 1; n; n--)
            text[weir_rand_below(&rand, len)] =
                "(){}[]@,:=!~\"'+-5ma \n\\"[weir_rand_below(&rand, 22)];
        struct weir_arena arena;
        struct weir_promql_expr *expr;
        weir_arena_init(&arena, 0);
        if (weir_promql_parse(&arena, weir_view(text, len), &expr, NULL) == 0) {
            struct weir_view one = weir_promql_print(&arena, expr);
            struct weir_error err = {0};
            if (weir_promql_parse(&arena, one, &expr, &err))
                fail_msg("%.*s printed as %.*s: %s", (int)len, text, WEIR_VIEW_ARG(one),
                         err.message);
            struct weir_view two = weir_promql_print(&arena, expr);
            if (!weir_view_eq(one, two))
                fail_msg("%.*s then %.*s", WEIR_VIEW_ARG(one), WEIR_VIEW_ARG(two));
        }
        weir_arena_done(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_and_reads_back),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(precedence_makes_the_tree),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(survives_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
