/* SPDX-License-Identifier: Apache-2.0 */
/* libweir: OpenTelemetry traces, metrics and logs for C programs.
 *
 *     weir_init(NULL, NULL);                               // configured by OTEL_* variables
 *     struct weir_tracer *tracer = weir_tracer_get("shop", "1.0");
 *     struct weir_span *span = weir_span_start(tracer, "checkout", NULL);
 *     weir_span_end(span);
 *     weir_shutdown(5000, NULL);
 *
 * The library is a guest: it never aborts, prints, exits or takes a signal, and blocks only in
 * weir_flush and weir_shutdown, up to their timeout. Every call is allowed before weir_init and
 * after weir_shutdown, with any NULL handle, and then does nothing. A fork is survived: the child
 * starts with empty queues and its own exporter thread.
 *
 * Threads: any thread may call any function unless its comment says otherwise.
 * Memory: handles of tracers, meters, loggers and instruments live until the process ends; spans
 * until weir_span_end.
 * Source: OpenTelemetry specification 1.60.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include "weir/attribute.h"
#include "weir/error.h"
#include "weir/version.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_init_flags {
    /* Options win over OTEL_* variables. Without it the environment wins, so that whoever runs the
     * program has the last word, and options are the program's own defaults. */
    WEIR_INIT_OPTIONS_FIRST = 1,
    /* OTEL_* variables are not read at all. */
    WEIR_INIT_NO_ENVIRONMENT = 2,
    /* The exporter's thread starts when something is recorded, or an instrument made, not in
     * weir_init: for a host that forks its workers later. */
    WEIR_INIT_LAZY = 4
};

/* Called from the exporter thread (rarely from the caller of weir_init) when telemetry cannot be
 * delivered or configuration is wrong; at most once per second. Must not call weir_shutdown. */
typedef void weir_error_callback(void *arg, const struct weir_error *err);

/* Zero it, set struct_size, set what matters. All pointers are borrowed during weir_init only;
 * NULL or 0 means "not said". */
struct weir_options {
    size_t struct_size; /* sizeof(struct weir_options) */
    unsigned flags;     /* enum weir_init_flags */

    const char *service_name;    /* OTEL_SERVICE_NAME; default unknown_service:<program> */
    const char *service_version; /* OTEL_SERVICE_VERSION */
    const struct weir_attribute *resource; /* more resource attributes (OTEL_RESOURCE_ATTRIBUTES) */
    size_t resource_count;

    const char *endpoint;    /* OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_OTLP_TARGET; default
                                http://localhost:4318, for grpc http://localhost:4317 */
    const char *protocol;    /* OTEL_EXPORTER_OTLP_PROTOCOL or OTEL_OTLP_CONN_TYPE:
                                "http/protobuf" (default, "http") or "grpc" */
    const char *headers;     /* OTEL_EXPORTER_OTLP_HEADERS: "name=value,name=value" */
    const char *compression; /* OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" or "none" (default) */
    int64_t timeout_ms;      /* OTEL_EXPORTER_OTLP_TIMEOUT: per export, default 10000 */

    const char *traces_exporter;  /* OTEL_TRACES_EXPORTER: "otlp" (default), "console", "none" */
    const char *metrics_exporter; /* OTEL_METRICS_EXPORTER: the same, and "prometheus"; a list with
                                     commas is allowed */
    const char *logs_exporter;    /* OTEL_LOGS_EXPORTER: "otlp" (default), "console", "none" */

    const char *sampler;     /* OTEL_TRACES_SAMPLER: always_on, always_off, traceidratio, and each
                                with parentbased_ before it; default parentbased_always_on */
    const char *sampler_arg; /* OTEL_TRACES_SAMPLER_ARG: ratio 0.0 … 1.0 */
    const char *propagators; /* OTEL_PROPAGATORS: "tracecontext,baggage" (default), "b3", "b3multi",
                                "none"; a list with commas */

    int64_t metric_interval_ms; /* OTEL_METRIC_EXPORT_INTERVAL, default 60000 */
    int64_t span_delay_ms;      /* OTEL_BSP_SCHEDULE_DELAY, default 5000 */
    int64_t log_delay_ms;       /* OTEL_BLRP_SCHEDULE_DELAY, default 1000 */

    const char *log_file;   /* WEIR_LOG_FILE: also writes logs as JSON lines to this file */
    const char *log_format; /* WEIR_LOG_FORMAT: of the console exporter, "json" (default), "text" */

