/* SPDX-License-Identifier: Apache-2.0 */
#include "rd/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fs.h"

#define NAMES_MAX 512

/* Java's own properties that mean nothing here and need no words. */
static const char *const skipped[] = {"key.serializer",
                                      "value.serializer",
                                      "key.deserializer",
                                      "value.deserializer",
                                      "interceptor.classes",
                                      "metric.reporters",
                                      "partitioner.class",
                                      "auto.include.jmx.reporter",
                                      "partition.assignment.strategy.class",
                                      "sasl.login.callback.handler.class",
                                      NULL};

static bool is_skipped(struct weir_view name) {
    for (size_t i = 0; skipped[i]; i++)
        if (weir_view_is(name, skipped[i])) return true;
    return false;
}

static bool is_secret(const char *name) {
    return strstr(name, "password") || strstr(name, "secret") || strstr(name, "jaas") ||
           strstr(name, "key.pem");
}

/* Names that librdkafka does not list while they are unset. */
static const char *const unlisted[] = {"bootstrap.servers",
                                       "group.id",
                                       "group.instance.id",
                                       "client.rack",
                                       "sasl.username",
                                       "sasl.password",
                                       "ssl.ca.location",
                                       "ssl.certificate.location",
                                       "ssl.key.location",
                                       "ssl.key.password",
                                       "ssl.keystore.location",
                                       "ssl.keystore.password",
                                       "transactional.id",
                                       "plugin.library.paths",
                                       "debug"};

/* The known property nearest to `name`, copied into `ret`; NULL if none is near. */
static const char *nearest_name(const struct weir_rd *rd, rd_kafka_conf_t *conf, const char *name,
                                char *ret, size_t size) {
    const char *names[NAMES_MAX + 1];
    size_t count = 0, known = 0;
    const char **dump = rd->conf_dump(conf, &count);
    if (!dump) return NULL;
    while (known < sizeof unlisted / sizeof unlisted[0]) {
        names[known] = unlisted[known];
        known++;
    }
    for (size_t i = 0; i + 1 < count && known < NAMES_MAX; i += 2) names[known++] = dump[i];
    names[known] = NULL;
    const char *near = weir_view_nearest(weir_view_str(name), names);
    if (near) snprintf(ret, size, "%s", near);
    rd->conf_dump_free(dump, count);
    return near ? ret : NULL;
}

int weir_rd_conf_set(const struct weir_rd *rd, rd_kafka_conf_t *conf, const char *name,
                     const char *value, struct weir_error *reterr) {
    char text[256] = "", near[128];
    rd_kafka_conf_res_t res = rd->conf_set(conf, name, value, text, sizeof text);
    if (res == RD_KAFKA_CONF_OK) return WEIR_OK;
    if (res == RD_KAFKA_CONF_UNKNOWN) {
        const char *hint = nearest_name(rd, conf, name, near, sizeof near);
        return weir_error_set(reterr, WEIR_EINVALID, "librdkafka %s has no property '%s'%s%s%s",
                              rd->version_str(), name, hint ? "; did you mean '" : "",
                              hint ? hint : "", hint ? "'?" : "");
    }
    if (is_secret(name))
        return weir_error_set(reterr, WEIR_EINVALID, "the value of '%s' is not valid", name);
    return weir_error_set(reterr, WEIR_EINVALID, "property '%s': %s", name, text);
}

/* The quoted value behind `key=` in a JAAS line, or an empty view. */
static struct weir_view jaas_field(struct weir_view line, const char *key) {
    struct weir_view rest = line, needle = weir_view_str(key);
    for (;;) {
        size_t at = weir_view_find(rest, needle);
        if (at == SIZE_MAX) return weir_view(NULL, 0);
        bool word = at == 0 || rest.ptr[at - 1] == ' ' || rest.ptr[at - 1] == '\t';
        rest = weir_view_from(rest, at + needle.len);
        if (!word) continue;
        struct weir_view value = weir_view_trim(rest);
        if (!value.len || value.ptr[0] != '=') continue;
        value = weir_view_trim(weir_view_from(value, 1));
        if (!value.len || (value.ptr[0] != '"' && value.ptr[0] != '\'')) continue;
        char quote = value.ptr[0];
        value = weir_view_from(value, 1);
        return weir_view_cut(&value, quote);
    }
}

/* Java's login line carries what librdkafka has two properties for. */
static int set_jaas(const struct weir_rd *rd, rd_kafka_conf_t *conf, struct weir_view value,
                    struct weir_error *reterr) {
    struct weir_view user = jaas_field(value, "username");
    struct weir_view password = jaas_field(value, "password");
    if (!user.len)
        return weir_error_set(
            reterr, WEIR_EUNSUPPORTED,
            "sasl.jaas.config without username=\"...\": set sasl.username and "
            "sasl.password, or librdkafka's sasl.kerberos.* or sasl.oauthbearer.*");
    char text[1024];
    if (user.len >= sizeof text || password.len >= sizeof text)
        return weir_error_set(reterr, WEIR_ETOOBIG, "sasl.jaas.config: user or password too long");
    snprintf(text, sizeof text, "%.*s", WEIR_VIEW_ARG(user));
    int code = weir_rd_conf_set(rd, conf, "sasl.username", text, reterr);
    if (code) return code;
    snprintf(text, sizeof text, "%.*s", WEIR_VIEW_ARG(password));
    return weir_rd_conf_set(rd, conf, "sasl.password", text, reterr);
}

