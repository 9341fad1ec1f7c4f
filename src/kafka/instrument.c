/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/instrument.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rd/conf.h"

#define STATISTICS_MS "5000"

/* All that have a handle, to find one's client by it. */
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards list, their next */
static struct weir_kafka_instrumented *list;

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

/* The handle is gone, or never came to be. */
static void forget_handle(struct weir_kafka_instrumented *self) {
    pthread_mutex_lock(&list_mutex);
    struct weir_kafka_instrumented **at = &list;
    while (*at && *at != self) at = &(*at)->next;
    if (*at) *at = self->next;
    pthread_mutex_unlock(&list_mutex);
    if (self->client) weir_kafka_client_retire(self->client);
    weir_kafka_sends_free(self->sends);
    weir_kafka_receives_free(self->receives);
    weir_kafka_client_unref(self->client);
    self->sends = NULL;
    self->receives = NULL;
    self->client = NULL;
}

/* The very last call of a configuration, after the handle's threads have ended. */
static rd_kafka_resp_err_t on_conf_destroy(void *opaque) {
    struct weir_kafka_instrumented *self = opaque;
    forget_handle(self);
    weir_kafka_settings_free(self->settings);
    free(self);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── statistics ──────────────────────────────────────────────────────────────────────────────── */

static int on_stats(rd_kafka_t *rk, char *json, size_t size, void *opaque) {
    int (*next)(rd_kafka_t *, char *, size_t, void *) = NULL;
    struct weir_kafka_client *client = NULL;
    pthread_mutex_lock(&list_mutex);
    for (struct weir_kafka_instrumented *each = list; each; each = each->next) {
        if (each->client->rk != rk) continue;
        next = each->stats_cb;
        client = weir_kafka_client_ref(each->client);
        weir_kafka_receives_idle(each->receives);
    }
    pthread_mutex_unlock(&list_mutex);
    if (client) weir_kafka_stats_read(client, weir_view(json, size));
    weir_kafka_client_unref(client);
    return next ? next(rk, json, size, opaque) : 0;
}

/* Our callback in front of the application's, on the configuration that the handle has already: not
 * documented, and works since librdkafka 0.11. An application that takes statistics as events keeps
 * them. Producers are not made to produce any: one that never polls would pile them up. */
static void chain_statistics(struct weir_kafka_instrumented *self, const rd_kafka_conf_t *conf) {
    const struct weir_rd *rd = self->rd;
    rd_kafka_conf_t *own = (rd_kafka_conf_t *)(uintptr_t)conf;
    char text[64];
    void *callback = NULL;
    weir_rd_conf_get(rd, conf, "enabled_events", text, sizeof text);
    int64_t events = 0;
    weir_view_to_i64(weir_view_str(text), &events);
    if (!self->client->settings->statistics || events & RD_KAFKA_EVENT_STATS) return;
    weir_rd_conf_get(rd, conf, "stats_cb", text, sizeof text);
    if (text[0] && sscanf(text, "%p", &callback) != 1) callback = NULL;
    memcpy(&self->stats_cb, &callback, sizeof callback);
    weir_rd_conf_get(rd, conf, "statistics.interval.ms", text, sizeof text);
    if (strcmp(text, "0") == 0 && self->client->is_producer) return;
    if (strcmp(text, "0") == 0)
        weir_rd_conf_set(rd, own, "statistics.interval.ms", STATISTICS_MS, NULL);
    rd->conf_set_stats_cb(own, on_stats);
}

/* ── handles ─────────────────────────────────────────────────────────────────────────────────── */

static rd_kafka_resp_err_t on_destroy(rd_kafka_t *rk, void *opaque) {
    (void)rk;
    struct weir_kafka_instrumented *self = opaque;
    weir_kafka_client_retire(self->client); /* from here on nobody asks the handle anything */
    weir_kafka_receives_close(self->receives);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static struct weir_kafka_client *make_client(const struct weir_kafka_instrumented *self,
                                             const rd_kafka_conf_t *conf, bool is_producer) {
    struct weir_kafka_settings *settings = weir_kafka_settings_copy(self->settings);
    if (!settings) return NULL;
    weir_kafka_settings_environment(settings);
    return weir_kafka_client_wrap(self->rd, conf, is_producer, settings);
}

/* Comes a second time when rd_kafka_new() has refused the configuration and is asked again. */
static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                  char *errstr, size_t errstr_size) {
    (void)errstr, (void)errstr_size;
    struct weir_kafka_instrumented *self = opaque;
    bool is_producer = self->rd->type(rk) == RD_KAFKA_PRODUCER;
    forget_handle(self);
    if (!(self->client = make_client(self, conf, is_producer)))
        return RD_KAFKA_RESP_ERR_NO_ERROR; /* the client works on, without us */
    self->client->rk = rk;
    pthread_mutex_lock(&list_mutex);
    self->next = list;
    list = self;
    pthread_mutex_unlock(&list_mutex);
    if (is_producer)
        weir_kafka_sends_attach(self, rk);
    else
        weir_kafka_receives_attach(self, rk, conf);
    self->rd->interceptor_add_on_response_received(rk, WEIR_KAFKA_INTERCEPTOR,
                                                   weir_kafka_requests_on_response, self->client);
    self->rd->interceptor_add_on_broker_state_change(rk, WEIR_KAFKA_INTERCEPTOR,
                                                     weir_kafka_requests_on_state, self->client);
    if (!self->rd->interceptor_add_on_destroy(rk, WEIR_KAFKA_INTERCEPTOR, on_destroy, self))
        weir_kafka_stats_observe(self->client);
    chain_statistics(self, conf);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int instrument(const struct weir_rd *rd, rd_kafka_conf_t *conf,
                      struct weir_kafka_settings *settings, struct weir_error *reterr);

/* Interceptors are not copied with a configuration: the copy gets its own. */
static rd_kafka_resp_err_t on_conf_dup(rd_kafka_conf_t *copy, const rd_kafka_conf_t *old,
                                       size_t filter_count, const char **filter, void *opaque) {
    (void)old, (void)filter_count, (void)filter;
    const struct weir_kafka_instrumented *self = opaque;
    instrument(self->rd, copy, weir_kafka_settings_copy(self->settings), NULL);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Takes the settings. */
static int instrument(const struct weir_rd *rd, rd_kafka_conf_t *conf,
                      struct weir_kafka_settings *settings, struct weir_error *reterr) {
    struct weir_kafka_instrumented *self = settings ? calloc(1, sizeof *self) : NULL;
    if (!self) {
        weir_kafka_settings_free(settings);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    self->rd = rd;
    self->settings = settings;
    /* librdkafka refuses a second interceptor of the same name and function: instrumented once. */
    if (!weir_kafka_settings_attach(rd, conf, settings)) {
        on_conf_destroy(self);
        return WEIR_OK;
    }
    rd->conf_interceptor_add_on_new(conf, WEIR_KAFKA_INTERCEPTOR, on_new, self);
    rd->conf_interceptor_add_on_conf_dup(conf, WEIR_KAFKA_INTERCEPTOR, on_conf_dup, self);
    rd->conf_interceptor_add_on_conf_destroy(conf, WEIR_KAFKA_INTERCEPTOR, on_conf_destroy, self);
    return WEIR_OK;
}

int weir_kafka_instrument(struct rd_kafka_conf_s *conf, unsigned flags, struct weir_error *reterr) {
    const struct weir_rd *rd = weir_rd(reterr);
    if (!rd) return WEIR_EUNSUPPORTED;
    if (!conf) return weir_error_set(reterr, WEIR_EINVALID, "no configuration");
    return instrument(rd, conf, weir_kafka_settings_new(flags), reterr);
}

/* ── processing ──────────────────────────────────────────────────────────────────────────────── */

/* The handle's client, referenced, and the message's poll: an instrumented one's, else one made for
 * this call. */
static struct weir_kafka_client *client_of(const struct weir_rd *rd, rd_kafka_t *rk,
                                           const rd_kafka_message_t *raw,
                                           struct weir_span_context *ret_poll) {
    struct weir_kafka_client *client = NULL;
    pthread_mutex_lock(&list_mutex);
    for (struct weir_kafka_instrumented *each = list; each && !client; each = each->next) {
        if (each->client->rk != rk) continue;
        client = weir_kafka_client_ref(each->client);
        if (each->receives) *ret_poll = weir_kafka_receives_supersede(each->receives, raw);
    }
    pthread_mutex_unlock(&list_mutex);
    return client ? client
                  : weir_kafka_client_wrap(rd, rd->conf(rk), false, weir_kafka_settings_new(0));
}

struct weir_task *weir_kafka_process_begin(struct rd_kafka_s *rk, struct rd_kafka_message_s *raw) {
    const struct weir_rd *rd = weir_rd(NULL);
    if (!rd || !rk || !raw || raw->err) return NULL;
    struct weir_span_context poll = {.flags = 0};
    struct weir_kafka_client *client = client_of(rd, rk, raw, &poll);
    struct weir_kafka_message *message = client ? calloc(1, sizeof *message) : NULL;
    struct weir_task *task = NULL;
    if (message) {
        weir_kafka_message_borrow(message, client, raw);
        message->poll = poll;
        task = weir_task_begin(&message->pub);
        weir_kafka_message_unref(message); /* the task has its own reference */
    }
    weir_kafka_client_unref(client);
    return task;
}

void weir_kafka_message_destroyed(struct rd_kafka_s *rk, const struct rd_kafka_message_s *raw) {
    pthread_mutex_lock(&list_mutex);
    for (struct weir_kafka_instrumented *each = list; raw && each; each = each->next)
        if (each->receives && (!rk || each->client->rk == rk))
            weir_kafka_receives_destroyed(each->receives, raw);
    pthread_mutex_unlock(&list_mutex);
}
