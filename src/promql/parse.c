/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/parse.h"

#include <math.h>
#include <stdio.h>

#include "promql/functions.h"
#include "promql/lex.h"
#include "promql/promql.h"
#include "query/regex.h"

struct parser {
    struct weir_arena *arena;
    struct weir_promql_lex lex;
    struct weir_promql_token token; /* the one looked at */
    size_t end;                     /* end of the token before */
    uint32_t depth, binaries_count;
    struct weir_error *reterr;
    int code; /* first failure; every parse function stops on it */
};

/* Binary operators with their precedence; a higher one binds tighter. */
static const struct {
    const char *name;
    enum weir_promql_op op;
    int precedence;
} operators[] = {
    {"or", WEIR_PROMQL_OP_OR, 1},         {"and", WEIR_PROMQL_OP_AND, 2},
    {"unless", WEIR_PROMQL_OP_UNLESS, 2}, {"==", WEIR_PROMQL_OP_EQ, 3},
    {"!=", WEIR_PROMQL_OP_NE, 3},         {"<=", WEIR_PROMQL_OP_LE, 3},
    {"<", WEIR_PROMQL_OP_LT, 3},          {">=", WEIR_PROMQL_OP_GE, 3},
    {">", WEIR_PROMQL_OP_GT, 3},          {"+", WEIR_PROMQL_OP_ADD, 4},
    {"-", WEIR_PROMQL_OP_SUB, 4},         {"*", WEIR_PROMQL_OP_MUL, 5},
    {"/", WEIR_PROMQL_OP_DIV, 5},         {"%", WEIR_PROMQL_OP_MOD, 5},
    {"atan2", WEIR_PROMQL_OP_ATAN2, 5},   {"^", WEIR_PROMQL_OP_POW, 6},
};
enum { OPERATORS_COUNT = sizeof operators / sizeof *operators, UNARY_PRECEDENCE = 6 };

static struct weir_promql_expr *parse_expr(struct parser *p, int precedence);

__attribute__((format(printf, 3, 4))) static void *fail_at(struct parser *p, size_t at,
                                                           const char *format, ...) {
    char words[400];
    va_list args;
    if (p->code) return NULL;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    p->code = weir_promql_error_at(p->reterr, p->lex.input, at, "%s", words);
    return NULL;
}

static void *fail_memory(struct parser *p) {
    if (!p->code)
        p->code = weir_error_set(p->reterr, WEIR_ENOMEMORY, "query is too large to parse");
    return NULL;
}

static const char *token_words(const struct parser *p, char *buf, size_t size) {
    static const char *const kinds[] = {"", "identifier", "number", "duration", "string", ""};
    if (p->token.kind == WEIR_PROMQL_TOKEN_END) return "end of input";
    const char *kind = kinds[p->token.kind];
    snprintf(buf, size, "%s%s\"%.*s\"", kind, *kind ? " " : "",
             WEIR_VIEW_ARG(weir_view_upto(p->token.text, 60)));
    return buf;
}

static void *fail_unexpected(struct parser *p, const char *where, const char *expected) {
    char words[100];
    return fail_at(p, p->token.at, "unexpected %s in %s, expected %s",
                   token_words(p, words, sizeof words), where, expected);
}

static void next(struct parser *p) {
    p->end = p->token.at + p->token.text.len;
    if (p->code) return;
    p->code = weir_promql_lex_next(&p->lex, &p->token, p->reterr);
}

static bool is_symbol(const struct parser *p, const char *symbol) {
    return p->token.kind == WEIR_PROMQL_TOKEN_SYMBOL && weir_view_is(p->token.text, symbol);
}

static bool is_word(const struct parser *p, const char *word) {
    return p->token.kind == WEIR_PROMQL_TOKEN_WORD &&
           weir_view_eq_nocase(p->token.text, weir_view_str(word));
}

static bool accept(struct parser *p, const char *symbol) {
    if (p->code || !is_symbol(p, symbol)) return false;
    next(p);
    return true;
}

static bool accept_word(struct parser *p, const char *word) {
    if (p->code || !is_word(p, word)) return false;
    next(p);
    return true;
}

static bool expect(struct parser *p, const char *symbol, const char *where) {
    if (accept(p, symbol)) return true;
    char quoted[8];
    snprintf(quoted, sizeof quoted, "\"%s\"", symbol);
    if (!p->code) fail_unexpected(p, where, quoted);
    return false;
}

