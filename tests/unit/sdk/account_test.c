/* SPDX-License-Identifier: Apache-2.0 */
/* Every span that was started is accounted for, whatever the receiver, the queue and the program's
 * threads do: started = exported + dropped + cancelled + open + waiting, exactly, and what counts
 * as exported is what the receiver took, each span once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "otlp/batch.h"
#include "sdk/exporter.h"
#include "unit.h"
#include "weir/trace.h"
#include "weir/weir.h"

enum { THREADS = 4, ROUNDS = 12, SPANS_MAX = 12000, HELD = 8 };

static uint64_t seed;
static struct weir_tracer *tracers[3];
static atomic_uint number; /* of spans: each has its own, as an attribute */
static unsigned round_now;

/* ── the receiver ────────────────────────────────────────────────────────────────────────────── */

static struct {
    pthread_mutex_t lock;
    struct weir_rand rand;
    unsigned failing, refusing, partial; /* of 100 requests */
    int64_t pause_ns;
    uint64_t taken;
    uint8_t *seen; /* by number */
    unsigned doubles;
} receiver = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Marks the spans of a request as taken, but for the last `rejected`. */
static void take(struct weir_view body, uint64_t rejected) {
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {.message = ""};
    char *copy = malloc(body.len);
    if (!copy) abort();
    memcpy(copy, body.ptr, body.len);
    if (weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, copy, body.len, 0, &batch, &err) != WEIR_OK)
        abort();
    for (uint32_t i = 0; i + rejected < batch->spans_count; i++) {
        const struct weir_value *n = weir_attrs_get(batch->spans[i].attrs, WEIR_VIEW("n"));
        if (!n || receiver.seen[n->i64]) receiver.doubles++;
        if (n) receiver.seen[n->i64] = 1;
        receiver.taken++;
    }
    weir_otlp_batch_unref(batch);
}

static uint32_t count_of(struct weir_view body) {
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {.message = ""};
    char *copy = malloc(body.len);
    if (!copy) abort();
    memcpy(copy, body.ptr, body.len);
    if (weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, copy, body.len, 0, &batch, &err) != WEIR_OK)
        abort();
    uint32_t count = batch->spans_count;
    weir_otlp_batch_unref(batch);
    return count;
}

static void send_to(struct weir_outbound *transport, struct weir_view body, int64_t timeout_ms,
                    struct weir_outbound_answer *ret) {
    (void)transport, (void)timeout_ms;
    *ret = (struct weir_outbound_answer){.retry_after_ms = -1};
    pthread_mutex_lock(&receiver.lock);
    unsigned draw = (unsigned)weir_rand_below(&receiver.rand, 100);
    if (receiver.pause_ns) weir_clock_sleep_ns(receiver.pause_ns);
    if (draw < receiver.failing) {
        ret->code = WEIR_EUNAVAILABLE;
        ret->retry = true;
        ret->retry_after_ms = 1;
    } else if (draw < receiver.failing + receiver.refusing) {
        ret->code = WEIR_EINVALID;
    } else {
        if (draw < receiver.failing + receiver.refusing + receiver.partial)
            ret->rejected = weir_rand_below(&receiver.rand, count_of(body) + 1);
        take(body, ret->rejected);
    }
    pthread_mutex_unlock(&receiver.lock);
}

static void ignore(struct weir_outbound *transport) {
    (void)transport;
}

static int open_receiver(const struct weir_config_otlp *otlp, enum weir_sdk_signal signal,
                         struct weir_outbound **ret, struct weir_error *reterr) {
    static struct weir_outbound transport = {send_to, ignore, ignore};
    (void)otlp, (void)signal, (void)reterr;
    *ret = &transport;
    return WEIR_OK;
}

/* ── the program ─────────────────────────────────────────────────────────────────────────────── */

struct worker {
    pthread_t thread;
    unsigned index;
    int spans;
    struct weir_span *held[HELD]; /* left open at the thread's end */
};

static struct weir_span *begin(struct weir_rand *rand) {
    struct weir_span *span = weir_span_start(tracers[weir_rand_below(rand, 3)], "s", NULL);
    weir_span_set(span, WEIR_INT("n", atomic_fetch_add(&number, 1)));
    if (weir_rand_below(rand, 50) == 0) { /* one that outgrows its block */
        char large[3000];
        memset(large, 'x', sizeof large);
        struct weir_attribute attr = weir_attribute_strn("large", large, sizeof large);
        weir_span_set(span, attr);
    }
    return span;
}

