/* SPDX-License-Identifier: Apache-2.0 */
/* The store as a source: every question goes to its table. */
#include "store/engine.h"
#include "store/rows.h"

static struct weir_store *store_of(struct weir_source *source) {
    return (struct weir_store *)(void *)((char *)source - offsetof(struct weir_store, source));
}

static struct weir_store_table *rows_table(struct weir_source *source, enum weir_table table) {
    return store_of(source)
        ->tables[table == WEIR_TABLE_SPANS ? WEIR_SIGNAL_TRACE : WEIR_SIGNAL_LOG];
}

static int select_rows(struct weir_source *source, struct weir_query *query,
                       const struct weir_select *select, struct weir_cursor **ret,
                       struct weir_error *reterr) {
    return weir_rows_select(rows_table(source, select->table), query, select, ret, reterr);
}

static int names(struct weir_source *source, struct weir_query *query, enum weir_table table,
                 int64_t from_ns, int64_t until_ns, weir_visit_name *visit, void *arg,
                 struct weir_error *reterr) {
    return weir_rows_names(rows_table(source, table), query, from_ns, until_ns, visit, arg, reterr);
}

static int values(struct weir_source *source, struct weir_query *query, enum weir_table table,
                  struct weir_column column, int64_t from_ns, int64_t until_ns,
                  weir_visit_value *visit, void *arg, struct weir_error *reterr) {
    return weir_rows_values(rows_table(source, table), query, column, from_ns, until_ns, visit, arg,
                            reterr);
}

static int tail(struct weir_source *source, enum weir_table table,
                const struct weir_column *columns, uint32_t columns_count, weir_tail_rows *rows,
                void *arg, struct weir_tail **ret, struct weir_error *reterr) {
    return weir_rows_tail(rows_table(source, table), columns, columns_count, rows, arg, ret,
                          reterr);
}

static void tail_close(struct weir_source *source, struct weir_tail *one) {
    if (one) weir_rows_tail_close(rows_table(source, one->table), one);
}

#ifdef WEIR_STORE_SERIES
static int select_series(struct weir_source *source, struct weir_query *query,
                         const struct weir_series_select *select, struct weir_series_cursor **ret,
                         struct weir_error *reterr) {
    return weir_store_series_select(store_of(source)->tables[WEIR_SIGNAL_METRIC], query, select,
                                    ret, reterr);
}

static int exemplars(struct weir_source *source, struct weir_query *query,
                     const struct weir_series_select *select, weir_visit_exemplars *visit,
                     void *arg, struct weir_error *reterr) {
    return weir_store_series_exemplars(store_of(source)->tables[WEIR_SIGNAL_METRIC], query, select,
                                       visit, arg, reterr);
}

static int metadata(struct weir_source *source, struct weir_query *query, weir_visit_meta *visit,
                    void *arg, struct weir_error *reterr) {
    return weir_store_series_metadata(store_of(source)->tables[WEIR_SIGNAL_METRIC], query, visit,
                                      arg, reterr);
}
#else
static int select_series(struct weir_source *source, struct weir_query *query,
                         const struct weir_series_select *select, struct weir_series_cursor **ret,
                         struct weir_error *reterr) {
    (void)source, (void)query, (void)select, (void)ret;
    return weir_error_set(reterr, WEIR_EUNSUPPORTED, "this build stores no metrics");
}

static int exemplars(struct weir_source *source, struct weir_query *query,
                     const struct weir_series_select *select, weir_visit_exemplars *visit,
                     void *arg, struct weir_error *reterr) {
    (void)source, (void)query, (void)select, (void)visit, (void)arg, (void)reterr;
    return WEIR_OK;
}

static int metadata(struct weir_source *source, struct weir_query *query, weir_visit_meta *visit,
                    void *arg, struct weir_error *reterr) {
    (void)source, (void)query, (void)visit, (void)arg, (void)reterr;
    return WEIR_OK;
}
#endif

static void widen(struct weir_source_stats *ret, const struct weir_store_table_stats *stats) {
    if (!stats->rows_count) return;
    if (!ret->oldest_ns || stats->oldest_ns < ret->oldest_ns) ret->oldest_ns = stats->oldest_ns;
    if (!ret->newest_ns || stats->newest_ns > ret->newest_ns) ret->newest_ns = stats->newest_ns;
}

static void stats(struct weir_source *source, struct weir_source_stats *ret) {
    struct weir_store *store = store_of(source);
    *ret = (struct weir_source_stats){0};
    uint64_t counts[WEIR_STORE_TABLES_COUNT] = {0};
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table *table = store->tables[i];
        struct weir_store_table_stats one;
        struct weir_store_table_load load;
        if (!table) continue;
        table->stats(table, &one);
        table->load(table, &load);
        counts[i] = one.rows_count;
        ret->series_count += one.series_count;
        ret->disk_bytes[i] = one.disk_bytes;
        ret->parts_count += one.parts_count;
        ret->memory_bytes += load.active_bytes + load.frozen_bytes;
        widen(ret, &one);
    }
    ret->spans_count = counts[WEIR_SIGNAL_TRACE];
    ret->samples_count = counts[WEIR_SIGNAL_METRIC];
    ret->logs_count = counts[WEIR_SIGNAL_LOG];
    ret->wal_bytes = weir_wal_bytes(store->wal);
    pthread_mutex_lock(&store->lock);
    ret->memory_bytes += store->pending_bytes;
    pthread_mutex_unlock(&store->lock);
}

void weir_store_source_init(struct weir_store *store) {
    store->source = (struct weir_source){
        .select = select_rows,
        .select_series = select_series,
        .exemplars = exemplars,
        .names = names,
        .values = values,
        .metadata = metadata,
        .tail = tail,
        .tail_close = tail_close,
        .stats = stats,
    };
}
