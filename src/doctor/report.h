/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor found: findings in order, as words for people and as JSON for machines.
 *
 *     weir_report_add(report, WEIR_FINDING_FAIL, "kafka.server", "%s refuses connections", server);
 *     weir_report_detail(report, "…what was looked at…");
 *     weir_report_remedy(report, "…what helps…");
 *
 * A finding is complete when the next one begins; only complete ones are seen by the reader, who
 * may print them while the checks still run. What peers sent may stand in the words: control
 * characters never reach the terminal.
 *
 * Threads: one writer, one reader; each function says whose it is.
 * Memory: the report owns all words.
 */
#ifndef WEIR_DOCTOR_REPORT_H
#define WEIR_DOCTOR_REPORT_H

#include "base/buf.h"

enum weir_finding_status {
    WEIR_FINDING_OK,
    WEIR_FINDING_WARN,
    WEIR_FINDING_FAIL,
    WEIR_FINDING_SKIP
};
enum { WEIR_FINDING_STATUSES_COUNT = 4 };

struct weir_report;

/* NULL: memory is out. */
struct weir_report *weir_report_new(void);
/* Takes NULL. Nobody else may use it any more. */
void weir_report_free(struct weir_report *report);

/* Writer: begins a finding. `id` is static, "section.what"; the title is one sentence. */
void weir_report_add(struct weir_report *report, enum weir_finding_status status, const char *id,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Writer: one more line of what was looked at and found; of what helps. */
void weir_report_detail(struct weir_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void weir_report_remedy(struct weir_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writer: the last finding is complete, there will be no more. */
void weir_report_close(struct weir_report *report);

enum weir_report_state { WEIR_REPORT_NEWS, WEIR_REPORT_CLOSED, WEIR_REPORT_LATE };
/* Reader: waits until a finding is complete that was not printed yet (not if only the `whole`
 * report matters), or the report is closed, or the monotonic deadline. */
enum weir_report_state weir_report_wait(struct weir_report *report, bool whole,
                                        int64_t deadline_ns);
/* Reader: adds a finding of its own to what it will print. For a writer that hangs. */
void weir_report_abandon(struct weir_report *report, const char *id, const char *title,
                         const char *remedy);
/* Reader: appends the findings that were not printed yet, as text. */
void weir_report_add_text(struct weir_report *report, struct weir_buf *out, bool colours);
/* Reader: the last lines of the text: how much of what. */
void weir_report_add_summary(struct weir_report *report, struct weir_buf *out, bool colours);
/* Reader: all findings and the counts as one JSON object and a line end. */
void weir_report_add_json(struct weir_report *report, struct weir_buf *out);
/* Reader: how many complete findings there are of this status. */
uint32_t weir_report_count(struct weir_report *report, enum weir_finding_status status);

#endif
