/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/parse.h"

#include "logql/check.h"
#include "logql/functions.h"
#include "logql/parser.h"

int weir_logql_advance(struct weir_logql_parser *p) {
    return weir_logql_lex_next(&p->lex, &p->token, p->reterr);
}

int weir_logql_nomem(struct weir_logql_parser *p) {
    return weir_error_set(p->reterr, WEIR_ENOMEMORY, "query needs too much memory to parse");
}

bool weir_logql_at_name(const struct weir_logql_parser *p, const char *name) {
    return p->token.kind == WEIR_LOGQL_TOKEN_NAME && weir_view_is(p->token.text, name);
}

int weir_logql_unexpected(struct weir_logql_parser *p, const char *expected) {
    if (p->token.kind == WEIR_LOGQL_TOKEN_END)
        return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                   "unexpected end of the query, expected %s", expected);
    return weir_logql_error_at(p->lex.input, p->token.at, p->reterr, "unexpected %.*s, expected %s",
                               WEIR_VIEW_ARG(weir_view_upto(p->token.text, 60)), expected);
}

int weir_logql_expect(struct weir_logql_parser *p, int kind, const char *what) {
    return p->token.kind == kind ? weir_logql_advance(p) : weir_logql_unexpected(p, what);
}

static int expression(struct weir_logql_parser *p, int strength, struct weir_logql_expr **ret);

static struct weir_logql_expr *new_expr(struct weir_logql_parser *p, enum weir_logql_kind kind) {
    struct weir_logql_expr *expr = WEIR_NEW(p->arena, struct weir_logql_expr);
    if (!expr) return NULL;
    expr->kind = kind;
    expr->at = p->token.at;
    return expr;
}

/* ( a, b ) */
static int name_list(struct weir_logql_parser *p, struct weir_view **names, uint32_t *count) {
    uint32_t room = 0;
    int rc = weir_logql_expect(p, '(', "(");
    while (rc == 0 && p->token.kind != ')') {
        struct weir_view *name = WEIR_PUSH(p->arena, *names, *count, room);
        if (!name) return weir_logql_nomem(p);
        if (p->token.kind != WEIR_LOGQL_TOKEN_NAME) return weir_logql_unexpected(p, "a label name");
        *name = p->token.text;
        if ((rc = weir_logql_advance(p)) != 0 || p->token.kind == ')') break;
        rc = weir_logql_expect(p, ',', ", or )");
    }
    return rc == 0 ? weir_logql_expect(p, ')', ")") : rc;
}

static int grouping(struct weir_logql_parser *p, struct weir_logql_grouping *ret) {
    bool without = weir_logql_at_name(p, "without");
    if (ret->present || (!without && !weir_logql_at_name(p, "by"))) return 0;
    ret->present = true;
    ret->without = without;
    int rc = weir_logql_advance(p);
    return rc == 0 ? name_list(p, &ret->names, &ret->names_count) : rc;
}

static int number(struct weir_logql_parser *p, double *ret) {
    double factor = 1;
    int rc = 0;
    if (p->token.kind == '-' || p->token.kind == '+') {
        factor = p->token.kind == '-' ? -1 : 1;
        if ((rc = weir_logql_advance(p)) != 0) return rc;
    }
    if (p->token.kind != WEIR_LOGQL_TOKEN_NUMBER) return weir_logql_unexpected(p, "a number");
    *ret = factor * p->token.number;
    return weir_logql_advance(p);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static int range(struct weir_logql_parser *p, struct weir_logql_expr *expr) {
    if (expr->range_ns) return weir_logql_unexpected(p, "only one range");
    int rc = weir_logql_advance(p); /* [ */
    if (rc != 0) return rc;
    if (p->token.kind != WEIR_LOGQL_TOKEN_DURATION || p->token.duration_ns <= 0)
        return weir_logql_unexpected(p, "a range such as 5m");
    expr->range_ns = p->token.duration_ns;
    if ((rc = weir_logql_advance(p)) == 0) rc = weir_logql_expect(p, ']', "]");
    if (rc != 0 || !weir_logql_at_name(p, "offset")) return rc;
    if ((rc = weir_logql_advance(p)) != 0) return rc;
    int64_t sign = 1;
    if (p->token.kind == '-') {
        sign = -1;
        if ((rc = weir_logql_advance(p)) != 0) return rc;
    }
    if (p->token.kind != WEIR_LOGQL_TOKEN_DURATION)
        return weir_logql_unexpected(p, "an offset such as 1h");
    expr->offset_ns = sign * p->token.duration_ns;
    return weir_logql_advance(p);
}

/* A log query with its range, which may stand before, inside or behind the pipeline. */
static int log_range(struct weir_logql_parser *p, struct weir_logql_expr *expr) {
    int rc;
    if (p->token.kind == '(') {
        if (++p->depth > WEIR_LOGQL_DEPTH_MAX)
            return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                       "query is nested too deeply");
        rc = weir_logql_advance(p);
        if (rc == 0) rc = log_range(p, expr);
        if (rc == 0) rc = weir_logql_expect(p, ')', ")");
        p->depth--;
    } else {
        rc = weir_logql_parse_matchers(p, &expr->log);
    }
    while (rc == 0 && (weir_logql_at_stage(p) || p->token.kind == '['))
        rc = p->token.kind == '[' ? range(p, expr) : weir_logql_parse_stages(p, &expr->log, true);
    return rc;
}

