/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/exit.h"

#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/view.h"
#include "plugin/notice.h"
#include "weir/weir.h"

enum { TIMEOUT_MS = 2000, TIMEOUT_MS_MAX = 60000, FLUSH_INTERVAL_MS = 1000 };

static _Atomic int clients;      /* with a handle */
static _Atomic pid_t started_in; /* the process that the SDK was started in, 0: none */
static atomic_bool flushing;

/* ── start ───────────────────────────────────────────────────────────────────────────────────── */

static void say_goodbye(void);

static void start(void) {
    struct weir_error err = {0};
    if (weir_init(NULL, &err) == WEIR_OK) {
        atomic_store(&started_in, getpid());
        atexit(say_goodbye);
    } else
        weir_plugin_notice("Kafka clients of this process are not observed: %s", err.message);
}

/* Not when a configuration is made: a host may make one, and then fork into its workers. */
void weir_plugin_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

/* ── end ─────────────────────────────────────────────────────────────────────────────────────── */

static int64_t timeout_ms(void) {
    uint64_t value;
    const char *text = getenv("WEIR_EXIT_TIMEOUT");
    if (!text || !weir_view_to_u64(weir_view_str(text), &value)) return TIMEOUT_MS;
    return value < TIMEOUT_MS_MAX ? (int64_t)value : TIMEOUT_MS_MAX;
}

/* In a forked child that made no client of its own there is nothing to wait for. */
static bool is_ours(void) {
    return atomic_load(&started_in) == getpid() && timeout_ms() > 0;
}

/* Runs inside exit(), after main() and after what the program itself registered since its first
 * client. It comes before what librdkafka's libraries registered (OpenSSL's end makes its threads
 * crash): while this waits, they must find everything whole, and afterwards our own thread is gone.
 */
static void say_goodbye(void) {
    if (is_ours()) weir_shutdown(timeout_ms(), NULL);
}

static int note_go(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    /* The program itself comes first. Go's build id is a note of the owner "Go". */
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_NOTE) continue;
        const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
        const char *end = at + segment->p_memsz;
        while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const void *)at;
            size_t name = (note->n_namesz + 3u) & ~3u, text = (note->n_descsz + 3u) & ~3u;
            at += sizeof *note;
            if ((size_t)(end - at) < name || (size_t)(end - at) - name < text) break;
            if (note->n_namesz == 4 && memcmp(at, "Go", 3) == 0) *(bool *)arg = true;
            at += name + text;
        }
    }
    return 1;
}

static bool is_go(void) {
    bool found = false;
    dl_iterate_phdr(note_go, &found);
    return found;
}

static void *flush(void *arg) {
    (void)arg;
    weir_flush(timeout_ms(), NULL);
    atomic_store(&flushing, false);
    return NULL;
}

/* A host may open a client for each of its requests: it does not pay for that each time. */
static void flush_beside(void) {
    static _Atomic int64_t last_ns = INT64_MIN;
    int64_t now = weir_clock_mono_ns(), last = atomic_load(&last_ns);
    pthread_t thread;
    if (last != INT64_MIN && now - last < FLUSH_INTERVAL_MS * WEIR_NS_PER_MS) return;
    if (!atomic_compare_exchange_strong(&last_ns, &last, now)) return;
    if (atomic_exchange(&flushing, true)) return;
    if (weir_thread_start(&thread, "weir-flush", flush, NULL))
        atomic_store(&flushing, false);
    else
        pthread_detach(thread);
}

/* A child counts its own clients only. */
void weir_plugin_client_made(void) {
    pid_t before = atomic_load(&started_in), now = getpid();
    if (before && before != now && atomic_compare_exchange_strong(&started_in, &before, now))
        atomic_store(&clients, 0);
    atomic_fetch_add(&clients, 1);
}

void weir_plugin_client_closing(void) {
    atomic_fetch_sub(&clients, 1);
}

void weir_plugin_client_gone(void) {
    if (!is_ours() || atomic_load(&clients) > 0) return;
    if (is_go())
        weir_flush(timeout_ms(), NULL);
    else
        flush_beside();
}
