/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/parser.h"

/* Names and their operators where labels are compared. */
static enum weir_logql_op label_op(int token) {
    switch (token) {
    case '=': return WEIR_LOGQL_OP_EQ;
    case WEIR_LOGQL_TOKEN_NE: return WEIR_LOGQL_OP_NE;
    case WEIR_LOGQL_TOKEN_RE: return WEIR_LOGQL_OP_RE;
    case WEIR_LOGQL_TOKEN_NRE: return WEIR_LOGQL_OP_NRE;
    default: return WEIR_LOGQL_OP_NONE;
    }
}

static enum weir_logql_op number_op(int token) {
    switch (token) {
    case '=':
    case WEIR_LOGQL_TOKEN_EQ_EQ: return WEIR_LOGQL_OP_EQ;
    case WEIR_LOGQL_TOKEN_NE: return WEIR_LOGQL_OP_NE;
    case '>': return WEIR_LOGQL_OP_GT;
    case '<': return WEIR_LOGQL_OP_LT;
    case WEIR_LOGQL_TOKEN_GE: return WEIR_LOGQL_OP_GE;
    case WEIR_LOGQL_TOKEN_LE: return WEIR_LOGQL_OP_LE;
    default: return WEIR_LOGQL_OP_NONE;
    }
}

static int take_string(struct weir_logql_parser *p, struct weir_view *ret) {
    if (p->token.kind != WEIR_LOGQL_TOKEN_STRING) return weir_logql_unexpected(p, "a string");
    *ret = p->token.str;
    return weir_logql_advance(p);
}

static int take_name(struct weir_logql_parser *p, struct weir_view *ret) {
    if (p->token.kind != WEIR_LOGQL_TOKEN_NAME) return weir_logql_unexpected(p, "a label name");
    *ret = p->token.text;
    return weir_logql_advance(p);
}

/* ---- selector -------------------------------------------------------------------------------- */

static int matcher(struct weir_logql_parser *p, struct weir_logql_matcher *ret) {
    ret->at = p->token.at;
    int rc = take_name(p, &ret->name);
    if (rc != 0) return rc;
    ret->op = label_op(p->token.kind);
    if (ret->op == WEIR_LOGQL_OP_NONE) return weir_logql_unexpected(p, "one of = != =~ !~");
    if ((rc = weir_logql_advance(p)) != 0) return rc;
    return take_string(p, &ret->value);
}

int weir_logql_parse_matchers(struct weir_logql_parser *p, struct weir_logql_log *log) {
    uint32_t room = 0;
    int rc = weir_logql_expect(p, '{', "a stream selector {…}");
    while (rc == 0 && p->token.kind != '}') {
        struct weir_logql_matcher *item =
            WEIR_PUSH(p->arena, log->matchers, log->matchers_count, room);
        if (!item) return weir_logql_nomem(p);
        rc = matcher(p, item);
        if (rc != 0 || p->token.kind == '}') break;
        rc = weir_logql_expect(p, ',', ", or }");
    }
    return rc == 0 ? weir_logql_expect(p, '}', "}") : rc;
}

/* ---- line filters ---------------------------------------------------------------------------- */

static enum weir_logql_op line_op(int token) {
    switch (token) {
    case WEIR_LOGQL_TOKEN_PIPE_EQ: return WEIR_LOGQL_OP_EQ;
    case WEIR_LOGQL_TOKEN_NE: return WEIR_LOGQL_OP_NE;
    case WEIR_LOGQL_TOKEN_PIPE_RE: return WEIR_LOGQL_OP_RE;
    case WEIR_LOGQL_TOKEN_NRE: return WEIR_LOGQL_OP_NRE;
    case WEIR_LOGQL_TOKEN_PIPE_PAT: return WEIR_LOGQL_OP_PAT;
    case WEIR_LOGQL_TOKEN_NPAT: return WEIR_LOGQL_OP_NPAT;
    default: return WEIR_LOGQL_OP_NONE;
    }
}

