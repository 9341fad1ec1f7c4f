/* SPDX-License-Identifier: Apache-2.0 */
/* What both clients stand on: URLs, and blocking socket calls with a deadline and a cancel flag.
 *
 * The sockets are non-blocking underneath; waiting is poll(2) in short turns, so that a cancel is
 * seen without a descriptor of its own. No signal is raised, whatever the peer does.
 *
 * Threads: any; a connection has one owner. Deadlines are monotonic (base/clock.h).
 */
#ifndef WEIR_NET_DIAL_H
#define WEIR_NET_DIAL_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/view.h"
#include "net/tls.h"

struct weir_dial_target {
    bool tls;
    char host[256];
    char port[12];
    char authority[272]; /* for Host: as in the URL */
    char prefix[256];    /* path before every request's, without a '/' at its end */
};

/* "http://host:port/prefix", "https://…", or "host:port" (as http) when `scheme_optional`.
 * `default_ports`: for http and for https. WEIR_EINVALID. */
int weir_dial_parse(const char *url, bool scheme_optional, const char *const default_ports[2],
                    struct weir_dial_target *ret, struct weir_error *reterr);
/* Tries each address of the name, then shakes hands over TLS if the target has it; `tls` may be
 * NULL otherwise. *ret is the caller's to close. Name lookup itself cannot be cut short by the
 * deadline. WEIR_EUNAVAILABLE, WEIR_ETIMEOUT, WEIR_ECANCELED, and what net/tls.h gives. */
int weir_dial_connect(const struct weir_dial_target *target, struct weir_tls *tls,
                      int64_t deadline_ns, const atomic_bool *canceled, struct weir_transport *ret,
                      struct weir_error *reterr);

enum weir_dial_ready { WEIR_DIAL_READABLE = 1, WEIR_DIAL_WRITABLE = 2 };
/* Waits until any of `wanted` may be worth a try; gives which, or WEIR_ETIMEOUT, WEIR_ECANCELED. */
int weir_dial_wait(const struct weir_transport *transport, int wanted, int64_t deadline_ns,
                   const atomic_bool *canceled);
/* Bytes read now without waiting (0: the peer ended), WEIR_EBUSY (none are there yet), or
 * WEIR_EUNAVAILABLE. `size` is WEIR_TRANSPORT_READ_SIZE_MIN at least. */
int64_t weir_dial_try_read(struct weir_transport *transport, void *ptr, size_t size);
/* The same, waiting. Bytes read (0: the peer ended), or a weir code. */
int64_t weir_dial_read(struct weir_transport *transport, void *ptr, size_t size,
                       int64_t deadline_ns, const atomic_bool *canceled);
/* Bytes written now without waiting (0: none fit), or WEIR_EUNAVAILABLE. */
int64_t weir_dial_try_write(struct weir_transport *transport, const void *ptr, size_t len);
/* The words for a failed wait, read or write on a connection (NULL: there is none). Gives the code:
 * `code`, or TLS's own. */
int weir_dial_error(const struct weir_dial_target *target, const struct weir_transport *transport,
                    int code, struct weir_error *reterr);

#endif
