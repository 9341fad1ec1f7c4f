/* SPDX-License-Identifier: Apache-2.0 */
/* A program of a libweir user, for the acceptance rows. Prints what it found, one fact per line.
 *
 *   client extract NAME=VALUE …   reads a header map of its own, then Kafka headers, and injects
 * again client send                   a producer's half by hand: a span, injected into a map client
 * link NAME=VALUE …      a span that links to the sender found in the map client custom COUNT … a
 * metric of its own with labels client idle TOPIC SECONDS     sends one message and then nothing
 *   client provoke                everything that the SDK counts as a fault
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir/kafka.h"
#include "weir/log.h"
#include "weir/metric.h"
#include "weir/propagation.h"

/* ── a header map ────────────────────────────────────────────────────────────────────────────── */

struct map {
    const char *names[16];
    char values[16][9000];
    int count;
};

static const char *map_get(void *arg, const char *name, size_t *ret_size) {
    struct map *map = arg;
    for (int i = map->count - 1; i >= 0; i--)
        if (!strcmp(map->names[i], name)) return *ret_size = strlen(map->values[i]), map->values[i];
    return NULL;
}

static int map_set(void *arg, const char *name, const char *value, size_t size) {
    struct map *map = arg;
    int i = 0;
    while (i < map->count && strcmp(map->names[i], name) != 0) i++;
    if (i == 16 || size >= sizeof map->values[0]) return -1;
    if (i == map->count) map->names[map->count++] = strdup(name);
    snprintf(map->values[i], sizeof map->values[i], "%.*s", (int)size, value);
    return 0;
}

static void map_fill(struct map *map, int argc, char **argv) {
    for (; argc > 0 && map->count < 16; argc--, argv++, map->count++) {
        char *value = strchr(*argv, '=');
        if (!value) exit(2);
        map->names[map->count] = strndup(*argv, (size_t)(value - *argv));
        snprintf(map->values[map->count], sizeof map->values[0], "%s", value + 1);
    }
}

/* ── commands ────────────────────────────────────────────────────────────────────────────────── */

static void tell_baggage(void *arg, const char *name, const char *value) {
    printf("%s baggage %s=%s\n", (const char *)arg, name, value);
}

/* What a context holds, and what a span below it is. */
static void tell_context(char *where, const struct weir_context *ctx) {
    struct weir_span_context sc;
    char text[WEIR_TRACEPARENT_SIZE];
    if (weir_context_span_context(ctx, &sc)) {
        weir_traceparent_format(&sc, text);
        printf("%s context %.55s\n", where, text);
        if (sc.trace_state_size)
            printf("%s state %.*s\n", where, (int)sc.trace_state_size, sc.trace_state);
    } else {
        printf("%s context none\n", where);
    }
    weir_baggage_each(ctx ? ctx : (struct weir_context *)weir_context_current(), tell_baggage,
                      where);
    struct weir_span_options options = {.struct_size = sizeof options, .parent = ctx, .root = !ctx};
    struct weir_span *span = weir_span_start(weir_tracer_get("client", NULL), "below", &options);
    sc = weir_span_context_get(span);
    weir_traceparent_format(&sc, text);
    printf("%s below %.55s recording %d\n", where, text, weir_span_is_recording(span));
    weir_span_end(span);
}

static void extract_map(struct map *map) {
    struct weir_context *ctx = weir_extract(NULL, map_get, map);
    tell_context("map", ctx);
    static struct map again;
    printf("map injected %d\n", ctx ? weir_inject(ctx, map_set, &again) : 0);
    for (int i = 0; i < again.count; i++)
        printf("map header %s=%s\n", again.names[i], again.values[i]);
    weir_context_unref(ctx);
}

static void extract_kafka(const struct map *map) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    for (int i = 0; i < map->count; i++)
        rd_kafka_header_add(headers, map->names[i], -1, map->values[i],
                            (ssize_t)strlen(map->values[i]));
    struct weir_context *ctx = weir_kafka_extract(NULL, headers);
    tell_context("kafka", ctx);
    if (ctx) weir_kafka_inject(ctx, headers);
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
        printf("kafka header %s=%.*s\n", name, (int)size, (const char *)value);
    weir_context_unref(ctx);
    rd_kafka_headers_destroy(headers);
}

