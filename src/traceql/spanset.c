/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/spanset.h"

#include "traceql/functions.h"

struct match {
    const struct weir_traceql_plan *plan;
    const struct weir_traceql_trace *trace;
    struct weir_arena *arena;
};

/* A set of spans is one byte per span. NULL: out of memory. */
static uint8_t *new_set(const struct match *m) {
    return weir_arena_calloc(m->arena, (size_t)m->trace->count + 1, 1);
}

static bool is_empty(const struct match *m, const uint8_t *set) {
    return !memchr(set, 1, m->trace->count);
}

static bool run_stages(struct match *m, const struct weir_traceql_stage *stage,
                       struct weir_traceql_groups *groups);

/* ---- relations ------------------------------------------------------------------------------- */

static uint32_t parent_of(const struct match *m, uint32_t span) {
    return m->trace->spans[span].parent;
}

/* The nearest steps up first; a cycle of parents ends after as many steps as there are spans. */
static bool has_ancestor_in(const struct match *m, const uint8_t *set, uint32_t span) {
    uint32_t at = parent_of(m, span);
    for (uint32_t i = 0; at != WEIR_TRACEQL_NO_SPAN && i < m->trace->count;
         i++, at = parent_of(m, at))
        if (set[at]) return true;
    return false;
}

/* Marks what the spans of `set` are related to: their parents, or all ancestors. */
static bool mark_above(const struct match *m, const uint8_t *set, bool all, uint8_t *marks) {
    for (uint32_t i = 0; i < m->trace->count; i++) {
        if (!set[i]) continue;
        uint32_t at = parent_of(m, i);
        for (uint32_t k = 0; at != WEIR_TRACEQL_NO_SPAN && k < m->trace->count;
             k++, at = parent_of(m, at)) {
            if (marks[at] && all) break; /* the way up from there is marked already */
            marks[at] = 1;
            if (!all) break;
        }
    }
    return true;
}

/* Per parent: how many of `set` are its children. */
static uint32_t *count_children(const struct match *m, const uint8_t *set) {
    uint32_t *counts = weir_arena_calloc(m->arena, (size_t)m->trace->count + 1, sizeof *counts);
    for (uint32_t i = 0; counts && i < m->trace->count; i++)
        if (set[i] && parent_of(m, i) != WEIR_TRACEQL_NO_SPAN) counts[parent_of(m, i)]++;
    return counts;
}

/* Marks the spans of `to` that stand in the relation to some span of `from`. */
static bool related(const struct match *m, enum weir_traceql_relation relation, const uint8_t *from,
                    const uint8_t *to, uint8_t *ret) {
    uint8_t *above = new_set(m);
    uint32_t *children = count_children(m, from);
    if (!above || !children) return false;
    if (relation == WEIR_TRACEQL_REL_PARENT || relation == WEIR_TRACEQL_REL_ANCESTOR)
        mark_above(m, from, relation == WEIR_TRACEQL_REL_ANCESTOR, above);
    for (uint32_t i = 0; i < m->trace->count; i++) {
        uint32_t parent = parent_of(m, i);
        bool has_parent = parent != WEIR_TRACEQL_NO_SPAN, hit = false;
        if (relation == WEIR_TRACEQL_REL_CHILD)
            hit = has_parent && from[parent];
        else if (relation == WEIR_TRACEQL_REL_DESCENDANT)
            hit = to[i] && has_ancestor_in(m, from, i);
        else if (relation == WEIR_TRACEQL_REL_SIBLING)
            hit = has_parent && children[parent] > from[i];
        else
            hit = above[i];
        ret[i] = to[i] && hit;
    }
    return true;
}

static enum weir_traceql_relation mirrored(enum weir_traceql_relation relation) {
    switch (relation) {
    case WEIR_TRACEQL_REL_CHILD: return WEIR_TRACEQL_REL_PARENT;
    case WEIR_TRACEQL_REL_PARENT: return WEIR_TRACEQL_REL_CHILD;
    case WEIR_TRACEQL_REL_DESCENDANT: return WEIR_TRACEQL_REL_ANCESTOR;
    case WEIR_TRACEQL_REL_ANCESTOR: return WEIR_TRACEQL_REL_DESCENDANT;
    case WEIR_TRACEQL_REL_AND:
    case WEIR_TRACEQL_REL_OR:
    case WEIR_TRACEQL_REL_SIBLING: break;
    }
    return relation;
}

