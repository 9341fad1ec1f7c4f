/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <pthread.h>

#include "base/fs.h"
#include "base/rand.h"
#include "certs.h"
#include "fixture.h"
#include "net/client.h"
#include "net/door.h"
#include "net/grpc_client.h"

/* ---- a server, and clients of one call ---- */

static void echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    if (req->is_grpc)
        weir_http_reply_grpc(req, 0, "", req->body, WEIR_VIEW(""));
    else
        weir_http_reply_view(req, 200, "application/octet-stream", req->body);
}

static const struct weir_http_route routes[] = {{"POST", "/*", echo, 0, 0}};
static struct fixture f;
static struct weir_error err;
static char body[3 << 20];

static void serve(const struct weir_tls_options *tls, int64_t header_timeout_ms) {
    struct weir_http_options options = {.header_timeout_ms = header_timeout_ms, .loops_count = 2};
    struct weir_http_door door = {.tls = tls};
    fixture_open(&f, routes, 1, &options, &door);
}

static void serve_as(const char *own, const char *client_ca) {
    struct weir_tls_options tls = certs_options(client_ca, own);
    serve(&tls, 0);
}

static int post_times(const char *url, const struct weir_tls_options *tls, size_t size, int times) {
    struct weir_http_client *client;
    struct weir_http_client_answer answer;
    struct weir_http_client_options options = {.url = url, .tls = tls, .connect_timeout_ms = 3000};
    struct weir_http_client_request request = {
        .method = "POST", .path = "/x", .body = weir_view(body, size)};
    assert_int_equal(weir_http_client_open(&options, &client, &err), WEIR_OK);
    int rc = WEIR_OK;
    for (int i = 0; i < times && rc == WEIR_OK; i++) {
        rc = weir_http_client_do(client, &request, &answer, &err);
        if (rc == WEIR_OK) assert_true(weir_view_eq(answer.body, request.body));
    }
    weir_http_client_close(client);
    return rc;
}

static int call_times(const char *url, const struct weir_tls_options *tls, size_t size, int times) {
    struct weir_grpc_client *client;
    struct weir_grpc_client_answer answer;
    struct weir_grpc_client_options options = {
        .endpoint = url, .tls = tls, .connect_timeout_ms = 3000};
    struct weir_grpc_client_call call = {.path = "/a.B/C", .message = weir_view(body, size)};
    assert_int_equal(weir_grpc_client_open(&options, &client, &err), WEIR_OK);
    int rc = WEIR_OK;
    for (int i = 0; i < times && rc == WEIR_OK; i++) {
        rc = weir_grpc_client_do(client, &call, &answer, &err);
        if (rc == WEIR_OK) assert_true(weir_view_eq(answer.body, call.message));
    }
    weir_grpc_client_close(client);
    return rc;
}

static const char *url_to(const char *host, unsigned port) {
    static char url[128];
    snprintf(url, sizeof url, "https://%s:%u", host, port);
    return url;
}

/* Both clients fail with the code, and say the words. */
static void both_fail(const char *host, const char *ca, const char *own, int code,
                      const char *words) {
    struct weir_tls_options tls = certs_options(ca, own);
    for (int grpc = 0; grpc < 2; grpc++) {
        err = (struct weir_error){.code = 0};
        int rc = (grpc ? call_times : post_times)(url_to(host, f.port), &tls, 100, 1);
        if (rc != code || !strstr(err.message, words))
            fail_msg("%s: %d \"%s\", expected %d \"%s\"", grpc ? "gRPC" : "HTTP", rc, err.message,
                     code, words);
        assert_int_equal(err.code, code);
    }
}

static void both_succeed(const char *host, const char *ca, const char *own) {
    struct weir_tls_options tls = certs_options(ca, own);
    for (int grpc = 0; grpc < 2; grpc++)
        if ((grpc ? call_times : post_times)(url_to(host, f.port), &tls, 1000, 2) != WEIR_OK)
            fail_msg("%s: %s", grpc ? "gRPC" : "HTTP", err.message);
}

