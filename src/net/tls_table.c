/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_table.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char *const names_default[] = {"libssl.so.3", "libssl.so.1.1", NULL};
static const char *const *names = names_default;

/* Calls hold it for reading; fork, loading and the host's cleanup for writing. Writers first: a
 * busy sender must not keep fork waiting. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static struct weir_tls_table table; /* guarded by the gate, as both flags */
static bool loaded, gone;

/* ---- fork and exit ---- */

static void fork_prepare(void) {
    pthread_rwlock_wrlock(&gate);
}

static void fork_parent(void) {
    pthread_rwlock_unlock(&gate);
}

/* The lock knows its owner by a thread id that the child does not have. */
static void fork_child(void) {
    gate = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
}

static void watch_forks(void) {
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* OPENSSL_cleanup calls this first: a host's exit handler, while our thread may still send. */
static void close_gate(void) {
    pthread_rwlock_wrlock(&gate);
    gone = true;
    pthread_rwlock_unlock(&gate);
}

/* ---- loading ---- */

/* An address- or thread-sanitizer in the process, ours or the host's, forbids DEEPBIND. */
static bool is_sanitized(void) {
    return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init") ||
           dlsym(RTLD_DEFAULT, "__msan_init");
}

/* False: a function is missing. */
static bool resolve(void *library, struct weir_tls_table *ret) {
    void *found = NULL;
    /* A function pointer out of a data pointer, as POSIX has it for dlsym. */
#define RESOLVE(name)                                                                              \
    if (!(found = dlsym(library, #name))) return false;                                            \
    memcpy(&ret->name, &found, sizeof found);
    WEIR_TLS_CALLS(RESOLVE)
#undef RESOLVE
    return true;
}

/* The gate is held for writing. */
static bool try_load(const char *name) {
    void *before = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
    bool is_hosts = before != NULL;
    if (before) dlclose(before);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | (is_sanitized() ? 0 : RTLD_DEEPBIND));
    if (!library) return false;
    uint64_t options = is_hosts ? 0 : OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG;
    if (!resolve(library, &table) || table.OPENSSL_init_ssl(options, NULL) != 1) {
        dlclose(library);
        return false;
    }
    table.OPENSSL_atexit(close_gate);
    return true;
}

int weir_tls_load(struct weir_error *reterr) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_rwlock_wrlock(&gate);
    for (size_t i = 0; !loaded && names[i]; i++) loaded = try_load(names[i]);
    bool usable = loaded && !gone, ended = gone;
    pthread_rwlock_unlock(&gate);
    if (usable) return WEIR_OK;
    if (ended)
        return weir_error_set(reterr, WEIR_ECLOSED, "OpenSSL was shut down: the process is ending");
    return weir_error_set(reterr, WEIR_EUNSUPPORTED,
                          "TLS needs OpenSSL 3 (libssl.so.3), which is not installed: install "
                          "libssl3 (Debian, Ubuntu) or openssl-libs (Fedora, RHEL)");
}

const struct weir_tls_table *weir_tls_enter(void) {
    pthread_rwlock_rdlock(&gate);
    if (loaded && !gone) return &table;
    pthread_rwlock_unlock(&gate);
    return NULL;
}

void weir_tls_leave(void) {
    pthread_rwlock_unlock(&gate);
}

const struct weir_tls_table *weir_tls_entered(void) {
    return &table;
}

void weir_tls_library_set(const char *const *given) {
    names = given;
}
