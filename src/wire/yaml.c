/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml.h"

#include <math.h>
#include <yaml.h>

#include "base/text.h"

/* A document under way. */
struct builder {
    yaml_parser_t parser;
    struct weir_arena *arena;
    struct weir_error *err;
    struct anchor *anchors; /* newest first: a later anchor of one name wins */
    uint32_t depth;
};

struct anchor {
    struct weir_view name;
    struct weir_yaml *node;
    struct anchor *older;
};

/* ---- errors ---------------------------------------------------------------------------------- */

static int fail_mark(struct builder *b, yaml_mark_t mark, int code, const char *words) {
    return weir_error_at(b->err, code, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1, "%s",
                         words);
}

static int fail_parser(struct builder *b) {
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return weir_error_set(b->err, WEIR_ENOMEMORY, "YAML: out of memory");
    const char *problem = p->problem ? p->problem : "malformed";
    if (p->error == YAML_READER_ERROR) /* the reader knows an offset, no line */
        return weir_error_at(b->err, WEIR_EINVALID, (uint32_t)p->mark.line + 1,
                             (uint32_t)p->mark.column + 1, "YAML: %s (byte %zu)", problem,
                             p->problem_offset);
    return weir_error_at(b->err, WEIR_EINVALID, (uint32_t)p->problem_mark.line + 1,
                         (uint32_t)p->problem_mark.column + 1, "YAML: %s%s%s", problem,
                         p->context ? " " : "", p->context ? p->context : "");
}

static int next_event(struct builder *b, yaml_event_t *ret) {
    return yaml_parser_parse(&b->parser, ret) ? WEIR_OK : fail_parser(b);
}

/* ---- scalars --------------------------------------------------------------------------------- */

static bool is_one_of(struct weir_view text, const char *const *words) {
    for (; *words; words++)
        if (weir_view_is(text, *words)) return true;
    return false;
}

static size_t digits_count(struct weir_view text) {
    size_t count = 0;
    while (count < text.len && text.ptr[count] >= '0' && text.ptr[count] <= '9') count++;
    return count;
}

/* [-+]?(0|[1-9][0-9]*), 0x…, 0o…; a leading zero makes a string: 0123 is a postal code. */
static bool to_int(struct weir_view text, int64_t *ret) {
    bool hex = weir_view_starts(text, WEIR_VIEW("0x")),
         octal = weir_view_starts(text, WEIR_VIEW("0o"));
    if (hex || octal) {
        int64_t sum = 0;
        if (text.len < 3 || text.len > 17) return false;
        for (size_t i = 2; i < text.len; i++) {
            char c = text.ptr[i];
            int digit = weir_text_hex_digit(c);
            if (digit < 0 || digit >= (hex ? 16 : 8) || sum > INT64_MAX / 16) return false;
            sum = sum * (hex ? 16 : 8) + digit;
        }
        *ret = sum;
        return true;
    }
    bool plus = text.len > 1 && text.ptr[0] == '+';
    struct weir_view digits =
        weir_view_from(text, plus || (text.len && text.ptr[0] == '-') ? 1 : 0);
    if (digits.len > 1 && digits.ptr[0] == '0') return false;
    return digits_count(digits) == digits.len && weir_view_to_i64(plus ? digits : text, ret);
}

/* [-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?, .inf, .nan */
static bool to_f64(struct weir_view text, double *ret) {
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const infs[] = {".inf", ".Inf", ".INF", NULL};
    if (is_one_of(text, nans)) return *ret = NAN, true;
    bool negative = text.len && text.ptr[0] == '-';
    struct weir_view rest =
        weir_view_from(text, negative || (text.len && text.ptr[0] == '+') ? 1 : 0);
    if (is_one_of(rest, infs)) return *ret = negative ? -INFINITY : INFINITY, true;
    struct weir_view number = rest;
    size_t whole = digits_count(rest), fraction = 0;
    if (whole > 1 && rest.ptr[0] == '0') return false;
    rest = weir_view_from(rest, whole);
    if (rest.len && rest.ptr[0] == '.') {
        fraction = digits_count(weir_view_from(rest, 1));
        rest = weir_view_from(rest, 1 + fraction);
    }
    if (whole + fraction == 0) return false;
    if (rest.len && (rest.ptr[0] | 32) == 'e') {
        rest = weir_view_from(rest, 1);
        if (rest.len && (rest.ptr[0] == '-' || rest.ptr[0] == '+')) rest = weir_view_from(rest, 1);
        size_t exponent = digits_count(rest);
        if (exponent == 0) return false;
        rest = weir_view_from(rest, exponent);
    }
    if (rest.len || !weir_view_to_f64(number, ret)) return false;
    if (negative) *ret = -*ret;
    return true;
}

