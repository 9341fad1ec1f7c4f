/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a query: an error has a position; what parses is printed so that it parses and prints
 * the same. */
#include "logql/parse.h"

#include "fuzz.h"
#include "logql/print.h"

static bool print_of(struct weir_view text, struct weir_buf *out) {
    struct weir_arena arena;
    struct weir_logql_expr *expr;
    struct weir_error err = {0};
    weir_arena_init(&arena, 1 << 24);
    bool ok = weir_logql_parse(text, &arena, &expr, &err) == 0;
    if (ok)
        weir_logql_print(expr, out);
    else
        MUST(err.message[0] && (err.line > 0 || err.code != WEIR_EINVALID));
    weir_arena_done(&arena);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_buf once, twice;
    weir_buf_init(&once, 1 << 20);
    weir_buf_init(&twice, 1 << 20);
    if (print_of(weir_view(data, size), &once)) {
        if (!print_of(weir_buf_view(&once), &twice))
            must_equal(weir_view(data, size), weir_buf_view(&once));
        must_equal(weir_buf_view(&once), weir_buf_view(&twice));
    }
    weir_buf_done(&once);
    weir_buf_done(&twice);
    return 0;
}
