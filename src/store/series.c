/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

static int freeze(struct weir_store_table *base, struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    if (table->active->first_seq == UINT64_MAX) return 0;
    struct weir_series_mem *fresh = weir_series_mem_new();
    if (!fresh) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for a new memtable");
    pthread_mutex_lock(&table->lock);
    bool full = table->frozen_count == WEIR_SERIES_FROZEN_MAX;
    if (!full) {
        table->frozen[table->frozen_count++] = table->active;
        table->active = fresh;
    }
    pthread_mutex_unlock(&table->lock);
    if (full) weir_series_mem_unref(fresh); /* flush is behind; the active one goes on growing */
    return 0;
}

uint64_t weir_series_next_id(struct weir_series_table *table) {
    pthread_mutex_lock(&table->commit);
    uint64_t id = table->manifest.next_id++;
    pthread_mutex_unlock(&table->commit);
    return id;
}

static bool is_one_of(struct weir_series_part **parts, uint32_t count,
                      const struct weir_series_part *part) {
    for (uint32_t i = 0; i < count; i++)
        if (parts[i] == part) return true;
    return false;
}

static int by_rank(const void *a, const void *b) {
    const struct weir_series_part *x = *(struct weir_series_part *const *)a;
    const struct weir_series_part *y = *(struct weir_series_part *const *)b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void swap_parts(struct weir_series_table *table, struct weir_series_part **parts,
                       uint32_t count, struct weir_series_mem *mem) {
    pthread_mutex_lock(&table->lock);
    struct weir_series_part **before = table->parts;
    table->parts = parts;
    table->parts_count = count;
    for (uint32_t i = 0; mem && i < table->frozen_count; i++)
        if (table->frozen[i] == mem) {
            table->frozen_count--;
            memmove(table->frozen + i, table->frozen + i + 1,
                    (table->frozen_count - i) * sizeof *table->frozen);
            break;
        }
    pthread_mutex_unlock(&table->lock);
    free(before);
}

static int commit_locked(struct weir_series_table *table, struct weir_series_part **old_parts,
                         uint32_t old_count, struct weir_series_part *fresh, uint64_t flushed_seq,
                         struct weir_series_mem *mem, struct weir_error *reterr) {
    struct weir_series_part **parts =
        malloc((table->parts_count + 2) * sizeof(struct weir_series_part *));
    struct weir_manifest next = table->manifest;
    next.part_ids = malloc((table->parts_count + 2) * sizeof *next.part_ids);
    next.parts_count = 0;
    if (flushed_seq > next.flushed_seq) next.flushed_seq = flushed_seq;
    if (!parts || !next.part_ids) {
        free(parts);
        free(next.part_ids);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the manifest of %s",
                              table->path);
    }
    for (uint32_t i = 0; i < table->parts_count; i++)
        if (!is_one_of(old_parts, old_count, table->parts[i]))
            parts[next.parts_count++] = table->parts[i];
    if (fresh) parts[next.parts_count++] = fresh;
    if (next.parts_count)
        qsort(parts, next.parts_count, sizeof(struct weir_series_part *), by_rank);
    for (uint32_t i = 0; i < next.parts_count; i++) next.part_ids[i] = parts[i]->id;
    int code = weir_manifest_write(table->disk, table->path, &next, reterr);
    if (code) {
        free(parts);
        free(next.part_ids);
        return code;
    }
    swap_parts(table, parts, next.parts_count, mem);
    weir_manifest_done(&table->manifest);
    table->manifest = next;
    atomic_store(&table->flushed_seq, next.flushed_seq);
    return 0;
}

int weir_series_commit(struct weir_series_table *table, struct weir_series_part **old_parts,
                       uint32_t old_count, struct weir_series_part *fresh, uint64_t flushed_seq,
                       struct weir_series_mem *mem, struct weir_error *reterr) {
    pthread_mutex_lock(&table->commit);
    int code = commit_locked(table, old_parts, old_count, fresh, flushed_seq, mem, reterr);
    pthread_mutex_unlock(&table->commit);
    if (code) return code;
    for (uint32_t i = 0; i < old_count; i++) {
        atomic_store(&old_parts[i]->doomed, true);
        weir_series_part_unref(old_parts[i]); /* the table's reference */
    }
    weir_series_mem_unref(mem);
    return 0;
}

/* ---- retention ---- */

