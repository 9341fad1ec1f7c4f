/* SPDX-License-Identifier: Apache-2.0 */
/* Which traces tail_sampling keeps.
 *
 *     policies:
 *       - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
 *       - {name: slow, type: latency, latency: {threshold_ms: 500}}
 *       - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: 5}}
 *
 * A trace is kept when any policy keeps it. What a policy asks of single spans is answered as they
 * come, one bit each; so a decision needs none of the spans again.
 *
 *     spans ─ weir_tail_policies_see ─▶ struct weir_tail_trace ─ weir_tail_policies_decide ─▶ kept
 *
 * Types: always_sample, latency, status_code, string_attribute, numeric_attribute,
 * boolean_attribute, probabilistic, span_count, rate_limiting, and, composite, and adaptive, which
 * is ours: of the traces that begin in a service about so many spans a second are kept.
 *
 * Threads: owner only. Memory: views into the configuration.
 * Source: opentelemetry-collector-contrib, tailsamplingprocessor.
 */
#ifndef WEIR_COLLECT_PROCESSORS_TAIL_POLICY_H
#define WEIR_COLLECT_PROCESSORS_TAIL_POLICY_H

#include "otlp/batch.h"
#include "wire/yaml.h"

struct weir_tail_policies;

/* What is known of a trace. */
struct weir_tail_trace {
    uint8_t trace_id[16];
    uint64_t matches; /* a bit for each question that a span has answered with yes */
    int64_t start_ns, end_ns;
    uint32_t spans_count;
    uint64_t service; /* hash of the root span's service.name; before it came, the first span's */
};

/* Errors: WEIR_EINVALID at the policy (unknown type, a key missing, a threshold that nothing can
 * meet, more than 64 questions), WEIR_ENOMEMORY. */
int weir_tail_policies_open(const struct weir_yaml *list, struct weir_tail_policies **ret,
                            struct weir_error *reterr);
void weir_tail_policies_close(struct weir_tail_policies *policies);
/* Adds a span to what is known of its trace. */
void weir_tail_policies_see(const struct weir_tail_policies *policies,
                            const struct weir_otlp_span *span, struct weir_attrs resource,
                            struct weir_tail_trace *trace);
/* Gives the index of the first policy that keeps the trace, or -1. `now_ns` monotonic. */
int weir_tail_policies_decide(struct weir_tail_policies *policies,
                              const struct weir_tail_trace *trace, int64_t now_ns);
/* Name of a policy, as configured. */
struct weir_view weir_tail_policies_name(const struct weir_tail_policies *policies, int index);

#endif
