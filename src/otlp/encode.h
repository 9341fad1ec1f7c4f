/* SPDX-License-Identifier: Apache-2.0 */
/* Writing OTLP: what receivers of other formats, the SDK and the server's own metrics build batches
 * with. Records are described by the same structs that the index shows, so that decoding gives back
 * what was encoded; scope, metric and raw are not looked at.
 *
 *     struct weir_otlp_group group;
 *     weir_otlp_group_begin(&group, buf, resource_attrs, scope_name, scope_version);
 *     weir_otlp_put_span(buf, &span);                 … or put_log
 *     weir_otlp_metric_begin(&open, buf, &metric); weir_otlp_put_point(&open, &point); …_end(&open)
 *     weir_otlp_group_end(&group);                    the buffer holds an Export…ServiceRequest
 *
 * Several groups may follow each other. A buffer that is full sets `failed`: check once at the end.
 *
 * Threads: owner only. Memory: the caller's buffer.
 * Source: opentelemetry-proto 1.11.
 */
#ifndef WEIR_OTLP_ENCODE_H
#define WEIR_OTLP_ENCODE_H

#include "base/buf.h"
#include "otlp/batch.h"

/* A KeyValue as field `number`. */
void weir_otlp_put_attr(struct weir_buf *buf, uint32_t number, struct weir_view key,
                        struct weir_value value);
void weir_otlp_put_attrs(struct weir_buf *buf, uint32_t number, struct weir_attrs attrs);

/* An open resource with an open scope in it. */
struct weir_otlp_group {
    struct weir_buf *buf;
    size_t resource, scope; /* marks */
};
void weir_otlp_group_begin(struct weir_otlp_group *group, struct weir_buf *buf,
                           struct weir_attrs resource, struct weir_view scope_name,
                           struct weir_view scope_version);
/* Ends the scope and begins another one of the same resource. */
void weir_otlp_group_next_scope(struct weir_otlp_group *group, struct weir_view scope_name,
                                struct weir_view scope_version);
void weir_otlp_group_end(struct weir_otlp_group *group);

void weir_otlp_put_span(struct weir_buf *buf, const struct weir_otlp_span *span);
/* One event or link as a field of a Span message; for senders that keep a span open. */
void weir_otlp_put_event(struct weir_buf *buf, const struct weir_otlp_event *event);
void weir_otlp_put_link(struct weir_buf *buf, const struct weir_otlp_link *link);
void weir_otlp_put_log(struct weir_buf *buf, const struct weir_otlp_log *log);

/* An open metric: points of its type follow. */
struct weir_otlp_metric_open {
    struct weir_buf *buf;
    const struct weir_otlp_metric *metric; /* borrowed until the end */
    size_t mark, data;
};
void weir_otlp_metric_begin(struct weir_otlp_metric_open *open, struct weir_buf *buf,
                            const struct weir_otlp_metric *metric);
/* sum, min and max are left out when they are NaN. */
void weir_otlp_put_point(struct weir_otlp_metric_open *open, const struct weir_otlp_point *point);
void weir_otlp_metric_end(struct weir_otlp_metric_open *open);

/* Several batches of one signal as one: protobuf's repeated fields concatenate. Borrows the
 * batches. Errors as weir_otlp_batch_decode. */
int weir_otlp_merge(struct weir_otlp_batch *const *batches, size_t count,
                    struct weir_otlp_batch **ret_batch, struct weir_error *reterr);

#endif
