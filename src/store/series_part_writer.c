/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/crc.h"
#include "base/map.h"
#include "store/part_format.h"
#include "store/series_part.h"

struct posting {
    struct weir_label label;
    uint32_t *ordinals;
    uint32_t count, room;
};

struct weir_series_part_writer {
    struct weir_disk *disk;
    const char *path;
    int fd;
    uint64_t offset, rank, samples_count;
    uint32_t series_count;
    int64_t min_ms, max_ms;
    struct weir_arena arena; /* postings, page lists, metas */
    struct weir_map pairs;   /* (name, value) → index into postings */
    struct posting *postings;
    uint32_t postings_count, postings_room;
    struct weir_map metas;                   /* name → struct weir_metric_meta * */
    struct weir_buf data, series, exemplars; /* pages under way */
    struct weir_buf key, pair, some;         /* last key, scratch, scratch */
    uint32_t series_in_page;
    struct weir_series_page *data_pages, *series_pages;
    uint32_t data_pages_count, data_pages_room, series_pages_count, series_pages_room;
    struct weir_series_posting_page *posting_pages;
    uint32_t posting_pages_count, posting_pages_room;
    struct weir_series_exemplar_page *exemplar_pages; /* the last one is under way */
    uint32_t exemplar_pages_count, exemplar_pages_room, exemplar_ordinal;
};

static int no_memory(const struct weir_series_part_writer *w, struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", w->path);
}

int weir_series_part_writer_open(struct weir_disk *disk, const char *path, uint64_t rank,
                                 struct weir_series_part_writer **ret, struct weir_error *reterr) {
    struct weir_series_part_writer *w = calloc(1, sizeof *w);
    if (!w) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", path);
    w->disk = disk;
    w->rank = rank;
    w->fd = -1;
    w->min_ms = INT64_MAX;
    w->max_ms = INT64_MIN;
    w->offset = WEIR_SERIES_HEADER_SIZE;
    weir_arena_init(&w->arena, 0);
    weir_map_init(&w->pairs);
    weir_map_init(&w->metas);
    weir_buf_init(&w->data, WEIR_SERIES_PAGE_RAW_MAX);
    weir_buf_init(&w->series, WEIR_SERIES_PAGE_RAW_MAX);
    weir_buf_init(&w->key, WEIR_SERIES_KEY_LEN_MAX);
    weir_buf_init(&w->pair, WEIR_SERIES_KEY_LEN_MAX * 2);
    weir_buf_init(&w->exemplars, WEIR_SERIES_PAGE_RAW_MAX);
    weir_buf_init(&w->some, WEIR_SERIES_PAGE_RAW_MAX - WEIR_SERIES_PAGE_RAW * 2);
    w->path = weir_arena_strdup(&w->arena, weir_view_str(path));
    int code = w->path ? weir_disk_create(disk, path, &w->fd, reterr)
                       : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", path);
    if (code) {
        weir_series_part_writer_close(w);
        return code;
    }
    *ret = w;
    return 0;
}

void weir_series_part_writer_close(struct weir_series_part_writer *w) {
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    weir_arena_done(&w->arena);
    weir_map_done(&w->pairs);
    weir_map_done(&w->metas);
    weir_buf_done(&w->data);
    weir_buf_done(&w->series);
    weir_buf_done(&w->key);
    weir_buf_done(&w->pair);
    weir_buf_done(&w->exemplars);
    weir_buf_done(&w->some);
    free(w);
}

static int write_page(struct weir_series_part_writer *w, struct weir_buf *raw,
                      struct weir_series_page *ret, struct weir_error *reterr) {
    if (raw->failed) return no_memory(w, reterr);
    int code = weir_series_page_write(w->disk, w->fd, weir_buf_view(raw), &w->offset, ret);
    weir_buf_clear(raw);
    return code
               ? weir_error_set(reterr, code, "cannot write %s: %s", w->path, weir_error_text(code))
               : 0;
}

static int flush_data(struct weir_series_part_writer *w, struct weir_error *reterr) {
    if (w->data.len == 0) return 0;
    struct weir_series_page *page =
        WEIR_PUSH(&w->arena, w->data_pages, w->data_pages_count, w->data_pages_room);
    return page ? write_page(w, &w->data, page, reterr) : no_memory(w, reterr);
}

