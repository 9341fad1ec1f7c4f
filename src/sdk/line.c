/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/line.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "otlp/value.h"
#include "sdk/instrumentation.h"
#include "wire/json.h"
#include "wire/pb.h"

enum { ENCODED_SIZE_MAX = 2 << 20 };

/* ── logs ────────────────────────────────────────────────────────────────────────────────────── */

struct log {
    int64_t time_ns;
    struct weir_view level, body, trace_id, span_id, event;
};

/* The record's own fields, encoded. */
static struct weir_view fields_of(const struct weir_lane_record *record, struct weir_buf *buf) {
    struct weir_pb_field field;
    weir_buf_init(buf, ENCODED_SIZE_MAX);
    record->class->encode(record, buf);
    struct weir_pb pb = weir_pb(weir_buf_view(buf));
    return weir_pb_next(&pb, &field) > 0 ? field.bytes : WEIR_VIEW("");
}

static struct log read_log(struct weir_view fields) {
    struct log log = {.level = WEIR_VIEW_INIT("")};
    struct weir_pb pb = weir_pb(fields);
    struct weir_pb_field field;
    struct weir_value value;
    while (weir_pb_next(&pb, &field) > 0) switch (field.number) {
        case 1: log.time_ns = (int64_t)field.value; break;
        case 3: log.level = field.bytes; break;
        case 5:
            if (weir_value_decode(field.bytes, &value)) log.body = value.str;
            break;
        case 9: log.trace_id = field.bytes; break;
        case 10: log.span_id = field.bytes; break;
        case 12: log.event = field.bytes; break;
        default: break;
        }
    return log;
}

/* The next attribute of the record; pb walks over its fields. */
static bool next_attribute(struct weir_pb *pb, struct weir_attr *ret) {
    struct weir_pb_field field;
    while (weir_pb_next(pb, &field) > 0)
        if (field.number == 6 && weir_value_decode_attr(field.bytes, ret)) return true;
    return false;
}

static void add_attribute(struct weir_json_writer *w, const struct weir_attr *attr) {
    static const char *const ours[] = {"timestamp", "level",   "message", "service",
                                       "trace_id",  "span_id", "logger",  "event"};
    char key[512];
    bool hides = false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        hides |= weir_view_is(attr->key, ours[i]);
    if (hides) {
        struct weir_view name = weir_view_upto(attr->key, sizeof key - 6);
        memcpy(key, "attr.", 5);
        memcpy(key + 5, name.ptr, name.len);
        weir_json_key_view(w, weir_view(key, 5 + name.len));
    } else {
        weir_json_key_view(w, attr->key);
    }
    weir_value_add_json(w, attr->value);
}

static void add_timestamp(struct weir_json_writer *w, const char *key, int64_t time_ns) {
    char room[64];
    struct weir_buf text = {.ptr = room, .room = sizeof room, .size_max = sizeof room};
    weir_clock_add_rfc3339(&text, time_ns, 6);
    weir_json_key(w, key);
    weir_json_add_str(w, weir_buf_view(&text));
}

void weir_line_add_log(const struct weir_lane_record *record, struct weir_view service,
                       struct weir_buf *buf) {
    struct weir_buf encoded;
    struct weir_view fields = fields_of(record, &encoded);
    struct log log = read_log(fields);
    struct weir_json_writer w = weir_json_writer(buf);
    weir_json_begin_object(&w);
    add_timestamp(&w, "timestamp", log.time_ns);
    weir_json_key(&w, "level");
    weir_json_add_str(&w, log.level);
    weir_json_key(&w, "message");
    weir_json_add_str(&w, log.body);
    weir_json_key(&w, "service");
    weir_json_add_str(&w, service);
    if (log.trace_id.len) {
        weir_json_key(&w, "trace_id");
        weir_json_add_hex(&w, log.trace_id.ptr, log.trace_id.len);
        weir_json_key(&w, "span_id");
        weir_json_add_hex(&w, log.span_id.ptr, log.span_id.len);
    }
    weir_json_key(&w, "logger");
    weir_json_add_str(&w, record->scope->name);
    if (log.event.len) {
        weir_json_key(&w, "event");
        weir_json_add_str(&w, log.event);
    }
    struct weir_pb pb = weir_pb(fields);
    struct weir_attr attr;
    while (next_attribute(&pb, &attr)) add_attribute(&w, &attr);
    weir_json_end_object(&w);
    weir_buf_add_char(buf, '\n');
    weir_buf_done(&encoded);
}

