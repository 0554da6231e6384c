/*
 * wire.c - one form for all messages: id, code, name, data, extra, channel. What a type does not
 * use is empty.
 */
#include "auth/client/wire.h"

#include "msa/base/pack.h"
#include "msa/base/require.h"

void auth_wire_write(struct buf *out, const struct auth_wire *m)
{
    REQUIRE(m->name.len <= AUTH_WIRE_NAME_MAX && m->extra.len <= AUTH_WIRE_NAME_MAX &&
            m->data.len <= AUTH_WIRE_DATA_MAX && m->channel.len <= AUTH_CHANNEL_MAX);
    pack_u64(out, m->id);
    pack_u32(out, m->code);
    pack_sv(out, m->name);
    pack_sv(out, m->data);
    pack_sv(out, m->extra);
    pack_sv(out, m->channel);
}

/* The largest code that a type knows. */
static bool code_max(uint32_t type, uint32_t *max_out)
{
    switch (type) {
    case AUTH_WIRE_SASL_START:
        *max_out = AUTH_START_INITIAL | AUTH_START_TLS;
        return true;
    case AUTH_WIRE_LOGIN_START:
        *max_out = AUTH_START_TLS | AUTH_START_AGAIN;
        return true;
    case AUTH_WIRE_SASL_STEP:
    case AUTH_WIRE_LOGIN_STEP:
    case AUTH_WIRE_CANCEL:
    case AUTH_WIRE_LOCK:
    case AUTH_WIRE_FIND:
    case AUTH_WIRE_USER_CHANGED:
        *max_out = 0;
        return true;
    case AUTH_WIRE_SIGN:
        *max_out = AUTH_SIGNS - 1;
        return true;
    case AUTH_WIRE_ANSWER:
        *max_out = AUTH_VERDICTS - 1;
        return true;
    default:
        return false;
    }
}

int auth_wire_read(uint32_t type, struct sv payload, struct auth_wire *out)
{
    struct unpack u = unpack_start(payload);
    uint32_t max = 0;

    out->type = (enum auth_wire_type)type;
    out->id = unpack_u64(&u);
    out->code = unpack_u32(&u);
    out->name = unpack_sv(&u);
    out->data = unpack_sv(&u);
    out->extra = unpack_sv(&u);
    out->channel = unpack_sv(&u);
    if (!unpack_ok(&u) || !code_max(type, &max) || out->code > max ||
        out->name.len > AUTH_WIRE_NAME_MAX || out->extra.len > AUTH_WIRE_NAME_MAX ||
        out->data.len > AUTH_WIRE_DATA_MAX || out->channel.len > AUTH_CHANNEL_MAX ||
        (out->channel.len > 0 && type != AUTH_WIRE_SASL_START))
        return ERR_SYNTAX;
    return (out->id == 0) == (type == AUTH_WIRE_USER_CHANGED) ? 0 : ERR_SYNTAX;
}
