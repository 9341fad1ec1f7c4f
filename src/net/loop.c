/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#define EVENTS_PER_TURN 128

struct weir_loop {
    int epoll_fd, wake_fd;
    pthread_t thread;
    atomic_int refs;
    pthread_mutex_t lock; /* guards the tasks and `ended` */
    struct weir_loop_task *tasks_first, **tasks_last;
    bool ended;                      /* no more tasks are taken */
    bool stopping;                   /* loop thread only: leave after this turn */
    struct weir_loop_timer **timers; /* binary heap by at_ns; loop thread only */
    size_t timers_count, timers_room;
    int64_t now_ns;
    struct weir_loop_task stop_task;
    char *scratch;
};

/* ---- timers ---- */

static void heap_put(struct weir_loop *loop, size_t at, struct weir_loop_timer *timer) {
    loop->timers[at] = timer;
    timer->slot = at + 1;
}

static void heap_up(struct weir_loop *loop, size_t at) {
    struct weir_loop_timer *timer = loop->timers[at];
    while (at > 0 && loop->timers[(at - 1) / 2]->at_ns > timer->at_ns) {
        heap_put(loop, at, loop->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(loop, at, timer);
}

static void heap_down(struct weir_loop *loop, size_t at) {
    struct weir_loop_timer *timer = loop->timers[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->timers_count) break;
        if (child + 1 < loop->timers_count &&
            loop->timers[child + 1]->at_ns < loop->timers[child]->at_ns)
            child++;
        if (loop->timers[child]->at_ns >= timer->at_ns) break;
        heap_put(loop, at, loop->timers[child]);
        at = child;
    }
    heap_put(loop, at, timer);
}

bool weir_loop_timer_set(struct weir_loop *loop, struct weir_loop_timer *timer, int64_t at_ns) {
    timer->at_ns = at_ns;
    if (timer->slot == 0) {
        if (loop->timers_count == loop->timers_room) {
            size_t room = loop->timers_room ? loop->timers_room * 2 : 64;
            struct weir_loop_timer **timers = realloc(loop->timers, room * sizeof *timers);
            if (!timers) return false;
            loop->timers = timers;
            loop->timers_room = room;
        }
        heap_put(loop, loop->timers_count++, timer);
    }
    heap_up(loop, timer->slot - 1);
    heap_down(loop, timer->slot - 1);
    return true;
}

void weir_loop_timer_remove(struct weir_loop *loop, struct weir_loop_timer *timer) {
    if (timer->slot == 0) return;
    size_t at = timer->slot - 1;
    timer->slot = 0;
    struct weir_loop_timer *last = loop->timers[--loop->timers_count];
    if (last == timer) return;
    heap_put(loop, at, last);
    heap_up(loop, at);
    heap_down(loop, last->slot - 1);
}

static void run_timers(struct weir_loop *loop) {
    while (loop->timers_count && loop->timers[0]->at_ns <= loop->now_ns) {
        struct weir_loop_timer *timer = loop->timers[0];
        weir_loop_timer_remove(loop, timer);
        timer->fire(timer->arg);
    }
}

static int wait_ms(const struct weir_loop *loop) {
    if (loop->timers_count == 0) return -1;
    int64_t left_ns = loop->timers[0]->at_ns - weir_clock_mono_ns();
    if (left_ns <= 0) return 0;
    int64_t left_ms = left_ns / WEIR_NS_PER_MS + 1;
    return left_ms > 60000 ? 60000 : (int)left_ms;
}

/* ---- tasks ---- */

static void wake(struct weir_loop *loop) {
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written; /* full means: it is awake already */
}

bool weir_loop_post(struct weir_loop *loop, struct weir_loop_task *task) {
    task->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool taken = !loop->ended, was_empty = loop->tasks_first == NULL;
    if (taken) {
        *loop->tasks_last = task;
        loop->tasks_last = &task->next;
    }
    pthread_mutex_unlock(&loop->lock);
    if (taken && was_empty) wake(loop);
    return taken;
}

/* Runs what was posted up to now; what these post runs in the next turn. */
static void run_tasks(struct weir_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    struct weir_loop_task *task = loop->tasks_first;
    loop->tasks_first = NULL;
    loop->tasks_last = &loop->tasks_first;
    pthread_mutex_unlock(&loop->lock);
    while (task) {
        struct weir_loop_task *next = task->next; /* the task may free itself */
        task->run(task->arg);
        task = next;
    }
}

struct call {
    struct weir_loop_task task;
    void (*run)(void *arg);
    void *arg;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t changed;
    bool done;
};

static void run_call(void *arg) {
    struct call *call = arg;
    call->run(call->arg);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

void weir_loop_call(struct weir_loop *loop, void (*run)(void *arg), void *arg) {
    struct call call = {.run = run,
                        .arg = arg,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    call.task = (struct weir_loop_task){.run = run_call, .arg = &call};
    if (!weir_loop_post(loop, &call.task)) return;
    pthread_mutex_lock(&call.lock);
    while (!call.done) pthread_cond_wait(&call.changed, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.changed);
    pthread_mutex_destroy(&call.lock);
}

/* ---- sockets ---- */

int weir_loop_watch_add(struct weir_loop *loop, struct weir_loop_watch *watch, int fd,
                        uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return weir_error_from_errno(errno);
    watch->fd = fd;
    watch->events = events;
    watch->active = true;
    return WEIR_OK;
}

void weir_loop_watch_set(struct weir_loop *loop, struct weir_loop_watch *watch, uint32_t events) {
    if (!watch->active || watch->events == events) return;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0) watch->events = events;
}

void weir_loop_watch_remove(struct weir_loop *loop, struct weir_loop_watch *watch) {
    if (!watch->active) return;
    watch->active = false;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

/* ---- the thread ---- */

static void run_events(struct weir_loop *loop, struct epoll_event *events, int count) {
    for (int i = 0; i < count; i++) {
        struct weir_loop_watch *watch = events[i].data.ptr;
        if (!watch) {
            uint64_t drained;
            ssize_t got = read(loop->wake_fd, &drained, sizeof drained);
            (void)got;
        } else if (watch->active) {
            watch->ready(watch->arg, events[i].events);
        }
    }
}

static void *run(void *arg) {
    struct weir_loop *loop = arg;
    struct epoll_event events[EVENTS_PER_TURN];
    while (!loop->stopping) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_ms(loop));
        loop->now_ns = weir_clock_mono_ns();
        if (count > 0) run_events(loop, events, count);
        run_timers(loop);
        run_tasks(loop);
    }
    pthread_mutex_lock(&loop->lock);
    loop->ended = true;
    pthread_mutex_unlock(&loop->lock);
    run_tasks(loop);
    return NULL;
}

static void stop(void *arg) {
    struct weir_loop *loop = arg;
    loop->stopping = true;
}

struct weir_loop *weir_loop_open(const char *name) {
    struct weir_loop *loop = calloc(1, sizeof *loop);
    if (!loop) return NULL;
    atomic_init(&loop->refs, 1);
    pthread_mutex_init(&loop->lock, NULL);
    loop->tasks_last = &loop->tasks_first;
    loop->now_ns = weir_clock_mono_ns();
    loop->scratch = malloc(WEIR_LOOP_SCRATCH_SIZE);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (!loop->scratch || loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0 ||
        weir_thread_start(&loop->thread, name, run, loop) != 0) {
        weir_loop_unref(loop);
        return NULL;
    }
    return loop;
}

void weir_loop_close(struct weir_loop *loop) {
    if (!loop) return;
    loop->stop_task = (struct weir_loop_task){.run = stop, .arg = loop};
    weir_loop_post(loop, &loop->stop_task);
    pthread_join(loop->thread, NULL);
    weir_loop_unref(loop);
}

struct weir_loop *weir_loop_ref(struct weir_loop *loop) {
    atomic_fetch_add(&loop->refs, 1);
    return loop;
}

void weir_loop_unref(struct weir_loop *loop) {
    if (!loop || atomic_fetch_sub(&loop->refs, 1) != 1) return;
    if (loop->epoll_fd >= 0) close(loop->epoll_fd);
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop->timers);
    free(loop->scratch);
    free(loop);
}

bool weir_loop_is_current(const struct weir_loop *loop) {
    return pthread_equal(pthread_self(), loop->thread);
}

int64_t weir_loop_now_ns(const struct weir_loop *loop) {
    return loop->now_ns;
}

char *weir_loop_scratch(struct weir_loop *loop) {
    return loop->scratch;
}