static int flush_series(struct weir_series_part_writer *w, struct weir_error *reterr) {
    if (w->series_in_page == 0) return 0;
    struct weir_series_page *page =
        WEIR_PUSH(&w->arena, w->series_pages, w->series_pages_count, w->series_pages_room);
    w->series_in_page = 0;
    return page ? write_page(w, &w->series, page, reterr) : no_memory(w, reterr);
}

static bool add_posting(struct weir_series_part_writer *w, const struct weir_label *label) {
    weir_buf_clear(&w->pair);
    weir_series_put_view(&w->pair, label->name);
    weir_series_put_view(&w->pair, label->value);
    uint64_t *found = weir_map_get(&w->pairs, weir_buf_view(&w->pair));
    struct posting *posting = found ? &w->postings[*found] : NULL;
    if (!found) {
        struct weir_view pair = weir_arena_copy(&w->arena, weir_buf_view(&w->pair)), rest = pair;
        if (w->pair.failed || !pair.ptr || !weir_map_put(&w->pairs, pair, w->postings_count, NULL))
            return false;
        posting = WEIR_PUSH(&w->arena, w->postings, w->postings_count, w->postings_room);
        if (!posting) return false;
        weir_series_get_view(&rest, &posting->label.name);
        weir_series_get_view(&rest, &posting->label.value);
    }
    uint32_t *ordinal = WEIR_PUSH(&w->arena, posting->ordinals, posting->count, posting->room);
    if (ordinal) *ordinal = w->series_count;
    return ordinal != NULL;
}

/* The key without what it shares with the one before on the same page. */
static void put_key(struct weir_series_part_writer *w, struct weir_view key) {
    size_t shared = 0;
    while (w->series_in_page && shared < key.len && shared < w->key.len &&
           key.ptr[shared] == w->key.ptr[shared])
        shared++;
    weir_series_put_varint(&w->series, shared);
    weir_series_put_view(&w->series, weir_view_from(key, shared));
    weir_buf_clear(&w->key);
    weir_buf_add_view(&w->key, key);
}

static int put_chunk(struct weir_series_part_writer *w, const int64_t *times_ms,
                     const double *values, uint32_t count, struct weir_error *reterr) {
    size_t offset = w->data.len;
    weir_series_chunk_encode(&w->data, times_ms, values, count);
    weir_series_put_varint(&w->series, w->data_pages_count);
    weir_series_put_varint(&w->series, offset);
    weir_series_put_varint(&w->series, w->data.len - offset);
    weir_series_put_varint(&w->series, count);
    weir_series_put_zigzag(&w->series, times_ms[0]);
    weir_series_put_varint(&w->series, (uint64_t)(times_ms[count - 1] - times_ms[0]));
    return w->data.len >= WEIR_SERIES_PAGE_RAW ? flush_data(w, reterr) : 0;
}

int weir_series_part_writer_add(struct weir_series_part_writer *w, struct weir_view key,
                                const int64_t *times_ms, const double *values, uint32_t count,
                                struct weir_error *reterr) {
    struct weir_label labels[WEIR_SERIES_LABELS_MAX];
    int labels_count = weir_series_key_labels(key, labels, WEIR_SERIES_LABELS_MAX);
    if (labels_count < 0)
        return weir_error_set(reterr, WEIR_EBUG, "bad series key for %s", w->path);
    for (int i = 0; i < labels_count; i++)
        if (!add_posting(w, &labels[i])) return no_memory(w, reterr);
    put_key(w, key);
    uint32_t chunks = (count + WEIR_SERIES_CHUNK_SAMPLES_MAX - 1) / WEIR_SERIES_CHUNK_SAMPLES_MAX;
    weir_series_put_varint(&w->series, chunks);
    for (uint32_t at = 0; at < count; at += WEIR_SERIES_CHUNK_SAMPLES_MAX) {
        uint32_t n =
            count - at < WEIR_SERIES_CHUNK_SAMPLES_MAX ? count - at : WEIR_SERIES_CHUNK_SAMPLES_MAX;
        int code = put_chunk(w, times_ms + at, values + at, n, reterr);
        if (code) return code;
    }
    if (times_ms[0] < w->min_ms) w->min_ms = times_ms[0];
    if (times_ms[count - 1] > w->max_ms) w->max_ms = times_ms[count - 1];
    w->samples_count += count;
    w->series_count++;
    return ++w->series_in_page == WEIR_SERIES_PAGE_SERIES ? flush_series(w, reterr) : 0;
}

