/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and pools against a real PostgreSQL, that PG* variables lead to. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sdk/capture.h"
#include "random_sql.h"
#include "sql/sql.h"
#include "weir/metric.h"
#include "weir/pq.h"

static struct weir_pq *pq;

static int open_pq(void **state) {
    (void)state;
    capture_init("t", NULL);
    struct weir_error err = {.message = ""};
    pq = weir_pq_open("", &err);
    if (!pq) fail_msg("%s", err.message);
    PQclear(PQexec(weir_pq_handle(pq), "DROP TABLE IF EXISTS t")); /* not seen */
    PQclear(PQexec(weir_pq_handle(pq), "CREATE TABLE t (id int PRIMARY KEY, name text)"));
    weir_flush(5000, NULL);
    capture_forget();
    return 0;
}

static int close_pq(void **state) {
    (void)state;
    weir_pq_close(pq);
    pq = NULL;
    capture_done();
    return 0;
}

static void run(struct pg_result *result, int status) {
    if (PQresultStatus(result) != (ExecStatusType)status)
        fail_msg("%s: %s", PQresStatus(PQresultStatus(result)), PQresultErrorMessage(result));
    PQclear(result);
}

static const struct weir_otlp_span *span_at(uint32_t index, const char *name, int status) {
    weir_flush(5000, NULL);
    const struct weir_otlp_span *span = captured_span(index);
    assert_view_is(span->name, name);
    assert_int_equal(span->status_code, status);
    assert_int_equal(span->kind, WEIR_SPAN_KIND_CLIENT);
    assert_int_equal(weir_view_find(span->raw, WEIR_VIEW("hunter2")), SIZE_MAX);
    return span;
}

static int64_t number(const struct weir_otlp_span *span, const char *key) {
    const struct weir_value *value = weir_attrs_get(span->attrs, weir_view_str(key));
    return value ? value->i64 : -1;
}

static void connecting(void **state) {
    (void)state;
    struct weir_pq *other = weir_pq_open("", NULL);
    const struct weir_otlp_span *span = span_at(0, "connect shop", 0);
    assert_view_is(attr_str(span->attrs, "db.operation.name"), "connect");
    assert_view_is(attr_str(span->attrs, "db.namespace"), "shop");
    assert_view_is(attr_str(span->attrs, "server.address"), PQhost(weir_pq_handle(other)));
    assert_view_is(attr_str(span->attrs, "network.peer.address"), "127.0.0.1");
    assert_int_equal(number(span, "server.port"), strtol(PQport(weir_pq_handle(other)), NULL, 10));
    weir_pq_close(other);
    other = weir_pq_adopt(PQconnectdb(""));
    run(weir_pq_exec(other, "SELECT 1"), PGRES_TUPLES_OK);
    assert_view_is(attr_str(span_at(1, "SELECT", 0)->attrs, "db.namespace"), "shop");
    weir_pq_close(other);
}

static void statements(void **state) {
    (void)state;
    const char *values[] = {"2", "hunter2"};
    run(weir_pq_exec(pq, "INSERT INTO t VALUES (1, 'hunter2')"), PGRES_COMMAND_OK);
    run(weir_pq_exec_params(pq, "INSERT INTO t VALUES ($1, $2)", 2, NULL, values, NULL, NULL, 0),
        PGRES_COMMAND_OK);
    run(weir_pq_exec(pq, "SELECT * FROM t"), PGRES_TUPLES_OK);
    run(weir_pq_exec(pq, "INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)"), PGRES_COMMAND_OK);
    run(weir_pq_exec(pq, ""), PGRES_EMPTY_QUERY);
    const struct weir_otlp_span *span = span_at(0, "INSERT t", 0);
    assert_view_is(attr_str(span->attrs, "db.query.text"), "INSERT INTO t VALUES (?)");
    assert_int_equal(number(span, "db.operation.batch.size"), -1);
    span = span_at(1, "INSERT t", 0);
    assert_view_is(attr_str(span->attrs, "db.query.text"), "INSERT INTO t VALUES ($1, $2)");
    assert_int_equal(number(span_at(2, "SELECT t", 0), "db.response.returned_rows"), 2);
    assert_int_equal(number(span_at(3, "BATCH INSERT t", 0), "db.operation.batch.size"), 2);
    span_at(4, "shop", 0);
}

