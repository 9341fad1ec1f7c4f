/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_key.h"

#include "store/series_codec.h"

void weir_series_key_put(struct weir_buf *out, const struct weir_label *labels, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        weir_series_put_view(out, labels[i].name);
        weir_series_put_view(out, labels[i].value);
    }
}

int weir_series_key_labels(struct weir_view key, struct weir_label *labels, uint32_t room) {
    uint32_t n = 0;
    while (key.len) {
        if (n == room || !weir_series_get_view(&key, &labels[n].name) ||
            !weir_series_get_view(&key, &labels[n].value))
            return -1;
        n++;
    }
    return (int)n;
}

bool weir_series_matcher_takes(const struct weir_matcher *matcher, struct weir_view value) {
    if (matcher->op == WEIR_OP_MATCH)
        return matcher->match(matcher->match_ctx, value) != matcher->negate;
    return weir_view_eq(value, matcher->value) == (matcher->op == WEIR_OP_EQ);
}

bool weir_series_labels_match(const struct weir_label *labels, uint32_t count,
                              const struct weir_matcher *matchers, uint32_t matchers_count) {
    for (uint32_t i = 0; i < matchers_count; i++) {
        struct weir_view value = WEIR_VIEW("");
        for (uint32_t j = 0; j < count; j++)
            if (weir_view_eq(labels[j].name, matchers[i].name)) value = labels[j].value;
        if (!weir_series_matcher_takes(&matchers[i], value)) return false;
    }
    return true;
}
