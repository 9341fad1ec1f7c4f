/* SPDX-License-Identifier: Apache-2.0 */
#define WEIR_ERROR_DEFINE
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW(name, value, text, http, grpc, retry) {value, #name, text, http, grpc, retry},
static const struct {
    int code;
    const char *name;
    const char *text;
    int http, grpc;
    bool retriable;
} table[] = {{WEIR_OK, "OK", "ok", 200, 0, false}, WEIR_ERRORS(ROW)};
#undef ROW

static unsigned row_of(int code) {
    unsigned row = (unsigned)-code;
    return code <= 0 && row < sizeof table / sizeof *table ? row : UINT32_MAX;
}

int weir_error_setv(struct weir_error *err, int code, const char *format, va_list args) {
    if (!err) return code;
    err->code = code;
    err->line = err->column = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    return code;
}

int weir_error_set(struct weir_error *err, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    weir_error_setv(err, code, format, args);
    va_end(args);
    return code;
}

int weir_error_at(struct weir_error *err, int code, uint32_t line, uint32_t column,
                  const char *format, ...) {
    va_list args;
    va_start(args, format);
    weir_error_setv(err, code, format, args);
    va_end(args);
    if (err) err->line = line, err->column = column;
    return code;
}

const char *weir_error_name(int code) {
    unsigned row = row_of(code);
    return row == UINT32_MAX ? "UNKNOWN" : table[row].name;
}

const char *weir_error_text(int code) {
    unsigned row = row_of(code);
    return row == UINT32_MAX ? "unknown error" : table[row].text;
}

int weir_error_http(int code) {
    unsigned row = row_of(code);
    return row == UINT32_MAX ? 500 : table[row].http;
}

int weir_error_grpc(int code) {
    unsigned row = row_of(code);
    return row == UINT32_MAX ? 13 : table[row].grpc;
}

bool weir_error_retriable(int code) {
    unsigned row = row_of(code);
    return row != UINT32_MAX && table[row].retriable;
}

int weir_error_from_errno(int number) {
    switch (number) {
    case 0: return WEIR_OK;
    case ENOSPC:
    case EDQUOT: return WEIR_EFULL;
    case ENOMEM: return WEIR_ENOMEMORY;
    case ENOENT: return WEIR_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS: return WEIR_EFORBIDDEN;
    case ETIMEDOUT: return WEIR_ETIMEOUT;
    case EAGAIN:
    case EBUSY: return WEIR_EBUSY;
    case EEXIST: return WEIR_ECONFLICT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: return WEIR_EUNAVAILABLE;
    default: return WEIR_EIO;
    }
}

static void abort_with_message(const char *file, int line, const char *message) {
    fprintf(stderr, "weir: BUG at %s:%d: %s\nPlease report this with the lines above it.\n", file,
            line, message);
    abort();
}

static weir_bug_handler *bug_handler = abort_with_message;

void weir_bug_handler_set(weir_bug_handler *handler) {
    __atomic_store_n(&bug_handler, handler ? handler : abort_with_message, __ATOMIC_RELEASE);
}

void weir_bug_at(const char *file, int line, const char *format, ...) {
    char message[300];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    __atomic_load_n(&bug_handler, __ATOMIC_ACQUIRE)(file, line, message);
}
