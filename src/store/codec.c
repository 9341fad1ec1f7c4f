/* SPDX-License-Identifier: Apache-2.0 */
#include "store/codec.h"

enum { VARINT_LEN_MAX = 10 };
enum i64_mode { I64_CONSTANT, I64_DELTA, I64_OFFSET };
enum ids_mode { IDS_ZERO, IDS_RAW, IDS_DICT };
enum values_flag { VALUES_DICT = 1, VALUES_SPARSE = 2 };
enum { TYPES_MIXED = 0xff };

/* ---- small change --------------------------------------------------------------------------- */

/* Writes at `at`, which has VARINT_LEN_MAX bytes of room; gives the byte behind. */
static char *put_varint(char *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

static void add_varint(struct weir_buf *out, uint64_t value) {
    char *at = weir_buf_reserve(out, VARINT_LEN_MAX);
    if (at) out->len += (size_t)(put_varint(at, value) - at);
}

static uint64_t zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1 ^ -(value & 1));
}

struct reader {
    const uint8_t *at, *end;
};

static struct reader reader_of(struct weir_view in) {
    const uint8_t *at = (const uint8_t *)in.ptr;
    return (struct reader){at, at ? at + in.len : at};
}

static bool get_varint(struct reader *in, uint64_t *ret) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end) return false;
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The next `len` bytes, or NULL. */
static const uint8_t *get_bytes(struct reader *in, size_t len) {
    if ((size_t)(in->end - in->at) < len) return NULL;
    const uint8_t *ptr = in->at;
    in->at += len;
    return ptr;
}

static bool get_u8(struct reader *in, uint8_t *ret) {
    const uint8_t *ptr = get_bytes(in, 1);
    if (ptr) *ret = *ptr;
    return ptr;
}

static bool has_str(enum weir_value_type type) {
    return type == WEIR_VALUE_STRING || type >= WEIR_VALUE_BYTES;
}

/* ---- hints ---------------------------------------------------------------------------------- */

static uint64_t value_hash(struct weir_value value) {
    uint64_t word = 0;
    if (has_str(value.type)) return weir_view_hash(value.str);
    if (value.type == WEIR_VALUE_BOOL)
        word = value.boolean;
    else
        memcpy(&word, &value.i64, sizeof word);
    return weir_view_hash(weir_view(&word, sizeof word)) + (uint64_t)value.type;
}

