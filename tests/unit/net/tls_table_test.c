/* SPDX-License-Identifier: Apache-2.0 */
/* A host that is no friend of ours: it exports OpenSSL's names itself, forks while others send, and
 * cleans OpenSSL up before we are done. Built without sanitizers, which forbid DEEPBIND and whose
 * allocator does not survive a fork among threads. */
#include "net/tls_table.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "certs.h"
#include "fixture.h"
#include "net/client.h"
#include "net/grpc_client.h"

static void echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    if (req->is_grpc)
        weir_http_reply_grpc(req, 0, "", req->body, WEIR_VIEW(""));
    else
        weir_http_reply_view(req, 200, "text/plain", req->body);
}

static const struct weir_http_route routes[] = {{"POST", "/*", echo, 0, 0}};
static struct fixture f;
static struct weir_error err;
static char url[64];
static char body[50000];

static void serve(void) {
    struct weir_tls_options tls = certs_options(NULL, "server");
    struct weir_http_door door = {.tls = &tls};
    fixture_open(&f, routes, 1, NULL, &door);
    /* an address: the system's lookup of names does not survive such forks */
    snprintf(url, sizeof url, "https://127.0.0.1:%u", f.port);
}

static struct weir_http_client *open_client(void) {
    struct weir_tls_options tls = certs_options("ca", NULL);
    struct weir_http_client_options options = {.url = url, .tls = &tls};
    struct weir_http_client *client;
    assert_int_equal(weir_http_client_open(&options, &client, &err), WEIR_OK);
    return client;
}

static int post(struct weir_http_client *client) {
    struct weir_http_client_answer answer;
    struct weir_http_client_request request = {
        .method = "POST", .path = "/", .body = weir_view(body, sizeof body)};
    return weir_http_client_do(client, &request, &answer, &err);
}

static int post_alone(void) {
    struct weir_http_client *client = open_client();
    int rc = post(client);
    weir_http_client_close(client);
    return rc;
}

static int call_alone(void) {
    struct weir_tls_options tls = certs_options("ca", NULL);
    struct weir_grpc_client *client;
    struct weir_grpc_client_answer answer;
    struct weir_grpc_client_options options = {.endpoint = url, .tls = &tls};
    struct weir_grpc_client_call call = {.path = "/a.B/C", .message = weir_view(body, 1000)};
    assert_int_equal(weir_grpc_client_open(&options, &client, &err), WEIR_OK);
    int rc = weir_grpc_client_do(client, &call, &answer, &err);
    weir_grpc_client_close(client);
    return rc;
}

/* ---- the library ---- */

static void test_missing_library_is_named(void **state) {
    (void)state;
    static const char *const none[] = {"libssl-of-nobody.so.9", NULL};
    static const char *const usual[] = {"libssl.so.3", "libssl.so.1.1", NULL};
    snprintf(url, sizeof url, "https://localhost:1");
    weir_tls_library_set(none);
    assert_int_equal(post_alone(), WEIR_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "install libssl3 (Debian, Ubuntu)"));
    assert_int_equal(call_alone(), WEIR_EUNSUPPORTED);
    weir_tls_library_set(usual); /* it came later: the next try finds it */
    assert_int_equal(post_alone(), WEIR_EUNAVAILABLE);
}

static void test_names_of_the_host_are_not_called(void **state) {
    (void)state;
    void *of_host = dlsym(RTLD_DEFAULT, "SSL_new"); /* what a plain lookup would have found */
    const struct weir_tls_table *table = weir_tls_enter();
    assert_non_null(table);
    assert_non_null(of_host);
    assert_false(memcmp(&of_host, &table->SSL_new, sizeof of_host) == 0);
    weir_tls_leave();
    serve();
    assert_int_equal(post_alone(), WEIR_OK);
    assert_int_equal(call_alone(), WEIR_OK);
    fixture_close(&f);
}

/* ---- fork ---- */

static int child_work(struct weir_http_client *parents) {
    weir_http_client_close(parents); /* only the descriptor goes */
    if (post_alone() != WEIR_OK) return 1;
    return call_alone() == WEIR_OK ? 0 : 2;
}

static atomic_bool stop_posting;

static void *post_on(void *arg) {
    while (!atomic_load(&stop_posting))
        if (post_alone() != WEIR_OK) return arg;
    return NULL;
}

static void test_fork_while_others_send(void **state) {
    (void)state;
    pthread_t threads[2];
    void *failed;
    serve();
    struct weir_http_client *client = open_client();
    assert_int_equal(post(client), WEIR_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_on, url), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) _exit(child_work(client));
        int status = -1;
        assert_true(child > 0 && waitpid(child, &status, 0) == child);
        assert_int_equal(status, 0);
        assert_int_equal(post(client), WEIR_OK);
    }
    atomic_store(&stop_posting, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    weir_http_client_close(client);
    fixture_close(&f);
}

/* ---- exit ---- */

/* As an exit handler of the host would do it, while connections are open. The last test. */
static void test_cleanup_by_the_host(void **state) {
    (void)state;
    void (*cleanup)(void);
    serve();
    struct weir_http_client *client = open_client();
    assert_int_equal(post(client), WEIR_OK);
    void *library = dlopen("libssl.so.3", RTLD_LAZY | RTLD_NOLOAD);
    if (!library) library = dlopen("libssl.so.1.1", RTLD_LAZY | RTLD_NOLOAD);
    assert_non_null(library);
    void *found = dlsym(library, "OPENSSL_cleanup");
    assert_non_null(found);
    memcpy(&cleanup, &found, sizeof found);
    cleanup();
    assert_null(weir_tls_enter());
    for (int i = 0; i < 2; i++) {
        assert_int_equal(post(client), WEIR_ECLOSED);
        assert_non_null(strstr(err.message, "the process is ending"));
    }
    weir_http_client_close(client);
    fixture_close(&f);
    dlclose(library);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_library_is_named),
        cmocka_unit_test(test_names_of_the_host_are_not_called),
        cmocka_unit_test(test_fork_while_others_send),
        cmocka_unit_test(test_cleanup_by_the_host),
    };
    return cmocka_run_group_tests(tests, certs_make, certs_remove);
}
