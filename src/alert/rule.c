/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/rule.h"

#include "alert/template.h"
#include "base/fs.h"
#include "wire/yaml.h"

enum { FILE_SIZE_MAX = 4 << 20 };

struct load {
    struct weir_alert_rules *rules;
    struct weir_arena *arena;
    const char *path;
    int64_t interval_ns;
};

static bool is_name(struct weir_view name, bool colons) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], lower = (char)(c | 32);
        bool first = (lower >= 'a' && lower <= 'z') || c == '_' || (colons && c == ':');
        if (!first && (i == 0 || c < '0' || c > '9')) return false;
    }
    return name.len > 0;
}

static int load_pairs(struct load *load, const struct weir_yaml *map, bool templates,
                      struct weir_alert_pair **ret, uint32_t *ret_count,
                      struct weir_error *reterr) {
    if (!map || map->type == WEIR_YAML_NULL) return WEIR_OK;
    if (map->type != WEIR_YAML_MAP) return weir_yaml_fail(map, reterr, "this must be a map");
    *ret = WEIR_NEW_ARRAY(load->arena, struct weir_alert_pair, map->count + 1);
    if (!*ret) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    for (uint32_t i = 0; i < map->count; i++) {
        struct weir_alert_pair *pair = &(*ret)[(*ret_count)++];
        struct weir_error inner;
        pair->name = map->keys[i]->text;
        pair->text = map->items[i]->text;
        if (!is_name(pair->name, false))
            return weir_yaml_fail(map->keys[i], reterr, "'%.*s' is no label name",
                                  WEIR_VIEW_ARG(pair->name));
        if (templates && weir_alert_template_check(pair->text, &inner) != WEIR_OK)
            return weir_yaml_fail(map->items[i], reterr, "%s", inner.message);
    }
    return WEIR_OK;
}

static int load_rule(struct load *load, const struct weir_yaml *node, struct weir_alert_rule *rule,
                     struct weir_error *reterr) {
    static const char *const keys[] = {"record",          "alert",  "expr",        "for",
                                       "keep_firing_for", "labels", "annotations", NULL};
    struct weir_promql_expr *expr;
    struct weir_error inner;
    int rc = weir_yaml_check(node, "a rule", keys, reterr);
    const struct weir_yaml *record = weir_yaml_get(node, "record"),
                           *alert = weir_yaml_get(node, "alert"),
                           *query = weir_yaml_get(node, "expr");
    if (rc) return rc;
    if (!record == !alert)
        return weir_yaml_fail(node, reterr, "a rule has either 'record' or 'alert'");
    rule->is_alert = alert != NULL;
    const struct weir_yaml *name = alert ? alert : record;
    rule->name = name->text;
    if (!rule->name.len || (!rule->is_alert && !is_name(rule->name, true)))
        return weir_yaml_fail(name, reterr, "'%.*s' is no metric name", WEIR_VIEW_ARG(rule->name));
    if (!query || !query->text.len) return weir_yaml_fail(node, reterr, "a rule needs an expr");
    rule->query = query->text;
    if (weir_promql_parse(load->arena, rule->query, &expr, &inner) != WEIR_OK)
        return weir_yaml_fail(query, reterr, "%u:%u of the expr: %s", inner.line, inner.column,
                              inner.message);
    rule->expr = expr;
    rc = weir_yaml_get_duration_ns(node, "for", &rule->for_ns, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(node, "keep_firing_for", &rule->keep_ns, reterr);
    if (!rc)
        rc = load_pairs(load, weir_yaml_get(node, "labels"), rule->is_alert, &rule->labels,
                        &rule->labels_count, reterr);
    if (!rc)
        rc = load_pairs(load, weir_yaml_get(node, "annotations"), true, &rule->annotations,
                        &rule->annotations_count, reterr);
    if (!rc && !rule->is_alert && (rule->for_ns || rule->keep_ns || rule->annotations_count))
        rc = weir_yaml_fail(node, reterr, "only alerts have for, keep_firing_for and annotations");
    return rc;
}

static int load_group(struct load *load, const struct weir_yaml *node, struct weir_error *reterr) {
    static const char *const keys[] = {"name",   "interval",     "rules", "limit",
                                       "labels", "query_offset", NULL};
    struct weir_alert_rules *rules = load->rules;
    int rc = weir_yaml_check(node, "a group", keys, reterr);
    if (rc) return rc;
    struct weir_alert_group *group =
        WEIR_PUSH(load->arena, rules->groups, rules->groups_count, rules->groups_room);
    if (!group) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    *group = (struct weir_alert_group){.file = load->path, .interval_ns = load->interval_ns};
    rc = weir_yaml_get_str(node, "name", &group->name, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(node, "interval", &group->interval_ns, reterr);
    if (rc) return rc;
    if (!group->name.len) return weir_yaml_fail(node, reterr, "a group needs a name");
    if (group->interval_ns <= 0) return weir_yaml_fail(node, reterr, "interval must be over 0");
    for (uint32_t i = 0; i + 1 < rules->groups_count; i++)
        if (strcmp(rules->groups[i].file, load->path) == 0 &&
            weir_view_eq(rules->groups[i].name, group->name))
            return weir_yaml_fail(node, reterr, "there is a group '%.*s' above",
                                  WEIR_VIEW_ARG(group->name));
    const struct weir_yaml *list = weir_yaml_get(node, "rules");
    if (!list || list->type == WEIR_YAML_NULL) return WEIR_OK;
    if (list->type != WEIR_YAML_LIST) return weir_yaml_fail(list, reterr, "rules must be a list");
    group->rules = WEIR_NEW_ARRAY(load->arena, struct weir_alert_rule, list->count + 1);
    if (!group->rules) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    for (; !rc && group->rules_count < list->count; group->rules_count++) {
        struct weir_alert_rule *rule = &group->rules[group->rules_count];
        rule->index = rules->rules_count++;
        rc = load_rule(load, list->items[group->rules_count], rule, reterr);
    }
    return rc;
}

static int load_root(struct load *load, const struct weir_yaml *root, struct weir_error *reterr) {
    static const char *const keys[] = {"groups", NULL};
    const struct weir_yaml *list = weir_yaml_get(root, "groups");
    int rc = weir_yaml_check(root, "a rule file", keys, reterr);
    if (!rc && list && list->type != WEIR_YAML_LIST && list->type != WEIR_YAML_NULL)
        rc = weir_yaml_fail(list, reterr, "groups must be a list");
    for (uint32_t i = 0; !rc && list && i < list->count; i++)
        rc = load_group(load, list->items[i], reterr);
    return rc;
}

int weir_alert_rules_load(struct weir_alert_rules *rules, const char *path, int64_t interval_ns,
                          struct weir_arena *arena, struct weir_error *reterr) {
    struct load load = {rules, arena, weir_arena_strdup(arena, weir_view_str(path)), interval_ns};
    struct weir_error inner = {.code = 0};
    struct weir_yaml *root;
    struct weir_buf text;
    weir_buf_init(&text, FILE_SIZE_MAX);
    int rc = weir_fs_read_file(path, &text, reterr);
    struct weir_view kept = rc ? WEIR_VIEW("") : weir_arena_copy(arena, weir_buf_view(&text));
    weir_buf_done(&text);
    if (rc) return rc;
    if (!load.path || !kept.ptr) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    rc = weir_yaml_parse(kept, arena, &root, &inner);
    if (!rc) rc = load_root(&load, root, &inner);
    return rc ? weir_error_at(reterr, rc, inner.line, inner.column, "%s:%u:%u: %s", path,
                              inner.line, inner.column, inner.message)
              : WEIR_OK;
}
