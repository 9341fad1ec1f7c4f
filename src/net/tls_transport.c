/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on a socket: OpenSSL reads and writes through a BIO of ours, so that no signal is raised. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"
#include "net/tls_session.h"

#define RECORD_SIZE    WEIR_TRANSPORT_READ_SIZE_MIN /* most that one record brings */
#define HANDSHAKE_BYTE 0x16                         /* begins what a TLS peer says first … */
#define ALERT_BYTE     0x15                         /* … unless it refuses at once */

/* ---- the socket, as OpenSSL sees it; the table is entered ---- */

static void sniff(struct weir_tls_session *session, uint8_t first) {
    if (session->sniffed) return;
    session->sniffed = true;
    session->plain = first != HANDSHAKE_BYTE && (session->server || first != ALERT_BYTE);
}

static int bio_read(BIO *bio, char *to, int size) {
    const struct weir_tls_table *table = weir_tls_entered();
    struct weir_tls_session *session = table->BIO_get_data(bio);
    table->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (size <= 0) return 0;
    ssize_t got;
    do got = recv(session->fd, to, (size_t)size, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        sniff(session, (uint8_t)to[0]);
    else if (got == 0)
        session->peer_ended = true;
    else if (errno == EAGAIN)
        table->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
    else
        session->io_errno = errno;
    return (int)got;
}

static int bio_write(BIO *bio, const char *from, int len) {
    const struct weir_tls_table *table = weir_tls_entered();
    struct weir_tls_session *session = table->BIO_get_data(bio);
    table->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (session->plain) return len; /* an alert means nothing to such a peer */
    ssize_t sent;
    do sent = send(session->fd, from, (size_t)len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN)
        table->BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
    else if (sent < 0)
        session->io_errno = errno;
    return (int)sent;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr) {
    const struct weir_tls_session *session = weir_tls_entered()->BIO_get_data(bio);
    (void)number;
    (void)ptr;
    if (command == BIO_CTRL_FLUSH) return 1;
    return command == BIO_CTRL_EOF && session && session->peer_ended;
}

void weir_tls_session_alert(const SSL *ssl, int where, int value) {
    struct weir_tls_session *session = weir_tls_entered()->SSL_get_ex_data(ssl, 0);
    bool received = (where & SSL_CB_ALERT) && (where & SSL_CB_READ);
    if (session && received && (value & 255) != SSL_AD_CLOSE_NOTIFY) session->alert = value & 255;
}

int weir_tls_session_asked(SSL *ssl, void *arg) {
    struct weir_tls_session *session = weir_tls_entered()->SSL_get_ex_data(ssl, 0);
    (void)arg;
    if (session) session->asked = true;
    return 1; /* go on without */
}

/* ---- results ---- */

static const struct weir_tls_table *enter(void) {
    const struct weir_tls_table *table = weir_tls_enter();
    if (!table) errno = ECANCELED; /* the process is ending */
    if (table) table->ERR_clear_error();
    return table;
}

static void leave(void) {
    int number = errno;
    weir_tls_leave();
    errno = number;
}

static int fail(const struct weir_tls_table *table, struct weir_tls_session *session,
                bool has_reason) {
    unsigned long number = table->ERR_peek_error();
    session->failed = true;
    if (table->SSL_get_verify_mode(session->ssl) != SSL_VERIFY_NONE)
        session->verified = table->SSL_get_verify_result(session->ssl);
    if (has_reason && number) session->reason = table->ERR_reason_error_string(number);
    errno = session->io_errno ? session->io_errno : session->peer_ended ? ECONNRESET : EPROTO;
    return -1;
}

/* What a call that gave `result` means: 0 at the peer's end, -1 with errno (EAGAIN: it waits for
 * the socket to give bytes or, if *ret_wants_write, to take some). The table is entered. */
static int settle(const struct weir_tls_table *table, struct weir_tls_session *session, int result,
                  bool *ret_wants_write) {
    int why = table->SSL_get_error(session->ssl, result);
    *ret_wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_ZERO_RETURN) {
        session->peer_ended = true;
        return 0;
    }
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return fail(table, session, why == SSL_ERROR_SSL);
    errno = EAGAIN;
    return -1;
}

int weir_tls_handshake(struct weir_transport *transport) {
    struct weir_tls_session *session = transport->session;
    const struct weir_tls_table *table = enter();
    if (!table) return -1;
    int result = table->SSL_do_handshake(session->ssl);
    if (result == 1)
        transport->handshaking = transport->read_wants_write = false;
    else if (settle(table, session, result, &transport->read_wants_write) == 0)
        errno = ECONNRESET;
    leave();
    return result == 1 ? 0 : -1;
}

bool weir_tls_is_plain(const struct weir_transport *transport) {
    const struct weir_tls_session *session = transport->session;
    return session && session->plain;
}

/* ---- the transport ---- */

