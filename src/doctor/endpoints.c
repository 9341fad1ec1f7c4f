/* SPDX-License-Identifier: Apache-2.0 */
/* Where telemetry goes: an empty export as the SDK sends it, and when that fails, what speaks at
 * the port, and where the right one is. */
#include <time.h>
#include <unistd.h>

#include "doctor/check.h"
#include "doctor/socket.h"
#include "net/client.h"
#include "sdk/config.h"
#include "sdk/transport.h"

enum { EXPORT_TIMEOUT_MS = 4000, PROBE_TIMEOUT_MS = 1500, CLOCK_OFF_MAX_S = 3 };

/* ── the export ──────────────────────────────────────────────────────────────────────────────── */

/* Sends an export of nothing. */
static void export_nothing(struct weir_doctor *doctor, const struct weir_config_otlp *otlp,
                           enum weir_sdk_signal signal, int timeout_ms,
                           struct weir_outbound_answer *ret) {
    struct weir_outbound *transport;
    struct weir_error err = {0};
    *ret = (struct weir_outbound_answer){.code = WEIR_OK};
    ret->code = weir_sdk_transport_open(otlp, signal, &transport, &err);
    if (ret->code) {
        snprintf(ret->message, sizeof ret->message, "%.290s", err.message);
        return;
    }
    transport->send(transport, weir_view("", 0), weir_doctor_left_ms(doctor, timeout_ms), ret);
    transport->close(transport);
}

static const char *protocol_name(bool grpc) {
    return grpc ? "grpc" : "http/protobuf";
}

/* The same receiver asked in the other protocol, at the same port or another. */
static bool answers_otherwise(struct weir_doctor *doctor, const struct weir_config_otlp *otlp,
                              const struct weir_doctor_endpoint *at, const char *port, bool grpc,
                              enum weir_sdk_signal signal) {
    struct weir_config_otlp other = *otlp;
    struct weir_outbound_answer answer;
    bool tls = weir_view_starts(otlp->url, WEIR_VIEW("https://"));
    bool v6 = strchr(at->host, ':') != NULL;
    other.grpc = grpc;
    other.url = weir_arena_printf(&doctor->arena, "%s://%s%s%s:%s%s%s", tls ? "https" : "http",
                                  v6 ? "[" : "", at->host, v6 ? "]" : "", port, grpc ? "" : "/v1/",
                                  grpc ? "" : weir_sdk_signal_names[signal]);
    export_nothing(doctor, &other, signal, PROBE_TIMEOUT_MS, &answer);
    return answer.code == WEIR_OK;
}

/* ── why it failed ───────────────────────────────────────────────────────────────────────────── */

/* Mixed-up protocols; true when that is it. */
static bool say_mixed_up(struct weir_doctor *doctor, const struct weir_config_otlp *otlp,
                         const struct weir_doctor_endpoint *at, enum weir_sdk_signal signal) {
    const char *sibling = !strcmp(at->port, "4317")   ? "4318"
                          : !strcmp(at->port, "4318") ? "4317"
                                                      : NULL;
    if (answers_otherwise(doctor, otlp, at, at->port, !otlp->grpc, signal)) {
        weir_report_remedy(doctor->report,
                           "The port %s takes %s, not %s: set OTEL_EXPORTER_OTLP_PROTOCOL=%s, or "
                           "use the other port (by custom 4317 is gRPC, 4318 is HTTP).",
                           at->port, protocol_name(!otlp->grpc), protocol_name(otlp->grpc),
                           protocol_name(!otlp->grpc));
        return true;
    }
    if (sibling && answers_otherwise(doctor, otlp, at, sibling, otlp->grpc, signal)) {
        weir_report_remedy(doctor->report,
                           "Port %s takes %s: set the endpoint to "
                           "http://%s:%s.",
                           sibling, protocol_name(otlp->grpc), at->host, sibling);
        return true;
    }
    return false;
}

/* The remedy for what speaks at the port; NULL: that is not it. */
static const char *speech_remedy(const struct weir_config_otlp *otlp,
                                 enum weir_doctor_speech speech) {
    bool tls = weir_view_starts(otlp->url, WEIR_VIEW("https://"));
    if (speech == WEIR_SPEECH_TLS && !tls)
        return "The port wants TLS: write https:// in the endpoint.";
    if (speech != WEIR_SPEECH_TLS && speech != WEIR_SPEECH_SILENT && tls)
        return "The port has no TLS: write http:// in the endpoint.";
    if (speech == WEIR_SPEECH_HTTP2 && !otlp->grpc)
        return "The port speaks gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or use the HTTP port, "
               "by custom 4318.";
    if (speech == WEIR_SPEECH_HTTP1 && otlp->grpc)
        return "The port speaks HTTP/1.1: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or use "
               "the gRPC port, by custom 4317.";
    return NULL;
}

