/* SPDX-License-Identifier: Apache-2.0 */
#include "app/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "api/ui.h"
#include "app/config.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/state.h"
#include "collect/budget.h"
#include "collect/receivers/otlp.h"
#include "collect/receivers/process.h"
#include "collect/receivers/self.h"
#include "net/http.h"
#include "store/store.h"

/* How the memory limit is shared out; the rest is for connections, code and the allocator. */
enum { STORE_PERCENT = 40, ADMISSION_PERCENT = 10, QUERY_PERCENT = 8 };
enum { POOL_THREADS = 4, POOL_ROOM = 256, ROUTES_MAX = 160 };
enum { SELF_INTERVAL_MS = 5000 };
#define DRAIN_TIMEOUT_NS (10 * WEIR_NS_PER_S)

/* Every room that serve opens, in the order of opening. */
struct rooms {
    struct weir_store *store;
    struct weir_pool *pool;
    struct weir_budget *budget;
    struct weir_graph *graph;
    struct weir_otlp_receiver *receiver;
    struct weir_http_server *http;
    struct weir_self *self;
    struct weir_alert_engine *alerts;
    struct weir_api api;
    struct weir_http_route routes[ROUTES_MAX]; /* of the page and the query APIs */
    size_t routes_count;
    uint16_t grpc_port, http_port, ui_port, health_port, metrics_port;
};

static int open_store(struct rooms *rooms, const struct weir_config *config,
                      struct weir_error *reterr) {
    struct weir_store_options options = {
        .path = config->data,
        .memory_bytes_max = (size_t)(config->memory_bytes / 100 * STORE_PERCENT),
        .retention_age_ns = config->retention_age_ns,
        .retention_bytes_max = config->retention_bytes,
    };
    return weir_store_open(&options, &rooms->store, reterr);
}

static int open_collect(struct rooms *rooms, const struct weir_config *config,
                        struct weir_error *reterr) {
    rooms->budget = weir_budget_new((size_t)(config->memory_bytes / 100 * ADMISSION_PERCENT));
    static const char *const receivers[] = {"otlp", NULL};
    struct weir_graph_options graph = config->graph;
    bool takes[WEIR_SIGNALS_COUNT];
    graph.receivers = receivers;
    graph.store = weir_store_sink(rooms->store);
    graph.env = (struct weir_component_env){
        .data = config->data, .budget = rooms->budget, .memory_bytes = config->memory_bytes};
    int rc = rooms->budget ? weir_graph_open(&graph, &rooms->graph, reterr)
                           : weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    if (rc == WEIR_OK) rc = weir_graph_start(rooms->graph, reterr);
    if (rc != WEIR_OK) return rc;
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++)
        takes[i] = weir_graph_takes(rooms->graph, "otlp", (enum weir_signal)i);
    struct weir_otlp_receiver_options options = {
        .sink = weir_graph_entry(rooms->graph, "otlp"), .budget = rooms->budget, .signals = takes};
    rooms->receiver = weir_otlp_receiver_new(&options);
    return rooms->receiver ? WEIR_OK : weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
}

static int open_alerts(struct rooms *rooms, const struct weir_config *config,
                       struct weir_error *reterr) {
    const struct weir_alert_options options = {
        .rules = &config->rules,
        .source = weir_store_source(rooms->store),
        .sink = weir_store_sink(rooms->store),
        .query_memory_max = (size_t)(config->memory_bytes / 100 * QUERY_PERCENT),
        .query_timeout_ns = config->query_timeout_ns,
        .alertmanagers = config->alertmanagers,
        .webhooks = config->webhooks};
    return config->rules.groups_count ? weir_alert_engine_open(&options, &rooms->alerts, reterr)
                                      : WEIR_OK;
}

static void add_routes(struct rooms *rooms, const struct weir_http_route *routes, size_t count) {
    WEIR_ASSERT(rooms->routes_count + count <= ROUTES_MAX);
    memcpy(rooms->routes + rooms->routes_count, routes, count * sizeof *routes);
    rooms->routes_count += count;
}

