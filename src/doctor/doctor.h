/* SPDX-License-Identifier: Apache-2.0 */
/* weir doctor: why are spans missing, why are traces unconnected? Looks at librdkafka, the brokers,
 * a topic, its records' headers, a consumer group, the telemetry endpoint, an application's own
 * counts and a stored trace, and says what it found and what helps.
 *
 *     checks (one thread) ──▶ report ──▶ text while they run, or JSON at the end
 *
 * Nothing is changed anywhere: no offset is committed, no group joined, no topic created, unless
 * `write` asks for a round trip through a topic of its own, which is deleted afterwards.
 *
 * Threads: once per process.
 */
#ifndef WEIR_DOCTOR_DOCTOR_H
#define WEIR_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* All strings are borrowed; NULL means "not said", which leaves a check out. */
struct weir_doctor_options {
    const char *brokers;    /* host:port,host:port */
    const char *properties; /* file of name=value lines for librdkafka */
    const char *topic, *group;
    const char *endpoint, *protocol; /* win over OTEL_*; NULL: what OTEL_* say */
    const char *app;                 /* host:port or URL of an application's /metrics */
    const char *trace;               /* explain this trace, by its id, and nothing else */
    const char *server;              /* URL of a server with Tempo's API, for `trace` */
    int64_t records_count;           /* newest records of the topic to read */
    int64_t timeout_ns;              /* all together */
    bool write;                      /* a topic of its own may be made, written, read, deleted */
    bool json, colours;
};

/* Runs the checks and writes the report. Gives the exit status: 0 nothing is wrong, 1 something is
 * (or the report could not be written). A check that does not end in time is left behind, so the
 * process should exit soon. */
int weir_doctor_run(const struct weir_doctor_options *options, FILE *out);

#endif
