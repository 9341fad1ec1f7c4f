/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/sqlite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "sql/operation.h"

struct weir_sqlite {
    sqlite3 *handle;
    struct weir_sql_target target;
};

struct weir_sqlite_stmt {
    struct weir_sqlite *db;
    sqlite3_stmt *handle;
    struct weir_sql_statement *statement; /* NULL: memory was out, or telemetry is off */
    struct weir_sql_operation operation;  /* target NULL: does not run */
    int64_t rows;
};

/* ── connections ─────────────────────────────────────────────────────────────────────────────── */

/* The file's name without its folders. */
static void set_target(struct weir_sqlite *db) {
    const char *path = sqlite3_db_filename(db->handle, "main");
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = !path || !path[0] ? ":memory:" : slash ? slash + 1 : path;
    db->target = (struct weir_sql_target){.scope = "weir.sqlite", .system = "sqlite"};
    snprintf(db->target.name, sizeof db->target.name, "%s", name);
    weir_sql_target_set(&db->target);
}

struct weir_sqlite *weir_sqlite_adopt(struct sqlite3 *handle) {
    struct weir_sqlite *db = handle ? calloc(1, sizeof *db) : NULL;
    if (!db) return NULL;
    db->handle = handle;
    set_target(db);
    return db;
}

struct weir_sqlite *weir_sqlite_open(const char *path, int flags, struct weir_error *reterr) {
    sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(path, &handle,
                               flags ? flags : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code != SQLITE_OK) {
        weir_error_set(reterr, handle ? WEIR_EIO : WEIR_ENOMEMORY, "sqlite: %s: %s",
                       path ? path : "", handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
        sqlite3_close(handle);
        return NULL;
    }
    struct weir_sqlite *db = weir_sqlite_adopt(handle);
    if (!db) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "sqlite: %s: out of memory", path);
        sqlite3_close(handle);
    }
    return db;
}

void weir_sqlite_close(struct weir_sqlite *db) {
    if (!db) return;
    sqlite3_close_v2(db->handle);
    weir_sql_target_done(&db->target);
    free(db);
}

struct sqlite3 *weir_sqlite_handle(struct weir_sqlite *db) {
    return db ? db->handle : NULL;
}

/* ── outcomes ────────────────────────────────────────────────────────────────────────────────── */

/* SQLite's message quotes the statement, so only the text of the code is told. */
static void end(struct weir_sqlite *db, struct weir_sql_operation *operation, int code,
                int64_t rows) {
    char number[16];
    struct weir_sql_outcome outcome = {.rows = rows};
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
        int extended = sqlite3_extended_errcode(db->handle);
        if ((extended & 0xff) == (code & 0xff)) code = extended;
        snprintf(number, sizeof number, "%d", code);
        outcome.error_type = outcome.code = number;
        outcome.description = sqlite3_errstr(code);
    }
    weir_sql_end(operation, &outcome);
}

/* ── exec ────────────────────────────────────────────────────────────────────────────────────── */

struct counted {
    int (*row)(void *arg, int columns, char **values, char **names);
    void *arg;
    int64_t rows;
};

static int count_row(void *arg, int columns, char **values, char **names) {
    struct counted *counted = arg;
    counted->rows++;
    return counted->row ? counted->row(counted->arg, columns, values, names) : 0;
}

int weir_sqlite_exec(struct weir_sqlite *db, const char *sql,
                     int (*row)(void *arg, int columns, char **values, char **names), void *arg,
                     struct weir_error *reterr) {
    struct weir_sql room;
    struct weir_sql_operation operation;
    struct counted counted = {.row = row, .arg = arg};
    if (!db || !sql) return SQLITE_MISUSE;
    struct weir_sql_statement statement = weir_sql_read(sql, strlen(sql), WEIR_SQL_SQLITE, &room);
    weir_sql_begin(&operation, &db->target, &statement);
    int code = sqlite3_exec(db->handle, sql, count_row, &counted, NULL);
    end(db, &operation, code, counted.rows ? counted.rows : -1);
    if (code != SQLITE_OK)
        weir_error_set(reterr, WEIR_EINVALID, "sqlite: %s", sqlite3_errmsg(db->handle));
    return code;
}

/* ── statements ──────────────────────────────────────────────────────────────────────────────── */

int weir_sqlite_prepare(struct weir_sqlite *db, const char *sql, int size,
                        struct weir_sqlite_stmt **ret, const char **tail) {
    struct weir_sql room;
    const char *rest = NULL;
    *ret = NULL;
    if (!db || !sql) return SQLITE_MISUSE;
    struct weir_sqlite_stmt *stmt = calloc(1, sizeof *stmt);
    if (!stmt) return SQLITE_NOMEM;
    int code = sqlite3_prepare_v2(db->handle, sql, size, &stmt->handle, &rest);
    size_t used = rest && rest > sql ? (size_t)(rest - sql) : strlen(sql);
    struct weir_sql_statement statement = weir_sql_read(sql, used, WEIR_SQL_SQLITE, &room);
    statement.batch = 0; /* it is one */
    if (tail) *tail = rest;
    if (code != SQLITE_OK) {
        weir_sql_begin(&stmt->operation, &db->target, &statement);
        end(db, &stmt->operation, code, -1);
    }
    if (!stmt->handle) {
        free(stmt);
        return code;
    }
    stmt->db = db;
    if (statement.text) stmt->statement = weir_sql_statement_new(&statement);
    *ret = stmt;
    return code;
}

int weir_sqlite_step(struct weir_sqlite_stmt *stmt) {
    static const struct weir_sql_statement unknown = {.batch = 0};
    if (!stmt) return SQLITE_MISUSE;
    if (!stmt->operation.target) {
        stmt->rows = 0;
        weir_sql_begin(&stmt->operation, &stmt->db->target,
                       stmt->statement ? stmt->statement : &unknown);
    }
    int code = sqlite3_step(stmt->handle);
    if (code == SQLITE_ROW)
        stmt->rows++;
    else
        end(stmt->db, &stmt->operation, code, sqlite3_column_count(stmt->handle) ? stmt->rows : -1);
    return code;
}

/* The application has seen enough: that is no error. */
static void stop(struct weir_sqlite_stmt *stmt) {
    if (stmt->operation.target) end(stmt->db, &stmt->operation, SQLITE_OK, stmt->rows);
}

int weir_sqlite_reset(struct weir_sqlite_stmt *stmt) {
    if (!stmt) return SQLITE_OK;
    stop(stmt);
    return sqlite3_reset(stmt->handle);
}

int weir_sqlite_finalize(struct weir_sqlite_stmt *stmt) {
    if (!stmt) return SQLITE_OK;
    stop(stmt);
    int code = sqlite3_finalize(stmt->handle);
    free(stmt->statement);
    free(stmt);
    return code;
}

struct sqlite3_stmt *weir_sqlite_stmt_handle(struct weir_sqlite_stmt *stmt) {
    return stmt ? stmt->handle : NULL;
}
