/* SPDX-License-Identifier: Apache-2.0 */
/* Any metric, unit and attribute names: what comes out is valid in Prometheus. The input is split
 * at newlines: name, unit, attribute keys. */
#include "fuzz.h"
#include "otlp/prometheus.h"

static void must_be_name(struct weir_view name, bool colons) {
    MUST(name.len > 0);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
        MUST(letter || (i > 0 && c >= '0' && c <= '9'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_arena arena;
    struct weir_view rest = weir_view(data, size);
    struct weir_view name = weir_view_cut(&rest, '\n'), unit = weir_view_cut(&rest, '\n');
    struct weir_attr attrs[32];
    uint32_t count = 0;
    weir_arena_init(&arena, 1 << 26);
    for (enum weir_metric_type type = WEIR_METRIC_TYPE_GAUGE; type <= WEIR_METRIC_TYPE_SUMMARY;
         type++)
        must_be_name(weir_prometheus_metric_name(&arena, name, unit, type, size % 2), true);
    while (rest.len && count < 32) {
        struct weir_view key = weir_view_cut(&rest, '\n');
        attrs[count++] = (struct weir_attr){key, weir_value_str(WEIR_VIEW("v"))};
    }
    struct weir_otlp_resource resource = {.attrs = {attrs, count / 2}};
    struct weir_prometheus_labels target, labels;
    MUST(weir_prometheus_target_labels(&arena, &resource, NULL, &target));
    MUST(weir_prometheus_point_labels(&arena, (struct weir_attrs){attrs, count}, target, &labels));
    for (uint32_t i = 0; i < labels.count; i++) {
        must_be_name(labels.items[i].name, false);
        MUST(labels.items[i].value.len > 0);
        MUST(i == 0 || weir_view_cmp(labels.items[i - 1].name, labels.items[i].name) < 0);
    }
    weir_arena_done(&arena);
    return 0;
}
