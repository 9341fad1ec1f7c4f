/* SPDX-License-Identifier: Apache-2.0 */
/* Which bucket of a histogram a value belongs to. */
#ifndef WEIR_SDK_BUCKET_H
#define WEIR_SDK_BUCKET_H

#include <stdint.h>
#include <string.h>

typedef double weir_bucket_pair __attribute__((vector_size(16)));
typedef int64_t weir_bucket_masks __attribute__((vector_size(16)));

/* The number of bounds below the value, which is no NaN: bounds belong to the bucket that they end.
 * `room`, a multiple of 8 and not 0, is how many there are with +Inf after the last. Compares two
 * at once and branches on none, since values come in no order that a processor could learn. */
static inline uint32_t weir_bucket_of(const double *bounds, uint32_t room, double value) {
    const weir_bucket_pair it = {value, value};
    weir_bucket_masks below = {0, 0}, more = {0, 0}; /* a mask is -1 */
    const double *end = bounds + room;
    do {
        weir_bucket_pair a, b, c, d;
        memcpy(&a, bounds, sizeof a);
        memcpy(&b, bounds + 2, sizeof b);
        memcpy(&c, bounds + 4, sizeof c);
        memcpy(&d, bounds + 6, sizeof d);
        below -= a < it;
        more -= b < it;
        below -= c < it;
        more -= d < it;
    } while ((bounds += 8) < end);
    below += more;
    return (uint32_t)(below[0] + below[1]);
}

#endif
