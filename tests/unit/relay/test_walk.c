/*
 * Walks: a plan, and what each attempt says to each of two recipients. Every row of the tables of
 * MX6 and of MXPS that is decided at run time is a case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/walk.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 2
#define END  ' '

/* What is said to one recipient, by the letter that stands for it in a script. */
#define SAYS(letter, at, code, s, d, words)                             \
    {                                                                   \
        letter,                                                         \
        {                                                               \
            .end = SMTP_END_REPLY, .phase = SMTP_PHASE_##at, .reply = { \
                code,                                                   \
                {s ? code / 100 : 0, s, d},                             \
                SV(words),                                              \
                SV("")                                                  \
            }                                                           \
        }                                                               \
    }
#define ENDS(letter, at, how, code)                                     \
    {                                                                   \
        letter,                                                         \
        {                                                               \
            .end = SMTP_END_##how, .phase = SMTP_PHASE_##at, .reply = { \
                code,                                                   \
                {5, 6, 3},                                              \
                SV("lacks"),                                            \
                SV("")                                                  \
            }                                                           \
        }                                                               \
    }
static const struct {
    char letter;
    struct smtp_client_result result;
} says[] = {
    SAYS('k', END_OF_DATA, 250, 0, 0, "taken"),
    SAYS('f', RCPT, 550, 1, 1, "nobody"),
    SAYS('t', RCPT, 451, 7, 1, "later"),
    SAYS('m', MAIL, 451, 7, 1, "later"),
    SAYS('d', END_OF_DATA, 451, 3, 0, "later"),
    SAYS('b', RCPT, 421, 3, 2, "bye"),
    SAYS('g', GREETING, 421, 3, 2, "bye"),
    SAYS('e', EHLO, 451, 3, 0, "later"),
    SAYS('G', GREETING, 554, 7, 1, "no"),
    SAYS('p', EHLO, 550, 5, 0, "no"),
    SAYS('w', AUTH, 535, 7, 8, "wrong"),
    /* fallback: at the greeting, EHLO, MAIL, RCPT, DATA, end of data */
    SAYS('1', GREETING, 550, 5, 604, "please IPv4"),
    SAYS('2', EHLO, 550, 5, 604, "please IPv4"),
    SAYS('3', MAIL, 550, 5, 604, "please IPv4"),
    SAYS('4', RCPT, 550, 5, 604, "please IPv4"),
    SAYS('5', DATA, 550, 5, 604, "please IPv4"),
    SAYS('6', END_OF_DATA, 550, 5, 604, "please IPv4\nAuthentication-Results: x"),
    SAYS('7', END_OF_DATA, 550, 0, 0, "5.5.XXX please"),
    SAYS('8', END_OF_DATA, 550, 7, 25, "no PTR"),
    /* and almost */
    SAYS('a', END_OF_DATA, 554, 5, 604, "another code"),
    SAYS('n', END_OF_DATA, 550, 5, 4, "another status"),
    SAYS('y', END_OF_DATA, 450, 5, 604, "for now"),
    SAYS('z', END_OF_DATA, 550, 0, 0, "5.5.604x"),
    ENDS('x', CONNECT, LOST, 0),
    ENDS('h', HANDSHAKE, TLS, 0),
    ENDS('l', MAIL, LOST, 0),
    ENDS('q', BODY, LOST, 0),
    ENDS('L', END_OF_DATA, LOST, 0),
    ENDS('T', END_OF_DATA, TIMEOUT, 0),
    ENDS('P', END_OF_DATA, PROTOCOL, 0),
    ENDS('s', BODY, TIMEOUT, 0),
    ENDS('r', BODY, PROTOCOL, 0),
    ENDS('u', MAIL, UNSUPPORTED, 554),
};

static const struct smtp_client_result *what_is(char letter)
{
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (says[i].letter == letter)
            return &says[i].result;
    fail_msg("nothing is said by %c", letter);
    return NULL;
}