/* The remedy for the receiver's own words; NULL: they are not known. */
static const char *refusal_remedy(const struct weir_outbound_answer *answer) {
    static const struct {
        const char *words, *remedy;
    } known[] = {
        {"HTTP 401", "The receiver wants credentials: set OTEL_EXPORTER_OTLP_HEADERS, such as "
                     "Authorization=Bearer <token>."},
        {"HTTP 403", "The credentials of OTEL_EXPORTER_OTLP_HEADERS are not allowed to write, or "
                     "the receiver does not know itself by this name (Host)."},
        {"HTTP 404", "Nothing takes OTLP at this path: OTEL_EXPORTER_OTLP_ENDPOINT is the address "
                     "before /v1/traces; OTEL_EXPORTER_OTLP_TRACES_ENDPOINT the whole of it."},
        {"HTTP 405", "Something else answers at this path: check the endpoint."},
        {"HTTP 415", "The receiver does not take protobuf, or not this compression: unset "
                     "OTEL_EXPORTER_OTLP_COMPRESSION."},
        {"HTTP 429", "The receiver is overloaded; exports are tried again."},
        {"HTTP 5", "The receiver has trouble of its own: look at its log."},
        {"gRPC status 12", "The receiver does not take this signal: a collector's pipeline for it "
                           "is missing, or this is another service."},
        {"gRPC status 16", "The receiver wants credentials: set OTEL_EXPORTER_OTLP_HEADERS."},
        {"gRPC status 7", "The credentials of OTEL_EXPORTER_OTLP_HEADERS are not allowed to "
                          "write."},
        {"gRPC status 8", "The receiver is overloaded; exports are tried again."},
        {"ertificate", "Give the authority that signed the receiver's certificate: "
                       "OTEL_EXPORTER_OTLP_CERTIFICATE=/path/to/ca.pem."},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(answer->message, known[i].words)) return known[i].remedy;
    return NULL;
}

static void say_failure(struct weir_doctor *doctor, const struct weir_config_otlp *otlp,
                        enum weir_sdk_signal signal, const struct weir_outbound_answer *answer) {
    struct weir_doctor_endpoint at;
    struct weir_error err = {0};
    char address[64];
    int fd;
    const char *otherwise = weir_view_starts(otlp->url, WEIR_VIEW("https://")) ? "443" : "80";
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "telemetry.endpoint",
                    "%s are not taken at %.*s over %s.", weir_sdk_signal_names[signal],
                    WEIR_VIEW_ARG(weir_view_upto(otlp->url, 200)), protocol_name(otlp->grpc));
    weir_report_detail(doctor->report, "Sent an empty export: %s", answer->message);
    if (weir_doctor_endpoint_parse(otlp->url, otherwise, &at, NULL) != WEIR_OK) return;
    int64_t until_ns =
        weir_clock_mono_ns() + weir_doctor_left_ms(doctor, PROBE_TIMEOUT_MS) * WEIR_NS_PER_MS;
    if (weir_doctor_connect(&at, until_ns, &fd, address, sizeof address, &err) != WEIR_OK) {
        weir_report_remedy(doctor->report,
                           "%s. Is the server or collector running? Set "
                           "OTEL_EXPORTER_OTLP_ENDPOINT to where it is.",
                           err.message);
        return;
    }
    close(fd);
    if (say_mixed_up(doctor, otlp, &at, signal)) return;
    enum weir_doctor_speech speech = weir_doctor_recognise(
        &at, weir_clock_mono_ns() + weir_doctor_left_ms(doctor, PROBE_TIMEOUT_MS) * WEIR_NS_PER_MS);
    weir_report_detail(doctor->report, "The port %s.", weir_doctor_speech_words(speech));
    const char *remedy = refusal_remedy(answer);
    if (!remedy) remedy = speech_remedy(otlp, speech);
    weir_report_remedy(doctor->report, "%s",
                       remedy ? remedy
                              : "Is this the OTLP port? Look at the receiver's log and its list of "
                                "receivers.");
}

