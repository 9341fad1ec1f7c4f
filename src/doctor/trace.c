/* SPDX-License-Identifier: Apache-2.0 */
/* A stored trace: who took each message that was sent, whose parent never arrived, and why. */
#include <inttypes.h>

#include "doctor/records.h"
#include "doctor/stored.h"

enum { HOPS_MAX = 50, SERVICES_MAX = 32 };
#define SKEW_MAX_NS (5 * WEIR_NS_PER_MS)

/* ── spans ───────────────────────────────────────────────────────────────────────────────────── */

static struct weir_view text_of(const struct weir_otlp_span *span, const char *key) {
    const struct weir_value *value = weir_attrs_get(span->attrs, weir_view_str(key));
    return value && value->type == WEIR_VALUE_STRING ? value->str : weir_view("", 0);
}

static int64_t number_of(const struct weir_otlp_span *span, const char *key, int64_t otherwise) {
    const struct weir_value *value = weir_attrs_get(span->attrs, weir_view_str(key));
    int64_t number = otherwise;
    if (value && value->type == WEIR_VALUE_INT) return value->i64;
    if (value && value->type == WEIR_VALUE_STRING) weir_view_to_i64(value->str, &number);
    return number;
}

static struct weir_view service_of(const struct weir_otlp_batch *batch,
                                   const struct weir_otlp_span *span) {
    const struct weir_otlp_resource *resource =
        &batch->resources[batch->scopes[span->scope].resource];
    const struct weir_value *value = weir_attrs_get(resource->attrs, WEIR_VIEW("service.name"));
    return value && value->type == WEIR_VALUE_STRING ? weir_view_upto(value->str, 100)
                                                     : WEIR_VIEW("(no name)");
}

static struct weir_view name_of(const struct weir_otlp_span *span) {
    return weir_view_upto(span->name, 120);
}

static const struct weir_otlp_span *find_span(const struct weir_otlp_batch *batch,
                                              const uint8_t *id) {
    for (uint32_t i = 0; i < batch->spans_count; i++)
        if (!memcmp(batch->spans[i].span_id, id, 8)) return &batch->spans[i];
    return NULL;
}

static bool links_to(const struct weir_otlp_span *span, const struct weir_otlp_span *to) {
    for (uint32_t i = 0; i < span->links_count; i++)
        if (!memcmp(span->links[i].span_id, to->span_id, 8) &&
            !memcmp(span->links[i].trace_id, to->trace_id, 16))
            return true;
    return false;
}

static bool is_send(const struct weir_otlp_span *span) {
    return span->kind == WEIR_SPAN_KIND_PRODUCER ||
           (span->kind == WEIR_SPAN_KIND_CLIENT &&
            weir_view_is(text_of(span, "messaging.operation.type"), "send"));
}

/* ── hops ────────────────────────────────────────────────────────────────────────────────────── */

struct receivers {
    const struct weir_otlp_span *below, *linked; /* the first of each; polls count for neither */
    const struct weir_otlp_batch *linked_in;
    bool polled;
};

static void look_in(const struct weir_otlp_batch *batch, const struct weir_otlp_span *sent,
                    struct receivers *found) {
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        const struct weir_otlp_span *span = &batch->spans[i];
        bool poll = weir_view_is(text_of(span, "messaging.operation.type"), "receive");
        bool below = span->parent_span_id && !memcmp(span->parent_span_id, sent->span_id, 8) &&
                     !memcmp(span->trace_id, sent->trace_id, 16) &&
                     span->kind == WEIR_SPAN_KIND_CONSUMER;
        bool linked = links_to(span, sent);
        if (linked && poll) found->polled = true;
        if (below && !found->below) found->below = span;
        if (linked && !poll && !is_send(span) && !found->linked) {
            found->linked = span;
            found->linked_in = batch;
        }
    }
}

