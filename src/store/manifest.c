/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/fs.h"

enum { VERSION = 1, FILE_BYTES_MAX = 16 << 20 };

bool weir_manifest_part_path(const char *folder, uint64_t id, char *ret, size_t ret_size) {
    int len = snprintf(ret, ret_size, "%s/%016" PRIx64 ".part", folder, id);
    return len > 0 && (size_t)len < ret_size;
}

void weir_manifest_done(struct weir_manifest *manifest) {
    if (!manifest) return;
    free(manifest->part_ids);
    *manifest = (struct weir_manifest){0};
}

/* ---- reading -------------------------------------------------------------------------------- */

static int corrupt(struct weir_error *reterr, const char *folder, const char *what) {
    return weir_error_set(
        reterr, WEIR_ECORRUPT,
        "%s/manifest: %s; restore the folder from a backup, or move it away to start "
        "empty",
        folder, what);
}

static bool parse_hex(struct weir_view v, uint64_t *ret) {
    uint8_t bytes[8];
    if (!weir_view_to_bytes_hex(v, bytes, sizeof bytes)) return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof bytes; i++) *ret = *ret << 8 | bytes[i];
    return true;
}

/* Splits off the last line, "crc32c <8 hex>\n", and checks it against all bytes before it. */
static bool check_crc(struct weir_view *text) {
    enum { LAST_LINE_LEN = sizeof "crc32c 00000000\n" - 1 };
    if (text->len < LAST_LINE_LEN) return false;
    struct weir_view body = weir_view_upto(*text, text->len - LAST_LINE_LEN);
    char expected[LAST_LINE_LEN + 1];
    snprintf(expected, sizeof expected, "crc32c %08" PRIx32 "\n",
             weir_crc32c(0, body.ptr, body.len));
    if (memcmp(text->ptr + body.len, expected, LAST_LINE_LEN) != 0) return false;
    *text = body;
    return true;
}

static bool add_part(struct weir_manifest *manifest, uint64_t id, uint32_t *room) {
    if (manifest->parts_count == *room) {
        uint32_t wanted = *room ? *room * 2 : 16;
        uint64_t *grown = realloc(manifest->part_ids, wanted * sizeof *grown);
        if (!grown) return false;
        manifest->part_ids = grown;
        *room = wanted;
    }
    manifest->part_ids[manifest->parts_count++] = id;
    return true;
}

static int parse(struct weir_view text, const char *folder, struct weir_manifest *ret,
                 struct weir_error *reterr) {
    struct weir_view rest = text;
    struct weir_view line = weir_view_cut(&rest, '\n');
    uint64_t version;
    if (weir_view_starts(line, WEIR_VIEW("weir-manifest ")) &&
        weir_view_to_u64(weir_view_from(line, 14), &version) && version > VERSION)
        return weir_error_set(reterr, WEIR_EVERSION,
                              "%s/manifest has format %" PRIu64
                              ", this program knows up to %d; use the "
                              "newer program",
                              folder, version, VERSION);
    if (!weir_view_is(line, "weir-manifest 1")) return corrupt(reterr, folder, "not a manifest");
    if (!check_crc(&rest)) return corrupt(reterr, folder, "bad checksum");
    uint32_t room = 0;
    while (rest.len) {
        line = weir_view_cut(&rest, '\n');
        struct weir_view key = weir_view_cut(&line, ' ');
        uint64_t number;
        if (!parse_hex(line, &number)) return corrupt(reterr, folder, "malformed number");
        if (weir_view_is(key, "flushed"))
            ret->flushed_seq = number;
        else if (weir_view_is(key, "next"))
            ret->next_id = number;
        else if (!weir_view_is(key, "part"))
            return corrupt(reterr, folder, "unknown line");
        else if (!add_part(ret, number, &room))
            return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for %s/manifest", folder);
    }
    return WEIR_OK;
}

