/* SPDX-License-Identifier: Apache-2.0 */
#include "rd/symtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOLS_AT_ONCE 1024u

struct function {
    const char *name; /* in names */
    ElfW(Addr) address;
};

struct weir_rd_symtab {
    ElfW(Ehdr) header;
    ElfW(Phdr) * segments;
    ElfW(Shdr) * sections;
    char *names;
    size_t names_size;
    struct function *functions; /* sorted by name */
    size_t functions_count, functions_room;
    uint64_t file_size;
};

static int corrupt(struct weir_error *reterr, const char *what) {
    return weir_error_set(reterr, WEIR_ECORRUPT, "the program's file is damaged: %s", what);
}

static int no_memory(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
}

/* Exactly `size` bytes at `offset`, or an error. */
static int read_at(const struct weir_rd_symtab *table, int fd, uint64_t offset, void *to,
                   uint64_t size, struct weir_error *reterr) {
    if (offset > table->file_size || size > table->file_size - offset)
        return corrupt(reterr, "something lies behind its end");
    for (uint64_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return weir_error_set(reterr, WEIR_EIO, "cannot read the program's file: %s",
                                  strerror(errno));
        if (got == 0) return corrupt(reterr, "it ends too early");
        done += (uint64_t)got;
    }
    return WEIR_OK;
}

/* A table of `count` rows, in new memory; NULL with an error. */
static void *read_rows(const struct weir_rd_symtab *table, int fd, uint64_t offset, size_t count,
                       size_t size, struct weir_error *reterr) {
    void *rows = NULL;
    if (count > table->file_size / size)
        corrupt(reterr, "a table is longer than the file");
    else if (!(rows = malloc(count * size)))
        no_memory(reterr);
    else if (read_at(table, fd, offset, rows, count * size, reterr)) {
        free(rows);
        rows = NULL;
    }
    return rows;
}

