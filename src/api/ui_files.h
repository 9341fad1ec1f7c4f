/* SPDX-License-Identifier: Apache-2.0 */
/* The web page's files as they lie in the program: the table that ui/build.mjs writes.
 *
 * index.html is always there. The other names carry a hash of their content, so that a name never
 * means other bytes. Without -Dui the table holds one page that says so.
 *
 * Threads: read-only. Memory: static.
 */
#ifndef WEIR_API_UI_FILES_H
#define WEIR_API_UI_FILES_H

#include <stddef.h>

struct weir_ui_file {
    const char *path;           /* below /ui/: "index.html", "app-1A2B3C4D.js" */
    const char *content_type;   /* with charset */
    const char *etag;           /* quoted, of the plain bytes */
    const unsigned char *bytes; /* as they are */
    size_t len;
    const unsigned char *gz_bytes; /* gzipped; NULL when there is no such form */
    size_t gz_len;
};

extern const struct weir_ui_file weir_ui_files[];
extern const size_t weir_ui_files_count;

#endif
