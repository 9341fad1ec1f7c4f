/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "alert/notify.h"
#include "alert/template.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/thread.h"
#include "otlp/encode.h"
#include "otlp/value.h"

WEIR_COUNTER(evaluations, "weir_alert_rule_evaluations_total", "Rules that were evaluated.", "");
WEIR_COUNTER(failures, "weir_alert_rule_evaluation_failures_total",
             "Rules that could not be evaluated.", "");

enum { LABELS_MAX = 128, SERIES_MAX = 10000, OUT_SIZE_MAX = 64 << 20, BLOCK_SIZE_MAX = 1 << 20 };
#define RESOLVED_KEEP_NS (15 * 60 * WEIR_NS_PER_S) /* told again for so long, then forgotten */

/* An alert with all that it points to, in a block of its own. */
struct instance {
    struct weir_alert alert; /* first */
    struct instance *next;
    struct weir_arena arena;
    struct weir_view key; /* its labels, one after another */
    int64_t true_ns;      /* when the query last gave it */
    int64_t told_ns;
    bool changed; /* since it was told */
};

/* What a rule left in the store the last time, to mark as ended what is no longer there. */
struct trace {
    struct weir_arena arena;
    struct weir_map keys; /* label sets, encoded as attributes of a point */
};

struct progress {
    struct instance *alerts;
    struct trace traces[2]; /* this round's, the last one's */
    struct weir_alert_health health;
};

struct weir_alert_engine {
    struct weir_alert_options options;
    struct weir_alert_notifier *notifier;
    struct progress *rules; /* by index */
    int64_t *due_ns;        /* of the groups, monotonic */
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex; /* guards alerts and healths against visitors, stopping */
    pthread_cond_t wake;
    bool stopping;
    struct weir_query *query; /* that runs now; guarded by mutex */
};

/* ---- what goes to the store ------------------------------------------------------------------ */

/* Gauges of one evaluation. */
struct output {
    struct weir_buf buf;
    struct weir_otlp_group group;
    struct trace *now, *last;
    int64_t time_ns;
    bool some;
};

static void put_gauge(struct output *out, struct weir_view name, struct weir_attrs attrs,
                      double value, bool ended) {
    struct weir_otlp_metric_open open;
    const struct weir_otlp_metric metric = {.name = name, .type = WEIR_METRIC_TYPE_GAUGE};
    const struct weir_otlp_point point = {
        .attrs = attrs, .time_ns = out->time_ns, .value = value, .flags = ended ? 1 : 0};
    weir_otlp_metric_begin(&open, &out->buf, &metric);
    weir_otlp_put_point(&open, &point);
    weir_otlp_metric_end(&open);
    out->some = true;
}

/* A value under a name; noted, so that its end will be marked. */
static void put_series(struct output *out, struct weir_view name, const struct weir_label *labels,
                       uint32_t count, double value) {
    struct weir_attr attrs[LABELS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count && n < LABELS_MAX; i++)
        if (!weir_view_is(labels[i].name, "__name__"))
            attrs[n++] = (struct weir_attr){labels[i].name, weir_value_str(labels[i].value)};
    put_gauge(out, name, (struct weir_attrs){attrs, n}, value, false);
    struct weir_buf key;
    weir_buf_init(&key, BLOCK_SIZE_MAX);
    weir_buf_add_view(&key, name);
    weir_buf_add_char(&key, 0);
    weir_otlp_put_attrs(&key, 1, (struct weir_attrs){attrs, n});
    struct weir_view own = weir_arena_copy(&out->now->arena, weir_buf_view(&key));
    weir_buf_done(&key);
    if (own.ptr) weir_map_put(&out->now->keys, own, name.len, NULL);
}

/* The attributes out of a key that put_series made. */
static uint32_t read_key(struct weir_view encoded, struct weir_attr *attrs) {
    struct weir_pb pb = weir_pb(encoded);
    struct weir_pb_field field;
    uint32_t count = 0;
    while (count < LABELS_MAX && weir_pb_next(&pb, &field) > 0)
        if (weir_value_decode_attr(field.bytes, &attrs[count])) count++;
    return count;
}

