/* SPDX-License-Identifier: Apache-2.0 */
#include "store/part.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/metric.h"

WEIR_COUNTER(corrupt_parts, "weir_store_corrupt_total", "Damaged pieces found on disk.",
             "piece=\"part\"");

static int corrupt(const struct weir_part *part, const char *what, struct weir_error *reterr) {
    weir_metric_add(&corrupt_parts, 1);
    return weir_error_set(reterr, WEIR_ECORRUPT, "%s: %s", part->path, what);
}

static int read_failed(const struct weir_part *part, int rc, struct weir_error *reterr) {
    if (rc == WEIR_ECORRUPT) return corrupt(part, "file is cut short", reterr);
    return weir_error_set(reterr, rc, "cannot read %s: %s", part->path, weir_error_text(rc));
}

/* Where the meta lies, from the last bytes of the file. */
static int read_trailer(struct weir_part *part, uint64_t *ret_offset, uint32_t *ret_len,
                        uint32_t *ret_crc, struct weir_error *reterr) {
    char trailer[WEIR_PART_TRAILER_SIZE];
    int rc = weir_disk_size(part->fd, &part->size_bytes);
    if (rc != WEIR_OK) return read_failed(part, rc, reterr);
    if (part->size_bytes < WEIR_PART_HEADER_SIZE + WEIR_PART_TRAILER_SIZE)
        return corrupt(part, "file is cut short", reterr);
    uint64_t body_len = part->size_bytes - sizeof trailer;
    rc = weir_disk_read(part->disk, part->fd, trailer, sizeof trailer, body_len);
    if (rc != WEIR_OK) return read_failed(part, rc, reterr);
    if (memcmp(trailer + 24, WEIR_PART_MAGIC, 8) != 0 ||
        weir_part_get_u32(trailer + 20) != weir_crc32c(0, trailer, 20))
        return corrupt(part, "bad trailer", reterr);
    if (weir_part_get_u32(trailer + 16) > WEIR_PART_VERSION)
        return weir_error_set(
            reterr, WEIR_EVERSION,
            "%s has format %u, this program knows up to %u; use the newer program", part->path,
            weir_part_get_u32(trailer + 16), WEIR_PART_VERSION);
    *ret_offset = weir_part_get_u64(trailer);
    *ret_len = weir_part_get_u32(trailer + 8);
    *ret_crc = weir_part_get_u32(trailer + 12);
    if (*ret_len > WEIR_PART_META_MAX || *ret_offset > body_len ||
        body_len - *ret_offset != *ret_len)
        return corrupt(part, "bad trailer", reterr);
    return WEIR_OK;
}

static bool check_entry(const struct weir_part *part, const struct weir_part_block_entry *entry) {
    uint64_t len = (uint64_t)entry->columns_len + entry->directory_len;
    return entry->rows_count > 0 && entry->rows_count <= WEIR_BLOCK_ROWS_MAX &&
           entry->min_ns <= entry->max_ns && entry->offset >= WEIR_PART_HEADER_SIZE &&
           entry->offset <= part->size_bytes && len <= part->size_bytes - entry->offset;
}

static int parse_meta(struct weir_part *part, struct weir_view meta, struct weir_error *reterr) {
    if (meta.len < 16) return corrupt(part, "bad meta", reterr);
    part->blocks_count = weir_part_get_u32(meta.ptr);
    part->names_count = weir_part_get_u32(meta.ptr + 4);
    part->rows_count = weir_part_get_u64(meta.ptr + 8);
    meta = weir_view_from(meta, 16);
    if (part->blocks_count == 0 || part->blocks_count > meta.len / WEIR_PART_BLOCK_ENTRY_SIZE)
        return corrupt(part, "bad meta", reterr);
    part->blocks = calloc(part->blocks_count, sizeof *part->blocks);
    if (!part->blocks)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s", part->path);
    part->min_ns = INT64_MAX;
    part->max_ns = INT64_MIN;
    for (uint32_t i = 0; i < part->blocks_count; i++) {
        struct weir_part_block_entry *entry = &part->blocks[i];
        weir_part_get_block_entry(meta.ptr + (size_t)i * WEIR_PART_BLOCK_ENTRY_SIZE, entry);
        if (!check_entry(part, entry)) return corrupt(part, "bad meta", reterr);
        if (entry->min_ns < part->min_ns) part->min_ns = entry->min_ns;
        if (entry->max_ns > part->max_ns) part->max_ns = entry->max_ns;
    }
    meta = weir_view_from(meta, (size_t)part->blocks_count * WEIR_PART_BLOCK_ENTRY_SIZE);
    part->names = malloc(meta.len + 1);
    if (!part->names) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s", part->path);
    memcpy(part->names, meta.ptr, meta.len);
    part->names_len = meta.len;
    return WEIR_OK;
}

