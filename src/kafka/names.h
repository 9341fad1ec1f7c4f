/* SPDX-License-Identifier: Apache-2.0 */
/* Names of spans' attributes: semantic conventions 1.44, the older ones, or both at once.
 *
 * Everything is written with the names of 1.44; what is older is one table in names.c.
 *
 * Threads: any; nothing is kept.
 * Source: OpenTelemetry semantic conventions 1.44 and, for the older names, 1.11 to 1.24.
 */
#ifndef WEIR_KAFKA_NAMES_H
#define WEIR_KAFKA_NAMES_H

#include "kafka/settings.h"
#include "weir/attribute.h"

/* Attributes that have an older name, at most, of one span: room for them when both are wanted. */
enum { WEIR_KAFKA_OLDER_MAX = 10 };

/* Renames or doubles the attributes in place, as the settings say; `room` of the array. Gives their
 * number. What it puts there lies in static memory or borrows as the attributes did. */
size_t weir_kafka_names_apply(const struct weir_kafka_settings *settings,
                              struct weir_attribute *attrs, size_t count, size_t room);

#endif
