/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as YAML: never harm, positions lie within, trees keep their limits. */
#include "fuzz.h"
#include "wire/yaml.h"

static uint32_t walk(const struct weir_yaml *node, uint32_t depth) {
    MUST(depth <= WEIR_YAML_DEPTH_MAX);
    MUST(node->line > 0 && node->column > 0);
    uint32_t weight = 1;
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->keys)
            MUST(weir_yaml_get(node, "") || node->keys[i]->text.len ||
                 node->keys[i]->type <= WEIR_YAML_STRING);
        weight += walk(node->items[i], depth + 1);
    }
    return weight;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_arena arena;
    struct weir_yaml *root;
    struct weir_error err = {0};
    weir_arena_init(&arena, 1 << 24);
    if (weir_yaml_parse(weir_view(data, size), &arena, &root, &err) == 0) {
        MUST(walk(root, 0) == root->weight);
        MUST(root->weight <= WEIR_YAML_NODES_MAX);
    } else {
        MUST(err.message[0]);
    }
    weir_arena_done(&arena);
    return 0;
}