static int refuse_parts(void *arg, const char *name) {
    (void)arg;
    return weir_view_ends(weir_view_str(name), WEIR_VIEW(".part")) ? WEIR_ECORRUPT : WEIR_OK;
}

int weir_manifest_read(struct weir_disk *disk, const char *folder, struct weir_manifest *ret,
                       struct weir_error *reterr) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/manifest", folder) >= (int)sizeof path)
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", folder);
    struct weir_manifest manifest = {.next_id = 1};
    struct weir_buf text;
    weir_buf_init(&text, FILE_BYTES_MAX);
    int rc = weir_fs_read_file(path, &text, reterr);
    if (rc == WEIR_ENOTFOUND) {
        rc = weir_disk_list(folder, refuse_parts, NULL, reterr);
        if (rc == WEIR_ECORRUPT) corrupt(reterr, folder, "missing, but there are parts");
        /* Before the first part is: a crash while that is made leaves a part and this manifest. */
        if (rc == WEIR_OK) rc = weir_manifest_write(disk, folder, &manifest, reterr);
    } else if (rc == WEIR_OK) {
        rc = parse(weir_buf_view(&text), folder, &manifest, reterr);
    }
    weir_buf_done(&text);
    if (rc == WEIR_OK)
        *ret = manifest;
    else
        weir_manifest_done(&manifest);
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------- */

int weir_manifest_write(struct weir_disk *disk, const char *folder,
                        const struct weir_manifest *manifest, struct weir_error *reterr) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/manifest", folder) >= (int)sizeof path)
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", folder);
    static const char first_line[] = "weir-manifest 1\n";
    struct weir_buf text;
    weir_buf_init(&text, FILE_BYTES_MAX);
    weir_buf_add_str(&text, first_line);
    weir_buf_printf(&text, "flushed %016" PRIx64 "\nnext %016" PRIx64 "\n", manifest->flushed_seq,
                    manifest->next_id);
    for (uint32_t i = 0; i < manifest->parts_count; i++)
        weir_buf_printf(&text, "part %016" PRIx64 "\n", manifest->part_ids[i]);
    struct weir_view body = weir_view_from(weir_buf_view(&text), sizeof first_line - 1);
    weir_buf_printf(&text, "crc32c %08" PRIx32 "\n", weir_crc32c(0, body.ptr, body.len));
    int rc = text.failed ? weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", path)
                         : weir_disk_replace_file(disk, path, weir_buf_view(&text), reterr);
    weir_buf_done(&text);
    return rc;
}

/* ---- leftovers ------------------------------------------------------------------------------ */

struct sweep {
    struct weir_disk *disk;
    const char *folder;
    const struct weir_manifest *manifest;
    struct weir_error *reterr;
};

static bool is_named(const struct weir_manifest *manifest, struct weir_view name) {
    uint64_t id;
    if (name.len != 21 || !parse_hex(weir_view_upto(name, 16), &id)) return false;
    for (uint32_t i = 0; i < manifest->parts_count; i++)
        if (manifest->part_ids[i] == id) return true;
    return false;
}

static int sweep_one(void *arg, const char *name) {
    const struct sweep *sweep = arg;
    struct weir_view v = weir_view_str(name);
    bool is_part = weir_view_ends(v, WEIR_VIEW(".part"));
    if (!is_part && !weir_view_ends(v, WEIR_VIEW(".tmp"))) return WEIR_OK;
    if (is_part && is_named(sweep->manifest, v)) return WEIR_OK;
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", sweep->folder, name) >= (int)sizeof path)
        return WEIR_OK;
    return weir_disk_remove(sweep->disk, path, sweep->reterr);
}

int weir_manifest_sweep(struct weir_disk *disk, const char *folder,
                        const struct weir_manifest *manifest, struct weir_error *reterr) {
    struct sweep sweep = {disk, folder, manifest, reterr};
    return weir_disk_list(folder, sweep_one, &sweep, reterr);
}
