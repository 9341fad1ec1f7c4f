/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc.h"

#include <string.h>

static uint32_t crc_plain(uint32_t crc, const uint8_t *ptr, size_t len) {
    for (; len; len--, ptr++) {
        crc ^= *ptr;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78U & (0U - (crc & 1U)));
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const uint8_t *ptr,
                                                               size_t len) {
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, ptr += 8) {
        uint64_t eight;
        memcpy(&eight, ptr, 8);
        wide = __builtin_ia32_crc32di(wide, eight);
    }
    crc = (uint32_t)wide;
    for (; len; len--, ptr++) crc = __builtin_ia32_crc32qi(crc, *ptr);
    return crc;
}

uint32_t weir_crc32c(uint32_t crc, const void *ptr, size_t len) {
    if (__builtin_cpu_supports("sse4.2")) return ~crc_hardware(~crc, ptr, len);
    return ~crc_plain(~crc, ptr, len);
}
#else
uint32_t weir_crc32c(uint32_t crc, const void *ptr, size_t len) {
    return ~crc_plain(~crc, ptr, len);
}
#endif
