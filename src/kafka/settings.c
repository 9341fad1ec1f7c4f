/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdk/sdk.h"
#include "weir/kafka.h"

#define PREFIX          "weir."
#define DUP_VARIABLE    "OTEL_SEMCONV_STABILITY_OPT_IN"
#define SLOW_DEFAULT_NS (1000 * INT64_C(1000000))
#define SLOW_MAX_MS     86400000 /* a day */

const char *const weir_kafka_operation_names[WEIR_KAFKA_OPERATIONS_COUNT] = {
    [WEIR_KAFKA_SEND] = "send",
    [WEIR_KAFKA_POLL] = "poll",
    [WEIR_KAFKA_PROCESS] = "process",
    [WEIR_KAFKA_COMMIT] = "commit"};

/* ── the table ───────────────────────────────────────────────────────────────────────────────── */

enum kind { WORD, YES_NO, MILLISECONDS, TEXT, TEMPLATE };

static const char *const propagate_words[] = {"always", "sampled", "off", NULL};
static const char *const process_end_words[] = {"auto",     "next_poll", "destroy",
                                                "explicit", "off",       NULL};
static const char *const nesting_words[] = {"auto", "thread", "off", NULL};
static const char *const mode_words[] = {"auto", "parent", "link", NULL};
static const char *const semconv_words[] = {"1.44", "document", "dup", NULL};
static const char *const truth_words[] = {"false", "true", NULL};
static const char *const placeholders[] = {"{operation}", "{topic}", "{group}", "{client}", NULL};

#define AT(field) offsetof(struct weir_kafka_settings, field)

/* A word's place in its list is its value in the enum. */
static const struct row {
    const char *name;
    enum kind kind;
    size_t at;
    const char *const *words;
} rows[] = {
    {PREFIX "propagate", WORD, AT(propagate), propagate_words},
    {PREFIX "propagate.exclude", TEXT, AT(propagate_exclude), NULL},
    {PREFIX "spans", YES_NO, AT(spans), truth_words},
    {PREFIX "metrics", YES_NO, AT(metrics), truth_words},
    {PREFIX "topics.include", TEXT, AT(topics_include), NULL},
    {PREFIX "topics.exclude", TEXT, AT(topics_exclude), NULL},
    {PREFIX "keys", TEXT, AT(keys), NULL},
    {PREFIX "header", TEXT, AT(header), NULL},
    {PREFIX "slow.ms", MILLISECONDS, AT(slow_ns), NULL},
    {PREFIX "process.end", WORD, AT(process_end), process_end_words},
    {PREFIX "process.mode", WORD, AT(mode), mode_words},
    {PREFIX "nesting", WORD, AT(nesting), nesting_words},
    {PREFIX "record.keys", YES_NO, AT(record_keys), truth_words},
    {PREFIX "span.name.send", TEMPLATE, AT(names[WEIR_KAFKA_SEND]), NULL},
    {PREFIX "span.name.poll", TEMPLATE, AT(names[WEIR_KAFKA_POLL]), NULL},
    {PREFIX "span.name.process", TEMPLATE, AT(names[WEIR_KAFKA_PROCESS]), NULL},
    {PREFIX "span.name.commit", TEMPLATE, AT(names[WEIR_KAFKA_COMMIT]), NULL},
    {PREFIX "semconv", WORD, AT(semconv), semconv_words},
    {PREFIX "origin", YES_NO, AT(origin), truth_words},
    {PREFIX "statistics", YES_NO, AT(statistics), truth_words},
};
#define ROWS (sizeof rows / sizeof rows[0])

/* The row's field, which has the type that its kind says. */
static void *field(struct weir_kafka_settings *settings, const struct row *row) {
    return (char *)settings + row->at;
}

