/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "traceql/eval.h"

enum {
    BATCH = 512,     /* candidates that are fetched by one scan */
    SINGLE_MAX = 24, /* up to so many are asked for one by one, by the index of ids */
};
/* A trace may reach so far out of the searched range. */
#define TRACE_REACH_NS (INT64_C(3600) * WEIR_NS_PER_S)

struct candidate {
    uint8_t id[16];
    int64_t first_ns, last_ns; /* of its accepted spans */
};

struct search {
    struct weir_source *source;
    struct weir_query *query;
    const struct weir_traceql_plan *plan;
    const struct weir_traceql_options *options;
    struct weir_arena *arena;
    struct weir_error *reterr;
    struct weir_map seen;         /* trace id → 0 */
    struct candidate *candidates; /* of the batch in hand */
    uint32_t count, wanted;
    struct weir_traceql_results results;
};

static int nomem(struct search *s) {
    return weir_error_set(s->reterr, WEIR_ELIMIT,
                          "query needs too much memory: narrow the time range or the filters");
}

/* ---- 1: candidates --------------------------------------------------------------------------- */

/* Some filter of the query may accept the span. Three-valued: unknown counts as yes. */
static bool any_filter_accepts(const struct search *s, const struct weir_traceql_spanset *set,
                               const struct weir_traceql_span *span) {
    if (set->is_filter) return weir_traceql_accepts(s->plan, set->filter, span) != 0;
    return any_filter_accepts(s, set->left, span) ||
           (set->right && any_filter_accepts(s, set->right, span));
}

static int note(struct search *s, const struct weir_traceql_span *span) {
    bool is_new;
    uint64_t *slot = weir_map_get(&s->seen, weir_view(span->trace_id, 16));
    if (slot) {
        if (*slot == UINT64_MAX || *slot >= s->count) return 0; /* of an earlier batch */
        struct candidate *known = &s->candidates[*slot];
        if (span->start_ns < known->first_ns) known->first_ns = span->start_ns;
        return 0;
    }
    if (s->count == s->wanted)
        return 0; /* comes again with the next batch's scan, or is over the limit */
    struct weir_view id = weir_arena_copy(s->arena, weir_view(span->trace_id, 16));
    if (!id.ptr || !weir_map_put(&s->seen, id, s->count, &is_new)) return nomem(s);
    struct candidate *fresh = &s->candidates[s->count++];
    memcpy(fresh->id, span->trace_id, 16);
    fresh->first_ns = fresh->last_ns = span->start_ns;
    return 0;
}

static int collect_block(struct search *s, const struct weir_traceql_layout *layout,
                         const struct weir_block *block) {
    struct weir_value values[WEIR_TRACEQL_SLOTS_MAX];
    for (uint32_t row = block->rows_count; row-- > 0;) {
        struct weir_traceql_span span;
        weir_traceql_span_read(s->plan, layout, block, row, values, &span);
        if (span.start_ns < s->options->start_ns || span.start_ns >= s->options->end_ns) continue;
        if (!any_filter_accepts(s, s->plan->query->spanset, &span)) continue;
        int rc = note(s, &span);
        if (rc != 0) return rc;
    }
    return weir_traceql_plan_check(s->plan, s->reterr);
}

/* ---- 2: whole traces ------------------------------------------------------------------------- */

static bool is_candidate(const void *ctx, struct weir_view id) {
    const struct search *s = ctx;
    const uint64_t *slot = weir_map_get(&s->seen, id);
    return slot && *slot < s->count;
}

static int add_span(struct search *s, struct weir_traceql_trace *traces, uint32_t index,
                    const struct weir_traceql_span *span) {
    struct weir_traceql_trace *trace = &traces[index];
    if (trace->count >= WEIR_TRACEQL_TRACE_SPANS_MAX) return 0;
    struct weir_traceql_span *copy = WEIR_PUSH(s->arena, trace->spans, trace->count, trace->room);
    return copy && weir_traceql_span_copy(s->plan, span, s->arena, copy) ? 0 : nomem(s);
}

/* Reads the spans of candidates from…until into their traces; one candidate, or all that the map
 * knows. */
static int fetch(struct search *s, struct weir_traceql_trace *traces, const struct candidate *only,
                 int64_t from_ns, int64_t until_ns) {
    struct weir_traceql_layout *layout = weir_arena_alloc(s->arena, sizeof *layout);
    if (!layout) return nomem(s);
    weir_traceql_layout_init(layout, s->plan, true);
    struct weir_predicate by_id = {.column = {.id = WEIR_COLUMN_TRACE_ID},
                                   .op = WEIR_OP_MATCH,
                                   .match = is_candidate,
                                   .match_ctx = s};
    if (only) {
        by_id.op = WEIR_OP_EQ;
        by_id.value = (struct weir_value){.type = WEIR_VALUE_BYTES, .str = weir_view(only->id, 16)};
    }
    struct weir_select select = {
        .table = WEIR_TABLE_SPANS,
        .from_ns = from_ns,
        .until_ns = until_ns,
        .columns = layout->columns,
        .columns_count = layout->columns_count,
        .predicates = &by_id,
        .predicates_count = 1,
    };
    struct weir_cursor *cursor = NULL;
    const struct weir_block *block = NULL;
    struct weir_value values[WEIR_TRACEQL_SLOTS_MAX];
    int rc = s->source->select(s->source, s->query, &select, &cursor, s->reterr);
    if (rc != 0) return rc;
    while ((rc = weir_query_check(s->query, s->reterr)) == 0 &&
           (rc = cursor->next(cursor, &block, s->reterr)) == 0) {
        for (uint32_t row = 0; rc == 0 && row < block->rows_count; row++) {
            struct weir_traceql_span span;
            weir_traceql_span_read(s->plan, layout, block, row, values, &span);
            const uint64_t *slot = weir_map_get(&s->seen, weir_view(span.trace_id, 16));
            if (!slot || *slot >= s->count || (only && memcmp(span.trace_id, only->id, 16) != 0))
                continue;
            rc = add_span(s, traces, (uint32_t)*slot, &span);
        }
        if (rc != 0) break;
    }
    cursor->close(cursor);
    return rc == WEIR_END ? 0 : rc;
}

