/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot of all instruments as Prometheus text, format 0.0.4.
 *
 * Instruments of several meters that translate to one family are written together, told apart by
 * their otel_scope_* labels; one that translates to a family of another type is left out. */
#include <math.h>
#include <stdlib.h>

#include "otlp/prometheus.h"
#include "sdk/attr.h"
#include "sdk/metric.h"
#include "sdk/process.h"
#include "sdk/sdk.h"
#include "sdk/self.h"
#include "wire/json.h"

enum { TEXT_SIZE_MAX = 64 << 20, ATTRS_MAX = 128 };

struct family { /* one instrument's part of it */
    struct weir_view name;
    const char *type;
    uint32_t from, to; /* its points */
    bool written;
};

struct text {
    struct weir_snapshot snapshot;
    struct family *families;
    uint32_t count, room;
    struct weir_buf *buf;
};

static const char *type_of(const struct weir_instrument *it, enum weir_metric_type *ret_type,
                           bool *ret_monotonic) {
    *ret_monotonic = false;
    switch (it->type) {
    case WEIR_INSTRUMENT_HISTOGRAM: *ret_type = WEIR_METRIC_TYPE_HISTOGRAM; return "histogram";
    case WEIR_INSTRUMENT_COUNTER:
    case WEIR_INSTRUMENT_OBSERVABLE_COUNTER:
        *ret_type = WEIR_METRIC_TYPE_SUM;
        *ret_monotonic = true;
        return "counter";
    case WEIR_INSTRUMENT_UPDOWN:
    case WEIR_INSTRUMENT_OBSERVABLE_UPDOWN: *ret_type = WEIR_METRIC_TYPE_SUM; return "gauge";
    case WEIR_INSTRUMENT_GAUGE:
    case WEIR_INSTRUMENT_OBSERVABLE_GAUGE: break;
    }
    *ret_type = WEIR_METRIC_TYPE_GAUGE;
    return "gauge";
}

/* Our own process.* instruments: the text has the customary process_* families in their place. */
static bool is_process(const struct weir_instrument *it) {
    return weir_view_is(it->meter->info.name, WEIR_SELF_METER) &&
           weir_view_starts(it->name, WEIR_VIEW("process."));
}

static void list_families(struct text *text) {
    struct weir_snapshot *snapshot = &text->snapshot;
    for (uint32_t at = 0; at < snapshot->count;) {
        const struct weir_instrument *it = snapshot->points[at].instrument;
        enum weir_metric_type type;
        bool monotonic;
        uint32_t from = at;
        while (at < snapshot->count && snapshot->points[at].instrument == it) at++;
        if (is_process(it)) continue;
        struct family *family =
            WEIR_PUSH(&snapshot->arena, text->families, text->count, text->room);
        if (!family) return;
        family->type = type_of(it, &type, &monotonic);
        family->name =
            weir_prometheus_metric_name(&snapshot->arena, it->name, it->unit, type, monotonic);
        family->from = from;
        family->to = at;
        if (!family->name.len) text->count--;
    }
}

/* Backslash, line feed and, in label values, the quote. */
static void add_escaped(struct weir_buf *buf, struct weir_view v, bool quote) {
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '\n') {
            weir_buf_add_str(buf, "\\n");
            continue;
        }
        if (c == '\\' || (quote && c == '"')) weir_buf_add_char(buf, '\\');
        weir_buf_add_char(buf, c);
    }
}

/* name_suffix{labels,le="…"} ; `le` may be NULL. */
static void add_series(struct weir_buf *buf, struct weir_view name, const char *suffix,
                       const struct weir_prometheus_labels *labels, const char *le) {
    weir_buf_add_view(buf, name);
    weir_buf_add_str(buf, suffix);
    if (labels->count || le) weir_buf_add_char(buf, '{');
    for (uint32_t i = 0; i < labels->count; i++) {
        if (i) weir_buf_add_char(buf, ',');
        weir_buf_add_view(buf, labels->items[i].name);
        weir_buf_add_str(buf, "=\"");
        add_escaped(buf, labels->items[i].value, true);
        weir_buf_add_char(buf, '"');
    }
    if (le) weir_buf_printf(buf, "%sle=\"%s\"", labels->count ? "," : "", le);
    if (labels->count || le) weir_buf_add_char(buf, '}');
    weir_buf_add_char(buf, ' ');
}

static void add_f64(struct weir_buf *buf, double value) {
    weir_json_format_f64(buf, value);
    weir_buf_add_char(buf, '\n');
}

static void add_u64(struct weir_buf *buf, uint64_t value) {
    weir_buf_add_u64(buf, value);
    weir_buf_add_char(buf, '\n');
}

