/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/processors/tail_policy.h"

#include <stdlib.h>

#include "base/clock.h"

enum type {
    ALWAYS,
    LATENCY,
    STATUS_CODE,
    STRING,
    NUMERIC,
    BOOLEAN,
    PROBABILISTIC,
    SPAN_COUNT,
    RATE,
    AND,
    COMPOSITE,
    ADAPTIVE,
};
static const char *const type_names[] = {
    "always_sample",     "latency",       "status_code", "string_attribute", "numeric_attribute",
    "boolean_attribute", "probabilistic", "span_count",  "rate_limiting",    "and",
    "composite",         "adaptive",      NULL};

enum { MATCHES_MAX = 64, DEPTH_MAX = 4, SERVICES_MAX = 4096, POLICIES_MAX = 256 };

/* Spans let through in the second that runs. */
struct meter {
    int64_t second;
    uint64_t spans;
};

/* How many spans a second a service had of late, for adaptive. */
struct load {
    uint64_t service;
    struct meter meter;
    double rate;
};

struct policy {
    struct weir_view name;
    enum type type;
    uint32_t match;                 /* types that ask spans: their bit */
    bool invert;                    /* STRING, BOOLEAN */
    int64_t min, max;               /* LATENCY ns, NUMERIC, SPAN_COUNT */
    uint32_t statuses;              /* STATUS_CODE: bits by enum weir_span_status */
    struct weir_view key;           /* of the attribute */
    const struct weir_yaml *values; /* STRING */
    bool boolean;                   /* BOOLEAN */
    uint64_t threshold, salt;       /* PROBABILISTIC: kept below it, of 2^56 */
    uint64_t spans_per_second;      /* RATE, ADAPTIVE, COMPOSITE */
    uint64_t share_per_second;      /* as part of a COMPOSITE */
    struct meter meter, share;
    struct policy *parts; /* AND, COMPOSITE */
    uint32_t parts_count;
    struct load *loads; /* ADAPTIVE: open addressing by service */
};

struct weir_tail_policies {
    struct policy root; /* its parts are the policies */
    uint32_t matches_count;
};

/* ---- seeing ---------------------------------------------------------------------------------- */

static const struct weir_value *attribute(const struct weir_otlp_span *span,
                                          struct weir_attrs resource, struct weir_view key) {
    const struct weir_value *value = weir_attrs_get(span->attrs, key);
    return value ? value : weir_attrs_get(resource, key);
}

static bool has_string(const struct policy *policy, const struct weir_value *value) {
    if (!value || value->type != WEIR_VALUE_STRING) return false;
    for (uint32_t i = 0; i < policy->values->count; i++)
        if (weir_view_eq(policy->values->items[i]->text, value->str)) return true;
    return false;
}

static bool has_number(const struct policy *policy, const struct weir_value *value) {
    if (!value) return false;
    if (value->type == WEIR_VALUE_INT)
        return value->i64 >= policy->min && value->i64 <= policy->max;
    return value->type == WEIR_VALUE_DOUBLE && value->f64 >= (double)policy->min &&
           value->f64 <= (double)policy->max;
}

static void see(const struct policy *policy, const struct weir_otlp_span *span,
                struct weir_attrs resource, struct weir_tail_trace *trace) {
    bool yes = false;
    for (uint32_t i = 0; i < policy->parts_count; i++)
        see(&policy->parts[i], span, resource, trace);
    if (policy->type == STATUS_CODE) yes = policy->statuses >> span->status_code & 1;
    if (policy->type == STRING) yes = has_string(policy, attribute(span, resource, policy->key));
    if (policy->type == NUMERIC) yes = has_number(policy, attribute(span, resource, policy->key));
    if (policy->type == BOOLEAN) {
        const struct weir_value *value = attribute(span, resource, policy->key);
        yes = value && value->type == WEIR_VALUE_BOOL && value->boolean == policy->boolean;
    }
    if (yes) trace->matches |= UINT64_C(1) << policy->match;
}

