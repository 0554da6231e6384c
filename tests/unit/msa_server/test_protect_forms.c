/* Encrypting by a whole server: who gets which form, and what is refused. */
#include "tests/unit/msa_server/protect_world.h"

static void test_shared_out(void **state)
{
    struct buf inside;
    (void)state;
    start(BOTH);
    buf_init(&inside, 1u << 20, 0);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("c") TO("z") TO("b") DATA(MESSAGE));
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 1);
    expect_signed(received("z"), ENTITY);
    for (int i = 0; i < 2; i++) {
        struct sv form = received(i ? "c" : "ab");
        assert_int_equal(decrypts(form, A, &inside), !i);
        assert_int_equal(decrypts(form, B, &inside), !i);
        assert_int_equal(decrypts(form, C, &inside), i);
        assert_true(decrypts(form, i ? C : A, &inside));
        expect_signed(buf_view(&inside), ENTITY);
    }
    assert_int_equal(world_log_count("encrypted"), 2);
    assert_true(world_logged("recipients=4 size="));
    assert_int_equal(world_stats().store.messages, 0);
    /* nobody is left without: the message itself is one of the forms */
    client_say(c, MAIL TO("c") TO("a") DATA(HEADER "\r\nagain\r\n"));
    sim_run_for(20000);
    assert_true(decrypts(received("a"), A, &inside));
    client_free(c);
    expect_idle();
    buf_deinit(&inside);
    stop(NULL);
}

/* Messages in spool files, each form too, with a small window to the disk. */
static void test_large(void **state)
{
    struct buf inside, body;
    (void)state;
    start(BOTH);
    buf_init(&inside, 16u << 20, 0);
    buf_init(&body, 4u << 20, 0);
    assert_int_equal(buf_printf(&body, "Content-Type: text/plain\r\n\r\n"), 0);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("c") TO("z") "DATA\r\n");
    client_put(c, SV(HEADER "\r\n"));
    for (int i = 0; i < 20000; i++) {
        char line[80];
        snprintf(line, sizeof line, "%070d\r\n", i);
        client_put(c, sv_of(line));
        assert_int_equal(buf_put(&body, sv_of(line)), 0);
    }
    client_say(c, ".\r\n");
    sim_run_for(60000);
    client_expect(c, "250 2.0.0 Queued");
    char *entity = buf_take(&body, NULL);
    expect_signed(received("z"), entity);
    assert_true(decrypts(received("c"), C, &inside));
    expect_signed(buf_view(&inside), entity);
    client_free(c);
    expect_idle();
    free(entity);
    buf_deinit(&inside);
    buf_deinit(&body);
    stop(NULL);
}

/* A header section of the largest size goes inside. */
static void test_large_header(void **state)
{
    struct buf inside;
    char field[903] = "X: ";
    (void)state;
    memset(field + 3, 'x', 897);
    strcpy(field + sizeof field - 3, "\r\n");
    start(BOTH "limits = { header_size = \"5M\"; memory = \"512M\"; };\n");
    buf_init(&inside, 16u << 20, 0);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("c") "DATA\r\n" HEADER);
    for (int i = 0; i < 5500; i++)
        client_put(c, sv_of(field));
    client_say(c, "\r\nbody\r\n.\r\n");
    sim_run_for(60000);
    client_expect(c, "250 2.0.0 Queued");
    assert_true(decrypts(received("c"), C, &inside));
    buf_deinit(&inside);
    stop(c);
}

/* More recipients than one message may have keys for: as many messages as it takes. */
static struct person crowd[2];

static void add_crowd(struct generation *g)
{
    for (int i = 0; i < 2; i++)
        generation_add_file(g, GENERATION_CERTIFICATE, "/crowd", sv_of(crowd[i].pem), false);
}

static void test_crowd(void **state)
{
    enum { EACH = 75 };
    struct buf emails, to, rcpt;
    (void)state;
    start(ROUTE "rewrite = { " ENCRYPTS "};\n");
    buf_init(&to, 1u << 16, 0);
    buf_init(&rcpt, 1u << 16, 0);
    assert_int_equal(buf_printf(&to, "From: u@example.net\r\nTo: x@example.net"), 0);
    for (int i = 0; i < 2; i++) {
        buf_init(&emails, 1u << 16, 0);
        for (int k = 0; k < EACH; k++) {
            assert_int_equal(buf_printf(&emails, "%semail:p%d.%d@example.org", k ? "," : "", i, k),
                             0);
            assert_int_equal(buf_printf(&to, ",\r\n p%d.%d@example.org", i, k), 0);
            assert_int_equal(buf_printf(&rcpt, "RCPT TO:<p%d.%d@example.org>\r\n", i, k), 0);
        }
        char *text = buf_take(&emails, NULL);
        crowd[i] = person_new(&(struct person_plan){
            .emails = text, .from_s = -3650L * DAY_S, .until_s = 3650L * DAY_S});
        free(text);
        buf_deinit(&emails);
    }
    world_files = add_crowd;
    world_reload(2, ROUTE "rewrite = { " ENCRYPTS "};\n");
    sim_run_for(1000);
    struct sim_client *c = client_ready();
    client_say(c, MAIL);
    client_put(c, buf_view(&rcpt));
    client_say(c, "DATA\r\n");
    assert_int_equal(buf_printf(&to, "\r\n\r\nbody\r\n.\r\n"), 0);
    client_put(c, buf_view(&to));
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(world_log_count("encrypted"), 2);
    assert_true(world_logged("recipients=100 ") && world_logged("recipients=50 "));
    size_t messages = 0, recipients = 0;
    for (struct got *g = all; g; g = g->next) {
        messages += g->whole;
        recipients += g->whole ? buf_len(&g->rcpts) : 0;
    }
    assert_int_equal(messages, 2);
    assert_int_equal(recipients, 2 * EACH);
    buf_deinit(&to);
    buf_deinit(&rcpt);
    client_free(c);
    expect_idle();
    stop(NULL);
    person_free(&crowd[0]);
    person_free(&crowd[1]);
}

