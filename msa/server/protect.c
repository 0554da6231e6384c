/*
 * What has to be done with a message, and the end of it.
 *
 *     [header read] -> find -> decide -> sign -> encrypt, for each group -> rows divided -> ended
 *          \ body read ^  \ refused \ refused
 */
#include "msa/server/protect.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/throttle.h"
#include "msa/loop/clock.h"
#include "msa/server/protect_internal.h"
#include "msa/server/reject.h"
#include "rewrite/changes.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT_MAX (4u << 20) /* what one piece, and what all recipients' keys, may become */

struct log_ctx protect_ctx(const struct protect *p, const char *queue_id)
{
    return (struct log_ctx){
        .session = p->target.session, .queue = sv_of(queue_id), .login = p->target.login};
}

bool protect_may_warn(void)
{
    static _Atomic uint64_t next_ms;
    return throttle_passes(&next_ms, clock_mono_ms());
}

/* ---- the end ---- */

static void end_proof(struct protect *p)
{
    if (p->proof)
        rewrite_smime_proof_deinit(p->proof);
    free(p->proof);
    p->proof = NULL;
}

static void protect_free(struct protect *p)
{
    protect_pass_stop(p);
    end_proof(p);
    protect_sign_end(p);
    protect_encrypt_end(p);
    protect_find_end(p); /* encryption has used what was found */
    block_drop(p->provenance_start);
    rewrite_smime_section_deinit(&p->section);
    buf_deinit(&p->out);
    arena_deinit(&p->arena);
    service_drop(p->service);
    free(p);
}

void protect_give_up(struct worker *w, struct store_also *also)
{
    for (struct store_also *a = also; a; a = a->next)
        content_give_up(w->shared->store, a->message);
    store_also_free(also);
}

void protect_cancel(struct protect *p)
{
    protect_give_up(p->worker, p->also);
    protect_free(p);
}

void protect_refuse(struct protect *p, const struct smtp_reply *reply)
{
    protect_ended *ended = p->ended;
    void *arg = p->arg;
    struct arena words;
    struct smtp_reply r = *reply;
    arena_init(&words);
    r.text = arena_sv(&words, r.text);
    protect_cancel(p);
    ended(arg, &r, NULL);
    arena_deinit(&words);
}

/* The rows that the message keeps. */
static void divide_rows(struct protect *p)
{
    const size_t *kept = p->plain;
    size_t count = p->nplain;
    for (size_t i = 0; i < p->ngroups; i++)
        if (p->groups[i].is_target) {
            kept = p->groups[i].indices;
            count = p->groups[i].count;
        }
    if (count == (*p->target.rows)->nrows)
        return;
    struct queue_batch *rows = queue_batch_pick(*p->target.rows, kept, count);
    for (size_t i = 0; i < count; i++)
        rows->rows[i].number = (uint32_t)i;
    queue_batch_free(*p->target.rows);
    *p->target.rows = rows;
}

static void end(struct protect *p)
{
    protect_ended *ended = p->ended;
    void *arg = p->arg;
    struct store_also *also = p->also;
    if (p->ngroups)
        divide_rows(p);
    protect_free(p);
    ended(arg, NULL, also);
}

void protect_next(struct protect *p)
{
    if (p->group < p->ngroups)
        protect_encrypt(p);
    else
        end(p);
}

/* ---- what has to be done ---- */

static void add_group(struct protect *p, size_t *indices, size_t count)
{
    p->groups[p->ngroups++] = (struct protect_group){.indices = indices, .count = count};
}

/* The message that was given is read for all the others: it becomes one of them at last, if it is
 * not kept as it is. */
static void choose_target(struct protect *p)
{
    struct protect_group first = p->groups[0];
    if (p->nplain)
        return;
    p->groups[0] = p->groups[p->ngroups - 1];
    p->groups[p->ngroups - 1] = first;
    p->groups[p->ngroups - 1].is_target = true;
}

