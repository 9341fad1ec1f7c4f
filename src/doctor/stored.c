/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/stored.h"

#include <stdlib.h>

#include "base/text.h"
#include "net/client.h"
#include "net/uri.h"
#include "wire/json.h"

enum { ANSWER_SIZE_MAX = 64 << 20, CONNECT_TIMEOUT_MS = 3000, TIMEOUT_MS = 8000 };

static int get(struct weir_doctor *doctor, struct weir_http_client *client, const char *path,
               const char *accept, struct weir_view *ret, struct weir_error *reterr) {
    const struct weir_http_field fields[] = {{WEIR_VIEW("Accept"), weir_view_str(accept)}};
    const struct weir_http_client_request request = {.method = "GET",
                                                     .path = path,
                                                     .fields = fields,
                                                     .fields_count = 1,
                                                     .timeout_ms =
                                                         weir_doctor_left_ms(doctor, TIMEOUT_MS)};
    struct weir_http_client_answer answer;
    int rc = weir_http_client_do(client, &request, &answer, reterr);
    if (rc) return rc;
    *ret = answer.body;
    if (answer.status == 404)
        return weir_error_set(reterr, WEIR_ENOTFOUND, "the server does not know this trace");
    if (answer.status != 200)
        return weir_error_set(reterr, WEIR_EINVALID, "the server answers HTTP %d: %.*s",
                              answer.status, WEIR_VIEW_ARG(weir_view_upto(answer.body, 200)));
    return WEIR_OK;
}

static int read_trace(struct weir_doctor *doctor, struct weir_http_client *client,
                      struct weir_view id, struct weir_otlp_batch **ret,
                      struct weir_error *reterr) {
    struct weir_view body,
        path = weir_arena_printf(&doctor->arena, "/api/traces/%.*s", WEIR_VIEW_ARG(id));
    if (!path.len) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    int rc = get(doctor, client, path.ptr, "application/protobuf", &body, reterr);
    if (rc) return rc;
    char *copy = malloc(body.len + 1);
    if (!copy) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    if (body.len) memcpy(copy, body.ptr, body.len);
    return weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, copy, body.len, 0, ret, reterr);
}

/* Each trace id of a search's answer that is not `own`, in the arena. */
static uint32_t read_ids(struct weir_doctor *doctor, struct weir_view body, struct weir_view own,
                         struct weir_view *ids) {
    struct weir_json json;
    enum weir_json_token token;
    bool wanted = false;
    uint32_t count = 0;
    weir_json_init(&json, body);
    while ((token = weir_json_next(&json)) != WEIR_JSON_END && token != WEIR_JSON_ERROR) {
        if (token == WEIR_JSON_STRING && wanted && count < WEIR_STORED_LINKED_MAX &&
            json.text.len <= 32 && !weir_view_eq_nocase(json.text, own) &&
            weir_http_is_token(json.text))
            ids[count++] = weir_arena_copy(&doctor->arena, json.text);
        wanted = token == WEIR_JSON_KEY && weir_view_is(json.text, "traceID");
    }
    return count;
}

static void read_linked(struct weir_doctor *doctor, struct weir_http_client *client,
                        struct weir_view id, struct weir_stored *stored) {
    struct weir_view ids[WEIR_STORED_LINKED_MAX], body;
    int64_t start_s = INT64_MAX;
    for (uint32_t i = 0; i < stored->trace->spans_count; i++)
        if (stored->trace->spans[i].start_ns / WEIR_NS_PER_S < start_s)
            start_s = stored->trace->spans[i].start_ns / WEIR_NS_PER_S;
    struct weir_buf path;
    weir_buf_init(&path, 1024);
    weir_buf_add_str(&path, "/api/search?limit=16&q=");
    struct weir_view query =
        weir_arena_printf(&doctor->arena, "{ link:traceID = \"%.*s\" }", WEIR_VIEW_ARG(id));
    weir_uri_add_encoded(&path, query);
    weir_buf_printf(&path, "&start=%lld&end=%lld%c", (long long)start_s - 3600,
                    (long long)start_s + 7 * 86400, 0);
    uint32_t count = 0;
    if (!path.failed && get(doctor, client, path.ptr, "application/json", &body, NULL) == WEIR_OK)
        count = read_ids(doctor, body, id, ids);
    weir_buf_done(&path);
    for (uint32_t i = 0; i < count; i++)
        if (read_trace(doctor, client, ids[i], &stored->linked[stored->linked_count], NULL) ==
            WEIR_OK)
            stored->linked_count++;
}

int weir_stored_read(struct weir_doctor *doctor, const char *url, struct weir_view trace_id,
                     struct weir_stored *ret, struct weir_error *reterr) {
    struct weir_http_client *client;
    const struct weir_http_client_options options = {
        .url = url,
        .connect_timeout_ms = weir_doctor_left_ms(doctor, CONNECT_TIMEOUT_MS),
        .answer_size_max = ANSWER_SIZE_MAX};
    *ret = (struct weir_stored){.trace = NULL};
    int rc = weir_http_client_open(&options, &client, reterr);
    if (rc) return rc;
    rc = read_trace(doctor, client, trace_id, &ret->trace, reterr);
    if (!rc && !ret->trace->spans_count)
        rc = weir_error_set(reterr, WEIR_ENOTFOUND, "the trace holds no spans");
    if (!rc) read_linked(doctor, client, trace_id, ret);
    weir_http_client_close(client);
    if (rc) weir_stored_done(ret);
    return rc;
}

void weir_stored_done(struct weir_stored *stored) {
    weir_otlp_batch_unref(stored->trace);
    for (uint32_t i = 0; i < stored->linked_count; i++) weir_otlp_batch_unref(stored->linked[i]);
    *stored = (struct weir_stored){.trace = NULL};
}
