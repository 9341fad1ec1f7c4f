/* SPDX-License-Identifier: Apache-2.0 */
/* The exporters `otlp` (gRPC) and `otlphttp`: batches on to another receiver, from a durable queue.
 *
 *     otlp:     {endpoint: tempo:4317, tls: {insecure: true}}
 *     otlphttp: {endpoint: https://mimir/otlp, headers: {x-scope-orgid: demo}, compression: gzip}
 *     both:     timeout: 5s, retry_on_failure: {initial_interval: 1s, max_interval: 30s,
 *               max_elapsed_time: 0}, sending_queue: {queue_size: 1GiB},
 *               tls: {insecure, ca_file, cert_file, key_file, insecure_skip_verify}
 *
 * A batch is answered when it lies in the queue's folder (<data>/queue/<id>) on disk, and is then
 * sent in order until the receiver takes it, refuses it for good (counted, told), or
 * max_elapsed_time is over (0, the default: never). A full queue refuses, to be sent again later.
 *
 * Source: opentelemetry-collector, otlpexporter, otlphttpexporter, exporterhelper.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "base/thread.h"
#include "collect/exporters/spool.h"
#include "collect/types.h"
#include "outbound/otlp.h"

enum { URL_SIZE = 1024, HEADERS_MAX = 64, COUNT_SIZE = 4, PEEK_MS = 1000, LABELS_SIZE = 160 };
#define DRAIN_NS WEIR_NS_PER_S
enum { SENT, FAILED, QUEUE_BYTES, METRICS_COUNT = 2 * WEIR_SIGNALS_COUNT + 1 };

struct otlp {
    struct weir_component component;
    bool grpc, gzip;
    char urls[WEIR_SIGNALS_COUNT][URL_SIZE];
    struct weir_http_field fields[HEADERS_MAX];
    uint32_t fields_count;
    char *tls_texts[3]; /* ca, certificate, key */
    bool skip_verify;
    int64_t timeout_ms, first_ms, most_ms, elapsed_ns; /* elapsed 0: no end */
    uint64_t queue_bytes;
    char folder[URL_SIZE];
    /* from start on */
    struct weir_spool *spool;
    struct weir_outbound *outbounds[WEIR_SIGNALS_COUNT];
    pthread_t sender;
    bool sending;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* with `wake`: pauses that a stop ends */
    pthread_cond_t wake;
    struct weir_metric *metrics; /* sent, failed by signal; never freed */
};

/* ---- taking ---------------------------------------------------------------------------------- */

struct call {
    weir_sink_done *done;
    void *arg;
};

