/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http1.h"

#include "base/text.h"

/* ---- head ---- */

int weir_http1_head_find(struct weir_view bytes, struct weir_http1_scan *scan, size_t *ret_len,
                         const char **ret_reason) {
    size_t limit = bytes.len < WEIR_HTTP1_HEAD_SIZE_MAX ? bytes.len : WEIR_HTTP1_HEAD_SIZE_MAX;
    *ret_len = 0;
    while (scan->at < limit) {
        const char *end = memchr(bytes.ptr + scan->at, '\n', limit - scan->at);
        if (!end) {
            scan->at = limit;
            break;
        }
        size_t at = (size_t)(end - bytes.ptr);
        if (at == scan->line_start || bytes.ptr[at - 1] != '\r') {
            *ret_reason = "a line of the request head ends without CR LF";
            return 400;
        }
        scan->at = at + 1;
        if (at == scan->line_start + 1) {
            *ret_len = at + 1;
            return 0;
        }
        scan->line_start = at + 1;
    }
    if (bytes.len < WEIR_HTTP1_HEAD_SIZE_MAX) return 0;
    *ret_reason = "the request head is larger than 64 KiB";
    return 431;
}

/* The next line of a head without its CR LF; head_find saw to it that each has one. */
static struct weir_view cut_line(struct weir_view *head) {
    struct weir_view line = weir_view_cut(head, '\n');
    if (line.len) line.len--;
    return line;
}

static bool parse_version(struct weir_view v, int *ret_minor) {
    if (v.len != 8 || !weir_view_starts(v, WEIR_VIEW("HTTP/1."))) return false;
    if (v.ptr[7] != '0' && v.ptr[7] != '1') return false;
    *ret_minor = v.ptr[7] - '0';
    return true;
}

static int refuse(const char **ret_reason, int status, const char *reason) {
    *ret_reason = reason;
    return status;
}

static int parse_field(struct weir_view line, struct weir_http_field *ret,
                       const char **ret_reason) {
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return refuse(ret_reason, 400, "a header line is folded");
    struct weir_view value = line, name = weir_view_cut(&value, ':');
    if (!value.ptr) return refuse(ret_reason, 400, "a header line has no colon");
    if (!weir_http_is_token(name)) return refuse(ret_reason, 400, "a header name is malformed");
    if (!weir_http_is_value(value))
        return refuse(ret_reason, 400, "a header value has a control character");
    *ret = (struct weir_http_field){name, weir_view_trim(value)};
    return 0;
}

/* "5", and "5, 5" or repeated fields when all agree. */
static int note_content_length(struct weir_http1_head *head, struct weir_view value,
                               const char **ret_reason) {
    do {
        uint64_t length;
        if (!weir_view_to_u64(weir_view_trim(weir_view_cut(&value, ',')), &length) ||
            length > INT64_MAX)
            return refuse(ret_reason, 400, "Content-Length is not a number");
        if (head->content_length >= 0 && head->content_length != (int64_t)length)
            return refuse(ret_reason, 400, "Content-Length values differ");
        head->content_length = (int64_t)length;
    } while (value.ptr);
    return 0;
}

static int note_transfer_encoding(struct weir_http1_head *head, struct weir_view value,
                                  const char **ret_reason) {
    if (head->chunked) return refuse(ret_reason, 400, "Transfer-Encoding is given twice");
    if (!weir_view_eq_nocase(value, WEIR_VIEW("chunked")))
        return refuse(ret_reason, 501, "Transfer-Encoding other than chunked is not supported");
    head->chunked = true;
    return 0;
}

/* Reads what decides about framing and the connection. */
static int note_field(struct weir_http1_head *head, const struct weir_http_field *field,
                      const char **ret_reason) {
    struct weir_view name = field->name, value = field->value;
    if (weir_view_eq_nocase(name, WEIR_VIEW("content-length")))
        return note_content_length(head, value, ret_reason);
    if (weir_view_eq_nocase(name, WEIR_VIEW("transfer-encoding")))
        return note_transfer_encoding(head, value, ret_reason);
    if (weir_view_eq_nocase(name, WEIR_VIEW("host"))) {
        if (head->host.ptr) return refuse(ret_reason, 400, "Host is given twice");
        head->host = value;
    } else if (weir_view_eq_nocase(name, WEIR_VIEW("connection"))) {
        if (weir_http_list_has(value, "close"))
            head->keep_alive = false;
        else if (weir_http_list_has(value, "keep-alive"))
            head->keep_alive = true;
        if (weir_http_list_has(value, "upgrade")) head->upgrade = true;
    } else if (weir_view_eq_nocase(name, WEIR_VIEW("expect"))) {
        if (!weir_view_eq_nocase(value, WEIR_VIEW("100-continue")))
            return refuse(ret_reason, 417, "Expect other than 100-continue is not supported");
        head->expect_continue = true;
    }
    return 0;
}

