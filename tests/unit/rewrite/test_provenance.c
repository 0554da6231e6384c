#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/base/pack.h"
#include "rewrite/provenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION "From: a@b.test\r\nTo: x@y,\r\n z@y\r\nSubject: s\r\n\r\n"

/* Applies all layers; the result replaces *section. */
static void apply_all(struct sv record, struct buf *section)
{
    struct rewrite_provenance_reader r;
    struct rewrite_layer layer;
    assert_true(rewrite_provenance_open(&r, record));
    assert_int_equal(buf_put(section, r.submitted), 0);
    while (rewrite_provenance_next(&r, &layer)) {
        struct buf after;
        buf_init(&after, SIZE_MAX / 2, 0);
        assert_int_equal(rewrite_layer_apply(&layer, buf_view(section), &after), 0);
        buf_deinit(section);
        *section = after;
    }
    assert_int_equal(r.layers.len, 0);
}

static void test_layers(void **state)
{
    (void)state;
    struct rewrite_provenance p;
    struct rewrite_provenance_reader r;
    struct rewrite_layer layer;
    struct rewrite_layer_edit e;
    struct buf out;
    rewrite_provenance_init(&p);
    assert_int_equal(rewrite_provenance_take(&p).len, 0);
    rewrite_provenance_begin(&p, SV("From: a\r\n\r\n"));
    rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
    rewrite_provenance_edit(&p, 0, 0, SV("Received: r\r\n"), REWRITE_WHY_RECEIVED, 0);
    rewrite_provenance_edit(&p, 6, 7, SV("b@c"), REWRITE_WHY_COMPLETED, 7);
    rewrite_provenance_layer(&p, REWRITE_BY_MILTER, SV("inet:m"), true);
    rewrite_provenance_edit(&p, 13, 13, SV("X: 1\r\n"), REWRITE_NO_WHY, 0);
    buf_init(&out, 1000, 0);
    apply_all(rewrite_provenance_take(&p), &out);
    assert_true(sv_eq(buf_view(&out), SV("Received: r\r\nX: 1\r\nFrom: b@c\r\n\r\n")));
    buf_deinit(&out);

    assert_true(rewrite_provenance_open(&r, rewrite_provenance_take(&p)));
    assert_true(rewrite_provenance_next(&r, &layer));
    assert_int_equal(layer.by, REWRITE_BY_COMPLETER);
    assert_false(layer.body);
    assert_true(rewrite_layer_next(&layer.edits, &e));
    assert_int_equal(e.why, REWRITE_WHY_RECEIVED);
    assert_true(rewrite_layer_next(&layer.edits, &e));
    assert_int_equal(e.from, 6);
    assert_int_equal(e.to, 7);
    assert_int_equal(e.why, REWRITE_WHY_COMPLETED);
    assert_int_equal(e.rule, 7);
    assert_false(rewrite_layer_next(&layer.edits, &e));
    assert_true(rewrite_provenance_next(&r, &layer));
    assert_int_equal(layer.by, REWRITE_BY_MILTER);
    assert_true(sv_eq(layer.name, SV("inet:m")));
    assert_true(layer.body);
    assert_true(rewrite_layer_next(&layer.edits, &e));
    assert_int_equal(e.why, REWRITE_NO_WHY);
    assert_false(rewrite_provenance_next(&r, &layer));
    rewrite_provenance_deinit(&p);
}

static void test_bounds(void **state)
{
    (void)state;
    struct rewrite_provenance p;
    struct rewrite_provenance_reader r;
    char *large = calloc(1, REWRITE_PROVENANCE_MAX);
    rewrite_provenance_init(&p);
    rewrite_provenance_begin(&p, (struct sv){large, REWRITE_PROVENANCE_MAX - 20});
    rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
    assert_true(rewrite_provenance_open(&r, rewrite_provenance_take(&p)));
    rewrite_provenance_edit(&p, 0, 0, SV(""), REWRITE_NO_WHY, 0);
    assert_int_equal(rewrite_provenance_take(&p).len, 0);
    rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
    assert_int_equal(rewrite_provenance_take(&p).len, 0);
    rewrite_provenance_deinit(&p);

    rewrite_provenance_init(&p);
    rewrite_provenance_begin(&p, SV(""));
    for (unsigned i = 0; i < REWRITE_PROVENANCE_LAYERS; i++)
        rewrite_provenance_layer(&p, REWRITE_BY_MILTER, SV("m"), false);
    assert_true(rewrite_provenance_open(&r, rewrite_provenance_take(&p)));
    rewrite_provenance_layer(&p, REWRITE_BY_MILTER, SV("m"), false);
    assert_int_equal(rewrite_provenance_take(&p).len, 0);
    rewrite_provenance_deinit(&p);

    rewrite_provenance_init(&p); /* never begun: layers alone are no record */
    rewrite_provenance_layer(&p, REWRITE_BY_MILTER, SV("m"), false);
    rewrite_provenance_edit(&p, 0, 0, SV("A: 1\r\n"), REWRITE_NO_WHY, 0);
    assert_int_equal(rewrite_provenance_take(&p).len, 0);
    rewrite_provenance_deinit(&p);
    free(large);
}

