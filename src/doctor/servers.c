/* SPDX-License-Identifier: Apache-2.0 */
/* Each bootstrap server by itself: name, port, protocol, versions; then what the cluster says of
 * itself, and whether the addresses that its brokers give can be reached from here. */
#include <stdlib.h>
#include <unistd.h>

#include "doctor/client.h"
#include "doctor/wire.h"
#include "rd/conf.h"

enum { SERVERS_MAX = 64, SERVER_TIMEOUT_MS = 5000 };

struct security {
    char protocol[32]; /* "plaintext", "ssl", "sasl_plaintext", "sasl_ssl" */
    bool tls, sasl;
};

/* Words of librdkafka or OpenSSL, and what helps. */
static const struct {
    const char *words, *remedy;
} remedies[] = {
    {"certificate verify failed",
     "The broker's certificate is not signed by an authority that is trusted here: set "
     "ssl.ca.location to the PEM file of the authority that signed it."},
    {"could not be verified",
     "The broker's certificate is not signed by an authority that is trusted here: set "
     "ssl.ca.location to the PEM file of the authority that signed it."},
    {"mismatch", "The certificate was made for another name: use the name that stands in it, or "
                 "have the broker's certificate made for this one."},
    {"wrong version number",
     "The port does not speak TLS: use the broker's TLS port, or security.protocol=PLAINTEXT."},
    {"Authentication failed", "Check sasl.username and sasl.password, and that the user exists."},
    {"authentication failed", "Check sasl.username and sasl.password, and that the user exists."},
    {"not valid in current SASL state",
     "The listener has no SASL: use the one that has, or security.protocol=PLAINTEXT (or SSL)."},
    {"mechanism", "Set sasl.mechanism to one that the broker has enabled "
                  "(sasl.enabled.mechanisms)."},
    {"connecting to a SSL listener",
     "The port wants TLS: set security.protocol=SSL (or SASL_SSL)."},
    {"connecting to a PLAINTEXT broker listener",
     "The port does not speak TLS: use the broker's TLS port, or security.protocol=PLAINTEXT."},
    {"security.protocol", "Set security.protocol to what the broker's listener is: PLAINTEXT, SSL, "
                          "SASL_PLAINTEXT or SASL_SSL."},
    {"Failed to resolve", "Check the name, or add it to DNS or /etc/hosts."},
};

static const char *remedy_for(const char *words) {
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strstr(words, remedies[i].words)) return remedies[i].remedy;
    return "Check bootstrap.servers, security.protocol, and the broker's log.";
}

/* ── one server ──────────────────────────────────────────────────────────────────────────────── */

static void wrong_speech(struct weir_doctor *doctor, const struct weir_doctor_endpoint *endpoint,
                         enum weir_doctor_speech speech, const char *why) {
    if (speech == WEIR_SPEECH_CLOSED || speech == WEIR_SPEECH_SILENT) {
        int64_t until_ns =
            weir_clock_mono_ns() + weir_doctor_left_ms(doctor, 2000) * WEIR_NS_PER_MS;
        enum weir_doctor_speech heard = weir_doctor_recognise(endpoint, until_ns);
        if (heard != WEIR_SPEECH_SILENT) speech = heard;
    }
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "kafka.server",
                    "%s:%s is reachable, but does not speak Kafka with us: it %s.", endpoint->host,
                    endpoint->port, weir_doctor_speech_words(speech));
    weir_report_detail(doctor->report, "Asked it which versions it knows (ApiVersions): %s.", why);
    if (speech == WEIR_SPEECH_TLS)
        weir_report_remedy(doctor->report, "This port wants TLS: set security.protocol=SSL (or "
                                           "SASL_SSL) and ssl.ca.location in --properties.");
    else
        weir_report_remedy(doctor->report, "This is the port of something else: look up the "
                                           "broker's listeners.");
}

