/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_part.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/crc.h"
#include "store/part_format.h"

static int corrupt(const struct weir_series_part *part, const char *what,
                   struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ECORRUPT, "%s is damaged: %s", part->path, what);
}

/* `count` of items that take at least one byte each; NULL when they cannot be there. */
static void *array_of(struct weir_series_part *part, struct weir_view rest, uint32_t count,
                      size_t size) {
    return count > rest.len ? NULL : weir_arena_calloc(&part->arena, count + 1U, size);
}

static bool get_pages(struct weir_series_part *part, struct weir_view *rest,
                      struct weir_series_page **ret, uint32_t *ret_count) {
    if (!weir_series_get_u32(rest, ret_count)) return false;
    *ret = array_of(part, *rest, *ret_count, sizeof **ret);
    for (uint32_t i = 0; *ret && i < *ret_count; i++)
        if (!weir_series_get_page(rest, &(*ret)[i])) return false;
    return *ret != NULL;
}

static bool get_postings(struct weir_series_part *part, struct weir_view *rest) {
    if (!weir_series_get_u32(rest, &part->posting_pages_count)) return false;
    part->posting_pages =
        array_of(part, *rest, part->posting_pages_count, sizeof *part->posting_pages);
    for (uint32_t i = 0; part->posting_pages && i < part->posting_pages_count; i++) {
        struct weir_series_posting_page *page = &part->posting_pages[i];
        if (!weir_series_get_page(rest, &page->page) || !weir_series_get_view(rest, &page->name) ||
            !weir_series_get_view(rest, &page->value))
            return false;
    }
    return part->posting_pages != NULL;
}

static bool get_metas(struct weir_series_part *part, struct weir_view *rest) {
    if (!weir_series_get_u32(rest, &part->metas_count)) return false;
    part->metas = array_of(part, *rest, part->metas_count, sizeof *part->metas);
    for (uint32_t i = 0; part->metas && i < part->metas_count; i++) {
        struct weir_metric_meta *meta = &part->metas[i];
        if (!weir_series_get_view(rest, &meta->name) ||
            !weir_series_get_view(rest, &meta->otlp_name) ||
            !weir_series_get_view(rest, &meta->type) || !weir_series_get_view(rest, &meta->unit) ||
            !weir_series_get_view(rest, &meta->help))
            return false;
    }
    return part->metas != NULL;
}

static bool get_exemplar_pages(struct weir_series_part *part, struct weir_view *rest) {
    if (!weir_series_get_u32(rest, &part->exemplar_pages_count)) return false;
    part->exemplar_pages =
        array_of(part, *rest, part->exemplar_pages_count, sizeof *part->exemplar_pages);
    for (uint32_t i = 0; part->exemplar_pages && i < part->exemplar_pages_count; i++) {
        struct weir_series_exemplar_page *page = &part->exemplar_pages[i];
        if (!weir_series_get_page(rest, &page->page) ||
            !weir_series_get_u32(rest, &page->ordinal) || page->ordinal >= part->series_count ||
            !weir_series_get_zigzag(rest, &page->min_ms) ||
            !weir_series_get_zigzag(rest, &page->max_ms))
            return false;
    }
    return part->exemplar_pages != NULL;
}

static bool get_meta(struct weir_series_part *part, uint32_t version, struct weir_view rest) {
    bool ok = weir_series_get_varint(&rest, &part->rank) &&
              weir_series_get_varint(&rest, &part->samples_count) &&
              weir_series_get_u32(&rest, &part->series_count) &&
              weir_series_get_zigzag(&rest, &part->min_ms) &&
              weir_series_get_zigzag(&rest, &part->max_ms) &&
              get_pages(part, &rest, &part->data_pages, &part->data_pages_count) &&
              get_pages(part, &rest, &part->series_pages, &part->series_pages_count) &&
              get_postings(part, &rest) && get_metas(part, &rest) &&
              (version == 1 || get_exemplar_pages(part, &rest));
    uint64_t pages =
        ((uint64_t)part->series_count + WEIR_SERIES_PAGE_SERIES - 1) / WEIR_SERIES_PAGE_SERIES;
    return ok && rest.len == 0 && pages == part->series_pages_count;
}