/* ---- damaged records ---- */

static void put_edit(struct buf *b, uint32_t from, uint32_t to)
{
    pack_u8(b, 2);
    pack_u32(b, from);
    pack_u32(b, to);
    pack_u8(b, 0);
    pack_u32(b, 0);
    pack_sv(b, SV("t"));
}

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        uint8_t version, tag, by, body;
        uint32_t edits[2][2];
        bool good;
    } rows[] = {
        {"good", 1, 1, 0, 0, {{0, 2}, {2, 10}}, true},
        {"other version", 2, 1, 0, 0, {{0, 2}, {2, 10}}, false},
        {"edit without a layer", 1, 2, 0, 0, {{0, 2}, {2, 10}}, false},
        {"unknown party", 1, 1, REWRITE_SOURCE_COUNT, 0, {{0, 2}, {2, 10}}, false},
        {"flag", 1, 1, 0, 2, {{0, 2}, {2, 10}}, false},
        {"overlap", 1, 1, 0, 0, {{0, 3}, {2, 10}}, false},
        {"backwards", 1, 1, 0, 0, {{0, 2}, {5, 4}}, false},
        {"beyond the section", 1, 1, 0, 0, {{0, 2}, {2, 11}}, false},
        {"order", 1, 1, 0, 0, {{5, 6}, {0, 1}}, false},
    };
    struct rewrite_provenance_reader r;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        buf_init(&b, 1000, 0);
        pack_u8(&b, rows[i].version);
        pack_sv(&b, SV("0123456789"));
        pack_u8(&b, rows[i].tag);
        pack_u8(&b, rows[i].by);
        pack_u8(&b, rows[i].body);
        pack_sv(&b, SV("name"));
        for (size_t k = 0; k < 2; k++)
            put_edit(&b, rows[i].edits[k][0], rows[i].edits[k][1]);
        if (rewrite_provenance_open(&r, buf_view(&b)) != rows[i].good)
            fail_msg("%s", rows[i].label);
        /* what is cut off anywhere but between two items is found */
        for (size_t n = 0; rows[i].good && n < buf_len(&b); n++) {
            bool between = n == 15 || n == 26 || n == 45;
            if (rewrite_provenance_open(&r, sv_first(buf_view(&b), n)) != between)
                fail_msg("cut at %zu", n);
        }
        buf_deinit(&b);
    }
    assert_false(rewrite_provenance_open(&r, SV_NONE));
}

/* ---- hunks ---- */

/* As "msactl trace --diff" prints them: "=", or "-" and "+", and the reasons. */
static void print_hunks(const struct rewrite_layer *layer, struct sv section, struct buf *out)
{
    struct rewrite_hunks h;
    struct rewrite_hunk k;
    rewrite_hunks_init(&h, layer, section);
    while (rewrite_hunks_next(&h, &k)) {
        struct rewrite_layer_edit e;
        if (k.edits.len == 0) {
            assert_true(sv_eq(k.before, k.after));
            assert_int_equal(buf_printf(out, "=%.*s", SV_ARG(k.before)), 0);
            continue;
        }
        while (rewrite_layer_next(&k.edits, &e))
            assert_int_equal(buf_printf(out, "#%u", e.rule), 0);
        assert_int_equal(buf_printf(out, "-%.*s+%.*s", SV_ARG(k.before), SV_ARG(k.after)), 0);
    }
    rewrite_hunks_deinit(&h);
}

