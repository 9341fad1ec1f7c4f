/* SPDX-License-Identifier: Apache-2.0 */
/* Search: spans that some filter may accept make their traces candidates; candidates are fetched
 * whole, batch by batch, and asked the whole query. Memory: one batch, the ids of late candidates
 * and the results; never all candidates. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "traceql/eval.h"

enum {
    BATCH = 512,      /* candidates that are fetched by one scan, at first */
    BATCH_MAX = 8192, /* and at last: batches grow while their traces are small */
    BATCH_BYTES_MAX = 32 << 20,
    BATCH_BYTES_SMALL = 8 << 20,
    SINGLE_MAX = 24,  /* up to so many are asked for one by one, by the index of ids */
    SEEN_MAX = 65536, /* ids of judged candidates; a trace that is forgotten is judged again */
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
    struct weir_arena *arena;     /* results */
    struct weir_arena batch, ids; /* candidate traces under judgement; keys of `seen` */
    struct weir_error *reterr;
    struct weir_map seen;         /* trace id → its place among the candidates, or JUDGED */
    struct candidate *candidates; /* of the batch in hand */
    uint32_t count, wanted, wanted_max;
    uint32_t from, until; /* of the candidates, those under judgement */
    struct weir_traceql_results results;
};

#define JUDGED UINT64_MAX

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
        if (*slot == JUDGED) return 0;
        struct candidate *known = &s->candidates[*slot];
        if (span->start_ns < known->first_ns) known->first_ns = span->start_ns;
        return 0;
    }
    if (s->count == s->wanted)
        return 0; /* comes again with the next batch's scan, or is over the limit */
    struct weir_view id = weir_arena_copy(&s->ids, weir_view(span->trace_id, 16));
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
    return slot && *slot >= s->from && *slot < s->until;
}

static int add_span(struct search *s, struct weir_traceql_trace *traces, uint32_t index,
                    const struct weir_traceql_span *span) {
    struct weir_traceql_trace *trace = &traces[index];
    if (trace->count >= WEIR_TRACEQL_TRACE_SPANS_MAX) return 0;
    struct weir_traceql_span *copy = WEIR_PUSH(&s->batch, trace->spans, trace->count, trace->room);
    return copy && weir_traceql_span_copy(s->plan, span, &s->batch, copy) ? 0 : nomem(s);
}

/* Reads the spans of the candidates under judgement into their traces; of one, or of all. */
static int fetch(struct search *s, struct weir_traceql_trace *traces, const struct candidate *only,
                 int64_t from_ns, int64_t until_ns) {
    struct weir_traceql_layout *layout = weir_arena_alloc(&s->batch, sizeof *layout);
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
            if (!slot || *slot < s->from || *slot >= s->until) continue;
            if (only && memcmp(span.trace_id, only->id, 16) != 0) continue;
            rc = add_span(s, traces, (uint32_t)*slot - s->from, &span);
        }
        if (rc != 0) break;
    }
    cursor->close(cursor);
    return rc == WEIR_END ? 0 : rc;
}

/* The traces of the candidates under judgement, in the batch's arena. */
static int fetch_all(struct search *s, struct weir_traceql_trace **ret) {
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
    uint32_t count = s->until - s->from;
    int rc = 0;
    weir_arena_reset(&s->batch);
    s->batch.failed = false;
    struct weir_traceql_trace *traces = WEIR_NEW_ARRAY(&s->batch, struct weir_traceql_trace, count);
    if (!traces) return nomem(s);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const struct candidate *c = &s->candidates[s->from + i];
        memcpy(traces[i].id, c->id, 16);
        if (c->first_ns < first_ns) first_ns = c->first_ns;
        if (c->last_ns > last_ns) last_ns = c->last_ns;
        if (count <= SINGLE_MAX)
            rc = fetch(s, traces, c, c->first_ns - TRACE_REACH_NS, c->last_ns + TRACE_REACH_NS);
    }
    if (count > SINGLE_MAX)
        rc = fetch(s, traces, NULL, first_ns - TRACE_REACH_NS, last_ns + TRACE_REACH_NS);
    *ret = traces;
    return rc;
}

