/* SPDX-License-Identifier: Apache-2.0 */
/* Our own API: /weir/v1/status and /weir/v1/trace/{id}, the joined view of a flow.
 *
 *   send ◀─link─ poll ─child─▶ commit        one message's way is several traces that link to each
 *     ▲           ▲                          other; the joined view follows the links both ways,
 *     └─parent─ process ─link─┘              breadth first, and gives it all as one list of spans
 *
 * A poll may link a hundred messages: it is a hub. From the asked trace a hub is followed; from
 * elsewhere it is shown and not followed, and of those that link to it only what is no other
 * message's processing comes in (commits do). So the answer is one message's flow, not the topic's.
 */
#include <stdlib.h>

#include "api/common.h"
#include "api/trace.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/state.h"

enum {
    TRACES_MAX = 20,
    SPANS_MAX = 5000,
    HUB_LINKS = 8, /* a span with more links is a hub */
    KIND_CONSUMER = 5,
    WINDOW_MAX_S = 24 * 3600,
};
#define WINDOW_DEFAULT_NS (INT64_C(15) * 60 * 1000000000)

enum via { VIA_START, VIA_LINK_TO, VIA_LINK_FROM };

struct member { /* one trace of the flow */
    uint8_t id[16];
    enum via via;
    bool is_hub;
    uint32_t spans_count;
};

struct flow {
    const struct weir_api *api;
    struct weir_query query;
    struct member members[TRACES_MAX];
    uint32_t count;
    uint32_t done; /* members whose spans are read */
    struct weir_trace_spans spans;
    struct weir_map ids; /* trace id → index of member */
    int64_t window_ns;
    bool truncated;
};

static void add_member(struct flow *flow, const uint8_t *id, enum via via) {
    bool is_new;
    if (weir_map_get(&flow->ids, weir_view(id, 16))) return;
    if (flow->count == TRACES_MAX) {
        flow->truncated = true;
        return;
    }
    struct member *member = &flow->members[flow->count];
    *member = (struct member){.via = via};
    memcpy(member->id, id, 16);
    if (weir_map_put(&flow->ids, weir_view(member->id, 16), flow->count, &is_new)) flow->count++;
}

/* ---- links out of the traces ----------------------------------------------------------------- */

static void count_link(void *arg, const uint8_t *trace_id, const uint8_t *span_id) {
    (void)trace_id, (void)span_id;
    ++*(uint32_t *)arg;
}

static uint32_t links_count(const struct weir_trace_span *span) {
    uint32_t count = 0;
    if (span->links.len) weir_trace_each_link(span, count_link, &count);
    return count;
}

static void follow_link(void *arg, const uint8_t *trace_id, const uint8_t *span_id) {
    (void)span_id;
    add_member(arg, trace_id, VIA_LINK_TO);
}

/* ---- links into the traces ------------------------------------------------------------------- */

struct probe { /* does a span link to one of the traces from…until of the list? */
    const struct flow *flow;
    uint32_t from, until;
    int64_t kind;
    bool hit;
};

static void probe_link(void *arg, const uint8_t *trace_id, const uint8_t *span_id) {
    struct probe *probe = arg;
    const uint64_t *index = weir_map_get(&probe->flow->ids, weir_view(trace_id, 16));
    (void)span_id;
    if (!index || *index < probe->from || *index >= probe->until) return;
    const struct member *member = &probe->flow->members[*index];
    bool others_work = member->is_hub && member->via != VIA_START && probe->kind == KIND_CONSUMER;
    /* Whom a linked-to trace serves besides this flow is not this flow. */
    if (!others_work) probe->hit = true;
}

static int block_links(struct flow *flow, const struct weir_block *block, uint32_t from,
                       uint32_t until) {
    for (uint32_t row = 0; row < block->rows_count; row++) {
        struct weir_trace_span span = {.links = block->columns[1].str[row]};
        struct probe probe = {
            .flow = flow, .from = from, .until = until, .kind = block->columns[2].i64[row]};
        const uint8_t *trace_id = block->columns[0].bytes + (size_t)row * 16;
        if (!span.links.len) continue;
        weir_trace_each_link(&span, probe_link, &probe);
        if (probe.hit) add_member(flow, trace_id, VIA_LINK_FROM);
    }
    return 0;
}