static int parse_fields(struct weir_view rest, struct weir_http1_head *head,
                        const char **ret_reason) {
    head->content_length = -1;
    head->keep_alive = head->minor == 1;
    for (;;) {
        struct weir_view line = cut_line(&rest);
        if (line.len == 0) break;
        if (head->fields_count == WEIR_HTTP1_FIELDS_MAX)
            return refuse(ret_reason, 431, "there are more than 128 headers");
        struct weir_http_field *field = &head->fields[head->fields_count++];
        int status = parse_field(line, field, ret_reason);
        if (status == 0) status = note_field(head, field, ret_reason);
        if (status) return status;
    }
    if (head->chunked && head->content_length >= 0)
        return refuse(ret_reason, 400, "Transfer-Encoding and Content-Length exclude each other");
    if (head->chunked && head->minor == 0)
        return refuse(ret_reason, 400, "Transfer-Encoding needs HTTP/1.1");
    return 0;
}

int weir_http1_parse_request(struct weir_view rest, struct weir_http1_head *ret,
                             const char **ret_reason) {
    memset(ret, 0, offsetof(struct weir_http1_head, fields));
    memset(&ret->fields_count, 0, sizeof *ret - offsetof(struct weir_http1_head, fields_count));
    struct weir_view line = cut_line(&rest);
    ret->method = weir_view_cut(&line, ' ');
    ret->target = weir_view_cut(&line, ' ');
    if (!weir_http_is_token(ret->method)) return refuse(ret_reason, 400, "the method is malformed");
    if (!weir_http_is_target(ret->target))
        return refuse(ret_reason, 400, "the request target is malformed");
    if (!parse_version(line, &ret->minor)) {
        bool other = line.len == 8 && weir_view_starts(line, WEIR_VIEW("HTTP/"));
        return refuse(ret_reason, other ? 505 : 400, "the protocol version is not HTTP/1.0 or 1.1");
    }
    int status = parse_fields(rest, ret, ret_reason);
    if (status) return status;
    if (ret->minor == 1 && !ret->host.ptr) return refuse(ret_reason, 400, "Host is missing");
    return 0;
}

int weir_http1_parse_response(struct weir_view rest, struct weir_http1_head *ret,
                              const char **ret_reason) {
    memset(ret, 0, offsetof(struct weir_http1_head, fields));
    memset(&ret->fields_count, 0, sizeof *ret - offsetof(struct weir_http1_head, fields_count));
    struct weir_view line = cut_line(&rest);
    struct weir_view version = weir_view_cut(&line, ' '), code = weir_view_cut(&line, ' ');
    uint64_t number;
    if (!parse_version(version, &ret->minor))
        return refuse(ret_reason, 502, "the answer is not HTTP/1.0 or 1.1");
    if (code.len != 3 || !weir_view_to_u64(code, &number) || number < 100)
        return refuse(ret_reason, 502, "the answer's status is malformed");
    ret->status = (int)number;
    ret->reason = line.ptr ? line : WEIR_VIEW("");
    return parse_fields(rest, ret, ret_reason) ? 502 : 0;
}

/* ---- body ---- */

enum chunk_state {
    CHUNK_SIZE,      /* at least one hex digit, then more */
    CHUNK_EXTENSION, /* behind ';' up to CR */
    CHUNK_SIZE_LF,
    CHUNK_CONTENT,
    CHUNK_CONTENT_CR,
    CHUNK_CONTENT_LF,
    CHUNK_TRAILER_START, /* first byte of a trailer line, or the CR of the last line */
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
};

void weir_http1_body_init_request(struct weir_http1_body *body,
                                  const struct weir_http1_head *head) {
    *body =
        (struct weir_http1_body){.kind = head->chunked ? WEIR_HTTP1_CHUNKED : WEIR_HTTP1_LENGTH};
    if (head->chunked) return;
    body->left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    body->done = body->left == 0;
}

void weir_http1_body_init_response(struct weir_http1_body *body, const struct weir_http1_head *head,
                                   struct weir_view method) {
    weir_http1_body_init_request(body, head);
    if (weir_view_is(method, "HEAD") || head->status < 200 || head->status == 204 ||
        head->status == 304)
        *body = (struct weir_http1_body){.done = true};
    else if (!head->chunked && head->content_length < 0)
        *body = (struct weir_http1_body){.kind = WEIR_HTTP1_UNTIL_CLOSE};
}

/* Content straight from the input. */
static void take_content(struct weir_http1_body *body, struct weir_view *in,
                         struct weir_view *ret) {
    *ret = body->left < in->len ? weir_view_upto(*in, (size_t)body->left) : *in;
    *in = weir_view_from(*in, ret->len);
    body->left -= ret->len;
}

static int step_size(struct weir_http1_body *body, char c, const char **ret_reason) {
    int digit = weir_text_hex_digit(c);
    if (digit >= 0) {
        if (++body->digits > 15) return refuse(ret_reason, 400, "a chunk size is too large");
        body->left = body->left * 16 + (unsigned)digit;
        return 0;
    }
    if (body->digits == 0 || (c != '\r' && c != ';'))
        return refuse(ret_reason, 400, "a chunk size is malformed");
    body->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
    return 0;
}

