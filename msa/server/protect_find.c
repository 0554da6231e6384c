/*
 * Certificates that stand in a directory: the keeper is asked for those recipients who may be
 * encrypted to and have none that is configured, a few at once. Where a directory is silent the
 * message waits at the client: in clear it would go to whoever silenced it.
 */
#include "msa/base/mem.h"
#include "msa/server/protect_internal.h"
#include "msa/server/reject.h"

#include <stdio.h>
#include <stdlib.h>

#define FIND_MS 30000 /* for all of a message */

static void refuse_silent(struct protect *p, size_t row)
{
    struct smtp_reply r = reject_no_directory();
    char text[SMTP_PATH_MAX + 200];
    snprintf(
        text, sizeof text,
        "Whether mail to <%s> can be encrypted (S/MIME) cannot be looked up now, try again later",
        (*p->target.rows)->rows[row].address);
    r.text = sv_of(text);
    protect_refuse(p, &r);
}

static void on_late(void *arg)
{
    struct protect *p = arg;
    for (size_t i = 0; i < PROTECT_FINDS_MAX; i++)
        if (p->finds[i].ask) {
            refuse_silent(p, p->finds[i].row);
            return;
        }
}

static bool is_wanted(const struct protect *p, size_t row)
{
    const struct rewrite_smime *set = p->service->smime;
    enum rewrite_smime_fault fault;
    char text[SMTP_PATH_MAX];
    size_t rule;
    struct sv key = rewrite_smime_key(sv_of((*p->target.rows)->rows[row].address), text);
    return rewrite_smime_policy_of(set, key, &rule) != REWRITE_SMIME_NEVER &&
           !rewrite_smime_certificate(set, key, p->now_s, &fault);
}

static void on_answer(void *arg, uint64_t id, const struct auth_answer *answer);

/* Keeps as many questions under way as may be; then, all being answered, goes on. */
static void ask_more(struct protect *p)
{
    bool busy = false;
    for (size_t i = 0; i < PROTECT_FINDS_MAX; i++) {
        struct protect_find *f = &p->finds[i];
        while (!f->ask && p->find_next < (*p->target.rows)->nrows) {
            f->row = p->find_next++;
            if (is_wanted(p, f->row))
                f->ask = auth_client_find(
                    p->worker->auth, sv_of((*p->target.rows)->rows[f->row].address), on_answer, f);
        }
        busy |= f->ask != 0;
    }
    if (!busy) {
        timer_stop(&p->find_timer);
        protect_found(p);
    }
}

/* Certificates as OpenSSL holds them, before they are read. */
static bool take_memory(struct protect *p, size_t bytes)
{
    int64_t estimate = 8 * (int64_t)bytes;
    if (!memory_take(&p->worker->shared->memory, estimate))
        return false;
    *p->target.memory_bytes += estimate;
    return true;
}

static void on_answer(void *arg, uint64_t id, const struct auth_answer *answer)
{
    struct protect_find *f = arg;
    struct protect *p = f->protect;
    char text[SMTP_PATH_MAX];
    (void)id;
    f->ask = 0;
    if (answer->verdict != AUTH_OK && answer->verdict != AUTH_DENIED) {
        refuse_silent(p, f->row);
        return;
    }
    if (answer->verdict == AUTH_OK && !take_memory(p, answer->data.len)) {
        struct smtp_reply r = reject_memory();
        protect_refuse(p, &r);
        return;
    }
    if (answer->verdict == AUTH_OK)
        rewrite_smime_found_read(
            p->service->smime, answer->data,
            rewrite_smime_key(sv_of((*p->target.rows)->rows[f->row].address), text), p->now_s,
            &p->found[f->row]);
    ask_more(p);
}

void protect_find(struct protect *p)
{
    size_t count = (*p->target.rows)->nrows;
    if (!rewrite_smime_has_directory(p->service->smime)) {
        protect_found(p);
        return;
    }
    p->found = mem_new(count + 1, sizeof *p->found);
    p->nfound = count;
    for (size_t i = 0; i < PROTECT_FINDS_MAX; i++)
        p->finds[i].protect = p;
    timer_init(&p->find_timer, p->worker->loop, on_late, p);
    timer_start(&p->find_timer, FIND_MS);
    ask_more(p);
}

void protect_find_end(struct protect *p)
{
    if (!p->found)
        return;
    timer_stop(&p->find_timer);
    for (size_t i = 0; i < PROTECT_FINDS_MAX; i++)
        if (p->finds[i].ask)
            auth_client_cancel(p->worker->auth, p->finds[i].ask);
    for (size_t i = 0; i < p->nfound; i++)
        rewrite_smime_found_free(&p->found[i]);
    free(p->found);
    p->found = NULL;
}
