/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <errno.h>

#include "base/crc.h"
#include "golden.h"
#include "store/wal.h"

enum { RECORDS_MAX = 200 };

struct read_back {
    uint64_t seqs[RECORDS_MAX];
    char texts[RECORDS_MAX][40];
    enum weir_signal signals[RECORDS_MAX];
    uint32_t count;
};

static int take(void *arg, const struct weir_wal_record *record, struct weir_error *reterr) {
    (void)reterr;
    struct read_back *back = arg;
    assert_true(back->count < RECORDS_MAX && record->bytes.len < sizeof back->texts[0]);
    back->seqs[back->count] = record->seq;
    back->signals[back->count] = record->signal;
    memcpy(back->texts[back->count], record->bytes.ptr, record->bytes.len);
    back->texts[back->count++][record->bytes.len] = 0;
    return WEIR_OK;
}

static struct weir_wal *open_wal(struct weir_disk *disk, const char *path, uint64_t segment_bytes,
                                 struct read_back *back, struct weir_wal_report *report) {
    struct weir_wal_options options = {disk, path, segment_bytes};
    struct weir_wal *wal = NULL;
    struct weir_error err = {0};
    memset(back, 0, sizeof *back);
    if (weir_wal_open(&options, take, back, &wal, report, &err) != WEIR_OK)
        fail_msg("%s", err.message);
    return wal;
}

static int append_one(struct weir_wal *wal, uint64_t seq, const char *text) {
    return weir_wal_append(
        wal, &(struct weir_wal_record){seq, (enum weir_signal)(seq % 3), weir_view_str(text)}, 1,
        NULL);
}

static void segment_path(const char *folder, uint64_t seq, char *ret) {
    snprintf(ret, 120, "%s/%016llx.wal", folder, (unsigned long long)seq);
}

static void records_come_back_in_order(void **state) {
    (void)state;
    char path[64], text[40];
    temp_make(path);
    struct weir_disk disk;
    weir_disk_init(&disk, true);
    struct read_back back;
    struct weir_wal_report report;
    for (uint64_t seq = 1; seq <= 100; seq += 10) { /* reopened every ten records */
        struct weir_wal *wal = open_wal(&disk, path, 300, &back, &report);
        assert_int_equal(back.count, seq - 1);
        for (uint64_t i = seq; i < seq + 10; i++) {
            snprintf(text, sizeof text, "record %llu", (unsigned long long)i);
            assert_int_equal(append_one(wal, i, text), WEIR_OK);
        }
        assert_int_equal(weir_wal_last_seq(wal), seq + 9);
        weir_wal_close(wal);
    }
    weir_wal_close(open_wal(&disk, path, 300, &back, &report));
    assert_int_equal(back.count, 100);
    assert_int_equal(report.records_count, 100);
    assert_int_equal(report.torn_bytes + report.damaged_count, 0);
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "record %u", i + 1);
        assert_int_equal(back.seqs[i], i + 1);
        assert_int_equal(back.signals[i], (i + 1) % 3);
        assert_string_equal(back.texts[i], text);
    }
    temp_remove(path);
}

/* Cut at every byte: whole records stay, the rest goes, and appending goes on. */
static void torn_end_is_cut_off(void **state) {
    (void)state;
    char path[64], file[120];
    temp_make(path);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct read_back back;
    struct weir_wal_report report;
    struct weir_wal *wal = open_wal(&disk, path, 0, &back, &report);
    for (uint64_t i = 1; i <= 3; i++) assert_int_equal(append_one(wal, i, "abc"), WEIR_OK);
    weir_wal_close(wal);
    segment_path(path, 1, file);
    struct weir_buf whole = golden_read(file);
    assert_int_equal(whole.len, 32 + 3 * 27);
    for (size_t len = 0; len < whole.len; len++) {
        char other[64], copy[120];
        temp_make(other);
        segment_path(other, 1, copy);
        assert_int_equal(weir_fs_write_file(copy, weir_view(whole.ptr, len), NULL), WEIR_OK);
        wal = open_wal(&disk, other, 0, &back, &report);
        uint32_t kept = len < 32 ? 0 : (uint32_t)(len - 32) / 27;
        assert_int_equal(back.count, kept);
        assert_int_equal(report.damaged_count, 0);
        assert_int_equal(report.torn_bytes, len < 32 ? len : (len - 32) % 27);
        assert_int_equal(append_one(wal, 10, "after"), WEIR_OK);
        weir_wal_close(wal);
        weir_wal_close(open_wal(&disk, other, 0, &back, &report));
        assert_int_equal(back.count, kept + 1);
        assert_int_equal(report.torn_bytes + report.damaged_count, 0);
        assert_string_equal(back.texts[kept], "after");
        temp_remove(other);
    }
    weir_buf_done(&whole);
    temp_remove(path);
}

/* A flipped bit costs the record it lies in, no other; the segment is kept for whoever can mend it.
 */