/* How many are hidden. */
static size_t make_groups(struct protect *p)
{
    size_t count = (*p->target.rows)->nrows, nnamed = 0, nhidden = 0;
    size_t *named = arena_alloc(&p->arena, count * sizeof *named);
    size_t *hidden = arena_alloc(&p->arena, count * sizeof *hidden);
    p->plain = arena_alloc(&p->arena, count * sizeof *p->plain);
    p->groups = arena_alloc(&p->arena, (count + 1) * sizeof *p->groups);
    for (size_t i = 0; i < count; i++) {
        switch (p->shares[i].kind) {
        case REWRITE_SMIME_SHARE_PLAIN:
            p->plain[p->nplain++] = i;
            break;
        case REWRITE_SMIME_SHARE_NAMED:
            named[nnamed++] = i;
            break;
        case REWRITE_SMIME_SHARE_HIDDEN:
            hidden[nhidden++] = i;
            break;
        }
    }
    for (size_t i = 0; i < nnamed; i += PROTECT_TOGETHER_MAX)
        add_group(p, &named[i],
                  nnamed - i < PROTECT_TOGETHER_MAX ? nnamed - i : PROTECT_TOGETHER_MAX);
    for (size_t i = 0; i < nhidden; i++)
        add_group(p, &hidden[i], 1);
    if (p->ngroups)
        choose_target(p);
    return nhidden;
}

static void refuse_plain(struct protect *p, size_t index)
{
    enum rewrite_smime_fault fault = p->shares[index].fault;
    struct smtp_reply r = reject_no_certificate();
    char text[SMTP_PATH_MAX + 300];
    snprintf(text, sizeof text, "Mail to <%s> has to be encrypted (S/MIME), and %s%s",
             (*p->target.rows)->rows[index].address,
             fault ? "the certificate for this address "
                   : "there is no certificate for this address",
             fault ? rewrite_smime_fault_words(fault) : "");
    r.text = sv_of(text);
    protect_refuse(p, &r);
}

/* Who has a certificate, and gets plain text all the same. */
static void warn_of_plain(const struct protect *p)
{
    struct log_ctx ctx = protect_ctx(p, p->target.message->id);
    for (size_t i = 0; i < (*p->target.rows)->nrows; i++) {
        const struct rewrite_smime_share *share = &p->shares[i];
        if (share->kind != REWRITE_SMIME_SHARE_PLAIN || !share->fault || !protect_may_warn())
            continue;
        log_event(LOG_WARNING, "unencrypted", &ctx,
                  "rewrite.encrypt[%zu]: not encrypted (S/MIME) to <%s>: the certificate %s",
                  share->row, (*p->target.rows)->rows[i].address,
                  rewrite_smime_fault_words(share->fault));
    }
}

/* False: refused. */
static bool find_groups(struct protect *p)
{
    const struct queue_batch *rows = *p->target.rows;
    struct sv *addresses = arena_alloc(&p->arena, (rows->nrows + 1) * sizeof *addresses);
    size_t lacking;
    for (size_t i = 0; i < rows->nrows; i++)
        addresses[i] = sv_of(rows->rows[i].address);
    p->shares = arena_alloc(&p->arena, (rows->nrows + 1) * sizeof *p->shares);
    if (!rewrite_smime_share_out(p->service->smime, rewrite_smime_section_fields(&p->section),
                                 addresses, p->found, rows->nrows, p->now_s, p->shares, &lacking)) {
        refuse_plain(p, lacking);
        return false;
    }
    if (p->target.is_returned)
        return true;
    warn_of_plain(p);
    uint64_t nhidden = make_groups(p);
    if (nhidden > PROTECT_HIDDEN_MAX ||
        (nhidden > 1 && nhidden * p->target.message->size > PROTECT_HIDDEN_BYTES)) {
        struct smtp_reply r = reject_many_hidden();
        protect_refuse(p, &r);
        return false;
    }
    return true;
}

