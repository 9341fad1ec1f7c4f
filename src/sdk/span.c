/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/span.h"

#include "base/clock.h"
#include "base/rand.h"
#include "sdk/attr.h"
#include "sdk/context.h"
#include "sdk/instrumentation.h"
#include "sdk/sdk.h"
#include "wire/pb.h"

enum { /* tags of Span's, Event's and Link's fields */
       SPAN_TRACE_ID = 0x0A,
       SPAN_ID = 0x12,
       SPAN_TRACE_STATE = 0x1A,
       SPAN_PARENT_ID = 0x22,
       SPAN_NAME = 0x2A,
       SPAN_KIND = 0x30,
       SPAN_START = 0x39,
       SPAN_END = 0x41,
       SPAN_ATTRIBUTE = WEIR_ATTR_TAG_SPAN,
       SPAN_ATTRIBUTES_DROPPED = 0x50,
       SPAN_EVENT = 0x5A,
       SPAN_EVENTS_DROPPED = 0x60,
       SPAN_LINK = 0x6A,
       SPAN_LINKS_DROPPED = 0x70,
       SPAN_STATUS = 0x7A,
       EVENT_TIME = 0x09,
       EVENT_NAME = 0x12,
       EVENT_ATTRIBUTES_DROPPED = 0x20,
       LINK_TRACE_ID = 0x0A,
       LINK_SPAN_ID = 0x12,
       LINK_TRACE_STATE = 0x1A,
       LINK_ATTRIBUTES_DROPPED = 0x28,
       LINK_FLAGS = 0x35,
       STATUS_MESSAGE = 0x12,
       STATUS_CODE = 0x18,
       FLAG_HAS_IS_REMOTE = 0x100,
       FLAG_IS_REMOTE = 0x200,
       NAME_SIZE_MAX = 4096,
       HEAD_SIZE_MAX = 128, /* of an encoded span, besides its data */
};

_Static_assert(sizeof(struct weir_span) <= WEIR_ENCODED_HEAD_SIZE,
               "a span's head outgrew its block");

/* ── encoding ────────────────────────────────────────────────────────────────────────────────── */

static size_t dropped_size(uint32_t dropped) {
    return dropped ? 1 + weir_attr_varint_size(dropped) : 0;
}

static uint8_t *put_dropped(uint8_t *at, uint8_t tag, uint32_t dropped) {
    if (!dropped) return at;
    *at++ = tag;
    return weir_attr_varint(at, dropped);
}

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

static size_t encoded_size(const struct weir_lane_record *record) {
    return ((const struct weir_span *)record)->record.size + HEAD_SIZE_MAX;
}

static void encode(const struct weir_lane_record *record, struct weir_buf *buf) {
    const struct weir_span *span = (const struct weir_span *)record;
    static const uint8_t none[8];
    uint8_t head[HEAD_SIZE_MAX], *at = head;
    bool child = memcmp(span->parent_id, none, 8) != 0;
    at = put_bytes(at, SPAN_TRACE_ID, span->context.trace_id, 16);
    at = put_bytes(at, SPAN_ID, span->context.span_id, 8);
    if (child) at = put_bytes(at, SPAN_PARENT_ID, span->parent_id, 8);
    *at++ = SPAN_KIND;
    *at++ = span->kind;
    at = put_fixed64(at, SPAN_START, span->start_ns);
    at = put_fixed64(at, SPAN_END, span->end_ns);
    at = put_dropped(at, SPAN_ATTRIBUTES_DROPPED, span->attributes_dropped);
    at = put_dropped(at, SPAN_EVENTS_DROPPED, span->events_dropped);
    at = put_dropped(at, SPAN_LINKS_DROPPED, span->links_dropped);
    uint32_t flags = span->context.flags | FLAG_HAS_IS_REMOTE;
    if (span->parent_remote) flags |= FLAG_IS_REMOTE;
    *at++ = 0x85; /* flags: field 16, fixed32 */
    *at++ = 0x01;
    memcpy(at, &flags, 4);
    at += 4;
    size_t head_size = (size_t)(at - head), body = head_size + span->record.size;
    uint8_t *to = (uint8_t *)weir_buf_reserve(buf, weir_attr_text_size(body));
    if (!to) return;
    *to++ = 0x12; /* ScopeSpans.spans */
    to = weir_attr_varint(to, body);
    memcpy(to, head, head_size);
    memcpy(to + head_size, span->record.data, span->record.size);
    buf->len += weir_attr_text_size(body);
}

static const struct weir_lane_class span_class = {.size = WEIR_LANE_LARGE,
                                                  .encoded_size = encoded_size,
                                                  .encode = encode,
                                                  .done = weir_encoded_done};

