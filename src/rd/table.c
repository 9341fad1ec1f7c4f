/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions: filling one, and which one the process uses. */
#include "rd/rd.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define VERSION_OLDEST 0x02000200

static _Atomic(const struct weir_rd *) resolved; /* set once, never taken back */
static _Thread_local const struct weir_rd *entered;

/* Names without their prefix, one behind the other, in the order of the table's fields. */
#define WEIR_RD_NAME(call)                                  #call "\0"
#define WEIR_RD_NAME_NEWER(call, result, parameters, since) #call "\0"
static const char needed[] = WEIR_RD_CALLS(WEIR_RD_NAME);
static const char others[] =
    WEIR_RD_CALLS_ADMIN(WEIR_RD_NAME) WEIR_RD_CALLS_NEWER(WEIR_RD_NAME_NEWER);
#undef WEIR_RD_NAME
#undef WEIR_RD_NAME_NEWER
#define WEIR_RD_ONE(...) +1
_Static_assert(sizeof(struct weir_rd) ==
                   sizeof(void *) * (0 WEIR_RD_CALLS(WEIR_RD_ONE) WEIR_RD_CALLS_ADMIN(WEIR_RD_ONE)
                                         WEIR_RD_CALLS_NEWER(WEIR_RD_ONE)),
               "every field has a name");
#undef WEIR_RD_ONE

/* Fills fields from `field` on; gives the one behind. Object and function pointers have one size on
 * every system that has dlsym. */
static unsigned char *fill(unsigned char *field, const char *names, weir_rd_lookup *lookup,
                           void *arg, const char **ret_missing) {
    for (const char *name = names; *name; name += strlen(name) + 1) {
        char symbol[128] = "rd_kafka_";
        strncat(symbol, name, sizeof symbol - strlen(symbol) - 1);
        void *address = lookup(arg, symbol);
        memcpy(field, &address, sizeof address);
        field += sizeof address;
        if (!address && ret_missing && !*ret_missing) *ret_missing = name;
    }
    return field;
}

int weir_rd_fill(struct weir_rd *rd, weir_rd_lookup *lookup, void *arg, struct weir_error *reterr) {
    const char *missing = NULL;
    unsigned char *field = fill((unsigned char *)rd, needed, lookup, arg, &missing);
    fill(field, others, lookup, arg, NULL);
    if (missing)
        return weir_error_set(
            reterr, WEIR_EUNSUPPORTED,
            "librdkafka is not there or too old: no rd_kafka_%s (2.0.2 or newer is needed; "
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
