/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/config_file.h"
#include "app/config_tls.h"
#include "wire/yaml.h"

static size_t index_of(const struct weir_option *option) {
    return (size_t)(option - weir_options);
}

/* --allow-host may come several times: later ones are appended after a comma. */
static int set_text(struct weir_config *config, const struct weir_option *option,
                    struct weir_view text, enum weir_config_origin origin,
                    struct weir_error *reterr) {
    struct weir_config_text *place = &config->texts[index_of(option)];
    int rc = weir_options_check(option, text, reterr);
    if (rc != WEIR_OK) return rc;
    if (option->type == WEIR_OPTION_LIST && place->origin == origin && place->text.len)
        text = weir_arena_printf(&config->arena, "%.*s,%.*s", WEIR_VIEW_ARG(place->text),
                                 WEIR_VIEW_ARG(text));
    else
        text = weir_arena_copy(&config->arena, text);
    *place = (struct weir_config_text){.text = text, .origin = origin};
    return text.ptr ? WEIR_OK : weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
}

static int unknown_flag(struct weir_view name, struct weir_error *reterr) {
    const char *names[WEIR_OPTIONS_MAX + 1] = {NULL};
    for (size_t i = 0; weir_options[i].name; i++) names[i] = weir_options[i].name;
    const char *nearest = weir_view_nearest(name, names);
    return weir_error_set(reterr, WEIR_EINVALID,
                          "there is no option --%.*s%s%s%s; weir help lists them",
                          WEIR_VIEW_ARG(name), nearest ? ", did you mean --" : "",
                          nearest ? nearest : "", nearest ? "?" : "");
}

static int load_flag(struct weir_config *config, int argc, char **argv, int *at,
                     struct weir_error *reterr) {
    struct weir_view rest = weir_view_str(argv[*at]);
    if (!weir_view_starts(rest, WEIR_VIEW("--")))
        return weir_error_set(reterr, WEIR_EINVALID, "'%s' is not an option; options start with --",
                              argv[*at]);
    rest = weir_view_from(rest, 2);
    struct weir_view name = weir_view_cut(&rest, '=');
    const struct weir_option *option = weir_options_get(name);
    if (!option) return unknown_flag(name, reterr);
    struct weir_view text = rest;
    if (!rest.ptr && option->type == WEIR_OPTION_FLAG)
        text = WEIR_VIEW("true");
    else if (!rest.ptr && *at + 1 >= argc)
        return weir_error_set(reterr, WEIR_EINVALID, "--%s needs an argument: %s", option->name,
                              option->argument);
    else if (!rest.ptr)
        text = weir_view_str(argv[++*at]);
    struct weir_error inner;
    int rc = set_text(config, option, text, WEIR_CONFIG_COMMAND_LINE, &inner);
    return rc == WEIR_OK ? rc : weir_error_set(reterr, rc, "--%s", inner.message);
}

static int load_flags(struct weir_config *config, int argc, char **argv,
                      struct weir_error *reterr) {
    int rc = WEIR_OK;
    for (int at = 1; at < argc && rc == WEIR_OK; at++)
        rc = load_flag(config, argc, argv, &at, reterr);
    return rc;
}

static int load_environment(struct weir_config *config, struct weir_error *reterr) {
    for (const struct weir_option *option = weir_options; option->name; option++) {
        const char *text = option->env ? getenv(option->env) : NULL;
        if (!text || !*text || config->texts[index_of(option)].origin >= WEIR_CONFIG_ENVIRONMENT)
            continue;
        struct weir_error inner;
        int rc = set_text(config, option, weir_view_str(text), WEIR_CONFIG_ENVIRONMENT, &inner);
        if (rc != WEIR_OK)
            return weir_error_set(reterr, rc, "environment variable %s: %s", option->env,
                                  inner.message);
    }
    return WEIR_OK;
}

static void load_presets(struct weir_config *config) {
    for (const struct weir_option *option = weir_options; option->name; option++) {
        struct weir_config_text *place = &config->texts[index_of(option)];
        if (place->origin == WEIR_CONFIG_UNSET && option->preset)
            *place = (struct weir_config_text){.text = weir_view_str(option->preset),
                                               .origin = WEIR_CONFIG_DEFAULT};
    }
}

static struct weir_view text_of(const struct weir_config *config, const char *name) {
    return config->texts[index_of(weir_options_get(weir_view_str(name)))].text;
}

static const char *string_of(struct weir_config *config, const char *name) {
    struct weir_view text = text_of(config, name);
    return text.len ? weir_arena_strdup(&config->arena, text) : NULL;
}

static const char *address_of(struct weir_config *config, const char *name) {
    return weir_view_is(text_of(config, name), "off") ? NULL : string_of(config, name);
}

static const char *default_data(struct weir_config *config) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') return weir_arena_printf(&config->arena, "%s/weir", state).ptr;
    if (home && *home == '/')
        return weir_arena_printf(&config->arena, "%s/.local/state/weir", home).ptr;
    return "/var/lib/weir";
}

static int fill_list(struct weir_config *config, const char *name,
                     const char *list[WEIR_CONFIG_HOSTS_MAX + 1], struct weir_error *reterr) {
    struct weir_view rest = text_of(config, name);
    size_t count = 0;
    while (rest.len) {
        if (count == WEIR_CONFIG_HOSTS_MAX)
            return weir_error_set(reterr, WEIR_EINVALID, "--%s is given more than %d times", name,
                                  WEIR_CONFIG_HOSTS_MAX);
        list[count++] =
            weir_arena_strdup(&config->arena, weir_view_trim(weir_view_cut(&rest, ',')));
    }
    return WEIR_OK;
}

