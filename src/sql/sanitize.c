/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens in, text without values out. */
#include "sql/lex.h"
#include "sql/sql.h"
#include "sql/summary.h"

enum { PAST_MAX = 8 };

/* One written token: 'L' a literal, 'w' a word or parameter, else its byte. */
struct past {
    char kind;
    size_t from, to; /* its bytes in the text, without the blank before it */
};

struct writer {
    struct weir_sql *out;
    struct past past[PAST_MAX]; /* the latest last */
    size_t count;
    bool full;
};

static char kind_at(const struct writer *writer, size_t back) {
    return back < writer->count ? writer->past[writer->count - 1 - back].kind : 0;
}

/* Forgets the latest tokens, and what they wrote. */
static void take_back(struct writer *writer, size_t count) {
    writer->count -= count;
    writer->out->text_size = writer->count ? writer->past[writer->count - 1].to : 0;
}

static void put(struct writer *writer, char kind, struct weir_view text, bool spaced) {
    struct weir_sql *out = writer->out;
    size_t blank = spaced && out->text_size > 0;
    if (out->text_size + blank + text.len > WEIR_SQL_TEXT_MAX) {
        writer->full = true;
        return;
    }
    if (blank) out->text[out->text_size++] = ' ';
    if (writer->count == PAST_MAX) {
        memmove(writer->past, writer->past + 1, (PAST_MAX - 1) * sizeof writer->past[0]);
        writer->count--;
    }
    struct past *past = &writer->past[writer->count++];
    past->kind = kind;
    past->from = out->text_size;
    memcpy(out->text + out->text_size, text.ptr, text.len);
    out->text_size += text.len;
    past->to = out->text_size;
}

static bool is_sign(char kind) {
    return kind == '-' || kind == '+';
}

static bool is_before_operand(char kind) {
    return kind && strchr("(,=<>*/%|&+-[", kind) != NULL;
}

/* `1, 2, 3` is one value, and so is `-1`. */
static void put_literal(struct writer *writer, bool spaced) {
    if (is_sign(kind_at(writer, 0)) && is_before_operand(kind_at(writer, 1))) {
        spaced = writer->past[writer->count - 1].from > writer->past[writer->count - 2].to;
        take_back(writer, 1);
    }
    if (kind_at(writer, 0) == ',' && kind_at(writer, 1) == 'L')
        take_back(writer, 1);
    else
        put(writer, 'L', WEIR_VIEW("?"), spaced);
}

/* `(?), (?)` is one row. */
static void put_close(struct writer *writer, bool spaced) {
    static const char row[] = "L(,)L("; /* backwards */
    size_t i = 0;
    while (i < sizeof row - 1 && kind_at(writer, i) == row[i]) i++;
    if (i == sizeof row - 1)
        take_back(writer, 3);
    else
        put(writer, ')', WEIR_VIEW(")"), spaced);
}

static bool is_boolean(const struct writer *writer, struct weir_view word) {
    return kind_at(writer, 0) != '.' && (weir_view_eq_nocase(word, WEIR_VIEW("true")) ||
                                         weir_view_eq_nocase(word, WEIR_VIEW("false")));
}

static void write_token(struct writer *writer, const struct weir_sql_token *token, bool is_value) {
    if (writer->full) return;
    if (is_value || token->type == WEIR_SQL_LITERAL ||
        (token->type == WEIR_SQL_WORD && is_boolean(writer, token->text)))
        put_literal(writer, token->spaced);
    else if (token->type == WEIR_SQL_PUNCT && token->text.ptr[0] == ')')
        put_close(writer, token->spaced);
    else
        put(writer, token->type == WEIR_SQL_PUNCT ? token->text.ptr[0] : 'w', token->text,
            token->spaced);
}

/* What several statements have in common: their summary if it is one, after BATCH. */
static void batch_summary(struct weir_sql *ret, bool alike) {
    static const char batch[] = "BATCH ";
    size_t size = alike ? strlen(ret->summary) : 0;
    if (size + sizeof batch - 1 > WEIR_SQL_SUMMARY_MAX) size = 0;
    memmove(ret->summary + sizeof batch - 1, ret->summary, size);
    memcpy(ret->summary, batch, sizeof batch - 1);
    ret->summary[size ? sizeof batch - 1 + size : sizeof batch - 2] = 0;
}

struct counter {
    struct weir_sql_summary present;
    bool alike;
};

static void end_statement(struct counter *counter, struct weir_sql *ret) {
    if (!counter->present.begun) return; /* an empty one */
    weir_sql_summary_end(&counter->present);
    if (ret->statements++ == 0)
        memcpy(ret->summary, counter->present.text, counter->present.size + 1);
    else
        counter->alike &= !strcmp(ret->summary, counter->present.text);
    counter->present = (struct weir_sql_summary){.size = 0};
}

void weir_sql_scan(struct weir_view text, enum weir_sql_dialect dialect, struct weir_sql *ret) {
    struct weir_sql_lexer lexer = {.text = text, .dialect = dialect};
    struct writer writer = {.out = ret};
    struct counter counter = {.alike = true};
    ret->text_size = ret->statements = 0;
    ret->summary[0] = 0;
    for (;;) {
        struct weir_sql_token token = weir_sql_next(&lexer);
        if (token.type == WEIR_SQL_END) break;
        if (dialect == WEIR_SQL_SQLITE && token.type == WEIR_SQL_QUOTED &&
            token.text.ptr[0] == '"' && weir_sql_peek(&lexer) != '.' &&
            !weir_sql_summary_awaits_name(&counter.present))
            token.type = WEIR_SQL_LITERAL;
        if (token.type == WEIR_SQL_PUNCT && token.text.ptr[0] == ';' &&
            weir_sql_summary_may_end(&counter.present)) {
            end_statement(&counter, ret);
            write_token(&writer, &token, false);
            continue;
        }
        bool is_value = weir_sql_summary_take(&counter.present, &token);
        write_token(&writer, &token, is_value);
    }
    end_statement(&counter, ret);
    if (ret->statements > 1) batch_summary(ret, counter.alike);
    ret->text[ret->text_size] = 0;
}
