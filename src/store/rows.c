/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rows.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/rows_flush.h"

static struct weir_rows *rows_of(struct weir_store_table *table) {
    return (struct weir_rows *)table;
}

/* ---- write side ----------------------------------------------------------------------------- */

static int append(struct weir_store_table *table, const struct weir_otlp_batch *batch, uint64_t seq,
                  struct weir_error *reterr) {
    struct weir_rows *rows = rows_of(table);
    if (weir_otlp_batch_records_count(batch) == 0) return WEIR_OK;
    struct weir_memtable *active = rows->active; /* only this thread replaces it */
    uint64_t before = active->written;
    int rc = weir_memtable_append(active, batch, seq, weir_clock_wall_ns(), reterr);
    if (rc == WEIR_OK) weir_rows_tail_feed(rows, active, before);
    return rc;
}

static int freeze(struct weir_store_table *table, struct weir_error *reterr) {
    struct weir_rows *rows = rows_of(table);
    if (rows->active->written == 0) return WEIR_OK;
    struct weir_memtable *fresh = weir_memtable_new(rows->table);
    if (!fresh) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for a new memtable");
    pthread_mutex_lock(&rows->lock);
    bool full = rows->frozen_count == WEIR_ROWS_FROZEN_MAX;
    if (!full) {
        rows->frozen[rows->frozen_count++] = rows->active;
        rows->active = fresh;
    }
    pthread_mutex_unlock(&rows->lock);
    if (full) weir_memtable_unref(fresh); /* flush is behind; the active one goes on growing */
    return WEIR_OK;
}

static struct weir_memtable *oldest_frozen(struct weir_rows *rows) {
    pthread_mutex_lock(&rows->lock);
    struct weir_memtable *memtable = rows->frozen_count ? rows->frozen[0] : NULL;
    pthread_mutex_unlock(&rows->lock);
    return memtable; /* only the flush thread takes it away */
}

static int flush(struct weir_store_table *table, struct weir_error *reterr) {
    struct weir_rows *rows = rows_of(table);
    for (struct weir_memtable *memtable; (memtable = oldest_frozen(rows));) {
        int rc = weir_rows_flush_memtable(rows, memtable, reterr);
        if (rc != WEIR_OK) return rc;
    }
    return WEIR_OK;
}

static int merge(struct weir_store_table *table, const atomic_bool *stop, bool *ret_did,
                 struct weir_error *reterr) {
    return weir_rows_merge(rows_of(table), stop, ret_did, reterr);
}

uint64_t weir_rows_next_id(struct weir_rows *rows) {
    pthread_mutex_lock(&rows->commit);
    uint64_t id = rows->manifest.next_id++;
    pthread_mutex_unlock(&rows->commit);
    return id;
}

static bool contains(struct weir_part **parts, uint32_t count, const struct weir_part *part) {
    for (uint32_t i = 0; i < count; i++)
        if (parts[i] == part) return true;
    return false;
}

/* Swaps the lists under the lock; nothing can fail here. */
static void swap_parts(struct weir_rows *rows, struct weir_part **parts, uint32_t count,
                       struct weir_memtable *memtable) {
    pthread_mutex_lock(&rows->lock);
    struct weir_part **before = rows->parts;
    rows->parts = parts;
    rows->parts_count = count;
    for (uint32_t i = 0; memtable && i < rows->frozen_count; i++)
        if (rows->frozen[i] == memtable) {
            rows->frozen_count--;
            memmove(rows->frozen + i, rows->frozen + i + 1,
                    (rows->frozen_count - i) * sizeof *rows->frozen);
            break;
        }
    pthread_mutex_unlock(&rows->lock);
    free(before);
}

