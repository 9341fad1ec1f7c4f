/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/sqlite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "../sdk/capture.h"
#include "attrs.h"
#include "random_sql.h"
#include "sql/sql.h"
#include "weir/metric.h"
#include "weir/trace.h"

static struct weir_sqlite *db;

static int open_db(void **state) {
    (void)state;
    capture_init("t", NULL);
    db = weir_sqlite_open(":memory:", 0, NULL);
    return !db;
}

static int close_db(void **state) {
    (void)state;
    weir_sqlite_close(db);
    capture_done();
    return 0;
}

static struct weir_view name_of(uint32_t index) {
    return captured_span(index)->name;
}

static void exec(const char *sql) {
    struct weir_error err = {.message = ""};
    if (weir_sqlite_exec(db, sql, NULL, NULL, &err) != SQLITE_OK) fail_msg("%s", err.message);
}

static void an_exec_is_a_span(void **state) {
    (void)state;
    exec("CREATE TABLE people (id INTEGER, name TEXT)");
    exec("INSERT INTO people VALUES (1, 'Ann')");
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 2);
    assert_view_is(name_of(0), "CREATE TABLE people");
    const struct weir_otlp_span *span = captured_span(1);
    assert_view_is(span->name, "INSERT people");
    assert_int_equal(span->kind, WEIR_SPAN_KIND_CLIENT);
    assert_int_equal(span->status_code, 0);
    assert_view_is(attr_str(span->attrs, "db.system.name"), "sqlite");
    assert_view_is(attr_str(span->attrs, "db.namespace"), ":memory:");
    assert_view_is(attr_str(span->attrs, "db.query.text"), "INSERT INTO people VALUES (?)");
    assert_view_is(attr_str(span->attrs, "db.query.summary"), "INSERT people");
    assert_null(weir_attrs_get(span->attrs, WEIR_VIEW("db.operation.batch.size")));
    assert_null(weir_attrs_get(span->attrs, WEIR_VIEW("server.address")));
}

static int count(void *arg, int columns, char **values, char **names) {
    (void)columns;
    (void)values;
    (void)names;
    return ++*(int *)arg == 2; /* enough */
}

static void rows_and_batches(void **state) {
    (void)state;
    int rows = 0;
    exec("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); INSERT INTO t VALUES (3)");
    assert_int_equal(weir_sqlite_exec(db, "SELECT a FROM t", count, &rows, NULL), SQLITE_ABORT);
    assert_int_equal(rows, 2);
    weir_flush(5000, NULL);
    assert_view_is(name_of(0), "BATCH");
    assert_int_equal(attr_of(captured_span(0)->attrs, "db.operation.batch.size")->i64, 3);
    assert_view_is(name_of(1), "SELECT t");
    assert_view_is(attr_str(captured_span(1)->attrs, "error.type"), "4"); /* SQLITE_ABORT */
}

static void a_statement_is_a_span_for_each_run(void **state) {
    (void)state;
    struct weir_sqlite_stmt *stmt;
    const char *tail;
    exec("CREATE TABLE t (a)");
    assert_int_equal(weir_sqlite_prepare(db, "INSERT INTO t VALUES (?) ; rest", -1, &stmt, &tail),
                     SQLITE_OK);
    assert_string_equal(tail, " rest");
    for (int i = 0; i < 3; i++) {
        sqlite3_bind_int(weir_sqlite_stmt_handle(stmt), 1, i);
        assert_int_equal(weir_sqlite_step(stmt), SQLITE_DONE);
        weir_sqlite_reset(stmt);
    }
    weir_sqlite_finalize(stmt);
    assert_int_equal(weir_sqlite_prepare(db, "SELECT a FROM t WHERE a < 2", -1, &stmt, NULL), 0);
    while (weir_sqlite_step(stmt) == SQLITE_ROW) {
    }
    weir_sqlite_step(stmt); /* SQLite runs it again */
    weir_sqlite_finalize(stmt);
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 6);
    for (uint32_t i = 1; i < 4; i++) assert_view_is(name_of(i), "INSERT t");
    const struct weir_otlp_span *whole = captured_span(4), *left = captured_span(5);
    assert_view_is(attr_str(whole->attrs, "db.query.text"), "SELECT a FROM t WHERE a < ?");
    assert_int_equal(attr_of(whole->attrs, "db.response.returned_rows")->i64, 2);
    assert_int_equal(attr_of(left->attrs, "db.response.returned_rows")->i64, 1);
    assert_int_equal(left->status_code, 0); /* stopping early is no error */
}

