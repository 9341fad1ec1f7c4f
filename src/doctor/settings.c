/* SPDX-License-Identifier: Apache-2.0 */
/* What an instrumented program would do with this environment: the OTEL_* variables, read by the
 * SDK itself. */
#include <math.h>

#include "doctor/check.h"
#include "sdk/config.h"

static int read_config(const struct weir_doctor_options *options, struct weir_config **ret,
                       struct weir_error *reterr) {
    const struct weir_options sdk = {
        .struct_size = sizeof sdk,
        .flags = WEIR_INIT_OPTIONS_FIRST, /* what the command line says wins */
        .endpoint = options->endpoint,
        .protocol = options->protocol,
    };
    return weir_config_new(&sdk, ret, reterr);
}

static void say_sampler(struct weir_doctor *doctor) {
    const struct weir_sampler *sampler = &doctor->config->sampler;
    double ratio = (double)sampler->threshold / ldexp(1.0, 63);
    bool never = sampler->threshold == 0;
    weir_report_add(doctor->report, never ? WEIR_FINDING_FAIL : WEIR_FINDING_OK,
                    "telemetry.sampler",
                    never          ? "The sampler records no trace that begins here."
                    : ratio >= 1.0 ? "The sampler records every trace that begins here."
                                   : "The sampler records %.4g %% of the traces that begin here.",
                    ratio * 100);
    weir_report_detail(doctor->report,
                       sampler->parent_based
                           ? "A trace that comes from elsewhere is recorded when its sender's is."
                           : "The sender's decision does not count: traces may have holes.");
    if (never)
        weir_report_remedy(doctor->report, "Set OTEL_TRACES_SAMPLER=parentbased_always_on, or "
                                           "OTEL_TRACES_SAMPLER_ARG above 0.");
    else if (!sampler->parent_based)
        weir_report_remedy(doctor->report, "Set OTEL_TRACES_SAMPLER=parentbased_…, so that a trace "
                                           "is recorded whole or not at all.");
}

static void say_propagators(struct weir_doctor *doctor) {
    unsigned propagators = doctor->config->propagators;
    bool context = propagators & WEIR_PROPAGATOR_TRACECONTEXT;
    bool b3 = propagators & (WEIR_PROPAGATOR_B3 | WEIR_PROPAGATOR_B3_MULTI);
    weir_report_add(doctor->report,
                    context ? WEIR_FINDING_OK
                    : b3    ? WEIR_FINDING_WARN
                            : WEIR_FINDING_FAIL,
                    "telemetry.propagators",
                    context ? "The context travels: OTEL_PROPAGATORS has tracecontext%s."
                    : b3 ? "The context travels in B3 headers alone%s: who reads traceparent does "
                           "not see it."
                         : "The context does not travel: OTEL_PROPAGATORS has no tracecontext%s.",
                    propagators & WEIR_PROPAGATOR_BAGGAGE ? " and baggage" : "");
    if (!context)
        weir_report_remedy(doctor->report, "Unset OTEL_PROPAGATORS, or set tracecontext,baggage%s.",
                           b3 ? " beside b3" : "");
}

static void say_exporters(struct weir_doctor *doctor) {
    unsigned traces = doctor->config->exporters[WEIR_SDK_TRACES];
    bool none = traces == 0, elsewhere = traces && !(traces & WEIR_EXPORTER_OTLP);
    if (traces & WEIR_EXPORTER_OTLP) return; /* the endpoint is asked later */
    weir_report_add(doctor->report, none ? WEIR_FINDING_FAIL : WEIR_FINDING_WARN,
                    "telemetry.exporter",
                    elsewhere ? "Spans are printed, and not sent: OTEL_TRACES_EXPORTER=console."
                              : "Spans go nowhere: OTEL_TRACES_EXPORTER=none.");
    weir_report_remedy(doctor->report, "Unset OTEL_TRACES_EXPORTER, or set otlp.");
}

static void say_service(struct weir_doctor *doctor) {
    struct weir_view name = doctor->config->service_name;
    bool unknown = weir_view_starts(name, WEIR_VIEW("unknown_service"));
    if (!unknown) {
        weir_report_add(doctor->report, WEIR_FINDING_OK, "telemetry.service",
                        "service.name is %.*s.", WEIR_VIEW_ARG(weir_view_upto(name, 200)));
        return;
    }
    weir_report_add(
        doctor->report, WEIR_FINDING_WARN, "telemetry.service",
        "The service has no name; its spans are found under unknown_service:<program>.");
    weir_report_remedy(doctor->report, "Set OTEL_SERVICE_NAME.");
}

void weir_doctor_check_settings(struct weir_doctor *doctor) {
    struct weir_error err = {0};
    if (read_config(doctor->options, &doctor->config, &err) != WEIR_OK) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "telemetry.settings",
                        "The SDK does not start in this environment: nothing is recorded.");
        weir_report_detail(doctor->report, "%s.", err.message);
        weir_report_remedy(doctor->report, "Correct the variable; docs/telemetry.md lists them.");
        return;
    }
    if (doctor->config->disabled) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "telemetry.settings",
                        "OTEL_SDK_DISABLED=true: nothing is recorded.");
        weir_report_remedy(doctor->report, "Unset OTEL_SDK_DISABLED.");
    } else {
        weir_report_add(doctor->report, WEIR_FINDING_OK, "telemetry.settings",
                        "The SDK takes the OTEL_* variables of this environment.");
    }
    weir_report_detail(doctor->report, "They are those of this shell; a program that runs "
                                       "elsewhere may see others.");
    say_service(doctor);
    say_sampler(doctor);
    say_propagators(doctor);
    say_exporters(doctor);
}
