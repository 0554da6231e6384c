#include "msa/smtp/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* What came out of text, one letter an event: R<line>; B, L (too long), E. */
static void read_all(struct sv text, size_t piece, bool auth, struct buf *out)
{
    struct smtp_line l;
    buf_reset(out);
    smtp_line_init(&l);
    for (size_t used = 0; used < text.len;) {
        struct sv part = sv_first(sv_skip(text, used), piece), line = SV_NONE;
        size_t start = used, end = used + part.len;
        while (used < end) {
            size_t taken;
            enum smtp_line_event e =
                smtp_line_feed(&l, sv_skip(part, used - start), auth, &taken, &line);
            used += taken;
            int err = 0;
            if (e == SMTP_LINE_READY)
                err = line.len > 100 ? buf_printf(out, "R#%zu;", line.len)
                                     : buf_printf(out, "R%.*s;", SV_ARG(line));
            else if (e != SMTP_LINE_MORE)
                err = buf_printf(out, "%c", "?RBLE"[e]);
            assert_int_equal(err, 0);
            if (e != SMTP_LINE_MORE)
                smtp_line_release(&l);
            if (e == SMTP_LINE_MORE && used < end)
                fail_msg("stopped without an event");
            if (e == SMTP_LINE_MORE)
                break;
            if (e == SMTP_LINE_ENDLESS)
                goto out;
        }
    }
out:
    smtp_line_deinit(&l);
}

static void check(struct sv text, bool auth, const char *want)
{
    struct buf out;
    buf_init(&out, 1000, 0);
    for (size_t piece = 1; piece <= text.len; piece = piece < 20 ? piece + 1 : piece * 3) {
        read_all(text, piece, auth, &out);
        if (!sv_eq(buf_view(&out), sv_of(want)))
            fail_msg("pieces of %zu: %.*s, not %s", piece, SV_ARG(buf_view(&out)), want);
    }
    read_all(text, text.len, auth, &out);
    assert_true(sv_eq(buf_view(&out), sv_of(want)));
    buf_deinit(&out);
}

static void splitting(void **state)
{
    (void)state;
    check(SV("NOOP\r\nQUIT\r\n"), false, "RNOOP;RQUIT;");
    check(SV("\r\n\r\n"), false, "R;R;");
    check(SV("a\nb\r\nc\r\n"), false, "BRc;");
    check(SV("a\rb\r\nc\r\n"), false, "BRc;");
    check(SV("a\r\r\nc\r\n"), false, "BRc;");
    check(SV("a\0b\n\r\0\nx\r\nc\r\n"), false, "BRc;");
    check(SV("\n\n\n\r\nc\r\n"), false, "BRc;");
    check(SV("\n\r\n\n\r\nc\r\n"), false, "BBRc;");
    check(SV("NOOP\r"), false, "");
    check(SV("NOOP"), false, "");
}

/* verb, then octets to a line of len with CRLF, then "c" */
static void check_long(const char *verb, size_t len, bool auth, const char *want)
{
    char *text = malloc(len + 3);
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, verb, strlen(verb));
    memcpy(text + len - 2, "\r\nc\r\n", 5);
    check((struct sv){text, len + 3}, auth, want);
    free(text);
}

static void limits(void **state)
{
    (void)state;
    check_long("MAIL ", 4096, false, "R#4094;Rc;");
    check_long("MAIL ", 4097, false, "LRc;");
    check_long("AUTHX", 4097, false, "LRc;");
    check_long("AUTH ", 12288, false, "R#12286;Rc;");
    check_long("auth ", 12289, false, "LRc;");
    check_long("xxxx", 12288, true, "R#12286;Rc;");
    check_long("xxxx", 12289, true, "LRc;");
    check_long("xxxx", 65538, false, "LRc;");
    check_long("xxxx", 65539, false, "E");
    check_long("a\nb", 65538, false, "BRc;");
    check_long("a\nb", 70000, false, "BE");
}

static void a_line_in_parts_holds_memory_only_meanwhile(void **state)
{
    struct smtp_line l;
    struct sv line;
    size_t taken;
    (void)state;
    smtp_line_init(&l);
    assert_int_equal(smtp_line_feed(&l, SV("NO"), false, &taken, &line), SMTP_LINE_MORE);
    assert_non_null(l.part.data);
    assert_int_equal(smtp_line_feed(&l, SV("OP\r\nX"), false, &taken, &line), SMTP_LINE_READY);
    assert_int_equal(taken, 4);
    assert_true(sv_eq(line, SV("NOOP")));
    smtp_line_release(&l);
    assert_null(l.part.data);
    smtp_line_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting), cmocka_unit_test(limits),
        cmocka_unit_test(a_line_in_parts_holds_memory_only_meanwhile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
