/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that take a row and give a row, and the scalars. */
#include <math.h>
#include <stdio.h>

#include "promql/eval.h"
#include "promql/lex.h"
#include "query/regex.h"
#include "wire/json.h"

struct call {
    struct weir_promql_node node;
    const struct weir_promql_function *function;
    const struct weir_promql_expr *expr;
    double number;
    double *args[WEIR_PROMQL_ARGS_MAX];
    struct weir_label *scratch; /* of labels */
    uint32_t scratch_room;
    struct weir_regex *regex; /* label_replace */
    struct weir_buf text;     /* label_replace, label_join: the new value */
};

enum { LABEL_VALUE_LEN_MAX = 1 << 20 };

static void call_close(struct weir_promql_node *node) {
    struct call *c = (struct call *)node;
    weir_regex_free(c->regex);
    weir_buf_done(&c->text);
}

static struct call *call_new(struct weir_promql_run *run, struct weir_promql_grid grid,
                             const char *name,
                             int (*next)(struct weir_promql_node *, struct weir_promql_row *)) {
    struct call *c = weir_promql_node_new(run, sizeof *c, name, grid, next);
    if (!c) return NULL;
    weir_buf_init(&c->text, LABEL_VALUE_LEN_MAX);
    c->node.close = call_close;
    c->node.one_name = true;
    return c;
}

/* Room for `count` labels. */
static int scratch_room(struct call *c, uint32_t count) {
    if (count <= c->scratch_room) return 0;
    c->scratch_room = count * 2;
    c->scratch = weir_arena_alloc(c->node.run->arena, c->scratch_room * sizeof *c->scratch);
    return c->scratch ? 0 : weir_promql_no_memory(c->node.run);
}

/* ---- scalars: one row without labels ---- */

static int scalar_once(struct weir_promql_node *node, struct weir_promql_row *ret) {
    if (node->started) return WEIR_END;
    node->started = true;
    *ret = (struct weir_promql_row){NULL, 0, node->values};
    return 0;
}

static int number_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    for (uint32_t i = 0; i < node->grid.count; i++) node->values[i] = ((struct call *)node)->number;
    return scalar_once(node, ret);
}

struct weir_promql_node *weir_promql_number_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid, double number) {
    struct call *c = call_new(run, grid, "number", number_next);
    if (!c) return NULL;
    struct weir_buf text;
    weir_buf_init(&text, 400);
    weir_json_format_f64(&text, number);
    c->node.detail = weir_arena_copy(run->arena, weir_buf_view(&text));
    weir_buf_done(&text);
    c->number = number;
    return &c->node;
}

static int time_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    for (uint32_t i = 0; i < node->grid.count; i++)
        node->values[i] = (double)weir_promql_grid_at(&node->grid, i) / 1000;
    return scalar_once(node, ret);
}

/* scalar(v): the value where exactly one series has one, else NaN. */
static int scalar_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    if (node->started) return WEIR_END;
    uint32_t count = node->grid.count;
    uint8_t *seen = weir_arena_calloc(node->run->arena, count + 1U, 1);
    struct weir_promql_row row;
    int code;
    if (!seen) return weir_promql_no_memory(node->run);
    for (uint32_t i = 0; i < count; i++) node->values[i] = (double)NAN;
    while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0)
        for (uint32_t i = 0; i < count; i++) {
            if (weir_promql_is_absent(row.values[i])) continue;
            node->values[i] = seen[i] ? (double)NAN : row.values[i];
            seen[i] = 1;
        }
    return code == WEIR_END ? scalar_once(node, ret) : code;
}

/* vector(s): the scalar's row is the vector's already. */
static int vector_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    return node->inputs[0]->next(node->inputs[0], ret);
}

/* ---- one sample to one sample ---- */

static int instant_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct call *c = (struct call *)node;
    uint32_t args_count = node->inputs_count - 1;
    if (!node->started) {
        node->started = true;
        int code = weir_promql_scalars_read(node, 1, c->args);
        if (code) return code;
    }
    for (;;) {
        int code = node->inputs[0]->next(node->inputs[0], ret);
        if (code) return code;
        bool any = false;
        for (uint32_t i = 0; i < node->grid.count; i++) {
            if (weir_promql_is_absent(ret->values[i])) continue;
            double args[WEIR_PROMQL_ARGS_MAX] = {0};
            for (uint32_t a = 0; a < args_count; a++) args[a] = c->args[a][i];
            bool empty = c->function->instant == weir_promql_instant_clamp && args[1] < args[0];
            ret->values[i] = empty ? weir_promql_absent()
                                   : c->function->instant(ret->values[i], args, args_count);
            any = any || !empty;
        }
        if (any) return 0;
    }
}

/* timestamp(v) of what is not a plain selector: the step's own time. */
static int timestamp_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    int code = node->inputs[0]->next(node->inputs[0], ret);
    if (code) return code;
    for (uint32_t i = 0; i < node->grid.count; i++)
        if (!weir_promql_is_absent(ret->values[i]))
            ret->values[i] = (double)weir_promql_grid_at(&node->grid, i) / 1000;
    return 0;
}

/* ---- labels ---- */

static struct weir_view text_arg(const struct call *c, uint32_t index) {
    return weir_promql_unwrap(c->expr->args[index])->text;
}

static int set_label(struct call *c, struct weir_promql_row *row) {
    if (c->text.failed)
        return weir_error_set(c->node.run->reterr, WEIR_ELIMIT,
                              "a label value of more than %d bytes", LABEL_VALUE_LEN_MAX);
    int code = scratch_room(c, row->labels_count + 1);
    if (code) return code;
    row->labels_count = weir_promql_labels_set(row->labels, row->labels_count, text_arg(c, 1),
                                               weir_buf_view(&c->text), c->scratch);
    row->labels = c->scratch;
    return 0;
}

