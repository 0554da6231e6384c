/*
 * A session that "msactl sign" and "msactl explain" have with the server: SMTP over the connection
 * that asked the master for it, with the login named there. Who may use the control socket may do
 * everything here already, so that no password is asked for; but what is said in it is judged as if
 * that login had said it. No quota, no proxy, no TLS; nobody's trouble is counted.
 */
#include "msa/base/mem.h"
#include "msa/server/conn_internal.h"
#include "msa/server/reject.h"

void conn_start_operated(struct worker *w, struct stream *s, struct sv login)
{
    struct conn *c = conn_new(w, s, 0);
    struct log_ctx ctx;
    c->operated = true;
    c->login = sv_dup(login);
    c->client = (struct ip){.family = IP_V4, .bytes = {127, 0, 0, 1}};
    ip_text(&c->client, c->client_text);
    c->memory_held = memory_take(&w->shared->memory, MEMORY_SESSION_BYTES);
    ctx = conn_ctx(c);
    log_event(LOG_INFO, "operated", &ctx, "a session of msactl");
    conn_set_reading(c, true);
    struct smtp_reply refusal = reject_session_memory();
    conn_start_session(c, c->memory_held ? NULL : &refusal);
}
