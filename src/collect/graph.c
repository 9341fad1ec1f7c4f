/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/graph.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/thread.h"
#include "collect/fan.h"

enum { TICK_MS = 100, NAMES_MAX = 64, PARTS_MAX = 1024, GRAPH_SIZE_MAX = 16 << 20 };

/* A connector or exporter, made when it is first named. */
struct part {
    const char *id;
    struct weir_component *component; /* NULL: the store */
    struct weir_sink *sink;
    bool gives; /* connector: some pipeline takes from it */
    struct part *next;
};

struct pipeline {
    const char *id;
    enum weir_signal signal;
    const struct weir_yaml *node; /* NULL: the one that is there by default */
    struct weir_component **processors;
    uint32_t processors_count;
    struct weir_sink *entry;
    struct weir_fan out; /* its exporters and connectors */
    int mark;            /* while sorting: 1 on the way, 2 done */
};

/* What a receiver pushes to: by signal, to all pipelines that name it. */
struct entry {
    struct weir_sink sink;
    const char *receiver;
    struct weir_fan fans[WEIR_SIGNALS_COUNT];
};

struct weir_graph {
    struct weir_graph_options options;
    struct weir_arena arena;
    struct pipeline *pipelines;
    uint32_t pipelines_count;
    struct entry *entries;
    uint32_t entries_count;
    struct part *parts;
    /* upstream before downstream */
    struct weir_component **order;
    uint32_t order_count, order_room, started_count;
    pthread_t ticker;
    bool ticking;
    pthread_mutex_t mutex; /* guards stopping */
    pthread_cond_t wake;
    bool stopping;
};

static int no_memory(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for the pipelines");
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool signal_of(struct weir_view id, enum weir_signal *ret) {
    struct weir_view name = weir_view_cut(&id, '/');
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++) {
        *ret = (enum weir_signal)i;
        if (weir_view_is(name, weir_signal_name(*ret))) return true;
    }
    return false;
}

static const char *nearest_of(const struct weir_yaml *map, const char *more,
                              struct weir_arena *arena, struct weir_view name) {
    const char *names[NAMES_MAX + 2] = {more};
    size_t count = more ? 1 : 0;
    for (uint32_t i = 0; map && map->type == WEIR_YAML_MAP && i < map->count && count < NAMES_MAX;
         i++)
        names[count++] = weir_arena_strdup(arena, map->keys[i]->text);
    return weir_view_nearest(name, names);
}

/* "there is no exporter 'x', did you mean 'y'?" at the name. */
static int unknown(struct weir_graph *graph, const struct weir_yaml *name, const char *what,
                   const struct weir_yaml *map, const char *more, struct weir_error *reterr) {
    const char *nearest = nearest_of(map, more, &graph->arena, name->text);
    return weir_yaml_fail(name, reterr,
                          "there is no %s '%.*s'%s%s%s; it must stand under %ss:", what,
                          WEIR_VIEW_ARG(name->text), nearest ? ", did you mean '" : "",
                          nearest ? nearest : "", nearest ? "'?" : "", what);
}

static int check_type(struct weir_graph *graph, enum weir_component_kind kind, const char *what,
                      const struct weir_yaml *key, struct weir_error *reterr) {
    const char *names[NAMES_MAX + 1] = {NULL};
    size_t count = 0;
    if (weir_component_type_of(kind, key->text)) return WEIR_OK;
    for (size_t i = 0; weir_component_types[i] && count < NAMES_MAX; i++)
        if (weir_component_types[i]->kind == kind) names[count++] = weir_component_types[i]->name;
    struct weir_view rest = key->text;
    const char *nearest = weir_view_nearest(weir_view_cut(&rest, '/'), names);
    (void)graph;
    return weir_yaml_fail(key, reterr, "there is no type of %s '%.*s'%s%s%s", what,
                          WEIR_VIEW_ARG(key->text), nearest ? ", did you mean '" : "",
                          nearest ? nearest : "", nearest ? "'?" : "");
}

