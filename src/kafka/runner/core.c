/* SPDX-License-Identifier: Apache-2.0 */
/* The core's events. */
#include "kafka/runner/core.h"

#include <stdlib.h>

#include "kafka/runner/slot.h"

#define LIST_END UINT32_MAX
#define MS       INT64_C(1000000)

void weir_runner_config_init(struct weir_runner_config *config, bool at_least_once) {
    *config = (struct weir_runner_config){
        .at_least_once = at_least_once,
        .dead_letter = at_least_once,
        .slots_max = 4096,
        .queue_high = 1000,
        .queue_low = 250,
        .bytes_high = UINT64_C(16) << 20,
        .poll_max = 500,
        .run_max = 32,
        .batch_max = 100,
        .retries_max = 3,
        .retry_first_ns = 100 * MS,
        .retry_most_ns = 10000 * MS,
        .commit_count = 1000,
        .commit_interval_ns = 1000 * MS,
        .commit_retries_max = 5,
        .commit_backoff_ns = 200 * MS,
        .commit_grace_ns = 5000 * MS,
    };
}

static const char *config_fault(const struct weir_runner_config *config) {
    if (!config->release) return "release";
    if (config->slots_max == 0 || config->slots_max > WEIR_RUNNER_SLOTS_MAX) return "slots_max";
    if (config->queue_high == 0 || config->queue_high > 1u << 20) return "queue_high";
    if (config->queue_low >= config->queue_high) return "queue_low";
    if (config->bytes_high == 0) return "bytes_high";
    if (config->poll_max == 0 || config->poll_max > 1u << 20) return "poll_max";
    if (config->run_max == 0) return "run_max";
    if (config->batch_max == 0) return "batch_max";
    if (config->retries_max > 1000) return "retries_max";
    if (config->retry_first_ns < 0 || config->retry_most_ns < config->retry_first_ns)
        return "retry_most_ns";
    if (config->commit_count == 0) return "commit_count";
    if (config->commit_interval_ns <= 0) return "commit_interval_ns";
    if (config->commit_backoff_ns <= 0) return "commit_backoff_ns";
    if (config->commit_grace_ns < 0) return "commit_grace_ns";
    return NULL;
}

int weir_runner_core_new(const struct weir_runner_config *config, struct weir_runner_core **ret,
                         struct weir_error *reterr) {
    const char *fault = config_fault(config);
    if (fault)
        return weir_error_set(reterr, WEIR_EINVALID, "the runner's %s is missing or out of range",
                              fault);
    struct weir_runner_core *core = calloc(1, sizeof *core);
    if (!core) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    core->config = *config;
    core->ring_size = 1;
    while (core->ring_size < config->queue_high + config->poll_max) core->ring_size *= 2;
    core->timer_ns = INT64_MAX;
    core->list_first = core->list_last = LIST_END;
    *ret = core;
    return WEIR_OK;
}

void weir_runner_core_free(struct weir_runner_core *core) {
    if (!core) return;
    for (uint32_t i = 0; i < core->slots_count; i++) {
        slot_drop(core, &core->slots[i], 0);
        free(core->slots[i].ring);
    }
    free(core->slots);
    free(core);
}

/* ── slots ───────────────────────────────────────────────────────────────────────────────────── */

void slot_touch(struct weir_runner_core *core, struct slot *slot) {
    if (slot->listed) return;
    uint32_t index = (uint32_t)(slot - core->slots);
    slot->listed = true;
    slot->listed_next = LIST_END;
    if (core->list_last == LIST_END)
        core->list_first = index;
    else
        core->slots[core->list_last].listed_next = index;
    core->list_last = index;
}

void slot_timer(struct weir_runner_core *core, int64_t at_ns) {
    if (at_ns < core->timer_ns) core->timer_ns = at_ns;
}

struct weir_runner_record *slot_record(const struct weir_runner_core *core, const struct slot *slot,
                                       uint32_t index) {
    return &slot->ring[(slot->head + index) & (core->ring_size - 1)];
}

static void release(struct weir_runner_core *core, struct slot *slot,
                    const struct weir_runner_record *record) {
    slot->bytes -= record->size;
    core->config.release(core->config.release_arg, record->record);
}

void slot_drop(struct weir_runner_core *core, struct slot *slot, uint32_t keep) {
    while (slot->count > keep) release(core, slot, slot_record(core, slot, --slot->count));
    if (slot->ready > keep) slot->ready = keep;
    if (slot->started > keep) slot->started = keep;
}

