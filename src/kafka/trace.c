/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "weir/propagation.h"

#define NAME_SIZE         272 /* operation, blank, topic (≤ 249) */
#define SPANS_OFF(client) (!(client)->settings->spans)

static double seconds_since(int64_t start_ns) {
    return (double)(weir_clock_mono_ns() - start_ns) / 1e9;
}

static void fail_span(struct weir_span *span, const char *type, const char *message) {
    weir_span_set(span, WEIR_STR("error.type", type));
    weir_span_set_status(span, WEIR_STATUS_ERROR, message);
    weir_span_record_exception(span, type, message, NULL, NULL, 0);
}

static void set_partition(struct weir_span *span, int32_t partition, int64_t offset) {
    char text[12];
    if (partition >= 0) {
        snprintf(text, sizeof text, "%d", (int)partition);
        weir_span_set(span, WEIR_STR("messaging.destination.partition.id", text));
    }
    if (offset >= 0) weir_span_set(span, WEIR_INT("messaging.kafka.offset", offset));
}

static void set_key(const struct weir_kafka_client *client, struct weir_span *span,
                    struct weir_view key, bool is_tombstone) {
    if (is_tombstone) weir_span_set(span, WEIR_BOOL("messaging.kafka.message.tombstone", true));
    if (!client->settings->record_keys || !key.ptr || !weir_view_is_utf8(key)) return;
    weir_span_set(span, weir_attribute_strn("messaging.kafka.message.key", key.ptr, key.len));
}

/* ── send ────────────────────────────────────────────────────────────────────────────────────── */

/* The context that the application itself put into the message, if any. */
static bool own_context(const struct weir_rd *rd, rd_kafka_headers_t *headers,
                        struct weir_span_context *ret) {
    const void *value;
    size_t size;
    return headers && !rd->header_get_last(headers, "traceparent", &value, &size) && value &&
           weir_traceparent_parse(value, size, ret);
}

static void inject(const struct weir_context *parent, struct weir_span *span,
                   rd_kafka_headers_t *headers) {
    struct weir_scope scopes[2];
    if (parent) weir_scope_attach(&scopes[0], parent);
    if (span) weir_scope_attach_span(&scopes[1], span);
    weir_kafka_inject(NULL, headers);
    if (span) weir_scope_detach(&scopes[1]);
    if (parent) weir_scope_detach(&scopes[0]);
}

void weir_kafka_send_begin(struct weir_kafka_client *client, struct weir_kafka_send *send,
                           const char *topic, const struct weir_context *parent,
                           rd_kafka_headers_t *headers, struct weir_view key, bool is_tombstone) {
    struct weir_span_context own;
    bool has_own = own_context(client->rd, headers, &own);
    *send = (struct weir_kafka_send){.start_ns = weir_clock_mono_ns()};
    if (!SPANS_OFF(client)) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "send %s", topic);
        const struct weir_attribute attrs[] = {WEIR_STR("messaging.operation.name", "send"),
                                               WEIR_STR("messaging.operation.type", "send"),
                                               WEIR_STR("messaging.destination.name", topic)};
        struct weir_link link = {.span_context = own};
        send->span = weir_span_start(
            client->tracer, name,
            &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                        .kind = has_own ? WEIR_KIND_CLIENT : WEIR_KIND_PRODUCER,
                                        .parent = parent,
                                        .links = &link,
                                        .links_count = has_own,
                                        .bound = client->bound,
                                        .attributes = attrs,
                                        .attributes_count = sizeof attrs / sizeof attrs[0]});
        if (weir_span_is_recording(send->span)) set_key(client, send->span, key, is_tombstone);
    }
    if (headers && !has_own && weir_kafka_settings_propagates(client->settings, topic))
        inject(parent, send->span, headers);
}