static int range_agg(struct weir_logql_parser *p, const struct weir_logql_func_info *info,
                     struct weir_logql_expr **ret) {
    struct weir_logql_expr *expr = *ret = new_expr(p, WEIR_LOGQL_RANGE_AGG);
    if (!expr) return weir_logql_nomem(p);
    expr->func = info->func;
    int rc = weir_logql_advance(p);
    if (rc == 0) rc = weir_logql_expect(p, '(', "(");
    if (rc == 0 && p->token.kind != '{' && p->token.kind != '(') {
        if (!(info->flags & WEIR_LOGQL_FUNC_PARAM))
            return weir_logql_unexpected(p, "a stream selector {…}");
        expr->has_param = true;
        rc = number(p, &expr->param);
        if (rc == 0) rc = weir_logql_expect(p, ',', ",");
    }
    if (rc == 0) rc = log_range(p, expr);
    if (rc == 0 && !expr->range_ns) return weir_logql_unexpected(p, "a range such as [5m]");
    if (rc == 0) rc = weir_logql_expect(p, ')', ")");
    return rc == 0 ? grouping(p, &expr->grouping) : rc;
}

/* ---- the rest of the expressions ------------------------------------------------------------- */

static int vector_agg(struct weir_logql_parser *p, const struct weir_logql_func_info *info,
                      struct weir_logql_expr **ret) {
    struct weir_logql_expr *expr = *ret = new_expr(p, WEIR_LOGQL_VECTOR_AGG);
    if (!expr) return weir_logql_nomem(p);
    expr->func = info->func;
    int rc = weir_logql_advance(p);
    if (rc == 0) rc = grouping(p, &expr->grouping);
    if (rc == 0) rc = weir_logql_expect(p, '(', "(");
    if (rc == 0 && info->flags & WEIR_LOGQL_FUNC_PARAM) {
        expr->has_param = true;
        rc = number(p, &expr->param);
        if (rc == 0) rc = weir_logql_expect(p, ',', ",");
    }
    if (rc == 0) rc = expression(p, 1, &expr->left);
    if (rc == 0) rc = weir_logql_expect(p, ')', ")");
    return rc == 0 ? grouping(p, &expr->grouping) : rc;
}

static int vector_call(struct weir_logql_parser *p, struct weir_logql_expr **ret) {
    struct weir_logql_expr *expr = *ret = new_expr(p, WEIR_LOGQL_VECTOR);
    if (!expr) return weir_logql_nomem(p);
    int rc = weir_logql_advance(p);
    if (rc == 0) rc = weir_logql_expect(p, '(', "(");
    if (rc == 0) rc = number(p, &expr->param);
    return rc == 0 ? weir_logql_expect(p, ')', ")") : rc;
}

