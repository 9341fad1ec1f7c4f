/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/report.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "wire/json.h"

enum { WORDS_SIZE_MAX = 64 << 10, LINE_COLUMNS = 100 };

struct finding {
    struct finding *next;
    enum weir_finding_status status;
    const char *id;
    char *title, *detail, *remedy; /* malloc'ed; lines end in '\n' but for the last */
};

struct weir_report {
    pthread_mutex_t mutex; /* guards what follows but for `draft` */
    pthread_cond_t changed;
    struct finding *first, **last;
    struct finding **unprinted; /* where the next one to print hangs */
    bool closed;
    bool lost; /* memory ran out: a finding is missing */
    uint32_t counts[WEIR_FINDING_STATUSES_COUNT];
    struct finding *draft; /* the writer's own */
    const char *section;   /* the reader's own: printed last */
    size_t section_len;
};

static const char *const status_names[] = {"ok", "warn", "fail", "skip"};

struct weir_report *weir_report_new(void) {
    struct weir_report *report = calloc(1, sizeof *report);
    pthread_condattr_t attr;
    if (!report) return NULL;
    pthread_mutex_init(&report->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&report->changed, &attr);
    pthread_condattr_destroy(&attr);
    report->last = report->unprinted = &report->first;
    return report;
}

static void finding_free(struct finding *finding) {
    if (!finding) return;
    free(finding->title);
    free(finding->detail);
    free(finding->remedy);
    free(finding);
}

void weir_report_free(struct weir_report *report) {
    if (!report) return;
    while (report->first) {
        struct finding *next = report->first->next;
        finding_free(report->first);
        report->first = next;
    }
    finding_free(report->draft);
    pthread_cond_destroy(&report->changed);
    pthread_mutex_destroy(&report->mutex);
    free(report);
}

/* ── the writer ──────────────────────────────────────────────────────────────────────────────── */

/* Nobody's escape sequences reach the terminal, and JSON stays text. */
static void make_harmless(char *text) {
    for (char *at = text; *at; at++)
        if (((unsigned char)*at < ' ' && *at != '\n') || *at == 0x7f) *at = '?';
}

/* `old` with one more line; frees `old`. NULL: memory is out. */
__attribute__((format(printf, 2, 0))) static char *with_line(char *old, const char *format,
                                                             va_list args) {
    struct weir_buf buf;
    weir_buf_init(&buf, WORDS_SIZE_MAX);
    if (old) weir_buf_printf(&buf, "%s\n", old);
    weir_buf_vprintf(&buf, format, args);
    weir_buf_add_char(&buf, 0);
    if (buf.failed) {
        weir_buf_done(&buf);
        return old;
    }
    free(old);
    char *text = weir_buf_take(&buf, NULL);
    make_harmless(text);
    return text;
}

static void publish(struct weir_report *report, struct finding *finding, bool close) {
    pthread_mutex_lock(&report->mutex);
    if (finding && !report->closed) {
        *report->last = finding;
        report->last = &finding->next;
        report->counts[finding->status]++;
    } else {
        finding_free(finding); /* too late: the reader has given up */
    }
    report->closed |= close;
    pthread_cond_signal(&report->changed);
    pthread_mutex_unlock(&report->mutex);
}

void weir_report_add(struct weir_report *report, enum weir_finding_status status, const char *id,
                     const char *format, ...) {
    va_list args;
    if (report->draft) publish(report, report->draft, false);
    report->draft = calloc(1, sizeof *report->draft);
    if (report->draft) {
        report->draft->status = status;
        report->draft->id = id;
        va_start(args, format);
        report->draft->title = with_line(NULL, format, args);
        va_end(args);
    }
    if (report->draft && report->draft->title) return;
    finding_free(report->draft);
    report->draft = NULL;
    pthread_mutex_lock(&report->mutex);
    report->lost = true;
    pthread_mutex_unlock(&report->mutex);
}

