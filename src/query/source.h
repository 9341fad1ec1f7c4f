/* SPDX-License-Identifier: Apache-2.0 */
/* Where answers come from: the only way out of the store. A remote engine can stand behind the same
 * calls. Languages know this interface, never the store.
 *
 * Two shapes of data:
 *   rows    spans and log records: a time, fixed columns, attributes; read as blocks of columns
 *   series  metrics: labels and samples; labels are the Prometheus translation of the OTLP names
 *
 * Threads: a cursor has one owner; the source itself serves any thread.
 * Memory: what a cursor gives is borrowed until its next call; copy what must live longer.
 */
#ifndef WEIR_QUERY_SOURCE_H
#define WEIR_QUERY_SOURCE_H

#include "base/value.h"
#include "query/query.h"

/* ---- rows ------------------------------------------------------------------------------------ */

enum weir_table { WEIR_TABLE_SPANS, WEIR_TABLE_LOGS };

/* What a column holds; the comment gives its element type in a block. */
enum weir_column_id {
    WEIR_COLUMN_TIME_NS,       /* i64: span start; log time (observed time when unknown) */
    WEIR_COLUMN_TRACE_ID,      /* bytes, width 16; all zero = none */
    WEIR_COLUMN_SPAN_ID,       /* bytes, width 8; all zero = none */
    WEIR_COLUMN_NAME,          /* str; spans: name; logs: event name */
    WEIR_COLUMN_FLAGS,         /* i64 */
    WEIR_COLUMN_RESOURCE,      /* attrs: all of the resource's */
    WEIR_COLUMN_SCOPE_NAME,    /* str */
    WEIR_COLUMN_SCOPE_VERSION, /* str */
    WEIR_COLUMN_ATTRS,         /* attrs: all of the record's */
    WEIR_COLUMN_RESOURCE_ATTR, /* value: one attribute, named by key */
    WEIR_COLUMN_ATTR,          /* value: one attribute, named by key */
    WEIR_COLUMN_ANY_ATTR,      /* value: the record's, or else the resource's (predicates only) */
    /* spans */
    WEIR_COLUMN_DURATION_NS,    /* i64 */
    WEIR_COLUMN_PARENT_SPAN_ID, /* bytes, width 8; all zero = root */
    WEIR_COLUMN_KIND,           /* i64, enum weir_span_kind */
    WEIR_COLUMN_STATUS_CODE,    /* i64, enum weir_span_status */
    WEIR_COLUMN_STATUS_MESSAGE, /* str */
    WEIR_COLUMN_TRACE_STATE,    /* str */
    WEIR_COLUMN_EVENTS,         /* str: bytes of the Span message with only its events (field 11) */
    WEIR_COLUMN_LINKS,          /* str: bytes of the Span message with only its links (field 13) */
    /* logs */
    WEIR_COLUMN_OBSERVED_NS,     /* i64 */
    WEIR_COLUMN_SEVERITY_NUMBER, /* i64 */
    WEIR_COLUMN_SEVERITY_TEXT,   /* str */
    WEIR_COLUMN_BODY,            /* value */
};

struct weir_column {
    enum weir_column_id id;
    struct weir_view key; /* of the …_ATTR columns; else empty */
};

enum weir_column_type {
    WEIR_COLUMN_TYPE_I64,
    WEIR_COLUMN_TYPE_BYTES, /* fixed width */
    WEIR_COLUMN_TYPE_STR,
    WEIR_COLUMN_TYPE_VALUE, /* WEIR_VALUE_NONE where the row has no such attribute */
    WEIR_COLUMN_TYPE_ATTRS,
};

/* One column's rows. Exactly the array of its type is set. Where the column is dictionary-encoded,
 * `codes` and `dict*` are set too, so that a filter may look at each distinct entry once. */
struct weir_column_data {
    enum weir_column_type type;
    uint32_t width; /* BYTES: bytes per row */
    const int64_t *i64;
    const uint8_t *bytes;
    const struct weir_view *str;
    const struct weir_value *values;
    const struct weir_attrs *attrs;
    const uint32_t *codes;                /* per row: index into the dictionary; or NULL */
    const struct weir_view *dict_str;     /* STR */
    const struct weir_value *dict_values; /* VALUE */
    const struct weir_attrs *dict_attrs;  /* ATTRS */
    uint32_t dict_count;
};

enum { WEIR_BLOCK_ROWS_MAX = 8192 };

struct weir_block {
    uint32_t rows_count;                    /* ≤ WEIR_BLOCK_ROWS_MAX; rows ascend by time */
    const struct weir_column_data *columns; /* in the order asked for */
    uint32_t columns_count;
    /* Every row that is still to come has a time ≤ bound (newest first) or ≥ bound (oldest first):
     * whoever wants the first n may stop there. */
    int64_t bound_ns;
};

enum weir_op {
    WEIR_OP_EQ,
    WEIR_OP_NE,
    WEIR_OP_LT,
    WEIR_OP_LE,
    WEIR_OP_GT,
    WEIR_OP_GE,
    WEIR_OP_MATCH,    /* by function, e.g. a regular expression */
    WEIR_OP_CONTAINS, /* BODY or STR holds value.str */
};

/* A hint: every row that satisfies all predicates is delivered; others may be too, so whoever asks
 * checks again. A row without the column never satisfies EQ, LT, …, CONTAINS. */
struct weir_predicate {
    struct weir_column column;
    enum weir_op op;
    struct weir_value value;
    bool (*match)(const void *ctx, struct weir_view str); /* WEIR_OP_MATCH */
    const void *match_ctx;
};

