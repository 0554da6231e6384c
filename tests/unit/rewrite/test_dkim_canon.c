#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/base/buf.h"
#include "rewrite/dkim_canon.h"

#include <stdlib.h>
#include <string.h>

#define S REWRITE_DKIM_SIMPLE
#define R REWRITE_DKIM_RELAXED

static const char *const canon_text[] = {"simple", "relaxed"};

/* RFC 6376 3.4.5, and what may happen at the edges of a body. */
static const struct {
    const char *label, *body, *want[REWRITE_DKIM_CANONS];
} bodies[] = {
    {"RFC 6376 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", {" C \r\nD \t E\r\n", " C\r\nD E\r\n"}},
    {"empty", "", {"\r\n", ""}},
    {"one line end", "\r\n", {"\r\n", ""}},
    {"line ends only", "\r\n\r\n\r\n", {"\r\n", ""}},
    {"white space only", "  \t\r\n \r\n", {"  \t\r\n \r\n", ""}},
    {"no line end", "abc", {"abc\r\n", "abc\r\n"}},
    {"white space at the end of all", "abc \t", {"abc \t\r\n", "abc\r\n"}},
    {"a line of white space at the end", "abc\r\n \t", {"abc\r\n \t\r\n", "abc\r\n"}},
    {"empty lines inside", "a\r\n\r\n\r\nb\r\n", {"a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"}},
    {"blank lines inside",
     "a\r\n \r\n\t\r\nb\r\n",
     {"a\r\n \r\n\t\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"}},
    {"leading white space", "\t a\r\n  b\r\n", {"\t a\r\n  b\r\n", " a\r\n b\r\n"}},
    {"tabs", "a\tb\t\tc\r\n", {"a\tb\t\tc\r\n", "a b c\r\n"}},
    {"begins with line ends", "\r\n\r\na\r\n", {"\r\n\r\na\r\n", "\r\n\r\na\r\n"}},
    {"bare CR", "a\rb\r\n", {"a\rb\r\n", "a\rb\r\n"}},
    {"bare CR at the end", "a\r", {"a\r\r\n", "a\r\r\n"}},
    {"CR before CRLF", "a\r\r\nb \r \r\n", {"a\r\r\nb \r \r\n", "a\r\r\nb \r\r\n"}},
    {"bare LF", "a\nb \n\r\n\n", {"a\nb \n\r\n\n\r\n", "a\nb \n\r\n\n\r\n"}},
    {"LF first", "\nx\r\n", {"\nx\r\n", "\nx\r\n"}},
};

/* RFC 6376 3.4.5, 3.4.2; without the CRLF behind. */
static const struct {
    const char *field, *want[REWRITE_DKIM_CANONS];
} fields[] = {
    {"A: X\r\n", {"A: X", "a:X"}},
    {"B : Y\t\r\n\tZ  \r\n", {"B : Y\t\r\n\tZ  ", "b:Y Z"}},
    {"SUBJect:AbC", {"SUBJect:AbC", "subject:AbC"}},
    {"Subject:\r\n", {"Subject:", "subject:"}},
    {"Subject: \r\n \r\n", {"Subject: \r\n ", "subject:"}},
    {"To:  a ,\r\n\t b\r\n  c \t d\r\n", {"To:  a ,\r\n\t b\r\n  c \t d", "to:a , b c d"}},
    {"X: a:b : c\r\n", {"X: a:b : c", "x:a:b : c"}},
    {"x-a-very-long-NAME-that-is-longer-than-the-piece-in-which-names-are-given-out: v\r\n",
     {"x-a-very-long-NAME-that-is-longer-than-the-piece-in-which-names-are-given-out: v",
      "x-a-very-long-name-that-is-longer-than-the-piece-in-which-names-are-given-out:v"}},
};

static void put(void *arg, struct sv run)
{
    assert_true(run.len > 0);
    assert_int_equal(buf_put(arg, run), 0);
}

