/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/check.h"

#include "logql/functions.h"
#include "logql/jsonpath.h"
#include "logql/lex.h"
#include "logql/pattern.h"
#include "logql/template.h"
#include "query/regex.h"

struct check {
    struct weir_view query;
    struct weir_arena *arena;
    struct weir_error *reterr;
};

#define REFUSE(check, at, ...)                                                                     \
    weir_logql_error_at((check)->query, (at), (check)->reterr, __VA_ARGS__)

static int check_regex(struct check *c, uint32_t at, struct weir_view pattern) {
    struct weir_error err = {0};
    if (weir_regex_validate(pattern, &err) == 0) {
        struct weir_regex *regex = NULL;
        int rc = weir_regex_new(pattern, WEIR_REGEX_SEARCH, &regex, &err);
        weir_regex_free(regex);
        if (rc == 0) return 0;
    }
    return REFUSE(c, at, "%s", err.message);
}

static bool is_regex_op(enum weir_logql_op op) {
    return op == WEIR_LOGQL_OP_RE || op == WEIR_LOGQL_OP_NRE;
}

static bool regex_matches_empty(struct weir_view pattern) {
    struct weir_regex *regex = NULL;
    if (weir_regex_new(pattern, WEIR_REGEX_ANCHORED, &regex, NULL) != 0) return false;
    bool matches = weir_regex_match(regex, weir_view("", 0)) == 1;
    weir_regex_free(regex);
    return matches;
}

static bool excludes_empty(const struct weir_logql_matcher *m) {
    if (m->op == WEIR_LOGQL_OP_EQ) return m->value.len > 0;
    if (m->op == WEIR_LOGQL_OP_RE) return !regex_matches_empty(m->value);
    return false;
}

static int check_matchers(struct check *c, const struct weir_logql_log *log) {
    for (uint32_t i = 0; i < log->matchers_count; i++) {
        const struct weir_logql_matcher *m = &log->matchers[i];
        int rc = is_regex_op(m->op) ? check_regex(c, m->at, m->value) : 0;
        if (rc != 0) return rc;
    }
    return 0;
}

int weir_logql_check_matchers(struct weir_view query, const struct weir_logql_log *log,
                              struct weir_error *reterr) {
    struct check c = {.query = query, .reterr = reterr};
    return check_matchers(&c, log);
}

static int check_selector(struct check *c, const struct weir_logql_log *log, uint32_t at) {
    int rc = check_matchers(c, log);
    if (rc != 0) return rc;
    for (uint32_t i = 0; i < log->matchers_count; i++)
        if (excludes_empty(&log->matchers[i])) return 0;
    return REFUSE(
        c, at,
        "queries require at least one regexp or equality matcher that does not have an "
        "empty-compatible value; for instance, app=~\".*\" does not meet this requirement, but "
        "app=~\".+\" will");
}

static int check_filter(struct check *c, const struct weir_logql_filter *filter) {
    if (filter->kind == WEIR_LOGQL_FILTER_AND || filter->kind == WEIR_LOGQL_FILTER_OR) {
        int rc = check_filter(c, filter->left);
        return rc == 0 ? check_filter(c, filter->right) : rc;
    }
    bool is_string = filter->kind == WEIR_LOGQL_FILTER_STRING;
    return is_string && is_regex_op(filter->op) ? check_regex(c, filter->at, filter->text) : 0;
}

static int check_named_groups(struct check *c, const struct weir_logql_stage *stage) {
    struct weir_regex *regex = NULL;
    int rc = check_regex(c, stage->at, stage->text);
    if (rc != 0 || (rc = weir_regex_new(stage->text, 0, &regex, c->reterr)) != 0) return rc;
    unsigned named = 0;
    for (unsigned i = 1; i <= weir_regex_groups_count(regex); i++)
        named += weir_regex_group_name(regex, i).len > 0;
    unsigned groups = weir_regex_groups_count(regex);
    weir_regex_free(regex);
    if (groups >= WEIR_REGEX_CAPTURES_MAX)
        return REFUSE(c, stage->at, "regexp: more than %d groups", WEIR_REGEX_CAPTURES_MAX - 1);
    return named
               ? 0
               : REFUSE(c, stage->at, "regexp: at least one named group (?P<name>…) must be given");
}

static int check_pattern(struct check *c, const struct weir_logql_stage *stage,
                         struct weir_view text, bool wants_names) {
    struct weir_error err = {0};
    struct weir_logql_pattern *pattern;
    if (weir_logql_pattern_parse(text, wants_names, c->arena, &pattern, &err) != 0)
        return REFUSE(c, stage->at, "%s", err.message);
    return 0;
}

