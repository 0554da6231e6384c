/*
 * Design: the table says where a command is legal, what it needs and how it counts; the driver
 * below is the only place that answers 500, 502, 503 and 530, so that a handler begins with a
 * command that may be run.
 */
#include "msa/base/mem.h"
#include "msa/base/utf8.h"
#include "msa/base/require.h"
#include "msa/smtp/session.h"

#include <stdlib.h>

#define HELO_MAX      255        /* octets */
#define OPEN_SIZE_MAX (1u << 20) /* octets of a message without a login */

/* command flags */
#define NEEDS_LOGIN 1u
#define TAKES_ARGS  2u /* else any argument is refused */
#define NEEDS_ARGS  4u
#define IDLE        8u   /* counts against idle_commands */
#define LONG_LINE   16u  /* SMTP_LINE_PARAMS octets, else SMTP_LINE_PLAIN */
#define AUTH_LINE   32u  /* SMTP_LINE_AUTH octets */
#define JUDGES      64u  /* its handler must see it in every state */
#define MAIL        128u /* without a login too where the session is open to the postmaster */

#define IN(name)       (1u << SESSION_##name)
#define IN_TRANSACTION (IN(MAIL) | IN(RCPT) | IN(RESUMED) | IN(CHUNKS))
#define AFTER_HELLO    (IN(READY) | IN_TRANSACTION)
#define ANYWHERE       (IN(START) | AFTER_HELLO)

struct command {
    struct sv verb;
    void (*run)(struct smtp_server *s, struct sv args);
    uint32_t legal; /* bits of enum session_state */
    unsigned flags;
};

static bool count_to(uint32_t *counter, uint32_t limit)
{
    ++*counter;
    return limit && *counter >= limit;
}

void session_refuse(struct smtp_server *s, struct smtp_reply r)
{
    if (!count_to(&s->bad_commands, s->setup->limits->bad_commands)) {
        session_reply(s, &r);
        return;
    }
    session_say(s, SMTP_REPLY(421, 4, 7, 0, "Too many errors in this session"));
    s->close_why = "too many errors";
}

bool session_is_open(const struct smtp_server *s)
{
    return s->setup->open_postmaster && s->setup->auth_required && !s->authenticated &&
           s->messages == 0 && session_mechanisms(s).len > 0;
}

uint64_t session_message_size(const struct smtp_server *s)
{
    uint64_t size = s->setup->limits->message_size;
    return session_is_open(s) && (size == 0 || size > OPEN_SIZE_MAX) ? OPEN_SIZE_MAX : size;
}

struct smtp_reply session_need_login(const struct smtp_server *s, bool mail)
{
    if (s->authenticated || !s->setup->auth_required || (mail && session_is_open(s)))
        return SMTP_REPLY_NONE;
    if (session_offer(s).starttls && session_mechanisms(s).len == 0)
        return SMTP_REPLY(530, 5, 7, 0, "Must issue a STARTTLS command first");
    return SMTP_REPLY(530, 5, 7, 0, "Authentication required");
}

/* RFC 5321 4.1.4: the name is recorded, never judged. */
static bool take_name(struct smtp_server *s, struct sv args)
{
    bool good = args.len > 0 && args.len <= HELO_MAX;
    for (size_t i = 0; good && i < args.len; i++)
        good = args.ptr[i] > 32 && args.ptr[i] < 127;
    if (!good) {
        session_refuse(s, SMTP_REPLY(501, 5, 5, 4, "Give the name of your host"));
        return false;
    }
    free(s->helo);
    s->helo = sv_dup(args);
    return true;
}

static void run_helo(struct smtp_server *s, struct sv args)
{
    if (!take_name(s, args))
        return;
    s->esmtp = false;
    session_reset(s);
    session_say(s, SMTP_REPLY_PLAIN(250, s->setup->hostname));
}

static void run_ehlo(struct smtp_server *s, struct sv args)
{
    struct smtp_ext_offer offer = session_offer(s);
    struct buf text;
    if (!take_name(s, args))
        return;
    s->esmtp = true;
    session_reset(s);
    buf_init(&text, 2048, 0);
    /* all that is configured is bounded when it is read */
    REQUIRE(buf_put(&text, s->setup->hostname) == 0 && smtp_ext_write_ehlo(&offer, &text) == 0);
    session_say(s, SMTP_REPLY_PLAIN(250, buf_view(&text)));
    buf_deinit(&text);
}