void weir_tail_policies_see(const struct weir_tail_policies *policies,
                            const struct weir_otlp_span *span, struct weir_attrs resource,
                            struct weir_tail_trace *trace) {
    if (!trace->spans_count) {
        trace->start_ns = span->start_ns;
        trace->end_ns = span->end_ns;
    }
    if (!trace->spans_count || !span->parent_span_id) {
        const struct weir_value *service = weir_attrs_get(resource, WEIR_VIEW("service.name"));
        trace->service =
            service && service->type == WEIR_VALUE_STRING ? weir_view_hash(service->str) : 0;
    }
    if (span->start_ns < trace->start_ns) trace->start_ns = span->start_ns;
    if (span->end_ns > trace->end_ns) trace->end_ns = span->end_ns;
    trace->spans_count++;
    see(&policies->root, span, resource, trace);
}

/* ---- deciding -------------------------------------------------------------------------------- */

static uint64_t randomness(const struct weir_tail_trace *trace, uint64_t salt) {
    struct {
        uint64_t salt;
        uint8_t id[16];
    } key = {.salt = salt};
    memcpy(key.id, trace->trace_id, 16);
    return weir_view_hash(weir_view(&key, sizeof key)) >> 8;
}

/* Whether so many spans still fit into this second. */
static bool admit(struct meter *meter, uint64_t limit, uint64_t spans, int64_t now_ns) {
    int64_t second = now_ns / WEIR_NS_PER_S;
    if (second != meter->second) *meter = (struct meter){.second = second};
    if (meter->spans + spans > limit) return false;
    meter->spans += spans;
    return true;
}

static struct load *load_of(struct policy *policy, uint64_t service) {
    for (uint32_t probe = 0; probe < 16; probe++) {
        struct load *load = &policy->loads[(service + probe) % SERVICES_MAX];
        if (load->service == service || (!load->service && !load->meter.second)) {
            load->service = service;
            return load;
        }
    }
    return &policy->loads[service % SERVICES_MAX]; /* shared: both keep a little less */
}

/* Keeps the share of the service's traces that its budget allows at the rate of the last
 * seconds. */
static bool is_in_budget(struct policy *policy, const struct weir_tail_trace *trace,
                         int64_t now_ns) {
    struct load *load = load_of(policy, trace->service);
    int64_t second = now_ns / WEIR_NS_PER_S, passed = second - load->meter.second;
    if (passed) {
        double last = (double)load->meter.spans;
        load->rate = load->meter.second == 0 ? 0
                     : passed == 1           ? load->rate / 2 + last / 2
                                             : last / 2;
        load->meter = (struct meter){.second = second};
    }
    load->meter.spans += trace->spans_count;
    double now = (double)load->meter.spans, rate = load->rate > now ? load->rate : now;
    double share =
        rate > (double)policy->spans_per_second ? (double)policy->spans_per_second / rate : 1;
    return (double)randomness(trace, 0) < share * 0x1p56;
}

static bool keeps(struct policy *policy, const struct weir_tail_trace *trace, int64_t now_ns);

static bool composite_keeps(struct policy *policy, const struct weir_tail_trace *trace,
                            int64_t now_ns) {
    for (uint32_t i = 0; i < policy->parts_count; i++) {
        struct policy *part = &policy->parts[i];
        if (keeps(part, trace, now_ns) &&
            admit(&part->share, part->share_per_second, trace->spans_count, now_ns))
            return admit(&policy->meter, policy->spans_per_second, trace->spans_count, now_ns);
    }
    return false;
}

