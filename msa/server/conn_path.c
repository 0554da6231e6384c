/*
 * CHECK_PATH: may this path be used? Mostly answered at once; a single label that is to be
 * completed (draft 4.2) and a return path that nobody answers for (draft 3.2) are looked up first.
 *
 *     one label -> for each of domains: known, or asked -> the first that exists -> rules
 *     rules -> reverse-path without a login: known, or asked -> alias, asked -> rewriting
 *     -> site policy (conn_policy.c) -> answer
 *
 * Rights are judged on the address as it was submitted, completed at most; what is rewritten is
 * what site policy sees, and what is sent.
 */
#include "msa/base/mem.h"
#include "msa/server/conn_internal.h"
#include "msa/server/policy.h"
#include "msa/server/reject.h"

#include <stdlib.h>

struct path_check {
    struct conn *conn;
    struct arena arena;
    enum smtp_path_use use;
    struct smtp_path path;
    struct sv address;  /* the one found; empty: the path stays as it is */
    struct sv original; /* what it was rewritten from */
    size_t domain;      /* the next of domains to complete with */
    struct sv candidate;
    struct names_query *query;
    struct sv args; /* for the filter, with size */
    uint64_t size;
};

static const struct msa_options *options(const struct path_check *k)
{
    return &k->conn->service->generation->options;
}

static void finish(struct path_check *k, bool good, const struct smtp_reply *reply)
{
    struct conn *c = k->conn;
    struct smtp_result r = {
        .outcome = good ? SMTP_OK : SMTP_FAILED, .address = k->address, .original = k->original};
    uint32_t op = c->op_path;
    if (reply)
        r.reply = *reply;
    c->op_path = c->op_watched = 0;
    c->path = NULL;
    smtp_server_done(c->smtp, op, &r);
    arena_deinit(&k->arena);
    free(k);
}

void conn_path_cancel(struct conn *c)
{
    struct path_check *k = c->path;
    if (!k)
        return;
    if (k->query)
        names_cancel(k->query);
    if (c->filter)
        filter_cancel(c->filter);
    c->path = NULL;
    c->op_path = 0;
    arena_deinit(&k->arena);
    free(k);
}

/* The answer pumps the session, as nobody else does by then. */
static void ask(struct path_check *k, struct sv domain,
                void (*done)(void *arg, enum names_answer answer))
{
    struct worker *w = k->conn->worker;
    k->query = names_ask(w->shared->names, w->mailbox, domain, done, k);
}

struct rights_holder conn_rights(const struct conn *c)
{
    const struct rights *r = c->service->rights;
    return c->login     ? rights_of_login(r, sv_of(c->login))
           : c->trusted ? rights_of_trusted(r)
                        : rights_of_anybody(r);
}

/* ---- site policy ---- */

static void on_policy(void *arg, const struct smtp_reply *refusal)
{
    struct path_check *k = arg;
    struct conn *c = k->conn;
    finish(k, !refusal, refusal);
    conn_pump(c, SV_NONE);
}

static void ask_policy(struct path_check *k)
{
    if (conn_policy_is_wanted(k->conn))
        conn_policy_path(k->conn, k->use, k->path.text, k->args, k->size, on_policy, k);
    else
        finish(k, true, NULL);
}

/* ---- rewriting ---- */

static unsigned place_of(enum smtp_path_use use)
{
    return REWRITE_IN_ENVELOPE |
           (use == SMTP_PATH_REVERSE ? REWRITE_OF_SENDER : REWRITE_OF_RECIPIENT);
}

/* False: refused, the address has become too long. */
static bool replace(struct path_check *k, struct sv to)
{
    struct sv from = k->path.text;
    enum smtp_path_verdict v = smtp_path_parse_address(&k->arena, to, k->use, &k->path);
    if (v != SMTP_PATH_OK) {
        struct smtp_reply r = smtp_path_refusal(v, k->use);
        r.setting = SV("rewrite.rules");
        finish(k, false, &r);
        return false;
    }
    k->address = k->path.text;
    if (!k->original.len)
        k->original = from;
    return true;
}

