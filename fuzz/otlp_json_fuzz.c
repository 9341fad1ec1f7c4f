/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as OTLP/JSON: what is read and written once is a fixed point of reading and writing. */
#include "fuzz.h"
#include "otlp/json.h"

static bool write_json(const struct weir_otlp_message *message, struct weir_view bytes,
                       struct weir_buf *out) {
    struct weir_json_writer w = weir_json_writer(out);
    return weir_otlp_json_add(&w, message, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const struct weir_otlp_message *message =
        weir_otlp_message_request((enum weir_signal)(data[0] % WEIR_SIGNALS_COUNT));
    struct weir_buf pb1, pb2, pb3, json2, json3;
    struct weir_buf *all[] = {&pb1, &pb2, &pb3, &json2, &json3};
    for (size_t i = 0; i < 5; i++) weir_buf_init(all[i], 1 << 26);
    /* Strings were checked, values may be nested too deep for the writer: then it says so. */
    if (weir_otlp_json_to_pb(message, weir_view(data + 1, size - 1), &pb1, NULL) == 0 &&
        write_json(message, weir_buf_view(&pb1), &json2)) {
        struct weir_error err = {0};
        if (weir_otlp_json_to_pb(message, weir_buf_view(&json2), &pb2, &err) < 0) {
            fprintf(stderr, "%s\n%.*s\n", err.message, WEIR_VIEW_ARG(weir_buf_view(&json2)));
            abort();
        }
        MUST(write_json(message, weir_buf_view(&pb2), &json3));
        must_equal(weir_buf_view(&json2), weir_buf_view(&json3));
        MUST(weir_otlp_json_to_pb(message, weir_buf_view(&json3), &pb3, NULL) == 0);
        MUST(weir_view_eq(weir_buf_view(&pb2), weir_buf_view(&pb3)));
    }
    for (size_t i = 0; i < 5; i++) weir_buf_done(all[i]);
    return 0;
}