static void say_versions(struct weir_doctor *doctor, const struct weir_doctor_endpoint *endpoint,
                         const char *address, const struct weir_wire_versions *versions,
                         int64_t took_ns) {
    bool headers = weir_wire_has_headers(versions);
    weir_report_add(doctor->report, headers ? WEIR_FINDING_OK : WEIR_FINDING_FAIL, "kafka.server",
                    headers ? "%s:%s answers; Kafka %s or newer, its records can carry headers."
                            : "%s:%s answers, but Kafka %s has no record headers: no context can "
                              "travel.",
                    endpoint->host, endpoint->port, weir_wire_release(versions));
    weir_report_detail(doctor->report,
                       "Address %s, first answer after %lld ms; Produce up to v%d, "
                       "Fetch up to v%d (headers need v3 and v4).",
                       address, (long long)(took_ns / WEIR_NS_PER_MS), versions->apis[0].max,
                       versions->apis[1].max);
    if (!headers) weir_report_remedy(doctor->report, "Upgrade the broker to 0.11 or newer.");
}

static bool speaks_without_tls(struct weir_doctor *doctor,
                               const struct weir_doctor_endpoint *endpoint) {
    struct weir_wire_versions versions;
    enum weir_doctor_speech speech;
    char address[64];
    int fd;
    int64_t until_ns = weir_clock_mono_ns() + weir_doctor_left_ms(doctor, 2000) * WEIR_NS_PER_MS;
    if (weir_doctor_connect(endpoint, until_ns, &fd, address, sizeof address, NULL) != WEIR_OK)
        return false;
    int rc = weir_wire_versions_ask(fd, until_ns, &versions, &speech, NULL);
    close(fd);
    return rc == WEIR_OK;
}

/* What a client with the user's own properties says to this server alone. */
static bool ask_with_client(struct weir_doctor *doctor, const struct weir_doctor_endpoint *endpoint,
                            const struct security *security) {
    struct weir_doctor_client *client;
    struct weir_error err = {0};
    const struct rd_kafka_metadata *metadata;
    char server[280];
    bool v6 = strchr(endpoint->host, ':') != NULL;
    snprintf(server, sizeof server, v6 ? "[%s]:%s" : "%s:%s", endpoint->host, endpoint->port);
    int rc = weir_doctor_client_open(doctor, server, &client, &err);
    if (!rc) {
        rc = weir_doctor_client_metadata(
            client, false, weir_doctor_left_ms(doctor, SERVER_TIMEOUT_MS), &metadata, &err);
        if (!rc) doctor->rd->metadata_destroy(metadata);
        weir_doctor_client_close(client);
    }
    if (!rc) return true;
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "kafka.server",
                    "%s refuses us with security.protocol=%s.", server, security->protocol);
    weir_report_detail(doctor->report, "librdkafka says: %s", err.message);
    if (security->tls && speaks_without_tls(doctor, endpoint))
        weir_report_remedy(doctor->report,
                           "The port speaks Kafka without TLS: use the broker's TLS "
                           "port, or security.protocol=%s.",
                           security->sasl ? "SASL_PLAINTEXT" : "PLAINTEXT");
    else
        weir_report_remedy(doctor->report, "%s", remedy_for(err.message));
    return false;
}

/* True when it speaks Kafka with us. */
static bool check_server(struct weir_doctor *doctor, struct weir_view text,
                         const struct security *security, int timeout_ms) {
    struct weir_doctor_endpoint endpoint;
    struct weir_wire_versions versions;
    enum weir_doctor_speech speech;
    struct weir_error err = {0};
    char address[64];
    int fd;
    int64_t start_ns = weir_clock_mono_ns(), until_ns = start_ns + timeout_ms * WEIR_NS_PER_MS;
    int rc = weir_doctor_endpoint_parse(text, "9092", &endpoint, &err);
    if (!rc) rc = weir_doctor_connect(&endpoint, until_ns, &fd, address, sizeof address, &err);
    if (rc) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "kafka.server",
                        "The bootstrap server %.*s cannot be reached.",
                        WEIR_VIEW_ARG(weir_view_upto(text, 200)));
        weir_report_detail(doctor->report, "%s.", err.message);
        weir_report_remedy(doctor->report,
                           "Is the broker running, and is this its listener's name and port? From "
                           "this machine: nc -vz %s %s",
                           endpoint.host, endpoint.port);
        return false;
    }
    if (security->tls) {
        close(fd);
        if (!ask_with_client(doctor, &endpoint, security)) return false;
        weir_report_add(doctor->report, WEIR_FINDING_OK, "kafka.server", "%s:%s answers, over TLS.",
                        endpoint.host, endpoint.port);
        return true;
    }
    rc = weir_wire_versions_ask(fd, until_ns, &versions, &speech, &err);
    int64_t took_ns = weir_clock_mono_ns() - start_ns;
    close(fd);
    if (rc) {
        wrong_speech(doctor, &endpoint, speech, err.message);
        return false;
    }
    if (security->sasl && !ask_with_client(doctor, &endpoint, security)) return false;
    say_versions(doctor, &endpoint, address, &versions, took_ns);
    return true;
}

