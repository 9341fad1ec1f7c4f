/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: YAML in the OpenTelemetry Collector's shape, checked key by key.
 *
 *     receivers:  {otlp: {protocols: {grpc: {endpoint, tls}, http: {endpoint, tls}}}}
 *     exporters:  {weir: {path, memory, retention: {age, size}}}
 *     extensions: {weir_ui: {endpoint, tls, query_timeout, allow_hosts}}
 *     processors, connectors, and other exporters: collect/types.h
 *     service:    {extensions, telemetry,
 *                  pipelines: {traces|metrics|logs[/name]: {receivers, processors, exporters}}}
 *
 * A signal without a pipeline is refused at the door. Without `service.pipelines` all three exist.
 *
 * Threads: main thread only.
 */
#ifndef WEIR_APP_CONFIG_FILE_H
#define WEIR_APP_CONFIG_FILE_H

#include "app/config.h"

/* Fills every setting that neither the command line nor the environment set. Errors start with
 * FILE:LINE:COLUMN and name the nearest known key. */
int weir_config_file_load(struct weir_config *config, const char *path, struct weir_error *reterr);

#endif
