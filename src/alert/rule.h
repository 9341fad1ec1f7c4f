/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files, as Prometheus has them:
 *
 *     groups:
 *       - name: orders
 *         interval: 15s
 *         rules:
 *           - record: orders:errors:rate5m
 *             expr: sum by (service_name) (rate(errors_total[5m]))
 *           - alert: OrdersFail
 *             expr: orders:errors:rate5m > 0.1
 *             for: 2m
 *             labels: {severity: page}
 *             annotations:
 *               summary: "{{ $labels.service_name }} fails {{ $value | humanize }} times a second"
 *
 * Threads: immutable after load. Memory: all in the caller's arena.
 * Source: Prometheus 3, "Defining recording rules", "Alerting rules".
 */
#ifndef WEIR_ALERT_RULE_H
#define WEIR_ALERT_RULE_H

#include "promql/promql.h"

struct weir_alert_pair {
    struct weir_view name, text; /* text: a template in alerts */
};

struct weir_alert_rule {
    bool is_alert; /* else it records */
    struct weir_view name;
    struct weir_view query; /* as written */
    const struct weir_promql_expr *expr;
    int64_t for_ns, keep_ns; /* alerts: pending so long; firing so long after it was last true */
    struct weir_alert_pair *labels, *annotations;
    uint32_t labels_count, annotations_count;
    uint32_t index; /* among all rules, from 0 */
};

struct weir_alert_group {
    struct weir_view name;
    const char *file;
    int64_t interval_ns;
    struct weir_alert_rule *rules;
    uint32_t rules_count;
};

struct weir_alert_rules {
    struct weir_alert_group *groups;
    uint32_t groups_count, groups_room, rules_count;
};

/* Adds the groups of one file. `interval_ns`: of groups that name none. Errors: the file's, or
 * WEIR_EINVALID with FILE:LINE:COLUMN (YAML, an unknown key with the nearest, a name that is none,
 * a query with its own position, a template). */
int weir_alert_rules_load(struct weir_alert_rules *rules, const char *path, int64_t interval_ns,
                          struct weir_arena *arena, struct weir_error *reterr);

#endif
