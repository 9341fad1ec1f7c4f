/* SPDX-License-Identifier: Apache-2.0 */
/* Exemplars against a list: whatever is appended, flushed, merged and opened again, what a question
 * finds is what the list says. */
#include "store/series.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/fs.h"
#include "base/rand.h"
#include "golden.h"
#include "otlp/encode.h"
#include "store/store.h"
#include "unit.h"

enum { SERIES = 3, SPANS = 40, SECOND = 1000, EXEMPLARS_MAX = 8 };

/* What the table should hold: of series s, in span (ten seconds) i; time 0 = none. */
struct kept {
    int64_t time_ms;
    double value;
    bool has_trace;
    uint8_t trace_id[16];
};

struct world {
    char path[64];
    struct weir_disk disk;
    struct weir_store_table *table;
    struct weir_rand rand;
    uint64_t seq;
    struct kept model[SERIES][SPANS];
};

static const char *const names[SERIES] = {"alpha", "beta", "gamma"};

static void open_table(struct world *w) {
    struct weir_error err = {0};
    struct weir_store_table_options options = {
        .disk = &w->disk, .path = w->path, .memory_bytes_max = 1 << 26};
    if (weir_store_series_open(&options, &w->table, &err)) fail_msg("%s", err.message);
}

static void world_init(struct world *w) {
    *w = (struct world){0};
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&w->rand, seed);
    snprintf(w->path, sizeof w->path, "/tmp/weir-exemplar-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    weir_disk_init(&w->disk, false);
    open_table(w);
}

static void world_done(struct world *w) {
    w->table->close(w->table);
    weir_fs_remove_all(w->path, NULL);
}

/* One point of one metric, made by hand: the table reads the index only. */
struct batch {
    struct weir_otlp_batch batch;
    struct weir_otlp_resource resource;
    struct weir_otlp_scope scope;
    struct weir_otlp_metric metric;
    struct weir_otlp_point point;
    struct weir_otlp_exemplar exemplars[EXEMPLARS_MAX];
    uint8_t trace_ids[EXEMPLARS_MAX][16], span_id[8];
};

static void batch_init(struct batch *b, const char *name, enum weir_metric_type type) {
    *b = (struct batch){.metric = {.name = weir_view_str(name),
                                   .type = type,
                                   .temporality = WEIR_TEMPORALITY_CUMULATIVE},
                        .point = {.time_ns = INT64_C(1000000000), .sum = (double)NAN, .value = 1},
                        .span_id = {1, 2, 3}};
    b->point.exemplars = b->exemplars;
    b->batch = (struct weir_otlp_batch){.signal = WEIR_SIGNAL_METRIC,
                                        .resources = &b->resource,
                                        .scopes = &b->scope,
                                        .metrics = &b->metric,
                                        .points = &b->point,
                                        .resources_count = 1,
                                        .scopes_count = 1,
                                        .metrics_count = 1,
                                        .points_count = 1};
}

static struct weir_otlp_exemplar *batch_add(struct batch *b, int64_t time_ms, double value,
                                            uint8_t trace) {
    uint32_t i = b->point.exemplars_count++;
    b->trace_ids[i][15] = trace;
    b->exemplars[i] = (struct weir_otlp_exemplar){.time_ns = time_ms * 1000000,
                                                  .value = value,
                                                  .trace_id = trace ? b->trace_ids[i] : NULL,
                                                  .span_id = trace ? b->span_id : NULL};
    return &b->exemplars[i];
}

static void append(struct world *w, struct batch *b) {
    struct weir_error err = {0};
    if (w->table->append(w->table, &b->batch, ++w->seq, &err)) fail_msg("%s", err.message);
}

static void flush(struct world *w) {
    struct weir_error err = {0};
    if (w->table->freeze(w->table, &err) || w->table->flush(w->table, &err))
        fail_msg("%s", err.message);
}

