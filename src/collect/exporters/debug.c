/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter `debug`: writes what comes through to standard error.
 *
 *     debug: {verbosity: basic | normal | detailed, sampling_initial: 2, sampling_thereafter: 1}
 *
 * basic: one line a batch with its counts; normal: a line a record; detailed: whole batches as
 * OTLP/JSON. Of each second's batches the first sampling_initial are written, then every
 * sampling_thereafter-th.
 *
 * Source: opentelemetry-collector, debugexporter.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "collect/types.h"
#include "otlp/json.h"
#include "otlp/value.h"

enum verbosity { BASIC, NORMAL, DETAILED };
static const char *const verbosities[] = {"basic", "normal", "detailed", NULL};

enum { TEXT_SIZE_MAX = 64 << 20 };

struct debug {
    struct weir_component component;
    enum verbosity verbosity;
    int64_t initial, thereafter;
    _Atomic int64_t second; /* that is counted */
    _Atomic int64_t count;  /* batches in it */
};

static bool is_chosen(struct debug *self) {
    int64_t second = weir_clock_mono_ns() / WEIR_NS_PER_S;
    if (atomic_exchange(&self->second, second) != second) atomic_store(&self->count, 0);
    int64_t number = atomic_fetch_add(&self->count, 1);
    return number < self->initial || (number - self->initial) % self->thereafter == 0;
}

static void add_id(struct weir_buf *out, const char *name, const uint8_t *id, size_t size) {
    if (!id) return;
    weir_buf_printf(out, " %s=", name);
    weir_buf_add_hex(out, (const char *)id, size);
}

static void add_attrs(struct weir_buf *out, struct weir_attrs attrs) {
    for (uint32_t i = 0; i < attrs.count; i++) {
        weir_buf_printf(out, " %.*s=", WEIR_VIEW_ARG(attrs.items[i].key));
        weir_value_add_text(out, attrs.items[i].value);
    }
    weir_buf_add_char(out, '\n');
}

static void add_record(struct weir_buf *out, const struct weir_otlp_batch *batch, uint32_t i) {
    if (batch->signal == WEIR_SIGNAL_TRACE) {
        const struct weir_otlp_span *span = &batch->spans[i];
        weir_buf_printf(out, "  %.*s %" PRId64 "us", WEIR_VIEW_ARG(span->name),
                        (span->end_ns - span->start_ns) / 1000);
        add_id(out, "trace_id", span->trace_id, 16);
        add_id(out, "span_id", span->span_id, 8);
        add_attrs(out, span->attrs);
    } else if (batch->signal == WEIR_SIGNAL_LOG) {
        const struct weir_otlp_log *log = &batch->logs[i];
        weir_buf_printf(out, "  %.*s ", WEIR_VIEW_ARG(log->severity_text));
        weir_value_add_text(out, log->body);
        add_id(out, "trace_id", log->trace_id, 16);
        add_attrs(out, log->attrs);
    } else {
        const struct weir_otlp_point *point = &batch->points[i];
        const struct weir_otlp_metric *metric = &batch->metrics[point->metric];
        weir_buf_printf(out, "  %.*s", WEIR_VIEW_ARG(metric->name));
        if (metric->type <= WEIR_METRIC_TYPE_SUM)
            weir_buf_printf(out, " %.17g", point->value);
        else
            weir_buf_printf(out, " count=%" PRIu64 " sum=%.17g", point->count, point->sum);
        add_attrs(out, point->attrs);
    }
}

static void add_json(struct weir_buf *out, const struct weir_otlp_batch *batch) {
    struct weir_json_writer w = weir_json_writer(out);
    weir_otlp_json_add(&w, weir_otlp_message_request(batch->signal), batch->bytes);
    weir_buf_add_char(out, '\n');
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct debug *self = (struct debug *)sink;
    if (is_chosen(self)) {
        struct weir_buf out;
        weir_buf_init(&out, TEXT_SIZE_MAX);
        uint32_t count = weir_otlp_batch_records_count(batch);
        weir_buf_printf(&out, "%s: %s: resources %u, records %u\n", self->component.id,
                        weir_signal_name(batch->signal), batch->resources_count, count);
        for (uint32_t i = 0; self->verbosity == NORMAL && i < count; i++)
            add_record(&out, batch, i);
        if (self->verbosity == DETAILED) add_json(&out, batch);
        fwrite(out.ptr, 1, out.len, stderr);
        weir_buf_done(&out);
    }
    weir_component_answer(batch, done, arg, WEIR_OK, "");
}

static void close_debug(struct weir_component *component) {
    free(component);
}

static int open_debug(const struct weir_component_env *env, const struct weir_yaml *config,
                      const char *id, struct weir_component **ret, struct weir_error *reterr) {
    static const char *const keys[] = {"verbosity", "sampling_initial", "sampling_thereafter",
                                       "use_internal_logger", NULL};
    (void)env;
    int64_t initial = 2, thereafter = 1;
    struct weir_view verbosity = WEIR_VIEW("basic");
    int rc = weir_yaml_check(config, id, keys, reterr), level = 0;
    if (!rc) rc = weir_yaml_get_str(config, "verbosity", &verbosity, reterr);
    if (!rc) rc = weir_yaml_get_i64(config, "sampling_initial", 0, INT32_MAX, &initial, reterr);
    if (!rc)
        rc = weir_yaml_get_i64(config, "sampling_thereafter", 1, INT32_MAX, &thereafter, reterr);
    if (rc) return rc;
    while (verbosities[level] && !weir_view_is(verbosity, verbosities[level])) level++;
    if (!verbosities[level])
        return weir_yaml_fail(weir_yaml_get(config, "verbosity"), reterr,
                              "verbosity is basic, normal or detailed, not '%.*s'",
                              WEIR_VIEW_ARG(verbosity));
    struct debug *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    self->component.sink.push = push;
    self->verbosity = (enum verbosity)level;
    self->initial = initial;
    self->thereafter = thereafter;
    *ret = &self->component;
    return WEIR_OK;
}

const struct weir_component_type weir_debug_type = {.name = "debug",
                                                    .alias = "logging",
                                                    .kind = WEIR_EXPORTER,
                                                    .takes = WEIR_ALL_SIGNALS,
                                                    .open = open_debug,
                                                    .close = close_debug};
