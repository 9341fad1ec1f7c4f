/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/scrape.h"

#include <math.h>

/* Where the quoted value that begins at v.ptr[0] == '"' ends, behind its quote; SIZE_MAX: nowhere.
 */
static size_t quoted_len(struct weir_view v) {
    for (size_t i = 1; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '"')
            return i + 1;
    }
    return SIZE_MAX;
}

/* Where the labels' closing brace is; quotes are respected. */
static size_t labels_len(struct weir_view v) {
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '}') return i;
        if (v.ptr[i] != '"') continue;
        size_t len = quoted_len(weir_view_from(v, i));
        if (len == SIZE_MAX) return SIZE_MAX;
        i += len - 1;
    }
    return SIZE_MAX;
}

static bool parse_line(struct weir_view line, struct weir_scrape_sample *ret) {
    size_t len = 0;
    line = weir_view_trim(line);
    if (!line.len || line.ptr[0] == '#') return false;
    while (len < line.len && line.ptr[len] != '{' && line.ptr[len] != ' ' && line.ptr[len] != '\t')
        len++;
    ret->name = weir_view_upto(line, len);
    line = weir_view_from(line, len);
    ret->labels = weir_view("", 0);
    if (line.len && line.ptr[0] == '{') {
        line = weir_view_from(line, 1);
        len = labels_len(line);
        if (len == SIZE_MAX) return false;
        ret->labels = weir_view_upto(line, len);
        line = weir_view_from(line, len + 1);
    }
    line = weir_view_trim(line);
    return ret->name.len && weir_view_to_f64(weir_view_cut(&line, ' '), &ret->value);
}

bool weir_scrape_parse(struct weir_arena *arena, struct weir_view page, struct weir_scrape *ret) {
    *ret = (struct weir_scrape){.samples = NULL};
    while (page.ptr) {
        struct weir_scrape_sample sample, *kept;
        if (!parse_line(weir_view_cut(&page, '\n'), &sample)) continue;
        kept = WEIR_PUSH(arena, ret->samples, ret->count, ret->room);
        if (!kept) return false;
        *kept = sample;
    }
    return ret->count > 0;
}

size_t weir_scrape_count(const struct weir_scrape *scrape, const char *name) {
    size_t count = 0;
    for (uint32_t i = 0; i < scrape->count; i++)
        count += weir_view_is(scrape->samples[i].name, name);
    return count;
}

/* The value as written, without its quotes; empty when the label is not there. */
static struct weir_view label_get(struct weir_view labels, const char *label) {
    while (labels.len) {
        struct weir_view key = weir_view_trim(weir_view_cut(&labels, '='));
        if (!labels.len || labels.ptr[0] != '"') break;
        size_t len = quoted_len(labels);
        if (len == SIZE_MAX) break;
        if (weir_view_is(key, label)) return weir_view(labels.ptr + 1, len - 2);
        labels = weir_view_from(labels, len);
        if (labels.len && labels.ptr[0] == ',') labels = weir_view_from(labels, 1);
    }
    return weir_view("", 0);
}

static bool has(struct weir_view labels, const char *label, const char *value) {
    if (!label) return true;
    struct weir_view found = label_get(labels, label);
    return strcmp(value, "*") == 0 ? found.len > 0 : weir_view_is(found, value);
}

double weir_scrape_sum(const struct weir_scrape *scrape, const char *name, const char *label,
                       const char *value) {
    double sum = 0;
    for (uint32_t i = 0; i < scrape->count; i++) {
        const struct weir_scrape_sample *sample = &scrape->samples[i];
        if (weir_view_is(sample->name, name) && isfinite(sample->value) &&
            has(sample->labels, label, value))
            sum += sample->value;
    }
    return sum;
}
