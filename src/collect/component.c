/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/component.h"

const struct weir_component_type *weir_component_type_of(enum weir_component_kind kind,
                                                         struct weir_view id) {
    struct weir_view name = weir_view_cut(&id, '/');
    for (size_t i = 0; weir_component_types[i]; i++) {
        const struct weir_component_type *type = weir_component_types[i];
        if (type->kind == kind &&
            (weir_view_is(name, type->name) || (type->alias && weir_view_is(name, type->alias))))
            return type;
    }
    return NULL;
}

void weir_component_pass(const struct weir_component *component, struct weir_otlp_batch *batch,
                         int code, struct weir_otlp_batch *edited, const struct weir_error *err,
                         weir_sink_done *done, void *arg) {
    if (code != WEIR_OK || !edited) {
        weir_component_answer(batch, done, arg, code, code == WEIR_OK ? "" : err->message);
        return;
    }
    weir_otlp_batch_unref(batch);
    weir_sink_push(component->next[edited->signal], edited, done, arg);
}