static void open_api(struct rooms *rooms, const struct weir_config *config) {
    rooms->api = (struct weir_api){
        .source = weir_store_source(rooms->store),
        .alerts = rooms->alerts,
        .pool = rooms->pool,
        .query_timeout_ns = config->query_timeout_ns,
        .query_memory_max = (size_t)(config->memory_bytes / 100 * QUERY_PERCENT),
        .started_ns = weir_clock_wall_ns(),
        .retention_ns = config->retention_age_ns,
        .retention_bytes = config->retention_bytes,
        .memory_bytes = config->memory_bytes,
    };
    size_t count;
    const struct weir_http_route *routes = weir_api_prometheus_routes(&count);
    add_routes(rooms, routes, count);
    routes = weir_api_loki_routes(&count);
    add_routes(rooms, routes, count);
    routes = weir_api_tempo_routes(&count);
    add_routes(rooms, routes, count);
    routes = weir_api_weir_routes(&count);
    add_routes(rooms, routes, count);
    routes = weir_api_admin_routes(&count);
    add_routes(rooms, routes, count);
    routes = weir_api_ui_routes(&count);
    add_routes(rooms, routes, count);
}

static int open_door(struct rooms *rooms, const struct weir_http_door *door, uint16_t *ret_port,
                     struct weir_error *reterr) {
    return door->listen ? weir_http_server_add_door(rooms->http, door, ret_port, reterr) : WEIR_OK;
}

static const struct weir_tls_options *tls_of(const struct weir_config *config,
                                             enum weir_config_door door) {
    const struct weir_tls_options *options = &config->tls[door].options;
    return options->cert_file ? options : NULL;
}

/* For load balancers and scrapers that look where the Collector has these. */
static int open_side_doors(struct rooms *rooms, const struct weir_config *config,
                           struct weir_error *reterr) {
    size_t count;
    const struct weir_http_route *routes = weir_api_health_routes(&count);
    struct weir_http_door health = {.listen = config->health,
                                    .name = "health",
                                    .routes = routes,
                                    .routes_count = count,
                                    .ctx = &rooms->api};
    int rc = open_door(rooms, &health, &rooms->health_port, reterr);
    routes = weir_api_admin_routes(&count);
    struct weir_http_door metrics = {.listen = config->metrics,
                                     .name = "metrics",
                                     .routes = routes,
                                     .routes_count = count,
                                     .ctx = &rooms->api};
    return rc == WEIR_OK ? open_door(rooms, &metrics, &rooms->metrics_port, reterr) : rc;
}

static int open_doors(struct rooms *rooms, const struct weir_config *config,
                      struct weir_error *reterr) {
    struct weir_http_options options = {.loops_count = 1, .pool = rooms->pool};
    int rc = weir_http_server_open(&options, &rooms->http, reterr);
    size_t count;
    const struct weir_http_route *routes = weir_otlp_receiver_grpc_routes(&count);
    struct weir_http_door grpc = {.listen = config->grpc,
                                  .name = "otlp/grpc",
                                  .routes = routes,
                                  .routes_count = count,
                                  .ctx = rooms->receiver,
                                  .tls = tls_of(config, WEIR_CONFIG_DOOR_GRPC)};
    if (rc == WEIR_OK) rc = open_door(rooms, &grpc, &rooms->grpc_port, reterr);
    routes = weir_otlp_receiver_http_routes(&count);
    struct weir_http_door http = {.listen = config->http,
                                  .name = "otlp/http",
                                  .routes = routes,
                                  .routes_count = count,
                                  .ctx = rooms->receiver,
                                  .tls = tls_of(config, WEIR_CONFIG_DOOR_HTTP)};
    if (rc == WEIR_OK) rc = open_door(rooms, &http, &rooms->http_port, reterr);
    struct weir_http_door ui = {.listen = config->ui,
                                .name = "ui",
                                .routes = rooms->routes,
                                .routes_count = rooms->routes_count,
                                .ctx = &rooms->api,
                                .hosts = config->hosts,
                                .check_host = true,
                                .tls = tls_of(config, WEIR_CONFIG_DOOR_UI)};
    if (rc == WEIR_OK) rc = open_door(rooms, &ui, &rooms->ui_port, reterr);
    return rc == WEIR_OK ? open_side_doors(rooms, config, reterr) : rc;
}

