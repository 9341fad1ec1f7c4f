/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop: one thread, epoll for sockets, an eventfd to be woken, a heap of timers.
 *
 *     any thread ── post(task) ──▶ [tasks] ──┐
 *     sockets ─────────────────▶ epoll ──────┼──▶ the loop's thread
 *     timers ────────────────────────────────┘
 *
 * Order within one turn: socket events, then due timers, then posted tasks. A watch or timer that
 * is removed gets no further call; its memory may go in a task posted afterwards.
 *
 * Threads: per function; "loop" means the loop's own thread.
 * Memory: watches, timers and tasks lie in their owner's structs. A loop is shared by references,
 * so that a late answer can still be posted to a loop that has ended (and is told so).
 */
#ifndef WEIR_NET_LOOP_H
#define WEIR_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_loop;

struct weir_loop_task {
    struct weir_loop_task *next;
    void (*run)(void *arg);
    void *arg;
};

struct weir_loop_watch {
    void (*ready)(void *arg,
                  uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR */
    void *arg;
    int fd;
    uint32_t events; /* what is watched now */
    bool active;
};

struct weir_loop_timer {
    void (*fire)(void *arg);
    void *arg;
    int64_t at_ns; /* monotonic */
    size_t slot;   /* place in the heap + 1; 0 = not armed */
};

/* Starts the thread. NULL: memory, descriptors or threads are out. */
struct weir_loop *weir_loop_open(const char *name);
/* Ends the thread: runs what was posted before, then joins. Drops the opener's reference. Not from
 * the loop. Takes NULL. */
void weir_loop_close(struct weir_loop *loop);
struct weir_loop *weir_loop_ref(struct weir_loop *loop);
void weir_loop_unref(struct weir_loop *loop);

/* Runs the task on the loop, soon. False: the loop has ended, the task will not run. Keeps the task
 * until it runs. Threads: any. */
bool weir_loop_post(struct weir_loop *loop, struct weir_loop_task *task);
/* Runs the function on the loop and waits for it. Threads: any but the loop. */
void weir_loop_call(struct weir_loop *loop, void (*run)(void *arg), void *arg);
bool weir_loop_is_current(const struct weir_loop *loop);

/* Threads: loop. 0 or a weir code. */
int weir_loop_watch_add(struct weir_loop *loop, struct weir_loop_watch *watch, int fd,
                        uint32_t events);
void weir_loop_watch_set(struct weir_loop *loop, struct weir_loop_watch *watch, uint32_t events);
void weir_loop_watch_remove(struct weir_loop *loop, struct weir_loop_watch *watch);

/* Arms or moves a timer. False: no memory, it will not fire. Threads: loop. */
bool weir_loop_timer_set(struct weir_loop *loop, struct weir_loop_timer *timer, int64_t at_ns);
void weir_loop_timer_remove(struct weir_loop *loop, struct weir_loop_timer *timer);
/* Monotonic time as of this turn. Threads: loop. */
int64_t weir_loop_now_ns(const struct weir_loop *loop);
/* Room for one read of any socket, shared by all users of the loop. Threads: loop. */
#define WEIR_LOOP_SCRATCH_SIZE (256 * 1024)
char *weir_loop_scratch(struct weir_loop *loop);

#endif
