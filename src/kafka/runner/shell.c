/* SPDX-License-Identifier: Apache-2.0 */
/* The poll thread: it alone talks to the core. Polls, feeds, carries decisions out. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/runner/runner.h"
#include "rd/conf.h"
#include "weir/log.h"

#define WAIT_MAX_MS      100 /* signals are noticed at least this often */
#define SEEK_TIMEOUT_MS  1000
#define FLUSH_TIMEOUT_MS 5000
#define WORKERS_DEFAULT  8
#define WORKERS_MAX      1024
#define WORK_QUEUE_ROOM  65536 /* a run per slot and one to spare */

/* ── news ────────────────────────────────────────────────────────────────────────────────────── */

void weir_runner_tell(struct weir_runner *runner, struct weir_runner_news *news) {
    if (news->listed) return;
    news->listed = true;
    news->next = NULL;
    if (runner->news_last)
        runner->news_last->next = news;
    else
        runner->news_first = news;
    runner->news_last = news;
}

void weir_runner_wake(struct weir_runner *runner) {
    rd_kafka_queue_t *queue = atomic_exchange(&runner->sleeping_on, NULL);
    if (queue) runner->client->rd->queue_yield(queue);
}

/* An answer came on the commit queue, whose lock the caller holds: it wakes that one by itself. */
static void on_commit_event(rd_kafka_t *rk, void *opaque) {
    (void)rk;
    struct weir_runner *runner = opaque;
    rd_kafka_queue_t *queue = runner->consumer_queue;
    if (atomic_compare_exchange_strong(&runner->sleeping_on, &queue, NULL))
        runner->client->rd->queue_yield(runner->consumer_queue);
}

static bool has_news(struct weir_runner *runner) {
    pthread_mutex_lock(&runner->news_mutex);
    bool found = runner->news_first != NULL;
    pthread_mutex_unlock(&runner->news_mutex);
    return found;
}

static struct weir_runner_news *take_news(struct weir_runner *runner) {
    pthread_mutex_lock(&runner->news_mutex);
    struct weir_runner_news *news = runner->news_first;
    if (news) {
        runner->news_first = news->next;
        if (!news->next) runner->news_last = NULL;
        news->listed = false;
    }
    pthread_mutex_unlock(&runner->news_mutex);
    return news;
}

static void read_news(struct weir_runner *runner) {
    struct weir_runner_news *news;
    while ((news = take_news(runner))) {
        if (news->kind == WEIR_NEWS_RUN)
            weir_runner_work_told(runner, (struct weir_runner_run *)(void *)news);
        else
            weir_runner_letter_told(runner, (struct weir_runner_letter *)(void *)news);
    }
}

/* ── decisions ───────────────────────────────────────────────────────────────────────────────── */

static rd_kafka_topic_partition_list_t *list_of(const struct weir_runner *runner,
                                                const struct weir_runner_part *part,
                                                int64_t offset) {
    rd_kafka_topic_partition_list_t *list = runner->client->rd->topic_partition_list_new(1);
    runner->client->rd->topic_partition_list_add(list, part->topic, part->partition)->offset =
        offset;
    return list;
}

static void pause_part(struct weir_runner *runner, struct weir_runner_part *part, bool paused) {
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_topic_partition_list_t *list = list_of(runner, part, RD_KAFKA_OFFSET_INVALID);
    if (paused)
        rd->pause_partitions(runner->client->rk, list);
    else
        rd->resume_partitions(runner->client->rk, list);
    part->paused = paused;
    rd->topic_partition_list_destroy(list);
}

static void rewind_part(struct weir_runner *runner, const struct weir_decision *decision) {
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_topic_partition_list_t *list =
        list_of(runner, runner->parts[decision->slot], decision->offset);
    rd_kafka_error_t *error = rd->seek_partitions(runner->client->rk, list, SEEK_TIMEOUT_MS);
    bool ok = !error && !list->elems[0].err;
    if (error) rd->error_destroy(error);
    rd->topic_partition_list_destroy(list);
    weir_runner_core_rewound(runner->core, decision->slot, decision->epoch, ok);
}

static void release_part(struct weir_runner *runner, struct weir_runner_part *part) {
    part->released = true;
    part->stayed = runner->stops_told > 0;
    if (part->drain_start_ns) weir_runner_drained(runner, part->drain_start_ns);
    part->drain_start_ns = 0;
}

