/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: opened, taken over, closed. */
#include "pq/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"

enum { USUAL_PORT = 5432 };

/* ── where it leads ──────────────────────────────────────────────────────────────────────────── */

static int port_of(const PGconn *conn) {
    uint64_t port = 0;
    const char *text = PQport(conn);
    return text && weir_view_to_u64(weir_view_str(text), &port) && port < 65536 ? (int)port : 0;
}

/* db.namespace is the database: the schema would need a question to the server. */
static void set_target(struct weir_pq *pq) {
    const char *host = PQhost(pq->conn), *peer = PQhostaddr(pq->conn), *name = PQdb(pq->conn);
    int port = port_of(pq->conn);
    struct weir_sql_target *target = &pq->target;
    target->scope = "weir.pq";
    target->system = "postgresql";
    snprintf(target->name, sizeof target->name, "%s", name ? name : "");
    snprintf(target->address, sizeof target->address, "%s", host ? host : "");
    snprintf(target->peer, sizeof target->peer, "%s", peer ? peer : "");
    target->port = host && port != USUAL_PORT ? port : 0;
    target->peer_port = target->peer[0] ? port : 0;
    weir_sql_target_set(target);
}

/* ── opening and closing ─────────────────────────────────────────────────────────────────────── */

static struct weir_pq *new_connection(PGconn *conn) {
    struct weir_pq *pq = calloc(1, sizeof *pq);
    if (!pq) return NULL;
    pq->conn = conn;
    pq->pid = getpid();
    set_target(pq);
    return pq;
}

struct weir_pq *weir_pq_adopt(struct pg_conn *conn) {
    return conn ? new_connection(conn) : NULL;
}

static PGconn *dial(const char *conninfo, int timeout_s) {
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", timeout_s);
    /* What stands in the connection string comes later and wins. */
    const char *keys[] = {"connect_timeout", "dbname", NULL};
    const char *values[] = {timeout_s ? timeout : NULL, conninfo, NULL};
    return PQconnectdbParams(keys, values, 1);
}

static void tell_connect(struct weir_pq *pq, int64_t took_ns, const struct weir_sql_outcome *told) {
    char summary[sizeof pq->target.name + 8];
    struct weir_sql_operation operation;
    snprintf(summary, sizeof summary, "connect%s%s", pq->target.name[0] ? " " : "",
             pq->target.name);
    const struct weir_sql_statement statement = {.summary = summary, .operation = "connect"};
    weir_sql_begin_late(&operation, &pq->target, &statement, took_ns);
    weir_sql_end(&operation, told);
}

static bool is_readable(const char *conninfo, struct weir_error *reterr) {
    char *words = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo ? conninfo : "", &words);
    if (!options)
        weir_error_set(reterr, words ? WEIR_EINVALID : WEIR_ENOMEMORY, "postgresql: %s",
                       words ? words : "out of memory");
    PQfreemem(words);
    PQconninfoFree(options);
    return options != NULL;
}

struct weir_pq *weir_pq_connect(const char *conninfo, int timeout_s, struct weir_error *reterr) {
    struct weir_pq_outcome outcome = {.sql.rows = -1};
    if (!is_readable(conninfo, reterr)) return NULL;
    int64_t start_ns = weir_clock_mono_ns();
    PGconn *conn = dial(conninfo, timeout_s);
    struct weir_pq *pq = conn ? new_connection(conn) : NULL;
    if (!pq) {
        PQfinish(conn);
        weir_error_set(reterr, WEIR_ENOMEMORY, "postgresql: out of memory");
        return NULL;
    }
    int code = PQstatus(conn) == CONNECTION_OK ? WEIR_OK
                                               : weir_pq_judge_connection(conn, &outcome, reterr);
    tell_connect(pq, weir_clock_mono_ns() - start_ns, &outcome.sql);
    if (code == WEIR_OK) return pq;
    weir_pq_close(pq);
    return NULL;
}

struct weir_pq *weir_pq_open(const char *conninfo, struct weir_error *reterr) {
    return weir_pq_connect(conninfo, 0, reterr);
}

void weir_pq_close(struct weir_pq *pq) {
    if (!pq) return;
    bool is_ours = pq->pid == getpid();
    if (is_ours && pq->copy.target) weir_pq_copy_end(pq, "closed", NULL, NULL);
    for (uint32_t i = 0; i < pq->prepared_count; i++) {
        free(pq->prepared[i].name);
        free(pq->prepared[i].statement);
    }
    /* In a child of fork() a goodbye would end the parent's session. */
    if (is_ours) PQfinish(pq->conn);
    weir_sql_target_done(&pq->target);
    free(pq);
}

struct pg_conn *weir_pq_handle(struct weir_pq *pq) {
    return pq ? pq->conn : NULL;
}

enum weir_sql_dialect weir_pq_dialect(const struct weir_pq *pq) {
    const char *conforming = PQparameterStatus(pq->conn, "standard_conforming_strings");
    return conforming && !strcmp(conforming, "off") ? WEIR_SQL_POSTGRES_BACKSLASH
                                                    : WEIR_SQL_POSTGRES;
}
