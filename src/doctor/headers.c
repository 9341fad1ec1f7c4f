/* SPDX-License-Identifier: Apache-2.0 */
/* What the records' headers and timestamps mean for the traces. */
#include <inttypes.h>

#include "doctor/records.h"

#define AHEAD_MAX_MS 2000 /* more than two clocks that are kept in step differ by */

/* "a minute ago" would be less exact; a duration in its largest whole unit. */
static const char *age(char ret[32], int64_t ms) {
    if (ms < 1000)
        snprintf(ret, 32, "%lld ms", (long long)ms);
    else if (ms < 120 * 1000)
        snprintf(ret, 32, "%lld s", (long long)(ms / 1000));
    else if (ms < INT64_C(2) * 3600 * 1000)
        snprintf(ret, 32, "%lld min", (long long)(ms / 60000));
    else if (ms < INT64_C(48) * 3600 * 1000)
        snprintf(ret, 32, "%lld h", (long long)(ms / 3600000));
    else
        snprintf(ret, 32, "%lld days", (long long)(ms / 86400000));
    return ret;
}

static void at(struct weir_doctor *doctor, const char *what, struct weir_doctor_place place) {
    if (place.offset >= 0)
        weir_report_detail(doctor->report, "%s: partition %d, offset %lld.", what, place.partition,
                           (long long)place.offset);
}

static void say_contexts(struct weir_doctor *doctor, const struct weir_doctor_records *r) {
    bool none = r->bare == r->count, all = r->bare == 0;
    weir_report_add(doctor->report,
                    none  ? WEIR_FINDING_FAIL
                    : all ? WEIR_FINDING_OK
                          : WEIR_FINDING_WARN,
                    "records.traceparent",
                    "%" PRIu64 " of %" PRIu64 " records carry a traceparent.", r->count - r->bare,
                    r->count);
    at(doctor, "The first without", r->first_bare);
    if (r->no_headers)
        weir_report_detail(doctor->report, "%" PRIu64 " have no header of any kind.",
                           r->no_headers);
    if (all) {
        weir_report_detail(doctor->report,
                           "If spans still do not connect, the consumer's side is at fault: is it "
                           "instrumented, and does it take the context? A batch handler's spans "
                           "link to the senders instead of lying below them (mode link).");
        return;
    }
    weir_report_detail(doctor->report,
                       "Whoever takes those begins a new trace: sender and receiver "
                       "are unconnected.");
    weir_report_remedy(
        doctor->report,
        "At their producers: is it instrumented at all (libweir, or "
        "plugin.library.paths=weir)? Does OTEL_PROPAGATORS have tracecontext, is "
        "propagation on for this topic, is OTEL_SDK_DISABLED unset? propagate=sampled "
        "leaves the header off where the trace is not sampled. Mirrors and "
        "connectors may drop headers.");
}

static void say_malformed(struct weir_doctor *doctor, const struct weir_doctor_records *r) {
    if (!r->malformed) return;
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "records.malformed",
                    "%" PRIu64 " records carry a traceparent that is malformed; it is ignored.",
                    r->malformed);
    weir_report_detail(doctor->report, "The first one is \"%s\": %s.", r->malformed_text,
                       r->malformed_why);
    at(doctor, "It is at", r->first_malformed);
    weir_report_remedy(doctor->report,
                       "Mend the producer that writes it: 00-<32 hex>-<16 hex>-<2 hex>, in lower "
                       "case. weir_sdk_headers_malformed_total counts them at the receiver.");
}

static void say_duplicated(struct weir_doctor *doctor, const struct weir_doctor_records *r) {
    if (!r->duplicated) return;
    weir_report_add(doctor->report, WEIR_FINDING_WARN, "records.duplicated",
                    "%" PRIu64 " records carry traceparent more than once; receivers differ in "
                    "which one they take (Weir: the last).",
                    r->duplicated);
    at(doctor, "The first one", r->first_duplicated);
    weir_report_remedy(
        doctor->report,
        "Two instrumentations write it, or the application writes it beside one, or a "
        "retry adds a second: leave one of them on.");
}