/* ── start ───────────────────────────────────────────────────────────────────────────────────── */

/* The parent's identity; false for a root. */
static bool find_parent(const struct weir_span_options *options, struct weir_span_context *ret) {
    if (options->root) return false;
    if (options->parent_span) {
        *ret = *options->parent_span;
        return weir_span_context_is_valid(ret);
    }
    return weir_context_span_context(options->parent ? options->parent : weir_context_current(),
                                     ret);
}

static void make_ids(struct weir_span *span, const struct weir_span_context *parent) {
    uint64_t id;
    do id = weir_rand_u64();
    while (!id);
    memcpy(span->context.span_id, &id, 8);
    span->context.is_remote = false;
    if (parent) {
        memcpy(span->context.trace_id, parent->trace_id, 16);
        memcpy(span->parent_id, parent->span_id, 8);
        span->context.flags = parent->flags & WEIR_FLAG_RANDOM;
        return;
    }
    memset(span->parent_id, 0, 8);
    uint64_t halves[2] = {weir_rand_u64(), weir_rand_u64()};
    memcpy(span->context.trace_id, halves, 16);
    if (!(halves[0] | halves[1])) span->context.trace_id[0] = 1; /* all zero is invalid */
    span->context.flags = WEIR_FLAG_RANDOM;
}

static bool is_sampled(const struct weir_span *span, const struct weir_span_options *options,
                       const struct weir_span_context *parent) {
    const struct weir_span_context *whose =
        options->sample_follows ? options->sample_parent : parent;
    if (options->sample_follows && (!whose || !weir_span_context_is_valid(whose)))
        return weir_sampler_root(&span->config->sampler, span->context.trace_id);
    return weir_sampler_decide(&span->config->sampler, whose, span->context.trace_id);
}

/* Copies the parent's tracestate to the front of the data, where it stays. */
static void keep_trace_state(struct weir_span *span, const struct weir_span_context *parent) {
    span->context.trace_state = NULL;
    span->context.trace_state_size = 0;
    if (!parent || !parent->trace_state || !parent->trace_state_size) return;
    size_t size = weir_attr_text_size(parent->trace_state_size);
    if (size > WEIR_ENCODED_INLINE_SIZE) return;
    uint8_t *at = span->record.data;
    at = weir_attr_text(at, SPAN_TRACE_STATE, parent->trace_state, parent->trace_state_size);
    span->record.size = (uint32_t)size;
    span->context.trace_state = (const char *)at - parent->trace_state_size;
    span->context.trace_state_size = parent->trace_state_size;
}

static void put_name(struct weir_span *span, const char *name) {
    size_t len = name ? strnlen(name, NAME_SIZE_MAX) : 0, size = weir_attr_text_size(len);
    uint8_t *at = weir_encoded_reserve(&span->record, size);
    span->name_at = span->record.size;
    span->name_size = 0;
    if (!at) return;
    weir_attr_text(at, SPAN_NAME, name ? name : "", len);
    span->record.size += (uint32_t)size;
    span->name_size = (uint32_t)size;
}

static void record_start(struct weir_span *span, const char *name,
                         const struct weir_span_options *options) {
    span->keys = 0;
    span->status_size = 0;
    span->attributes_count = span->events_count = span->links_count = 0;
    span->attributes_dropped = span->events_dropped = span->links_dropped = 0;
    span->status = WEIR_STATUS_UNSET;
    span->kind = options->kind >= WEIR_KIND_INTERNAL && options->kind <= WEIR_KIND_CONSUMER
                     ? (uint8_t)options->kind
                     : WEIR_KIND_INTERNAL;
    span->start_ns = options->start_ns ? options->start_ns : weir_clock_wall_ns();
    put_name(span, name);
    if (options->bound) weir_span_set_bound(span, options->bound);
    if (options->attributes)
        weir_span_set_all(span, options->attributes, options->attributes_count);
    for (size_t i = 0; options->links && i < options->links_count; i++)
        weir_span_add_link(span, &options->links[i]);
}

static const struct weir_span_options no_options = {.struct_size = sizeof no_options};

/* The caller's options as this library knows them; fields that an older header lacked are zero. */
static const struct weir_span_options *known(const struct weir_span_options *options,
                                             struct weir_span_options *room) {
    if (!options) return &no_options;
    if (options->struct_size == sizeof *options) return options;
    *room = no_options;
    if (options->struct_size < sizeof *options)
        memcpy(room, options, options->struct_size);
    else
        memcpy(room, options, sizeof *room);
    return room;
}

