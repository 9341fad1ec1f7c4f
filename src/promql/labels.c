/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "promql/eval.h"

struct weir_view weir_promql_labels_get(const struct weir_label *labels, uint32_t count,
                                        struct weir_view name) {
    for (uint32_t i = 0; i < count; i++)
        if (weir_view_eq(labels[i].name, name)) return labels[i].value;
    return WEIR_VIEW("");
}

struct weir_label *weir_promql_labels_copy(struct weir_arena *arena,
                                           const struct weir_label *labels, uint32_t count) {
    size_t size = count * sizeof *labels;
    for (uint32_t i = 0; i < count; i++) size += labels[i].name.len + labels[i].value.len;
    struct weir_label *copy = weir_arena_alloc(arena, size);
    if (!copy) return NULL;
    char *bytes = (char *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i].name = weir_view(bytes, labels[i].name.len);
        if (labels[i].name.len) memcpy(bytes, labels[i].name.ptr, labels[i].name.len);
        bytes += labels[i].name.len;
        copy[i].value = weir_view(bytes, labels[i].value.len);
        if (labels[i].value.len) memcpy(bytes, labels[i].value.ptr, labels[i].value.len);
        bytes += labels[i].value.len;
    }
    return copy;
}

const struct weir_label *weir_promql_labels_drop(const struct weir_label *labels, uint32_t *count,
                                                 struct weir_view name,
                                                 struct weir_label *scratch) {
    uint32_t at = 0;
    while (at < *count && !weir_view_eq(labels[at].name, name)) at++;
    if (at == *count) return labels;
    --*count;
    if (at == 0) return labels + 1;
    if (at == *count) return labels;
    memcpy(scratch, labels, at * sizeof *labels);
    memcpy(scratch + at, labels + at + 1, (*count - at) * sizeof *labels);
    return scratch;
}

uint32_t weir_promql_labels_set(const struct weir_label *labels, uint32_t count,
                                struct weir_view name, struct weir_view value,
                                struct weir_label *out) {
    uint32_t n = 0, i = 0;
    while (i < count && weir_view_cmp(labels[i].name, name) < 0) out[n++] = labels[i++];
    if (value.len) out[n++] = (struct weir_label){name, value};
    if (i < count && weir_view_eq(labels[i].name, name)) i++;
    while (i < count) out[n++] = labels[i++];
    return n;
}

int weir_promql_labels_cmp(const struct weir_label *a, uint32_t a_count, const struct weir_label *b,
                           uint32_t b_count) {
    for (uint32_t i = 0; i < a_count && i < b_count; i++) {
        int order = weir_view_cmp(a[i].name, b[i].name);
        if (order == 0) order = weir_view_cmp(a[i].value, b[i].value);
        if (order) return order;
    }
    return (a_count > b_count) - (a_count < b_count);
}

static void add_part(struct weir_buf *key, struct weir_view part) {
    uint32_t len = (uint32_t)part.len;
    weir_buf_add(key, &len, sizeof len);
    weir_buf_add_view(key, part);
}

void weir_promql_labels_key(const struct weir_label *labels, uint32_t count,
                            const struct weir_promql_names *names, bool keep, bool with_name,
                            struct weir_buf *key) {
    for (uint32_t i = 0; i < count; i++) {
        if (names && weir_promql_names_have(names, labels[i].name) != keep) continue;
        if (!keep && !with_name && weir_view_is(labels[i].name, "__name__")) continue;
        add_part(key, labels[i].name);
        add_part(key, labels[i].value);
    }
}

const char *weir_promql_labels_text(const struct weir_label *labels, uint32_t count, char *buf,
                                    size_t size) {
    size_t len = (size_t)snprintf(buf, size, "{");
    for (uint32_t i = 0; i < count && len < size; i++)
        len += (size_t)snprintf(buf + len, size - len, "%s%.*s=\"%.*s\"", i ? ", " : "",
                                WEIR_VIEW_ARG(labels[i].name), WEIR_VIEW_ARG(labels[i].value));
    if (len < size) snprintf(buf + len, size - len, "}");
    return buf;
}