bool slot_is_quiet(const struct weir_runner_core *core, const struct slot *slot) {
    return !slot->running && slot->dead != STEP_IN_FLIGHT && slot->commit != STEP_IN_FLIGHT &&
           (core->config.at_least_once || slot->ready == 0);
}

bool slot_has_unsaved(const struct weir_runner_core *core, const struct slot *slot) {
    if (slot->no_commit) return false;
    if (core->config.at_least_once) return slot->pending_count > 0;
    return slot->base >= 0 && (slot->changes != slot->changes_saved || slot->commit_unknown);
}

void slot_free(struct weir_runner_core *core, struct slot *slot) {
    slot_drop(core, slot, 0);
    if (slot->pending_count) { /* done here, and again by the next owner */
        slot->duplicates += slot->pending_count;
        slot->done_high = slot->position;
        slot->pending_count = 0;
    }
    if (slot->running) slot->stray = true;
    slot->running = false;
    free(slot->ring);
    slot->ring = NULL;
    slot->state = SLOT_FREE;
    slot->epoch++;
    core->owned--;
}

/* base × 2^tries, at most `most`. */
static int64_t backoff_ns(int64_t base, uint32_t tries, int64_t most) {
    while (tries-- && base < most) base *= 2;
    return base < most ? base : most;
}

/* The head record has its outcome. */
static void finish(struct weir_runner_core *core, struct slot *slot, enum weir_outcome outcome) {
    struct weir_runner_record *record = slot_record(core, slot, 0);
    if (record->offset < slot->done_high)
        slot->duplicates++;
    else
        slot->done_high = record->offset + 1;
    if (core->config.at_least_once) {
        if (slot->pending_count++ == 0) {
            slot->commit_at_ns = core->now_ns + core->config.commit_interval_ns;
            slot_timer(core, slot->commit_at_ns);
        }
        slot->pending[outcome]++;
        slot->next = record->offset + 1;
    } else {
        if (slot->changes++ == slot->changes_saved) {
            slot->commit_at_ns = core->now_ns + core->config.commit_interval_ns;
            slot_timer(core, slot->commit_at_ns);
        }
        slot->ledger.outcomes[outcome]++;
        slot->outcomes[outcome]++;
        slot->ready--;
    }
    if (slot->started) slot->started--;
    slot->attempts = 0;
    slot->retry_at_ns = 0;
    release(core, slot, record);
    slot->head++;
    slot->count--;
}

/* ── events: time and ownership ──────────────────────────────────────────────────────────────── */

/* The drain's deadline is over: what is not done now will not be done by us. */
static void abandon(struct weir_runner_core *core, struct slot *slot) {
    slot->abandoned = true;
    if (!core->config.at_least_once && slot->ready) {
        uint32_t unknown = slot->started;
        if (!unknown && slot->dead == STEP_IN_FLIGHT) unknown = 1;
        slot->ledger.unknown += unknown;
        slot->ledger.outcomes[WEIR_OUTCOME_FAILED] += slot->ready - unknown;
        slot->outcomes[WEIR_OUTCOME_FAILED] += slot->ready - unknown;
        slot->changes++;
        slot_drop(core, slot, 0);
    }
    if (core->config.at_least_once) slot_drop(core, slot, 0);
    slot->dead = STEP_NONE;
    if (slot->running) slot->stray = true;
    slot->running = false;
    slot->drain_at_ns = core->now_ns + core->config.commit_grace_ns;
    slot_timer(core, slot->drain_at_ns);
}

static void look_at(struct weir_runner_core *core, struct slot *slot) {
    if (slot->state == SLOT_DRAIN && slot->drain_at_ns <= core->now_ns) {
        if (slot->abandoned)
            slot->give_up = true;
        else
            abandon(core, slot);
        slot_touch(core, slot);
    }
    const int64_t timers[] = {
        slot->retry_at_ns,  slot->dead_at_ns,
        slot->rewind_at_ns, slot->commit_retry_at_ns,
        slot->commit_at_ns, slot->state == SLOT_DRAIN ? slot->drain_at_ns : 0};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        if (timers[i] > core->now_ns)
            slot_timer(core, timers[i]);
        else if (timers[i])
            slot_touch(core, slot);
    }
}

