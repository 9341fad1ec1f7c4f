/* SPDX-License-Identifier: Apache-2.0 */
#include "query/regex_check.h"

#include "query/regex.h"

enum { REPEAT_MAX = 1000 }; /* of {n,m}, as in RE2 */

/* The longest certain literal: `run` grows while plain atoms follow each other at depth 0. */
struct literal {
    struct weir_buf *best;
    struct weir_buf run;
    size_t atom_at;  /* where the last atom starts in run */
    bool atom_plain; /* the last atom was plain text */
    bool hopeless;   /* alternatives at depth 0 or case folding: nothing is certain */
    bool only_text;  /* nothing but plain atoms so far */
};

struct walk {
    struct weir_view in;
    size_t at;
    uint32_t depth;
    struct weir_buf *out;
    struct literal literal;
    struct weir_error *reterr;
};

static int refuse(struct walk *walk, size_t at, const char *what, const char *remedy) {
    return weir_error_at(walk->reterr, WEIR_EINVALID, 0, (uint32_t)at + 1,
                         "regular expression: %s at position %zu%s%s", what, at + 1,
                         *remedy ? ": " : "", remedy);
}

static char peek(const struct walk *walk, size_t ahead) {
    size_t at = walk->at + ahead;
    return at < walk->in.len ? walk->in.ptr[at] : 0;
}

static void pass(struct walk *walk, size_t count) {
    weir_buf_add(walk->out, walk->in.ptr + walk->at, count);
    walk->at += count;
}

/* ---- the certain literal --------------------------------------------------------------------- */

static void run_end(struct literal *lit) {
    if (lit->run.len > lit->best->len) {
        weir_buf_clear(lit->best);
        weir_buf_add_view(lit->best, weir_buf_view(&lit->run));
    }
    weir_buf_clear(&lit->run);
    lit->atom_plain = false;
}

static void plain_atom(struct walk *walk, struct weir_view bytes) {
    if (walk->depth) return;
    walk->literal.atom_at = walk->literal.run.len;
    walk->literal.atom_plain = true;
    weir_buf_add_view(&walk->literal.run, bytes);
}

static void other_atom(struct walk *walk) {
    walk->literal.only_text = false;
    if (walk->depth == 0) run_end(&walk->literal);
}

/* The last atom may be absent (`?`, `*`, `{0,…}`): it leaves the run. */
static void repeat_atom(struct walk *walk, bool may_be_absent) {
    struct literal *lit = &walk->literal;
    lit->only_text = false;
    if (walk->depth) return;
    if (may_be_absent && lit->atom_plain) lit->run.len = lit->atom_at;
    run_end(lit);
}

/* ---- the pieces of the grammar --------------------------------------------------------------- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int quoted_text(struct walk *walk) { /* \Q … \E */
    size_t from = walk->at + 2;
    size_t len = weir_view_find(weir_view_from(walk->in, from), WEIR_VIEW("\\E"));
    size_t end = len == SIZE_MAX ? walk->in.len : from + len;
    for (size_t i = from; i < end; i++) plain_atom(walk, weir_view(walk->in.ptr + i, 1));
    pass(walk, (len == SIZE_MAX ? end : end + 2) - walk->at);
    if (len == SIZE_MAX) weir_buf_add_str(walk->out, "\\E");
    return 0;
}

static int escape(struct walk *walk, bool in_class) {
    char c = peek(walk, 1);
    if (walk->at + 1 >= walk->in.len) return refuse(walk, walk->at, "trailing backslash", "");
    if (is_digit(c) && c != '0')
        return refuse(walk, walk->at, "back-references are not supported", "");
    if ((unsigned char)c >= 0x80) return refuse(walk, walk->at, "invalid escape", "");
    if (c == 'v') { /* PCRE2 means any vertical space */
        weir_buf_add_str(walk->out, "\\x0b");
        walk->at += 2;
        other_atom(walk);
        return 0;
    }
    if (c == 'Q' && !in_class) return quoted_text(walk);
    const char *known = in_class ? "adDfnrsStwWpPx" : "AbBzadDfnrsStwWpPx";
    if (is_letter(c) && !strchr(known, c))
        return refuse(walk, walk->at, "this escape is not supported",
                      "only those of RE2 are (no \\K, \\G, \\R, \\k, \\g, \\h, \\Z, \\C)");
    if (is_letter(c) || is_digit(c))
        other_atom(walk);
    else if (!in_class)
        plain_atom(walk, weir_view(walk->in.ptr + walk->at + 1, 1));
    pass(walk, 2);
    if (c != 'p' && c != 'P' && c != 'x') return 0;
    if (peek(walk, 0) == '{')
        while (walk->at < walk->in.len && peek(walk, 0) != '}') pass(walk, 1);
    if (walk->at < walk->in.len && (peek(walk, 0) == '}' || c != 'x')) pass(walk, 1);
    return 0;
}

