/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files: bytes of a format version, written once, readable for ever. WEIR_GOLDEN_WRITE=1 in
 * the environment writes them anew (only with a new format version). */
#ifndef WEIR_TESTS_STORE_GOLDEN_H
#define WEIR_TESTS_STORE_GOLDEN_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"

#define GOLDEN_FOLDER "tests/unit/store/golden"

static inline struct weir_buf golden_read(const char *path) {
    struct weir_buf bytes;
    weir_buf_init(&bytes, 16 << 20);
    struct weir_error err = {0};
    if (weir_fs_read_file(path, &bytes, &err) != WEIR_OK) fail_msg("%s", err.message);
    return bytes;
}

/* Writes `bytes` as the golden file when asked to. */
static inline void golden_offer(const char *name, struct weir_view bytes) {
    if (!getenv("WEIR_GOLDEN_WRITE")) return;
    char path[200];
    snprintf(path, sizeof path, GOLDEN_FOLDER "/%s", name);
    assert_int_equal(weir_fs_make_dirs(GOLDEN_FOLDER, NULL), WEIR_OK);
    assert_int_equal(weir_fs_write_file(path, bytes, NULL), WEIR_OK);
}

static inline void assert_same_bytes(struct weir_view a, struct weir_view b) {
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
}

#endif
