/* SPDX-License-Identifier: Apache-2.0 */
/* What both clients stand on: URLs, and blocking socket calls with a deadline and a cancel flag.
 *
 * The sockets are non-blocking underneath; waiting is poll(2) in short turns, so that a cancel is
 * seen without a descriptor of its own. No signal is raised, whatever the peer does.
 *
 * Threads: any; a socket has one owner. Deadlines are monotonic (base/clock.h).
 */
#ifndef WEIR_NET_DIAL_H
#define WEIR_NET_DIAL_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/view.h"

struct weir_dial_target {
    char host[256];
    char port[12];
    char authority[272]; /* for Host: as in the URL */
    char prefix[256];    /* path before every request's, without a '/' at its end */
};

/* "http://host:port/prefix", or "host:port" when `scheme_optional`. WEIR_EINVALID;
 * WEIR_EUNSUPPORTED for https. */
int weir_dial_parse(const char *url, bool scheme_optional, const char *default_port,
                    struct weir_dial_target *ret, struct weir_error *reterr);
/* Tries each address of the name. *ret_fd is the caller's to close. Name lookup itself cannot be
 * cut short by the deadline. */
int weir_dial_connect(const struct weir_dial_target *target, int64_t deadline_ns,
                      const atomic_bool *canceled, int *ret_fd, struct weir_error *reterr);

enum weir_dial_ready { WEIR_DIAL_READABLE = 1, WEIR_DIAL_WRITABLE = 2 };
/* Waits for any of `wanted`; gives which, or WEIR_ETIMEOUT, WEIR_ECANCELED. */
int weir_dial_wait(int fd, int wanted, int64_t deadline_ns, const atomic_bool *canceled);
/* Bytes read (0: the peer ended), or a weir code. */
int64_t weir_dial_read(int fd, void *ptr, size_t size, int64_t deadline_ns,
                       const atomic_bool *canceled);
/* Bytes written now without waiting (0: none fit), or WEIR_EUNAVAILABLE. */
int64_t weir_dial_try_write(int fd, const void *ptr, size_t len);
/* The words for a failed wait, read or write. Gives `code`. */
int weir_dial_error(const struct weir_dial_target *target, int code, struct weir_error *reterr);

#endif
