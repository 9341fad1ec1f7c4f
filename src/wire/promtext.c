/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/promtext.h"

#include "wire/json.h"

/* Backslash and newline are escaped everywhere, the quote only within quotes. */
static void add_escaped(struct weir_buf *buf, struct weir_view text, bool quoted) {
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != '\\' && c != '\n' && !(c == '"' && quoted)) continue;
        weir_buf_add(buf, text.ptr + plain, i - plain);
        weir_buf_add_char(buf, '\\');
        weir_buf_add_char(buf, c == '\n' ? 'n' : c);
        plain = i + 1;
    }
    weir_buf_add_view(buf, weir_view_from(text, plain));
}

/* OpenMetrics names the family of x_total "x". */
static struct weir_view family_name(const struct weir_promtext *w, struct weir_view name,
                                    const char *type) {
    bool total = weir_view_ends(name, WEIR_VIEW("_total")) && strcmp(type, "counter") == 0;
    return w->openmetrics && total ? weir_view_upto(name, name.len - strlen("_total")) : name;
}

static void add_comment(struct weir_promtext *w, const char *what, struct weir_view name) {
    weir_buf_add_str(w->buf, what);
    weir_buf_add_view(w->buf, name);
    weir_buf_add_char(w->buf, ' ');
}

void weir_promtext_family(struct weir_promtext *w, struct weir_view name, const char *type,
                          struct weir_view help, struct weir_view unit) {
    name = family_name(w, name, type);
    if (help.len) {
        add_comment(w, "# HELP ", name);
        add_escaped(w->buf, help, w->openmetrics);
        weir_buf_add_char(w->buf, '\n');
    }
    add_comment(w, "# TYPE ", name);
    weir_buf_add_str(w->buf, type);
    weir_buf_add_char(w->buf, '\n');
    /* OpenMetrics allows a unit only where the name ends in it. */
    if (!w->openmetrics || !unit.len || name.len <= unit.len || !weir_view_ends(name, unit) ||
        name.ptr[name.len - unit.len - 1] != '_')
        return;
    add_comment(w, "# UNIT ", name);
    weir_buf_add_view(w->buf, unit);
    weir_buf_add_char(w->buf, '\n');
}

void weir_promtext_sample(struct weir_promtext *w, struct weir_view name, const char *suffix) {
    weir_buf_add_view(w->buf, name);
    weir_buf_add_str(w->buf, suffix);
    w->labels_open = false;
}

static void next_label(struct weir_promtext *w) {
    weir_buf_add_char(w->buf, w->labels_open ? ',' : '{');
    w->labels_open = true;
}

void weir_promtext_label(struct weir_promtext *w, struct weir_view name, struct weir_view value) {
    next_label(w);
    weir_buf_add_view(w->buf, name);
    weir_buf_add_str(w->buf, "=\"");
    add_escaped(w->buf, value, true);
    weir_buf_add_char(w->buf, '"');
}

/* OpenMetrics writes whole bounds with a fraction: le="1.0". */
void weir_promtext_label_f64(struct weir_promtext *w, const char *name, double value) {
    next_label(w);
    weir_buf_add_str(w->buf, name);
    weir_buf_add_str(w->buf, "=\"");
    size_t start = w->buf->len;
    weir_json_format_f64(w->buf, value);
    struct weir_view text = weir_view_from(weir_buf_view(w->buf), start);
    bool whole = true;
    for (size_t i = 0; i < text.len; i++)
        whole &= (text.ptr[i] >= '0' && text.ptr[i] <= '9') || text.ptr[i] == '-';
    if (w->openmetrics && whole) weir_buf_add_str(w->buf, ".0");
    weir_buf_add_char(w->buf, '"');
}

void weir_promtext_labels_raw(struct weir_promtext *w, struct weir_view labels) {
    if (labels.len == 0) return;
    next_label(w);
    weir_buf_add_view(w->buf, labels);
}

static void add_value(struct weir_promtext *w, double value) {
    if (w->labels_open) weir_buf_add_char(w->buf, '}');
    weir_buf_add_char(w->buf, ' ');
    weir_json_format_f64(w->buf, value);
}

void weir_promtext_value(struct weir_promtext *w, double value) {
    add_value(w, value);
    weir_buf_add_char(w->buf, '\n');
}

void weir_promtext_value_exemplar(struct weir_promtext *w, double value, const uint8_t trace_id[16],
                                  const uint8_t span_id[8], double exemplar, int64_t time_ns) {
    add_value(w, value);
    if (w->openmetrics) {
        weir_buf_add_str(w->buf, " # {trace_id=\"");
        weir_buf_add_hex(w->buf, trace_id, 16);
        weir_buf_add_str(w->buf, "\",span_id=\"");
        weir_buf_add_hex(w->buf, span_id, 8);
        weir_buf_add_str(w->buf, "\"} ");
        weir_json_format_f64(w->buf, exemplar);
        if (time_ns) weir_buf_printf(w->buf, " %.3f", (double)time_ns / 1e9);
    }
    weir_buf_add_char(w->buf, '\n');
}

void weir_promtext_end(struct weir_promtext *w) {
    if (w->openmetrics) weir_buf_add_str(w->buf, "# EOF\n");
}
