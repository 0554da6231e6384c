/*
 * The signature:
 *
 *     pass: what is not 7-bit? -> pass: signed entity out, hashed -> keeper: CMS of the hash -> the
 * rest out -> written \ not 7-bit, no keeper: unsigned, if it may be
 *
 * A message that goes unsigned after all has its content as it was; DKIM, which has seen the other
 * one, must see it once more.
 */
#include "msa/loop/clock.h"
#include "msa/server/protect_internal.h"
#include "msa/server/reject.h"

#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static struct queue_message *message_of(const struct protect *p)
{
    return p->target.message;
}

static void end_survey(struct protect *p)
{
    if (p->survey)
        rewrite_survey_deinit(p->survey);
    free(p->survey);
    p->survey = NULL;
}

void protect_sign_end(struct protect *p)
{
    end_survey(p);
    if (p->encode)
        rewrite_encode_deinit(p->encode);
    free(p->encode);
    p->encode = NULL;
    rewrite_plan_deinit(&p->plan);
    if (p->ask)
        auth_client_cancel(p->worker->auth, p->ask);
    p->ask = 0;
    timer_stop(&p->timer);
    if (p->signing)
        rewrite_smime_sign_deinit(&p->sign);
    p->signing = false;
}

/* ---- unsigned ---- */

static int eat_dkim(struct protect *p, struct sv piece)
{
    rewrite_dkim_feed(p->target.dkim, piece);
    return 0;
}

void protect_unsigned(struct protect *p, const char *fault, bool now)
{
    struct log_ctx ctx = protect_ctx(p, message_of(p)->id);
    bool was_written = p->writer != NULL;
    char text[200];
    protect_sign_end(p);
    protect_pass_stop(p);
    p->signer.cert = NULL;
    if (p->signer.require) {
        struct smtp_reply r = now ? reject_smime_now() : reject_smime_ever();
        snprintf(text, sizeof text, "This message has to be signed (S/MIME), and cannot be: %s",
                 fault);
        r.text = sv_of(text);
        protect_refuse(p, &r);
        return;
    }
    if (protect_may_warn())
        log_event(LOG_WARNING, "unsigned", &ctx, "rewrite.smime[%zu]: not signed (S/MIME): %s",
                  p->signer.row, fault);
    if (!was_written) {
        protect_next(p);
        return;
    }
    rewrite_dkim_restart(p->target.dkim);
    protect_pass(p, 0, eat_dkim, protect_next);
}

/* ---- signed ---- */

static void on_written(struct protect *p)
{
    struct queue_message *m = message_of(p);
    rewrite_provenance_layer(p->target.provenance, REWRITE_BY_SMIME, SV_NONE, true);
    rewrite_provenance_edits(p->target.provenance, &p->sign.edits);
    m->binary = false;
    protect_sign_end(p);
    protect_next(p);
}

static void on_signature(void *arg, uint64_t id, const struct auth_answer *a)
{
    struct protect *p = arg;
    (void)id;
    p->ask = 0;
    timer_stop(&p->timer);
    if (a->verdict != AUTH_OK) {
        protect_unsigned(p, "the keeper of the key does not sign", true);
        return;
    }
    int err = rewrite_smime_sign_finish(&p->sign, a->data, &p->out);
    if (err < 0)
        protect_storage_failed(p, err);
    else
        protect_finish(p);
}

static void on_late(void *arg)
{
    protect_unsigned(arg, "the keeper of the key does not answer", true);
}

/* ---- the second pass ---- */

static int feed(struct protect *p, struct sv piece)
{
    if (p->encode)
        piece = rewrite_encode_feed(p->encode, piece);
    return rewrite_smime_sign_feed(&p->sign, piece, &p->out);
}

/* The last of it; then the hash is known. */
static int end_feed(struct protect *p, uint8_t hash[REWRITE_SMIME_HASH_BYTES])
{
    int err = 0;
    if (p->encode)
        err = rewrite_smime_sign_feed(&p->sign, rewrite_encode_end(p->encode), &p->out);
    err = err ? err : protect_flush(p);
    return err ? err : rewrite_smime_sign_end(&p->sign, hash);
}

static void ask(struct protect *p)
{
    uint8_t hash[REWRITE_SMIME_HASH_BYTES];
    int err = end_feed(p, hash);
    if (err == ERR_SYNTAX) {
        protect_unsigned(p, "it cannot be made 7-bit", false);
        return;
    }
    if (err < 0) {
        protect_storage_failed(p, err);
        return;
    }
    timer_start(&p->timer, PROTECT_KEEPER_MS);
    p->ask = auth_client_sign(p->worker->auth, sv_of(p->signer.cert->id), AUTH_SIGN_CMS,
                              (struct sv){(const char *)hash, sizeof hash}, on_signature, p);
}

/* A boundary that stands in no message: nobody can know it before. */
static void make_boundary(char out[REWRITE_SMIME_BOUNDARY_CHARS + 1])
{
    snprintf(out, REWRITE_SMIME_BOUNDARY_CHARS + 1, "=_%016llx%016llx",
             (unsigned long long)random_u64(), (unsigned long long)random_u64());
}

/* The entity's own header first, then the body, which lies behind that of the message. */
static void pass_entity(struct protect *p, int (*eat)(struct protect *p, struct sv piece),
                        void (*eaten)(struct protect *p))
{
    struct buf header;
    buf_init(&header, p->header_max + 64, 0);
    int err = rewrite_smime_alone(rewrite_smime_section_fields(&p->section), &header);
    err = err ? err : eat(p, buf_view(&header));
    buf_deinit(&header);
    if (err < 0)
        protect_storage_failed(p, err);
    else
        protect_pass(p, buf_len(&p->section.text), eat, eaten);
}

/* ---- the first pass ---- */

static int eat_survey(struct protect *p, struct sv piece)
{
    rewrite_survey_feed(p->survey, piece);
    return 0;
}

static void surveyed(struct protect *p)
{
    char boundary[REWRITE_SMIME_BOUNDARY_CHARS + 1];
    rewrite_survey_end(p->survey);
    rewrite_survey_take(p->survey, &p->plan);
    end_survey(p);
    if (p->plan.unfit != REWRITE_UNFIT_NONE) {
        protect_unsigned(p, rewrite_unfit_text(p->plan.unfit), false);
        return;
    }
    if (p->plan.changes) {
        p->encode = NEW(struct rewrite_encode);
        rewrite_encode_init(p->encode, &p->plan, p->header_max);
    }
    make_boundary(boundary);
    rewrite_smime_sign_init(&p->sign, p->header_max, rewrite_smime_section_fields(&p->section),
                            boundary);
    p->signing = true;
    protect_write(p, on_written);
    pass_entity(p, feed, ask);
}

void protect_sign_init(struct protect *p)
{
    timer_init(&p->timer, p->worker->loop, on_late, p);
}

void protect_sign(struct protect *p)
{
    p->survey = NEW(struct rewrite_survey);
    rewrite_survey_init(p->survey, REWRITE_FORM_7BIT | REWRITE_FORM_LINES, p->header_max);
    pass_entity(p, eat_survey, surveyed);
}