static int64_t ns_of(int64_t ms) {
    return ms > INT64_MAX / 1000000   ? INT64_MAX
           : ms < INT64_MIN / 1000000 ? INT64_MIN
                                      : ms * 1000000;
}

/* The part whose newest sample is oldest, or NULL. Only the merge thread takes parts away. */
static struct weir_series_part *oldest_part(struct weir_series_table *table) {
    struct weir_series_part *oldest = NULL;
    pthread_mutex_lock(&table->lock);
    for (uint32_t i = 0; i < table->parts_count; i++)
        if (!oldest || table->parts[i]->max_ms < oldest->max_ms) oldest = table->parts[i];
    pthread_mutex_unlock(&table->lock);
    return oldest;
}

static int64_t oldest_part_ns(struct weir_store_table *base) {
    const struct weir_series_part *part = oldest_part(weir_series_table_of(base));
    return part ? ns_of(part->max_ms) : INT64_MAX;
}

static int drop_oldest(struct weir_store_table *base, uint64_t *ret_bytes,
                       struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    struct weir_series_part *part = oldest_part(table);
    *ret_bytes = part ? part->size_bytes : 0;
    return part ? weir_series_commit(table, &part, 1, NULL, 0, NULL, reterr) : 0;
}

static int drop_before(struct weir_store_table *base, int64_t before_ns, uint64_t *ret_parts_count,
                       struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    *ret_parts_count = 0;
    for (struct weir_series_part *part;
         (part = oldest_part(table)) && ns_of(part->max_ms) < before_ns;) {
        int code = weir_series_commit(table, &part, 1, NULL, 0, NULL, reterr);
        if (code) return code;
        (*ret_parts_count)++;
    }
    return 0;
}

/* ---- looking ---- */

static void load(struct weir_store_table *base, struct weir_store_table_load *ret) {
    struct weir_series_table *table = weir_series_table_of(base);
    *ret = (struct weir_store_table_load){.pending_seq = UINT64_MAX};
    pthread_mutex_lock(&table->lock);
    for (uint32_t i = 0; i <= table->frozen_count; i++) {
        bool is_active = i == table->frozen_count;
        struct weir_series_mem *mem = is_active ? table->active : table->frozen[i];
        pthread_rwlock_rdlock(&mem->lock);
        size_t map_bytes = mem->map.room * sizeof *mem->map.entries +
                           mem->map.slots_count * sizeof *mem->map.slots;
        if (is_active) {
            ret->active_bytes =
                mem->first_seq == UINT64_MAX ? 0 : mem->arena.size_bytes + map_bytes;
            ret->active_since_ns = mem->since_ns;
        } else {
            ret->frozen_bytes += mem->arena.size_bytes + map_bytes;
        }
        if (mem->first_seq < ret->pending_seq) ret->pending_seq = mem->first_seq;
        pthread_rwlock_unlock(&mem->lock);
    }
    ret->flushed_seq = atomic_load(&table->flushed_seq);
    pthread_mutex_unlock(&table->lock);
}

/* Series in several parts count once: the largest part or memtable tells (a lower bound). */
static void stats(struct weir_store_table *base, struct weir_store_table_stats *ret) {
    struct weir_series_table *table = weir_series_table_of(base);
    int64_t min_ms = INT64_MAX, max_ms = INT64_MIN;
    *ret = (struct weir_store_table_stats){0};
    pthread_mutex_lock(&table->lock);
    for (uint32_t i = 0; i < table->parts_count; i++) {
        const struct weir_series_part *part = table->parts[i];
        ret->rows_count += part->samples_count;
        ret->disk_bytes += part->size_bytes;
        if (part->series_count > ret->series_count) ret->series_count = part->series_count;
        if (part->min_ms < min_ms) min_ms = part->min_ms;
        if (part->max_ms > max_ms) max_ms = part->max_ms;
    }
    ret->parts_count = table->parts_count;
    for (uint32_t i = 0; i <= table->frozen_count; i++) {
        struct weir_series_mem *mem = i < table->frozen_count ? table->frozen[i] : table->active;
        pthread_rwlock_rdlock(&mem->lock);
        ret->rows_count += mem->samples_count;
        if (mem->map.count > ret->series_count) ret->series_count = mem->map.count;
        if (mem->min_ms < min_ms) min_ms = mem->min_ms;
        if (mem->max_ms > max_ms) max_ms = mem->max_ms;
        pthread_rwlock_unlock(&mem->lock);
    }
    pthread_mutex_unlock(&table->lock);
    if (min_ms <= max_ms) ret->oldest_ns = ns_of(min_ms), ret->newest_ns = ns_of(max_ms);
}

