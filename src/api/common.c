/* SPDX-License-Identifier: Apache-2.0 */
#include "api/common.h"

#include <math.h>

#include "base/clock.h"

#define TIME_MAX_NS (9000000000 * WEIR_NS_PER_S) /* leaves room for a step beyond it */

void weir_api_query_init(const struct weir_api *api, struct weir_http_request *req,
                         struct weir_query *query) {
    weir_query_init(query, api->query_memory_max ? api->query_memory_max : WEIR_API_MEMORY_MAX,
                    api->query_timeout_ns ? api->query_timeout_ns : WEIR_API_TIMEOUT_NS);
    query->bytes_read_max = api->query_bytes_max;
    query->rows_max = api->query_rows_max;
    query->is_canceled = weir_http_is_canceled;
    query->is_canceled_arg = req;
}

static bool to_time_ns(struct weir_view text, int64_t *ret) {
    int64_t whole;
    double seconds;
    if (weir_view_to_i64(text, &whole)) {
        size_t digits = text.len - (text.ptr[0] == '-');
        int64_t unit = digits <= 11   ? WEIR_NS_PER_S
                       : digits <= 13 ? WEIR_NS_PER_MS
                       : digits <= 16 ? WEIR_NS_PER_US
                                      : 1;
        return !__builtin_mul_overflow(whole, unit, ret);
    }
    if (weir_view_to_f64(text, &seconds)) {
        if (!(fabs(seconds) < 9.2e9)) return false;
        *ret = (int64_t)llround(seconds * 1e3) * WEIR_NS_PER_MS;
        return true;
    }
    return weir_clock_parse_rfc3339(text, ret);
}

int weir_api_param_time_ns(const struct weir_http_request *req, const char *name,
                           int64_t otherwise_ns, int64_t *ret_ns, struct weir_error *reterr) {
    struct weir_view text = weir_http_param(req, name);
    *ret_ns = otherwise_ns;
    if (!text.len) return 0;
    if (to_time_ns(text, ret_ns)) {
        if (*ret_ns < 0) *ret_ns = 0;
        if (*ret_ns > TIME_MAX_NS) *ret_ns = TIME_MAX_NS;
        return 0;
    }
    return weir_error_set(
        reterr, WEIR_EINVALID,
        "parameter %s: cannot read \"%.*s\" as a time; give Unix seconds, nanoseconds or RFC 3339",
        name, WEIR_VIEW_ARG(weir_view_upto(text, 60)));
}

int weir_api_param_duration_ns(const struct weir_http_request *req, const char *name,
                               int64_t otherwise_ns, int64_t *ret_ns, struct weir_error *reterr) {
    struct weir_view text = weir_http_param(req, name);
    double seconds;
    *ret_ns = otherwise_ns;
    if (!text.len) return 0;
    if (weir_view_to_f64(text, &seconds) && seconds > 0 && seconds < 9e9) {
        *ret_ns = (int64_t)llround(seconds * 1e9);
        if (*ret_ns > 0) return 0;
    } else if (weir_view_to_duration_ns(text, ret_ns) && *ret_ns > 0) {
        return 0;
    }
    return weir_error_set(
        reterr, WEIR_EINVALID,
        "parameter %s: cannot read \"%.*s\" as a duration above zero; give seconds or 5m, 1h30m",
        name, WEIR_VIEW_ARG(weir_view_upto(text, 60)));
}

int weir_api_param_count(const struct weir_http_request *req, const char *name, uint32_t otherwise,
                         uint32_t max, uint32_t *ret, struct weir_error *reterr) {
    struct weir_view text = weir_http_param(req, name);
    uint64_t number;
    *ret = otherwise;
    if (!text.len) return 0;
    if (!weir_view_to_u64(text, &number) || number == 0)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "parameter %s: \"%.*s\" is not a whole number above zero", name,
                              WEIR_VIEW_ARG(weir_view_upto(text, 60)));
    if (number > max)
        return weir_error_set(reterr, WEIR_EINVALID, "parameter %s: %llu is over the limit of %u",
                              name, (unsigned long long)number, max);
    *ret = (uint32_t)number;
    return 0;
}

bool weir_api_param_flag(const struct weir_http_request *req, const char *name) {
    struct weir_view text = weir_http_param(req, name);
    return text.ptr && (text.len == 0 || weir_view_is(text, "1") || weir_view_is(text, "true"));
}

void weir_api_reply_json(struct weir_http_request *req, struct weir_buf *json) {
    struct weir_error err = {0};
    if (!json->failed) {
        weir_http_reply_buf(req, 200, "application/json; charset=UTF-8", json);
        return;
    }
    weir_buf_done(json);
    weir_error_set(&err, WEIR_ELIMIT,
                   "the answer is larger than %d MiB; ask for less (limit, time range, by)",
                   WEIR_API_ANSWER_MAX >> 20);
    weir_api_reply_error(req, &err);
}

void weir_api_reply_error(struct weir_http_request *req, const struct weir_error *err) {
    struct weir_buf buf;
    weir_buf_init(&buf, 64 << 10);
    struct weir_json_writer json = weir_json_writer(&buf);
    int status = weir_error_http(err->code);
    weir_json_begin_object(&json);
    weir_json_key(&json, "status");
    weir_json_add_cstr(&json, "error");
    weir_json_key(&json, "code");
    weir_json_add_i64(&json, status);
    weir_json_key(&json, "message");
    weir_json_add_cstr(&json, err->message[0] ? err->message : weir_error_text(err->code));
    if (err->column) {
        weir_json_key(&json, "line");
        weir_json_add_i64(&json, err->line ? err->line : 1);
        weir_json_key(&json, "column");
        weir_json_add_i64(&json, err->column);
    }
    weir_json_end_object(&json);
    weir_http_reply_buf(req, status, "application/json; charset=UTF-8", &buf);
}
