/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/notify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/thread.h"
#include "net/client.h"
#include "wire/json.h"

WEIR_COUNTER(sent, "weir_alert_notifications_total", "Messages about alerts that were sent.",
             "outcome=\"sent\"");
WEIR_COUNTER(failed, "weir_alert_notifications_total", "Messages about alerts that were sent.",
             "outcome=\"failed\"");

enum {
    TARGETS_MAX = 32,
    WAITING_MAX = 32,
    MESSAGE_SIZE_MAX = 16 << 20,
    TIMEOUT_MS = 10000,
    LAST_TIMEOUT_MS = 1000
};
#define FORGET_NS (4 * 60 * WEIR_NS_PER_S)

struct target {
    const char *url;
    bool is_alertmanager;
    struct weir_http_client *client;
    /* guarded by the notifier's mutex: messages, the oldest first. An Alertmanager is told the
     * whole state each time, so of those only the last one waits; a webhook hears each change. */
    struct weir_buf waiting[WAITING_MAX];
    unsigned waiting_count;
    bool complained;
};

struct weir_alert_notifier {
    const char *external_url;
    struct target targets[TARGETS_MAX];
    unsigned targets_count;
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex; /* guards waiting of all, stopping */
    pthread_cond_t wake;
    bool stopping;
};

/* ---- messages -------------------------------------------------------------------------------- */

static void add_time(struct weir_json_writer *w, const char *key, int64_t time_ns) {
    char room[64];
    struct weir_buf text = {.ptr = room, .room = sizeof room, .size_max = sizeof room};
    weir_json_key(w, key);
    if (!time_ns) {
        weir_json_add_cstr(w, "0001-01-01T00:00:00Z");
        return;
    }
    weir_clock_add_rfc3339(&text, time_ns, 3);
    weir_json_add_str(w, weir_buf_view(&text));
}

static void add_labels(struct weir_json_writer *w, const char *key, const struct weir_label *labels,
                       uint32_t count) {
    weir_json_key(w, key);
    weir_json_begin_object(w);
    for (uint32_t i = 0; i < count; i++) {
        weir_json_key_view(w, labels[i].name);
        weir_json_add_str(w, labels[i].value);
    }
    weir_json_end_object(w);
}

static void add_alert(struct weir_json_writer *w, const struct weir_alert *alert, int64_t ends_ns,
                      const char *external_url, bool is_webhook) {
    char text[32];
    weir_json_begin_object(w);
    if (is_webhook) {
        weir_json_key(w, "status");
        weir_json_add_cstr(w, alert->state == WEIR_ALERT_RESOLVED ? "resolved" : "firing");
        snprintf(text, sizeof text, "%016llx", (unsigned long long)alert->fingerprint);
        weir_json_key(w, "fingerprint");
        weir_json_add_cstr(w, text);
    }
    add_labels(w, "labels", alert->labels, alert->labels_count);
    add_labels(w, "annotations", alert->annotations, alert->annotations_count);
    add_time(w, "startsAt", alert->fired_ns);
    add_time(w, "endsAt", ends_ns);
    weir_json_key(w, "generatorURL");
    weir_json_add_cstr(w, external_url ? external_url : "");
    weir_json_end_object(w);
}

void weir_alert_add_alertmanager(struct weir_buf *out, const struct weir_alert *const *alerts,
                                 uint32_t count, int64_t resolve_ns, const char *external_url) {
    struct weir_json_writer w = weir_json_writer(out);
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < count; i++)
        add_alert(&w, alerts[i],
                  alerts[i]->state == WEIR_ALERT_RESOLVED ? alerts[i]->resolved_ns : resolve_ns,
                  external_url, false);
    weir_json_end_array(&w);
}

