/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every .test file of tests/golden/logql: what is loaded, what is asked, what must come back.
 *
 *   load                                    rows that follow:
 *     TIME SERVICE SEVERITY ATTRIBUTES | BODY     "-" for none; attributes a=1,b=x;
 *                                                 t=<32 hex> is the trace
 *   eval lines START END DIRECTION LIMIT QUERY    expects: TIME | LINE
 *   eval labels START END DIRECTION LIMIT QUERY   expects: {labels}
 *   eval instant TIME QUERY                       expects: {labels} value
 *   eval range START END STEP QUERY               expects: {labels} v v _
 *   eval fail QUERY                               expects: words of the error
 *
 * Each query runs with hints ignored and with hints obeyed, in blocks of 1, 3 and 100 rows.
 */
#include "unit.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "fake_source.h"
#include "logql/eval.h"
#include "logql/parse.h"
#include "logql/print.h"
#include "wire/json.h"

struct run {
    struct fake_source fake;
    struct weir_buf logs; /* the JSON of the rows of a load */
    uint32_t rows;
    const char *file;
    int line;
};

static struct weir_view word(struct weir_view *rest) {
    *rest = weir_view_trim(*rest);
    return weir_view_cut(rest, ' ');
}

static int64_t at(struct run *run, struct weir_view text) {
    int64_t ns = 0;
    if (!weir_view_is(text, "0") && !weir_view_to_duration_ns(text, &ns))
        fail_msg("%s:%d: bad time %.*s", run->file, run->line, WEIR_VIEW_ARG(text));
    return ns;
}

/* ---- load ------------------------------------------------------------------------------------ */

static void add_attr(struct weir_json_writer *w, struct weir_view pair) {
    struct weir_view key = weir_view_cut(&pair, '=');
    weir_json_begin_object(w);
    weir_json_key(w, "key");
    weir_json_add_str(w, key);
    weir_json_key(w, "value");
    weir_json_begin_object(w);
    weir_json_key(w, "stringValue");
    weir_json_add_str(w, pair);
    weir_json_end_object(w);
    weir_json_end_object(w);
}

static void load_row(struct run *run, struct weir_view rest) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "fatal"};
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 16);
    struct weir_json_writer w = weir_json_writer(&buf);
    int64_t time_ns = at(run, word(&rest));
    struct weir_view service = word(&rest), severity = word(&rest), attrs = word(&rest),
                     trace = {0};
    weir_view_cut(&rest, '|');
    if (rest.len && rest.ptr[0] == ' ') rest = weir_view_from(rest, 1);
    char pair[200];
    snprintf(pair, sizeof pair, "service.name=%.*s", WEIR_VIEW_ARG(service));
    weir_json_begin_object(&w);
    weir_json_key(&w, "resource");
    weir_json_begin_object(&w);
    weir_json_key(&w, "attributes");
    weir_json_begin_array(&w);
    if (!weir_view_is(service, "-")) add_attr(&w, weir_view_str(pair));
    add_attr(&w, WEIR_VIEW("host.name=h1"));
    weir_json_end_array(&w);
    weir_json_end_object(&w);
    weir_json_key(&w, "scopeLogs");
    weir_json_begin_array(&w);
    weir_json_begin_object(&w);
    weir_json_key(&w, "logRecords");
    weir_json_begin_array(&w);
    weir_json_begin_object(&w);
    weir_json_key(&w, "timeUnixNano");
    weir_json_add_i64_str(&w, time_ns);
    for (int i = 0; i < 6; i++)
        if (weir_view_is(severity, names[i])) {
            weir_json_key(&w, "severityNumber");
            weir_json_add_i64(&w, i * 4 + 1);
        }
    weir_json_key(&w, "attributes");
    weir_json_begin_array(&w);
    while (attrs.ptr && attrs.len && !weir_view_is(attrs, "-")) {
        struct weir_view one = weir_view_cut(&attrs, ',');
        if (weir_view_starts(one, WEIR_VIEW("t=")))
            trace = weir_view_from(one, 2);
        else
            add_attr(&w, one);
    }
    weir_json_end_array(&w);
    if (trace.len) {
        weir_json_key(&w, "traceId");
        weir_json_add_str(&w, trace);
    }
    weir_json_key(&w, "body");
    weir_json_begin_object(&w);
    weir_json_key(&w, "stringValue");
    weir_json_add_str(&w, rest);
    weir_json_end_object(&w);
    weir_json_end_object(&w);
    weir_json_end_array(&w);
    weir_json_end_object(&w);
    weir_json_end_array(&w);
    weir_json_end_object(&w);
    weir_buf_add_str(&run->logs, run->rows++ ? "," : "");
    weir_buf_add_view(&run->logs, weir_buf_view(&buf));
    weir_buf_done(&buf);
}

