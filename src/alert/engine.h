/* SPDX-License-Identifier: Apache-2.0 */
/* Rules at work: evaluated in their groups' intervals, what they record pushed to a sink, alerts
 * kept as states, and told to whoever asked for it.
 *
 *     inactive ─ true ─▶ pending ─ for so long ─▶ firing ─ not true any more ─▶ resolved
 *
 * Recorded values, ALERTS{alertname, alertstate, …} and ALERTS_FOR_STATE are gauges in the store
 * like any other; a series that ends gets a stale marker.
 *
 * Threads: one of the engine's own evaluates, one tells; the rest any.
 * Source: Prometheus 3, rules; Alertmanager 0.25, API v2 and webhook payload version 4.
 */
#ifndef WEIR_ALERT_ENGINE_H
#define WEIR_ALERT_ENGINE_H

#include "alert/rule.h"
#include "otlp/sink.h"

enum weir_alert_state { WEIR_ALERT_PENDING, WEIR_ALERT_FIRING, WEIR_ALERT_RESOLVED };

/* One label set of an alerting rule. */
struct weir_alert {
    const struct weir_alert_rule *rule;
    enum weir_alert_state state;
    const struct weir_label *labels; /* sorted by name, alertname among them */
    const struct weir_label *annotations;
    uint32_t labels_count, annotations_count;
    double value;
    int64_t active_ns, fired_ns, resolved_ns; /* wall time; 0: not yet */
    uint64_t fingerprint;                     /* of the labels */
};

/* How a rule fared the last time. */
struct weir_alert_health {
    int64_t evaluated_ns, took_ns; /* 0: not yet */
    char error[200];               /* "" when it went well */
};

struct weir_alert_options {
    const struct weir_alert_rules *rules; /* borrowed */
    struct weir_source *source;
    struct weir_sink *sink;
    size_t query_memory_max;
    int64_t query_timeout_ns;
    const char *const *alertmanagers; /* URLs, NULL-terminated; may be NULL */
    const char *const *webhooks;      /* the same */
    const char *external_url;         /* of this server's page, for links back */
    int64_t resend_ns;                /* firing alerts are told again; 0 = a minute */
};

struct weir_alert_engine;

/* Starts. Errors: WEIR_EINVALID (a URL), WEIR_ENOMEMORY. */
int weir_alert_engine_open(const struct weir_alert_options *options, struct weir_alert_engine **ret,
                           struct weir_error *reterr);
/* Ends the evaluation that runs. Takes NULL. */
void weir_alert_engine_close(struct weir_alert_engine *engine);

/* Visits all alerts (of one rule, or NULL: of all), under the engine's lock: be quick. Resolved
 * ones are left out. */
void weir_alert_engine_each(struct weir_alert_engine *engine, const struct weir_alert_rule *rule,
                            void (*visit)(void *arg, const struct weir_alert *alert), void *arg);
struct weir_alert_health weir_alert_engine_health(struct weir_alert_engine *engine,
                                                  const struct weir_alert_rule *rule);
const struct weir_alert_rules *weir_alert_engine_rules(const struct weir_alert_engine *engine);

#endif