void weir_runner_core_tick(struct weir_runner_core *core, int64_t now_ns) {
    if (now_ns > core->now_ns) core->now_ns = now_ns;
    if (core->now_ns < core->timer_ns) return;
    core->timer_ns = INT64_MAX;
    for (uint32_t i = 0; i < core->slots_count; i++)
        if (core->slots[i].state != SLOT_FREE) look_at(core, &core->slots[i]);
}

int64_t weir_runner_core_slot_new(struct weir_runner_core *core) {
    if (core->slots_count == core->config.slots_max) return WEIR_ELIMIT;
    if (core->slots_count == core->slots_room) {
        uint32_t room = core->slots_room ? 2 * core->slots_room : 16;
        struct slot *slots = realloc(core->slots, room * sizeof *slots);
        if (!slots) return WEIR_ENOMEMORY;
        core->slots = slots;
        core->slots_room = room;
    }
    core->slots[core->slots_count] = (struct slot){.position = -1, .base = -1};
    return core->slots_count++;
}

int weir_runner_core_assigned(struct weir_runner_core *core, uint32_t index,
                              int64_t committed_offset, const struct weir_ledger *ledger) {
    if (index >= core->slots_count) return WEIR_EINVALID;
    struct slot *slot = &core->slots[index];
    if (core->stopping || slot->state != SLOT_FREE) return WEIR_ECONFLICT;
    struct weir_runner_record *ring = calloc(core->ring_size, sizeof *ring);
    if (!ring) return WEIR_ENOMEMORY;
    const struct slot old = *slot;
    *slot = (struct slot){
        .state = SLOT_OPEN,
        .epoch = old.epoch + 1,
        .ring = ring,
        .stray = old.stray,
        .position = committed_offset,
        .base = committed_offset,
        .next = committed_offset,
        .ledger = *ledger,
        .done_high = old.done_high,
        .received = old.received,
        .committed = old.committed,
        .retries = old.retries,
        .duplicates = old.duplicates,
        .commits = old.commits,
        .commits_failed = old.commits_failed,
        .rewinds = old.rewinds,
        .listed = old.listed,
        .listed_next = old.listed_next,
    };
    memcpy(slot->outcomes, old.outcomes, sizeof slot->outcomes);
    core->owned++;
    return WEIR_OK;
}

static void drain(struct weir_runner_core *core, struct slot *slot, int64_t deadline_ns) {
    if (slot->state == SLOT_DRAIN) {
        if (!slot->abandoned && deadline_ns < slot->drain_at_ns) slot->drain_at_ns = deadline_ns;
    } else {
        slot->state = SLOT_DRAIN;
        slot->drain_at_ns = deadline_ns;
        slot->rewind = STEP_NONE;
        slot->commit_retry_at_ns = 0;
        if (core->config.at_least_once) {
            if (slot->dead == STEP_WANTED) slot->dead = STEP_NONE;
            uint32_t busy = slot->dead == STEP_IN_FLIGHT && !slot->started ? 1 : slot->started;
            slot_drop(core, slot, busy);
        } else {
            slot_drop(core, slot, slot->commit_count ? slot->commit_count : slot->ready);
        }
    }
    slot_timer(core, slot->drain_at_ns);
    slot_touch(core, slot);
}

void weir_runner_core_revoked(struct weir_runner_core *core, uint32_t index, int64_t deadline_ns) {
    if (index >= core->slots_count || core->slots[index].state == SLOT_FREE) return;
    drain(core, &core->slots[index], deadline_ns);
}

void weir_runner_core_lost(struct weir_runner_core *core, uint32_t index, int64_t deadline_ns) {
    if (index >= core->slots_count || core->slots[index].state == SLOT_FREE) return;
    struct slot *slot = &core->slots[index];
    slot->no_commit = true;
    if (core->config.at_least_once) slot->give_up = true;
    drain(core, slot, deadline_ns);
}

void weir_runner_core_stop(struct weir_runner_core *core, int64_t deadline_ns) {
    core->stopping = true;
    core->stop_at_ns = deadline_ns;
    for (uint32_t i = 0; i < core->slots_count; i++)
        if (core->slots[i].state != SLOT_FREE) drain(core, &core->slots[i], deadline_ns);
}

/* ── events: records ─────────────────────────────────────────────────────────────────────────── */

