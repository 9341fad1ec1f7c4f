/* SPDX-License-Identifier: Apache-2.0 */
/* A table's manifest: which parts count, and up to which write-log record they hold everything.
 *
 * One small text file per table, replaced atomically; the only truth about what a table holds. A
 * part file that it does not name is a leftover of a crash and is removed at start; a part that it
 * names was fsynced before. docs/formats/manifest.md draws it.
 *
 * Threads: owner only.
 */
#ifndef WEIR_STORE_MANIFEST_H
#define WEIR_STORE_MANIFEST_H

#include "store/disk.h"

struct weir_manifest {
    uint64_t flushed_seq; /* all log records of the table up to here are in parts */
    uint64_t next_id;     /* the next part's id; ids are never used twice */
    uint64_t *part_ids;   /* heap */
    uint32_t parts_count;
};

/* "<folder>/<id as 16 hex digits>.part" into `ret`; false when it is too long. */
bool weir_manifest_part_path(const char *folder, uint64_t id, char *ret, size_t ret_size);

/* Reads "<folder>/manifest". A missing file gives an empty manifest (next_id 1), which is written,
 * unless part files lie in the folder: then WEIR_ECORRUPT. Also WEIR_ECORRUPT for a bad checksum,
 * WEIR_EVERSION for a newer format. */
int weir_manifest_read(struct weir_disk *disk, const char *folder, struct weir_manifest *ret,
                       struct weir_error *reterr);
/* Replaces the file; durable when it returns 0. */
int weir_manifest_write(struct weir_disk *disk, const char *folder,
                        const struct weir_manifest *manifest, struct weir_error *reterr);
/* Removes the part files and temp files in the folder that the manifest does not name. */
int weir_manifest_sweep(struct weir_disk *disk, const char *folder,
                        const struct weir_manifest *manifest, struct weir_error *reterr);
void weir_manifest_done(struct weir_manifest *manifest);

#endif
