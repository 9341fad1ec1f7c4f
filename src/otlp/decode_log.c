/* SPDX-License-Identifier: Apache-2.0 */
/* Log records. Source: opentelemetry-proto 1.11, logs/v1/logs.proto. */
#include "otlp/decode.h"
#include "otlp/value.h"

enum { SEVERITY_MAX = 24 };

static bool decode_body(struct weir_otlp_decoder *d, struct weir_view raw, struct weir_value *ret) {
    if (weir_value_decode(raw, ret) && weir_value_is_valid(*ret)) return true;
    return weir_otlp_decode_fail(
        d, raw.ptr, "LogRecord.body is malformed, not UTF-8 or nested deeper than 64 levels");
}

static bool log_field(struct weir_otlp_decoder *d, const struct weir_pb_field *field,
                      struct weir_otlp_log *log, struct weir_otlp_attr_list *attrs) {
    switch (weir_pb_key(field)) {
    case WEIR_PB_KEY(1, FIXED64): log->time_ns = weir_otlp_decode_time(field->value); break;
    case WEIR_PB_KEY(2, VARINT):
        log->severity_number = field->value <= SEVERITY_MAX ? (int32_t)field->value : 0;
        break;
    case WEIR_PB_KEY(3, BYTES):
        return weir_otlp_decode_text(d, field->bytes, &log->severity_text,
                                     "LogRecord.severity_text");
    case WEIR_PB_KEY(5, BYTES): return decode_body(d, field->bytes, &log->body);
    case WEIR_PB_KEY(6, BYTES): return weir_otlp_decode_attr(d, field->bytes, attrs);
    case WEIR_PB_KEY(7, VARINT): log->dropped_attrs_count = (uint32_t)field->value; break;
    case WEIR_PB_KEY(8, FIXED32): log->flags = (uint32_t)field->value; break;
    case WEIR_PB_KEY(9, BYTES): log->trace_id = weir_otlp_decode_id(field->bytes, 16); break;
    case WEIR_PB_KEY(10, BYTES): log->span_id = weir_otlp_decode_id(field->bytes, 8); break;
    case WEIR_PB_KEY(11, FIXED64): log->observed_ns = weir_otlp_decode_time(field->value); break;
    case WEIR_PB_KEY(12, BYTES):
        return weir_otlp_decode_text(d, field->bytes, &log->event_name, "LogRecord.event_name");
    default: break;
    }
    return true;
}

/* Ids that are invalid mean, by the specification, that the record belongs to no trace. */
bool weir_otlp_decode_log(struct weir_otlp_decoder *d, struct weir_view raw, uint32_t scope) {
    struct weir_otlp_log *log = &d->logs[d->batch->logs_count];
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    struct weir_otlp_attr_list attrs;
    int rc;
    *log = (struct weir_otlp_log){.scope = scope, .raw = raw};
    if (!weir_otlp_decode_attrs_begin(d, weir_otlp_decode_counts(raw).of[6], &attrs)) return false;
    while ((rc = weir_pb_next(&pb, &field)) > 0)
        if (!log_field(d, &field, log, &attrs)) return false;
    if (rc < 0) return weir_otlp_decode_fail(d, pb.at, "malformed LogRecord");
    log->attrs = weir_otlp_decode_attrs_end(&attrs);
    if (log->time_ns == INT64_MAX || log->observed_ns == INT64_MAX)
        weir_otlp_decode_reject(
            d, 1, "log record: time_unix_nano or observed_time_unix_nano is beyond the year 2262");
    else
        d->batch->logs_count++;
    return true;
}
