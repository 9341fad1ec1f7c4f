/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/jsonpath.h"
#include "logql/pattern.h"
#include "logql/stages.h"
#include "query/regex.h"
#include "wire/json.h"

static void add(struct weir_logql_entry *entry, struct weir_view name, struct weir_view value) {
    struct weir_view clean = weir_logql_sanitize(name, entry->arena);
    weir_logql_labels_add(weir_logql_entry_labels(entry), WEIR_LOGQL_PARSED, clean, value);
}

/* ---- json ------------------------------------------------------------------------------------ */

/* The text of a scalar; false for null. */
static bool scalar_text(struct weir_json *json, enum weir_json_token token,
                        struct weir_arena *arena, struct weir_view *ret) {
    switch (token) {
    case WEIR_JSON_STRING: *ret = weir_json_str(json, arena); return true;
    case WEIR_JSON_NUMBER: *ret = json->text; return true;
    case WEIR_JSON_TRUE: *ret = WEIR_VIEW("true"); return true;
    case WEIR_JSON_FALSE: *ret = WEIR_VIEW("false"); return true;
    case WEIR_JSON_NULL:
    case WEIR_JSON_END:
    case WEIR_JSON_ERROR:
    case WEIR_JSON_OBJECT:
    case WEIR_JSON_OBJECT_END:
    case WEIR_JSON_ARRAY:
    case WEIR_JSON_ARRAY_END:
    case WEIR_JSON_KEY: break;
    }
    return false;
}

static struct weir_view join(struct weir_view prefix, struct weir_view key,
                             struct weir_arena *arena) {
    if (!prefix.len) return key;
    return weir_arena_printf(arena, "%.*s_%.*s", WEIR_VIEW_ARG(prefix), WEIR_VIEW_ARG(key));
}

/* The members of the object just opened become labels; nested objects with their name in front;
 * arrays are left out. False when the text is malformed. */
static bool flatten(struct weir_json *json, struct weir_view prefix,
                    struct weir_logql_entry *entry) {
    for (;;) {
        enum weir_json_token token = weir_json_next(json);
        if (token == WEIR_JSON_OBJECT_END) return true;
        if (token != WEIR_JSON_KEY) return false;
        struct weir_view name = join(prefix, weir_json_str(json, entry->arena), entry->arena),
                         value;
        token = weir_json_next(json);
        if (token == WEIR_JSON_ERROR) return false;
        if (token == WEIR_JSON_OBJECT) {
            if (!flatten(json, name, entry)) return false;
        } else if (token == WEIR_JSON_ARRAY) {
            if (!weir_json_skip(json)) return false;
        } else if (scalar_text(json, token, entry->arena, &value)) {
            add(entry, name, value);
        }
    }
}

/* Reads on to the member or element of one step; false when it is not there. */
static bool descend(struct weir_json *json, enum weir_json_token *token,
                    const struct weir_logql_path_step *step) {
    uint64_t index = 0;
    if (*token != (step->key.ptr ? WEIR_JSON_OBJECT : WEIR_JSON_ARRAY)) return false;
    for (;; index++) {
        *token = weir_json_next(json);
        if (step->key.ptr) {
            if (*token != WEIR_JSON_KEY) return false;
            bool hit = weir_view_eq(json->text, step->key);
            *token = weir_json_next(json);
            if (hit) return *token != WEIR_JSON_ERROR;
        } else if (*token == WEIR_JSON_ARRAY_END || *token == WEIR_JSON_ERROR) {
            return false;
        } else if (index == step->index) {
            return true;
        }
        bool nested = *token == WEIR_JSON_OBJECT || *token == WEIR_JSON_ARRAY;
        if (*token == WEIR_JSON_ERROR || (nested && !weir_json_skip(json))) return false;
    }
}

static void extract(struct weir_view line, const struct weir_logql_pair *pair,
                    struct weir_logql_entry *entry) {
    struct weir_logql_path path;
    struct weir_json json;
    struct weir_view value;
    if (weir_logql_path_parse(pair->value, entry->arena, &path, NULL) != 0) return;
    weir_json_init(&json, line);
    enum weir_json_token token = weir_json_next(&json);
    for (uint32_t i = 0; i < path.steps_count; i++)
        if (!descend(&json, &token, &path.steps[i])) return;
    if (token == WEIR_JSON_OBJECT || token == WEIR_JSON_ARRAY)
        add(entry, pair->name, weir_json_raw(&json, token));
    else if (scalar_text(&json, token, entry->arena, &value))
        add(entry, pair->name, value);
}

static bool is_valid_json(struct weir_view text) {
    struct weir_json json;
    weir_json_init(&json, text);
    for (;;) {
        enum weir_json_token token = weir_json_next(&json);
        if (token == WEIR_JSON_END) return true;
        if (token == WEIR_JSON_ERROR) return false;
    }
}

/* A line that could be a JSON object: what is not, is plain text and no error. */
static bool looks_like_object(struct weir_view line) {
    struct weir_view text = weir_view_trim(line);
    return text.len && text.ptr[0] == '{';
}

void weir_logql_parse_json(const struct weir_logql_stage *stage, struct weir_logql_entry *entry) {
    struct weir_view line = entry->line;
    if (!looks_like_object(line)) return;
    if (!is_valid_json(line)) {
        weir_logql_set_error(entry, "JSONParserErr", "the line is not a valid JSON object");
        return;
    }
    for (uint32_t i = 0; i < stage->pairs_count; i++) extract(line, &stage->pairs[i], entry);
    if (stage->pairs_count) return;
    struct weir_json json;
    weir_json_init(&json, line);
    if (weir_json_next(&json) == WEIR_JSON_OBJECT) flatten(&json, weir_view("", 0), entry);
}