static void put_ends(struct output *out) {
    for (uint32_t i = 0; i < out->last->keys.count; i++) {
        const struct weir_map_entry *entry = &out->last->keys.entries[i];
        struct weir_attr attrs[LABELS_MAX];
        if (weir_map_get(&out->now->keys, entry->key)) continue;
        uint32_t count = read_key(weir_view_from(entry->key, entry->value + 1), attrs);
        put_gauge(out, weir_view_upto(entry->key, entry->value), (struct weir_attrs){attrs, count},
                  0, true);
    }
}

static void forget(void *arg, const struct weir_sink_answer *answer) {
    (void)arg;
    if (answer->code != WEIR_OK) weir_metric_add(&failures, 1);
}

static void send_output(struct weir_alert_engine *engine, struct output *out) {
    struct weir_otlp_batch *batch;
    size_t len;
    weir_otlp_group_end(&out->group);
    if (out->some && !out->buf.failed) {
        char *body = weir_buf_take(&out->buf, &len);
        if (weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &batch, NULL) == WEIR_OK)
            weir_sink_push(engine->options.sink, batch, forget, NULL);
    }
    weir_buf_done(&out->buf);
}

/* ---- alerts ---------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    return weir_view_cmp(((const struct weir_label *)a)->name,
                         ((const struct weir_label *)b)->name);
}

/* The series' labels, the rule's on top, alertname; sorted. */
static uint32_t alert_labels(const struct weir_alert_rule *rule,
                             const struct weir_promql_series *series, struct weir_arena *arena,
                             struct weir_label *labels) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < series->labels_count && count < LABELS_MAX / 2; i++) {
        bool replaced = weir_view_is(series->labels[i].name, "__name__") ||
                        weir_view_is(series->labels[i].name, "alertname");
        for (uint32_t j = 0; j < rule->labels_count; j++)
            replaced |= weir_view_eq(rule->labels[j].name, series->labels[i].name);
        if (!replaced) labels[count++] = series->labels[i];
    }
    for (uint32_t j = 0; j < rule->labels_count && count < LABELS_MAX - 1; j++) {
        struct weir_buf text;
        weir_buf_init(&text, BLOCK_SIZE_MAX);
        weir_alert_template_add(&text, rule->labels[j].text, series->labels, series->labels_count,
                                series->values[0]);
        if (text.len)
            labels[count++] = (struct weir_label){rule->labels[j].name,
                                                  weir_arena_copy(arena, weir_buf_view(&text))};
        weir_buf_done(&text);
    }
    labels[count++] = (struct weir_label){WEIR_VIEW("alertname"), rule->name};
    qsort(labels, count, sizeof *labels, compare);
    return count;
}

static void labels_key(const struct weir_label *labels, uint32_t count, struct weir_buf *key) {
    for (uint32_t i = 0; i < count; i++) {
        weir_buf_add_view(key, labels[i].name);
        weir_buf_add_char(key, '=');
        weir_buf_add_view(key, labels[i].value);
        weir_buf_add_char(key, 0);
    }
}

static struct instance *find(struct progress *progress, struct weir_view key) {
    struct instance *instance = progress->alerts;
    while (instance && !weir_view_eq(instance->key, key)) instance = instance->next;
    return instance;
}

static struct weir_label *copy_labels(struct weir_arena *arena, const struct weir_label *labels,
                                      uint32_t count) {
    struct weir_label *own = WEIR_NEW_ARRAY(arena, struct weir_label, count + 1);
    for (uint32_t i = 0; own && i < count; i++)
        own[i] = (struct weir_label){weir_arena_copy(arena, labels[i].name),
                                     weir_arena_copy(arena, labels[i].value)};
    return own;
}

static void instance_free(struct instance *instance) {
    weir_arena_done(&instance->arena);
    free(instance);
}

static struct instance *make(struct progress *progress, const struct weir_alert_rule *rule,
                             const struct weir_label *labels, uint32_t count, struct weir_view key,
                             int64_t now_ns) {
    struct instance *instance = calloc(1, sizeof *instance);
    if (!instance) return NULL;
    weir_arena_init(&instance->arena, BLOCK_SIZE_MAX);
    instance->key = weir_arena_copy(&instance->arena, key);
    instance->alert = (struct weir_alert){.rule = rule,
                                          .labels = copy_labels(&instance->arena, labels, count),
                                          .labels_count = count,
                                          .active_ns = now_ns,
                                          .fingerprint = weir_view_hash(key)};
    if (instance->arena.failed) {
        instance_free(instance);
        return NULL;
    }
    instance->next = progress->alerts;
    return progress->alerts = instance;
}

