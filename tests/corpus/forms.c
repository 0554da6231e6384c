/*
 * Runs each message of a folder through the invariants of mime_check.h, and writes its forms into
 * another folder, NAME.7bit, NAME.lines and NAME.ascii, for readers of other make (test_peers.py);
 * NAME.why where a form cannot be. NAME.actions: after every action on header fields (actions.h),
 * signed with DKIM; the keys stand in the file "keys", a line "SELECTOR k=KIND p=BASE64" each.
 *
 * Usage: forms FOLDER OUTPUT
 */
#include "msa/base/b64.h"
#include "rewrite/dkim.h"
#include "tests/corpus/actions.h"
#include "tests/unit/rewrite/mime_check.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define HEADER_MAX (64u << 10)

static const struct {
    const char *name;
    unsigned form;
} forms[] = {
    {"7bit", REWRITE_FORM_7BIT},
    {"lines", REWRITE_FORM_LINES},
    {"ascii", REWRITE_FORM_ASCII_HEADER},
};

static void read_file(const char *path, struct buf *out)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    REQUIRE(f);
    buf_init(out, SIZE_MAX, 0);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        check_put(out, (struct sv){piece, n});
    fclose(f);
}

static void write_file(const char *path, struct sv text)
{
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(text.ptr ? text.ptr : "", 1, text.len, f) == text.len && fclose(f) == 0);
}

/* ---- DKIM ---- */

#define SIGNED_S 1785233472

static EVP_PKEY *pkeys[REWRITE_DKIM_ALGORITHM_COUNT];

static const struct rewrite_dkim_key dkim_rows[] = {
    {.domain = SV("author.test"),
     .selector = SV("r"),
     .id = SV("r"),
     .algorithm = REWRITE_DKIM_RSA,
     .header = REWRITE_DKIM_RELAXED,
     .body = REWRITE_DKIM_RELAXED,
     .from_s = INT64_MIN},
    {.domain = SV("author.test"),
     .selector = SV("e"),
     .id = SV("e"),
     .algorithm = REWRITE_DKIM_ED25519,
     .header = REWRITE_DKIM_SIMPLE,
     .body = REWRITE_DKIM_SIMPLE,
     .from_s = INT64_MIN},
};

static void make_keys(const char *output)
{
    char path[4096];
    struct buf text;
    buf_init(&text, SIZE_MAX, 0);
    pkeys[REWRITE_DKIM_RSA] = EVP_RSA_gen(2048);
    pkeys[REWRITE_DKIM_ED25519] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    for (size_t i = 0; i < sizeof dkim_rows / sizeof dkim_rows[0]; i++) {
        const struct rewrite_dkim_key *row = &dkim_rows[i];
        unsigned char *der = NULL, raw[32];
        size_t len = sizeof raw;
        bool is_rsa = row->algorithm == REWRITE_DKIM_RSA;
        if (is_rsa)
            len = (size_t)i2d_PUBKEY(pkeys[row->algorithm], &der);
        else
            REQUIRE(EVP_PKEY_get_raw_public_key(pkeys[row->algorithm], raw, &len) == 1);
        int err = buf_printf(&text, "%.*s k=%s p=", SV_ARG(row->selector),
                             rewrite_dkim_algorithm_kind(row->algorithm));
        REQUIRE(!err);
        err = b64_encode(&text, (struct sv){(const char *)(is_rsa ? der : raw), len});
        REQUIRE(!err);
        check_put(&text, SV("\n"));
        OPENSSL_free(der);
    }
    snprintf(path, sizeof path, "%s/keys", output);
    write_file(path, buf_view(&text));
    buf_deinit(&text);
}