static const char *const class_names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                          "digit", "graph", "lower", "print", "punct",
                                          "space", "upper", "word",  "xdigit"};

static int named_class(struct walk *walk) { /* at "[:" inside a class */
    struct weir_view rest = weir_view_from(walk->in, walk->at + 2);
    size_t len = weir_view_find(rest, WEIR_VIEW(":]"));
    if (len == SIZE_MAX) {
        pass(walk, 1); /* a plain bracket */
        return 0;
    }
    struct weir_view name = weir_view_upto(rest, len);
    if (name.len && name.ptr[0] == '^') name = weir_view_from(name, 1);
    for (size_t i = 0; i < sizeof class_names / sizeof *class_names; i++)
        if (weir_view_is(name, class_names[i])) {
            pass(walk, len + 4);
            return 0;
        }
    return refuse(walk, walk->at, "unknown character class name", "");
}

static int class_of_chars(struct walk *walk) {
    size_t from = walk->at;
    other_atom(walk);
    pass(walk, 1);
    if (peek(walk, 0) == '^') pass(walk, 1);
    if (peek(walk, 0) == ']') pass(walk, 1);
    while (walk->at < walk->in.len && peek(walk, 0) != ']') {
        char c = peek(walk, 0);
        int rc = 0;
        if (c == '\\')
            rc = escape(walk, true);
        else if (c == '[' && peek(walk, 1) == ':')
            rc = named_class(walk);
        else if (c == '[' && (peek(walk, 1) == '.' || peek(walk, 1) == '=')) {
            weir_buf_add_char(walk->out, '\\'); /* PCRE2 would read a collating element */
            pass(walk, 1);
        } else
            pass(walk, 1);
        if (rc != 0) return rc;
    }
    if (walk->at >= walk->in.len) return refuse(walk, from, "missing closing ]", "");
    pass(walk, 1);
    return 0;
}

static int group_flags(struct walk *walk) { /* behind "(?" */
    size_t from = walk->at;
    bool any = false;
    for (;; pass(walk, 1)) {
        char c = peek(walk, 0);
        if (c == 'i') walk->literal.hopeless = true;
        if (c && strchr("imsU-", c)) {
            any = true;
            continue;
        }
        if (c == ')' && any) { /* the flags hold until the group around ends: no new level */
            pass(walk, 1);
            walk->depth--;
            return 0;
        }
        if (c == ':') break;
        return refuse(
            walk, from, "this group is not supported",
            "look-around, atomic groups, recursion, conditionals and call-outs are not in "
            "the RE2 dialect");
    }
    pass(walk, 1);
    return 0;
}

static int group_open(struct walk *walk) {
    size_t from = walk->at;
    other_atom(walk);
    walk->depth++;
    if (peek(walk, 1) == '*') return refuse(walk, from, "verbs (*…) are not supported", "");
    if (peek(walk, 1) != '?') {
        pass(walk, 1);
        return 0;
    }
    bool named = peek(walk, 2) == 'P' && peek(walk, 3) == '<';
    named |= peek(walk, 2) == '<' && peek(walk, 3) != '=' && peek(walk, 3) != '!';
    if (named) {
        while (walk->at < walk->in.len && peek(walk, 0) != '>') pass(walk, 1);
        if (walk->at >= walk->in.len) return refuse(walk, from, "group name has no end", "");
        pass(walk, 1);
        return 0;
    }
    pass(walk, 2);
    return group_flags(walk);
}

static int group_close(struct walk *walk) {
    if (walk->depth == 0) return refuse(walk, walk->at, "unexpected )", "");
    walk->depth--;
    pass(walk, 1);
    other_atom(walk);
    return 0;
}