static struct weir_promql_expr *new_expr(struct parser *p, enum weir_promql_kind kind,
                                         enum weir_promql_type type, size_t from) {
    struct weir_promql_expr *expr = WEIR_NEW(p->arena, struct weir_promql_expr);
    if (!expr) return fail_memory(p);
    expr->kind = kind;
    expr->type = type;
    expr->from = (uint32_t)from;
    expr->until = (uint32_t)p->end;
    return expr;
}

/* Index into operators[] of the operator at the present token, or -1. */
static int operator_here(const struct parser *p) {
    for (int i = 0; i < OPERATORS_COUNT; i++)
        if (is_symbol(p, operators[i].name) || is_word(p, operators[i].name)) return i;
    return -1;
}

/* A parenthesised list of label names: on (a, "b.c"). */
static void parse_names(struct parser *p, struct weir_promql_names *names, const char *where) {
    if (!expect(p, "(", where)) return;
    while (!p->code && !is_symbol(p, ")")) {
        struct weir_view name = p->token.text;
        if (p->token.kind == WEIR_PROMQL_TOKEN_STRING)
            name = p->token.str;
        else if (p->token.kind != WEIR_PROMQL_TOKEN_WORD || !weir_promql_is_label_name(name)) {
            fail_unexpected(p, where, "label");
            return;
        }
        if (name.len == 0) {
            fail_at(p, p->token.at, "a label name must not be empty");
            return;
        }
        struct weir_view *place = WEIR_PUSH(p->arena, names->items, names->count, names->room);
        if (!place) {
            fail_memory(p);
            return;
        }
        *place = name;
        next(p);
        if (!accept(p, ",")) break;
    }
    expect(p, ")", where);
}

static void parse_matching(struct parser *p, struct weir_promql_expr *expr) {
    size_t at = p->token.at;
    expr->is_bool = accept_word(p, "bool");
    if (expr->is_bool && !weir_promql_op_is_comparison(expr->op))
        fail_at(p, at, "bool modifier can only be used on comparison operators");
    if (!is_word(p, "on") && !is_word(p, "ignoring")) return;
    expr->matching = true;
    expr->on = is_word(p, "on");
    next(p);
    parse_names(p, &expr->labels, "grouping opts");
    bool left = is_word(p, "group_left"), right = is_word(p, "group_right");
    if (!left && !right) return;
    if (weir_promql_op_is_set(expr->op)) {
        fail_at(p, p->token.at, "no grouping allowed for \"%s\" operation",
                weir_promql_op_name(expr->op));
        return;
    }
    next(p);
    expr->card = left ? WEIR_PROMQL_CARD_MANY_TO_ONE : WEIR_PROMQL_CARD_ONE_TO_MANY;
    if (is_symbol(p, "(")) parse_names(p, &expr->include, "grouping opts");
}

static struct weir_promql_expr *parse_binary(struct parser *p, struct weir_promql_expr *left,
                                             int at) {
    if (p->binaries_count++ >= WEIR_PROMQL_BINARIES_MAX)
        return fail_at(p, p->token.at, "query has more than %d binary operators",
                       WEIR_PROMQL_BINARIES_MAX);
    struct weir_promql_expr *expr = new_expr(p, WEIR_PROMQL_BINARY, WEIR_PROMQL_VECTOR, left->from);
    if (!expr) return NULL;
    expr->op = operators[at].op;
    next(p);
    if (weir_promql_op_is_set(expr->op)) expr->card = WEIR_PROMQL_CARD_MANY_TO_MANY;
    parse_matching(p, expr);
    expr->left = left;
    /* Left-associative but for '^'. */
    expr->right = parse_expr(p, operators[at].precedence + (expr->op != WEIR_PROMQL_OP_POW));
    if (!expr->right) return NULL;
    if (left->type == WEIR_PROMQL_SCALAR && expr->right->type == WEIR_PROMQL_SCALAR)
        expr->type = WEIR_PROMQL_SCALAR;
    expr->until = (uint32_t)p->end;
    return expr;
}

