/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/doctor.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"
#include "doctor/check.h"
#include "doctor/client.h"
#include "kafka/settings.h"
#include "sdk/config.h"

enum { ARENA_SIZE_MAX = 64 << 20, OUT_SIZE_MAX = 16 << 20 };
#define GRACE_NS (2 * WEIR_NS_PER_S) /* what a check may take past its deadline to let go */

int weir_doctor_left_ms(const struct weir_doctor *doctor, int64_t most) {
    int64_t left = (doctor->deadline_ns - weir_clock_mono_ns()) / WEIR_NS_PER_MS;
    return left < 1 ? 1 : left > most ? (int)most : (int)left;
}

static void check_kafka(struct weir_doctor *doctor) {
    weir_doctor_check_servers(doctor);
    weir_doctor_check_topic(doctor);
    weir_doctor_check_records(doctor);
    weir_doctor_check_round_trip(doctor);
    weir_doctor_check_group(doctor);
}

static void *run_checks(void *arg) {
    struct weir_doctor *doctor = arg;
    int64_t start_ns = weir_clock_mono_ns(), timeout_ns = doctor->options->timeout_ns;
    doctor->deadline_ns = start_ns + timeout_ns;
    doctor->settings = weir_kafka_settings_new(0);
    weir_doctor_check_library(doctor);
    if (!doctor->options->trace) weir_doctor_check_settings(doctor);
    /* The properties may name the plugin: what we do is not to be observed. */
    setenv("OTEL_SDK_DISABLED", "true", 1);
    if (doctor->options->trace) {
        weir_doctor_check_trace(doctor);
    } else {
        weir_doctor_check_observation(doctor);
        doctor->deadline_ns = start_ns + timeout_ns / 10 * 3; /* brokers that hang leave time */
        weir_doctor_check_endpoints(doctor);
        doctor->deadline_ns = start_ns + timeout_ns / 10 * 4;
        weir_doctor_check_application(doctor);
        doctor->deadline_ns = start_ns + timeout_ns;
        check_kafka(doctor);
    }
    weir_doctor_client_close(doctor->client);
    weir_config_free(doctor->config);
    weir_kafka_settings_free(doctor->settings);
    weir_report_close(doctor->report);
    return NULL;
}

/* Prints findings as they come, until the checks are done or take too long; false: too long. */
static bool follow(struct weir_doctor *doctor, int64_t deadline_ns, FILE *out) {
    bool json = doctor->options->json, colours = doctor->options->colours;
    enum weir_report_state state;
    struct weir_buf buf;
    weir_buf_init(&buf, OUT_SIZE_MAX);
    do {
        state = weir_report_wait(doctor->report, json, deadline_ns);
        if (state == WEIR_REPORT_LATE)
            weir_report_abandon(doctor->report, "doctor.timeout",
                                "The checks did not end within --timeout; the rest is left out.",
                                "Give more time, such as --timeout 60s. What would have come next "
                                "hangs.");
        weir_buf_clear(&buf);
        if (!json) weir_report_add_text(doctor->report, &buf, colours);
        if (state != WEIR_REPORT_NEWS && !json)
            weir_report_add_summary(doctor->report, &buf, colours);
        if (state != WEIR_REPORT_NEWS && json) weir_report_add_json(doctor->report, &buf);
        fwrite(buf.ptr, 1, buf.len, out);
        fflush(out);
    } while (state == WEIR_REPORT_NEWS);
    weir_buf_done(&buf);
    return state == WEIR_REPORT_CLOSED;
}

int weir_doctor_run(const struct weir_doctor_options *options, FILE *out) {
    struct weir_doctor *doctor = calloc(1, sizeof *doctor);
    int64_t deadline_ns = weir_clock_mono_ns() + options->timeout_ns + GRACE_NS;
    pthread_t thread;
    int status = 1;
    if (!doctor) return 1;
    doctor->options = options;
    weir_arena_init(&doctor->arena, ARENA_SIZE_MAX);
    doctor->report = weir_report_new();
    if (doctor->report &&
        weir_thread_start(&thread, "weir-doctor", run_checks, doctor) == WEIR_OK) {
        bool ended = follow(doctor, deadline_ns, out);
        if (ferror(out) == 0 && weir_report_count(doctor->report, WEIR_FINDING_FAIL) == 0)
            status = 0;
        if (!ended) _exit(status); /* the check that hangs may hold anything */
        pthread_join(thread, NULL);
    }
    weir_report_free(doctor->report);
    weir_arena_done(&doctor->arena);
    free(doctor);
    return status;
}
