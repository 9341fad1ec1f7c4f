/* SPDX-License-Identifier: Apache-2.0 */
#include "rd/resolve.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rd/symtab.h"

/* One loaded object, and what was found in it. */
struct object {
    struct object *next;
    const struct link_map *map;
    struct weir_rd rd;
    struct weir_error err; /* code 0: rd is whole */
};

struct search {
    const void *caller;
    const struct link_map *map;
    struct dl_phdr_info info;    /* of the object; its dlpi_phdr stays with it */
    void *library;               /* of dlopen() */
    bool exports;                /* librdkafka's functions, to the loader */
    struct weir_rd_symtab *file; /* NULL until a symbol needs it */
    int file_code;               /* of opening it */
    struct weir_error err;
};

static _Atomic(struct object *) objects; /* only grows */

/* ── the object in memory ────────────────────────────────────────────────────────────────────── */

static bool is_inside(const struct dl_phdr_info *info, uintptr_t address) {
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD &&
            address - info->dlpi_addr - info->dlpi_phdr[i].p_vaddr < info->dlpi_phdr[i].p_memsz)
            return true;
    return false;
}

static int note_segments(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    struct search *search = arg;
    if (!is_inside(info, (uintptr_t)search->caller)) return 0;
    search->info = *info;
    return 1;
}

/* Whether the file is what is in memory; it may have been replaced since, or the program be run by
 * a loader that was called by name. */
static bool is_loaded(const struct search *search) {
    size_t count;
    const ElfW(Phdr) *segments = weir_rd_symtab_segments(search->file, &count);
    return count == search->info.dlpi_phnum &&
           memcmp(segments, search->info.dlpi_phdr, count * sizeof *segments) == 0;
}

static int open_file(struct search *search) {
    const char *name = search->map->l_name[0] ? search->map->l_name : "/proc/self/exe";
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return weir_error_set(&search->err, WEIR_EIO, "cannot open %s", name);
    int code = weir_rd_symtab_open(fd, "rd_kafka_", &search->file, &search->err);
    close(fd);
    if (!code && !is_loaded(search)) {
        weir_rd_symtab_close(search->file);
        search->file = NULL;
        code = weir_error_set(&search->err, WEIR_EUNSUPPORTED,
                              "%s is not the file that runs: it was replaced since", name);
    }
    return code;
}

/* ── looking up ──────────────────────────────────────────────────────────────────────────────── */

/* Calls that only wrappers, the runner and the server make. */
static bool is_dispensable(const char *symbol) {
    static const char *const groups[] = {
        "rd_kafka_NewTopic_",     "rd_kafka_CreateTopics",
        "rd_kafka_AdminOptions_", "rd_kafka_List",
        "rd_kafka_Describe",      "rd_kafka_ConsumerGroup",
        "rd_kafka_Member",        "rd_kafka_consumer_group_state_name",
        "rd_kafka_group_",        "rd_kafka_topic_result_",
        "rd_kafka_event_",        "rd_kafka_queue_",
        "rd_kafka_list_groups",   "rd_kafka_consume_batch_queue"};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strncmp(symbol, groups[i], strlen(groups[i])) == 0) return true;
    return false;
}

static uintptr_t do_nothing(void) {
    return 0;
}

/* dlsym() also looks into what the object depends on, where another librdkafka may be. */
static void *find_exported(const struct search *search, const char *symbol) {
    void *found = dlsym(search->library, symbol);
    return is_inside(&search->info, (uintptr_t)found) ? found : NULL;
}

static void *find(void *arg, const char *symbol) {
    struct search *search = arg;
    void *found = find_exported(search, symbol);
    if (found) return found;
    if (!search->exports && !search->file && !search->file_code)
        search->file_code = open_file(search);
    ElfW(Addr) address = search->file ? weir_rd_symtab_find(search->file, symbol) : 0;
    uintptr_t nothing = (uintptr_t)do_nothing;
    uintptr_t there = address ? search->map->l_addr + address : 0;
    if (!there && is_dispensable(symbol)) there = nothing;
    memcpy(&found, &there, sizeof found);
    return found;
}

static int fill(const void *caller, const struct link_map *map, struct weir_rd *rd,
                struct weir_error *reterr) {
    struct search search = {.caller = caller, .map = map};
    /* Not closed: the table's functions must stay where they are. */
    search.library = map->l_name[0] ? dlopen(map->l_name, RTLD_NOW | RTLD_NOLOAD | RTLD_LOCAL)
                                    : dlopen(NULL, RTLD_NOW | RTLD_LOCAL);
    if (!search.library)
        return weir_error_set(reterr, WEIR_EUNSUPPORTED, "%s cannot be looked into", map->l_name);
    dl_iterate_phdr(note_segments, &search);
    search.exports = find_exported(&search, "rd_kafka_version") != NULL;
    int code = weir_rd_fill(rd, find, &search, reterr);
    if (code && search.file_code) {
        code = search.file_code;
        if (reterr) *reterr = search.err;
    }
    weir_rd_symtab_close(search.file);
    return code;
}

/* ── remembering ─────────────────────────────────────────────────────────────────────────────── */

static struct object *known(const struct link_map *map) {
    struct object *object = atomic_load_explicit(&objects, memory_order_acquire);
    while (object && object->map != map) object = object->next;
    return object;
}

/* Another thread may have been quicker: then its object is the one. */
static struct object *remember(struct object *object) {
    object->next = atomic_load_explicit(&objects, memory_order_acquire);
    while (!atomic_compare_exchange_weak(&objects, &object->next, object)) {
        struct object *other = known(object->map);
        if (!other) continue;
        free(object);
        return other;
    }
    return object;
}

const struct weir_rd *weir_rd_resolve(const void *caller, struct weir_error *reterr) {
    Dl_info info;
    struct link_map *map = NULL;
    if (!dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) {
        weir_error_set(reterr, WEIR_EUNSUPPORTED, "the caller belongs to no loaded program");
        return NULL;
    }
    struct object *object = known(map);
    if (!object && (object = calloc(1, sizeof *object))) {
        object->map = map;
        fill(caller, map, &object->rd, &object->err);
        object = remember(object);
    }
    if (!object) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
        return NULL;
    }
    if (object->err.code && reterr) *reterr = object->err;
    return object->err.code ? NULL : &object->rd;
}