static int read_trailer(struct weir_series_part *part, struct weir_series_page *ret,
                        uint32_t *ret_version, struct weir_error *reterr) {
    char bytes[WEIR_SERIES_TRAILER_SIZE];
    if (part->size_bytes < WEIR_SERIES_HEADER_SIZE + WEIR_SERIES_TRAILER_SIZE)
        return corrupt(part, "too short", reterr);
    int code =
        weir_disk_read(part->disk, part->fd, bytes, sizeof bytes, part->size_bytes - sizeof bytes);
    if (code)
        return weir_error_set(reterr, code, "cannot read %s: %s", part->path,
                              weir_error_text(code));
    if (memcmp(bytes + 32, WEIR_SERIES_PART_MAGIC, 8) != 0 ||
        weir_part_get_u32(bytes + 24) != weir_crc32c(0, bytes, 24))
        return corrupt(part, "no valid trailer", reterr);
    *ret_version = weir_part_get_u32(bytes + 20);
    if (*ret_version > WEIR_SERIES_PART_VERSION)
        return weir_error_set(reterr, WEIR_EVERSION,
                              "%s was written by a newer version (format %u)", part->path,
                              *ret_version);
    *ret = (struct weir_series_page){weir_part_get_u64(bytes), weir_part_get_u32(bytes + 8),
                                     weir_part_get_u32(bytes + 12), weir_part_get_u32(bytes + 16)};
    bool sane = ret->raw_len <= WEIR_SERIES_PAGE_RAW_MAX && ret->stored_len <= ret->raw_len;
    return sane ? 0 : corrupt(part, "bad trailer", reterr);
}

static int load(struct weir_series_part *part, struct weir_error *reterr) {
    struct weir_series_page page;
    int code = weir_disk_open(part->disk, part->path, &part->fd, reterr);
    if (code) return code;
    code = weir_disk_size(part->fd, &part->size_bytes);
    if (code) return weir_error_set(reterr, code, "cannot read %s", part->path);
    uint32_t version = 0;
    code = read_trailer(part, &page, &version, reterr);
    if (code) return code;
    struct weir_buf raw;
    weir_buf_init(&raw, WEIR_SERIES_PAGE_RAW_MAX + 1);
    code = weir_series_page_read(part->disk, part->fd, &page, &raw, NULL);
    struct weir_view meta =
        code ? weir_view(NULL, 0) : weir_arena_copy(&part->arena, weir_buf_view(&raw));
    weir_buf_done(&raw);
    if (code)
        return weir_error_set(reterr, code, "%s: its meta page cannot be read: %s", part->path,
                              weir_error_text(code));
    return meta.ptr && get_meta(part, version, meta) ? 0 : corrupt(part, "bad meta page", reterr);
}

int weir_series_part_open(struct weir_disk *disk, const char *path, uint64_t id,
                          struct weir_series_part **ret, struct weir_error *reterr) {
    struct weir_series_part *part = calloc(1, sizeof *part);
    char *own = strdup(path);
    if (!part || !own) {
        free(part);
        free(own);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", path);
    }
    atomic_init(&part->refs, 1);
    part->disk = disk;
    part->path = own;
    part->id = id;
    part->fd = -1;
    weir_arena_init(&part->arena, 0);
    int code = load(part, reterr);
    if (code)
        weir_series_part_unref(part);
    else
        *ret = part;
    return code;
}

struct weir_series_part *weir_series_part_ref(struct weir_series_part *part) {
    atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
    return part;
}

void weir_series_part_unref(struct weir_series_part *part) {
    if (!part || atomic_fetch_sub_explicit(&part->refs, 1, memory_order_acq_rel) != 1) return;
    if (atomic_load(&part->doomed)) weir_disk_remove(part->disk, part->path, NULL);
    if (part->fd >= 0) close(part->fd);
    weir_arena_done(&part->arena);
    free(part->path);
    free(part);
}

/* ---- postings: matchers to ordinals ---- */

static int read_page(struct weir_series_part_reader *r, const struct weir_series_page *page,
                     struct weir_buf *raw, struct weir_error *reterr) {
    int code = weir_series_page_read(r->part->disk, r->part->fd, page, raw, r->query);
    if (code == WEIR_ECORRUPT) return corrupt(r->part, "a page's checksum is wrong", reterr);
    return code ? weir_error_set(reterr, code, "cannot read %s: %s", r->part->path,
                                 weir_error_text(code))
                : 0;
}

