/* SPDX-License-Identifier: Apache-2.0 */
/* Traces that a server with Tempo's API holds: one by its id, and those that link to it.
 *
 * Threads: owner only. Memory: as said.
 * Source: Tempo's HTTP API, /api/traces/<id> and /api/search.
 */
#ifndef WEIR_DOCTOR_STORED_H
#define WEIR_DOCTOR_STORED_H

#include "doctor/check.h"
#include "otlp/batch.h"

enum { WEIR_STORED_LINKED_MAX = 16 };

struct weir_stored {
    struct weir_otlp_batch *trace;
    struct weir_otlp_batch *linked[WEIR_STORED_LINKED_MAX]; /* other traces with links into it */
    uint32_t linked_count;
};

/* Asks `url`. WEIR_ENOTFOUND: no such trace; WEIR_EUNAVAILABLE, WEIR_EINVALID: the server. A server
 * that cannot search for links gives none. */
int weir_stored_read(struct weir_doctor *doctor, const char *url, struct weir_view trace_id,
                     struct weir_stored *ret, struct weir_error *reterr);
void weir_stored_done(struct weir_stored *stored);

#endif