static void prepared(void **state) {
    (void)state;
    const char *values[] = {"5", "hunter2"};
    run(weir_pq_prepare(pq, "add", "INSERT INTO t VALUES ($1, $2)", 0, NULL), PGRES_COMMAND_OK);
    run(weir_pq_exec_prepared(pq, "add", 2, values, NULL, NULL, 0), PGRES_COMMAND_OK);
    run(weir_pq_exec_prepared(pq, "add", 2, values, NULL, NULL, 0), PGRES_FATAL_ERROR);
    run(weir_pq_exec_prepared(pq, "who", 0, NULL, NULL, NULL, 0), PGRES_FATAL_ERROR);
    span_at(0, "PREPARE INSERT t", 0);
    const struct weir_otlp_span *span = span_at(1, "INSERT t", 0);
    assert_view_is(attr_str(span->attrs, "db.query.text"), "INSERT INTO t VALUES ($1, $2)");
    span_at(2, "INSERT t", 2);
    assert_view_is(attr_str(span_at(3, "EXECUTE", 2)->attrs, "error.type"), "26000");
    char name[16];
    for (int i = 0; i < 600; i++) { /* more than are remembered */
        snprintf(name, sizeof name, "p%d", i);
        run(weir_pq_prepare(pq, name, "SELECT 1", 0, NULL), PGRES_COMMAND_OK);
    }
    run(weir_pq_exec_prepared(pq, "p599", 0, NULL, NULL, NULL, 0), PGRES_TUPLES_OK);
    run(weir_pq_exec_prepared(pq, "p0", 0, NULL, NULL, NULL, 0), PGRES_TUPLES_OK);
    span_at(604, "SELECT", 0);
    span_at(605, "EXECUTE", 0);
}

static void errors(void **state) {
    (void)state;
    static const struct {
        const char *sql, *code, *words;
    } cases[] = {
        {"INSERT INTO t VALUES (1, 'hunter2')", "23505",
         "23505: integrity constraint violation, table t, constraint t_pkey"},
        {"INSERT INTO t VALUES ('hunter2')", "22P02", "22P02: data exception"},
        {"SELECT * FROM nowhere WHERE a = 'hunter2'", "42P01",
         "42P01: syntax error or access rule violation"},
        {"SELECT 'hunter2' 'hunter2'", "42601", "42601: syntax error or access rule violation"},
        {"DO $$ BEGIN RAISE EXCEPTION 'hunter2'; END $$", "P0001", "P0001: PL/pgSQL error"},
    };
    PQclear(PQexec(weir_pq_handle(pq), "INSERT INTO t VALUES (1)"));
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run(weir_pq_exec(pq, cases[i].sql), PGRES_FATAL_ERROR);
        weir_flush(5000, NULL);
        const struct weir_otlp_span *span = captured_span(i);
        assert_int_equal(span->status_code, 2);
        assert_view_is(attr_str(span->attrs, "db.response.status_code"), cases[i].code);
        assert_view_is(attr_str(span->attrs, "error.type"), cases[i].code);
        assert_view_is(span->status_message, cases[i].words);
        assert_int_equal(span->events_count, 1);
        assert_int_equal(weir_view_find(span->raw, WEIR_VIEW("hunter2")), SIZE_MAX);
    }
}

static void backslashes(void **state) {
    (void)state;
    PQclear(PQexec(weir_pq_handle(pq), "SET standard_conforming_strings = off"));
    run(weir_pq_exec(pq, "SELECT 'a\\' hunter2 '"), PGRES_TUPLES_OK);
    assert_view_is(attr_str(span_at(0, "SELECT", 0)->attrs, "db.query.text"), "SELECT ?");
}