static int open_rooms(struct rooms *rooms, const struct weir_config *config,
                      struct weir_error *reterr) {
    int rc = open_store(rooms, config, reterr);
    if (rc != WEIR_OK) return rc;
    rooms->pool = weir_pool_new("query", POOL_THREADS, POOL_ROOM);
    if (!rooms->pool)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "cannot start the query threads");
    rc = open_collect(rooms, config, reterr);
    if (rc != WEIR_OK) return rc;
    rc = open_alerts(rooms, config, reterr);
    if (rc != WEIR_OK) return rc;
    open_api(rooms, config);
    rc = open_doors(rooms, config, reterr);
    if (rc != WEIR_OK) return rc;
    rooms->self = weir_self_new(weir_store_sink(rooms->store), SELF_INTERVAL_MS);
    return rooms->self ? WEIR_OK
                       : weir_error_set(reterr, WEIR_ENOMEMORY,
                                        "cannot start the thread that watches the server itself");
}

/* Live tails have threads of their own; they see `stopping` within a second and must be gone before
 * the store that they read goes. */
static void await_tails(struct rooms *rooms) {
    int64_t until_ns = weir_clock_mono_ns() + DRAIN_TIMEOUT_NS;
    while (atomic_load(&rooms->api.tails_count) && weir_clock_mono_ns() < until_ns)
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
}

/* Right to left: no more questions and batches, then what they stood on. The store's threads say
 * that a batch is done, which the receiver hears: it goes after them, though its calls are
 * answered. */
static void close_rooms(struct rooms *rooms) {
    atomic_store(&rooms->api.stopping, true);
    if (rooms->http) weir_http_server_stop(rooms->http, DRAIN_TIMEOUT_NS);
    if (rooms->graph) weir_graph_stop(rooms->graph, weir_clock_mono_ns() + DRAIN_TIMEOUT_NS);
    await_tails(rooms);
    weir_alert_engine_close(rooms->alerts);
    weir_self_free(rooms->self);
    weir_pool_free(rooms->pool);
    weir_http_server_close(rooms->http);
    weir_store_close(rooms->store);
    weir_graph_close(rooms->graph);
    weir_otlp_receiver_free(rooms->receiver);
    weir_budget_free(rooms->budget);
}

/* The host part of host:port, for printing the address with the port that was really taken. */
static void add_address(struct weir_buf *line, const char *address, uint16_t port) {
    struct weir_view host = weir_view_str(address);
    while (host.len && host.ptr[host.len - 1] != ':') host.len--;
    weir_buf_printf(line, "%.*s%u", WEIR_VIEW_ARG(host), port);
}