static int ip_call(struct weir_logql_parser *p, struct weir_view *ret) {
    int rc = weir_logql_advance(p); /* ip */
    if (rc == 0) rc = weir_logql_expect(p, '(', "(");
    if (rc == 0) rc = take_string(p, ret);
    return rc == 0 ? weir_logql_expect(p, ')', ")") : rc;
}

static int needle(struct weir_logql_parser *p, struct weir_logql_needle *ret) {
    ret->is_ip = weir_logql_at_name(p, "ip");
    return ret->is_ip ? ip_call(p, &ret->text) : take_string(p, &ret->text);
}

static int line_filter(struct weir_logql_parser *p, struct weir_logql_stage *stage) {
    uint32_t room = 0;
    stage->kind = WEIR_LOGQL_STAGE_LINE_FILTER;
    stage->op = line_op(p->token.kind);
    int rc;
    do {
        if ((rc = weir_logql_advance(p)) != 0) return rc;
        struct weir_logql_needle *item =
            WEIR_PUSH(p->arena, stage->needles, stage->needles_count, room);
        if (!item) return weir_logql_nomem(p);
        rc = needle(p, item);
    } while (rc == 0 && weir_logql_at_name(p, "or"));
    return rc;
}

/* ---- label filters --------------------------------------------------------------------------- */

static int filter_or(struct weir_logql_parser *p, struct weir_logql_filter **ret);

static int filter_number(struct weir_logql_parser *p, struct weir_logql_filter *filter) {
    bool negative = p->token.kind == '-';
    struct weir_view text = p->token.text;
    int rc = 0;
    if (negative || p->token.kind == '+') {
        if ((rc = weir_logql_advance(p)) != 0) return rc;
        text.len = (size_t)(p->token.text.ptr + p->token.text.len - text.ptr);
    }
    if (p->token.kind == WEIR_LOGQL_TOKEN_NUMBER)
        filter->kind = WEIR_LOGQL_FILTER_NUMBER;
    else if (p->token.kind == WEIR_LOGQL_TOKEN_DURATION)
        filter->kind = WEIR_LOGQL_FILTER_DURATION;
    else if (p->token.kind == WEIR_LOGQL_TOKEN_BYTES)
        filter->kind = WEIR_LOGQL_FILTER_BYTES;
    else
        return weir_logql_unexpected(p, "a string, number, duration or size");
    filter->number = negative ? -p->token.number : p->token.number;
    filter->text = text;
    return weir_logql_advance(p);
}

static int filter_leaf(struct weir_logql_parser *p, struct weir_logql_filter **ret) {
    struct weir_logql_filter *filter = WEIR_NEW(p->arena, struct weir_logql_filter);
    if (!filter) return weir_logql_nomem(p);
    filter->at = p->token.at;
    int rc = take_name(p, &filter->name);
    if (rc != 0) return rc;
    enum weir_logql_op as_label = label_op(p->token.kind), as_number = number_op(p->token.kind);
    if (as_label == WEIR_LOGQL_OP_NONE && as_number == WEIR_LOGQL_OP_NONE)
        return weir_logql_unexpected(p,
                                     "a comparison (= != =~ !~ == > >= < <=) after the label name");
    if ((rc = weir_logql_advance(p)) != 0) return rc;
    *ret = filter;
    if (weir_logql_at_name(p, "ip") &&
        (as_label == WEIR_LOGQL_OP_EQ || as_label == WEIR_LOGQL_OP_NE)) {
        filter->kind = WEIR_LOGQL_FILTER_IP;
        filter->op = as_label;
        return ip_call(p, &filter->text);
    }
    if (p->token.kind == WEIR_LOGQL_TOKEN_STRING && as_label != WEIR_LOGQL_OP_NONE) {
        filter->kind = WEIR_LOGQL_FILTER_STRING;
        filter->op = as_label;
        return take_string(p, &filter->text);
    }
    filter->op = as_number;
    if (as_number == WEIR_LOGQL_OP_NONE) return weir_logql_unexpected(p, "a string");
    return filter_number(p, filter);
}

