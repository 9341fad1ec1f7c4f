/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/parse.h"

#include "traceql/check.h"
#include "traceql/functions.h"
#include "traceql/parser.h"

int weir_traceql_advance(struct weir_traceql_parser *p) {
    return weir_traceql_lex_next(&p->lex, &p->token, p->reterr);
}

int weir_traceql_nomem(struct weir_traceql_parser *p) {
    return weir_error_set(p->reterr, WEIR_ENOMEMORY, "query needs too much memory to parse");
}

int weir_traceql_deeper(struct weir_traceql_parser *p) {
    if (++p->depth <= WEIR_TRACEQL_DEPTH_MAX) return 0;
    return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                 "query is nested too deeply");
}

bool weir_traceql_at_name(const struct weir_traceql_parser *p, const char *name) {
    return p->token.kind == WEIR_TRACEQL_TOKEN_NAME && weir_view_is(p->token.text, name);
}

int weir_traceql_unexpected(struct weir_traceql_parser *p, const char *expected) {
    if (p->token.kind == WEIR_TRACEQL_TOKEN_END)
        return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                     "unexpected end of the query, expected %s", expected);
    struct weir_view text = weir_view(p->lex.input.ptr + p->token.at, p->token.end - p->token.at);
    return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                 "unexpected %.*s, expected %s",
                                 WEIR_VIEW_ARG(weir_view_upto(text, 60)), expected);
}

int weir_traceql_expect(struct weir_traceql_parser *p, int kind, const char *what) {
    return p->token.kind == kind ? weir_traceql_advance(p) : weir_traceql_unexpected(p, what);
}

static int stages(struct weir_traceql_parser *p, struct weir_traceql_stage **tail);
static int spanset(struct weir_traceql_parser *p, int strength, struct weir_traceql_spanset **ret);

/* ---- spansets -------------------------------------------------------------------------------- */

static struct weir_traceql_spanset *new_spanset(struct weir_traceql_parser *p) {
    struct weir_traceql_spanset *set = WEIR_NEW(p->arena, struct weir_traceql_spanset);
    if (set) set->at = p->token.at;
    return set;
}

static int filter(struct weir_traceql_parser *p, struct weir_traceql_spanset **ret) {
    struct weir_traceql_spanset *set = *ret = new_spanset(p);
    if (!set) return weir_traceql_nomem(p);
    set->is_filter = true;
    int rc = weir_traceql_expect(p, '{', "a filter {…}");
    p->scalar = false;
    if (rc == 0 && p->token.kind != '}') rc = weir_traceql_parse_expr(p, 1, &set->filter);
    return rc == 0 ? weir_traceql_expect(p, '}', "}") : rc;
}

/* ( spanset ) or ( spanset | stage … ) */
static int parenthesised(struct weir_traceql_parser *p, struct weir_traceql_spanset **ret) {
    int rc = weir_traceql_deeper(p);
    if (rc == 0) rc = weir_traceql_advance(p);
    if (rc == 0) rc = spanset(p, 1, ret);
    if (rc == 0 && p->token.kind == '|') {
        struct weir_traceql_spanset *set = new_spanset(p);
        if (!set) return weir_traceql_nomem(p);
        set->left = *ret;
        *ret = set;
        rc = stages(p, &set->stages);
    }
    p->depth--;
    return rc == 0 ? weir_traceql_expect(p, ')', ")") : rc;
}