static double found_value;

static void visit(void *arg, const struct weir_metric *metric) {
    if (strcmp(metric->name, "weir_http_refused_total") == 0 && strcmp(metric->labels, arg) == 0)
        found_value = weir_metric_get(metric);
}

/* How many handshakes the door has refused. */
static double refused(void) {
    char labels[] = "door=\"test\",reason=\"tls\"";
    found_value = 0;
    weir_metric_each(visit, labels);
    return found_value;
}

/* The peer may hear of it before it is counted. */
static void await_refused(double wanted) {
    for (int i = 0; i < 500 && refused() < wanted; i++) weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    assert_true(refused() == wanted);
}

/* ---- it works ---- */

static void test_everything_goes_through(void **state) {
    (void)state;
    struct weir_tls_options tls = certs_options("ca", NULL);
    serve_as("server", NULL);
    both_succeed("localhost", "ca", NULL);
    both_succeed("127.0.0.1", "ca", NULL);
    const size_t sizes[] = {0, 1, 16383, 16384, 16385, 40000, sizeof body};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(post_times(url_to("localhost", f.port), &tls, sizes[i], 3), WEIR_OK);
        assert_int_equal(call_times(url_to("localhost", f.port), &tls, sizes[i], 3), WEIR_OK);
    }
    fixture_close(&f);
}

static void test_connection_closed_while_idle_is_opened_anew(void **state) {
    (void)state;
    struct weir_tls_options own = certs_options(NULL, "server"), tls = certs_options("ca", NULL);
    struct weir_http_options options = {.idle_timeout_ms = 50};
    struct weir_http_door door = {.tls = &own};
    fixture_open(&f, routes, 1, &options, &door);
    struct weir_http_client *http;
    struct weir_http_client_answer http_answer;
    struct weir_http_client_options http_options = {.url = url_to("localhost", f.port),
                                                    .tls = &tls};
    struct weir_http_client_request request = {
        .method = "POST", .path = "/x", .body = weir_view(body, 100000)};
    struct weir_grpc_client *grpc;
    struct weir_grpc_client_answer grpc_answer;
    struct weir_grpc_client_options grpc_options = {.endpoint = http_options.url, .tls = &tls};
    struct weir_grpc_client_call call = {.path = "/a.B/C", .message = request.body};
    assert_int_equal(weir_http_client_open(&http_options, &http, &err), WEIR_OK);
    assert_int_equal(weir_grpc_client_open(&grpc_options, &grpc, &err), WEIR_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weir_http_client_do(http, &request, &http_answer, &err), WEIR_OK);
        assert_int_equal(weir_grpc_client_do(grpc, &call, &grpc_answer, &err), WEIR_OK);
        assert_true(weir_view_eq(grpc_answer.body, request.body));
        weir_clock_sleep_ns(150 * WEIR_NS_PER_MS); /* the server says goodbye meanwhile */
    }
    weir_http_client_close(http);
    weir_grpc_client_close(grpc);
    fixture_close(&f);
}

static void test_min_version_is_met(void **state) {
    (void)state;
    struct weir_tls_options server = certs_options(NULL, "server"),
                            client = certs_options("ca", NULL);
    server.version_min = client.version_min = WEIR_TLS_1_3;
    serve(&server, 0);
    assert_int_equal(post_times(url_to("localhost", f.port), &client, 10, 1), WEIR_OK);
    fixture_close(&f);
}

/* ---- whom to trust ---- */

