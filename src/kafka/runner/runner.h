/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's shell: what its files share. The core decides; this carries out.
 *
 *   poll thread (the caller of weir_runner_run): polls, feeds the core, carries decisions out,
 *       answers rebalances. It alone touches the core.
 *   workers: run handlers; report through `news`, and wake the poll thread.
 *   exporter and health threads: read `views`, a copy that the poll thread renews.
 */
#ifndef WEIR_KAFKA_RUNNER_RUNNER_H
#define WEIR_KAFKA_RUNNER_RUNNER_H

#include "base/pool.h"
#include "kafka/runner/core.h"
#include "kafka/trace.h"

/* Polls that one commit may link. */
#define WEIR_RUNNER_POLLS_MAX WEIR_KAFKA_LINKS_MAX

/* A poll that brought records which are not committed yet. */
struct weir_runner_poll {
    int64_t first, last; /* offsets of its records in this partition */
    struct weir_span_context span;
};

/* One partition that this runner has ever owned; its index is the core's slot. */
struct weir_runner_part {
    struct weir_runner *runner;
    char *topic;
    int32_t partition;
    uint32_t slot;
    struct weir_kafka_entry *entry;
    struct weir_runner_run *run; /* the worker's latest, until its end was told; poll thread only */
    bool released;               /* nothing of it is left here */
    bool stayed;                 /* released by a stop: its counts are still ours to tell */
    bool paused;                 /* in librdkafka */
    struct weir_runner_poll polls[WEIR_RUNNER_POLLS_MAX]; /* oldest first */
    uint32_t polls_count;
    int64_t position;            /* first offset not covered by a commit; -1: unknown */
    int64_t drain_start_ns;      /* monotonic; 0: not draining */
    _Atomic int64_t progress_ns; /* monotonic time of the last finished record */
};

enum weir_runner_news_kind { WEIR_NEWS_RUN, WEIR_NEWS_DEAD_LETTER };

/* Something that another thread tells the poll thread; listed at most once. */
struct weir_runner_news {
    enum weir_runner_news_kind kind;
    bool listed;
    struct weir_runner_news *next;
};

/* Records with a worker. `results` grow under the runner's news mutex. */
struct weir_runner_run {
    struct weir_runner_news news; /* first */
    struct weir_runner_part *part;
    uint32_t epoch, count;
    uint32_t results_count, told; /* reported by the worker; passed on to the core */
    bool ended;
    bool stop_at_failure;
    atomic_bool canceled;
    unsigned char *results;                /* enum weir_task_result, room for count */
    struct weir_kafka_message *messages[]; /* a reference each */
};

/* A record on its way to the dead-letter topic. */
struct weir_runner_letter {
    struct weir_runner_news news; /* first */
    struct weir_runner_part *part;
    uint32_t epoch;
    bool ok;
    int64_t start_ns;
    struct weir_kafka_message *message; /* a reference */
};

/* A commit request on its way. */
struct weir_runner_commit {
    struct weir_runner *runner;
    struct weir_runner_commit *next; /* of runner->sent */
    int64_t start_wall_ns, start_ns;
    size_t count;
    struct weir_runner_commit_item {
        uint32_t slot, epoch;
        int64_t from, to; /* offsets that it newly covers: [from, to) */
    } items[];
};
enum { WEIR_RUNNER_COMMIT_ITEMS_MAX = 1024 };

enum weir_runner_metric {
    WEIR_RUNNER_RECEIVED,
    WEIR_RUNNER_COMMITTED,
    WEIR_RUNNER_PROCESSED,
    WEIR_RUNNER_RETRIES,
    WEIR_RUNNER_DUPLICATES,
    WEIR_RUNNER_IN_FLIGHT,
    WEIR_RUNNER_LOST, /* these are observed */
    WEIR_RUNNER_STAGE_DURATION,
    WEIR_RUNNER_DRAIN_DURATION,
    WEIR_RUNNER_METRIC_COUNT
};
enum weir_runner_stage {
    WEIR_STAGE_QUEUE,
    WEIR_STAGE_PROCESS,
    WEIR_STAGE_COMMIT,
    WEIR_STAGE_DEAD_LETTER,
    WEIR_STAGE_COUNT
};

/* A part's counts as the poll thread last saw them. */
struct weir_runner_seen {
    const struct weir_runner_part *part;
    bool is_owner; /* of its loss: the partition is, or was until the stop, ours */
    struct weir_runner_slot_view view;
};

