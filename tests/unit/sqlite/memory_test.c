/* SPDX-License-Identifier: Apache-2.0 */
/* A host's statements run, or fail for SQLite's own reasons, whichever allocation of ours fails. */
#include <sqlite3.h>
#include <stdio.h>

#include "../sdk/capture.h"
#include "failing_alloc.h"
#include "weir/sqlite.h"

static int rows;

static void use_everything(long round) {
    char sql[64];
    struct weir_sqlite_stmt *stmt;
    struct weir_sqlite *db = weir_sqlite_open(":memory:", 0, NULL);
    snprintf(sql, sizeof sql, "CREATE TABLE t%ld (a)", round); /* a new summary: new series */
    if (!db) return;
    assert_int_equal(weir_sqlite_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    snprintf(sql, sizeof sql, "INSERT INTO t%ld VALUES (1)", round);
    int code = weir_sqlite_prepare(db, sql, -1, &stmt, NULL);
    assert_true(code == SQLITE_OK || (code == SQLITE_NOMEM && !stmt));
    if (stmt) {
        assert_int_equal(weir_sqlite_step(stmt), SQLITE_DONE);
        rows++;
    }
    weir_sqlite_finalize(stmt);
    weir_sqlite_exec(db, "INSERT INTO nowhere VALUES (1)", NULL, NULL, NULL);
    weir_sqlite_close(db);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    capture_init("tm", NULL);
    long count = fail_each_alloc(use_everything);
    assert_in_range(count, 4, 1000);
    assert_true(rows >= count - 3); /* it is telemetry that was lost */
    weir_flush(5000, NULL);
    capture_done();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