/* The key of a map that stands for an id; NULL: not configured. */
static const struct weir_yaml *key_of(const struct weir_yaml *map, struct weir_view id,
                                      const struct weir_yaml **ret_value) {
    for (uint32_t i = 0; map && map->type == WEIR_YAML_MAP && i < map->count; i++)
        if (weir_view_eq(map->keys[i]->text, id)) {
            *ret_value = map->items[i];
            return map->keys[i];
        }
    return NULL;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static int open_component(struct weir_graph *graph, enum weir_component_kind kind, const char *what,
                          const struct weir_yaml *key, const struct weir_yaml *config,
                          struct weir_component **ret, struct weir_error *reterr) {
    int rc = check_type(graph, kind, what, key, reterr);
    if (rc) return rc;
    const struct weir_component_type *type = weir_component_type_of(kind, key->text);
    const char *id = weir_arena_strdup(&graph->arena, key->text);
    if (config && config->type == WEIR_YAML_NULL) config = NULL;
    if (!id) return no_memory(reterr);
    rc = type->open(&graph->options.env, config, id, ret, reterr);
    if (rc) {
        if (reterr && !reterr->line)
            weir_yaml_fail(key, reterr, "%s",
                           weir_arena_strdup(&graph->arena, weir_view_str(reterr->message)));
        return rc;
    }
    (*ret)->type = type;
    (*ret)->id = id;
    return WEIR_OK;
}

static struct part *find_part(struct weir_graph *graph, struct weir_view id) {
    struct part *part = graph->parts;
    while (part && !weir_view_is(id, part->id)) part = part->next;
    return part;
}

static struct part *add_part(struct weir_graph *graph, struct weir_view id) {
    struct part *part = WEIR_NEW(&graph->arena, struct part);
    const char *own = weir_arena_strdup(&graph->arena, id);
    if (!part || !own) return NULL;
    *part = (struct part){.id = own, .next = graph->parts};
    return graph->parts = part;
}

/* The exporter or connector of that name, made when it is the first to name it. */
static int get_part(struct weir_graph *graph, const struct weir_yaml *name, struct part **ret,
                    struct weir_error *reterr) {
    const struct weir_graph_options *options = &graph->options;
    if ((*ret = find_part(graph, name->text))) return WEIR_OK;
    const struct weir_yaml *config = NULL;
    const struct weir_yaml *connector = key_of(options->connectors, name->text, &config);
    const struct weir_yaml *exporter =
        connector ? NULL : key_of(options->exporters, name->text, &config);
    bool is_store = weir_view_is(name->text, "weir");
    if (!is_store && !connector && !exporter)
        return unknown(graph, name, "exporter", options->exporters, "weir", reterr);
    struct part *part = add_part(graph, name->text);
    if (!part) return no_memory(reterr);
    *ret = part;
    if (is_store) {
        part->sink = options->store;
        return WEIR_OK;
    }
    int rc = open_component(graph, connector ? WEIR_CONNECTOR : WEIR_EXPORTER,
                            connector ? "connector" : "exporter", connector ? connector : exporter,
                            config, &part->component, reterr);
    if (rc == WEIR_OK) part->sink = &part->component->sink;
    return rc;
}

/* ---- pipelines ------------------------------------------------------------------------------- */

static int check_list(const struct weir_yaml *list, const struct weir_yaml *at, const char *what,
                      bool needed, struct weir_error *reterr) {
    if (list && list->type != WEIR_YAML_LIST && list->type != WEIR_YAML_NULL)
        return weir_yaml_fail(list, reterr, "%s must be a list of names", what);
    if (needed && (!list || !list->count))
        return weir_yaml_fail(list ? list : at, reterr, "a pipeline needs %s", what);
    return WEIR_OK;
}

static int add_processors(struct weir_graph *graph, struct pipeline *pipeline,
                          struct weir_error *reterr) {
    const struct weir_yaml *list = weir_yaml_get(pipeline->node, "processors");
    int rc = check_list(list, pipeline->node, "processors", false, reterr);
    if (rc || !list || !list->count) return rc;
    pipeline->processors = WEIR_NEW_ARRAY(&graph->arena, struct weir_component *, list->count);
    if (!pipeline->processors) return no_memory(reterr);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct weir_yaml *config = NULL, *name = list->items[i];
        const struct weir_yaml *key = key_of(graph->options.processors, name->text, &config);
        if (!key) return unknown(graph, name, "processor", graph->options.processors, NULL, reterr);
        struct weir_component **place = &pipeline->processors[i];
        if ((rc = open_component(graph, WEIR_PROCESSOR, "processor", key, config, place, reterr)))
            return rc;
        pipeline->processors_count++;
        if (!((*place)->type->takes >> pipeline->signal & 1))
            return weir_yaml_fail(name, reterr, "the processor %.*s takes no %s",
                                  WEIR_VIEW_ARG(name->text), weir_signal_name(pipeline->signal));
    }
    return WEIR_OK;
}

