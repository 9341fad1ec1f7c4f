/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the files in tests/golden/promql, in the form of Prometheus' own query tests:
 *
 *     load 5m                                samples start at 0, one each 5 minutes
 *       metric{a="b"} 0+10x5 _ stale 3x2     0 10 … 50, a gap, a stale marker, 3 3 3
 *     eval instant at 10m sum(metric)
 *       {} 20
 *     eval range from 0 to 10m step 5m metric
 *       metric{a="b"} 0 10 20
 *     eval_fail instant at 0 foo + "x"
 *     eval_ordered instant at 10m sort(metric)
 *     clear
 *
 * Every instant query runs a second time as a range query of several steps around its own, whose
 * value there must be the same. */
#include <glob.h>
#include <math.h>
#include <stdio.h>

#include "base/fs.h"
#include "memory_source.h"
#include "promql/lex.h"
#include "unit.h"

static const double epsilon = 1e-9;

struct runner {
    const char *path;
    unsigned line;
    struct weir_view rest; /* of the file */
    struct memory_source source;
    unsigned evals_count;
};

static double stale(void) {
    uint64_t bits = UINT64_C(0x7ff0000000000002);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static jmp_buf next_command; /* a failed case does not end the file */

__attribute__((noreturn, format(printf, 2, 3))) static void fail_line(const struct runner *r,
                                                                      const char *format, ...) {
    char words[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    print_error("%s:%u: %s\n", r->path, r->line, words);
    longjmp(next_command, 1);
}

/* The next line without its comment; false at the end. */
static bool next_line(struct runner *r, struct weir_view *ret) {
    if (!r->rest.ptr || r->rest.len == 0) return false;
    *ret = weir_view_cut(&r->rest, '\n');
    r->line++;
    if (weir_view_starts(weir_view_trim(*ret), WEIR_VIEW("#"))) ret->len = 0;
    return true;
}

/* Lines that start with a blank belong to the command before. */
static bool next_indented(struct runner *r, struct weir_view *ret) {
    struct runner saved = *r;
    while (next_line(r, ret)) {
        bool indented = ret->len && (ret->ptr[0] == ' ' || ret->ptr[0] == '\t');
        if (!indented && weir_view_trim(*ret).len) break;
        *ret = weir_view_trim(*ret);
        if (ret->len) return true;
        if (!indented) saved.line = r->line, saved.rest = r->rest;
    }
    r->line = saved.line;
    r->rest = saved.rest;
    return false;
}

static struct weir_view cut_word(struct weir_view *rest) {
    *rest = weir_view_trim(*rest);
    struct weir_view word = weir_view_cut(rest, ' ');
    if (!rest->ptr) *rest = WEIR_VIEW("");
    *rest = weir_view_trim(*rest);
    return word;
}

static int64_t duration(struct runner *r, struct weir_view text) {
    int64_t ms;
    double seconds;
    bool negative = weir_view_starts(text, WEIR_VIEW("-"));
    if (negative) text = weir_view_from(text, 1);
    if (weir_view_to_f64(text, &seconds))
        ms = (int64_t)(seconds * 1000);
    else if (!weir_promql_to_duration_ms(text, &ms))
        fail_line(r, "bad duration %.*s", WEIR_VIEW_ARG(text));
    return negative ? -ms : ms;
}

/* `metric{…}` before the values: up to the brace's end or the first blank. */
static struct weir_view cut_labels(struct weir_view *rest) {
    size_t end = 0;
    char quote = 0;
    for (int depth = 0; end < rest->len; end++) {
        char c = rest->ptr[end];
        if (quote) {
            if (c == '\\')
                end++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '{')
            depth++;
        else if (c == '}')
            depth--;
        else if ((c == ' ' || c == '\t') && depth == 0)
            break;
    }
    struct weir_view labels = weir_view_upto(*rest, end);
    *rest = weir_view_trim(weir_view_from(*rest, end));
    return labels;
}

typedef void on_value(void *arg, bool present, double value);

/* One word of a value list: 1, 1x3, 1+2x3, 1-2x3, _, _x3, stale. */
static void each_value(struct runner *r, struct weir_view word, on_value *on, void *arg) {
    if (weir_view_is(word, "stale")) {
        on(arg, true, stale());
        return;
    }
    uint64_t times = 0;
    size_t x = weir_view_find(word, WEIR_VIEW("x"));
    struct weir_view head = word;
    bool repeated = x != SIZE_MAX && weir_view_to_u64(weir_view_from(word, x + 1), &times);
    if (repeated) head = weir_view_upto(word, x);
    if (weir_view_is(head, "_")) {
        for (uint64_t i = 0; i < (repeated ? times : 1); i++) on(arg, false, 0);
        return;
    }
    double value, step = 0;
    size_t sign = 1;
    while (sign < head.len &&
           !((head.ptr[sign] == '+' || head.ptr[sign] == '-') && head.ptr[sign - 1] != 'e'))
        sign++;
    if (!weir_view_to_f64(weir_view_upto(head, sign), &value))
        fail_line(r, "bad value %.*s", WEIR_VIEW_ARG(word));
    if (sign < head.len && !weir_view_to_f64(weir_view_from(head, sign + 1), &step))
        fail_line(r, "bad step %.*s", WEIR_VIEW_ARG(word));
    if (sign < head.len && head.ptr[sign] == '-') step = -step;
    for (uint64_t i = 0; i <= times; i++) on(arg, true, value + step * (double)i);
}

struct loading {
    struct memory_source *source;
    struct memory_series *series;
    int64_t time_ms, step_ms;
};

static void load_value(void *arg, bool present, double value) {
    struct loading *l = arg;
    if (present) memory_sample(l->source, l->series, l->time_ms, value);
    l->time_ms += l->step_ms;
}

static void run_load(struct runner *r, struct weir_view args) {
    struct weir_view line;
    int64_t step_ms = duration(r, args);
    while (next_indented(r, &line)) {
        struct loading l = {.source = &r->source, .step_ms = step_ms};
        l.series = memory_add(&r->source, cut_labels(&line));
        if (!l.series) fail_line(r, "bad series");
        while (line.len) each_value(r, cut_word(&line), load_value, &l);
    }
    memory_sort(&r->source);
}

struct expected {
    struct memory_source lines; /* labels and values; times are steps */
    bool ordered, fail;
    struct weir_view fail_words, note;
};

static bool same(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b)) return isinf(a) && isinf(b) && (a > 0) == (b > 0);
    return fabs(a - b) <= epsilon * (fabs(a) > fabs(b) ? fabs(a) : fabs(b)) || fabs(a - b) < 1e-15;
}