static void resolve_plain(struct weir_yaml *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    struct weir_view text = node->text;
    node->type = WEIR_YAML_STRING;
    if (is_one_of(text, nulls)) {
        node->type = WEIR_YAML_NULL;
    } else if (is_one_of(text, trues) || is_one_of(text, falses)) {
        node->type = WEIR_YAML_BOOL;
        node->boolean = (text.ptr[0] | 32) == 't';
    } else if (to_int(text, &node->i64)) {
        node->type = WEIR_YAML_INT;
        node->f64 = (double)node->i64;
    } else if (to_f64(text, &node->f64)) {
        node->type = WEIR_YAML_DOUBLE;
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static struct weir_yaml *new_node(struct builder *b, const yaml_event_t *event,
                                  enum weir_yaml_type type) {
    struct weir_yaml *node = WEIR_NEW(b->arena, struct weir_yaml);
    if (!node) return NULL;
    node->type = type;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    node->weight = 1;
    return node;
}

static int full(struct builder *b) {
    return weir_error_set(b->err, WEIR_ETOOBIG,
                          "YAML: document needs more than %zu bytes of memory",
                          b->arena->size_bytes_max);
}

static int check_tag(struct builder *b, const yaml_event_t *event, const yaml_char_t *tag) {
    if (!tag || !*tag || strncmp((const char *)tag, "tag:yaml.org,2002:", 18) == 0 ||
        strcmp((const char *)tag, "!") == 0)
        return WEIR_OK;
    return fail_mark(b, event->start_mark, WEIR_EINVALID,
                     "YAML: tags of applications (!name) are not supported");
}

static int scalar(struct builder *b, const yaml_event_t *event, struct weir_yaml **ret) {
    struct weir_yaml *node = new_node(b, event, WEIR_YAML_STRING);
    const char *tag = (const char *)event->data.scalar.tag;
    int rc = check_tag(b, event, event->data.scalar.tag);
    if (rc < 0) return rc;
    if (!node) return full(b);
    node->text =
        weir_arena_copy(b->arena, weir_view(event->data.scalar.value, event->data.scalar.length));
    if (!node->text.ptr) return full(b);
    bool string = tag && (strcmp(tag, "!") == 0 || strcmp(tag, "tag:yaml.org,2002:str") == 0);
    if (!string && (event->data.scalar.plain_implicit || tag)) resolve_plain(node);
    *ret = node;
    return WEIR_OK;
}

static int node_of(struct builder *b, const yaml_event_t *event, struct weir_yaml **ret);

static int add_weight(struct builder *b, const yaml_event_t *event, struct weir_yaml *node,
                      uint32_t more) {
    node->weight += more;
    if (node->weight <= WEIR_YAML_NODES_MAX) return WEIR_OK;
    return fail_mark(b, event->start_mark, WEIR_ETOOBIG,
                     "YAML: over 100000 nodes with aliases written out");
}

/* Lists and maps under way. */
struct children {
    struct weir_yaml **items;
    struct weir_yaml **keys;
    uint32_t count, room, keys_room;
};

/* Keys are looked for among those before: maps of people are small; large ones meet
 * the node limit. */
static int check_key(struct builder *b, const yaml_event_t *event, const struct children *children,
                     const struct weir_yaml *key) {
    if (key->type == WEIR_YAML_LIST || key->type == WEIR_YAML_MAP)
        return fail_mark(b, event->start_mark, WEIR_EINVALID, "YAML: a key must be a scalar");
    if (event->type == YAML_SCALAR_EVENT && event->data.scalar.plain_implicit &&
        weir_view_is(key->text, "<<"))
        return fail_mark(b, event->start_mark, WEIR_EINVALID,
                         "YAML: merge keys (<<) are not supported; write the keys out");
    for (uint32_t i = 0; i < children->count; i++)
        if (weir_view_eq(children->keys[i]->text, key->text))
            return weir_error_at(b->err, WEIR_EINVALID, key->line, key->column,
                                 "YAML: key \"%.*s\" stands here twice (first in line %u)",
                                 WEIR_VIEW_ARG(weir_view_upto(key->text, 100)),
                                 children->keys[i]->line);
    return WEIR_OK;
}

static int add_key(struct builder *b, const yaml_event_t *event, struct children *children,
                   struct weir_yaml **ret) {
    int rc = node_of(b, event, ret);
    return rc < 0 ? rc : check_key(b, event, children, *ret);
}

static int add_child(struct builder *b, struct children *children, struct weir_yaml *key,
                     struct weir_yaml *value) {
    uint32_t keys_count = children->count;
    if (key) {
        struct weir_yaml **place =
            WEIR_PUSH(b->arena, children->keys, keys_count, children->keys_room);
        if (!place) return full(b);
        *place = key;
    }
    struct weir_yaml **place =
        WEIR_PUSH(b->arena, children->items, children->count, children->room);
    if (!place) return full(b);
    *place = value;
    return WEIR_OK;
}

/* Everything up to the end event of the collection. */
static int collection(struct builder *b, struct weir_yaml *node) {
    bool map = node->type == WEIR_YAML_MAP;
    struct children children = {0};
    int rc;
    for (;;) {
        yaml_event_t event;
        struct weir_yaml *key = NULL, *value = NULL;
        if ((rc = next_event(b, &event)) < 0) return rc;
        bool end = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        if (!end && map) {
            rc = add_key(b, &event, &children, &key);
            yaml_event_delete(&event);
            if (rc < 0 || (rc = next_event(b, &event)) < 0) return rc;
        }
        if (!end) rc = node_of(b, &event, &value);
        if (!end && rc == WEIR_OK) rc = add_weight(b, &event, node, value->weight);
        yaml_event_delete(&event);
        if (end) break;
        if (rc < 0 || (rc = add_child(b, &children, key, value)) < 0) return rc;
    }
    node->items = children.items;
    node->keys = children.keys;
    node->count = children.count;
    return WEIR_OK;
}

static int nested(struct builder *b, const yaml_event_t *event, struct weir_yaml **ret) {
    bool map = event->type == YAML_MAPPING_START_EVENT;
    int rc =
        check_tag(b, event, map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
    if (rc < 0) return rc;
    if (b->depth >= WEIR_YAML_DEPTH_MAX)
        return fail_mark(b, event->start_mark, WEIR_EINVALID, "YAML: nested deeper than 64 levels");
    struct weir_yaml *node = new_node(b, event, map ? WEIR_YAML_MAP : WEIR_YAML_LIST);
    if (!node) return full(b);
    b->depth++;
    rc = collection(b, node);
    b->depth--;
    *ret = node;
    return rc;
}

static int alias(struct builder *b, const yaml_event_t *event, struct weir_yaml **ret) {
    struct weir_view name = weir_view_str((const char *)event->data.alias.anchor);
    for (struct anchor *anchor = b->anchors; anchor; anchor = anchor->older) {
        if (!weir_view_eq(anchor->name, name)) continue;
        *ret = anchor->node;
        return WEIR_OK;
    }
    return fail_mark(b, event->start_mark, WEIR_EINVALID,
                     "YAML: the alias names no anchor before it");
}

/* An anchor is known once its node is whole: no node can hold itself. */
static int remember(struct builder *b, const yaml_char_t *name, struct weir_yaml *node) {
    if (!name) return WEIR_OK;
    struct anchor *anchor = WEIR_NEW(b->arena, struct anchor);
    if (!anchor) return full(b);
    *anchor = (struct anchor){weir_arena_copy(b->arena, weir_view_str((const char *)name)), node,
                              b->anchors};
    b->anchors = anchor;
    return anchor->name.ptr ? WEIR_OK : full(b);
}

static int node_of(struct builder *b, const yaml_event_t *event, struct weir_yaml **ret) {
    const yaml_char_t *anchor = NULL;
    int rc;
    switch (event->type) {
    case YAML_ALIAS_EVENT: return alias(b, event, ret);
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        rc = scalar(b, event, ret);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        rc = nested(b, event, ret);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        rc = nested(b, event, ret);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
    default: return fail_mark(b, event->start_mark, WEIR_EINVALID, "YAML: a value must stand here");
    }
    return rc < 0 ? rc : remember(b, anchor, *ret);
}

/* The stream's events around its one document. */
static int document(struct builder *b, struct weir_yaml **ret) {
    yaml_event_t event = {0};
    struct weir_yaml *root = NULL;
    bool done = false;
    int rc;
    while (!done) {
        if ((rc = next_event(b, &event)) < 0) return rc;
        bool frame = event.type == YAML_STREAM_START_EVENT ||
                     event.type == YAML_DOCUMENT_START_EVENT ||
                     event.type == YAML_DOCUMENT_END_EVENT;
        if (event.type == YAML_STREAM_END_EVENT) {
            if (!root) root = new_node(b, &event, WEIR_YAML_NULL);
            done = true;
        } else if (event.type == YAML_DOCUMENT_START_EVENT && root) {
            rc = fail_mark(b, event.start_mark, WEIR_EINVALID,
                           "YAML: only one document is expected");
        } else if (!frame) {
            rc = node_of(b, &event, &root);
        }
        yaml_event_delete(&event);
        if (rc < 0) return rc;
    }
    *ret = root;
    return root ? WEIR_OK : full(b);
}

int weir_yaml_parse(struct weir_view text, struct weir_arena *arena, struct weir_yaml **ret,
                    struct weir_error *reterr) {
    struct builder b = {.arena = arena, .err = reterr};
    if (!yaml_parser_initialize(&b.parser))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "YAML: out of memory");
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.len ? text.ptr : ""),
                                 text.len);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    int rc = document(&b, ret);
    yaml_parser_delete(&b.parser);
    return rc;
}
