/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/record.h"

#include <pthread.h>
#include <stdlib.h>

#include "kafka/names.h"
#include "sdk/attr.h"
#include "sdk/instrumentation.h"
#include "sdk/sdk.h"

enum { /* tags of Span's, Event's and Link's fields */
       SPAN_TRACE_ID = 0x0A,
       SPAN_ID = 0x12,
       SPAN_PARENT_ID = 0x22,
       SPAN_NAME = 0x2A,
       SPAN_KIND = 0x30,
       SPAN_START = 0x39,
       SPAN_END = 0x41,
       SPAN_ATTRIBUTE = WEIR_ATTR_TAG_SPAN,
       SPAN_EVENT = 0x5A,
       SPAN_LINK = 0x6A,
       SPAN_STATUS = 0x7A,
       EVENT_TIME = 0x09,
       EVENT_NAME = 0x12,
       LINK_TRACE_ID = 0x0A,
       LINK_SPAN_ID = 0x12,
       LINK_FLAGS = 0x35,
       STATUS_MESSAGE = 0x12,
       STATUS_CODE = 0x18,
       FLAG_HAS_IS_REMOTE = 0x100,
       FLAG_IS_REMOTE = 0x200,
       FLAGS_KEPT = 0x0F,
       VARYING_MAX = 4,
       ERROR_TEXT_MAX = 256,  /* of error.type, and of the words */
       HEAD_SIZE_MAX = 400,   /* without label and error */
       FAILED_SIZE_MAX = 1600 /* what an error adds */
};

_Static_assert(sizeof(struct weir_kafka_record) == WEIR_LANE_SMALL_SIZE,
               "a send's record is a small block");

/* ── labels ──────────────────────────────────────────────────────────────────────────────────── */

static pthread_mutex_t labels_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static struct weir_kafka_label **buckets;
static uint32_t buckets_count, labels_count;

static bool grow_buckets(void) {
    uint32_t count = buckets_count ? 2 * buckets_count : 64;
    struct weir_kafka_label **grown = calloc(count, sizeof *grown);
    if (!grown) return buckets_count > 0;
    for (uint32_t i = 0; i < buckets_count; i++)
        for (struct weir_kafka_label *label = buckets[i], *next; label; label = next) {
            next = label->next;
            label->next = grown[label->hash & (count - 1)];
            grown[label->hash & (count - 1)] = label;
        }
    free(buckets);
    buckets = grown;
    buckets_count = count;
    return true;
}

static struct weir_kafka_label *find_or_make(const struct weir_rd *rd,
                                             const struct weir_tracer *tracer, int semconv,
                                             struct weir_view bytes) {
    uint64_t hash = weir_view_hash(bytes) ^ (uintptr_t)rd ^ (uintptr_t)tracer ^ (unsigned)semconv;
    if (labels_count >= buckets_count && !grow_buckets()) return NULL;
    struct weir_kafka_label **bucket = &buckets[hash & (buckets_count - 1)], *label = *bucket;
    while (label && !(label->hash == hash && label->rd == rd && label->tracer == tracer &&
                      label->semconv == semconv &&
                      weir_view_eq(weir_view(label->bytes, label->size), bytes)))
        label = label->next;
    if (label || labels_count == WEIR_KAFKA_LABELS_MAX ||
        !(label = malloc(sizeof *label + bytes.len)))
        return label;
    *label = (struct weir_kafka_label){.next = *bucket,
                                       .rd = rd,
                                       .tracer = tracer,
                                       .hash = hash,
                                       .size = (uint32_t)bytes.len,
                                       .semconv = semconv};
    memcpy(label->bytes, bytes.ptr, bytes.len);
    *bucket = label;
    labels_count++;
    return label;
}

