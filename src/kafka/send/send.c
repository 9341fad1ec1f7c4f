/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/send.h"

#include <stdlib.h>

#include "base/clock.h"
#include "kafka/names.h"
#include "kafka/receive/origin.h"
#include "rd/conf.h"
#include "sdk/context.h"
#include "sdk/exporter.h"
#include "sdk/metric.h"
#include "sdk/sdk.h"
#include "weir/propagation.h"

enum {
    SPARES_MIN = 32,
    SPARE_TRIES = 4,     /* places that are looked at for one spare */
    ATTRIBUTES_MIN = 16, /* limits below make ordinary spans, which count */
    VALUE_MIN = 256,
    OVERHEAD = 80, /* of a message and each header on the wire, at most */
    HEADER_OVERHEAD = 16,
    STATE_SIZE_MAX = 560,
    OTHERS_SIZE = 300, /* of B3's headers, at most */
    INJECTED_TRACEPARENT = 1,
    INJECTED_TRACESTATE = 2,
    INJECTED_BAGGAGE = 4,
    INJECTED_OTHERS = 8, /* and up: one bit for each of other_names */
};

/* ── what was left out ───────────────────────────────────────────────────────────────────────── */

static void forget_list(void);

static _Atomic(struct weir_series *) skips[WEIR_KAFKA_SKIPS_COUNT];

static void prepare(void) {
    pthread_atfork(NULL, NULL, forget_list);
    static const char *const names[] = {"abandoned", "untracked", "headers_too_large"};
    for (int i = 0; i < WEIR_KAFKA_SKIPS_COUNT; i++) {
        struct weir_attribute attrs[] = {WEIR_STR("messaging.system", "kafka"),
                                         WEIR_STR("weir.reason", names[i])};
        atomic_store(&skips[i],
                     weir_series_get(weir_kafka_instrument_get(WEIR_KAFKA_UNOBSERVED), attrs, 2));
    }
}

void weir_kafka_skip(enum weir_kafka_skip reason) {
    weir_series_add_with(atomic_load_explicit(&skips[reason], memory_order_acquire), 1, NULL);
}

/* ── spare records ───────────────────────────────────────────────────────────────────────────── */

static struct weir_kafka_record *take_spare(struct weir_kafka_sender *sender) {
    uint32_t wanted = atomic_load_explicit(&sender->spares_wanted, memory_order_relaxed);
    for (int i = 0; i < SPARE_TRIES; i++) {
        uint32_t at = atomic_fetch_add_explicit(&sender->spares_at, 1, memory_order_relaxed);
        struct weir_kafka_record *record = atomic_exchange_explicit(
            &sender->spares[at & (wanted - 1)], NULL, memory_order_acquire);
        if (record) return record;
    }
    return NULL;
}

/* Whoever ends a send may be librdkafka's thread, and the lane's stock full: then a lock would be
 * needed to get rid of a block. */
static void give_back(struct weir_kafka_sender *sender, struct weir_kafka_record *record) {
    struct weir_kafka_record *first = atomic_load_explicit(&sender->returned, memory_order_relaxed);
    do record->record.next = (void *)first;
    while (!atomic_compare_exchange_weak_explicit(&sender->returned, &first, record,
                                                  memory_order_release, memory_order_relaxed));
}

/* False: there were none. */
static bool collect_returned(struct weir_kafka_sender *sender, struct weir_lane *lane) {
    if (!atomic_load_explicit(&sender->returned, memory_order_relaxed)) return false;
    struct weir_kafka_record *first =
        atomic_exchange_explicit(&sender->returned, NULL, memory_order_acquire);
    for (struct weir_lane_record *each = (void *)first, *next; each; each = next) {
        next = each->next;
        weir_lane_give(lane, each);
    }
    return first != NULL;
}

