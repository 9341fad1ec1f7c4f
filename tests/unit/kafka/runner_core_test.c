/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's core against a model of Kafka: seeded schedules with faults, checked at every step.
 *
 * Two nodes, each a core with the simplest of shells, share three partitions. A seed decides every
 * delay, failure, rebalance, loss, crash and stop. What really happened to each record is kept
 * here, apart from what the core believes. WEIR_SIM_SEEDS=n sets the number of seeds,
 * WEIR_SIM_SEED=s runs one.
 *
 * The last test plants bugs into the simulated shell: each must be found.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "kafka/runner/core.h"

#define PARTITIONS  3
#define NODES       2
#define RECORDS_MAX 400
#define RUN_MAX     8
#define MS          INT64_C(1000000)

enum bug { /* planted into the shell */
           BUG_NONE,
           BUG_COMMIT_TOO_FAR,  /* commits one record past the decided offset */
           BUG_COMMIT_OPTIMIST, /* takes a failed commit for a good one */
           BUG_REVOKE_AT_ONCE,  /* gives the partition away without waiting for `released` */
           BUG_SWALLOW,         /* reports a failing handler as fine */
           BUG_TWO_AT_A_TIME,   /* a worker takes the next record before the first is done */
           BUG_FORGET_REWIND,   /* says that it moved the fetch position, and does not */
           BUG_COUNT,
};

struct truth { /* of one record */
    int64_t offset;
    unsigned calls; /* of the handler, by anybody */
    bool ok, skipped, dead_lettered;
};

struct partition {
    struct truth records[RECORDS_MAX];
    uint32_t count;
    uint32_t committed; /* group position, as an index */
    char metadata[WEIR_LEDGER_SIZE];
    int owner;      /* node, as the coordinator sees it; -1: nobody */
    int next_owner; /* waits for the owner to let go; -1: nobody */
};

struct run {
    bool busy, cancel;
    bool inside; /* the handler is at record `at` */
    uint32_t epoch, at, count;
    uint32_t indices[RUN_MAX];
};

struct pending { /* a request on its way */
    bool busy;
    uint32_t epoch, index;
    bool stale; /* of an ownership that is over */
    char metadata[WEIR_LEDGER_SIZE];
};

struct hold {    /* a node's view of one partition */
    bool owned;  /* assigned, not yet released */
    bool zombie; /* the coordinator has taken it away, the node has not heard */
    bool paused;
    bool lost;
    int64_t deadline_ns; /* of the revoke or stop; 0: none */
    uint32_t fetch;      /* next index to deliver */
    uint32_t handled;    /* next index that the handler must see */
    struct run run;
    struct pending commit, dead, rewind;
};

struct node {
    struct weir_runner_core *core;
    struct hold holds[PARTITIONS];
    bool stopping, stopped;
    int64_t held; /* records accepted and not given back */
};

struct sim {
    struct weir_rand rand;
    struct weir_runner_config config;
    enum bug bug;
    bool faults;
    bool ending; /* who stops now stays away */
    int64_t now_ns;
    struct partition partitions[PARTITIONS];
    struct node nodes[NODES];
    char broken[200]; /* the violated invariant */
};

#define BROKEN(sim, ...)                                                                           \
    do {                                                                                           \
        if (!(sim)->broken[0]) snprintf((sim)->broken, sizeof(sim)->broken, __VA_ARGS__);          \
    } while (0)

static bool chance(struct sim *sim, unsigned percent) {
    return weir_rand_below(&sim->rand, 100) < percent;
}
static bool fault(struct sim *sim, unsigned percent) {
    return sim->faults && chance(sim, percent);
}
static bool settled(const struct sim *sim, const struct truth *record) {
    return record->ok || record->skipped || record->dead_lettered ||
           (!sim->config.dead_letter && record->calls > 0);
}

/* ── the shell ───────────────────────────────────────────────────────────────────────────────── */

static void on_release(void *arg, void *record) {
    (void)record;
    ((struct node *)arg)->held--;
}

