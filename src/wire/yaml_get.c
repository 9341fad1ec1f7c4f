/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml.h"

const struct weir_yaml *weir_yaml_get(const struct weir_yaml *map, const char *key) {
    if (!map || map->type != WEIR_YAML_MAP) return NULL;
    for (uint32_t i = 0; i < map->count; i++)
        if (weir_view_is(map->keys[i]->text, key)) return map->items[i];
    return NULL;
}

const char *weir_yaml_type_name(enum weir_yaml_type type) {
    static const char *const names[] = {"null",     "true or false", "an integer", "a number",
                                        "a string", "a list",        "a map"};
    return names[type];
}

int weir_yaml_fail(const struct weir_yaml *node, struct weir_error *reterr, const char *format,
                   ...) {
    va_list args;
    va_start(args, format);
    weir_error_setv(reterr, WEIR_EINVALID, format, args);
    va_end(args);
    if (reterr) reterr->line = node->line, reterr->column = node->column;
    return WEIR_EINVALID;
}

static bool is_known(struct weir_view key, const char *const *known) {
    for (; *known; known++)
        if (weir_view_is(key, *known)) return true;
    return false;
}

int weir_yaml_check(const struct weir_yaml *map, const char *where, const char *const *known,
                    struct weir_error *reterr) {
    if (!map || map->type == WEIR_YAML_NULL) return WEIR_OK;
    if (map->type != WEIR_YAML_MAP)
        return weir_yaml_fail(map, reterr, "%s must be a map, not %s", where,
                              weir_yaml_type_name(map->type));
    for (uint32_t i = 0; i < map->count; i++) {
        struct weir_view key = map->keys[i]->text;
        if (is_known(key, known)) continue;
        const char *nearest = weir_view_nearest(key, known);
        return weir_yaml_fail(map->keys[i], reterr, "%s has no key \"%.*s\"%s%s%s", where,
                              WEIR_VIEW_ARG(weir_view_upto(key, 100)),
                              nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                              nearest ? "\"?" : "");
    }
    return WEIR_OK;
}

static int wrong_type(const struct weir_yaml *node, const char *key, const char *wanted,
                      struct weir_error *reterr) {
    return weir_yaml_fail(node, reterr, "%s must be %s, not %s", key, wanted,
                          weir_yaml_type_name(node->type));
}

int weir_yaml_get_str(const struct weir_yaml *map, const char *key, struct weir_view *ret,
                      struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return WEIR_OK;
    if (node->type == WEIR_YAML_NULL || node->type >= WEIR_YAML_LIST)
        return wrong_type(node, key, "a string", reterr);
    *ret = node->text;
    return WEIR_OK;
}

int weir_yaml_get_bool(const struct weir_yaml *map, const char *key, bool *ret,
                       struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return WEIR_OK;
    if (node->type != WEIR_YAML_BOOL) return wrong_type(node, key, "true or false", reterr);
    *ret = node->boolean;
    return WEIR_OK;
}

int weir_yaml_get_i64(const struct weir_yaml *map, const char *key, int64_t min, int64_t max,
                      int64_t *ret, struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return WEIR_OK;
    if (node->type != WEIR_YAML_INT) return wrong_type(node, key, "an integer", reterr);
    if (node->i64 < min || node->i64 > max)
        return weir_yaml_fail(node, reterr, "%s must be %lld … %lld", key, (long long)min,
                              (long long)max);
    *ret = node->i64;
    return WEIR_OK;
}

int weir_yaml_get_f64(const struct weir_yaml *map, const char *key, double *ret,
                      struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return WEIR_OK;
    if (node->type != WEIR_YAML_INT && node->type != WEIR_YAML_DOUBLE)
        return wrong_type(node, key, "a number", reterr);
    *ret = node->f64;
    return WEIR_OK;
}

int weir_yaml_get_duration_ns(const struct weir_yaml *map, const char *key, int64_t *ret,
                              struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return WEIR_OK;
    bool zero = node->type == WEIR_YAML_INT && node->i64 == 0;
    if (zero || (node->type == WEIR_YAML_STRING && weir_view_to_duration_ns(node->text, ret))) {
        if (zero) *ret = 0;
        return WEIR_OK;
    }
    return weir_yaml_fail(node, reterr, "%s must be a duration such as 250ms, 5s, 1h30m or 7d",
                          key);
}

bool weir_yaml_size_parse(struct weir_view text, uint64_t *ret) {
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1},         {"B", 1},        {"KB", 1e3},     {"MB", 1e6},    {"GB", 1e9},
                 {"TB", 1e12},    {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},  {"T", 0x1p40},
                 {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
    text = weir_view_trim(text);
    size_t digits = 0;
    while (digits < text.len &&
           ((text.ptr[digits] >= '0' && text.ptr[digits] <= '9') || text.ptr[digits] == '.'))
        digits++;
    struct weir_view unit = weir_view_trim(weir_view_from(text, digits));
    double number;
    if (!weir_view_to_f64(weir_view_upto(text, digits), &number)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!weir_view_eq_nocase(unit, weir_view_str(units[i].name))) continue;
        double bytes = number * units[i].bytes;
        if (!(bytes < 0x1p63)) return false;
        *ret = (uint64_t)bytes;
        return true;
    }
    return false;
}

int weir_yaml_get_size(const struct weir_yaml *map, const char *key, uint64_t *ret,
                       struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return WEIR_OK;
    bool scalar = node->type == WEIR_YAML_INT || node->type == WEIR_YAML_STRING;
    if (scalar && weir_yaml_size_parse(node->text, ret)) return WEIR_OK;
    return weir_yaml_fail(node, reterr, "%s must be a size such as 512MiB, 4GB or 1048576", key);
}
