/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_source.h"

#include <stdlib.h>

#include "unit.h"
#include "wire/pb.h"

struct row {
    int64_t time_ns;
    const struct weir_otlp_batch *batch;
    const struct weir_otlp_span *span; /* or */
    const struct weir_otlp_log *log;
};

struct fake_cursor {
    struct weir_cursor cursor;
    struct fake_source *fake;
    struct weir_select select;
    struct weir_arena arena;
    struct row *rows; /* ascending */
    uint32_t count, at;
    struct weir_block block;
};

static const uint8_t zero_id[16];

static const struct weir_otlp_scope *scope_of(const struct row *row) {
    return &row->batch->scopes[row->span ? row->span->scope : row->log->scope];
}

static struct weir_attrs resource_of(const struct row *row) {
    return row->batch->resources[scope_of(row)->resource].attrs;
}

static struct weir_attrs attrs_of(const struct row *row) {
    return row->span ? row->span->attrs : row->log->attrs;
}

static struct weir_value attr(struct weir_attrs attrs, struct weir_view key) {
    const struct weir_value *value = weir_attrs_get(attrs, key);
    return value ? *value : (struct weir_value){.type = WEIR_VALUE_NONE};
}

/* Only the fields of that number out of an encoded message. */
static struct weir_view only_field(struct weir_view raw, uint32_t number,
                                   struct weir_arena *arena) {
    struct weir_buf buf;
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    weir_buf_init(&buf, 1 << 20);
    while (weir_pb_next(&pb, &field) > 0)
        if (field.number == number) weir_pb_put_bytes(&buf, number, field.bytes);
    struct weir_view copy = weir_arena_copy(arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return copy;
}

/* ---- one cell -------------------------------------------------------------------------------- */

static int64_t cell_i64(const struct row *r, enum weir_column_id id) {
    switch ((int)id) {
    case WEIR_COLUMN_TIME_NS: return r->time_ns;
    case WEIR_COLUMN_FLAGS: return r->span ? r->span->flags : r->log->flags;
    case WEIR_COLUMN_DURATION_NS: return r->span->end_ns - r->span->start_ns;
    case WEIR_COLUMN_KIND: return r->span->kind;
    case WEIR_COLUMN_STATUS_CODE: return r->span->status_code;
    case WEIR_COLUMN_OBSERVED_NS: return r->log->observed_ns;
    default: return r->log->severity_number;
    }
}

static struct weir_view cell_str(const struct row *r, enum weir_column_id id,
                                 struct weir_arena *arena) {
    switch ((int)id) {
    case WEIR_COLUMN_NAME: return r->span ? r->span->name : r->log->event_name;
    case WEIR_COLUMN_SCOPE_NAME: return scope_of(r)->name;
    case WEIR_COLUMN_SCOPE_VERSION: return scope_of(r)->version;
    case WEIR_COLUMN_STATUS_MESSAGE: return r->span->status_message;
    case WEIR_COLUMN_TRACE_STATE: return r->span->trace_state;
    case WEIR_COLUMN_EVENTS: return only_field(r->span->raw, 11, arena);
    case WEIR_COLUMN_LINKS: return only_field(r->span->raw, 13, arena);
    default: return r->log->severity_text;
    }
}

static struct weir_value cell_value(const struct row *r, const struct weir_column *column) {
    if (column->id == WEIR_COLUMN_BODY) return r->log->body;
    if (column->id == WEIR_COLUMN_RESOURCE_ATTR) return attr(resource_of(r), column->key);
    struct weir_value own = attr(attrs_of(r), column->key);
    bool falls_back = column->id == WEIR_COLUMN_ANY_ATTR && own.type == WEIR_VALUE_NONE;
    return falls_back ? attr(resource_of(r), column->key) : own;
}

static const uint8_t *cell_bytes(const struct row *r, enum weir_column_id id) {
    const uint8_t *bytes =
        id == WEIR_COLUMN_TRACE_ID  ? (r->span ? r->span->trace_id : r->log->trace_id)
        : id == WEIR_COLUMN_SPAN_ID ? (r->span ? r->span->span_id : r->log->span_id)
                                    : r->span->parent_span_id;
    return bytes ? bytes : zero_id;
}

static enum weir_column_type type_of(enum weir_column_id id, uint32_t *ret_width) {
    *ret_width = id == WEIR_COLUMN_TRACE_ID ? 16 : 8;
    switch (id) {
    case WEIR_COLUMN_TRACE_ID:
    case WEIR_COLUMN_SPAN_ID:
    case WEIR_COLUMN_PARENT_SPAN_ID: return WEIR_COLUMN_TYPE_BYTES;
    case WEIR_COLUMN_NAME:
    case WEIR_COLUMN_SCOPE_NAME:
    case WEIR_COLUMN_SCOPE_VERSION:
    case WEIR_COLUMN_STATUS_MESSAGE:
    case WEIR_COLUMN_TRACE_STATE:
    case WEIR_COLUMN_EVENTS:
    case WEIR_COLUMN_LINKS:
    case WEIR_COLUMN_SEVERITY_TEXT: return WEIR_COLUMN_TYPE_STR;
    case WEIR_COLUMN_RESOURCE:
    case WEIR_COLUMN_ATTRS: return WEIR_COLUMN_TYPE_ATTRS;
    case WEIR_COLUMN_RESOURCE_ATTR:
    case WEIR_COLUMN_ATTR:
    case WEIR_COLUMN_ANY_ATTR:
    case WEIR_COLUMN_BODY: return WEIR_COLUMN_TYPE_VALUE;
    case WEIR_COLUMN_TIME_NS:
    case WEIR_COLUMN_FLAGS:
    case WEIR_COLUMN_DURATION_NS:
    case WEIR_COLUMN_KIND:
    case WEIR_COLUMN_STATUS_CODE:
    case WEIR_COLUMN_OBSERVED_NS:
    case WEIR_COLUMN_SEVERITY_NUMBER: break;
    }
    return WEIR_COLUMN_TYPE_I64;
}

/* ---- hints ----------------------------------------------------------------------------------- */

static bool value_eq(const struct weir_value *a, const struct weir_value *b) {
    if (a->type != b->type) return false;
    if (a->type == WEIR_VALUE_INT) return a->i64 == b->i64;
    if (a->type == WEIR_VALUE_BOOL) return a->boolean == b->boolean;
    if (a->type == WEIR_VALUE_DOUBLE) return a->f64 == b->f64;
    return weir_view_eq(a->str, b->str);
}

static struct weir_value cell(const struct row *r, const struct weir_column *column,
                              struct weir_arena *arena) {
    uint32_t width;
    switch (type_of(column->id, &width)) {
    case WEIR_COLUMN_TYPE_I64: return weir_value_i64(cell_i64(r, column->id));
    case WEIR_COLUMN_TYPE_STR: return weir_value_str(cell_str(r, column->id, arena));
    case WEIR_COLUMN_TYPE_VALUE: return cell_value(r, column);
    case WEIR_COLUMN_TYPE_BYTES:
        return (struct weir_value){.type = WEIR_VALUE_BYTES,
                                   .str = weir_view(cell_bytes(r, column->id), width)};
    case WEIR_COLUMN_TYPE_ATTRS: break;
    }
    return (struct weir_value){.type = WEIR_VALUE_NONE};
}

static bool satisfies(const struct row *r, const struct weir_predicate *p,
                      struct weir_arena *arena) {
    struct weir_value value = cell(r, &p->column, arena);
    bool has_str = value.type == WEIR_VALUE_STRING || value.type == WEIR_VALUE_BYTES;
    /* What cannot be compared is delivered: an array against a string. */
    if (p->op == WEIR_OP_EQ && value.type != WEIR_VALUE_NONE && value.type != p->value.type)
        return true;
    switch (p->op) {
    case WEIR_OP_EQ: return value_eq(&value, &p->value);
    case WEIR_OP_NE: return !value_eq(&value, &p->value);
    case WEIR_OP_MATCH: return has_str && p->match(p->match_ctx, value.str);
    case WEIR_OP_CONTAINS: return !has_str || weir_view_find(value.str, p->value.str) != SIZE_MAX;
    case WEIR_OP_LT: return value.i64 < p->value.i64;
    case WEIR_OP_LE: return value.i64 <= p->value.i64;
    case WEIR_OP_GT: return value.i64 > p->value.i64;
    case WEIR_OP_GE: return value.i64 >= p->value.i64;
    }
    return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void fill_column(struct weir_column_data *data, const struct weir_column *column,
                        const struct row *rows, uint32_t count, struct weir_arena *arena) {
    data->type = type_of(column->id, &data->width);
    int64_t *i64 = WEIR_NEW_ARRAY(arena, int64_t, count);
    uint8_t *bytes = WEIR_NEW_ARRAY(arena, uint8_t, count * data->width);
    struct weir_view *str = WEIR_NEW_ARRAY(arena, struct weir_view, count);
    struct weir_value *values = WEIR_NEW_ARRAY(arena, struct weir_value, count);
    struct weir_attrs *attrs = WEIR_NEW_ARRAY(arena, struct weir_attrs, count);
    uint32_t *codes = WEIR_NEW_ARRAY(arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        if (data->type == WEIR_COLUMN_TYPE_I64) i64[i] = cell_i64(&rows[i], column->id);
        if (data->type == WEIR_COLUMN_TYPE_BYTES)
            memcpy(bytes + (size_t)i * data->width, cell_bytes(&rows[i], column->id), data->width);
        if (data->type == WEIR_COLUMN_TYPE_STR) str[i] = cell_str(&rows[i], column->id, arena);
        if (data->type == WEIR_COLUMN_TYPE_VALUE) values[i] = cell_value(&rows[i], column);
        if (data->type == WEIR_COLUMN_TYPE_ATTRS)
            attrs[i] =
                column->id == WEIR_COLUMN_RESOURCE ? resource_of(&rows[i]) : attrs_of(&rows[i]);
        codes[i] = i; /* a dictionary that finds nothing twice is one, too */
    }
    data->i64 = data->type == WEIR_COLUMN_TYPE_I64 ? i64 : NULL;
    data->bytes = data->type == WEIR_COLUMN_TYPE_BYTES ? bytes : NULL;
    data->str = data->type == WEIR_COLUMN_TYPE_STR ? str : NULL;
    data->values = data->type == WEIR_COLUMN_TYPE_VALUE ? values : NULL;
    data->attrs = data->type == WEIR_COLUMN_TYPE_ATTRS ? attrs : NULL;
    if (column->id == WEIR_COLUMN_RESOURCE && count % 2) { /* with and without codes */
        data->codes = codes;
        data->dict_attrs = attrs;
        data->dict_count = count;
    }
}

static void fill_block(struct weir_block *block, const struct weir_column *columns,
                       uint32_t columns_count, const struct row *rows, uint32_t count,
                       struct weir_arena *arena) {
    struct weir_column_data *data =
        WEIR_NEW_ARRAY(arena, struct weir_column_data, columns_count + 1);
    for (uint32_t i = 0; i < columns_count; i++)
        fill_column(&data[i], &columns[i], rows, count, arena);
    *block =
        (struct weir_block){.rows_count = count, .columns = data, .columns_count = columns_count};
}

static int next_block(struct weir_cursor *cursor, const struct weir_block **ret,
                      struct weir_error *reterr) {
    struct fake_cursor *c = (struct fake_cursor *)cursor;
    (void)reterr;
    uint32_t left = c->count - c->at,
             size = left < c->fake->block_rows ? left : c->fake->block_rows;
    if (!size) return WEIR_END;
    bool newest = c->select.newest_first;
    const struct row *rows = newest ? c->rows + left - size : c->rows + c->at;
    fill_block(&c->block, c->select.columns, c->select.columns_count, rows, size, &c->arena);
    c->at += size;
    c->fake->rows_given += size;
    c->block.bound_ns = newest ? rows[0].time_ns : rows[size - 1].time_ns;
    *ret = &c->block;
    return 0;
}

static void close_cursor(struct weir_cursor *cursor) {
    struct fake_cursor *c = (struct fake_cursor *)cursor;
    weir_arena_done(&c->arena);
    free(c->rows);
    free(c);
}

static int by_time(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static void add_rows(struct fake_cursor *c, const struct weir_otlp_batch *batch) {
    bool spans = c->select.table == WEIR_TABLE_SPANS;
    if (batch->signal != (spans ? WEIR_SIGNAL_TRACE : WEIR_SIGNAL_LOG)) return;
    uint32_t count = spans ? batch->spans_count : batch->logs_count;
    c->rows = realloc(c->rows, (c->count + count + 1) * sizeof *c->rows);
    for (uint32_t i = 0; i < count; i++) {
        struct row row = {.batch = batch};
        if (spans)
            row.span = &batch->spans[i], row.time_ns = row.span->start_ns;
        else
            row.log = &batch->logs[i],
            row.time_ns = row.log->time_ns ? row.log->time_ns : row.log->observed_ns;
        bool wanted = row.time_ns >= c->select.from_ns && row.time_ns < c->select.until_ns;
        for (uint32_t p = 0; wanted && c->fake->obey_hints && p < c->select.predicates_count; p++)
            wanted = satisfies(&row, &c->select.predicates[p], &c->arena);
        if (wanted) c->rows[c->count++] = row;
    }
}

static int select_rows(struct weir_source *source, struct weir_query *query,
                       const struct weir_select *select, struct weir_cursor **ret,
                       struct weir_error *reterr) {
    struct fake_source *fake = (struct fake_source *)source;
    struct fake_cursor *c = calloc(1, sizeof *c);
    (void)query, (void)reterr;
    c->cursor = (struct weir_cursor){next_block, close_cursor};
    c->fake = fake;
    c->select = *select;
    weir_arena_init(&c->arena, 0);
    fake->selects_count++;
    for (uint32_t i = 0; i < fake->batches_count; i++) add_rows(c, fake->batches[i]);
    if (c->count) qsort(c->rows, c->count, sizeof *c->rows, by_time);
    *ret = &c->cursor;
    return 0;
}

/* ---- the rest of the interface -----------------------------------------------------------------
 */

static int names(struct weir_source *source, struct weir_query *query, enum weir_table table,
                 int64_t from_ns, int64_t until_ns, weir_visit_name *visit, void *arg,
                 struct weir_error *reterr) {
    struct fake_source *fake = (struct fake_source *)source;
    (void)query, (void)reterr, (void)from_ns, (void)until_ns;
    for (uint32_t b = 0; b < fake->batches_count; b++) {
        const struct weir_otlp_batch *batch = fake->batches[b];
        bool spans = table == WEIR_TABLE_SPANS;
        if (batch->signal != (spans ? WEIR_SIGNAL_TRACE : WEIR_SIGNAL_LOG)) continue;
        for (uint32_t i = 0; i < batch->resources_count; i++)
            for (uint32_t k = 0; k < batch->resources[i].attrs.count; k++) {
                const struct weir_attr *a = &batch->resources[i].attrs.items[k];
                if (!visit(arg, a->key, WEIR_COLUMN_RESOURCE_ATTR, a->value.type)) return 0;
            }
        for (uint32_t i = 0; i < (spans ? batch->spans_count : batch->logs_count); i++) {
            struct weir_attrs attrs = spans ? batch->spans[i].attrs : batch->logs[i].attrs;
            for (uint32_t k = 0; k < attrs.count; k++)
                if (!visit(arg, attrs.items[k].key, WEIR_COLUMN_ATTR, attrs.items[k].value.type))
                    return 0;
        }
    }
    return 0;
}

static int values(struct weir_source *source, struct weir_query *query, enum weir_table table,
                  struct weir_column column, int64_t from_ns, int64_t until_ns,
                  weir_visit_value *visit, void *arg, struct weir_error *reterr) {
    struct weir_select select = {.table = table, .from_ns = from_ns, .until_ns = until_ns};
    struct weir_cursor *cursor;
    select_rows(source, query, &select, &cursor, reterr);
    struct fake_cursor *c = (struct fake_cursor *)cursor;
    for (uint32_t i = 0; i < c->count; i++) {
        struct weir_value value = cell(&c->rows[i], &column, &c->arena);
        if (value.type != WEIR_VALUE_NONE && !visit(arg, value)) break;
    }
    cursor->close(cursor);
    return 0;
}

static int tail(struct weir_source *source, enum weir_table table,
                const struct weir_column *columns, uint32_t columns_count, weir_tail_rows *rows,
                void *arg, struct weir_tail **ret, struct weir_error *reterr) {
    struct fake_source *fake = (struct fake_source *)source;
    (void)table, (void)reterr;
    fake->tail_rows = rows;
    fake->tail_arg = arg;
    fake->tail_columns = columns;
    fake->tail_columns_count = columns_count;
    *ret = (struct weir_tail *)fake;
    return 0;
}

static void tail_close(struct weir_source *source, struct weir_tail *handle) {
    (void)handle;
    ((struct fake_source *)source)->tail_rows = NULL;
}

static void stats(struct weir_source *source, struct weir_source_stats *ret) {
    const struct fake_source *fake = (const struct fake_source *)source;
    *ret = (struct weir_source_stats){0};
    for (uint32_t i = 0; i < fake->batches_count; i++) {
        ret->spans_count += fake->batches[i]->spans_count;
        ret->logs_count += fake->batches[i]->logs_count;
    }
}

void fake_source_init(struct fake_source *fake) {
    *fake = (struct fake_source){.block_rows = 3};
    fake->source = (struct weir_source){.select = select_rows,
                                        .names = names,
                                        .values = values,
                                        .tail = tail,
                                        .tail_close = tail_close,
                                        .stats = stats};
}

void fake_source_done(struct fake_source *fake) {
    for (uint32_t i = 0; i < fake->batches_count; i++) weir_otlp_batch_unref(fake->batches[i]);
}

static void tell_tail(struct fake_source *fake, const struct weir_otlp_batch *batch) {
    struct fake_cursor c = {
        .fake = fake,
        .select = {.table = WEIR_TABLE_LOGS, .from_ns = INT64_MIN, .until_ns = INT64_MAX}};
    struct weir_block block;
    weir_arena_init(&c.arena, 0);
    add_rows(&c, batch);
    if (c.count) {
        fill_block(&block, fake->tail_columns, fake->tail_columns_count, c.rows, c.count, &c.arena);
        fake->tail_rows(fake->tail_arg, &block);
    }
    free(c.rows);
    weir_arena_done(&c.arena);
}

void fake_source_add_json(struct fake_source *fake, enum weir_signal signal,
                          struct weir_view json) {
    struct weir_error err = {0};
    struct weir_otlp_batch *batch = NULL;
    if (weir_otlp_batch_decode_json(signal, json, 0, &batch, &err) != 0)
        fail_msg("fixture: line %u column %u: %s", err.line, err.column, err.message);
    assert_int_equal(batch->rejected_count, 0);
    fake->batches[fake->batches_count++] = batch;
    if (fake->tail_rows && signal == WEIR_SIGNAL_LOG) tell_tail(fake, batch);
}
