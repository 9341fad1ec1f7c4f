/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/receivers/self.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/thread.h"
#include "collect/receivers/process.h"
#include "otlp/encode.h"

enum { ATTRS_MAX = 8, BATCH_BYTES_MAX = 1 << 20 };

WEIR_COUNTER(refused, "weir_self_refused_total",
             "Batches of the server's own metrics that were refused.", "");

struct weir_self {
    struct weir_sink *sink;
    int64_t interval_ns, start_ns;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the flags */
    pthread_cond_t change;
    bool stopping;
    bool waiting; /* the sink has a batch and has not answered */
};

/* ---- encoding -------------------------------------------------------------------------------- */

/* A walk over the registry: families come together. */
struct walk {
    struct weir_buf *buf;
    struct weir_otlp_metric metric;
    struct weir_otlp_metric_open open;
    const char *family; /* of the open metric, or NULL */
    int64_t start_ns, now_ns;
};

/* `a="b",c="d"` into attributes; labels are literals of our own, so there are no escapes. */
static uint32_t split_labels(struct weir_view labels, struct weir_attr *attrs) {
    uint32_t count = 0;
    while (labels.len && count < ATTRS_MAX) {
        struct weir_view key = weir_view_cut(&labels, '=');
        labels = weir_view_from(labels, 1); /* the opening quote */
        struct weir_view value = weir_view_cut(&labels, '"');
        labels = weir_view_from(labels, 1); /* the comma */
        attrs[count++] = (struct weir_attr){key, weir_value_str(value)};
    }
    return count;
}

static void begin_family(struct walk *walk, const struct weir_metric *metric) {
    struct weir_view name = weir_view_str(metric->name), total = WEIR_VIEW("_total");
    bool counter = metric->kind == WEIR_METRIC_COUNTER;
    if (walk->family) weir_otlp_metric_end(&walk->open);
    /* The suffix is Prometheus' own; the translation puts it back. */
    if (counter && weir_view_ends(name, total)) name.len -= total.len;
    walk->metric = (struct weir_otlp_metric){
        .name = name,
        .description = weir_view_str(metric->help),
        .type = counter ? WEIR_METRIC_TYPE_SUM : WEIR_METRIC_TYPE_GAUGE,
        .temporality = WEIR_TEMPORALITY_CUMULATIVE,
        .monotonic = counter,
    };
    walk->family = metric->name;
    weir_otlp_metric_begin(&walk->open, walk->buf, &walk->metric);
}

static void add_metric(void *arg, const struct weir_metric *metric) {
    struct walk *walk = arg;
    struct weir_attr attrs[ATTRS_MAX];
    if (!walk->family || strcmp(walk->family, metric->name) != 0) begin_family(walk, metric);
    struct weir_otlp_point point = {
        .attrs = {attrs, split_labels(weir_view_str(metric->labels), attrs)},
        .start_ns = metric->kind == WEIR_METRIC_COUNTER ? walk->start_ns : 0,
        .time_ns = walk->now_ns,
        .is_int = !metric->read,
        .value = weir_metric_get(metric),
        .i64 = atomic_load_explicit(&metric->value, memory_order_relaxed),
    };
    weir_otlp_put_point(&walk->open, &point);
}

void weir_self_encode(struct weir_buf *buf, int64_t start_ns, int64_t now_ns) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct weir_attr resource[] = {
        {WEIR_VIEW("service.name"), weir_value_str(WEIR_VIEW("weir"))},
        {WEIR_VIEW("service.version"), weir_value_str(WEIR_VIEW(WEIR_VERSION))},
        {WEIR_VIEW("service.instance.id"), weir_value_str(weir_view_str(host))},
        {WEIR_VIEW("process.pid"), weir_value_i64(getpid())},
    };
    struct weir_otlp_group group;
    struct walk walk = {.buf = buf, .start_ns = start_ns, .now_ns = now_ns};
    weir_otlp_group_begin(&group, buf,
                          (struct weir_attrs){resource, sizeof resource / sizeof *resource},
                          WEIR_VIEW("weir"), WEIR_VIEW(WEIR_VERSION));
    weir_metric_each(add_metric, &walk);
    if (walk.family) weir_otlp_metric_end(&walk.open);
    weir_otlp_group_end(&group);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void on_done(void *arg, const struct weir_sink_answer *answer) {
    struct weir_self *self = arg;
    if (answer->code != WEIR_OK) weir_metric_add(&refused, 1);
    pthread_mutex_lock(&self->lock);
    self->waiting = false;
    pthread_cond_broadcast(&self->change);
    pthread_mutex_unlock(&self->lock);
}

static void push_all(struct weir_self *self) {
    struct weir_buf buf;
    struct weir_otlp_batch *batch;
    size_t len;
    weir_buf_init(&buf, BATCH_BYTES_MAX);
    weir_self_encode(&buf, self->start_ns, weir_clock_wall_ns());
    bool whole = !buf.failed;
    char *body = weir_buf_take(&buf, &len);
    if (!whole) free(body);
    if (!whole || weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &batch, NULL) < 0) {
        weir_metric_add(&refused, 1);
        return;
    }
    pthread_mutex_lock(&self->lock);
    self->waiting = true;
    pthread_mutex_unlock(&self->lock);
    weir_sink_push(self->sink, batch, on_done, self);
}

static struct timespec after(int64_t ns) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t sum = time.tv_nsec + ns;
    time.tv_sec += (time_t)(sum / WEIR_NS_PER_S);
    time.tv_nsec = (long)(sum % WEIR_NS_PER_S);
    return time;
}

/* One batch at a time: while the sink has not answered, nothing more is pushed. */
static void *run(void *arg) {
    struct weir_self *self = arg;
    pthread_mutex_lock(&self->lock);
    while (!self->stopping) {
        struct timespec deadline = after(self->interval_ns);
        while (!self->stopping &&
               pthread_cond_timedwait(&self->change, &self->lock, &deadline) != ETIMEDOUT)
            continue;
        if (self->stopping || self->waiting) continue;
        pthread_mutex_unlock(&self->lock);
        push_all(self);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

struct weir_self *weir_self_new(struct weir_sink *sink, int64_t interval_ms) {
    struct weir_self *self = calloc(1, sizeof *self);
    pthread_condattr_t monotonic;
    if (!self) return NULL;
    self->sink = sink;
    self->interval_ns = interval_ms * WEIR_NS_PER_MS;
    self->start_ns = weir_clock_wall_ns();
    weir_process_metrics_use();
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (weir_thread_start(&self->thread, "self", run, self) == WEIR_OK) return self;
    pthread_cond_destroy(&self->change);
    pthread_mutex_destroy(&self->lock);
    free(self);
    return NULL;
}

void weir_self_free(struct weir_self *self) {
    if (!self) return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->change);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    pthread_mutex_lock(&self->lock);
    while (self->waiting) pthread_cond_wait(&self->change, &self->lock);
    pthread_mutex_unlock(&self->lock);
    pthread_cond_destroy(&self->change);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
