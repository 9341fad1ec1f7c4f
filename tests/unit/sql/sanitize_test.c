/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "sql/sql.h"
#include "unit.h"

static struct weir_sql sql;

static const char *text_of(char dialect, const char *text) {
    weir_sql_scan(weir_view_str(text),
                  dialect == 'S'   ? WEIR_SQL_SQLITE
                  : dialect == 'B' ? WEIR_SQL_POSTGRES_BACKSLASH
                                   : WEIR_SQL_POSTGRES,
                  &sql);
    return sql.text;
}

static const struct {
    char dialect; /* of PostgreSQL (P), with backslashes (B), of SQLite (S) */
    const char *in, *out;
} cases[] = {
    {'P', "", ""},
    {'P', "SELECT 1", "SELECT ?"},
    {'P', "SELECT 'it''s', 1.5e-3, .5, 0xFFe+1, 1_000, 5abc", "SELECT ?+?"},
    {'P', "SELECT a1, b$2 FROM t_3", "SELECT a1, b$2 FROM t_3"},
    {'P', "SELECT * FROM t WHERE a = $1 AND b = $22", "SELECT * FROM t WHERE a = $1 AND b = $22"},
    {'P', "x = E'a\\'b' AND y = 'c\\' AND z = 'd'", "x = ? AND y = ? AND z = ?"},
    {'B', "x = 'a\\'b' AND y = N'c\\'d'", "x = ? AND y = ?"},
    {'P', "x = U&'d\\0061' AND U&\"n\\0061me\" = B'01' AND y = X'1F' AND n'x' = e",
     "x = ? AND U&\"n\\0061me\" = ? AND y = ? AND ? = e"},
    {'P', "SELECT $$it's$$, $a$ $$ $b$ $a$", "SELECT ?"},
    {'P', "SELECT $a$ never closed, it's", "SELECT ?"},
    {'P', "SELECT 'never closed, x = 1", "SELECT ?"},
    {'P', "SELECT \"never closed, x = 1", "SELECT ?"},
    {'P', "SELECT a /* never /* closed */ x = 'y'", "SELECT a"},
    {'P', "SELECT /* a /* nested */ one */ b -- 'and' a line\n, c", "SELECT b , c"},
    {'S', "SELECT /* not /* nested */ b -- x", "SELECT b"},
    {'P', "SELECT 'a'\n  'b', E'a' -- x\n 'b\\'c', 'd' 'e'", "SELECT ? ?"},
    {'P', "a::text = '1'::text AND t.true AND b IS TRUE OR FALSE",
     "a::text = ?::text AND t.true AND b IS ? OR ?"},
    {'P', "n IN (1, 2,3) OR n IN ( -1 , +2 ) OR n = -5 OR n - 5 > 0",
     "n IN (?) OR n IN ( ? ) OR n = ? OR n - ? > ?"},
    {'P', "VALUES (1, 'a'), (2, 'b'),(3,'c') RETURNING id", "VALUES (?) RETURNING id"},
    {'P', "VALUES ($1, 'a'), ($2, 'b')", "VALUES ($1, ?), ($2, ?)"},
    {'P', "ARRAY[1,2,3] @> f(1, x, 2)", "ARRAY[?] @> f(?, x, ?)"},
    {'P', "  a \t\n = \r b ", "a = b"},
    {'P', "a/**/b", "a b"},
    {'P', "data ? 'key' AND data->>'k' = 'v'", "data ? ? AND data->>? = ?"},
    {'P', "SET app.secret TO hunter2; SET LOCAL a.b = c, d",
     "SET app.secret TO ?; SET LOCAL a.b = ?"},
    {'P', "ALTER ROLE bob SET x.y = hunter2", "ALTER ROLE bob SET x.y = ?"},
    {'P', "UPDATE t SET a = b, c = 5 WHERE d = 'x'", "UPDATE t SET a = b, c = ? WHERE d = ?"},
    {'S', "PRAGMA key = hunter2", "PRAGMA key = ?"},
    {'S', "PRAGMA key(hunter2)", "PRAGMA key(?)"},
    {'S',
     "SELECT [a b], `c`, x'00ff' FROM t WHERE a = ?1 AND b = :n AND c = @m AND d = $o AND e "
     "= ?",
     "SELECT [a b], `c`, ? FROM t WHERE a = ?1 AND b = :n AND c = @m AND d = $o AND e = ?"},
    {'S', "SELECT \"col\" FROM \"my table\" AS \"m\" WHERE \"m\".\"x\" = \"Ann\"",
     "SELECT ? FROM \"my table\" AS \"m\" WHERE \"m\".\"x\" = ?"},
    {'S', "INSERT INTO \"t\" (\"a\", \"b\") VALUES (\"Ann\", 2)",
     "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?)"},
    {'S', "x = 'a\\' AND y = 'b'", "x = ? AND y = ?"},
    {'S', "[never closed, 'x'", "?"},
};

