#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/address.h"

#include "msa/base/buf.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define UE "\303\274" /* u with dots, UTF-8 */

/* want: mailboxes as [group:]local@domain, "~" before one that holds comments or folding, "/label"
 * and so on behind a domain that is not an ordinary one, separated by " | "; then a fault as
 * !NAME and its offset. */
static const struct {
    const char *value, *want;
} rows[] = {
    /* RFC 5322 3.4: mailboxes */
    {" bob@example.org", "bob@example.org"},
    {"bob@example.org", "bob@example.org"},
    {" <bob@example.org>", "bob@example.org"},
    {" Bob <bob@example.org>", "bob@example.org"},
    {" Bob Smith <bob@example.org>", "bob@example.org"},
    {" \"Smith, Bob\" <bob@example.org>", "bob@example.org"},
    {" \"Bob \\\"B\\\" Smith\" <bob@example.org>", "bob@example.org"},
    {" \"Bob\"<bob@example.org>", "bob@example.org"},
    {"Bob<bob@example.org>", "bob@example.org"},
    {" \"Bob\" Smith \"Jr.\" <bob@example.org>", "bob@example.org"},
    {" \"\" <bob@example.org>", "bob@example.org"},
    {" \"bob@example.org\" <bob@example.org>", "bob@example.org"},
    {" \"a\"\"b\" <bob@example.org>", "bob@example.org"},
    {" 'Bob' <bob@example.org>", "bob@example.org"},
    {" bob.smith@example.org", "bob.smith@example.org"},
    {" b!#$%&'*+-/=?^_`{|}~9@example.org", "b!#$%&'*+-/=?^_`{|}~9@example.org"},
    {" \"bob smith\"@example.org", "\"bob smith\"@example.org"},
    {" \"bob\\\"@\\\\\"@example.org", "\"bob\\\"@\\\\\"@example.org"},
    {" \"\"@example.org", "\"\"@example.org"},
    {" \"a@b\"@example.org", "\"a@b\"@example.org"},
    {" Bob <\"bob smith\"@example.org>", "\"bob smith\"@example.org"},
    {" a@b.c", "a@b.c"},
    {" a@sub.example.org", "a@sub.example.org"},
    {" a@x-y.example", "a@x-y.example"},
    {" a@under_score.example", "a@under_score.example"},
    {" A@EXAMPLE.ORG", "A@EXAMPLE.ORG"},
    {" a@1.2.example", "a@1.2.example"},
    {" a@example.9x", "a@example.9x"},
    /* lists */
    {" a@b.example, c@d.example", "a@b.example | c@d.example"},
    {" a@b.example,c@d.example", "a@b.example | c@d.example"},
    {" A <a@b.example>,\r\n C <c@d.example>,\r\n\te@f.example",
     "a@b.example | c@d.example | e@f.example"},
    {" <a@b.example>, <c@d.example>", "a@b.example | c@d.example"},
    {" \"A,B\" <a@b.example>, (x,y) c@d.example", "a@b.example | c@d.example"},
    /* groups */
    {" undisclosed-recipients:;", ""},
    {" undisclosed-recipients: ;", ""},
    {" \"Our friends\": a@b.example, C <c@d.example>;", "group:a@b.example | group:c@d.example"},
    {" Two words: a@b.example;", "group:a@b.example"},
    {" G:a@b.example;, c@d.example", "group:a@b.example | c@d.example"},
    {" a@b.example, G:c@d.example;", "a@b.example | group:c@d.example"},
    {" G:;, H:;", ""},
    {" G:;,H: a@b.example;", "group:a@b.example"},
    {" G: (nobody) ; (at all)", ""},
    {" G (x) :a@b.example (y) ; (z)", "group:a@b.example"},
    {" G: a@b.example;\r\n ", "group:a@b.example"},
    {" J. Doe: a@b.example;", "group:a@b.example"},
    /* nothing */
    {"", ""},
    {" ", ""},
    {" \r\n ", ""},
    {" (nobody)", ""},
    {" ,", ""},
    {" , ,\t, (x) ,", ""},
    /* comments and folding */
    {" (a) bob@example.org (b)", "bob@example.org"},
    {" bob@example.org (Bob Smith)", "bob@example.org"},
    {" Bob (the (very) best) <bob@example.org>", "bob@example.org"},
    {" (a \\) b) bob@example.org", "bob@example.org"},
    {" (a \\( b) bob@example.org", "bob@example.org"},
    {" (a \" b) bob@example.org", "bob@example.org"},
    {" (mallory@evil.example) bob@example.org", "bob@example.org"},
    {" bob@example.org (, mallory@evil.example)", "bob@example.org"},
    {" Bob\r\n <bob@example.org>", "bob@example.org"},
    {"\r\n bob@example.org", "bob@example.org"},
    {" \"Bob\r\n Smith\" <bob@example.org>", "bob@example.org"},
    {" (Bob\r\n\t Smith) bob@example.org", "bob@example.org"},
    {" < bob@example.org >", "bob@example.org"},
    {" <(x)bob@example.org(y)>", "bob@example.org"},
    {" (((((((((())))))))))a@b.c", "a@b.c"},
    {" a@b.c\r\n \r\n ", "a@b.c"},
    /* obsolete: space and comments between the parts */
    {" bob @ example.org", "~bob@example.org"},
    {" bob @example.org", "~bob@example.org"},
    {" bob@ example.org", "~bob@example.org"},
    {" bob . smith@example . org", "~bob . smith@example . org"},
    {" bob(x)@(y)example(z).(w)org (v)", "~bob@example(z).(w)org"},
    {" bob.\r\n smith@example.org", "~bob.\r\n smith@example.org"},
    {" bob@example.\r\n org", "~bob@example.\r\n org"},
    {" <bob@example.org (x) >", "bob@example.org"},
    {" \"a\".b.\"c\"@example.org", "\"a\".b.\"c\"@example.org"},
    {" a.\"b c\"@example.org", "a.\"b c\"@example.org"},
    {" \"a\r\n b\"@example.org", "~\"a\r\n b\"@example.org"},
    {" bob@sales (x)", "bob@sales/label"},
    {" bob@(x) sales", "~bob@sales/label"},
    /* obsolete: dots in phrases */
    {" John Q. Public <j@example.org>", "j@example.org"},
    {" J. <j@example.org>", "j@example.org"},
    {" Dr . Who <j@example.org>", "j@example.org"},
    {" John.Public <j@example.org>", "j@example.org"},
    {" Wait... <j@example.org>", "j@example.org"},
    {" \"John\" Q. \"Public\" <j@example.org>", "j@example.org"},
    /* obsolete: routes */
    {" <@a.example:bob@example.org>", "bob@example.org"},
    {" Bob <@a.example,@b.example:bob@example.org>", "bob@example.org"},
    {" <@a.example, (x) @b.example : bob@example.org>", "bob@example.org"},
    {" <,,@a.example,,@b.example,:bob@example.org>", "bob@example.org"},
    {" <@sales:bob@example.org>", "bob@example.org"},
    {" <@[192.0.2.1]:bob@example.org>", "bob@example.org"},
    /* obsolete: empty elements */
    {" ,a@b.example", "a@b.example"},
    {" a@b.example,", "a@b.example"},
    {" a@b.example,,c@d.example", "a@b.example | c@d.example"},
    {" , (x) , a@b.example , , c@d.example , ", "a@b.example | c@d.example"},
    {" G:,;", ""},
    {" G:,,a@b.example,,;", "group:a@b.example"},
    /* obsolete: control characters */
    {" \"a\001\177b\" <a@b.example>", "a@b.example"},
    {" (a\001b\013) a@b.example", "a@b.example"},
    {" \"a\\\001\"@b.example", "\"a\\\001\"@b.example"},
    {" a@[x\001y]", "a@[x\001y]/literal"},
    /* literals */
    {" a@[192.0.2.1]", "a@[192.0.2.1]/literal"},
    {" a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]/literal"},
    {" <a@[192.0.2.1]>", "a@[192.0.2.1]/literal"},
    {" a@[ 192.0.2.1 ]", "~a@[ 192.0.2.1 ]/literal"},
    {" a@ (x) [192.0.2.1] (y)", "~a@[192.0.2.1]/literal"},
    {" a@[x\\]y]", "a@[x\\]y]/literal"},
    {" a@[any text, even @ and ;]", "~a@[any text, even @ and ;]/literal"},
    {" a@[\r\n x]", "~a@[\r\n x]/literal"},
    {" a@[]", "a@[]/literal"},
    /* not qualified */
    {" bob@sales", "bob@sales/label"},
    {" bob@123", "bob@123/label"},
    {" bob@squeaky.sales", "bob@squeaky.sales"},
    {" bob@sales.123", "bob@sales.123/digits"},
    {" bob@192.0.2.1", "bob@192.0.2.1/digits"},
    {" bob@localhost", "bob@localhost/label"},
    {" bob@m" UE "nchen", "bob@m" UE "nchen/label"},
    {" bob@example\343\200\202net", "bob@example\343\200\202net/label"}, /* ideographic stop */
    {" G: bob@sales, a@b.example;", "group:bob@sales/label | group:a@b.example"},
    /* RFC 6532 */
    {" J" UE "rgen <j" UE "rgen@example.org>", "j" UE "rgen@example.org"},
    {" j" UE "rgen@b" UE "cher.example", "j" UE "rgen@b" UE "cher.example"},
    {" \"j" UE " r\"@example.org", "\"j" UE " r\"@example.org"},
    {" (" UE ") a@b.example", "a@b.example"},
    {" \360\237\230\200@example.org", "\360\237\230\200@example.org"},
    {" G" UE ": a@b.example;", "group:a@b.example"},
    {" a@[" UE "]", "a@[" UE "]/literal"},
    /* other 8-bit bytes stay readable in phrases and comments */
    {" J\374rgen <j@example.org>", "j@example.org"},
    {" \"J\374rgen\" <j@example.org>", "j@example.org"},
    {" j@example.org (J\374rgen)", "j@example.org"},
    {" j(\374)@example.org", "~j@example.org"},
    {" \374: j@example.org;", "group:j@example.org"},
    {" \033$B%F%9%H\033(B <j@example.org>", "!CHARACTER 1"}, /* ISO-2022-JP without quotes */
    {" \"\033$B%F%9%H\033(B\" <j@example.org>", "j@example.org"},
    /* RFC 2047 */
    {" =?utf-8?Q?J=C3=BCrgen?= <j@example.org>", "j@example.org"},
    {" =?utf-8?B?SsO8cmdlbg==?=\r\n =?utf-8?B?SsO8cmdlbg==?= <j@example.org>", "j@example.org"},
    {" =?iso-8859-1?q?a=40evil.example?= <j@example.org>", "j@example.org"},
    {" =?utf-8?q?a?=@example.org", "=?utf-8?q?a?=@example.org"},
    {" =?utf-8?Q?Smith,_Bob?= <j@example.org>", "!WORDS 1"},
    /* unreadable */
    {" bob", "!WORDS 1"},
    {" bob smith", "!WORDS 1"},
    {" \"bob\"", "!WORDS 1"},
    {" bob, alice@example.org", "!WORDS 1"},
    {" alice@example.org, bob", "alice@example.org | !WORDS 20"},
    {" Smith, Bob <bob@example.org>", "!WORDS 1"},
    {" bob@", "!NO_DOMAIN 5"},
    {" <bob@>", "!NO_DOMAIN 6"},
    {" bob@, a@b.example", "!NO_DOMAIN 5"},
    {" bob@ (x)", "!NO_DOMAIN 9"},
    {" <bob>", "!NO_DOMAIN 5"},
    {" Bob <bob>", "!NO_DOMAIN 9"},
    {" @example.org", "!NO_LOCAL 1"},
    {" <@example.org>", "!ROUTE 14"},
    {" Bob <>", "!EMPTY 5"},
    {" <>", "!EMPTY 1"},
    {" < (x) >", "!EMPTY 1"},
    {" a@@b", "!SECOND_AT 3"},
    {" a@@b.example", "!SECOND_AT 3"},
    {" a@b@c.example", "!SECOND_AT 4"},
    {" a@b.example@c.example", "!SECOND_AT 12"},
    {" <a@b.example@c.example>", "!SECOND_AT 13"},
    {" Bob <bob@@example.org>", "!SECOND_AT 10"},
    {" @", "!NO_LOCAL 1"},
    {" Bob @ Work <bob@example.org>", "!BEHIND 12"},
    {" Bob Smith bob@example.org", "!NAME 1"},
    {" <bob smith@example.org>", "!APART 6"},
    {" <\"bob\"smith@example.org>", "!APART 7"},
    {" bob@example.org alice@example.org", "!BEHIND 17"},
    {" bob@example.org Bob", "!BEHIND 17"},
    {" bob@example.org <bob@example.org>", "!BEHIND 17"},
    {" <bob@example.org> Bob", "!BEHIND 19"},
    {" <bob@example.org> <alice@example.org>", "!BEHIND 19"},
    {" <bob@example.org>alice@example.org", "!BEHIND 18"},
    {" bob@[192.0.2.1].example", "!BEHIND 16"},
    {" bob@example.org>", "!BEHIND 16"},
    {" bob@example.org]", "!BEHIND 16"},
    {" bob@exam ple.org", "!BEHIND 10"},
    {" <bob@exam ple.org>", "!BEHIND 11"},
    {" bob.@example.org", "!DOTS 4"},
    {" .bob@example.org", "!DOTS 1"},
    {" bob..smith@example.org", "!DOTS 5"},
    {" .@example.org", "!DOTS 1"},
    {" bob@example..org", "!DOTS 13"},
    {" bob@.example.org", "!DOTS 5"},
    {" bob@example.org.", "!DOTS 17"},
    {" <bob@example.org.>", "!DOTS 18"},
    {" .Bob <bob@example.org>", "!DOTS 1"},
    {" .G: bob@example.org;", "!DOTS 1"},
    {" a@b.example; c@d.example", "!SEMICOLON 12"},
    {" a@b.example;", "!SEMICOLON 12"},
    {" ;", "!SEMICOLON 1"},
    {" bob; alice", "!WORDS 1"},
    {" G:;;", "!SEMICOLON 4"},
    {" :a@b.example;", "!GROUP_NAME 1"},
    {" G: H: a@b.example;;", "!GROUP_NESTED 5"},
    {" G: a@b.example", "group:a@b.example | !GROUP_OPEN 1"},
    {" G: a@b.example,", "group:a@b.example | !GROUP_OPEN 1"},
    {" undisclosed-recipients:", "!GROUP_OPEN 1"},
    {" mailto:bob@example.org", "group:bob@example.org | !GROUP_OPEN 1"},
    {" G: bob;", "!WORDS 4"},
    {" G: a@b.example; c@d.example", "group:a@b.example | !BEHIND 17"},
    {" <a@b.example", "!ANGLE_OPEN 1"},
    {" A <a@b.example, c@d.example", "!ANGLE_OPEN 3"},
    {" A <a", "!ANGLE_OPEN 3"},
    {" <", "!ANGLE_OPEN 1"},
    {" <a@b.example;", "!ANGLE_OPEN 1"},
    {" <<a@b.example>>", "!CHARACTER 2"},
    {" <a<b@c.example>", "!CHARACTER 3"},
    {" <a@b.example>>", "!BEHIND 14"},
    {" a@b.example>", "!BEHIND 12"},
    {" >a@b.example", "!CHARACTER 1"},
    {" \"Bob <bob@example.org>", "!QUOTE_OPEN 1"},
    {" \"Bob\\", "!QUOTE_OPEN 1"},
    {" \"Bob\\\" <bob@example.org>", "!QUOTE_OPEN 1"},
    {" bob@example.org (x", "!COMMENT_OPEN 17"},
    {" bob@example.org (x (y)", "!COMMENT_OPEN 17"},
    {" bob@example.org (x\\)", "!COMMENT_OPEN 17"},
    {" (", "!COMMENT_OPEN 1"},
    {" bob@example.org )", "!BEHIND 17"},
    {" )", "!CHARACTER 1"},
    {" a@[192.0.2.1", "!LITERAL_OPEN 3"},
    {" a@[[192.0.2.1]]", "!CHARACTER 4"},
    {" <@a.example bob@example.org>", "!ROUTE 13"},
    {" <@a.example@b.example:bob@example.org>", "!ROUTE 12"},
    {" <,bob@example.org>", "!ROUTE 3"},
    {" <@a.example,bob@example.org>", "!ROUTE 13"},
    {" <@a.example:>", "!EMPTY 1"},
    {" <@:bob@example.org>", "!NO_DOMAIN 3"},
    {" @a.example:bob@example.org", "!NO_LOCAL 1"},
    {" [List] <a@b.example>", "!CHARACTER 1"},
    {" A [x] <a@b.example>", "!CHARACTER 3"},
    {" a\\@b.example", "!CHARACTER 2"},
    {" a@\"b\".example", "!CHARACTER 3"},
    {" a@b.\"c\"", "!CHARACTER 5"},
    {" a\001b@c.example", "!CHARACTER 2"},
    {" a@b\177.example", "!BEHIND 4"},
    {" a\rb@c.example", "!CHARACTER 2"},
    {" a\nb@c.example", "!CHARACTER 2"},
    {" a\n b@c.example", "!CHARACTER 2"},
    {" \"a\nb\"@c.example", "!CHARACTER 3"},
    {" \"a\rb\"@c.example", "!CHARACTER 3"},
    {" \"a\\\r\n b\"@c.example", "!CHARACTER 4"},
    {" (a\rb) a@c.example", "!CHARACTER 3"},
    {" j\374rgen@example.org", "!NOT_UTF8 1"},
    {" \"j\374rgen\"@example.org", "!NOT_UTF8 1"},
    {" \"a\\\374\"@example.org", "!NOT_UTF8 1"},
    {" j@b\374cher.example", "!NOT_UTF8 3"},
    {" j@x.b\374", "!NOT_UTF8 5"},
    {" j@[\374]", "!NOT_UTF8 3"},
    {" \300\257@example.org", "!NOT_UTF8 1"},     /* overlong "/" */
    {" \340\237\277@example.org", "!NOT_UTF8 1"}, /* overlong */
    {" \355\240\200@example.org", "!NOT_UTF8 1"}, /* surrogate */
    {" \364\220\200\200@example.org", "!NOT_UTF8 1"},
    {" \365\200\200\200@example.org", "!NOT_UTF8 1"},
    {" \303@example.org", "!NOT_UTF8 1"},
    {" \360\237\230@example.org", "!NOT_UTF8 1"},
    {" \200@example.org", "!NOT_UTF8 1"},
    {" <@b\374.example:a@b.example>", "!NOT_UTF8 3"},
};

