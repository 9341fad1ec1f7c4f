/* SPDX-License-Identifier: Apache-2.0 */
/* The labels of one log line, and how OTLP becomes them.
 *
 *   stream    Loki's default index labels, from resource attributes: service.name → service_name
 *             ("unknown_service" when absent), service.namespace, k8s.pod.name, …
 *   metadata  every other resource attribute, the scope, the record's attributes (dots → _),
 * trace_id, span_id, severity_text, severity_number, level and detected_level (lower case) parsed
 * what json, logfmt, … found in the line
 *
 * On a clash stream wins over metadata and metadata over parsed; the loser is kept as
 * name_extracted.
 *
 * Threads: owner only. Memory: the arena given to init; views borrowed from block and line.
 */
#ifndef WEIR_LOGQL_LABELS_H
#define WEIR_LOGQL_LABELS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/value.h"

enum { WEIR_LOGQL_LABELS_MAX = 1024 }; /* of one line; more are left out */

enum weir_logql_category {
    WEIR_LOGQL_STREAM,
    WEIR_LOGQL_METADATA,
    WEIR_LOGQL_PARSED,
};

struct weir_logql_label {
    struct weir_view name, value;
    enum weir_logql_category category;
};

struct weir_logql_labels {
    struct weir_arena *arena;
    struct weir_logql_label *items;
    uint32_t count, room;
};

void weir_logql_labels_init(struct weir_logql_labels *labels, struct weir_arena *arena);
/* The value, or NULL. */
const struct weir_view *weir_logql_labels_get(const struct weir_logql_labels *labels,
                                              struct weir_view name);
/* Adds by the clash rule. Names and values are borrowed. */
void weir_logql_labels_add(struct weir_logql_labels *labels, enum weir_logql_category category,
                           struct weir_view name, struct weir_view value);
/* Sets or replaces, keeping the category of a label that is there (label_format, __error__). */
void weir_logql_labels_set(struct weir_logql_labels *labels, struct weir_view name,
                           struct weir_view value);
void weir_logql_labels_remove(struct weir_logql_labels *labels, struct weir_view name);

/* A name that LogQL can spell: every other character becomes _. The view itself when it is one. */
struct weir_view weir_logql_sanitize(struct weir_view name, struct weir_arena *arena);

/* The resource's own: stream labels, then metadata. */
void weir_logql_labels_add_resource(struct weir_logql_labels *labels, struct weir_attrs resource);
/* True when the label can come from the resource's index attributes only; then *ret_key is its
 * attribute name. */
bool weir_logql_is_stream_label(struct weir_view name, struct weir_view *ret_key);

/* What a record adds. */
struct weir_logql_record {
    struct weir_attrs attrs;
    const uint8_t *trace_id, *span_id; /* NULL or all zero: none */
    int64_t severity_number;
    struct weir_view severity_text, scope_name, scope_version, event_name;
};
void weir_logql_labels_add_record(struct weir_logql_labels *labels,
                                  const struct weir_logql_record *record);

/* "error", "warn", … out of a severity; empty when neither says anything. */
struct weir_view weir_logql_level(int64_t severity_number, struct weir_view severity_text,
                                  struct weir_arena *arena);
/* `level` and `detected_level` compare without regard to case, and warning is warn. */
bool weir_logql_level_eq(struct weir_view a, struct weir_view b);
bool weir_logql_is_level_name(struct weir_view name);

#endif
