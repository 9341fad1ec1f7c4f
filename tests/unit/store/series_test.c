/* SPDX-License-Identifier: Apache-2.0 */
/* The series table against a list: whatever is appended, frozen, flushed, merged and opened again,
 * what a query finds is what the list says. */
#include "store/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rand.h"
#include "query/regex.h"
#include "unit.h"

enum { METRICS = 4, VALUES = 4, TIMES = 60, POINTS_MAX = 64 };

/* The model: value of metric m, a, b at time t (ms × 1000), NaN = none. b = VALUES-1: no label b.
 */
struct model {
    double values[METRICS][VALUES][VALUES][TIMES];
};

struct world {
    char path[64];
    struct weir_disk disk;
    struct weir_store_table *table;
    struct weir_rand rand;
    struct model *model;
    uint64_t seq;
};

static const char *const names[METRICS] = {"alpha", "beta", "gamma", "delta"};
static const char *const letters[VALUES] = {"x", "y", "z", "w"};

static void open_table(struct world *w) {
    struct weir_error err = {0};
    struct weir_store_table_options options = {
        .disk = &w->disk, .path = w->path, .memory_bytes_max = 1 << 26};
    if (weir_store_series_open(&options, &w->table, &err)) fail_msg("%s", err.message);
}

static void world_init(struct world *w) {
    *w = (struct world){.model = malloc(sizeof *w->model)};
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&w->rand, seed);
    double *values = &w->model->values[0][0][0][0];
    for (size_t i = 0; i < sizeof w->model->values / sizeof *values; i++) values[i] = (double)NAN;
    snprintf(w->path, sizeof w->path, "/tmp/weir-series-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    weir_disk_init(&w->disk, false);
    open_table(w);
}

static void world_done(struct world *w) {
    w->table->close(w->table);
    weir_fs_remove_all(w->path, NULL);
    free(w->model);
}

/* A batch of gauges, made by hand: the table reads the index only. */
struct batch {
    struct weir_otlp_batch batch;
    struct weir_otlp_resource resource;
    struct weir_otlp_scope scope;
    struct weir_otlp_metric metrics[METRICS];
    struct weir_otlp_point points[POINTS_MAX];
    struct weir_attr attrs[POINTS_MAX][2];
};

static void batch_init(struct batch *b) {
    memset(b, 0, sizeof *b);
    for (uint32_t m = 0; m < METRICS; m++)
        b->metrics[m] = (struct weir_otlp_metric){.name = weir_view_str(names[m]),
                                                  .type = WEIR_METRIC_TYPE_GAUGE};
    b->batch = (struct weir_otlp_batch){.signal = WEIR_SIGNAL_METRIC,
                                        .resources = &b->resource,
                                        .scopes = &b->scope,
                                        .metrics = b->metrics,
                                        .points = b->points,
                                        .resources_count = 1,
                                        .scopes_count = 1,
                                        .metrics_count = METRICS};
}

static struct weir_otlp_point *batch_add(struct batch *b, uint32_t metric, uint64_t a, uint64_t bb,
                                         uint64_t time, double value) {
    uint32_t i = b->batch.points_count++;
    b->attrs[i][0] = (struct weir_attr){WEIR_VIEW("a"), weir_value_str(weir_view_str(letters[a]))};
    b->attrs[i][1] = (struct weir_attr){WEIR_VIEW("b"), weir_value_str(weir_view_str(letters[bb]))};
    b->points[i] = (struct weir_otlp_point){.metric = metric,
                                            .value = value,
                                            .sum = (double)NAN,
                                            .time_ns = (int64_t)(time + 1) * 1000000000,
                                            .attrs = {b->attrs[i], bb == VALUES - 1 ? 1 : 2}};
    return &b->points[i];
}

static void append(struct world *w, struct batch *b) {
    struct weir_error err = {0};
    if (w->table->append(w->table, &b->batch, ++w->seq, &err)) fail_msg("%s", err.message);
}

static void append_random(struct world *w) {
    struct batch b;
    batch_init(&b);
    uint64_t around = weir_rand_below(&w->rand, TIMES);
    for (uint64_t n = 1 + weir_rand_below(&w->rand, POINTS_MAX); n; n--) {
        uint32_t m = (uint32_t)weir_rand_below(&w->rand, METRICS);
        uint64_t a = weir_rand_below(&w->rand, VALUES), bb = weir_rand_below(&w->rand, VALUES);
        uint64_t t = weir_rand_below(&w->rand, 4) ? (around + weir_rand_below(&w->rand, 8)) % TIMES
                                                  : weir_rand_below(&w->rand, TIMES);
        double value = (double)weir_rand_below(&w->rand, 1000) / 8;
        batch_add(&b, m, a, bb, t, value);
        w->model->values[m][a][bb][t] = value; /* the last one wins */
    }
    append(w, &b);
}

