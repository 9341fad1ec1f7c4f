/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), for everything that is written to disk.
 *
 * Threads: any. Source: RFC 3720, appendix B.4.
 */
#ifndef WEIR_BASE_CRC_H
#define WEIR_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at first) over more bytes. Hardware where the processor has it. */
uint32_t weir_crc32c(uint32_t crc, const void *ptr, size_t len);

#endif
