/* SPDX-License-Identifier: Apache-2.0 */
/* The connector `servicegraph`: who calls whom, how often, how long and with how many failures.
 *
 *     servicegraph: {store: {ttl: 10s, max_items: 100000}, metrics_flush_interval: 15s,
 *                    latency_histogram_buckets: [100ms, 1s], dimensions: [deployment.environment],
 *                    virtual_node_peer_attributes: [peer.service, db.namespace, server.address]}
 *
 * Two halves make an edge: a CLIENT or PRODUCER span, and the SERVER or CONSUMER span that has it
 * as its parent or, as messages do, links to it. Halves wait for each other for `ttl`, in any
 * order; a producer's half stays, since several consumer groups may take its message. A client
 * whose other half never comes gives an edge to a virtual node when it names its peer (a database,
 * a service without tracing); a server without a parent one from `user`.
 *
 *     halves:  this generation ┐ each lives half of ttl and is then the older one; what the older
 *              older one       ┘ one holds unpaired when it goes becomes virtual or is forgotten
 *
 * Source: opentelemetry-collector-contrib, servicegraphconnector; Tempo, metrics-generator.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/metric.h"
#include "collect/connectors/tally.h"
#include "collect/types.h"

WEIR_COUNTER(halves_dropped, "weir_collect_servicegraph_dropped_total",
             "Halves of edges that found no room in servicegraph's store.", "");

enum {
    PEERS_MAX = 16,
    DIMENSIONS_MAX = 16,
    EDGES_MAX = 20000,
    GENERATION_SIZE_MAX = 256 << 20,
    OUT_SIZE_MAX = 256 << 20
};
enum { SERVER_SECONDS, CLIENT_SECONDS };

/* The span that is one end of an edge. */
struct half {
    struct half *next; /* servers that wait for the same client */
    bool is_client, messaging, failed, paired, is_root;
    struct weir_view service, peer, system; /* system: database or messaging system, or "" */
    struct weir_value dimensions[DIMENSIONS_MAX];
    struct weir_otlp_span span; /* ids and times only */
    uint8_t trace_id[16], span_id[8];
};

struct key {
    uint8_t trace_id[16], client_span_id[8];
};

struct generation {
    struct weir_arena arena;
    struct weir_map clients, servers; /* key → half */
    struct half **roots;              /* servers without a parent */
    uint32_t roots_count, roots_room;
};

struct servicegraph {
    struct weir_component component;
    int64_t ttl_ns, interval_ns;
    uint32_t items_max;
    struct weir_view peers[PEERS_MAX], dimensions[DIMENSIONS_MAX];
    uint32_t peers_count, dimensions_count;
    int64_t flushed_ns, turned_ns; /* the ticker's */
    pthread_mutex_t mutex;         /* guards all below */
    struct generation generations[2];
    unsigned young; /* which of them is */
    struct weir_tally edges;
};

/* ---- edges ----------------------------------------------------------------------------------- */

static double seconds(const struct half *half) {
    int64_t ns = half->span.end_ns - half->span.start_ns;
    return ns > 0 ? (double)ns / 1e9 : 0;
}

static void add_text(struct weir_attr *attrs, uint32_t *count, struct weir_view key,
                     struct weir_view text) {
    attrs[(*count)++] = (struct weir_attr){key, weir_value_str(text)};
}

