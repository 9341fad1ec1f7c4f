/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/functions.h"
#include "traceql/parser.h"

static struct weir_traceql_expr *new_expr(struct weir_traceql_parser *p,
                                          enum weir_traceql_expr_kind kind) {
    struct weir_traceql_expr *expr = WEIR_NEW(p->arena, struct weir_traceql_expr);
    if (!expr) return NULL;
    expr->kind = kind;
    expr->at = p->token.at;
    expr->text = p->token.text;
    return expr;
}

static int attribute(struct weir_traceql_parser *p, struct weir_traceql_expr **ret) {
    static const struct {
        const char *name;
        enum weir_traceql_scope scope;
    } scopes[] = {
        {"", WEIR_TRACEQL_SCOPE_ANY},
        {"span", WEIR_TRACEQL_SCOPE_SPAN},
        {"resource", WEIR_TRACEQL_SCOPE_RESOURCE},
        {"parent", WEIR_TRACEQL_SCOPE_PARENT},
        {"event", WEIR_TRACEQL_SCOPE_EVENT},
        {"link", WEIR_TRACEQL_SCOPE_LINK},
        {"instrumentation", WEIR_TRACEQL_SCOPE_INSTRUMENTATION},
    };
    struct weir_traceql_expr *expr = *ret = new_expr(p, WEIR_TRACEQL_EXPR_FIELD);
    if (!expr) return weir_traceql_nomem(p);
    struct weir_view scope = p->token.text;
    if (weir_view_starts(scope, WEIR_VIEW("parent."))) scope = WEIR_VIEW("parent");
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        if (weir_view_is(scope, scopes[i].name)) expr->field.scope = scopes[i].scope;
    expr->field.name = p->token.str;
    return weir_traceql_advance(p);
}

static int aggregate_call(struct weir_traceql_parser *p, enum weir_traceql_aggregate aggregate,
                          struct weir_traceql_expr **ret) {
    struct weir_traceql_expr *expr = *ret = new_expr(p, WEIR_TRACEQL_EXPR_AGGREGATE);
    if (!expr) return weir_traceql_nomem(p);
    expr->aggregate = aggregate;
    int rc = weir_traceql_advance(p);
    if (rc == 0) rc = weir_traceql_expect(p, '(', "(");
    if (rc == 0 && aggregate != WEIR_TRACEQL_COUNT) {
        p->scalar = false;
        rc = weir_traceql_parse_expr(p, 1, &expr->left);
        p->scalar = true;
    }
    return rc == 0 ? weir_traceql_expect(p, ')', ")") : rc;
}

static int named(struct weir_traceql_parser *p, struct weir_traceql_expr **ret) {
    enum weir_traceql_aggregate aggregate;
    if (p->scalar && weir_traceql_aggregate_find(p->token.text, &aggregate))
        return aggregate_call(p, aggregate, ret);
    const struct weir_traceql_intrinsic_info *info = weir_traceql_intrinsic_find(p->token.text);
    struct weir_traceql_value value = {.type = WEIR_TRACEQL_TYPE_NIL};
    if (!info && !weir_traceql_constant_find(p->token.text, &value)) {
        const char *nearest = weir_traceql_name_nearest(p->token.text);
        return weir_traceql_error_at(
            p->lex.input, p->token.at, p->reterr,
            "unknown identifier \"%.*s\"%s%s%s; attributes start with a dot or a "
            "scope: .%.*s",
            WEIR_VIEW_ARG(weir_view_upto(p->token.text, 60)), nearest ? ", did you mean " : "",
            nearest ? nearest : "", nearest ? "?" : "",
            WEIR_VIEW_ARG(weir_view_upto(p->token.text, 60)));
    }
    struct weir_traceql_expr *expr = *ret =
        new_expr(p, info ? WEIR_TRACEQL_EXPR_FIELD : WEIR_TRACEQL_EXPR_VALUE);
    if (!expr) return weir_traceql_nomem(p);
    if (info)
        expr->field.intrinsic = info->intrinsic;
    else
        expr->value = value;
    return weir_traceql_advance(p);
}

