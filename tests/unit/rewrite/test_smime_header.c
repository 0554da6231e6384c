#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_header.h"

#include <string.h>

static const struct {
    const char *section;
    enum rewrite_smime_form form;
} forms[] = {
    {"", REWRITE_SMIME_PLAIN},
    {"From: a@b\r\n", REWRITE_SMIME_PLAIN},
    {"Content-Type: text/plain\r\n", REWRITE_SMIME_PLAIN},
    {"Content-Type: multipart/mixed; boundary=\"multipart/signed\"\r\n", REWRITE_SMIME_PLAIN},
    {"Content-Type: multipart/signed; boundary=x\r\n", REWRITE_SMIME_SIGNED},
    {"CONTENT-TYPE :\r\n\t(c (d \\) e)) Multipart / SIGNED\r\n", REWRITE_SMIME_SIGNED},
    {"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"\r\n",
     REWRITE_SMIME_ENCRYPTED},
    {"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n",
     REWRITE_SMIME_ENCRYPTED},
    {"Content-Type: application/x-pkcs7-mime; name=\"a;\\\" smime-type=signed-data\"; smime-type = "
     "\"signed-data\"\r\n",
     REWRITE_SMIME_SIGNED},
    {"Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data\r\n",
     REWRITE_SMIME_ENCRYPTED},
    {"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n", REWRITE_SMIME_PLAIN},
    {"Content-Type: application/pkcs7-mime\r\n", REWRITE_SMIME_ENCRYPTED},
    {"Content-Type: application/pkcs7-mime; signed; smime-type=signed-data (c); x\r\n",
     REWRITE_SMIME_SIGNED},
    {"Content-Type: application/pkcs7-mime x; ; smime-type=signed-data\r\n", REWRITE_SMIME_SIGNED},
    {"Content-Type: application/pkcs7-mime; name=\"open\r\n", REWRITE_SMIME_ENCRYPTED},
    {"Content-Type: application/pkcs7-signature\r\n", REWRITE_SMIME_PLAIN},
    {"Content-Type: text/plain\r\nContent-Type: multipart/signed\r\n", REWRITE_SMIME_PLAIN},
    {"Content-Type:\r\n", REWRITE_SMIME_PLAIN},
    {"X-Content-Type: multipart/signed\r\n", REWRITE_SMIME_PLAIN},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (rewrite_smime_form_of(sv_of(forms[i].section)) != forms[i].form)
            fail_msg("%s", forms[i].section);
}

static const struct {
    const char *section, *outside, *entity;
} divisions[] = {
    {"From: a@b\r\nSubject: x\r\n\ty\r\n",
     "From: a@b\r\nSubject: x\r\n\ty\r\nMIME-Version: "
     "1.0\r\nAdded: 1\r\n",
     "Content-Type: text/plain\r\n\r\n"},
    {"From: a@b\r\nContent-Type: text/html;\r\n charset=utf-8\r\nmime-version: 1.0 "
     "(x)\r\ncontent-transfer-encoding: 8bit\r\nDate: d\r\n",
     "From: a@b\r\nmime-version: 1.0 (x)\r\nDate: d\r\nAdded: 1\r\n",
     "Content-Type: text/html;\r\n charset=utf-8\r\ncontent-transfer-encoding: 8bit\r\n\r\n"},
    {"Content-Language: de\r\n", "MIME-Version: 1.0\r\nAdded: 1\r\n",
     "Content-Language: de\r\nContent-Type: text/plain\r\n\r\n"},
    {"", "MIME-Version: 1.0\r\nAdded: 1\r\n", "Content-Type: text/plain\r\n\r\n"},
};

/* The same fields, but a Content-Type that was not there. */
static void check_alone(struct sv section, struct sv entity)
{
    struct buf alone;
    buf_init(&alone, 1000, 0);
    assert_int_equal(rewrite_smime_alone(section, &alone), 0);
    struct sv text = buf_view(&alone);
    assert_true(sv_starts(text, SV("MIME-Version: 1.0\r\n")));
    assert_true(sv_iends(text, SV("\r\n")));
    assert_true(sv_starts(entity, sv_first(sv_skip(text, 19), text.len - 21)));
    struct buf back;
    buf_init(&back, 1000, 0);
    assert_int_equal(rewrite_smime_unwrap(sv_first(text, text.len - 2), &back), 0);
    assert_true(sv_eq(buf_view(&back), entity));
    buf_deinit(&back);
    buf_deinit(&alone);
}

static void test_divide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof divisions / sizeof divisions[0]; i++) {
        struct sv section = sv_of(divisions[i].section), run;
        struct rewrite_edits edits;
        struct rewrite_edits_cursor cursor = {0};
        struct buf out, entity;
        buf_init(&out, 1000, 0);
        buf_init(&entity, 1000, 0);
        rewrite_edits_init(&edits, REWRITE_SMIME_ADDED_MAX);
        assert_int_equal(
            rewrite_smime_outside(section, REWRITE_WHY_SMIME_SIGNED, SV("Added: 1\r\n"), &edits),
            0);
        while (rewrite_edits_next(&edits, section, &cursor, &run))
            assert_int_equal(buf_put(&out, run), 0);
        assert_int_equal(rewrite_smime_inside(section, &entity), 0);
        check_alone(section, buf_view(&entity));
        if (!sv_eq(buf_view(&out), sv_of(divisions[i].outside)) ||
            !sv_eq(buf_view(&entity), sv_of(divisions[i].entity)))
            fail_msg("%s:\n%.*s\n%.*s", divisions[i].section, SV_ARG(buf_view(&out)),
                     SV_ARG(buf_view(&entity)));
        rewrite_edits_deinit(&edits);
        buf_deinit(&out);
        buf_deinit(&entity);
    }
}

/* Wherever it is cut: the same section and the same rest. */
static void check_pieces(struct sv all, struct sv section, size_t first, size_t second)
{
    struct rewrite_smime_section s;
    struct sv rest, pieces[3] = {sv_first(all, first), sv_first(sv_skip(all, first), second),
                                 sv_skip(all, first + second)};
    struct buf body;
    rewrite_smime_section_init(&s, 100);
    buf_init(&body, 100, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rewrite_smime_section_feed(&s, pieces[i], &rest), 0);
        assert_int_equal(buf_put(&body, rest), 0);
    }
    assert_true(s.whole);
    assert_true(sv_eq(rewrite_smime_section_fields(&s), section));
    assert_true(sv_eq(buf_view(&body), sv_skip(all, section.len + 2)));
    rewrite_smime_section_deinit(&s);
    buf_deinit(&body);
}

static void test_pieces(void **state)
{
    static const char *const wholes[][2] = {
        {"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore\r\n", "A: 1\r\nB: 2\r\n"},
        {"\r\nbody\r\n\r\n", ""},
        {"A: 1\r\n\r\n", "A: 1\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
        struct sv all = sv_of(wholes[i][0]);
        for (size_t first = 0; first <= all.len; first++)
            for (size_t second = 0; first + second <= all.len; second++)
                check_pieces(all, sv_of(wholes[i][1]), first, second);
    }
    struct rewrite_smime_section s;
    struct sv rest;
    rewrite_smime_section_init(&s, 8);
    assert_int_equal(rewrite_smime_section_feed(&s, SV("A: 1\r\n"), &rest), 0);
    assert_int_equal(rewrite_smime_section_feed(&s, SV("B: 1\r\n\r\n"), &rest), ERR_FULL);
    rewrite_smime_section_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_divide),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