static void test_unknown_authority(void **state) {
    (void)state;
    serve_as("server", NULL);
    double before = refused();
    both_fail("localhost", "other-ca", NULL, WEIR_EAUTH, "not trusted here");
    both_fail("localhost", NULL, NULL, WEIR_EAUTH, "not trusted here"); /* the system's own */
    await_refused(before + 4);
    struct weir_tls_options any = {.skip_verify = true};
    assert_int_equal(post_times(url_to("localhost", f.port), &any, 10, 1), WEIR_OK);
    assert_int_equal(call_times(url_to("localhost", f.port), &any, 10, 1), WEIR_OK);
    fixture_close(&f);
}

static void test_wrong_name(void **state) {
    (void)state;
    serve_as("elsewhere", NULL);
    both_fail("localhost", "ca", NULL, WEIR_EAUTH, "is for other names");
    both_fail("127.0.0.1", "ca", NULL, WEIR_EAUTH, "is for other names");
    fixture_close(&f);
}

static void test_expired(void **state) {
    (void)state;
    serve_as("expired", NULL);
    both_fail("localhost", "ca", NULL, WEIR_EAUTH, "has expired");
    fixture_close(&f);
}

static void test_client_certificates(void **state) {
    (void)state;
    serve_as("server", "ca");
    double before = refused();
    both_succeed("localhost", "ca", "client");
    both_fail("localhost", "ca", NULL, WEIR_EAUTH, "it asks for a client certificate");
    both_fail("localhost", "ca", "stranger", WEIR_EAUTH, "does not accept our client certificate");
    await_refused(before + 4);
    fixture_close(&f);
}

/* ---- files ---- */

static void fails_to_serve(const struct weir_tls_options *tls, const char *words) {
    struct weir_http_server *server;
    struct weir_http_options options = {.loops_count = 1};
    struct weir_http_door door = {.listen = "127.0.0.1:0", .name = "test", .tls = tls};
    assert_int_equal(weir_http_server_open(&options, &server, &err), WEIR_OK);
    err = (struct weir_error){.code = 0};
    assert_int_equal(weir_http_server_add_door(server, &door, NULL, &err), WEIR_EINVALID);
    if (!strstr(err.message, words)) fail_msg("\"%s\", expected \"%s\"", err.message, words);
    weir_http_server_close(server);
}

static void test_bad_files_are_named(void **state) {
    (void)state;
    char command[300];
    struct weir_tls_options tls = certs_options(NULL, "server");
    tls.key_file = NULL;
    fails_to_serve(&tls, "a certificate and its key go together");
    tls = certs_options(NULL, "nothing");
    fails_to_serve(&tls, "nothing.pem is not a certificate in PEM: No such file");
    tls = certs_options("nothing", "server");
    fails_to_serve(&tls, "nothing.pem is not a list of authorities in PEM: No such file");
    tls = certs_options(NULL, "server");
    tls.cert_file = tls.key_file;
    fails_to_serve(&tls, "server.key is not a certificate in PEM: ");
    tls = certs_options(NULL, "server");
    tls.key_file = certs_path("client.key");
    fails_to_serve(&tls, "client.key is not the key of that certificate");
    snprintf(command, sizeof command,
             "openssl ec -aes128 -passout pass:x -in %s -out %s 2>/dev/null",
             certs_path("server.key"), certs_path("locked.key"));
    assert_int_equal(certs_run(command), 0);
    tls.key_file = certs_path("locked.key");
    fails_to_serve(&tls, "without a password");
}

static void copy_file(const char *from, const char *to) {
    struct weir_buf bytes;
    weir_buf_init(&bytes, 1 << 20);
    assert_int_equal(weir_fs_read_file(certs_path(from), &bytes, &err), WEIR_OK);
    assert_int_equal(weir_fs_write_file(certs_path(to), weir_buf_view(&bytes), &err), WEIR_OK);
    weir_buf_done(&bytes);
}