static void carry_out(struct weir_runner *runner, const struct weir_decision *decision) {
    struct weir_runner_part *part =
        decision->kind == WEIR_DECISION_STOPPED ? NULL : runner->parts[decision->slot];
    switch (decision->kind) {
    case WEIR_DECISION_NONE: break;
    case WEIR_DECISION_START:
        if (weir_runner_work_start(runner, decision)) break;
        /* No memory for a run: as if the handler had asked for a further try. */
        weir_runner_core_done(runner->core, decision->slot, decision->epoch, WEIR_RESULT_RETRY);
        weir_runner_core_run_end(runner->core, decision->slot, decision->epoch);
        break;
    case WEIR_DECISION_CANCEL:
        if (part->run) atomic_store_explicit(&part->run->canceled, true, memory_order_release);
        break;
    case WEIR_DECISION_PAUSE: pause_part(runner, part, true); break;
    case WEIR_DECISION_RESUME: pause_part(runner, part, false); break;
    case WEIR_DECISION_COMMIT: weir_runner_commit_add(runner, decision); break;
    case WEIR_DECISION_DEAD_LETTER:
        if (!weir_runner_letter_send(runner, decision))
            weir_runner_core_dead_lettered(runner->core, decision->slot, decision->epoch, false);
        break;
    case WEIR_DECISION_REWIND: rewind_part(runner, decision); break;
    case WEIR_DECISION_RELEASED: release_part(runner, part); break;
    case WEIR_DECISION_STOPPED: runner->stopped = true; break;
    }
}

static void hear_stop(struct weir_runner *runner) {
    int requests = atomic_load(&runner->stop_requests);
    if (requests == runner->stops_told) return;
    runner->stops_told = requests;
    int64_t now_ns = weir_clock_mono_ns();
    for (uint32_t i = 0; i < runner->parts_count; i++)
        if (!runner->parts[i]->released && !runner->parts[i]->drain_start_ns)
            runner->parts[i]->drain_start_ns = now_ns;
    weir_runner_core_stop(runner->core, requests > 1 ? now_ns : now_ns + runner->drain_ns);
}

void weir_runner_pump(struct weir_runner *runner, int wait_ms) {
    const struct weir_rd *rd = runner->client->rd;
    if (wait_ms) {
        atomic_store(&runner->sleeping_on, runner->commit_queue);
        rd->queue_poll_callback(runner->commit_queue, has_news(runner) ? 0 : wait_ms);
        atomic_store(&runner->sleeping_on, NULL);
    }
    while (rd->queue_poll_callback(runner->commit_queue, 0) > 0) {
    }
    hear_stop(runner);
    read_news(runner);
    weir_runner_core_tick(runner->core, weir_clock_mono_ns());
    struct weir_decision decision;
    while (weir_runner_core_next(runner->core, &decision)) carry_out(runner, &decision);
    weir_runner_commit_flush(runner);
    weir_runner_telemetry_look(runner, false);
}

/* ── polling ─────────────────────────────────────────────────────────────────────────────────── */

static void on_release(void *arg, void *record) {
    (void)arg;
    weir_kafka_message_unref(record);
}

static void feed(struct weir_runner *runner, struct weir_kafka_message *message) {
    struct weir_runner_part *part = message->entry ? message->entry->owner : NULL;
    size_t size = sizeof *message + message->pub.key_size + message->pub.value_size;
    if (part &&
        weir_runner_core_record(runner->core, part->slot, message->pub.offset, size, message)) {
        if (part->position < 0) part->position = message->pub.offset;
        weir_runner_commit_note(part, message);
    } else {
        weir_kafka_message_unref(message);
    }
}

void weir_runner_batch_end(struct weir_runner *runner) {
    size_t count = runner->batch_count;
    if (!count) return;
    runner->batch_count = 0;
    weir_kafka_poll_end(runner->client, runner->batch_wall_ns, runner->batch_start_ns,
                        runner->batch, count, count > 1);
    for (size_t i = 0; i < count; i++) feed(runner, runner->batch[i]);
}