static void run_starttls(struct smtp_server *s, struct sv args)
{
    (void)args;
    if (s->tls) {
        session_refuse(s, SMTP_REPLY(503, 5, 5, 1, "TLS is active already"));
    } else if (!s->setup->starttls) {
        session_refuse(s, SMTP_REPLY_SETTING(502, 5, 5, 1, "TLS is not available", "listen[].tls"));
    } else {
        session_say(s, SMTP_REPLY(220, 2, 0, 0, "Ready to start TLS"));
        session_operate(s, SMTP_ACTION_START_TLS);
    }
}

static void run_rset(struct smtp_server *s, struct sv args)
{
    (void)args;
    session_leave(s, true);
    if (s->state != SESSION_START)
        session_reset(s);
    session_say(s, SMTP_REPLY(250, 2, 0, 0, "Reset"));
}

static void run_noop(struct smtp_server *s, struct sv args)
{
    (void)args;
    session_say(s, SMTP_REPLY(250, 2, 0, 0, "Ok"));
}

static void run_help(struct smtp_server *s, struct sv args)
{
    (void)args;
    session_say(s, SMTP_REPLY(214, 2, 0, 0,
                              "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP "
                              "QUIT\nMail submission, RFC 6409"));
}

/* UTF-8 may be asked for: SMTPUTF8 behind it (RFC 6531 3.7.4.2) only permits UTF-8 in a reply,
 * which this one never has. */
static void run_vrfy(struct smtp_server *s, struct sv args)
{
    bool off = (s->setup->ext.off & SMTP_EXT_BIT(SMTP_EXT_SMTPUTF8)) != 0;
    if (!utf8_is_ascii(args) && (off || !utf8_is_printable(args)))
        session_refuse(s, smtp_path_refusal(SMTP_PATH_BAD_SYNTAX, SMTP_PATH_FORWARD));
    else
        session_say(s, SMTP_REPLY(252, 2, 0, 0, "Cannot verify; send the message and see"));
}

static void run_quit(struct smtp_server *s, struct sv args)
{
    (void)args;
    session_leave(s, true);
    session_say(s, SMTP_REPLY(221, 2, 0, 0, "Bye"));
    session_close(s, "quit");
}

/* Known, and not ours: RFC 5321 4.2.4, RFC 6409 section 7 (ETRN, TURN and ATRN are none of an
 * MSA's business). */
static void run_not_here(struct smtp_server *s, struct sv args)
{
    (void)args;
    session_refuse(s, SMTP_REPLY(502, 5, 5, 1, "This command is no part of mail submission"));
}

/* A browser that was made to talk to us: CVE-2021-3618 and its like. */
static void run_http(struct smtp_server *s, struct sv args)
{
    (void)args;
    session_say(s, SMTP_REPLY(421, 4, 7, 0, "This is not a web server"));
    s->close_why = "HTTP request";
}

