/* SPDX-License-Identifier: Apache-2.0 */
/* What the headers of many records say about the traces that they belong to.
 *
 * Threads: owner only. Memory: the caller's struct, which owns nothing.
 * Source: W3C Trace Context level 2, W3C Baggage.
 */
#ifndef WEIR_DOCTOR_RECORDS_H
#define WEIR_DOCTOR_RECORDS_H

#include "doctor/client.h"

struct weir_doctor_place { /* of a record; an example of something */
    int32_t partition;
    int64_t offset; /* -1: there is none */
};

struct weir_doctor_records {
    uint64_t count;
    uint64_t bare, valid, malformed, duplicated, unsampled; /* traceparent; each record in one of
                                                               bare, valid, malformed */
    uint64_t trace_state, baggage, no_headers;              /* no header of any name */
    uint64_t append_time, create_time, timeless;
    int64_t oldest_ms, newest_ms; /* timestamps, wall; 0: none */
    struct weir_doctor_place first_bare, first_malformed, first_duplicated, first_unsampled,
        first_future;
    char malformed_text[80]; /* of the first one, printable */
    char malformed_why[120];
    int64_t ahead_ms; /* furthest that a timestamp is ahead of our clock; 0: none */
};

void weir_doctor_records_init(struct weir_doctor_records *records);
/* Counts one record. `now_ms`: wall clock when it arrived. */
void weir_doctor_records_add(struct weir_doctor_records *records, const struct weir_rd *rd,
                             const rd_kafka_message_t *message, int64_t now_ms);
/* Reads about `count` of the newest records of the topic, spread over its partitions, and counts
 * them. Gives 0 also when the time was over first. */
int weir_doctor_records_read(struct weir_doctor *doctor, const char *topic, int64_t count,
                             struct weir_doctor_records *ret, struct weir_error *reterr);
/* Reads and counts one record. WEIR_ENOTFOUND: it is not there, or not in time. */
int weir_doctor_records_read_one(struct weir_doctor *doctor, const char *topic, int32_t partition,
                                 int64_t offset, struct weir_doctor_records *ret,
                                 struct weir_error *reterr);
/* What is wrong with a traceparent's value; NULL: nothing. */
const char *weir_doctor_traceparent_fault(struct weir_view value);

#endif