struct weir_runner {
    struct weir_kafka_client *client;
    weir_handler *handler;
    void *arg;
    bool at_least_once, handle_signals;
    int64_t drain_ns;
    char *dead_letter_topic;            /* NULL: "<topic>.dlq" */
    struct weir_producer *dead_letters; /* opened with the runner where they are wanted */

    struct weir_runner_core *core;
    struct weir_runner_config config;
    struct weir_runner_part **parts; /* by slot */
    uint32_t parts_count;
    struct weir_runner_commit *commit; /* decided, not yet sent; NULL: none */
    struct weir_runner_commit *sent; /* not yet answered; an answer may never come (stop, fault) */
    rd_kafka_topic_partition_list_t *commit_offsets;
    struct weir_kafka_message **batch; /* of the poll that is going on; room for poll_max */
    size_t batch_count;
    int64_t batch_wall_ns, batch_start_ns;
    rd_kafka_queue_t *commit_queue, *consumer_queue;
    struct weir_pool *workers;
    uint32_t runs;    /* with workers; poll thread only */
    uint32_t letters; /* on their way; poll thread only */

    pthread_mutex_t news_mutex; /* guards news_first, news_last, runs' results */
    struct weir_runner_news *news_first, *news_last;
    _Atomic(rd_kafka_queue_t *) sleeping_on; /* what the poll thread waits for, or NULL */

    atomic_int stop_requests;
    bool stopped;   /* the core is */
    int stops_told; /* of stop_requests */
    int code;       /* a fatal error ended it */
    struct weir_error err;

    pthread_mutex_t seen_mutex; /* guards seen, seen_count */
    struct weir_runner_seen *seen;
    uint32_t seen_count, seen_room;
    int64_t seen_ns;
    struct weir_series *stages[WEIR_STAGE_COUNT];
    struct weir_series *drains;
    char health_names[3][64];
    struct weir_runner *next; /* in the list of those that are observed */
};

/* shell.c: any thread. Tells the poll thread; the news mutex must be held. */
void weir_runner_tell(struct weir_runner *runner, struct weir_runner_news *news);
/* Ends the poll thread's wait. Any thread. */
void weir_runner_wake(struct weir_runner *runner);

/* work.c: carries out START. False: no memory or no worker; the run has then ended already. */
bool weir_runner_work_start(struct weir_runner *runner, const struct weir_decision *decision);
/* Passes a run's results on to the core; frees it after its end. */
void weir_runner_work_told(struct weir_runner *runner, struct weir_runner_run *run);

/* dead_letter.c: carries out DEAD_LETTER. False: could not even be sent. */
bool weir_runner_letter_send(struct weir_runner *runner, const struct weir_decision *decision);
/* Passes the answer on to the core; frees the letter. */
void weir_runner_letter_told(struct weir_runner *runner, struct weir_runner_letter *letter);

/* commit.c: collects COMMIT decisions, sends them as one request, takes the answers. */
void weir_runner_commit_add(struct weir_runner *runner, const struct weir_decision *decision);
void weir_runner_commit_flush(struct weir_runner *runner);
/* Frees what was never sent or answered; no answer can come any more. */
void weir_runner_commit_done(struct weir_runner *runner);
/* Notes the poll of a fetched record, for the commit span that will cover it. */
void weir_runner_commit_note(struct weir_runner_part *part,
                             const struct weir_kafka_message *message);

/* assign.c: librdkafka's rebalance callback, and finding a part. */
void weir_runner_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque);
/* Finds or makes; NULL: out of memory or too many. */
struct weir_runner_part *weir_runner_part_get(struct weir_runner *runner, const char *topic,
                                              int32_t partition, bool may_make);
/* shell.c: one round without polling: news, answers, time, decisions. Waits up to `wait_ms` for an
 * answer or news, without taking messages. */
void weir_runner_pump(struct weir_runner *runner, int wait_ms);
/* shell.c: gives what the present poll has fetched so far to the core. */
void weir_runner_batch_end(struct weir_runner *runner);

/* telemetry.c */
void weir_runner_telemetry_open(struct weir_runner *runner);
void weir_runner_telemetry_close(struct weir_runner *runner);
/* Renews `seen`, at most every 100 ms unless forced. Poll thread. */
void weir_runner_telemetry_look(struct weir_runner *runner, bool force);
void weir_runner_stage(struct weir_runner *runner, enum weir_runner_stage stage, int64_t since_ns);
void weir_runner_drained(struct weir_runner *runner, int64_t since_ns);

#endif
