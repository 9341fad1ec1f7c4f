/* SPDX-License-Identifier: Apache-2.0 */
/* gzip in a few kilobytes of code, where the library takes sixty: the plugin is in every process.
 *
 * One pass: a greedy match by the last place of the same four bytes, then Huffman codes of the
 * block's own. On OTLP that gives within a few per cent what the library gives at its lower levels.
 * `level` says nothing here.
 *
 * Threads: any. Memory: 200 KB while it runs.
 * Source: RFC 1951 (deflate), RFC 1952 (gzip).
 */
#include <stdlib.h>
#include <string.h>

#include "net/encoding.h"

enum {
    LITERALS = 286, /* codes of literals and lengths */
    DISTANCES = 30,
    LENGTHS = 19, /* codes of code lengths */
    END = 256,
    MATCH_MIN = 4,
    MATCH_MAX = 258,
    WINDOW = 32768,
    HASH_BITS = 14,
    TOKENS_MAX = 32768, /* of a block */
};

/* Prefix codes of one alphabet. */
struct code {
    uint32_t counts[LITERALS];
    uint16_t bits[LITERALS]; /* reversed, as they are written */
    uint8_t lengths[LITERALS];
};

struct work {
    const uint8_t *in;
    char *out;
    size_t in_size, out_size, out_room;
    uint64_t held; /* bits not written yet */
    unsigned held_count;
    bool failed;
    uint32_t heads[1 << HASH_BITS]; /* 1 + where these four bytes were last; 0: nowhere */
    uint32_t tokens[TOKENS_MAX];    /* a literal, or length << 16 | distance */
    uint32_t tokens_count;
    struct code literals, distances;
};

/* ── bits ────────────────────────────────────────────────────────────────────────────────────── */

static void put(struct work *work, uint32_t value, unsigned count) {
    work->held |= (uint64_t)value << work->held_count;
    work->held_count += count;
    while (work->held_count >= 8) {
        if (work->out_size == work->out_room) {
            work->failed = true;
            work->held_count = 0;
            return;
        }
        work->out[work->out_size++] = (char)work->held;
        work->held >>= 8;
        work->held_count -= 8;
    }
}

static void put_u32(struct work *work, uint32_t value) {
    put(work, value & 0xffff, 16);
    put(work, value >> 16, 16);
}

/* ── codes ───────────────────────────────────────────────────────────────────────────────────── */

struct leaf {
    uint32_t count;
    uint16_t symbol;
};

static int by_count(const void *a, const void *b) {
    const struct leaf *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    return x->symbol - y->symbol;
}

/* Huffman's tree over the sorted leaves; gives its depth. */
static unsigned measure(const struct leaf *leaves, unsigned count, uint8_t *lengths) {
    uint32_t weights[2 * LITERALS] = {0};
    uint16_t parents[2 * LITERALS] = {0};
    uint8_t depths[2 * LITERALS];
    unsigned leaf = 0, inner = count, made = count, deepest = 0;
    for (unsigned i = 0; i < count; i++) weights[i] = leaves[i].count;
    while (made < 2 * count - 1) {
        uint32_t sum = 0;
        for (int side = 0; side < 2; side++) {
            bool from_leaves = leaf < count && (inner == made || weights[leaf] <= weights[inner]);
            unsigned taken = from_leaves ? leaf++ : inner++;
            sum += weights[taken];
            parents[taken] = (uint16_t)made;
        }
        weights[made++] = sum;
    }
    depths[made - 1] = 0;
    for (unsigned i = made - 1; i-- > 0;) depths[i] = (uint8_t)(depths[parents[i]] + 1);
    for (unsigned i = 0; i < count; i++) {
        lengths[leaves[i].symbol] = depths[i];
        if (depths[i] > deepest) deepest = depths[i];
    }
    return deepest;
}

/* Lengths of at most `limit` bits: a tree that is too deep is made anew from flattened counts. */
static void make_lengths(struct code *code, unsigned symbols, unsigned limit) {
    struct leaf leaves[LITERALS];
    unsigned count = 0;
    memset(code->lengths, 0, sizeof code->lengths);
    for (unsigned i = 0; i < symbols; i++)
        if (code->counts[i]) leaves[count++] = (struct leaf){code->counts[i], (uint16_t)i};
    if (count == 1) code->lengths[leaves[0].symbol] = 1;
    if (count < 2) return;
    qsort(leaves, count, sizeof *leaves, by_count);
    while (measure(leaves, count, code->lengths) > limit)
        for (unsigned i = 0; i < count; i++) leaves[i].count = leaves[i].count / 2 + 1;
}

