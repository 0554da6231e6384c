/*
 *     worker: spending_ask --post--> main: budget_take --post--> worker: done
 *                                      |                            |
 *                   notice, hold <-----+        keep or give back --post--> main: freed
 *
 * A ticket belongs to the thread that it was posted to. ended is the asker's own word while an
 * answer is on its way: it is looked at when that has come.
 */
#include "msa/server/spending.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/server/reject.h"
#include "msa/server/spending_notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SWEEP_MS    600000u
#define REPLY_CHARS 300

struct spending_ticket {
    struct task task;
    struct spending *spending;
    struct mailbox *reply;
    spending_done *done;
    void *arg;
    char *login;
    uint64_t *recipients, *fresh; /* one block */
    struct budget_take take;
    bool answered, ended, keep; /* the asker's */
    bool counts;                /* something was taken */
    char text[REPLY_CHARS];
};

struct spending {
    struct mailbox *main;
    struct budget *budget;
    struct store *store; /* NULL: not yet, or no more */
    struct auth_client *auth;
    struct timer sweep;
    const char *hostname, *postmaster;
    struct relay_notice_signer signer;
};

/* ---- what follows from it ---- */

static void on_put(struct store_put *p, int err)
{
    if (err < 0)
        log_event(LOG_ERROR, "budget-notice", NULL, "could not be queued: %s", err_text(err));
    free(p);
}

static void on_signed(void *arg)
{
    struct store_put *p = arg;
    struct spending *s = p->arg;
    store_put(s->store, p);
}

static void notify(struct spending *s, const struct spending_notice *n)
{
    char id[QUEUE_ID_LEN + 1];
    struct buf text;
    struct store_put *p = NEW(struct store_put);
    queue_id_make(id, clock_wall_ms(), random_u64());
    buf_init(&text, SIZE_MAX / 2, 0);
    spending_notice_write(n, id, &text);
    p->reply = s->main;
    p->message = relay_notice_message(&text, id, n->to, &p->rows);
    p->done = on_put;
    p->arg = s;
    relay_notice_sign(s->signer, p->message, on_signed, p);
    buf_deinit(&text);
}

static struct spending_notice notice_of(const struct spending *s, const char *login,
                                        const struct budget_take *t)
{
    return (struct spending_notice){.hostname = sv_of(s->hostname),
                                    .postmaster = sv_of(s->postmaster),
                                    .login = sv_of(login),
                                    .take = *t,
                                    .now_s = t->now_s};
}

/* A login that is no address gets no message; the log has it. */
static void warn(struct spending *s, const struct spending_ticket *t)
{
    struct spending_notice n = notice_of(s, t->login, &t->take);
    struct smtp_path path;
    struct arena a;
    arena_init(&a);
    log_event(LOG_WARNING, "budget-near", &(struct log_ctx){.login = sv_of(t->login)},
              "%" PRIu64 " of %" PRIu64 " %s (permissions[].%s)", t->take.used,
              t->take.limits.most[t->take.kind], budget_words(t->take.kind),
              budget_key(t->take.kind));
    if (smtp_path_parse_address(&a, sv_of(t->login), SMTP_PATH_FORWARD, &path) == SMTP_PATH_OK) {
        n.to = path.text;
        notify(s, &n);
    }
    arena_deinit(&a);
}

struct holding {
    struct spending *spending;
    char *login;
    struct budget_take take;
    bool tells;
};

static void tell_postmaster(struct spending *s, const char *login, const struct budget_take *take,
                            uint64_t held)
{
    struct spending_notice n = notice_of(s, login, take);
    struct smtp_path path;
    struct arena a;
    n.held = held;
    arena_init(&a);
    if (take->tells && s->store &&
        smtp_path_parse_address(&a, sv_of(s->postmaster), SMTP_PATH_FORWARD, &path) ==
            SMTP_PATH_OK) {
        n.to = path.text;
        notify(s, &n);
    }
    arena_deinit(&a);
}

static void on_held(struct store_admin *a)
{
    struct holding *h = a->arg;
    if (a->err < 0)
        log_event(LOG_ERROR, "budget-hold", &(struct log_ctx){.login = sv_of(h->login)},
                  "the rest of the login's queue could not be held: %s", err_text(a->err));
    if (h->tells)
        tell_postmaster(h->spending, h->login, &h->take, a->touched);
    store_admin_free(a);
    free(h->login);
    free(h);
}

static void hold_rest(struct spending *s, const struct spending_ticket *t, bool tells)
{
    struct holding *h = NEW(struct holding);
    *h = (struct holding){
        .spending = s, .login = mem_str(t->login), .take = t->take, .tells = tells};
    struct store_admin *a = store_admin_new(STORE_HOLD, s->main, on_held, h);
    a->filter.user = arena_str(&a->arena, sv_of(t->login));
    store_admin(s->store, a);
}

static void on_locked(void *arg, uint64_t id, const struct auth_answer *answer)
{
    (void)arg;
    (void)id;
    if (answer->verdict != AUTH_OK)
        log_event(LOG_ERROR, "budget-lock", NULL,
                  "a login that sent too much could not be locked (\"msactl user disable\" does)");
}

