/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "traceql/parse.h"
#include "traceql/print.h"

static const char *const accepted[] = {
    "{}",
    "{ }",
    "",
    "{.service.name=\"kafka-at-most-once-example\" && .kafka.topic=\"metrics\"}",
    "{ true }",
    "{ .a }",
    "{ !.a }",
    "{ !(.a = 1) }",
    "{ .a = 1 || .b = \"x\" && .c != 2.5 }",
    "{ span.http.status_code >= 500 && resource.service.name =~ \"a|b\" }",
    "{ span.\"odd name\" = `raw \\d` }",
    "{ .foo-bar/baz = 1 }",
    "{ duration > 1h30m && span:duration < 2s }",
    "{ name = \"x\" && kind = server && status = error && statusMessage != \"\" }",
    "{ kind = consumer || kind = producer || kind = internal || kind = client || kind = "
    "unspecified }",
    "{ .a = nil || .b != nil || parent = nil }",
    "{ rootName = \"x\" && rootServiceName = \"y\" && traceDuration > 1s }",
    "{ trace:id = \"0123\" && span:id = \"45\" && span:parentID = \"\" && span:childCount > 2 }",
    "{ nestedSetParent < 0 && nestedSetLeft > 1 && nestedSetRight < 10 }",
    "{ event:name = \"exception\" && event.exception.type = \"x\" && event:timeSinceStart > 1ms }",
    "{ link:traceID = \"a\" && link:spanID = \"b\" && link.kind = \"c\" }",
    "{ instrumentation:name = \"x\" && instrumentation:version =~ \"1.*\" && instrumentation.foo = "
    "1 }",
    "{ parent.a = 1 && parent.span.b = 2 && parent.resource.c = \"x\" }",
    "{ .a + 1 * 2 > -.b ^ 2 % 3 - 4 / 5 }",
    "{ 100ms < duration }",
    "{ .a > \"b\" }",
    "{ .a = 1 } && { .b = 2 } || { .c = 3 }",
    "{ .a = 1 } > { .b = 2 } >> { .c = 3 }",
    "{ .a = 1 } < { .b = 2 } << { .c = 3 } ~ { .d = 4 }",
    "{ .a = 1 } !> { .b = 2 } !>> { .c = 3 } !< {} !<< {} !~ {}",
    "{ .a = 1 } &> { .b = 2 } &>> { .c = 3 } &< {} &<< {} &~ {}",
    "({ .a = 1 } || { .b = 2 }) && { .c = 3 }",
    "({ .a = 1 } | count() > 1) && ({ .b = 2 } | avg(duration) > 1s)",
    "{ .a = 1 } | count() > 2",
    "{ .a = 1 } | avg(duration) > 1s | max(.x) - min(.x) < 5 | sum(.y) = 3",
    "{ .a = 1 } | { .b = 2 } | by(.c) | coalesce() | select(.d, name, span.e)",
    "count() > 1",
    "by(.namespace) | count() > 2",
    "{ .a } | rate()",
    "{ .a } | rate() by (resource.service.name, span.x)",
    "{} | count_over_time() by (name) with (exemplars=true, sample=0.1)",
    "{} | quantile_over_time(duration, .5, 0.99) by (span.http.route)",
    "{} | histogram_over_time(duration) by (.x)",
    "{} | min_over_time(.x)",
    "{} | max_over_time(duration)",
    "{} | avg_over_time(.x)",
    "{} | sum_over_time(.x)",
    "{} | compare({ status = error }, 10)",
    "{} | rate() by (name) | topk(5)",
    "{} | rate() by (name) | bottomk(5)",
    "// comment\n{ .a = 1 } /* more */ | count() > 1",
};