/* Either half may be NULL: then its name is given. */
static void count_edge(struct servicegraph *self, struct half *client, struct weir_view client_name,
                       struct half *server, struct weir_view server_name,
                       struct weir_view connection) {
    struct weir_attr attrs[4 + 2 * DIMENSIONS_MAX];
    char names[2 * DIMENSIONS_MAX][128];
    uint32_t count = 0, texts = 0;
    bool failed = (client && client->failed) || (server && server->failed);
    add_text(attrs, &count, WEIR_VIEW("client"), client_name);
    add_text(attrs, &count, WEIR_VIEW("server"), server_name);
    add_text(attrs, &count, WEIR_VIEW("connection_type"), connection);
    const struct half *const halves[] = {client, server};
    static const char *const sides[] = {"client", "server"};
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; halves[side] && i < self->dimensions_count; i++) {
            if (halves[side]->dimensions[i].type == WEIR_VALUE_NONE) continue;
            char *name = names[texts++];
            snprintf(name, sizeof names[0], "%s_%.*s", sides[side],
                     WEIR_VIEW_ARG(self->dimensions[i]));
            attrs[count++] = (struct weir_attr){weir_view_str(name), halves[side]->dimensions[i]};
        }
    struct weir_tally_series *series =
        weir_tally_at(&self->edges, attrs, count, weir_clock_wall_ns());
    if (!series) return;
    series->count++;
    series->failed += failed;
    if (server)
        weir_tally_record(&self->edges, series, SERVER_SECONDS, seconds(server), &server->span);
    if (client)
        weir_tally_record(&self->edges, series, CLIENT_SECONDS, seconds(client), &client->span);
}

static void pair(struct servicegraph *self, struct half *client, struct half *server) {
    bool messaging = client->messaging || server->messaging;
    client->paired = server->paired = true;
    count_edge(self, client, client->service, server, server->service,
               messaging ? WEIR_VIEW("messaging_system") : WEIR_VIEW(""));
}

/* ---- halves ---------------------------------------------------------------------------------- */

static struct half *find(struct servicegraph *self, bool clients, const struct key *key) {
    struct weir_view bytes = weir_view(key, sizeof *key);
    for (unsigned i = 0; i < 2; i++) {
        struct generation *generation = &self->generations[(self->young + i) % 2];
        const uint64_t *found =
            weir_map_get(clients ? &generation->clients : &generation->servers, bytes);
        if (found) return (struct half *)(uintptr_t)*found;
    }
    return NULL;
}

static bool keep(struct servicegraph *self, struct half *half, const struct key *key) {
    struct generation *young = &self->generations[self->young];
    struct weir_map *map = half->is_client ? &young->clients : &young->servers;
    struct key *own = WEIR_NEW(&young->arena, struct key);
    if (!own || map->count >= self->items_max) return false;
    *own = *key;
    uint64_t *place = weir_map_put(map, weir_view(own, sizeof *own), 0, NULL);
    if (!place) return false;
    half->next = half->is_client ? NULL : (struct half *)(uintptr_t)*place;
    *place = (uint64_t)(uintptr_t)half;
    return true;
}

static struct weir_view text_of(struct weir_arena *arena, struct weir_attrs attrs,
                                struct weir_view key) {
    const struct weir_value *value = weir_attrs_get(attrs, key);
    return value && value->type == WEIR_VALUE_STRING ? weir_arena_copy(arena, value->str)
                                                     : WEIR_VIEW("");
}

static struct weir_value dimension_of(struct weir_arena *arena, struct weir_attrs span,
                                      struct weir_attrs resource, struct weir_view key) {
    const struct weir_value *value = weir_attrs_get(span, key);
    if (!value) value = weir_attrs_get(resource, key);
    struct weir_value kept = {.type = WEIR_VALUE_NONE};
    if (!value || value->type >= WEIR_VALUE_BYTES) return kept;
    kept = *value;
    if (kept.type == WEIR_VALUE_STRING) kept.str = weir_arena_copy(arena, kept.str);
    return kept;
}

