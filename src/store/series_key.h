/* SPDX-License-Identifier: Apache-2.0 */
/* A series' key: its labels as bytes, and what can be asked of them.
 *
 *     key: (name length, name, value length, value) for each label, sorted by name
 *
 * Series stand everywhere in the order of their keys' bytes (not of their labels); equal keys are
 * the same series, in every memtable and part.
 *
 * Threads: pure functions.
 */
#ifndef WEIR_STORE_SERIES_KEY_H
#define WEIR_STORE_SERIES_KEY_H

#include "base/buf.h"
#include "query/source.h"

enum {
    WEIR_SERIES_LABELS_MAX = 256,    /* of one series; points with more are refused */
    WEIR_SERIES_KEY_LEN_MAX = 65536, /* bytes of one key */
};

/* Appends the key of sorted labels. */
void weir_series_key_put(struct weir_buf *out, const struct weir_label *labels, uint32_t count);
/* The labels of a key, views into it; -1 when the bytes are no key or `room` is too small. */
int weir_series_key_labels(struct weir_view key, struct weir_label *labels, uint32_t room);
/* True when one label value satisfies the matcher. */
bool weir_series_matcher_takes(const struct weir_matcher *matcher, struct weir_view value);
/* True when all matchers are satisfied; a missing label counts as empty. */
bool weir_series_labels_match(const struct weir_label *labels, uint32_t count,
                              const struct weir_matcher *matchers, uint32_t matchers_count);

#endif
