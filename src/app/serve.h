/* SPDX-License-Identifier: Apache-2.0 */
/* weir serve: the server's rooms opened left to right, and closed right to left.
 *
 *     store ─▶ admission ─▶ OTLP doors        store ─▶ query APIs, page
 *
 * Threads: main thread only.
 */
#ifndef WEIR_APP_SERVE_H
#define WEIR_APP_SERVE_H

/* Runs until a signal asks it to stop. Returns the exit status: 0 stopped as asked, 1 could not
 * start, 2 wrong usage. */
int weir_serve_run(int argc, char **argv);

#endif