static void append_random(struct world *w) {
    struct batch b;
    uint64_t s = weir_rand_below(&w->rand, SERIES);
    batch_init(&b, names[s], WEIR_METRIC_TYPE_GAUGE);
    for (uint64_t n = weir_rand_below(&w->rand, EXEMPLARS_MAX + 1); n; n--) {
        uint64_t span = weir_rand_below(&w->rand, SPANS);
        /* Times are unique, so that of two the newer one is known. */
        int64_t time_ms = (int64_t)(span * 10000 + 1 + weir_rand_below(&w->rand, 9999));
        double value = (double)weir_rand_below(&w->rand, 100000) / 8;
        uint8_t trace = (uint8_t)weir_rand_below(&w->rand, 200);
        struct kept *kept = &w->model[s][span];
        bool better = (trace != 0) != kept->has_trace ? trace != 0 : time_ms >= kept->time_ms;
        if (kept->time_ms == time_ms) continue;
        batch_add(&b, time_ms, value, trace);
        if (!kept->time_ms || better) {
            *kept = (struct kept){.time_ms = time_ms, .value = value, .has_trace = trace != 0};
            kept->trace_id[15] = trace;
        }
    }
    append(w, &b);
}

struct asked {
    struct world *w;
    int64_t from_ms, until_ms;
    uint32_t found;
};

static struct weir_view label(const struct weir_exemplar_series *s, const char *name) {
    for (uint32_t i = 0; i < s->labels_count; i++)
        if (weir_view_is(s->labels[i].name, name)) return s->labels[i].value;
    return WEIR_VIEW("");
}

static bool check_series(void *arg, const struct weir_exemplar_series *series) {
    struct asked *asked = arg;
    int s = 0;
    while (s < SERIES && !weir_view_is(label(series, "__name__"), names[s])) s++;
    assert_true(s < SERIES);
    uint32_t at = 0;
    for (int i = 0; i < SPANS; i++) {
        const struct kept *kept = &asked->w->model[s][i];
        if (!kept->time_ms || kept->time_ms < asked->from_ms || kept->time_ms > asked->until_ms)
            continue;
        assert_true(at < series->exemplars_count);
        const struct weir_exemplar *one = &series->exemplars[at++];
        assert_int_equal(one->time_ms, kept->time_ms);
        assert_true(one->value == kept->value);
        assert_int_equal(one->trace_id != NULL, kept->has_trace);
        assert_int_equal(one->span_id != NULL, kept->has_trace);
        if (kept->has_trace) assert_memory_equal(one->trace_id, kept->trace_id, 16);
    }
    assert_int_equal(at, series->exemplars_count);
    asked->found += 1U << s;
    return true;
}

static int ask(struct world *w, const char *name, int64_t from_ms, int64_t until_ms,
               weir_visit_exemplars *visit, void *arg, struct weir_error *err) {
    struct weir_query query;
    struct weir_matcher matcher = {.name = WEIR_VIEW("__name__"), .value = weir_view_str(name)};
    struct weir_series_select select = {.matchers = &matcher,
                                        .matchers_count = *name ? 1 : 0,
                                        .from_ms = from_ms,
                                        .until_ms = until_ms};
    weir_query_init(&query, 0, 0);
    int code = weir_store_series_exemplars(w->table, &query, &select, visit, arg, err);
    weir_query_done(&query);
    return code;
}

static void check(struct world *w, const char *name, int64_t from_ms, int64_t until_ms) {
    struct asked asked = {w, from_ms, until_ms, 0};
    struct weir_error err = {0};
    uint32_t expected = 0;
    for (uint32_t s = 0; s < SERIES; s++) {
        bool any = false;
        for (int i = 0; i < SPANS; i++)
            any = any || (w->model[s][i].time_ms && w->model[s][i].time_ms >= from_ms &&
                          w->model[s][i].time_ms <= until_ms);
        if (any && (!*name || strcmp(name, names[s]) == 0)) expected += 1U << s;
    }
    if (ask(w, name, from_ms, until_ms, check_series, &asked, &err)) fail_msg("%s", err.message);
    assert_int_equal(asked.found, expected);
}

static void step(struct world *w) {
    struct weir_error err = {0};
    bool did;
    atomic_bool stop = false;
    uint64_t kind = weir_rand_below(&w->rand, 20);
    if (kind < 12) {
        append_random(w);
    } else if (kind < 14) {
        if (w->table->freeze(w->table, &err)) fail_msg("%s", err.message);
    } else if (kind < 17) {
        flush(w);
    } else if (kind < 19) {
        if (w->table->merge(w->table, &stop, &did, &err)) fail_msg("%s", err.message);
    } else {
        flush(w);
        w->table->close(w->table);
        open_table(w);
    }
}

