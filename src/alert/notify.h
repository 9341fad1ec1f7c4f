/* SPDX-License-Identifier: Apache-2.0 */
/* Telling: alerts as JSON to Alertmanagers (POST /api/v2/alerts) and to webhooks.
 *
 * Messages are made by the evaluating thread and sent by one of the notifier's own. Alertmanagers
 * are told all that fires, again every minute; webhooks each change once.
 *
 * Threads: as said. Memory: 32 messages per target wait at most.
 */
#ifndef WEIR_ALERT_NOTIFY_H
#define WEIR_ALERT_NOTIFY_H

#include "alert/engine.h"
#include "base/buf.h"

struct weir_alert_notifier;

int weir_alert_notifier_open(const struct weir_alert_options *options,
                             struct weir_alert_notifier **ret, struct weir_error *reterr);
/* Tries to send what waits, briefly. Takes NULL. */
void weir_alert_notifier_close(struct weir_alert_notifier *notifier);
/* Tells these alerts; does not wait. */
void weir_alert_notifier_tell(struct weir_alert_notifier *notifier,
                              const struct weir_alert *const *alerts, uint32_t count);

/* The two messages, apart for tests. `resolve_ns`: when an Alertmanager may forget a firing one. */
void weir_alert_add_alertmanager(struct weir_buf *out, const struct weir_alert *const *alerts,
                                 uint32_t count, int64_t resolve_ns, const char *external_url);
void weir_alert_add_webhook(struct weir_buf *out, const struct weir_alert *const *alerts,
                            uint32_t count, const char *external_url);

#endif
