/* SPDX-License-Identifier: Apache-2.0 */
#include "net/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/uri.h"

#define BODY_SIZE_MAX_DEFAULT (20u << 20)
#define BACKLOG               1024

/* ---- counters ---- */

struct counters_entry {
    struct weir_http_counters counters;
    struct counters_entry *next;
};

static pthread_mutex_t counters_lock = PTHREAD_MUTEX_INITIALIZER; /* guards counters_first */
static struct counters_entry *counters_first;

static void add_metric(struct weir_metric *metric, const char *name, const char *help,
                       enum weir_metric_kind kind, const char *door, const char *label,
                       const char *value) {
    char labels[160];
    snprintf(labels, sizeof labels, label ? "door=\"%s\",%s=\"%s\"" : "door=\"%s\"", door, label,
             value);
    char *kept = strdup(labels); /* lives as long as the registry */
    *metric =
        (struct weir_metric){.name = name, .help = help, .labels = kept ? kept : "", .kind = kind};
    weir_metric_register(metric);
}

static void add_metrics(struct weir_http_counters *c) {
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    static const char *const reasons[] = {
#define REASON(name, text) text,
        WEIR_HTTP_REFUSALS(REASON)
#undef REASON
    };
    add_metric(&c->connections, "weir_http_connections", "Open connections.", WEIR_METRIC_GAUGE,
               c->door, NULL, NULL);
    add_metric(&c->received_bytes, "weir_http_received_bytes_total",
               "Bytes of request bodies, as they came over the wire.", WEIR_METRIC_COUNTER, c->door,
               NULL, NULL);
    for (size_t i = 0; i < 5; i++)
        add_metric(&c->requests[i], "weir_http_requests_total", "Answered requests.",
                   WEIR_METRIC_COUNTER, c->door, "code", classes[i]);
    for (size_t i = 0; i < WEIR_HTTP_REFUSALS_COUNT; i++)
        add_metric(&c->refused[i], "weir_http_refused_total",
                   "Requests and connections that the HTTP server itself refused.",
                   WEIR_METRIC_COUNTER, c->door, "reason", reasons[i]);
}

/* The counters of that door name: a reopened door goes on counting. */
static struct weir_http_counters *counters_of(const char *door) {
    pthread_mutex_lock(&counters_lock);
    struct counters_entry *entry = counters_first;
    while (entry && strcmp(entry->counters.door, door) != 0) entry = entry->next;
    if (!entry && (entry = calloc(1, sizeof *entry))) {
        entry->counters.door = strdup(door);
        if (!entry->counters.door) entry->counters.door = "";
        add_metrics(&entry->counters);
        entry->next = counters_first;
        counters_first = entry;
    }
    pthread_mutex_unlock(&counters_lock);
    return entry ? &entry->counters : NULL;
}

void weir_http_door_count_refused(struct weir_http_door_state *door, enum weir_http_refusal why) {
    weir_metric_add(&door->counters->refused[why], 1);
}

void weir_http_door_count_status(struct weir_http_door_state *door, int status) {
    int class = status / 100;
    weir_metric_add(&door->counters->requests[class < 1 || class > 5 ? 4 : class - 1], 1);
}

/* ---- listening ---- */

static int listen_error(const char *address, int number, struct weir_error *reterr) {
    int code = weir_error_from_errno(number);
    if (number == EADDRINUSE)
        return weir_error_set(
            reterr, WEIR_ECONFLICT,
            "cannot listen on %s: the port is taken; see who has it with `ss -ltnp`, "
            "or choose another address",
            address);
    if (number == EACCES)
        return weir_error_set(reterr, WEIR_EFORBIDDEN,
                              "cannot listen on %s: ports below 1024 need CAP_NET_BIND_SERVICE",
                              address);
    if (number == EADDRNOTAVAIL)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "cannot listen on %s: no interface has this address", address);
    return weir_error_set(reterr, code, "cannot listen on %s: %s", address, strerror(number));
}

/* 0, or an errno. */
static int listen_on(const struct addrinfo *at, int *ret_fd) {
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int number = errno;
        close(fd);
        return number;
    }
    *ret_fd = fd;
    return 0;
}

