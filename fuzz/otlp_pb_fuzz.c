/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an Export request: never harm; what decodes survives the way through OTLP/JSON with
 * as many records, and what the index shows can be encoded again. */
#include "fuzz.h"
#include "otlp/encode.h"
#include "otlp/json.h"

static void encode_again(const struct weir_otlp_batch *batch) {
    struct weir_buf buf;
    struct weir_otlp_group group;
    struct weir_otlp_batch *again;
    weir_buf_init(&buf, 1 << 26);
    weir_otlp_group_begin(&group, &buf, (struct weir_attrs){0}, WEIR_VIEW(""), WEIR_VIEW(""));
    for (uint32_t i = 0; i < batch->spans_count; i++) weir_otlp_put_span(&buf, &batch->spans[i]);
    for (uint32_t i = 0; i < batch->logs_count; i++) weir_otlp_put_log(&buf, &batch->logs[i]);
    for (uint32_t m = 0, p = 0; m < batch->metrics_count; m++) {
        struct weir_otlp_metric_open open;
        weir_otlp_metric_begin(&open, &buf, &batch->metrics[m]);
        for (; p < batch->points_count && batch->points[p].metric == m; p++)
            weir_otlp_put_point(&open, &batch->points[p]);
        weir_otlp_metric_end(&open);
    }
    weir_otlp_group_end(&group);
    MUST(!buf.failed);
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    MUST(weir_otlp_batch_decode(batch->signal, body, len, 1 << 26, &again, NULL) == 0);
    MUST(weir_otlp_batch_records_count(again) == weir_otlp_batch_records_count(batch));
    MUST(again->rejected_count == 0);
    weir_otlp_batch_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    enum weir_signal signal = (enum weir_signal)(data[0] % WEIR_SIGNALS_COUNT);
    struct weir_otlp_batch *batch, *again;
    char *body = malloc(size);
    memcpy(body, data + 1, size - 1);
    if (weir_otlp_batch_decode(signal, body, size - 1, 0, &batch, NULL) < 0) return 0;
    encode_again(batch);
    struct weir_buf json;
    weir_buf_init(&json, 1 << 26);
    struct weir_json_writer w = weir_json_writer(&json);
    if (weir_otlp_json_add(&w, weir_otlp_message_request(signal), batch->bytes) &&
        weir_otlp_batch_decode_json(signal, weir_buf_view(&json), 1 << 26, &again, NULL) == 0)
        weir_otlp_batch_unref(again);
    weir_buf_done(&json);
    weir_otlp_batch_unref(batch);
    return 0;
}