void weir_report_detail(struct weir_report *report, const char *format, ...) {
    va_list args;
    if (!report->draft) return;
    va_start(args, format);
    report->draft->detail = with_line(report->draft->detail, format, args);
    va_end(args);
}

void weir_report_remedy(struct weir_report *report, const char *format, ...) {
    va_list args;
    if (!report->draft) return;
    va_start(args, format);
    report->draft->remedy = with_line(report->draft->remedy, format, args);
    va_end(args);
}

void weir_report_close(struct weir_report *report) {
    struct finding *last = report->draft;
    report->draft = NULL;
    publish(report, last, true);
}

/* ── the reader ──────────────────────────────────────────────────────────────────────────────── */

enum weir_report_state weir_report_wait(struct weir_report *report, bool whole,
                                        int64_t deadline_ns) {
    const struct timespec until = {.tv_sec = deadline_ns / WEIR_NS_PER_S,
                                   .tv_nsec = deadline_ns % WEIR_NS_PER_S};
    int rc = 0;
    pthread_mutex_lock(&report->mutex);
    while (rc == 0 && (whole || !*report->unprinted) && !report->closed)
        rc = pthread_cond_timedwait(&report->changed, &report->mutex, &until);
    bool news = !whole && *report->unprinted, closed = report->closed;
    pthread_mutex_unlock(&report->mutex);
    return closed ? WEIR_REPORT_CLOSED : news ? WEIR_REPORT_NEWS : WEIR_REPORT_LATE;
}

void weir_report_abandon(struct weir_report *report, const char *id, const char *title,
                         const char *remedy) {
    struct finding *finding = calloc(1, sizeof *finding);
    if (finding) {
        finding->status = WEIR_FINDING_FAIL;
        finding->id = id;
        finding->title = strdup(title);
        finding->remedy = strdup(remedy);
    }
    publish(report, finding, true);
}

/* Appends text in lines of at most LINE_COLUMNS, each behind `indent` blanks. */
static void add_wrapped(struct weir_buf *out, const char *text, size_t indent) {
    struct weir_view lines = weir_view_str(text);
    while (lines.ptr) {
        struct weir_view line = weir_view_cut(&lines, '\n');
        size_t column = indent;
        bool first = true;
        while (line.ptr) {
            struct weir_view word = weir_view_cut(&line, ' ');
            if (!first && column + 1 + word.len > LINE_COLUMNS) {
                weir_buf_printf(out, "\n%*s", (int)indent, "");
                column = indent;
            } else if (!first) {
                weir_buf_add_char(out, ' ');
                column++;
            }
            weir_buf_add_view(out, word);
            column += word.len;
            first = false;
        }
        weir_buf_add_char(out, '\n');
        if (lines.ptr) weir_buf_printf(out, "%*s", (int)indent, "");
    }
}

static const struct {
    const char *id, *title;
} sections[] = {
    {"librdkafka", "librdkafka and its plugin"},
    {"kafka", "Kafka"},
    {"topic", "Topic"},
    {"records", "Records and their headers"},
    {"group", "Consumer group"},
    {"telemetry", "Where telemetry goes"},
    {"application", "The application's own counts"},
    {"trace", "The trace"},
    {"doctor", "This run"},
};

static void add_section(struct weir_report *report, struct weir_buf *out, const char *id,
                        const char *bold, const char *off) {
    size_t len = strcspn(id, ".");
    if (report->section && report->section_len == len && !memcmp(report->section, id, len)) return;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (weir_view_eq(weir_view(id, len), weir_view_str(sections[i].id)))
            weir_buf_printf(out, "%s%s%s%s\n", report->section ? "\n" : "", bold, sections[i].title,
                            off);
    report->section = id;
    report->section_len = len;
}

static const char *const status_colours[] = {"\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m"};

