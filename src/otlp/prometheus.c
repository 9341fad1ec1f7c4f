/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/prometheus.h"

#include <stdlib.h>

#include "otlp/value.h"

static bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- units ----------------------------------------------------------------------------------- */

struct unit {
    const char *ucum, *word;
};

static const struct unit units[] = {
    {"d", "days"},         {"h", "hours"},         {"min", "minutes"},
    {"s", "seconds"},      {"ms", "milliseconds"}, {"us", "microseconds"},
    {"ns", "nanoseconds"}, {"By", "bytes"},        {"KiBy", "kibibytes"},
    {"MiBy", "mebibytes"}, {"GiBy", "gibibytes"},  {"TiBy", "tibibytes"},
    {"KBy", "kilobytes"},  {"kBy", "kilobytes"},   {"MBy", "megabytes"},
    {"GBy", "gigabytes"},  {"TBy", "terabytes"},   {"m", "meters"},
    {"V", "volts"},        {"A", "amperes"},       {"J", "joules"},
    {"W", "watts"},        {"g", "grams"},         {"Cel", "celsius"},
    {"Hz", "hertz"},       {"%", "percent"},       {"1", ""},
    {NULL, NULL},
};
static const struct unit per_units[] = {
    {"s", "second"}, {"m", "minute"}, {"min", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"},     {NULL, NULL},
};

/* The unit in words; annotations such as {message} have none, unknown units stand for themselves.
 */
static struct weir_view unit_word(const struct unit *table, struct weir_view ucum) {
    ucum = weir_view_trim(ucum);
    for (size_t i = 0; i < ucum.len; i++)
        if (ucum.ptr[i] == '{' || ucum.ptr[i] == '}') return WEIR_VIEW("");
    for (; table->ucum; table++)
        if (weir_view_is(ucum, table->ucum)) return weir_view_str(table->word);
    return ucum;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A name under way: words joined by '_', no word empty. Room for every byte of its sources. */
struct name {
    char *ptr;
    size_t len, room;
};

/* A name must not start with a digit: then '_' stands before it. */
static void add_word(struct name *name, struct weir_view word) {
    if (word.len == 0 || name->len + word.len + 1 > name->room) return;
    bool digit = word.ptr[0] >= '0' && word.ptr[0] <= '9';
    if (name->len || digit) name->ptr[name->len++] = '_';
    memcpy(name->ptr + name->len, word.ptr, word.len);
    name->len += word.len;
}

/* The next run of letters, digits and colons. */
static struct weir_view next_word(struct weir_view *rest) {
    while (rest->len && !is_alnum(*rest->ptr) && *rest->ptr != ':')
        *rest = weir_view_from(*rest, 1);
    size_t len = 0;
    while (len < rest->len && (is_alnum(rest->ptr[len]) || rest->ptr[len] == ':')) len++;
    struct weir_view word = weir_view_upto(*rest, len);
    *rest = weir_view_from(*rest, len);
    return word;
}

static bool has_word(const struct name *name, struct weir_view wanted) {
    struct weir_view rest = weir_view(name->ptr, name->len), word;
    while ((word = next_word(&rest)).len)
        if (weir_view_eq(word, wanted)) return true;
    return false;
}

/* All words of `text` except `but`. */
static void add_words(struct name *name, struct weir_view text, const char *but) {
    struct weir_view word;
    while ((word = next_word(&text)).len)
        if (!but || !weir_view_is(word, but)) add_word(name, word);
}

/* A suffix of one or more words, unless the name has it already. */
static void add_suffix(struct name *name, struct weir_view text) {
    struct weir_view rest = text, first = next_word(&rest);
    if (first.len && !has_word(name, first)) add_words(name, text, NULL);
}

static bool name_init(struct weir_arena *arena, size_t sources_len, struct name *ret) {
    enum { SUFFIXES_ROOM = 64 }; /* unit words, "per", "total" or "ratio", joints */
    ret->room = 2 * sources_len + SUFFIXES_ROOM;
    ret->len = 0;
    ret->ptr = weir_arena_alloc_aligned(arena, ret->room, 1);
    return ret->ptr != NULL;
}

static void split_unit(struct weir_view unit, struct weir_view *ret_main,
                       struct weir_view *ret_per) {
    struct weir_view rest = unit, head = weir_view_cut(&rest, '/');
    *ret_main = unit_word(units, head);
    *ret_per = rest.ptr ? unit_word(per_units, rest) : WEIR_VIEW("");
}

struct weir_view weir_prometheus_metric_name(struct weir_arena *arena, struct weir_view name,
                                             struct weir_view unit, enum weir_metric_type type,
                                             bool monotonic) {
    struct name out;
    struct weir_view main_unit, per_unit;
    if (!name_init(arena, name.len + unit.len, &out)) return weir_view(NULL, 0);
    bool counter = type == WEIR_METRIC_TYPE_SUM && monotonic;
    bool ratio = type == WEIR_METRIC_TYPE_GAUGE && weir_view_is(weir_view_trim(unit), "1");
    add_words(&out, name, counter ? "total" : ratio ? "ratio" : NULL);
    split_unit(unit, &main_unit, &per_unit);
    add_suffix(&out, main_unit);
    if (per_unit.len && !has_word(&out, per_unit)) {
        add_word(&out, WEIR_VIEW("per"));
        add_words(&out, per_unit, NULL);
    }
    if (counter) add_word(&out, WEIR_VIEW("total"));
    if (ratio) add_word(&out, WEIR_VIEW("ratio"));
    if (out.len == 0) out.ptr[out.len++] = '_';
    return weir_view(out.ptr, out.len);
}

struct weir_view weir_prometheus_unit(struct weir_arena *arena, struct weir_view unit) {
    struct name out;
    struct weir_view main_unit, per_unit;
    if (!name_init(arena, unit.len, &out)) return weir_view(NULL, 0);
    split_unit(unit, &main_unit, &per_unit);
    add_words(&out, main_unit, NULL);
    if (per_unit.len) {
        add_word(&out, WEIR_VIEW("per"));
        add_words(&out, per_unit, NULL);
    }
    return weir_view(out.ptr, out.len);
}

struct weir_view weir_prometheus_label_name(struct weir_arena *arena, struct weir_view key) {
    size_t good = 0;
    while (good < key.len && (is_alnum(key.ptr[good]) ||
                              (key.ptr[good] == '_' && (good == 0 || key.ptr[good - 1] != '_'))))
        good++;
    bool digit = key.len && key.ptr[0] >= '0' && key.ptr[0] <= '9';
    if (good == key.len && good && !digit) return key;
    char *name = weir_arena_alloc_aligned(arena, key.len + 5, 1);
    if (!name) return weir_view(NULL, 0);
    size_t len = 0;
    if (digit) memcpy(name, "key_", 4), len = 4;
    for (size_t i = 0; i < key.len; i++) {
        if (is_alnum(key.ptr[i]))
            name[len++] = key.ptr[i];
        else if (len == 0 || name[len - 1] != '_')
            name[len++] = '_';
    }
    if (len == 0) name[len++] = '_';
    return weir_view(name, len);
}

const char *weir_prometheus_type(const struct weir_otlp_metric *metric) {
    switch (metric->type) {
    case WEIR_METRIC_TYPE_GAUGE: return "gauge";
    case WEIR_METRIC_TYPE_SUM: return metric->monotonic ? "counter" : "gauge";
    case WEIR_METRIC_TYPE_HISTOGRAM:
    case WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM: return "histogram";
    case WEIR_METRIC_TYPE_SUMMARY: return "summary";
    }
    return "unknown";
}

/* ---- labels ---------------------------------------------------------------------------------- */

struct entry {
    struct weir_view name, key, value; /* key: what the name was made from */
};

/* Labels under way; room is known beforehand. */
struct entries {
    struct weir_arena *arena;
    struct entry *items;
    uint32_t count;
};

static bool entries_init(struct weir_arena *arena, uint32_t room, struct entries *ret) {
    *ret = (struct entries){.arena = arena, .items = WEIR_NEW_ARRAY(arena, struct entry, room)};
    return ret->items != NULL;
}

/* A label with an empty value is no label. */
static void entries_add(struct entries *entries, struct weir_view name, struct weir_view key,
                        struct weir_view value) {
    if (value.len) entries->items[entries->count++] = (struct entry){name, key, value};
}

static void entries_add_attr(struct entries *entries, const struct weir_attr *attr) {
    entries_add(entries, weir_prometheus_label_name(entries->arena, attr->key), attr->key,
                weir_value_text(entries->arena, attr->value));
}

static int by_name_then_key(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    int order = weir_view_cmp(left->name, right->name);
    return order ? order : weir_view_cmp(left->key, right->key);
}

static struct weir_view join(struct weir_arena *arena, struct weir_view a, struct weir_view b) {
    char *text = weir_arena_alloc_aligned(arena, a.len + b.len + 1, 1);
    if (!text) return weir_view(NULL, 0);
    memcpy(text, a.ptr, a.len);
    text[a.len] = ';';
    memcpy(text + a.len + 1, b.ptr, b.len);
    return weir_view(text, a.len + b.len + 1);
}

/* Sorted, and entries of one name joined. */
static bool entries_finish(struct entries *entries, struct weir_prometheus_labels *ret) {
    struct weir_prometheus_label *labels =
        WEIR_NEW_ARRAY(entries->arena, struct weir_prometheus_label, entries->count);
    uint32_t count = 0;
    if (!labels) return false;
    if (entries->count > 1)
        qsort(entries->items, entries->count, sizeof *entries->items, by_name_then_key);
    for (uint32_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->items[i];
        if (count && weir_view_eq(labels[count - 1].name, entry->name))
            labels[count - 1].value = join(entries->arena, labels[count - 1].value, entry->value);
        else
            labels[count++] = (struct weir_prometheus_label){entry->name, entry->value};
    }
    *ret = (struct weir_prometheus_labels){labels, count};
    return !entries->arena->failed;
}

static struct weir_view attr_text(struct weir_arena *arena, struct weir_attrs attrs,
                                  const char *key) {
    const struct weir_value *value = weir_attrs_get(attrs, weir_view_str(key));
    return value ? weir_value_text(arena, *value) : WEIR_VIEW("");
}

static void add_named(struct entries *entries, const char *name, struct weir_view value) {
    entries_add(entries, weir_view_str(name), weir_view_str(name), value);
}

enum { TARGET_LABELS_COUNT = 4, SCOPE_LABELS_COUNT = 3 };

static void add_target(struct entries *entries, const struct weir_otlp_resource *resource) {
    struct weir_arena *arena = entries->arena;
    struct weir_view service = attr_text(arena, resource->attrs, "service.name");
    struct weir_view space = attr_text(arena, resource->attrs, "service.namespace");
    struct weir_view job = service;
    if (service.len && space.len)
        job = weir_arena_printf(arena, "%.*s/%.*s", WEIR_VIEW_ARG(space), WEIR_VIEW_ARG(service));
    add_named(entries, "job", job);
    add_named(entries, "instance", attr_text(arena, resource->attrs, "service.instance.id"));
    add_named(entries, "service_name", service);
    add_named(entries, "cluster", attr_text(arena, resource->attrs, "cluster"));
}

static void add_scope(struct entries *entries, const struct weir_otlp_scope *scope) {
    add_named(entries, "otel_scope_name", scope->name);
    add_named(entries, "otel_scope_version", scope->version);
    add_named(entries, "otel_scope_schema_url", scope->schema_url);
    for (uint32_t i = 0; i < scope->attrs.count; i++) {
        const struct weir_attr *attr = &scope->attrs.items[i];
        struct weir_view key =
            weir_arena_printf(entries->arena, "otel_scope_%.*s", WEIR_VIEW_ARG(attr->key));
        struct weir_view name = weir_prometheus_label_name(entries->arena, key);
        /* An attribute "name" must not be joined to the scope's own name. */
        if (weir_view_is(name, "otel_scope_name") || weir_view_is(name, "otel_scope_version") ||
            weir_view_is(name, "otel_scope_schema_url"))
            continue;
        entries_add(entries, name, attr->key, weir_value_text(entries->arena, attr->value));
    }
}

bool weir_prometheus_target_labels(struct weir_arena *arena,
                                   const struct weir_otlp_resource *resource,
                                   const struct weir_otlp_scope *scope,
                                   struct weir_prometheus_labels *ret) {
    struct entries entries;
    uint32_t scope_room = scope ? SCOPE_LABELS_COUNT + scope->attrs.count : 0;
    if (!entries_init(arena, TARGET_LABELS_COUNT + scope_room, &entries)) return false;
    add_target(&entries, resource);
    if (scope) add_scope(&entries, scope);
    return entries_finish(&entries, ret);
}

static bool has_label(struct weir_prometheus_labels labels, struct weir_view name) {
    for (uint32_t i = 0; i < labels.count; i++)
        if (weir_view_eq(labels.items[i].name, name)) return true;
    return false;
}

bool weir_prometheus_point_labels(struct weir_arena *arena, struct weir_attrs attrs,
                                  struct weir_prometheus_labels target,
                                  struct weir_prometheus_labels *ret) {
    struct entries entries;
    if (attrs.count == 0) {
        *ret = target;
        return true;
    }
    if (!entries_init(arena, target.count + attrs.count, &entries)) return false;
    for (uint32_t i = 0; i < target.count; i++)
        entries_add(&entries, target.items[i].name, target.items[i].name, target.items[i].value);
    for (uint32_t i = 0; i < attrs.count; i++) {
        entries_add_attr(&entries, &attrs.items[i]);
        struct entry *entry =
            entries.count > target.count ? &entries.items[entries.count - 1] : NULL;
        if (entry && has_label(target, entry->name))
            entry->name = weir_arena_printf(arena, "exported_%.*s", WEIR_VIEW_ARG(entry->name));
    }
    return entries_finish(&entries, ret);
}

bool weir_prometheus_target_info(struct weir_arena *arena,
                                 const struct weir_otlp_resource *resource,
                                 struct weir_prometheus_labels *ret) {
    static const char *const identity[] = {"service.name", "service.namespace",
                                           "service.instance.id", "cluster"};
    struct entries entries;
    if (!entries_init(arena, TARGET_LABELS_COUNT + resource->attrs.count, &entries)) return false;
    add_target(&entries, resource);
    uint32_t identifying = entries.count;
    for (uint32_t i = 0; i < resource->attrs.count; i++) {
        const struct weir_attr *attr = &resource->attrs.items[i];
        bool known = false;
        for (size_t j = 0; j < sizeof identity / sizeof *identity; j++)
            known |= weir_view_is(attr->key, identity[j]);
        if (!known) entries_add_attr(&entries, attr);
    }
    if (identifying == 0 || entries.count == identifying) entries.count = 0;
    return entries_finish(&entries, ret);
}