void weir_kafka_send_end(struct weir_kafka_client *client, struct weir_kafka_send *send,
                         const char *topic, rd_kafka_resp_err_t err, int32_t partition,
                         int64_t offset) {
    const char *error_type = err ? weir_rd_error_type(client->rd, err) : NULL;
    if (weir_span_is_recording(send->span)) {
        set_partition(send->span, partition, offset);
        if (err) fail_span(send->span, error_type, client->rd->err2str(err));
    }
    weir_span_end(send->span);
    struct weir_kafka_entry *entry = weir_kafka_entry_get(client, topic, partition);
    weir_kafka_entry_add(entry, WEIR_KAFKA_SENT, 1, error_type);
    weir_kafka_entry_record(entry, WEIR_KAFKA_SEND_DURATION, seconds_since(send->start_ns),
                            error_type);
}

/* ── poll ────────────────────────────────────────────────────────────────────────────────────── */

static struct weir_link message_link(const struct weir_kafka_message *message,
                                     struct weir_attribute attrs[2], bool is_batch) {
    attrs[0] = WEIR_STR("messaging.destination.partition.id",
                        message->entry ? message->entry->partition_text : NULL);
    attrs[1] = WEIR_INT("messaging.kafka.offset", message->pub.offset);
    return (struct weir_link){
        .span_context = message->sender, .attributes = attrs, .attributes_count = is_batch ? 2 : 0};
}

/* Whose sampling decision the poll takes: a sampled message's, else any that has one. */
static const struct weir_span_context *decider(struct weir_kafka_message *const *messages,
                                               size_t count) {
    const struct weir_span_context *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!weir_span_context_is_valid(&messages[i]->sender)) continue;
        found = &messages[i]->sender;
        if (weir_span_context_is_sampled(found)) break;
    }
    return found;
}

static bool one_topic(struct weir_kafka_message *const *messages, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (strcmp(messages[i]->pub.topic, messages[0]->pub.topic) != 0) return false;
    return true;
}

static struct weir_span *start_poll(struct weir_kafka_client *client, int64_t start_wall_ns,
                                    struct weir_kafka_message *const *messages, size_t count,
                                    const char *topic) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, topic ? "poll %s" : "poll", topic ? topic : "");
    const struct weir_attribute attrs[] = {WEIR_STR("messaging.operation.name", "poll"),
                                           WEIR_STR("messaging.operation.type", "receive"),
                                           WEIR_STR("messaging.destination.name", topic)};
    const struct weir_span_context *sample = decider(messages, count);
    return weir_span_start(
        client->tracer, name,
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = WEIR_KIND_CLIENT,
                                    .sample_follows = sample != NULL,
                                    .sample_parent = sample,
                                    .start_ns = start_wall_ns,
                                    .bound = client->bound,
                                    .attributes = attrs,
                                    .attributes_count = sizeof attrs / sizeof attrs[0]});
}

void weir_kafka_poll_end(struct weir_kafka_client *client, int64_t start_wall_ns, int64_t start_ns,
                         struct weir_kafka_message *const *messages, size_t count, bool is_batch) {
    const char *topic = one_topic(messages, count) ? messages[0]->pub.topic : NULL;
    if (!SPANS_OFF(client)) {
        struct weir_span *span = start_poll(client, start_wall_ns, messages, count, topic);
        if (weir_span_is_recording(span)) {
            if (is_batch)
                weir_span_set(span, WEIR_INT("messaging.batch.message_count", (int64_t)count));
            else
                set_partition(span, messages[0]->pub.partition, messages[0]->pub.offset);
            for (size_t i = 0; i < count; i++) {
                struct weir_attribute attrs[2];
                struct weir_link link = message_link(messages[i], attrs, is_batch);
                weir_span_add_link(span, &link); /* counts what is past its limit */
            }
        }
        struct weir_span_context identity = weir_span_context_get(span);
        identity.trace_state = NULL;
        identity.trace_state_size = 0;
        for (size_t i = 0; i < count; i++) messages[i]->poll = identity;
        weir_span_end(span);
    }
    if (start_ns)
        weir_kafka_entry_record(weir_kafka_entry_get(client, topic ? topic : "", -1),
                                WEIR_KAFKA_POLL_DURATION, seconds_since(start_ns), NULL);
}

/* ── process ─────────────────────────────────────────────────────────────────────────────────── */

