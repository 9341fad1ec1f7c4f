/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of errors: code, name, text, HTTP status, gRPC status, worth retrying.
 *
 * Functions return 0 or one of the negative codes below. Where words help, the last argument is an
 * optional `struct weir_error *reterr`, written only on failure. Four kinds of failure, one
 * treatment each: a bug of ours (weir_bug), a lying disk (WEIR_EIO, WEIR_ECORRUPT: only in store),
 * a bad peer (WEIR_EINVALID and friends: counted, told, never a crash), busy (WEIR_EBUSY: refused
 * early).
 *
 * Threads: all functions may be called from any thread.
 */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "weir/error.h"

/*    code          value  text                             HTTP gRPC retry */
#define WEIR_ERRORS(X)                                                                             \
    X(EINVALID, -1, "invalid input", 400, 3, 0)                                                    \
    X(ENOTFOUND, -2, "not found", 404, 5, 0)                                                       \
    X(ETOOBIG, -3, "too large", 413, 8, 0)                                                         \
    X(EUNSUPPORTED, -4, "not supported", 415, 12, 0)                                               \
    X(EBUSY, -5, "busy, try again later", 429, 8, 1)                                               \
    X(EUNAVAILABLE, -6, "unavailable, try again later", 503, 14, 1)                                \
    X(ETIMEOUT, -7, "timed out", 504, 4, 1)                                                        \
    X(ECANCELED, -8, "canceled", 499, 1, 0)                                                        \
    X(EIO, -9, "input/output error", 500, 13, 0)                                                   \
    X(ECORRUPT, -10, "data is corrupt", 500, 15, 0)                                                \
    X(ENOMEMORY, -11, "out of memory", 503, 8, 1)                                                  \
    X(ELIMIT, -12, "limit exceeded", 422, 8, 0)                                                    \
    X(EAUTH, -13, "not authenticated", 401, 16, 0)                                                 \
    X(EFORBIDDEN, -14, "forbidden", 403, 7, 0)                                                     \
    X(ECONFLICT, -15, "conflict", 409, 6, 0)                                                       \
    X(EVERSION, -16, "written by a newer version", 500, 9, 0)                                      \
    X(EMETHOD, -17, "method not allowed", 405, 12, 0)                                              \
    X(EBUG, -18, "internal error", 500, 13, 0)                                                     \
    X(ECLOSED, -19, "closed", 503, 14, 1)                                                          \
    X(EFULL, -20, "disk full", 503, 14, 1)

/* enum weir_code and struct weir_error are public, see weir/error.h; the two must agree. */
#define WEIR_ERROR_SAME(name, value, text, http, grpc, retry)                                      \
    _Static_assert((int)WEIR_##name == (value), "weir/error.h differs from the table");
WEIR_ERRORS(WEIR_ERROR_SAME)
#undef WEIR_ERROR_SAME

/* Fills *err (when not NULL) and returns `code`, so that `return
 * weir_error_set(...)` reads well. */
int weir_error_set(struct weir_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int weir_error_setv(struct weir_error *err, int code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* As weir_error_set, with a position. */
int weir_error_at(struct weir_error *err, int code, uint32_t line, uint32_t column,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* So that the static analyzer sees that the code given is the code returned. */
#if defined(__clang_analyzer__) && !defined(WEIR_ERROR_DEFINE)
#define weir_error_set(err, code, ...) ((void)weir_error_set(err, code, __VA_ARGS__), (code))
#endif

/* "EINVALID", "OK", or "UNKNOWN". */
const char *weir_error_name(int code);
/* The table's text for the code. */
const char *weir_error_text(int code);
/* HTTP status for the code (200 for OK, 500 for unknown codes). */
int weir_error_http(int code);
/* gRPC status for the code (0 for OK, 13 for unknown codes). */
int weir_error_grpc(int code);
/* True when the same request may succeed later. */
bool weir_error_retriable(int code);

/* A failed errno call as a weir code: ENOSPC and EDQUOT give WEIR_EFULL,
 * ENOMEM WEIR_ENOMEMORY, ... */
int weir_error_from_errno(int number);

/* Our own mistake. By default counts and prints where, then aborts; libweir installs a handler that
 * counts and switches the instrumentation off instead, and then weir_bug() returns. */
#define weir_bug(...) weir_bug_at(__FILE__, __LINE__, __VA_ARGS__)
void weir_bug_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
typedef void weir_bug_handler(const char *file, int line, const char *message);
void weir_bug_handler_set(weir_bug_handler *handler);

/* Kept in release builds. */
#define WEIR_ASSERT(condition)                                                                     \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) weir_bug("%s", #condition);                         \
    } while (0)

#endif
