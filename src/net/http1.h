/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 messages, without I/O and without allocation.
 *
 *     bytes ─▶ head_find ─▶ parse_request / parse_response ─▶ body_init ─▶ body_parse … done
 *
 * Strict on purpose: what two implementations could read differently is refused (bare CR or LF,
 * folded lines, blanks before the colon, Transfer-Encoding with Content-Length, differing lengths,
 * signs or blanks in chunk sizes). Parsers return 0, or the HTTP status to refuse with and a
 * reason.
 *
 * Threads: any; state is the caller's. Memory: views borrow the input.
 * Source: RFC 9112.
 */
#ifndef WEIR_NET_HTTP1_H
#define WEIR_NET_HTTP1_H

#include "base/buf.h"
#include "net/token.h"

#define WEIR_HTTP1_HEAD_SIZE_MAX      (64 * 1024)
#define WEIR_HTTP1_FIELDS_MAX         128
#define WEIR_HTTP1_TRAILER_SIZE_MAX   (8 * 1024) /* all trailer lines of one message */
#define WEIR_HTTP1_EXTENSION_SIZE_MAX (4 * 1024) /* all chunk extensions of one message */

/* Where weir_http1_head_find stopped looking; zero at the start of each head. */
struct weir_http1_scan {
    size_t at;         /* bytes looked at */
    size_t line_start; /* of the line that `at` is in */
};

struct weir_http1_head {
    struct weir_view method, target; /* request */
    int status;                      /* response */
    struct weir_view reason;         /* response */
    int minor;                       /* HTTP/1.minor: 0 or 1 */
    struct weir_http_field fields[WEIR_HTTP1_FIELDS_MAX];
    size_t fields_count;
    struct weir_view host;  /* request: the one Host field; ptr NULL if absent (HTTP/1.0) */
    int64_t content_length; /* -1: no such field */
    bool chunked;
    bool keep_alive;      /* the sender would go on with this connection */
    bool expect_continue; /* Expect: 100-continue */
    bool upgrade;         /* Connection: upgrade */
};

/* Looks for the end of the head that starts at bytes.ptr. *ret_len: its length with the empty line,
 * or 0 when more bytes are needed (call again with the same start and *scan). Line ends are checked
 * here, so that a sender of bare LFs is refused at once. */
int weir_http1_head_find(struct weir_view bytes, struct weir_http1_scan *scan, size_t *ret_len,
                         const char **ret_reason);
/* Parses a complete head as head_find measured it. */
int weir_http1_parse_request(struct weir_view head, struct weir_http1_head *ret,
                             const char **ret_reason);
int weir_http1_parse_response(struct weir_view head, struct weir_http1_head *ret,
                              const char **ret_reason);

enum weir_http1_body_kind { WEIR_HTTP1_LENGTH, WEIR_HTTP1_CHUNKED, WEIR_HTTP1_UNTIL_CLOSE };

struct weir_http1_body {
    enum weir_http1_body_kind kind;
    int state;       /* of the chunk decoder */
    uint64_t left;   /* bytes to come of the body, or of the chunk */
    unsigned digits; /* of the chunk size at hand */
    size_t extension_size, trailer_size;
    bool done; /* the body is complete; what follows is the next message */
};

/* For a request: by its head. */
void weir_http1_body_init_request(struct weir_http1_body *body, const struct weir_http1_head *head);
/* For a response: by its head and the method that it answers. */
void weir_http1_body_init_response(struct weir_http1_body *body, const struct weir_http1_head *head,
                                   struct weir_view method);
/* Moves *in past what was understood and gives the next run of content (empty: none in *in). Call
 * until *in is empty or body->done. */
int weir_http1_body_parse(struct weir_http1_body *body, struct weir_view *in,
                          struct weir_view *ret_content, const char **ret_reason);

/* "HTTP/1.1 200 OK\r\n"; fields and the empty line follow. */
void weir_http1_add_status(struct weir_buf *out, int status);
/* "name: value\r\n". Bytes that must not stand in a value become blanks: nobody
 * splits our heads. */
void weir_http1_add_field(struct weir_buf *out, struct weir_view name, struct weir_view value);
/* One chunk: size line, content, line end. */
void weir_http1_add_chunk(struct weir_buf *out, struct weir_view content);
#define WEIR_HTTP1_LAST_CHUNK "0\r\n\r\n"

#endif
