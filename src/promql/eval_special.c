/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that must see every row: absence, sorting, classic histograms; and dropping the name.
 */
#include "promql/special.h"

#include <math.h>
#include <stdlib.h>

/* ---- without __name__ ---- */

struct nameless {
    struct weir_promql_node node;
    struct weir_label *scratch;
    uint32_t room;
};

static int nameless_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct nameless *n = (struct nameless *)node;
    int code = node->inputs[0]->next(node->inputs[0], ret);
    if (code) return code;
    if (ret->labels_count > n->room) {
        n->room = ret->labels_count * 2;
        n->scratch = weir_arena_alloc(node->run->arena, n->room * sizeof *n->scratch);
        if (!n->scratch) return weir_promql_no_memory(node->run);
    }
    ret->labels =
        weir_promql_labels_drop(ret->labels, &ret->labels_count, WEIR_VIEW("__name__"), n->scratch);
    return 0;
}

struct weir_promql_node *weir_promql_nameless_new(struct weir_promql_node *input) {
    struct nameless *n =
        weir_promql_node_new(input->run, sizeof *n, "without name", input->grid, nameless_next);
    if (!n) return NULL;
    n->node.inputs[n->node.inputs_count++] = input;
    n->node.one_name = true;
    return input->one_name ? &n->node : weir_promql_merge_new(&n->node);
}

/* ---- absent ---- */

struct absent {
    struct weir_promql_node node;
    struct weir_label *labels;
    uint32_t labels_count;
};

static int absent_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct absent *a = (struct absent *)node;
    struct weir_promql_row row;
    int code;
    if (node->started) return WEIR_END;
    node->started = true;
    for (uint32_t i = 0; i < node->grid.count; i++) node->values[i] = 1;
    while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0)
        for (uint32_t i = 0; i < node->grid.count; i++)
            if (!weir_promql_is_absent(row.values[i])) node->values[i] = weir_promql_absent();
    if (code != WEIR_END) return code;
    *ret = (struct weir_promql_row){a->labels, a->labels_count, node->values};
    return weir_promql_values_any(node->values, node->grid.count) ? 0 : WEIR_END;
}

/* The labels that an absent series would have: those that one equality alone fixes. */
static void absent_labels(struct absent *a, const struct weir_promql_expr *selector) {
    for (uint32_t i = 0; i < selector->matchers_count; i++) {
        const struct weir_promql_matcher *m = &selector->matchers[i];
        bool alone = m->match == WEIR_PROMQL_MATCH_EQ && !weir_view_is(m->name, "__name__");
        for (uint32_t j = 0; j < selector->matchers_count; j++)
            alone = alone && (i == j || !weir_view_eq(selector->matchers[j].name, m->name));
        if (!alone) continue;
        struct weir_label *next = a->labels + a->labels_count;
        if (m->value.len == 0) continue;
        for (; next > a->labels && weir_view_cmp(next[-1].name, m->name) > 0; next--)
            *next = next[-1];
        *next = (struct weir_label){m->name, m->value};
        a->labels_count++;
    }
}

struct weir_promql_node *weir_promql_absent_new(struct weir_promql_node *input,
                                                const struct weir_promql_expr *arg) {
    struct absent *a =
        weir_promql_node_new(input->run, sizeof *a, "absent", input->grid, absent_next);
    if (!a) return NULL;
    a->node.inputs[a->node.inputs_count++] = input;
    a->node.one_name = true;
    const struct weir_promql_expr *selector = weir_promql_unwrap(arg);
    if (selector->kind == WEIR_PROMQL_RANGE) selector = selector->left;
    if (selector->kind != WEIR_PROMQL_SELECTOR) return &a->node;
    a->labels = WEIR_NEW_ARRAY(input->run->arena, struct weir_label, selector->matchers_count + 1);
    if (!a->labels) return weir_promql_no_memory(input->run), NULL;
    absent_labels(a, selector);
    return &a->node;
}

/* ---- sort ---- */

struct sort {
    struct weir_promql_node node;
    const struct weir_promql_expr *call;
    struct weir_promql_row *rows;
    uint32_t rows_count, rows_room, at;
};

/* Digits compare as numbers: a2 before a10. */
static int compare_natural(struct weir_view a, struct weir_view b) {
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        size_t x = i, y = j;
        while (x < a.len && a.ptr[x] >= '0' && a.ptr[x] <= '9') x++;
        while (y < b.len && b.ptr[y] >= '0' && b.ptr[y] <= '9') y++;
        if (x == i || y == j) {
            if (a.ptr[i] != b.ptr[j])
                return (unsigned char)a.ptr[i] < (unsigned char)b.ptr[j] ? -1 : 1;
            i++, j++;
            continue;
        }
        while (i < x && a.ptr[i] == '0') i++;
        while (j < y && b.ptr[j] == '0') j++;
        int order = weir_view_cmp(weir_view(a.ptr + i, x - i), weir_view(b.ptr + j, y - j));
        if (x - i != y - j) return x - i < y - j ? -1 : 1;
        if (order) return order;
        i = x, j = y;
    }
    return (a.len - i > b.len - j) - (a.len - i < b.len - j);
}

