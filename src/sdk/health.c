/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/health.h"

#include <pthread.h>

#include "base/error.h"
#include "weir/weir.h"
#include "wire/json.h"

enum { CHECKS_MAX = 64, NAME_SIZE = 64, DETAIL_SIZE = 256 };

struct check {
    char name[NAME_SIZE];
    weir_health_check *run; /* NULL: free */
    void *arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards checks; held while they run */
static struct check checks[CHECKS_MAX];

static struct check *find(const char *name) {
    for (int i = 0; i < CHECKS_MAX; i++)
        if (checks[i].run && strncmp(checks[i].name, name, NAME_SIZE - 1) == 0) return &checks[i];
    return NULL;
}

static struct check *find_free(void) {
    for (int i = 0; i < CHECKS_MAX; i++)
        if (!checks[i].run) return &checks[i];
    return NULL;
}

int weir_health_add(const char *name, weir_health_check *check, void *arg,
                    struct weir_error *reterr) {
    if (!name || !*name || !check)
        return weir_error_set(reterr, WEIR_EINVALID, "a health check needs a name and a function");
    pthread_mutex_lock(&lock);
    struct check *it = find(name);
    if (!it) it = find_free();
    if (it) {
        strncpy(it->name, name, NAME_SIZE - 1);
        it->run = check;
        it->arg = arg;
    }
    pthread_mutex_unlock(&lock);
    return it ? WEIR_OK
              : weir_error_set(reterr, WEIR_ELIMIT, "health check \"%s\": there are %d already",
                               name, CHECKS_MAX);
}

void weir_health_remove(const char *name) {
    if (!name) return;
    pthread_mutex_lock(&lock);
    struct check *it = find(name);
    if (it) *it = (struct check){.run = NULL};
    pthread_mutex_unlock(&lock);
}

static const char *word(enum weir_health health) {
    return health == WEIR_HEALTH_PASS ? "pass" : health == WEIR_HEALTH_FAIL ? "fail" : "unknown";
}

static void add_check(struct weir_json_writer *w, const char *name, enum weir_health health,
                      const char *detail) {
    weir_json_key(w, name);
    weir_json_begin_object(w);
    weir_json_key(w, "status");
    weir_json_add_cstr(w, word(health));
    if (detail[0]) {
        weir_json_key(w, "detail");
        weir_json_add_cstr(w, detail);
    }
    weir_json_end_object(w);
}

int weir_health_add_json(struct weir_buf *buf) {
    struct weir_buf parts;
    weir_buf_init(&parts, 256 << 10);
    struct weir_json_writer inner = weir_json_writer(&parts), w = weir_json_writer(buf);
    bool failed = false;
    pthread_mutex_lock(&lock);
    weir_json_begin_object(&inner);
    for (int i = 0; i < CHECKS_MAX; i++) {
        char detail[DETAIL_SIZE] = "";
        if (!checks[i].run) continue;
        enum weir_health health = checks[i].run(checks[i].arg, detail, sizeof detail);
        detail[sizeof detail - 1] = 0;
        failed |= health == WEIR_HEALTH_FAIL;
        add_check(&inner, checks[i].name, health, detail);
    }
    weir_json_end_object(&inner);
    pthread_mutex_unlock(&lock);
    weir_json_begin_object(&w);
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, word(failed ? WEIR_HEALTH_FAIL : WEIR_HEALTH_PASS));
    weir_json_key(&w, "checks");
    weir_json_add_raw(&w, weir_buf_view(&parts));
    weir_json_end_object(&w);
    weir_buf_add_char(buf, '\n');
    weir_buf_done(&parts);
    return failed ? 503 : 200;
}

void weir_health_forked(void) {
    pthread_mutex_init(&lock, NULL);
}
