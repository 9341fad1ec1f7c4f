/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's, Tempo's and our own API over a real HTTP server and a source in memory: what stock
 * clients send, and the shapes they rely on. */
#include "base/clock.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/fs.h"
#include "fake_source.h"
#include "net/client.h"
#include "net/http.h"
#include "otlp/batch.h"

enum { ROUTES_MAX = 80 };

struct house {
    struct fake_source fake;
    struct weir_api api;
    struct weir_pool *pool;
    struct weir_http_server *server;
    struct weir_http_client *client;
    struct weir_http_route routes[ROUTES_MAX];
};

static void add_routes(struct house *house, size_t *count, const struct weir_http_route *routes,
                       size_t more) {
    assert_true(*count + more <= ROUTES_MAX);
    memcpy(house->routes + *count, routes, more * sizeof *routes);
    *count += more;
}

static const char logs[] =
    "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
    "\"stringValue\":\"shop\"}},"
    "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h1\"}}]},\"scopeLogs\":[{\"logRecords\":["
    "{\"timeUnixNano\":\"1000000000\",\"severityNumber\":9,\"body\":{\"stringValue\":\"first\"}},"
    "{\"timeUnixNano\":\"2000000000\",\"severityNumber\":17,\"body\":{\"stringValue\":\"second "
    "\\\"quoted\\\"\"},"
    "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\","
    "\"attributes\":[{\"key\":\"order.id\",\"value\":{\"intValue\":\"7\"}}]},"
    "{\"timeUnixNano\":\"3000000000\",\"severityNumber\":9,\"body\":{\"stringValue\":\"{\\\"a\\\":{"
    "\\\"b\\\":1}}\"}}"
    "]}]}]}";

