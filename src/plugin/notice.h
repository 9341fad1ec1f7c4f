/* SPDX-License-Identifier: Apache-2.0 */
/* The one line on stderr that a process gets when the plugin must switch itself off; none with
 * WEIR_QUIET=1.
 *
 * Threads: any. Never waits: where stderr would not take the line at once, it is lost.
 */
#ifndef WEIR_PLUGIN_NOTICE_H
#define WEIR_PLUGIN_NOTICE_H

/* Writes "weir: ...\n", the first time that it is called in a process. */
void weir_plugin_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