/* The server is the judge: a statement that it accepts has its secrets in values, comments and
 * names of columns; those in values must not be told. */
static int judge_one(const struct random_sql *sql, enum weir_sql_dialect dialect) {
    static struct weir_sql told;
    PGresult *result = PQexec(weir_pq_handle(pq), sql->text);
    int accepted = PQresultStatus(result) == PGRES_TUPLES_OK;
    weir_sql_scan(weir_view_str(sql->text), dialect, &told);
    for (int i = 0; accepted && i < sql->count; i++)
        for (int k = 0; k < PQnfields(result); k++)
            if (strstr(PQgetvalue(result, 0, k), sql->secrets[i]) &&
                !strstr(PQfname(result, k), sql->secrets[i]) && strstr(told.text, sql->secrets[i]))
                fail_msg("%s\n  is told as %s", sql->text, told.text);
    PQclear(result);
    return accepted;
}

static void ignore_notice(void *arg, const char *message) {
    (void)arg;
    (void)message;
}

static void the_server_judges(void **state) {
    (void)state;
    static const char *const forms[] = {"'%s'",           "'a''%s'",          "E'\\'%s'",
                                        "E'%s\\\\'",      "$$%s$$",           "$a$ ' %s $b$ $a$",
                                        "U&'%s'",         "'x'\n'%s'",        "E'x' -- '\n '\\'%s'",
                                        "'\\%s'",         "'%s\\\\'",         "/* '%s */ 'x'",
                                        "'--%s'",         "'/*%s*/'",         "N'%s'",
                                        "'a' -- %s '\n",  "\"current_user\"", "1",
                                        "e'\\\\' || '%s'"};
    const char *given = getenv("WEIR_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)weir_clock_wall_ns();
    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    PQsetNoticeProcessor(weir_pq_handle(pq), ignore_notice, NULL);
    for (int mode = 0; mode < 2; mode++) {
        int accepted = 0;
        PQclear(PQexec(weir_pq_handle(pq), mode ? "SET standard_conforming_strings = off"
                                                : "SET standard_conforming_strings = on"));
        for (int i = 0; i < 4000; i++) {
            struct random_sql sql;
            random_sql_make(&sql, &rand, forms, sizeof forms / sizeof forms[0]);
            accepted += judge_one(&sql, mode ? WEIR_SQL_POSTGRES_BACKSLASH : WEIR_SQL_POSTGRES);
        }
        assert_in_range(accepted, 400, 4000);
    }
}

static void transactions(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    assert_int_equal(weir_pq_begin(pq, &err), WEIR_OK);
    run(weir_pq_exec(pq, "INSERT INTO t VALUES (7)"), PGRES_COMMAND_OK);
    assert_int_equal(weir_pq_commit(pq, &err), WEIR_OK);
    assert_int_equal(weir_pq_begin(pq, &err), WEIR_OK);
    run(weir_pq_exec(pq, "INSERT INTO t VALUES (7)"), PGRES_FATAL_ERROR);
    assert_int_equal(weir_pq_commit(pq, &err), WEIR_ECONFLICT);
    assert_int_equal(weir_pq_begin(pq, &err), WEIR_OK);
    assert_int_equal(weir_pq_rollback(pq, &err), WEIR_OK);
    assert_view_is(attr_str(span_at(0, "BEGIN", 0)->attrs, "db.operation.name"), "BEGIN");
    span_at(1, "INSERT t", 0);
    span_at(2, "COMMIT", 0);
    span_at(4, "INSERT t", 2);
    assert_view_is(attr_str(span_at(5, "COMMIT", 2)->attrs, "error.type"), "rolled_back");
    span_at(7, "ROLLBACK", 0);
}

static void copying(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    char *row;
    size_t size;
    int64_t rows = 0;
    assert_int_equal(weir_pq_copy_begin(pq, "COPY t FROM STDIN", &err), WEIR_OK);
    assert_int_equal(weir_pq_copy_begin(pq, "COPY t FROM STDIN", &err), WEIR_EINVALID);
    assert_int_equal(weir_pq_copy_get(pq, &row, &size, &err), WEIR_EINVALID);
    for (int i = 0; i < 1000; i++) {
        char line[32];
        int count = snprintf(line, sizeof line, "%d\thunter2\n", i);
        assert_int_equal(weir_pq_copy_put(pq, line, (size_t)count, &err), WEIR_OK);
    }
    assert_int_equal(weir_pq_copy_end(pq, NULL, &rows, &err), WEIR_OK);
    assert_int_equal(rows, 1000);
    assert_int_equal(weir_pq_copy_begin(pq, "COPY t TO STDOUT", &err), WEIR_OK);
    int seen = 0;
    while (weir_pq_copy_get(pq, &row, &size, &err) == WEIR_OK) {
        seen++;
        PQfreemem(row);
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(weir_pq_copy_end(pq, NULL, NULL, &err), WEIR_OK);
    assert_int_equal(weir_pq_copy_begin(pq, "COPY t FROM STDIN", &err), WEIR_OK);
    weir_pq_copy_put(pq, "5\thunter2\n", 10, &err);
    assert_int_equal(weir_pq_copy_end(pq, NULL, &rows, &err), WEIR_EINVALID); /* it is there */
    assert_int_equal(weir_pq_copy_begin(pq, "COPY t FROM STDIN", &err), WEIR_OK);
    assert_int_equal(weir_pq_copy_end(pq, "no more", &rows, &err), WEIR_ECANCELED);
    assert_int_equal(weir_pq_copy_begin(pq, "SELECT 1", &err), WEIR_EINVALID);
    assert_int_equal(weir_pq_copy_begin(pq, "COPY nowhere FROM STDIN", &err), WEIR_EINVALID);
    run(weir_pq_exec(pq, "SELECT 1"), PGRES_TUPLES_OK); /* the connection is well */
    span_at(0, "COPY t", 0);
    assert_int_equal(number(span_at(1, "COPY t", 0), "db.response.returned_rows"), 1000);
    assert_view_is(attr_str(span_at(2, "COPY t", 2)->attrs, "error.type"), "23505");
    assert_view_is(attr_str(span_at(3, "COPY t", 2)->attrs, "error.type"), "57014");
    span_at(5, "COPY nowhere", 2);
}

/* ── pool ────────────────────────────────────────────────────────────────────────────────────── */

static const char *pool_name = "unit";

static struct weir_pq_pool *open_pool(unsigned max, int64_t wait_ms, int64_t idle_ms,
                                      int64_t check_ms) {
    struct weir_error err = {.message = ""};
    struct weir_pq_pool_options options = {.struct_size = sizeof options,
                                           .conninfo = "",
                                           .name = pool_name,
                                           .max = max,
                                           .wait_ms = wait_ms,
                                           .idle_ms = idle_ms,
                                           .check_ms = check_ms};
    struct weir_pq_pool *pool = weir_pq_pool_open(&options, &err);
    if (!pool) fail_msg("%s", err.message);
    return pool;
}

static struct weir_pq_pool_stats stats_of(struct weir_pq_pool *pool) {
    struct weir_pq_pool_stats stats = {.struct_size = sizeof stats};
    weir_pq_pool_stats_get(pool, &stats);
    return stats;
}

static void a_pool_is_bounded(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    struct weir_pq_pool *pool = open_pool(2, 50, 0, 0);
    struct weir_pq *one = weir_pq_pool_take(pool, &err), *two = weir_pq_pool_take(pool, &err);
    assert_true(one && two && one != two);
    assert_null(weir_pq_pool_take(pool, &err));
    assert_int_equal(err.code, WEIR_ETIMEOUT);
    assert_int_equal(stats_of(pool).timeouts, 1);
    weir_pq_pool_give(pool, one);
    assert_ptr_equal(weir_pq_pool_take(pool, &err), one); /* the same again */
    assert_int_equal(stats_of(pool).opened, 2);
    weir_pq_pool_give(pool, one);
    weir_pq_pool_give(pool, two);
    assert_int_equal(stats_of(pool).idle, 2);
    weir_pq_pool_close(pool);
}

static void a_pool_gives_clean_connections(void **state) {
    (void)state;
    struct weir_pq_pool *pool = open_pool(1, 0, 0, 0);
    struct weir_pq *one = weir_pq_pool_take(pool, NULL);
    weir_pq_begin(one, NULL);
    run(weir_pq_exec(one, "INSERT INTO t VALUES (77)"), PGRES_COMMAND_OK);
    weir_pq_pool_give(pool, one); /* rolled back */
    one = weir_pq_pool_take(pool, NULL);
    PGresult *result = weir_pq_exec(one, "SELECT id FROM t WHERE id = 77");
    assert_int_equal(PQntuples(result), 0);
    PQclear(result);
    assert_int_equal(weir_pq_copy_begin(one, "COPY t FROM STDIN", NULL), WEIR_OK);
    weir_pq_pool_give(pool, one); /* in the middle of a COPY */
    one = weir_pq_pool_take(pool, NULL);
    run(weir_pq_exec(one, "SELECT 1"), PGRES_TUPLES_OK);
    PQsendQuery(weir_pq_handle(one), "SELECT pg_sleep(5)");
    weir_pq_pool_give(pool, one); /* busy: closed */
    assert_int_equal(stats_of(pool).closed, 1);
    one = weir_pq_pool_take(pool, NULL);
    run(weir_pq_exec(one, "SELECT 1"), PGRES_TUPLES_OK);
    weir_pq_pool_give(pool, one);
    weir_pq_pool_close(pool);
}

static void a_pool_replaces_the_dead(void **state) {
    (void)state;
    struct weir_pq_pool *pool = open_pool(2, 0, 0, 1);
    struct weir_pq *one = weir_pq_pool_take(pool, NULL);
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", PQbackendPID(weir_pq_handle(one)));
    weir_pq_pool_give(pool, one);
    run(weir_pq_exec(pq, sql), PGRES_TUPLES_OK);
    usleep(20000); /* past check_ms */
    one = weir_pq_pool_take(pool, NULL);
    assert_non_null(one);
    run(weir_pq_exec(one, "SELECT 1"), PGRES_TUPLES_OK);
    assert_int_equal(stats_of(pool).opened, 2);
    assert_int_equal(stats_of(pool).closed, 1);
    weir_pq_pool_give(pool, one);
    weir_pq_pool_close(pool);
}

static void a_pool_closes_the_idle(void **state) {
    (void)state;
    struct weir_pq_pool *pool = open_pool(3, 0, 10, 0);
    struct weir_pq *taken[3];
    for (int i = 0; i < 3; i++) taken[i] = weir_pq_pool_take(pool, NULL);
    for (int i = 0; i < 3; i++) weir_pq_pool_give(pool, taken[i]);
    usleep(50000);
    struct weir_pq *one = weir_pq_pool_take(pool, NULL);
    assert_int_equal(stats_of(pool).closed, 3);
    assert_int_equal(stats_of(pool).idle, 0);
    weir_pq_pool_give(pool, one);
    weir_pq_pool_close(pool);
}

static struct weir_pq_pool *shared;
static atomic_int in_use, most, done;

static void *work(void *arg) {
    for (int i = 0; i < 40; i++) {
        struct weir_pq *one = weir_pq_pool_take(shared, NULL);
        if (!one) return arg;
        int now = atomic_fetch_add(&in_use, 1) + 1, seen = atomic_load(&most);
        while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
        }
        PGresult *result = weir_pq_exec(one, "SELECT 1");
        if (PQresultStatus(result) == PGRES_TUPLES_OK) atomic_fetch_add(&done, 1);
        PQclear(result);
        atomic_fetch_sub(&in_use, 1);
        weir_pq_pool_give(shared, one);
    }
    return NULL;
}

static void a_pool_is_shared(void **state) {
    (void)state;
    pthread_t threads[8];
    shared = open_pool(3, 60000, 0, 0);
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&done), 8 * 40);
    assert_in_range(atomic_load(&most), 1, 3);
    assert_in_range(stats_of(shared).opened, 1, 3);
    weir_pq_pool_close(shared);
}

