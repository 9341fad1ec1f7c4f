/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/plan.h"

#include "query/regex.h"
#include "traceql/functions.h"

struct weir_traceql_regex_list {
    struct weir_regex *regex;
    struct weir_traceql_regex_list *next;
};

struct work {
    struct weir_traceql_plan *plan;
    struct weir_error *reterr;
};

static int not_evaluated(struct work *w, const char *what) {
    return weir_error_set(w->reterr, WEIR_EUNSUPPORTED, "%s is understood but not evaluated", what);
}

static int compile(struct work *w, struct weir_traceql_expr *expr) {
    struct weir_traceql_regex_list *item = WEIR_NEW(w->plan->arena, struct weir_traceql_regex_list);
    if (!item) return weir_error_set(w->reterr, WEIR_ENOMEMORY, "query needs too much memory");
    int rc = weir_regex_new(expr->right->value.str, WEIR_REGEX_ANCHORED, &item->regex, w->reterr);
    if (rc != 0) return rc;
    item->next = w->plan->regexes;
    w->plan->regexes = item;
    expr->regex = item->regex;
    return 0;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static int slot_of(struct work *w, struct weir_traceql_field *field, bool shown) {
    struct weir_traceql_plan *plan = w->plan;
    enum weir_traceql_scope scope =
        field->scope == WEIR_TRACEQL_SCOPE_PARENT ? WEIR_TRACEQL_SCOPE_ANY : field->scope;
    for (uint32_t i = 0; i < plan->slots_count; i++)
        if (plan->slots[i].scope == scope && weir_view_eq(plan->slots[i].name, field->name)) {
            plan->slots[i].shown |= shown;
            field->slot = i;
            return 0;
        }
    if (plan->slots_count == WEIR_TRACEQL_SLOTS_MAX)
        return weir_error_set(w->reterr, WEIR_EINVALID, "query names more than %d attributes",
                              WEIR_TRACEQL_SLOTS_MAX);
    field->slot = plan->slots_count;
    plan->slots[plan->slots_count++] =
        (struct weir_traceql_slot){.scope = scope,
                                   .name = field->name,
                                   .aliases = weir_traceql_aliases_of(field->name),
                                   .shown = shown};
    return 0;
}

static int attribute(struct work *w, struct weir_traceql_field *field, bool shown) {
    switch (field->scope) {
    case WEIR_TRACEQL_SCOPE_EVENT: w->plan->needs[WEIR_TRACEQL_FIXED_EVENTS] = true; return 0;
    case WEIR_TRACEQL_SCOPE_LINK: w->plan->needs[WEIR_TRACEQL_FIXED_LINKS] = true; return 0;
    case WEIR_TRACEQL_SCOPE_INSTRUMENTATION:
        return not_evaluated(w, "an attribute of the instrumentation scope");
    case WEIR_TRACEQL_SCOPE_PARENT: w->plan->needs_trace = true; return slot_of(w, field, false);
    case WEIR_TRACEQL_SCOPE_ANY:
    case WEIR_TRACEQL_SCOPE_SPAN:
    case WEIR_TRACEQL_SCOPE_RESOURCE: break;
    }
    return slot_of(w, field, shown);
}

static int plan_field(struct work *w, struct weir_traceql_field *field, bool shown) {
    bool *needs = w->plan->needs;
    switch (field->intrinsic) {
    case WEIR_TRACEQL_INTRINSIC_NONE: return attribute(w, field, shown);
    case WEIR_TRACEQL_DURATION: needs[WEIR_TRACEQL_FIXED_DURATION] = true; break;
    case WEIR_TRACEQL_NAME: needs[WEIR_TRACEQL_FIXED_NAME] = true; break;
    case WEIR_TRACEQL_STATUS:
        needs[WEIR_TRACEQL_FIXED_STATUS] = true;
        w->plan->shows_status |= shown;
        break;
    case WEIR_TRACEQL_STATUS_MESSAGE: needs[WEIR_TRACEQL_FIXED_STATUS_MESSAGE] = true; break;
    case WEIR_TRACEQL_KIND:
        needs[WEIR_TRACEQL_FIXED_KIND] = true;
        w->plan->shows_kind |= shown;
        break;
    case WEIR_TRACEQL_SPAN_ID: needs[WEIR_TRACEQL_FIXED_SPAN_ID] = true; break;
    case WEIR_TRACEQL_PARENT_ID:
    case WEIR_TRACEQL_PARENT: needs[WEIR_TRACEQL_FIXED_PARENT] = true; break;
    case WEIR_TRACEQL_TRACE_ID:
    case WEIR_TRACEQL_START_TIME: break;
    case WEIR_TRACEQL_EVENT_NAME:
    case WEIR_TRACEQL_EVENT_TIME_SINCE_START: needs[WEIR_TRACEQL_FIXED_EVENTS] = true; break;
    case WEIR_TRACEQL_LINK_TRACE_ID:
    case WEIR_TRACEQL_LINK_SPAN_ID: needs[WEIR_TRACEQL_FIXED_LINKS] = true; break;
    case WEIR_TRACEQL_SCOPE_NAME: needs[WEIR_TRACEQL_FIXED_SCOPE_NAME] = true; break;
    case WEIR_TRACEQL_SCOPE_VERSION: needs[WEIR_TRACEQL_FIXED_SCOPE_VERSION] = true; break;
    case WEIR_TRACEQL_NESTED_PARENT: /* < 0 is the root, which the span itself knows */
        needs[WEIR_TRACEQL_FIXED_PARENT] = true;
        w->plan->needs_trace = true;
        break;
    case WEIR_TRACEQL_CHILD_COUNT:
    case WEIR_TRACEQL_TRACE_DURATION:
    case WEIR_TRACEQL_ROOT_NAME:
    case WEIR_TRACEQL_ROOT_SERVICE:
    case WEIR_TRACEQL_NESTED_LEFT:
    case WEIR_TRACEQL_NESTED_RIGHT:
        w->plan->needs_trace = true;
        w->plan->unsupported = weir_traceql_intrinsic_get(field->intrinsic)->name;
        break;
    }
    return 0;
}

static int plan_expr(struct work *w, struct weir_traceql_expr *expr, bool shown) {
    if (!expr) return 0;
    if (expr->kind == WEIR_TRACEQL_EXPR_FIELD) return plan_field(w, &expr->field, shown);
    int rc = plan_expr(w, expr->left, shown);
    if (rc == 0) rc = plan_expr(w, expr->right, shown);
    bool pattern = expr->op == WEIR_TRACEQL_OP_RE || expr->op == WEIR_TRACEQL_OP_NRE;
    return rc == 0 && pattern ? compile(w, expr) : rc;
}

static int plan_stages(struct work *w, struct weir_traceql_stage *stage);

static int plan_spanset(struct work *w, struct weir_traceql_spanset *set) {
    if (set->is_filter) return plan_expr(w, set->filter, true);
    w->plan->is_simple = false;
    int rc = plan_spanset(w, set->left);
    if (rc == 0 && set->right) rc = plan_spanset(w, set->right);
    return rc == 0 ? plan_stages(w, set->stages) : rc;
}

static int plan_stage(struct work *w, struct weir_traceql_stage *stage) {
    int rc = 0;
    bool only_shows =
        stage->kind == WEIR_TRACEQL_STAGE_SELECT || stage->kind == WEIR_TRACEQL_STAGE_METRICS ||
        stage->kind == WEIR_TRACEQL_STAGE_BY || stage->kind == WEIR_TRACEQL_STAGE_SECOND;
    w->plan->is_simple &= only_shows;
    if (stage->metric == WEIR_TRACEQL_METRIC_COMPARE && stage->kind == WEIR_TRACEQL_STAGE_METRICS)
        return not_evaluated(w, "compare(…)");
    if (stage->spanset) rc = plan_spanset(w, stage->spanset);
    if (rc == 0) rc = plan_expr(w, stage->scalar, false);
    if (rc == 0) rc = plan_expr(w, stage->field, false);
    for (uint32_t i = 0; rc == 0 && i < stage->by_count; i++) rc = plan_expr(w, stage->by[i], true);
    return rc;
}

static int plan_stages(struct work *w, struct weir_traceql_stage *stage) {
    int rc = 0;
    for (; rc == 0 && stage; stage = stage->next) rc = plan_stage(w, stage);
    return rc;
}

int weir_traceql_plan_init(struct weir_traceql_plan *plan, struct weir_traceql_query *query,
                           struct weir_arena *arena, struct weir_error *reterr) {
    *plan = (struct weir_traceql_plan){.arena = arena, .query = query, .is_simple = true};
    plan->needs[WEIR_TRACEQL_FIXED_TIME] = plan->needs[WEIR_TRACEQL_FIXED_TRACE_ID] = true;
    struct work w = {plan, reterr};
    int rc = plan_spanset(&w, query->spanset);
    if (rc == 0) rc = plan_stages(&w, query->stages);
    if (rc == 0 && query->is_metrics && !plan->is_simple)
        rc = not_evaluated(&w, "a metrics stage behind anything but one filter {…}");
    if (rc == 0 && query->is_metrics && plan->unsupported)
        rc = weir_error_set(reterr, WEIR_EUNSUPPORTED, "%s is not evaluated in a metrics query",
                            plan->unsupported);
    if (rc != 0) weir_traceql_plan_done(plan);
    return rc;
}

void weir_traceql_plan_done(struct weir_traceql_plan *plan) {
    if (!plan) return;
    for (struct weir_traceql_regex_list *item = plan->regexes; item; item = item->next)
        weir_regex_free(item->regex);
    plan->regexes = NULL;
}

int weir_traceql_plan_check(const struct weir_traceql_plan *plan, struct weir_error *reterr) {
    int rc = 0;
    for (const struct weir_traceql_regex_list *item = plan->regexes; rc == 0 && item;
         item = item->next)
        rc = weir_regex_check(item->regex, reterr);
    return rc;
}

/* ---- columns --------------------------------------------------------------------------------- */

static int add_column(struct weir_traceql_layout *layout, enum weir_column_id id,
                      struct weir_view key) {
    for (uint32_t i = 0; i < layout->columns_count; i++)
        if (layout->columns[i].id == id && weir_view_eq(layout->columns[i].key, key)) return (int)i;
    if (layout->columns_count == WEIR_TRACEQL_COLUMNS_MAX) return -1;
    layout->columns[layout->columns_count] = (struct weir_column){id, key};
    return (int)layout->columns_count++;
}

static void add_slot(struct weir_traceql_layout *layout, const struct weir_traceql_slot *slot,
                     int16_t *places) {
    if (slot->scope != WEIR_TRACEQL_SCOPE_RESOURCE)
        for (uint32_t i = 0; i < slot->aliases.count; i++)
            *places++ = (int16_t)add_column(layout, WEIR_COLUMN_ATTR, slot->aliases.names[i]);
    if (slot->scope != WEIR_TRACEQL_SCOPE_SPAN)
        for (uint32_t i = 0; i < slot->aliases.count; i++)
            *places++ =
                (int16_t)add_column(layout, WEIR_COLUMN_RESOURCE_ATTR, slot->aliases.names[i]);
    *places = -1;
}

void weir_traceql_layout_init(struct weir_traceql_layout *layout,
                              const struct weir_traceql_plan *plan, bool whole) {
    static const enum weir_column_id ids[WEIR_TRACEQL_FIXED_COUNT] = {
        WEIR_COLUMN_TIME_NS,        WEIR_COLUMN_TRACE_ID,      WEIR_COLUMN_SPAN_ID,
        WEIR_COLUMN_PARENT_SPAN_ID, WEIR_COLUMN_NAME,          WEIR_COLUMN_DURATION_NS,
        WEIR_COLUMN_KIND,           WEIR_COLUMN_STATUS_CODE,   WEIR_COLUMN_STATUS_MESSAGE,
        WEIR_COLUMN_SCOPE_NAME,     WEIR_COLUMN_SCOPE_VERSION, WEIR_COLUMN_EVENTS,
        WEIR_COLUMN_LINKS,          WEIR_COLUMN_RESOURCE_ATTR,
    };
    memset(layout, 0, sizeof *layout);
    for (int i = 0; i < WEIR_TRACEQL_FIXED_COUNT; i++) {
        bool in_traces = i <= WEIR_TRACEQL_FIXED_DURATION || i == WEIR_TRACEQL_FIXED_STATUS ||
                         i == WEIR_TRACEQL_FIXED_SERVICE;
        bool wanted = plan->needs[i] || (whole && in_traces);
        struct weir_view key =
            i == WEIR_TRACEQL_FIXED_SERVICE ? WEIR_VIEW("service.name") : weir_view("", 0);
        layout->fixed[i] = wanted ? add_column(layout, ids[i], key) : -1;
    }
    for (uint32_t i = 0; i < plan->slots_count; i++)
        add_slot(layout, &plan->slots[i], layout->slots[i]);
}

/* ---- hints ----------------------------------------------------------------------------------- */

static bool to_column(const struct weir_traceql_plan *plan, const struct weir_traceql_field *field,
                      struct weir_column *ret) {
    *ret = (struct weir_column){.id = WEIR_COLUMN_NAME};
    if (field->intrinsic == WEIR_TRACEQL_NAME) return true;
    ret->id = WEIR_COLUMN_DURATION_NS;
    if (field->intrinsic == WEIR_TRACEQL_DURATION) return true;
    ret->id = WEIR_COLUMN_KIND;
    if (field->intrinsic == WEIR_TRACEQL_KIND) return true;
    ret->id = WEIR_COLUMN_STATUS_CODE;
    if (field->intrinsic == WEIR_TRACEQL_STATUS) return true;
    if (field->intrinsic || field->scope > WEIR_TRACEQL_SCOPE_RESOURCE) return false;
    if (plan->slots[field->slot].aliases.count > 1) return false; /* may stand under another name */
    ret->key = field->name;
    ret->id = field->scope == WEIR_TRACEQL_SCOPE_ANY    ? WEIR_COLUMN_ANY_ATTR
              : field->scope == WEIR_TRACEQL_SCOPE_SPAN ? WEIR_COLUMN_ATTR
                                                        : WEIR_COLUMN_RESOURCE_ATTR;
    return true;
}

static bool to_value(const struct weir_column *column, const struct weir_traceql_value *value,
                     struct weir_value *ret) {
    bool is_attr = column->key.len > 0;
    switch (value->type) {
    case WEIR_TRACEQL_TYPE_STRING: *ret = weir_value_str(value->str); return true;
    case WEIR_TRACEQL_TYPE_DURATION:
    case WEIR_TRACEQL_TYPE_STATUS:
    case WEIR_TRACEQL_TYPE_KIND: *ret = weir_value_i64(value->i64); return !is_attr;
    case WEIR_TRACEQL_TYPE_BOOL: *ret = weir_value_bool(value->boolean); return is_attr;
    case WEIR_TRACEQL_TYPE_INT: /* an attribute may hold the same number as a double */
    case WEIR_TRACEQL_TYPE_NIL:
    case WEIR_TRACEQL_TYPE_FLOAT:
    case WEIR_TRACEQL_TYPE_ARRAY:
    case WEIR_TRACEQL_TYPE_UNKNOWN:
    case WEIR_TRACEQL_TYPE_ANY: break;
    }
    return false;
}

static bool to_op(enum weir_traceql_op op, bool is_duration, enum weir_op *ret) {
    *ret = WEIR_OP_EQ;
    if (op == WEIR_TRACEQL_OP_EQ) return true;
    if (!is_duration) return false;
    *ret = op == WEIR_TRACEQL_OP_GT   ? WEIR_OP_GT
           : op == WEIR_TRACEQL_OP_GE ? WEIR_OP_GE
           : op == WEIR_TRACEQL_OP_LT ? WEIR_OP_LT
                                      : WEIR_OP_LE;
    return op >= WEIR_TRACEQL_OP_GT && op <= WEIR_TRACEQL_OP_LE;
}

static uint32_t add_hints(const struct weir_traceql_plan *plan, const struct weir_traceql_expr *e,
                          struct weir_predicate *ret, uint32_t count) {
    if (e->kind != WEIR_TRACEQL_EXPR_BINARY || count == WEIR_TRACEQL_PREDICATES_MAX) return count;
    if (e->op == WEIR_TRACEQL_OP_AND)
        return add_hints(plan, e->right, ret, add_hints(plan, e->left, ret, count));
    struct weir_predicate p = {0};
    if (e->left->kind != WEIR_TRACEQL_EXPR_FIELD || e->right->kind != WEIR_TRACEQL_EXPR_VALUE)
        return count;
    if (!to_column(plan, &e->left->field, &p.column) ||
        !to_value(&p.column, &e->right->value, &p.value) ||
        !to_op(e->op, e->left->field.intrinsic == WEIR_TRACEQL_DURATION, &p.op))
        return count;
    ret[count] = p;
    return count + 1;
}

uint32_t weir_traceql_plan_predicates(const struct weir_traceql_plan *plan,
                                      struct weir_predicate *ret) {
    const struct weir_traceql_spanset *set = plan->query->spanset;
    return set->is_filter && set->filter ? add_hints(plan, set->filter, ret, 0) : 0;
}
