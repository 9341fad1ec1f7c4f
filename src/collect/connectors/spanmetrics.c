/* SPDX-License-Identifier: Apache-2.0 */
/* The connector `spanmetrics`: calls, failures and durations of spans, by service, span name, kind
 * and status, as metrics.
 *
 *     spanmetrics: {histogram: {unit: ms, explicit: {buckets: [10ms, 100ms, 1s]}},
 *                   dimensions: [{name: http.method, default: GET}], exemplars: {enabled: true},
 *                   metrics_flush_interval: 15s, metrics_expiration: 5m, names: both}
 *
 *     names: otel    traces.span.metrics.calls, .duration (or another `namespace`)
 *     names: tempo   traces_spanmetrics_calls, _latency {s}, with the labels that Grafana asks for
 *     names: both    the two (the default)
 *
 * A batch is counted and answered at once: what was stored is the business of the exporters beside
 * this connector. Durations of spans that end before they start count as 0.
 *
 * Source: opentelemetry-collector-contrib, spanmetricsconnector; Tempo, metrics-generator.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "collect/connectors/tally.h"
#include "collect/types.h"

enum { OTEL = 1, TEMPO = 2 };
enum { DIMENSIONS_MAX = 32, SERVICES_MAX = 4096, SERIES_MAX = 20000, OUT_SIZE_MAX = 256 << 20 };

struct dimension {
    struct weir_view name;
    struct weir_value preset; /* NONE: left out where the span has none */
};

/* One service's series under both sets of names. */
struct service {
    struct weir_view name; /* in this block */
    struct weir_tally otel, tempo;
};

struct spanmetrics {
    struct weir_component component;
    unsigned names;
    const char *calls_name, *duration_name; /* of the set OTEL, in texts */
    char texts[2][256];
    double scale; /* from ms to the unit of `duration` */
    bool histogram, exemplars;
    double bounds[WEIR_TALLY_BOUNDS_MAX]; /* ms */
    uint32_t bounds_count, series_max;
    struct dimension dimensions[DIMENSIONS_MAX];
    uint32_t dimensions_count;
    int64_t interval_ns, expiration_ns, flushed_ns; /* the ticker's */
    pthread_mutex_t mutex;                          /* guards services and all below it */
    struct weir_map services;
};

/* ---- counting -------------------------------------------------------------------------------- */

