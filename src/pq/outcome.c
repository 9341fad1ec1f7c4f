/* SPDX-License-Identifier: Apache-2.0 */
/* What results mean: error.type, SQLSTATE, a description without values, a code for the caller.
 *
 * Source: PostgreSQL 15, appendix A (classes of SQLSTATE).
 */
#include <stdio.h>

#include "base/error.h"
#include "pq/connection.h"

static const struct class {
    char code[3];
    const char *words;
} classes[] = {
    {"03", "SQL statement not yet complete"},
    {"08", "connection exception"},
    {"09", "triggered action exception"},
    {"0A", "feature not supported"},
    {"0B", "invalid transaction initiation"},
    {"0L", "invalid grantor"},
    {"0P", "invalid role specification"},
    {"20", "case not found"},
    {"21", "cardinality violation"},
    {"22", "data exception"},
    {"23", "integrity constraint violation"},
    {"24", "invalid cursor state"},
    {"25", "invalid transaction state"},
    {"26", "invalid SQL statement name"},
    {"28", "invalid authorization specification"},
    {"2B", "dependent privilege descriptors still exist"},
    {"2D", "invalid transaction termination"},
    {"34", "invalid cursor name"},
    {"3B", "savepoint exception"},
    {"3D", "invalid catalog name"},
    {"3F", "invalid schema name"},
    {"40", "transaction rollback"},
    {"42", "syntax error or access rule violation"},
    {"44", "WITH CHECK OPTION violation"},
    {"53", "insufficient resources"},
    {"54", "program limit exceeded"},
    {"55", "object not in prerequisite state"},
    {"57", "operator intervention"},
    {"58", "system error"},
    {"72", "snapshot failure"},
    {"P0", "PL/pgSQL error"},
    {"XX", "internal error"},
};

static const char *words_of(const char *code) {
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (!strncmp(classes[i].code, code, 2)) return classes[i].words;
    return "error";
}

/* Names of the schema are no values. */
static void describe(const PGresult *result, struct weir_pq_outcome *ret) {
    static const struct {
        int field;
        const char *word;
    } fields[] = {{PG_DIAG_TABLE_NAME, "table"},
                  {PG_DIAG_COLUMN_NAME, "column"},
                  {PG_DIAG_CONSTRAINT_NAME, "constraint"}};
    size_t size = (size_t)snprintf(ret->description, sizeof ret->description, "%s: %s", ret->code,
                                   words_of(ret->code));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *name = PQresultErrorField(result, fields[i].field);
        if (!name || size >= sizeof ret->description) continue;
        size += (size_t)snprintf(ret->description + size, sizeof ret->description - size, ", %s %s",
                                 fields[i].word, name);
    }
}

static int code_of(const char *state) {
    if (!strncmp(state, "08", 2) || !strncmp(state, "57P", 3)) return WEIR_EUNAVAILABLE;
    if (!strncmp(state, "40", 2)) return WEIR_ECONFLICT;
    if (!strncmp(state, "28", 2)) return WEIR_EAUTH;
    if (!strncmp(state, "53", 2)) return WEIR_EBUSY;
    if (!strcmp(state, "57014")) return WEIR_ECANCELED;
    return WEIR_EINVALID;
}

/* libpq's words end in a line break. */
static struct weir_view first_words(const char *message) {
    return weir_view_trim(weir_view_str(message));
}

int weir_pq_judge_connection(const PGconn *conn, struct weir_pq_outcome *ret,
                             struct weir_error *reterr) {
    bool is_bad = PQstatus(conn) == CONNECTION_BAD;
    ret->sql.error_type = is_bad ? "CONNECTION_BAD" : "PGRES_FATAL_ERROR";
    ret->sql.description = is_bad ? "no connection to the server" : "the call failed";
    return weir_error_set(reterr, is_bad ? WEIR_EUNAVAILABLE : WEIR_EINVALID, "postgresql: %.*s",
                          WEIR_VIEW_ARG(first_words(PQerrorMessage(conn))));
}

static bool is_failure(ExecStatusType status) {
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
           status == PGRES_PIPELINE_ABORTED;
}

int weir_pq_judge(struct weir_pq *pq, const PGresult *result, struct weir_pq_outcome *ret,
                  struct weir_error *reterr) {
    ExecStatusType status = PQresultStatus(result);
    *ret = (struct weir_pq_outcome){.sql.rows = -1};
    if (!is_failure(status)) {
        if (status == PGRES_TUPLES_OK) ret->sql.rows = PQntuples(result);
        return WEIR_OK;
    }
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!state) return weir_pq_judge_connection(pq->conn, ret, reterr);
    snprintf(ret->code, sizeof ret->code, "%.5s", state);
    describe(result, ret);
    ret->sql.error_type = ret->sql.code = ret->code;
    ret->sql.description = ret->description;
    return weir_error_set(reterr, code_of(ret->code), "postgresql: %.*s",
                          WEIR_VIEW_ARG(first_words(PQresultErrorMessage(result))));
}
