/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/stages.h"

#include <math.h>

#include "base/clock.h"
#include "logql/lex.h"
#include "logql/pattern.h"
#include "logql/template.h"
#include "query/regex.h"

struct weir_logql_labels *weir_logql_entry_labels(struct weir_logql_entry *entry) {
    if (!entry->labels_ready) {
        entry->labels_ready = true;
        entry->fill(entry->fill_arg, entry);
    }
    return &entry->labels;
}

void weir_logql_set_error(struct weir_logql_entry *entry, const char *error, const char *details) {
    struct weir_logql_labels *labels = weir_logql_entry_labels(entry);
    if (weir_logql_labels_get(labels, WEIR_VIEW("__error__"))) return; /* the first one tells */
    weir_logql_labels_set(labels, WEIR_VIEW("__error__"), weir_view_str(error));
    weir_logql_labels_set(labels, WEIR_VIEW("__error_details__"), weir_view_str(details));
}

/* ---- comparisons of text --------------------------------------------------------------------- */

static bool text_accepts(struct weir_view name, enum weir_logql_op op, struct weir_view wanted,
                         const struct weir_regex *regex, struct weir_view value) {
    bool is_level = weir_logql_is_level_name(name);
    switch ((int)op) {
    case WEIR_LOGQL_OP_EQ:
        return is_level ? weir_logql_level_eq(value, wanted) : weir_view_eq(value, wanted);
    case WEIR_LOGQL_OP_NE:
        return is_level ? !weir_logql_level_eq(value, wanted) : !weir_view_eq(value, wanted);
    case WEIR_LOGQL_OP_RE: return weir_regex_is_match(regex, value);
    case WEIR_LOGQL_OP_NRE: return !weir_regex_is_match(regex, value);
    default: return true;
    }
}

static struct weir_view value_of(const struct weir_logql_labels *labels, struct weir_view name) {
    const struct weir_view *value = weir_logql_labels_get(labels, name);
    return value ? *value : weir_view("", 0);
}

bool weir_logql_matchers_accept(const struct weir_logql_log *log,
                                const struct weir_logql_labels *labels) {
    for (uint32_t i = 0; i < log->matchers_count; i++) {
        const struct weir_logql_matcher *m = &log->matchers[i];
        if (!text_accepts(m->name, m->op, m->value, log->regexes[i], value_of(labels, m->name)))
            return false;
    }
    return true;
}

/* ---- line filters ---------------------------------------------------------------------------- */

static bool needle_hits(const struct weir_logql_stage *stage, uint32_t i, struct weir_view line) {
    switch ((int)stage->op) {
    case WEIR_LOGQL_OP_RE:
    case WEIR_LOGQL_OP_NRE: return weir_regex_is_match(stage->regexes[i], line);
    case WEIR_LOGQL_OP_PAT:
    case WEIR_LOGQL_OP_NPAT: return weir_logql_pattern_match(stage->patterns[i], line);
    default: return weir_view_find(line, stage->needles[i].text) != SIZE_MAX;
    }
}

static bool line_filter(const struct weir_logql_stage *stage, struct weir_view line) {
    bool negated = stage->op == WEIR_LOGQL_OP_NE || stage->op == WEIR_LOGQL_OP_NRE ||
                   stage->op == WEIR_LOGQL_OP_NPAT;
    for (uint32_t i = 0; i < stage->needles_count; i++)
        if (needle_hits(stage, i, line)) return !negated;
    return negated;
}

/* ---- label filters --------------------------------------------------------------------------- */

static bool to_seconds(struct weir_view text, double *ret) {
    int64_t ns;
    bool negative = text.len && text.ptr[0] == '-';
    if (!weir_view_to_duration_ns(negative ? weir_view_from(text, 1) : text, &ns)) return false;
    *ret = (double)ns / (negative ? -1e9 : 1e9);
    return true;
}

static bool to_number(enum weir_logql_filter_kind kind, struct weir_view text, double *ret) {
    text = weir_view_trim(text);
    if (kind == WEIR_LOGQL_FILTER_DURATION) return to_seconds(text, ret);
    if (kind == WEIR_LOGQL_FILTER_BYTES) return weir_logql_to_bytes(text, ret);
    return weir_view_to_f64(text, ret);
}

