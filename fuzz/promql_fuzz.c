/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a query: an error has a position; what parses is printed so that it parses and prints
 * the same. */
#include "fuzz.h"
#include "promql/promql.h"

static struct weir_view print_of(struct weir_arena *arena, struct weir_view text) {
    struct weir_promql_expr *expr;
    struct weir_error err = {0};
    if (weir_promql_parse(arena, text, &expr, &err) == 0) return weir_promql_print(arena, expr);
    MUST(err.message[0] && (err.line > 0 || err.code != WEIR_EINVALID));
    return weir_view(NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_arena arena;
    weir_arena_init(&arena, 1 << 26);
    struct weir_view once = print_of(&arena, weir_view(data, size));
    if (once.ptr) {
        struct weir_view twice = print_of(&arena, once);
        if (!twice.ptr) must_equal(weir_view(data, size), once);
        must_equal(once, twice);
    }
    weir_arena_done(&arena);
    return 0;
}
