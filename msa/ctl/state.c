#include "msa/ctl/state.h"
#include "msa/daemon/privileges.h"

#include <stdio.h>

bool state_make(const struct msa_options *o)
{
    struct priv_ids ids;
    struct buf error;
    buf_init(&error, 2048, 0);
    int err = priv_lookup(o->user, o->auth_user, &ids, &error);
    if (err == 0)
        err = priv_make_state(o->state, "", &ids, &error);
    if (err < 0)
        fprintf(stderr, "msactl: %.*s\n", SV_ARG(buf_view(&error)));
    buf_deinit(&error);
    return err == 0;
}
