/*
 * Budgets in a session (spending.h): asked for as the first step of opening a message, where its
 * login has any; the ticket goes to the submission. What the operator does in the name of a login
 * (conn_operated.c) is not that login's.
 */
#include "msa/server/conn_internal.h"

static void on_answer(void *arg, enum budget_verdict verdict, const struct smtp_reply *reply)
{
    struct conn *c = arg;
    uint32_t op = c->op_budget;
    c->op_budget = 0;
    if (verdict == BUDGET_REFUSED) {
        conn_answer(c, op, SMTP_FAILED, reply);
        conn_budget_cancel(c);
    } else {
        conn_open(c, op, c->opening);
    }
    conn_pump(c, SV_NONE);
}

bool conn_budget_ask(struct conn *c, uint32_t op, const struct smtp_envelope *e)
{
    struct rights_holder rights = conn_rights(c);
    const struct budget_limits *limits = rights_budget(&rights);
    /* what is returned can be sent by anybody, whatever its return path */
    bool counts = e->reverse.kind != SMTP_PATH_NULL || smtp_envelope_has(e, SMTP_MAIL_XRETURN);
    if (c->operated || !c->login || !counts || !budget_is_limited(limits))
        return false;
    c->op_budget = op;
    c->opening = e;
    conn_watch(c, op);
    c->ticket = spending_ask(c->worker->shared->spending, c->worker->mailbox, sv_of(c->login),
                             limits, e, on_answer, c);
    return true;
}

void conn_budget_cancel(struct conn *c)
{
    if (c->ticket)
        spending_give_back(c->ticket);
    c->ticket = NULL;
    c->op_budget = 0;
}
