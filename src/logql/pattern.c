/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/pattern.h"

static bool is_name(struct weir_view v) {
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i && c >= '0' && c <= '9')) return false;
    }
    return v.len > 0;
}

/* The length of "<name>" at the start, or 0: then the bracket is plain text. */
static size_t capture_len(struct weir_view v) {
    if (v.len < 3 || v.ptr[0] != '<') return 0;
    size_t end = weir_view_find(v, WEIR_VIEW(">"));
    return end != SIZE_MAX && is_name(weir_view(v.ptr + 1, end - 1)) ? end + 1 : 0;
}

static struct weir_logql_piece *add(struct weir_logql_pattern *pattern, struct weir_arena *arena,
                                    uint32_t *room) {
    return WEIR_PUSH(arena, pattern->pieces, pattern->pieces_count, *room);
}

static int split(struct weir_view text, struct weir_arena *arena,
                 struct weir_logql_pattern *pattern, struct weir_error *reterr) {
    uint32_t room = 0;
    for (size_t at = 0; at < text.len;) {
        if (pattern->pieces_count >= WEIR_LOGQL_PATTERN_PIECES_MAX)
            return weir_error_set(reterr, WEIR_EINVALID, "pattern: more than %d pieces",
                                  WEIR_LOGQL_PATTERN_PIECES_MAX);
        size_t len = capture_len(weir_view_from(text, at));
        struct weir_logql_piece *last =
            pattern->pieces_count ? &pattern->pieces[pattern->pieces_count - 1] : NULL;
        if (len && last && last->is_capture)
            return weir_error_set(
                reterr, WEIR_EINVALID,
                "pattern: found consecutive captures near \"%.*s\"; put text between them",
                WEIR_VIEW_ARG(weir_view_upto(weir_view_from(text, at), len)));
        if (!len && last && !last->is_capture) { /* the literal goes on */
            last->text.len++;
            at++;
            continue;
        }
        struct weir_logql_piece *piece = add(pattern, arena, &room);
        if (!piece) return weir_error_set(reterr, WEIR_ENOMEMORY, "pattern needs too much memory");
        piece->is_capture = len > 0;
        piece->text = len ? weir_view(text.ptr + at + 1, len - 2) : weir_view(text.ptr + at, 1);
        at += len ? len : 1;
    }
    return 0;
}

int weir_logql_pattern_parse(struct weir_view text, bool wants_names, struct weir_arena *arena,
                             struct weir_logql_pattern **ret, struct weir_error *reterr) {
    struct weir_logql_pattern *pattern = WEIR_NEW(arena, struct weir_logql_pattern);
    if (!pattern) return weir_error_set(reterr, WEIR_ENOMEMORY, "pattern needs too much memory");
    int rc = split(text, arena, pattern, reterr);
    if (rc != 0) return rc;
    uint32_t named = 0;
    for (uint32_t i = 0; i < pattern->pieces_count; i++)
        named += pattern->pieces[i].is_capture && !weir_view_is(pattern->pieces[i].text, "_");
    if (wants_names && !named)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "pattern: at least one capture <name> is required");
    if (!wants_names && named)
        return weir_error_set(
            reterr, WEIR_EINVALID,
            "pattern: named captures are not allowed in a line filter; write <_>");
    *ret = pattern;
    return 0;
}

bool weir_logql_pattern_extract(const struct weir_logql_pattern *pattern, struct weir_view line,
                                struct weir_view *captures) {
    const struct weir_logql_piece *pieces = pattern->pieces;
    uint32_t count = pattern->pieces_count;
    for (uint32_t i = 0; i < count; i++) captures[i] = weir_view(NULL, 0);
    if (count && !pieces[0].is_capture && !weir_view_starts(line, pieces[0].text)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!pieces[i].is_capture) {
            line = weir_view_from(line, pieces[i].text.len);
            continue;
        }
        size_t end = i + 1 < count ? weir_view_find(line, pieces[i + 1].text) : line.len;
        if (end ==
            SIZE_MAX) { /* the rest of the shape is missing: the capture takes what is there */
            captures[i] = line;
            return true;
        }
        captures[i] = weir_view_upto(line, end);
        line = weir_view_from(line, end);
    }
    return true;
}

bool weir_logql_pattern_match(const struct weir_logql_pattern *pattern, struct weir_view line) {
    const struct weir_logql_piece *pieces = pattern->pieces;
    uint32_t count = pattern->pieces_count;
    if (!count) return line.len == 0;
    if (!pieces[count - 1].is_capture && !weir_view_ends(line, pieces[count - 1].text))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].is_capture) continue;
        size_t at = weir_view_find(line, pieces[i].text);
        if (at == SIZE_MAX || (i == 0 && at != 0)) return false;
        if (i == count - 1 && count > 1) return at + pieces[i].text.len <= line.len;
        line = weir_view_from(line, at + pieces[i].text.len);
        if (count == 1) return line.len == 0;
    }
    return true;
}
