/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/summary.h"

enum {               /* what a word may do */
       BEGINS = 1,   /* an operation */
       LEADS = 2,    /* … to a name at once */
       RESERVED = 4, /* is never a name */
       ENDS = 8,     /* a list of tables */
       SKIPPED = 16, /* before a name */
       OBJECT = 32   /* of CREATE, ALTER, DROP */
};

/* Every word that the machine knows, sorted. */
#define KEYWORDS(X)                                                                                \
    X(ABORT, BEGINS | SKIPPED)                                                                     \
    X(ALTER, BEGINS)                                                                               \
    X(ANALYZE, BEGINS)                                                                             \
    X(AS, RESERVED)                                                                                \
    X(ATTACH, BEGINS)                                                                              \
    X(BEGIN, BEGINS)                                                                               \
    X(CALL, BEGINS | LEADS)                                                                        \
    X(CASE, RESERVED)                                                                              \
    X(CHECKPOINT, BEGINS)                                                                          \
    X(CLOSE, BEGINS)                                                                               \
    X(CLUSTER, BEGINS)                                                                             \
    X(COMMENT, BEGINS)                                                                             \
    X(COMMIT, BEGINS)                                                                              \
    X(CONCURRENTLY, SKIPPED)                                                                       \
    X(COPY, BEGINS | LEADS)                                                                        \
    X(CREATE, BEGINS | RESERVED)                                                                   \
    X(DATABASE, OBJECT)                                                                            \
    X(DEALLOCATE, BEGINS)                                                                          \
    X(DECLARE, BEGINS)                                                                             \
    X(DELETE, BEGINS)                                                                              \
    X(DETACH, BEGINS)                                                                              \
    X(DISCARD, BEGINS)                                                                             \
    X(DISTINCT, RESERVED)                                                                          \
    X(DO, BEGINS | RESERVED)                                                                       \
    X(DROP, BEGINS)                                                                                \
    X(END, BEGINS | RESERVED)                                                                      \
    X(EXCEPT, RESERVED | ENDS)                                                                     \
    X(EXECUTE, BEGINS | LEADS)                                                                     \
    X(EXISTS, SKIPPED)                                                                             \
    X(EXPLAIN, BEGINS)                                                                             \
    X(EXTENSION, OBJECT)                                                                           \
    X(FAIL, SKIPPED)                                                                               \
    X(FETCH, BEGINS | RESERVED | ENDS)                                                             \
    X(FOR, RESERVED | ENDS)                                                                        \
    X(FROM, RESERVED)                                                                              \
    X(FUNCTION, OBJECT)                                                                            \
    X(GRANT, BEGINS | RESERVED)                                                                    \
    X(GROUP, RESERVED | ENDS)                                                                      \
    X(HAVING, RESERVED | ENDS)                                                                     \
    X(IF, SKIPPED)                                                                                 \
    X(IGNORE, SKIPPED)                                                                             \
    X(INDEX, OBJECT)                                                                               \
    X(INSERT, BEGINS)                                                                              \
    X(INTERSECT, RESERVED | ENDS)                                                                  \
    X(INTO, RESERVED)                                                                              \
    X(JOIN, RESERVED)                                                                              \
    X(LATERAL, SKIPPED)                                                                            \
    X(LIMIT, RESERVED | ENDS)                                                                      \
    X(LISTEN, BEGINS)                                                                              \
    X(LOCK, BEGINS | LEADS)                                                                        \
    X(MATERIALIZED, SKIPPED)                                                                       \
    X(MERGE, BEGINS)                                                                               \
    X(MOVE, BEGINS)                                                                                \
    X(NOT, SKIPPED)                                                                                \
    X(NOTIFY, BEGINS)                                                                              \
    X(OFFSET, RESERVED | ENDS)                                                                     \
    X(ON, RESERVED | ENDS)                                                                         \
    X(ONLY, SKIPPED)                                                                               \
    X(OR, SKIPPED)                                                                                 \
    X(ORDER, RESERVED | ENDS)                                                                      \
    X(PLAN, 0)                                                                                     \
    X(PRAGMA, BEGINS)                                                                              \
    X(PREPARE, BEGINS)                                                                             \
    X(PROCEDURE, OBJECT)                                                                           \
    X(QUERY, 0)                                                                                    \
    X(REFRESH, BEGINS)                                                                             \
    X(REINDEX, BEGINS)                                                                             \
    X(RELEASE, BEGINS)                                                                             \
    X(REPLACE, BEGINS | SKIPPED)                                                                   \
    X(RESET, BEGINS)                                                                               \
    X(RETURNING, RESERVED | ENDS)                                                                  \
    X(REVOKE, BEGINS)                                                                              \
    X(ROLE, OBJECT)                                                                                \
    X(ROLLBACK, BEGINS | SKIPPED)                                                                  \
    X(SAVEPOINT, BEGINS)                                                                           \
    X(SCHEMA, OBJECT)                                                                              \
    X(SELECT, BEGINS | RESERVED)                                                                   \
    X(SEQUENCE, OBJECT)                                                                            \
    X(SET, BEGINS | RESERVED | ENDS)                                                               \
    X(SHOW, BEGINS)                                                                                \
    X(START, BEGINS)                                                                               \
    X(TABLE, OBJECT | SKIPPED)                                                                     \
    X(TO, RESERVED)                                                                                \
    X(TRIGGER, OBJECT)                                                                             \
    X(TRUNCATE, BEGINS | LEADS)                                                                    \
    X(TYPE, OBJECT)                                                                                \
    X(UNION, RESERVED | ENDS)                                                                      \
    X(UNIQUE, SKIPPED)                                                                             \
    X(UNLISTEN, BEGINS)                                                                            \
    X(UPDATE, BEGINS | LEADS)                                                                      \
    X(USER, OBJECT)                                                                                \
    X(USING, RESERVED | ENDS)                                                                      \
    X(VACUUM, BEGINS)                                                                              \
    X(VALUES, BEGINS | RESERVED | ENDS)                                                            \
    X(VERBOSE, SKIPPED)                                                                            \
    X(VIEW, OBJECT)                                                                                \
    X(WHEN, RESERVED | ENDS)                                                                       \
    X(WHERE, RESERVED | ENDS)                                                                      \
    X(WINDOW, RESERVED | ENDS)                                                                     \
    X(WITH, RESERVED)