static int filter_atom(struct weir_logql_parser *p, struct weir_logql_filter **ret) {
    if (p->token.kind != '(') return filter_leaf(p, ret);
    if (++p->depth > WEIR_LOGQL_DEPTH_MAX)
        return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                   "query is nested too deeply");
    int rc = weir_logql_advance(p);
    if (rc == 0) rc = filter_or(p, ret);
    p->depth--;
    return rc == 0 ? weir_logql_expect(p, ')', ")") : rc;
}

static int filter_join(struct weir_logql_parser *p, enum weir_logql_filter_kind kind,
                       struct weir_logql_filter *left, struct weir_logql_filter *right,
                       struct weir_logql_filter **ret) {
    struct weir_logql_filter *both = WEIR_NEW(p->arena, struct weir_logql_filter);
    if (!both) return weir_logql_nomem(p);
    both->kind = kind;
    both->left = left;
    both->right = right;
    both->at = left->at;
    *ret = both;
    return 0;
}

/* `and`, a comma, or nothing between two comparisons joins them. */
static bool at_and(struct weir_logql_parser *p, bool *ret_word) {
    *ret_word = p->token.kind == ',' || weir_logql_at_name(p, "and");
    if (*ret_word || p->token.kind == '(') return true;
    return p->token.kind == WEIR_LOGQL_TOKEN_NAME && !weir_logql_at_name(p, "or") &&
           !weir_logql_at_name(p, "unless") && !weir_logql_at_name(p, "offset");
}

static int filter_and(struct weir_logql_parser *p, struct weir_logql_filter **ret) {
    bool word;
    int rc = filter_atom(p, ret);
    for (int i = 0; rc == 0 && at_and(p, &word); i++) {
        struct weir_logql_filter *right = NULL;
        if (i > 500)
            return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                       "too many label filters");
        if (word) rc = weir_logql_advance(p);
        if (rc == 0) rc = filter_atom(p, &right);
        if (rc == 0) rc = filter_join(p, WEIR_LOGQL_FILTER_AND, *ret, right, ret);
    }
    return rc;
}

static int filter_or(struct weir_logql_parser *p, struct weir_logql_filter **ret) {
    int rc = filter_and(p, ret);
    for (int i = 0; rc == 0 && weir_logql_at_name(p, "or"); i++) {
        struct weir_logql_filter *right = NULL;
        if (i > 500)
            return weir_logql_error_at(p->lex.input, p->token.at, p->reterr,
                                       "too many label filters");
        rc = weir_logql_advance(p);
        if (rc == 0) rc = filter_and(p, &right);
        if (rc == 0) rc = filter_join(p, WEIR_LOGQL_FILTER_OR, *ret, right, ret);
    }
    return rc;
}

/* ---- the other stages ------------------------------------------------------------------------ */

/* name="expr" or a bare name, which stands for itself: of json, logfmt; `format`: of label_format.
 */
static int pairs(struct weir_logql_parser *p, struct weir_logql_stage *stage, bool format) {
    uint32_t room = 0;
    for (;;) {
        struct weir_logql_pair *pair = WEIR_PUSH(p->arena, stage->pairs, stage->pairs_count, room);
        if (!pair) return weir_logql_nomem(p);
        pair->at = p->token.at;
        int rc = take_name(p, &pair->name);
        if (rc != 0) return rc;
        pair->value = pair->name;
        if (p->token.kind == '=') {
            if ((rc = weir_logql_advance(p)) != 0) return rc;
            pair->is_name = format && p->token.kind == WEIR_LOGQL_TOKEN_NAME;
            rc = pair->is_name ? take_name(p, &pair->value) : take_string(p, &pair->value);
        } else if (format) {
            rc = weir_logql_unexpected(p, "= after the label name");
        }
        if (rc != 0 || p->token.kind != ',') return rc;
        if ((rc = weir_logql_advance(p)) != 0) return rc;
    }
}