static uint64_t two_bits(uint64_t hash) {
    return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

uint64_t weir_codec_hint_bits(struct weir_value value) {
    return two_bits(value_hash(value));
}

uint64_t weir_codec_hint_bits_attr(struct weir_view key, const struct weir_value *value) {
    uint64_t hash = weir_view_hash(key);
    if (value && value->type == WEIR_VALUE_STRING)
        hash = hash * 31 + weir_view_hash(value->str) + 1;
    return two_bits(hash);
}

static void hint_add_int(struct weir_codec_hint *hint, int64_t i64) {
    if (i64 < hint->min) hint->min = i64;
    if (i64 > hint->max) hint->max = i64;
}

/* ---- i64 ------------------------------------------------------------------------------------ */

void weir_codec_encode_i64(struct weir_buf *out, const int64_t *values, uint32_t count,
                           bool ascending, struct weir_codec_hint *ret_hint) {
    struct weir_codec_hint hint = {~UINT64_C(0), 1u << WEIR_VALUE_INT, INT64_MAX, INT64_MIN};
    for (uint32_t i = 0; i < count; i++) hint_add_int(&hint, values[i]);
    *ret_hint = hint;
    char *start = weir_buf_reserve(out, 1 + (size_t)VARINT_LEN_MAX * (count + 1));
    if (!start) return;
    char *at = start;
    if (hint.min >= hint.max) {
        *at++ = I64_CONSTANT;
        at = put_varint(at, zigzag(count ? hint.min : 0));
    } else if (ascending) {
        *at++ = I64_DELTA;
        uint64_t previous = 0;
        for (uint32_t i = 0; i < count; i++) {
            at = put_varint(at, zigzag((int64_t)((uint64_t)values[i] - previous)));
            previous = (uint64_t)values[i];
        }
    } else {
        *at++ = I64_OFFSET;
        at = put_varint(at, zigzag(hint.min));
        for (uint32_t i = 0; i < count; i++)
            at = put_varint(at, (uint64_t)values[i] - (uint64_t)hint.min);
    }
    out->len += (size_t)(at - start);
}

static bool decode_deltas(struct reader *in, uint32_t count, int64_t *values) {
    uint64_t previous = 0, delta;
    for (uint32_t i = 0; i < count; i++) {
        if (!get_varint(in, &delta)) return false;
        previous += (uint64_t)unzigzag(delta);
        values[i] = (int64_t)previous;
    }
    return true;
}

static bool decode_offsets(struct reader *in, uint64_t min, uint32_t count, int64_t *values) {
    uint64_t offset;
    for (uint32_t i = 0; i < count; i++) {
        if (!get_varint(in, &offset)) return false;
        values[i] = (int64_t)(min + offset);
    }
    return true;
}

int weir_codec_decode_i64(struct weir_view bytes, uint32_t count, struct weir_arena *arena,
                          const int64_t **ret) {
    struct reader in = reader_of(bytes);
    int64_t *values = weir_arena_alloc(arena, count * sizeof *values);
    if (!values) return WEIR_ENOMEMORY;
    uint8_t mode;
    uint64_t first = 0;
    if (!get_u8(&in, &mode) || mode > I64_OFFSET) return WEIR_ECORRUPT;
    if (mode != I64_DELTA && !get_varint(&in, &first)) return WEIR_ECORRUPT;
    int64_t base = unzigzag(first);
    bool fine = true;
    if (mode == I64_CONSTANT)
        for (uint32_t i = 0; i < count; i++) values[i] = base;
    else
        fine = mode == I64_DELTA ? decode_deltas(&in, count, values)
                                 : decode_offsets(&in, (uint64_t)base, count, values);
    if (!fine || in.at != in.end) return WEIR_ECORRUPT;
    *ret = values;
    return WEIR_OK;
}

/* ---- dictionaries --------------------------------------------------------------------------- */

/* Codes are one byte each up to 256 entries, else two; a single entry needs none. */
static uint32_t code_width(uint32_t dict_count) {
    return dict_count <= 1 ? 0 : dict_count <= 256 ? 1 : 2;
}

static void add_codes(struct weir_buf *out, const uint16_t *codes, uint32_t count,
                      uint32_t dict_count) {
    uint32_t width = code_width(dict_count);
    char *at = weir_buf_reserve(out, (size_t)width * count);
    if (!at || !width) return;
    for (uint32_t i = 0; i < count; i++) {
        *at++ = (char)codes[i];
        if (width == 2) *at++ = (char)(codes[i] >> 8);
    }
    out->len += (size_t)width * count;
}

/* The next code; the caller has checked the room. */
static uint32_t next_code(const uint8_t **at, uint32_t width) {
    uint32_t code = width ? *(*at)++ : 0;
    if (width == 2) code |= (uint32_t) * (*at)++ << 8;
    return code;
}

/* ---- ids ------------------------------------------------------------------------------------ */

static bool all_zero(const uint8_t *ptr, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (ptr[i]) return false;
    return true;
}

/* Fills codes and entries; 0 when there are more than `limit` distinct ids. */
static uint32_t build_ids_dict(struct weir_codec_scratch *scratch, const uint8_t *ids,
                               uint32_t width, uint32_t count, uint32_t limit) {
    memset(scratch->slots, 0, sizeof scratch->slots);
    uint32_t entries = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *id = ids + (size_t)i * width;
        uint32_t hash = (uint32_t)weir_view_hash(weir_view(id, width)),
                 slot = hash % WEIR_CODEC_SLOTS;
        while (scratch->slots[slot] &&
               memcmp(ids + (size_t)scratch->entries[scratch->slots[slot] - 1] * width, id,
                      width) != 0)
            slot = (slot + 1) % WEIR_CODEC_SLOTS;
        if (!scratch->slots[slot]) {
            if (entries == limit) return 0;
            scratch->entries[entries++] = i;
            scratch->slots[slot] = (uint16_t)entries;
        }
        scratch->codes[i] = (uint16_t)(scratch->slots[slot] - 1);
    }
    return entries;
}