static const struct {
    const char *query, *words;
    unsigned column;
} rejected[] = {
    {"{", "unexpected end", 2},
    {"}", "expected a filter", 1},
    {"{ .a = }", "unexpected }", 8},
    {"{ . }", "attribute name must follow", 4},
    {"{ a = 1 }", "attributes start with a dot", 3},
    {"{ durration > 1s }", "did you mean duration?", 3},
    {"{ .a == 1 }", "unexpected =", 7},
    {"{ .a & .b }", "and is written &&", 6},
    {"{ .a = \"x }", "string has no end", 8},
    {"{ .a = 'x' }", "unexpected character", 8},
    {"{ .a = 5zz }", "not a number", 8},
    {"{ .a =~ \"(?=x)\" }", "not supported", 9},
    {"{ .a =~ 5 }", "cannot be applied", 6},
    {"{ .a =~ .b }", "wants a string", 9},
    {"{ 1 }", "true or false", 3},
    {"{ \"x\" }", "true or false", 3},
    {"{ duration }", "true or false", 3},
    {"{ 1 + 2 }", "true or false", 5},
    {"{ duration = \"x\" }", "cannot join", 12},
    {"{ name > 5 }", "cannot join", 8},
    {"{ status > ok }", "cannot be applied", 10},
    {"{ kind = error }", "cannot join", 8},
    {"{ !name }", "cannot be applied", 3},
    {"{ -\"x\" = 1 }", "cannot be applied", 3},
    {"{ true + 1 = 2 }", "cannot join", 8},
    {"{ .a = 1 } >", "unexpected end", 13},
    {"{ .a = 1 } { .b = 2 }", "expected the end", 12},
    {"{ .a = 1 } |", "unexpected end", 13},
    {"{ .a = 1 } | count()", "must compare", 14},
    {"{ .a = 1 } | count(.b) > 1", "expected )", 20},
    {"{ .a = 1 } | avg() > 1", "unexpected )", 18},
    {"{ .a = 1 } | max(1) > 1", "look at a field", 18},
    {"{ .a = 1 } | max(name) > 1", "wants a number", 18},
    {"{ .a = 1 } | by(1)", "fields of the span", 17},
    {"{ .a = 1 } | by(.a, .b)", "one field", 14},
    {"{ .a = 1 } | select(.a + 1)", "only attributes", 24},
    {"{ .a = 1 } | rate(.b)", "expected )", 19},
    {"{ .a = 1 } | rate() | count() > 1", "only topk", 23},
    {"{ .a = 1 } | topk(5)", "behind a metrics stage", 14},
    {"({ .a = 1 } | rate())", "must be the last", 15},
    {"{} | quantile_over_time(duration)", "at least one quantile", 33},
    {"{} | quantile_over_time(duration, 2)", "between 0 and 1", 6},
    {"{} | rate() by (1)", "fields of the span", 17},
    {"{} | compare(5)", "expected a filter", 14},
    {"{} | rate() with (a)", "expected =", 20},
};

static int parse(const char *query, struct weir_arena *arena, struct weir_buf *printed,
                 struct weir_error *err) {
    struct weir_traceql_query *tree = NULL;
    int rc = weir_traceql_parse(weir_view_str(query), arena, &tree, err);
    if (rc == 0) weir_traceql_print(tree, printed);
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
        /* && and || bind alike, to the left, as in Tempo */
        {"{ .a || .b && .c }", "{ (.a || .b) && .c }"},
        {"{ .a && .b || .c }", "{ (.a && .b) || .c }"},
        {"{ .a + 2 * .b > 3 }", "{ (.a + (2 * .b)) > 3 }"},
        {"{ 2 ^ 3 ^ 2 = .a }", "{ (2 ^ (3 ^ 2)) = .a }"},
        {"{ !.a && .b }", "{ !(.a) && .b }"},
        {"{.a} && {.b} > {.c}", "({ .a } && ({ .b } > { .c }))"},
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

static void test_mutations_never_crash(void **state) {
    (void)state;
    unsigned seed = 815;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        for (int round = 0; round < 150; round++) {
            char query[256];
            size_t len = strlen(accepted[i]);
            if (!len) continue;
            memcpy(query, accepted[i], len);
            for (int k = 0; k < 1 + round % 3; k++) {
                seed = seed * 1103515245U + 12345U;
                query[(seed >> 8) % len] = "{}()|=!~\"`,.<>&^-0a5m "[(seed >> 20) % 22];
            }
            seed = seed * 1103515245U + 12345U;
            if (round % 5 == 0) len = (seed >> 8) % len;
            struct weir_arena arena;
            struct weir_buf once;
            weir_arena_init(&arena, 1 << 20);
            weir_buf_init(&once, 1 << 16);
            struct weir_traceql_query *tree = NULL, *again = NULL;
            struct weir_error err = {0};
            char *exact = malloc(len ? len : 1);
            memcpy(exact, query, len);
            if (weir_traceql_parse(weir_view(exact, len), &arena, &tree, &err) == 0) {
                weir_traceql_print(tree, &once);
                if (weir_traceql_parse(weir_buf_view(&once), &arena, &again, &err) != 0)
                    fail_msg("%.*s -> %.*s: %s", (int)len, query, (int)once.len, once.ptr,
                             err.message);
            }
            free(exact);
            weir_buf_done(&once);
            weir_arena_done(&arena);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_and_round_trip),
        cmocka_unit_test(test_rejected_with_position),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_mutations_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