static int extractions(struct weir_logql_parser *p, struct weir_logql_stage *stage) {
    while (p->token.kind == WEIR_LOGQL_TOKEN_FLAG) {
        bool strict = weir_view_is(p->token.text, "--strict");
        bool keep = weir_view_is(p->token.text, "--keep-empty");
        if (stage->kind != WEIR_LOGQL_STAGE_LOGFMT || (!strict && !keep))
            return weir_logql_unexpected(p, "--strict or --keep-empty, of logfmt only");
        stage->strict |= strict;
        stage->keep_empty |= keep;
        int rc = weir_logql_advance(p);
        if (rc != 0) return rc;
    }
    return p->token.kind == WEIR_LOGQL_TOKEN_NAME && !weir_logql_at_name(p, "offset")
               ? pairs(p, stage, false)
               : 0;
}

/* drop a, b="c"; keep …; distinct … */
static int names(struct weir_logql_parser *p, struct weir_logql_stage *stage) {
    uint32_t room = 0;
    for (;;) {
        struct weir_logql_matcher *item =
            WEIR_PUSH(p->arena, stage->matchers, stage->matchers_count, room);
        if (!item) return weir_logql_nomem(p);
        item->at = p->token.at;
        int rc = take_name(p, &item->name);
        if (rc != 0) return rc;
        item->op = label_op(p->token.kind);
        if (item->op != WEIR_LOGQL_OP_NONE) {
            rc = weir_logql_advance(p);
            if (rc == 0) rc = take_string(p, &item->value);
        }
        if (rc != 0 || p->token.kind != ',') return rc;
        if ((rc = weir_logql_advance(p)) != 0) return rc;
    }
}

static const struct {
    const char *name;
    enum weir_logql_stage_kind kind;
} stage_names[] = {
    {"json", WEIR_LOGQL_STAGE_JSON},
    {"logfmt", WEIR_LOGQL_STAGE_LOGFMT},
    {"regexp", WEIR_LOGQL_STAGE_REGEXP},
    {"pattern", WEIR_LOGQL_STAGE_PATTERN},
    {"unpack", WEIR_LOGQL_STAGE_UNPACK},
    {"line_format", WEIR_LOGQL_STAGE_LINE_FORMAT},
    {"label_format", WEIR_LOGQL_STAGE_LABEL_FORMAT},
    {"drop", WEIR_LOGQL_STAGE_DROP},
    {"keep", WEIR_LOGQL_STAGE_KEEP},
    {"decolorize", WEIR_LOGQL_STAGE_DECOLORIZE},
    {"distinct", WEIR_LOGQL_STAGE_DISTINCT},
};

static int named_stage(struct weir_logql_parser *p, struct weir_logql_stage *stage) {
    int rc = weir_logql_advance(p);
    if (rc != 0) return rc;
    switch (stage->kind) {
    case WEIR_LOGQL_STAGE_JSON:
    case WEIR_LOGQL_STAGE_LOGFMT: return extractions(p, stage);
    case WEIR_LOGQL_STAGE_REGEXP:
    case WEIR_LOGQL_STAGE_PATTERN:
    case WEIR_LOGQL_STAGE_LINE_FORMAT: return take_string(p, &stage->text);
    case WEIR_LOGQL_STAGE_LABEL_FORMAT: return pairs(p, stage, true);
    case WEIR_LOGQL_STAGE_DROP:
    case WEIR_LOGQL_STAGE_KEEP:
    case WEIR_LOGQL_STAGE_DISTINCT: return names(p, stage);
    case WEIR_LOGQL_STAGE_UNPACK:
    case WEIR_LOGQL_STAGE_DECOLORIZE:
    case WEIR_LOGQL_STAGE_LINE_FILTER:
    case WEIR_LOGQL_STAGE_LABEL_FILTER: break;
    }
    return 0;
}

