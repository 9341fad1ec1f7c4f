/* SPDX-License-Identifier: Apache-2.0 */
#include "net/transport.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t plain_read(struct weir_transport *transport, void *ptr, size_t size) {
    return recv(transport->fd, ptr, size, 0);
}

static ssize_t plain_write(struct weir_transport *transport, const struct iovec *runs, int count) {
    /* sendmsg does not write through msg_iov; its type just lacks the const. */
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)runs,
                             .msg_iovlen = (size_t)count};
    return sendmsg(transport->fd, &message, MSG_NOSIGNAL);
}

static void plain_end(struct weir_transport *transport) {
    shutdown(transport->fd, SHUT_WR);
}

static void plain_close(struct weir_transport *transport) {
    if (transport->fd >= 0) close(transport->fd);
    transport->fd = -1;
}

void weir_transport_init_plain(struct weir_transport *transport, int fd) {
    static const struct weir_transport_ops ops = {plain_read, plain_write, plain_end, plain_close};
    *transport = (struct weir_transport){.ops = &ops, .fd = fd};
}
