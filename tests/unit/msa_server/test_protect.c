/* S/MIME of a whole server: what is signed and how, what is not, and DKIM over it. */
#include "tests/unit/msa_server/protect_world.h"

static void test_signed(void **state)
{
    (void)state;
    start(SIGNED);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("z") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 1); /* one signature, whatever the number of recipients */
    expect_signed(received("az"), ENTITY);
    peer_expect(sink, "Subject: x\r\n");
    assert_false(peer_was_told(sink, "BODY=8BITMIME"));
    client_free(c);
    expect_idle();
    stop(NULL);
}

/* 8 bits are made 7; what cannot be is refused; what is signed already goes as it is. */
static void test_seven_bit(void **state)
{
    (void)state;
    start(HAS_TO);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") DATA(HEADER "Content-Type: text/plain; charset=utf-8\r\n"
                                           "MIME-Version: 1.0\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n"));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    expect_signed(received("a"), "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                 "gr=C3=BC=C3=9F\r\n");
    client_say(c, "MAIL FROM:<u@example.net> BODY=BINARYMIME\r\n" TO("b") "BDAT 73 LAST\r\n");
    client_put(c, (struct sv){"From: u@example.net\r\nContent-Type: image/x\r\nMIME-Version: "
                              "1.0\r\n\r\n\0\n\r\r\n\xff\0\1",
                              73});
    sim_run_for(5000);
    expect_signed(received("b"), "Content-Type: image/x\r\nContent-Transfer-Encoding: "
                                 "base64\r\n\r\nAAoNDQr/AAE=\r\n");
    asked = 0;
    client_say(c, MAIL TO("a") DATA("From: u@example.net\r\nMIME-Version: 1.0\r\nContent-Type: "
                                    "message/partial; id=x\r\n\r\n\xc3\xbc\r\n"));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 This message has to be signed (S/MIME), and cannot be: a part of "
                     "a message type that allows no encoding");
    client_say(c, MAIL TO("c") DATA("From: u@example.net\r\nContent-Type: multipart/signed\r\n"
                                    "\r\n\xc3\xbc\r\n"));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 This message has to be signed (S/MIME), and cannot be: a signed "
                     "part would have to be re-encoded");
    client_say(c, MAIL TO("c") DATA("From: u@example.net\r\nContent-Type: multipart/signed; "
                                    "protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n"
                                    "--b\r\n\r\n\xc3\xbc\r\n--b\r\nContent-Type: "
                                    "application/pgp-signature\r\n\r\n"
                                    "-----BEGIN PGP SIGNATURE-----\r\n--b--\r\n"));
    sim_run_for(5000);
    assert_true(received("c").len > 0);
    assert_int_equal(asked, 0);
    client_free(c);
    expect_idle();
    stop(NULL);
}

/* What a gateway sends is not touched, nor what no row is for. */
static void test_left_alone(void **state)
{
    (void)state;
    start(BOTH "permissions = ( { login = \"u@example.net\"; class = \"gateway\"; may_send_as = "
               "\"*\"; } );\n");
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("must") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 0);
    peer_expect(sink, "Subject: x\r\n");
    assert_false(peer_was_told(sink, "MIME-Version"));
    stop(c);
    start(ROUTE "rewrite = { " ENCRYPTS "};\n");
    c = client_ready();
    client_say(c, MAIL "RCPT TO:<a@example.com>\r\n" DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_false(peer_was_told(sink, "MIME-Version"));
    stop(c);
}

/* ---- DKIM, which comes last ---- */

#define DKIM(more)                                                                              \
    "dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; canonicalization = " \
    "\"simple/simple\"; " more " } ); "

/* Each form has a signature, and it is of this form's body. */
static void expect_dkim(struct sv text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char b64[EVP_MAX_MD_SIZE * 2], words[200];
    unsigned len;
    const char *body = memmem(text.ptr, text.len, "\r\n\r\n", 4);
    assert_non_null(body);
    body += 4;
    EVP_Digest(body, (size_t)(text.ptr + text.len - body), digest, &len, EVP_sha256(), NULL);
    EVP_EncodeBlock((unsigned char *)b64, digest, (int)len);
    snprintf(words, sizeof words, "bh=%s", b64);
    assert_true(sv_starts(text, SV("DKIM-Signature: ")));
    if (!memmem(text.ptr, text.len, words, strlen(words)))
        fail_msg("no %s in\n%.*s", words, SV_ARG(text));
}

static void test_dkim(void **state)
{
    (void)state;
    world_dkim = "0 rsa 2048 id QUJD\n";
    start(ROUTE "rewrite = { " SIGNS("") ENCRYPTS DKIM("") "};\n");
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("c") TO("z") DATA(MESSAGE));
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    expect_dkim(received("a"));
    expect_dkim(received("c"));
    expect_dkim(received("z"));
    client_say(c, MAIL TO("a") DATA(MESSAGE));
    sim_run_for(20000);
    expect_dkim(received("a"));
    /* a message that goes unsigned after all, when the other form was hashed already */
    denies = true;
    client_say(c, MAIL TO("y") DATA(MESSAGE));
    sim_run_for(20000);
    expect_dkim(received("y"));
    stop(c);
    /* and where one of the forms cannot be signed, none goes */
    world_dkim = "0 rsa 2048 gone QUJD\n";
    start(ROUTE "rewrite = { " ENCRYPTS DKIM("require = true;") "};\n");
    c = client_ready();
    client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(20000);
    client_expect(c, "451 4.7.0 ");
    client_free(c);
    assert_int_equal(world_stats().store.messages, 0);
    expect_idle();
    world_dkim = NULL;
    stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_seven_bit),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_dkim),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
