/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/plan.h"

#include "logql/labels.h"
#include "logql/lex.h"
#include "logql/pattern.h"
#include "logql/template.h"
#include "query/regex.h"

struct weir_logql_regex_list {
    struct weir_regex *regex;
    struct weir_logql_regex_list *next;
};

struct work {
    struct weir_logql_plan *plan;
    struct weir_error *reterr;
};

static int nomem(struct work *w) {
    return weir_error_set(w->reterr, WEIR_ENOMEMORY, "query needs too much memory");
}

static int not_evaluated(struct work *w, const char *what) {
    return weir_error_set(w->reterr, WEIR_EUNSUPPORTED, "%s is understood but not evaluated", what);
}

static int compile(struct work *w, struct weir_view pattern, unsigned flags,
                   struct weir_regex **ret) {
    struct weir_logql_regex_list *item = WEIR_NEW(w->plan->arena, struct weir_logql_regex_list);
    if (!item) return nomem(w);
    int rc = weir_regex_new(pattern, flags, &item->regex, w->reterr);
    if (rc != 0) return rc;
    item->next = w->plan->regexes;
    w->plan->regexes = item;
    *ret = item->regex;
    return 0;
}

static bool is_regex_op(enum weir_logql_op op) {
    return op == WEIR_LOGQL_OP_RE || op == WEIR_LOGQL_OP_NRE;
}

/* One regex per matcher that has one. */
static int compile_matchers(struct work *w, const struct weir_logql_matcher *matchers,
                            uint32_t count, struct weir_regex ***ret) {
    struct weir_regex **regexes = *ret =
        WEIR_NEW_ARRAY(w->plan->arena, struct weir_regex *, count + 1);
    if (!regexes) return nomem(w);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_regex_op(matchers[i].op)) continue;
        int rc = compile(w, matchers[i].value, WEIR_REGEX_ANCHORED, &regexes[i]);
        if (rc != 0) return rc;
    }
    return 0;
}

static int plan_filter(struct work *w, struct weir_logql_filter *filter) {
    switch (filter->kind) {
    case WEIR_LOGQL_FILTER_AND:
    case WEIR_LOGQL_FILTER_OR: {
        int rc = plan_filter(w, filter->left);
        return rc == 0 ? plan_filter(w, filter->right) : rc;
    }
    case WEIR_LOGQL_FILTER_IP: return not_evaluated(w, "the label filter ip(…)");
    case WEIR_LOGQL_FILTER_STRING:
        return is_regex_op(filter->op)
                   ? compile(w, filter->text, WEIR_REGEX_ANCHORED, &filter->regex)
                   : 0;
    case WEIR_LOGQL_FILTER_NUMBER:
    case WEIR_LOGQL_FILTER_DURATION:
    case WEIR_LOGQL_FILTER_BYTES: break;
    }
    return 0;
}

static int plan_line_filter(struct work *w, struct weir_logql_stage *stage) {
    struct weir_arena *arena = w->plan->arena;
    stage->regexes = WEIR_NEW_ARRAY(arena, struct weir_regex *, stage->needles_count);
    stage->patterns = WEIR_NEW_ARRAY(arena, struct weir_logql_pattern *, stage->needles_count);
    if (!stage->regexes || !stage->patterns) return nomem(w);
    for (uint32_t i = 0; i < stage->needles_count; i++) {
        struct weir_view text = stage->needles[i].text;
        int rc = 0;
        if (stage->needles[i].is_ip) return not_evaluated(w, "the line filter ip(…)");
        if (is_regex_op(stage->op))
            rc = compile(w, text, WEIR_REGEX_SEARCH, &stage->regexes[i]);
        else if (stage->op == WEIR_LOGQL_OP_PAT || stage->op == WEIR_LOGQL_OP_NPAT)
            rc = weir_logql_pattern_parse(text, false, arena, &stage->patterns[i], w->reterr);
        if (rc != 0) return rc;
    }
    return 0;
}

static int plan_templates(struct work *w, struct weir_logql_stage *stage) {
    bool is_line = stage->kind == WEIR_LOGQL_STAGE_LINE_FORMAT;
    uint32_t count = is_line ? 1 : stage->pairs_count;
    stage->templates = WEIR_NEW_ARRAY(w->plan->arena, struct weir_logql_template *, count);
    if (!stage->templates) return nomem(w);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_line && stage->pairs[i].is_name) continue;
        struct weir_view text = is_line ? stage->text : stage->pairs[i].value;
        int rc = weir_logql_template_parse(text, w->plan->arena, &stage->templates[i], w->reterr);
        if (rc != 0) return rc;
    }
    return 0;
}