void weir_codec_encode_ids(struct weir_buf *out, const uint8_t *ids, uint32_t width, uint32_t count,
                           struct weir_codec_scratch *scratch) {
    if (all_zero(ids, (size_t)width * count)) {
        weir_buf_add_char(out, IDS_ZERO);
        return;
    }
    uint32_t dict_count = build_ids_dict(scratch, ids, width, count, count / 2);
    if (!dict_count) {
        weir_buf_add_char(out, IDS_RAW);
        weir_buf_add(out, ids, (size_t)width * count);
        return;
    }
    weir_buf_add_char(out, IDS_DICT);
    add_varint(out, dict_count);
    for (uint32_t i = 0; i < dict_count; i++)
        weir_buf_add(out, ids + (size_t)scratch->entries[i] * width, width);
    add_codes(out, scratch->codes, count, dict_count);
}

static int decode_ids_dict(struct reader *in, uint32_t width, uint32_t count, uint8_t *ids) {
    uint64_t dict_count;
    if (!get_varint(in, &dict_count) || dict_count == 0 || dict_count > count) return WEIR_ECORRUPT;
    const uint8_t *dict = get_bytes(in, dict_count * width);
    uint32_t codes_width = code_width((uint32_t)dict_count);
    const uint8_t *codes = dict ? get_bytes(in, (size_t)codes_width * count) : NULL;
    if (!codes) return WEIR_ECORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = next_code(&codes, codes_width);
        if (code >= dict_count) return WEIR_ECORRUPT;
        memcpy(ids + (size_t)i * width, dict + (size_t)code * width, width);
    }
    return WEIR_OK;
}

int weir_codec_decode_ids(struct weir_view bytes, uint32_t width, uint32_t count,
                          struct weir_arena *arena, const uint8_t **ret) {
    struct reader in = reader_of(bytes);
    uint8_t mode;
    if (!get_u8(&in, &mode) || mode > IDS_DICT) return WEIR_ECORRUPT;
    size_t size = (size_t)width * count;
    if (mode == IDS_RAW) {
        *ret = get_bytes(&in, size); /* bytes need no alignment: borrow them */
        return *ret ? WEIR_OK : WEIR_ECORRUPT;
    }
    uint8_t *ids = weir_arena_calloc(arena, size, 1);
    if (!ids) return WEIR_ENOMEMORY;
    int rc = mode == IDS_DICT ? decode_ids_dict(&in, width, count, ids) : WEIR_OK;
    *ret = ids;
    return rc;
}

/* ---- lists of values ------------------------------------------------------------------------ */

static bool values_equal(struct weir_value a, struct weir_value b) {
    if (a.type != b.type) return false;
    if (has_str(a.type)) return weir_view_eq(a.str, b.str);
    if (a.type == WEIR_VALUE_BOOL) return a.boolean == b.boolean;
    return memcmp(&a.i64, &b.i64, sizeof a.i64) == 0; /* doubles by their bits: NaN is NaN */
}

/* `pick` maps list positions to cells; NULL = all cells in order. */
static const struct weir_value *picked(const struct weir_codec_cell *cells, const uint32_t *pick,
                                       uint32_t i) {
    return &cells[pick ? pick[i] : i].value;
}

static void add_types(struct weir_buf *out, const struct weir_codec_cell *cells,
                      const uint32_t *pick, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        if (picked(cells, pick, i)->type != picked(cells, pick, 0)->type) {
            weir_buf_add_char(out, (char)TYPES_MIXED);
            for (uint32_t j = 0; j < count; j++)
                weir_buf_add_char(out, (char)picked(cells, pick, j)->type);
            return;
        }
    weir_buf_add_char(out, (char)(count ? picked(cells, pick, 0)->type : WEIR_VALUE_STRING));
}