static struct half *make_half(struct servicegraph *self, const struct weir_otlp_span *span,
                              struct weir_attrs resource) {
    struct weir_arena *arena = &self->generations[self->young].arena;
    struct half *half = WEIR_NEW(arena, struct half);
    if (!half) return NULL;
    half->is_client = span->kind == WEIR_SPAN_KIND_CLIENT || span->kind == WEIR_SPAN_KIND_PRODUCER;
    half->messaging =
        span->kind == WEIR_SPAN_KIND_CONSUMER || span->kind == WEIR_SPAN_KIND_PRODUCER;
    half->failed = span->status_code == WEIR_SPAN_STATUS_ERROR;
    half->is_root = !span->parent_span_id && !(half->messaging && span->links_count);
    half->service = text_of(arena, resource, WEIR_VIEW("service.name"));
    for (uint32_t i = 0; half->is_client && !half->peer.len && i < self->peers_count; i++)
        half->peer = text_of(arena, span->attrs, self->peers[i]);
    half->system = text_of(arena, span->attrs, WEIR_VIEW("db.system.name"));
    if (!half->system.len) half->system = text_of(arena, span->attrs, WEIR_VIEW("db.system"));
    for (uint32_t i = 0; i < self->dimensions_count; i++)
        half->dimensions[i] = dimension_of(arena, span->attrs, resource, self->dimensions[i]);
    memcpy(half->trace_id, span->trace_id, 16);
    memcpy(half->span_id, span->span_id, 8);
    half->span = (struct weir_otlp_span){.trace_id = half->trace_id,
                                         .span_id = half->span_id,
                                         .start_ns = span->start_ns,
                                         .end_ns = span->end_ns};
    return arena->failed ? NULL : half;
}

static struct key key_of(const uint8_t *trace_id, const uint8_t *span_id) {
    struct key key;
    memcpy(key.trace_id, trace_id, 16);
    memcpy(key.client_span_id, span_id, 8);
    return key;
}

static void drop(void) {
    weir_metric_add(&halves_dropped, 1);
}

static void take_client(struct servicegraph *self, struct half *half) {
    struct key key = key_of(half->trace_id, half->span_id);
    for (struct half *server = find(self, false, &key); server; server = server->next)
        if (!server->paired) pair(self, half, server);
    if (!keep(self, half, &key)) drop();
}

/* A server pairs with the first client that it names: its parent, else one that it links. It waits
 * under that name that is the likeliest to come. */
static void take_server(struct servicegraph *self, struct half *half,
                        const struct weir_otlp_span *span) {
    struct generation *young = &self->generations[self->young];
    if (half->is_root) {
        struct half **place =
            WEIR_PUSH(&young->arena, young->roots, young->roots_count, young->roots_room);
        if (place)
            *place = half;
        else
            drop();
        return;
    }
    struct key first = {0}, key;
    bool by_link = half->messaging && span->links_count;
    for (uint32_t i = 0; i <= span->links_count; i++) {
        /* a message's link before its parent, which may be a poll */
        uint32_t link = by_link ? i : i - 1;
        bool parent = by_link ? i == span->links_count : i == 0;
        if (parent && !span->parent_span_id) continue;
        if (!parent && !by_link) break;
        key = parent ? key_of(span->trace_id, span->parent_span_id)
                     : key_of(span->links[link].trace_id, span->links[link].span_id);
        struct half *client = find(self, true, &key);
        if (client) {
            pair(self, client, half);
            return;
        }
        if (i == 0) first = key;
    }
    if (!keep(self, half, &first)) drop();
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct servicegraph *self = (struct servicegraph *)sink;
    pthread_mutex_lock(&self->mutex);
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        const struct weir_otlp_span *span = &batch->spans[i];
        if (span->kind < WEIR_SPAN_KIND_SERVER) continue;
        struct half *half =
            make_half(self, span, batch->resources[batch->scopes[span->scope].resource].attrs);
        if (!half)
            drop();
        else if (half->is_client)
            take_client(self, half);
        else
            take_server(self, half, span);
    }
    pthread_mutex_unlock(&self->mutex);
    weir_component_answer(batch, done, arg, WEIR_OK, "");
}

/* ---- time ------------------------------------------------------------------------------------ */

