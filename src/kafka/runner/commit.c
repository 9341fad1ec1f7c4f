/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: those that are decided together are one request; its answer comes on a queue of our own,
 * so that it can be waited for without taking messages. */
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/runner/runner.h"

/* ── which polls a commit covers ─────────────────────────────────────────────────────────────── */

void weir_runner_commit_note(struct weir_runner_part *part,
                             const struct weir_kafka_message *message) {
    struct weir_runner_poll *last = part->polls_count ? &part->polls[part->polls_count - 1] : NULL;
    if (last && memcmp(last->span.span_id, message->poll.span_id, sizeof last->span.span_id) == 0) {
        last->last = message->pub.offset;
        return;
    }
    if (part->polls_count == WEIR_RUNNER_POLLS_MAX) { /* the oldest link is given up */
        memmove(part->polls, part->polls + 1, sizeof part->polls - sizeof part->polls[0]);
        part->polls_count--;
    }
    part->polls[part->polls_count++] = (struct weir_runner_poll){
        .first = message->pub.offset, .last = message->pub.offset, .span = message->poll};
}

static size_t add_poll(struct weir_span_context *polls, size_t count,
                       const struct weir_span_context *poll) {
    if (count == WEIR_RUNNER_POLLS_MAX || !weir_span_context_is_valid(poll)) return count;
    for (size_t i = 0; i < count; i++)
        if (memcmp(polls[i].span_id, poll->span_id, sizeof poll->span_id) == 0) return count;
    polls[count] = *poll;
    return count + 1;
}

static size_t gather_polls(const struct weir_runner *runner,
                           const struct weir_runner_commit *commit,
                           struct weir_span_context polls[WEIR_RUNNER_POLLS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < commit->count; i++) {
        const struct weir_runner_commit_item *item = &commit->items[i];
        const struct weir_runner_part *part = runner->parts[item->slot];
        for (uint32_t p = 0; p < part->polls_count; p++)
            if (part->polls[p].first < item->to && part->polls[p].last >= item->from)
                count = add_poll(polls, count, &part->polls[p].span);
    }
    return count;
}

static void forget_polls(struct weir_runner_part *part, int64_t to) {
    uint32_t covered = 0;
    while (covered < part->polls_count && part->polls[covered].last < to) covered++;
    part->polls_count -= covered;
    memmove(part->polls, part->polls + covered, part->polls_count * sizeof part->polls[0]);
}

/* ── answers ─────────────────────────────────────────────────────────────────────────────────── */

static enum weir_commit_result result_of(rd_kafka_resp_err_t err) {
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return WEIR_COMMIT_OK;
    case RD_KAFKA_RESP_ERR__TIMED_OUT: /* these may have reached the coordinator */
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT: return WEIR_COMMIT_UNKNOWN;
    default: return WEIR_COMMIT_FAILED;
    }
}

static int64_t from_of(const struct weir_runner *runner, const struct weir_runner_commit *commit,
                       const rd_kafka_topic_partition_t *tp) {
    for (size_t i = 0; i < commit->count; i++) {
        const struct weir_runner_part *part = runner->parts[commit->items[i].slot];
        if (part->partition == tp->partition && strcmp(part->topic, tp->topic) == 0)
            return commit->items[i].from;
    }
    return -1;
}

static void trace_commit(struct weir_runner *runner, const struct weir_runner_commit *commit,
                         const rd_kafka_topic_partition_list_t *offsets, rd_kafka_resp_err_t err) {
    struct weir_span_context polls[WEIR_RUNNER_POLLS_MAX];
    int64_t from[WEIR_RUNNER_COMMIT_ITEMS_MAX];
    /* librdkafka sorts the list: its order is not the request's. */
    for (int i = 0; i < offsets->cnt && i < WEIR_RUNNER_COMMIT_ITEMS_MAX; i++)
        from[i] = from_of(runner, commit, &offsets->elems[i]);
    bool moves = false;
    for (size_t i = 0; i < commit->count; i++) moves |= commit->items[i].from < commit->items[i].to;
    struct weir_kafka_commit traced = {.start_wall_ns = commit->start_wall_ns,
                                       .start_ns = commit->start_ns,
                                       .offsets = offsets,
                                       .from = from,
                                       .polls = polls,
                                       .polls_count = gather_polls(runner, commit, polls),
                                       .only_counts = !moves};
    weir_kafka_commit_end(runner->client, &traced, err);
}