static void damage_in_the_middle_is_skipped(void **state) {
    (void)state;
    char path[64], file[120], bad[130];
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct read_back back;
    struct weir_wal_report report;
    for (size_t at = 32 + 27; at < 32 + 2 * 27; at++) {
        temp_make(path);
        struct weir_wal *wal = open_wal(&disk, path, 0, &back, &report);
        for (uint64_t i = 1; i <= 3; i++) assert_int_equal(append_one(wal, i, "abc"), WEIR_OK);
        weir_wal_close(wal);
        segment_path(path, 1, file);
        struct weir_buf bytes = golden_read(file);
        bytes.ptr[at] ^= 0x10;
        assert_int_equal(weir_fs_write_file(file, weir_buf_view(&bytes), NULL), WEIR_OK);
        weir_buf_done(&bytes);
        weir_wal_close(open_wal(&disk, path, 0, &back, &report));
        assert_int_equal(back.count, 2);
        assert_int_equal(back.seqs[1], 3);
        assert_int_equal(report.damaged_count, 1);
        snprintf(bad, sizeof bad, "%s.bad", file);
        assert_int_equal(access(bad, F_OK), 0);
        temp_remove(path);
    }
}

static void newer_format_is_refused(void **state) {
    (void)state;
    char path[64], file[120];
    temp_make(path);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct read_back back;
    struct weir_wal_report report;
    struct weir_wal *wal = open_wal(&disk, path, 0, &back, &report);
    assert_int_equal(append_one(wal, 1, "abc"), WEIR_OK);
    weir_wal_close(wal);
    segment_path(path, 1, file);
    struct weir_buf bytes = golden_read(file);
    bytes.ptr[8] = 2;
    uint32_t crc = weir_crc32c(0, bytes.ptr, 28);
    memcpy(bytes.ptr + 28, &crc, 4);
    assert_int_equal(weir_fs_write_file(file, weir_buf_view(&bytes), NULL), WEIR_OK);
    struct weir_error err = {0};
    struct weir_wal_options options = {&disk, path, 0};
    assert_int_equal(weir_wal_open(&options, take, &back, &wal, &report, &err), WEIR_EVERSION);
    assert_non_null(strstr(err.message, file));
    weir_buf_done(&bytes);
    temp_remove(path);
}

static void lost_group_is_read_once(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct read_back back;
    struct weir_wal_report report;
    struct weir_wal *wal = open_wal(&disk, path, 0, &back, &report);
    disk.faults[WEIR_DISK_SYNC].error = EIO;
    disk.faults[WEIR_DISK_SYNC].count = 1;
    assert_int_equal(append_one(wal, 1, "twice on disk"), WEIR_OK);
    assert_int_equal(append_one(wal, 2, "next"), WEIR_OK);
    weir_wal_close(wal);
    weir_wal_close(open_wal(&disk, path, 0, &back, &report));
    assert_int_equal(back.count, 2);
    assert_string_equal(back.texts[0], "twice on disk");
    assert_string_equal(back.texts[1], "next");
    temp_remove(path);
}

static void cut_keeps_what_is_needed(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct read_back back;
    struct weir_wal_report report;
    struct weir_wal *wal = open_wal(&disk, path, 100, &back, &report);
    for (uint64_t i = 1; i <= 30; i++) assert_int_equal(append_one(wal, i, "0123456789"), WEIR_OK);
    assert_int_equal(weir_wal_cut(wal, 17, false, NULL), WEIR_OK);
    weir_wal_close(wal);
    wal = open_wal(&disk, path, 100, &back, &report);
    assert_in_range(back.seqs[0], 16, 18);
    assert_int_equal(back.seqs[back.count - 1], 30);
    assert_int_equal(append_one(wal, 31, "x"), WEIR_OK);
    assert_int_equal(weir_wal_cut(wal, 31, false, NULL), WEIR_OK);
    assert_true(weir_wal_bytes(wal) > 0); /* the one that is written to */
    assert_int_equal(weir_wal_cut(wal, 31, true, NULL), WEIR_OK);
    assert_int_equal(weir_wal_bytes(wal), 0);
    assert_int_equal(append_one(wal, 32, "y"), WEIR_OK);
    weir_wal_close(wal);
    weir_wal_close(open_wal(&disk, path, 100, &back, &report));
    assert_int_equal(back.count, 1);
    temp_remove(path);
}

static void golden_segment(void **state) {
    (void)state;
    char path[64], file[120];
    temp_make(path);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct read_back back;
    struct weir_wal_report report;
    struct weir_wal *wal = open_wal(&disk, path, 0, &back, &report);
    assert_int_equal(append_one(wal, 1, "first"), WEIR_OK);
    assert_int_equal(append_one(wal, 2, ""), WEIR_OK);
    assert_int_equal(append_one(wal, 5, "third"), WEIR_OK);
    weir_wal_close(wal);
    segment_path(path, 1, file);
    struct weir_buf bytes = golden_read(file);
    golden_offer("v1.wal", weir_buf_view(&bytes));
    struct weir_buf golden = golden_read(GOLDEN_FOLDER "/v1.wal");
    assert_same_bytes(weir_buf_view(&bytes), weir_buf_view(&golden));
    weir_buf_done(&bytes);
    weir_buf_done(&golden);
    temp_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_in_order),
        cmocka_unit_test(torn_end_is_cut_off),
        cmocka_unit_test(damage_in_the_middle_is_skipped),
        cmocka_unit_test(newer_format_is_refused),
        cmocka_unit_test(lost_group_is_read_once),
        cmocka_unit_test(cut_keeps_what_is_needed),
        cmocka_unit_test(golden_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