static struct weir_view label(const struct weir_series *s, const char *name) {
    for (uint32_t i = 0; i < s->labels_count; i++)
        if (weir_view_is(s->labels[i].name, name)) return s->labels[i].value;
    return WEIR_VIEW("");
}

static int index_of(const char *const *list, int count, struct weir_view v) {
    for (int i = 0; i < count; i++)
        if (weir_view_is(v, list[i])) return i;
    return -1;
}

struct question {
    struct weir_matcher matchers[3];
    uint32_t count;
    int64_t from, until; /* seconds */
};

static bool takes(const struct question *q, const char *name, const char *value) {
    for (uint32_t i = 0; i < q->count; i++)
        if (weir_view_is(q->matchers[i].name, name) &&
            !weir_series_matcher_takes(&q->matchers[i], weir_view_str(value)))
            return false;
    return true;
}

static uint32_t expected_series(const struct world *w, const struct question *q) {
    uint32_t n = 0;
    for (int m = 0; m < METRICS; m++)
        for (int a = 0; a < VALUES; a++)
            for (int b = 0; b < VALUES; b++) {
                bool any = false;
                for (int t = 0; t < TIMES; t++)
                    any = any || (!isnan(w->model->values[m][a][b][t]) && t + 1 >= q->from &&
                                  t + 1 <= q->until);
                n += any && takes(q, "__name__", names[m]) && takes(q, "a", letters[a]) &&
                     takes(q, "b", b == VALUES - 1 ? "" : letters[b]);
            }
    return n;
}

static void check_one(const struct world *w, const struct question *q,
                      const struct weir_series *s) {
    int m = index_of(names, METRICS, label(s, "__name__")),
        a = index_of(letters, VALUES, label(s, "a"));
    int b = label(s, "b").len ? index_of(letters, VALUES, label(s, "b")) : VALUES - 1;
    assert_true(m >= 0 && a >= 0 && b >= 0);
    for (uint32_t i = 1; i < s->labels_count; i++)
        assert_true(weir_view_cmp(s->labels[i - 1].name, s->labels[i].name) < 0);
    uint32_t at = 0;
    for (int t = 0; t < TIMES; t++) {
        double value = w->model->values[m][a][b][t];
        if (isnan(value) || t + 1 < q->from || t + 1 > q->until) continue;
        assert_true(at < s->samples_count);
        assert_int_equal(s->times_ms[at], (t + 1) * 1000);
        assert_true(s->values[at] == value);
        at++;
    }
    assert_int_equal(at, s->samples_count);
}

static void check(const struct world *w, const struct question *q) {
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_series_cursor *cursor;
    const struct weir_series *s;
    struct weir_series_select select = {.matchers = q->matchers,
                                        .matchers_count = q->count,
                                        .from_ms = q->from * 1000,
                                        .until_ms = q->until * 1000};
    uint32_t n = 0;
    weir_query_init(&query, 0, 0);
    if (weir_store_series_select(w->table, &query, &select, &cursor, &err))
        fail_msg("%s", err.message);
    int code;
    while ((code = cursor->next(cursor, &s, &err)) == 0) check_one(w, q, s), n++;
    if (code != WEIR_END) fail_msg("%s", err.message);
    assert_int_equal(n, expected_series(w, q));
    cursor->close(cursor);
    weir_query_done(&query);
}

static void check_random(struct world *w, struct weir_regex *regex) {
    static const char *const labels[] = {"__name__", "a", "b"};
    struct question q = {.from = (int64_t)weir_rand_below(&w->rand, TIMES)};
    q.until = q.from + (int64_t)weir_rand_below(&w->rand, TIMES);
    for (uint64_t n = weir_rand_below(&w->rand, 4); n; n--) {
        struct weir_matcher *m = &q.matchers[q.count++];
        uint64_t l = weir_rand_below(&w->rand, 3), kind = weir_rand_below(&w->rand, 4);
        m->name = weir_view_str(labels[l]);
        m->op = kind == 0 ? WEIR_OP_EQ : kind == 1 ? WEIR_OP_NE : WEIR_OP_MATCH;
        m->negate = kind == 3;
        m->match = weir_regex_is_match;
        m->match_ctx = regex;
        uint64_t v = weir_rand_below(&w->rand, VALUES + 1);
        m->value = v == VALUES ? WEIR_VIEW("") : weir_view_str(l ? letters[v] : names[v]);
    }
    check(w, &q);
}