static bool same_labels(const struct memory_series *e, const struct weir_promql_series *s) {
    if (e->labels_count != s->labels_count) return false;
    for (uint32_t i = 0; i < e->labels_count; i++)
        if (!weir_view_eq(e->labels[i].name, s->labels[i].name) ||
            !weir_view_eq(e->labels[i].value, s->labels[i].value))
            return false;
    return true;
}

static void dump(const struct weir_promql_result *result) {
    for (uint32_t i = 0; i < result->series_count; i++) {
        const struct weir_promql_series *s = &result->series[i];
        print_error("  got {");
        for (uint32_t j = 0; j < s->labels_count; j++)
            print_error("%s%.*s=\"%.*s\"", j ? ", " : "", WEIR_VIEW_ARG(s->labels[j].name),
                        WEIR_VIEW_ARG(s->labels[j].value));
        print_error("}");
        for (uint32_t j = 0; j < s->count; j++)
            print_error(" %.17g@%g", s->values[j], (double)s->times_ms[j] / 1000);
        print_error("\n");
    }
}

static void check_series(struct runner *r, const struct memory_series *e,
                         const struct weir_promql_result *got, const struct weir_promql_series *s,
                         int64_t start_ms, int64_t step_ms) {
    bool ok = e->samples_count == s->count;
    for (uint32_t i = 0; ok && i < s->count; i++)
        ok = s->times_ms[i] == start_ms + e->times_ms[i] * step_ms &&
             same(e->values[i], s->values[i]);
    if (ok) return;
    dump(got);
    fail_line(r, "other values");
}

