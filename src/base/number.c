/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t c_locale;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* NULL when the system has no memory for it: then the host's locale has to do. */
static locale_t get(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    return c_locale;
}

double weir_number_strtod(const char *text, char **ret_end) {
    locale_t c = get();
    return c ? strtod_l(text, ret_end, c) : strtod(text, ret_end);
}

int weir_number_vsnprintf(char *out, size_t size, const char *format, va_list args) {
    locale_t c = get(), host = c ? uselocale(c) : (locale_t)0;
    int len = vsnprintf(out, size, format, args);
    if (host) uselocale(host);
    return len;
}

int weir_number_snprintf(char *out, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = weir_number_vsnprintf(out, size, format, args);
    va_end(args);
    return len;
}
