/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as a tree of typed nodes, each with its line and column.
 *
 * Plain scalars are typed by the core schema of YAML 1.2: `no`, `on`, `0123`, `12:30` are strings,
 * true and false are booleans, null and ~ and nothing are null. Quoted scalars are strings. One
 * document; keys are scalars, each only once; merge keys (<<) are refused. Aliases share the node
 * that they name, and a document that would have over 100 000 nodes with its aliases written out is
 * refused.
 *
 * The getters are for configuration: a key that is absent leaves *ret as it is, a value of the
 * wrong type is an error with its position.
 *
 * Threads: immutable after parse. Memory: all in the arena.
 * Source: YAML 1.2.2; libyaml.
 */
#ifndef WEIR_WIRE_YAML_H
#define WEIR_WIRE_YAML_H

#include "base/arena.h"
#include "base/error.h"

enum weir_yaml_type {
    WEIR_YAML_NULL,
    WEIR_YAML_BOOL,
    WEIR_YAML_INT,
    WEIR_YAML_DOUBLE,
    WEIR_YAML_STRING,
    WEIR_YAML_LIST,
    WEIR_YAML_MAP,
};

enum { WEIR_YAML_DEPTH_MAX = 64, WEIR_YAML_NODES_MAX = 100000 };

struct weir_yaml {
    enum weir_yaml_type type;
    uint32_t line, column; /* 1-based, of its first character */
    struct weir_view text; /* scalars: as written, without quotes and with escapes resolved */
    bool boolean;          /* BOOL */
    int64_t i64;           /* INT */
    double f64;            /* INT, DOUBLE */
    struct weir_yaml *const *items; /* LIST, MAP: the values */
    struct weir_yaml *const *keys;  /* MAP: their keys, in the order of the document */
    uint32_t count;                 /* LIST, MAP */
    uint32_t weight;                /* nodes below and including this one, aliases written out */
};

/* Errors: WEIR_EINVALID with line and column (syntax, depth, tags, duplicate keys), WEIR_ETOOBIG.
 * An empty document is a NULL node. */
int weir_yaml_parse(struct weir_view text, struct weir_arena *arena, struct weir_yaml **ret,
                    struct weir_error *reterr);

/* The value under a key, or NULL; also NULL if `map` is NULL or no map. */
const struct weir_yaml *weir_yaml_get(const struct weir_yaml *map, const char *key);
/* "true", "list", … for words. */
const char *weir_yaml_type_name(enum weir_yaml_type type);
/* WEIR_EINVALID at the node, with words; the position is in *reterr, not in the words. */
int weir_yaml_fail(const struct weir_yaml *node, struct weir_error *reterr, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Refuses keys that are not among `known` (NULL-terminated), naming the nearest. `where` says whose
 * keys they are: "receivers.otlp". NULL nodes and null values pass, other types do not. */
int weir_yaml_check(const struct weir_yaml *map, const char *where, const char *const *known,
                    struct weir_error *reterr);

/* Any scalar but null serves as a string. */
int weir_yaml_get_str(const struct weir_yaml *map, const char *key, struct weir_view *ret,
                      struct weir_error *reterr);
int weir_yaml_get_bool(const struct weir_yaml *map, const char *key, bool *ret,
                       struct weir_error *reterr);
int weir_yaml_get_i64(const struct weir_yaml *map, const char *key, int64_t min, int64_t max,
                      int64_t *ret, struct weir_error *reterr);
int weir_yaml_get_f64(const struct weir_yaml *map, const char *key, double *ret,
                      struct weir_error *reterr);
/* "250ms", "1h30m", "7d". */
int weir_yaml_get_duration_ns(const struct weir_yaml *map, const char *key, int64_t *ret,
                              struct weir_error *reterr);
/* Bytes: 1024, "512MiB", "4 GB" (KB, MB, GB decimal; KiB, MiB, GiB binary; K, M, G as binary). */
int weir_yaml_get_size(const struct weir_yaml *map, const char *key, uint64_t *ret,
                       struct weir_error *reterr);
/* The same for a bare text, for flags and the environment. */
bool weir_yaml_size_parse(struct weir_view text, uint64_t *ret);

#endif
