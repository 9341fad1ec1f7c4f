/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/config.h"

#include <stdlib.h>

#include "otlp/value.h"
#include "sdk/attr.h"
#include "unit.h"

extern char **environ;

/* Only these variables are set: "NAME=value", NULL-ended. */
static struct weir_config *config_of(const struct weir_options *options, char **variables) {
    static char *none[] = {NULL};
    struct weir_config *config = NULL;
    struct weir_error err = {.message = ""};
    char **before = environ;
    environ = variables ? variables : none;
    int rc = weir_config_new(options, &config, &err);
    environ = before;
    if (rc != WEIR_OK) fail_msg("%s", err.message);
    return config;
}

static void resource_is(const struct weir_config *config, const char *key, const char *expected) {
    struct weir_view rest = config->resource, found = WEIR_VIEW("");
    struct weir_attr attr;
    int count = 0;
    while (rest.len && weir_attr_next(&rest, &attr, NULL))
        if (weir_view_is(attr.key, key)) found = attr.value.str, count++;
    assert_int_equal(count, expected[0] != 0);
    assert_view_is(found, expected);
}

static void defaults(void **state) {
    (void)state;
    struct weir_config *c = config_of(NULL, NULL);
    assert_false(c->disabled);
    for (int i = 0; i < 3; i++) assert_int_equal(c->exporters[i], WEIR_EXPORTER_OTLP);
    assert_view_is(c->otlp[WEIR_SDK_TRACES].url, "http://localhost:4318/v1/traces");
    assert_view_is(c->otlp[WEIR_SDK_METRICS].url, "http://localhost:4318/v1/metrics");
    assert_view_is(c->otlp[WEIR_SDK_LOGS].url, "http://localhost:4318/v1/logs");
    assert_false(c->otlp[0].grpc || c->otlp[0].gzip);
    assert_int_equal(c->otlp[0].timeout_ms, 10000);
    assert_int_equal(c->spans.queue_max, 2048);
    assert_int_equal(c->spans.batch_max, 512);
    assert_int_equal(c->spans.delay_ms, 5000);
    assert_int_equal(c->spans.timeout_ms, 30000);
    assert_int_equal(c->logs.delay_ms, 1000);
    assert_int_equal(c->metric_interval_ms, 60000);
    assert_int_equal(c->metric_timeout_ms, 30000);
    assert_int_equal(c->exemplars, WEIR_CONFIG_EXEMPLARS_TRACE_BASED);
    assert_int_equal(c->temporality, WEIR_CONFIG_CUMULATIVE);
    assert_int_equal(c->span_attributes_max, 128);
    assert_int_equal(c->span_value_max, 0);
    assert_true(c->sampler.parent_based);
    assert_int_equal(c->propagators, WEIR_PROPAGATOR_TRACECONTEXT | WEIR_PROPAGATOR_BAGGAGE);
    assert_int_equal(c->http_port, 0);
    assert_string_equal(c->http_host, "localhost");
    resource_is(c, "service.name", "unknown_service:sdk_config_test");
    resource_is(c, "telemetry.sdk.language", "c");
    weir_config_free(c);
    weir_config_free(NULL);
}

