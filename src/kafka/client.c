/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "kafka/names.h"
#include "rd/conf.h"
#include "weir/log.h"

#define VERSION_COOPERATIVE                                                                        \
    0x020a0000 /* before, a commit during a cooperative rebalance loses it */
/* Before, a handle that cannot be made takes its interceptors out of the configuration by halves:
 * rd_kafka_conf_destroy() then crashes (librdkafka #5240). */
#define VERSION_FAILS_WHOLE 0x020d0000
#define STATS_INTERVAL_MS   "2000"

/* ── configuration ───────────────────────────────────────────────────────────────────────────── */

static const struct {
    const char *name, *value;
} producer_defaults[] = {{"enable.idempotence", "true"}},
  consumer_defaults[] = {{"auto.offset.reset", "earliest"}, {"enable.auto.offset.store", "false"}};

static int set_defaults(const struct weir_rd *rd, rd_kafka_conf_t *conf, bool is_producer,
                        struct weir_error *reterr) {
    size_t count = is_producer ? sizeof producer_defaults / sizeof producer_defaults[0]
                               : sizeof consumer_defaults / sizeof consumer_defaults[0];
    int code = weir_rd_conf_set(rd, conf, "statistics.interval.ms", STATS_INTERVAL_MS, reterr);
    for (size_t i = 0; !code && i < count; i++)
        code = is_producer ? weir_rd_conf_set(rd, conf, producer_defaults[i].name,
                                              producer_defaults[i].value, reterr)
                           : weir_rd_conf_set(rd, conf, consumer_defaults[i].name,
                                              consumer_defaults[i].value, reterr);
    if (!code && !is_producer && rd->version() >= VERSION_COOPERATIVE)
        code = weir_rd_conf_set(rd, conf, "partition.assignment.strategy", "cooperative-sticky",
                                reterr);
    return code;
}

static bool is_unset(const struct weir_rd *rd, const rd_kafka_conf_t *conf, const char *name) {
    char value[8];
    weir_rd_conf_get(rd, conf, name, value, sizeof value);
    return !value[0];
}

/* The first of the two that says something. */
static const char *either(const char *option, const char *variable) {
    if (option && option[0]) return option;
    const char *value = getenv(variable);
    return value && value[0] ? value : NULL;
}

static int set_options(const struct weir_rd *rd, rd_kafka_conf_t *conf,
                       const struct weir_kafka_options *options, bool is_producer,
                       struct weir_error *reterr) {
    int code = set_defaults(rd, conf, is_producer, reterr);
    const char *file = either(options->properties_file, "KAFKA_PROPERTIES");
    if (!code && file) code = weir_rd_conf_load(rd, conf, file, reterr);
    if (!code && options->properties)
        code = weir_rd_conf_parse(rd, conf, weir_view_str(options->properties), reterr);
    const char *brokers = options->brokers;
    if (!brokers && is_unset(rd, conf, "bootstrap.servers")) {
        brokers = either(NULL, "KAFKA_BROKERS");
        if (!brokers) brokers = "localhost:9092";
    }
    if (!code && brokers) code = weir_rd_conf_set(rd, conf, "bootstrap.servers", brokers, reterr);
    if (!code && options->client_id)
        code = weir_rd_conf_set(rd, conf, "client.id", options->client_id, reterr);
    if (code || is_producer) return code;
    const char *group = options->group_id;
    if (!group && is_unset(rd, conf, "group.id")) group = either(NULL, "KAFKA_GROUP_ID");
    if (group) code = weir_rd_conf_set(rd, conf, "group.id", group, reterr);
    if (!code && is_unset(rd, conf, "group.id"))
        code = weir_error_set(reterr, WEIR_EINVALID,
                              "a consumer needs a group: set group_id, the property group.id or "
                              "KAFKA_GROUP_ID");
    return code;
}

/* ── callbacks that every client has ─────────────────────────────────────────────────────────── */