static bool aggregation_of(struct weir_view word, enum weir_promql_aggregation *ret) {
    for (int i = 0; i < WEIR_PROMQL_AGGREGATIONS_COUNT; i++) {
        enum weir_promql_aggregation aggregation = (enum weir_promql_aggregation)i;
        if (!weir_view_eq_nocase(word, weir_view_str(weir_promql_aggregation_name(aggregation))))
            continue;
        *ret = aggregation;
        return true;
    }
    return false;
}

static bool parse_args(struct parser *p, struct weir_promql_expr *call) {
    if (!expect(p, "(", "function call")) return false;
    while (!p->code && !is_symbol(p, ")")) {
        struct weir_promql_expr *arg = parse_expr(p, 0);
        if (!arg) return false;
        struct weir_promql_expr **place =
            WEIR_PUSH(p->arena, call->args, call->args_count, call->args_room);
        if (!place) return fail_memory(p);
        *place = arg;
        if (!accept(p, ",")) break;
        if (is_symbol(p, ")"))
            return fail_at(p, p->token.at, "trailing commas not allowed in function call args");
    }
    return expect(p, ")", "function call");
}

static bool parse_grouping(struct parser *p, struct weir_promql_expr *expr) {
    if (!is_word(p, "by") && !is_word(p, "without")) return false;
    expr->without = is_word(p, "without");
    next(p);
    parse_names(p, &expr->labels, "grouping opts");
    return true;
}

static struct weir_promql_expr *parse_aggregate(struct parser *p,
                                                enum weir_promql_aggregation aggregation,
                                                size_t from) {
    struct weir_promql_expr *expr = new_expr(p, WEIR_PROMQL_AGGREGATE, WEIR_PROMQL_VECTOR, from);
    if (!expr) return NULL;
    expr->aggregation = aggregation;
    const char *name = weir_promql_aggregation_name(aggregation);
    bool grouped = parse_grouping(p, expr);
    if (!parse_args(p, expr)) return NULL;
    if (!grouped) parse_grouping(p, expr);
    bool has_param = weir_promql_aggregation_has_param(aggregation);
    if (expr->args_count != 1U + has_param)
        return fail_at(p, from,
                       "wrong number of arguments for aggregate expression %s provided, "
                       "expected %d, got %u",
                       name, 1 + has_param, expr->args_count);
    if (has_param) expr->param = expr->args[0];
    expr->left = expr->args[has_param];
    expr->args_count = 0;
    expr->until = (uint32_t)p->end;
    return expr;
}

static struct weir_promql_expr *parse_call(struct parser *p, struct weir_view name, size_t from) {
    const struct weir_promql_function *function = weir_promql_function_get(name);
    if (!function) {
        const char *near = weir_promql_function_nearest(name);
        return fail_at(p, from, "unknown function with name \"%.*s\"%s%s%s",
                       WEIR_VIEW_ARG(weir_view_upto(name, 60)), near ? "; did you mean \"" : "",
                       near ? near : "", near ? "\"?" : "");
    }
    struct weir_promql_expr *expr = new_expr(p, WEIR_PROMQL_CALL, function->returns, from);
    if (!expr) return NULL;
    expr->function = function;
    if (!parse_args(p, expr)) return NULL;
    expr->until = (uint32_t)p->end;
    return expr;
}

static struct weir_promql_matcher *push_matcher(struct parser *p, struct weir_promql_expr *expr) {
    struct weir_promql_matcher *matcher =
        WEIR_PUSH(p->arena, expr->matchers, expr->matchers_count, expr->matchers_room);
    return matcher ? matcher : fail_memory(p);
}

static void set_name(struct parser *p, struct weir_promql_expr *expr, struct weir_view name,
                     size_t at) {
    if (expr->name.len) {
        fail_at(p, at, "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                WEIR_VIEW_ARG(weir_view_upto(expr->name, 100)),
                WEIR_VIEW_ARG(weir_view_upto(name, 100)));
        return;
    }
    expr->name = name;
    struct weir_promql_matcher *matcher = push_matcher(p, expr);
    if (matcher)
        *matcher = (struct weir_promql_matcher){.name = WEIR_VIEW("__name__"), .value = name};
}

static bool matcher_op(const struct parser *p, enum weir_promql_match *ret) {
    static const char *const symbols[] = {"=", "!=", "=~", "!~"};
    for (int i = 0; i < 4; i++)
        if (is_symbol(p, symbols[i])) return *ret = (enum weir_promql_match)i, true;
    return false;
}

