/* SPDX-License-Identifier: Apache-2.0 */
/* Random statements full of quotes and secrets, for a real database to judge: what it takes for a
 * value must not be in the text that is told. */
#ifndef WEIR_TESTS_SUPPORT_RANDOM_SQL_H
#define WEIR_TESTS_SUPPORT_RANDOM_SQL_H

#include <stdio.h>
#include <string.h>

#include "base/rand.h"

enum { RANDOM_SQL_SECRETS_MAX = 8 };

struct random_sql {
    char text[2048];
    char secrets[RANDOM_SQL_SECRETS_MAX][20]; /* each once in the text */
    int count;
};

static inline void random_sql_add(struct random_sql *sql, const char *piece, const char *secret) {
    size_t size = strlen(sql->text), before = strcspn(piece, "%"), secret_size = strlen(secret);
    if (size + strlen(piece) + secret_size >= sizeof sql->text) return;
    memcpy(sql->text + size, piece, before);
    size += before;
    if (piece[before]) {
        memcpy(sql->text + size, secret, secret_size);
        size += secret_size;
        before += 2; /* %s */
    }
    memcpy(sql->text + size, piece + before, strlen(piece + before) + 1);
}

/* One byte more, or one less, where it hurts. */
static inline void random_sql_spoil(struct random_sql *sql, struct weir_rand *rand) {
    static const char bytes[] = "'\"\\$-/*\n,()E[]`";
    size_t size = strlen(sql->text), at = 7 + weir_rand_below(rand, size - 6);
    if (weir_rand_below(rand, 2) && at < size) {
        memmove(sql->text + at, sql->text + at + 1, size - at);
    } else if (size + 2 < sizeof sql->text) {
        memmove(sql->text + at + 1, sql->text + at, size - at + 1);
        sql->text[at] = bytes[weir_rand_below(rand, sizeof bytes - 1)];
    }
}

/* SELECT with literals in every form, comments and separators; half of them spoiled. */
static inline void random_sql_make(struct random_sql *sql, struct weir_rand *rand,
                                   const char *const *forms, size_t forms_count) {
    static const char *const between[] = {", ", ",", " || ", "\n", " ", ", -- x\n ", " /* ' */ , "};
    int wanted = 1 + (int)weir_rand_below(rand, RANDOM_SQL_SECRETS_MAX - 1);
    *sql = (struct random_sql){.text = "SELECT "};
    for (int i = 0; i < wanted; i++) {
        snprintf(sql->secrets[sql->count], sizeof sql->secrets[0], "z%llxz",
                 (unsigned long long)weir_rand_next(rand) >> 16);
        if (i) random_sql_add(sql, between[weir_rand_below(rand, 7)], "");
        random_sql_add(sql, forms[weir_rand_below(rand, forms_count)], sql->secrets[sql->count]);
        sql->count++;
    }
    if (weir_rand_below(rand, 2)) random_sql_spoil(sql, rand);
}

#endif
