/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer with a limit that is named where the buffer is born.
 *
 * Adding past the limit, or when memory is out, sets `failed` and changes nothing more: writers may
 * check once at their end.
 *
 * Threads: owner only.
 * Memory: the struct is the caller's, the bytes are the buffer's until taken.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdarg.h>

#include "base/view.h"

struct weir_buf {
    char *ptr;       /* the bytes; NULL while empty */
    size_t len;      /* bytes used */
    size_t room;     /* bytes allocated */
    size_t size_max; /* len never passes it */
    bool failed;     /* something did not fit */
};

/* Caller's memory; allocates nothing yet. */
void weir_buf_init(struct weir_buf *buf, size_t size_max);
/* Frees the bytes. Takes NULL. */
void weir_buf_done(struct weir_buf *buf);
/* len = 0, failed = false; keeps the room. */
void weir_buf_clear(struct weir_buf *buf);
/* Room for `size` more bytes: gives a pointer to them (not counted yet; add to len yourself), or
 * NULL. */
char *weir_buf_reserve(struct weir_buf *buf, size_t size);
void weir_buf_add(struct weir_buf *buf, const void *ptr, size_t len);
void weir_buf_add_view(struct weir_buf *buf, struct weir_view v);
void weir_buf_add_str(struct weir_buf *buf, const char *str);
void weir_buf_add_char(struct weir_buf *buf, char c);
void weir_buf_add_u64(struct weir_buf *buf, uint64_t value);
void weir_buf_add_i64(struct weir_buf *buf, int64_t value);
void weir_buf_add_hex(struct weir_buf *buf, const void *ptr, size_t len);
/* Numbers come out as in the C locale (base/number.h). */
void weir_buf_printf(struct weir_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void weir_buf_vprintf(struct weir_buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Removes the first `len` bytes. */
void weir_buf_drop(struct weir_buf *buf, size_t len);
/* The content, borrowed until the next change. */
static inline struct weir_view weir_buf_view(const struct weir_buf *buf) {
    return weir_view(buf->ptr, buf->len);
}
/* Gives the bytes (free() them); the buffer is empty afterwards. */
char *weir_buf_take(struct weir_buf *buf, size_t *ret_len);

#endif
