/* SPDX-License-Identifier: Apache-2.0 */
/* Admission: how many bytes of batches may be under way between the doors and the disk. A request
 * that does not fit is refused early, with a hint when to come back, instead of being queued.
 *
 * A request that is larger than the whole budget is let in when nothing else is under way: it could
 * never enter otherwise.
 *
 * Threads: any.
 */
#ifndef WEIR_COLLECT_BUDGET_H
#define WEIR_COLLECT_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

struct weir_budget;

/* NULL: out of memory. */
struct weir_budget *weir_budget_new(size_t bytes_max);
/* Everything must have been given back. Takes NULL. */
void weir_budget_free(struct weir_budget *budget);
/* False: no room now. */
bool weir_budget_try_take(struct weir_budget *budget, size_t bytes);
/* Gives back what was taken. */
void weir_budget_give(struct weir_budget *budget, size_t bytes);
size_t weir_budget_used(const struct weir_budget *budget);

#endif
