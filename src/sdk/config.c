/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sdk/attr.h"
#include "wire/pb.h"

enum { ARENA_SIZE_MAX = 4 << 20, RESOURCE_SIZE_MAX = 256 << 10, HEADERS_MAX = 64 };

const char *const weir_sdk_signal_names[WEIR_SDK_SIGNALS_COUNT] = {"traces", "metrics", "logs"};
static const char *const upper_names[WEIR_SDK_SIGNALS_COUNT] = {"TRACES", "METRICS", "LOGS"};

struct load {
    struct weir_config *config;
    struct weir_options options; /* as new as this library, missing fields zeroed */
    struct weir_error *err;
    bool no_environment, options_first;
};

/* ── where values come from ──────────────────────────────────────────────────────────────────── */

static struct weir_view from_environment(const struct load *load, const char *name) {
    const char *value = load->no_environment || !name ? NULL : getenv(name);
    return weir_view_trim(weir_view_str(value));
}

/* The first that says something, of an option and up to two variables, in the order of precedence.
 */
static struct weir_view setting(const struct load *load, const char *option, const char *name,
                                const char *alias) {
    struct weir_view own = weir_view_trim(weir_view_str(option));
    if (own.len && load->options_first) return own;
    struct weir_view env = from_environment(load, name);
    if (!env.len) env = from_environment(load, alias);
    return env.len ? env : own;
}

/* "OTEL_EXPORTER_OTLP_<signal>_<what>", else nothing. */
static struct weir_view signal_setting(const struct load *load, int signal, const char *what) {
    char name[80];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s_%s", upper_names[signal], what);
    return from_environment(load, name);
}

static int bad(const struct load *load, const char *name, struct weir_view value,
               const char *want) {
    return weir_error_set(load->err, WEIR_EINVALID, "%s is \"%.*s\": must be %s", name,
                          WEIR_VIEW_ARG(weir_view_upto(value, 200)), want);
}

static int number(const struct load *load, const char *name, int64_t option, int64_t min,
                  int64_t max, int64_t otherwise, int64_t *ret) {
    struct weir_view text = from_environment(load, name);
    *ret = option ? option : otherwise;
    char want[120];
    snprintf(want, sizeof want, "a whole number from %lld to %lld", (long long)min, (long long)max);
    if (option && (option < min || option > max))
        return weir_error_set(load->err, WEIR_EINVALID, "the option for %s is %lld: must be %s",
                              name, (long long)option, want);
    if (!text.len || (option && load->options_first)) return WEIR_OK;
    if (!weir_view_to_i64(text, ret) || *ret < min || *ret > max)
        return bad(load, name, text, want);
    return WEIR_OK;
}

static int number_u32(const struct load *load, const char *name, uint32_t otherwise, uint32_t min,
                      uint32_t *ret) {
    int64_t value;
    int rc = number(load, name, 0, min, 1 << 24, otherwise, &value);
    *ret = (uint32_t)value;
    return rc;
}

/* ── the resource ────────────────────────────────────────────────────────────────────────────── */

/* A percent-decoded copy; a broken escape stands for itself. */
static struct weir_view unescape(struct weir_arena *arena, struct weir_view v) {
    char *to = weir_arena_alloc(arena, v.len + 1);
    size_t len = 0;
    for (size_t i = 0; to && i < v.len; i++) {
        uint8_t byte;
        if (v.ptr[i] == '%' && i + 2 < v.len &&
            weir_view_to_bytes_hex(weir_view(v.ptr + i + 1, 2), &byte, 1))
            to[len++] = (char)byte, i += 2;
        else
            to[len++] = v.ptr[i];
    }
    return weir_view(to, to ? len : 0);
}

/* The resource while it is collected: later values replace earlier ones of the same key. */
struct resource {
    struct weir_attribute attrs[128];
    size_t count;
};

static void resource_set(struct resource *resource, struct weir_attribute attr) {
    if (attr.type == WEIR_ATTRIBUTE_NONE || !attr.key_size) return;
    size_t i = 0;
    while (i < resource->count &&
           !weir_view_eq(weir_view(resource->attrs[i].key, resource->attrs[i].key_size),
                         weir_view(attr.key, attr.key_size)))
        i++;
    if (i == sizeof resource->attrs / sizeof *resource->attrs) return;
    resource->attrs[i] = attr;
    if (i == resource->count) resource->count++;
}

