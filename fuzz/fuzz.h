/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets share. A target fails by aborting: a property that must hold, and does not. */
#ifndef WEIR_FUZZ_FUZZ_H
#define WEIR_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline void must_equal(struct weir_view a, struct weir_view b) {
    if (weir_view_eq(a, b)) return;
    fprintf(stderr, "differ:\n%.*s\n%.*s\n", WEIR_VIEW_ARG(a), WEIR_VIEW_ARG(b));
    abort();
}

#endif
