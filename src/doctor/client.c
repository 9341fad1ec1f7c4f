/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/client.h"

#include <pthread.h>
#include <stdlib.h>

#include "kafka/settings.h"
#include "rd/conf.h"

/* The last words; one for the process, since log callbacks know no client while it is made. */
static pthread_mutex_t words_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards words, fatal */
static char words[400];
static bool refused; /* TLS or SASL said no: trying again will not help */

static void keep_words(rd_kafka_resp_err_t err, const char *reason) {
    pthread_mutex_lock(&words_mutex);
    /* "all brokers are down" says less than what came before it. */
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !words[0])
        snprintf(words, sizeof words, "%s", reason);
    refused |= err == RD_KAFKA_RESP_ERR__SSL || err == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
               err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
               err == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM;
    pthread_mutex_unlock(&words_mutex);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque) {
    (void)rk, (void)opaque;
    keep_words((rd_kafka_resp_err_t)err, reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    (void)rk, (void)level, (void)facility, (void)text; /* errors come to on_error too */
}

void weir_doctor_client_words(struct weir_doctor_client *client, char *ret, size_t size) {
    client->rd->poll(client->rk, 0);
    pthread_mutex_lock(&words_mutex);
    snprintf(ret, size, "%s", words);
    pthread_mutex_unlock(&words_mutex);
}

static void forget_words(void) {
    pthread_mutex_lock(&words_mutex);
    words[0] = 0;
    refused = false;
    pthread_mutex_unlock(&words_mutex);
}

static bool is_refused(void) {
    pthread_mutex_lock(&words_mutex);
    bool value = refused;
    pthread_mutex_unlock(&words_mutex);
    return value;
}

rd_kafka_conf_t *weir_doctor_conf(struct weir_doctor *doctor, const char *brokers,
                                  struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    rd_kafka_conf_t *conf = rd->conf_new();
    int rc = WEIR_OK;
    rd->conf_set_log_cb(conf, on_log);
    rd->conf_set_error_cb(conf, on_error);
    if (doctor->settings) weir_kafka_settings_attach(rd, conf, doctor->settings);
    if (doctor->options->properties)
        rc = weir_rd_conf_load(rd, conf, doctor->options->properties, reterr);
    if (!rc && brokers) rc = weir_rd_conf_set(rd, conf, "bootstrap.servers", brokers, reterr);
    if (!rc) return conf;
    rd->conf_destroy(conf);
    return NULL;
}

void weir_doctor_conf_free(const struct weir_rd *rd, rd_kafka_conf_t *conf, bool is_failed) {
    /* Before, a client that cannot be made takes its interceptors out of the configuration by
     * halves, and freeing that crashes (librdkafka issue 4142). */
    enum { VERSION_FAILS_WHOLE = 0x020d0000 };
    if (!is_failed || rd->version() >= VERSION_FAILS_WHOLE) rd->conf_destroy(conf);
}

int weir_doctor_client_open(struct weir_doctor *doctor, const char *brokers,
                            struct weir_doctor_client **ret, struct weir_error *reterr) {
    static const char *const ours[][2] = {
        {"group.id", "weir-doctor"},           {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"}, {"enable.partition.eof", "true"},
        {"allow.auto.create.topics", "false"}, {"auto.offset.reset", "earliest"},
        {"reconnect.backoff.ms", "100"},       {"reconnect.backoff.max.ms", "500"},
        {"fetch.wait.max.ms", "100"},          {"statistics.interval.ms", "0"},
        {"client.id", "weir-doctor"}};
    const struct weir_rd *rd = doctor->rd;
    struct weir_doctor_client *client = calloc(1, sizeof *client);
    if (!client) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    rd_kafka_conf_t *conf = weir_doctor_conf(doctor, brokers, reterr);
    int rc = conf ? WEIR_OK : WEIR_EINVALID;
    bool made = false;
    char text[400] = "";
    for (size_t i = 0; !rc && i < sizeof ours / sizeof *ours; i++)
        rc = weir_rd_conf_set(rd, conf, ours[i][0], ours[i][1], reterr);
    forget_words();
    client->rd = rd;
    if (!rc) client->rk = rd->new (RD_KAFKA_CONSUMER, conf, text, sizeof text), made = true;
    if (!rc && !client->rk) rc = weir_error_set(reterr, WEIR_EINVALID, "librdkafka: %s", text);
    if (rc) {
        if (conf) weir_doctor_conf_free(rd, conf, made);
        free(client);
        return rc;
    }
    rd->poll_set_consumer(client->rk);
    client->queue = rd->queue_new(client->rk);
    *ret = client;
    return WEIR_OK;
}

void weir_doctor_client_close(struct weir_doctor_client *client) {
    if (!client) return;
    client->rd->queue_destroy(client->queue);
    client->rd->destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(client);
}

int weir_doctor_client_metadata(struct weir_doctor_client *client, bool all_topics, int timeout_ms,
                                const struct rd_kafka_metadata **ret, struct weir_error *reterr) {
    const struct weir_rd *rd = client->rd;
    int64_t deadline_ns = weir_clock_mono_ns() + timeout_ms * WEIR_NS_PER_MS;
    rd_kafka_resp_err_t err;
    int64_t turn_ms = 200;
    do { /* in growing turns, so that a refusal ends it early */
        int64_t left_ms = (deadline_ns - weir_clock_mono_ns()) / WEIR_NS_PER_MS;
        turn_ms = left_ms < 1 ? 1 : left_ms < 2 * turn_ms ? left_ms : 2 * turn_ms;
        err = rd->metadata(client->rk, all_topics, NULL, ret, (int)turn_ms);
        rd_kafka_message_t *message = rd->consumer_poll(client->rk, 0); /* serves on_error */
        if (message) rd->message_destroy(message);
    } while (err && !is_refused() && weir_clock_mono_ns() < deadline_ns);
    if (!err) return WEIR_OK;
    char last[400];
    weir_doctor_client_words(client, last, sizeof last);
    return weir_error_set(reterr, is_refused() ? WEIR_EAUTH : weir_rd_code(err), "%s",
                          last[0] ? last : rd->err2str(err));
}

rd_kafka_AdminOptions_t *weir_doctor_client_options(struct weir_doctor_client *client,
                                                    rd_kafka_admin_op_t op, int timeout_ms) {
    char text[200];
    rd_kafka_AdminOptions_t *options = client->rd->AdminOptions_new(client->rk, op);
    if (options)
        client->rd->AdminOptions_set_request_timeout(options, timeout_ms < 1 ? 1 : timeout_ms, text,
                                                     sizeof text);
    return options;
}

rd_kafka_event_t *weir_doctor_client_answer(struct weir_doctor_client *client, int timeout_ms,
                                            struct weir_error *reterr) {
    const struct weir_rd *rd = client->rd;
    rd_kafka_event_t *event = rd->queue_poll(client->queue, timeout_ms + 500);
    if (!event) {
        weir_error_set(reterr, WEIR_ETIMEOUT, "no answer within %d ms", timeout_ms);
        return NULL;
    }
    rd_kafka_resp_err_t err = rd->event_error(event);
    if (!err) return event;
    weir_error_set(reterr, weir_rd_code(err), "%s", rd->event_error_string(event));
    rd->event_destroy(event);
    return NULL;
}
