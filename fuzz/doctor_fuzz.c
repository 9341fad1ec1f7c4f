/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a broker, an application's /metrics or a record's header may answer the doctor:
 * never harm; counts stay within their arrays, names end. */
#include "doctor/records.h"
#include "doctor/scrape.h"
#include "doctor/wire.h"
#include "fuzz.h"
#include "weir/propagation.h"

static void must_end(const struct weir_doctor_endpoint *endpoint) {
    MUST(memchr(endpoint->host, 0, sizeof endpoint->host));
    MUST(memchr(endpoint->port, 0, sizeof endpoint->port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct weir_wire_versions versions;
    static struct weir_wire_cluster cluster;
    struct weir_view in = weir_view(data, size);
    struct weir_doctor_endpoint endpoint;
    struct weir_span_context sc;
    struct weir_arena arena;
    struct weir_scrape scrape;
    if (weir_wire_versions_parse(in, &versions)) {
        weir_wire_has_headers(&versions);
        MUST(weir_wire_release(&versions));
    }
    if (weir_wire_cluster_parse(in, &cluster)) {
        MUST(cluster.brokers_count <= WEIR_WIRE_BROKERS_MAX);
        MUST(memchr(cluster.id, 0, sizeof cluster.id));
        for (uint32_t i = 0; i < cluster.brokers_count; i++) must_end(&cluster.brokers[i].endpoint);
    }
    MUST((weir_doctor_traceparent_fault(in) == NULL) ==
         weir_traceparent_parse(in.ptr, in.len, &sc));
    weir_doctor_speech(in, false);
    if (weir_doctor_endpoint_parse(in, "1", &endpoint, NULL) == 0) must_end(&endpoint);
    weir_arena_init(&arena, 1 << 24);
    if (weir_scrape_parse(&arena, in, &scrape)) {
        MUST(scrape.count > 0);
        weir_scrape_sum(&scrape, "a", "b", "*");
    }
    weir_arena_done(&arena);
    return 0;
}
