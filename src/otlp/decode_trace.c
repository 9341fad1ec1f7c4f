/* SPDX-License-Identifier: Apache-2.0 */
/* Spans, their events and links. Source: opentelemetry-proto 1.11, trace/v1/trace.proto. */
#include "otlp/decode.h"

static bool decode_event(struct weir_otlp_decoder *d, struct weir_view raw,
                         struct weir_otlp_event *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct weir_otlp_attr_list attrs;
    int rc;
    *ret = (struct weir_otlp_event){0};
    if (!weir_otlp_decode_attrs_begin(d, weir_otlp_decode_counts(raw).of[3], &attrs)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        bool ok = true;
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(1, FIXED64): ret->time_ns = weir_otlp_decode_time(field.value); break;
        case WEIR_PB_KEY(2, BYTES):
            ok = weir_otlp_decode_text(d, field.bytes, &ret->name, "Span.Event.name");
            break;
        case WEIR_PB_KEY(3, BYTES): ok = weir_otlp_decode_attr(d, field.bytes, &attrs); break;
        case WEIR_PB_KEY(4, VARINT): ret->dropped_attrs_count = (uint32_t)field.value; break;
        default: break;
        }
        if (!ok) return false;
    }
    ret->attrs = weir_otlp_decode_attrs_end(&attrs);
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed Span.Event");
}

static bool decode_link(struct weir_otlp_decoder *d, struct weir_view raw,
                        struct weir_otlp_link *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct weir_otlp_attr_list attrs;
    int rc;
    *ret = (struct weir_otlp_link){0};
    if (!weir_otlp_decode_attrs_begin(d, weir_otlp_decode_counts(raw).of[4], &attrs)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        bool ok = true;
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(1, BYTES): ret->trace_id = weir_otlp_decode_id(field.bytes, 16); break;
        case WEIR_PB_KEY(2, BYTES): ret->span_id = weir_otlp_decode_id(field.bytes, 8); break;
        case WEIR_PB_KEY(3, BYTES):
            ok = weir_otlp_decode_text(d, field.bytes, &ret->trace_state, "Span.Link.trace_state");
            break;
        case WEIR_PB_KEY(4, BYTES): ok = weir_otlp_decode_attr(d, field.bytes, &attrs); break;
        case WEIR_PB_KEY(5, VARINT): ret->dropped_attrs_count = (uint32_t)field.value; break;
        case WEIR_PB_KEY(6, FIXED32): ret->flags = (uint32_t)field.value; break;
        default: break;
        }
        if (!ok) return false;
    }
    ret->attrs = weir_otlp_decode_attrs_end(&attrs);
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed Span.Link");
}

static bool decode_status(struct weir_otlp_decoder *d, struct weir_view raw,
                          struct weir_otlp_span *span) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    int rc;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(3, VARINT))
            span->status_code = field.value <= WEIR_SPAN_STATUS_ERROR
                                    ? (enum weir_span_status)field.value
                                    : WEIR_SPAN_STATUS_UNSET;
        if (weir_pb_key(&field) == WEIR_PB_KEY(2, BYTES) &&
            !weir_otlp_decode_text(d, field.bytes, &span->status_message, "Status.message"))
            return false;
    }
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed Status");
}

/* A span under way: what the index shows as const, still being filled. */
struct span_lists {
    struct weir_otlp_attr_list attrs;
    struct weir_otlp_event *events;
    struct weir_otlp_link *links;
    struct weir_view parent;
};

static bool begin_lists(struct weir_otlp_decoder *d, struct weir_view raw, struct span_lists *ret) {
    struct weir_otlp_counts counts = weir_otlp_decode_counts(raw);
    *ret = (struct span_lists){0};
    if (!weir_otlp_decode_attrs_begin(d, counts.of[9], &ret->attrs)) return false;
    if (counts.of[11])
        ret->events = weir_arena_alloc(d->arena, counts.of[11] * sizeof *ret->events);
    if (counts.of[13]) ret->links = weir_arena_alloc(d->arena, counts.of[13] * sizeof *ret->links);
    return !d->arena->failed || weir_otlp_decode_fail(d, NULL, "");
}

static bool add_event(struct weir_otlp_decoder *d, struct weir_view raw,
                      struct weir_otlp_span *span, struct span_lists *lists) {
    return decode_event(d, raw, &lists->events[span->events_count++]);
}

