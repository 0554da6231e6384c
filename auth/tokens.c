#include "auth/tokens.h"

#include "auth/admin_wire.h"
#include "msa/base/pack.h"

void auth_tokens_init(struct auth_tokens *t)
{
    *t = (struct auth_tokens){0};
    arena_init(&t->mem);
}

void auth_tokens_deinit(struct auth_tokens *t)
{
    arena_deinit(&t->mem);
}

void auth_tokens_add(struct auth_tokens *t, const struct auth_tokens_entry *e)
{
    if (t->entries == NULL)
        t->entries = arena_alloc(&t->mem, AUTH_TOKENS_MAX * sizeof(*t->entries));
    if (t->count == AUTH_TOKENS_MAX)
        return;
    t->entries[t->count++] =
        (struct auth_tokens_entry){.user = arena_str(&t->mem, sv_of(e->user)),
                                   .url = arena_str(&t->mem, sv_of(e->url)),
                                   .left_s = e->left_s,
                                   .fault = arena_str(&t->mem, sv_of(e->fault))};
}

void auth_tokens_write(struct buf *out, const struct auth_tokens *t)
{
    pack_u32(out, (uint32_t)t->count);
    for (size_t i = 0; i < t->count; i++) {
        pack_sv(out, sv_of(t->entries[i].user));
        pack_sv(out, sv_of(t->entries[i].url));
        pack_u32(out, t->entries[i].left_s);
        pack_sv(out, sv_of(t->entries[i].fault));
    }
}

int auth_tokens_read(struct sv payload, struct auth_tokens *out)
{
    struct unpack u = unpack_start(payload);
    uint32_t count = unpack_u32(&u);

    if (u.bad || count > AUTH_TOKENS_MAX)
        return ERR_SYNTAX;
    for (uint32_t i = 0; i < count && !u.bad; i++) {
        struct auth_tokens_entry e;

        e.user = arena_str(&out->mem, unpack_sv(&u));
        e.url = arena_str(&out->mem, unpack_sv(&u));
        e.left_s = unpack_u32(&u);
        e.fault = arena_str(&out->mem, unpack_sv(&u));
        auth_tokens_add(out, &e);
    }
    return unpack_ok(&u) ? 0 : ERR_SYNTAX;
}

int auth_tokens_ask(const char *socket_path, struct auth_tokens *out)
{
    struct buf answer;
    int err;

    buf_init(&answer, AUTH_ADMIN_MAX, 0);
    err = auth_admin_call(socket_path, AUTH_ADMIN_TOKENS, SV_NONE, AUTH_ADMIN_TOKENS, &answer);
    if (err == 0)
        err = auth_tokens_read(buf_view(&answer), out);
    buf_deinit(&answer);
    return err;
}
