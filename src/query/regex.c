/* SPDX-License-Identifier: Apache-2.0 */
#include "query/regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "query/regex_check.h"

enum {
    MATCH_LIMIT = 1000000, /* backtracking steps per match; JIT counts coarser, so it allows more */
    HEAP_LIMIT_KIB = 16 * 1024,
    JIT_STACK_MIN = 32 * 1024,
    JIT_STACK_MAX = 1024 * 1024,
};

/* What a match changes: apart, so that matchers may hold the regex as a const pointer. */
struct scratch {
    pcre2_match_data *data;
    bool gave_up;
};

struct weir_regex {
    pcre2_code *code; /* NULL when `literal` says all */
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL without JIT */
    struct scratch *scratch;
    struct weir_view *names; /* group index → name; [0] unused */
    unsigned groups_count;
    char *literal; /* every match holds these bytes; NULL = unknown */
    size_t literal_len;
    bool is_literal; /* the pattern is nothing but `literal` */
    bool is_anchored;
};

static int compile_failed(struct weir_error *reterr, int number, size_t at) {
    unsigned char words[160];
    if (pcre2_get_error_message(number, words, sizeof words) < 0) words[0] = 0;
    return weir_error_at(reterr, WEIR_EINVALID, 0, (uint32_t)at + 1,
                         "regular expression: %s at position %zu", (const char *)words, at + 1);
}

/* What PCRE2 reads: the checked pattern, whose few words of another meaning were replaced. */
static int compile(struct weir_regex *regex, struct weir_view pattern, unsigned flags,
                   struct weir_error *reterr) {
    uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    if (flags & WEIR_REGEX_ANCHORED) options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "regular expression: out of memory");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    int number = 0;
    size_t at = 0;
    regex->code =
        pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &number, &at, context);
    pcre2_compile_context_free(context);
    return regex->code ? 0 : compile_failed(reterr, number, at);
}

static bool prepare_scratch(struct weir_regex *regex) {
    regex->scratch = calloc(1, sizeof *regex->scratch);
    regex->context = pcre2_match_context_create(NULL);
    if (!regex->scratch || !regex->context) return false;
    regex->scratch->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
    if (!regex->scratch->data) return false;
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
    if (pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) != 0) return true; /* interprets */
    regex->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (regex->stack) pcre2_jit_stack_assign(regex->context, NULL, regex->stack);
    return true;
}

static bool read_names(struct weir_regex *regex) {
    uint32_t groups = 0, names = 0, entry_size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &table);
    regex->groups_count = groups;
    regex->names = calloc((size_t)groups + 1, sizeof *regex->names);
    if (!regex->names) return false;
    for (uint32_t i = 0; i < names; i++, table += entry_size) {
        unsigned index = (unsigned)table[0] << 8 | table[1];
        regex->names[index] = weir_view_str((const char *)table + 2);
    }
    return true;
}

static int build(struct weir_regex *regex, struct weir_view pattern, unsigned flags,
                 struct weir_error *reterr) {
    struct weir_buf rewritten, literal;
    weir_buf_init(&rewritten, (size_t)WEIR_REGEX_PATTERN_MAX * 4);
    weir_buf_init(&literal, WEIR_REGEX_PATTERN_MAX);
    int rc = weir_regex_rewrite(pattern, &rewritten, &literal, &regex->is_literal, reterr);
    struct weir_view checked = weir_view(rewritten.ptr ? rewritten.ptr : "", rewritten.len);
    if (rc == 0) rc = compile(regex, checked, flags, reterr);
    if (rc == 0 && (!prepare_scratch(regex) || !read_names(regex)))
        rc = weir_error_set(reterr, WEIR_ENOMEMORY, "regular expression: out of memory");
    if (rc == 0) regex->literal = weir_buf_take(&literal, &regex->literal_len);
    regex->is_anchored = flags & WEIR_REGEX_ANCHORED;
    weir_buf_done(&rewritten);
    weir_buf_done(&literal);
    return rc;
}