static void step(struct world *w) {
    struct weir_error err = {0};
    bool did;
    atomic_bool stop = false;
    int code = 0;
    uint64_t kind = weir_rand_below(&w->rand, 20);
    if (kind < 10)
        append_random(w);
    else if (kind < 13)
        code = w->table->freeze(w->table, &err);
    else if (kind < 16)
        code = w->table->freeze(w->table, &err) || w->table->flush(w->table, &err);
    else if (kind < 19)
        code = w->table->merge(w->table, &stop, &did, &err);
    else {
        code = w->table->freeze(w->table, &err) || w->table->flush(w->table, &err);
        w->table->close(w->table);
        open_table(w);
    }
    if (code) fail_msg("%s", err.message);
}

static void agrees_with_the_model(void **state) {
    (void)state;
    struct weir_regex *regex;
    assert_int_equal(
        weir_regex_new(WEIR_VIEW("(al|be).*|[xy]|"), WEIR_REGEX_ANCHORED, &regex, NULL), 0);
    for (int round = 0; round < 6; round++) {
        struct world w;
        world_init(&w);
        for (int i = 0; i < 120; i++) {
            step(&w);
            check_random(&w, regex);
        }
        struct question all = {.from = 0, .until = TIMES + 1};
        check(&w, &all);
        world_done(&w);
    }
    weir_regex_free(regex);
}

static double only_value(struct world *w, const char *name, const char *label_name,
                         const char *label_value, int64_t time_s) {
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_series_cursor *cursor;
    const struct weir_series *s;
    struct weir_matcher matchers[2] = {
        {.name = WEIR_VIEW("__name__"), .value = weir_view_str(name)},
        {.name = weir_view_str(label_name), .value = weir_view_str(label_value)}};
    struct weir_series_select select = {.matchers = matchers,
                                        .matchers_count = *label_name ? 2 : 1,
                                        .from_ms = time_s * 1000,
                                        .until_ms = time_s * 1000};
    weir_query_init(&query, 0, 0);
    assert_int_equal(weir_store_series_select(w->table, &query, &select, &cursor, &err), 0);
    if (cursor->next(cursor, &s, &err)) fail_msg("no %s{%s=%s}", name, label_name, label_value);
    assert_int_equal(s->samples_count, 1);
    double value = s->values[0];
    assert_int_equal(cursor->next(cursor, &s, &err), WEIR_END);
    cursor->close(cursor);
    weir_query_done(&query);
    return value;
}

static void histograms_and_sums_unfold(void **state) {
    (void)state;
    static const double bounds[] = {0.5, 10};
    static const uint64_t counts[] = {3, 4, 1};
    struct world w;
    struct batch b;
    world_init(&w);
    batch_init(&b);
    b.metrics[0] = (struct weir_otlp_metric){.name = WEIR_VIEW("lat"),
                                             .unit = WEIR_VIEW("s"),
                                             .type = WEIR_METRIC_TYPE_HISTOGRAM,
                                             .temporality = WEIR_TEMPORALITY_CUMULATIVE};
    b.metrics[1] = (struct weir_otlp_metric){.name = WEIR_VIEW("jobs"),
                                             .type = WEIR_METRIC_TYPE_SUM,
                                             .temporality = WEIR_TEMPORALITY_DELTA,
                                             .monotonic = true};
    struct weir_otlp_point *h = batch_add(&b, 0, 0, 0, 0, 0);
    h->bounds = bounds, h->bounds_count = 2, h->counts = counts, h->counts_count = 3;
    h->count = 8, h->sum = 21.5;
    batch_add(&b, 1, 0, 0, 0, 5);
    batch_add(&b, 1, 0, 0, 1, 7);
    batch_add(&b, 1, 1, 0, 1, 100);
    struct weir_otlp_point *stale = batch_add(&b, 1, 0, 0, 2, 0);
    stale->flags = 1;
    append(&w, &b);
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        assert_true(only_value(&w, "lat_seconds_bucket", "le", "0.5", 1) == 3);
        assert_true(only_value(&w, "lat_seconds_bucket", "le", "10", 1) == 7);
        assert_true(only_value(&w, "lat_seconds_bucket", "le", "+Inf", 1) == 8);
        assert_true(only_value(&w, "lat_seconds_count", "", "", 1) == 8);
        assert_true(only_value(&w, "lat_seconds_sum", "", "", 1) == 21.5);
        assert_true(only_value(&w, "jobs_total", "a", "x", 1) == 5);
        assert_true(only_value(&w, "jobs_total", "a", "x", 2) == 12); /* the running sum */
        assert_true(only_value(&w, "jobs_total", "a", "y", 2) == 100);
        double marker = only_value(&w, "jobs_total", "a", "x", 3);
        uint64_t bits;
        memcpy(&bits, &marker, sizeof bits);
        assert_true(bits == WEIR_SERIES_STALE_BITS);
        assert_int_equal(w.table->freeze(w.table, NULL), 0);
        assert_int_equal(w.table->flush(w.table, NULL), 0);
    }
    world_done(&w);
}

