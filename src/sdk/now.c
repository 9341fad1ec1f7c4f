/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/now.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#if defined(__x86_64__)

enum {
    INTERVAL_FIRST_MS = 10, /* the rate is measured over at least so long, at first … */
    INTERVAL_MS = 900,      /* … and once it is known */
    READING_MAX = 4096,     /* counts that a clock reading may take: more means that we were away */
    READINGS = 4,
    WINDOW_MS = 1,
};

static _Atomic uint64_t scale; /* 0: not known */

/* A clock and the counter at the same time; false if something came between them each time. The
 * first reading after a sleep is often slow. */
static bool read_both(int64_t (*clock)(void), int64_t *ret_ns, uint64_t *ret_counter) {
    uint64_t took = READING_MAX;
    for (int i = 0; took >= READING_MAX && i < READINGS; i++) {
        uint64_t before = __rdtsc();
        *ret_ns = clock();
        took = __rdtsc() - before;
        *ret_counter = before + took / 2;
    }
    return took < READING_MAX;
}

static bool is_trusted(void) {
    char name[8] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t size = read(fd, name, sizeof name - 1);
    close(fd);
    return size == 4 && memcmp(name, "tsc\n", 4) == 0;
}

void weir_now_measure(void) {
    static int64_t last_ns; /* 0: never */
    static uint64_t last_counter;
    int64_t now_ns;
    uint64_t counter;
    bool known = atomic_load_explicit(&scale, memory_order_relaxed) != 0;
    int64_t interval_ns = (known ? INTERVAL_MS : INTERVAL_FIRST_MS) * WEIR_NS_PER_MS;
    if (!read_both(weir_clock_mono_ns, &now_ns, &counter)) return;
    if (last_ns && now_ns - last_ns < interval_ns) return;
    uint64_t counts = counter - last_counter, found = 0;
    /* One clock that stood still while the other ran (the machine was suspended) shows as a rate
     * that no processor has: from 100 MHz to 100 GHz. */
    if (last_ns && is_trusted())
        found = (uint64_t)((double)(now_ns - last_ns) / (double)counts * 0x1p32);
    if (found > UINT64_C(10) << 32 || found < (UINT64_C(1) << 32) / 100) found = 0;
    atomic_store_explicit(&scale, found, memory_order_relaxed);
    last_ns = now_ns;
    last_counter = counter;
}

int64_t weir_now_anchor(struct weir_now *now) {
    int64_t wall_ns;
    uint64_t rate = atomic_load_explicit(&scale, memory_order_relaxed);
    if (!rate) {
        now->window = 0;
        return weir_clock_wall_ns();
    }
    bool good = read_both(weir_clock_wall_ns, &wall_ns, &now->counter);
    now->wall_ns = wall_ns;
    now->scale = rate;
    now->window = good ? (((uint64_t)WINDOW_MS * WEIR_NS_PER_MS) << 32) / rate : 0;
    return wall_ns;
}

#else

void weir_now_measure(void) {}

int64_t weir_now_anchor(struct weir_now *now) {
    (void)now;
    return weir_clock_wall_ns();
}

#endif
