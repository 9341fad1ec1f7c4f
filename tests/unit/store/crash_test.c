/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 in the middle of ingest, flush and merge: whatever was acknowledged is there once. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 8, BATCHES_MAX = 3000, ROWS_MAX = 30, IN_FLIGHT_MAX = 8, POINTS_MAX = 100000 };

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

/* ---- the child: pushes, tells the answers through a pipe -------------- */

struct flight {
    int pipe;
    uint32_t number;
    _Atomic int *in_flight;
};

static void landed(void *arg, const struct weir_sink_answer *answer) {
    struct flight *flight = arg;
    uint32_t told = flight->number << 1 | (answer->code == WEIR_OK);
    if (write(flight->pipe, &told, sizeof told) < 0) _exit(3);
    atomic_fetch_sub(flight->in_flight, 1);
    free(flight);
}

/* What must, may and must not be there: rows in the model, points by their number. */
struct world {
    struct model rows;
    bool *acked, *maybe; /* of points */
    uint32_t points_count;
};

/* One gauge; each point is a series of its own, {n="<number>"}, with its number as value. */
static struct weir_otlp_batch *metrics_batch(struct world *world, uint32_t count) {
    struct weir_buf buf;
    struct weir_error err = {0};
    weir_buf_init(&buf, 1 << 20);
    size_t resource = weir_pb_begin(&buf, 1), scope = weir_pb_begin(&buf, 2);
    size_t metric = weir_pb_begin(&buf, 2);
    weir_pb_put_bytes(&buf, 1, WEIR_VIEW("crash.point"));
    size_t gauge = weir_pb_begin(&buf, 5);
    for (uint32_t i = 0; i < count; i++, world->points_count++) {
        struct weir_attr attr = {
            WEIR_VIEW("n"),
            weir_value_str(weir_arena_printf(&world->rows.arena, "%u", world->points_count))};
        size_t point = weir_pb_begin(&buf, 1);
        weir_pb_put_fixed64(&buf, 3, (uint64_t)base_ns + world->points_count * UINT64_C(1000000));
        weir_pb_put_f64(&buf, 4, world->points_count);
        model_put_attrs(&buf, 7, (struct weir_attrs){&attr, 1});
        weir_pb_end(&buf, point);
    }
    weir_pb_end(&buf, gauge);
    weir_pb_end(&buf, metric);
    weir_pb_end(&buf, scope);
    weir_pb_end(&buf, resource);
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    struct weir_otlp_batch *batch = NULL;
    if (weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &batch, &err) != WEIR_OK)
        fail_msg("decode: %s", err.message);
    assert_int_equal(batch->points_count, count);
    return batch;
}

/* Child and parent make the same batches from the same random state. */
static struct weir_otlp_batch *next_batch(struct world *world) {
    struct model *model = &world->rows;
    uint64_t kind = model_below(model, 3);
    uint32_t count = 1 + (uint32_t)model_below(model, ROWS_MAX);
    size_t first;
    if (kind == 2) return metrics_batch(world, count);
    return model_batch(model, kind ? WEIR_TABLE_LOGS : WEIR_TABLE_SPANS, count, &first);
}

static void child(struct world *world, const char *path, int pipe) {
    struct weir_store_options options = options_of(path);
    struct weir_store *store = NULL;
    if (weir_store_open(&options, &store, NULL) != WEIR_OK) _exit(2);
    _Atomic int in_flight = 0;
    for (uint32_t i = 0; i < BATCHES_MAX; i++) {
        struct weir_otlp_batch *batch = next_batch(world);
        while (atomic_load(&in_flight) >= IN_FLIGHT_MAX)
            nanosleep(&(struct timespec){0, 20000}, NULL);
        struct flight *flight = malloc(sizeof *flight);
        *flight = (struct flight){pipe, i, &in_flight};
        atomic_fetch_add(&in_flight, 1);
        weir_sink_push(weir_store_sink(store), batch, landed, flight);
    }
    pause();
}

/* ---- the parent ----------------------------------------------------------------------------- */