/* Where all were taken since the last time, more are kept from now on. */
static void fill_spares(struct weir_kafka_sender *sender) {
    struct weir_lane *lane = weir_lane_get();
    uint32_t wanted = atomic_load_explicit(&sender->spares_wanted, memory_order_relaxed);
    uint32_t at = atomic_load_explicit(&sender->spares_at, memory_order_relaxed), missing = 0;
    if (lane) collect_returned(sender, lane);
    if (at == sender->spares_filled_at && atomic_load(&sender->spares[0])) return;
    sender->spares_filled_at = at;
    for (uint32_t i = 0; i < wanted; i++)
        missing += !atomic_load_explicit(&sender->spares[i], memory_order_relaxed);
    if (!missing || !lane) return;
    if (missing == wanted && wanted < WEIR_KAFKA_SPARES && atomic_load(&sender->spares_at))
        atomic_store_explicit(&sender->spares_wanted, wanted *= 2, memory_order_relaxed);
    for (uint32_t i = 0; i < wanted; i++) {
        struct weir_kafka_record *none = NULL, *record;
        if (atomic_load_explicit(&sender->spares[i], memory_order_relaxed)) continue;
        if (!(record = weir_kafka_record_spare(lane))) return;
        if (!atomic_compare_exchange_strong_explicit(&sender->spares[i], &none, record,
                                                     memory_order_release, memory_order_relaxed))
            weir_lane_give(lane, &record->record);
    }
}

/* ── the exporter's tick ─────────────────────────────────────────────────────────────────────── */

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards list, their next */
static struct weir_kafka_sender *list;

static void tick(void) {
    pthread_mutex_lock(&list_mutex);
    for (struct weir_kafka_sender *each = list; each; each = each->next) {
        weir_kafka_topics_tick(each->topics);
        if (each->settings->spans) fill_spares(each);
        if (each->tick) each->tick(each);
    }
    pthread_mutex_unlock(&list_mutex);
}

/* In a forked child the parent's producers are nobody's. */
static void forget_list(void) {
    pthread_mutex_init(&list_mutex, NULL);
    list = NULL;
}

static void begin_watch(struct weir_kafka_sender *sender) {
    pthread_mutex_lock(&list_mutex);
    sender->next = list;
    list = sender;
    pthread_mutex_unlock(&list_mutex);
    weir_exporter_tick_set(tick);
}

static void end_watch(const struct weir_kafka_sender *sender) {
    pthread_mutex_lock(&list_mutex);
    struct weir_kafka_sender **at = &list;
    while (*at && *at != sender) at = &(*at)->next;
    if (*at) *at = sender->next;
    pthread_mutex_unlock(&list_mutex);
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

static size_t message_max(const struct weir_rd *rd, const rd_kafka_conf_t *conf) {
    char text[24];
    uint64_t max = 0;
    weir_rd_conf_get(rd, conf, "message.max.bytes", text, sizeof text);
    return weir_view_to_u64(weir_view_str(text), &max) && max ? max : 1000000;
}

bool weir_kafka_sender_init(struct weir_kafka_sender *sender, struct weir_kafka_client *client,
                            const rd_kafka_conf_t *conf) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    sender->client = client;
    sender->rd = client->rd;
    sender->settings = client->settings;
    sender->message_max = message_max(client->rd, conf);
    sender->slow_ns = client->settings->slow_ns ? client->settings->slow_ns : INT64_MAX;
    sender->filters = weir_kafka_settings_filters(client->settings);
    sender->plain = client->settings->spans && !sender->filters &&
                    client->settings->propagate != WEIR_KAFKA_PROPAGATE_ALWAYS &&
                    !client->settings->record_keys;
    atomic_init(&sender->spares_wanted, SPARES_MIN);
    if (!(sender->topics = weir_kafka_topics_new(client))) return false;
    if (client->settings->spans) fill_spares(sender);
    begin_watch(sender);
    return true;
}

void weir_kafka_sender_done(struct weir_kafka_sender *sender) {
    struct weir_lane *lane = weir_lane_get();
    end_watch(sender);
    weir_kafka_topics_free(sender->topics);
    collect_returned(sender, lane);
    for (uint32_t i = 0; i < WEIR_KAFKA_SPARES; i++)
        if (sender->spares[i]) weir_lane_give(lane, &sender->spares[i]->record);
}

/* ── headers ─────────────────────────────────────────────────────────────────────────────────── */

/* The context that the application itself put into the message. A malformed one is as good as none.
 */
static bool own_context(const struct weir_rd *rd, const rd_kafka_headers_t *headers,
                        struct weir_span_context *ret) {
    const void *value;
    size_t size;
    if (!headers || rd->header_get_last(headers, "traceparent", &value, &size) || !value)
        return false;
    if (weir_traceparent_parse(value, size, ret)) return true;
    weir_sdk_count(&weir_sdk_counters.headers_malformed, 1);
    return false;
}

/* The size of a message was checked before we came: what we add must not be what makes it too
 * large. */