/* Annotations tell the present value, so they are made anew each time. */
static void annotate(struct instance *instance, const struct weir_promql_series *series) {
    const struct weir_alert_rule *rule = instance->alert.rule;
    struct weir_label list[LABELS_MAX];
    uint32_t count = 0;
    struct weir_buf text;
    weir_buf_init(&text, BLOCK_SIZE_MAX);
    size_t starts[LABELS_MAX];
    for (uint32_t i = 0; i < rule->annotations_count && count < LABELS_MAX; i++) {
        starts[count] = text.len;
        list[count++].name = rule->annotations[i].name;
        weir_alert_template_add(&text, rule->annotations[i].text, series->labels,
                                series->labels_count, series->values[0]);
    }
    bool same = count == instance->alert.annotations_count;
    for (uint32_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? starts[i + 1] : text.len;
        list[i].value = weir_view(text.ptr + starts[i], end - starts[i]);
        same = same && weir_view_eq(list[i].value, instance->alert.annotations[i].value);
    }
    if (!same && !text.failed) {
        /* a new arena with the labels, since one only grows */
        struct weir_arena arena;
        weir_arena_init(&arena, BLOCK_SIZE_MAX);
        struct weir_view key = weir_arena_copy(&arena, instance->key);
        const struct weir_label *labels =
            copy_labels(&arena, instance->alert.labels, instance->alert.labels_count);
        const struct weir_label *annotations = copy_labels(&arena, list, count);
        if (arena.failed) {
            weir_arena_done(&arena);
        } else {
            weir_arena_done(&instance->arena);
            instance->arena = arena;
            instance->key = key;
            instance->alert.labels = labels;
            instance->alert.annotations = annotations;
            instance->alert.annotations_count = count;
        }
    }
    weir_buf_done(&text);
}

/* The query gave this series. */
static void is_true(struct progress *progress, const struct weir_alert_rule *rule,
                    const struct weir_promql_series *series, int64_t now_ns) {
    struct weir_label labels[LABELS_MAX];
    struct weir_arena scratch;
    struct weir_buf key;
    weir_arena_init(&scratch, BLOCK_SIZE_MAX);
    weir_buf_init(&key, BLOCK_SIZE_MAX);
    uint32_t count = alert_labels(rule, series, &scratch, labels);
    labels_key(labels, count, &key);
    struct instance *instance = find(progress, weir_buf_view(&key));
    if (!instance) instance = make(progress, rule, labels, count, weir_buf_view(&key), now_ns);
    if (instance) {
        struct weir_alert *alert = &instance->alert;
        if (alert->state == WEIR_ALERT_RESOLVED) {
            alert->state = WEIR_ALERT_PENDING;
            alert->active_ns = now_ns;
            alert->resolved_ns = 0;
        }
        alert->value = series->values[0];
        instance->true_ns = now_ns;
        if (alert->state == WEIR_ALERT_PENDING && now_ns - alert->active_ns >= rule->for_ns) {
            alert->state = WEIR_ALERT_FIRING;
            alert->fired_ns = now_ns;
            instance->changed = true;
        }
        annotate(instance, series);
    }
    weir_buf_done(&key);
    weir_arena_done(&scratch);
}

/* What the query no longer gives: pending ones go, firing ones are resolved, old ones forgotten. */
static void end_others(struct progress *progress, const struct weir_alert_rule *rule,
                       int64_t now_ns) {
    for (struct instance **at = &progress->alerts, *instance; (instance = *at);) {
        struct weir_alert *alert = &instance->alert;
        bool gone = instance->true_ns < now_ns;
        if (gone && alert->state == WEIR_ALERT_FIRING &&
            now_ns - instance->true_ns >= rule->keep_ns) {
            alert->state = WEIR_ALERT_RESOLVED;
            alert->resolved_ns = now_ns;
            instance->changed = true;
        }
        bool drop = gone && (alert->state == WEIR_ALERT_PENDING ||
                             (alert->state == WEIR_ALERT_RESOLVED &&
                              now_ns - alert->resolved_ns > RESOLVED_KEEP_NS));
        if (!drop) {
            at = &instance->next;
            continue;
        }
        *at = instance->next;
        instance_free(instance);
    }
}