static int label_replace(struct weir_logql_parser *p, struct weir_logql_expr **ret) {
    struct weir_logql_expr *expr = *ret = new_expr(p, WEIR_LOGQL_LABEL_REPLACE);
    if (!expr) return weir_logql_nomem(p);
    int rc = weir_logql_advance(p);
    if (rc == 0) rc = weir_logql_expect(p, '(', "(");
    if (rc == 0) rc = expression(p, 1, &expr->left);
    for (int i = 0; rc == 0 && i < 4; i++) {
        rc = weir_logql_expect(p, ',', ",");
        if (rc == 0 && p->token.kind != WEIR_LOGQL_TOKEN_STRING)
            rc = weir_logql_unexpected(p, "a string");
        expr->replace[i] = p->token.str;
        if (rc == 0) rc = weir_logql_advance(p);
    }
    return rc == 0 ? weir_logql_expect(p, ')', ")") : rc;
}

static int call(struct weir_logql_parser *p, struct weir_logql_expr **ret) {
    if (weir_logql_at_name(p, "vector")) return vector_call(p, ret);
    if (weir_logql_at_name(p, "label_replace")) return label_replace(p, ret);
    const struct weir_logql_func_info *info = weir_logql_func_find(p->token.text);
    if (info)
        return info->flags & WEIR_LOGQL_FUNC_RANGE ? range_agg(p, info, ret)
                                                   : vector_agg(p, info, ret);
    if (weir_logql_at_name(p, "variants"))
        return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                   "variants(…) is not supported; send one query per variant");
    const char *nearest = weir_logql_func_nearest(p->token.text);
    return weir_logql_error_at(
        p->lex.input, p->token.at, p->reterr, "unknown function \"%.*s\"%s%s%s",
        WEIR_VIEW_ARG(weir_view_upto(p->token.text, 60)), nearest ? "; did you mean " : "",
        nearest ? nearest : "", nearest ? "?" : "");
}

static int literal(struct weir_logql_parser *p, struct weir_logql_expr **ret) {
    struct weir_logql_expr *expr = *ret = new_expr(p, WEIR_LOGQL_LITERAL);
    return expr ? number(p, &expr->param) : weir_logql_nomem(p);
}

static int log_query(struct weir_logql_parser *p, struct weir_logql_expr **ret) {
    struct weir_logql_expr *expr = *ret = new_expr(p, WEIR_LOGQL_LOG);
    if (!expr) return weir_logql_nomem(p);
    int rc = weir_logql_parse_matchers(p, &expr->log);
    return rc == 0 ? weir_logql_parse_stages(p, &expr->log, false) : rc;
}

static int atom(struct weir_logql_parser *p, struct weir_logql_expr **ret) {
    switch (p->token.kind) {
    case '{': return log_query(p, ret);
    case WEIR_LOGQL_TOKEN_NAME: return call(p, ret);
    case WEIR_LOGQL_TOKEN_NUMBER:
    case '-':
    case '+': return literal(p, ret);
    case '(': break;
    default: return weir_logql_unexpected(p, "a stream selector {…}, a function or a number");
    }
    int rc = weir_logql_advance(p);
    if (rc == 0) rc = expression(p, 1, ret);
    if (rc == 0) rc = weir_logql_expect(p, ')', ")");
    /* ({…}) |= "x": the pipeline may stand behind the parentheses. */
    if (rc == 0 && *ret && (*ret)->kind == WEIR_LOGQL_LOG)
        rc = weir_logql_parse_stages(p, &(*ret)->log, false);
    return rc;
}

static enum weir_logql_op binary_op(const struct weir_logql_parser *p) {
    switch (p->token.kind) {
    case '+': return WEIR_LOGQL_OP_ADD;
    case '-': return WEIR_LOGQL_OP_SUB;
    case '*': return WEIR_LOGQL_OP_MUL;
    case '/': return WEIR_LOGQL_OP_DIV;
    case '%': return WEIR_LOGQL_OP_MOD;
    case '^': return WEIR_LOGQL_OP_POW;
    case WEIR_LOGQL_TOKEN_EQ_EQ: return WEIR_LOGQL_OP_EQ;
    case WEIR_LOGQL_TOKEN_NE: return WEIR_LOGQL_OP_NE;
    case '>': return WEIR_LOGQL_OP_GT;
    case '<': return WEIR_LOGQL_OP_LT;
    case WEIR_LOGQL_TOKEN_GE: return WEIR_LOGQL_OP_GE;
    case WEIR_LOGQL_TOKEN_LE: return WEIR_LOGQL_OP_LE;
    default: break;
    }
    if (weir_logql_at_name(p, "and")) return WEIR_LOGQL_OP_AND;
    if (weir_logql_at_name(p, "or")) return WEIR_LOGQL_OP_OR;
    if (weir_logql_at_name(p, "unless")) return WEIR_LOGQL_OP_UNLESS;
    return WEIR_LOGQL_OP_NONE;
}