static bool fits(const struct weir_kafka_sender *sender, const struct weir_kafka_outgoing *message,
                 size_t added) {
    size_t size = OVERHEAD + message->key.len + message->value_size + added;
    if (size < sender->message_max / 2 && !message->headers) return true;
    const char *name;
    const void *value;
    for (size_t i = 0, bytes; message->headers && !sender->rd->header_get_all(
                                                      message->headers, i, &name, &value, &bytes);
         i++)
        size += strlen(name) + bytes + HEADER_OVERHEAD;
    if (size <= sender->message_max) return true;
    weir_kafka_skip(WEIR_KAFKA_SKIP_TOO_LARGE);
    return false;
}

static bool has_header(const struct weir_kafka_sender *sender, rd_kafka_headers_t *headers,
                       const char *name) {
    const void *value;
    size_t size;
    return !sender->rd->header_get_last(headers, name, &value, &size);
}

static bool add_header(const struct weir_kafka_sender *sender, rd_kafka_headers_t *headers,
                       const char *name, ssize_t name_size, const char *value, size_t size) {
    return !sender->rd->header_add(headers, name, name_size, value, (ssize_t)size);
}

/* The tracestate to go with it: with the time of the first send, if that is wanted. */
static struct weir_view state_of(const struct weir_kafka_sender *sender,
                                 const struct weir_span_context *sc, char room[STATE_SIZE_MAX]) {
    struct weir_view state = weir_view(sc->trace_state, sc->trace_state ? sc->trace_state_size : 0);
    if (!sender->settings->origin) return state;
    int64_t origin_ms = weir_kafka_origin_parse(state);
    if (origin_ms < 0) origin_ms = weir_clock_wall_coarse_ns() / WEIR_NS_PER_MS;
    size_t size = weir_kafka_origin_add(state, origin_ms, room, STATE_SIZE_MAX);
    return size ? weir_view(room, size) : state;
}

/* Formats besides W3C's, which are rare: what the general way writes, less what is there. */
static const char *const other_names[] = {"b3",           "x-b3-traceid", "x-b3-spanid",
                                          "x-b3-sampled", "x-b3-flags",   "x-b3-parentspanid"};
enum { OTHER_NAMES = sizeof other_names / sizeof other_names[0] };

struct others {
    const struct weir_kafka_sender *sender;
    rd_kafka_headers_t *headers;
    unsigned injected;
};

static int set_other(void *arg, const char *name, const char *value, size_t size) {
    struct others *others = arg;
    for (int i = 0; i < OTHER_NAMES; i++)
        if (strcmp(other_names[i], name) == 0 &&
            !has_header(others->sender, others->headers, name) &&
            add_header(others->sender, others->headers, name, -1, value, size))
            others->injected |= (unsigned)INJECTED_OTHERS << i;
    return WEIR_OK;
}

static unsigned inject_others(const struct weir_kafka_sender *sender, rd_kafka_headers_t *headers,
                              const struct weir_span_context *sc) {
    struct weir_context ctx = {.span = *sc};
    struct others others = {sender, headers, 0};
    weir_inject(&ctx, set_other, &others);
    return others.injected;
}

/* Headers that the application has are left where they are; of a traceparent there is one, and a
 * tracestate belongs to the traceparent beside it. */
static void inject(const struct weir_kafka_sender *sender, struct weir_kafka_outgoing *message,
                   const struct weir_span_context *sc) {
    const struct weir_config *config = weir_sdk_config();
    unsigned which = config && weir_sdk_bits() & WEIR_SDK_PROPAGATES ? config->propagators : 0;
    const struct weir_baggage *bag = message->ctx ? message->ctx->baggage : NULL;
    char traceparent[WEIR_TRACEPARENT_SIZE], baggage[WEIR_BAGGAGE_SIZE_MAX], room[STATE_SIZE_MAX];
    bool traces = which & WEIR_PROPAGATOR_TRACECONTEXT && sc;
    bool others = which & ~(unsigned)(WEIR_PROPAGATOR_TRACECONTEXT | WEIR_PROPAGATOR_BAGGAGE) && sc;
    struct weir_view state = traces ? state_of(sender, sc, room) : weir_view(NULL, 0);
    size_t bag_size = bag && which & WEIR_PROPAGATOR_BAGGAGE
                          ? weir_baggage_format(bag, baggage, sizeof baggage)
                          : 0;
    size_t added = (traces ? 11 + sizeof traceparent + HEADER_OVERHEAD : 0) +
                   (state.len ? 10 + state.len + HEADER_OVERHEAD : 0) +
                   (bag_size ? 7 + bag_size + HEADER_OVERHEAD : 0) + (others ? OTHERS_SIZE : 0);
    if (!added || !fits(sender, message, added)) return;
    rd_kafka_headers_t *headers = message->headers;
    bool is_new = !headers;
    if (is_new && !(headers = sender->rd->headers_new(1))) return;
    if (traces) {
        if (!is_new) {
            sender->rd->header_remove(headers, "traceparent");
            sender->rd->header_remove(headers, "tracestate");
        }
        weir_traceparent_format(sc, traceparent);
        if (add_header(sender, headers, "traceparent", 11, traceparent, sizeof traceparent))
            message->injected |= INJECTED_TRACEPARENT;
        if (state.len && add_header(sender, headers, "tracestate", 10, state.ptr, state.len))
            message->injected |= INJECTED_TRACESTATE;
    }
    if (bag_size && (is_new || !has_header(sender, headers, "baggage")) &&
        add_header(sender, headers, "baggage", 7, baggage, bag_size))
        message->injected |= INJECTED_BAGGAGE;
    if (others) message->injected |= (uint16_t)inject_others(sender, headers, sc);
    if (is_new) sender->rd->message_set_headers(message->raw, headers);
}