static void tell_error(struct weir_runner *runner, const rd_kafka_message_t *raw) {
    const struct weir_rd *rd = runner->client->rd;
    if (raw->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return;
    struct weir_attribute attrs[] = {WEIR_STR("error.type", weir_rd_error_type(rd, raw->err))};
    weir_logger_log(weir_logger_get("weir.runner", NULL), WEIR_SEVERITY_ERROR,
                    rd->message_errstr(raw), attrs, 1);
    char text[256];
    rd_kafka_resp_err_t fatal = rd->fatal_error(runner->client->rk, text, sizeof text);
    if (!fatal || runner->code) return;
    runner->code = weir_error_set(&runner->err, weir_rd_code(fatal), "fatal: %s", text);
    int none = 0;
    atomic_compare_exchange_strong(&runner->stop_requests, &none, 1);
}

/* How long the next poll may wait. */
static int wait_ms(struct weir_runner *runner) {
    if (has_news(runner)) return 0;
    int64_t left_ns = weir_runner_core_deadline(runner->core) - weir_clock_mono_ns();
    if (left_ns <= 0) return 0;
    int64_t ms = left_ns / WEIR_NS_PER_MS + 1;
    return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}

static void poll_round(struct weir_runner *runner) {
    const struct weir_rd *rd = runner->client->rd;
    runner->batch_wall_ns = weir_clock_wall_ns();
    runner->batch_start_ns = weir_clock_mono_ns();
    atomic_store(&runner->sleeping_on, runner->consumer_queue);
    int timeout_ms = wait_ms(runner);
    for (uint32_t i = 0; i < runner->config.poll_max; i++) {
        rd_kafka_message_t *raw = rd->consumer_poll(runner->client->rk, i ? 0 : timeout_ms);
        if (!raw) break;
        struct weir_kafka_message *message = NULL;
        if (raw->err)
            tell_error(runner, raw);
        else
            message = weir_kafka_message_new(runner->client, raw);
        if (message)
            runner->batch[runner->batch_count++] = message;
        else
            rd->message_destroy(raw);
    }
    atomic_store(&runner->sleeping_on, NULL);
    weir_runner_batch_end(runner);
}

/* ── signals ─────────────────────────────────────────────────────────────────────────────────── */

/* The first runner that wants signals takes them, the last gives them back. */
#define SIGNALED_MAX 16
static _Atomic(struct weir_runner *) signaled[SIGNALED_MAX];
static pthread_mutex_t signals_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static int signals_users;
static struct sigaction signals_old[2];

static void on_signal(int number) {
    (void)number;
    for (int i = 0; i < SIGNALED_MAX; i++) weir_runner_stop(atomic_load(&signaled[i]));
}

static void signals_take(struct weir_runner *runner) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALED_MAX; i++) {
        struct weir_runner *none = NULL;
        if (atomic_compare_exchange_strong(&signaled[i], &none, runner)) break;
    }
    pthread_mutex_lock(&signals_mutex);
    if (signals_users++ == 0) {
        sigaction(SIGTERM, &action, &signals_old[0]);
        sigaction(SIGINT, &action, &signals_old[1]);
    }
    pthread_mutex_unlock(&signals_mutex);
}

static void signals_return(struct weir_runner *runner) {
    pthread_mutex_lock(&signals_mutex);
    if (--signals_users == 0) {
        sigaction(SIGTERM, &signals_old[0], NULL);
        sigaction(SIGINT, &signals_old[1], NULL);
    }
    pthread_mutex_unlock(&signals_mutex);
    for (int i = 0; i < SIGNALED_MAX; i++) {
        struct weir_runner *own = runner;
        atomic_compare_exchange_strong(&signaled[i], &own, NULL);
    }
}

/* ── the public calls ────────────────────────────────────────────────────────────────────────── */

void weir_runner_stop(struct weir_runner *runner) {
    if (runner) atomic_fetch_add(&runner->stop_requests, 1);
}

/* After the drain: leave the group (commits are done), see the last dead letters off. */
static void leave(struct weir_runner *runner) {
    runner->client->rd->consumer_close(runner->client->rk);
    weir_producer_close(runner->dead_letters);
    runner->dead_letters = NULL;
    read_news(runner); /* answers that came too late to matter */
    weir_runner_telemetry_look(runner, true);
    weir_flush(FLUSH_TIMEOUT_MS, NULL);
}