static int add_exporters(struct weir_graph *graph, struct pipeline *pipeline,
                         struct weir_error *reterr) {
    const struct weir_yaml *list = weir_yaml_get(pipeline->node, "exporters");
    int rc = check_list(list, pipeline->node, "exporters", true, reterr);
    for (uint32_t i = 0; !rc && i < list->count; i++) {
        const struct weir_yaml *name = list->items[i];
        struct part *part;
        if ((rc = get_part(graph, name, &part, reterr)) || !part) return rc;
        if (part->component && !(part->component->type->takes >> pipeline->signal & 1))
            return weir_yaml_fail(name, reterr, "%s takes no %s", part->id,
                                  weir_signal_name(pipeline->signal));
        if (!weir_fan_add(&pipeline->out, &graph->arena, part->sink)) return no_memory(reterr);
    }
    return rc;
}

/* Processors in a row, the last in front of the exporters. */
static void wire_inside(struct pipeline *pipeline) {
    pipeline->entry = &pipeline->out.sink;
    for (uint32_t i = pipeline->processors_count; i-- > 0;) {
        pipeline->processors[i]->next[pipeline->signal] = pipeline->entry;
        pipeline->entry = &pipeline->processors[i]->sink;
    }
}

static void push_entry(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                       void *arg) {
    struct entry *entry = (struct entry *)sink;
    weir_sink_push(&entry->fans[batch->signal].sink, batch, done, arg);
}

static struct entry *find_entry(const struct weir_graph *graph, struct weir_view receiver) {
    for (uint32_t i = 0; i < graph->entries_count; i++)
        if (weir_view_is(receiver, graph->entries[i].receiver)) return &graph->entries[i];
    return NULL;
}

/* A connector that this pipeline takes from. */
static int take_from_connector(struct weir_graph *graph, struct pipeline *pipeline,
                               struct part *part, const struct weir_yaml *name,
                               struct weir_error *reterr) {
    struct weir_component *connector = part->component;
    if (!(connector->type->gives >> pipeline->signal & 1))
        return weir_yaml_fail(name, reterr, "the connector %s gives no %s", part->id,
                              weir_signal_name(pipeline->signal));
    struct weir_fan *fan = (struct weir_fan *)connector->next[pipeline->signal];
    if (!fan) {
        if (!(fan = WEIR_NEW(&graph->arena, struct weir_fan))) return no_memory(reterr);
        weir_fan_init(fan);
        connector->next[pipeline->signal] = &fan->sink;
    }
    part->gives = true;
    return weir_fan_add(fan, &graph->arena, pipeline->entry) ? WEIR_OK : no_memory(reterr);
}

static int add_receivers(struct weir_graph *graph, struct pipeline *pipeline,
                         struct weir_error *reterr) {
    const struct weir_yaml *list = weir_yaml_get(pipeline->node, "receivers"), *config;
    int rc = check_list(list, pipeline->node, "receivers", true, reterr);
    for (uint32_t i = 0; !rc && i < list->count; i++) {
        const struct weir_yaml *name = list->items[i];
        struct entry *entry = find_entry(graph, name->text);
        struct part *part = find_part(graph, name->text);
        if (entry) {
            if (!weir_fan_add(&entry->fans[pipeline->signal], &graph->arena, pipeline->entry))
                return no_memory(reterr);
        } else if (part && part->component && part->component->type->kind == WEIR_CONNECTOR) {
            rc = take_from_connector(graph, pipeline, part, name, reterr);
        } else if (key_of(graph->options.connectors, name->text, &config)) {
            return weir_yaml_fail(
                name, reterr, "the connector %.*s is a receiver here, and no pipeline's exporter",
                WEIR_VIEW_ARG(name->text));
        } else {
            const char *first = graph->entries_count ? graph->entries[0].receiver : NULL;
            return unknown(graph, name, "receiver", graph->options.connectors, first, reterr);
        }
    }
    return rc;
}