static bool keeps(struct policy *policy, const struct weir_tail_trace *trace, int64_t now_ns) {
    bool match = trace->matches >> policy->match & 1;
    int64_t duration_ns = trace->end_ns - trace->start_ns;
    switch (policy->type) {
    case ALWAYS: return true;
    case LATENCY: return duration_ns >= policy->min && duration_ns <= policy->max;
    case STATUS_CODE:
    case NUMERIC: return match;
    case STRING:
    case BOOLEAN: return match != policy->invert;
    case PROBABILISTIC: return randomness(trace, policy->salt) < policy->threshold;
    case SPAN_COUNT: return trace->spans_count >= policy->min && trace->spans_count <= policy->max;
    case RATE: return admit(&policy->meter, policy->spans_per_second, trace->spans_count, now_ns);
    case AND:
        for (uint32_t i = 0; i < policy->parts_count; i++)
            if (!keeps(&policy->parts[i], trace, now_ns)) return false;
        return true;
    case COMPOSITE: return composite_keeps(policy, trace, now_ns);
    case ADAPTIVE: return is_in_budget(policy, trace, now_ns);
    }
    return false;
}

int weir_tail_policies_decide(struct weir_tail_policies *policies,
                              const struct weir_tail_trace *trace, int64_t now_ns) {
    for (uint32_t i = 0; i < policies->root.parts_count; i++)
        if (keeps(&policies->root.parts[i], trace, now_ns)) return (int)i;
    return -1;
}

struct weir_view weir_tail_policies_name(const struct weir_tail_policies *policies, int index) {
    return policies->root.parts[index].name;
}

/* ---- configuration --------------------------------------------------------------------------- */

static void policy_done(struct policy *policy) {
    for (uint32_t i = 0; i < policy->parts_count; i++) policy_done(&policy->parts[i]);
    free(policy->parts);
    free(policy->loads);
}

void weir_tail_policies_close(struct weir_tail_policies *policies) {
    if (!policies) return;
    policy_done(&policies->root);
    free(policies);
}

static int read_latency(struct policy *policy, const struct weir_yaml *map,
                        struct weir_error *reterr) {
    static const char *const keys[] = {"threshold_ms", "upper_threshold_ms", NULL};
    int64_t low = 0, high = 0;
    int rc = weir_yaml_check(map, "latency", keys, reterr);
    if (!rc) rc = weir_yaml_get_i64(map, "threshold_ms", 0, INT32_MAX, &low, reterr);
    if (!rc) rc = weir_yaml_get_i64(map, "upper_threshold_ms", 0, INT32_MAX, &high, reterr);
    if (!rc && high && high < low)
        rc = weir_yaml_fail(map, reterr,
                            "no trace is over %lld ms and below %lld ms: this can never match",
                            (long long)low, (long long)high);
    policy->min = low * WEIR_NS_PER_MS;
    policy->max = high ? high * WEIR_NS_PER_MS : INT64_MAX;
    return rc;
}

static int read_status(struct policy *policy, const struct weir_yaml *map,
                       struct weir_error *reterr) {
    static const char *const keys[] = {"status_codes", NULL};
    static const char *const names[] = {"UNSET", "OK", "ERROR", NULL};
    const struct weir_yaml *list = weir_yaml_get(map, "status_codes");
    int rc = weir_yaml_check(map, "status_code", keys, reterr);
    if (rc) return rc;
    if (!list || list->type != WEIR_YAML_LIST || !list->count)
        return weir_yaml_fail(list ? list : map, reterr,
                              "status_codes is a list of OK, ERROR, UNSET");
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t code = 0;
        while (names[code] && !weir_view_is(list->items[i]->text, names[code])) code++;
        if (!names[code])
            return weir_yaml_fail(list->items[i], reterr, "a status code is OK, ERROR or UNSET");
        policy->statuses |= 1u << code;
    }
    return WEIR_OK;
}

static int read_key(struct policy *policy, const struct weir_yaml *map, struct weir_error *reterr) {
    int rc = weir_yaml_get_str(map, "key", &policy->key, reterr);
    if (!rc) rc = weir_yaml_get_bool(map, "invert_match", &policy->invert, reterr);
    if (!rc && !policy->key.len)
        rc = weir_yaml_fail(map, reterr, "an attribute policy needs a key");
    return rc;
}