static void resource_set_text(struct resource *resource, const char *key, struct weir_view value) {
    if (value.len) resource_set(resource, weir_attribute_strn(key, value.ptr, value.len));
}

static int resource_parse(struct load *load, struct resource *resource) {
    struct weir_view rest = from_environment(load, "OTEL_RESOURCE_ATTRIBUTES"), all = rest;
    while (rest.len) {
        struct weir_view value = weir_view_cut(&rest, ',');
        struct weir_view key = weir_view_trim(weir_view_cut(&value, '='));
        if (!key.len && !value.ptr) continue;
        if (!key.len || !value.ptr)
            return bad(load, "OTEL_RESOURCE_ATTRIBUTES", all, "key=value, separated by commas");
        key = unescape(&load->config->arena, key);
        value = unescape(&load->config->arena, weir_view_trim(value));
        struct weir_attribute attr = weir_attribute_strn("", value.ptr, value.len);
        attr.key = key.ptr;
        attr.key_size = key.len;
        resource_set(resource, attr);
    }
    return WEIR_OK;
}

static void resource_set_options(const struct load *load, struct resource *resource) {
    for (size_t i = 0; load->options.resource && i < load->options.resource_count; i++)
        resource_set(resource, load->options.resource[i]);
}

static const struct weir_attribute *resource_get(const struct resource *resource, const char *key) {
    for (size_t i = 0; i < resource->count; i++)
        if (weir_view_is(weir_view(resource->attrs[i].key, resource->attrs[i].key_size), key))
            return &resource->attrs[i];
    return NULL;
}

static int load_resource(struct load *load) {
    struct weir_config *config = load->config;
    struct resource resource = {.count = 0};
    char host[256] = "", fallback[300];
    if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
    snprintf(fallback, sizeof fallback, "unknown_service:%s",
             program_invocation_short_name ? program_invocation_short_name : "c");
    resource_set_text(&resource, "service.name", weir_view_str(fallback));
    resource_set(&resource, WEIR_STR("telemetry.sdk.name", "weir"));
    resource_set(&resource, WEIR_STR("telemetry.sdk.language", "c"));
    resource_set(&resource, WEIR_STR("telemetry.sdk.version", WEIR_VERSION));
    resource_set_text(&resource, "host.name", weir_view_str(host));
    if (!load->options_first) {
        resource_set_options(load, &resource);
        resource_set_text(&resource, "service.name", weir_view_str(load->options.service_name));
        resource_set_text(&resource, "service.version",
                          weir_view_str(load->options.service_version));
    }
    int rc = resource_parse(load, &resource);
    if (rc) return rc;
    resource_set_text(&resource, "service.name", from_environment(load, "OTEL_SERVICE_NAME"));
    resource_set_text(&resource, "service.version", from_environment(load, "OTEL_SERVICE_VERSION"));
    if (load->options_first) {
        resource_set_options(load, &resource);
        resource_set_text(&resource, "service.name", weir_view_str(load->options.service_name));
        resource_set_text(&resource, "service.version",
                          weir_view_str(load->options.service_version));
    }
    const struct weir_attribute *name = resource_get(&resource, "service.name");
    if (name && name->type == WEIR_ATTRIBUTE_STRING)
        config->service_name =
            weir_arena_copy(&config->arena, weir_view(name->value.str, name->size));
    config->has_instance_id = resource_get(&resource, "service.instance.id") != NULL;
    struct weir_buf buf;
    weir_buf_init(&buf, RESOURCE_SIZE_MAX);
    for (size_t i = 0; i < resource.count; i++)
        if (weir_attr_size(&resource.attrs[i], 0))
            weir_attr_add(&buf, WEIR_ATTR_TAG_RESOURCE, &resource.attrs[i], 0);
    config->resource = weir_arena_copy(&config->arena, weir_buf_view(&buf));
    bool failed = buf.failed;
    weir_buf_done(&buf);
    return failed ? weir_error_set(load->err, WEIR_ELIMIT,
                                   "the resource's attributes exceed %d bytes", RESOURCE_SIZE_MAX)
                  : WEIR_OK;
}

