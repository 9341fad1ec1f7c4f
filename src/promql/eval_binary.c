/* SPDX-License-Identifier: Apache-2.0 */
/* Binary operators: scalars with scalars and with rows, rows with rows, sets. */
#include <math.h>
#include <stdio.h>

#include "promql/eval.h"

/* The rows of one match group on the side that is held: at most one has a value at each step. */
struct held {
    struct weir_promql_row row;
    struct held *next;
};

struct match_group {
    struct held *rows;
    uint8_t *used; /* steps at which a one-to-one partner was found; sets: steps with a value */
};

struct binary {
    struct weir_promql_node node;
    const struct weir_promql_expr *expr;
    double *scalar; /* scalar side, one a step */
    struct weir_map map;
    struct weir_buf key;
    struct match_group *groups;
    uint32_t groups_count, groups_room;
    struct weir_promql_kept kept;
    uint32_t at;
    struct weir_label *labels, *labels2; /* scratch for the result's labels */
    uint32_t labels_room;
};

static void binary_close(struct weir_promql_node *node) {
    struct binary *b = (struct binary *)node;
    weir_map_done(&b->map);
    weir_buf_done(&b->key);
    weir_promql_kept_done(&b->kept);
}

static bool compare(enum weir_promql_op op, double a, double b) {
    if (op == WEIR_PROMQL_OP_EQ) return a == b;
    if (op == WEIR_PROMQL_OP_NE) return a != b;
    if (op == WEIR_PROMQL_OP_LT) return a < b;
    if (op == WEIR_PROMQL_OP_LE) return a <= b;
    return op == WEIR_PROMQL_OP_GT ? a > b : a >= b;
}

static double arithmetic(enum weir_promql_op op, double a, double b) {
    if (op == WEIR_PROMQL_OP_ADD) return a + b;
    if (op == WEIR_PROMQL_OP_SUB) return a - b;
    if (op == WEIR_PROMQL_OP_MUL) return a * b;
    if (op == WEIR_PROMQL_OP_DIV) return a / b;
    if (op == WEIR_PROMQL_OP_MOD) return fmod(a, b);
    return op == WEIR_PROMQL_OP_POW ? pow(a, b) : atan2(a, b);
}

/* One sample; absent when a comparison filters it out. `kept`: the value that a filter lets
 * through. */
static double apply(const struct weir_promql_expr *e, double a, double b, double kept) {
    if (!weir_promql_op_is_comparison(e->op)) return arithmetic(e->op, a, b);
    bool holds = compare(e->op, a, b);
    if (e->is_bool) return holds;
    return holds ? kept : weir_promql_absent();
}

/* ---- with scalars ---- */

static int scalars_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct binary *b = (struct binary *)node;
    struct weir_promql_row left, right;
    int code = node->inputs[0]->next(node->inputs[0], &left);
    if (code == 0) code = node->inputs[1]->next(node->inputs[1], &right);
    if (code) return code;
    for (uint32_t i = 0; i < node->grid.count; i++)
        node->values[i] = apply(b->expr, left.values[i], right.values[i], left.values[i]);
    *ret = (struct weir_promql_row){NULL, 0, node->values};
    return 0;
}

static int mixed_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct binary *b = (struct binary *)node;
    bool scalar_left = b->expr->left->type == WEIR_PROMQL_SCALAR;
    struct weir_promql_node *vector = node->inputs[scalar_left];
    int code;
    if (!node->started) {
        node->started = true;
        b->scalar = weir_arena_alloc(node->run->arena, (node->grid.count + 1U) * sizeof(double));
        if (!b->scalar) return weir_promql_no_memory(node->run);
        if ((code = weir_promql_scalar_read(node->inputs[!scalar_left], b->scalar)) != 0)
            return code;
    }
    while ((code = vector->next(vector, ret)) == 0) {
        for (uint32_t i = 0; i < node->grid.count; i++) {
            double value = ret->values[i];
            if (weir_promql_is_absent(value)) continue;
            ret->values[i] = scalar_left ? apply(b->expr, b->scalar[i], value, value)
                                         : apply(b->expr, value, b->scalar[i], value);
        }
        if (weir_promql_values_any(ret->values, node->grid.count)) return 0;
    }
    return code;
}