static void answer(struct weir_runner *runner, const struct weir_runner_commit_item *item,
                   rd_kafka_resp_err_t err) {
    struct weir_runner_part *part = runner->parts[item->slot];
    enum weir_commit_result result = result_of(err);
    if (result == WEIR_COMMIT_OK) {
        part->position = item->to;
        forget_polls(part, item->to);
    }
    weir_runner_core_committed(runner->core, item->slot, item->epoch, result);
}

static void unlink_sent(struct weir_runner_commit *commit) {
    struct weir_runner_commit **at = &commit->runner->sent;
    while (*at && *at != commit) at = &(*at)->next;
    if (*at) *at = commit->next;
}

/* On the poll thread, while it serves the commit queue. */
static void on_answer(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque) {
    (void)rk;
    struct weir_runner_commit *commit = opaque;
    struct weir_runner *runner = commit->runner;
    unlink_sent(commit);
    if (offsets) trace_commit(runner, commit, offsets, err);
    weir_runner_stage(runner, WEIR_STAGE_COMMIT, commit->start_ns);
    for (size_t i = 0; i < commit->count; i++) {
        const struct weir_runner_part *part = runner->parts[commit->items[i].slot];
        const rd_kafka_topic_partition_t *tp =
            offsets ? runner->client->rd->topic_partition_list_find(offsets, part->topic,
                                                                    part->partition)
                    : NULL;
        answer(runner, &commit->items[i], err ? err : tp ? tp->err : RD_KAFKA_RESP_ERR__FAIL);
    }
    free(commit);
}

/* ── requests ────────────────────────────────────────────────────────────────────────────────── */

void weir_runner_commit_add(struct weir_runner *runner, const struct weir_decision *decision) {
    const struct weir_rd *rd = runner->client->rd;
    struct weir_runner_part *part = runner->parts[decision->slot];
    struct weir_runner_commit *commit = runner->commit;
    if (!commit) {
        commit = calloc(1, sizeof *commit + WEIR_RUNNER_COMMIT_ITEMS_MAX * sizeof commit->items[0]);
        if (!commit) {
            weir_runner_core_committed(runner->core, decision->slot, decision->epoch,
                                       WEIR_COMMIT_FAILED);
            return;
        }
        commit->runner = runner;
        runner->commit = commit;
        runner->commit_offsets = rd->topic_partition_list_new(8);
    }
    rd_kafka_topic_partition_t *tp =
        rd->topic_partition_list_add(runner->commit_offsets, part->topic, part->partition);
    char metadata[WEIR_LEDGER_SIZE];
    weir_ledger_encode(&decision->ledger, metadata);
    tp->offset = decision->offset;
    tp->metadata = strdup(metadata); /* the list frees it */
    tp->metadata_size = tp->metadata ? strlen(metadata) : 0;
    commit->items[commit->count++] = (struct weir_runner_commit_item){
        .slot = decision->slot,
        .epoch = decision->epoch,
        .to = decision->offset,
        .from = decision->commit_count ? part->position : decision->offset};
    if (commit->count == WEIR_RUNNER_COMMIT_ITEMS_MAX) weir_runner_commit_flush(runner);
}

void weir_runner_commit_flush(struct weir_runner *runner) {
    struct weir_runner_commit *commit = runner->commit;
    if (!commit) return;
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_topic_partition_list_t *offsets = runner->commit_offsets;
    runner->commit = NULL;
    runner->commit_offsets = NULL;
    commit->start_wall_ns = weir_clock_wall_ns();
    commit->start_ns = weir_clock_mono_ns();
    commit->next = runner->sent;
    runner->sent = commit;
    rd_kafka_resp_err_t err =
        rd->commit_queue(runner->client->rk, offsets, runner->commit_queue, on_answer, commit);
    if (err) on_answer(runner->client->rk, err, offsets, commit);
    rd->topic_partition_list_destroy(offsets);
}

void weir_runner_commit_done(struct weir_runner *runner) {
    if (runner->commit_offsets)
        runner->client->rd->topic_partition_list_destroy(runner->commit_offsets);
    free(runner->commit);
    while (runner->sent) {
        struct weir_runner_commit *commit = runner->sent;
        runner->sent = commit->next;
        free(commit);
    }
}
