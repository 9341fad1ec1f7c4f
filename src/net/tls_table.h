/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL behind one table of functions, loaded when the first TLS endpoint needs it.
 *
 * Nothing here is linked: the library is opened with dlopen, by itself (RTLD_LOCAL, and DEEPBIND
 * but under a sanitizer), and each function is asked for on that handle. So a host that exports
 * OpenSSL's names, with whatever version behind them, never satisfies ours.
 *
 * A copy that nobody else had opened gets no exit handler and reads no openssl.cnf. One that the
 * host has open already is the host's, and is initialised as the host would do it: with its
 * settings, and with its cleanup at exit, which is then known to run after whatever is registered
 * with atexit() later than this.
 *
 *     enter ──▶ calls, none of which waits ──▶ leave
 *
 * The gate between enter and leave is what fork and the host's own OPENSSL_cleanup wait for: no
 * call is cut in half by either. After a cleanup enter gives NULL for good.
 *
 * Threads: any. Memory: the library stays loaded until the process ends.
 * Source: OpenSSL 3.0, OPENSSL_init_crypto(3), OPENSSL_atexit(3).
 */
#ifndef WEIR_NET_TLS_TABLE_H
#define WEIR_NET_TLS_TABLE_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/error.h"
#include "net/tls_calls.h"

struct weir_tls_table {
#define WEIR_TLS_FIELD(name) __typeof__(name) *name;
    WEIR_TLS_CALLS(WEIR_TLS_FIELD)
#undef WEIR_TLS_FIELD
};

/* Finds and initialises the library, unless that is done. A failure is not remembered: the next
 * call looks again. WEIR_EUNSUPPORTED: there is none; the message names the package. */
int weir_tls_load(struct weir_error *reterr);
/* Before calls; NULL: not loaded, or cleaned up by the host. Does not nest. */
const struct weir_tls_table *weir_tls_enter(void);
/* After an enter that gave a table. */
void weir_tls_leave(void);
/* The same table, for what is called back between enter and leave. */
const struct weir_tls_table *weir_tls_entered(void);
/* For tests: look for these instead, ended by NULL. Before the first load. */
void weir_tls_library_set(const char *const *names);

#endif
