/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

char *weir_text_hex_put(char *out, const void *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[at[i] >> 4];
        *out++ = digits[at[i] & 15];
    }
    return out;
}

size_t weir_text_utf8_put(char *out, uint32_t rune) {
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t len = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; rune >>= 6) out[i] = (char)(0x80 | (rune & 0x3F));
    out[0] = (char)(leads[len] | rune);
    return len;
}

/* ---- base64 ---------------------------------------------------------------------------------- */

void weir_text_base64_add(struct weir_buf *out, struct weir_view bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    for (size_t left = bytes.len; left;) {
        size_t taken = left < 3 ? left : 3;
        uint32_t three = (uint32_t)at[0] << 16;
        if (taken > 1) three |= (uint32_t)at[1] << 8;
        if (taken > 2) three |= at[2];
        const char four[4] = {digits[three >> 18], digits[three >> 12 & 63],
                              digits[three >> 6 & 63], digits[three & 63]};
        weir_buf_add(out, four, taken + 1);
        at += taken;
        left -= taken;
    }
}

void weir_text_base64_add_padded(struct weir_buf *out, struct weir_view bytes) {
    weir_text_base64_add(out, bytes);
    if (bytes.len % 3) weir_buf_add(out, "==", 3 - bytes.len % 3);
}

static int base64_digit(char digit) {
    if (digit >= 'A' && digit <= 'Z') return digit - 'A';
    if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9') return digit - '0' + 52;
    if (digit == '+' || digit == '-') return 62;
    return digit == '/' || digit == '_' ? 63 : -1;
}

bool weir_text_base64_decode(struct weir_arena *arena, struct weir_view text,
                             struct weir_view *ret) {
    while (text.len && text.ptr[text.len - 1] == '=') text.len--;
    if (text.len % 4 == 1) return false;
    char *bytes = weir_arena_alloc_aligned(arena, text.len / 4 * 3 + 3, 1);
    if (!bytes) return false;
    size_t len = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 0) continue; /* the first of four digits completes no byte */
        bytes[len++] = (char)(bits >> (2 * (3 - i % 4)) & 255);
    }
    *ret = weir_view(bytes, len);
    return true;
}