static void lock(struct spending *s, const struct spending_ticket *t)
{
    char why[120];
    snprintf(why, sizeof why, "sent %" PRIu64 " %s, of %" PRIu64, t->take.used,
             budget_words(t->take.kind), t->take.limits.most[t->take.kind]);
    auth_client_lock(s->auth, sv_of(t->login), sv_of(why), on_locked, s);
}

/* For the next process. */
static unsigned broken_of(const struct spending_ticket *t)
{
    return t->take.verdict == BUDGET_OK ? 0 : 1u << t->take.kind;
}

static void punish(struct spending *s, const struct spending_ticket *t)
{
    log_event(LOG_WARNING, "budget-broken", &(struct log_ctx){.login = sv_of(t->login)},
              "%" PRIu64 " of %" PRIu64 " %s (permissions[].%s): %s%s", t->take.used,
              t->take.limits.most[t->take.kind], budget_words(t->take.kind),
              budget_key(t->take.kind), t->take.verdict == BUDGET_REFUSED ? "refused" : "held",
              t->take.limits.lock_auth ? ", and the login is locked" : "");
    if (t->take.limits.lock_auth)
        lock(s, t);
    if (t->take.verdict == BUDGET_REFUSED) /* else it is kept with the message */
        store_add_spent(
            s->store, &(struct store_spent){.login = t->login,
                                            .slot_s = t->take.now_s - t->take.now_s % BUDGET_SLOT_S,
                                            .broken = broken_of(t)});
    if (t->take.limits.hold)
        hold_rest(s, t, true);
    else
        tell_postmaster(s, t->login, &t->take, 0);
}

/* ---- main thread ---- */

static void free_ticket(struct spending_ticket *t)
{
    free(t->login);
    free(t->recipients);
    free(t);
}

static void run_answer(struct task *task);

static void run_ask(struct task *task)
{
    struct spending_ticket *t = (struct spending_ticket *)task;
    struct spending *s = t->spending;
    t->take.verdict = BUDGET_OK;
    if (s->store) {
        t->take.now_s = clock_wall_s();
        budget_take(s->budget, &t->take);
        t->counts = t->take.verdict != BUDGET_REFUSED;
        if (t->take.warns)
            warn(s, t);
        /* what is to be held is not in the queue yet, and may never come: spending_keep() */
        if (t->take.breaks && t->take.verdict == BUDGET_REFUSED)
            punish(s, t);
    }
    t->task.run = run_answer;
    mailbox_post(t->reply, &t->task);
}

/* Who was written to by a message that is held is not known yet, else the next one would go. */
static bool learns(const struct spending_ticket *t)
{
    return t->take.verdict == BUDGET_OK && t->take.nfresh <= t->take.room;
}

static void run_end(struct task *task)
{
    struct spending_ticket *t = (struct spending_ticket *)task;
    struct spending *s = t->spending;
    if (t->counts && t->keep && learns(t))
        budget_keep(s->budget, &t->take);
    else if (t->counts && !t->keep)
        budget_give_back(s->budget, &t->take);
    if (t->keep && s->store && t->take.breaks)
        punish(s, t);
    else if (t->keep && s->store && t->take.verdict == BUDGET_OK && t->take.limits.hold &&
             budget_is_broken(s->budget, sv_of(t->login)))
        hold_rest(s, t, false); /* it may have been on its way when the budget was broken */
    free_ticket(t);
}

static void on_sweep(void *arg)
{
    struct spending *s = arg;
    timer_start(&s->sweep, SWEEP_MS);
    budget_sweep(s->budget, clock_wall_s());
}

struct spending *spending_new(struct mailbox *main)
{
    struct spending *s = NEW(struct spending);
    s->main = main;
    s->budget = budget_new();
    return s;
}

void spending_remember(struct spending *s, const struct store_spent *spent)
{
    struct budget_cost cost = {.slot_s = spent->slot_s};
    memcpy(cost.count, spent->count, sizeof cost.count);
    for (size_t i = 0; i < spent->nknown; i++)
        budget_remember_known(s->budget, sv_of(spent->login), spent->known[i], spent->seen_s);
    if (spent->nknown == 0)
        budget_remember(s->budget, sv_of(spent->login), &cost, spent->broken);
}

void spending_start(struct spending *s, struct loop *l, struct store *store,
                    struct auth_client *auth)
{
    s->store = store;
    s->auth = auth;
    timer_init(&s->sweep, l, on_sweep, s);
    timer_start(&s->sweep, SWEEP_MS);
}

void spending_set(struct spending *s, const char *hostname, const char *postmaster,
                  struct relay_notice_signer signer)
{
    s->hostname = hostname;
    s->postmaster = postmaster;
    s->signer = signer;
}

void spending_stop(struct spending *s)
{
    if (!s->store)
        return;
    timer_stop(&s->sweep);
    s->store = NULL;
}

void spending_free(struct spending *s)
{
    budget_free(s->budget);
    free(s);
}

