/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "wire/yaml.h"

enum { FILE_BYTES_MAX = 1 << 20, PATH_MAX_BYTES = 256, NAMES_MAX = 64 };

/* What the walk carries: the places to fill, and the pipelines that are not single settings. */
struct walk {
    struct weir_config *config;
    struct weir_error *reterr;
};

/* Parts of the file that are lists or maps of names, not settings of the options table. */
static const char *const structural[] = {"service.extensions", "service.pipelines", NULL};

static const struct weir_option *option_at(const char *path) {
    for (const struct weir_option *option = weir_options; option->name; option++)
        if (option->yaml && strcmp(option->yaml, path) == 0) return option;
    return NULL;
}

/* The key that follows `path` in `full`, or an empty view when `full` does not lie below it. */
static struct weir_view next_key(const char *full, const char *path) {
    struct weir_view rest = weir_view_str(full), head = weir_view_str(path);
    if (head.len) {
        if (!weir_view_starts(rest, head) || rest.len <= head.len || rest.ptr[head.len] != '.')
            return WEIR_VIEW("");
        rest = weir_view_from(rest, head.len + 1);
    }
    return weir_view_cut(&rest, '.');
}

static bool has_below(const char *path) {
    for (const struct weir_option *option = weir_options; option->name; option++)
        if (option->yaml && next_key(option->yaml, path).len) return true;
    return false;
}

static bool is_structural(const char *path) {
    for (size_t i = 0; structural[i]; i++)
        if (strcmp(structural[i], path) == 0) return true;
    return false;
}

static int unknown_key(struct walk *walk, const struct weir_yaml *key, const char *path) {
    const char *names[NAMES_MAX + 1] = {NULL};
    size_t count = 0;
    for (const struct weir_option *option = weir_options; option->name && count < NAMES_MAX;
         option++) {
        struct weir_view name = option->yaml ? next_key(option->yaml, path) : WEIR_VIEW("");
        if (name.len) names[count++] = weir_arena_strdup(&walk->config->arena, name);
    }
    if (strcmp(path, "service") == 0 && count + 2 < NAMES_MAX)
        names[count++] = "pipelines", names[count++] = "extensions";
    const char *nearest = weir_view_nearest(key->text, names);
    return weir_yaml_fail(key, walk->reterr, "unknown key '%.*s'%s%s%s%s%s",
                          WEIR_VIEW_ARG(key->text), *path ? " in " : "", path,
                          nearest ? ", did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?" : "");
}

static struct weir_view expand_name(struct weir_view inside) {
    struct weir_view name =
        weir_view_starts(inside, WEIR_VIEW("env:")) ? weir_view_from(inside, 4) : inside;
    size_t at = weir_view_find(name, WEIR_VIEW(":-"));
    char text[PATH_MAX_BYTES];
    snprintf(text, sizeof text, "%.*s",
             WEIR_VIEW_ARG(weir_view_upto(name, at == SIZE_MAX ? name.len : at)));
    const char *value = getenv(text);
    if (value && *value) return weir_view_str(value);
    return at == SIZE_MAX ? WEIR_VIEW("") : weir_view_from(name, at + 2);
}

/* ${env:NAME}, ${env:NAME:-default} and ${NAME} replaced, $$ is a dollar. */
static struct weir_view expand(struct walk *walk, struct weir_view text) {
    struct weir_buf out;
    weir_buf_init(&out, FILE_BYTES_MAX);
    while (text.len) {
        size_t end = weir_view_starts(text, WEIR_VIEW("${")) ? weir_view_find(text, WEIR_VIEW("}"))
                                                             : SIZE_MAX;
        if (end != SIZE_MAX) {
            weir_buf_add_view(&out, expand_name(weir_view(text.ptr + 2, end - 2)));
            text = weir_view_from(text, end + 1);
            continue;
        }
        weir_buf_add_char(&out, text.ptr[0]);
        text = weir_view_from(text, weir_view_starts(text, WEIR_VIEW("$$")) ? 2 : 1);
    }
    struct weir_view whole = weir_arena_copy(&walk->config->arena, weir_buf_view(&out));
    weir_buf_done(&out);
    return whole;
}