int weir_runner_run(struct weir_runner *runner, struct weir_error *reterr) {
    if (!runner) return weir_error_set(reterr, WEIR_EINVALID, "no runner");
    if (runner->stopped) return weir_error_set(reterr, WEIR_ECLOSED, "the runner has run already");
    if (weir_kafka_client_is_foreign(runner->client)) return weir_kafka_client_refuse(reterr);
    if (runner->handle_signals) signals_take(runner);
    while (!runner->stopped && atomic_load(&runner->stop_requests) < 2) {
        poll_round(runner);
        weir_runner_pump(runner, 0);
    }
    bool at_once = atomic_load(&runner->stop_requests) > 1 && (!runner->stopped || runner->runs);
    runner->stopped = true;
    leave(runner);
    if (runner->handle_signals) signals_return(runner);
    if (runner->code) {
        if (reterr) *reterr = runner->err;
        return runner->code;
    }
    if (at_once)
        return weir_error_set(reterr, WEIR_ECANCELED,
                              "stopped at once, with work in flight: %u runs", runner->runs);
    if (runner->runs)
        return weir_error_set(reterr, WEIR_ETIMEOUT,
                              "the drain's deadline passed with %u runs unfinished", runner->runs);
    return WEIR_OK;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

static uint32_t or_default(unsigned value, uint32_t otherwise) {
    return value ? value : otherwise;
}

static void configure(struct weir_runner *runner, const struct weir_runner_options *options) {
    struct weir_runner_config *config = &runner->config;
    weir_runner_config_init(config, runner->at_least_once);
    config->release = on_release;
    config->queue_high = or_default(options->queue_max, config->queue_high);
    config->queue_low = config->queue_high / 4;
    if (options->queue_bytes) config->bytes_high = options->queue_bytes;
    config->batch_max = or_default(options->batch_max, config->batch_max);
    if (options->retries)
        config->retries_max = options->retries < 0 ? 0 : (uint32_t)options->retries;
    if (options->retry_first_ms) config->retry_first_ns = options->retry_first_ms * WEIR_NS_PER_MS;
    if (options->retry_most_ms) config->retry_most_ns = options->retry_most_ms * WEIR_NS_PER_MS;
    if (config->retry_most_ns < config->retry_first_ns)
        config->retry_most_ns = config->retry_first_ns;
    if (options->dead_letter) config->dead_letter = options->dead_letter == WEIR_DEAD_LETTER_TOPIC;
    if (options->commit_interval_ms)
        config->commit_interval_ns = options->commit_interval_ms * WEIR_NS_PER_MS;
    config->commit_count = or_default(options->commit_count, config->commit_count);
    if (config->commit_backoff_ns > config->commit_interval_ns)
        config->commit_backoff_ns = config->commit_interval_ns;
}

/* Opens the consumer: offsets are committed by nobody but us. */
static int open_client(struct weir_runner *runner, const struct weir_runner_options *options,
                       struct weir_error *reterr) {
    rd_kafka_conf_t *conf;
    int code = weir_kafka_client_new(&options->kafka, false, &conf, &runner->client, reterr);
    if (code) return code;
    struct weir_kafka_client *client = runner->client;
    const struct weir_rd *rd = client->rd;
    client->owner = runner;
    rd->conf_set_rebalance_cb(conf, weir_runner_on_rebalance);
    char session[24];
    int64_t session_ms = 45000;
    weir_rd_conf_get(rd, conf, "session.timeout.ms", session, sizeof session);
    weir_view_to_i64(weir_view_str(session), &session_ms);
    runner->drain_ns = (options->drain_ms ? options->drain_ms : 30000) * WEIR_NS_PER_MS;
    if (runner->drain_ns > session_ms * WEIR_NS_PER_MS / 2)
        runner->drain_ns = session_ms * WEIR_NS_PER_MS / 2;
    code = weir_rd_conf_set(rd, conf, "enable.auto.commit", "false", reterr);
    if (code) {
        rd->conf_destroy(conf);
        return code;
    }
    if ((code = weir_kafka_client_open(client, conf, reterr))) return code;
    rd->poll_set_consumer(client->rk);
    runner->consumer_queue = rd->queue_get_consumer(client->rk);
    runner->commit_queue = rd->queue_new(client->rk);
    rd->queue_cb_event_enable(runner->commit_queue, on_commit_event, runner);
    return WEIR_OK;
}

static int subscribe(struct weir_runner *runner, const struct weir_runner_options *options,
                     struct weir_error *reterr) {
    const struct weir_rd *rd = runner->client->rd;
    rd_kafka_topic_partition_list_t *list = rd->topic_partition_list_new(4);
    for (size_t i = 0; options->topics && options->topics[i]; i++)
        rd->topic_partition_list_add(list, options->topics[i], RD_KAFKA_PARTITION_UA);
    const char *topic = options->topic ? options->topic : list->cnt ? NULL : getenv("KAFKA_TOPIC");
    if (topic) rd->topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    int code = WEIR_OK;
    rd_kafka_resp_err_t err;
    if (!list->cnt)
        code = weir_error_set(reterr, WEIR_EINVALID,
                              "a runner needs a topic: set topic or KAFKA_TOPIC");
    else if ((err = rd->subscribe(runner->client->rk, list)))
        code = weir_error_set(reterr, weir_rd_code(err), "cannot subscribe to '%s': %s",
                              list->elems[0].topic, rd->err2str(err));
    rd->topic_partition_list_destroy(list);
    return code;
}

static int open_parts(struct weir_runner *runner, const struct weir_runner_options *options,
                      struct weir_error *reterr) {
    int code = weir_runner_core_new(&runner->config, &runner->core, reterr);
    if (code) return code;
    uint32_t workers = or_default(options->workers, WORKERS_DEFAULT);
    if (workers > WORKERS_MAX)
        return weir_error_set(reterr, WEIR_EINVALID, "workers: %u, at most %d", workers,
                              WORKERS_MAX);
    runner->batch = calloc(runner->config.poll_max, sizeof(struct weir_kafka_message *));
    runner->workers = weir_pool_new("weir-worker", workers, WORK_QUEUE_ROOM);
    if (options->dead_letter_topic) runner->dead_letter_topic = strdup(options->dead_letter_topic);
    if (!runner->batch || !runner->workers ||
        (options->dead_letter_topic && !runner->dead_letter_topic))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory or threads");
    if ((code = open_client(runner, options, reterr))) return code;
    if (runner->config.dead_letter) {
        struct weir_kafka_options kafka = options->kafka;
        runner->dead_letters = weir_producer_open(&kafka, reterr);
        if (!runner->dead_letters) return WEIR_EINVALID;
    }
    return subscribe(runner, options, reterr);
}

struct weir_runner *weir_runner_open(const struct weir_runner_options *options,
                                     struct weir_error *reterr) {
    if (!options || !options->handler) {
        weir_error_set(reterr, WEIR_EINVALID, "a runner needs a handler");
        return NULL;
    }
    struct weir_runner *runner = calloc(1, sizeof *runner);
    if (!runner) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
        return NULL;
    }
    runner->handler = options->handler;
    runner->arg = options->arg;
    runner->at_least_once = options->semantics == WEIR_AT_LEAST_ONCE;
    runner->handle_signals = options->handle_signals;
    pthread_mutex_init(&runner->news_mutex, NULL);
    pthread_mutex_init(&runner->seen_mutex, NULL);
    configure(runner, options);
    if (open_parts(runner, options, reterr)) {
        weir_runner_close(runner);
        return NULL;
    }
    weir_runner_telemetry_open(runner);
    return runner;
}