static struct weir_span *start_process(const struct weir_kafka_message *message,
                                       bool is_batch_child) {
    const struct weir_kafka_client *client = message->client;
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "process %s", message->pub.topic);
    const struct weir_attribute attrs[] = {
        WEIR_STR("messaging.operation.name", "process"),
        WEIR_STR("messaging.operation.type", "process"),
        WEIR_STR("messaging.destination.name", message->pub.topic),
        WEIR_STR("messaging.destination.partition.id",
                 message->entry ? message->entry->partition_text : NULL),
        WEIR_INT("messaging.kafka.offset", message->pub.offset),
        message->attempt ? WEIR_INT("weir.runner.attempt", message->attempt)
                         : WEIR_STR("weir.runner.attempt", NULL)};
    bool has_sender = weir_span_context_is_valid(&message->sender);
    bool has_poll = weir_span_context_is_valid(&message->poll);
    bool under_poll = has_poll && (is_batch_child || !has_sender);
    struct weir_link links[2];
    size_t count = 0;
    if (has_sender) links[count++] = (struct weir_link){.span_context = message->sender};
    if (has_poll && !under_poll) links[count++] = (struct weir_link){.span_context = message->poll};
    const struct weir_span_context *parent = under_poll   ? &message->poll
                                             : has_sender ? &message->sender
                                                          : NULL;
    return weir_span_start(
        client->tracer, name,
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = WEIR_KIND_CONSUMER,
                                    .root = !parent,
                                    .parent_span = parent,
                                    .sample_follows = has_sender,
                                    .sample_parent = &message->sender,
                                    .links = links,
                                    .links_count = count,
                                    .bound = client->bound,
                                    .attributes = attrs,
                                    .attributes_count = sizeof attrs / sizeof attrs[0]});
}

void weir_kafka_task_start(struct weir_task *task, struct weir_kafka_message *message) {
    task->message = message;
    task->error_type[0] = 0;
    task->span = SPANS_OFF(message->client) ? NULL : start_process(message, task->is_batch_child);
    if (weir_span_is_recording(task->span))
        set_key(message->client, task->span, weir_view(message->pub.key, message->pub.key_size),
                message->pub.key && !message->pub.value);
    message->process = weir_span_context_get(task->span);
    message->process.trace_state = message->sender.trace_state;
    message->process.trace_state_size = message->sender.trace_state_size;
    weir_scope_attach(&task->scopes[0], message->context);
    if (task->span) weir_scope_attach_span(&task->scopes[1], task->span);
    task->start_ns = weir_clock_mono_ns();
}

void weir_kafka_task_finish(struct weir_task *task) {
    double seconds = seconds_since(task->start_ns);
    if (task->span) weir_scope_detach(&task->scopes[1]);
    weir_scope_detach(&task->scopes[0]);
    weir_span_end(task->span);
    task->span = NULL;
    weir_kafka_entry_record(task->message->entry, WEIR_KAFKA_PROCESS_DURATION, seconds,
                            task->error_type[0] ? task->error_type : NULL);
}

struct weir_task *weir_task_begin(struct weir_message *message) {
    struct weir_task *task = message ? calloc(1, sizeof *task) : NULL;
    if (task) weir_kafka_task_start(task, weir_kafka_message_ref(weir_kafka_message_of(message)));
    return task;
}

void weir_task_end(struct weir_task *task) {
    if (!task) return;
    weir_kafka_task_finish(task);
    weir_kafka_message_unref(task->message);
    free(task);
}

struct weir_span *weir_task_span(struct weir_task *task) {
    return task ? task->span : NULL;
}

uint32_t weir_task_attempt(const struct weir_task *task) {
    return task ? task->message->attempt : 0;
}

void weir_task_fail(struct weir_task *task, const char *type, const char *text) {
    if (!task) return;
    snprintf(task->error_type, sizeof task->error_type, "%s", type && type[0] ? type : "_OTHER");
    struct weir_kafka_message *message = task->message;
    free(message->error_type);
    free(message->error_message);
    message->error_type = strdup(task->error_type);
    message->error_message = strdup(text ? text : "");
    if (weir_span_is_recording(task->span)) fail_span(task->span, task->error_type, text);
}