/* Behind the pipe. A stage's word followed by a comparison is a label of that name. */
static int stage_body(struct weir_logql_parser *p, struct weir_logql_stage *stage) {
    struct weir_logql_parser ahead = *p;
    ahead.reterr = NULL;
    bool is_label =
        p->token.kind != WEIR_LOGQL_TOKEN_NAME ||
        (weir_logql_advance(&ahead) == 0 &&
         (label_op(ahead.token.kind) || number_op(ahead.token.kind)) &&
         ahead.token.kind != WEIR_LOGQL_TOKEN_NE && ahead.token.kind != WEIR_LOGQL_TOKEN_NRE);
    for (size_t i = 0; !is_label && i < sizeof stage_names / sizeof *stage_names; i++)
        if (weir_logql_at_name(p, stage_names[i].name)) {
            stage->kind = stage_names[i].kind;
            return named_stage(p, stage);
        }
    stage->kind = WEIR_LOGQL_STAGE_LABEL_FILTER;
    return filter_or(p, &stage->filter);
}

static int unwrap(struct weir_logql_parser *p, struct weir_logql_log *log) {
    struct weir_logql_unwrap *node = WEIR_NEW(p->arena, struct weir_logql_unwrap);
    if (!node) return weir_logql_nomem(p);
    log->unwrap = node;
    int rc = weir_logql_advance(p); /* unwrap */
    if (rc != 0) return rc;
    node->at = p->token.at;
    if ((rc = take_name(p, &node->name)) != 0 || p->token.kind != '(') return rc;
    node->conversion_name = node->name;
    if (weir_view_is(node->name, "bytes"))
        node->conversion = WEIR_LOGQL_CONVERT_BYTES;
    else if (weir_view_is(node->name, "duration") || weir_view_is(node->name, "duration_seconds"))
        node->conversion = WEIR_LOGQL_CONVERT_DURATION;
    else
        return weir_logql_error_at(
            p->lex.input, node->at, p->reterr,
            "unknown conversion \"%.*s\"; there are bytes, duration, duration_seconds",
            WEIR_VIEW_ARG(node->name));
    if ((rc = weir_logql_advance(p)) == 0) rc = take_name(p, &node->name);
    return rc == 0 ? weir_logql_expect(p, ')', ")") : rc;
}

bool weir_logql_at_stage(const struct weir_logql_parser *p) {
    return p->token.kind == '|' || line_op(p->token.kind) != WEIR_LOGQL_OP_NONE;
}

static int one_stage(struct weir_logql_parser *p, struct weir_logql_log *log,
                     struct weir_logql_stage ***tail, bool may_unwrap) {
    struct weir_logql_stage *stage = WEIR_NEW(p->arena, struct weir_logql_stage);
    if (!stage) return weir_logql_nomem(p);
    stage->at = p->token.at;
    int rc = 0;
    if (p->token.kind != '|') {
        rc = line_filter(p, stage);
    } else {
        if ((rc = weir_logql_advance(p)) != 0) return rc;
        stage->at = p->token.at;
        if (weir_logql_at_name(p, "unwrap") && may_unwrap && !log->unwrap) {
            rc = unwrap(p, log);
            if (rc == 0) *tail = &log->unwrap->filters;
            return rc;
        }
        rc = stage_body(p, stage);
    }
    if (rc == 0 && log->unwrap && stage->kind != WEIR_LOGQL_STAGE_LABEL_FILTER)
        return weir_logql_error_at(p->lex.input, stage->at, p->reterr,
                                   "only label filters may follow unwrap");
    **tail = stage;
    *tail = &stage->next;
    return rc;
}

int weir_logql_parse_stages(struct weir_logql_parser *p, struct weir_logql_log *log,
                            bool may_unwrap) {
    struct weir_logql_stage **tail = log->unwrap ? &log->unwrap->filters : &log->stages;
    while (*tail) tail = &(*tail)->next;
    while (weir_logql_at_stage(p)) {
        int rc = one_stage(p, log, &tail, may_unwrap);
        if (rc != 0) return rc;
    }
    return 0;
}