static void rewrite(struct path_check *k)
{
    char text[REWRITE_RULES_TEXT];
    uint16_t row;
    struct sv to =
        rewrite_rules_apply(k->conn->service->rules, place_of(k->use), &k->path, text, &row);
    if (!to.len || replace(k, to))
        ask_policy(k);
}

/* ---- aliases ---- */

/* RFC 6409 8.7; names of ours, and those that a route names, are nobody's aliases. */
static bool may_be_alias(const struct conn *c, const struct smtp_path *path)
{
    const struct msa_options *o = &c->service->generation->options;
    struct sv domain = smtp_path_domain(path);
    return o->rewrite.resolve_aliases != REWRITE_ALIASES_STAY && path->kind == SMTP_PATH_MAILBOX &&
           !policy_is_ours(domain, o) && !policy_name_is_known(domain, o);
}

/* What cannot stand in an address is no name to go by. */
static void take_canonical(struct path_check *k, const char *name)
{
    struct smtp_path path;
    const char *address = arena_printf(
        &k->arena, "%.*s%s", SV_ARG(sv_first(k->path.text, k->path.local_len + 1u)), name);
    if (smtp_path_parse_address(&k->arena, sv_of(address), k->use, &path) != SMTP_PATH_OK ||
        sv_eq(path.text, k->path.text))
        return;
    k->original = k->path.text;
    k->path = path;
    k->address = path.text;
}

static void on_alias_known(void *arg, enum names_answer answer)
{
    struct path_check *k = arg;
    struct conn *c = k->conn;
    const char *canonical = names_canonical(k->query);
    k->query = NULL;
    if (answer == NAMES_UNKNOWN) {
        struct smtp_reply r = reject_names();
        r.setting = SV("rewrite.resolve_aliases");
        finish(k, false, &r);
    } else {
        if (canonical && answer != NAMES_NO)
            take_canonical(k, canonical);
        rewrite(k);
    }
    conn_pump(c, SV_NONE);
}

/* Nothing of our own is in the way. */
static void pass(struct path_check *k)
{
    if (may_be_alias(k->conn, &k->path))
        ask(k, smtp_path_domain(&k->path), on_alias_known);
    else
        rewrite(k);
}

/* ---- return path ---- */

static void on_return_known(void *arg, enum names_answer answer)
{
    struct path_check *k = arg;
    struct conn *c = k->conn;
    struct smtp_reply r = SMTP_REPLY_NONE;
    if (answer == NAMES_NO)
        r = reject_no_return();
    else if (answer == NAMES_NULL_MX)
        r = reject_null_return();
    k->query = NULL;
    if (r.code)
        finish(k, false, &r);
    else
        pass(k);
    conn_pump(c, SV_NONE);
}

static bool by_rules(struct conn *c, enum smtp_path_use use, const struct smtp_path *path,
                     struct arena *a, struct smtp_reply *refusal)
{
    const struct msa_options *o = &c->service->generation->options;
    struct rights_holder rights = conn_rights(c);
    if (use == SMTP_PATH_REVERSE) {
        if (!rights_reverse_path(&rights, path, a, refusal))
            return false;
        if (c->login || policy_forward_path(path, o, a, refusal))
            return true;
        *refusal = reject_literal_return();
        return false;
    }
    bool to_postmaster = policy_is_postmaster(path, o);
    if (!c->login && !c->trusted && !to_postmaster) {
        *refusal = reject_no_login(); /* auth.open_postmaster has let it come that far */
        return false;
    }
    return (to_postmaster || rights_forward_path(&rights, path, a, refusal)) &&
           policy_forward_path(path, o, a, refusal);
}

/* Whether only the DNS can tell if mail goes back to this path: with a login it is the login's. */
static bool must_ask(const struct conn *c, enum smtp_path_use use, const struct smtp_path *path)
{
    return use == SMTP_PATH_REVERSE && !c->login &&
           !policy_return_is_known(path, &c->service->generation->options);
}

