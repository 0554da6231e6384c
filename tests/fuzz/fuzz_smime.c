/*
 * Messages that are signed and encrypted. The input is a message: header section and body. Pieces
 * of any size have one outcome; what is signed is the body with its Content- fields, byte for byte,
 * hashed as it stands in the output; what is decrypted is the same. No field that does not describe
 * the body is lost outside. What only claims to be signed or encrypted does so in any pieces. Who
 * is named and who is not is found in any header.
 */
#include "msa/base/require.h"
#include "rewrite/smime_encrypt.h"
#include "rewrite/smime_people.h"
#include "rewrite/smime_proof.h"
#include "rewrite/smime_sign.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <openssl/cms.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_MAX 4096
#define BOUNDARY   "=_a_boundary_of_the_fuzzer"
#define SIZE_MOST  20000

static struct person person;
static struct rewrite_smime_cert *cert;
static struct rewrite_smime *set;

static void start(void)
{
    struct rewrite_smime_cert **list;
    struct buf why;
    size_t count;
    if (cert)
        return;
    person = person_of("a@example.org", 0);
    buf_init(&why, 1000, 0);
    REQUIRE(rewrite_smime_certs_read(sv_of(person.pem), &list, &count, &why) == 0 && count == 1);
    cert = list[0];
    free(list);
    buf_deinit(&why);
    struct rewrite_encrypt_options rules[] = {{"a@example.org", REWRITE_SMIME_REQUIRE},
                                              {"@example.org", REWRITE_SMIME_IF_POSSIBLE}};
    struct rewrite_options o = {.encrypt = {rules, 2}};
    struct rewrite_smime_file file = {"/a", SV_NONE, sv_of(person.pem)};
    set = rewrite_smime_new(
        &(struct rewrite_smime_config){.options = &o, .files = &file, .nfiles = 1, .now_s = NOW_S});
}

/* The section with its lines as a message of ours has them; empty: none. */
static struct sv fields_of(struct sv message)
{
    const char *end = memmem(message.ptr, message.len, "\r\n\r\n", 4);
    if (sv_starts(message, SV("\r\n")))
        return sv_first(message, 0);
    return end ? sv_range(message.ptr, end + 2) : SV_NONE;
}

/* ---- signing ---- */

struct outcome {
    struct buf out;
    int err;
    uint8_t hash[REWRITE_SMIME_HASH_BYTES];
};

static void sign(struct sv message, struct sv fields, size_t step, struct outcome *o)
{
    struct rewrite_smime_sign s;
    struct buf alone;
    buf_init(&alone, 1u << 20, 0);
    if (fields.ptr) {
        REQUIRE(rewrite_smime_alone(fields, &alone) == 0);
        REQUIRE(buf_put(&alone, sv_skip(message, fields.len + 2)) == 0);
        message = buf_view(&alone);
    }
    buf_init(&o->out, 1u << 20, 0);
    o->err = 0;
    memset(o->hash, 0, sizeof o->hash);
    rewrite_smime_sign_init(&s, HEADER_MAX, fields, BOUNDARY);
    while (o->err == 0 && message.len) {
        o->err = rewrite_smime_sign_feed(&s, sv_first(message, step), &o->out);
        message = sv_skip(message, step);
    }
    if (o->err == 0)
        o->err = rewrite_smime_sign_end(&s, o->hash);
    if (o->err == 0)
        REQUIRE(rewrite_smime_sign_finish(&s, SV("der"), &o->out) == 0);
    rewrite_smime_sign_deinit(&s);
    buf_deinit(&alone);
}

static void check_signed(struct sv text, struct sv entity, const uint8_t *hash)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    const char *first =
        memmem(text.ptr, text.len, "\r\n--" BOUNDARY "\r\n", 4 + strlen(BOUNDARY) + 2);
    unsigned len;
    REQUIRE(first);
    struct sv inside = sv_skip(text, (size_t)(first - text.ptr) + 4 + strlen(BOUNDARY) + 2);
    REQUIRE(sv_starts(inside, entity));
    REQUIRE(sv_starts(sv_skip(inside, entity.len), SV("\r\n--" BOUNDARY "\r\nContent-Type: app")));
    REQUIRE(EVP_Digest(entity.ptr, entity.len, digest, &len, EVP_sha256(), NULL) == 1);
    REQUIRE(memcmp(digest, hash, REWRITE_SMIME_HASH_BYTES) == 0);
}

/* ---- encryption ---- */

