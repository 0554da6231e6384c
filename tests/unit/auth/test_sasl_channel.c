/* AUTH exchanges that rest on the TLS channel: bindings of SCRAM, certificates of EXTERNAL. */
#include "msa/base/b64.h"
#include "tests/unit/auth/sasl_world.h"
#include "tests/unit/auth_tls/fixture.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

/* What a SCRAM-SHA-256 client sends as its proof, for the binding that it believes in. */
static void proof_of(struct sv bare, struct sv server_first, const char *gs2, struct sv binding,
                     const char *password, struct buf *out)
{
    struct sv rest = server_first, nonce, salt_text, count_text;
    uint8_t salted[32], client[32], stored[32], signature[32], proof[32];
    struct buf salt, text, bound;
    uint64_t count = 0;
    unsigned len;

    nonce = sv_skip(sv_split(&rest, ','), 2);
    salt_text = sv_skip(sv_split(&rest, ','), 2);
    count_text = sv_skip(rest, 2);
    assert_true(sv_u64(count_text, 100000, &count));
    buf_init(&salt, 100, 0);
    buf_init(&text, 2000, 0);
    buf_init(&bound, 200, 0);
    assert_int_equal(b64_decode(&salt, salt_text), 0);
    assert_int_equal(buf_put(&bound, sv_of(gs2)) + buf_put(&bound, binding), 0);
    assert_int_equal(buf_put(out, SV("c=")) + b64_encode(out, buf_view(&bound)), 0);
    assert_int_equal(buf_printf(out, ",r=%.*s", SV_ARG(nonce)), 0);
    assert_int_equal(buf_printf(&text, "%.*s,%.*s,%.*s", SV_ARG(bare), SV_ARG(server_first),
                                SV_ARG(buf_view(out))),
                     0);
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const uint8_t *)buf_view(&salt).ptr,
                      (int)buf_len(&salt), (int)count, EVP_sha256(), 32, salted);
    HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10, client, &len);
    SHA256(client, 32, stored);
    HMAC(EVP_sha256(), stored, 32, (const uint8_t *)buf_view(&text).ptr, buf_len(&text), signature,
         &len);
    for (size_t i = 0; i < 32; i++)
        proof[i] = client[i] ^ signature[i];
    assert_int_equal(buf_put(out, SV(",p=")) + b64_encode(out, (struct sv){(char *)proof, 32}), 0);
    buf_deinit(&salt);
    buf_deinit(&text);
    buf_deinit(&bound);
}

static enum auth_verdict bound_login(struct auth_sasl *s, const char *mechanism, const char *gs2,
                                     struct sv binding, const char *password,
                                     const struct auth_channel *channel, bool initial)
{
    struct sv bare = SV("n=alice,r=clientnonce");
    struct auth_sasl_start start = {.mechanism = sv_of(mechanism), .tls = true, .channel = channel};
    struct auth_sasl_result r;
    struct auth_exchange *x;
    struct buf first, server_first, last;
    enum auth_verdict verdict;

    buf_init(&first, 200, 0);
    buf_init(&server_first, 500, 0);
    buf_init(&last, 1000, 0);
    assert_int_equal(buf_put(&first, sv_of(gs2)) + buf_put(&first, bare), 0);
    start.has_initial = initial;
    start.initial = initial ? buf_view(&first) : SV_NONE;
    x = auth_exchange_new(s, &start, &r);
    if (!initial) {
        assert_int_equal(r.verdict, AUTH_CONTINUE);
        assert_int_equal(r.data.len, 0);
        auth_exchange_step(x, buf_view(&first), &r);
    }
    if (r.verdict == AUTH_CONTINUE) {
        assert_int_equal(buf_put(&server_first, r.data), 0);
        proof_of(bare, buf_view(&server_first), gs2, binding, password, &last);
        auth_exchange_step(x, buf_view(&last), &r);
        if (r.verdict == AUTH_CONTINUE)
            auth_exchange_step(x, SV(""), &r);
    }
    verdict = r.verdict;
    auth_exchange_free(x);
    buf_deinit(&first);
    buf_deinit(&server_first);
    buf_deinit(&last);
    return verdict;
}

