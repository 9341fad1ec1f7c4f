/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/print.h"

#include "logql/functions.h"
#include "wire/json.h"

void weir_logql_print_string(struct weir_view str, struct weir_buf *out) {
    weir_buf_add_char(out, '"');
    for (size_t i = 0; i < str.len; i++) {
        unsigned char c = (unsigned char)str.ptr[i];
        if (c == '"' || c == '\\')
            weir_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            weir_buf_add_str(out, "\\n");
        else if (c == '\t')
            weir_buf_add_str(out, "\\t");
        else if (c < ' ' || c == 0x7f)
            weir_buf_printf(out, "\\x%02x", c);
        else
            weir_buf_add_char(out, (char)c);
    }
    weir_buf_add_char(out, '"');
}

static void add_number(double number, struct weir_buf *out) {
    weir_json_format_f64(out, number);
}

/* The largest units first: 5400 s is 1h30m. */
static void add_duration(int64_t ns, struct weir_buf *out) {
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"h", INT64_C(3600000000000)},
                 {"m", INT64_C(60000000000)},
                 {"s", 1000000000},
                 {"ms", 1000000},
                 {"us", 1000},
                 {"ns", 1}};
    if (ns < 0) weir_buf_add_char(out, '-');
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    for (size_t i = 0; i < sizeof units / sizeof *units && left; i++) {
        uint64_t count = left / (uint64_t)units[i].ns;
        left %= (uint64_t)units[i].ns;
        if (count) weir_buf_printf(out, "%llu%s", (unsigned long long)count, units[i].unit);
    }
}

static const char *label_sign(enum weir_logql_op op) {
    switch ((int)op) {
    case WEIR_LOGQL_OP_NE: return "!=";
    case WEIR_LOGQL_OP_RE: return "=~";
    case WEIR_LOGQL_OP_NRE: return "!~";
    default: return "=";
    }
}

static const char *line_sign(enum weir_logql_op op) {
    switch ((int)op) {
    case WEIR_LOGQL_OP_NE: return "!=";
    case WEIR_LOGQL_OP_RE: return "|~";
    case WEIR_LOGQL_OP_NRE: return "!~";
    case WEIR_LOGQL_OP_PAT: return "|>";
    case WEIR_LOGQL_OP_NPAT: return "!>";
    default: return "|=";
    }
}

static void add_matcher(const struct weir_logql_matcher *m, struct weir_buf *out) {
    weir_buf_add_view(out, m->name);
    if (m->op == WEIR_LOGQL_OP_NONE) return;
    weir_buf_add_str(out, label_sign(m->op));
    weir_logql_print_string(m->value, out);
}

void weir_logql_print_matchers(const struct weir_logql_log *log, struct weir_buf *out) {
    weir_buf_add_char(out, '{');
    for (uint32_t i = 0; i < log->matchers_count; i++) {
        if (i) weir_buf_add_str(out, ", ");
        add_matcher(&log->matchers[i], out);
    }
    weir_buf_add_char(out, '}');
}

static void add_ip(struct weir_view text, struct weir_buf *out) {
    weir_buf_add_str(out, "ip(");
    weir_logql_print_string(text, out);
    weir_buf_add_char(out, ')');
}

static void add_filter(const struct weir_logql_filter *f, struct weir_buf *out) {
    if (f->kind == WEIR_LOGQL_FILTER_AND || f->kind == WEIR_LOGQL_FILTER_OR) {
        weir_buf_add_char(out, '(');
        add_filter(f->left, out);
        weir_buf_add_str(out, f->kind == WEIR_LOGQL_FILTER_AND ? " and " : " or ");
        add_filter(f->right, out);
        weir_buf_add_char(out, ')');
        return;
    }
    weir_buf_add_view(out, f->name);
    bool is_text = f->kind == WEIR_LOGQL_FILTER_STRING || f->kind == WEIR_LOGQL_FILTER_IP;
    weir_buf_add_str(out, is_text ? label_sign(f->op) : weir_logql_op_sign(f->op));
    if (f->kind == WEIR_LOGQL_FILTER_STRING)
        weir_logql_print_string(f->text, out);
    else if (f->kind == WEIR_LOGQL_FILTER_IP)
        add_ip(f->text, out);
    else
        weir_buf_add_view(out, f->text);
}

