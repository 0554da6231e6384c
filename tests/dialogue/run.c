/*
 * Runs dialogue scripts through the server core. A file holds several scripts, each begun by
 * "== title". Lines of a script:
 *
 *     O: option [value]   tls, starttls, clear (AUTH without TLS), noauth, open, strict, operated,
 *                         complete
 *                         (single labels, to "sales" alone), reject, size N, rcpts N,
 *                         messages N, failures N, bad N, idle N, priority N, solicit KEYWORDS,
 *                         with EXTENSION..., off EXTENSION... ("all": every one); what is younger
 *                         than CHUNKING is off unless it is named. It is 2026-11-28T05:00:00Z.
 *     C: text             bytes from the client and CRLF;  C- text: without CRLF
 *                         escapes: \r \n \0 \\ \xHH; \{N:c} is N times the character c
 *     S: line             a line the server must send; "..." at its end: what precedes it
 *     S* code             a whole reply of that code, of any number of lines
 *     M: reply | params   MAIL with these parameters, and how the reply begins; RSET when it is 250
 *     R: reply | params   RCPT with these parameters, in a transaction, likewise without RSET
 *     A: action           CHECK MAIL|RCPT path, RESUME transid, OPEN [at N for N], COMMIT body,
 * RETURN, ROLLBACK, LEAVE [forget], AUTH mech response, CANCEL, TLS, CLOSE why E:
 * timeout|closed|sync what comes before it has been handled; then this event
 *
 * Operations are answered by the paths and responses themselves: see the judges below. Each script
 * is fed whole, byte by byte and in random pieces, with operations answered at once and later: the
 * replies and the actions must be those of the script every time.
 */
#include "msa/base/arena.h"
#include "msa/base/require.h"
#include "msa/smtp/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPLITS 24
#define NOW_S  1795842000 /* 2026-11-28T05:00:00Z */
#define NEWER  (SMTP_EXT_ALL << SMTP_EXT_BINARYMIME)

enum kind { KIND_BYTES, KIND_EVENT };

struct step {
    enum kind kind;
    struct sv text;
};

struct script {
    struct arena arena;
    struct sv title;
    struct step steps[400];
    size_t count;
    struct buf replies, actions; /* expected */
    struct smtp_server_limits limits;
    struct smtp_server_setup setup;
    bool operated;
};

struct run {
    struct smtp_server *s;
    struct buf replies, actions, body;
    struct smtp_result pending;
    uint32_t op;
    bool later; /* answer operations when nothing else is to be done */
    bool drop_input;
    unsigned login_step;
    char path[300], completed[300], mail[500];
    bool held; /* a transaction with TRANSID */
};

static void must(int err)
{
    REQUIRE(err == 0);
}

static void put_escaped(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\r')
            must(buf_put(out, SV("\\r")));
        else if (c == '\n')
            must(buf_put(out, SV("\\n")));
        else if (c < 32 || c > 126)
            must(buf_printf(out, "\\x%02X", c));
        else
            must(buf_printf(out, "%c", c));
    }
}

static void unescape(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.ptr[++i];
            if (c == 'r' || c == 'n' || c == '0') {
                c = c == 'r' ? '\r' : c == 'n' ? '\n' : '\0';
            } else if (c == 'x') {
                REQUIRE(i + 2 < text.len);
                char hex[3] = {text.ptr[i + 1], text.ptr[i + 2], 0};
                c = (char)strtoul(hex, NULL, 16);
                i += 2;
            } else if (c == '{') {
                char *end;
                unsigned long n = strtoul(text.ptr + i + 1, &end, 10);
                REQUIRE(*end == ':' && end[2] == '}');
                while (n-- > 1)
                    must(buf_append(out, end + 1, 1));
                c = end[1];
                i = (size_t)(end + 2 - text.ptr);
            }
        }
        must(buf_append(out, &c, 1));
    }
}

/* --- what the glue would decide --- */

static struct smtp_result failed(struct smtp_reply reply)
{
    return (struct smtp_result){.outcome = SMTP_FAILED, .reply = reply};
}