static int fill_rules(struct weir_config *config, struct weir_error *reterr) {
    const char *files[WEIR_CONFIG_HOSTS_MAX + 1] = {NULL};
    int64_t interval_ns = 0;
    weir_view_to_duration_ns(text_of(config, "rules-interval"), &interval_ns);
    int rc = fill_list(config, "rules", files, reterr);
    if (!rc) rc = fill_list(config, "alertmanager", config->alertmanagers, reterr);
    if (!rc) rc = fill_list(config, "webhook", config->webhooks, reterr);
    for (size_t i = 0; !rc && files[i]; i++)
        rc = weir_alert_rules_load(&config->rules, files[i], interval_ns, &config->arena, reterr);
    return rc;
}

static enum weir_log_level level_of(struct weir_view text) {
    return weir_view_is(text, "debug")   ? WEIR_LOG_DEBUG
           : weir_view_is(text, "warn")  ? WEIR_LOG_WARN
           : weir_view_is(text, "error") ? WEIR_LOG_ERROR
                                         : WEIR_LOG_INFO;
}

static bool is_loopback(const char *address) {
    struct weir_view v = weir_view_str(address);
    return weir_view_starts(v, WEIR_VIEW("127.")) || weir_view_starts(v, WEIR_VIEW("localhost:")) ||
           weir_view_starts(v, WEIR_VIEW("[::1]:"));
}

static int check_open(const struct weir_config *config, struct weir_error *reterr) {
    const char *const addresses[] = {config->grpc, config->http, config->ui, config->health,
                                     config->metrics}; /* the last two speak no TLS */
    for (size_t i = 0; i < 5 && !config->allow_open; i++)
        if (addresses[i] && !is_loopback(addresses[i]) &&
            (i >= WEIR_CONFIG_DOORS_COUNT || !config->tls[i].options.cert_file))
            return weir_error_set(reterr, WEIR_EINVALID,
                                  "%s can be reached from outside, without TLS and without a "
                                  "login: listen on 127.0.0.1, give --tls-cert and --tls-key, put "
                                  "a proxy with a login in front, or say --allow-open",
                                  addresses[i]);
    return WEIR_OK;
}

static int fill_typed(struct weir_config *config, struct weir_error *reterr) {
    config->data = string_of(config, "data");
    if (!config->data) config->data = default_data(config);
    config->grpc = address_of(config, "listen-otlp-grpc");
    config->http = address_of(config, "listen-otlp-http");
    config->ui = address_of(config, "listen");
    config->health = address_of(config, "listen-health");
    config->metrics = address_of(config, "listen-metrics");
    weir_yaml_size_parse(text_of(config, "memory"), &config->memory_bytes);
    weir_yaml_size_parse(text_of(config, "retention-size"), &config->retention_bytes);
    weir_view_to_duration_ns(text_of(config, "retention-age"), &config->retention_age_ns);
    weir_view_to_duration_ns(text_of(config, "query-timeout"), &config->query_timeout_ns);
    config->allow_open = weir_view_is(text_of(config, "allow-open"), "true");
    config->print = weir_view_is(text_of(config, "print-config"), "true");
    config->help = weir_view_is(text_of(config, "help"), "true");
    config->log_level = level_of(text_of(config, "log-level"));
    if (config->memory_bytes < 32U << 20)
        return weir_error_set(reterr, WEIR_EINVALID, "memory is %.*s; the least is 32MiB",
                              WEIR_VIEW_ARG(text_of(config, "memory")));
    int rc = fill_list(config, "allow-host", config->hosts, reterr);
    if (rc == WEIR_OK) rc = fill_rules(config, reterr);
    if (rc == WEIR_OK) rc = weir_config_tls_fill(config, reterr);
    if (rc == WEIR_OK && config->arena.failed)
        rc = weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    return rc == WEIR_OK ? check_open(config, reterr) : rc;
}

int weir_config_load(struct weir_config *config, int argc, char **argv, struct weir_error *reterr) {
    *config = (struct weir_config){.signals = {true, true, true}};
    weir_arena_init(&config->arena, 32 << 20);
    int rc = load_flags(config, argc, argv, reterr);
    if (rc == WEIR_OK) rc = load_environment(config, reterr);
    if (rc == WEIR_OK) config->file = string_of(config, "config");
    if (rc == WEIR_OK && config->file) rc = weir_config_file_load(config, config->file, reterr);
    if (rc == WEIR_OK) load_presets(config);
    return rc == WEIR_OK ? fill_typed(config, reterr) : rc;
}

void weir_config_done(struct weir_config *config) {
    if (config) weir_arena_done(&config->arena);
}

void weir_config_add_print(const struct weir_config *config, struct weir_buf *out) {
    static const char *const origins[] = {"not set", "default", "file", "environment",
                                          "command line"};
    weir_buf_printf(out, "# weir %s, settings in force; data folder: %s\n", WEIR_VERSION,
                    config->data);
    for (const struct weir_option *option = weir_options; option->name; option++) {
        const struct weir_config_text *text = &config->texts[index_of(option)];
        if (!option->yaml) continue;
        weir_buf_printf(out, "%s%s: %.*s  # %s", text->origin == WEIR_CONFIG_UNSET ? "# " : "",
                        option->yaml, WEIR_VIEW_ARG(text->text), origins[text->origin]);
        if (text->origin == WEIR_CONFIG_FILE)
            weir_buf_printf(out, " %s:%u:%u", config->file, text->line, text->column);
        weir_buf_printf(out, ", --%s\n", option->name);
    }
    weir_config_tls_add_print(config, out);
    static const char *const names[] = {"traces", "metrics", "logs"};
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++)
        weir_buf_printf(out, "service.pipelines.%s: %s\n", names[i],
                        config->signals[i] ? "on" : "off");
}
