/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "otlp/decode.h"
#include "otlp/value.h"

const char *weir_signal_name(enum weir_signal signal) {
    static const char *const names[] = {"traces", "metrics", "logs"};
    return names[signal];
}

struct weir_otlp_batch *weir_otlp_batch_ref(struct weir_otlp_batch *batch) {
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void weir_otlp_batch_unref(struct weir_otlp_batch *batch) {
    if (!batch || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1) return;
    weir_arena_done(&batch->arena);
    free(batch->owned);
    free(batch);
}

/* ---- shared by the signals ------------------------------------------------------------------- */

bool weir_otlp_decode_fail(struct weir_otlp_decoder *d, const void *at, const char *what) {
    const struct weir_otlp_batch *batch = d->batch;
    size_t offset = at ? (size_t)((const char *)at - batch->bytes.ptr) : 0;
    if (d->arena->failed)
        weir_error_set(d->err, WEIR_ETOOBIG,
                       "OTLP %s: the index would pass %zu bytes; send smaller batches",
                       weir_signal_name(batch->signal), d->arena->size_bytes_max);
    else
        weir_error_set(d->err, WEIR_EINVALID, "OTLP %s: %s at byte %zu of %zu",
                       weir_signal_name(batch->signal), what, offset, batch->bytes.len);
    return false;
}

void weir_otlp_decode_reject(struct weir_otlp_decoder *d, uint32_t count, const char *format, ...) {
    struct weir_otlp_batch *batch = d->batch;
    if (batch->rejected_count == 0 && count) {
        va_list args;
        va_start(args, format);
        vsnprintf(batch->rejected_message, sizeof batch->rejected_message, format, args);
        va_end(args);
    }
    batch->rejected_count += count;
}

struct weir_otlp_counts weir_otlp_decode_counts(struct weir_view message) {
    struct weir_otlp_counts counts = {{0}};
    struct weir_pb pb = weir_pb(message);
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0)
        if (field.wire == WEIR_PB_BYTES && field.number < 16) counts.of[field.number]++;
    return counts;
}

bool weir_otlp_decode_text(struct weir_otlp_decoder *d, struct weir_view bytes,
                           struct weir_view *ret, const char *what) {
    if (!weir_view_is_utf8(bytes)) {
        char words[80];
        snprintf(words, sizeof words, "%s is not UTF-8", what);
        return weir_otlp_decode_fail(d, bytes.ptr, words);
    }
    *ret = bytes;
    return true;
}

bool weir_otlp_decode_attrs_begin(struct weir_otlp_decoder *d, uint32_t count,
                                  struct weir_otlp_attr_list *ret) {
    *ret = (struct weir_otlp_attr_list){.room = count};
    if (count == 0) return true;
    ret->items = weir_arena_alloc(d->arena, count * sizeof *ret->items);
    return ret->items || weir_otlp_decode_fail(d, NULL, "");
}

bool weir_otlp_decode_attr(struct weir_otlp_decoder *d, struct weir_view bytes,
                           struct weir_otlp_attr_list *list) {
    struct weir_attr *attr = &list->items[list->count];
    if (list->count == list->room) return weir_otlp_decode_fail(d, bytes.ptr, "miscounted");
    if (!weir_value_decode_attr(bytes, attr))
        return weir_otlp_decode_fail(d, bytes.ptr, "malformed attribute");
    if (!weir_view_is_utf8(attr->key))
        return weir_otlp_decode_fail(d, bytes.ptr, "attribute key is not UTF-8");
    if (!weir_value_is_valid(attr->value))
        return weir_otlp_decode_fail(
            d, bytes.ptr,
            "attribute value is malformed, not UTF-8 or nested deeper than 64 levels");
    list->count++;
    return true;
}

const uint8_t *weir_otlp_decode_id(struct weir_view bytes, size_t size) {
    static const char zeros[16];
    if (bytes.len != size || memcmp(bytes.ptr, zeros, size) == 0) return NULL;
    return (const uint8_t *)bytes.ptr;
}

