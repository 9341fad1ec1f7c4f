/* SPDX-License-Identifier: Apache-2.0 */
/* Memtables to parts, parts to larger parts. */
#include <limits.h>
#include <stdlib.h>

#include "store/series.h"

enum {
    MERGE_PARTS_MIN = 4,
    MERGE_PARTS_MAX = 16,
    TIER_BYTES = 64 << 10, /* parts below are of one tier; each next tier is four times as large */
    DAY_MS = 86400000,
};
static const uint64_t part_bytes_max = UINT64_C(1) << 30; /* larger ones stay as they are */

static int copy_samples(const struct weir_series_mem_entry *entry,
                        struct weir_series_samples *into) {
    into->count = 0;
    if (!weir_series_samples_room(into, entry->samples_count)) return WEIR_ENOMEMORY;
    for (const struct weir_series_block *b = entry->first; b; b = b->next)
        for (uint32_t i = 0; i < b->count; i++) {
            into->times_ms[into->count] = b->samples[i].time_ms;
            into->values[into->count++] = b->samples[i].value;
        }
    return weir_series_samples_sort(into) ? 0 : WEIR_ENOMEMORY;
}

static int write_series(struct weir_series_part_writer *writer, struct weir_series_mem *mem,
                        struct weir_error *reterr) {
    struct weir_arena arena;
    struct weir_series_mem_entry **entries;
    struct weir_series_samples samples = {0};
    uint32_t count;
    weir_arena_init(&arena, 0);
    int code = weir_series_mem_find(mem, NULL, 0, INT64_MIN, INT64_MAX, &arena, &entries, &count)
                   ? 0
                   : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to flush series");
    for (uint32_t i = 0; i < count && code == 0; i++) {
        code = copy_samples(entries[i], &samples);
        if (code)
            weir_error_set(reterr, code, "no memory to flush series");
        else
            code = weir_series_part_writer_add(writer, entries[i]->key, samples.times_ms,
                                               samples.values, samples.count, reterr);
        if (code == 0)
            code = weir_series_part_writer_add_exemplars(writer, &entries[i]->exemplars, reterr);
    }
    weir_series_samples_done(&samples);
    weir_arena_done(&arena);
    return code;
}

static int write_metas(struct weir_series_table *table, struct weir_series_part_writer *writer,
                       struct weir_error *reterr) {
    bool ok = true;
    pthread_mutex_lock(&table->metas_lock);
    for (uint32_t i = 0; ok && i < table->metas.count; i++)
        ok = weir_series_part_writer_add_meta(
            writer, (const struct weir_metric_meta *)(uintptr_t)table->metas.entries[i].value);
    pthread_mutex_unlock(&table->metas_lock);
    return ok ? 0 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to flush metadata");
}

/* A part made by `fill`, open and durable; on failure its file is gone (unless the disk lies). */
static int make_part(struct weir_series_table *table, uint64_t rank,
                     int (*fill)(void *arg, struct weir_series_part_writer *writer,
                                 struct weir_error *reterr),
                     void *arg, struct weir_series_part **ret, struct weir_error *reterr) {
    char path[PATH_MAX];
    uint64_t id = weir_series_next_id(table);
    struct weir_series_part_writer *writer;
    if (!weir_manifest_part_path(table->path, id, path, sizeof path))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", table->path);
    int code = weir_series_part_writer_open(table->disk, path, rank, &writer, reterr);
    if (code) return code;
    code = fill(arg, writer, reterr);
    if (code == 0) code = write_metas(table, writer, reterr);
    if (code == 0) code = weir_series_part_writer_finish(writer, reterr);
    weir_series_part_writer_close(writer);
    if (code == 0) code = weir_disk_sync_dir(table->disk, table->path, reterr);
    if (code == 0) code = weir_series_part_open(table->disk, path, id, ret, reterr);
    if (code) weir_disk_remove(table->disk, path, NULL);
    return code;
}

static int fill_from_mem(void *arg, struct weir_series_part_writer *writer,
                         struct weir_error *reterr) {
    return write_series(writer, arg, reterr);
}

/* Makes `part` the table's instead of the old ones; on failure it goes, unless nobody knows whether
 * the manifest that names it is on disk. */
