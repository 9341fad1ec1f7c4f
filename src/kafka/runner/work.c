/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: run the handler over a run's records, in order, and report each result at once. */
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/runner/runner.h"

/* A run gives its worker back after this long, so that other partitions get their turn. */
#define SLICE_NS (10 * WEIR_NS_PER_MS)

static void report(struct weir_runner_run *run, bool has_result, enum weir_task_result result,
                   bool ended) {
    struct weir_runner *runner = run->part->runner;
    pthread_mutex_lock(&runner->news_mutex);
    if (has_result) run->results[run->results_count++] = (unsigned char)result;
    run->ended = ended;
    weir_runner_tell(runner, &run->news); /* after `ended` and the unlock the run is not ours */
    pthread_mutex_unlock(&runner->news_mutex);
    weir_runner_wake(runner);
}

static const char *const default_types[] = {NULL, NULL, "retry", "rejected"};

static enum weir_task_result handle(struct weir_runner *runner,
                                    struct weir_kafka_message *message) {
    struct weir_task task = {0};
    weir_kafka_task_start(&task, message);
    enum weir_result result = runner->handler(runner->arg, &message->pub, &task);
    if ((unsigned)result > WEIR_TASK_REJECT) result = WEIR_TASK_RETRY;
    if (result >= WEIR_TASK_RETRY && !task.error_type[0])
        weir_task_fail(&task, default_types[result], "the handler failed without saying why");
    weir_kafka_task_finish(&task);
    weir_runner_stage(runner, WEIR_STAGE_PROCESS, task.start_ns);
    return (enum weir_task_result)result;
}

static void work(void *arg) {
    struct weir_runner_run *run = arg;
    struct weir_runner *runner = run->part->runner;
    int64_t start_ns = weir_clock_mono_ns();
    for (uint32_t i = 0; i < run->count; i++) {
        if (atomic_load_explicit(&run->canceled, memory_order_acquire)) break;
        weir_runner_stage(runner, WEIR_STAGE_QUEUE, run->messages[i]->fetched_ns);
        enum weir_task_result result = handle(runner, run->messages[i]);
        int64_t now_ns = weir_clock_mono_ns();
        atomic_store_explicit(&run->part->progress_ns, now_ns, memory_order_relaxed);
        bool ends = i + 1 == run->count || now_ns - start_ns > SLICE_NS ||
                    (result >= WEIR_RESULT_RETRY && run->stop_at_failure);
        report(run, true, result, ends);
        if (ends) return;
    }
    report(run, false, WEIR_RESULT_OK, true);
}

static void run_free(struct weir_runner_run *run) {
    for (uint32_t i = 0; i < run->count; i++) weir_kafka_message_unref(run->messages[i]);
    free(run->results);
    free(run);
}

bool weir_runner_work_start(struct weir_runner *runner, const struct weir_decision *decision) {
    struct weir_runner_run *run =
        calloc(1, sizeof *run + decision->records_count * sizeof run->messages[0]);
    if (run) run->results = malloc(decision->records_count);
    if (!run || !run->results) {
        free(run);
        return false;
    }
    run->news.kind = WEIR_NEWS_RUN;
    run->part = runner->parts[decision->slot];
    run->epoch = decision->epoch;
    run->count = decision->records_count;
    run->stop_at_failure = runner->config.at_least_once || runner->config.dead_letter;
    for (uint32_t i = 0; i < run->count; i++)
        run->messages[i] = weir_kafka_message_ref(decision->records[i].record);
    run->messages[0]->attempt = decision->attempt;
    run->part->run = run;
    runner->runs++;
    if (weir_pool_try_run(runner->workers, work, run)) return true;
    run->part->run = NULL;
    runner->runs--;
    run_free(run);
    return false;
}

void weir_runner_work_told(struct weir_runner *runner, struct weir_runner_run *run) {
    pthread_mutex_lock(&runner->news_mutex);
    uint32_t count = run->results_count;
    bool ended = run->ended && !run->news.listed; /* listed: it is told once more */
    pthread_mutex_unlock(&runner->news_mutex);
    uint32_t slot = run->part->slot;
    while (run->told < count)
        weir_runner_core_done(runner->core, slot, run->epoch,
                              (enum weir_task_result)run->results[run->told++]);
    if (!ended) return;
    weir_runner_core_run_end(runner->core, slot, run->epoch);
    if (run->part->run == run) run->part->run = NULL;
    runner->runs--;
    run_free(run);
}
