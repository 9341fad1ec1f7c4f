/* SPDX-License-Identifier: Apache-2.0 */
/* One sink in front of several: each gets the batch, and the sender one answer when all have
 * answered. A refusal that may be tried again wins over one that may not, that over success: the
 * sender then sends again, and those that had taken it get it twice.
 *
 * Threads: targets are added before the first push; push any.
 */
#ifndef WEIR_COLLECT_FAN_H
#define WEIR_COLLECT_FAN_H

#include "base/arena.h"
#include "otlp/sink.h"

struct weir_fan {
    struct weir_sink sink;
    struct weir_sink **targets;
    uint32_t count, room;
};

void weir_fan_init(struct weir_fan *fan);
/* False: out of memory. A target that is there already is not added again. */
bool weir_fan_add(struct weir_fan *fan, struct weir_arena *arena, struct weir_sink *target);

#endif
