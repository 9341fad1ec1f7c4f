/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rows_flush.h"

#include <limits.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/part_writer.h"

/* Senders choose the times: more days than this in one memtable share a part. */
enum { PARTS_MAX = 8 };

int64_t weir_rows_day(int64_t time_ns) {
    const int64_t day_ns = 86400 * WEIR_NS_PER_S;
    int64_t day = time_ns / day_ns;
    return time_ns % day_ns < 0 ? day - 1 : day;
}

/* Pointers to all rows, by time. The caller frees. */
static const struct weir_row **sorted_rows(struct weir_memtable *memtable, uint64_t count) {
    const struct weir_row **rows = malloc(2 * count * sizeof(struct weir_row *));
    if (!rows) return NULL;
    struct weir_memtable_chunk *chunk = memtable->first;
    for (uint64_t i = 0; i < count; i++) {
        if (i && i % WEIR_MEMTABLE_CHUNK_ROWS == 0) chunk = chunk->next;
        rows[i] = &chunk->rows[i % WEIR_MEMTABLE_CHUNK_ROWS];
    }
    weir_rows_sort(rows, rows + count, count);
    return rows;
}

/* Splits sorted rows at midnight; ret_starts[parts] = count. The newest days get parts of their
 * own. */
static uint32_t split_days(const struct weir_row *const *rows, uint64_t count,
                           uint64_t ret_starts[PARTS_MAX + 1]) {
    uint64_t starts[PARTS_MAX];
    uint32_t parts = 0;
    uint64_t at = count;
    while (at > 0 && parts < PARTS_MAX) { /* from the newest day back */
        int64_t day = weir_rows_day(rows[at - 1]->time_ns);
        while (at > 0 && weir_rows_day(rows[at - 1]->time_ns) == day) at--;
        starts[parts++] = at;
    }
    starts[parts - 1] = 0; /* all older days with the last of them */
    for (uint32_t i = 0; i < parts; i++) ret_starts[i] = starts[parts - 1 - i];
    ret_starts[parts] = count;
    return parts;
}

static int write_rows(struct weir_part_writer *writer, const struct weir_row *const *rows,
                      uint64_t count, struct weir_error *reterr) {
    int rc = WEIR_OK;
    for (uint64_t i = 0; i < count && rc == WEIR_OK; i++) {
        bool wrote;
        rc = weir_part_writer_add(writer, rows[i], &wrote, reterr);
    }
    return rc == WEIR_OK ? weir_part_writer_finish(writer, reterr) : rc;
}

static int write_part(struct weir_rows *rows, const struct weir_row *const *sorted, uint64_t count,
                      struct weir_part **ret, struct weir_error *reterr) {
    char path[PATH_MAX];
    uint64_t id = weir_rows_next_id(rows);
    if (!weir_manifest_part_path(rows->path, id, path, sizeof path))
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", rows->path);
    struct weir_part_writer *writer;
    int rc = weir_part_writer_open(rows->disk, path, rows->table, &writer, reterr);
    if (rc != WEIR_OK) return rc;
    rc = write_rows(writer, sorted, count, reterr);
    weir_part_writer_close(writer);
    if (rc != WEIR_OK) return rc;
    rc = weir_part_open(rows->disk, path, id, rows->table, ret, reterr);
    if (rc != WEIR_OK) weir_disk_remove(rows->disk, path, NULL);
    return rc;
}

int weir_rows_flush_memtable(struct weir_rows *rows, struct weir_memtable *memtable,
                             struct weir_error *reterr) {
    uint64_t count = memtable->count, starts[PARTS_MAX + 1];
    const struct weir_row **sorted = sorted_rows(memtable, count);
    if (!sorted) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to flush %s", rows->path);
    struct weir_part *parts[PARTS_MAX];
    uint32_t parts_count = 0, wanted = split_days(sorted, count, starts);
    int rc = WEIR_OK;
    while (rc == WEIR_OK && parts_count < wanted) {
        uint64_t from = starts[parts_count];
        rc = write_part(rows, sorted + from, starts[parts_count + 1] - from, &parts[parts_count],
                        reterr);
        if (rc == WEIR_OK) parts_count++;
    }
    free(sorted);
    if (rc == WEIR_OK) rc = weir_disk_sync_dir(rows->disk, rows->path, reterr);
    if (rc == WEIR_OK)
        rc = weir_rows_commit(rows, NULL, 0, parts, parts_count, memtable->last_seq, memtable,
                              reterr);
    for (uint32_t i = 0; rc != WEIR_OK && i < parts_count; i++) {
        if (rc != WEIR_EIO) weir_part_doom(parts[i]);
        weir_part_unref(parts[i]);
    }
    return rc;
}