/* What the record itself says, when there are brokers to ask. */
static void look_at_record(struct weir_doctor *doctor, struct weir_view topic, int64_t partition,
                           int64_t offset) {
    struct weir_doctor_records record;
    struct weir_error err = {0};
    char *name = weir_arena_strdup(&doctor->arena, topic);
    if (!doctor->client || !topic.len || partition < 0 || offset < 0 || !name) return;
    if (weir_doctor_records_read_one(doctor, name, (int32_t)partition, offset, &record, &err)) {
        weir_report_detail(doctor->report, "Asked Kafka for the record: %s.", err.message);
        return;
    }
    weir_report_detail(doctor->report,
                       record.bare ? "The record in Kafka carries no traceparent: the header "
                                     "was not written, or was lost on the way."
                       : record.malformed ? "The record in Kafka carries a malformed traceparent."
                       : record.unsampled ? "The record in Kafka carries an unsampled context."
                                          : "The record in Kafka carries its traceparent: the "
                                            "consumer's side is at fault.");
}

static void say_lost(struct weir_doctor *doctor, const struct weir_otlp_batch *batch,
                     const struct weir_otlp_span *sent, bool polled) {
    struct weir_view topic = text_of(sent, "messaging.destination.name");
    int64_t partition = number_of(sent, "messaging.destination.partition.id", -1);
    int64_t offset = number_of(sent, "messaging.kafka.offset", -1);
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "trace.hop",
                    polled
                        ? "The message of \"%.*s\" (service %.*s) was polled, but nobody is seen "
                          "to process it."
                        : "Nobody is seen to take the message of \"%.*s\" (service %.*s).",
                    WEIR_VIEW_ARG(name_of(sent)), WEIR_VIEW_ARG(service_of(batch, sent)));
    if (topic.len)
        weir_report_detail(doctor->report,
                           "The message: topic %.*s, partition %" PRId64 ", offset %" PRId64 ".",
                           WEIR_VIEW_ARG(weir_view_upto(topic, 200)), partition, offset);
    look_at_record(doctor, topic, partition, offset);
    if (polled)
        weir_report_remedy(doctor->report, "The handler has not ended yet, or a plugin sees polls "
                                           "but not the end of processing: use a handler, or end "
                                           "the span yourself.");
    else
        weir_report_remedy(
            doctor->report,
            "One of: the consumer has not come so far (weir doctor --group shows its "
            "lag); it is not instrumented; it exports elsewhere or dropped its spans "
            "(--app reads its counts); the header was lost (--topic looks at the "
            "records); it samples by itself instead of by its parent.");
}

static void say_hop(struct weir_doctor *doctor, const struct weir_stored *stored,
                    const struct weir_otlp_span *sent) {
    struct receivers found = {.below = NULL};
    char id[33] = "";
    look_in(stored->trace, sent, &found);
    for (uint32_t i = 0; i < stored->linked_count; i++) look_in(stored->linked[i], sent, &found);
    if (sent->status_code == WEIR_SPAN_STATUS_ERROR && !found.below && !found.linked) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "trace.hop",
                        "\"%.*s\" of %.*s failed: the message was not delivered.",
                        WEIR_VIEW_ARG(name_of(sent)),
                        WEIR_VIEW_ARG(service_of(stored->trace, sent)));
        struct weir_view type = weir_view_upto(text_of(sent, "error.type"), 100);
        weir_report_detail(doctor->report, "%.*s %.*s", WEIR_VIEW_ARG(type),
                           WEIR_VIEW_ARG(weir_view_upto(sent->status_message, 300)));
        weir_report_remedy(doctor->report, "weir doctor --brokers looks at the brokers.");
    } else if (found.below) {
        weir_report_add(doctor->report, WEIR_FINDING_OK, "trace.hop",
                        "\"%.*s\" of %.*s leads to \"%.*s\" of %.*s.", WEIR_VIEW_ARG(name_of(sent)),
                        WEIR_VIEW_ARG(service_of(stored->trace, sent)),
                        WEIR_VIEW_ARG(name_of(found.below)),
                        WEIR_VIEW_ARG(service_of(stored->trace, found.below)));
    } else if (found.linked) {
        for (int i = 0; i < 16; i++) snprintf(id + 2 * i, 3, "%02x", found.linked->trace_id[i]);
        bool same = !memcmp(found.linked->trace_id, sent->trace_id, 16);
        weir_report_add(
            doctor->report, WEIR_FINDING_OK, "trace.hop",
            "\"%.*s\" of %.*s is linked from \"%.*s\" of %.*s, %s.", WEIR_VIEW_ARG(name_of(sent)),
            WEIR_VIEW_ARG(service_of(stored->trace, sent)), WEIR_VIEW_ARG(name_of(found.linked)),
            WEIR_VIEW_ARG(service_of(found.linked_in, found.linked)),
            same ? "in the same trace" : "in a trace of its own");
        weir_report_detail(doctor->report,
                           "%s%s: mode link, as batch handlers do. A view that "
                           "joins by parents alone does not show it below.",
                           same ? "" : "That is trace ", same ? "Linked" : id);
    } else {
        say_lost(doctor, stored->trace, sent, found.polled);
    }
}