static bool is_text(const struct row *row) {
    return row->kind == TEXT || row->kind == TEMPLATE;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

struct weir_kafka_settings *weir_kafka_settings_new(unsigned flags) {
    struct weir_kafka_settings *settings = calloc(1, sizeof *settings);
    if (!settings) return NULL;
    settings->propagate =
        flags & WEIR_KAFKA_NO_INJECT ? WEIR_KAFKA_PROPAGATE_OFF : WEIR_KAFKA_PROPAGATE_ALWAYS;
    settings->spans = !(flags & WEIR_KAFKA_NO_SPANS);
    settings->record_keys = flags & WEIR_KAFKA_RECORD_KEYS;
    settings->metrics = settings->statistics = true;
    settings->slow_ns = SLOW_DEFAULT_NS;
    return settings;
}

struct weir_kafka_settings *weir_kafka_settings_copy(const struct weir_kafka_settings *settings) {
    struct weir_kafka_settings *copy = malloc(sizeof *copy);
    bool complete = copy;
    if (copy) *copy = *settings;
    for (size_t i = 0; copy && i < ROWS; i++) {
        if (!is_text(&rows[i])) continue;
        char **text = field(copy, &rows[i]);
        if (*text) complete &= (*text = strdup(*text)) != NULL;
    }
    if (complete) return copy;
    weir_kafka_settings_free(copy);
    return NULL;
}

void weir_kafka_settings_free(struct weir_kafka_settings *settings) {
    for (size_t i = 0; settings && i < ROWS; i++)
        if (is_text(&rows[i])) free(*(char **)field(settings, &rows[i]));
    free(settings);
}

/* ── setting ─────────────────────────────────────────────────────────────────────────────────── */

/* "a, b or c". */
static void list_words(const char *const *words, char *ret, size_t size) {
    size_t at = 0;
    for (size_t i = 0; words[i] && at < size; i++)
        at += (size_t)snprintf(ret + at, size - at, "%s%s",
                               i == 0         ? ""
                               : words[i + 1] ? ", "
                                              : " or ",
                               words[i]);
}

static int set_word(const struct row *row, const char *value, int *ret, struct weir_error *reterr) {
    char list[80];
    for (int i = 0; row->words[i]; i++) {
        if (!weir_view_eq_nocase(weir_view_str(value), weir_view_str(row->words[i]))) continue;
        *ret = i;
        return WEIR_OK;
    }
    list_words(row->words, list, sizeof list);
    return weir_error_set(reterr, WEIR_EINVALID, "\"%.100s\": must be %s", value, list);
}

/* Every {…} of a template must be one that is known. */
static int check_template(const char *value, struct weir_error *reterr) {
    for (const char *at = strchr(value, '{'); at; at = strchr(at + 1, '{')) {
        const char *end = strchr(at, '}');
        struct weir_view name = weir_view(at, end ? (size_t)(end - at) + 1 : strlen(at));
        size_t i = 0;
        while (placeholders[i] && !weir_view_is(name, placeholders[i])) i++;
        if (placeholders[i]) continue;
        char list[80];
        list_words(placeholders, list, sizeof list);
        return weir_error_set(reterr, WEIR_EINVALID, "\"%.100s\": \"%.*s\" must be %s", value,
                              WEIR_VIEW_ARG(weir_view_upto(name, 40)), list);
    }
    return WEIR_OK;
}

static int set_text(const char *value, char **ret, struct weir_error *reterr) {
    char *copy = NULL;
    if (value[0] && !(copy = strdup(value)))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    free(*ret);
    *ret = copy;
    return WEIR_OK;
}

static int set_row(struct weir_kafka_settings *settings, const struct row *row, const char *value,
                   struct weir_error *reterr) {
    void *to = field(settings, row);
    int code = WEIR_OK, word = 0;
    int64_t ms;
    switch (row->kind) {
    case WORD: return set_word(row, value, to, reterr);
    case YES_NO:
        if (!(code = set_word(row, value, &word, reterr))) *(bool *)to = word;
        return code;
    case MILLISECONDS:
        if (!weir_view_to_i64(weir_view_str(value), &ms) || ms < 0 || ms > SLOW_MAX_MS)
            return weir_error_set(reterr, WEIR_EINVALID,
                                  "\"%.100s\": must be a whole number from 0 to %d", value,
                                  SLOW_MAX_MS);
        *(int64_t *)to = ms * 1000000;
        return WEIR_OK;
    case TEMPLATE: code = check_template(value, reterr); break;
    case TEXT: break;
    }
    return code ? code : set_text(value, to, reterr);
}

static const struct row *find(const char *name) {
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(name, rows[i].name) == 0) return &rows[i];
    return NULL;
}