static const char *const fault_names[] = {
#define FAULT_NAME(name, words) [REWRITE_ADDRESS_##name] = #name,
    REWRITE_ADDRESS_FAULTS(FAULT_NAME)
#undef FAULT_NAME
};

static void put_mailbox(struct buf *out, struct sv section, const struct rewrite_address *a)
{
    static const char *const kinds[] = {[REWRITE_DOMAIN_QUALIFIED] = "",
                                        [REWRITE_DOMAIN_LABEL] = "/label",
                                        [REWRITE_DOMAIN_DIGITS] = "/digits",
                                        [REWRITE_DOMAIN_LITERAL] = "/literal"};
    struct sv local = sv_first(sv_skip(section, a->local), a->local_end - a->local);
    struct sv domain = sv_first(sv_skip(section, a->domain), a->domain_end - a->domain);
    assert_true(a->local < a->local_end && a->local_end < a->domain);
    assert_true(a->domain < a->domain_end && a->domain_end <= section.len);
    assert_int_equal(buf_printf(out, "%s%s%s%.*s@%.*s%s", buf_len(out) ? " | " : "",
                                a->in_group ? "group:" : "", a->has_cfws ? "~" : "", SV_ARG(local),
                                SV_ARG(domain), kinds[a->domain_kind]),
                     0);
}

