/* A message in a file: line ends, and whom its header names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/ctl/letter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_text(const char *text, size_t len, struct letter *out)
{
    char path[] = "/tmp/test_letter.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    close(fd);
    assert_int_equal(letter_read(path, out), 0);
    unlink(path);
}

static void add(void *arg, const char *address)
{
    struct buf *list = arg;
    assert_int_equal(buf_printf(list, "%s;", address), 0);
}

static const struct {
    const char *text, *content, *to;
    bool eight_bit, eight_bit_header;
} rows[] = {
    {"To: a@b\n\nx\n", "To: a@b\r\n\r\nx\r\n", "a@b;", false, false},
    {"To: a@b\r\n\r\nx\n\ny", "To: a@b\r\n\r\nx\r\n\r\ny", "a@b;", false, false},
    {"Cc: B <b@c>,\n d@e (f)\nBcc: g:h@i;\nFrom: x@y\n\nTo: z@z\n",
     "Cc: B <b@c>,\r\n d@e (f)\r\nBcc: g:h@i;\r\nFrom: x@y\r\n\r\nTo: z@z\r\n", "b@c;d@e;h@i;",
     false, false},
    {"\nTo: a@b\n", "\r\nTo: a@b\r\n", "", false, false},
    {"", "", "", false, false},
    {"To: a@b", "To: a@b", "", false, false},
    {"nonsense\nTo: a@b\n\n", "nonsense\r\nTo: a@b\r\n\r\n", "", false, false},
    {"To: a@b\nnonsense\nTo: c@d\n\n", "To: a@b\r\nnonsense\r\nTo: c@d\r\n\r\n", "a@b;", false,
     false},
    {"To: a@b, c d, e@f\n\n", "To: a@b, c d, e@f\r\n\r\n", "a@b;", false, false},
    {"To: \xc3\xbc@b\n\nx\n", "To: \xc3\xbc@b\r\n\r\nx\r\n", "\xc3\xbc@b;", true, true},
    {"To: a@b\n\n\xc3\xbc\n", "To: a@b\r\n\r\n\xc3\xbc\r\n", "a@b;", true, false},
};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct letter l;
        struct buf to;
        buf_init(&to, 1000, 0);
        read_text(rows[i].text, strlen(rows[i].text), &l);
        letter_recipients(&l, add, &to);
        if (!sv_eq(buf_view(&l.text), sv_of(rows[i].content)) ||
            !sv_eq(buf_view(&to), sv_of(rows[i].to)))
            fail_msg("row %zu: %.*s, %.*s", i, SV_ARG(buf_view(&l.text)), SV_ARG(buf_view(&to)));
        assert_int_equal(l.eight_bit, rows[i].eight_bit);
        assert_int_equal(l.eight_bit_header, rows[i].eight_bit_header);
        buf_deinit(&to);
        letter_deinit(&l);
    }
}

/* CR and LF on both sides of where the file is read in pieces; octets that are no text. */
static void pieces(void **state)
{
    (void)state;
    size_t len = 3 * 65536;
    char *text = malloc(len);
    for (unsigned shift = 0; shift < 3; shift++) {
        struct letter l;
        for (size_t i = 0; i < len; i++)
            text[i] = "a\r\n"[(i + shift) % 3];
        text[len - 3] = '\0';
        text[len - 2] = '\r';
        text[len - 1] = 'b';
        read_text(text, len, &l);
        struct sv got = buf_view(&l.text);
        size_t before = shift == 2; /* a LF alone is the first octet */
        assert_int_equal(got.len, len + before);
        assert_memory_equal(got.ptr + before, text, len);
        letter_deinit(&l);
    }
    free(text);
}

static void missing(void **state)
{
    (void)state;
    struct letter l;
    assert_int_equal(letter_read("/nonexistent/letter", &l), -ENOENT);
    letter_deinit(&l);
    assert_true(letter_read("/", &l) < 0);
    letter_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(pieces),
                                       cmocka_unit_test(missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