static void shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(text_of(cases[i].dialect, cases[i].in), cases[i].out) != 0)
            fail_msg("%s\n  became   %s\n  expected %s", cases[i].in, sql.text, cases[i].out);
        char again[sizeof sql.text];
        snprintf(again, sizeof again, "%s", sql.text);
        assert_string_equal(text_of(cases[i].dialect, again), again);
    }
}

static void long_text_is_cut_between_tokens(void **state) {
    (void)state;
    static char text[100000];
    size_t size = 0;
    size += (size_t)snprintf(text, sizeof text, "SELECT ");
    for (int i = 0; i < 3000; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "column_%d, ", i);
    snprintf(text + size, sizeof text - size, "'x' FROM a; SELECT 1");
    text_of('P', text);
    assert_in_range(sql.text_size, WEIR_SQL_TEXT_MAX - 20, WEIR_SQL_TEXT_MAX);
    assert_memory_equal(sql.text, text, sql.text_size);
    assert_int_equal(sql.statements, 2); /* counted to the end */
    assert_string_equal(sql.summary, "BATCH");
}

static void many_values_stay_short(void **state) {
    (void)state;
    static char text[200000];
    size_t size = (size_t)snprintf(text, sizeof text, "INSERT INTO t VALUES (0, 'x')");
    for (int i = 1; i < 5000; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ", (%d, 'value %d')", i, i);
    assert_string_equal(text_of('P', text), "INSERT INTO t VALUES (?)");
}

/* A statement of random pieces around a random secret, in each form that a literal has: the secret
 * is nowhere in what comes out. */
static void no_secret_comes_out(void **state) {
    (void)state;
    static const char *const pieces[] = {"SELECT ",
                                         "a, ",
                                         "FROM t ",
                                         "WHERE x = ",
                                         "(",
                                         ") ",
                                         ", ",
                                         "-",
                                         "; ",
                                         "-- c\n",
                                         "/* c */ ",
                                         "AND y IN (1, 2) ",
                                         "'' ",
                                         "'a''b' ",
                                         "\"n\" ",
                                         "E'\\\\' ",
                                         "$1 ",
                                         "::text ",
                                         "INSERT INTO u (a) VALUES ",
                                         "JOIN v ON ",
                                         "UPDATE w SET a = ",
                                         "CREATE TABLE z (",
                                         "SET q TO ",
                                         "$$ ' $$ ",
                                         "\n"};
    static const char *const forms[] = {"'%s' ",      "E'\\'%s' ", "$tag$%s$tag$ ", "U&'%s' ",
                                        "'x''%s''' ", "$$'%s$$ ",  "'a'\n '%s' ",   "9%s ",
                                        "-- %s\n",    "/* %s */ "};
    const char *given = getenv("WEIR_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)weir_clock_wall_ns();
    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 20000; round++) {
        char secret[20], text[2000];
        size_t size = 0;
        snprintf(secret, sizeof secret, "s%llxt", (unsigned long long)weir_rand_next(&rand));
        uint64_t count = weir_rand_next(&rand) % 12, place = weir_rand_next(&rand) % 12;
        for (uint64_t i = 0; i <= count; i++) {
            const char *piece = pieces[weir_rand_next(&rand) % (sizeof pieces / sizeof pieces[0])];
            size += (size_t)snprintf(text + size, sizeof text - size, "%s", piece);
            if (i != place % (count + 1)) continue;
            const char *form = forms[weir_rand_next(&rand) % (sizeof forms / sizeof forms[0])];
            const char *at = strstr(form, "%s");
            size += (size_t)snprintf(text + size, sizeof text - size, "%.*s%s%s", (int)(at - form),
                                     form, secret, at + 2);
        }
        text_of('P', text);
        if (strstr(sql.text, secret) || strstr(sql.summary, secret))
            fail_msg("%s\n  became %s\n  summary %s", text, sql.text, sql.summary);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes), cmocka_unit_test(long_text_is_cut_between_tokens),
        cmocka_unit_test(many_values_stay_short), cmocka_unit_test(no_secret_comes_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
