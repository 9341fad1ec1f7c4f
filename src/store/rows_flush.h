/* SPDX-License-Identifier: Apache-2.0 */
/* From a frozen memtable to parts.
 *
 * Threads: the flush thread.
 */
#ifndef WEIR_STORE_ROWS_FLUSH_H
#define WEIR_STORE_ROWS_FLUSH_H

#include "store/rows.h"

/* The UTC day of a time, counted from 1970-01-01. */
int64_t weir_rows_day(int64_t time_ns);

/* Sorts the rows, writes one part per day (rows of many old days share one), commits. */
int weir_rows_flush_memtable(struct weir_rows *rows, struct weir_memtable *memtable,
                             struct weir_error *reterr);

#endif