/* ---- plans ---- */

#define V4(n)                       \
    {                               \
        {IP_V4, {192, 0, 2, n}}, 25 \
    }
#define V6(n)                                       \
    {                                               \
        {IP_V6, {0x20, 1, 0xd, 0xb8, [15] = n}}, 25 \
    }
#define MAPPED(n)                                      \
    {                                                  \
        {IP_V6, {[10] = 0xff, 0xff, 192, 0, 2, n}}, 25 \
    }
#define OVER(found, index, name, address, how)                                      \
    {                                                                               \
        .host = name, .to = address, .via = ROUTE_VIA_##found, .host_index = index, \
        .protocol = ROUTE_##how, .tls = ROUTE_TLS_OPPORTUNISTIC, .credentials = -1  \
    }

/* Two targets of MX6, one of them with IPv4; two hosts of MX. */
static const struct route_attempt mx6[] = {
    OVER(MX6, 0, "t0", V6(1), SMTP), OVER(MX6, 0, "t0", V4(1), SMTP),
    OVER(MX6, 1, "t1", V6(2), SMTP), OVER(MX, 2, "m0", V6(3), SMTP),
    OVER(MX, 2, "m0", V4(3), SMTP),  OVER(MX, 3, "m1", V4(4), SMTP),
};
/* Two addresses of each family. */
static const struct route_attempt broad[] = {
    OVER(MX6, 0, "t0", V6(1), SMTP), OVER(MX6, 0, "t0", V6(2), SMTP),
    OVER(MX6, 0, "t0", V4(1), SMTP), OVER(MX6, 0, "t0", V4(2), SMTP),
    OVER(MX, 1, "m0", V4(3), SMTP),
};
static const struct route_attempt v6_alone[] = {
    OVER(MX6, 0, "t0", V6(1), SMTP),
    OVER(MX, 1, "m0", V6(3), SMTP),
};
static const struct route_attempt mapped[] = {
    OVER(MX6, 0, "t0", MAPPED(1), SMTP),
    OVER(MX, 1, "m0", V4(3), SMTP),
};
static const struct route_attempt mx[] = {
    OVER(MX, 0, "m0", V6(3), SMTP),
    OVER(MX, 0, "m0", V4(3), SMTP),
    OVER(MX, 1, "m1", V4(4), SMTP),
};
/* m0 with two addresses by QMTP, then m1 by SMTP. */
static const struct route_attempt mxps[] = {
    OVER(MX, 0, "m0", V4(1), QMTP), OVER(MX, 0, "m0", V4(1), SMTP), OVER(MX, 0, "m0", V4(2), QMTP),
    OVER(MX, 0, "m0", V4(2), SMTP), OVER(MX, 1, "m1", V4(4), SMTP),
};
/* IPv4 only by way of QMTP. */
static const struct route_attempt mx6_mxps[] = {
    OVER(MX6, 0, "t0", V6(1), SMTP),
    OVER(MX, 1, "m0", V4(1), QMTP),
    OVER(MX, 1, "m0", V4(1), SMTP),
};

static const struct route_attempt by_route[] = {OVER(STATIC, 0, "s0", V6(5), SMTP)};

static struct route_plan plan_of(const struct route_attempt *attempts, size_t n)
{
    return (struct route_plan){.attempts = attempts, .nattempts = n};
}
#define PLAN(a) a, sizeof(a) / sizeof(a[0])

/* ---- cases ---- */

/* script: attempts as "index:what is said to each recipient", "-": it is not taken.
 * end: each recipient's end: Delivered, Failed, Put off, "=" nothing; in lower case with the mark.
 */