/* ---- rows with rows ---- */

static struct weir_view key_of(struct binary *b, const struct weir_promql_row *row) {
    weir_buf_clear(&b->key);
    weir_promql_labels_key(row->labels, row->labels_count, &b->expr->labels, b->expr->on, false,
                           &b->key);
    return weir_buf_view(&b->key);
}

static struct match_group *group_find(struct binary *b, const struct weir_promql_row *row) {
    uint64_t *found = weir_map_get(&b->map, key_of(b, row));
    return found ? &b->groups[*found] : NULL;
}

static int group_get(struct binary *b, const struct weir_promql_row *row,
                     struct match_group **ret) {
    struct weir_arena *arena = b->node.run->arena;
    uint64_t *found = weir_map_get(&b->map, key_of(b, row));
    if (found) return *ret = &b->groups[*found], 0;
    struct weir_view key = weir_arena_copy(arena, weir_buf_view(&b->key));
    uint32_t index = b->groups_count;
    struct match_group *group = WEIR_PUSH(arena, b->groups, b->groups_count, b->groups_room);
    if (!key.ptr || b->key.failed || !group || !weir_map_put(&b->map, key, index, NULL))
        return weir_promql_no_memory(b->node.run);
    group->used = WEIR_NEW_ARRAY(arena, uint8_t, b->node.grid.count + 1U);
    if (!group->used) return weir_promql_no_memory(b->node.run);
    *ret = group;
    return 0;
}

static int duplicate(struct binary *b, const struct weir_promql_row *one,
                     const struct weir_promql_row *two, bool right) {
    char first[150], second[150], key[100] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < one->labels_count && len < sizeof key; i++)
        if (!weir_view_is(one->labels[i].name, "__name__") &&
            weir_promql_names_have(&b->expr->labels, one->labels[i].name) == b->expr->on)
            len += (size_t)snprintf(key + len, sizeof key - len, "%s%.*s=\"%.*s\"", len ? ", " : "",
                                    WEIR_VIEW_ARG(one->labels[i].name),
                                    WEIR_VIEW_ARG(one->labels[i].value));
    return weir_error_set(
        b->node.run->reterr, WEIR_ELIMIT,
        "found duplicate series for the match group {%s} on the %s hand-side of the "
        "operation: [%s, %s];many-to-many matching not allowed: matching labels must be "
        "unique on one side",
        key, right ? "right" : "left",
        weir_promql_labels_text(two->labels, two->labels_count, first, sizeof first),
        weir_promql_labels_text(one->labels, one->labels_count, second, sizeof second));
}

static int hold(struct binary *b, const struct weir_promql_row *row, bool right) {
    struct weir_arena *arena = b->node.run->arena;
    struct match_group *group;
    int code = group_get(b, row, &group);
    if (code) return code;
    for (const struct held *h = group->rows; h; h = h->next)
        for (uint32_t i = 0; i < b->node.grid.count; i++)
            if (!weir_promql_is_absent(h->row.values[i]) && !weir_promql_is_absent(row->values[i]))
                return duplicate(b, &h->row, row, right);
    struct held *held = WEIR_NEW(arena, struct held);
    struct weir_label *labels = weir_promql_labels_copy(arena, row->labels, row->labels_count);
    double *values = weir_arena_alloc(arena, (b->node.grid.count + 1U) * sizeof *values);
    if (!held || !labels || !values) return weir_promql_no_memory(b->node.run);
    memcpy(values, row->values, b->node.grid.count * sizeof *values);
    *held = (struct held){{labels, row->labels_count, values}, group->rows};
    group->rows = held;
    return 0;
}

static int labels_room(struct binary *b, uint32_t count) {
    if (count <= b->labels_room) return 0;
    b->labels_room = count * 2;
    b->labels = WEIR_NEW_ARRAY(b->node.run->arena, struct weir_label, b->labels_room);
    b->labels2 = WEIR_NEW_ARRAY(b->node.run->arena, struct weir_label, b->labels_room);
    return b->labels && b->labels2 ? 0 : weir_promql_no_memory(b->node.run);
}

