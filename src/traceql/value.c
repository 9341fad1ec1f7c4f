/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over one span. Comparisons with what is not there are false; with what only the whole
 * trace knows, unknown (Kleene's three values). */
#include <math.h>

#include "base/text.h"
#include "otlp/value.h"
#include "query/regex.h"
#include "traceql/functions.h"
#include "traceql/span.h"

static struct weir_traceql_value nil(void) {
    return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_NIL};
}
static struct weir_traceql_value unknown(void) {
    return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_UNKNOWN};
}
static struct weir_traceql_value of_bool(bool boolean) {
    return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_BOOL, .boolean = boolean};
}
static struct weir_traceql_value of_i64(enum weir_traceql_type type, int64_t i64) {
    return (struct weir_traceql_value){.type = type, .i64 = i64};
}
static struct weir_traceql_value of_f64(double f64) {
    return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_FLOAT, .f64 = f64};
}
static struct weir_traceql_value of_str(struct weir_view str) {
    return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_STRING, .str = str};
}

static struct weir_traceql_value of_attr(struct weir_value value) {
    switch (value.type) {
    case WEIR_VALUE_STRING: return of_str(value.str);
    case WEIR_VALUE_BOOL: return of_bool(value.boolean);
    case WEIR_VALUE_INT: return of_i64(WEIR_TRACEQL_TYPE_INT, value.i64);
    case WEIR_VALUE_DOUBLE: return of_f64(value.f64);
    case WEIR_VALUE_ARRAY:
        return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_ARRAY, .str = value.str};
    case WEIR_VALUE_BYTES:
    case WEIR_VALUE_MAP:
        return (struct weir_traceql_value){.type = WEIR_TRACEQL_TYPE_ARRAY, .str = {"", 0}};
    case WEIR_VALUE_NONE: break;
    }
    return nil();
}

bool weir_traceql_to_number(const struct weir_traceql_value *value, double *ret) {
    if (value->type == WEIR_TRACEQL_TYPE_FLOAT) return *ret = value->f64, true;
    if (value->type != WEIR_TRACEQL_TYPE_INT && value->type != WEIR_TRACEQL_TYPE_DURATION)
        return false;
    *ret = (double)value->i64;
    return true;
}

struct weir_view weir_traceql_to_text(const struct weir_traceql_value *value,
                                      struct weir_arena *arena) {
    switch (value->type) {
    case WEIR_TRACEQL_TYPE_STRING: return value->str;
    case WEIR_TRACEQL_TYPE_INT:
    case WEIR_TRACEQL_TYPE_DURATION: return weir_arena_printf(arena, "%lld", (long long)value->i64);
    case WEIR_TRACEQL_TYPE_FLOAT: return weir_arena_printf(arena, "%.15g", value->f64);
    case WEIR_TRACEQL_TYPE_BOOL: return value->boolean ? WEIR_VIEW("true") : WEIR_VIEW("false");
    case WEIR_TRACEQL_TYPE_STATUS: return weir_view_str(weir_traceql_status_name(value->i64));
    case WEIR_TRACEQL_TYPE_KIND: return weir_view_str(weir_traceql_kind_name(value->i64));
    case WEIR_TRACEQL_TYPE_ARRAY:
        return weir_value_text(arena,
                               (struct weir_value){.type = WEIR_VALUE_ARRAY, .str = value->str});
    case WEIR_TRACEQL_TYPE_NIL:
    case WEIR_TRACEQL_TYPE_UNKNOWN:
    case WEIR_TRACEQL_TYPE_ANY: break;
    }
    return WEIR_VIEW("nil");
}

/* ---- operators ------------------------------------------------------------------------------- */

