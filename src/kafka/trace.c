/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/names.h"
#include "sdk/span.h"
#include "weir/propagation.h"

#define ATTRS_MAX (8 + WEIR_KAFKA_OLDER_MAX)

static double seconds_since(int64_t start_ns) {
    return (double)(weir_clock_mono_ns() - start_ns) / 1e9;
}

static void fail_span(struct weir_span *span, const char *type, const char *message) {
    weir_span_set(span, WEIR_STR("error.type", type));
    weir_span_set_status(span, WEIR_STATUS_ERROR, message);
    weir_span_record_exception(span, type, message, NULL, NULL, 0);
}

/* One attribute, by the names that the client wants. */
static void set(const struct weir_kafka_client *client, struct weir_span *span,
                struct weir_attribute attr) {
    struct weir_attribute attrs[2] = {attr};
    weir_span_set_all(span, attrs, weir_kafka_names_apply(client->settings, attrs, 1, 2));
}

static struct weir_span *start(const struct weir_kafka_client *client,
                               enum weir_kafka_operation operation, const char *topic,
                               struct weir_attribute attrs[ATTRS_MAX], size_t count,
                               struct weir_span_options *options) {
    char name[WEIR_KAFKA_NAME_SIZE];
    weir_kafka_settings_name(client->settings, operation, topic, client->group, client->client_id,
                             name, sizeof name);
    options->struct_size = sizeof *options;
    options->bound = client->bound;
    options->attributes = attrs;
    options->attributes_count = weir_kafka_names_apply(client->settings, attrs, count, ATTRS_MAX);
    return weir_span_start(client->tracer, name, options);
}

static void set_partition(const struct weir_kafka_client *client, struct weir_span *span,
                          int32_t partition, int64_t offset) {
    char text[12];
    if (partition >= 0) {
        snprintf(text, sizeof text, "%d", (int)partition);
        set(client, span, WEIR_STR("messaging.destination.partition.id", text));
    }
    if (offset >= 0) set(client, span, WEIR_INT("messaging.kafka.offset", offset));
}

static void set_key(const struct weir_kafka_client *client, struct weir_span *span,
                    struct weir_view key, bool is_tombstone) {
    if (is_tombstone) weir_span_set(span, WEIR_BOOL("messaging.kafka.message.tombstone", true));
    if (!client->settings->record_keys || !key.ptr || !weir_view_is_utf8(key)) return;
    weir_span_set(span, weir_attribute_strn("messaging.kafka.message.key", key.ptr, key.len));
}

/* ── poll ────────────────────────────────────────────────────────────────────────────────────── */

void weir_kafka_poll_link(const struct weir_kafka_client *client, struct weir_span *span,
                          const struct weir_kafka_message *message, bool is_batch) {
    struct weir_attribute attrs[4] = {
        WEIR_STR("messaging.destination.partition.id",
                 message->entry ? message->entry->partition_text : NULL),
        WEIR_INT("messaging.kafka.offset", message->pub.offset)};
    struct weir_link link = {
        .span_context = message->sender,
        .attributes = attrs,
        .attributes_count = is_batch ? weir_kafka_names_apply(client->settings, attrs, 2, 4) : 0};
    weir_span_add_link(span, &link); /* counts what is past its limit */
}

/* Whose sampling decision the poll takes: a sampled message's, else any that has one. */
static const struct weir_span_context *decider(struct weir_kafka_message *const *messages,
                                               size_t count) {
    const struct weir_span_context *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!messages[i]->has_spans || !weir_span_context_is_valid(&messages[i]->sender)) continue;
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

struct weir_span *weir_kafka_poll_start(struct weir_kafka_client *client, int64_t start_wall_ns,
                                        const char *topic, const struct weir_span_context *sample) {
    struct weir_attribute attrs[ATTRS_MAX] = {
        WEIR_STR("messaging.operation.name", "poll"),
        WEIR_STR("messaging.operation.type", "receive"),
        WEIR_STR("messaging.destination.name", topic),
        WEIR_STR("messaging.kafka.cluster.id", weir_kafka_client_cluster(client))};
    return start(client, WEIR_KAFKA_POLL, topic, attrs, 4,
                 &(struct weir_span_options){.kind = WEIR_KIND_CLIENT,
                                             .sample_follows = sample != NULL,
                                             .sample_parent = sample,
                                             .start_ns = start_wall_ns});
}

void weir_kafka_poll_place(struct weir_kafka_client *client, struct weir_span *span,
                           const struct weir_kafka_message *message) {
    struct weir_attribute attrs[4] = {
        WEIR_STR("messaging.destination.partition.id", message->entry->partition_text),
        WEIR_INT("messaging.kafka.offset", message->pub.offset)};
    weir_span_set_all(span, attrs, weir_kafka_names_apply(client->settings, attrs, 2, 4));
}

static void poll_span(struct weir_kafka_client *client, int64_t start_wall_ns,
                      struct weir_kafka_message *const *messages, size_t count, bool is_batch,
                      const char *topic) {
    struct weir_span *span =
        weir_kafka_poll_start(client, start_wall_ns, topic, decider(messages, count));
    if (weir_span_is_recording(span)) {
        if (is_batch)
            weir_span_set(span, WEIR_INT("messaging.batch.message_count", (int64_t)count));
        else
            set_partition(client, span, messages[0]->pub.partition, messages[0]->pub.offset);
        for (size_t i = 0; i < count; i++)
            if (messages[i]->has_spans) weir_kafka_poll_link(client, span, messages[i], is_batch);
    }
    struct weir_span_context identity = weir_span_context_get(span);
    identity.trace_state = NULL;
    identity.trace_state_size = 0;
    for (size_t i = 0; i < count; i++) messages[i]->poll = identity;
    weir_span_end(span);
}

