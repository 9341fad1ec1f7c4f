/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/transport.h"

#include <stdio.h>
#include <stdlib.h>

int weir_sdk_transport_open(const struct weir_config_otlp *otlp, enum weir_sdk_signal signal,
                            struct weir_outbound **ret, struct weir_error *reterr) {
    char url[1024];
    if (otlp->url.len >= sizeof url)
        return weir_error_set(reterr, WEIR_EINVALID, "the OTLP endpoint is longer than %zu bytes",
                              sizeof url - 1);
    snprintf(url, sizeof url, "%.*s", WEIR_VIEW_ARG(otlp->url));
    struct weir_http_field *fields = calloc(otlp->headers_count + 1, sizeof *fields);
    if (!fields) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for an exporter");
    for (uint32_t i = 0; i < otlp->headers_count; i++)
        fields[i] = (struct weir_http_field){.name = otlp->headers[i].name,
                                             .value = otlp->headers[i].value};
    const struct weir_outbound_options options = {.url = url,
                                                  .signal = (enum weir_signal)signal,
                                                  .grpc = otlp->grpc,
                                                  .gzip = otlp->gzip,
                                                  .fields = fields,
                                                  .fields_count = otlp->headers_count,
                                                  .user_agent =
                                                      "OTel-OTLP-Exporter-C/" WEIR_VERSION,
                                                  .tls = {.ca_file = otlp->ca_file,
                                                          .cert_file = otlp->cert_file,
                                                          .key_file = otlp->key_file,
                                                          .skip_verify = otlp->skip_verify}};
    int rc = weir_outbound_otlp_open(&options, ret, reterr);
    free(fields);
    return rc;
}