/* A match lives on in the query's arena: copied, linked and matched there once more. */
static int keep(struct search *s, const struct weir_traceql_trace *trace) {
    struct weir_traceql_trace *own = WEIR_NEW(s->arena, struct weir_traceql_trace);
    struct weir_traceql_result *result =
        WEIR_PUSH(s->arena, s->results.items, s->results.count, s->results.room);
    if (!own || !result) return nomem(s);
    memcpy(own->id, trace->id, sizeof own->id);
    for (uint32_t i = 0; i < trace->count; i++) {
        struct weir_traceql_span *copy = WEIR_PUSH(s->arena, own->spans, own->count, own->room);
        if (!copy || !weir_traceql_span_copy(s->plan, &trace->spans[i], s->arena, copy))
            return nomem(s);
        copy->child_count = 0; /* link counts anew */
    }
    if (!weir_traceql_trace_link(own, s->arena)) return nomem(s);
    result->trace = own;
    return weir_traceql_match_trace(s->plan, own, s->arena, &result->groups, s->reterr);
}

static int match(struct search *s, struct weir_traceql_trace *trace) {
    struct weir_traceql_groups groups;
    if (!weir_traceql_trace_link(trace, &s->batch)) return nomem(s);
    s->results.inspected_count++;
    int rc = weir_traceql_match_trace(s->plan, trace, &s->batch, &groups, s->reterr);
    if (rc != 0 || !groups.count || s->results.count == s->options->limit) return rc;
    return keep(s, trace);
}

/* Asks candidates from…until the whole query; by halves where they are too large together. */
static int judge(struct search *s, uint32_t from, uint32_t until) {
    struct weir_traceql_trace *traces = NULL;
    s->from = from;
    s->until = until;
    int rc = fetch_all(s, &traces);
    if (rc != 0 && s->batch.failed && until - from > 1) {
        uint32_t middle = from + (until - from) / 2;
        rc = judge(s, from, middle);
        return rc == 0 ? judge(s, middle, until) : rc;
    }
    for (uint32_t i = 0; rc == 0 && i < until - from; i++)
        if (traces[i].count) rc = match(s, &traces[i]);
    return rc;
}

/* Forgets all ids but those of results. A block has fewer traces than SEEN_MAX: whoever goes
 * through one again and again gets to its end. */
static int forget(struct search *s) {
    weir_map_clear(&s->seen);
    weir_arena_reset(&s->ids);
    for (uint32_t i = 0; i < s->results.count; i++)
        if (!weir_map_put(&s->seen, weir_view(s->results.items[i].trace->id, 16), JUDGED, NULL))
            return nomem(s);
    return 0;
}

/* Judges the batch in hand, and empties it. */
static int judge_batch(struct search *s) {
    if (!s->count) return 0;
    int rc = judge(s, 0, s->count);
    for (uint32_t i = 0; i < s->count; i++)
        *weir_map_get(&s->seen, weir_view(s->candidates[i].id, 16)) = JUDGED;
    bool whole = s->until - s->from == s->count, small = s->batch.size_bytes < BATCH_BYTES_SMALL;
    if (whole && small && s->wanted < s->wanted_max) s->wanted *= 2;
    s->count = 0;
    return rc == 0 && s->seen.count >= SEEN_MAX ? forget(s) : rc;
}

/* ---- both ------------------------------------------------------------------------------------ */

static bool is_enough(const struct search *s) {
    return s->results.count >= s->options->limit;
}

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
    s->candidates = WEIR_NEW_ARRAY(s->arena, struct candidate, s->wanted_max);
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
    bool sure = plan->is_simple && !plan->needs_trace && options->limit < BATCH;
    struct search s = {
        .source = source,
        .query = query,
        .plan = plan,
        .options = options,
        .arena = &query->arena,
        .reterr = reterr,
        .wanted = sure ? options->limit : BATCH,
        .wanted_max = sure ? options->limit : BATCH_MAX,
    };
    if (!options->limit) return *ret = s.results, 0;
    weir_map_init(&s.seen);
    weir_arena_init(&s.batch, BATCH_BYTES_MAX);
    weir_arena_init(&s.ids, 0);
    int rc = run(&s);
    weir_map_done(&s.seen);
    weir_arena_done(&s.batch);
    weir_arena_done(&s.ids);
    if (rc != 0) return rc;
    if (s.results.count)
        qsort(s.results.items, s.results.count, sizeof *s.results.items, by_newest);
    *ret = s.results;
    return 0;
}
