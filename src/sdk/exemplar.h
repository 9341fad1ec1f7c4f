/* SPDX-License-Identifier: Apache-2.0 */
/* Exemplars: single measurements that a series remembers, with the span that they belong to.
 *
 * A series has slots: a histogram one per bucket, a sum a few, a gauge one. What is offered
 * replaces what is there so that each measurement since the slots were last taken is as likely to
 * be kept as another. A slot that somebody else is just using is left alone: offering never waits.
 *
 * Threads: offering any, without lock or allocation; taking the collection's.
 * Source: OpenTelemetry specification 1.60, metrics/sdk.md, Exemplar.
 */
#ifndef WEIR_SDK_EXEMPLAR_H
#define WEIR_SDK_EXEMPLAR_H

#include <stdatomic.h>

#include "base/arena.h"
#include "weir/context.h"

enum { WEIR_EXEMPLARS_OF_SUM = 4 };

struct weir_exemplar {
    int64_t time_ns; /* wall time */
    double value;
    uint8_t trace_id[16], span_id[8]; /* all zero: none */
};

struct weir_exemplar_slot {
    _Atomic uint64_t seen; /* measurements since it was taken */
    _Atomic uint64_t next; /* the number of the one that it keeps next, at the earliest */
    _Atomic uint32_t turn; /* of a series' first slot, when any will do: whose turn it is */
    atomic_bool busy;      /* guards the rest */
    bool full;
    struct weir_exemplar exemplar;
};

/* Offers to this slot. `span` is borrowed; NULL: the measurement was made in none. */
void weir_exemplar_offer(struct weir_exemplar_slot *slot, double value,
                         const struct weir_span_context *span);
/* The same to slots of which any will do, in turns. */
void weir_exemplar_offer_any(struct weir_exemplar_slot *slots, uint32_t count, double value,
                             const struct weir_span_context *span);
/* Moves what the slots hold into the arena; gives the number. Past memory they are lost. */
uint32_t weir_exemplars_take(struct weir_exemplar_slot *slots, uint32_t count,
                             struct weir_arena *arena, const struct weir_exemplar **ret);
/* Forgets what they hold. */
void weir_exemplars_clear(struct weir_exemplar_slot *slots, uint32_t count);

#endif
