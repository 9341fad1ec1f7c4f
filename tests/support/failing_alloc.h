/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th allocation fails: link with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc. Only what is
 * linked statically goes through it, shared libraries do not. */
#ifndef WEIR_TESTS_SUPPORT_FAILING_ALLOC_H
#define WEIR_TESTS_SUPPORT_FAILING_ALLOC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_long alloc_countdown = -1; /* the one that fails when it reaches 0; < 0: none */
static pthread_t alloc_thread;           /* only this thread's fail */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static bool alloc_fails(void) {
    return atomic_load(&alloc_countdown) >= 0 && pthread_equal(pthread_self(), alloc_thread) &&
           atomic_fetch_sub(&alloc_countdown, 1) == 0;
}

void *__wrap_malloc(size_t size) {
    return alloc_fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return alloc_fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *ptr, size_t size) {
    return alloc_fails() ? NULL : __real_realloc(ptr, size);
}

/* Runs `work` with its first allocation failing, its second, and so on until none fails; gives how
 * many there are. `work` may be run often. */
static inline long fail_each_alloc(void (*work)(long round)) {
    alloc_thread = pthread_self();
    for (long n = 0;; n++) {
        atomic_store(&alloc_countdown, n);
        work(n);
        if (atomic_exchange(&alloc_countdown, -1) >= 0) return n;
    }
}

#endif
