/* SPDX-License-Identifier: Apache-2.0 */
#include "query/query.h"

#include "base/buf.h"
#include "base/clock.h"

void weir_query_init(struct weir_query *query, size_t memory_max, int64_t timeout_ns) {
    *query = (struct weir_query){
        .deadline_ns = timeout_ns > 0 ? weir_clock_mono_ns() + timeout_ns : 0,
    };
    weir_arena_init(&query->arena, memory_max);
}

void weir_query_done(struct weir_query *query) {
    if (query) weir_arena_done(&query->arena);
}

void weir_query_cancel(struct weir_query *query) {
    atomic_store_explicit(&query->canceled, true, memory_order_relaxed);
}

static bool is_canceled(struct weir_query *query) {
    if (atomic_load_explicit(&query->canceled, memory_order_relaxed)) return true;
    return query->is_canceled && query->is_canceled(query->is_canceled_arg);
}

int weir_query_check(struct weir_query *query, struct weir_error *reterr) {
    if (is_canceled(query)) return weir_error_set(reterr, WEIR_ECANCELED, "the query was canceled");
    if (query->deadline_ns && weir_clock_mono_ns() >= query->deadline_ns)
        return weir_error_set(reterr, WEIR_ETIMEOUT,
                              "the query took too long; ask for a shorter time range or name more "
                              "conditions");
    if (query->bytes_read_max && query->bytes_read > query->bytes_read_max)
        return weir_error_set(
            reterr, WEIR_ELIMIT,
            "the query would read more than %llu bytes; ask for a shorter time range "
            "or name more conditions",
            (unsigned long long)query->bytes_read_max);
    if (query->rows_max && query->rows_read > query->rows_max)
        return weir_error_set(reterr, WEIR_ELIMIT,
                              "the query would look at more than %llu rows; ask for a shorter time "
                              "range or name more conditions",
                              (unsigned long long)query->rows_max);
    if (query->arena.failed)
        return weir_error_set(reterr, WEIR_ENOMEMORY,
                              "the query needs more than its %zu bytes of memory; ask for less",
                              query->arena.size_bytes_max);
    return WEIR_OK;
}

void weir_query_add_explain(const struct weir_query *query, struct weir_buf *json) {
    const struct {
        const char *name;
        uint64_t value;
    } costs[] = {
        {"bytesRead", query->bytes_read},         {"bytesDecoded", query->bytes_decoded},
        {"rowsRead", query->rows_read},           {"blocksRead", query->blocks_read},
        {"blocksSkipped", query->blocks_skipped}, {"partsRead", query->parts_read},
        {"partsSkipped", query->parts_skipped},   {"seriesRead", query->series_read},
        {"memoryBytes", query->arena.size_bytes},
    };
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
        weir_buf_printf(json, "%s\"%s\":%llu", i ? "," : "{", costs[i].name,
                        (unsigned long long)costs[i].value);
    weir_buf_add_char(json, '}');
}
