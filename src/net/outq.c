/* SPDX-License-Identifier: Apache-2.0 */
#include "net/outq.h"

#include <stdlib.h>

#define CHUNK_SIZE (16 * 1024)

struct weir_outq_chunk {
    struct weir_outq_chunk *next;
    char *ptr;      /* own room behind this struct, or taken memory */
    size_t at, len; /* the bytes [at, len) wait */
    size_t room;    /* len may grow up to it; 0 for taken memory */
};

void weir_outq_init(struct weir_outq *q) {
    *q = (struct weir_outq){0};
}

static void free_chunk(struct weir_outq_chunk *chunk) {
    if (chunk->ptr != (char *)(chunk + 1)) free(chunk->ptr);
    free(chunk);
}

void weir_outq_done(struct weir_outq *q) {
    while (q->first) {
        struct weir_outq_chunk *next = q->first->next;
        free_chunk(q->first);
        q->first = next;
    }
    weir_outq_init(q);
}

static void append(struct weir_outq *q, struct weir_outq_chunk *chunk) {
    if (q->last)
        q->last->next = chunk;
    else
        q->first = chunk;
    q->last = chunk;
}

void weir_outq_add(struct weir_outq *q, struct weir_view bytes) {
    if (bytes.len == 0 || q->failed) return;
    struct weir_outq_chunk *last = q->last;
    size_t fits = last && last->room > last->len ? last->room - last->len : 0;
    if (fits > bytes.len) fits = bytes.len;
    if (fits) memcpy(last->ptr + last->len, bytes.ptr, fits);
    if (fits) last->len += fits;
    q->len += fits;
    bytes = weir_view_from(bytes, fits);
    if (bytes.len == 0) return;
    size_t room = bytes.len > CHUNK_SIZE ? bytes.len : CHUNK_SIZE;
    struct weir_outq_chunk *chunk = malloc(sizeof *chunk + room);
    if (!chunk) {
        q->failed = true;
        return;
    }
    *chunk = (struct weir_outq_chunk){.ptr = (char *)(chunk + 1), .len = bytes.len, .room = room};
    memcpy(chunk->ptr, bytes.ptr, bytes.len);
    append(q, chunk);
    q->len += bytes.len;
}

void weir_outq_add_taken(struct weir_outq *q, char *ptr, size_t len) {
    if (len < CHUNK_SIZE / 2 || q->failed) {
        weir_outq_add(q, weir_view(ptr, len));
        free(ptr);
        return;
    }
    struct weir_outq_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk) {
        q->failed = true;
        free(ptr);
        return;
    }
    *chunk = (struct weir_outq_chunk){.ptr = ptr, .len = len};
    append(q, chunk);
    q->len += len;
}

int weir_outq_peek(const struct weir_outq *q, struct iovec *runs, int room) {
    int count = 0;
    for (struct weir_outq_chunk *c = q->first; c && count < room; c = c->next)
        runs[count++] = (struct iovec){c->ptr + c->at, c->len - c->at};
    return count;
}

void weir_outq_drop(struct weir_outq *q, size_t len) {
    q->len -= len;
    while (q->first && len >= q->first->len - q->first->at) {
        struct weir_outq_chunk *chunk = q->first;
        len -= chunk->len - chunk->at;
        q->first = chunk->next;
        if (!q->first) q->last = NULL;
        free_chunk(chunk);
    }
    if (q->first) q->first->at += len;
}
