/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "promql/functions.h"
#include "promql/lex.h"
#include "promql/promql.h"
#include "wire/json.h"

/* Lines longer than this are broken up by weir_promql_format. */
enum { LINE_LEN_MAX = 100, PRINT_LEN_MAX = 4 * 1024 * 1024 };

struct printer {
    struct weir_buf buf;
    struct weir_arena *arena;
    bool pretty;
    uint32_t level; /* of indentation */
};

static void print(struct printer *p, const struct weir_promql_expr *expr);

static void add(struct printer *p, const char *str) {
    weir_buf_add_str(&p->buf, str);
}

static void add_quoted(struct weir_buf *buf, struct weir_view str) {
    weir_buf_add_char(buf, '"');
    for (size_t i = 0; i < str.len; i++) {
        char c = str.ptr[i];
        if (c == '"' || c == '\\')
            weir_buf_printf(buf, "\\%c", c);
        else if (c == '\n')
            weir_buf_add_str(buf, "\\n");
        else if ((unsigned char)c < 32 || c == 127)
            weir_buf_printf(buf, "\\x%02x", (unsigned)c);
        else
            weir_buf_add_char(buf, c);
    }
    weir_buf_add_char(buf, '"');
}

static void add_duration(struct weir_buf *buf, int64_t ms) {
    static const struct {
        const char *name;
        int64_t ms;
        bool exact; /* only where nothing is left over */
    } units[] = {{"y", 31536000000, true}, {"w", 604800000, true}, {"d", 86400000, false},
                 {"h", 3600000, false},    {"m", 60000, false},    {"s", 1000, false},
                 {"ms", 1, false}};
    if (ms < 0) weir_buf_add_char(buf, '-'), ms = -ms;
    if (ms == 0) weir_buf_add_str(buf, "0s");
    for (size_t i = 0; i < sizeof units / sizeof *units && ms; i++) {
        int64_t count = ms / units[i].ms;
        if (count == 0 || (units[i].exact && ms % units[i].ms)) continue;
        weir_buf_printf(buf, "%lld%s", (long long)count, units[i].name);
        ms -= count * units[i].ms;
    }
}

static void add_names(struct printer *p, const struct weir_promql_names *names) {
    weir_buf_add_char(&p->buf, '(');
    for (uint32_t i = 0; i < names->count; i++) {
        if (i) add(p, ", ");
        if (weir_promql_is_label_name(names->items[i]))
            weir_buf_add_view(&p->buf, names->items[i]);
        else
            add_quoted(&p->buf, names->items[i]);
    }
    weir_buf_add_char(&p->buf, ')');
}

static void print_modifiers(struct printer *p, const struct weir_promql_expr *expr) {
    if (expr->at == WEIR_PROMQL_AT_START) add(p, " @ start()");
    if (expr->at == WEIR_PROMQL_AT_END) add(p, " @ end()");
    if (expr->at == WEIR_PROMQL_AT_TIME)
        weir_buf_printf(&p->buf, " @ %s%lld.%03lld", expr->at_ms < 0 ? "-" : "",
                        (long long)llabs(expr->at_ms / 1000), (long long)llabs(expr->at_ms % 1000));
    if (!expr->offset_set) return;
    add(p, " offset ");
    add_duration(&p->buf, expr->offset_ms);
}

static void print_matchers(struct printer *p, const struct weir_promql_expr *expr) {
    static const char *const symbols[] = {"=", "!=", "=~", "!~"};
    bool plain = weir_promql_is_metric_name(expr->name);
    uint32_t first = expr->name.len ? 1 : 0;
    uint32_t own = UINT32_MAX; /* the name's own matcher: {a="b", "metric"} has it second */
    for (uint32_t i = 0; i < expr->matchers_count && expr->name.len; i++)
        if (weir_view_is(expr->matchers[i].name, "__name__") && own == UINT32_MAX &&
            expr->matchers[i].match == WEIR_PROMQL_MATCH_EQ &&
            weir_view_eq(expr->matchers[i].value, expr->name))
            own = i;
    if (plain) weir_buf_add_view(&p->buf, expr->name);
    if (plain && expr->matchers_count == first) return;
    weir_buf_add_char(&p->buf, '{');
    bool comma = !plain && expr->name.len;
    if (comma) add_quoted(&p->buf, expr->name);
    for (uint32_t i = 0; i < expr->matchers_count; i++) {
        const struct weir_promql_matcher *m = &expr->matchers[i];
        if (i == own) continue;
        if (comma) weir_buf_add_char(&p->buf, ',');
        comma = true;
        if (weir_promql_is_label_name(m->name))
            weir_buf_add_view(&p->buf, m->name);
        else
            add_quoted(&p->buf, m->name);
        add(p, symbols[m->match]);
        add_quoted(&p->buf, m->value);
    }
    weir_buf_add_char(&p->buf, '}');
}

static void new_line(struct printer *p) {
    weir_buf_add_char(&p->buf, '\n');
    for (uint32_t i = 0; i < p->level; i++) add(p, "  ");
}