static void close_client(struct weir_runner *runner) {
    struct weir_kafka_client *client = runner->client;
    if (!client) return;
    weir_kafka_client_retire(client);
    if (client->rk) {
        if (!runner->stopped) client->rd->consumer_close(client->rk);
        if (runner->commit_queue) {
            client->rd->queue_cb_event_enable(runner->commit_queue, NULL, NULL);
            client->rd->queue_destroy(runner->commit_queue);
            client->rd->queue_destroy(runner->consumer_queue);
            weir_runner_commit_done(runner);
        }
    }
}

void weir_runner_close(struct weir_runner *runner) {
    if (!runner || (runner->client && weir_kafka_client_is_foreign(runner->client))) return;
    weir_runner_telemetry_close(runner);
    close_client(runner);
    /* A handler that never returns keeps what it uses: the process is about to end anyway. */
    if (runner->runs) return;
    weir_pool_free(runner->workers);
    weir_producer_close(runner->dead_letters);
    weir_runner_core_free(runner->core); /* gives messages back */
    weir_kafka_client_unref(runner->client);
    for (uint32_t i = 0; i < runner->parts_count; i++) {
        free(runner->parts[i]->topic);
        free(runner->parts[i]);
    }
    free(runner->parts);
    free(runner->batch);
    free(runner->seen);
    free(runner->dead_letter_topic);
    pthread_mutex_destroy(&runner->news_mutex);
    pthread_mutex_destroy(&runner->seen_mutex);
    free(runner);
}
