/* SPDX-License-Identifier: Apache-2.0 */
/* What the API files share: parameters of time and size, a question's set-up, errors as JSON.
 *
 * Threads: the request's owner.
 */
#ifndef WEIR_API_COMMON_H
#define WEIR_API_COMMON_H

#include "api/api.h"
#include "wire/json.h"

enum { WEIR_API_ANSWER_MAX = 256 << 20 }; /* bytes of one JSON answer */

/* Initialises `query` with the API's limits; it ends early when the asker goes away. */
void weir_api_query_init(const struct weir_api *api, struct weir_http_request *req,
                         struct weir_query *query);

/* A point in time: whole numbers of up to 10 digits and all fractions are seconds, longer whole
 * numbers nanoseconds (13 digits: milliseconds, 16: microseconds), else RFC 3339. Times before 1970
 * or after 2255 become these, so that their differences and steps stay in range; no real data lies
 * there. Absent: `otherwise`. Errors: WEIR_EINVALID that names the parameter. */
int weir_api_param_time_ns(const struct weir_http_request *req, const char *name,
                           int64_t otherwise_ns, int64_t *ret_ns, struct weir_error *reterr);
/* A duration: seconds (5, 0.5) or with units (5m). Absent: `otherwise`. */
int weir_api_param_duration_ns(const struct weir_http_request *req, const char *name,
                               int64_t otherwise_ns, int64_t *ret_ns, struct weir_error *reterr);
/* A whole number between 1 and `max` (more is an error that says so). Absent: `otherwise`. */
int weir_api_param_count(const struct weir_http_request *req, const char *name, uint32_t otherwise,
                         uint32_t max, uint32_t *ret, struct weir_error *reterr);
/* True for ?name, ?name=1, ?name=true. */
bool weir_api_param_flag(const struct weir_http_request *req, const char *name);

/* Sends a JSON answer (takes the buffer), or an error when it did not fit. */
void weir_api_reply_json(struct weir_http_request *req, struct weir_buf *json);
/* {"status":"error","code":400,"message":…,"line":…,"column":…} with the error's HTTP status. */
void weir_api_reply_error(struct weir_http_request *req, const struct weir_error *err);

#endif
