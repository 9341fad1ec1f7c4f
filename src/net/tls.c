/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "base/view.h"
#include "net/tls_session.h"
#include "net/uri.h"

enum { FILES_COUNT = 3, CA = 0, CERT = 1, KEY = 2 };

struct stamp { /* of a file; all zero: none */
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct weir_tls {
    struct weir_tls *next; /* among those that the process's end has caught */
    enum weir_tls_role role;
    enum weir_tls_version version_min;
    bool skip_verify;
    char *files[FILES_COUNT]; /* CA, CERT, KEY; NULL: none */
    pthread_mutex_t lock;     /* guards the fields below */
    SSL_CTX *context;         /* NULL: not made yet */
    struct stamp stamps[FILES_COUNT];
    struct weir_error failure; /* of reading the files as they are now; code WEIR_OK: none */
};

static const char ending[] = "OpenSSL was shut down: the process is ending";

static int no_memory(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for TLS");
}

/* ---- settings ---- */

int weir_tls_new(const struct weir_tls_options *given, enum weir_tls_role role,
                 struct weir_tls **ret, struct weir_error *reterr) {
    static const struct weir_tls_options none;
    const struct weir_tls_options *options = given ? given : &none;
    const char *const files[] = {options->ca_file, options->cert_file, options->key_file};
    if (!files[CERT] != !files[KEY])
        return weir_error_set(reterr, WEIR_EINVALID, "%s %s: a certificate and its key go together",
                              files[CERT] ? "there is no key for the certificate"
                                          : "there is no certificate for the key",
                              files[CERT] ? files[CERT] : files[KEY]);
    if (role == WEIR_TLS_SERVER && !files[CERT])
        return weir_error_set(reterr, WEIR_EINVALID, "TLS on a door needs a certificate");
    struct weir_tls *tls = calloc(1, sizeof *tls);
    if (!tls) return no_memory(reterr);
    tls->role = role;
    tls->version_min = options->version_min;
    tls->skip_verify = options->skip_verify;
    pthread_mutex_init(&tls->lock, NULL);
    for (int i = 0; i < FILES_COUNT; i++)
        if (files[i] && !(tls->files[i] = strdup(files[i]))) {
            weir_tls_free(tls);
            return no_memory(reterr);
        }
    *ret = tls;
    return WEIR_OK;
}

/* False: OpenSSL was cleaned up under it, and it may not be touched any more. */
static bool drop_context(SSL_CTX *context) {
    const struct weir_tls_table *table = context ? weir_tls_enter() : NULL;
    if (table) {
        table->SSL_CTX_free(context);
        weir_tls_leave();
    }
    return table || !context;
}

static void abandon(struct weir_tls *tls) {
    static struct weir_tls *_Atomic abandoned; /* what still knows of them */
    tls->next = atomic_load(&abandoned);
    while (!atomic_compare_exchange_weak(&abandoned, &tls->next, tls)) {
    }
}

void weir_tls_free(struct weir_tls *tls) {
    if (!tls) return;
    if (!drop_context(tls->context)) {
        abandon(tls);
        return;
    }
    for (int i = 0; i < FILES_COUNT; i++) free(tls->files[i]);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

/* ---- files ---- */

static bool same_stamp(const struct stamp *a, const struct stamp *b) {
    return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* A file that cannot be looked at has no stamp: reading it will say why. */
static void take_stamps(const struct weir_tls *tls, struct stamp *ret) {
    for (int i = 0; i < FILES_COUNT; i++) {
        struct stat st;
        ret[i] = (struct stamp){.size = 0};
        if (tls->files[i] && stat(tls->files[i], &st) == 0)
            ret[i] = (struct stamp){st.st_ino, st.st_size, st.st_ctim};
    }
}

static int bad_file(const struct weir_tls_table *table, const char *file, const char *what,
                    struct weir_error *reterr) {
    unsigned long number = table->ERR_peek_error();
    const char *reason = number ? table->ERR_reason_error_string(number) : NULL;
    if (access(file, R_OK) != 0) reason = strerror(errno);
    return weir_error_set(reterr, WEIR_EINVALID, "%s is not %s%s%s", file, what, reason ? ": " : "",
                          reason ? reason : "");
}

/* OpenSSL would ask on the terminal. */
static int no_password(char *to, int size, int is_write, void *arg) {
    (void)to;
    (void)size;
    (void)is_write;
    (void)arg;
    return -1;
}

static int load_own(const struct weir_tls_table *table, const struct weir_tls *tls,
                    SSL_CTX *context, struct weir_error *reterr) {
    const char *cert = tls->files[CERT], *key = tls->files[KEY];
    if (!cert) return WEIR_OK;
    if (table->SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return bad_file(table, cert, "a certificate in PEM", reterr);
    table->SSL_CTX_set_default_passwd_cb(context, no_password);
    if (table->SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return bad_file(table, key, "the key of that certificate, in PEM and without a password",
                        reterr);
    if (table->SSL_CTX_check_private_key(context) == 1) return WEIR_OK;
    return weir_error_set(reterr, WEIR_EINVALID, "%s is not the key of the certificate %s", key,
                          cert);
}

static int load_trust(const struct weir_tls_table *table, const struct weir_tls *tls,
                      SSL_CTX *context, struct weir_error *reterr) {
    const char *ca = tls->files[CA];
    bool server = tls->role == WEIR_TLS_SERVER;
    int mode = SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    if ((server && !ca) || tls->skip_verify) return WEIR_OK; /* the mode is NONE */
    table->SSL_CTX_set_verify(context, mode, NULL);
    if (!ca && table->SSL_CTX_set_default_verify_paths(context) != 1)
        return weir_error_set(reterr, WEIR_EINVALID, "the system's authorities cannot be read");
    if (ca && table->SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
        return bad_file(table, ca, "a list of authorities in PEM", reterr);
    if (!server) return WEIR_OK;
    STACK_OF(X509_NAME) *names = table->SSL_load_client_CA_file(ca); /* told to the peers */
    if (!names) return bad_file(table, ca, "a list of authorities in PEM", reterr);
    table->SSL_CTX_set_client_CA_list(context, names);
    return WEIR_OK;
}

/* ---- the context ---- */

static const unsigned char h2[] = {2, 'h', '2'};
static const unsigned char http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offered, unsigned len, void *arg) {
    const struct weir_view known[] = {weir_view(h2, sizeof h2), weir_view(http1, sizeof http1)};
    (void)ssl;
    (void)arg;
    for (size_t i = 0; i < 2; i++)
        for (unsigned at = 0; at < len && at + offered[at] < len; at += 1U + offered[at])
            if (weir_view_eq(weir_view(offered + at, 1U + offered[at]), known[i])) {
                *ret = offered + at + 1;
                *ret_len = offered[at];
                return SSL_TLSEXT_ERR_OK;
            }
    return SSL_TLSEXT_ERR_NOACK; /* the first bytes will tell */
}

static int configure(const struct weir_tls_table *table, const struct weir_tls *tls,
                     SSL_CTX *context, struct weir_error *reterr) {
    long version = tls->version_min == WEIR_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    table->SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, version, NULL);
    table->SSL_CTX_ctrl(context, SSL_CTRL_MODE,
                        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS,
                        NULL);
    table->SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
    table->SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    table->SSL_CTX_set_info_callback(context, weir_tls_session_alert);
    if (tls->role == WEIR_TLS_SERVER) {
        table->SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
        table->SSL_CTX_set_session_id_context(context, (const unsigned char *)"weir", 4);
    } else if (table->SSL_CTX_set_alpn_protos(
                   context, tls->role == WEIR_TLS_GRPC_CLIENT ? h2 : http1,
                   tls->role == WEIR_TLS_GRPC_CLIENT ? sizeof h2 : sizeof http1) != 0) {
        return no_memory(reterr);
    }
    if (tls->role != WEIR_TLS_SERVER && !tls->files[CERT])
        table->SSL_CTX_set_cert_cb(context, weir_tls_session_asked, NULL);
    int rc = load_trust(table, tls, context, reterr);
    return rc == WEIR_OK ? load_own(table, tls, context, reterr) : rc;
}

static int make_context(const struct weir_tls *tls, SSL_CTX **ret, struct weir_error *reterr) {
    const struct weir_tls_table *table = weir_tls_enter();
    if (!table) return weir_error_set(reterr, WEIR_ECLOSED, "%s", ending);
    table->ERR_clear_error();
    SSL_CTX *context = table->SSL_CTX_new(table->TLS_method());
    int rc = context ? configure(table, tls, context, reterr) : no_memory(reterr);
    if (rc == WEIR_OK)
        *ret = context;
    else
        table->SSL_CTX_free(context);
    weir_tls_leave();
    return rc;
}

/* The lock is held. */
static int refresh(struct weir_tls *tls, struct weir_error *reterr) {
    struct stamp stamps[FILES_COUNT];
    SSL_CTX *made = NULL;
    bool changed = !tls->context;
    take_stamps(tls, stamps);
    for (int i = 0; i < FILES_COUNT; i++) changed |= !same_stamp(&stamps[i], &tls->stamps[i]);
    if (changed) {
        memcpy(tls->stamps, stamps, sizeof stamps);
        tls->failure = (struct weir_error){.code = WEIR_OK};
        if (make_context(tls, &made, &tls->failure) == WEIR_OK) {
            drop_context(tls->context);
            tls->context = made;
        }
    }
    int rc = tls->failure.code;
    return rc == WEIR_OK ? rc : weir_error_set(reterr, rc, "%s", tls->failure.message);
}

void weir_tls_preload(void) {
    weir_tls_load(NULL);
}

int weir_tls_refresh(struct weir_tls *tls, struct weir_error *reterr) {
    int rc = weir_tls_load(reterr);
    if (rc != WEIR_OK) return rc;
    pthread_mutex_lock(&tls->lock);
    rc = refresh(tls, reterr);
    pthread_mutex_unlock(&tls->lock);
    return rc;
}

bool weir_tls_is_usable(struct weir_tls *tls) {
    pthread_mutex_lock(&tls->lock);
    bool usable = tls->context != NULL;
    pthread_mutex_unlock(&tls->lock);
    return usable;
}

/* ---- connections ---- */

/* SNI for names, and what the certificate must be for. */
static bool expect(const struct weir_tls_table *table, SSL *ssl, const char *host) {
    char name[256];
    if (weir_uri_host_is_literal(weir_view_str(host)))
        return table->X509_VERIFY_PARAM_set1_ip_asc(table->SSL_get0_param(ssl), host) == 1;
    snprintf(name, sizeof name, "%s", host);
    size_t len = strlen(name);
    if (len && name[len - 1] == '.') name[len - 1] = 0;
    table->SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return table->SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) ==
               1 &&
           table->SSL_set1_host(ssl, name) == 1;
}

/* WEIR_EINVALID: the host cannot be in a certificate. */
static int new_ssl(const struct weir_tls_table *table, const struct weir_tls *tls, const char *host,
                   SSL **ret) {
    SSL *ssl = tls->context ? table->SSL_new(tls->context) : NULL;
    if (!ssl) return WEIR_ENOMEMORY;
    if (tls->role != WEIR_TLS_SERVER && !expect(table, ssl, host)) {
        table->SSL_free(ssl);
        return WEIR_EINVALID;
    }
    *ret = ssl;
    return WEIR_OK;
}

int weir_tls_transport_init(struct weir_tls *tls, int fd, const char *host,
                            struct weir_transport *ret, struct weir_error *reterr) {
    SSL *ssl;
    pthread_mutex_lock(&tls->lock); /* before the gate, as everywhere */
    const struct weir_tls_table *table = weir_tls_enter();
    int rc = table ? new_ssl(table, tls, host, &ssl) : WEIR_ECLOSED;
    if (rc == WEIR_OK)
        rc = weir_tls_session_open(table, ssl, fd, tls->role == WEIR_TLS_SERVER, ret);
    else
        close(fd);
    if (table) weir_tls_leave();
    pthread_mutex_unlock(&tls->lock);
    if (rc == WEIR_EINVALID)
        return weir_error_set(reterr, rc, "no certificate can be for \"%s\"", host);
    if (rc == WEIR_ECLOSED) return weir_error_set(reterr, rc, "%s", ending);
    return rc == WEIR_OK ? rc : no_memory(reterr);
}

/* ---- words ---- */

static const char *const untrusted_words =
    "is signed by an authority that is not trusted here: name the file of its CA "
    "(OTEL_EXPORTER_OTLP_CERTIFICATE for libweir)";

static int explain_certificate(const struct weir_tls_session *session, const char *who,
                               struct weir_error *reterr) {
    const char *words = NULL;
    switch (session->verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        words = "has expired: renew it, or set this machine's clock";
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        words = "is not valid yet: set the clock of this machine, or of the one that made it";
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        words = "is for other names: ask by a name that it has, or make one that has this name";
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        words = session->server ? "is signed by an authority that client_ca_file does not list"
                                : untrusted_words;
        break;
    default: break;
    }
    const struct weir_tls_table *table = words ? NULL : weir_tls_enter();
    const char *said = table ? table->X509_verify_cert_error_string(session->verified) : "";
    if (table) weir_tls_leave();
    if (words) return weir_error_set(reterr, WEIR_EAUTH, "the certificate of %s %s", who, words);
    return weir_error_set(reterr, WEIR_EAUTH, "the certificate of %s cannot be trusted: %s", who,
                          said);
}

static const char asked_words[] =
    "it asks for a client certificate, and there is none (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE "
    "and _CLIENT_KEY for libweir)";

/* What the peer has against us, or NULL. */
static const char *alert_words(const struct weir_tls_session *session) {
    if (session->asked) return asked_words;
    switch (session->alert) {
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_EXPIRED:
        return session->server ? "it does not trust our certificate, give it the CA"
                               : "it does not accept our client certificate";
    case SSL_AD_PROTOCOL_VERSION: return "it has no TLS 1.2 or 1.3";
    case SSL_AD_NO_APPLICATION_PROTOCOL: return "it speaks another protocol on this port";
    default: return NULL;
    }
}

static int explain_alert(const struct weir_tls_session *session, const char *who,
                         struct weir_error *reterr) {
    const struct weir_tls_table *table = weir_tls_enter();
    const char *name = table ? table->SSL_alert_desc_string_long(session->alert) : "";
    if (table) weir_tls_leave();
    const char *words = alert_words(session);
    return weir_error_set(reterr, WEIR_EAUTH, "%s refused TLS, alert \"%s\"%s%s", who, name,
                          words ? ": " : "", words ? words : "");
}

/* A connection that ended without an alert. */
static int explain_end(const struct weir_transport *transport, const char *who,
                       struct weir_error *reterr) {
    const struct weir_tls_session *session = transport->session;
    if (session->asked && !session->spoke)
        return weir_error_set(reterr, WEIR_EAUTH, "%s closed the connection: %s", who, asked_words);
    if (!transport->handshaking) return WEIR_OK;
    return weir_error_set(reterr, WEIR_EUNAVAILABLE, "%s broke off the TLS handshake", who);
}

int weir_tls_explain(const struct weir_transport *transport, const char *who,
                     struct weir_error *reterr) {
    const struct weir_tls_session *session = transport->session;
    if (!session) return WEIR_OK;
    if (session->plain)
        return weir_error_set(reterr, WEIR_EINVALID, "%s does not speak TLS%s", who,
                              session->server ? ": ask with https"
                                              : " on this port: write http://, or the port that "
                                                "does");
    if (session->alert != WEIR_TLS_NO_ALERT) return explain_alert(session, who, reterr);
    if (session->verified != X509_V_OK) return explain_certificate(session, who, reterr);
    if (session->io_errno || session->peer_ended) return explain_end(transport, who, reterr);
    if (!session->failed) return WEIR_OK;
    return weir_error_set(reterr, WEIR_EUNAVAILABLE, "TLS with %s failed: %s", who,
                          session->reason ? session->reason : "unknown cause");
}
