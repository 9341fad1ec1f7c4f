/* SPDX-License-Identifier: Apache-2.0 */
/* A selector's matchers as the source takes them. */
#include <stdlib.h>

#include "promql/promql.h"
#include "query/regex.h"

/* True when the pattern has no operators: it matches itself. */
static bool is_literal(struct weir_view pattern) {
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == 0 || strchr("\\^$.|?*+()[]{}", pattern.ptr[i])) return false;
    return true;
}

static int add_matcher(const struct weir_promql_matcher *m, struct weir_promql_matchers *ret,
                       struct weir_error *reterr) {
    bool negate = m->match == WEIR_PROMQL_MATCH_NOT_RE || m->match == WEIR_PROMQL_MATCH_NE;
    struct weir_matcher out = {
        .name = m->name, .value = m->value, .op = negate ? WEIR_OP_NE : WEIR_OP_EQ};
    bool regex = m->match >= WEIR_PROMQL_MATCH_RE;
    if (regex && !negate && weir_view_is(m->value, ".*")) return 0;
    if (regex && weir_view_is(m->value, ".+")) {
        out.value = WEIR_VIEW("");
        out.op = negate ? WEIR_OP_EQ : WEIR_OP_NE;
    } else if (regex && !is_literal(m->value)) {
        struct weir_regex *compiled;
        int code = weir_regex_new(m->value, WEIR_REGEX_ANCHORED, &compiled, reterr);
        if (code) return code;
        out = (struct weir_matcher){.name = m->name,
                                    .op = WEIR_OP_MATCH,
                                    .negate = negate,
                                    .match = weir_regex_is_match,
                                    .match_ctx = compiled};
    }
    ret->items[ret->count++] = out;
    return 0;
}

int weir_promql_matchers_new(const struct weir_promql_expr *selector,
                             struct weir_promql_matchers *ret, struct weir_error *reterr) {
    *ret = (struct weir_promql_matchers){0};
    ret->items = calloc(selector->matchers_count + 1, sizeof *ret->items);
    if (!ret->items) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for matchers");
    for (uint32_t i = 0; i < selector->matchers_count; i++) {
        int code = add_matcher(&selector->matchers[i], ret, reterr);
        if (code == 0) continue;
        weir_promql_matchers_free(ret);
        return code;
    }
    return 0;
}

void weir_promql_matchers_free(struct weir_promql_matchers *matchers) {
    for (uint32_t i = 0; i < matchers->count; i++) {
        union { /* the source's view of the regex is const; here it ends */
            const void *borrowed;
            struct weir_regex *regex;
        } ctx = {.borrowed = matchers->items[i].match_ctx};
        weir_regex_free(ctx.regex);
    }
    free(matchers->items);
    *matchers = (struct weir_promql_matchers){0};
}

int weir_promql_matchers_check(const struct weir_promql_matchers *matchers,
                               struct weir_error *reterr) {
    for (uint32_t i = 0; i < matchers->count; i++) {
        if (!matchers->items[i].match_ctx) continue;
        int code = weir_regex_check(matchers->items[i].match_ctx, reterr);
        if (code) return code;
    }
    return 0;
}