static bool number_accepts(enum weir_logql_op op, double value, double wanted) {
    switch ((int)op) {
    case WEIR_LOGQL_OP_EQ: return value == wanted;
    case WEIR_LOGQL_OP_NE: return value != wanted;
    case WEIR_LOGQL_OP_GT: return value > wanted;
    case WEIR_LOGQL_OP_GE: return value >= wanted;
    case WEIR_LOGQL_OP_LT: return value < wanted;
    case WEIR_LOGQL_OP_LE: return value <= wanted;
    default: return false;
    }
}

static bool number_filter(const struct weir_logql_filter *filter, struct weir_logql_entry *entry) {
    struct weir_logql_labels *labels = weir_logql_entry_labels(entry);
    const struct weir_view *text = weir_logql_labels_get(labels, filter->name);
    double value;
    if (weir_logql_labels_get(labels, WEIR_VIEW("__error__"))) return true; /* kept, to be seen */
    if (!text) return false;
    if (to_number(filter->kind, *text, &value))
        return number_accepts(filter->op, value, filter->number);
    weir_logql_set_error(entry, "LabelFilterErr",
                         "the label's value is not a number of the wanted kind");
    return true;
}

static bool label_filter(const struct weir_logql_filter *filter, struct weir_logql_entry *entry) {
    switch (filter->kind) {
    case WEIR_LOGQL_FILTER_AND:
        return label_filter(filter->left, entry) && label_filter(filter->right, entry);
    case WEIR_LOGQL_FILTER_OR:
        return label_filter(filter->left, entry) || label_filter(filter->right, entry);
    case WEIR_LOGQL_FILTER_STRING:
        return text_accepts(filter->name, filter->op, filter->text, filter->regex,
                            value_of(weir_logql_entry_labels(entry), filter->name));
    case WEIR_LOGQL_FILTER_NUMBER:
    case WEIR_LOGQL_FILTER_DURATION:
    case WEIR_LOGQL_FILTER_BYTES: return number_filter(filter, entry);
    case WEIR_LOGQL_FILTER_IP: break; /* refused by plan */
    }
    return true;
}

bool weir_logql_unwrap_value(const struct weir_logql_unwrap *unwrap, struct weir_logql_entry *entry,
                             double *ret) {
    const struct weir_view *text =
        weir_logql_labels_get(weir_logql_entry_labels(entry), unwrap->name);
    if (!text || !text->len) return false;
    struct weir_view value = weir_view_trim(*text);
    bool good = unwrap->conversion == WEIR_LOGQL_CONVERT_BYTES ? weir_logql_to_bytes(value, ret)
                : unwrap->conversion == WEIR_LOGQL_CONVERT_DURATION ? to_seconds(value, ret)
                                                                    : weir_view_to_f64(value, ret);
    if (!good) {
        *ret = 0;
        weir_logql_set_error(entry, "SampleExtractionErr", "the unwrapped label is not a number");
    }
    return true;
}

/* ---- formats --------------------------------------------------------------------------------- */

static void add_cased(struct weir_buf *buf, const struct weir_logql_template_part *part,
                      struct weir_view text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (part->upper && c >= 'a' && c <= 'z') c = (char)(c - 32);
        if (part->lower && c >= 'A' && c <= 'Z') c = (char)(c + 32);
        weir_buf_add_char(buf, c);
    }
}

static struct weir_view render(const struct weir_logql_template *template,
                               struct weir_logql_entry *entry) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    for (uint32_t i = 0; i < template->parts_count; i++) {
        const struct weir_logql_template_part *part = &template->parts[i];
        switch (part->kind) {
        case WEIR_LOGQL_TEMPLATE_TEXT: weir_buf_add_view(&buf, part->text); break;
        case WEIR_LOGQL_TEMPLATE_LINE: add_cased(&buf, part, entry->line); break;
        case WEIR_LOGQL_TEMPLATE_LABEL:
            add_cased(&buf, part, value_of(weir_logql_entry_labels(entry), part->text));
            break;
        case WEIR_LOGQL_TEMPLATE_TIMESTAMP: weir_clock_add_rfc3339(&buf, entry->time_ns, 9); break;
        }
    }
    struct weir_view text = weir_arena_copy(entry->arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return text;
}