static void judge(struct path_check *k)
{
    struct smtp_reply refusal = SMTP_REPLY_NONE;
    bool good = by_rules(k->conn, k->use, &k->path, &k->arena, &refusal);
    if (good && must_ask(k->conn, k->use, &k->path))
        ask(k, smtp_path_domain(&k->path), on_return_known);
    else if (good)
        pass(k);
    else
        finish(k, false, &refusal);
}

/* ---- completion ---- */

static void complete(struct path_check *k)
{
    k->address = sv_of(arena_printf(&k->arena, "%.*s%.*s",
                                    SV_ARG(sv_first(k->path.text, (size_t)k->path.local_len + 1)),
                                    SV_ARG(k->candidate)));
    enum smtp_path_verdict v = smtp_path_parse_address(&k->arena, k->address, k->use, &k->path);
    if (v == SMTP_PATH_OK) {
        judge(k);
        return;
    }
    struct smtp_reply r = smtp_path_refusal(v, k->use); /* too long by now */
    finish(k, false, &r);
}

static void try_domains(struct path_check *k);

static void on_name_known(void *arg, enum names_answer answer)
{
    struct path_check *k = arg;
    struct conn *c = k->conn;
    k->query = NULL;
    if (answer == NAMES_UNKNOWN) {
        struct smtp_reply r = reject_names();
        finish(k, false, &r);
    } else if (answer == NAMES_NO) {
        try_domains(k);
    } else {
        complete(k);
    }
    conn_pump(c, SV_NONE);
}

/* A name that takes no mail exists all the same: it is what was meant. */
static void try_domains(struct path_check *k)
{
    const struct conf_strings *domains = &options(k)->domains;
    if (k->domain == domains->count) {
        struct smtp_reply r = smtp_path_refusal(SMTP_PATH_UNQUALIFIED, k->use);
        r.text = SV("Domain is not fully qualified, and no domain of ours completes it");
        r.setting = SV("rewrite.complete_domains");
        finish(k, false, &r);
        return;
    }
    k->candidate = sv_of(arena_printf(&k->arena, "%.*s.%s", SV_ARG(smtp_path_domain(&k->path)),
                                      domains->items[k->domain++]));
    if (policy_name_is_known(k->candidate, options(k)))
        complete(k);
    else
        ask(k, k->candidate, on_name_known);
}

/* ---- */

static void look_up(struct conn *c, const struct smtp_action *a)
{
    struct path_check *k = NEW(struct path_check);
    k->conn = c;
    arena_init(&k->arena);
    k->use = a->use;
    k->path = *a->path;
    k->path.text = arena_sv(&k->arena, a->path->text);
    if (conn_policy_is_wanted(c)) {
        k->args = conn_policy_args(a, &k->arena);
        k->size = a->envelope->values[SMTP_MAIL_SIZE].number;
    }
    c->path = k;
    c->op_path = a->op;
    conn_watch(c, a->op);
    if (k->path.unqualified)
        try_domains(k);
    else
        judge(k);
}

void conn_check_path(struct conn *c, const struct smtp_action *a)
{
    struct smtp_reply refusal = SMTP_REPLY_NONE;
    struct arena scratch;
    if (a->use == SMTP_PATH_REVERSE && atomic_load(&c->worker->shared->paused)) {
        refusal = reject_paused();
        conn_answer(c, a->op, SMTP_FAILED, &refusal);
        return;
    }
    if (a->use == SMTP_PATH_REVERSE)
        c->unfiltered = a->envelope->values[SMTP_MAIL_XRETURN].number == SMTP_RETURN_VERDICT;
    if (a->path->unqualified || must_ask(c, a->use, a->path) || conn_policy_is_wanted(c) ||
        rewrite_rules_has(c->service->rules, place_of(a->use)) || may_be_alias(c, a->path)) {
        look_up(c, a);
        return;
    }
    arena_init(&scratch);
    bool good = by_rules(c, a->use, a->path, &scratch, &refusal);
    conn_answer(c, a->op, good ? SMTP_OK : SMTP_FAILED, &refusal);
    arena_deinit(&scratch);
}
