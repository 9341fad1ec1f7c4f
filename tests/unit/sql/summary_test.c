/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sql/sql.h"
#include "unit.h"

static struct weir_sql sql;

/* The examples of the semantic conventions first. */
static const struct {
    const char *in, *out;
} cases[] = {
    {"SELECT * FROM wuser_table WHERE username = ?", "SELECT wuser_table"},
    {"INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE "
     "order_id = ?",
     "INSERT shipping_details SELECT orders"},
    {"SELECT * FROM songs, artists WHERE songs.artist_id == artists.id", "SELECT songs artists"},
    {"SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = "
     "c.customer_id)",
     "SELECT SELECT orders customers"},
    {"SELECT * FROM \"song list\", artists", "SELECT \"song list\" artists"},
    {"call some_stored_procedure(1)", "call some_stored_procedure"},
    {"select a from b", "select b"}, /* as it was written */
    {"", ""},
    {"hello 'secret' world", ""},
    {"SELECT 1", "SELECT"},
    {"SELECT a FROM s.t AS x, ONLY u y WHERE b IN (SELECT c FROM v)", "SELECT s.t u SELECT v"},
    {"SELECT extract(year FROM ts), trim(both FROM n) FROM t", "SELECT t"},
    {"SELECT a IS DISTINCT FROM b FROM t", "SELECT t"},
    {"SELECT * FROM generate_series(1, 5) g, t LEFT JOIN LATERAL f(t.x) ON true", "SELECT t"},
    {"SELECT a FROM t FOR UPDATE", "SELECT t"},
    {"SELECT t.update, t.from FROM t ORDER BY a, b", "SELECT t"},
    {"SELECT a FROM t UNION SELECT b FROM u", "SELECT t SELECT u"},
    {"WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x",
     "DELETE a INSERT b SELECT x"},
    {"INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "INSERT t"},
    {"UPDATE t SET a = 1, b = 2 FROM u WHERE c", "UPDATE t u"},
    {"DELETE FROM t USING u, v WHERE a", "DELETE t u v"},
    {"MERGE INTO t USING s ON a = b WHEN MATCHED THEN UPDATE SET x = 1", "MERGE t s"},
    {"INSERT OR REPLACE INTO t VALUES (1)", "INSERT t"},
    {"UPDATE OR IGNORE t SET a = 1", "UPDATE t"},
    {"CREATE TABLE IF NOT EXISTS a.b (c int REFERENCES d ON DELETE CASCADE)", "CREATE TABLE a.b"},
    {"CREATE TABLE x AS SELECT * FROM y", "CREATE TABLE x SELECT y"},
    {"CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i"},
    {"DROP TABLE IF EXISTS a, b CASCADE", "DROP TABLE a b"},
    {"ALTER TABLE t ADD COLUMN c int", "ALTER TABLE t"},
    {"TRUNCATE TABLE ONLY t", "TRUNCATE t"},
    {"COPY t (a, b) FROM STDIN", "COPY t"},
    {"COPY (SELECT a FROM t) TO STDOUT", "COPY SELECT t"},
    {"EXPLAIN ANALYZE UPDATE t SET a = 1", "EXPLAIN UPDATE t"},
    {"EXPLAIN (COSTS OFF) DELETE FROM t", "EXPLAIN DELETE t"},
    {"PREPARE p AS INSERT INTO t VALUES ($1)", "PREPARE INSERT t"},
    {"EXECUTE p(1)", "EXECUTE p"},
    {"GRANT SELECT, INSERT ON t TO bob", "GRANT"},
    {"SET a.b TO c", "SET"},
    {"BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"},
    {"COMMIT;", "COMMIT"},
    {"INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", "BATCH INSERT t"},
    {"BEGIN; INSERT INTO t VALUES (1); COMMIT", "BATCH"},
    {"CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE a SET b = CASE WHEN c THEN 1 END; DELETE "
     "FROM d; END; SELECT 1",
     "BATCH"},
    {"CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM d; END;", "CREATE TRIGGER x DELETE d"},
};

static void summaries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_sql_scan(weir_view_str(cases[i].in), WEIR_SQL_POSTGRES, &sql);
        if (strcmp(sql.summary, cases[i].out) != 0)
            fail_msg("%s\n  is told as %s\n  expected   %s", cases[i].in, sql.summary,
                     cases[i].out);
    }
}

static void statements_are_counted(void **state) {
    (void)state;
    weir_sql_scan(WEIR_VIEW(";; SELECT 1 ; -- ;\n SELECT ';' ; SELECT $$;$$;"), WEIR_SQL_POSTGRES,
                  &sql);
    assert_int_equal(sql.statements, 3);
    weir_sql_scan(WEIR_VIEW(" ; "), WEIR_SQL_POSTGRES, &sql);
    assert_int_equal(sql.statements, 0);
}

static void long_summary_holds_whole_words(void **state) {
    (void)state;
    char text[2000];
    size_t size = (size_t)snprintf(text, sizeof text, "SELECT * FROM a");
    for (int i = 0; i < 100; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ", table%03d", i);
    weir_sql_scan(weir_view(text, size), WEIR_SQL_POSTGRES, &sql);
    assert_in_range(strlen(sql.summary), WEIR_SQL_SUMMARY_MAX - 9, WEIR_SQL_SUMMARY_MAX);
    assert_int_equal((strlen(sql.summary) - strlen("SELECT a")) % strlen(" table000"), 0);
}

static void deep_parentheses(void **state) {
    (void)state;
    static char text[20000];
    memset(text, '(', sizeof text);
    memcpy(text, "SELECT ", 7);
    weir_sql_scan(weir_view(text, sizeof text), WEIR_SQL_POSTGRES, &sql);
    assert_string_equal(sql.summary, "SELECT");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summaries), cmocka_unit_test(statements_are_counted),
        cmocka_unit_test(long_summary_holds_whole_words), cmocka_unit_test(deep_parentheses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