/* The labels of many ∘ one. */
static int result_labels(struct binary *b, const struct weir_promql_row *many,
                         const struct weir_promql_row *one, struct weir_promql_row *ret) {
    const struct weir_promql_expr *e = b->expr;
    bool drop_name = !weir_promql_op_is_comparison(e->op) || e->is_bool;
    int code = labels_room(b, many->labels_count + e->include.count + 1);
    if (code) return code;
    uint32_t n = 0;
    for (uint32_t i = 0; i < many->labels_count; i++) {
        struct weir_view name = many->labels[i].name;
        if (drop_name && weir_view_is(name, "__name__")) continue;
        bool listed = e->matching && weir_promql_names_have(&e->labels, name);
        if (e->card == WEIR_PROMQL_CARD_ONE_TO_ONE && e->matching && listed != e->on) continue;
        b->labels[n++] = many->labels[i];
    }
    for (uint32_t i = 0; i < e->include.count; i++) {
        struct weir_view value =
            weir_promql_labels_get(one->labels, one->labels_count, e->include.items[i]);
        n = weir_promql_labels_set(b->labels, n, e->include.items[i], value, b->labels2);
        struct weir_label *swap = b->labels;
        b->labels = b->labels2, b->labels2 = swap;
    }
    ret->labels = b->labels;
    ret->labels_count = n;
    return 0;
}

static int ambiguous(struct binary *b) {
    bool grouped = b->expr->card != WEIR_PROMQL_CARD_ONE_TO_ONE;
    return weir_error_set(b->node.run->reterr, WEIR_ELIMIT, "multiple matches for labels: %s",
                          grouped
                              ? "grouping labels must ensure unique matches"
                              : "many-to-one matching must be explicit (group_left/group_right)");
}

static int pair(struct binary *b, struct match_group *group, const struct weir_promql_row *many,
                const struct weir_promql_row *one) {
    const struct weir_promql_expr *e = b->expr;
    bool swapped = e->card == WEIR_PROMQL_CARD_ONE_TO_MANY;
    struct weir_promql_row out = {.values = b->node.values}, *into;
    int code = result_labels(b, many, one, &out);
    if (code) return code;
    for (uint32_t i = 0; i < b->node.grid.count; i++) {
        double x = many->values[i], y = one->values[i];
        out.values[i] = weir_promql_absent();
        if (weir_promql_is_absent(x) || weir_promql_is_absent(y)) continue;
        /* A filter keeps the left side's value, as written. */
        out.values[i] = swapped ? apply(e, y, x, y) : apply(e, x, y, x);
        if (weir_promql_is_absent(out.values[i]) || e->card != WEIR_PROMQL_CARD_ONE_TO_ONE)
            continue;
        if (group->used[i]) return ambiguous(b);
        group->used[i] = 1;
    }
    if (!weir_promql_values_any(out.values, b->node.grid.count)) return 0;
    code = weir_promql_kept_get(&b->kept, &b->node, out.labels, out.labels_count, &into);
    for (uint32_t i = 0; i < b->node.grid.count && code == 0; i++) {
        if (weir_promql_is_absent(out.values[i])) continue;
        if (!weir_promql_is_absent(into->values[i])) return ambiguous(b);
        into->values[i] = out.values[i];
    }
    return code;
}

static int match_all(struct binary *b) {
    struct weir_promql_node *node = &b->node;
    bool swapped = b->expr->card == WEIR_PROMQL_CARD_ONE_TO_MANY;
    struct weir_promql_node *one = node->inputs[!swapped], *many = node->inputs[swapped];
    struct weir_promql_row row;
    int code;
    while ((code = one->next(one, &row)) == 0)
        if ((code = hold(b, &row, !swapped)) != 0) return code;
    if (code != WEIR_END) return code;
    while ((code = many->next(many, &row)) == 0) {
        struct match_group *group = group_find(b, &row);
        for (const struct held *h = group ? group->rows : NULL; h && code == 0; h = h->next)
            code = pair(b, group, &row, &h->row);
        if (code) return code;
    }
    return code == WEIR_END ? 0 : code;
}

static int kept_next(struct binary *b, struct weir_promql_row *ret) {
    if (b->at == b->kept.rows_count) return WEIR_END;
    *ret = b->kept.rows[b->at++];
    return 0;
}

