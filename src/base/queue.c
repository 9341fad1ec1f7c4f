/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

struct weir_queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t filled, drained;
    size_t head, count, room;
    bool closed;
    void *items[];
};

struct weir_queue *weir_queue_new(size_t room) {
    struct weir_queue *queue = calloc(1, sizeof *queue + room * sizeof(void *));
    if (!queue) return NULL;
    queue->room = room;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, &attr);
    pthread_cond_init(&queue->drained, &attr);
    pthread_condattr_destroy(&attr);
    return queue;
}

void weir_queue_free(struct weir_queue *queue) {
    if (!queue) return;
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->filled);
    pthread_cond_destroy(&queue->drained);
    free(queue);
}

/* Called with the lock held and room free. */
static void add(struct weir_queue *queue, void *item) {
    queue->items[(queue->head + queue->count++) % queue->room] = item;
    pthread_cond_signal(&queue->filled);
}

bool weir_queue_try_push(struct weir_queue *queue, void *item) {
    pthread_mutex_lock(&queue->lock);
    bool fits = !queue->closed && queue->count < queue->room;
    if (fits) add(queue, item);
    pthread_mutex_unlock(&queue->lock);
    return fits;
}

bool weir_queue_push(struct weir_queue *queue, void *item) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->count == queue->room)
        pthread_cond_wait(&queue->drained, &queue->lock);
    bool open = !queue->closed;
    if (open) add(queue, item);
    pthread_mutex_unlock(&queue->lock);
    return open;
}

/* Waits (with the lock held) until something is there; gives up at the deadline. */
static void await_item(struct weir_queue *queue, int64_t timeout_ns) {
    int64_t until_ns = timeout_ns < 0 ? INT64_MAX : weir_clock_mono_ns() + timeout_ns;
    struct timespec until = {.tv_sec = until_ns / WEIR_NS_PER_S,
                             .tv_nsec = until_ns % WEIR_NS_PER_S};
    while (queue->count == 0 && !queue->closed) {
        if (timeout_ns < 0)
            pthread_cond_wait(&queue->filled, &queue->lock);
        else if (pthread_cond_timedwait(&queue->filled, &queue->lock, &until) != 0)
            return;
    }
}

void *weir_queue_pop(struct weir_queue *queue, int64_t timeout_ns) {
    pthread_mutex_lock(&queue->lock);
    if (timeout_ns != 0) await_item(queue, timeout_ns);
    void *item = NULL;
    if (queue->count) {
        item = queue->items[queue->head];
        queue->head = (queue->head + 1) % queue->room;
        queue->count--;
        pthread_cond_signal(&queue->drained);
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void weir_queue_close(struct weir_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_cond_broadcast(&queue->drained);
    pthread_mutex_unlock(&queue->lock);
}
