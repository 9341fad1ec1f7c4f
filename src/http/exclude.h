/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the process for HTTP: excluded paths, known methods.
 *
 * Threads: any. Memory: lists live until the process ends, replaced ones too.
 */
#ifndef WEIR_HTTP_EXCLUDE_H
#define WEIR_HTTP_EXCLUDE_H

#include "base/view.h"

/* A path without query. */
bool weir_http_path_excluded(struct weir_view path);
/* True for a method that is told by its name: OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS (all of
 * them), else those of RFC 9110 and PATCH. Case counts. */
bool weir_http_method_known(struct weir_view method);
/* True when the glob matches the whole text. Linear but for one step back per star. */
bool weir_http_glob(struct weir_view pattern, struct weir_view text);

#endif