    const char *http_host; /* WEIR_METRICS_HOST, OTEL_EXPORTER_PROMETHEUS_HOST; default localhost */
    int http_port;         /* WEIR_METRICS_PORT: serves /metrics and /health; 0 = off, -1 = any free
                              port (ask weir_http_port) */

    weir_error_callback *on_error; /* or NULL */
    void *on_error_arg;

    /* For https endpoints; files in PEM, read again when they have changed. */
    const char *certificate;        /* OTEL_EXPORTER_OTLP_CERTIFICATE: authorities to trust; default
                                       the system's */
    const char *client_certificate; /* OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: what the receiver
                                       is shown */
    const char *client_key;         /* OTEL_EXPORTER_OTLP_CLIENT_KEY: its key, unencrypted */
    bool insecure; /* OTEL_EXPORTER_OTLP_INSECURE: a grpc endpoint without a scheme is http, not
                      https */
    bool insecure_skip_verify; /* takes any certificate: for tries, never for production */
};

/* Starts the process-wide SDK: one exporter thread (see WEIR_INIT_LAZY), no connection yet.
 * `options` may be NULL. Calls nest: a further call with NULL options succeeds and wants its own
 * weir_shutdown.
 * Errors: WEIR_EINVALID (an option or variable, named in the message), WEIR_EUNSUPPORTED (protocol
 * http/json), WEIR_ECONFLICT (runs already, with options given), WEIR_EBUSY (port taken),
 * WEIR_ENOMEMORY. After an error nothing runs and every other call does nothing. */
WEIR_API int weir_init(const struct weir_options *options, struct weir_error *reterr);

/* Sends what has been recorded so far, waiting up to `timeout_ms` (0: default 10 s).
 * Errors: WEIR_ETIMEOUT, WEIR_EUNAVAILABLE (given up by the exporter; the message has the last
 * cause). WEIR_OK when nothing runs. */
WEIR_API int weir_flush(int64_t timeout_ms, struct weir_error *reterr);

/* Ends the SDK when the last weir_init is undone: flushes, stops the thread, closes the port.
 * Errors as weir_flush; the SDK is stopped in every case. */
WEIR_API int weir_shutdown(int64_t timeout_ms, struct weir_error *reterr);

/* True between weir_init and weir_shutdown, unless switched off (OTEL_SDK_DISABLED, a bug found).
 */
WEIR_API bool weir_is_running(void);

/* The port that serves /metrics and /health, 0 if none. */
WEIR_API uint16_t weir_http_port(void);

/* What happened to the telemetry so far in this process; all counts only grow. */
struct weir_stats {
    size_t struct_size;     /* set by the caller: sizeof(struct weir_stats) */
    uint64_t spans_started; /* recording ones */
    uint64_t spans_exported, spans_dropped_queue, spans_dropped_memory, spans_dropped_export;
    uint64_t logs_emitted;
    uint64_t logs_exported, logs_dropped_queue, logs_dropped_memory, logs_dropped_export;
    uint64_t points_exported, points_dropped_export;
    uint64_t attributes_dropped; /* no key, or past a limit */
    uint64_t headers_malformed;  /* traceparent, tracestate, baggage that were ignored */
    uint64_t exports_retried;
    uint64_t bugs; /* internal errors; from the first on everything is switched off */
    /* spans_started = exported + dropped (queue, memory, export, closed) + cancelled + open +
     * waiting, whenever no thread is in the middle of a call. */
    uint64_t spans_dropped_closed; /* ended after weir_shutdown */
    uint64_t spans_cancelled;      /* weir_span_cancel */
    uint64_t spans_open;           /* started and not ended */
    uint64_t spans_waiting;        /* ended and not yet exported or dropped */
};
WEIR_API void weir_stats_get(struct weir_stats *stats);

/* ── /health ─────────────────────────────────────────────────────────────────────────────────── */
enum weir_health { WEIR_HEALTH_UNKNOWN, WEIR_HEALTH_PASS, WEIR_HEALTH_FAIL };

/* Called on the thread that answers /health, for every request; quick, may take own locks. Writes a
 * sentence (may be left "") into `detail`. */
typedef enum weir_health weir_health_check(void *arg, char *detail, size_t detail_size);

/* Adds or replaces the check of that name (copied). /health answers 200 while none fails, else 503.
 * Errors: WEIR_ELIMIT past 64 checks, WEIR_ENOMEMORY. */
WEIR_API int weir_health_add(const char *name, weir_health_check *check, void *arg,
                             struct weir_error *reterr);
/* After it returns the check is not running and will not run again. */
WEIR_API void weir_health_remove(const char *name);

#ifdef __cplusplus
}
#endif
#endif
