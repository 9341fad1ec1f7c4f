/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough JSON for the examples' messages: a checked walk over the fields of one object. */
#ifndef EXAMPLES_COMMON_JSON_H
#define EXAMPLES_COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY };

struct json_field {
    char name[128];
    enum json_type type;
    double number;    /* NUMBER; BOOL: 0 or 1 */
    char str[512];    /* STRING, unescaped and cut */
    const char *text; /* OBJECT, ARRAY: its own text, to be walked by a further call … */
    size_t size;      /* … and its length */
};

/* Calls `field` for every field of the object in order. False when the text is not one well-formed
 * object (fields before the fault have been given). */
bool json_walk(const char *text, size_t size,
               void (*field)(void *arg, const struct json_field *field), void *arg);

#endif
