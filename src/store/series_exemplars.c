/* SPDX-License-Identifier: Apache-2.0 */
/* exemplars: those of parts and memtables side by side, series by series in the order of keys. */
#include <stdlib.h>

#include "store/series.h"

struct mem_source {
    struct weir_series_mem *mem;            /* borrowed from the snapshot */
    struct weir_series_mem_entry **entries; /* those that have exemplars */
    uint32_t count, at;
};

struct walk {
    struct weir_query *query;
    const struct weir_series_select *select;
    struct weir_series_snapshot snapshot;
    struct weir_series_part_reader *readers; /* one a part */
    bool *ended;
    uint32_t readers_count;
    struct mem_source mems[WEIR_SERIES_FROZEN_MAX + 1];
    struct weir_buf key;
    struct weir_arena arena; /* of the present series */
    struct weir_series_exemplars set;
};

static int no_memory(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs more memory than one query may use");
}

static int advance(struct walk *w, uint32_t i, struct weir_error *reterr) {
    int code = weir_series_part_reader_next_exemplars(&w->readers[i], reterr);
    w->ended[i] = code == WEIR_END;
    return code == WEIR_END ? 0 : code;
}

static bool smallest(const struct walk *w, struct weir_view *ret) {
    bool found = false;
    for (uint32_t i = 0; i < w->readers_count; i++) {
        struct weir_view key = weir_buf_view(&w->readers[i].key);
        if (w->ended[i] || (found && weir_view_cmp(key, *ret) >= 0)) continue;
        *ret = key;
        found = true;
    }
    for (uint32_t i = 0; i < w->snapshot.mems_count; i++) {
        const struct mem_source *m = &w->mems[i];
        if (m->at == m->count || (found && weir_view_cmp(m->entries[m->at]->key, *ret) >= 0))
            continue;
        *ret = m->entries[m->at]->key;
        found = true;
    }
    return found;
}

static bool copy_from_mem(struct walk *w, struct mem_source *m) {
    const struct weir_series_exemplars *from = &m->entries[m->at]->exemplars;
    bool ok = true;
    pthread_rwlock_rdlock(&m->mem->lock);
    for (uint32_t i = 0; i < from->count && ok; i++) {
        const struct weir_series_exemplar *one = from->items[i];
        if (one->time_ms >= w->select->from_ms && one->time_ms <= w->select->until_ms)
            ok = weir_series_exemplars_add(&w->set, &w->arena, one) !=
                 WEIR_SERIES_EXEMPLAR_NO_MEMORY;
    }
    pthread_rwlock_unlock(&m->mem->lock);
    return ok;
}

/* Those of the present key, from all that have it, into the set. */
static int collect(struct walk *w, struct weir_error *reterr) {
    struct weir_view key = weir_buf_view(&w->key);
    for (uint32_t i = 0; i < w->readers_count; i++) {
        struct weir_series_part_reader *reader = &w->readers[i];
        if (w->ended[i] || !weir_view_eq(weir_buf_view(&reader->key), key)) continue;
        int code = weir_series_part_reader_exemplars(reader, &w->arena, &w->set, reterr);
        if (code == 0) code = advance(w, i, reterr);
        if (code) return code;
    }
    for (uint32_t i = 0; i < w->snapshot.mems_count; i++) {
        struct mem_source *m = &w->mems[i];
        if (m->at == m->count || !weir_view_eq(m->entries[m->at]->key, key)) continue;
        if (!copy_from_mem(w, m)) return no_memory(reterr);
        m->at++;
    }
    return 0;
}

static int show(struct walk *w, weir_visit_exemplars *visit, void *arg, bool *ret_go_on,
                struct weir_error *reterr) {
    struct weir_label labels[WEIR_SERIES_LABELS_MAX];
    int count = weir_series_key_labels(weir_buf_view(&w->key), labels, WEIR_SERIES_LABELS_MAX);
    if (count < 0) return weir_error_set(reterr, WEIR_ECORRUPT, "a series key is damaged");
    struct weir_exemplar *shown = WEIR_NEW_ARRAY(&w->arena, struct weir_exemplar, w->set.count);
    for (uint32_t i = 0; shown && i < w->set.count; i++)
        if (!weir_series_exemplar_show(w->set.items[i], &w->arena, &shown[i]))
            return w->arena.failed
                       ? no_memory(reterr)
                       : weir_error_set(reterr, WEIR_ECORRUPT, "an exemplar is damaged");
    if (!shown) return no_memory(reterr);
    w->query->series_read++;
    w->query->rows_read += w->set.count;
    struct weir_exemplar_series series = {.id = weir_view_hash(weir_buf_view(&w->key)),
                                          .labels = labels,
                                          .labels_count = (uint32_t)count,
                                          .exemplars = shown,
                                          .exemplars_count = w->set.count};
    *ret_go_on = visit(arg, &series);
    return 0;
}