#define FROM "From: u@example.net\r\nMIME-Version: 1.0\r\n"
#define PGP                                                                                        \
    FROM                                                                                           \
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; "              \
        "boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"   \
        "--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" \
        "aa==\r\n-----END PGP MESSAGE-----\r\n--b--\r\n"
#define CMS(base64)                                                                                \
    FROM                                                                                           \
        "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" base64 \
        "\r\n"

/* The client's message is the end of what arrived. */
static void expect_left(struct sv text, const char *message)
{
    const char *body = strstr(message, "\r\n\r\n");
    assert_non_null(memmem(text.ptr, text.len, body, strlen(body)));
}

/* What only says that it is signed or encrypted is signed, and encrypted. */
static void test_only_says_so(void **state)
{
    static const char *const messages[] = {
        "From: u@example.net\r\nContent-Type: multipart/encrypted\r\n\r\nthe secret\r\n",
        "From: u@example.net\r\nContent-Type: multipart/signed\r\n\r\nthe secret\r\n",
        "From: u@example.net\r\nContent-Type: application/pkcs7-mime\r\n\r\nthe secret\r\n",
    };
    struct buf inside;
    (void)state;
    start(ROUTE
          "rewrite = { " SIGNS("require = true;") "encrypt = ( { to = \"*\"; policy = \"require\"; "
                                                  "} ); certificates = [ \"/certs\" ]; };\n");
    buf_init(&inside, 1u << 20, 0);
    struct sim_client *c = client_ready();
    for (unsigned i = 0; i < 3; i++) {
        client_put(c, SV(MAIL TO("a") "DATA\r\n"));
        client_put(c, sv_of(messages[i]));
        client_say(c, ".\r\n");
        sim_run_for(5000);
        client_expect(c, "250 2.0.0 Queued");
        assert_int_equal(asked, i + 1);
        assert_true(decrypts(received("a"), A, &inside));
        assert_true(sv_istarts(buf_view(&inside), SV("Content-Type: multipart/signed")));
        assert_int_equal(world_log_count("smime-unproven"), i + 1);
    }
    /* signed by CMS, and readable for everybody */
    client_say(c, MAIL TO("a") DATA(CMS("MIAGCSqGSIb3DQEHAqCAMIACAQEx")));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 3);
    assert_true(decrypts(received("a"), A, &inside));
    assert_true(sv_istarts(buf_view(&inside), SV("Content-Type: application/pkcs7-mime")));
    client_say(c, MAIL TO("x") DATA("From: u@example.net\r\nContent-Type: multipart/encrypted\r\n"
                                    "\r\nthe secret\r\n"));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 Mail to <x@example.org> has to be encrypted (S/MIME)");
    buf_deinit(&inside);
    client_free(c);
    expect_idle();
    stop(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    start(BOTH);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("must") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 Mail to <must@example.org> has to be encrypted (S/MIME), and there "
                     "is no certificate for this address (rewrite.encrypt)");
    assert_int_equal(world_stats().store.messages, 0);
    /* what is encrypted already may go */
    client_say(c, MAIL TO("must") DATA(PGP));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    expect_left(received("m"), PGP);
    client_say(c, MAIL TO("must") DATA(CMS("MIAGCSqGSIb3DQEHA6CAMIACAQAx")));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 0);
    client_free(c);
    expect_idle();
    stop(NULL);
}

/* What is too much is held, in all its forms. */
static void test_held(void **state)
{
    (void)state;
    start(BOTH "permissions = ( { login = \"u@example.net\"; messages_per_hour = 1; } );\n");
    struct sim_client *c = client_ready();
    for (int i = 0; i < 2; i++)
        client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(20000);
    assert_int_equal(world_stats().accepted_messages, 2);
    assert_int_equal(world_stats().store.messages, 2); /* both forms of the second */
    assert_int_equal(world_stats().store.rows, 2);
    client_free(c);
    expect_idle();
    stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_out),   cmocka_unit_test(test_large),
        cmocka_unit_test(test_large_header), cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_only_says_so), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_held),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
