/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/receive/origin.h"

#include <inttypes.h>
#include <stdio.h>

#define MEMBER "weir="

int64_t weir_kafka_origin_parse(struct weir_view state) {
    while (state.len) {
        struct weir_view member = weir_view_trim(weir_view_cut(&state, ','));
        int64_t ms;
        if (!weir_view_starts(member, WEIR_VIEW(MEMBER))) continue;
        member = weir_view_from(member, sizeof MEMBER - 1);
        return weir_view_to_i64(member, &ms) && ms > 0 && ms < INT64_MAX / 1000000 ? ms : -1;
    }
    return -1;
}

int64_t weir_kafka_origin_of(const struct weir_kafka_settings *settings,
                             const struct weir_span_context *sender) {
    if (!settings->origin || !sender->trace_state) return -1;
    return weir_kafka_origin_parse(weir_view(sender->trace_state, sender->trace_state_size));
}

size_t weir_kafka_origin_add(struct weir_view state, int64_t origin_ms, char *ret, size_t size) {
    int written = snprintf(ret, size, MEMBER "%" PRId64, origin_ms);
    if (written < 0 || (size_t)written >= size) return 0;
    size_t at = (size_t)written;
    while (state.len) {
        struct weir_view member = weir_view_trim(weir_view_cut(&state, ','));
        if (!member.len || weir_view_starts(member, WEIR_VIEW(MEMBER))) continue;
        if (member.len + 1 > size - at) return 0;
        ret[at++] = ',';
        memcpy(ret + at, member.ptr, member.len);
        at += member.len;
    }
    return at;
}