static int name_pipelines(struct weir_graph *graph, struct weir_error *reterr) {
    const struct weir_yaml *map = graph->options.pipelines;
    uint32_t count = map ? map->count : WEIR_SIGNALS_COUNT;
    if (map && map->type != WEIR_YAML_MAP)
        return weir_yaml_fail(map, reterr, "service.pipelines must be a map of pipelines");
    graph->pipelines = WEIR_NEW_ARRAY(&graph->arena, struct pipeline, count + 1);
    if (!graph->pipelines) return no_memory(reterr);
    for (uint32_t i = 0; i < count; i++) {
        static const char *const keys[] = {"receivers", "processors", "exporters", NULL};
        struct pipeline *pipeline = &graph->pipelines[graph->pipelines_count++];
        weir_fan_init(&pipeline->out);
        pipeline->signal = (enum weir_signal)i;
        pipeline->id = weir_signal_name((enum weir_signal)i);
        if (!map) continue;
        pipeline->node = map->items[i];
        pipeline->id = weir_arena_strdup(&graph->arena, map->keys[i]->text);
        if (!signal_of(map->keys[i]->text, &pipeline->signal))
            return weir_yaml_fail(
                map->keys[i], reterr,
                "a pipeline is named traces, metrics or logs, or one of them with "
                "'/' and a name behind it; not '%.*s'",
                WEIR_VIEW_ARG(map->keys[i]->text));
        int rc = weir_yaml_check(pipeline->node, pipeline->id, keys, reterr);
        if (rc) return rc;
    }
    return WEIR_OK;
}

static int wire_default(struct weir_graph *graph, struct weir_error *reterr) {
    struct entry *entry = find_entry(graph, WEIR_VIEW("otlp"));
    for (uint32_t i = 0; i < graph->pipelines_count && entry; i++) {
        struct pipeline *pipeline = &graph->pipelines[i];
        if (!weir_fan_add(&pipeline->out, &graph->arena, graph->options.store) ||
            !weir_fan_add(&entry->fans[pipeline->signal], &graph->arena, &pipeline->out.sink))
            return no_memory(reterr);
    }
    return WEIR_OK;
}

static int wire(struct weir_graph *graph, struct weir_error *reterr) {
    int rc = name_pipelines(graph, reterr);
    if (rc) return rc;
    if (!graph->options.pipelines) return wire_default(graph, reterr);
    for (uint32_t i = 0; !rc && i < graph->pipelines_count; i++) {
        struct pipeline *pipeline = &graph->pipelines[i];
        rc = add_processors(graph, pipeline, reterr);
        if (!rc) rc = add_exporters(graph, pipeline, reterr);
        if (!rc) wire_inside(pipeline);
    }
    for (uint32_t i = 0; !rc && i < graph->pipelines_count; i++)
        rc = add_receivers(graph, &graph->pipelines[i], reterr);
    return rc;
}

/* ---- order ----------------------------------------------------------------------------------- */

static bool add_order(struct weir_graph *graph, struct weir_component *component) {
    for (uint32_t i = 0; i < graph->order_count; i++)
        if (graph->order[i] == component) return true;
    struct weir_component **place =
        WEIR_PUSH(&graph->arena, graph->order, graph->order_count, graph->order_room);
    if (place) *place = component;
    return place != NULL;
}

static bool list_has(const struct weir_yaml *node, const char *list_name, const char *id) {
    const struct weir_yaml *list = weir_yaml_get(node, list_name);
    for (uint32_t i = 0; list && i < list->count; i++)
        if (weir_view_is(list->items[i]->text, id)) return true;
    return false;
}

