/* SPDX-License-Identifier: Apache-2.0 */
/* Writes one part file out of rows that come in order of time.
 *
 *     open → add, add, … → (a block is full: encoded, written, its rows may go) → finish
 *
 * Until finish returns 0 the file is nobody's: close removes it.
 *
 * Threads: owner only. Memory: one block's rows (borrowed until the block is written) and their
 * encoding; a block is closed at WEIR_BLOCK_ROWS_MAX rows or at about 4 MiB.
 */
#ifndef WEIR_STORE_PART_WRITER_H
#define WEIR_STORE_PART_WRITER_H

#include "store/disk.h"
#include "store/row.h"

struct weir_part_writer;

/* `path` must not exist yet. */
int weir_part_writer_open(struct weir_disk *disk, const char *path, enum weir_table table,
                          struct weir_part_writer **ret, struct weir_error *reterr);
/* Keeps `row` until *ret_wrote says that a block was written: then no row added before is needed
 * any more (this one neither). */
int weir_part_writer_add(struct weir_part_writer *writer, const struct weir_row *row,
                         bool *ret_wrote, struct weir_error *reterr);
/* Writes the last block, meta and trailer, and fsyncs. */
int weir_part_writer_finish(struct weir_part_writer *writer, struct weir_error *reterr);
/* Frees; removes the file unless it was finished. Takes NULL. */
void weir_part_writer_close(struct weir_part_writer *writer);

#endif
