/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/receive/nesting.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/context.h"

enum { TRACE_STATE_MAX = 512 };

struct weir_kafka_nesting_slot {
    struct weir_kafka_nesting_slot *next; /* in the pool */
    pthread_mutex_t mutex;                /* guards number */
    uint64_t number;                      /* of the present one; 0: none */
    struct weir_scope scope;              /* attached by the slot's thread */
    struct weir_context ctx;              /* borrows nothing but trace_state below */
    char trace_state[TRACE_STATE_MAX];
};

static _Thread_local struct weir_kafka_nesting_slot *own;

/* ── slots ───────────────────────────────────────────────────────────────────────────────────── */

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards pool, their next */
static struct weir_kafka_nesting_slot *pool;
static pthread_key_t key;
static bool has_key;

static void give_back(void *arg) {
    struct weir_kafka_nesting_slot *slot = arg;
    pthread_mutex_lock(&slot->mutex);
    slot->number = 0;
    pthread_mutex_unlock(&slot->mutex);
    own = NULL;
    pthread_mutex_lock(&pool_mutex);
    slot->next = pool;
    pool = slot;
    pthread_mutex_unlock(&pool_mutex);
}

static void make_key(void) {
    has_key = pthread_key_create(&key, give_back) == 0;
}

static struct weir_kafka_nesting_slot *own_slot(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (own) return own;
    pthread_once(&once, make_key);
    if (!has_key) return NULL;
    pthread_mutex_lock(&pool_mutex);
    struct weir_kafka_nesting_slot *slot = pool;
    if (slot) pool = slot->next;
    pthread_mutex_unlock(&pool_mutex);
    if (!slot) {
        if (!(slot = calloc(1, sizeof *slot))) return NULL;
        pthread_mutex_init(&slot->mutex, NULL);
    }
    if (pthread_setspecific(key, slot)) {
        give_back(slot);
        return NULL;
    }
    return own = slot;
}

/* ── begin, end ──────────────────────────────────────────────────────────────────────────────── */

/* What lies in the slot's scope. */
static struct weir_context_scope *inside(struct weir_kafka_nesting_slot *slot) {
    return (struct weir_context_scope *)(void *)&slot->scope;
}

/* On the slot's own thread. Whatever the application has attached since lies above and stays; then
 * ours says nothing any more, and goes when it is uncovered. */
static void leave(struct weir_kafka_nesting_slot *slot) {
    if (weir_context_top == inside(slot)) weir_scope_detach(&slot->scope);
    inside(slot)->ctx = NULL;
}

static bool is_attached(struct weir_kafka_nesting_slot *slot) {
    const struct weir_context_scope *it = weir_context_top;
    while (it && it != inside(slot)) it = it->below;
    return it != NULL;
}

static void attach(struct weir_kafka_nesting_slot *slot, const struct weir_span_context *span) {
    slot->ctx.span = *span;
    slot->ctx.span.trace_state = NULL;
    slot->ctx.span.trace_state_size = 0;
    if (span->trace_state && span->trace_state_size <= TRACE_STATE_MAX) {
        memcpy(slot->trace_state, span->trace_state, span->trace_state_size);
        slot->ctx.span.trace_state = slot->trace_state;
        slot->ctx.span.trace_state_size = span->trace_state_size;
    }
    weir_scope_attach(&slot->scope, &slot->ctx);
}

struct weir_kafka_nested weir_kafka_nesting_begin(const struct weir_span_context *span) {
    struct weir_kafka_nesting_slot *slot = own_slot();
    struct weir_kafka_nested nesting = {NULL, 0};
    static _Atomic uint64_t last_number;
    if (!slot) return nesting;
    pthread_mutex_lock(&slot->mutex);
    leave(slot);
    slot->number = 0;
    if (!is_attached(slot) && !weir_context_current()) {
        slot->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
        nesting = (struct weir_kafka_nested){slot, slot->number};
        attach(slot, span);
    }
    pthread_mutex_unlock(&slot->mutex);
    return nesting;
}

void weir_kafka_nesting_end(struct weir_kafka_nested nesting) {
    struct weir_kafka_nesting_slot *slot = nesting.slot;
    if (!slot) return;
    pthread_mutex_lock(&slot->mutex);
    if (slot->number == nesting.number) {
        slot->number = 0;
        if (slot == own)
            leave(slot);
        else /* its thread may be reading it: it sees this context, or none */
            __atomic_store_n(&inside(slot)->ctx, NULL, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&slot->mutex);
}