/* name="value", "quoted name"=~"regex", or only "metric name". */
static void parse_matcher(struct parser *p, struct weir_promql_expr *expr) {
    size_t at = p->token.at;
    bool quoted = p->token.kind == WEIR_PROMQL_TOKEN_STRING;
    struct weir_view name = quoted ? p->token.str : p->token.text;
    if (!quoted && (p->token.kind != WEIR_PROMQL_TOKEN_WORD || !weir_promql_is_label_name(name))) {
        fail_unexpected(p, "label matching", "identifier or \"}\"");
        return;
    }
    next(p);
    enum weir_promql_match match;
    if (p->code) return;
    if (!matcher_op(p, &match)) {
        if (quoted && name.len && (is_symbol(p, ",") || is_symbol(p, "}")))
            set_name(p, expr, name, at);
        else
            fail_unexpected(p, "label matching", "label matching operator");
        return;
    }
    next(p);
    if (p->code) return;
    if (p->token.kind != WEIR_PROMQL_TOKEN_STRING) {
        fail_unexpected(p, "label matching", "string");
        return;
    }
    struct weir_promql_matcher *matcher = push_matcher(p, expr);
    if (!matcher) return;
    *matcher = (struct weir_promql_matcher){name, p->token.str, match};
    struct weir_error error;
    if (match >= WEIR_PROMQL_MATCH_RE && weir_regex_validate(p->token.str, &error)) {
        fail_at(p, p->token.at, "%s", error.message);
        return;
    }
    next(p);
}

static struct weir_promql_expr *parse_selector(struct parser *p, struct weir_view name,
                                               size_t from) {
    struct weir_promql_expr *expr = new_expr(p, WEIR_PROMQL_SELECTOR, WEIR_PROMQL_VECTOR, from);
    if (!expr) return NULL;
    if (name.len) set_name(p, expr, name, from);
    if (accept(p, "{")) {
        while (!p->code && !is_symbol(p, "}")) {
            parse_matcher(p, expr);
            if (!accept(p, ",")) break;
        }
        expect(p, "}", "label matching");
    }
    expr->until = (uint32_t)p->end;
    return p->code ? NULL : expr;
}

static struct weir_promql_expr *parse_word(struct parser *p) {
    struct weir_view word = p->token.text;
    size_t from = p->token.at;
    next(p);
    if (p->code) return NULL;
    enum weir_promql_aggregation aggregation;
    bool grouped = is_word(p, "by") || is_word(p, "without");
    if (aggregation_of(word, &aggregation) && (is_symbol(p, "(") || grouped))
        return parse_aggregate(p, aggregation, from);
    if (is_symbol(p, "(")) return parse_call(p, word, from);
    bool nan = weir_view_eq_nocase(word, WEIR_VIEW("nan"));
    if ((nan || weir_view_eq_nocase(word, WEIR_VIEW("inf"))) && !is_symbol(p, "{")) {
        struct weir_promql_expr *expr = new_expr(p, WEIR_PROMQL_NUMBER, WEIR_PROMQL_SCALAR, from);
        if (expr) expr->number = nan ? (double)NAN : (double)INFINITY;
        return expr;
    }
    return parse_selector(p, word, from);
}

static struct weir_promql_expr *parse_primary(struct parser *p) {
    size_t from = p->token.at;
    struct weir_promql_token token = p->token;
    struct weir_promql_expr *expr;
    if (token.kind == WEIR_PROMQL_TOKEN_WORD) return parse_word(p);
    if (is_symbol(p, "{")) return parse_selector(p, (struct weir_view){NULL, 0}, from);
    if (token.kind == WEIR_PROMQL_TOKEN_NUMBER || token.kind == WEIR_PROMQL_TOKEN_DURATION) {
        next(p);
        expr = new_expr(p, WEIR_PROMQL_NUMBER, WEIR_PROMQL_SCALAR, from);
        if (expr) expr->number = token.number;
        return expr;
    }
    if (token.kind == WEIR_PROMQL_TOKEN_STRING) {
        next(p);
        expr = new_expr(p, WEIR_PROMQL_TEXT, WEIR_PROMQL_STRING, from);
        if (expr) expr->text = token.str;
        return expr;
    }
    if (!accept(p, "("))
        return fail_unexpected(p, "query", "an expression: a metric, a number or a function");
    struct weir_promql_expr *inner = parse_expr(p, 0);
    if (!inner || !expect(p, ")", "paren expression")) return NULL;
    expr = new_expr(p, WEIR_PROMQL_PAREN, inner->type, from);
    if (expr) expr->left = inner;
    return expr;
}

