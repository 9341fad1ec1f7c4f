/* SPDX-License-Identifier: Apache-2.0 */
/* A naive store for tests to compare with: random rows in a list, OTLP bytes made from them, and
 * select by looking at every row. Shares no code with src/store. */
#ifndef WEIR_TESTS_STORE_MODEL_H
#define WEIR_TESTS_STORE_MODEL_H

#include <stdlib.h>
#include <time.h>

#include "base/rand.h"
#include "otlp/batch.h"
#include "otlp/sink.h"
#include "query/source.h"
#include "store/store.h"
#include "wire/pb.h"

struct model_row {
    enum weir_table table;
    uint64_t id; /* its span id; never twice */
    int64_t time_ns, end_ns, observed_ns;
    uint8_t trace_id[16], parent_id[8];
    bool has_trace, has_parent;
    uint32_t flags, kind, status, severity;
    struct weir_view name, scope_name, scope_version, text, trace_state;
    struct weir_view events, links; /* encoded fields */
    struct weir_value body;
    struct weir_attrs attrs, resource; /* without keys that come twice */
    bool acked;
    bool maybe; /* refused, or never answered: may be there or not */
    uint32_t seen;
};

struct model {
    struct weir_arena arena;
    struct weir_rand rand;
    struct model_row **rows;
    size_t rows_count, rows_room;
    uint64_t next_id;
    int64_t base_ns;   /* times lie around it */
    uint32_t keys_max; /* attribute keys to choose from */
};

static inline uint64_t model_below(struct model *model, uint64_t limit) {
    return weir_rand_below(&model->rand, limit);
}

static inline bool model_chance(struct model *model, uint64_t one_in) {
    return weir_rand_below(&model->rand, one_in) == 0;
}

static inline void model_init(struct model *model, uint64_t seed, int64_t base_ns) {
    *model = (struct model){.next_id = 1, .base_ns = base_ns, .keys_max = 12};
    weir_arena_init(&model->arena, 0);
    weir_rand_init(&model->rand, seed);
}

static inline void model_done(struct model *model) {
    weir_arena_done(&model->arena);
    free(model->rows);
}

static inline struct weir_view model_text(struct model *model, const char *prefix,
                                          uint64_t distinct) {
    return weir_arena_printf(&model->arena, "%s%llu", prefix,
                             (unsigned long long)model_below(model, distinct));
}

static inline struct weir_value model_value(struct model *model) {
    switch (model_below(model, 12)) {
    case 0: return weir_value_i64((int64_t)weir_rand_next(&model->rand));
    case 1: return weir_value_i64((int64_t)model_below(model, 600));
    case 2: return weir_value_f64((double)model_below(model, 100) / 4);
    case 3: return weir_value_bool(model_chance(model, 2));
    case 4: return weir_value_str(WEIR_VIEW(""));
    case 5: {
        struct weir_view v = model_text(model, "\xff\0bytes", 50);
        return (struct weir_value){.type = WEIR_VALUE_BYTES, .str = v};
    }
    case 6: return weir_value_str(model_text(model, "unique ", UINT64_C(1) << 40));
    default: return weir_value_str(model_text(model, "value", 9));
    }
}

static inline struct weir_attrs model_attrs(struct model *model, const char *prefix, uint32_t keys,
                                            uint32_t count_max) {
    uint32_t count = (uint32_t)model_below(model, count_max + 1);
    struct weir_attr *items = WEIR_NEW_ARRAY(&model->arena, struct weir_attr, count + 1);
    struct weir_attrs attrs = {items, 0};
    for (uint32_t i = 0; i < count; i++) {
        struct weir_view key = model_text(model, prefix, keys);
        if (weir_attrs_get(attrs, key)) continue;
        items[attrs.count++] = (struct weir_attr){key, model_value(model)};
    }
    return attrs;
}

/* One event or link field, as it stands in a Span message. */
static inline struct weir_view model_field(struct model *model, uint32_t number) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    for (uint64_t i = model_below(model, 3) + 1; i > 0; i--) {
        size_t mark = weir_pb_begin(&buf, number);
        if (number == 11) {
            weir_pb_put_fixed64(&buf, 1, weir_rand_next(&model->rand) >> 1);
            weir_pb_put_bytes(&buf, 2, model_text(model, "event", 5));
        } else {
            uint8_t id[24];
            for (size_t j = 0; j < sizeof id; j++)
                id[j] = (uint8_t)(weir_rand_next(&model->rand) | 1);
            weir_pb_put_bytes(&buf, 1, weir_view(id, 16));
            weir_pb_put_bytes(&buf, 2, weir_view(id + 16, 8));
        }
        weir_pb_end(&buf, mark);
    }
    struct weir_view copy = weir_arena_copy(&model->arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return copy;
}

