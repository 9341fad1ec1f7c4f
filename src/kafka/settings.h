/* SPDX-License-Identifier: Apache-2.0 */
/* What a Kafka client was told about its observation. One struct, three ways to set it:
 *
 *     weir.slow.ms=250        a librdkafka property of an instrumented configuration, or a line of
 *                             weir_kafka_options.properties
 *     WEIR_KAFKA_SLOW_MS=250  the environment: the operator's word, after all properties
 *     enum weir_kafka_flags   the program's, before them
 *
 * docs/kafka.md lists all of them; a test holds the list to the table in settings.c.
 *
 * Threads: immutable once a client was made from it.
 * Memory: copied with a configuration, and once more into the client.
 */
#ifndef WEIR_KAFKA_SETTINGS_H
#define WEIR_KAFKA_SETTINGS_H

#include "base/view.h"
#include "rd/rd.h"

enum weir_kafka_propagate {
    WEIR_KAFKA_PROPAGATE_ALWAYS,
    WEIR_KAFKA_PROPAGATE_SAMPLED, /* unsampled messages get no header */
    WEIR_KAFKA_PROPAGATE_OFF
};

enum weir_kafka_process_end { /* what ends the process span of a polled message */
                              WEIR_KAFKA_PROCESS_END_AUTO, /* whichever of the next two is first */
                              WEIR_KAFKA_PROCESS_END_NEXT_POLL,
                              WEIR_KAFKA_PROCESS_END_DESTROY,
                              WEIR_KAFKA_PROCESS_END_EXPLICIT, /* only weir_kafka_process_begin */
                              WEIR_KAFKA_PROCESS_END_OFF
};

enum weir_kafka_nesting { /* is a polled message's span active on the thread that polled it */
                          WEIR_KAFKA_NESTING_AUTO, /* by client.software.name */
                          WEIR_KAFKA_NESTING_THREAD,
                          WEIR_KAFKA_NESTING_OFF
};

enum weir_kafka_mode {                       /* of a process span: whose child it is */
                       WEIR_KAFKA_MODE_AUTO, /* its message's; in batches its poll's */
                       WEIR_KAFKA_MODE_PARENT,
                       WEIR_KAFKA_MODE_LINK
};

enum weir_kafka_semconv { /* names of attributes on spans, see kafka/names.h */
                          WEIR_KAFKA_SEMCONV_1_44,
                          WEIR_KAFKA_SEMCONV_DOCUMENT, /* the older names */
                          WEIR_KAFKA_SEMCONV_DUP
}; /* both */

enum weir_kafka_operation {
    WEIR_KAFKA_SEND,
    WEIR_KAFKA_POLL,
    WEIR_KAFKA_PROCESS,
    WEIR_KAFKA_COMMIT,
    WEIR_KAFKA_OPERATIONS_COUNT
};

/* Texts are NULL when not set. Globs are comma lists of patterns with * and ?. */
struct weir_kafka_settings {
    int propagate;        /* enum weir_kafka_propagate */
    int process_end;      /* enum weir_kafka_process_end */
    int nesting;          /* enum weir_kafka_nesting */
    int mode;             /* enum weir_kafka_mode */
    int semconv;          /* enum weir_kafka_semconv */
    bool spans, metrics;  /* which of the two are made at all */
    bool record_keys;     /* messaging.kafka.message.key */
    bool origin;          /* tracestate member `weir` carries the time of the first send */
    bool statistics;      /* librdkafka's statistics are read, and switched on where they are off */
    int64_t slow_ns;      /* acknowledgements slower than this are kept although unsampled */
    char *topics_include; /* globs: only these topics are observed */
    char *topics_exclude; /* globs: these are not */
    char *propagate_exclude; /* globs: topics whose messages get no header */
    char *keys;              /* globs: only messages with such a key make spans */
    char *header;            /* "name" or "name=value": only messages with it make spans */
    char *names[WEIR_KAFKA_OPERATIONS_COUNT]; /* templates of span names */
};

/* Defaults, with the flags of enum weir_kafka_flags on them. NULL: out of memory. */
struct weir_kafka_settings *weir_kafka_settings_new(unsigned flags);
struct weir_kafka_settings *weir_kafka_settings_copy(const struct weir_kafka_settings *settings);
/* Takes NULL. */
void weir_kafka_settings_free(struct weir_kafka_settings *settings);

/* Sets one property by its full name ("weir.slow.ms"). Errors: WEIR_EINVALID in words (an unknown
 * name, with the nearest one; a wrong value, with the right ones), WEIR_ENOMEMORY; then nothing has
 * changed. */
int weir_kafka_settings_set(struct weir_kafka_settings *settings, const char *name,
                            const char *value, struct weir_error *reterr);
/* The name of the n-th property; NULL: there are not so many. */
const char *weir_kafka_settings_property(size_t n);
/* Applies WEIR_KAFKA_* and OTEL_SEMCONV_STABILITY_OPT_IN. A wrong value is told to weir_sdk_report,
 * and the setting stays. */
void weir_kafka_settings_environment(struct weir_kafka_settings *settings);
/* Lets the configuration take weir.* properties into `settings` (borrowed for as long as it lives).
 * False: it does so already, for another. */
bool weir_kafka_settings_attach(const struct weir_rd *rd, rd_kafka_conf_t *conf,
                                struct weir_kafka_settings *settings);

/* Whether one of the globs matches all of the text; with no globs (NULL) nothing does. */
bool weir_kafka_globs_match(const char *globs, struct weir_view text);
/* Whether the topic is observed; else it gets no spans, metrics or headers. */
bool weir_kafka_settings_observes(const struct weir_kafka_settings *settings, const char *topic);
/* Whether its messages may carry context headers. */
bool weir_kafka_settings_propagates(const struct weir_kafka_settings *settings, const char *topic);
/* Whether there is a filter on messages, and whether this one passes it. `headers` may be NULL. */
static inline bool weir_kafka_settings_filters(const struct weir_kafka_settings *settings) {
    return settings->keys || settings->header;
}
bool weir_kafka_settings_passes(const struct weir_kafka_settings *settings,
                                const struct weir_rd *rd, struct weir_view key,
                                const rd_kafka_headers_t *headers);

/* Writes the span name into `ret` (NUL-terminated, cut at `size`). Each text may be NULL: its
 * placeholder gives nothing, and blanks at the ends go. */
enum { WEIR_KAFKA_NAME_SIZE = 272 }; /* operation, blank, topic (up to 249) */
void weir_kafka_settings_name(const struct weir_kafka_settings *settings,
                              enum weir_kafka_operation operation, const char *topic,
                              const char *group, const char *client, char *ret, size_t size);
/* "send", "poll", "process", "commit". */
extern const char *const weir_kafka_operation_names[WEIR_KAFKA_OPERATIONS_COUNT];

#endif