static void make_code(struct code *code, unsigned symbols, unsigned limit) {
    uint16_t next[17] = {0};
    make_lengths(code, symbols, limit);
    for (unsigned i = 0; i < symbols; i++) next[code->lengths[i] + 1]++;
    next[1] = 0;
    for (unsigned i = 2; i < 17; i++) next[i] = (uint16_t)((next[i - 1] + next[i]) << 1);
    for (unsigned i = 0; i < symbols; i++) {
        unsigned value = next[code->lengths[i]]++, reversed = 0;
        for (unsigned bit = 0; bit < code->lengths[i]; bit++)
            reversed |= (value >> bit & 1) << (code->lengths[i] - 1 - bit);
        code->bits[i] = (uint16_t)reversed;
    }
}

static void put_symbol(struct work *work, const struct code *code, unsigned symbol) {
    put(work, code->bits[symbol], code->lengths[symbol]);
}

/* ── a block ─────────────────────────────────────────────────────────────────────────────────── */

static unsigned log2_of(uint32_t value) {
    return 31 - (unsigned)__builtin_clz(value);
}

/* The code of a length (or distance), and its extra bits. */
static unsigned length_symbol(unsigned length, unsigned *ret_extra) {
    unsigned rest = length - 3, log = rest < 8 ? 0 : log2_of(rest);
    *ret_extra = 0;
    if (length == MATCH_MAX) return 285;
    if (rest < 8) return 257 + rest;
    *ret_extra = log - 2;
    return 257 + (log - 1) * 4 + (rest >> (log - 2) & 3);
}

static unsigned distance_symbol(unsigned distance, unsigned *ret_extra) {
    unsigned rest = distance - 1, log = rest < 4 ? 0 : log2_of(rest);
    *ret_extra = rest < 4 ? 0 : log - 1;
    return rest < 4 ? rest : 2 * log + (rest >> (log - 1) & 1);
}

static void put_token(struct work *work, uint32_t token) {
    unsigned length = token >> 16, distance = token & 0xffff, extra;
    if (!length) {
        put_symbol(work, &work->literals, token);
        return;
    }
    put_symbol(work, &work->literals, length_symbol(length, &extra));
    put(work, (length - 3) & ((1u << extra) - 1), extra);
    put_symbol(work, &work->distances, distance_symbol(distance, &extra));
    put(work, (distance - 1) & ((1u << extra) - 1), extra);
}

/* The lengths of both codes as a list of symbols with runs: 16 repeats the last 3 … 6 times, 17 and
 * 18 are zeros. A run is symbol | (times - least) << 8. */
static unsigned list_lengths(const uint8_t *lengths, unsigned count, uint16_t *ret) {
    unsigned made = 0;
    for (unsigned i = 0, run; i < count; i += run) {
        unsigned most = lengths[i] ? 7 : 138;
        for (run = 1; i + run < count && run < most && lengths[i + run] == lengths[i];) run++;
        if (!lengths[i] && run >= 11)
            ret[made++] = (uint16_t)(18 | (run - 11) << 8);
        else if (!lengths[i] && run >= 3)
            ret[made++] = (uint16_t)(17 | (run - 3) << 8);
        else {
            ret[made++] = lengths[i];
            if (lengths[i] && run >= 4)
                ret[made++] = (uint16_t)(16 | (run - 4) << 8);
            else
                run = 1;
        }
    }
    return made;
}

static void put_codes(struct work *work) {
    static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                           11, 4,  12, 3, 13, 2, 14, 1, 15};
    static const uint8_t extra[LENGTHS] = {[16] = 2, [17] = 3, [18] = 7};
    uint8_t lengths[LITERALS + DISTANCES];
    uint16_t list[LITERALS + DISTANCES];
    struct code code;
    memset(&code, 0, sizeof code);
    memcpy(lengths, work->literals.lengths, LITERALS);
    memcpy(lengths + LITERALS, work->distances.lengths, DISTANCES);
    unsigned count = list_lengths(lengths, LITERALS + DISTANCES, list), used = LENGTHS;
    for (unsigned i = 0; i < count; i++) code.counts[list[i] & 31]++;
    make_code(&code, LENGTHS, 7);
    while (used > 4 && !code.lengths[order[used - 1]]) used--;
    put(work, LITERALS - 257, 5);
    put(work, DISTANCES - 1, 5);
    put(work, used - 4, 4);
    for (unsigned i = 0; i < used; i++) put(work, code.lengths[order[i]], 3);
    for (unsigned i = 0; i < count; i++) {
        put_symbol(work, &code, list[i] & 31);
        put(work, list[i] >> 8, extra[list[i] & 31]);
    }
}

