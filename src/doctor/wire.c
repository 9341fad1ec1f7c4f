/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

enum { ANSWER_SIZE_MAX = 1 << 20, CORRELATION = 0x57454952, APIS = 18, METADATA = 3 };
enum { PRODUCE = 0, FETCH = 1 };

/* ── reading, big-endian ─────────────────────────────────────────────────────────────────────── */

struct reader {
    struct weir_view rest;
    bool bad; /* it ended early */
};

static struct weir_view take(struct reader *reader, size_t len) {
    if (reader->rest.len < len) {
        reader->bad = true;
        return weir_view("", 0);
    }
    struct weir_view bytes = weir_view_upto(reader->rest, len);
    reader->rest = weir_view_from(reader->rest, len);
    return bytes;
}

static int32_t take_int(struct reader *reader, size_t size) {
    struct weir_view bytes = take(reader, size);
    uint32_t value = 0;
    for (size_t i = 0; i < bytes.len; i++) value = value << 8 | (uint8_t)bytes.ptr[i];
    return size == 2 ? (int16_t)value : (int32_t)value;
}

/* A string; NULL (length -1) is empty. Cut to the array. */
static void take_string(struct reader *reader, char *ret, size_t size) {
    int32_t len = take_int(reader, 2);
    struct weir_view text = len > 0 ? take(reader, (size_t)len) : weir_view("", 0);
    snprintf(ret, size, "%.*s", WEIR_VIEW_ARG(weir_view_upto(text, size - 1)));
}

bool weir_wire_versions_parse(struct weir_view body, struct weir_wire_versions *ret) {
    struct reader reader = {.rest = body};
    for (size_t i = 0; i < WEIR_WIRE_APIS_MAX; i++) ret->apis[i].min = 0, ret->apis[i].max = -1;
    int32_t error = take_int(&reader, 2), count = take_int(&reader, 4);
    for (int32_t i = 0; i < count && !reader.bad; i++) {
        int32_t key = take_int(&reader, 2), min = take_int(&reader, 2), max = take_int(&reader, 2);
        if (reader.bad || key < 0 || key >= WEIR_WIRE_APIS_MAX) continue;
        ret->apis[key].min = (int16_t)min;
        ret->apis[key].max = (int16_t)max;
    }
    return !reader.bad && error == 0 && count > 0;
}

bool weir_wire_cluster_parse(struct weir_view body, struct weir_wire_cluster *ret) {
    struct reader reader = {.rest = body};
    char rack[8];
    memset(ret, 0, sizeof *ret);
    take_int(&reader, 4); /* throttle */
    int32_t count = take_int(&reader, 4);
    for (int32_t i = 0; i < count && !reader.bad; i++) {
        struct weir_wire_broker broker = {.id = take_int(&reader, 4)};
        take_string(&reader, broker.endpoint.host, sizeof broker.endpoint.host);
        snprintf(broker.endpoint.port, sizeof broker.endpoint.port, "%d",
                 take_int(&reader, 4) & 0xffff);
        take_string(&reader, rack, sizeof rack);
        if (!reader.bad && ret->brokers_count < WEIR_WIRE_BROKERS_MAX)
            ret->brokers[ret->brokers_count++] = broker;
    }
    take_string(&reader, ret->id, sizeof ret->id);
    ret->controller = take_int(&reader, 4);
    return !reader.bad;
}

/* ── asking ──────────────────────────────────────────────────────────────────────────────────── */

static void add_int(struct weir_buf *buf, size_t size, uint32_t value) {
    while (size-- > 0) weir_buf_add_char(buf, (char)(value >> size * 8));
}