static void add_line_filter(const struct weir_logql_stage *s, struct weir_buf *out) {
    weir_buf_add_str(out, line_sign(s->op));
    for (uint32_t i = 0; i < s->needles_count; i++) {
        weir_buf_add_str(out, i ? " or " : " ");
        if (s->needles[i].is_ip)
            add_ip(s->needles[i].text, out);
        else
            weir_logql_print_string(s->needles[i].text, out);
    }
}

static void add_pairs(const struct weir_logql_stage *s, struct weir_buf *out) {
    for (uint32_t i = 0; i < s->pairs_count; i++) {
        weir_buf_add_str(out, i ? ", " : " ");
        weir_buf_add_view(out, s->pairs[i].name);
        weir_buf_add_char(out, '=');
        if (s->pairs[i].is_name)
            weir_buf_add_view(out, s->pairs[i].value);
        else
            weir_logql_print_string(s->pairs[i].value, out);
    }
}

static void add_word_and_text(const char *word, struct weir_view text, struct weir_buf *out) {
    weir_buf_printf(out, "%s ", word);
    weir_logql_print_string(text, out);
}

static void add_names(const char *word, const struct weir_logql_stage *s, struct weir_buf *out) {
    weir_buf_add_str(out, word);
    for (uint32_t i = 0; i < s->matchers_count; i++) {
        weir_buf_add_str(out, i ? ", " : " ");
        add_matcher(&s->matchers[i], out);
    }
}

static void add_stage(const struct weir_logql_stage *s, struct weir_buf *out) {
    weir_buf_add_char(out, ' ');
    if (s->kind != WEIR_LOGQL_STAGE_LINE_FILTER) weir_buf_add_str(out, "| ");
    switch (s->kind) {
    case WEIR_LOGQL_STAGE_LINE_FILTER: add_line_filter(s, out); break;
    case WEIR_LOGQL_STAGE_JSON:
        weir_buf_add_str(out, "json");
        add_pairs(s, out);
        break;
    case WEIR_LOGQL_STAGE_LOGFMT:
        weir_buf_add_str(out, "logfmt");
        if (s->strict) weir_buf_add_str(out, " --strict");
        if (s->keep_empty) weir_buf_add_str(out, " --keep-empty");
        add_pairs(s, out);
        break;
    case WEIR_LOGQL_STAGE_REGEXP: add_word_and_text("regexp", s->text, out); break;
    case WEIR_LOGQL_STAGE_PATTERN: add_word_and_text("pattern", s->text, out); break;
    case WEIR_LOGQL_STAGE_UNPACK: weir_buf_add_str(out, "unpack"); break;
    case WEIR_LOGQL_STAGE_LABEL_FILTER: add_filter(s->filter, out); break;
    case WEIR_LOGQL_STAGE_LINE_FORMAT: add_word_and_text("line_format", s->text, out); break;
    case WEIR_LOGQL_STAGE_LABEL_FORMAT:
        weir_buf_add_str(out, "label_format");
        add_pairs(s, out);
        break;
    case WEIR_LOGQL_STAGE_DROP: add_names("drop", s, out); break;
    case WEIR_LOGQL_STAGE_KEEP: add_names("keep", s, out); break;
    case WEIR_LOGQL_STAGE_DISTINCT: add_names("distinct", s, out); break;
    case WEIR_LOGQL_STAGE_DECOLORIZE: weir_buf_add_str(out, "decolorize"); break;
    }
}

static void add_log(const struct weir_logql_log *log, struct weir_buf *out) {
    weir_logql_print_matchers(log, out);
    for (const struct weir_logql_stage *s = log->stages; s; s = s->next) add_stage(s, out);
    if (!log->unwrap) return;
    weir_buf_add_str(out, " | unwrap ");
    bool converts = log->unwrap->conversion != WEIR_LOGQL_CONVERT_NONE;
    if (converts) weir_buf_printf(out, "%.*s(", WEIR_VIEW_ARG(log->unwrap->conversion_name));
    weir_buf_add_view(out, log->unwrap->name);
    if (converts) weir_buf_add_char(out, ')');
    for (const struct weir_logql_stage *s = log->unwrap->filters; s; s = s->next) add_stage(s, out);
}