static void errors_are_told_without_values(void **state) {
    (void)state;
    struct weir_sqlite_stmt *stmt;
    struct weir_error err = {.message = ""};
    exec("CREATE TABLE t (a UNIQUE)");
    exec("INSERT INTO t VALUES ('hunter2')");
    assert_int_equal(weir_sqlite_exec(db, "INSERT INTO t VALUES ('hunter2')", NULL, NULL, &err) &
                         0xff,
                     SQLITE_CONSTRAINT);
    assert_non_null(strstr(err.message, "UNIQUE"));
    assert_int_equal(weir_sqlite_prepare(db, "SELEC hunter2 FROM t", -1, &stmt, NULL),
                     SQLITE_ERROR);
    assert_null(stmt);
    weir_flush(5000, NULL);
    const struct weir_otlp_span *span = captured_span(2);
    assert_int_equal(span->status_code, 2);
    assert_view_is(attr_str(span->attrs, "db.response.status_code"), "2067");
    assert_view_is(attr_str(span->attrs, "error.type"), "2067");
    assert_int_equal(span->events_count, 1);
    assert_view_is(span->status_message, "constraint failed");
    span = captured_span(3);
    assert_view_is(attr_str(span->attrs, "error.type"), "1");
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t k = 0; k < captured_span(i)->attrs.count; k++)
            if (captured_span(i)->attrs.items[k].value.type == WEIR_VALUE_STRING &&
                i != 3) /* not SQL at all: its words may be names */
                assert_int_equal(weir_view_find(captured_span(i)->attrs.items[k].value.str,
                                                WEIR_VIEW("hunter2")),
                                 SIZE_MAX);
}

/* SQLite is the judge: what it returns as a value must not be told. */
static int judge_one(const struct random_sql *sql) {
    static struct weir_sql told;
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(weir_sqlite_handle(db), sql->text, -1, &stmt, NULL);
    int accepted = code == SQLITE_OK && stmt && sqlite3_step(stmt) == SQLITE_ROW;
    weir_sql_scan(weir_view_str(sql->text), WEIR_SQL_SQLITE, &told);
    for (int k = 0; accepted && k < sqlite3_column_count(stmt); k++) {
        const char *value = (const char *)sqlite3_column_text(stmt, k);
        for (int i = 0; value && i < sql->count; i++)
            if (strstr(value, sql->secrets[i]) && strstr(told.text, sql->secrets[i]))
                fail_msg("%s\n  is told as %s", sql->text, told.text);
    }
    sqlite3_finalize(stmt);
    return accepted;
}

static void sqlite_judges(void **state) {
    (void)state;
    static const char *const forms[] = {
        "'%s'",       "'a''%s'",       "\"%s\"",     "\"a\"\"%s\"",   "'\\'||'%s'",
        "'--%s'",     "'/*%s*/'",      "1",          "x'00'",         "'a' -- %s\n",
        "/* %s */ 1", "\"a b%s\"",     "(\"%s\")",   "upper('%s')",   "?1",
        ":a",         "'%s' AS \"n\"", "NOT \"%s\"", "\"%s\" = '%s'", "'a'\n"};
    const char *given = getenv("WEIR_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)weir_clock_wall_ns();
    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        struct random_sql sql;
        random_sql_make(&sql, &rand, forms, sizeof forms / sizeof forms[0]);
        accepted += judge_one(&sql);
    }
    assert_in_range(accepted, 2000, 20000);
}