static int compare_rows(const void *left, const void *right, void *arg) {
    const struct weir_promql_row *a = left, *b = right;
    const struct weir_promql_expr *call = arg;
    enum weir_promql_special special = call->function->special;
    if (special == WEIR_PROMQL_SPECIAL_SORT || special == WEIR_PROMQL_SPECIAL_SORT_DESC) {
        double x = a->values[0], y = b->values[0];
        if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); /* NaN last, either way */
        int order = (x > y) - (x < y);
        return special == WEIR_PROMQL_SPECIAL_SORT ? order : -order;
    }
    int order = 0;
    for (uint32_t i = 1; i < call->args_count && order == 0; i++) {
        struct weir_view name = weir_promql_unwrap(call->args[i])->text;
        order = compare_natural(weir_promql_labels_get(a->labels, a->labels_count, name),
                                weir_promql_labels_get(b->labels, b->labels_count, name));
    }
    if (order == 0)
        order = weir_promql_labels_cmp(a->labels, a->labels_count, b->labels, b->labels_count);
    return special == WEIR_PROMQL_SPECIAL_SORT_BY_LABEL ? order : -order;
}

static int sort_read(struct sort *s) {
    struct weir_promql_node *node = &s->node;
    struct weir_promql_row row;
    int code;
    while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0) {
        struct weir_promql_row *kept =
            WEIR_PUSH(node->run->arena, s->rows, s->rows_count, s->rows_room);
        double *value = WEIR_NEW(node->run->arena, double);
        struct weir_label *labels =
            weir_promql_labels_copy(node->run->arena, row.labels, row.labels_count);
        if (!kept || !value || !labels) return weir_promql_no_memory(node->run);
        *value = row.values[0];
        *kept = (struct weir_promql_row){labels, row.labels_count, value};
    }
    if (code != WEIR_END) return code;
    /* qsort_r is glibc's merge sort: equal rows keep their order. */
    union {
        const struct weir_promql_expr *call;
        void *arg;
    } arg = {.call = s->call};
    if (s->rows_count) qsort_r(s->rows, s->rows_count, sizeof *s->rows, compare_rows, arg.arg);
    return 0;
}

static int sort_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct sort *s = (struct sort *)node;
    if (!node->started) {
        node->started = true;
        int code = sort_read(s);
        if (code) return code;
    }
    if (s->at == s->rows_count) return WEIR_END;
    *ret = s->rows[s->at++];
    return 0;
}

struct weir_promql_node *weir_promql_sort_new(struct weir_promql_node *input,
                                              const struct weir_promql_expr *call) {
    if (input->grid.count != 1) return input; /* a range query's series come sorted by labels */
    struct sort *s =
        weir_promql_node_new(input->run, sizeof *s, call->function->name, input->grid, sort_next);
    if (!s) return NULL;
    s->call = call;
    s->node.inputs[s->node.inputs_count++] = input;
    s->node.one_name = input->one_name;
    return &s->node;
}

/* ---- classic histograms ---- */

struct bucket_row {
    double upper;
    double *counts; /* one a step */
    struct bucket_row *next;
};

struct histogram {
    struct weir_promql_row row; /* labels without le and name; values: the result */
    struct bucket_row *buckets;
    uint32_t buckets_count;
};

struct histograms {
    struct weir_promql_node node;
    bool fraction;
    struct weir_map map;
    struct weir_buf key;
    struct histogram *items;
    uint32_t items_count, items_room, at;
    double *args[WEIR_PROMQL_ARGS_MAX];
    struct weir_promql_bucket *buckets; /* of one step */
    uint32_t buckets_room;
};

static void histograms_close(struct weir_promql_node *node) {
    struct histograms *h = (struct histograms *)node;
    weir_map_done(&h->map);
    weir_buf_done(&h->key);
}

static int histogram_get(struct histograms *h, const struct weir_promql_row *row,
                         struct histogram **ret) {
    struct weir_arena *arena = h->node.run->arena;
    struct weir_view le = WEIR_VIEW("le");
    struct weir_promql_names names = {.items = &le, .count = 1};
    weir_buf_clear(&h->key);
    weir_promql_labels_key(row->labels, row->labels_count, &names, false, false, &h->key);
    uint64_t *found = weir_map_get(&h->map, weir_buf_view(&h->key));
    if (found) return *ret = &h->items[*found], 0;
    uint32_t index = h->items_count;
    struct weir_view key = weir_arena_copy(arena, weir_buf_view(&h->key));
    struct histogram *item = WEIR_PUSH(arena, h->items, h->items_count, h->items_room);
    struct weir_label *labels = weir_promql_labels_copy(arena, row->labels, row->labels_count);
    struct weir_label *scratch = WEIR_NEW_ARRAY(arena, struct weir_label, row->labels_count + 1);
    struct weir_label *again = WEIR_NEW_ARRAY(arena, struct weir_label, row->labels_count + 1);
    if (!key.ptr || h->key.failed || !item || !labels || !scratch || !again ||
        !weir_map_put(&h->map, key, index, NULL))
        return weir_promql_no_memory(h->node.run);
    item->row.labels_count = row->labels_count;
    item->row.labels = weir_promql_labels_drop(labels, &item->row.labels_count, le, scratch);
    item->row.labels = weir_promql_labels_drop(item->row.labels, &item->row.labels_count,
                                               WEIR_VIEW("__name__"), again);
    *ret = item;
    return 0;
}

