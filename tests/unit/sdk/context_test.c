/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/context.h"

#include "capture.h"
#include "weir/propagation.h"
#include "weir/trace.h"

static void values(void **state) {
    (void)state;
    int a = 1, b = 2;
    uint32_t key_a = weir_context_key_new("a"), key_b = weir_context_key_new("b");
    assert_int_not_equal(key_a, key_b);
    struct weir_context *one = weir_context_with_value(NULL, key_a, &a);
    struct weir_context *two = weir_context_with_value(one, key_b, &b);
    struct weir_context *three = weir_context_with_value(two, key_a, &b);
    weir_context_unref(two); /* what it shares stays */
    assert_ptr_equal(weir_context_get(one, key_a), &a);
    assert_null(weir_context_get(one, key_b));
    assert_ptr_equal(weir_context_get(three, key_a), &b);
    assert_ptr_equal(weir_context_get(three, key_b), &b);
    assert_null(weir_context_get(NULL, key_a));
    weir_context_unref(one);
    weir_context_unref(three);
    weir_context_unref(NULL);
    assert_null(weir_context_ref(NULL));
}

static void scopes_nest(void **state) {
    (void)state;
    struct weir_scope outer, inner, last;
    struct weir_context *one = weir_baggage_set(NULL, "a", "1"),
                        *two = weir_baggage_set(NULL, "a", "2");
    assert_null(weir_context_current());
    weir_scope_attach(&outer, one);
    assert_ptr_equal(weir_context_current(), one);
    weir_scope_attach(&inner, two);
    weir_scope_attach(&last, NULL); /* the empty context */
    assert_null(weir_context_current());
    weir_scope_detach(&inner); /* takes `last` along */
    assert_ptr_equal(weir_context_current(), one);
    weir_scope_detach(&inner);
    weir_scope_detach(&last);
    assert_ptr_equal(weir_context_current(), one);
    weir_scope_detach(&outer);
    assert_null(weir_context_current());
    weir_context_unref(one);
    weir_context_unref(two);
}

static void active_span(void **state) {
    (void)state;
    struct weir_tracer *tracer = weir_tracer_get("t", NULL);
    struct weir_context *base = weir_baggage_set(NULL, "a", "1");
    struct weir_scope outer, inner;
    weir_scope_attach(&outer, base);
    struct weir_span *span = weir_span_start(tracer, "parent", NULL);
    struct weir_span_context sc = weir_span_context_get(span), found;
    weir_scope_attach_span(&inner, span);
    assert_ptr_equal(weir_span_current(), span);
    assert_string_equal(weir_baggage_get(NULL, "a", NULL), "1");
    assert_true(weir_context_span_context(weir_context_current(), &found));
    assert_memory_equal(found.span_id, sc.span_id, 8);
    struct weir_context *kept =
        weir_context_ref(weir_context_current()); /* a copy: outlives the scope */
    struct weir_span *child = weir_span_start(tracer, "child", NULL);
    struct weir_span_context child_sc = weir_span_context_get(child);
    assert_memory_equal(child_sc.trace_id, sc.trace_id, 16);
    weir_span_end(child);
    weir_span_end(span); /* before its scope ends */
    assert_null(weir_span_current());
    weir_scope_detach(&inner);
    weir_scope_detach(&outer);
    assert_true(weir_context_span_context(kept, &found));
    assert_memory_equal(found.span_id, sc.span_id, 8);
    assert_string_equal(weir_baggage_get(kept, "a", NULL), "1");
    weir_context_unref(kept);
    weir_context_unref(base);
    weir_scope_attach_span(&inner, NULL); /* no span: the context below stays */
    assert_null(weir_context_current());
    weir_scope_detach(&inner);
}

static void *other_thread(void *arg) {
    struct weir_span_context found;
    assert_null(weir_context_current());
    weir_scope_detach(arg); /* another thread's scope: nothing happens */
    assert_false(weir_context_span_context(weir_context_current(), &found));
    return NULL;
}

static void current_belongs_to_a_thread(void **state) {
    (void)state;
    struct weir_scope scope;
    struct weir_context *ctx = weir_baggage_set(NULL, "a", "1");
    pthread_t thread;
    weir_scope_attach(&scope, ctx);
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &scope), 0);
    pthread_join(thread, NULL);
    assert_ptr_equal(weir_context_current(), ctx);
    weir_scope_detach(&scope);
    weir_context_unref(ctx);
}

static int setup(void **state) {
    (void)state;
    capture_init("t", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    capture_done();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(scopes_nest),
                                       cmocka_unit_test(active_span),
                                       cmocka_unit_test(current_belongs_to_a_thread)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