static const struct {
    int token;
    enum weir_traceql_relation relation;
    enum weir_traceql_mode mode;
} relations[] = {
    {WEIR_TRACEQL_TOKEN_AND, WEIR_TRACEQL_REL_AND, 0},
    {WEIR_TRACEQL_TOKEN_OR, WEIR_TRACEQL_REL_OR, 0},
    {'>', WEIR_TRACEQL_REL_CHILD, WEIR_TRACEQL_MODE_PLAIN},
    {'<', WEIR_TRACEQL_REL_PARENT, WEIR_TRACEQL_MODE_PLAIN},
    {'~', WEIR_TRACEQL_REL_SIBLING, WEIR_TRACEQL_MODE_PLAIN},
    {WEIR_TRACEQL_TOKEN_DESC, WEIR_TRACEQL_REL_DESCENDANT, WEIR_TRACEQL_MODE_PLAIN},
    {WEIR_TRACEQL_TOKEN_ANCE, WEIR_TRACEQL_REL_ANCESTOR, WEIR_TRACEQL_MODE_PLAIN},
    {WEIR_TRACEQL_TOKEN_NOT_CHILD, WEIR_TRACEQL_REL_CHILD, WEIR_TRACEQL_MODE_NEGATED},
    {WEIR_TRACEQL_TOKEN_NOT_PARENT, WEIR_TRACEQL_REL_PARENT, WEIR_TRACEQL_MODE_NEGATED},
    {WEIR_TRACEQL_TOKEN_NRE, WEIR_TRACEQL_REL_SIBLING, WEIR_TRACEQL_MODE_NEGATED},
    {WEIR_TRACEQL_TOKEN_NOT_DESC, WEIR_TRACEQL_REL_DESCENDANT, WEIR_TRACEQL_MODE_NEGATED},
    {WEIR_TRACEQL_TOKEN_NOT_ANCE, WEIR_TRACEQL_REL_ANCESTOR, WEIR_TRACEQL_MODE_NEGATED},
    {WEIR_TRACEQL_TOKEN_UNION_CHILD, WEIR_TRACEQL_REL_CHILD, WEIR_TRACEQL_MODE_UNION},
    {WEIR_TRACEQL_TOKEN_UNION_PARENT, WEIR_TRACEQL_REL_PARENT, WEIR_TRACEQL_MODE_UNION},
    {WEIR_TRACEQL_TOKEN_UNION_SIBL, WEIR_TRACEQL_REL_SIBLING, WEIR_TRACEQL_MODE_UNION},
    {WEIR_TRACEQL_TOKEN_UNION_DESC, WEIR_TRACEQL_REL_DESCENDANT, WEIR_TRACEQL_MODE_UNION},
    {WEIR_TRACEQL_TOKEN_UNION_ANCE, WEIR_TRACEQL_REL_ANCESTOR, WEIR_TRACEQL_MODE_UNION},
};

static int relation_of(int token, struct weir_traceql_spanset *set) {
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++)
        if (relations[i].token == token) {
            set->relation = relations[i].relation;
            set->mode = relations[i].mode;
            return relations[i].relation <= WEIR_TRACEQL_REL_OR ? 1 : 2;
        }
    return 0;
}

/* Structural relations bind tighter than && and ||, which bind alike; all group to the left. */
static int spanset(struct weir_traceql_parser *p, int strength, struct weir_traceql_spanset **ret) {
    int rc = p->token.kind == '(' ? parenthesised(p, ret) : filter(p, ret);
    for (int i = 0; rc == 0; i++) {
        struct weir_traceql_spanset probe;
        int own = relation_of(p->token.kind, &probe);
        if (own == 0 || own < strength) break;
        if (i > 100)
            return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                         "too many operators");
        struct weir_traceql_spanset *set = new_spanset(p);
        if (!set) return weir_traceql_nomem(p);
        relation_of(p->token.kind, set);
        set->left = *ret;
        rc = weir_traceql_advance(p);
        if (rc == 0) rc = spanset(p, own + 1, &set->right);
        *ret = set;
    }
    return rc;
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* a, b, … ) */
static int fields(struct weir_traceql_parser *p, struct weir_traceql_stage *stage) {
    for (;;) {
        if (stage->by_count == WEIR_TRACEQL_BY_MAX)
            return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                         "more than %d fields", WEIR_TRACEQL_BY_MAX);
        p->scalar = false;
        int rc = weir_traceql_parse_expr(p, 1, &stage->by[stage->by_count++]);
        if (rc != 0) return rc;
        if (p->token.kind != ',') return weir_traceql_expect(p, ')', ", or )");
        if ((rc = weir_traceql_advance(p)) != 0) return rc;
    }
}

static int numbers(struct weir_traceql_parser *p, struct weir_traceql_stage *stage) {
    while (p->token.kind == ',') {
        int rc = weir_traceql_advance(p);
        if (rc != 0) return rc;
        if (p->token.kind != WEIR_TRACEQL_TOKEN_INT && p->token.kind != WEIR_TRACEQL_TOKEN_FLOAT)
            return weir_traceql_unexpected(p, "a number");
        if (stage->numbers_count == WEIR_TRACEQL_NUMBERS_MAX)
            return weir_traceql_unexpected(p, "at most 16 numbers");
        stage->numbers[stage->numbers_count++] = p->token.f64;
        if ((rc = weir_traceql_advance(p)) != 0) return rc;
    }
    return 0;
}

