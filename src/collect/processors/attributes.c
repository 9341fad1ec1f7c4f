/* SPDX-License-Identifier: Apache-2.0 */
/* The processors `attributes` and `resource`: attributes of records, or of resources, inserted,
 * updated, deleted or converted.
 *
 *     attributes: {actions: [{key: environment, action: insert, value: dev},
 *                            {key: user, from_attribute: user.name, action: upsert},
 *                            {key: password, action: delete}]}
 *     resource:   {attributes: [{key: deployment.environment, value: dev, action: insert}]}
 *
 * Source: opentelemetry-collector-contrib, attributesprocessor and resourceprocessor.
 */
#include <math.h>
#include <stdlib.h>

#include "collect/types.h"
#include "otlp/edit.h"
#include "otlp/value.h"

enum verb { INSERT, UPDATE, UPSERT, DELETE, CONVERT };
static const char *const verbs[] = {"insert", "update", "upsert", "delete", "convert", NULL};
static const char *const kinds[] = {"string", "int", "double", NULL};

enum { SCRATCH_SIZE_MAX = 64 << 20 };

struct action {
    enum verb verb;
    struct weir_view key, from; /* from: attribute whose value is taken; empty: `value` */
    struct weir_value value;
    enum weir_value_type kind; /* convert: into this */
};

struct attributes {
    struct weir_component component;
    bool on_resource;
    struct action *actions;
    uint32_t count;
};

/* What one batch's edit works with. */
struct work {
    const struct attributes *self;
    struct weir_arena scratch;
    struct weir_attr *items;
    uint32_t count, room;
};

/* ---- actions --------------------------------------------------------------------------------- */

static struct weir_attr *find(struct work *work, struct weir_view key) {
    for (uint32_t i = 0; i < work->count; i++)
        if (weir_view_eq(work->items[i].key, key)) return &work->items[i];
    return NULL;
}

static bool set(struct work *work, const struct action *action, struct weir_value value) {
    struct weir_attr *there = find(work, action->key);
    if (there ? action->verb == INSERT : action->verb == UPDATE) return false;
    if (!there) there = WEIR_PUSH(&work->scratch, work->items, work->count, work->room);
    if (!there) return false;
    *there = (struct weir_attr){action->key, value};
    return true;
}

static bool convert(struct work *work, struct weir_attr *attr, enum weir_value_type kind) {
    if (attr->value.type == kind) return false;
    struct weir_view text = weir_value_text(&work->scratch, attr->value);
    struct weir_value to = {.type = kind};
    double f64 = 0;
    bool fits = true;
    if (kind == WEIR_VALUE_STRING)
        to.str = text;
    else if (kind == WEIR_VALUE_DOUBLE)
        fits = weir_view_to_f64(text, &to.f64);
    else if (!weir_view_to_i64(text, &to.i64) &&
             (fits = weir_view_to_f64(text, &f64) && fabs(f64) < 9e18))
        to.i64 = (int64_t)f64;
    if (fits) attr->value = to;
    return fits;
}

static bool apply(struct work *work, const struct action *action) {
    struct weir_attr *there = find(work, action->key);
    if (action->verb == CONVERT) return there && convert(work, there, action->kind);
    if (action->verb == DELETE) {
        if (!there) return false;
        uint32_t at = (uint32_t)(there - work->items);
        memmove(there, there + 1, (--work->count - at) * sizeof *there);
        return true;
    }
    if (!action->from.len) return set(work, action, action->value);
    const struct weir_attr *from = find(work, action->from);
    return from && set(work, action, from->value);
}

static bool edit_attrs(struct work *work, struct weir_attrs *attrs) {
    const struct attributes *self = work->self;
    work->room = attrs->count + self->count;
    work->items = WEIR_NEW_ARRAY(&work->scratch, struct weir_attr, work->room);
    if (!work->items) return false;
    if (attrs->count) memcpy(work->items, attrs->items, attrs->count * sizeof *attrs->items);
    work->count = attrs->count;
    bool changed = false;
    for (uint32_t i = 0; i < self->count; i++) changed |= apply(work, &self->actions[i]);
    *attrs = (struct weir_attrs){work->items, work->count};
    return changed;
}

static bool edit_record(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                        struct weir_attrs *attrs) {
    (void)batch, (void)index;
    struct work *work = arg;
    weir_arena_reset(&work->scratch); /* the record before is written */
    return edit_attrs(work, attrs);
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    const struct attributes *self = (const struct attributes *)sink;
    struct work work = {.self = self};
    struct weir_otlp_batch *edited = NULL;
    struct weir_error err = {.code = 0};
    struct weir_otlp_edit edit = {.arg = &work};
    if (self->on_resource)
        edit.resource = edit_record;
    else
        edit.record = edit_record;
    weir_arena_init(&work.scratch, SCRATCH_SIZE_MAX);
    int rc = weir_otlp_edit(batch, &edit, &edited, &err);
    if (!rc && work.scratch.failed) {
        weir_otlp_batch_unref(edited);
        edited = NULL;
        rc = weir_error_set(&err, WEIR_ENOMEMORY, "%s: out of memory", self->component.id);
    }
    weir_arena_done(&work.scratch);
    weir_component_pass(&self->component, batch, rc, edited, &err, done, arg);
}

/* ---- configuration --------------------------------------------------------------------------- */