/* ── parents ─────────────────────────────────────────────────────────────────────────────────── */

static void say_orphan(struct weir_doctor *doctor, const struct weir_otlp_batch *batch,
                       const struct weir_otlp_span *span) {
    bool message = span->kind == WEIR_SPAN_KIND_CONSUMER;
    char id[17] = "";
    for (int i = 0; i < 8; i++) snprintf(id + 2 * i, 3, "%02x", span->parent_span_id[i]);
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "trace.parent",
                    "The parent of \"%.*s\" (service %.*s) is missing.",
                    WEIR_VIEW_ARG(name_of(span)), WEIR_VIEW_ARG(service_of(batch, span)));
    weir_report_detail(doctor->report, "%s names span %s of this trace, which never arrived.",
                       message ? "The message's traceparent" : "It", id);
    weir_report_remedy(doctor->report,
                       "%s wrote its context down but did not export the span: it "
                       "has not ended or was not flushed yet, its exporter fails or "
                       "drops (--app reads its counts), it exports elsewhere, or a "
                       "sampler in between (a collector's) took it out.",
                       message ? "The sender" : "The caller");
}

static void say_fatherless(struct weir_doctor *doctor, const struct weir_otlp_batch *batch,
                           const struct weir_otlp_span *span) {
    struct weir_view topic = text_of(span, "messaging.destination.name");
    int64_t partition = number_of(span, "messaging.destination.partition.id", -1);
    int64_t offset = number_of(span, "messaging.kafka.offset", -1);
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "trace.sender",
                    "\"%.*s\" (service %.*s) begins the trace: its message brought no context.",
                    WEIR_VIEW_ARG(name_of(span)), WEIR_VIEW_ARG(service_of(batch, span)));
    if (topic.len)
        weir_report_detail(doctor->report,
                           "The message: topic %.*s, partition %" PRId64 ", offset %" PRId64 ".",
                           WEIR_VIEW_ARG(weir_view_upto(topic, 200)), partition, offset);
    look_at_record(doctor, topic, partition, offset);
    weir_report_remedy(doctor->report,
                       "Look at the producer: not instrumented, propagation off, or "
                       "the header malformed or lost; weir doctor --topic shows how "
                       "many records are so.");
}

