/* SPDX-License-Identifier: Apache-2.0 */
/* The application's own small port: GET /metrics and GET /health, 404 for all else.
 *
 * One thread, one connection at a time, closed after its answer; a peer that does not send its
 * request or read its answer within two seconds is dropped. Meant for a scraper on the same
 * network, never for the public.
 *
 * Threads: start and stop by sdk.c.
 */
#ifndef WEIR_SDK_PORT_H
#define WEIR_SDK_PORT_H

#include "base/error.h"

struct weir_port;

/* Listens on host:port (port 0: any free one) and serves. Errors: WEIR_EBUSY (taken), WEIR_EINVALID
 * (the host), WEIR_EFORBIDDEN, WEIR_ENOMEMORY; the message names the address and a remedy. */
int weir_port_start(const char *host, int port, struct weir_port **ret, struct weir_error *reterr);
uint16_t weir_port_number(const struct weir_port *port);
/* Takes NULL. Waits for the answer at hand, at most about two seconds. */
void weir_port_stop(struct weir_port *port);
/* In a forked child: lets go of the parent's socket. */
void weir_port_forked(struct weir_port *port);

#endif
