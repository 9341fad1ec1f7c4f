/* SPDX-License-Identifier: Apache-2.0 */
/* What the runner shows of itself: metrics of every partition, health checks.
 *
 * loss = committed - ok - dead_lettered - skipped - open, per partition, is
 * weir.runner.lost{bound="min"}; what cannot be known for certain is in bound="max" only.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/metrics.h"
#include "kafka/runner/runner.h"

#define LOOK_INTERVAL_NS (100 * WEIR_NS_PER_MS)
#define STUCK_NS         (60 * WEIR_NS_PER_S) /* records wait and none is finished for so long */

static const char *const outcome_names[WEIR_OUTCOME_COUNT] = {"ok", "failed", "dead_lettered",
                                                              "skipped"};
static const char *const stage_names[WEIR_STAGE_COUNT] = {"queue", "process", "commit",
                                                          "dead_letter"};

static const struct {
    const char *name, *unit, *description;
    enum weir_instrument_type type;
} rows[WEIR_RUNNER_METRIC_COUNT] = {
    [WEIR_RUNNER_RECEIVED] = {"weir.runner.received", "{message}", "Records taken for processing.",
                              WEIR_INSTRUMENT_OBSERVABLE_COUNTER},
    [WEIR_RUNNER_COMMITTED] = {"weir.runner.committed", "{message}",
                               "Records below an acknowledged commit.",
                               WEIR_INSTRUMENT_OBSERVABLE_COUNTER},
    [WEIR_RUNNER_PROCESSED] = {"weir.runner.processed", "{message}",
                               "Committed records by what became of them, each once.",
                               WEIR_INSTRUMENT_OBSERVABLE_COUNTER},
    [WEIR_RUNNER_RETRIES] = {"weir.runner.retries", "{retry}", "Further tries of failed records.",
                             WEIR_INSTRUMENT_OBSERVABLE_COUNTER},
    [WEIR_RUNNER_DUPLICATES] = {"weir.runner.duplicates", "{message}",
                                "Records that were or will be processed more than once.",
                                WEIR_INSTRUMENT_OBSERVABLE_COUNTER},
    [WEIR_RUNNER_IN_FLIGHT] = {"weir.runner.in_flight", "{message}",
                               "Records taken and not yet finished.",
                               WEIR_INSTRUMENT_OBSERVABLE_GAUGE},
    [WEIR_RUNNER_LOST] = {"weir.runner.lost", "{message}",
                          "Records committed and not processed, as told by the partition's owner.",
                          WEIR_INSTRUMENT_OBSERVABLE_GAUGE},
    [WEIR_RUNNER_STAGE_DURATION] = {"weir.runner.stage.duration", "s",
                                    "Time that a record or commit spends in a stage.",
                                    WEIR_INSTRUMENT_HISTOGRAM},
    [WEIR_RUNNER_DRAIN_DURATION] = {"weir.runner.drain.duration", "s",
                                    "From a revoke or stop to the release of the partition.",
                                    WEIR_INSTRUMENT_HISTOGRAM},
};

static struct weir_instrument *instruments[WEIR_RUNNER_METRIC_COUNT];
static pthread_mutex_t runners_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards runners, their next */
static struct weir_runner *runners;

/* ── observing ───────────────────────────────────────────────────────────────────────────────── */

enum { ATTRS_MAX = 6 };

static const char *semantics_of(const struct weir_runner *runner) {
    return runner->at_least_once ? "at_least_once" : "at_most_once";
}

static size_t attrs_of(const struct weir_runner_seen *seen, struct weir_attribute ret[ATTRS_MAX]) {
    const struct weir_runner_part *part = seen->part;
    ret[0] = WEIR_STR("messaging.system", "kafka");
    ret[1] = WEIR_STR("messaging.destination.name", part->topic);
    ret[2] = WEIR_STR("messaging.destination.partition.id",
                      part->entry ? part->entry->partition_text : NULL);
    ret[3] = WEIR_STR("messaging.consumer.group.name", part->runner->client->group);
    ret[4] = WEIR_STR("weir.runner.semantics", semantics_of(part->runner));
    return 5;
}

static void observe_part(struct weir_observer *observer, const struct weir_runner_seen *seen,
                         enum weir_runner_metric metric) {
    struct weir_attribute attrs[ATTRS_MAX];
    size_t count = attrs_of(seen, attrs);
    const struct weir_runner_slot_view *view = &seen->view;
    double value = 0;
    switch ((int)metric) {
    case WEIR_RUNNER_RECEIVED: value = (double)view->received; break;
    case WEIR_RUNNER_COMMITTED: value = (double)view->committed; break;
    case WEIR_RUNNER_RETRIES: value = (double)view->retries; break;
    case WEIR_RUNNER_DUPLICATES: value = (double)view->duplicates; break;
    case WEIR_RUNNER_IN_FLIGHT: value = (double)view->queued; break;
    case WEIR_RUNNER_PROCESSED:
        for (int i = 0; i < WEIR_OUTCOME_COUNT; i++) {
            attrs[count] = WEIR_STR("outcome", outcome_names[i]);
            weir_observer_record(observer, (double)view->outcomes[i], attrs, count + 1);
        }
        return;
    case WEIR_RUNNER_LOST:
        if (!seen->is_owner) return; /* the new owner goes on */
        attrs[count] = WEIR_STR("bound", "min");
        weir_observer_record(observer, (double)weir_ledger_lost_min(&view->ledger), attrs,
                             count + 1);
        attrs[count] = WEIR_STR("bound", "max");
        weir_observer_record(observer, (double)weir_ledger_lost_max(&view->ledger), attrs,
                             count + 1);
        return;
    default: return;
    }
    weir_observer_record(observer, value, attrs, count);
}

