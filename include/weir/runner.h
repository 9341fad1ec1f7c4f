/* SPDX-License-Identifier: Apache-2.0 */
/* The runner: consumes topics and hands every record to a handler, with proved delivery semantics.
 *
 *     static enum weir_result handle(void *arg, struct weir_message *message,
 *                                    struct weir_task *task);
 *
 *     struct weir_runner_options options = {.struct_size = sizeof options, .handler = handle,
 *                                           .topic = "orders", .handle_signals = true};
 *     struct weir_runner *runner = weir_runner_open(&options, NULL);
 *     int code = weir_runner_run(runner, NULL);            // until SIGTERM; then drains
 *     weir_runner_close(runner);
 *
 * At-least-once: a record is processed, then its offset committed. Only the contiguous done prefix
 * of a partition ever is. A failing record is tried again with backoff, then produced to the
 * dead-letter topic; while that fails its partition waits. At-most-once: a batch is committed, and
 * processed once the commit is acknowledged; the handler sees a record at most once, and a failure
 * counts as loss.
 *
 * Records of one partition are handled one after the other, in order; partitions side by side, and
 * a slow one holds up no other. A revoked partition is given away only after its work in flight is
 * done and committed (up to a deadline).
 *
 * Threads: the handler runs on the runner's workers, never twice at once for one partition.
 */
#ifndef WEIR_RUNNER_H
#define WEIR_RUNNER_H

#include "weir/kafka.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a handler says. */
enum weir_result {
    WEIR_TASK_OK,
    WEIR_TASK_SKIP,  /* not wanted (a duplicate, say): done, but counted apart */
    WEIR_TASK_RETRY, /* failed, may work later: at-least-once tries again */
    WEIR_TASK_REJECT /* failed for good (a malformed record): no further try */
};

/* Handles one record, inside its process span. To say why it failed call weir_task_fail first. */
typedef enum weir_result weir_handler(void *arg, struct weir_message *message,
                                      struct weir_task *task);

enum weir_semantics { WEIR_AT_LEAST_ONCE, WEIR_AT_MOST_ONCE };

/* Where records go that are given up. */
enum weir_dead_letter {
    WEIR_DEAD_LETTER_DEFAULT, /* at-least-once: topic; at-most-once: drop */
    WEIR_DEAD_LETTER_TOPIC,
    WEIR_DEAD_LETTER_DROP /* nowhere: counted as failed, which is loss */
};

/* Zero it, set struct_size, handler and topic. Borrowed during weir_runner_open. */
struct weir_runner_options {
    size_t struct_size; /* sizeof(struct weir_runner_options) */
    weir_handler *handler;
    void *arg;
    enum weir_semantics semantics;
    const char *topic;               /* one topic; default $KAFKA_TOPIC */
    const char *const *topics;       /* or several, ending with NULL */
    struct weir_kafka_options kafka; /* cluster, group; its struct_size may stay 0 */

    unsigned workers;   /* threads that run the handler; default 8 */
    unsigned queue_max; /* records that may wait per partition; default 1000 */
    size_t queue_bytes; /* and their bytes; default 16 MiB */
    unsigned batch_max; /* at-most-once: records per commit; default 100 */

    int retries; /* at-least-once: further tries; 0: default 3, -1: none */
    int64_t retry_first_ms, retry_most_ms; /* default 100 and 10000, doubling in between */
    enum weir_dead_letter dead_letter;
    const char *dead_letter_topic; /* default "<topic>.dlq" */

    int64_t commit_interval_ms; /* default 1000 */
    unsigned commit_count;      /* at-least-once: records between commits at most; default 1000 */
    int64_t drain_ms;           /* at revoke and stop; default 30000, at most half the session */
    bool handle_signals;        /* SIGTERM and SIGINT stop the runner, a second one at once */
};

struct weir_runner;

/* Joins the group. Errors as weir_consumer_open, and WEIR_EINVALID for options that make no sense.
 */
WEIR_API struct weir_runner *weir_runner_open(const struct weir_runner_options *options,
                                              struct weir_error *reterr);
/* Runs on the calling thread until stopped and drained, then flushes telemetry. WEIR_OK after a
 * stop, WEIR_ETIMEOUT when the drain's deadline cut work short, WEIR_ECANCELED after a stop at
 * once, else librdkafka's fatal error. */
WEIR_API int weir_runner_run(struct weir_runner *runner, struct weir_error *reterr);
/* Asks it to drain and stop; a second call stops at once. Any thread, signal handlers too. */
WEIR_API void weir_runner_stop(struct weir_runner *runner);
/* Frees. Only when weir_runner_run is not running. Takes NULL. */
WEIR_API void weir_runner_close(struct weir_runner *runner);

/* Counts since the start of the process, over all partitions. */
struct weir_runner_stats {
    size_t struct_size; /* set by the caller */
    uint64_t received, committed, ok, failed, dead_lettered, skipped, retries, duplicates;
    uint64_t lost_min,
        lost_max; /* of the partitions owned now or until the stop, since their first commit */
    uint64_t commits, commits_failed;
    uint32_t partitions; /* owned now */
    uint32_t in_flight;  /* records with a worker or queued */
};
WEIR_API void weir_runner_stats_get(struct weir_runner *runner, struct weir_runner_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
