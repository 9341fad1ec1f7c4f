/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "unit.h"

const struct weir_command weir_commands[] = {{NULL, NULL, NULL, NULL}};

static char file[64];

static int make_file(void **state) {
    (void)state;
    snprintf(file, sizeof file, "%s/weir-config-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(file);
    if (fd >= 0) close(fd);
    for (const struct weir_option *option = weir_options; option->name; option++)
        if (option->env) unsetenv(option->env);
    return fd >= 0 ? 0 : -1;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(file);
}

/* Loads with the YAML in a file and up to four more arguments. */
static int load(struct weir_config *config, const char *yaml, const char *const *more,
                struct weir_error *err) {
    char *argv[8] = {"serve", "--config", file};
    int argc = 3;
    assert_int_equal(weir_fs_write_file(file, weir_view_str(yaml), err), 0);
    for (; more && *more; more++) argv[argc++] = strdup(*more);
    int rc = weir_config_load(config, argc, argv, err);
    for (int i = 3; i < argc; i++) free(argv[i]);
    return rc;
}

static void defaults_alone_are_enough(void **state) {
    (void)state;
    struct weir_config config;
    struct weir_error err;
    char *argv[] = {"serve"};
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_int_equal(weir_config_load(&config, 1, argv, &err), 0);
    assert_string_equal(config.data, "/state/weir");
    assert_string_equal(config.grpc, "127.0.0.1:4317");
    assert_string_equal(config.http, "127.0.0.1:4318");
    assert_string_equal(config.ui, "127.0.0.1:3000");
    assert_true(config.memory_bytes == 512U << 20);
    assert_true(config.retention_age_ns == INT64_C(7) * 86400 * 1000000000);
    assert_true(config.retention_bytes == 0);
    assert_true(config.signals[0] && config.signals[1] && config.signals[2]);
    weir_config_done(&config);
}

static void each_layer_wins_over_the_one_below(void **state) {
    (void)state;
    struct weir_config config;
    struct weir_error err;
    const char *yaml =
        "exporters:\n  weir:\n    memory: 100MiB\n    retention: {age: 3d}\n    path: /from/file\n";
    const char *const more[] = {"--memory=200MiB", NULL};
    setenv("WEIR_RETENTION_AGE", "2d", 1);
    setenv("WEIR_MEMORY", "300MiB", 1);
    assert_int_equal(load(&config, yaml, more, &err), 0);
    assert_true(config.memory_bytes == 200U << 20);
    assert_true(config.retention_age_ns == INT64_C(2) * 86400 * 1000000000);
    assert_string_equal(config.data, "/from/file");
    weir_config_done(&config);
    unsetenv("WEIR_RETENTION_AGE");
    unsetenv("WEIR_MEMORY");
}

static void collector_shape_and_variables(void **state) {
    (void)state;
    struct weir_config config;
    struct weir_error err;
    setenv("WHERE", "127.0.0.1:5555", 1);
    unsetenv("NOT_THERE");
    const char *yaml =
        "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: ${env:WHERE}\n"
        "exporters:\n  weir: {path: '/a$$b/${env:NOT_THERE:-c}'}\n"
        "extensions:\n  weir_ui: {allow_hosts: [one.example, two.example]}\n"
        "service:\n  extensions: [weir_ui]\n  pipelines:\n"
        "    traces: {receivers: [otlp], exporters: [weir]}\n    logs: {receivers: [otlp], "
        "exporters: [weir]}\n";
    assert_int_equal(load(&config, yaml, NULL, &err), 0);
    assert_string_equal(config.grpc, "127.0.0.1:5555");
    assert_null(config.http);
    assert_string_equal(config.data, "/a$b/c");
    assert_string_equal(config.hosts[1], "two.example");
    assert_null(config.hosts[2]);
    assert_true(config.signals[WEIR_SIGNAL_TRACE] && !config.signals[WEIR_SIGNAL_METRIC] &&
                config.signals[WEIR_SIGNAL_LOG]);
    weir_config_done(&config);
}

static void each_door_has_its_tls(void **state) {
    (void)state;
    struct weir_config config;
    struct weir_error err;
    setenv("CERTS", "/certs", 1);
    const char *yaml = "receivers:\n  otlp:\n    protocols:\n      grpc:\n"
                       "        endpoint: 0.0.0.0:4317\n"
                       "        tls:\n          cert_file: ${env:CERTS}/a.pem\n"
                       "          key_file: '/certs/a.key'\n          min_version: 1.3\n"
                       "          client_ca_file: /certs/ca.pem\n"
                       "      http: {endpoint: 0.0.0.0:4318}\n"
                       "service:\n  tls: {cert_file: /c.pem, key_file: /c.key}\n";
    assert_int_equal(load(&config, yaml, NULL, &err), 0);
    const struct weir_tls_options *grpc = &config.tls[WEIR_CONFIG_DOOR_GRPC].options,
                                  *http = &config.tls[WEIR_CONFIG_DOOR_HTTP].options;
    assert_string_equal(grpc->cert_file, "/certs/a.pem");
    assert_string_equal(grpc->key_file, "/certs/a.key");
    assert_string_equal(grpc->ca_file, "/certs/ca.pem");
    assert_int_equal(grpc->version_min, WEIR_TLS_1_3);
    assert_string_equal(http->cert_file, "/c.pem");
    assert_string_equal(http->key_file, "/c.key");
    assert_null(http->ca_file);
    assert_int_equal(http->version_min, WEIR_TLS_1_2);
    assert_string_equal(config.tls[WEIR_CONFIG_DOOR_UI].options.cert_file, "/c.pem");
    struct weir_buf out;
    weir_buf_init(&out, 1 << 16);
    weir_config_add_print(&config, &out);
    weir_buf_add_char(&out, 0);
    assert_non_null(strstr(out.ptr, "receivers.otlp.protocols.grpc.tls: {cert_file: /certs/a.pem, "
                                    "key_file: /certs/a.key, min_version: 1.3, client_ca_file: "
                                    "/certs/ca.pem}\n"));
    weir_buf_done(&out);
    weir_config_done(&config);
    /* without any, the doors are plain; with one on one door only, the others must stay at home */
    assert_int_equal(load(&config, "", NULL, &err), 0);
    assert_null(config.tls[WEIR_CONFIG_DOOR_UI].options.cert_file);
    weir_config_done(&config);
    const char *const more[] = {"--listen=0.0.0.0:3000", NULL};
    const char *half = "receivers:\n  otlp:\n    protocols:\n      grpc:\n        tls: {cert_file: "
                       "/a.pem, key_file: /a.key}\n";
    assert_int_equal(load(&config, half, more, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.message, "0.0.0.0:3000 can be reached from outside, without TLS"));
    weir_config_done(&config);
}

static void errors_have_place_and_remedy(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *place, *words;
    } cases[] = {
        {"recievers: {}\n", ":1:1: ", "'receivers'"},
        {"receivers:\n  otlp:\n    protocols:\n      grpz: {}\n", ":4:7: ", "'grpc'"},
        {"exporters:\n  weir:\n    memory: lots\n", ":3:13: ", "512MiB"},
        {"exporters:\n  weir: 7\n", ":2:9: ", "map"},
        {"service:\n  pipelines:\n    tracez: {}\n", ":3:5: ", "traces"},
        {"service:\n  pipelines:\n    traces: {exporters: [jaeger]}\n", ":3:26: ", "weir"},
        {"service:\n  pipelines:\n    traces: {processors: [batch]}\n", ":3:", "batch"},
        {"extensions:\n  weir_ui:\n    tls: {cert_fil: x}\n", ":3:11: ", "cert_file"},
        {"extensions:\n  weir_ui:\n    tls: {cert_file: [x]}\n", ":3:22: ", "name of a file"},
        {"extensions:\n  weir_ui:\n    tls: {key_file: x}\n", ":3:10: ", "has a key_file and no"},
        {"extensions:\n  weir_ui:\n    tls: {min_version: 1.1}\n", ":3:24: ", "1.2 or 1.3"},
        {"extensions:\n  weir_ui:\n    tsl: {}\n", ":3:5: ", "'tls'"},
        {"a: [\n", ":", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_config config;
        struct weir_error err = {0};
        assert_int_equal(load(&config, cases[i].yaml, NULL, &err), WEIR_EINVALID);
        char start[100];
        snprintf(start, sizeof start, "%s%s", file, cases[i].place);
        if (strncmp(err.message, start, strlen(start)) != 0 || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: %s", i, err.message);
        weir_config_done(&config);
    }
}

static void flags_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *argument, *words;
    } cases[] = {
        {"--memry=1GiB", "did you mean --memory?"}, {"--memory", "needs an argument"},
        {"memory", "options start with --"},        {"--memory=1MiB", "least is 32MiB"},
        {"--listen=0.0.0.0:80", "--allow-open"},    {"--log-level=loud", "expected debug"},
        {"--tls-cert=a.pem", "only --tls-cert is"}, {"--tls-key=a.key", "only --tls-key is"},
        {"--tls-min-version=1.1", "1.2 or 1.3"},    {"--tls-client-ca=a", "give it cert_file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_config config;
        struct weir_error err = {0};
        char *argv[] = {"serve", strdup(cases[i].argument)};
        assert_int_equal(weir_config_load(&config, 2, argv, &err), WEIR_EINVALID);
        if (!strstr(err.message, cases[i].words))
            fail_msg("%s: %s", cases[i].argument, err.message);
        weir_config_done(&config);
        free(argv[1]);
    }
}

static void print_shows_values_and_origins(void **state) {
    (void)state;
    struct weir_config config;
    struct weir_error err;
    const char *const more[] = {"--log-level=warn", NULL};
    assert_int_equal(load(&config, "exporters:\n  weir:\n    memory: 64MiB\n", more, &err), 0);
    struct weir_buf out;
    weir_buf_init(&out, 1 << 16);
    weir_config_add_print(&config, &out);
    weir_buf_add_char(&out, 0);
    assert_non_null(strstr(out.ptr, "exporters.weir.memory: 64MiB  # file "));
    assert_non_null(strstr(out.ptr, "service.telemetry.logs.level: warn  # command line"));
    assert_non_null(strstr(out.ptr, "# exporters.weir.retention.size:   # not set"));
    weir_buf_done(&out);
    weir_config_done(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_alone_are_enough),
        cmocka_unit_test(each_layer_wins_over_the_one_below),
        cmocka_unit_test(collector_shape_and_variables),
        cmocka_unit_test(each_door_has_its_tls),
        cmocka_unit_test(errors_have_place_and_remedy),
        cmocka_unit_test(flags_are_checked),
        cmocka_unit_test(print_shows_values_and_origins),
    };
    return cmocka_run_group_tests_name("app/config", tests, make_file, remove_file);
}
