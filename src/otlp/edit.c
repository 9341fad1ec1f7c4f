/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/edit.h"

#include "otlp/encode.h"
#include "wire/pb.h"

enum { RESOURCE = 1, SCOPES = 2, RECORDS = 2, METRIC_NAME = 1, POINTS = 1 };
enum { SIZE_MAX_TIMES = 4, SIZE_MAX_MORE = 16 << 20 };

struct editing {
    const struct weir_otlp_batch *batch;
    const struct weir_otlp_edit *edit;
    struct weir_buf *out;
    /* the next of the index, as the bytes are walked through */
    uint32_t resource, record, metric;
};

/* Fields of a message copied as they lie, keys included. */
static void copy(struct editing *e, const uint8_t *from, const uint8_t *to) {
    weir_buf_add(e->out, from, (size_t)(to - from));
}

/* Undoes what was written since `mark`, a message whose inside turned out empty. */
static void forget(struct editing *e, size_t mark) {
    e->out->len = mark;
}

/* ---- one message with its attributes and name ------------------------------------------------ */

/* Copies `raw` but for its attributes and name, which the edit may replace; -1: no such field. */
static void copy_changed(struct editing *e, struct weir_view raw, int attrs_number,
                         const struct weir_attrs *attrs, int name_number,
                         const struct weir_view *name) {
    struct weir_pb pb = weir_pb(raw);
    struct weir_pb_field field;
    const uint8_t *start = pb.at;
    while (weir_pb_next(&pb, &field) > 0) {
        bool is_attr = attrs && (int)field.number == attrs_number;
        bool is_name = name && (int)field.number == name_number;
        if (!is_attr && !is_name) copy(e, start, pb.at);
        start = pb.at;
    }
    if (name) weir_pb_put_bytes(e->out, (uint32_t)name_number, *name);
    if (attrs) weir_otlp_put_attrs(e->out, (uint32_t)attrs_number, *attrs);
}

static int attrs_number(const struct weir_otlp_batch *batch, uint32_t record) {
    if (batch->signal == WEIR_SIGNAL_TRACE) return 9;
    if (batch->signal == WEIR_SIGNAL_LOG) return 6;
    enum weir_metric_type type = batch->metrics[batch->points[record].metric].type;
    return type == WEIR_METRIC_TYPE_HISTOGRAM               ? 9
           : type == WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM ? 1
                                                            : 7;
}

static int name_number(enum weir_signal signal) {
    return signal == WEIR_SIGNAL_TRACE ? 5 : signal == WEIR_SIGNAL_LOG ? 12 : METRIC_NAME;
}

static const struct weir_attrs *record_attrs(const struct weir_otlp_batch *batch, uint32_t record) {
    return batch->signal == WEIR_SIGNAL_TRACE ? &batch->spans[record].attrs
           : batch->signal == WEIR_SIGNAL_LOG ? &batch->logs[record].attrs
                                              : &batch->points[record].attrs;
}

static struct weir_view record_raw(const struct weir_otlp_batch *batch, uint32_t record) {
    return batch->signal == WEIR_SIGNAL_TRACE ? batch->spans[record].raw
           : batch->signal == WEIR_SIGNAL_LOG ? batch->logs[record].raw
                                              : batch->points[record].raw;
}

/* Writes the record that lies at `raw`, if it is in the index (else it was rejected) and stays. */
static bool edit_record(struct editing *e, uint32_t number, struct weir_view raw) {
    const struct weir_otlp_edit *edit = e->edit;
    const struct weir_otlp_batch *batch = e->batch;
    if (e->record == weir_otlp_batch_records_count(batch) ||
        record_raw(batch, e->record).ptr != raw.ptr)
        return false;
    uint32_t index = e->record++;
    if (edit->keep && !edit->keep(edit->arg, batch, index)) return false;
    struct weir_attrs attrs = *record_attrs(batch, index);
    bool is_point = batch->signal == WEIR_SIGNAL_METRIC;
    struct weir_view name = is_point                             ? WEIR_VIEW("")
                            : batch->signal == WEIR_SIGNAL_TRACE ? batch->spans[index].name
                                                                 : batch->logs[index].event_name;
    bool new_attrs = edit->record && edit->record(edit->arg, batch, index, &attrs);
    bool new_name = !is_point && edit->name && edit->name(edit->arg, batch, index, &name);
    if (!new_attrs && !new_name) {
        weir_pb_put_bytes(e->out, number, raw);
        return true;
    }
    size_t mark = weir_pb_begin(e->out, number);
    copy_changed(e, raw, attrs_number(batch, index), new_attrs ? &attrs : NULL,
                 name_number(batch->signal), new_name ? &name : NULL);
    weir_pb_end(e->out, mark);
    return true;
}

/* ---- metrics --------------------------------------------------------------------------------- */

static bool edit_points(struct editing *e, uint32_t number, struct weir_view data) {
    struct weir_pb pb = weir_pb(data);
    struct weir_pb_field field;
    const uint8_t *start = pb.at;
    size_t mark = weir_pb_begin(e->out, number);
    bool some = false;
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(POINTS, BYTES))
            some |= edit_record(e, POINTS, field.bytes);
        else
            copy(e, start, pb.at);
        start = pb.at;
    }
    weir_pb_end(e->out, mark);
    return some;
}

