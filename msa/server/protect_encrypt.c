/*
 * One encrypted form: a pass over the message that was given, into a message of its own, which is
 * then signed by DKIM; or into the one that was given, at last, whose DKIM is the caller's.
 */
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/server/protect_internal.h"
#include "msa/server/reject.h"

#include <stdlib.h>

#define ENVELOPE_BYTES (16 << 10)
#define KEY_BYTES      (1u << 10) /* of one recipient, in base64 */

static const struct protect_group *group_of(const struct protect *p)
{
    return &p->groups[p->group];
}

void protect_encrypt_end(struct protect *p)
{
    relay_signing_cancel(p->dkim_signing);
    p->dkim_signing = NULL;
    if (p->encrypting)
        rewrite_smime_encrypt_deinit(&p->encrypt);
    if (p->encrypting && !group_of(p)->is_target) {
        rewrite_dkim_deinit(&p->dkim);
        rewrite_provenance_deinit(&p->provenance);
    }
    p->encrypting = false;
    protect_give_up(p->worker, p->form);
    p->form = NULL;
}

/* ---- a message of its own ---- */

static struct queue_message *copy_message(const struct queue_message *from)
{
    struct queue_message *m = queue_message_new();
    struct arena *a = &m->arena;
    queue_id_make(m->id, from->received_ms, random_u64());
    m->received_ms = from->received_ms;
    m->reverse_path = arena_str(a, sv_of(from->reverse_path));
    m->mail_params = arena_str(a, sv_of(from->mail_params));
    m->login = arena_str(a, sv_of(from->login));
    m->client = arena_str(a, sv_of(from->client));
    m->message_id = arena_str(a, sv_of(from->message_id));
    m->smtputf8 = from->smtputf8;
    m->tls_optional = from->tls_optional;
    m->priority = from->priority;
    return m;
}

/* What it will keep: its envelope and fields, and what is about its content unless that becomes a
 * file. */
static int64_t form_bytes(const struct protect *p)
{
    const struct queue_message *m = p->target.message;
    uint64_t content = 2 * m->size + group_of(p)->count * KEY_BYTES;
    if (m->spooled)
        content = 0;
    return ENVELOPE_BYTES + (int64_t)(content < QUEUE_SMALL_BYTES ? content : QUEUE_SMALL_BYTES);
}

/* Before it is there; with the first one, also for what it keeps for all. */
static bool take_memory(struct protect *p)
{
    size_t shared = p->provenance_start ? 0 : rewrite_provenance_take(p->target.provenance).len;
    int64_t bytes = form_bytes(p) + (int64_t)shared;
    if (!memory_take(&p->worker->shared->memory, bytes))
        return false;
    *p->target.memory_bytes += bytes;
    return true;
}

/* The target's record goes on only when all forms are there. */
static void begin_provenance(struct protect *p)
{
    if (!p->provenance_start)
        p->provenance_start = block_new(rewrite_provenance_take(p->target.provenance));
    rewrite_provenance_init(&p->provenance);
    rewrite_provenance_go_on(&p->provenance, p->target.provenance);
}

static struct store_also *form_new(struct protect *p)
{
    const struct protect_group *g = group_of(p);
    struct store_also *form = NEW(struct store_also);
    form->message = copy_message(p->target.message);
    form->rows = queue_batch_pick(*p->target.rows, g->indices, g->count);
    queue_message_drop(form->rows->message);
    form->rows->message = queue_message_keep(form->message);
    for (size_t i = 0; i < g->count; i++)
        form->rows->rows[i].number = (uint32_t)i;
    return form;
}

static void note_layer(struct protect *p, struct rewrite_provenance *to)
{
    rewrite_provenance_layer(to, REWRITE_BY_SMIME, SV_NONE, true);
    rewrite_provenance_edits(to, &p->encrypt.edits);
}