static void node_start(struct sim *sim, struct node *node) {
    memset(node, 0, sizeof *node);
    struct weir_runner_config config = sim->config;
    config.release = on_release;
    config.release_arg = node;
    if (weir_runner_core_new(&config, &node->core, NULL)) abort();
    weir_runner_core_tick(node->core, sim->now_ns);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        if (weir_runner_core_slot_new(node->core) != (int64_t)p) abort();
}

static void node_end(struct sim *sim, struct node *node) {
    weir_runner_core_free(node->core);
    node->core = NULL;
    if (node->held != 0) BROKEN(sim, "%lld records leaked", (long long)node->held);
}

static uint32_t index_of(const struct partition *partition, int64_t offset) {
    uint32_t i = 0;
    while (i < partition->count && partition->records[i].offset < offset) i++;
    return i;
}

static void check_loss(struct sim *sim, uint32_t p, const struct weir_ledger *ledger) {
    const struct partition *partition = &sim->partitions[p];
    uint64_t lost = 0, twice = 0; /* twice: one owner saw it done, another may have given it up */
    for (uint32_t i = 0; i < partition->committed; i++) {
        const struct truth *record = &partition->records[i];
        bool good = record->ok || record->skipped || record->dead_lettered;
        lost += !good;
        twice += good && sim->config.at_least_once && !sim->config.dead_letter && record->calls > 1;
    }
    if (weir_ledger_lost_min(ledger) > lost + twice || weir_ledger_lost_max(ledger) < lost)
        BROKEN(sim, "partition %u lost %llu, the ledger says %llu to %llu", p,
               (unsigned long long)lost, (unsigned long long)weir_ledger_lost_min(ledger),
               (unsigned long long)weir_ledger_lost_max(ledger));
}

static void assign(struct sim *sim, int n, uint32_t p) {
    struct partition *partition = &sim->partitions[p];
    struct node *node = &sim->nodes[n];
    struct hold *hold = &node->holds[p];
    struct weir_ledger ledger;
    bool ours = weir_ledger_decode(weir_view_str(partition->metadata), &ledger);
    if (ours) check_loss(sim, p, &ledger);
    int64_t offset = ours ? partition->committed < partition->count
                                ? partition->records[partition->committed].offset
                                : partition->records[partition->count - 1].offset + 1
                          : -1;
    if (weir_runner_core_assigned(node->core, p, offset, &ledger)) return;
    struct run run = hold->run; /* an abandoned worker may still be at it */
    *hold = (struct hold){
        .owned = true, .fetch = partition->committed, .handled = partition->committed, .run = run};
    partition->owner = n;
    partition->next_owner = -1;
}

static void hand_over(struct sim *sim, uint32_t p) {
    struct partition *partition = &sim->partitions[p];
    int next = partition->next_owner;
    partition->owner = partition->next_owner = -1;
    if (next >= 0 && !sim->nodes[next].stopping) assign(sim, next, p);
}

static void on_commit(struct sim *sim, struct node *node, struct hold *hold,
                      const struct weir_decision *d) {
    struct partition *partition = &sim->partitions[d->slot];
    if (!hold->owned || hold->lost) BROKEN(sim, "commit of partition %u that is not ours", d->slot);
    if (hold->commit.busy) BROKEN(sim, "two commits of partition %u in flight", d->slot);
    uint32_t index = index_of(partition, d->offset);
    if (sim->bug == BUG_COMMIT_TOO_FAR && index < partition->count) index++;
    hold->commit = (struct pending){.busy = true, .epoch = d->epoch, .index = index};
    weir_ledger_encode(&d->ledger, hold->commit.metadata);
    for (uint32_t i = 0; sim->config.at_least_once && i < index; i++)
        if (!settled(sim, &partition->records[i]))
            BROKEN(sim, "at-least-once commits undone record %u/%u", d->slot, i);
    (void)node;
}

static void on_start(struct sim *sim, struct hold *hold, const struct weir_decision *d) {
    if (hold->run.busy) BROKEN(sim, "two runs of partition %u", d->slot);
    hold->run = (struct run){.busy = true, .epoch = d->epoch, .count = d->records_count};
    for (uint32_t i = 0; i < d->records_count; i++)
        hold->run.indices[i] = index_of(&sim->partitions[d->slot], d->records[i].offset);
}