static int commit_locked(struct weir_rows *rows, struct weir_part **old_parts, uint32_t old_count,
                         struct weir_part **new_parts, uint32_t new_count, uint64_t flushed_seq,
                         struct weir_memtable *memtable, struct weir_error *reterr) {
    size_t room = rows->parts_count + new_count + 1;
    struct weir_part **parts = malloc(room * sizeof(struct weir_part *));
    struct weir_manifest next = rows->manifest;
    next.part_ids = malloc(room * sizeof *next.part_ids);
    next.parts_count = 0;
    if (flushed_seq > next.flushed_seq) next.flushed_seq = flushed_seq;
    int rc = parts && next.part_ids
                 ? WEIR_OK
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the manifest of %s",
                                  rows->path);
    for (uint32_t i = 0; rc == WEIR_OK && i < rows->parts_count; i++)
        if (!contains(old_parts, old_count, rows->parts[i]))
            parts[next.parts_count++] = rows->parts[i];
    for (uint32_t i = 0; rc == WEIR_OK && i < new_count; i++)
        parts[next.parts_count++] = new_parts[i];
    for (uint32_t i = 0; rc == WEIR_OK && i < next.parts_count; i++)
        next.part_ids[i] = parts[i]->id;
    if (rc == WEIR_OK) rc = weir_manifest_write(rows->disk, rows->path, &next, reterr);
    if (rc != WEIR_OK) {
        free(parts);
        free(next.part_ids);
        return rc;
    }
    swap_parts(rows, parts, next.parts_count, memtable);
    weir_manifest_done(&rows->manifest);
    rows->manifest = next;
    atomic_store(&rows->flushed_seq, next.flushed_seq);
    return WEIR_OK;
}

int weir_rows_commit(struct weir_rows *rows, struct weir_part **old_parts, uint32_t old_count,
                     struct weir_part **new_parts, uint32_t new_count, uint64_t flushed_seq,
                     struct weir_memtable *memtable, struct weir_error *reterr) {
    pthread_mutex_lock(&rows->commit);
    int rc = commit_locked(rows, old_parts, old_count, new_parts, new_count, flushed_seq, memtable,
                           reterr);
    pthread_mutex_unlock(&rows->commit);
    if (rc != WEIR_OK) return rc;
    for (uint32_t i = 0; i < old_count; i++) {
        weir_part_doom(old_parts[i]);
        weir_part_unref(old_parts[i]); /* the table's reference */
    }
    weir_memtable_unref(memtable);
    return WEIR_OK;
}

/* ---- retention ------------------------------------------------------------------------------ */

/* The part whose newest row is oldest, or NULL. Only the merge thread takes parts away. */
static struct weir_part *oldest_part(struct weir_rows *rows) {
    struct weir_part *oldest = NULL;
    pthread_mutex_lock(&rows->lock);
    for (uint32_t i = 0; i < rows->parts_count; i++)
        if (!oldest || rows->parts[i]->max_ns < oldest->max_ns) oldest = rows->parts[i];
    pthread_mutex_unlock(&rows->lock);
    return oldest;
}

static int64_t oldest_part_ns(struct weir_store_table *table) {
    struct weir_part *part = oldest_part(rows_of(table));
    return part ? part->max_ns : INT64_MAX;
}

static int drop_oldest(struct weir_store_table *table, uint64_t *ret_bytes,
                       struct weir_error *reterr) {
    struct weir_rows *rows = rows_of(table);
    struct weir_part *part = oldest_part(rows);
    *ret_bytes = part ? part->size_bytes : 0;
    return part ? weir_rows_commit(rows, &part, 1, NULL, 0, 0, NULL, reterr) : WEIR_OK;
}

static int drop_before(struct weir_store_table *table, int64_t before_ns, uint64_t *ret_parts_count,
                       struct weir_error *reterr) {
    struct weir_rows *rows = rows_of(table);
    *ret_parts_count = 0;
    for (struct weir_part *part; (part = oldest_part(rows)) && part->max_ns < before_ns;) {
        int rc = weir_rows_commit(rows, &part, 1, NULL, 0, 0, NULL, reterr);
        if (rc != WEIR_OK) return rc;
        (*ret_parts_count)++;
    }
    return WEIR_OK;
}

/* ---- looking -------------------------------------------------------------------------------- */