int weir_regex_new(struct weir_view pattern, unsigned flags, struct weir_regex **ret,
                   struct weir_error *reterr) {
    struct weir_regex *regex = calloc(1, sizeof *regex);
    if (!regex) return weir_error_set(reterr, WEIR_ENOMEMORY, "regular expression: out of memory");
    int rc = build(regex, pattern, flags, reterr);
    if (rc != 0) {
        weir_regex_free(regex);
        return rc;
    }
    *ret = regex;
    return 0;
}

void weir_regex_free(struct weir_regex *regex) {
    if (!regex) return;
    if (regex->scratch) pcre2_match_data_free(regex->scratch->data);
    free(regex->scratch);
    pcre2_match_context_free(regex->context);
    pcre2_jit_stack_free(regex->stack);
    pcre2_code_free(regex->code);
    free(regex->names);
    free(regex->literal);
    free(regex);
}

static int run(const struct weir_regex *regex, struct weir_view text) {
    const char *ptr = text.ptr ? text.ptr : "";
    int rc = pcre2_match(regex->code, (PCRE2_SPTR)ptr, text.len, 0, 0, regex->scratch->data,
                         regex->context);
    if (rc >= 0) return 1;
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    regex->scratch->gave_up = true;
    return WEIR_ELIMIT;
}

int weir_regex_match(const struct weir_regex *regex, struct weir_view text) {
    struct weir_view literal = weir_view(regex->literal, regex->literal_len);
    if (regex->is_literal && regex->is_anchored) return weir_view_eq(text, literal);
    if (literal.len && weir_view_find(text, literal) == SIZE_MAX) return 0;
    return regex->is_literal ? 1 : run(regex, text);
}

bool weir_regex_is_match(const void *regex, struct weir_view text) {
    return weir_regex_match(regex, text) == 1;
}

int weir_regex_check(const struct weir_regex *regex, struct weir_error *reterr) {
    if (!regex->scratch->gave_up) return 0;
    return weir_error_set(reterr, WEIR_ELIMIT,
                          "regex too complex: a match took over %d steps; make the expression more "
                          "specific (fewer nested repetitions)",
                          MATCH_LIMIT);
}

unsigned weir_regex_groups_count(const struct weir_regex *regex) {
    return regex->groups_count;
}

struct weir_view weir_regex_group_name(const struct weir_regex *regex, unsigned index) {
    return index && index <= regex->groups_count ? regex->names[index] : weir_view("", 0);
}

int weir_regex_captures(const struct weir_regex *regex, struct weir_view text,
                        struct weir_view *ret, unsigned count) {
    struct weir_view literal = weir_view(regex->literal, regex->literal_len);
    if (literal.len && weir_view_find(text, literal) == SIZE_MAX) return 0;
    int rc = run(regex, text);
    if (rc != 1) return rc;
    const size_t *offsets = pcre2_get_ovector_pointer(regex->scratch->data);
    unsigned pairs = pcre2_get_ovector_count(regex->scratch->data);
    for (unsigned i = 0; i < count; i++) {
        bool set = i < pairs && offsets[2 * i] != PCRE2_UNSET;
        ret[i] = set ? weir_view(text.ptr + offsets[2 * i], offsets[2 * i + 1] - offsets[2 * i])
                     : weir_view(NULL, 0);
    }
    return 1;
}

int weir_regex_validate(struct weir_view pattern, struct weir_error *reterr) {
    struct weir_buf rewritten, literal;
    bool is_literal;
    weir_buf_init(&rewritten, (size_t)WEIR_REGEX_PATTERN_MAX * 4);
    weir_buf_init(&literal, WEIR_REGEX_PATTERN_MAX);
    int rc = weir_regex_rewrite(pattern, &rewritten, &literal, &is_literal, reterr);
    weir_buf_done(&rewritten);
    weir_buf_done(&literal);
    return rc;
}