struct weir_select {
    enum weir_table table;
    int64_t from_ns, until_ns; /* from ≤ time < until */
    const struct weir_column *columns;
    uint32_t columns_count;
    const struct weir_predicate *predicates;
    uint32_t predicates_count;
    bool newest_first; /* order of the blocks (rows inside a block always ascend) */
};

struct weir_cursor {
    /* 0 and a block, WEIR_END, or an error. */
    int (*next)(struct weir_cursor *cursor, const struct weir_block **ret,
                struct weir_error *reterr);
    void (*close)(struct weir_cursor *cursor);
};

/* ---- series ---------------------------------------------------------------------------------- */

struct weir_label {
    struct weir_view name, value;
};

struct weir_matcher {
    struct weir_view name;
    enum weir_op op;        /* EQ, NE, MATCH; a missing label counts as "" */
    bool negate;            /* with MATCH: !~ */
    struct weir_view value; /* EQ, NE */
    bool (*match)(const void *ctx, struct weir_view str);
    const void *match_ctx;
};

struct weir_series {
    uint64_t id;                     /* the same series has the same id within one source */
    const struct weir_label *labels; /* sorted by name, with __name__ */
    uint32_t labels_count;
    const int64_t *times_ms; /* ascending, no duplicates */
    const double *values;    /* NaN with bits 0x7ff0000000000002 = stale */
    uint32_t samples_count;
};

struct weir_series_select {
    const struct weir_matcher *matchers;
    uint32_t matchers_count;
    int64_t from_ms, until_ms; /* from ≤ time ≤ until */
    bool labels_only;          /* samples are not read: samples_count is 0 */
};

struct weir_series_cursor {
    int (*next)(struct weir_series_cursor *cursor, const struct weir_series **ret,
                struct weir_error *reterr);
    void (*close)(struct weir_series_cursor *cursor);
};

/* A measurement that went into a sample near its time, and the trace that it was made in. */
struct weir_exemplar {
    int64_t time_ms;
    double value;
    const uint8_t *trace_id;         /* 16 bytes or NULL */
    const uint8_t *span_id;          /* 8 bytes or NULL */
    const struct weir_label *labels; /* its other attributes, sorted by name */
    uint32_t labels_count;
};

struct weir_exemplar_series {
    uint64_t id;                     /* as in struct weir_series */
    const struct weir_label *labels; /* sorted by name, with __name__ */
    uint32_t labels_count;
    const struct weir_exemplar *exemplars; /* ascending times, at least one */
    uint32_t exemplars_count;
};

struct weir_metric_meta {
    struct weir_view name;      /* Prometheus family name, e.g. http_requests_total */
    struct weir_view otlp_name; /* http.requests */
    struct weir_view type;      /* counter, gauge, histogram, summary, unknown */
    struct weir_view unit, help;
};

struct weir_source_stats {
    uint64_t spans_count, logs_count, samples_count, series_count;
    uint64_t disk_bytes[3]; /* by enum weir_signal order: traces, metrics, logs */
    uint64_t wal_bytes, memory_bytes, parts_count;
    int64_t oldest_ns, newest_ns; /* 0 when empty */
};

/* ---- the interface --------------------------------------------------------------------------- */

/* Visitors return false to stop. Views are borrowed for the call. */
typedef bool weir_visit_name(void *arg, struct weir_view name, enum weir_column_id scope,
                             enum weir_value_type type);
typedef bool weir_visit_value(void *arg, struct weir_value value);
typedef bool weir_visit_meta(void *arg, const struct weir_metric_meta *meta);
typedef bool weir_visit_exemplars(void *arg, const struct weir_exemplar_series *series);
/* Live rows, as they are stored; called on a store thread: copy and return at once. The block has
 * the columns asked for in weir_source.tail. */
typedef void weir_tail_rows(void *arg, const struct weir_block *block);
struct weir_tail;

struct weir_source {
    int (*select)(struct weir_source *source, struct weir_query *query,
                  const struct weir_select *select, struct weir_cursor **ret,
                  struct weir_error *reterr);
    int (*select_series)(struct weir_source *source, struct weir_query *query,
                         const struct weir_series_select *select, struct weir_series_cursor **ret,
                         struct weir_error *reterr);
    /* Exemplars in the range, by the series that they belong to; series without one are not
     * visited. labels_only has no meaning. NULL: the source has none. */
    int (*exemplars)(struct weir_source *source, struct weir_query *query,
                     const struct weir_series_select *select, weir_visit_exemplars *visit,
                     void *arg, struct weir_error *reterr);
    /* Attribute names that rows of the table carry (scope RESOURCE_ATTR or ATTR). */
    int (*names)(struct weir_source *source, struct weir_query *query, enum weir_table table,
                 int64_t from_ns, int64_t until_ns, weir_visit_name *visit, void *arg,
                 struct weir_error *reterr);
    /* Distinct values of one column. */
    int (*values)(struct weir_source *source, struct weir_query *query, enum weir_table table,
                  struct weir_column column, int64_t from_ns, int64_t until_ns,
                  weir_visit_value *visit, void *arg, struct weir_error *reterr);
    int (*metadata)(struct weir_source *source, struct weir_query *query, weir_visit_meta *visit,
                    void *arg, struct weir_error *reterr);
    /* Subscribes until tail_close. */
    int (*tail)(struct weir_source *source, enum weir_table table,
                const struct weir_column *columns, uint32_t columns_count, weir_tail_rows *rows,
                void *arg, struct weir_tail **ret, struct weir_error *reterr);
    void (*tail_close)(struct weir_source *source, struct weir_tail *tail);
    void (*stats)(struct weir_source *source, struct weir_source_stats *ret);
};

#endif
