/* SPDX-License-Identifier: Apache-2.0 */
/* W3C context in Kafka message headers. */
#include "weir/kafka.h"

#include <string.h>

#include "rd/rd.h"
#include "weir/propagation.h"

struct carrier {
    const struct weir_rd *rd;
    rd_kafka_headers_t *headers;
};

static int set(void *arg, const char *name, const char *value, size_t size) {
    struct carrier *carrier = arg;
    carrier->rd->header_remove(carrier->headers, name);
    /* A tracestate belongs to the traceparent beside it: never leave another's behind. */
    if (strcmp(name, "traceparent") == 0)
        carrier->rd->header_remove(carrier->headers, "tracestate");
    return carrier->rd->header_add(carrier->headers, name, -1, value, (ssize_t)size)
               ? WEIR_ENOMEMORY
               : WEIR_OK;
}

static const char *get(void *arg, const char *name, size_t *ret_size) {
    struct carrier *carrier = arg;
    const void *value = NULL;
    size_t size = 0;
    if (carrier->rd->header_get_last(carrier->headers, name, &value, &size) || !value) return NULL;
    *ret_size = size;
    return value;
}

int weir_kafka_inject(const struct weir_context *ctx, struct rd_kafka_headers_s *headers) {
    struct carrier carrier = {weir_rd(NULL), headers};
    return carrier.rd && headers ? weir_inject(ctx, set, &carrier) : 0;
}

struct weir_context *weir_kafka_extract(const struct weir_context *ctx,
                                        const struct rd_kafka_headers_s *headers) {
    /* header_get_last() reads only; its parameter is const. The cast is for the struct. */
    struct carrier carrier = {weir_rd(NULL), (rd_kafka_headers_t *)(uintptr_t)headers};
    if (!carrier.rd || !headers) return weir_context_ref(ctx);
    return weir_extract(ctx, get, &carrier);
}
