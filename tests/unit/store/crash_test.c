/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 in the middle of ingest, flush and merge: whatever was acknowledged is there once. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 8, BATCHES_MAX = 3000, ROWS_MAX = 30, IN_FLIGHT_MAX = 8 };

static const int64_t base_ns = INT64_C(1760000000) * WEIR_NS_PER_S;

static struct weir_store_options options_of(const char *path) {
    return (struct weir_store_options){.path = path,
                                       .sync_off = true,
                                       .retention_age_ns = -1,
                                       .retention_bytes_max = UINT64_MAX,
                                       .memory_bytes_max = 8 << 20,
                                       .flush_age_ns = 15 * WEIR_NS_PER_MS,
                                       .upkeep_interval_ns = 5 * WEIR_NS_PER_MS,
                                       .wal_segment_bytes = 32 << 10};
}

/* ---- the child: pushes, tells through the pipe which batches were acknowledged
 * ------------------- */

struct flight {
    int pipe;
    uint32_t number;
    _Atomic int *in_flight;
};

static void landed(void *arg, const struct weir_sink_answer *answer) {
    struct flight *flight = arg;
    if (answer->code == WEIR_OK && write(flight->pipe, &flight->number, sizeof flight->number) < 0)
        _exit(3);
    atomic_fetch_sub(flight->in_flight, 1);
    free(flight);
}

/* Child and parent make the same batches from the same random state. */
static struct weir_otlp_batch *next_batch(struct model *model, size_t *ret_first) {
    enum weir_table table = (enum weir_table)model_below(model, 2);
    uint32_t count = 1 + (uint32_t)model_below(model, ROWS_MAX);
    return model_batch(model, table, count, ret_first);
}

static void child(struct model *model, const char *path, int pipe) {
    struct weir_store_options options = options_of(path);
    struct weir_store *store = NULL;
    if (weir_store_open(&options, &store, NULL) != WEIR_OK) _exit(2);
    _Atomic int in_flight = 0;
    for (uint32_t i = 0; i < BATCHES_MAX; i++) {
        size_t first;
        struct weir_otlp_batch *batch = next_batch(model, &first);
        while (atomic_load(&in_flight) >= IN_FLIGHT_MAX)
            nanosleep(&(struct timespec){0, 20000}, NULL);
        struct flight *flight = malloc(sizeof *flight);
        *flight = (struct flight){pipe, i, &in_flight};
        atomic_fetch_add(&in_flight, 1);
        weir_sink_push(weir_store_sink(store), batch, landed, flight);
    }
    pause();
}

/* ---- the parent --------------------------------------------------------------------------------
 */

/* Makes the same batches as the child did, to know what must be there. */
static void follow(struct model *model, const bool *acked, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        size_t first;
        struct weir_otlp_batch *batch = next_batch(model, &first);
        for (size_t row = first; row < model->rows_count; row++) {
            model->rows[row]->acked = acked[i];
            model->rows[row]->maybe = !acked[i];
        }
        weir_otlp_batch_unref(batch);
    }
}

static uint32_t read_acks(int pipe, bool *acked) {
    uint32_t number, last = 0;
    while (read(pipe, &number, sizeof number) == sizeof number) {
        acked[number] = true;
        if (number + 1 > last) last = number + 1;
    }
    return last;
}

static uint32_t crash_once(struct model *model, const char *path, uint64_t kill_after_us) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(model, path, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    usleep((useconds_t)kill_after_us);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    bool *acked = calloc(BATCHES_MAX, sizeof *acked);
    uint32_t count = read_acks(ends[0], acked);
    close(ends[0]);
    /* Batches pushed behind the last acknowledged one may be there: follow all that can have been.
     */
    uint32_t pushed = count + IN_FLIGHT_MAX < BATCHES_MAX ? count + IN_FLIGHT_MAX : BATCHES_MAX;
    follow(model, acked, pushed);
    free(acked);
    return count;
}

static void acknowledged_rows_survive(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct model model;
    model_init(&model, seed, base_ns);
    uint32_t acks = 0;
    for (int round = 0; round < ROUNDS; round++) {
        acks += crash_once(&model, path, 20000 + model_below(&model, 150000));
        if (model_chance(&model, 2)) continue; /* the next child starts from the wreck itself */
        struct weir_store_options options = options_of(path);
        struct weir_store *store = must_open(&options);
        check_all(&model, store);
        weir_store_close(store);
    }
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    check_all(&model, store);
    weir_store_close(store);
    print_message("%u batches acknowledged\n", acks);
    assert_true(acks > 0);
    model_done(&model);
    temp_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_rows_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