/* A link that leads nowhere is dropped, and counted as dropped; the span stays. */
static bool add_link(struct weir_otlp_decoder *d, struct weir_view raw, struct weir_otlp_span *span,
                     struct span_lists *lists) {
    struct weir_otlp_link *link = &lists->links[span->links_count];
    if (!decode_link(d, raw, link)) return false;
    if (link->trace_id && link->span_id)
        span->links_count++;
    else
        span->dropped_links_count++;
    return true;
}

static bool span_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                       struct weir_otlp_span *span, struct span_lists *lists) {
    switch (weir_pb_key(field)) {
    case WEIR_PB_KEY(1, BYTES): span->trace_id = weir_otlp_decode_id(field->bytes, 16); break;
    case WEIR_PB_KEY(2, BYTES): span->span_id = weir_otlp_decode_id(field->bytes, 8); break;
    case WEIR_PB_KEY(3, BYTES):
        return weir_otlp_decode_text(d, field->bytes, &span->trace_state, "Span.trace_state");
    case WEIR_PB_KEY(4, BYTES): lists->parent = field->bytes; break;
    case WEIR_PB_KEY(5, BYTES):
        return weir_otlp_decode_text(d, field->bytes, &span->name, "Span.name");
    case WEIR_PB_KEY(6, VARINT):
        span->kind = field->value <= WEIR_SPAN_KIND_CONSUMER ? (enum weir_span_kind)field->value
                                                             : WEIR_SPAN_KIND_UNSPECIFIED;
        break;
    case WEIR_PB_KEY(7, FIXED64): span->start_ns = weir_otlp_decode_time(field->value); break;
    case WEIR_PB_KEY(8, FIXED64): span->end_ns = weir_otlp_decode_time(field->value); break;
    case WEIR_PB_KEY(9, BYTES): return weir_otlp_decode_attr(d, field->bytes, &lists->attrs);
    case WEIR_PB_KEY(10, VARINT): span->dropped_attrs_count = (uint32_t)field->value; break;
    case WEIR_PB_KEY(11, BYTES): return add_event(d, field->bytes, span, lists);
    case WEIR_PB_KEY(12, VARINT): span->dropped_events_count = (uint32_t)field->value; break;
    case WEIR_PB_KEY(13, BYTES): return add_link(d, field->bytes, span, lists);
    case WEIR_PB_KEY(14, VARINT): span->dropped_links_count += (uint32_t)field->value; break;
    case WEIR_PB_KEY(15, BYTES): return decode_status(d, field->bytes, span);
    case WEIR_PB_KEY(16, FIXED32): span->flags = (uint32_t)field->value; break;
    default: break;
    }
    return true;
}

/* What makes a span worth refusing, or NULL. */
static const char *span_fault(struct weir_otlp_span *span, struct weir_view parent) {
    if (!span->trace_id) return "trace_id must be 16 bytes, not all zero";
    if (!span->span_id) return "span_id must be 8 bytes, not all zero";
    if (parent.len != 0 && parent.len != 8) return "parent_span_id must be 8 bytes, or empty";
    span->parent_span_id = weir_otlp_decode_id(parent, 8); /* all zero means a root, too */
    if (span->start_ns == INT64_MAX || span->end_ns == INT64_MAX)
        return "start_time_unix_nano or end_time_unix_nano is beyond the year 2262";
    return NULL;
}

bool weir_otlp_decode_span(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope) {
    struct weir_otlp_span *span = &d->spans[d->batch->spans_count];
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct span_lists lists;
    int rc;
    *span = (struct weir_otlp_span){.scope = scope, .raw = raw};
    if (!begin_lists(d, raw, &lists)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0)
        if (!span_field(d, &field, span, &lists)) return false;
    if (rc < 0) return weir_otlp_decode_fail(d, pb.at, "malformed Span");
    span->attrs = weir_otlp_decode_attrs_end(&lists.attrs);
    span->events = lists.events;
    span->links = lists.links;
    const char *fault = span_fault(span, lists.parent);
    if (fault)
        weir_otlp_decode_reject(d, 1, "span \"%.*s\": %s",
                                WEIR_VIEW_ARG(weir_otlp_decode_short(span->name)), fault);
    else
        d->batch->spans_count++;
    return true;
}