static void generation_init(struct generation *generation) {
    *generation = (struct generation){.roots = NULL};
    weir_arena_init(&generation->arena, GENERATION_SIZE_MAX);
    weir_map_init(&generation->clients);
    weir_map_init(&generation->servers);
}

static void generation_done(struct generation *generation) {
    weir_map_done(&generation->clients);
    weir_map_done(&generation->servers);
    weir_arena_done(&generation->arena);
}

/* The older generation goes: whose other half never came stands for an edge to a virtual node. */
static void turn(struct servicegraph *self) {
    struct generation *old = &self->generations[!self->young];
    for (uint32_t i = 0; i < old->clients.count; i++) {
        struct half *half = (struct half *)(uintptr_t)old->clients.entries[i].value;
        struct weir_view name = half->peer.len ? half->peer : half->system;
        if (half->paired || !name.len) continue;
        count_edge(self, half, half->service, NULL, name,
                   half->system.len ? WEIR_VIEW("database") : WEIR_VIEW("virtual_node"));
    }
    for (uint32_t i = 0; i < old->roots_count; i++)
        count_edge(self, NULL, WEIR_VIEW("user"), old->roots[i], old->roots[i]->service,
                   WEIR_VIEW("virtual_node"));
    generation_done(old);
    generation_init(old);
    self->young = !self->young;
}

static void put_all(const struct weir_tally *edges, struct weir_buf *buf, int64_t now_ns) {
    struct weir_otlp_group group;
    weir_otlp_group_begin(&group, buf, (struct weir_attrs){NULL, 0}, WEIR_VIEW("servicegraph"),
                          WEIR_VIEW(WEIR_VERSION));
    weir_tally_put(edges, buf, "traces_service_graph_request", "",
                   "Requests from client to server.", WEIR_TALLY_COUNT, 1, now_ns);
    weir_tally_put(edges, buf, "traces_service_graph_request_failed", "",
                   "Requests that either side calls failed.", WEIR_TALLY_FAILED, 1, now_ns);
    weir_tally_put(edges, buf, "traces_service_graph_request_server_seconds", "",
                   "How long the server says that it took.", WEIR_TALLY_FIRST, 1, now_ns);
    weir_tally_put(edges, buf, "traces_service_graph_request_client_seconds", "",
                   "How long the client says that it took.", WEIR_TALLY_SECOND, 1, now_ns);
    weir_otlp_group_end(&group);
}

static void flush(struct servicegraph *self) {
    struct weir_buf buf;
    weir_buf_init(&buf, OUT_SIZE_MAX);
    pthread_mutex_lock(&self->mutex);
    if (self->edges.map.count) put_all(&self->edges, &buf, weir_clock_wall_ns());
    pthread_mutex_unlock(&self->mutex);
    weir_tally_give(self->component.next[WEIR_SIGNAL_METRIC], &buf);
}

static void tick(struct weir_component *component, int64_t mono_ns) {
    struct servicegraph *self = (struct servicegraph *)component;
    if (mono_ns - self->turned_ns >= self->ttl_ns / 2) {
        self->turned_ns = mono_ns;
        pthread_mutex_lock(&self->mutex);
        turn(self);
        pthread_mutex_unlock(&self->mutex);
    }
    if (mono_ns - self->flushed_ns < self->interval_ns) return;
    self->flushed_ns = mono_ns;
    flush(self);
}

static void stop(struct weir_component *component, int64_t deadline_ns) {
    struct servicegraph *self = (struct servicegraph *)component;
    (void)deadline_ns;
    pthread_mutex_lock(&self->mutex);
    turn(self);
    turn(self);
    pthread_mutex_unlock(&self->mutex);
    flush(self);
}

