/* SPDX-License-Identifier: Apache-2.0 */
/* A connection from the inside.
 *
 * Threads: one at a time. Memory: the connection's own.
 */
#ifndef WEIR_PQ_CONNECTION_H
#define WEIR_PQ_CONNECTION_H

#include <libpq-fe.h>
#include <unistd.h>

#include "sql/operation.h"
#include "weir/pq.h"

enum { WEIR_PQ_PREPARED_MAX = 256 };

struct weir_pq_prepared {
    char *name;
    struct weir_sql_statement *statement;
};

struct weir_pq {
    PGconn *conn;
    pid_t pid; /* whose it is */
    struct weir_sql_target target;
    struct weir_pq_prepared prepared[WEIR_PQ_PREPARED_MAX]; /* oldest replaced first */
    uint32_t prepared_count;
    uint32_t prepared_next;
    struct weir_sql_operation copy; /* target NULL: none is open */
    struct weir_sql_statement *copy_statement;
    bool copy_in;
    int64_t copy_rows;
    struct weir_pq *next; /* in the pool */
    int64_t since_ns;     /* monotonic: taken, or given back */
};

/* weir_pq_open, with a limit for connecting where the string has none (seconds; 0: none). */
struct weir_pq *weir_pq_connect(const char *conninfo, int timeout_s, struct weir_error *reterr);

/* What a result means. The texts lie in the outcome's own room. */
struct weir_pq_outcome {
    struct weir_sql_outcome sql;
    char code[8];
    char description[256];
};
/* `result` may be NULL. Gives WEIR_OK, or a code with `reterr` in the server's words. */
int weir_pq_judge(struct weir_pq *pq, const PGresult *result, struct weir_pq_outcome *ret,
                  struct weir_error *reterr);
/* For what has no result: a broken connection, a refused COPY. */
int weir_pq_judge_connection(const PGconn *conn, struct weir_pq_outcome *ret,
                             struct weir_error *reterr);

enum weir_sql_dialect weir_pq_dialect(const struct weir_pq *pq);
/* weir_pq_exec for a command whose operation the call says. Gives as weir_pq_judge. */
int weir_pq_command(struct weir_pq *pq, const char *sql, const char *operation,
                    struct weir_error *reterr);

#endif
