/* SPDX-License-Identifier: Apache-2.0 */
/* Which librdkafka is there, what is known to be wrong with it, and can it load the plugin? */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "doctor/check.h"

static void *find(void *library, const char *symbol) {
    return dlsym(library, symbol);
}

/* Where the library's file is, as the loader found it. */
static const char *file_of(const struct weir_rd *rd) {
    Dl_info info;
    void *code;
    memcpy(&code, &rd->version, sizeof code);
    return dladdr(code, &info) && info.dli_fname ? info.dli_fname : "?";
}

/* Defects that cost spans, or the client. Sources: librdkafka's change log and issues. */
static const struct {
    int from, below; /* versions 0xMMmmrr00 */
    const char *what, *remedy;
} defects[] = {
    {0, 0x020d0000,
     "a client that cannot be made (rd_kafka_new fails) frees its interceptors twice "
     "and may crash the program (librdkafka issue 4142)",
     "librdkafka 2.13.0 mends it; until then check the configuration before the client is made"},
    {0x02050000, 0x02050300,
     "pushing client metrics may end the program in an assertion "
     "(librdkafka issue 4833)",
     "librdkafka 2.5.3 mends it; until then set enable.metrics.push=false"},
    {0x02050300, 0x020a0100, "pushing client metrics may make idle clients disconnect often",
     "librdkafka 2.10.1 mends it; until then set enable.metrics.push=false"},
};

static void check_defects(struct weir_doctor *doctor) {
    int version = doctor->rd->version();
    for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
        if (version < defects[i].from || version >= defects[i].below) continue;
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "librdkafka.defect",
                        "librdkafka %s has a known defect: %s.", doctor->rd->version_str(),
                        defects[i].what);
        weir_report_remedy(doctor->report, "%s.", defects[i].remedy);
    }
}

/* A file of the plugin that the loader did not find. */
static const char *stray_plugin(void) {
    static const char *const places[] = {
        "/usr/local/lib/weir.so",
        "/usr/local/lib/libweir-kafka.so",
        "/usr/local/lib/x86_64-linux-gnu/weir.so",
        "/usr/local/lib/aarch64-linux-gnu/weir.so",
        "/usr/lib/weir.so",
        "/usr/lib64/weir.so",
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0) return places[i];
    return NULL;
}

static void check_plugin(struct weir_doctor *doctor) {
    char text[512] = "";
    const char *path = getenv("LD_LIBRARY_PATH");
    rd_kafka_conf_t *conf = doctor->rd->conf_new();
    rd_kafka_conf_res_t res =
        doctor->rd->conf_set(conf, "plugin.library.paths", "weir", text, sizeof text);
    doctor->rd->conf_destroy(conf);
    if (res == RD_KAFKA_CONF_OK) {
        weir_report_add(doctor->report, WEIR_FINDING_OK, "librdkafka.plugin",
                        "plugin.library.paths=weir loads the plugin.");
        return;
    }
    const char *stray = stray_plugin();
    weir_report_add(doctor->report, WEIR_FINDING_WARN, "librdkafka.plugin",
                    "plugin.library.paths=weir does not load: programs that rely on it are not "
                    "traced.");
    weir_report_detail(doctor->report,
                       "Looked for weir.so in $LD_LIBRARY_PATH (%s), what ldconfig knows, /lib and "
                       "/usr/lib: %s",
                       path && *path ? path : "not set", text);
    if (stray)
        weir_report_remedy(doctor->report,
                           "There is %s: run `sudo ldconfig`, or set plugin.library.paths=%s",
                           stray, stray);
    else
        weir_report_remedy(doctor->report,
                           "`sudo make install` puts it where librdkafka finds it; or give its "
                           "path, plugin.library.paths=/path/to/libweir-kafka.so. Programs that "
                           "use libweir itself need no plugin.");
}

void weir_doctor_check_library(struct weir_doctor *doctor) {
    static struct weir_rd table;
    struct weir_error err = {0};
    const char *asked = getenv("WEIR_LIBRDKAFKA");
    bool own = asked && *asked;
    void *library = dlopen(own ? asked : "librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    const char *why = library ? NULL : dlerror();
    if (library && weir_rd_fill(&table, find, library, &err) != WEIR_OK) why = err.message;
    if (why) {
        weir_report_add(doctor->report, own ? WEIR_FINDING_FAIL : WEIR_FINDING_WARN,
                        "librdkafka.found",
                        "There is no librdkafka to ask with: what needs one is left out.");
        weir_report_detail(doctor->report, "Looked for %s: %s",
                           own ? asked : "librdkafka.so.1 where the loader looks", why);
        weir_report_remedy(doctor->report,
                           own ? "Set WEIR_LIBRDKAFKA to a librdkafka.so.1 of 2.0.2 or newer."
                               : "sudo apt-get install librdkafka1 (2.0.2 or newer), or set "
                                 "WEIR_LIBRDKAFKA to the path of another. Programs that bring "
                                 "their own do not need it.");
        return;
    }
    doctor->rd = &table;
    weir_report_add(doctor->report, WEIR_FINDING_OK, "librdkafka.found", "librdkafka %s: %s",
                    table.version_str(), file_of(&table));
    weir_report_detail(doctor->report, "Programs may bring another one of their own.");
    check_defects(doctor);
    check_plugin(doctor);
}