static int fetch_batch(struct search *s, struct weir_traceql_trace *traces) {
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct candidate *c = &s->candidates[i];
        memcpy(traces[i].id, c->id, 16);
        if (c->first_ns < first_ns) first_ns = c->first_ns;
        if (c->last_ns > last_ns) last_ns = c->last_ns;
        int rc = s->count > SINGLE_MAX ? 0
                                       : fetch(s, traces, c, c->first_ns - TRACE_REACH_NS,
                                               c->last_ns + TRACE_REACH_NS);
        if (rc != 0) return rc;
    }
    return s->count > SINGLE_MAX
               ? fetch(s, traces, NULL, first_ns - TRACE_REACH_NS, last_ns + TRACE_REACH_NS)
               : 0;
}

static int match(struct search *s, struct weir_traceql_trace *trace) {
    struct weir_traceql_groups groups;
    if (!weir_traceql_trace_link(trace, s->arena)) return nomem(s);
    s->results.inspected_count++;
    int rc = weir_traceql_match_trace(s->plan, trace, s->arena, &groups, s->reterr);
    if (rc != 0 || !groups.count || s->results.count == s->options->limit) return rc;
    struct weir_traceql_result *result =
        WEIR_PUSH(s->arena, s->results.items, s->results.count, s->results.room);
    if (!result) return nomem(s);
    *result = (struct weir_traceql_result){trace, groups};
    return 0;
}

/* Asks the batch in hand the whole query, and empties it. */
static int judge_batch(struct search *s) {
    if (!s->count) return 0;
    struct weir_traceql_trace *traces =
        WEIR_NEW_ARRAY(s->arena, struct weir_traceql_trace, s->count);
    if (!traces) return nomem(s);
    int rc = fetch_batch(s, traces);
    for (uint32_t i = 0; rc == 0 && i < s->count; i++)
        if (traces[i].count) rc = match(s, &traces[i]);
    for (uint32_t i = 0; i < s->seen.count; i++) s->seen.entries[i].value = UINT64_MAX;
    s->count = 0;
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------ */

static bool is_enough(const struct search *s) {
    return s->results.count >= s->options->limit;
}

/* One pass over the range. Sets *ret_more when candidates were left over because the batch was
 * full. */
static int scan(struct search *s, struct weir_cursor *cursor,
                const struct weir_traceql_layout *layout) {
    for (;;) {
        const struct weir_block *block = NULL;
        int rc = weir_query_check(s->query, s->reterr);
        if (rc == 0) rc = cursor->next(cursor, &block, s->reterr);
        if (rc == WEIR_END) return judge_batch(s);
        if (rc != 0) return rc;
        do { /* a full batch is judged, then the block's rest is looked at again */
            rc = collect_block(s, layout, block);
            bool full = s->count == s->wanted;
            if (rc == 0 && full) rc = judge_batch(s);
            if (rc != 0 || is_enough(s)) return rc;
            if (!full) break;
        } while (true);
    }
}

static int by_newest(const void *a, const void *b) {
    const struct weir_traceql_result *x = a, *y = b;
    return (x->trace->start_ns < y->trace->start_ns) - (x->trace->start_ns > y->trace->start_ns);
}

static int run(struct search *s) {
    struct weir_predicate predicates[WEIR_TRACEQL_PREDICATES_MAX];
    struct weir_traceql_layout *layout = weir_arena_alloc(s->arena, sizeof *layout);
    s->candidates = WEIR_NEW_ARRAY(s->arena, struct candidate, s->wanted);
    if (!layout || !s->candidates) return nomem(s);
    weir_traceql_layout_init(layout, s->plan, false);
    struct weir_select select = {
        .table = WEIR_TABLE_SPANS,
        .from_ns = s->options->start_ns,
        .until_ns = s->options->end_ns,
        .columns = layout->columns,
        .columns_count = layout->columns_count,
        .predicates = predicates,
        .predicates_count = weir_traceql_plan_predicates(s->plan, predicates),
        .newest_first = true,
    };
    struct weir_cursor *cursor = NULL;
    int rc = s->source->select(s->source, s->query, &select, &cursor, s->reterr);
    if (rc != 0) return rc;
    rc = scan(s, cursor, layout);
    cursor->close(cursor);
    return rc;
}

int weir_traceql_search(struct weir_source *source, struct weir_query *query,
                        const struct weir_traceql_plan *plan,
                        const struct weir_traceql_options *options,
                        struct weir_traceql_results *ret, struct weir_error *reterr) {
    /* Where every candidate is sure to match, no more are collected than are wanted. */
    bool sure = plan->is_simple && !plan->needs_trace;
    struct search s = {
        .source = source,
        .query = query,
        .plan = plan,
        .options = options,
        .arena = &query->arena,
        .reterr = reterr,
        .wanted = sure && options->limit < BATCH ? options->limit : BATCH,
    };
    if (!options->limit) return *ret = s.results, 0;
    weir_map_init(&s.seen);
    int rc = run(&s);
    weir_map_done(&s.seen);
    if (rc != 0) return rc;
    if (s.results.count)
        qsort(s.results.items, s.results.count, sizeof *s.results.items, by_newest);
    *ret = s.results;
    return 0;
}