static int read_string(struct policy *policy, const struct weir_yaml *map,
                       struct weir_error *reterr) {
    static const char *const keys[] = {
        "key", "values", "invert_match", "enabled_regex_matching", "cache_max_size", NULL};
    bool regex = false;
    int rc = weir_yaml_check(map, "string_attribute", keys, reterr);
    if (!rc) rc = read_key(policy, map, reterr);
    if (!rc) rc = weir_yaml_get_bool(map, "enabled_regex_matching", &regex, reterr);
    if (rc) return rc;
    policy->values = weir_yaml_get(map, "values");
    if (regex)
        return weir_yaml_fail(map, reterr,
                              "regular expressions are not built for string_attribute");
    if (!policy->values || policy->values->type != WEIR_YAML_LIST || !policy->values->count)
        return weir_yaml_fail(policy->values ? policy->values : map, reterr,
                              "string_attribute needs a list of values: without one it can never "
                              "match");
    return WEIR_OK;
}

static int read_numeric(struct policy *policy, const struct weir_yaml *map,
                        struct weir_error *reterr) {
    static const char *const keys[] = {"key", "min_value", "max_value", NULL};
    policy->min = INT64_MIN;
    policy->max = INT64_MAX;
    int rc = weir_yaml_check(map, "numeric_attribute", keys, reterr);
    if (!rc) rc = read_key(policy, map, reterr);
    if (!rc) rc = weir_yaml_get_i64(map, "min_value", INT64_MIN, INT64_MAX, &policy->min, reterr);
    if (!rc) rc = weir_yaml_get_i64(map, "max_value", INT64_MIN, INT64_MAX, &policy->max, reterr);
    if (!rc && policy->min > policy->max)
        rc = weir_yaml_fail(map, reterr, "min_value is above max_value: this can never match");
    return rc;
}

static int read_boolean(struct policy *policy, const struct weir_yaml *map,
                        struct weir_error *reterr) {
    static const char *const keys[] = {"key", "value", "invert_match", NULL};
    int rc = weir_yaml_check(map, "boolean_attribute", keys, reterr);
    if (!rc) rc = read_key(policy, map, reterr);
    if (!rc) rc = weir_yaml_get_bool(map, "value", &policy->boolean, reterr);
    return rc;
}

static int read_probabilistic(struct policy *policy, const struct weir_yaml *map,
                              struct weir_error *reterr) {
    static const char *const keys[] = {"sampling_percentage", "hash_salt", NULL};
    double percentage = -1;
    struct weir_view salt = WEIR_VIEW("");
    int rc = weir_yaml_check(map, "probabilistic", keys, reterr);
    if (!rc) rc = weir_yaml_get_f64(map, "sampling_percentage", &percentage, reterr);
    if (!rc) rc = weir_yaml_get_str(map, "hash_salt", &salt, reterr);
    if (!rc && !(percentage >= 0 && percentage <= 100))
        rc = weir_yaml_fail(map, reterr, "sampling_percentage is a number from 0 to 100");
    policy->threshold = (uint64_t)(percentage / 100 * 0x1p56);
    policy->salt = weir_view_hash(salt);
    return rc;
}

static int read_span_count(struct policy *policy, const struct weir_yaml *map,
                           struct weir_error *reterr) {
    static const char *const keys[] = {"min_spans", "max_spans", NULL};
    policy->max = 0;
    int rc = weir_yaml_check(map, "span_count", keys, reterr);
    if (!rc) rc = weir_yaml_get_i64(map, "min_spans", 0, UINT32_MAX, &policy->min, reterr);
    if (!rc) rc = weir_yaml_get_i64(map, "max_spans", 0, UINT32_MAX, &policy->max, reterr);
    if (!policy->max) policy->max = INT64_MAX;
    if (!rc && policy->min > policy->max)
        rc = weir_yaml_fail(map, reterr, "min_spans is above max_spans: this can never match");
    return rc;
}

static int read_rate(struct policy *policy, const struct weir_yaml *map, const char *key,
                     struct weir_error *reterr) {
    int64_t rate = 0;
    int rc = weir_yaml_get_i64(map, key, 1, INT32_MAX, &rate, reterr);
    if (!rc && !rate)
        rc = weir_yaml_fail(map, reterr, "%s is needed: without it nothing is kept", key);
    policy->spans_per_second = (uint64_t)rate;
    return rc;
}