static int commit(struct weir_series_table *table, struct weir_series_part **old_parts,
                  uint32_t old_count, struct weir_series_part *part, uint64_t flushed_seq,
                  struct weir_series_mem *mem, struct weir_error *reterr) {
    int code = weir_series_commit(table, old_parts, old_count, part, flushed_seq, mem, reterr);
    if (code == 0) return 0;
    if (code != WEIR_EIO && part) atomic_store(&part->doomed, true);
    weir_series_part_unref(part);
    return code;
}

int weir_series_flush(struct weir_store_table *base, struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    for (;;) {
        pthread_mutex_lock(&table->lock);
        struct weir_series_mem *mem = table->frozen_count ? table->frozen[0] : NULL;
        pthread_mutex_unlock(&table->lock);
        if (!mem) return 0; /* only this thread takes one away */
        struct weir_series_part *part = NULL;
        int code = mem->samples_count
                       ? make_part(table, mem->last_seq, fill_from_mem, mem, &part, reterr)
                       : 0;
        if (code == 0) code = commit(table, NULL, 0, part, mem->last_seq, mem, reterr);
        if (code) return code;
    }
}

/* ---- merge ---- */

static unsigned tier_of(const struct weir_series_part *part) {
    unsigned tier = 0;
    for (uint64_t size = part->size_bytes / TIER_BYTES; size; size /= 4) tier++;
    return tier;
}

/* Parts are kept apart by the day of their newest sample, so that retention finds whole parts. */
static int64_t day_of(const struct weir_series_part *part) {
    return part->max_ms / DAY_MS - (part->max_ms % DAY_MS < 0);
}

/* The smallest tier with enough neighbours in rank: only neighbours may merge, else a sample could
 * overtake one that was written later. Gives how many, from *ret_from on. */
static uint32_t choose(const struct weir_series_snapshot *s, uint32_t *ret_from) {
    uint32_t best = 0;
    unsigned best_tier = UINT_MAX;
    for (uint32_t from = 0, until; from < s->parts_count; from = until) {
        unsigned tier = tier_of(s->parts[from]);
        for (until = from + 1; until < s->parts_count && until - from < MERGE_PARTS_MAX; until++)
            if (tier_of(s->parts[until]) != tier ||
                day_of(s->parts[until]) != day_of(s->parts[from]))
                break;
        if (until - from < MERGE_PARTS_MIN || tier >= best_tier ||
            s->parts[from]->size_bytes > part_bytes_max)
            continue;
        best_tier = tier;
        best = until - from;
        *ret_from = from;
    }
    return best;
}

struct merge {
    struct weir_series_part_reader readers[MERGE_PARTS_MAX], exemplars[MERGE_PARTS_MAX];
    bool ended[MERGE_PARTS_MAX], exemplars_ended[MERGE_PARTS_MAX];
    uint32_t count;
    const atomic_bool *stop;
    struct weir_series_samples samples;
    struct weir_arena arena; /* exemplars of one series */
};

static int advance(struct merge *m, uint32_t i, struct weir_error *reterr) {
    int code = weir_series_part_reader_next(&m->readers[i], reterr);
    m->ended[i] = code == WEIR_END;
    return code == WEIR_END ? 0 : code;
}

static int advance_exemplars(struct merge *m, uint32_t i, struct weir_error *reterr) {
    int code = weir_series_part_reader_next_exemplars(&m->exemplars[i], reterr);
    m->exemplars_ended[i] = code == WEIR_END;
    return code == WEIR_END ? 0 : code;
}

/* The smallest key of all readers, or false when all have ended. */
static bool smallest(const struct merge *m, struct weir_view *ret) {
    bool found = false;
    for (uint32_t i = 0; i < m->count; i++) {
        struct weir_view key = weir_buf_view(&m->readers[i].key);
        if (m->ended[i] || (found && weir_view_cmp(key, *ret) >= 0)) continue;
        *ret = key;
        found = true;
    }
    return found;
}