void weir_kafka_sending_undo(const struct weir_kafka_sender *sender, rd_kafka_headers_t *headers,
                             uint16_t injected) {
    if (injected & INJECTED_TRACEPARENT) sender->rd->header_remove(headers, "traceparent");
    if (injected & INJECTED_TRACESTATE) sender->rd->header_remove(headers, "tracestate");
    if (injected & INJECTED_BAGGAGE) sender->rd->header_remove(headers, "baggage");
    for (int i = 0; i < OTHER_NAMES; i++)
        if (injected & (unsigned)INJECTED_OTHERS << i)
            sender->rd->header_remove(headers, other_names[i]);
}

/* ── beginning ───────────────────────────────────────────────────────────────────────────────── */

/* What a record has no room for, or limits that it does not know. */
static bool needs_span(const struct weir_kafka_sender *sender,
                       const struct weir_kafka_outgoing *message,
                       const struct weir_span_context *parent) {
    const struct weir_config *config = weir_sdk_config();
    return (parent && parent->trace_state_size) ||
           (sender->settings->record_keys && message->key.ptr) ||
           config->span_attributes_max < ATTRIBUTES_MIN || !config->span_events_max ||
           !config->span_links_max || config->event_attributes_max < ATTRIBUTES_MIN ||
           (config->span_value_max && config->span_value_max < VALUE_MIN);
}

static struct weir_span *start_span(const struct weir_kafka_sender *sender,
                                    const struct weir_kafka_topic *topic,
                                    const struct weir_kafka_outgoing *message,
                                    const struct weir_span_context *parent,
                                    const struct weir_span_context *own) {
    char name[WEIR_KAFKA_NAME_SIZE];
    const char *text = topic->name[0] ? topic->name : NULL;
    const struct weir_kafka_client *client = sender->client;
    weir_kafka_settings_name(sender->settings, WEIR_KAFKA_SEND, text, NULL, client->client_id, name,
                             sizeof name);
    bool shows_key =
        sender->settings->record_keys && message->key.ptr && weir_view_is_utf8(message->key);
    struct weir_attribute attrs[5 + WEIR_KAFKA_OLDER_MAX] = {
        WEIR_STR("messaging.operation.name", "send"), WEIR_STR("messaging.operation.type", "send"),
        WEIR_STR("messaging.destination.name", text),
        weir_attribute_strn("messaging.kafka.message.key", shows_key ? message->key.ptr : NULL,
                            shows_key ? message->key.len : 0),
        message->is_tombstone ? WEIR_BOOL("messaging.kafka.message.tombstone", true)
                              : WEIR_STR("messaging.kafka.message.tombstone", NULL)};
    size_t count =
        weir_kafka_names_apply(sender->settings, attrs, 5, sizeof attrs / sizeof attrs[0]);
    struct weir_link link = {.span_context = own ? *own : (struct weir_span_context){.flags = 0}};
    return weir_span_start(
        client->tracer, name,
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = own ? WEIR_KIND_CLIENT : WEIR_KIND_PRODUCER,
                                    .root = !parent,
                                    .parent_span = parent,
                                    .links = &link,
                                    .links_count = own != NULL,
                                    .bound = client->bound,
                                    .attributes = attrs,
                                    .attributes_count = count});
}

/* A record that stands for an ordinary span, which has its own sampling. NULL: not sampled, or none
 * could be made. `*ret` is the span's identity, if there was one. */