static const struct {
    const char *label;
    const struct route_attempt *attempts;
    size_t nattempts;
    const char *script, *end;
} walks[] = {
    {"taken at the first", PLAN(mx), "0:kk", "DD"},
    {"another address, then another host", PLAN(mx), "0:xx 1:xx 2:kk", "DD"},
    {"who wins a race and fails leaves the others", PLAN(mx), "0>1:GG 0:kk", "DD"},
    {"who wins a race, and the other, and another host", PLAN(mx), "0>1:mm 0:gg 2:kk", "DD"},
    {"none", PLAN(mx), "0:xx 1:ll 2:gg", "PP"},
    {"a recipient that is refused is done", PLAN(mx), "0:fk", "FD"},
    {"for now by MX: no other host", PLAN(mx), "0:tk", "PD"},
    {"after data by MX: no other host", PLAN(mx), "0:dd", "PP"},
    {"421: the host, so the next", PLAN(mx), "0:kb 1:-k", "DD"},
    {"may have been taken: no other", PLAN(mx), "0:LL", "PP"},
    {"lost before that: another", PLAN(mx), "0:qq 1:kk", "DD"},
    {"a host that lacks is not asked again", PLAN(mx), "0:uk 2:k-", "DD"},
    {"every host lacks", PLAN(mx), "0:uk 2:u-", "PD"},
    {"a login that is refused: another host, no other address", PLAN(mx), "0:ww 2:kk", "DD"},

    /* MX6: the fallback code, at each stage, for whom it is said */
    {"250 before the end of data: the next", PLAN(mx), "0:rr 1:kk", "DD"},
    {"no code, no fallback", PLAN(mx6), "0:kk", "DD"},
    {"code at greeting", PLAN(mx6), "0:11 1:kk", "dd"},
    {"code at EHLO", PLAN(mx6), "0:22 1:kk", "dd"},
    {"code at MAIL", PLAN(mx6), "0:33 1:kk", "dd"},
    {"code at RCPT: that one only", PLAN(mx6), "0:4k 1:k-", "dD"},
    {"code at DATA", PLAN(mx6), "0:55 1:kk", "dd"},
    {"code at the end of data, several lines", PLAN(mx6), "0:66 1:kk", "dd"},
    {"code as letters", PLAN(mx6), "0:77 1:kk", "dd"},
    {"code at RCPT, then lost with the other", PLAN(mx6), "0:4L 1:k-", "dP"},
    /* what is no code */
    {"any 550 is off", PLAN(mx6), "0:88", "FF"},
    {"554 and the status", PLAN(mx6), "0:aa", "FF"},
    {"550 and another status", PLAN(mx6), "0:nn", "FF"},
    {"a longer text", PLAN(mx6), "0:zz", "FF"},
    {"the code by MX is final", PLAN(mx), "0:46", "FF"},
    {"the code over IPv4 of a target is final", PLAN(mx6), "0:xx 1:66", "FF"},
    {"the code of a mapped address is final", PLAN(mapped), "0:66", "FF"},
    {"the code without an IPv4 route is final", PLAN(v6_alone), "0:66", "FF"},
    {"at greeting without an IPv4 route: the host's", PLAN(v6_alone), "0:11 1:kk", "DD"},
    /* where the IPv4 try goes, and what it says */
    {"no other IPv6 address of the target", PLAN(broad), "0:66 2:kk", "dd"},
    {"each IPv4 address of the target, then by MX", PLAN(broad), "0:66 2:xx 3:xx 4:kk", "dd"},
    {"no IPv4 at the target: by MX, IPv4 only", PLAN(mx6), "0:xx 1:xx 2:66 4:kk", "dd"},
    {"the other target's IPv4 is not asked", PLAN(mx6), "0:gg 2:66 4:xx 5:xx", "pp"},
    {"by MX and QMTP as there", PLAN(mx6_mxps), "0:66 1:kk", "dd"},
    {"by MX, QMTP not to be connected to", PLAN(mx6_mxps), "0:66 1:xx 2:kk", "dd"},
    {"the IPv4 result counts: failed", PLAN(mx6), "0:66 1:ff", "ff"},
    {"the IPv4 result counts: for now, with the mark", PLAN(mx6), "0:66 1:tt", "pp"},
    {"the IPv4 result counts: after data for now", PLAN(mx6), "0:66 1:dd", "pp"},
    {"no second fallback", PLAN(mx6), "0:66 1:66", "ff"},
    {"IPv4 not to be reached: with the mark", PLAN(mx6), "0:66 1:xx 4:xx 5:xx", "pp"},
    {"two that go their ways", PLAN(mx6), "0:4t 1:k- 2:-k", "dD"},
    {"the second falls back at the next target", PLAN(mx6), "0:4t 1:t- 2:-6 4:-k", "pd"},
    /* what is for now over MX6: the next target, without a mark */
    {"greeting for now", PLAN(mx6), "0:gg 2:kk", "DD"},
    {"EHLO for now", PLAN(mx6), "0:ee 2:kk", "DD"},
    {"MAIL for now", PLAN(mx6), "0:mm 2:kk", "DD"},
    {"RCPT for now", PLAN(mx6), "0:tk 2:k-", "DD"},
    {"after data for now", PLAN(mx6), "0:dd 2:kk", "DD"},
    {"450 with the status is for now", PLAN(mx6), "0:yy 2:kk", "DD"},
    {"both targets for now: by MX, both families", PLAN(mx6), "0:dd 2:dd 3:xx 4:kk", "DD"},
    {"and for now there, too", PLAN(mx6), "0:tt 2:tt 3:tt", "PP"},
    {"421 within the transaction", PLAN(mx6), "0:bb 2:kk", "DD"},
    /* the rest of MX6 */
    {"5yz at greeting is never final", PLAN(mx6), "0:GG 2:kk", "DD"},
    {"5yz at EHLO is never final", PLAN(mx6), "0:pp 2:kk", "DD"},
    {"other 5yz is final", PLAN(mx6), "0:ff", "FF"},
    {"IPv6 not to be reached: IPv4 of the target", PLAN(mx6), "0:xx 1:kk", "DD"},
    {"then the next target, then by MX", PLAN(mx6), "0:xx 1:xx 2:xx 3:xx 4:xx 5:kk", "DD"},
    {"each IPv6 address first", PLAN(broad), "0:xx 1:xx 2:kk", "DD"},
    {"lost after the end of data: no other target", PLAN(mx6), "0:LL", "PP"},
    {"timed out after the end of data", PLAN(mx6), "0:TT", "PP"},
    {"garbage after the end of data", PLAN(mx6), "0:PP", "PP"},
    {"lost before the end of data", PLAN(mx6), "0:qq 1:kk", "DD"},
    {"an extension that the target lacks", PLAN(mx6), "0:uu 2:kk", "DD"},

    /* QMTP */
    {"by QMTP", PLAN(mxps), "0:kk", "DD"},
    {"connect fails: SMTP at the same address", PLAN(mxps), "0:xx 1:kk", "DD"},
    {"TLS of the connection fails: the same", PLAN(mxps), "0:hh 1:kk", "DD"},
    {"SMTP there is lost: the next address", PLAN(mxps), "0:xx 1:ll 2:kk", "DD"},
    {"both addresses, both protocols, the next host", PLAN(mxps), "0:xx 1:xx 2:xx 3:xx 4:kk", "DD"},
    {"lost before the last byte: the next address", PLAN(mxps), "0:qq 2:kk", "DD"},
    {"stalled before the last byte: the next address", PLAN(mxps), "0:ss 2:kk", "DD"},
    {"an answer before the last byte: the next address", PLAN(mxps), "0:rr 2:kk", "DD"},
    {"everywhere before the last byte: for now", PLAN(mxps), "0:rr 2:qq 4:ss", "PP"},
    {"and no SMTP there any more, connect or not", PLAN(mxps), "0:qq 2:xx 4:kk", "DD"},
    {"SMTP at one address, QMTP met at the next", PLAN(mxps), "0:xx 1:ll 2:qq 4:kk", "DD"},
    {"lost after the last byte: for now", PLAN(mxps), "0:LL", "PP"},
    {"timed out after the last byte: for now", PLAN(mxps), "0:TT", "PP"},
    {"garbage after the last byte: for now", PLAN(mxps), "0:PP", "PP"},
    {"a response for one, none for the other", PLAN(mxps), "0:kL", "DP"},
    {"SMTP where QMTP is not to be had counts as ever", PLAN(mxps), "0:xx 1:ft", "FP"},
    {"K, Z and D are each recipient's", PLAN(mxps), "0:kt", "DP"},
    {"and D", PLAN(mxps), "0:fk", "FD"},
};