static void test_hunks(void **state)
{
    (void)state;
    static const struct {
        const char *label, *section;
        struct {
            size_t from, to;
            const char *text;
        } edits[3];
        size_t count;
        const char *want;
    } rows[] = {
        {"nothing", "A: 1\nB: 2\n", {{0}}, 0, "=A: 1\nB: 2\n"},
        {"in front",
         "A: 1\n",
         {{0, 0, "X: 1\n"}, {0, 0, "Y: 2\n"}},
         2,
         "#1-+X: 1\n#2-+Y: 2\n=A: 1\n"},
        {"within a line",
         "A: 1\nB: 2\nC: 3\n",
         {{8, 9, "two"}},
         1,
         "=A: 1\n#1-B: 2\n+B: two\n=C: 3\n"},
        {"twice in one line",
         "A: 1\nB: 2\n",
         {{5, 6, "b"}, {8, 9, "two"}},
         2,
         "=A: 1\n#1#2-B: 2\n+b: two\n"},
        {"insert in a line", "A: 1\n", {{4, 4, "1"}}, 1, "#1-A: 1\n+A: 11\n"},
        {"dropped", "A: 1\nB: 2\nC: 3\n", {{5, 10, ""}}, 1, "=A: 1\n#1-B: 2\n+=C: 3\n"},
        {"two lines, two edits",
         "A: 1\nB: 2\n",
         {{3, 4, "x"}, {8, 9, "y"}},
         2,
         "#1-A: 1\n+A: x\n#2-B: 2\n+B: y\n"},
        {"a line's end goes",
         "A: 1\nB: 2\nC: 3\n",
         {{4, 5, ""}},
         1,
         "#1-A: 1\nB: 2\n+A: 1B: 2\n=C: 3\n"},
        {"behind an unfinished line", "A: 1", {{4, 4, "\n\n"}}, 1, "#1-A: 1+A: 1\n\n"},
        {"whole line in place",
         "A: 1\nB: 2\n",
         {{0, 5, "A: 9\n"}, {5, 5, "N: 0\n"}},
         2,
         "#1-A: 1\n+A: 9\n#2-+N: 0\n=B: 2\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rewrite_provenance p;
        struct rewrite_provenance_reader r;
        struct rewrite_layer layer;
        struct buf out;
        rewrite_provenance_init(&p);
        buf_init(&out, 1000, 0);
        rewrite_provenance_begin(&p, sv_of(rows[i].section));
        rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
        for (size_t k = 0; k < rows[i].count; k++)
            rewrite_provenance_edit(&p, rows[i].edits[k].from, rows[i].edits[k].to,
                                    sv_of(rows[i].edits[k].text), REWRITE_NO_WHY, (unsigned)k + 1);
        assert_true(rewrite_provenance_open(&r, rewrite_provenance_take(&p)));
        assert_true(rewrite_provenance_next(&r, &layer));
        print_hunks(&layer, r.submitted, &out);
        if (!sv_eq(buf_view(&out), sv_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].label, SV_ARG(buf_view(&out)));
        buf_deinit(&out);
        rewrite_provenance_deinit(&p);
    }
}

/* ---- random edits: layers and hunks give what the edits themselves give ---- */

static void edit_at_random(struct rewrite_provenance *p, struct buf *section, unsigned *seed)
{
    static const char *const texts[] = {"", "x", "N: v\r\n", "\r\n", " folded\r\n y"};
    struct rewrite_edits edits;
    struct rewrite_edits_cursor c = {0};
    struct sv run, before = buf_view(section);
    struct buf after;
    size_t at = 0;
    rewrite_edits_init(&edits, 10000);
    buf_init(&after, SIZE_MAX / 2, 0);
    for (int n = rand_r(seed) % 6; n > 0; n--) {
        size_t from = at + (size_t)rand_r(seed) % (before.len - at + 1);
        size_t to = from + (size_t)rand_r(seed) % (before.len - from + 1) / 3;
        const char *text = texts[(size_t)rand_r(seed) % (sizeof texts / sizeof *texts)];
        assert_int_equal(rewrite_edits_put(&edits, from, to, sv_of(text), REWRITE_WHY_COMPLETED, 3),
                         0);
        at = to;
    }
    rewrite_edits_seal(&edits);
    rewrite_provenance_layer(p, REWRITE_BY_MILTER, SV("m"), false);
    rewrite_provenance_edits(p, &edits);
    while (rewrite_edits_next(&edits, before, &c, &run))
        assert_int_equal(buf_put(&after, run), 0);
    rewrite_edits_deinit(&edits);
    buf_deinit(section);
    *section = after;
}

static void check_hunks(struct sv record, struct sv want)
{
    struct rewrite_provenance_reader r;
    struct rewrite_layer layer;
    struct buf section;
    assert_true(rewrite_provenance_open(&r, record));
    buf_init(&section, SIZE_MAX / 2, 0);
    assert_int_equal(buf_put(&section, r.submitted), 0);
    while (rewrite_provenance_next(&r, &layer)) {
        struct buf before, after;
        struct rewrite_hunks h;
        struct rewrite_hunk k;
        buf_init(&before, SIZE_MAX / 2, 0);
        buf_init(&after, SIZE_MAX / 2, 0);
        rewrite_hunks_init(&h, &layer, buf_view(&section));
        while (rewrite_hunks_next(&h, &k)) {
            assert_true(k.edits.len || k.before.len);
            assert_int_equal(buf_put(&before, k.before), 0);
            assert_int_equal(buf_put(&after, k.after), 0);
        }
        assert_true(sv_eq(buf_view(&before), buf_view(&section)));
        rewrite_hunks_deinit(&h);
        buf_deinit(&before);
        buf_deinit(&section);
        section = after;
    }
    assert_true(sv_eq(buf_view(&section), want));
    buf_deinit(&section);
}

static void test_random(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned seed = i;
        struct rewrite_provenance p;
        struct buf section, again;
        rewrite_provenance_init(&p);
        buf_init(&section, SIZE_MAX / 2, 0);
        buf_init(&again, SIZE_MAX / 2, 0);
        assert_int_equal(buf_put(&section, SV(SECTION)), 0);
        rewrite_provenance_begin(&p, SV(SECTION));
        for (int n = rand_r(&seed) % 5; n > 0; n--)
            edit_at_random(&p, &section, &seed);
        apply_all(rewrite_provenance_take(&p), &again);
        if (!sv_eq(buf_view(&section), buf_view(&again)))
            fail_msg("seed %u", i);
        check_hunks(rewrite_provenance_take(&p), buf_view(&section));
        buf_deinit(&section);
        buf_deinit(&again);
        rewrite_provenance_deinit(&p);
    }
}

