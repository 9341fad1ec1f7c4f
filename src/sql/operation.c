/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/operation.h"

#include <stdlib.h>

#include "base/clock.h"
#include "weir/weir.h"

const double weir_sql_bounds[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};
const size_t weir_sql_bounds_count = sizeof weir_sql_bounds / sizeof weir_sql_bounds[0];

static const double rows_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};

#define NOT_SAID(key) WEIR_STR(key, NULL)

/* ── target ──────────────────────────────────────────────────────────────────────────────────── */

static const char *or_null(const char *text) {
    return text && text[0] ? text : NULL;
}

static struct weir_attribute port_or_none(const char *key, int port) {
    return port ? WEIR_INT(key, port) : NOT_SAID(key);
}

void weir_sql_target_set(struct weir_sql_target *target) {
    const struct weir_attribute attrs[] = {WEIR_STR("db.system.name", target->system),
                                           WEIR_STR("db.namespace", or_null(target->name)),
                                           WEIR_STR("server.address", or_null(target->address)),
                                           port_or_none("server.port", target->port),
                                           WEIR_STR("network.peer.address", or_null(target->peer)),
                                           port_or_none("network.peer.port", target->peer_port)};
    weir_attributes_free(target->bound);
    target->bound = weir_attributes_bind(attrs, sizeof attrs / sizeof attrs[0]);
    target->tracer = weir_tracer_get(target->scope, WEIR_VERSION);
}

void weir_sql_target_done(struct weir_sql_target *target) {
    weir_attributes_free(target->bound);
    target->bound = NULL;
}

/* ── statement ───────────────────────────────────────────────────────────────────────────────── */

struct weir_sql_statement weir_sql_read(const char *sql, size_t size, enum weir_sql_dialect dialect,
                                        struct weir_sql *room) {
    if (!sql || !weir_is_running()) return (struct weir_sql_statement){.batch = 0};
    weir_sql_scan(weir_view(sql, size), dialect, room);
    return (struct weir_sql_statement){
        .text = room->text, .summary = or_null(room->summary), .batch = room->statements};
}

struct weir_sql_statement *weir_sql_statement_new(const struct weir_sql_statement *statement) {
    size_t text_size = statement->text ? strlen(statement->text) + 1 : 0;
    size_t summary_size = statement->summary ? strlen(statement->summary) + 1 : 0;
    struct weir_sql_statement *ret = malloc(sizeof *ret + text_size + summary_size);
    if (!ret) return NULL;
    char *room = (char *)(ret + 1);
    *ret = *statement;
    if (text_size) ret->text = memcpy(room, statement->text, text_size);
    if (summary_size) ret->summary = memcpy(room + text_size, statement->summary, summary_size);
    return ret;
}

/* ── operation ───────────────────────────────────────────────────────────────────────────────── */

static const char *name_of(const struct weir_sql_operation *operation) {
    const struct weir_sql_statement *statement = &operation->statement;
    const struct weir_sql_target *target = operation->target;
    if (statement->summary) return statement->summary;
    if (statement->operation) return statement->operation;
    return target->name[0] ? target->name : target->system;
}

static void start(struct weir_sql_operation *operation, int64_t start_wall_ns) {
    const struct weir_sql_statement *statement = &operation->statement;
    const struct weir_attribute attrs[] = {
        WEIR_STR("db.query.summary", statement->summary),
        WEIR_STR("db.query.text", statement->text),
        WEIR_STR("db.operation.name", statement->operation),
        statement->batch > 1 ? WEIR_INT("db.operation.batch.size", statement->batch)
                             : NOT_SAID("db.operation.batch.size")};
    operation->span = weir_span_start(
        operation->target->tracer, name_of(operation),
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = WEIR_KIND_CLIENT,
                                    .start_ns = start_wall_ns,
                                    .bound = operation->target->bound,
                                    .attributes = attrs,
                                    .attributes_count = sizeof attrs / sizeof attrs[0]});
}

void weir_sql_begin(struct weir_sql_operation *operation, const struct weir_sql_target *target,
                    const struct weir_sql_statement *statement) {
    *operation = (struct weir_sql_operation){
        .target = target, .statement = *statement, .start_ns = weir_clock_mono_ns()};
    start(operation, 0);
}

void weir_sql_begin_late(struct weir_sql_operation *operation, const struct weir_sql_target *target,
                         const struct weir_sql_statement *statement, int64_t before_ns) {
    *operation = (struct weir_sql_operation){
        .target = target, .statement = *statement, .start_ns = weir_clock_mono_ns() - before_ns};
    start(operation, weir_clock_wall_ns() - before_ns);
}

static void fail(struct weir_span *span, const struct weir_sql_outcome *outcome) {
    weir_span_set(span, WEIR_STR("error.type", outcome->error_type));
    weir_span_set(span, WEIR_STR("db.response.status_code", outcome->code));
    weir_span_set_status(span, WEIR_STATUS_ERROR, outcome->description);
    weir_span_record_exception(span, outcome->error_type, outcome->description, NULL, NULL, 0);
}

static void measure(const struct weir_sql_operation *operation,
                    const struct weir_sql_outcome *outcome) {
    const struct weir_sql_target *target = operation->target;
    struct weir_meter *meter = weir_meter_get(target->scope, WEIR_VERSION);
    const struct weir_attribute attrs[] = {
        WEIR_STR("db.system.name", target->system),
        WEIR_STR("db.namespace", or_null(target->name)),
        WEIR_STR("db.query.summary", operation->statement.summary),
        WEIR_STR("db.operation.name", operation->statement.operation),
        WEIR_STR("server.address", or_null(target->address)),
        port_or_none("server.port", target->port),
        WEIR_STR("error.type", outcome->error_type),
        WEIR_STR("db.response.status_code", outcome->error_type ? outcome->code : NULL)};
    size_t count = sizeof attrs / sizeof attrs[0];
    weir_instrument_record(weir_histogram_get(meter, "db.client.operation.duration", "s",
                                              "Duration of database client operations.",
                                              weir_sql_bounds, weir_sql_bounds_count),
                           (double)(weir_clock_mono_ns() - operation->start_ns) / 1e9, attrs,
                           count);
    if (outcome->rows >= 0 && !outcome->error_type)
        weir_instrument_record(
            weir_histogram_get(meter, "db.client.response.returned_rows", "{row}",
                               "Rows that a database operation returned.", rows_bounds,
                               sizeof rows_bounds / sizeof rows_bounds[0]),
            (double)outcome->rows, attrs, count - 2);
}

void weir_sql_end(struct weir_sql_operation *operation, const struct weir_sql_outcome *outcome) {
    if (!operation->target) return; /* ended already */
    if (weir_is_running()) measure(operation, outcome);
    if (weir_span_is_recording(operation->span)) {
        if (outcome->error_type) fail(operation->span, outcome);
        if (outcome->rows >= 0)
            weir_span_set(operation->span, WEIR_INT("db.response.returned_rows", outcome->rows));
    }
    weir_span_end(operation->span);
    operation->span = NULL;
    operation->target = NULL;
}
