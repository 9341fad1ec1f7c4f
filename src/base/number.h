/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text in the C locale, whatever the program has set.
 *
 * libweir is a guest: a host with LC_NUMERIC=de_DE makes printf("%g") write "1,5" and strtod stop
 * at "1". What a protocol, a file or a language says is written and read through here:
 * weir_buf_printf and weir_arena_printf, weir_view_to_f64, and the functions below for those who
 * need them bare.
 *
 * Threads: any; the calling thread's locale is as before when a function returns.
 */
#ifndef WEIR_BASE_NUMBER_H
#define WEIR_BASE_NUMBER_H

#include <stdarg.h>
#include <stddef.h>

/* strtod; `ret_end` (may be NULL) gets the first byte that is not part of the number. */
double weir_number_strtod(const char *text, char **ret_end);
/* snprintf and vsnprintf; `out` borrowed, may be NULL when `size` is 0. */
int weir_number_snprintf(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int weir_number_vsnprintf(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
