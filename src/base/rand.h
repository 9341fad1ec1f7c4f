/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers: fast, seeded from the kernel, not for secrets (ids, sampling, jitter).
 *
 * A `struct weir_rand` is xoshiro256++ with explicit state, so that tests and simulations replay
 * from a seed. weir_rand_u64() uses one state per thread and re-seeds in a forked child.
 *
 * Threads: a struct has one owner; weir_rand_u64() may be called from any thread.
 * Source: Blackman, Vigna: Scrambled Linear Pseudorandom Number Generators (2018).
 */
#ifndef WEIR_BASE_RAND_H
#define WEIR_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

struct weir_rand {
    uint64_t state[4];
};

/* The same seed gives the same numbers, on every machine. */
void weir_rand_init(struct weir_rand *rand, uint64_t seed);
static inline uint64_t weir_rand_next(struct weir_rand *rand) {
    uint64_t *s = rand->state, sum = s[0] + s[3];
    uint64_t result = (sum << 23 | sum >> 41) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}
/* Uniform in [0, limit); limit > 0. */
uint64_t weir_rand_below(struct weir_rand *rand, uint64_t limit);
/* Uniform in [0, 1). */
double weir_rand_f64(struct weir_rand *rand);

/* This thread's generator. */
uint64_t weir_rand_u64(void);
/* Fills memory from this thread's generator. */
void weir_rand_fill(void *ptr, size_t size);
/* 64 bits from the kernel; falls back to clocks and addresses where there is no entropy call. */
uint64_t weir_rand_seed(void);

#endif
