/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/options.h"
#include "doctor/doctor.h"

enum { RECORDS_MAX = 1000000 };

struct arguments {
    const char *texts[WEIR_OPTIONS_MAX]; /* in the order of weir_options_doctor; NULL: not said */
};

static const char **place_of(struct arguments *arguments, const char *name) {
    return &arguments->texts[weir_options_find(weir_options_doctor, weir_view_str(name)) -
                             weir_options_doctor];
}

static const char *get(struct arguments *arguments, const char *name) {
    return *place_of(arguments, name);
}

static int unknown(struct weir_view name, struct weir_error *reterr) {
    const char *names[WEIR_OPTIONS_MAX + 1] = {NULL};
    size_t count = 0;
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        names[count++] = option->name;
    const char *near = weir_view_nearest(name, names);
    return weir_error_set(reterr, WEIR_EINVALID, "there is no option --%.*s%s%s%s",
                          WEIR_VIEW_ARG(name), near ? ", did you mean --" : "", near ? near : "",
                          near ? "?" : "");
}

static int set(struct arguments *arguments, const struct weir_option *option, const char *text,
               struct weir_error *reterr) {
    struct weir_error inner = {0};
    if (weir_options_check(option, weir_view_str(text), &inner) != WEIR_OK)
        return weir_error_set(reterr, WEIR_EINVALID, "--%s", inner.message);
    arguments->texts[option - weir_options_doctor] = text;
    return WEIR_OK;
}

static int read_flags(struct arguments *arguments, int argc, char **argv,
                      struct weir_error *reterr) {
    int rc = WEIR_OK;
    for (int at = 1; at < argc && !rc; at++) {
        struct weir_view rest = weir_view_str(argv[at]);
        if (!weir_view_starts(rest, WEIR_VIEW("--")))
            return weir_error_set(reterr, WEIR_EINVALID,
                                  "'%s' is not an option; options start with --", argv[at]);
        rest = weir_view_from(rest, 2);
        struct weir_view name = weir_view_cut(&rest, '=');
        const struct weir_option *option = weir_options_find(weir_options_doctor, name);
        if (!option) return unknown(name, reterr);
        const char *text = rest.ptr; /* to the end of the argument */
        if (!text && option->type == WEIR_OPTION_FLAG)
            text = "true";
        else if (!text && at + 1 < argc)
            text = argv[++at];
        if (!text)
            return weir_error_set(reterr, WEIR_EINVALID, "--%s needs an argument: %s", option->name,
                                  option->argument);
        rc = set(arguments, option, text, reterr);
    }
    return rc;
}

/* What was not said comes from the environment, else from the table. */
static int read_rest(struct arguments *arguments, struct weir_error *reterr) {
    for (const struct weir_option *option = weir_options_doctor; option->name; option++) {
        const char *env = option->env ? getenv(option->env) : NULL;
        const char *text = env && *env ? env : option->preset;
        if (arguments->texts[option - weir_options_doctor] || !text) continue;
        int rc = set(arguments, option, text, reterr);
        if (rc) return rc;
    }
    return WEIR_OK;
}

static bool is_true(struct arguments *arguments, const char *name) {
    const char *text = get(arguments, name);
    return text && strcmp(text, "true") == 0;
}

static int fill(struct arguments *arguments, struct weir_doctor_options *ret,
                struct weir_error *reterr) {
    *ret = (struct weir_doctor_options){.brokers = get(arguments, "brokers"),
                                        .properties = get(arguments, "properties"),
                                        .topic = get(arguments, "topic"),
                                        .group = get(arguments, "group"),
                                        .endpoint = get(arguments, "endpoint"),
                                        .protocol = get(arguments, "protocol"),
                                        .app = get(arguments, "app"),
                                        .trace = get(arguments, "explain"),
                                        .server = get(arguments, "server"),
                                        .write = is_true(arguments, "write"),
                                        .json = is_true(arguments, "json")};
    ret->colours = !ret->json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    weir_view_to_duration_ns(weir_view_str(get(arguments, "timeout")), &ret->timeout_ns);
    uint8_t id[16];
    struct weir_view trace = weir_view_str(ret->trace);
    if (ret->trace && !weir_view_to_bytes_hex(trace, id, sizeof id))
        return weir_error_set(reterr, WEIR_EINVALID,
                              "--explain is '%s', expected a trace id of 32 hex digits",
                              ret->trace);
    if (!weir_view_to_i64(weir_view_str(get(arguments, "records")), &ret->records_count) ||
        ret->records_count < 0 || ret->records_count > RECORDS_MAX)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "--records is '%s', expected a number from 0 to %d",
                              get(arguments, "records"), RECORDS_MAX);
    return WEIR_OK;
}

static int print_help(void) {
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    weir_options_add_help_doctor(&out, isatty(STDOUT_FILENO));
    size_t written = fwrite(out.ptr, 1, out.len, stdout);
    bool whole = written == out.len && fflush(stdout) == 0 && !out.failed;
    weir_buf_done(&out);
    return whole ? 0 : 1;
}

int weir_doctor_main(int argc, char **argv) {
    struct arguments arguments = {.texts = {NULL}};
    struct weir_doctor_options options;
    struct weir_error err = {0};
    int rc = read_flags(&arguments, argc, argv, &err);
    if (!rc && is_true(&arguments, "help")) return print_help();
    if (!rc) rc = read_rest(&arguments, &err);
    if (!rc) rc = fill(&arguments, &options, &err);
    if (rc) {
        fprintf(stderr, "weir doctor: %s; weir doctor --help lists the options\n", err.message);
        return 2;
    }
    return weir_doctor_run(&options, stdout);
}
