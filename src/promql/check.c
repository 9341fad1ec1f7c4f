/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/functions.h"
#include "promql/lex.h"
#include "promql/parse.h"
#include "query/regex.h"

struct checker {
    struct weir_view text;
    struct weir_error *reterr;
};

static int check(struct checker *c, const struct weir_promql_expr *expr);

static int expect_type(struct checker *c, const struct weir_promql_expr *expr,
                       enum weir_promql_type type, const char *where, const char *name) {
    if (expr->type == type) return 0;
    return weir_promql_error_at(
        c->reterr, c->text, expr->from, "expected type %s in %s \"%s\", got %s",
        weir_promql_type_name(type), where, name, weir_promql_type_name(expr->type));
}

static int check_call(struct checker *c, const struct weir_promql_expr *expr) {
    const struct weir_promql_function *f = expr->function;
    uint32_t wanted = (uint32_t)strlen(f->args), least = wanted - f->optional;
    const char *bound = NULL;
    if (f->optional == 0 && !f->variadic && expr->args_count != wanted)
        bound = "";
    else if (expr->args_count < least)
        bound = "at least ";
    else if (!f->variadic && expr->args_count > wanted)
        bound = "at most ";
    uint32_t shown = expr->args_count < least ? least : wanted;
    if (bound)
        return weir_promql_error_at(c->reterr, c->text, expr->from,
                                    "expected %s%u argument%s in call to \"%s\", got %u", bound,
                                    shown, shown == 1 ? "" : "s", f->name, expr->args_count);
    if (expr->args_count > WEIR_PROMQL_ARGS_MAX && !f->variadic)
        return weir_promql_error_at(c->reterr, c->text, expr->from, "too many arguments");
    for (uint32_t i = 0; i < expr->args_count; i++) {
        char letter = f->args[i < wanted ? i : wanted - 1];
        enum weir_promql_type type = letter == 's'   ? WEIR_PROMQL_SCALAR
                                     : letter == 'v' ? WEIR_PROMQL_VECTOR
                                     : letter == 'm' ? WEIR_PROMQL_MATRIX
                                                     : WEIR_PROMQL_STRING;
        int code = check(c, expr->args[i]);
        if (code == 0) code = expect_type(c, expr->args[i], type, "call to function", f->name);
        if (code) return code;
    }
    return 0;
}

static int check_aggregate(struct checker *c, const struct weir_promql_expr *expr) {
    const char *name = weir_promql_aggregation_name(expr->aggregation);
    int code = check(c, expr->left);
    if (code == 0)
        code = expect_type(c, expr->left, WEIR_PROMQL_VECTOR, "aggregation expression", name);
    if (code || !expr->param) return code;
    bool text = expr->aggregation == WEIR_PROMQL_COUNT_VALUES;
    code = check(c, expr->param);
    if (code) return code;
    return expect_type(c, expr->param, text ? WEIR_PROMQL_STRING : WEIR_PROMQL_SCALAR,
                       "aggregation parameter", name);
}

static int check_matching(struct checker *c, const struct weir_promql_expr *expr, bool vectors) {
    if (!vectors && expr->matching)
        return weir_promql_error_at(c->reterr, c->text, expr->from,
                                    "vector matching only allowed between instant vectors");
    if (!expr->on) return 0;
    for (uint32_t i = 0; i < expr->include.count; i++)
        if (weir_promql_names_have(&expr->labels, expr->include.items[i]))
            return weir_promql_error_at(
                c->reterr, c->text, expr->from,
                "label \"%.*s\" must not occur in ON and GROUP clause at once",
                WEIR_VIEW_ARG(weir_view_upto(expr->include.items[i], 100)));
    return 0;
}

static bool is_number_or_vector(const struct weir_promql_expr *expr) {
    return expr->type == WEIR_PROMQL_SCALAR || expr->type == WEIR_PROMQL_VECTOR;
}

