/* SPDX-License-Identifier: Apache-2.0 */
/* The log API: a record's data is an encoded OTLP LogRecord from the start. */
#include "weir/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "sdk/attr.h"
#include "sdk/encoded.h"
#include "sdk/instrumentation.h"
#include "sdk/sdk.h"
#include "wire/pb.h"

enum { /* tags of LogRecord's fields */
       LOG_TIME = 0x09,
       LOG_SEVERITY = 0x10,
       LOG_SEVERITY_TEXT = 0x1A,
       LOG_BODY = 0x2A,
       LOG_ATTRIBUTES_DROPPED = 0x38,
       LOG_FLAGS = 0x45,
       LOG_TRACE_ID = 0x4A,
       LOG_SPAN_ID = 0x52,
       LOG_OBSERVED = 0x59,
       LOG_EVENT_NAME = 0x62,
       BODY_SIZE_MAX = 256 << 10,
       PRINTF_SIZE_MAX = 1024,
};

static const char *severity_text(enum weir_severity severity) {
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    return names[(severity - 1) / 4];
}

static const struct weir_log_record *known(const struct weir_log_record *record,
                                           struct weir_log_record *room) {
    if (record->struct_size == sizeof *record) return record;
    memset(room, 0, sizeof *room);
    memcpy(room, record, record->struct_size < sizeof *room ? record->struct_size : sizeof *room);
    return room;
}

static bool find_span(const struct weir_log_record *record, struct weir_span_context *ret) {
    if (record->span_context) {
        *ret = *record->span_context;
        return weir_span_context_is_valid(ret);
    }
    return weir_context_span_context(record->context ? record->context : weir_context_current(),
                                     ret);
}

static uint8_t *put_fixed64(uint8_t *at, uint8_t tag, int64_t value) {
    *at++ = tag;
    memcpy(at, &value, 8);
    return at + 8;
}

static uint8_t *put_bytes(uint8_t *at, uint8_t tag, const uint8_t *bytes, uint8_t size) {
    *at++ = tag;
    *at++ = size;
    memcpy(at, bytes, size);
    return at + size;
}

/* Times, severity, identity: at most 80 bytes. */
static uint8_t *put_head(uint8_t *at, const struct weir_log_record *from) {
    struct weir_span_context sc;
    int64_t now = weir_clock_wall_ns();
    at = put_fixed64(at, LOG_TIME, from->time_ns ? from->time_ns : now);
    at = put_fixed64(at, LOG_OBSERVED, now);
    if (from->severity >= WEIR_SEVERITY_TRACE && from->severity <= 24) {
        const char *text = severity_text(from->severity);
        *at++ = LOG_SEVERITY;
        *at++ = (uint8_t)from->severity;
        at = weir_attr_text(at, LOG_SEVERITY_TEXT, text, strlen(text));
    }
    if (!find_span(from, &sc)) return at;
    at = put_bytes(at, LOG_TRACE_ID, sc.trace_id, 16);
    at = put_bytes(at, LOG_SPAN_ID, sc.span_id, 8);
    const uint32_t flags = sc.flags;
    *at++ = LOG_FLAGS;
    memcpy(at, &flags, 4);
    return at + 4;
}

static bool put_body(struct weir_encoded *record, const char *body, size_t size) {
    if (!body) return true;
    size = size ? size : strnlen(body, BODY_SIZE_MAX);
    if (size > BODY_SIZE_MAX) size = BODY_SIZE_MAX;
    size_t any = weir_attr_text_size(size), total = weir_attr_text_size(any);
    uint8_t *at = weir_encoded_reserve(record, total);
    if (!at) return false;
    *at++ = LOG_BODY;
    weir_attr_text(weir_attr_varint(at, any), 0x0A, body, size);
    record->size += (uint32_t)total;
    return true;
}