int weir_series_snapshot_init(struct weir_series_table *table, int64_t from_ms, int64_t until_ms,
                              struct weir_series_snapshot *ret, struct weir_error *reterr) {
    *ret = (struct weir_series_snapshot){0};
    pthread_mutex_lock(&table->lock);
    ret->parts = malloc((table->parts_count + 1) * sizeof(struct weir_series_part *));
    for (uint32_t i = 0; ret->parts && i < table->parts_count; i++) {
        struct weir_series_part *part = table->parts[i];
        if (part->max_ms < from_ms || part->min_ms > until_ms)
            ret->parts_skipped++;
        else
            ret->parts[ret->parts_count++] = weir_series_part_ref(part);
    }
    for (uint32_t i = 0; ret->parts && i <= table->frozen_count; i++)
        ret->mems[ret->mems_count++] =
            weir_series_mem_ref(i < table->frozen_count ? table->frozen[i] : table->active);
    pthread_mutex_unlock(&table->lock);
    return ret->parts ? 0
                      : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read %s", table->path);
}

void weir_series_snapshot_done(struct weir_series_snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->parts_count; i++) weir_series_part_unref(snapshot->parts[i]);
    for (uint32_t i = 0; i < snapshot->mems_count; i++) weir_series_mem_unref(snapshot->mems[i]);
    free(snapshot->parts);
    *snapshot = (struct weir_series_snapshot){0};
}

/* ---- metadata ---- */

bool weir_series_meta_put(struct weir_series_table *table, const struct weir_metric_meta *meta) {
    bool ok = true;
    pthread_mutex_lock(&table->metas_lock);
    if (!weir_map_get(&table->metas, meta->name) && table->metas.count < WEIR_SERIES_METAS_MAX) {
        struct weir_arena *arena = &table->metas_arena;
        struct weir_metric_meta *copy = WEIR_NEW(arena, struct weir_metric_meta);
        if (copy)
            *copy = (struct weir_metric_meta){
                weir_arena_copy(arena, meta->name), weir_arena_copy(arena, meta->otlp_name),
                weir_arena_copy(arena, meta->type), weir_arena_copy(arena, meta->unit),
                weir_arena_copy(arena, meta->help)};
        ok = copy && !arena->failed &&
             weir_map_put(&table->metas, copy->name, (uint64_t)(uintptr_t)copy, NULL);
    }
    pthread_mutex_unlock(&table->metas_lock);
    return ok;
}

int weir_store_series_metadata(struct weir_store_table *base, struct weir_query *query,
                               weir_visit_meta *visit, void *arg, struct weir_error *reterr) {
    struct weir_series_table *table = weir_series_table_of(base);
    struct weir_metric_meta *metas;
    pthread_mutex_lock(&table->metas_lock);
    uint32_t count = table->metas.count;
    metas = WEIR_NEW_ARRAY(&query->arena, struct weir_metric_meta, count + 1);
    for (uint32_t i = 0; metas && i < count; i++) /* what the views point to stays */
        metas[i] = *(const struct weir_metric_meta *)(uintptr_t)table->metas.entries[i].value;
    pthread_mutex_unlock(&table->metas_lock);
    if (!metas) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the list of metrics");
    for (uint32_t i = 0; i < count; i++)
        if (!visit(arg, &metas[i])) break;
    return 0;
}

/* ---- life ---- */

static void close_table(struct weir_store_table *base) {
    struct weir_series_table *table = weir_series_table_of(base);
    if (!table) return;
    for (uint32_t i = 0; i < table->parts_count; i++) weir_series_part_unref(table->parts[i]);
    for (uint32_t i = 0; i < table->frozen_count; i++) weir_series_mem_unref(table->frozen[i]);
    weir_series_mem_unref(table->active);
    weir_manifest_done(&table->manifest);
    weir_map_done(&table->metas);
    weir_map_done(&table->deltas);
    weir_arena_done(&table->metas_arena);
    weir_arena_done(&table->deltas_arena);
    weir_arena_done(&table->scratch);
    weir_buf_done(&table->key);
    weir_buf_done(&table->labels);
    pthread_mutex_destroy(&table->lock);
    pthread_mutex_destroy(&table->commit);
    pthread_mutex_destroy(&table->metas_lock);
    free(table->parts);
    free(table->path);
    free(table);
}