/* Whether all alerts have this label with this text. */
static bool is_common(const struct weir_alert *const *alerts, uint32_t count,
                      const struct weir_label *label, bool annotations) {
    for (uint32_t i = 1; i < count; i++) {
        const struct weir_label *list = annotations ? alerts[i]->annotations : alerts[i]->labels;
        uint32_t n = annotations ? alerts[i]->annotations_count : alerts[i]->labels_count, j = 0;
        while (j < n && !(weir_view_eq(list[j].name, label->name) &&
                          weir_view_eq(list[j].value, label->value)))
            j++;
        if (j == n) return false;
    }
    return true;
}

static void add_common(struct weir_json_writer *w, const char *key,
                       const struct weir_alert *const *alerts, uint32_t count, bool annotations) {
    weir_json_key(w, key);
    weir_json_begin_object(w);
    const struct weir_label *list = annotations ? alerts[0]->annotations : alerts[0]->labels;
    uint32_t n = annotations ? alerts[0]->annotations_count : alerts[0]->labels_count;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_common(alerts, count, &list[i], annotations)) continue;
        weir_json_key_view(w, list[i].name);
        weir_json_add_str(w, list[i].value);
    }
    weir_json_end_object(w);
}

void weir_alert_add_webhook(struct weir_buf *out, const struct weir_alert *const *alerts,
                            uint32_t count, const char *external_url) {
    struct weir_json_writer w = weir_json_writer(out);
    bool firing = false;
    for (uint32_t i = 0; i < count; i++) firing |= alerts[i]->state == WEIR_ALERT_FIRING;
    weir_json_begin_object(&w);
    weir_json_key(&w, "version");
    weir_json_add_cstr(&w, "4");
    weir_json_key(&w, "receiver");
    weir_json_add_cstr(&w, "weir");
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, firing ? "firing" : "resolved");
    weir_json_key(&w, "externalURL");
    weir_json_add_cstr(&w, external_url ? external_url : "");
    weir_json_key(&w, "groupLabels");
    weir_json_begin_object(&w);
    weir_json_end_object(&w);
    add_common(&w, "commonLabels", alerts, count, false);
    add_common(&w, "commonAnnotations", alerts, count, true);
    weir_json_key(&w, "alerts");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < count; i++)
        add_alert(&w, alerts[i],
                  alerts[i]->state == WEIR_ALERT_RESOLVED ? alerts[i]->resolved_ns : 0,
                  external_url, true);
    weir_json_end_array(&w);
    weir_json_end_object(&w);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void post(struct target *target, struct weir_view message, int64_t timeout_ms) {
    static const struct weir_http_field json = {.name = WEIR_VIEW_INIT("Content-Type"),
                                                .value = WEIR_VIEW_INIT("application/json")};
    const struct weir_http_client_request request = {
        .method = "POST",
        .path = target->is_alertmanager ? "/api/v2/alerts" : "",
        .fields = &json,
        .fields_count = 1,
        .body = message,
        .timeout_ms = timeout_ms};
    struct weir_http_client_answer answer;
    struct weir_error err = {.code = 0};
    int rc = weir_http_client_do(target->client, &request, &answer, &err);
    bool taken = rc == WEIR_OK && answer.status >= 200 && answer.status < 300;
    if (rc == WEIR_OK && !taken)
        weir_error_set(&err, WEIR_EINVALID, "HTTP %d: %.*s", answer.status,
                       WEIR_VIEW_ARG(weir_view_upto(answer.body, 150)));
    weir_metric_add(taken ? &sent : &failed, 1);
    if (!taken && !target->complained)
        weir_log_warn("alert", "%s takes no alerts: %s", target->url, err.message);
    target->complained = !taken;
}

/* Takes the oldest message that waits for a target. */
static struct weir_buf take(struct target *target) {
    struct weir_buf message = target->waiting[0];
    memmove(target->waiting, target->waiting + 1,
            --target->waiting_count * sizeof *target->waiting);
    return message;
}