/* ---- resources and scopes: the same shape in each signal --------------------------------------
 */

static bool decode_resource(struct weir_otlp_decoder *d, struct weir_view raw,
                            struct weir_otlp_resource *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct weir_otlp_attr_list attrs;
    int rc;
    if (!weir_otlp_decode_attrs_begin(d, weir_otlp_decode_counts(raw).of[1], &attrs)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0)
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, BYTES) &&
            !weir_otlp_decode_attr(d, field.bytes, &attrs))
            return false;
    if (rc < 0) return weir_otlp_decode_fail(d, pb.at, "malformed Resource");
    ret->attrs = weir_otlp_decode_attrs_end(&attrs);
    ret->raw = raw;
    return true;
}

static bool decode_scope(struct weir_otlp_decoder *d, struct weir_view raw,
                         struct weir_otlp_scope *ret) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct weir_otlp_attr_list attrs;
    int rc;
    ret->raw = raw;
    if (!weir_otlp_decode_attrs_begin(d, weir_otlp_decode_counts(raw).of[3], &attrs)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        bool ok = true;
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(1, BYTES):
            ok = weir_otlp_decode_text(d, field.bytes, &ret->name, "InstrumentationScope.name");
            break;
        case WEIR_PB_KEY(2, BYTES):
            ok = weir_otlp_decode_text(d, field.bytes, &ret->version,
                                       "InstrumentationScope.version");
            break;
        case WEIR_PB_KEY(3, BYTES): ok = weir_otlp_decode_attr(d, field.bytes, &attrs); break;
        default: break;
        }
        if (!ok) return false;
    }
    if (rc < 0) return weir_otlp_decode_fail(d, pb.at, "malformed InstrumentationScope");
    ret->attrs = weir_otlp_decode_attrs_end(&attrs);
    return true;
}

static bool decode_record(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope) {
    switch (d->batch->signal) {
    case WEIR_SIGNAL_TRACE: return weir_otlp_decode_span(d, raw, scope);
    case WEIR_SIGNAL_METRIC: return weir_otlp_decode_metric(d, raw, scope);
    case WEIR_SIGNAL_LOG: return weir_otlp_decode_log(d, raw, scope);
    }
    return false;
}

/* ScopeSpans, ScopeMetrics, ScopeLogs: 1 scope, 2 records, 3 schema_url. */
static bool decode_scope_group(struct weir_otlp_decoder *d, struct weir_view raw,
                               uint32_t resource) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    uint32_t index = d->batch->scopes_count++;
    struct weir_otlp_scope *scope = &d->scopes[index];
    int rc;
    *scope = (struct weir_otlp_scope){.resource = resource};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        bool ok = true;
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(1, BYTES): ok = decode_scope(d, field.bytes, scope); break;
        case WEIR_PB_KEY(2, BYTES): ok = decode_record(d, field.bytes, index); break;
        case WEIR_PB_KEY(3, BYTES):
            ok = weir_otlp_decode_text(d, field.bytes, &scope->schema_url, "schema_url");
            break;
        default: break;
        }
        if (!ok) return false;
    }
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed scope group");
}

/* ResourceSpans, ResourceMetrics, ResourceLogs: 1 resource, 2 scope groups, 3 schema_url. */
static bool decode_resource_group(struct weir_otlp_decoder *d, struct weir_view raw) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    uint32_t index = d->batch->resources_count++;
    struct weir_otlp_resource *resource = &d->resources[index];
    int rc;
    *resource = (struct weir_otlp_resource){0};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        bool ok = true;
        switch (weir_pb_key(&field)) {
        case WEIR_PB_KEY(1, BYTES): ok = decode_resource(d, field.bytes, resource); break;
        case WEIR_PB_KEY(2, BYTES): ok = decode_scope_group(d, field.bytes, index); break;
        case WEIR_PB_KEY(3, BYTES):
            ok = weir_otlp_decode_text(d, field.bytes, &resource->schema_url, "schema_url");
            break;
        default: break;
        }
        if (!ok) return false;
    }
    resource->hash = weir_view_hash(resource->raw) * 31 + weir_view_hash(resource->schema_url);
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed resource group");
}

