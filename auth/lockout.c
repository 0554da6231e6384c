#include "auth/lockout.h"

#include "auth/change.h"
#include "auth/database.h"
#include "msa/base/log.h"

enum auth_verdict auth_lockout(const struct auth_options *o, struct sv login, struct sv reason)
{
    struct auth_account before;
    struct auth_change change;
    struct auth_name name;
    int err;

    if (auth_database_name(o, login, &name) != AUTH_NAME_OK)
        return AUTH_DENIED;
    auth_change_begin(&change, o);
    change.is_known = true; /* he has logged in; others who are asked may not answer now */
    err = auth_change_state(&change, &name, AUTH_STATE_LOCKED, 1u << AUTH_STATE_ENABLED,
                            sv_first(reason, AUTH_REASON_MAX), &before);
    auth_change_end(&change);
    if (err < 0 && err != ERR_NOT_FOUND)
        log_event(LOG_ERROR, "lock-failed", &(struct log_ctx){.login = login}, "%s", err_text(err));
    return err == 0 ? AUTH_OK : err == ERR_NOT_FOUND ? AUTH_DENIED : AUTH_TEMPORARY;
}
