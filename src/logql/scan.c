/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/scan.h"

#include "otlp/value.h"

/* One distinct resource of the block in hand. */
struct resource {
    bool known;    /* labels and verdict are there */
    bool rejected; /* by a matcher that only the resource can answer */
    uint32_t memo; /* the visitor's */
    struct weir_logql_labels labels;
};

struct reading {
    const struct weir_logql_reader *reader;
    bool by_index; /* the resource alone answers the selector */
    const struct weir_block *block;
    struct weir_arena block_arena, row_arena;
    struct resource *resources;         /* per dictionary code, or one */
    const struct weir_attr *last_attrs; /* without codes: whose labels resources[0] holds */
    uint32_t row;
    struct weir_query *query;
    bool stopped;
};

static const struct weir_column_data *column(const struct reading *r,
                                             enum weir_logql_column which) {
    int index = r->reader->scan->index[which];
    return index < 0 ? NULL : &r->block->columns[index];
}

/* The same of one that is asked for always. */
static const struct weir_column_data *certain_column(const struct reading *r,
                                                     enum weir_logql_column which) {
    return &r->block->columns[r->reader->scan->index[which]];
}

static struct weir_view str_at(const struct reading *r, enum weir_logql_column which) {
    const struct weir_column_data *data = column(r, which);
    return data ? data->str[r->row] : weir_view("", 0);
}

static const uint8_t *id_at(const struct reading *r, enum weir_logql_column which) {
    const struct weir_column_data *data = column(r, which);
    return data ? data->bytes + (size_t)r->row * data->width : NULL;
}

/* ---- resources ------------------------------------------------------------------------------- */

/* A selector can be answered by the resource alone when all its names are index labels. */
static bool selects_by_index(const struct weir_logql_log *log) {
    struct weir_view key;
    for (uint32_t i = 0; i < log->matchers_count; i++)
        if (!weir_logql_is_stream_label(log->matchers[i].name, &key)) return false;
    return true;
}

static void learn(struct reading *r, struct resource *resource, struct weir_attrs attrs) {
    const struct weir_logql_log *log = r->reader->scan->log;
    weir_logql_labels_init(&resource->labels, &r->block_arena);
    weir_logql_labels_add_resource(&resource->labels, attrs);
    resource->rejected = r->by_index && !weir_logql_matchers_accept(log, &resource->labels);
    resource->known = true;
    resource->memo = 0;
}

