/* SPDX-License-Identifier: Apache-2.0 */
/* B3, the headers of Zipkin's tracers, in one header or in several.
 *
 *     b3: <trace id, 32 or 16 digits>-<span id>[-<0, 1 or d>[-<parent's span id>]]
 *     x-b3-traceid, x-b3-spanid, x-b3-sampled: 0 or 1, x-b3-flags: 1 (debug)
 *
 * Both forms are read, the single header first. A trace id of 64 bits is padded with zeros. Debug
 * means sampled, and goes on as debug with the context. No state at all leaves the decision open,
 * which reads as not sampled. Ids of the parent are neither used nor written; "b3: 0" and the like,
 * a state without ids, is no context.
 *
 * Threads: any. Memory: nothing is allocated.
 * Source: github.com/openzipkin/b3-propagation; OpenTelemetry 1.60, context/api-propagators.md.
 */
#ifndef WEIR_SDK_B3_H
#define WEIR_SDK_B3_H

#include "weir/propagation.h"

enum weir_b3 { WEIR_B3_ABSENT, WEIR_B3_FOUND, WEIR_B3_DEBUG, WEIR_B3_MALFORMED };

/* FOUND and DEBUG set *ret, with is_remote. */
enum weir_b3 weir_b3_extract(weir_carrier_get *get, void *carrier, struct weir_span_context *ret);
/* Gives the number of headers set. `multi`: several headers. */
int weir_b3_inject(const struct weir_span_context *sc, bool debug, bool multi,
                   weir_carrier_set *set, void *carrier);

#endif