/* What is kept of a transaction is told by its TRANSID: <kind-N@domain>, where N is the offset. */
static struct smtp_result judge_transid(struct run *r, struct sv transid)
{
    struct smtp_result result = {.outcome = SMTP_OK};
    struct sv rest = sv_skip(transid, 1);
    struct sv kind = sv_split(&rest, '-'), digits = sv_split(&rest, '@');
    bool other = sv_eq(kind, SV("other")), binary = sv_eq(kind, SV("binary"));
    must(buf_printf(&r->actions, "RESUME %.*s\n", SV_ARG(transid)));
    REQUIRE(!r->held);
    r->held = true;
    result.resumed = sv_u64(digits, UINT64_MAX, &result.offset);
    snprintf(r->mail, sizeof r->mail, "<%s>%s TRANSID=%.*s", other ? "x@example.net" : r->path,
             binary ? " BODY=BINARYMIME" : "", SV_ARG(transid));
    result.mail = sv_of(r->mail);
    if (sv_eq(kind, SV("damaged")))
        result.recipients = SV("<b@example.org>\nnobody");
    else if (!sv_eq(kind, SV("done")))
        result.recipients = SV("<b@example.org>\n<c@example.org> NOTIFY=NEVER");
    return result;
}

static struct smtp_result judge_path(struct run *r, const struct smtp_action *a)
{
    struct smtp_result ok = {.outcome = SMTP_OK};
    must(buf_printf(&r->actions, "CHECK %s <%.*s>\n", a->use == SMTP_PATH_REVERSE ? "MAIL" : "RCPT",
                    SV_ARG(a->path->text)));
    if (a->use == SMTP_PATH_REVERSE)
        snprintf(r->path, sizeof r->path, "%.*s", SV_ARG(a->path->text));
    if (sv_starts(a->path->text, SV("deny")))
        return failed(SMTP_REPLY(550, 5, 7, 1, "Not permitted"));
    if (sv_starts(a->path->text, SV("later")))
        return failed(SMTP_REPLY(451, 4, 3, 0, "Try later"));
    if (!a->path->unqualified)
        return ok;
    if (!sv_eq(smtp_path_domain(a->path), SV("sales")))
        return failed(SMTP_REPLY(554, 5, 1, 2, "No such name"));
    snprintf(r->completed, sizeof r->completed, "%.*s.example.net", SV_ARG(a->path->text));
    ok.address = sv_of(r->completed);
    return ok;
}

static struct smtp_result judge_auth(struct run *r, const struct smtp_action *a)
{
    struct smtp_result ok = {.outcome = SMTP_OK};
    struct smtp_result more = {.outcome = SMTP_MORE};
    must(buf_printf(&r->actions, "AUTH %.*s %s", SV_ARG(a->mechanism), a->has_response ? "" : "-"));
    put_escaped(&r->actions, a->bytes);
    must(buf_put(&r->actions, SV("\n")));
    if (a->mechanism.len)
        r->login_step = sv_eq(a->mechanism, SV("LOGIN")) ? 1 : 0;
    if (r->login_step == 1 && !a->has_response) {
        more.challenge = SV("Username:");
        return more;
    }
    if (r->login_step == 1) {
        r->login_step = 2;
        more.challenge = SV("Password:");
        return more;
    }
    if (!a->has_response)
        return more;
    if (sv_eq(a->bytes, SV("\0temp\0pass")))
        return failed(SMTP_REPLY(454, 4, 7, 0, "Later"));
    if (sv_iends(a->bytes, SV("pass")))
        return ok;
    return failed(SMTP_REPLY(535, 5, 7, 8, "Wrong"));
}

