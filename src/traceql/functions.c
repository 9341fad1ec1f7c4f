/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/functions.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct weir_traceql_intrinsic_info intrinsics[] = {
    {"duration", WEIR_TRACEQL_DURATION, WEIR_TRACEQL_TYPE_DURATION},
    {"name", WEIR_TRACEQL_NAME, WEIR_TRACEQL_TYPE_STRING},
    {"status", WEIR_TRACEQL_STATUS, WEIR_TRACEQL_TYPE_STATUS},
    {"statusMessage", WEIR_TRACEQL_STATUS_MESSAGE, WEIR_TRACEQL_TYPE_STRING},
    {"kind", WEIR_TRACEQL_KIND, WEIR_TRACEQL_TYPE_KIND},
    {"span:childCount", WEIR_TRACEQL_CHILD_COUNT, WEIR_TRACEQL_TYPE_INT},
    {"span:id", WEIR_TRACEQL_SPAN_ID, WEIR_TRACEQL_TYPE_STRING},
    {"span:parentID", WEIR_TRACEQL_PARENT_ID, WEIR_TRACEQL_TYPE_STRING},
    {"span:startTime", WEIR_TRACEQL_START_TIME, WEIR_TRACEQL_TYPE_INT},
    {"trace:id", WEIR_TRACEQL_TRACE_ID, WEIR_TRACEQL_TYPE_STRING},
    {"traceDuration", WEIR_TRACEQL_TRACE_DURATION, WEIR_TRACEQL_TYPE_DURATION},
    {"rootName", WEIR_TRACEQL_ROOT_NAME, WEIR_TRACEQL_TYPE_STRING},
    {"rootServiceName", WEIR_TRACEQL_ROOT_SERVICE, WEIR_TRACEQL_TYPE_STRING},
    {"nestedSetLeft", WEIR_TRACEQL_NESTED_LEFT, WEIR_TRACEQL_TYPE_INT},
    {"nestedSetRight", WEIR_TRACEQL_NESTED_RIGHT, WEIR_TRACEQL_TYPE_INT},
    {"nestedSetParent", WEIR_TRACEQL_NESTED_PARENT, WEIR_TRACEQL_TYPE_INT},
    {"event:name", WEIR_TRACEQL_EVENT_NAME, WEIR_TRACEQL_TYPE_STRING},
    {"event:timeSinceStart", WEIR_TRACEQL_EVENT_TIME_SINCE_START, WEIR_TRACEQL_TYPE_DURATION},
    {"link:traceID", WEIR_TRACEQL_LINK_TRACE_ID, WEIR_TRACEQL_TYPE_STRING},
    {"link:spanID", WEIR_TRACEQL_LINK_SPAN_ID, WEIR_TRACEQL_TYPE_STRING},
    {"instrumentation:name", WEIR_TRACEQL_SCOPE_NAME, WEIR_TRACEQL_TYPE_STRING},
    {"instrumentation:version", WEIR_TRACEQL_SCOPE_VERSION, WEIR_TRACEQL_TYPE_STRING},
    {"parent", WEIR_TRACEQL_PARENT, WEIR_TRACEQL_TYPE_NIL},
    /* other spellings */
    {"span:duration", WEIR_TRACEQL_DURATION, WEIR_TRACEQL_TYPE_DURATION},
    {"span:name", WEIR_TRACEQL_NAME, WEIR_TRACEQL_TYPE_STRING},
    {"span:status", WEIR_TRACEQL_STATUS, WEIR_TRACEQL_TYPE_STATUS},
    {"span:statusMessage", WEIR_TRACEQL_STATUS_MESSAGE, WEIR_TRACEQL_TYPE_STRING},
    {"span:kind", WEIR_TRACEQL_KIND, WEIR_TRACEQL_TYPE_KIND},
    {"childCount", WEIR_TRACEQL_CHILD_COUNT, WEIR_TRACEQL_TYPE_INT},
    {"trace:duration", WEIR_TRACEQL_TRACE_DURATION, WEIR_TRACEQL_TYPE_DURATION},
    {"trace:rootName", WEIR_TRACEQL_ROOT_NAME, WEIR_TRACEQL_TYPE_STRING},
    {"trace:rootService", WEIR_TRACEQL_ROOT_SERVICE, WEIR_TRACEQL_TYPE_STRING},
};

const struct weir_traceql_intrinsic_info *weir_traceql_intrinsic_find(struct weir_view name) {
    for (size_t i = 0; i < COUNT(intrinsics); i++)
        if (weir_view_is(name, intrinsics[i].name)) return &intrinsics[i];
    return NULL;
}

const struct weir_traceql_intrinsic_info *weir_traceql_intrinsic_get(
    enum weir_traceql_intrinsic intrinsic) {
    for (size_t i = 0; i < COUNT(intrinsics); i++)
        if (intrinsics[i].intrinsic == intrinsic) return &intrinsics[i];
    return &intrinsics[0];
}

bool weir_traceql_intrinsic_at(size_t index, const struct weir_traceql_intrinsic_info **ret) {
    if (index >= COUNT(intrinsics)) return false;
    *ret = &intrinsics[index];
    return true;
}