static int flush_exemplars(struct weir_series_part_writer *w, struct weir_error *reterr) {
    if (w->exemplars.len == 0) return 0;
    return write_page(w, &w->exemplars, &w->exemplar_pages[w->exemplar_pages_count - 1].page,
                      reterr);
}

int weir_series_part_writer_add_exemplars(struct weir_series_part_writer *w,
                                          const struct weir_series_exemplars *set,
                                          struct weir_error *reterr) {
    if (set->count == 0) return 0;
    uint32_t ordinal = w->series_count - 1;
    int64_t min_ms = set->items[0]->time_ms, max_ms = set->items[set->count - 1]->time_ms;
    if (w->exemplars.len == 0) {
        struct weir_series_exemplar_page *fresh = WEIR_PUSH(
            &w->arena, w->exemplar_pages, w->exemplar_pages_count, w->exemplar_pages_room);
        if (!fresh) return no_memory(w, reterr);
        fresh->ordinal = ordinal;
        fresh->min_ms = min_ms;
        fresh->max_ms = max_ms;
        w->exemplar_ordinal = 0;
    }
    struct weir_series_exemplar_page *page = &w->exemplar_pages[w->exemplar_pages_count - 1];
    if (min_ms < page->min_ms) page->min_ms = min_ms;
    if (max_ms > page->max_ms) page->max_ms = max_ms;
    weir_buf_clear(&w->some);
    weir_series_exemplars_encode(&w->some, set);
    if (w->some.failed) return no_memory(w, reterr);
    weir_series_put_varint(&w->exemplars, ordinal - w->exemplar_ordinal);
    weir_series_put_view(&w->exemplars, weir_buf_view(&w->some));
    w->exemplar_ordinal = ordinal;
    return w->exemplars.len >= WEIR_SERIES_PAGE_RAW ? flush_exemplars(w, reterr) : 0;
}

bool weir_series_part_writer_add_meta(struct weir_series_part_writer *w,
                                      const struct weir_metric_meta *meta) {
    if (weir_map_get(&w->metas, meta->name)) return true;
    struct weir_metric_meta *copy = WEIR_NEW(&w->arena, struct weir_metric_meta);
    if (!copy) return false;
    copy->name = weir_arena_copy(&w->arena, meta->name);
    copy->otlp_name = weir_arena_copy(&w->arena, meta->otlp_name);
    copy->type = weir_arena_copy(&w->arena, meta->type);
    copy->unit = weir_arena_copy(&w->arena, meta->unit);
    copy->help = weir_arena_copy(&w->arena, meta->help);
    return !w->arena.failed && weir_map_put(&w->metas, copy->name, (uint64_t)(uintptr_t)copy, NULL);
}

static int compare_postings(const void *left, const void *right) {
    const struct posting *a = left, *b = right;
    int order = weir_view_cmp(a->label.name, b->label.name);
    return order ? order : weir_view_cmp(a->label.value, b->label.value);
}

static int flush_postings(struct weir_series_part_writer *w, struct weir_error *reterr) {
    if (w->data.len == 0) return 0;
    return write_page(w, &w->data, &w->posting_pages[w->posting_pages_count - 1].page, reterr);
}

/* Posting pages share the data page's buffer, which is empty by now. */
static int write_postings(struct weir_series_part_writer *w, struct weir_error *reterr) {
    if (w->postings_count)
        qsort(w->postings, w->postings_count, sizeof *w->postings, compare_postings);
    for (uint32_t i = 0; i < w->postings_count; i++) {
        const struct posting *posting = &w->postings[i];
        if (w->data.len == 0) {
            struct weir_series_posting_page *page = WEIR_PUSH(
                &w->arena, w->posting_pages, w->posting_pages_count, w->posting_pages_room);
            if (!page) return no_memory(w, reterr);
            page->name = posting->label.name;
            page->value = posting->label.value;
        }
        weir_series_put_view(&w->data, posting->label.name);
        weir_series_put_view(&w->data, posting->label.value);
        weir_series_put_varint(&w->data, posting->count);
        for (uint32_t j = 0; j < posting->count; j++)
            weir_series_put_varint(&w->data,
                                   posting->ordinals[j] - (j ? posting->ordinals[j - 1] : 0));
        int code = w->data.len >= WEIR_SERIES_PAGE_RAW ? flush_postings(w, reterr) : 0;
        if (code) return code;
    }
    return flush_postings(w, reterr);
}

