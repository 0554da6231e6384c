#include "auth/bound.h"

bool auth_bound_is_plus(struct sv mechanism)
{
    return sv_iends(mechanism, SV("-PLUS"));
}

enum auth_bound auth_bound_judge(struct sv mechanism, bool offers_plus, struct sv message,
                                 const struct auth_channel *channel, enum auth_binding *type_out)
{
    struct sv flag = sv_split(&message, ',');

    if (!auth_bound_is_plus(mechanism))
        return sv_eq(flag, SV("n")) || (sv_eq(flag, SV("y")) && !offers_plus) ? AUTH_BOUND_NOT
                                                                              : AUTH_BOUND_REFUSED;
    if (!sv_starts(flag, SV("p=")))
        return AUTH_BOUND_REFUSED;
    for (unsigned i = 0; i < AUTH_BINDINGS; i++) {
        if (channel->bindings[i].len > 0 &&
            sv_eq(sv_skip(flag, 2), sv_of(auth_binding_name((enum auth_binding)i)))) {
            *type_out = (enum auth_binding)i;
            return AUTH_BOUND_TYPE;
        }
    }
    return AUTH_BOUND_REFUSED;
}