/* Reads [from, to) of section into the form of the rows; offsets of faults count from from. */
static void render(struct sv section, size_t from, size_t to, struct buf *out)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    enum rewrite_address_step step;
    rewrite_addresses_init(&w, section, from, to, 10000);
    while ((step = rewrite_addresses_next(&w, &a)) == REWRITE_ADDRESS_MAILBOX) {
        assert_true(a.local >= from && a.domain_end <= to);
        put_mailbox(out, section, &a);
    }
    if (step == REWRITE_ADDRESS_FAULT) {
        assert_true(w.fault_at >= from && w.fault_at <= to);
        assert_int_equal(buf_printf(out, "%s!%s %zu", buf_len(out) ? " | " : "",
                                    fault_names[w.fault], w.fault_at - from),
                         0);
        assert_int_equal(rewrite_addresses_next(&w, &a), REWRITE_ADDRESS_FAULT);
        assert_true(strlen(rewrite_address_words(w.fault)) > 10);
    }
    assert_true(w.walked <= 3 * (to - from) + 3);
}

/* Each row alone in memory of its exact size, and in the middle of a section. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int embedded = 0; embedded < 2; embedded++) {
            struct buf section, out;
            size_t len = strlen(rows[i].value), from = embedded ? 9 : 0;
            buf_init(&section, 1000, 0);
            buf_init(&out, 1000, 0);
            if (embedded)
                assert_int_equal(buf_printf(&section, "X: y\r\nTo:%s\r\n@,;)>\"", rows[i].value),
                                 0);
            else
                assert_int_equal(buf_put(&section, sv_of(rows[i].value)), 0);
            char *exact = mem_dup(buf_view(&section).ptr, buf_len(&section));
            render((struct sv){exact, buf_len(&section)}, from, from + len + (embedded ? 2 : 0),
                   &out);
            if (!sv_eq(buf_view(&out), sv_of(rows[i].want)))
                fail_msg("row %zu: %s\ngot  %.*s\nwant %s", i, rows[i].value,
                         SV_ARG(buf_view(&out)), rows[i].want);
            free(exact);
            buf_deinit(&out);
            buf_deinit(&section);
        }
}

static struct sv repeat(struct buf *b, const char *before, const char *unit, size_t n,
                        const char *after)
{
    buf_init(b, 4u << 20, 0);
    assert_int_equal(buf_put(b, sv_of(before)), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_put(b, sv_of(unit)), 0);
    assert_int_equal(buf_put(b, sv_of(after)), 0);
    return buf_view(b);
}

/* What is long or deep ends in a mailbox or a fault, and each byte is looked at a few times at
 * most. */
