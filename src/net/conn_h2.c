/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

bool weir_http2_start(struct weir_http_conn *conn) {
    (void)conn;
    return false;
}

void weir_http2_free(struct weir_http2 *h2) {
    (void)h2;
}