/* Verbs are compared without case; the frequent ones come first. */
#define VERB(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }
static const struct command commands[] = {
    {VERB("MAIL"), session_mail, IN(READY), NEEDS_LOGIN | MAIL | TAKES_ARGS | LONG_LINE},
    {VERB("RCPT"), session_rcpt, IN(MAIL) | IN(RCPT) | IN(RESUMED),
     NEEDS_LOGIN | MAIL | TAKES_ARGS | LONG_LINE},
    {VERB("DATA"), session_data, IN(MAIL) | IN(RCPT) | IN(RESUMED), NEEDS_LOGIN | MAIL},
    {VERB("BDAT"), session_bdat, ANYWHERE, TAKES_ARGS | JUDGES},
    {VERB("EHLO"), run_ehlo, ANYWHERE, TAKES_ARGS | IDLE},
    {VERB("HELO"), run_helo, ANYWHERE, TAKES_ARGS | IDLE},
    {VERB("STARTTLS"), run_starttls, IN(START) | IN(READY), 0},
    {VERB("AUTH"), session_auth, IN(READY), TAKES_ARGS | NEEDS_ARGS | AUTH_LINE},
    {VERB("RSET"), run_rset, ANYWHERE, IDLE},
    {VERB("NOOP"), run_noop, ANYWHERE, TAKES_ARGS | IDLE},
    {VERB("VRFY"), run_vrfy, AFTER_HELLO, NEEDS_LOGIN | TAKES_ARGS | NEEDS_ARGS | IDLE | LONG_LINE},
    {VERB("HELP"), run_help, ANYWHERE, TAKES_ARGS | IDLE},
    {VERB("QUIT"), run_quit, ANYWHERE, 0},
    {VERB("EXPN"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("ETRN"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("ATRN"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("TURN"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("SEND"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("SOML"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("SAML"), run_not_here, ANYWHERE, TAKES_ARGS},
    {VERB("GET"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("POST"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("PUT"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("HEAD"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("PATCH"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("DELETE"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("CONNECT"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("OPTIONS"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("TRACE"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE},
    {VERB("PRI"), run_http, ANYWHERE, TAKES_ARGS | LONG_LINE}, /* HTTP/2: RFC 9113 3.4 */
};

static const struct command *find(struct sv verb)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (sv_ieq(commands[i].verb, verb))
            return &commands[i];
    return NULL;
}

/* The columns of the table; code 0 if the handler may run. */
static struct smtp_reply judge(const struct smtp_server *s, const struct command *c,
                               size_t line_len, struct sv args)
{
    size_t limit = c->flags & AUTH_LINE   ? SMTP_LINE_AUTH
                   : c->flags & LONG_LINE ? SMTP_LINE_PARAMS
                                          : SMTP_LINE_PLAIN;
    if (line_len + 2 > limit)
        return SMTP_REPLY(500, 5, 5, 2, "Line too long");
    if (s->state == SESSION_START && !(c->legal & IN(START)))
        return SMTP_REPLY(503, 5, 5, 1, "Send EHLO first");
    struct smtp_reply login = session_need_login(s, (c->flags & MAIL) != 0);
    if ((c->flags & NEEDS_LOGIN) && login.code)
        return login;
    if (!(c->legal & (1u << s->state)))
        return s->state == SESSION_READY
                   ? SMTP_REPLY(503, 5, 5, 1, "Send MAIL first")
                   : SMTP_REPLY(503, 5, 5, 1, "Not within a transaction; RSET ends it");
    if (args.len && !(c->flags & TAKES_ARGS))
        return SMTP_REPLY(501, 5, 5, 4, "This command takes no arguments");
    if (args.len == 0 && (c->flags & NEEDS_ARGS))
        return SMTP_REPLY(501, 5, 5, 4, "This command needs an argument");
    return SMTP_REPLY_NONE;
}

/* RFC 5321 4.1.1: one space between the parts; trailing ones should be tolerated. */
static struct smtp_reply judge_spaces(struct smtp_server *s, bool at_end, bool between)
{
    struct smtp_reply r = at_end ? session_tolerate(s, SMTP_TOLERATED_END_SPACE) : SMTP_REPLY_NONE;
    return r.code == 0 && between ? session_tolerate(s, SMTP_TOLERATED_SPACES) : r;
}

void session_command(struct smtp_server *s, struct sv line)
{
    struct sv args = line;
    while (args.len && args.ptr[args.len - 1] == ' ')
        args.len--;
    bool at_end = args.len < line.len;
    struct sv verb = sv_split(&args, ' ');
    const struct command *c = find(verb);
    bool between = args.len && args.ptr[0] == ' ';
    while (args.len && args.ptr[0] == ' ')
        args = sv_skip(args, 1);
    if (!c) {
        session_refuse(s, SMTP_REPLY(500, 5, 5, 1, "Command unknown"));
        return;
    }
    struct smtp_reply refusal = judge(s, c, line.len, args);
    if (refusal.code == 0)
        refusal = judge_spaces(s, at_end, between);
    if (refusal.code && !(c->flags & JUDGES)) {
        session_refuse(s, refusal);
        return;
    }
    if ((c->flags & IDLE) && count_to(&s->idle_commands, s->setup->limits->idle_commands)) {
        session_say(s, SMTP_REPLY(421, 4, 7, 0, "Too many commands without a message"));
        s->close_why = "too many idle commands";
        return;
    }
    c->run(s, args);
}
