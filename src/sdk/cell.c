/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/cell.h"

#include <stdlib.h>

enum {
    CHUNK = 64,      /* tables that are made at once; the first are static */
    CHUNKS_MAX = 64, /* threads past all of them share */
};

struct chunk {
    struct weir_cells tables[CHUNK];
};

static struct chunk first_chunk;
static struct chunk *_Atomic chunks[CHUNKS_MAX] = {&first_chunk};
static atomic_uint chunks_count = 1;
static atomic_uint tables_taken; /* by living threads */
static atomic_uint tables_used;  /* so many, from the first on, have had an owner */
static atomic_bool wanted;       /* some thread lacks a page or a table */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* pages and chunks are made under it */
static uint32_t next_cell;                               /* guarded by lock */

static struct weir_cells none;  /* of a thread that has no table … */
static struct weir_cells ended; /* … and of one that shall not take another */
_Thread_local struct weir_cells *weir_cells_own = &none;

static pthread_key_t key; /* only for its destructor */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static atomic_bool key_made;

/* ── tables ──────────────────────────────────────────────────────────────────────────────────── */

static struct weir_cells *table_at(unsigned index) {
    struct chunk *chunk = atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire);
    return &chunk->tables[index % CHUNK];
}

static unsigned tables_count(void) {
    return CHUNK * atomic_load_explicit(&chunks_count, memory_order_acquire);
}

static void give_back(struct weir_cells *table) {
    atomic_store_explicit(&table->taken, false, memory_order_release); /* with all its values */
    atomic_fetch_sub_explicit(&tables_taken, 1, memory_order_relaxed);
}

static void thread_ended(void *table) {
    weir_cells_own = &ended; /* other destructors may still measure */
    give_back(table);
}

static void make_key(void) {
    atomic_store(&key_made, pthread_key_create(&key, thread_ended) == 0);
}

static void note_used(unsigned index) {
    unsigned used = atomic_load_explicit(&tables_used, memory_order_relaxed);
    while (used <= index && !atomic_compare_exchange_weak(&tables_used, &used, index + 1)) {
    }
}

static struct weir_cells *take_table(void) {
    unsigned count = tables_count();
    if (atomic_load_explicit(&tables_taken, memory_order_relaxed) >= count) {
        atomic_store_explicit(&wanted, true, memory_order_release);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        struct weir_cells *table = table_at(i);
        bool taken = atomic_load_explicit(&table->taken, memory_order_relaxed);
        if (taken || !atomic_compare_exchange_strong_explicit(
                         &table->taken, &taken, true, memory_order_acquire, memory_order_relaxed))
            continue;
        atomic_fetch_add_explicit(&tables_taken, 1, memory_order_relaxed);
        note_used(i);
        return table;
    }
    return NULL;
}

/* True when the calling thread has a table afterwards. */
static bool own_table(void) {
    if (weir_cells_own != &none) return weir_cells_own != &ended;
    if (!atomic_load_explicit(&key_made, memory_order_acquire)) return false;
    struct weir_cells *table = take_table();
    if (!table) return false;
    if (pthread_setspecific(key, table) != 0) {
        give_back(table);
        return false;
    }
    weir_cells_own = table;
    return true;
}

_Atomic uint64_t *weir_cells_missed(uint32_t first) {
    if (first == WEIR_CELLS_NONE || !own_table()) return NULL;
    _Atomic uint64_t *cells = weir_cells_get(first); /* the owner before may have had it */
    if (cells) return cells;
    uint32_t page = first / WEIR_CELL_PAGE;
    _Atomic uint64_t *word = &weir_cells_own->wanted[page / 64];
    uint64_t before = weir_cell_read(word), bit = (uint64_t)1 << page % 64;
    if (!(before & bit)) {
        weir_cell_set(word, before | bit);
        atomic_store_explicit(&wanted, true, memory_order_release);
    }
    return NULL;
}

/* ── pages ───────────────────────────────────────────────────────────────────────────────────── */

