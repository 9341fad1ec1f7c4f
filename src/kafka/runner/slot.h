/* SPDX-License-Identifier: Apache-2.0 */
/* A slot's state, shared by the core's two halves: events (core.c) and decisions (decide.c).
 *
 *     queue:  [head … started)[… ready)[… commit_count)[… count)
 *              with a worker   may start  being committed  waits
 *
 * At-least-once starts what waits; at-most-once starts only what is `ready` (committed).
 */
#ifndef WEIR_KAFKA_RUNNER_SLOT_H
#define WEIR_KAFKA_RUNNER_SLOT_H

#include "kafka/runner/core.h"

enum slot_state {
    SLOT_FREE, /* not ours */
    SLOT_OPEN,
    SLOT_DRAIN, /* on its way to FREE */
};

enum step { STEP_NONE, STEP_WANTED, STEP_IN_FLIGHT };

struct slot {
    enum slot_state state;
    uint32_t epoch;

    struct weir_runner_record *ring; /* NULL while FREE */
    uint32_t head, count;            /* ring index of the oldest record, and how many there are */
    uint64_t bytes;
    uint32_t ready;   /* at-most-once: committed and unfinished */
    uint32_t started; /* with the worker, unfinished */
    bool paused;
    bool running;  /* a worker has a run of this epoch */
    bool stray;    /* a worker still has an abandoned run: no new start before its end */
    bool canceled; /* the running run was told to stop */

    uint32_t attempts; /* of the head record so far */
    int64_t retry_at_ns;
    enum step dead; /* the head record is on its way to the dead-letter topic */
    uint32_t dead_tries;
    int64_t dead_at_ns;
    enum step rewind;
    int64_t rewind_at_ns, rewind_offset;

    enum step commit;      /* NONE or IN_FLIGHT */
    uint32_t commit_count; /* records that the commit in flight newly covers */
    int64_t commit_offset;
    uint64_t
        commit_outcomes[WEIR_OUTCOME_COUNT]; /* at-least-once: those of pending that it covers */
    uint64_t commit_changes;                 /* at-most-once: `changes` as it tells them */
    uint32_t commit_tries;
    int64_t commit_retry_at_ns; /* after a failure not before this */
    int64_t commit_at_ns;       /* the interval is over */
    bool commit_unknown;        /* a commit may have been applied or not */

    int64_t position; /* acknowledged position, -1: none */
    int64_t base;     /* where a commit that moves nothing points; -1: nowhere */
    int64_t next;     /* at-least-once: behind the last done record */
    struct weir_ledger ledger;
    uint64_t pending[WEIR_OUTCOME_COUNT]; /* at-least-once: done, not yet committed */
    uint32_t pending_count;
    uint64_t changes, changes_saved; /* at-most-once: outcomes since ever, and as last committed */

    int64_t drain_at_ns; /* DRAIN: deadline, then end of grace */
    bool abandoned;      /* the deadline has passed */
    bool no_commit;      /* lost */
    bool give_up;        /* release now */

    int64_t done_high; /* behind the highest offset ever finished here; outlives FREE */
    uint64_t received, committed, outcomes[WEIR_OUTCOME_COUNT], retries, duplicates;
    uint64_t commits, commits_failed, rewinds;

    bool listed; /* in the core's list of slots to look at */
    uint32_t listed_next;
};

struct weir_runner_core {
    struct weir_runner_config config;
    struct slot *slots;
    uint32_t slots_count, slots_room;
    uint32_t ring_size; /* power of two */
    int64_t now_ns;
    int64_t timer_ns;               /* earliest time at which a tick must look at all slots */
    uint32_t list_first, list_last; /* slots that may have decisions; UINT32_MAX: none */
    uint32_t owned;                 /* slots that are not FREE */
    bool stopping, stopped;
    int64_t stop_at_ns;
};

/* Puts the slot on the list of those that weir_runner_core_next looks at. */
void slot_touch(struct weir_runner_core *core, struct slot *slot);
/* A tick at `at_ns` must come by. */
void slot_timer(struct weir_runner_core *core, int64_t at_ns);
struct weir_runner_record *slot_record(const struct weir_runner_core *core, const struct slot *slot,
                                       uint32_t index);
/* Gives back the records from index `keep` on. */
void slot_drop(struct weir_runner_core *core, struct slot *slot, uint32_t keep);
/* Nothing of the slot is with a worker, the dead-letter topic or the group coordinator. */
bool slot_is_quiet(const struct weir_runner_core *core, const struct slot *slot);
/* Has counts or offsets that only a further commit would save. */
bool slot_has_unsaved(const struct weir_runner_core *core, const struct slot *slot);
/* DRAIN → FREE. */
void slot_free(struct weir_runner_core *core, struct slot *slot);

#endif