static int histogram_add(struct histograms *h, const struct weir_promql_row *row) {
    struct weir_promql_run *run = h->node.run;
    struct weir_view le = weir_promql_labels_get(row->labels, row->labels_count, WEIR_VIEW("le"));
    double upper;
    if (!weir_view_to_f64(le, &upper)) {
        weir_promql_note_add(run, false,
                             weir_arena_printf(run->arena,
                                               "bucket label \"le\" is missing or has a "
                                               "malformed value of \"%.*s\"",
                                               WEIR_VIEW_ARG(le)));
        return 0;
    }
    struct histogram *histogram;
    int code = histogram_get(h, row, &histogram);
    if (code) return code;
    struct bucket_row *bucket = WEIR_NEW(run->arena, struct bucket_row);
    double *counts = weir_arena_alloc(run->arena, (h->node.grid.count + 1U) * sizeof *counts);
    if (!bucket || !counts) return weir_promql_no_memory(run);
    memcpy(counts, row->values, h->node.grid.count * sizeof *counts);
    *bucket = (struct bucket_row){upper, counts, histogram->buckets};
    histogram->buckets = bucket;
    histogram->buckets_count++;
    return 0;
}

static int histograms_read(struct histograms *h) {
    struct weir_promql_node *node = &h->node;
    struct weir_promql_row row;
    int code = weir_promql_scalars_read(node, 1, h->args);
    if (code) return code;
    while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0)
        if ((code = histogram_add(h, &row)) != 0) return code;
    for (uint32_t i = 0; i < h->items_count; i++)
        if (h->items[i].buckets_count > h->buckets_room)
            h->buckets_room = h->items[i].buckets_count;
    h->buckets = WEIR_NEW_ARRAY(node->run->arena, struct weir_promql_bucket, h->buckets_room + 1);
    if (!h->buckets) return weir_promql_no_memory(node->run);
    return code == WEIR_END ? 0 : code;
}

static double histogram_value(struct histograms *h, const struct histogram *histogram,
                              uint32_t step) {
    uint32_t n = 0;
    for (const struct bucket_row *b = histogram->buckets; b; b = b->next)
        if (!weir_promql_is_absent(b->counts[step]))
            h->buckets[n++] = (struct weir_promql_bucket){b->upper, b->counts[step]};
    if (n == 0) return weir_promql_absent();
    if (h->fraction)
        return weir_promql_bucket_fraction(h->args[0][step], h->args[1][step], h->buckets, n);
    bool forced = false;
    double phi = h->args[0][step];
    if (!(phi >= 0 && phi <= 1))
        weir_promql_note_add(h->node.run, false,
                             weir_arena_printf(h->node.run->arena,
                                               "quantile value should be between 0 and 1, got %g",
                                               phi));
    double value = weir_promql_bucket_quantile(phi, h->buckets, n, &forced);
    if (forced)
        weir_promql_note_add(
            h->node.run, true,
            WEIR_VIEW("input to histogram_quantile needed to be fixed for monotonicity"));
    return value;
}

static int histograms_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct histograms *h = (struct histograms *)node;
    if (!node->started) {
        node->started = true;
        int code = histograms_read(h);
        if (code) return code;
    }
    if (h->at == h->items_count) return WEIR_END;
    const struct histogram *histogram = &h->items[h->at++];
    for (uint32_t i = 0; i < node->grid.count; i++)
        node->values[i] = histogram_value(h, histogram, i);
    *ret =
        (struct weir_promql_row){histogram->row.labels, histogram->row.labels_count, node->values};
    return 0;
}

struct weir_promql_node *weir_promql_histograms_new(struct weir_promql_node *input, bool fraction) {
    struct histograms *h = weir_promql_node_new(
        input->run, sizeof *h, fraction ? "histogram_fraction" : "histogram_quantile", input->grid,
        histograms_next);
    if (!h) return NULL;
    h->fraction = fraction;
    weir_map_init(&h->map);
    weir_buf_init(&h->key, WEIR_PROMQL_KEY_LEN_MAX);
    h->node.close = histograms_close;
    h->node.inputs[h->node.inputs_count++] = input;
    h->node.one_name = true;
    return &h->node;
}