/* ── commit ──────────────────────────────────────────────────────────────────────────────────── */

/* One link's or event's worth of what was committed: "topic[partition] from..to". */
static void add_ranges(struct weir_span *span, const struct weir_kafka_commit *commit) {
    for (int i = 0; i < commit->offsets->cnt && i < 128; i++) {
        const rd_kafka_topic_partition_t *tp = &commit->offsets->elems[i];
        char partition[12];
        snprintf(partition, sizeof partition, "%d", (int)tp->partition);
        bool has_from = commit->from && commit->from[i] >= 0;
        if (has_from && commit->from[i] == tp->offset) continue; /* did not move */
        const struct weir_attribute attrs[] = {
            WEIR_STR("messaging.destination.name", tp->topic),
            WEIR_STR("messaging.destination.partition.id", partition),
            has_from ? WEIR_INT("weir.kafka.offset.from", commit->from[i])
                     : WEIR_STR("weir.kafka.offset.from", NULL),
            WEIR_INT("messaging.kafka.offset", tp->offset)};
        weir_span_add_event(span, "weir.kafka.offset.committed", 0, attrs,
                            sizeof attrs / sizeof attrs[0]);
    }
}

static struct weir_span *start_commit(struct weir_kafka_client *client,
                                      const struct weir_kafka_commit *commit, const char *topic) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, topic ? "commit %s" : "commit", topic ? topic : "");
    const struct weir_attribute attrs[] = {WEIR_STR("messaging.operation.name", "commit"),
                                           WEIR_STR("messaging.operation.type", "settle"),
                                           WEIR_STR("messaging.destination.name", topic)};
    const struct weir_span_context *last =
        commit->polls_count ? &commit->polls[commit->polls_count - 1] : NULL;
    struct weir_span *span = weir_span_start(
        client->tracer, name,
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = WEIR_KIND_CLIENT,
                                    .parent_span = last,
                                    .sample_follows = commit->polls_count > 0,
                                    .sample_parent = last,
                                    .start_ns = commit->start_wall_ns,
                                    .bound = client->bound,
                                    .attributes = attrs,
                                    .attributes_count = sizeof attrs / sizeof attrs[0]});
    for (size_t i = 0; weir_span_is_recording(span) && i + 1 < commit->polls_count; i++)
        weir_span_add_link(span, &(struct weir_link){.span_context = commit->polls[i]});
    return span;
}

void weir_kafka_commit_end(struct weir_kafka_client *client, const struct weir_kafka_commit *commit,
                           rd_kafka_resp_err_t err) {
    const rd_kafka_topic_partition_list_t *offsets = commit->offsets;
    if (!offsets || !offsets->cnt) return;
    const char *topic = offsets->elems[0].topic;
    for (int i = 1; topic && i < offsets->cnt; i++)
        if (strcmp(offsets->elems[i].topic, topic) != 0) topic = NULL;
    for (int i = 0; !err && i < offsets->cnt; i++) err = offsets->elems[i].err;
    const char *error_type = err ? weir_rd_error_type(client->rd, err) : NULL;
    if (!SPANS_OFF(client) && !commit->only_counts) {
        struct weir_span *span = start_commit(client, commit, topic);
        if (weir_span_is_recording(span)) {
            if (offsets->cnt == 1) {
                set_partition(span, offsets->elems[0].partition, offsets->elems[0].offset);
                if (commit->from && commit->from[0] >= 0)
                    weir_span_set(span, WEIR_INT("weir.kafka.offset.from", commit->from[0]));
            }
            add_ranges(span, commit);
            if (err) fail_span(span, error_type, client->rd->err2str(err));
        }
        weir_span_end(span);
    }
    struct weir_kafka_entry *entry = weir_kafka_entry_get(client, topic ? topic : "", -1);
    if (commit->start_ns)
        weir_kafka_entry_record(entry, WEIR_KAFKA_COMMIT_DURATION, seconds_since(commit->start_ns),
                                error_type);
    weir_kafka_entry_add(entry, WEIR_KAFKA_COMMITS, 1, error_type);
}
