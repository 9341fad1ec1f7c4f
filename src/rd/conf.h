/* SPDX-License-Identifier: Apache-2.0 */
/* Client properties: librdkafka's own names, as text or as a file that Java's clients read too.
 *
 *     # comment                            bootstrap.servers=broker-1:9093,broker-2:9093
 *     security.protocol = SASL_SSL         sasl.jaas.config=... username="u" password="p";
 *
 * Every librdkafka property passes through. What only Java's clients know (serializers, login
 * modules) is translated or skipped; a Java key store is refused with the way to convert it.
 *
 * Threads: a conf has one owner.
 */
#ifndef WEIR_RD_CONF_H
#define WEIR_RD_CONF_H

#include "base/view.h"
#include "rd/rd.h"

/* Largest properties file. */
#define WEIR_RD_CONF_SIZE_MAX (256u * 1024)

/* One property. WEIR_EINVALID in words (unknown name, with the nearest known one; bad value). The
 * words never hold the value of a secret. */
int weir_rd_conf_set(const struct weir_rd *rd, rd_kafka_conf_t *conf, const char *name,
                     const char *value, struct weir_error *reterr);
/* Lines of name=value; on failure `reterr` has the line, and earlier lines stay set. */
int weir_rd_conf_parse(const struct weir_rd *rd, rd_kafka_conf_t *conf, struct weir_view text,
                       struct weir_error *reterr);
/* The same from a file. */
int weir_rd_conf_load(const struct weir_rd *rd, rd_kafka_conf_t *conf, const char *path,
                      struct weir_error *reterr);
/* The property's value into `ret` (NUL-terminated, cut at `size`), "" when unset or unknown. */
void weir_rd_conf_get(const struct weir_rd *rd, const rd_kafka_conf_t *conf, const char *name,
                      char *ret, size_t size);

#endif
