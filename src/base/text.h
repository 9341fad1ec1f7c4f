/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and runes as text: hex, base64 (RFC 4648), UTF-8. Checking of UTF-8 is in base/view.h.
 *
 * Threads: any; nothing is kept.
 */
#ifndef WEIR_BASE_TEXT_H
#define WEIR_BASE_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/view.h"

/* 0 to 15, or -1 when `c` is no hex digit of either case. */
static inline int weir_text_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Writes 2 * size lower-case digits, no NUL; gives the place behind them. */
char *weir_text_hex_put(char *out, const void *bytes, size_t size);
/* Writes the rune's 1 to 4 bytes and gives their count; `rune` is at most 0x1FFFFF. */
size_t weir_text_utf8_put(char *out, uint32_t rune);

/* Adds base64 without padding, and with it. */
void weir_text_base64_add(struct weir_buf *out, struct weir_view bytes);
void weir_text_base64_add_padded(struct weir_buf *out, struct weir_view bytes);
/* Takes both alphabets (+/ and -_), with padding or without. False: malformed, or no memory. Lies
 * in the arena. */
bool weir_text_base64_decode(struct weir_arena *arena, struct weir_view text,
                             struct weir_view *ret);

#endif