static int metric_arguments(struct weir_traceql_parser *p, struct weir_traceql_stage *stage) {
    switch (stage->metric) {
    case WEIR_TRACEQL_METRIC_RATE:
    case WEIR_TRACEQL_METRIC_COUNT: return 0;
    case WEIR_TRACEQL_METRIC_TOPK:
    case WEIR_TRACEQL_METRIC_BOTTOMK:
        if (p->token.kind != WEIR_TRACEQL_TOKEN_INT)
            return weir_traceql_unexpected(p, "a whole number");
        stage->numbers[stage->numbers_count++] = p->token.f64;
        return weir_traceql_advance(p);
    case WEIR_TRACEQL_METRIC_COMPARE: {
        int rc = filter(p, &stage->selection);
        return rc == 0 ? numbers(p, stage) : rc;
    }
    case WEIR_TRACEQL_METRIC_MIN:
    case WEIR_TRACEQL_METRIC_MAX:
    case WEIR_TRACEQL_METRIC_AVG:
    case WEIR_TRACEQL_METRIC_SUM:
    case WEIR_TRACEQL_METRIC_QUANTILE:
    case WEIR_TRACEQL_METRIC_HISTOGRAM: break;
    }
    p->scalar = false;
    int rc = weir_traceql_parse_expr(p, 1, &stage->field);
    if (rc == 0 && stage->metric == WEIR_TRACEQL_METRIC_QUANTILE) {
        if (p->token.kind != ',') return weir_traceql_unexpected(p, ", and at least one quantile");
        rc = numbers(p, stage);
    }
    return rc;
}

static int metric_stage(struct weir_traceql_parser *p, struct weir_traceql_stage *stage) {
    bool second =
        stage->metric == WEIR_TRACEQL_METRIC_TOPK || stage->metric == WEIR_TRACEQL_METRIC_BOTTOMK;
    stage->kind = second ? WEIR_TRACEQL_STAGE_SECOND : WEIR_TRACEQL_STAGE_METRICS;
    int rc = weir_traceql_advance(p);
    if (rc == 0) rc = weir_traceql_expect(p, '(', "(");
    if (rc == 0) rc = metric_arguments(p, stage);
    if (rc == 0) rc = weir_traceql_expect(p, ')', ")");
    if (rc != 0 || second || !weir_traceql_at_name(p, "by")) return rc;
    rc = weir_traceql_advance(p);
    if (rc == 0) rc = weir_traceql_expect(p, '(', "(");
    return rc == 0 ? fields(p, stage) : rc;
}

static int stage_body(struct weir_traceql_parser *p, struct weir_traceql_stage *stage) {
    if (p->token.kind == '{') {
        stage->kind = WEIR_TRACEQL_STAGE_FILTER;
        return spanset(p, 1, &stage->spanset);
    }
    bool by = weir_traceql_at_name(p, "by"), select = weir_traceql_at_name(p, "select");
    if (by || select || weir_traceql_at_name(p, "coalesce")) {
        stage->kind = by       ? WEIR_TRACEQL_STAGE_BY
                      : select ? WEIR_TRACEQL_STAGE_SELECT
                               : WEIR_TRACEQL_STAGE_COALESCE;
        int rc = weir_traceql_advance(p);
        if (rc == 0) rc = weir_traceql_expect(p, '(', "(");
        if (rc != 0) return rc;
        return by || select ? fields(p, stage) : weir_traceql_expect(p, ')', ")");
    }
    if (p->token.kind == WEIR_TRACEQL_TOKEN_NAME &&
        weir_traceql_metric_find(p->token.text, &stage->metric))
        return metric_stage(p, stage);
    stage->kind = WEIR_TRACEQL_STAGE_SCALAR;
    p->scalar = true;
    int rc = weir_traceql_parse_expr(p, 1, &stage->scalar);
    p->scalar = false;
    return rc;
}

static int one_stage(struct weir_traceql_parser *p, struct weir_traceql_stage ***tail) {
    struct weir_traceql_stage *stage = WEIR_NEW(p->arena, struct weir_traceql_stage);
    if (!stage) return weir_traceql_nomem(p);
    stage->at = p->token.at;
    **tail = stage;
    *tail = &stage->next;
    return stage_body(p, stage);
}

static int stages(struct weir_traceql_parser *p, struct weir_traceql_stage **tail) {
    int rc = 0;
    for (int i = 0; rc == 0 && p->token.kind == '|'; i++) {
        if (i > 50)
            return weir_traceql_error_at(p->lex.input, p->token.at, p->reterr,
                                         "too many pipeline stages");
        rc = weir_traceql_advance(p);
        if (rc == 0) rc = one_stage(p, &tail);
    }
    return rc;
}

