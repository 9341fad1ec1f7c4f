/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite that traces itself: libweir-sqlite, on top of libweir and the program's own libsqlite3.
 *
 *     struct weir_sqlite *db = weir_sqlite_open("orders.db", 0, NULL);
 *     struct weir_sqlite_stmt *stmt;
 *     weir_sqlite_prepare(db, "INSERT INTO orders VALUES (?)", -1, &stmt, NULL);
 *     sqlite3_bind_text(weir_sqlite_stmt_handle(stmt), 1, "A-1", -1, SQLITE_STATIC);
 *     weir_sqlite_step(stmt);                    // span "INSERT orders", below the current span
 *     weir_sqlite_finalize(stmt);
 *     weir_sqlite_close(db);
 *
 * Each run of a statement, from its first step to its end, is a span and counts in
 * db.client.operation.duration. A span holds the statement without its values. Binding and reading
 * columns is SQLite's own; everything of SQLite stays reachable through the handles.
 *
 * Threads: as the SQLite handle that it stands for.
 */
#ifndef WEIR_SQLITE_H
#define WEIR_SQLITE_H

#include "weir/error.h"
#include "weir/version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
struct sqlite3_stmt;
struct weir_sqlite;
struct weir_sqlite_stmt;

/* Opens a file (":memory:" for none); `flags` are sqlite3_open_v2()'s, 0: read, write, create. NULL
 * with `reterr` set: WEIR_EIO with SQLite's words, WEIR_ENOMEMORY. */
WEIR_API struct weir_sqlite *weir_sqlite_open(const char *path, int flags,
                                              struct weir_error *reterr);
/* The same for a connection that is open already; takes it. NULL: memory is out, and it was not
 * taken. */
WEIR_API struct weir_sqlite *weir_sqlite_adopt(struct sqlite3 *db);
/* Closes (SQLite waits for statements that are not finalized). Takes NULL. */
WEIR_API void weir_sqlite_close(struct weir_sqlite *db);
/* SQLite's handle, borrowed. */
WEIR_API struct sqlite3 *weir_sqlite_handle(struct weir_sqlite *db);

/* As sqlite3_exec(): runs all statements of `sql`, and gives SQLite's code. One span for all.
 * `row` (may be NULL) is called for each row; its result other than 0 stops. */
WEIR_API int weir_sqlite_exec(struct weir_sqlite *db, const char *sql,
                              int (*row)(void *arg, int columns, char **values, char **names),
                              void *arg, struct weir_error *reterr);

/* As sqlite3_prepare_v2(); `size` -1: `sql` ends in NUL. Gives SQLite's code; *ret is NULL on an
 * error, and when there is no statement in the text. `tail` may be NULL. A statement that SQLite
 * refuses is a failed span. */
WEIR_API int weir_sqlite_prepare(struct weir_sqlite *db, const char *sql, int size,
                                 struct weir_sqlite_stmt **ret, const char **tail);
/* As sqlite3_step(). The first step begins the span; SQLITE_DONE, an error, a reset or finalize end
 * it. Takes NULL (SQLITE_MISUSE). */
WEIR_API int weir_sqlite_step(struct weir_sqlite_stmt *stmt);
/* As sqlite3_reset(): the statement may run again. Bindings stay. */
WEIR_API int weir_sqlite_reset(struct weir_sqlite_stmt *stmt);
/* As sqlite3_finalize(); frees. Takes NULL. */
WEIR_API int weir_sqlite_finalize(struct weir_sqlite_stmt *stmt);
/* SQLite's statement, for binding and columns. Borrowed. */
WEIR_API struct sqlite3_stmt *weir_sqlite_stmt_handle(struct weir_sqlite_stmt *stmt);

#ifdef __cplusplus
}
#endif
#endif
