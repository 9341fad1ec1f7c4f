/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's decisions, without threads, clock or I/O: events in, decisions out.
 *
 *   assigned, revoked, lost, record, done, run_end,            start, cancel, pause, resume,
 *   committed, dead_lettered, rewound, tick, stop      ──────▶ commit, dead_letter, rewind,
 *                                                              released, stopped
 *
 * One slot per partition, each a serial queue. At-least-once: a record is done before its offset
 * may be committed, so only the contiguous done prefix ever is; a failing record is tried again,
 * then dead-lettered, and while that fails the partition waits. At-most-once: a batch is committed
 * first, and only once the commit is acknowledged does its first record start; a record starts
 * once. Nothing of a partition is committed after `released`, nor ever after it was lost.
 *
 * Every event names the slot and the epoch that its cause was decided in; events of an older epoch
 * change nothing but free the slot's worker. Decisions are derived from state when asked for, at
 * most one of each kind per slot, so nothing grows beyond the slots' queues.
 *
 * Threads: owner only. Memory: heap; queues are bounded by `queue_high` + `poll_max` each.
 */
#ifndef WEIR_KAFKA_RUNNER_CORE_H
#define WEIR_KAFKA_RUNNER_CORE_H

#include "base/error.h"
#include "kafka/runner/ledger.h"

#define WEIR_RUNNER_SLOTS_MAX 65536u

struct weir_runner_config {
    bool at_least_once;   /* else at-most-once */
    bool dead_letter;     /* records that are given up go to the dead-letter topic */
    uint32_t slots_max;   /* partitions that this process has ever owned */
    uint32_t queue_high;  /* pause the partition at this many waiting records … */
    uint32_t queue_low;   /* … and resume at this many */
    uint64_t bytes_high;  /* or pause at this many waiting bytes */
    uint32_t poll_max;    /* records that may still arrive after a pause was decided */
    uint32_t run_max;     /* records handed to a worker at once */
    uint32_t batch_max;   /* at-most-once: records per commit */
    uint32_t retries_max; /* at-least-once: further tries of a failing record */
    int64_t retry_first_ns,
        retry_most_ns;           /* wait before the first further try, doubling, at most */
    uint32_t commit_count;       /* at-least-once: commit after this many done records … */
    int64_t commit_interval_ns;  /* … or this long after the first of them */
    uint32_t commit_retries_max; /* at-most-once: tries before the batch is fetched anew */
    int64_t commit_backoff_ns;
    int64_t commit_grace_ns; /* a drain past its deadline still waits this long for its commit */
    /* Gives back a record that record() accepted: done, or dropped uncommitted. Called from within
     * events; a worker may still be at it (shell: count references). */
    void (*release)(void *arg, void *record);
    void *release_arg;
};

/* Defaults for every number. */
void weir_runner_config_init(struct weir_runner_config *config, bool at_least_once);

struct weir_runner_core;

/* Copies the config. WEIR_EINVALID names the field that makes no sense. */
int weir_runner_core_new(const struct weir_runner_config *config, struct weir_runner_core **ret,
                         struct weir_error *reterr);
/* Releases what is queued. Takes NULL. */
void weir_runner_core_free(struct weir_runner_core *core);

/* ── events ──────────────────────────────────────────────────────────────────────────────────── */
/* Time passes; `now_ns` is monotonic. All other events happen at the latest tick's time. */
void weir_runner_core_tick(struct weir_runner_core *core, int64_t now_ns);
/* A place for one more partition, to be kept by the shell for the life of the core. Gives the slot,
 * or WEIR_ELIMIT, WEIR_ENOMEMORY. */
int64_t weir_runner_core_slot_new(struct weir_runner_core *core);
/* The slot's partition is ours from now on. `committed_offset` is the group's position (-1: none),
 * `ledger` what weir_ledger_decode read from it. WEIR_ECONFLICT when it is ours already. */
int weir_runner_core_assigned(struct weir_runner_core *core, uint32_t slot,
                              int64_t committed_offset, const struct weir_ledger *ledger);
/* The partition must go: intake stops, work in flight (at-most-once: committed work too) has until
 * `deadline_ns`, then the last commit; then `released` is decided, by deadline plus grace. */
void weir_runner_core_revoked(struct weir_runner_core *core, uint32_t slot, int64_t deadline_ns);
/* The partition is gone: nothing is committed any more. At-most-once still finishes what it had
 * committed, until `deadline_ns`. `released` is decided as after revoked. */
void weir_runner_core_lost(struct weir_runner_core *core, uint32_t slot, int64_t deadline_ns);
/* A record was fetched. True: kept until given back. False: not wanted (the slot is not ours, is
 * being drained or rewound): it stays the caller's, and will be fetched again by whoever owns it.
 */
