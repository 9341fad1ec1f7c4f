/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_exemplar.h"

#include "store/part_format.h"
#include "store/series_codec.h"
#include "store/series_key.h"

enum { HAS_TRACE = 1, HAS_SPAN = 2 };
enum { LENGTHS_LEN_MAX = 4 }; /* of a label whose name and value fit */

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (bytes[i]) return false;
    return true;
}

static int64_t span_of(int64_t time_ms) {
    return time_ms / WEIR_SERIES_EXEMPLAR_SPAN_MS - (time_ms % WEIR_SERIES_EXEMPLAR_SPAN_MS < 0);
}

/* ---- the set ---- */

/* Where the span's exemplar is, or would be. */
static uint32_t place_of(const struct weir_series_exemplars *set, int64_t span) {
    uint32_t from = 0, until = set->count;
    if (until && span_of(set->items[until - 1]->time_ms) < span) return until; /* as they come */
    while (from < until) {
        uint32_t middle = (from + until) / 2;
        if (span_of(set->items[middle]->time_ms) < span)
            from = middle + 1;
        else
            until = middle;
    }
    return from;
}

/* Overwrites an item; its labels' bytes are used again where they suffice. */
static bool fill(struct weir_series_exemplar *item, struct weir_arena *arena,
                 const struct weir_series_exemplar *one) {
    char *labels = (char *)(uintptr_t)item->labels.ptr; /* the set's own bytes */
    size_t room = item->labels_room;
    if (one->labels.len > room) {
        room = one->labels.len > room * 2 ? one->labels.len : room * 2;
        labels = weir_arena_alloc(arena, room);
        if (!labels) return false;
    }
    if (one->labels.len) memcpy(labels, one->labels.ptr, one->labels.len);
    *item = *one;
    item->labels = weir_view(labels, one->labels.len);
    item->labels_room = room;
    return true;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool same(const struct weir_series_exemplar *a, const struct weir_series_exemplar *b) {
    return a->time_ms == b->time_ms && bits_of(a->value) == bits_of(b->value) &&
           memcmp(a->trace_id, b->trace_id, 16) == 0 && memcmp(a->span_id, b->span_id, 8) == 0 &&
           weir_view_eq(a->labels, b->labels);
}

static bool is_better(const struct weir_series_exemplar *one,
                      const struct weir_series_exemplar *than) {
    bool has = !is_zero(one->trace_id, 16), had = !is_zero(than->trace_id, 16);
    return has != had ? has : one->time_ms >= than->time_ms;
}

static enum weir_series_exemplar_fate insert(struct weir_series_exemplars *set,
                                             struct weir_arena *arena, uint32_t at,
                                             const struct weir_series_exemplar *one) {
    if (set->count == WEIR_SERIES_EXEMPLARS_MAX) {
        if (at == 0) return WEIR_SERIES_EXEMPLAR_DROPPED;
        struct weir_series_exemplar *oldest = set->items[0];
        if (!fill(oldest, arena, one)) return WEIR_SERIES_EXEMPLAR_NO_MEMORY;
        memmove(set->items, set->items + 1, (at - 1U) * sizeof(struct weir_series_exemplar *));
        set->items[at - 1] = oldest;
        return WEIR_SERIES_EXEMPLAR_DROPPED;
    }
    struct weir_series_exemplar *item = WEIR_NEW(arena, struct weir_series_exemplar);
    if (!item || !fill(item, arena, one) || !WEIR_PUSH(arena, set->items, set->count, set->room))
        return WEIR_SERIES_EXEMPLAR_NO_MEMORY;
    memmove(set->items + at + 1, set->items + at,
            (set->count - 1 - at) * sizeof(struct weir_series_exemplar *));
    set->items[at] = item;
    return WEIR_SERIES_EXEMPLAR_KEPT;
}

enum weir_series_exemplar_fate weir_series_exemplars_add(struct weir_series_exemplars *set,
                                                         struct weir_arena *arena,
                                                         const struct weir_series_exemplar *one) {
    int64_t span = span_of(one->time_ms);
    uint32_t at = place_of(set, span);
    if (at == set->count || span_of(set->items[at]->time_ms) != span)
        return insert(set, arena, at, one);
    if (same(one, set->items[at])) return WEIR_SERIES_EXEMPLAR_SAME;
    if (is_better(one, set->items[at]) && !fill(set->items[at], arena, one))
        return WEIR_SERIES_EXEMPLAR_NO_MEMORY;
    return WEIR_SERIES_EXEMPLAR_DROPPED;
}

/* ---- between source and store ---- */

bool weir_series_exemplar_of(const struct weir_exemplar *exemplar, struct weir_buf *labels,
                             struct weir_series_exemplar *ret) {
    uint32_t count = 0;
    *ret = (struct weir_series_exemplar){.time_ms = exemplar->time_ms, .value = exemplar->value};
    if (exemplar->trace_id) memcpy(ret->trace_id, exemplar->trace_id, 16);
    if (exemplar->span_id) memcpy(ret->span_id, exemplar->span_id, 8);
    weir_buf_clear(labels);
    for (uint32_t i = 0; i < exemplar->labels_count; i++) {
        const struct weir_label *label = &exemplar->labels[i];
        size_t len = label->name.len + label->value.len + LENGTHS_LEN_MAX;
        if (labels->len + len > WEIR_SERIES_EXEMPLAR_LABELS_LEN_MAX ||
            count == WEIR_SERIES_EXEMPLAR_LABELS_MAX)
            continue;
        weir_series_key_put(labels, label, 1);
        count++;
    }
    ret->labels = weir_buf_view(labels);
    return !labels->failed;
}

bool weir_series_exemplar_show(const struct weir_series_exemplar *one, struct weir_arena *arena,
                               struct weir_exemplar *ret) {
    struct weir_label labels[WEIR_SERIES_EXEMPLAR_LABELS_MAX];
    int count = weir_series_key_labels(one->labels, labels, WEIR_SERIES_EXEMPLAR_LABELS_MAX);
    if (count < 0) return false;
    struct weir_label *own = WEIR_NEW_ARRAY(arena, struct weir_label, (size_t)count + 1);
    if (!own) return false;
    memcpy(own, labels, (size_t)count * sizeof *own);
    *ret = (struct weir_exemplar){.time_ms = one->time_ms,
                                  .value = one->value,
                                  .trace_id = is_zero(one->trace_id, 16) ? NULL : one->trace_id,
                                  .span_id = is_zero(one->span_id, 8) ? NULL : one->span_id,
                                  .labels = own,
                                  .labels_count = (uint32_t)count};
    return true;
}

/* ---- bytes ---- */

void weir_series_exemplars_encode(struct weir_buf *out, const struct weir_series_exemplars *set) {
    int64_t before_ms = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct weir_series_exemplar *one = set->items[i];
        bool trace = !is_zero(one->trace_id, 16), span = !is_zero(one->span_id, 8);
        weir_series_put_zigzag(out, (int64_t)((uint64_t)one->time_ms - (uint64_t)before_ms));
        weir_buf_add_char(out, (char)((trace ? HAS_TRACE : 0) | (span ? HAS_SPAN : 0)));
        weir_part_put_u64(out, bits_of(one->value));
        if (trace) weir_buf_add(out, one->trace_id, 16);
        if (span) weir_buf_add(out, one->span_id, 8);
        weir_series_put_view(out, one->labels);
        before_ms = one->time_ms;
    }
}

static bool take(struct weir_view *rest, void *to, size_t len) {
    if (rest->len < len) return false;
    memcpy(to, rest->ptr, len);
    *rest = weir_view_from(*rest, len);
    return true;
}

bool weir_series_exemplar_decode(struct weir_view *rest, int64_t *time_ms,
                                 struct weir_series_exemplar *ret) {
    int64_t delta;
    uint8_t flags;
    char value[8];
    *ret = (struct weir_series_exemplar){0};
    if (!weir_series_get_zigzag(rest, &delta) || !take(rest, &flags, 1) ||
        !take(rest, value, sizeof value) ||
        ((flags & HAS_TRACE) && !take(rest, ret->trace_id, 16)) ||
        ((flags & HAS_SPAN) && !take(rest, ret->span_id, 8)) ||
        !weir_series_get_view(rest, &ret->labels) ||
        ret->labels.len > WEIR_SERIES_EXEMPLAR_LABELS_LEN_MAX)
        return false;
    uint64_t bits = weir_part_get_u64(value);
    memcpy(&ret->value, &bits, sizeof bits);
    *time_ms = ret->time_ms = (int64_t)((uint64_t)*time_ms + (uint64_t)delta);
    return true;
}
