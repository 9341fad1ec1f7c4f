/* SPDX-License-Identifier: Apache-2.0 */
/* One admin operation of libweir, for the integration tests: what came of it on stderr, line by
 * line; spans go where OTEL_* say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/admin.h"

enum { ITEMS_MAX = 32 };

static int64_t timeout_ms = 10000;
static struct weir_admin_result results[ITEMS_MAX];

static void tell_results(const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "result %s %d %s %s\n", names[i], results[i].code,
                results[i].error_type ? results[i].error_type : "-", results[i].message);
}

/* "name=value" and "name=" (back to the default), cut in place. */
static size_t settings_of(char **arguments, struct weir_admin_setting *ret) {
    size_t count = 0;
    for (; arguments[count] && count < ITEMS_MAX; count++) {
        char *value = strchr(arguments[count], '=');
        *value++ = 0;
        ret[count] = (struct weir_admin_setting){arguments[count], *value ? value : NULL};
    }
    return count;
}

/* create PARTITIONS NAME... [-- SETTING=VALUE...] */
static int create(struct weir_admin *admin, char **arguments, struct weir_error *err) {
    struct weir_admin_topic topics[ITEMS_MAX] = {{.name = NULL}};
    struct weir_admin_setting settings[ITEMS_MAX];
    const char *names[ITEMS_MAX];
    int32_t partitions = (int32_t)strtol(*arguments++, NULL, 10);
    size_t count = 0, settings_count = 0;
    for (; *arguments && strcmp(*arguments, "--") != 0; arguments++) names[count++] = *arguments;
    if (*arguments) settings_count = settings_of(arguments + 1, settings);
    for (size_t i = 0; i < count; i++)
        topics[i] = (struct weir_admin_topic){.name = names[i],
                                              .partitions = partitions,
                                              .settings = settings,
                                              .settings_count = settings_count};
    int code = weir_admin_create_topics(admin, topics, count, timeout_ms, results, err);
    tell_results(names, count);
    return code;
}

static int delete (struct weir_admin *admin, char **arguments, struct weir_error *err) {
    const char *names[ITEMS_MAX];
    size_t count = 0;
    for (; arguments[count]; count++) names[count] = arguments[count];
    int code = weir_admin_delete_topics(admin, names, count, timeout_ms, results, err);
    tell_results(names, count);
    return code;
}

/* records NAME PARTITION OFFSET ... */
static int delete_records(struct weir_admin *admin, char **arguments, struct weir_error *err) {
    struct weir_admin_records records[ITEMS_MAX];
    const char *names[ITEMS_MAX];
    int64_t lowest[ITEMS_MAX];
    size_t count = 0;
    for (; arguments[3 * count]; count++) {
        names[count] = arguments[3 * count];
        records[count] = (struct weir_admin_records){
            names[count], (int32_t)strtol(arguments[3 * count + 1], NULL, 10),
            strtoll(arguments[3 * count + 2], NULL, 10)};
    }
    int code = weir_admin_delete_records(admin, records, count, timeout_ms, results, lowest, err);
    tell_results(names, count);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "lowest %s %d %lld\n", names[i], (int)records[i].partition,
                (long long)lowest[i]);
    return code;
}

static void on_config(void *arg, const struct weir_admin_config *config) {
    (void)arg;
    fprintf(stderr, "config %s=%s %s\n", config->name, config->value ? config->value : "(secret)",
            config->is_default ? "default" : "set");
}

static void on_group(void *arg, const struct weir_admin_group *group) {
    (void)arg;
    fprintf(stderr, "group %s %s %zu %d %s\n", group->id, group->state, group->members_count,
            group->code, group->assignor);
}

static int run(struct weir_admin *admin, char **argv, struct weir_error *err) {
    struct weir_admin_setting settings[ITEMS_MAX];
    const char *operation = argv[1];
    if (!strcmp(operation, "create")) return create(admin, argv + 2, err);
    if (!strcmp(operation, "delete")) return delete (admin, argv + 2, err);
    if (!strcmp(operation, "records")) return delete_records(admin, argv + 2, err);
    if (!strcmp(operation, "partitions"))
        return weir_admin_create_partitions(admin, argv[2], (int32_t)strtol(argv[3], NULL, 10),
                                            timeout_ms, err);
    if (!strcmp(operation, "describe"))
        return weir_admin_describe_configs(admin, WEIR_ADMIN_TOPIC, argv[2], timeout_ms, on_config,
                                           NULL, err);
    if (!strcmp(operation, "describe-broker"))
        return weir_admin_describe_configs(admin, WEIR_ADMIN_BROKER, argv[2], timeout_ms, on_config,
                                           NULL, err);
    if (!strcmp(operation, "alter"))
        return weir_admin_alter_configs(admin, WEIR_ADMIN_TOPIC, argv[2], settings,
                                        settings_of(argv + 3, settings), timeout_ms, err);
    if (!strcmp(operation, "groups"))
        return weir_admin_list_groups(admin, timeout_ms, on_group, NULL, err);
    size_t count = 0;
    while (argv[2 + count]) count++;
    return weir_admin_describe_groups(admin, (const char *const *)(argv + 2), count, timeout_ms,
                                      on_group, NULL, err);
}

int main(int argc, char **argv) {
    struct weir_error err = {0};
    if (argc < 2 || weir_init(NULL, &err)) return 2;
    const char *limit = getenv("ADMIN_TIMEOUT_MS");
    if (limit) timeout_ms = strtoll(limit, NULL, 10);
    struct weir_admin *admin = weir_admin_open(NULL, &err);
    if (!admin) {
        fprintf(stderr, "open %d %s\n", err.code, err.message);
        return 1;
    }
    struct weir_span *span = weir_span_start(weir_tracer_get("test", NULL), "deploy", NULL);
    struct weir_scope scope;
    weir_scope_attach_span(&scope, span);
    int code = run(admin, argv, &err);
    weir_scope_detach(&scope);
    weir_span_end(span);
    fprintf(stderr, "code %d %s\n", code, code ? err.message : "");
    weir_admin_close(admin);
    weir_shutdown(5000, NULL);
    return 0;
}
