/* SPDX-License-Identifier: Apache-2.0 */
/* Samplers: which traces are recorded.
 *
 * Threads: any; a sampler does not change once made.
 * Source: OpenTelemetry specification 1.60, trace/sdk.md; the ratio compares the last eight bytes
 * of the trace id, as the Go, Java and Python SDKs do, so that all agree on one trace.
 */
#ifndef WEIR_SDK_SAMPLER_H
#define WEIR_SDK_SAMPLER_H

#include "base/error.h"
#include "base/view.h"
#include "weir/context.h"

struct weir_sampler {
    bool parent_based;  /* a valid parent decides */
    uint64_t threshold; /* roots: sampled when the id's upper 63 bits are below it; 2^63 = all */
};

/* From OTEL_TRACES_SAMPLER's and _ARG's text (either may be empty: parentbased_always_on, 1.0).
 * WEIR_EINVALID names what is wrong. */
int weir_sampler_parse(struct weir_view name, struct weir_view arg, struct weir_sampler *ret,
                       struct weir_error *reterr);
/* The decision for a root span. */
static inline bool weir_sampler_root(const struct weir_sampler *sampler,
                                     const uint8_t trace_id[16]) {
    uint64_t low;
    memcpy(&low, trace_id + 8, sizeof low);
    return __builtin_bswap64(low) >> 1 < sampler->threshold;
}
/* The decision for a span with this parent (NULL or an invalid one: a root). */
static inline bool weir_sampler_decide(const struct weir_sampler *sampler,
                                       const struct weir_span_context *parent,
                                       const uint8_t trace_id[16]) {
    if (sampler->parent_based && parent && weir_span_context_is_valid(parent))
        return weir_span_context_is_sampled(parent);
    return weir_sampler_root(sampler, trace_id);
}

#endif