static void put_attributes(struct weir_encoded *record, const struct weir_config *config,
                           const struct weir_attribute *attrs, size_t count) {
    uint32_t kept = 0, dropped = 0;
    for (size_t i = 0; attrs && i < count; i++) {
        if (attrs[i].type == WEIR_ATTRIBUTE_NONE) continue;
        size_t size = weir_attr_size(&attrs[i], config->log_value_max);
        uint8_t *at =
            size && kept < config->log_attributes_max ? weir_encoded_reserve(record, size) : NULL;
        if (!at) {
            dropped++;
            continue;
        }
        weir_attr_encode(at, WEIR_ATTR_TAG_LOG, &attrs[i], config->log_value_max);
        record->size += (uint32_t)size;
        kept++;
    }
    if (!dropped) return;
    weir_sdk_count(&weir_sdk_counters.attributes_dropped, dropped);
    uint8_t *at = weir_encoded_reserve(record, 6);
    if (!at) return;
    *at = LOG_ATTRIBUTES_DROPPED;
    record->size += (uint32_t)(weir_attr_varint(at + 1, dropped) - at);
}

static bool fill(struct weir_encoded *record, const struct weir_log_record *from) {
    const struct weir_config *config = weir_sdk_config();
    uint8_t *at = weir_encoded_reserve(record, 96);
    if (!at) return false;
    record->size += (uint32_t)(put_head(at, from) - at);
    if (!put_body(record, from->body, from->body_size)) return false;
    if (from->event_name) {
        size_t len = strnlen(from->event_name, 256), size = weir_attr_text_size(len);
        if (!(at = weir_encoded_reserve(record, size))) return false;
        weir_attr_text(at, LOG_EVENT_NAME, from->event_name, len);
        record->size += (uint32_t)size;
    }
    put_attributes(record, config, from->attributes, from->attributes_count);
    return true;
}

bool weir_logger_enabled(const struct weir_logger *logger, enum weir_severity severity) {
    return logger && weir_sdk_bits() & WEIR_SDK_RECORDS_LOGS &&
           (int)severity >= atomic_load_explicit(&logger->info.severity_min, memory_order_relaxed);
}

void weir_logger_set_severity_min(struct weir_logger *logger, enum weir_severity severity) {
    if (logger)
        atomic_store_explicit(&logger->info.severity_min, (int)severity, memory_order_relaxed);
}

static size_t encoded_size(const struct weir_lane_record *record) {
    return ((const struct weir_encoded *)record)->size + 16;
}

static void encode(const struct weir_lane_record *record, struct weir_buf *buf) {
    const struct weir_encoded *log = (const struct weir_encoded *)record;
    weir_pb_put_bytes(buf, 2, weir_view(log->data, log->size));
}

static const struct weir_lane_class log_class = {.is_log = true,
                                                 .size = WEIR_LANE_LARGE,
                                                 .encoded_size = encoded_size,
                                                 .encode = encode,
                                                 .done = weir_encoded_done};

void weir_logger_emit(struct weir_logger *logger, const struct weir_log_record *from) {
    struct weir_log_record room;
    if (!from) return;
    from = known(from, &room);
    if (!weir_logger_enabled(logger, from->severity)) return;
    weir_sdk_continue_after_fork();
    struct weir_lane *lane = weir_lane_get();
    if (!lane) return;
    struct weir_encoded *record = weir_encoded_take(lane, &log_class, &logger->info);
    weir_lane_count(&lane->logs_emitted);
    if (!record || !fill(record, from)) {
        weir_lane_count(&lane->logs_dropped_memory);
        if (record) weir_lane_give(lane, &record->record);
    } else if (!weir_lane_push(lane, &record->record)) {
        weir_lane_count(&lane->logs_dropped_full);
        weir_lane_give(lane, &record->record);
    }
}

void weir_logger_log(struct weir_logger *logger, enum weir_severity severity, const char *body,
                     const struct weir_attribute *attrs, size_t count) {
    struct weir_log_record record = {.struct_size = sizeof record,
                                     .severity = severity,
                                     .body = body,
                                     .attributes = attrs,
                                     .attributes_count = count};
    weir_logger_emit(logger, &record);
}

void weir_logger_printf(struct weir_logger *logger, enum weir_severity severity, const char *format,
                        ...) {
    char text[PRINTF_SIZE_MAX];
    va_list args;
    if (!weir_logger_enabled(logger, severity)) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weir_logger_log(logger, severity, text, NULL, 0);
}