/* Types, then lengths and integers, then doubles, then the strings' bytes: like lies with like. */
static void add_list(struct weir_buf *out, const struct weir_codec_cell *cells,
                     const uint32_t *pick, uint32_t count) {
    add_types(out, cells, pick, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct weir_value *value = picked(cells, pick, i);
        if (has_str(value->type))
            add_varint(out, value->str.len);
        else if (value->type == WEIR_VALUE_INT)
            add_varint(out, zigzag(value->i64));
        else if (value->type == WEIR_VALUE_BOOL)
            add_varint(out, value->boolean);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct weir_value *value = picked(cells, pick, i);
        if (value->type == WEIR_VALUE_DOUBLE) weir_buf_add(out, &value->f64, sizeof value->f64);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct weir_value *value = picked(cells, pick, i);
        if (has_str(value->type)) weir_buf_add_view(out, value->str);
    }
}

static bool get_types(struct reader *in, struct weir_value *values, uint32_t count) {
    uint8_t type;
    if (!get_u8(in, &type)) return false;
    const uint8_t *types = NULL;
    if (type == TYPES_MIXED && !(types = get_bytes(in, count))) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (types) type = types[i];
        if (type > WEIR_VALUE_MAP) return false;
        values[i] = (struct weir_value){.type = (enum weir_value_type)type};
    }
    return true;
}

/* Lengths first go into str.len; the pointers follow when it is known where the bytes begin. */
static bool get_list(struct reader *in, struct weir_value *values, uint32_t count) {
    if (!get_types(in, values, count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        struct weir_value *value = &values[i];
        uint64_t number = 0;
        if (value->type != WEIR_VALUE_NONE && value->type != WEIR_VALUE_DOUBLE &&
            !get_varint(in, &number))
            return false;
        if (has_str(value->type))
            value->str = weir_view(NULL, number);
        else if (value->type == WEIR_VALUE_BOOL)
            value->boolean = number != 0;
        else
            value->i64 = unzigzag(number);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].type != WEIR_VALUE_DOUBLE) continue;
        const uint8_t *bytes = get_bytes(in, sizeof(double));
        if (!bytes) return false;
        memcpy(&values[i].f64, bytes, sizeof(double));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!has_str(values[i].type)) continue;
        const uint8_t *bytes = get_bytes(in, values[i].str.len);
        if (!bytes) return false;
        values[i].str.ptr = (const char *)bytes;
    }
    return true;
}

/* ---- values --------------------------------------------------------------------------------- */

static uint32_t build_values_dict(struct weir_codec_scratch *scratch,
                                  const struct weir_codec_cell *cells, uint32_t count,
                                  uint32_t limit) {
    memset(scratch->slots, 0, sizeof scratch->slots);
    uint32_t entries = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t hash = (uint32_t)value_hash(cells[i].value), slot = hash % WEIR_CODEC_SLOTS, entry;
        while ((entry = scratch->slots[slot]) != 0 &&
               !(scratch->hashes[entry - 1] == hash &&
                 values_equal(cells[scratch->entries[entry - 1]].value, cells[i].value)))
            slot = (slot + 1) % WEIR_CODEC_SLOTS;
        if (!entry) {
            if (entries == limit) return 0;
            scratch->entries[entries] = i;
            scratch->hashes[entries++] = hash;
            scratch->slots[slot] = (uint16_t)entries;
        }
        scratch->codes[i] = (uint16_t)(scratch->slots[slot] - 1);
    }
    return entries;
}

