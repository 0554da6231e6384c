#include "rewrite/smime_sign.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "rewrite/smime_base64.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 998 /* RFC 5322 2.1.1 */
#define FIELDS_MAX     512

void rewrite_smime_sign_init(struct rewrite_smime_sign *s, size_t header_max, struct sv outside,
                             const char *boundary)
{
    *s = (struct rewrite_smime_sign){.outside = outside, .is_seven_bit = true};
    rewrite_edits_init(&s->edits, REWRITE_SMIME_ADDED_MAX);
    REQUIRE(strlen(boundary) <= REWRITE_SMIME_BOUNDARY_CHARS);
    strcpy(s->boundary, boundary);
    rewrite_smime_section_init(&s->section, header_max);
    s->md = EVP_MD_CTX_new();
    REQUIRE(s->md && EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) == 1);
}

void rewrite_smime_sign_deinit(struct rewrite_smime_sign *s)
{
    rewrite_smime_section_deinit(&s->section);
    rewrite_edits_deinit(&s->edits);
    EVP_MD_CTX_free(s->md);
    s->md = NULL;
}

/* Lines end with CRLF; any other CR or LF is not 7-bit text, nor is NUL. */
static bool is_seven_bit(struct rewrite_smime_sign *s, struct sv bytes)
{
    if (!utf8_is_ascii(bytes) || sv_find(bytes, '\0') < bytes.len)
        return false;
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        if (s->line_cr != (c == '\n'))
            return false;
        s->line_cr = c == '\r';
        s->line_len = c == '\n' ? 0 : s->line_len + 1;
        if (s->line_len > LINE_MAX_BYTES + 1)
            return false;
    }
    return true;
}

static int put_signed(struct rewrite_smime_sign *s, struct sv bytes, struct buf *out)
{
    s->is_seven_bit = s->is_seven_bit && is_seven_bit(s, bytes);
    REQUIRE(EVP_DigestUpdate(s->md, bytes.ptr, bytes.len) == 1);
    return buf_put(out, bytes);
}

static int begin(struct rewrite_smime_sign *s, struct buf *out)
{
    struct rewrite_edits_cursor cursor = {0};
    char type[FIELDS_MAX];
    struct sv run;
    struct buf entity;
    s->begun = true;
    snprintf(type, sizeof type,
             "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
             "\tmicalg=sha-256; boundary=\"%s\"\r\n",
             s->boundary);
    buf_init(&entity, buf_len(&s->section.text) + FIELDS_MAX, 0);
    int err = rewrite_smime_outside(s->outside, REWRITE_WHY_SMIME_SIGNED, sv_of(type), &s->edits);
    while (err == 0 && rewrite_edits_next(&s->edits, s->outside, &cursor, &run))
        err = buf_put(out, run);
    if (err == 0)
        err =
            buf_printf(out, "\r\nThis is a signed message in MIME format (S/MIME).\r\n\r\n--%s\r\n",
                       s->boundary);
    if (err == 0)
        err = rewrite_smime_unwrap(rewrite_smime_section_fields(&s->section), &entity);
    err = err ? err : put_signed(s, buf_view(&entity), out);
    buf_deinit(&entity);
    return err;
}

int rewrite_smime_sign_feed(struct rewrite_smime_sign *s, struct sv bytes, struct buf *out)
{
    int err = rewrite_smime_section_feed(&s->section, bytes, &bytes);
    if (err == 0 && s->section.whole && !s->begun)
        err = begin(s, out);
    return err == 0 && bytes.len ? put_signed(s, bytes, out) : err;
}

int rewrite_smime_sign_end(struct rewrite_smime_sign *s, uint8_t hash_out[REWRITE_SMIME_HASH_BYTES])
{
    unsigned len = 0;
    if (!s->begun)
        return ERR_CORRUPT;
    if (!s->is_seven_bit || s->line_cr)
        return ERR_SYNTAX;
    REQUIRE(EVP_DigestFinal_ex(s->md, hash_out, &len) == 1 && len == REWRITE_SMIME_HASH_BYTES);
    return 0;
}

int rewrite_smime_sign_finish(struct rewrite_smime_sign *s, struct sv der, struct buf *out)
{
    struct rewrite_smime_base64 lines = {.count = 0};
    int err = buf_printf(out,
                         "\r\n--%s\r\n"
                         "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n",
                         s->boundary);
    err = err ? err : rewrite_smime_base64_feed(&lines, der, out);
    err = err ? err : rewrite_smime_base64_end(&lines, out);
    return err ? err : buf_printf(out, "\r\n--%s--\r\n", s->boundary);
}
