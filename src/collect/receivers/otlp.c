/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/receivers/otlp.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/metric.h"
#include "otlp/status.h"

#define PROTOBUF_TYPE "application/x-protobuf"
#define JSON_TYPE     "application/json"

enum {
    RETRY_AFTER_MS = 1000,   /* where the sink gave no hint */
    BYTES_PER_BODY_BYTE = 3, /* what a body costs while under way: its copy and its index */
};

/* How a request came, and so how it is answered. */
enum format { FORMAT_GRPC, FORMAT_PROTOBUF, FORMAT_JSON };

struct weir_otlp_receiver {
    struct weir_otlp_receiver_options options;
    bool signals[WEIR_SIGNALS_COUNT];
};

/* ---- counters, under the names that the OpenTelemetry Collector made known ------------------- */

#define RECEIVER_COUNTERS(what, records, words)                                                    \
    WEIR_COUNTER(what##_##records##_grpc, "otelcol_receiver_" #what "_" #records "_total", words,  \
                 "receiver=\"otlp\",transport=\"grpc\"");                                          \
    WEIR_COUNTER(what##_##records##_http, "otelcol_receiver_" #what "_" #records "_total", words,  \
                 "receiver=\"otlp\",transport=\"http\"")

RECEIVER_COUNTERS(accepted, spans, "Spans taken and stored.");
RECEIVER_COUNTERS(accepted, metric_points, "Metric points taken and stored.");
RECEIVER_COUNTERS(accepted, log_records, "Log records taken and stored.");
RECEIVER_COUNTERS(refused, spans, "Spans that could not be stored.");
RECEIVER_COUNTERS(refused, metric_points, "Metric points that could not be stored.");
RECEIVER_COUNTERS(refused, log_records, "Log records that could not be stored.");

static struct weir_metric *const accepted[WEIR_SIGNALS_COUNT][2] = {
    [WEIR_SIGNAL_TRACE] = {&accepted_spans_grpc, &accepted_spans_http},
    [WEIR_SIGNAL_METRIC] = {&accepted_metric_points_grpc, &accepted_metric_points_http},
    [WEIR_SIGNAL_LOG] = {&accepted_log_records_grpc, &accepted_log_records_http},
};
static struct weir_metric *const refused[WEIR_SIGNALS_COUNT][2] = {
    [WEIR_SIGNAL_TRACE] = {&refused_spans_grpc, &refused_spans_http},
    [WEIR_SIGNAL_METRIC] = {&refused_metric_points_grpc, &refused_metric_points_http},
    [WEIR_SIGNAL_LOG] = {&refused_log_records_grpc, &refused_log_records_http},
};

#define REQUESTS      "weir_otlp_refused_requests_total"
#define REQUESTS_HELP "OTLP requests answered with an error, by reason."
WEIR_COUNTER(malformed, REQUESTS, REQUESTS_HELP, "reason=\"malformed\"");
WEIR_COUNTER(too_big, REQUESTS, REQUESTS_HELP, "reason=\"too_big\"");
WEIR_COUNTER(media_type, REQUESTS, REQUESTS_HELP, "reason=\"media_type\"");
WEIR_COUNTER(busy, REQUESTS, REQUESTS_HELP, "reason=\"busy\"");
WEIR_COUNTER(turned_off, REQUESTS, REQUESTS_HELP, "reason=\"turned_off\"");
WEIR_COUNTER(sink_failed, REQUESTS, REQUESTS_HELP, "reason=\"sink\"");
WEIR_COUNTER(invalid_records, "weir_otlp_rejected_records_total",
             "Spans, points and log records left out as invalid.", "");

/* ---- answers --------------------------------------------------------------------------------- */

static void reply_success(struct weir_http_request *req, enum format format,
                          enum weir_signal signal, const struct weir_otlp_response *response) {
    struct weir_buf buf;
    weir_buf_init(&buf, 4096);
    if (format == FORMAT_JSON)
        weir_otlp_response_encode_json(&buf, signal, response);
    else
        weir_otlp_response_encode(&buf, response);
    if (format == FORMAT_GRPC)
        weir_http_reply_grpc(req, 0, "", weir_buf_view(&buf), weir_view(NULL, 0));
    else
        weir_http_reply_view(req, 200, format == FORMAT_JSON ? JSON_TYPE : PROTOBUF_TYPE,
                             weir_buf_view(&buf));
    weir_buf_done(&buf);
}

/* Whole seconds, rounded up: what the HTTP header can say. */
static void add_retry_after(struct weir_http_request *req, int64_t retry_after_ms) {
    char seconds[24];
    int len = snprintf(seconds, sizeof seconds, "%lld", (long long)((retry_after_ms + 999) / 1000));
    weir_http_reply_header(req, "Retry-After", weir_view(seconds, (size_t)len));
}

