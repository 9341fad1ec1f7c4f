/* SPDX-License-Identifier: Apache-2.0 */
/* Serves the web page: "/" leads to /ui/, files come with ETag and gzip, every address of the page
 * (/ui/traces, /ui/trace/…) gets index.html, from which the page itself goes on.
 *
 *     /ui/app-1A2B3C4D.js   the file; the name holds its hash: cached for a year
 *     /ui/traces            index.html; asked again each time (304 while unchanged)
 *     /ui/app-old.js        404: a name with a dot is a file, never a page
 *
 * Every answer carries a Content-Security-Policy that allows nothing but this server.
 *
 * Threads: handlers are quick and run on the loop.
 */
#ifndef WEIR_API_UI_H
#define WEIR_API_UI_H

#include "api/ui_files.h"
#include "net/http.h"

/* What is to be answered, decided without any I/O. */
struct weir_ui_answer {
    int status;                      /* 200, 302, 304 or 404 */
    const struct weir_ui_file *file; /* 200 and 304 */
    bool gzip;                       /* 200: send gz_bytes */
    bool immutable;                  /* the name holds the content's hash */
};

/* Decides on the percent-decoded path and two request headers ("" when absent). */
struct weir_ui_answer weir_ui_answer_for(struct weir_view path, struct weir_view accept_encoding,
                                         struct weir_view if_none_match);

/* The routes "/", "/ui", "/ui/" and below; they live as long as the program. */
const struct weir_http_route *weir_api_ui_routes(size_t *ret_count);

#endif
