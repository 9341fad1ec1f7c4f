/* SPDX-License-Identifier: Apache-2.0 */
/* A source in memory for tests of what asks sources: rows come from OTLP/JSON, blocks are small so
 * that their borders are crossed, and every hint is either ignored or taken by its word. A query
 * must answer the same both ways.
 *
 * Threads: owner only.
 */
#ifndef WEIR_TESTS_SUPPORT_FAKE_SOURCE_H
#define WEIR_TESTS_SUPPORT_FAKE_SOURCE_H

#include "otlp/batch.h"
#include "query/source.h"

enum { FAKE_SOURCE_BATCHES_MAX = 64 };

struct fake_source {
    struct weir_source source; /* first: the interface points here */
    struct weir_otlp_batch *batches[FAKE_SOURCE_BATCHES_MAX];
    uint32_t batches_count;
    uint32_t block_rows;    /* rows of one block, default 3 */
    bool obey_hints;        /* rows that a predicate excludes are left out */
    uint32_t selects_count; /* select calls so far */
    uint32_t rows_given;    /* rows of all blocks so far */
    /* The live subscriber. */
    weir_tail_rows *tail_rows;
    void *tail_arg;
    const struct weir_column *tail_columns;
    uint32_t tail_columns_count;
};

void fake_source_init(struct fake_source *fake);
void fake_source_done(struct fake_source *fake);
/* Adds an ExportTraceServiceRequest or ExportLogsServiceRequest in JSON; fails the test if
 * malformed. A live subscriber of that table gets the rows at once. */
void fake_source_add_json(struct fake_source *fake, enum weir_signal signal, struct weir_view json);

#endif
