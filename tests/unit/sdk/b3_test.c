/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/b3.h"

#include <stdio.h>

#include "capture.h"
#include "sdk/context.h"
#include "weir/trace.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

struct carrier {
    char names[8][20], values[8][100];
    int count;
};

static const char *get(void *arg, const char *name, size_t *ret_size) {
    struct carrier *carrier = arg;
    for (int i = 0; i < carrier->count; i++) {
        if (strcmp(carrier->names[i], name) != 0) continue;
        *ret_size = strlen(carrier->values[i]);
        return carrier->values[i];
    }
    return NULL;
}

static int set(void *arg, const char *name, const char *value, size_t size) {
    struct carrier *carrier = arg;
    if (carrier->count == 8) return -1;
    snprintf(carrier->names[carrier->count], sizeof carrier->names[0], "%s", name);
    snprintf(carrier->values[carrier->count++], sizeof carrier->values[0], "%.*s", (int)size,
             value);
    return 0;
}

static void put(struct carrier *carrier, const char *name, const char *value) {
    if (value) set(carrier, name, value, strlen(value));
}

static const char *value_of(struct carrier *carrier, const char *name) {
    size_t size;
    const char *value = get(carrier, name, &size);
    return value ? value : "";
}

static void assert_ids(const struct weir_span_context *sc, const char *trace, const char *span) {
    char text[49] = "";
    for (int i = 0; i < 16; i++) snprintf(text + 2 * i, 3, "%02x", sc->trace_id[i]);
    assert_string_equal(text, trace);
    for (int i = 0; i < 8; i++) snprintf(text + 2 * i, 3, "%02x", sc->span_id[i]);
    assert_string_equal(text, span);
    assert_true(sc->is_remote);
}

