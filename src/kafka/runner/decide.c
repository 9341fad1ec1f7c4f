/* SPDX-License-Identifier: Apache-2.0 */
/* The core's decisions: what follows from a slot's state, one thing at a time. */
#include "kafka/runner/slot.h"

#define LIST_END UINT32_MAX

static struct weir_decision decision(const struct weir_runner_core *core, const struct slot *slot,
                                     enum weir_decision_kind kind) {
    return (struct weir_decision){
        .kind = kind, .slot = (uint32_t)(slot - core->slots), .epoch = slot->epoch};
}

static bool try_cancel(struct weir_runner_core *core, struct slot *slot,
                       struct weir_decision *ret) {
    /* At-most-once has committed the run: its worker must go on, until the deadline. */
    bool wanted = slot->state == SLOT_DRAIN && (core->config.at_least_once || slot->abandoned);
    if (!wanted || slot->canceled || !(slot->running || slot->stray)) return false;
    slot->canceled = true;
    *ret = decision(core, slot, WEIR_DECISION_CANCEL);
    return true;
}

static bool try_release(struct weir_runner_core *core, struct slot *slot,
                        struct weir_decision *ret) {
    if (slot->state != SLOT_DRAIN) return false;
    if (!slot->give_up && (!slot_is_quiet(core, slot) || slot_has_unsaved(core, slot)))
        return false;
    *ret = decision(core, slot, WEIR_DECISION_RELEASED);
    slot_free(core, slot);
    return true;
}

static bool try_rewind(struct weir_runner_core *core, struct slot *slot,
                       struct weir_decision *ret) {
    if (slot->rewind != STEP_WANTED || slot->rewind_at_ns > core->now_ns) return false;
    slot->rewind = STEP_IN_FLIGHT;
    slot->rewinds++;
    *ret = decision(core, slot, WEIR_DECISION_REWIND);
    ret->offset = slot->rewind_offset;
    return true;
}

static bool try_pause(struct weir_runner_core *core, struct slot *slot, struct weir_decision *ret) {
    const struct weir_runner_config *config = &core->config;
    bool full = slot->count >= config->queue_high || slot->bytes >= config->bytes_high;
    bool low = slot->count <= config->queue_low && slot->bytes <= config->bytes_high / 2;
    if (slot->state == SLOT_DRAIN) { /* intake is over for good; a revoked one leaves anyway */
        full = core->stopping;
        low = false;
    }
    if (slot->paused ? !low : !full) return false;
    slot->paused = !slot->paused;
    *ret = decision(core, slot, slot->paused ? WEIR_DECISION_PAUSE : WEIR_DECISION_RESUME);
    return true;
}

static bool try_dead_letter(struct weir_runner_core *core, struct slot *slot,
                            struct weir_decision *ret) {
    if (slot->dead != STEP_WANTED || slot->dead_at_ns > core->now_ns) return false;
    slot->dead = STEP_IN_FLIGHT;
    *ret = decision(core, slot, WEIR_DECISION_DEAD_LETTER);
    ret->attempt = slot->attempts;
    ret->records = slot_record(core, slot, 0);
    ret->records_count = 1;
    return true;
}

/* Records that a worker may have now. */
static uint32_t startable(const struct weir_runner_core *core, const struct slot *slot) {
    if (slot->running || slot->stray || slot->dead != STEP_NONE) return 0;
    if (slot->retry_at_ns > core->now_ns) return 0;
    if (core->config.at_least_once) return slot->state == SLOT_OPEN ? slot->count : 0;
    return slot->abandoned ? 0 : slot->ready;
}

static bool try_start(struct weir_runner_core *core, struct slot *slot, struct weir_decision *ret) {
    uint32_t count = startable(core, slot);
    if (!count) return false;
    uint32_t until_wrap = core->ring_size - (slot->head & (core->ring_size - 1));
    if (count > until_wrap) count = until_wrap;
    if (count > core->config.run_max) count = core->config.run_max;
    slot->started = count;
    slot->running = true;
    slot->canceled = false;
    *ret = decision(core, slot, WEIR_DECISION_START);
    ret->attempt = slot->attempts;
    ret->records = slot_record(core, slot, 0);
    ret->records_count = count;
    return true;
}

static bool commit_is_due(const struct weir_runner_core *core, const struct slot *slot) {
    if (!slot_has_unsaved(core, slot)) return false;
    if (slot->state == SLOT_DRAIN) return slot_is_quiet(core, slot);
    if (core->config.at_least_once && slot->pending_count >= core->config.commit_count) return true;
    if (!core->config.at_least_once && (slot->ready || slot->count || slot->running)) return false;
    return slot->commit_at_ns <= core->now_ns;
}

/* At-most-once: the records that are to be committed next, before they may start. */
static uint32_t next_batch(const struct weir_runner_core *core, const struct slot *slot) {
    if (core->config.at_least_once || slot->state != SLOT_OPEN) return 0;
    if (slot->ready || slot->running || slot->stray || slot->rewind != STEP_NONE) return 0;
    return slot->count < core->config.batch_max ? slot->count : core->config.batch_max;
}

static bool try_commit(struct weir_runner_core *core, struct slot *slot,
                       struct weir_decision *ret) {
    if (slot->commit == STEP_IN_FLIGHT || slot->no_commit || slot->state == SLOT_FREE) return false;
    if (slot->commit_retry_at_ns > core->now_ns) return false;
    uint32_t batch = next_batch(core, slot);
    if (!batch && !commit_is_due(core, slot)) return false;
    slot->commit = STEP_IN_FLIGHT;
    *ret = decision(core, slot, WEIR_DECISION_COMMIT);
    ret->ledger = slot->ledger;
    if (core->config.at_least_once) {
        slot->commit_count = slot->pending_count;
        slot->commit_offset = slot->next;
        for (int i = 0; i < WEIR_OUTCOME_COUNT; i++) {
            slot->commit_outcomes[i] = slot->pending[i];
            ret->ledger.outcomes[i] += slot->pending[i];
        }
    } else {
        slot->commit_count = batch;
        slot->commit_changes = slot->changes;
        if (batch && slot->base < 0) slot->base = slot_record(core, slot, 0)->offset;
        slot->commit_offset = batch ? slot_record(core, slot, batch - 1)->offset + 1 : slot->base;
    }
    ret->ledger.committed += slot->commit_count;
    ret->commit_count = slot->commit_count;
    ret->offset = slot->commit_offset;
    return true;
}

static bool decide(struct weir_runner_core *core, struct slot *slot, struct weir_decision *ret) {
    if (slot->state == SLOT_FREE) return false;
    return try_cancel(core, slot, ret) || try_release(core, slot, ret) ||
           try_rewind(core, slot, ret) || try_pause(core, slot, ret) ||
           try_dead_letter(core, slot, ret) || try_start(core, slot, ret) ||
           try_commit(core, slot, ret);
}

bool weir_runner_core_next(struct weir_runner_core *core, struct weir_decision *ret) {
    while (core->list_first != LIST_END) {
        struct slot *slot = &core->slots[core->list_first];
        core->list_first = slot->listed_next;
        if (core->list_first == LIST_END) core->list_last = LIST_END;
        slot->listed = false;
        if (!decide(core, slot, ret)) continue;
        slot_touch(core, slot); /* behind the others: it may want more */
        return true;
    }
    if (core->stopping && !core->stopped && core->owned == 0) {
        core->stopped = true;
        *ret = (struct weir_decision){.kind = WEIR_DECISION_STOPPED};
        return true;
    }
    return false;
}