static int plan_stage(struct work *w, struct weir_logql_stage *stage) {
    switch (stage->kind) {
    case WEIR_LOGQL_STAGE_LINE_FILTER: return plan_line_filter(w, stage);
    case WEIR_LOGQL_STAGE_LABEL_FILTER: return plan_filter(w, stage->filter);
    case WEIR_LOGQL_STAGE_REGEXP:
        stage->regexes = WEIR_NEW_ARRAY(w->plan->arena, struct weir_regex *, 1);
        return stage->regexes ? compile(w, stage->text, WEIR_REGEX_SEARCH, &stage->regexes[0])
                              : nomem(w);
    case WEIR_LOGQL_STAGE_PATTERN:
        stage->patterns = WEIR_NEW_ARRAY(w->plan->arena, struct weir_logql_pattern *, 1);
        return stage->patterns ? weir_logql_pattern_parse(stage->text, true, w->plan->arena,
                                                          &stage->patterns[0], w->reterr)
                               : nomem(w);
    case WEIR_LOGQL_STAGE_LINE_FORMAT:
    case WEIR_LOGQL_STAGE_LABEL_FORMAT: return plan_templates(w, stage);
    case WEIR_LOGQL_STAGE_DROP:
    case WEIR_LOGQL_STAGE_KEEP:
        return compile_matchers(w, stage->matchers, stage->matchers_count, &stage->regexes);
    case WEIR_LOGQL_STAGE_DISTINCT: return not_evaluated(w, "distinct");
    case WEIR_LOGQL_STAGE_JSON:
    case WEIR_LOGQL_STAGE_LOGFMT:
    case WEIR_LOGQL_STAGE_UNPACK:
    case WEIR_LOGQL_STAGE_DECOLORIZE: break;
    }
    return 0;
}

static int plan_log(struct work *w, struct weir_logql_log *log) {
    int rc = compile_matchers(w, log->matchers, log->matchers_count, &log->regexes);
    for (struct weir_logql_stage *s = log->stages; rc == 0 && s; s = s->next) rc = plan_stage(w, s);
    if (log->unwrap)
        for (struct weir_logql_stage *s = log->unwrap->filters; rc == 0 && s; s = s->next)
            rc = plan_stage(w, s);
    return rc;
}

static int plan_expr(struct work *w, struct weir_logql_expr *expr) {
    int rc = 0;
    if (expr->kind == WEIR_LOGQL_LOG || expr->kind == WEIR_LOGQL_RANGE_AGG)
        return plan_log(w, &expr->log);
    if (expr->kind == WEIR_LOGQL_LABEL_REPLACE)
        rc = compile(w, expr->replace[3], WEIR_REGEX_ANCHORED, &expr->regex);
    if (rc == 0 && expr->left) rc = plan_expr(w, expr->left);
    if (rc == 0 && expr->right) rc = plan_expr(w, expr->right);
    return rc;
}

int weir_logql_plan_init(struct weir_logql_plan *plan, struct weir_view text,
                         struct weir_logql_expr *expr, struct weir_arena *arena,
                         struct weir_error *reterr) {
    (void)text;
    *plan = (struct weir_logql_plan){.arena = arena};
    struct work w = {plan, reterr};
    int rc = plan_expr(&w, expr);
    if (rc != 0) weir_logql_plan_done(plan);
    return rc;
}

void weir_logql_plan_done(struct weir_logql_plan *plan) {
    if (!plan) return;
    for (struct weir_logql_regex_list *item = plan->regexes; item; item = item->next)
        weir_regex_free(item->regex);
    plan->regexes = NULL;
}

int weir_logql_plan_check(const struct weir_logql_plan *plan, struct weir_error *reterr) {
    int rc = 0;
    for (const struct weir_logql_regex_list *item = plan->regexes; rc == 0 && item;
         item = item->next)
        rc = weir_regex_check(item->regex, reterr);
    return rc;
}

/* ---- what to read ---------------------------------------------------------------------------- */

static void need(bool *needs, enum weir_logql_column column) {
    needs[column] = true;
}

static void need_all_labels(bool *needs) {
    for (int i = WEIR_LOGQL_COLUMN_ATTRS; i < WEIR_LOGQL_COLUMNS_COUNT; i++) needs[i] = true;
}

/* The columns that may hold this label. */
static void need_label(bool *needs, struct weir_view name) {
    struct weir_view key;
    if (weir_logql_is_stream_label(name, &key)) return;
    need(needs, WEIR_LOGQL_COLUMN_ATTRS); /* any name may be an attribute's too */
    if (weir_view_is(name, "trace_id")) need(needs, WEIR_LOGQL_COLUMN_TRACE_ID);
    if (weir_view_is(name, "span_id")) need(needs, WEIR_LOGQL_COLUMN_SPAN_ID);
    if (weir_view_starts(name, WEIR_VIEW("scope_"))) {
        need(needs, WEIR_LOGQL_COLUMN_SCOPE_NAME);
        need(needs, WEIR_LOGQL_COLUMN_SCOPE_VERSION);
    }
    if (weir_view_is(name, "event_name")) need(needs, WEIR_LOGQL_COLUMN_EVENT_NAME);
    if (weir_logql_is_level_name(name) || weir_view_starts(name, WEIR_VIEW("severity_"))) {
        need(needs, WEIR_LOGQL_COLUMN_SEVERITY_NUMBER);
        need(needs, WEIR_LOGQL_COLUMN_SEVERITY_TEXT);
    }
}

