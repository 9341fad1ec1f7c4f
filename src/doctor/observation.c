/* SPDX-License-Identifier: Apache-2.0 */
/* What an instrumented client would observe: weir.* properties and WEIR_KAFKA_* variables, which
 * may hide spans and headers on purpose. */
#include <ctype.h>
#include <stdlib.h>

#include "doctor/check.h"
#include "doctor/client.h"
#include "kafka/settings.h"

/* "weir.slow.ms" → "WEIR_KAFKA_SLOW_MS". */
static void variable_of(const char *property, char *ret, size_t size) {
    snprintf(ret, size, "WEIR_KAFKA_%s", property + strlen("weir."));
    for (char *at = ret; *at; at++) *at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
}

/* The environment's word comes after the file's. */
static uint32_t read_environment(struct weir_doctor *doctor) {
    uint32_t wrong = 0;
    const char *property;
    for (size_t n = 0; (property = weir_kafka_settings_property(n)); n++) {
        char name[80];
        struct weir_error err = {0};
        variable_of(property, name, sizeof name);
        const char *value = getenv(name);
        if (!value || !*value ||
            weir_kafka_settings_set(doctor->settings, property, value, &err) == WEIR_OK)
            continue;
        wrong++;
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "telemetry.observation",
                        "%s is wrong, and is not used.", name);
        weir_report_detail(doctor->report, "%s.", err.message);
        weir_report_remedy(doctor->report, "Correct it; docs/kafka.md lists the values.");
    }
    return wrong;
}

static uint32_t say(struct weir_doctor *doctor, bool applies, enum weir_finding_status status,
                    const char *variable, const char *what) {
    if (!applies) return 0;
    weir_report_add(doctor->report, status, "telemetry.observation", "%s", what);
    weir_report_remedy(doctor->report, "Unset %s or its property if that is not meant.", variable);
    return 1;
}

static uint32_t say_topic(struct weir_doctor *doctor, const char *topic) {
    const struct weir_kafka_settings *s = doctor->settings;
    if (!topic) return 0;
    if (!weir_kafka_settings_observes(s, topic))
        return say(doctor, true, WEIR_FINDING_FAIL, "WEIR_KAFKA_TOPICS_INCLUDE and _EXCLUDE",
                   "The topic is left out of the observation: no span, no metric, no header.");
    return say(doctor,
               s->propagate != WEIR_KAFKA_PROPAGATE_OFF &&
                   !weir_kafka_settings_propagates(s, topic),
               WEIR_FINDING_FAIL, "WEIR_KAFKA_PROPAGATE_EXCLUDE",
               "Messages of the topic get no headers: their receivers begin new traces.");
}

void weir_doctor_check_observation(struct weir_doctor *doctor) {
    const struct weir_kafka_settings *s = doctor->settings;
    if (!s) return;
    if (doctor->rd && doctor->options->properties) { /* takes the file's weir.* lines */
        rd_kafka_conf_t *conf = weir_doctor_conf(doctor, NULL, NULL);
        if (conf) doctor->rd->conf_destroy(conf);
    }
    uint32_t said = read_environment(doctor);
    said += say(doctor, s->propagate == WEIR_KAFKA_PROPAGATE_OFF, WEIR_FINDING_FAIL,
                "WEIR_KAFKA_PROPAGATE",
                "Messages get no headers (propagate=off): every receiver begins a new trace.");
    said += say(doctor, s->propagate == WEIR_KAFKA_PROPAGATE_SAMPLED, WEIR_FINDING_WARN,
                "WEIR_KAFKA_PROPAGATE",
                "Only messages of sampled traces get headers (propagate=sampled); receivers of the "
                "others sample for themselves.");
    said += say(doctor, !s->spans, WEIR_FINDING_FAIL, "WEIR_KAFKA_SPANS",
                "Kafka clients make no spans (spans=false), only metrics.");
    said += say(doctor, !s->metrics, WEIR_FINDING_WARN, "WEIR_KAFKA_METRICS",
                "Kafka clients make no metrics (metrics=false).");
    said += say(doctor, weir_kafka_settings_filters(s), WEIR_FINDING_WARN,
                "WEIR_KAFKA_KEYS and _HEADER",
                "Only messages that pass a filter on keys or headers make spans.");
    said +=
        say(doctor, s->process_end == WEIR_KAFKA_PROCESS_END_OFF, WEIR_FINDING_FAIL,
            "WEIR_KAFKA_PROCESS_END", "Polled messages make no process spans (process.end=off).");
    said += say(doctor, s->process_end == WEIR_KAFKA_PROCESS_END_EXPLICIT, WEIR_FINDING_WARN,
                "WEIR_KAFKA_PROCESS_END",
                "Polled messages make process spans only where the program calls "
                "weir_kafka_process_begin (process.end=explicit).");
    said +=
        say(doctor, s->mode == WEIR_KAFKA_MODE_LINK, WEIR_FINDING_WARN, "WEIR_KAFKA_PROCESS_MODE",
            "Process spans link to their senders instead of lying below them (mode link).");
    said += say_topic(doctor, doctor->options->topic);
    if (!said)
        weir_report_add(doctor->report, WEIR_FINDING_OK, "telemetry.observation",
                        "No WEIR_KAFKA_* variable%s hides spans or headers.",
                        doctor->options->properties ? " and no weir.* property" : "");
}
