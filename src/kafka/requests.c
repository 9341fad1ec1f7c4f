/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/requests.h"

#include "kafka/client.h"

/* Attempts without a connection that an awakening client may need: bootstrap, broker,
 * coordinator. */
enum { CONNECTS_DOWN = 2 };
enum { METADATA = 3, SYNC_GROUP = 14, GROUP_HEARTBEAT = 68 };

static const struct {
    int16_t key;
    const char *name;
    bool of_producers, of_consumers;
} kinds[] = {
    {0, "Produce", true, false},
    {2, "ListOffsets", false, true},
    {METADATA, "Metadata", true, true},
    {8, "OffsetCommit", false, true},
    {9, "OffsetFetch", false, true},
    {10, "FindCoordinator", true, true},
    {11, "JoinGroup", false, true},
    {12, "Heartbeat", false, true},
    {SYNC_GROUP, "SyncGroup", false, true},
    {22, "InitProducerId", true, false},
    {24, "AddPartitionsToTxn", true, false},
    {25, "AddOffsetsToTxn", true, false},
    {26, "EndTxn", true, false},
    {28, "TxnOffsetCommit", true, false},
    {GROUP_HEARTBEAT, "ConsumerGroupHeartbeat", false, true},
};

void weir_kafka_requests_init(struct weir_kafka_client *client) {
    if (!client->settings->metrics) return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!(client->is_producer ? kinds[i].of_producers : kinds[i].of_consumers)) continue;
        struct weir_attribute attrs[] = {WEIR_STR("messaging.system", "kafka"),
                                         WEIR_STR("messaging.client.id", client->client_id),
                                         WEIR_STR("kafka.api", kinds[i].name)};
        client->requests.series[kinds[i].key] =
            weir_series_get(weir_kafka_instrument_get(WEIR_KAFKA_REQUEST_DURATION), attrs,
                            sizeof attrs / sizeof attrs[0]);
    }
}

/* Who has joined the group anew may have been given other partitions. */
rd_kafka_resp_err_t weir_kafka_requests_on_response(rd_kafka_t *rk, int fd, const char *broker,
                                                    int32_t broker_id, int16_t key, int16_t version,
                                                    int32_t id, size_t size, int64_t rtt_us,
                                                    rd_kafka_resp_err_t err, void *opaque) {
    (void)rk, (void)fd, (void)broker, (void)broker_id, (void)version, (void)id, (void)size;
    struct weir_kafka_client *client = opaque;
    if (key == SYNC_GROUP) atomic_fetch_add_explicit(&client->assignment, 1, memory_order_relaxed);
    if (!err && rtt_us >= 0 && key >= 0 && key < WEIR_KAFKA_APIS_MAX &&
        client->requests.series[key])
        weir_series_record(client->requests.series[key], (double)rtt_us / 1e6);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Brokers close idle connections, and librdkafka opens them again when it has something to say:
 * down is who has tried a few times since, and has none. */
rd_kafka_resp_err_t weir_kafka_requests_on_state(rd_kafka_t *rk, int32_t broker_id,
                                                 const char *protocol, const char *name, int port,
                                                 const char *state, void *opaque) {
    (void)rk, (void)protocol, (void)name, (void)port;
    struct weir_kafka_client *client = opaque;
    uint32_t place = (uint32_t)(broker_id + 1) % (64 * WEIR_KAFKA_UP_WORDS), up = 0;
    uint64_t bit = UINT64_C(1) << place % 64;
    _Atomic uint64_t *word = &client->up[place / 64];
    if (strcmp(state, "UP") == 0 || strcmp(state, "UPDATE") == 0) {
        atomic_fetch_or(word, bit);
        atomic_store(&client->connects, 0);
        atomic_store(&client->connected, 1);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    atomic_fetch_and(word, ~bit);
    if (strcmp(state, "TRY_CONNECT") == 0) atomic_fetch_add(&client->connects, 1);
    for (int i = 0; i < WEIR_KAFKA_UP_WORDS; i++) up |= atomic_load(&client->up[i]) != 0;
    if (!up && atomic_load(&client->connects) > CONNECTS_DOWN) atomic_store(&client->connected, 0);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
