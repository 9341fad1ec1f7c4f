/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/jsonpath.h"

static int bad(struct weir_error *reterr, struct weir_view text, size_t at) {
    return weir_error_set(
        reterr, WEIR_EINVALID,
        "cannot read the JSON path \"%.*s\" at position %zu; paths look like a.b[0][\"c d\"]",
        WEIR_VIEW_ARG(weir_view_upto(text, 100)), at + 1);
}

static bool ends_name(char c) {
    return c == '.' || c == '[' || c == ']' || c == '"' || c == ' ';
}

/* [0] or ["key"] at `at`; moves it behind. */
static bool bracket(struct weir_view text, size_t *at, struct weir_logql_path_step *step) {
    struct weir_view rest = weir_view_from(text, *at + 1);
    if (rest.len && rest.ptr[0] == '"') {
        size_t len = weir_view_find(weir_view_from(rest, 1), WEIR_VIEW("\"]"));
        if (len == SIZE_MAX) return false;
        step->key = weir_view(rest.ptr + 1, len);
        *at += len + 4;
        return true;
    }
    size_t len = weir_view_find(rest, WEIR_VIEW("]"));
    if (len == SIZE_MAX || !weir_view_to_u64(weir_view_upto(rest, len), &step->index)) return false;
    *at += len + 2;
    return true;
}

int weir_logql_path_parse(struct weir_view text, struct weir_arena *arena,
                          struct weir_logql_path *ret, struct weir_error *reterr) {
    struct weir_logql_path path = {0};
    uint32_t room = 0;
    for (size_t at = 0; at < text.len;) {
        struct weir_logql_path_step *step = WEIR_PUSH(arena, path.steps, path.steps_count, room);
        if (!step) return weir_error_set(reterr, WEIR_ENOMEMORY, "JSON path needs too much memory");
        if (text.ptr[at] == '[') {
            if (!bracket(text, &at, step)) return bad(reterr, text, at);
            continue;
        }
        if (text.ptr[at] == '.' && at) at++;
        size_t from = at;
        while (at < text.len && !ends_name(text.ptr[at])) at++;
        if (at == from || (at < text.len && text.ptr[at] != '.' && text.ptr[at] != '['))
            return bad(reterr, text, at);
        step->key = weir_view(text.ptr + from, at - from);
    }
    if (!path.steps_count) return bad(reterr, text, 0);
    *ret = path;
    return 0;
}
