/* SPDX-License-Identifier: Apache-2.0 */
/* What the examples' programs share: options, starting libweir, random numbers, a paced sender. */
#ifndef EXAMPLES_COMMON_EXAMPLE_H
#define EXAMPLES_COMMON_EXAMPLE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "weir/runner.h"

enum option_type { OPTION_STRING, OPTION_INT, OPTION_DOUBLE, OPTION_DURATION_MS, OPTION_FLAG };

/* One option: `-name value`, `--name value`, `-name=value`; a FLAG stands alone. */
struct option {
    const char *name;
    enum option_type type;
    void *value; /* const char *, int64_t, double, int64_t (ms), bool: holds the default */
    const char *help;
};

/* Reads the command line; ends the program with a message on an unknown option or a bad value, and
 * with the list of options on -help. `options` ends with a NULL name. */
void options_read(int argc, char **argv, const char *what, const struct option *options);

/* Starts libweir with these defaults under the OTEL_* variables (document 000's among them); ends
 * the program with a message if it cannot. */
void example_start(const char *service);
/* Sends the rest of the telemetry. */
void example_end(void);

/* An environment variable, or else `otherwise`. */
const char *example_variable(const char *name, const char *otherwise);
/* Runs a processor until SIGTERM, prints what it did. Gives the program's exit code. */
int example_run(const struct weir_runner_options *options);

/* xorshift64*: the same seed gives the same messages. */
uint64_t random_next(uint64_t *state);
double random_unit(uint64_t *state); /* [0, 1) */
void sleep_ms(double ms);
int64_t now_ms(void);

/* ── generators ──────────────────────────────────────────────────────────────────────────────── */

struct generator {
    const char *brokers, *topic, *properties_file;
    const char *second_topic; /* created too, nothing is sent there; NULL: none */
    int64_t partitions;       /* of the topic, when it is created */
    int64_t duration_ms;      /* 0: no limit */
    int64_t count;            /* 0: no limit */
    double rate;              /* messages a second; 0: as fast as possible */
    bool forever;             /* until SIGTERM, whatever duration and count say */
    double bad;               /* share of malformed messages */
    int64_t seed;
    /* Writes message number `n` into `value`, its key into `key`; `is_bad`: one that must be
     * refused. */
    size_t (*make)(uint64_t *random, uint64_t n, bool is_bad, char *key, size_t key_room,
                   char *value, size_t room);
};

/* Creates the topic if need be, sends until told to stop, prints what was published and what
 * failed. Gives the program's exit code. */
int generate(const struct generator *generator);

#endif