static void need_filter(bool *needs, const struct weir_logql_filter *filter) {
    if (filter->kind == WEIR_LOGQL_FILTER_AND || filter->kind == WEIR_LOGQL_FILTER_OR) {
        need_filter(needs, filter->left);
        need_filter(needs, filter->right);
        return;
    }
    need_label(needs, filter->name);
}

static void need_template(bool *needs, const struct weir_logql_template *template) {
    for (uint32_t i = 0; template && i < template->parts_count; i++) {
        if (template->parts[i].kind == WEIR_LOGQL_TEMPLATE_LABEL)
            need_label(needs, template->parts[i].text);
        if (template->parts[i].kind == WEIR_LOGQL_TEMPLATE_LINE)
            need(needs, WEIR_LOGQL_COLUMN_BODY);
    }
}

static void need_stage(bool *needs, const struct weir_logql_stage *stage) {
    switch (stage->kind) {
    case WEIR_LOGQL_STAGE_LINE_FILTER:
    case WEIR_LOGQL_STAGE_JSON:
    case WEIR_LOGQL_STAGE_LOGFMT:
    case WEIR_LOGQL_STAGE_REGEXP:
    case WEIR_LOGQL_STAGE_PATTERN:
    case WEIR_LOGQL_STAGE_UNPACK:
    case WEIR_LOGQL_STAGE_DECOLORIZE: need(needs, WEIR_LOGQL_COLUMN_BODY); break;
    case WEIR_LOGQL_STAGE_LABEL_FILTER: need_filter(needs, stage->filter); break;
    case WEIR_LOGQL_STAGE_LINE_FORMAT: need_template(needs, stage->templates[0]); break;
    case WEIR_LOGQL_STAGE_LABEL_FORMAT:
        for (uint32_t i = 0; i < stage->pairs_count; i++) {
            need_label(needs, stage->pairs[i].name);
            if (stage->pairs[i].is_name)
                need_label(needs, stage->pairs[i].value);
            else
                need_template(needs, stage->templates[i]);
        }
        break;
    case WEIR_LOGQL_STAGE_DROP:
    case WEIR_LOGQL_STAGE_KEEP:
    case WEIR_LOGQL_STAGE_DISTINCT:
        for (uint32_t i = 0; i < stage->matchers_count; i++)
            need_label(needs, stage->matchers[i].name);
        break;
    }
}

static void need_log(bool *needs, const struct weir_logql_log *log) {
    for (uint32_t i = 0; i < log->matchers_count; i++) need_label(needs, log->matchers[i].name);
    for (const struct weir_logql_stage *s = log->stages; s; s = s->next) need_stage(needs, s);
    if (!log->unwrap) return;
    need_label(needs, log->unwrap->name);
    for (const struct weir_logql_stage *s = log->unwrap->filters; s; s = s->next)
        need_stage(needs, s);
}

static const enum weir_column_id column_ids[WEIR_LOGQL_COLUMNS_COUNT] = {
    [WEIR_LOGQL_COLUMN_TIME] = WEIR_COLUMN_TIME_NS,
    [WEIR_LOGQL_COLUMN_RESOURCE] = WEIR_COLUMN_RESOURCE,
    [WEIR_LOGQL_COLUMN_BODY] = WEIR_COLUMN_BODY,
    [WEIR_LOGQL_COLUMN_ATTRS] = WEIR_COLUMN_ATTRS,
    [WEIR_LOGQL_COLUMN_TRACE_ID] = WEIR_COLUMN_TRACE_ID,
    [WEIR_LOGQL_COLUMN_SPAN_ID] = WEIR_COLUMN_SPAN_ID,
    [WEIR_LOGQL_COLUMN_SEVERITY_NUMBER] = WEIR_COLUMN_SEVERITY_NUMBER,
    [WEIR_LOGQL_COLUMN_SEVERITY_TEXT] = WEIR_COLUMN_SEVERITY_TEXT,
    [WEIR_LOGQL_COLUMN_SCOPE_NAME] = WEIR_COLUMN_SCOPE_NAME,
    [WEIR_LOGQL_COLUMN_SCOPE_VERSION] = WEIR_COLUMN_SCOPE_VERSION,
    [WEIR_LOGQL_COLUMN_EVENT_NAME] = WEIR_COLUMN_NAME,
};

/* ---- hints ----------------------------------------------------------------------------------- */

