/* SPDX-License-Identifier: Apache-2.0 */
/* select_series: parts and memtables side by side, series by series in the order of keys. */
#include <stdlib.h>

#include "store/series.h"

struct mem_source {
    struct weir_series_mem *mem; /* borrowed from the snapshot */
    struct weir_series_mem_entry **entries;
    uint32_t count, at;
};

struct cursor {
    struct weir_series_cursor base;
    struct weir_query *query;
    struct weir_series_snapshot snapshot;
    struct weir_series_part_reader *readers; /* one a part, oldest first */
    bool *ended;
    uint32_t readers_count;
    struct mem_source mems[WEIR_SERIES_FROZEN_MAX + 1];
    int64_t from_ms, until_ms;
    bool labels_only;
    struct weir_buf key;
    struct weir_label labels[WEIR_SERIES_LABELS_MAX];
    struct weir_series_samples samples;
    struct weir_series series;
};

static void close_cursor(struct weir_series_cursor *base) {
    struct cursor *c = (struct cursor *)base;
    for (uint32_t i = 0; i < c->readers_count; i++) weir_series_part_reader_done(&c->readers[i]);
    weir_series_snapshot_done(&c->snapshot);
    weir_series_samples_done(&c->samples);
    weir_buf_done(&c->key);
    free(c->readers);
    free(c->ended);
    free(c);
}

static int advance(struct cursor *c, uint32_t i, struct weir_error *reterr) {
    int code = weir_series_part_reader_next(&c->readers[i], reterr);
    c->ended[i] = code == WEIR_END;
    return code == WEIR_END ? 0 : code;
}

static bool smallest(const struct cursor *c, struct weir_view *ret) {
    bool found = false;
    for (uint32_t i = 0; i < c->readers_count; i++) {
        struct weir_view key = weir_buf_view(&c->readers[i].key);
        if (c->ended[i] || (found && weir_view_cmp(key, *ret) >= 0)) continue;
        *ret = key;
        found = true;
    }
    for (uint32_t i = 0; i < c->snapshot.mems_count; i++) {
        const struct mem_source *m = &c->mems[i];
        if (m->at == m->count || (found && weir_view_cmp(m->entries[m->at]->key, *ret) >= 0))
            continue;
        *ret = m->entries[m->at]->key;
        found = true;
    }
    return found;
}

static bool copy_samples(struct cursor *c, struct mem_source *m) {
    const struct weir_series_mem_entry *entry = m->entries[m->at];
    struct weir_series_samples *s = &c->samples;
    pthread_rwlock_rdlock(&m->mem->lock);
    bool ok = weir_series_samples_room(s, entry->samples_count);
    for (const struct weir_series_block *b = entry->first; b && ok; b = b->next)
        for (uint32_t i = 0; i < b->count; i++) {
            if (b->samples[i].time_ms < c->from_ms || b->samples[i].time_ms > c->until_ms) continue;
            s->times_ms[s->count] = b->samples[i].time_ms;
            s->values[s->count++] = b->samples[i].value;
        }
    pthread_rwlock_unlock(&m->mem->lock);
    return ok;
}

/* Collects the samples of the present key from all that have it, oldest source first. */
static int collect(struct cursor *c, struct weir_error *reterr) {
    struct weir_view key = weir_buf_view(&c->key);
    c->samples.count = 0;
    for (uint32_t i = 0; i < c->readers_count; i++) {
        if (c->ended[i] || !weir_view_eq(weir_buf_view(&c->readers[i].key), key)) continue;
        int code = c->labels_only
                       ? 0
                       : weir_series_part_reader_samples(&c->readers[i], &c->samples, reterr);
        if (code == 0) code = advance(c, i, reterr);
        if (code) return code;
    }
    for (uint32_t i = 0; i < c->snapshot.mems_count; i++) {
        struct mem_source *m = &c->mems[i];
        if (m->at == m->count || !weir_view_eq(m->entries[m->at]->key, key)) continue;
        if (!c->labels_only && !copy_samples(c, m))
            return weir_error_set(reterr, WEIR_ENOMEMORY,
                                  "no memory for the samples of one series");
        m->at++;
    }
    if (!weir_series_samples_sort(&c->samples))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the samples of one series");
    return 0;
}

static int next(struct weir_series_cursor *base, const struct weir_series **ret,
                struct weir_error *reterr) {
    struct cursor *c = (struct cursor *)base;
    struct weir_view key;
    for (;;) {
        int code = weir_query_check(c->query, reterr);
        if (code) return code;
        if (!smallest(c, &key)) return WEIR_END;
        weir_buf_clear(&c->key);
        weir_buf_add_view(&c->key, key);
        code = collect(c, reterr);
        if (code) return code;
        if (c->samples.count || c->labels_only) break;
    }
    int n = weir_series_key_labels(weir_buf_view(&c->key), c->labels, WEIR_SERIES_LABELS_MAX);
    if (n < 0) return weir_error_set(reterr, WEIR_ECORRUPT, "a series key is damaged");
    c->query->series_read++;
    c->query->rows_read += c->samples.count;
    c->series = (struct weir_series){.id = weir_view_hash(weir_buf_view(&c->key)),
                                     .labels = c->labels,
                                     .labels_count = (uint32_t)n,
                                     .times_ms = c->samples.times_ms,
                                     .values = c->samples.values,
                                     .samples_count = c->samples.count};
    *ret = &c->series;
    return 0;
}

static int open_parts(struct cursor *c, const struct weir_series_select *select,
                      struct weir_error *reterr) {
    uint32_t count = c->snapshot.parts_count;
    c->readers = calloc(count + 1, sizeof *c->readers);
    c->ended = calloc(count + 1, sizeof *c->ended);
    if (!c->readers || !c->ended)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read series");
    for (uint32_t i = 0; i < count; i++) {
        c->readers_count++;
        int code = weir_series_part_reader_init(&c->readers[i], c->snapshot.parts[i], c->query,
                                                select->matchers, select->matchers_count,
                                                select->from_ms, select->until_ms, reterr);
        if (code == 0) code = advance(c, i, reterr);
        if (code) return code;
    }
    c->query->parts_read += count;
    c->query->parts_skipped += c->snapshot.parts_skipped;
    return 0;
}

int weir_store_series_select(struct weir_store_table *table, struct weir_query *query,
                             const struct weir_series_select *select,
                             struct weir_series_cursor **ret, struct weir_error *reterr) {
    struct cursor *c = calloc(1, sizeof *c);
    if (!c) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read series");
    c->base = (struct weir_series_cursor){next, close_cursor};
    c->query = query;
    c->from_ms = select->from_ms;
    c->until_ms = select->until_ms;
    c->labels_only = select->labels_only;
    weir_buf_init(&c->key, WEIR_SERIES_KEY_LEN_MAX);
    int code = weir_series_snapshot_init(weir_series_table_of(table), select->from_ms,
                                         select->until_ms, &c->snapshot, reterr);
    for (uint32_t i = 0; i < c->snapshot.mems_count && code == 0; i++) {
        c->mems[i].mem = c->snapshot.mems[i];
        if (!weir_series_mem_find(c->mems[i].mem, select->matchers, select->matchers_count,
                                  select->from_ms, select->until_ms, &query->arena,
                                  &c->mems[i].entries, &c->mems[i].count))
            code = weir_error_set(reterr, WEIR_ENOMEMORY,
                                  "query needs more memory than one query may use");
    }
    if (code == 0) code = open_parts(c, select, reterr);
    if (code)
        close_cursor(&c->base);
    else
        *ret = &c->base;
    return code;
}