/* ── exporters ───────────────────────────────────────────────────────────────────────────────── */

static int load_exporters(struct load *load, int signal, const char *option) {
    char name[40];
    snprintf(name, sizeof name, "OTEL_%s_EXPORTER", upper_names[signal]);
    /* The second spelling is older documents'. */
    static const char *const aliases[] = {"OTEL_TRACE_EXPORTER", "OTEL_METRIC_EXPORTER",
                                          "OTEL_LOG_EXPORTER"};
    struct weir_view rest = setting(load, option, name, aliases[signal]), all = rest;
    unsigned bits = 0;
    if (!rest.len) bits = WEIR_EXPORTER_OTLP;
    while (rest.len) {
        struct weir_view item = weir_view_trim(weir_view_cut(&rest, ','));
        if (weir_view_is(item, "otlp"))
            bits |= WEIR_EXPORTER_OTLP;
        else if (weir_view_is(item, "console") || weir_view_is(item, "logging"))
            bits |= WEIR_EXPORTER_CONSOLE;
        else if (weir_view_is(item, "prometheus") && signal == WEIR_SDK_METRICS)
            bits |= WEIR_EXPORTER_PROMETHEUS;
        else if (item.len && !weir_view_is(item, "none"))
            return bad(load, name, all,
                       signal == WEIR_SDK_METRICS ? "otlp, console, prometheus or none"
                                                  : "otlp, console or none");
    }
    load->config->exporters[signal] = bits;
    return WEIR_OK;
}

static int load_protocol(struct load *load, int signal, bool *ret_grpc) {
    struct weir_view text = signal_setting(load, signal, "PROTOCOL");
    if (!text.len || (load->options.protocol && load->options_first))
        text = setting(load, load->options.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL",
                       "OTEL_OTLP_CONN_TYPE");
    if (weir_view_is(text, "http/json"))
        return weir_error_set(
            load->err, WEIR_EUNSUPPORTED,
            "OTEL_EXPORTER_OTLP_PROTOCOL is http/json, which this library does not "
            "send: use http/protobuf or grpc");
    *ret_grpc = weir_view_is(text, "grpc");
    if (text.len && !*ret_grpc && !weir_view_is(text, "http/protobuf") &&
        !weir_view_is(text, "http"))
        return bad(load, "OTEL_EXPORTER_OTLP_PROTOCOL", text, "http/protobuf or grpc");
    return WEIR_OK;
}

/* What gRPC means by an address without a scheme. */
static bool is_insecure(const struct load *load, int signal) {
    struct weir_view text = signal_setting(load, signal, "INSECURE");
    if (!text.len) text = from_environment(load, "OTEL_EXPORTER_OTLP_INSECURE");
    if (!text.len || (load->options.insecure && load->options_first)) return load->options.insecure;
    return weir_view_eq_nocase(text, WEIR_VIEW("true"));
}

static int load_url(struct load *load, int signal, struct weir_config_otlp *otlp) {
    struct weir_arena *arena = &load->config->arena;
    struct weir_view own = signal_setting(load, signal, "ENDPOINT");
    bool is_own = own.len && !(load->options.endpoint && load->options_first);
    struct weir_view url = is_own ? own
                                  : setting(load, load->options.endpoint,
                                            "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_OTLP_TARGET");
    /* The older documents' targets are never TLS. */
    struct weir_view target = from_environment(load, "OTEL_OTLP_TARGET");
    bool is_target = !is_own && url.ptr == target.ptr;
    if (!url.len)
        url = weir_view_str(otlp->grpc ? "http://localhost:4317" : "http://localhost:4318");
    if (weir_view_find(url, WEIR_VIEW("://")) == SIZE_MAX) {
        bool secure = otlp->grpc && !is_target && !is_insecure(load, signal);
        url = weir_arena_printf(arena, "%s://%.*s", secure ? "https" : "http", WEIR_VIEW_ARG(url));
    }
    if (!weir_view_starts(url, WEIR_VIEW("http://")) &&
        !weir_view_starts(url, WEIR_VIEW("https://")))
        return bad(load, "OTEL_EXPORTER_OTLP_ENDPOINT", url, "an http:// or https:// address");
    if (otlp->grpc || is_own) {
        otlp->url = weir_arena_copy(arena, url);
        return WEIR_OK;
    }
    while (url.len && url.ptr[url.len - 1] == '/') url.len--;
    otlp->url =
        weir_arena_printf(arena, "%.*s/v1/%s", WEIR_VIEW_ARG(url), weir_sdk_signal_names[signal]);
    return WEIR_OK;
}