static int open_house(void **state) {
    struct house *house = calloc(1, sizeof *house);
    struct weir_error err = {0};
    size_t count = 0, more;
    uint16_t port = 0;
    fake_source_init(&house->fake);
    fake_source_add_json(&house->fake, WEIR_SIGNAL_LOG, weir_view_str(logs));
    struct weir_buf fixture;
    weir_buf_init(&fixture, 1 << 20);
    assert_int_equal(weir_fs_read_file("tests/golden/traceql/fixture.json", &fixture, NULL), 0);
    fake_source_add_json(&house->fake, WEIR_SIGNAL_TRACE, weir_buf_view(&fixture));
    weir_buf_done(&fixture);
    house->api.source = &house->fake.source;
    house->pool = weir_pool_new("query", 2, 16);
    const struct weir_http_route *routes = weir_api_loki_routes(&more);
    add_routes(house, &count, routes, more);
    routes = weir_api_tempo_routes(&more);
    add_routes(house, &count, routes, more);
    routes = weir_api_weir_routes(&more);
    add_routes(house, &count, routes, more);
    struct weir_http_options options = {.pool = house->pool};
    assert_int_equal(weir_http_server_open(&options, &house->server, &err), 0);
    struct weir_http_door door = {.listen = "127.0.0.1:0",
                                  .name = "api",
                                  .routes = house->routes,
                                  .routes_count = count,
                                  .ctx = &house->api};
    assert_int_equal(weir_http_server_add_door(house->server, &door, &port, &err), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    struct weir_http_client_options client = {.url = url};
    assert_int_equal(weir_http_client_open(&client, &house->client, &err), 0);
    *state = house;
    return 0;
}

static int close_house(void **state) {
    struct house *house = *state;
    weir_http_client_close(house->client);
    weir_http_server_stop(house->server, 0);
    while (atomic_load(&house->api.tails_count)) weir_clock_sleep_ns(WEIR_NS_PER_MS);
    weir_http_server_close(house->server);
    weir_pool_free(house->pool);
    fake_source_done(&house->fake);
    free(house);
    return 0;
}

static struct weir_view ask(struct house *house, const char *path, int status, const char *header,
                            const char *value) {
    struct weir_http_field field = {weir_view_str(header ? header : "Accept"),
                                    weir_view_str(value ? value : "*/*")};
    struct weir_http_client_request request = {
        .method = "GET", .path = path, .fields = &field, .fields_count = 1};
    struct weir_http_client_answer answer;
    struct weir_error err = {0};
    if (weir_http_client_do(house->client, &request, &answer, &err) != 0)
        fail_msg("%s: %s", path, err.message);
    if (answer.status != status)
        fail_msg("%s: %d %.*s", path, answer.status, WEIR_VIEW_ARG(answer.body));
    return answer.body;
}

static void expect(struct house *house, const char *path, int status, const char *part) {
    struct weir_view body = ask(house, path, status, NULL, NULL);
    if (weir_view_find(body, weir_view_str(part)) == SIZE_MAX)
        fail_msg("%s:\n%.*s\nlacks %s", path, WEIR_VIEW_ARG(weir_view_upto(body, 3000)), part);
}

static void test_loki_health_and_numbers(void **state) {
    struct house *house = *state;
    /* what Grafana's "Save & test" sends */
    expect(house,
           "/loki/api/v1/query?query=vector(1)%2Bvector(1)&time=4000000000&direction=backward", 200,
           "\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[4000000000,"
           "\"2\"]}]");
    expect(house, "/loki/api/v1/query?query=1%2B1&time=4", 200,
           "\"resultType\":\"scalar\",\"result\":[4,\"2\"]");
    expect(
        house,
        "/loki/api/v1/query?query=sum(count_over_time(%7Bservice_name=%22shop%22%7D[1m]))&time=10",
        200, "\"value\":[10,\"3\"]");
    expect(house,
           "/loki/api/v1/"
           "query_range?query=sum(count_over_time(%7Bservice_name=%22shop%22%7D[1s]))&start=1&end="
           "3&step=1",
           200,
           "\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[1,\"1\"],[2,\"1\"],["
           "3,\"1\"]]}]");
}

static void test_loki_lines(void **state) {
    struct house *house = *state;
    const char *path =
        "/loki/api/v1/query_range?query=%7Bservice_name=%22shop%22%7D&start=0&end=10&limit=2";
    expect(house, path, 200, "\"resultType\":\"streams\"");
    expect(house, path, 200, "\"values\":[[\"3000000000\",\"{\\\"a\\\":{\\\"b\\\":1}}\"]]");
    expect(house, path, 200, "\"values\":[[\"2000000000\",\"second \\\"quoted\\\"\"]]");
    expect(house, path, 200, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"");
    expect(house, path, 200, "\"order_id\":\"7\"");
    struct weir_view body =
        ask(house, path, 200, "X-Loki-Response-Encoding-Flags", "categorize-labels");
    assert_true(weir_view_find(body, WEIR_VIEW("\"encodingFlags\":[\"categorize-labels\"]")) !=
                SIZE_MAX);
    assert_true(
        weir_view_find(
            body,
            WEIR_VIEW("{\"stream\":{\"service_name\":\"shop\"},\"values\":[[\"3000000000\"")) !=
        SIZE_MAX);
    assert_true(
        weir_view_find(body, WEIR_VIEW("{\"structuredMetadata\":{\"detected_level\":\"info\"")) !=
        SIZE_MAX);
    body =
        ask(house,
            "/loki/api/v1/"
            "query_range?query=%7Bservice_name=%22shop%22%7D%7Cjson%7Ca_b=%221%22&start=0&end=10",
            200, "X-Loki-Response-Encoding-Flags", "categorize-labels");
    assert_true(weir_view_find(body, WEIR_VIEW("\"parsed\":{\"a_b\":\"1\"}")) != SIZE_MAX);
}

static void test_loki_errors(void **state) {
    struct house *house = *state;
    expect(house, "/loki/api/v1/query_range?query=%7Bservice_name=%7D", 400,
           "{\"status\":\"error\",\"code\":400,\"message\":\"parse error at line 1, col 15: "
           "unexpected }, expected a string\","
           "\"line\":1,\"column\":15}");
    expect(house, "/loki/api/v1/query?query=%7Bservice_name=%22x%22%7D", 400,
           "log queries are not supported as an instant");
    expect(house, "/loki/api/v1/query_range", 400, "parameter query is missing");
    expect(house, "/loki/api/v1/query_range?query=%7Ba=%22b%22%7D&limit=9999", 400,
           "over the limit of 5000");
    expect(house, "/loki/api/v1/query_range?query=%7Ba=%22b%22%7D&start=x", 400, "parameter start");
    expect(house,
           "/loki/api/v1/query_range?query=%7Bservice_name=%22shop%22%7D&start=-9223372036854775808"
           "&end=9223372036854775807",
           200, "\"resultType\":\"streams\"");
    expect(house,
           "/loki/api/v1/query_range?query=sum(count_over_time(%7Bservice_name=%22shop%22%7D[1h]))"
           "&start=-9223372036854775808&end=9223372036854775807",
           200, "\"resultType\":\"matrix\"");
    expect(house,
           "/tempo/api/metrics/query_range?q=%7B%7D%7Crate()&start=-9223372036854775808"
           "&end=9223372036854775807",
           200, "\"series\"");
    expect(house, "/loki/api/v1/query_range?query=%7Ba=%22b%22%7D&start=5&end=4", 400,
           "end timestamp");
    expect(house, "/loki/api/v1/query_range?query=%7Ba=%22b%22%7D&direction=up", 400,
           "neither forward nor backward");
    expect(house,
           "/loki/api/v1/query_range?query=rate(%7Ba=%22b%22%7D[1m])&start=0&end=100000&step=1",
           400, "maximum resolution");
    expect(house, "/loki/api/v1/query_range?query=%7Ba=%22b%22%7D%7C=ip(%2210.0.0.1%22)", 415,
           "not evaluated");
    expect(house, "/loki/api/v1/tail?query=%7Ba=%22b%22%7D", 400, "WebSocket");
}

static void test_loki_resources(void **state) {
    struct house *house = *state;
    expect(house, "/loki/api/v1/labels?start=0&end=10", 200,
           "{\"status\":\"success\",\"data\":[\"service_name\"]}");
    expect(house, "/loki/api/v1/label/service_name/values?start=0&end=10", 200,
           "\"data\":[\"shop\"]");
    expect(house, "/loki/api/v1/label/level/values?start=0&end=10", 200,
           "\"data\":[\"error\",\"info\"]");
    expect(house, "/loki/api/v1/label/order_id/values?start=0&end=10", 200, "\"data\":[\"7\"]");
    expect(house,
           "/loki/api/v1/label/host_name/values?start=0&end=10&query=%7Bservice_name=%22shop%22%7D",
           200, "\"data\":[\"h1\"]");
    expect(house, "/loki/api/v1/series?match[]=%7Bservice_name=~%22.%2B%22%7D&start=0&end=10", 200,
           "\"data\":[{\"service_name\":\"shop\"}]");
    expect(house, "/loki/api/v1/index/stats?query=%7Ba=%22b%22%7D", 200, "\"entries\":3");
    expect(house, "/loki/api/v1/index/volume?query=%7Bservice_name=%22shop%22%7D&start=0&end=10",
           200, "\"metric\":{\"service_name\":\"shop\"},\"value\":[10,\"33\"]");
    expect(house, "/loki/api/v1/detected_fields?query=%7Bservice_name=%22shop%22%7D&start=0&end=10",
           200, "{\"label\":\"a_b\",\"cardinality\":1,\"type\":\"int\",\"parsers\":[\"json\"]}");
    expect(house, "/loki/api/v1/detected_labels?start=0&end=10", 200,
           "{\"label\":\"service_name\",\"cardinality\":1}");
    expect(house, "/loki/api/v1/format_query?query=%7Ba=%22b%22%7D%7C=%22x%22", 200,
           "\"data\":\"{a=\\\"b\\\"} |= \\\"x\\\"\"");
    expect(house, "/loki/api/v1/status/buildinfo", 200, "\"version\"");
    expect(house, "/loki/api/v1/drilldown-limits", 200, "\"pattern_ingester_enabled\":false");
    expect(house, "/loki/api/v1/patterns", 200, "\"data\":[]");
}

static void test_tempo_traces(void **state) {
    struct house *house = *state;
    expect(house, "/api/echo", 200, "echo");
    expect(house, "/tempo/api/echo", 200, "echo");
    expect(house, "/api/traces/1", 200, "{\"batches\":[{\"resource\":{\"attributes\":[");
    expect(house, "/api/traces/00000000000000000000000000000001", 200,
           "\"kind\":\"SPAN_KIND_SERVER\"");
    expect(house, "/api/traces/1", 200, "\"spanId\":\"AAAAAAAAABE=\"");
    expect(house, "/api/traces/1", 200,
           "\"status\":{\"message\":\"boom\",\"code\":\"STATUS_CODE_ERROR\"}");
    expect(house, "/api/traces/1", 200,
           "\"events\":[{\"timeUnixNano\":\"1010405000000\",\"name\":\"exception\",\"attributes\":["
           "{\"key\":\"exception.type\"");
    expect(house, "/api/v2/traces/1", 200, "{\"trace\":{\"resourceSpans\":[");
    expect(house, "/api/traces/77", 404, "trace not found");
    expect(house, "/api/traces/xyz", 400, "not a trace id");
    expect(house, "/api/traces/00", 400, "not all zero");
}

/* The protobuf answer decodes as OTLP and holds the same spans. */
static void test_tempo_protobuf(void **state) {
    struct house *house = *state;
    struct weir_view body = ask(house, "/api/traces/1", 200, "Accept", "application/protobuf");
    char *copy = malloc(body.len);
    memcpy(copy, body.ptr, body.len);
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {0};
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, copy, body.len, 0, &batch, &err), 0);
    assert_int_equal(batch->spans_count, 5);
    assert_int_equal(batch->resources_count, 2);
    assert_view_is(batch->spans[0].name, "checkout");
    assert_int_equal(batch->spans[0].status_code, WEIR_SPAN_STATUS_ERROR);
    assert_int_equal(batch->spans[4].events_count, 2);
    assert_int_equal(batch->spans[4].links_count, 1);
    assert_int_equal(batch->spans[4].start_ns, INT64_C(1010400000000));
    weir_otlp_batch_unref(batch);
}