/* A duration or a number of seconds, signed where allowed, in ms. */
static bool parse_ms(struct parser *p, bool may_be_negative, const char *where, int64_t *ret) {
    bool negative = false;
    if (may_be_negative) {
        negative = accept(p, "-");
        if (!negative) accept(p, "+");
    }
    if (p->code) return false;
    if (p->token.kind == WEIR_PROMQL_TOKEN_DURATION) {
        *ret = p->token.ms;
    } else if (p->token.kind == WEIR_PROMQL_TOKEN_NUMBER) {
        double ms = round(p->token.number * 1000);
        if (!(fabs(ms) < 9e15)) return fail_at(p, p->token.at, "duration out of range");
        *ret = (int64_t)ms;
    } else {
        return fail_unexpected(p, where, "number or duration, as 5m");
    }
    if (negative) *ret = -*ret;
    next(p);
    return !p->code;
}

static struct weir_promql_expr *parse_brackets(struct parser *p, struct weir_promql_expr *operand) {
    size_t at = p->token.at;
    next(p);
    struct weir_promql_expr *expr =
        new_expr(p, WEIR_PROMQL_RANGE, WEIR_PROMQL_MATRIX, operand->from);
    if (!expr) return NULL;
    expr->left = operand;
    size_t range_at = p->token.at;
    if (!parse_ms(p, false, "range selector", &expr->range_ms)) return NULL;
    if (expr->range_ms <= 0) return fail_at(p, range_at, "duration must be greater than 0");
    if (accept(p, ":")) {
        expr->kind = WEIR_PROMQL_SUBQUERY;
        if (operand->type != WEIR_PROMQL_VECTOR)
            return fail_at(p, operand->from,
                           "subquery is only allowed on instant vector, got %s instead",
                           weir_promql_type_name(operand->type));
        size_t step_at = p->token.at;
        if (!is_symbol(p, "]")) {
            if (!parse_ms(p, false, "subquery selector", &expr->step_ms)) return NULL;
            if (expr->step_ms <= 0) return fail_at(p, step_at, "duration must be greater than 0");
        }
    } else if (operand->kind != WEIR_PROMQL_SELECTOR) {
        return fail_at(p, at,
                       "ranges only allowed for vector selectors; write [5m:] for a subquery");
    } else if (operand->offset_set || operand->at) {
        return fail_at(p, at, "no %s modifiers allowed before range; write it behind the brackets",
                       operand->offset_set ? "offset" : "@");
    }
    if (!expect(p, "]", "range selector")) return NULL;
    expr->until = (uint32_t)p->end;
    return expr;
}

/* The node that carries offset and @ of this expression, or NULL. */
static struct weir_promql_expr *modified(struct weir_promql_expr *expr) {
    if (expr->kind == WEIR_PROMQL_RANGE) return expr->left;
    return expr->kind == WEIR_PROMQL_SELECTOR || expr->kind == WEIR_PROMQL_SUBQUERY ? expr : NULL;
}

static bool parse_offset(struct parser *p, struct weir_promql_expr *expr) {
    struct weir_promql_expr *target = modified(expr);
    if (!target)
        return fail_at(p, p->token.at,
                       "offset modifier must be preceded by an instant vector selector "
                       "or range vector selector or a subquery");
    if (target->offset_set) return fail_at(p, p->token.at, "offset may not be set multiple times");
    next(p);
    target->offset_set = true;
    return parse_ms(p, true, "offset", &target->offset_ms);
}

static bool parse_at_value(struct parser *p, struct weir_promql_expr *target) {
    bool negative = accept(p, "-");
    if (!negative) accept(p, "+");
    if (p->code) return false;
    if (is_word(p, "start") || is_word(p, "end")) {
        target->at = is_word(p, "start") ? WEIR_PROMQL_AT_START : WEIR_PROMQL_AT_END;
        next(p);
        return expect(p, "(", "@ modifier") && expect(p, ")", "@ modifier");
    }
    bool special = is_word(p, "inf") || is_word(p, "nan");
    if (p->token.kind != WEIR_PROMQL_TOKEN_NUMBER && p->token.kind != WEIR_PROMQL_TOKEN_DURATION &&
        !special)
        return fail_unexpected(p, "@ modifier", "timestamp, start() or end()");
    double ms = round(p->token.number * 1000);
    if (special || !(fabs(ms) < 9e15))
        return fail_at(p, p->token.at, "timestamp out of bounds for @ modifier");
    target->at = WEIR_PROMQL_AT_TIME;
    target->at_ms = (int64_t)(negative ? -ms : ms);
    next(p);
    return !p->code;
}

