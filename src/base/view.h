/* SPDX-License-Identifier: Apache-2.0 */
/* A view is a borrowed run of bytes: a pointer and a length, never NUL-terminated.
 *
 * Views are passed by value. They own nothing: whoever made the bytes says how long they live
 * (most often: as long as the arena or the batch that they lie in).
 *
 * Threads: a view is a value; the bytes behind it follow their owner's rule.
 */
#ifndef WEIR_BASE_VIEW_H
#define WEIR_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct weir_view {
    const char *ptr; /* first byte; may be NULL only when len is 0 */
    size_t len;      /* number of bytes */
};

/* A view of a string literal; usable in static initialisers with WEIR_VIEW_INIT. */
#define WEIR_VIEW(literal) ((struct weir_view){"" literal, sizeof(literal) - 1})
#define WEIR_VIEW_INIT(literal)                                                                    \
    { "" literal, sizeof(literal) - 1 }
/* For printf: printf("%.*s", WEIR_VIEW_ARG(v)). */
#define WEIR_VIEW_ARG(v) (int)(v).len, (v).ptr

static inline struct weir_view weir_view(const void *ptr, size_t len) {
    return (struct weir_view){(const char *)ptr, len};
}

/* Borrows a NUL-terminated string; NULL gives the empty view. */
static inline struct weir_view weir_view_str(const char *str) {
    return (struct weir_view){str ? str : "", str ? strlen(str) : 0};
}

static inline bool weir_view_eq(struct weir_view a, struct weir_view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool weir_view_is(struct weir_view a, const char *str) {
    return weir_view_eq(a, weir_view_str(str));
}

static inline bool weir_view_starts(struct weir_view v, struct weir_view prefix) {
    return v.len >= prefix.len && (prefix.len == 0 || memcmp(v.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool weir_view_ends(struct weir_view v, struct weir_view suffix) {
    return v.len >= suffix.len &&
           (suffix.len == 0 || memcmp(v.ptr + v.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The view from `from` (clamped) to the end. */
static inline struct weir_view weir_view_from(struct weir_view v, size_t from) {
    if (from > v.len) from = v.len;
    return (struct weir_view){from ? v.ptr + from : v.ptr, v.len - from}; /* ptr may be NULL */
}

/* The first `len` bytes (clamped). */
static inline struct weir_view weir_view_upto(struct weir_view v, size_t len) {
    return (struct weir_view){v.ptr, len < v.len ? len : v.len};
}

/* Order as memcmp, shorter first. */
int weir_view_cmp(struct weir_view a, struct weir_view b);

/* Equal when ASCII case is ignored. */
bool weir_view_eq_nocase(struct weir_view a, struct weir_view b);

/* Index of the first occurrence of `needle`, or SIZE_MAX. */
size_t weir_view_find(struct weir_view v, struct weir_view needle);

/* Without ASCII blanks (space, tab, CR, LF) at both ends. */
struct weir_view weir_view_trim(struct weir_view v);

/* Splits off what stands before the first `sep`: gives it, and moves *rest behind the separator.
 * Without a separator gives all of *rest and leaves *rest empty with ptr NULL. */
struct weir_view weir_view_cut(struct weir_view *rest, char sep);

/* Strict decimal numbers over the whole view: no blanks, no plus sign. False leaves *ret as is. */
bool weir_view_to_u64(struct weir_view v, uint64_t *ret);
bool weir_view_to_i64(struct weir_view v, int64_t *ret);
/* Decimal, exponent, hex float, "NaN", "Inf", "+Inf", "-Inf" in any case. Locale-free. */
bool weir_view_to_f64(struct weir_view v, double *ret);

/* A duration such as "250ms", "1.5s", "5m", "1h30m", "7d" (units ns us µs ms s m h d w y), in
 * nanoseconds. */
bool weir_view_to_duration_ns(struct weir_view v, int64_t *ret);

/* Hex digits to bytes; false unless v.len == 2 * size and every digit is hex (any case). */
bool weir_view_to_bytes_hex(struct weir_view v, uint8_t *ret, size_t size);

/* 64-bit hash (XXH3), stable within one version of the on-disk formats. */
uint64_t weir_view_hash(struct weir_view v);

/* True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool weir_view_is_utf8(struct weir_view v);

/* The known name nearest to `name` by edit distance, or NULL if none is near; for "did you mean".
 * Borrows `names` (NULL-terminated array). */
const char *weir_view_nearest(struct weir_view name, const char *const *names);

#endif
