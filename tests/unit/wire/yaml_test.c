/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml.h"

#include <math.h>
#include <stdio.h>

#include "unit.h"

static struct weir_arena arena;

static int setup(void **state) {
    (void)state;
    weir_arena_init(&arena, 1 << 24);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_arena_done(&arena);
    return 0;
}

static const struct weir_yaml *parsed(const char *text) {
    struct weir_yaml *root = NULL;
    struct weir_error err = {0};
    if (weir_yaml_parse(weir_view_str(text), &arena, &root, &err) < 0)
        fail_msg("%s: line %u: %s", text, err.line, err.message);
    return root;
}

static void builds_a_tree_with_positions(void **state) {
    (void)state;
    const struct weir_yaml *root = parsed("# comment\n"
                                          "receivers:\n"
                                          "  otlp:\n"
                                          "    protocols: {grpc: , http: {endpoint: 'x:1'}}\n"
                                          "list:\n"
                                          "  - 1\n"
                                          "  - [a, b]\n");
    assert_int_equal(root->type, WEIR_YAML_MAP);
    assert_int_equal(root->count, 2);
    const struct weir_yaml *protocols =
        weir_yaml_get(weir_yaml_get(weir_yaml_get(root, "receivers"), "otlp"), "protocols");
    assert_int_equal(protocols->line, 4);
    assert_int_equal(protocols->column, 16);
    assert_int_equal(weir_yaml_get(protocols, "grpc")->type, WEIR_YAML_NULL);
    assert_view_is(weir_yaml_get(weir_yaml_get(protocols, "http"), "endpoint")->text, "x:1");
    const struct weir_yaml *list = weir_yaml_get(root, "list");
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[0]->i64, 1);
    assert_view_is(list->items[1]->items[1]->text, "b");
    assert_int_equal(list->items[1]->line, 7);
    assert_null(weir_yaml_get(root, "none"));
    assert_null(weir_yaml_get(NULL, "none"));
    assert_null(weir_yaml_get(list, "none"));
    assert_int_equal(parsed("")->type, WEIR_YAML_NULL);
    assert_int_equal(parsed("# nothing\n")->type, WEIR_YAML_NULL);
}

static void types_scalars_by_the_core_schema(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum weir_yaml_type type;
        double number;
    } cases[] = {
        {"null", WEIR_YAML_NULL, 0},
        {"~", WEIR_YAML_NULL, 0},
        {"true", WEIR_YAML_BOOL, 1},
        {"False", WEIR_YAML_BOOL, 0},
        {"no", WEIR_YAML_STRING, 0},
        {"on", WEIR_YAML_STRING, 0},
        {"yes", WEIR_YAML_STRING, 0},
        {"y", WEIR_YAML_STRING, 0},
        {"0123", WEIR_YAML_STRING, 0},
        {"12:30", WEIR_YAML_STRING, 0},
        {"1_000", WEIR_YAML_STRING, 0},
        {"0", WEIR_YAML_INT, 0},
        {"-17", WEIR_YAML_INT, -17},
        {"+17", WEIR_YAML_INT, 17},
        {"0x1F", WEIR_YAML_INT, 31},
        {"0o17", WEIR_YAML_INT, 15},
        {"0x", WEIR_YAML_STRING, 0},
        {"0o8", WEIR_YAML_STRING, 0},
        {"1.5", WEIR_YAML_DOUBLE, 1.5},
        {".5", WEIR_YAML_DOUBLE, .5},
        {"-1e3", WEIR_YAML_DOUBLE, -1000},
        {"1.", WEIR_YAML_DOUBLE, 1},
        {"1e", WEIR_YAML_STRING, 0},
        {".", WEIR_YAML_STRING, 0},
        {".inf", WEIR_YAML_DOUBLE, INFINITY},
        {"-.INF", WEIR_YAML_DOUBLE, -INFINITY},
        {"inf", WEIR_YAML_STRING, 0},
        {"nan", WEIR_YAML_STRING, 0},
        {"0x1p3", WEIR_YAML_STRING, 0},
        {"1.2.3", WEIR_YAML_STRING, 0},
        {"5s", WEIR_YAML_STRING, 0},
        {"-", WEIR_YAML_LIST, 0},
        {"'1'", WEIR_YAML_STRING, 0},
        {"\"true\"", WEIR_YAML_STRING, 0},
        {"!!str 1", WEIR_YAML_STRING, 0},
        {"! 1", WEIR_YAML_STRING, 0},
        {"!!int 1", WEIR_YAML_INT, 1},
        {"| \n 12\n", WEIR_YAML_STRING, 0},
        {"9223372036854775808", WEIR_YAML_DOUBLE, 9223372036854775808.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct weir_yaml *node = parsed(cases[i].text);
        if (node->type != cases[i].type)
            fail_msg("%s is %s", cases[i].text, weir_yaml_type_name(node->type));
        if (node->type == WEIR_YAML_INT || node->type == WEIR_YAML_DOUBLE)
            assert_true(node->f64 == cases[i].number);
        if (node->type == WEIR_YAML_BOOL) assert_int_equal(node->boolean, (int)cases[i].number);
    }
    assert_true(isnan(parsed(".nan")->f64));
}

