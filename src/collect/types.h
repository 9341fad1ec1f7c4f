/* SPDX-License-Identifier: Apache-2.0 */
/* The types of components, by the files that hold them. */
#ifndef WEIR_COLLECT_TYPES_H
#define WEIR_COLLECT_TYPES_H

#include "collect/component.h"

/* processors/ */
extern const struct weir_component_type weir_attributes_type;
extern const struct weir_component_type weir_batch_type;
extern const struct weir_component_type weir_memory_limiter_type;
extern const struct weir_component_type weir_probabilistic_sampler_type;
extern const struct weir_component_type weir_resource_type;
extern const struct weir_component_type weir_tail_sampling_type;
/* connectors/ */
extern const struct weir_component_type weir_servicegraph_type;
extern const struct weir_component_type weir_spanmetrics_type;
/* exporters/ */
extern const struct weir_component_type weir_debug_type;
extern const struct weir_component_type weir_otlp_type;
extern const struct weir_component_type weir_otlphttp_type;

#endif