static int step_extension(struct weir_http1_body *body, char c, const char **ret_reason) {
    if (c == '\r') {
        body->state = CHUNK_SIZE_LF;
        return 0;
    }
    if (!weir_http_char_is(c, WEIR_HTTP_CHAR_VALUE) ||
        ++body->extension_size > WEIR_HTTP1_EXTENSION_SIZE_MAX)
        return refuse(ret_reason, 400, "chunk extensions are malformed or too long");
    return 0;
}

/* A byte of the trailer section, which is checked and dropped. */
static int step_trailer(struct weir_http1_body *body, char c, const char **ret_reason) {
    bool good;
    switch (body->state) {
    case CHUNK_TRAILER_START:
        good = c == '\r' || weir_http_char_is(c, WEIR_HTTP_CHAR_TOKEN);
        body->state = c == '\r' ? CHUNK_END_LF : CHUNK_TRAILER_NAME;
        break;
    case CHUNK_TRAILER_NAME:
        good = c == ':' || weir_http_char_is(c, WEIR_HTTP_CHAR_TOKEN);
        if (c == ':') body->state = CHUNK_TRAILER_VALUE;
        break;
    default:
        good = c == '\r' || weir_http_char_is(c, WEIR_HTTP_CHAR_VALUE);
        if (c == '\r') body->state = CHUNK_TRAILER_LF;
        break;
    }
    if (!good || ++body->trailer_size > WEIR_HTTP1_TRAILER_SIZE_MAX)
        return refuse(ret_reason, 400, "the trailer section is malformed or too long");
    return 0;
}

/* The one byte that must stand here. */
static int step_exact(struct weir_http1_body *body, char c, char wanted, int next,
                      const char **ret_reason) {
    if (c != wanted) return refuse(ret_reason, 400, "a chunk does not end with CR LF");
    body->state = next;
    return 0;
}

static int step_chunk(struct weir_http1_body *body, char c, const char **ret_reason) {
    switch (body->state) {
    case CHUNK_SIZE: return step_size(body, c, ret_reason);
    case CHUNK_EXTENSION: return step_extension(body, c, ret_reason);
    case CHUNK_SIZE_LF:
        return step_exact(body, c, '\n', body->left ? CHUNK_CONTENT : CHUNK_TRAILER_START,
                          ret_reason);
    case CHUNK_CONTENT_CR: return step_exact(body, c, '\r', CHUNK_CONTENT_LF, ret_reason);
    case CHUNK_CONTENT_LF:
        body->digits = 0;
        return step_exact(body, c, '\n', CHUNK_SIZE, ret_reason);
    case CHUNK_TRAILER_LF: return step_exact(body, c, '\n', CHUNK_TRAILER_START, ret_reason);
    case CHUNK_END_LF:
        body->done = c == '\n';
        return step_exact(body, c, '\n', CHUNK_END_LF, ret_reason);
    default: return step_trailer(body, c, ret_reason);
    }
}

int weir_http1_body_parse(struct weir_http1_body *body, struct weir_view *in,
                          struct weir_view *ret_content, const char **ret_reason) {
    *ret_content = weir_view(in->ptr, 0);
    if (body->done) return 0;
    if (body->kind == WEIR_HTTP1_UNTIL_CLOSE) {
        *ret_content = *in;
        *in = weir_view_from(*in, in->len);
        return 0;
    }
    if (body->kind == WEIR_HTTP1_LENGTH) {
        take_content(body, in, ret_content);
        body->done = body->left == 0;
        return 0;
    }
    while (in->len && !body->done) {
        if (body->state == CHUNK_CONTENT) {
            take_content(body, in, ret_content);
            if (body->left == 0) body->state = CHUNK_CONTENT_CR;
            return 0;
        }
        char c = in->ptr[0];
        *in = weir_view_from(*in, 1);
        int status = step_chunk(body, c, ret_reason);
        if (status) return status;
    }
    return 0;
}

/* ---- writing ---- */

void weir_http1_add_status(struct weir_buf *out, int status) {
    weir_buf_add_str(out, "HTTP/1.1 ");
    weir_buf_add_u64(out, (uint64_t)status);
    weir_buf_add_char(out, ' ');
    weir_buf_add_str(out, weir_http_reason(status));
    weir_buf_add_str(out, "\r\n");
}

void weir_http1_add_field(struct weir_buf *out, struct weir_view name, struct weir_view value) {
    weir_buf_add_view(out, name);
    weir_buf_add_str(out, ": ");
    char *to = weir_buf_reserve(out, value.len);
    for (size_t i = 0; to && i < value.len; i++)
        to[i] = weir_http_char_is(value.ptr[i], WEIR_HTTP_CHAR_VALUE) ? value.ptr[i] : ' ';
    if (to) out->len += value.len;
    weir_buf_add_str(out, "\r\n");
}

void weir_http1_add_chunk(struct weir_buf *out, struct weir_view content) {
    if (content.len == 0) return; /* an empty chunk would end the body */
    weir_buf_printf(out, "%zx\r\n", content.len);
    weir_buf_add_view(out, content);
    weir_buf_add_str(out, "\r\n");
}
