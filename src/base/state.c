/* SPDX-License-Identifier: Apache-2.0 */
#include "base/state.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

enum { COMPONENTS_MAX = 64 };

struct weir_state {
    struct weir_state_view view;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static struct weir_state states[COMPONENTS_MAX];
static unsigned states_count;

struct weir_state *weir_state_new(const char *component) {
    pthread_mutex_lock(&lock);
    struct weir_state *state =
        &states[states_count < COMPONENTS_MAX ? states_count++ : COMPONENTS_MAX - 1];
    state->view =
        (struct weir_state_view){.component = component, .since_ns = weir_clock_wall_ns()};
    pthread_mutex_unlock(&lock);
    return state;
}

void weir_state_set_ready(struct weir_state *state, bool ready, const char *format, ...) {
    pthread_mutex_lock(&lock);
    if (state->view.ready != ready) state->view.since_ns = weir_clock_wall_ns();
    state->view.ready = ready;
    va_list args;
    va_start(args, format);
    vsnprintf(state->view.detail, sizeof state->view.detail, format, args);
    va_end(args);
    pthread_mutex_unlock(&lock);
}

void weir_state_set_error(struct weir_state *state, const char *format, ...) {
    pthread_mutex_lock(&lock);
    state->view.last_error_ns = weir_clock_wall_ns();
    va_list args;
    va_start(args, format);
    vsnprintf(state->view.last_error, sizeof state->view.last_error, format, args);
    va_end(args);
    pthread_mutex_unlock(&lock);
}

bool weir_state_all_ready(void) {
    bool all = true;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < states_count; i++) all = all && states[i].view.ready;
    pthread_mutex_unlock(&lock);
    return all;
}

bool weir_state_get(unsigned index, struct weir_state_view *ret) {
    pthread_mutex_lock(&lock);
    bool known = index < states_count;
    if (known) *ret = states[index].view;
    pthread_mutex_unlock(&lock);
    return known;
}