static int matching(struct weir_logql_parser *p, struct weir_logql_expr *expr) {
    struct weir_logql_matching *m = &expr->matching;
    int rc = 0;
    if (weir_logql_at_name(p, "bool")) {
        expr->return_bool = true;
        rc = weir_logql_advance(p);
    }
    if (rc == 0 && (weir_logql_at_name(p, "on") || weir_logql_at_name(p, "ignoring"))) {
        m->present = true;
        m->on = weir_logql_at_name(p, "on");
        rc = weir_logql_advance(p);
        if (rc == 0) rc = name_list(p, &m->names, &m->names_count);
        m->group_left = rc == 0 && weir_logql_at_name(p, "group_left");
        m->group_right = rc == 0 && weir_logql_at_name(p, "group_right");
        if (m->group_left || m->group_right) {
            rc = weir_logql_advance(p);
            if (rc == 0 && p->token.kind == '(') rc = name_list(p, &m->include, &m->include_count);
        }
    }
    return rc;
}

/* Precedence climbing: binds operators of at least `strength`; ^ groups to the right. */
static int expression(struct weir_logql_parser *p, int strength, struct weir_logql_expr **ret) {
    if (++p->depth > WEIR_LOGQL_DEPTH_MAX)
        return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                   "query is nested too deeply");
    int rc = atom(p, ret);
    for (int i = 0; rc == 0; i++) {
        enum weir_logql_op op = binary_op(p);
        int own = weir_logql_op_strength(op);
        if (op == WEIR_LOGQL_OP_NONE || own < strength) break;
        if (i > 200)
            return weir_logql_error_at(p->lex.input, p->token.at, p->reterr, "too many operators");
        struct weir_logql_expr *expr = new_expr(p, WEIR_LOGQL_BINARY);
        if (!expr) return weir_logql_nomem(p);
        expr->op = op;
        expr->left = *ret;
        rc = weir_logql_advance(p);
        if (rc == 0) rc = matching(p, expr);
        if (rc == 0) rc = expression(p, op == WEIR_LOGQL_OP_POW ? own : own + 1, &expr->right);
        *ret = expr;
    }
    p->depth--;
    return rc;
}

static int start(struct weir_logql_parser *p, struct weir_view query) {
    if (query.len > WEIR_LOGQL_QUERY_MAX)
        return weir_error_set(p->reterr, WEIR_EINVALID, "query is longer than %d bytes",
                              WEIR_LOGQL_QUERY_MAX);
    return weir_logql_advance(p);
}

int weir_logql_parse(struct weir_view query, struct weir_arena *arena, struct weir_logql_expr **ret,
                     struct weir_error *reterr) {
    struct weir_logql_parser p = {
        .lex = {.input = query, .arena = arena}, .arena = arena, .reterr = reterr};
    struct weir_logql_expr *expr = NULL;
    int rc = start(&p, query);
    if (rc == 0) rc = expression(&p, 1, &expr);
    if (rc == 0 && p.token.kind != WEIR_LOGQL_TOKEN_END)
        rc = weir_logql_unexpected(&p, "the end of the query");
    if (rc == 0) rc = weir_logql_check(query, expr, arena, reterr);
    if (rc == 0) *ret = expr;
    return rc;
}

int weir_logql_parse_selector(struct weir_view query, struct weir_arena *arena,
                              struct weir_logql_log *ret, struct weir_error *reterr) {
    struct weir_logql_parser p = {
        .lex = {.input = query, .arena = arena}, .arena = arena, .reterr = reterr};
    struct weir_logql_log log = {0};
    int rc = start(&p, query);
    if (rc == 0 && p.token.kind != WEIR_LOGQL_TOKEN_END) rc = weir_logql_parse_matchers(&p, &log);
    if (rc == 0 && p.token.kind != WEIR_LOGQL_TOKEN_END)
        rc = weir_logql_unexpected(&p, "the end of the selector");
    if (rc == 0) rc = weir_logql_check_matchers(query, &log, reterr);
    if (rc == 0) *ret = log;
    return rc;
}