void spending_forgive(struct spending *s, struct sv login)
{
    budget_reset(s->budget, login);
    if (s->store)
        store_forget_spent(s->store, login);
}

void spending_used(const struct spending *s, struct sv login, uint64_t used_out[BUDGET_COUNT])
{
    budget_used(s->budget, login, clock_wall_s(), used_out);
}

/* ---- the asker's thread ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Each once. */
static size_t list_recipients(const struct smtp_envelope *e, uint64_t *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < e->count; i++)
        out[i] = budget_recipient(e->recipients[i].path.text);
    qsort(out, e->count, sizeof *out, by_number);
    for (uint32_t i = 0; i < e->count; i++)
        if (count == 0 || out[count - 1] != out[i])
            out[count++] = out[i];
    return count;
}

struct spending_ticket *spending_ask(struct spending *s, struct mailbox *reply, struct sv login,
                                     const struct budget_limits *limits,
                                     const struct smtp_envelope *e, spending_done *done, void *arg)
{
    struct spending_ticket *t = NEW(struct spending_ticket);
    REQUIRE(e->count > 0 && login.len > 0);
    t->spending = s;
    t->reply = reply;
    t->done = done;
    t->arg = arg;
    t->login = sv_dup(login);
    t->recipients = mem_new(2 * (size_t)e->count, sizeof *t->recipients);
    t->fresh = t->recipients + e->count;
    t->take = (struct budget_take){.login = sv_of(t->login),
                                   .limits = *limits,
                                   .never_held = smtp_envelope_has(e, SMTP_MAIL_XRETURN),
                                   .recipients = t->recipients,
                                   .nrecipients = list_recipients(e, t->recipients),
                                   .fresh = t->fresh};
    t->task.run = run_ask;
    mailbox_post(s->main, &t->task);
    return t;
}

/* The figures, and when it is worth to try again. */
static struct smtp_reply refusal(struct spending_ticket *t)
{
    const struct budget_take *k = &t->take;
    bool never = k->again_s == 0;
    struct tm tm;
    time_t again = (time_t)k->again_s;
    char when[40] = "";
    if (!never && gmtime_r(&again, &tm))
        strftime(when, sizeof when, ", again from %Y-%m-%d %H:%M UTC", &tm);
    snprintf(t->text, sizeof t->text, "%s may send %" PRIu64 " %s, and this makes %" PRIu64 "%s",
             t->login, k->limits.most[k->kind], budget_words(k->kind), k->used, when);
    static const char *const settings[] = {
#define SETTING(name, key, words, window) "permissions[]." key,
        BUDGET_KINDS(SETTING)
#undef SETTING
    };
    struct smtp_reply r = reject_budget(never);
    r.text = sv_of(t->text);
    r.setting = sv_of(settings[k->kind]);
    return r;
}

static void end(struct spending_ticket *t)
{
    t->task.run = run_end;
    mailbox_post(t->spending->main, &t->task);
}

static void run_answer(struct task *task)
{
    struct spending_ticket *t = (struct spending_ticket *)task;
    t->answered = true;
    if (t->ended) {
        end(t);
        return;
    }
    struct smtp_reply r = SMTP_REPLY_NONE;
    if (t->take.verdict == BUDGET_REFUSED)
        r = refusal(t);
    t->done(t->arg, t->take.verdict, &r);
}

const struct store_spent *spending_record(const struct spending_ticket *t, struct arena *a)
{
    if (!t->counts)
        return NULL;
    struct store_spent *spent = arena_alloc(a, sizeof *spent);
    char *login = arena_str(a, sv_of(t->login));
    size_t nknown = t->take.nfresh + t->take.nstale;
    uint64_t *known = arena_alloc(a, (nknown + 1) * sizeof *known);
    for (char *c = login; *c; c++)
        *c = ascii_lower(*c);
    memcpy(known, t->fresh, nknown * sizeof *known);
    *spent = (struct store_spent){.login = login,
                                  .slot_s = t->take.cost.slot_s,
                                  .broken = broken_of(t),
                                  .known = known,
                                  .nknown = learns(t) ? nknown : 0,
                                  .seen_s = t->take.now_s};
    memcpy(spent->count, t->take.cost.count, sizeof spent->count);
    return spent;
}

bool spending_is_held(const struct spending_ticket *t)
{
    return t->take.verdict == BUDGET_HELD;
}

const char *spending_why(const struct spending_ticket *t, struct arena *a)
{
    const struct budget_take *k = &t->take;
    return arena_printf(a, "held: %" PRIu64 " %s, of %" PRIu64 " (permissions[].%s)", k->used,
                        budget_words(k->kind), k->limits.most[k->kind], budget_key(k->kind));
}

static void finish(struct spending_ticket *t, bool keep)
{
    t->keep = keep;
    t->ended = true;
    if (t->answered)
        end(t);
}

void spending_keep(struct spending_ticket *t)
{
    finish(t, true);
}

void spending_give_back(struct spending_ticket *t)
{
    finish(t, false);
}