/* "{n}", "{n,}" or "{n,m}" at the cursor: its length and bounds; 0 = a plain brace. */
static size_t counted_repeat(const struct walk *walk, unsigned *ret_min, unsigned *ret_max) {
    size_t i = 1;
    unsigned bounds[2] = {0, 0};
    bool digits[2] = {false, false};
    unsigned which = 0;
    for (;; i++) {
        char c = peek(walk, i);
        if (is_digit(c)) {
            digits[which] = true;
            if (bounds[which] <= REPEAT_MAX)
                bounds[which] = bounds[which] * 10 + (unsigned)(c - '0');
        } else if (c == ',' && which == 0 && digits[0])
            which = 1;
        else
            break;
    }
    if (peek(walk, i) != '}' || !digits[0]) return 0;
    *ret_min = bounds[0];
    *ret_max = digits[1] ? bounds[1] : bounds[0];
    return i + 1;
}

static int repeat(struct walk *walk, size_t len, bool may_be_absent) {
    size_t from = walk->at;
    if (from == 0) return refuse(walk, from, "nothing to repeat", "");
    repeat_atom(walk, may_be_absent);
    pass(walk, len);
    if (peek(walk, 0) == '?') pass(walk, 1);
    unsigned min, max;
    char c = peek(walk, 0);
    if (c == '+') return refuse(walk, walk->at, "possessive repetition is not supported", "");
    if (c == '*' || c == '?' || (c == '{' && counted_repeat(walk, &min, &max)))
        return refuse(walk, walk->at, "a repetition of a repetition is not supported",
                      "put the inner one in a group");
    return 0;
}

static int brace(struct walk *walk) {
    unsigned min = 0, max = 0;
    size_t len = counted_repeat(walk, &min, &max);
    if (len == 0) { /* a plain brace in both dialects */
        plain_atom(walk, weir_view(walk->in.ptr + walk->at, 1));
        pass(walk, 1);
        return 0;
    }
    if (min > REPEAT_MAX || max > REPEAT_MAX)
        return refuse(walk, walk->at, "repetition count over 1000", "");
    return repeat(walk, len, min == 0);
}

static size_t char_len(const struct walk *walk) {
    size_t len = 1;
    while (walk->at + len < walk->in.len &&
           ((unsigned char)walk->in.ptr[walk->at + len] & 0xc0) == 0x80)
        len++;
    return len;
}

static int piece(struct walk *walk) {
    switch (peek(walk, 0)) {
    case '\\': return escape(walk, false);
    case '[': return class_of_chars(walk);
    case '(': return group_open(walk);
    case ')': return group_close(walk);
    case '*':
    case '?': return repeat(walk, 1, true);
    case '+': return repeat(walk, 1, false);
    case '{': return brace(walk);
    case '|':
        if (walk->depth == 0) walk->literal.hopeless = true;
        other_atom(walk);
        pass(walk, 1);
        return 0;
    case '.':
    case '^':
    case '$':
        other_atom(walk);
        pass(walk, 1);
        return 0;
    default: {
        size_t len = char_len(walk);
        plain_atom(walk, weir_view(walk->in.ptr + walk->at, len));
        pass(walk, len);
        return 0;
    }
    }
}

static int walk_all(struct walk *walk) {
    while (walk->at < walk->in.len) {
        int rc = piece(walk);
        if (rc != 0) return rc;
    }
    if (walk->depth) return refuse(walk, walk->in.len, "missing closing )", "");
    return 0;
}

int weir_regex_rewrite(struct weir_view pattern, struct weir_buf *out, struct weir_buf *literal,
                       bool *ret_is_literal, struct weir_error *reterr) {
    if (pattern.len > WEIR_REGEX_PATTERN_MAX)
        return weir_error_set(reterr, WEIR_EINVALID, "regular expression: longer than %d bytes",
                              WEIR_REGEX_PATTERN_MAX);
    struct walk walk = {.in = pattern, .out = out, .reterr = reterr};
    walk.literal.best = literal;
    walk.literal.only_text = true;
    weir_buf_init(&walk.literal.run, WEIR_REGEX_PATTERN_MAX);
    int rc = walk_all(&walk);
    run_end(&walk.literal);
    if (walk.literal.hopeless) weir_buf_clear(literal);
    bool failed = out->failed || literal->failed || walk.literal.run.failed;
    weir_buf_done(&walk.literal.run);
    if (rc == 0 && failed)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "regular expression: out of memory");
    *ret_is_literal = walk.literal.only_text;
    return rc;
}