/* Reads the links of the time around the flow: who points to it. */
static int find_incoming(struct flow *flow, uint32_t from, uint32_t until,
                         struct weir_error *reterr) {
    static const struct weir_column columns[] = {
        {.id = WEIR_COLUMN_TRACE_ID}, {.id = WEIR_COLUMN_LINKS}, {.id = WEIR_COLUMN_KIND}};
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
    for (uint32_t i = 0; i < flow->spans.count; i++) {
        const struct weir_trace_span *span = &flow->spans.items[i];
        if (span->start_ns < first_ns) first_ns = span->start_ns;
        if (span->start_ns + span->duration_ns > last_ns)
            last_ns = span->start_ns + span->duration_ns;
    }
    if (first_ns > last_ns) return 0;
    struct weir_select select = {.table = WEIR_TABLE_SPANS,
                                 .from_ns = first_ns - flow->window_ns,
                                 .until_ns = last_ns + flow->window_ns,
                                 .columns = columns,
                                 .columns_count = 3};
    struct weir_source *source = flow->api->source;
    struct weir_cursor *cursor = NULL;
    const struct weir_block *block = NULL;
    int rc = source->select(source, &flow->query, &select, &cursor, reterr);
    if (rc != 0) return rc;
    while ((rc = weir_query_check(&flow->query, reterr)) == 0 &&
           (rc = cursor->next(cursor, &block, reterr)) == 0)
        block_links(flow, block, from, until);
    cursor->close(cursor);
    return rc == WEIR_END ? 0 : rc;
}

/* ---- breadth first --------------------------------------------------------------------------- */

static int read_member(struct flow *flow, struct member *member, struct weir_error *reterr) {
    struct weir_trace_spans own = {0};
    uint32_t left = SPANS_MAX - flow->spans.count;
    if (left == 0) {
        flow->truncated = true;
        return 0;
    }
    int rc = weir_trace_read_one(flow->api->source, &flow->query, member->id, 0, INT64_MAX, left,
                                 &own, reterr);
    if (rc != 0) return rc;
    flow->truncated |= own.truncated;
    member->spans_count = own.count;
    for (uint32_t i = 0; i < own.count; i++) {
        struct weir_trace_span *copy =
            WEIR_PUSH(&flow->query.arena, flow->spans.items, flow->spans.count, flow->spans.room);
        if (!copy) return weir_error_set(reterr, WEIR_ELIMIT, "the flow needs too much memory");
        *copy = own.items[i];
        bool is_hub = links_count(copy) > HUB_LINKS;
        member->is_hub |= is_hub;
        if (!is_hub || member->via == VIA_START) weir_trace_each_link(copy, follow_link, flow);
    }
    return 0;
}

static int walk(struct flow *flow, struct weir_error *reterr) {
    while (flow->done < flow->count) {
        uint32_t from = flow->done, until = flow->count;
        for (; flow->done < until; flow->done++) {
            int rc = read_member(flow, &flow->members[flow->done], reterr);
            if (rc != 0) return rc;
        }
        if (flow->spans.count >= SPANS_MAX) return 0;
        int rc = find_incoming(flow, from, until, reterr);
        if (rc != 0) return rc;
    }
    return 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void add_members(struct weir_json_writer *w, const struct flow *flow) {
    static const char *const vias[] = {"start", "link to", "link from"};
    weir_json_key(w, "traces");
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < flow->count; i++) {
        if (!flow->members[i].spans_count) continue; /* linked, but not stored here */
        weir_json_begin_object(w);
        weir_json_key(w, "traceId");
        weir_json_add_hex(w, flow->members[i].id, 16);
        weir_json_key(w, "via");
        weir_json_add_cstr(w, vias[flow->members[i].via]);
        weir_json_key(w, "spans");
        weir_json_add_i64(w, flow->members[i].spans_count);
        weir_json_end_object(w);
    }
    weir_json_end_array(w);
}

static void reply_flow(struct weir_http_request *req, struct flow *flow) {
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    struct weir_json_writer w = weir_json_writer(&out);
    weir_trace_spans_sort(&flow->spans);
    weir_json_begin_object(&w);
    weir_json_key(&w, "traceId");
    weir_json_add_hex(&w, flow->members[0].id, 16);
    add_members(&w, flow);
    weir_json_key(&w, "truncated");
    weir_json_add_bool(&w, flow->truncated);
    weir_json_key(&w, "resourceSpans");
    weir_trace_add_json(&w, &flow->spans, WEIR_TRACE_IDS_HEX);
    if (weir_api_param_flag(req, "explain")) {
        struct weir_buf explain;
        weir_buf_init(&explain, 1 << 16);
        weir_query_add_explain(&flow->query, &explain);
        weir_json_key(&w, "explain");
        weir_json_add_raw(&w, weir_buf_view(&explain));
        weir_buf_done(&explain);
    }
    weir_json_end_object(&w);
    weir_api_reply_json(req, &out);
}

static int joined(struct flow *flow, struct weir_http_request *req, struct weir_error *reterr) {
    uint8_t id[16];
    struct weir_view text = weir_http_path_param(req, "id");
    int rc = weir_api_param_duration_ns(req, "window", WINDOW_DEFAULT_NS, &flow->window_ns, reterr);
    if (rc != 0) return rc;
    if (flow->window_ns > WINDOW_MAX_S * WEIR_NS_PER_S)
        return weir_error_set(reterr, WEIR_EINVALID, "parameter window: at most 24h");
    if (!weir_trace_id_parse(text, id))
        return weir_error_set(reterr, WEIR_EINVALID,
                              "\"%.*s\" is not a trace id: up to 32 hex digits, not all zero",
                              WEIR_VIEW_ARG(weir_view_upto(text, 60)));
    add_member(flow, id, VIA_START);
    rc = walk(flow, reterr);
    if (rc == 0 && !flow->members[0].spans_count && flow->spans.count == 0)
        rc = weir_error_set(reterr, WEIR_ENOTFOUND, "trace not found");
    return rc;
}