static int set_line(const struct weir_rd *rd, rd_kafka_conf_t *conf, struct weir_view name,
                    struct weir_view value, struct weir_error *reterr) {
    if (is_skipped(name)) return WEIR_OK;
    if (weir_view_is(name, "sasl.jaas.config")) return set_jaas(rd, conf, value, reterr);
    if (weir_view_starts(name, WEIR_VIEW("ssl.truststore.")) ||
        (weir_view_is(name, "ssl.keystore.type") && !weir_view_is(value, "PKCS12")))
        return weir_error_set(
            reterr, WEIR_EUNSUPPORTED,
            "'%.*s' is a Java key store; export it to PEM and set ssl.ca.location "
            "(and ssl.certificate.location, ssl.key.location)",
            WEIR_VIEW_ARG(name));
    if (weir_view_is(name, "ssl.keystore.type")) return WEIR_OK;
    char *copy = malloc(name.len + value.len + 2);
    if (!copy) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = 0;
    if (value.len) memcpy(copy + name.len + 1, value.ptr, value.len);
    copy[name.len + 1 + value.len] = 0;
    int code = weir_rd_conf_set(rd, conf, copy, copy + name.len + 1, reterr);
    free(copy);
    return code;
}

/* Reads one logical line (continued by a backslash at the end of a line) into `out`. */
static void read_line(struct weir_view *rest, struct weir_buf *out, uint32_t *line) {
    weir_buf_clear(out);
    bool more = true;
    while (more && rest->ptr && rest->len) {
        struct weir_view piece = weir_view_trim(weir_view_cut(rest, '\n'));
        ++*line;
        more = piece.len && piece.ptr[piece.len - 1] == '\\' &&
               (piece.len < 2 || piece.ptr[piece.len - 2] != '\\');
        if (out->len == 0 && piece.len && (piece.ptr[0] == '#' || piece.ptr[0] == '!')) return;
        weir_buf_add_view(out, weir_view_upto(piece, more ? piece.len - 1 : piece.len));
    }
}

static bool split_line(struct weir_view line, struct weir_view *ret_name,
                       struct weir_view *ret_value) {
    size_t at = 0;
    while (at < line.len && line.ptr[at] != '=' && line.ptr[at] != ':') at++;
    if (at == line.len) return false;
    *ret_name = weir_view_trim(weir_view_upto(line, at));
    *ret_value = weir_view_trim(weir_view_from(line, at + 1));
    return ret_name->len > 0;
}

int weir_rd_conf_parse(const struct weir_rd *rd, rd_kafka_conf_t *conf, struct weir_view text,
                       struct weir_error *reterr) {
    struct weir_buf line;
    weir_buf_init(&line, WEIR_RD_CONF_SIZE_MAX);
    uint32_t number = 0;
    int code = WEIR_OK;
    while (!code && text.ptr && text.len) {
        struct weir_view name, value;
        read_line(&text, &line, &number);
        if (line.failed)
            code = weir_error_at(reterr, WEIR_ETOOBIG, number, 0, "line too long");
        else if (line.len && !split_line(weir_buf_view(&line), &name, &value))
            code =
                weir_error_at(reterr, WEIR_EINVALID, number, 0, "a property is written name=value");
        else if (line.len && (code = set_line(rd, conf, name, value, reterr)) && reterr)
            reterr->line = number;
    }
    weir_buf_done(&line);
    return code;
}

int weir_rd_conf_load(const struct weir_rd *rd, rd_kafka_conf_t *conf, const char *path,
                      struct weir_error *reterr) {
    struct weir_buf text;
    weir_buf_init(&text, WEIR_RD_CONF_SIZE_MAX);
    struct weir_error err = {0};
    int code = weir_fs_read_file(path, &text, &err);
    if (!code) code = weir_rd_conf_parse(rd, conf, weir_buf_view(&text), &err);
    weir_buf_done(&text);
    if (code && reterr) {
        if (err.line)
            weir_error_at(reterr, code, err.line, 0, "%s:%u: %s", path, err.line, err.message);
        else
            *reterr = err;
    }
    return code;
}

void weir_rd_conf_get(const struct weir_rd *rd, const rd_kafka_conf_t *conf, const char *name,
                      char *ret, size_t size) {
    char text[4096]; /* librdkafka writes nothing at all into a buffer that is too small */
    size_t len = sizeof text;
    if (rd->conf_get(conf, name, text, &len) != RD_KAFKA_CONF_OK || len > sizeof text) text[0] = 0;
    snprintf(ret, size, "%s", text);
}