static bool join(const struct match *m, const struct weir_traceql_spanset *set, const uint8_t *left,
                 const uint8_t *right, uint8_t *ret) {
    uint32_t count = m->trace->count;
    if (set->relation == WEIR_TRACEQL_REL_AND && (is_empty(m, left) || is_empty(m, right)))
        return true;
    if (set->relation <= WEIR_TRACEQL_REL_OR) {
        for (uint32_t i = 0; i < count; i++) ret[i] = left[i] | right[i];
        return true;
    }
    if (!related(m, set->relation, left, right, ret)) return false;
    if (set->mode == WEIR_TRACEQL_MODE_NEGATED)
        for (uint32_t i = 0; i < count; i++) ret[i] = right[i] && !ret[i];
    if (set->mode == WEIR_TRACEQL_MODE_UNION) { /* and the left side's partners */
        uint8_t *partners = new_set(m);
        if (!partners || !related(m, mirrored(set->relation), right, left, partners)) return false;
        for (uint32_t i = 0; i < count; i++) ret[i] |= partners[i];
    }
    return true;
}

/* ---- spansets -------------------------------------------------------------------------------- */

static bool add_group(const struct match *m, struct weir_traceql_groups *groups,
                      const uint8_t *set) {
    struct weir_traceql_group *group =
        WEIR_PUSH(m->arena, groups->items, groups->count, groups->room);
    if (!group) return false;
    group->spans = weir_arena_alloc(m->arena, ((size_t)m->trace->count + 1) * sizeof *group->spans);
    if (!group->spans) return false;
    for (uint32_t i = 0; i < m->trace->count; i++)
        if (set[i]) group->spans[group->count++] = i;
    if (!group->count) groups->count--;
    return true;
}

/* The spans within `universe` that the spanset selects. */
static uint8_t *evaluate(struct match *m, const struct weir_traceql_spanset *set,
                         const uint8_t *universe) {
    uint8_t *result = new_set(m);
    if (!result) return NULL;
    if (set->is_filter) {
        for (uint32_t i = 0; i < m->trace->count; i++)
            result[i] =
                universe[i] && weir_traceql_accepts(m->plan, set->filter, &m->trace->spans[i]) == 1;
        return result;
    }
    const uint8_t *left = evaluate(m, set->left, universe);
    if (!left) return NULL;
    if (set->right) {
        const uint8_t *right = evaluate(m, set->right, universe);
        return right && join(m, set, left, right, result) ? result : NULL;
    }
    struct weir_traceql_groups groups = {0};
    if (!add_group(m, &groups, left) || !run_stages(m, set->stages, &groups)) return NULL;
    for (uint32_t g = 0; g < groups.count; g++)
        for (uint32_t i = 0; i < groups.items[g].count; i++) result[groups.items[g].spans[i]] = 1;
    return result;
}

/* ---- stages ---------------------------------------------------------------------------------- */

static struct weir_traceql_value aggregate(const struct match *m,
                                           const struct weir_traceql_expr *expr,
                                           const struct weir_traceql_group *group) {
    double sum = 0, min = 0, max = 0, number;
    int64_t count = 0;
    if (expr->aggregate == WEIR_TRACEQL_COUNT)
        return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_INT, .i64 = group->count};
    for (uint32_t i = 0; i < group->count; i++) {
        struct weir_traceql_value value =
            weir_traceql_evaluate(m->plan, expr->left, &m->trace->spans[group->spans[i]]);
        if (!weir_traceql_to_number(&value, &number)) continue;
        if (!count || number < min) min = number;
        if (!count || number > max) max = number;
        sum += number;
        count++;
    }
    if (!count) return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_NIL};
    double result = expr->aggregate == WEIR_TRACEQL_AVG   ? sum / (double)count
                    : expr->aggregate == WEIR_TRACEQL_MIN ? min
                    : expr->aggregate == WEIR_TRACEQL_MAX ? max
                                                          : sum;
    return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_FLOAT, .f64 = result};
}

static struct weir_traceql_value scalar(const struct match *m, const struct weir_traceql_expr *expr,
                                        const struct weir_traceql_group *group) {
    if (expr->kind == WEIR_TRACEQL_EXPR_AGGREGATE) return aggregate(m, expr, group);
    if (expr->kind == WEIR_TRACEQL_EXPR_BINARY)
        return weir_traceql_apply(expr->op, scalar(m, expr->left, group),
                                  scalar(m, expr->right, group), NULL, false);
    if (expr->kind == WEIR_TRACEQL_EXPR_UNARY) {
        struct weir_traceql_value zero = {.type = WEIR_TRACEQL_TYPE_INT};
        return weir_traceql_apply(WEIR_TRACEQL_OP_SUB, zero, scalar(m, expr->left, group), NULL,
                                  false);
    }
    return expr->value;
}

static void keep_where(const struct match *m, const struct weir_traceql_expr *expr,
                       struct weir_traceql_groups *groups) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < groups->count; i++) {
        struct weir_traceql_value value = scalar(m, expr, &groups->items[i]);
        if (value.type == WEIR_TRACEQL_TYPE_BOOL && value.boolean)
            groups->items[kept++] = groups->items[i];
    }
    groups->count = kept;
}

