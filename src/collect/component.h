/* SPDX-License-Identifier: Apache-2.0 */
/* What a pipeline is made of: processors, connectors and exporters, each behind a sink.
 *
 *     receiver ─▶ [processor ─▶ processor ─▶] exporter          one pipeline of one signal
 *                                       └──▶ connector ─▶ …     … is another pipeline's receiver
 *
 * A batch that enters is answered once, through the `done` that came with it, when everything
 * downstream has answered: whoever sent it hears no acknowledgement before the last of them has
 * stored it. A component either passes `done` on with the batch (most do), or answers itself.
 *
 * A processor has one instance in each pipeline that names it; connectors and exporters have one
 * altogether. A component is started after all downstream of it and stopped before.
 *
 * Threads: push any; tick on the graph's own thread; open, start, stop and close on one thread,
 * with no push under way in the latter two.
 */
#ifndef WEIR_COLLECT_COMPONENT_H
#define WEIR_COLLECT_COMPONENT_H

#include "collect/budget.h"
#include "otlp/sink.h"
#include "wire/yaml.h"

enum weir_component_kind { WEIR_PROCESSOR, WEIR_CONNECTOR, WEIR_EXPORTER };

#define WEIR_TRACES      (1u << WEIR_SIGNAL_TRACE)
#define WEIR_METRICS     (1u << WEIR_SIGNAL_METRIC)
#define WEIR_LOGS        (1u << WEIR_SIGNAL_LOG)
#define WEIR_ALL_SIGNALS (WEIR_TRACES | WEIR_METRICS | WEIR_LOGS)

struct weir_component;

/* What a component may use; borrowed, outlives it. */
struct weir_component_env {
    const char *data;           /* folder for what must survive a restart */
    struct weir_budget *budget; /* bytes of batches under way in the whole server; may be NULL */
    uint64_t memory_bytes;      /* limit of the whole server */
};

struct weir_component_type {
    const char *name;  /* the part of an id before '/': "batch" */
    const char *alias; /* another spelling of it, or NULL: "spanmetrics" */
    enum weir_component_kind kind;
    unsigned takes, gives; /* WEIR_TRACES … ; processors give what they take; exporters 0 */
    /* Reads the configuration (NULL or a null value: defaults) and makes the component, with `sink`
     * set; the caller fills the rest. `config` and `id` live as long as the component. Errors:
     * WEIR_EINVALID with line and column through weir_yaml_fail, WEIR_ENOMEMORY. */
    int (*open)(const struct weir_component_env *env, const struct weir_yaml *config,
                const char *id, struct weir_component **ret, struct weir_error *reterr);
    void (*close)(struct weir_component *component);
    /* These may be NULL. */
    int (*start)(struct weir_component *component, struct weir_error *reterr);
    /* About every 100 ms between start and stop. */
    void (*tick)(struct weir_component *component, int64_t mono_ns);
    /* Hands everything that it still holds downstream, or answers it, until the deadline
     * (monotonic); then answers the rest with WEIR_EUNAVAILABLE. */
    void (*stop)(struct weir_component *component, int64_t deadline_ns);
};

/* The first member of every component. */
struct weir_component {
    struct weir_sink sink; /* where its batches enter */
    const struct weir_component_type *type;
    const char *id;                             /* "batch/fast" */
    struct weir_sink *next[WEIR_SIGNALS_COUNT]; /* downstream, by signal; NULL for exporters, and
                                                   where a connector gives nothing */
};

/* All types there are, NULL-terminated. */
extern const struct weir_component_type *const weir_component_types[];

/* The type of an id ("otlp/two"); NULL: there is none of that kind. */
const struct weir_component_type *weir_component_type_of(enum weir_component_kind kind,
                                                         struct weir_view id);

/* Answers a batch at once, and lets go of it. */
static inline void weir_component_answer(struct weir_otlp_batch *batch, weir_sink_done *done,
                                         void *arg, int code, const char *message) {
    const struct weir_sink_answer answer = {.code = code, .message = message};
    weir_otlp_batch_unref(batch);
    done(arg, &answer);
}

/* Sends an edited batch on in place of `batch` (which it takes), as weir_otlp_edit gave it: NULL
 * with WEIR_OK is answered as stored, an error as what it is. */
void weir_component_pass(const struct weir_component *component, struct weir_otlp_batch *batch,
                         int code, struct weir_otlp_batch *edited, const struct weir_error *err,
                         weir_sink_done *done, void *arg);

#endif