/* Call with the lock held. */
static bool make_page(struct weir_cells *table, uint32_t page) {
    if (atomic_load_explicit(&table->pages[page], memory_order_relaxed)) return true;
    _Atomic uint64_t *cells = aligned_alloc(64, WEIR_CELL_PAGE * sizeof *cells);
    if (!cells) return false;
    for (uint32_t i = 0; i < WEIR_CELL_PAGE; i++) atomic_init(&cells[i], 0);
    atomic_store_explicit(&table->pages[page], cells, memory_order_release);
    return true;
}

void weir_cells_open(uint32_t first) {
    if (first == WEIR_CELLS_NONE || weir_cells_get(first) || !own_table()) return;
    pthread_mutex_lock(&lock);
    make_page(weir_cells_own, first / WEIR_CELL_PAGE);
    pthread_mutex_unlock(&lock);
}

/* Call with the lock held. */
static bool make_wanted_pages(struct weir_cells *table) {
    bool made = true;
    for (uint32_t word = 0; word < WEIR_CELL_PAGES / 64; word++) {
        uint64_t bits = weir_cell_read(&table->wanted[word]);
        for (; bits; bits &= bits - 1)
            made &= make_page(table, 64 * word + (uint32_t)__builtin_ctzll(bits));
    }
    return made;
}

/* Call with the lock held. */
static bool make_tables(void) {
    unsigned count = atomic_load_explicit(&chunks_count, memory_order_relaxed);
    if (atomic_load(&tables_taken) < count * CHUNK || count == CHUNKS_MAX) return true;
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk) return false;
    atomic_store_explicit(&chunks[count], chunk, memory_order_release);
    atomic_store_explicit(&chunks_count, count + 1, memory_order_release);
    return true;
}

void weir_cells_tick(void) {
    if (!atomic_load_explicit(&wanted, memory_order_relaxed)) return;
    pthread_mutex_lock(&lock);
    atomic_exchange_explicit(&wanted, false, memory_order_acq_rel); /* what is noted from here on
                                                                       is the next tick's */
    bool made = make_tables();
    unsigned used = weir_cells_tables();
    for (unsigned i = 0; i < used; i++) made &= make_wanted_pages(table_at(i));
    if (!made) atomic_store_explicit(&wanted, true, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
}

uint32_t weir_cells_reserve(uint32_t count, uint32_t align) {
    pthread_once(&key_once, make_key);
    pthread_mutex_lock(&lock);
    uint32_t first = (next_cell + align - 1) & ~(align - 1);
    if (first % WEIR_CELL_PAGE + count > WEIR_CELL_PAGE)
        first = (first / WEIR_CELL_PAGE + 1) * WEIR_CELL_PAGE;
    if (first < WEIR_CELLS_NONE)
        next_cell = first + count;
    else
        first = WEIR_CELLS_NONE;
    pthread_mutex_unlock(&lock);
    return first;
}

/* ── reading ─────────────────────────────────────────────────────────────────────────────────── */

unsigned weir_cells_tables(void) {
    return atomic_load(&tables_used);
}

const _Atomic uint64_t *weir_cells_at(unsigned table, uint32_t first) {
    const _Atomic uint64_t *page =
        atomic_load_explicit(&table_at(table)->pages[first / WEIR_CELL_PAGE], memory_order_acquire);
    return page ? page + first % WEIR_CELL_PAGE : NULL;
}

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t *weir_cells_lock(void) {
    return &lock;
}

static void clear(struct weir_cells *table) {
    for (uint32_t page = 0; page < WEIR_CELL_PAGES; page++) {
        _Atomic uint64_t *cells = atomic_load_explicit(&table->pages[page], memory_order_relaxed);
        for (uint32_t i = 0; cells && i < WEIR_CELL_PAGE; i++) weir_cell_set(&cells[i], 0);
    }
}

void weir_cells_forked(void) {
    unsigned count = tables_count(), taken = 0;
    for (unsigned i = 0; i < count; i++) {
        struct weir_cells *table = table_at(i);
        bool own = table == weir_cells_own;
        if (i < weir_cells_tables()) clear(table);
        if (atomic_load(&table->taken) != own) atomic_store(&table->taken, own);
        taken += own;
    }
    atomic_store(&tables_taken, taken);
}
