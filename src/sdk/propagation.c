/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/propagation.h"

#include <pthread.h>

#include "base/text.h"
#include "sdk/b3.h"
#include "sdk/context.h"
#include "sdk/sdk.h"

enum { STATE_SIZE_MAX = 512, STATE_MEMBERS_MAX = 32 };

/* ── traceparent ─────────────────────────────────────────────────────────────────────────────── */

void weir_traceparent_format(const struct weir_span_context *sc, char ret[WEIR_TRACEPARENT_SIZE]) {
    uint8_t flags = sc->flags & (WEIR_FLAG_SAMPLED | WEIR_FLAG_RANDOM);
    memcpy(ret, "00-", 3);
    char *at = weir_text_hex_put(ret + 3, sc->trace_id, 16);
    *at++ = '-';
    at = weir_text_hex_put(at, sc->span_id, 8);
    *at++ = '-';
    weir_text_hex_put(at, &flags, 1);
}

/* Eight digits into four bytes, all at once: in each byte of `x` one digit. */
static bool get_hex8(const char *at, uint8_t bytes[4]) {
    const uint64_t each = 0x0101010101010101u, top = 0x80 * each;
    uint64_t x;
    memcpy(&x, at, 8);
    uint64_t digits = (x + (0x80 - '0') * each) & ~(x + (0x7F - '9') * each);
    uint64_t letters = (x + (0x80 - 'a') * each) & ~(x + (0x7F - 'f') * each);
    if (x & top || ((digits | letters) & top) != top) return false;
    x = (x & 0x0F * each) + 9 * (x >> 6 & each);
    x = (x << 4 | x >> 8) & 0x00FF00FF00FF00FFu;
    x = (x | x >> 8) & 0x0000FFFF0000FFFFu;
    uint32_t packed = (uint32_t)(x | x >> 16);
    memcpy(bytes, &packed, 4);
    return true;
}

/* Lower-case hex only. */
static bool get_hex(const char *at, uint8_t *bytes, size_t size) {
    for (; size >= 4; at += 8, bytes += 4, size -= 4)
        if (!get_hex8(at, bytes)) return false;
    for (size_t i = 0; i < 2 * size; i++) {
        unsigned digit = at[i] >= '0' && at[i] <= '9'   ? (unsigned)(at[i] - '0')
                         : at[i] >= 'a' && at[i] <= 'f' ? (unsigned)(at[i] - 'a' + 10)
                                                        : 16;
        if (digit > 15) return false;
        bytes[i / 2] = (uint8_t)(i % 2 ? bytes[i / 2] | digit : digit << 4);
    }
    return true;
}

bool weir_traceparent_parse(const char *value, size_t size, struct weir_span_context *ret) {
    struct weir_span_context sc = {.is_remote = true};
    uint8_t version;
    if (!value || size < WEIR_TRACEPARENT_SIZE || !get_hex(value, &version, 1) || version == 0xFF ||
        (size > WEIR_TRACEPARENT_SIZE && (version == 0 || value[WEIR_TRACEPARENT_SIZE] != '-')) ||
        value[2] != '-' || !get_hex(value + 3, sc.trace_id, 16) || value[35] != '-' ||
        !get_hex(value + 36, sc.span_id, 8) || value[52] != '-' ||
        !get_hex(value + 53, &sc.flags, 1) || !weir_span_context_is_valid(&sc))
        return false;
    *ret = sc;
    return true;
}

/* ── tracestate ──────────────────────────────────────────────────────────────────────────────── */

static bool is_state_key(struct weir_view key) {
    if (!key.len || key.len > 256 || strchr("_-*/@", key.ptr[0])) return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("_-*/@", c))))
            return false;
    }
    return true;
}

static bool is_state_value(struct weir_view value) {
    if (!value.len || value.len > 256) return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7E || value.ptr[i] == ',' ||
            value.ptr[i] == '=')
            return false;
    return true;
}

static bool is_state(struct weir_view state) {
    int members = 0;
    if (state.len > STATE_SIZE_MAX) return false;
    while (state.len) {
        struct weir_view value = weir_view_trim(weir_view_cut(&state, ','));
        if (!value.len) continue; /* empty members are allowed */
        struct weir_view key = weir_view_cut(&value, '=');
        if (!value.ptr || !is_state_key(key) || !is_state_value(value) ||
            ++members > STATE_MEMBERS_MAX)
            return false;
    }
    return true;
}

/* ── carriers ────────────────────────────────────────────────────────────────────────────────── */

static const unsigned any_b3 = WEIR_PROPAGATOR_B3 | WEIR_PROPAGATOR_B3_MULTI;

static unsigned propagators(void) {
    const struct weir_config *config = weir_sdk_config();
    return config && weir_sdk_bits() & WEIR_SDK_PROPAGATES ? config->propagators : 0;
}

static int inject_trace(const struct weir_context *ctx, weir_carrier_set *set, void *carrier) {
    char traceparent[WEIR_TRACEPARENT_SIZE];
    if (!weir_span_context_is_valid(&ctx->span)) return 0;
    weir_traceparent_format(&ctx->span, traceparent);
    if (set(carrier, "traceparent", traceparent, sizeof traceparent) != 0) return 0;
    if (!ctx->span.trace_state_size) return 1;
    return 1 + (set(carrier, "tracestate", ctx->span.trace_state, ctx->span.trace_state_size) == 0);
}