static const char *const codes[] = {"5.5.604", "5.5.XXX"};
static struct relay_options options = {
    .mx6_fallback_codes = {.items = (const char **)(uintptr_t)codes, .count = 2}};

/* What one attempt says, "kt": of each recipient. */
static void say(const char *label, struct relay_walk *w, struct arena *a, const char *what,
                struct relay_outcome *outcomes)
{
    const struct smtp_client_result *r = NULL;
    for (size_t i = 0; i < w->nrows; i++) {
        if (relay_walk_takes(w, i) != (what[i] != '-'))
            fail_msg("%s: attempt %zu takes recipient %zu: %d", label, w->at, i,
                     relay_walk_takes(w, i));
        r = what[i] != '-' ? what_is(what[i]) : r;
    }
    if (r->phase != SMTP_PHASE_CONNECT && r->phase != SMTP_PHASE_HANDSHAKE)
        relay_walk_reached(w);
    for (size_t i = 0; i < w->nrows; i++) {
        if (what[i] == '-')
            continue;
        outcomes[i] = relay_outcome_of_result(a, what_is(what[i]), SV_NONE);
        relay_walk_result(w, i, what_is(what[i]), &outcomes[i]);
    }
}

static char end_of(const struct relay_walk_row *row, const struct relay_outcome *o)
{
    static const char letters[] = {'D', 'P', 'F'};
    char c = o->text ? letters[o->verdict] : '=';
    assert_true(row->state != RELAY_WALK_OPEN || c == '=');
    return row->v4_only ? (char)(c | 0x20) : c;
}