/* HTTP/2 wants lower case, HTTP/1.1 takes any. */
static struct weir_view lower(struct weir_arena *arena, struct weir_view name) {
    char *copy = weir_arena_strdup(arena, name);
    for (char *at = copy; copy && *at; at++)
        if (*at >= 'A' && *at <= 'Z') *at = (char)(*at - 'A' + 'a');
    return weir_view_str(copy);
}

static int load_headers(struct load *load, int signal, struct weir_config_otlp *otlp) {
    struct weir_arena *arena = &load->config->arena;
    struct weir_view rest = signal_setting(load, signal, "HEADERS"), all;
    if (!rest.len || (load->options.headers && load->options_first))
        rest = setting(load, load->options.headers, "OTEL_EXPORTER_OTLP_HEADERS", NULL);
    all = rest;
    struct weir_config_header *headers =
        WEIR_NEW_ARRAY(arena, struct weir_config_header, HEADERS_MAX);
    otlp->headers = headers;
    while (rest.len && headers) {
        struct weir_view value = weir_view_cut(&rest, ',');
        struct weir_view name = weir_view_trim(weir_view_cut(&value, '='));
        if (!name.len && !value.ptr) continue;
        if (!name.len || !value.ptr || otlp->headers_count == HEADERS_MAX)
            return bad(load, "OTEL_EXPORTER_OTLP_HEADERS", weir_view_upto(all, 0),
                       "name=value, separated by commas, at most 64");
        headers[otlp->headers_count].name = lower(arena, name);
        headers[otlp->headers_count++].value = unescape(arena, weir_view_trim(value));
    }
    return WEIR_OK;
}

/* A file that is named and cannot be read is an error now, not at the first export. */
static int load_file(struct load *load, int signal, const char *what, const char *option,
                     const char *general, const char **ret) {
    char own[80];
    const char *name = own;
    snprintf(own, sizeof own, "OTEL_EXPORTER_OTLP_%s_%s", upper_names[signal], what);
    struct weir_view path = from_environment(load, own);
    if (!path.len || (option && load->options_first)) {
        name = general;
        path = setting(load, option, general, NULL);
    }
    if (!path.len) return WEIR_OK;
    *ret = weir_arena_strdup(&load->config->arena, path);
    if (!*ret || access(*ret, R_OK) == 0) return WEIR_OK; /* the arena says that it failed */
    return weir_error_set(load->err, WEIR_EINVALID, "%s is \"%.200s\": %s", name, *ret,
                          strerror(errno));
}

