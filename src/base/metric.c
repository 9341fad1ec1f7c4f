/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards first and the next links */
static struct weir_metric *first;

static int order(const struct weir_metric *a, const struct weir_metric *b) {
    int by_name = strcmp(a->name, b->name);
    return by_name ? by_name : strcmp(a->labels, b->labels);
}

void weir_metric_register(struct weir_metric *metric) {
    pthread_mutex_lock(&lock);
    struct weir_metric **at = &first;
    while (*at && order(*at, metric) < 0) at = &(*at)->next;
    metric->next = *at;
    *at = metric;
    pthread_mutex_unlock(&lock);
}

double weir_metric_get(const struct weir_metric *metric) {
    if (metric->read) return metric->read();
    return (double)atomic_load_explicit(&metric->value, memory_order_relaxed);
}

void weir_metric_each(void (*visit)(void *arg, const struct weir_metric *metric), void *arg) {
    pthread_mutex_lock(&lock);
    struct weir_metric *metric = first;
    pthread_mutex_unlock(&lock);
    for (; metric; metric = metric->next) visit(arg, metric);
}
