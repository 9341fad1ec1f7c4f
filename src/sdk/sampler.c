/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sampler.h"

static const uint64_t all = UINT64_C(1) << 63;

static int parse_ratio(struct weir_view arg, uint64_t *ret, struct weir_error *reterr) {
    double ratio = 1;
    if (arg.len && (!weir_view_to_f64(arg, &ratio) || !(ratio >= 0 && ratio <= 1)))
        return weir_error_set(reterr, WEIR_EINVALID,
                              "OTEL_TRACES_SAMPLER_ARG is \"%.*s\": must be a number from 0 to 1",
                              WEIR_VIEW_ARG(arg));
    *ret = ratio >= 1 ? all : (uint64_t)(ratio * 0x1p63);
    return WEIR_OK;
}

int weir_sampler_parse(struct weir_view name, struct weir_view arg, struct weir_sampler *ret,
                       struct weir_error *reterr) {
    struct weir_view prefix = WEIR_VIEW("parentbased_");
    struct weir_sampler sampler = {.parent_based = weir_view_starts(name, prefix) || !name.len,
                                   .threshold = all};
    struct weir_view root =
        name.len && sampler.parent_based ? weir_view_from(name, prefix.len) : name;
    if (weir_view_is(root, "always_off")) {
        sampler.threshold = 0;
    } else if (weir_view_is(root, "traceidratio")) {
        int rc = parse_ratio(arg, &sampler.threshold, reterr);
        if (rc) return rc;
    } else if (root.len && !weir_view_is(root, "always_on")) {
        return weir_error_set(reterr, WEIR_EINVALID,
                              "OTEL_TRACES_SAMPLER is \"%.*s\": must be always_on, always_off, "
                              "traceidratio, or one of these after \"parentbased_\"",
                              WEIR_VIEW_ARG(name));
    }
    *ret = sampler;
    return WEIR_OK;
}
