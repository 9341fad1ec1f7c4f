/* SPDX-License-Identifier: Apache-2.0 */
/* What the system says about this process, as metrics under Prometheus' usual names: CPU seconds,
 * resident memory, open files, start time.
 *
 * Threads: any.
 */
#ifndef WEIR_COLLECT_RECEIVERS_PROCESS_H
#define WEIR_COLLECT_RECEIVERS_PROCESS_H

/* Makes the linker keep these metrics; they register themselves. */
void weir_process_metrics_use(void);

#endif
