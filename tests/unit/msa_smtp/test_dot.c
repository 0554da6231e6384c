/* The machines against a model written octet by octet, over all short strings of what matters. */
#include "msa/smtp/dot.h"
#include "msa/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put(struct buf *b, struct sv text)
{
    assert_int_equal(buf_put(b, text), 0);
}

/* What dot.h says of normalizing, as plainly as it can be said. Returns where the content ends. */
static size_t model(struct sv in, struct buf *out, bool *ended)
{
    bool true_start = true; /* the line began after CRLF */
    size_t i = 0;
    *ended = false;
    while (i < in.len) {
        if (true_start && in.ptr[i] == '.') {
            struct sv rest = sv_skip(in, i);
            if (sv_starts(rest, SV(".\r\n"))) {
                *ended = true;
                return i + 3;
            }
            if (sv_starts(rest, SV(".\n"))) {
                put(out, SV(".\r\n")); /* a lone dot ended by a bare LF stays */
                i += 2;
                true_start = false;
                continue;
            }
            i++; /* a stuffed dot */
        }
        true_start = false;
        if (i >= in.len)
            break;
        if (sv_starts(sv_skip(in, i), SV("\r\n"))) {
            put(out, SV("\r\n"));
            true_start = true;
            i += 2;
        } else if (in.ptr[i] == '\n') {
            put(out, SV("\r\n"));
            i++;
        } else {
            put(out, in.ptr[i] == '\r' ? SV(" ") : (struct sv){in.ptr + i, 1});
            i++;
        }
    }
    return i;
}

static size_t receive(struct smtp_dot *d, struct sv in, size_t piece, struct buf *out)
{
    size_t used = 0;
    while (used < in.len && !d->ended) {
        struct sv part = sv_first(sv_skip(in, used), piece), got;
        size_t n = smtp_dot_next(d, part, &got);
        assert_true(n > 0 && n <= part.len);
        put(out, got);
        used += n;
    }
    return used;
}

#define LETTERS 4
static const char letters[LETTERS] = {'x', '.', '\r', '\n'};

/* Each input is followed by "x CRLF . CRLF", so that nothing stays held back. */
static void all_short_inputs(void **state)
{
    char text[16];
    struct buf want, got;
    (void)state;
    buf_init(&want, 100, 0);
    buf_init(&got, 100, 0);
    for (unsigned len = 0; len <= 7; len++) {
        for (unsigned n = 0; n < 1u << (2 * len); n++) {
            for (unsigned k = 0; k < len; k++)
                text[k] = letters[n >> (2 * k) & 3];
            memcpy(text + len, "x\r\n.\r\n", 6);
            struct sv in = {text, len + 6};
            bool ended;
            buf_reset(&want);
            size_t end = model(in, &want, &ended);
            assert_true(ended);
            for (size_t piece = 1; piece <= in.len; piece++) {
                struct smtp_dot d;
                buf_reset(&got);
                smtp_dot_init(&d, SMTP_DOT_DATA, false);
                assert_int_equal(receive(&d, in, piece, &got), end);
                assert_true(d.ended);
                assert_int_equal(d.bytes, buf_len(&got));
                if (!sv_eq(buf_view(&want), buf_view(&got)))
                    fail_msg("length %u number %u pieces of %zu", len, n, piece);
            }
        }
    }
    buf_deinit(&want);
    buf_deinit(&got);
}

/* What is sent has no bare CR, LF or NUL, one end, and reads back as the normalized content. */
static void sending_all_short_inputs(void **state)
{
    static const char alphabet[] = {'x', '.', '\r', '\n', '\0'};
    char text[8];
    struct buf wire, back, plain;
    (void)state;
    buf_init(&wire, 100, 0);
    buf_init(&back, 100, 0);
    buf_init(&plain, 100, 0);
    for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
        for (unsigned k = 0, v = n; k < 6; k++, v /= 5)
            text[k] = alphabet[v % 5];
        for (size_t piece = 1; piece <= 6; piece++) {
            struct smtp_stuff s[2];
            for (int dots = 0; dots < 2; dots++) {
                struct buf *out = dots ? &wire : &plain;
                buf_reset(out);
                smtp_stuff_init(&s[dots], dots);
                for (size_t used = 0; used < 6;) {
                    struct sv got;
                    struct sv part = sv_first((struct sv){text + used, 6 - used}, piece);
                    size_t took = smtp_stuff_next(&s[dots], part, &got);
                    assert_true(took > 0 && took <= part.len);
                    put(out, got);
                    used += took;
                }
                put(out, smtp_stuff_end(&s[dots]));
            }
            struct smtp_dot d;
            buf_reset(&back);
            smtp_dot_init(&d, SMTP_DOT_DATA, true);
            assert_int_equal(receive(&d, buf_view(&wire), 100, &back), buf_len(&wire));
            assert_true(d.ended && d.seen == 0);
            assert_true(sv_eq(buf_view(&back), buf_view(&plain)));
        }
    }
    buf_deinit(&wire);
    buf_deinit(&back);
    buf_deinit(&plain);
}

