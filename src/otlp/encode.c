/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/encode.h"

#include <math.h>
#include <stdlib.h>

#include "otlp/value.h"
#include "wire/pb.h"

void weir_otlp_put_attr(struct weir_buf *buf, uint32_t number, struct weir_view key,
                        struct weir_value value) {
    size_t attr = weir_pb_begin(buf, number);
    weir_pb_put_bytes_opt(buf, 1, key);
    size_t any = weir_pb_begin(buf, 2);
    weir_value_encode(buf, value);
    weir_pb_end(buf, any);
    weir_pb_end(buf, attr);
}

void weir_otlp_put_attrs(struct weir_buf *buf, uint32_t number, struct weir_attrs attrs) {
    for (uint32_t i = 0; i < attrs.count; i++)
        weir_otlp_put_attr(buf, number, attrs.items[i].key, attrs.items[i].value);
}

static void put_f64_opt(struct weir_buf *buf, uint32_t number, double value) {
    if (!isnan(value)) weir_pb_put_f64(buf, number, value);
}

static void put_id(struct weir_buf *buf, uint32_t number, const uint8_t *id, size_t size) {
    if (id) weir_pb_put_bytes(buf, number, weir_view(id, size));
}

static void put_flags(struct weir_buf *buf, uint32_t number, uint32_t flags) {
    if (flags) weir_pb_put_fixed32(buf, number, flags);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void begin_scope(struct weir_otlp_group *group, struct weir_view name,
                        struct weir_view version) {
    group->scope = weir_pb_begin(group->buf, 2);
    if (name.len == 0 && version.len == 0) return;
    size_t scope = weir_pb_begin(group->buf, 1);
    weir_pb_put_bytes_opt(group->buf, 1, name);
    weir_pb_put_bytes_opt(group->buf, 2, version);
    weir_pb_end(group->buf, scope);
}

void weir_otlp_group_begin(struct weir_otlp_group *group, struct weir_buf *buf,
                           struct weir_attrs resource, struct weir_view scope_name,
                           struct weir_view scope_version) {
    *group = (struct weir_otlp_group){.buf = buf, .resource = weir_pb_begin(buf, 1)};
    size_t mark = weir_pb_begin(buf, 1);
    weir_otlp_put_attrs(buf, 1, resource);
    weir_pb_end(buf, mark);
    begin_scope(group, scope_name, scope_version);
}

void weir_otlp_group_next_scope(struct weir_otlp_group *group, struct weir_view scope_name,
                                struct weir_view scope_version) {
    weir_pb_end(group->buf, group->scope);
    begin_scope(group, scope_name, scope_version);
}

void weir_otlp_group_end(struct weir_otlp_group *group) {
    weir_pb_end(group->buf, group->scope);
    weir_pb_end(group->buf, group->resource);
}

/* ---- spans and logs -------------------------------------------------------------------------- */

void weir_otlp_put_event(struct weir_buf *buf, const struct weir_otlp_event *event) {
    size_t mark = weir_pb_begin(buf, 11);
    weir_pb_put_fixed64_opt(buf, 1, (uint64_t)event->time_ns);
    weir_pb_put_bytes_opt(buf, 2, event->name);
    weir_otlp_put_attrs(buf, 3, event->attrs);
    weir_pb_put_varint_opt(buf, 4, event->dropped_attrs_count);
    weir_pb_end(buf, mark);
}

void weir_otlp_put_link(struct weir_buf *buf, const struct weir_otlp_link *link) {
    size_t mark = weir_pb_begin(buf, 13);
    put_id(buf, 1, link->trace_id, 16);
    put_id(buf, 2, link->span_id, 8);
    weir_pb_put_bytes_opt(buf, 3, link->trace_state);
    weir_otlp_put_attrs(buf, 4, link->attrs);
    weir_pb_put_varint_opt(buf, 5, link->dropped_attrs_count);
    put_flags(buf, 6, link->flags);
    weir_pb_end(buf, mark);
}

static void put_status(struct weir_buf *buf, const struct weir_otlp_span *span) {
    if (span->status_code == WEIR_SPAN_STATUS_UNSET && span->status_message.len == 0) return;
    size_t mark = weir_pb_begin(buf, 15);
    weir_pb_put_bytes_opt(buf, 2, span->status_message);
    weir_pb_put_varint_opt(buf, 3, span->status_code);
    weir_pb_end(buf, mark);
}

void weir_otlp_put_span(struct weir_buf *buf, const struct weir_otlp_span *span) {
    size_t mark = weir_pb_begin(buf, 2);
    put_id(buf, 1, span->trace_id, 16);
    put_id(buf, 2, span->span_id, 8);
    weir_pb_put_bytes_opt(buf, 3, span->trace_state);
    put_id(buf, 4, span->parent_span_id, 8);
    weir_pb_put_bytes_opt(buf, 5, span->name);
    weir_pb_put_varint_opt(buf, 6, span->kind);
    weir_pb_put_fixed64_opt(buf, 7, (uint64_t)span->start_ns);
    weir_pb_put_fixed64_opt(buf, 8, (uint64_t)span->end_ns);
    weir_otlp_put_attrs(buf, 9, span->attrs);
    weir_pb_put_varint_opt(buf, 10, span->dropped_attrs_count);
    for (uint32_t i = 0; i < span->events_count; i++) weir_otlp_put_event(buf, &span->events[i]);
    weir_pb_put_varint_opt(buf, 12, span->dropped_events_count);
    for (uint32_t i = 0; i < span->links_count; i++) weir_otlp_put_link(buf, &span->links[i]);
    weir_pb_put_varint_opt(buf, 14, span->dropped_links_count);
    put_status(buf, span);
    put_flags(buf, 16, span->flags);
    weir_pb_end(buf, mark);
}

void weir_otlp_put_log(struct weir_buf *buf, const struct weir_otlp_log *log) {
    size_t mark = weir_pb_begin(buf, 2);
    weir_pb_put_fixed64_opt(buf, 1, (uint64_t)log->time_ns);
    weir_pb_put_varint_opt(buf, 2, (uint64_t)log->severity_number);
    weir_pb_put_bytes_opt(buf, 3, log->severity_text);
    if (log->body.type != WEIR_VALUE_NONE) {
        size_t body = weir_pb_begin(buf, 5);
        weir_value_encode(buf, log->body);
        weir_pb_end(buf, body);
    }
    weir_otlp_put_attrs(buf, 6, log->attrs);
    weir_pb_put_varint_opt(buf, 7, log->dropped_attrs_count);
    put_flags(buf, 8, log->flags);
    put_id(buf, 9, log->trace_id, 16);
    put_id(buf, 10, log->span_id, 8);
    weir_pb_put_fixed64_opt(buf, 11, (uint64_t)log->observed_ns);
    weir_pb_put_bytes_opt(buf, 12, log->event_name);
    weir_pb_end(buf, mark);
}

/* ---- metrics --------------------------------------------------------------------------------- */

void weir_otlp_metric_begin(struct weir_otlp_metric_open *open, struct weir_buf *buf,
                            const struct weir_otlp_metric *metric) {
    static const uint32_t numbers[] = {
        [WEIR_METRIC_TYPE_GAUGE] = 5,     [WEIR_METRIC_TYPE_SUM] = 7,
        [WEIR_METRIC_TYPE_HISTOGRAM] = 9, [WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM] = 10,
        [WEIR_METRIC_TYPE_SUMMARY] = 11,
    };
    *open = (struct weir_otlp_metric_open){buf, metric, weir_pb_begin(buf, 2), 0};
    weir_pb_put_bytes_opt(buf, 1, metric->name);
    weir_pb_put_bytes_opt(buf, 2, metric->description);
    weir_pb_put_bytes_opt(buf, 3, metric->unit);
    open->data = weir_pb_begin(buf, numbers[metric->type]);
}

void weir_otlp_metric_end(struct weir_otlp_metric_open *open) {
    const struct weir_otlp_metric *metric = open->metric;
    if (metric->type != WEIR_METRIC_TYPE_GAUGE && metric->type != WEIR_METRIC_TYPE_SUMMARY)
        weir_pb_put_varint_opt(open->buf, 2, metric->temporality);
    if (metric->type == WEIR_METRIC_TYPE_SUM)
        weir_pb_put_varint_opt(open->buf, 3, metric->monotonic);
    weir_pb_end(open->buf, open->data);
    weir_pb_end(open->buf, open->mark);
}

static void put_exemplars(struct weir_buf *buf, uint32_t number,
                          const struct weir_otlp_point *point) {
    for (uint32_t i = 0; i < point->exemplars_count; i++) {
        const struct weir_otlp_exemplar *exemplar = &point->exemplars[i];
        size_t mark = weir_pb_begin(buf, number);
        weir_pb_put_fixed64_opt(buf, 2, (uint64_t)exemplar->time_ns);
        weir_pb_put_f64(buf, 3, exemplar->value);
        put_id(buf, 4, exemplar->span_id, 8);
        put_id(buf, 5, exemplar->trace_id, 16);
        weir_otlp_put_attrs(buf, 7, exemplar->attrs);
        weir_pb_end(buf, mark);
    }
}

static void put_number_value(struct weir_buf *buf, const struct weir_otlp_point *point) {
    enum { NO_RECORDED_VALUE = 1 };
    if (point->flags & NO_RECORDED_VALUE) return;
    if (point->is_int)
        weir_pb_put_fixed64(buf, 6, (uint64_t)point->i64);
    else
        weir_pb_put_f64(buf, 4, point->value);
}

static void put_number(struct weir_buf *buf, const struct weir_otlp_point *point) {
    put_exemplars(buf, 5, point);
    put_number_value(buf, point);
    weir_otlp_put_attrs(buf, 7, point->attrs);
    weir_pb_put_varint_opt(buf, 8, point->flags);
}

static void put_histogram(struct weir_buf *buf, const struct weir_otlp_point *point) {
    weir_pb_put_fixed64_opt(buf, 4, point->count);
    put_f64_opt(buf, 5, point->sum);
    weir_pb_put_bytes_opt(buf, 6, weir_view(point->counts, point->counts_count * sizeof(uint64_t)));
    weir_pb_put_bytes_opt(buf, 7, weir_view(point->bounds, point->bounds_count * sizeof(double)));
    put_exemplars(buf, 8, point);
    weir_otlp_put_attrs(buf, 9, point->attrs);
    weir_pb_put_varint_opt(buf, 10, point->flags);
    put_f64_opt(buf, 11, point->min);
    put_f64_opt(buf, 12, point->max);
}

static void put_buckets(struct weir_buf *buf, uint32_t number,
                        const struct weir_otlp_buckets *buckets) {
    if (buckets->counts_count == 0) return;
    size_t mark = weir_pb_begin(buf, number);
    if (buckets->offset) weir_pb_put_sint(buf, 1, buckets->offset);
    size_t counts = weir_pb_begin(buf, 2);
    for (uint32_t i = 0; i < buckets->counts_count; i++)
        weir_pb_add_varint(buf, buckets->counts[i]);
    weir_pb_end(buf, counts);
    weir_pb_end(buf, mark);
}

static void put_exponential(struct weir_buf *buf, const struct weir_otlp_point *point) {
    weir_otlp_put_attrs(buf, 1, point->attrs);
    weir_pb_put_fixed64_opt(buf, 4, point->count);
    put_f64_opt(buf, 5, point->sum);
    if (point->scale) weir_pb_put_sint(buf, 6, point->scale);
    weir_pb_put_fixed64_opt(buf, 7, point->zero_count);
    put_buckets(buf, 8, &point->positive);
    put_buckets(buf, 9, &point->negative);
    weir_pb_put_varint_opt(buf, 10, point->flags);
    put_exemplars(buf, 11, point);
    put_f64_opt(buf, 12, point->min);
    put_f64_opt(buf, 13, point->max);
    if (point->zero_threshold > 0) weir_pb_put_f64(buf, 14, point->zero_threshold);
}

static void put_summary(struct weir_buf *buf, const struct weir_otlp_point *point) {
    weir_pb_put_fixed64_opt(buf, 4, point->count);
    put_f64_opt(buf, 5, point->sum);
    for (uint32_t i = 0; i < point->quantiles_count; i++) {
        size_t mark = weir_pb_begin(buf, 6);
        weir_pb_put_f64(buf, 1, point->quantiles[i].quantile);
        weir_pb_put_f64(buf, 2, point->quantiles[i].value);
        weir_pb_end(buf, mark);
    }
    weir_otlp_put_attrs(buf, 7, point->attrs);
    weir_pb_put_varint_opt(buf, 8, point->flags);
}

void weir_otlp_put_point(struct weir_otlp_metric_open *open, const struct weir_otlp_point *point) {
    struct weir_buf *buf = open->buf;
    size_t mark = weir_pb_begin(buf, 1);
    weir_pb_put_fixed64_opt(buf, 2, (uint64_t)point->start_ns);
    weir_pb_put_fixed64_opt(buf, 3, (uint64_t)point->time_ns);
    switch (open->metric->type) {
    case WEIR_METRIC_TYPE_GAUGE:
    case WEIR_METRIC_TYPE_SUM: put_number(buf, point); break;
    case WEIR_METRIC_TYPE_HISTOGRAM: put_histogram(buf, point); break;
    case WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM: put_exponential(buf, point); break;
    case WEIR_METRIC_TYPE_SUMMARY: put_summary(buf, point); break;
    }
    weir_pb_end(buf, mark);
}

/* ---- merge ----------------------------------------------------------------------------------- */

int weir_otlp_merge(struct weir_otlp_batch *const *batches, size_t count,
                    struct weir_otlp_batch **ret_batch, struct weir_error *reterr) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) len += batches[i]->bytes.len;
    if (count == 0) return weir_error_set(reterr, WEIR_EINVALID, "nothing to merge");
    char *body = malloc(len ? len : 1);
    if (!body)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to merge %zu batches", count);
    len = 0;
    for (size_t i = 0; i < count; i++) {
        if (batches[i]->bytes.len == 0) continue;
        memcpy(body + len, batches[i]->bytes.ptr, batches[i]->bytes.len);
        len += batches[i]->bytes.len;
    }
    return weir_otlp_batch_decode(batches[0]->signal, body, len, 0, ret_batch, reterr);
}