static void refuses_with_a_position(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *part;
    } cases[] = {
        {"a: 1\nb: [1, 2\nc: 3\n", 3, 2, "YAML: "},
        {"a: 1\n  b: 2\n", 2, 4, "mapping values are not allowed"},
        {"a: 1\nb: 2\na: 3\n", 3, 1, "\"a\" stands here twice (first in line 1)"},
        {"x: &a {k: 1}\ny:\n  <<: *a\n", 3, 3, "merge keys"},
        {"a: *nope\n", 1, 4, "names no anchor"},
        {"a: &a [*a]\n", 1, 8, "names no anchor"},
        {"a: !env X\n", 1, 4, "tags of applications"},
        {"a: !!map/x []\n", 1, 4, ""},
        {"? [1]\n: 2\n", 1, 3, "a key must be a scalar"},
        {"a: 1\n---\nb: 2\n", 2, 1, "only one document"},
        {"a: \"\\q\"\n", 1, 5, "unknown escape"},
        {"a: \xff\n", 1, 0, "YAML: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_yaml *root = NULL;
        struct weir_error err = {0};
        int rc = weir_yaml_parse(weir_view_str(cases[i].text), &arena, &root, &err);
        if (!*cases[i].part && rc == 0) continue;
        assert_int_equal(rc, WEIR_EINVALID);
        if (!strstr(err.message, cases[i].part)) fail_msg("%s: got %s", cases[i].text, err.message);
        if (err.line != cases[i].line || (cases[i].column && err.column != cases[i].column))
            fail_msg("%s: at %u:%u: %s", cases[i].text, err.line, err.column, err.message);
    }
}

static void limits_what_aliases_and_nesting_cost(void **state) {
    (void)state;
    struct weir_yaml *root = NULL;
    struct weir_error err = {0};
    const char *laughs =
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert_int_equal(weir_yaml_parse(weir_view_str(laughs), &arena, &root, &err), WEIR_ETOOBIG);
    char deep[WEIR_YAML_DEPTH_MAX + 1];
    memset(deep, '[', sizeof deep);
    assert_int_equal(weir_yaml_parse(weir_view(deep, sizeof deep), &arena, &root, &err),
                     WEIR_EINVALID);
    assert_non_null(strstr(err.message, "deeper than 64"));
    struct weir_arena small;
    weir_arena_init(&small, 5000);
    assert_int_equal(
        weir_yaml_parse(
            WEIR_VIEW("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,"
                      "3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]"),
            &small, &root, &err),
        WEIR_ETOOBIG);
    weir_arena_done(&small);
}