struct weir_span *weir_span_start(struct weir_tracer *tracer, const char *name,
                                  const struct weir_span_options *options) {
    unsigned on = weir_sdk_bits();
    if (!tracer || !(on & WEIR_SDK_RUNS)) return NULL;
    weir_sdk_continue_after_fork();
    struct weir_lane *lane = weir_lane_get();
    if (!lane) return NULL;
    struct weir_span *span = (void *)weir_encoded_take(lane, &span_class, &tracer->info);
    if (!span) {
        weir_lane_count(&lane->spans_dropped_memory);
        return NULL;
    }
    struct weir_span_options room;
    struct weir_span_context found;
    options = known(options, &room);
    const struct weir_span_context *parent = find_parent(options, &found) ? &found : NULL;
    span->config = weir_sdk_config();
    make_ids(span, parent);
    keep_trace_state(span, parent);
    span->parent_remote = parent && parent->is_remote;
    bool sampled = is_sampled(span, options, parent);
    if (sampled) span->context.flags |= WEIR_FLAG_SAMPLED;
    span->recording = sampled && on & WEIR_SDK_RECORDS_SPANS;
    span->start_ns = options->start_ns;
    if (span->recording) {
        weir_lane_count(&lane->spans_started);
        record_start(span, name, options);
    } else {
        weir_lane_count(&lane->spans_unsampled);
    }
    return span;
}

bool weir_tracer_enabled(const struct weir_tracer *tracer) {
    return tracer && weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS;
}

/* ── end ─────────────────────────────────────────────────────────────────────────────────────── */

/* Released without export. Without memory for a lane of this thread the block waits for ever: a
 * thread that ends a span has nearly always a lane. */
static void release(struct weir_lane *lane, struct weir_span *span) {
    struct weir_lane_record *record = &span->record.record;
    if (lane)
        weir_lane_give(lane, record);
    else
        record->next = NULL, weir_lanes_give_back(record);
}

void weir_span_end_at(struct weir_span *span, int64_t end_ns) {
    if (!span) return;
    weir_context_span_ended(span);
    struct weir_lane *lane = weir_lane_get();
    if (span->recording && weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS) {
        if (!end_ns) end_ns = weir_clock_wall_ns();
        span->end_ns = end_ns < span->start_ns ? span->start_ns : end_ns;
        span->recording = false;
        if (lane && weir_lane_push(lane, &span->record.record)) return;
        if (lane) weir_lane_count(&lane->spans_dropped_full);
    }
    release(lane, span);
}

void weir_span_end(struct weir_span *span) {
    weir_span_end_at(span, 0);
}

void weir_span_cancel(struct weir_span *span) {
    if (!span) return;
    weir_context_span_ended(span);
    release(weir_lane_get(), span);
}

bool weir_span_is_recording(const struct weir_span *span) {
    return span && span->recording;
}

struct weir_span_context weir_span_context_get(const struct weir_span *span) {
    static const struct weir_span_context none;
    return span ? span->context : none;
}

int64_t weir_span_start_ns(const struct weir_span *span) {
    return span ? span->start_ns : 0;
}

/* ── data ────────────────────────────────────────────────────────────────────────────────────── */

/* Removes data[at, at + size). */
static void cut(struct weir_span *span, uint32_t at, uint32_t size) {
    uint8_t *data = span->record.data;
    memmove(data + at, data + at + size, span->record.size - at - size);
    span->record.size -= size;
    if (span->name_at > at) span->name_at -= size;
    if (span->status_at > at) span->status_at -= size;
}

/* Cuts out the attribute of this key, if there is one. */
static bool cut_attribute(struct weir_span *span, struct weir_view key) {
    struct weir_pb pb = weir_pb(weir_view(span->record.data, span->record.size));
    for (;;) {
        const uint8_t *start = pb.at;
        struct weir_pb_field field;
        if (weir_pb_next(&pb, &field) <= 0) return false;
        struct weir_pb inner = weir_pb(field.bytes);
        struct weir_pb_field name;
        if (*start != SPAN_ATTRIBUTE || weir_pb_next(&inner, &name) <= 0 ||
            !weir_view_eq(name.bytes, key))
            continue;
        cut(span, (uint32_t)(start - span->record.data), (uint32_t)(pb.at - start));
        span->attributes_count--;
        return true;
    }
}

static void drop_attribute(struct weir_span *span) {
    span->attributes_dropped++;
    weir_sdk_count(&weir_sdk_counters.attributes_dropped, 1);
}

