/* SPDX-License-Identifier: Apache-2.0 */
/* A program that loads librdkafkas by hand, as languages' packages do: each private, none exported.
 *
 *     copies TOPIC LIBRARY [LIBRARY]...      KAFKA_BROKERS, WEIR_PLUGIN; one message from each
 *
 * All are loaded at once and used in turns, then unloaded again.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS(X)                                                                                   \
    X(conf_new)                                                                                    \
    X(conf_set) X(conf_dup) X(conf_destroy) X(new) X(producev) X(flush) X(destroy) X(version_str)

struct copy {
    void *library;
#define FIELD(call) __typeof__(rd_kafka_##call) *call;
    CALLS(FIELD)
#undef FIELD
    rd_kafka_t *rk;
};

static void *must(void *found) {
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

static void load(struct copy *copy, const char *path) {
    copy->library = must(dlopen(path, RTLD_NOW | RTLD_LOCAL));
#define FIND(call)                                                                                 \
    do {                                                                                           \
        void *found = must(dlsym(copy->library, "rd_kafka_" #call));                               \
        memcpy(&copy->call, &found, sizeof found);                                                 \
    } while (0);
    CALLS(FIND)
#undef FIND
}

static void set(struct copy *copy, rd_kafka_conf_t *conf, const char *name, const char *value) {
    char text[512];
    if (!copy->conf_set(conf, name, value, text, sizeof text)) return;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void open_producer(struct copy *copy) {
    char text[512];
    rd_kafka_conf_t *conf = copy->conf_new();
    set(copy, conf, "bootstrap.servers", getenv("KAFKA_BROKERS"));
    set(copy, conf, "plugin.library.paths", getenv("WEIR_PLUGIN"));
    rd_kafka_conf_t *own = copy->conf_dup(conf);
    copy->conf_destroy(conf);
    if ((copy->rk = copy->new (RD_KAFKA_PRODUCER, own, text, sizeof text))) return;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

int main(int argc, char **argv) {
    struct copy copies[4];
    int count = argc - 2;
    if (count < 1 || count > 4) return 2;
    for (int i = 0; i < count; i++) load(&copies[i], argv[i + 2]);
    for (int i = 0; i < count; i++) open_producer(&copies[i]);
    for (int i = 0; i < count; i++) {
        const char *version = copies[i].version_str();
        if (copies[i].producev(copies[i].rk, RD_KAFKA_V_TOPIC(argv[1]),
                               RD_KAFKA_V_VALUE((void *)(size_t)version, strlen(version)),
                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
            return 1;
    }
    for (int i = 0; i < count; i++)
        if (copies[i].flush(copies[i].rk, 30000)) return 1;
    for (int i = 0; i < count; i++) printf("%s\n", copies[i].version_str());
    for (int i = 0; i < count; i++) copies[i].destroy(copies[i].rk);
    for (int i = 0; i < count; i++) dlclose(copies[i].library);
    puts("done");
    return 0;
}
