/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection reads and writes: plain sockets here, TLS in net/tls.h.
 *
 * Threads: the connection's owner. Memory: the connection's.
 */
#ifndef WEIR_NET_TRANSPORT_H
#define WEIR_NET_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct weir_transport;

/* With room for this much a read leaves nothing behind that the socket would not tell of. */
#define WEIR_TRANSPORT_READ_SIZE_MIN (16 * 1024)

/* Both give a count, 0 at the peer's end (read only), or -1 with errno (EAGAIN: not now). */
struct weir_transport_ops {
    ssize_t (*read)(struct weir_transport *transport, void *ptr, size_t size);
    ssize_t (*write)(struct weir_transport *transport, const struct iovec *runs, int count);
    /* Nothing more will be written; reading goes on. */
    void (*end)(struct weir_transport *transport);
    void (*close)(struct weir_transport *transport);
};

struct weir_transport {
    const struct weir_transport_ops *ops;
    int fd;
    bool handshaking;      /* nothing can be written yet; reading makes it go on */
    bool read_wants_write; /* the read that said EAGAIN waits until the socket takes bytes */
    void *session;         /* of TLS, else NULL */
};

/* A connected, non-blocking socket; takes the descriptor. Never raises SIGPIPE. */
void weir_transport_init_plain(struct weir_transport *transport, int fd);

#endif
