/* SPDX-License-Identifier: Apache-2.0 */
/* What became of every record below a partition's committed position, counted once each.
 *
 *     committed = ok + failed + dead_lettered + skipped + open + unknown
 *     loss      = committed - ok - dead_lettered - skipped - open, between
 *                 failed (certain) and failed + unknown (possible)
 *
 * The counts travel in the commit's metadata, so that the partition's next owner goes on from them.
 * What a killed owner had committed and not finished becomes `unknown` there: it may have been
 * processed or not.
 *
 *     weir1 c=1200 o=1190 f=2 d=3 s=1 u=0        at most WEIR_LEDGER_SIZE bytes
 *
 * Threads: values.
 */
#ifndef WEIR_KAFKA_RUNNER_LEDGER_H
#define WEIR_KAFKA_RUNNER_LEDGER_H

#include "base/view.h"

#define WEIR_LEDGER_SIZE 160

/* What became of a record; the values index weir_ledger.outcomes. */
enum weir_outcome {
    WEIR_OUTCOME_OK,
    WEIR_OUTCOME_FAILED,        /* given up: lost, as far as the application is concerned */
    WEIR_OUTCOME_DEAD_LETTERED, /* stands in the dead-letter topic, acknowledged */
    WEIR_OUTCOME_SKIPPED,       /* the handler did not want it */
    WEIR_OUTCOME_COUNT
};

struct weir_ledger {
    uint64_t committed; /* records below the committed position, since the first owner */
    uint64_t outcomes[WEIR_OUTCOME_COUNT];
    uint64_t unknown; /* committed, and nobody can tell */
};

/* Committed records without an outcome. */
static inline uint64_t weir_ledger_open(const struct weir_ledger *ledger) {
    uint64_t known = ledger->unknown;
    for (int i = 0; i < WEIR_OUTCOME_COUNT; i++) known += ledger->outcomes[i];
    return ledger->committed > known ? ledger->committed - known : 0;
}
/* The two bounds of the loss, with the open records counted as not lost. */
static inline uint64_t weir_ledger_lost_min(const struct weir_ledger *ledger) {
    return ledger->outcomes[WEIR_OUTCOME_FAILED];
}
static inline uint64_t weir_ledger_lost_max(const struct weir_ledger *ledger) {
    return ledger->outcomes[WEIR_OUTCOME_FAILED] + ledger->unknown;
}

/* Writes the commit metadata, NUL-terminated. */
void weir_ledger_encode(const struct weir_ledger *ledger, char ret[WEIR_LEDGER_SIZE]);
/* Reads it as the next owner: open records become unknown. Metadata that is not ours (or empty)
 * gives an empty ledger and false. */
bool weir_ledger_decode(struct weir_view metadata, struct weir_ledger *ret);

#endif
