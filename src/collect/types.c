/* SPDX-License-Identifier: Apache-2.0 */
/* Every type of processor, connector and exporter: one line each. */
#include "collect/types.h"

const struct weir_component_type *const weir_component_types[] = {
    &weir_attributes_type,     &weir_batch_type,
    &weir_memory_limiter_type, &weir_probabilistic_sampler_type,
    &weir_resource_type,       &weir_tail_sampling_type,
    &weir_servicegraph_type,   &weir_spanmetrics_type,
    &weir_debug_type,          &weir_otlp_type,
    &weir_otlphttp_type,       NULL,
};
