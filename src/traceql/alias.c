/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/alias.h"

/* One row per thing; today's name first. */
static const struct {
    const char *names[WEIR_TRACEQL_ALIASES_MAX];
    bool loose;
} groups[] = {
    {{"messaging.destination.name", "messaging.destination", "kafka.topic", "messaging.kafka.topic",
      "messaging.source.name", "messaging.kafka.destination.name"},
     false},
    {{"messaging.destination.partition.id", "messaging.kafka.destination.partition",
      "messaging.kafka.partition", "messaging.kafka.source.partition",
      "messaging.destination_partition", "kafka.partition"},
     true},
    {{"messaging.kafka.offset", "messaging.kafka.message.offset", "kafka.offset",
      "messaging.offset"},
     true},
    {{"messaging.consumer.group.name", "messaging.kafka.consumer.group", "messaging.consumer.group",
      "messaging.kafka.consumer_group", "kafka.consumer.group"},
     false},
    {{"messaging.operation.name", "messaging.operation", "messaging.operation.type"}, false},
    {{"messaging.kafka.message.key", "messaging.message.key", "messaging.kafka.message_key"}, true},
    {{"messaging.client.id", "messaging.client_id", "messaging.kafka.client_id"}, false},
    {{"messaging.message.id", "messaging.message_id"}, false},
    {{"deployment.environment.name", "deployment.environment"}, false},
};

/* Only today's names of one thing that are different things today stay apart: asking for
 * messaging.operation.type must not find messaging.operation.name. */
static bool stands_alone(struct weir_view name) {
    return weir_view_is(name, "messaging.operation.type") ||
           weir_view_is(name, "messaging.operation.name");
}

static void add(struct weir_traceql_aliases *aliases, struct weir_view name) {
    if (!weir_view_eq(name, aliases->names[0])) aliases->names[aliases->count++] = name;
}

struct weir_traceql_aliases weir_traceql_aliases_of(struct weir_view name) {
    struct weir_traceql_aliases aliases = {.names = {name}, .count = 1};
    if (stands_alone(name)) {
        add(&aliases, WEIR_VIEW("messaging.operation"));
        return aliases;
    }
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < WEIR_TRACEQL_ALIASES_MAX && groups[g].names[i]; i++) {
            if (!weir_view_is(name, groups[g].names[i])) continue;
            for (size_t k = 0; k < WEIR_TRACEQL_ALIASES_MAX && groups[g].names[k]; k++)
                add(&aliases, weir_view_str(groups[g].names[k]));
            aliases.loose = groups[g].loose;
            return aliases;
        }
    return aliases;
}