static int scalar_text(struct walk *walk, const struct weir_option *option,
                       const struct weir_yaml *node, struct weir_view *ret) {
    if (node->type == WEIR_YAML_LIST && option->type == WEIR_OPTION_LIST) {
        struct weir_buf out;
        weir_buf_init(&out, FILE_BYTES_MAX);
        for (uint32_t i = 0; i < node->count; i++) {
            if (i) weir_buf_add_char(&out, ',');
            weir_buf_add_view(&out, expand(walk, node->items[i]->text));
        }
        *ret = weir_arena_copy(&walk->config->arena, weir_buf_view(&out));
        weir_buf_done(&out);
        return WEIR_OK;
    }
    if (node->type == WEIR_YAML_MAP || node->type == WEIR_YAML_LIST)
        return weir_yaml_fail(node, walk->reterr, "%s must be one value, not a %s", option->yaml,
                              weir_yaml_type_name(node->type));
    *ret = expand(walk, node->text);
    return WEIR_OK;
}

static int set_option(struct walk *walk, const struct weir_option *option,
                      const struct weir_yaml *node) {
    struct weir_config_text *place = &walk->config->texts[option - weir_options];
    struct weir_view text = WEIR_VIEW("");
    int rc = node->type == WEIR_YAML_NULL ? WEIR_OK : scalar_text(walk, option, node, &text);
    if (rc != WEIR_OK || node->type == WEIR_YAML_NULL) return rc;
    struct weir_error inner;
    if (weir_options_check(option, text, &inner) != WEIR_OK)
        return weir_yaml_fail(node, walk->reterr, "%s", inner.message);
    if (place->origin < WEIR_CONFIG_FILE)
        *place = (struct weir_config_text){text, WEIR_CONFIG_FILE, node->line, node->column};
    return WEIR_OK;
}

static int check_names(struct walk *walk, const struct weir_yaml *list, const char *what,
                       const char *known) {
    if (!list) return WEIR_OK;
    if (list->type != WEIR_YAML_LIST)
        return weir_yaml_fail(list, walk->reterr, "%s must be a list of names", what);
    for (uint32_t i = 0; i < list->count; i++)
        if (!known || !weir_view_is(list->items[i]->text, known))
            return weir_yaml_fail(list->items[i], walk->reterr,
                                  "there is no %.*s '%.*s'; this version has %s",
                                  (int)strlen(what) - 1, what, WEIR_VIEW_ARG(list->items[i]->text),
                                  known ? known : "none");
    return WEIR_OK;
}

static int load_pipeline(struct walk *walk, const struct weir_yaml *pipeline, const char *name) {
    static const char *const keys[] = {"receivers", "processors", "exporters", NULL};
    char where[PATH_MAX_BYTES];
    snprintf(where, sizeof where, "service.pipelines.%s", name);
    int rc = weir_yaml_check(pipeline, where, keys, walk->reterr);
    if (rc == WEIR_OK)
        rc = check_names(walk, weir_yaml_get(pipeline, "receivers"), "receivers", "otlp");
    if (rc == WEIR_OK)
        rc = check_names(walk, weir_yaml_get(pipeline, "processors"), "processors", NULL);
    if (rc == WEIR_OK)
        rc = check_names(walk, weir_yaml_get(pipeline, "exporters"), "exporters", "weir");
    return rc;
}