static void add_list(const struct weir_view *names, uint32_t count, struct weir_buf *out) {
    weir_buf_add_char(out, '(');
    for (uint32_t i = 0; i < count; i++) {
        if (i) weir_buf_add_str(out, ", ");
        weir_buf_add_view(out, names[i]);
    }
    weir_buf_add_char(out, ')');
}

static void add_grouping(const struct weir_logql_grouping *g, struct weir_buf *out) {
    if (!g->present) return;
    weir_buf_add_str(out, g->without ? " without " : " by ");
    add_list(g->names, g->names_count, out);
}

static void add_range_agg(const struct weir_logql_expr *e, struct weir_buf *out) {
    weir_buf_printf(out, "%s(", weir_logql_func_get(e->func)->name);
    if (e->has_param) {
        add_number(e->param, out);
        weir_buf_add_str(out, ", ");
    }
    add_log(&e->log, out);
    weir_buf_add_str(out, " [");
    add_duration(e->range_ns, out);
    weir_buf_add_char(out, ']');
    if (e->offset_ns) {
        weir_buf_add_str(out, " offset ");
        add_duration(e->offset_ns, out);
    }
    weir_buf_add_char(out, ')');
    add_grouping(&e->grouping, out);
}

static void add_vector_agg(const struct weir_logql_expr *e, struct weir_buf *out) {
    weir_buf_add_str(out, weir_logql_func_get(e->func)->name);
    add_grouping(&e->grouping, out);
    weir_buf_add_char(out, '(');
    if (e->has_param) {
        add_number(e->param, out);
        weir_buf_add_str(out, ", ");
    }
    weir_logql_print(e->left, out);
    weir_buf_add_char(out, ')');
}

static void add_matching(const struct weir_logql_matching *m, struct weir_buf *out) {
    if (!m->present) return;
    weir_buf_add_str(out, m->on ? " on " : " ignoring ");
    add_list(m->names, m->names_count, out);
    if (!m->group_left && !m->group_right) return;
    weir_buf_add_str(out, m->group_left ? " group_left " : " group_right ");
    add_list(m->include, m->include_count, out);
}

static void add_binary(const struct weir_logql_expr *e, struct weir_buf *out) {
    weir_buf_add_char(out, '(');
    weir_logql_print(e->left, out);
    weir_buf_printf(out, " %s", weir_logql_op_sign(e->op));
    if (e->return_bool) weir_buf_add_str(out, " bool");
    add_matching(&e->matching, out);
    weir_buf_add_char(out, ' ');
    weir_logql_print(e->right, out);
    weir_buf_add_char(out, ')');
}

static void add_label_replace(const struct weir_logql_expr *e, struct weir_buf *out) {
    weir_buf_add_str(out, "label_replace(");
    weir_logql_print(e->left, out);
    for (int i = 0; i < 4; i++) {
        weir_buf_add_str(out, ", ");
        weir_logql_print_string(e->replace[i], out);
    }
    weir_buf_add_char(out, ')');
}

void weir_logql_print(const struct weir_logql_expr *e, struct weir_buf *out) {
    switch (e->kind) {
    case WEIR_LOGQL_LOG: add_log(&e->log, out); break;
    case WEIR_LOGQL_RANGE_AGG: add_range_agg(e, out); break;
    case WEIR_LOGQL_VECTOR_AGG: add_vector_agg(e, out); break;
    case WEIR_LOGQL_BINARY: add_binary(e, out); break;
    case WEIR_LOGQL_LITERAL: add_number(e->param, out); break;
    case WEIR_LOGQL_VECTOR:
        weir_buf_add_str(out, "vector(");
        add_number(e->param, out);
        weir_buf_add_char(out, ')');
        break;
    case WEIR_LOGQL_LABEL_REPLACE: add_label_replace(e, out); break;
    }
}