static void put_block(struct work *work, bool is_last) {
    unsigned extra;
    memset(work->literals.counts, 0, sizeof work->literals.counts);
    memset(work->distances.counts, 0, sizeof work->distances.counts);
    for (uint32_t i = 0; i < work->tokens_count; i++) {
        unsigned length = work->tokens[i] >> 16;
        work->literals.counts[length ? length_symbol(length, &extra) : work->tokens[i]]++;
        if (length) work->distances.counts[distance_symbol(work->tokens[i] & 0xffff, &extra)]++;
    }
    work->literals.counts[END] = 1;
    make_code(&work->literals, LITERALS, 15);
    make_code(&work->distances, DISTANCES, 15);
    put(work, is_last, 1);
    put(work, 2, 2);
    put_codes(work);
    for (uint32_t i = 0; i < work->tokens_count; i++) put_token(work, work->tokens[i]);
    put_symbol(work, &work->literals, END);
    work->tokens_count = 0;
}

/* ── the whole ───────────────────────────────────────────────────────────────────────────────── */

/* Four bytes a step, by tables that are made each time: quicker than to keep them in the file. */
static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
    uint32_t tables[4][256], crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        tables[0][i] = value;
    }
    for (int t = 1; t < 4; t++)
        for (int i = 0; i < 256; i++)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
    size_t i = 0;
    for (; i + 4 <= size; i += 4)
        crc = tables[3][(crc ^ bytes[i]) & 255] ^ tables[2][(crc >> 8 ^ bytes[i + 1]) & 255] ^
              tables[1][(crc >> 16 ^ bytes[i + 2]) & 255] ^ tables[0][crc >> 24 ^ bytes[i + 3]];
    for (; i < size; i++) crc = crc >> 8 ^ tables[0][(crc ^ bytes[i]) & 255];
    return ~crc;
}

/* How many bytes at `at` are those at `before`. */
static unsigned match(const struct work *work, size_t before, size_t at) {
    size_t left = work->in_size - at;
    unsigned most = left < MATCH_MAX ? (unsigned)left : MATCH_MAX, length = 0;
    while (length < most && work->in[before + length] == work->in[at + length]) length++;
    return length;
}

/* One token at `at`; gives how many bytes it stands for. */
static unsigned add_token(struct work *work, size_t at) {
    unsigned length = 0;
    size_t before = 0;
    if (work->in_size - at >= MATCH_MIN) {
        uint32_t four;
        memcpy(&four, work->in + at, sizeof four);
        uint32_t *head = &work->heads[four * 0x9e3779b1u >> (32 - HASH_BITS)];
        if (*head && at - (before = *head - 1) <= WINDOW) length = match(work, before, at);
        *head = (uint32_t)at + 1;
    }
    bool is_match = length >= MATCH_MIN;
    work->tokens[work->tokens_count++] =
        is_match ? length << 16 | (uint32_t)(at - before) : work->in[at];
    return is_match ? length : 1;
}

static void compress(struct work *work) {
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    for (size_t i = 0; i < sizeof head; i++) put(work, head[i], 8);
    for (size_t at = 0; at < work->in_size;) {
        at += add_token(work, at);
        if (work->tokens_count == TOKENS_MAX && at < work->in_size) put_block(work, false);
    }
    put_block(work, true);
    put(work, 0, (8 - work->held_count) & 7);
    put_u32(work, crc32_of(work->in, work->in_size));
    put_u32(work, (uint32_t)work->in_size);
}

/* A symbol takes at most 9 bits on the average, and a block's codes a few hundred bytes. */
static size_t bound(size_t size) {
    return size + size / 7 + (size / TOKENS_MAX + 1) * 512;
}

int weir_encoding_gzip(struct weir_view in, int level, struct weir_buf *out) {
    (void)level;
    if (in.len > UINT32_MAX / 2) return WEIR_ETOOBIG;
    struct work *work = calloc(1, sizeof *work);
    if (!work) return WEIR_ENOMEMORY;
    work->in = (const uint8_t *)in.ptr;
    work->in_size = in.len;
    work->out_room = bound(in.len);
    work->out = weir_buf_reserve(out, work->out_room);
    if (work->out) compress(work);
    bool good = work->out && !work->failed;
    if (good) out->len += work->out_size;
    free(work);
    return good ? WEIR_OK : WEIR_ENOMEMORY;
}
