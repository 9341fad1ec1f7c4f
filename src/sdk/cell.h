/* SPDX-License-Identifier: Apache-2.0 */
/* Cells: 8-byte sums that every thread keeps for itself, so that adding is a plain load and store.
 *
 *     a thread ─ own ─▶ table ─ page of the cell's number ─▶ [512 cells]       one writer each
 *     a reader ─────── all tables, the same page and place ──▶ adds them up
 *
 * Ranges of cells are numbered for the whole process. A thread takes a table at its first
 * measurement, from a pool, without a lock or an allocation, and notes which pages it lacks;
 * weir_cells_tick gives them to it. Until then, or when no table is left, the caller adds to a
 * place that all threads share. A table outlives its thread: the next goes on with its values.
 *
 * Threads: as said at each. Memory: tables and pages live until the process ends.
 */
#ifndef WEIR_SDK_CELL_H
#define WEIR_SDK_CELL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    WEIR_CELL_PAGE = 512,  /* cells of a page; no range crosses its end */
    WEIR_CELL_PAGES = 512, /* of a table; the last is never there: ranges past the others' room */
    WEIR_CELLS_NONE = WEIR_CELL_PAGE * (WEIR_CELL_PAGES - 1),
};

struct weir_cells {
    _Atomic uint64_t *_Atomic pages[WEIR_CELL_PAGES]; /* NULL: not there yet */
    _Atomic uint64_t wanted[WEIR_CELL_PAGES / 64];    /* bits; written by the owner */
    atomic_bool taken;                                /* by a thread that lives */
};

/* The calling thread's table, or one without pages. Small enough for the static block, so that
 * reading it is no call in a shared library either. */
extern _Thread_local struct weir_cells *weir_cells_own
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's cells of the range, or NULL: then ask weir_cells_missed. */
static inline _Atomic uint64_t *weir_cells_get(uint32_t first) {
    _Atomic uint64_t *page =
        atomic_load_explicit(&weir_cells_own->pages[first / WEIR_CELL_PAGE], memory_order_acquire);
    return __builtin_expect(page != NULL, 1) ? page + first % WEIR_CELL_PAGE : NULL;
}

/* The same after weir_cells_get gave NULL: takes a table, notes the page as wanted. NULL: not yet.
 * No lock, no allocation (but the C library's own, once a thread, in a process with more than 32
 * pthread keys). Any thread. */
_Atomic uint64_t *weir_cells_missed(uint32_t first);
/* Gives the calling thread the range's page now, if memory is there. Any thread. */
void weir_cells_open(uint32_t first);

/* Gives the number of the first of so many new cells, all zero, `align` (a power of two) dividing
 * it; WEIR_CELLS_NONE when there are no more. count <= WEIR_CELL_PAGE. Any thread. */
uint32_t weir_cells_reserve(uint32_t count, uint32_t align);
/* Allocates what threads have asked for; cheap when there is nothing. Any thread. */
void weir_cells_tick(void);

/* How many tables there are to read, and the cells of one of them; NULL: it has none there. */
unsigned weir_cells_tables(void);
const _Atomic uint64_t *weir_cells_at(unsigned table, uint32_t first);

/* Fork: the lock to hold across it; in the child all cells are zero and other threads gone. */
pthread_mutex_t *weir_cells_lock(void);
void weir_cells_forked(void);

/* ── one cell ────────────────────────────────────────────────────────────────────────────────── */

static inline uint64_t weir_cell_bits(double f64) {
    uint64_t bits;
    memcpy(&bits, &f64, sizeof bits);
    return bits;
}
static inline double weir_cell_f64(uint64_t bits) {
    double f64;
    memcpy(&f64, &bits, sizeof f64);
    return f64;
}
static inline uint64_t weir_cell_read(const _Atomic uint64_t *cell) {
    return atomic_load_explicit(cell, memory_order_relaxed);
}
static inline double weir_cell_read_f64(const _Atomic uint64_t *cell) {
    return weir_cell_f64(weir_cell_read(cell));
}
static inline void weir_cell_set(_Atomic uint64_t *cell, uint64_t bits) {
    atomic_store_explicit(cell, bits, memory_order_relaxed);
}
/* Adds to a cell of the calling thread's own. */
static inline void weir_cell_add(_Atomic uint64_t *cell, uint64_t amount) {
    weir_cell_set(cell, weir_cell_read(cell) + amount);
}

/* Doubles in the calling thread's own cells. Nobody else writes there, so reading is plain; writing
 * is one store of eight aligned bytes, which no compiler splits and readers see whole. As an atomic
 * access of C it would go through an integer register, and twice as slowly. */
static inline double weir_cell_own_f64(const _Atomic uint64_t *cell) {
    return *(const double *)(uintptr_t)cell;
}
__attribute__((no_sanitize("thread"))) static inline void weir_cell_own_set_f64(
    _Atomic uint64_t *cell, double value) {
    *(volatile double *)(uintptr_t)cell = value;
}

#endif