static void test_renewed_certificates_are_taken_up(void **state) {
    (void)state;
    copy_file("expired.pem", "live.pem");
    copy_file("expired.key", "live.key");
    serve_as("live", NULL);
    both_fail("localhost", "ca", NULL, WEIR_EAUTH, "has expired");
    copy_file("server.pem", "live.pem"); /* half of it: not usable */
    both_fail("localhost", "ca", NULL, WEIR_EAUTH, "has expired");
    assert_int_equal(weir_http_server_refresh_tls(f.server, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.message, "test: new certificate not used"));
    copy_file("server.key", "live.key");
    both_succeed("localhost", "ca", NULL);
    assert_int_equal(weir_http_server_refresh_tls(f.server, &err), WEIR_OK);
    fixture_close(&f);
}

/* ---- peers that are not what they should be ---- */

static void test_plain_peer_is_told(void **state) {
    (void)state;
    char answer[1000];
    serve_as("server", NULL);
    double before = refused();
    ask_raw(&f, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", answer, sizeof answer, NULL);
    assert_true(strncmp(answer, "HTTP/1.1 400 ", 13) == 0);
    assert_non_null(strstr(answer, "ask with https\n"));
    await_refused(before + 1);
    fixture_close(&f);
}

static void test_plain_server_is_told_from_tls(void **state) {
    (void)state;
    serve(NULL, 0);
    both_fail("localhost", "ca", NULL, WEIR_EINVALID, "does not speak TLS on this port");
    fixture_close(&f);
}

static void test_damaged_records(void **state) {
    (void)state;
    char junk[70000] = {0}, answer[100];
    serve_as("server", NULL);
    double before = refused();
    const struct weir_view heads[] = {
        WEIR_VIEW_INIT("\x16\x03\x01\xff\xff"), /* longer than a record may be */
        WEIR_VIEW_INIT("\x16\x03\x01\x00\x00"), WEIR_VIEW_INIT("\x16\x00\x00\x40\x00"),
        WEIR_VIEW_INIT("\x16\x03\x01\x40\x00\x01\xff\xff\xff")}; /* a hello of 16 MB */
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        int fd = dial_raw(&f);
        memcpy(junk, heads[i].ptr, heads[i].len);
        send_raw(fd, junk, sizeof junk);
        receive_raw(fd, answer, sizeof answer, NULL); /* until it closes */
        close(fd);
    }
    await_refused(before + 4);
    both_succeed("localhost", "ca", NULL);
    fixture_close(&f);
}

static void test_stalled_handshake_is_ended(void **state) {
    (void)state;
    char answer[100];
    struct weir_tls_options tls = certs_options(NULL, "server");
    serve(&tls, 200);
    double before = refused();
    int silent = dial_raw(&f), half = dial_raw(&f);
    send_raw(half, "\x16\x03\x01\x02", 4);
    both_succeed("localhost", "ca", NULL); /* the loops go on meanwhile */
    assert_int_equal(receive_raw(silent, answer, sizeof answer, NULL), 0);
    assert_int_equal(receive_raw(half, answer, sizeof answer, NULL), 0);
    await_refused(before + 2);
    close(silent);
    close(half);
    fixture_close(&f);
}