static struct smtp_result judge(struct run *r, const struct smtp_action *a)
{
    struct smtp_result ok = {.outcome = SMTP_OK};
    switch (a->type) {
    case SMTP_ACTION_START_TLS:
        must(buf_put(&r->actions, SV("TLS\n")));
        r->drop_input = true;
        return ok;
    case SMTP_ACTION_AUTH_STEP:
        return judge_auth(r, a);
    case SMTP_ACTION_CHECK_PATH:
        return judge_path(r, a);
    case SMTP_ACTION_RESUME:
        return judge_transid(r, a->envelope->values[SMTP_MAIL_TRANSID].text);
    case SMTP_ACTION_OPEN_MESSAGE:
        must(buf_put(&r->actions, SV("OPEN")));
        if (a->offset)
            must(buf_printf(&r->actions, " at %u for %u", (unsigned)a->offset, a->envelope->count));
        must(buf_put(&r->actions, SV("\n")));
        buf_reset(&r->body);
        if (strncmp(r->path, "full", 4) == 0)
            return failed(SMTP_REPLY(452, 4, 3, 1, "No space"));
        return ok;
    case SMTP_ACTION_RETURN:
        /* as the glue does: the octets behind the reply that has announced them */
        REQUIRE(buf_len(&r->replies) &&
                buf_view(&r->replies).ptr[buf_len(&r->replies) - 1] == '\n');
        must(buf_put(&r->actions, SV("RETURN\n")));
        must(buf_put(&r->replies, buf_view(&r->body)));
        return strncmp(r->path, "broken", 6) == 0 ? failed(SMTP_REPLY_NONE) : ok;
    default:
        REQUIRE(a->type == SMTP_ACTION_COMMIT);
        must(buf_put(&r->actions, SV("COMMIT ")));
        put_escaped(&r->actions, buf_view(&r->body));
        must(buf_put(&r->actions, SV("\n")));
        if (strncmp(r->path, "nocommit", 8) == 0)
            return failed(SMTP_REPLY(451, 4, 3, 0, "Disk"));
        ok.reply = SMTP_REPLY(250, 2, 0, 0, "Queued");
        ok.octets = buf_len(&r->body);
        return ok;
    }
}

static void act(struct run *r, const struct smtp_action *a)
{
    if (a->op) {
        struct smtp_result result = judge(r, a);
        r->op = a->op;
        r->pending = result;
        return;
    }
    switch (a->type) {
    case SMTP_ACTION_SEND:
        must(buf_put(&r->replies, a->bytes));
        break;
    case SMTP_ACTION_BODY:
        must(buf_put(&r->body, a->bytes));
        if (sv_starts(buf_view(&r->body), SV("Spam")))
            smtp_server_refuse_content(r->s, &SMTP_REPLY(550, 5, 7, 0, "Not this"));
        break;
    case SMTP_ACTION_ROLLBACK:
        must(buf_put(&r->actions, SV("ROLLBACK\n")));
        break;
    case SMTP_ACTION_LEAVE:
        REQUIRE(r->held);
        r->held = false;
        must(buf_printf(&r->actions, "LEAVE%s\n", a->forget ? " forget" : ""));
        break;
    case SMTP_ACTION_AUTH_STEP:
        REQUIRE(a->cancel);
        must(buf_put(&r->actions, SV("CANCEL\n")));
        break;
    case SMTP_ACTION_SET_TIMER:
        REQUIRE(a->ms == (a->renew ? 180000u : 300000u));
        break;
    default:
        REQUIRE(a->type == SMTP_ACTION_CLOSE);
        must(buf_printf(&r->actions, "CLOSE %s\n", a->why));
    }
}

static void answer(struct run *r)
{
    uint32_t op = r->op;
    r->op = 0;
    smtp_server_done(r->s, op + 1, &r->pending); /* a stale answer changes nothing */
    smtp_server_done(r->s, op, &r->pending);
}

static void give(struct run *r, struct sv in)
{
    struct smtp_action a;
    size_t n;
    do {
        n = smtp_server_feed(r->s, in);
        REQUIRE(n <= in.len && (r->op == 0 || n == 0));
        in = sv_skip(in, n);
        while (smtp_server_next(r->s, &a)) {
            act(r, &a);
            if (r->op && !r->later)
                answer(r);
        }
        /* the core itself has dropped what came with STARTTLS */
        REQUIRE(!r->drop_input || in.len == 0);
        if (r->op) {
            answer(r);
            n = 1;
        }
    } while (n > 0);
}