/* A child has neither the pool nor its connections, and does not end the parent's. */
static void a_fork_leaves_them_alone(void **state) {
    (void)state;
    int status = -1;
    struct weir_error err = {.code = 0};
    struct weir_pq_pool *pool = open_pool(2, 50, 0, 0);
    struct weir_pq *one = weir_pq_pool_take(pool, NULL), *two = weir_pq_pool_take(pool, NULL);
    weir_pq_pool_give(pool, two);
    pid_t child = fork();
    if (!child) {
        bool ok = !weir_pq_pool_take(pool, &err) && err.code == WEIR_ECLOSED;
        weir_pq_pool_give(pool, one);
        weir_pq_pool_close(pool);
        weir_pq_close(pq);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    run(weir_pq_exec(one, "SELECT 1"), PGRES_TUPLES_OK);
    run(weir_pq_exec(pq, "SELECT 1"), PGRES_TUPLES_OK);
    weir_pq_pool_give(pool, one);
    two = weir_pq_pool_take(pool, NULL);
    assert_int_equal(stats_of(pool).opened, 2); /* none was lost */
    weir_pq_pool_give(pool, two);
    weir_pq_pool_close(pool);
}

static void pool_metrics(void **state) {
    (void)state;
    capture_done();
    capture_init("tm", NULL);
    pool_name = "counted"; /* counts of its own */
    struct weir_pq_pool *pool = open_pool(2, 50, 0, 0);
    struct weir_pq *one = weir_pq_pool_take(pool, NULL), *two = weir_pq_pool_take(pool, NULL);
    assert_null(weir_pq_pool_take(pool, NULL));
    weir_pq_pool_give(pool, two);
    size_t size;
    char *text = weir_metrics_text(&size);
    static const char *const expected[][2] = {
        {"connection_count{db_client_connection_pool_name=\"counted\",db_client_connection_state="
         "\"used\"",
         "1"},
        {"connection_count{db_client_connection_pool_name=\"counted\",db_client_connection_state="
         "\"idle\"",
         "1"},
        {"connection_max{db_client_connection_pool_name=\"counted\"", "2"},
        {"connection_idle_max{db_client_connection_pool_name=\"counted\"", "2"},
        {"connection_timeouts_total{db_client_connection_pool_name=\"counted\"", "1"},
        {"connection_pending_requests{db_client_connection_pool_name=\"counted\"", "0"},
        {"connection_create_time_seconds_count{db_client_connection_pool_name=\"counted\"", "2"},
        {"connection_wait_time_seconds_count{db_client_connection_pool_name=\"counted\"", "2"},
        {"connection_use_time_seconds_count{db_client_connection_pool_name=\"counted\"", "1"}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const char *line = strstr(text, expected[i][0]);
        if (!line) fail_msg("no %s", expected[i][0]);
        char value[32];
        snprintf(value, sizeof value, "%.*s", (int)strcspn(strstr(line, "} ") + 2, "\n"),
                 strstr(line, "} ") + 2);
        if (strcmp(value, expected[i][1]) != 0)
            fail_msg("%s is %s instead of %s", expected[i][0], value, expected[i][1]);
    }
    free(text);
    weir_pq_pool_give(pool, one);
    weir_pq_pool_close(pool);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pq, close_pq)
    const struct CMUnitTest tests[] = {TEST(connecting),
                                       TEST(statements),
                                       TEST(prepared),
                                       TEST(errors),
                                       TEST(backslashes),
                                       TEST(the_server_judges),
                                       TEST(transactions),
                                       TEST(copying),
                                       TEST(a_pool_is_bounded),
                                       TEST(a_pool_gives_clean_connections),
                                       TEST(a_pool_replaces_the_dead),
                                       TEST(a_pool_closes_the_idle),
                                       TEST(a_pool_is_shared),
                                       TEST(a_fork_leaves_them_alone),
                                       TEST(pool_metrics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