static void say_sampling(struct weir_doctor *doctor, const struct weir_doctor_records *r) {
    if (!r->valid) return;
    bool none = r->unsampled == r->valid;
    weir_report_add(doctor->report, none ? WEIR_FINDING_FAIL : WEIR_FINDING_OK, "records.sampled",
                    none ? "None of the %" PRIu64 " contexts is sampled: no span of these messages "
                           "is recorded anywhere."
                         : "%" PRIu64 " of %" PRIu64 " contexts are sampled, their spans are "
                           "recorded.",
                    none ? r->valid : r->valid - r->unsampled, r->valid);
    at(doctor, "The first unsampled", r->first_unsampled);
    if (none)
        weir_report_remedy(doctor->report,
                           "The sender decides: raise OTEL_TRACES_SAMPLER_ARG, or set "
                           "OTEL_TRACES_SAMPLER=parentbased_always_on, where the trace begins. "
                           "Metrics count every message either way.");
}

static void say_others(struct weir_doctor *doctor, const struct weir_doctor_records *r) {
    weir_report_add(doctor->report, WEIR_FINDING_OK, "records.others",
                    "%" PRIu64 " records carry tracestate, %" PRIu64 " baggage.", r->trace_state,
                    r->baggage);
    weir_report_detail(doctor->report, "Both are written only when they are not empty.");
}

static void say_clock(struct weir_doctor *doctor, const struct weir_doctor_records *r) {
    char old[32], new[32];
    int64_t now_ms = weir_clock_wall_ns() / WEIR_NS_PER_MS;
    bool append = r->append_time > r->create_time;
    if (r->timeless == r->count) {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "records.clock",
                        "The records bear no timestamps.");
        return;
    }
    if (r->ahead_ms <= AHEAD_MAX_MS) {
        weir_report_add(doctor->report, WEIR_FINDING_OK, "records.clock",
                        "No record's timestamp is ahead of this machine's clock.");
        weir_report_detail(doctor->report, "The newest is %s old, the oldest of those read %s.",
                           age(new, now_ms > r->newest_ms ? now_ms - r->newest_ms : 0),
                           age(old, now_ms > r->oldest_ms ? now_ms - r->oldest_ms : 0));
        return;
    }
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "records.clock",
                    "Timestamps are up to %s ahead of this machine's clock: the %s clock and this "
                    "one differ.",
                    age(new, r->ahead_ms), append ? "broker's" : "producer's");
    at(doctor, "Furthest ahead", r->first_future);
    weir_report_detail(doctor->report, "Spans then seem to begin after what they caused, and edge "
                                       "durations are wrong.");
    weir_report_remedy(doctor->report, "Run an NTP client (chrony, systemd-timesyncd) on both "
                                       "machines; `timedatectl` says whether it is in step.");
}

void weir_doctor_check_records(struct weir_doctor *doctor) {
    struct weir_doctor_records records;
    struct weir_error err = {0};
    char old[32];
    if (!doctor->topic_found || !doctor->options->records_count) return;
    if (weir_doctor_records_read(doctor, doctor->options->topic, doctor->options->records_count,
                                 &records, &err) != WEIR_OK) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "records.read",
                        "The topic's records cannot be read.");
        weir_report_detail(doctor->report, "%s.", err.message);
        weir_report_remedy(doctor->report, "Give this user the right to (Read on the topic), or "
                                           "look at the brokers.");
        return;
    }
    if (!records.count) {
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "records.read",
                        "The topic holds no records: whether headers arrive cannot be told.");
        weir_report_remedy(doctor->report,
                           "Run the producer, then ask again; or ask with --write.");
        return;
    }
    weir_report_add(doctor->report, WEIR_FINDING_OK, "records.read",
                    "Read the newest %" PRIu64 " records; the oldest of them is from %s ago.",
                    records.count,
                    age(old, weir_clock_wall_ns() / WEIR_NS_PER_MS - records.oldest_ms));
    say_contexts(doctor, &records);
    say_malformed(doctor, &records);
    say_duplicated(doctor, &records);
    say_sampling(doctor, &records);
    say_others(doctor, &records);
    say_clock(doctor, &records);
}