/* Whatever range is asked for, what lies outside of it neither comes nor takes a place. The model
 * keeps one a span, so ranges begin and end with a span. */
static void agrees_with_the_model(void **state) {
    (void)state;
    for (int round = 0; round < 6; round++) {
        struct world w;
        world_init(&w);
        for (int i = 0; i < 150; i++) {
            step(&w);
            int64_t from = (int64_t)weir_rand_below(&w.rand, SPANS) * 10000;
            int64_t until = from + (int64_t)weir_rand_below(&w.rand, SPANS) * 10000 + 9999;
            check(&w, weir_rand_below(&w.rand, 3) ? "" : names[i % SERIES], from, until);
        }
        check(&w, "", INT64_MIN, INT64_MAX);
        world_done(&w);
    }
}

/* ---- which series ---- */

struct listing {
    char text[2000];
};

static bool list(void *arg, const struct weir_exemplar_series *series) {
    struct listing *l = arg;
    size_t len = strlen(l->text);
    struct weir_view name = label(series, "__name__"), le = label(series, "le");
    len += (size_t)snprintf(l->text + len, sizeof l->text - len, "%.*s{%.*s}", WEIR_VIEW_ARG(name),
                            WEIR_VIEW_ARG(le));
    for (uint32_t i = 0; i < series->exemplars_count; i++) {
        const struct weir_exemplar *one = &series->exemplars[i];
        len += (size_t)snprintf(l->text + len, sizeof l->text - len, " %g@%lld/%d", one->value,
                                (long long)one->time_ms, one->trace_id ? one->trace_id[15] : 0);
        for (uint32_t j = 0; j < one->labels_count; j++)
            len += (size_t)snprintf(l->text + len, sizeof l->text - len, " %.*s=%.*s",
                                    WEIR_VIEW_ARG(one->labels[j].name),
                                    WEIR_VIEW_ARG(one->labels[j].value));
    }
    snprintf(l->text + len, sizeof l->text - len, "\n");
    return true;
}

static void assert_lists(struct world *w, const char *name, const char *expected) {
    struct listing l = {""};
    struct weir_error err = {0};
    if (ask(w, name, INT64_MIN, INT64_MAX, list, &l, &err)) fail_msg("%s", err.message);
    assert_string_equal(l.text, expected);
}

static void a_bucket_has_what_it_counted(void **state) {
    (void)state;
    static const double bounds[] = {0.5, 10};
    static const uint64_t counts[] = {3, 4, 1};
    struct weir_attr attrs[] = {{WEIR_VIEW("user.id"), weir_value_str(WEIR_VIEW("u7"))},
                                {WEIR_VIEW("n"), weir_value_i64(3)}};
    struct world w;
    struct batch b;
    world_init(&w);
    batch_init(&b, "lat", WEIR_METRIC_TYPE_HISTOGRAM);
    b.point.bounds = bounds, b.point.bounds_count = 2;
    b.point.counts = counts, b.point.counts_count = 3;
    b.point.count = 8, b.point.sum = 21.5;
    batch_add(&b, 40000, 99, 1);
    batch_add(&b, 20000, 10, 2)->attrs = (struct weir_attrs){attrs, 2};
    batch_add(&b, 30000, (double)NAN, 3); /* no bucket counts it */
    batch_add(&b, 60000, 0.25, 4);
    batch_add(&b, 0, 0.5, 5); /* without a time: the point's */
    append(&w, &b);
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        assert_lists(&w, "lat_bucket",
                     "lat_bucket{10} 10@20000/2 n=3 user_id=u7\n"
                     "lat_bucket{0.5} 0.5@1000/5 0.25@60000/4\n"
                     "lat_bucket{+Inf} 99@40000/1\n");
        assert_lists(&w, "lat_count", "");
        assert_lists(&w, "lat_sum", "");
        flush(&w);
    }
    world_done(&w);
}

