/* Certificates that a directory has, in a whole server: who is asked about, and when the directory
 * is silent, late, or many are asked about. */
#include "tests/unit/msa_server/protect_world.h"

#include "msa/base/pack.h"

#define FINDS                                                                                    \
    ROUTE "rewrite = { encrypt = ( { to = \"never@example.org\"; policy = \"never\"; }, "        \
          "{ to = \"must@example.org\"; policy = \"require\"; }, { to = \"@example.org\"; } ); " \
          "certificates = [ \"/certs\", \"ldaps://ldap.example.org/?x?sub?(mail=%s)\" ]; };\n"

static unsigned questions, silent_at; /* silent_at: the question that has no answer */
static enum auth_verdict verdict_of_others;

static enum auth_verdict find(struct sv address, struct buf *out)
{
    unsigned char *der = NULL;
    assert_false(sv_istarts(address, SV("never@")) || sv_istarts(address, SV("a@")));
    if (++questions == silent_at)
        return AUTH_TEMPORARY;
    if (!sv_istarts(address, SV("o@")))
        return verdict_of_others;
    int len = i2d_X509(people[OTHER].x509, &der);
    pack_sv(out, (struct sv){(const char *)der, (size_t)len});
    OPENSSL_free(der);
    return AUTH_OK;
}

static void begin(void)
{
    start(FINDS);
    sim_auth_directory(find);
    questions = silent_at = 0;
    verdict_of_others = AUTH_DENIED;
}

static void test_found(void **state)
{
    struct buf inside;
    (void)state;
    begin();
    buf_init(&inside, 1u << 20, 0);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("o") TO("a") TO("never") TO("z") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(questions, 2); /* about o and z */
    assert_true(decrypts(received("o"), OTHER, &inside));
    assert_true(decrypts(received("a"), A, &inside));
    assert_non_null(memmem(received("nz").ptr, received("nz").len, "\r\n.dot\r\n", 8));
    buf_deinit(&inside);
    client_free(c);
    expect_idle();
    stop(NULL);
}

static void test_none(void **state)
{
    (void)state;
    begin();
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("must") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 Mail to <must@example.org> has to be encrypted (S/MIME), and there "
                     "is no certificate for this address");
    client_free(c);
    expect_idle();
    stop(NULL);
}

static void expect_451(struct sim_client *c)
{
    client_expect(c, "451 4.7.0 Whether mail to <");
    assert_int_equal(world_stats().store.messages, 0);
}

/* Under either policy, whichever of the questions it is; and who is away counts as silent. */
static void test_silent(void **state)
{
    (void)state;
    begin();
    for (silent_at = 1; silent_at <= 3; silent_at++) {
        struct sim_client *c = client_ready();
        questions = 0;
        client_say(c, MAIL TO("x") TO("y") TO("z") DATA(MESSAGE));
        sim_run_for(5000);
        expect_451(c);
        client_free(c);
    }
    expect_idle();
    stop(NULL);
}

/* What takes too long, and an end of the session while it is asked. */
static void test_late(void **state)
{
    (void)state;
    begin();
    sim_auth_delay(0);
    struct sim_client *c = client_ready();
    sim_auth_delay(40000);
    client_say(c, MAIL TO("z") DATA(MESSAGE));
    sim_run_for(29000);
    assert_false(client_heard(c, "451"));
    sim_run_for(2000);
    expect_451(c);
    client_say(c, MAIL TO("y") DATA(MESSAGE));
    sim_run_for(1000);
    client_free(c);
    sim_run_for(60000);
    assert_int_equal(world_stats().store.messages, 0);
    sim_auth_delay(0);
    expect_idle();
    stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