static void sign(struct rewrite_dkim *d, const struct rewrite_dkim_request *r)
{
    EVP_PKEY *pkey = pkeys[r->key->algorithm];
    uint8_t value[1024];
    size_t len = sizeof value;
    bool good;
    if (r->key->algorithm == REWRITE_DKIM_RSA) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
        good = EVP_PKEY_sign_init(ctx) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
               EVP_PKEY_sign(ctx, value, &len, (const uint8_t *)r->hash.ptr, r->hash.len) == 1;
        EVP_PKEY_CTX_free(ctx);
    } else {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        good = EVP_DigestSignInit(md, NULL, NULL, NULL, pkey) == 1 &&
               EVP_DigestSign(md, value, &len, (const uint8_t *)r->hash.ptr, r->hash.len) == 1;
        EVP_MD_CTX_free(md);
    }
    REQUIRE(good);
    rewrite_dkim_signed(d, r->index, (struct sv){(const char *)value, len});
}

/* Appends the signatures of content, then the content. */
static void put_signed(struct rewrite_dkim_keys *keys, struct sv content, struct buf *out)
{
    struct rewrite_dkim d;
    struct rewrite_dkim_request r;
    rewrite_dkim_init(&d, keys, 2 * HEADER_MAX, SIGNED_S);
    rewrite_dkim_feed(&d, content);
    rewrite_dkim_end(&d);
    while (rewrite_dkim_next(&d, &r))
        sign(&d, &r);
    rewrite_dkim_fields(&d, out);
    check_put(out, content);
    rewrite_dkim_deinit(&d);
}

/* Every action at once, and then all signatures. */
static void run_actions(struct rewrite_dkim_keys *keys, struct sv message, const char *path)
{
    const unsigned set = ACTIONS_ALL & ~ACTIONS_REPLACING & ~ACTION_BIT(ADD_FROM);
    struct buf prepared, done;
    struct actions_result r;
    buf_init(&prepared, SIZE_MAX, 0);
    buf_init(&done, SIZE_MAX, 0);
    actions_prepare(message, set, &prepared);
    actions_run(buf_view(&prepared), set, 0, &r);
    REQUIRE(!r.refused);
    put_signed(keys, buf_view(&r.out), &done);
    write_file(path, buf_view(&done));
    actions_result_free(&r);
    buf_deinit(&prepared);
    buf_deinit(&done);
}

/* ---- every message ---- */

static void run(struct rewrite_dkim_keys *keys, const char *folder, const char *file,
                const char *output)
{
    char path[4096];
    struct buf text;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    read_file(path, &text);
    check_mime_message(buf_view(&text), HEADER_MAX);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct rewrite_plan plan;
        struct buf made;
        check_make(buf_view(&text), forms[i].form, 1000, HEADER_MAX, &plan, &made);
        bool good = plan.unfit == REWRITE_UNFIT_NONE;
        snprintf(path, sizeof path, "%s/%.*s.%s", output, (int)(strlen(file) - 4), file,
                 good ? forms[i].name : "why");
        write_file(path, good ? buf_view(&made) : rewrite_unfit_reply(plan.unfit).text);
        rewrite_plan_deinit(&plan);
        buf_deinit(&made);
    }
    snprintf(path, sizeof path, "%s/%.*s.actions", output, (int)(strlen(file) - 4), file);
    run_actions(keys, buf_view(&text), path);
    buf_deinit(&text);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    struct dirent *entry;
    REQUIRE(argc == 3);
    DIR *dir = opendir(argv[1]);
    REQUIRE(dir);
    make_keys(argv[2]);
    struct rewrite_dkim_keys *keys =
        rewrite_dkim_keys_new(dkim_rows, sizeof dkim_rows / sizeof dkim_rows[0]);
    while ((entry = readdir(dir)))
        if (sv_iends(sv_of(entry->d_name), SV(".eml"))) {
            run(keys, argv[1], entry->d_name, argv[2]);
            count++;
        }
    closedir(dir);
    rewrite_dkim_keys_drop(keys);
    for (size_t i = 0; i < REWRITE_DKIM_ALGORITHM_COUNT; i++)
        EVP_PKEY_free(pkeys[i]);
    printf("%zu messages\n", count);
    return count < 200;
}
