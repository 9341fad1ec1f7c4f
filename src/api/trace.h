/* SPDX-License-Identifier: Apache-2.0 */
/* Whole traces out of the source, and their OTLP shapes in JSON and protobuf. Private to src/api.
 *
 * Threads: owner only. Memory: everything lies in the query's arena.
 */
#ifndef WEIR_API_TRACE_H
#define WEIR_API_TRACE_H

#include "query/source.h"
#include "wire/json.h"

struct weir_trace_span {
    uint8_t trace_id[16], span_id[8], parent_id[8]; /* parent all zero: root */
    int64_t start_ns, duration_ns, kind, status_code, flags;
    struct weir_view name, trace_state, status_message, scope_name, scope_version;
    struct weir_attrs attrs, resource;
    struct weir_view events, links; /* Span messages with only these */
};

struct weir_trace_spans {
    struct weir_trace_span *items;
    uint32_t count, room;
    bool truncated; /* there are more than were asked for */
};

struct weir_trace_read {
    struct weir_source *source;
    struct weir_query *query;
    int64_t from_ns, until_ns;
    const struct weir_predicate *predicates;
    uint32_t predicates_count;
    uint32_t spans_max; /* 0 = no limit but the arena's */
    /* NULL, or: which rows are wanted (predicates are hints). */
    bool (*wanted)(const void *ctx, const struct weir_trace_span *span);
    const void *wanted_ctx;
};

/* Appends copies of the spans that are wanted. Errors: the source's, WEIR_ELIMIT. */
int weir_trace_read(const struct weir_trace_read *read, struct weir_trace_spans *spans,
                    struct weir_error *reterr);
/* All spans of one trace, by start time, doubles dropped. */
int weir_trace_read_one(struct weir_source *source, struct weir_query *query,
                        const uint8_t *trace_id, int64_t from_ns, int64_t until_ns,
                        uint32_t spans_max, struct weir_trace_spans *spans,
                        struct weir_error *reterr);
/* Sorts by start time and drops spans that came twice. */
void weir_trace_spans_sort(struct weir_trace_spans *spans);

enum weir_trace_ids { WEIR_TRACE_IDS_BASE64, WEIR_TRACE_IDS_HEX };

/* [{"resource":{…},"scopeSpans":[…]},…]; ids in base64 and enums by name as Tempo writes them, or
 * in hex and numbers as OTLP/JSON. */
void weir_trace_add_json(struct weir_json_writer *w, const struct weir_trace_spans *spans,
                         enum weir_trace_ids ids);
/* The fields of a tempopb.Trace / TracesData: repeated ResourceSpans = 1. */
void weir_trace_add_pb(struct weir_buf *out, const struct weir_trace_spans *spans);
/* The links of a span: calls `visit` with each linked trace and span id. */
void weir_trace_each_link(const struct weir_trace_span *span,
                          void (*visit)(void *arg, const uint8_t *trace_id, const uint8_t *span_id),
                          void *arg);
/* Up to 32 hex digits, shorter ones padded with zeros in front. */
bool weir_trace_id_parse(struct weir_view text, uint8_t *ret);

#endif
