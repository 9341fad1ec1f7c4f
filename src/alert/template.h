/* SPDX-License-Identifier: Apache-2.0 */
/* Labels and annotations of alerts with what they are about filled in.
 *
 *     {{ $labels.topic }}  {{ $value }}  {{ $value | humanize }}  {{ .Labels.topic }}  {{ .Value }}
 *
 * Behind a bar: humanize, humanize1024, humanizeDuration, humanizePercentage, printf "%.2f".
 *
 * Threads: any. Memory: the caller's buffer.
 * Source: Prometheus 3, "Template reference", the part of it that is not a programming language.
 */
#ifndef WEIR_ALERT_TEMPLATE_H
#define WEIR_ALERT_TEMPLATE_H

#include "base/buf.h"
#include "base/error.h"
#include "query/source.h"

/* WEIR_EINVALID names the first part that is not understood. */
int weir_alert_template_check(struct weir_view text, struct weir_error *reterr);
/* Appends the text with everything filled in; labels that are not there are empty. */
void weir_alert_template_add(struct weir_buf *out, struct weir_view text,
                             const struct weir_label *labels, uint32_t labels_count, double value);

#endif
