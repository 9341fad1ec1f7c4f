/* SPDX-License-Identifier: Apache-2.0 */
/* A receiver inside the test: keeps every request, answers as the script says, then accepts. */
#ifndef WEIR_TESTS_SDK_CAPTURE_H
#define WEIR_TESTS_SDK_CAPTURE_H

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "otlp/batch.h"
#include "sdk/exporter.h"
#include "unit.h"
#include "weir/weir.h"

enum { CAPTURED_MAX = 4096, SCRIPT_MAX = 16 };

static struct {
    pthread_mutex_t lock;
    struct weir_outbound transports[WEIR_SDK_SIGNALS_COUNT];
    struct weir_otlp_batch *batches[CAPTURED_MAX]; /* accepted ones, decoded */
    int count, attempts;
    int64_t attempted_ns[64];
    struct weir_outbound_answer script[SCRIPT_MAX];
    int script_count;
} captured = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void capture_send(struct weir_outbound *transport, struct weir_view body, int64_t timeout_ms,
                         struct weir_outbound_answer *ret) {
    static const enum weir_signal signals[] = {WEIR_SIGNAL_TRACE, WEIR_SIGNAL_METRIC,
                                               WEIR_SIGNAL_LOG};
    (void)timeout_ms;
    *ret = (struct weir_outbound_answer){.retry_after_ms = -1};
    pthread_mutex_lock(&captured.lock);
    if (captured.attempts < 64) captured.attempted_ns[captured.attempts] = weir_clock_mono_ns();
    int attempt = captured.attempts++;
    if (attempt < captured.script_count) {
        *ret = captured.script[attempt];
    } else if (captured.count < CAPTURED_MAX) {
        char *copy = malloc(body.len);
        if (copy) {
            memcpy(copy, body.ptr, body.len);
            struct weir_error err = {.code = 0};
            int rc = weir_otlp_batch_decode(signals[transport - captured.transports], copy,
                                            body.len, 0, &captured.batches[captured.count], &err);
            if (rc == WEIR_OK)
                captured.count++;
            else if (rc != WEIR_ENOMEMORY)
                abort(); /* we sent something malformed */
        }
    }
    pthread_mutex_unlock(&captured.lock);
}

static void capture_cancel(struct weir_outbound *transport) {
    (void)transport;
}

static int capture_open(const struct weir_config_otlp *otlp, enum weir_sdk_signal signal,
                        struct weir_outbound **ret, struct weir_error *reterr) {
    (void)otlp;
    (void)reterr;
    captured.transports[signal] =
        (struct weir_outbound){capture_send, capture_cancel, capture_cancel};
    *ret = &captured.transports[signal];
    return WEIR_OK;
}

static void capture_forget(void) {
    for (int i = 0; i < captured.count; i++) weir_otlp_batch_unref(captured.batches[i]);
    captured.count = captured.attempts = captured.script_count = 0;
}

/* weir_init with this receiver and no environment; only the named signals ("t", "m", "l") go out.
 */
static inline void capture_init(const char *signals, struct weir_options *more) {
    struct weir_options options = {.struct_size = sizeof options};
    if (more) options = *more;
    options.struct_size = sizeof options;
    options.flags |= WEIR_INIT_NO_ENVIRONMENT;
    options.service_name = "unit";
    if (!strchr(signals, 't')) options.traces_exporter = "none";
    if (!strchr(signals, 'm')) options.metrics_exporter = "none";
    if (!strchr(signals, 'l')) options.logs_exporter = "none";
    capture_forget();
    weir_exporter_transport_set(capture_open);
    struct weir_error err = {.message = ""};
    int rc = weir_init(&options, &err);
    if (rc != WEIR_OK) fail_msg("weir_init: %s", err.message);
}

static inline void capture_done(void) {
    weir_shutdown(5000, NULL);
    capture_forget();
    weir_exporter_transport_set(NULL);
}

/* The `index`-th accepted span of all batches; fails the test, and gives an empty one, if it is not
 * there. */
static inline const struct weir_otlp_span *captured_span(uint32_t index) {
    for (int i = 0; i < captured.count; i++) {
        if (captured.batches[i]->signal != WEIR_SIGNAL_TRACE) continue;
        if (index < captured.batches[i]->spans_count) return &captured.batches[i]->spans[index];
        index -= captured.batches[i]->spans_count;
    }
    static const struct weir_otlp_span none;
    fail_msg("span %u did not arrive", index);
    return &none;
}

/* A string attribute's text; "" if it is not there. */
static inline struct weir_view attr_str(struct weir_attrs attrs, const char *key) {
    const struct weir_value *value = weir_attrs_get(attrs, weir_view_str(key));
    return value && value->type == WEIR_VALUE_STRING ? value->str : WEIR_VIEW("");
}

static inline uint32_t captured_count(enum weir_signal signal) {
    uint32_t count = 0;
    for (int i = 0; i < captured.count; i++)
        if (captured.batches[i]->signal == signal)
            count += weir_otlp_batch_records_count(captured.batches[i]);
    return count;
}

#endif