static void check_end(const char *label, const struct relay_walk *w,
                      const struct relay_outcome *outcomes, const char *end)
{
    for (size_t i = 0; i < w->nrows; i++)
        if (end_of(&w->rows[i], &outcomes[i]) != end[i])
            fail_msg("%s: recipient %zu ends as %c", label, i, end_of(&w->rows[i], &outcomes[i]));
}

static void run(const char *label, struct relay_walk *w, const char *script, const char *end)
{
    struct relay_outcome outcomes[ROWS] = {0};
    struct arena a;
    arena_init(&a);
    while (*script) {
        char *colon;
        size_t at = strtoul(script, &colon, 10);
        if (!relay_walk_next(w) || w->at != at)
            fail_msg("%s: attempt %zu, not %zu", label, w->at, at);
        if (*colon == '>') /* a race, and who wins it */
            relay_walk_stand(w, strtoul(colon + 1, &colon, 10));
        say(label, w, &a, colon + 1, outcomes);
        relay_walk_tried(w, w->at);
        script = colon + 1 + w->nrows;
        script += *script == END;
    }
    assert_false(relay_walk_has_next(w));
    if (relay_walk_next(w))
        fail_msg("%s: attempt %zu, and none was expected", label, w->at);
    check_end(label, w, outcomes, end);
    arena_deinit(&a);
}

static void test_walks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        struct relay_needs needs = {.by_qmtp = true};
        struct relay_walk_row rows[ROWS] = {0};
        struct relay_walk w;
        struct route_plan plan = plan_of(walks[i].attempts, walks[i].nattempts);
        relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
        run(walks[i].label, &w, walks[i].script, walks[i].end);
    }
}

