/*
 * admin_wire.c - administration's request and answer as frames.
 */
#include "auth/admin_wire.h"

#include "msa/base/pack.h"

void auth_admin_request_write(struct buf *out, const struct auth_admin_request *r)
{
    pack_u8(out, (uint8_t)r->verb);
    pack_sv(out, r->name);
    pack_sv(out, r->password);
}

int auth_admin_request_read(struct sv payload, struct auth_admin_request *out)
{
    struct unpack u = unpack_start(payload);

    out->verb = (enum auth_admin_verb)unpack_u8(&u);
    out->name = unpack_sv(&u);
    out->password = unpack_sv(&u);
    if (!unpack_ok(&u) || out->verb < AUTH_ADMIN_ADD || out->verb > AUTH_ADMIN_LIST)
        return ERR_SYNTAX;
    return 0;
}

static void write_head(struct buf *out, int err, struct sv text, size_t users)
{
    pack_u32(out, (uint32_t)-err);
    pack_sv(out, text);
    pack_u32(out, (uint32_t)users);
}

void auth_admin_answer_write(struct buf *out, const struct auth_admin_answer *a)
{
    size_t bytes = 64 + buf_len(&a->text);

    for (size_t i = 0; i < a->nusers; i++)
        bytes += sv_of(a->users[i].login).len + 5;
    if (bytes > AUTH_ADMIN_MAX) {
        write_head(out, ERR_FULL, SV("too many users for one answer"), 0);
        return;
    }
    write_head(out, a->err, buf_view(&a->text), a->nusers);
    for (size_t i = 0; i < a->nusers; i++) {
        pack_sv(out, sv_of(a->users[i].login));
        pack_u8(out, a->users[i].cleartext);
    }
}

int auth_admin_answer_read(struct sv payload, struct auth_admin_answer *out)
{
    struct unpack u = unpack_start(payload);
    uint32_t err = unpack_u32(&u);
    struct sv text = unpack_sv(&u);
    uint32_t count = unpack_u32(&u);

    if (u.bad || err > INT32_MAX || count > payload.len / 5 || buf_put(&out->text, text) < 0)
        return ERR_SYNTAX;
    out->err = -(int)err;
    out->users = arena_alloc(&out->mem, (count + 1) * sizeof(*out->users));
    for (out->nusers = 0; out->nusers < count; out->nusers++) {
        out->users[out->nusers].login = arena_str(&out->mem, unpack_sv(&u));
        out->users[out->nusers].cleartext = unpack_u8(&u) != 0;
    }
    return unpack_ok(&u) ? 0 : ERR_SYNTAX;
}