/* ── the cluster ─────────────────────────────────────────────────────────────────────────────── */

static bool is_named(const char *brokers, const struct weir_wire_broker *broker) {
    struct weir_view rest = weir_view_str(brokers);
    struct weir_doctor_endpoint endpoint;
    while (rest.ptr) {
        struct weir_view text = weir_view_cut(&rest, ',');
        if (weir_doctor_endpoint_parse(text, "9092", &endpoint, NULL) == WEIR_OK &&
            !strcmp(endpoint.host, broker->endpoint.host) &&
            !strcmp(endpoint.port, broker->endpoint.port))
            return true;
    }
    return false;
}

/* A broker calls itself by an address; that address is what clients use from then on. */
static bool check_advertised(struct weir_doctor *doctor, const struct weir_wire_broker *broker) {
    struct weir_error err = {0};
    char address[64];
    int fd;
    int64_t until_ns = weir_clock_mono_ns() + weir_doctor_left_ms(doctor, 2000) * WEIR_NS_PER_MS;
    if (weir_doctor_connect(&broker->endpoint, until_ns, &fd, address, sizeof address, &err) ==
        WEIR_OK) {
        close(fd);
        return true;
    }
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "kafka.advertised",
                    "Broker %d calls itself %s:%s, which cannot be reached from here: a client "
                    "finds the cluster, then fails.",
                    broker->id, broker->endpoint.host, broker->endpoint.port);
    weir_report_detail(
        doctor->report, "%s.%s", err.message,
        is_named(doctor->brokers, broker) ? "" : " It is not among the bootstrap servers either.");
    weir_report_remedy(doctor->report,
                       "Set advertised.listeners of broker %d to a name and port that its clients "
                       "reach (containers and NAT: one listener inside, one outside), or make "
                       "%s known here.",
                       broker->id, broker->endpoint.host);
    return false;
}

static void say_cluster(struct weir_doctor *doctor, const struct weir_wire_cluster *cluster) {
    uint32_t reached = 0;
    for (uint32_t i = 0; i < cluster->brokers_count; i++)
        reached += check_advertised(doctor, &cluster->brokers[i]);
    weir_report_add(doctor->report, WEIR_FINDING_OK, "kafka.cluster",
                    "Cluster %s: %u broker%s, controller %d.",
                    cluster->id[0] ? cluster->id : "(without an id)", cluster->brokers_count,
                    cluster->brokers_count == 1 ? "" : "s", cluster->controller);
    for (uint32_t i = 0; i < cluster->brokers_count && i < 16; i++)
        weir_report_detail(doctor->report, "Broker %d calls itself %s:%s.", cluster->brokers[i].id,
                           cluster->brokers[i].endpoint.host, cluster->brokers[i].endpoint.port);
    if (reached == cluster->brokers_count && reached > 0)
        weir_report_add(doctor->report, WEIR_FINDING_OK, "kafka.advertised",
                        "Every broker can be reached by the address that it gives out.");
}

/* From librdkafka's metadata. */
static void read_cluster(struct weir_doctor_client *client,
                         const struct rd_kafka_metadata *metadata, struct weir_wire_cluster *ret) {
    char *id = client->rd->clusterid(client->rk, 500);
    snprintf(ret->id, sizeof ret->id, "%s", id ? id : "");
    free(id);
    ret->controller = client->rd->controllerid ? client->rd->controllerid(client->rk, 500) : -1;
    for (int i = 0; i < metadata->broker_cnt && i < WEIR_WIRE_BROKERS_MAX; i++) {
        struct weir_wire_broker *broker = &ret->brokers[ret->brokers_count++];
        broker->id = metadata->brokers[i].id;
        snprintf(broker->endpoint.host, sizeof broker->endpoint.host, "%s",
                 metadata->brokers[i].host);
        snprintf(broker->endpoint.port, sizeof broker->endpoint.port, "%d",
                 metadata->brokers[i].port & 0xffff);
    }
}

