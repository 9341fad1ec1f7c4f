/* SPDX-License-Identifier: Apache-2.0 */
/* Another batch out of a batch: records left out, names and attributes replaced. What is not edited
 * is copied as it lies; a resource, scope or metric that loses its last record goes with it.
 *
 *     struct weir_otlp_edit edit = {.arg = self, .keep = keep};
 *     rc = weir_otlp_edit(batch, &edit, &ret, reterr);
 *
 * Callbacks see the batch's own index: spans[index], logs[index] or points[index]. They are called
 * in the order of the bytes, `resource` before the records of that resource.
 *
 * Threads: any; the batch is only read. Memory: the new batch has its own.
 */
#ifndef WEIR_OTLP_EDIT_H
#define WEIR_OTLP_EDIT_H

#include "base/buf.h"
#include "otlp/batch.h"

struct weir_otlp_edit {
    void *arg;
    /* Whether a record stays; NULL: all do. */
    bool (*keep)(void *arg, const struct weir_otlp_batch *batch, uint32_t index);
    /* New attributes of a resource, a record: true with *attrs replaced (what it points to lives
     * until the edit has ended), false when they stay as they are. NULL: they do. */
    bool (*resource)(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                     struct weir_attrs *attrs);
    bool (*record)(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                   struct weir_attrs *attrs);
    /* A span's, metric's (index of metrics) or log event's new name; NULL: they keep it. */
    bool (*name)(void *arg, const struct weir_otlp_batch *batch, uint32_t index,
                 struct weir_view *name);
};

/* Gives the edited batch; NULL with WEIR_OK when nothing is left of it. Errors as
 * weir_otlp_batch_decode. */
int weir_otlp_edit(const struct weir_otlp_batch *batch, const struct weir_otlp_edit *edit,
                   struct weir_otlp_batch **ret, struct weir_error *reterr);

#endif