static void put_alerts(struct output *out, const struct progress *progress) {
    for (const struct instance *instance = progress->alerts; instance; instance = instance->next) {
        const struct weir_alert *alert = &instance->alert;
        if (alert->state == WEIR_ALERT_RESOLVED) continue;
        int64_t active_s = alert->active_ns / WEIR_NS_PER_S; /* whole ones, as Prometheus has it */
        put_series(out, WEIR_VIEW("ALERTS_FOR_STATE"), alert->labels, alert->labels_count,
                   (double)active_s);
        struct weir_label labels[LABELS_MAX];
        uint32_t count =
            alert->labels_count < LABELS_MAX - 1 ? alert->labels_count : LABELS_MAX - 1;
        memcpy(labels, alert->labels, count * sizeof *labels);
        labels[count++] = (struct weir_label){
            WEIR_VIEW("alertstate"),
            alert->state == WEIR_ALERT_FIRING ? WEIR_VIEW("firing") : WEIR_VIEW("pending")};
        put_series(out, WEIR_VIEW("ALERTS"), labels, count, 1);
    }
}

/* ---- telling --------------------------------------------------------------------------------- */

/* Tells an Alertmanager-worth of alerts: those that changed, and firing ones from time to time. */
static void tell(struct weir_alert_engine *engine, int64_t now_ns) {
    const struct weir_alert **list = NULL;
    uint32_t count = 0, room = 0;
    bool due = false;
    int64_t resend_ns = engine->options.resend_ns ? engine->options.resend_ns : 60 * WEIR_NS_PER_S;
    for (uint32_t r = 0; r < engine->options.rules->rules_count; r++)
        for (struct instance *i = engine->rules[r].alerts; i; i = i->next)
            due |= i->changed ||
                   (i->alert.state == WEIR_ALERT_FIRING && now_ns - i->told_ns >= resend_ns);
    for (uint32_t r = 0; due && r < engine->options.rules->rules_count; r++)
        for (struct instance *i = engine->rules[r].alerts; i; i = i->next) {
            bool resolved = i->alert.state == WEIR_ALERT_RESOLVED && (i->changed || i->told_ns);
            if (i->alert.state != WEIR_ALERT_FIRING && !resolved) continue;
            if (count == room) {
                room = room ? 2 * room : 64;
                const struct weir_alert **grown = realloc(list, room * sizeof(*list));
                if (!grown) break;
                list = grown;
            }
            list[count++] = &i->alert;
            i->changed = false;
            i->told_ns = now_ns;
        }
    weir_alert_notifier_tell(engine->notifier, list, count);
    free(list);
}

/* ---- evaluating ------------------------------------------------------------------------------ */

static void trace_clear(struct trace *trace) {
    weir_map_clear(&trace->keys);
    weir_arena_reset(&trace->arena);
}

static void record(struct output *out, const struct weir_alert_rule *rule,
                   const struct weir_promql_series *series) {
    struct weir_label labels[LABELS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < series->labels_count && count < LABELS_MAX - rule->labels_count; i++) {
        bool replaced = false;
        for (uint32_t j = 0; j < rule->labels_count; j++)
            replaced |= weir_view_eq(rule->labels[j].name, series->labels[i].name);
        if (!replaced) labels[count++] = series->labels[i];
    }
    for (uint32_t j = 0; j < rule->labels_count && count < LABELS_MAX; j++)
        labels[count++] = (struct weir_label){rule->labels[j].name, rule->labels[j].text};
    put_series(out, rule->name, labels, count, series->values[0]);
}