static void below_the_current_span(void **state) {
    (void)state;
    struct weir_span *span = weir_span_start(weir_tracer_get("unit", NULL), "parent", NULL);
    struct weir_scope scope;
    weir_scope_attach_span(&scope, span);
    exec("SELECT 1");
    weir_scope_detach(&scope);
    weir_span_end(span);
    weir_flush(5000, NULL);
    const struct weir_otlp_span *child = captured_span(0), *parent = captured_span(1);
    assert_memory_equal(child->trace_id, parent->trace_id, 16);
    assert_memory_equal(child->parent_span_id, parent->span_id, 8);
}

static void a_file_is_named_without_its_folder(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/weir-sqlite-%d.db", (int)getpid());
    struct weir_sqlite *file = weir_sqlite_open(path, 0, NULL);
    assert_int_equal(weir_sqlite_exec(file, "SELECT 1", NULL, NULL, NULL), SQLITE_OK);
    weir_sqlite_close(file);
    unlink(path);
    weir_flush(5000, NULL);
    assert_view_is(attr_str(captured_span(0)->attrs, "db.namespace"), strrchr(path, '/') + 1);
    struct weir_error err = {.message = ""};
    assert_null(weir_sqlite_open("/no/such/folder/x.db", 0, &err));
    assert_int_equal(err.code, WEIR_EIO);
}

static void metrics_count_every_run(void **state) {
    (void)state;
    struct weir_options never = {.sampler = "always_off"};
    capture_done();
    capture_init("tm", &never);
    exec("CREATE TABLE m (a)");
    for (int i = 0; i < 7; i++) exec("INSERT INTO m VALUES (5)");
    weir_sqlite_exec(db, "INSERT INTO no_table VALUES (5)", NULL, NULL, NULL);
    size_t size;
    char *text = weir_metrics_text(&size);
    assert_non_null(text);
    const char *line = strstr(text, "db_client_operation_duration_seconds_count{");
    char counts[200] = "";
    for (; line; line = strstr(line + 1, "db_client_operation_duration_seconds_count{")) {
        const char *end = strchr(line, '\n'), *summary = strstr(line, "db_query_summary=\"");
        assert_non_null(strstr(line, "db_system_name=\"sqlite\""));
        snprintf(counts + strlen(counts), sizeof counts - strlen(counts), "%.*s%s %.*s;",
                 (int)strcspn(summary + 18, "\""), summary + 18,
                 strstr(line, "error_type=\"1\"") && strstr(line, "error_type=\"1\"") < end ? "!"
                                                                                            : "",
                 (int)(end - (strrchr(strchr(line, '}'), ' ') ? strchr(line, '}') + 2 : end)),
                 strchr(line, '}') + 2);
    }
    free(text);
    assert_non_null(strstr(counts, "INSERT m 7;"));
    assert_non_null(strstr(counts, "INSERT no_table! 1;"));
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 0);
}

static void nothing_breaks_without_telemetry(void **state) {
    (void)state;
    struct weir_sqlite_stmt *stmt;
    capture_done();
    exec("CREATE TABLE n (a)");
    assert_int_equal(weir_sqlite_prepare(db, "SELECT a FROM n", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(weir_sqlite_step(stmt), SQLITE_DONE);
    assert_int_equal(weir_sqlite_finalize(stmt), SQLITE_OK);
    assert_int_equal(weir_sqlite_prepare(db, " -- nothing", -1, &stmt, NULL), SQLITE_OK);
    assert_null(stmt);
    assert_int_equal(weir_sqlite_step(NULL), SQLITE_MISUSE);
    assert_int_equal(weir_sqlite_exec(NULL, "SELECT 1", NULL, NULL, NULL), SQLITE_MISUSE);
    assert_null(weir_sqlite_handle(NULL));
    weir_sqlite_close(NULL);
    capture_init("t", NULL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_db, close_db)
    const struct CMUnitTest tests[] = {TEST(an_exec_is_a_span),
                                       TEST(rows_and_batches),
                                       TEST(a_statement_is_a_span_for_each_run),
                                       TEST(errors_are_told_without_values),
                                       TEST(sqlite_judges),
                                       TEST(below_the_current_span),
                                       TEST(a_file_is_named_without_its_folder),
                                       TEST(metrics_count_every_run),
                                       TEST(nothing_breaks_without_telemetry)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