static struct weir_kafka_record *stand_in(struct weir_lane *lane,
                                          const struct weir_kafka_topic *topic,
                                          const struct weir_span_context *parent,
                                          struct weir_span *span, struct weir_span_context *ret) {
    struct weir_kafka_record *self =
        weir_span_is_recording(span) && topic->label ? weir_kafka_record_spare(lane) : NULL;
    if (!self) {
        *ret = weir_span_context_get(span);
        ret->trace_state = parent ? parent->trace_state : NULL; /* as the span's, which goes */
        ret->trace_state_size = parent ? parent->trace_state_size : 0;
        weir_span_cancel(span);
        return NULL;
    }
    self->record.scope = &topic->label->tracer->info;
    self->label = topic->label;
    self->span = span;
    self->bits = WEIR_KAFKA_RECORD_SPAN;
    atomic_store_explicit(&self->start_ns, weir_span_start_ns(span), memory_order_relaxed);
    *ret = weir_span_context_get(span);
    return self;
}

/* The record of a sampled send; NULL: none could be made, which is counted. */
static struct weir_kafka_record *record(struct weir_kafka_sender *sender, struct weir_lane *lane,
                                        const struct weir_kafka_topic *topic, bool is_tombstone,
                                        const struct weir_span_context *parent,
                                        const struct weir_span_context *own, uint64_t draw) {
    if (!topic->label) return NULL;
    struct weir_kafka_record *self = weir_kafka_record_take(lane, topic->label);
    if (!self) {
        collect_returned(sender, lane);
        return NULL;
    }
    if (parent)
        weir_kafka_record_child(self, lane, parent);
    else
        weir_kafka_record_root(self, lane, draw);
    if (own) weir_kafka_record_link(self, own);
    if (is_tombstone) self->bits |= WEIR_KAFKA_RECORD_TOMBSTONE;
    atomic_store_explicit(&self->start_ns, weir_now_ns(&lane->now), memory_order_relaxed);
    return self;
}

/* An identity for a message that is not recorded: of its parent's trace, or of one of its own. */
static struct weir_span_context unsampled(struct weir_lane *lane,
                                          const struct weir_span_context *parent, uint64_t draw) {
    struct weir_kafka_record ids = {.bits = 0};
    if (parent)
        weir_kafka_record_child(&ids, lane, parent);
    else
        weir_kafka_record_root(&ids, lane, draw);
    struct weir_span_context sc = weir_kafka_record_context(&ids);
    sc.flags &= (uint8_t)~WEIR_FLAG_SAMPLED;
    if (parent) {
        sc.trace_state = parent->trace_state;
        sc.trace_state_size = parent->trace_state_size;
    }
    return sc;
}

static bool is_recorded(const struct weir_kafka_sender *sender,
                        const struct weir_kafka_topic *topic,
                        const struct weir_kafka_outgoing *message) {
    return sender->settings->spans && topic->observed && weir_sdk_bits() & WEIR_SDK_RECORDS_SPANS &&
           (!sender->filters || weir_kafka_settings_passes(sender->settings, sender->rd,
                                                           message->key, message->headers));
}

static bool is_sampled(const struct weir_span_context *parent, uint64_t draw) {
    const struct weir_sampler *sampler = &weir_sdk_config()->sampler;
    if (!parent) return draw >> 1 < sampler->threshold;
    return weir_sampler_decide(sampler, parent, parent->trace_id);
}

static struct weir_kafka_record *begin(struct weir_kafka_sender *sender, struct weir_lane *lane,
                                       const struct weir_kafka_topic *topic,
                                       struct weir_kafka_outgoing *message, uint64_t draw) {
    struct weir_span_context own, sc;
    const struct weir_kafka_settings *settings = sender->settings;
    const struct weir_span_context *parent = message->ctx ? &message->ctx->span : NULL;
    if (parent && !weir_span_context_is_valid(parent)) parent = NULL;
    bool has_own = own_context(sender->rd, message->headers, &own);
    const struct weir_span_context *linked = has_own ? &own : NULL, *identity = parent;
    struct weir_kafka_record *self = NULL;
    if (lane && is_recorded(sender, topic, message)) {
        identity = &sc;
        if (__builtin_expect(needs_span(sender, message, parent), 0)) {
            self = stand_in(lane, topic, parent, start_span(sender, topic, message, parent, linked),
                            &sc);
        } else if (is_sampled(parent, draw)) {
            self = record(sender, lane, topic, message->is_tombstone, parent, linked, draw);
            /* One that had to be dropped still is of one trace with what follows it. */
            sc = self ? weir_kafka_record_context(self) : unsampled(lane, parent, draw);
        } else {
            weir_lane_count(&lane->spans_unsampled);
            if (settings->propagate == WEIR_KAFKA_PROPAGATE_ALWAYS)
                sc = unsampled(lane, parent, draw);
            else
                identity = NULL;
        }
    }
    if (settings->propagate == WEIR_KAFKA_PROPAGATE_OFF || !topic->observed || !topic->propagates)
        return self;
    if (identity && settings->propagate == WEIR_KAFKA_PROPAGATE_SAMPLED &&
        !weir_span_context_is_sampled(identity))
        identity = NULL;
    if (has_own) identity = NULL;
    if (identity || (message->ctx && message->ctx->baggage)) inject(sender, message, identity);
    return self;
}

