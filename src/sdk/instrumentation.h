/* SPDX-License-Identifier: Apache-2.0 */
/* Instrumentation scopes: the tracers, meters and loggers that an application asked for by name.
 *
 * Threads: any. Memory: they live until the process ends.
 */
#ifndef WEIR_SDK_INSTRUMENTATION_H
#define WEIR_SDK_INSTRUMENTATION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/view.h"

enum { WEIR_INSTRUMENTATIONS_MAX = 4096 };

enum weir_instrumentation_kind {
    WEIR_INSTRUMENTATION_TRACER,
    WEIR_INSTRUMENTATION_METER,
    WEIR_INSTRUMENTATION_LOGGER,
};

struct weir_instrumentation {
    struct weir_instrumentation *_Atomic next; /* of all, in the order in which they were made */
    enum weir_instrumentation_kind kind;
    uint32_t number;                /* below WEIR_INSTRUMENTATIONS_MAX, each its own */
    struct weir_view name, version; /* valid UTF-8 */
    struct weir_view encoded;       /* field `scope` (1) of a Scope… message, with its tag */
    atomic_int severity_min;        /* loggers */
    _Atomic(struct weir_instrument *) instruments; /* meters: the first */
};

/* The public handles. */
struct weir_tracer {
    struct weir_instrumentation info;
};
struct weir_meter {
    struct weir_instrumentation info;
};
struct weir_logger {
    struct weir_instrumentation info;
};

/* Finds or makes one; NULL when memory is out or there are 4096 already. Copies the names. */
struct weir_instrumentation *weir_instrumentation_get(enum weir_instrumentation_kind kind,
                                                      const char *name, const char *version);
/* The first made; follow `next`. */
struct weir_instrumentation *weir_instrumentation_first(void);
pthread_mutex_t *weir_instrumentation_lock(void); /* for fork */

#endif