bool weir_runner_core_record(struct weir_runner_core *core, uint32_t slot, int64_t offset,
                             size_t size, void *record);

enum weir_task_result { WEIR_RESULT_OK, WEIR_RESULT_SKIP, WEIR_RESULT_RETRY, WEIR_RESULT_REJECT };
/* The handler has finished the next record of the running run. */
void weir_runner_core_done(struct weir_runner_core *core, uint32_t slot, uint32_t epoch,
                           enum weir_task_result result);
/* The worker has let go of the run: at its end, after RETRY or REJECT, or when canceled. Every
 * `start` is followed by exactly one. */
void weir_runner_core_run_end(struct weir_runner_core *core, uint32_t slot, uint32_t epoch);

enum weir_commit_result { WEIR_COMMIT_OK, WEIR_COMMIT_FAILED, WEIR_COMMIT_UNKNOWN };
void weir_runner_core_committed(struct weir_runner_core *core, uint32_t slot, uint32_t epoch,
                                enum weir_commit_result result);
/* The dead-letter topic acknowledged the record, or not. */
void weir_runner_core_dead_lettered(struct weir_runner_core *core, uint32_t slot, uint32_t epoch,
                                    bool ok);
/* The partition's fetch position is where `rewind` said, or could not be moved. */
void weir_runner_core_rewound(struct weir_runner_core *core, uint32_t slot, uint32_t epoch,
                              bool ok);
/* Drains every slot; `stopped` is decided when all are released. A further call may bring the
 * deadline forward. */
void weir_runner_core_stop(struct weir_runner_core *core, int64_t deadline_ns);

/* ── decisions ───────────────────────────────────────────────────────────────────────────────── */
enum weir_decision_kind {
    WEIR_DECISION_NONE,
    WEIR_DECISION_START,  /* hand `records[0 … records_count)` to a worker, in order */
    WEIR_DECISION_CANCEL, /* let the worker stop after the record that it is at */
    WEIR_DECISION_PAUSE,
    WEIR_DECISION_RESUME,
    WEIR_DECISION_COMMIT,      /* commit `offset` with `ledger` as metadata */
    WEIR_DECISION_DEAD_LETTER, /* produce `records[0]` to the dead-letter topic */
    WEIR_DECISION_REWIND,      /* move the fetch position to `offset` */
    WEIR_DECISION_RELEASED,    /* done with the slot: unassign the partition */
    WEIR_DECISION_STOPPED,     /* nothing is left; slot has no meaning */
};

struct weir_runner_record {
    int64_t offset;
    void *record; /* as given to record(); the core's until released */
    size_t size;
};

struct weir_decision {
    enum weir_decision_kind kind;
    uint32_t slot, epoch;
    int64_t offset;            /* COMMIT, REWIND */
    struct weir_ledger ledger; /* COMMIT */
    uint32_t commit_count;     /* COMMIT: records that it newly covers */
    uint32_t attempt;          /* START: how often its first record was tried before */
    uint32_t records_count;    /* START, DEAD_LETTER */
    const struct weir_runner_record *records; /* borrowed until the next event or decision */
};

/* The next decision, to be carried out at once. False: nothing to do before the next event. */
bool weir_runner_core_next(struct weir_runner_core *core, struct weir_decision *ret);
/* When the next tick may change something; INT64_MAX: never. */
int64_t weir_runner_core_deadline(const struct weir_runner_core *core);

/* ── looking in ──────────────────────────────────────────────────────────────────────────────── */
/* Counts of one slot, since it was made; those of the ledger follow the partition. */
struct weir_runner_slot_view {
    bool owned; /* between assigned and released */
    bool draining, paused, running,
        waiting; /* waiting: for a further try or the dead-letter topic */
    uint32_t epoch;
    uint32_t queued; /* records held */
    uint64_t queued_bytes;
    uint32_t open;    /* committed and unfinished */
    int64_t position; /* the group's committed offset as far as known, -1: none */
    struct weir_ledger ledger;
    uint64_t received;                     /* records accepted */
    uint64_t committed;                    /* records newly covered by acknowledged commits */
    uint64_t outcomes[WEIR_OUTCOME_COUNT]; /* each committed record once */
    uint64_t retries;                      /* further tries */
    uint64_t duplicates; /* records that were, or will be, processed more than once */
    uint64_t commits, commits_failed, rewinds;
};
uint32_t weir_runner_core_slots_count(const struct weir_runner_core *core);
void weir_runner_core_slot_get(const struct weir_runner_core *core, uint32_t slot,
                               struct weir_runner_slot_view *ret);

#endif