static void decide(struct sim *sim, int n) {
    struct node *node = &sim->nodes[n];
    struct weir_decision d;
    for (int count = 0; node->core && weir_runner_core_next(node->core, &d); count++) {
        if (count > 10000) {
            BROKEN(sim, "decisions without end");
            return;
        }
        struct hold *hold = d.kind == WEIR_DECISION_STOPPED ? NULL : &node->holds[d.slot];
        if (hold && !hold->owned)
            BROKEN(sim, "decision %d for a partition that is not ours", d.kind);
        switch (d.kind) {
        case WEIR_DECISION_NONE: break;
        case WEIR_DECISION_START: on_start(sim, hold, &d); break;
        case WEIR_DECISION_CANCEL: hold->run.cancel = true; break;
        case WEIR_DECISION_PAUSE: hold->paused = true; break;
        case WEIR_DECISION_RESUME: hold->paused = false; break;
        case WEIR_DECISION_COMMIT: on_commit(sim, node, hold, &d); break;
        case WEIR_DECISION_DEAD_LETTER:
            hold->dead =
                (struct pending){.busy = true,
                                 .epoch = d.epoch,
                                 .index = index_of(&sim->partitions[d.slot], d.records[0].offset)};
            break;
        case WEIR_DECISION_REWIND:
            hold->rewind = (struct pending){.busy = true,
                                            .epoch = d.epoch,
                                            .index = index_of(&sim->partitions[d.slot], d.offset)};
            break;
        case WEIR_DECISION_RELEASED:
            if (!hold->lost && sim->now_ns < hold->deadline_ns &&
                ((hold->run.busy && hold->run.epoch == d.epoch) || hold->dead.busy))
                BROKEN(sim, "partition %u released with work in flight before the deadline",
                       d.slot);
            hold->owned = false;
            hold->commit.stale = hold->dead.stale = true;
            if (sim->partitions[d.slot].owner == n) hand_over(sim, d.slot);
            break;
        case WEIR_DECISION_STOPPED:
            node->stopped = true;
            for (int p = 0; p < PARTITIONS; p++)
                if (node->holds[p].owned) BROKEN(sim, "stopped while partition %d is ours", p);
            break;
        }
    }
}

/* ── what may happen ─────────────────────────────────────────────────────────────────────────── */

static void do_fetch(struct sim *sim, struct node *node, uint32_t p) {
    struct hold *hold = &node->holds[p];
    struct partition *partition = &sim->partitions[p];
    if (!hold->owned || hold->paused || hold->rewind.busy) return;
    uint64_t most = 1 + weir_rand_below(&sim->rand, sim->config.poll_max);
    for (uint64_t i = 0; i < most && hold->fetch < partition->count; i++) {
        uint32_t index = hold->fetch++;
        if (weir_runner_core_record(node->core, p, partition->records[index].offset, 100,
                                    (void *)(uintptr_t)(index + 1)))
            node->held++;
    }
    struct weir_runner_slot_view view;
    weir_runner_core_slot_get(node->core, p, &view);
    if (view.queued > 2 * (sim->config.queue_high + sim->config.poll_max))
        BROKEN(sim, "queue of %u records", view.queued);
}

static void check_call(struct sim *sim, const struct hold *hold, uint32_t p, uint32_t index) {
    const struct truth *record = &sim->partitions[p].records[index];
    if (sim->config.at_least_once) {
        if (hold->run.epoch && !hold->run.cancel && hold->owned && index > hold->handled)
            BROKEN(sim, "record %u/%u before %u", p, index, hold->handled);
        return;
    }
    if (record->calls > 1) BROKEN(sim, "at-most-once handled %u/%u twice", p, index);
    if (sim->partitions[p].committed <= index)
        BROKEN(sim, "at-most-once handled %u/%u before its commit", p, index);
}

static void end_run(struct node *node, struct hold *hold, uint32_t p) {
    hold->run.busy = false;
    weir_runner_core_run_end(node->core, p, hold->run.epoch);
}

