/* SPDX-License-Identifier: Apache-2.0 */
/* What /health answers: the checks that the application registered.
 *
 *     {"status":"fail","checks":{"kafka":{"status":"fail","detail":"no broker"}}}
 *
 * Threads: any.
 */
#ifndef WEIR_SDK_HEALTH_H
#define WEIR_SDK_HEALTH_H

#include "base/buf.h"

/* Runs every check and appends the JSON; gives the HTTP status: 200, or 503 when one failed. */
int weir_health_add_json(struct weir_buf *buf);
/* In a forked child. */
void weir_health_forked(void);

#endif
