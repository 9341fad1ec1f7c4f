/* SPDX-License-Identifier: Apache-2.0 */
#include "store/row.h"

#include <math.h>

enum { SPANS = 1 << WEIR_TABLE_SPANS, LOGS = 1 << WEIR_TABLE_LOGS, BOTH = SPANS | LOGS };

#define I64(id, number, tables, field)                                                             \
    { WEIR_COLUMN_##id, WEIR_COLUMN_TYPE_I64, 0, tables, number, offsetof(struct weir_row, field) }
#define ID(id, number, tables, field)                                                              \
    {                                                                                              \
        WEIR_COLUMN_##id, WEIR_COLUMN_TYPE_BYTES, sizeof((struct weir_row *)0)->field, tables,     \
            number, offsetof(struct weir_row, field)                                               \
    }
#define STR(id, number, tables, field)                                                             \
    { WEIR_COLUMN_##id, WEIR_COLUMN_TYPE_STR, 0, tables, number, offsetof(struct weir_row, field) }
#define VALUE(id, number, tables, field)                                                           \
    {                                                                                              \
        WEIR_COLUMN_##id, WEIR_COLUMN_TYPE_VALUE, 0, tables, number,                               \
            offsetof(struct weir_row, field)                                                       \
    }

const struct weir_row_column weir_row_columns[] = {
    I64(TIME_NS, 1, BOTH, time_ns),
    ID(TRACE_ID, 2, BOTH, trace_id),
    ID(SPAN_ID, 3, BOTH, span_id),
    STR(NAME, 4, BOTH, name),
    I64(FLAGS, 5, BOTH, flags),
    STR(SCOPE_NAME, 6, BOTH, scope_name),
    STR(SCOPE_VERSION, 7, BOTH, scope_version),
    I64(DURATION_NS, 8, SPANS, duration_ns),
    ID(PARENT_SPAN_ID, 9, SPANS, parent_span_id),
    I64(KIND, 10, SPANS, kind),
    I64(STATUS_CODE, 11, SPANS, status_code),
    STR(STATUS_MESSAGE, 12, SPANS, status_message),
    STR(TRACE_STATE, 13, SPANS, trace_state),
    STR(EVENTS, 14, SPANS, events),
    STR(LINKS, 15, SPANS, links),
    I64(OBSERVED_NS, 16, LOGS, observed_ns),
    I64(SEVERITY_NUMBER, 17, LOGS, severity_number),
    STR(SEVERITY_TEXT, 18, LOGS, severity_text),
    VALUE(BODY, 19, LOGS, body),
    {.tables = 0},
};

const struct weir_row_column *weir_row_column_get(enum weir_table table, enum weir_column_id id) {
    for (const struct weir_row_column *column = weir_row_columns; column->tables; column++)
        if (column->id == id && (column->tables >> table & 1)) return column;
    return NULL;
}

static const void *field_of(const struct weir_row *row, const struct weir_row_column *column) {
    return (const char *)row + column->offset;
}

struct weir_value weir_row_field(const struct weir_row *row, const struct weir_row_column *column) {
    const void *field = field_of(row, column);
    switch (column->type) {
    case WEIR_COLUMN_TYPE_I64: return weir_value_i64(*(const int64_t *)field);
    case WEIR_COLUMN_TYPE_STR: return weir_value_str(*(const struct weir_view *)field);
    case WEIR_COLUMN_TYPE_VALUE: return *(const struct weir_value *)field;
    case WEIR_COLUMN_TYPE_BYTES:
        return (struct weir_value){.type = WEIR_VALUE_BYTES,
                                   .str = weir_view(field, column->width)};
    case WEIR_COLUMN_TYPE_ATTRS: break;
    }
    return (struct weir_value){0};
}

struct weir_value weir_row_value(const struct weir_row *row, enum weir_table table,
                                 const struct weir_column *column) {
    const struct weir_row_column *plain = weir_row_column_get(table, column->id);
    if (plain) return weir_row_field(row, plain);
    const struct weir_value *value = NULL;
    if (column->id == WEIR_COLUMN_ATTR || column->id == WEIR_COLUMN_ANY_ATTR)
        value = weir_attrs_get(row->attrs, column->key);
    if (!value && (column->id == WEIR_COLUMN_RESOURCE_ATTR || column->id == WEIR_COLUMN_ANY_ATTR))
        value = weir_attrs_get(row->resource->attrs, column->key);
    return value ? *value : (struct weir_value){0};
}

/* ---- predicates ----------------------------------------------------------------------------- */

/* What a comparison says; UNKNOWN where the types cannot be compared. */
enum order { LESS, EQUAL, GREATER, UNEQUAL, UNKNOWN };

static enum order sign(int cmp) {
    return cmp < 0 ? LESS : cmp > 0 ? GREATER : EQUAL;
}

static bool is_text(struct weir_value value) {
    return value.type == WEIR_VALUE_STRING || value.type == WEIR_VALUE_BYTES;
}

static bool is_number(struct weir_value value) {
    return value.type == WEIR_VALUE_INT || value.type == WEIR_VALUE_DOUBLE;
}

static double to_f64(struct weir_value value) {
    return value.type == WEIR_VALUE_INT ? (double)value.i64 : value.f64;
}

static enum order compare(struct weir_value a, struct weir_value b) {
    if (a.type == WEIR_VALUE_INT && b.type == WEIR_VALUE_INT)
        return a.i64 < b.i64 ? LESS : a.i64 > b.i64 ? GREATER : EQUAL;
    if (is_number(a) && is_number(b)) {
        double x = to_f64(a), y = to_f64(b);
        /* Beyond 2^53 integers round: equal doubles prove nothing then. */
        if (isnan(x) || isnan(y) || fabs(x) > 0x1p53 || fabs(y) > 0x1p53) return UNKNOWN;
        return x < y ? LESS : x > y ? GREATER : EQUAL;
    }
    if (is_text(a) && is_text(b)) return sign(weir_view_cmp(a.str, b.str));
    if (a.type == WEIR_VALUE_BOOL && b.type == WEIR_VALUE_BOOL)
        return a.boolean == b.boolean ? EQUAL : UNEQUAL;
    return UNKNOWN;
}

static bool compares(enum weir_op op, enum order order) {
    switch (op) {
    case WEIR_OP_EQ: return order == EQUAL;
    case WEIR_OP_NE: return order != EQUAL;
    case WEIR_OP_LT: return order == LESS;
    case WEIR_OP_LE: return order == LESS || order == EQUAL;
    case WEIR_OP_GT: return order == GREATER;
    case WEIR_OP_GE: return order == GREATER || order == EQUAL;
    case WEIR_OP_MATCH:
    case WEIR_OP_CONTAINS: break;
    }
    return true;
}

bool weir_predicate_holds(const struct weir_predicate *predicate, struct weir_value value) {
    enum weir_op op = predicate->op;
    if (value.type == WEIR_VALUE_NONE) return op == WEIR_OP_NE || op == WEIR_OP_MATCH;
    if (op == WEIR_OP_MATCH)
        return value.type != WEIR_VALUE_STRING || predicate->match(predicate->match_ctx, value.str);
    if (op == WEIR_OP_CONTAINS)
        return value.type != WEIR_VALUE_STRING || !is_text(predicate->value) ||
               weir_view_find(value.str, predicate->value.str) != SIZE_MAX;
    enum order order = compare(value, predicate->value);
    return order == UNKNOWN || compares(op, order);
}

bool weir_predicate_may_hold_range(const struct weir_predicate *predicate, int64_t min,
                                   int64_t max) {
    if (predicate->value.type != WEIR_VALUE_INT || min > max) return true;
    int64_t value = predicate->value.i64;
    switch (predicate->op) {
    case WEIR_OP_EQ: return min <= value && value <= max;
    case WEIR_OP_NE: return min != value || max != value;
    case WEIR_OP_LT: return min < value;
    case WEIR_OP_LE: return min <= value;
    case WEIR_OP_GT: return max > value;
    case WEIR_OP_GE: return max >= value;
    case WEIR_OP_MATCH:
    case WEIR_OP_CONTAINS: break;
    }
    return true;
}

/* ---- rows to columns ------------------------------------------------------------------------ */

static bool plain_to_column(struct weir_arena *arena, const struct weir_row *const *rows,
                            uint32_t count, const struct weir_row_column *plain,
                            struct weir_column_data *ret) {
    ret->type = plain->type;
    ret->width = plain->width;
    size_t size = plain->type == WEIR_COLUMN_TYPE_I64   ? sizeof(int64_t)
                  : plain->type == WEIR_COLUMN_TYPE_STR ? sizeof(struct weir_view)
                  : plain->width                        ? plain->width
                                                        : sizeof(struct weir_value);
    char *cells = weir_arena_alloc(arena, size * count);
    if (!cells) return false;
    for (uint32_t i = 0; i < count; i++) memcpy(cells + i * size, field_of(rows[i], plain), size);
    switch (plain->type) {
    case WEIR_COLUMN_TYPE_I64: ret->i64 = (const void *)cells; break;
    case WEIR_COLUMN_TYPE_STR: ret->str = (const void *)cells; break;
    case WEIR_COLUMN_TYPE_VALUE: ret->values = (const void *)cells; break;
    case WEIR_COLUMN_TYPE_BYTES: ret->bytes = (const void *)cells; break;
    case WEIR_COLUMN_TYPE_ATTRS: break;
    }
    return true;
}

static bool attrs_to_column(struct weir_arena *arena, const struct weir_row *const *rows,
                            uint32_t count, enum weir_column_id id, struct weir_column_data *ret) {
    struct weir_attrs *attrs = WEIR_NEW_ARRAY(arena, struct weir_attrs, count);
    if (!attrs) return false;
    for (uint32_t i = 0; i < count; i++)
        attrs[i] = id == WEIR_COLUMN_ATTRS ? rows[i]->attrs : rows[i]->resource->attrs;
    ret->type = WEIR_COLUMN_TYPE_ATTRS;
    ret->attrs = attrs;
    return true;
}

bool weir_rows_to_columns(struct weir_arena *arena, enum weir_table table,
                          const struct weir_row *const *rows, uint32_t rows_count,
                          const struct weir_column *columns, uint32_t columns_count,
                          struct weir_column_data *ret_columns) {
    for (uint32_t c = 0; c < columns_count; c++) {
        const struct weir_column *column = &columns[c];
        struct weir_column_data *ret = &ret_columns[c];
        *ret = (struct weir_column_data){.type = WEIR_COLUMN_TYPE_VALUE};
        const struct weir_row_column *plain = weir_row_column_get(table, column->id);
        if (plain) {
            if (!plain_to_column(arena, rows, rows_count, plain, ret)) return false;
        } else if (column->id == WEIR_COLUMN_ATTRS || column->id == WEIR_COLUMN_RESOURCE) {
            if (!attrs_to_column(arena, rows, rows_count, column->id, ret)) return false;
        } else {
            struct weir_value *values = WEIR_NEW_ARRAY(arena, struct weir_value, rows_count);
            if (!values) return false;
            for (uint32_t i = 0; i < rows_count; i++)
                values[i] = weir_row_value(rows[i], table, column);
            ret->values = values;
        }
    }
    return true;
}

/* ---- order ---------------------------------------------------------------------------------- */

/* Merges the sorted runs [from, middle) and [middle, until) through scratch. */
static void merge_runs(const struct weir_row **rows, const struct weir_row **scratch, size_t from,
                       size_t middle, size_t until) {
    if (rows[middle - 1]->time_ns <= rows[middle]->time_ns) return; /* in order already */
    memcpy(scratch, rows + from, (middle - from) * sizeof *rows);
    size_t left = 0, left_count = middle - from, right = middle, to = from;
    while (left < left_count && right < until)
        rows[to++] =
            rows[right]->time_ns < scratch[left]->time_ns ? rows[right++] : scratch[left++];
    memcpy(rows + to, scratch + left, (left_count - left) * sizeof *rows);
}

void weir_rows_sort(const struct weir_row **rows, const struct weir_row **scratch, size_t count) {
    for (size_t run = 1; run < count; run *= 2)
        for (size_t from = 0; from + run < count; from += 2 * run)
            merge_runs(rows, scratch, from, from + run,
                       from + 2 * run < count ? from + 2 * run : count);
}
