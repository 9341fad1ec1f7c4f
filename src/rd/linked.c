/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the librdkafka that a program of ours was linked with, or has loaded. */
#include <dlfcn.h>
#include <string.h>

#include "rd/rd.h"

/* The linker binds these if the program has librdkafka, and leaves them NULL if not. */
#define WEIR_RD_WEAK(call) extern __typeof__(rd_kafka_##call) rd_kafka_##call __attribute__((weak));
WEIR_RD_CALLS(WEIR_RD_WEAK)
WEIR_RD_CALLS_ADMIN(WEIR_RD_WEAK)
#undef WEIR_RD_WEAK
#define WEIR_RD_WEAK(call, result, parameters, since)                                              \
    extern result rd_kafka_##call parameters __attribute__((weak));
WEIR_RD_CALLS_NEWER(WEIR_RD_WEAK)
#undef WEIR_RD_WEAK

static bool fill_linked(struct weir_rd *rd) {
    bool whole = true;
#define WEIR_RD_LINK(call) whole &= (rd->call = rd_kafka_##call) != NULL;
    WEIR_RD_CALLS(WEIR_RD_LINK)
#undef WEIR_RD_LINK
#define WEIR_RD_LINK(call) rd->call = rd_kafka_##call;
    WEIR_RD_CALLS_ADMIN(WEIR_RD_LINK)
#undef WEIR_RD_LINK
#define WEIR_RD_LINK(call, result, parameters, since) rd->call = rd_kafka_##call;
    WEIR_RD_CALLS_NEWER(WEIR_RD_LINK)
#undef WEIR_RD_LINK
    return whole;
}

static void *find_in_library(void *library, const char *symbol) {
    return dlsym(library, symbol);
}

int weir_rd_search(struct weir_rd *rd, struct weir_error *reterr) {
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
