/* SPDX-License-Identifier: Apache-2.0 */
/* libweir's version, and how its functions are exported.
 *
 * Every header under weir/ is plain C99 and can be included from C++. Handles are opaque; option
 * structs begin with `struct_size`, so that a program built against an older header keeps working.
 */
#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

#if defined(__GNUC__)
#define WEIR_API                        __attribute__((visibility("default")))
#define WEIR_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define WEIR_API
#define WEIR_PRINTF(format_at, args_at)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, "0.1.0"; never NULL. Any thread. */
WEIR_API const char *weir_version(void);

#ifdef __cplusplus
}
#endif
#endif