/* ── the clock ───────────────────────────────────────────────────────────────────────────────── */

/* The Date of an HTTP answer, in seconds; 0 when there is none. */
static int64_t date_of(const struct weir_http_client_answer *answer) {
    char text[40];
    struct tm parts = {0};
    struct weir_view date = weir_http_field_get(answer->fields, answer->fields_count, "Date");
    if (!date.len || date.len >= sizeof text) return 0;
    snprintf(text, sizeof text, "%.*s", WEIR_VIEW_ARG(date));
    return strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts) ? (int64_t)timegm(&parts) : 0;
}

static void say_clock(struct weir_doctor *doctor, int64_t their_s) {
    int64_t off_s = their_s - weir_clock_wall_ns() / WEIR_NS_PER_S;
    bool off = off_s > CLOCK_OFF_MAX_S || off_s < -CLOCK_OFF_MAX_S;
    weir_report_add(doctor->report, off ? WEIR_FINDING_FAIL : WEIR_FINDING_OK, "telemetry.clock",
                    off ? "The receiver's clock is %lld s %s this machine's."
                        : "The receiver's clock and this machine's agree.",
                    (long long)(off_s < 0 ? -off_s : off_s), off_s < 0 ? "behind" : "ahead of");
    if (!off) return;
    weir_report_detail(doctor->report, "Its HTTP answers have a Date. New spans may lie outside of "
                                       "the time range that is asked for.");
    weir_report_remedy(doctor->report, "Run an NTP client (chrony, systemd-timesyncd) on both.");
}

static void check_clock(struct weir_doctor *doctor, const struct weir_config_otlp *otlp) {
    const struct weir_http_client_options options = {
        .url = weir_arena_strdup(&doctor->arena, otlp->url),
        .connect_timeout_ms = weir_doctor_left_ms(doctor, PROBE_TIMEOUT_MS)};
    const struct weir_http_client_request request = {
        .method = "GET", .path = "", .timeout_ms = weir_doctor_left_ms(doctor, PROBE_TIMEOUT_MS)};
    struct weir_http_client *client;
    struct weir_http_client_answer answer;
    if (!options.url || weir_http_client_open(&options, &client, NULL) != WEIR_OK) return;
    int64_t their_s = 0;
    if (weir_http_client_do(client, &request, &answer, NULL) == WEIR_OK) their_s = date_of(&answer);
    weir_http_client_close(client);
    if (their_s > 0) say_clock(doctor, their_s);
}

/* ── each signal ─────────────────────────────────────────────────────────────────────────────── */

/* `before`: the signal before this one; what fails alike is said once. */
static void check_signal(struct weir_doctor *doctor, enum weir_sdk_signal signal,
                         struct weir_outbound_answer *before) {
    const struct weir_config_otlp *otlp = &doctor->config->otlp[signal];
    struct weir_outbound_answer answer;
    export_nothing(doctor, otlp, signal, EXPORT_TIMEOUT_MS, &answer);
    bool alike =
        answer.code && answer.code == before->code && strcmp(answer.message, before->message) == 0;
    *before = answer;
    if (alike) {
        weir_report_detail(doctor->report, "%s fail alike.", weir_sdk_signal_names[signal]);
        return;
    }
    if (answer.code) {
        say_failure(doctor, otlp, signal, &answer);
        return;
    }
    weir_report_add(doctor->report, WEIR_FINDING_OK, "telemetry.endpoint",
                    "%s are taken at %.*s over %s.", weir_sdk_signal_names[signal],
                    WEIR_VIEW_ARG(weir_view_upto(otlp->url, 200)), protocol_name(otlp->grpc));
    weir_report_detail(doctor->report, "An empty export%s was accepted%s%s.",
                       otlp->gzip ? ", compressed with gzip," : "", answer.message[0] ? ": " : "",
                       answer.message);
    if (signal == WEIR_SDK_TRACES && !otlp->grpc) check_clock(doctor, otlp);
}

void weir_doctor_check_endpoints(struct weir_doctor *doctor) {
    struct weir_outbound_answer before = {.code = WEIR_OK};
    if (!doctor->config) return;
    for (int signal = 0; signal < WEIR_SDK_SIGNALS_COUNT; signal++)
        if (doctor->config->exporters[signal] & WEIR_EXPORTER_OTLP)
            check_signal(doctor, (enum weir_sdk_signal)signal, &before);
}
