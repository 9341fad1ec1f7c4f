/* SPDX-License-Identifier: Apache-2.0 */
/* COPY: one operation, from its begin to its end. */
#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "pq/connection.h"

/* Ends the span and forgets. */
static int finish(struct weir_pq *pq, int code, const struct weir_pq_outcome *outcome) {
    weir_sql_end(&pq->copy, &outcome->sql);
    free(pq->copy_statement);
    pq->copy_statement = NULL;
    return code;
}

static int not_open(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_EINVALID, "postgresql: no COPY of this kind is open");
}

int weir_pq_copy_begin(struct weir_pq *pq, const char *sql, struct weir_error *reterr) {
    static const struct weir_sql_statement unknown = {.operation = "COPY"};
    struct weir_sql room;
    struct weir_pq_outcome outcome;
    if (!pq || !sql || pq->copy.target)
        return weir_error_set(reterr, WEIR_EINVALID, "postgresql: %s",
                              pq && pq->copy.target ? "a COPY is open" : "no connection");
    struct weir_sql_statement statement =
        weir_sql_read(sql, strlen(sql), weir_pq_dialect(pq), &room);
    statement.operation = "COPY";
    pq->copy_statement = weir_sql_statement_new(&statement);
    pq->copy_rows = 0;
    weir_sql_begin(&pq->copy, &pq->target, pq->copy_statement ? pq->copy_statement : &unknown);
    PGresult *result = PQexec(pq->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    int code = weir_pq_judge(pq, result, &outcome, reterr);
    PQclear(result);
    pq->copy_in = status == PGRES_COPY_IN;
    if (pq->copy_in || status == PGRES_COPY_OUT) return WEIR_OK;
    if (code == WEIR_OK) /* it was another statement, and ran */
        code =
            weir_error_set(reterr, WEIR_EINVALID, "postgresql: not a COPY FROM STDIN or TO STDOUT");
    return finish(pq, code, &outcome);
}

int weir_pq_copy_put(struct weir_pq *pq, const void *data, size_t size, struct weir_error *reterr) {
    struct weir_pq_outcome outcome;
    if (!pq || !pq->copy.target || !pq->copy_in) return not_open(reterr);
    for (const char *at = data; size;) {
        int part = size < INT_MAX / 2 ? (int)size : INT_MAX / 2;
        if (PQputCopyData(pq->conn, at, part) < 0)
            return weir_pq_judge_connection(pq->conn, &outcome, reterr); /* the end tells it */
        at += part;
        size -= (size_t)part;
    }
    return WEIR_OK;
}

int weir_pq_copy_get(struct weir_pq *pq, char **ret, size_t *ret_size, struct weir_error *reterr) {
    struct weir_pq_outcome outcome;
    char *row = NULL;
    if (!pq || !pq->copy.target || pq->copy_in) return not_open(reterr);
    int size = PQgetCopyData(pq->conn, &row, 0);
    if (size == -1) return WEIR_END;
    if (size < 0) return weir_pq_judge_connection(pq->conn, &outcome, reterr);
    pq->copy_rows++;
    *ret = row;
    *ret_size = (size_t)size;
    return WEIR_OK;
}

static int64_t rows_of(PGresult *result) {
    int64_t rows;
    return weir_view_to_i64(weir_view_str(PQcmdTuples(result)), &rows) ? rows : -1;
}

/* All results that the server still has; the first that failed counts. */
static int collect(struct weir_pq *pq, struct weir_pq_outcome *outcome, int64_t *rows,
                   struct weir_error *reterr) {
    int code = WEIR_OK;
    PGresult *result;
    while ((result = PQgetResult(pq->conn)) != NULL) {
        if (code == WEIR_OK) code = weir_pq_judge(pq, result, outcome, reterr);
        *rows = rows_of(result);
        PQclear(result);
        if (PQstatus(pq->conn) == CONNECTION_BAD) break;
    }
    return code;
}

int weir_pq_copy_end(struct weir_pq *pq, const char *failure, int64_t *ret_rows,
                     struct weir_error *reterr) {
    struct weir_pq_outcome outcome = {.sql.rows = -1};
    int64_t rows = -1;
    char *row;
    if (!pq || !pq->copy.target) return not_open(reterr);
    if (pq->copy_in) {
        PQputCopyEnd(pq->conn, failure);
    } else {
        while (PQgetCopyData(pq->conn, &row, 0) > 0) PQfreemem(row);
    }
    int code = collect(pq, &outcome, &rows, reterr);
    if (!pq->copy_in) outcome.sql.rows = pq->copy_rows;
    if (ret_rows) *ret_rows = rows;
    return finish(pq, code, &outcome);
}
