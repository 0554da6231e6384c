/* Runs addresses.txt, a table of envelope addresses, through session cores. */
#include "msa/base/arena.h"
#include "msa/smtp/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How an address is said: to a session with SMTPUTF8 and its parameter, without, and to one
 * where it is off. */
enum way { WITH, WITHOUT, OFF, WAYS };
static const char *const way_names[] = {"with SMTPUTF8", "without it", "where it is off"};
static const char *const use_names[] = {"MAIL", "RCPT"};

struct kind {
    struct sv name, text;
    struct sv replies[WAYS][2]; /* code and status at MAIL and RCPT */
};

static struct table {
    struct arena arena;
    struct kind kinds[20];
    size_t nkinds, rows;
} table;

static const struct smtp_server_limits limits = {.recipients = 100000};
static const struct smtp_server_setup setups[2] = {
    {.hostname = {"h.example", 9},
     .postmaster = {"postmaster@h.example", 20},
     .tls_from_start = true,
     .limits = &limits},
    {.hostname = {"h.example", 9},
     .postmaster = {"postmaster@h.example", 20},
     .tls_from_start = true,
     .ext = {.off = SMTP_EXT_BIT(SMTP_EXT_SMTPUTF8)},
     .limits = &limits},
};

/* One session, and what it said and asked since the last command. */
struct talk {
    struct smtp_server *s;
    struct buf said, path;
    int use; /* of the path that was asked for; -1: none was */
};

static void take_actions(struct talk *t)
{
    struct smtp_action a;
    while (smtp_server_next(t->s, &a)) {
        if (a.type == SMTP_ACTION_SEND)
            assert_int_equal(buf_put(&t->said, a.bytes), 0);
        if (a.type == SMTP_ACTION_CHECK_PATH) {
            t->use = a.use;
            assert_int_equal(buf_put(&t->path, a.path->text), 0);
        }
        if (a.op)
            smtp_server_done(t->s, a.op, &(struct smtp_result){.outcome = SMTP_OK});
    }
}

static void say(struct talk *t, const char *verb, struct sv address, const char *more)
{
    struct buf line;
    buf_init(&line, 1u << 16, 0);
    buf_reset(&t->said);
    buf_reset(&t->path);
    t->use = -1;
    assert_int_equal(buf_put(&line, sv_of(verb)), 0);
    assert_int_equal(buf_put(&line, address), 0);
    assert_int_equal(buf_printf(&line, "%s\r\n", more), 0);
    for (struct sv rest = buf_view(&line); rest.len;) {
        size_t n = smtp_server_feed(t->s, rest);
        rest = sv_skip(rest, n);
        take_actions(t);
    }
    buf_deinit(&line);
}

static void begin(struct talk *t, enum way way)
{
    t->s = smtp_server_new(&setups[way == OFF], SV(""));
    buf_init(&t->said, 1u << 16, 0);
    buf_init(&t->path, 1u << 16, 0);
    smtp_server_start(t->s, NULL);
    take_actions(t);
    say(t, "EHLO a", SV(""), "");
}

static void end(struct talk *t)
{
    smtp_server_free(t->s);
    buf_deinit(&t->said);
    buf_deinit(&t->path);
}

/* ---- the table ---- */

static struct sv word_to(struct sv *text, char sep)
{
    return sv_trim(sv_split(text, sep));
}

static void read_kind(struct sv line)
{
    struct kind *k = &table.kinds[table.nkinds++];
    assert_true(table.nkinds < sizeof table.kinds / sizeof table.kinds[0]);
    struct sv replies = sv_split(&line, ':');
    k->text = sv_trim(line);
    k->name = word_to(&replies, '|');
    for (int i = 0; i < WAYS * 2; i++)
        k->replies[i / 2][i % 2] = word_to(&replies, '|');
    assert_true(k->replies[OFF][1].len > 0 && replies.len == 0);
}

static const struct kind *find_kind(struct sv name)
{
    for (size_t i = 0; i < table.nkinds; i++)
        if (sv_eq(table.kinds[i].name, name))
            return &table.kinds[i];
    fail_msg("no kind \"%.*s\"", SV_ARG(name));
    return NULL;
}

static void unescape(struct buf *out, struct sv text);

/* "N:text}", behind "\{" */
static void repeat(struct buf *out, struct sv *text)
{
    struct sv what = sv_split(text, '}'), number = sv_split(&what, ':');
    uint64_t n;
    assert_true(sv_u64(number, 100000, &n) && what.len);
    while (n--)
        unescape(out, what);
}