/* The fault of the row that ought to sign; NULL: none, and signer says whether anybody has to. */
static const char *find_signer(struct protect *p, bool *wanted_out)
{
    char text[SMTP_PATH_MAX];
    struct sv from = rewrite_smime_author(rewrite_smime_section_fields(&p->section), text);
    const char *fault = NULL;
    *wanted_out = rewrite_smime_signer(p->service->smime, from, p->target.login, p->now_s,
                                       &p->signer, &fault);
    return fault;
}

void protect_found(struct protect *p)
{
    bool wanted = false;
    const char *fault = NULL;
    char words[200];
    if (p->was == REWRITE_SMIME_PLAIN)
        fault = find_signer(p, &wanted);
    if (p->was != REWRITE_SMIME_ENCRYPTED && rewrite_smime_encrypts(p->service->smime) &&
        !find_groups(p))
        return;
    if (wanted && fault) {
        snprintf(words, sizeof words, "the certificate %s", fault);
        protect_unsigned(p, words, false);
    } else if (wanted) {
        protect_sign(p);
    } else {
        protect_next(p);
    }
}

static void decide(struct protect *p, enum rewrite_smime_form form)
{
    p->was = form;
    if (form != REWRITE_SMIME_ENCRYPTED && rewrite_smime_encrypts(p->service->smime))
        protect_find(p);
    else
        protect_found(p);
}

/* ---- what it is already ---- */

static int eat_body(struct protect *p, struct sv piece)
{
    rewrite_smime_proof_feed(p->proof, piece);
    return 0;
}

static void body_eaten(struct protect *p)
{
    enum rewrite_smime_form form = rewrite_smime_proof_end(p->proof);
    struct log_ctx ctx = protect_ctx(p, p->target.message->id);
    end_proof(p);
    if (form == REWRITE_SMIME_PLAIN)
        log_event(LOG_INFO, "smime-unproven", &ctx,
                  "Content-Type says signed or encrypted, the content does not: taken for plain");
    decide(p, form);
}

static int eat_header(struct protect *p, struct sv piece)
{
    struct sv rest;
    int err = rewrite_smime_section_feed(&p->section, piece, &rest);
    p->enough = p->section.whole;
    return err;
}

static void header_eaten(struct protect *p)
{
    struct sv fields;
    if (!p->section.whole) {
        protect_storage_failed(p, ERR_CORRUPT); /* no header of ours is without an end */
        return;
    }
    fields = rewrite_smime_section_fields(&p->section);
    if (rewrite_smime_form_of(fields) == REWRITE_SMIME_PLAIN) {
        decide(p, REWRITE_SMIME_PLAIN);
        return;
    }
    p->proof = NEW(struct rewrite_smime_proof);
    rewrite_smime_proof_init(p->proof, p->header_max, fields);
    protect_pass(p, buf_len(&p->section.text), eat_body, body_eaten);
}

bool protect_wants(const struct service *s, const struct protect_target *t)
{
    size_t row;
    if (rewrite_smime_signs_login(s->smime, t->login))
        return true;
    for (size_t i = 0; rewrite_smime_encrypts(s->smime) && i < (*t->rows)->nrows; i++) {
        char text[SMTP_PATH_MAX];
        struct sv key = rewrite_smime_key(sv_of((*t->rows)->rows[i].address), text);
        if (rewrite_smime_policy_of(s->smime, key, &row) != REWRITE_SMIME_NEVER)
            return true;
    }
    return false;
}

struct protect *protect_start(struct worker *w, struct service *s, const struct protect_target *t,
                              protect_ended *ended, void *arg)
{
    struct protect *p = NEW(struct protect);
    p->worker = w;
    p->service = service_keep(s);
    p->target = *t;
    p->ended = ended;
    p->arg = arg;
    p->now_s = clock_wall_s();
    p->header_max = REWRITE_CHANGED_MAX((size_t)s->generation->options.limits.header_size_bytes);
    arena_init(&p->arena);
    buf_init(&p->out, 2 * p->header_max + OUT_MAX, 0); /* encrypted: 1.4 times as large */
    protect_sign_init(p);
    rewrite_smime_section_init(&p->section, p->header_max);
    protect_pass(p, 0, eat_header, header_eaten);
    return p;
}