/* librdkafka's own words go where the application's logs go, from warnings on. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    (void)rk;
    if (level > 4) return;
    struct weir_attribute attrs[] = {WEIR_STR("librdkafka.facility", facility)};
    weir_logger_log(weir_logger_get("librdkafka", NULL),
                    level <= 3 ? WEIR_SEVERITY_ERROR : WEIR_SEVERITY_WARN, text, attrs, 1);
}

/* The last words only: "all brokers are down" is also said when idle connections were closed. */
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque) {
    (void)rk, (void)err;
    struct weir_kafka_client *client = opaque;
    pthread_mutex_lock(&client->mutex);
    snprintf(client->last_error, sizeof client->last_error, "%s", reason);
    pthread_mutex_unlock(&client->mutex);
}

static int on_stats(rd_kafka_t *rk, char *json, size_t size, void *opaque) {
    (void)rk;
    weir_kafka_stats_read(opaque, weir_view(json, size));
    return 0; /* librdkafka frees the text */
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                  char *errstr, size_t errstr_size) {
    (void)conf, (void)errstr, (void)errstr_size;
    struct weir_kafka_client *client = opaque;
    return client->rd->interceptor_add_on_response_received(
        rk, "weir", weir_kafka_requests_on_response, client);
}

/* ── forks ───────────────────────────────────────────────────────────────────────────────────── */

static atomic_uint forks; /* between the program's first process and this one */

static void fork_child(void) {
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, fork_child);
}

bool weir_kafka_client_is_foreign(const struct weir_kafka_client *client) {
    return client->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

int weir_kafka_client_refuse(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_EUNSUPPORTED,
                          "a Kafka client does not survive a fork: open one in the child");
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

/* "host:port,…", "PLAINTEXT://host:port", "[::1]:9092", "host": the first host and its port. */
static int split_server(const char *servers, char **ret_host) {
    struct weir_view rest = weir_view_str(servers);
    struct weir_view first = weir_view_trim(weir_view_cut(&rest, ','));
    size_t scheme = weir_view_find(first, WEIR_VIEW("://"));
    if (scheme != SIZE_MAX) first = weir_view_from(first, scheme + 3);
    uint64_t port = 9092;
    size_t colon = first.len;
    while (colon && first.ptr[colon - 1] != ':' && first.ptr[colon - 1] != ']') colon--;
    if (colon && first.ptr[colon - 1] == ':' &&
        weir_view_to_u64(weir_view_from(first, colon), &port) && port < 65536)
        first = weir_view_upto(first, colon - 1);
    if (first.len > 2 && first.ptr[0] == '[') first = weir_view(first.ptr + 1, first.len - 2);
    *ret_host = strndup(first.ptr ? first.ptr : "", first.len);
    return (int)port;
}

static char *copy_property(const struct weir_rd *rd, const rd_kafka_conf_t *conf,
                           const char *name) {
    char value[1024];
    weir_rd_conf_get(rd, conf, name, value, sizeof value);
    return value[0] ? strdup(value) : NULL;
}

struct weir_kafka_client *weir_kafka_client_wrap(const struct weir_rd *rd,
                                                 const rd_kafka_conf_t *conf, bool is_producer,
                                                 struct weir_kafka_settings *settings) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weir_kafka_client *client = settings ? calloc(1, sizeof *client) : NULL;
    if (!client) {
        weir_kafka_settings_free(settings);
        return NULL;
    }
    pthread_once(&once, watch_forks);
    char servers[1024];
    atomic_init(&client->refs, 1);
    atomic_init(&client->connected, -1);
    pthread_mutex_init(&client->mutex, NULL);
    client->rd = rd;
    client->settings = settings;
    client->forks = atomic_load_explicit(&forks, memory_order_relaxed);
    client->is_producer = is_producer;
    client->group = is_producer ? NULL : copy_property(rd, conf, "group.id");
    client->client_id = copy_property(rd, conf, "client.id");
    weir_rd_conf_get(rd, conf, "bootstrap.servers", servers, sizeof servers);
    client->port = split_server(servers, &client->server);
    client->tracer = weir_tracer_get(WEIR_KAFKA_SCOPE, WEIR_VERSION);
    struct weir_attribute attrs[5 + WEIR_KAFKA_OLDER_MAX] = {
        WEIR_STR("messaging.system", "kafka"), WEIR_STR("messaging.client.id", client->client_id),
        WEIR_STR("messaging.consumer.group.name", client->group),
        WEIR_STR("server.address", client->server && client->server[0] ? client->server : NULL),
        client->server && client->server[0] ? WEIR_INT("server.port", client->port)
                                            : WEIR_STR("server.port", NULL)};
    client->bound = weir_attributes_bind(
        attrs, weir_kafka_names_apply(settings, attrs, 5, sizeof attrs / sizeof attrs[0]));
    weir_kafka_requests_init(client);
    return client;
}