/* a=b moves a label, as in Loki; a="{{…}}" writes one. */
static void label_format(const struct weir_logql_stage *stage, struct weir_logql_entry *entry) {
    struct weir_logql_labels *labels = weir_logql_entry_labels(entry);
    for (uint32_t i = 0; i < stage->pairs_count; i++) {
        const struct weir_logql_pair *pair = &stage->pairs[i];
        if (!pair->is_name) {
            weir_logql_labels_set(labels, pair->name, render(stage->templates[i], entry));
            continue;
        }
        const struct weir_view *from = weir_logql_labels_get(labels, pair->value);
        if (!from) continue;
        struct weir_view value = *from;
        if (!weir_view_eq(pair->name, pair->value)) weir_logql_labels_remove(labels, pair->value);
        weir_logql_labels_set(labels, pair->name, value);
    }
}

static bool named(const struct weir_logql_stage *stage, const struct weir_logql_label *label) {
    for (uint32_t i = 0; i < stage->matchers_count; i++) {
        const struct weir_logql_matcher *m = &stage->matchers[i];
        if (weir_view_eq(m->name, label->name) &&
            text_accepts(m->name, m->op, m->value, stage->regexes[i], label->value))
            return true;
    }
    return false;
}

static void drop_or_keep(const struct weir_logql_stage *stage, struct weir_logql_entry *entry) {
    struct weir_logql_labels *labels = weir_logql_entry_labels(entry);
    bool keeps_named = stage->kind == WEIR_LOGQL_STAGE_KEEP;
    uint32_t count = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        bool special = keeps_named && weir_view_starts(labels->items[i].name, WEIR_VIEW("__error"));
        if (special || named(stage, &labels->items[i]) == keeps_named)
            labels->items[count++] = labels->items[i];
    }
    labels->count = count;
}

/* Without terminal colours: ESC [ … letter. */
static void decolorize(struct weir_logql_entry *entry) {
    struct weir_view line = entry->line;
    if (!line.len || !memchr(line.ptr, 0x1b, line.len)) return;
    char *out = weir_arena_alloc(entry->arena, line.len);
    size_t len = 0;
    if (!out) return;
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != 0x1b || i + 1 >= line.len || line.ptr[i + 1] != '[') {
            out[len++] = line.ptr[i];
            continue;
        }
        for (i += 2; i < line.len && (line.ptr[i] < '@' || line.ptr[i] > '~'); i++) {
        }
    }
    entry->line = weir_view(out, len);
}

bool weir_logql_stages_run(const struct weir_logql_stage *stage, struct weir_logql_entry *entry) {
    for (; stage; stage = stage->next) {
        switch (stage->kind) {
        case WEIR_LOGQL_STAGE_LINE_FILTER:
            if (!line_filter(stage, entry->line)) return false;
            break;
        case WEIR_LOGQL_STAGE_LABEL_FILTER:
            if (!label_filter(stage->filter, entry)) return false;
            break;
        case WEIR_LOGQL_STAGE_JSON: weir_logql_parse_json(stage, entry); break;
        case WEIR_LOGQL_STAGE_LOGFMT: weir_logql_parse_logfmt(stage, entry); break;
        case WEIR_LOGQL_STAGE_REGEXP: weir_logql_parse_regexp(stage, entry); break;
        case WEIR_LOGQL_STAGE_PATTERN: weir_logql_parse_pattern(stage, entry); break;
        case WEIR_LOGQL_STAGE_UNPACK: weir_logql_parse_unpack(entry); break;
        case WEIR_LOGQL_STAGE_LINE_FORMAT: entry->line = render(stage->templates[0], entry); break;
        case WEIR_LOGQL_STAGE_LABEL_FORMAT: label_format(stage, entry); break;
        case WEIR_LOGQL_STAGE_DROP:
        case WEIR_LOGQL_STAGE_KEEP: drop_or_keep(stage, entry); break;
        case WEIR_LOGQL_STAGE_DECOLORIZE: decolorize(entry); break;
        case WEIR_LOGQL_STAGE_DISTINCT: break; /* refused by plan */
        }
    }
    return true;
}
