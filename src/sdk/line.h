/* SPDX-License-Identifier: Apache-2.0 */
/* Records as lines of text: for the log file and for the console exporters.
 *
 *     {"timestamp":"2026-11-21T10:00:00.123456Z","level":"INFO","message":"order taken",
 *      "service":"shop","trace_id":"…","span_id":"…","logger":"orders","order":7}
 *
 * trace_id and span_id are left out when there is no span. Attributes follow flat, under their own
 * names; one that would hide a key of ours gets "attr." in front.
 *
 * Threads: the exporter.
 */
#ifndef WEIR_SDK_LINE_H
#define WEIR_SDK_LINE_H

#include "base/view.h"
#include "sdk/lane.h"

/* Each appends one line with its end. */
void weir_line_add_log(const struct weir_lane_record *record, struct weir_view service,
                       struct weir_buf *buf);
/* "10:00:00.123 INFO  orders: order taken order=7 trace_id=…" */
void weir_line_add_log_text(const struct weir_lane_record *record, struct weir_buf *buf);
void weir_line_add_span(const struct weir_lane_record *record, struct weir_buf *buf);
/* Writes to standard output, whole; what it refuses is lost. */
void weir_line_write_console(struct weir_view lines);

#endif