const struct weir_kafka_label *weir_kafka_label_get(
    const struct weir_rd *rd, const struct weir_tracer *tracer, int semconv, const char *name,
    const struct weir_attribute_set *bound, const struct weir_attribute *attrs, size_t count) {
    struct weir_buf buf;
    size_t len = strlen(name);
    weir_buf_init(&buf, 1 << 16);
    uint8_t *at = (uint8_t *)weir_buf_reserve(&buf, weir_attr_text_size(len));
    if (at) {
        weir_attr_text(at, SPAN_NAME, name, len);
        buf.len += weir_attr_text_size(len);
    }
    if (bound) weir_buf_add(&buf, bound->bytes, bound->size);
    for (size_t i = 0; i < count; i++)
        if (attrs[i].type != WEIR_ATTRIBUTE_NONE) weir_attr_add(&buf, SPAN_ATTRIBUTE, &attrs[i], 0);
    struct weir_kafka_label *label = NULL;
    if (!buf.failed) {
        pthread_mutex_lock(&labels_lock);
        label = find_or_make(rd, tracer, semconv, weir_buf_view(&buf));
        pthread_mutex_unlock(&labels_lock);
    }
    weir_buf_done(&buf);
    return label;
}

/* ── errors ──────────────────────────────────────────────────────────────────────────────────── */

const char *weir_kafka_error_type(const struct weir_rd *rd, int err) {
    return err == WEIR_KAFKA_ERR_DESTROYED ? "_DESTROY"
                                           : weir_rd_error_type(rd, (rd_kafka_resp_err_t)err);
}

const char *weir_kafka_error_text(const struct weir_rd *rd, int err) {
    return err == WEIR_KAFKA_ERR_DESTROYED ? "the producer was destroyed before the acknowledgement"
                                           : rd->err2str((rd_kafka_resp_err_t)err);
}

/* ── what the acknowledgement adds ───────────────────────────────────────────────────────────── */

/* Partition and offset by the names that are wanted; gives their number. */
static size_t varying(int semconv, int32_t partition, int64_t offset, char text[12],
                      struct weir_attribute ret[VARYING_MAX]) {
    size_t count = 0;
    if (partition >= 0) {
        char *at = text + 12;
        do *--at = (char)('0' + partition % 10);
        while (partition /= 10);
        ret[count++] =
            weir_attribute_strn("messaging.destination.partition.id", at, (size_t)(text + 12 - at));
    }
    if (offset >= 0) ret[count++] = WEIR_INT("messaging.kafka.offset", offset);
    if (semconv == WEIR_KAFKA_SEMCONV_1_44) return count;
    const struct weir_kafka_settings names = {.semconv = semconv};
    return weir_kafka_names_apply(&names, ret, count, VARYING_MAX);
}

/* ── encoding ────────────────────────────────────────────────────────────────────────────────── */