/* What two forms of a message have in common, then each by itself. */
static void test_go_on(void **state)
{
    struct rewrite_provenance p, q;
    (void)state;
    char *large = calloc(1, REWRITE_PROVENANCE_MAX);
    rewrite_provenance_init(&p);
    rewrite_provenance_begin(&p, SV(SECTION));
    rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
    rewrite_provenance_edit(&p, 0, 0, SV("A: 1\r\n"), REWRITE_NO_WHY, 0);
    rewrite_provenance_init(&q);
    rewrite_provenance_go_on(&q, &p);
    assert_int_equal(rewrite_provenance_take(&q).len, 0);
    rewrite_provenance_layer(&q, REWRITE_BY_SMIME, SV_NONE, true);
    rewrite_provenance_edit(&q, 0, 6, SV("B: 2\r\n"), REWRITE_NO_WHY, 0);
    for (int i = 0; i < 2; i++) {
        struct buf section, whole;
        buf_init(&section, 10000, 0);
        buf_init(&whole, REWRITE_PROVENANCE_MAX, 0);
        assert_int_equal(buf_put(&whole, rewrite_provenance_take(&p)), 0);
        assert_int_equal(buf_put(&whole, i ? rewrite_provenance_take(&q) : SV_NONE), 0);
        apply_all(buf_view(&whole), &section);
        assert_true(sv_starts(buf_view(&section), i ? SV("B: 2\r\n") : SV("A: 1\r\n")));
        buf_deinit(&section);
        buf_deinit(&whole);
    }
    /* both together may be as large, and have as many layers, as one */
    size_t room = REWRITE_PROVENANCE_MAX - rewrite_provenance_take(&p).len -
                  rewrite_provenance_take(&q).len - 18;
    rewrite_provenance_edit(&q, 0, 0, (struct sv){large, room}, REWRITE_NO_WHY, 0);
    assert_true(rewrite_provenance_take(&q).len > room);
    rewrite_provenance_layer(&q, REWRITE_BY_SIGNER, SV_NONE, false);
    assert_int_equal(rewrite_provenance_take(&q).len, 0);
    rewrite_provenance_deinit(&q);
    rewrite_provenance_init(&q);
    rewrite_provenance_go_on(&q, &p);
    for (unsigned i = 1; i < REWRITE_PROVENANCE_LAYERS; i++)
        rewrite_provenance_layer(&q, REWRITE_BY_SMIME, SV_NONE, true);
    assert_true(rewrite_provenance_take(&q).len > 0);
    rewrite_provenance_layer(&q, REWRITE_BY_SMIME, SV_NONE, true);
    assert_int_equal(rewrite_provenance_take(&q).len, 0);
    rewrite_provenance_deinit(&p);
    rewrite_provenance_deinit(&q);
    free(large);
    /* of what was given up nothing is known */
    rewrite_provenance_init(&p);
    p.given_up = true;
    rewrite_provenance_init(&q);
    rewrite_provenance_go_on(&q, &p);
    rewrite_provenance_layer(&q, REWRITE_BY_SMIME, SV_NONE, true);
    assert_int_equal(rewrite_provenance_take(&q).len, 0);
    rewrite_provenance_deinit(&p);
    rewrite_provenance_deinit(&q);
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(rewrite_source_words(REWRITE_BY_SERVICE), "policy.service");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_hunks),
        cmocka_unit_test(test_go_on),   cmocka_unit_test(test_random),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
