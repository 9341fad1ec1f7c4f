/* SPDX-License-Identifier: Apache-2.0 */
/* Completion: the names of tags and their values, as v1 (flat) and v2 (by scope, with types). */
#include <stdlib.h>

#include "api/tempo.h"
#include "base/clock.h"
#include "base/map.h"
#include "traceql/functions.h"
#include "traceql/parse.h"

enum { VALUES_MAX = 5000 };

struct ask {
    const struct weir_api *api;
    struct weir_http_request *req;
    struct weir_query query;
    struct weir_map
        found[2]; /* names: span, resource; values: the first one, value type as number */
    int64_t start_ns, end_ns;
};

static int begin(struct ask *ask, const struct weir_api *api, struct weir_http_request *req,
                 struct weir_error *reterr) {
    *ask = (struct ask){.api = api, .req = req};
    weir_api_query_init(api, req, &ask->query);
    weir_map_init(&ask->found[0]);
    weir_map_init(&ask->found[1]);
    int rc = weir_api_param_time_ns(req, "start", 0, &ask->start_ns, reterr);
    return rc == 0 ? weir_api_param_time_ns(req, "end", INT64_MAX, &ask->end_ns, reterr) : rc;
}

static void end(struct ask *ask) {
    weir_map_done(&ask->found[0]);
    weir_map_done(&ask->found[1]);
    weir_query_done(&ask->query);
}

static int by_key(const void *a, const void *b) {
    const struct weir_map_entry *x = a, *y = b;
    return weir_view_cmp(x->key, y->key);
}

static void sort(struct weir_map *map) {
    if (map->count) qsort(map->entries, map->count, sizeof *map->entries, by_key);
}