static void test_tempo_search(void **state) {
    struct house *house = *state;
    const char *path = "/api/"
                       "search?q=%7B.service.name=%22kafka-at-most-once-example%22%20%26%26%20."
                       "kafka.topic=%22metrics%22%7D&start=1000&end=1060";
    expect(house, path, 200,
           "\"traceID\":\"00000000000000000000000000000002\",\"rootServiceName\":\"kafka-at-most-"
           "once-example\","
           "\"rootTraceName\":\"poll-metrics\",\"startTimeUnixNano\":\"1030000000000\","
           "\"durationMs\":105");
    expect(house, path, 200, "{\"key\":\"kafka.topic\",\"value\":{\"stringValue\":\"metrics\"}}");
    expect(house, path, 200, "\"rootServiceName\":\"<root span not yet received>\"");
    expect(house, "/api/search?tags=service.name%3Dshop&minDuration=900ms&start=1000&end=1060", 200,
           "\"rootTraceName\":\"checkout\"");
    expect(house, "/api/search?tags=service.name%3Dshop&minDuration=2s&start=1000&end=1060", 200,
           "{\"traces\":[]");
    expect(house, "/api/search?start=1000&end=1060&limit=1", 200, "\"inspectedTraces\":1");
    expect(house, "/api/search?q=%7B%20.a%20%3D%20%7D", 400,
           "parse error at line 1, col 8: unexpected }");
    expect(house, "/api/search?q=%7B%7D%7Crate()", 400, "metrics query");
    expect(house, "/api/search?q=%7B%7D&start=1000&end=1060&explain=1", 200, "\"explain\":{");
    expect(house, "/api/search/tags", 200, "\"messaging.destination.name\"");
    expect(house, "/api/v2/search/tags", 200,
           "{\"name\":\"resource\",\"tags\":[\"deployment.environment\",\"service.name\"]}");
    expect(house, "/api/search/tag/service.name/values", 200,
           "{\"tagValues\":[\"kafka-at-most-once-example\",\"shop\"]");
    expect(
        house, "/api/v2/search/tag/.kafka.topic/values", 200,
        "{\"type\":\"string\",\"value\":\"metrics\"},{\"type\":\"string\",\"value\":\"orders\"}");
    expect(house, "/api/v2/search/tag/resource.service.name/values", 200, "\"value\":\"shop\"");
    expect(house, "/api/v2/search/tag/resource%252Eservice.name/values", 200, "\"value\":\"shop\"");
    expect(house, "/api/v2/search/tag/status/values", 200,
           "{\"type\":\"keyword\",\"value\":\"error\"}");
}