static void single_header(void **state) {
    static const struct {
        const char *value;
        enum weir_b3 found;
        unsigned flags;
        const char *trace;
    } rows[] = {
        {TRACE "-" SPAN "-1", WEIR_B3_FOUND, 1, TRACE},
        {TRACE "-" SPAN "-0", WEIR_B3_FOUND, 0, TRACE},
        {TRACE "-" SPAN "-d", WEIR_B3_DEBUG, 1, TRACE},
        {TRACE "-" SPAN, WEIR_B3_FOUND, 0, TRACE},
        {" " TRACE "-" SPAN "-1-05e3ac9a4f6e3b90 ", WEIR_B3_FOUND, 1, TRACE},
        {"8448eb211c80319c-" SPAN "-1", WEIR_B3_FOUND, 1, "00000000000000008448eb211c80319c"},
        {"0", WEIR_B3_ABSENT, 0, NULL},
        {"d", WEIR_B3_ABSENT, 0, NULL},
        {"", WEIR_B3_ABSENT, 0, NULL},
        {"x", WEIR_B3_MALFORMED, 0, NULL},
        {TRACE, WEIR_B3_MALFORMED, 0, NULL},
        {TRACE "-" SPAN "-2", WEIR_B3_MALFORMED, 0, NULL},
        {TRACE "-" SPAN "-1-05e3", WEIR_B3_MALFORMED, 0, NULL},
        {TRACE "-" SPAN "0-1", WEIR_B3_MALFORMED, 0, NULL},
        {"00000000000000000000000000000000-" SPAN "-1", WEIR_B3_MALFORMED, 0, NULL},
        {TRACE "-0000000000000000-1", WEIR_B3_MALFORMED, 0, NULL},
        {"0af7651916cd43dd8448eb211c80319-" SPAN "-1", WEIR_B3_MALFORMED, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct carrier carrier = {.count = 0};
        struct weir_span_context sc = {.flags = 77};
        put(&carrier, "b3", rows[i].value);
        enum weir_b3 found = weir_b3_extract(get, &carrier, &sc);
        if (found != rows[i].found) fail_msg("\"%s\" gave %d", rows[i].value, (int)found);
        if (!rows[i].trace) {
            assert_int_equal(sc.flags, 77); /* untouched */
            continue;
        }
        assert_ids(&sc, rows[i].trace, SPAN);
        assert_int_equal(sc.flags, rows[i].flags);
    }
}

static void several_headers(void **state) {
    static const struct {
        const char *single, *trace, *span, *sampled, *flags;
        enum weir_b3 found;
        bool is_sampled;
    } rows[] = {
        {NULL, TRACE, SPAN, "1", NULL, WEIR_B3_FOUND, true},
        {NULL, TRACE, SPAN, "0", NULL, WEIR_B3_FOUND, false},
        {NULL, TRACE, SPAN, "true", NULL, WEIR_B3_FOUND, true},
        {NULL, TRACE, SPAN, NULL, NULL, WEIR_B3_FOUND, false},
        {NULL, TRACE, SPAN, NULL, "1", WEIR_B3_DEBUG, true},
        {NULL, TRACE, SPAN, "yes", NULL, WEIR_B3_MALFORMED, false},
        {NULL, TRACE, NULL, "1", NULL, WEIR_B3_MALFORMED, false},
        {NULL, NULL, NULL, "1", NULL, WEIR_B3_ABSENT, false},
        {"garbage", TRACE, SPAN, "1", NULL, WEIR_B3_FOUND, true},
        {TRACE "-" SPAN "-0", "ffffffffffffffffffffffffffffffff", SPAN, "1", NULL, WEIR_B3_FOUND,
         false}, /* the single header first */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct carrier carrier = {.count = 0};
        struct weir_span_context sc = {.flags = 0};
        put(&carrier, "b3", rows[i].single);
        put(&carrier, "x-b3-traceid", rows[i].trace);
        put(&carrier, "x-b3-spanid", rows[i].span);
        put(&carrier, "x-b3-sampled", rows[i].sampled);
        put(&carrier, "x-b3-flags", rows[i].flags);
        enum weir_b3 found = weir_b3_extract(get, &carrier, &sc);
        if (found != rows[i].found) fail_msg("row %d gave %d", (int)i, (int)found);
        if (found == WEIR_B3_MALFORMED || found == WEIR_B3_ABSENT) continue;
        assert_ids(&sc, TRACE, SPAN);
        assert_int_equal(weir_span_context_is_sampled(&sc), rows[i].is_sampled);
    }
}

/* Through weir_extract and weir_inject; debug goes on with the context, also through a span. */
static void propagators(void **state) {
    struct weir_options options = {.propagators = "b3,b3multi", .sampler = "parentbased_always_on"};
    struct weir_stats before = {.struct_size = sizeof before}, after = before;
    (void)state;
    capture_init("t", &options);
    struct carrier in = {.count = 0}, out = {.count = 0}, bad = {.count = 0};
    put(&in, "b3", TRACE "-" SPAN "-d");
    struct weir_context *ctx = weir_extract(NULL, get, &in);
    assert_non_null(ctx);
    struct weir_span_options child = {.struct_size = sizeof child, .parent = ctx};
    struct weir_span *span = weir_span_start(weir_tracer_get("unit", NULL), "s", &child);
    assert_true(weir_span_is_recording(span));
    struct weir_context *with = weir_context_with_span(ctx, span);
    assert_int_equal(weir_inject(with, set, &out), 4);
    assert_memory_equal(value_of(&out, "b3"), TRACE "-", 33);
    assert_string_equal(value_of(&out, "b3") + 49, "-d");
    assert_string_equal(value_of(&out, "x-b3-traceid"), TRACE);
    assert_memory_equal(value_of(&out, "x-b3-spanid"), value_of(&out, "b3") + 33, 16);
    assert_memory_not_equal(value_of(&out, "x-b3-spanid"), SPAN, 16);
    assert_string_equal(value_of(&out, "x-b3-flags"), "1");
    assert_string_equal(value_of(&out, "x-b3-sampled"), "");
    weir_span_end(span);
    put(&bad, "b3", "nonsense");
    weir_stats_get(&before);
    assert_null(weir_extract(NULL, get, &bad));
    weir_stats_get(&after);
    assert_int_equal(after.headers_malformed - before.headers_malformed, 1);
    struct carrier plain = {.count = 0};
    put(&plain, "b3", TRACE "-" SPAN "-0");
    struct weir_context *next = weir_extract(with, get, &plain); /* another's, without debug */
    out.count = 0;
    assert_int_equal(weir_inject(next, set, &out), 4);
    assert_string_equal(value_of(&out, "b3"), TRACE "-" SPAN "-0");
    assert_string_equal(value_of(&out, "x-b3-sampled"), "0");
    weir_context_unref(next);
    weir_context_unref(with);
    weir_context_unref(ctx);
    capture_done();
}

static void beside_w3c(void **state) {
    struct weir_options options = {.propagators = "b3, tracecontext"};
    (void)state;
    capture_init("t", &options);
    struct carrier in = {.count = 0}, out = {.count = 0};
    put(&in, "b3", TRACE "-" SPAN "-1");
    put(&in, "traceparent", "00-11f7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    struct weir_context *ctx = weir_extract(NULL, get, &in);
    assert_int_equal(weir_inject(ctx, set, &out), 2);
    assert_string_equal(value_of(&out, "b3"), "11f7651916cd43dd8448eb211c80319c-" SPAN "-1");
    weir_context_unref(ctx);
    memset(in.values[1], 'x', 3); /* a bad traceparent leaves the B3 one */
    ctx = weir_extract(NULL, get, &in);
    assert_non_null(ctx);
    assert_ids(&ctx->span, TRACE, SPAN);
    weir_context_unref(ctx);
    capture_done();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_header),
                                       cmocka_unit_test(several_headers),
                                       cmocka_unit_test(propagators), cmocka_unit_test(beside_w3c)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
