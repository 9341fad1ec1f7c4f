/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's plugin `weir`: every client whose configuration says plugin.library.paths=weir is
 * observed, whatever language it is written in and however librdkafka came into the process.
 *
 *     conf_init   who calls? ─▶ its librdkafka's functions ─▶ interceptors on the configuration
 *     on_new      the first client: the SDK starts
 *
 * What fails costs the observation, never the client: conf_init always succeeds.
 *
 * Threads: conf_init may run on any, at the same time for several configurations.
 * Source: librdkafka's rdkafka.h, "Plugin interface".
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "plugin/exit.h"
#include "plugin/notice.h"
#include "rd/resolve.h"
#include "sdk/config.h"
#include "weir/kafka.h"

#define NAME "weir-plugin"

/* The plugin never looks for a librdkafka of its own: it has the caller's, or none. */
int weir_rd_search(struct weir_rd *rd, struct weir_error *reterr) {
    (void)rd;
    return weir_error_set(reterr, WEIR_EUNSUPPORTED, "no librdkafka has called");
}

/* ── interceptors of our own ─────────────────────────────────────────────────────────────────── */

static rd_kafka_resp_err_t on_destroy(rd_kafka_t *rk, void *opaque) {
    (void)rk, (void)opaque;
    weir_plugin_client_closing();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                  char *errstr, size_t errstr_size) {
    (void)conf, (void)errstr, (void)errstr_size;
    const struct weir_rd *rd = opaque;
    weir_plugin_start();
    if (rd->interceptor_add_on_destroy(rk, NAME, on_destroy, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR)
        weir_plugin_client_made();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_conf_destroy(void *opaque) {
    (void)opaque;
    weir_plugin_client_gone();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── the entry ───────────────────────────────────────────────────────────────────────────────── */

/* Whether the environment lets the SDK run; if it is wrong, says so. */
static bool is_wanted(void) {
    struct weir_error err = {0};
    struct weir_config *config;
    if (weir_config_new(NULL, &config, &err) != WEIR_OK) {
        weir_plugin_notice("Kafka clients of this process are not observed: %s", err.message);
        return false;
    }
    bool disabled = config->disabled;
    weir_config_free(config);
    return !disabled;
}

static void say_why(const struct weir_error *err) {
    if (err->code == WEIR_ENOTFOUND)
        weir_plugin_notice("Kafka clients of this process are not observed: librdkafka is linked "
                           "into a program whose symbols were stripped; do not strip it (Go: no "
                           "-ldflags -s), or link it with -Wl,--export-dynamic");
    else
        weir_plugin_notice("Kafka clients of this process are not observed: %s", err->message);
}

typedef __typeof__(weir_kafka_instrument) instrument_fn;

/* A program that uses libweir itself has an SDK already, configured and ended by the program. */
static instrument_fn *host_instrument(void) {
    instrument_fn *call = NULL;
    void *found = dlsym(RTLD_DEFAULT, "weir_kafka_instrument");
    void *library = found ? NULL : dlopen("libweir.so.0", RTLD_NOW | RTLD_NOLOAD);
    if (library) found = dlsym(library, "weir_kafka_instrument");
    memcpy(&call, &found, sizeof call);
    return call;
}

static void instrument(rd_kafka_conf_t *conf, const struct weir_rd *rd) {
    struct weir_error err = {0};
    weir_rd_adopt(rd);
    const struct weir_rd *before = weir_rd_enter(rd);
    /* Ours is first at the start, and last at the end, when all spans have ended. */
    rd->conf_interceptor_add_on_new(conf, NAME, on_new, (void *)(uintptr_t)rd);
    if (weir_kafka_instrument(conf, 0, &err) != WEIR_OK) say_why(&err);
    rd->conf_interceptor_add_on_conf_destroy(conf, NAME, on_conf_destroy, NULL);
    weir_rd_enter(before);
}

rd_kafka_plugin_f_conf_init_t conf_init;

__attribute__((visibility("default"))) rd_kafka_resp_err_t conf_init(rd_kafka_conf_t *conf,
                                                                     void **plug_opaquep,
                                                                     char *errstr,
                                                                     size_t errstr_size) {
    (void)errstr, (void)errstr_size;
    struct weir_error err = {0};
    instrument_fn *host = host_instrument();
    *plug_opaquep = NULL;
    if (host) {
        host(conf, 0, NULL);
    } else if (is_wanted()) {
        const struct weir_rd *rd = weir_rd_resolve(__builtin_return_address(0), &err);
        if (rd)
            instrument(conf, rd);
        else
            say_why(&err);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
