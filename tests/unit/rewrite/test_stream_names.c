/* Which names of a header are asked about, and what becomes of the answers. */
#include "tests/unit/rewrite/stream_world.h"

/* Single labels: which names are asked, and what becomes of them. */
static void test_complete(void **state)
{
    (void)state;
    static const struct rewrite_options on = {.hide_client = true, .complete_domains = true};
    static const struct rewrite_options keep = {
        .hide_client = true, .complete_domains = true, .header_errors = REWRITE_ERRORS_ACCEPT};
    static const struct sv domains[] = {SV("a.example"), SV("b.example")};
    static const struct {
        const struct rewrite_options *options;
        struct sv in;
        const char *asked, *out; /* NULL: refused */
        int code;
        const char *text;
    } cases[] = {
        {&on, SV("To: bob@x\r\n\r\nbody bob@x\r\n"), "x.a.example ",
         "To: bob@x.a.example\r\n\r\nbody bob@x\r\n", 0, NULL},
        {&on, SV("To: bob@Sales\r\n\r\n"), "sales.a.example sales.b.example ",
         "To: bob@Sales.b.example\r\n\r\n", 0, NULL},
        {&on,
         SV("From: A <@route:a (c) . b @ (x) sales (y) >, c@x1\r\nX: bob@x\r\n"
            "Cc: G: d@SALES,\r\n e@y.z;\r\n\r\n"),
         "sales.a.example sales.b.example x1.a.example ",
         "From: A <@route:a (c) . b @ (x) sales.b.example (y) >, c@x1.a.example\r\nX: bob@x\r\n"
         "Cc: G: d@SALES.b.example,\r\n e@y.z;\r\n\r\n",
         0, NULL},
        {&on, SV("To: bob@x\r\n"), "x.a.example ", "To: bob@x.a.example\r\n\r\n", 0, NULL},
        {&on, SV("To: bob@x"), "x.a.example ", "To: bob@x.a.example\r\n\r\n", 0, NULL},
        {&on, SV("To: bob@b.c, d@[x]\r\n\r\n"), "", "To: bob@b.c, d@[x]\r\n\r\n", 0, NULL},
        {&on, SV("To: a@x\r\nCc: bob@nosuch\r\n\r\nbody"),
         "x.a.example nosuch.a.example nosuch.b.example ", NULL, 554,
         "5.6.0 Header field Cc: the domain nosuch is not fully qualified"},
        {&keep, SV("To: a@x, b@nosuch, c@sales\r\n\r\nbody"),
         "x.a.example nosuch.a.example nosuch.b.example sales.a.example sales.b.example ",
         "To: a@x.a.example, b@nosuch, c@sales.b.example\r\n\r\nbody", 0, NULL},
        {&keep, SV("To: a@x, b@@c, d@x\r\nCc: f@x, g@2.1, h@-\r\n\r\n"), "x.a.example ",
         "To: a@x.a.example, b@@c, d@x\r\nCc: f@x.a.example, g@2.1, h@-\r\n\r\n", 0, NULL},
        {&on, SV("To: bob@unknown\r\n\r\n"), "unknown.a.example ", NULL, 451,
         "4.4.3 Header field To: the domain unknown cannot be looked up now; try again later"},
        {&keep, SV("To: bob@unknown\r\n\r\n"), "unknown.a.example ", NULL, 451,
         "4.4.3 Header field To: the domain unknown cannot be looked up now; try again later"},
        /* other faults come first, and nothing is asked */
        {&on, SV("To: bob@x\r\nCc: a@@b\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field Cc: a second @ in one address at a@@b"},
        {&on, SV("To: bob@x.1\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x.1 is not fully qualified"},
        {&on, SV("To: bob@x_y\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x_y is not fully qualified"},
        {&on, SV("To: bob@x\303\274\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x?? is not fully qualified"},
        {&none, SV("To: bob@x\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x is not fully qualified"},
        {&on, SV("To: bob@x\r\n\r\n0123456789012345678901234567890123456789"), "x.a.example ",
         "To: bob@x.a.example\r\n\r\n0123456789012345678901234567890123456789", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 20; piece++) {
            struct rewrite_stream_config c = config_of(cases[i].options);
            struct outcome o;
            c.domains = domains;
            c.domain_count = 2;
            run(&c, cases[i].in, piece, &o);
            if (!sv_eq(buf_view(&o.asked), sv_of(cases[i].asked)))
                fail_msg("case %zu: asked %.*s", i, SV_ARG(buf_view(&o.asked)));
            assert_int_equal(o.refused, cases[i].code);
            if (o.refused)
                assert_string_equal(o.text, cases[i].text);
            else if (!sv_eq(sv_skip(buf_view(&o.out), strlen(TRACE)), sv_of(cases[i].out)))
                fail_msg("case %zu: got %.*s", i, SV_ARG(buf_view(&o.out)));
            outcome_free(&o);
        }
}

/* What completion adds is bounded: lines, labels, places; and so is the body that waits with it. */
static void test_complete_bounds(void **state)
{
    (void)state;
    static const struct rewrite_options on = {.hide_client = true, .complete_domains = true};
    static const struct sv domains[] = {SV("a.example")};
    static const struct {
        const char *unit; /* %d: its number */
        int n, refused;
        const char *words;
    } cases[] = {
        {"To: a@x%d\r\n", 20, 0, NULL},
        {"To: a@x%d\r\n", 21, 554, "there are too many"},
        {"To: a@x\r\n", 1000, 0, NULL},
        {"To: a@x\r\n", 1001, 554, "there are too many"},
        {"To:%0979d <a@x>\r\n", 1, 0, NULL}, /* 998 in the end */
        {"To:%0980d <a@x>\r\n", 1, 554, "longer than 998"},
        {"To:%0965d <a@x>, b@x\r\n", 1, 554, "longer than 998"},
        {"To:%0965d <a@x>,\r\n b@x\r\n", 1, 0, NULL},
        {"To: a@b.example,%0960d\r\n  <a@x>\r\n", 1, 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 3; piece++) {
            struct rewrite_stream_config c = config_of(&on);
            struct outcome o;
            struct buf in;
            c.domains = domains;
            c.domain_count = 1;
            c.header_size = 1u << 20;
            buf_init(&in, 2u << 20, 0);
            char *one = mem_new(1, 2000);
            for (int n = 0; n < cases[i].n; n++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(one, 2000, cases[i].unit, n);
#pragma GCC diagnostic pop
                assert_int_equal(buf_put(&in, sv_of(one)), 0);
            }
            free(one);
            assert_int_equal(buf_put(&in, SV("\r\n")), 0);
            for (int n = 0; n < 10000; n++)
                assert_int_equal(buf_put(&in, SV("body line\r\n")), 0);
            run(&c, buf_view(&in), piece, &o);
            if (o.refused != cases[i].refused || (o.refused && !strstr(o.text, cases[i].words)))
                fail_msg("case %zu: %d %s", i, o.refused, o.text);
            if (!o.refused) {
                struct sv rest = buf_view(&o.out);
                while (rest.len)
                    assert_true(sv_split(&rest, '\n').len <= 999);
                size_t uses = (size_t)cases[i].n + (strstr(cases[i].unit, "b@x") != NULL);
                assert_int_equal(buf_len(&o.out),
                                 strlen(TRACE) + buf_len(&in) + uses * strlen(".a.example"));
            }
            assert_true(o.walked <= 12 * buf_len(&in));
            outcome_free(&o);
            buf_deinit(&in);
        }
}

/* Names behind aliases: each distinct domain that is none of ours is asked about once. */
static void test_aliases(void **state)
{
    (void)state;
    static const struct rewrite_options both = {
        .hide_client = true, .complete_domains = true, .resolve_aliases = REWRITE_ALIASES_BOTH};
    static const struct rewrite_options envelope = {.hide_client = true,
                                                    .resolve_aliases = REWRITE_ALIASES_ENVELOPE};
    static const struct sv ours[] = {SV("b.example")};
    static const struct {
        const struct rewrite_options *options;
        bool gateway;
        const char *in, *out, *asked, *refused;
    } cases[] = {
        {&both, false, "To: a@alias.test, B (c) <b@Alias.Test> (a@alias.test)\r\n\r\n",
         "To: a@real.example, B (c) <b@real.example> (a@alias.test)\r\n\r\n", "alias.test? ", NULL},
        {&both, false, "From: a@plain.test\r\nTo: b@alias2.test, c@no.test, d@odd.test\r\n\r\n",
         "From: a@plain.test\r\nTo: b@real.example, c@no.test, d@odd.test\r\n\r\n",
         "plain.test? alias2.test? no.test? odd.test? ", NULL},
        {&both, false, "To: a@sales, x@alias.b.example, b@alias . test\r\n\r\n",
         "To: a@sales.b.example, x@alias.b.example, b@real.example\r\n\r\n",
         "sales.b.example alias.test? ", NULL},
        {&both, false, "To: a@[192.0.2.1]\r\nX: b@alias.test\r\n\r\nTo: a@alias.test\r\n",
         "To: a@[192.0.2.1]\r\nX: b@alias.test\r\n\r\nTo: a@alias.test\r\n", "", NULL},
        {&both, false, "To: a@alias.test\r\nCc: b@unknown.test\r\n\r\n", NULL,
         "alias.test? unknown.test? ",
         "4.4.3 Header field Cc: the domain unknown.test cannot be looked up now; try again later"},
        {&both, true, "To: a@alias.test\r\n\r\n", "To: a@alias.test\r\n\r\n", "", NULL},
        {&envelope, false, "To: a@alias.test\r\n\r\n", "To: a@alias.test\r\n\r\n", "", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 10; piece++) {
            struct rewrite_stream_config c = config_of(cases[i].options);
            struct outcome o;
            char want[1000];
            c.domains = ours;
            c.domain_count = 1;
            c.gateway = cases[i].gateway;
            run(&c, sv_of(cases[i].in), piece, &o);
            snprintf(want, sizeof want, TRACE "%s", cases[i].out ? cases[i].out : "");
            if (!sv_eq(buf_view(&o.asked), sv_of(cases[i].asked)))
                fail_msg("%zu: asked %.*s", i, SV_ARG(buf_view(&o.asked)));
            if (cases[i].refused)
                assert_string_equal(o.text, cases[i].refused);
            else if (!sv_eq(buf_view(&o.out), sv_of(want)))
                fail_msg("%zu: %.*s", i, SV_ARG(buf_view(&o.out)));
            outcome_free(&o);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_complete_bounds),
        cmocka_unit_test(test_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