static int ask(struct weir_alert_engine *engine, const struct weir_alert_rule *rule,
               struct weir_query *query, int64_t now_ns, struct weir_promql_result *result,
               struct weir_error *reterr) {
    const struct weir_promql_options options = {.start_ms = now_ns / WEIR_NS_PER_MS,
                                                .end_ms = now_ns / WEIR_NS_PER_MS,
                                                .text = rule->query};
    int rc = weir_promql_eval(query, engine->options.source, rule->expr, &options, result, reterr);
    if (!rc && result->type != WEIR_PROMQL_VECTOR && result->type != WEIR_PROMQL_SCALAR)
        rc = weir_error_set(reterr, WEIR_EINVALID, "a rule's expr must give a vector or a scalar");
    if (!rc && result->series_count > SERIES_MAX)
        rc = weir_error_set(reterr, WEIR_ELIMIT, "the expr gives %u series; at most %d",
                            result->series_count, SERIES_MAX);
    return rc;
}

static void evaluate(struct weir_alert_engine *engine, const struct weir_alert_rule *rule,
                     int64_t now_ns) {
    struct progress *progress = &engine->rules[rule->index];
    struct weir_promql_result result = {.series_count = 0};
    struct weir_error err = {.code = 0};
    struct weir_query query;
    int64_t started_ns = weir_clock_mono_ns();
    weir_query_init(&query, engine->options.query_memory_max, engine->options.query_timeout_ns);
    pthread_mutex_lock(&engine->mutex);
    engine->query = &query;
    if (engine->stopping) weir_query_cancel(&query);
    pthread_mutex_unlock(&engine->mutex);
    int rc = ask(engine, rule, &query, now_ns, &result, &err);
    struct output out = {
        .now = &progress->traces[0], .last = &progress->traces[1], .time_ns = now_ns};
    weir_buf_init(&out.buf, OUT_SIZE_MAX);
    weir_otlp_group_begin(&out.group, &out.buf, (struct weir_attrs){NULL, 0}, WEIR_VIEW(""),
                          WEIR_VIEW(""));
    pthread_mutex_lock(&engine->mutex);
    engine->query = NULL;
    for (uint32_t i = 0; !rc && i < result.series_count; i++) {
        if (rule->is_alert)
            is_true(progress, rule, &result.series[i], now_ns);
        else
            record(&out, rule, &result.series[i]);
    }
    if (!rc && rule->is_alert) end_others(progress, rule, now_ns);
    if (!rc && rule->is_alert) put_alerts(&out, progress);
    progress->health = (struct weir_alert_health){.evaluated_ns = now_ns,
                                                  .took_ns = weir_clock_mono_ns() - started_ns};
    if (rc) snprintf(progress->health.error, sizeof progress->health.error, "%.199s", err.message);
    pthread_mutex_unlock(&engine->mutex);
    weir_metric_add(&evaluations, 1);
    if (rc) {
        weir_metric_add(&failures, rc != WEIR_ECANCELED);
        weir_buf_done(&out.buf);
    } else {
        put_ends(&out);
        send_output(engine, &out);
        struct trace kept = progress->traces[0];
        progress->traces[0] = progress->traces[1];
        progress->traces[1] = kept;
        trace_clear(&progress->traces[0]);
    }
    weir_query_done(&query);
}

/* Groups that are due, in the order of the files; gives when the next one is. */
static int64_t evaluate_due(struct weir_alert_engine *engine) {
    const struct weir_alert_rules *rules = engine->options.rules;
    int64_t next_ns = INT64_MAX;
    bool some = false;
    for (uint32_t g = 0; g < rules->groups_count; g++) {
        const struct weir_alert_group *group = &rules->groups[g];
        if (engine->due_ns[g] <= weir_clock_mono_ns()) {
            int64_t now_ns = weir_clock_wall_ns();
            for (uint32_t r = 0; r < group->rules_count; r++)
                evaluate(engine, &group->rules[r], now_ns);
            engine->due_ns[g] += group->interval_ns;
            if (engine->due_ns[g] < weir_clock_mono_ns()) /* fell behind: no crowd of catching up */
                engine->due_ns[g] = weir_clock_mono_ns() + group->interval_ns;
            some = true;
        }
        if (engine->due_ns[g] < next_ns) next_ns = engine->due_ns[g];
    }
    if (some) {
        pthread_mutex_lock(&engine->mutex);
        if (!engine->stopping) tell(engine, weir_clock_wall_ns());
        pthread_mutex_unlock(&engine->mutex);
    }
    return next_ns;
}