/* First posting page that may hold (name, value): the last one that does not start behind it. */
static uint32_t first_page(const struct weir_series_part *part, struct weir_view name,
                           struct weir_view value) {
    uint32_t from = 0, until = part->posting_pages_count;
    while (from < until) {
        uint32_t middle = (from + until) / 2;
        int order = weir_view_cmp(part->posting_pages[middle].name, name);
        if (order == 0) order = weir_view_cmp(part->posting_pages[middle].value, value);
        if (order <= 0)
            from = middle + 1;
        else
            until = middle;
    }
    return from ? from - 1 : 0;
}

static bool take_ordinals(struct weir_view *rest, uint32_t count, uint32_t limit, uint64_t *bits,
                          bool set) {
    uint64_t ordinal = 0, delta;
    for (uint32_t i = 0; i < count; i++) {
        if (!weir_series_get_varint(rest, &delta)) return false;
        ordinal += delta;
        if (ordinal >= limit) return false;
        if (!bits) continue;
        if (set)
            bits[ordinal / 64] |= UINT64_C(1) << (ordinal % 64);
        else
            bits[ordinal / 64] &= ~(UINT64_C(1) << (ordinal % 64));
    }
    return true;
}

/* One page's entries of the matcher's name. Sets the bits of values that the matcher takes or, when
 * a missing label satisfies it, clears the bits of those that it does not. *ret_done: past the
 * name. */
static int match_page(struct weir_series_part_reader *r, const struct weir_matcher *m,
                      bool takes_missing, uint64_t *bits, bool *ret_done,
                      struct weir_error *reterr) {
    struct weir_view rest = weir_buf_view(&r->postings), name, value;
    uint32_t count;
    bool exact = m->op == WEIR_OP_EQ && !takes_missing;
    while (rest.len) {
        if (!weir_series_get_view(&rest, &name) || !weir_series_get_view(&rest, &value) ||
            !weir_series_get_u32(&rest, &count))
            return corrupt(r->part, "bad postings", reterr);
        int order = weir_view_cmp(name, m->name);
        if (order > 0 || (order == 0 && exact && weir_view_cmp(value, m->value) > 0)) {
            *ret_done = true;
            return 0;
        }
        bool changes = order == 0 && weir_series_matcher_takes(m, value) != takes_missing;
        if (!take_ordinals(&rest, count, r->part->series_count, changes ? bits : NULL,
                           !takes_missing))
            return corrupt(r->part, "bad postings", reterr);
    }
    return 0;
}

static int match(struct weir_series_part_reader *r, const struct weir_matcher *m, uint64_t *bits,
                 size_t words, struct weir_error *reterr) {
    bool takes_missing = weir_series_matcher_takes(m, WEIR_VIEW("")), done = false;
    memset(bits, takes_missing ? 0xFF : 0, words * sizeof *bits);
    struct weir_view from = m->op == WEIR_OP_EQ && !takes_missing ? m->value : WEIR_VIEW("");
    for (uint32_t i = first_page(r->part, m->name, from); i < r->part->posting_pages_count && !done;
         i++) {
        if (weir_view_cmp(r->part->posting_pages[i].name, m->name) > 0) break;
        int code = read_page(r, &r->part->posting_pages[i].page, &r->postings, reterr);
        if (code == 0) code = match_page(r, m, takes_missing, bits, &done, reterr);
        if (code) return code;
    }
    return 0;
}

static int find(struct weir_series_part_reader *r, const struct weir_matcher *matchers,
                uint32_t count, struct weir_error *reterr) {
    size_t words = r->part->series_count / 64 + 1;
    uint64_t *bits = malloc(words * sizeof *bits);
    r->wanted = malloc(words * sizeof *r->wanted);
    int code = 0;
    if (!bits || !r->wanted) {
        free(bits);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read %s", r->part->path);
    }
    memset(r->wanted, 0xFF, words * sizeof *r->wanted);
    for (uint32_t i = 0; i < count && code == 0; i++) {
        code = match(r, &matchers[i], bits, words, reterr);
        for (size_t w = 0; w < words && code == 0; w++) r->wanted[w] &= bits[w];
    }
    free(bits);
    return code;
}