int weir_kafka_client_new(const struct weir_kafka_options *options, bool is_producer,
                          rd_kafka_conf_t **ret_conf, struct weir_kafka_client **ret,
                          struct weir_error *reterr) {
    static const struct weir_kafka_options none = {.struct_size = sizeof none};
    if (!options) options = &none;
    const struct weir_rd *rd = weir_rd(reterr);
    if (!rd) return WEIR_EUNSUPPORTED;
    struct weir_kafka_settings *settings = weir_kafka_settings_new(options->flags);
    if (!settings) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    rd_kafka_conf_t *conf = rd->conf_new();
    weir_kafka_settings_attach(rd, conf, settings);
    int code = set_options(rd, conf, options, is_producer, reterr);
    if (code) {
        weir_kafka_settings_free(settings);
        rd->conf_destroy(conf);
        return code;
    }
    weir_kafka_settings_environment(settings);
    struct weir_kafka_client *client = weir_kafka_client_wrap(rd, conf, is_producer, settings);
    if (!client) {
        rd->conf_destroy(conf);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    rd->conf_set_opaque(conf, client);
    rd->conf_set_log_cb(conf, on_log);
    rd->conf_set_error_cb(conf, on_error);
    rd->conf_set_stats_cb(conf, on_stats);
    rd->conf_interceptor_add_on_new(conf, "weir", on_new, client);
    *ret_conf = conf;
    *ret = client;
    return WEIR_OK;
}

int weir_kafka_client_open(struct weir_kafka_client *client, rd_kafka_conf_t *conf,
                           struct weir_error *reterr) {
    char text[256] = "";
    client->rk = client->rd->new (client->is_producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf,
                                  text, sizeof text);
    if (!client->rk) {
        if (client->rd->version() >= VERSION_FAILS_WHOLE) client->rd->conf_destroy(conf);
        return weir_error_set(reterr, WEIR_EINVALID, "Kafka client: %s", text);
    }
    client->owns_rk = true;
    weir_kafka_stats_observe(client);
    return WEIR_OK;
}

struct weir_kafka_client *weir_kafka_client_ref(struct weir_kafka_client *client) {
    atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
    return client;
}

void weir_kafka_client_unref(struct weir_kafka_client *client) {
    if (!client || atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) != 1) return;
    /* Only now: with a message of it still out, librdkafka would wait for that for ever. */
    if (client->owns_rk && !weir_kafka_client_is_foreign(client)) client->rd->destroy(client->rk);
    for (size_t i = 0; i < WEIR_KAFKA_BUCKETS; i++) {
        for (struct weir_kafka_entry *entry = client->entries[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry->topic);
            free(entry);
        }
    }
    weir_attributes_free(client->bound);
    weir_kafka_settings_free(client->settings);
    pthread_mutex_destroy(&client->mutex);
    free(atomic_load(&client->cluster));
    free(client->group);
    free(client->client_id);
    free(client->server);
    free(client);
}

void weir_kafka_client_retire(struct weir_kafka_client *client) {
    if (!atomic_exchange(&client->retired, true)) weir_kafka_stats_forget(client);
}

/* ── entries ─────────────────────────────────────────────────────────────────────────────────── */

static struct weir_kafka_entry *entry_new(struct weir_kafka_client *client, const char *topic,
                                          int32_t partition) {
    struct weir_kafka_entry *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    entry->topic = strdup(topic);
    if (!entry->topic) {
        free(entry);
        return NULL;
    }
    entry->client = client;
    entry->partition = partition;
    snprintf(entry->partition_text, sizeof entry->partition_text, "%d", (int)partition);
    atomic_init(&entry->lag, -1);
    atomic_init(&entry->timestamp_ms, -1);
    atomic_init(&entry->next_offset, -1);
    entry->observed = weir_kafka_settings_observes(client->settings, topic);
    return entry;
}