static void set_attribute(struct weir_span *span, const struct weir_attribute *attr) {
    if (attr->type == WEIR_ATTRIBUTE_NONE) return;
    size_t value_max = span->config->span_value_max, size = weir_attr_size(attr, value_max);
    if (!size) {
        drop_attribute(span);
        return;
    }
    uint64_t bit = weir_attr_key_bit(attr->key, attr->key_size);
    bool seen = span->keys & bit && cut_attribute(span, weir_view(attr->key, attr->key_size));
    uint8_t *at = seen || span->attributes_count < span->config->span_attributes_max
                      ? weir_encoded_reserve(&span->record, size)
                      : NULL;
    if (!at) {
        drop_attribute(span);
        return;
    }
    weir_attr_encode(at, SPAN_ATTRIBUTE, attr, value_max);
    span->record.size += (uint32_t)size;
    span->attributes_count++;
    span->keys |= bit;
}

void weir_span_set_all(struct weir_span *span, const struct weir_attribute *attrs, size_t count) {
    if (!span || !span->recording || !attrs) return;
    for (size_t i = 0; i < count; i++) set_attribute(span, &attrs[i]);
}

void weir_span_set(struct weir_span *span, struct weir_attribute attr) {
    weir_span_set_all(span, &attr, 1);
}

/* The slow way, one by one: some key may be there already, or the limit is near. */
static void cut_doubles(struct weir_span *span, const struct weir_attribute_set *set) {
    struct weir_view rest = weir_view(set->bytes, set->size);
    struct weir_attr attr;
    while (rest.len && weir_attr_next(&rest, &attr, NULL)) cut_attribute(span, attr.key);
}

void weir_span_set_bound(struct weir_span *span, const struct weir_attribute_set *set) {
    if (!span || !span->recording || !set) return;
    if (span->keys & set->keys) cut_doubles(span, set);
    uint8_t *at = span->attributes_count + set->count <= span->config->span_attributes_max
                      ? weir_encoded_reserve(&span->record, set->size)
                      : NULL;
    if (!at) {
        span->attributes_dropped += set->count;
        weir_sdk_count(&weir_sdk_counters.attributes_dropped, set->count);
        return;
    }
    memcpy(at, set->bytes, set->size);
    span->record.size += set->size;
    span->attributes_count += set->count;
    span->keys |= set->keys;
}

void weir_span_update_name(struct weir_span *span, const char *name) {
    if (!span || !span->recording) return;
    if (span->name_size) cut(span, span->name_at, span->name_size);
    put_name(span, name);
}

void weir_span_set_status(struct weir_span *span, enum weir_status status,
                          const char *description) {
    if (!span || !span->recording || span->status == WEIR_STATUS_OK) return;
    if (status != WEIR_STATUS_OK && status != WEIR_STATUS_ERROR) return;
    if (span->status_size) cut(span, span->status_at, span->status_size);
    size_t len =
        status == WEIR_STATUS_ERROR && description ? strnlen(description, NAME_SIZE_MAX) : 0;
    size_t body = 2 + (len ? weir_attr_text_size(len) : 0), size = weir_attr_text_size(body);
    uint8_t *at = weir_encoded_reserve(&span->record, size);
    span->status = (uint8_t)status;
    span->status_at = span->record.size;
    span->status_size = 0;
    if (!at) return;
    *at++ = SPAN_STATUS;
    at = weir_attr_varint(at, body);
    if (len) at = weir_attr_text(at, STATUS_MESSAGE, description, len);
    *at++ = STATUS_CODE;
    *at++ = (uint8_t)status;
    span->record.size += (uint32_t)size;
    span->status_size = (uint32_t)size;
}

/* ── events and links ────────────────────────────────────────────────────────────────────────── */

/* A nested message with attributes is sized first, then written in one go. */
struct list {
    const struct weir_attribute *attrs;
    size_t count;
};

static size_t lists_size(const struct list *lists, size_t lists_count, uint32_t count_max,
                         size_t value_max, uint32_t *ret_dropped) {
    size_t size = 0;
    uint32_t kept = 0, dropped = 0;
    for (size_t i = 0; i < lists_count; i++)
        for (size_t j = 0; lists[i].attrs && j < lists[i].count; j++) {
            size_t one = weir_attr_size(&lists[i].attrs[j], value_max);
            if (one && kept < count_max)
                size += one, kept++;
            else if (lists[i].attrs[j].type != WEIR_ATTRIBUTE_NONE)
                dropped++;
        }
    *ret_dropped = dropped;
    if (dropped) weir_sdk_count(&weir_sdk_counters.attributes_dropped, dropped);
    return size;
}

