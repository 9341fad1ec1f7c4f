/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/propagation.h"

#include <stdio.h>

#include "capture.h"
#include "weir/trace.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* A carrier of up to eight headers. */
struct carrier {
    struct {
        char name[16], value[9000];
        size_t size;
    } items[8];
    int count;
    bool refuses;
};

static const char *get(void *arg, const char *name, size_t *ret_size) {
    struct carrier *carrier = arg;
    for (int i = 0; i < carrier->count; i++)
        if (strcmp(carrier->items[i].name, name) == 0) {
            *ret_size = carrier->items[i].size;
            return carrier->items[i].value;
        }
    return NULL;
}

static int set(void *arg, const char *name, const char *value, size_t size) {
    struct carrier *carrier = arg;
    if (carrier->refuses) return -1;
    snprintf(carrier->items[carrier->count].name, sizeof carrier->items->name, "%s", name);
    memcpy(carrier->items[carrier->count].value, value, size);
    carrier->items[carrier->count].value[size] = 0;
    carrier->items[carrier->count++].size = size;
    return 0;
}

static void put(struct carrier *carrier, const char *name, const char *value) {
    set(carrier, name, value, strlen(value));
}

static uint64_t malformed(void) {
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_stats_get(&stats);
    return stats.headers_malformed;
}

/* The cases of the W3C validation suite for a single traceparent. */
static void traceparents(void **state) {
    (void)state;
    const char *const good[] = {
        PARENT,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like",
    };
    const char *const bad[] = {
        "",
        "00",
        "00-",
        PARENT "-",
        PARENT ".",
        PARENT "-what",
        ("0" PARENT),
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
        ".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
        "00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333.-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
    };
    struct weir_span_context sc;
    char text[WEIR_TRACEPARENT_SIZE];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(weir_traceparent_parse(good[i], strlen(good[i]), &sc));
        assert_true(sc.is_remote);
        weir_traceparent_format(&sc, text);
        assert_memory_equal(text + 2, good[i] + 2, 51); /* version and unknown flags are ours */
        assert_memory_equal(text, "00", 2);
    }
    weir_traceparent_parse(good[2], strlen(good[2]), &sc);
    weir_traceparent_format(&sc, text);
    assert_memory_equal(text + 53, "03", 2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (weir_traceparent_parse(bad[i], strlen(bad[i]), &sc)) fail_msg("accepted: %s", bad[i]);
    assert_false(weir_traceparent_parse(NULL, 55, &sc));
}

static bool keeps_state(const char *tracestate) {
    static struct carrier in, out;
    in.count = out.count = 0;
    put(&in, "traceparent", PARENT);
    put(&in, "tracestate", tracestate);
    struct weir_context *ctx = weir_extract(NULL, get, &in);
    assert_non_null(ctx);
    weir_inject(ctx, set, &out);
    weir_context_unref(ctx);
    size_t size = 0;
    const char *kept = get(&out, "tracestate", &size);
    return kept && strcmp(kept, tracestate) == 0;
}

