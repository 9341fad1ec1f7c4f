/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdlib.h>

#include "base/number.h"
#include "base/text.h"

void weir_buf_init(struct weir_buf *buf, size_t size_max) {
    *buf = (struct weir_buf){.size_max = size_max};
}

void weir_buf_done(struct weir_buf *buf) {
    if (!buf) return;
    free(buf->ptr);
    weir_buf_init(buf, buf->size_max);
}

void weir_buf_clear(struct weir_buf *buf) {
    buf->len = 0;
    buf->failed = false;
}

char *weir_buf_reserve(struct weir_buf *buf, size_t size) {
    if (buf->failed || size > buf->size_max - buf->len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->room - buf->len >= size) return buf->ptr + buf->len;
    size_t room = buf->room ? buf->room + buf->room / 2 : 256;
    if (room < buf->len + size) room = buf->len + size;
    if (room > buf->size_max) room = buf->size_max;
    char *ptr = realloc(buf->ptr, room);
    if (!ptr) {
        buf->failed = true;
        return NULL;
    }
    buf->ptr = ptr;
    buf->room = room;
    return ptr + buf->len;
}

void weir_buf_add(struct weir_buf *buf, const void *ptr, size_t len) {
    if (len == 0) return;
    char *to = weir_buf_reserve(buf, len);
    if (!to) return;
    memcpy(to, ptr, len);
    buf->len += len;
}

void weir_buf_add_view(struct weir_buf *buf, struct weir_view v) {
    weir_buf_add(buf, v.ptr, v.len);
}

void weir_buf_add_str(struct weir_buf *buf, const char *str) {
    weir_buf_add(buf, str, strlen(str));
}

void weir_buf_add_char(struct weir_buf *buf, char c) {
    weir_buf_add(buf, &c, 1);
}

void weir_buf_add_u64(struct weir_buf *buf, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    weir_buf_add(buf, digits + at, sizeof digits - at);
}

void weir_buf_add_i64(struct weir_buf *buf, int64_t value) {
    if (value < 0) weir_buf_add_char(buf, '-');
    weir_buf_add_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void weir_buf_add_hex(struct weir_buf *buf, const void *ptr, size_t len) {
    char *to = weir_buf_reserve(buf, 2 * len);
    if (!to) return;
    weir_text_hex_put(to, ptr, len);
    buf->len += 2 * len;
}

void weir_buf_vprintf(struct weir_buf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = weir_number_vsnprintf(NULL, 0, format, args);
    char *to = len < 0 ? NULL : weir_buf_reserve(buf, (size_t)len + 1);
    if (to) {
        weir_number_vsnprintf(to, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void weir_buf_printf(struct weir_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    weir_buf_vprintf(buf, format, args);
    va_end(args);
}

void weir_buf_drop(struct weir_buf *buf, size_t len) {
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
}

char *weir_buf_take(struct weir_buf *buf, size_t *ret_len) {
    char *ptr = buf->ptr;
    if (ret_len) *ret_len = buf->len;
    weir_buf_init(buf, buf->size_max);
    return ptr;
}