static ssize_t tls_read(struct weir_transport *transport, void *ptr, size_t size) {
    struct weir_tls_session *session = transport->session;
    if (transport->handshaking && weir_tls_handshake(transport) != 0)
        return session->peer_ended && !session->sniffed ? 0 : -1; /* came and went without a word */
    const struct weir_tls_table *table = enter();
    if (!table) return -1;
    size_t len = 0;
    int got;
    do {
        size_t room = size - len < RECORD_SIZE ? size - len : RECORD_SIZE;
        got = table->SSL_read(session->ssl, (char *)ptr + len, (int)room);
        if (got > 0) len += (size_t)got;
    } while (got > 0 && size - len >= RECORD_SIZE);
    transport->read_wants_write = false;
    session->spoke |= len > 0;
    int end = got > 0 ? 0 : settle(table, session, got, &transport->read_wants_write);
    leave();
    return len ? (ssize_t)len : end; /* an end or a failure comes again at the next read */
}

/* A write that had to wait is tried again with the same bytes and perhaps more behind them, as
 * OpenSSL wants it: runs only grow at their end. */
static ssize_t tls_write(struct weir_transport *transport, const struct iovec *runs, int count) {
    struct weir_tls_session *session = transport->session;
    char record[RECORD_SIZE];
    size_t len = 0;
    for (int i = 0; i < count && len < sizeof record; i++) {
        size_t part = runs[i].iov_len < sizeof record - len ? runs[i].iov_len : sizeof record - len;
        memcpy(record + len, runs[i].iov_base, part);
        len += part;
    }
    if (len == 0) return 0;
    const struct weir_tls_table *table = enter();
    if (!table) return -1;
    bool wants_write = true;
    int sent = table->SSL_write(session->ssl, record, (int)len);
    if (sent <= 0 && settle(table, session, sent, &wants_write) == 0) errno = EPIPE;
    if (sent <= 0 && errno == EAGAIN && !wants_write) fail(table, session, false);
    leave();
    return sent > 0 ? sent : -1;
}

static void say_goodbye(struct weir_transport *transport, const struct weir_tls_table *table) {
    struct weir_tls_session *session = transport->session;
    if (session->ended || session->failed || transport->handshaking || session->pid != getpid())
        return;
    session->ended = true;
    table->ERR_clear_error();
    table->SSL_shutdown(session->ssl); /* as far as one write goes */
}

static void tls_end(struct weir_transport *transport) {
    const struct weir_tls_table *table = weir_tls_enter();
    if (table) {
        say_goodbye(transport, table);
        weir_tls_leave();
    }
    shutdown(transport->fd, SHUT_WR);
}

/* OpenSSL was cleaned up under it: nothing of it may be touched, nor freed, any more. */
static void abandon(struct weir_tls_session *session) {
    static struct weir_tls_session *_Atomic abandoned; /* what still knows of them */
    session->next = atomic_load(&abandoned);
    while (!atomic_compare_exchange_weak(&abandoned, &session->next, session)) {
    }
}

static void tls_close(struct weir_transport *transport) {
    struct weir_tls_session *session = transport->session;
    const struct weir_tls_table *table = session ? weir_tls_enter() : NULL;
    if (table) {
        say_goodbye(transport, table);
        table->SSL_free(session->ssl);
        weir_tls_leave();
        free(session);
    } else if (session) {
        abandon(session);
    }
    transport->session = NULL;
    if (transport->fd >= 0) close(transport->fd);
    transport->fd = -1;
}

/* ---- life ---- */

static BIO *new_bio(const struct weir_tls_table *table) {
    static BIO_METHOD *_Atomic shared; /* for ever: one for the process */
    BIO_METHOD *method = atomic_load(&shared);
    if (!method) {
        BIO_METHOD *made =
            table->BIO_meth_new(table->BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket");
        if (!made) return NULL;
        table->BIO_meth_set_read(made, bio_read);
        table->BIO_meth_set_write(made, bio_write);
        table->BIO_meth_set_ctrl(made, bio_ctrl);
        if (atomic_compare_exchange_strong(&shared, &method, made))
            method = made;
        else
            table->BIO_meth_free(made); /* another thread was first */
    }
    return table->BIO_new(method);
}

int weir_tls_session_open(const struct weir_tls_table *table, SSL *ssl, int fd, bool server,
                          struct weir_transport *ret) {
    static const struct weir_transport_ops ops = {tls_read, tls_write, tls_end, tls_close};
    struct weir_tls_session *session = calloc(1, sizeof *session);
    BIO *bio = session ? new_bio(table) : NULL;
    if (!bio || !table->SSL_set_ex_data(ssl, 0, session)) {
        if (bio) table->BIO_free(bio);
        table->SSL_free(ssl);
        free(session);
        close(fd);
        return WEIR_ENOMEMORY;
    }
    *session = (struct weir_tls_session){
        .ssl = ssl, .fd = fd, .pid = getpid(), .server = server, .alert = WEIR_TLS_NO_ALERT};
    table->BIO_set_data(bio, session);
    table->BIO_set_init(bio, 1);
    table->SSL_set_bio(ssl, bio, bio); /* takes one reference for both */
    if (server)
        table->SSL_set_accept_state(ssl);
    else
        table->SSL_set_connect_state(ssl);
    *ret = (struct weir_transport){.ops = &ops, .fd = fd, .handshaking = true, .session = session};
    return WEIR_OK;
}