static void check_cluster(struct weir_doctor *doctor) {
    static struct weir_wire_cluster cluster;
    const struct rd_kafka_metadata *metadata;
    struct weir_error err = {0};
    memset(&cluster, 0, sizeof cluster);
    int rc = weir_doctor_client_open(doctor, doctor->brokers, &doctor->client, &err);
    if (!rc) {
        rc = weir_doctor_client_metadata(doctor->client, false, weir_doctor_left_ms(doctor, 6000),
                                         &metadata, &err);
        if (rc) {
            weir_doctor_client_close(doctor->client);
            doctor->client = NULL;
        }
    }
    if (rc) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "kafka.cluster",
                        "librdkafka gets no answer from the cluster.");
        weir_report_detail(doctor->report, "It says: %s", err.message);
        weir_report_remedy(doctor->report, "%s", remedy_for(err.message));
        return;
    }
    read_cluster(doctor->client, metadata, &cluster);
    doctor->rd->metadata_destroy(metadata);
    say_cluster(doctor, &cluster);
}

/* Without librdkafka: from the first server that answers without TLS and SASL. */
static void check_cluster_raw(struct weir_doctor *doctor) {
    static struct weir_wire_cluster cluster;
    struct weir_view rest = weir_view_str(doctor->brokers);
    int64_t until_ns = weir_clock_mono_ns() + weir_doctor_left_ms(doctor, 4000) * WEIR_NS_PER_MS;
    while (rest.ptr) {
        struct weir_view text = weir_view_cut(&rest, ',');
        struct weir_doctor_endpoint endpoint;
        char address[64];
        int fd, rc;
        if (weir_doctor_endpoint_parse(text, "9092", &endpoint, NULL) != WEIR_OK ||
            weir_doctor_connect(&endpoint, until_ns, &fd, address, sizeof address, NULL) != WEIR_OK)
            continue;
        rc = weir_wire_cluster_ask(fd, until_ns, &cluster, NULL);
        close(fd);
        if (rc == WEIR_OK) {
            say_cluster(doctor, &cluster);
            return;
        }
    }
}

/* ── all of them ─────────────────────────────────────────────────────────────────────────────── */

static bool read_properties(struct weir_doctor *doctor, struct security *ret) {
    struct weir_error err = {0};
    char *servers = weir_arena_alloc(&doctor->arena, 4096);
    doctor->brokers = doctor->options->brokers;
    if (!doctor->rd || !servers) return true;
    rd_kafka_conf_t *conf = weir_doctor_conf(doctor, doctor->options->brokers, &err);
    if (!conf) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "kafka.properties",
                        "librdkafka does not take the properties.");
        weir_report_detail(doctor->report, "%s", err.message);
        weir_report_remedy(doctor->report,
                           "Correct the file; the names and values are librdkafka's "
                           "(CONFIGURATION.md), and Java's where they mean the same.");
        return false;
    }
    weir_rd_conf_get(doctor->rd, conf, "bootstrap.servers", servers, 4096);
    weir_rd_conf_get(doctor->rd, conf, "security.protocol", ret->protocol, sizeof ret->protocol);
    doctor->rd->conf_destroy(conf);
    if (servers[0]) doctor->brokers = servers;
    ret->tls = strstr(ret->protocol, "ssl") != NULL;
    ret->sasl = strstr(ret->protocol, "sasl") != NULL;
    return true;
}

void weir_doctor_check_servers(struct weir_doctor *doctor) {
    struct security security = {.protocol = "plaintext"};
    if (!read_properties(doctor, &security)) return;
    if (!doctor->brokers) {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "kafka.server",
                        "No brokers were named: Kafka is not looked at.");
        weir_report_remedy(doctor->report, "Give --brokers host:port, or set KAFKA_BROKERS.");
        return;
    }
    bool reached = false;
    struct weir_view rest = weir_view_str(doctor->brokers);
    for (int count = 0; rest.ptr && count < SERVERS_MAX; count++) {
        struct weir_view text = weir_view_trim(weir_view_cut(&rest, ','));
        int left_ms = weir_doctor_left_ms(doctor, 3600000);
        if (text.len)
            reached |=
                check_server(doctor, text, &security,
                             left_ms / 3 > SERVER_TIMEOUT_MS ? SERVER_TIMEOUT_MS : left_ms / 3);
    }
    if (!reached) return;
    if (doctor->rd)
        check_cluster(doctor);
    else
        check_cluster_raw(doctor);
}