static void do_work(struct sim *sim, struct node *node, uint32_t p) {
    struct hold *hold = &node->holds[p];
    struct run *run = &hold->run;
    if (!run->busy) return;
    if (!run->inside && (run->cancel || run->at == run->count)) {
        end_run(node, hold, p);
        return;
    }
    if (sim->bug == BUG_TWO_AT_A_TIME && run->at + 1 < run->count && !run->inside &&
        chance(sim, 10)) {
        uint32_t first = run->indices[run->at];
        run->indices[run->at] = run->indices[run->at + 1];
        run->indices[run->at + 1] = first;
    }
    uint32_t index = run->indices[run->at];
    struct truth *record = &sim->partitions[p].records[index];
    if (!run->inside) { /* the handler begins; it ends at another step */
        run->inside = true;
        record->calls++;
        check_call(sim, hold, p, index);
        return;
    }
    run->inside = false;
    run->at++;
    enum weir_task_result result = WEIR_RESULT_OK;
    if (fault(sim, 15)) result = (enum weir_task_result)(1 + weir_rand_below(&sim->rand, 3));
    if (result == WEIR_RESULT_OK) record->ok = true;
    if (result == WEIR_RESULT_SKIP) record->skipped = true;
    if (index == hold->handled && result <= WEIR_RESULT_SKIP) hold->handled++;
    if (sim->bug == BUG_SWALLOW) result = WEIR_RESULT_OK;
    weir_runner_core_done(node->core, p, run->epoch, result);
    if (result >= WEIR_RESULT_RETRY) {
        if (!sim->config.dead_letter && index == hold->handled) hold->handled++;
        end_run(node, hold, p);
    }
}

static void do_commit(struct sim *sim, struct node *node, uint32_t p) {
    struct hold *hold = &node->holds[p];
    struct pending *commit = &hold->commit;
    if (!commit->busy) return;
    struct partition *partition = &sim->partitions[p];
    bool ours = partition->owner == (int)(node - sim->nodes) && !commit->stale;
    bool failed = fault(sim, 20), unknown = fault(sim, 10);
    bool applied = ours && (unknown ? chance(sim, 50) : !failed);
    commit->busy = false;
    if (applied) {
        struct weir_ledger ledger;
        if (!weir_ledger_decode(weir_view_str(commit->metadata), &ledger))
            BROKEN(sim, "metadata '%s'", commit->metadata);
        if (ledger.committed != commit->index)
            BROKEN(sim, "ledger counts %llu committed of %u", (unsigned long long)ledger.committed,
                   commit->index);
        partition->committed = commit->index;
        memcpy(partition->metadata, commit->metadata, sizeof partition->metadata);
    }
    enum weir_commit_result result = unknown   ? WEIR_COMMIT_UNKNOWN
                                     : applied ? WEIR_COMMIT_OK
                                               : WEIR_COMMIT_FAILED;
    if (sim->bug == BUG_COMMIT_OPTIMIST) result = WEIR_COMMIT_OK;
    weir_runner_core_committed(node->core, p, commit->epoch, result);
}

static void do_dead_letter(struct sim *sim, struct node *node, uint32_t p) {
    struct hold *hold = &node->holds[p];
    if (!hold->dead.busy) return;
    hold->dead.busy = false;
    bool ok = !fault(sim, 30);
    if (ok) {
        sim->partitions[p].records[hold->dead.index].dead_lettered = true;
        if (hold->owned && hold->dead.index == hold->handled) hold->handled++;
    }
    weir_runner_core_dead_lettered(node->core, p, hold->dead.epoch, ok);
}

static void do_rewind(struct sim *sim, struct node *node, uint32_t p) {
    struct hold *hold = &node->holds[p];
    if (!hold->rewind.busy) return;
    hold->rewind.busy = false;
    bool ok = !fault(sim, 30);
    if (ok && hold->owned && sim->bug != BUG_FORGET_REWIND) hold->fetch = hold->rewind.index;
    weir_runner_core_rewound(node->core, p, hold->rewind.epoch, ok);
}

static void must_drain_by(struct hold *hold, int64_t deadline_ns) {
    if (!hold->deadline_ns || deadline_ns < hold->deadline_ns) hold->deadline_ns = deadline_ns;
}

