/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers on a source in memory. The HTTP server is a stand-in of this file: parameters in,
 * one answer out. */
#include "api/prometheus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../promql/memory_source.h"
#include "unit.h"

/* ---- the stand-in ---- */

static struct {
    struct weir_buf body;
    int status, answers;
    const char *params; /* name=value lines, values as they are */
    const char *path_param;
    bool gone;
} http;

bool weir_http_param_at(const struct weir_http_request *req, const char *name, size_t index,
                        struct weir_view *ret) {
    (void)req;
    struct weir_view rest = weir_view_str(http.params);
    while (rest.len) {
        struct weir_view line = weir_view_cut(&rest, '\n'), key = weir_view_cut(&line, '=');
        if (!weir_view_is(key, name) || index-- > 0) continue;
        *ret = line.ptr ? line : WEIR_VIEW("");
        return true;
    }
    return false;
}

struct weir_view weir_http_param(const struct weir_http_request *req, const char *name) {
    struct weir_view v = {NULL, 0};
    weir_http_param_at(req, name, 0, &v);
    return v;
}

struct weir_view weir_http_path_param(const struct weir_http_request *req, const char *name) {
    (void)req, (void)name;
    return weir_view_str(http.path_param);
}

bool weir_http_is_canceled(void *req) {
    (void)req;
    return http.gone;
}

void weir_http_reply_buf(struct weir_http_request *req, int status, const char *content_type,
                         struct weir_buf *body) {
    (void)req;
    assert_true(weir_view_starts(weir_view_str(content_type), WEIR_VIEW("application/json")));
    http.status = status;
    http.answers++;
    weir_buf_add_view(&http.body, weir_buf_view(body));
    weir_buf_done(body);
}

void weir_http_stream_begin(struct weir_http_request *req, int status, const char *content_type) {
    (void)req, (void)content_type;
    http.status = status;
}

int weir_http_stream_write(struct weir_http_request *req, struct weir_view bytes) {
    (void)req;
    weir_buf_add_view(&http.body, bytes);
    return 0;
}

void weir_http_stream_end(struct weir_http_request *req) {
    (void)req;
    http.answers++;
}

/* ---- helpers ---- */

static struct memory_source source;
static struct weir_api api;

static bool metadata_visit(weir_visit_meta *visit, void *arg) {
    struct weir_metric_meta a = {WEIR_VIEW("up"), WEIR_VIEW("up"), WEIR_VIEW("gauge"),
                                 WEIR_VIEW(""), WEIR_VIEW("Is it up?")};
    struct weir_metric_meta b = {WEIR_VIEW("req_total"), WEIR_VIEW("req"), WEIR_VIEW("counter"),
                                 WEIR_VIEW("bytes"), WEIR_VIEW("")};
    return visit(arg, &a) && visit(arg, &b);
}

static int metadata(struct weir_source *s, struct weir_query *query, weir_visit_meta *visit,
                    void *arg, struct weir_error *reterr) {
    (void)s, (void)query, (void)reterr;
    metadata_visit(visit, arg);
    return 0;
}

static int set_up(void **state) {
    (void)state;
    memory_init(&source);
    source.source.metadata = metadata;
    static const char *const names[] = {"up{job=\"a\"}", "up{job=\"b\"}",
                                        "req_total{job=\"a\",code=\"200\"}",
                                        "{\"my.metric\",\"my.label\"=\"\\\"q\\\"\"}"};
    for (int i = 0; i < 4; i++) {
        struct memory_series *s = memory_add(&source, weir_view_str(names[i]));
        for (int t = 0; t <= 10; t++)
            memory_sample(&source, s, t * 60000, i == 2 ? t * 30.0 : i + 1);
    }
    memory_sort(&source);
    api = (struct weir_api){.source = &source.source};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    memory_done(&source);
    weir_buf_done(&http.body);
    return 0;
}

/* Calls the handler of a path; the answer's body. */
static const char *call(const char *pattern, const char *params) {
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_http_request req = {.arena = &arena};
    size_t count, found = 0;
    const struct weir_http_route *routes = weir_api_prometheus_routes(&count);
    weir_buf_done(&http.body);
    weir_buf_init(&http.body, 1 << 28);
    http.params = params;
    http.answers = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(routes[i].pattern, pattern) == 0) {
            found++;
            routes[i].handler(&api, &req);
        }
    weir_arena_done(&arena);
    assert_int_equal(found, 1);
    assert_int_equal(http.answers, 1);
    weir_buf_add_char(&http.body, 0);
    return http.body.ptr;
}