int weir_series_part_reader_init(struct weir_series_part_reader *r, struct weir_series_part *part,
                                 struct weir_query *query, const struct weir_matcher *matchers,
                                 uint32_t matchers_count, int64_t from_ms, int64_t until_ms,
                                 struct weir_error *reterr) {
    *r = (struct weir_series_part_reader){.part = weir_series_part_ref(part),
                                          .query = query,
                                          .from_ms = from_ms,
                                          .until_ms = until_ms,
                                          .series_page = UINT32_MAX,
                                          .data_page = UINT32_MAX};
    weir_buf_init(&r->postings, WEIR_SERIES_PAGE_RAW_MAX + 1);
    weir_buf_init(&r->series, WEIR_SERIES_PAGE_RAW_MAX + 1);
    weir_buf_init(&r->data, WEIR_SERIES_PAGE_RAW_MAX + 1);
    weir_buf_init(&r->key, WEIR_SERIES_KEY_LEN_MAX);
    weir_buf_init(&r->exemplars, WEIR_SERIES_PAGE_RAW_MAX + 1);
    int code = find(r, matchers, matchers_count, reterr);
    weir_buf_done(&r->postings);
    return code;
}

void weir_series_part_reader_done(struct weir_series_part_reader *r) {
    if (!r->part) return;
    weir_series_part_unref(r->part);
    free(r->wanted);
    free(r->chunks);
    weir_buf_done(&r->postings);
    weir_buf_done(&r->series);
    weir_buf_done(&r->data);
    weir_buf_done(&r->key);
    weir_buf_done(&r->exemplars);
    *r = (struct weir_series_part_reader){0};
}

/* ---- series ---- */

static bool get_chunk(struct weir_view *rest, struct weir_series_chunk_ref *ret) {
    uint64_t span;
    if (!weir_series_get_u32(rest, &ret->page) || !weir_series_get_u32(rest, &ret->offset) ||
        !weir_series_get_u32(rest, &ret->len) || !weir_series_get_u32(rest, &ret->count) ||
        !weir_series_get_zigzag(rest, &ret->min_ms) || !weir_series_get_varint(rest, &span))
        return false;
    ret->max_ms = (int64_t)((uint64_t)ret->min_ms + span);
    return ret->max_ms >= ret->min_ms;
}

/* Reads the entry at `rest`: key and chunks. */
static int read_entry(struct weir_series_part_reader *r, struct weir_error *reterr) {
    uint64_t shared;
    struct weir_view own;
    if (!weir_series_get_varint(&r->rest, &shared) || shared > r->key.len ||
        !weir_series_get_view(&r->rest, &own) || !weir_series_get_u32(&r->rest, &r->chunks_count) ||
        r->chunks_count > r->rest.len)
        return corrupt(r->part, "bad series entry", reterr);
    r->key.len = shared;
    weir_buf_add_view(&r->key, own);
    if (r->chunks_count > r->chunks_room) {
        struct weir_series_chunk_ref *chunks =
            realloc(r->chunks, r->chunks_count * 2U * sizeof *chunks);
        if (!chunks)
            return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read %s", r->part->path);
        r->chunks = chunks;
        r->chunks_room = r->chunks_count * 2;
    }
    for (uint32_t i = 0; i < r->chunks_count; i++)
        if (!get_chunk(&r->rest, &r->chunks[i]))
            return corrupt(r->part, "bad series entry", reterr);
    r->ordinal++;
    return r->key.failed ? corrupt(r->part, "series key too long", reterr) : 0;
}

/* Moves to the entry with this ordinal and reads it. */
static int seek(struct weir_series_part_reader *r, uint32_t ordinal, struct weir_error *reterr) {
    uint32_t page = ordinal / WEIR_SERIES_PAGE_SERIES;
    int code = 0;
    if (page != r->series_page) {
        code = read_page(r, &r->part->series_pages[page], &r->series, reterr);
        r->series_page = page;
        r->rest = weir_buf_view(&r->series);
        r->ordinal = page * WEIR_SERIES_PAGE_SERIES;
        weir_buf_clear(&r->key);
    }
    while (code == 0 && r->ordinal <= ordinal) code = read_entry(r, reterr);
    return code;
}