void weir_line_add_log_text(const struct weir_lane_record *record, struct weir_buf *buf) {
    struct weir_buf encoded;
    struct weir_view fields = fields_of(record, &encoded);
    struct log log = read_log(fields);
    char room[64];
    struct weir_buf time = {.ptr = room, .room = sizeof room, .size_max = sizeof room};
    weir_clock_add_rfc3339(&time, log.time_ns, 3);
    weir_buf_add_view(buf, weir_view_from(weir_view_upto(weir_buf_view(&time), time.len - 1), 11));
    weir_buf_printf(buf, " %-5.*s ", WEIR_VIEW_ARG(log.level));
    weir_buf_add_view(buf, record->scope->name);
    weir_buf_add_str(buf, ": ");
    weir_buf_add_view(buf, log.body);
    struct weir_pb pb = weir_pb(fields);
    struct weir_attr attr;
    while (next_attribute(&pb, &attr)) {
        weir_buf_add_char(buf, ' ');
        weir_buf_add_view(buf, attr.key);
        weir_buf_add_char(buf, '=');
        weir_value_add_text(buf, attr.value);
    }
    if (log.trace_id.len) {
        weir_buf_add_str(buf, " trace_id=");
        weir_buf_add_hex(buf, log.trace_id.ptr, log.trace_id.len);
    }
    weir_buf_add_char(buf, '\n');
    weir_buf_done(&encoded);
}

/* ── spans ───────────────────────────────────────────────────────────────────────────────────── */

struct span {
    struct weir_view name, trace_id, span_id, parent_id;
    int64_t start_ns, end_ns;
    uint64_t kind, status, events, links;
};

static uint64_t status_code(struct weir_view status) {
    struct weir_pb pb = weir_pb(status);
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0)
        if (field.number == 3) return field.value;
    return 0;
}

static struct span read_span(struct weir_view fields) {
    struct span span = {.kind = 0};
    struct weir_pb pb = weir_pb(fields);
    struct weir_pb_field field;
    while (weir_pb_next(&pb, &field) > 0) switch (field.number) {
        case 1: span.trace_id = field.bytes; break;
        case 2: span.span_id = field.bytes; break;
        case 4: span.parent_id = field.bytes; break;
        case 5: span.name = field.bytes; break;
        case 6: span.kind = field.value; break;
        case 7: span.start_ns = (int64_t)field.value; break;
        case 8: span.end_ns = (int64_t)field.value; break;
        case 11: span.events++; break;
        case 13: span.links++; break;
        case 15: span.status = status_code(field.bytes); break;
        default: break;
        }
    return span;
}

static void add_id(struct weir_json_writer *w, const char *key, struct weir_view id) {
    if (!id.len) return;
    weir_json_key(w, key);
    weir_json_add_hex(w, id.ptr, id.len);
}

void weir_line_add_span(const struct weir_lane_record *record, struct weir_buf *buf) {
    static const char *const kinds[] = {"", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
    static const char *const statuses[] = {"UNSET", "OK", "ERROR"};
    struct weir_buf encoded;
    struct weir_view fields = fields_of(record, &encoded);
    struct span span = read_span(fields);
    struct weir_json_writer w = weir_json_writer(buf);
    weir_json_begin_object(&w);
    weir_json_key(&w, "span");
    weir_json_add_str(&w, span.name);
    weir_json_key(&w, "kind");
    weir_json_add_cstr(&w, kinds[span.kind < 6 ? span.kind : 0]);
    add_id(&w, "trace_id", span.trace_id);
    add_id(&w, "span_id", span.span_id);
    add_id(&w, "parent_span_id", span.parent_id);
    add_timestamp(&w, "start", span.start_ns);
    weir_json_key(&w, "duration_ns");
    weir_json_add_i64(&w, span.end_ns - span.start_ns);
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, statuses[span.status < 3 ? span.status : 0]);
    weir_json_key(&w, "scope");
    weir_json_add_str(&w, record->scope->name);
    weir_json_key(&w, "attributes");
    weir_json_begin_object(&w);
    struct weir_pb pb = weir_pb(fields);
    struct weir_pb_field field;
    struct weir_attr attr;
    while (weir_pb_next(&pb, &field) > 0) {
        if (field.number != 9 || !weir_value_decode_attr(field.bytes, &attr)) continue;
        weir_json_key_view(&w, attr.key);
        weir_value_add_json(&w, attr.value);
    }
    weir_json_end_object(&w);
    weir_json_key(&w, "events");
    weir_json_add_u64(&w, span.events);
    weir_json_key(&w, "links");
    weir_json_add_u64(&w, span.links);
    weir_json_end_object(&w);
    weir_buf_add_char(buf, '\n');
    weir_buf_done(&encoded);
}

void weir_line_write_console(struct weir_view lines) {
    while (lines.len) {
        ssize_t written = write(STDOUT_FILENO, lines.ptr, lines.len);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        lines = weir_view_from(lines, (size_t)written);
    }
}