static bool filter_groups(struct match *m, const struct weir_traceql_spanset *set,
                          struct weir_traceql_groups *groups) {
    struct weir_traceql_groups kept = {0};
    for (uint32_t g = 0; g < groups->count; g++) {
        uint8_t *universe = new_set(m);
        if (!universe) return false;
        for (uint32_t i = 0; i < groups->items[g].count; i++)
            universe[groups->items[g].spans[i]] = 1;
        const uint8_t *result = evaluate(m, set, universe);
        uint32_t before = kept.count;
        if (!result || !add_group(m, &kept, result)) return false;
        if (kept.count > before) {
            kept.items[before].by = groups->items[g].by;
            kept.items[before].by_value = groups->items[g].by_value;
        }
    }
    *groups = kept;
    return true;
}

/* One group per value, in the order of their first spans. */
static bool split_group(const struct match *m, const struct weir_traceql_expr *by,
                        const struct weir_traceql_group *group, struct weir_traceql_groups *ret) {
    uint32_t from = ret->count;
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t span = group->spans[i], g = from;
        struct weir_traceql_value value =
            weir_traceql_evaluate(m->plan, by, &m->trace->spans[span]);
        struct weir_view text = weir_traceql_to_text(&value, m->arena);
        for (; g < ret->count; g++)
            if (ret->items[g].by_value.type == value.type &&
                weir_view_eq(weir_traceql_to_text(&ret->items[g].by_value, m->arena), text))
                break;
        if (g == ret->count) {
            struct weir_traceql_group *fresh =
                WEIR_PUSH(m->arena, ret->items, ret->count, ret->room);
            if (!fresh) return false;
            *fresh = (struct weir_traceql_group){.by = by, .by_value = value};
            fresh->spans =
                weir_arena_alloc(m->arena, ((size_t)group->count + 1) * sizeof *fresh->spans);
            if (!fresh->spans) return false;
        }
        ret->items[g].spans[ret->items[g].count++] = span;
    }
    return true;
}

static bool group_by(const struct match *m, const struct weir_traceql_expr *by,
                     struct weir_traceql_groups *groups) {
    struct weir_traceql_groups split = {0};
    for (uint32_t i = 0; i < groups->count; i++)
        if (!split_group(m, by, &groups->items[i], &split)) return false;
    *groups = split;
    return true;
}

static bool coalesce(const struct match *m, struct weir_traceql_groups *groups) {
    uint8_t *all = new_set(m);
    struct weir_traceql_groups one = {0};
    if (!all) return false;
    for (uint32_t g = 0; g < groups->count; g++)
        for (uint32_t i = 0; i < groups->items[g].count; i++) all[groups->items[g].spans[i]] = 1;
    if (!add_group(m, &one, all)) return false;
    *groups = one;
    return true;
}

static bool run_stages(struct match *m, const struct weir_traceql_stage *stage,
                       struct weir_traceql_groups *groups) {
    for (; stage && groups->count; stage = stage->next) {
        bool good = true;
        switch (stage->kind) {
        case WEIR_TRACEQL_STAGE_FILTER: good = filter_groups(m, stage->spanset, groups); break;
        case WEIR_TRACEQL_STAGE_SCALAR: keep_where(m, stage->scalar, groups); break;
        case WEIR_TRACEQL_STAGE_BY: good = group_by(m, stage->by[0], groups); break;
        case WEIR_TRACEQL_STAGE_COALESCE: good = coalesce(m, groups); break;
        case WEIR_TRACEQL_STAGE_SELECT:
        case WEIR_TRACEQL_STAGE_METRICS:
        case WEIR_TRACEQL_STAGE_SECOND: break; /* show, or count: no spans leave */
        }
        if (!good) return false;
    }
    return true;
}

int weir_traceql_match_trace(const struct weir_traceql_plan *plan,
                             const struct weir_traceql_trace *trace, struct weir_arena *arena,
                             struct weir_traceql_groups *ret, struct weir_error *reterr) {
    struct match m = {plan, trace, arena};
    struct weir_traceql_groups groups = {0};
    uint8_t *universe = new_set(&m);
    if (universe) memset(universe, 1, trace->count);
    const uint8_t *set = universe ? evaluate(&m, plan->query->spanset, universe) : NULL;
    if (!set || !add_group(&m, &groups, set) || !run_stages(&m, plan->query->stages, &groups))
        return weir_error_set(reterr, WEIR_ELIMIT, "a trace of %u spans needs too much memory",
                              trace->count);
    *ret = groups;
    return 0;
}
