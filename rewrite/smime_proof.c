/*
 * The walker leaves these two multiparts whole, so it is given a multipart/mixed of their boundary.
 */
#include "rewrite/smime_proof.h"

#include "msa/base/b64.h"
#include "msa/base/require.h"
#include "rewrite/mime_type.h"

#include <string.h>

#define HEADER_MORE 64 /* bytes that the walker's section has and the message's has not */

/* ---- how a body begins ---- */

static enum rewrite_smime_form form_of_oid(struct sv oid)
{
    static const struct {
        struct sv oid;
        enum rewrite_smime_form form;
    } oids[] = {
        {{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", 9}, REWRITE_SMIME_SIGNED},
        {{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", 9}, REWRITE_SMIME_ENCRYPTED},
        {{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17", 11}, REWRITE_SMIME_ENCRYPTED},
    };
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++)
        if (sv_eq(oid, oids[i].oid))
            return oids[i].form;
    return REWRITE_SMIME_PLAIN;
}

/* ContentInfo, RFC 5652 3: SEQUENCE { OBJECT IDENTIFIER, [0] ... }, of any length. */
static enum rewrite_smime_form form_of_cms(struct sv der)
{
    if (der.len < 2 || der.ptr[0] != 0x30)
        return REWRITE_SMIME_PLAIN;
    unsigned char length = (unsigned char)der.ptr[1];
    der = sv_skip(der, 2 + (length > 0x80 ? length - 0x80u : 0));
    if (der.len < 2 || der.ptr[0] != 0x06)
        return REWRITE_SMIME_PLAIN;
    size_t len = (unsigned char)der.ptr[1];
    bool has_content = len + 2 < der.len && (unsigned char)der.ptr[len + 2] == 0xa0;
    return has_content ? form_of_oid(sv_first(sv_skip(der, 2), len)) : REWRITE_SMIME_PLAIN;
}

/* White space and what makes no group of four are left out. */
static void decode(struct sv text, struct buf *out)
{
    char kept[REWRITE_SMIME_START_MAX];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]) || !text.ptr[i])
            kept[n++] = text.ptr[i];
    if (b64_decode(out, (struct sv){kept, n - n % 4}) < 0)
        buf_reset(out);
}

static struct sv skip_space(struct sv text)
{
    while (text.len && text.ptr[0] && strchr(" \t\r\n", text.ptr[0]))
        text = sv_skip(text, 1);
    return text;
}

static enum rewrite_smime_form form_of_start(enum rewrite_smime_start wanted, struct sv text)
{
    switch (wanted) {
    case REWRITE_SMIME_START_ANY:
        break;
    case REWRITE_SMIME_START_CMS:
        return form_of_cms(text);
    case REWRITE_SMIME_START_PGP_SIGNATURE:
        if (sv_starts(skip_space(text), SV("-----BEGIN PGP SIGNATURE-----")))
            return REWRITE_SMIME_SIGNED;
        break;
    case REWRITE_SMIME_START_PGP_MESSAGE:
        if (sv_starts(skip_space(text), SV("-----BEGIN PGP MESSAGE-----")))
            return REWRITE_SMIME_ENCRYPTED;
        break;
    }
    return REWRITE_SMIME_PLAIN;
}

/* The body at hand has ended. */
static void judge(struct rewrite_smime_proof *p)
{
    struct sv text = {p->start, p->len};
    struct buf decoded;
    buf_init(&decoded, REWRITE_SMIME_START_MAX, 0);
    if (p->is_base64) {
        decode(text, &decoded);
        text = buf_view(&decoded);
    }
    p->form = form_of_start(p->wanted, text);
    p->wanted = REWRITE_SMIME_START_ANY;
    buf_deinit(&decoded);
}

/* ---- the structure ---- */

static bool is_protocol(const struct rewrite_smime_proof *p, const struct rewrite_smime_type *t)
{
    struct sv type, subtype;
    rewrite_mime_type_read(p->protocol, &type, &subtype);
    return sv_ieq(type, SV("application")) && rewrite_smime_is_application(t, subtype);
}

/* What the part has to begin with. Clears is_fit if it must not stand here. */
static enum rewrite_smime_start judge_part(struct rewrite_smime_proof *p, struct sv section)
{
    struct rewrite_smime_type t;
    bool has_type = rewrite_smime_type_read(section, &t);
    bool is_control = p->parts == (p->is_signed ? 2 : 1);
    if (p->parts > 2 || (is_control && !(has_type && is_protocol(p, &t))))
        p->is_fit = false;
    else if (p->is_signed && is_control)
        return rewrite_smime_is_application(&t, SV("pkcs7-signature")) ? REWRITE_SMIME_START_CMS
               : rewrite_smime_is_application(&t, SV("pgp-signature"))
                   ? REWRITE_SMIME_START_PGP_SIGNATURE
                   : REWRITE_SMIME_START_ANY;
    else if (p->is_encrypted && is_control)
        p->is_fit = rewrite_smime_is_application(&t, SV("pgp-encrypted"));
    else if (p->is_encrypted && has_type && rewrite_smime_is_application(&t, SV("octet-stream")))
        return REWRITE_SMIME_START_PGP_MESSAGE;
    return REWRITE_SMIME_START_ANY;
}

static void begin(struct rewrite_smime_proof *p, const struct rewrite_mime_event *e)
{
    bool is_multipart = p->is_signed || p->is_encrypted;
    if (is_multipart ? !p->part_begins : e->entity != 0)
        return;
    p->part_begins = false;
    p->parts += is_multipart;
    p->wanted = is_multipart ? judge_part(p, e->bytes) : REWRITE_SMIME_START_CMS;
    p->entity = e->entity;
    p->is_base64 = e->what->encoding == REWRITE_MIME_BASE64;
    p->len = 0;
}

static void take(struct rewrite_smime_proof *p, const struct rewrite_mime_event *e)
{
    bool is_wanted = p->wanted != REWRITE_SMIME_START_ANY && e->entity == p->entity;
    struct sv bytes = sv_first(e->bytes, sizeof p->start - p->len);
    switch (e->kind) {
    case REWRITE_MIME_EVENT_HEADER:
        begin(p, e);
        break;
    case REWRITE_MIME_EVENT_CONTENT:
        if (is_wanted && bytes.len)
            memcpy(p->start + p->len, bytes.ptr, bytes.len);
        p->len += is_wanted ? bytes.len : 0;
        break;
    case REWRITE_MIME_EVENT_BETWEEN:
        break;
    case REWRITE_MIME_EVENT_DELIMITER:
        p->part_begins = e->entity == 0;
        break;
    case REWRITE_MIME_EVENT_END:
        if (is_wanted)
            judge(p);
        break;
    }
}

static void drain(struct rewrite_smime_proof *p)
{
    struct rewrite_mime_event e;
    while (rewrite_mime_next(&p->walk, &e))
        take(p, &e);
}

void rewrite_smime_proof_feed(struct rewrite_smime_proof *p, struct sv bytes)
{
    while (bytes.len) {
        bytes = sv_skip(bytes, rewrite_mime_feed(&p->walk, bytes));
        drain(p);
    }
}

void rewrite_smime_proof_init(struct rewrite_smime_proof *p, size_t header_max, struct sv section)
{
    struct rewrite_smime_type t;
    bool has_type = rewrite_smime_type_read(section, &t);
    REQUIRE(has_type);
    *p = (struct rewrite_smime_proof){.protocol = rewrite_smime_parameter(&t, SV("protocol")),
                                      .is_fit = true};
    rewrite_mime_init(&p->walk, header_max + HEADER_MORE);
    if (sv_ieq(t.type, SV("multipart"))) {
        p->is_signed = sv_ieq(t.subtype, SV("signed"));
        p->is_encrypted = sv_ieq(t.subtype, SV("encrypted"));
        rewrite_smime_proof_feed(p, SV("Content-Type: multipart/mixed"));
        rewrite_smime_proof_feed(p, t.parameters.len ? t.parameters : SV("\r\n"));
    } else {
        rewrite_smime_proof_feed(p, section);
    }
    rewrite_smime_proof_feed(p, SV("\r\n"));
}

void rewrite_smime_proof_deinit(struct rewrite_smime_proof *p)
{
    rewrite_mime_deinit(&p->walk);
}

enum rewrite_smime_form rewrite_smime_proof_end(struct rewrite_smime_proof *p)
{
    rewrite_mime_end(&p->walk);
    drain(p);
    if (p->is_signed || p->is_encrypted)
        p->is_fit = p->is_fit && p->parts == 2;
    if (p->is_signed && p->form != REWRITE_SMIME_SIGNED)
        p->is_fit = false;
    return p->is_fit ? p->form : REWRITE_SMIME_PLAIN;
}