static void check(const char *pattern, const char *params, int status, const char *body) {
    assert_string_equal(call(pattern, params), body);
    assert_int_equal(http.status, status);
}

/* ---- tests ---- */

static void instant_queries(void **state) {
    (void)state;
    check("/api/v1/query", "query=1+1\ntime=4", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}}");
    check("/prometheus/api/v1/query", "query=up\ntime=60.5", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
          "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"value\":[60.500,\"1\"]},"
          "{\"metric\":{\"__name__\":\"up\",\"job\":\"b\"},\"value\":[60.500,\"2\"]}]}}");
    check("/api/v1/query", "query=up[2m]\ntime=1970-01-01T00:02:00Z\nlimit=1", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
          "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"values\":[[60,\"1\"],[120,\"1\"]]}]},"
          "\"warnings\":[\"results truncated due to limit\"]}");
    check("/api/v1/query", "query='x'\ntime=1", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1.000,\"x\"]}}");
    check("/api/v1/query", "query=-1/0\ntime=1", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"-Inf\"]}}");
    check("/api/v1/query", "query=nothing\ntime=1", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
    check("/api/v1/query", "query=rate(up{job=\"a\"}[5m])\ntime=300", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
          "{\"metric\":{\"job\":\"a\"},\"value\":[300,\"0\"]}]},\"infos\":[\"PromQL info: metric "
          "might not be a "
          "counter, name does not end in _total/_sum/_count/_bucket: \\\"up\\\"\"]}");
    check("/api/v1/query", "query=quantile(7,up)\ntime=300", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
          "{\"metric\":{},\"value\":[300,\"+Inf\"]}]},\"warnings\":[\"PromQL warning: quantile "
          "value should be "
          "between 0 and 1, got 7\"]}");
}

static void range_queries(void **state) {
    (void)state;
    check("/api/v1/query_range", "query=rate(req_total[2m])\nstart=120\nend=180\nstep=30", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
          "{\"metric\":{\"code\":\"200\",\"job\":\"a\"},\"values\":[[120,\"0.5\"],[150,\"0.5\"],["
          "180,\"0.5\"]]}]}}");
    check("/api/v1/query_range", "query=time()\nstart=0\nend=1\nstep=500ms", 200,
          "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
          "{\"metric\":{},\"values\":[[0,\"0\"],[0.500,\"0.5\"],[1,\"1\"]]}]}}");
}

