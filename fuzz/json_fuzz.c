/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as JSON: what is read can be written, and then reads the same. */
#include "fuzz.h"
#include "wire/json.h"

static void write_token(struct weir_json_writer *w, struct weir_json *json,
                        enum weir_json_token token, struct weir_arena *arena) {
    switch (token) {
    case WEIR_JSON_OBJECT: weir_json_begin_object(w); break;
    case WEIR_JSON_OBJECT_END: weir_json_end_object(w); break;
    case WEIR_JSON_ARRAY: weir_json_begin_array(w); break;
    case WEIR_JSON_ARRAY_END: weir_json_end_array(w); break;
    case WEIR_JSON_KEY: weir_json_key_view(w, weir_json_str(json, arena)); break;
    case WEIR_JSON_STRING: weir_json_add_str(w, weir_json_str(json, arena)); break;
    case WEIR_JSON_NUMBER:
    case WEIR_JSON_TRUE:
    case WEIR_JSON_FALSE:
    case WEIR_JSON_NULL: weir_json_add_raw(w, weir_json_raw(json, token)); break;
    case WEIR_JSON_END:
    case WEIR_JSON_ERROR: break;
    }
}

static bool copy(struct weir_view text, struct weir_buf *out) {
    struct weir_json json;
    struct weir_arena arena;
    struct weir_json_writer w = weir_json_writer(out);
    enum weir_json_token token;
    weir_json_init(&json, text);
    weir_arena_init(&arena, 0);
    while ((token = weir_json_next(&json)) != WEIR_JSON_END && token != WEIR_JSON_ERROR)
        write_token(&w, &json, token, &arena);
    weir_arena_done(&arena);
    MUST(token == WEIR_JSON_END || (json.error.line > 0 && json.error.column > 0));
    return token == WEIR_JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_buf once, twice;
    weir_buf_init(&once, 1 << 26);
    weir_buf_init(&twice, 1 << 26);
    if (copy(weir_view(data, size), &once)) {
        MUST(copy(weir_buf_view(&once), &twice));
        must_equal(weir_buf_view(&once), weir_buf_view(&twice));
        struct weir_json json;
        weir_json_init(&json, weir_view(data, size));
        MUST(weir_json_skip(&json) && weir_json_next(&json) == WEIR_JSON_END);
    }
    weir_buf_done(&once);
    weir_buf_done(&twice);
    return 0;
}
