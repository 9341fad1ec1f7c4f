/* SPDX-License-Identifier: Apache-2.0 */
/* A forked child: starts with nothing to send, makes its own exporter, and the parent goes on. */
#include <dirent.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "weir/metric.h"
#include "weir/trace.h"

static struct weir_tracer *tracer;
static atomic_bool stop;
static atomic_int started;

/* GCC's address sanitizer does not make its allocator fit for fork: a child of a process that is
 * just allocating hangs in calloc. There, and only there, the parent is quiet while it forks. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUIET_FORK 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define QUIET_FORK 1
#endif
#ifndef QUIET_FORK
#define QUIET_FORK 0
#endif
static pthread_mutex_t quiet = PTHREAD_MUTEX_INITIALIZER;

static pid_t fork_busy(void) {
    if (!QUIET_FORK) return fork();
    pthread_mutex_lock(&quiet);
    weir_flush(10000, NULL);
    pid_t pid = fork();
    pthread_mutex_unlock(&quiet);
    return pid;
}

static void *busy(void *arg) {
    bool first = true;
    while (!atomic_load(&stop)) {
        if (QUIET_FORK) pthread_mutex_lock(&quiet);
        if (first) atomic_fetch_add(&started, 1);
        first = false;
        weir_span_end(weir_span_start(tracer, arg, NULL));
        weir_instrument_add(weir_counter_get(weir_meter_get("m", NULL), "c", NULL, NULL), 1, NULL,
                            0);
        if (QUIET_FORK) pthread_mutex_unlock(&quiet);
    }
    return NULL;
}

/* What the child sees, as an exit status: 0 is right. */
static int child(void) {
    captured.count = captured.attempts = captured.script_count = 0;
    pthread_mutex_init(&captured.lock, NULL);
    if (!weir_is_running()) return 1;
    weir_span_end(weir_span_start(tracer, "child", NULL));
    if (weir_flush(10000, NULL) != WEIR_OK) return 2;
    if (captured_count(WEIR_SIGNAL_TRACE) != 1) return 3; /* the parent's are the parent's */
    if (!weir_view_is(captured_span(0)->name, "child")) return 4;
    for (int i = 0; i < captured.count; i++) {
        const struct weir_otlp_batch *batch = captured.batches[i];
        if (batch->signal == WEIR_SIGNAL_METRIC)
            for (uint32_t n = 0; n < batch->points_count; n++)
                if (weir_view_is(batch->metrics[batch->points[n].metric].name, "c"))
                    return 5; /* from zero */
        const struct weir_value *pid =
            weir_attrs_get(batch->resources[0].attrs, WEIR_VIEW("process.pid"));
        if (!pid || pid->i64 != getpid()) return 6;
    }
    struct weir_stats s = {.struct_size = sizeof s};
    weir_stats_get(&s);
    if (s.spans_exported != 1) return 7; /* the child's own account … */
    if (s.spans_started != 1 + s.spans_open || s.spans_open > 2 || s.spans_waiting)
        return 8; /* … in which what the parent's threads had open stays open */
    if (weir_shutdown(10000, NULL) != WEIR_OK) return 9;
    return 0;
}

static void children_of_a_busy_parent(void **state) {
    (void)state;
    capture_init("tm", NULL);
    pthread_t threads[2];
    char name[] = "parent";
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, busy, name);
    while (atomic_load(&started) < 2) usleep(100);
    for (int round = 0; round < 10; round++) {
        weir_span_end(weir_span_start(tracer, "parent", NULL));
        pid_t pid = fork_busy();
        assert_true(pid >= 0);
        if (pid == 0) _exit(child());
        int status = -1;
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            fail_msg("round %d: status %#x", round, status);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(weir_flush(10000, NULL), WEIR_OK);
    assert_true(captured_count(WEIR_SIGNAL_TRACE) >= 10);
    capture_done();
}

static int threads(void) {
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

/* Nothing is started by weir_init, and in the child as in the parent all is there at the first
 * record. */
static void lazy(void **state) {
    (void)state;
    int before = threads();
    struct weir_options options = {.flags = WEIR_INIT_LAZY};
    capture_init("t", &options);
    assert_int_equal(threads(), before);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child());
    int status = -1;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("status %#x", status);
    assert_int_equal(threads(), before);
    weir_span_end(weir_span_start(tracer, "parent", NULL));
    assert_int_equal(threads(), before + 1);
    assert_int_equal(weir_flush(10000, NULL), WEIR_OK);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 1);
    capture_done();
    capture_init("t", &options);
    assert_int_equal(weir_shutdown(1000, NULL), WEIR_OK); /* never started */
    assert_int_equal(threads(), before);
    capture_done();
}

int main(void) {
#if defined(__SANITIZE_THREAD__)
    return 77; /* ThreadSanitizer does not support threads in a forked child: skipped there */
#endif
    tracer = weir_tracer_get("fork", NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(children_of_a_busy_parent),
                                       cmocka_unit_test(lazy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
