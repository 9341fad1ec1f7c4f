/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/fan.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "collect/component.h"

/* A batch on its way to several. */
struct call {
    pthread_mutex_t mutex; /* guards the rest */
    uint32_t pending;
    int code;
    int64_t retry_after_ms;
    uint32_t rejected_count;
    char message[200];
    weir_sink_done *done;
    void *arg;
};

/* How much an answer counts: stored, refused for good, refused for now. */
static int weight(int code) {
    return code == WEIR_OK ? 0 : weir_error_retriable(code) ? 2 : 1;
}

static void answered(void *arg, const struct weir_sink_answer *answer) {
    struct call *call = arg;
    pthread_mutex_lock(&call->mutex);
    bool heavier = weight(answer->code) > weight(call->code);
    if (heavier) {
        call->code = answer->code;
        call->retry_after_ms = answer->retry_after_ms;
    }
    if (answer->rejected_count > call->rejected_count)
        call->rejected_count = answer->rejected_count;
    if ((heavier || !call->message[0]) && answer->message)
        snprintf(call->message, sizeof call->message, "%s", answer->message);
    bool last = --call->pending == 0;
    pthread_mutex_unlock(&call->mutex);
    if (!last) return;
    const struct weir_sink_answer whole = {.code = call->code,
                                           .retry_after_ms = call->retry_after_ms,
                                           .rejected_count = call->rejected_count,
                                           .message = call->message};
    call->done(call->arg, &whole);
    pthread_mutex_destroy(&call->mutex);
    free(call);
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    const struct weir_fan *fan = (const struct weir_fan *)sink;
    if (fan->count == 1) {
        weir_sink_push(fan->targets[0], batch, done, arg);
        return;
    }
    struct call *call = fan->count ? calloc(1, sizeof *call) : NULL;
    if (!call) {
        weir_component_answer(batch, done, arg, fan->count ? WEIR_ENOMEMORY : WEIR_EINVALID,
                              fan->count ? "out of memory" : "no pipeline takes this");
        return;
    }
    pthread_mutex_init(&call->mutex, NULL);
    call->pending = fan->count;
    call->done = done;
    call->arg = arg;
    for (uint32_t i = 1; i < fan->count; i++) weir_otlp_batch_ref(batch);
    for (uint32_t i = 0; i < fan->count; i++)
        weir_sink_push(fan->targets[i], batch, answered, call);
}

void weir_fan_init(struct weir_fan *fan) {
    *fan = (struct weir_fan){.sink = {push}};
}

bool weir_fan_add(struct weir_fan *fan, struct weir_arena *arena, struct weir_sink *target) {
    for (uint32_t i = 0; i < fan->count; i++)
        if (fan->targets[i] == target) return true;
    struct weir_sink **place = WEIR_PUSH(arena, fan->targets, fan->count, fan->room);
    if (place) *place = target;
    return place != NULL;
}
