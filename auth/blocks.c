#include "auth/blocks.h"

#include "auth/admin_wire.h"
#include "msa/base/pack.h"

#include <string.h>

void auth_blocks_init(struct auth_blocks *b)
{
    *b = (struct auth_blocks){.text = ""};
    arena_init(&b->mem);
}

void auth_blocks_deinit(struct auth_blocks *b)
{
    arena_deinit(&b->mem);
}

static struct auth_blocks_entry *next_entry(struct auth_blocks *b)
{
    if (b->entries == NULL)
        b->entries = arena_alloc(&b->mem, AUTH_BLOCKS_MAX * sizeof(*b->entries));
    return b->count < AUTH_BLOCKS_MAX ? &b->entries[b->count++] : NULL;
}

bool auth_blocks_add(struct auth_blocks *b, bool is_address, const char *what, uint64_t left_ms)
{
    struct auth_blocks_entry *e = next_entry(b);

    if (e == NULL)
        return false;
    *e = (struct auth_blocks_entry){.is_address = is_address,
                                    .what = arena_str(&b->mem, sv_of(what)),
                                    .left_s = (uint32_t)((left_ms + 999) / 1000)};
    return true;
}

void auth_blocks_request_write(struct buf *out, const struct auth_blocks_request *r)
{
    pack_u8(out, r->removes);
    pack_sv(out, r->what);
}

int auth_blocks_request_read(struct sv payload, struct auth_blocks_request *out)
{
    struct unpack u = unpack_start(payload);

    out->removes = unpack_u8(&u) != 0;
    out->what = unpack_sv(&u);
    return unpack_ok(&u) ? 0 : ERR_SYNTAX;
}

void auth_blocks_write(struct buf *out, const struct auth_blocks *b)
{
    pack_u32(out, (uint32_t)-b->err);
    pack_sv(out, sv_of(b->text));
    pack_u32(out, (uint32_t)b->count);
    for (size_t i = 0; i < b->count; i++) {
        pack_u8(out, b->entries[i].is_address);
        pack_sv(out, sv_of(b->entries[i].what));
        pack_u32(out, b->entries[i].left_s);
    }
}

int auth_blocks_read(struct sv payload, struct auth_blocks *out)
{
    struct unpack u = unpack_start(payload);
    uint32_t err = unpack_u32(&u);
    struct sv text = unpack_sv(&u);
    uint32_t count = unpack_u32(&u);

    if (u.bad || err > INT32_MAX || count > AUTH_BLOCKS_MAX)
        return ERR_SYNTAX;
    out->err = -(int)err;
    out->text = arena_str(&out->mem, text);
    for (uint32_t i = 0; i < count && !u.bad; i++) {
        struct auth_blocks_entry *e = next_entry(out);

        e->is_address = unpack_u8(&u) != 0;
        e->what = arena_str(&out->mem, unpack_sv(&u));
        e->left_s = unpack_u32(&u);
    }
    return unpack_ok(&u) ? 0 : ERR_SYNTAX;
}

int auth_blocks_ask(const char *socket_path, const struct auth_blocks_request *r,
                    struct auth_blocks *out)
{
    struct buf request, answer;
    int err;

    buf_init(&request, r->what.len + 64, 0);
    buf_init(&answer, AUTH_ADMIN_MAX, 0);
    auth_blocks_request_write(&request, r);
    err = auth_admin_call(socket_path, AUTH_ADMIN_BLOCKS, buf_view(&request), AUTH_ADMIN_BLOCKS,
                          &answer);
    if (err == 0)
        err = auth_blocks_read(buf_view(&answer), out);
    buf_deinit(&request);
    buf_deinit(&answer);
    return err;
}
