/* SPDX-License-Identifier: Apache-2.0 */
/* How functions say that they failed: a negative code, and words for the one who can mend it.
 *
 *     struct weir_error err;
 *     if (weir_init(NULL, &err) != WEIR_OK) fprintf(stderr, "%s\n", err.message);
 *
 * The error argument is always last and always optional (NULL).
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <stdint.h>

enum weir_code {
    WEIR_OK = 0,
    WEIR_END = 1,           /* a cursor has nothing more: no failure */
    WEIR_EINVALID = -1,     /* invalid input */
    WEIR_ENOTFOUND = -2,    /* not found */
    WEIR_ETOOBIG = -3,      /* too large */
    WEIR_EUNSUPPORTED = -4, /* not supported */
    WEIR_EBUSY = -5,        /* busy, try again later */
    WEIR_EUNAVAILABLE = -6, /* unavailable, try again later */
    WEIR_ETIMEOUT = -7,     /* timed out */
    WEIR_ECANCELED = -8,    /* canceled */
    WEIR_EIO = -9,          /* input/output error */
    WEIR_ECORRUPT = -10,    /* data is corrupt */
    WEIR_ENOMEMORY = -11,   /* out of memory */
    WEIR_ELIMIT = -12,      /* limit exceeded */
    WEIR_EAUTH = -13,       /* not authenticated */
    WEIR_EFORBIDDEN = -14,  /* forbidden */
    WEIR_ECONFLICT = -15,   /* conflict */
    WEIR_EVERSION = -16,    /* written by a newer version */
    WEIR_EMETHOD = -17,     /* method not allowed */
    WEIR_EBUG = -18,        /* internal error */
    WEIR_ECLOSED = -19,     /* closed */
    WEIR_EFULL = -20        /* disk full */
};

/* What went wrong, in words for the one who can mend it: what, where, remedy. */
struct weir_error {
    int code;          /* one of enum weir_code */
    uint32_t line;     /* 1-based, 0 = unknown */
    uint32_t column;   /* 1-based, in bytes, 0 = unknown */
    char message[500]; /* NUL-terminated, cut if too long, always valid UTF-8 if the input was */
};

#endif