static void load_done(struct run *run) {
    if (!run->rows) return;
    struct weir_buf json;
    weir_buf_init(&json, 1 << 20);
    weir_buf_add_str(&json, "{\"resourceLogs\":[");
    weir_buf_add_view(&json, weir_buf_view(&run->logs));
    weir_buf_add_str(&json, "]}");
    fake_source_add_json(&run->fake, WEIR_SIGNAL_LOG, weir_buf_view(&json));
    weir_buf_done(&json);
    weir_buf_clear(&run->logs);
    run->rows = 0;
}

/* ---- answers as text ------------------------------------------------------------------------- */

static void add_labels(struct weir_buf *out, const struct weir_logql_label *labels,
                       uint32_t count) {
    weir_buf_add_char(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        weir_buf_printf(out, "%s%.*s=", i ? ", " : "", WEIR_VIEW_ARG(labels[i].name));
        weir_logql_print_string(labels[i].value, out);
    }
    weir_buf_add_char(out, '}');
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_matrix(struct weir_buf *out, const struct weir_logql_matrix *m,
                       struct weir_arena *arena) {
    char **texts = WEIR_NEW_ARRAY(arena, char *, m->count + 1);
    uint32_t count = 0;
    for (uint32_t s = 0; s < m->count; s++) {
        struct weir_buf line;
        bool any = false;
        weir_buf_init(&line, 1 << 16);
        add_labels(&line, m->series[s].labels, m->series[s].labels_count);
        for (uint32_t i = 0; i < m->steps; i++) {
            bool absent = weir_logql_is_absent(m->series[s].values[i]);
            any |= !absent;
            weir_buf_add_char(&line, ' ');
            if (absent)
                weir_buf_add_char(&line, '_');
            else
                weir_json_format_f64(&line, m->series[s].values[i]);
        }
        if (any) texts[count++] = weir_arena_strdup(arena, weir_buf_view(&line));
        weir_buf_done(&line);
    }
    if (!m->is_sorted) qsort(texts, count, sizeof *texts, by_text);
    for (uint32_t i = 0; i < count; i++) weir_buf_printf(out, "%s\n", texts[i]);
}

/* ---- eval ------------------------------------------------------------------------------------ */

static int run_query(struct run *run, struct weir_view kind, struct weir_view rest,
                     struct weir_buf *out, struct weir_error *err) {
    struct weir_logql_options options = {.limit = 100};
    bool lines = weir_view_is(kind, "lines") || weir_view_is(kind, "labels");
    if (lines) {
        options.start_ns = at(run, word(&rest));
        options.end_ns = at(run, word(&rest));
        options.forward = weir_view_is(word(&rest), "forward");
        uint64_t limit = 0;
        assert_true(weir_view_to_u64(word(&rest), &limit));
        options.limit = (uint32_t)limit;
    } else if (weir_view_is(kind, "instant")) {
        options.start_ns = options.end_ns = at(run, word(&rest));
    } else if (weir_view_is(kind, "range")) {
        options.start_ns = at(run, word(&rest));
        options.end_ns = at(run, word(&rest));
        options.step_ns = at(run, word(&rest));
    } else {
        options.start_ns = options.end_ns = INT64_C(3600000000000);
    }
    struct weir_query query;
    struct weir_logql_plan plan;
    struct weir_logql_expr *expr = NULL;
    struct weir_logql_lines found = {0};
    struct weir_logql_matrix matrix = {0};
    weir_query_init(&query, (size_t)64 << 20, 0);
    rest = weir_view_trim(rest);
    int rc = weir_logql_parse(rest, &query.arena, &expr, err);
    if (rc == 0) rc = weir_logql_plan_init(&plan, rest, expr, &query.arena, err);
    if (rc == 0) {
        if (weir_logql_is_log(expr))
            rc = weir_logql_eval_lines(&run->fake.source, &query, &plan, expr, &options, &found,
                                       err);
        else
            rc = weir_logql_eval_matrix(&run->fake.source, &query, &plan, expr, &options, &matrix,
                                        err);
        weir_logql_plan_done(&plan);
    }
    if (rc == 0 && !weir_logql_is_log(expr)) add_matrix(out, &matrix, &query.arena);
    for (uint32_t i = 0; rc == 0 && i < found.count; i++) {
        const struct weir_logql_line *line = &found.items[i];
        if (weir_view_is(kind, "labels"))
            add_labels(out, line->labels, line->labels_count);
        else
            weir_buf_printf(out, "%gs | %.*s", (double)line->time_ns / 1e9,
                            WEIR_VIEW_ARG(line->line));
        weir_buf_add_char(out, '\n');
    }
    weir_query_done(&query);
    return rc;
}

static void eval(struct run *run, struct weir_view rest, struct weir_view expected) {
    struct weir_view kind = word(&rest);
    static const uint32_t sizes[] = {1, 3, 100};
    for (int obey = 0; obey < 2; obey++)
        for (int i = 0; i < 3; i++) {
            struct weir_buf out;
            struct weir_error err = {0};
            weir_buf_init(&out, 1 << 20);
            run->fake.obey_hints = obey;
            run->fake.block_rows = sizes[i];
            int rc = run_query(run, kind, rest, &out, &err);
            if (weir_view_is(kind, "fail")) {
                struct weir_view words = weir_view_trim(expected);
                if (rc >= 0 || weir_view_find(weir_view_str(err.message), words) == SIZE_MAX)
                    fail_msg("%s:%d: rc %d, %s", run->file, run->line, rc, err.message);
            } else if (rc != 0) {
                fail_msg("%s:%d: %s", run->file, run->line, err.message);
            } else if (!weir_view_eq(weir_buf_view(&out), expected)) {
                fail_msg("%s:%d (hints %d, blocks of %u): got\n%.*swanted\n%.*s", run->file,
                         run->line, obey, sizes[i], (int)out.len, out.ptr ? out.ptr : "",
                         WEIR_VIEW_ARG(expected));
            }
            weir_buf_done(&out);
        }
}

static bool is_indented(struct weir_view line) {
    return line.len > 2 && line.ptr[0] == ' ' && line.ptr[1] == ' ';
}

static void run_file(const char *path) {
    struct weir_buf text, expected;
    struct run run = {.file = path};
    weir_buf_init(&text, 1 << 20);
    weir_buf_init(&expected, 1 << 20);
    weir_buf_init(&run.logs, 1 << 20);
    fake_source_init(&run.fake);
    assert_int_equal(weir_fs_read_file(path, &text, NULL), 0);
    struct weir_view rest = weir_buf_view(&text);
    bool loading = false;
    while (rest.ptr) {
        struct weir_view line = weir_view_cut(&rest, '\n');
        run.line++;
        if (is_indented(line) && loading) load_row(&run, weir_view_from(line, 2));
        if (!line.len || line.ptr[0] == '#' || line.ptr[0] == ' ') continue;
        loading = weir_view_is(line, "load");
        if (loading) continue;
        load_done(&run);
        assert_true(weir_view_starts(line, WEIR_VIEW("eval ")));
        struct weir_view ahead = rest;
        weir_buf_clear(&expected);
        while (ahead.ptr) {
            struct weir_view next = weir_view_cut(&ahead, '\n');
            if (!is_indented(next)) break;
            weir_buf_printf(&expected, "%.*s\n", WEIR_VIEW_ARG(weir_view_from(next, 2)));
        }
        eval(&run, weir_view_from(line, 5),
             weir_view(expected.ptr ? expected.ptr : "", expected.len));
    }
    fake_source_done(&run.fake);
    weir_buf_done(&run.logs);
    weir_buf_done(&text);
    weir_buf_done(&expected);
}

static void test_golden_files(void **state) {
    glob_t found;
    (void)state;
    assert_int_equal(glob("tests/golden/logql/*.test", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 3);
    for (size_t i = 0; i < found.gl_pathc; i++) run_file(found.gl_pathv[i]);
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