/* Only who binds his proof to this very channel gets in under a -PLUS name. */
static void channel_bindings(void **state)
{
    static const struct {
        const char *mechanism, *gs2;
        struct sv binding;
        const char *password;
        enum auth_verdict verdict;
    } rows[] = {
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,", {"exporter", 8}, "secret", AUTH_OK},
        {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", {"end point", 9}, "secret", AUTH_OK},
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,", {"exporter", 8}, "Secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,", {"Exporter", 8}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,", {"exporte", 7}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,", {"", 0}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,", {"end point", 9}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "p=tls-unique,,", {"", 0}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "n,,", {"", 0}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256-PLUS", "y,,", {"", 0}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256", "n,,", {"", 0}, "secret", AUTH_OK},
        {"SCRAM-SHA-256", "y,,", {"", 0}, "secret", AUTH_DENIED},
        {"SCRAM-SHA-256", "p=tls-exporter,,", {"exporter", 8}, "secret", AUTH_DENIED},
    };
    static const char *names[] = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
    struct auth_channel channel = {.certificate = SV_NONE};
    const char *path = database_new();
    struct auth_options o = database_options(path);
    struct auth_sasl_start clear = {.mechanism = SV("SCRAM-SHA-256-PLUS"), .channel = &channel};
    struct auth_sasl_result r;
    struct auth_sasl *s;

    (void)state;
    o.mechanisms = (struct conf_strings){names, 2};
    o.require_tls = false;
    channel.bindings[AUTH_BINDING_EXPORTER].len = 8;
    memcpy(channel.bindings[AUTH_BINDING_EXPORTER].bytes, "exporter", 8);
    channel.bindings[AUTH_BINDING_END_POINT].len = 9;
    memcpy(channel.bindings[AUTH_BINDING_END_POINT].bytes, "end point", 9);
    database_add(path, "alice", "secret");
    s = auth_sasl_new(&o, SV("mail.example.net"), check);
    assert_null(auth_sasl_missing(s));
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        enum auth_verdict got =
            bound_login(s, rows[i / 2].mechanism, rows[i / 2].gs2, rows[i / 2].binding,
                        rows[i / 2].password, &channel, i % 2);

        if (got != rows[i / 2].verdict)
            fail_msg("row %zu: %d", i / 2, got);
    }
    auth_exchange_free(auth_exchange_new(s, &clear, &r));
    assert_int_equal(r.verdict, AUTH_NO_MECHANISM);
    auth_sasl_unref(s);
    o.mechanisms.count = 1; /* -PLUS not announced: taken all the same, and "y" says the truth */
    s = auth_sasl_new(&o, SV("mail.example.net"), check);
    assert_int_equal(bound_login(s, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", SV("exporter"),
                                 "secret", &channel, true),
                     AUTH_OK);
    assert_int_equal(bound_login(s, "SCRAM-SHA-256-PLUS", "n,,", SV(""), "secret", &channel, true),
                     AUTH_DENIED);
    assert_int_equal(bound_login(s, "SCRAM-SHA-256", "y,,", SV(""), "secret", &channel, true),
                     AUTH_OK);
    auth_sasl_unref(s);
    database_drop(path);
}

static enum auth_verdict external(struct auth_sasl *s, struct sv certificate, const char *authzid,
                                  bool initial, char login[AUTH_NAME_MAX + 1])
{
    struct auth_channel channel = {.certificate = certificate};
    struct auth_sasl_start start = {.mechanism = SV("external"),
                                    .initial = sv_of(initial ? authzid : ""),
                                    .has_initial = initial,
                                    .tls = true,
                                    .channel = &channel};
    struct auth_sasl_result r;
    struct auth_exchange *x = auth_exchange_new(s, &start, &r);
    enum auth_verdict verdict;

    if (!initial) {
        assert_int_equal(r.verdict, AUTH_CONTINUE);
        assert_int_equal(r.data.len, 0);
        auth_exchange_step(x, sv_of(authzid), &r);
    }
    verdict = r.verdict;
    snprintf(login, AUTH_NAME_MAX + 1, "%.*s", SV_ARG(r.login));
    auth_exchange_free(x);
    return verdict;
}

/* A certificate opens the door for users who are there and not disabled, and for no other. */
static void certificates(void **state)
{
    static const char *names[] = {"EXTERNAL", "PLAIN"};
    struct cert cert = make_cert(EVP_EC_gen("P-256"),
                                 "email:alice@example.net,email:bob@example.net", 0, DAY_S, NULL);
    struct cert gone = make_cert(EVP_EC_gen("P-256"), "email:gone@example.net", 0, DAY_S, NULL);
    unsigned char *der = NULL, *gone_der = NULL;
    struct sv ours = {NULL, (size_t)i2d_X509(cert.x509, &der)};
    struct sv nobodys = {NULL, (size_t)i2d_X509(gone.x509, &gone_der)};
    const char *path = database_new();
    struct auth_options o = database_options(path);
    char login[AUTH_NAME_MAX + 1];
    struct auth_accounts *accounts;
    struct auth_sasl *s;

    (void)state;
    ours.ptr = (char *)der;
    nobodys.ptr = (char *)gone_der;
    o.mechanisms = (struct conf_strings){names, 2};
    database_add(path, "alice", "secret");
    database_add(path, "bob", "secret");
    assert_int_equal(auth_accounts_make(o.accounts_path), 0);
    s = auth_sasl_new(&o, SV("mail.example.net"), check);
    assert_null(auth_sasl_missing(s));
    for (int initial = 0; initial < 2; initial++) {
        assert_int_equal(external(s, ours, "", initial, login), AUTH_OK);
        assert_string_equal(login, "alice@example.net");
        assert_int_equal(external(s, ours, "bob", initial, login), AUTH_OK);
        assert_string_equal(login, "bob@example.net");
        assert_int_equal(external(s, ours, "carol", initial, login), AUTH_DENIED);
        assert_int_equal(external(s, nobodys, "", initial, login), AUTH_DENIED);
        assert_int_equal(external(s, SV_NONE, "", initial, login), AUTH_DENIED);
        assert_int_equal(external(s, SV("junk"), "alice", initial, login), AUTH_DENIED);
    }
    accounts = auth_accounts_new(o.accounts_path, 1000);
    assert_int_equal(auth_accounts_set_state(accounts, SV("alice@example.net"), AUTH_STATE_DISABLED,
                                             SV("test"), 1),
                     0);
    assert_int_equal(external(s, ours, "", true, login), AUTH_DENIED);
    assert_int_equal(external(s, ours, "bob", true, login), AUTH_OK);
    database_delete(path, "bob");
    assert_int_equal(external(s, ours, "bob", true, login), AUTH_DENIED);
    database_garbage(path);
    assert_int_equal(external(s, ours, "bob", true, login), AUTH_TEMPORARY);
    auth_accounts_free(accounts);
    auth_sasl_unref(s);
    OPENSSL_free(der);
    OPENSSL_free(gone_der);
    free_cert(&cert);
    free_cert(&gone);
    database_drop(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(channel_bindings),
        T(certificates),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
