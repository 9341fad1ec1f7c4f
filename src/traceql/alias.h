/* SPDX-License-Identifier: Apache-2.0 */
/* Names that one thing had in the generations of the messaging conventions. A query that asks for
 * any of them finds spans of all of them; nothing is rewritten when it is stored.
 *
 * Threads: any. Source: OpenTelemetry semantic conventions 1.44, messaging, deprecated names.
 */
#ifndef WEIR_TRACEQL_ALIAS_H
#define WEIR_TRACEQL_ALIAS_H

#include <stdint.h>

#include "base/view.h"

enum { WEIR_TRACEQL_ALIASES_MAX = 8 };

struct weir_traceql_aliases {
    struct weir_view names[WEIR_TRACEQL_ALIASES_MAX]; /* the asked name first */
    uint32_t count;                                   /* ≥ 1 */
    bool loose; /* some generations wrote a number, some its text: 3 equals "3" */
};

/* All names under which the attribute may be found. */
struct weir_traceql_aliases weir_traceql_aliases_of(struct weir_view name);

#endif
