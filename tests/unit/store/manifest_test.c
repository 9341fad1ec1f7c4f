/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <errno.h>

#include "golden.h"
#include "store/manifest.h"

static uint64_t ids[] = {1, 7, UINT64_C(0x123456789abcdef0)};

static struct weir_manifest some(void) {
    return (struct weir_manifest){
        .flushed_seq = 42, .next_id = 8, .part_ids = ids, .parts_count = 3};
}

static void touch(const char *folder, const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(weir_fs_write_file(path, WEIR_VIEW("x"), NULL), WEIR_OK);
}

static bool is_there(const char *folder, const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void round_trip_and_golden(void **state) {
    (void)state;
    char folder[64], path[100];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, true);
    struct weir_manifest manifest = some(), back;
    assert_int_equal(weir_manifest_write(&disk, folder, &manifest, NULL), WEIR_OK);
    assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_OK);
    assert_int_equal(back.flushed_seq, 42);
    assert_int_equal(back.next_id, 8);
    assert_int_equal(back.parts_count, 3);
    assert_memory_equal(back.part_ids, ids, sizeof ids);
    weir_manifest_done(&back);
    snprintf(path, sizeof path, "%s/manifest", folder);
    struct weir_buf bytes = golden_read(path);
    golden_offer("manifest-v1", weir_buf_view(&bytes));
    struct weir_buf golden = golden_read(GOLDEN_FOLDER "/manifest-v1");
    assert_same_bytes(weir_buf_view(&bytes), weir_buf_view(&golden));
    weir_buf_done(&bytes);
    weir_buf_done(&golden);
    temp_remove(folder);
}

static void empty_folder_is_an_empty_table(void **state) {
    (void)state;
    char folder[64];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct weir_manifest back;
    assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_OK);
    assert_int_equal(back.parts_count + back.flushed_seq, 0);
    assert_int_equal(back.next_id, 1);
    weir_manifest_done(&back);
    /* A crash while the first part is made leaves it behind: nothing counts on it. */
    touch(folder, "0000000000000001.part");
    assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_OK);
    assert_int_equal(back.parts_count, 0);
    weir_manifest_done(&back);
    char path[100];
    snprintf(path, sizeof path, "%s/manifest", folder);
    assert_int_equal(unlink(path), 0);
    struct weir_error err = {0};
    assert_int_equal(weir_manifest_read(&disk, folder, &back, &err), WEIR_ECORRUPT);
    assert_non_null(strstr(err.message, folder));
    temp_remove(folder);
}

/* Any changed byte is refused, never half believed. */
static void damage_is_refused(void **state) {
    (void)state;
    char folder[64], path[100];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct weir_manifest manifest = some(), back;
    assert_int_equal(weir_manifest_write(&disk, folder, &manifest, NULL), WEIR_OK);
    snprintf(path, sizeof path, "%s/manifest", folder);
    struct weir_buf bytes = golden_read(path);
    for (size_t at = 0; at < bytes.len; at++) {
        bytes.ptr[at] ^= 1;
        assert_int_equal(weir_fs_write_file(path, weir_buf_view(&bytes), NULL), WEIR_OK);
        bytes.ptr[at] ^= 1;
        assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_ECORRUPT);
        assert_int_equal(weir_fs_write_file(path, weir_view(bytes.ptr, at), NULL), WEIR_OK);
        assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_ECORRUPT);
    }
    assert_int_equal(weir_fs_write_file(path, WEIR_VIEW("weir-manifest 2\nwhat will be\n"), NULL),
                     WEIR_OK);
    assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_EVERSION);
    weir_buf_done(&bytes);
    temp_remove(folder);
}

static void failed_write_leaves_the_old_one(void **state) {
    (void)state;
    static const enum weir_disk_op ops[] = {WEIR_DISK_OPEN, WEIR_DISK_WRITE, WEIR_DISK_SYNC,
                                            WEIR_DISK_RENAME};
    char folder[64];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct weir_manifest manifest = some(), back;
    assert_int_equal(weir_manifest_write(&disk, folder, &manifest, NULL), WEIR_OK);
    manifest.flushed_seq = 99;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        disk.faults[ops[i]].error = ENOSPC;
        disk.faults[ops[i]].torn_bytes = 20;
        disk.faults[ops[i]].count = 1;
        assert_int_equal(weir_manifest_write(&disk, folder, &manifest, NULL), WEIR_EFULL);
        assert_int_equal(weir_manifest_read(&disk, folder, &back, NULL), WEIR_OK);
        assert_int_equal(back.flushed_seq, 42);
        weir_manifest_done(&back);
        assert_false(is_there(folder, "manifest.tmp"));
    }
    temp_remove(folder);
}

static void leftovers_are_swept(void **state) {
    (void)state;
    char folder[64];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct weir_manifest manifest = some();
    touch(folder, "0000000000000007.part");
    touch(folder, "0000000000000008.part");
    touch(folder, "manifest.tmp");
    touch(folder, "0000000000000003.part.bad");
    touch(folder, "notes.txt");
    assert_int_equal(weir_manifest_sweep(&disk, folder, &manifest, NULL), WEIR_OK);
    assert_true(is_there(folder, "0000000000000007.part"));
    assert_false(is_there(folder, "0000000000000008.part"));
    assert_false(is_there(folder, "manifest.tmp"));
    assert_true(is_there(folder, "0000000000000003.part.bad"));
    assert_true(is_there(folder, "notes.txt"));
    temp_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_and_golden), cmocka_unit_test(empty_folder_is_an_empty_table),
        cmocka_unit_test(damage_is_refused),     cmocka_unit_test(failed_write_leaves_the_old_one),
        cmocka_unit_test(leftovers_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
