/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/runner/ledger.h"

#include <inttypes.h>
#include <stdio.h>

static const char letters[WEIR_OUTCOME_COUNT] = {'o', 'f', 'd', 's'};

void weir_ledger_encode(const struct weir_ledger *ledger, char ret[WEIR_LEDGER_SIZE]) {
    int len = snprintf(ret, WEIR_LEDGER_SIZE, "weir1 c=%" PRIu64, ledger->committed);
    for (int i = 0; i < WEIR_OUTCOME_COUNT; i++)
        len += snprintf(ret + len, (size_t)(WEIR_LEDGER_SIZE - len), " %c=%" PRIu64, letters[i],
                        ledger->outcomes[i]);
    snprintf(ret + len, (size_t)(WEIR_LEDGER_SIZE - len), " u=%" PRIu64, ledger->unknown);
}

static uint64_t *field(struct weir_ledger *ledger, char letter) {
    if (letter == 'c') return &ledger->committed;
    if (letter == 'u') return &ledger->unknown;
    for (int i = 0; i < WEIR_OUTCOME_COUNT; i++)
        if (letters[i] == letter) return &ledger->outcomes[i];
    return NULL;
}

bool weir_ledger_decode(struct weir_view metadata, struct weir_ledger *ret) {
    struct weir_ledger ledger = {0};
    *ret = ledger;
    if (!weir_view_eq(weir_view_cut(&metadata, ' '), WEIR_VIEW("weir1"))) return false;
    while (metadata.ptr) {
        struct weir_view part = weir_view_cut(&metadata, ' ');
        if (part.len < 3 || part.ptr[1] != '=') return false;
        uint64_t *count = field(&ledger, part.ptr[0]);
        /* An unknown letter is from a newer version: skip it. Beyond 2^60 it is nonsense. */
        if (count && (!weir_view_to_u64(weir_view_from(part, 2), count) || *count >> 60))
            return false;
    }
    uint64_t known = ledger.unknown;
    for (int i = 0; i < WEIR_OUTCOME_COUNT; i++) known += ledger.outcomes[i];
    if (known > ledger.committed) return false;
    ledger.unknown += ledger.committed - known;
    *ret = ledger;
    return true;
}
