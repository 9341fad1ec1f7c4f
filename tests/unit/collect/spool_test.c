/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/exporters/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/rand.h"
#include "unit.h"

static char folder[64];

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-spool-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return weir_fs_remove_all(folder, NULL);
}

static struct weir_spool *open_spool(uint64_t bytes_max) {
    struct weir_spool *spool;
    struct weir_error err;
    if (weir_spool_open(folder, bytes_max, &spool, &err) != WEIR_OK) fail_msg("%s", err.message);
    return spool;
}

static atomic_int answers;

static void answered(void *arg, int code) {
    (void)arg;
    assert_int_equal(code, WEIR_OK);
    atomic_fetch_add(&answers, 1);
}

/* Record `number`: its text is made from the number, 0 to 40 kB long. */
static struct weir_view text_of(uint32_t number, char room[41000]) {
    struct weir_rand rand;
    weir_rand_init(&rand, number);
    size_t len = (size_t)weir_rand_below(&rand, number % 7 ? 300 : 40000);
    for (size_t i = 0; i < len; i++) room[i] = (char)weir_rand_next(&rand);
    return weir_view(room, len);
}

static int put(struct weir_spool *spool, uint32_t number) {
    static char room[41000];
    return weir_spool_put(spool, (uint8_t)(number % 3), text_of(number, room), answered, NULL);
}

static void expect_next(struct weir_spool *spool, uint32_t number) {
    static char room[41000];
    uint8_t kind;
    struct weir_view bytes;
    if (!weir_spool_peek(spool, 5000, &kind, &bytes)) fail_msg("record %u is missing", number);
    assert_int_equal(kind, number % 3);
    assert_true(weir_view_eq(bytes, text_of(number, room)));
    weir_spool_advance(spool);
}

static bool is_empty(struct weir_spool *spool) {
    uint8_t kind;
    struct weir_view bytes;
    return !weir_spool_peek(spool, 0, &kind, &bytes);
}

static unsigned segments(void) {
    DIR *dir = opendir(folder);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += strstr(entry->d_name, ".spool") != NULL;
    closedir(dir);
    return count;
}

/* Over many segments, with a new owner at any time. */
static void comes_out_in_order_over_restarts(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    uint32_t written = 0, read = 0;
    atomic_store(&answers, 0);
    struct weir_spool *spool = open_spool(1 << 30);
    for (int round = 0; round < 40; round++) {
        for (uint64_t i = weir_rand_below(&rand, 400); i; i--)
            assert_int_equal(put(spool, written++), WEIR_OK);
        for (uint64_t i = weir_rand_below(&rand, 400); i && read < written; i--)
            expect_next(spool, read++);
        if (weir_rand_below(&rand, 4)) continue;
        weir_spool_close(spool);
        assert_int_equal(atomic_load(&answers), (int)written);
        spool = open_spool(1 << 30);
    }
    while (read < written) expect_next(spool, read++);
    assert_true(is_empty(spool));
    assert_int_equal(weir_spool_bytes(spool), 0);
    assert_int_equal(segments(), 1);
    weir_spool_close(spool);
}

static void cut_last_segment(struct weir_rand *rand, bool damage) {
    char last[256] = "", path[400];
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strstr(entry->d_name, ".spool") && strcmp(entry->d_name, last) > 0)
            snprintf(last, sizeof last, "%s", entry->d_name);
    closedir(dir);
    snprintf(path, sizeof path, "%s/%s", folder, last);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END), at = (off_t)weir_rand_below(rand, (uint64_t)size);
    if (damage) {
        char byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte = (char)(byte ^ 0x10);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    } else {
        assert_int_equal(ftruncate(fd, at), 0);
    }
    close(fd);
}

static void a_torn_or_damaged_end_loses_no_more_than_it_must(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 60; round++) {
        struct weir_spool *spool = open_spool(1 << 30);
        uint32_t base = (uint32_t)round * 1000, count = 1 + (uint32_t)weir_rand_below(&rand, 30);
        for (uint32_t i = 0; i < count; i++) put(spool, base + i);
        weir_spool_close(spool);
        cut_last_segment(&rand, round % 2);
        spool = open_spool(1 << 30);
        uint32_t read = 0; /* a prefix, and nothing else */
        while (!is_empty(spool)) expect_next(spool, base + read++);
        assert_true(read <= count);
        put(spool, base + 999);
        expect_next(spool, base + 999);
        weir_spool_close(spool);
        weir_fs_remove_all(folder, NULL);
        weir_fs_make_dirs(folder, NULL);
    }
}

static void full_refuses_and_goes_on(void **state) {
    (void)state;
    struct weir_spool *spool = open_spool(2000);
    char text[500] = "x";
    int taken = 0;
    while (weir_spool_put(spool, 0, weir_view(text, sizeof text), answered, NULL) == WEIR_OK)
        taken++;
    assert_int_equal(taken, 3);
    assert_int_equal(weir_spool_put(spool, 0, weir_view(text, sizeof text), answered, NULL),
                     WEIR_EFULL);
    uint8_t kind;
    struct weir_view bytes;
    assert_true(weir_spool_peek(spool, 5000, &kind, &bytes));
    weir_spool_advance(spool);
    assert_int_equal(weir_spool_put(spool, 0, weir_view(text, sizeof text), answered, NULL),
                     WEIR_OK);
    weir_spool_close(spool);
}

static void one_owner_at_a_time(void **state) {
    (void)state;
    struct weir_spool *spool = open_spool(2000), *second;
    struct weir_error err;
    assert_int_equal(weir_spool_open(folder, 2000, &second, &err), WEIR_ECONFLICT);
    assert_non_null(strstr(err.message, folder));
    weir_spool_close(spool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_out_in_order_over_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_or_damaged_end_loses_no_more_than_it_must, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(full_refuses_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(one_owner_at_a_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
