/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exclude.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/error.h"
#include "weir/http.h"

struct list {
    struct weir_view *items;
    uint32_t count, room;
};

/* Never changed once published. */
struct settings {
    struct weir_arena arena;
    struct settings *replaced; /* kept: another thread may still read it */
    struct list paths, prefixes, patterns, methods;
};

static _Atomic(struct settings *) current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* serialises replacing `current` */

/* ── reading the lists ───────────────────────────────────────────────────────────────────────── */

static void read_list(struct weir_arena *arena, struct list *list, const char *text) {
    struct weir_view rest = weir_arena_copy(arena, weir_view_str(text));
    while (rest.len) {
        struct weir_view item = weir_view_trim(weir_view_cut(&rest, ','));
        if (!item.len) continue;
        struct weir_view *slot = WEIR_PUSH(arena, list->items, list->count, list->room);
        if (slot) *slot = item;
    }
}

/* Of a list the variable counts, then what the program says, then the default. */
static const char *choose(const char *variable, const char *other_name, const char *given,
                          const char *otherwise) {
    const char *value = getenv(variable);
    if (!value) value = getenv(other_name);
    return value ? value : given ? given : otherwise;
}

static struct settings *read_settings(const struct weir_http_excluded *given) {
    struct settings *settings = calloc(1, sizeof *settings);
    if (!settings) return NULL;
    struct weir_arena *arena = &settings->arena;
    weir_arena_init(arena, 1 << 20);
    read_list(arena, &settings->paths,
              choose("WEIR_EXCLUDED_PATHS", "LAST9_EXCLUDED_PATHS", given->paths,
                     "/health,/healthz,/metrics,/ready,/live,/ping"));
    read_list(
        arena, &settings->prefixes,
        choose("WEIR_EXCLUDED_PATH_PREFIXES", "LAST9_EXCLUDED_PATH_PREFIXES", given->prefixes, ""));
    read_list(arena, &settings->patterns,
              choose("WEIR_EXCLUDED_PATH_PATTERNS", "LAST9_EXCLUDED_PATH_PATTERNS", given->patterns,
                     "/*/health,/*/healthz,/*/metrics,/*/ready,/*/live,/*/ping"));
    const char *methods = getenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS");
    read_list(arena, &settings->methods,
              methods && methods[0] ? methods
                                    : "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,TRACE");
    if (!arena->failed) return settings;
    weir_arena_done(arena);
    free(settings);
    return NULL;
}

int weir_http_exclude(const struct weir_http_excluded *excluded, struct weir_error *reterr) {
    struct weir_http_excluded given = {.struct_size = 0};
    if (excluded && excluded->struct_size < sizeof excluded->struct_size)
        return weir_error_set(reterr, WEIR_EINVALID, "weir_http_exclude: struct_size is not set");
    if (excluded)
        memcpy(&given, excluded,
               excluded->struct_size < sizeof given ? excluded->struct_size : sizeof given);
    struct settings *settings = read_settings(&given);
    if (!settings) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    pthread_mutex_lock(&lock);
    settings->replaced = atomic_load(&current);
    atomic_store(&current, settings);
    pthread_mutex_unlock(&lock);
    return WEIR_OK;
}

/* NULL when memory is out. */
static const struct settings *get_settings(void) {
    struct settings *settings = atomic_load_explicit(&current, memory_order_acquire);
    if (settings) return settings;
    static const struct weir_http_excluded nothing_said = {.struct_size = 0};
    settings = read_settings(&nothing_said);
    struct settings *expected = NULL;
    if (settings && !atomic_compare_exchange_strong(&current, &expected, settings)) {
        weir_arena_done(&settings->arena); /* another thread was first */
        free(settings);
        settings = expected;
    }
    return settings;
}

/* ── globs ───────────────────────────────────────────────────────────────────────────────────── */

static char unescaped(struct weir_view pattern, size_t *at) {
    if (pattern.ptr[*at] == '\\' && *at + 1 < pattern.len) ++*at;
    return pattern.ptr[(*at)++];
}

/* [a-z] at `at`, moved behind it: whether c is in it. One that does not end matches nothing. */
static bool in_class(struct weir_view pattern, size_t *at, char c) {
    bool found = false, negated = *at + 1 < pattern.len && pattern.ptr[*at + 1] == '^';
    size_t i = *at + 1 + negated, first = i;
    while (i < pattern.len && (pattern.ptr[i] != ']' || i == first)) {
        char low = unescaped(pattern, &i), high = low;
        if (i + 1 < pattern.len && pattern.ptr[i] == '-' && pattern.ptr[i + 1] != ']') {
            i++;
            high = unescaped(pattern, &i);
        }
        found |= c >= low && c <= high;
    }
    if (i >= pattern.len) return false;
    *at = i + 1;
    return found != negated;
}

/* One character of the pattern at `at`, moved behind it, against c. */
static bool match_one(struct weir_view pattern, size_t *at, char c) {
    if (*at >= pattern.len) return false;
    switch (pattern.ptr[*at]) {
    case '?': return ++*at, c != '/';
    case '[': return c != '/' && in_class(pattern, at, c);
    default: return unescaped(pattern, at) == c;
    }
}

/* Slashes match slashes only, so each segment stands for itself: going back to the last star is
 * enough, and it never passes a slash. */
bool weir_http_glob(struct weir_view pattern, struct weir_view text) {
    size_t at = 0, i = 0, star = SIZE_MAX, star_text = 0;
    while (i < text.len) {
        if (at < pattern.len && pattern.ptr[at] == '*') {
            star = ++at;
            star_text = i;
            continue;
        }
        size_t next = at;
        if (match_one(pattern, &next, text.ptr[i])) {
            at = next;
            i++;
            continue;
        }
        if (star == SIZE_MAX || text.ptr[star_text] == '/') return false;
        at = star;
        i = ++star_text;
    }
    while (at < pattern.len && pattern.ptr[at] == '*') at++;
    return at == pattern.len;
}

/* ── asking ──────────────────────────────────────────────────────────────────────────────────── */

static bool contains(const struct list *list, struct weir_view text) {
    for (uint32_t i = 0; i < list->count; i++)
        if (weir_view_eq(list->items[i], text)) return true;
    return false;
}

bool weir_http_path_excluded(struct weir_view path) {
    const struct settings *settings = get_settings();
    if (!settings) return false;
    if (contains(&settings->paths, path)) return true;
    for (uint32_t i = 0; i < settings->prefixes.count; i++)
        if (weir_view_starts(path, settings->prefixes.items[i])) return true;
    for (uint32_t i = 0; i < settings->patterns.count; i++)
        if (weir_http_glob(settings->patterns.items[i], path)) return true;
    return false;
}

bool weir_http_is_excluded(const char *path) {
    return path && weir_http_path_excluded(weir_view_str(path));
}

bool weir_http_method_known(struct weir_view method) {
    const struct settings *settings = get_settings();
    return settings && contains(&settings->methods, method);
}
