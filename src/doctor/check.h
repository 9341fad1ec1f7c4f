/* SPDX-License-Identifier: Apache-2.0 */
/* The checks, each adding findings to the report, and what they hand to each other.
 *
 * Threads: the checks' one thread.
 */
#ifndef WEIR_DOCTOR_CHECK_H
#define WEIR_DOCTOR_CHECK_H

#include "base/arena.h"
#include "base/clock.h"
#include "doctor/doctor.h"
#include "doctor/report.h"
#include "rd/rd.h"

struct weir_config;
struct weir_doctor_client;
struct weir_kafka_settings;

struct weir_doctor {
    const struct weir_doctor_options *options;
    struct weir_report *report;
    struct weir_arena arena;
    int64_t deadline_ns;                  /* monotonic; of the check that runs */
    const struct weir_rd *rd;             /* NULL: no librdkafka */
    struct weir_config *config;           /* what the SDK would use; NULL: it refuses */
    struct weir_kafka_settings *settings; /* of clients; NULL: memory is out */
    struct weir_doctor_client *client;    /* to the brokers; NULL: none */
    const char *brokers;                  /* in force; NULL: none */
    bool topic_found;
};

/* Milliseconds until the deadline, from 1 to `most`. */
int weir_doctor_left_ms(const struct weir_doctor *doctor, int64_t most);

/* librdkafka: there, its version and defects; the plugin. Sets `rd`. */
void weir_doctor_check_library(struct weir_doctor *doctor);
/* Each bootstrap server by itself, and what the cluster says of itself. Sets `client`. */
void weir_doctor_check_servers(struct weir_doctor *doctor);
/* The topic, its partitions and settings. Sets `topic_found`. */
void weir_doctor_check_topic(struct weir_doctor *doctor);
/* Headers and timestamps of the topic's newest records. */
void weir_doctor_check_records(struct weir_doctor *doctor);
/* A record through a topic of our own: do headers survive, and how do the clocks differ? */
void weir_doctor_check_round_trip(struct weir_doctor *doctor);
void weir_doctor_check_group(struct weir_doctor *doctor);
/* What the SDK would do in this environment: sampler, propagators, exporters. Sets `config`. */
void weir_doctor_check_settings(struct weir_doctor *doctor);
/* What weir.* properties and WEIR_KAFKA_* hide on purpose. */
void weir_doctor_check_observation(struct weir_doctor *doctor);
/* The endpoints: reachable, the right protocol, an empty export, the clock. */
void weir_doctor_check_endpoints(struct weir_doctor *doctor);
/* What an application says that it dropped. */
void weir_doctor_check_application(struct weir_doctor *doctor);
/* A stored trace: which hop is missing or linked, and why. */
void weir_doctor_check_trace(struct weir_doctor *doctor);

#endif
