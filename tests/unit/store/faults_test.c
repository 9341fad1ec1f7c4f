/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that is full, tears writes or fails to sync: nothing acknowledged is lost, nothing comes
 * twice, questions are answered all the time, and the store recovers by itself. */
#include "support.h"

#include <errno.h>

static const int64_t base_ns = INT64_C(1760000000) * WEIR_NS_PER_S;

struct bench {
    char path[64];
    struct weir_disk disk;
    struct weir_store_options options;
    struct weir_store *store;
    struct model model;
};

static void bench_init(struct bench *bench, uint64_t seed) {
    temp_make(bench->path);
    weir_disk_init(&bench->disk, false);
    bench->options = (struct weir_store_options){.path = bench->path,
                                                 .disk = &bench->disk,
                                                 .retention_age_ns = -1,
                                                 .retention_bytes_max = UINT64_MAX,
                                                 .memory_bytes_max = 32 << 20,
                                                 .wal_segment_bytes = 16 << 10};
    bench->store = must_open(&bench->options);
    model_init(&bench->model, seed, base_ns);
}

static void bench_reopen(struct bench *bench) {
    weir_store_close(bench->store);
    bench->store = must_open(&bench->options);
}

static void bench_done(struct bench *bench) {
    weir_store_close(bench->store);
    model_done(&bench->model);
    temp_remove(bench->path);
}

static void plan_fault(struct bench *bench, enum weir_disk_op op, int after, int count, int error,
                       size_t torn_bytes) {
    struct weir_disk_fault *fault = &bench->disk.faults[op];
    fault->error = error;
    fault->torn_bytes = torn_bytes;
    atomic_store(&fault->after, after);
    atomic_store(&fault->count, count);
}

static void no_faults(struct bench *bench) {
    for (int op = 0; op < WEIR_DISK_OPS_COUNT; op++) atomic_store(&bench->disk.faults[op].count, 0);
}

static struct model_answer push_new(struct bench *bench, uint32_t count) {
    size_t first;
    struct weir_otlp_batch *batch = model_batch(&bench->model, WEIR_TABLE_SPANS, count, &first);
    struct model_answer answer = model_push(bench->store, batch);
    for (size_t i = first; i < bench->model.rows_count; i++)
        bench->model.rows[i]->acked = answer.code == WEIR_OK;
    return answer;
}

static void full_disk_refuses_and_recovers(void **state) {
    (void)state;
    struct bench bench;
    bench_init(&bench, 7);
    assert_int_equal(push_new(&bench, 10).code, WEIR_OK);
    plan_fault(&bench, WEIR_DISK_WRITE, 0, 2, ENOSPC, 100);
    for (int i = 0; i < 2; i++) {
        struct model_answer answer = push_new(&bench, 10);
        assert_int_equal(answer.code, WEIR_EFULL);
        assert_true(weir_error_retriable(answer.code));
        assert_true(answer.retry_after_ms > 0);
        assert_non_null(strstr(answer.message, bench.path));
        check_all(&bench.model, bench.store);
    }
    assert_int_equal(push_new(&bench, 10).code, WEIR_OK);
    check_all(&bench.model, bench.store);
    bench_reopen(&bench);
    check_all(&bench.model, bench.store); /* the torn record was cut off: nothing of it came back */
    bench_done(&bench);
}

static void failed_fsync_moves_to_a_new_segment(void **state) {
    (void)state;
    struct bench bench;
    bench_init(&bench, 8);
    assert_int_equal(push_new(&bench, 5).code, WEIR_OK);
    plan_fault(&bench, WEIR_DISK_SYNC, 0, 1, EIO, 0);
    assert_int_equal(push_new(&bench, 5).code, WEIR_OK); /* written again, synced, acknowledged */
    assert_int_equal(push_new(&bench, 5).code, WEIR_OK);
    check_all(&bench.model, bench.store);
    plan_fault(&bench, WEIR_DISK_SYNC, 0, 2, EIO, 0); /* the new segment fails as well */
    assert_int_equal(push_new(&bench, 5).code, WEIR_EUNAVAILABLE);
    for (size_t i = bench.model.rows_count - 5; i < bench.model.rows_count; i++)
        bench.model.rows[i]->maybe = true;
    assert_int_equal(push_new(&bench, 5).code, WEIR_OK);
    bench_reopen(&bench);
    check_all(&bench.model, bench.store);
    bench_done(&bench);
}

