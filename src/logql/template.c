/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/template.h"

static bool is_name(struct weir_view v) {
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i && c >= '0' && c <= '9')) return false;
    }
    return v.len > 0;
}

static int unsupported(struct weir_error *reterr, struct weir_view action) {
    return weir_error_set(
        reterr, WEIR_EINVALID,
        "template: {{%.*s}} is not supported; there are {{.label}}, {{__line__}}, "
        "{{__timestamp__}}, each with | ToUpper or | ToLower",
        WEIR_VIEW_ARG(weir_view_upto(action, 80)));
}

static int action_part(struct weir_view action, struct weir_logql_template_part *part,
                       struct weir_error *reterr) {
    struct weir_view rest = action, value = weir_view_trim(weir_view_cut(&rest, '|'));
    if (value.len && value.ptr[0] == '.' && is_name(weir_view_from(value, 1))) {
        part->kind = WEIR_LOGQL_TEMPLATE_LABEL;
        part->text = weir_view_from(value, 1);
    } else if (weir_view_is(value, "__line__")) {
        part->kind = WEIR_LOGQL_TEMPLATE_LINE;
    } else if (weir_view_is(value, "__timestamp__")) {
        part->kind = WEIR_LOGQL_TEMPLATE_TIMESTAMP;
    } else {
        return unsupported(reterr, action);
    }
    while (rest.ptr) {
        struct weir_view function = weir_view_trim(weir_view_cut(&rest, '|'));
        bool upper = weir_view_is(function, "ToUpper") || weir_view_is(function, "upper");
        bool lower = weir_view_is(function, "ToLower") || weir_view_is(function, "lower");
        if (!upper && !lower) return unsupported(reterr, action);
        part->upper = upper;
        part->lower = lower;
    }
    return 0;
}

int weir_logql_template_parse(struct weir_view text, struct weir_arena *arena,
                              struct weir_logql_template **ret, struct weir_error *reterr) {
    struct weir_logql_template *template = WEIR_NEW(arena, struct weir_logql_template);
    uint32_t room = 0;
    if (!template) return weir_error_set(reterr, WEIR_ENOMEMORY, "template needs too much memory");
    while (text.len) {
        struct weir_logql_template_part *part =
            WEIR_PUSH(arena, template->parts, template->parts_count, room);
        if (!part) return weir_error_set(reterr, WEIR_ENOMEMORY, "template needs too much memory");
        size_t open = weir_view_find(text, WEIR_VIEW("{{"));
        if (open != 0) { /* plain text up to the next action */
            part->text = weir_view_upto(text, open == SIZE_MAX ? text.len : open);
            text = weir_view_from(text, part->text.len);
            continue;
        }
        size_t close = weir_view_find(text, WEIR_VIEW("}}"));
        if (close == SIZE_MAX)
            return weir_error_set(reterr, WEIR_EINVALID, "template: {{ without }}");
        int rc = action_part(weir_view(text.ptr + 2, close - 2), part, reterr);
        if (rc != 0) return rc;
        text = weir_view_from(text, close + 2);
    }
    *ret = template;
    return 0;
}