static void say_skew(struct weir_doctor *doctor, const struct weir_otlp_batch *batch,
                     const struct weir_otlp_span *span, const struct weir_otlp_span *parent) {
    int64_t early_ns = parent->start_ns - span->start_ns;
    if (early_ns <= SKEW_MAX_NS || weir_view_eq(service_of(batch, span), service_of(batch, parent)))
        return;
    weir_report_add(doctor->report, WEIR_FINDING_WARN, "trace.clock",
                    "\"%.*s\" begins %lld ms before its parent \"%.*s\": the clocks of %.*s and "
                    "%.*s differ.",
                    WEIR_VIEW_ARG(name_of(span)), (long long)(early_ns / WEIR_NS_PER_MS),
                    WEIR_VIEW_ARG(name_of(parent)), WEIR_VIEW_ARG(service_of(batch, span)),
                    WEIR_VIEW_ARG(service_of(batch, parent)));
    weir_report_remedy(doctor->report, "Run an NTP client (chrony, systemd-timesyncd) on both.");
}

/* ── the whole ───────────────────────────────────────────────────────────────────────────────── */

static void say_found(struct weir_doctor *doctor, const struct weir_stored *stored) {
    const struct weir_otlp_batch *batch = stored->trace;
    struct weir_view services[SERVICES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        struct weir_view service = service_of(batch, &batch->spans[i]);
        uint32_t k = 0;
        while (k < count && !weir_view_eq(services[k], service)) k++;
        if (k == count && count < SERVICES_MAX) services[count++] = service;
    }
    weir_report_add(doctor->report, WEIR_FINDING_OK, "trace.found",
                    "The trace has %u spans of %u service(s); %u other trace(s) link to it.",
                    batch->spans_count, count, stored->linked_count);
    for (uint32_t i = 0; i < count; i++)
        weir_report_detail(doctor->report, "Service %.*s.", WEIR_VIEW_ARG(services[i]));
}

static void say_spans(struct weir_doctor *doctor, const struct weir_stored *stored) {
    const struct weir_otlp_batch *batch = stored->trace;
    uint32_t said = 0;
    for (uint32_t i = 0; i < batch->spans_count && said < HOPS_MAX; i++) {
        const struct weir_otlp_span *span = &batch->spans[i], *parent = NULL;
        if (span->parent_span_id) parent = find_span(batch, span->parent_span_id);
        if (is_send(span)) say_hop(doctor, stored, span), said++;
        if (span->parent_span_id && !parent) say_orphan(doctor, batch, span), said++;
        if (!span->parent_span_id && span->kind == WEIR_SPAN_KIND_CONSUMER && !span->links_count)
            say_fatherless(doctor, batch, span), said++;
        if (parent) say_skew(doctor, batch, span, parent);
    }
    if (said == HOPS_MAX)
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "trace.rest",
                        "The trace has more; the first %d findings are shown.", HOPS_MAX);
    if (!said)
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "trace.hop",
                        "No span of the trace sends a message, and no parent is missing.");
}

void weir_doctor_check_trace(struct weir_doctor *doctor) {
    const char *url = doctor->options->server, *id = doctor->options->trace;
    struct weir_stored stored;
    struct weir_error err = {0};
    int rc = weir_stored_read(doctor, url, weir_view_str(id), &stored, &err);
    if (rc) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "trace.found",
                        "The trace %s cannot be read from %s.", id, url);
        weir_report_detail(doctor->report, "%s.", err.message);
        weir_report_remedy(doctor->report,
                           rc == WEIR_ENOTFOUND
                               ? "It was not sampled, has not arrived yet (spans are sent every "
                                 "OTEL_BSP_SCHEDULE_DELAY, 5 s), went elsewhere, or is older than "
                                 "the retention. weir doctor without --explain looks at the "
                                 "endpoint and the sampler."
                               : "Give --server the address of weir's page and APIs, such as "
                                 "http://127.0.0.1:3000.");
        return;
    }
    doctor->brokers = doctor->options->brokers;
    if (doctor->rd && (doctor->brokers || doctor->options->properties))
        weir_doctor_client_open(doctor, doctor->brokers, &doctor->client, NULL);
    say_found(doctor, &stored);
    say_spans(doctor, &stored);
    weir_stored_done(&stored);
}