static void observe(void *arg, struct weir_observer *observer) {
    enum weir_runner_metric metric = (enum weir_runner_metric)(uintptr_t)arg;
    pthread_mutex_lock(&runners_mutex);
    for (struct weir_runner *runner = runners; runner; runner = runner->next) {
        pthread_mutex_lock(&runner->seen_mutex);
        for (uint32_t i = 0; i < runner->seen_count; i++)
            observe_part(observer, &runner->seen[i], metric);
        pthread_mutex_unlock(&runner->seen_mutex);
    }
    pthread_mutex_unlock(&runners_mutex);
}

static void make_instruments(void) {
    struct weir_meter *meter = weir_meter_get("weir.runner", WEIR_VERSION);
    struct weir_instrument_options options = {.struct_size = sizeof options,
                                              .bounds = weir_kafka_bounds,
                                              .bounds_count = weir_kafka_bounds_count};
    for (int i = 0; i < WEIR_RUNNER_METRIC_COUNT; i++) {
        instruments[i] = weir_instrument_get(meter, rows[i].type, rows[i].name, rows[i].unit,
                                             rows[i].description, &options);
        if (i <= WEIR_RUNNER_LOST)
            weir_instrument_observe(instruments[i], observe, (void *)(uintptr_t)i);
    }
}

void weir_runner_telemetry_look(struct weir_runner *runner, bool force) {
    int64_t now_ns = weir_clock_mono_ns();
    if (!force && now_ns - runner->seen_ns < LOOK_INTERVAL_NS) return;
    runner->seen_ns = now_ns;
    pthread_mutex_lock(&runner->seen_mutex);
    if (runner->seen_room < runner->parts_count) {
        struct weir_runner_seen *seen =
            realloc(runner->seen, runner->parts_count * sizeof *runner->seen);
        if (seen) {
            runner->seen = seen;
            runner->seen_room = runner->parts_count;
        }
    }
    runner->seen_count =
        runner->parts_count < runner->seen_room ? runner->parts_count : runner->seen_room;
    for (uint32_t i = 0; i < runner->seen_count; i++) {
        runner->seen[i].part = runner->parts[i];
        weir_runner_core_slot_get(runner->core, i, &runner->seen[i].view);
        runner->seen[i].is_owner = runner->seen[i].view.owned || runner->parts[i]->stayed;
    }
    pthread_mutex_unlock(&runner->seen_mutex);
}

void weir_runner_stage(struct weir_runner *runner, enum weir_runner_stage stage, int64_t since_ns) {
    weir_series_record(runner->stages[stage], (double)(weir_clock_mono_ns() - since_ns) / 1e9);
}

void weir_runner_drained(struct weir_runner *runner, int64_t since_ns) {
    weir_series_record(runner->drains, (double)(weir_clock_mono_ns() - since_ns) / 1e9);
}

/* ── health ──────────────────────────────────────────────────────────────────────────────────── */

static enum weir_health check_broker(void *arg, char *detail, size_t size) {
    struct weir_runner *runner = arg;
    int connected = atomic_load(&runner->client->connected);
    if (connected > 0) return WEIR_HEALTH_PASS;
    pthread_mutex_lock(&runner->client->mutex);
    snprintf(detail, size, "%s",
             connected < 0 && !runner->client->last_error[0] ? "not connected yet"
                                                             : runner->client->last_error);
    pthread_mutex_unlock(&runner->client->mutex);
    return connected < 0 ? WEIR_HEALTH_UNKNOWN : WEIR_HEALTH_FAIL;
}

static enum weir_health check_assignment(void *arg, char *detail, size_t size) {
    struct weir_runner *runner = arg;
    uint32_t owned = 0, known;
    pthread_mutex_lock(&runner->seen_mutex);
    known = runner->seen_count;
    for (uint32_t i = 0; i < runner->seen_count; i++) owned += runner->seen[i].view.owned;
    pthread_mutex_unlock(&runner->seen_mutex);
    snprintf(detail, size, "owns %u partitions", owned);
    return known ? WEIR_HEALTH_PASS : WEIR_HEALTH_UNKNOWN;
}