static bool overlaps(const struct weir_series_part_reader *r) {
    for (uint32_t i = 0; i < r->chunks_count; i++)
        if (r->chunks[i].max_ms >= r->from_ms && r->chunks[i].min_ms <= r->until_ms) return true;
    return false;
}

int weir_series_part_reader_next(struct weir_series_part_reader *r, struct weir_error *reterr) {
    while (r->next < r->part->series_count) {
        uint64_t word = r->wanted[r->next / 64] >> (r->next % 64);
        if (word == 0) {
            r->next = (r->next / 64 + 1) * 64;
            continue;
        }
        r->next += (uint32_t)__builtin_ctzll(word);
        if (r->next >= r->part->series_count) break;
        int code = seek(r, r->next++, reterr);
        if (code) return code;
        if (overlaps(r)) return 0;
    }
    return WEIR_END;
}

/* ---- exemplars ---- */

static bool is_wanted(const struct weir_series_part_reader *r, uint64_t ordinal) {
    return r->wanted[ordinal / 64] >> (ordinal % 64) & 1;
}

/* May the page hold something in the range, of a series that is asked for? */
static bool may_hold(const struct weir_series_part_reader *r, uint32_t at) {
    const struct weir_series_part *part = r->part;
    const struct weir_series_exemplar_page *page = &part->exemplar_pages[at];
    uint64_t until =
        at + 1 < part->exemplar_pages_count ? page[1].ordinal : (uint64_t)part->series_count;
    if (page->max_ms < r->from_ms || page->min_ms > r->until_ms) return false;
    for (uint64_t i = page->ordinal; i < until; i++)
        if (is_wanted(r, i)) return true;
    return false;
}

/* Goes to the next page that may hold something. */
static int next_exemplar_page(struct weir_series_part_reader *r, struct weir_error *reterr) {
    while (r->exemplar_page < r->part->exemplar_pages_count && !may_hold(r, r->exemplar_page))
        r->exemplar_page++;
    if (r->exemplar_page == r->part->exemplar_pages_count) return WEIR_END;
    int code = read_page(r, &r->part->exemplar_pages[r->exemplar_page].page, &r->exemplars, reterr);
    r->exemplar_page++;
    r->exemplars_rest = weir_buf_view(&r->exemplars);
    r->exemplar_ordinal = 0;
    return code;
}

int weir_series_part_reader_next_exemplars(struct weir_series_part_reader *r,
                                           struct weir_error *reterr) {
    for (;;) {
        uint64_t delta;
        int code = r->exemplars_rest.len ? 0 : next_exemplar_page(r, reterr);
        if (code) return code;
        if (!weir_series_get_varint(&r->exemplars_rest, &delta) ||
            !weir_series_get_view(&r->exemplars_rest, &r->some) || delta >= r->part->series_count ||
            r->exemplar_ordinal + delta >= r->part->series_count ||
            (uint32_t)(r->exemplar_ordinal + delta) < r->next)
            return corrupt(r->part, "bad exemplars", reterr);
        r->exemplar_ordinal += delta;
        if (!is_wanted(r, r->exemplar_ordinal)) continue;
        r->next = (uint32_t)r->exemplar_ordinal + 1;
        return seek(r, (uint32_t)r->exemplar_ordinal, reterr);
    }
}

int weir_series_part_reader_exemplars(struct weir_series_part_reader *r, struct weir_arena *arena,
                                      struct weir_series_exemplars *into,
                                      struct weir_error *reterr) {
    struct weir_view rest = r->some;
    struct weir_series_exemplar one;
    int64_t time_ms = 0;
    while (rest.len) {
        if (!weir_series_exemplar_decode(&rest, &time_ms, &one))
            return corrupt(r->part, "bad exemplars", reterr);
        if (time_ms < r->from_ms || time_ms > r->until_ms) continue;
        if (weir_series_exemplars_add(into, arena, &one) == WEIR_SERIES_EXEMPLAR_NO_MEMORY)
            return weir_error_set(reterr, WEIR_ENOMEMORY,
                                  "no memory for the exemplars of one series");
    }
    return 0;
}

/* ---- samples ---- */