/* The first recipient was marked by an earlier try. */
static const struct {
    const char *label;
    const struct route_attempt *attempts;
    size_t nattempts;
    const char *script, *end;
} marked[] = {
    {"MX6 is for the other one alone", PLAN(mx6), "0:-k 4:k-", "dD"},
    {"together where IPv4 by MX is left", PLAN(mx6), "0:-x 1:-x 2:-x 3:-x 4:kk", "dD"},
    {"for now: the mark stays", PLAN(mx6), "0:-k 4:t-", "pD"},
    {"IPv4 alone by MX", PLAN(mx), "0:-k 1:x- 2:k-", "dD"},
    {"no IPv4", PLAN(v6_alone), "0:-k", "=D"},
    {"a route of the operator's is not asked about", PLAN(by_route), "0:kk", "dD"},
};

static void test_marked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++) {
        struct relay_needs needs = {.by_qmtp = true};
        struct relay_walk_row rows[ROWS] = {{.v4_only = true}};
        struct relay_walk w;
        struct route_plan plan = plan_of(marked[i].attempts, marked[i].nattempts);
        relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
        assert_int_equal(relay_walk_is_barred(&w, 0), marked[i].end[0] == '=');
        assert_false(relay_walk_is_barred(&w, 1));
        run(marked[i].label, &w, marked[i].script, marked[i].end);
    }
}

/* Where any 550 counts, and where no code does. */
static void test_codes_of_options(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        struct relay_options options;
        const char *script, *end;
    } rows[] = {
        {"any 550", {.mx6_any_550 = true}, "0:88 1:kk", "dd"},
        {"any 550 is two statuses", {.mx6_any_550 = true}, "0:fn", "FF"},
        {"no code", {.mx6_any_550 = false}, "0:67", "FF"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct relay_needs needs = {.by_qmtp = true};
        struct relay_walk_row walk_rows[ROWS] = {0};
        struct relay_walk w;
        struct route_plan plan = plan_of(PLAN(mx6));
        relay_walk_init(&w, &plan, &needs, &rows[i].options, walk_rows, ROWS);
        run(rows[i].label, &w, rows[i].script, rows[i].end);
    }
}

/* A message that QMTP cannot carry goes by SMTP to the same hosts. */
static void test_not_by_qmtp(void **state)
{
    (void)state;
    struct relay_needs needs = {.by_qmtp = false};
    struct relay_walk_row rows[ROWS] = {0};
    struct relay_walk w;
    struct route_plan plan = plan_of(PLAN(mxps));
    relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
    run("no QMTP", &w, "1:xx 3:ll 4:kk", "DD");
}

/* QMTP that is known not to answer. */
static void test_skipped(void **state)
{
    (void)state;
    struct relay_needs needs = {.by_qmtp = true};
    struct relay_walk_row rows[ROWS] = {0};
    struct relay_walk w;
    struct route_plan plan = plan_of(PLAN(mxps));
    relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
    relay_walk_skip(&w, 0);
    run("skipped", &w, "1:ll 2:qq 4:kk", "DD");
}

static void test_lacked(void **state)
{
    (void)state;
    struct relay_needs needs = {.by_qmtp = true};
    struct relay_walk_row rows[ROWS] = {0};
    struct relay_walk w;
    struct route_plan plan = plan_of(PLAN(mx));
    relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
    run("each lacks, or one could not be asked", &w, "0:ux 1:-u 2:ux", "PP");
    assert_true(relay_walk_is_lacked(&w, 0));
    assert_false(relay_walk_is_lacked(&w, 1));
    /* REQUIRETLS: a later plan may have another host */
    plan.unsure = true;
    assert_true(relay_walk_is_lacked(&w, 0));
    needs.requires_tls = true;
    assert_false(relay_walk_is_lacked(&w, 0));
    plan.unsure = false;
    assert_true(relay_walk_is_lacked(&w, 0));
}

