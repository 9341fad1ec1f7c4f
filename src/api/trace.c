/* SPDX-License-Identifier: Apache-2.0 */
#include "api/trace.h"

#include <stdlib.h>

#include "otlp/batch.h"
#include "otlp/value.h"

/* ---- reading --------------------------------------------------------------------------------- */

static const struct weir_column columns[] = {
    {.id = WEIR_COLUMN_TRACE_ID},       {.id = WEIR_COLUMN_SPAN_ID},
    {.id = WEIR_COLUMN_PARENT_SPAN_ID}, {.id = WEIR_COLUMN_TIME_NS},
    {.id = WEIR_COLUMN_DURATION_NS},    {.id = WEIR_COLUMN_KIND},
    {.id = WEIR_COLUMN_STATUS_CODE},    {.id = WEIR_COLUMN_FLAGS},
    {.id = WEIR_COLUMN_NAME},           {.id = WEIR_COLUMN_TRACE_STATE},
    {.id = WEIR_COLUMN_STATUS_MESSAGE}, {.id = WEIR_COLUMN_SCOPE_NAME},
    {.id = WEIR_COLUMN_SCOPE_VERSION},  {.id = WEIR_COLUMN_ATTRS},
    {.id = WEIR_COLUMN_RESOURCE},       {.id = WEIR_COLUMN_EVENTS},
    {.id = WEIR_COLUMN_LINKS},
};
enum { COLUMNS_COUNT = sizeof columns / sizeof *columns };

static struct weir_trace_span row_span(const struct weir_block *block, uint32_t row) {
    const struct weir_column_data *c = block->columns;
    struct weir_trace_span span = {
        .start_ns = c[3].i64[row],
        .duration_ns = c[4].i64[row],
        .kind = c[5].i64[row],
        .status_code = c[6].i64[row],
        .flags = c[7].i64[row],
        .name = c[8].str[row],
        .trace_state = c[9].str[row],
        .status_message = c[10].str[row],
        .scope_name = c[11].str[row],
        .scope_version = c[12].str[row],
        .attrs = c[13].attrs[row],
        .resource = c[14].attrs[row],
        .events = c[15].str[row],
        .links = c[16].str[row],
    };
    memcpy(span.trace_id, c[0].bytes + (size_t)row * 16, 16);
    memcpy(span.span_id, c[1].bytes + (size_t)row * 8, 8);
    memcpy(span.parent_id, c[2].bytes + (size_t)row * 8, 8);
    return span;
}

static struct weir_attrs copy_attrs(struct weir_attrs attrs, struct weir_arena *arena) {
    struct weir_attr *items = WEIR_NEW_ARRAY(arena, struct weir_attr, attrs.count + 1);
    for (uint32_t i = 0; items && i < attrs.count; i++) {
        struct weir_value value = attrs.items[i].value;
        if (value.type == WEIR_VALUE_STRING || value.type >= WEIR_VALUE_BYTES)
            value.str = weir_arena_copy(arena, value.str);
        items[i] = (struct weir_attr){weir_arena_copy(arena, attrs.items[i].key), value};
    }
    return (struct weir_attrs){items, items ? attrs.count : 0};
}

static bool attrs_eq(struct weir_attrs a, struct weir_attrs b) {
    if (a.count != b.count) return false;
    for (uint32_t i = 0; i < a.count; i++) {
        const struct weir_value *x = &a.items[i].value, *y = &b.items[i].value;
        if (!weir_view_eq(a.items[i].key, b.items[i].key) || x->type != y->type) return false;
        bool same = x->type == WEIR_VALUE_BOOL     ? x->boolean == y->boolean
                    : x->type == WEIR_VALUE_INT    ? x->i64 == y->i64
                    : x->type == WEIR_VALUE_DOUBLE ? x->f64 == y->f64
                    : x->type == WEIR_VALUE_NONE   ? true
                                                   : weir_view_eq(x->str, y->str);
        if (!same) return false;
    }
    return true;
}

/* Spans of one process follow each other: the copy before is mostly the same resource. */
static struct weir_attrs copy_resource(const struct weir_trace_spans *spans,
                                       struct weir_attrs resource, struct weir_arena *arena) {
    uint32_t back = spans->count < 16 ? spans->count : 16;
    for (uint32_t i = 1; i < back; i++)
        if (attrs_eq(spans->items[spans->count - 1 - i].resource, resource))
            return spans->items[spans->count - 1 - i].resource;
    return copy_attrs(resource, arena);
}

