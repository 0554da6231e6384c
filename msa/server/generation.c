#include "msa/server/generation.h"
#include "msa/base/mem.h"
#include "msa/base/pack.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_OVERHEAD 16  /* lengths and flag of a file in the record */
#define HEAD_OVERHEAD 256 /* number, lengths and ticket keys */

struct generation_refs {
    atomic_uint count;
};

struct generation *generation_new(uint32_t number)
{
    struct generation *g = NEW(struct generation);
    g->number = number;
    g->refs = NEW(struct generation_refs);
    atomic_init(&g->refs->count, 1);
    arena_init(&g->arena);
    return g;
}

struct generation *generation_keep(struct generation *g)
{
    atomic_fetch_add_explicit(&g->refs->count, 1, memory_order_relaxed);
    return g;
}

void generation_drop(struct generation *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs->count, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < g->nfiles; i++) {
        if (g->files[i].secret)
            mem_wipe((char *)(uintptr_t)g->files[i].bytes.ptr, g->files[i].bytes.len);
    }
    mem_wipe(g->ticket_keys, sizeof g->ticket_keys);
    arena_deinit(&g->arena);
    free(g->files);
    free(g->refs);
    free(g);
}

void generation_add_file(struct generation *g, const char *key, const char *path, struct sv bytes,
                         bool secret)
{
    g->files = mem_resize(g->files, g->nfiles + 1, sizeof *g->files);
    g->files[g->nfiles++] = (struct generation_file){
        .key = arena_str(&g->arena, sv_of(key)),
        .path = arena_str(&g->arena, sv_of(path)),
        .bytes = arena_sv(&g->arena, bytes),
        .secret = secret,
    };
}

void generation_set_file(struct generation *g, const char *key, struct sv bytes)
{
    for (size_t i = 0; i < g->nfiles; i++)
        if (strcmp(g->files[i].key, key) == 0)
            g->files[i].bytes = arena_sv(&g->arena, bytes);
}

void generation_keep_file(struct generation *g, const struct generation *from, const char *key)
{
    for (size_t i = g->nfiles; i > 0; i--) {
        struct generation_file *f = &g->files[i - 1];
        if (strcmp(f->key, key) != 0)
            continue;
        mem_wipe((char *)(uintptr_t)f->bytes.ptr, f->bytes.len);
        *f = g->files[--g->nfiles];
    }
    for (size_t i = 0; i < from->nfiles; i++) {
        const struct generation_file *f = &from->files[i];
        if (strcmp(f->key, key) == 0)
            generation_add_file(g, f->key, f->path, f->bytes, f->secret);
    }
}

bool generation_file(const struct generation *g, const char *key, struct sv *out)
{
    for (size_t i = 0; i < g->nfiles; i++) {
        if (strcmp(g->files[i].key, key) == 0) {
            *out = g->files[i].bytes;
            return true;
        }
    }
    return false;
}

bool generation_file_at(const struct generation *g, struct sv *out, const char *fmt, ...)
{
    char key[160];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(key, sizeof key, fmt, args);
    va_end(args);
    return n > 0 && (size_t)n < sizeof key && generation_file(g, key, out);
}

static size_t files_size(const struct generation *g)
{
    size_t size = 0;
    for (size_t i = 0; i < g->nfiles; i++) {
        const struct generation_file *f = &g->files[i];
        size += strlen(f->key) + strlen(f->path) + f->bytes.len + FILE_OVERHEAD;
    }
    return size;
}

int generation_pack(const struct generation *g, bool secrets, struct buf *out)
{
    struct buf text;
    size_t count = 0;
    buf_init(&text, GENERATION_OPTIONS_MAX, 0);
    int err = conf_write(msa_options_rows, &g->options, CONF_SHOW_SECRETS | CONF_SHOW_ALL, &text);
    if (err == 0 && HEAD_OVERHEAD + buf_len(&text) + files_size(g) > GENERATION_RECORD_MAX)
        err = ERR_FULL;
    if (err < 0) {
        buf_deinit(&text);
        return err;
    }
    pack_u32(out, g->number);
    pack_sv(out, buf_view(&text));
    buf_deinit(&text);
    pack_sv(out, (struct sv){(const char *)g->ticket_keys, sizeof g->ticket_keys});
    for (size_t i = 0; i < g->nfiles; i++)
        count += secrets || !g->files[i].secret;
    pack_u32(out, (uint32_t)count);
    for (size_t i = 0; i < g->nfiles; i++) {
        const struct generation_file *f = &g->files[i];
        if (f->secret && !secrets)
            continue;
        pack_sv(out, sv_of(f->key));
        pack_sv(out, sv_of(f->path));
        pack_u8(out, f->secret);
        pack_sv(out, f->bytes);
    }
    return 0;
}

static void unpack_files(struct unpack *u, struct generation *g)
{
    uint32_t count = unpack_u32(u);
    for (uint32_t i = 0; i < count && !u->bad; i++) {
        struct sv key = unpack_sv(u), path = unpack_sv(u);
        bool secret = unpack_u8(u) != 0;
        struct sv bytes = unpack_sv(u);
        char *key_text = sv_dup(key), *path_text = sv_dup(path);
        generation_add_file(g, key_text, path_text, bytes, secret);
        free(key_text);
        free(path_text);
    }
}

struct generation *generation_unpack(struct sv record, struct buf *error)
{
    struct unpack u = unpack_start(record);
    struct generation *g = generation_new(unpack_u32(&u));
    struct sv text = unpack_sv(&u), keys = unpack_sv(&u);
    struct conf_faults faults;
    conf_faults_init(&faults, &g->arena);
    if (keys.len == sizeof g->ticket_keys)
        memcpy(g->ticket_keys, keys.ptr, keys.len);
    unpack_files(&u, g);
    bool good = unpack_ok(&u) && keys.len == sizeof g->ticket_keys;
    if (good) {
        good = options_read("generation", text, "", &g->arena, &g->options, &faults, NULL);
        if (!good)
            conf_faults_print(&faults, error);
    } else {
        int cut = buf_put(error, SV("the generation's record is damaged"));
        (void)cut;
    }
    if (!good) {
        generation_drop(g);
        return NULL;
    }
    return g;
}
