/* SPDX-License-Identifier: Apache-2.0 */
/* Which librdkafka calls us? A plugin is loaded by one, and must use that one and no other.
 *
 *     the caller's object            its functions are found by
 *     a shared library               dlsym in that library, a language package's private one too
 *     the executable, exported       dlsym in the executable
 *     either, not exported           the file's own symbol table (rd/symtab.h)
 *
 * Threads: any, without locks, so that a fork at any time is harmless.
 * Memory: tables live as long as the process, and keep their library loaded.
 */
#ifndef WEIR_RD_RESOLVE_H
#define WEIR_RD_RESOLVE_H

#include "rd/rd.h"

/* The table of the librdkafka that the code at `caller` belongs to; found once, then remembered,
 * and so is a failure. What a table lacks of the calls that no instrumentation needs (admin
 * requests, queues) does nothing and gives 0.
 * Errors: WEIR_ENOTFOUND (linked into a program that was stripped), WEIR_EUNSUPPORTED (older than
 * 2.0.2, or parts of it are missing), WEIR_ENOMEMORY, and those of weir_rd_symtab_open. */
const struct weir_rd *weir_rd_resolve(const void *caller, struct weir_error *reterr);

#endif
