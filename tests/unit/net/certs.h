/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of fresh certificates for the tests of TLS, made by tests/support/make_certs. */
#ifndef WEIR_TESTS_UNIT_NET_CERTS_H
#define WEIR_TESTS_UNIT_NET_CERTS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/tls.h"
#include "unit.h"

static char certs_folder[64];

/* The command is made of our own names only. */
static inline int certs_run(const char *command) {
    return system(command); /* NOLINT(cert-env33-c) */
}

static inline int certs_make(void **state) {
    char command[200];
    (void)state;
    snprintf(certs_folder, sizeof certs_folder, "%s/weir-certs-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(certs_folder)) return -1;
    snprintf(command, sizeof command, "tests/support/make_certs %s", certs_folder);
    return certs_run(command);
}

static inline int certs_remove(void **state) {
    char command[200];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", certs_folder);
    return certs_run(command);
}

/* The path of a file in the folder; the latest 16 stay valid. */
static inline const char *certs_path(const char *name) {
    static char paths[16][128];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", certs_folder, name);
    return path;
}

/* Options with authority `ca` and certificate `own`; NULL: none. */
static inline struct weir_tls_options certs_options(const char *ca, const char *own) {
    struct weir_tls_options options = {.ca_file = NULL};
    char name[64];
    snprintf(name, sizeof name, "%s.pem", ca ? ca : "");
    if (ca) options.ca_file = certs_path(name);
    snprintf(name, sizeof name, "%s.pem", own ? own : "");
    if (own) options.cert_file = certs_path(name);
    snprintf(name, sizeof name, "%s.key", own ? own : "");
    if (own) options.key_file = certs_path(name);
    return options;
}

#endif