static int read_policies(struct weir_tail_policies *all, struct policy *parent,
                         const struct weir_yaml *list, int depth, struct weir_error *reterr);

static struct policy *find_part(const struct policy *policy, struct weir_view name) {
    for (uint32_t i = 0; i < policy->parts_count; i++)
        if (weir_view_eq(policy->parts[i].name, name)) return &policy->parts[i];
    return NULL;
}

static int read_allocation(struct policy *policy, const struct weir_yaml *list,
                           struct weir_error *reterr) {
    static const char *const keys[] = {"policy", "percent", NULL};
    for (uint32_t i = 0; i < policy->parts_count; i++)
        policy->parts[i].share_per_second = policy->spans_per_second / policy->parts_count;
    for (uint32_t i = 0; list && i < list->count; i++) {
        struct weir_view name = WEIR_VIEW("");
        int64_t percent = 0;
        int rc = weir_yaml_check(list->items[i], "rate_allocation", keys, reterr);
        if (!rc) rc = weir_yaml_get_str(list->items[i], "policy", &name, reterr);
        if (!rc) rc = weir_yaml_get_i64(list->items[i], "percent", 0, 100, &percent, reterr);
        if (rc) return rc;
        struct policy *part = find_part(policy, name);
        if (!part)
            return weir_yaml_fail(list->items[i], reterr, "composite has no sub-policy '%.*s'",
                                  WEIR_VIEW_ARG(name));
        part->share_per_second = policy->spans_per_second * (uint64_t)percent / 100;
    }
    return WEIR_OK;
}

/* Sorts the parts as policy_order names them; what it does not name comes last. */
static int read_order(struct policy *policy, const struct weir_yaml *list,
                      struct weir_error *reterr) {
    for (uint32_t i = 0; list && i < list->count; i++) {
        struct policy *part = find_part(policy, list->items[i]->text);
        if (!part || part < &policy->parts[i])
            return weir_yaml_fail(list->items[i], reterr,
                                  "composite has no sub-policy '%.*s', or names it twice",
                                  WEIR_VIEW_ARG(list->items[i]->text));
        struct policy kept = *part;
        memmove(&policy->parts[i + 1], &policy->parts[i],
                (size_t)(part - &policy->parts[i]) * sizeof *part);
        policy->parts[i] = kept;
    }
    return WEIR_OK;
}

static int read_composite(struct weir_tail_policies *all, struct policy *policy,
                          const struct weir_yaml *map, int depth, struct weir_error *reterr) {
    static const char *const keys[] = {"max_total_spans_per_second", "policy_order",
                                       "composite_sub_policy", "rate_allocation", NULL};
    int rc = weir_yaml_check(map, "composite", keys, reterr);
    if (!rc) rc = read_rate(policy, map, "max_total_spans_per_second", reterr);
    if (!rc)
        rc = read_policies(all, policy, weir_yaml_get(map, "composite_sub_policy"), depth, reterr);
    if (!rc) rc = read_order(policy, weir_yaml_get(map, "policy_order"), reterr);
    if (!rc) rc = read_allocation(policy, weir_yaml_get(map, "rate_allocation"), reterr);
    return rc;
}

static int read_and(struct weir_tail_policies *all, struct policy *policy,
                    const struct weir_yaml *map, int depth, struct weir_error *reterr) {
    static const char *const keys[] = {"and_sub_policy", NULL};
    int rc = weir_yaml_check(map, "and", keys, reterr);
    return rc ? rc
              : read_policies(all, policy, weir_yaml_get(map, "and_sub_policy"), depth, reterr);
}