/* A random row in the model's list. `resource`, scope: shared by a batch. */
static inline struct model_row *model_add(struct model *model, enum weir_table table) {
    struct model_row *row = WEIR_NEW(&model->arena, struct model_row);
    row->table = table;
    row->id = model->next_id++;
    int64_t hour_ns = INT64_C(3600000000000);
    row->time_ns = model->base_ns + (int64_t)model_below(model, (uint64_t)hour_ns);
    if (model_chance(model, 50)) row->time_ns -= (int64_t)model_below(model, 100) * 24 * hour_ns;
    if (model_chance(model, 300)) row->time_ns = 1 + (int64_t)model_below(model, 1000);
    row->end_ns =
        row->time_ns + (int64_t)model_below(model, 5000000000) - (model_chance(model, 90) ? 9 : 0);
    row->observed_ns = model_chance(model, 2) ? row->time_ns + 5 : 0;
    row->has_trace = table == WEIR_TABLE_SPANS || model_chance(model, 2);
    uint64_t trace = 1 + model_below(model, 1 + model->next_id / 3);
    memcpy(row->trace_id, &trace, 8);
    memcpy(row->trace_id + 8, &(uint64_t){trace * 7919}, 8);
    row->has_parent = model_chance(model, 2);
    memcpy(row->parent_id, &trace, 8);
    row->flags = (uint32_t)model_below(model, 4);
    row->kind = (uint32_t)model_below(model, 6);
    row->status = (uint32_t)model_below(model, 3);
    row->severity = (uint32_t)model_below(model, 25);
    row->name = model_chance(model, 20) ? WEIR_VIEW("") : model_text(model, "send topic", 12);
    row->text = model_chance(model, 2) ? WEIR_VIEW("") : model_text(model, "INFO", 4);
    row->trace_state = model_chance(model, 3) ? model_text(model, "weir=", 3) : WEIR_VIEW("");
    if (model_chance(model, 4)) row->events = model_field(model, 11);
    if (model_chance(model, 4)) row->links = model_field(model, 13);
    row->body = model_chance(model, 10)
                    ? model_value(model)
                    : weir_value_str(model_text(model, "request took ms=", 100000));
    row->attrs = model_attrs(model, "key.", model->keys_max, 9);
    if (model->rows_count == model->rows_room) {
        model->rows_room = model->rows_room ? model->rows_room * 2 : 64;
        model->rows = realloc(model->rows, model->rows_room * sizeof(struct model_row *));
    }
    model->rows[model->rows_count++] = row;
    return row;
}

/* ---- OTLP bytes ----------------------------------------------------------------------------- */

static inline void model_put_value(struct weir_buf *buf, uint32_t number, struct weir_value value) {
    size_t mark = weir_pb_begin(buf, number);
    switch (value.type) {
    case WEIR_VALUE_STRING: weir_pb_put_bytes(buf, 1, value.str); break;
    case WEIR_VALUE_BOOL: weir_pb_put_varint(buf, 2, value.boolean); break;
    case WEIR_VALUE_INT: weir_pb_put_varint(buf, 3, (uint64_t)value.i64); break;
    case WEIR_VALUE_DOUBLE: weir_pb_put_f64(buf, 4, value.f64); break;
    case WEIR_VALUE_ARRAY: weir_pb_put_bytes(buf, 5, value.str); break;
    case WEIR_VALUE_MAP: weir_pb_put_bytes(buf, 6, value.str); break;
    case WEIR_VALUE_BYTES: weir_pb_put_bytes(buf, 7, value.str); break;
    case WEIR_VALUE_NONE: break;
    }
    weir_pb_end(buf, mark);
}

