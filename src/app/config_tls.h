/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the doors: `tls: {cert_file, key_file, client_ca_file, min_version}` beside a door's
 * endpoint, and --tls-… (service.tls) for what a door's own block leaves out.
 *
 * Threads: main thread only. Memory: texts live in the config's arena.
 */
#ifndef WEIR_APP_CONFIG_TLS_H
#define WEIR_APP_CONFIG_TLS_H

#include "app/config.h"
#include "wire/yaml.h"

/* The door whose block stands at `path`, or WEIR_CONFIG_DOORS_COUNT. */
enum weir_config_door weir_config_tls_door_at(const char *path);
/* Takes a door's block, variables already replaced. */
int weir_config_tls_load(struct weir_config *config, enum weir_config_door door,
                         const struct weir_yaml *block, struct weir_error *reterr);
/* Once all layers are loaded: what is missing comes from service.tls; then the doors' options are
 * whole, or the error says what is not. */
int weir_config_tls_fill(struct weir_config *config, struct weir_error *reterr);
/* The blocks in force, for --print-config. */
void weir_config_tls_add_print(const struct weir_config *config, struct weir_buf *out);

#endif