static void an_exponential_bucket_too(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 2, 4, 8}; /* (0.5,1] (1,2] (2,4] (4,8] */
    struct world w;
    struct batch b;
    world_init(&w);
    batch_init(&b, "e", WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM);
    b.point.zero_count = 5, b.point.count = 20;
    b.point.positive =
        (struct weir_otlp_buckets){.offset = -1, .counts = counts, .counts_count = 4};
    batch_add(&b, 20000, 3, 2);
    batch_add(&b, 20000, 0, 3);
    batch_add(&b, 20000, 8, 4);
    append(&w, &b);
    assert_lists(&w, "e_bucket",
                 "e_bucket{0} 0@20000/3\ne_bucket{4} 3@20000/2\ne_bucket{8} 8@20000/4\n");
    world_done(&w);
}

static void sums_and_long_labels(void **state) {
    (void)state;
    struct world w;
    struct batch b;
    char *longest = malloc(1 << 20);
    world_init(&w);
    memset(longest, 'x', 1 << 20);
    batch_init(&b, "jobs", WEIR_METRIC_TYPE_SUM);
    b.metric.monotonic = true;
    struct weir_attr attrs[] = {
        {WEIR_VIEW("a"), weir_value_str(weir_view(longest, 1 << 20))},
        {WEIR_VIEW("b"), weir_value_str(WEIR_VIEW("kept"))},
    };
    batch_add(&b, 20000, 3, 9)->attrs = (struct weir_attrs){attrs, 2};
    append(&w, &b);
    b.point.flags = 1; /* stale: nothing was measured */
    b.exemplars[0].time_ns = INT64_C(90000000000);
    append(&w, &b);
    assert_lists(&w, "jobs_total", "jobs_total{} 3@20000/9 b=kept\n");
    free(longest);
    world_done(&w);
}

/* ---- bounds ---- */

static void a_set_is_bounded(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_series_exemplars set = {0};
    weir_arena_init(&arena, 0);
    for (int64_t i = 0; i < WEIR_SERIES_EXEMPLARS_MAX + 5; i++) {
        struct weir_series_exemplar one = {.time_ms = i * 10000, .labels = WEIR_VIEW("")};
        assert_int_equal(weir_series_exemplars_add(&set, &arena, &one),
                         i < WEIR_SERIES_EXEMPLARS_MAX ? WEIR_SERIES_EXEMPLAR_KEPT
                                                       : WEIR_SERIES_EXEMPLAR_DROPPED);
    }
    assert_int_equal(set.count, WEIR_SERIES_EXEMPLARS_MAX);
    assert_int_equal(set.items[0]->time_ms, 50000);
    struct weir_series_exemplar old = {.time_ms = -1, .labels = WEIR_VIEW("")};
    assert_int_equal(weir_series_exemplars_add(&set, &arena, &old), WEIR_SERIES_EXEMPLAR_DROPPED);
    for (uint32_t i = 1; i < set.count; i++)
        assert_true(set.items[i - 1]->time_ms < set.items[i]->time_ms);
    /* The same place again and again takes no more memory. */
    size_t size = arena.size_bytes;
    for (int64_t i = 0; i < 100000; i++) {
        struct weir_series_exemplar one = {.time_ms = 60000 + i % 10000,
                                           .labels = WEIR_VIEW("\1a\1b")};
        one.trace_id[0] = (uint8_t)(i % 7);
        weir_series_exemplars_add(&set, &arena, &one);
    }
    assert_true(arena.size_bytes <= size + (1 << 20));
    weir_arena_done(&arena);
}

/* Cut anywhere or with flipped bits, bytes give an end or exemplars, and nothing beyond them is
 * read. */
static void malformed_bytes_end(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_series_exemplars set = {0};
    struct weir_buf bytes;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    weir_arena_init(&arena, 0);
    weir_buf_init(&bytes, 1 << 20);
    for (int64_t i = 0; i < 5; i++) {
        struct weir_series_exemplar one = {
            .time_ms = i * 20000 - 40000, .value = (double)i, .labels = WEIR_VIEW("\1a\1b")};
        one.trace_id[0] = (uint8_t)(i % 2);
        one.span_id[7] = (uint8_t)(i % 3);
        weir_series_exemplars_add(&set, &arena, &one);
    }
    weir_series_exemplars_encode(&bytes, &set);
    for (size_t len = 0; len <= bytes.len; len++)
        for (int flips = 0; flips < 50; flips++) {
            char *copy =
                malloc(len ? len : 1); /* its own block: the sanitizer sees each step too far */
            memcpy(copy, bytes.ptr, len);
            for (int i = 0; i < flips && len; i++)
                copy[weir_rand_below(&rand, len)] ^= (char)(1 << weir_rand_below(&rand, 8));
            struct weir_view rest = weir_view(copy, len);
            struct weir_series_exemplar one;
            int64_t time_ms = 0;
            uint32_t count = 0;
            while (rest.len && weir_series_exemplar_decode(&rest, &time_ms, &one)) {
                if (!flips) assert_int_equal(time_ms, set.items[count]->time_ms);
                assert_true(one.labels.len <= len);
                count++;
            }
            if (!flips) assert_true(len == bytes.len ? count == 5 : count < 5);
            free(copy);
        }
    weir_buf_done(&bytes);
    weir_arena_done(&arena);
}