/* `inner` between brackets, on lines of its own when it is long. */
static void print_block(struct printer *p, const struct weir_promql_expr *const *inner,
                        uint32_t count) {
    size_t from = p->buf.len;
    bool pretty = p->pretty;
    p->pretty = false;
    weir_buf_add_char(&p->buf, '(');
    for (uint32_t i = 0; i < count; i++) {
        if (i) add(p, ", ");
        print(p, inner[i]);
    }
    weir_buf_add_char(&p->buf, ')');
    p->pretty = pretty;
    if (!pretty || p->buf.len - from + 2U * p->level <= LINE_LEN_MAX) return;
    p->buf.len = from;
    weir_buf_add_char(&p->buf, '(');
    p->level++;
    for (uint32_t i = 0; i < count; i++) {
        if (i) weir_buf_add_char(&p->buf, ',');
        new_line(p);
        print(p, inner[i]);
    }
    p->level--;
    new_line(p);
    weir_buf_add_char(&p->buf, ')');
}

static void print_binary(struct printer *p, const struct weir_promql_expr *expr) {
    size_t from = p->buf.len;
    print(p, expr->left);
    if (p->pretty && p->buf.len - from > LINE_LEN_MAX / 2)
        new_line(p);
    else
        weir_buf_add_char(&p->buf, ' ');
    add(p, weir_promql_op_name(expr->op));
    if (expr->is_bool) add(p, " bool");
    if (expr->matching) {
        add(p, expr->on ? " on " : " ignoring ");
        add_names(p, &expr->labels);
    }
    if (expr->card == WEIR_PROMQL_CARD_MANY_TO_ONE || expr->card == WEIR_PROMQL_CARD_ONE_TO_MANY) {
        add(p, expr->card == WEIR_PROMQL_CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        add_names(p, &expr->include);
    }
    weir_buf_add_char(&p->buf, ' ');
    print(p, expr->right);
}

static void print_aggregate(struct printer *p, const struct weir_promql_expr *expr) {
    add(p, weir_promql_aggregation_name(expr->aggregation));
    if (expr->without || expr->labels.count) {
        add(p, expr->without ? " without " : " by ");
        add_names(p, &expr->labels);
        weir_buf_add_char(&p->buf, ' ');
    }
    const struct weir_promql_expr *inner[2] = {expr->param ? expr->param : expr->left, expr->left};
    print_block(p, inner, expr->param ? 2 : 1);
}

static void print_number(struct printer *p, double number) {
    /* PromQL spells infinity without the sign that sample values carry. */
    if (number != number)
        add(p, "NaN");
    else if (number > 1.7976931348623157e308)
        add(p, "Inf");
    else if (number < -1.7976931348623157e308)
        add(p, "-Inf");
    else
        weir_json_format_f64(&p->buf, number);
}

static void print_call(struct printer *p, const struct weir_promql_expr *expr) {
    const struct weir_promql_expr **inner =
        WEIR_NEW_ARRAY(p->arena, const struct weir_promql_expr *, expr->args_count + 1);
    add(p, expr->function->name);
    if (!inner) {
        p->buf.failed = true;
        return;
    }
    for (uint32_t i = 0; i < expr->args_count; i++) inner[i] = expr->args[i];
    print_block(p, inner, expr->args_count);
}

static void print(struct printer *p, const struct weir_promql_expr *expr) {
    switch (expr->kind) {
    case WEIR_PROMQL_NUMBER: print_number(p, expr->number); return;
    case WEIR_PROMQL_TEXT: add_quoted(&p->buf, expr->text); return;
    case WEIR_PROMQL_PAREN: {
        const struct weir_promql_expr *inner = expr->left;
        print_block(p, &inner, 1);
        return;
    }
    case WEIR_PROMQL_UNARY:
        add(p, expr->op == WEIR_PROMQL_OP_SUB ? "-" : "+");
        print(p, expr->left);
        return;
    case WEIR_PROMQL_BINARY: print_binary(p, expr); return;
    case WEIR_PROMQL_AGGREGATE: print_aggregate(p, expr); return;
    case WEIR_PROMQL_CALL: print_call(p, expr); return;
    case WEIR_PROMQL_SELECTOR:
        print_matchers(p, expr);
        print_modifiers(p, expr);
        return;
    case WEIR_PROMQL_RANGE:
        print_matchers(p, expr->left);
        weir_buf_add_char(&p->buf, '[');
        add_duration(&p->buf, expr->range_ms);
        weir_buf_add_char(&p->buf, ']');
        print_modifiers(p, expr->left);
        return;
    case WEIR_PROMQL_SUBQUERY:
        print(p, expr->left);
        weir_buf_add_char(&p->buf, '[');
        add_duration(&p->buf, expr->range_ms);
        weir_buf_add_char(&p->buf, ':');
        if (expr->step_ms) add_duration(&p->buf, expr->step_ms);
        weir_buf_add_char(&p->buf, ']');
        print_modifiers(p, expr);
        return;
    }
}

static struct weir_view print_all(struct weir_arena *arena, const struct weir_promql_expr *expr,
                                  bool pretty) {
    struct printer p = {.arena = arena, .pretty = pretty};
    weir_buf_init(&p.buf, PRINT_LEN_MAX);
    print(&p, expr);
    struct weir_view out = {NULL, 0};
    if (!p.buf.failed) out = weir_arena_copy(arena, weir_buf_view(&p.buf));
    weir_buf_done(&p.buf);
    return out;
}

struct weir_view weir_promql_print(struct weir_arena *arena, const struct weir_promql_expr *expr) {
    return print_all(arena, expr, false);
}

struct weir_view weir_promql_format(struct weir_arena *arena, const struct weir_promql_expr *expr) {
    return print_all(arena, expr, true);
}
