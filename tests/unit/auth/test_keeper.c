/* The whole keeper: exchanges of both sides, signatures, generations, its own end. */
#include "auth/login.h"
#include "auth/tls/key.h"
#include "tests/unit/auth/keeper_world.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static void logins(void **state)
{
    struct keeper_material m = material(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_TEMPORARY); /* nothing is committed yet */
    commit(&m);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
    assert_string_equal(w.login, "alice@example.net");
    for (unsigned i = 0; i < 10; i++) {
        plain(w.client, (struct sv){"\0alice\0Secret", 13});
        assert_int_equal(w.verdict, AUTH_DENIED);
        assert_int_equal(w.data_len, 0);
        assert_string_equal(w.login, "alice@example.net"); /* the name that was tried */
    }
    auth_client_start(w.client,
                      &(struct auth_start){.mechanism = SV("PLAIN"), .client = SV("192.0.2.1")},
                      on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_NEEDS_TLS);
    auth_client_start(
        w.client,
        &(struct auth_start){.mechanism = SV("NTLM"), .tls = true, .client = SV("192.0.2.1")},
        on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_NO_MECHANISM);
}

/* Steps, an empty challenge, and a cancel in the middle. */
static void steps(void **state)
{
    struct keeper_material m = material(1);
    struct auth_start start = {.mechanism = SV("LOGIN"), .tls = true, .client = SV("192.0.2.1")};
    uint64_t id;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    id = auth_client_start(w.client, &start, on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    auth_client_step(w.client, id, SV("alice"));
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    auth_client_step(w.client, id, SV("secret"));
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_OK);
    assert_int_equal(w.id, id);

    id = auth_client_start(w.client, &start, on_answer, NULL);
    wait_for(1);
    auth_client_cancel(w.client, id);
    id = auth_client_start(w.client, &start, on_answer, NULL);
    auth_client_cancel(w.client, id); /* while it is on its way */
    start.mechanism = SV("PLAIN");
    id = auth_client_start(w.client, &start, on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.id, id);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    assert_int_equal(w.data_len, 0);
}

/* One asker locks, all are told, and the proof that was remembered does not count. */
static void locks(void **state)
{
    struct keeper_material m = material(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
    w.other = attach();
    auth_client_lock(w.other, SV("alice@example.net"), SV("sent too much"), on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_OK);
    run_for(50);
    assert_string_equal(w.changed, "alice@example.net");
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_DENIED);
    auth_client_lock(w.other, SV("nobody@example.net"), SV("x"), on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_DENIED);
}

static struct sv pem_of(EVP_PKEY *key, BIO **bio)
{
    char *at;
    long len;

