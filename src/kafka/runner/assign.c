/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions come and go: librdkafka's rebalance callback, on the poll thread. A revoked partition
 * is given back only after the core has released it. */
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/runner/runner.h"
#include "weir/log.h"

#define COMMITTED_TIMEOUT_MS 5000
#define COMMITTED_TRIES      3
#define WAIT_MS              20

/* ── parts ───────────────────────────────────────────────────────────────────────────────────── */

static struct weir_runner_part *part_new(struct weir_runner *runner, const char *topic,
                                         int32_t partition) {
    struct weir_runner_part **parts =
        realloc(runner->parts, (runner->parts_count + 1) * sizeof *parts);
    if (!parts) return NULL;
    runner->parts = parts;
    struct weir_runner_part *part = calloc(1, sizeof *part);
    if (!part || !(part->topic = strdup(topic))) {
        free(part);
        return NULL;
    }
    int64_t slot = weir_runner_core_slot_new(runner->core);
    if (slot < 0) {
        free(part->topic);
        free(part);
        return NULL;
    }
    part->runner = runner;
    part->partition = partition;
    part->slot = (uint32_t)slot;
    part->released = true;
    part->position = -1;
    part->entry = weir_kafka_entry_get(runner->client, topic, partition);
    if (part->entry) part->entry->owner = part;
    parts[runner->parts_count++] = part;
    return part;
}

struct weir_runner_part *weir_runner_part_get(struct weir_runner *runner, const char *topic,
                                              int32_t partition, bool may_make) {
    for (uint32_t i = 0; i < runner->parts_count; i++) {
        struct weir_runner_part *part = runner->parts[i];
        if (part->partition == partition && strcmp(part->topic, topic) == 0) return part;
    }
    return may_make ? part_new(runner, topic, partition) : NULL;
}

/* ── coming ──────────────────────────────────────────────────────────────────────────────────── */

static void take_part(struct weir_runner *runner, const rd_kafka_topic_partition_t *tp) {
    struct weir_runner_part *part = weir_runner_part_get(runner, tp->topic, tp->partition, true);
    if (!part) return; /* its records will be refused, and stay uncommitted */
    struct weir_ledger ledger;
    weir_ledger_decode(weir_view(tp->metadata, tp->metadata_size), &ledger);
    int64_t offset = !tp->err && tp->offset >= 0 ? tp->offset : -1;
    if (weir_runner_core_assigned(runner->core, part->slot, offset, &ledger)) return;
    part->released = part->stayed = false;
    part->position = offset;
    part->polls_count = 0;
    part->drain_start_ns = 0;
    atomic_store(&part->progress_ns, weir_clock_mono_ns());
}

static bool all_known(const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err) return false;
    return true;
}

/* The counts in the commits' metadata: without them the next commit would begin at nothing, and
 * what was lost before would be forgotten. librdkafka asks for the offsets again by itself. */
static void read_committed(struct weir_runner *runner, rd_kafka_topic_partition_list_t *list) {
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < COMMITTED_TRIES && !atomic_load(&runner->stop_requests); i++) {
        err = rd->committed(runner->client->rk, list, COMMITTED_TIMEOUT_MS);
        if (!err && all_known(list)) return;
        weir_clock_sleep_ns(WAIT_MS * WEIR_NS_PER_MS);
    }
    struct weir_attribute attrs[] = {
        WEIR_STR("error.type", weir_rd_error_type(rd, err ? err : RD_KAFKA_RESP_ERR__PARTIAL))};
    weir_logger_log(weir_logger_get("weir.runner", NULL), WEIR_SEVERITY_WARN,
                    "the committed counts could not be read: loss is counted anew", attrs, 1);
}

static void assign(struct weir_runner *runner, rd_kafka_topic_partition_list_t *list,
                   bool cooperative) {
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_t *rk = runner->client->rk;
    rd_kafka_topic_partition_list_t *committed = rd->topic_partition_list_copy(list);
    read_committed(runner, committed);
    for (int i = 0; i < committed->cnt; i++) take_part(runner, &committed->elems[i]);
    rd->topic_partition_list_destroy(committed);
    rd_kafka_error_t *error = NULL;
    if (cooperative)
        error = rd->incremental_assign(rk, list);
    else
        rd->assign(rk, list);
    if (error) rd->error_destroy(error);
    for (int i = 0; i < list->cnt; i++) {
        struct weir_runner_part *part =
            weir_runner_part_get(runner, list->elems[i].topic, list->elems[i].partition, false);
        if (part) part->paused = false;
    }
    rd->resume_partitions(rk, list);
}

/* ── going ───────────────────────────────────────────────────────────────────────────────────── */

static bool all_released(struct weir_runner *runner, const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++) {
        const struct weir_runner_part *part =
            weir_runner_part_get(runner, list->elems[i].topic, list->elems[i].partition, false);
        if (part && !part->released) return false;
    }
    return true;
}

static void revoke(struct weir_runner *runner, rd_kafka_topic_partition_list_t *list,
                   bool cooperative) {
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_t *rk = runner->client->rk;
    bool lost = rd->assignment_lost(rk);
    int64_t now_ns = weir_clock_mono_ns();
    for (int i = 0; i < list->cnt; i++) {
        struct weir_runner_part *part =
            weir_runner_part_get(runner, list->elems[i].topic, list->elems[i].partition, false);
        if (!part) continue;
        if (!part->drain_start_ns) part->drain_start_ns = now_ns;
        if (lost)
            weir_runner_core_lost(runner->core, part->slot, now_ns + runner->drain_ns);
        else
            weir_runner_core_revoked(runner->core, part->slot, now_ns + runner->drain_ns);
        if (part->entry) atomic_store(&part->entry->lag, -1);
    }
    weir_runner_pump(runner, 0);
    while (!all_released(runner, list) && atomic_load(&runner->stop_requests) < 2)
        weir_runner_pump(runner, WAIT_MS);
    rd_kafka_error_t *error = NULL;
    if (cooperative)
        error = rd->incremental_unassign(rk, list);
    else
        rd->assign(rk, NULL);
    if (error) rd->error_destroy(error);
}

void weir_runner_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct weir_kafka_client *client = opaque;
    struct weir_runner *runner = client->owner;
    const char *protocol = client->rd->rebalance_protocol(rk);
    bool cooperative = protocol && strcmp(protocol, "COOPERATIVE") == 0;
    /* What this poll has taken so far belongs to the assignment as it was. */
    weir_runner_batch_end(runner);
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        assign(runner, list, cooperative);
    else
        revoke(runner, list, cooperative);
    weir_kafka_entry_add(weir_kafka_entry_get(client, "", -1), WEIR_KAFKA_REBALANCES, 1, NULL);
}
