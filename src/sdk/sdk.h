/* SPDX-License-Identifier: Apache-2.0 */
/* The process-wide SDK: whether it runs, with which configuration, and what it has counted.
 *
 * Configurations never change and are never freed while the process runs (a thread may still look
 * at the one before a restart); init and shutdown swap the pointer.
 *
 * Threads: any.
 */
#ifndef WEIR_SDK_SDK_H
#define WEIR_SDK_SDK_H

#include <stdatomic.h>

#include "sdk/config.h"

enum weir_sdk_bits { /* of weir_sdk_on */
                     WEIR_SDK_RUNS = 1,
                     WEIR_SDK_RECORDS_SPANS = 2, /* some exporter takes them */
                     WEIR_SDK_RECORDS_LOGS = 4,
                     WEIR_SDK_PROPAGATES = 8, /* also when OTEL_SDK_DISABLED */
                     WEIR_SDK_FORKED =
                         16, /* no exporter thread yet: a forked child, WEIR_INIT_LAZY */
                     WEIR_SDK_NO_METRICS = 32,     /* OTEL_SDK_DISABLED, or a bug was found */
                     WEIR_SDK_EXEMPLARS_ALL = 64,  /* of every measurement */
                     WEIR_SDK_EXEMPLARS_NONE = 128 /* of none; else of those in sampled spans */
};

extern __attribute__((visibility("hidden"))) _Atomic unsigned weir_sdk_on;

static inline unsigned weir_sdk_bits(void) {
    return atomic_load_explicit(&weir_sdk_on, memory_order_relaxed);
}

/* In a forked child, at its first record: starts an exporter thread of its own. */
void weir_sdk_restart(void);
static inline void weir_sdk_continue_after_fork(void) {
    if (__builtin_expect(weir_sdk_bits() & WEIR_SDK_FORKED, 0)) weir_sdk_restart();
}

/* The configuration of the latest init; NULL only before the first. */
extern struct weir_config *_Atomic weir_sdk_current __attribute__((visibility("hidden")));
static inline const struct weir_config *weir_sdk_config(void) {
    return atomic_load_explicit(&weir_sdk_current, memory_order_acquire);
}

/* Counters that are too rare to be kept per thread. Only grow. */
struct weir_sdk_counters {
    _Atomic uint64_t exported[3], dropped_export[3]; /* by enum weir_sdk_signal */
    _Atomic uint64_t rejected[3];              /* of the latter: by a receiver that took the rest */
    _Atomic uint64_t in_flight[3];             /* records of the request under way; not a sum */
    _Atomic uint64_t export_failures[3];       /* attempts that failed */
    _Atomic uint64_t spans_without_lane;       /* never started: no memory for a lane */
    _Atomic uint64_t spans_ended_without_lane; /* dropped for the same reason */
    _Atomic uint64_t attributes_dropped, headers_malformed, exports_retried, bugs;
    _Atomic uint64_t measurements_dropped; /* negative counter amounts, wrong instrument */
    _Atomic uint64_t series_overflowed;    /* measurements past the cardinality limit */
    _Atomic uint64_t log_file_errors;
};
extern struct weir_sdk_counters weir_sdk_counters;

static inline void weir_sdk_count(_Atomic uint64_t *counter, uint64_t amount) {
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}
static inline uint64_t weir_sdk_read(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Tells the application's on_error, at most once per second. */
void weir_sdk_report(const struct weir_error *err);

#endif