static void check_encrypted(struct sv message, struct sv entity, size_t step)
{
    const struct rewrite_smime_cert *to[] = {cert};
    struct rewrite_smime_encrypt e;
    struct buf out;
    char *at;
    buf_init(&out, 1u << 20, 0);
    REQUIRE(rewrite_smime_encrypt_init(&e, HEADER_MAX, to, 1) == 0);
    for (; message.len; message = sv_skip(message, step))
        REQUIRE(rewrite_smime_encrypt_feed(&e, sv_first(message, step), &out) == 0);
    REQUIRE(rewrite_smime_encrypt_end(&e, &out) == 0);
    rewrite_smime_encrypt_deinit(&e);
    /* only the body: the header may be one that no reader takes */
    struct sv text = buf_view(&out);
    const char *body = memmem(text.ptr, text.len, "smime.p7m\"\r\n\r\n", 14);
    REQUIRE(body);
    BIO *in = BIO_new_mem_buf(body + 14, (int)(text.ptr + text.len - body - 14));
    BIO *b64 = BIO_push(BIO_new(BIO_f_base64()), in), *plain = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms = d2i_CMS_bio(b64, NULL);
    REQUIRE(cms && CMS_decrypt(cms, person.key, person.x509, NULL, plain, CMS_BINARY) == 1);
    long len = BIO_get_mem_data(plain, &at);
    REQUIRE(sv_eq((struct sv){at, (size_t)len}, entity));
    CMS_ContentInfo_free(cms);
    BIO_free_all(b64);
    BIO_free(plain);
    buf_deinit(&out);
}

/* ---- people ---- */

static void check_people(struct sv fields)
{
    struct sv addresses[] = {SV("a@example.org"), SV("b@example.org"), SV("a@example.net")};
    struct rewrite_smime_share shares[3];
    char text[SMTP_PATH_MAX], again[SMTP_PATH_MAX];
    size_t lacking;
    struct sv author = rewrite_smime_author(fields, text);
    REQUIRE(author.len == 0 || sv_eq(rewrite_smime_key(author, again), author));
    REQUIRE(rewrite_smime_share_out(set, fields, addresses, NULL, 3, NOW_S, shares, &lacking));
    REQUIRE(shares[0].cert && shares[0].kind != REWRITE_SMIME_SHARE_PLAIN);
    REQUIRE(shares[1].kind == REWRITE_SMIME_SHARE_PLAIN && !shares[1].cert);
    REQUIRE(shares[2].kind == REWRITE_SMIME_SHARE_PLAIN && !shares[2].cert);
}

/* ---- what it claims ---- */

static enum rewrite_smime_form prove(struct sv fields, struct sv body, size_t step)
{
    struct rewrite_smime_proof p;
    rewrite_smime_proof_init(&p, SIZE_MOST, fields);
    for (; body.len; body = sv_skip(body, step))
        rewrite_smime_proof_feed(&p, sv_first(body, step));
    enum rewrite_smime_form form = rewrite_smime_proof_end(&p);
    rewrite_smime_proof_deinit(&p);
    return form;
}

static void check_claim(struct sv message, struct sv fields, size_t step)
{
    if (!fields.ptr || rewrite_smime_form_of(fields) == REWRITE_SMIME_PLAIN)
        return;
    struct sv body = sv_skip(message, fields.len + 2);
    REQUIRE(prove(fields, body, SIZE_MOST) == prove(fields, body, step));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv message = {(const char *)data + 1, size - 1};
    struct outcome whole, pieces;
    /* the real boundary is one that nobody can know before */
    if (size < 2 || size > SIZE_MOST || memmem(data, size, BOUNDARY, strlen(BOUNDARY)))
        return 0;
    start();
    size_t step = data[0] + 1u;
    struct sv fields = fields_of(message);
    check_claim(message, fields, step);
    check_people(fields);
    sign(message, fields, SIZE_MOST * 2, &whole);
    sign(message, fields, step, &pieces);
    REQUIRE(whole.err == pieces.err);
    REQUIRE(memcmp(whole.hash, pieces.hash, sizeof whole.hash) == 0);
    if (whole.err != ERR_FULL)
        REQUIRE(sv_eq(buf_view(&whole.out), buf_view(&pieces.out)));
    if (fields.ptr && fields.len + 2 <= HEADER_MAX) {
        struct buf entity;
        buf_init(&entity, 1u << 20, 0);
        REQUIRE(rewrite_smime_inside(fields, &entity) == 0);
        REQUIRE(buf_put(&entity, sv_skip(message, fields.len + 2)) == 0);
        if (whole.err == 0)
            check_signed(buf_view(&whole.out), buf_view(&entity), whole.hash);
        check_encrypted(message, buf_view(&entity), step);
        buf_deinit(&entity);
    }
    buf_deinit(&whole.out);
    buf_deinit(&pieces.out);
    return 0;
}