static void mistakes_are_told(void **state) {
    (void)state;
    check("/api/v1/query", "query=foo bar\ntime=1", 400,
          "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
          "\\\"query\\\": 1:5: parse "
          "error: unexpected identifier \\\"bar\\\"\"}");
    static const struct {
        const char *pattern, *params;
        int status;
        const char *words;
    } cases[] = {
        {"/api/v1/query", "", 400, "no expression found"},
        {"/api/v1/query", "query=ratee(x[5m])", 400, "did you mean \\\"rate\\\"?"},
        {"/api/v1/query", "query=up\ntime=yesterday", 400, "invalid parameter \\\"time\\\""},
        {"/api/v1/query", "query=up\ntimeout=x", 400, "invalid parameter \\\"timeout\\\""},
        {"/api/v1/query", "query=up\nlimit=x", 400, "invalid parameter \\\"limit\\\""},
        {"/api/v1/query", "query=histogram_sum(up)", 422, "\"errorType\":\"execution\""},
        {"/api/v1/query", "query=up + on() up\ntime=1", 422, "many-to-many matching not allowed"},
        {"/api/v1/query_range", "query=up\nend=1\nstep=1", 400, "invalid parameter \\\"start\\\""},
        {"/api/v1/query_range", "query=up\nstart=0\nend=1", 400, "invalid parameter \\\"step\\\""},
        {"/api/v1/query_range", "query=up\nstart=0\nend=1\nstep=-1", 400,
         "invalid parameter \\\"step\\\""},
        {"/api/v1/query_range", "query=up\nstart=2\nend=1\nstep=1", 400,
         "must not be before start"},
        {"/api/v1/query_range", "query=up\nstart=0\nend=11000\nstep=1", 400, "11000 points"},
        {"/api/v1/query_range", "query=up[5m]\nstart=0\nend=1\nstep=1", 400,
         "must be Scalar or instant Vector"},
        {"/api/v1/series", "", 400, "no match[] parameter provided"},
        {"/api/v1/series", "match[]=up +", 400, "match[]"},
        {"/api/v1/series", "match[]=sum(up)", 400, "expected a series selector"},
        {"/api/v1/labels", "match[]={}", 400, "at least one non-empty matcher"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *body = call(cases[i].pattern, cases[i].params);
        if (http.status != cases[i].status || !strstr(body, cases[i].words))
            fail_msg("%s: %d %s", cases[i].params, http.status, body);
    }
    http.gone = true;
    assert_non_null(
        strstr(call("/api/v1/query", "query=up\ntime=1"), "\"errorType\":\"canceled\""));
    assert_int_equal(http.status, 503);
    http.gone = false;
    source.fail = WEIR_EIO;
    assert_non_null(
        strstr(call("/api/v1/query", "query=up\ntime=1"), "\"errorType\":\"internal\""));
    assert_int_equal(http.status, 500);
    source.fail = 0;
}

static void explain_tells_cost_and_plan(void **state) {
    (void)state;
    const char *body =
        call("/api/v1/query", "query=sum by (job) (rate(req_total[5m]))\ntime=300\nexplain=1");
    assert_non_null(strstr(body, "\"explain\":{"));
    assert_non_null(strstr(
        body, "\"plan\":\"sum by job  (1 step)\\n  without name\\n    rate req_total[5m]\\n\""));
}

static void labels_and_series(void **state) {
    (void)state;
    check("/api/v1/labels", "", 200,
          "{\"status\":\"success\",\"data\":[\"__name__\",\"code\",\"job\",\"my.label\"]}");
    check("/api/v1/labels", "match[]=up\nmatch[]={code=\"200\"}\nlimit=2", 200,
          "{\"status\":\"success\",\"data\":[\"__name__\",\"code\"],\"warnings\":[\"results "
          "truncated due to limit\"]}");
    check("/api/v1/labels", "start=99999", 200, "{\"status\":\"success\",\"data\":[]}");
    http.path_param = "job";
    check("/api/v1/label/{name}/values", "", 200,
          "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}");
    http.path_param = "__name__";
    check("/api/v1/label/{name}/values", "match[]={job=\"a\"}", 200,
          "{\"status\":\"success\",\"data\":[\"req_total\",\"up\"]}");
    http.path_param = "U__my_2e_label";
    check("/api/v1/label/{name}/values", "", 200,
          "{\"status\":\"success\",\"data\":[\"\\\"q\\\"\"]}");
    http.path_param = "U__bad_2e";
    call("/api/v1/label/{name}/values", "");
    assert_int_equal(http.status, 400);
    check("/api/v1/series", "match[]=up{job=\"a\"}\nmatch[]=up", 200,
          "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"job\":\"a\"},{\"__name__\":"
          "\"up\",\"job\":\"b\"}]}");
}

static void the_rest(void **state) {
    (void)state;
    check("/api/v1/metadata", "", 200,
          "{\"status\":\"success\",\"data\":{\"up\":[{\"type\":\"gauge\",\"help\":\"Is it "
          "up?\",\"unit\":\"\"}],"
          "\"req_total\":[{\"type\":\"counter\",\"help\":\"\",\"unit\":\"bytes\"}]}}");
    check("/api/v1/metadata", "metric=up", 200,
          "{\"status\":\"success\",\"data\":{\"up\":[{\"type\":\"gauge\",\"help\":\"Is it "
          "up?\",\"unit\":\"\"}]}}");
    check("/api/v1/query_exemplars", "query=up", 200, "{\"status\":\"success\",\"data\":[]}");
    check("/api/v1/rules", "", 200, "{\"status\":\"success\",\"data\":{\"groups\":[]}}");
    check("/api/v1/alerts", "", 200, "{\"status\":\"success\",\"data\":{\"alerts\":[]}}");
    check("/api/v1/targets", "", 200,
          "{\"status\":\"success\",\"data\":{\"activeTargets\":[],\"droppedTargets\":[]}}");
    check("/api/v1/format_query", "query=sum(up)by(job)", 200,
          "{\"status\":\"success\",\"data\":\"sum by (job) (up)\"}");
    const char *body = call("/api/v1/status/buildinfo", "");
    assert_non_null(strstr(body, "\"version\":\"3."));
    assert_null(strstr(body, "features")); /* Grafana would take us for Mimir */
}

/* Two series with exemplars; whoever selects job="b" gets the second alone. */
static int exemplars(struct weir_source *s, struct weir_query *query,
                     const struct weir_series_select *select, weir_visit_exemplars *visit,
                     void *arg, struct weir_error *reterr) {
    (void)s, (void)query, (void)reterr;
    static const uint8_t trace_id[16] = {0xAB, 1}, span_id[8] = {0xCD, 2};
    static const struct weir_label more[] = {{WEIR_VIEW_INIT("trace_id"), WEIR_VIEW_INIT("other")},
                                             {WEIR_VIEW_INIT("user"), WEIR_VIEW_INIT("\"u\"")}};
    const struct weir_exemplar of_a[] = {{1500, 0.25, trace_id, span_id, NULL, 0},
                                         {12000, (double)INFINITY, trace_id, NULL, more, 2}};
    const struct weir_exemplar of_b = {2000, 7, NULL, NULL, more, 1};
    struct weir_label a[] = {{WEIR_VIEW("__name__"), WEIR_VIEW("up")},
                             {WEIR_VIEW("job"), WEIR_VIEW("a")}},
                      b[] = {{WEIR_VIEW("__name__"), WEIR_VIEW("up")},
                             {WEIR_VIEW("job"), WEIR_VIEW("b")}};
    struct weir_exemplar_series first = {1, a, 2, of_a, 2}, second = {2, b, 2, &of_b, 1};
    assert_int_equal(select->from_ms, 1000);
    assert_int_equal(select->until_ms, 20500);
    bool all = true;
    for (uint32_t i = 0; i < select->matchers_count; i++)
        all = all && !weir_view_is(select->matchers[i].value, "b");
    if (all && !visit(arg, &first)) return 0;
    visit(arg, &second);
    return 0;
}

static void exemplars_come_by_series(void **state) {
    (void)state;
    static const char series_a[] =
        "{\"seriesLabels\":{\"__name__\":\"up\",\"job\":\"a\"},\"exemplars\":["
        "{\"labels\":{\"trace_id\":\"ab010000000000000000000000000000\",\"span_id\":"
        "\"cd02000000000000\"},\"value\":\"0.25\",\"timestamp\":1.500},"
        "{\"labels\":{\"trace_id\":\"ab010000000000000000000000000000\",\"user\":\"\\\"u\\\"\"},"
        "\"value\":\"+Inf\",\"timestamp\":12}]}";
    static const char series_b[] =
        "{\"seriesLabels\":{\"__name__\":\"up\",\"job\":\"b\"},\"exemplars\":["
        "{\"labels\":{\"trace_id\":\"other\"},\"value\":\"7\",\"timestamp\":2}]}";
    char both[1000], second[1000];
    source.source.exemplars = exemplars;
    snprintf(both, sizeof both, "{\"status\":\"success\",\"data\":[%s,%s]}", series_a, series_b);
    snprintf(second, sizeof second, "{\"status\":\"success\",\"data\":[%s]}", series_b);
    check("/api/v1/query_exemplars", "query=up\nstart=1\nend=20.5", 200, both);
    check("/prometheus/api/v1/query_exemplars",
          "query=histogram_quantile(0.9, sum by (le) (rate(up{job=\"b\"}[5m]))) / topk(2, "
          "up{job=\"b\"})\nstart=1\nend=20.5",
          200, second);
    check("/api/v1/query_exemplars", "query=1+1\nstart=1\nend=20.5", 200,
          "{\"status\":\"success\",\"data\":[]}");
    assert_non_null(strstr(call("/api/v1/query_exemplars", "query=up{\nstart=1\nend=2"),
                           "invalid parameter \\\"query\\\""));
    assert_int_equal(http.status, 400);
    assert_non_null(strstr(call("/api/v1/query_exemplars", "query=up\nstart=2\nend=1"),
                           "end timestamp must not be before start"));
    assert_int_equal(http.status, 400);
}

static void large_answers_are_streamed(void **state) {
    (void)state;
    for (int i = 0; i < 5000; i++) {
        char name[80];
        snprintf(name, sizeof name, "many{i=\"%05d\"}", i);
        memory_sample(&source, memory_add(&source, weir_view_str(name)), 1000, i);
    }
    memory_sort(&source);
    const char *body = call("/api/v1/query", "query=many\ntime=1");
    size_t objects = 0;
    for (const char *at = body; (at = strstr(at, "\"metric\"")); at++) objects++;
    assert_int_equal(objects, 5000);
    assert_non_null(
        strstr(body, "{\"__name__\":\"many\",\"i\":\"04999\"},\"value\":[1,\"4999\"]}]}}"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(instant_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(range_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mistakes_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(explain_tells_cost_and_plan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_and_series, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exemplars_come_by_series, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_answers_are_streamed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
