/* SPDX-License-Identifier: Apache-2.0 */
/* weir: the table of contents. Each subcommand is one line here and one file beside this one. */
#include <stdio.h>
#include <unistd.h>

#include "app/doctor.h"
#include "app/options.h"
#include "app/serve.h"

static int print_and_free(struct weir_buf *out) {
    size_t written = fwrite(out->ptr, 1, out->len, stdout);
    bool whole = written == out->len && fflush(stdout) == 0 && !out->failed;
    weir_buf_done(out);
    return whole ? 0 : 1;
}

static int run_help(int argc, char **argv) {
    (void)argc, (void)argv;
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    weir_options_add_help(&out, isatty(STDOUT_FILENO));
    return print_and_free(&out);
}

static int run_man(int argc, char **argv) {
    (void)argc, (void)argv;
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    weir_options_add_man(&out);
    return print_and_free(&out);
}

static int run_completion(int argc, char **argv) {
    struct weir_buf out;
    struct weir_error err;
    weir_buf_init(&out, 1 << 20);
    if (weir_options_add_completion(&out, weir_view_str(argc > 1 ? argv[1] : ""), &err) !=
        WEIR_OK) {
        fprintf(stderr, "weir: %s\n", err.message);
        weir_buf_done(&out);
        return 2;
    }
    return print_and_free(&out);
}

static int run_version(int argc, char **argv) {
    (void)argc, (void)argv;
    return printf("weir %s\n", WEIR_VERSION) > 0 ? 0 : 1;
}

const struct weir_command weir_commands[] = {
    {"serve", "[OPTIONS]", "Run the server: collect, store, answer, show.", weir_serve_run},
    {"doctor", "[OPTIONS]", "Say why spans are missing or traces unconnected.", weir_doctor_main},
    {"completion", "bash|zsh|fish", "Print completions for a shell.", run_completion},
    {"man", "", "Print the manual page (roff).", run_man},
    {"version", "", "Print the version.", run_version},
    {"help", "", "Print this help.", run_help},
    {NULL, NULL, NULL, NULL},
};

static const char *nearest_command(const char *name) {
    const char *names[16] = {NULL};
    size_t count = 0;
    for (const struct weir_command *command = weir_commands; command->name && count < 15; command++)
        names[count++] = command->name;
    return weir_view_nearest(weir_view_str(name), names);
}

static int refuse(const char *name) {
    const char *nearest = nearest_command(name);
    fprintf(stderr, "weir: there is no command '%s'%s%s%s; weir help lists them\n", name,
            nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return 2;
}

int main(int argc, char **argv) {
    if (argc < 2) return weir_serve_run(argc, argv);
    if (weir_view_is(weir_view_str(argv[1]), "--version")) return run_version(argc, argv);
    if (argv[1][0] == '-') return weir_serve_run(argc, argv);
    for (const struct weir_command *command = weir_commands; command->name; command++)
        if (weir_view_is(weir_view_str(argv[1]), command->name))
            return command->run(argc - 1, argv + 1);
    return refuse(argv[1]);
}
