/* SPDX-License-Identifier: Apache-2.0 */
/* What each component of the server is doing, for readiness and target pages.
 *
 * Threads: any.
 */
#ifndef WEIR_BASE_STATE_H
#define WEIR_BASE_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct weir_state; /* one component's entry; lives until the program ends */

struct weir_state_view {
    const char *component; /* "store", "otlp/grpc", ... */
    bool ready;            /* serves now */
    char detail[256];      /* where it listens, how much it holds; "" if there is nothing to say */
    char last_error[256];  /* "" if none yet */
    int64_t last_error_ns; /* wall time of it, 0 if none */
    int64_t since_ns;      /* wall time of the last change of `ready` */
};

/* Registers a component as not ready. Keeps `component` (a literal). Never NULL: past 64 components
 * all share the last entry. */
struct weir_state *weir_state_new(const char *component);
void weir_state_set_ready(struct weir_state *state, bool ready, const char *detail_format, ...)
    __attribute__((format(printf, 3, 4)));
/* Remembers the error; readiness is not changed. */
void weir_state_set_error(struct weir_state *state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True when every registered component is ready. */
bool weir_state_all_ready(void);
/* Copies entry `index` out; false past the end. */
bool weir_state_get(unsigned index, struct weir_state_view *ret);

#endif