static bool is_ours(const ElfW(Ehdr) * header) {
    const uint16_t one = 1;
    int order = *(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB;
    int class = sizeof(ElfW(Addr)) == 8 ? ELFCLASS64 : ELFCLASS32;
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == class &&
           header->e_ident[EI_DATA] == order &&
           (header->e_type == ET_EXEC || header->e_type == ET_DYN);
}

static int read_headers(struct weir_rd_symtab *table, int fd, struct weir_error *reterr) {
    struct stat stat;
    if (fstat(fd, &stat) || stat.st_size < 0)
        return weir_error_set(reterr, WEIR_EIO, "cannot read the program's file");
    table->file_size = (uint64_t)stat.st_size;
    if (table->file_size < sizeof table->header ||
        read_at(table, fd, 0, &table->header, sizeof table->header, NULL) ||
        !is_ours(&table->header))
        return weir_error_set(reterr, WEIR_EUNSUPPORTED,
                              "the program's file is not an ELF program of this machine");
    const ElfW(Ehdr) *header = &table->header;
    if (header->e_phentsize != sizeof *table->segments || header->e_phnum == 0)
        return corrupt(reterr, "no program headers");
    table->segments =
        read_rows(table, fd, header->e_phoff, header->e_phnum, sizeof *table->segments, reterr);
    if (!table->segments) return reterr->code;
    if (header->e_shoff == 0 || header->e_shnum == 0)
        return weir_error_set(reterr, WEIR_ENOTFOUND, "the program was stripped");
    if (header->e_shentsize != sizeof *table->sections)
        return corrupt(reterr, "its section headers");
    table->sections =
        read_rows(table, fd, header->e_shoff, header->e_shnum, sizeof *table->sections, reterr);
    return table->sections ? WEIR_OK : reterr->code;
}

static const ElfW(Shdr) * find_symbols(const struct weir_rd_symtab *table) {
    for (size_t i = 0; i < table->header.e_shnum; i++)
        if (table->sections[i].sh_type == SHT_SYMTAB) return &table->sections[i];
    return NULL;
}

static int read_names(struct weir_rd_symtab *table, int fd, const ElfW(Shdr) * symbols,
                      struct weir_error *reterr) {
    if (symbols->sh_link >= table->header.e_shnum ||
        table->sections[symbols->sh_link].sh_type != SHT_STRTAB)
        return corrupt(reterr, "symbols without names");
    const ElfW(Shdr) *section = &table->sections[symbols->sh_link];
    if (section->sh_size > WEIR_RD_SYMTAB_NAMES_MAX)
        return weir_error_set(reterr, WEIR_ELIMIT, "the program's table of names is over 256 MiB");
    table->names_size = section->sh_size;
    if (section->sh_size > table->file_size) return corrupt(reterr, "names behind its end");
    table->names = malloc(table->names_size + 1);
    if (!table->names) return no_memory(reterr);
    table->names[table->names_size] = 0; /* whatever the file says, the last name ends here */
    return read_at(table, fd, section->sh_offset, table->names, table->names_size, reterr);
}

static bool is_code(const struct weir_rd_symtab *table, ElfW(Addr) address) {
    for (size_t i = 0; i < table->header.e_phnum; i++) {
        const ElfW(Phdr) *segment = &table->segments[i];
        if (segment->p_type == PT_LOAD && segment->p_flags & PF_X && address >= segment->p_vaddr &&
            address - segment->p_vaddr < segment->p_memsz)
            return true;
    }
    return false;
}

static int add_function(struct weir_rd_symtab *table, const ElfW(Sym) * symbol, const char *prefix,
                        struct weir_error *reterr) {
    if ((symbol->st_info & 0xf) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
        symbol->st_name >= table->names_size)
        return WEIR_OK;
    const char *name = table->names + symbol->st_name;
    if (strncmp(name, prefix, strlen(prefix)) != 0 || !is_code(table, symbol->st_value))
        return WEIR_OK;
    if (table->functions_count == WEIR_RD_SYMTAB_FUNCTIONS_MAX)
        return weir_error_set(reterr, WEIR_ELIMIT, "the program has over %u functions %s...",
                              WEIR_RD_SYMTAB_FUNCTIONS_MAX, prefix);
    if (table->functions_count == table->functions_room) {
        size_t room = table->functions_room ? 2 * table->functions_room : 512;
        struct function *functions = realloc(table->functions, room * sizeof *functions);
        if (!functions) return no_memory(reterr);
        table->functions = functions;
        table->functions_room = room;
    }
    table->functions[table->functions_count++] = (struct function){name, symbol->st_value};
    return WEIR_OK;
}

static int read_functions(struct weir_rd_symtab *table, int fd, const ElfW(Shdr) * symbols,
                          const char *prefix, struct weir_error *reterr) {
    if (symbols->sh_entsize != sizeof(ElfW(Sym))) return corrupt(reterr, "its symbols' size");
    ElfW(Sym) *some = calloc(SYMBOLS_AT_ONCE, sizeof *some);
    if (!some) return no_memory(reterr);
    uint64_t left = symbols->sh_size / sizeof *some, offset = symbols->sh_offset;
    int code = WEIR_OK;
    while (left && !code) {
        uint64_t count = left < SYMBOLS_AT_ONCE ? left : SYMBOLS_AT_ONCE;
        code = read_at(table, fd, offset, some, count * sizeof *some, reterr);
        for (uint64_t i = 0; i < count && !code; i++)
            code = add_function(table, &some[i], prefix, reterr);
        offset += count * sizeof *some;
        left -= count;
    }
    free(some);
    return code;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct function *)a)->name, ((const struct function *)b)->name);
}

static int read_all(struct weir_rd_symtab *table, int fd, const char *prefix,
                    struct weir_error *reterr) {
    int code = read_headers(table, fd, reterr);
    if (code) return code;
    const ElfW(Shdr) *symbols = find_symbols(table);
    if (!symbols) return weir_error_set(reterr, WEIR_ENOTFOUND, "the program was stripped");
    if ((code = read_names(table, fd, symbols, reterr))) return code;
    if ((code = read_functions(table, fd, symbols, prefix, reterr))) return code;
    if (table->functions_count)
        qsort(table->functions, table->functions_count, sizeof *table->functions, by_name);
    return WEIR_OK;
}

int weir_rd_symtab_open(int fd, const char *prefix, struct weir_rd_symtab **ret,
                        struct weir_error *reterr) {
    struct weir_error err;
    struct weir_rd_symtab *table = calloc(1, sizeof *table);
    if (!table) return no_memory(reterr);
    int code = read_all(table, fd, prefix, reterr ? reterr : &err);
    if (code)
        weir_rd_symtab_close(table);
    else
        *ret = table;
    return code;
}

ElfW(Addr) weir_rd_symtab_find(const struct weir_rd_symtab *table, const char *name) {
    if (!table->functions_count) return 0;
    const struct function key = {name, 0};
    const struct function *found =
        bsearch(&key, table->functions, table->functions_count, sizeof *table->functions, by_name);
    return found ? found->address : 0;
}

const ElfW(Phdr) * weir_rd_symtab_segments(const struct weir_rd_symtab *table, size_t *ret_count) {
    *ret_count = table->header.e_phnum;
    return table->segments;
}

void weir_rd_symtab_close(struct weir_rd_symtab *table) {
    if (!table) return;
    free(table->segments);
    free(table->sections);
    free(table->names);
    free(table->functions);
    free(table);
}