/* with(name=value, …) */
static int hints(struct weir_traceql_parser *p, struct weir_traceql_query *query) {
    uint32_t room = 0;
    if (!weir_traceql_at_name(p, "with")) return 0;
    int rc = weir_traceql_advance(p);
    if (rc == 0) rc = weir_traceql_expect(p, '(', "(");
    while (rc == 0) {
        struct weir_traceql_hint *hint =
            WEIR_PUSH(p->arena, query->hints, query->hints_count, room);
        struct weir_traceql_expr *value = NULL;
        if (!hint) return weir_traceql_nomem(p);
        if (p->token.kind != WEIR_TRACEQL_TOKEN_NAME)
            return weir_traceql_unexpected(p, "a hint's name");
        hint->name = p->token.text;
        rc = weir_traceql_advance(p);
        if (rc == 0) rc = weir_traceql_expect(p, '=', "=");
        if (rc == 0) rc = weir_traceql_parse_expr(p, 3, &value);
        if (rc != 0) return rc;
        if (value->kind != WEIR_TRACEQL_EXPR_VALUE)
            return weir_traceql_unexpected(p, "a constant for the hint");
        hint->value = value->value;
        hint->text = value->text;
        if (p->token.kind == ')') break;
        rc = weir_traceql_expect(p, ',', ", or )");
    }
    return rc == 0 ? weir_traceql_expect(p, ')', ")") : rc;
}

static int root(struct weir_traceql_parser *p, struct weir_traceql_query *query) {
    struct weir_traceql_stage **tail = &query->stages;
    int rc;
    if (p->token.kind == WEIR_TRACEQL_TOKEN_NAME || p->token.kind == WEIR_TRACEQL_TOKEN_END) {
        /* `count() > 2` and `by(.x) | …` stand for `{} | …` */
        struct weir_traceql_spanset *all = query->spanset = new_spanset(p);
        if (!all) return weir_traceql_nomem(p);
        all->is_filter = true;
        rc = p->token.kind == WEIR_TRACEQL_TOKEN_END ? 0 : one_stage(p, &tail);
    } else {
        rc = spanset(p, 1, &query->spanset);
    }
    if (rc == 0) rc = stages(p, tail);
    if (rc == 0) rc = hints(p, query);
    if (rc == 0 && p->token.kind != WEIR_TRACEQL_TOKEN_END)
        rc = weir_traceql_unexpected(p, "the end of the query");
    return rc;
}

int weir_traceql_parse(struct weir_view text, struct weir_arena *arena,
                       struct weir_traceql_query **ret, struct weir_error *reterr) {
    struct weir_traceql_parser p = {
        .lex = {.input = text, .arena = arena}, .arena = arena, .reterr = reterr};
    struct weir_traceql_query *query = WEIR_NEW(arena, struct weir_traceql_query);
    if (!query) return weir_traceql_nomem(&p);
    if (text.len > WEIR_TRACEQL_QUERY_MAX)
        return weir_error_set(reterr, WEIR_EINVALID, "query is longer than %d bytes",
                              WEIR_TRACEQL_QUERY_MAX);
    int rc = weir_traceql_advance(&p);
    if (rc == 0) rc = root(&p, query);
    if (rc == 0) rc = weir_traceql_check(text, query, reterr);
    if (rc == 0) *ret = query;
    return rc;
}

int weir_traceql_parse_field(struct weir_view text, struct weir_arena *arena,
                             struct weir_traceql_field *ret, struct weir_error *reterr) {
    struct weir_traceql_parser p = {
        .lex = {.input = text, .arena = arena}, .arena = arena, .reterr = reterr};
    struct weir_traceql_expr *expr = NULL;
    int rc = weir_traceql_advance(&p);
    if (rc == 0) rc = weir_traceql_parse_expr(&p, 5, &expr);
    if (rc == 0 &&
        (p.token.kind != WEIR_TRACEQL_TOKEN_END || expr->kind != WEIR_TRACEQL_EXPR_FIELD))
        rc = weir_error_set(reterr, WEIR_EINVALID,
                            "\"%.*s\" is not a field; fields look like .x, span.x, "
                            "resource.x, duration",
                            WEIR_VIEW_ARG(weir_view_upto(text, 80)));
    if (rc == 0) *ret = expr->field;
    return rc;
}
