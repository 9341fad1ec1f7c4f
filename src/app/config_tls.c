/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_tls.h"

#include <stdio.h>

static const char *const paths[WEIR_CONFIG_DOORS_COUNT] = {"receivers.otlp.protocols.grpc.tls",
                                                           "receivers.otlp.protocols.http.tls",
                                                           "extensions.weir_ui.tls"};

enum weir_config_door weir_config_tls_door_at(const char *path) {
    int door = 0;
    while (door < WEIR_CONFIG_DOORS_COUNT && strcmp(paths[door], path) != 0) door++;
    return (enum weir_config_door)door;
}

static bool parse_version(struct weir_view text, enum weir_tls_version *ret) {
    *ret = weir_view_is(text, "1.3") ? WEIR_TLS_1_3 : WEIR_TLS_1_2;
    return weir_view_is(text, "1.2") || weir_view_is(text, "1.3");
}

/* One key of a block; absent and empty are the same. */
static int take_text(struct weir_config *config, const struct weir_yaml *block, const char *where,
                     const char *key, const char **ret, struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(block, key);
    if (!node || node->type == WEIR_YAML_NULL) return WEIR_OK;
    if (node->type == WEIR_YAML_MAP || node->type == WEIR_YAML_LIST || !node->text.len)
        return weir_yaml_fail(node, reterr, "%s.%s must be the name of a file", where, key);
    *ret = weir_arena_strdup(&config->arena, node->text);
    return WEIR_OK;
}

static int take_version(struct weir_config *config, struct weir_config_tls *tls,
                        const struct weir_yaml *node, struct weir_error *reterr) {
    if (!node || node->type == WEIR_YAML_NULL) return WEIR_OK;
    if (!parse_version(node->text, &tls->options.version_min))
        return weir_yaml_fail(node, reterr, "min_version is '%.*s', expected 1.2 or 1.3",
                              WEIR_VIEW_ARG(node->text));
    tls->version = weir_arena_strdup(&config->arena, node->text);
    return WEIR_OK;
}

int weir_config_tls_load(struct weir_config *config, enum weir_config_door door,
                         const struct weir_yaml *block, struct weir_error *reterr) {
    static const char *const keys[] = {"cert_file", "key_file", "client_ca_file", "min_version",
                                       NULL};
    struct weir_config_tls *tls = &config->tls[door];
    const char *where = paths[door];
    if (block->type == WEIR_YAML_NULL) return WEIR_OK;
    int rc = weir_yaml_check(block, where, keys, reterr);
    if (!rc) rc = take_text(config, block, where, keys[0], &tls->options.cert_file, reterr);
    if (!rc) rc = take_text(config, block, where, keys[1], &tls->options.key_file, reterr);
    if (!rc) rc = take_text(config, block, where, keys[2], &tls->options.ca_file, reterr);
    if (!rc) rc = take_version(config, tls, weir_yaml_get(block, keys[3]), reterr);
    if (!rc && !tls->options.cert_file != !tls->options.key_file)
        rc = weir_yaml_fail(block, reterr, "%s has a %s and no %s: both are needed", where,
                            tls->options.cert_file ? keys[0] : keys[1],
                            tls->options.cert_file ? keys[1] : keys[0]);
    return rc;
}

static const char *text_of(struct weir_config *config, const char *name) {
    struct weir_view text =
        config->texts[weir_options_get(weir_view_str(name)) - weir_options].text;
    return text.len ? weir_arena_strdup(&config->arena, text) : NULL;
}

int weir_config_tls_fill(struct weir_config *config, struct weir_error *reterr) {
    struct weir_config_tls common = {.options = {.cert_file = text_of(config, "tls-cert"),
                                                 .key_file = text_of(config, "tls-key"),
                                                 .ca_file = text_of(config, "tls-client-ca")},
                                     .version = text_of(config, "tls-min-version")};
    if (common.version &&
        !parse_version(weir_view_str(common.version), &common.options.version_min))
        return weir_error_set(reterr, WEIR_EINVALID, "tls-min-version is '%s', expected 1.2 or 1.3",
                              common.version);
    if (!common.options.cert_file != !common.options.key_file)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "--tls-cert and --tls-key go together, and only --tls-%s is given",
                              common.options.cert_file ? "cert" : "key");
    for (int i = 0; i < WEIR_CONFIG_DOORS_COUNT; i++) {
        struct weir_config_tls *tls = &config->tls[i];
        if (!tls->options.cert_file) {
            tls->options.cert_file = common.options.cert_file;
            tls->options.key_file = common.options.key_file;
        }
        if (!tls->options.ca_file) tls->options.ca_file = common.options.ca_file;
        if (!tls->version) tls->options.version_min = common.options.version_min;
        if (tls->options.ca_file && !tls->options.cert_file)
            return weir_error_set(reterr, WEIR_EINVALID,
                                  "%s: client certificates are asked for (%s), and the door has "
                                  "none of its own: give it cert_file and key_file",
                                  paths[i], tls->options.ca_file);
    }
    return WEIR_OK;
}

void weir_config_tls_add_print(const struct weir_config *config, struct weir_buf *out) {
    for (int i = 0; i < WEIR_CONFIG_DOORS_COUNT; i++) {
        const struct weir_tls_options *tls = &config->tls[i].options;
        if (!tls->cert_file) continue;
        weir_buf_printf(out, "%s: {cert_file: %s, key_file: %s, min_version: %s", paths[i],
                        tls->cert_file, tls->key_file,
                        tls->version_min == WEIR_TLS_1_3 ? "1.3" : "1.2");
        if (tls->ca_file) weir_buf_printf(out, ", client_ca_file: %s", tls->ca_file);
        weir_buf_add_str(out, "}\n");
    }
}