/* The one line that says where everything is; scripts read it. */
static void announce(const struct rooms *rooms, const struct weir_config *config,
                     int64_t started_ns) {
    struct weir_buf line;
    weir_buf_init(&line, 4096);
    if (config->ui) {
        weir_buf_printf(&line, "ui=%s://", tls_of(config, WEIR_CONFIG_DOOR_UI) ? "https" : "http");
        add_address(&line, config->ui, rooms->ui_port);
        weir_buf_add_str(&line, "/ui/ ");
    }
    if (config->grpc) {
        weir_buf_add_str(&line, "otlp/grpc=");
        add_address(&line, config->grpc, rooms->grpc_port);
        weir_buf_add_char(&line, ' ');
    }
    if (config->http) {
        weir_buf_add_str(&line, "otlp/http=");
        add_address(&line, config->http, rooms->http_port);
        weir_buf_add_char(&line, ' ');
    }
    if (config->health) {
        weir_buf_add_str(&line, "health=http://");
        add_address(&line, config->health, rooms->health_port);
        weir_buf_add_char(&line, ' ');
    }
    if (config->metrics) {
        weir_buf_add_str(&line, "metrics=http://");
        add_address(&line, config->metrics, rooms->metrics_port);
        weir_buf_add_str(&line, "/metrics ");
    }
    weir_buf_printf(&line, "data=%s after=%lldms", config->data,
                    (long long)((weir_clock_mono_ns() - started_ns) / WEIR_NS_PER_MS));
    weir_log_info("weir", "ready: %.*s", (int)line.len, line.ptr);
    weir_buf_done(&line);
}

static void end_at_once(int number) {
    (void)number;
    static const char words[] =
        "weir: second signal, ending at once; what was acknowledged is on disk\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    (void)written;
    _exit(1);
}

/* SIGINT and SIGTERM stop; SIGHUP takes up new certificates; SIGPIPE is nobody's business. */
static void block_signals(sigset_t *stop) {
    sigemptyset(stop);
    sigaddset(stop, SIGINT);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGHUP);
    sigprocmask(SIG_BLOCK, stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void reload(struct rooms *rooms) {
    struct weir_error err;
    if (weir_http_server_refresh_tls(rooms->http, &err) == WEIR_OK)
        weir_log_info("weir",
                      "SIGHUP: certificates are as their files are now; other settings are read at "
                      "the start only, restart to apply a change");
    else
        weir_log_error("weir", "SIGHUP: %s", err.message);
}

static void wait_for_stop(struct rooms *rooms, const sigset_t *stop) {
    int number = 0;
    for (;;) {
        if (sigwait(stop, &number) != 0) continue;
        if (number != SIGHUP) break;
        reload(rooms);
    }
    weir_log_info("weir", "%s: stopping; a second one ends at once",
                  number == SIGINT ? "SIGINT" : "SIGTERM");
    sigset_t second;
    sigemptyset(&second);
    sigaddset(&second, SIGINT);
    sigaddset(&second, SIGTERM);
    signal(SIGINT, end_at_once);
    signal(SIGTERM, end_at_once);
    sigprocmask(SIG_UNBLOCK, &second, NULL);
}

static int serve(const struct weir_config *config) {
    static struct rooms rooms;
    sigset_t stop;
    struct weir_error err;
    int64_t started_ns = weir_clock_mono_ns();
    weir_log_level_set(config->log_level);
    weir_process_metrics_use();
    block_signals(&stop);
    int rc = open_rooms(&rooms, config, &err);
    if (rc == WEIR_OK) {
        announce(&rooms, config, started_ns);
        wait_for_stop(&rooms, &stop);
    } else {
        weir_log_error("weir", "%s", err.message);
    }
    close_rooms(&rooms);
    if (rc == WEIR_OK) weir_log_info("weir", "stopped");
    return rc == WEIR_OK ? 0 : 1;
}

static int print_config(const struct weir_config *config) {
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    weir_config_add_print(config, &out);
    bool whole = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    weir_buf_done(&out);
    return whole ? 0 : 1;
}

static int print_help(void) {
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    weir_options_add_help(&out, isatty(STDOUT_FILENO));
    bool whole = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    weir_buf_done(&out);
    return whole ? 0 : 1;
}

int weir_serve_run(int argc, char **argv) {
    struct weir_config config;
    struct weir_error err;
    int status;
    if (weir_config_load(&config, argc, argv, &err) != WEIR_OK) {
        fprintf(stderr, "weir: %s\n", err.message);
        status = 2;
    } else if (config.help) {
        status = print_help();
    } else if (config.print) {
        status = print_config(&config);
    } else {
        status = serve(&config);
    }
    weir_config_done(&config);
    return status;
}