/* Room for one more: in place of the last one, or of the oldest when all are taken. */
static struct weir_buf *make_room(struct target *target) {
    if (target->waiting_count == (target->is_alertmanager ? 1 : WAITING_MAX)) {
        struct weir_buf oldest = take(target);
        weir_buf_done(&oldest);
        if (!target->is_alertmanager) weir_metric_add(&failed, 1);
    }
    struct weir_buf *room = &target->waiting[target->waiting_count++];
    weir_buf_init(room, MESSAGE_SIZE_MAX);
    return room;
}

static void *run(void *arg) {
    struct weir_alert_notifier *self = arg;
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        bool some = false, stopping = self->stopping;
        for (unsigned i = 0; i < self->targets_count; i++) {
            if (!self->targets[i].waiting_count) continue;
            struct weir_buf message = take(&self->targets[i]);
            some = true;
            pthread_mutex_unlock(&self->mutex);
            post(&self->targets[i], weir_buf_view(&message),
                 stopping ? LAST_TIMEOUT_MS : TIMEOUT_MS);
            weir_buf_done(&message);
            pthread_mutex_lock(&self->mutex);
        }
        if (stopping && !some) break;
        if (!some && !self->stopping) pthread_cond_wait(&self->wake, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

void weir_alert_notifier_tell(struct weir_alert_notifier *self,
                              const struct weir_alert *const *alerts, uint32_t count) {
    if (!count || !self->targets_count) return;
    pthread_mutex_lock(&self->mutex);
    for (unsigned i = 0; i < self->targets_count; i++) {
        struct target *target = &self->targets[i];
        struct weir_buf *message = make_room(target);
        if (target->is_alertmanager)
            weir_alert_add_alertmanager(message, alerts, count, weir_clock_wall_ns() + FORGET_NS,
                                        self->external_url);
        else
            weir_alert_add_webhook(message, alerts, count, self->external_url);
    }
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->mutex);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int add_targets(struct weir_alert_notifier *self, const char *const *urls,
                       bool is_alertmanager, struct weir_error *reterr) {
    for (size_t i = 0; urls && urls[i]; i++) {
        if (self->targets_count == TARGETS_MAX)
            return weir_error_set(reterr, WEIR_ELIMIT, "more than %d receivers of alerts",
                                  TARGETS_MAX);
        struct target *target = &self->targets[self->targets_count];
        *target = (struct target){.url = urls[i], .is_alertmanager = is_alertmanager};
        const struct weir_http_client_options options = {.url = urls[i],
                                                         .connect_timeout_ms = 3000};
        int rc = weir_http_client_open(&options, &target->client, reterr);
        if (rc) return rc;
        self->targets_count++;
    }
    return WEIR_OK;
}

int weir_alert_notifier_open(const struct weir_alert_options *options,
                             struct weir_alert_notifier **ret, struct weir_error *reterr) {
    struct weir_alert_notifier *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    self->external_url = options->external_url;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->wake, NULL);
    int rc = add_targets(self, options->alertmanagers, true, reterr);
    if (!rc) rc = add_targets(self, options->webhooks, false, reterr);
    if (!rc && self->targets_count) {
        if ((rc = weir_thread_start(&self->thread, "weir-notify", run, self)))
            weir_error_set(reterr, rc, "no thread for the notifier");
        self->runs = rc == WEIR_OK;
    }
    if (rc)
        weir_alert_notifier_close(self);
    else
        *ret = self;
    return rc;
}

void weir_alert_notifier_close(struct weir_alert_notifier *self) {
    if (!self) return;
    if (self->runs) {
        pthread_mutex_lock(&self->mutex);
        self->stopping = true;
        pthread_cond_signal(&self->wake);
        pthread_mutex_unlock(&self->mutex);
        pthread_join(self->thread, NULL);
    }
    for (unsigned i = 0; i < self->targets_count; i++) {
        weir_http_client_close(self->targets[i].client);
        while (self->targets[i].waiting_count) {
            struct weir_buf message = take(&self->targets[i]);
            weir_buf_done(&message);
        }
    }
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}