struct weir_kafka_entry *weir_kafka_entry_get(struct weir_kafka_client *client, const char *topic,
                                              int32_t partition) {
    uint64_t hash =
        weir_view_hash(weir_view_str(topic)) + (uint64_t)(uint32_t)partition * 0x9e3779b9u;
    struct weir_kafka_entry **bucket = &client->entries[hash % WEIR_KAFKA_BUCKETS];
    pthread_mutex_lock(&client->mutex);
    struct weir_kafka_entry *entry = *bucket;
    while (entry && (entry->partition != partition || strcmp(entry->topic, topic) != 0))
        entry = entry->next;
    if (!entry && client->entries_count < WEIR_KAFKA_ENTRIES_MAX &&
        (entry = entry_new(client, topic, partition))) {
        entry->next = *bucket;
        *bucket = entry;
        client->entries_count++;
    }
    pthread_mutex_unlock(&client->mutex);
    return entry;
}

size_t weir_kafka_entry_attrs(const struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                              struct weir_attribute ret[WEIR_KAFKA_ATTRS_MAX]) {
    const struct weir_kafka_client *client = entry->client;
    const char *operation = weir_kafka_metric_operation(metric);
    const char *type = weir_kafka_metric_operation_type(metric);
    size_t count = 0;
    ret[count++] = WEIR_STR("messaging.system", "kafka");
    if (operation) ret[count++] = WEIR_STR("messaging.operation.name", operation);
    if (type) ret[count++] = WEIR_STR("messaging.operation.type", type);
    if (entry->topic[0]) ret[count++] = WEIR_STR("messaging.destination.name", entry->topic);
    if (entry->partition >= 0)
        ret[count++] = WEIR_STR("messaging.destination.partition.id", entry->partition_text);
    if (client->group) ret[count++] = WEIR_STR("messaging.consumer.group.name", client->group);
    if (client->server && client->server[0]) {
        ret[count++] = WEIR_STR("server.address", client->server);
        ret[count++] = WEIR_INT("server.port", client->port);
    }
    return count;
}

struct weir_series *weir_kafka_entry_series(struct weir_kafka_entry *entry,
                                            enum weir_kafka_metric metric) {
    struct weir_series *series = atomic_load_explicit(&entry->series[metric], memory_order_acquire);
    if (series) return series;
    struct weir_attribute attrs[WEIR_KAFKA_ATTRS_MAX];
    size_t count = weir_kafka_entry_attrs(entry, metric, attrs);
    series = weir_series_get(weir_kafka_instrument_get(metric), attrs, count);
    atomic_store_explicit(&entry->series[metric], series, memory_order_release);
    return series;
}

/* Attributes of a failure; few of them ever, so they are looked up each time. */
static size_t failed_attrs(const struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                           const char *error_type,
                           struct weir_attribute ret[WEIR_KAFKA_ATTRS_MAX + 1]) {
    size_t count = weir_kafka_entry_attrs(entry, metric, ret);
    ret[count++] = WEIR_STR("error.type", error_type);
    return count;
}

void weir_kafka_entry_add(struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                          int64_t amount, const char *error_type) {
    if (!entry || !entry->observed || !entry->client->settings->metrics) return;
    if (!error_type) {
        weir_series_add(weir_kafka_entry_series(entry, metric), amount);
        return;
    }
    struct weir_attribute attrs[WEIR_KAFKA_ATTRS_MAX + 1];
    size_t count = failed_attrs(entry, metric, error_type, attrs);
    weir_instrument_add(weir_kafka_instrument_get(metric), amount, attrs, count);
}

void weir_kafka_entry_record(struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                             double seconds, const char *error_type) {
    if (!entry || !entry->observed || !entry->client->settings->metrics) return;
    if (!error_type) {
        weir_series_record(weir_kafka_entry_series(entry, metric), seconds);
        return;
    }
    struct weir_attribute attrs[WEIR_KAFKA_ATTRS_MAX + 1];
    size_t count = failed_attrs(entry, metric, error_type, attrs);
    weir_instrument_record(weir_kafka_instrument_get(metric), seconds, attrs, count);
}