static int load_pipelines(struct walk *walk, const struct weir_yaml *pipelines) {
    static const char *const names[] = {"traces", "metrics", "logs",
                                        NULL}; /* as enum weir_signal */
    int rc = weir_yaml_check(pipelines, "service.pipelines", names, walk->reterr);
    for (int i = 0; i < WEIR_SIGNALS_COUNT && rc == WEIR_OK; i++) {
        const struct weir_yaml *pipeline = weir_yaml_get(pipelines, names[i]);
        walk->config->signals[i] = pipeline != NULL;
        if (pipeline) rc = load_pipeline(walk, pipeline, names[i]);
    }
    return rc;
}

static int load_structural(struct walk *walk, const char *path, const struct weir_yaml *node) {
    if (strcmp(path, "service.pipelines") == 0) return load_pipelines(walk, node);
    return check_names(walk, node, "extensions", "weir_ui");
}

/* As in the Collector, a protocol that is not listed under otlp.protocols is off. */
static void close_unlisted(struct walk *walk, const char *path, const struct weir_yaml *map) {
    if (strcmp(path, "receivers.otlp.protocols") != 0 || map->type != WEIR_YAML_MAP) return;
    static const char *const protocols[][2] = {{"grpc", "listen-otlp-grpc"},
                                               {"http", "listen-otlp-http"}};
    for (size_t i = 0; i < 2; i++) {
        struct weir_config_text *place =
            &walk->config->texts[weir_options_get(weir_view_str(protocols[i][1])) - weir_options];
        if (!weir_yaml_get(map, protocols[i][0]) && place->origin < WEIR_CONFIG_FILE)
            *place = (struct weir_config_text){WEIR_VIEW("off"), WEIR_CONFIG_FILE, map->line,
                                               map->column};
    }
}

static int load_map(struct walk *walk, const char *path, const struct weir_yaml *map);

static int load_key(struct walk *walk, const char *path, const struct weir_yaml *key,
                    const struct weir_yaml *value) {
    char below[PATH_MAX_BYTES];
    if (snprintf(below, sizeof below, "%s%s%.*s", path, *path ? "." : "",
                 WEIR_VIEW_ARG(key->text)) >= (int)sizeof below)
        return unknown_key(walk, key, path);
    if (is_structural(below)) return load_structural(walk, below, value);
    const struct weir_option *option = option_at(below);
    if (option) return set_option(walk, option, value);
    if (!has_below(below)) return unknown_key(walk, key, path);
    return load_map(walk, below, value);
}

/* Depth is bounded by the paths of the options table. */
static int load_map(struct walk *walk, const char *path, const struct weir_yaml *map) {
    if (map->type == WEIR_YAML_NULL) return WEIR_OK;
    if (map->type != WEIR_YAML_MAP)
        return weir_yaml_fail(map, walk->reterr, "%s must be a map, not a %s",
                              *path ? path : "the file", weir_yaml_type_name(map->type));
    close_unlisted(walk, path, map);
    int rc = WEIR_OK;
    for (uint32_t i = 0; i < map->count && rc == WEIR_OK; i++)
        rc = load_key(walk, path, map->keys[i], map->items[i]);
    return rc;
}

int weir_config_file_load(struct weir_config *config, const char *path, struct weir_error *reterr) {
    struct weir_buf text;
    struct weir_error inner = {0};
    weir_buf_init(&text, FILE_BYTES_MAX);
    int rc = weir_fs_read_file(path, &text, &inner);
    if (rc != WEIR_OK) {
        weir_buf_done(&text);
        return weir_error_set(reterr, rc, "--config: %s", inner.message);
    }
    struct walk walk = {config, &inner};
    struct weir_yaml *root;
    struct weir_view kept = weir_arena_copy(&config->arena, weir_buf_view(&text));
    weir_buf_done(&text);
    rc = weir_yaml_parse(kept, &config->arena, &root, &inner);
    if (rc == WEIR_OK) rc = load_map(&walk, "", root);
    if (rc == WEIR_OK) return rc;
    return weir_error_at(reterr, rc, inner.line, inner.column, "%s:%u:%u: %s", path, inner.line,
                         inner.column, inner.message);
}