static inline void model_put_attrs(struct weir_buf *buf, uint32_t number, struct weir_attrs attrs) {
    for (uint32_t i = 0; i < attrs.count; i++) {
        size_t mark = weir_pb_begin(buf, number);
        weir_pb_put_bytes(buf, 1, attrs.items[i].key);
        model_put_value(buf, 2, attrs.items[i].value);
        weir_pb_end(buf, mark);
    }
}

static inline void model_put_span(struct weir_buf *buf, const struct model_row *row) {
    size_t mark = weir_pb_begin(buf, 2);
    weir_pb_put_bytes(buf, 1, weir_view(row->trace_id, 16));
    weir_pb_put_bytes(buf, 2, weir_view(&row->id, 8));
    weir_pb_put_bytes_opt(buf, 3, row->trace_state);
    if (row->has_parent) weir_pb_put_bytes(buf, 4, weir_view(row->parent_id, 8));
    weir_pb_put_bytes_opt(buf, 5, row->name);
    weir_pb_put_varint(buf, 6, row->kind);
    weir_pb_put_fixed64(buf, 7, (uint64_t)row->time_ns);
    weir_pb_put_fixed64(buf, 8, (uint64_t)row->end_ns);
    weir_buf_add_view(buf, row->events);
    model_put_attrs(buf, 9, row->attrs);
    weir_buf_add_view(buf, row->links);
    size_t status = weir_pb_begin(buf, 15);
    weir_pb_put_bytes_opt(buf, 2, row->text);
    weir_pb_put_varint(buf, 3, row->status);
    weir_pb_end(buf, status);
    weir_pb_put_fixed32(buf, 16, row->flags);
    weir_pb_end(buf, mark);
}

static inline void model_put_log(struct weir_buf *buf, const struct model_row *row) {
    size_t mark = weir_pb_begin(buf, 2);
    weir_pb_put_fixed64(buf, 1, (uint64_t)row->time_ns);
    weir_pb_put_varint(buf, 2, row->severity);
    weir_pb_put_bytes_opt(buf, 3, row->text);
    model_put_value(buf, 5, row->body);
    model_put_attrs(buf, 6, row->attrs);
    weir_pb_put_fixed32(buf, 8, row->flags);
    if (row->has_trace) weir_pb_put_bytes(buf, 9, weir_view(row->trace_id, 16));
    weir_pb_put_bytes(buf, 10, weir_view(&row->id, 8));
    if (row->observed_ns) weir_pb_put_fixed64(buf, 11, (uint64_t)row->observed_ns);
    weir_pb_put_bytes_opt(buf, 12, row->name);
    weir_pb_end(buf, mark);
}

/* A batch of `count` new rows. *ret_first: where they begin in model->rows. */
static inline struct weir_otlp_batch *model_batch(struct model *model, enum weir_table table,
                                                  uint32_t count, size_t *ret_first) {
    struct weir_buf buf;
    weir_buf_init(&buf, 64 << 20);
    struct weir_value service = weir_value_str(model_text(model, "service", 5));
    struct weir_attrs more = model_attrs(model, "res.", 4, 3);
    struct weir_attr *items = WEIR_NEW_ARRAY(&model->arena, struct weir_attr, more.count + 1);
    items[0] = (struct weir_attr){WEIR_VIEW("service.name"), service};
    if (more.count) memcpy(items + 1, more.items, more.count * sizeof *items);
    struct weir_attrs resource = {items, more.count + 1};
    struct weir_view scope_name = model_text(model, "scope", 3), scope_version = WEIR_VIEW("1.2");
    *ret_first = model->rows_count;
    size_t resource_mark = weir_pb_begin(&buf, 1), mark = weir_pb_begin(&buf, 1);
    model_put_attrs(&buf, 1, resource);
    weir_pb_end(&buf, mark);
    size_t scope_mark = weir_pb_begin(&buf, 2);
    mark = weir_pb_begin(&buf, 1);
    weir_pb_put_bytes(&buf, 1, scope_name);
    weir_pb_put_bytes(&buf, 2, scope_version);
    weir_pb_end(&buf, mark);
    for (uint32_t i = 0; i < count; i++) {
        struct model_row *row = model_add(model, table);
        row->resource = resource;
        row->scope_name = scope_name;
        row->scope_version = scope_version;
        if (table == WEIR_TABLE_SPANS)
            model_put_span(&buf, row);
        else
            model_put_log(&buf, row);
    }
    weir_pb_end(&buf, scope_mark);
    weir_pb_end(&buf, resource_mark);
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {0};
    int rc = weir_otlp_batch_decode(table == WEIR_TABLE_SPANS ? WEIR_SIGNAL_TRACE : WEIR_SIGNAL_LOG,
                                    body, len, 0, &batch, &err);
    if (rc != WEIR_OK) fail_msg("decode: %s", err.message);
    assert_int_equal(weir_otlp_batch_records_count(batch), count);
    return batch;
}