    *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(*bio, key, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(*bio, &at);
    return (struct sv){at, (size_t)len};
}

/* A key signs in its generation and in the eight behind it, no longer; never for what is no digest.
 */
static void signatures(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio;
    struct keeper_key k = {.purpose = KEEPER_TLS, .name = SV("key.pem"), .pem = pem_of(key, &bio)};
    struct keeper_material m = material(1), none = material(2);
    char id[AUTH_TLS_KEY_ID_LEN + 1];
    unsigned char digest[32] = {1, 2, 3};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

    (void)state;
    tls_key_id(key, id);
    m.keys = &k;
    m.nkeys = 1;
    commit(&m);
    for (unsigned generation = 1; generation <= 10; generation++) {
        auth_client_sign(w.client, sv_of(id), AUTH_SIGN_ECDSA, (struct sv){(char *)digest, 32},
                         on_answer, NULL);
        wait_for(1);
        if (generation == 10) {
            assert_int_equal(w.verdict, AUTH_DENIED);
            break;
        }
        assert_int_equal(w.verdict, AUTH_OK);
        assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
        assert_int_equal(EVP_PKEY_verify(ctx, (unsigned char *)w.data, w.data_len, digest, 32), 1);
        auth_client_sign(w.client, sv_of(id), AUTH_SIGN_ECDSA, (struct sv){(char *)digest, 31},
                         on_answer, NULL);
        wait_for(1);
        assert_int_equal(w.verdict, AUTH_DENIED);
        none.generation = generation + 1;
        commit(&none);
    }
    EVP_PKEY_CTX_free(ctx);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void bad_generation(void **state)
{
    static const char *names[] = {"PLAIN", "NO-SUCH"};
    struct keeper_key k = {
        .purpose = KEEPER_TLS, .name = SV("/etc/msa/key.pem"), .pem = SV("no key")};
    struct auth_options o = database_options(w.path);
    struct keeper_material m = material(1);
    struct buf why;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    o.mechanisms = (struct conf_strings){names, 2};
    m = (struct keeper_material){
        .generation = 2, .options = &o, .hostname = SV("h"), .keys = &k, .nkeys = 1};
    buf_init(&why, 1024, 0);
    assert_int_equal(keeper_prepare(w.keeper, &m, &why), ERR_SYNTAX);
    assert_int_equal(buf_append(&why, "", 1), 0);
    assert_non_null(strstr(buf_view(&why).ptr, "/etc/msa/key.pem: "));
    assert_non_null(strstr(buf_view(&why).ptr, "NO-SUCH is not installed"));
    buf_deinit(&why);
    keeper_abort(w.keeper, 2);
    plain(w.client, (struct sv){"\0alice\0secret", 13}); /* the old one goes on */
    assert_int_equal(w.verdict, AUTH_OK);
}

/* A keeper that ends: what is pending is temporary, also the step of an exchange; a new one serves.
 */
static void restart(void **state)
{
    struct keeper_material m = material(1);
    uint64_t id;
    int fds[2];

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    id = auth_client_start(
        w.client,
        &(struct auth_start){.mechanism = SV("LOGIN"), .tls = true, .client = SV("192.0.2.1")},
        on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    start_plain(w.client, (struct sv){"\0alice\0secret", 13});
    keeper_free(w.keeper);
    w.keeper = NULL;
    wait_for(1); /* stops at on_lost or at the answer */
    assert_true(w.lost);
    if (w.answers == 0)
        wait_for(1);
    assert_int_equal(w.verdict, AUTH_TEMPORARY);
    auth_client_step(w.client, id, SV("alice"));
    wait_for(1);
    assert_int_equal(w.id, id);
    assert_int_equal(w.verdict, AUTH_TEMPORARY);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_TEMPORARY);

    w.keeper = keeper_new(w.loop);
    commit(&m);
    assert_int_equal(chan_pair(fds), 0);
    keeper_attach(w.keeper, fds[0]);
    auth_client_attach(w.client, fds[1]);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
}

/* One asker's flood: bounded, and another asker's login comes long before its end. */
static void fairness(void **state)
{
    struct keeper_material m = material(1);
    enum { FLOOD = 600 };

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    w.other = attach();
    for (unsigned i = 0; i < FLOOD; i++)
        auth_client_start(w.other,
                          &(struct auth_start){.mechanism = SV("PLAIN"),
                                               .initial = {"\0alice\0wrong", 12},
                                               .has_initial = true,
                                               .tls = true,
                                               .client = SV("192.0.2.1")},
                          on_other, NULL);
    run_for(5);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
    assert_true(from_other < FLOOD);
    for (unsigned i = 0; i < 200 && from_other < FLOOD; i++)
        run_for(50);
    assert_int_equal(from_other, FLOOD);
}

/* What is no message, or not allowed at this point, ends the channel and nothing else. */
static void broken_askers(void **state)
{
    static const struct {
        uint32_t type;
        struct sv payload;
    } rows[] = {
        {AUTH_WIRE_SASL_START, {"", 0}},
        {AUTH_WIRE_SASL_START, /* no address, and one that is none */
         {"\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\5PLAIN\0\0\0\0\0\0\0\0\0\0\0\0", 33}},
        {AUTH_WIRE_SASL_START,
         {"\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\5PLAIN\0\0\0\0\0\0\0\0043.2.1\0\0\0\0", 37}},
        {AUTH_WIRE_ANSWER, {"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
        {AUTH_WIRE_SIGN, {"\0\0\0\0\0\0\0\1\0\0\0\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
        {AUTH_WIRE_SASL_START, {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
        {99, {"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
    };
    struct keeper_material m = material(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chan_ops raw = {.on_end = NULL};
        int fds[2], copy;
        char byte;

        assert_int_equal(chan_pair(fds), 0);
        keeper_attach(w.keeper, fds[0]);
        copy = dup(fds[1]);
        struct chan *c = chan_new(w.loop, fds[1], &raw, NULL);
        assert_int_equal(chan_send(c, rows[i].type, rows[i].payload, NULL, 0), 0);
        chan_close(c);
        run_for(20);
        assert_int_equal(recv(copy, &byte, 1, MSG_DONTWAIT), 0); /* closed by the keeper */
        close(copy);
    }
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
}

/* A proof by a password that is changed before the exchange ends opens no session: those who end
 * the user's sessions were told before. */
static void changed_midway(void **state)
{
    struct auth_login_start ls = {.mechanisms = SV("SCRAM-SHA-256"),
                                  .host = SV("mail.example.net"),
                                  .user = SV("alice"),
                                  .password = SV("secret"),
                                  .tls = true};
    struct keeper_material m = material(1);
    const char *path;

    (void)state;
    path = administer();
    database_add(w.path, "alice", "secret");
    database_add(w.path, "bob", "secret");
    commit(&m);
    for (unsigned alice = 0; alice < 2; alice++) {
        struct auth_login_result lr;
        struct auth_login_exchange *x = auth_login_new(&ls, &lr);
        uint64_t id = login_from("SCRAM-SHA-256", "192.0.2.1", lr.data);
        struct msactl q;

        ask(&q, path, AUTH_ADMIN_PASSWD, alice ? "alice" : "bob", "another");
        auth_admin_answer_deinit(&q.answer);
        while (w.verdict == AUTH_CONTINUE) {
            auth_login_step(x, (struct sv){w.data, w.data_len}, &lr);
            auth_client_step(w.client, id, lr.data);
            wait_for(1);
        }
        assert_int_equal(w.verdict, alice ? AUTH_TEMPORARY : AUTH_OK);
        auth_login_free(x);
    }
    unlink(path);
}

/* What libraries read is that of the generation that is the one; a refused one changes nothing. */
static void a_ca_comes_with_its_generation(void **state)
{
    struct keeper_material m = material(1);
    struct auth_options o = *m.options;
    char ca[96], text[16] = "";
    struct buf why;
    FILE *file;

    (void)state;
    snprintf(ca, sizeof(ca), "%.*s/directory-ca.pem", (int)strlen(w.path) - 8, w.path);
    o.database = AUTH_DATABASE_SASLAUTHD;
    o.saslauthd.socket = o.saslauthd.service = "";
    m.options = &o;
    m.database_ca = SV("first");
    commit(&m);
    m.generation = 2;
    m.database_ca = SV("second");
    buf_init(&why, 1024, 0);
    assert_int_equal(keeper_prepare(w.keeper, &m, &why), 0);
    keeper_abort(w.keeper, 2);
    buf_deinit(&why);
    file = fopen(ca, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "first");
    m.generation = 3;
    m.database_ca = SV("");
    commit(&m);
    assert_int_equal(access(ca, F_OK), -1);
}

/* A server of others is not believed without the certificates that its setting names. */
static void a_file_that_a_setting_names_is_there(void **state)
{
    struct keeper_material m = material(1);
    struct auth_options o = *m.options;

    (void)state;
    o.sql = (struct auth_sql_options){.ca = "/etc/msa/ca.pem", .password_file = ""};
    o.ldapdb = (struct auth_ldapdb_options){.ca = "", .password_file = "/etc/msa/ldap.secret"};
    m.options = &o;
    for (unsigned is_ldap = 0; is_ldap < 2; is_ldap++) {
        struct buf why;

        o.database = is_ldap ? AUTH_DATABASE_LDAPDB : AUTH_DATABASE_SQL;
        buf_init(&why, 1024, 0);
        assert_int_equal(keeper_prepare(w.keeper, &m, &why), ERR_SYNTAX);
        assert_true(sv_starts(buf_view(&why), is_ldap ? SV("auth.ldapdb.password_file: /etc/msa/")
                                                      : SV("auth.sql.ca: /etc/msa/ca.pem is ")));
        buf_deinit(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(logins),
        T(steps),
        T(locks),
        T(signatures),
        T(bad_generation),
        T(restart),
        T(fairness),
        T(broken_askers),
        T(changed_midway),
        T(a_ca_comes_with_its_generation),
        T(a_file_that_a_setting_names_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