static void reply_failure(struct weir_http_request *req, enum format format, int code,
                          const char *message, int64_t retry_after_ms) {
    if (!weir_error_retriable(code))
        retry_after_ms = 0;
    else if (retry_after_ms <= 0)
        retry_after_ms = RETRY_AFTER_MS;
    if (!*message) message = weir_error_text(code);
    struct weir_otlp_status status = {weir_error_grpc(code), weir_view_str(message),
                                      retry_after_ms};
    struct weir_buf buf;
    weir_buf_init(&buf, 4096);
    if (format == FORMAT_JSON)
        weir_otlp_status_encode_json(&buf, &status);
    else
        weir_otlp_status_encode(&buf, &status);
    if (format == FORMAT_GRPC) {
        weir_http_reply_grpc(req, status.grpc_code, message, weir_view(NULL, 0),
                             weir_buf_view(&buf));
    } else {
        if (retry_after_ms) add_retry_after(req, retry_after_ms);
        weir_http_reply_view(req, weir_error_http(code),
                             format == FORMAT_JSON ? JSON_TYPE : PROTOBUF_TYPE,
                             weir_buf_view(&buf));
    }
    weir_buf_done(&buf);
}

/* ---- the walk of one request ----------------------------------------------------------------- */

/* A request whose batch is with the sink. */
struct call {
    struct weir_otlp_receiver *receiver;
    struct weir_http_request *req;
    struct weir_otlp_batch *batch; /* our reference: the sink has its own */
    enum format format;
    size_t charged_bytes;
};

static void reply_batch(struct weir_http_request *req, enum format format,
                        const struct weir_otlp_batch *batch, uint32_t sink_rejected,
                        const char *sink_message) {
    struct weir_otlp_response response = {
        .rejected_count = (uint64_t)batch->rejected_count + sink_rejected,
        .message = weir_view_str(batch->rejected_count ? batch->rejected_message : sink_message),
    };
    reply_success(req, format, batch->signal, &response);
}

/* The sink's answer; any thread. */
static void on_done(void *arg, const struct weir_sink_answer *answer) {
    struct call *call = arg;
    const struct weir_otlp_batch *batch = call->batch;
    int transport = call->format == FORMAT_GRPC ? 0 : 1;
    uint32_t records = weir_otlp_batch_records_count(batch);
    const char *message = answer->message ? answer->message : "";
    if (answer->code == WEIR_OK) {
        weir_metric_add(accepted[batch->signal][transport],
                        (int64_t)records - answer->rejected_count);
        weir_metric_add(&invalid_records, answer->rejected_count);
        reply_batch(call->req, call->format, batch, answer->rejected_count, message);
    } else {
        weir_metric_add(refused[batch->signal][transport], records);
        weir_metric_add(&sink_failed, 1);
        reply_failure(call->req, call->format, answer->code, message, answer->retry_after_ms);
    }
    weir_budget_give(call->receiver->options.budget, call->charged_bytes);
    weir_otlp_batch_unref(call->batch);
    free(call);
}

static int decode(struct weir_view body, enum format format, enum weir_signal signal,
                  struct weir_otlp_batch **ret, struct weir_error *err) {
    if (format == FORMAT_JSON) return weir_otlp_batch_decode_json(signal, body, 0, ret, err);
    char *copy = malloc(body.len ? body.len : 1); /* the request's own bytes end with its answer */
    if (!copy)
        return weir_error_set(err, WEIR_ENOMEMORY, "no memory for a body of %zu bytes", body.len);
    if (body.len) memcpy(copy, body.ptr, body.len);
    return weir_otlp_batch_decode(signal, copy, body.len, 0, ret, err);
}

static void push(const struct call *present, struct weir_otlp_batch *batch) {
    struct weir_otlp_receiver *receiver = present->receiver;
    struct call *call = malloc(sizeof *call);
    if (!call) {
        weir_budget_give(receiver->options.budget, present->charged_bytes);
        weir_otlp_batch_unref(batch);
        reply_failure(present->req, present->format, WEIR_ENOMEMORY, "", 0);
        return;
    }
    *call = *present;
    call->batch = weir_otlp_batch_ref(batch);
    weir_sink_push(receiver->options.sink, batch, on_done, call);
}