static int merge_series(struct merge *m, struct weir_series_part_writer *writer,
                        struct weir_buf *key, struct weir_error *reterr) {
    m->samples.count = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->ended[i] || !weir_view_eq(weir_buf_view(&m->readers[i].key), weir_buf_view(key)))
            continue;
        int code = weir_series_part_reader_samples(&m->readers[i], &m->samples, reterr);
        if (code == 0) code = advance(m, i, reterr);
        if (code) return code;
    }
    if (!weir_series_samples_sort(&m->samples))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to merge");
    return weir_series_part_writer_add(writer, weir_buf_view(key), m->samples.times_ms,
                                       m->samples.values, m->samples.count, reterr);
}

/* Of the series just written. One that has exemplars has samples, in the same part. */
static int merge_exemplars(struct merge *m, struct weir_series_part_writer *writer,
                           const struct weir_buf *key, struct weir_error *reterr) {
    struct weir_series_exemplars set = {0};
    weir_arena_reset(&m->arena);
    for (uint32_t i = 0; i < m->count; i++) {
        struct weir_series_part_reader *reader = &m->exemplars[i];
        if (m->exemplars_ended[i] || !weir_view_eq(weir_buf_view(&reader->key), weir_buf_view(key)))
            continue;
        int code = weir_series_part_reader_exemplars(reader, &m->arena, &set, reterr);
        if (code == 0) code = advance_exemplars(m, i, reterr);
        if (code) return code;
    }
    return weir_series_part_writer_add_exemplars(writer, &set, reterr);
}

static int fill_from_parts(void *arg, struct weir_series_part_writer *writer,
                           struct weir_error *reterr) {
    struct merge *m = arg;
    struct weir_view next;
    struct weir_buf key;
    int code = 0;
    weir_buf_init(&key, WEIR_SERIES_KEY_LEN_MAX);
    for (uint32_t i = 0; i < m->count && code == 0; i++) {
        code = advance(m, i, reterr);
        if (code == 0) code = advance_exemplars(m, i, reterr);
    }
    while (code == 0 && smallest(m, &next)) {
        if (atomic_load_explicit(m->stop, memory_order_relaxed))
            code = weir_error_set(reterr, WEIR_ECANCELED, "merge was stopped");
        weir_buf_clear(&key);
        weir_buf_add_view(&key, next);
        if (code == 0) code = merge_series(m, writer, &key, reterr);
        if (code == 0) code = merge_exemplars(m, writer, &key, reterr);
    }
    weir_buf_done(&key);
    return code;
}

static int merge_parts(struct weir_series_table *table, struct weir_series_part **parts,
                       uint32_t count, const atomic_bool *stop, struct weir_error *reterr) {
    struct merge *m = calloc(1, sizeof *m);
    struct weir_series_part *merged = NULL;
    if (!m) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to merge %s", table->path);
    m->stop = stop;
    weir_arena_init(&m->arena, 0);
    int code = 0;
    for (uint32_t i = 0; i < count && code == 0; i++) {
        m->count++;
        code = weir_series_part_reader_init(&m->readers[i], parts[i], NULL, NULL, 0, INT64_MIN,
                                            INT64_MAX, reterr);
        if (code == 0)
            code = weir_series_part_reader_init(&m->exemplars[i], parts[i], NULL, NULL, 0,
                                                INT64_MIN, INT64_MAX, reterr);
    }
    if (code == 0)
        code = make_part(table, parts[count - 1]->rank, fill_from_parts, m, &merged, reterr);
    for (uint32_t i = 0; i < m->count; i++) {
        weir_series_part_reader_done(&m->readers[i]);
        weir_series_part_reader_done(&m->exemplars[i]);
    }
    weir_series_samples_done(&m->samples);
    weir_arena_done(&m->arena);
    free(m);
    return code ? code : commit(table, parts, count, merged, 0, NULL, reterr);
}

int weir_series_parts_merge(struct weir_store_table *base, const atomic_bool *stop, bool *ret_did,
                            struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    struct weir_series_snapshot snapshot;
    uint32_t from = 0;
    *ret_did = false;
    int code = weir_series_snapshot_init(table, INT64_MIN, INT64_MAX, &snapshot, reterr);
    if (code) return code;
    uint32_t count = choose(&snapshot, &from);
    if (count) code = merge_parts(table, snapshot.parts + from, count, stop, reterr);
    *ret_did = count && code == 0;
    weir_series_snapshot_done(&snapshot);
    return code;
}