static void link_to_sender(struct map *map) {
    struct weir_context *ctx = weir_extract(NULL, map_get, map);
    struct weir_link link = {.attributes_count = 0};
    weir_context_span_context(ctx, &link.span_context);
    struct weir_span_options options = {.struct_size = sizeof options,
                                        .kind = WEIR_KIND_CONSUMER,
                                        .root = true,
                                        .links = &link,
                                        .links_count = 1};
    struct weir_span *span =
        weir_span_start(weir_tracer_get("client", NULL), "receive by hand", &options);
    struct weir_span_context sc = weir_span_context_get(span);
    char text[WEIR_TRACEPARENT_SIZE];
    weir_traceparent_format(&sc, text);
    printf("linked %.55s\n", text);
    weir_span_end(span);
    weir_context_unref(ctx);
}

/* A producer's half by hand: a span, injected into a map. */
static void send_by_hand(void) {
    static struct map map;
    struct weir_span_options options = {.struct_size = sizeof options, .kind = WEIR_KIND_PRODUCER};
    struct weir_span *span =
        weir_span_start(weir_tracer_get("client", NULL), "send by hand", &options);
    struct weir_scope scope;
    weir_scope_attach_span(&scope, span);
    weir_inject(NULL, map_set, &map);
    weir_scope_detach(&scope);
    weir_span_end(span);
    for (int i = 0; i < map.count; i++) printf("map header %s=%s\n", map.names[i], map.values[i]);
}

static void custom(int argc, char **argv) {
    struct weir_instrument *orders =
        weir_counter_get(weir_meter_get("shop", "1.0"), "shop.orders", "{order}", "Orders taken.");
    for (int i = 0; i < argc; i++)
        weir_instrument_add(orders, (int)strtol(argv[i], NULL, 10),
                            (struct weir_attribute[]){WEIR_STR("region", i % 2 ? "eu" : "us"),
                                                      WEIR_INT("shelf", i)},
                            2);
}

static void idle(const char *topic, unsigned seconds) {
    struct weir_producer *producer = weir_producer_open(NULL, NULL);
    weir_producer_send(producer, WEIR_RECORD(topic, "fine"), NULL, NULL);
    sleep(seconds);
    weir_producer_close(producer);
}

static void provoke(void) {
    static struct map bad = {.names = {"traceparent"}, .values = {"00-zz"}, .count = 1};
    struct weir_meter *meter = weir_meter_get("shop", "1.0");
    struct weir_instrument *orders =
        weir_counter_get(meter, "shop.orders", "{order}", "Orders taken.");
    weir_context_unref(weir_extract(NULL, map_get, &bad));
    weir_instrument_add(orders, -1, NULL, 0);
    for (int i = 0; i < 2100; i++)
        weir_instrument_add(orders, 1, (struct weir_attribute[]){WEIR_INT("shelf", i)}, 1);
    struct weir_logger *logger = weir_logger_get("shop", NULL);
    for (int i = 0; i < 10; i++) {
        struct weir_span *span = weir_span_start(weir_tracer_get("client", NULL), "provoke", NULL);
        weir_span_set(span, WEIR_INT("", 1));
        weir_logger_log(logger, WEIR_SEVERITY_INFO, "provoked", NULL, 0);
        weir_span_end(span);
        usleep(300000);
    }
}

int main(int argc, char **argv) {
    static struct map map;
    const char *command = argc > 1 ? argv[1] : "";
    struct weir_error err;
    if (weir_init(NULL, &err)) return fprintf(stderr, "%s\n", err.message), 1;
    if (!strcmp(command, "extract")) {
        map_fill(&map, argc - 2, argv + 2);
        extract_map(&map);
        extract_kafka(&map);
    } else if (!strcmp(command, "link")) {
        map_fill(&map, argc - 2, argv + 2);
        link_to_sender(&map);
    } else if (!strcmp(command, "send")) {
        send_by_hand();
    } else if (!strcmp(command, "custom")) {
        custom(argc - 2, argv + 2);
    } else if (!strcmp(command, "idle") && argc == 4) {
        idle(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    } else if (!strcmp(command, "provoke")) {
        provoke();
    }
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_stats_get(&stats);
    printf("malformed %llu\n", (unsigned long long)stats.headers_malformed);
    return weir_shutdown(5000, NULL) ? 1 : 0;
}