static void note_address(struct weir_http_door_state *door) {
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char port[16] = "0";
    getsockname(door->fd, (struct sockaddr *)&bound, &len);
    getnameinfo((struct sockaddr *)&bound, len, door->host, sizeof door->host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    door->port = (uint16_t)strtoul(port, NULL, 10);
}

/* "host:port", "[v6]:port", or ":port" for every interface. */
static bool split_listen(const char *address, struct weir_view *ret_host, int *ret_port) {
    char with_host[300];
    if (address[0] != ':')
        return weir_uri_split_authority(weir_view_str(address), ret_host, ret_port) &&
               *ret_port >= 0;
    snprintf(with_host, sizeof with_host, "x%s", address);
    bool good = weir_uri_split_authority(weir_view_str(with_host), ret_host, ret_port);
    *ret_host = WEIR_VIEW("0.0.0.0");
    return good && *ret_port >= 0;
}

static int listen_at(struct weir_http_door_state *door, struct weir_error *reterr) {
    const char *address = door->door.listen;
    struct weir_view host;
    int port, number = EADDRNOTAVAIL;
    char host_text[256], port_text[16];
    if (!split_listen(address, &host, &port) || host.len >= sizeof host_text)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "\"%s\" is not an address to listen on: write host:port, for example "
                              "127.0.0.1:4318",
                              address);
    snprintf(host_text, sizeof host_text, "%.*s", WEIR_VIEW_ARG(host));
    snprintf(port_text, sizeof port_text, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int rc = getaddrinfo(host_text, port_text, &hints, &found);
    if (rc != 0)
        return weir_error_set(reterr, WEIR_EINVALID, "cannot listen on %s: %s", address,
                              gai_strerror(rc));
    for (struct addrinfo *at = found; at && number != 0; at = at->ai_next)
        number = listen_on(at, &door->fd);
    freeaddrinfo(found);
    return number ? listen_error(address, number, reterr) : WEIR_OK;
}

/* The certificates first: a door that cannot serve does not take the port. */
static int open_tls(struct weir_http_door_state *door, struct weir_error *reterr) {
    if (!door->door.tls) return WEIR_OK;
    struct weir_error inner = {.code = 0};
    int rc = weir_tls_new(door->door.tls, WEIR_TLS_SERVER, &door->tls, &inner);
    if (rc == WEIR_OK) rc = weir_tls_refresh(door->tls, &inner);
    door->door.tls = NULL; /* borrowed for this call only */
    return rc == WEIR_OK ? rc
                         : weir_error_set(reterr, rc, "%s: %s", door->door.name, inner.message);
}

int weir_http_door_refresh_tls(struct weir_http_door_state *door, struct weir_error *reterr) {
    struct weir_error inner = {.code = 0};
    int rc = door->tls ? weir_tls_refresh(door->tls, &inner) : WEIR_OK;
    if (rc == WEIR_OK) return rc;
    weir_state_set_error(door->state, "new certificate not used: %s", inner.message);
    return weir_error_set(reterr, rc, "%s: new certificate not used: %s", door->counters->door,
                          inner.message);
}

int weir_http_door_open(const struct weir_http_door *door, struct weir_http_door_state **ret,
                        struct weir_error *reterr) {
    struct weir_http_door_state *state = calloc(1, sizeof *state);
    if (!state)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the door %s", door->name);
    state->door = *door;
    state->fd = -1;
    if (!state->door.body_size_max) state->door.body_size_max = BODY_SIZE_MAX_DEFAULT;
    state->counters = counters_of(door->name);
    int rc = state->counters
                 ? open_tls(state, reterr)
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s", door->name);
    if (rc == WEIR_OK) rc = listen_at(state, reterr);
    state->door.listen = NULL; /* borrowed for this call only */
    if (rc != WEIR_OK) {
        weir_http_door_close(state);
        return rc;
    }
    note_address(state);
    state->state = weir_state_new(state->counters->door);
    weir_state_set_ready(state->state, true, "listening on %s port %u%s", state->host, state->port,
                         state->tls ? " with TLS" : "");
    *ret = state;
    return WEIR_OK;
}

void weir_http_door_close(struct weir_http_door_state *door) {
    if (!door) return;
    if (door->fd >= 0) close(door->fd);
    weir_tls_free(door->tls);
    free(door);
}

/* ---- who may ask ---- */

static bool host_is_ours(const struct weir_http_door_state *door, struct weir_view host) {
    if (weir_uri_host_is_loopback(host) || weir_view_is(host, door->host)) return true;
    bool everywhere = weir_view_is(weir_view_str(door->host), "0.0.0.0") ||
                      weir_view_is(weir_view_str(door->host), "::");
    /* A name can be rebound to this machine, a bare address cannot. */
    if (everywhere && weir_uri_host_is_literal(host)) return true;
    for (const char *const *name = door->door.hosts; name && *name; name++)
        if (weir_view_eq_nocase(host, weir_view_str(*name))) return true;
    return false;
}

bool weir_http_door_allows(const struct weir_http_door_state *door, struct weir_view authority,
                           struct weir_view origin, const char **ret_reason) {
    struct weir_view host;
    int port;
    if (!door->door.check_host) return true;
    if (!weir_uri_split_authority(authority, &host, &port) || !host_is_ours(door, host)) {
        *ret_reason =
            "this Host is not served here: ask by address, or start weir with --allow-host";
        return false;
    }
    if (origin.len == 0) return true;
    size_t scheme = weir_view_find(origin, WEIR_VIEW("://"));
    if (scheme != SIZE_MAX && weir_view_eq_nocase(weir_view_from(origin, scheme + 3), authority))
        return true;
    *ret_reason = "requests from pages of another Origin are refused";
    return false;
}
