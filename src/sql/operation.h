/* SPDX-License-Identifier: Apache-2.0 */
/* A database operation as telemetry: its span, and its place in the metrics.
 *
 *     struct weir_sql_operation operation;
 *     weir_sql_begin(&operation, target, &statement);
 *     ... the database works ...
 *     weir_sql_end(&operation, &(struct weir_sql_outcome){.rows = 3});
 *
 * The span is CLIENT, a child of the current one, named by the summary. Nothing that a database
 * says in words is told: its messages quote values.
 *
 * Threads: a target may be shared once it is set; an operation belongs to one thread at a time.
 * Memory: an operation borrows target and statement until its end.
 * Source: OpenTelemetry semantic conventions 1.44, database spans and metrics.
 */
#ifndef WEIR_SQL_OPERATION_H
#define WEIR_SQL_OPERATION_H

#include "sql/sql.h"
#include "weir/metric.h"
#include "weir/trace.h"

/* Where a connection leads. Zero it, fill it, set it; texts are copied in, cut if too long. */
struct weir_sql_target {
    const char *scope;  /* instrumentation scope, static */
    const char *system; /* db.system.name, static */
    char name[128];     /* db.namespace; "": unknown */
    char address[256];  /* server.address; "": none */
    char peer[64];      /* network.peer.address; "": none */
    int port;           /* server.port; 0: none, or the usual one */
    int peer_port;      /* network.peer.port; 0: none */
    struct weir_tracer *tracer;
    struct weir_attribute_set *bound;
};

/* After the fields were filled; and again when they changed. */
void weir_sql_target_set(struct weir_sql_target *target);
void weir_sql_target_done(struct weir_sql_target *target);

/* What is run. Borrowed texts; NULL: unknown. */
struct weir_sql_statement {
    const char *text;      /* db.query.text */
    const char *summary;   /* db.query.summary */
    const char *operation; /* db.operation.name, where the call itself says it */
    uint32_t batch;        /* db.operation.batch.size; below 2: no batch */
};

/* Reads `sql` into `room` and gives it as a statement that borrows from there. Reads nothing, and
 * gives an empty one, while telemetry is off. */
struct weir_sql_statement weir_sql_read(const char *sql, size_t size, enum weir_sql_dialect dialect,
                                        struct weir_sql *room);
/* A copy in one piece of memory: free() it. NULL when memory is out. */
struct weir_sql_statement *weir_sql_statement_new(const struct weir_sql_statement *statement);

struct weir_sql_operation {
    const struct weir_sql_target *target;
    struct weir_sql_statement statement;
    struct weir_span *span;
    int64_t start_ns; /* monotonic */
};

struct weir_sql_outcome {
    const char *error_type;  /* NULL: it went well */
    const char *code;        /* db.response.status_code of an error; NULL: none */
    const char *description; /* of an error; holds no values */
    int64_t rows;            /* returned; -1: it returns none */
};

void weir_sql_begin(struct weir_sql_operation *operation, const struct weir_sql_target *target,
                    const struct weir_sql_statement *statement);
/* For what began `before_ns` (monotonic) ago, when the target was not yet known. */
void weir_sql_begin_late(struct weir_sql_operation *operation, const struct weir_sql_target *target,
                         const struct weir_sql_statement *statement, int64_t before_ns);
void weir_sql_end(struct weir_sql_operation *operation, const struct weir_sql_outcome *outcome);

/* Buckets of database durations, in seconds. */
extern const double weir_sql_bounds[];
extern const size_t weir_sql_bounds_count;

#endif
