/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/span.h"

#include "base/clock.h"
#include "base/rand.h"
#include "sdk/attr_short.h"
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

static inline uint8_t *put_bytes(uint8_t *at, uint8_t tag, const uint8_t *bytes, uint8_t size) {
    *at++ = tag;
    *at++ = size;
    memcpy(at, bytes, size);
    return at + size;
}

static inline uint8_t *put_fixed64(uint8_t *at, uint8_t tag, int64_t value) {
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
    bool child = memcmp(span->parent_id, none, 8) != 0;
    size_t body = span->record.size + (child ? 18u + 10 + 10 : 18u + 10) + 2 + 9 + 9 + 6 +
                  dropped_size(span->attributes_dropped) + dropped_size(span->events_dropped) +
                  dropped_size(span->links_dropped);
    size_t size = weir_attr_text_size(body);
    uint8_t *at = (uint8_t *)weir_buf_reserve(buf, size);
    if (!at) return;
    buf->len += size;
    *at++ = 0x12; /* ScopeSpans.spans */
    at = weir_attr_varint(at, body);
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
    uint32_t flags = (uint32_t)span->context.flags | FLAG_HAS_IS_REMOTE;
    if (span->parent_remote) flags |= FLAG_IS_REMOTE;
    *at++ = 0x85; /* flags: field 16, fixed32 */
    *at++ = 0x01;
    memcpy(at, &flags, 4);
    memcpy(at + 4, span->record.data, span->record.size);
}

static const struct weir_lane_class span_class = {.size = WEIR_LANE_LARGE,
                                                  .encoded_size = encoded_size,
                                                  .encode = encode,
                                                  .done = weir_encoded_done};

/* ── start ───────────────────────────────────────────────────────────────────────────────────── */

/* The same as weir_span_context_is_valid, by words. */
static inline bool is_valid(const struct weir_span_context *sc) {
    uint64_t trace[2], span;
    memcpy(trace, sc->trace_id, sizeof trace);
    memcpy(&span, sc->span_id, sizeof span);
    return (trace[0] | trace[1]) != 0 && span != 0;
}

/* The parent's identity; NULL for a root. */
static inline const struct weir_span_context *find_parent(const struct weir_span_options *options) {
    const struct weir_span_context *found = options->parent_span;
    if (options->root) return NULL;
    if (!found && options->parent)
        found = &options->parent->span;
    else if (!found && weir_context_top && weir_context_top->ctx)
        found = &weir_context_top->ctx->span;
    return found && is_valid(found) ? found : NULL;
}

/* Fills in the identity, and whether it is sampled, which it gives. */
static inline bool identify(struct weir_span *span, struct weir_rand *rand,
                            const struct weir_sampler *sampler,
                            const struct weir_span_options *options,
                            const struct weir_span_context *parent) {
    uint64_t id, trace[2], parent_id = 0;
    unsigned flags = WEIR_FLAG_RANDOM;
    do id = weir_rand_next(rand);
    while (__builtin_expect(!id, 0)); /* all zero is invalid */
    if (parent) {
        memcpy(trace, parent->trace_id, 16);
        memcpy(&parent_id, parent->span_id, 8);
        flags = parent->flags & WEIR_FLAG_RANDOM;
    } else {
        do trace[0] = weir_rand_next(rand), trace[1] = weir_rand_next(rand);
        while (__builtin_expect(!(trace[0] | trace[1]), 0));
    }
    memcpy(span->context.trace_id, trace, 16);
    memcpy(span->context.span_id, &id, 8);
    memcpy(span->parent_id, &parent_id, 8);
    span->parent_remote = parent && parent->is_remote;
    if (__builtin_expect(options->sample_follows, 0)) parent = options->sample_parent;
    bool sampled = weir_sampler_decide(sampler, parent, span->context.trace_id);
    span->context.flags = (uint8_t)(flags | (sampled ? WEIR_FLAG_SAMPLED : 0u));
    span->context.is_remote = false;
    span->context.trace_state_size = 0;
    span->context.trace_state = NULL;
    return sampled;
}