static void failed_flush_keeps_the_rows(void **state) {
    (void)state;
    static const enum weir_disk_op ops[] = {WEIR_DISK_OPEN, WEIR_DISK_WRITE, WEIR_DISK_SYNC,
                                            WEIR_DISK_RENAME};
    struct bench bench;
    bench_init(&bench, 9);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct weir_error err = {0};
        assert_int_equal(push_new(&bench, 20).code, WEIR_OK);
        plan_fault(&bench, ops[i], 0, 1000, ENOSPC, 10);
        assert_int_equal(weir_store_flush(bench.store, &err), WEIR_EFULL);
        assert_non_null(strstr(err.message, bench.path));
        check_all(&bench.model, bench.store);
        no_faults(&bench);
        assert_int_equal(weir_store_flush(bench.store, &err), WEIR_OK);
        check_all(&bench.model, bench.store);
        bench_reopen(&bench);
        check_all(&bench.model, bench.store);
    }
    bench_done(&bench);
}

static void memory_is_a_limit(void **state) {
    (void)state;
    struct bench bench;
    bench_init(&bench, 10);
    plan_fault(&bench, WEIR_DISK_RENAME, 0, INT32_MAX, ENOSPC, 0); /* nothing can be flushed */
    struct model_answer answer = {0};
    struct weir_source_stats stats;
    int tries = 0;
    for (; tries < 2000 && answer.code == WEIR_OK; tries++) answer = push_new(&bench, 100);
    assert_int_equal(answer.code, WEIR_EBUSY);
    assert_true(answer.retry_after_ms > 0);
    weir_store_source(bench.store)->stats(weir_store_source(bench.store), &stats);
    assert_true(stats.memory_bytes < bench.options.memory_bytes_max);
    check_all(&bench.model, bench.store);
    no_faults(&bench);
    assert_int_equal(weir_store_flush(bench.store, NULL), WEIR_OK);
    assert_int_equal(push_new(&bench, 100).code, WEIR_OK);
    check_all(&bench.model, bench.store);
    bench_done(&bench);
}

static void any_step_may_fail(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct bench bench;
    bench_init(&bench, seed);
    for (int i = 0; i < 150; i++) {
        static const int errors[] = {ENOSPC, EIO};
        enum weir_disk_op op = (enum weir_disk_op)model_below(&bench.model, WEIR_DISK_READ);
        plan_fault(&bench, op, (int)model_below(&bench.model, 6),
                   1 + (int)model_below(&bench.model, 3), errors[model_below(&bench.model, 2)],
                   model_below(&bench.model, 3000));
        for (int j = 0; j < 3; j++)
            if (push_new(&bench, 1 + (uint32_t)model_below(&bench.model, 30)).code != WEIR_OK)
                for (size_t row = bench.model.rows_count;
                     row-- > 0 && !bench.model.rows[row]->acked;)
                    bench.model.rows[row]->maybe = true;
        weir_store_flush(bench.store, NULL);
        if (i % 5 == 0) weir_store_merge(bench.store, NULL);
        if (i % 10 == 9) check_all(&bench.model, bench.store);
        no_faults(&bench);
        if (i % 15 == 14) {
            bench_reopen(&bench);
            check_all(&bench.model, bench.store);
        }
    }
    check_all(&bench.model, bench.store);
    bench_done(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk_refuses_and_recovers),
        cmocka_unit_test(failed_fsync_moves_to_a_new_segment),
        cmocka_unit_test(failed_flush_keeps_the_rows),
        cmocka_unit_test(memory_is_a_limit),
        cmocka_unit_test(any_step_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