static void tracestates(void **state) {
    (void)state;
    char long_key[300], many[700] = "a0=1";
    memset(long_key, 'k', sizeof long_key);
    memcpy(long_key + 257, "=1", 3);
    for (int i = 1; i < 33; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",a%d=1", i);
    assert_true(keeps_state("foo=1"));
    assert_true(keeps_state("foo=1,bar=2"));
    assert_true(keeps_state("foo=1 , bar=2"));
    assert_true(keeps_state("t61rcwkgmze@vendor=1,a-b_c*d/e=2"));
    assert_true(keeps_state("0key=1"));
    assert_true(keeps_state("foo=a:b<c>[]!"));
    assert_true(keeps_state(long_key + 1)); /* 256 characters */
    uint64_t before = malformed();
    const char *const bad[] = {"foo",     "=1",       "foo=",   "foo=1,bar", "FOO=1",     "f oo=1",
                               "foo=1=2", "foo=\x7f", long_key, many,        "foo=1,;x=2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (keeps_state(bad[i])) fail_msg("kept: %s", bad[i]);
    assert_int_equal(malformed() - before, sizeof bad / sizeof *bad);
}

static void bad_traceparent_starts_anew(void **state) {
    (void)state;
    struct carrier *carrier = calloc(1, sizeof *carrier);
    uint64_t before = malformed();
    put(carrier, "traceparent", "00-nonsense");
    put(carrier, "tracestate", "foo=1");
    assert_null(weir_extract(NULL, get, carrier));
    assert_int_equal(malformed() - before, 1);
    free(carrier);
}

enum { VISITED_MAX = 200 };

static void visit(void *arg, const char *name, const char *value) {
    char *text = arg;
    snprintf(text + strlen(text), VISITED_MAX - strlen(text), "[%s|%s]", name, value);
}

static void baggage(void **state) {
    (void)state;
    struct {
        const char *in, *seen, *out;
    } rows[] = {
        {"a=1", "[a|1]", "a=1"},
        {"a=1,b=2", "[a|1][b|2]", "a=1,b=2"},
        {" a = 1 , b=2;p=x;q ", "[a|1][b|2]", "a=1,b=2;p=x;q"},
        {"a=%20x%2C%22", "[a| x,\"]", "a=%20x%2C%22"},
        {"a=%C3%A9", "[a|\xc3\xa9]", "a=%C3%A9"},
        {"a=%zz", "[a|%zz]", "a=%25zz"},
        {"a=", "[a|]", "a="},
        {"a=b=c", "[a|b=c]", "a=b=c"},
        {",,a=1,", "[a|1]", "a=1"},
        {"a", "", NULL},
        {"=1", "", NULL},
        {"a b=1", "", NULL},
        {"a=\x01", "", NULL},
        {"", "", NULL},
    };
    struct carrier *in = calloc(1, sizeof *in), *out = calloc(1, sizeof *out);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char seen[VISITED_MAX] = "";
        in->count = out->count = 0;
        put(in, "baggage", rows[i].in);
        struct weir_context *ctx = weir_extract(NULL, get, in);
        weir_baggage_each(ctx, visit, seen);
        assert_string_equal(seen, rows[i].seen);
        assert_int_equal(weir_inject(ctx, set, out), rows[i].out != NULL);
        if (rows[i].out) assert_string_equal(out->items[0].value, rows[i].out);
        weir_context_unref(ctx);
    }
    free(in);
    free(out);
}

static void baggage_values(void **state) {
    (void)state;
    size_t size;
    struct weir_context *one = weir_baggage_set(NULL, "user", "h\xc3\xa9, you");
    struct weir_context *two = weir_baggage_set(one, "tier", "gold"),
                        *three = weir_baggage_set(two, "user", NULL);
    assert_string_equal(weir_baggage_get(two, "user", &size), "h\xc3\xa9, you");
    assert_int_equal(size, 8);
    assert_null(weir_baggage_get(three, "user", NULL));
    assert_string_equal(weir_baggage_get(three, "tier", NULL), "gold");
    assert_null(weir_baggage_set(NULL, "not a token", "x"));
    assert_null(weir_baggage_set(NULL, NULL, "x"));
    struct weir_context *full = NULL;
    for (int i = 0; i < 64; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%d", i);
        struct weir_context *next = weir_baggage_set(full, name, "v");
        weir_context_unref(full);
        assert_non_null(full = next);
    }
    assert_null(weir_baggage_set(full, "one-more", "v"));
    weir_context_unref(full);
    weir_context_unref(one);
    weir_context_unref(two);
    weir_context_unref(three);
}

static void current_span_is_injected(void **state) {
    (void)state;
    struct carrier *out = calloc(1, sizeof *out);
    assert_int_equal(weir_inject(NULL, set, out), 0);
    struct weir_span *span = weir_span_start(weir_tracer_get("t", NULL), "s", NULL);
    struct weir_scope scope;
    weir_scope_attach_span(&scope, span);
    assert_int_equal(weir_inject(NULL, set, out),
                     1); /* neither tracestate nor baggage when empty */
    char expected[WEIR_TRACEPARENT_SIZE + 1] = "";
    struct weir_span_context sc = weir_span_context_get(span);
    weir_traceparent_format(&sc, expected);
    assert_string_equal(out->items[0].value, expected);
    assert_memory_equal(expected + 52, "-03", 3); /* sampled, random */
    out->refuses = true;
    assert_int_equal(weir_inject(NULL, set, out), 0);
    weir_scope_detach(&scope);
    weir_span_end(span);
    free(out);
}

static int setup(void **state) {
    (void)state;
    capture_init("", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    capture_done();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparents),
        cmocka_unit_test(tracestates),
        cmocka_unit_test(bad_traceparent_starts_anew),
        cmocka_unit_test(baggage),
        cmocka_unit_test(baggage_values),
        cmocka_unit_test(current_span_is_injected),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