static bool keep(struct weir_trace_spans *spans, const struct weir_trace_span *span,
                 struct weir_arena *arena) {
    struct weir_trace_span *copy = WEIR_PUSH(arena, spans->items, spans->count, spans->room);
    if (!copy) return false;
    *copy = *span;
    copy->attrs = copy_attrs(span->attrs, arena);
    copy->resource = copy_resource(spans, span->resource, arena);
    struct weir_view *const views[] = {
        &copy->name,          &copy->trace_state, &copy->status_message, &copy->scope_name,
        &copy->scope_version, &copy->events,      &copy->links};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        *views[i] = weir_arena_copy(arena, *views[i]);
    return !arena->failed;
}

static int read_block(const struct weir_trace_read *read, const struct weir_block *block,
                      struct weir_trace_spans *spans, struct weir_error *reterr) {
    for (uint32_t row = 0; row < block->rows_count; row++) {
        struct weir_trace_span span = row_span(block, row);
        if (span.start_ns < read->from_ns || span.start_ns >= read->until_ns) continue;
        if (read->wanted && !read->wanted(read->wanted_ctx, &span)) continue;
        if (read->spans_max && spans->count >= read->spans_max) {
            spans->truncated = true;
            return WEIR_END;
        }
        if (!keep(spans, &span, &read->query->arena))
            return weir_error_set(reterr, WEIR_ELIMIT, "the trace needs too much memory");
    }
    return 0;
}

int weir_trace_read(const struct weir_trace_read *read, struct weir_trace_spans *spans,
                    struct weir_error *reterr) {
    struct weir_select select = {
        .table = WEIR_TABLE_SPANS,
        .from_ns = read->from_ns,
        .until_ns = read->until_ns,
        .columns = columns,
        .columns_count = COLUMNS_COUNT,
        .predicates = read->predicates,
        .predicates_count = read->predicates_count,
    };
    struct weir_cursor *cursor = NULL;
    const struct weir_block *block = NULL;
    int rc = read->source->select(read->source, read->query, &select, &cursor, reterr);
    if (rc != 0) return rc;
    do {
        rc = weir_query_check(read->query, reterr);
        if (rc == 0) rc = cursor->next(cursor, &block, reterr);
        if (rc == 0) rc = read_block(read, block, spans, reterr);
    } while (rc == 0);
    cursor->close(cursor);
    return rc == WEIR_END ? 0 : rc;
}

static int by_start(const void *a, const void *b) {
    const struct weir_trace_span *x = a, *y = b;
    if (x->start_ns != y->start_ns) return x->start_ns < y->start_ns ? -1 : 1;
    int order = memcmp(x->trace_id, y->trace_id, 16);
    return order ? order : memcmp(x->span_id, y->span_id, 8);
}

void weir_trace_spans_sort(struct weir_trace_spans *spans) {
    uint32_t count = 0;
    if (spans->count) qsort(spans->items, spans->count, sizeof *spans->items, by_start);
    for (uint32_t i = 0; i < spans->count; i++) /* sent twice: the same ids at the same time */
        if (!count || by_start(&spans->items[count - 1], &spans->items[i]) != 0)
            spans->items[count++] = spans->items[i];
    spans->count = count;
}

static bool is_of_trace(const void *ctx, const struct weir_trace_span *span) {
    return memcmp(span->trace_id, ctx, 16) == 0;
}

int weir_trace_read_one(struct weir_source *source, struct weir_query *query,
                        const uint8_t *trace_id, int64_t from_ns, int64_t until_ns,
                        uint32_t spans_max, struct weir_trace_spans *spans,
                        struct weir_error *reterr) {
    struct weir_predicate by_id = {
        .column = {.id = WEIR_COLUMN_TRACE_ID},
        .op = WEIR_OP_EQ,
        .value = {.type = WEIR_VALUE_BYTES, .str = weir_view(trace_id, 16)}};
    struct weir_trace_read read = {
        .source = source,
        .query = query,
        .from_ns = from_ns,
        .until_ns = until_ns,
        .predicates = &by_id,
        .predicates_count = 1,
        .spans_max = spans_max,
        .wanted = is_of_trace,
        .wanted_ctx = trace_id,
    };
    int rc = weir_trace_read(&read, spans, reterr);
    if (rc == 0) weir_trace_spans_sort(spans);
    return rc;
}