static int visit_all(struct walk *w, weir_visit_exemplars *visit, void *arg,
                     struct weir_error *reterr) {
    struct weir_view key;
    bool go_on = true;
    int code = 0;
    while (code == 0 && go_on && smallest(w, &key)) {
        code = weir_query_check(w->query, reterr);
        weir_arena_reset(&w->arena);
        w->set = (struct weir_series_exemplars){0};
        weir_buf_clear(&w->key);
        weir_buf_add_view(&w->key, key);
        if (code == 0) code = collect(w, reterr);
        if (code == 0 && w->set.count) code = show(w, visit, arg, &go_on, reterr);
    }
    return code;
}

static bool open_mem(struct walk *w, struct mem_source *m, struct weir_series_mem *mem) {
    uint32_t found, count = 0;
    m->mem = mem;
    pthread_rwlock_rdlock(&mem->lock);
    bool any = mem->exemplars_count > 0;
    pthread_rwlock_unlock(&mem->lock);
    if (!any) return true;
    if (!weir_series_mem_find(mem, w->select->matchers, w->select->matchers_count, INT64_MIN,
                              INT64_MAX, &w->query->arena, &m->entries, &found))
        return false;
    pthread_rwlock_rdlock(&mem->lock);
    for (uint32_t i = 0; i < found; i++)
        if (m->entries[i]->exemplars.count) m->entries[count++] = m->entries[i];
    pthread_rwlock_unlock(&mem->lock);
    m->count = count;
    return true;
}

static int open_parts(struct walk *w, struct weir_error *reterr) {
    const struct weir_series_select *s = w->select;
    w->readers = calloc(w->snapshot.parts_count + 1U, sizeof *w->readers);
    w->ended = calloc(w->snapshot.parts_count + 1U, sizeof *w->ended);
    if (!w->readers || !w->ended) return no_memory(reterr);
    for (uint32_t i = 0; i < w->snapshot.parts_count; i++) {
        if (w->snapshot.parts[i]->exemplar_pages_count == 0) continue;
        uint32_t at = w->readers_count++;
        int code = weir_series_part_reader_init(&w->readers[at], w->snapshot.parts[i], w->query,
                                                s->matchers, s->matchers_count, s->from_ms,
                                                s->until_ms, reterr);
        if (code == 0) code = advance(w, at, reterr);
        if (code) return code;
    }
    w->query->parts_read += w->readers_count;
    w->query->parts_skipped += w->snapshot.parts_count - w->readers_count;
    return 0;
}

/* An exemplar's time may lie outside of its part's samples, so that all parts are looked at; those
 * without any cost nothing, of the others the pages in the range are read. */
int weir_store_series_exemplars(struct weir_store_table *table, struct weir_query *query,
                                const struct weir_series_select *select,
                                weir_visit_exemplars *visit, void *arg, struct weir_error *reterr) {
    struct walk *w = calloc(1, sizeof *w);
    if (!w) return no_memory(reterr);
    w->query = query;
    w->select = select;
    weir_buf_init(&w->key, WEIR_SERIES_KEY_LEN_MAX);
    weir_arena_init(&w->arena, query->arena.size_bytes_max);
    int code = weir_series_snapshot_init(weir_series_table_of(table), INT64_MIN, INT64_MAX,
                                         &w->snapshot, reterr);
    for (uint32_t i = 0; i < w->snapshot.mems_count && code == 0; i++)
        if (!open_mem(w, &w->mems[i], w->snapshot.mems[i])) code = no_memory(reterr);
    if (code == 0) code = open_parts(w, reterr);
    if (code == 0) code = visit_all(w, visit, arg, reterr);
    for (uint32_t i = 0; i < w->readers_count; i++) weir_series_part_reader_done(&w->readers[i]);
    weir_series_snapshot_done(&w->snapshot);
    weir_buf_done(&w->key);
    weir_arena_done(&w->arena);
    free(w->readers);
    free(w->ended);
    free(w);
    return code;
}