static void load(struct weir_store_table *table, struct weir_store_table_load *ret) {
    struct weir_rows *rows = rows_of(table);
    *ret = (struct weir_store_table_load){.pending_seq = UINT64_MAX};
    pthread_mutex_lock(&rows->lock);
    for (uint32_t i = 0; i < rows->frozen_count; i++) {
        ret->frozen_bytes +=
            atomic_load_explicit(&rows->frozen[i]->size_bytes, memory_order_relaxed);
        if (rows->frozen[i]->first_seq < ret->pending_seq)
            ret->pending_seq = rows->frozen[i]->first_seq;
    }
    struct weir_memtable *active = rows->active;
    if (atomic_load_explicit(&active->count, memory_order_acquire)) {
        ret->active_bytes = atomic_load_explicit(&active->size_bytes, memory_order_relaxed);
        ret->active_since_ns = active->since_ns;
        if (active->first_seq < ret->pending_seq) ret->pending_seq = active->first_seq;
    }
    ret->flushed_seq = atomic_load(&rows->flushed_seq);
    pthread_mutex_unlock(&rows->lock);
}

static void stats_add_times(struct weir_store_table_stats *stats, int64_t min_ns, int64_t max_ns) {
    if (min_ns < stats->oldest_ns) stats->oldest_ns = min_ns;
    if (max_ns > stats->newest_ns) stats->newest_ns = max_ns;
}

static void stats(struct weir_store_table *table, struct weir_store_table_stats *ret) {
    struct weir_rows *rows = rows_of(table);
    *ret = (struct weir_store_table_stats){.oldest_ns = INT64_MAX, .newest_ns = INT64_MIN};
    pthread_mutex_lock(&rows->lock);
    for (uint32_t i = 0; i < rows->parts_count; i++) {
        const struct weir_part *part = rows->parts[i];
        ret->rows_count += part->rows_count;
        ret->disk_bytes += part->size_bytes;
        stats_add_times(ret, part->min_ns, part->max_ns);
    }
    ret->parts_count = rows->parts_count;
    for (uint32_t i = 0; i <= rows->frozen_count; i++) {
        struct weir_memtable *memtable = i < rows->frozen_count ? rows->frozen[i] : rows->active;
        uint64_t count = atomic_load_explicit(&memtable->count, memory_order_acquire);
        ret->rows_count += count;
        if (count) stats_add_times(ret, memtable->min_ns, memtable->max_ns);
    }
    pthread_mutex_unlock(&rows->lock);
    if (ret->oldest_ns > ret->newest_ns) ret->oldest_ns = ret->newest_ns = 0;
}

int weir_rows_snapshot_init(struct weir_rows *rows, int64_t from_ns, int64_t until_ns,
                            struct weir_rows_snapshot *ret, struct weir_error *reterr) {
    *ret = (struct weir_rows_snapshot){0};
    pthread_mutex_lock(&rows->lock);
    ret->parts = malloc((rows->parts_count + 1) * sizeof(struct weir_part *));
    for (uint32_t i = 0; ret->parts && i < rows->parts_count; i++) {
        struct weir_part *part = rows->parts[i];
        if (part->max_ns < from_ns || part->min_ns >= until_ns)
            ret->parts_skipped++;
        else
            ret->parts[ret->parts_count++] = weir_part_ref(part);
    }
    for (uint32_t i = 0; ret->parts && i <= rows->frozen_count; i++) {
        struct weir_memtable *memtable = i < rows->frozen_count ? rows->frozen[i] : rows->active;
        uint64_t count = atomic_load_explicit(&memtable->count, memory_order_acquire);
        if (count == 0) continue;
        ret->counts[ret->memtables_count] = count;
        ret->memtables[ret->memtables_count++] = weir_memtable_ref(memtable);
    }
    pthread_mutex_unlock(&rows->lock);
    if (ret->parts) return WEIR_OK;
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read %s", rows->path);
}

void weir_rows_snapshot_done(struct weir_rows_snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->parts_count; i++) weir_part_unref(snapshot->parts[i]);
    for (uint32_t i = 0; i < snapshot->memtables_count; i++)
        weir_memtable_unref(snapshot->memtables[i]);
    free(snapshot->parts);
    *snapshot = (struct weir_rows_snapshot){0};
}

/* ---- life ----------------------------------------------------------------------------------- */

static void close_table(struct weir_store_table *table) {
    struct weir_rows *rows = rows_of(table);
    if (!rows) return;
    for (uint32_t i = 0; i < rows->parts_count; i++) weir_part_unref(rows->parts[i]);
    for (uint32_t i = 0; i < rows->frozen_count; i++) weir_memtable_unref(rows->frozen[i]);
    weir_memtable_unref(rows->active);
    weir_manifest_done(&rows->manifest);
    weir_arena_done(&rows->tails_arena);
    pthread_mutex_destroy(&rows->lock);
    pthread_mutex_destroy(&rows->commit);
    pthread_mutex_destroy(&rows->tails_lock);
    free(rows->parts);
    free(rows->path);
    free(rows);
}

