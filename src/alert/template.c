/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/template.h"

#include <math.h>
#include <stdio.h>

#include "wire/json.h"

enum what { VALUE, LABEL };
enum function { PLAIN, HUMANIZE, HUMANIZE_1024, DURATION, PERCENTAGE, PRINTF };

struct part {
    enum what what;
    struct weir_view label;
    enum function function;
    int digits; /* PRINTF "%.2f"; -1: %v */
};

static bool take(struct weir_view *rest, const char *word) {
    *rest = weir_view_trim(*rest);
    if (!weir_view_starts(*rest, weir_view_str(word))) return false;
    *rest = weir_view_from(*rest, strlen(word));
    return true;
}

static struct weir_view take_name(struct weir_view *rest) {
    size_t len = 0;
    while (len < rest->len &&
           (rest->ptr[len] == '_' || (rest->ptr[len] >= '0' && rest->ptr[len] <= '9') ||
            ((rest->ptr[len] | 32) >= 'a' && (rest->ptr[len] | 32) <= 'z')))
        len++;
    struct weir_view name = weir_view_upto(*rest, len);
    *rest = weir_view_from(*rest, len);
    return name;
}

static bool read_function(struct weir_view *rest, struct part *part) {
    static const struct {
        const char *name;
        enum function function;
    } known[] = {{"humanizeDuration", DURATION},
                 {"humanizePercentage", PERCENTAGE},
                 {"humanize1024", HUMANIZE_1024},
                 {"humanize", HUMANIZE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (take(rest, known[i].name)) {
            part->function = known[i].function;
            return true;
        }
    if (!take(rest, "printf") || !take(rest, "\"%")) return false;
    part->function = PRINTF;
    part->digits = -1;
    if (take(rest, "v\"")) return true;
    if (!take(rest, ".") || !rest->len || *rest->ptr < '0' || *rest->ptr > '9')
        return take(rest, "f\"");
    part->digits = *rest->ptr - '0';
    *rest = weir_view_from(*rest, 1);
    return take(rest, "f\"");
}

/* What stands between {{ and }}. */
static bool read_part(struct weir_view inside, struct part *part) {
    *part = (struct part){.what = VALUE};
    struct weir_view rest = weir_view_trim(inside);
    if (read_function(&rest, part)) { /* printf "%.2f" $value */
        if (!take(&rest, "$value") && !take(&rest, ".Value")) return false;
        return weir_view_trim(rest).len == 0;
    }
    rest = weir_view_trim(inside);
    if (take(&rest, "$labels.") || take(&rest, ".Labels.")) {
        part->what = LABEL;
        part->label = take_name(&rest);
        if (!part->label.len) return false;
    } else if (!take(&rest, "$value") && !take(&rest, ".Value")) {
        return false;
    }
    if (take(&rest, "|") && !read_function(&rest, part)) return false;
    return weir_view_trim(rest).len == 0;
}

int weir_alert_template_check(struct weir_view text, struct weir_error *reterr) {
    for (;;) {
        size_t begin = weir_view_find(text, WEIR_VIEW("{{"));
        if (begin == SIZE_MAX) return WEIR_OK;
        text = weir_view_from(text, begin + 2);
        size_t end = weir_view_find(text, WEIR_VIEW("}}"));
        struct part part;
        struct weir_view inside = weir_view_upto(text, end == SIZE_MAX ? text.len : end);
        if (end == SIZE_MAX || !read_part(inside, &part))
            return weir_error_set(reterr, WEIR_EINVALID,
                                  "'{{%.*s}}' is not understood; there are $value and "
                                  "$labels.NAME, and behind a bar humanize, humanize1024, "
                                  "humanizeDuration, humanizePercentage and printf \"%%.2f\"",
                                  WEIR_VIEW_ARG(inside));
        text = weir_view_from(text, end + 2);
    }
}

static void add_scaled(struct weir_buf *out, double value, double base, const char *const *small,
                       const char *const *large) {
    int step = 0;
    if (value != 0 && isfinite(value)) {
        while (fabs(value) >= base && step < 8) value /= base, step++;
        while (large == NULL ? false : (fabs(value) < 1 && step > -8 && step <= 0))
            value *= base, step--;
    }
    weir_buf_printf(out, "%.4g%s", value, step > 0 ? large[step] : step < 0 ? small[-step] : "");
}

static void add_duration(struct weir_buf *out, double seconds) {
    if (!isfinite(seconds)) {
        weir_buf_printf(out, "%g", seconds);
        return;
    }
    if (seconds < 0) weir_buf_add_char(out, '-');
    seconds = fabs(seconds);
    if (seconds < 1) {
        static const char *const small[] = {"s", "ms", "us", "ns"};
        int step = 0;
        while (seconds > 0 && seconds < 1 && step < 3) seconds *= 1000, step++;
        weir_buf_printf(out, "%.4g%s", seconds, small[step]);
        return;
    }
    int64_t whole = (int64_t)fmin(seconds, 1e15);
    if (whole >= 86400) weir_buf_printf(out, "%lldd ", (long long)(whole / 86400));
    if (whole >= 3600) weir_buf_printf(out, "%lldh ", (long long)(whole / 3600 % 24));
    if (whole >= 60) {
        weir_buf_printf(out, "%lldm %llds", (long long)(whole / 60 % 60), (long long)(whole % 60));
        return;
    }
    weir_buf_printf(out, "%.4gs", seconds);
}

static void add_value(struct weir_buf *out, const struct part *part, double value) {
    static const char *const large[] = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
    static const char *const small[] = {"", "m", "u", "n", "p", "f", "a", "z", "y"};
    static const char *const binary[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    switch (part->function) {
    case PLAIN: weir_json_format_f64(out, value); break;
    case HUMANIZE: add_scaled(out, value, 1000, small, large); break;
    case HUMANIZE_1024:
        if (fabs(value) < 1024)
            weir_buf_printf(out, "%.4g", value);
        else
            add_scaled(out, value, 1024, small, binary);
        break;
    case DURATION: add_duration(out, value); break;
    case PERCENTAGE: weir_buf_printf(out, "%.4g%%", value * 100); break;
    case PRINTF:
        if (part->digits < 0)
            weir_json_format_f64(out, value);
        else
            weir_buf_printf(out, "%.*f", part->digits, value);
        break;
    }
}

static void add_part(struct weir_buf *out, const struct part *part, const struct weir_label *labels,
                     uint32_t labels_count, double value) {
    if (part->what == VALUE) {
        add_value(out, part, value);
        return;
    }
    for (uint32_t i = 0; i < labels_count; i++) {
        if (!weir_view_eq(labels[i].name, part->label)) continue;
        double number;
        if (part->function == PLAIN || !weir_view_to_f64(labels[i].value, &number))
            weir_buf_add_view(out, labels[i].value);
        else
            add_value(out, part, number);
    }
}

void weir_alert_template_add(struct weir_buf *out, struct weir_view text,
                             const struct weir_label *labels, uint32_t labels_count, double value) {
    for (;;) {
        size_t begin = weir_view_find(text, WEIR_VIEW("{{"));
        weir_buf_add_view(out, weir_view_upto(text, begin == SIZE_MAX ? text.len : begin));
        if (begin == SIZE_MAX) return;
        text = weir_view_from(text, begin + 2);
        size_t end = weir_view_find(text, WEIR_VIEW("}}"));
        struct part part;
        if (end == SIZE_MAX) return;
        if (read_part(weir_view_upto(text, end), &part))
            add_part(out, &part, labels, labels_count, value);
        text = weir_view_from(text, end + 2);
    }
}