static void check_result(struct runner *r, const struct expected *e,
                         const struct weir_promql_result *got, int64_t start_ms, int64_t step_ms) {
    if (got->series_count != e->lines.count) {
        dump(got);
        fail_line(r, "%u series, expected %u", got->series_count, e->lines.count);
    }
    for (uint32_t i = 0; i < e->lines.count; i++) {
        const struct weir_promql_series *s = e->ordered ? &got->series[i] : NULL;
        for (uint32_t j = 0; j < got->series_count && !e->ordered; j++)
            if (same_labels(&e->lines.series[i], &got->series[j])) s = &got->series[j];
        if (!s || !same_labels(&e->lines.series[i], s)) {
            dump(got);
            fail_line(r, "series %u of the expected ones is missing", i + 1);
        }
        check_series(r, &e->lines.series[i], got, s, start_ms, step_ms);
    }
}

static void collect_value(void *arg, bool present, double value) {
    struct loading *l = arg;
    if (present) memory_sample(l->source, l->series, l->time_ms, value);
    l->time_ms++;
}

static void read_expected(struct runner *r, struct expected *e) {
    struct weir_view line;
    while (next_indented(r, &line)) {
        struct weir_view rest = line;
        if (weir_view_is(cut_word(&rest), "expect")) {
            struct weir_view what = cut_word(&rest);
            if (weir_view_is(what, "fail"))
                e->fail = true, e->fail_words = rest;
            else if (weir_view_is(what, "ordered"))
                e->ordered = true;
            else if (weir_view_is(what, "note"))
                e->note = rest;
            else
                fail_line(r, "unknown expectation");
            continue;
        }
        struct loading l = {.source = &e->lines};
        double number;
        bool scalar = weir_view_to_f64(line, &number);
        l.series = memory_add(&e->lines, scalar ? WEIR_VIEW("{}") : cut_labels(&line));
        if (!l.series) fail_line(r, "bad labels");
        while (line.len) each_value(r, cut_word(&line), collect_value, &l);
    }
}

static int evaluate(struct runner *r, struct weir_query *query, struct weir_view text,
                    const struct weir_promql_options *options, struct weir_promql_result *ret,
                    struct weir_error *reterr) {
    struct weir_promql_expr *expr;
    int code = weir_promql_parse(&query->arena, text, &expr, reterr);
    if (code) return code;
    struct weir_promql_expr *again;
    struct weir_view printed = weir_promql_print(&query->arena, expr);
    if (weir_promql_parse(&query->arena, printed, &again, reterr))
        fail_line(r, "printed: %s", reterr->message);
    return weir_promql_eval(query, &r->source.source, again, options, ret, reterr);
}

static void check_note(struct runner *r, const struct expected *e,
                       const struct weir_promql_result *got) {
    for (uint32_t i = 0; i < got->notes_count && e->note.len; i++)
        if (weir_view_find(got->notes[i].text, e->note) != SIZE_MAX) return;
    if (e->note.len) fail_line(r, "no note with %.*s", WEIR_VIEW_ARG(e->note));
}

/* The same question as the middle step of a range query: the same values there. */
static void check_as_range(struct runner *r, struct weir_view text, int64_t time_ms,
                           const struct weir_promql_result *one) {
    static const char *const depends[] = {"start()", "end()", "topk", "bottomk", "limit"};
    for (size_t i = 0; i < sizeof depends / sizeof *depends; i++)
        if (weir_view_find(text, weir_view_str(depends[i])) != SIZE_MAX) return;
    if (one->type != WEIR_PROMQL_VECTOR && one->type != WEIR_PROMQL_SCALAR) return;
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_promql_result got;
    struct weir_promql_options options = {
        .start_ms = time_ms - 60000, .end_ms = time_ms + 60000, .step_ms = 60000};
    weir_query_init(&query, 0, 0);
    /* Another step may fail where this one did not. */
    if (evaluate(r, &query, text, &options, &got, &err) == 0) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < got.series_count; i++)
            for (uint32_t j = 0; j < got.series[i].count; j++) {
                if (got.series[i].times_ms[j] != time_ms) continue;
                found++;
                struct memory_series like = {.labels_count = got.series[i].labels_count};
                bool seen = false;
                for (uint32_t k = 0; k < one->series_count; k++) {
                    struct weir_promql_series label_only = one->series[k];
                    like.labels = weir_arena_alloc(&query.arena,
                                                   (like.labels_count + 1) * sizeof *like.labels);
                    memcpy(like.labels, got.series[i].labels,
                           like.labels_count * sizeof *like.labels);
                    if (same_labels(&like, &label_only) &&
                        same(one->series[k].values[0], got.series[i].values[j]))
                        seen = true;
                }
                if (!seen) dump(&got), fail_line(r, "as a range query it gives something else");
            }
        if (found != one->series_count)
            dump(&got), fail_line(r, "as a range query it gives %u series there", found);
    }
    weir_query_done(&query);
}

