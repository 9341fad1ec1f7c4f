/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL that traces itself: libweir-pq, on top of libweir and the program's own libpq.
 *
 *     struct weir_pq *pq = weir_pq_open("dbname=shop", NULL);
 *     const char *values[] = {"A-1"};
 *     struct pg_result *result = weir_pq_exec_params(
 *         pq, "INSERT INTO orders VALUES ($1)", 1, NULL, values, NULL, NULL, 0);
 *     PQclear(result);                           // span "INSERT orders", below the current span
 *     weir_pq_close(pq);
 *
 * Each call is a span and counts in db.client.operation.duration. A span holds the statement
 * without its values, and of an error the SQLSTATE with the names of table and constraint: neither
 * parameters nor the server's messages, which quote values. Results are libpq's own PGresult, and
 * all of libpq stays reachable through the handle; what is sent there is not seen.
 *
 * Threads: a connection belongs to one thread at a time, a pool to all. After a fork both are the
 * parent's: in the child a pool gives nothing out, and close only forgets.
 */
#ifndef WEIR_PQ_H
#define WEIR_PQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"
#include "weir/version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */
struct weir_pq;

/* Connects, waiting as long as the connection string (connect_timeout) says; span "connect <db>".
 * `conninfo` is PQconnectdb()'s: "host=… dbname=…" or a URI; NULL: PG* variables. NULL with
 * `reterr` set: WEIR_EINVALID (connection string), WEIR_EUNAVAILABLE, in libpq's words,
 * WEIR_ENOMEMORY. */
WEIR_API struct weir_pq *weir_pq_open(const char *conninfo, struct weir_error *reterr);
/* The same for a connection that is open already; takes it. NULL: memory is out, and it was not
 * taken. */
WEIR_API struct weir_pq *weir_pq_adopt(struct pg_conn *conn);
/* Takes NULL. A connection of a pool goes back with weir_pq_pool_give instead. */
WEIR_API void weir_pq_close(struct weir_pq *pq);
/* libpq's handle, borrowed. */
WEIR_API struct pg_conn *weir_pq_handle(struct weir_pq *pq);

/* ── statements ──────────────────────────────────────────────────────────────────────────────── */

/* As PQexec(), PQexecParams(), PQprepare(), PQexecPrepared(): give a result to PQclear(), NULL when
 * memory is out or the connection is gone. Several statements in one text are one span, with
 * db.operation.batch.size. */
WEIR_API struct pg_result *weir_pq_exec(struct weir_pq *pq, const char *sql);
WEIR_API struct pg_result *weir_pq_exec_params(struct weir_pq *pq, const char *sql, int count,
                                               const unsigned *types, const char *const *values,
                                               const int *sizes, const int *formats,
                                               int result_format);
WEIR_API struct pg_result *weir_pq_prepare(struct weir_pq *pq, const char *name, const char *sql,
                                           int count, const unsigned *types);
/* Its span tells the statement that was prepared under the name through weir_pq_prepare (of the
 * latest 256 names). */
WEIR_API struct pg_result *weir_pq_exec_prepared(struct weir_pq *pq, const char *name, int count,
                                                 const char *const *values, const int *sizes,
                                                 const int *formats, int result_format);

/* Spans BEGIN, COMMIT, ROLLBACK. WEIR_OK, or an error in the server's words: WEIR_ECONFLICT (the
 * transaction had failed and COMMIT rolled it back, or it could not be serialized), WEIR_EINVALID,
 * WEIR_EUNAVAILABLE (connection). */
WEIR_API int weir_pq_begin(struct weir_pq *pq, struct weir_error *reterr);
WEIR_API int weir_pq_commit(struct weir_pq *pq, struct weir_error *reterr);
WEIR_API int weir_pq_rollback(struct weir_pq *pq, struct weir_error *reterr);

/* COPY, as one span from begin to end. `sql` is "COPY … FROM STDIN" or "COPY … TO STDOUT". Errors
 * as above; begin's ends the span. */
WEIR_API int weir_pq_copy_begin(struct weir_pq *pq, const char *sql, struct weir_error *reterr);
/* FROM STDIN: sends bytes of any size, rows need not be whole. */
WEIR_API int weir_pq_copy_put(struct weir_pq *pq, const void *data, size_t size,
                              struct weir_error *reterr);
/* TO STDOUT: WEIR_OK with one row in *ret (PQfreemem() it), or WEIR_END. */
WEIR_API int weir_pq_copy_get(struct weir_pq *pq, char **ret, size_t *ret_size,
                              struct weir_error *reterr);
/* Ends it; what is left of a COPY TO is read and dropped. `failure` (may be NULL) makes the server
 * undo a COPY FROM. `ret_rows` (may be NULL) gets how many rows were copied. */
WEIR_API int weir_pq_copy_end(struct weir_pq *pq, const char *failure, int64_t *ret_rows,
                              struct weir_error *reterr);

/* ── pool ────────────────────────────────────────────────────────────────────────────────────── */

/* Zero it, set struct_size. Borrowed during weir_pq_pool_open. */
struct weir_pq_pool_options {
    size_t struct_size;   /* sizeof(struct weir_pq_pool_options) */
    const char *conninfo; /* as weir_pq_open's */
    const char *name;     /* db.client.connection.pool.name; default "<address>:<port>/<db>" */
    unsigned max;         /* connections, used and idle; default 8 */
    unsigned idle_max;    /* idle ones that are kept; default max */
    int64_t wait_ms;      /* take waits so long for a connection, and for the server where the
                             connection string has no connect_timeout; default 5000 */
    int64_t idle_ms;      /* one that was idle for longer is closed at the next take or give;
                             default 300000 */
    int64_t check_ms;     /* one that was idle for longer is tried before it is given out (a round
                             trip); default 1000, -1: never */
};

struct weir_pq_pool;

/* Does not connect. NULL: WEIR_EINVALID (options, connection string), WEIR_ENOMEMORY. */
WEIR_API struct weir_pq_pool *weir_pq_pool_open(const struct weir_pq_pool_options *options,
                                                struct weir_error *reterr);
/* An idle connection, or a new one while there are fewer than max, else waits. NULL: WEIR_ETIMEOUT
 * (all stayed in use), WEIR_EUNAVAILABLE (no server), WEIR_ECLOSED (after a fork, or the pool is
 * closing), WEIR_ENOMEMORY. */
WEIR_API struct weir_pq *weir_pq_pool_take(struct weir_pq_pool *pool, struct weir_error *reterr);
/* Gives it back. An open transaction is rolled back; one in the middle of something, or broken, is
 * closed. Takes NULL. */
WEIR_API void weir_pq_pool_give(struct weir_pq_pool *pool, struct weir_pq *pq);
/* Waits until all connections are back, closes them, frees. Takes NULL. */
WEIR_API void weir_pq_pool_close(struct weir_pq_pool *pool);

struct weir_pq_pool_stats {
    size_t struct_size; /* set by the caller */
    unsigned used, idle, waiting;
    uint64_t opened, closed, timeouts;
};
WEIR_API void weir_pq_pool_stats_get(struct weir_pq_pool *pool, struct weir_pq_pool_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
