/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1, for the WebSocket handshake alone: no secret and no signature rests on it.
 *
 * Threads: any. Source: FIPS 180-4, 6.1.
 */
#ifndef WEIR_NET_SHA1_H
#define WEIR_NET_SHA1_H

#include "base/view.h"

#define WEIR_SHA1_SIZE 20

void weir_sha1(struct weir_view message, uint8_t ret[WEIR_SHA1_SIZE]);

#endif