static uint8_t *put_bytes(uint8_t *at, uint8_t tag, const uint8_t *bytes, uint8_t size) {
    *at++ = tag;
    *at++ = size;
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put_fixed64(uint8_t *at, uint8_t tag, int64_t value) {
    *at++ = tag;
    memcpy(at, &value, 8);
    return at + 8;
}

static uint8_t *put_attr(uint8_t *at, uint8_t tag, struct weir_attribute attr) {
    return weir_attr_encode(at, tag, &attr, 0);
}

static uint8_t *put_link(uint8_t *at, const struct weir_kafka_record *record) {
    uint32_t flags = (uint32_t)record->flags >> 4 | FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE;
    *at++ = SPAN_LINK;
    *at++ = 18 + 10 + 5;
    at = put_bytes(at, LINK_TRACE_ID, record->link_trace_id, 16);
    at = put_bytes(at, LINK_SPAN_ID, record->link_span_id, 8);
    *at++ = LINK_FLAGS;
    memcpy(at, &flags, 4);
    return at + 4;
}

static uint8_t *put_event(uint8_t *at, int64_t time_ns, struct weir_attribute type,
                          struct weir_attribute text) {
    size_t body = 9 + weir_attr_text_size(9) + weir_attr_size(&type, 0) + weir_attr_size(&text, 0);
    *at++ = SPAN_EVENT;
    at = weir_attr_varint(at, body);
    at = put_fixed64(at, EVENT_TIME, time_ns);
    at = weir_attr_text(at, EVENT_NAME, "exception", 9);
    at = put_attr(at, WEIR_ATTR_TAG_EVENT, type);
    return put_attr(at, WEIR_ATTR_TAG_EVENT, text);
}

static uint8_t *put_failure(uint8_t *at, const struct weir_kafka_record *record) {
    const char *type = weir_kafka_error_type(record->label->rd, record->err);
    const char *text = weir_kafka_error_text(record->label->rd, record->err);
    size_t type_len = strnlen(type, ERROR_TEXT_MAX), text_len = strnlen(text, ERROR_TEXT_MAX);
    at = put_attr(at, SPAN_ATTRIBUTE, weir_attribute_strn("error.type", type, type_len));
    *at++ = SPAN_STATUS;
    at = weir_attr_varint(at, weir_attr_text_size(text_len) + 2);
    at = weir_attr_text(at, STATUS_MESSAGE, text, text_len);
    *at++ = STATUS_CODE;
    *at++ = WEIR_STATUS_ERROR;
    return put_event(at, record->end_ns, weir_attribute_strn("exception.type", type, type_len),
                     weir_attribute_strn("exception.message", text, text_len));
}

static size_t encoded_size(const struct weir_lane_record *record) {
    const struct weir_kafka_record *self = (const struct weir_kafka_record *)record;
    return self->label->size + HEAD_SIZE_MAX + (self->err ? FAILED_SIZE_MAX : 0);
}

static uint8_t *put_varying(uint8_t *at, const struct weir_kafka_record *record) {
    static const uint8_t none[8];
    uint32_t flags = (record->flags & FLAGS_KEPT) | FLAG_HAS_IS_REMOTE;
    if (record->bits & WEIR_KAFKA_RECORD_PARENT_REMOTE) flags |= FLAG_IS_REMOTE;
    at = put_bytes(at, SPAN_TRACE_ID, record->trace_id, 16);
    at = put_bytes(at, SPAN_ID, record->span_id, 8);
    if (memcmp(record->parent_id, none, 8) != 0)
        at = put_bytes(at, SPAN_PARENT_ID, record->parent_id, 8);
    *at++ = SPAN_KIND;
    *at++ = record->bits & WEIR_KAFKA_RECORD_LINKED ? WEIR_KIND_CLIENT : WEIR_KIND_PRODUCER;
    at = put_fixed64(at, SPAN_START, record->start_ns);
    at = put_fixed64(at, SPAN_END, record->end_ns);
    *at++ = 0x85; /* flags: field 16, fixed32 */
    *at++ = 0x01;
    memcpy(at, &flags, 4);
    at += 4;
    char text[12];
    struct weir_attribute attrs[VARYING_MAX];
    size_t count = varying(record->label->semconv, record->partition, record->offset, text, attrs);
    for (size_t i = 0; i < count; i++) at = put_attr(at, SPAN_ATTRIBUTE, attrs[i]);
    if (record->bits & WEIR_KAFKA_RECORD_TOMBSTONE)
        at = put_attr(at, SPAN_ATTRIBUTE, WEIR_BOOL("messaging.kafka.message.tombstone", true));
    return record->bits & WEIR_KAFKA_RECORD_LINKED ? put_link(at, record) : at;
}

static void encode(const struct weir_lane_record *record, struct weir_buf *buf) {
    const struct weir_kafka_record *self = (const struct weir_kafka_record *)record;
    const struct weir_kafka_label *label = self->label;
    uint8_t head[HEAD_SIZE_MAX + FAILED_SIZE_MAX], *at = put_varying(head, self);
    if (self->err) at = put_failure(at, self);
    size_t head_size = (size_t)(at - head), body = head_size + label->size;
    uint8_t *to = (uint8_t *)weir_buf_reserve(buf, weir_attr_text_size(body));
    if (!to) return;
    *to++ = 0x12; /* ScopeSpans.spans */
    to = weir_attr_varint(to, body);
    memcpy(to, head, head_size);
    memcpy(to + head_size, label->bytes, label->size);
    buf->len += weir_attr_text_size(body);
}

static const struct weir_lane_class send_class = {
    .size = WEIR_LANE_SMALL, .encoded_size = encoded_size, .encode = encode};

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

void weir_kafka_record_reuse(struct weir_kafka_record *record, struct weir_lane *lane,
                             const struct weir_kafka_label *label) {
    record->record.scope = &label->tracer->info;
    record->label = label;
    record->bits = 0;
    record->flags = 0;
    if (lane) weir_lane_count(&lane->spans_started);
}

struct weir_kafka_record *weir_kafka_record_take(struct weir_lane *lane,
                                                 const struct weir_kafka_label *label) {
    struct weir_kafka_record *record =
        (void *)weir_lane_take(lane, &send_class, &label->tracer->info);
    weir_lane_count(&lane->spans_started);
    if (!record) {
        weir_lane_count(&lane->spans_dropped_memory);
        return NULL;
    }
    record->label = label;
    record->bits = 0;
    record->flags = 0;
    return record;
}

struct weir_kafka_record *weir_kafka_record_spare(struct weir_lane *lane) {
    return (void *)weir_lane_take(lane, &send_class, NULL);
}

static void make_span_id(struct weir_kafka_record *record, struct weir_lane *lane) {
    uint64_t id;
    do id = weir_rand_next(&lane->rand);
    while (!id);
    memcpy(record->span_id, &id, 8);
}

void weir_kafka_record_root(struct weir_kafka_record *record, struct weir_lane *lane,
                            uint64_t draw) {
    uint64_t halves[2] = {weir_rand_next(&lane->rand), __builtin_bswap64(draw)};
    memcpy(record->trace_id, halves, 16);
    if (!(halves[0] | halves[1])) record->trace_id[0] = 1; /* all zero is invalid */
    make_span_id(record, lane);
    memset(record->parent_id, 0, 8);
    record->flags = WEIR_FLAG_SAMPLED | WEIR_FLAG_RANDOM;
}

void weir_kafka_record_child(struct weir_kafka_record *record, struct weir_lane *lane,
                             const struct weir_span_context *parent) {
    memcpy(record->trace_id, parent->trace_id, 16);
    memcpy(record->parent_id, parent->span_id, 8);
    make_span_id(record, lane);
    record->flags = (uint8_t)(WEIR_FLAG_SAMPLED | (parent->flags & WEIR_FLAG_RANDOM));
    if (parent->is_remote) record->bits |= WEIR_KAFKA_RECORD_PARENT_REMOTE;
}

void weir_kafka_record_link(struct weir_kafka_record *record,
                            const struct weir_span_context *link) {
    record->bits |= WEIR_KAFKA_RECORD_LINKED;
    memcpy(record->link_trace_id, link->trace_id, 16);
    memcpy(record->link_span_id, link->span_id, 8);
    record->flags = (uint8_t)((record->flags & FLAGS_KEPT) | (link->flags & FLAGS_KEPT) << 4);
}

struct weir_span_context weir_kafka_record_context(const struct weir_kafka_record *record) {
    if (record->bits & WEIR_KAFKA_RECORD_SPAN) return weir_span_context_get(record->span);
    struct weir_span_context sc = {.flags = record->flags & FLAGS_KEPT};
    memcpy(sc.trace_id, record->trace_id, 16);
    memcpy(sc.span_id, record->span_id, 8);
    return sc;
}

static void end_span(const struct weir_kafka_record *record, int64_t end_ns, int err,
                     int32_t partition, int64_t offset) {
    struct weir_span *span = record->span;
    char text[12];
    struct weir_attribute attrs[VARYING_MAX];
    weir_span_set_all(span, attrs, varying(record->label->semconv, partition, offset, text, attrs));
    if (err) {
        const char *type = weir_kafka_error_type(record->label->rd, err);
        const char *words = weir_kafka_error_text(record->label->rd, err);
        weir_span_set(span, WEIR_STR("error.type", type));
        weir_span_set_status(span, WEIR_STATUS_ERROR, words);
        weir_span_record_exception(span, type, words, NULL, NULL, 0);
    }
    weir_span_end_at(span, end_ns);
}

bool weir_kafka_record_end(struct weir_lane *lane, struct weir_kafka_record *record, int64_t end_ns,
                           int err, int32_t partition, int64_t offset) {
    if (record->bits & WEIR_KAFKA_RECORD_SPAN) {
        end_span(record, end_ns, err, partition, offset);
        return false;
    }
    record->end_ns = end_ns < record->start_ns ? record->start_ns : end_ns;
    record->err = (int16_t)err;
    record->partition = partition;
    record->offset = offset;
    if (!lane) return false;
    if (!(weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS)) {
        weir_lane_count(&lane->spans_dropped_closed);
        return false;
    }
    if (weir_lane_push(lane, &record->record)) return true;
    weir_lane_count(&lane->spans_dropped_full);
    return false;
}

void weir_kafka_record_cancel(struct weir_lane *lane, struct weir_kafka_record *record) {
    if (record->bits & WEIR_KAFKA_RECORD_SPAN)
        weir_span_cancel(record->span);
    else if (lane)
        weir_lane_count(&lane->spans_cancelled);
}
