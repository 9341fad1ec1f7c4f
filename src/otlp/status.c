/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/status.h"

#include <stdio.h>

#include "wire/pb.h"

#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo"

/* ---- responses ------------------------------------------------------------------------------- */

static bool is_plain(const struct weir_otlp_response *response) {
    return response->rejected_count == 0 && response->message.len == 0;
}

void weir_otlp_response_encode(struct weir_buf *buf, const struct weir_otlp_response *response) {
    if (is_plain(response)) return;
    size_t partial = weir_pb_begin(buf, 1);
    weir_pb_put_varint_opt(buf, 1, response->rejected_count);
    weir_pb_put_bytes_opt(buf, 2, response->message);
    weir_pb_end(buf, partial);
}

void weir_otlp_response_encode_json(struct weir_buf *buf, enum weir_signal signal,
                                    const struct weir_otlp_response *response) {
    static const char *const rejected[] = {
        [WEIR_SIGNAL_TRACE] = "rejectedSpans",
        [WEIR_SIGNAL_METRIC] = "rejectedDataPoints",
        [WEIR_SIGNAL_LOG] = "rejectedLogRecords",
    };
    struct weir_json_writer w = weir_json_writer(buf);
    weir_json_begin_object(&w);
    if (!is_plain(response)) {
        weir_json_key(&w, "partialSuccess");
        weir_json_begin_object(&w);
        weir_json_key(&w, rejected[signal]);
        weir_json_add_u64_str(&w, response->rejected_count);
        weir_json_key(&w, "errorMessage");
        weir_json_add_str(&w, response->message);
        weir_json_end_object(&w);
    }
    weir_json_end_object(&w);
}

bool weir_otlp_response_decode(struct weir_view bytes, struct weir_otlp_response *ret) {
    struct weir_pb pb = weir_pb(bytes), partial;
    struct weir_pb_field field;
    int rc, inner = 0;
    *ret = (struct weir_otlp_response){0, WEIR_VIEW("")};
    while (inner == 0 && (rc = weir_pb_next(&pb, &field)) > 0) {
        if (weir_pb_key(&field) != WEIR_PB_KEY(1, BYTES)) continue;
        partial = weir_pb(field.bytes);
        while ((inner = weir_pb_next(&partial, &field)) > 0) {
            if (weir_pb_key(&field) == WEIR_PB_KEY(1, VARINT)) ret->rejected_count = field.value;
            if (weir_pb_key(&field) == WEIR_PB_KEY(2, BYTES)) ret->message = field.bytes;
        }
    }
    return inner == 0 && rc == 0;
}

/* ---- statuses -------------------------------------------------------------------------------- */

void weir_otlp_status_encode(struct weir_buf *buf, const struct weir_otlp_status *status) {
    weir_pb_put_varint_opt(buf, 1, (uint64_t)status->grpc_code);
    weir_pb_put_bytes_opt(buf, 2, status->message);
    if (status->retry_after_ms <= 0) return;
    size_t any = weir_pb_begin(buf, 3);
    weir_pb_put_bytes(buf, 1, WEIR_VIEW(RETRY_INFO));
    size_t info = weir_pb_begin(buf, 2), duration = weir_pb_begin(buf, 1);
    weir_pb_put_varint_opt(buf, 1, (uint64_t)(status->retry_after_ms / 1000));
    weir_pb_put_varint_opt(buf, 2, (uint64_t)(status->retry_after_ms % 1000 * 1000000));
    weir_pb_end(buf, duration);
    weir_pb_end(buf, info);
    weir_pb_end(buf, any);
}

void weir_otlp_status_encode_json(struct weir_buf *buf, const struct weir_otlp_status *status) {
    struct weir_json_writer w = weir_json_writer(buf);
    weir_json_begin_object(&w);
    weir_json_key(&w, "code");
    weir_json_add_i64(&w, status->grpc_code);
    weir_json_key(&w, "message");
    weir_json_add_str(&w, status->message);
    if (status->retry_after_ms > 0) {
        char delay[40];
        snprintf(delay, sizeof delay, "%lld.%03llds", (long long)(status->retry_after_ms / 1000),
                 (long long)(status->retry_after_ms % 1000));
        weir_json_key(&w, "details");
        weir_json_begin_array(&w);
        weir_json_begin_object(&w);
        weir_json_key(&w, "@type");
        weir_json_add_cstr(&w, RETRY_INFO);
        weir_json_key(&w, "retryDelay");
        weir_json_add_cstr(&w, delay);
        weir_json_end_object(&w);
        weir_json_end_array(&w);
    }
    weir_json_end_object(&w);
}

/* RetryInfo { 1 retry_delay Duration { 1 seconds, 2 nanos } } */
static void read_retry_info(struct weir_view info, struct weir_otlp_status *ret) {
    enum { SECONDS_MAX = 3600 }; /* a server that asks for more is not taken at its word */
    struct weir_pb pb = weir_pb(info), delay;
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) != WEIR_PB_KEY(1, BYTES)) continue;
        int64_t seconds = 0, nanos = 0;
        delay = weir_pb(field.bytes);
        while (weir_pb_next(&delay, &field) > 0) {
            if (weir_pb_key(&field) == WEIR_PB_KEY(1, VARINT)) seconds = (int64_t)field.value;
            if (weir_pb_key(&field) == WEIR_PB_KEY(2, VARINT)) nanos = (int64_t)field.value;
        }
        if (seconds < 0 || nanos < 0 || nanos >= 1000000000) continue;
        if (seconds > SECONDS_MAX) seconds = SECONDS_MAX;
        ret->retry_after_ms = seconds * 1000 + nanos / 1000000;
    }
}

static void read_detail(struct weir_view any, struct weir_otlp_status *ret) {
    struct weir_pb pb = weir_pb(any);
    struct weir_pb_field field;
    struct weir_view type = {NULL, 0}, value = {NULL, 0};
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, BYTES)) type = field.bytes;
        if (weir_pb_key(&field) == WEIR_PB_KEY(2, BYTES)) value = field.bytes;
    }
    if (weir_view_ends(type, WEIR_VIEW("/google.rpc.RetryInfo"))) read_retry_info(value, ret);
}

bool weir_otlp_status_decode(struct weir_view bytes, struct weir_otlp_status *ret) {
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field field;
    int rc;
    *ret = (struct weir_otlp_status){.message = WEIR_VIEW(""), .retry_after_ms = -1};
    while ((rc = weir_pb_next(&pb, &field)) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, VARINT))
            ret->grpc_code = (int)(uint32_t)field.value;
        if (weir_pb_key(&field) == WEIR_PB_KEY(2, BYTES)) ret->message = field.bytes;
        if (weir_pb_key(&field) == WEIR_PB_KEY(3, BYTES)) read_detail(field.bytes, ret);
    }
    return rc == 0;
}