/* A part that cannot be read leaves the manifest, and its file is kept for whoever can mend it. */
static void set_aside(const char *path, const struct weir_error *why) {
    char bad[PATH_MAX];
    if (snprintf(bad, sizeof bad, "%s.bad", path) >= (int)sizeof bad) return;
    if (rename(path, bad) == 0)
        weir_log_error("store", "%s; set aside as %s, its rows are missing until it is restored",
                       why->message, bad);
    else
        weir_log_error("store", "%s; its rows are missing until it is restored", why->message);
}

static int load_parts(struct weir_rows *rows, uint32_t *ret_bad_count, struct weir_error *reterr) {
    struct weir_manifest *manifest = &rows->manifest;
    rows->parts = calloc(manifest->parts_count + 1, sizeof(struct weir_part *));
    if (!rows->parts) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s", rows->path);
    for (uint32_t i = 0; i < manifest->parts_count; i++) {
        char path[PATH_MAX];
        if (!weir_manifest_part_path(rows->path, manifest->part_ids[i], path, sizeof path))
            return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", rows->path);
        struct weir_error err = {0};
        int rc = weir_part_open(rows->disk, path, manifest->part_ids[i], rows->table,
                                &rows->parts[rows->parts_count], &err);
        if (rc == WEIR_OK) {
            rows->parts_count++;
        } else if (rc == WEIR_ECORRUPT || rc == WEIR_ENOTFOUND) {
            set_aside(path, &err);
            (*ret_bad_count)++;
        } else {
            if (reterr) *reterr = err;
            return rc;
        }
    }
    return WEIR_OK;
}

/* Writes the manifest anew when parts were set aside. */
static int forget_bad(struct weir_rows *rows, struct weir_error *reterr) {
    rows->manifest.parts_count = rows->parts_count;
    for (uint32_t i = 0; i < rows->parts_count; i++)
        rows->manifest.part_ids[i] = rows->parts[i]->id;
    return weir_manifest_write(rows->disk, rows->path, &rows->manifest, reterr);
}

int weir_rows_open(const struct weir_store_table_options *options, enum weir_table table,
                   struct weir_store_table **ret, uint32_t *ret_bad_count,
                   struct weir_error *reterr) {
    struct weir_rows *rows = calloc(1, sizeof *rows);
    if (!rows) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", options->path);
    rows->base = (struct weir_store_table){
        .name = table == WEIR_TABLE_SPANS ? "spans" : "logs",
        .signal = table == WEIR_TABLE_SPANS ? WEIR_SIGNAL_TRACE : WEIR_SIGNAL_LOG,
        .append = append,
        .freeze = freeze,
        .flush = flush,
        .merge = merge,
        .drop_before = drop_before,
        .oldest_part_ns = oldest_part_ns,
        .drop_oldest = drop_oldest,
        .load = load,
        .stats = stats,
        .close = close_table,
    };
    rows->table = table;
    rows->disk = options->disk;
    rows->path = strdup(options->path);
    rows->active = weir_memtable_new(table);
    pthread_mutex_init(&rows->lock, NULL);
    pthread_mutex_init(&rows->commit, NULL);
    pthread_mutex_init(&rows->tails_lock, NULL);
    weir_arena_init(&rows->tails_arena, 0);
    uint32_t bad_count = 0;
    int rc = rows->path && rows->active
                 ? weir_manifest_read(rows->disk, options->path, &rows->manifest, reterr)
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", options->path);
    if (rc == WEIR_OK) rc = weir_manifest_sweep(rows->disk, rows->path, &rows->manifest, reterr);
    if (rc == WEIR_OK) rc = load_parts(rows, &bad_count, reterr);
    if (rc == WEIR_OK && bad_count) rc = forget_bad(rows, reterr);
    if (rc != WEIR_OK) {
        close_table(&rows->base);
        return rc;
    }
    rows->flushed_seq = rows->manifest.flushed_seq;
    *ret_bad_count = bad_count;
    *ret = &rows->base;
    return WEIR_OK;
}