static void everything_from_the_environment(void **state) {
    (void)state;
    char *env[] = {"OTEL_SERVICE_NAME=shop",
                   "OTEL_RESOURCE_ATTRIBUTES=service.name=other, a%20b = c%2cd ,service.version=1",
                   "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318/base/",
                   "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://t/x",
                   "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=grpc",
                   "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
                   "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION=none",
                   "OTEL_EXPORTER_OTLP_HEADERS=Api-Key=a%3Db,x=y",
                   "OTEL_EXPORTER_OTLP_LOGS_HEADERS=only=this",
                   "OTEL_EXPORTER_OTLP_TIMEOUT=2000",
                   "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=3000",
                   "OTEL_TRACES_EXPORTER=otlp,console",
                   "OTEL_METRICS_EXPORTER=prometheus",
                   "OTEL_LOGS_EXPORTER=none",
                   "OTEL_TRACES_SAMPLER=traceidratio",
                   "OTEL_TRACES_SAMPLER_ARG=0.5",
                   "OTEL_PROPAGATORS=baggage",
                   "OTEL_BSP_SCHEDULE_DELAY=100",
                   "OTEL_BSP_MAX_QUEUE_SIZE=10",
                   "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=20",
                   "OTEL_BLRP_EXPORT_TIMEOUT=5",
                   "OTEL_METRIC_EXPORT_INTERVAL=1000",
                   "OTEL_METRIC_EXPORT_TIMEOUT=1500",
                   "OTEL_METRICS_EXEMPLAR_FILTER=always_on",
                   "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=LowMemory",
                   "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="
                   "base2_exponential_bucket_histogram",
                   "OTEL_ATTRIBUTE_COUNT_LIMIT=5",
                   "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=6",
                   "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=7",
                   "OTEL_EXPORTER_PROMETHEUS_PORT=9999",
                   "WEIR_LOG_FORMAT=text",
                   "WEIR_LOG_FILE=/x",
                   NULL};
    struct weir_config *c = config_of(NULL, env);
    resource_is(c, "service.name", "shop");
    resource_is(c, "service.version", "1");
    resource_is(c, "a b", "c,d");
    assert_view_is(c->service_name, "shop");
    assert_view_is(c->otlp[WEIR_SDK_TRACES].url, "https://t/x");
    assert_view_is(c->otlp[WEIR_SDK_METRICS].url, "http://collector:4318/base/v1/metrics");
    assert_view_is(c->otlp[WEIR_SDK_LOGS].url, "http://collector:4318/base/");
    assert_true(c->otlp[WEIR_SDK_LOGS].grpc && !c->otlp[WEIR_SDK_TRACES].grpc);
    assert_true(c->otlp[WEIR_SDK_TRACES].gzip && !c->otlp[WEIR_SDK_LOGS].gzip);
    assert_int_equal(c->otlp[WEIR_SDK_TRACES].headers_count, 2);
    assert_view_is(c->otlp[WEIR_SDK_TRACES].headers[0].name, "api-key");
    assert_view_is(c->otlp[WEIR_SDK_TRACES].headers[0].value, "a=b");
    assert_int_equal(c->otlp[WEIR_SDK_LOGS].headers_count, 1);
    assert_int_equal(c->otlp[WEIR_SDK_TRACES].timeout_ms, 2000);
    assert_int_equal(c->otlp[WEIR_SDK_METRICS].timeout_ms, 3000);
    assert_int_equal(c->exporters[WEIR_SDK_TRACES], WEIR_EXPORTER_OTLP | WEIR_EXPORTER_CONSOLE);
    assert_int_equal(c->exporters[WEIR_SDK_METRICS], WEIR_EXPORTER_PROMETHEUS);
    assert_int_equal(c->exporters[WEIR_SDK_LOGS], 0);
    assert_false(c->sampler.parent_based);
    assert_true(c->sampler.threshold == UINT64_C(1) << 62);
    assert_int_equal(c->propagators, WEIR_PROPAGATOR_BAGGAGE);
    assert_int_equal(c->spans.delay_ms, 100);
    assert_int_equal(c->spans.batch_max, 10); /* never over the queue */
    assert_int_equal(c->logs.timeout_ms, 5);
    assert_int_equal(c->metric_interval_ms, 1000);
    assert_int_equal(c->metric_timeout_ms, 1500);
    assert_int_equal(c->exemplars, WEIR_CONFIG_EXEMPLARS_ALL);
    assert_int_equal(c->temporality, WEIR_CONFIG_LOWMEMORY);
    assert_true(c->exponential);
    assert_int_equal(c->span_attributes_max, 6);
    assert_int_equal(c->log_attributes_max, 5);
    assert_int_equal(c->span_value_max, 7);
    assert_int_equal(c->http_port, 9999);
    assert_true(c->log_text);
    assert_string_equal(c->log_file, "/x");
    weir_config_free(c);
}

static void names_of_the_documents(void **state) {
    (void)state;
    char *env[] = {
        "OTEL_OTLP_TARGET=collector:4317", "OTEL_OTLP_CONN_TYPE=grpc",  "OTEL_SAMPLING=0.25",
        "OTEL_SERVICE_VERSION=2",          "OTEL_LOG_EXPORTER=console", NULL};
    struct weir_config *c = config_of(NULL, env);
    assert_view_is(c->otlp[0].url, "http://collector:4317");
    assert_true(c->otlp[0].grpc && c->sampler.parent_based);
    assert_true(c->sampler.threshold == UINT64_C(1) << 61);
    assert_int_equal(c->exporters[WEIR_SDK_LOGS], WEIR_EXPORTER_CONSOLE);
    resource_is(c, "service.version", "2");
    weir_config_free(c);
}

