/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/budget.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/metric.h"

WEIR_GAUGE(used_bytes, "weir_admission_used_bytes",
           "Bytes of batches between the doors and the disk.", "");
WEIR_GAUGE(limit_bytes, "weir_admission_limit_bytes", "Bytes of batches that may be under way.",
           "");
WEIR_COUNTER(refused, "weir_admission_refused_total",
             "Requests refused because too much was under way.", "");

struct weir_budget {
    size_t bytes_max;
    atomic_size_t used;
};

struct weir_budget *weir_budget_new(size_t bytes_max) {
    struct weir_budget *budget = calloc(1, sizeof *budget);
    if (!budget) return NULL;
    budget->bytes_max = bytes_max;
    weir_metric_add(&limit_bytes, (int64_t)bytes_max);
    return budget;
}

void weir_budget_free(struct weir_budget *budget) {
    if (!budget) return;
    WEIR_ASSERT(weir_budget_used(budget) == 0);
    weir_metric_add(&limit_bytes, -(int64_t)budget->bytes_max);
    free(budget);
}

bool weir_budget_try_take(struct weir_budget *budget, size_t bytes) {
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        bool fits = used <= budget->bytes_max && bytes <= budget->bytes_max - used;
        if (fits || used == 0) continue;
        weir_metric_add(&refused, 1);
        return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    weir_metric_add(&used_bytes, (int64_t)bytes);
    return true;
}

void weir_budget_give(struct weir_budget *budget, size_t bytes) {
    size_t before = atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
    WEIR_ASSERT(before >= bytes);
    weir_metric_add(&used_bytes, -(int64_t)bytes);
}

size_t weir_budget_used(const struct weir_budget *budget) {
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}
