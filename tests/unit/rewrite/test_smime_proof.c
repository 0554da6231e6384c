#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_proof.h"

#include <string.h>

#define CMS64(more) \
    "Content-Type: application/pkcs7-mime" more "\r\nContent-Transfer-Encoding: base64\r\n"
#define ENVELOPED  "MIAGCSqGSIb3DQEHA6CAMIACAQAxggE5\r\n"
#define SIGNEDDATA "MIIGCwYJKoZIhvcNAQcCoIIF/DCCBfgC\r\n"
#define AUTH       "MIIBKgYLKoZIhvcNAQkQARegggEZMIIB\r\n"
#define COMPRESSED "MIIBKgYLKoZIhvcNAQkQAQmgggEZMIIB\r\n"

#define PGP_ENC                           \
    "Content-Type: multipart/encrypted; " \
    "boundary=\"b\";\r\n\tprotocol=\"application/pgp-encrypted\"\r\n"
#define PGP_VER "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
#define PGP_MSG                                                                        \
    "--b\r\nContent-Type: application/octet-stream; name=x\r\n\r\n\r\n-----BEGIN PGP " \
    "MESSAGE-----\r\n\r\naa==\r\n"
#define END "--b--\r\n"

#define SIGNED(protocol) \
    "Content-Type: multipart/signed; protocol=\"" protocol "\"; micalg=x; boundary=b\r\n"
#define INNER                                                                            \
    "--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb\r\n" \
    "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n--bb--\r\n"
#define P7S_OF(type) \
    "--b\r\nContent-Type: application/" type "\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define P7S  P7S_OF("pkcs7-signature")
#define XP7S P7S_OF("x-pkcs7-signature")
#define PGS \
    "--b\r\nContent-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n"

static const struct {
    const char *section, *body;
    size_t len; /* of the body; 0: its text */
    enum rewrite_smime_form form;
} rows[] = {
    {CMS64(""), ENVELOPED, 0, REWRITE_SMIME_ENCRYPTED},
    {CMS64(""), AUTH, 0, REWRITE_SMIME_ENCRYPTED},
    {CMS64(""), SIGNEDDATA, 0, REWRITE_SMIME_SIGNED},
    {CMS64("; smime-type=enveloped-data"), SIGNEDDATA, 0, REWRITE_SMIME_SIGNED},
    {CMS64("; smime-type=signed-data"), ENVELOPED, 0, REWRITE_SMIME_ENCRYPTED},
    {CMS64(""), COMPRESSED, 0, REWRITE_SMIME_PLAIN},
    {CMS64(""), "", 0, REWRITE_SMIME_PLAIN},
    {CMS64(""), "MIAG", 0, REWRITE_SMIME_PLAIN},
    {CMS64(""), "the secret", 0, REWRITE_SMIME_PLAIN},
    {CMS64(""), "MIAGCSqGSIb3DQEHA2F3aHkgbm90Pw==\r\n", 0, REWRITE_SMIME_PLAIN},
    {"Content-Type: application/pkcs7-mime\r\n", ENVELOPED, 0, REWRITE_SMIME_PLAIN},
    {"Content-Type: application/x-pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n",
     "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30", 16,
     REWRITE_SMIME_ENCRYPTED},
    {PGP_ENC, PGP_VER PGP_MSG END, 0, REWRITE_SMIME_ENCRYPTED},
    {PGP_ENC, "words\r\n" PGP_VER PGP_MSG, 0, REWRITE_SMIME_ENCRYPTED},
    {PGP_ENC, PGP_MSG PGP_VER END, 0, REWRITE_SMIME_PLAIN},
    {PGP_ENC, PGP_VER PGP_MSG "--b\r\n\r\nthe secret\r\n" END, 0, REWRITE_SMIME_PLAIN},
    {PGP_ENC, PGP_VER END, 0, REWRITE_SMIME_PLAIN},
    {PGP_ENC, PGP_VER "--b\r\nContent-Type: application/octet-stream\r\n\r\nthe secret\r\n" END, 0,
     REWRITE_SMIME_PLAIN},
    {PGP_ENC, PGP_VER "--b\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n" END, 0, REWRITE_SMIME_PLAIN},
    {PGP_ENC, "the secret\r\n", 0, REWRITE_SMIME_PLAIN},
    {PGP_ENC, "", 0, REWRITE_SMIME_PLAIN},
    {"Content-Type: multipart/encrypted; boundary=b\r\n", PGP_VER PGP_MSG END, 0,
     REWRITE_SMIME_PLAIN},
    {"Content-Type: multipart/encrypted\r\n", "the secret\r\n", 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pkcs7-signature"), INNER P7S SIGNEDDATA END, 0, REWRITE_SMIME_SIGNED},
    {SIGNED("application/x-pkcs7-signature"), INNER P7S SIGNEDDATA END, 0, REWRITE_SMIME_SIGNED},
    {SIGNED("application/pkcs7-signature"), INNER XP7S SIGNEDDATA END, 0, REWRITE_SMIME_SIGNED},
    {"Content-Type: multipart/signed; micalg; protocol=application/pkcs7-signature; boundary=b\r\n",
     INNER P7S SIGNEDDATA END, 0, REWRITE_SMIME_SIGNED},
    {SIGNED("application/x-pgp-signature"), INNER P7S SIGNEDDATA END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pkcs7-signature"), INNER P7S ENVELOPED END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pkcs7-signature"), INNER P7S "x" END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pkcs7-signature"), INNER PGS END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pgp-signature"), INNER PGS END, 0, REWRITE_SMIME_SIGNED},
    {SIGNED("Application/PGP-Signature"), INNER PGS, 0, REWRITE_SMIME_SIGNED},
    {SIGNED("application/pgp-signature"), INNER END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pgp-signature"), INNER PGS PGS END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("application/pgp-signature"), PGS INNER END, 0, REWRITE_SMIME_PLAIN},
    {"Content-Type: multipart/signed; boundary=b\r\n", INNER PGS END, 0, REWRITE_SMIME_PLAIN},
    {SIGNED("text/plain"), INNER "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" END, 0,
     REWRITE_SMIME_PLAIN},
};

static enum rewrite_smime_form prove(const char *section, struct sv body, size_t step)
{
    struct rewrite_smime_proof p;
    rewrite_smime_proof_init(&p, 500, sv_of(section));
    for (; body.len; body = sv_skip(body, step))
        rewrite_smime_proof_feed(&p, sv_first(body, step));
    enum rewrite_smime_form form = rewrite_smime_proof_end(&p);
    rewrite_smime_proof_deinit(&p);
    return form;
}

/* In any pieces. */
static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step < 700; step += step < 20 ? 1 : 97) {
            struct sv body = sv_of(rows[i].body);
            body.len = rows[i].len ? rows[i].len : body.len;
            if (prove(rows[i].section, body, step) != rows[i].form)
                fail_msg("%zu: %s\n%s", i, rows[i].section, rows[i].body);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