static bool holds(enum weir_traceql_op op, int order) {
    switch ((int)op) {
    case WEIR_TRACEQL_OP_EQ: return order == 0;
    case WEIR_TRACEQL_OP_NE: return order != 0;
    case WEIR_TRACEQL_OP_GT: return order > 0;
    case WEIR_TRACEQL_OP_GE: return order >= 0;
    case WEIR_TRACEQL_OP_LT: return order < 0;
    default: return order <= 0;
    }
}

static struct weir_traceql_value compare(enum weir_traceql_op op,
                                         const struct weir_traceql_value *a,
                                         const struct weir_traceql_value *b,
                                         const struct weir_regex *regex, bool loose) {
    double x, y;
    if (op == WEIR_TRACEQL_OP_RE || op == WEIR_TRACEQL_OP_NRE) {
        if (a->type != WEIR_TRACEQL_TYPE_STRING) return of_bool(false);
        return of_bool(weir_regex_is_match(regex, a->str) == (op == WEIR_TRACEQL_OP_RE));
    }
    if (a->type == WEIR_TRACEQL_TYPE_NIL || b->type == WEIR_TRACEQL_TYPE_NIL) {
        bool same = a->type == b->type;
        return of_bool((op == WEIR_TRACEQL_OP_EQ && same) ||
                       (op == WEIR_TRACEQL_OP_NE && !same && (b->type == WEIR_TRACEQL_TYPE_NIL)));
    }
    bool a_number = weir_traceql_to_number(a, &x), b_number = weir_traceql_to_number(b, &y);
    if (loose && a_number != b_number) { /* "3" and 3 are the same partition */
        if (!a_number && a->type == WEIR_TRACEQL_TYPE_STRING)
            a_number = weir_view_to_f64(a->str, &x);
        if (!b_number && b->type == WEIR_TRACEQL_TYPE_STRING)
            b_number = weir_view_to_f64(b->str, &y);
    }
    if (a_number && b_number) {
        if (a->type == b->type && a->type != WEIR_TRACEQL_TYPE_FLOAT &&
            a->type != WEIR_TRACEQL_TYPE_STRING)
            return of_bool(holds(op, (a->i64 > b->i64) - (a->i64 < b->i64)));
        return of_bool(isnan(x) || isnan(y) ? op == WEIR_TRACEQL_OP_NE
                                            : holds(op, (x > y) - (x < y)));
    }
    if (a->type != b->type) return of_bool(false);
    if (a->type == WEIR_TRACEQL_TYPE_STRING)
        return of_bool(holds(op, weir_view_cmp(a->str, b->str)));
    if (a->type == WEIR_TRACEQL_TYPE_BOOL) return of_bool(holds(op, a->boolean - b->boolean));
    return of_bool(holds(op, (a->i64 > b->i64) - (a->i64 < b->i64)));
}

static struct weir_traceql_value arithmetic(enum weir_traceql_op op,
                                            const struct weir_traceql_value *a,
                                            const struct weir_traceql_value *b) {
    double x, y, result;
    if (!weir_traceql_to_number(a, &x) || !weir_traceql_to_number(b, &y)) return nil();
    switch ((int)op) {
    case WEIR_TRACEQL_OP_ADD: result = x + y; break;
    case WEIR_TRACEQL_OP_SUB: result = x - y; break;
    case WEIR_TRACEQL_OP_MUL: result = x * y; break;
    case WEIR_TRACEQL_OP_DIV: result = x / y; break;
    case WEIR_TRACEQL_OP_MOD: result = fmod(x, y); break;
    default: result = pow(x, y); break;
    }
    return of_f64(result);
}

/* false and x is false, true or x is true; else what is not known stays so. */
static struct weir_traceql_value logic(enum weir_traceql_op op, const struct weir_traceql_value *a,
                                       const struct weir_traceql_value *b) {
    bool decisive = op == WEIR_TRACEQL_OP_OR;
    const struct weir_traceql_value *sides[] = {a, b};
    bool any_unknown = false;
    for (int i = 0; i < 2; i++) {
        bool is_true = sides[i]->type == WEIR_TRACEQL_TYPE_BOOL && sides[i]->boolean;
        if (sides[i]->type == WEIR_TRACEQL_TYPE_UNKNOWN)
            any_unknown = true;
        else if (is_true == decisive)
            return of_bool(decisive);
    }
    return any_unknown ? unknown() : of_bool(!decisive);
}

