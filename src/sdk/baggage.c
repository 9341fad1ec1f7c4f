/* SPDX-License-Identifier: Apache-2.0 */
/* Baggage: see sdk/context.h and weir/propagation.h. Source: W3C Baggage. */
#include <stdlib.h>

#include "sdk/context.h"
#include "weir/propagation.h"

/* ── characters ──────────────────────────────────────────────────────────────────────────────── */

static bool is_alnum(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_token(struct weir_view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!is_alnum((unsigned char)v.ptr[i]) &&
            (!v.ptr[i] || !strchr("!#$%&'*+-.^_`|~", v.ptr[i])))
            return false;
    return v.len > 0;
}

/* baggage-octet, without '%', which is our escape. */
static bool is_plain(unsigned char c) {
    return c > 0x20 && c < 0x7F && c != '"' && c != ',' && c != ';' && c != '\\' && c != '%';
}

static bool is_value(struct weir_view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!is_plain((unsigned char)v.ptr[i]) && v.ptr[i] != '%') return false;
    return true;
}

/* ── blocks ──────────────────────────────────────────────────────────────────────────────────── */

struct weir_baggage *weir_baggage_ref(struct weir_baggage *baggage) {
    if (baggage) atomic_fetch_add_explicit(&baggage->refs, 1, memory_order_relaxed);
    return baggage;
}

void weir_baggage_unref(struct weir_baggage *baggage) {
    if (baggage && atomic_fetch_sub_explicit(&baggage->refs, 1, memory_order_acq_rel) == 1)
        free(baggage);
}

static struct weir_view put(char **at, struct weir_view v) {
    char *start = *at;
    if (v.len) memcpy(start, v.ptr, v.len);
    start[v.len] = 0;
    *at += v.len + 1;
    return weir_view(start, v.len);
}

struct weir_baggage *weir_baggage_make(const struct weir_baggage_item *items, uint32_t count) {
    struct weir_baggage *baggage;
    size_t size = sizeof *baggage + count * sizeof *items;
    for (uint32_t i = 0; i < count; i++)
        size += items[i].name.len + items[i].value.len + items[i].properties.len + 3;
    if (!(baggage = malloc(size))) return NULL;
    atomic_init(&baggage->refs, 1);
    baggage->count = count;
    char *at = (char *)(baggage->items + count);
    for (uint32_t i = 0; i < count; i++) {
        baggage->items[i].name = put(&at, items[i].name);
        baggage->items[i].value = put(&at, items[i].value);
        baggage->items[i].properties = put(&at, items[i].properties);
    }
    return baggage;
}

/* ── header ──────────────────────────────────────────────────────────────────────────────────── */

/* Percent-decodes into *at; a value that is not UTF-8 afterwards has its bad bytes shown as they
 * are: baggage is opaque to us. */
static struct weir_view decode(struct weir_view raw, char **at) {
    char *start = *at;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t byte;
        bool escape = raw.ptr[i] == '%' && i + 2 < raw.len &&
                      weir_view_to_bytes_hex(weir_view(raw.ptr + i + 1, 2), &byte, 1) && byte;
        *(*at)++ = escape ? (char)byte : raw.ptr[i];
        if (escape) i += 2;
    }
    return weir_view(start, (size_t)(*at - start));
}

int weir_baggage_parse(struct weir_view header, char *scratch,
                       struct weir_baggage_item items[WEIR_BAGGAGE_ITEMS_MAX]) {
    int count = 0;
    if (header.len > WEIR_BAGGAGE_SIZE_MAX) return -1;
    while (header.len) {
        struct weir_view properties = weir_view_trim(weir_view_cut(&header, ','));
        if (!properties.len) continue;
        struct weir_view value = weir_view_cut(&properties, ';');
        struct weir_view name = weir_view_trim(weir_view_cut(&value, '='));
        struct weir_view raw = weir_view_trim(value);
        if (!value.ptr || !is_token(name) || !is_value(raw) || count == WEIR_BAGGAGE_ITEMS_MAX)
            return -1;
        items[count].name = name;
        items[count].value = decode(raw, &scratch);
        items[count++].properties = weir_view_trim(properties);
    }
    return count;
}

static char *encode(char *at, const char *end, struct weir_view value) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.len && end - at >= 3; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (is_plain(c)) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '%';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    return at;
}

/* Entries that do not fit are left out, whole. */
size_t weir_baggage_format(const struct weir_baggage *baggage, char *to, size_t room) {
    char *at = to;
    const char *end = to + room;
    for (uint32_t i = 0; i < baggage->count; i++) {
        const struct weir_baggage_item *item = &baggage->items[i];
        if (item->name.len + 3 * item->value.len + item->properties.len + 8 > (size_t)(end - at))
            continue;
        if (at != to) *at++ = ',';
        memcpy(at, item->name.ptr, item->name.len);
        at += item->name.len;
        *at++ = '=';
        at = encode(at, end, item->value);
        if (!item->properties.len) continue;
        *at++ = ';';
        memcpy(at, item->properties.ptr, item->properties.len);
        at += item->properties.len;
    }
    return (size_t)(at - to);
}

/* ── public ──────────────────────────────────────────────────────────────────────────────────── */

const char *weir_baggage_get(const struct weir_context *ctx, const char *name, size_t *ret_size) {
    if (!ctx) ctx = weir_context_current();
    const struct weir_baggage *baggage = ctx ? ctx->baggage : NULL;
    for (uint32_t i = 0; baggage && name && i < baggage->count; i++) {
        if (!weir_view_is(baggage->items[i].name, name)) continue;
        if (ret_size) *ret_size = baggage->items[i].value.len;
        return baggage->items[i].value.ptr;
    }
    return NULL;
}

struct weir_context *weir_baggage_set(const struct weir_context *ctx, const char *name,
                                      const char *value) {
    struct weir_view n = weir_view_str(name), v = weir_view_str(value);
    struct weir_baggage_item items[WEIR_BAGGAGE_ITEMS_MAX];
    const struct weir_baggage *old = ctx ? ctx->baggage : NULL;
    uint32_t count = 0;
    size_t size = value ? n.len + 3 * v.len : 0;
    if (!is_token(n)) return NULL;
    for (uint32_t i = 0; old && i < old->count; i++) {
        if (weir_view_eq(old->items[i].name, n)) continue;
        items[count++] = old->items[i];
        size += old->items[i].name.len + old->items[i].value.len + old->items[i].properties.len;
    }
    if (value && (count == WEIR_BAGGAGE_ITEMS_MAX || size > WEIR_BAGGAGE_SIZE_MAX)) return NULL;
    if (value) items[count++] = (struct weir_baggage_item){.name = n, .value = v};
    struct weir_baggage *baggage = count ? weir_baggage_make(items, count) : NULL;
    if (count && !baggage) return NULL;
    struct weir_context *with =
        weir_context_make(ctx ? &ctx->span : NULL, baggage, ctx ? ctx->values : NULL);
    weir_baggage_unref(baggage);
    return with;
}

void weir_baggage_each(const struct weir_context *ctx,
                       void (*visit)(void *arg, const char *name, const char *value), void *arg) {
    if (!ctx) ctx = weir_context_current();
    const struct weir_baggage *baggage = ctx ? ctx->baggage : NULL;
    for (uint32_t i = 0; baggage && i < baggage->count; i++)
        visit(arg, baggage->items[i].name.ptr, baggage->items[i].value.ptr);
}
