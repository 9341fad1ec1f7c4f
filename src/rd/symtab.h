/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of a program by its file's own symbol table (.symtab), which the loader does not read:
 * the way to a librdkafka that is linked into a program without being exported.
 *
 * The file may be anything, cut short or hostile: every offset and count is checked against the
 * file, and an address is given only if it lies in a segment that is loaded as code.
 *
 * Threads: one at a time. Memory: close frees all, names too.
 * Source: System V ABI, ELF-64 object files; of this machine's own class and byte order only.
 */
#ifndef WEIR_RD_SYMTAB_H
#define WEIR_RD_SYMTAB_H

#include <link.h>
#include <stddef.h>

#include "base/error.h"

/* Largest table of names that is read, and most functions that are kept. */
#define WEIR_RD_SYMTAB_NAMES_MAX     (256u * 1024 * 1024)
#define WEIR_RD_SYMTAB_FUNCTIONS_MAX 65536u

struct weir_rd_symtab;

/* Reads the functions whose names begin with `prefix`. Borrows the descriptor.
 * Errors: WEIR_ENOTFOUND (no symbol table: stripped), WEIR_ECORRUPT, WEIR_EUNSUPPORTED (not a
 * program of this machine), WEIR_ELIMIT, WEIR_EIO, WEIR_ENOMEMORY. */
int weir_rd_symtab_open(int fd, const char *prefix, struct weir_rd_symtab **ret,
                        struct weir_error *reterr);
/* The function's address in the file's own view, to which the load address is added; 0: none. */
ElfW(Addr) weir_rd_symtab_find(const struct weir_rd_symtab *table, const char *name);
/* The program headers, to see whether the file is the one that was loaded. Borrowed. */
const ElfW(Phdr) * weir_rd_symtab_segments(const struct weir_rd_symtab *table, size_t *ret_count);
/* Takes NULL. */
void weir_rd_symtab_close(struct weir_rd_symtab *table);

#endif