static void they_leave_with_their_part(void **state) {
    (void)state;
    struct world w;
    struct batch b;
    uint64_t parts;
    world_init(&w);
    for (int64_t i = 1; i <= 3; i++) {
        batch_init(&b, "alpha", WEIR_METRIC_TYPE_GAUGE);
        b.point.time_ns = i * 100000 * INT64_C(1000000);
        batch_add(&b, i * 100000, (double)i, (uint8_t)i);
        append(&w, &b);
        flush(&w);
    }
    assert_lists(&w, "alpha", "alpha{} 1@100000/1 2@200000/2 3@300000/3\n");
    assert_int_equal(w.table->drop_before(w.table, INT64_C(250000000000), &parts, NULL), 0);
    assert_int_equal(parts, 2);
    assert_lists(&w, "alpha", "alpha{} 3@300000/3\n");
    world_done(&w);
}

/* ---- files ---- */

static void plain(struct world *w) {
    struct batch b;
    for (uint8_t s = 0; s < SERIES; s++) {
        struct weir_attr attr = {WEIR_VIEW("user"), weir_value_str(WEIR_VIEW("u"))};
        batch_init(&b, names[s], WEIR_METRIC_TYPE_GAUGE);
        if (s != 1)
            for (uint8_t i = 0; i < 3; i++)
                batch_add(&b, 10000 * (i + 1), s + i / 2.0, (uint8_t)(s * 10 + i))->attrs =
                    (struct weir_attrs){&attr, i == 2 ? 1 : 0};
        append(w, &b);
    }
    flush(w);
}

/* A table whose only part is the golden file. */
static void world_init_with(struct world *w, const char *file) {
    char golden[200], own[200];
    uint64_t id = 7;
    struct weir_manifest manifest = {.next_id = 8, .part_ids = &id, .parts_count = 1};
    world_init(w);
    w->table->close(w->table);
    assert_int_equal(weir_manifest_write(&w->disk, w->path, &manifest, NULL), 0);
    assert_true(weir_manifest_part_path(w->path, id, own, sizeof own));
    snprintf(golden, sizeof golden, GOLDEN_FOLDER "/%s", file);
    struct weir_buf bytes = golden_read(golden);
    assert_int_equal(weir_fs_write_file(own, weir_buf_view(&bytes), NULL), 0);
    weir_buf_done(&bytes);
    open_table(w);
}

static void merge_with_three_more(struct world *w) {
    bool did = false;
    atomic_bool stop = false;
    for (uint8_t n = 1; n <= 3; n++) {
        struct batch b;
        batch_init(&b, "zeta", WEIR_METRIC_TYPE_GAUGE);
        batch_add(&b, n * 10000, n, n);
        append(w, &b);
        flush(w);
    }
    assert_int_equal(w->table->merge(w->table, &stop, &did, NULL), 0);
    assert_true(did);
    struct weir_store_table_stats stats;
    w->table->stats(w->table, &stats);
    assert_int_equal(stats.parts_count, 1);
}

