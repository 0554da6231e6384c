#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/mime_entity.h"

#include <string.h>

#define M REWRITE_MIME_MULTIPART
#define U REWRITE_MIME_UNREADABLE
#define T REWRITE_MIME_TEXT
#define O REWRITE_MIME_OTHER

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum rewrite_mime_kind kind;
        const char *boundary;
    } rows[] = {
        {"text/plain", T, ""},
        {"TEXT/Plain ; charset=x", T, ""},
        {"text", T, ""},
        {"", T, ""},
        {"/plain", T, ""},
        {"text(c)/(d)html", T, ""},
        {"application/json", O, ""},
        {"image/png; name=\"x\"", O, ""},
        {"message/rfc822", REWRITE_MIME_MESSAGE, ""},
        {"message/delivery-status", REWRITE_MIME_FIXED, ""},
        {"message/disposition-notification", REWRITE_MIME_FIXED, ""},
        {"message/global", T, ""},
        {"message/global-delivery-status", T, ""},
        {"message/partial; number=1", REWRITE_MIME_FIXED, ""},
        {"Message/External-Body", REWRITE_MIME_FIXED, ""},
        {"multipart/signed; boundary=x", REWRITE_MIME_SIGNED, ""},
        {"multipart/encrypted; boundary=x", REWRITE_MIME_ENCRYPTED, ""},
        {"multipart/mixed; boundary=abc", M, "abc"},
        {"multipart/mixed; boundary=\"a b\"", M, "a b"},
        {"multipart/mixed; boundary=\"a b  \"", M, "a b"},
        {"multipart/mixed; boundary=----=_Part_1", M, "----=_Part_1"},
        {"multipart/mixed; boundary=abc (comment)", M, "abc"},
        {"multipart/mixed; boundary=abc; boundary=def", M, "abc"},
        {"multipart/mixed; BOUNDARY = \"q\\\"x\"", M, "q\"x"},
        {"multipart/mixed;\r\n\tboundary=\"a\r\n b\"", M, "a b"},
        {"multipart/mixed (boundary=no); boundary=y", M, "y"},
        {"multipart/mixed; x=\"; boundary=no\"; boundary=y", M, "y"},
        {"multipart/mixed; boundary*0=ab; boundary*1=\"c d\"", M, "abc d"},
        {"multipart/mixed; boundary*1=no; boundary*0=ab", M, "ab"},
        {"multipart/mixed; boundary*=us-ascii''ab", U, NULL},
        {"multipart/mixed; boundary*0*=us-ascii''ab", U, NULL},
        {"multipart/mixed", U, NULL},
        {"multipart/mixed; boundary=", U, NULL},
        {"multipart/mixed; boundary=\"\"", U, NULL},
        {"multipart/mixed; boundary=\"   \"", U, NULL},
        {"multipart/mixed; boundary=\"a\tb\"", U, NULL},
        {"multipart/mixed; boundary=gr\xc3\xbcn", U, NULL},
        {"multipart/mixed; xboundary=b", U, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf section;
        struct rewrite_mime_entity e;
        buf_init(&section, 1000, 0);
        assert_int_equal(buf_printf(&section, "X: y\r\nContent-Type: %s\r\n\r\n", rows[i].value),
                         0);
        rewrite_mime_entity_read(buf_view(&section), false, &e);
        assert_int_equal(e.kind, rows[i].kind);
        assert_true(e.has_type);
        if (rows[i].kind == M)
            assert_true(sv_eq((struct sv){e.boundary, e.boundary_len}, sv_of(rows[i].boundary)));
        buf_deinit(&section);
    }
}

static void test_longest_boundary(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        char section[400] = "Content-Type: multipart/mixed; boundary=";
        size_t len = strlen(section);
        memset(section + len, 'x', REWRITE_MIME_BOUNDARY + (size_t)over);
        struct rewrite_mime_entity e;
        rewrite_mime_entity_read(sv_of(section), false, &e);
        assert_int_equal(e.kind, over ? U : M);
    }
}

static void test_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum rewrite_mime_encoding encoding;
    } rows[] = {
        {"7bit", REWRITE_MIME_7BIT},
        {"8BIT", REWRITE_MIME_8BIT},
        {" binary ", REWRITE_MIME_BINARY},
        {"(a) base64 (b)", REWRITE_MIME_BASE64},
        {"Quoted-Printable", REWRITE_MIME_QUOTED_PRINTABLE},
        {"quoted-printable; x=y", REWRITE_MIME_QUOTED_PRINTABLE},
        {"8-bit", REWRITE_MIME_8BIT},
        {"none", REWRITE_MIME_8BIT},
        {"", REWRITE_MIME_8BIT},
        {"x-uuencode", REWRITE_MIME_ENCODED},
        {"base32", REWRITE_MIME_ENCODED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf section;
        struct rewrite_mime_entity e;
        buf_init(&section, 1000, 0);
        assert_int_equal(buf_printf(&section,
                                    "content-transfer-encoding:%s\r\n"
                                    "Content-Transfer-Encoding: base64\r\n\r\n",
                                    rows[i].value),
                         0);
        rewrite_mime_entity_read(buf_view(&section), false, &e);
        assert_int_equal(e.encoding, rows[i].encoding);
        assert_true(e.has_encoding && !e.has_version && !e.has_type);
        buf_deinit(&section);
    }
}

static void test_charset(void **state)
{
    (void)state;
    static const struct {
        const char *section;
        bool lacks;
    } rows[] = {
        {"\r\n", true},
        {"Content-Type: TEXT/plain; format=flowed\r\n", true},
        {"Content-Type: text/plain (; charset=x)\r\n", true},
        {"Content-Type: text/plain; Charset=x\r\n", false},
        {"Content-Type: text/plain; charset*=x\r\n", false},
        {"Content-Type: text/html\r\n", false},
        {"Content-Type: text\r\n", false},
        {"Content-Type: message/global\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rewrite_mime_entity e;
        rewrite_mime_entity_read(sv_of(rows[i].section), false, &e);
        assert_int_equal(e.lacks_charset, rows[i].lacks);
    }
}

static void test_digest(void **state)
{
    (void)state;
    struct rewrite_mime_entity e;
    rewrite_mime_entity_read(SV("\r\n"), true, &e);
    assert_int_equal(e.kind, REWRITE_MIME_MESSAGE);
    assert_false(e.lacks_charset);
    rewrite_mime_entity_read(SV("Content-Type: text/plain\r\n\r\n"), true, &e);
    assert_int_equal(e.kind, T);
    rewrite_mime_entity_read(
        SV("Content-Type: multipart/digest; boundary=b\r\nMIME-Version: 1\r\n"), false, &e);
    assert_true(e.is_digest && e.has_version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),     cmocka_unit_test(test_longest_boundary),
        cmocka_unit_test(test_encodings), cmocka_unit_test(test_charset),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
