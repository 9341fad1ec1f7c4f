/* SPDX-License-Identifier: Apache-2.0 */
/* A part file of rows, open for reading: immutable, shared by readers, merges and the table.
 *
 * In memory: one entry per block and the names of attributes; everything else is read when asked.
 * A part that was merged away or dropped is doomed: its file goes with its last reference.
 *
 * Threads: any. Memory: reference-counted.
 */
#ifndef WEIR_STORE_PART_H
#define WEIR_STORE_PART_H

#include "store/disk.h"
#include "store/part_format.h"

struct weir_part {
    atomic_uint refs;
    atomic_bool doomed;
    atomic_bool damaged; /* a block failed its checksum: never merged */
    struct weir_disk *disk;
    int fd;
    char *path;
    uint64_t id;
    enum weir_table table;
    uint64_t size_bytes, rows_count;
    int64_t min_ns, max_ns;
    struct weir_part_block_entry *blocks;
    uint32_t blocks_count;
    char *names; /* encoded, see weir_part_names */
    size_t names_len;
    uint32_t names_count;
};

/* Gives a part with one reference. WEIR_ECORRUPT, WEIR_EVERSION, or what the disk says. */
int weir_part_open(struct weir_disk *disk, const char *path, uint64_t id, enum weir_table table,
                   struct weir_part **ret, struct weir_error *reterr);
struct weir_part *weir_part_ref(struct weir_part *part);
/* Takes NULL. */
void weir_part_unref(struct weir_part *part);
/* The file is removed when the last reference goes. */
void weir_part_doom(struct weir_part *part);

/* Visits names of attributes: scope RESOURCE_ATTR or ATTR, one call per type seen. False when the
 * visitor stopped. */
bool weir_part_names(const struct weir_part *part, weir_visit_name *visit, void *arg);

#endif
