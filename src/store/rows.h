/* SPDX-License-Identifier: Apache-2.0 */
/* A table of rows (spans or logs): memtables, parts and how one becomes the other.
 *
 *     active ─freeze─▶ frozen, frozen ─flush─▶ parts of one day ─merge─▶ fewer, larger parts
 *
 * A reader takes a snapshot: references to every memtable and part as they are at one moment.
 * Whatever happens to the table meanwhile, the snapshot holds each row exactly once.
 *
 * Threads: as store/table.h tells; weir_rows_* of this header: any.
 */
#ifndef WEIR_STORE_ROWS_H
#define WEIR_STORE_ROWS_H

#include <pthread.h>

#include "store/manifest.h"
#include "store/memtable.h"
#include "store/part.h"
#include "store/table.h"

enum { WEIR_ROWS_FROZEN_MAX = 16 };

struct weir_tail {
    struct weir_tail *next;
    enum weir_table table;
    struct weir_column *columns; /* with their keys, one allocation */
    uint32_t columns_count;
    weir_tail_rows *rows;
    void *arg;
};

struct weir_rows {
    struct weir_store_table base; /* must be first */
    enum weir_table table;
    struct weir_disk *disk;
    char *path;

    pthread_mutex_t lock; /* active, frozen*, parts*: held for pointer work only */
    struct weir_memtable *active;
    struct weir_memtable *frozen[WEIR_ROWS_FROZEN_MAX]; /* oldest first */
    uint32_t frozen_count;
    struct weir_part **parts; /* heap, any order */
    uint32_t parts_count;

    pthread_mutex_t commit; /* manifest; held while it is written: flush beside merge */
    struct weir_manifest manifest;
    _Atomic uint64_t flushed_seq;

    pthread_mutex_t tails_lock; /* tails; held while they are called */
    struct weir_tail *tails;
    struct weir_arena tails_arena; /* of the apply thread */
};

/* Opens the folder, loads its parts, removes what a crash left behind. A part that cannot be read
 * is set aside as <id>.bad (and told by *ret_bad_count, and in the log). */
int weir_rows_open(const struct weir_store_table_options *options, enum weir_table table,
                   struct weir_store_table **ret, uint32_t *ret_bad_count,
                   struct weir_error *reterr);

/* What a reader holds on to. */
struct weir_rows_snapshot {
    struct weir_memtable *memtables[WEIR_ROWS_FROZEN_MAX + 1];
    uint64_t counts[WEIR_ROWS_FROZEN_MAX + 1]; /* rows of each that belong to the snapshot */
    uint32_t memtables_count;
    struct weir_part **parts; /* heap */
    uint32_t parts_count;
    uint32_t parts_skipped; /* outside the time range */
};

/* Takes everything that overlaps [from_ns, until_ns). WEIR_ENOMEMORY. */
int weir_rows_snapshot_init(struct weir_rows *rows, int64_t from_ns, int64_t until_ns,
                            struct weir_rows_snapshot *ret, struct weir_error *reterr);
void weir_rows_snapshot_done(struct weir_rows_snapshot *snapshot);

/* Replaces `old_count` parts by `new_count` others in manifest and table, in one step, and raises
 * flushed_seq (0 = as it is). On success keeps the references to the new parts and dooms the old
 * ones; `memtable` (or NULL) leaves the frozen list in the same step.
 * After WEIR_EIO the new manifest may or may not be on disk: the new files must stay (the next
 * start keeps or sweeps them). After any other error they may be removed. */
int weir_rows_commit(struct weir_rows *rows, struct weir_part **old_parts, uint32_t old_count,
                     struct weir_part **new_parts, uint32_t new_count, uint64_t flushed_seq,
                     struct weir_memtable *memtable, struct weir_error *reterr);
/* An id that no part had before. */
uint64_t weir_rows_next_id(struct weir_rows *rows);

/* struct weir_store_table's merge (rows_merge.c). */
int weir_rows_merge(struct weir_rows *rows, const atomic_bool *stop, bool *ret_did,
                    struct weir_error *reterr);

/* As in struct weir_source (rows_cursor.c, rows_names.c, rows_tail.c). */
int weir_rows_select(struct weir_store_table *table, struct weir_query *query,
                     const struct weir_select *select, struct weir_cursor **ret,
                     struct weir_error *reterr);
int weir_rows_names(struct weir_store_table *table, struct weir_query *query, int64_t from_ns,
                    int64_t until_ns, weir_visit_name *visit, void *arg, struct weir_error *reterr);
int weir_rows_values(struct weir_store_table *table, struct weir_query *query,
                     struct weir_column column, int64_t from_ns, int64_t until_ns,
                     weir_visit_value *visit, void *arg, struct weir_error *reterr);
int weir_rows_tail(struct weir_store_table *table, const struct weir_column *columns,
                   uint32_t columns_count, weir_tail_rows *visit, void *arg, struct weir_tail **ret,
                   struct weir_error *reterr);
void weir_rows_tail_close(struct weir_store_table *table, struct weir_tail *tail);
/* Shows rows number `from` … count-1 of the active memtable to those who tail. */
void weir_rows_tail_feed(struct weir_rows *rows, struct weir_memtable *memtable, uint64_t from);

#endif