/* A JSON object of strings, as Promtail's pack stage writes it; _entry is the line. */
void weir_logql_parse_unpack(struct weir_logql_entry *entry) {
    struct weir_json json;
    if (!looks_like_object(entry->line)) return;
    if (!is_valid_json(entry->line)) {
        weir_logql_set_error(entry, "JSONParserErr", "the line is not a valid JSON object");
        return;
    }
    weir_json_init(&json, entry->line);
    weir_json_next(&json);
    struct weir_view line = entry->line;
    while (weir_json_next(&json) == WEIR_JSON_KEY) {
        struct weir_view name = weir_json_str(&json, entry->arena);
        enum weir_json_token token = weir_json_next(&json);
        if (token == WEIR_JSON_OBJECT || token == WEIR_JSON_ARRAY) weir_json_skip(&json);
        if (token != WEIR_JSON_STRING) continue;
        struct weir_view value = weir_json_str(&json, entry->arena);
        if (weir_view_is(name, "_entry"))
            line = value;
        else
            add(entry, name, value);
    }
    entry->line = line;
}

/* ---- logfmt ---------------------------------------------------------------------------------- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* "…" with backslash escapes at *at; moves behind it. */
static struct weir_view quoted(struct weir_view line, size_t *at, struct weir_arena *arena) {
    size_t from = ++*at;
    bool escaped = false;
    while (*at < line.len && line.ptr[*at] != '"') {
        if (line.ptr[*at] == '\\' && *at + 1 < line.len) escaped = true, ++*at;
        ++*at;
    }
    struct weir_view raw = weir_view(line.ptr + from, *at - from);
    if (*at < line.len) ++*at;
    char *out = escaped ? weir_arena_alloc(arena, raw.len) : NULL;
    if (!out) return raw;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\' && i + 1 < raw.len) {
            c = raw.ptr[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        out[len++] = c;
    }
    return weir_view(out, len);
}

struct pair {
    struct weir_view key, value;
    bool has_value;
};

/* The next key[=value]; false at the end. */
static bool next_pair(struct weir_view line, size_t *at, struct weir_arena *arena,
                      struct pair *ret) {
    while (*at < line.len && (is_blank(line.ptr[*at]) || line.ptr[*at] == '=')) ++*at;
    if (*at >= line.len) return false;
    size_t from = *at;
    while (*at < line.len && !is_blank(line.ptr[*at]) && line.ptr[*at] != '=') ++*at;
    *ret = (struct pair){.key = weir_view(line.ptr + from, *at - from), .value = {"", 0}};
    if (*at >= line.len || line.ptr[*at] != '=') return true;
    ++*at;
    ret->has_value = true;
    if (*at < line.len && line.ptr[*at] == '"') {
        ret->value = quoted(line, at, arena);
        return true;
    }
    from = *at;
    while (*at < line.len && !is_blank(line.ptr[*at])) ++*at;
    ret->value = weir_view(line.ptr + from, *at - from);
    return true;
}

static void add_pair(const struct weir_logql_stage *stage, const struct pair *pair,
                     struct weir_logql_entry *entry) {
    if (!pair->value.len && !stage->keep_empty) return;
    if (!stage->pairs_count) {
        add(entry, pair->key, pair->value);
        return;
    }
    for (uint32_t i = 0; i < stage->pairs_count; i++)
        if (weir_view_eq(stage->pairs[i].value, pair->key))
            add(entry, stage->pairs[i].name, pair->value);
}

void weir_logql_parse_logfmt(const struct weir_logql_stage *stage, struct weir_logql_entry *entry) {
    struct pair pair;
    size_t at = 0;
    while (next_pair(entry->line, &at, entry->arena, &pair)) {
        if (weir_view_find(pair.key, WEIR_VIEW("\"")) == SIZE_MAX) {
            add_pair(stage, &pair, entry);
            continue;
        }
        if (!stage->strict) continue; /* a stray quote: that word is skipped */
        weir_logql_set_error(entry, "LogfmtParserErr", "unexpected quote in a key");
        return;
    }
}

/* ---- regexp, pattern ------------------------------------------------------------------------- */

void weir_logql_parse_regexp(const struct weir_logql_stage *stage, struct weir_logql_entry *entry) {
    struct weir_view groups[WEIR_REGEX_CAPTURES_MAX];
    const struct weir_regex *regex = stage->regexes[0];
    unsigned count = weir_regex_groups_count(regex) + 1;
    if (weir_regex_captures(regex, entry->line, groups, count) != 1) return;
    for (unsigned i = 1; i < count; i++)
        if (weir_regex_group_name(regex, i).len && groups[i].ptr)
            add(entry, weir_regex_group_name(regex, i), groups[i]);
}

void weir_logql_parse_pattern(const struct weir_logql_stage *stage,
                              struct weir_logql_entry *entry) {
    struct weir_view captures[WEIR_LOGQL_PATTERN_PIECES_MAX];
    const struct weir_logql_pattern *pattern = stage->patterns[0];
    if (!weir_logql_pattern_extract(pattern, entry->line, captures)) return;
    for (uint32_t i = 0; i < pattern->pieces_count; i++)
        if (captures[i].ptr && !weir_view_is(pattern->pieces[i].text, "_"))
            add(entry, pattern->pieces[i].text, captures[i]);
}
