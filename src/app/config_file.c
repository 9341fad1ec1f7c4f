/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/config_tls.h"
#include "base/fs.h"
#include "wire/yaml.h"

enum { FILE_BYTES_MAX = 1 << 20, PATH_MAX_BYTES = 256, NAMES_MAX = 64 };

/* What the walk carries: the places to fill, and the pipelines that are not single settings. */
struct walk {
    struct weir_config *config;
    struct weir_error *reterr;
};

/* Parts of the file that are lists or maps of names, not settings of the options table. */
static const char *const structural[] = {"processors", "connectors", "service.extensions",
                                         "service.pipelines", NULL};

/* The Collector's keys that have no meaning here and do no harm. */
static const char *const passed_over[] = {
    "service.telemetry.metrics.level", "service.telemetry.metrics.readers",
    "service.telemetry.traces",        "service.telemetry.resource",
    "extensions.health_check.path",    NULL};

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
    char tls[PATH_MAX_BYTES];
    snprintf(tls, sizeof tls, "%s.tls", path);
    if (weir_config_tls_door_at(tls) != WEIR_CONFIG_DOORS_COUNT && count < NAMES_MAX)
        names[count++] = "tls";
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

/* An extension that is listed is on: health_check on the Collector's port if it names no other. */
static void turn_on_health(struct walk *walk, const struct weir_yaml *name) {
    struct weir_config_text *place =
        &walk->config->texts[weir_options_get(WEIR_VIEW("listen-health")) - weir_options];
    if (place->origin < WEIR_CONFIG_FILE)
        *place = (struct weir_config_text){WEIR_VIEW("127.0.0.1:13133"), WEIR_CONFIG_FILE,
                                           name->line, name->column};
}

static int load_extensions(struct walk *walk, const struct weir_yaml *list) {
    static const char *const known[] = {"weir_ui", "health_check", "weir_rules", NULL};
    if (list->type != WEIR_YAML_LIST && list->type != WEIR_YAML_NULL)
        return weir_yaml_fail(list, walk->reterr, "extensions must be a list of names");
    for (uint32_t i = 0; i < list->count; i++) {
        struct weir_view name = list->items[i]->text;
        if (weir_view_is(name, "health_check")) turn_on_health(walk, list->items[i]);
        if (weir_view_is(name, known[0]) || weir_view_is(name, known[1]) ||
            weir_view_is(name, known[2]))
            continue;
        const char *nearest = weir_view_nearest(name, known);
        return weir_yaml_fail(list->items[i], walk->reterr,
                              "there is no extension '%.*s'%s%s%s; this version has weir_ui, "
                              "weir_rules and health_check",
                              WEIR_VIEW_ARG(name), nearest ? ", did you mean '" : "",
                              nearest ? nearest : "", nearest ? "'?" : "");
    }
    return WEIR_OK;
}

/* Which signals have a pipeline; what is in it is the graph's to check. */
static void note_signals(struct weir_config *config, const struct weir_yaml *pipelines) {
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++) {
        config->signals[i] = false;
        for (uint32_t p = 0; p < pipelines->count; p++) {
            struct weir_view id = pipelines->keys[p]->text;
            config->signals[i] |=
                weir_view_is(weir_view_cut(&id, '/'), weir_signal_name((enum weir_signal)i));
        }
    }
}

/* ${env:…} in every value below; what comes out is read anew, so that a number is a number. */
static void expand_below(struct walk *walk, struct weir_yaml *node) {
    for (uint32_t i = 0; i < node->count; i++) expand_below(walk, node->items[i]);
    if (node->type != WEIR_YAML_STRING || weir_view_find(node->text, WEIR_VIEW("$")) == SIZE_MAX)
        return;
    struct weir_yaml *again;
    bool names = weir_view_find(node->text, WEIR_VIEW("${")) != SIZE_MAX;
    node->text = expand(walk, node->text);
    if (!names || weir_yaml_parse(node->text, &walk->config->arena, &again, NULL) != WEIR_OK ||
        again->type == WEIR_YAML_LIST || again->type == WEIR_YAML_MAP)
        return;
    again->line = node->line;
    again->column = node->column;
    *node = *again;
}

static int load_structural(struct walk *walk, const char *path, struct weir_yaml *node) {
    struct weir_graph_options *graph = &walk->config->graph;
    if (strcmp(path, "service.extensions") == 0) return load_extensions(walk, node);
    expand_below(walk, node);
    if (strcmp(path, "processors") == 0) graph->processors = node;
    if (strcmp(path, "connectors") == 0) graph->connectors = node;
    if (strcmp(path, "service.pipelines") == 0) {
        graph->pipelines = node;
        note_signals(walk->config, node);
    }
    return WEIR_OK;
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

static int load_map(struct walk *walk, const char *path, struct weir_yaml *map);

static int load_key(struct walk *walk, const char *path, const struct weir_yaml *key,
                    struct weir_yaml *value) {
    char below[PATH_MAX_BYTES];
    if (snprintf(below, sizeof below, "%s%s%.*s", path, *path ? "." : "",
                 WEIR_VIEW_ARG(key->text)) >= (int)sizeof below)
        return unknown_key(walk, key, path);
    if (is_structural(below)) return load_structural(walk, below, value);
    enum weir_config_door door = weir_config_tls_door_at(below);
    if (door != WEIR_CONFIG_DOORS_COUNT) {
        expand_below(walk, value);
        return weir_config_tls_load(walk->config, door, value, walk->reterr);
    }
    if (strcmp(path, "exporters") == 0 && weir_component_type_of(WEIR_EXPORTER, key->text)) {
        expand_below(walk, value);
        return WEIR_OK;
    }
    for (size_t i = 0; passed_over[i]; i++)
        if (strcmp(passed_over[i], below) == 0) return WEIR_OK;
    const struct weir_option *option = option_at(below);
    if (option) return set_option(walk, option, value);
    if (!has_below(below)) return unknown_key(walk, key, path);
    return load_map(walk, below, value);
}

/* Depth is bounded by the paths of the options table. */
static int load_map(struct walk *walk, const char *path, struct weir_yaml *map) {
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

static void refuse(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                   void *arg) {
    (void)sink;
    weir_component_answer(batch, done, arg, WEIR_EUNAVAILABLE, "");
}

/* Opens the pipelines once, in front of no store, to hear what is wrong with them. */
static int check_graph(struct weir_config *config, const struct weir_yaml *root,
                       struct weir_error *reterr) {
    static const char *const receivers[] = {"otlp", NULL};
    struct weir_sink nowhere = {refuse};
    struct weir_graph *graph = NULL;
    config->graph.exporters = weir_yaml_get(root, "exporters");
    config->graph.receivers = receivers;
    struct weir_graph_options options = config->graph;
    options.store = &nowhere;
    int rc = weir_graph_open(&options, &graph, reterr);
    weir_graph_close(graph);
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
    if (rc == WEIR_OK) rc = check_graph(config, root, &inner);
    if (rc == WEIR_OK) return rc;
    return weir_error_at(reterr, rc, inner.line, inner.column, "%s:%u:%u: %s", path, inner.line,
                         inner.column, inner.message);
}
