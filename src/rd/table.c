/* SPDX-License-Identifier: Apache-2.0 */
/* Finding librdkafka. */
#include "rd/rd.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* The linker binds these if the program has librdkafka, and leaves them NULL if not. */
#define WEIR_RD_WEAK(call) extern __typeof__(rd_kafka_##call) rd_kafka_##call __attribute__((weak));
WEIR_RD_CALLS(WEIR_RD_WEAK)
#undef WEIR_RD_WEAK
#define WEIR_RD_WEAK(call, result, parameters, since)                                              \
    extern result rd_kafka_##call parameters __attribute__((weak));
WEIR_RD_CALLS_NEWER(WEIR_RD_WEAK)
#undef WEIR_RD_WEAK

#define VERSION_OLDEST 0x02000200

static _Atomic(const struct weir_rd *) resolved; /* set once, never taken back */

/* Object and function pointers have one size on every system that has dlsym. */
#define ASSIGN(field, address)                                                                     \
    do {                                                                                           \
        void *weir_address = (address);                                                            \
        memcpy(&(field), &weir_address, sizeof(field));                                            \
    } while (0)

static bool fill_linked(struct weir_rd *rd) {
    bool whole = true;
#define WEIR_RD_LINK(call) whole &= (rd->call = rd_kafka_##call) != NULL;
    WEIR_RD_CALLS(WEIR_RD_LINK)
#undef WEIR_RD_LINK
#define WEIR_RD_LINK(call, result, parameters, since) rd->call = rd_kafka_##call;
    WEIR_RD_CALLS_NEWER(WEIR_RD_LINK)
#undef WEIR_RD_LINK
    return whole;
}

int weir_rd_fill(struct weir_rd *rd, weir_rd_lookup *lookup, void *arg, struct weir_error *reterr) {
    const char *missing = NULL;
#define WEIR_RD_FIND(call)                                                                         \
    ASSIGN(rd->call, lookup(arg, "rd_kafka_" #call));                                              \
    if (!rd->call && !missing) missing = "rd_kafka_" #call;
    WEIR_RD_CALLS(WEIR_RD_FIND)
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

static void *find_in_library(void *library, const char *symbol) {
    return dlsym(library, symbol);
}

static int resolve(struct weir_rd *rd, struct weir_error *reterr) {
    if (fill_linked(rd)) return WEIR_OK;
    if (weir_rd_fill(rd, find_in_library, RTLD_DEFAULT, NULL) == WEIR_OK) return WEIR_OK;
    void *library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return weir_error_set(reterr, WEIR_EUNSUPPORTED,
                              "the process has no librdkafka: link the program with -lrdkafka, or "
                              "install librdkafka.so.1 (%s)",
                              dlerror());
    return weir_rd_fill(rd, find_in_library, library, reterr);
}

const struct weir_rd *weir_rd(struct weir_error *reterr) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards table */
    static struct weir_rd table;
    const struct weir_rd *rd = atomic_load_explicit(&resolved, memory_order_acquire);
    if (rd) return rd;
    pthread_mutex_lock(&mutex);
    rd = atomic_load_explicit(&resolved, memory_order_acquire);
    if (!rd && resolve(&table, reterr) == WEIR_OK) {
        rd = &table;
        atomic_store_explicit(&resolved, rd, memory_order_release);
    }
    pthread_mutex_unlock(&mutex);
    return rd;
}