static int join_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct call *c = (struct call *)node;
    int code = node->inputs[0]->next(node->inputs[0], ret);
    if (code) return code;
    weir_buf_clear(&c->text);
    for (uint32_t i = 3; i < c->expr->args_count; i++) {
        if (i > 3) weir_buf_add_view(&c->text, text_arg(c, 2));
        weir_buf_add_view(&c->text,
                          weir_promql_labels_get(ret->labels, ret->labels_count, text_arg(c, i)));
    }
    return set_label(c, ret);
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The reference behind a '$', as Go's regexp.Expand reads it: gives the bytes taken, 0 if
 * malformed. */
static size_t cut_reference(struct weir_view rest, struct weir_view *ret_name) {
    size_t brace = rest.len && rest.ptr[0] == '{', len = 0;
    while (brace + len < rest.len && is_word(rest.ptr[brace + len])) len++;
    *ret_name = weir_view_upto(weir_view_from(rest, brace), len);
    if (len == 0 || (brace && (1 + len >= rest.len || rest.ptr[1 + len] != '}'))) return 0;
    return len + 2 * brace;
}

static struct weir_view group_of(const struct weir_regex *regex, struct weir_view name,
                                 const struct weir_view *groups, unsigned groups_count) {
    uint64_t number;
    if (weir_view_to_u64(name, &number))
        return number < groups_count ? groups[number] : WEIR_VIEW("");
    for (unsigned i = 1; i < groups_count; i++)
        if (weir_view_eq(weir_regex_group_name(regex, i), name)) return groups[i];
    return WEIR_VIEW("");
}

static void expand(struct call *c, struct weir_view replacement, const struct weir_view *groups,
                   unsigned groups_count) {
    weir_buf_clear(&c->text);
    for (size_t i = 0; i < replacement.len; i++) {
        struct weir_view rest = weir_view_from(replacement, i + 1), name;
        if (replacement.ptr[i] != '$') {
            weir_buf_add_char(&c->text, replacement.ptr[i]);
        } else if (rest.len && rest.ptr[0] == '$') {
            weir_buf_add_char(&c->text, '$');
            i++;
        } else {
            size_t taken = cut_reference(rest, &name);
            if (taken)
                weir_buf_add_view(&c->text, group_of(c->regex, name, groups, groups_count));
            else
                weir_buf_add_char(&c->text, '$');
            i += taken;
        }
    }
}

static int replace_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct call *c = (struct call *)node;
    struct weir_view groups[WEIR_REGEX_CAPTURES_MAX];
    int code = node->inputs[0]->next(node->inputs[0], ret);
    if (code) return code;
    unsigned count = weir_regex_groups_count(c->regex) + 1;
    if (count > WEIR_REGEX_CAPTURES_MAX) count = WEIR_REGEX_CAPTURES_MAX;
    struct weir_view source =
        weir_promql_labels_get(ret->labels, ret->labels_count, text_arg(c, 3));
    int matched = weir_regex_captures(c->regex, source, groups, count);
    if (matched < 0)
        return weir_error_set(node->run->reterr, matched,
                              "regular expression of label_replace is too complex");
    if (matched == 0) return 0;
    expand(c, text_arg(c, 2), groups, count);
    return set_label(c, ret);
}

static int labels_prepare(struct call *c) {
    struct weir_view name = text_arg(c, 1);
    if (name.len == 0)
        return weir_error_set(c->node.run->reterr, WEIR_ELIMIT,
                              "invalid destination label name in %s(): it is empty",
                              c->function->name);
    if (c->function->special != WEIR_PROMQL_SPECIAL_LABEL_REPLACE) return 0;
    struct weir_error error;
    int code = weir_regex_new(text_arg(c, 4), WEIR_REGEX_ANCHORED, &c->regex, &error);
    if (code == 0) return 0;
    return weir_error_set(c->node.run->reterr, WEIR_ELIMIT,
                          "invalid regular expression in label_replace(): %s", error.message);
}

struct weir_promql_node *weir_promql_call_new(struct weir_promql_run *run,
                                              struct weir_promql_grid grid,
                                              const struct weir_promql_expr *expr,
                                              struct weir_promql_node *vector) {
    static int (*const specials[])(struct weir_promql_node *, struct weir_promql_row *) = {
        [WEIR_PROMQL_SPECIAL_NONE] = instant_next,
        [WEIR_PROMQL_SPECIAL_TIME] = time_next,
        [WEIR_PROMQL_SPECIAL_PI] = number_next,
        [WEIR_PROMQL_SPECIAL_SCALAR] = scalar_next,
        [WEIR_PROMQL_SPECIAL_VECTOR] = vector_next,
        [WEIR_PROMQL_SPECIAL_TIMESTAMP] = timestamp_next,
        [WEIR_PROMQL_SPECIAL_LABEL_REPLACE] = replace_next,
        [WEIR_PROMQL_SPECIAL_LABEL_JOIN] = join_next,
    };
    struct call *c = call_new(run, grid, expr->function->name, specials[expr->function->special]);
    if (!c) return NULL;
    c->function = expr->function;
    c->expr = expr;
    c->number = M_PI;
    if (!vector) return &c->node;
    c->node.inputs[c->node.inputs_count++] = vector;
    c->node.one_name = vector->one_name;
    bool labels = expr->function->special == WEIR_PROMQL_SPECIAL_LABEL_REPLACE ||
                  expr->function->special == WEIR_PROMQL_SPECIAL_LABEL_JOIN;
    return labels && labels_prepare(c) ? NULL : &c->node;
}
