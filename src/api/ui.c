/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ui.h"

#include "net/token.h"

/* Styles set from scripts are no inline styles to a browser, so that 'self' is enough for them. */
#define POLICY                                                                                     \
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "               \
    "frame-ancestors 'none'; form-action 'self'"

#define ROOT "/ui/"

static const struct weir_ui_file *file_find(struct weir_view name) {
    for (size_t i = 0; i < weir_ui_files_count; i++)
        if (weir_view_is(name, weir_ui_files[i].path)) return &weir_ui_files[i];
    return NULL;
}

/* True when the list of entity tags holds this one, weak or not, or is "*". */
static bool tag_listed(struct weir_view list, const char *etag) {
    while (list.ptr && list.len) {
        struct weir_view tag = weir_view_trim(weir_view_cut(&list, ','));
        if (weir_view_starts(tag, WEIR_VIEW("W/"))) tag = weir_view_from(tag, 2);
        if (weir_view_is(tag, etag) || weir_view_is(tag, "*")) return true;
    }
    return false;
}

struct weir_ui_answer weir_ui_answer_for(struct weir_view path, struct weir_view accept_encoding,
                                         struct weir_view if_none_match) {
    struct weir_ui_answer answer = {.status = 404};
    if (weir_view_is(path, "/") || weir_view_is(path, "/ui")) {
        answer.status = 302;
        return answer;
    }
    if (!weir_view_starts(path, WEIR_VIEW(ROOT))) return answer;
    struct weir_view name = weir_view_from(path, sizeof ROOT - 1);
    const struct weir_ui_file *file = file_find(name);
    answer.immutable = file && !weir_view_is(name, "index.html");
    if (!file && weir_view_find(name, WEIR_VIEW(".")) == SIZE_MAX)
        file = file_find(WEIR_VIEW("index.html"));
    if (!file) return answer;
    answer.file = file;
    answer.status = tag_listed(if_none_match, file->etag) ? 304 : 200;
    answer.gzip =
        answer.status == 200 && file->gz_bytes && weir_http_accepts(accept_encoding, "gzip");
    return answer;
}

static void add_headers(struct weir_http_request *req, const struct weir_ui_answer *answer) {
    weir_http_reply_header(req, "Content-Security-Policy", WEIR_VIEW(POLICY));
    weir_http_reply_header(req, "X-Content-Type-Options", WEIR_VIEW("nosniff"));
    weir_http_reply_header(req, "X-Frame-Options", WEIR_VIEW("DENY"));
    weir_http_reply_header(req, "Referrer-Policy", WEIR_VIEW("no-referrer"));
    weir_http_reply_header(req, "Cross-Origin-Opener-Policy", WEIR_VIEW("same-origin"));
    if (!answer->file) return;
    weir_http_reply_header(req, "ETag", weir_view_str(answer->file->etag));
    weir_http_reply_header(req, "Vary", WEIR_VIEW("Accept-Encoding"));
    weir_http_reply_header(req, "Cache-Control",
                           answer->immutable ? WEIR_VIEW("public, max-age=31536000, immutable")
                                             : WEIR_VIEW("no-cache"));
}

static void serve(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_ui_answer answer =
        weir_ui_answer_for(req->path, weir_http_header(req, "accept-encoding"),
                           weir_http_header(req, "if-none-match"));
    const struct weir_ui_file *file = answer.file;
    add_headers(req, &answer);
    if (answer.status == 302) {
        weir_http_reply_header(req, "Location", WEIR_VIEW(ROOT));
        weir_http_reply_view(req, 302, "text/plain; charset=utf-8",
                             WEIR_VIEW("The page is at " ROOT "\n"));
    } else if (!file) {
        weir_http_reply_view(req, 404, "text/plain; charset=utf-8",
                             WEIR_VIEW("There is no such file; the page is at " ROOT "\n"));
    } else if (answer.status == 304) {
        weir_http_reply_view(req, 304, file->content_type, WEIR_VIEW(""));
    } else if (answer.gzip) {
        weir_http_reply_header(req, "Content-Encoding", WEIR_VIEW("gzip"));
        weir_http_reply_view(req, 200, file->content_type, weir_view(file->gz_bytes, file->gz_len));
    } else {
        weir_http_reply_view(req, 200, file->content_type, weir_view(file->bytes, file->len));
    }
}

const struct weir_http_route *weir_api_ui_routes(size_t *ret_count) {
    static const struct weir_http_route routes[] = {
        {.method = "GET", .pattern = "/", .handler = serve},
        {.method = "GET", .pattern = "/ui", .handler = serve},
        {.method = "GET", .pattern = "/ui/*", .handler = serve},
    };
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
