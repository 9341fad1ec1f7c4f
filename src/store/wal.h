/* SPDX-License-Identifier: Apache-2.0 */
/* The write log: what is in it after a successful append survives everything but the disk's death.
 *
 *     wal/0000000000000001.wal   header │ record record record …      (docs/formats/wal.md)
 *     wal/00000000000004d2.wal   header │ record …  ◀─ append, one fdatasync per group
 *
 * A segment is named after its first record's number. A write that fails is cut off again. When an
 * fsync fails, nobody knows what of the group is on disk: the segment is left as it is for ever and
 * the group is written to a new one; a reader who meets a record twice takes it once.
 *
 * Threads: append and cut: one writer each (cut may run beside append). Opening: before both.
 */
#ifndef WEIR_STORE_WAL_H
#define WEIR_STORE_WAL_H

#include "otlp/batch.h"
#include "store/disk.h"

enum { WEIR_WAL_RECORD_MAX = 256 << 20 }; /* bytes of one batch */

struct weir_wal_record {
    uint64_t seq;
    enum weir_signal signal;
    struct weir_view bytes; /* an Export…ServiceRequest */
};

struct weir_wal_options {
    struct weir_disk *disk; /* kept */
    const char *path;       /* the log's folder, already there; copied */
    uint64_t segment_bytes; /* a segment is closed when it is as large; 0 = 64 MiB */
};

struct weir_wal_report {
    uint64_t records_count; /* read back */
    uint64_t torn_bytes;    /* cut off at the very end: never acknowledged */
    uint32_t damaged_count; /* places in the middle that could not be read */
};

/* A record read back; a code ends the opening with it. */
typedef int weir_wal_visit(void *arg, const struct weir_wal_record *record,
                           struct weir_error *reterr);

struct weir_wal;
/* Reads every record once, in order, then stands ready to append. Damage in the middle is skipped;
 * the segment is kept as <name>.bad for whoever can mend it. */
int weir_wal_open(const struct weir_wal_options *options, weir_wal_visit *visit, void *arg,
                  struct weir_wal **ret, struct weir_wal_report *ret_report,
                  struct weir_error *reterr);
/* Takes NULL. */
void weir_wal_close(struct weir_wal *wal);
/* Writes and fsyncs a group whose seq ascend. After an error none of it counts (it may still be
 * read back after a crash), and the next append may succeed. WEIR_EFULL, WEIR_EIO, … */
int weir_wal_append(struct weir_wal *wal, const struct weir_wal_record *records, uint32_t count,
                    struct weir_error *reterr);
/* Removes segments all of whose records are ≤ seq; the one that is written to, too, if `all`. */
int weir_wal_cut(struct weir_wal *wal, uint64_t seq, bool all, struct weir_error *reterr);
/* Largest seq in the log so far; 0 = none. */
uint64_t weir_wal_last_seq(struct weir_wal *wal);
uint64_t weir_wal_bytes(struct weir_wal *wal);
/* Bytes of the segments that only a record of `seq` (and later ones) keeps from being cut. */
uint64_t weir_wal_bytes_from(struct weir_wal *wal, uint64_t seq);

#endif