/* max: the longest piece; 0: whole. */
static void feed_in_pieces(struct run *r, struct sv text, size_t max, unsigned *seed)
{
    r->drop_input = false;
    while (text.len && !r->drop_input) {
        size_t n = max == 0 ? text.len : max == 1 ? 1 : 1 + (size_t)rand_r(seed) % max;
        /* a copy of its own size, so that reading past its end is seen */
        struct sv part = sv_first(text, n);
        char *copy = sv_dup(part);
        give(r, (struct sv){copy, part.len});
        free(copy);
        text = sv_skip(text, n);
    }
}

/* Takes a reply of that code from got: lines "250-", and one "250 ". */
static bool skip_reply(struct sv code, struct sv *got)
{
    while (got->len > 4 && sv_starts(*got, code)) {
        struct sv line = sv_split(got, '\n');
        if (line.ptr[3] == ' ')
            return true;
    }
    return false;
}

static bool matches(struct sv expected, struct sv got)
{
    while (expected.len) {
        struct sv want = sv_split(&expected, '\n');
        if (sv_starts(want, SV("* "))) {
            if (!skip_reply(sv_skip(want, 2), &got))
                return false;
            continue;
        }
        struct sv line = sv_split(&got, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (sv_iends(want, SV("..."))) {
            want.len -= 3;
            line = sv_first(line, want.len);
        }
        if (!sv_eq(want, line))
            return false;
    }
    return got.len == 0;
}

static bool play(struct script *x, size_t max, unsigned seed, bool later)
{
    struct run r = {.later = later};
    unsigned rnd = seed;
    buf_init(&r.replies, 1u << 20, 0);
    buf_init(&r.actions, 1u << 22, 0);
    buf_init(&r.body, 1u << 22, 0);
    r.s = smtp_server_new(&x->setup, SV(""));
    if (x->operated)
        smtp_server_operate(r.s);
    smtp_server_set_time(r.s, NOW_S);
    smtp_server_start(r.s, NULL);
    give(&r, SV_NONE);
    for (size_t i = 0; i < x->count; i++) {
        if (x->steps[i].kind == KIND_BYTES) {
            feed_in_pieces(&r, x->steps[i].text, max, &rnd);
            continue;
        }
        if (sv_eq(x->steps[i].text, SV("timeout")))
            smtp_server_timeout(r.s);
        else if (sv_eq(x->steps[i].text, SV("closed")))
            smtp_server_peer_closed(r.s);
        give(&r, SV_NONE);
    }
    bool good = matches(buf_view(&x->replies), buf_view(&r.replies)) &&
                matches(buf_view(&x->actions), buf_view(&r.actions));
    if (!good)
        fprintf(stderr,
                "FAILED: %.*s (pieces up to %zu, seed %u, %s)\n--- expected\n%.*s%.*s--- "
                "got\n%.*s%.*s---\n",
                SV_ARG(x->title), max, seed, later ? "later" : "at once",
                SV_ARG(buf_view(&x->replies)), SV_ARG(buf_view(&x->actions)),
                SV_ARG(buf_view(&r.replies)), SV_ARG(buf_view(&r.actions)));
    smtp_server_free(r.s);
    buf_deinit(&r.replies);
    buf_deinit(&r.actions);
    buf_deinit(&r.body);
    return good;
}

static void switch_extensions(struct script *x, struct sv names, bool off)
{
    uint32_t bits = sv_eq(names, SV("all")) ? SMTP_EXT_ALL : 0;
    while (names.len && bits != SMTP_EXT_ALL) {
        const struct smtp_ext *e = smtp_ext_find(sv_split(&names, ' '));
        REQUIRE(e);
        bits |= SMTP_EXT_BIT(e->id);
    }
    x->setup.ext.off = off ? x->setup.ext.off | bits : x->setup.ext.off & ~bits;
}

static void set_option(struct script *x, struct sv text)
{
    struct sv name = sv_split(&text, ' ');
    uint64_t n = 0;
    if (sv_eq(name, SV("with"))) {
        switch_extensions(x, text, false);
        return;
    }
    if (sv_eq(name, SV("off"))) {
        switch_extensions(x, text, true);
        return;
    }
    if (sv_eq(name, SV("solicit"))) {
        x->setup.ext.no_soliciting = arena_sv(&x->arena, text);
        return;
    }
    bool number = sv_u64(text, UINT64_MAX, &n);
    REQUIRE(number || text.len == 0);
    if (sv_eq(name, SV("tls")))
        x->setup.tls_from_start = true;
    else if (sv_eq(name, SV("nostarttls")))
        x->setup.starttls = false;
    else if (sv_eq(name, SV("clear")))
        x->setup.mechanisms_clear = x->setup.mechanisms_tls;
    else if (sv_eq(name, SV("noauth")))
        x->setup.auth_required = false;
    else if (sv_eq(name, SV("open")))
        x->setup.open_postmaster = true;
    else if (sv_eq(name, SV("operated")))
        x->operated = true;
    else if (sv_eq(name, SV("strict")))
        x->setup.strict_syntax = true;
    else if (sv_eq(name, SV("complete")))
        x->setup.complete_domains = true;
    else if (sv_eq(name, SV("reject")))
        x->setup.reject_bare_newlines = true;
    else if (sv_eq(name, SV("size")))
        x->limits.message_size = n;
    else if (sv_eq(name, SV("rcpts")))
        x->limits.recipients = (uint32_t)n;
    else if (sv_eq(name, SV("messages")))
        x->limits.messages_per_session = (uint32_t)n;
    else if (sv_eq(name, SV("failures")))
        x->limits.auth_failures = (uint32_t)n;
    else if (sv_eq(name, SV("bad")))
        x->limits.bad_commands = (uint32_t)n;
    else if (sv_eq(name, SV("idle")))
        x->limits.idle_commands = (uint32_t)n;
    else if (sv_eq(name, SV("priority")))
        x->setup.ext.priority_max = (int)n;
    else
        REQUIRE(false); /* no such option */
}

static void add_step(struct script *x, enum kind kind, struct sv text)
{
    struct step *last = x->count ? &x->steps[x->count - 1] : NULL;
    REQUIRE(x->count < sizeof x->steps / sizeof x->steps[0]);
    if (kind == KIND_BYTES && last && last->kind == KIND_BYTES) {
        char *both = arena_alloc(&x->arena, last->text.len + text.len);
        memcpy(both, last->text.ptr, last->text.len);
        memcpy(both + last->text.len, text.ptr, text.len);
        last->text = (struct sv){both, last->text.len + text.len};
        return;
    }
    x->steps[x->count++] = (struct step){kind, arena_sv(&x->arena, text)};
}

static void read_line(struct script *x, struct sv line);

/* Adds one line of a script that stands for others. */
static void add_line(struct script *x, const char *head, struct sv tail)
{
    struct buf line;
    buf_init(&line, 1u << 16, 0);
    must(buf_printf(&line, "%s%.*s", head, SV_ARG(tail)));
    read_line(x, buf_view(&line));
    buf_deinit(&line);
}

/* A row of a table of parameters. */
static void read_row(struct script *x, bool mail, struct sv row)
{
    size_t bar = sv_find(row, '|');
    struct sv reply = sv_trim(sv_first(row, bar)), params = sv_trim(sv_skip(row, bar + 1));
    bool good = sv_starts(reply, SV("250"));
    add_line(x, mail ? "C: MAIL FROM:<a@example.net> " : "C: RCPT TO:<b@example.org> ", params);
    if (good)
        add_line(x, mail ? "A: CHECK MAIL <a@example.net>" : "A: CHECK RCPT <b@example.org>",
                 SV_NONE);
    must(buf_printf(&x->replies, "%.*s...\n", SV_ARG(reply)));
    if (good && mail) {
        add_line(x, "C: RSET", SV_NONE);
        add_line(x, "S: 250 2.0.0 Reset", SV_NONE);
    }
}

static void read_line(struct script *x, struct sv line)
{
    struct sv what = sv_first(line, 2), text = sv_skip(line, 3);
    if (line.len == 0 || line.ptr[0] == '#')
        return;
    if (sv_eq(what, SV("C:")) || sv_eq(what, SV("C-"))) {
        struct buf bytes;
        buf_init(&bytes, 1u << 22, 0);
        unescape(&bytes, text);
        if (what.ptr[1] == ':')
            must(buf_put(&bytes, SV("\r\n")));
        add_step(x, KIND_BYTES, buf_view(&bytes));
        buf_deinit(&bytes);
    } else if (sv_eq(what, SV("S:"))) {
        must(buf_printf(&x->replies, "%.*s\n", SV_ARG(text)));
    } else if (sv_eq(what, SV("M:")) || sv_eq(what, SV("R:"))) {
        read_row(x, what.ptr[0] == 'M', text);
    } else if (sv_eq(what, SV("S*"))) {
        must(buf_printf(&x->replies, "* %.*s\n", SV_ARG(text)));
    } else if (sv_eq(what, SV("A:"))) {
        must(buf_printf(&x->actions, "%.*s\n", SV_ARG(text)));
    } else if (sv_eq(what, SV("E:"))) {
        add_step(x, KIND_EVENT, text);
    } else if (sv_eq(what, SV("O:"))) {
        set_option(x, text);
    } else {
        fprintf(stderr, "bad line: %.*s\n", SV_ARG(line));
        exit(2);
    }
}

static bool run_script(struct sv title, struct sv text)
{
    static struct script x;
    x = (struct script){.title = title};
    arena_init(&x.arena);
    buf_init(&x.replies, 1u << 20, 0);
    buf_init(&x.actions, 1u << 22, 0);
    x.limits = (struct smtp_server_limits){.message_size = 1000,
                                           .recipients = 3,
                                           .messages_per_session = 100,
                                           .auth_failures = 3,
                                           .bad_commands = 20,
                                           .idle_commands = 50,
                                           .command_timeout_ms = 300000,
                                           .data_timeout_ms = 180000};
    x.setup = (struct smtp_server_setup){.hostname = SV("mail.example.net"),
                                         .postmaster = SV("postmaster@example.net"),
                                         .mechanisms_tls = SV("PLAIN LOGIN"),
                                         .starttls = true,
                                         .auth_required = true,
                                         .ext = {.off = NEWER, .hold_max_s = 2592000},
                                         .limits = &x.limits};
    while (text.len)
        read_line(&x, sv_split(&text, '\n'));
    bool good = true;
    for (int later = 0; later < 2; later++) {
        good = good && play(&x, 0, 0, later) && play(&x, 1, 0, later);
        for (unsigned seed = 1; good && seed <= SPLITS; seed++)
            good = play(&x, seed % 3 == 0 ? 200 : 12, seed, later);
    }
    buf_deinit(&x.replies);
    buf_deinit(&x.actions);
    arena_deinit(&x.arena);
    return good;
}

int main(int argc, char **argv)
{
    static char text[1u << 20];
    unsigned ran = 0, failed = 0;
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!f) {
        fprintf(stderr, "usage: dialogue_run SCRIPT\n");
        return 2;
    }
    struct sv all = {text, fread(text, 1, sizeof text, f)};
    fclose(f);
    REQUIRE(all.len < sizeof text);
    while (all.len && !sv_starts(all, SV("== ")))
        sv_split(&all, '\n');
    while (all.len) {
        struct sv title = sv_skip(sv_split(&all, '\n'), 3);
        const char *start = all.ptr;
        while (all.len && !sv_starts(all, SV("== ")))
            sv_split(&all, '\n');
        ran++;
        failed += !run_script(title, sv_range(start, all.ptr));
    }
    printf("%u scripts, %u failed\n", ran, failed);
    return ran == 0 || failed != 0;
}
