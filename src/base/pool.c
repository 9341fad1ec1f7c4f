/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/queue.h"
#include "base/thread.h"

struct job {
    weir_pool_job *run;
    void *arg;
};

struct weir_pool {
    struct weir_queue *jobs;
    size_t threads_count;
    pthread_t threads[];
};

static void *work(void *arg) {
    struct weir_pool *pool = arg;
    struct job *job;
    while ((job = weir_queue_pop(pool->jobs, -1))) {
        job->run(job->arg);
        free(job);
    }
    return NULL;
}

struct weir_pool *weir_pool_new(const char *name, size_t threads_count, size_t queue_room) {
    struct weir_pool *pool = calloc(1, sizeof *pool + threads_count * sizeof(pthread_t));
    if (!pool) return NULL;
    pool->jobs = weir_queue_new(queue_room);
    if (!pool->jobs) {
        free(pool);
        return NULL;
    }
    while (pool->threads_count < threads_count) {
        if (weir_thread_start(&pool->threads[pool->threads_count], name, work, pool) != 0) {
            weir_pool_free(pool);
            return NULL;
        }
        pool->threads_count++;
    }
    return pool;
}

void weir_pool_free(struct weir_pool *pool) {
    if (!pool) return;
    weir_queue_close(pool->jobs);
    for (size_t i = 0; i < pool->threads_count; i++) pthread_join(pool->threads[i], NULL);
    weir_queue_free(pool->jobs);
    free(pool);
}

bool weir_pool_try_run(struct weir_pool *pool, weir_pool_job *run, void *arg) {
    struct job *job = malloc(sizeof *job);
    if (!job) return false;
    *job = (struct job){run, arg};
    if (weir_queue_try_push(pool->jobs, job)) return true;
    free(job);
    return false;
}
