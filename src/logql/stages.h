/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline on one line: filters drop it, parsers add labels, formats change it.
 *
 * A line that is no JSON object at all passes `json` untouched, without an error (OTLP bodies are
 * often plain text, and their fields are metadata already); one that starts as an object and is
 * malformed gets __error__="JSONParserErr". Numbers that cannot be compared give
 * __error__="LabelFilterErr" and the line stays, as in Loki.
 *
 * Threads: owner only. Memory: the entry's arena.
 */
#ifndef WEIR_LOGQL_STAGES_H
#define WEIR_LOGQL_STAGES_H

#include "logql/ast.h"
#include "logql/labels.h"

struct weir_logql_entry {
    int64_t time_ns;
    struct weir_view line;
    struct weir_logql_labels labels;
    bool labels_ready; /* labels are filled in (by `fill`) before the first stage that looks at them
                        */
    void (*fill)(void *arg, struct weir_logql_entry *entry);
    void *fill_arg;
    struct weir_arena *arena;
    uint32_t *memo; /* of the line's resource within its block, 0 at first: a visitor may keep there
                       what follows from the stream labels alone */
};

/* False when the line is dropped. */
bool weir_logql_stages_run(const struct weir_logql_stage *stages, struct weir_logql_entry *entry);
/* The labels, filled in. */
struct weir_logql_labels *weir_logql_entry_labels(struct weir_logql_entry *entry);
/* True when the matchers of a selector accept the labels; a missing label counts as "". */
bool weir_logql_matchers_accept(const struct weir_logql_log *log,
                                const struct weir_logql_labels *labels);
/* The unwrapped number of a line: false when the label is missing (the line then counts for
 * nothing); a label that is no number sets __error__="SampleExtractionErr". */
bool weir_logql_unwrap_value(const struct weir_logql_unwrap *unwrap, struct weir_logql_entry *entry,
                             double *ret);

/* Parsers, in stages_parse.c. */
void weir_logql_parse_json(const struct weir_logql_stage *stage, struct weir_logql_entry *entry);
void weir_logql_parse_logfmt(const struct weir_logql_stage *stage, struct weir_logql_entry *entry);
void weir_logql_parse_regexp(const struct weir_logql_stage *stage, struct weir_logql_entry *entry);
void weir_logql_parse_pattern(const struct weir_logql_stage *stage, struct weir_logql_entry *entry);
void weir_logql_parse_unpack(struct weir_logql_entry *entry);
void weir_logql_set_error(struct weir_logql_entry *entry, const char *error, const char *details);

#endif