static int read_choice(const struct weir_yaml *map, const char *key, const char *const *names,
                       int *ret, struct weir_error *reterr) {
    const struct weir_yaml *node = weir_yaml_get(map, key);
    if (!node) return weir_yaml_fail(map, reterr, "an action needs '%s'", key);
    for (*ret = 0; names[*ret]; ++*ret)
        if (weir_view_is(node->text, names[*ret])) return WEIR_OK;
    const char *nearest = weir_view_nearest(node->text, names);
    return weir_yaml_fail(node, reterr, "%s cannot be '%.*s'%s%s%s", key, WEIR_VIEW_ARG(node->text),
                          nearest ? ", did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?" : "");
}

static int read_value(const struct weir_yaml *node, struct weir_value *ret,
                      struct weir_error *reterr) {
    switch (node->type) {
    case WEIR_YAML_BOOL: *ret = weir_value_bool(node->boolean); return WEIR_OK;
    case WEIR_YAML_INT: *ret = weir_value_i64(node->i64); return WEIR_OK;
    case WEIR_YAML_DOUBLE: *ret = weir_value_f64(node->f64); return WEIR_OK;
    case WEIR_YAML_STRING: *ret = weir_value_str(node->text); return WEIR_OK;
    case WEIR_YAML_NULL:
    case WEIR_YAML_LIST:
    case WEIR_YAML_MAP: break;
    }
    return weir_yaml_fail(node, reterr, "value must be a string, a number or a boolean");
}

static int read_action(const struct weir_yaml *map, struct action *ret, struct weir_error *reterr) {
    static const char *const keys[] = {"key", "action", "value", "from_attribute", "converted_type",
                                       NULL};
    int choice = 0, rc = weir_yaml_check(map, "an action", keys, reterr);
    if (!rc) rc = read_choice(map, "action", verbs, &choice, reterr);
    if (rc) return rc;
    ret->verb = (enum verb)choice;
    if ((rc = weir_yaml_get_str(map, "key", &ret->key, reterr))) return rc;
    if (!ret->key.len) return weir_yaml_fail(map, reterr, "an action needs a key");
    const struct weir_yaml *value = weir_yaml_get(map, "value");
    if ((rc = weir_yaml_get_str(map, "from_attribute", &ret->from, reterr))) return rc;
    if (value && (rc = read_value(value, &ret->value, reterr))) return rc;
    if (ret->verb <= UPSERT && !value == !ret->from.len)
        return weir_yaml_fail(map, reterr, "%s needs either value or from_attribute",
                              verbs[ret->verb]);
    if (ret->verb != CONVERT) return WEIR_OK;
    if ((rc = read_choice(map, "converted_type", kinds, &choice, reterr))) return rc;
    ret->kind = choice == 0 ? WEIR_VALUE_STRING : choice == 1 ? WEIR_VALUE_INT : WEIR_VALUE_DOUBLE;
    return WEIR_OK;
}

static void close_attributes(struct weir_component *component) {
    struct attributes *self = (struct attributes *)component;
    free(self->actions);
    free(self);
}

static int open_attributes(const struct weir_yaml *config, const char *list_name, const char *id,
                           bool on_resource, struct weir_component **ret,
                           struct weir_error *reterr) {
    const char *const keys[] = {list_name, NULL};
    int rc = weir_yaml_check(config, id, keys, reterr);
    const struct weir_yaml *list = weir_yaml_get(config, list_name);
    if (rc) return rc;
    if (!list || list->type != WEIR_YAML_LIST || !list->count)
        return list || config
                   ? weir_yaml_fail(list ? list : config, reterr, "%s needs a list of %s", id,
                                    list_name)
                   : weir_error_set(reterr, WEIR_EINVALID, "%s needs a list of %s", id, list_name);
    struct attributes *self = calloc(1, sizeof *self);
    if (self) self->actions = calloc(list->count, sizeof *self->actions);
    if (!self || !self->actions) {
        free(self);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    self->component.sink.push = push;
    self->on_resource = on_resource;
    for (; !rc && self->count < list->count; self->count++)
        rc = read_action(list->items[self->count], &self->actions[self->count], reterr);
    if (rc)
        close_attributes(&self->component);
    else
        *ret = &self->component;
    return rc;
}

static int open_on_records(const struct weir_component_env *env, const struct weir_yaml *config,
                           const char *id, struct weir_component **ret, struct weir_error *reterr) {
    (void)env;
    return open_attributes(config, "actions", id, false, ret, reterr);
}

static int open_on_resource(const struct weir_component_env *env, const struct weir_yaml *config,
                            const char *id, struct weir_component **ret,
                            struct weir_error *reterr) {
    (void)env;
    return open_attributes(config, "attributes", id, true, ret, reterr);
}

const struct weir_component_type weir_attributes_type = {.name = "attributes",
                                                         .kind = WEIR_PROCESSOR,
                                                         .takes = WEIR_ALL_SIGNALS,
                                                         .gives = WEIR_ALL_SIGNALS,
                                                         .open = open_on_records,
                                                         .close = close_attributes};
const struct weir_component_type weir_resource_type = {.name = "resource",
                                                       .kind = WEIR_PROCESSOR,
                                                       .takes = WEIR_ALL_SIGNALS,
                                                       .gives = WEIR_ALL_SIGNALS,
                                                       .open = open_on_resource,
                                                       .close = close_attributes};
