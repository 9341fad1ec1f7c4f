/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the orders: each message of the topic goes into PostgreSQL, with parameters, and into
 * SQLite, as a statement with its values in it. Traces show both without a value. */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "../common/example.h"
#include "../common/json.h"
#include "weir/pq.h"
#include "weir/sqlite.h"

struct keeper {
    struct weir_pq_pool *pool;
    struct weir_sqlite *journal; /* SQLite serialises the workers itself */
};

struct order {
    char order_id[64], customer[128], amount[32];
};

static void read_field(void *arg, const struct json_field *field) {
    struct order *order = arg;
    if (!strcmp(field->name, "order_id") && field->type == JSON_STRING)
        snprintf(order->order_id, sizeof order->order_id, "%.63s", field->str);
    else if (!strcmp(field->name, "customer") && field->type == JSON_STRING)
        snprintf(order->customer, sizeof order->customer, "%.127s", field->str);
    else if (!strcmp(field->name, "amount") && field->type == JSON_NUMBER)
        snprintf(order->amount, sizeof order->amount, "%.2f", field->number);
}

/* SQL's answer, or NULL and the task has failed. */
static bool worked(struct pg_result *result, struct weir_task *task) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok) weir_task_fail(task, state ? state : "postgresql", "the order was refused");
    PQclear(result);
    return ok;
}

static enum weir_result keep(struct keeper *keeper, const struct order *order,
                             struct weir_task *task) {
    struct weir_error err;
    struct weir_pq *pq = weir_pq_pool_take(keeper->pool, &err);
    if (!pq) return weir_task_fail(task, "postgresql", err.message), WEIR_TASK_RETRY;
    const char *values[] = {order->order_id, order->customer, order->amount};
    bool ok = weir_pq_begin(pq, &err) == WEIR_OK &&
              worked(weir_pq_exec_params(
                         pq, "INSERT INTO orders (id, customer, amount) VALUES ($1, $2, $3)", 3,
                         NULL, values, NULL, NULL, 0),
                     task) &&
              weir_pq_commit(pq, &err) == WEIR_OK;
    weir_pq_pool_give(keeper->pool, pq); /* rolls back what is open */
    return ok ? WEIR_TASK_OK : WEIR_TASK_REJECT;
}

static enum weir_result write_journal(struct keeper *keeper, const struct order *order,
                                      struct weir_task *task) {
    char *sql = sqlite3_mprintf("INSERT INTO journal (id, customer, amount) VALUES (%Q, %Q, %s)",
                                order->order_id, order->customer, order->amount);
    int code = sql ? weir_sqlite_exec(keeper->journal, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (code == SQLITE_OK) return WEIR_TASK_OK;
    weir_task_fail(task, "sqlite", sqlite3_errstr(code));
    return WEIR_TASK_RETRY;
}

static enum weir_result handle(void *arg, struct weir_message *message, struct weir_task *task) {
    struct order order = {.amount = "0"};
    if (!json_walk(message->value, message->value_size, read_field, &order)) {
        weir_task_fail(task, "ValidationError", "not a JSON object");
        return WEIR_TASK_REJECT;
    }
    enum weir_result result = keep(arg, &order, task);
    return result == WEIR_TASK_OK ? write_journal(arg, &order, task) : result;
}

/* Both tables, made where they are missing. */
static bool prepare(struct keeper *keeper, const char *conninfo, const char *file) {
    struct weir_error err = {.message = ""};
    struct weir_pq_pool_options options = {
        .struct_size = sizeof options, .conninfo = conninfo, .max = 4};
    keeper->pool = weir_pq_pool_open(&options, &err);
    struct weir_pq *pq = keeper->pool ? weir_pq_pool_take(keeper->pool, &err) : NULL;
    if (pq) {
        PQclear(weir_pq_exec(pq, "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, customer "
                                 "text, amount numeric CHECK (amount > 0))"));
        weir_pq_pool_give(keeper->pool, pq);
        keeper->journal = weir_sqlite_open(file, 0, &err);
    }
    if (!keeper->journal) return fprintf(stderr, "keeper: %s\n", err.message), false;
    sqlite3_busy_timeout(weir_sqlite_handle(keeper->journal), 5000);
    return weir_sqlite_exec(
               keeper->journal,
               "CREATE TABLE IF NOT EXISTS journal (id TEXT, customer TEXT, amount REAL)", NULL,
               NULL, NULL) == SQLITE_OK;
}

int main(int argc, char **argv) {
    static struct keeper keeper;
    const char *conninfo = "", *file = "journal.db";
    struct weir_runner_options runner = {.struct_size = sizeof runner,
                                         .handler = handle,
                                         .arg = &keeper,
                                         .topic = "orders",
                                         .kafka = {.group_id = "keeper"},
                                         .handle_signals = true};
    const struct option options[] = {
        {"brokers", OPTION_STRING, &runner.kafka.brokers,
         "bootstrap servers (KAFKA_BROKERS; localhost:9092)"},
        {"topic", OPTION_STRING, &runner.topic, "topic (orders)"},
        {"postgres", OPTION_STRING, &conninfo, "connection string (PG* variables)"},
        {"sqlite", OPTION_STRING, &file, "file (journal.db)"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "keeps orders in PostgreSQL and SQLite", options);
    example_start("keeper");
    int code = prepare(&keeper, conninfo, file) ? example_run(&runner) : 1;
    weir_sqlite_close(keeper.journal);
    weir_pq_pool_close(keeper.pool);
    example_end();
    return code;
}
