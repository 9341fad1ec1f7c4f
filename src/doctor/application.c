/* SPDX-License-Identifier: Apache-2.0 */
/* What an application with libweir says of itself on /metrics: how many spans it recorded, what was
 * dropped and why, what its clients wait for. */
#include <inttypes.h>

#include "doctor/check.h"
#include "doctor/scrape.h"
#include "net/client.h"

enum { PAGE_SIZE_MAX = 32 << 20, TIMEOUT_MS = 4000 };

#define N(value) (uint64_t)(value)

static void say_unreachable(struct weir_doctor *doctor, const char *url, const char *why) {
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "application.metrics",
                    "The application's counts cannot be read at %s/metrics.", url);
    weir_report_detail(doctor->report, "%s.", why);
    weir_report_remedy(doctor->report, "Does it run, and with WEIR_METRICS_PORT set? By itself "
                                       "/metrics is off; WEIR_METRICS_HOST says where it listens.");
}

/* ── spans ───────────────────────────────────────────────────────────────────────────────────── */

#define PROCESSED "otel_sdk_processor_span_processed_total"
#define EXPORTED  "otel_sdk_exporter_span_exported_total"

/* Why spans that were recorded never arrived, as error.type says. */
static const struct {
    const char *metric, *type, *what, *remedy;
} drops[] = {
    {PROCESSED, "queue_full", "because the queue was full",
     "Queue full: more spans come than the receiver takes. Raise OTEL_BSP_MAX_QUEUE_SIZE, lower "
     "OTEL_BSP_SCHEDULE_DELAY, or sample less (OTEL_TRACES_SAMPLER_ARG)."},
    {EXPORTED, "export_failed", "because the export failed for good",
     "Export failed: the endpoint was down longer than OTEL_BSP_EXPORT_TIMEOUT, or it refuses; "
     "what "
     "stands under Where telemetry goes, asked with that program's variables, says which."},
    {EXPORTED, "rejected", "because the receiver took the request, but not these spans",
     "Rejected: the receiver's log says what is wrong with them, or which limit they passed."},
    {PROCESSED, "out_of_memory", "because memory was out",
     "Memory out: raise the program's limit."},
    {PROCESSED, "already_shutdown", "because they ended after weir_shutdown()",
     "Too late: end spans before weir_shutdown()."},
};
enum { DROPS_COUNT = sizeof drops / sizeof *drops };

static void say_dropped(struct weir_doctor *doctor, const struct weir_scrape *s) {
    double counts[DROPS_COUNT], sum = 0;
    for (size_t i = 0; i < DROPS_COUNT; i++)
        sum += counts[i] = weir_scrape_sum(s, drops[i].metric, "error_type", drops[i].type);
    if (sum < 1) return;
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "application.dropped",
                    "%" PRIu64 " spans were recorded and then dropped.", N(sum));
    for (size_t i = 0; i < DROPS_COUNT; i++) {
        if (counts[i] < 1) continue;
        weir_report_detail(doctor->report, "%" PRIu64 " %s.", N(counts[i]), drops[i].what);
        weir_report_remedy(doctor->report, "%s", drops[i].remedy);
    }
}

static void say_spans(struct weir_doctor *doctor, const struct weir_scrape *s) {
    double recorded = weir_scrape_sum(s, "otel_sdk_span_started_total", "otel_span_sampling_result",
                                      "RECORD_AND_SAMPLE");
    double unsampled =
        weir_scrape_sum(s, "otel_sdk_span_started_total", "otel_span_sampling_result", "DROP");
    bool nothing = recorded + unsampled == 0, no_samples = recorded == 0 && unsampled > 0;
    weir_report_add(doctor->report, nothing || no_samples ? WEIR_FINDING_WARN : WEIR_FINDING_OK,
                    "application.spans",
                    "It began %" PRIu64 " spans that are recorded and %" PRIu64 " that are not "
                    "sampled.",
                    N(recorded), N(unsampled));
    weir_report_detail(doctor->report,
                       "%" PRIu64 " were exported, %" PRIu64 " wait, %" PRIu64 " have not ended.",
                       N(weir_scrape_sum(s, EXPORTED, "error_type", "")),
                       N(weir_scrape_sum(s, "otel_sdk_processor_span_queue_size", NULL, NULL)),
                       N(weir_scrape_sum(s, "otel_sdk_span_live", NULL, NULL)));
    if (nothing)
        weir_report_remedy(
            doctor->report,
            "No span has begun: has it sent or taken a message yet? weir_init() must "
            "come before the producers and consumers, and they must be Weir's, or "
            "their configuration instrumented (weir_kafka_instrument, or the "
            "plugin).");
    if (no_samples)
        weir_report_remedy(doctor->report, "Its sampler, or that of those who send to it, records "
                                           "nothing: look at OTEL_TRACES_SAMPLER.");
    say_dropped(doctor, s);
}

/* ── the rest ────────────────────────────────────────────────────────────────────────────────── */

