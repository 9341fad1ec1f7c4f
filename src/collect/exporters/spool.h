/* SPDX-License-Identifier: Apache-2.0 */
/* A durable queue in a folder: what was put is answered when it is on disk, and given out in order,
 * after a crash too.
 *
 *     0000000000000000.spool   [len crc kind bytes][len crc kind bytes]…  up to 16 MiB each,
 *     0000000001000000.spool   …                                          named by where they begin
 *     cursor                   how far the reader has come
 *
 * len, crc: 32 bits, little-endian; crc (CRC-32C) over kind and bytes. A torn or damaged end is cut
 * off when the spool is opened; what was cut was never answered. The cursor is not forced to disk:
 * after a power cut records may be given out again, none is left out.
 *
 * Threads: put any; peek and advance one; done is called on the spool's own thread.
 * Memory: peek's bytes live until the next peek.
 */
#ifndef WEIR_COLLECT_EXPORTERS_SPOOL_H
#define WEIR_COLLECT_EXPORTERS_SPOOL_H

#include "base/error.h"
#include "base/view.h"

struct weir_spool;

/* Makes the folder; one owner at a time (locked). Errors: WEIR_EIO with the path, WEIR_ECONFLICT
 * (another process has it), WEIR_ENOMEMORY. */
int weir_spool_open(const char *path, uint64_t bytes_max, struct weir_spool **ret,
                    struct weir_error *reterr);
/* What was put and not yet answered is answered. Takes NULL. */
void weir_spool_close(struct weir_spool *spool);

typedef void weir_spool_done(void *arg, int code);
/* Appends a copy. WEIR_OK: `done` comes, with WEIR_OK once it is on disk. WEIR_EFULL (bytes_max, or
 * the disk's own end), WEIR_EIO: `done` does not come. */
int weir_spool_put(struct weir_spool *spool, uint8_t kind, struct weir_view bytes,
                   weir_spool_done *done, void *arg);
/* The oldest record, waiting for one up to `wait_ms`. False: none came. The same again until
 * advance. */
bool weir_spool_peek(struct weir_spool *spool, int64_t wait_ms, uint8_t *ret_kind,
                     struct weir_view *ret_bytes);
/* The record that peek gave is done with. */
void weir_spool_advance(struct weir_spool *spool);
/* Makes a waiting peek, and every later one, return at once. Any thread. */
void weir_spool_wake(struct weir_spool *spool);
/* Bytes that wait, heads included. Any thread. */
uint64_t weir_spool_bytes(struct weir_spool *spool);

#endif