static int load_meta(struct weir_part *part, struct weir_error *reterr) {
    uint64_t offset = 0;
    uint32_t len = 0, crc = 0;
    int rc = read_trailer(part, &offset, &len, &crc, reterr);
    if (rc != WEIR_OK) return rc;
    char *meta = malloc((size_t)len + 1);
    if (!meta) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s", part->path);
    rc = weir_disk_read(part->disk, part->fd, meta, len, offset);
    if (rc != WEIR_OK)
        rc = read_failed(part, rc, reterr);
    else if (weir_crc32c(0, meta, len) != crc)
        rc = corrupt(part, "bad checksum of meta", reterr);
    else
        rc = parse_meta(part, weir_view(meta, len), reterr);
    free(meta);
    return rc;
}

static int check_header(struct weir_part *part, struct weir_error *reterr) {
    char header[WEIR_PART_HEADER_SIZE];
    int rc = weir_disk_read(part->disk, part->fd, header, sizeof header, 0);
    if (rc != WEIR_OK) return read_failed(part, rc, reterr);
    if (memcmp(header, WEIR_PART_MAGIC, 8) != 0 || weir_part_get_u32(header + 12) != part->table)
        return corrupt(part, "bad header", reterr);
    return WEIR_OK;
}

int weir_part_open(struct weir_disk *disk, const char *path, uint64_t id, enum weir_table table,
                   struct weir_part **ret, struct weir_error *reterr) {
    struct weir_part *part = calloc(1, sizeof *part);
    if (!part || !(part->path = strdup(path))) {
        free(part);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s", path);
    }
    atomic_init(&part->refs, 1);
    part->disk = disk;
    part->id = id;
    part->table = table;
    part->fd = -1;
    int rc = weir_disk_open(disk, path, &part->fd, reterr);
    if (rc == WEIR_OK) rc = load_meta(part, reterr);
    if (rc == WEIR_OK) rc = check_header(part, reterr);
    if (rc == WEIR_OK)
        *ret = part;
    else
        weir_part_unref(part);
    return rc;
}

struct weir_part *weir_part_ref(struct weir_part *part) {
    atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
    return part;
}

void weir_part_doom(struct weir_part *part) {
    atomic_store_explicit(&part->doomed, true, memory_order_relaxed);
}

void weir_part_unref(struct weir_part *part) {
    if (!part || atomic_fetch_sub_explicit(&part->refs, 1, memory_order_acq_rel) != 1) return;
    if (part->fd >= 0) close(part->fd);
    if (atomic_load_explicit(&part->doomed, memory_order_relaxed)) {
        struct weir_error err;
        if (weir_disk_remove(part->disk, part->path, &err) != WEIR_OK)
            weir_log_warn("store", "%s (it is removed at the next start)", err.message);
    }
    free(part->path);
    free(part->blocks);
    free(part->names);
    free(part);
}

bool weir_part_names(const struct weir_part *part, weir_visit_name *visit, void *arg) {
    struct weir_view rest = {part->names, part->names_len};
    for (uint32_t i = 0; i < part->names_count && rest.len >= 8; i++) {
        enum weir_column_id scope = (uint8_t)rest.ptr[0] == WEIR_PART_RESOURCE
                                        ? WEIR_COLUMN_RESOURCE_ATTR
                                        : WEIR_COLUMN_ATTR;
        unsigned types = (uint8_t)rest.ptr[2] | (unsigned)(uint8_t)rest.ptr[3] << 8;
        uint32_t len = weir_part_get_u32(rest.ptr + 4);
        rest = weir_view_from(rest, 8);
        struct weir_view name = weir_view_upto(rest, len);
        rest = weir_view_from(rest, len);
        for (unsigned type = 0; type <= WEIR_VALUE_MAP; type++)
            if ((types >> type & 1) && !visit(arg, name, scope, (enum weir_value_type)type))
                return false;
    }
    return true;
}
