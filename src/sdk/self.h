/* SPDX-License-Identifier: Apache-2.0 */
/* The SDK's own metrics (otel.sdk.*, weir.sdk.*) and the process's, as observable instruments.
 *
 * Threads: any. Source: OpenTelemetry semantic conventions 1.44, otel/sdk-metrics.md.
 */
#ifndef WEIR_SDK_SELF_H
#define WEIR_SDK_SELF_H

#include "sdk/config.h"

#define WEIR_SELF_METER "weir.sdk" /* the scope of all of them */

/* Registers them once per process; what memory does not allow is missing. */
void weir_self_start(void);
/* A batch has left, or was given up: all its attempts took so long. Exporter only. */
void weir_self_exported(enum weir_sdk_signal signal, int64_t duration_ns, int code);
/* The metrics were collected. Exporter only. */
void weir_self_collected(int64_t duration_ns);

#endif