/* An array compares by its elements: `!=` and `!~` want all of them to differ, the rest any to
 * hold. */
static struct weir_traceql_value compare_array(enum weir_traceql_op op,
                                               const struct weir_traceql_value *a,
                                               const struct weir_traceql_value *b,
                                               const struct weir_regex *regex, bool loose) {
    bool wants_all = op == WEIR_TRACEQL_OP_NE || op == WEIR_TRACEQL_OP_NRE;
    struct weir_value_cursor cursor =
        weir_value_cursor((struct weir_value){.type = WEIR_VALUE_ARRAY, .str = a->str});
    struct weir_value element;
    if (b->type == WEIR_TRACEQL_TYPE_NIL) return of_bool(op == WEIR_TRACEQL_OP_NE);
    while (weir_value_next(&cursor, &element)) {
        struct weir_traceql_value value = of_attr(element);
        if (value.type == WEIR_TRACEQL_TYPE_ARRAY) continue;
        if (compare(op, &value, b, regex, loose).boolean != wants_all) return of_bool(!wants_all);
    }
    return of_bool(wants_all);
}

struct weir_traceql_value weir_traceql_apply(enum weir_traceql_op op, struct weir_traceql_value a,
                                             struct weir_traceql_value b,
                                             const struct weir_regex *regex, bool loose) {
    if (op == WEIR_TRACEQL_OP_AND || op == WEIR_TRACEQL_OP_OR) return logic(op, &a, &b);
    if (a.type == WEIR_TRACEQL_TYPE_UNKNOWN || b.type == WEIR_TRACEQL_TYPE_UNKNOWN)
        return unknown();
    if (!weir_traceql_op_is_comparison(op)) return arithmetic(op, &a, &b);
    if (a.type == WEIR_TRACEQL_TYPE_ARRAY) return compare_array(op, &a, &b, regex, loose);
    return compare(op, &a, &b, regex, loose);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static struct weir_traceql_value hex_id(const uint8_t *id, size_t size, char *scratch) {
    if (!id) return of_str(weir_view("", 0));
    weir_text_hex_put(scratch, id, size);
    return of_str(weir_view(scratch, size * 2));
}

static struct weir_traceql_value of_trace(enum weir_traceql_intrinsic intrinsic,
                                          const struct weir_traceql_span *span) {
    const struct weir_traceql_trace *trace = span->trace;
    const struct weir_traceql_span *root =
        trace && trace->root != WEIR_TRACEQL_NO_SPAN ? &trace->spans[trace->root] : NULL;
    if (intrinsic == WEIR_TRACEQL_NESTED_PARENT && !span->parent_id)
        return of_i64(WEIR_TRACEQL_TYPE_INT, -1);
    if (!trace) /* a child's number is positive; which one only the trace knows */
        return intrinsic == WEIR_TRACEQL_NESTED_PARENT && span->is_alone
                   ? of_i64(WEIR_TRACEQL_TYPE_INT, 1)
                   : unknown();
    switch ((int)intrinsic) {
    case WEIR_TRACEQL_CHILD_COUNT: return of_i64(WEIR_TRACEQL_TYPE_INT, span->child_count);
    case WEIR_TRACEQL_TRACE_DURATION:
        return of_i64(WEIR_TRACEQL_TYPE_DURATION, trace->end_ns - trace->start_ns);
    case WEIR_TRACEQL_ROOT_NAME: return root ? of_str(root->name) : nil();
    case WEIR_TRACEQL_ROOT_SERVICE: return root ? of_str(root->service) : nil();
    case WEIR_TRACEQL_NESTED_LEFT: return of_i64(WEIR_TRACEQL_TYPE_INT, span->nested_left);
    case WEIR_TRACEQL_NESTED_RIGHT: return of_i64(WEIR_TRACEQL_TYPE_INT, span->nested_right);
    default:
        return of_i64(WEIR_TRACEQL_TYPE_INT, span->parent == WEIR_TRACEQL_NO_SPAN
                                                 ? 0
                                                 : trace->spans[span->parent].nested_left);
    }
}

/* `scratch`: 32 bytes for an id's text. */
static struct weir_traceql_value field_value(const struct weir_traceql_field *field,
                                             const struct weir_traceql_span *span, char *scratch) {
    switch (field->intrinsic) {
    case WEIR_TRACEQL_INTRINSIC_NONE: break;
    case WEIR_TRACEQL_DURATION: return of_i64(WEIR_TRACEQL_TYPE_DURATION, span->duration_ns);
    case WEIR_TRACEQL_NAME: return of_str(span->name);
    case WEIR_TRACEQL_STATUS: return of_i64(WEIR_TRACEQL_TYPE_STATUS, span->status);
    case WEIR_TRACEQL_STATUS_MESSAGE: return of_str(span->status_message);
    case WEIR_TRACEQL_KIND: return of_i64(WEIR_TRACEQL_TYPE_KIND, span->kind);
    case WEIR_TRACEQL_SPAN_ID: return hex_id(span->span_id, 8, scratch);
    case WEIR_TRACEQL_PARENT_ID: return hex_id(span->parent_id, 8, scratch);
    case WEIR_TRACEQL_TRACE_ID: return hex_id(span->trace_id, 16, scratch);
    case WEIR_TRACEQL_START_TIME: return of_i64(WEIR_TRACEQL_TYPE_INT, span->start_ns);
    case WEIR_TRACEQL_SCOPE_NAME: return of_str(span->scope_name);
    case WEIR_TRACEQL_SCOPE_VERSION: return of_str(span->scope_version);
    case WEIR_TRACEQL_PARENT: return span->parent_id ? of_bool(true) : nil();
    case WEIR_TRACEQL_CHILD_COUNT:
    case WEIR_TRACEQL_TRACE_DURATION:
    case WEIR_TRACEQL_ROOT_NAME:
    case WEIR_TRACEQL_ROOT_SERVICE:
    case WEIR_TRACEQL_NESTED_LEFT:
    case WEIR_TRACEQL_NESTED_RIGHT:
    case WEIR_TRACEQL_NESTED_PARENT: return of_trace(field->intrinsic, span);
    case WEIR_TRACEQL_EVENT_NAME:
    case WEIR_TRACEQL_EVENT_TIME_SINCE_START:
    case WEIR_TRACEQL_LINK_TRACE_ID:
    case WEIR_TRACEQL_LINK_SPAN_ID: return nil(); /* many: see compare_many */
    }
    if (field->scope == WEIR_TRACEQL_SCOPE_PARENT) {
        if (!span->trace) return unknown();
        return span->parent == WEIR_TRACEQL_NO_SPAN
                   ? nil()
                   : of_attr(span->trace->spans[span->parent].values[field->slot]);
    }
    if (field->scope > WEIR_TRACEQL_SCOPE_RESOURCE) return nil();
    return of_attr(span->values[field->slot]);
}

struct weir_traceql_value weir_traceql_field_value(const struct weir_traceql_plan *plan,
                                                   const struct weir_traceql_field *field,
                                                   const struct weir_traceql_span *span) {
    char scratch[32];
    struct weir_traceql_value value = field_value(field, span, scratch);
    if (value.type == WEIR_TRACEQL_TYPE_STRING && value.str.ptr == scratch)
        value.str = weir_arena_copy(plan->arena, value.str);
    return value;
}

/* ---- events and links: any of them may hold -------------------------------------------------- */

static bool is_many(const struct weir_traceql_expr *expr) {
    if (expr->kind != WEIR_TRACEQL_EXPR_FIELD) return false;
    switch ((int)expr->field.intrinsic) {
    case WEIR_TRACEQL_INTRINSIC_NONE:
        return expr->field.scope == WEIR_TRACEQL_SCOPE_EVENT ||
               expr->field.scope == WEIR_TRACEQL_SCOPE_LINK;
    case WEIR_TRACEQL_EVENT_NAME:
    case WEIR_TRACEQL_EVENT_TIME_SINCE_START:
    case WEIR_TRACEQL_LINK_TRACE_ID:
    case WEIR_TRACEQL_LINK_SPAN_ID: return true;
    default: return false;
    }
}

/* The field's value in one encoded Event (time 1, name 2, attributes 3) or Link (ids 1 and 2,
 * attributes 4). */
static struct weir_traceql_value item_value(const struct weir_traceql_field *field,
                                            struct weir_view item,
                                            const struct weir_traceql_span *span, char *scratch) {
    bool is_event = field->scope == WEIR_TRACEQL_SCOPE_EVENT ||
                    field->intrinsic == WEIR_TRACEQL_EVENT_NAME ||
                    field->intrinsic == WEIR_TRACEQL_EVENT_TIME_SINCE_START;
    struct weir_pb pb = weir_pb(item);
    struct weir_pb_field f;
    struct weir_attr attr;
    while (weir_pb_next(&pb, &f) > 0) {
        if (field->intrinsic == WEIR_TRACEQL_EVENT_NAME && f.number == 2) return of_str(f.bytes);
        if (field->intrinsic == WEIR_TRACEQL_EVENT_TIME_SINCE_START && f.number == 1)
            return of_i64(WEIR_TRACEQL_TYPE_DURATION, (int64_t)f.value - span->start_ns);
        if (field->intrinsic == WEIR_TRACEQL_LINK_TRACE_ID && f.number == 1 && f.bytes.len == 16)
            return hex_id((const uint8_t *)f.bytes.ptr, 16, scratch);
        if (field->intrinsic == WEIR_TRACEQL_LINK_SPAN_ID && f.number == 2 && f.bytes.len == 8)
            return hex_id((const uint8_t *)f.bytes.ptr, 8, scratch);
        if (!field->intrinsic && f.number == (is_event ? 3U : 4U) &&
            weir_value_decode_attr(f.bytes, &attr) && weir_view_eq(attr.key, field->name))
            return of_attr(attr.value);
    }
    return nil();
}

static struct weir_traceql_value compare_many(const struct weir_traceql_plan *plan,
                                              const struct weir_traceql_expr *expr,
                                              const struct weir_traceql_span *span) {
    const struct weir_traceql_field *field = &expr->left->field;
    struct weir_traceql_value right = weir_traceql_evaluate(plan, expr->right, span);
    bool is_link = field->scope == WEIR_TRACEQL_SCOPE_LINK ||
                   field->intrinsic == WEIR_TRACEQL_LINK_TRACE_ID ||
                   field->intrinsic == WEIR_TRACEQL_LINK_SPAN_ID;
    bool wants_nil = right.type == WEIR_TRACEQL_TYPE_NIL && expr->op == WEIR_TRACEQL_OP_EQ;
    struct weir_pb pb = weir_pb(is_link ? span->links : span->events);
    struct weir_pb_field f;
    char scratch[32];
    bool any = false;
    while (weir_pb_next(&pb, &f) > 0) {
        if (f.number != (is_link ? 13U : 11U) || f.wire != WEIR_PB_BYTES) continue;
        struct weir_traceql_value value = item_value(field, f.bytes, span, scratch);
        any |= value.type != WEIR_TRACEQL_TYPE_NIL;
        if (!wants_nil && weir_traceql_apply(expr->op, value, right, expr->regex, false).boolean)
            return of_bool(true);
    }
    return of_bool(wants_nil && !any);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static bool is_loose(const struct weir_traceql_plan *plan, const struct weir_traceql_expr *expr) {
    return expr->kind == WEIR_TRACEQL_EXPR_FIELD && !expr->field.intrinsic &&
           expr->field.scope <= WEIR_TRACEQL_SCOPE_PARENT &&
           plan->slots[expr->field.slot].aliases.loose;
}

static struct weir_traceql_value unary(const struct weir_traceql_plan *plan,
                                       const struct weir_traceql_expr *expr,
                                       const struct weir_traceql_span *span) {
    struct weir_traceql_value value = weir_traceql_evaluate(plan, expr->left, span);
    if (expr->op == WEIR_TRACEQL_OP_NOT)
        return value.type == WEIR_TRACEQL_TYPE_UNKNOWN
                   ? value
                   : of_bool(!(value.type == WEIR_TRACEQL_TYPE_BOOL && value.boolean));
    if (value.type == WEIR_TRACEQL_TYPE_FLOAT)
        value.f64 = -value.f64;
    else if (value.type == WEIR_TRACEQL_TYPE_INT || value.type == WEIR_TRACEQL_TYPE_DURATION)
        value.i64 = (int64_t)(0 - (uint64_t)value.i64);
    return value;
}

static struct weir_traceql_value binary(const struct weir_traceql_plan *plan,
                                        const struct weir_traceql_expr *expr,
                                        const struct weir_traceql_span *span) {
    char left_scratch[32], right_scratch[32];
    if (weir_traceql_op_is_comparison(expr->op) && is_many(expr->left))
        return compare_many(plan, expr, span);
    struct weir_traceql_value left = expr->left->kind == WEIR_TRACEQL_EXPR_FIELD
                                         ? field_value(&expr->left->field, span, left_scratch)
                                         : weir_traceql_evaluate(plan, expr->left, span);
    bool settled = left.type == WEIR_TRACEQL_TYPE_BOOL &&
                   ((expr->op == WEIR_TRACEQL_OP_AND && !left.boolean) ||
                    (expr->op == WEIR_TRACEQL_OP_OR && left.boolean));
    if (settled) return left;
    struct weir_traceql_value right = expr->right->kind == WEIR_TRACEQL_EXPR_FIELD
                                          ? field_value(&expr->right->field, span, right_scratch)
                                          : weir_traceql_evaluate(plan, expr->right, span);
    bool loose = is_loose(plan, expr->left) || is_loose(plan, expr->right);
    return weir_traceql_apply(expr->op, left, right, expr->regex, loose);
}

struct weir_traceql_value weir_traceql_evaluate(const struct weir_traceql_plan *plan,
                                                const struct weir_traceql_expr *expr,
                                                const struct weir_traceql_span *span) {
    switch (expr->kind) {
    case WEIR_TRACEQL_EXPR_VALUE: return expr->value;
    case WEIR_TRACEQL_EXPR_FIELD: return weir_traceql_field_value(plan, &expr->field, span);
    case WEIR_TRACEQL_EXPR_UNARY: return unary(plan, expr, span);
    case WEIR_TRACEQL_EXPR_BINARY: return binary(plan, expr, span);
    case WEIR_TRACEQL_EXPR_AGGREGATE: break; /* of spansets, not of spans */
    }
    return nil();
}

int weir_traceql_accepts(const struct weir_traceql_plan *plan,
                         const struct weir_traceql_expr *filter,
                         const struct weir_traceql_span *span) {
    if (!filter) return 1;
    struct weir_traceql_value value = weir_traceql_evaluate(plan, filter, span);
    if (value.type == WEIR_TRACEQL_TYPE_UNKNOWN) return -1;
    return value.type == WEIR_TRACEQL_TYPE_BOOL && value.boolean;
}
