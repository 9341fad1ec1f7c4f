/* SPDX-License-Identifier: Apache-2.0 */
/* Size-tiered merges: four or more parts of like size and of the same day become one.
 *
 * Memory: one decoded block per part read, plus those whose rows wait in the writer's block. */
#include <limits.h>
#include <stdlib.h>

#include "store/part_block.h"
#include "store/part_writer.h"
#include "store/rows.h"
#include "store/rows_flush.h"

enum {
    PARTS_MIN = 4,
    PARTS_MAX = 8,
    TIER_BYTES = 256 << 10, /* parts below are of one tier; each next tier is four times as large */
};
static const uint64_t part_bytes_max = UINT64_C(2) << 30; /* larger ones stay as they are */

/* ---- which parts ---------------------------------------------------------------------------- */

static unsigned tier_of(const struct weir_part *part) {
    unsigned tier = 0;
    for (uint64_t size = part->size_bytes / TIER_BYTES; size; size /= 4) tier++;
    return tier;
}

/* Parts of one day have its number; parts over several days share one bucket. */
static int64_t bucket_of(const struct weir_part *part) {
    int64_t first = weir_rows_day(part->min_ns), last = weir_rows_day(part->max_ns);
    return first == last ? first : INT64_MIN;
}

static int by_bucket_tier_time(const void *a, const void *b) {
    const struct weir_part *x = *(struct weir_part *const *)a, *y = *(struct weir_part *const *)b;
    int64_t bucket_x = bucket_of(x), bucket_y = bucket_of(y);
    if (bucket_x != bucket_y) return bucket_x < bucket_y ? -1 : 1;
    unsigned tier_x = tier_of(x), tier_y = tier_of(y);
    if (tier_x != tier_y) return tier_x < tier_y ? -1 : 1;
    if (x->min_ns != y->min_ns) return x->min_ns < y->min_ns ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool alike(const struct weir_part *a, const struct weir_part *b) {
    return bucket_of(a) == bucket_of(b) && tier_of(a) == tier_of(b);
}

/* Gives references to the parts to merge, the smallest tier of the newest day first; 0 = none. */
static uint32_t choose(struct weir_rows *rows, struct weir_part *ret[PARTS_MAX]) {
    struct weir_rows_snapshot snapshot;
    if (weir_rows_snapshot_init(rows, INT64_MIN, INT64_MAX, &snapshot, NULL) != WEIR_OK) return 0;
    uint32_t count = 0, best = 0, best_count = 0;
    for (uint32_t i = 0; i < snapshot.parts_count; i++) {
        struct weir_part *part = snapshot.parts[i];
        if (part->size_bytes < part_bytes_max && !atomic_load(&part->damaged)) {
            struct weir_part *other = snapshot.parts[count];
            snapshot.parts[count++] = part;
            snapshot.parts[i] = other;
        }
    }
    qsort(snapshot.parts, count, sizeof(struct weir_part *), by_bucket_tier_time);
    for (uint32_t from = 0, until; from < count; from = until) {
        for (until = from + 1; until < count && alike(snapshot.parts[from], snapshot.parts[until]);)
            until++;
        bool newer_day =
            !best_count || bucket_of(snapshot.parts[from]) > bucket_of(snapshot.parts[best]);
        if (until - from < PARTS_MIN || !newer_day) continue;
        best = from;
        best_count = until - from < PARTS_MAX ? until - from : PARTS_MAX;
    }
    for (uint32_t i = 0; i < best_count; i++) ret[i] = weir_part_ref(snapshot.parts[best + i]);
    weir_rows_snapshot_done(&snapshot);
    return best_count;
}

/* ---- merging -------------------------------------------------------------------------------- */

/* One decoded block; retired ones wait until the writer needs their rows no more. */
struct lump {
    struct lump *next;
    struct weir_part_reader reader;
    struct weir_part_block block;
    const struct weir_row *rows;
};

struct input {
    struct weir_part *part;
    uint32_t next_block;
    struct lump *lump; /* the current one; NULL = exhausted */
    uint32_t at;       /* row in it */
};

struct job {
    struct input inputs[PARTS_MAX];
    uint32_t inputs_count;
    struct lump *retired;
    struct weir_part_writer *writer;
};

static void free_lumps(struct lump *lump) {
    while (lump) {
        struct lump *next = lump->next;
        weir_part_reader_done(&lump->reader);
        free(lump);
        lump = next;
    }
}

static int load_block(struct input *input, struct weir_error *reterr) {
    struct lump *lump = calloc(1, sizeof *lump);
    if (!lump)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to merge %s", input->part->path);
    int rc = weir_part_reader_init(&lump->reader, NULL, 0, reterr);
    if (rc == WEIR_OK)
        rc = weir_part_block_init(&lump->block, &lump->reader, input->part, input->next_block,
                                  reterr);
    if (rc == WEIR_OK) rc = weir_part_block_rows(&lump->block, &lump->rows, reterr);
    if (rc != WEIR_OK) {
        free_lumps(lump);
        return rc;
    }
    input->lump = lump;
    input->at = 0;
    input->next_block++;
    return WEIR_OK;
}

/* The input whose next row comes first; the earlier part where times are equal. NULL = all done. */
static struct input *next_input(struct job *job) {
    struct input *best = NULL;
    for (uint32_t i = 0; i < job->inputs_count; i++) {
        struct input *input = &job->inputs[i];
        if (!input->lump) continue;
        if (!best || input->lump->rows[input->at].time_ns < best->lump->rows[best->at].time_ns)
            best = input;
    }
    return best;
}

static int step(struct job *job, struct input *input, struct weir_error *reterr) {
    bool wrote;
    int rc = weir_part_writer_add(job->writer, &input->lump->rows[input->at], &wrote, reterr);
    if (rc != WEIR_OK) return rc;
    if (wrote) {
        free_lumps(job->retired);
        job->retired = NULL;
    }
    if (++input->at < input->lump->block.rows_count) return WEIR_OK;
    input->lump->next = job->retired;
    job->retired = input->lump;
    input->lump = NULL;
    return input->next_block < input->part->blocks_count ? load_block(input, reterr) : WEIR_OK;
}

static int run(struct job *job, const atomic_bool *stop, struct weir_error *reterr) {
    int rc = WEIR_OK;
    for (uint32_t i = 0; i < job->inputs_count && rc == WEIR_OK; i++)
        rc = load_block(&job->inputs[i], reterr);
    for (struct input *input; rc == WEIR_OK && (input = next_input(job));) {
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return weir_error_set(reterr, WEIR_ECANCELED, "merge was stopped");
        rc = step(job, input, reterr);
    }
    return rc == WEIR_OK ? weir_part_writer_finish(job->writer, reterr) : rc;
}

static int merge_parts(struct weir_rows *rows, struct weir_part **parts, uint32_t count,
                       const atomic_bool *stop, struct weir_error *reterr) {
    char path[PATH_MAX];
    uint64_t id = weir_rows_next_id(rows);
    if (!weir_manifest_part_path(rows->path, id, path, sizeof path))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", rows->path);
    struct job job = {.inputs_count = count};
    for (uint32_t i = 0; i < count; i++) job.inputs[i].part = parts[i];
    int rc = weir_part_writer_open(rows->disk, path, rows->table, &job.writer, reterr);
    if (rc != WEIR_OK) return rc;
    rc = run(&job, stop, reterr);
    weir_part_writer_close(job.writer);
    for (uint32_t i = 0; i < count; i++) free_lumps(job.inputs[i].lump);
    free_lumps(job.retired);
    struct weir_part *merged = NULL;
    if (rc == WEIR_OK) rc = weir_part_open(rows->disk, path, id, rows->table, &merged, reterr);
    if (rc == WEIR_OK) rc = weir_disk_sync_dir(rows->disk, rows->path, reterr);
    if (rc == WEIR_OK) rc = weir_rows_commit(rows, parts, count, &merged, 1, 0, NULL, reterr);
    if (rc == WEIR_OK) return rc;
    if (rc != WEIR_EIO) weir_disk_remove(rows->disk, path, NULL);
    weir_part_unref(merged);
    return rc;
}

int weir_rows_merge(struct weir_rows *rows, const atomic_bool *stop, bool *ret_did,
                    struct weir_error *reterr) {
    struct weir_part *parts[PARTS_MAX];
    uint32_t count = choose(rows, parts);
    int rc = count ? merge_parts(rows, parts, count, stop, reterr) : WEIR_OK;
    for (uint32_t i = 0; i < count; i++) weir_part_unref(parts[i]);
    *ret_did = count > 0 && rc == WEIR_OK;
    return rc;
}