/* The coordinator wants another owner. */
static void do_rebalance(struct sim *sim, uint32_t p) {
    struct partition *partition = &sim->partitions[p];
    int next = (int)weir_rand_below(&sim->rand, NODES);
    if (sim->nodes[next].stopping || partition->next_owner >= 0) return;
    if (partition->owner < 0) {
        if (!sim->nodes[next].holds[p].owned) assign(sim, next, p);
        return;
    }
    if (next == partition->owner || sim->nodes[next].holds[p].owned) return;
    struct node *owner = &sim->nodes[partition->owner];
    int64_t drain_ns = (int64_t)weir_rand_below(&sim->rand, 3000) * MS;
    partition->next_owner = next;
    if (fault(sim, 25)) { /* the owner is too late: it is lost, and hears of it at once or later */
        owner->holds[p].zombie = true;
        hand_over(sim, p);
        return;
    }
    must_drain_by(&owner->holds[p], sim->now_ns + drain_ns);
    weir_runner_core_revoked(owner->core, p, sim->now_ns + drain_ns);
    if (sim->bug == BUG_REVOKE_AT_ONCE) {
        owner->holds[p].owned = false;
        hand_over(sim, p);
    }
}

static void do_lost(struct sim *sim, struct node *node, uint32_t p) {
    struct hold *hold = &node->holds[p];
    if (!hold->zombie || !hold->owned) return;
    hold->zombie = false;
    hold->lost = true;
    weir_runner_core_lost(node->core, p, sim->now_ns + 1000 * MS);
}

static void leave(struct sim *sim, int n) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct partition *partition = &sim->partitions[p];
        if (partition->next_owner == n) partition->next_owner = -1;
        if (partition->owner == n) partition->owner = partition->next_owner = -1;
    }
}

static void do_crash(struct sim *sim, int n) {
    struct node *node = &sim->nodes[n];
    leave(sim, n);
    node_end(sim, node);
    node_start(sim, node);
}

static void do_stop(struct sim *sim, int n) {
    struct node *node = &sim->nodes[n];
    int64_t deadline_ns = sim->now_ns + (int64_t)weir_rand_below(&sim->rand, 4000) * MS;
    node->stopping = true;
    for (int p = 0; p < PARTITIONS; p++) must_drain_by(&node->holds[p], deadline_ns);
    for (int p = 0; p < PARTITIONS; p++)
        if (sim->partitions[p].next_owner == n) sim->partitions[p].next_owner = -1;
    weir_runner_core_stop(node->core, deadline_ns);
}

static void do_produce(struct sim *sim, uint32_t p) {
    struct partition *partition = &sim->partitions[p];
    for (uint64_t i = weir_rand_below(&sim->rand, 6); i && partition->count < RECORDS_MAX; i--) {
        int64_t last = partition->count ? partition->records[partition->count - 1].offset : 4;
        /* Compaction and transaction markers leave gaps. */
        partition->records[partition->count++].offset =
            last + 1 + (chance(sim, 10) ? (int64_t)weir_rand_below(&sim->rand, 5) : 0);
    }
}

static void step(struct sim *sim) {
    int n = (int)weir_rand_below(&sim->rand, NODES);
    uint32_t p = (uint32_t)weir_rand_below(&sim->rand, PARTITIONS);
    struct node *node = &sim->nodes[n];
    switch (weir_rand_below(&sim->rand, 24)) {
    case 0:
    case 1:
        if (sim->faults) do_produce(sim, p);
        break;
    case 2:
    case 3:
    case 4: do_fetch(sim, node, p); break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10: do_work(sim, node, p); break;
    case 11:
    case 12:
    case 13: do_commit(sim, node, p); break;
    case 14: do_dead_letter(sim, node, p); break;
    case 15: do_rewind(sim, node, p); break;
    case 16:
    case 17:
        sim->now_ns += (int64_t)weir_rand_below(&sim->rand, chance(sim, 10) ? 3000 : 100) * MS;
        break;
    case 18:
        if (chance(sim, 25) || sim->partitions[p].owner < 0) do_rebalance(sim, p);
        break;
    case 19: do_lost(sim, node, p); break;
    case 20:
        if (fault(sim, 3)) do_crash(sim, n);
        break;
    case 21:
        if (fault(sim, 3) && !node->stopping) do_stop(sim, n);
        break;
    case 22:
        if (node->stopped &&
            !sim->ending) { /* leaves the group, and comes again as a new process */
            leave(sim, n);
            node_end(sim, node);
            node_start(sim, node);
        }
        break;
    default: break;
    }
    for (int i = 0; i < NODES; i++) {
        weir_runner_core_tick(sim->nodes[i].core, sim->now_ns);
        decide(sim, i);
    }
}