static void exponential_histograms_get_classic_bounds(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 2, 4,
                                      8}; /* scale 0, offset -1: (0.5,1] (1,2] (2,4] (4,8] */
    struct world w;
    struct batch b;
    world_init(&w);
    batch_init(&b);
    b.metrics[0] = (struct weir_otlp_metric){.name = WEIR_VIEW("e"),
                                             .type = WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM,
                                             .temporality = WEIR_TEMPORALITY_CUMULATIVE};
    struct weir_otlp_point *p = batch_add(&b, 0, 0, 0, 0, 0);
    p->zero_count = 5;
    p->count = 20;
    p->positive = (struct weir_otlp_buckets){.offset = -1, .counts = counts, .counts_count = 4};
    append(&w, &b);
    assert_true(only_value(&w, "e_bucket", "le", "0", 1) == 5);
    assert_true(only_value(&w, "e_bucket", "le", "1", 1) == 6);
    assert_true(only_value(&w, "e_bucket", "le", "2", 1) == 8);
    assert_true(only_value(&w, "e_bucket", "le", "4", 1) == 12);
    assert_true(only_value(&w, "e_bucket", "le", "8", 1) == 20);
    assert_true(only_value(&w, "e_bucket", "le", "+Inf", 1) == 20);
    world_done(&w);
}

static void too_many_series_are_refused(void **state) {
    (void)state;
    struct world w;
    struct batch b;
    world_init(&w);
    weir_series_table_of(w.table)->active_series_max = 2;
    batch_init(&b);
    for (uint64_t a = 0; a < VALUES; a++) batch_add(&b, 0, a, 0, 0, 1);
    batch_add(&b, 0, 0, 0, 1, 2); /* a series that is there still grows */
    append(&w, &b);
    struct weir_store_table_stats stats;
    w.table->stats(w.table, &stats);
    assert_int_equal(stats.series_count, 2);
    assert_int_equal(stats.rows_count, 3);
    assert_true(only_value(&w, "alpha", "a", "x", 2) == 2);
    world_done(&w);
}

/* A full disk: the flush fails, nothing is lost, the next one works. */
static void full_disk_loses_nothing(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    for (int op = WEIR_DISK_OPEN; op <= WEIR_DISK_RENAME; op++) {
        append_random(&w);
        assert_int_equal(w.table->freeze(w.table, NULL), 0);
        w.disk.sync = true;
        w.disk.faults[op].error = 28; /* ENOSPC */
        atomic_store(&w.disk.faults[op].count, 1);
        struct weir_error err = {0};
        assert_int_not_equal(w.table->flush(w.table, &err), 0);
        atomic_store(&w.disk.faults[op].count, 0);
        struct question all = {.from = 0, .until = TIMES + 1};
        check(&w, &all);
        if (w.table->flush(w.table, &err)) fail_msg("%s", err.message);
        w.disk.sync = false;
        check(&w, &all);
    }
    w.table->close(w.table);
    open_table(&w);
    struct question all = {.from = 0, .until = TIMES + 1};
    check(&w, &all);
    world_done(&w);
}