static int check_binary(struct checker *c, const struct weir_promql_expr *expr) {
    const struct weir_promql_expr *left = expr->left, *right = expr->right;
    int code = check(c, left);
    if (code == 0) code = check(c, right);
    if (code) return code;
    if (!is_number_or_vector(left) || !is_number_or_vector(right))
        return weir_promql_error_at(
            c->reterr, c->text, is_number_or_vector(left) ? right->from : left->from,
            "binary expression must contain only scalar and instant vector types");
    bool scalars = left->type == WEIR_PROMQL_SCALAR && right->type == WEIR_PROMQL_SCALAR;
    bool vectors = left->type == WEIR_PROMQL_VECTOR && right->type == WEIR_PROMQL_VECTOR;
    if (weir_promql_op_is_set(expr->op) && !vectors)
        return weir_promql_error_at(c->reterr, c->text, expr->from,
                                    "set operator \"%s\" not allowed in binary scalar expression",
                                    weir_promql_op_name(expr->op));
    if (scalars && weir_promql_op_is_comparison(expr->op) && !expr->is_bool)
        return weir_promql_error_at(
            c->reterr, c->text, expr->from,
            "comparisons between scalars must use BOOL modifier; write %s bool",
            weir_promql_op_name(expr->op));
    return check_matching(c, expr, vectors);
}

static bool matches_empty(const struct weir_promql_matcher *m) {
    if (m->match == WEIR_PROMQL_MATCH_EQ) return m->value.len == 0;
    if (m->match == WEIR_PROMQL_MATCH_NE) return m->value.len != 0;
    struct weir_regex *regex;
    if (weir_regex_new(m->value, WEIR_REGEX_ANCHORED, &regex, NULL)) return false;
    bool empty = weir_regex_match(regex, WEIR_VIEW("")) == 1;
    weir_regex_free(regex);
    return empty == (m->match == WEIR_PROMQL_MATCH_RE);
}

static int check_selector(struct checker *c, const struct weir_promql_expr *expr) {
    bool selects = false;
    uint32_t names_count = 0;
    for (uint32_t i = 0; i < expr->matchers_count; i++) {
        const struct weir_promql_matcher *m = &expr->matchers[i];
        names_count += weir_view_is(m->name, "__name__");
        if (expr->name.len && names_count > 1)
            return weir_promql_error_at(c->reterr, c->text, expr->from,
                                        "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                                        WEIR_VIEW_ARG(weir_view_upto(expr->name, 100)),
                                        WEIR_VIEW_ARG(weir_view_upto(m->value, 100)));
        if (!selects) selects = !matches_empty(m);
    }
    if (selects) return 0;
    return weir_promql_error_at(c->reterr, c->text, expr->from,
                                "vector selector must contain at least one non-empty matcher");
}

static int check_unary(struct checker *c, const struct weir_promql_expr *expr) {
    int code = check(c, expr->left);
    if (code || is_number_or_vector(expr->left)) return code;
    return weir_promql_error_at(c->reterr, c->text, expr->from,
                                "unary expression only allowed on expressions of type scalar or "
                                "instant vector, got \"%s\"",
                                weir_promql_type_name(expr->left->type));
}

static int check(struct checker *c, const struct weir_promql_expr *expr) {
    switch (expr->kind) {
    case WEIR_PROMQL_NUMBER:
    case WEIR_PROMQL_TEXT: return 0;
    case WEIR_PROMQL_PAREN:
    case WEIR_PROMQL_RANGE:
    case WEIR_PROMQL_SUBQUERY: return check(c, expr->left);
    case WEIR_PROMQL_UNARY: return check_unary(c, expr);
    case WEIR_PROMQL_BINARY: return check_binary(c, expr);
    case WEIR_PROMQL_AGGREGATE: return check_aggregate(c, expr);
    case WEIR_PROMQL_CALL: return check_call(c, expr);
    case WEIR_PROMQL_SELECTOR: return check_selector(c, expr);
    }
    return 0;
}

int weir_promql_check(const struct weir_promql_expr *expr, struct weir_view text,
                      struct weir_error *reterr) {
    struct checker c = {text, reterr};
    return check(&c, expr);
}