static void handle_trace(void *ctx, struct weir_http_request *req) {
    struct flow *flow = calloc(1, sizeof *flow);
    struct weir_error err = {0};
    if (!flow) {
        weir_error_set(&err, WEIR_ENOMEMORY, "out of memory");
        weir_api_reply_error(req, &err);
        return;
    }
    flow->api = ctx;
    weir_api_query_init(ctx, req, &flow->query);
    weir_map_init(&flow->ids);
    if (joined(flow, req, &err) == 0)
        reply_flow(req, flow);
    else
        weir_api_reply_error(req, &err);
    weir_map_done(&flow->ids);
    weir_query_done(&flow->query);
    free(flow);
}

/* ---- status ---------------------------------------------------------------------------------- */

static void add_components(struct weir_json_writer *w) {
    struct weir_state_view state;
    weir_json_key(w, "components");
    weir_json_begin_array(w);
    for (unsigned i = 0; weir_state_get(i, &state); i++) {
        weir_json_begin_object(w);
        weir_json_key(w, "name");
        weir_json_add_cstr(w, state.component);
        weir_json_key(w, "ready");
        weir_json_add_bool(w, state.ready);
        weir_json_key(w, "detail");
        weir_json_add_cstr(w, state.detail);
        weir_json_key(w, "since_ns");
        weir_json_add_i64_str(w, state.since_ns);
        if (state.last_error[0]) {
            weir_json_key(w, "last_error");
            weir_json_add_cstr(w, state.last_error);
            weir_json_key(w, "last_error_ns");
            weir_json_add_i64_str(w, state.last_error_ns);
        }
        weir_json_end_object(w);
    }
    weir_json_end_array(w);
}

static void add_store(struct weir_json_writer *w, struct weir_source *source) {
    struct weir_source_stats s;
    source->stats(source, &s);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"spans", s.spans_count},          {"logs", s.logs_count},
        {"samples", s.samples_count},      {"series", s.series_count},
        {"traces_bytes", s.disk_bytes[0]}, {"metrics_bytes", s.disk_bytes[1]},
        {"logs_bytes", s.disk_bytes[2]},   {"wal_bytes", s.wal_bytes},
        {"memory_bytes", s.memory_bytes},  {"parts", s.parts_count},
    };
    weir_json_key(w, "store");
    weir_json_begin_object(w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_json_key(w, rows[i].name);
        weir_json_add_u64(w, rows[i].value);
    }
    weir_json_key(w, "oldest_ns");
    weir_json_add_i64_str(w, s.oldest_ns);
    weir_json_key(w, "newest_ns");
    weir_json_add_i64_str(w, s.newest_ns);
    weir_json_end_object(w);
}

static void add_limits(struct weir_json_writer *w, const struct weir_api *api) {
    weir_json_key(w, "memory_limit_bytes");
    weir_json_add_u64(w, api->memory_bytes);
    weir_json_key(w, "retention");
    weir_json_begin_object(w);
    weir_json_key(w, "age_s");
    weir_json_add_i64(w, api->retention_ns / WEIR_NS_PER_S);
    weir_json_key(w, "size_bytes");
    weir_json_add_u64(w, api->retention_bytes);
    weir_json_end_object(w);
}

/* Limits of 0 mean: none, or not known. */
static void handle_status(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    struct weir_json_writer w = weir_json_writer(&out);
    weir_json_begin_object(&w);
    weir_json_key(&w, "version");
    weir_json_add_cstr(&w, WEIR_VERSION);
    weir_json_key(&w, "ready");
    weir_json_add_bool(&w, weir_state_all_ready() && !atomic_load(&api->stopping));
    weir_json_key(&w, "uptime_s");
    weir_json_add_i64(&w, (weir_clock_wall_ns() - api->started_ns) / WEIR_NS_PER_S);
    weir_json_key(&w, "started_ns");
    weir_json_add_i64_str(&w, api->started_ns);
    add_limits(&w, api);
    add_components(&w);
    add_store(&w, api->source);
    weir_json_end_object(&w);
    weir_api_reply_json(req, &out);
}

static const struct weir_http_route routes[] = {
    {"GET", "/weir/v1/status", handle_status, WEIR_HTTP_BLOCKING, 0},
    {"GET", "/weir/v1/trace/{id}", handle_trace, WEIR_HTTP_BLOCKING, 0},
};

const struct weir_http_route *weir_api_weir_routes(size_t *ret_count) {
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