/* Any flipped byte is noticed: wrong answers never come out of a part. */
static void damage_is_noticed(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    for (int i = 0; i < 5; i++) append_random(&w);
    assert_int_equal(w.table->freeze(w.table, NULL), 0);
    assert_int_equal(w.table->flush(w.table, NULL), 0);
    char path[200], copy[220];
    struct weir_series_table *table = weir_series_table_of(w.table);
    snprintf(path, sizeof path, "%s", table->parts[0]->path);
    snprintf(copy, sizeof copy, "%s.copy", path);
    struct weir_buf bytes;
    weir_buf_init(&bytes, 1 << 24);
    assert_int_equal(weir_fs_read_file(path, &bytes, NULL), 0);
    for (int round = 0; round < 200; round++) {
        size_t at = 16 + weir_rand_below(&w.rand, bytes.len - 16);
        bytes.ptr[at] ^= (char)(1 << weir_rand_below(&w.rand, 8));
        assert_int_equal(weir_fs_write_file(copy, weir_buf_view(&bytes), NULL), 0);
        struct weir_series_part *part;
        struct weir_error err = {0};
        int code = weir_series_part_open(&w.disk, copy, 9, &part, &err);
        if (code == 0) {
            struct weir_series_part_reader reader;
            struct weir_series_samples samples = {0};
            struct weir_matcher any = {
                .name = WEIR_VIEW("a"), .op = WEIR_OP_NE, .value = WEIR_VIEW("x")};
            struct weir_matcher name = {
                .name = WEIR_VIEW("zz"), .op = WEIR_OP_EQ, .value = WEIR_VIEW("")};
            struct weir_matcher both[] = {any, name};
            code = weir_series_part_reader_init(&reader, part, NULL, both, 2, INT64_MIN, INT64_MAX,
                                                &err);
            while (code == 0 && (code = weir_series_part_reader_next(&reader, &err)) == 0)
                code = weir_series_part_reader_samples(&reader, &samples, &err);
            weir_series_part_reader_done(&reader);
            weir_series_samples_done(&samples);
            weir_series_part_unref(part);
        }
        /* The trailer's last but one word is spare: nothing reads it. */
        bool spare = at >= bytes.len - 12 && at < bytes.len - 8;
        if (code != WEIR_ECORRUPT && code != WEIR_EVERSION && !spare)
            fail_msg("byte %zu of %zu: %d", at, bytes.len, code);
        bytes.ptr[at] = 0;
        weir_buf_clear(&bytes);
        assert_int_equal(weir_fs_read_file(path, &bytes, NULL), 0);
    }
    weir_buf_done(&bytes);
    unlink(copy);
    world_done(&w);
}

static bool count_meta(void *arg, const struct weir_metric_meta *meta) {
    if (weir_view_is(meta->name, "jobs_total") && weir_view_is(meta->otlp_name, "jobs") &&
        weir_view_is(meta->type, "counter") && weir_view_is(meta->help, "Jobs done."))
        ++*(int *)arg;
    return true;
}

static void metadata_survives_a_restart(void **state) {
    (void)state;
    struct world w;
    struct batch b;
    world_init(&w);
    batch_init(&b);
    b.metrics[0] = (struct weir_otlp_metric){.name = WEIR_VIEW("jobs"),
                                             .type = WEIR_METRIC_TYPE_SUM,
                                             .monotonic = true,
                                             .temporality = WEIR_TEMPORALITY_CUMULATIVE,
                                             .description = WEIR_VIEW("Jobs done.")};
    batch_add(&b, 0, 0, 0, 0, 5);
    append(&w, &b);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct weir_query query;
        int found = 0;
        weir_query_init(&query, 0, 0);
        assert_int_equal(weir_store_series_metadata(w.table, &query, count_meta, &found, NULL), 0);
        assert_int_equal(found, 1);
        weir_query_done(&query);
        assert_int_equal(w.table->freeze(w.table, NULL), 0);
        assert_int_equal(w.table->flush(w.table, NULL), 0);
        w.table->close(w.table);
        open_table(&w);
    }
    world_done(&w);
}

static void retention_drops_whole_parts(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    for (uint64_t t = 0; t < 3; t++) {
        struct batch b;
        batch_init(&b);
        batch_add(&b, 0, 0, 0, t * 10, (double)t);
        append(&w, &b);
        assert_int_equal(w.table->freeze(w.table, NULL), 0);
        assert_int_equal(w.table->flush(w.table, NULL), 0);
    }
    assert_int_equal(w.table->oldest_part_ns(w.table), 1000000000);
    uint64_t parts, bytes;
    assert_int_equal(w.table->drop_before(w.table, 2000000000, &parts, NULL), 0);
    assert_int_equal(parts, 1);
    assert_int_equal(w.table->drop_oldest(w.table, &bytes, NULL), 0);
    assert_true(bytes > 0);
    struct weir_store_table_stats stats;
    w.table->stats(w.table, &stats);
    assert_int_equal(stats.rows_count, 1);
    assert_int_equal(stats.oldest_ns, INT64_C(21000000000));
    world_done(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(histograms_and_sums_unfold),
        cmocka_unit_test(exponential_histograms_get_classic_bounds),
        cmocka_unit_test(too_many_series_are_refused),
        cmocka_unit_test(full_disk_loses_nothing),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(metadata_survives_a_restart),
        cmocka_unit_test(retention_drops_whole_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