static int load_tls(struct load *load, int signal, struct weir_config_otlp *otlp) {
    const struct weir_options *o = &load->options;
    if (!weir_view_starts(otlp->url, WEIR_VIEW("https://")) ||
        !(load->config->exporters[signal] & WEIR_EXPORTER_OTLP))
        return WEIR_OK;
    int rc = load_file(load, signal, "CERTIFICATE", o->certificate,
                       "OTEL_EXPORTER_OTLP_CERTIFICATE", &otlp->ca_file);
    if (!rc)
        rc = load_file(load, signal, "CLIENT_CERTIFICATE", o->client_certificate,
                       "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &otlp->cert_file);
    if (!rc)
        rc = load_file(load, signal, "CLIENT_KEY", o->client_key, "OTEL_EXPORTER_OTLP_CLIENT_KEY",
                       &otlp->key_file);
    otlp->skip_verify = o->insecure_skip_verify;
    if (rc || !otlp->cert_file == !otlp->key_file) return rc;
    return weir_error_set(load->err, WEIR_EINVALID,
                          "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY "
                          "go together, for %s only the %s is there",
                          weir_sdk_signal_names[signal], otlp->cert_file ? "certificate" : "key");
}

static int load_otlp(struct load *load, int signal) {
    struct weir_config_otlp *otlp = &load->config->otlp[signal];
    int rc = load_protocol(load, signal, &otlp->grpc);
    if (!rc) rc = load_url(load, signal, otlp);
    if (!rc) rc = load_tls(load, signal, otlp);
    if (!rc) rc = load_headers(load, signal, otlp);
    if (rc) return rc;
    struct weir_view coding = signal_setting(load, signal, "COMPRESSION");
    if (!coding.len || (load->options.compression && load->options_first))
        coding = setting(load, load->options.compression, "OTEL_EXPORTER_OTLP_COMPRESSION", NULL);
    otlp->gzip = weir_view_is(coding, "gzip");
    if (coding.len && !otlp->gzip && !weir_view_is(coding, "none"))
        return bad(load, "OTEL_EXPORTER_OTLP_COMPRESSION", coding, "gzip or none");
    char name[80];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s_TIMEOUT", upper_names[signal]);
    rc = number(load, "OTEL_EXPORTER_OTLP_TIMEOUT", load->options.timeout_ms, 1, 3600000, 10000,
                &otlp->timeout_ms);
    bool fixed = load->options_first && load->options.timeout_ms;
    return rc || fixed ? rc
                       : number(load, name, 0, 1, 3600000, otlp->timeout_ms, &otlp->timeout_ms);
}

/* ── the rest ────────────────────────────────────────────────────────────────────────────────── */

static int load_queue(struct load *load, const char *prefix, int64_t delay_option, int64_t delay_ms,
                      struct weir_config_queue *queue) {
    char name[60];
    snprintf(name, sizeof name, "%s_SCHEDULE_DELAY", prefix);
    int rc = number(load, name, delay_option, 0, 3600000, delay_ms, &queue->delay_ms);
    snprintf(name, sizeof name, "%s_EXPORT_TIMEOUT", prefix);
    if (!rc) rc = number(load, name, 0, 1, 3600000, 30000, &queue->timeout_ms);
    snprintf(name, sizeof name, "%s_MAX_QUEUE_SIZE", prefix);
    if (!rc) rc = number_u32(load, name, 2048, 1, &queue->queue_max);
    snprintf(name, sizeof name, "%s_MAX_EXPORT_BATCH_SIZE", prefix);
    if (!rc) rc = number_u32(load, name, 512, 1, &queue->batch_max);
    if (!rc && queue->batch_max > queue->queue_max) queue->batch_max = queue->queue_max;
    return rc;
}

/* The index of the variable's value in `names`, of which `count` may be said; unset: 0. */
static int choice(const struct load *load, const char *name, const char *const *names, int count,
                  const char *want, int *ret) {
    struct weir_view text = from_environment(load, name);
    *ret = 0;
    if (!text.len) return WEIR_OK;
    while (*ret < count && !weir_view_eq_nocase(text, weir_view_str(names[*ret]))) ++*ret;
    return *ret < count ? WEIR_OK : bad(load, name, text, want);
}

static int load_metrics(struct load *load) {
    static const char *const temporalities[] = {
        [WEIR_CONFIG_CUMULATIVE] = "cumulative",
        [WEIR_CONFIG_DELTA] = "delta",
        [WEIR_CONFIG_LOWMEMORY] = "lowmemory",
    };
    static const char *const filters[] = {
        [WEIR_CONFIG_EXEMPLARS_TRACE_BASED] = "trace_based",
        [WEIR_CONFIG_EXEMPLARS_ALL] = "always_on",
        [WEIR_CONFIG_EXEMPLARS_NONE] = "always_off",
    };
    static const char *const aggregations[] = {"explicit_bucket_histogram",
                                               "base2_exponential_bucket_histogram"};
    struct weir_config *c = load->config;
    int temporality, filter, aggregation;
    int rc = number(load, "OTEL_METRIC_EXPORT_INTERVAL", load->options.metric_interval_ms, 1,
                    86400000, 60000, &c->metric_interval_ms);
    if (!rc)
        rc =
            number(load, "OTEL_METRIC_EXPORT_TIMEOUT", 0, 1, 3600000, 30000, &c->metric_timeout_ms);
    if (!rc)
        rc = choice(load, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporalities, 3,
                    "cumulative, delta or lowmemory", &temporality);
    if (!rc)
        rc = choice(load, "OTEL_METRICS_EXEMPLAR_FILTER", filters, 3,
                    "trace_based, always_on or always_off", &filter);
    if (!rc)
        rc = choice(load, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", aggregations,
                    2, "explicit_bucket_histogram or base2_exponential_bucket_histogram",
                    &aggregation);
    if (rc) return rc;
    c->temporality = (enum weir_config_temporality)temporality;
    c->exemplars = (enum weir_config_exemplars)filter;
    c->exponential = aggregation;
    return WEIR_OK;
}

static int load_limits(struct load *load) {
    struct weir_config *c = load->config;
    uint32_t count = 128, value = 0;
    int rc = number_u32(load, "OTEL_ATTRIBUTE_COUNT_LIMIT", 128, 0, &count);
    if (!rc) rc = number_u32(load, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, 0, &value);
    const struct {
        const char *name;
        uint32_t otherwise, *at;
    } limits[] = {
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, &c->span_attributes_max},
        {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", value, &c->span_value_max},
        {"OTEL_SPAN_EVENT_COUNT_LIMIT", 128, &c->span_events_max},
        {"OTEL_SPAN_LINK_COUNT_LIMIT", 128, &c->span_links_max},
        {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", 128, &c->event_attributes_max},
        {"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", 128, &c->link_attributes_max},
        {"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", count, &c->log_attributes_max},
        {"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", value, &c->log_value_max},
    };
    for (size_t i = 0; !rc && i < sizeof limits / sizeof *limits; i++)
        rc = number_u32(load, limits[i].name, limits[i].otherwise, 0, limits[i].at);
    return rc;
}

static int load_sampler(struct load *load) {
    struct weir_view name = setting(load, load->options.sampler, "OTEL_TRACES_SAMPLER", NULL);
    struct weir_view arg =
        setting(load, load->options.sampler_arg, "OTEL_TRACES_SAMPLER_ARG", NULL);
    struct weir_view ratio = from_environment(load, "OTEL_SAMPLING");
    if (!name.len && ratio.len) name = WEIR_VIEW("parentbased_traceidratio"), arg = ratio;
    return weir_sampler_parse(name, arg, &load->config->sampler, load->err);
}

static int load_propagators(struct load *load) {
    struct weir_view rest = setting(load, load->options.propagators, "OTEL_PROPAGATORS", NULL),
                     all = rest;
    unsigned bits = rest.len ? 0 : WEIR_PROPAGATOR_TRACECONTEXT | WEIR_PROPAGATOR_BAGGAGE;
    while (rest.len) {
        struct weir_view item = weir_view_trim(weir_view_cut(&rest, ','));
        if (weir_view_is(item, "tracecontext"))
            bits |= WEIR_PROPAGATOR_TRACECONTEXT;
        else if (weir_view_is(item, "baggage"))
            bits |= WEIR_PROPAGATOR_BAGGAGE;
        else if (weir_view_is(item, "b3"))
            bits |= WEIR_PROPAGATOR_B3;
        else if (weir_view_is(item, "b3multi"))
            bits |= WEIR_PROPAGATOR_B3_MULTI;
        else if (item.len && !weir_view_is(item, "none"))
            return bad(load, "OTEL_PROPAGATORS", all,
                       "of tracecontext, baggage, b3, b3multi, none");
    }
    load->config->propagators = bits;
    return WEIR_OK;
}

static int load_port(struct load *load) {
    struct weir_config *c = load->config;
    bool prometheus = c->exporters[WEIR_SDK_METRICS] & WEIR_EXPORTER_PROMETHEUS;
    struct weir_view host = setting(load, load->options.http_host, "WEIR_METRICS_HOST",
                                    "OTEL_EXPORTER_PROMETHEUS_HOST");
    c->http_host = weir_arena_strdup(&c->arena, host.len ? host : WEIR_VIEW("localhost"));
    int64_t port, otherwise = 0;
    int rc = WEIR_OK;
    if (prometheus)
        rc = number(load, "OTEL_EXPORTER_PROMETHEUS_PORT", 0, 1, 65535, 9464, &otherwise);
    if (!rc && load->options.http_port) otherwise = load->options.http_port;
    if (!rc)
        rc =
            number(load, "WEIR_METRICS_PORT", load->options.http_port, -1, 65535, otherwise, &port);
    c->http_port = rc ? 0 : (int)port;
    return rc;
}

static int load_logs(struct load *load) {
    struct weir_config *c = load->config;
    struct weir_view file = setting(load, load->options.log_file, "WEIR_LOG_FILE", NULL);
    if (file.len) c->log_file = weir_arena_strdup(&c->arena, file);
    struct weir_view format = setting(load, load->options.log_format, "WEIR_LOG_FORMAT", NULL);
    c->log_text = weir_view_is(format, "text");
    if (format.len && !c->log_text && !weir_view_is(format, "json"))
        return bad(load, "WEIR_LOG_FORMAT", format, "json or text");
    return WEIR_OK;
}

static int load_all(struct load *load) {
    struct weir_config *c = load->config;
    const struct weir_options *o = &load->options;
    struct weir_view disabled = from_environment(load, "OTEL_SDK_DISABLED");
    c->disabled = weir_view_eq_nocase(disabled, WEIR_VIEW("true"));
    c->on_error = o->on_error;
    c->on_error_arg = o->on_error_arg;
    int rc = load_exporters(load, WEIR_SDK_TRACES, o->traces_exporter);
    if (!rc) rc = load_exporters(load, WEIR_SDK_METRICS, o->metrics_exporter);
    if (!rc) rc = load_exporters(load, WEIR_SDK_LOGS, o->logs_exporter);
    for (int signal = 0; !rc && signal < WEIR_SDK_SIGNALS_COUNT; signal++)
        rc = load_otlp(load, signal);
    if (!rc) rc = load_queue(load, "OTEL_BSP", o->span_delay_ms, 5000, &c->spans);
    if (!rc) rc = load_queue(load, "OTEL_BLRP", o->log_delay_ms, 1000, &c->logs);
    if (!rc) rc = load_metrics(load);
    if (!rc) rc = load_limits(load);
    if (!rc) rc = load_sampler(load);
    if (!rc) rc = load_propagators(load);
    if (!rc) rc = load_port(load);
    if (!rc) rc = load_logs(load);
    if (!rc) rc = load_resource(load);
    return rc;
}

int weir_config_new(const struct weir_options *options, struct weir_config **ret,
                    struct weir_error *reterr) {
    struct load load = {.err = reterr};
    if (options) {
        size_t size = options->struct_size;
        if (size < sizeof options->struct_size + sizeof options->flags)
            return weir_error_set(
                reterr, WEIR_EINVALID,
                "weir_options.struct_size is %zu: set it to sizeof(struct weir_options)", size);
        memcpy(&load.options, options, size < sizeof load.options ? size : sizeof load.options);
    }
    load.no_environment = load.options.flags & WEIR_INIT_NO_ENVIRONMENT;
    load.options_first = load.options.flags & (WEIR_INIT_OPTIONS_FIRST | WEIR_INIT_NO_ENVIRONMENT);
    struct weir_config *config = calloc(1, sizeof *config);
    if (!config)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for the configuration");
    weir_arena_init(&config->arena, ARENA_SIZE_MAX);
    load.config = config;
    config->lazy = load.options.flags & WEIR_INIT_LAZY;
    int rc = load_all(&load);
    if (!rc && config->arena.failed)
        rc = weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for the configuration");
    if (rc) {
        weir_config_free(config);
        return rc;
    }
    *ret = config;
    return WEIR_OK;
}

void weir_config_free(struct weir_config *config) {
    if (!config) return;
    weir_arena_done(&config->arena);
    free(config);
}
