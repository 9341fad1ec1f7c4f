/* SPDX-License-Identifier: Apache-2.0 */
/* What the system says about this process: memory, processor time, threads, descriptors.
 *
 * Threads: any.
 */
#ifndef WEIR_SDK_PROCESS_H
#define WEIR_SDK_PROCESS_H

#include "base/buf.h"

struct weir_process {                  /* 0 where the system does not say */
    double cpu_seconds, start_seconds; /* processor time used; wall time of its start */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t threads, open_fds, max_fds;
};

void weir_process_read(struct weir_process *ret);
/* Appends the customary process_* families as Prometheus text. */
void weir_process_add_text(struct weir_buf *buf);

#endif