static void test_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *before, *unit;
        size_t n;
        const char *after;
        size_t mailboxes;
        enum rewrite_address_fault fault;
    } cases[] = {
        {"", "a@b.example,", 10000, "", 10000, REWRITE_ADDRESS_OK},
        {"", "a@b.example,", 10001, "", 10000, REWRITE_ADDRESS_TOO_MANY},
        {"G:", "a@b.example,", 10001, ";", 10000, REWRITE_ADDRESS_TOO_MANY},
        {"", "(", REWRITE_COMMENT_DEPTH, "", 0, REWRITE_ADDRESS_COMMENT_OPEN},
        {"", "(", REWRITE_COMMENT_DEPTH + 1, "", 0, REWRITE_ADDRESS_COMMENT_DEPTH},
        {"", "(", 1000000, "", 0, REWRITE_ADDRESS_COMMENT_DEPTH},
        {"", "()", 500000, "a@b.example", 1, REWRITE_ADDRESS_OK},
        {"", ",", 1000000, "a@b.example", 1, REWRITE_ADDRESS_OK},
        {"", "G:;,", 300000, "a@b.example", 1, REWRITE_ADDRESS_OK},
        {"", "a ", 500000, "<a@b.example>", 1, REWRITE_ADDRESS_OK},
        {"", "a.", 500000, "a@b.example", 1, REWRITE_ADDRESS_OK},
        {"", "a.", 500000, "@b.example", 0, REWRITE_ADDRESS_DOTS},
        {"", "\"a\" ", 300000, "", 0, REWRITE_ADDRESS_WORDS},
        {"\"", "\\\"", 500000, "", 0, REWRITE_ADDRESS_QUOTE_OPEN},
        {"<", ",", 1000000, "@c.d:a@b.example>", 1, REWRITE_ADDRESS_OK},
        {"<", "@a,", 300000, "@c.d:a@b.example>", 1, REWRITE_ADDRESS_OK},
        {"a@b", ".9", 500000, "", 1, REWRITE_ADDRESS_OK},
        {"a@b", "9", 1000000, ".example", 1, REWRITE_ADDRESS_OK},
        {"", UE, 500000, "@b.example", 1, REWRITE_ADDRESS_OK},
        {"", UE, 500000, "\374@b.example", 0, REWRITE_ADDRESS_NOT_UTF8},
        {"a@[", "x", 1000000, "]", 1, REWRITE_ADDRESS_OK},
        {"a", "\r\n ", 300000, "@b.example", 1, REWRITE_ADDRESS_OK},
        {"a@", "b", 1000000, "@", 0, REWRITE_ADDRESS_SECOND_AT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b;
        struct rewrite_addresses w;
        struct rewrite_address a;
        struct sv text = repeat(&b, cases[i].before, cases[i].unit, cases[i].n, cases[i].after);
        size_t count = 0;
        rewrite_addresses_init(&w, text, 0, text.len, 10000);
        while (rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX)
            count++;
        if (w.fault != cases[i].fault || count != cases[i].mailboxes)
            fail_msg("case %zu: fault %d, %zu mailboxes", i, w.fault, count);
        assert_true(w.walked <= 3 * text.len);
        if (!w.fault)
            assert_true(w.walked >= text.len); /* it does count */
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
