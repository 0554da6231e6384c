#include "rewrite/smime_encrypt.h"

#include "msa/base/require.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define FIELDS_MAX 512

static const char fields[] =
    "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n";

int rewrite_smime_encrypt_init(struct rewrite_smime_encrypt *e, size_t header_max,
                               const struct rewrite_smime_cert *const *to, size_t count)
{
    unsigned flags = CMS_STREAM | CMS_BINARY;
    *e = (struct rewrite_smime_encrypt){.begun = false};
    rewrite_smime_section_init(&e->section, header_max);
    rewrite_edits_init(&e->edits, REWRITE_SMIME_ADDED_MAX);
    e->cms = CMS_encrypt(NULL, NULL, EVP_aes_256_cbc(), flags | CMS_PARTIAL);
    bool good = e->cms != NULL;
    for (size_t i = 0; i < count && good; i++)
        good = CMS_add1_recipient_cert(e->cms, to[i]->x509, 0) != NULL;
    if (good)
        e->cipher = BIO_new(BIO_s_mem());
    if (e->cipher)
        e->plain = BIO_new_CMS(e->cipher, e->cms);
    ERR_clear_error();
    return e->plain ? 0 : ERR_SYNTAX;
}

void rewrite_smime_encrypt_deinit(struct rewrite_smime_encrypt *e)
{
    rewrite_smime_section_deinit(&e->section);
    rewrite_edits_deinit(&e->edits);
    for (BIO *at = e->plain; at && at != e->cipher;) {
        BIO *next = BIO_pop(at);
        BIO_free(at);
        at = next;
    }
    BIO_free(e->cipher);
    CMS_ContentInfo_free(e->cms);
    e->plain = e->cipher = NULL;
    e->cms = NULL;
}

/* What has come out of the cipher. */
static int drain(struct rewrite_smime_encrypt *e, struct buf *out)
{
    char *bytes;
    long len = BIO_get_mem_data(e->cipher, &bytes);
    int err = 0;
    if (len > 0)
        err = rewrite_smime_base64_feed(&e->lines, (struct sv){bytes, (size_t)len}, out);
    (void)BIO_reset(e->cipher);
    return err;
}

static int put_plain(struct rewrite_smime_encrypt *e, struct sv bytes, struct buf *out)
{
    if (bytes.len && BIO_write(e->plain, bytes.ptr, (int)bytes.len) != (int)bytes.len)
        return ERR_CORRUPT;
    return drain(e, out);
}

static int begin(struct rewrite_smime_encrypt *e, struct buf *out)
{
    struct sv section = rewrite_smime_section_fields(&e->section), run;
    struct rewrite_edits_cursor cursor = {0};
    struct buf entity;
    e->begun = true;
    buf_init(&entity, section.len + FIELDS_MAX, 0);
    int err = rewrite_smime_outside(section, REWRITE_WHY_SMIME_ENCRYPTED, sv_of(fields), &e->edits);
    while (err == 0 && rewrite_edits_next(&e->edits, section, &cursor, &run))
        err = buf_put(out, run);
    err = err ? err : buf_put(out, SV("\r\n"));
    err = err ? err : rewrite_smime_inside(section, &entity);
    err = err ? err : put_plain(e, buf_view(&entity), out);
    buf_deinit(&entity);
    return err;
}

int rewrite_smime_encrypt_feed(struct rewrite_smime_encrypt *e, struct sv bytes, struct buf *out)
{
    int err = rewrite_smime_section_feed(&e->section, bytes, &bytes);
    if (err == 0 && e->section.whole && !e->begun)
        err = begin(e, out);
    return err == 0 && bytes.len ? put_plain(e, bytes, out) : err;
}

int rewrite_smime_encrypt_end(struct rewrite_smime_encrypt *e, struct buf *out)
{
    if (!e->begun || BIO_flush(e->plain) != 1)
        return ERR_CORRUPT;
    int err = drain(e, out);
    ERR_clear_error();
    return err ? err : rewrite_smime_base64_end(&e->lines, out);
}