static void test_tempo_metrics(void **state) {
    struct house *house = *state;
    expect(house, "/api/metrics/query_range?q=%7B%7D%7Crate()&start=1000&end=1060&step=20s", 200,
           "{\"series\":[{\"labels\":[{\"key\":\"__name__\",\"value\":{\"stringValue\":\"rate\"}}],"
           "\"samples\":[{\"timestampMs\":"
           "\"1020000\",\"value\":0.25},{\"timestampMs\":\"1040000\",\"value\":0.1},{"
           "\"timestampMs\":\"1060000\",\"value\":0.05}]");
    expect(house, "/api/metrics/query?q=%7B%7D%7Ccount_over_time()&start=1000&end=1060", 200,
           "\"value\":8,\"promLabels\"");
    expect(house, "/api/metrics/query_range?q=%7B%7D", 400, "a metrics query ends in rate()");
}

/* Trace 1's process span links to trace 2: each is found from the other. */
static void test_joined_view(void **state) {
    struct house *house = *state;
    expect(house, "/weir/v1/trace/1", 200,
           "\"traces\":[{\"traceId\":\"00000000000000000000000000000001\",\"via\":\"start\","
           "\"spans\":5},"
           "{\"traceId\":\"00000000000000000000000000000002\",\"via\":\"link "
           "to\",\"spans\":2}],\"truncated\":false");
    expect(house, "/weir/v1/trace/2", 200,
           "{\"traceId\":\"00000000000000000000000000000001\",\"via\":\"link from\",\"spans\":5}");
    expect(house, "/weir/v1/trace/1", 200, "\"spanId\":\"0000000000000022\"");
    expect(house, "/weir/v1/trace/3", 200, "\"via\":\"start\",\"spans\":1}],\"truncated\":false");
    expect(house, "/weir/v1/trace/2?window=1ms", 200,
           "\"via\":\"start\",\"spans\":2}],\"truncated\":false");
    expect(house, "/weir/v1/trace/77", 404, "trace not found");
    expect(house, "/weir/v1/trace/1?window=100d", 400, "at most 24h");
    expect(house, "/weir/v1/status", 200, "\"store\":{\"spans\":8,\"logs\":3");
    house->api.retention_ns = INT64_C(7) * 24 * 3600 * WEIR_NS_PER_S;
    house->api.memory_bytes = 4096;
    expect(house, "/weir/v1/status", 200,
           "\"memory_limit_bytes\":4096,\"retention\":{\"age_s\":604800,\"size_bytes\":0}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loki_health_and_numbers),
        cmocka_unit_test(test_loki_lines),
        cmocka_unit_test(test_loki_errors),
        cmocka_unit_test(test_loki_resources),
        cmocka_unit_test(test_tempo_traces),
        cmocka_unit_test(test_tempo_protobuf),
        cmocka_unit_test(test_tempo_search),
        cmocka_unit_test(test_tempo_metrics),
        cmocka_unit_test(test_joined_view),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