/* Makes the same batches as the child did, to know what must be there. */
static void follow(struct world *world, const bool *acked, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        size_t row = world->rows.rows_count;
        uint32_t point = world->points_count;
        weir_otlp_batch_unref(next_batch(world));
        assert_true(world->points_count <= POINTS_MAX);
        for (; row < world->rows.rows_count; row++) {
            world->rows.rows[row]->acked = acked[i];
            world->rows.rows[row]->maybe = !acked[i];
        }
        for (; point < world->points_count; point++) {
            world->acked[point] = acked[i];
            world->maybe[point] = !acked[i];
        }
    }
}

/* Gives how many batches were answered, as far as is known. */
static uint32_t read_answers(int pipe, bool *acked) {
    uint32_t told, count = 0;
    while (read(pipe, &told, sizeof told) == sizeof told) {
        acked[told >> 1] = told & 1;
        if ((told >> 1) + 1 > count) count = (told >> 1) + 1;
    }
    return count;
}

static uint32_t crash_once(struct world *world, const char *path, uint64_t kill_after_us) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(world, path, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    usleep((useconds_t)kill_after_us);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    bool *acked = calloc(BATCHES_MAX, sizeof *acked);
    uint32_t count = read_answers(ends[0], acked);
    close(ends[0]);
    /* Batches behind the last one answered may be there: follow all that can be. */
    uint32_t pushed = count + IN_FLIGHT_MAX < BATCHES_MAX ? count + IN_FLIGHT_MAX : BATCHES_MAX;
    follow(world, acked, pushed);
    free(acked);
    return count;
}

/* Every acknowledged point is there once, with its value. */
static void check_points(const struct world *world, struct weir_store *store) {
    struct weir_source *source = weir_store_source(store);
    struct weir_matcher matcher = {
        .name = WEIR_VIEW("__name__"), .op = WEIR_OP_EQ, .value = WEIR_VIEW("crash_point")};
    struct weir_series_select select = {
        .matchers = &matcher, .matchers_count = 1, .from_ms = INT64_MIN, .until_ms = INT64_MAX};
    struct weir_query query;
    struct weir_series_cursor *cursor;
    const struct weir_series *series;
    bool *seen = calloc(POINTS_MAX, sizeof *seen);
    weir_query_init(&query, 0, 0);
    assert_int_equal(source->select_series(source, &query, &select, &cursor, NULL), WEIR_OK);
    int rc;
    while ((rc = cursor->next(cursor, &series, NULL)) == WEIR_OK) {
        uint64_t number = UINT64_MAX;
        for (uint32_t i = 0; i < series->labels_count; i++)
            if (weir_view_is(series->labels[i].name, "n"))
                assert_true(weir_view_to_u64(series->labels[i].value, &number));
        assert_true(number < world->points_count && !seen[number]);
        seen[number] = true;
        assert_int_equal(series->samples_count, 1);
        assert_true(series->values[0] == (double)number);
        assert_int_equal(series->times_ms[0], base_ns / 1000000 + (int64_t)number);
    }
    assert_int_equal(rc, WEIR_END);
    cursor->close(cursor);
    weir_query_done(&query);
    for (uint32_t i = 0; i < world->points_count; i++)
        if (world->acked[i] && !seen[i]) fail_msg("point %u is missing", i);
    free(seen);
}

static void check_world(struct world *world, const char *path) {
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    check_all(&world->rows, store);
    check_points(world, store);
    weir_store_close(store);
}

static void acknowledged_records_survive(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct world world = {.acked = calloc(POINTS_MAX, 1), .maybe = calloc(POINTS_MAX, 1)};
    model_init(&world.rows, seed, base_ns);
    uint32_t answers = 0;
    for (int round = 0; round < ROUNDS; round++) {
        answers += crash_once(&world, path, 20000 + model_below(&world.rows, 150000));
        /* Else the next child starts from the wreck itself. */
        if (model_chance(&world.rows, 2)) check_world(&world, path);
    }
    check_world(&world, path);
    print_message("%u batches answered\n", answers);
    assert_true(answers > 0);
    model_done(&world.rows);
    free(world.acked);
    free(world.maybe);
    temp_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_records_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