static const char *const kind_texts[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                         "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                         "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
static const char *const status_texts[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                           "STATUS_CODE_ERROR"};

static struct service *service_at(struct spanmetrics *self, struct weir_view name) {
    uint64_t *found = weir_map_get(&self->services, name);
    if (found) return (struct service *)(uintptr_t)*found;
    if (self->services.count == SERVICES_MAX) return NULL;
    struct service *service = malloc(sizeof *service + name.len);
    if (!service) return NULL;
    if (name.len) memcpy(service + 1, name.ptr, name.len);
    service->name = weir_view(service + 1, name.len);
    uint32_t histograms = self->histogram ? 1 : 0;
    weir_tally_init(&service->otel, self->bounds, self->bounds_count, histograms, self->series_max);
    weir_tally_init(&service->tempo, self->bounds, self->bounds_count, histograms,
                    self->series_max);
    service->otel.exemplars = service->tempo.exemplars = self->exemplars;
    if (weir_map_put(&self->services, service->name, (uint64_t)(uintptr_t)service, NULL))
        return service;
    free(service);
    return NULL;
}

static void count(struct weir_tally *tally, const struct weir_attr *attrs, uint32_t attrs_count,
                  const struct weir_otlp_span *span, bool histogram, int64_t now_ns) {
    struct weir_tally_series *series = weir_tally_at(tally, attrs, attrs_count, now_ns);
    if (!series) return;
    int64_t duration_ns = span->end_ns - span->start_ns;
    series->count++;
    if (histogram)
        weir_tally_record(tally, series, 0, (double)(duration_ns > 0 ? duration_ns : 0) / 1e6,
                          span);
}

static void count_span(struct spanmetrics *self, struct service *service,
                       const struct weir_otlp_span *span, struct weir_attrs resource,
                       int64_t now_ns) {
    struct weir_attr attrs[WEIR_TALLY_ATTRS_MAX];
    uint32_t n = 0;
    struct weir_value kind = weir_value_str(weir_view_str(kind_texts[span->kind])),
                      status = weir_value_str(weir_view_str(status_texts[span->status_code])),
                      name = weir_value_str(span->name);
    attrs[n++] = (struct weir_attr){WEIR_VIEW("span.name"), name};
    attrs[n++] = (struct weir_attr){WEIR_VIEW("span.kind"), kind};
    attrs[n++] = (struct weir_attr){WEIR_VIEW("status.code"), status};
    for (uint32_t i = 0; i < self->dimensions_count; i++) {
        const struct dimension *dimension = &self->dimensions[i];
        const struct weir_value *value = weir_attrs_get(span->attrs, dimension->name);
        if (!value) value = weir_attrs_get(resource, dimension->name);
        if (!value) value = &dimension->preset;
        if (value->type != WEIR_VALUE_NONE)
            attrs[n++] = (struct weir_attr){dimension->name, *value};
    }
    if (self->names & OTEL) count(&service->otel, attrs, n, span, self->histogram, now_ns);
    if (!(self->names & TEMPO)) return;
    attrs[0].key = WEIR_VIEW("span_name");
    attrs[1].key = WEIR_VIEW("span_kind");
    attrs[2].key = WEIR_VIEW("status_code");
    attrs[n++] = (struct weir_attr){WEIR_VIEW("service"), weir_value_str(service->name)};
    count(&service->tempo, attrs, n, span, self->histogram, now_ns);
}

static struct weir_view service_name(struct weir_attrs resource) {
    const struct weir_value *value = weir_attrs_get(resource, WEIR_VIEW("service.name"));
    return value && value->type == WEIR_VALUE_STRING ? value->str : WEIR_VIEW("");
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct spanmetrics *self = (struct spanmetrics *)sink;
    int64_t now_ns = weir_clock_wall_ns();
    pthread_mutex_lock(&self->mutex);
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        const struct weir_otlp_span *span = &batch->spans[i];
        struct weir_attrs resource = batch->resources[batch->scopes[span->scope].resource].attrs;
        struct service *service = service_at(self, service_name(resource));
        if (service) count_span(self, service, span, resource, now_ns);
    }
    pthread_mutex_unlock(&self->mutex);
    weir_component_answer(batch, done, arg, WEIR_OK, "");
}

/* ---- giving ---------------------------------------------------------------------------------- */

static void put_service(const struct spanmetrics *self, const struct service *service,
                        struct weir_buf *buf, int64_t now_ns) {
    const struct weir_attr name = {WEIR_VIEW("service.name"), weir_value_str(service->name)};
    struct weir_otlp_group group;
    weir_otlp_group_begin(&group, buf, (struct weir_attrs){&name, 1}, WEIR_VIEW("spanmetrics"),
                          WEIR_VIEW(WEIR_VERSION));
    if (service->otel.map.count) {
        weir_tally_put(&service->otel, buf, self->calls_name, "", "Spans that have ended.",
                       WEIR_TALLY_COUNT, 1, now_ns);
        if (self->histogram)
            weir_tally_put(&service->otel, buf, self->duration_name, self->scale < 1 ? "s" : "ms",
                           "How long spans took.", WEIR_TALLY_FIRST, self->scale, now_ns);
    }
    if (service->tempo.map.count) {
        weir_tally_put(&service->tempo, buf, "traces_spanmetrics_calls", "",
                       "Spans that have ended.", WEIR_TALLY_COUNT, 1, now_ns);
        if (self->histogram)
            weir_tally_put(&service->tempo, buf, "traces_spanmetrics_latency", "",
                           "How long spans took, in seconds.", WEIR_TALLY_FIRST, 1e-3, now_ns);
    }
    weir_otlp_group_end(&group);
}

static void flush(struct spanmetrics *self) {
    int64_t now_ns = weir_clock_wall_ns();
    struct weir_buf buf;
    weir_buf_init(&buf, OUT_SIZE_MAX);
    pthread_mutex_lock(&self->mutex);
    for (uint32_t i = 0; i < self->services.count; i++) {
        struct service *service = (struct service *)(uintptr_t)self->services.entries[i].value;
        if (self->expiration_ns) {
            weir_tally_expire(&service->otel, now_ns - self->expiration_ns);
            weir_tally_expire(&service->tempo, now_ns - self->expiration_ns);
        }
        if (service->otel.map.count || service->tempo.map.count)
            put_service(self, service, &buf, now_ns);
    }
    pthread_mutex_unlock(&self->mutex);
    weir_tally_give(self->component.next[WEIR_SIGNAL_METRIC], &buf);
}