static void unescape(struct buf *out, struct sv text)
{
    while (text.len) {
        char c = text.ptr[0], next = text.len > 1 ? text.ptr[1] : '\0';
        text = sv_skip(text, c == '\\' ? 2 : 1);
        if (c == '\\' && next == '{') {
            repeat(out, &text);
            continue;
        }
        if (c == '\\' && next == 'x') {
            char hex[3] = {text.ptr[0], text.ptr[1], '\0'};
            c = (char)strtoul(hex, NULL, 16);
            text = sv_skip(text, 2);
        } else if (c == '\\') {
            assert_true(next && strchr("trn\\", next));
            c = next == 't' ? '\t' : next == 'r' ? '\r' : next == 'n' ? '\n' : '\\';
        }
        assert_int_equal(buf_append(out, &c, 1), 0);
    }
}

/* What stands for the text, in the table's arena. */
static struct sv unescaped(struct sv text)
{
    struct buf b;
    buf_init(&b, 1u << 16, 0);
    unescape(&b, text);
    struct sv made = arena_sv(&table.arena, buf_view(&b));
    buf_deinit(&b);
    return made;
}

/* ---- a row ---- */

static void check(struct talk *t, const struct kind *k, enum way way, int use, struct sv shown,
                  struct sv canonical)
{
    struct sv said = buf_view(&t->said), want = k->replies[way][use];
    bool good = want.ptr[0] == '2';
    if (!sv_starts(said, want) || said.ptr[want.len] != ' ' ||
        (way == WITH && !good && !sv_starts(sv_skip(said, want.len + 1), k->text)))
        fail_msg("%.*s, %s, %s: got %.*snot %.*s %.*s", SV_ARG(shown), use_names[use],
                 way_names[way], SV_ARG(said), SV_ARG(want), SV_ARG(k->text));
    assert_true(sv_find(said, '\n') == said.len - 1); /* one line */
    if (t->use != (good ? use : -1) || (good && !sv_eq(buf_view(&t->path), canonical)))
        fail_msg("%.*s, %s, %s: became \"%.*s\", not \"%.*s\"", SV_ARG(shown), use_names[use],
                 way_names[way], SV_ARG(buf_view(&t->path)), SV_ARG(canonical));
}

static void run_row(struct talk talks[WAYS], struct sv line)
{
    const struct kind *k = find_kind(sv_split(&line, '\t'));
    struct sv shown = sv_split(&line, '\t'), address = unescaped(shown);
    struct sv canonical = line.len ? unescaped(line) : sv_skip(address, 1);
    if (!line.len && canonical.len)
        canonical.len--;
    table.rows++;
    for (enum way way = WITH; way < WAYS; way++) {
        struct talk *t = &talks[way];
        const char *more = way == WITH ? " SMTPUTF8" : "";
        say(t, "MAIL FROM:", address, more);
        check(t, k, way, SMTP_PATH_REVERSE, shown, canonical);
        say(t, "RSET", SV(""), "");
        say(t, "MAIL FROM:<>", SV(""), more);
        say(t, "RCPT TO:", address, "");
        check(t, k, way, SMTP_PATH_FORWARD, shown, canonical);
        say(t, "RSET", SV(""), "");
        assert_true(sv_starts(buf_view(&t->said), SV("250 ")));
    }
}

static void each_address_gets_its_reply(void **state)
{
    char path[1024], *text;
    (void)state;
    snprintf(path, sizeof path, "%s/tests/unit/msa_smtp/addresses.txt", getenv("TEST_SOURCE_DIR"));
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text = calloc(1, 1u << 20);
    struct sv rest = {text, fread(text, 1, 1u << 20, f)};
    fclose(f);
    arena_init(&table.arena);
    struct talk talks[WAYS];
    for (enum way way = WITH; way < WAYS; way++)
        begin(&talks[way], way);
    while (rest.len) {
        struct sv line = sv_split(&rest, '\n');
        if (sv_starts(line, SV("! ")))
            read_kind(sv_skip(line, 2));
        else if (line.len && line.ptr[0] != '#')
            run_row(talks, line);
    }
    assert_true(table.rows >= 700);
    for (enum way way = WITH; way < WAYS; way++)
        end(&talks[way]);
    arena_deinit(&table.arena);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_address_gets_its_reply)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
