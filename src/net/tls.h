/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for clients and doors: what to trust and what to show, and transports that speak it.
 *
 *     weir_tls (files, settings) ──▶ weir_transport over a socket ──▶ net/dial.h, net/conn.h
 *
 * Files are read again by the first connection after one of them changed, so that renewed
 * certificates need no restart; while new files are not usable the old ones stay in force. TLS 1.2
 * at least; no compression, no renegotiation. Clients check the chain and the name or address that
 * they asked for.
 *
 * Threads: a weir_tls any; a transport its owner. No function waits.
 * Memory: a weir_tls keeps copies of its options; a connection holds what it needs of it.
 * Source: RFC 8446, 5246, 7301 (ALPN), 9525 (names).
 */
#ifndef WEIR_NET_TLS_H
#define WEIR_NET_TLS_H

#include "base/error.h"
#include "net/transport.h"

struct weir_tls;

enum weir_tls_role {
    WEIR_TLS_HTTP_CLIENT, /* offers http/1.1 */
    WEIR_TLS_GRPC_CLIENT, /* offers h2 */
    WEIR_TLS_SERVER,      /* takes h2, else http/1.1, else what the peer then speaks */
};

enum weir_tls_version { WEIR_TLS_1_2, WEIR_TLS_1_3 };

struct weir_tls_options {
    const char *ca_file;   /* PEM. Client: trusts these, not the system's; NULL: the system's.
                              Server: peers must show a certificate of these; NULL: none is asked */
    const char *cert_file; /* PEM, the certificate and then its chain; NULL: none (client only) */
    const char *key_file;  /* PEM, unencrypted; both or none */
    enum weir_tls_version version_min;
    bool skip_verify; /* client: takes any certificate */
};

/* Copies; reads and loads nothing yet. NULL options: all zero. WEIR_EINVALID: a certificate
 * without its key or the other way round; WEIR_ENOMEMORY. */
int weir_tls_new(const struct weir_tls_options *options, enum weir_tls_role role,
                 struct weir_tls **ret, struct weir_error *reterr);
/* Takes NULL. Connections live on. */
void weir_tls_free(struct weir_tls *tls);
/* Loads OpenSSL, if there is one and nobody did it before; without, a refresh will say so. Early,
 * so that a host's cleanup of its OpenSSL at exit comes late, see net/tls_table.h. */
void weir_tls_preload(void);
/* Loads OpenSSL at the first call of the process, and the files when they are new or have changed.
 * While the files are not usable each call says so; what was in force before stays so.
 * WEIR_EUNSUPPORTED: no OpenSSL; WEIR_EINVALID: a file, named, with what is wrong;
 * WEIR_ENOMEMORY. */
int weir_tls_refresh(struct weir_tls *tls, struct weir_error *reterr);
/* A refresh succeeded once: there is something to stand on, though a later one may have failed. */
bool weir_tls_is_usable(struct weir_tls *tls);

/* A transport over a connected, non-blocking socket, which is taken in every case; after a refresh
 * that succeeded once. `host`: whom to expect, a name or an address (client only). Its first bytes
 * are the handshake, see weir_tls_handshake. WEIR_EINVALID: not a host; WEIR_ENOMEMORY. */
int weir_tls_transport_init(struct weir_tls *tls, int fd, const char *host,
                            struct weir_transport *ret, struct weir_error *reterr);
/* Goes on with the handshake. 0: done, -1 with errno (EAGAIN: wait for the socket). A read does it
 * by itself. */
int weir_tls_handshake(struct weir_transport *transport);
/* True when the peer's first byte belongs to something else than TLS. */
bool weir_tls_is_plain(const struct weir_transport *transport);
/* After a handshake, read or write that failed: whose fault, and what helps. `who` names the peer.
 * Gives the code: WEIR_EAUTH for certificates, WEIR_EINVALID when the peer does not speak TLS,
 * else WEIR_EUNAVAILABLE; WEIR_OK when the failure was not TLS's own. */
int weir_tls_explain(const struct weir_transport *transport, const char *who,
                     struct weir_error *reterr);

#endif