static bool add(struct ask *ask, struct weir_map *map, struct weir_view text, uint64_t type) {
    bool is_new;
    if (map->count >= VALUES_MAX) return false;
    return weir_map_get(map, text) ||
           weir_map_put(map, weir_arena_copy(&ask->query.arena, text), type, &is_new);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool visit_name(void *arg, struct weir_view name, enum weir_column_id scope,
                       enum weir_value_type type) {
    struct ask *ask = arg;
    (void)type;
    return add(ask, &ask->found[scope == WEIR_COLUMN_RESOURCE_ATTR], name, 0);
}

static void add_keys(struct weir_json_writer *w, struct weir_map *map) {
    sort(map);
    for (uint32_t i = 0; i < map->count; i++) weir_json_add_str(w, map->entries[i].key);
}

static void add_scope(struct weir_json_writer *w, struct weir_view wanted, const char *name,
                      struct weir_map *map) {
    const struct weir_traceql_intrinsic_info *info;
    if (wanted.len && !weir_view_is(wanted, "none") && !weir_view_is(wanted, name)) return;
    weir_json_begin_object(w);
    weir_json_key(w, "name");
    weir_json_add_cstr(w, name);
    weir_json_key(w, "tags");
    weir_json_begin_array(w);
    if (map) add_keys(w, map);
    for (size_t i = 0; !map && weir_traceql_intrinsic_at(i, &info); i++)
        weir_json_add_cstr(w, info->name);
    weir_json_end_array(w);
    weir_json_end_object(w);
}

static void add_names(struct ask *ask, bool v2, struct weir_buf *out) {
    struct weir_json_writer w = weir_json_writer(out);
    struct weir_view scope = weir_http_param(ask->req, "scope");
    weir_json_begin_object(&w);
    weir_json_key(&w, v2 ? "scopes" : "tagNames");
    weir_json_begin_array(&w);
    if (v2) {
        add_scope(&w, scope, "span", &ask->found[0]);
        add_scope(&w, scope, "resource", &ask->found[1]);
        add_scope(&w, scope, "intrinsic", NULL);
    } else {
        for (uint32_t i = 0; i < ask->found[1].count; i++)
            add(ask, &ask->found[0], ask->found[1].entries[i].key, 0);
        add_keys(&w, &ask->found[0]);
    }
    weir_json_end_array(&w);
    weir_json_key(&w, "metrics");
    weir_json_add_raw(&w, WEIR_VIEW("{}"));
    weir_json_end_object(&w);
}

static void names(const struct weir_api *api, struct weir_http_request *req, bool v2) {
    struct ask ask;
    struct weir_error err = {0};
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    int rc = begin(&ask, api, req, &err);
    if (rc == 0)
        rc = api->source->names(api->source, &ask.query, WEIR_TABLE_SPANS, ask.start_ns, ask.end_ns,
                                visit_name, &ask, &err);
    if (rc == 0) {
        add_names(&ask, v2, &out);
        weir_api_reply_json(req, &out);
    } else {
        weir_tempo_reply_error(req, &err);
    }
    weir_buf_done(&out);
    end(&ask);
}

void weir_tempo_tags(void *ctx, struct weir_http_request *req) {
    names(ctx, req, false);
}

void weir_tempo_tags_v2(void *ctx, struct weir_http_request *req) {
    names(ctx, req, true);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool visit_value(void *arg, struct weir_value value) {
    struct ask *ask = arg;
    struct weir_arena *arena = &ask->query.arena;
    struct weir_view text;
    switch (value.type) {
    case WEIR_VALUE_STRING: text = value.str; break;
    case WEIR_VALUE_INT: text = weir_arena_printf(arena, "%lld", (long long)value.i64); break;
    case WEIR_VALUE_DOUBLE: text = weir_arena_printf(arena, "%.15g", value.f64); break;
    case WEIR_VALUE_BOOL: text = value.boolean ? WEIR_VIEW("true") : WEIR_VIEW("false"); break;
    case WEIR_VALUE_NONE:
    case WEIR_VALUE_BYTES:
    case WEIR_VALUE_ARRAY:
    case WEIR_VALUE_MAP: return true;
    }
    return !text.len || add(ask, &ask->found[0], text, value.type);
}

static int column_values(struct ask *ask, enum weir_column_id id, struct weir_view key,
                         struct weir_error *reterr) {
    struct weir_column column = {id, key};
    return ask->api->source->values(ask->api->source, &ask->query, WEIR_TABLE_SPANS, column,
                                    ask->start_ns, ask->end_ns, visit_value, ask, reterr);
}

static int attribute_values(struct ask *ask, const struct weir_traceql_field *field,
                            struct weir_error *reterr) {
    struct weir_traceql_aliases aliases = weir_traceql_aliases_of(field->name);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < aliases.count; i++) {
        if (field->scope != WEIR_TRACEQL_SCOPE_RESOURCE)
            rc = column_values(ask, WEIR_COLUMN_ATTR, aliases.names[i], reterr);
        if (rc == 0 && field->scope != WEIR_TRACEQL_SCOPE_SPAN)
            rc = column_values(ask, WEIR_COLUMN_RESOURCE_ATTR, aliases.names[i], reterr);
    }
    return rc;
}

static int field_values(struct ask *ask, const struct weir_traceql_field *field,
                        struct weir_error *reterr) {
    struct weir_view none = weir_view("", 0);
    switch ((int)field->intrinsic) {
    case WEIR_TRACEQL_INTRINSIC_NONE: return attribute_values(ask, field, reterr);
    case WEIR_TRACEQL_NAME:
    case WEIR_TRACEQL_ROOT_NAME: return column_values(ask, WEIR_COLUMN_NAME, none, reterr);
    case WEIR_TRACEQL_ROOT_SERVICE:
        return column_values(ask, WEIR_COLUMN_RESOURCE_ATTR, WEIR_VIEW("service.name"), reterr);
    case WEIR_TRACEQL_STATUS_MESSAGE:
        return column_values(ask, WEIR_COLUMN_STATUS_MESSAGE, none, reterr);
    case WEIR_TRACEQL_SCOPE_NAME: return column_values(ask, WEIR_COLUMN_SCOPE_NAME, none, reterr);
    case WEIR_TRACEQL_SCOPE_VERSION:
        return column_values(ask, WEIR_COLUMN_SCOPE_VERSION, none, reterr);
    case WEIR_TRACEQL_STATUS:
        for (int64_t i = 0; i < 3; i++)
            add(ask, &ask->found[0], weir_view_str(weir_traceql_status_name(i)), UINT64_MAX);
        return 0;
    case WEIR_TRACEQL_KIND:
        for (int64_t i = 0; i < 6; i++)
            add(ask, &ask->found[0], weir_view_str(weir_traceql_kind_name(i)), UINT64_MAX);
        return 0;
    default: return 0; /* numbers and ids: nothing to choose from */
    }
}

/* The name may come percent-encoded a second time. */
static struct weir_view decode(struct weir_view text, struct weir_arena *arena) {
    char *out = weir_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    uint8_t byte;
    if (!out) return text;
    for (size_t i = 0; i < text.len; i++) {
        bool is_code = text.ptr[i] == '%' && i + 2 < text.len &&
                       weir_view_to_bytes_hex(weir_view(text.ptr + i + 1, 2), &byte, 1);
        out[len++] = is_code ? (char)byte : text.ptr[i];
        if (is_code) i += 2;
    }
    return weir_view(out, len);
}

static const char *type_name(uint64_t type) {
    switch (type) {
    case WEIR_VALUE_INT: return "int";
    case WEIR_VALUE_DOUBLE: return "float";
    case WEIR_VALUE_BOOL: return "bool";
    case UINT64_MAX: return "keyword";
    default: return "string";
    }
}

static void add_values(struct ask *ask, bool v2, struct weir_buf *out) {
    struct weir_json_writer w = weir_json_writer(out);
    sort(&ask->found[0]);
    weir_json_begin_object(&w);
    weir_json_key(&w, "tagValues");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < ask->found[0].count; i++) {
        const struct weir_map_entry *entry = &ask->found[0].entries[i];
        if (v2) {
            weir_json_begin_object(&w);
            weir_json_key(&w, "type");
            weir_json_add_cstr(&w, type_name(entry->value));
            weir_json_key(&w, "value");
        }
        weir_json_add_str(&w, entry->key);
        if (v2) weir_json_end_object(&w);
    }
    weir_json_end_array(&w);
    weir_json_key(&w, "metrics");
    weir_json_add_raw(&w, WEIR_VIEW("{}"));
    weir_json_end_object(&w);
}

