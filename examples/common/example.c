/* SPDX-License-Identifier: Apache-2.0 */
#include "example.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ── options ─────────────────────────────────────────────────────────────────────────────────── */

static void usage(const char *program, const char *what, const struct option *options) {
    printf("%s: %s\n\n", program, what);
    for (; options->name; options++) printf("  -%-12s %s\n", options->name, options->help);
    exit(0);
}

static bool read_duration_ms(const char *text, int64_t *ret) {
    char *unit;
    double value = strtod(text, &unit);
    double scale = !strcmp(unit, "ms")  ? 1
                   : !strcmp(unit, "s") ? 1e3
                   : !strcmp(unit, "m") ? 6e4
                   : !strcmp(unit, "h") ? 3.6e6
                                        : 0;
    if (unit == text || scale == 0 || value < 0) return false;
    *ret = (int64_t)(value * scale);
    return true;
}

static bool read_value(const struct option *option, const char *text) {
    char *end = NULL;
    switch (option->type) {
    case OPTION_STRING: *(const char **)option->value = text; return true;
    case OPTION_INT: *(int64_t *)option->value = strtoll(text, &end, 10); break;
    case OPTION_DOUBLE: *(double *)option->value = strtod(text, &end); break;
    case OPTION_DURATION_MS: return read_duration_ms(text, option->value);
    case OPTION_FLAG: return false;
    }
    return end != text && !*end;
}

void options_read(int argc, char **argv, const char *what, const struct option *options) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");
        size_t size = strcspn(name, "=");
        const struct option *option = options;
        while (option->name &&
               (strlen(option->name) != size || memcmp(option->name, name, size) != 0))
            option++;
        if (name == argv[i] || !option->name) {
            if (!strcmp(name, "help") || !strcmp(name, "h")) usage(argv[0], what, options);
            fprintf(stderr, "%s: unknown option '%s'; -help lists them\n", argv[0], argv[i]);
            exit(2);
        }
        if (option->type == OPTION_FLAG && !name[size]) {
            *(bool *)option->value = true;
            continue;
        }
        const char *text = name[size] ? name + size + 1 : i + 1 < argc ? argv[++i] : "";
        if (!read_value(option, text)) {
            fprintf(stderr, "%s: '%s' is no value for -%s (%s)\n", argv[0], text, option->name,
                    option->help);
            exit(2);
        }
    }
}

/* ── libweir ─────────────────────────────────────────────────────────────────────────────────── */

static void on_error(void *arg, const struct weir_error *err) {
    (void)arg;
    fprintf(stderr, "telemetry: %s\n", err->message);
}

void example_start(const char *service) {
    struct weir_options options = {.struct_size = sizeof options,
                                   .service_name = service,
                                   .service_version = "1.0.0",
                                   .on_error = on_error};
    struct weir_error err;
    if (weir_init(&options, &err) != WEIR_OK) {
        fprintf(stderr, "%s: %s\n", service, err.message);
        exit(1);
    }
}

void example_end(void) {
    weir_shutdown(5000, NULL);
}

const char *example_variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && value[0] ? value : otherwise;
}

int example_run(const struct weir_runner_options *options) {
    struct weir_error err;
    struct weir_runner *runner = weir_runner_open(options, &err);
    if (!runner) {
        fprintf(stderr, "processor: %s\n", err.message);
        return 1;
    }
    int code = weir_runner_run(runner, &err);
    if (code) fprintf(stderr, "processor: %s\n", err.message);
    struct weir_runner_stats stats = {.struct_size = sizeof stats};
    weir_runner_stats_get(runner, &stats);
    printf("received %llu, committed %llu, ok %llu, failed %llu, dead-lettered %llu, skipped %llu, "
           "retries %llu, lost %llu to %llu\n",
           (unsigned long long)stats.received, (unsigned long long)stats.committed,
           (unsigned long long)stats.ok, (unsigned long long)stats.failed,
           (unsigned long long)stats.dead_lettered, (unsigned long long)stats.skipped,
           (unsigned long long)stats.retries, (unsigned long long)stats.lost_min,
           (unsigned long long)stats.lost_max);
    weir_runner_close(runner);
    return code ? 1 : 0;
}

uint64_t random_next(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

double random_unit(uint64_t *state) {
    return (double)(random_next(state) >> 11) / 9007199254740992.0;
}

void sleep_ms(double ms) {
    struct timespec left = {(time_t)(ms / 1e3), (long)(ms * 1e6) % 1000000000L};
    nanosleep(&left, NULL);
}

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
