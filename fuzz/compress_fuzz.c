/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a compressed body: never harm, never more than the limit; what we compress comes
 * back. */
#include "fuzz.h"
#include "wire/gzip.h"
#include "wire/snappy.h"
#include "wire/zstd.h"

enum { LIMIT = 1 << 20 };

typedef int decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static decode *const decoders[] = {weir_gzip_decode, weir_zlib_decode, weir_snappy_decode,
                                       weir_zstd_decode};
    struct weir_view in = weir_view(data, size);
    struct weir_buf out, back;
    for (size_t i = 0; i < 4; i++) {
        weir_buf_init(&out, LIMIT);
        decoders[i](in, &out, NULL);
        MUST(out.len <= LIMIT);
        weir_buf_done(&out);
    }
    weir_buf_init(&out, LIMIT);
    weir_buf_init(&back, LIMIT);
    if (weir_snappy_encode(in, &out, NULL) == 0) {
        MUST(weir_snappy_decode(weir_buf_view(&out), &back, NULL) == 0);
        must_equal(weir_buf_view(&back), in);
    }
    weir_buf_done(&out);
    weir_buf_done(&back);
    return 0;
}