static void an_address_without_a_scheme(void **state) {
    (void)state;
    char *env[] = {"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317",
                   NULL, NULL};
    struct weir_config *c = config_of(NULL, env);
    assert_view_is(c->otlp[0].url, "https://collector:4317");
    weir_config_free(c);
    env[2] = "OTEL_EXPORTER_OTLP_INSECURE=True";
    c = config_of(NULL, env);
    assert_view_is(c->otlp[0].url, "http://collector:4317");
    weir_config_free(c);
    env[2] = "OTEL_EXPORTER_OTLP_METRICS_INSECURE=true";
    c = config_of(NULL, env);
    assert_view_is(c->otlp[WEIR_SDK_TRACES].url, "https://collector:4317");
    assert_view_is(c->otlp[WEIR_SDK_METRICS].url, "http://collector:4317");
    weir_config_free(c);
    env[2] = NULL;
    struct weir_options options = {.struct_size = sizeof options, .insecure = true};
    c = config_of(&options, env);
    assert_view_is(c->otlp[0].url, "http://collector:4317");
    weir_config_free(c);
    env[0] = "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"; /* the scheme decides, and is http */
    c = config_of(NULL, env);
    assert_view_is(c->otlp[0].url, "http://collector:4317/v1/traces");
    weir_config_free(c);
}

static void files_of_tls(void **state) {
    (void)state;
    char *env[] = {"OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318",
                   "OTEL_EXPORTER_OTLP_CERTIFICATE=/dev/null",
                   "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE=/dev/zero",
                   "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE=/dev/null",
                   "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY=/dev/zero",
                   NULL};
    struct weir_options options = {
        .struct_size = sizeof options, .certificate = "/nowhere", .insecure_skip_verify = true};
    struct weir_config *c = config_of(&options, env);
    assert_string_equal(c->otlp[WEIR_SDK_TRACES].ca_file, "/dev/null");
    assert_string_equal(c->otlp[WEIR_SDK_LOGS].ca_file, "/dev/zero");
    assert_string_equal(c->otlp[WEIR_SDK_TRACES].cert_file, "/dev/null");
    assert_string_equal(c->otlp[WEIR_SDK_TRACES].key_file, "/dev/zero");
    assert_null(c->otlp[WEIR_SDK_LOGS].cert_file);
    assert_true(c->otlp[WEIR_SDK_LOGS].skip_verify);
    weir_config_free(c);
    env[0] = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"; /* nobody looks at them */
    env[1] = "OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere";
    c = config_of(NULL, env);
    assert_null(c->otlp[WEIR_SDK_TRACES].ca_file);
    weir_config_free(c);
}

