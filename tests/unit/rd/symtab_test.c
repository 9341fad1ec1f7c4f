/* SPDX-License-Identifier: Apache-2.0 */
/* The symbol table of a program's file: of this very program, of one made by hand, and of that one
 * damaged in every way that comes to mind. Nothing may be read outside of it (the sanitizers look),
 * and no address may be given that is not code. */
#include "unit.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "rd/symtab.h"

#define CODE_START 0x1000
#define CODE_SIZE  0x100

/* A whole program file, as small as it gets. */
struct image {
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[2];
    ElfW(Sym) symbols[6];
    char names[96];
    ElfW(Shdr) sections[3]; /* none, .symtab, .strtab */
};

static uint32_t name_at(struct image *image, uint32_t *at, const char *name) {
    uint32_t start = *at;
    memcpy(image->names + start, name, strlen(name) + 1);
    *at += (uint32_t)strlen(name) + 1;
    return start;
}

static void make(struct image *image) {
    memset(image, 0, sizeof *image);
    const uint16_t one = 1;
    memcpy(image->header.e_ident, ELFMAG, SELFMAG);
    image->header.e_ident[EI_CLASS] = sizeof(ElfW(Addr)) == 8 ? ELFCLASS64 : ELFCLASS32;
    image->header.e_ident[EI_DATA] = *(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB;
    image->header.e_type = ET_DYN;
    image->header.e_phoff = offsetof(struct image, segments);
    image->header.e_phentsize = sizeof image->segments[0];
    image->header.e_phnum = 2;
    image->header.e_shoff = offsetof(struct image, sections);
    image->header.e_shentsize = sizeof image->sections[0];
    image->header.e_shnum = 3;
    image->segments[0] = (ElfW(Phdr)){.p_type = PT_LOAD, .p_flags = PF_R, .p_memsz = CODE_START};
    image->segments[1] = (ElfW(Phdr)){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = CODE_START, .p_memsz = CODE_SIZE};
    uint32_t at = 1;
    const struct {
        const char *name;
        unsigned type, section;
        ElfW(Addr) value;
    } symbols[] = {{"lib_new", STT_FUNC, 1, CODE_START},
                   {"lib_free", STT_FUNC, 1, CODE_START + 0x20},
                   {"lib_table", STT_OBJECT, 1, CODE_START + 0x40},
                   {"lib_elsewhere", STT_FUNC, SHN_UNDEF, CODE_START},
                   {"lib_behind", STT_FUNC, 1, CODE_START + CODE_SIZE},
                   {"other", STT_FUNC, 1, CODE_START}};
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        image->symbols[i] =
            (ElfW(Sym)){.st_name = name_at(image, &at, symbols[i].name),
                        .st_info = (unsigned char)(STB_LOCAL << 4 | symbols[i].type),
                        .st_shndx = (uint16_t)symbols[i].section,
                        .st_value = symbols[i].value};
    image->sections[1] = (ElfW(Shdr)){.sh_type = SHT_SYMTAB,
                                      .sh_offset = offsetof(struct image, symbols),
                                      .sh_size = sizeof image->symbols,
                                      .sh_link = 2,
                                      .sh_entsize = sizeof image->symbols[0]};
    image->sections[2] = (ElfW(Shdr)){.sh_type = SHT_STRTAB,
                                      .sh_offset = offsetof(struct image, names),
                                      .sh_size = sizeof image->names};
}

static int scratch(void) {
    int fd = memfd_create("symtab", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t size) {
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
}

static int open_image(const struct image *image, struct weir_rd_symtab **ret,
                      struct weir_error *err) {
    int fd = scratch();
    put(fd, image, sizeof *image);
    int code = weir_rd_symtab_open(fd, "lib_", ret, err);
    close(fd);
    return code;
}

static void test_functions_are_found(void **state) {
    (void)state;
    struct image image;
    struct weir_rd_symtab *table;
    make(&image);
    assert_int_equal(open_image(&image, &table, NULL), WEIR_OK);
    assert_int_equal(weir_rd_symtab_find(table, "lib_new"), CODE_START);
    assert_int_equal(weir_rd_symtab_find(table, "lib_free"), CODE_START + 0x20);
    static const char *const none[] = {"lib_table", "lib_elsewhere", "lib_behind", "other", "lib_"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(weir_rd_symtab_find(table, none[i]), 0);
    size_t count;
    assert_memory_equal(weir_rd_symtab_segments(table, &count), image.segments,
                        sizeof image.segments);
    assert_int_equal(count, 2);
    weir_rd_symtab_close(table);
}

int symtab_probe(void);
__attribute__((noinline)) int symtab_probe(void) {
    return 7;
}

static void test_this_program(void **state) {
    (void)state;
    struct weir_rd_symtab *table;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(weir_rd_symtab_open(fd, "symtab_", &table, NULL), WEIR_OK);
    close(fd);
    uintptr_t base =
        (uintptr_t)symtab_probe - (uintptr_t)weir_rd_symtab_find(table, "symtab_probe");
    assert_int_equal(base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    weir_rd_symtab_close(table);
}

static void test_what_is_no_program(void **state) {
    (void)state;
    struct weir_rd_symtab *table;
    struct weir_error err = {0};
    struct image image;
    make(&image);
    image.sections[1].sh_type = SHT_PROGBITS;
    assert_int_equal(open_image(&image, &table, &err), WEIR_ENOTFOUND);
    assert_non_null(strstr(err.message, "stripped"));
    make(&image);
    image.header.e_shnum = 0;
    assert_int_equal(open_image(&image, &table, NULL), WEIR_ENOTFOUND);
    make(&image);
    image.header.e_ident[EI_CLASS] ^= 3;
    assert_int_equal(open_image(&image, &table, NULL), WEIR_EUNSUPPORTED);
    make(&image);
    image.sections[2].sh_size = (uint64_t)WEIR_RD_SYMTAB_NAMES_MAX + 1;
    assert_int_equal(open_image(&image, &table, NULL), WEIR_ELIMIT);
    make(&image);
    image.sections[1].sh_link = 9;
    assert_int_equal(open_image(&image, &table, NULL), WEIR_ECORRUPT);
    int fd = scratch();
    assert_int_equal(weir_rd_symtab_open(fd, "lib_", &table, &err), WEIR_EUNSUPPORTED);
    close(fd);
    assert_int_equal(weir_rd_symtab_open(-1, "lib_", &table, &err), WEIR_EIO);
}

/* Opens what may be damaged; whatever it finds must be code. */
static void try(int fd) {
    static const char *const names[] = {"lib_new", "lib_free", "lib_table", "lib_behind"};
    struct weir_rd_symtab *table = NULL;
    struct weir_error err = {0};
    int code = weir_rd_symtab_open(fd, "lib_", &table, &err);
    assert_int_equal(code, err.code);
    if (code) {
        assert_null(table);
        assert_int_not_equal(err.message[0], 0);
        return;
    }
    size_t count;
    const ElfW(Phdr) *segments = weir_rd_symtab_segments(table, &count);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ElfW(Addr) address = weir_rd_symtab_find(table, names[i]);
        bool code_there = !address;
        for (size_t s = 0; s < count; s++)
            code_there |=
                segments[s].p_flags & PF_X && address - segments[s].p_vaddr < segments[s].p_memsz;
        assert_true(code_there);
    }
    weir_rd_symtab_close(table);
}

static void test_cut_short_anywhere(void **state) {
    (void)state;
    struct image image;
    make(&image);
    int fd = scratch();
    for (size_t size = 0; size <= sizeof image; size++) {
        put(fd, &image, size);
        try(fd);
    }
    close(fd);
}

static void test_any_byte_is_wrong(void **state) {
    (void)state;
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct image image;
    make(&image);
    int fd = scratch();
    for (size_t at = 0; at < sizeof image; at++) {
        for (size_t v = 0; v < sizeof values; v++) {
            struct image wrong = image;
            ((uint8_t *)&wrong)[at] = values[v];
            put(fd, &wrong, sizeof wrong);
            try(fd);
        }
    }
    close(fd);
}

static void test_many_bytes_are_wrong(void **state) {
    (void)state;
    const char *given = getenv("WEIR_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("WEIR_SEED=%u\n", seed);
    struct image image;
    make(&image);
    int fd = scratch();
    for (int round = 0; round < 20000; round++) {
        struct image wrong = image;
        int changes = 1 + rand_r(&seed) % 6;
        for (int i = 0; i < changes; i++) {
            /* Wide fields get wild values, too. */
            size_t width = (size_t)1 << rand_r(&seed) % 4;
            size_t at = (size_t)rand_r(&seed) % (sizeof wrong - width) / width * width;
            uint64_t value = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 34);
            memcpy((uint8_t *)&wrong + at, &value, width);
        }
        put(fd, &wrong, sizeof wrong - (size_t)rand_r(&seed) % (round % 2 ? 1 : 64));
        try(fd);
    }
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_found), cmocka_unit_test(test_this_program),
        cmocka_unit_test(test_what_is_no_program),  cmocka_unit_test(test_cut_short_anywhere),
        cmocka_unit_test(test_any_byte_is_wrong),   cmocka_unit_test(test_many_bytes_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
