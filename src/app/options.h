/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of options: command line, environment, configuration file, default, and words.
 *
 * --help, the man page, the shell completions and the configuration reference are all written from
 * it, so that they cannot differ from what the program does.
 *
 * Threads: immutable.
 */
#ifndef WEIR_APP_OPTIONS_H
#define WEIR_APP_OPTIONS_H

#include "base/buf.h"
#include "base/error.h"

enum weir_option_type {
    WEIR_OPTION_STRING,
    WEIR_OPTION_ADDRESS,  /* host:port, or "off" */
    WEIR_OPTION_SIZE,     /* bytes with unit: 512MiB, 10GB */
    WEIR_OPTION_DURATION, /* 30s, 7d */
    WEIR_OPTION_FLAG,     /* no argument on the command line */
    WEIR_OPTION_LIST,     /* may be given several times */
    WEIR_OPTION_LEVEL,    /* debug, info, warn, error */
};

struct weir_option {
    const char *name; /* without the leading -- */
    const char *env;  /* environment variable, or NULL */
    const char *yaml; /* path in the configuration file, or NULL */
    enum weir_option_type type;
    const char *argument; /* how --help names its argument; NULL for flags */
    const char *preset;   /* default as text; NULL = none */
    const char *help;     /* one sentence */
};

enum { WEIR_OPTIONS_MAX = 48 };

/* All options of `weir serve`, ended by a NULL name. */
extern const struct weir_option weir_options[];
/* All options of `weir doctor`, which reads no file. */
extern const struct weir_option weir_options_doctor[];

struct weir_command {
    const char *name, *arguments, *help;
    int (*run)(int argc, char **argv); /* argv[0] is the command; returns the exit status */
};
/* All subcommands, ended by a NULL name. */
extern const struct weir_command weir_commands[];

/* The option of `weir serve` by its name, or NULL. */
const struct weir_option *weir_options_get(struct weir_view name);
/* The same of any table. */
const struct weir_option *weir_options_find(const struct weir_option *table, struct weir_view name);
/* Checks `text` against the option's type; WEIR_EINVALID says what is expected. */
int weir_options_check(const struct weir_option *option, struct weir_view text,
                       struct weir_error *reterr);

/* Documents from the table. */
void weir_options_add_help(struct weir_buf *out, bool colours);
void weir_options_add_help_doctor(struct weir_buf *out, bool colours);
void weir_options_add_man(struct weir_buf *out);
/* `shell`: bash, zsh or fish. */
int weir_options_add_completion(struct weir_buf *out, struct weir_view shell,
                                struct weir_error *reterr);

#endif