static const struct {
    const char *name;
    struct weir_traceql_value value;
} constants[] = {
    {"true", {.type = WEIR_TRACEQL_TYPE_BOOL, .boolean = true}},
    {"false", {.type = WEIR_TRACEQL_TYPE_BOOL, .boolean = false}},
    {"nil", {.type = WEIR_TRACEQL_TYPE_NIL}},
    {"ok", {.type = WEIR_TRACEQL_TYPE_STATUS, .i64 = WEIR_TRACEQL_STATUS_OK}},
    {"error", {.type = WEIR_TRACEQL_TYPE_STATUS, .i64 = WEIR_TRACEQL_STATUS_ERROR}},
    {"unset", {.type = WEIR_TRACEQL_TYPE_STATUS, .i64 = WEIR_TRACEQL_STATUS_UNSET}},
    {"unspecified", {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = 0}},
    {"internal", {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = 1}},
    {"server", {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = 2}},
    {"client", {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = 3}},
    {"producer", {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = 4}},
    {"consumer", {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = 5}},
};

bool weir_traceql_constant_find(struct weir_view name, struct weir_traceql_value *ret) {
    for (size_t i = 0; i < COUNT(constants); i++)
        if (weir_view_is(name, constants[i].name)) return *ret = constants[i].value, true;
    return false;
}

static const char *constant_name(enum weir_traceql_type type, int64_t number,
                                 const char *otherwise) {
    for (size_t i = 0; i < COUNT(constants); i++)
        if (constants[i].value.type == type && constants[i].value.i64 == number)
            return constants[i].name;
    return otherwise;
}

const char *weir_traceql_status_name(int64_t status) {
    return constant_name(WEIR_TRACEQL_TYPE_STATUS, status, "unset");
}

const char *weir_traceql_kind_name(int64_t kind) {
    return constant_name(WEIR_TRACEQL_TYPE_KIND, kind, "unspecified");
}

static const char *const aggregates[] = {"", "count", "avg", "min", "max", "sum"};

bool weir_traceql_aggregate_find(struct weir_view name, enum weir_traceql_aggregate *ret) {
    for (size_t i = 1; i < COUNT(aggregates); i++)
        if (weir_view_is(name, aggregates[i])) return *ret = (enum weir_traceql_aggregate)i, true;
    return false;
}

const char *weir_traceql_aggregate_name(enum weir_traceql_aggregate aggregate) {
    return aggregates[aggregate];
}

static const char *const metrics[] = {
    "rate",          "count_over_time",    "min_over_time",       "max_over_time", "avg_over_time",
    "sum_over_time", "quantile_over_time", "histogram_over_time", "compare",       "topk",
    "bottomk",
};

bool weir_traceql_metric_find(struct weir_view name, enum weir_traceql_metric *ret) {
    for (size_t i = 0; i < COUNT(metrics); i++)
        if (weir_view_is(name, metrics[i])) return *ret = (enum weir_traceql_metric)i, true;
    return false;
}

const char *weir_traceql_metric_name(enum weir_traceql_metric metric) {
    return metrics[metric];
}

const char *weir_traceql_name_nearest(struct weir_view name) {
    const char
        *names[COUNT(intrinsics) + COUNT(constants) + COUNT(aggregates) + COUNT(metrics) + 4];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(intrinsics); i++) names[count++] = intrinsics[i].name;
    for (size_t i = 0; i < COUNT(constants); i++) names[count++] = constants[i].name;
    for (size_t i = 1; i < COUNT(aggregates); i++) names[count++] = aggregates[i];
    for (size_t i = 0; i < COUNT(metrics); i++) names[count++] = metrics[i];
    names[count++] = "select";
    names[count++] = "coalesce";
    names[count] = NULL;
    return weir_view_nearest(name, names);
}

static const struct {
    enum weir_traceql_op op;
    const char *sign;
    int strength;
} ops[] = {
    {WEIR_TRACEQL_OP_OR, "||", 1}, {WEIR_TRACEQL_OP_AND, "&&", 1}, {WEIR_TRACEQL_OP_EQ, "=", 2},
    {WEIR_TRACEQL_OP_NE, "!=", 2}, {WEIR_TRACEQL_OP_RE, "=~", 2},  {WEIR_TRACEQL_OP_NRE, "!~", 2},
    {WEIR_TRACEQL_OP_GT, ">", 2},  {WEIR_TRACEQL_OP_GE, ">=", 2},  {WEIR_TRACEQL_OP_LT, "<", 2},
    {WEIR_TRACEQL_OP_LE, "<=", 2}, {WEIR_TRACEQL_OP_ADD, "+", 3},  {WEIR_TRACEQL_OP_SUB, "-", 3},
    {WEIR_TRACEQL_OP_MUL, "*", 4}, {WEIR_TRACEQL_OP_DIV, "/", 4},  {WEIR_TRACEQL_OP_MOD, "%", 4},
    {WEIR_TRACEQL_OP_POW, "^", 5}, {WEIR_TRACEQL_OP_NOT, "!", 0},  {WEIR_TRACEQL_OP_NEG, "-", 0},
};

const char *weir_traceql_op_sign(enum weir_traceql_op op) {
    for (size_t i = 0; i < COUNT(ops); i++)
        if (ops[i].op == op) return ops[i].sign;
    return "";
}

int weir_traceql_op_strength(enum weir_traceql_op op) {
    for (size_t i = 0; i < COUNT(ops); i++)
        if (ops[i].op == op) return ops[i].strength;
    return 0;
}