bool weir_trace_id_parse(struct weir_view text, uint8_t *ret) {
    char padded[32];
    static const uint8_t zero[16];
    if (!text.len || text.len > 32) return false;
    memset(padded, '0', sizeof padded);
    memcpy(padded + 32 - text.len, text.ptr, text.len);
    return weir_view_to_bytes_hex(weir_view(padded, 32), ret, 16) && memcmp(ret, zero, 16) != 0;
}

void weir_trace_each_link(const struct weir_trace_span *span,
                          void (*visit)(void *arg, const uint8_t *trace_id, const uint8_t *span_id),
                          void *arg) {
    struct weir_pb pb = weir_pb(span->links), inner;
    struct weir_pb_field link, field;
    while (weir_pb_next(&pb, &link) > 0) {
        const char *trace_id = NULL, *span_id = NULL;
        if (link.number != 13 || link.wire != WEIR_PB_BYTES) continue;
        inner = weir_pb(link.bytes);
        while (weir_pb_next(&inner, &field) > 0) {
            if (field.number == 1 && field.bytes.len == 16) trace_id = field.bytes.ptr;
            if (field.number == 2 && field.bytes.len == 8) span_id = field.bytes.ptr;
        }
        if (trace_id && span_id) visit(arg, (const uint8_t *)trace_id, (const uint8_t *)span_id);
    }
}

/* ---- grouping: runs of the same resource and scope --------------------------------------------
 */

static bool same_scope(const struct weir_trace_span *a, const struct weir_trace_span *b) {
    return weir_view_eq(a->scope_name, b->scope_name) &&
           weir_view_eq(a->scope_version, b->scope_version);
}

static bool same_resource(const struct weir_trace_span *a, const struct weir_trace_span *b) {
    return a->resource.items == b->resource.items || attrs_eq(a->resource, b->resource);
}

/* Marks done[i] for every span of the group that starts at `first`, calling `each` on it; groups
 * are gathered from the whole list, so that a resource appears once. */
typedef void each_span(void *arg, const struct weir_trace_span *span);