static bool is_data(uint32_t number) {
    return number == 5 || number == 7 || number == 9 || number == 10 || number == 11;
}

/* The points of the index that lie within the metric say which one it is. */
static bool in_index(const struct editing *e, struct weir_view metric) {
    const struct weir_otlp_batch *batch = e->batch;
    if (e->record == batch->points_count) return false;
    const char *raw = batch->points[e->record].raw.ptr;
    return raw >= metric.ptr && raw < metric.ptr + metric.len;
}

static bool edit_metric(struct editing *e, uint32_t number, struct weir_view metric) {
    if (!in_index(e, metric)) return false;
    uint32_t index = e->batch->points[e->record].metric;
    struct weir_view name = e->batch->metrics[index].name;
    bool renamed = e->edit->name && e->edit->name(e->edit->arg, e->batch, index, &name);
    struct weir_pb pb = weir_pb(metric);
    struct weir_pb_field field;
    const uint8_t *start = pb.at;
    size_t before = e->out->len, mark = weir_pb_begin(e->out, number);
    bool some = false;
    while (weir_pb_next(&pb, &field) > 0) {
        if (field.wire == WEIR_PB_BYTES && is_data(field.number))
            some |= edit_points(e, field.number, field.bytes);
        else if (renamed && field.number == METRIC_NAME)
            weir_pb_put_bytes(e->out, METRIC_NAME, name);
        else
            copy(e, start, pb.at);
        start = pb.at;
    }
    weir_pb_end(e->out, mark);
    if (!some) forget(e, before);
    return some;
}

/* ---- scopes and resources -------------------------------------------------------------------- */

static bool edit_scope(struct editing *e, struct weir_view scope) {
    struct weir_pb pb = weir_pb(scope);
    struct weir_pb_field field;
    const uint8_t *start = pb.at;
    size_t before = e->out->len, mark = weir_pb_begin(e->out, SCOPES);
    bool some = false, is_metric = e->batch->signal == WEIR_SIGNAL_METRIC;
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) != WEIR_PB_KEY(RECORDS, BYTES))
            copy(e, start, pb.at);
        else if (is_metric)
            some |= edit_metric(e, RECORDS, field.bytes);
        else
            some |= edit_record(e, RECORDS, field.bytes);
        start = pb.at;
    }
    weir_pb_end(e->out, mark);
    if (!some) forget(e, before);
    return some;
}

/* The Resource message: as it lies, or with new attributes. It may be absent. */
static void edit_resource(struct editing *e, struct weir_view raw, uint32_t index) {
    const struct weir_otlp_edit *edit = e->edit;
    struct weir_attrs attrs = {NULL, 0};
    if (index < e->batch->resources_count) attrs = e->batch->resources[index].attrs;
    bool changed = edit->resource && edit->resource(edit->arg, e->batch, index, &attrs);
    size_t mark = weir_pb_begin(e->out, RESOURCE);
    copy_changed(e, raw, 1, changed ? &attrs : NULL, -1, NULL);
    weir_pb_end(e->out, mark);
}

static struct weir_view find_resource(struct weir_view group) {
    struct weir_pb pb = weir_pb(group);
    struct weir_pb_field field;
    struct weir_view found = WEIR_VIEW("");
    while (weir_pb_next(&pb, &field) > 0)
        if (weir_pb_key(&field) == WEIR_PB_KEY(RESOURCE, BYTES)) found = field.bytes;
    return found;
}

static void edit_group(struct editing *e, struct weir_view group) {
    struct weir_pb pb = weir_pb(group);
    struct weir_pb_field field;
    const uint8_t *start = pb.at;
    size_t before = e->out->len, mark = weir_pb_begin(e->out, 1);
    bool some = false;
    edit_resource(e, find_resource(group), e->resource++);
    while (weir_pb_next(&pb, &field) > 0) {
        if (weir_pb_key(&field) == WEIR_PB_KEY(SCOPES, BYTES))
            some |= edit_scope(e, field.bytes);
        else if (field.number != RESOURCE)
            copy(e, start, pb.at);
        start = pb.at;
    }
    weir_pb_end(e->out, mark);
    if (!some) forget(e, before);
}

int weir_otlp_edit(const struct weir_otlp_batch *batch, const struct weir_otlp_edit *edit,
                   struct weir_otlp_batch **ret, struct weir_error *reterr) {
    struct weir_buf out;
    struct editing e = {.batch = batch, .edit = edit, .out = &out};
    struct weir_pb pb = weir_pb(batch->bytes);
    struct weir_pb_field field;
    weir_buf_init(&out, batch->bytes.len * SIZE_MAX_TIMES + SIZE_MAX_MORE);
    weir_buf_reserve(&out, batch->bytes.len + 64);
    while (weir_pb_next(&pb, &field) > 0)
        if (weir_pb_key(&field) == WEIR_PB_KEY(1, BYTES)) edit_group(&e, field.bytes);
    *ret = NULL;
    if (out.failed) {
        weir_buf_done(&out);
        return weir_error_set(reterr, WEIR_ETOOBIG, "a batch of %zu bytes grows too large",
                              batch->bytes.len);
    }
    if (!out.len) {
        weir_buf_done(&out);
        return WEIR_OK;
    }
    size_t len;
    char *body = weir_buf_take(&out, &len);
    return weir_otlp_batch_decode(batch->signal, body, len, 0, ret, reterr);
}