struct weir_kafka_record *weir_kafka_sending_begin(struct weir_kafka_sender *sender,
                                                   const struct weir_kafka_topic *topic,
                                                   struct weir_kafka_outgoing *message) {
    weir_sdk_continue_after_fork();
    struct weir_lane *lane = weir_sdk_bits() & WEIR_SDK_RUNS ? weir_lane_get() : NULL;
    return begin(sender, lane, topic, message, lane ? weir_rand_next(&lane->rand) : 0);
}

struct weir_kafka_record *weir_kafka_sending_drawn(struct weir_kafka_sender *sender,
                                                   const struct weir_kafka_topic *topic,
                                                   struct weir_kafka_outgoing *message,
                                                   uint64_t draw) {
    return begin(sender, weir_lane_get(), topic, message, draw);
}

/* ── the end ─────────────────────────────────────────────────────────────────────────────────── */

int64_t weir_kafka_sending_end(struct weir_kafka_sender *sender, struct weir_kafka_record *self,
                               int err, int32_t partition, int64_t offset,
                               struct weir_span_context *ret_context) {
    struct weir_lane *lane = weir_lane_get();
    int64_t now_ns = lane ? weir_now_ns(&lane->now) : weir_clock_wall_ns();
    int64_t start_ns = atomic_load_explicit(&self->start_ns, memory_order_relaxed);
    *ret_context = weir_kafka_record_context(self);
    if (!weir_kafka_record_end(lane, self, now_ns, err, partition, offset)) give_back(sender, self);
    return now_ns > start_ns ? now_ns - start_ns : 0;
}

struct weir_kafka_record *weir_kafka_sending_late(struct weir_kafka_sender *sender,
                                                  const struct weir_kafka_topic *topic,
                                                  struct weir_view key, bool is_tombstone,
                                                  const rd_kafka_headers_t *headers,
                                                  int64_t duration_ns) {
    struct weir_span_context sc;
    const struct weir_kafka_outgoing message = {
        .key = key, .headers = (rd_kafka_headers_t *)(uintptr_t)headers};
    if (!topic->label || !is_recorded(sender, topic, &message)) return NULL;
    struct weir_lane *lane = weir_lane_get();
    if (!lane) return NULL;
    struct weir_kafka_record *self = take_spare(sender);
    if (!self) {
        weir_lane_count(&lane->spans_started);
        weir_lane_count(&lane->spans_dropped_memory);
        return NULL;
    }
    weir_kafka_record_reuse(self, lane, topic->label);
    weir_kafka_record_root(self, lane, weir_rand_next(&lane->rand));
    const void *value;
    size_t size;
    if (headers && !sender->rd->header_get_last(headers, "traceparent", &value, &size) && value &&
        weir_traceparent_parse(value, size, &sc)) {
        if (weir_span_context_is_sampled(&sc)) { /* the application's: ours are in flight */
            weir_kafka_record_link(self, &sc);
        } else {
            memcpy(self->trace_id, sc.trace_id, 16);
            memcpy(self->span_id, sc.span_id, 8);
        }
    }
    if (is_tombstone) self->bits |= WEIR_KAFKA_RECORD_TOMBSTONE;
    atomic_store_explicit(&self->start_ns, weir_now_ns(&lane->now) - duration_ns,
                          memory_order_relaxed);
    return self;
}

void weir_kafka_sending_abandon(struct weir_kafka_sender *sender, struct weir_kafka_record *self) {
    struct weir_lane *lane = weir_lane_get();
    weir_kafka_record_cancel(lane, self);
    give_back(sender, self);
}