static bool caught_up(const struct sim *sim) {
    for (int p = 0; p < PARTITIONS; p++) {
        const struct partition *partition = &sim->partitions[p];
        if (partition->committed != partition->count) return false;
        if (partition->owner < 0 && partition->count) return false;
    }
    for (int n = 0; n < NODES; n++) {
        const struct node *node = &sim->nodes[n];
        if (node->held || node->stopping) return false;
        for (int p = 0; p < PARTITIONS; p++)
            if (node->holds[p].commit.busy || node->holds[p].run.busy) return false;
    }
    return true;
}

static bool all_stopped(const struct sim *sim) {
    for (int n = 0; n < NODES; n++)
        if (!sim->nodes[n].stopped) return false;
    return true;
}

/* Without faults everything must come to its end, and then every node must stop. */
static void finish(struct sim *sim) {
    sim->faults = false;
    int steps = 0;
    for (; steps < 60000 && !caught_up(sim) && !sim->broken[0]; steps++) step(sim);
    if (steps == 60000) BROKEN(sim, "does not catch up");
    sim->ending = true;
    for (int n = 0; n < NODES; n++) do_stop(sim, n);
    for (steps = 0; steps < 20000 && !all_stopped(sim) && !sim->broken[0]; steps++) step(sim);
    if (steps == 20000) BROKEN(sim, "does not stop");
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct weir_ledger ledger;
        if (weir_ledger_decode(weir_view_str(sim->partitions[p].metadata), &ledger))
            check_loss(sim, p, &ledger);
        for (uint32_t i = 0; sim->config.at_least_once && i < sim->partitions[p].count; i++)
            if (!settled(sim, &sim->partitions[p].records[i])) BROKEN(sim, "lost %u/%u", p, i);
    }
}

static void configure(struct sim *sim) {
    bool at_least_once = chance(sim, 50);
    weir_runner_config_init(&sim->config, at_least_once);
    sim->config.dead_letter = at_least_once ? chance(sim, 80) : chance(sim, 30);
    sim->config.queue_high = 1 + (uint32_t)weir_rand_below(&sim->rand, 12);
    sim->config.queue_low = (uint32_t)weir_rand_below(&sim->rand, sim->config.queue_high);
    sim->config.poll_max = 1 + (uint32_t)weir_rand_below(&sim->rand, 6);
    sim->config.run_max = 1 + (uint32_t)weir_rand_below(&sim->rand, RUN_MAX);
    sim->config.batch_max = 1 + (uint32_t)weir_rand_below(&sim->rand, 10);
    sim->config.retries_max = (uint32_t)weir_rand_below(&sim->rand, 3);
    sim->config.commit_count = 1 + (uint32_t)weir_rand_below(&sim->rand, 10);
    sim->config.commit_retries_max = (uint32_t)weir_rand_below(&sim->rand, 3);
    if (chance(sim, 20)) sim->config.bytes_high = 100 + weir_rand_below(&sim->rand, 1000);
}