static void tick(struct weir_component *component, int64_t mono_ns) {
    struct spanmetrics *self = (struct spanmetrics *)component;
    if (mono_ns - self->flushed_ns < self->interval_ns) return;
    self->flushed_ns = mono_ns;
    flush(self);
}

static void stop(struct weir_component *component, int64_t deadline_ns) {
    (void)deadline_ns;
    flush((struct spanmetrics *)component);
}

static void close_spanmetrics(struct weir_component *component) {
    struct spanmetrics *self = (struct spanmetrics *)component;
    for (uint32_t i = 0; i < self->services.count; i++) {
        struct service *service = (struct service *)(uintptr_t)self->services.entries[i].value;
        weir_tally_done(&service->otel);
        weir_tally_done(&service->tempo);
        free(service);
    }
    weir_map_done(&self->services);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

/* ---- configuration --------------------------------------------------------------------------- */

static int read_histogram(struct spanmetrics *self, const struct weir_yaml *config,
                          struct weir_error *reterr) {
    static const char *const keys[] = {"unit", "explicit", "disable", NULL};
    static const char *const explicit_keys[] = {"buckets", NULL};
    struct weir_view unit = WEIR_VIEW("ms");
    bool disable = false;
    int rc = weir_yaml_check(config, "histogram", keys, reterr);
    const struct weir_yaml *explicit = weir_yaml_get(config, "explicit");
    if (!rc) rc = weir_yaml_get_str(config, "unit", &unit, reterr);
    if (!rc) rc = weir_yaml_get_bool(config, "disable", &disable, reterr);
    if (!rc) rc = weir_yaml_check(explicit, "histogram.explicit", explicit_keys, reterr);
    if (rc) return rc;
    if (!weir_view_is(unit, "ms") && !weir_view_is(unit, "s"))
        return weir_yaml_fail(weir_yaml_get(config, "unit"), reterr, "unit is ms or s");
    self->scale = weir_view_is(unit, "s") ? 1e-3 : 1;
    self->histogram = !disable;
    return weir_tally_read_buckets(weir_yaml_get(explicit, "buckets"), WEIR_NS_PER_MS, self->bounds,
                                   &self->bounds_count, reterr);
}

static int read_dimensions(struct spanmetrics *self, const struct weir_yaml *list,
                           struct weir_error *reterr) {
    static const char *const keys[] = {"name", "default", NULL};
    if (!list) return WEIR_OK;
    if (list->type != WEIR_YAML_LIST || list->count > DIMENSIONS_MAX)
        return weir_yaml_fail(list, reterr, "dimensions is a list of at most %d", DIMENSIONS_MAX);
    for (uint32_t i = 0; i < list->count; i++) {
        struct dimension *dimension = &self->dimensions[self->dimensions_count++];
        struct weir_view preset = {NULL, 0};
        int rc = weir_yaml_check(list->items[i], "a dimension", keys, reterr);
        if (!rc) rc = weir_yaml_get_str(list->items[i], "name", &dimension->name, reterr);
        if (!rc) rc = weir_yaml_get_str(list->items[i], "default", &preset, reterr);
        if (rc) return rc;
        if (!dimension->name.len)
            return weir_yaml_fail(list->items[i], reterr, "a dimension needs a name");
        if (preset.ptr) dimension->preset = weir_value_str(preset);
    }
    return WEIR_OK;
}

static int read_names(struct spanmetrics *self, const struct weir_yaml *config,
                      struct weir_error *reterr) {
    struct weir_view names = WEIR_VIEW("both"), space = WEIR_VIEW("traces.span.metrics");
    int rc = weir_yaml_get_str(config, "names", &names, reterr);
    if (!rc) rc = weir_yaml_get_str(config, "namespace", &space, reterr);
    if (rc) return rc;
    self->names = weir_view_is(names, "otel")    ? OTEL
                  : weir_view_is(names, "tempo") ? TEMPO
                  : weir_view_is(names, "both")  ? OTEL | TEMPO
                                                 : 0;
    if (!self->names)
        return weir_yaml_fail(weir_yaml_get(config, "names"), reterr,
                              "names is otel, tempo or both");
    if (space.len > 200)
        return weir_yaml_fail(weir_yaml_get(config, "namespace"), reterr,
                              "namespace is longer than 200 bytes");
    snprintf(self->texts[0], sizeof self->texts[0], "%.*s%scalls", WEIR_VIEW_ARG(space),
             space.len ? "." : "");
    snprintf(self->texts[1], sizeof self->texts[1], "%.*s%sduration", WEIR_VIEW_ARG(space),
             space.len ? "." : "");
    self->calls_name = self->texts[0];
    self->duration_name = self->texts[1];
    return WEIR_OK;
}

static int read_config(struct spanmetrics *self, const struct weir_yaml *config,
                       struct weir_error *reterr) {
    static const char *const exemplar_keys[] = {"enabled", "max_per_data_point", NULL};
    struct weir_view temporality = WEIR_VIEW("");
    int64_t limit = 0;
    const struct weir_yaml *exemplars = weir_yaml_get(config, "exemplars");
    int rc = read_names(self, config, reterr);
    if (!rc) rc = read_histogram(self, weir_yaml_get(config, "histogram"), reterr);
    if (!rc) rc = read_dimensions(self, weir_yaml_get(config, "dimensions"), reterr);
    if (!rc) rc = weir_yaml_check(exemplars, "exemplars", exemplar_keys, reterr);
    if (!rc) rc = weir_yaml_get_bool(exemplars, "enabled", &self->exemplars, reterr);
    if (!rc)
        rc =
            weir_yaml_get_duration_ns(config, "metrics_flush_interval", &self->interval_ns, reterr);
    if (!rc)
        rc = weir_yaml_get_duration_ns(config, "metrics_expiration", &self->expiration_ns, reterr);
    if (!rc)
        rc = weir_yaml_get_i64(config, "aggregation_cardinality_limit", 0, SERIES_MAX, &limit,
                               reterr);
    if (!rc) rc = weir_yaml_get_str(config, "aggregation_temporality", &temporality, reterr);
    if (!rc && weir_view_find(temporality, WEIR_VIEW("DELTA")) != SIZE_MAX)
        rc = weir_yaml_fail(weir_yaml_get(config, "aggregation_temporality"), reterr,
                            "only AGGREGATION_TEMPORALITY_CUMULATIVE is built");
    if (limit) self->series_max = (uint32_t)limit;
    return rc;
}

static int open_spanmetrics(const struct weir_component_env *env, const struct weir_yaml *config,
                            const char *id, struct weir_component **ret,
                            struct weir_error *reterr) {
    static const char *const keys[] = {"namespace",
                                       "names",
                                       "dimensions",
                                       "histogram",
                                       "exemplars",
                                       "aggregation_temporality",
                                       "aggregation_cardinality_limit",
                                       "metrics_flush_interval",
                                       "metrics_expiration",
                                       "dimensions_cache_size",       /* taken, not needed here */
                                       "resource_metrics_cache_size", /* the same */
                                       NULL};
    static const double bounds[] = {2,   4,   6,    8,    10,   50,   100,   200,
                                    400, 800, 1000, 1400, 2000, 5000, 10000, 15000};
    (void)env;
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (rc) return rc;
    struct spanmetrics *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    pthread_mutex_init(&self->mutex, NULL);
    weir_map_init(&self->services);
    self->component.sink.push = push;
    self->bounds_count = sizeof bounds / sizeof *bounds;
    memcpy(self->bounds, bounds, sizeof bounds);
    self->series_max = SERIES_MAX;
    self->interval_ns = 15 * WEIR_NS_PER_S;
    rc = read_config(self, config, reterr);
    if (rc)
        close_spanmetrics(&self->component);
    else
        *ret = &self->component;
    return rc;
}

const struct weir_component_type weir_spanmetrics_type = {.name = "span_metrics",
                                                          .alias = "spanmetrics",
                                                          .kind = WEIR_CONNECTOR,
                                                          .takes = WEIR_TRACES,
                                                          .gives = WEIR_METRICS,
                                                          .open = open_spanmetrics,
                                                          .close = close_spanmetrics,
                                                          .tick = tick,
                                                          .stop = stop};
