/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/names.h"

#include "base/view.h"

static const struct row {
    const char *name, *older;
    bool to_int; /* the older one is a number */
} rows[] = {
    {"messaging.destination.name", "messaging.destination", false},
    {"messaging.destination.partition.id", "messaging.kafka.partition", true},
    {"messaging.kafka.offset", "messaging.kafka.message.offset", false},
    {"messaging.consumer.group.name", "messaging.kafka.consumer.group", false},
    {"messaging.client.id", "messaging.kafka.client_id", false},
    {"messaging.operation.type", "messaging.operation", false},
    {"messaging.message.body.size", "messaging.message_payload_size_bytes", false},
};
_Static_assert(sizeof rows / sizeof rows[0] <= WEIR_KAFKA_OLDER_MAX, "room for all of them");

static const struct row *find(const struct weir_attribute *attr) {
    struct weir_view key = weir_view(attr->key, attr->key_size);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (weir_view_is(key, rows[i].name)) return &rows[i];
    return NULL;
}

static struct weir_attribute older(const struct row *row, const struct weir_attribute *attr) {
    struct weir_attribute ret = *attr;
    struct weir_view text = weir_view(attr->value.str, attr->size);
    int64_t number;
    ret.key = row->older;
    ret.key_size = strlen(row->older);
    if (attr->type != WEIR_ATTRIBUTE_STRING) return ret;
    if (row->to_int && weir_view_to_i64(text, &number)) return WEIR_INT(row->older, number);
    if (strcmp(row->older, "messaging.operation") == 0 && weir_view_is(text, "send"))
        return WEIR_STR(row->older, "publish");
    return ret;
}

size_t weir_kafka_names_apply(const struct weir_kafka_settings *settings,
                              struct weir_attribute *attrs, size_t count, size_t room) {
    size_t given = count;
    if (settings->semconv == WEIR_KAFKA_SEMCONV_1_44) return count;
    for (size_t i = 0; i < given; i++) {
        const struct row *row = find(&attrs[i]);
        if (!row || attrs[i].type == WEIR_ATTRIBUTE_NONE) continue;
        if (settings->semconv == WEIR_KAFKA_SEMCONV_DOCUMENT)
            attrs[i] = older(row, &attrs[i]);
        else if (count < room)
            attrs[count++] = older(row, &attrs[i]);
    }
    return count;
}
