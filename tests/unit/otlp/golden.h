/* SPDX-License-Identifier: Apache-2.0 */
/* Golden OTLP bodies: tests/golden/otlp/make.py tells what is in them. */
#ifndef WEIR_TESTS_UNIT_OTLP_GOLDEN_H
#define WEIR_TESTS_UNIT_OTLP_GOLDEN_H

#include "unit.h"

#include <stdio.h>

#include "base/fs.h"
#include "otlp/batch.h"

/* "traces.bin", …; the buffer is the caller's to end. */
static inline struct weir_buf golden_file(const char *name) {
    char path[200];
    struct weir_buf buf;
    struct weir_error err = {0};
    snprintf(path, sizeof path, "tests/golden/otlp/%s", name);
    weir_buf_init(&buf, 1 << 20);
    if (weir_fs_read_file(path, &buf, &err) < 0) fail_msg("%s: %s", path, err.message);
    return buf;
}

static inline struct weir_otlp_batch *golden_batch(enum weir_signal signal) {
    char name[40];
    snprintf(name, sizeof name, "%s.bin", weir_signal_name(signal));
    struct weir_buf buf = golden_file(name);
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {0};
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    if (weir_otlp_batch_decode(signal, body, len, 0, &batch, &err) < 0) fail_msg("%s", err.message);
    return batch;
}

#endif