static bool feeds(const struct weir_graph *graph, const struct pipeline *from,
                  const struct pipeline *to) {
    for (const struct part *part = graph->parts; part; part = part->next)
        if (part->gives && list_has(from->node, "exporters", part->id) &&
            list_has(to->node, "receivers", part->id))
            return true;
    return false;
}

/* Downstream pipelines first, into `sorted` from its end. */
static int sort_from(struct weir_graph *graph, struct pipeline *pipeline, struct pipeline **sorted,
                     uint32_t *at, struct weir_error *reterr) {
    if (pipeline->mark == 2) return WEIR_OK;
    if (pipeline->mark == 1)
        return weir_yaml_fail(pipeline->node, reterr,
                              "the pipeline %s leads back to itself through its connectors",
                              pipeline->id);
    pipeline->mark = 1;
    for (uint32_t i = 0; i < graph->pipelines_count; i++) {
        if (!feeds(graph, pipeline, &graph->pipelines[i])) continue;
        int rc = sort_from(graph, &graph->pipelines[i], sorted, at, reterr);
        if (rc) return rc;
    }
    pipeline->mark = 2;
    sorted[--*at] = pipeline;
    return WEIR_OK;
}

static int order_parts(struct weir_graph *graph, struct weir_error *reterr) {
    if (!graph->options.pipelines) return WEIR_OK;
    uint32_t at = graph->pipelines_count;
    struct pipeline **sorted = WEIR_NEW_ARRAY(&graph->arena, struct pipeline *, at + 1);
    if (!sorted) return no_memory(reterr);
    for (uint32_t i = 0; i < graph->pipelines_count; i++) {
        int rc = sort_from(graph, &graph->pipelines[i], sorted, &at, reterr);
        if (rc) return rc;
    }
    bool whole = true;
    for (uint32_t i = 0; i < graph->pipelines_count; i++) {
        for (struct part *part = graph->parts; part; part = part->next)
            if (part->gives && list_has(sorted[i]->node, "receivers", part->id))
                whole &= add_order(graph, part->component);
        for (uint32_t p = 0; p < sorted[i]->processors_count; p++)
            whole &= add_order(graph, sorted[i]->processors[p]);
    }
    for (struct part *part = graph->parts; part; part = part->next)
        if (part->component) whole &= add_order(graph, part->component);
    return whole ? WEIR_OK : no_memory(reterr);
}