void weir_kafka_poll_end(struct weir_kafka_client *client, int64_t start_wall_ns, int64_t start_ns,
                         struct weir_kafka_message *const *messages, size_t count, bool is_batch) {
    const char *topic = one_topic(messages, count) ? messages[0]->pub.topic : NULL;
    bool has_spans = false;
    for (size_t i = 0; i < count && !has_spans; i++) has_spans = messages[i]->has_spans;
    if (has_spans) poll_span(client, start_wall_ns, messages, count, is_batch, topic);
    if (start_ns)
        weir_kafka_entry_record(weir_kafka_entry_get(client, topic ? topic : "", -1),
                                WEIR_KAFKA_POLL_DURATION, seconds_since(start_ns), NULL);
}

/* ── process ─────────────────────────────────────────────────────────────────────────────────── */

struct weir_span *weir_kafka_process_start(const struct weir_kafka_message *message, bool is_batch,
                                           int64_t start_ns) {
    const struct weir_kafka_client *client = message->client;
    struct weir_attribute attrs[ATTRS_MAX] = {
        WEIR_STR("messaging.operation.name", "process"),
        WEIR_STR("messaging.operation.type", "process"),
        WEIR_STR("messaging.destination.name", message->pub.topic),
        WEIR_STR("messaging.destination.partition.id",
                 message->entry && !is_batch ? message->entry->partition_text : NULL),
        is_batch ? WEIR_STR("messaging.kafka.offset", NULL)
                 : WEIR_INT("messaging.kafka.offset", message->pub.offset),
        WEIR_STR("messaging.kafka.cluster.id", weir_kafka_client_cluster(client)),
        message->attempt ? WEIR_INT("weir.runner.attempt", message->attempt)
                         : WEIR_STR("weir.runner.attempt", NULL)};
    int mode = client->settings->mode;
    bool as_link = mode == WEIR_KAFKA_MODE_LINK || (mode == WEIR_KAFKA_MODE_AUTO && is_batch);
    bool has_sender = weir_span_context_is_valid(&message->sender);
    bool has_poll = weir_span_context_is_valid(&message->poll);
    /* A poll that was not recorded is not pointed at. */
    bool polled = has_poll && weir_span_context_is_sampled(&message->poll);
    bool under_poll = (as_link && polled) || (!has_sender && has_poll);
    struct weir_link links[2];
    size_t count = 0;
    if (has_sender) links[count++] = (struct weir_link){.span_context = message->sender};
    if (polled && !under_poll) links[count++] = (struct weir_link){.span_context = message->poll};
    const struct weir_span_context *parent = under_poll   ? &message->poll
                                             : has_sender ? &message->sender
                                                          : NULL;
    struct weir_span *span = start(client, WEIR_KAFKA_PROCESS, message->pub.topic, attrs, 7,
                                   &(struct weir_span_options){.kind = WEIR_KIND_CONSUMER,
                                                               .root = !parent,
                                                               .parent_span = parent,
                                                               .sample_follows = has_sender,
                                                               .sample_parent = &message->sender,
                                                               .start_ns = start_ns,
                                                               .links = links,
                                                               .links_count = count});
    if (!is_batch && weir_span_is_recording(span))
        set_key(client, span, weir_view(message->pub.key, message->pub.key_size),
                message->pub.key && !message->pub.value);
    return span;
}

void weir_kafka_task_start(struct weir_task *task, struct weir_kafka_message *message) {
    weir_kafka_message_read(message);
    task->message = message;
    task->error_type[0] = 0;
    bool off = message->client->settings->process_end == WEIR_KAFKA_PROCESS_END_OFF;
    task->span = !message->has_spans || off
                     ? NULL
                     : weir_kafka_process_start(message, task->is_batch_child, 0);
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
    struct weir_attribute attrs[ATTRS_MAX] = {
        WEIR_STR("messaging.operation.name", "commit"),
        WEIR_STR("messaging.operation.type", "settle"),
        WEIR_STR("messaging.destination.name", topic),
        WEIR_STR("messaging.kafka.cluster.id", weir_kafka_client_cluster(client))};
    const struct weir_span_context *last =
        commit->polls_count ? &commit->polls[commit->polls_count - 1] : NULL;
    struct weir_span *span =
        start(client, WEIR_KAFKA_COMMIT, topic, attrs, 4,
              &(struct weir_span_options){.kind = WEIR_KIND_CLIENT,
                                          .parent_span = last,
                                          .sample_follows = commit->polls_count > 0,
                                          .sample_parent = last,
                                          .start_ns = commit->start_wall_ns});
    for (size_t i = 0; weir_span_is_recording(span) && i + 1 < commit->polls_count; i++)
        if (weir_span_context_is_sampled(&commit->polls[i]))
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
    if (client->settings->spans && !commit->only_counts) {
        struct weir_span *span = start_commit(client, commit, topic);
        if (weir_span_is_recording(span)) {
            if (offsets->cnt == 1) {
                set_partition(client, span, offsets->elems[0].partition, offsets->elems[0].offset);
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
