/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an HTTP/1.1 connection: never harm, and the same messages however the bytes are cut.
 */
#include "fuzz.h"
#include "net/http1.h"

/* Reads messages; `step` bytes become visible at a time. Adds what was understood to `out`. */
static void read_all(struct weir_view input, size_t step, struct weir_buf *out) {
    size_t start = 0;
    static struct weir_http1_head head;
    while (start < input.len) {
        struct weir_http1_scan scan = {0};
        const char *reason = "";
        size_t len = 0, visible = start;
        int rc = 0;
        while (rc == 0 && len == 0 && visible < input.len) {
            visible = visible + step < input.len ? visible + step : input.len;
            rc = weir_http1_head_find(weir_view(input.ptr + start, visible - start), &scan, &len,
                                      &reason);
        }
        if (rc == 0 && len)
            rc = weir_http1_parse_request(weir_view(input.ptr + start, len), &head, &reason);
        weir_buf_printf(out, "%d %s|", rc, rc ? reason : "");
        if (rc || len == 0) return;
        weir_buf_add_view(out, head.method);
        weir_buf_add_view(out, head.target);
        start += len;
        struct weir_http1_body body;
        weir_http1_body_init_request(&body, &head);
        while (!body.done && start < input.len) {
            size_t end = start + step < input.len ? start + step : input.len;
            struct weir_view in = weir_view(input.ptr + start, end - start), content = {NULL, 0};
            if ((rc = weir_http1_body_parse(&body, &in, &content, &reason)) != 0) {
                weir_buf_printf(out, "body %d %s", rc, reason);
                return;
            }
            weir_buf_add_view(out, content);
            MUST(in.ptr > input.ptr + start || body.done); /* goes on, or is done */
            start = (size_t)(in.ptr - input.ptr);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_buf whole, bytewise;
    weir_buf_init(&whole, 1 << 24);
    weir_buf_init(&bytewise, 1 << 24);
    read_all(weir_view(data, size), size, &whole);
    read_all(weir_view(data, size), 1, &bytewise);
    must_equal(weir_buf_view(&whole), weir_buf_view(&bytewise));
    weir_buf_done(&whole);
    weir_buf_done(&bytewise);
    return 0;
}
