/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "golden.h"
#include "store/codec.h"
#include "store/part_block.h"
#include "store/part_writer.h"

enum { ROWS = 40 };

struct rows {
    struct weir_arena arena;
    const struct weir_row *rows[ROWS];
};

/* Plain rows, the same for ever: the golden part holds them. */
static void make_rows(struct rows *made, enum weir_table table) {
    weir_arena_init(&made->arena, 0);
    struct weir_attr *resource_attr = WEIR_NEW(&made->arena, struct weir_attr);
    *resource_attr =
        (struct weir_attr){WEIR_VIEW("service.name"), weir_value_str(WEIR_VIEW("orders"))};
    struct weir_row_resource *resource = WEIR_NEW(&made->arena, struct weir_row_resource);
    resource->attrs = (struct weir_attrs){resource_attr, 1};
    struct weir_buf buf;
    weir_buf_init(&buf, 4096);
    weir_codec_encode_attrs(&buf, resource->attrs);
    resource->encoded = weir_arena_copy(&made->arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    for (int i = 0; i < ROWS; i++) {
        struct weir_row *row = WEIR_NEW(&made->arena, struct weir_row);
        struct weir_attr *attrs = WEIR_NEW_ARRAY(&made->arena, struct weir_attr, 3);
        uint32_t count = 0;
        attrs[count++] =
            (struct weir_attr){WEIR_VIEW("messaging.kafka.offset"), weir_value_i64(1000 + i)};
        if (i % 2)
            attrs[count++] = (struct weir_attr){WEIR_VIEW("messaging.destination.name"),
                                                weir_value_str(WEIR_VIEW("orders"))};
        if (i % 5 == 0)
            attrs[count++] = (struct weir_attr){WEIR_VIEW("ratio"), weir_value_f64(i / 8.0)};
        *row = (struct weir_row){.time_ns = INT64_C(1760000000000000000) + i * 1000,
                                 .flags = 1,
                                 .resource = resource,
                                 .scope_name = WEIR_VIEW("weir"),
                                 .scope_version = WEIR_VIEW("0.1.0"),
                                 .attrs = {attrs, count}};
        memset(row->trace_id, 1 + i / 4, sizeof row->trace_id);
        memset(row->span_id, 1 + i, sizeof row->span_id);
        row->trace_state = row->events = row->links = row->name = WEIR_VIEW("");
        if (table == WEIR_TABLE_SPANS) {
            row->duration_ns = 500 * i;
            row->kind = 4 + i % 2;
            row->status_code = i % 3;
            row->status_message = i % 3 == 2 ? WEIR_VIEW("broken pipe") : WEIR_VIEW("");
            row->name = i % 2 ? WEIR_VIEW("send orders") : WEIR_VIEW("process orders");
        } else {
            row->severity_number = 9;
            row->severity_text = WEIR_VIEW("INFO");
            row->body = weir_value_str(weir_arena_printf(&made->arena, "request %d done", i));
        }
        made->rows[i] = row;
    }
}

static void write_part(struct weir_disk *disk, const char *path, enum weir_table table,
                       const struct rows *made) {
    struct weir_part_writer *writer;
    bool wrote;
    assert_int_equal(weir_part_writer_open(disk, path, table, &writer, NULL), WEIR_OK);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(weir_part_writer_add(writer, made->rows[i], &wrote, NULL), WEIR_OK);
    assert_int_equal(weir_part_writer_finish(writer, NULL), WEIR_OK);
    weir_part_writer_close(writer);
}

static void assert_same_row(const struct weir_row *a, const struct weir_row *b,
                            enum weir_table table) {
    for (const struct weir_row_column *column = weir_row_columns; column->tables; column++)
        if (column->tables >> table & 1)
            assert_true(model_same(weir_row_field(a, column), weir_row_field(b, column)));
    assert_true(model_same_attrs(a->attrs, b->attrs));
    assert_true(model_same_attrs(a->resource->attrs, b->resource->attrs));
    assert_true(weir_view_eq(a->resource->encoded, b->resource->encoded));
}

static void check_part(struct weir_disk *disk, const char *path, enum weir_table table,
                       const struct rows *made) {
    struct weir_part *part = NULL;
    struct weir_part_reader reader;
    struct weir_part_block block;
    const struct weir_row *rows;
    struct weir_error err = {0};
    if (weir_part_open(disk, path, 1, table, &part, &err) != WEIR_OK) fail_msg("%s", err.message);
    assert_int_equal(part->rows_count, ROWS);
    assert_int_equal(part->blocks_count, 1);
    assert_int_equal(part->min_ns, made->rows[0]->time_ns);
    assert_int_equal(part->max_ns, made->rows[ROWS - 1]->time_ns);
    assert_int_equal(weir_part_reader_init(&reader, NULL, 0, NULL), WEIR_OK);
    assert_int_equal(weir_part_block_init(&block, &reader, part, 0, NULL), WEIR_OK);
    assert_int_equal(weir_part_block_rows(&block, &rows, NULL), WEIR_OK);
    for (int i = 0; i < ROWS; i++) assert_same_row(made->rows[i], &rows[i], table);
    weir_part_reader_done(&reader);
    weir_part_unref(part);
}

static void golden_parts(void **state) {
    (void)state;
    static const char *const names[] = {"spans-v1.part", "logs-v1.part"};
    char folder[64], path[100], golden[200];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    for (int table = 0; table < 2; table++) {
        struct rows made;
        make_rows(&made, (enum weir_table)table);
        snprintf(path, sizeof path, "%s/%s", folder, names[table]);
        write_part(&disk, path, (enum weir_table)table, &made);
        struct weir_buf bytes = golden_read(path);
        golden_offer(names[table], weir_buf_view(&bytes));
        weir_buf_done(&bytes);
        check_part(&disk, path, (enum weir_table)table, &made);
        snprintf(golden, sizeof golden, GOLDEN_FOLDER "/%s", names[table]);
        check_part(&disk, golden, (enum weir_table)table, &made);
        weir_arena_done(&made.arena);
    }
    temp_remove(folder);
}

/* Reads a part to its end: 0, or the first code. */
static int read_whole(struct weir_disk *disk, const char *path, enum weir_table table) {
    struct weir_part *part = NULL;
    int rc = weir_part_open(disk, path, 1, table, &part, NULL);
    if (rc != WEIR_OK) return rc;
    struct weir_part_reader reader;
    assert_int_equal(weir_part_reader_init(&reader, NULL, 64 << 20, NULL), WEIR_OK);
    for (uint32_t i = 0; i < part->blocks_count && rc == WEIR_OK; i++) {
        struct weir_part_block block;
        const struct weir_row *rows;
        rc = weir_part_block_init(&block, &reader, part, i, NULL);
        if (rc == WEIR_OK) rc = weir_part_block_rows(&block, &rows, NULL);
    }
    weir_part_reader_done(&reader);
    weir_part_unref(part);
    return rc;
}

/* Every flipped byte is found by some checksum, or lies where nothing is read (bloom, padding). */
static void damage_is_found(void **state) {
    (void)state;
    char folder[64], path[100];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    struct rows made;
    make_rows(&made, WEIR_TABLE_SPANS);
    snprintf(path, sizeof path, "%s/a.part", folder);
    write_part(&disk, path, WEIR_TABLE_SPANS, &made);
    struct weir_buf bytes = golden_read(path);
    size_t unnoticed = 0;
    for (size_t at = 0; at < bytes.len; at++) {
        bytes.ptr[at] ^= 0x40;
        FILE *file = fopen(path, "wb");
        fwrite(bytes.ptr, 1, bytes.len, file);
        fclose(file);
        bytes.ptr[at] ^= 0x40;
        int rc = read_whole(&disk, path, WEIR_TABLE_SPANS);
        assert_true(rc == WEIR_OK || rc == WEIR_ECORRUPT || rc == WEIR_EVERSION);
        unnoticed += rc == WEIR_OK;
    }
    assert_in_range(unnoticed, 0,
                    4 + weir_part_bloom_size(ROWS)); /* version in the header, bloom */
    for (size_t len = 0; len < bytes.len; len += 7) {
        FILE *file = fopen(path, "wb");
        fwrite(bytes.ptr, 1, len, file);
        fclose(file);
        assert_int_equal(read_whole(&disk, path, WEIR_TABLE_SPANS), WEIR_ECORRUPT);
    }
    weir_buf_done(&bytes);
    weir_arena_done(&made.arena);
    temp_remove(folder);
}

static void bloom_never_misses(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, 4);
    enum { IDS = 3000 };
    size_t size = weir_part_bloom_size(IDS);
    uint8_t *bits = calloc(size, 1), ids[IDS][16];
    for (int i = 0; i < IDS; i++) {
        for (int j = 0; j < 16; j++) ids[i][j] = (uint8_t)weir_rand_next(&rand);
        weir_part_bloom_add(bits, size, ids[i]);
    }
    for (int i = 0; i < IDS; i++) assert_true(weir_part_bloom_has(bits, size, ids[i]));
    int wrong = 0;
    for (int i = 0; i < IDS; i++) {
        ids[i][0] ^= 0x55;
        wrong += weir_part_bloom_has(bits, size, ids[i]);
    }
    assert_in_range(wrong, 0, IDS / 40);
    free(bits);
}

static void unfinished_part_leaves_no_file(void **state) {
    (void)state;
    char folder[64], path[100];
    temp_make(folder);
    struct weir_disk disk;
    weir_disk_init(&disk, false);
    snprintf(path, sizeof path, "%s/a.part", folder);
    struct weir_part_writer *writer;
    assert_int_equal(weir_part_writer_open(&disk, path, WEIR_TABLE_LOGS, &writer, NULL), WEIR_OK);
    assert_int_equal(access(path, F_OK), 0);
    weir_part_writer_close(writer);
    assert_int_equal(access(path, F_OK), -1);
    weir_part_writer_close(NULL);
    temp_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_parts),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(bloom_never_misses),
        cmocka_unit_test(unfinished_part_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