static int constant(struct weir_traceql_parser *p, struct weir_traceql_expr **ret) {
    struct weir_traceql_expr *expr = *ret = new_expr(p, WEIR_TRACEQL_EXPR_VALUE);
    if (!expr) return weir_traceql_nomem(p);
    struct weir_traceql_value *value = &expr->value;
    switch (p->token.kind) {
    case WEIR_TRACEQL_TOKEN_STRING:
        value->type = WEIR_TRACEQL_TYPE_STRING;
        value->str = p->token.str;
        break;
    case WEIR_TRACEQL_TOKEN_INT:
        value->type = WEIR_TRACEQL_TYPE_INT;
        value->i64 = p->token.i64;
        break;
    case WEIR_TRACEQL_TOKEN_DURATION:
        value->type = WEIR_TRACEQL_TYPE_DURATION;
        value->i64 = p->token.i64;
        break;
    default:
        value->type = WEIR_TRACEQL_TYPE_FLOAT;
        value->f64 = p->token.f64;
        break;
    }
    return weir_traceql_advance(p);
}

static int unary(struct weir_traceql_parser *p, struct weir_traceql_expr **ret) {
    struct weir_traceql_expr *expr = *ret = new_expr(p, WEIR_TRACEQL_EXPR_UNARY);
    if (!expr) return weir_traceql_nomem(p);
    expr->op = p->token.kind == '!' ? WEIR_TRACEQL_OP_NOT : WEIR_TRACEQL_OP_NEG;
    int rc = weir_traceql_advance(p);
    return rc == 0 ? weir_traceql_parse_expr(p, 4, &expr->left) : rc;
}

static int atom(struct weir_traceql_parser *p, struct weir_traceql_expr **ret) {
    switch (p->token.kind) {
    case WEIR_TRACEQL_TOKEN_ATTRIBUTE: return attribute(p, ret);
    case WEIR_TRACEQL_TOKEN_NAME: return named(p, ret);
    case WEIR_TRACEQL_TOKEN_STRING:
    case WEIR_TRACEQL_TOKEN_INT:
    case WEIR_TRACEQL_TOKEN_FLOAT:
    case WEIR_TRACEQL_TOKEN_DURATION: return constant(p, ret);
    case '!':
    case '-': return unary(p, ret);
    case '(': break;
    default: return weir_traceql_unexpected(p, "an attribute, an intrinsic or a value");
    }
    int rc = weir_traceql_advance(p);
    if (rc == 0) rc = weir_traceql_parse_expr(p, 1, ret);
    return rc == 0 ? weir_traceql_expect(p, ')', ")") : rc;
}

static enum weir_traceql_op binary_op(int token) {
    switch (token) {
    case WEIR_TRACEQL_TOKEN_OR: return WEIR_TRACEQL_OP_OR;
    case WEIR_TRACEQL_TOKEN_AND: return WEIR_TRACEQL_OP_AND;
    case '=': return WEIR_TRACEQL_OP_EQ;
    case WEIR_TRACEQL_TOKEN_NE: return WEIR_TRACEQL_OP_NE;
    case WEIR_TRACEQL_TOKEN_RE: return WEIR_TRACEQL_OP_RE;
    case WEIR_TRACEQL_TOKEN_NRE: return WEIR_TRACEQL_OP_NRE;
    case '>': return WEIR_TRACEQL_OP_GT;
    case WEIR_TRACEQL_TOKEN_GE: return WEIR_TRACEQL_OP_GE;
    case '<': return WEIR_TRACEQL_OP_LT;
    case WEIR_TRACEQL_TOKEN_LE: return WEIR_TRACEQL_OP_LE;
    case '+': return WEIR_TRACEQL_OP_ADD;
    case '-': return WEIR_TRACEQL_OP_SUB;
    case '*': return WEIR_TRACEQL_OP_MUL;
    case '/': return WEIR_TRACEQL_OP_DIV;
    case '%': return WEIR_TRACEQL_OP_MOD;
    case '^': return WEIR_TRACEQL_OP_POW;
    default: return WEIR_TRACEQL_OP_NONE;
    }
}

int weir_traceql_parse_expr(struct weir_traceql_parser *p, int strength,
                            struct weir_traceql_expr **ret) {
    int rc = weir_traceql_deeper(p);
    if (rc == 0) rc = atom(p, ret);
    for (int i = 0; rc == 0; i++) {
        enum weir_traceql_op op = binary_op(p->token.kind);
        int own = weir_traceql_op_strength(op);
        if (op == WEIR_TRACEQL_OP_NONE || own < strength) break;
        if (i > 500)
            return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                         "too many operators");
        struct weir_traceql_expr *expr = new_expr(p, WEIR_TRACEQL_EXPR_BINARY);
        if (!expr) return weir_traceql_nomem(p);
        expr->op = op;
        expr->left = *ret;
        rc = weir_traceql_advance(p);
        if (rc == 0)
            rc =
                weir_traceql_parse_expr(p, op == WEIR_TRACEQL_OP_POW ? own : own + 1, &expr->right);
        *ret = expr;
    }
    p->depth--;
    return rc;
}