static int check_template(struct check *c, uint32_t at, struct weir_view text) {
    struct weir_error err = {0};
    struct weir_logql_template *template;
    if (weir_logql_template_parse(text, c->arena, &template, &err) != 0)
        return REFUSE(c, at, "%s", err.message);
    return 0;
}

static int check_line_filter(struct check *c, const struct weir_logql_stage *stage) {
    for (uint32_t i = 0; i < stage->needles_count; i++) {
        struct weir_view text = stage->needles[i].text;
        int rc = 0;
        if (stage->needles[i].is_ip && stage->op != WEIR_LOGQL_OP_EQ &&
            stage->op != WEIR_LOGQL_OP_NE)
            return REFUSE(c, stage->at, "ip(…) goes with |= and != only");
        if (is_regex_op(stage->op))
            rc = check_regex(c, stage->at, text);
        else if (stage->op == WEIR_LOGQL_OP_PAT || stage->op == WEIR_LOGQL_OP_NPAT)
            rc = check_pattern(c, stage, text, false);
        if (rc != 0) return rc;
    }
    return 0;
}

static int check_pairs(struct check *c, const struct weir_logql_stage *stage) {
    for (uint32_t i = 0; i < stage->pairs_count; i++) {
        const struct weir_logql_pair *pair = &stage->pairs[i];
        struct weir_logql_path path;
        struct weir_error err = {0};
        int rc = 0;
        if (stage->kind == WEIR_LOGQL_STAGE_JSON &&
            weir_logql_path_parse(pair->value, c->arena, &path, &err) != 0)
            return REFUSE(c, pair->at, "%s", err.message);
        if (stage->kind != WEIR_LOGQL_STAGE_LABEL_FORMAT) continue;
        for (uint32_t k = 0; k < i; k++)
            if (weir_view_eq(stage->pairs[k].name, pair->name))
                return REFUSE(c, pair->at, "label_format: \"%.*s\" is set twice",
                              WEIR_VIEW_ARG(pair->name));
        if (!pair->is_name && (rc = check_template(c, pair->at, pair->value)) != 0) return rc;
    }
    return 0;
}

static int check_stage(struct check *c, const struct weir_logql_stage *stage) {
    switch (stage->kind) {
    case WEIR_LOGQL_STAGE_LINE_FILTER: return check_line_filter(c, stage);
    case WEIR_LOGQL_STAGE_JSON:
    case WEIR_LOGQL_STAGE_LOGFMT:
    case WEIR_LOGQL_STAGE_LABEL_FORMAT: return check_pairs(c, stage);
    case WEIR_LOGQL_STAGE_REGEXP: return check_named_groups(c, stage);
    case WEIR_LOGQL_STAGE_PATTERN: return check_pattern(c, stage, stage->text, true);
    case WEIR_LOGQL_STAGE_LABEL_FILTER: return check_filter(c, stage->filter);
    case WEIR_LOGQL_STAGE_LINE_FORMAT: return check_template(c, stage->at, stage->text);
    case WEIR_LOGQL_STAGE_DROP:
    case WEIR_LOGQL_STAGE_KEEP:
        for (uint32_t i = 0; i < stage->matchers_count; i++) {
            const struct weir_logql_matcher *m = &stage->matchers[i];
            int rc = is_regex_op(m->op) ? check_regex(c, m->at, m->value) : 0;
            if (rc != 0) return rc;
        }
        return 0;
    case WEIR_LOGQL_STAGE_UNPACK:
    case WEIR_LOGQL_STAGE_DECOLORIZE:
    case WEIR_LOGQL_STAGE_DISTINCT: break;
    }
    return 0;
}

static int check_log(struct check *c, const struct weir_logql_log *log, uint32_t at) {
    int rc = check_selector(c, log, at);
    for (const struct weir_logql_stage *s = log->stages; rc == 0 && s; s = s->next)
        rc = check_stage(c, s);
    if (log->unwrap)
        for (const struct weir_logql_stage *s = log->unwrap->filters; rc == 0 && s; s = s->next)
            rc = check_stage(c, s);
    return rc;
}

