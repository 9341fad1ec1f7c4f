/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines from a text, in front of a store that counts. */
#ifndef WEIR_TESTS_PIPELINE_H
#define WEIR_TESTS_PIPELINE_H

#include <stdatomic.h>

#include "attrs.h"
#include "base/rand.h"
#include "collect/graph.h"
#include "otlp/encode.h"
#include "unit.h"

/* ---- a store that counts, and answers as told ------------------------------------------------ */

/* Senders and the pipelines' own thread may both push. */
struct counting {
    struct weir_sink sink;
    int code;
    _Atomic uint32_t records[WEIR_SIGNALS_COUNT], batches;
    struct weir_otlp_batch *_Atomic last;
};

static inline void count(struct weir_sink *sink, struct weir_otlp_batch *batch,
                         weir_sink_done *done, void *arg) {
    struct counting *counting = (struct counting *)sink;
    const struct weir_sink_answer answer = {.code = counting->code, .message = "as told"};
    counting->batches++;
    counting->records[batch->signal] += weir_otlp_batch_records_count(batch);
    weir_otlp_batch_unref(atomic_exchange(&counting->last, batch));
    done(arg, &answer);
}

struct heard {
    int answers, code;
};

static inline void hear(void *arg, const struct weir_sink_answer *answer) {
    struct heard *heard = arg;
    heard->answers++;
    heard->code = answer->code;
}

/* ---- files and batches ----------------------------------------------------------------------- */

struct file {
    struct weir_arena arena;
    struct weir_yaml *root;
    struct weir_error err;
};

static inline int open_text(struct file *file, const char *text, struct counting *store,
                            struct weir_graph **ret) {
    static const char *const receivers[] = {"otlp", "zipkin", NULL};
    weir_arena_init(&file->arena, 0);
    assert_int_equal(weir_yaml_parse(weir_view_str(text), &file->arena, &file->root, &file->err),
                     WEIR_OK);
    *store = (struct counting){.sink = {count}};
    const struct weir_graph_options options = {
        .processors = weir_yaml_get(file->root, "processors"),
        .connectors = weir_yaml_get(file->root, "connectors"),
        .exporters = weir_yaml_get(file->root, "exporters"),
        .pipelines = weir_yaml_get(weir_yaml_get(file->root, "service"), "pipelines"),
        .receivers = receivers,
        .store = &store->sink,
    };
    return weir_graph_open(&options, ret, &file->err);
}

static inline struct weir_graph *open_good(struct file *file, const char *text,
                                           struct counting *store) {
    struct weir_graph *graph = NULL;
    if (open_text(file, text, store, &graph) != WEIR_OK)
        fail_msg("%u:%u: %s", file->err.line, file->err.column, file->err.message);
    assert_int_equal(weir_graph_start(graph, NULL), WEIR_OK);
    return graph;
}

static inline void finish(struct file *file, struct weir_graph *graph, struct counting *store) {
    if (graph) weir_graph_stop(graph, 0);
    weir_graph_close(graph);
    weir_otlp_batch_unref(store->last);
    weir_arena_done(&file->arena);
}

/* Spans with random trace ids. */
static inline struct weir_otlp_batch *spans(uint32_t count_spans) {
    const struct weir_attr resource = {WEIR_VIEW("service.name"),
                                       weir_value_str(WEIR_VIEW("shop"))};
    const struct weir_attr attr = {WEIR_VIEW("user"), weir_value_str(WEIR_VIEW("42"))};
    struct weir_buf buf;
    struct weir_otlp_group group;
    struct weir_otlp_batch *batch;
    weir_buf_init(&buf, 64 << 20);
    weir_otlp_group_begin(&group, &buf, (struct weir_attrs){&resource, 1}, WEIR_VIEW("test"),
                          WEIR_VIEW(""));
    for (uint32_t i = 0; i < count_spans; i++) {
        uint8_t ids[24];
        weir_rand_fill(ids, sizeof ids);
        struct weir_otlp_span span = {.trace_id = ids,
                                      .span_id = ids + 16,
                                      .name = WEIR_VIEW("work"),
                                      .kind = WEIR_SPAN_KIND_INTERNAL,
                                      .start_ns = 1000,
                                      .end_ns = 2000,
                                      .attrs = {&attr, 1}};
        weir_otlp_put_span(&buf, &span);
    }
    weir_otlp_group_end(&group);
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, body, len, 0, &batch, NULL),
                     WEIR_OK);
    return batch;
}

static inline struct heard push(struct weir_graph *graph, struct weir_otlp_batch *batch) {
    struct heard heard = {.code = 1};
    weir_sink_push(weir_graph_entry(graph, "otlp"), batch, hear, &heard);
    return heard;
}

static inline const struct weir_otlp_point *point_of(const struct weir_otlp_batch *batch,
                                                     const char *name) {
    for (uint32_t i = 0; i < batch->points_count; i++)
        if (weir_view_is(batch->metrics[batch->points[i].metric].name, name))
            return &batch->points[i];
    static const struct weir_otlp_point none;
    fail_msg("no metric %s", name);
    return &none;
}

#endif
