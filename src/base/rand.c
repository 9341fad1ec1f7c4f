/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

static uint64_t splitmix(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

void weir_rand_init(struct weir_rand *rand, uint64_t seed) {
    for (int i = 0; i < 4; i++) rand->state[i] = splitmix(&seed);
}

uint64_t weir_rand_below(struct weir_rand *rand, uint64_t limit) {
    uint64_t threshold = (0 - limit) % limit, number;
    do number = weir_rand_next(rand);
    while (number < threshold);
    return number % limit;
}

double weir_rand_f64(struct weir_rand *rand) {
    return (double)(weir_rand_next(rand) >> 11) * 0x1p-53;
}

uint64_t weir_rand_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
    seed = (uint64_t)weir_clock_wall_ns() ^ (uint64_t)(uintptr_t)&seed;
    return splitmix(&seed) ^ (uint64_t)weir_clock_mono_ns();
}

static unsigned fork_generation = 1;
static _Thread_local struct {
    struct weir_rand rand;
    unsigned generation; /* of the fork that it was seeded in; 0 = never */
} own;

static void forked(void) {
    __atomic_add_fetch(&fork_generation, 1, __ATOMIC_RELAXED);
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, forked);
}

uint64_t weir_rand_u64(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned generation = __atomic_load_n(&fork_generation, __ATOMIC_RELAXED);
    if (__builtin_expect(own.generation != generation, 0)) {
        pthread_once(&once, watch_forks);
        weir_rand_init(&own.rand, weir_rand_seed());
        own.generation = generation;
    }
    return weir_rand_next(&own.rand);
}

void weir_rand_fill(void *ptr, size_t size) {
    char *to = ptr;
    while (size) {
        uint64_t number = weir_rand_u64();
        size_t step = size < sizeof number ? size : sizeof number;
        memcpy(to, &number, step);
        to += step;
        size -= step;
    }
}