/* ---- the request ----------------------------------------------------------------------------- */

struct totals {
    size_t resources, scopes, records, points;
};

static void count_scope_group(enum weir_signal signal, struct weir_view raw,
                              struct totals *totals) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    totals->scopes++;
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) != WEIR_PB_KEY(2, BYTES)) continue;
        totals->records++;
        if (signal == WEIR_SIGNAL_METRIC)
            totals->points += weir_otlp_decode_points_count(field.bytes);
    }
}

static struct totals count_all(enum weir_signal signal, struct weir_view bytes) {
    struct totals totals = {0};
    struct weir_pb pb = weir_pb(bytes), group;
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) != WEIR_PB_KEY(1, BYTES)) continue;
        totals.resources++;
        group = weir_pb(field.bytes);
        while (weir_pb_next(&group, &field) > 0)
            if (weir_pb_key(&field) == WEIR_PB_KEY(2, BYTES))
                count_scope_group(signal, field.bytes, &totals);
    }
    return totals;
}

static bool allocate(struct weir_otlp_decoder *d, const struct totals *totals) {
    struct weir_otlp_batch *batch = d->batch;
    struct weir_arena *arena = d->arena;
    size_t records = totals->records;
    batch->resources = d->resources =
        WEIR_NEW_ARRAY(arena, struct weir_otlp_resource, totals->resources);
    batch->scopes = d->scopes = WEIR_NEW_ARRAY(arena, struct weir_otlp_scope, totals->scopes);
    switch (batch->signal) {
    case WEIR_SIGNAL_TRACE:
        batch->spans = d->spans = WEIR_NEW_ARRAY(arena, struct weir_otlp_span, records);
        break;
    case WEIR_SIGNAL_LOG:
        batch->logs = d->logs = WEIR_NEW_ARRAY(arena, struct weir_otlp_log, records);
        break;
    case WEIR_SIGNAL_METRIC:
        batch->metrics = d->metrics = WEIR_NEW_ARRAY(arena, struct weir_otlp_metric, records);
        batch->points = d->points = WEIR_NEW_ARRAY(arena, struct weir_otlp_point, totals->points);
        break;
    }
    return !arena->failed || weir_otlp_decode_fail(d, NULL, "");
}

static bool decode_request(struct weir_otlp_decoder *d) {
    struct weir_view bytes = d->batch->bytes;
    struct totals totals = count_all(d->batch->signal, bytes);
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field field;
    int rc;
    if (!allocate(d, &totals)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0)
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, BYTES) && !decode_resource_group(d, field.bytes))
            return false;
    return rc == 0 || weir_otlp_decode_fail(d, pb.at, "malformed protobuf");
}

int weir_otlp_batch_decode(enum weir_signal signal, char *body, size_t len, size_t arena_size_max,
                           struct weir_otlp_batch **ret_batch, struct weir_error *reterr) {
    if (len > UINT32_MAX) { /* counts are 32 bits wide */
        free(body);
        return weir_error_set(reterr, WEIR_ETOOBIG, "OTLP body of %zu bytes; at most 4 GiB", len);
    }
    struct weir_otlp_batch *batch = calloc(1, sizeof *batch);
    if (!batch) {
        free(body);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for an OTLP batch");
    }
    atomic_init(&batch->refs, 1);
    batch->signal = signal;
    batch->owned = body;
    batch->bytes = weir_view(body, len);
    weir_arena_init(&batch->arena, arena_size_max ? arena_size_max : 16 * len + (1 << 20));
    struct weir_error err = {0};
    struct weir_otlp_decoder decoder = {.batch = batch, .arena = &batch->arena, .err = &err};
    if (!decode_request(&decoder)) {
        weir_otlp_batch_unref(batch);
        if (reterr) *reterr = err;
        return err.code;
    }
    *ret_batch = batch;
    return WEIR_OK;
}
