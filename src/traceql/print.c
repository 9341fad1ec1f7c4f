/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/print.h"

#include "traceql/functions.h"
#include "wire/json.h"

static void add_string(struct weir_view str, struct weir_buf *out) {
    weir_buf_add_char(out, '"');
    for (size_t i = 0; i < str.len; i++) {
        char c = str.ptr[i];
        if (c == '"' || c == '\\')
            weir_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            weir_buf_add_str(out, "\\n");
        else
            weir_buf_add_char(out, c);
    }
    weir_buf_add_char(out, '"');
}

static bool is_plain_name(struct weir_view name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '.' || c == '-' || c == '/';
        if (!plain) return false;
    }
    /* "parent." + "span.x" would read as another scope; a digit first would read as a number */
    return !weir_view_starts(name, WEIR_VIEW("span.")) &&
           !weir_view_starts(name, WEIR_VIEW("resource.")) &&
           !(name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9');
}

void weir_traceql_print_field(const struct weir_traceql_field *field, struct weir_buf *out) {
    static const char *const scopes[] = {"",      "span", "resource",       "parent",
                                         "event", "link", "instrumentation"};
    if (field->intrinsic) {
        weir_buf_add_str(out, weir_traceql_intrinsic_get(field->intrinsic)->name);
        return;
    }
    weir_buf_printf(out, "%s.", scopes[field->scope]);
    if (is_plain_name(field->name))
        weir_buf_add_view(out, field->name);
    else
        add_string(field->name, out);
}

static void add_value(const struct weir_traceql_expr *expr, struct weir_buf *out) {
    if (expr->value.type == WEIR_TRACEQL_TYPE_STRING)
        add_string(expr->value.str, out);
    else
        weir_buf_add_view(out, expr->text); /* numbers and words as written */
}

static void add_expr(const struct weir_traceql_expr *expr, struct weir_buf *out) {
    switch (expr->kind) {
    case WEIR_TRACEQL_EXPR_VALUE: add_value(expr, out); break;
    case WEIR_TRACEQL_EXPR_FIELD: weir_traceql_print_field(&expr->field, out); break;
    case WEIR_TRACEQL_EXPR_UNARY:
        weir_buf_printf(out, "%s(", weir_traceql_op_sign(expr->op));
        add_expr(expr->left, out);
        weir_buf_add_char(out, ')');
        break;
    case WEIR_TRACEQL_EXPR_BINARY:
        weir_buf_add_char(out, '(');
        add_expr(expr->left, out);
        weir_buf_printf(out, " %s ", weir_traceql_op_sign(expr->op));
        add_expr(expr->right, out);
        weir_buf_add_char(out, ')');
        break;
    case WEIR_TRACEQL_EXPR_AGGREGATE:
        weir_buf_printf(out, "%s(", weir_traceql_aggregate_name(expr->aggregate));
        if (expr->left) add_expr(expr->left, out);
        weir_buf_add_char(out, ')');
        break;
    }
}

/* A comparison without its outer parentheses. */
static void add_top(const struct weir_traceql_expr *expr, struct weir_buf *out) {
    if (expr->kind != WEIR_TRACEQL_EXPR_BINARY) {
        add_expr(expr, out);
        return;
    }
    add_expr(expr->left, out);
    weir_buf_printf(out, " %s ", weir_traceql_op_sign(expr->op));
    add_expr(expr->right, out);
}

static void add_stages(const struct weir_traceql_stage *stage, struct weir_buf *out);

static const char *relation_sign(const struct weir_traceql_spanset *set) {
    static const char *const signs[3][7] = {
        {"&&", "||", ">", "<", ">>", "<<", "~"},
        {"&&", "||", "!>", "!<", "!>>", "!<<", "!~"},
        {"&&", "||", "&>", "&<", "&>>", "&<<", "&~"},
    };
    return signs[set->mode][set->relation];
}

static void add_spanset(const struct weir_traceql_spanset *set, struct weir_buf *out) {
    if (set->is_filter) {
        weir_buf_add_str(out, "{ ");
        if (set->filter) add_top(set->filter, out);
        weir_buf_add_str(out, set->filter ? " }" : "}");
        return;
    }
    weir_buf_add_char(out, '(');
    add_spanset(set->left, out);
    if (set->right) {
        weir_buf_printf(out, " %s ", relation_sign(set));
        add_spanset(set->right, out);
    }
    add_stages(set->stages, out);
    weir_buf_add_char(out, ')');
}

static void add_fields(const struct weir_traceql_stage *stage, struct weir_buf *out) {
    weir_buf_add_char(out, '(');
    for (uint32_t i = 0; i < stage->by_count; i++) {
        if (i) weir_buf_add_str(out, ", ");
        add_top(stage->by[i], out);
    }
    weir_buf_add_char(out, ')');
}

static void add_metric(const struct weir_traceql_stage *stage, struct weir_buf *out) {
    weir_buf_printf(out, "%s(", weir_traceql_metric_name(stage->metric));
    if (stage->field) add_top(stage->field, out);
    if (stage->selection) add_spanset(stage->selection, out);
    for (uint32_t i = 0; i < stage->numbers_count; i++) {
        if (i || stage->field || stage->selection) weir_buf_add_str(out, ", ");
        weir_json_format_f64(out, stage->numbers[i]);
    }
    weir_buf_add_char(out, ')');
    if (!stage->by_count) return;
    weir_buf_add_str(out, " by ");
    add_fields(stage, out);
}

static void add_stages(const struct weir_traceql_stage *stage, struct weir_buf *out) {
    for (; stage; stage = stage->next) {
        weir_buf_add_str(out, " | ");
        switch (stage->kind) {
        case WEIR_TRACEQL_STAGE_FILTER: add_spanset(stage->spanset, out); break;
        case WEIR_TRACEQL_STAGE_SCALAR: add_top(stage->scalar, out); break;
        case WEIR_TRACEQL_STAGE_BY:
        case WEIR_TRACEQL_STAGE_SELECT:
            weir_buf_add_str(out, stage->kind == WEIR_TRACEQL_STAGE_BY ? "by" : "select");
            add_fields(stage, out);
            break;
        case WEIR_TRACEQL_STAGE_COALESCE: weir_buf_add_str(out, "coalesce()"); break;
        case WEIR_TRACEQL_STAGE_METRICS:
        case WEIR_TRACEQL_STAGE_SECOND: add_metric(stage, out); break;
        }
    }
}

void weir_traceql_print(const struct weir_traceql_query *query, struct weir_buf *out) {
    add_spanset(query->spanset, out);
    add_stages(query->stages, out);
    for (uint32_t i = 0; i < query->hints_count; i++) {
        weir_buf_add_str(out, i ? ", " : " with(");
        weir_buf_printf(out, "%.*s=", WEIR_VIEW_ARG(query->hints[i].name));
        if (query->hints[i].value.type == WEIR_TRACEQL_TYPE_STRING)
            add_string(query->hints[i].value.str, out);
        else
            weir_buf_add_view(out, query->hints[i].text);
    }
    if (query->hints_count) weir_buf_add_char(out, ')');
}