bool weir_runner_core_record(struct weir_runner_core *core, uint32_t index, int64_t offset,
                             size_t size, void *record) {
    if (index >= core->slots_count) return false;
    struct slot *slot = &core->slots[index];
    if (slot->state != SLOT_OPEN || slot->rewind != STEP_NONE) return false;
    if (slot->count == core->ring_size) { /* the pause came late: fetch this one again */
        slot->rewind = STEP_WANTED;
        slot->rewind_at_ns = 0;
        slot->rewind_offset = offset;
        slot_touch(core, slot);
        return false;
    }
    *slot_record(core, slot, slot->count++) =
        (struct weir_runner_record){.offset = offset, .record = record, .size = size};
    slot->bytes += size;
    slot->received++;
    slot_touch(core, slot);
    return true;
}

static void fail(struct weir_runner_core *core, struct slot *slot) {
    if (core->config.dead_letter) {
        slot->dead = STEP_WANTED;
        slot->dead_tries = 0;
        slot->dead_at_ns = 0;
    } else {
        finish(core, slot, WEIR_OUTCOME_FAILED);
    }
}

void weir_runner_core_done(struct weir_runner_core *core, uint32_t index, uint32_t epoch,
                           enum weir_task_result result) {
    if (index >= core->slots_count) return;
    struct slot *slot = &core->slots[index];
    if (slot->epoch != epoch || !slot->started || slot->dead != STEP_NONE) return; /* abandoned */
    slot_touch(core, slot);
    if (result == WEIR_RESULT_OK || result == WEIR_RESULT_SKIP) {
        finish(core, slot, result == WEIR_RESULT_OK ? WEIR_OUTCOME_OK : WEIR_OUTCOME_SKIPPED);
    } else if (!core->config.at_least_once) {
        fail(core, slot);
    } else if (slot->state != SLOT_OPEN) {
        slot->started = 0; /* stays undone: the next owner gets it */
    } else if (result == WEIR_RESULT_RETRY && slot->attempts < core->config.retries_max) {
        slot->retry_at_ns = core->now_ns + backoff_ns(core->config.retry_first_ns, slot->attempts,
                                                      core->config.retry_most_ns);
        slot->attempts++;
        slot->retries++;
        slot_timer(core, slot->retry_at_ns);
    } else {
        fail(core, slot);
    }
}

void weir_runner_core_run_end(struct weir_runner_core *core, uint32_t index, uint32_t epoch) {
    if (index >= core->slots_count) return;
    struct slot *slot = &core->slots[index];
    slot_touch(core, slot);
    if (slot->stray) {
        slot->stray = false;
        return;
    }
    if (slot->epoch != epoch) return;
    slot->running = slot->canceled = false;
    slot->started = 0;
    if (slot->state == SLOT_DRAIN && core->config.at_least_once)
        slot_drop(core, slot, slot->dead == STEP_IN_FLIGHT ? 1 : 0);
}

void weir_runner_core_dead_lettered(struct weir_runner_core *core, uint32_t index, uint32_t epoch,
                                    bool ok) {
    if (index >= core->slots_count) return;
    struct slot *slot = &core->slots[index];
    if (slot->epoch != epoch || slot->dead != STEP_IN_FLIGHT) return;
    slot->dead = STEP_NONE;
    slot_touch(core, slot);
    if (ok) {
        finish(core, slot, WEIR_OUTCOME_DEAD_LETTERED);
    } else if (!core->config.at_least_once) {
        finish(core, slot, WEIR_OUTCOME_FAILED);
    } else if (slot->state == SLOT_OPEN) {
        slot->dead = STEP_WANTED;
        slot->dead_at_ns =
            core->now_ns +
            backoff_ns(core->config.retry_first_ns, slot->dead_tries++, core->config.retry_most_ns);
        slot_timer(core, slot->dead_at_ns);
        return;
    }
    if (slot->state == SLOT_DRAIN && core->config.at_least_once && !slot->running)
        slot_drop(core, slot, 0);
}

/* ── events: commits ─────────────────────────────────────────────────────────────────────────── */

