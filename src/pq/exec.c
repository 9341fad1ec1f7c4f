/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: plain, with parameters, prepared; transactions. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "pq/connection.h"

static struct weir_sql_statement read_sql(const struct weir_pq *pq, const char *sql,
                                          struct weir_sql *room) {
    return weir_sql_read(sql, sql ? strlen(sql) : 0, weir_pq_dialect(pq), room);
}

static PGresult *finish(struct weir_pq *pq, struct weir_sql_operation *operation,
                        PGresult *result) {
    struct weir_pq_outcome outcome;
    weir_pq_judge(pq, result, &outcome, NULL);
    weir_sql_end(operation, &outcome.sql);
    return result;
}

struct pg_result *weir_pq_exec(struct weir_pq *pq, const char *sql) {
    struct weir_sql room;
    struct weir_sql_operation operation;
    if (!pq) return NULL;
    struct weir_sql_statement statement = read_sql(pq, sql, &room);
    weir_sql_begin(&operation, &pq->target, &statement);
    return finish(pq, &operation, PQexec(pq->conn, sql));
}

struct pg_result *weir_pq_exec_params(struct weir_pq *pq, const char *sql, int count,
                                      const unsigned *types, const char *const *values,
                                      const int *sizes, const int *formats, int result_format) {
    struct weir_sql room;
    struct weir_sql_operation operation;
    if (!pq) return NULL;
    struct weir_sql_statement statement = read_sql(pq, sql, &room);
    weir_sql_begin(&operation, &pq->target, &statement);
    return finish(pq, &operation,
                  PQexecParams(pq->conn, sql, count, types, values, sizes, formats, result_format));
}

/* ── prepared ────────────────────────────────────────────────────────────────────────────────── */

static struct weir_pq_prepared *find(struct weir_pq *pq, const char *name) {
    for (uint32_t i = 0; i < pq->prepared_count; i++)
        if (!strcmp(pq->prepared[i].name, name)) return &pq->prepared[i];
    return NULL;
}

/* Remembers what a name stands for; when memory is out it is told without its text. */
static void remember(struct weir_pq *pq, const char *name,
                     const struct weir_sql_statement *statement) {
    struct weir_pq_prepared *prepared = find(pq, name);
    char *copy = prepared ? NULL : strdup(name);
    struct weir_sql_statement *kept = weir_sql_statement_new(statement);
    if (!prepared && copy) {
        bool is_new = pq->prepared_count < WEIR_PQ_PREPARED_MAX;
        prepared = &pq->prepared[is_new ? pq->prepared_count++
                                        : pq->prepared_next++ % WEIR_PQ_PREPARED_MAX];
        free(prepared->name);
        prepared->name = copy;
    }
    if (!prepared) {
        free(kept);
        return;
    }
    free(prepared->statement);
    prepared->statement = kept;
}

struct pg_result *weir_pq_prepare(struct weir_pq *pq, const char *name, const char *sql, int count,
                                  const unsigned *types) {
    struct weir_sql room;
    struct weir_sql_operation operation;
    char summary[WEIR_SQL_SUMMARY_MAX + 16];
    if (!pq || !name) return NULL;
    struct weir_sql_statement statement = read_sql(pq, sql, &room), told = statement;
    snprintf(summary, sizeof summary, "PREPARE%s%s", statement.summary ? " " : "",
             statement.summary ? statement.summary : "");
    told.operation = "PREPARE";
    told.summary = summary;
    weir_sql_begin(&operation, &pq->target, &told);
    PGresult *result = PQprepare(pq->conn, name, sql, count, types);
    if (PQresultStatus(result) == PGRES_COMMAND_OK) remember(pq, name, &statement);
    return finish(pq, &operation, result);
}

struct pg_result *weir_pq_exec_prepared(struct weir_pq *pq, const char *name, int count,
                                        const char *const *values, const int *sizes,
                                        const int *formats, int result_format) {
    static const struct weir_sql_statement unknown = {.operation = "EXECUTE"};
    struct weir_sql_operation operation;
    if (!pq || !name) return NULL;
    struct weir_pq_prepared *prepared = find(pq, name);
    weir_sql_begin(&operation, &pq->target,
                   prepared && prepared->statement ? prepared->statement : &unknown);
    return finish(pq, &operation,
                  PQexecPrepared(pq->conn, name, count, values, sizes, formats, result_format));
}

/* ── transactions ────────────────────────────────────────────────────────────────────────────── */

/* COMMIT of a transaction that had failed succeeds, as ROLLBACK. */
static int check_commit(const PGresult *result, struct weir_pq_outcome *outcome,
                        struct weir_error *reterr) {
    PGresult *borrowed = (PGresult *)(uintptr_t)result; /* PQcmdStatus() only reads */
    if (strcmp(PQcmdStatus(borrowed), "ROLLBACK") != 0) return WEIR_OK;
    outcome->sql.error_type = "rolled_back";
    outcome->sql.description = "the transaction had failed before";
    return weir_error_set(reterr, WEIR_ECONFLICT,
                          "postgresql: the transaction had failed, COMMIT rolled it back");
}

int weir_pq_command(struct weir_pq *pq, const char *sql, const char *operation_name,
                    struct weir_error *reterr) {
    struct weir_sql_operation operation;
    struct weir_pq_outcome outcome;
    if (!pq) return weir_error_set(reterr, WEIR_EINVALID, "postgresql: no connection");
    const struct weir_sql_statement statement = {
        .text = sql, .summary = operation_name, .operation = operation_name};
    weir_sql_begin(&operation, &pq->target, &statement);
    PGresult *result = PQexec(pq->conn, sql);
    int code = weir_pq_judge(pq, result, &outcome, reterr);
    if (code == WEIR_OK && !strcmp(operation_name, "COMMIT"))
        code = check_commit(result, &outcome, reterr);
    weir_sql_end(&operation, &outcome.sql);
    PQclear(result);
    return code;
}

int weir_pq_begin(struct weir_pq *pq, struct weir_error *reterr) {
    return weir_pq_command(pq, "BEGIN", "BEGIN", reterr);
}

int weir_pq_commit(struct weir_pq *pq, struct weir_error *reterr) {
    return weir_pq_command(pq, "COMMIT", "COMMIT", reterr);
}

int weir_pq_rollback(struct weir_pq *pq, struct weir_error *reterr) {
    return weir_pq_command(pq, "ROLLBACK", "ROLLBACK", reterr);
}