static void golden_parts(void **state) {
    (void)state;
    static const struct {
        const char *file, *text;
        uint64_t samples_count;
    } goldens[] = {{"series-v1.part", "", 12},
                   {"series-v2.part",
                    "alpha{} 0@10000/0 0.5@20000/1 1@30000/2 user=u\n"
                    "gamma{} 2@10000/20 2.5@20000/21 3@30000/22 user=u\n",
                    3}};
    struct world w;
    world_init(&w);
    plain(&w);
    struct weir_buf bytes = golden_read(weir_series_table_of(w.table)->parts[0]->path);
    golden_offer("series-v2.part", weir_buf_view(&bytes));
    weir_buf_done(&bytes);
    world_done(&w);
    for (size_t i = 0; i < 2; i++) {
        struct weir_store_table_stats stats;
        world_init_with(&w, goldens[i].file);
        w.seq = 100;
        w.table->stats(w.table, &stats);
        assert_int_equal(stats.parts_count, 1);
        assert_int_equal(stats.rows_count, goldens[i].samples_count);
        assert_lists(&w, "", goldens[i].text);
        merge_with_three_more(&w);
        assert_lists(&w, "alpha", i ? "alpha{} 0@10000/0 0.5@20000/1 1@30000/2 user=u\n" : "");
        assert_lists(&w, "zeta", "zeta{} 1@10000/1 2@20000/2 3@30000/3\n");
        world_done(&w);
    }
}

static void a_newer_version_is_refused(void **state) {
    (void)state;
    struct world w;
    struct weir_error err = {0};
    world_init(&w);
    plain(&w);
    char path[200];
    snprintf(path, sizeof path, "%s", weir_series_table_of(w.table)->parts[0]->path);
    w.table->close(w.table);
    struct weir_buf bytes = golden_read(path);
    char *trailer = bytes.ptr + bytes.len - WEIR_SERIES_TRAILER_SIZE;
    trailer[20] = WEIR_SERIES_PART_VERSION + 1;
    uint32_t crc = weir_crc32c(0, trailer, 24);
    memcpy(trailer + 24, &crc, 4);
    assert_int_equal(weir_fs_write_file(path, weir_buf_view(&bytes), NULL), 0);
    struct weir_store_table_options options = {
        .disk = &w.disk, .path = w.path, .memory_bytes_max = 1 << 26};
    assert_int_equal(weir_store_series_open(&options, &w.table, &err), WEIR_EVERSION);
    assert_non_null(strstr(err.message, "newer version"));
    trailer[20] = WEIR_SERIES_PART_VERSION;
    crc = weir_crc32c(0, trailer, 24);
    memcpy(trailer + 24, &crc, 4);
    assert_int_equal(weir_fs_write_file(path, weir_buf_view(&bytes), NULL), 0);
    weir_buf_done(&bytes);
    open_table(&w);
    world_done(&w);
}

/* Any flipped byte of the exemplars is noticed, and costs only who asks for them. */
static void damage_is_noticed(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    plain(&w);
    const struct weir_series_part *part = weir_series_table_of(w.table)->parts[0];
    assert_int_equal(part->exemplar_pages_count, 1);
    const struct weir_series_page *page = &part->exemplar_pages[0].page;
    struct weir_buf bytes = golden_read(part->path);
    char path[200];
    snprintf(path, sizeof path, "%s", part->path);
    for (uint32_t i = 0; i < page->stored_len; i++) {
        struct weir_error err = {0};
        struct listing l = {""};
        bytes.ptr[page->offset + i] ^= 0x20;
        assert_int_equal(weir_fs_write_file(path, weir_buf_view(&bytes), NULL), 0);
        w.table->close(w.table);
        open_table(&w);
        part = weir_series_table_of(w.table)->parts[0];
        page = &part->exemplar_pages[0].page;
        assert_int_equal(ask(&w, "", INT64_MIN, INT64_MAX, list, &l, &err), WEIR_ECORRUPT);
        assert_non_null(strstr(err.message, path));
        bytes.ptr[page->offset + i] ^= 0x20;
    }
    weir_buf_done(&bytes);
    world_done(&w);
}

/* ---- kill -9 ---- */

enum { BATCHES = 400 };

static struct weir_store *must_open_store(const char *path) {
    struct weir_store_options options = {.path = path,
                                         .sync_off = true,
                                         .retention_age_ns = -1,
                                         .flush_age_ns = 2000000,
                                         .upkeep_interval_ns = 2000000,
                                         .wal_segment_bytes = 16 << 10};
    struct weir_store *store = NULL;
    struct weir_error err = {0};
    if (weir_store_open(&options, &store, &err)) fail_msg("%s", err.message);
    return store;
}