static bool parse_at(struct parser *p, struct weir_promql_expr *expr) {
    struct weir_promql_expr *target = modified(expr);
    if (!target)
        return fail_at(p, p->token.at,
                       "@ modifier must be preceded by an instant vector selector or "
                       "range vector selector or a subquery");
    if (target->at) return fail_at(p, p->token.at, "@ <timestamp> may not be set multiple times");
    next(p);
    return parse_at_value(p, target);
}

static struct weir_promql_expr *parse_postfix(struct parser *p) {
    struct weir_promql_expr *expr = parse_primary(p);
    while (expr && !p->code) {
        bool done = false;
        if (is_symbol(p, "["))
            expr = parse_brackets(p, expr);
        else if (is_word(p, "offset"))
            done = !parse_offset(p, expr);
        else if (is_symbol(p, "@"))
            done = !parse_at(p, expr);
        else
            break;
        if (done || !expr) return NULL;
        expr->until = (uint32_t)p->end;
    }
    return p->code ? NULL : expr;
}

static struct weir_promql_expr *parse_unary(struct parser *p) {
    size_t from = p->token.at;
    bool minus = is_symbol(p, "-");
    if (!minus && !is_symbol(p, "+")) return parse_postfix(p);
    next(p);
    struct weir_promql_expr *inner = parse_expr(p, UNARY_PRECEDENCE);
    if (!inner) return NULL;
    if (weir_promql_unwrap(inner)->kind == WEIR_PROMQL_NUMBER &&
        inner->kind == WEIR_PROMQL_NUMBER) {
        if (minus) inner->number = -inner->number;
        inner->from = (uint32_t)from;
        return inner;
    }
    struct weir_promql_expr *expr = new_expr(p, WEIR_PROMQL_UNARY, inner->type, from);
    if (!expr) return NULL;
    expr->op = minus ? WEIR_PROMQL_OP_SUB : WEIR_PROMQL_OP_ADD;
    expr->left = inner;
    return expr;
}

static struct weir_promql_expr *parse_expr(struct parser *p, int precedence) {
    if (p->depth >= WEIR_PROMQL_DEPTH_MAX)
        return fail_at(p, p->token.at, "query is nested more than %d deep", WEIR_PROMQL_DEPTH_MAX);
    p->depth++;
    struct weir_promql_expr *expr = p->code ? NULL : parse_unary(p);
    while (expr && !p->code) {
        int at = operator_here(p);
        if (at < 0 || operators[at].precedence < precedence) break;
        expr = parse_binary(p, expr, at);
    }
    p->depth--;
    return p->code ? NULL : expr;
}

int weir_promql_parse(struct weir_arena *arena, struct weir_view text,
                      struct weir_promql_expr **ret, struct weir_error *reterr) {
    struct parser p = {.arena = arena, .reterr = reterr, .lex = {.input = text, .arena = arena}};
    if (text.len > WEIR_PROMQL_TEXT_LEN_MAX)
        return weir_error_set(reterr, WEIR_EINVALID, "query is longer than %d bytes",
                              WEIR_PROMQL_TEXT_LEN_MAX);
    next(&p);
    if (!p.code && p.token.kind == WEIR_PROMQL_TOKEN_END)
        fail_at(&p, 0, "no expression found in input");
    struct weir_promql_expr *expr = p.code ? NULL : parse_expr(&p, 0);
    if (!p.code && p.token.kind != WEIR_PROMQL_TOKEN_END) {
        char words[100];
        fail_at(&p, p.token.at, "unexpected %s", token_words(&p, words, sizeof words));
    }
    if (p.code) return p.code;
    if (!expr) return weir_error_set(reterr, WEIR_ENOMEMORY, "query is too large to parse");
    int code = weir_promql_check(expr, text, reterr);
    if (code == 0) *ret = expr;
    return code;
}