/* piece 0: whole; else random pieces up to that. */
static void canonize(enum rewrite_dkim_canon canon, struct sv body, size_t piece, struct buf *out)
{
    struct rewrite_dkim_body b = {.canon = canon};
    buf_reset(out);
    while (body.len) {
        size_t n = piece == 0 ? body.len : 1 + (size_t)rand() % piece;
        char *copy = sv_dup(sv_first(body, n)); /* for the address sanitizer */
        rewrite_dkim_body_feed(&b, sv_first((struct sv){copy, n}, body.len), put, out);
        free(copy);
        body = sv_skip(body, n);
    }
    rewrite_dkim_body_end(&b, put, out);
}

static void test_bodies(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1000, 0);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++)
            for (size_t piece = 0; piece < 4; piece++) {
                canonize(c, sv_of(bodies[i].body), piece, &out);
                if (!sv_eq(buf_view(&out), sv_of(bodies[i].want[c])))
                    fail_msg("%s, %s, pieces of %zu: \"%.*s\"", bodies[i].label, canon_text[c],
                             piece, SV_ARG(buf_view(&out)));
            }
    buf_deinit(&out);
}

/* The rules of 3.4.3 and 3.4.4 one after the other, each over the whole. */
static void by_the_book(enum rewrite_dkim_canon canon, struct sv body, struct buf *out)
{
    struct buf lines;
    buf_init(&lines, 10000, 0);
    while (canon == R && body.len) {
        const char *end = memmem(body.ptr, body.len, "\r\n", 2);
        struct sv line = end ? sv_range(body.ptr, end) : body;
        body = sv_skip(body, line.len + (end ? 2 : 0));
        while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
            line.len--;
        for (size_t i = 0; i < line.len; i++) {
            bool space = line.ptr[i] == ' ' || line.ptr[i] == '\t';
            bool before = i && (line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t');
            if (!space)
                put(&lines, (struct sv){line.ptr + i, 1});
            else if (!before)
                put(&lines, SV(" "));
        }
        if (end)
            put(&lines, SV("\r\n"));
    }
    struct sv text = canon == R ? buf_view(&lines) : body;
    while (text.len >= 2 && memcmp(text.ptr + text.len - 2, "\r\n", 2) == 0)
        text.len -= 2;
    buf_reset(out);
    if (text.len)
        put(out, text);
    if (text.len || canon == S)
        put(out, SV("\r\n"));
    buf_deinit(&lines);
}

static void test_random_bodies(void **state)
{
    static const char alphabet[] = "ab  \t\r\n\r\n";
    struct buf out, want, body;
    (void)state;
    srand(6376);
    buf_init(&out, 10000, 0);
    buf_init(&want, 10000, 0);
    buf_init(&body, 10000, 0);
    for (int round = 0; round < 20000; round++) {
        buf_reset(&body);
        for (int n = rand() % 24; n > 0; n--) {
            size_t at = (size_t)rand() % (sizeof alphabet - 1);
            put(&body, rand() % 3 ? (struct sv){alphabet + at, 1} : SV("\r\n"));
        }
        for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++) {
            by_the_book(c, buf_view(&body), &want);
            canonize(c, buf_view(&body), (size_t)(round % 4), &out);
            if (!sv_eq(buf_view(&out), buf_view(&want)))
                fail_msg("round %d, %s", round, canon_text[c]);
        }
    }
    buf_deinit(&out);
    buf_deinit(&want);
    buf_deinit(&body);
}

static void count(void *arg, struct sv run)
{
    (void)run;
    ++*(size_t *)arg;
}

/* Text in which nothing changes is one run, and is not copied. */
static void test_runs(void **state)
{
    struct sv text = SV("Hello,\r\n\r\none two three.\r\nfour");
    (void)state;
    for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++) {
        struct rewrite_dkim_body b = {.canon = c};
        size_t runs = 0;
        rewrite_dkim_body_feed(&b, text, count, &runs);
        assert_int_equal(runs, 3); /* the empty line is held for a moment */
    }
}

static void test_fields(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1000, 0);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++) {
            buf_reset(&out);
            rewrite_dkim_field(c, sv_of(fields[i].field), put, &out);
            if (!sv_eq(buf_view(&out), sv_of(fields[i].want[c])))
                fail_msg("%s, %s: \"%.*s\"", fields[i].field, canon_text[c],
                         SV_ARG(buf_view(&out)));
        }
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_random_bodies),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