/* Sends a request and reads the whole response; *ret: malloc'ed bytes behind the size. */
static int exchange(int fd, int api, int version, struct weir_view body, int64_t deadline_ns,
                    char **ret, size_t *ret_len, enum weir_doctor_speech *ret_speech,
                    struct weir_error *reterr) {
    char head[9], room[128];
    bool closed;
    struct weir_buf request;
    weir_buf_init(&request, sizeof room);
    add_int(&request, 4, (uint32_t)(8 + 2 + 11 + body.len));
    add_int(&request, 2, (uint32_t)api);
    add_int(&request, 2, (uint32_t)version);
    add_int(&request, 4, CORRELATION);
    add_int(&request, 2, 11);
    weir_buf_add_str(&request, "weir-doctor");
    weir_buf_add_view(&request, body);
    int64_t got =
        weir_doctor_ask(fd, weir_buf_view(&request), head, sizeof head, deadline_ns, &closed);
    weir_buf_done(&request);
    struct reader reader = {.rest = weir_view(head, got > 0 ? (size_t)got : 0)};
    *ret_speech = weir_doctor_speech(reader.rest, closed);
    int32_t size = take_int(&reader, 4), correlation = take_int(&reader, 4);
    if (got <= 0)
        return closed ? weir_error_set(reterr, WEIR_ECLOSED, "it closes the connection")
                      : weir_error_set(reterr, WEIR_ETIMEOUT, "it does not answer");
    if (reader.bad || correlation != CORRELATION || size < 5 || size > ANSWER_SIZE_MAX)
        return weir_error_set(reterr, WEIR_EINVALID, "its answer is not Kafka's");
    char *bytes = malloc((size_t)size);
    if (!bytes) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    memcpy(bytes, head + 4, 5);
    got = weir_doctor_ask(fd, weir_view("", 0), bytes + 5, (size_t)size - 5, deadline_ns, &closed);
    if (got != size - 5) {
        free(bytes);
        return weir_error_set(reterr, closed ? WEIR_ECLOSED : WEIR_ETIMEOUT,
                              "its answer ends early");
    }
    *ret = bytes;
    *ret_len = (size_t)size;
    return WEIR_OK;
}

int weir_wire_versions_ask(int fd, int64_t deadline_ns, struct weir_wire_versions *ret,
                           enum weir_doctor_speech *ret_speech, struct weir_error *reterr) {
    char *bytes;
    size_t len;
    int rc = exchange(fd, APIS, 0, weir_view("", 0), deadline_ns, &bytes, &len, ret_speech, reterr);
    if (rc) return rc;
    bool well = weir_wire_versions_parse(weir_view(bytes + 4, len - 4), ret);
    free(bytes);
    return well ? WEIR_OK : weir_error_set(reterr, WEIR_EINVALID, "its answer is not Kafka's");
}

int weir_wire_cluster_ask(int fd, int64_t deadline_ns, struct weir_wire_cluster *ret,
                          struct weir_error *reterr) {
    static const char no_topics[] = "\0\0\0\0\0"; /* none of them, and create none */
    enum weir_doctor_speech speech;
    char *bytes;
    size_t len;
    int rc = exchange(fd, METADATA, 4, weir_view(no_topics, 5), deadline_ns, &bytes, &len, &speech,
                      reterr);
    if (rc) return rc;
    bool well = weir_wire_cluster_parse(weir_view(bytes + 4, len - 4), ret);
    free(bytes);
    return well ? WEIR_OK : weir_error_set(reterr, WEIR_EINVALID, "its answer is not Kafka's");
}

bool weir_wire_has_headers(const struct weir_wire_versions *versions) {
    return versions->apis[PRODUCE].max >= 3 && versions->apis[FETCH].max >= 4;
}

const char *weir_wire_release(const struct weir_wire_versions *versions) {
    static const struct {
        int fetch;
        const char *release;
    } releases[] = {{18, "4.1"}, {17, "3.9"}, {16, "3.7"}, {14, "3.5"}, {13, "3.1"}, {12, "2.7"},
                    {11, "2.3"}, {10, "2.1"}, {8, "2.0"},  {7, "1.1"},  {6, "1.0"},  {4, "0.11"}};
    for (size_t i = 0; i < sizeof releases / sizeof *releases; i++)
        if (versions->apis[FETCH].max >= releases[i].fetch) return releases[i].release;
    return "0.10";
}