/* A part that cannot be read leaves the manifest; its file is kept for whoever can mend it. */
static void set_aside(const char *path, const struct weir_error *why) {
    char bad[PATH_MAX];
    if (snprintf(bad, sizeof bad, "%s.bad", path) >= (int)sizeof bad) return;
    if (rename(path, bad)) bad[0] = 0;
    weir_log_error("store", "%s%s%s; its samples are missing until it is restored", why->message,
                   bad[0] ? "; set aside as " : "", bad);
}

static int load_part(struct weir_series_table *table, uint64_t id, struct weir_error *reterr) {
    char path[PATH_MAX];
    struct weir_series_part *part;
    struct weir_error err = {0};
    if (!weir_manifest_part_path(table->path, id, path, sizeof path))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", table->path);
    int code = weir_series_part_open(table->disk, path, id, &part, &err);
    if (code == WEIR_ECORRUPT || code == WEIR_ENOTFOUND) {
        set_aside(path, &err);
        return 0;
    }
    if (code) {
        if (reterr) *reterr = err;
        return code;
    }
    table->parts[table->parts_count++] = part;
    for (uint32_t i = 0; i < part->metas_count; i++)
        if (!weir_series_meta_put(table, &part->metas[i]))
            return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", table->path);
    return 0;
}

static int load_parts(struct weir_series_table *table, struct weir_error *reterr) {
    struct weir_manifest *manifest = &table->manifest;
    int code = weir_manifest_read(table->disk, table->path, manifest, reterr);
    if (code) return code;
    atomic_store(&table->flushed_seq, manifest->flushed_seq);
    code = weir_manifest_sweep(table->disk, table->path, manifest, reterr);
    if (code) return code;
    table->parts = calloc(manifest->parts_count + 1, sizeof(struct weir_series_part *));
    if (!table->parts)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", table->path);
    for (uint32_t i = 0; i < manifest->parts_count && code == 0; i++)
        code = load_part(table, manifest->part_ids[i], reterr);
    if (code) return code;
    if (table->parts_count)
        qsort(table->parts, table->parts_count, sizeof(struct weir_series_part *), by_rank);
    if (table->parts_count == manifest->parts_count) return 0;
    manifest->parts_count = table->parts_count; /* some were set aside */
    for (uint32_t i = 0; i < table->parts_count; i++) manifest->part_ids[i] = table->parts[i]->id;
    return weir_manifest_write(table->disk, table->path, manifest, reterr);
}

int weir_store_series_open(const struct weir_store_table_options *options,
                           struct weir_store_table **ret, struct weir_error *reterr) {
    struct weir_series_table *table = calloc(1, sizeof *table);
    if (!table)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", options->path);
    table->base = (struct weir_store_table){.name = "metrics",
                                            .signal = WEIR_SIGNAL_METRIC,
                                            .append = weir_series_append,
                                            .freeze = freeze,
                                            .flush = weir_series_flush,
                                            .merge = weir_series_parts_merge,
                                            .drop_before = drop_before,
                                            .oldest_part_ns = oldest_part_ns,
                                            .drop_oldest = drop_oldest,
                                            .load = load,
                                            .stats = stats,
                                            .close = close_table};
    table->disk = options->disk;
    table->active_series_max = WEIR_SERIES_ACTIVE_MAX;
    pthread_mutex_init(&table->lock, NULL);
    pthread_mutex_init(&table->commit, NULL);
    pthread_mutex_init(&table->metas_lock, NULL);
    weir_map_init(&table->metas);
    weir_map_init(&table->deltas);
    weir_arena_init(&table->metas_arena, 0);
    weir_arena_init(&table->deltas_arena, 0);
    weir_arena_init(&table->scratch, 0);
    weir_buf_init(&table->key, WEIR_SERIES_KEY_LEN_MAX);
    weir_buf_init(&table->labels, WEIR_SERIES_EXEMPLAR_LABELS_LEN_MAX * 2);
    table->path = strdup(options->path);
    table->active = weir_series_mem_new();
    int code = table->path && table->active
                   ? load_parts(table, reterr)
                   : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", options->path);
    if (code)
        close_table(&table->base);
    else
        *ret = &table->base;
    return code;
}