static struct weir_codec_hint hint_of(const struct weir_codec_cell *cells, uint32_t cells_count,
                                      const uint32_t *pick, uint32_t pick_count) {
    enum { DISTINCT_MAX = 24 }; /* more set nearly every bit */
    struct weir_codec_hint hint = {0, 0, INT64_MAX, INT64_MIN};
    for (uint32_t i = 0; i < cells_count; i++) {
        hint.types |= 1u << cells[i].value.type;
        if (cells[i].value.type == WEIR_VALUE_INT) hint_add_int(&hint, cells[i].value.i64);
    }
    if (pick_count == 0 || pick_count > DISTINCT_MAX) hint.bits = ~UINT64_C(0);
    for (uint32_t i = 0; i < pick_count && pick_count <= DISTINCT_MAX; i++)
        hint.bits |= weir_codec_hint_bits(cells[pick[i]].value);
    return hint;
}

static void add_presence(struct weir_buf *out, const struct weir_codec_cell *cells,
                         uint32_t cells_count, uint32_t rows_count) {
    size_t size = (rows_count + 7) / 8;
    char *bits = weir_buf_reserve(out, size);
    if (!bits) return;
    memset(bits, 0, size);
    for (uint32_t i = 0; i < cells_count; i++)
        bits[cells[i].row / 8] = (char)(bits[cells[i].row / 8] | 1 << cells[i].row % 8);
    out->len += size;
}

void weir_codec_encode_values(struct weir_buf *out, const struct weir_codec_cell *cells,
                              uint32_t cells_count, uint32_t rows_count, bool dict_always,
                              struct weir_codec_scratch *scratch,
                              struct weir_codec_hint *ret_hint) {
    uint32_t limit = dict_always ? cells_count : cells_count / 2 + 1;
    uint32_t dict_count = build_values_dict(scratch, cells, cells_count, limit);
    *ret_hint = hint_of(cells, cells_count, scratch->entries, dict_count);
    bool sparse = cells_count < rows_count;
    weir_buf_add_char(out, (char)((dict_count ? VALUES_DICT : 0) | (sparse ? VALUES_SPARSE : 0)));
    if (sparse) add_presence(out, cells, cells_count, rows_count);
    if (dict_count) {
        add_varint(out, dict_count);
        add_list(out, cells, scratch->entries, dict_count);
        add_codes(out, scratch->codes, cells_count, dict_count);
    } else {
        add_list(out, cells, NULL, cells_count);
    }
}

/* The front of an encoded column: which rows are present. */
struct front {
    bool dict;
    const uint8_t *presence; /* NULL = all rows */
    uint32_t cells_count;
};

static bool get_front(struct reader *in, uint32_t rows_count, struct front *ret) {
    uint8_t flags;
    if (!get_u8(in, &flags) || flags > (VALUES_DICT | VALUES_SPARSE)) return false;
    *ret = (struct front){.dict = flags & VALUES_DICT, .cells_count = rows_count};
    if (!(flags & VALUES_SPARSE)) return true;
    ret->presence = get_bytes(in, (rows_count + 7) / 8);
    if (!ret->presence) return false;
    ret->cells_count = 0;
    for (uint32_t i = 0; i < rows_count; i++) ret->cells_count += ret->presence[i / 8] >> i % 8 & 1;
    return true;
}

static bool is_present(const struct front *front, uint32_t row) {
    return !front->presence || (front->presence[row / 8] >> row % 8 & 1);
}

static int get_dict(struct reader *in, const struct front *front, struct weir_arena *arena,
                    struct weir_value **ret, uint32_t *ret_count) {
    uint64_t count;
    if (!get_varint(in, &count) || count == 0 || count > front->cells_count) return WEIR_ECORRUPT;
    struct weir_value *dict = WEIR_NEW_ARRAY(arena, struct weir_value, count + 1);
    if (!dict) return WEIR_ENOMEMORY;
    if (!get_list(in, dict, (uint32_t)count)) return WEIR_ECORRUPT;
    *ret = dict;
    *ret_count = (uint32_t)count;
    return WEIR_OK;
}

