/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/span.h"

#include <stdlib.h>

#include "base/map.h"

static bool is_zero(const uint8_t *id, size_t size) {
    static const uint8_t zero[16];
    return memcmp(id, zero, size) == 0;
}

static const struct weir_column_data *fixed(const struct weir_traceql_layout *layout,
                                            const struct weir_block *block,
                                            enum weir_traceql_fixed which) {
    return layout->fixed[which] < 0 ? NULL : &block->columns[layout->fixed[which]];
}

static int64_t i64_at(const struct weir_column_data *data, uint32_t row) {
    return data ? data->i64[row] : 0;
}

static struct weir_view str_at(const struct weir_column_data *data, uint32_t row) {
    return data ? data->str[row] : weir_view("", 0);
}

static const uint8_t *id_at(const struct weir_column_data *data, uint32_t row) {
    return data ? data->bytes + (size_t)row * data->width : NULL;
}

static struct weir_value slot_value(const int16_t *places, const struct weir_block *block,
                                    uint32_t row) {
    for (; *places >= 0; places++) {
        const struct weir_value *value = &block->columns[*places].values[row];
        if (value->type != WEIR_VALUE_NONE) return *value;
    }
    return (struct weir_value){.type = WEIR_VALUE_NONE};
}

void weir_traceql_span_read(const struct weir_traceql_plan *plan,
                            const struct weir_traceql_layout *layout,
                            const struct weir_block *block, uint32_t row, struct weir_value *values,
                            struct weir_traceql_span *span) {
    const struct weir_column_data *service = fixed(layout, block, WEIR_TRACEQL_FIXED_SERVICE);
    for (uint32_t i = 0; i < plan->slots_count; i++)
        values[i] = slot_value(layout->slots[i], block, row);
    *span = (struct weir_traceql_span){
        .trace_id = id_at(fixed(layout, block, WEIR_TRACEQL_FIXED_TRACE_ID), row),
        .span_id = id_at(fixed(layout, block, WEIR_TRACEQL_FIXED_SPAN_ID), row),
        .parent_id = id_at(fixed(layout, block, WEIR_TRACEQL_FIXED_PARENT), row),
        .start_ns = i64_at(fixed(layout, block, WEIR_TRACEQL_FIXED_TIME), row),
        .duration_ns = i64_at(fixed(layout, block, WEIR_TRACEQL_FIXED_DURATION), row),
        .kind = i64_at(fixed(layout, block, WEIR_TRACEQL_FIXED_KIND), row),
        .status = i64_at(fixed(layout, block, WEIR_TRACEQL_FIXED_STATUS), row),
        .name = str_at(fixed(layout, block, WEIR_TRACEQL_FIXED_NAME), row),
        .status_message = str_at(fixed(layout, block, WEIR_TRACEQL_FIXED_STATUS_MESSAGE), row),
        .scope_name = str_at(fixed(layout, block, WEIR_TRACEQL_FIXED_SCOPE_NAME), row),
        .scope_version = str_at(fixed(layout, block, WEIR_TRACEQL_FIXED_SCOPE_VERSION), row),
        .events = str_at(fixed(layout, block, WEIR_TRACEQL_FIXED_EVENTS), row),
        .links = str_at(fixed(layout, block, WEIR_TRACEQL_FIXED_LINKS), row),
        .values = values,
        .parent = WEIR_TRACEQL_NO_SPAN,
    };
    if (span->parent_id && is_zero(span->parent_id, 8)) span->parent_id = NULL;
    if (service && service->values[row].type == WEIR_VALUE_STRING)
        span->service = service->values[row].str;
}

static const uint8_t *copy_id(const uint8_t *id, size_t size, struct weir_arena *arena) {
    return id ? (const uint8_t *)weir_arena_copy(arena, weir_view(id, size)).ptr : NULL;
}

static struct weir_value copy_value(struct weir_value value, struct weir_arena *arena) {
    bool has_str = value.type == WEIR_VALUE_STRING || value.type == WEIR_VALUE_BYTES ||
                   value.type == WEIR_VALUE_ARRAY || value.type == WEIR_VALUE_MAP;
    if (has_str) value.str = weir_arena_copy(arena, value.str);
    return value;
}