static int unknown(const char *name, struct weir_error *reterr) {
    const char *names[ROWS + 1];
    for (size_t i = 0; i <= ROWS; i++) names[i] = weir_kafka_settings_property(i);
    const char *near = weir_view_nearest(weir_view_str(name), names);
    return weir_error_set(reterr, WEIR_EINVALID, "Weir has no property '%.100s'%s%s%s", name,
                          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int weir_kafka_settings_set(struct weir_kafka_settings *settings, const char *name,
                            const char *value, struct weir_error *reterr) {
    const struct row *row = find(name);
    return row ? set_row(settings, row, value ? value : "", reterr) : unknown(name, reterr);
}

const char *weir_kafka_settings_property(size_t n) {
    return n < ROWS ? rows[n].name : NULL;
}

/* ── the environment ─────────────────────────────────────────────────────────────────────────── */

/* "WEIR_KAFKA_SLOW_MS" of "weir.slow.ms". */
static void variable_of(const struct row *row, char *ret, size_t size) {
    snprintf(ret, size, "WEIR_KAFKA_%s", row->name + sizeof PREFIX - 1);
    for (char *c = ret; *c; c++) {
        if (*c == '.') *c = '_';
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    }
}

/* A list that other instrumentations read too: only `messaging` and `messaging/dup` are for us. */
static void read_opt_in(struct weir_kafka_settings *settings) {
    struct weir_view rest = weir_view_str(getenv(DUP_VARIABLE));
    bool plain = false, dup = false;
    while (rest.ptr) {
        struct weir_view word = weir_view_trim(weir_view_cut(&rest, ','));
        plain |= weir_view_is(word, "messaging");
        dup |= weir_view_is(word, "messaging/dup");
    }
    if (dup)
        settings->semconv = WEIR_KAFKA_SEMCONV_DUP;
    else if (plain)
        settings->semconv = WEIR_KAFKA_SEMCONV_1_44;
}

void weir_kafka_settings_environment(struct weir_kafka_settings *settings) {
    read_opt_in(settings);
    for (size_t i = 0; i < ROWS; i++) {
        char name[64];
        struct weir_error err = {0}, told = {0};
        variable_of(&rows[i], name, sizeof name);
        const char *value = getenv(name);
        if (!value || !value[0]) continue;
        int code = set_row(settings, &rows[i], value, &err);
        if (!code) continue;
        weir_error_set(&told, code, "%s is %s; it is ignored", name, err.message);
        weir_sdk_report(&told);
    }
}

/* ── properties of a configuration ───────────────────────────────────────────────────────────── */

static rd_kafka_conf_res_t on_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                       char *errstr, size_t errstr_size, void *opaque) {
    (void)conf;
    struct weir_error err = {0};
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0) return RD_KAFKA_CONF_UNKNOWN;
    int code = weir_kafka_settings_set(opaque, name, value, &err);
    if (!code) return RD_KAFKA_CONF_OK;
    if (errstr) snprintf(errstr, errstr_size, "%s", err.message);
    return RD_KAFKA_CONF_INVALID;
}

bool weir_kafka_settings_attach(const struct weir_rd *rd, rd_kafka_conf_t *conf,
                                struct weir_kafka_settings *settings) {
    return !rd->conf_interceptor_add_on_conf_set(conf, "weir", on_conf_set, settings);
}

/* ── asking ──────────────────────────────────────────────────────────────────────────────────── */