static void each_of_scope(const struct weir_trace_spans *spans, uint32_t first, uint8_t *done,
                          each_span *each, void *arg) {
    for (uint32_t i = first; i < spans->count; i++) {
        if (done[i] || !same_resource(&spans->items[first], &spans->items[i]) ||
            !same_scope(&spans->items[first], &spans->items[i]))
            continue;
        done[i] = 1;
        each(arg, &spans->items[i]);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

struct json_out {
    struct weir_json_writer *w;
    enum weir_trace_ids ids;
};

static void add_id(const struct json_out *out, const char *key, const void *id, size_t size) {
    weir_json_key(out->w, key);
    if (out->ids == WEIR_TRACE_IDS_HEX)
        weir_json_add_hex(out->w, id, size);
    else
        weir_json_add_base64(out->w, weir_view(id, size));
}

/* An Event (time 1, name 2, attributes 3) or a Link (ids 1 2, state 3, attributes 4). */
static void add_item(const struct json_out *out, struct weir_view bytes, bool is_event) {
    struct weir_json_writer *w = out->w;
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field f;
    struct weir_attr attr;
    bool attrs_open = false;
    weir_json_begin_object(w);
    while (weir_pb_next(&pb, &f) > 0) {
        if (f.number == (is_event ? 3U : 4U) && f.wire == WEIR_PB_BYTES &&
            weir_value_decode_attr(f.bytes, &attr)) {
            if (!attrs_open) {
                weir_json_key(w, "attributes");
                weir_json_begin_array(w);
            }
            attrs_open = true;
            weir_json_begin_object(w);
            weir_json_key(w, "key");
            weir_json_add_str(w, attr.key);
            weir_json_key(w, "value");
            weir_value_add_otlp_json(w, attr.value);
            weir_json_end_object(w);
            continue;
        }
        if (attrs_open) weir_json_end_array(w);
        attrs_open = false;
        if (is_event && f.number == 1) {
            weir_json_key(w, "timeUnixNano");
            weir_json_add_u64_str(w, f.value);
        } else if (is_event && f.number == 2) {
            weir_json_key(w, "name");
            weir_json_add_str(w, f.bytes);
        } else if (!is_event && f.number <= 2 && f.wire == WEIR_PB_BYTES) {
            add_id(out, f.number == 1 ? "traceId" : "spanId", f.bytes.ptr, f.bytes.len);
        } else if (!is_event && f.number == 3) {
            weir_json_key(w, "traceState");
            weir_json_add_str(w, f.bytes);
        }
    }
    if (attrs_open) weir_json_end_array(w);
    weir_json_end_object(w);
}

static void add_items(const struct json_out *out, const char *key, struct weir_view bytes,
                      uint32_t number) {
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field f;
    if (!bytes.len) return;
    weir_json_key(out->w, key);
    weir_json_begin_array(out->w);
    while (weir_pb_next(&pb, &f) > 0)
        if (f.number == number && f.wire == WEIR_PB_BYTES) add_item(out, f.bytes, number == 11);
    weir_json_end_array(out->w);
}

static void add_enum(const struct json_out *out, const char *key, int64_t number,
                     const char *const *names, int64_t count) {
    weir_json_key(out->w, key);
    if (out->ids == WEIR_TRACE_IDS_BASE64 && number >= 0 && number < count)
        weir_json_add_cstr(out->w, names[number]);
    else
        weir_json_add_i64(out->w, number);
}

static void add_status(const struct json_out *out, const struct weir_trace_span *span) {
    static const char *const codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};
    weir_json_key(out->w, "status");
    weir_json_begin_object(out->w);
    if (span->status_message.len) {
        weir_json_key(out->w, "message");
        weir_json_add_str(out->w, span->status_message);
    }
    if (span->status_code) add_enum(out, "code", span->status_code, codes, 3);
    weir_json_end_object(out->w);
}

static void add_span_json(void *arg, const struct weir_trace_span *span) {
    static const char *const kinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                        "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                        "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
    static const uint8_t zero[8];
    const struct json_out *out = arg;
    struct weir_json_writer *w = out->w;
    weir_json_begin_object(w);
    add_id(out, "traceId", span->trace_id, 16);
    add_id(out, "spanId", span->span_id, 8);
    if (memcmp(span->parent_id, zero, 8) != 0) add_id(out, "parentSpanId", span->parent_id, 8);
    if (span->trace_state.len) {
        weir_json_key(w, "traceState");
        weir_json_add_str(w, span->trace_state);
    }
    if (span->flags) {
        weir_json_key(w, "flags");
        weir_json_add_i64(w, span->flags);
    }
    weir_json_key(w, "name");
    weir_json_add_str(w, span->name);
    add_enum(out, "kind", span->kind, kinds, 6);
    weir_json_key(w, "startTimeUnixNano");
    weir_json_add_i64_str(w, span->start_ns);
    weir_json_key(w, "endTimeUnixNano");
    weir_json_add_i64_str(w, span->start_ns + span->duration_ns);
    weir_json_key(w, "attributes");
    weir_attrs_add_otlp_json(w, span->attrs);
    add_items(out, "events", span->events, 11);
    add_items(out, "links", span->links, 13);
    add_status(out, span);
    weir_json_end_object(w);
}

static void add_scope_json(struct json_out *out, const struct weir_trace_spans *spans,
                           uint32_t first, uint8_t *done) {
    struct weir_json_writer *w = out->w;
    weir_json_begin_object(w);
    weir_json_key(w, "scope");
    weir_json_begin_object(w);
    if (spans->items[first].scope_name.len) {
        weir_json_key(w, "name");
        weir_json_add_str(w, spans->items[first].scope_name);
    }
    if (spans->items[first].scope_version.len) {
        weir_json_key(w, "version");
        weir_json_add_str(w, spans->items[first].scope_version);
    }
    weir_json_end_object(w);
    weir_json_key(w, "spans");
    weir_json_begin_array(w);
    each_of_scope(spans, first, done, add_span_json, out);
    weir_json_end_array(w);
    weir_json_end_object(w);
}

void weir_trace_add_json(struct weir_json_writer *w, const struct weir_trace_spans *spans,
                         enum weir_trace_ids ids) {
    struct json_out out = {w, ids};
    uint8_t *done = calloc((size_t)spans->count + 1, 1);
    weir_json_begin_array(w);
    for (uint32_t i = 0; done && i < spans->count; i++) {
        if (done[i]) continue;
        weir_json_begin_object(w);
        weir_json_key(w, "resource");
        weir_json_begin_object(w);
        weir_json_key(w, "attributes");
        weir_attrs_add_otlp_json(w, spans->items[i].resource);
        weir_json_end_object(w);
        weir_json_key(w, "scopeSpans");
        weir_json_begin_array(w);
        for (uint32_t k = i; k < spans->count; k++)
            if (!done[k] && same_resource(&spans->items[i], &spans->items[k]))
                add_scope_json(&out, spans, k, done);
        weir_json_end_array(w);
        weir_json_end_object(w);
    }
    weir_json_end_array(w);
    free(done);
}

/* ---- protobuf -------------------------------------------------------------------------------- */

static void put_attrs(struct weir_buf *out, uint32_t number, struct weir_attrs attrs) {
    for (uint32_t i = 0; i < attrs.count; i++) {
        size_t pair = weir_pb_begin(out, number);
        weir_pb_put_bytes(out, 1, attrs.items[i].key);
        size_t value = weir_pb_begin(out, 2);
        weir_value_encode(out, attrs.items[i].value);
        weir_pb_end(out, value);
        weir_pb_end(out, pair);
    }
}

static void put_span(void *arg, const struct weir_trace_span *span) {
    struct weir_buf *out = arg;
    static const uint8_t zero[8];
    size_t message = weir_pb_begin(out, 2);
    weir_pb_put_bytes(out, 1, weir_view(span->trace_id, 16));
    weir_pb_put_bytes(out, 2, weir_view(span->span_id, 8));
    weir_pb_put_bytes_opt(out, 3, span->trace_state);
    if (memcmp(span->parent_id, zero, 8) != 0)
        weir_pb_put_bytes(out, 4, weir_view(span->parent_id, 8));
    weir_pb_put_bytes_opt(out, 5, span->name);
    weir_pb_put_varint_opt(out, 6, (uint64_t)span->kind);
    weir_pb_put_fixed64(out, 7, (uint64_t)span->start_ns);
    weir_pb_put_fixed64(out, 8, (uint64_t)(span->start_ns + span->duration_ns));
    put_attrs(out, 9, span->attrs);
    weir_buf_add_view(out, span->events); /* already fields 11 and 13 of a Span */
    weir_buf_add_view(out, span->links);
    size_t status = weir_pb_begin(out, 15);
    weir_pb_put_bytes_opt(out, 2, span->status_message);
    weir_pb_put_varint_opt(out, 3, (uint64_t)span->status_code);
    weir_pb_end(out, status);
    if (span->flags) weir_pb_put_fixed32(out, 16, (uint32_t)span->flags);
    weir_pb_end(out, message);
}

static void put_scope(struct weir_buf *out, const struct weir_trace_spans *spans, uint32_t first,
                      uint8_t *done) {
    size_t scope_spans = weir_pb_begin(out, 2), scope = weir_pb_begin(out, 1);
    weir_pb_put_bytes_opt(out, 1, spans->items[first].scope_name);
    weir_pb_put_bytes_opt(out, 2, spans->items[first].scope_version);
    weir_pb_end(out, scope);
    each_of_scope(spans, first, done, put_span, out);
    weir_pb_end(out, scope_spans);
}

void weir_trace_add_pb(struct weir_buf *out, const struct weir_trace_spans *spans) {
    uint8_t *done = calloc((size_t)spans->count + 1, 1);
    for (uint32_t i = 0; done && i < spans->count; i++) {
        if (done[i]) continue;
        size_t resource_spans = weir_pb_begin(out, 1), resource = weir_pb_begin(out, 1);
        put_attrs(out, 1, spans->items[i].resource);
        weir_pb_end(out, resource);
        for (uint32_t k = i; k < spans->count; k++)
            if (!done[k] && same_resource(&spans->items[i], &spans->items[k]))
                put_scope(out, spans, k, done);
        weir_pb_end(out, resource_spans);
    }
    free(done);
}