static void faults(void **state)
{
    static const struct {
        struct sv text;
        bool reject;
        int refused, line;
    } rows[] = {
        {{"a\r\nb\0c\r\n", 8}, false, SMTP_FAULT_NUL, 2},
        {{"a\nb\rc\r\n", 7}, false, 0, 0},
        {{"a\nb\rc\r\n", 7}, true, SMTP_FAULT_BARE_LF, 1},
        {{"a\r\nb\rc\r\n", 8}, true, SMTP_FAULT_BARE_CR, 2},
        {{".\n", 2}, true, SMTP_FAULT_BARE_LF, 1},
        {{".\rx\r\n", 5}, true, SMTP_FAULT_BARE_CR, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece < 9; piece++) {
            struct smtp_dot d;
            struct buf out;
            buf_init(&out, 100, 0);
            smtp_dot_init(&d, SMTP_DOT_DATA, rows[i].reject);
            receive(&d, rows[i].text, piece, &out);
            receive(&d, SV("x"), 1, &out);
            assert_int_equal(d.refused, rows[i].refused);
            assert_int_equal(d.fault_line, rows[i].line);
            buf_deinit(&out);
        }
    }
}

static void line_lengths(void **state)
{
    (void)state;
    for (size_t len = 997; len <= 1000; len++) {
        for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
            char text[1100];
            struct smtp_dot d;
            struct buf out;
            buf_init(&out, 2000, 0);
            memset(text, 'a', sizeof text);
            memcpy(text, "s\r\n..", 5); /* a stuffed dot does not count */
            memcpy(text + 4 + len, "\r\n", 2);
            smtp_dot_init(&d, SMTP_DOT_DATA, false);
            receive(&d, (struct sv){text, 4 + len + 2}, piece, &out);
            receive(&d, SV("x"), 1, &out);
            assert_int_equal(d.seen, len > 998 ? SMTP_FAULT_LONG_LINE : 0);
            assert_int_equal(d.refused, 0);
            buf_deinit(&out);
        }
    }
}

static void chunks_know_no_dots(void **state)
{
    struct smtp_dot d;
    struct buf out;
    struct sv piece;
    (void)state;
    buf_init(&out, 100, 0);
    smtp_dot_init(&d, SMTP_DOT_CHUNK, false);
    receive(&d, SV(".\r\n..\r\n.\r\nx\r"), 3, &out);
    assert_false(d.ended);
    smtp_dot_finish(&d, &piece);
    put(&out, piece);
    assert_true(sv_eq(buf_view(&out), SV(".\r\n..\r\n.\r\nx ")));
    assert_int_equal(d.seen, SMTP_FAULT_BARE_CR);
    buf_deinit(&out);
}

/* 16 MiB of ordinary mail. In release the data path runs at more than 1 GB/s; here only that
 * nothing is quadratic and that runs are long. */
static void runs_are_long(void **state)
{
    const size_t size = 16u << 20;
    char *text = malloc(size);
    struct smtp_dot d;
    size_t used = 0, pieces = 0;
    (void)state;
    for (size_t i = 0; i < size; i++)
        text[i] = i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : (char)('a' + i % 26);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    smtp_dot_init(&d, SMTP_DOT_DATA, false);
    while (used < size) {
        struct sv piece;
        used += smtp_dot_next(&d, sv_first((struct sv){text + used, size - used}, 65536), &piece);
        pieces++;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    print_message("%.2f GB/s\n", (double)size / s / 1e9);
    assert_true(pieces <= size / 65536 * 3);
    assert_true(s < 5);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_short_inputs),
        cmocka_unit_test(sending_all_short_inputs),
        cmocka_unit_test(faults),
        cmocka_unit_test(line_lengths),
        cmocka_unit_test(chunks_know_no_dots),
        cmocka_unit_test(runs_are_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
