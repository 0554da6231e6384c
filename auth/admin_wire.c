/*
 * admin_wire.c - administration's request and answer as frames.
 */
#include "auth/admin_wire.h"

#include "msa/base/pack.h"

#include <string.h>

void auth_admin_request_write(struct buf *out, const struct auth_admin_request *r)
{
    pack_u8(out, (uint8_t)r->verb);
    pack_sv(out, r->name);
    pack_sv(out, r->password);
    pack_sv(out, r->word);
}

int auth_admin_request_read(struct sv payload, struct auth_admin_request *out)
{
    struct unpack u = unpack_start(payload);

    out->verb = (enum auth_admin_verb)unpack_u8(&u);
    out->name = unpack_sv(&u);
    out->password = unpack_sv(&u);
    out->word = unpack_sv(&u);
    if (!unpack_ok(&u) || out->verb < AUTH_ADMIN_ADD || out->verb >= AUTH_ADMIN_VERBS)
        return ERR_SYNTAX;
    return 0;
}

/* Bytes on the wire, at most. */
#define USER_BYTES      26
#define MECHANISM_BYTES 5
#define APP_BYTES       32
#define PLACE_BYTES     28

static size_t text_bytes(const char *text)
{
    return sv_of(text).len;
}

static size_t bytes_of(const struct auth_admin_answer *a)
{
    size_t bytes = 64 + buf_len(&a->text) + sizeof(a->secret);

    for (size_t i = 0; i < a->nusers; i++)
        bytes += USER_BYTES + text_bytes(a->users[i].login) + text_bytes(a->users[i].reason);
    for (size_t i = 0; i < a->nmechanisms; i++)
        bytes += MECHANISM_BYTES + text_bytes(a->mechanisms[i].name);
    for (size_t i = 0; i < a->napps; i++)
        bytes += APP_BYTES + text_bytes(a->apps[i].label) + text_bytes(a->apps[i].used_from);
    for (size_t i = 0; i < a->nplaces; i++)
        bytes += PLACE_BYTES + text_bytes(a->places[i].client) +
                 text_bytes(a->places[i].mechanism) + text_bytes(a->places[i].label);
    return bytes;
}

static void write_head(struct buf *out, int err, struct sv text, const char *secret)
{
    pack_u32(out, (uint32_t)-err);
    pack_sv(out, text);
    pack_sv(out, sv_of(secret));
}

static void write_users(struct buf *out, const struct auth_admin_answer *a)
{
    pack_u32(out, (uint32_t)a->nusers);
    for (size_t i = 0; i < a->nusers; i++) {
        const struct auth_admin_user *u = &a->users[i];

        pack_sv(out, sv_of(u->login));
        pack_u8(out, u->cleartext);
        pack_u8(out, (uint8_t)u->state);
        pack_u8(out, u->admin);
        pack_u64(out, (uint64_t)u->since_ms);
        pack_sv(out, sv_of(u->reason));
    }
}

static void write_apps(struct buf *out, const struct auth_admin_answer *a)
{
    pack_u32(out, (uint32_t)a->napps);
    for (size_t i = 0; i < a->napps; i++) {
        const struct auth_admin_app *app = &a->apps[i];

        pack_sv(out, sv_of(app->label));
        pack_sv(out, sv_of(app->used_from));
        pack_u64(out, (uint64_t)app->created_ms);
        pack_u64(out, (uint64_t)app->used_ms);
        pack_u64(out, (uint64_t)app->revoked_ms);
    }
}

static void write_places(struct buf *out, const struct auth_admin_answer *a)
{
    pack_u32(out, (uint32_t)a->nplaces);
    for (size_t i = 0; i < a->nplaces; i++) {
        const struct auth_admin_place *p = &a->places[i];

        pack_sv(out, sv_of(p->client));
        pack_sv(out, sv_of(p->mechanism));
        pack_sv(out, sv_of(p->label));
        pack_u64(out, (uint64_t)p->last_ms);
        pack_u64(out, (uint64_t)p->count);
    }
}

