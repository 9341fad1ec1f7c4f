/* SPDX-License-Identifier: Apache-2.0 */
/* One stage of the shop: takes orders from one topic, does its part, hands them to the next.
 *
 *     shop IN OUT COUNT      KAFKA_BROKERS, KAFKA_GROUP, WEIR_PLUGIN
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char text[256];
    if (value && rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type) {
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", getenv("KAFKA_BROKERS"));
    set(conf, "plugin.library.paths", getenv("WEIR_PLUGIN"));
    if (type == RD_KAFKA_CONSUMER) {
        set(conf, "group.id", getenv("KAFKA_GROUP"));
        set(conf, "auto.offset.reset", "earliest");
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    return rk;
}

static void hand_over(rd_kafka_t *producer, const char *topic, const rd_kafka_message_t *message) {
    char value[1024];
    int len =
        snprintf(value, sizeof value, "%.*s c", (int)message->len, (const char *)message->payload);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(message->key, message->key_len),
        RD_KAFKA_V_VALUE(value, (size_t)len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
    if (err) {
        fprintf(stderr, "%s\n", rd_kafka_err2str(err));
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER);
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, argv[1], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    printf("ready c %s\n", rd_kafka_version_str());
    fflush(stdout);

    for (int done = 0; done < strtol(argv[3], NULL, 10);) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 1000);
        if (!message) continue;
        if (!message->err) {
            hand_over(producer, argv[2], message);
            done++;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_flush(producer, 30000);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    printf("done %s\n", argv[3]);
    return 0;
}