static uint8_t *lists_encode(uint8_t *at, uint8_t tag, const struct list *lists, size_t lists_count,
                             uint32_t count_max, size_t value_max) {
    uint32_t kept = 0;
    for (size_t i = 0; i < lists_count; i++)
        for (size_t j = 0; lists[i].attrs && j < lists[i].count && kept < count_max; j++)
            if (weir_attr_size(&lists[i].attrs[j], value_max)) {
                at = weir_attr_encode(at, tag, &lists[i].attrs[j], value_max);
                kept++;
            }
    return at;
}

static void add_event(struct weir_span *span, const char *name, int64_t time_ns,
                      const struct list *lists, size_t lists_count) {
    const struct weir_config *config = span->config;
    uint32_t max = config->event_attributes_max, dropped;
    size_t len = name ? strnlen(name, NAME_SIZE_MAX) : 0;
    size_t attrs = lists_size(lists, lists_count, max, config->span_value_max, &dropped);
    size_t body = 9 + weir_attr_text_size(len) + attrs + dropped_size(dropped);
    size_t size = weir_attr_text_size(body);
    uint8_t *at = span->events_count < config->span_events_max
                      ? weir_encoded_reserve(&span->record, size)
                      : NULL;
    if (!at) {
        span->events_dropped++;
        return;
    }
    if (!time_ns) time_ns = weir_clock_wall_ns();
    *at++ = SPAN_EVENT;
    at = weir_attr_varint(at, body);
    *at++ = EVENT_TIME;
    memcpy(at, &time_ns, 8);
    at = weir_attr_text(at + 8, EVENT_NAME, name ? name : "", len);
    at = lists_encode(at, WEIR_ATTR_TAG_EVENT, lists, lists_count, max, config->span_value_max);
    put_dropped(at, EVENT_ATTRIBUTES_DROPPED, dropped);
    span->record.size += (uint32_t)size;
    span->events_count++;
}

void weir_span_add_event(struct weir_span *span, const char *name, int64_t time_ns,
                         const struct weir_attribute *attrs, size_t count) {
    if (!span || !span->recording) return;
    struct list list = {attrs, count};
    add_event(span, name, time_ns, &list, 1);
}

void weir_span_record_exception(struct weir_span *span, const char *type, const char *message,
                                const char *stacktrace, const struct weir_attribute *attrs,
                                size_t count) {
    if (!span || !span->recording) return;
    struct weir_attribute own[] = {WEIR_STR("exception.type", type),
                                   WEIR_STR("exception.message", message),
                                   WEIR_STR("exception.stacktrace", stacktrace)};
    struct list lists[] = {{own, 3}, {attrs, count}};
    add_event(span, "exception", 0, lists, 2);
}

void weir_span_add_link(struct weir_span *span, const struct weir_link *link) {
    if (!span || !span->recording || !link) return;
    const struct weir_span_context *sc = &link->span_context;
    if (!weir_span_context_is_valid(sc)) return;
    const struct weir_config *config = span->config;
    uint32_t max = config->link_attributes_max, dropped;
    size_t state = sc->trace_state && sc->trace_state_size ? sc->trace_state_size : 0;
    struct list list = {link->attributes, link->attributes_count};
    size_t attrs = lists_size(&list, 1, max, config->span_value_max, &dropped);
    size_t body =
        18 + 10 + (state ? weir_attr_text_size(state) : 0) + attrs + dropped_size(dropped) + 5;
    size_t size = weir_attr_text_size(body);
    uint8_t *at = span->links_count < config->span_links_max
                      ? weir_encoded_reserve(&span->record, size)
                      : NULL;
    if (!at) {
        span->links_dropped++;
        return;
    }
    uint32_t flags = sc->flags | FLAG_HAS_IS_REMOTE | (sc->is_remote ? FLAG_IS_REMOTE : 0u);
    *at++ = SPAN_LINK;
    at = weir_attr_varint(at, body);
    *at++ = LINK_TRACE_ID;
    *at++ = 16;
    memcpy(at, sc->trace_id, 16);
    at += 16;
    *at++ = LINK_SPAN_ID;
    *at++ = 8;
    memcpy(at, sc->span_id, 8);
    at += 8;
    if (state) at = weir_attr_text(at, LINK_TRACE_STATE, sc->trace_state, state);
    at = lists_encode(at, WEIR_ATTR_TAG_LINK, &list, 1, max, config->span_value_max);
    at = put_dropped(at, LINK_ATTRIBUTES_DROPPED, dropped);
    *at++ = LINK_FLAGS;
    memcpy(at, &flags, 4);
    span->record.size += (uint32_t)size;
    span->links_count++;
}
