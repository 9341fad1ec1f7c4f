/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler may ask of its request. */
#include "net/call.h"

struct weir_view weir_http_header(const struct weir_http_request *req, const char *name) {
    return weir_http_call_field((const struct weir_http_call *)req, name);
}

struct weir_view weir_http_path_param(const struct weir_http_request *req, const char *name) {
    const struct weir_http_path_params *params = &((const struct weir_http_call *)req)->path_params;
    for (size_t i = 0; i < params->count; i++)
        if (weir_view_is(params->names[i], name)) return params->values[i];
    return WEIR_VIEW("");
}

/* Form fields first, then the query, as Go's Request.Form has them. */
static void parse_params(struct weir_http_call *call) {
    call->params_parsed = true;
    bool is_form = call->route && (call->route->flags & WEIR_HTTP_FORM) &&
                   weir_http_media_is(weir_http_call_field(call, "content-type"),
                                      "application/x-www-form-urlencoded");
    if (is_form)
        weir_uri_parse_form(&call->arena, call->req.body, &call->params, &call->params_count,
                            &call->params_room);
    weir_uri_parse_form(&call->arena, call->req.query, &call->params, &call->params_count,
                        &call->params_room);
}

bool weir_http_param_at(const struct weir_http_request *req, const char *name, size_t index,
                        struct weir_view *ret) {
    /* Parsing on first use changes what the request keeps, not what it says. */
    struct weir_http_call *call = (struct weir_http_call *)(uintptr_t)req;
    if (!call->params_parsed) parse_params(call);
    for (uint32_t i = 0; i < call->params_count; i++) {
        if (!weir_view_is(call->params[i].name, name) || index-- > 0) continue;
        *ret = call->params[i].value;
        return true;
    }
    return false;
}

struct weir_view weir_http_param(const struct weir_http_request *req, const char *name) {
    struct weir_view value;
    return weir_http_param_at(req, name, 0, &value) ? value : (struct weir_view){NULL, 0};
}

bool weir_http_is_canceled(void *req) {
    return atomic_load_explicit(&((struct weir_http_call *)req)->canceled, memory_order_relaxed);
}
