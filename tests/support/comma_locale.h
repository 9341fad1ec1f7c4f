/* SPDX-License-Identifier: Apache-2.0 */
/* A locale whose decimal point is a comma, as half of the world's hosts have it, made from the C
 * library's own C.utf8 (whose LC_NUMERIC file has one '.', and another in its wide form). */
#ifndef WEIR_TESTS_COMMA_LOCALE_H
#define WEIR_TESTS_COMMA_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define COMMA_SOURCE "/usr/lib/locale/C.utf8/LC_NUMERIC"

static inline bool comma_file(const char *folder) {
    unsigned char bytes[512];
    char path[128];
    FILE *in = fopen(COMMA_SOURCE, "rb");
    if (!in) return false;
    size_t size = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    /* Behind the magic number come the count and that many offsets; the first is the point's, the
     * fourth its wide form's. */
    uint32_t head[6];
    if (size < sizeof head) return false;
    memcpy(head, bytes, sizeof head);
    if (head[1] < 4 || head[2] >= size || head[5] >= size || bytes[head[2]] != '.') return false;
    bytes[head[2]] = bytes[head[5]] = ',';
    snprintf(path, sizeof path, "%s/comma/LC_NUMERIC", folder);
    FILE *out = fopen(path, "wb");
    if (!out) return false;
    bool good = fwrite(bytes, 1, size, out) == size;
    return fclose(out) == 0 && good;
}

static inline bool comma_set(void) {
    char folder[] = "/tmp/weir-unit-XXXXXX", path[128];
    if (!mkdtemp(folder)) return false;
    snprintf(path, sizeof path, "%s/comma", folder);
    bool good = mkdir(path, 0700) == 0 && comma_file(folder) && setenv("LOCPATH", folder, 1) == 0 &&
                setlocale(LC_NUMERIC, "comma");
    unsetenv("LOCPATH");
    snprintf(path, sizeof path, "%s/comma/LC_NUMERIC", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/comma", folder);
    rmdir(path);
    rmdir(folder);
    return good && strcmp(localeconv()->decimal_point, ",") == 0;
}

/* Setup of a test: from here to comma_locale_leave the process writes 1.5 as "1,5". Where the C
 * library keeps no such file the test runs as everywhere else, and says so. */
static inline int comma_locale_enter(void **state) {
    (void)state;
    if (access(COMMA_SOURCE, R_OK) == 0) return comma_set() ? 0 : -1;
    print_message("no " COMMA_SOURCE ": runs with a decimal point\n");
    return 0;
}

static inline int comma_locale_leave(void **state) {
    (void)state;
    return setlocale(LC_NUMERIC, "C") ? 0 : -1;
}

#endif