static void tell(struct protect *p, const struct queue_message *m)
{
    const struct protect_group *g = group_of(p);
    struct log_ctx ctx = protect_ctx(p, m->id);
    log_event(LOG_INFO, "encrypted", &ctx, "of=%s recipients=%zu size=%llu first=<%s>",
              p->target.message->id, g->count, (unsigned long long)m->size,
              (*p->target.rows)->rows[g->indices[0]].address);
}

static void go_on(struct protect *p)
{
    protect_encrypt_end(p);
    p->group++;
    protect_next(p);
}

static void on_dkim(void *arg)
{
    struct protect *p = arg;
    struct queue_message *m = p->form->message;
    struct log_ctx ctx = protect_ctx(p, m->id);
    struct buf fields;
    p->dkim_signing = NULL;
    if (!relay_signing_judge(&p->dkim, &ctx)) {
        struct smtp_reply r = reject_unsigned(p->dkim.lack);
        protect_refuse(p, &r);
        return;
    }
    buf_init(&fields, REWRITE_DKIM_FIELDS_MAX, 0);
    rewrite_dkim_fields(&p->dkim, &fields);
    if (buf_len(&fields)) {
        m->prefix = arena_str(&m->arena, buf_view(&fields));
        rewrite_provenance_layer(&p->provenance, REWRITE_BY_SIGNER, SV_NONE, false);
        rewrite_provenance_edit(&p->provenance, 0, 0, sv_of(m->prefix), REWRITE_WHY_SIGNED, 0);
    }
    buf_deinit(&fields);
    m->provenance = arena_sv(&m->arena, rewrite_provenance_take(&p->provenance));
    if (m->provenance.len)
        m->provenance_start = block_keep(p->provenance_start);
    tell(p, m);
    p->form->next = p->also;
    p->also = p->form;
    p->form = NULL;
    go_on(p);
}

static void on_written(struct protect *p)
{
    if (group_of(p)->is_target) {
        note_layer(p, p->target.provenance);
        p->target.message->binary = false;
        tell(p, p->target.message);
        go_on(p);
        return;
    }
    note_layer(p, &p->provenance);
    rewrite_dkim_end(&p->dkim);
    p->dkim_signing =
        relay_signing_start(p->worker->signer, &p->dkim, RELAY_SIGNING_MS, on_dkim, p);
    if (!p->dkim_signing)
        on_dkim(p);
}

/* ---- the pass ---- */

static int eat(struct protect *p, struct sv piece)
{
    return rewrite_smime_encrypt_feed(&p->encrypt, piece, &p->out);
}

static void end_pass(struct protect *p)
{
    int err = rewrite_smime_encrypt_end(&p->encrypt, &p->out);
    if (err < 0)
        protect_storage_failed(p, err);
    else
        protect_finish(p);
}

/* Two addresses may have one certificate. */
static size_t collect(const struct protect *p, const struct rewrite_smime_cert **out)
{
    const struct protect_group *g = group_of(p);
    size_t n = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct rewrite_smime_cert *cert = p->shares[g->indices[i]].cert;
        size_t k = 0;
        while (k < n && out[k] != cert)
            k++;
        if (k == n)
            out[n++] = cert;
    }
    return n;
}

void protect_encrypt(struct protect *p)
{
    const struct protect_group *g = group_of(p);
    if (!g->is_target && !take_memory(p)) {
        struct smtp_reply r = reject_memory();
        protect_refuse(p, &r);
        return;
    }
    const struct rewrite_smime_cert **certs = mem_new(g->count, sizeof(*certs));
    size_t count = collect(p, certs);
    int err = rewrite_smime_encrypt_init(&p->encrypt, p->header_max, certs, count);
    free(certs);
    p->encrypting = true;
    if (!g->is_target) {
        p->form = form_new(p);
        rewrite_dkim_init(&p->dkim, p->service->relay->dkim, p->header_max, p->now_s);
        begin_provenance(p);
    }
    if (err < 0) {
        protect_storage_failed(p, err);
        return;
    }
    protect_write(p, on_written);
    protect_pass(p, 0, eat, end_pass);
}