/* Decodes and hands over; what never reaches the sink is answered here. */
static void admit(const struct call *call, enum weir_signal signal) {
    struct weir_otlp_batch *batch;
    struct weir_error err = {0};
    int rc = decode(call->req->body, call->format, signal, &batch, &err);
    if (rc < 0) {
        weir_metric_add(rc == WEIR_ETOOBIG    ? &too_big
                        : rc == WEIR_EINVALID ? &malformed
                                              : &busy,
                        1);
        weir_budget_give(call->receiver->options.budget, call->charged_bytes);
        reply_failure(call->req, call->format, rc, err.message, 0);
        return;
    }
    weir_metric_add(&invalid_records, batch->rejected_count);
    if (weir_otlp_batch_records_count(batch) > 0) {
        push(call, batch);
        return;
    }
    weir_budget_give(call->receiver->options.budget, call->charged_bytes);
    reply_batch(call->req, call->format, batch, 0, "");
    weir_otlp_batch_unref(batch);
}

/* False: the type is none of OTLP's. */
static bool format_of(const struct weir_http_request *req, enum format *ret) {
    *ret = FORMAT_GRPC;
    if (req->is_grpc) return true;
    struct weir_view type = weir_http_header(req, "content-type");
    type = weir_view_trim(weir_view_cut(&type, ';'));
    *ret = weir_view_eq_nocase(type, WEIR_VIEW(PROTOBUF_TYPE)) ||
                   weir_view_eq_nocase(type, WEIR_VIEW("application/protobuf"))
               ? FORMAT_PROTOBUF
               : FORMAT_JSON;
    return *ret == FORMAT_PROTOBUF || weir_view_eq_nocase(type, WEIR_VIEW(JSON_TYPE));
}

static void receive(struct weir_otlp_receiver *receiver, struct weir_http_request *req,
                    enum weir_signal signal) {
    struct call call = {.receiver = receiver, .req = req};
    if (!format_of(req, &call.format)) {
        weir_metric_add(&media_type, 1);
        reply_failure(req, FORMAT_JSON, WEIR_EUNSUPPORTED,
                      "Content-Type must be " PROTOBUF_TYPE " or " JSON_TYPE, 0);
        return;
    }
    if (!receiver->signals[signal]) {
        char words[80];
        snprintf(words, sizeof words,
                 "this server takes no %s: they are turned off by configuration",
                 weir_signal_name(signal));
        weir_metric_add(&turned_off, 1);
        reply_failure(req, call.format,
                      call.format == FORMAT_GRPC ? WEIR_EUNSUPPORTED : WEIR_ENOTFOUND, words, 0);
        return;
    }
    call.charged_bytes = req->body.len * BYTES_PER_BODY_BYTE;
    if (!weir_budget_try_take(receiver->options.budget, call.charged_bytes)) {
        weir_metric_add(&busy, 1);
        reply_failure(req, call.format, WEIR_EBUSY, "too much is under way; send this again later",
                      0);
        return;
    }
    admit(&call, signal);
}

static void receive_traces(void *ctx, struct weir_http_request *req) {
    receive(ctx, req, WEIR_SIGNAL_TRACE);
}

static void receive_metrics(void *ctx, struct weir_http_request *req) {
    receive(ctx, req, WEIR_SIGNAL_METRIC);
}

static void receive_logs(void *ctx, struct weir_http_request *req) {
    receive(ctx, req, WEIR_SIGNAL_LOG);
}

/* ---- life ------------------------------------------------------------------------------------ */

#define GRPC "/opentelemetry.proto.collector."

static const struct weir_http_route routes[] = {
    {.method = "POST", .pattern = "/v1/traces", .handler = receive_traces},
    {.method = "POST", .pattern = "/v1/metrics", .handler = receive_metrics},
    {.method = "POST", .pattern = "/v1/logs", .handler = receive_logs},
    {.method = "POST", .pattern = GRPC "trace.v1.TraceService/Export", .handler = receive_traces},
    {.method = "POST",
     .pattern = GRPC "metrics.v1.MetricsService/Export",
     .handler = receive_metrics},
    {.method = "POST", .pattern = GRPC "logs.v1.LogsService/Export", .handler = receive_logs},
};

struct weir_otlp_receiver *weir_otlp_receiver_new(
    const struct weir_otlp_receiver_options *options) {
    struct weir_otlp_receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver) return NULL;
    receiver->options = *options;
    receiver->options.signals = NULL;
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++)
        receiver->signals[i] = !options->signals || options->signals[i];
    return receiver;
}

void weir_otlp_receiver_free(struct weir_otlp_receiver *receiver) {
    free(receiver);
}

const struct weir_http_route *weir_otlp_receiver_http_routes(size_t *ret_count) {
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}

const struct weir_http_route *weir_otlp_receiver_grpc_routes(size_t *ret_count) {
    return weir_otlp_receiver_http_routes(ret_count);
}