/* Copies the parent's tracestate to the front of the data, where it stays. */
static void keep_trace_state(struct weir_span *span, const struct weir_span_context *parent) {
    size_t size = weir_attr_text_size(parent->trace_state_size);
    if (!parent->trace_state || size > WEIR_ENCODED_INLINE_SIZE) return;
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

/* None of the keys is there yet. */
static inline void set_bound(struct weir_span *span, const struct weir_attribute_set *set) {
    struct weir_encoded *record = &span->record;
    uint32_t count = span->attributes_count + set->count;
    uint8_t *at = count <= weir_sdk_config()->span_attributes_max
                      ? weir_encoded_reserve(record, (size_t)set->size + WEIR_ATTR_SET_STEP)
                      : NULL;
    if (__builtin_expect(!at, 0)) {
        span->attributes_dropped += set->count;
        weir_sdk_count(&weir_sdk_counters.attributes_dropped, set->count);
        return;
    }
    weir_attr_set_copy(at, set);
    record->size += set->size;
    span->attributes_count = count;
    span->keys |= set->keys;
}

/* Behind what the new span has (its tracestate) there is room. */
static inline void put_first_name(struct weir_span *span, const char *name) {
    struct weir_encoded *record = &span->record;
    uint8_t *at = record->data + record->size, *end = NULL;
    if (name && record->room - record->size >= WEIR_ATTR_SHORT_SIZE)
        end = weir_attr_text_short(at, SPAN_NAME, name, strlen(name));
    if (__builtin_expect(!end, 0)) {
        put_name(span, name);
        return;
    }
    span->name_at = record->size;
    span->name_size = (uint32_t)(end - at);
    record->size += span->name_size;
}

static inline void record_start(struct weir_span *span, struct weir_lane *lane, const char *name,
                                const struct weir_span_options *options) {
    memset(&span->keys, 0, offsetof(struct weir_span, kind) - offsetof(struct weir_span, keys));
    span->status = WEIR_STATUS_UNSET;
    span->kind = options->kind >= WEIR_KIND_INTERNAL && options->kind <= WEIR_KIND_CONSUMER
                     ? (uint8_t)options->kind
                     : WEIR_KIND_INTERNAL;
    span->start_ns = options->start_ns ? options->start_ns : weir_now_ns(&lane->now);
    put_first_name(span, name);
    if (options->bound) set_bound(span, options->bound);
    if (options->attributes)
        weir_span_set_all(span, options->attributes, options->attributes_count);
    for (size_t i = 0; options->links && i < options->links_count; i++)
        weir_span_add_link(span, &options->links[i]);
}

__attribute__((cold, noinline)) static struct weir_span *no_memory(struct weir_lane *lane) {
    if (lane) {
        weir_lane_count(&lane->spans_started);
        weir_lane_count(&lane->spans_dropped_memory);
    } else {
        weir_sdk_count(&weir_sdk_counters.spans_without_lane, 1);
    }
    return NULL;
}

__attribute__((noinline)) static struct weir_span *start(struct weir_tracer *tracer,
                                                         const char *name,
                                                         const struct weir_span_options *options) {
    struct weir_lane *lane = weir_lane_get();
    struct weir_span *span =
        lane ? (void *)weir_encoded_take(lane, &span_class, &tracer->info) : NULL;
    if (__builtin_expect(!span, 0)) return no_memory(lane);
    const struct weir_config *config = weir_sdk_config();
    const struct weir_span_context *parent = find_parent(options);
    bool sampled = identify(span, &lane->rand, &config->sampler, options, parent);
    if (parent && parent->trace_state_size) keep_trace_state(span, parent);
    span->recording = sampled && weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS;
    if (__builtin_expect(span->recording, 1)) {
        weir_lane_count(&lane->spans_started);
        record_start(span, lane, name, options);
    } else {
        span->start_ns = options->start_ns;
        weir_lane_count(&lane->spans_unsampled);
    }
    return span;
}

/* With options as another version's header has them: fields that it lacks are zero. */
__attribute__((cold, noinline)) static struct weir_span *start_foreign(
    struct weir_tracer *tracer, const char *name, const struct weir_span_options *options) {
    struct weir_span_options room;
    memset(&room, 0, sizeof room);
    memcpy(&room, options, options->struct_size < sizeof room ? options->struct_size : sizeof room);
    return start(tracer, name, &room);
}

/* All but the question whether anything runs. */
__attribute__((noinline)) static struct weir_span *start_running(
    struct weir_tracer *tracer, const char *name, const struct weir_span_options *options) {
    static const struct weir_span_options no_options = {.struct_size = sizeof no_options};
    if (__builtin_expect(!tracer, 0)) return NULL;
    weir_sdk_continue_after_fork();
    if (!options) options = &no_options;
    if (__builtin_expect(options->struct_size != sizeof *options, 0))
        return start_foreign(tracer, name, options);
    return start(tracer, name, options);
}

struct weir_span *weir_span_start(struct weir_tracer *tracer, const char *name,
                                  const struct weir_span_options *options) {
    if (weir_sdk_bits() & WEIR_SDK_RUNS) return start_running(tracer, name, options);
    return NULL;
}

bool weir_tracer_enabled(const struct weir_tracer *tracer) {
    bool records = weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS;
    return (tracer != NULL) & records; /* no branch */
}

/* ── end ─────────────────────────────────────────────────────────────────────────────────────── */

/* Ended without export. */
__attribute__((noinline)) static void drop(struct weir_lane *lane, struct weir_span *span,
                                           _Atomic uint64_t *counter) {
    if (span->recording && counter) weir_lane_count(counter);
    if (span->recording && !counter) weir_sdk_count(&weir_sdk_counters.spans_ended_without_lane, 1);
    weir_lane_give(lane, &span->record.record);
}

void weir_span_end_at(struct weir_span *span, int64_t end_ns) {
    if (!span) return;
    weir_context_span_ended(span);
    struct weir_lane *lane = weir_lane_get();
    if (!lane || !span->recording || !(weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS)) {
        drop(lane, span, lane ? &lane->spans_dropped_closed : NULL);
        return;
    }
    if (!end_ns) end_ns = weir_now_ns(&lane->now);
    span->end_ns = end_ns < span->start_ns ? span->start_ns : end_ns;
    if (__builtin_expect(!weir_lane_push_kind(lane, &span->record.record, false), 0))
        drop(lane, span, &lane->spans_dropped_full);
}

void weir_span_end(struct weir_span *span) {
    weir_span_end_at(span, 0);
}

void weir_span_cancel(struct weir_span *span) {
    if (!span) return;
    weir_context_span_ended(span);
    struct weir_lane *lane = weir_lane_get();
    drop(lane, span, lane ? &lane->spans_cancelled : NULL);
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
        if (!start || weir_pb_next(&pb, &field) <= 0) return false;
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

/* Long ones, those that replace another, and all that is wrong. */
__attribute__((noinline)) static void set_attribute_any(struct weir_span *span,
                                                        const struct weir_attribute *attr) {
    if (attr->type == WEIR_ATTRIBUTE_NONE) return;
    const struct weir_config *config = weir_sdk_config();
    size_t value_max = config->span_value_max, size = weir_attr_size(attr, value_max);
    if (!size || !attr->key) {
        drop_attribute(span);
        return;
    }
    uint64_t bit = weir_attr_key_bit(attr->key, attr->key_size);
    bool seen = span->keys & bit && cut_attribute(span, weir_view(attr->key, attr->key_size));
    uint8_t *at = seen || span->attributes_count < config->span_attributes_max
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

static inline void set_attribute(struct weir_span *span, const struct weir_attribute *attr) {
    const struct weir_config *config = weir_sdk_config();
    struct weir_encoded *record = &span->record;
    bool named = attr->key && attr->key_size;
    uint64_t bit = named ? weir_attr_key_bit(attr->key, attr->key_size) : 0;
    uint8_t *end = NULL, *at = record->data + record->size;
    if (named && bit & ~span->keys && record->room - record->size >= WEIR_ATTR_SHORT_SIZE &&
        span->attributes_count < config->span_attributes_max)
        end = weir_attr_encode_short(at, SPAN_ATTRIBUTE, attr, config->span_value_max);
    if (__builtin_expect(!end, 0)) {
        set_attribute_any(span, attr);
        return;
    }
    record->size += (uint32_t)(end - at);
    span->attributes_count++;
    span->keys |= bit;
}

void weir_span_set_all(struct weir_span *span, const struct weir_attribute *attrs, size_t count) {
    if (!span || !span->recording || !attrs) return;
    for (size_t i = 0; i < count; i++) set_attribute(span, &attrs[i]);
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
    set_bound(span, set);
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
    const struct weir_config *config = weir_sdk_config();
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
    const struct weir_config *config = weir_sdk_config();
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
    uint32_t flags =
        (uint32_t)sc->flags | FLAG_HAS_IS_REMOTE | (sc->is_remote ? FLAG_IS_REMOTE : 0u);
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