static const struct {
    const char *metric, *label, *value; /* NULL: any */
    enum weir_finding_status status;
    const char *id, *what, *remedy; /* `what` continues a count */
} counts[] = {
    {"weir_sdk_headers_malformed_total", NULL, NULL, WEIR_FINDING_FAIL, "application.headers",
     "propagation headers were malformed and ignored; those messages begin new traces",
     "Find the producer that writes them: weir doctor --topic NAME shows one."},
    {"otel_sdk_processor_log_processed_total", "error_type", "queue_full", WEIR_FINDING_FAIL,
     "application.logs", "log records were dropped because the queue was full",
     "Raise OTEL_BLRP_MAX_QUEUE_SIZE, or log less."},
    {"otel_sdk_exporter_log_exported_total", "error_type", "export_failed", WEIR_FINDING_FAIL,
     "application.logs", "log records were dropped because the export failed for good",
     "Look at the endpoint."},
    {"otel_sdk_exporter_metric_data_point_exported_total", "error_type", "export_failed",
     WEIR_FINDING_WARN, "application.points",
     "data points were not exported; cumulative counters catch up with the next export",
     "Look at the endpoint."},
    {"weir_sdk_exports_retried_total", NULL, NULL, WEIR_FINDING_WARN, "application.retried",
     "exports had to be sent again", "The receiver was slow, overloaded or away for a while."},
    {"weir_sdk_attributes_dropped_total", NULL, NULL, WEIR_FINDING_WARN, "application.attributes",
     "attributes were left out: no key, or past a limit",
     "Raise OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, or set fewer."},
    {"weir_sdk_measurements_dropped_total", NULL, NULL, WEIR_FINDING_WARN,
     "application.measurements",
     "measurements were not taken: negative for a counter, or not finite", "Correct the program."},
    {"weir_sdk_series_overflowed_total", NULL, NULL, WEIR_FINDING_WARN, "application.series",
     "measurements fell into the overflow series: an instrument has too many attribute sets",
     "Leave out attributes with many values, such as ids."},
    {"weir_kafka_commits_total", "error_type", "*", WEIR_FINDING_WARN, "application.commits",
     "offset commits failed", "Look at the broker; messages may be taken twice."},
    {"messaging_client_sent_messages_total", "error_type", "*", WEIR_FINDING_WARN,
     "application.sends", "messages were not sent", "error.type of their spans says why."},
};

static void say_counts(struct weir_doctor *doctor, const struct weir_scrape *s) {
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double value = weir_scrape_sum(s, counts[i].metric, counts[i].label, counts[i].value);
        if (value < 1) continue;
        weir_report_add(doctor->report, counts[i].status, counts[i].id, "%" PRIu64 " %s.", N(value),
                        counts[i].what);
        weir_report_detail(doctor->report, "Counted by %s.", counts[i].metric);
        weir_report_remedy(doctor->report, "%s", counts[i].remedy);
    }
}

static void say_clients(struct weir_doctor *doctor, const struct weir_scrape *s) {
    size_t clients = weir_scrape_count(s, "weir_kafka_broker_connected");
    double connected = weir_scrape_sum(s, "weir_kafka_broker_connected", NULL, NULL);
    double waiting = weir_scrape_sum(s, "weir_kafka_producer_queue", NULL, NULL);
    if (!clients) return;
    bool down = connected < (double)clients;
    weir_report_add(doctor->report, down ? WEIR_FINDING_FAIL : WEIR_FINDING_OK,
                    "application.clients", "%" PRIu64 " of its %zu Kafka clients reach a broker.",
                    N(connected), clients);
    weir_report_detail(doctor->report,
                       "%" PRIu64 " sent messages wait for their acknowledgement; "
                       "their spans end with it.",
                       N(waiting));
    if (down)
        weir_report_remedy(doctor->report,
                           "Look at bootstrap.servers of that program, and ask with "
                           "--brokers from its machine.");
}

static void read_page(struct weir_doctor *doctor, const char *url, struct weir_view page) {
    struct weir_scrape scrape;
    if (!weir_scrape_parse(&doctor->arena, page, &scrape)) {
        say_unreachable(doctor, url, "The answer is not in Prometheus' text format");
        return;
    }
    if (!weir_scrape_count(&scrape, "otel_sdk_span_started_total")) {
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "application.metrics",
                        "%s/metrics answers with %u samples, none of them libweir's.", url,
                        scrape.count);
        weir_report_remedy(doctor->report, "Is this the right port? libweir's own is "
                                           "WEIR_METRICS_PORT.");
        return;
    }
    weir_report_add(doctor->report, WEIR_FINDING_OK, "application.metrics",
                    "%s/metrics answers with %u samples.", url, scrape.count);
    say_spans(doctor, &scrape);
    say_counts(doctor, &scrape);
    say_clients(doctor, &scrape);
}

void weir_doctor_check_application(struct weir_doctor *doctor) {
    struct weir_http_client *client;
    struct weir_http_client_answer answer;
    struct weir_error err = {0};
    struct weir_view asked = weir_view_str(doctor->options->app);
    if (!doctor->options->app) return;
    if (weir_view_ends(asked, WEIR_VIEW("/metrics"))) asked.len -= strlen("/metrics");
    bool scheme = weir_view_find(asked, WEIR_VIEW("://")) != SIZE_MAX;
    struct weir_view url =
        weir_arena_printf(&doctor->arena, "%s%.*s", scheme ? "" : "http://", WEIR_VIEW_ARG(asked));
    const struct weir_http_client_options options = {.url = url.ptr,
                                                     .connect_timeout_ms =
                                                         weir_doctor_left_ms(doctor, TIMEOUT_MS),
                                                     .answer_size_max = PAGE_SIZE_MAX};
    const struct weir_http_client_request request = {
        .method = "GET", .path = "/metrics", .timeout_ms = weir_doctor_left_ms(doctor, TIMEOUT_MS)};
    int rc = url.len ? weir_http_client_open(&options, &client, &err) : WEIR_ENOMEMORY;
    if (rc) {
        say_unreachable(doctor, doctor->options->app, err.message);
        return;
    }
    rc = weir_http_client_do(client, &request, &answer, &err);
    if (!rc && answer.status != 200)
        rc = weir_error_set(&err, WEIR_EINVALID, "It answers HTTP %d", answer.status);
    if (rc)
        say_unreachable(doctor, url.ptr, err.message);
    else
        read_page(doctor, url.ptr, answer.body);
    weir_http_client_close(client);
}
