/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/log_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "sdk/sdk.h"
#include "unit.h"

static char folder[64], path[128];

static void read_back(const char *suffix, struct weir_buf *buf) {
    char name[160];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    weir_buf_clear(buf);
    weir_fs_read_file(name, buf, NULL);
}

static struct weir_log_file *open_log(size_t size_max) {
    struct weir_log_file *file;
    struct weir_error err = {.message = ""};
    if (weir_log_file_open(path, &file, &err) != WEIR_OK) fail_msg("%s", err.message);
    weir_log_file_size_max_set(file, size_max);
    return file;
}

/* 26 lines of 10 bytes into files of 40: every line is whole, in order, and five old files are
 * kept. */
static void rotation(void **state) {
    (void)state;
    struct weir_log_file *file = open_log(40);
    for (int i = 0; i < 26; i++) {
        char line[16];
        snprintf(line, sizeof line, "line %03d \n", i);
        weir_log_file_write(file, weir_view_str(line));
    }
    weir_log_file_close(file);
    struct weir_buf buf, all;
    weir_buf_init(&buf, 1 << 20);
    weir_buf_init(&all, 1 << 20);
    const char *const suffixes[] = {".5", ".4", ".3", ".2", ".1", ""};
    for (int i = 0; i < 6; i++) {
        read_back(suffixes[i], &buf);
        assert_true(buf.len > 0 && buf.len <= 40);
        weir_buf_add_view(&all, weir_buf_view(&buf));
    }
    assert_int_equal(all.len, 220);
    for (int i = 0; i < 22; i++) {
        char line[16];
        snprintf(line, sizeof line, "line %03d \n", i + 4);
        assert_memory_equal(all.ptr + 10 * i, line, 10);
    }
    read_back(".6", &buf);
    assert_int_equal(buf.len, 0);
    weir_buf_done(&buf);
    weir_buf_done(&all);
}

/* Many lines at once are split at line ends; one longer than the limit still goes out, alone. */
static void lines_stay_whole(void **state) {
    (void)state;
    struct weir_log_file *file = open_log(30);
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    weir_log_file_write(file, WEIR_VIEW("aaaaaaaaa\nbbbbbbbbb\nccccccccc\nddddddddd\n"));
    read_back(".1", &buf);
    assert_view_is(weir_buf_view(&buf), "aaaaaaaaa\nbbbbbbbbb\nccccccccc\n");
    weir_log_file_write(
        file, WEIR_VIEW("a line that is much longer than the limit of thirty bytes\nend\n"));
    read_back(".1", &buf);
    assert_view_is(weir_buf_view(&buf),
                   "a line that is much longer than the limit of thirty bytes\n");
    read_back("", &buf);
    assert_view_is(weir_buf_view(&buf), "end\n");
    weir_log_file_close(file);
    file = open_log(30); /* goes on where it was */
    weir_log_file_write(file, WEIR_VIEW("more\n"));
    read_back("", &buf);
    assert_view_is(weir_buf_view(&buf), "end\nmore\n");
    weir_log_file_close(file);
    weir_buf_done(&buf);
}

static void full_disk(void **state) {
    (void)state;
    struct weir_log_file *file;
    struct weir_error err = {.message = ""};
    assert_int_equal(weir_log_file_open("/dev/full", &file, &err), WEIR_OK);
    uint64_t before = weir_sdk_read(&weir_sdk_counters.log_file_errors);
    weir_log_file_write(file, WEIR_VIEW("lost\n"));
    weir_log_file_write(file, WEIR_VIEW("lost\n"));
    assert_int_equal(weir_sdk_read(&weir_sdk_counters.log_file_errors) - before, 2);
    weir_log_file_close(file);
    weir_log_file_close(NULL);
    assert_int_not_equal(weir_log_file_open("/nowhere/at/all.log", &file, &err), WEIR_OK);
    assert_non_null(strstr(err.message, "/nowhere/at/all.log"));
    assert_non_null(strstr(err.message, "WEIR_LOG_FILE"));
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-unit-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/app.log", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return weir_fs_remove_all(folder, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_stay_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