static enum weir_health check_progress(void *arg, char *detail, size_t size) {
    struct weir_runner *runner = arg;
    enum weir_health health = WEIR_HEALTH_PASS;
    int64_t now_ns = weir_clock_mono_ns(), latest_ns = 0;
    pthread_mutex_lock(&runner->seen_mutex);
    for (uint32_t i = 0; i < runner->seen_count && health == WEIR_HEALTH_PASS; i++) {
        const struct weir_runner_seen *seen = &runner->seen[i];
        int64_t progress_ns = atomic_load(&seen->part->progress_ns);
        if (progress_ns > latest_ns) latest_ns = progress_ns;
        if (!seen->view.owned || !seen->view.queued || now_ns - progress_ns < STUCK_NS) continue;
        health = WEIR_HEALTH_FAIL;
        snprintf(detail, size, "%s[%d]: %u records wait, none finished for %lld s%s",
                 seen->part->topic, (int)seen->part->partition, seen->view.queued,
                 (long long)((now_ns - progress_ns) / WEIR_NS_PER_S),
                 seen->view.waiting ? " (a record waits for a further try or its dead-letter topic)"
                                    : "");
    }
    pthread_mutex_unlock(&runner->seen_mutex);
    if (health == WEIR_HEALTH_PASS && latest_ns)
        snprintf(detail, size, "last progress %.1f s ago", (double)(now_ns - latest_ns) / 1e9);
    return health;
}

/* ── opening and closing ─────────────────────────────────────────────────────────────────────── */

static void make_series(struct weir_runner *runner) {
    struct weir_attribute attrs[] = {
        WEIR_STR("messaging.system", "kafka"),
        WEIR_STR("messaging.consumer.group.name", runner->client->group),
        WEIR_STR("weir.runner.semantics", semantics_of(runner)), WEIR_STR("stage", NULL)};
    runner->drains = weir_series_get(instruments[WEIR_RUNNER_DRAIN_DURATION], attrs, 3);
    for (int i = 0; i < WEIR_STAGE_COUNT; i++) {
        attrs[3] = WEIR_STR("stage", stage_names[i]);
        runner->stages[i] = weir_series_get(instruments[WEIR_RUNNER_STAGE_DURATION], attrs, 4);
    }
}

void weir_runner_telemetry_open(struct weir_runner *runner) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static weir_health_check *const checks[] = {check_broker, check_assignment, check_progress};
    static const char *const names[] = {"kafka.broker", "kafka.assignment", "runner.progress"};
    static atomic_int opened;
    pthread_once(&once, make_instruments);
    make_series(runner);
    int number = atomic_fetch_add(&opened, 1);
    for (int i = 0; i < 3; i++) {
        char suffix[16] = "";
        if (number) snprintf(suffix, sizeof suffix, ".%d", number + 1);
        snprintf(runner->health_names[i], sizeof runner->health_names[i], "%s%s", names[i], suffix);
        weir_health_add(runner->health_names[i], checks[i], runner, NULL);
    }
    pthread_mutex_lock(&runners_mutex);
    runner->next = runners;
    runners = runner;
    pthread_mutex_unlock(&runners_mutex);
}

void weir_runner_telemetry_close(struct weir_runner *runner) {
    for (int i = 0; i < 3; i++)
        if (runner->health_names[i][0]) weir_health_remove(runner->health_names[i]);
    pthread_mutex_lock(&runners_mutex);
    struct weir_runner **at = &runners;
    while (*at && *at != runner) at = &(*at)->next;
    if (*at) *at = runner->next;
    pthread_mutex_unlock(&runners_mutex);
}

void weir_runner_stats_get(struct weir_runner *runner, struct weir_runner_stats *stats) {
    size_t struct_size = stats->struct_size;
    *stats = (struct weir_runner_stats){.struct_size = struct_size};
    if (!runner) return;
    pthread_mutex_lock(&runner->seen_mutex);
    for (uint32_t i = 0; i < runner->seen_count; i++) {
        const struct weir_runner_slot_view *view = &runner->seen[i].view;
        stats->received += view->received;
        stats->committed += view->committed;
        stats->ok += view->outcomes[WEIR_OUTCOME_OK];
        stats->failed += view->outcomes[WEIR_OUTCOME_FAILED];
        stats->dead_lettered += view->outcomes[WEIR_OUTCOME_DEAD_LETTERED];
        stats->skipped += view->outcomes[WEIR_OUTCOME_SKIPPED];
        stats->retries += view->retries;
        stats->duplicates += view->duplicates;
        stats->commits += view->commits;
        stats->commits_failed += view->commits_failed;
        stats->in_flight += view->queued;
        stats->partitions += view->owned;
        if (!runner->seen[i].is_owner) continue;
        stats->lost_min += weir_ledger_lost_min(&view->ledger);
        stats->lost_max += weir_ledger_lost_max(&view->ledger);
    }
    pthread_mutex_unlock(&runner->seen_mutex);
}
