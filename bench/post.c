/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/post.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/client.h"

enum { TRIES_MAX = 600 };

struct bench_post {
    struct weir_http_client *client;
    uint64_t refused;
    char error[600];
};

struct bench_post *bench_post_open(const char *endpoint, struct weir_error *reterr) {
    char url[256];
    snprintf(url, sizeof url, "http://%s", endpoint);
    struct bench_post *post = calloc(1, sizeof *post);
    if (!post) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory"), NULL;
    struct weir_http_client_options options = {.url = url};
    if (weir_http_client_open(&options, &post->client, reterr) == WEIR_OK) return post;
    free(post);
    return NULL;
}

void bench_post_close(struct bench_post *post) {
    if (!post) return;
    weir_http_client_close(post->client);
    free(post);
}

bool bench_post_send(struct bench_post *post, const char *path, struct weir_view body) {
    const struct weir_http_field type = {WEIR_VIEW("content-type"),
                                         WEIR_VIEW("application/x-protobuf")};
    struct weir_http_client_request request = {.method = "POST",
                                               .path = path,
                                               .fields = &type,
                                               .fields_count = 1,
                                               .body = body,
                                               .timeout_ms = 60000};
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct weir_http_client_answer answer;
        struct weir_error err;
        int rc = weir_http_client_do(post->client, &request, &answer, &err);
        if (rc == WEIR_OK && answer.status == 200) return true;
        if (rc == WEIR_OK && answer.status != 429 && answer.status != 503) {
            snprintf(post->error, sizeof post->error, "%s answered %d: %.*s", path, answer.status,
                     WEIR_VIEW_ARG(answer.body));
            return false;
        }
        snprintf(post->error, sizeof post->error, "%s",
                 rc == WEIR_OK ? "refused again and again" : err.message);
        post->refused++;
        int64_t pause_ms = rc == WEIR_OK && answer.retry_after_ms > 0 && answer.retry_after_ms < 200
                               ? answer.retry_after_ms
                               : 200;
        weir_clock_sleep_ns(pause_ms * WEIR_NS_PER_MS);
    }
    return false;
}

const char *bench_post_error(const struct bench_post *post) {
    return post->error;
}

uint64_t bench_post_refused(const struct bench_post *post) {
    return post->refused;
}