void auth_admin_answer_write(struct buf *out, const struct auth_admin_answer *a)
{
    static const struct auth_admin_answer none = {0};
    bool fits = bytes_of(a) <= AUTH_ADMIN_MAX;

    if (fits)
        write_head(out, a->err, buf_view(&a->text), a->secret);
    else
        write_head(out, ERR_FULL, SV("too many users for one answer"), "");
    a = fits ? a : &none;
    write_users(out, a);
    pack_u32(out, (uint32_t)a->nmechanisms);
    for (size_t i = 0; i < a->nmechanisms; i++) {
        pack_sv(out, sv_of(a->mechanisms[i].name));
        pack_u8(out, a->mechanisms[i].usable);
    }
    write_apps(out, a);
    write_places(out, a);
}

/* How many follow; no more than could stand in what is left. */
static size_t read_count(struct unpack *u)
{
    uint32_t count = unpack_u32(u);

    if (count > u->rest.len)
        u->bad = true;
    return u->bad ? 0 : count;
}

static const char *read_text(struct unpack *u, struct arena *mem)
{
    return arena_str(mem, unpack_sv(u));
}

static void read_users(struct unpack *u, struct auth_admin_answer *out)
{
    out->nusers = read_count(u);
    out->users = arena_alloc(&out->mem, (out->nusers + 1) * sizeof(*out->users));
    for (size_t i = 0; i < out->nusers; i++) {
        struct auth_admin_user *user = &out->users[i];
        uint8_t state;

        user->login = read_text(u, &out->mem);
        user->cleartext = unpack_u8(u) != 0;
        state = unpack_u8(u);
        u->bad |= state >= AUTH_STATES;
        user->state = state < AUTH_STATES ? (enum auth_state)state : AUTH_STATE_DISABLED;
        user->admin = unpack_u8(u) != 0;
        user->since_ms = (int64_t)unpack_u64(u);
        user->reason = read_text(u, &out->mem);
    }
}

static void read_mechanisms(struct unpack *u, struct auth_admin_answer *out)
{
    out->nmechanisms = read_count(u);
    out->mechanisms = arena_alloc(&out->mem, (out->nmechanisms + 1) * sizeof(*out->mechanisms));
    for (size_t i = 0; i < out->nmechanisms; i++) {
        out->mechanisms[i].name = read_text(u, &out->mem);
        out->mechanisms[i].usable = unpack_u8(u) != 0;
    }
}

static void read_apps(struct unpack *u, struct auth_admin_answer *out)
{
    out->napps = read_count(u);
    out->apps = arena_alloc(&out->mem, (out->napps + 1) * sizeof(*out->apps));
    for (size_t i = 0; i < out->napps; i++) {
        struct auth_admin_app *app = &out->apps[i];

        app->label = read_text(u, &out->mem);
        app->used_from = read_text(u, &out->mem);
        app->created_ms = (int64_t)unpack_u64(u);
        app->used_ms = (int64_t)unpack_u64(u);
        app->revoked_ms = (int64_t)unpack_u64(u);
    }
}

static void read_places(struct unpack *u, struct auth_admin_answer *out)
{
    out->nplaces = read_count(u);
    out->places = arena_alloc(&out->mem, (out->nplaces + 1) * sizeof(*out->places));
    for (size_t i = 0; i < out->nplaces; i++) {
        struct auth_admin_place *p = &out->places[i];

        p->client = read_text(u, &out->mem);
        p->mechanism = read_text(u, &out->mem);
        p->label = read_text(u, &out->mem);
        p->last_ms = (int64_t)unpack_u64(u);
        p->count = (int64_t)unpack_u64(u);
    }
}

int auth_admin_answer_read(struct sv payload, struct auth_admin_answer *out)
{
    struct unpack u = unpack_start(payload);
    uint32_t err = unpack_u32(&u);
    struct sv text = unpack_sv(&u), secret = unpack_sv(&u);

    if (u.bad || err > INT32_MAX || secret.len >= sizeof(out->secret) ||
        buf_put(&out->text, text) < 0)
        return ERR_SYNTAX;
    out->err = -(int)err;
    if (secret.len > 0)
        memcpy(out->secret, secret.ptr, secret.len);
    read_users(&u, out);
    read_mechanisms(&u, out);
    read_apps(&u, out);
    read_places(&u, out);
    return unpack_ok(&u) ? 0 : ERR_SYNTAX;
}