static void *run(void *arg) {
    struct weir_alert_engine *engine = arg;
    for (;;) {
        int64_t next_ns = evaluate_due(engine);
        pthread_mutex_lock(&engine->mutex);
        struct timespec until = {.tv_sec = (time_t)(next_ns / WEIR_NS_PER_S),
                                 .tv_nsec = (long)(next_ns % WEIR_NS_PER_S)};
        if (!engine->stopping) pthread_cond_timedwait(&engine->wake, &engine->mutex, &until);
        bool stopping = engine->stopping;
        pthread_mutex_unlock(&engine->mutex);
        if (stopping) return NULL;
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

int weir_alert_engine_open(const struct weir_alert_options *options, struct weir_alert_engine **ret,
                           struct weir_error *reterr) {
    const struct weir_alert_rules *rules = options->rules;
    struct weir_alert_engine *engine = calloc(1, sizeof *engine);
    if (!engine) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    engine->options = *options;
    engine->rules = calloc(rules->rules_count + 1, sizeof *engine->rules);
    engine->due_ns = calloc(rules->groups_count + 1, sizeof *engine->due_ns);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&engine->mutex, NULL);
    int rc = engine->rules && engine->due_ns
                 ? weir_alert_notifier_open(options, &engine->notifier, reterr)
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    for (uint32_t i = 0; engine->rules && i < rules->rules_count; i++)
        for (int t = 0; t < 2; t++) {
            weir_arena_init(&engine->rules[i].traces[t].arena, 0);
            weir_map_init(&engine->rules[i].traces[t].keys);
        }
    int64_t now_ns = weir_clock_mono_ns();
    for (uint32_t g = 0; engine->due_ns && g < rules->groups_count; g++) engine->due_ns[g] = now_ns;
    if (!rc && rules->groups_count) {
        if ((rc = weir_thread_start(&engine->thread, "weir-rules", run, engine)))
            weir_error_set(reterr, rc, "no thread for the rules");
        engine->runs = rc == WEIR_OK;
    }
    if (rc)
        weir_alert_engine_close(engine);
    else
        *ret = engine;
    return rc;
}

void weir_alert_engine_close(struct weir_alert_engine *engine) {
    if (!engine) return;
    if (engine->runs) {
        pthread_mutex_lock(&engine->mutex);
        engine->stopping = true;
        if (engine->query) weir_query_cancel(engine->query);
        pthread_cond_signal(&engine->wake);
        pthread_mutex_unlock(&engine->mutex);
        pthread_join(engine->thread, NULL);
    }
    weir_alert_notifier_close(engine->notifier);
    for (uint32_t i = 0; engine->rules && i < engine->options.rules->rules_count; i++) {
        for (struct instance *at = engine->rules[i].alerts, *next; at; at = next) {
            next = at->next;
            instance_free(at);
        }
        for (int t = 0; t < 2; t++) {
            weir_map_done(&engine->rules[i].traces[t].keys);
            weir_arena_done(&engine->rules[i].traces[t].arena);
        }
    }
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->mutex);
    free(engine->due_ns);
    free(engine->rules);
    free(engine);
}

/* ---- asking ---------------------------------------------------------------------------------- */

void weir_alert_engine_each(struct weir_alert_engine *engine, const struct weir_alert_rule *rule,
                            void (*visit)(void *arg, const struct weir_alert *alert), void *arg) {
    pthread_mutex_lock(&engine->mutex);
    for (uint32_t i = 0; i < engine->options.rules->rules_count; i++) {
        if (rule && rule->index != i) continue;
        for (const struct instance *at = engine->rules[i].alerts; at; at = at->next)
            if (at->alert.state != WEIR_ALERT_RESOLVED) visit(arg, &at->alert);
    }
    pthread_mutex_unlock(&engine->mutex);
}

struct weir_alert_health weir_alert_engine_health(struct weir_alert_engine *engine,
                                                  const struct weir_alert_rule *rule) {
    pthread_mutex_lock(&engine->mutex);
    struct weir_alert_health health = engine->rules[rule->index].health;
    pthread_mutex_unlock(&engine->mutex);
    return health;
}

const struct weir_alert_rules *weir_alert_engine_rules(const struct weir_alert_engine *engine) {
    return engine->options.rules;
}
