/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols with OpenSSL's names, exported by the program of tls_table_test.c as Node exports its
 * own: whoever calls one of them has taken the host's OpenSSL for ours. Without OpenSSL's headers,
 * which would know better what these are. */
#include <stdlib.h>

#include "net/tls_calls.h"

/* Ours, and some that libssl itself calls in libcrypto. */
#define HOST_ONLY(X)                                                                               \
    X(BIO_ctrl)                                                                                    \
    X(BIO_read)                                                                                    \
    X(BIO_write)                                                                                   \
    X(CRYPTO_free)                                                                                 \
    X(CRYPTO_malloc)                                                                               \
    X(CRYPTO_zalloc)                                                                               \
    X(EVP_CIPHER_CTX_new)                                                                          \
    X(EVP_DigestInit_ex)                                                                           \
    X(EVP_MD_CTX_new)                                                                              \
    X(EVP_PKEY_new)                                                                                \
    X(OPENSSL_init_crypto)                                                                         \
    X(OPENSSL_sk_new_null)                                                                         \
    X(RAND_bytes)                                                                                  \
    X(X509_STORE_new)                                                                              \
    X(X509_free)

#define HOST_SYMBOL(name)                                                                          \
    __attribute__((visibility("default"))) void name(void);                                        \
    void name(void) {                                                                              \
        abort();                                                                                   \
    }
WEIR_TLS_CALLS(HOST_SYMBOL)
HOST_ONLY(HOST_SYMBOL)