static void commit_saved(struct weir_runner_core *core, struct slot *slot) {
    slot->position = slot->base = slot->commit_offset;
    slot->commit_unknown = false;
    slot->commit_tries = 0;
    slot->commits++;
    slot->committed += slot->commit_count;
    slot->ledger.committed += slot->commit_count;
    if (core->config.at_least_once) {
        slot->pending_count -= slot->commit_count;
        for (int i = 0; i < WEIR_OUTCOME_COUNT; i++) {
            slot->pending[i] -= slot->commit_outcomes[i];
            slot->ledger.outcomes[i] += slot->commit_outcomes[i];
            slot->outcomes[i] += slot->commit_outcomes[i];
        }
    } else {
        slot->changes_saved = slot->commit_changes;
        if (slot->commit_count) slot->ready = slot->commit_count;
    }
    slot->commit_count = 0;
    slot->commit_at_ns = core->now_ns + core->config.commit_interval_ns;
    slot_timer(core, slot->commit_at_ns);
    if (slot->abandoned && slot->ready) abandon(core, slot); /* committed, and too late to start */
}

/* At-most-once: the batch in flight is not (known to be) committed, so it must not be processed. */
static void batch_failed(struct weir_runner_core *core, struct slot *slot) {
    int64_t first = slot_record(core, slot, 0)->offset;
    slot->commit_count = 0;
    if (slot->state == SLOT_DRAIN) {
        slot_drop(core, slot, 0);
    } else if (slot->commit_tries++ >= core->config.commit_retries_max) {
        slot_drop(core, slot, 0);
        slot->commit_tries = 0;
        slot->rewind = STEP_WANTED;
        slot->rewind_offset = first;
        slot->rewind_at_ns = core->now_ns + core->config.commit_backoff_ns;
        slot_timer(core, slot->rewind_at_ns);
    }
}

void weir_runner_core_committed(struct weir_runner_core *core, uint32_t index, uint32_t epoch,
                                enum weir_commit_result result) {
    if (index >= core->slots_count) return;
    struct slot *slot = &core->slots[index];
    if (slot->epoch != epoch || slot->commit != STEP_IN_FLIGHT) return;
    slot->commit = STEP_NONE;
    slot_touch(core, slot);
    if (result == WEIR_COMMIT_OK) {
        commit_saved(core, slot);
        return;
    }
    slot->commits_failed++;
    if (result == WEIR_COMMIT_UNKNOWN) slot->commit_unknown = true;
    slot->commit_retry_at_ns =
        core->now_ns + backoff_ns(core->config.commit_backoff_ns, slot->commit_tries,
                                  32 * core->config.commit_backoff_ns);
    slot_timer(core, slot->commit_retry_at_ns);
    if (!core->config.at_least_once && slot->commit_count)
        batch_failed(core, slot);
    else if (slot->commit_tries < 32)
        slot->commit_tries++;
    slot->commit_count = 0;
}

void weir_runner_core_rewound(struct weir_runner_core *core, uint32_t index, uint32_t epoch,
                              bool ok) {
    if (index >= core->slots_count) return;
    struct slot *slot = &core->slots[index];
    if (slot->epoch != epoch || slot->rewind != STEP_IN_FLIGHT) return;
    slot->rewind = ok ? STEP_NONE : STEP_WANTED;
    if (!ok) {
        slot->rewind_at_ns = core->now_ns + core->config.commit_backoff_ns;
        slot_timer(core, slot->rewind_at_ns);
    }
    slot_touch(core, slot);
}

/* ── looking in ──────────────────────────────────────────────────────────────────────────────── */

int64_t weir_runner_core_deadline(const struct weir_runner_core *core) {
    return core->timer_ns;
}

uint32_t weir_runner_core_slots_count(const struct weir_runner_core *core) {
    return core->slots_count;
}

void weir_runner_core_slot_get(const struct weir_runner_core *core, uint32_t index,
                               struct weir_runner_slot_view *ret) {
    const struct slot *slot = &core->slots[index];
    *ret = (struct weir_runner_slot_view){
        .owned = slot->state != SLOT_FREE,
        .draining = slot->state == SLOT_DRAIN,
        .paused = slot->paused,
        .running = slot->running,
        .waiting = slot->dead == STEP_WANTED || slot->retry_at_ns > core->now_ns,
        .epoch = slot->epoch,
        .queued = slot->count,
        .queued_bytes = slot->bytes,
        .open = slot->ready,
        .position = slot->position,
        .ledger = slot->ledger,
        .received = slot->received,
        .committed = slot->committed,
        .retries = slot->retries,
        .duplicates = slot->duplicates,
        .commits = slot->commits,
        .commits_failed = slot->commits_failed,
        .rewinds = slot->rewinds,
    };
    memcpy(ret->outcomes, slot->outcomes, sizeof ret->outcomes);
}