static void add_finding(struct weir_report *report, struct weir_buf *out,
                        const struct finding *finding, bool colours) {
    const char *off = colours ? "\x1b[0m" : "", *dim = colours ? "\x1b[2m" : "";
    add_section(report, out, finding->id, colours ? "\x1b[1m" : "", off);
    weir_buf_printf(out, "  %s%-4s%s  ", colours ? status_colours[finding->status] : "",
                    finding->status == WEIR_FINDING_FAIL ? "FAIL" : status_names[finding->status],
                    off);
    add_wrapped(out, finding->title, 8);
    if (finding->detail) {
        weir_buf_printf(out, "        %s", dim);
        add_wrapped(out, finding->detail, 8);
        weir_buf_add_str(out, off);
    }
    if (finding->remedy) {
        weir_buf_add_str(out, "     -> ");
        add_wrapped(out, finding->remedy, 8);
    }
}

void weir_report_add_text(struct weir_report *report, struct weir_buf *out, bool colours) {
    for (;;) {
        pthread_mutex_lock(&report->mutex);
        struct finding *finding = *report->unprinted;
        if (finding) report->unprinted = &finding->next;
        pthread_mutex_unlock(&report->mutex);
        if (!finding) return;
        add_finding(report, out, finding, colours);
    }
}

uint32_t weir_report_count(struct weir_report *report, enum weir_finding_status status) {
    pthread_mutex_lock(&report->mutex);
    uint32_t count = report->counts[status];
    pthread_mutex_unlock(&report->mutex);
    return count;
}

void weir_report_add_summary(struct weir_report *report, struct weir_buf *out, bool colours) {
    uint32_t wrong = weir_report_count(report, WEIR_FINDING_FAIL);
    uint32_t warned = weir_report_count(report, WEIR_FINDING_WARN);
    uint32_t skipped = weir_report_count(report, WEIR_FINDING_SKIP);
    uint32_t well = weir_report_count(report, WEIR_FINDING_OK);
    weir_buf_printf(out, "\n%s",
                    colours ? status_colours[wrong    ? WEIR_FINDING_FAIL
                                             : warned ? WEIR_FINDING_WARN
                                                      : WEIR_FINDING_OK]
                            : "");
    if (wrong)
        weir_buf_printf(out, "%u %s wrong", wrong, wrong == 1 ? "thing is" : "things are");
    else
        weir_buf_add_str(out, "Nothing is wrong");
    weir_buf_printf(out, "%s; %u to look at, %u well, %u not checked.\n", colours ? "\x1b[0m" : "",
                    warned, well, skipped);
    if (report->lost) weir_buf_add_str(out, "Memory ran out: findings are missing.\n");
}

static void add_json_finding(struct weir_json_writer *w, const struct finding *finding) {
    const char *const names[] = {"title", "detail", "remedy"};
    const char *const texts[] = {finding->title, finding->detail, finding->remedy};
    weir_json_begin_object(w);
    weir_json_key(w, "id");
    weir_json_add_cstr(w, finding->id);
    weir_json_key(w, "status");
    weir_json_add_cstr(w, status_names[finding->status]);
    for (size_t i = 0; i < 3; i++) {
        weir_json_key(w, names[i]);
        weir_json_add_cstr(w, texts[i] ? texts[i] : "");
    }
    weir_json_end_object(w);
}

void weir_report_add_json(struct weir_report *report, struct weir_buf *out) {
    struct weir_json_writer w = weir_json_writer(out);
    pthread_mutex_lock(&report->mutex);
    weir_json_begin_object(&w);
    weir_json_key(&w, "version");
    weir_json_add_cstr(&w, WEIR_VERSION);
    weir_json_key(&w, "findings");
    weir_json_begin_array(&w);
    for (const struct finding *at = report->first; at; at = at->next) add_json_finding(&w, at);
    weir_json_end_array(&w);
    weir_json_key(&w, "summary");
    weir_json_begin_object(&w);
    for (size_t i = 0; i < WEIR_FINDING_STATUSES_COUNT; i++) {
        weir_json_key(&w, status_names[i]);
        weir_json_add_u64(&w, report->counts[i]);
    }
    weir_json_end_object(&w);
    weir_json_end_object(&w);
    pthread_mutex_unlock(&report->mutex);
    weir_buf_add_char(out, '\n');
}