static int read_body(struct weir_tail_policies *all, struct policy *policy,
                     const struct weir_yaml *node, const struct weir_yaml *body, int depth,
                     struct weir_error *reterr) {
    static const char *const rate_keys[] = {"spans_per_second", NULL};
    int rc = WEIR_OK;
    if (!body && policy->type != ALWAYS)
        return weir_yaml_fail(node, reterr, "the policy needs '%s:'", type_names[policy->type]);
    switch (policy->type) {
    case ALWAYS: return WEIR_OK;
    case LATENCY: return read_latency(policy, body, reterr);
    case STATUS_CODE: return read_status(policy, body, reterr);
    case STRING: return read_string(policy, body, reterr);
    case NUMERIC: return read_numeric(policy, body, reterr);
    case BOOLEAN: return read_boolean(policy, body, reterr);
    case PROBABILISTIC: return read_probabilistic(policy, body, reterr);
    case SPAN_COUNT: return read_span_count(policy, body, reterr);
    case AND: return read_and(all, policy, body, depth, reterr);
    case COMPOSITE: return read_composite(all, policy, body, depth, reterr);
    case ADAPTIVE:
        policy->loads = calloc(SERVICES_MAX, sizeof *policy->loads);
        if (!policy->loads) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
        break;
    case RATE: break;
    }
    rc = weir_yaml_check(body, type_names[policy->type], rate_keys, reterr);
    return rc ? rc : read_rate(policy, body, "spans_per_second", reterr);
}

static int read_policy(struct weir_tail_policies *all, struct policy *policy,
                       const struct weir_yaml *node, int depth, struct weir_error *reterr) {
    struct weir_view type = WEIR_VIEW("");
    int rc = weir_yaml_get_str(node, "name", &policy->name, reterr);
    if (!rc) rc = weir_yaml_get_str(node, "type", &type, reterr);
    if (rc) return rc;
    int index = 0;
    while (type_names[index] && !weir_view_is(type, type_names[index])) index++;
    if (!type_names[index]) {
        const char *nearest = weir_view_nearest(type, type_names);
        const struct weir_yaml *at = weir_yaml_get(node, "type");
        return weir_yaml_fail(at ? at : node, reterr, "there is no policy of type '%.*s'%s%s%s",
                              WEIR_VIEW_ARG(type), nearest ? ", did you mean '" : "",
                              nearest ? nearest : "", nearest ? "'?" : "");
    }
    policy->type = (enum type)index;
    const char *const keys[] = {"name", "type", type_names[index], NULL};
    if ((rc = weir_yaml_check(node, "a policy", keys, reterr))) return rc;
    if (policy->type >= STATUS_CODE && policy->type <= BOOLEAN) {
        if (all->matches_count == MATCHES_MAX)
            return weir_yaml_fail(node, reterr, "more than %d policies ask single spans",
                                  MATCHES_MAX);
        policy->match = all->matches_count++;
    }
    return read_body(all, policy, node, weir_yaml_get(node, type_names[index]), depth, reterr);
}

static int read_policies(struct weir_tail_policies *all, struct policy *parent,
                         const struct weir_yaml *list, int depth, struct weir_error *reterr) {
    if (!list || list->type != WEIR_YAML_LIST || !list->count || list->count > POLICIES_MAX)
        return list ? weir_yaml_fail(list, reterr, "policies is a list of at most %d", POLICIES_MAX)
                    : weir_error_set(reterr, WEIR_EINVALID, "a list of policies is needed");
    if (depth == DEPTH_MAX)
        return weir_yaml_fail(list, reterr, "policies lie more than %d deep", DEPTH_MAX);
    parent->parts = calloc(list->count, sizeof *parent->parts);
    if (!parent->parts) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    int rc = WEIR_OK;
    for (uint32_t i = 0; !rc && i < list->count; i++) {
        parent->parts_count++;
        rc = read_policy(all, &parent->parts[i], list->items[i], depth + 1, reterr);
    }
    return rc;
}

int weir_tail_policies_open(const struct weir_yaml *list, struct weir_tail_policies **ret,
                            struct weir_error *reterr) {
    struct weir_tail_policies *all = calloc(1, sizeof *all);
    if (!all) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    all->root.type = AND;
    int rc = read_policies(all, &all->root, list, 0, reterr);
    if (rc)
        weir_tail_policies_close(all);
    else
        *ret = all;
    return rc;
}
