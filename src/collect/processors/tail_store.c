/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/processors/tail_store.h"

#include <stdlib.h>

#include "wire/pb.h"

enum { SLOTS_MIN = 1024, HEADS_ROOM = 4096 };

struct weir_tail_head {
    struct weir_tail_head *next; /* in its slot */
    uint64_t hash;
    uint32_t refs, before_len, after_len;
    char bytes[]; /* what stands before the spans, and behind them: two pieces of a request */
};

struct weir_tail_chunk {
    struct weir_tail_chunk *next; /* newer */
    struct weir_tail_head *head;
    uint32_t len;
    char bytes[]; /* ScopeSpans.spans fields */
};

bool weir_tail_store_init(struct weir_tail_store *store) {
    *store = (struct weir_tail_store){.slots_count = SLOTS_MIN};
    store->slots = calloc(SLOTS_MIN, sizeof *store->slots);
    store->heads = calloc(HEADS_ROOM, sizeof *store->heads);
    if (store->slots && store->heads) return true;
    free(store->slots);
    free(store->heads);
    return false;
}

void weir_tail_store_done(struct weir_tail_store *store) {
    struct weir_tail_entry *entry;
    while ((entry = weir_tail_store_take(store))) weir_tail_entry_free(store, entry);
    free(store->slots);
    free(store->heads);
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint32_t hash_of(const uint8_t trace_id[16]) {
    return (uint32_t)weir_view_hash(weir_view(trace_id, 16));
}

static uint32_t slot_of(const struct weir_tail_store *store, const uint8_t trace_id[16]) {
    uint32_t slot = hash_of(trace_id) & (store->slots_count - 1);
    while (store->slots[slot] && memcmp(store->slots[slot]->trace.trace_id, trace_id, 16) != 0)
        slot = (slot + 1) & (store->slots_count - 1);
    return slot;
}

struct weir_tail_entry *weir_tail_store_find(const struct weir_tail_store *store,
                                             const uint8_t trace_id[16]) {
    return store->slots[slot_of(store, trace_id)];
}

static bool grow(struct weir_tail_store *store) {
    struct weir_tail_entry **old = store->slots;
    struct weir_tail_entry **slots = calloc((size_t)store->slots_count * 2, sizeof *slots);
    if (!slots) return false;
    store->slots = slots;
    store->slots_count *= 2;
    for (struct weir_tail_entry *entry = store->oldest; entry; entry = entry->newer)
        store->slots[slot_of(store, entry->trace.trace_id)] = entry;
    free(old);
    return true;
}

/* Empties a slot; those behind it that belong before it move up. */
static void remove_slot(struct weir_tail_store *store, uint32_t slot) {
    uint32_t mask = store->slots_count - 1, next = slot;
    store->slots[slot] = NULL;
    for (;;) {
        next = (next + 1) & mask;
        struct weir_tail_entry *entry = store->slots[next];
        if (!entry) return;
        uint32_t home = hash_of(entry->trace.trace_id) & mask;
        if (((next - home) & mask) < ((next - slot) & mask)) continue;
        store->slots[slot] = entry;
        store->slots[next] = NULL;
        slot = next;
    }
}

struct weir_tail_entry *weir_tail_store_add(struct weir_tail_store *store,
                                            const uint8_t trace_id[16], int64_t now_ns) {
    if (store->count >= store->slots_count / 2 && !grow(store)) return NULL;
    struct weir_tail_entry *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    memcpy(entry->trace.trace_id, trace_id, 16);
    entry->since_ns = now_ns;
    entry->bytes = sizeof *entry;
    store->slots[slot_of(store, trace_id)] = entry;
    if (store->newest)
        store->newest->newer = entry;
    else
        store->oldest = entry;
    store->newest = entry;
    store->count++;
    store->bytes += entry->bytes;
    return entry;
}

struct weir_tail_entry *weir_tail_store_take(struct weir_tail_store *store) {
    struct weir_tail_entry *entry = store->oldest;
    if (!entry) return NULL;
    remove_slot(store, slot_of(store, entry->trace.trace_id));
    store->oldest = entry->newer;
    if (!store->oldest) store->newest = NULL;
    store->count--;
    store->bytes -= entry->bytes;
    return entry;
}

/* ---- heads ----------------------------------------------------------------------------------- */

/* Before the spans: the resource, and the scope within its group. Lengths of the two groups depend
 * on the spans and are written when the request is. Here: Resource field | scope field. Behind:
 * ScopeSpans.schema_url | ResourceSpans.schema_url. */
static void put_before(struct weir_buf *out, const struct weir_otlp_batch *batch, uint32_t scope) {
    weir_pb_put_bytes(out, 1, batch->resources[batch->scopes[scope].resource].raw);
}

static void put_scope(struct weir_buf *out, const struct weir_otlp_scope *scope) {
    if (scope->raw.ptr) weir_pb_put_bytes(out, 1, scope->raw);
    weir_pb_put_bytes_opt(out, 3, scope->schema_url);
}

static struct weir_tail_head *head_ref(struct weir_tail_store *store,
                                       const struct weir_otlp_batch *batch, uint32_t scope_index) {
    const struct weir_otlp_scope *scope = &batch->scopes[scope_index];
    struct weir_buf text;
    weir_buf_init(&text, 16 << 20);
    put_before(&text, batch, scope_index);
    weir_pb_put_bytes_opt(&text, 3, batch->resources[scope->resource].schema_url);
    size_t before = text.len;
    put_scope(&text, scope);
    uint64_t hash = weir_view_hash(weir_buf_view(&text)) ^ before;
    struct weir_tail_head **slot = &store->heads[hash % HEADS_ROOM], *head = *slot;
    while (head && !(head->hash == hash && head->before_len == before &&
                     head->before_len + head->after_len == text.len &&
                     memcmp(head->bytes, text.ptr, text.len) == 0))
        head = head->next;
    if (!head && !text.failed && (head = malloc(sizeof *head + text.len))) {
        *head = (struct weir_tail_head){.next = *slot,
                                        .hash = hash,
                                        .before_len = (uint32_t)before,
                                        .after_len = (uint32_t)(text.len - before)};
        memcpy(head->bytes, text.ptr, text.len);
        *slot = head;
        store->heads_count++;
        store->bytes += sizeof *head + text.len;
    }
    if (head) head->refs++;
    weir_buf_done(&text);
    return head;
}

static void head_unref(struct weir_tail_store *store, struct weir_tail_head *head) {
    if (--head->refs) return;
    struct weir_tail_head **at = &store->heads[head->hash % HEADS_ROOM];
    while (*at != head) at = &(*at)->next;
    *at = head->next;
    store->heads_count--;
    store->bytes -= sizeof *head + head->before_len + head->after_len;
    free(head);
}

/* ---- entries --------------------------------------------------------------------------------- */

bool weir_tail_store_keep(struct weir_tail_store *store, struct weir_tail_entry *entry,
                          const struct weir_otlp_batch *batch, uint32_t first, uint32_t count) {
    struct weir_buf spans;
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) size += batch->spans[first + i].raw.len + 8;
    struct weir_tail_chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk) return false;
    spans = (struct weir_buf){.ptr = chunk->bytes, .room = size, .size_max = size};
    for (uint32_t i = 0; i < count; i++) weir_pb_put_bytes(&spans, 2, batch->spans[first + i].raw);
    chunk->head = spans.failed ? NULL : head_ref(store, batch, batch->spans[first].scope);
    if (!chunk->head) {
        free(chunk);
        return false;
    }
    chunk->len = (uint32_t)spans.len;
    chunk->next = NULL;
    if (entry->last)
        entry->last->next = chunk;
    else
        entry->first = chunk;
    entry->last = chunk;
    entry->bytes += (uint32_t)(sizeof *chunk + size);
    store->bytes += sizeof *chunk + size;
    return true;
}

void weir_tail_entry_add(const struct weir_tail_entry *entry, struct weir_buf *out) {
    for (const struct weir_tail_chunk *chunk = entry->first; chunk; chunk = chunk->next) {
        const struct weir_tail_head *head = chunk->head;
        size_t resource = weir_pb_begin(out, 1);
        weir_buf_add(out, head->bytes, head->before_len);
        size_t scope = weir_pb_begin(out, 2);
        weir_buf_add(out, head->bytes + head->before_len, head->after_len);
        weir_buf_add(out, chunk->bytes, chunk->len);
        weir_pb_end(out, scope);
        weir_pb_end(out, resource);
    }
}

void weir_tail_entry_free(struct weir_tail_store *store, struct weir_tail_entry *entry) {
    for (struct weir_tail_chunk *chunk = entry->first, *next; chunk; chunk = next) {
        next = chunk->next;
        head_unref(store, chunk->head);
        free(chunk);
    }
    free(entry);
}
