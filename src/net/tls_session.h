/* SPDX-License-Identifier: Apache-2.0 */
/* What net/tls.c and net/tls_transport.c share: one TLS connection.
 *
 * Threads: its owner. Memory: heap; owned by its transport.
 */
#ifndef WEIR_NET_TLS_SESSION_H
#define WEIR_NET_TLS_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/tls_table.h"
#include "net/transport.h"

#define WEIR_TLS_NO_ALERT (-1)

struct weir_tls_session {
    struct weir_tls_session *next; /* among those that the process's end has caught */
    SSL *ssl;
    int fd;
    pid_t pid; /* that made it: a forked child must not say goodbye on its parent's connection */
    bool server;
    bool sniffed;       /* the peer's first byte was looked at … */
    bool plain;         /* … and is not TLS's */
    bool peer_ended;    /* the socket's end was read */
    bool spoke;         /* the peer has sent something that is not TLS's own */
    bool asked;         /* the peer asks for a certificate, and we have none */
    bool ended;         /* our goodbye is said */
    bool failed;        /* TLS is over, by either's fault */
    int io_errno;       /* of the socket, 0 if it did not fail */
    int alert;          /* of the peer, or WEIR_TLS_NO_ALERT */
    long verified;      /* X509_V_OK, or why not, when failed */
    const char *reason; /* OpenSSL's words when failed, or NULL; static */
};

/* Takes the descriptor and an SSL of the right role, which keeps both. WEIR_ENOMEMORY. The table is
 * entered. */
int weir_tls_session_open(const struct weir_tls_table *table, SSL *ssl, int fd, bool server,
                          struct weir_transport *ret);
/* OpenSSL's callbacks: something happened; a certificate is asked for. The session is the SSL's ex
 * data 0. */
void weir_tls_session_alert(const SSL *ssl, int where, int value);
int weir_tls_session_asked(SSL *ssl, void *arg);

#endif