#define KEYWORD_NUMBER(word, flags) K_##word,
#define KEYWORD_ROW(word, flags)    [K_##word] = {#word, flags},
enum keyword { NONE, KEYWORDS(KEYWORD_NUMBER) };
static const struct word {
    const char *text;
    int flags;
} words[] = {KEYWORDS(KEYWORD_ROW)};

static int keyword_of(struct weir_view text) {
    int low = 1, high = (int)(sizeof words / sizeof words[0]) - 1;
    char upper[16];
    if (text.len >= sizeof upper) return NONE;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    upper[text.len] = 0;
    while (low <= high) {
        int middle = (low + high) / 2, order = strcmp(upper, words[middle].text);
        if (!order) return middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NONE;
}

/* ── what is told ────────────────────────────────────────────────────────────────────────────── */

static void tell(struct weir_sql_summary *summary, struct weir_view word) {
    size_t blank = summary->size > 0;
    if (summary->full || summary->size + blank + word.len > WEIR_SQL_SUMMARY_MAX) {
        summary->full = true; /* whole words only */
        return;
    }
    if (blank) summary->text[summary->size++] = ' ';
    memcpy(summary->text + summary->size, word.ptr, word.len);
    summary->size += word.len;
    summary->text[summary->size] = 0;
}

static struct weir_sql_level *level_of(struct weir_sql_summary *summary) {
    return summary->depth < WEIR_SQL_LEVELS_MAX ? &summary->levels[summary->depth] : NULL;
}

static void await_name(struct weir_sql_summary *summary, bool may_be_call) {
    summary->name = WEIR_SQL_NAME_AWAITED;
    summary->name_size = 0;
    summary->may_be_call = may_be_call;
}

static void await_list(struct weir_sql_summary *summary, bool may_be_call) {
    struct weir_sql_level *level = level_of(summary);
    if (level) level->is_list = true;
    await_name(summary, may_be_call);
}

static void name_add(struct weir_sql_summary *summary, struct weir_view part) {
    if (part.len > WEIR_SQL_NAME_MAX - summary->name_size) {
        summary->name = WEIR_SQL_NAME_NONE; /* too long to be useful */
        return;
    }
    memcpy(summary->name_text + summary->name_size, part.ptr, part.len);
    summary->name_size += part.len;
}

/* The name is whole; `next` is the byte that begins the token after it. */
static void name_end(struct weir_sql_summary *summary, char next) {
    if (summary->name == WEIR_SQL_NAME_READ && !(summary->may_be_call && next == '(')) {
        tell(summary, weir_view(summary->name_text, summary->name_size));
        summary->in_columns = next == '(' && summary->first == K_INSERT;
    }
    summary->name = WEIR_SQL_NAME_NONE;
}

/* ── words ───────────────────────────────────────────────────────────────────────────────────── */

/* An operation may begin here: at the start, in parentheses, after WITH …, EXPLAIN, PREPARE x AS.
 */
static bool may_begin(const struct weir_sql_summary *summary, int keyword) {
    if (!summary->begun) return true;
    if (summary->first == K_GRANT || summary->first == K_REVOKE) return false;
    if (keyword == K_SELECT) return true;
    if (keyword != K_INSERT && keyword != K_UPDATE && keyword != K_DELETE && keyword != K_MERGE &&
        keyword != K_CREATE && keyword != K_EXECUTE && keyword != K_REPLACE)
        return false;
    if (summary->blocks && (summary->last == K_BEGIN || summary->last_punct == ';')) return true;
    switch (summary->last) {
    case K_EXPLAIN:
    case K_ANALYZE:
    case K_VERBOSE:
    case K_PLAN: return summary->first == K_EXPLAIN;
    case K_AS: return summary->first == K_PREPARE || summary->first == K_CREATE;
    default: break;
    }
    if (summary->last_punct == '(') return keyword != K_REPLACE;
    return summary->last_punct == ')' && summary->depth == 0 &&
           (summary->with || summary->first == K_EXPLAIN);
}

static void begin(struct weir_sql_summary *summary, int keyword, struct weir_view text) {
    struct weir_sql_level *level = level_of(summary);
    if (!summary->first) summary->first = keyword;
    if (level) *level = (struct weir_sql_level){.operation = keyword};
    tell(summary, text);
    summary->in_columns = false;
    if (words[keyword].flags & LEADS) await_list(summary, false);
}

/* A word that leads to a table, if it does so here. */
static void lead(struct weir_sql_summary *summary, int keyword) {
    struct weir_sql_level *level = level_of(summary);
    int operation = level ? level->operation : NONE;
    switch (keyword) {
    case K_FROM:
        if ((operation == K_SELECT || operation == K_UPDATE || operation == K_DELETE) &&
            summary->last != K_DISTINCT)
            await_list(summary, true);
        break;
    case K_JOIN:
        if (operation) await_name(summary, true);
        break;
    case K_INTO:
        if (operation) await_name(summary, false);
        break;
    case K_USING:
        if (operation == K_DELETE || operation == K_MERGE) await_list(summary, true);
        break;
    default: break;
    }
}

static bool is_definition(int first) {
    return first == K_CREATE || first == K_ALTER || first == K_DROP || first == K_REFRESH ||
           first == K_REINDEX || first == K_COMMENT;
}

static void count_blocks(struct weir_sql_summary *summary, int keyword) {
    if (summary->first != K_CREATE) return;
    if (keyword == K_BEGIN || (keyword == K_CASE && summary->blocks)) summary->blocks++;
    if (keyword == K_END && summary->blocks) summary->blocks--;
}

static bool take_name_part(struct weir_sql_summary *summary, const struct weir_sql_token *token,
                           int keyword) {
    if (summary->name == WEIR_SQL_NAME_AWAITED && words[keyword].flags & SKIPPED &&
        token->type == WEIR_SQL_WORD)
        return true;
    if (summary->name == WEIR_SQL_NAME_AWAITED && words[keyword].flags & RESERVED)
        summary->name = WEIR_SQL_NAME_NONE;
    if (summary->name != WEIR_SQL_NAME_AWAITED && summary->name != WEIR_SQL_NAME_DOT) return false;
    summary->name = WEIR_SQL_NAME_READ;
    name_add(summary, token->text);
    return true;
}

static void take_word(struct weir_sql_summary *summary, const struct weir_sql_token *token,
                      int keyword) {
    int flags = words[keyword].flags;
    if (take_name_part(summary, token, keyword)) return;
    name_end(summary, token->text.ptr[0]);
    count_blocks(summary, keyword);
    if (!summary->begun && keyword == K_WITH) summary->with = true;
    if (flags & BEGINS && may_begin(summary, keyword)) {
        begin(summary, keyword, token->text);
    } else if (flags & OBJECT && is_definition(summary->first) && !summary->named) {
        summary->named = true;
        tell(summary, token->text);
        await_list(summary, false);
    } else {
        lead(summary, keyword);
    }
    struct weir_sql_level *level = level_of(summary);
    if (flags & ENDS && level && summary->name == WEIR_SQL_NAME_NONE) level->is_list = false;
    if (keyword == K_VALUES || keyword == K_SELECT) summary->in_columns = false;
}

/* ── values that are words ───────────────────────────────────────────────────────────────────── */

static bool assigning(struct weir_sql_summary *summary, int keyword) {
    if (keyword == K_SET && (!summary->begun || summary->first == K_ALTER)) summary->assigns = true;
    if (keyword == K_PRAGMA && !summary->begun) summary->assigns = true;
    return summary->assigns;
}

static bool is_value(struct weir_sql_summary *summary, const struct weir_sql_token *token,
                     int keyword) {
    if (!assigning(summary, keyword)) return false;
    char c = token->type == WEIR_SQL_PUNCT ? token->text.ptr[0] : 0;
    if (keyword == K_TO || c == '=' || (c == '(' && summary->first == K_PRAGMA)) {
        summary->is_value = true;
        return false;
    }
    if (c == ')') summary->is_value = false;
    return summary->is_value && (token->type == WEIR_SQL_WORD || token->type == WEIR_SQL_QUOTED);
}

/* ── tokens ──────────────────────────────────────────────────────────────────────────────────── */

static void take_punct(struct weir_sql_summary *summary, char c) {
    if (c == '.' && summary->name == WEIR_SQL_NAME_READ) {
        summary->name = WEIR_SQL_NAME_DOT;
        name_add(summary, WEIR_VIEW("."));
        return;
    }
    name_end(summary, c);
    if (c == '(') {
        summary->depth++;
        struct weir_sql_level *level = level_of(summary);
        if (level) *level = (struct weir_sql_level){.operation = NONE};
    } else if (c == ')') {
        if (summary->depth) summary->depth--;
        summary->in_columns = false;
    } else if (c == ',') {
        struct weir_sql_level *level = level_of(summary);
        if (level && level->is_list) await_name(summary, level->operation != K_DROP);
    }
}

bool weir_sql_summary_take(struct weir_sql_summary *summary, const struct weir_sql_token *token) {
    int keyword = token->type == WEIR_SQL_WORD ? keyword_of(token->text) : NONE;
    if (summary->last_punct == '.' && summary->name != WEIR_SQL_NAME_AWAITED) keyword = NONE;
    bool value = is_value(summary, token, keyword);
    char punct = token->type == WEIR_SQL_PUNCT ? token->text.ptr[0] : 0;
    if (value || token->type == WEIR_SQL_LITERAL || token->type == WEIR_SQL_PARAM)
        name_end(summary, '?');
    else if (punct)
        take_punct(summary, punct);
    else
        take_word(summary, token, keyword);
    summary->begun = true;
    summary->last = keyword;
    summary->last_punct = punct;
    return value;
}

bool weir_sql_summary_awaits_name(const struct weir_sql_summary *summary) {
    return summary->name == WEIR_SQL_NAME_AWAITED || summary->name == WEIR_SQL_NAME_DOT ||
           summary->last_punct == '.' || summary->last == K_AS || summary->in_columns;
}

bool weir_sql_summary_may_end(const struct weir_sql_summary *summary) {
    return summary->depth == 0 && summary->blocks == 0;
}

void weir_sql_summary_end(struct weir_sql_summary *summary) {
    name_end(summary, 0);
}