static void run_eval(struct runner *r, struct weir_view args, bool ordered, bool fail) {
    struct expected e = {.ordered = ordered, .fail = fail};
    memory_init(&e.lines);
    struct weir_promql_options options = {0};
    bool instant = weir_view_is(cut_word(&args), "instant");
    cut_word(&args); /* at, from */
    options.start_ms = options.end_ms = duration(r, cut_word(&args));
    if (!instant) {
        cut_word(&args); /* to */
        options.end_ms = duration(r, cut_word(&args));
        cut_word(&args); /* step */
        options.step_ms = duration(r, cut_word(&args));
    }
    unsigned line = r->line;
    read_expected(r, &e);
    unsigned end = r->line;
    r->line = line;
    r->evals_count++;
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_promql_result got;
    weir_query_init(&query, 0, 0);
    int code = evaluate(r, &query, args, &options, &got, &err);
    if (e.fail) {
        if (!code) fail_line(r, "should have failed");
        if (e.fail_words.len && !strstr(err.message, weir_arena_strdup(&query.arena, e.fail_words)))
            fail_line(r, "failed with: %s", err.message);
    } else {
        if (code) fail_line(r, "failed: %u:%u %s", err.line, err.column, err.message);
        check_note(r, &e, &got);
        check_result(r, &e, &got, options.start_ms, options.step_ms);
        if (instant) check_as_range(r, args, options.start_ms, &got);
    }
    r->line = end;
    weir_query_done(&query);
    memory_done(&e.lines);
}

static bool run_command(struct runner *r) {
    struct weir_view line;
    if (!next_line(r, &line)) return false;
    line = weir_view_trim(line);
    if (line.len == 0) return true;
    struct weir_view command = cut_word(&line);
    if (weir_view_is(command, "load"))
        run_load(r, line);
    else if (weir_view_is(command, "eval"))
        run_eval(r, line, false, false);
    else if (weir_view_is(command, "eval_ordered"))
        run_eval(r, line, true, false);
    else if (weir_view_is(command, "eval_fail"))
        run_eval(r, line, false, true);
    else if (weir_view_is(command, "clear"))
        memory_done(&r->source), memory_init(&r->source);
    else
        fail_line(r, "unknown command %.*s", WEIR_VIEW_ARG(command));
    return true;
}

static void run_file(const char *path) {
    struct weir_buf text;
    struct weir_error err = {0};
    weir_buf_init(&text, 1 << 24);
    if (weir_fs_read_file(path, &text, &err)) fail_msg("%s: %s", path, err.message);
    static struct runner r; /* outlives a longjmp */
    r = (struct runner){.path = path, .rest = weir_buf_view(&text)};
    memory_init(&r.source);
    volatile unsigned failed_count = 0;
    if (setjmp(next_command)) {
        struct weir_view skipped;
        failed_count = failed_count + 1;
        while (next_indented(&r, &skipped)) continue;
    }
    while (run_command(&r)) continue;
    if (failed_count) fail_msg("%s: %u cases failed", path, failed_count);
    print_message("%s: %u queries\n", path, r.evals_count);
    memory_done(&r.source);
    weir_buf_done(&text);
}

static void golden_files(void **state) {
    (void)state;
    glob_t files;
    assert_int_equal(glob("tests/golden/promql/*.test", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) run_file(files.gl_pathv[i]);
    globfree(&files);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
