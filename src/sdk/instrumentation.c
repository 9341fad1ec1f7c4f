/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/instrumentation.h"

#include <stdlib.h>

#include "sdk/attr.h"
#include "weir/log.h"
#include "weir/metric.h"
#include "weir/trace.h"

enum { NAME_SIZE_MAX = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards first and count */
static struct weir_instrumentation *_Atomic first;
static uint32_t count;

/* The link that holds the scope, or the last one, which is NULL. */
static struct weir_instrumentation *_Atomic *find(enum weir_instrumentation_kind kind,
                                                  struct weir_view name, struct weir_view version) {
    struct weir_instrumentation *_Atomic *at = &first, *it;
    while ((it = *at) && !(it->kind == kind && weir_view_eq(it->name, name) &&
                           weir_view_eq(it->version, version)))
        at = &it->next;
    return at;
}

/* One block: the struct, then the encoded scope, which holds both names. */
static struct weir_instrumentation *make(enum weir_instrumentation_kind kind, struct weir_view name,
                                         struct weir_view version) {
    size_t body =
        weir_attr_text_size(name.len) + (version.len ? weir_attr_text_size(version.len) : 0);
    struct weir_instrumentation *it = malloc(sizeof *it + weir_attr_text_size(body));
    if (!it) return NULL;
    uint8_t *start = (uint8_t *)(it + 1), *at = start;
    *at++ = 0x0A; /* ScopeSpans.scope, ScopeMetrics.scope, ScopeLogs.scope */
    at = weir_attr_text(weir_attr_varint(at, body), 0x0A, name.ptr, name.len);
    struct weir_view own_name = weir_view(at - name.len, name.len), own_version = WEIR_VIEW("");
    if (version.len) {
        at = weir_attr_text(at, 0x12, version.ptr, version.len);
        own_version = weir_view(at - version.len, version.len);
    }
    *it = (struct weir_instrumentation){.kind = kind,
                                        .name = own_name,
                                        .version = own_version,
                                        .encoded = weir_view(start, (size_t)(at - start))};
    return it;
}

struct weir_instrumentation *weir_instrumentation_get(enum weir_instrumentation_kind kind,
                                                      const char *name, const char *version) {
    struct weir_view n = weir_view_upto(weir_view_str(name), NAME_SIZE_MAX);
    struct weir_view v = weir_view_upto(weir_view_str(version), NAME_SIZE_MAX);
    pthread_mutex_lock(&lock);
    struct weir_instrumentation *_Atomic *at = find(kind, n, v), *it = *at;
    if (!it && count < WEIR_INSTRUMENTATIONS_MAX && (it = make(kind, n, v))) {
        it->number = count++;
        *at = it;
    }
    pthread_mutex_unlock(&lock);
    return it;
}

struct weir_instrumentation *weir_instrumentation_first(void) {
    return first;
}

pthread_mutex_t *weir_instrumentation_lock(void) {
    return &lock;
}

struct weir_tracer *weir_tracer_get(const char *name, const char *version) {
    return (struct weir_tracer *)weir_instrumentation_get(WEIR_INSTRUMENTATION_TRACER, name,
                                                          version);
}

struct weir_meter *weir_meter_get(const char *name, const char *version) {
    return (struct weir_meter *)weir_instrumentation_get(WEIR_INSTRUMENTATION_METER, name, version);
}

struct weir_logger *weir_logger_get(const char *name, const char *version) {
    return (struct weir_logger *)weir_instrumentation_get(WEIR_INSTRUMENTATION_LOGGER, name,
                                                          version);
}