static void close_servicegraph(struct weir_component *component) {
    struct servicegraph *self = (struct servicegraph *)component;
    for (int i = 0; i < 2; i++) generation_done(&self->generations[i]);
    weir_tally_done(&self->edges);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

/* ---- configuration --------------------------------------------------------------------------- */

static int read_names(const struct weir_yaml *list, const char *what, struct weir_view *names,
                      uint32_t max, uint32_t *count, struct weir_error *reterr) {
    if (!list) return WEIR_OK;
    if (list->type != WEIR_YAML_LIST || list->count > max)
        return weir_yaml_fail(list, reterr, "%s is a list of at most %u names", what, max);
    for (*count = 0; *count < list->count; ++*count) names[*count] = list->items[*count]->text;
    return WEIR_OK;
}

static int read_config(struct servicegraph *self, const struct weir_yaml *config,
                       struct weir_error *reterr) {
    static const char *const store_keys[] = {"ttl", "max_items", NULL};
    double bounds[WEIR_TALLY_BOUNDS_MAX] = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8};
    uint32_t bounds_count = 8;
    int64_t items_max = self->items_max;
    const struct weir_yaml *store = weir_yaml_get(config, "store");
    int rc = weir_yaml_check(store, "servicegraph.store", store_keys, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(store, "ttl", &self->ttl_ns, reterr);
    if (!rc) rc = weir_yaml_get_i64(store, "max_items", 1, 10000000, &items_max, reterr);
    if (!rc)
        rc =
            weir_yaml_get_duration_ns(config, "metrics_flush_interval", &self->interval_ns, reterr);
    if (!rc)
        rc = weir_tally_read_buckets(weir_yaml_get(config, "latency_histogram_buckets"),
                                     WEIR_NS_PER_S, bounds, &bounds_count, reterr);
    if (!rc)
        rc = read_names(weir_yaml_get(config, "dimensions"), "dimensions", self->dimensions,
                        DIMENSIONS_MAX, &self->dimensions_count, reterr);
    if (!rc)
        rc = read_names(weir_yaml_get(config, "virtual_node_peer_attributes"),
                        "virtual_node_peer_attributes", self->peers, PEERS_MAX, &self->peers_count,
                        reterr);
    self->items_max = (uint32_t)items_max;
    if (!rc) {
        weir_tally_done(&self->edges);
        weir_tally_init(&self->edges, bounds, bounds_count, 2, EDGES_MAX);
        self->edges.exemplars = true;
    }
    return rc;
}

static int open_servicegraph(const struct weir_component_env *env, const struct weir_yaml *config,
                             const char *id, struct weir_component **ret,
                             struct weir_error *reterr) {
    static const char *const keys[] = {"store",
                                       "dimensions",
                                       "latency_histogram_buckets",
                                       "metrics_flush_interval",
                                       "virtual_node_peer_attributes",
                                       NULL};
    static const char *const peers[] = {"peer.service",   "db.namespace", "db.name",
                                        "db.system.name", "db.system",    "server.address"};
    (void)env;
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (rc) return rc;
    struct servicegraph *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    pthread_mutex_init(&self->mutex, NULL);
    for (int i = 0; i < 2; i++) generation_init(&self->generations[i]);
    self->component.sink.push = push;
    self->ttl_ns = 10 * WEIR_NS_PER_S;
    self->interval_ns = 15 * WEIR_NS_PER_S;
    self->items_max = 100000;
    while (self->peers_count < sizeof peers / sizeof *peers) {
        self->peers[self->peers_count] = weir_view_str(peers[self->peers_count]);
        self->peers_count++;
    }
    rc = read_config(self, config, reterr);
    if (rc)
        close_servicegraph(&self->component);
    else
        *ret = &self->component;
    return rc;
}

const struct weir_component_type weir_servicegraph_type = {.name = "service_graph",
                                                           .alias = "servicegraph",
                                                           .kind = WEIR_CONNECTOR,
                                                           .takes = WEIR_TRACES,
                                                           .gives = WEIR_METRICS,
                                                           .open = open_servicegraph,
                                                           .close = close_servicegraph,
                                                           .tick = tick,
                                                           .stop = stop};