static void on_disk(void *arg, int code) {
    struct call *call = arg;
    const struct weir_sink_answer answer = {
        .code = code, .message = code == WEIR_OK ? "" : "the queue cannot be forced to disk"};
    call->done(call->arg, &answer);
    free(call);
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct otlp *self = (struct otlp *)sink;
    struct call *call = malloc(sizeof *call);
    struct weir_buf record;
    uint32_t count = weir_otlp_batch_records_count(batch);
    weir_buf_init(&record, batch->bytes.len + COUNT_SIZE + 64);
    weir_buf_add(&record, &count, COUNT_SIZE);
    weir_buf_add_view(&record, batch->bytes);
    int rc = !call || record.failed ? WEIR_ENOMEMORY : WEIR_OK;
    if (!rc) {
        *call = (struct call){done, arg};
        rc = weir_spool_put(self->spool, (uint8_t)batch->signal, weir_buf_view(&record), on_disk,
                            call);
    }
    weir_buf_done(&record);
    if (rc) {
        free(call);
        weir_component_answer(batch, done, arg, rc,
                              rc == WEIR_EFULL ? "the exporter's queue is full" : "");
        return;
    }
    weir_otlp_batch_unref(batch);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Sleeps unless a stop comes: false then. */
static bool pause_ms(struct otlp *self, int64_t ms) {
    int64_t until_ns = weir_clock_mono_ns() + ms * WEIR_NS_PER_MS;
    struct timespec until = {.tv_sec = (time_t)(until_ns / WEIR_NS_PER_S),
                             .tv_nsec = (long)(until_ns % WEIR_NS_PER_S)};
    pthread_mutex_lock(&self->mutex);
    while (!atomic_load(&self->stopping) &&
           pthread_cond_timedwait(&self->wake, &self->mutex, &until) == 0) {
    }
    pthread_mutex_unlock(&self->mutex);
    return !atomic_load(&self->stopping);
}

static int64_t backoff_ms(const struct otlp *self, unsigned attempts) {
    int64_t pause = self->first_ms << (attempts < 16 ? attempts : 16);
    if (pause > self->most_ms || pause <= 0) pause = self->most_ms;
    return pause / 2 + (int64_t)(weir_rand_u64() % (uint64_t)(pause / 2 + 1));
}

static void count(struct otlp *self, int what, enum weir_signal signal, uint64_t records) {
    weir_metric_add(&self->metrics[what * WEIR_SIGNALS_COUNT + (int)signal], (int64_t)records);
}

/* Until it is taken, refused for good, or too old; false when a stop came first. */
static bool deliver(struct otlp *self, enum weir_signal signal, struct weir_view body,
                    uint32_t records) {
    struct weir_outbound *outbound = self->outbounds[signal];
    int64_t started_ns = weir_clock_mono_ns();
    for (unsigned attempts = 0;; attempts++) {
        struct weir_outbound_answer answer;
        outbound->send(outbound, body, self->timeout_ms, &answer);
        if (answer.code == WEIR_OK) {
            uint64_t rejected = answer.rejected < records ? answer.rejected : records;
            count(self, SENT, signal, records - rejected);
            count(self, FAILED, signal, rejected);
            return true;
        }
        if (atomic_load(&self->stopping)) return false;
        bool over = self->elapsed_ns && weir_clock_mono_ns() - started_ns > self->elapsed_ns;
        if (!answer.retry || over) {
            count(self, FAILED, signal, records);
            weir_log_warn("collect", "%s: %u %s are dropped: %s", self->component.id, records,
                          weir_signal_name(signal), answer.message);
            return true;
        }
        if (attempts == 0)
            weir_log_warn("collect", "%s: %s; trying again", self->component.id, answer.message);
        int64_t wait =
            answer.retry_after_ms >= 0 ? answer.retry_after_ms : backoff_ms(self, attempts);
        if (!pause_ms(self, wait)) return false;
    }
}

static void *run(void *arg) {
    struct otlp *self = arg;
    while (!atomic_load(&self->stopping)) {
        uint8_t signal;
        uint32_t records;
        struct weir_view bytes;
        if (!weir_spool_peek(self->spool, PEEK_MS, &signal, &bytes)) continue;
        weir_metric_set(&self->metrics[2 * WEIR_SIGNALS_COUNT],
                        (int64_t)weir_spool_bytes(self->spool));
        if (signal < WEIR_SIGNALS_COUNT && bytes.len >= COUNT_SIZE) {
            memcpy(&records, bytes.ptr, COUNT_SIZE);
            if (!deliver(self, (enum weir_signal)signal, weir_view_from(bytes, COUNT_SIZE),
                         records))
                break;
        }
        weir_spool_advance(self->spool);
        weir_metric_set(&self->metrics[2 * WEIR_SIGNALS_COUNT],
                        (int64_t)weir_spool_bytes(self->spool));
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Counters under the Collector's names, with the exporter's id. They outlive it. */
static bool add_metrics(struct otlp *self) {
    static const char *const names[] = {"otelcol_exporter_sent_spans_total",
                                        "otelcol_exporter_sent_metric_points_total",
                                        "otelcol_exporter_sent_log_records_total",
                                        "otelcol_exporter_send_failed_spans_total",
                                        "otelcol_exporter_send_failed_metric_points_total",
                                        "otelcol_exporter_send_failed_log_records_total",
                                        "otelcol_exporter_queue_size"};
    char *labels = malloc(LABELS_SIZE);
    self->metrics = calloc(METRICS_COUNT, sizeof *self->metrics);
    if (!labels || !self->metrics) {
        free(labels);
        return false;
    }
    snprintf(labels, LABELS_SIZE, "exporter=\"%s\"", self->component.id);
    for (int i = 0; i < METRICS_COUNT; i++) {
        self->metrics[i] =
            (struct weir_metric){.name = names[i],
                                 .help = i < 3   ? "Records that the receiver has taken."
                                         : i < 6 ? "Records that the receiver has refused for good."
                                                 : "Bytes that wait in the exporter's queue.",
                                 .labels = labels,
                                 .kind = i < 6 ? WEIR_METRIC_COUNTER : WEIR_METRIC_GAUGE};
        weir_metric_register(&self->metrics[i]);
    }
    return true;
}

static int start(struct weir_component *component, struct weir_error *reterr) {
    struct otlp *self = (struct otlp *)component;
    if (!add_metrics(self)) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++) {
        const struct weir_outbound_options options = {.url = self->urls[i],
                                                      .signal = (enum weir_signal)i,
                                                      .grpc = self->grpc,
                                                      .gzip = self->gzip,
                                                      .fields = self->fields,
                                                      .fields_count = self->fields_count,
                                                      .user_agent = "weir/" WEIR_VERSION,
                                                      .tls = {.ca_file = self->tls_texts[0],
                                                              .cert_file = self->tls_texts[1],
                                                              .key_file = self->tls_texts[2],
                                                              .skip_verify = self->skip_verify}};
        int rc = weir_outbound_otlp_open(&options, &self->outbounds[i], reterr);
        if (rc) return rc;
    }
    int rc = weir_spool_open(self->folder, self->queue_bytes, &self->spool, reterr);
    if (!rc && (rc = weir_thread_start(&self->sender, "weir-otlp-out", run, self)))
        weir_error_set(reterr, rc, "no thread for %s", component->id);
    self->sending = rc == WEIR_OK;
    return rc;
}

/* What cannot be sent within a second waits on disk for the next start. */
static void stop(struct weir_component *component, int64_t deadline_ns) {
    struct otlp *self = (struct otlp *)component;
    if (!self->sending) return;
    int64_t soon_ns = weir_clock_mono_ns() + DRAIN_NS;
    if (deadline_ns > soon_ns) deadline_ns = soon_ns;
    while (weir_spool_bytes(self->spool) && weir_clock_mono_ns() < deadline_ns)
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    pthread_mutex_lock(&self->mutex);
    atomic_store(&self->stopping, true);
    pthread_cond_broadcast(&self->wake);
    pthread_mutex_unlock(&self->mutex);
    weir_spool_wake(self->spool);
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++) self->outbounds[i]->cancel(self->outbounds[i]);
    pthread_join(self->sender, NULL);
    self->sending = false;
    weir_spool_close(self->spool);
    self->spool = NULL;
}

static void close_otlp(struct weir_component *component) {
    struct otlp *self = (struct otlp *)component;
    weir_spool_close(self->spool);
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++)
        if (self->outbounds[i]) self->outbounds[i]->close(self->outbounds[i]);
    for (int i = 0; i < 3; i++) free(self->tls_texts[i]);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

/* ---- configuration --------------------------------------------------------------------------- */

static int read_tls(struct otlp *self, const struct weir_yaml *map, bool *insecure,
                    struct weir_error *reterr) {
    static const char *const keys[] = {
        "insecure",    "ca_file", "cert_file", "key_file", "insecure_skip_verify",
        "min_version", NULL};
    static const char *const files[] = {"ca_file", "cert_file", "key_file"};
    int rc = weir_yaml_check(map, "tls", keys, reterr);
    if (!rc) rc = weir_yaml_get_bool(map, "insecure", insecure, reterr);
    if (!rc) rc = weir_yaml_get_bool(map, "insecure_skip_verify", &self->skip_verify, reterr);
    for (int i = 0; !rc && i < 3; i++) {
        struct weir_view text = WEIR_VIEW("");
        if ((rc = weir_yaml_get_str(map, files[i], &text, reterr)) || !text.len) continue;
        if (!(self->tls_texts[i] = strndup(text.ptr, text.len)))
            rc = weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    return rc;
}

static int read_headers(struct otlp *self, const struct weir_yaml *map, struct weir_error *reterr) {
    if (!map || map->type == WEIR_YAML_NULL) return WEIR_OK;
    if (map->type != WEIR_YAML_MAP || map->count > HEADERS_MAX)
        return weir_yaml_fail(map, reterr, "headers is a map of at most %d", HEADERS_MAX);
    for (uint32_t i = 0; i < map->count; i++)
        self->fields[self->fields_count++] =
            (struct weir_http_field){.name = map->keys[i]->text, .value = map->items[i]->text};
    return WEIR_OK;
}

static int set_url(struct otlp *self, const struct weir_yaml *node, int signal,
                   struct weir_view endpoint, bool insecure, const char *path,
                   struct weir_error *reterr) {
    bool has_scheme = weir_view_find(endpoint, WEIR_VIEW("://")) != SIZE_MAX;
    while (*path && endpoint.len && endpoint.ptr[endpoint.len - 1] == '/') endpoint.len--;
    int len = snprintf(self->urls[signal], URL_SIZE, "%s%.*s%s",
                       has_scheme ? ""
                       : insecure ? "http://"
                                  : "https://",
                       WEIR_VIEW_ARG(endpoint), path);
    return len < URL_SIZE
               ? WEIR_OK
               : weir_yaml_fail(node, reterr, "the endpoint is longer than %d bytes", URL_SIZE - 1);
}

static int read_endpoints(struct otlp *self, const struct weir_yaml *config, bool insecure,
                          struct weir_error *reterr) {
    static const char *const own[] = {"traces_endpoint", "metrics_endpoint", "logs_endpoint"};
    static const char *const paths[] = {"/v1/traces", "/v1/metrics", "/v1/logs"};
    struct weir_view all = WEIR_VIEW("");
    int rc = weir_yaml_get_str(config, "endpoint", &all, reterr);
    for (int i = 0; !rc && i < WEIR_SIGNALS_COUNT; i++) {
        struct weir_view one = WEIR_VIEW("");
        if (!self->grpc && (rc = weir_yaml_get_str(config, own[i], &one, reterr))) break;
        if (!one.len && !all.len)
            return config ? weir_yaml_fail(config, reterr, "%s needs an endpoint",
                                           self->grpc ? "otlp" : "otlphttp")
                          : weir_error_set(reterr, WEIR_EINVALID, "it needs an endpoint");
        rc = one.len ? set_url(self, config, i, one, insecure, "", reterr)
                     : set_url(self, config, i, all, insecure, self->grpc ? "" : paths[i], reterr);
    }
    return rc;
}

static int read_ms(const struct weir_yaml *map, const char *key, int64_t *ms,
                   struct weir_error *reterr) {
    int64_t ns = *ms * WEIR_NS_PER_MS;
    int rc = weir_yaml_get_duration_ns(map, key, &ns, reterr);
    *ms = ns / WEIR_NS_PER_MS;
    return rc;
}

static int read_retry(struct otlp *self, const struct weir_yaml *map, struct weir_error *reterr) {
    static const char *const keys[] = {"enabled",
                                       "initial_interval",
                                       "max_interval",
                                       "max_elapsed_time",
                                       "multiplier",
                                       "randomization_factor",
                                       NULL};
    int rc = weir_yaml_check(map, "retry_on_failure", keys, reterr);
    if (!rc) rc = read_ms(map, "initial_interval", &self->first_ms, reterr);
    if (!rc) rc = read_ms(map, "max_interval", &self->most_ms, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(map, "max_elapsed_time", &self->elapsed_ns, reterr);
    bool enabled = true;
    if (!rc) rc = weir_yaml_get_bool(map, "enabled", &enabled, reterr);
    if (!enabled) self->elapsed_ns = 1;
    if (!rc && self->first_ms < 1)
        rc = weir_yaml_fail(map, reterr, "initial_interval must be over 0");
    return rc;
}

static int read_queue(struct otlp *self, const struct weir_yaml *map, struct weir_error *reterr) {
    static const char *const keys[] = {
        "enabled", "queue_size", "num_consumers", "storage", "block_on_overflow", "sizer", NULL};
    const struct weir_yaml *size = weir_yaml_get(map, "queue_size");
    int rc = weir_yaml_check(map, "sending_queue", keys, reterr);
    /* a bare number means requests in the Collector, bytes mean bytes here */
    if (!rc && size && size->type != WEIR_YAML_INT)
        rc = weir_yaml_get_size(map, "queue_size", &self->queue_bytes, reterr);
    if (!rc && size && size->type == WEIR_YAML_INT) self->queue_bytes = (uint64_t)size->i64 << 20;
    return rc;
}

static int read_config(struct otlp *self, const struct weir_yaml *config, const char *id,
                       struct weir_error *reterr) {
    static const char *const keys[] = {"endpoint",
                                       "traces_endpoint",
                                       "metrics_endpoint",
                                       "logs_endpoint",
                                       "tls",
                                       "headers",
                                       "compression",
                                       "timeout",
                                       "retry_on_failure",
                                       "sending_queue",
                                       "read_buffer_size",
                                       "write_buffer_size",
                                       "balancer_name",
                                       "keepalive",
                                       "encoding",
                                       NULL};
    struct weir_view compression = WEIR_VIEW("gzip"), encoding = WEIR_VIEW("proto");
    bool insecure = false;
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (!rc) rc = read_tls(self, weir_yaml_get(config, "tls"), &insecure, reterr);
    if (!rc) rc = read_endpoints(self, config, insecure, reterr);
    if (!rc) rc = read_headers(self, weir_yaml_get(config, "headers"), reterr);
    if (!rc) rc = weir_yaml_get_str(config, "compression", &compression, reterr);
    if (!rc) rc = weir_yaml_get_str(config, "encoding", &encoding, reterr);
    if (!rc) rc = read_ms(config, "timeout", &self->timeout_ms, reterr);
    if (!rc) rc = read_retry(self, weir_yaml_get(config, "retry_on_failure"), reterr);
    if (!rc) rc = read_queue(self, weir_yaml_get(config, "sending_queue"), reterr);
    if (rc) return rc;
    self->gzip = weir_view_is(compression, "gzip");
    if (!self->gzip && !weir_view_is(compression, "none"))
        return weir_yaml_fail(weir_yaml_get(config, "compression"), reterr,
                              "compression is gzip or none");
    if (!weir_view_is(encoding, "proto"))
        return weir_yaml_fail(weir_yaml_get(config, "encoding"), reterr, "encoding is proto");
    return WEIR_OK;
}

static int open_otlp(const struct weir_component_env *env, const struct weir_yaml *config,
                     const char *id, bool grpc, struct weir_component **ret,
                     struct weir_error *reterr) {
    struct otlp *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&self->mutex, NULL);
    self->component.sink.push = push;
    self->grpc = grpc;
    self->timeout_ms = grpc ? 5000 : 30000;
    self->first_ms = 1000;
    self->most_ms = 30000;
    self->queue_bytes = UINT64_C(1) << 30;
    int len =
        snprintf(self->folder, sizeof self->folder, "%s/queue/%s", env->data ? env->data : ".", id);
    for (char *at = self->folder + (len - (int)strlen(id)); len < URL_SIZE && *at; at++)
        if (*at == '/') *at = '_';
    int rc = len < URL_SIZE
                 ? read_config(self, config, id, reterr)
                 : weir_error_set(reterr, WEIR_EINVALID, "the data folder's path is too long");
    if (rc)
        close_otlp(&self->component);
    else
        *ret = &self->component;
    return rc;
}

static int open_grpc(const struct weir_component_env *env, const struct weir_yaml *config,
                     const char *id, struct weir_component **ret, struct weir_error *reterr) {
    return open_otlp(env, config, id, true, ret, reterr);
}

static int open_http(const struct weir_component_env *env, const struct weir_yaml *config,
                     const char *id, struct weir_component **ret, struct weir_error *reterr) {
    return open_otlp(env, config, id, false, ret, reterr);
}

const struct weir_component_type weir_otlp_type = {.name = "otlp_grpc",
                                                   .alias = "otlp",
                                                   .kind = WEIR_EXPORTER,
                                                   .takes = WEIR_ALL_SIGNALS,
                                                   .open = open_grpc,
                                                   .close = close_otlp,
                                                   .start = start,
                                                   .stop = stop};
const struct weir_component_type weir_otlphttp_type = {.name = "otlp_http",
                                                       .alias = "otlphttp",
                                                       .kind = WEIR_EXPORTER,
                                                       .takes = WEIR_ALL_SIGNALS,
                                                       .open = open_http,
                                                       .close = close_otlp,
                                                       .start = start,
                                                       .stop = stop};