static int find_values(struct ask *ask, bool v2, struct weir_error *reterr) {
    struct weir_view name = decode(weir_http_path_param(ask->req, "name"), &ask->query.arena);
    struct weir_traceql_field field = {.scope = WEIR_TRACEQL_SCOPE_ANY, .name = name};
    const struct weir_traceql_intrinsic_info *info = weir_traceql_intrinsic_find(name);
    if (info)
        field.intrinsic = info->intrinsic;
    else if (v2 && weir_traceql_parse_field(name, &ask->query.arena, &field, NULL) != 0)
        field = (struct weir_traceql_field){.scope = WEIR_TRACEQL_SCOPE_ANY, .name = name};
    return field_values(ask, &field, reterr);
}

static void values(const struct weir_api *api, struct weir_http_request *req, bool v2) {
    struct ask ask;
    struct weir_error err = {0};
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    int rc = begin(&ask, api, req, &err);
    if (rc == 0) rc = find_values(&ask, v2, &err);
    if (rc == 0) {
        add_values(&ask, v2, &out);
        weir_api_reply_json(req, &out);
    } else {
        weir_tempo_reply_error(req, &err);
    }
    weir_buf_done(&out);
    end(&ask);
}

void weir_tempo_values(void *ctx, struct weir_http_request *req) {
    values(ctx, req, false);
}

void weir_tempo_values_v2(void *ctx, struct weir_http_request *req) {
    values(ctx, req, true);
}