static int decode_dict(struct reader *in, const struct front *front, uint32_t rows_count,
                       struct weir_arena *arena, struct weir_codec_values *ret) {
    struct weir_value *dict;
    uint32_t count;
    int rc = get_dict(in, front, arena, &dict, &count);
    if (rc != WEIR_OK) return rc;
    uint32_t width = code_width(count);
    const uint8_t *at = get_bytes(in, (size_t)width * front->cells_count);
    uint32_t *codes = weir_arena_alloc(arena, rows_count * sizeof *codes);
    if (!codes) return WEIR_ENOMEMORY;
    if (!at) return WEIR_ECORRUPT;
    for (uint32_t row = 0; row < rows_count; row++) {
        codes[row] = is_present(front, row) ? next_code(&at, width) : count;
        if (codes[row] > count || (codes[row] == count && is_present(front, row)))
            return WEIR_ECORRUPT;
    }
    *ret = (struct weir_codec_values){.codes = codes, .dict = dict, .dict_count = count};
    if (front->cells_count < rows_count) ret->dict_count++; /* the NONE behind the last entry */
    return WEIR_OK;
}

/* Moves the present values, packed at the front, to their rows. */
static void spread(const struct front *front, uint32_t rows_count, struct weir_value *values) {
    uint32_t from = front->cells_count;
    for (uint32_t row = rows_count; row-- > 0;)
        values[row] = is_present(front, row) ? values[--from] : (struct weir_value){0};
}

int weir_codec_decode_values(struct weir_view bytes, uint32_t rows_count, struct weir_arena *arena,
                             struct weir_codec_values *ret) {
    struct reader in = reader_of(bytes);
    struct front front;
    if (!get_front(&in, rows_count, &front)) return WEIR_ECORRUPT;
    if (front.dict) return decode_dict(&in, &front, rows_count, arena, ret);
    struct weir_value *values = weir_arena_alloc(arena, rows_count * sizeof *values);
    if (!values) return WEIR_ENOMEMORY;
    if (!get_list(&in, values, front.cells_count)) return WEIR_ECORRUPT;
    if (front.presence) spread(&front, rows_count, values);
    *ret = (struct weir_codec_values){.values = values};
    return WEIR_OK;
}

int weir_codec_decode_distinct(struct weir_view bytes, uint32_t rows_count,
                               struct weir_arena *arena, const struct weir_value **ret,
                               uint32_t *ret_count) {
    struct reader in = reader_of(bytes);
    struct front front;
    if (!get_front(&in, rows_count, &front)) return WEIR_ECORRUPT;
    struct weir_value *values = NULL;
    uint32_t count = front.cells_count;
    if (front.dict) {
        int rc = get_dict(&in, &front, arena, &values, &count);
        if (rc != WEIR_OK) return rc;
    } else {
        values = weir_arena_alloc(arena, count * sizeof *values);
        if (!values) return WEIR_ENOMEMORY;
        if (!get_list(&in, values, count)) return WEIR_ECORRUPT;
    }
    *ret = values;
    *ret_count = count;
    return WEIR_OK;
}

/* ---- attributes ----------------------------------------------------------------------------- */

void weir_codec_encode_attrs(struct weir_buf *out, struct weir_attrs attrs) {
    add_varint(out, attrs.count);
    for (uint32_t i = 0; i < attrs.count; i++) {
        add_varint(out, attrs.items[i].key.len);
        weir_buf_add_view(out, attrs.items[i].key);
        add_list(out, &(struct weir_codec_cell){0, attrs.items[i].value}, NULL, 1);
    }
}

int weir_codec_decode_attrs(struct weir_view bytes, struct weir_arena *arena,
                            struct weir_attrs *ret) {
    struct reader in = reader_of(bytes);
    uint64_t count, len;
    if (!get_varint(&in, &count) || count > bytes.len) return WEIR_ECORRUPT;
    struct weir_attr *items = WEIR_NEW_ARRAY(arena, struct weir_attr, count);
    if (!items) return WEIR_ENOMEMORY;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *key = get_varint(&in, &len) ? get_bytes(&in, len) : NULL;
        if (!key || !get_list(&in, &items[i].value, 1)) return WEIR_ECORRUPT;
        items[i].key = weir_view(key, len);
    }
    *ret = (struct weir_attrs){items, (uint32_t)count};
    return WEIR_OK;
}