static void bad_files_of_tls(void **state) {
    (void)state;
    char endpoint[] = "OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318";
    const struct {
        char *env;
        const char *words;
    } rows[] = {
        {"OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere",
         "OTEL_EXPORTER_OTLP_CERTIFICATE is \"/nowhere\": No such file"},
        {"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=/nowhere",
         "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE is \"/nowhere\": No such file"},
        {"OTEL_EXPORTER_OTLP_CLIENT_KEY=/dev/null", "for traces only the key is there"},
        {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE=/dev/null",
         "for logs only the certificate is there"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *env[] = {endpoint, rows[i].env, NULL};
        struct weir_config *config;
        struct weir_error err = {.message = ""};
        char **before = environ;
        environ = env;
        int rc = weir_config_new(NULL, &config, &err);
        environ = before;
        if (rc != WEIR_EINVALID || !strstr(err.message, rows[i].words))
            fail_msg("%s: %d %s", rows[i].env, rc, err.message);
    }
}

static void who_wins(void **state) {
    (void)state;
    char *env[] = {"OTEL_SERVICE_NAME=env",
                   "OTEL_TRACES_SAMPLER=always_off",
                   "OTEL_BSP_SCHEDULE_DELAY=7",
                   "OTEL_EXPORTER_OTLP_ENDPOINT=http://env:1",
                   "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://env:2/l",
                   NULL};
    struct weir_attribute extra[] = {WEIR_STR("service.name", "attribute"), WEIR_STR("team", "a")};
    struct weir_options options = {.struct_size = sizeof options,
                                   .service_name = "option",
                                   .sampler = "always_on",
                                   .span_delay_ms = 9,
                                   .endpoint = "http://option:3",
                                   .resource = extra,
                                   .resource_count = 2};
    struct weir_config *c = config_of(&options, env);
    resource_is(c, "service.name", "env");
    resource_is(c, "team", "a");
    assert_true(c->sampler.threshold == 0);
    assert_int_equal(c->spans.delay_ms, 7);
    assert_view_is(c->otlp[WEIR_SDK_TRACES].url, "http://env:1/v1/traces");
    assert_view_is(c->otlp[WEIR_SDK_LOGS].url, "http://env:2/l");
    weir_config_free(c);
    options.flags = WEIR_INIT_OPTIONS_FIRST;
    c = config_of(&options, env);
    resource_is(c, "service.name", "option");
    assert_true(c->sampler.threshold != 0);
    assert_int_equal(c->spans.delay_ms, 9);
    assert_view_is(c->otlp[WEIR_SDK_LOGS].url, "http://option:3/v1/logs");
    weir_config_free(c);
    options =
        (struct weir_options){.struct_size = sizeof options, .flags = WEIR_INIT_NO_ENVIRONMENT};
    c = config_of(&options, env);
    resource_is(c, "service.name", "unknown_service:sdk_config_test");
    weir_config_free(c);
}

static void errors_name_the_variable(void **state) {
    (void)state;
    char *const rows[] = {"OTEL_TRACES_EXPORTER=zipkin",
                          "OTEL_METRICS_EXPORTER=x",
                          "OTEL_LOGS_EXPORTER=prometheus",
                          "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
                          "OTEL_EXPORTER_OTLP_PROTOCOL=udp",
                          "OTEL_EXPORTER_OTLP_ENDPOINT=ftp://a",
                          "OTEL_EXPORTER_OTLP_COMPRESSION=zstd",
                          "OTEL_EXPORTER_OTLP_HEADERS=nonsense",
                          "OTEL_EXPORTER_OTLP_TIMEOUT=0",
                          "OTEL_BSP_SCHEDULE_DELAY=-1",
                          "OTEL_BSP_MAX_QUEUE_SIZE=0",
                          "OTEL_BLRP_EXPORT_TIMEOUT=1s",
                          "OTEL_METRIC_EXPORT_INTERVAL=x",
                          "OTEL_METRIC_EXPORT_TIMEOUT=0",
                          "OTEL_METRICS_EXEMPLAR_FILTER=sometimes",
                          "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=deltas",
                          "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=quantiles",
                          "OTEL_SPAN_LINK_COUNT_LIMIT=-3",
                          "OTEL_TRACES_SAMPLER=maybe",
                          "OTEL_PROPAGATORS=jaeger",
                          "OTEL_RESOURCE_ATTRIBUTES=novalue",
                          "WEIR_METRICS_PORT=70000",
                          "WEIR_LOG_FORMAT=xml"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *env[] = {rows[i], NULL}, name[64] = "";
        struct weir_config *config;
        struct weir_error err = {.message = ""};
        memcpy(name, rows[i], strcspn(rows[i], "="));
        char **before = environ;
        environ = env;
        int rc = weir_config_new(NULL, &config, &err);
        environ = before;
        if (rc >= 0 || rc != err.code || !strstr(err.message, name))
            fail_msg("%s: %d %s", rows[i], rc, err.message);
    }
    struct weir_options bare = {.struct_size = 0},
                        negative = {.struct_size = sizeof negative, .timeout_ms = -5};
    struct weir_config *config;
    assert_int_equal(weir_config_new(&bare, &config, NULL), WEIR_EINVALID);
    assert_int_equal(weir_config_new(&negative, &config, NULL), WEIR_EINVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults),
                                       cmocka_unit_test(everything_from_the_environment),
                                       cmocka_unit_test(names_of_the_documents),
                                       cmocka_unit_test(an_address_without_a_scheme),
                                       cmocka_unit_test(files_of_tls),
                                       cmocka_unit_test(bad_files_of_tls),
                                       cmocka_unit_test(who_wins),
                                       cmocka_unit_test(errors_name_the_variable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
