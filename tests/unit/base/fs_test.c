/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

static char root[64];

static const char *path(const char *name) {
    static char text[256];
    snprintf(text, sizeof text, "%s/%s", root, name);
    return text;
}

static int make_root(void **state) {
    (void)state;
    snprintf(root, sizeof root, "%s/weir-fs-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    (void)state;
    return weir_fs_remove_all(root, NULL);
}

static void files_are_written_whole(void **state) {
    (void)state;
    struct weir_error err;
    struct weir_buf buf;
    weir_buf_init(&buf, 100);
    assert_int_equal(weir_fs_write_file(path("a"), WEIR_VIEW("first"), &err), 0);
    assert_int_equal(weir_fs_write_file(path("a"), WEIR_VIEW("second"), &err), 0);
    assert_int_equal(weir_fs_read_file(path("a"), &buf, &err), 0);
    assert_view_is(weir_buf_view(&buf), "second");
    assert_int_not_equal(access(path("a.tmp"), F_OK), 0);
    weir_buf_done(&buf);
}

static void errors_name_the_file(void **state) {
    (void)state;
    struct weir_error err;
    struct weir_buf buf;
    weir_buf_init(&buf, 3);
    assert_int_equal(weir_fs_read_file(path("none"), &buf, &err), WEIR_ENOTFOUND);
    assert_non_null(strstr(err.message, path("none")));
    assert_int_equal(weir_fs_write_file(path("b"), WEIR_VIEW("long text"), &err), 0);
    assert_int_equal(weir_fs_read_file(path("b"), &buf, &err), WEIR_ETOOBIG);
    assert_int_equal(weir_fs_make_dirs(path("b"), &err), WEIR_EINVALID);
    assert_non_null(strstr(err.message, "not a folder"));
    weir_buf_done(&buf);
}

static void folders_come_and_go(void **state) {
    (void)state;
    struct weir_error err;
    assert_int_equal(weir_fs_make_dirs(path("x/y/z"), &err), 0);
    assert_int_equal(weir_fs_make_dirs(path("x/y/z"), &err), 0);
    assert_int_equal(weir_fs_write_file(path("x/y/z/file"), WEIR_VIEW("1"), &err), 0);
    assert_int_equal(weir_fs_sync_dir(path("x"), &err), 0);
    assert_int_equal(weir_fs_remove_all(path("x"), &err), 0);
    assert_int_not_equal(access(path("x"), F_OK), 0);
    assert_int_equal(weir_fs_remove_all(path("x"), &err), 0);
    uint64_t free_bytes = 0, size_bytes = 0;
    assert_int_equal(weir_fs_space(root, &free_bytes, &size_bytes), 0);
    assert_true(size_bytes >= free_bytes && size_bytes > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_written_whole),
        cmocka_unit_test(errors_name_the_file),
        cmocka_unit_test(folders_come_and_go),
    };
    return cmocka_run_group_tests_name("base/fs", tests, make_root, remove_root);
}