/* crash_total{n="<number>"} with one exemplar, as a sender would encode it. */
static struct weir_otlp_batch *crash_batch(uint32_t number) {
    struct weir_buf buf;
    struct weir_otlp_batch *batch = NULL;
    struct weir_otlp_metric_open open;
    struct weir_otlp_group group;
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    uint8_t trace_id[16] = {1, (uint8_t)(number >> 8), (uint8_t)number}, span_id[8] = {1};
    struct weir_attr attr = {WEIR_VIEW("n"), weir_value_str(weir_view_str(text))};
    struct weir_otlp_metric metric = {.name = WEIR_VIEW("crash"),
                                      .type = WEIR_METRIC_TYPE_SUM,
                                      .temporality = WEIR_TEMPORALITY_CUMULATIVE,
                                      .monotonic = true};
    struct weir_otlp_exemplar exemplar = {
        .time_ns = 20000000000, .value = number, .trace_id = trace_id, .span_id = span_id};
    struct weir_otlp_point point = {.attrs = {&attr, 1},
                                    .time_ns = 30000000000,
                                    .value = number,
                                    .exemplars = &exemplar,
                                    .exemplars_count = 1};
    weir_buf_init(&buf, 1 << 20);
    weir_otlp_group_begin(&group, &buf, (struct weir_attrs){NULL, 0}, WEIR_VIEW("s"),
                          WEIR_VIEW("1"));
    weir_otlp_metric_begin(&open, &buf, &metric);
    weir_otlp_put_point(&open, &point);
    weir_otlp_metric_end(&open);
    weir_otlp_group_end(&group);
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &batch, NULL), 0);
    return batch;
}

static void tell(void *arg, const struct weir_sink_answer *answer) {
    char byte = answer->code == 0 ? '+' : '-';
    if (write(*(int *)arg, &byte, 1) != 1) _exit(3);
}

struct crash {
    bool seen[BATCHES];
};

static bool see(void *arg, const struct weir_exemplar_series *series) {
    struct crash *crash = arg;
    uint64_t number = UINT64_MAX;
    assert_true(weir_view_to_u64(label(series, "n"), &number) && number < BATCHES);
    assert_int_equal(series->exemplars_count, 1);
    const struct weir_exemplar *one = &series->exemplars[0];
    assert_true(one->value == (double)number && one->trace_id && one->span_id);
    assert_int_equal(one->trace_id[1] << 8 | one->trace_id[2], number);
    assert_false(crash->seen[number]);
    crash->seen[number] = true;
    return true;
}

static void survives_kill(void **state) {
    (void)state;
    char path[] = "/tmp/weir-exemplar-XXXXXX";
    int ends[2];
    uint32_t told = 0, wanted = 20 + (uint32_t)(weir_rand_seed() % (BATCHES - 40));
    assert_non_null(mkdtemp(path));
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct weir_store *store = must_open_store(path);
        for (uint32_t i = 0; i < BATCHES; i++)
            weir_sink_push(weir_store_sink(store), crash_batch(i), tell, &ends[1]);
        pause();
        _exit(0);
    }
    close(ends[1]);
    for (char byte; told < wanted && read(ends[0], &byte, 1) == 1; told++)
        assert_int_equal(byte, '+');
    assert_int_equal(told, wanted);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ends[0]);
    for (int again = 0; again < 2; again++) {
        struct weir_store *store = must_open_store(path);
        struct weir_source *source = weir_store_source(store);
        struct weir_series_select select = {.from_ms = 0, .until_ms = 40000};
        struct weir_query query;
        struct crash crash = {0};
        weir_query_init(&query, 0, 0);
        assert_int_equal(source->exemplars(source, &query, &select, see, &crash, NULL), 0);
        weir_query_done(&query);
        for (uint32_t i = 0; i < told; i++)
            if (!crash.seen[i]) fail_msg("exemplar %u of %u is missing", i, told);
        assert_int_equal(weir_store_flush(store, NULL), 0);
        assert_int_equal(weir_store_merge(store, NULL), 0);
        weir_store_close(store);
    }
    weir_fs_remove_all(path, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(a_bucket_has_what_it_counted),
        cmocka_unit_test(an_exponential_bucket_too),
        cmocka_unit_test(sums_and_long_labels),
        cmocka_unit_test(a_set_is_bounded),
        cmocka_unit_test(malformed_bytes_end),
        cmocka_unit_test(they_leave_with_their_part),
        cmocka_unit_test(golden_parts),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(survives_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