static int listen_raw(uint16_t *ret_port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static void test_silent_server_times_out(void **state) {
    (void)state;
    uint16_t port;
    int fd = listen_raw(&port);
    struct weir_http_client *client;
    struct weir_http_client_answer answer;
    struct weir_tls_options tls = certs_options("ca", NULL);
    struct weir_http_client_options options = {
        .url = url_to("127.0.0.1", port), .tls = &tls, .connect_timeout_ms = 500};
    struct weir_http_client_request request = {.method = "POST", .path = "/"};
    assert_int_equal(weir_http_client_open(&options, &client, &err), WEIR_OK);
    assert_int_equal(weir_http_client_do(client, &request, &answer, &err), WEIR_ETIMEOUT);
    assert_non_null(strstr(err.message, "the TLS handshake did not end in time"));
    weir_http_client_cancel(client);
    assert_int_equal(weir_http_client_do(client, &request, &answer, &err), WEIR_ECANCELED);
    weir_http_client_close(client);
    close(fd);
}

/* ---- a wire that dribbles and breaks ---- */

struct wire { /* between a client and the server: forwards, then cuts */
    int listener;
    uint16_t port;
    size_t piece;    /* bytes at a time */
    size_t left_max; /* bytes of each connection, both ways, before it is cut */
    pthread_t thread;
};

/* False when it is over. */
static bool forward(int from, int to, size_t piece, size_t *left) {
    char bytes[4096];
    size_t room = piece < *left ? piece : *left;
    ssize_t got = recv(from, bytes, room < sizeof bytes ? room : sizeof bytes, 0);
    if (got <= 0) return false;
    *left -= (size_t)got;
    send_raw(to, bytes, (size_t)got);
    return *left > 0;
}

static void *run_wire(void *arg) {
    struct wire *wire = arg;
    for (;;) {
        int near = accept(wire->listener, NULL, NULL);
        if (near < 0) return NULL;
        int far = dial_raw(&f);
        size_t left = wire->left_max;
        struct pollfd ends[] = {{.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};
        bool open = true;
        while (open && poll(ends, 2, 10000) > 0) {
            if (ends[0].revents) open = forward(near, far, wire->piece, &left);
            if (open && ends[1].revents) open = forward(far, near, wire->piece, &left);
        }
        close(near);
        close(far);
    }
}

static void wire_open(struct wire *wire) {
    wire->listener = listen_raw(&wire->port);
    assert_int_equal(pthread_create(&wire->thread, NULL, run_wire, wire), 0);
}

static void wire_close(struct wire *wire) {
    shutdown(wire->listener, SHUT_RDWR);
    pthread_join(wire->thread, NULL);
    close(wire->listener);
}

static void test_bytes_one_by_one(void **state) {
    (void)state;
    struct weir_tls_options tls = certs_options("ca", NULL);
    serve_as("server", NULL);
    struct wire wire = {.piece = 1, .left_max = SIZE_MAX};
    wire_open(&wire);
    assert_int_equal(post_times(url_to("localhost", wire.port), &tls, 3000, 2), WEIR_OK);
    assert_int_equal(call_times(url_to("localhost", wire.port), &tls, 3000, 2), WEIR_OK);
    wire_close(&wire);
    fixture_close(&f);
}

static void test_wire_cut_anywhere(void **state) {
    (void)state;
    struct weir_tls_options tls = certs_options("ca", NULL);
    serve_as("server", NULL);
    uint64_t seed = weir_rand_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 60; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        struct wire wire = {.piece = 1 + (seed >> 33) % 3000, .left_max = 1 + (seed >> 40) % 12000};
        wire_open(&wire);
        int rc = (i % 2 ? call_times : post_times)(url_to("localhost", wire.port), &tls, 8000, 1);
        if (rc != WEIR_EUNAVAILABLE) fail_msg("cut after %zu: %d", wire.left_max, rc);
        wire_close(&wire);
    }
    both_succeed("localhost", "ca", NULL);
    fixture_close(&f);
}

static int setup(void **state) {
    for (size_t i = 0; i < sizeof body; i++) body[i] = (char)(i * 2654435761U >> 13);
    return certs_make(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_goes_through),
        cmocka_unit_test(test_connection_closed_while_idle_is_opened_anew),
        cmocka_unit_test(test_min_version_is_met),
        cmocka_unit_test(test_unknown_authority),
        cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_bad_files_are_named),
        cmocka_unit_test(test_renewed_certificates_are_taken_up),
        cmocka_unit_test(test_plain_peer_is_told),
        cmocka_unit_test(test_plain_server_is_told_from_tls),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_stalled_handshake_is_ended),
        cmocka_unit_test(test_silent_server_times_out),
        cmocka_unit_test(test_bytes_one_by_one),
        cmocka_unit_test(test_wire_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, setup, certs_remove);
}