static void *work(void *arg) {
    struct worker *self = arg;
    struct weir_rand rand;
    weir_rand_init(&rand, seed + round_now * 100 + self->index);
    for (int i = 0; i < self->spans; i++) {
        struct weir_span **held = &self->held[weir_rand_below(&rand, HELD)];
        struct weir_span *span = begin(&rand), *before = *held;
        *held = span;
        if (weir_rand_below(&rand, 20) == 0)
            weir_span_cancel(before);
        else
            weir_span_end(before);
        if (weir_rand_below(&rand, 500) == 0) weir_flush(20, NULL);
        if (weir_rand_below(&rand, 1000) == 0) weir_clock_sleep_ns(WEIR_NS_PER_MS);
    }
    return NULL;
}

static struct weir_stats stats_now(void) {
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_stats_get(&stats);
    return stats;
}

static uint64_t ended(const struct weir_stats *s) {
    return s->spans_exported + s->spans_dropped_queue + s->spans_dropped_memory +
           s->spans_dropped_export + s->spans_dropped_closed + s->spans_cancelled;
}

static void check_sum(const char *when) {
    struct weir_stats s = stats_now();
    if (s.spans_started == ended(&s) + s.spans_open + s.spans_waiting) return;
    fail_msg("%s, round %u of seed %llu: %llu started, %llu ended, %llu open, %llu waiting", when,
             round_now, (unsigned long long)seed, (unsigned long long)s.spans_started,
             (unsigned long long)ended(&s), (unsigned long long)s.spans_open,
             (unsigned long long)s.spans_waiting);
}

static void configure(struct weir_rand *rand) {
    static const char *const queues[] = {"16", "300", "2048", "65536"};
    static const char *const batches[] = {"1", "16", "512", "8192"};
    size_t queue = weir_rand_below(rand, 4), batch = weir_rand_below(rand, 4);
    setenv("OTEL_BSP_MAX_QUEUE_SIZE", queues[queue], 1);
    setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batches[batch], 1);
    setenv("OTEL_BSP_SCHEDULE_DELAY", weir_rand_below(rand, 2) ? "5" : "5000", 1);
    setenv("OTEL_BSP_EXPORT_TIMEOUT", weir_rand_below(rand, 2) ? "20" : "30000", 1);
    receiver.failing = weir_rand_below(rand, 2) ? 30 : 0;
    receiver.refusing = weir_rand_below(rand, 2) ? 20 : 0;
    receiver.partial = weir_rand_below(rand, 2) ? 20 : 0;
    receiver.pause_ns = weir_rand_below(rand, 3) ? 0 : WEIR_NS_PER_MS;
}

static void one_round(struct weir_rand *rand) {
    struct weir_options options = {.struct_size = sizeof options,
                                   .metrics_exporter = "none",
                                   .logs_exporter = "none",
                                   .sampler = "always_on"};
    struct worker workers[THREADS] = {{.spans = 0}};
    uint64_t exported = stats_now().spans_exported;
    receiver.taken = 0;
    configure(rand);
    assert_int_equal(weir_init(&options, NULL), WEIR_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].index = i;
        workers[i].spans = (int)weir_rand_below(rand, SPANS_MAX);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    bool early = weir_rand_below(rand, 4) == 0; /* stopped while they work */
    if (early) weir_shutdown(500, NULL);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
    if (!early) weir_flush(50, NULL);
    if (!early) weir_flush(2000, NULL);
    struct weir_stats s = stats_now();
    if (!early && s.spans_open > THREADS * HELD) fail_msg("%d open", (int)s.spans_open);
    if (!early) weir_shutdown(2000, NULL);
    check_sum("shut down");
    for (unsigned i = 0; i < THREADS; i++)
        for (int n = 0; n < HELD; n++) weir_span_end(workers[i].held[n]);
    check_sum("at the end");
    assert_int_equal(stats_now().spans_open, 0);
    assert_int_equal(receiver.doubles, 0);
    assert_int_equal(stats_now().spans_exported - exported, receiver.taken);
}

static void spans_are_accounted_for(void **state) {
    struct weir_rand rand;
    (void)state;
    weir_exporter_transport_set(open_receiver);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"a", "b", "c"};
        tracers[i] = weir_tracer_get(names[i], NULL);
    }
    weir_rand_init(&rand, seed);
    weir_rand_init(&receiver.rand, seed + 1);
    receiver.seen = calloc(ROUNDS, THREADS * SPANS_MAX);
    assert_non_null(receiver.seen);
    for (round_now = 0; round_now < ROUNDS; round_now++) one_round(&rand);
    struct weir_stats s = stats_now();
    printf("%llu started: %llu exported, %llu dropped by a full queue, %llu by the receiver, %llu "
           "after the end, %llu cancelled\n",
           (unsigned long long)s.spans_started, (unsigned long long)s.spans_exported,
           (unsigned long long)s.spans_dropped_queue, (unsigned long long)s.spans_dropped_export,
           (unsigned long long)s.spans_dropped_closed, (unsigned long long)s.spans_cancelled);
    free(receiver.seen);
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed() % 1000000;
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(spans_are_accounted_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