static int check_range_agg(struct check *c, const struct weir_logql_expr *expr) {
    const struct weir_logql_func_info *info = weir_logql_func_get(expr->func);
    bool unwraps = expr->log.unwrap;
    if (info->flags & WEIR_LOGQL_FUNC_NEEDS_UNWRAP && !unwraps)
        return REFUSE(c, expr->at, "%s needs numbers: add | unwrap label before the range",
                      info->name);
    if (unwraps && !(info->flags & (WEIR_LOGQL_FUNC_NEEDS_UNWRAP | WEIR_LOGQL_FUNC_TAKES_UNWRAP)))
        return REFUSE(c, expr->at, "%s counts lines and takes no unwrap", info->name);
    if (info->flags & WEIR_LOGQL_FUNC_PARAM && !expr->has_param)
        return REFUSE(c, expr->at, "%s wants a number first: %s(0.99, …)", info->name, info->name);
    if (expr->grouping.present && !(info->flags & WEIR_LOGQL_FUNC_GROUPS))
        return REFUSE(c, expr->at, "grouping is not allowed for %s; write sum by (…) (%s(…))",
                      info->name, info->name);
    return check_log(c, &expr->log, expr->at);
}

static int check_expr(struct check *c, const struct weir_logql_expr *expr);

static int check_vector_agg(struct check *c, const struct weir_logql_expr *expr) {
    const struct weir_logql_func_info *info = weir_logql_func_get(expr->func);
    if (expr->left->kind == WEIR_LOGQL_LOG)
        return REFUSE(c, expr->at,
                      "%s aggregates numbers; wrap the log query: %s(count_over_time({…}[5m]))",
                      info->name, info->name);
    if (expr->left->kind == WEIR_LOGQL_LITERAL)
        return REFUSE(c, expr->left->at, "%s of a bare number", info->name);
    if (expr->grouping.present && !(info->flags & WEIR_LOGQL_FUNC_GROUPS))
        return REFUSE(c, expr->at, "%s takes no grouping", info->name);
    if (info->flags & WEIR_LOGQL_FUNC_PARAM &&
        (expr->param < 1 || expr->param > 1e9 || expr->param != (double)(int64_t)expr->param))
        return REFUSE(c, expr->at, "%s wants a whole number of at least 1", info->name);
    return check_expr(c, expr->left);
}

static int check_binary(struct check *c, const struct weir_logql_expr *expr) {
    const char *sign = weir_logql_op_sign(expr->op);
    const struct weir_logql_expr *sides[] = {expr->left, expr->right};
    for (int i = 0; i < 2; i++) {
        if (sides[i]->kind == WEIR_LOGQL_LOG)
            return REFUSE(c, sides[i]->at, "%s works on numbers, and this is a log query", sign);
        if (sides[i]->kind == WEIR_LOGQL_LITERAL && weir_logql_op_is_set(expr->op))
            return REFUSE(c, sides[i]->at, "unexpected literal for %s; write vector(…)", sign);
    }
    if (expr->return_bool && !weir_logql_op_is_comparison(expr->op))
        return REFUSE(c, expr->at, "bool goes with comparisons only");
    if (weir_logql_op_is_set(expr->op) && (expr->matching.group_left || expr->matching.group_right))
        return REFUSE(c, expr->at, "no grouping allowed for %s", sign);
    int rc = check_expr(c, expr->left);
    return rc == 0 ? check_expr(c, expr->right) : rc;
}

static int check_label_replace(struct check *c, const struct weir_logql_expr *expr) {
    if (expr->left->kind == WEIR_LOGQL_LOG)
        return REFUSE(c, expr->at, "label_replace works on series");
    int rc = check_regex(c, expr->at, expr->replace[3]);
    return rc == 0 ? check_expr(c, expr->left) : rc;
}

static int check_expr(struct check *c, const struct weir_logql_expr *expr) {
    switch (expr->kind) {
    case WEIR_LOGQL_LOG: return check_log(c, &expr->log, expr->at);
    case WEIR_LOGQL_RANGE_AGG: return check_range_agg(c, expr);
    case WEIR_LOGQL_VECTOR_AGG: return check_vector_agg(c, expr);
    case WEIR_LOGQL_BINARY: return check_binary(c, expr);
    case WEIR_LOGQL_LABEL_REPLACE: return check_label_replace(c, expr);
    case WEIR_LOGQL_LITERAL:
    case WEIR_LOGQL_VECTOR: break;
    }
    return 0;
}

int weir_logql_check(struct weir_view query, const struct weir_logql_expr *expr,
                     struct weir_arena *arena, struct weir_error *reterr) {
    struct check c = {.query = query, .arena = arena, .reterr = reterr};
    return check_expr(&c, expr);
}
