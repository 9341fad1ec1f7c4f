/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a process that never heard of us: what was recorded must still be sent.
 *
 * Most programs end by exit(), which calls us and waits up to WEIR_EXIT_TIMEOUT (milliseconds,
 * default 2000, 0: not at all) for a receiver that answers, less for one that is away. Go's runtime
 * ends without any goodbye, so in a Go program the last client's close waits instead. A process
 * that is killed, or calls _exit(), loses at most what was recorded since the last export.
 *
 * Threads: any.
 */
#ifndef WEIR_PLUGIN_EXIT_H
#define WEIR_PLUGIN_EXIT_H

/* A client of ours was made; its close has begun; its configuration, and so the client, is gone. */
void weir_plugin_client_made(void);
void weir_plugin_client_closing(void);
void weir_plugin_client_gone(void);
/* Starts the SDK, the first time in this process. */
void weir_plugin_start(void);

#endif
