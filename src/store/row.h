/* SPDX-License-Identifier: Apache-2.0 */
/* One span or log record as the store moves it: from a batch into the memtable, from there (sorted)
 * into a part, out of parts into a merge.
 *
 * Both tables share one struct; `enum weir_table` decides which fields mean something. The list of
 * plain columns (weir_row_columns) is the only place that knows which column lies in which field.
 *
 * Threads: values. Memory: everything is borrowed from the memtable or block that the row lies in.
 */
#ifndef WEIR_STORE_ROW_H
#define WEIR_STORE_ROW_H

#include "base/arena.h"
#include "query/source.h"

struct weir_row_resource {
    struct weir_attrs attrs;
    struct weir_view encoded; /* as weir_codec_encode_attrs writes them */
};

struct weir_row {
    int64_t time_ns;
    union {
        int64_t duration_ns; /* spans; negative when the sender's end lies before its start */
        int64_t observed_ns; /* logs */
    };
    int64_t flags;
    union {
        int64_t kind;            /* spans */
        int64_t severity_number; /* logs */
    };
    int64_t status_code;  /* spans */
    uint8_t trace_id[16]; /* all zero = none */
    uint8_t span_id[8];
    uint8_t parent_span_id[8]; /* spans */
    const struct weir_row_resource *resource;
    struct weir_view scope_name, scope_version;
    struct weir_view name; /* span name, or the log record's event name */
    union {
        struct weir_view status_message; /* spans */
        struct weir_view severity_text;  /* logs */
    };
    struct weir_view trace_state, events, links; /* spans */
    struct weir_value body;                      /* logs */
    struct weir_attrs attrs;                     /* the record's own; no key twice */
};

/* How a plain column (one that has a field of its own) lies in the row. */
struct weir_row_column {
    enum weir_column_id id;
    enum weir_column_type type; /* I64, BYTES, STR, VALUE */
    uint8_t width;              /* BYTES */
    uint8_t tables;             /* bit per enum weir_table */
    uint8_t number;             /* its number on disk, for ever */
    uint16_t offset;            /* in struct weir_row */
};

/* All plain columns; ends with width 0, tables 0. */
extern const struct weir_row_column weir_row_columns[];
/* The plain column, or NULL when the table has none of that id. */
const struct weir_row_column *weir_row_column_get(enum weir_table table, enum weir_column_id id);

/* The field of a row as a value (BYTES for ids, STRING for strings). */
struct weir_value weir_row_field(const struct weir_row *row, const struct weir_row_column *column);
/* Any column but RESOURCE and ATTRS as a value; NONE when the row does not have it. */
struct weir_value weir_row_value(const struct weir_row *row, enum weir_table table,
                                 const struct weir_column *column);

/* Does the predicate let this value pass? Types that cannot be compared pass: whoever asked checks
 * again by the rules of its language. */
bool weir_predicate_holds(const struct weir_predicate *predicate, struct weir_value value);

/* Can an integer between min and max pass? (min > max: there is none, says nothing.) */
bool weir_predicate_may_hold_range(const struct weir_predicate *predicate, int64_t min,
                                   int64_t max);

/* Builds the columns asked for out of rows. `ret_columns`: room for columns_count. Rows are
 * borrowed by the result. False when the arena is out. */
bool weir_rows_to_columns(struct weir_arena *arena, enum weir_table table,
                          const struct weir_row *const *rows, uint32_t rows_count,
                          const struct weir_column *columns, uint32_t columns_count,
                          struct weir_column_data *ret_columns);

/* Sorts by time, and as they lay where times are equal. */
void weir_rows_sort(const struct weir_row **rows, const struct weir_row **scratch, size_t count);

#endif
