/* SPDX-License-Identifier: Apache-2.0 */
/* What stands at /ui when the server was built without the page. */
#include "api/ui_files.h"

static const unsigned char note[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Weir</title>"
    "<h1>Weir runs, without its page</h1>"
    "<p>This server was built with <code>-Dui=false</code>. Every API works: /api/v1 (Prometheus), "
    "/loki/api/v1, /api/search and /api/traces (Tempo), /weir/v1/status.</p>"
    "<p>To get the page, install Node.js 18 or newer and build with "
    "<code>-Dui=true</code>.</p></html>\n";

const struct weir_ui_file weir_ui_files[] = {
    {"index.html", "text/html; charset=utf-8", "\"note\"", note, sizeof note - 1, NULL, 0},
};
const size_t weir_ui_files_count = 1;
