/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/labels.h"

#include "base/text.h"
#include "otlp/value.h"

void weir_logql_labels_init(struct weir_logql_labels *labels, struct weir_arena *arena) {
    *labels = (struct weir_logql_labels){.arena = arena};
}

static struct weir_logql_label *find(const struct weir_logql_labels *labels,
                                     struct weir_view name) {
    for (uint32_t i = 0; i < labels->count; i++)
        if (weir_view_eq(labels->items[i].name, name)) return &labels->items[i];
    return NULL;
}

const struct weir_view *weir_logql_labels_get(const struct weir_logql_labels *labels,
                                              struct weir_view name) {
    const struct weir_logql_label *label = find(labels, name);
    return label ? &label->value : NULL;
}

static void append(struct weir_logql_labels *labels, enum weir_logql_category category,
                   struct weir_view name, struct weir_view value) {
    if (labels->count >= WEIR_LOGQL_LABELS_MAX) return;
    struct weir_logql_label *label =
        WEIR_PUSH(labels->arena, labels->items, labels->count, labels->room);
    if (label) *label = (struct weir_logql_label){name, value, category};
}

static struct weir_view extracted(struct weir_view name, struct weir_arena *arena) {
    return weir_arena_printf(arena, "%.*s_extracted", WEIR_VIEW_ARG(name));
}

void weir_logql_labels_add(struct weir_logql_labels *labels, enum weir_logql_category category,
                           struct weir_view name, struct weir_view value) {
    if (!name.len) return;
    struct weir_logql_label *there = find(labels, name);
    if (there && there->category < category) {
        name = extracted(name, labels->arena);
        there = find(labels, name);
    }
    if (!there)
        append(labels, category, name, value);
    else if (category == WEIR_LOGQL_PARSED)
        there->value = value; /* of two metadata the first stays */
}

void weir_logql_labels_set(struct weir_logql_labels *labels, struct weir_view name,
                           struct weir_view value) {
    struct weir_logql_label *there = find(labels, name);
    if (there)
        there->value = value;
    else
        append(labels, WEIR_LOGQL_PARSED, name, value);
}

void weir_logql_labels_remove(struct weir_logql_labels *labels, struct weir_view name) {
    struct weir_logql_label *there = find(labels, name);
    if (!there) return;
    size_t after = (size_t)(&labels->items[labels->count] - there) - 1;
    memmove(there, there + 1, after * sizeof *there);
    labels->count--;
}

static bool is_name_char(char c, bool first) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return letter || (!first && c >= '0' && c <= '9');
}

struct weir_view weir_logql_sanitize(struct weir_view name, struct weir_arena *arena) {
    bool clean = true;
    for (size_t i = 0; clean && i < name.len; i++) clean = is_name_char(name.ptr[i], i == 0);
    if (clean) return name;
    char *out = weir_arena_alloc(arena, name.len + 1);
    if (!out) return name;
    size_t len = 0;
    if (name.ptr[0] >= '0' && name.ptr[0] <= '9') out[len++] = '_';
    for (size_t i = 0; i < name.len; i++, len++)
        out[len] = is_name_char(name.ptr[i], len == 0) ? name.ptr[i] : '_';
    return weir_view(out, len);
}

/* ---- resources ------------------------------------------------------------------------------- */

static const struct {
    struct weir_view key, name;
} stream_keys[] = {
#define KEY(key, name)                                                                             \
    { WEIR_VIEW_INIT(key), WEIR_VIEW_INIT(name) }
    KEY("service.name", "service_name"),
    KEY("service.namespace", "service_namespace"),
    KEY("service.instance.id", "service_instance_id"),
    KEY("deployment.environment", "deployment_environment"),
    KEY("deployment.environment.name", "deployment_environment_name"),
    KEY("cloud.availability_zone", "cloud_availability_zone"),
    KEY("cloud.region", "cloud_region"),
    KEY("container.name", "container_name"),
    KEY("k8s.cluster.name", "k8s_cluster_name"),
    KEY("k8s.container.name", "k8s_container_name"),
    KEY("k8s.cronjob.name", "k8s_cronjob_name"),
    KEY("k8s.daemonset.name", "k8s_daemonset_name"),
    KEY("k8s.deployment.name", "k8s_deployment_name"),
    KEY("k8s.job.name", "k8s_job_name"),
    KEY("k8s.namespace.name", "k8s_namespace_name"),
    KEY("k8s.pod.name", "k8s_pod_name"),
    KEY("k8s.replicaset.name", "k8s_replicaset_name"),
    KEY("k8s.statefulset.name", "k8s_statefulset_name"),
#undef KEY
};
enum { STREAM_KEYS_COUNT = sizeof stream_keys / sizeof *stream_keys };