static struct resource *resource_at(struct reading *r) {
    const struct weir_column_data *data = certain_column(r, WEIR_LOGQL_COLUMN_RESOURCE);
    if (data->codes) {
        struct resource *resource = &r->resources[data->codes[r->row]];
        if (!resource->known) learn(r, resource, data->attrs[r->row]);
        return resource;
    }
    struct resource *resource = &r->resources[0];
    if (!resource->known || r->last_attrs != data->attrs[r->row].items)
        learn(r, resource, data->attrs[r->row]);
    r->last_attrs = data->attrs[r->row].items;
    return resource;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void fill_labels(void *arg, struct weir_logql_entry *entry) {
    struct reading *r = arg;
    const struct resource *resource = resource_at(r);
    uint32_t count = resource->labels.count;
    weir_logql_labels_init(&entry->labels, &r->row_arena);
    entry->labels.items = WEIR_NEW_ARRAY(&r->row_arena, struct weir_logql_label, count + 24);
    if (!entry->labels.items) return;
    entry->labels.room = count + 24;
    uint32_t streams = 0;
    while (streams < count && resource->labels.items[streams].category == WEIR_LOGQL_STREAM)
        streams++;
    memcpy(entry->labels.items, resource->labels.items, streams * sizeof *entry->labels.items);
    entry->labels.count = streams;
    const struct weir_column_data *attrs = column(r, WEIR_LOGQL_COLUMN_ATTRS);
    const struct weir_column_data *severity = column(r, WEIR_LOGQL_COLUMN_SEVERITY_NUMBER);
    struct weir_logql_record record = {
        .attrs = attrs ? attrs->attrs[r->row] : (struct weir_attrs){0},
        .trace_id = id_at(r, WEIR_LOGQL_COLUMN_TRACE_ID),
        .span_id = id_at(r, WEIR_LOGQL_COLUMN_SPAN_ID),
        .severity_number = severity ? severity->i64[r->row] : 0,
        .severity_text = str_at(r, WEIR_LOGQL_COLUMN_SEVERITY_TEXT),
        .scope_name = str_at(r, WEIR_LOGQL_COLUMN_SCOPE_NAME),
        .scope_version = str_at(r, WEIR_LOGQL_COLUMN_SCOPE_VERSION),
        .event_name = str_at(r, WEIR_LOGQL_COLUMN_EVENT_NAME),
    };
    /* The record's own before the resource's other attributes: of two metadata the first stays. */
    weir_logql_labels_add_record(&entry->labels, &record);
    for (uint32_t i = streams; i < count; i++)
        weir_logql_labels_add(&entry->labels, WEIR_LOGQL_METADATA, resource->labels.items[i].name,
                              resource->labels.items[i].value);
}

static struct weir_view line_at(struct reading *r) {
    const struct weir_column_data *body = column(r, WEIR_LOGQL_COLUMN_BODY);
    if (!body) return weir_view("", 0);
    const struct weir_value *value = &body->values[r->row];
    return value->type == WEIR_VALUE_STRING ? value->str : weir_value_text(&r->row_arena, *value);
}

static int one_row(struct reading *r, struct weir_error *reterr) {
    const struct weir_logql_reader *reader = r->reader;
    int64_t time_ns = certain_column(r, WEIR_LOGQL_COLUMN_TIME)->i64[r->row];
    if (time_ns < reader->from_ns || time_ns >= reader->until_ns) return 0;
    struct resource *resource = resource_at(r);
    if (resource->rejected) return 0;
    weir_arena_reset(&r->row_arena);
    struct weir_logql_entry entry = {.time_ns = time_ns,
                                     .fill = fill_labels,
                                     .fill_arg = r,
                                     .arena = &r->row_arena,
                                     .memo = &resource->memo};
    entry.line = line_at(r);
    if (!r->by_index &&
        !weir_logql_matchers_accept(reader->scan->log, weir_logql_entry_labels(&entry)))
        return 0;
    if (!weir_logql_stages_run(reader->scan->log->stages, &entry)) return 0;
    if (r->row_arena.failed)
        return weir_error_set(reterr, WEIR_ELIMIT, "a log line needs too much memory to parse");
    r->stopped = !reader->visit(reader->arg, &entry);
    return 0;
}

static int one_block(struct reading *r, const struct weir_block *block, struct weir_error *reterr) {
    r->block = block;
    weir_arena_reset(&r->block_arena);
    const struct weir_column_data *data = certain_column(r, WEIR_LOGQL_COLUMN_RESOURCE);
    r->resources =
        WEIR_NEW_ARRAY(&r->block_arena, struct resource, data->codes ? data->dict_count : 1);
    r->last_attrs = NULL;
    if (!r->resources) return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && !r->stopped && i < block->rows_count; i++) {
        r->row = r->reader->newest_first ? block->rows_count - 1 - i : i;
        rc = one_row(r, reterr);
    }
    if (rc == 0) rc = weir_logql_plan_check(r->reader->plan, reterr);
    return rc;
}

static void begin(struct reading *r, const struct weir_logql_reader *reader) {
    *r = (struct reading){
        .reader = reader, .by_index = selects_by_index(reader->scan->log), .query = reader->query};
    weir_arena_init(&r->block_arena, (size_t)64 << 20);
    weir_arena_init(&r->row_arena, (size_t)64 << 20);
}

static void end(struct reading *r) {
    weir_arena_done(&r->block_arena);
    weir_arena_done(&r->row_arena);
}

int weir_logql_read_block(const struct weir_logql_reader *reader, const struct weir_block *block,
                          struct weir_error *reterr) {
    struct reading r;
    begin(&r, reader);
    int rc = one_block(&r, block, reterr);
    end(&r);
    return rc;
}

static int read_all(struct reading *r, struct weir_cursor *cursor, struct weir_error *reterr) {
    const struct weir_logql_reader *reader = r->reader;
    while (!r->stopped) {
        const struct weir_block *block = NULL;
        int rc = weir_query_check(reader->query, reterr);
        if (rc == 0) rc = cursor->next(cursor, &block, reterr);
        if (rc == WEIR_END) return 0;
        if (rc == 0) rc = one_block(r, block, reterr);
        if (rc != 0) return rc;
        if (reader->bound && !reader->bound(reader->arg, block->bound_ns)) return 0;
    }
    return 0;
}

int weir_logql_read(const struct weir_logql_reader *reader, struct weir_error *reterr) {
    const struct weir_logql_scan *scan = reader->scan;
    struct weir_select select = {
        .table = WEIR_TABLE_LOGS,
        .from_ns = reader->from_ns,
        .until_ns = reader->until_ns,
        .columns = scan->columns,
        .columns_count = scan->columns_count,
        .predicates = scan->predicates,
        .predicates_count = scan->predicates_count,
        .newest_first = reader->newest_first,
    };
    struct weir_cursor *cursor = NULL;
    int rc = reader->source->select(reader->source, reader->query, &select, &cursor, reterr);
    if (rc != 0) return rc;
    struct reading r;
    begin(&r, reader);
    rc = read_all(&r, cursor, reterr);
    end(&r);
    cursor->close(cursor);
    return rc;
}
