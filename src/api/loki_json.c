/* SPDX-License-Identifier: Apache-2.0 */
#include "api/loki_json.h"

#include "base/map.h"

void weir_loki_add_labels(struct weir_json_writer *w, const struct weir_logql_label *labels,
                          uint32_t count, unsigned categories) {
    weir_json_begin_object(w);
    for (uint32_t i = 0; i < count; i++) {
        if (!(categories & 1U << labels[i].category)) continue;
        weir_json_key_view(w, labels[i].name);
        weir_json_add_str(w, labels[i].value);
    }
    weir_json_end_object(w);
}

/* ---- streams --------------------------------------------------------------------------------- */

struct stream {
    uint32_t first, last; /* lines, chained by next[] */
};

static struct weir_view stream_key(const struct weir_logql_line *line, unsigned categories,
                                   struct weir_arena *arena) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    for (uint32_t i = 0; i < line->labels_count; i++) {
        if (!(categories & 1U << line->labels[i].category)) continue;
        weir_buf_add_view(&buf, line->labels[i].name);
        weir_buf_add_char(&buf, (char)0xff);
        weir_buf_add_view(&buf, line->labels[i].value);
        weir_buf_add_char(&buf, (char)0xff);
    }
    struct weir_view key = weir_arena_copy(arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return key;
}

static void add_line(struct weir_json_writer *w, const struct weir_logql_line *line,
                     bool categorize) {
    weir_json_begin_array(w);
    weir_json_add_i64_str(w, line->time_ns);
    weir_json_add_str(w, line->line);
    if (categorize) {
        unsigned present = 0;
        for (uint32_t i = 0; i < line->labels_count; i++) present |= 1U << line->labels[i].category;
        weir_json_begin_object(w);
        if (present & 1U << WEIR_LOGQL_METADATA) {
            weir_json_key(w, "structuredMetadata");
            weir_loki_add_labels(w, line->labels, line->labels_count, 1U << WEIR_LOGQL_METADATA);
        }
        if (present & 1U << WEIR_LOGQL_PARSED) {
            weir_json_key(w, "parsed");
            weir_loki_add_labels(w, line->labels, line->labels_count, 1U << WEIR_LOGQL_PARSED);
        }
        weir_json_end_object(w);
    }
    weir_json_end_array(w);
}

static int chain(const struct weir_logql_lines *lines, unsigned categories,
                 struct weir_arena *arena, struct stream *streams, uint32_t *next,
                 uint32_t *ret_count) {
    struct weir_map map;
    int rc = 0;
    weir_map_init(&map);
    for (uint32_t i = 0; rc == 0 && i < lines->count; i++) {
        bool is_new = false;
        struct weir_view key = stream_key(&lines->items[i], categories, arena);
        uint64_t *slot = weir_map_put(&map, key, *ret_count, &is_new);
        next[i] = UINT32_MAX;
        if (!slot || arena->failed)
            rc = WEIR_ENOMEMORY;
        else if (is_new)
            streams[(*ret_count)++] = (struct stream){i, i};
        else {
            next[streams[*slot].last] = i;
            streams[*slot].last = i;
        }
    }
    weir_map_done(&map);
    return rc;
}

int weir_loki_add_streams(struct weir_json_writer *w, const struct weir_logql_lines *lines,
                          bool categorize, struct weir_arena *arena) {
    unsigned categories = categorize ? 1U << WEIR_LOGQL_STREAM : ~0U;
    struct stream *streams = WEIR_NEW_ARRAY(arena, struct stream, lines->count + 1);
    uint32_t *next = WEIR_NEW_ARRAY(arena, uint32_t, lines->count + 1), count = 0;
    int rc =
        streams && next ? chain(lines, categories, arena, streams, next, &count) : WEIR_ENOMEMORY;
    if (rc != 0) return rc;
    weir_json_begin_array(w);
    for (uint32_t s = 0; s < count; s++) {
        const struct weir_logql_line *first = &lines->items[streams[s].first];
        weir_json_begin_object(w);
        weir_json_key(w, "stream");
        weir_loki_add_labels(w, first->labels, first->labels_count, categories);
        weir_json_key(w, "values");
        weir_json_begin_array(w);
        for (uint32_t i = streams[s].first; i != UINT32_MAX; i = next[i])
            add_line(w, &lines->items[i], categorize);
        weir_json_end_array(w);
        weir_json_end_object(w);
    }
    weir_json_end_array(w);
    return 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void add_sample(struct weir_json_writer *w, int64_t time_ns, double value) {
    struct weir_buf number;
    weir_buf_init(&number, 400);
    weir_json_begin_array(w);
    int64_t time_ms = time_ns / 1000000;
    weir_json_add_f64(w, (double)time_ms / 1e3);
    weir_json_format_f64(&number, value);
    weir_json_add_str(w, weir_buf_view(&number));
    weir_json_end_array(w);
    weir_buf_done(&number);
}

static bool has_values(const struct weir_logql_matrix *m, const struct weir_logql_series *series) {
    for (uint32_t i = 0; i < m->steps; i++)
        if (!weir_logql_is_absent(series->values[i])) return true;
    return false;
}

static void add_series(struct weir_json_writer *w, const struct weir_logql_matrix *m,
                       const struct weir_logql_series *series, bool instant) {
    weir_json_begin_object(w);
    weir_json_key(w, "metric");
    weir_loki_add_labels(w, series->labels, series->labels_count, ~0U);
    weir_json_key(w, instant ? "value" : "values");
    if (!instant) weir_json_begin_array(w);
    for (uint32_t i = 0; i < m->steps; i++)
        if (!weir_logql_is_absent(series->values[i]))
            add_sample(w, m->start_ns + (int64_t)i * m->step_ns, series->values[i]);
    if (!instant) weir_json_end_array(w);
    weir_json_end_object(w);
}

void weir_loki_add_matrix(struct weir_json_writer *w, const struct weir_logql_matrix *m,
                          bool instant) {
    bool scalar = instant && m->is_scalar && m->count;
    weir_json_key(w, "resultType");
    weir_json_add_cstr(w, scalar ? "scalar" : instant ? "vector" : "matrix");
    weir_json_key(w, "result");
    if (scalar) {
        add_sample(w, m->start_ns, m->series[0].values[0]);
        return;
    }
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < m->count; i++)
        if (has_values(m, &m->series[i])) add_series(w, m, &m->series[i], instant);
    weir_json_end_array(w);
}

void weir_loki_add_stats(struct weir_json_writer *w, const struct weir_query *query,
                         int64_t took_ns, uint64_t entries) {
    double seconds = (double)took_ns / 1e9;
    struct {
        const char *name;
        double value;
    } rows[] = {
        {"bytesProcessedPerSecond", seconds > 0 ? (double)query->bytes_decoded / seconds : 0},
        {"linesProcessedPerSecond", seconds > 0 ? (double)query->rows_read / seconds : 0},
        {"totalBytesProcessed", (double)query->bytes_decoded},
        {"totalLinesProcessed", (double)query->rows_read},
        {"execTime", seconds},
        {"queueTime", 0},
        {"subqueries", 0},
        {"totalEntriesReturned", (double)entries},
        {"splits", 0},
        {"shards", 0},
    };
    weir_json_key(w, "stats");
    weir_json_begin_object(w);
    weir_json_key(w, "summary");
    weir_json_begin_object(w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_json_key(w, rows[i].name);
        if (i == 4)
            weir_json_add_f64(w, rows[i].value);
        else
            weir_json_add_i64(w, (int64_t)rows[i].value);
    }
    weir_json_end_object(w);
    weir_json_end_object(w);
}
