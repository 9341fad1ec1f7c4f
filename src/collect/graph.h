/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines, as the file's `service.pipelines` wires them: traces, metrics, logs, or each with a
 * name behind it ("traces/kafka").
 *
 *     struct weir_graph *graph;
 *     rc = weir_graph_open(&options, &graph, reterr);     every part, checked, not yet running
 *     rc = weir_graph_start(graph, reterr);
 *     sink = weir_graph_entry(graph, "otlp");             what that receiver pushes to
 *     weir_graph_stop(graph, deadline_ns); weir_graph_close(graph);
 *
 * Several pipelines may take from one receiver or end in one exporter. A batch for several is
 * answered when all have answered: by the first refusal that may be tried again, else by the first
 * that may not, else as stored.
 *
 * Threads: pushing any; the rest one.
 */
#ifndef WEIR_COLLECT_GRAPH_H
#define WEIR_COLLECT_GRAPH_H

#include "collect/component.h"

struct weir_graph;

struct weir_graph_options {
    /* Nodes of the file, or NULL: `processors`, `connectors`, `exporters`, `service.pipelines`. All
     * outlive the graph. Without pipelines every signal goes from "otlp" to "weir". */
    const struct weir_yaml *processors, *connectors, *exporters, *pipelines;
    const char *const *receivers; /* ids that there are, NULL-terminated */
    struct weir_sink *store;      /* the exporter "weir" */
    struct weir_component_env env;
};

/* Errors: WEIR_EINVALID with line and column (a name that is not configured, with the nearest that
 * is; a signal that a part does not take; a connector that is used on one side only; a circle),
 * WEIR_ENOMEMORY. */
int weir_graph_open(const struct weir_graph_options *options, struct weir_graph **ret,
                    struct weir_error *reterr);
int weir_graph_start(struct weir_graph *graph, struct weir_error *reterr);
/* The sink of a receiver; it refuses signals that no pipeline takes from there. NULL: no pipeline
 * names the receiver. */
struct weir_sink *weir_graph_entry(struct weir_graph *graph, const char *receiver);
/* Whether any pipeline takes that signal from the receiver. */
bool weir_graph_takes(const struct weir_graph *graph, const char *receiver,
                      enum weir_signal signal);
/* Receivers have stopped. From the receivers' end to the exporters'. */
void weir_graph_stop(struct weir_graph *graph, int64_t deadline_ns);
/* Takes NULL. */
void weir_graph_close(struct weir_graph *graph);

#endif
