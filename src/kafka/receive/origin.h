/* SPDX-License-Identifier: Apache-2.0 */
/* When a message's story began: the tracestate member `weir`, milliseconds since 1970 in decimal.
 *
 *     tracestate: weir=1763712000123,vendor=x
 *
 * Threads: any; nothing is kept.
 */
#ifndef WEIR_KAFKA_RECEIVE_ORIGIN_H
#define WEIR_KAFKA_RECEIVE_ORIGIN_H

#include "kafka/settings.h"
#include "weir/context.h"

/* The origin that came with a message; -1: none, malformed, or the settings do not want it. */
int64_t weir_kafka_origin_of(const struct weir_kafka_settings *settings,
                             const struct weir_span_context *sender);
/* The same of a tracestate. */
int64_t weir_kafka_origin_parse(struct weir_view state);
/* Writes the tracestate with the member in front of what was there (without an older one) into
 * `ret`; gives its length, 0 when it does not fit. */
size_t weir_kafka_origin_add(struct weir_view state, int64_t origin_ms, char *ret, size_t size);

#endif
