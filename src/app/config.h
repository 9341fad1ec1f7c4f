/* SPDX-License-Identifier: Apache-2.0 */
/* The settings in force: command line > environment > configuration file > defaults.
 *
 * Every setting is first a text with an origin (for --print-config and for errors), then a typed
 * field. The file has the OpenTelemetry Collector's shape; ${env:NAME} and ${env:NAME:-default} are
 * replaced in its values.
 *
 * Threads: immutable after load.
 * Memory: texts live in the config's arena.
 */
#ifndef WEIR_APP_CONFIG_H
#define WEIR_APP_CONFIG_H

#include "alert/rule.h"
#include "app/options.h"
#include "base/arena.h"
#include "base/log.h"
#include "collect/graph.h"
#include "net/tls.h"
#include "otlp/batch.h"

enum { WEIR_CONFIG_HOSTS_MAX = 32 };

enum weir_config_origin {
    WEIR_CONFIG_UNSET,
    WEIR_CONFIG_DEFAULT,
    WEIR_CONFIG_FILE,
    WEIR_CONFIG_ENVIRONMENT,
    WEIR_CONFIG_COMMAND_LINE,
};

enum weir_config_door {
    WEIR_CONFIG_DOOR_GRPC,
    WEIR_CONFIG_DOOR_HTTP,
    WEIR_CONFIG_DOOR_UI,
    WEIR_CONFIG_DOORS_COUNT,
};

struct weir_config_tls { /* of a door; cert_file NULL: it is plain */
    struct weir_tls_options options;
    const char *version; /* min_version as written, or NULL */
};

struct weir_config_text {
    struct weir_view text;
    enum weir_config_origin origin;
    uint32_t line, column; /* in the file */
};

struct weir_config {
    struct weir_arena arena;
    struct weir_config_text texts[WEIR_OPTIONS_MAX]; /* in the order of weir_options */
    const char *file;                                /* --config, or NULL */
    /* typed */
    const char *data;             /* folder */
    const char *grpc, *http, *ui; /* listen addresses; NULL = off */
    const char *health, *metrics; /* plain HTTP: they tell nothing but counts */
    struct weir_config_tls tls[WEIR_CONFIG_DOORS_COUNT];
    uint64_t memory_bytes;    /* --memory */
    int64_t retention_age_ns; /* > 0 */
    uint64_t retention_bytes; /* 0 = half of what is free plus what is already ours */
    int64_t query_timeout_ns; /* > 0 */
    const char *hosts[WEIR_CONFIG_HOSTS_MAX + 1]; /* --allow-host, NULL-ended */
    struct weir_alert_rules rules;
    const char *alertmanagers[WEIR_CONFIG_HOSTS_MAX + 1], *webhooks[WEIR_CONFIG_HOSTS_MAX + 1];
    bool allow_open, print, help;
    bool signals[WEIR_SIGNALS_COUNT]; /* which pipelines exist */
    struct weir_graph_options graph;  /* the file's part of it: names and configurations */
    enum weir_log_level log_level;
};

/* Loads all four layers. `argv[0]` is skipped. Errors name the flag, the variable, or
 * file:line:column, what was expected, and the nearest known name. */
int weir_config_load(struct weir_config *config, int argc, char **argv, struct weir_error *reterr);
void weir_config_done(struct weir_config *config);
/* The settings with their origins, as YAML with comments. */
void weir_config_add_print(const struct weir_config *config, struct weir_buf *out);

#endif