static void put_meta(struct weir_series_part_writer *w, struct weir_buf *out) {
    weir_series_put_varint(out, w->rank);
    weir_series_put_varint(out, w->samples_count);
    weir_series_put_varint(out, w->series_count);
    weir_series_put_zigzag(out, w->series_count ? w->min_ms : 0);
    weir_series_put_zigzag(out, w->series_count ? w->max_ms : 0);
    weir_series_put_varint(out, w->data_pages_count);
    for (uint32_t i = 0; i < w->data_pages_count; i++) weir_series_put_page(out, &w->data_pages[i]);
    weir_series_put_varint(out, w->series_pages_count);
    for (uint32_t i = 0; i < w->series_pages_count; i++)
        weir_series_put_page(out, &w->series_pages[i]);
    weir_series_put_varint(out, w->posting_pages_count);
    for (uint32_t i = 0; i < w->posting_pages_count; i++) {
        weir_series_put_page(out, &w->posting_pages[i].page);
        weir_series_put_view(out, w->posting_pages[i].name);
        weir_series_put_view(out, w->posting_pages[i].value);
    }
    weir_series_put_varint(out, w->metas.count);
    for (uint32_t i = 0; i < w->metas.count; i++) {
        const struct weir_metric_meta *meta =
            (const struct weir_metric_meta *)(uintptr_t)w->metas.entries[i].value;
        weir_series_put_view(out, meta->name);
        weir_series_put_view(out, meta->otlp_name);
        weir_series_put_view(out, meta->type);
        weir_series_put_view(out, meta->unit);
        weir_series_put_view(out, meta->help);
    }
    weir_series_put_varint(out, w->exemplar_pages_count);
    for (uint32_t i = 0; i < w->exemplar_pages_count; i++) {
        const struct weir_series_exemplar_page *page = &w->exemplar_pages[i];
        weir_series_put_page(out, &page->page);
        weir_series_put_varint(out, page->ordinal);
        weir_series_put_zigzag(out, page->min_ms);
        weir_series_put_zigzag(out, page->max_ms);
    }
}

static int write_ends(struct weir_series_part_writer *w, const struct weir_series_page *meta,
                      struct weir_error *reterr) {
    struct weir_buf bytes;
    weir_buf_init(&bytes, 1024);
    weir_part_put_u64(&bytes, meta->offset);
    weir_part_put_u32(&bytes, meta->stored_len);
    weir_part_put_u32(&bytes, meta->raw_len);
    weir_part_put_u32(&bytes, meta->crc);
    weir_part_put_u32(&bytes, WEIR_SERIES_PART_VERSION);
    weir_part_put_u32(&bytes, weir_crc32c(0, bytes.ptr, bytes.len));
    weir_part_put_u32(&bytes, 0);
    weir_buf_add(&bytes, WEIR_SERIES_PART_MAGIC, 8);
    int code = bytes.failed ? WEIR_ENOMEMORY
                            : weir_disk_write(w->disk, w->fd, bytes.ptr, bytes.len, w->offset);
    weir_buf_clear(&bytes);
    weir_buf_add(&bytes, WEIR_SERIES_PART_MAGIC, 8);
    weir_part_put_u32(&bytes, WEIR_SERIES_PART_VERSION);
    weir_part_put_u32(&bytes, 0);
    if (code == 0)
        code = bytes.failed ? WEIR_ENOMEMORY
                            : weir_disk_write(w->disk, w->fd, bytes.ptr, bytes.len, 0);
    weir_buf_done(&bytes);
    if (code == 0) code = weir_disk_sync(w->disk, w->fd);
    return code
               ? weir_error_set(reterr, code, "cannot write %s: %s", w->path, weir_error_text(code))
               : 0;
}

int weir_series_part_writer_finish(struct weir_series_part_writer *w, struct weir_error *reterr) {
    struct weir_series_page meta = {0};
    int code = flush_data(w, reterr);
    if (code == 0) code = flush_series(w, reterr);
    if (code == 0) code = flush_exemplars(w, reterr);
    if (code == 0) code = write_postings(w, reterr);
    if (code) return code;
    weir_buf_clear(&w->data);
    put_meta(w, &w->data);
    code = write_page(w, &w->data, &meta, reterr);
    return code ? code : write_ends(w, &meta, reterr);
}
