/* SPDX-License-Identifier: Apache-2.0 */
/* Sends OTLP bodies over HTTP for the benches: one connection, refusals are tried again as told.
 *
 * Threads: owner only. */
#ifndef WEIR_BENCH_POST_H
#define WEIR_BENCH_POST_H

#include "base/buf.h"
#include "base/error.h"

struct bench_post;

/* `endpoint`: host:port. NULL on an error. */
struct bench_post *bench_post_open(const char *endpoint, struct weir_error *reterr);
void bench_post_close(struct bench_post *post);
/* Posts one protobuf body and waits for the 200; waits and repeats on 429 and 503.
 * False: given up. */
bool bench_post_send(struct bench_post *post, const char *path, struct weir_view body);
/* Why it gave up. */
const char *bench_post_error(const struct bench_post *post);
/* Requests that were refused and repeated so far. */
uint64_t bench_post_refused(const struct bench_post *post);

#endif
