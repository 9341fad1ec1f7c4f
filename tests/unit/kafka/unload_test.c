/* SPDX-License-Identifier: Apache-2.0 */
/* A host loads libweir and unloads it again, with our thread running and a thread of its own that
 * has used us: nothing may jump into code that is gone. */
#include "unit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "weir/trace.h"
#include "weir/weir.h"

static void *library;
static pthread_barrier_t barrier;

/* Object and function pointers have one size on every system that has dlsym. */
#define FIND(call)                                                                                 \
    __typeof__(&weir_##call) call;                                                                 \
    do {                                                                                           \
        void *found = dlsym(library, "weir_" #call);                                               \
        assert_non_null(found);                                                                    \
        memcpy(&(call), &found, sizeof found);                                                     \
    } while (0)

static void *use(void *arg) {
    (void)arg;
    FIND(tracer_get);
    FIND(span_start);
    FIND(span_end);
    span_end(span_start(tracer_get("host", "1"), "work", NULL));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* unloaded in between */
    return NULL;
}

static void test_unload(void **state) {
    (void)state;
    char path[4096], own[4000];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    assert_true(len > 0);
    own[len] = 0;
    *strrchr(own, '/') = 0; /* <build>/tests/unit */
    snprintf(path, sizeof path, "%s/../../src/kafka/libweir.so.0", own);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail_msg("%s", dlerror());
    FIND(init);
    struct weir_options options = {.struct_size = sizeof options,
                                   .flags = WEIR_INIT_NO_ENVIRONMENT,
                                   .endpoint = "http://127.0.0.1:1",
                                   .span_delay_ms = 10};
    assert_int_equal(init(&options, NULL), WEIR_OK);
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, use, NULL), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(dlclose(library), 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    usleep(50000); /* the exporter's thread has come round by now */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unload)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