/* True when every invariant held; else `broken` says which did not. */
static bool simulate(uint64_t seed, enum bug bug, char broken[200]) {
    static struct sim state;
    struct sim *sim = &state;
    memset(sim, 0, sizeof *sim);
    weir_rand_init(&sim->rand, seed);
    sim->bug = bug;
    sim->faults = true;
    sim->now_ns = MS;
    configure(sim);
    for (int p = 0; p < PARTITIONS; p++)
        sim->partitions[p].owner = sim->partitions[p].next_owner = -1;
    for (int n = 0; n < NODES; n++) node_start(sim, &sim->nodes[n]);
    for (int i = 0; i < 800 && !sim->broken[0]; i++) step(sim);
    if (!sim->broken[0]) finish(sim);
    for (int n = 0; n < NODES; n++) node_end(sim, &sim->nodes[n]);
    memcpy(broken, sim->broken, 200);
    return !sim->broken[0];
}

/* ── tests ───────────────────────────────────────────────────────────────────────────────────── */

static void test_schedules(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    uint64_t count = 1500;
#else
    uint64_t count = 20000;
#endif
    if (getenv("WEIR_SIM_SEEDS")) count = strtoull(getenv("WEIR_SIM_SEEDS"), NULL, 10);
    uint64_t first = 1, failures = 0;
    if (getenv("WEIR_SIM_SEED")) {
        first = strtoull(getenv("WEIR_SIM_SEED"), NULL, 10);
        count = 1;
    }
    char broken[200];
    for (uint64_t seed = first; seed < first + count && failures < 5; seed++) {
        if (simulate(seed, BUG_NONE, broken)) continue;
        printf("WEIR_SIM_SEED=%llu: %s\n", (unsigned long long)seed, broken);
        failures++;
    }
    printf("%llu seeds from %llu\n", (unsigned long long)count, (unsigned long long)first);
    assert_int_equal(failures, 0);
}

static void test_planted_bugs_are_found(void **state) {
    (void)state;
    for (int bug = BUG_NONE + 1; bug < BUG_COUNT; bug++) {
        char broken[200];
        uint64_t seed = 1;
        while (seed <= 500 && simulate(seed, (enum bug)bug, broken)) seed++;
        if (seed > 500) fail_msg("planted bug %d was not found", bug);
        printf("bug %d, seed %llu: %s\n", bug, (unsigned long long)seed, broken);
    }
}

static void release_nothing(void *arg, void *record) {
    (void)arg;
    (void)record;
}

static void test_config_is_checked(void **state) {
    (void)state;
    struct weir_runner_config config;
    struct weir_runner_core *core = NULL;
    struct weir_error err;
    weir_runner_config_init(&config, true);
    assert_int_equal(weir_runner_core_new(&config, &core, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.message, "release"));
    config.release = release_nothing;
    config.queue_low = config.queue_high;
    assert_int_equal(weir_runner_core_new(&config, &core, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.message, "queue_low"));
    config.queue_low = 0;
    config.slots_max = 1;
    assert_int_equal(weir_runner_core_new(&config, &core, &err), WEIR_OK);
    assert_int_equal(weir_runner_core_slot_new(core), 0);
    assert_int_equal(weir_runner_core_slot_new(core), WEIR_ELIMIT);
    weir_runner_core_free(core);
}

static void test_idle_stop_is_immediate(void **state) {
    (void)state;
    struct weir_runner_config config;
    struct weir_runner_core *core = NULL;
    weir_runner_config_init(&config, true);
    config.release = release_nothing;
    assert_int_equal(weir_runner_core_new(&config, &core, NULL), WEIR_OK);
    assert_int_equal(weir_runner_core_slot_new(core), 0);
    struct weir_ledger ledger = {0};
    assert_int_equal(weir_runner_core_assigned(core, 0, 7, &ledger), WEIR_OK);
    struct weir_decision d;
    assert_false(weir_runner_core_next(core, &d));
    weir_runner_core_stop(core, 30000 * MS);
    assert_true(weir_runner_core_next(core, &d));
    assert_int_equal(d.kind, WEIR_DECISION_RELEASED);
    assert_true(weir_runner_core_next(core, &d));
    assert_int_equal(d.kind, WEIR_DECISION_STOPPED);
    assert_false(weir_runner_core_next(core, &d));
    weir_runner_core_free(core);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_is_checked),
        cmocka_unit_test(test_idle_stop_is_immediate),
        cmocka_unit_test(test_planted_bugs_are_found),
        cmocka_unit_test(test_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