static void add_histogram(struct text *text, const struct family *family,
                          const struct weir_point *point,
                          const struct weir_prometheus_labels *labels) {
    uint64_t sum = 0;
    for (uint32_t i = 0; point->counts && i <= point->instrument->bounds_count; i++) {
        char room[64] = "+Inf";
        struct weir_buf le = {.ptr = room, .room = sizeof room - 1, .size_max = sizeof room - 1};
        if (i < point->instrument->bounds_count) {
            weir_json_format_f64(&le, point->instrument->bounds[i]);
            room[le.len] = 0;
        }
        sum += point->counts[i];
        add_series(text->buf, family->name, "_bucket", labels, room);
        add_u64(text->buf, sum);
    }
    add_series(text->buf, family->name, "_sum", labels, NULL);
    add_f64(text->buf, point->sum);
    add_series(text->buf, family->name, "_count", labels, NULL);
    add_u64(text->buf, point->count);
}

/* The attributes in this encoded list; at most ATTRS_MAX. */
static struct weir_attrs decode_attrs(struct weir_arena *arena, struct weir_view encoded) {
    struct weir_attr *items = WEIR_NEW_ARRAY(arena, struct weir_attr, ATTRS_MAX);
    uint32_t count = 0;
    while (items && count < ATTRS_MAX && encoded.len &&
           weir_attr_next(&encoded, &items[count], NULL))
        count++;
    return (struct weir_attrs){items, count};
}

static void add_point(struct text *text, const struct family *family,
                      const struct weir_point *point) {
    const struct weir_instrumentation *scope = &point->instrument->meter->info;
    struct weir_prometheus_label own[2] = {{WEIR_VIEW_INIT("otel_scope_name"), scope->name},
                                           {WEIR_VIEW_INIT("otel_scope_version"), scope->version}};
    struct weir_prometheus_labels target = {own, scope->version.len ? 2 : 1}, labels;
    struct weir_arena scratch;
    weir_arena_init(&scratch, 1 << 20);
    struct weir_attrs attrs = decode_attrs(&scratch, point->attrs);
    if (!scope->name.len) target = (struct weir_prometheus_labels){NULL, 0};
    if (weir_prometheus_point_labels(&scratch, attrs, target, &labels)) {
        if (point->instrument->type == WEIR_INSTRUMENT_HISTOGRAM) {
            add_histogram(text, family, point, &labels);
        } else {
            add_series(text->buf, family->name, "", &labels, NULL);
            if (point->is_int)
                weir_buf_add_i64(text->buf, point->i64), weir_buf_add_char(text->buf, '\n');
            else
                add_f64(text->buf, point->f64);
        }
    }
    weir_arena_done(&scratch);
}

static void add_family_head(struct weir_buf *buf, struct weir_view name, const char *type,
                            struct weir_view help) {
    weir_buf_add_str(buf, "# HELP ");
    weir_buf_add_view(buf, name);
    weir_buf_add_char(buf, ' ');
    add_escaped(buf, help, false);
    weir_buf_add_str(buf, "\n# TYPE ");
    weir_buf_add_view(buf, name);
    weir_buf_printf(buf, " %s\n", type);
}

static void add_family(struct text *text, uint32_t index) {
    struct family *first = &text->families[index];
    const struct weir_instrument *it = text->snapshot.points[first->from].instrument;
    add_family_head(text->buf, first->name, first->type,
                    it->description.len ? it->description : it->name);
    for (uint32_t i = index; i < text->count; i++) {
        struct family *family = &text->families[i];
        if (family->written || !weir_view_eq(family->name, first->name)) continue;
        family->written = true; /* also when its type differs: then it is left out */
        if (strcmp(family->type, first->type) != 0) continue;
        for (uint32_t at = family->from; at < family->to; at++)
            add_point(text, family, &text->snapshot.points[at]);
    }
}

static void add_target_info(struct text *text) {
    const struct weir_config *config = weir_sdk_config();
    struct weir_prometheus_labels none = {NULL, 0}, labels;
    struct weir_arena *arena = &text->snapshot.arena;
    if (!config ||
        !weir_prometheus_point_labels(arena, decode_attrs(arena, config->resource), none, &labels))
        return;
    struct weir_view name = WEIR_VIEW("target_info");
    add_family_head(text->buf, name, "gauge",
                    WEIR_VIEW("The resource that these metrics are about."));
    add_series(text->buf, name, "", &labels, NULL);
    weir_buf_add_str(text->buf, "1\n");
}

void weir_metrics_add_text(struct weir_buf *buf) {
    struct text text = {.buf = buf};
    weir_metrics_collect(&text.snapshot);
    add_target_info(&text);
    list_families(&text);
    for (uint32_t i = 0; i < text.count; i++)
        if (!text.families[i].written) add_family(&text, i);
    weir_process_add_text(buf);
    weir_snapshot_done(&text.snapshot);
}

char *weir_metrics_text(size_t *ret_size) {
    struct weir_buf buf;
    weir_buf_init(&buf, TEXT_SIZE_MAX);
    if (weir_sdk_bits() & WEIR_SDK_RUNS) weir_metrics_add_text(&buf);
    size_t size = buf.len;
    weir_buf_add_char(&buf, 0);
    if (buf.failed || !size) {
        weir_buf_done(&buf);
        return NULL;
    }
    if (ret_size) *ret_size = size;
    return weir_buf_take(&buf, NULL);
}