static void getters_check_types(void **state) {
    (void)state;
    const struct weir_yaml *map =
        parsed("s: text\ni: 42\nf: 2.5\nb: true\nd: 1h30m\nz: 0\nsize: 512MiB\nn:\nl: [1]\n");
    struct weir_view str = WEIR_VIEW("default");
    struct weir_error err = {0};
    int64_t i64 = -1, ns = -1;
    double f64 = -1;
    uint64_t size = 0;
    bool boolean = false;
    assert_int_equal(weir_yaml_get_str(map, "absent", &str, &err), 0);
    assert_view_is(str, "default");
    assert_int_equal(weir_yaml_get_str(map, "s", &str, &err), 0);
    assert_view_is(str, "text");
    assert_int_equal(weir_yaml_get_str(map, "i", &str, &err), 0);
    assert_view_is(str, "42");
    assert_int_equal(weir_yaml_get_i64(map, "i", 0, 100, &i64, &err), 0);
    assert_int_equal(i64, 42);
    assert_int_equal(weir_yaml_get_f64(map, "f", &f64, &err), 0);
    assert_int_equal(weir_yaml_get_f64(map, "i", &f64, &err), 0);
    assert_true(f64 == 42);
    assert_int_equal(weir_yaml_get_bool(map, "b", &boolean, &err), 0);
    assert_true(boolean);
    assert_int_equal(weir_yaml_get_duration_ns(map, "d", &ns, &err), 0);
    assert_true(ns == INT64_C(5400000000000));
    assert_int_equal(weir_yaml_get_duration_ns(map, "z", &ns, &err), 0);
    assert_true(ns == 0);
    assert_int_equal(weir_yaml_get_size(map, "size", &size, &err), 0);
    assert_int_equal(size, 512 << 20);

    assert_int_equal(weir_yaml_get_i64(map, "i", 0, 10, &i64, &err), WEIR_EINVALID);
    assert_string_equal(err.message, "i must be 0 … 10");
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 4);
    assert_int_equal(weir_yaml_get_i64(map, "s", 0, 10, &i64, &err), WEIR_EINVALID);
    assert_string_equal(err.message, "s must be an integer, not a string");
    assert_int_equal(weir_yaml_get_str(map, "l", &str, &err), WEIR_EINVALID);
    assert_int_equal(weir_yaml_get_str(map, "n", &str, &err), WEIR_EINVALID);
    assert_int_equal(weir_yaml_get_bool(map, "i", &boolean, &err), WEIR_EINVALID);
    assert_int_equal(weir_yaml_get_duration_ns(map, "i", &ns, &err), WEIR_EINVALID);
    assert_int_equal(weir_yaml_get_size(map, "s", &size, &err), WEIR_EINVALID);
}

static void names_the_nearest_key(void **state) {
    (void)state;
    static const char *const known[] = {"endpoint", "timeout", NULL};
    struct weir_error err = {0};
    assert_int_equal(weir_yaml_check(parsed("endpoint: 1\ntimeout: 2\n"), "otlp", known, &err), 0);
    assert_int_equal(weir_yaml_check(NULL, "otlp", known, &err), 0);
    assert_int_equal(weir_yaml_check(parsed("~"), "otlp", known, &err), 0);
    assert_int_equal(weir_yaml_check(parsed("timeout: 1\nendpont: 2\n"), "otlp", known, &err),
                     WEIR_EINVALID);
    assert_string_equal(err.message, "otlp has no key \"endpont\"; did you mean \"endpoint\"?");
    assert_int_equal(err.line, 2);
    assert_int_equal(weir_yaml_check(parsed("zzz: 2\n"), "otlp", known, &err), WEIR_EINVALID);
    assert_string_equal(err.message, "otlp has no key \"zzz\"");
    assert_int_equal(weir_yaml_check(parsed("[1]"), "otlp", known, &err), WEIR_EINVALID);
    assert_string_equal(err.message, "otlp must be a map, not a list");
}

static void parses_sizes(void **state) {
    (void)state;
    uint64_t size;
    assert_true(weir_yaml_size_parse(WEIR_VIEW("1.5 GiB"), &size) && size == 1610612736);
    assert_true(weir_yaml_size_parse(WEIR_VIEW("4gb"), &size) && size == 4000000000);
    assert_true(weir_yaml_size_parse(WEIR_VIEW("1024"), &size) && size == 1024);
    assert_true(weir_yaml_size_parse(WEIR_VIEW("2K"), &size) && size == 2048);
    assert_false(weir_yaml_size_parse(WEIR_VIEW("-1"), &size));
    assert_false(weir_yaml_size_parse(WEIR_VIEW("1XB"), &size));
    assert_false(weir_yaml_size_parse(WEIR_VIEW("MiB"), &size));
    assert_false(weir_yaml_size_parse(WEIR_VIEW("99999999999TB"), &size));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(builds_a_tree_with_positions),
        TEST(types_scalars_by_the_core_schema),
        TEST(refuses_with_a_position),
        TEST(limits_what_aliases_and_nesting_cost),
        TEST(getters_check_types),
        TEST(names_the_nearest_key),
        TEST(parses_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