bool weir_traceql_span_copy(const struct weir_traceql_plan *plan,
                            const struct weir_traceql_span *span, struct weir_arena *arena,
                            struct weir_traceql_span *ret) {
    struct weir_value *values = WEIR_NEW_ARRAY(arena, struct weir_value, plan->slots_count + 1);
    if (!values) return false;
    for (uint32_t i = 0; i < plan->slots_count; i++) values[i] = copy_value(span->values[i], arena);
    *ret = *span;
    ret->values = values;
    ret->trace_id = copy_id(span->trace_id, 16, arena);
    ret->span_id = copy_id(span->span_id, 8, arena);
    ret->parent_id = copy_id(span->parent_id, 8, arena);
    struct weir_view *const views[] = {&ret->name,          &ret->status_message, &ret->scope_name,
                                       &ret->scope_version, &ret->service,        &ret->events,
                                       &ret->links};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        *views[i] = weir_arena_copy(arena, *views[i]);
    return !arena->failed;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b) {
    const struct weir_traceql_span *x = a, *y = b;
    if (x->start_ns != y->start_ns) return x->start_ns < y->start_ns ? -1 : 1;
    return memcmp(x->span_id, y->span_id, 8);
}

/* A span that was sent twice counts once. */
static bool index_spans(struct weir_traceql_trace *trace, struct weir_map *ids) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        bool is_new;
        if (!weir_map_put(ids, weir_view(trace->spans[i].span_id, 8), count, &is_new)) return false;
        if (is_new) trace->spans[count++] = trace->spans[i];
    }
    trace->count = count;
    return true;
}

static void find_parents(struct weir_traceql_trace *trace, const struct weir_map *ids) {
    trace->root = WEIR_TRACEQL_NO_SPAN;
    trace->start_ns = INT64_MAX;
    trace->end_ns = INT64_MIN;
    for (uint32_t i = 0; i < trace->count; i++) {
        struct weir_traceql_span *span = &trace->spans[i];
        const uint64_t *parent =
            span->parent_id ? weir_map_get(ids, weir_view(span->parent_id, 8)) : NULL;
        span->trace = trace;
        span->index = i;
        span->parent = parent && *parent != i ? (uint32_t)*parent : WEIR_TRACEQL_NO_SPAN;
        if (span->parent != WEIR_TRACEQL_NO_SPAN) trace->spans[span->parent].child_count++;
        if (!span->parent_id && trace->root == WEIR_TRACEQL_NO_SPAN) trace->root = i;
        int64_t end_ns = span->start_ns + (span->duration_ns > 0 ? span->duration_ns : 0);
        if (span->start_ns < trace->start_ns) trace->start_ns = span->start_ns;
        if (end_ns > trace->end_ns) trace->end_ns = end_ns;
    }
}

/* Numbers the tree from its roots without recursion: children are chained, a stack holds the path.
 */
static bool number_tree(struct weir_traceql_trace *trace, struct weir_arena *arena) {
    uint32_t count = trace->count, depth = 0;
    int32_t number = 1;
    uint32_t *first = weir_arena_alloc(arena, (count + 1) * sizeof *first);
    uint32_t *next = weir_arena_alloc(arena, (count + 1) * sizeof *next);
    uint32_t *path = weir_arena_alloc(arena, (count + 1) * sizeof *path);
    if (!first || !next || !path) return false;
    for (uint32_t i = 0; i <= count; i++) first[i] = WEIR_TRACEQL_NO_SPAN;
    for (uint32_t i = count; i-- > 0;) { /* first[count] chains the roots */
        uint32_t parent =
            trace->spans[i].parent == WEIR_TRACEQL_NO_SPAN ? count : trace->spans[i].parent;
        next[i] = first[parent];
        first[parent] = i;
    }
    for (uint32_t at = first[count]; at != WEIR_TRACEQL_NO_SPAN || depth;) {
        if (at == WEIR_TRACEQL_NO_SPAN) { /* back to the parent, then on to its sibling */
            uint32_t done = path[--depth];
            trace->spans[done].nested_right = number++;
            at = next[done];
            continue;
        }
        trace->spans[at].nested_left = number++;
        path[depth++] = at;
        at = first[at];
    }
    return true;
}

bool weir_traceql_trace_link(struct weir_traceql_trace *trace, struct weir_arena *arena) {
    struct weir_map ids;
    qsort(trace->spans, trace->count, sizeof *trace->spans, by_start);
    weir_map_init(&ids);
    bool good = index_spans(trace, &ids);
    if (good) find_parents(trace, &ids);
    weir_map_done(&ids);
    return good && number_tree(trace, arena);
}
