/* SPDX-License-Identifier: Apache-2.0 */
/* The outbound of one signal, as the SDK was configured.
 *
 * Threads: the exporter only. Memory: as said.
 */
#ifndef WEIR_SDK_TRANSPORT_H
#define WEIR_SDK_TRANSPORT_H

#include "outbound/otlp.h"
#include "sdk/config.h"

typedef int weir_sdk_transport_open_fn(const struct weir_config_otlp *otlp,
                                       enum weir_sdk_signal signal, struct weir_outbound **ret,
                                       struct weir_error *reterr);

/* Does not connect yet. `otlp` is kept by pointer. WEIR_EINVALID, WEIR_EUNSUPPORTED,
 * WEIR_ENOMEMORY. */
weir_sdk_transport_open_fn weir_sdk_transport_open;

#endif
