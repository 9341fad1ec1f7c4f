/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as protobuf fields: what is read can be written, and then reads the same. */
#include "fuzz.h"
#include "wire/pb.h"

static void copy_field(struct weir_buf *out, const struct weir_pb_field *field) {
    switch (field->wire) {
    case WEIR_PB_VARINT: weir_pb_put_varint(out, field->number, field->value); break;
    case WEIR_PB_FIXED64: weir_pb_put_fixed64(out, field->number, field->value); break;
    case WEIR_PB_FIXED32: weir_pb_put_fixed32(out, field->number, (uint32_t)field->value); break;
    case WEIR_PB_BYTES: {
        size_t mark = weir_pb_begin(out, field->number);
        weir_buf_add_view(out, field->bytes);
        weir_pb_end(out, mark);
    }
    }
}

static bool copy(struct weir_view bytes, struct weir_buf *out) {
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field field;
    int rc;
    while ((rc = weir_pb_next(&pb, &field)) > 0) copy_field(out, &field);
    MUST(pb.at <= pb.end && (rc < 0 || pb.at == pb.end));
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weir_buf once, twice;
    weir_buf_init(&once, 1 << 26);
    weir_buf_init(&twice, 1 << 26);
    if (copy(weir_view(data, size), &once)) {
        MUST(once.len <= size); /* our varints are the shortest */
        MUST(copy(weir_buf_view(&once), &twice));
        MUST(weir_view_eq(weir_buf_view(&once), weir_buf_view(&twice)));
    }
    weir_buf_done(&once);
    weir_buf_done(&twice);
    return 0;
}
