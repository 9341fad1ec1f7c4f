/* SPDX-License-Identifier: Apache-2.0 */
/* Starting threads: named, with every signal blocked, so that signals reach the
 * main thread only. */
#ifndef WEIR_BASE_THREAD_H
#define WEIR_BASE_THREAD_H

#include <pthread.h>

/* 0 or a weir code (WEIR_ENOMEMORY when the system has no thread to give). `name` is cut at 15
 * bytes. */
int weir_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg);

#endif
