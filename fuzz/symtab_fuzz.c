/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as a program with a symbol table: an address that is found is code of the file. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "rd/symtab.h"

static void check(const struct weir_rd_symtab *table, ElfW(Addr) address) {
    size_t count;
    const ElfW(Phdr) *segments = weir_rd_symtab_segments(table, &count);
    bool is_code = !address;
    for (size_t i = 0; i < count; i++)
        is_code |= segments[i].p_flags & PF_X && segments[i].p_type == PT_LOAD &&
                   address - segments[i].p_vaddr < segments[i].p_memsz;
    MUST(is_code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    struct weir_rd_symtab *table = NULL;
    struct weir_error err = {0};
    if (fd < 0) fd = memfd_create("symtab", MFD_CLOEXEC);
    MUST(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
    int code = weir_rd_symtab_open(fd, "lib_", &table, &err);
    MUST(code == err.code && !code == (table != NULL));
    if (code) return 0;
    check(table, weir_rd_symtab_find(table, "lib_new"));
    check(table, weir_rd_symtab_find(table, "lib_free"));
    weir_rd_symtab_close(table);
    return 0;
}
