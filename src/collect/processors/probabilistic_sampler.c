/* SPDX-License-Identifier: Apache-2.0 */
/* The processor `probabilistic_sampler`: keeps a share of the traces (and of the log records that
 * belong to one), the same ones on every collector that has the same share and seed.
 *
 *     probabilistic_sampler: {sampling_percentage: 10, hash_seed: 22}
 *
 * Without a seed the decision is OpenTelemetry's consistent one: the last 56 bits of the trace id
 * against a threshold, so that every library and collector that samples so keeps the same traces.
 * Log records without a trace id are kept.
 *
 * Source: opentelemetry-collector-contrib, probabilisticsamplerprocessor; OpenTelemetry
 * specification 1.60, trace/tracestate-probability-sampling.md.
 */
#include <stdlib.h>

#include "base/metric.h"
#include "collect/types.h"
#include "otlp/edit.h"

WEIR_COUNTER(sampled_out, "weir_collect_sampled_out_total",
             "Records that probabilistic_sampler left out.", "");

#define RANDOMNESS_BITS 56

struct sampler {
    struct weir_component component;
    uint64_t threshold; /* kept: randomness below it, of 2^56 */
    uint64_t seed;      /* 0: the trace id itself is the randomness */
};

static uint64_t randomness(const struct sampler *self, const uint8_t *trace_id) {
    uint64_t value = 0;
    if (self->seed) {
        struct {
            uint64_t seed;
            uint8_t id[16];
        } key = {.seed = self->seed};
        memcpy(key.id, trace_id, 16);
        return weir_view_hash(weir_view(&key, sizeof key)) >> (64 - RANDOMNESS_BITS);
    }
    for (int i = 9; i < 16; i++) value = value << 8 | trace_id[i];
    return (UINT64_C(1) << RANDOMNESS_BITS) - 1 - value; /* high values are kept */
}

static bool keep(void *arg, const struct weir_otlp_batch *batch, uint32_t index) {
    const struct sampler *self = arg;
    const uint8_t *trace_id = batch->signal == WEIR_SIGNAL_TRACE ? batch->spans[index].trace_id
                                                                 : batch->logs[index].trace_id;
    bool kept = !trace_id || randomness(self, trace_id) < self->threshold;
    if (!kept) weir_metric_add(&sampled_out, 1);
    return kept;
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct sampler *self = (struct sampler *)sink;
    const struct weir_otlp_edit edit = {.arg = self, .keep = keep};
    struct weir_otlp_batch *edited = NULL;
    struct weir_error err = {.code = 0};
    int rc = weir_otlp_edit(batch, &edit, &edited, &err);
    weir_component_pass(&self->component, batch, rc, edited, &err, done, arg);
}

static void close_sampler(struct weir_component *component) {
    free(component);
}

static int open_sampler(const struct weir_component_env *env, const struct weir_yaml *config,
                        const char *id, struct weir_component **ret, struct weir_error *reterr) {
    static const char *const keys[] = {"sampling_percentage", "hash_seed", NULL};
    (void)env;
    double percentage = 0;
    int64_t seed = 0;
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (!rc) rc = weir_yaml_get_f64(config, "sampling_percentage", &percentage, reterr);
    if (!rc) rc = weir_yaml_get_i64(config, "hash_seed", 0, UINT32_MAX, &seed, reterr);
    if (rc) return rc;
    if (!(percentage >= 0)) {
        const char *words = "sampling_percentage must be 0 or more";
        return config ? weir_yaml_fail(config, reterr, "%s", words)
                      : weir_error_set(reterr, WEIR_EINVALID, "%s", words);
    }
    struct sampler *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    double whole = (double)(UINT64_C(1) << RANDOMNESS_BITS);
    self->component.sink.push = push;
    self->threshold = (uint64_t)(percentage >= 100 ? whole : percentage / 100 * whole);
    self->seed = (uint64_t)seed;
    *ret = &self->component;
    return WEIR_OK;
}

const struct weir_component_type weir_probabilistic_sampler_type = {
    .name = "probabilistic_sampler",
    .kind = WEIR_PROCESSOR,
    .takes = WEIR_TRACES | WEIR_LOGS,
    .gives = WEIR_TRACES | WEIR_LOGS,
    .open = open_sampler,
    .close = close_sampler};
