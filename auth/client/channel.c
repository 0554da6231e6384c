#include "auth/client/channel.h"

#include "msa/base/pack.h"
#include "msa/base/require.h"

#include <string.h>

const char *auth_binding_name(enum auth_binding type)
{
    static const char *const names[AUTH_BINDINGS] = {
        [AUTH_BINDING_EXPORTER] = "tls-exporter",
        [AUTH_BINDING_UNIQUE] = "tls-unique",
        [AUTH_BINDING_END_POINT] = "tls-server-end-point",
    };

    return names[type];
}

void auth_channel_write(struct buf *out, const struct auth_channel *c)
{
    REQUIRE(c->certificate.len <= AUTH_CERTIFICATE_MAX);
    for (size_t i = 0; i < AUTH_BINDINGS; i++)
        pack_sv(out, (struct sv){(const char *)c->bindings[i].bytes, c->bindings[i].len});
    pack_sv(out, c->certificate);
}

int auth_channel_read(struct sv field, struct auth_channel *out)
{
    struct unpack u = unpack_start(field);

    *out = (struct auth_channel){.certificate = SV_NONE};
    if (field.len == 0)
        return 0;
    for (size_t i = 0; i < AUTH_BINDINGS; i++) {
        struct sv bytes = unpack_sv(&u);

        if (bytes.len > AUTH_BINDING_MAX)
            return ERR_SYNTAX;
        out->bindings[i].len = (uint8_t)bytes.len;
        if (bytes.len > 0)
            memcpy(out->bindings[i].bytes, bytes.ptr, bytes.len);
    }
    out->certificate = unpack_sv(&u);
    return unpack_ok(&u) && out->certificate.len <= AUTH_CERTIFICATE_MAX ? 0 : ERR_SYNTAX;
}