static struct weir_predicate *hint(struct weir_logql_scan *scan, enum weir_column_id id,
                                   struct weir_view key, enum weir_op op, struct weir_value value) {
    if (scan->predicates_count == WEIR_LOGQL_PREDICATES_MAX) return NULL;
    struct weir_predicate *p = &scan->predicates[scan->predicates_count++];
    *p = (struct weir_predicate){.column = {id, key}, .op = op, .value = value};
    return p;
}

/* {service_name="x"}: exact on the index attribute; "unknown_service" may be its absence. */
static void hint_matcher(struct weir_logql_scan *scan, const struct weir_logql_matcher *m) {
    struct weir_view key;
    if (m->op != WEIR_LOGQL_OP_EQ || !m->value.len || !weir_logql_is_stream_label(m->name, &key))
        return;
    if (weir_view_is(m->value, "unknown_service")) return;
    hint(scan, WEIR_COLUMN_RESOURCE_ATTR, key, WEIR_OP_EQ, weir_value_str(m->value));
}

static void hint_id(struct weir_logql_scan *scan, const struct weir_logql_filter *f) {
    bool trace = weir_view_is(f->name, "trace_id");
    size_t size = trace ? 16 : 8;
    uint8_t *bytes = scan->ids + (trace ? 0 : 16);
    if (f->kind != WEIR_LOGQL_FILTER_STRING || f->op != WEIR_LOGQL_OP_EQ) return;
    if (!trace && !weir_view_is(f->name, "span_id")) return;
    if (!weir_view_to_bytes_hex(f->text, bytes, size)) return;
    struct weir_value value = {.type = WEIR_VALUE_BYTES, .str = weir_view(bytes, size)};
    hint(scan, trace ? WEIR_COLUMN_TRACE_ID : WEIR_COLUMN_SPAN_ID, weir_view("", 0), WEIR_OP_EQ,
         value);
}

static bool is_parser(const struct weir_logql_stage *s) {
    return s->kind == WEIR_LOGQL_STAGE_JSON || s->kind == WEIR_LOGQL_STAGE_LOGFMT ||
           s->kind == WEIR_LOGQL_STAGE_REGEXP || s->kind == WEIR_LOGQL_STAGE_PATTERN ||
           s->kind == WEIR_LOGQL_STAGE_UNPACK || s->kind == WEIR_LOGQL_STAGE_LABEL_FORMAT;
}

/* Only what stands before the line or the labels can change. */
static void hint_stages(struct weir_logql_scan *scan, const struct weir_logql_stage *s) {
    bool id_hinted = false;
    for (bool line_is_body = true, labels_are_own = true; s; s = s->next) {
        if (s->kind == WEIR_LOGQL_STAGE_LINE_FILTER && s->op == WEIR_LOGQL_OP_EQ &&
            s->needles_count == 1 && line_is_body && s->needles[0].text.len)
            hint(scan, WEIR_COLUMN_BODY, weir_view("", 0), WEIR_OP_CONTAINS,
                 weir_value_str(s->needles[0].text));
        if (s->kind == WEIR_LOGQL_STAGE_LABEL_FILTER && labels_are_own && !id_hinted) {
            uint32_t before = scan->predicates_count;
            hint_id(scan, s->filter);
            id_hinted = scan->predicates_count > before;
        }
        line_is_body &= s->kind != WEIR_LOGQL_STAGE_LINE_FORMAT &&
                        s->kind != WEIR_LOGQL_STAGE_UNPACK &&
                        s->kind != WEIR_LOGQL_STAGE_DECOLORIZE;
        labels_are_own &= !is_parser(s);
    }
}

void weir_logql_scan_init(struct weir_logql_scan *scan, const struct weir_logql_log *log,
                          const struct weir_logql_grouping *by, bool needs_bytes) {
    bool needs[WEIR_LOGQL_COLUMNS_COUNT] = {
        [WEIR_LOGQL_COLUMN_TIME] = true, [WEIR_LOGQL_COLUMN_RESOURCE] = true};
    *scan = (struct weir_logql_scan){.log = log};
    if (needs_bytes) need(needs, WEIR_LOGQL_COLUMN_BODY);
    need_log(needs, log);
    if (!by || by->without)
        need_all_labels(needs);
    else
        for (uint32_t i = 0; i < by->names_count; i++) need_label(needs, by->names[i]);
    for (int i = 0; i < WEIR_LOGQL_COLUMNS_COUNT; i++) {
        scan->index[i] = needs[i] ? (int)scan->columns_count : -1;
        if (needs[i])
            scan->columns[scan->columns_count++] = (struct weir_column){.id = column_ids[i]};
    }
    for (uint32_t i = 0; i < log->matchers_count; i++) hint_matcher(scan, &log->matchers[i]);
    hint_stages(scan, log->stages);
}