static int inject_baggage(const struct weir_context *ctx, weir_carrier_set *set, void *carrier) {
    char text[WEIR_BAGGAGE_SIZE_MAX];
    size_t size = ctx->baggage ? weir_baggage_format(ctx->baggage, text, sizeof text) : 0;
    return size && set(carrier, "baggage", text, size) == 0;
}

static uint32_t debug_key_made;

static void make_debug_key(void) {
    debug_key_made = weir_context_key_new("B3 debug");
}

/* A context that came as B3 debug goes on as such: the value under this key is not NULL. */
static uint32_t debug_key(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_debug_key);
    return debug_key_made;
}

static int inject_b3(const struct weir_context *ctx, unsigned which, weir_carrier_set *set,
                     void *carrier) {
    int count = 0;
    if (!weir_span_context_is_valid(&ctx->span)) return 0;
    bool debug = weir_context_get(ctx, debug_key());
    if (which & WEIR_PROPAGATOR_B3) count += weir_b3_inject(&ctx->span, debug, false, set, carrier);
    if (which & WEIR_PROPAGATOR_B3_MULTI)
        count += weir_b3_inject(&ctx->span, debug, true, set, carrier);
    return count;
}

int weir_inject(const struct weir_context *ctx, weir_carrier_set *set, void *carrier) {
    unsigned which = propagators();
    int count = 0;
    if (!ctx) ctx = weir_context_current();
    if (!ctx || !set) return 0;
    if (which & WEIR_PROPAGATOR_TRACECONTEXT) count += inject_trace(ctx, set, carrier);
    if (which & any_b3) count += inject_b3(ctx, which, set, carrier);
    if (which & WEIR_PROPAGATOR_BAGGAGE) count += inject_baggage(ctx, set, carrier);
    return count;
}

static void malformed(void) {
    weir_sdk_count(&weir_sdk_counters.headers_malformed, 1);
}

static bool extract_trace(weir_carrier_get *get, void *carrier, struct weir_span_context *ret) {
    size_t size = 0;
    const char *value = get(carrier, "traceparent", &size);
    if (!value) return false;
    struct weir_view trimmed = weir_view_trim(weir_view(value, size));
    if (!weir_traceparent_parse(trimmed.ptr, trimmed.len, ret)) {
        malformed();
        return false;
    }
    value = get(carrier, "tracestate", &size);
    if (!value || !size) return true;
    struct weir_view state = weir_view_trim(weir_view(value, size));
    if (is_state(state)) {
        ret->trace_state = state.ptr;
        ret->trace_state_size = (uint16_t)state.len;
    } else {
        malformed();
    }
    return true;
}

static struct weir_baggage *extract_baggage(weir_carrier_get *get, void *carrier) {
    char scratch[WEIR_BAGGAGE_SIZE_MAX];
    struct weir_baggage_item items[WEIR_BAGGAGE_ITEMS_MAX];
    size_t size = 0;
    const char *value = get(carrier, "baggage", &size);
    if (!value) return NULL;
    int count = weir_baggage_parse(weir_view(value, size), scratch, items);
    if (count < 0) malformed();
    return count > 0 ? weir_baggage_make(items, (uint32_t)count) : NULL;
}

/* Takes the reference, gives one. */
static struct weir_context *mark_debug(struct weir_context *ctx, bool debug) {
    static char yes;
    if (!ctx || (weir_context_get(ctx, debug_key()) != NULL) == debug) return ctx;
    struct weir_context *marked = weir_context_with_value(ctx, debug_key(), debug ? &yes : NULL);
    if (!marked) return ctx;
    weir_context_unref(ctx);
    return marked;
}

struct weir_context *weir_extract(const struct weir_context *ctx, weir_carrier_get *get,
                                  void *carrier) {
    unsigned which = get ? propagators() : 0;
    struct weir_span_context sc = ctx ? ctx->span : (struct weir_span_context){.flags = 0};
    struct weir_baggage *baggage = NULL;
    bool found = which & WEIR_PROPAGATOR_TRACECONTEXT && extract_trace(get, carrier, &sc);
    enum weir_b3 b3 = WEIR_B3_ABSENT;
    if (!found && which & any_b3) b3 = weir_b3_extract(get, carrier, &sc);
    if (b3 == WEIR_B3_MALFORMED) malformed();
    found |= b3 == WEIR_B3_FOUND || b3 == WEIR_B3_DEBUG;
    if (which & WEIR_PROPAGATOR_BAGGAGE) baggage = extract_baggage(get, carrier);
    if (!found && !baggage) return weir_context_ref(ctx);
    struct weir_context *with = weir_context_make(&sc,
                                                  baggage ? baggage
                                                  : ctx   ? ctx->baggage
                                                          : NULL,
                                                  ctx ? ctx->values : NULL);
    weir_baggage_unref(baggage);
    return found && which & any_b3 ? mark_debug(with, b3 == WEIR_B3_DEBUG) : with;
}
