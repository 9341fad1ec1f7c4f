/* SPDX-License-Identifier: Apache-2.0 */
#include "app/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "unit.h"

const struct weir_command weir_commands[] = {{"serve", "[OPTIONS]", "Run the server.", NULL},
                                             {"help", "", "Print help.", NULL},
                                             {NULL, NULL, NULL, NULL}};

static void every_option_is_whole(void **state) {
    (void)state;
    size_t count = 0;
    for (const struct weir_option *option = weir_options; option->name; option++, count++) {
        assert_ptr_equal(weir_options_get(weir_view_str(option->name)), option);
        assert_non_null(option->help);
        assert_true(option->help[strlen(option->help) - 1] == '.');
        assert_int_equal(option->argument == NULL, option->type == WEIR_OPTION_FLAG);
        struct weir_error err;
        if (option->preset)
            assert_int_equal(weir_options_check(option, weir_view_str(option->preset), &err), 0);
    }
    assert_true(count < WEIR_OPTIONS_MAX);
    count = 0;
    for (const struct weir_option *option = weir_options_doctor; option->name; option++, count++) {
        assert_ptr_equal(weir_options_find(weir_options_doctor, weir_view_str(option->name)),
                         option);
        assert_true(option->help[strlen(option->help) - 1] == '.');
        assert_null(strpbrk(option->help, "'[]:")); /* the shells' completions quote nothing */
        assert_int_equal(option->argument == NULL, option->type == WEIR_OPTION_FLAG);
        struct weir_error err;
        if (option->preset)
            assert_int_equal(weir_options_check(option, weir_view_str(option->preset), &err), 0);
    }
    assert_true(count < WEIR_OPTIONS_MAX);
}

static void values_are_checked_by_type(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        int good;
    } cases[] = {
        {"listen", "127.0.0.1:0", 1}, {"listen", "off", 1},
        {"listen", "[::1]:80", 1},    {"listen", "nowhere", 0},
        {"listen", ":80", 0},         {"listen", "a:99999", 0},
        {"memory", "512MiB", 1},      {"memory", "1.5GB", 1},
        {"memory", "lots", 0},        {"memory", "", 0},
        {"retention-age", "7d", 1},   {"retention-age", "-1d", 0},
        {"retention-age", "0s", 0},   {"log-level", "warn", 1},
        {"log-level", "loud", 0},     {"allow-open", "true", 1},
        {"allow-open", "yes", 0},     {"data", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct weir_option *option = weir_options_get(weir_view_str(cases[i].name));
        struct weir_error err = {0};
        int rc = weir_options_check(option, weir_view_str(cases[i].text), &err);
        assert_int_equal(rc == WEIR_OK, cases[i].good);
        if (rc != WEIR_OK) assert_non_null(strstr(err.message, cases[i].name));
    }
}

/* Every option stands in every document that is made from the table. */
static void option_is_everywhere(const struct weir_option *option, const struct weir_buf *help,
                                 const struct weir_buf *man) {
    static const char *const shells[] = {"bash", "zsh", "fish"};
    char text[80], roff[160] = "";
    struct weir_buf shell;
    struct weir_error err;
    snprintf(text, sizeof text, "--%s", option->name);
    assert_true(weir_view_find(weir_buf_view(help), weir_view_str(text)) != SIZE_MAX);
    for (const char *at = text; *at; at++) {
        size_t used = strlen(roff);
        snprintf(roff + used, sizeof roff - used, *at == '-' ? "\\-" : "%c", *at);
    }
    assert_true(weir_view_find(weir_buf_view(man), weir_view_str(roff)) != SIZE_MAX);
    for (size_t i = 0; i < 3; i++) {
        weir_buf_init(&shell, 1 << 20);
        assert_int_equal(weir_options_add_completion(&shell, weir_view_str(shells[i]), &err), 0);
        assert_true(weir_view_find(weir_buf_view(&shell), weir_view_str(option->name)) != SIZE_MAX);
        weir_buf_done(&shell);
    }
}

static void documents_name_every_option(void **state) {
    (void)state;
    struct weir_buf help, man, shell;
    struct weir_error err;
    weir_buf_init(&help, 1 << 20);
    weir_buf_init(&man, 1 << 20);
    weir_options_add_help(&help, false);
    weir_options_add_man(&man);
    assert_true(weir_view_find(weir_buf_view(&help), WEIR_VIEW("\x1b")) == SIZE_MAX);
    const struct weir_option *const tables[] = {weir_options, weir_options_doctor};
    for (size_t table = 0; table < 2; table++)
        for (const struct weir_option *option = tables[table]; option->name; option++)
            option_is_everywhere(option, &help, &man);
    weir_buf_init(&shell, 100);
    assert_int_equal(weir_options_add_completion(&shell, WEIR_VIEW("tcsh"), &err), WEIR_EINVALID);
    weir_buf_done(&help);
    weir_buf_done(&man);
}

/* docs/configuration.md names every option, and no flag or variable that does not exist. */
static void the_reference_is_complete_and_true(void **state) {
    (void)state;
    struct weir_buf page;
    struct weir_error err;
    weir_buf_init(&page, 1 << 20);
    assert_int_equal(weir_fs_read_file("docs/configuration.md", &page, &err), 0);
    for (const struct weir_option *option = weir_options; option->name; option++) {
        char text[80];
        snprintf(text, sizeof text, "`--%s`", option->name);
        assert_true(weir_view_find(weir_buf_view(&page), weir_view_str(text)) != SIZE_MAX);
        if (option->env)
            assert_true(weir_view_find(weir_buf_view(&page), weir_view_str(option->env)) !=
                        SIZE_MAX);
        if (option->yaml)
            assert_true(weir_view_find(weir_buf_view(&page), weir_view_str(option->yaml)) !=
                        SIZE_MAX);
    }
    struct weir_view rest = weir_buf_view(&page);
    for (size_t at; (at = weir_view_find(rest, WEIR_VIEW("`--"))) != SIZE_MAX;) {
        rest = weir_view_from(rest, at + 3);
        struct weir_view copy = rest, name = weir_view_cut(&copy, '`');
        struct weir_view first = weir_view_cut(&name, ' ');
        if (!weir_options_get(first))
            fail_msg("docs/configuration.md names --%.*s", WEIR_VIEW_ARG(first));
    }
    weir_buf_done(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_whole),
        cmocka_unit_test(values_are_checked_by_type),
        cmocka_unit_test(documents_name_every_option),
        cmocka_unit_test(the_reference_is_complete_and_true),
    };
    return cmocka_run_group_tests_name("app/options", tests, NULL, NULL);
}