bool weir_logql_is_stream_label(struct weir_view name, struct weir_view *ret_key) {
    for (size_t i = 0; i < STREAM_KEYS_COUNT; i++)
        if (weir_view_eq(stream_keys[i].name, name)) return *ret_key = stream_keys[i].key, true;
    return false;
}

static bool is_stream_key(struct weir_view key) {
    for (size_t i = 0; i < STREAM_KEYS_COUNT; i++)
        if (weir_view_eq(stream_keys[i].key, key)) return true;
    return false;
}

static void add_attrs(struct weir_logql_labels *labels, struct weir_attrs attrs, bool skip_stream) {
    for (uint32_t i = 0; i < attrs.count; i++) {
        const struct weir_attr *attr = &attrs.items[i];
        if (skip_stream && is_stream_key(attr->key)) continue;
        struct weir_view name = weir_logql_sanitize(attr->key, labels->arena);
        weir_logql_labels_add(labels, WEIR_LOGQL_METADATA, name,
                              weir_value_text(labels->arena, attr->value));
    }
}

void weir_logql_labels_add_resource(struct weir_logql_labels *labels, struct weir_attrs resource) {
    for (size_t i = 0; i < STREAM_KEYS_COUNT; i++) {
        const struct weir_value *value = weir_attrs_get(resource, stream_keys[i].key);
        struct weir_view text = value ? weir_value_text(labels->arena, *value) : weir_view("", 0);
        if (i == 0 && !text.len) text = WEIR_VIEW("unknown_service");
        if (text.len) weir_logql_labels_add(labels, WEIR_LOGQL_STREAM, stream_keys[i].name, text);
    }
    add_attrs(labels, resource, true);
}

/* ---- records --------------------------------------------------------------------------------- */

static struct weir_view lower(struct weir_view v, struct weir_arena *arena) {
    char *out = weir_arena_alloc(arena, v.len + 1);
    if (!out) return v;
    for (size_t i = 0; i < v.len; i++)
        out[i] = v.ptr[i] >= 'A' && v.ptr[i] <= 'Z' ? (char)(v.ptr[i] + 32) : v.ptr[i];
    return weir_view(out, v.len);
}

static struct weir_view plain_level(struct weir_view text) {
    if (weir_view_eq_nocase(text, WEIR_VIEW("warning"))) return WEIR_VIEW("warn");
    if (weir_view_eq_nocase(text, WEIR_VIEW("err"))) return WEIR_VIEW("error");
    if (weir_view_eq_nocase(text, WEIR_VIEW("information"))) return WEIR_VIEW("info");
    return text;
}

struct weir_view weir_logql_level(int64_t severity_number, struct weir_view severity_text,
                                  struct weir_arena *arena) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "fatal"};
    if (severity_number >= 1 && severity_number <= 24)
        return weir_view_str(names[(severity_number - 1) / 4]);
    return lower(plain_level(severity_text), arena);
}

bool weir_logql_level_eq(struct weir_view a, struct weir_view b) {
    return weir_view_eq_nocase(plain_level(a), plain_level(b));
}

bool weir_logql_is_level_name(struct weir_view name) {
    return weir_view_is(name, "level") || weir_view_is(name, "detected_level");
}

static void add_id(struct weir_logql_labels *labels, const char *name, const uint8_t *id,
                   size_t size) {
    static const uint8_t zero[16];
    if (!id || memcmp(id, zero, size) == 0) return;
    char *out = weir_arena_alloc(labels->arena, size * 2);
    if (!out) return;
    weir_text_hex_put(out, id, size);
    weir_logql_labels_add(labels, WEIR_LOGQL_METADATA, weir_view_str(name),
                          weir_view(out, size * 2));
}

static void add_text(struct weir_logql_labels *labels, const char *name, struct weir_view text) {
    if (text.len) weir_logql_labels_add(labels, WEIR_LOGQL_METADATA, weir_view_str(name), text);
}

void weir_logql_labels_add_record(struct weir_logql_labels *labels,
                                  const struct weir_logql_record *record) {
    add_id(labels, "trace_id", record->trace_id, 16);
    add_id(labels, "span_id", record->span_id, 8);
    struct weir_view level =
        weir_logql_level(record->severity_number, record->severity_text, labels->arena);
    add_text(labels, "level", level);
    add_attrs(labels, record->attrs, false);
    if (!level.len) {
        const struct weir_view *own = weir_logql_labels_get(labels, WEIR_VIEW("level"));
        if (own) level = lower(plain_level(*own), labels->arena);
    }
    add_text(labels, "detected_level", level.len ? level : WEIR_VIEW("unknown"));
    add_text(labels, "severity_text", record->severity_text);
    if (record->severity_number)
        add_text(labels, "severity_number",
                 weir_value_text(labels->arena, weir_value_i64(record->severity_number)));
    add_text(labels, "scope_name", record->scope_name);
    add_text(labels, "scope_version", record->scope_version);
    add_text(labels, "event_name", record->event_name);
}