static int check_connectors(struct weir_graph *graph, struct weir_error *reterr) {
    for (const struct part *part = graph->parts; part; part = part->next) {
        const struct weir_yaml *config;
        if (!part->component || part->component->type->kind != WEIR_CONNECTOR || part->gives)
            continue;
        return weir_yaml_fail(
            key_of(graph->options.connectors, weir_view_str(part->id), &config), reterr,
            "the connector %s is an exporter of a pipeline, and no pipeline's receiver", part->id);
    }
    return WEIR_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int add_entries(struct weir_graph *graph, struct weir_error *reterr) {
    uint32_t count = 0;
    while (graph->options.receivers[count]) count++;
    graph->entries = WEIR_NEW_ARRAY(&graph->arena, struct entry, count + 1);
    if (!graph->entries) return no_memory(reterr);
    for (; graph->entries_count < count; graph->entries_count++) {
        struct entry *entry = &graph->entries[graph->entries_count];
        entry->sink.push = push_entry;
        entry->receiver = graph->options.receivers[graph->entries_count];
        for (int i = 0; i < WEIR_SIGNALS_COUNT; i++) weir_fan_init(&entry->fans[i]);
    }
    return WEIR_OK;
}

int weir_graph_open(const struct weir_graph_options *options, struct weir_graph **ret,
                    struct weir_error *reterr) {
    struct weir_error own = {.code = 0};
    struct weir_graph *graph = calloc(1, sizeof *graph);
    if (!graph) return no_memory(reterr);
    graph->options = *options;
    weir_arena_init(&graph->arena, GRAPH_SIZE_MAX);
    pthread_mutex_init(&graph->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&graph->wake, &attr);
    pthread_condattr_destroy(&attr);
    int rc = add_entries(graph, &own);
    if (!rc) rc = wire(graph, &own);
    if (!rc) rc = check_connectors(graph, &own);
    if (!rc) rc = order_parts(graph, &own);
    if (rc) {
        if (reterr) *reterr = own;
        weir_graph_close(graph);
        return rc;
    }
    *ret = graph;
    return WEIR_OK;
}

static void *run_ticks(void *arg) {
    struct weir_graph *graph = arg;
    pthread_mutex_lock(&graph->mutex);
    while (!graph->stopping) {
        int64_t until_ns = weir_clock_mono_ns() + TICK_MS * WEIR_NS_PER_MS;
        struct timespec until = {.tv_sec = (time_t)(until_ns / WEIR_NS_PER_S),
                                 .tv_nsec = (long)(until_ns % WEIR_NS_PER_S)};
        pthread_cond_timedwait(&graph->wake, &graph->mutex, &until);
        if (graph->stopping) break;
        pthread_mutex_unlock(&graph->mutex);
        int64_t now = weir_clock_mono_ns();
        for (uint32_t i = 0; i < graph->order_count; i++)
            if (graph->order[i]->type->tick) graph->order[i]->type->tick(graph->order[i], now);
        pthread_mutex_lock(&graph->mutex);
    }
    pthread_mutex_unlock(&graph->mutex);
    return NULL;
}

int weir_graph_start(struct weir_graph *graph, struct weir_error *reterr) {
    bool ticks = false;
    for (uint32_t i = graph->order_count; i-- > 0; graph->started_count++) {
        struct weir_component *component = graph->order[i];
        int rc = component->type->start ? component->type->start(component, reterr) : WEIR_OK;
        if (rc) return rc;
        ticks |= component->type->tick != NULL;
    }
    if (!ticks) return WEIR_OK;
    int rc = weir_thread_start(&graph->ticker, "weir-pipelines", run_ticks, graph);
    graph->ticking = rc == WEIR_OK;
    return rc ? weir_error_set(reterr, rc, "no thread for the pipelines") : WEIR_OK;
}

struct weir_sink *weir_graph_entry(struct weir_graph *graph, const char *receiver) {
    struct entry *entry = find_entry(graph, weir_view_str(receiver));
    for (int i = 0; entry && i < WEIR_SIGNALS_COUNT; i++)
        if (entry->fans[i].count) return &entry->sink;
    return NULL;
}

bool weir_graph_takes(const struct weir_graph *graph, const char *receiver,
                      enum weir_signal signal) {
    const struct entry *entry = find_entry(graph, weir_view_str(receiver));
    return entry && entry->fans[signal].count;
}

void weir_graph_stop(struct weir_graph *graph, int64_t deadline_ns) {
    if (graph->ticking) {
        pthread_mutex_lock(&graph->mutex);
        graph->stopping = true;
        pthread_cond_signal(&graph->wake);
        pthread_mutex_unlock(&graph->mutex);
        pthread_join(graph->ticker, NULL);
        graph->ticking = false;
    }
    uint32_t first = graph->order_count - graph->started_count;
    for (uint32_t i = first; i < graph->order_count; i++)
        if (graph->order[i]->type->stop) graph->order[i]->type->stop(graph->order[i], deadline_ns);
    graph->started_count = 0;
}

void weir_graph_close(struct weir_graph *graph) {
    if (!graph) return;
    for (uint32_t i = 0; i < graph->pipelines_count; i++)
        for (uint32_t p = 0; p < graph->pipelines[i].processors_count; p++)
            graph->pipelines[i].processors[p]->type->close(graph->pipelines[i].processors[p]);
    for (struct part *part = graph->parts; part; part = part->next)
        if (part->component) part->component->type->close(part->component);
    pthread_cond_destroy(&graph->wake);
    pthread_mutex_destroy(&graph->mutex);
    weir_arena_done(&graph->arena);
    free(graph);
}
