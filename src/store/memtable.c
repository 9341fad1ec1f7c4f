/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable.h"

#include <stdlib.h>

#include "store/codec.h"
#include "wire/pb.h"

enum {
    SPAN_FIELD_EVENTS = 11,
    SPAN_FIELD_LINKS = 13,
    ENCODED_BYTES_MAX = 64 << 20,
};

struct weir_memtable *weir_memtable_new(enum weir_table table) {
    struct weir_memtable *memtable = calloc(1, sizeof *memtable);
    if (!memtable) return NULL;
    atomic_init(&memtable->refs, 1);
    memtable->table = table;
    memtable->min_ns = INT64_MAX;
    memtable->max_ns = INT64_MIN;
    weir_arena_init(&memtable->arena, 0);
    weir_map_init(&memtable->strings);
    weir_map_init(&memtable->resources);
    weir_map_init(&memtable->keys);
    return memtable;
}

struct weir_memtable *weir_memtable_ref(struct weir_memtable *memtable) {
    atomic_fetch_add_explicit(&memtable->refs, 1, memory_order_relaxed);
    return memtable;
}

void weir_memtable_unref(struct weir_memtable *memtable) {
    if (!memtable || atomic_fetch_sub_explicit(&memtable->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct weir_memtable_chunk *chunk = memtable->first;
    while (chunk) {
        struct weir_memtable_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    weir_map_done(&memtable->strings);
    weir_map_done(&memtable->resources);
    weir_map_done(&memtable->keys);
    weir_arena_done(&memtable->arena);
    free(memtable);
}

static size_t map_bytes(const struct weir_map *map) {
    return map->room * sizeof *map->entries + map->slots_count * sizeof *map->slots;
}

static size_t heap_bytes(const struct weir_memtable *memtable) {
    uint64_t chunks = (memtable->written + WEIR_MEMTABLE_CHUNK_ROWS - 1) / WEIR_MEMTABLE_CHUNK_ROWS;
    return sizeof *memtable + chunks * sizeof(struct weir_memtable_chunk) +
           memtable->arena.size_bytes + map_bytes(&memtable->strings) +
           map_bytes(&memtable->resources) + map_bytes(&memtable->keys);
}

/* ---- copying what rows point to ------------------------------------------------------------- */

/* Texts that come again and again are kept once. False: out of memory. */
static bool keep_once(struct weir_memtable *memtable, struct weir_view text,
                      struct weir_view *ret) {
    *ret = WEIR_VIEW("");
    if (!text.len) return true;
    uint64_t *place = weir_map_get(&memtable->strings, text);
    if (!place) {
        struct weir_view copy = weir_arena_copy(&memtable->arena, text);
        if (!copy.ptr) return false;
        place = weir_map_put(&memtable->strings, copy, (uint64_t)(uintptr_t)copy.ptr, NULL);
        if (!place) return false;
    }
    *ret = weir_view((const char *)(uintptr_t)*place, text.len);
    return true;
}

static bool keep(struct weir_memtable *memtable, struct weir_view text, struct weir_view *ret) {
    *ret = text.len ? weir_arena_copy(&memtable->arena, text) : WEIR_VIEW("");
    return ret->ptr;
}

static bool keep_value(struct weir_memtable *memtable, struct weir_value value,
                       struct weir_value *ret) {
    *ret = value;
    if (value.type == WEIR_VALUE_STRING || value.type >= WEIR_VALUE_BYTES)
        return keep(memtable, value.str, &ret->str);
    return true;
}

/* Where a key comes twice the first counts. Attributes without a value are left out. */
static bool keep_attrs(struct weir_memtable *memtable, struct weir_attrs attrs, bool note_keys,
                       struct weir_attrs *ret) {
    struct weir_attr *items = weir_arena_alloc(&memtable->arena, attrs.count * sizeof *items);
    if (!items) return false;
    *ret = (struct weir_attrs){.items = items};
    for (uint32_t i = 0; i < attrs.count; i++) {
        const struct weir_attr *attr = &attrs.items[i];
        struct weir_attr *to = &items[ret->count];
        if (attr->value.type == WEIR_VALUE_NONE) continue;
        if (!keep_once(memtable, attr->key, &to->key)) return false;
        bool again = false; /* keys are kept once: the same pointer is the same key */
        for (uint32_t j = 0; j < ret->count && !again; j++)
            again = items[j].key.ptr == to->key.ptr && items[j].key.len == to->key.len;
        if (again) continue;
        if (!keep_value(memtable, attr->value, &to->value)) return false;
        if (note_keys) {
            uint64_t *types = weir_map_put(&memtable->keys, to->key, 0, NULL);
            if (!types) return false;
            *types |= UINT64_C(1) << attr->value.type;
        }
        ret->count++;
    }
    return true;
}

static const struct weir_row_resource *keep_resource(struct weir_memtable *memtable,
                                                     const struct weir_otlp_resource *from) {
    uint64_t *place = weir_map_get(&memtable->resources, from->raw);
    if (place) return (const struct weir_row_resource *)(uintptr_t)*place;
    struct weir_arena *arena = &memtable->arena;
    struct weir_row_resource *resource = WEIR_NEW(arena, struct weir_row_resource);
    struct weir_view raw = weir_arena_copy(arena, from->raw);
    if (!resource || !raw.ptr || !keep_attrs(memtable, from->attrs, false, &resource->attrs))
        return NULL;
    struct weir_buf encoded;
    weir_buf_init(&encoded, ENCODED_BYTES_MAX);
    weir_codec_encode_attrs(&encoded, resource->attrs);
    resource->encoded = weir_arena_copy(arena, weir_buf_view(&encoded));
    bool fine = !encoded.failed && resource->encoded.ptr &&
                weir_map_put(&memtable->resources, raw, (uint64_t)(uintptr_t)resource, NULL);
    weir_buf_done(&encoded);
    return fine ? resource : NULL;
}

/* The fields of one number out of an encoded message, as they are. */
static bool keep_fields(struct weir_memtable *memtable, struct weir_view message, uint32_t number,
                        struct weir_view *ret) {
    size_t len = 0;
    *ret = WEIR_VIEW("");
    for (int round = 0; round < 2; round++) { /* first the length, then the bytes */
        char *to = round ? weir_arena_alloc_aligned(&memtable->arena, len, 1) : NULL;
        if (round && !to) return false;
        struct weir_pb pb = weir_pb(message);
        struct weir_pb_field field;
        size_t at = 0;
        for (const uint8_t *from = pb.at; weir_pb_next(&pb, &field) > 0; from = pb.at) {
            if (field.number != number) continue;
            size_t size = (size_t)(pb.at - from);
            if (to && from) memcpy(to + at, from, size);
            at += size;
        }
        if (to) *ret = weir_view(to, at);
        if (at == 0) break;
        len = at;
    }
    return true;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static bool fill_span(struct weir_memtable *memtable, const struct weir_otlp_span *span,
                      struct weir_row *row) {
    row->time_ns = span->start_ns;
    row->duration_ns = (int64_t)((uint64_t)span->end_ns - (uint64_t)span->start_ns);
    row->flags = span->flags;
    row->kind = span->kind;
    row->status_code = span->status_code;
    memcpy(row->trace_id, span->trace_id, sizeof row->trace_id);
    memcpy(row->span_id, span->span_id, sizeof row->span_id);
    if (span->parent_span_id)
        memcpy(row->parent_span_id, span->parent_span_id, sizeof row->parent_span_id);
    row->events = row->links = WEIR_VIEW("");
    return keep_once(memtable, span->name, &row->name) &&
           keep_once(memtable, span->trace_state, &row->trace_state) &&
           keep(memtable, span->status_message, &row->status_message) &&
           keep_attrs(memtable, span->attrs, true, &row->attrs) &&
           (!span->events_count ||
            keep_fields(memtable, span->raw, SPAN_FIELD_EVENTS, &row->events)) &&
           (!span->links_count || keep_fields(memtable, span->raw, SPAN_FIELD_LINKS, &row->links));
}

static bool fill_log(struct weir_memtable *memtable, const struct weir_otlp_log *log,
                     int64_t now_ns, struct weir_row *row) {
    row->time_ns = log->time_ns ? log->time_ns : log->observed_ns ? log->observed_ns : now_ns;
    row->observed_ns = log->observed_ns;
    row->flags = log->flags;
    row->severity_number = log->severity_number;
    if (log->trace_id) memcpy(row->trace_id, log->trace_id, sizeof row->trace_id);
    if (log->span_id) memcpy(row->span_id, log->span_id, sizeof row->span_id);
    row->trace_state = row->events = row->links = WEIR_VIEW("");
    return keep_once(memtable, log->event_name, &row->name) &&
           keep_once(memtable, log->severity_text, &row->severity_text) &&
           keep_value(memtable, log->body, &row->body) &&
           keep_attrs(memtable, log->attrs, true, &row->attrs);
}

/* Room for the next row. The chunk is linked only when the rows in it are published: readers never
 * walk past `count`. */
static struct weir_row *next_row(struct weir_memtable *memtable) {
    uint64_t at = memtable->written % WEIR_MEMTABLE_CHUNK_ROWS;
    if (at == 0) {
        struct weir_memtable_chunk *last = memtable->last;
        struct weir_memtable_chunk *chunk =
            last ? atomic_load(&last->next) : atomic_load(&memtable->first);
        if (!chunk) { /* else a batch that was taken back has left one */
            chunk = malloc(sizeof *chunk);
            if (!chunk) return NULL;
            atomic_init(&chunk->next, NULL);
            atomic_init(&chunk->min_ns, INT64_MAX);
            atomic_init(&chunk->max_ns, INT64_MIN);
            atomic_store_explicit(last ? &last->next : &memtable->first, chunk,
                                  memory_order_release);
        }
        memtable->last = chunk;
    }
    struct weir_row *row = &memtable->last->rows[at];
    memset(row, 0, sizeof *row);
    return row;
}

static void widen(_Atomic int64_t *min_ns, _Atomic int64_t *max_ns, int64_t time_ns) {
    if (time_ns < atomic_load_explicit(min_ns, memory_order_relaxed))
        atomic_store_explicit(min_ns, time_ns, memory_order_relaxed);
    if (time_ns > atomic_load_explicit(max_ns, memory_order_relaxed))
        atomic_store_explicit(max_ns, time_ns, memory_order_relaxed);
}

static bool append_rows(struct weir_memtable *memtable, const struct weir_otlp_batch *batch,
                        int64_t now_ns) {
    const struct weir_row_resource *resource = NULL;
    struct weir_view scope_name = WEIR_VIEW(""), scope_version = WEIR_VIEW("");
    uint32_t scope_index = UINT32_MAX; /* records of one scope stand together */
    uint32_t count = weir_otlp_batch_records_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        struct weir_row *row = next_row(memtable);
        if (!row) return false;
        uint32_t index =
            memtable->table == WEIR_TABLE_SPANS ? batch->spans[i].scope : batch->logs[i].scope;
        if (index != scope_index) {
            const struct weir_otlp_scope *scope = &batch->scopes[index];
            resource = keep_resource(memtable, &batch->resources[scope->resource]);
            if (!resource || !keep_once(memtable, scope->name, &scope_name) ||
                !keep_once(memtable, scope->version, &scope_version))
                return false;
            scope_index = index;
        }
        row->resource = resource;
        row->scope_name = scope_name;
        row->scope_version = scope_version;
        bool fine = memtable->table == WEIR_TABLE_SPANS
                        ? fill_span(memtable, &batch->spans[i], row)
                        : fill_log(memtable, &batch->logs[i], now_ns, row);
        if (!fine) return false;
        widen(&memtable->last->min_ns, &memtable->last->max_ns, row->time_ns);
        widen(&memtable->min_ns, &memtable->max_ns, row->time_ns);
        memtable->written++;
    }
    return true;
}

/* The chunk that row number `written` - 1 lies in. */
static struct weir_memtable_chunk *chunk_of_last(struct weir_memtable *memtable) {
    if (memtable->written == 0) return NULL;
    struct weir_memtable_chunk *chunk = memtable->first;
    for (uint64_t i = (memtable->written - 1) / WEIR_MEMTABLE_CHUNK_ROWS; i > 0; i--)
        chunk = chunk->next;
    return chunk;
}

int weir_memtable_append(struct weir_memtable *memtable, const struct weir_otlp_batch *batch,
                         uint64_t seq, int64_t now_ns, struct weir_error *reterr) {
    uint64_t before = memtable->written;
    bool fine = append_rows(memtable, batch, now_ns);
    if (!fine) { /* nobody has seen those rows */
        memtable->written = before;
        memtable->last = chunk_of_last(memtable);
        memtable->arena.failed = false;
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %u more rows",
                              weir_otlp_batch_records_count(batch));
    }
    if (!memtable->first_seq) {
        memtable->first_seq = seq;
        memtable->since_ns = now_ns;
    }
    memtable->last_seq = seq;
    atomic_store_explicit(&memtable->size_bytes, heap_bytes(memtable), memory_order_relaxed);
    atomic_store_explicit(&memtable->count, memtable->written, memory_order_release);
    return WEIR_OK;
}
