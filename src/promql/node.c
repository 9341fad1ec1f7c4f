/* SPDX-License-Identifier: Apache-2.0 */
/* What all operators share: making nodes, notes, reading scalars, keeping rows. */
#include "promql/eval.h"

enum { NOTES_MAX = 10 };

void weir_promql_values_clear(double *values, uint32_t count) {
    double absent = weir_promql_absent();
    for (uint32_t i = 0; i < count; i++) values[i] = absent;
}

bool weir_promql_values_any(const double *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!weir_promql_is_absent(values[i])) return true;
    return false;
}

void weir_promql_tell_no_memory(struct weir_promql_run *run) {
    weir_error_set(run->reterr, WEIR_ENOMEMORY,
                   "query needs more memory than one query may use (%zu MiB); ask for fewer "
                   "series or a larger step",
                   run->arena->size_bytes_max >> 20);
}

void *weir_promql_node_new(struct weir_promql_run *run, size_t size, const char *name,
                           struct weir_promql_grid grid,
                           int (*next)(struct weir_promql_node *, struct weir_promql_row *)) {
    struct weir_promql_node *node = weir_arena_calloc(run->arena, 1, size);
    double *values = weir_arena_alloc(run->arena, (grid.count + 1U) * sizeof *values);
    if (!node || !values) {
        weir_promql_no_memory(run);
        return NULL;
    }
    *node = (struct weir_promql_node){.name = name,
                                      .run = run,
                                      .grid = grid,
                                      .values = values,
                                      .next = next,
                                      .older = run->nodes};
    run->nodes = node;
    return node;
}

void weir_promql_note_add(struct weir_promql_run *run, bool info, struct weir_view text) {
    for (uint32_t i = 0; i < run->notes_count; i++)
        if (weir_view_eq(run->notes[i].text, text)) return;
    if (run->notes_count >= NOTES_MAX || !text.ptr) return;
    struct weir_promql_note *note =
        WEIR_PUSH(run->arena, run->notes, run->notes_count, run->notes_room);
    if (note) *note = (struct weir_promql_note){info, text};
}

int weir_promql_scalar_read(struct weir_promql_node *scalar, double *values) {
    struct weir_promql_row row;
    int code = scalar->next(scalar, &row);
    if (code)
        return code == WEIR_END ? weir_error_set(scalar->run->reterr, WEIR_EBUG, "no scalar")
                                : code;
    memcpy(values, row.values, scalar->grid.count * sizeof *values);
    return 0;
}

int weir_promql_scalars_read(struct weir_promql_node *node, uint32_t first, double **ret) {
    for (uint32_t i = first; i < node->inputs_count; i++) {
        double *values =
            weir_arena_alloc(node->run->arena, (node->grid.count + 1U) * sizeof *values);
        if (!values) return weir_promql_no_memory(node->run);
        int code = weir_promql_scalar_read(node->inputs[i], values);
        if (code) return code;
        ret[i - first] = values;
    }
    return 0;
}

void weir_promql_kept_init(struct weir_promql_kept *kept) {
    *kept = (struct weir_promql_kept){0};
    weir_map_init(&kept->map);
    weir_buf_init(&kept->key, WEIR_PROMQL_KEY_LEN_MAX);
}

void weir_promql_kept_done(struct weir_promql_kept *kept) {
    weir_map_done(&kept->map);
    weir_buf_done(&kept->key);
}

int weir_promql_kept_get(struct weir_promql_kept *kept, struct weir_promql_node *node,
                         const struct weir_label *labels, uint32_t labels_count,
                         struct weir_promql_row **ret) {
    struct weir_arena *arena = node->run->arena;
    weir_buf_clear(&kept->key);
    weir_promql_labels_key(labels, labels_count, NULL, false, true, &kept->key);
    uint64_t *found = weir_map_get(&kept->map, weir_buf_view(&kept->key));
    if (found) return *ret = &kept->rows[*found], 0;
    struct weir_view key = weir_arena_copy(arena, weir_buf_view(&kept->key));
    uint32_t index = kept->rows_count;
    struct weir_promql_row *row = WEIR_PUSH(arena, kept->rows, kept->rows_count, kept->rows_room);
    struct weir_label *copy = weir_promql_labels_copy(arena, labels, labels_count);
    double *values = weir_arena_alloc(arena, (node->grid.count + 1U) * sizeof *values);
    if (!key.ptr || kept->key.failed || !row || !copy || !values ||
        !weir_map_put(&kept->map, key, index, NULL))
        return weir_promql_no_memory(node->run);
    *row = (struct weir_promql_row){copy, labels_count, values};
    weir_promql_values_clear(values, node->grid.count);
    *ret = row;
    return 0;
}

int weir_promql_kept_add(struct weir_promql_kept *kept, struct weir_promql_node *node,
                         const struct weir_promql_row *row) {
    struct weir_promql_row *into;
    int code = weir_promql_kept_get(kept, node, row->labels, row->labels_count, &into);
    if (code) return code;
    for (uint32_t i = 0; i < node->grid.count; i++) {
        if (weir_promql_is_absent(row->values[i])) continue;
        if (!weir_promql_is_absent(into->values[i])) {
            char text[200];
            return weir_error_set(
                node->run->reterr, WEIR_ELIMIT,
                "vector cannot contain metrics with the same labelset: %s",
                weir_promql_labels_text(row->labels, row->labels_count, text, sizeof text));
        }
        into->values[i] = row->values[i];
    }
    return 0;
}

/* ---- merge: rows whose labels became equal flow together ---- */

struct merge {
    struct weir_promql_node node;
    struct weir_promql_kept kept;
    uint32_t at;
};

static void merge_close(struct weir_promql_node *node) {
    weir_promql_kept_done(&((struct merge *)node)->kept);
}

static int merge_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct merge *m = (struct merge *)node;
    if (!node->started) {
        struct weir_promql_row row;
        int code;
        node->started = true;
        while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0)
            if ((code = weir_promql_kept_add(&m->kept, node, &row)) != 0) return code;
        if (code != WEIR_END) return code;
    }
    if (m->at == m->kept.rows_count) return WEIR_END;
    *ret = m->kept.rows[m->at++];
    return 0;
}

struct weir_promql_node *weir_promql_merge_new(struct weir_promql_node *input) {
    struct merge *m = weir_promql_node_new(input->run, sizeof *m, "merge", input->grid, merge_next);
    if (!m) return NULL;
    weir_promql_kept_init(&m->kept);
    m->node.close = merge_close;
    m->node.inputs[m->node.inputs_count++] = input;
    m->node.one_name = true;
    return &m->node;
}