bool weir_series_samples_room(struct weir_series_samples *s, uint32_t more) {
    uint64_t wanted = (uint64_t)s->count + more;
    if (wanted <= s->room) return true;
    if (wanted > INT32_MAX) return false;
    uint64_t room = wanted + wanted / 2 + 16;
    int64_t *times = realloc(s->times_ms, room * sizeof *times);
    if (!times) return false;
    s->times_ms = times;
    double *values = realloc(s->values, room * sizeof *values);
    if (!values) return false;
    s->values = values;
    s->room = (uint32_t)room;
    return true;
}

void weir_series_samples_done(struct weir_series_samples *s) {
    free(s->times_ms);
    free(s->values);
    *s = (struct weir_series_samples){0};
}

struct sortable {
    int64_t time_ms;
    uint32_t index;
};

static int by_time(const void *left, const void *right) {
    const struct sortable *a = left, *b = right;
    if (a->time_ms != b->time_ms) return a->time_ms < b->time_ms ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static bool sort_all(struct weir_series_samples *s) {
    struct sortable *order = malloc(s->count * sizeof *order);
    double *values = malloc(s->count * sizeof *values);
    for (uint32_t i = 0; order && values && i < s->count; i++)
        order[i] = (struct sortable){s->times_ms[i], i};
    if (order && values) {
        qsort(order, s->count, sizeof *order, by_time);
        memcpy(values, s->values, s->count * sizeof *values);
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            if (i + 1 < s->count && order[i + 1].time_ms == order[i].time_ms) continue;
            s->times_ms[n] = order[i].time_ms;
            s->values[n++] = values[order[i].index];
        }
        s->count = n;
    }
    bool ok = order && values;
    free(order);
    free(values);
    return ok;
}

bool weir_series_samples_sort(struct weir_series_samples *s) {
    for (uint32_t i = 1; i < s->count; i++)
        if (s->times_ms[i] <= s->times_ms[i - 1]) return sort_all(s);
    return true;
}

/* Removes what lies outside the range of what stands from `from` on. */
static void trim(struct weir_series_samples *s, uint32_t from, int64_t from_ms, int64_t until_ms) {
    uint32_t n = from;
    for (uint32_t i = from; i < s->count; i++) {
        if (s->times_ms[i] < from_ms || s->times_ms[i] > until_ms) continue;
        s->times_ms[n] = s->times_ms[i];
        s->values[n++] = s->values[i];
    }
    s->count = n;
}

static int read_chunk(struct weir_series_part_reader *r, const struct weir_series_chunk_ref *chunk,
                      struct weir_series_samples *into, struct weir_error *reterr) {
    if (chunk->page >= r->part->data_pages_count) return corrupt(r->part, "bad chunk", reterr);
    if (chunk->page != r->data_page) {
        r->data_page = UINT32_MAX;
        int code = read_page(r, &r->part->data_pages[chunk->page], &r->data, reterr);
        if (code) return code;
        r->data_page = chunk->page;
    }
    if (chunk->offset > r->data.len || chunk->len > r->data.len - chunk->offset)
        return corrupt(r->part, "bad chunk", reterr);
    if (chunk->count > WEIR_SERIES_CHUNK_SAMPLES_MAX ||
        !weir_series_samples_room(into, chunk->count))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the samples of one series");
    if (weir_series_chunk_decode(weir_view(r->data.ptr + chunk->offset, chunk->len),
                                 into->times_ms + into->count, into->values + into->count,
                                 chunk->count))
        return corrupt(r->part, "bad chunk", reterr);
    uint32_t from = into->count;
    into->count += chunk->count;
    if (chunk->min_ms < r->from_ms || chunk->max_ms > r->until_ms)
        trim(into, from, r->from_ms, r->until_ms);
    return 0;
}

int weir_series_part_reader_samples(struct weir_series_part_reader *r,
                                    struct weir_series_samples *into, struct weir_error *reterr) {
    for (uint32_t i = 0; i < r->chunks_count; i++) {
        if (r->chunks[i].max_ms < r->from_ms || r->chunks[i].min_ms > r->until_ms) continue;
        int code = read_chunk(r, &r->chunks[i], into, reterr);
        if (code) return code;
    }
    return 0;
}
