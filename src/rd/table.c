/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions: filling one, and which one the process uses. */
#include "rd/rd.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define VERSION_OLDEST 0x02000200

static _Atomic(const struct weir_rd *) resolved; /* set once, never taken back */
static _Thread_local const struct weir_rd *entered;

/* Object and function pointers have one size on every system that has dlsym. */
#define ASSIGN(field, address)                                                                     \
    do {                                                                                           \
        void *weir_address = (address);                                                            \
        memcpy(&(field), &weir_address, sizeof(field));                                            \
    } while (0)

int weir_rd_fill(struct weir_rd *rd, weir_rd_lookup *lookup, void *arg, struct weir_error *reterr) {
    const char *missing = NULL;
#define WEIR_RD_FIND(call)                                                                         \
    ASSIGN(rd->call, lookup(arg, "rd_kafka_" #call));                                              \
    if (!rd->call && !missing) missing = "rd_kafka_" #call;
    WEIR_RD_CALLS(WEIR_RD_FIND)
#undef WEIR_RD_FIND
#define WEIR_RD_FIND(call) ASSIGN(rd->call, lookup(arg, "rd_kafka_" #call));
    WEIR_RD_CALLS_ADMIN(WEIR_RD_FIND)
#undef WEIR_RD_FIND
#define WEIR_RD_FIND(call, result, parameters, since)                                              \
    ASSIGN(rd->call, lookup(arg, "rd_kafka_" #call));
    WEIR_RD_CALLS_NEWER(WEIR_RD_FIND)
#undef WEIR_RD_FIND
    if (missing)
        return weir_error_set(
            reterr, WEIR_EUNSUPPORTED,
            "librdkafka is not there or too old: no %s (2.0.2 or newer is needed; "
            "link the program with -lrdkafka)",
            missing);
    if (rd->version() < VERSION_OLDEST)
        return weir_error_set(reterr, WEIR_EUNSUPPORTED,
                              "librdkafka %s is too old; 2.0.2 or newer is needed",
                              rd->version_str());
    return WEIR_OK;
}

const struct weir_rd *weir_rd_enter(const struct weir_rd *rd) {
    const struct weir_rd *before = entered;
    entered = rd;
    return before;
}

bool weir_rd_adopt(const struct weir_rd *rd) {
    const struct weir_rd *none = NULL;
    return atomic_compare_exchange_strong(&resolved, &none, rd) || none == rd;
}

const struct weir_rd *weir_rd(struct weir_error *reterr) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards table */
    static struct weir_rd table;
    if (entered) return entered;
    const struct weir_rd *rd = atomic_load_explicit(&resolved, memory_order_acquire);
    if (rd) return rd;
    pthread_mutex_lock(&mutex);
    rd = atomic_load_explicit(&resolved, memory_order_acquire);
    if (!rd && weir_rd_search(&table, reterr) == WEIR_OK) {
        if (weir_rd_adopt(&table))
            rd = &table;
        else
            rd = atomic_load_explicit(&resolved, memory_order_acquire);
    }
    pthread_mutex_unlock(&mutex);
    return rd;
}