static bool glob_matches(struct weir_view glob, struct weir_view text) {
    size_t g = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.len) {
        if (g < glob.len && glob.ptr[g] == '*') {
            star = g++;
            from = t;
        } else if (g < glob.len && (glob.ptr[g] == '?' || glob.ptr[g] == text.ptr[t])) {
            g++, t++;
        } else if (star != SIZE_MAX) { /* the last star takes one byte more */
            g = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (g < glob.len && glob.ptr[g] == '*') g++;
    return g == glob.len;
}

bool weir_kafka_globs_match(const char *globs, struct weir_view text) {
    struct weir_view rest = weir_view_str(globs);
    while (globs && rest.ptr)
        if (glob_matches(weir_view_trim(weir_view_cut(&rest, ',')), text)) return true;
    return false;
}

bool weir_kafka_settings_observes(const struct weir_kafka_settings *settings, const char *topic) {
    struct weir_view name = weir_view_str(topic);
    if (settings->topics_include && !weir_kafka_globs_match(settings->topics_include, name))
        return false;
    return !weir_kafka_globs_match(settings->topics_exclude, name);
}

bool weir_kafka_settings_propagates(const struct weir_kafka_settings *settings, const char *topic) {
    return settings->propagate != WEIR_KAFKA_PROPAGATE_OFF &&
           weir_kafka_settings_observes(settings, topic) &&
           !weir_kafka_globs_match(settings->propagate_exclude, weir_view_str(topic));
}

static bool has_header(const char *wanted, const struct weir_rd *rd,
                       const rd_kafka_headers_t *headers) {
    struct weir_view rest = weir_view_str(wanted), name = weir_view_trim(weir_view_cut(&rest, '='));
    char text[256];
    const void *value;
    size_t size;
    snprintf(text, sizeof text, "%.*s", WEIR_VIEW_ARG(name));
    if (!headers || rd->header_get_last(headers, text, &value, &size)) return false;
    return !rest.ptr || weir_view_eq(weir_view_trim(rest), weir_view(value, value ? size : 0));
}

bool weir_kafka_settings_passes(const struct weir_kafka_settings *settings,
                                const struct weir_rd *rd, struct weir_view key,
                                const rd_kafka_headers_t *headers) {
    if (settings->keys && (!key.ptr || !weir_kafka_globs_match(settings->keys, key))) return false;
    return !settings->header || has_header(settings->header, rd, headers);
}

/* ── names of spans ──────────────────────────────────────────────────────────────────────────── */

/* "{operation} {topic}" without looking for placeholders. */
static void plain_name(const char *operation, const char *topic, char *ret, size_t size) {
    size_t at = strnlen(operation, size - 1), room = size - 1 - at;
    memcpy(ret, operation, at);
    size_t len = topic && room ? strnlen(topic, room - 1) : 0;
    if (len) ret[at++] = ' ';
    if (len) memcpy(ret + at, topic, len);
    ret[at + len] = 0;
}

void weir_kafka_settings_name(const struct weir_kafka_settings *settings,
                              enum weir_kafka_operation operation, const char *topic,
                              const char *group, const char *client, char *ret, size_t size) {
    const char *values[] = {weir_kafka_operation_names[operation], topic, group, client};
    const char *from = settings->names[operation];
    size_t at = 0;
    if (!from) {
        plain_name(values[0], topic, ret, size);
        return;
    }
    while (*from && at + 1 < size) {
        size_t i = 0;
        while (placeholders[i] && strncmp(from, placeholders[i], strlen(placeholders[i])) != 0) i++;
        if (!placeholders[i]) {
            ret[at++] = *from++;
            continue;
        }
        struct weir_view value = weir_view_upto(weir_view_str(values[i]), size - 1 - at);
        memcpy(ret + at, value.ptr, value.len);
        at += value.len;
        from += strlen(placeholders[i]);
    }
    struct weir_view trimmed = weir_view_trim(weir_view(ret, at));
    memmove(ret, trimmed.ptr, trimmed.len);
    ret[trimmed.len] = 0;
}