/* A connection that was open before: what it does not take goes along the whole plan. */
static void test_stand(void **state)
{
    (void)state;
    struct relay_needs needs = {.by_qmtp = true};
    struct relay_walk_row rows[ROWS] = {{.v4_only = true}};
    struct relay_walk w;
    struct relay_outcome outcomes[ROWS] = {0};
    struct route_plan plan = plan_of(PLAN(mx));
    struct arena a;
    arena_init(&a);
    relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
    assert_false(relay_walk_takes(&w, 1));
    relay_walk_stand(&w, 0);
    say("stand", &w, &a, "-k", outcomes);
    assert_true(relay_walk_has_next(&w));
    run("behind it", &w, "1:k-", "d=");
    arena_deinit(&a);
}

/* A machine without IPv4 cannot do what the host asks for: what it said is the result. */
static void test_no_ipv4_here(void **state)
{
    (void)state;
    struct relay_needs needs = {.by_qmtp = true};
    struct relay_walk_row rows[ROWS] = {0};
    struct relay_walk w;
    struct route_plan plan = plan_of(PLAN(mx6));
    plan.no_ipv4 = true;
    relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
    run("no IPv4 here", &w, "0:66", "FF");
}

/* Whose words may back the site off. */
static void test_of_site(void **state)
{
    (void)state;
    struct relay_needs needs = {.by_qmtp = true};
    struct relay_walk_row rows[ROWS] = {0};
    struct relay_walk w;
    struct route_plan plan = plan_of(PLAN(mx6));
    relay_walk_init(&w, &plan, &needs, &options, rows, ROWS);
    assert_true(relay_walk_is_of_site(&w)); /* ours */
    for (size_t i = 0; i < plan.nattempts; i++) {
        relay_walk_stand(&w, i);
        assert_int_equal(relay_walk_is_of_site(&w), i >= 3);
    }
}

/* What may be connected to at once: the same host's addresses of both families, as far as they are
 * of use for the same rows. */
static void races(void **state)
{
    static const struct route_attempt attempts[] = {
        OVER(MX, 0, "a.test", V6(1), SMTP),  OVER(MX, 0, "a.test", V4(1), SMTP),
        OVER(MX, 0, "a.test", V4(2), SMTP),  OVER(MX, 1, "b.test", V4(3), SMTP),
        OVER(MX, 1, "b.test", V4(4), SMTP),  OVER(MX6, 2, "c.test", V6(5), SMTP),
        OVER(MX6, 2, "c.test", V4(5), SMTP), OVER(MX, 3, "d.test", V6(6), QMTP),
        OVER(MX, 3, "d.test", V6(6), SMTP),  OVER(MX, 3, "d.test", V4(6), QMTP),
        OVER(MX, 3, "d.test", V4(6), SMTP),
    };
    static const size_t most[] = {3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const struct route_plan plan = {.attempts = attempts,
                                           .nattempts = sizeof attempts / sizeof *attempts};
    struct relay_needs needs = {.by_qmtp = true};
    struct relay_walk walk;
    struct relay_walk_row rows[2] = {0};
    (void)state;
    relay_walk_init(&walk, &plan, &needs, &options, rows, 1);
    for (size_t i = 0; i < plan.nattempts; i++) {
        relay_walk_stand(&walk, i);
        assert_int_equal(relay_walk_race(&walk), most[i]);
    }
    /* one of two rows may not go over IPv6: the other goes there without IPv4 */
    memset(rows, 0, sizeof rows);
    rows[1].v4_only = true;
    relay_walk_init(&walk, &plan, &needs, &options, rows, 2);
    relay_walk_stand(&walk, 0);
    assert_int_equal(relay_walk_race(&walk), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(races),
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_marked),
        cmocka_unit_test(test_codes_of_options),
        cmocka_unit_test(test_not_by_qmtp),
        cmocka_unit_test(test_lacked),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_stand),
        cmocka_unit_test(test_no_ipv4_here),
        cmocka_unit_test(test_of_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
