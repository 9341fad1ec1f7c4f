/* SPDX-License-Identifier: Apache-2.0 */
/* What the server's parts share: workers (a loop each), doors, limits.
 *
 * Threads: as said per field. Memory: by references: the opener, every connection, every call.
 */
#ifndef WEIR_NET_SERVER_H
#define WEIR_NET_SERVER_H

#include "net/conn.h"

#define WEIR_HTTP_LOOPS_MAX 64
#define WEIR_HTTP_DOORS_MAX 16

struct weir_http_listener {
    struct weir_http_worker *worker;
    struct weir_http_door_state *door;
    struct weir_loop_watch watch;
    struct weir_loop_timer pause; /* after running out of descriptors */
};

struct weir_http_worker {
    struct weir_http_server *server;
    struct weir_loop *loop;
    atomic_size_t conns_count;    /* any thread: the worker with the fewest gets the next one */
    struct weir_http_conn *conns; /* loop only, as all below */
    struct weir_http_listener listeners[WEIR_HTTP_DOORS_MAX];
    size_t listeners_count;
    bool draining;
    struct weir_buf head; /* an answer's head is written here first */
    int64_t date_s;       /* second that `date` shows */
    char date[40];
};

struct weir_http_server {
    struct weir_http_options options; /* defaults filled in */
    atomic_int refs;
    atomic_size_t conns_count;
    atomic_size_t bodies_size;                               /* bytes of request bodies in memory */
    pthread_mutex_t lock;                                    /* pairs with `idle` */
    pthread_cond_t idle;                                     /* conns_count became 0 */
    struct weir_http_door_state *doors[WEIR_HTTP_DOORS_MAX]; /* owner only */
    size_t doors_count;
    bool stopped;
    size_t workers_count;
    struct weir_http_worker workers[];
};

struct weir_http_server *weir_http_server_ref(struct weir_http_server *server);
void weir_http_server_unref(struct weir_http_server *server);
/* Counts bytes of a body in (false: the budget is full) and out. */
bool weir_http_server_budget_take(struct weir_http_server *server, size_t size);
void weir_http_server_budget_give(struct weir_http_server *server, size_t size);
/* "Sat, 21 Nov 2026 05:00:00 GMT". Loop. */
const char *weir_http_worker_date(struct weir_http_worker *worker);

#endif
