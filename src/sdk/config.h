/* SPDX-License-Identifier: Apache-2.0 */
/* What the SDK was told: struct weir_options and OTEL_* variables, read once, then never changed.
 *
 * By default the environment wins over the options (see WEIR_INIT_OPTIONS_FIRST). An empty variable
 * counts as unset. A value that cannot be read is an error that names the variable, never a guess.
 *
 * Threads: reading any. Memory: everything lies in the config's arena.
 * Source: OpenTelemetry specification 1.60, configuration/sdk-environment-variables.md and
 * protocol/exporter.md.
 */
#ifndef WEIR_SDK_CONFIG_H
#define WEIR_SDK_CONFIG_H

#include "base/arena.h"
#include "base/error.h"
#include "sdk/sampler.h"
#include "weir/weir.h"

enum weir_sdk_signal { WEIR_SDK_TRACES, WEIR_SDK_METRICS, WEIR_SDK_LOGS };
enum { WEIR_SDK_SIGNALS_COUNT = 3 };

/* "traces", "metrics", "logs". */
extern const char *const weir_sdk_signal_names[WEIR_SDK_SIGNALS_COUNT];

enum weir_config_exporter { /* bits */
                            WEIR_EXPORTER_OTLP = 1,
                            WEIR_EXPORTER_CONSOLE = 2,
                            WEIR_EXPORTER_PROMETHEUS = 4,
};

enum weir_config_propagator { /* bits */
                              WEIR_PROPAGATOR_TRACECONTEXT = 1,
                              WEIR_PROPAGATOR_BAGGAGE = 2,
                              WEIR_PROPAGATOR_B3 = 4,       /* writes one header, reads both */
                              WEIR_PROPAGATOR_B3_MULTI = 8, /* writes several */
};

enum weir_config_temporality { /* of the points that OTLP sends */
                               WEIR_CONFIG_CUMULATIVE,
                               WEIR_CONFIG_DELTA,     /* sums that only grow, histograms */
                               WEIR_CONFIG_LOWMEMORY, /* the same, but not what callbacks report */
};

enum weir_config_exemplars {
    WEIR_CONFIG_EXEMPLARS_TRACE_BASED, /* of measurements in a sampled span */
    WEIR_CONFIG_EXEMPLARS_ALL,
    WEIR_CONFIG_EXEMPLARS_NONE,
};

struct weir_config_header {
    struct weir_view name, value;
};

struct weir_config_otlp { /* of one signal */
    struct weir_view url; /* with scheme; HTTP: with the signal's path */
    bool grpc, gzip;
    int64_t timeout_ms; /* of one attempt */
    const struct weir_config_header *headers;
    uint32_t headers_count;
    const char *ca_file, *cert_file, *key_file; /* of https; NULL: none */
    bool skip_verify;
};

struct weir_config_queue {         /* spans' and logs' batch processors */
    uint32_t queue_max, batch_max; /* records */
    int64_t delay_ms;              /* a record waits at most so long */
    int64_t timeout_ms;            /* a batch is tried for so long, all attempts together */
};

struct weir_config {
    struct weir_arena arena;
    struct weir_config *next;                   /* retired ones */
    bool disabled;                              /* OTEL_SDK_DISABLED */
    bool lazy;                                  /* WEIR_INIT_LAZY */
    unsigned exporters[WEIR_SDK_SIGNALS_COUNT]; /* enum weir_config_exporter */
    struct weir_config_otlp otlp[WEIR_SDK_SIGNALS_COUNT];
    struct weir_config_queue spans, logs;
    int64_t metric_interval_ms, metric_timeout_ms;
    enum weir_config_temporality temporality;
    enum weir_config_exemplars exemplars;
    bool exponential; /* histograms go out with exponential buckets */
    struct weir_sampler sampler;
    unsigned propagators; /* enum weir_config_propagator */
    struct weir_view service_name;
    struct weir_view resource; /* encoded attributes of a Resource, without process and instance */
    bool has_instance_id;      /* service.instance.id is among them */
    uint32_t span_attributes_max, span_events_max, span_links_max;
    uint32_t event_attributes_max, link_attributes_max, log_attributes_max;
    uint32_t span_value_max, log_value_max; /* characters; 0 = no limit */
    const char *log_file;                   /* NULL: none */
    bool log_text;                          /* console format */
    const char *http_host;                  /* never NULL */
    int http_port;                          /* 0: off, -1: any */
    weir_error_callback *on_error;
    void *on_error_arg;
};

/* Reads options (may be NULL) and the environment. Errors: WEIR_EINVALID, WEIR_EUNSUPPORTED,
 * WEIR_ENOMEMORY. */
int weir_config_new(const struct weir_options *options, struct weir_config **ret,
                    struct weir_error *reterr);
/* Takes NULL. */
void weir_config_free(struct weir_config *config);

#endif