/* ---- pushing -------------------------------------------------------------------------------- */

struct model_answer {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool there;
    int code;
    int64_t retry_after_ms;
    char message[500];
};

static inline void model_answered(void *arg, const struct weir_sink_answer *answer) {
    struct model_answer *to = arg;
    pthread_mutex_lock(&to->lock);
    to->there = true;
    to->code = answer->code;
    to->retry_after_ms = answer->retry_after_ms;
    snprintf(to->message, sizeof to->message, "%s", answer->message);
    pthread_cond_signal(&to->wake);
    pthread_mutex_unlock(&to->lock);
}

/* Pushes and waits. */
static inline struct model_answer model_push(struct weir_store *store,
                                             struct weir_otlp_batch *batch) {
    struct model_answer answer = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                  .wake = PTHREAD_COND_INITIALIZER};
    weir_sink_push(weir_store_sink(store), batch, model_answered, &answer);
    pthread_mutex_lock(&answer.lock);
    while (!answer.there) pthread_cond_wait(&answer.wake, &answer.lock);
    pthread_mutex_unlock(&answer.lock);
    return answer;
}

/* Pushes new rows, and again as long as the answer is "busy". True when they were stored. */
static inline bool model_ingest(struct model *model, struct weir_store *store,
                                enum weir_table table, uint32_t count) {
    size_t first;
    struct weir_otlp_batch *batch = model_batch(model, table, count, &first);
    struct model_answer answer;
    for (;;) {
        answer = model_push(store, weir_otlp_batch_ref(batch));
        if (answer.code != WEIR_EBUSY) break;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    weir_otlp_batch_unref(batch);
    for (uint32_t i = 0; i < count; i++) model->rows[first + i]->acked = answer.code == WEIR_OK;
    return answer.code == WEIR_OK;
}

/* ---- looking -------------------------------------------------------------------------------- */

static inline struct weir_value model_bytes(const void *ptr, size_t len) {
    return (struct weir_value){.type = WEIR_VALUE_BYTES, .str = weir_view(ptr, len)};
}

/* The column's value in the model; ids that are missing are zero. */
static inline struct weir_value model_column(const struct model_row *row,
                                             struct weir_column column) {
    static const uint8_t zero[16];
    const struct weir_value *found = NULL;
    switch (column.id) {
    case WEIR_COLUMN_TIME_NS: return weir_value_i64(row->time_ns);
    case WEIR_COLUMN_TRACE_ID: return model_bytes(row->has_trace ? row->trace_id : zero, 16);
    case WEIR_COLUMN_SPAN_ID: return model_bytes(&row->id, 8);
    case WEIR_COLUMN_NAME: return weir_value_str(row->name);
    case WEIR_COLUMN_FLAGS: return weir_value_i64(row->flags);
    case WEIR_COLUMN_SCOPE_NAME: return weir_value_str(row->scope_name);
    case WEIR_COLUMN_SCOPE_VERSION: return weir_value_str(row->scope_version);
    case WEIR_COLUMN_DURATION_NS: return weir_value_i64(row->end_ns - row->time_ns);
    case WEIR_COLUMN_PARENT_SPAN_ID: return model_bytes(row->has_parent ? row->parent_id : zero, 8);
    case WEIR_COLUMN_KIND: return weir_value_i64(row->kind);
    case WEIR_COLUMN_STATUS_CODE: return weir_value_i64(row->status);
    case WEIR_COLUMN_STATUS_MESSAGE:
    case WEIR_COLUMN_SEVERITY_TEXT: return weir_value_str(row->text);
    case WEIR_COLUMN_TRACE_STATE: return weir_value_str(row->trace_state);
    case WEIR_COLUMN_EVENTS: return weir_value_str(row->events);
    case WEIR_COLUMN_LINKS: return weir_value_str(row->links);
    case WEIR_COLUMN_OBSERVED_NS: return weir_value_i64(row->observed_ns);
    case WEIR_COLUMN_SEVERITY_NUMBER: return weir_value_i64(row->severity);
    case WEIR_COLUMN_BODY: return row->body;
    case WEIR_COLUMN_ATTR: found = weir_attrs_get(row->attrs, column.key); break;
    case WEIR_COLUMN_RESOURCE_ATTR: found = weir_attrs_get(row->resource, column.key); break;
    case WEIR_COLUMN_ANY_ATTR:
        found = weir_attrs_get(row->attrs, column.key);
        if (!found) found = weir_attrs_get(row->resource, column.key);
        break;
    case WEIR_COLUMN_RESOURCE:
    case WEIR_COLUMN_ATTRS: break;
    }
    return found ? *found : (struct weir_value){0};
}

static inline bool model_same(struct weir_value a, struct weir_value b) {
    if (a.type != b.type) return false;
    switch (a.type) {
    case WEIR_VALUE_NONE: return true;
    case WEIR_VALUE_BOOL: return a.boolean == b.boolean;
    case WEIR_VALUE_INT: return a.i64 == b.i64;
    case WEIR_VALUE_DOUBLE: return memcmp(&a.f64, &b.f64, 8) == 0;
    case WEIR_VALUE_STRING:
    case WEIR_VALUE_BYTES:
    case WEIR_VALUE_ARRAY:
    case WEIR_VALUE_MAP: return weir_view_eq(a.str, b.str);
    }
    return false;
}

/* Same attributes in any order. */
static inline bool model_same_attrs(struct weir_attrs a, struct weir_attrs b) {
    if (a.count != b.count) return false;
    for (uint32_t i = 0; i < a.count; i++) {
        const struct weir_value *value = weir_attrs_get(b, a.items[i].key);
        if (!value || !model_same(*value, a.items[i].value)) return false;
    }
    return true;
}

static inline bool model_ordered(struct weir_value a, enum weir_op op, struct weir_value b) {
    double x = a.type == WEIR_VALUE_INT ? (double)a.i64 : a.f64;
    double y = b.type == WEIR_VALUE_INT ? (double)b.i64 : b.f64;
    if ((a.type != WEIR_VALUE_INT && a.type != WEIR_VALUE_DOUBLE) ||
        (b.type != WEIR_VALUE_INT && b.type != WEIR_VALUE_DOUBLE))
        return false;
    if (a.type == WEIR_VALUE_INT && b.type == WEIR_VALUE_INT)
        return op == WEIR_OP_LT   ? a.i64 < b.i64
               : op == WEIR_OP_LE ? a.i64 <= b.i64
               : op == WEIR_OP_GT ? a.i64 > b.i64
                                  : a.i64 >= b.i64;
    return op == WEIR_OP_LT ? x < y : op == WEIR_OP_LE ? x <= y : op == WEIR_OP_GT ? x > y : x >= y;
}

/* Strict: what a language would say that knows no conversion. */
static inline bool model_holds(const struct weir_predicate *predicate, struct weir_value value) {
    switch (predicate->op) {
    case WEIR_OP_EQ: return model_same(value, predicate->value);
    case WEIR_OP_NE: return value.type != WEIR_VALUE_NONE && !model_same(value, predicate->value);
    case WEIR_OP_LT:
    case WEIR_OP_LE:
    case WEIR_OP_GT:
    case WEIR_OP_GE: return model_ordered(value, predicate->op, predicate->value);
    case WEIR_OP_MATCH:
        return value.type == WEIR_VALUE_STRING && predicate->match(predicate->match_ctx, value.str);
    case WEIR_OP_CONTAINS:
        return value.type == WEIR_VALUE_STRING &&
               memmem(value.str.ptr, value.str.len, predicate->value.str.ptr,
                      predicate->value.str.len);
    }
    return false;
}

static inline bool model_wanted(const struct weir_select *select, const struct model_row *row) {
    if (!row->acked || row->maybe || row->table != select->table ||
        row->time_ns < select->from_ns || row->time_ns >= select->until_ns)
        return false;
    for (uint32_t i = 0; i < select->predicates_count; i++)
        if (!model_holds(&select->predicates[i], model_column(row, select->predicates[i].column)))
            return false;
    return true;
}

#endif
