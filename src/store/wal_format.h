/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the write log, as docs/formats/wal.md draws them, and the open log itself: private
 * to wal*.c. */
#ifndef WEIR_STORE_WAL_FORMAT_H
#define WEIR_STORE_WAL_FORMAT_H

#include <pthread.h>

#include "base/buf.h"
#include "store/wal.h"

enum {
    WEIR_WAL_VERSION = 1,
    WEIR_WAL_HEADER_SIZE = 32,
    WEIR_WAL_RECORD_HEADER_SIZE = 24,
};
#define WEIR_WAL_MAGIC        "WEIRWAL\n"
#define WEIR_WAL_RECORD_MAGIC UINT32_C(0x43455257) /* "WREC" */

struct weir_wal_segment {
    uint64_t first_seq; /* in its name */
    uint64_t last_seq;  /* 0 = no record */
    uint64_t size_bytes;
};

struct weir_wal {
    struct weir_disk *disk;
    char *path;
    uint64_t segment_bytes;
    struct weir_buf buf;               /* the group being written; the writer's own */
    int fd;                            /* the last segment, or -1: the next append starts one */
    pthread_mutex_t lock;              /* all below; fd is closed under it, too */
    struct weir_wal_segment *segments; /* oldest first */
    uint32_t segments_count, segments_room;
    uint64_t last_seq;
};

bool weir_wal_segment_path(const struct weir_wal *wal, uint64_t first_seq, char *ret,
                           size_t ret_size);
bool weir_wal_add_segment(struct weir_wal *wal, struct weir_wal_segment segment);
void weir_wal_put_header(struct weir_buf *out, uint64_t first_seq);
void weir_wal_put_record(struct weir_buf *out, const struct weir_wal_record *record);
/* One record from the front of `bytes`: true with its whole size, or false (cut or damaged). */
bool weir_wal_get_record(struct weir_view bytes, struct weir_wal_record *ret, size_t *ret_size);

#endif