static int match_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct binary *b = (struct binary *)node;
    if (!node->started) {
        node->started = true;
        int code = match_all(b);
        if (code) return code;
    }
    return kept_next(b, ret);
}

/* ---- sets ---- */

/* Marks the steps at which the row's match group has a value. */
static int mark(struct binary *b, const struct weir_promql_row *row) {
    struct match_group *group;
    int code = group_get(b, row, &group);
    for (uint32_t i = 0; i < b->node.grid.count && code == 0; i++)
        if (!weir_promql_is_absent(row->values[i])) group->used[i] = 1;
    return code;
}

/* Keeps the steps of the row at which its group is marked (or is not). False: nothing is left. */
static bool sift(struct binary *b, struct weir_promql_row *row, bool marked) {
    const struct match_group *group = group_find(b, row);
    if (!group) return !marked;
    for (uint32_t i = 0; i < b->node.grid.count; i++)
        if ((group->used[i] != 0) != marked) row->values[i] = weir_promql_absent();
    return weir_promql_values_any(row->values, b->node.grid.count);
}

static int filter_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct binary *b = (struct binary *)node;
    bool is_and = b->expr->op == WEIR_PROMQL_OP_AND;
    int code = 0;
    if (!node->started) {
        node->started = true;
        while ((code = node->inputs[1]->next(node->inputs[1], ret)) == 0)
            if ((code = mark(b, ret)) != 0) return code;
        if (code != WEIR_END) return code;
    }
    while ((code = node->inputs[0]->next(node->inputs[0], ret)) == 0)
        if (sift(b, ret, is_and)) return 0;
    return code;
}

static int or_all(struct binary *b) {
    struct weir_promql_node *node = &b->node;
    struct weir_promql_row row;
    int code;
    while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0) {
        code = mark(b, &row);
        if (code == 0) code = weir_promql_kept_add(&b->kept, node, &row);
        if (code) return code;
    }
    if (code != WEIR_END) return code;
    while ((code = node->inputs[1]->next(node->inputs[1], &row)) == 0)
        if (sift(b, &row, false) && (code = weir_promql_kept_add(&b->kept, node, &row)) != 0)
            return code;
    return code == WEIR_END ? 0 : code;
}

static int or_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct binary *b = (struct binary *)node;
    if (!node->started) {
        node->started = true;
        int code = or_all(b);
        if (code) return code;
    }
    return kept_next(b, ret);
}

static bool one_name(const struct weir_promql_expr *e, const struct weir_promql_node *left,
                     const struct weir_promql_node *right) {
    if (e->op == WEIR_PROMQL_OP_OR) return false;
    if (weir_promql_op_is_set(e->op)) return left->one_name;
    if (!weir_promql_op_is_comparison(e->op) || e->is_bool) return true;
    return left->one_name && right->one_name;
}

struct weir_promql_node *weir_promql_binary_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid,
                                                const struct weir_promql_expr *expr,
                                                struct weir_promql_node *left,
                                                struct weir_promql_node *right) {
    int scalars =
        (expr->left->type == WEIR_PROMQL_SCALAR) + (expr->right->type == WEIR_PROMQL_SCALAR);
    struct binary *b = weir_promql_node_new(run, sizeof *b, weir_promql_op_name(expr->op), grid,
                                            scalars == 2                      ? scalars_next
                                            : scalars == 1                    ? mixed_next
                                            : expr->op == WEIR_PROMQL_OP_OR   ? or_next
                                            : weir_promql_op_is_set(expr->op) ? filter_next
                                                                              : match_next);
    if (!b) return NULL;
    b->expr = expr;
    weir_map_init(&b->map);
    weir_buf_init(&b->key, WEIR_PROMQL_KEY_LEN_MAX);
    weir_promql_kept_init(&b->kept);
    b->node.close = binary_close;
    b->node.inputs[b->node.inputs_count++] = left;
    b->node.inputs[b->node.inputs_count++] = right;
    b->node.one_name = scalars == 2 || one_name(expr, left, right);
    /* Mixed arithmetic leaves the names to the planner, which drops them (and merges). */
    if (scalars == 1)
        b->node.one_name =
            expr->left->type == WEIR_PROMQL_SCALAR ? right->one_name : left->one_name;
    return &b->node;
}
