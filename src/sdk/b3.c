/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/b3.h"

#include "base/text.h"
#include "base/view.h"

static struct weir_view header(weir_carrier_get *get, void *carrier, const char *name) {
    size_t size = 0;
    const char *value = get(carrier, name, &size);
    return value ? weir_view_trim(weir_view(value, size)) : WEIR_VIEW("");
}

static bool read_ids(struct weir_view trace, struct weir_view span, struct weir_span_context *ret) {
    size_t size = trace.len == 16 ? 8 : 16;
    return weir_view_to_bytes_hex(trace, ret->trace_id + 16 - size, size) &&
           weir_view_to_bytes_hex(span, ret->span_id, 8) && weir_span_context_is_valid(ret);
}

static bool is_state(struct weir_view state) {
    return weir_view_is(state, "0") || weir_view_is(state, "1") || weir_view_is(state, "d");
}

static enum weir_b3 extract_single(weir_carrier_get *get, void *carrier,
                                   struct weir_span_context *ret) {
    struct weir_view rest = header(get, carrier, "b3");
    if (!rest.len || is_state(rest)) return WEIR_B3_ABSENT;
    struct weir_span_context sc = {.is_remote = true};
    struct weir_view trace = weir_view_cut(&rest, '-'), span = weir_view_cut(&rest, '-');
    struct weir_view state = weir_view_cut(&rest, '-'), parent = rest;
    uint8_t parent_id[8];
    if (!read_ids(trace, span, &sc) || (state.len && !is_state(state)) ||
        (parent.len && !weir_view_to_bytes_hex(parent, parent_id, 8)))
        return WEIR_B3_MALFORMED;
    bool debug = weir_view_is(state, "d");
    if (debug || weir_view_is(state, "1")) sc.flags = WEIR_FLAG_SAMPLED;
    *ret = sc;
    return debug ? WEIR_B3_DEBUG : WEIR_B3_FOUND;
}

static enum weir_b3 extract_multi(weir_carrier_get *get, void *carrier,
                                  struct weir_span_context *ret) {
    struct weir_span_context sc = {.is_remote = true};
    struct weir_view trace = header(get, carrier, "x-b3-traceid"),
                     span = header(get, carrier, "x-b3-spanid");
    if (!trace.len && !span.len) return WEIR_B3_ABSENT;
    struct weir_view sampled = header(get, carrier, "x-b3-sampled");
    bool debug = weir_view_is(header(get, carrier, "x-b3-flags"), "1");
    bool yes = weir_view_is(sampled, "1") || weir_view_eq_nocase(sampled, WEIR_VIEW("true"));
    bool no = weir_view_is(sampled, "0") || weir_view_eq_nocase(sampled, WEIR_VIEW("false"));
    if (!read_ids(trace, span, &sc) || (sampled.len && !yes && !no)) return WEIR_B3_MALFORMED;
    if (debug || yes) sc.flags = WEIR_FLAG_SAMPLED;
    *ret = sc;
    return debug ? WEIR_B3_DEBUG : WEIR_B3_FOUND;
}

enum weir_b3 weir_b3_extract(weir_carrier_get *get, void *carrier, struct weir_span_context *ret) {
    enum weir_b3 single = extract_single(get, carrier, ret);
    if (single == WEIR_B3_FOUND || single == WEIR_B3_DEBUG) return single;
    enum weir_b3 multi = extract_multi(get, carrier, ret);
    return multi == WEIR_B3_ABSENT ? single : multi;
}

static bool put(weir_carrier_set *set, void *carrier, const char *name, const char *value,
                size_t size) {
    return set(carrier, name, value, size) == 0;
}

int weir_b3_inject(const struct weir_span_context *sc, bool debug, bool multi,
                   weir_carrier_set *set, void *carrier) {
    char text[32 + 1 + 16 + 1 + 1], *span = text + 33, *state = span + 17;
    bool sampled = weir_span_context_is_sampled(sc);
    weir_text_hex_put(text, sc->trace_id, 16);
    weir_text_hex_put(span, sc->span_id, 8);
    span[-1] = state[-1] = '-';
    *state = debug ? 'd' : sampled ? '1' : '0';
    if (!multi) return put(set, carrier, "b3", text, sizeof text);
    return put(set, carrier, "x-b3-traceid", text, 32) +
           put(set, carrier, "x-b3-spanid", span, 16) +
           (debug ? put(set, carrier, "x-b3-flags", "1", 1)
                  : put(set, carrier, "x-b3-sampled", state, 1));
}
