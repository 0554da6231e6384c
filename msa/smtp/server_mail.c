/* MAIL and RCPT: from text to the envelope, then the question whether the path may be used. */
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/smtp/session.h"

#include <inttypes.h>

/* How many RCPT commands, refused ones too, are looked at in one transaction: they take memory. */
static bool too_many_tries(struct smtp_server *s)
{
    return ++s->rcpt_tried > (uint64_t)s->setup->limits->recipients * 2 + 100;
}

static bool has_two_spaces(struct sv text)
{
    for (size_t i = 1; i < text.len; i++)
        if (text.ptr[i] == ' ' && text.ptr[i - 1] == ' ')
            return true;
    return false;
}

/* "FROM:" or "TO:", then the path and the parameters. */
static struct smtp_reply read_path(struct smtp_server *s, struct sv args, struct sv word,
                                   enum smtp_path_use use, struct smtp_path *path,
                                   struct sv *params)
{
    if (!sv_istarts(args, word))
        return use == SMTP_PATH_REVERSE ? SMTP_REPLY(501, 5, 5, 4, "Syntax: MAIL FROM:<address>")
                                        : SMTP_REPLY(501, 5, 5, 4, "Syntax: RCPT TO:<address>");
    args = sv_skip(args, word.len);
    enum smtp_path_verdict v = smtp_path_parse(&s->arena, args, use, path, params);
    if (v == SMTP_PATH_UNQUALIFIED && path->unqualified && s->setup->complete_domains)
        v = SMTP_PATH_OK;
    bool utf8 = v == SMTP_PATH_OK ? path->had_utf8 : !utf8_is_ascii(args);
    if (utf8 && (s->setup->ext.off & SMTP_EXT_BIT(SMTP_EXT_SMTPUTF8)))
        v = SMTP_PATH_BAD_SYNTAX;
    struct smtp_reply r = smtp_path_refusal(v, use);
    if (r.code == 0 && args.ptr[0] == ' ')
        r = session_tolerate(s, SMTP_TOLERATED_COLON_SPACE);
    if (r.code == 0 && has_two_spaces(*params))
        r = session_tolerate(s, SMTP_TOLERATED_SPACES);
    return r;
}

/* RFC 6531 3.5: an address with UTF-8 in a transaction that did not ask for it. */
static struct smtp_reply judge_utf8(const struct smtp_server *s, const struct smtp_path *path,
                                    enum smtp_path_use use)
{
    if (!path->had_utf8 || smtp_envelope_has(&s->envelope, SMTP_MAIL_SMTPUTF8))
        return SMTP_REPLY_NONE;
    return use == SMTP_PATH_REVERSE
               ? SMTP_REPLY(550, 5, 6, 7, "Address is not ASCII, and MAIL has no SMTPUTF8")
               : SMTP_REPLY(553, 5, 6, 7, "Address is not ASCII, and MAIL had no SMTPUTF8");
}

/* What a message without a login may ask for: nothing that keeps it here, nor reports, which would
 * go to an address that nobody answers for. */
#define OPEN_PARAMS                                                       \
    (1u << SMTP_MAIL_SIZE | 1u << SMTP_MAIL_BODY | 1u << SMTP_MAIL_AUTH | \
     1u << SMTP_MAIL_SMTPUTF8 | 1u << SMTP_MAIL_RET | 1u << SMTP_MAIL_ENVID)

static bool asks_too_much(const struct smtp_envelope *e)
{
    for (unsigned slot = 0; slot < SMTP_MAIL_SLOTS; slot++)
        if (!(OPEN_PARAMS & 1u << slot) && smtp_envelope_has(e, (enum smtp_mail_slot)slot))
            return true;
    return e->count && (smtp_envelope_notify(&e->recipients[e->count - 1]) & SMTP_NOTIFY_SUCCESS);
}

/* What is said of a path before it is known to be one. */
static struct sv spoken_path(struct sv args, struct sv word)
{
    struct sv rest = sv_istarts(args, word) ? sv_trim(sv_skip(args, word.len)) : args;
    struct sv path = sv_first(rest, sv_find(rest, '>'));
    return path.len < rest.len && path.len && path.ptr[0] == '<' ? sv_skip(path, 1) : rest;
}

static struct smtp_reply begin_mail(struct smtp_server *s, struct sv args)
{
    struct smtp_ext_offer offer = session_offer(s);
    offer.message_size = session_message_size(s);
    struct sv params;
    struct smtp_reply r =
        read_path(s, args, SV("FROM:"), SMTP_PATH_REVERSE, &s->envelope.reverse, &params);
    if (r.code == 0)
        r = smtp_ext_parse_mail(&s->arena, params, s->setup->ext.off, s->envelope.values);
    if (r.code == 0)
        r = judge_utf8(s, &s->envelope.reverse, SMTP_PATH_REVERSE);
    if (r.code == 0)
        r = smtp_ext_check_mail(&offer, &s->envelope, &s->mail_ok);
    if (r.code == 0 && session_is_open(s) && asks_too_much(&s->envelope))
        r = session_need_login(s, false);
    return r;
}

void session_mail(struct smtp_server *s, struct sv args)
{
    uint32_t most = s->setup->limits->messages_per_session;
    if (most && s->messages >= most) {
        session_say(s, SMTP_REPLY_SETTING(421, 4, 7, 0, "Too many messages in this session",
                                          "limits.messages_per_session"));
        s->close_why = "too many messages";
        return;
    }
    struct smtp_reply r = begin_mail(s, args);
    if (r.code) {
        s->about = spoken_path(args, SV("FROM:"));
        session_refuse(s, r); /* its text is the transaction's */
        s->about = SV_NONE;
        if (s->state != SESSION_CLOSED)
            session_clear(s);
        return;
    }
    /* a new transaction tells that the client knows how the last one ended (RFC 1845 3); the same
     * one again does not */
    session_leave(s, !sv_eq(sv_of(s->transid), s->envelope.values[SMTP_MAIL_TRANSID].text));
    session_operate(s, SMTP_ACTION_CHECK_PATH);
}

static struct smtp_reply too_many(void)
{
    return SMTP_REPLY_SETTING(452, 4, 5, 3, "Too many recipients", "limits.recipients");
}

static struct smtp_reply add_rcpt(struct smtp_server *s, struct sv args)
{
    struct smtp_path path;
    struct sv params;
    bool open = session_is_open(s);
    if (open && s->envelope.count)
        return session_need_login(s, false);
    if (s->envelope.count >= s->setup->limits->recipients)
        return too_many();
    struct smtp_reply r = read_path(s, args, SV("TO:"), SMTP_PATH_FORWARD, &path, &params);
    if (r.code == 0)
        r = judge_utf8(s, &path, SMTP_PATH_FORWARD);
    if (r.code)
        return r;
    if (path.kind == SMTP_PATH_POSTMASTER &&
        smtp_path_parse_address(&s->arena, s->setup->postmaster, SMTP_PATH_FORWARD, &path) !=
            SMTP_PATH_OK)
        return SMTP_REPLY_SETTING(550, 5, 1, 1, "No postmaster is configured", "postmaster");
    struct smtp_recipient *to = smtp_envelope_add(&s->envelope, &path);
    r = smtp_ext_parse_rcpt(&s->arena, params, s->setup->ext.off, to->values);
    if (r.code == 0 && !smtp_envelope_has(&s->envelope, SMTP_MAIL_SMTPUTF8) &&
        !utf8_is_ascii(to->values[SMTP_RCPT_ORCPT].text)) /* RFC 6533 3 */
        r = SMTP_REPLY(501, 5, 5, 4, "ORCPT is not ASCII, and MAIL had no SMTPUTF8");
    if (r.code == 0 && open && asks_too_much(&s->envelope))
        r = session_need_login(s, false);
    if (r.code)
        smtp_envelope_drop_last(&s->envelope);
    return r;
}

void session_rcpt(struct smtp_server *s, struct sv args)
{
    if (s->state == SESSION_RESUMED) {
        s->unaware = true;
        session_refuse(s, SMTP_REPLY(503, 5, 5, 1, "Recipients are remembered: send the content"));
        return;
    }
    bool flood = too_many_tries(s);
    struct smtp_reply r = flood ? too_many() : add_rcpt(s, args);
    if (r.code == 0) {
        session_operate(s, SMTP_ACTION_CHECK_PATH);
        return;
    }
    /* a list with bad addresses is not an attack: these are not counted as bad commands */
    s->about = spoken_path(args, SV("TO:"));
    if (flood)
        session_refuse(s, r);
    else
        session_reply(s, &r);
    s->about = SV_NONE;
}

/* The path may not be used: said before it is forgotten. */
static void refuse_path(struct smtp_server *s, bool reverse, const struct smtp_reply *r)
{
    s->about = reverse ? s->envelope.reverse.text
                       : s->envelope.recipients[s->envelope.count - 1].path.text;
    if (reverse && r->code >= 500)
        session_refuse(s, *r);
    else
        session_reply(s, r);
    s->about = SV_NONE;
    if (s->state == SESSION_CLOSED)
        return;
    if (reverse)
        session_reset(s);
    else
        smtp_envelope_drop_last(&s->envelope);
}

/* The address that was found for an incomplete one, or for one that is rewritten. */
static void replace_path(struct smtp_server *s, bool reverse, const struct smtp_result *r)
{
    struct smtp_envelope *e = &s->envelope;
    struct smtp_path *path = reverse ? &e->reverse : &e->recipients[e->count - 1].path;
    if (r->address.len) {
        enum smtp_path_verdict v = smtp_path_parse_address(
            &s->arena, r->address, reverse ? SMTP_PATH_REVERSE : SMTP_PATH_FORWARD, path);
        REQUIRE(v == SMTP_PATH_OK);
    }
    if (r->original.len && reverse)
        e->original_reverse = arena_sv(&s->arena, r->original);
    else if (r->original.len)
        smtp_envelope_keep_original(e, &e->recipients[e->count - 1], r->original);
    REQUIRE(!path->unqualified);
}

/* The envelope becomes the one that was recorded, parameters and all. */
static struct smtp_reply restore_envelope(struct smtp_server *s, const struct smtp_result *r)
{
    struct sv asked = s->envelope.reverse.text, rest = r->recipients;
    smtp_envelope_init(&s->envelope, &s->arena);
    int err = smtp_envelope_parse_mail(&s->envelope, r->mail);
    while (err == 0 && rest.len)
        err = smtp_envelope_parse_rcpt(&s->envelope, sv_split(&rest, '\n'));
    if (err < 0)
        return SMTP_REPLY(451, 4, 3, 0, "What was kept of this message is damaged, send it again");
    if (!sv_eq(asked, s->envelope.reverse.text))
        return SMTP_REPLY(501, 5, 5, 4, "This TRANSID belongs to a message from another address");
    if (smtp_envelope_has(&s->envelope, SMTP_MAIL_REQUIRETLS) && !session_offer(s).tls)
        return SMTP_REPLY(530, 5, 7, 10, "The message was begun with REQUIRETLS: go on under TLS");
    return SMTP_REPLY_NONE;
}

/* RFC 1845 3: the reply to MAIL says where to go on. */
static void go_on(struct smtp_server *s, const struct smtp_result *r)
{
    struct smtp_reply refusal = restore_envelope(s, r);
    if (refusal.code) {
        session_leave(s, refusal.code < 500); /* after damage the next try starts over */
        refuse_path(s, true, &refusal);
        return;
    }
    s->offset = r->offset;
    s->early = r->early;
    session_enter(s, SESSION_RESUMED);
    session_say(s, SMTP_REPLY_PLAIN(
                       355, sv_of(arena_printf(&s->arena, "%" PRIu64 " is the transaction offset",
                                               r->offset))));
}

static void accept_mail(struct smtp_server *s)
{
    session_enter(s, SESSION_MAIL);
    session_say(s, s->mail_ok.code ? s->mail_ok : SMTP_REPLY(250, 2, 1, 0, "Sender ok"));
}

static void mail_done(struct smtp_server *s, const struct smtp_result *r)
{
    if (r->outcome != SMTP_OK) {
        refuse_path(s, true, &r->reply);
        return;
    }
    replace_path(s, true, r);
    if (r->reply.code) {
        s->mail_ok = r->reply;
        s->mail_ok.text = arena_sv(&s->arena, r->reply.text);
    }
    if (smtp_envelope_has(&s->envelope, SMTP_MAIL_TRANSID))
        session_operate(s, SMTP_ACTION_RESUME);
    else
        accept_mail(s);
}

void session_resume_done(struct smtp_server *s, const struct smtp_result *r)
{
    if (r->outcome != SMTP_OK) {
        refuse_path(s, true, &r->reply);
        return;
    }
    s->transid = sv_dup(s->envelope.values[SMTP_MAIL_TRANSID].text);
    if (r->resumed)
        go_on(s, r);
    else
        accept_mail(s);
}

static void rcpt_done(struct smtp_server *s, const struct smtp_result *r)
{
    if (r->outcome != SMTP_OK) {
        refuse_path(s, false, &r->reply);
        return;
    }
    replace_path(s, false, r);
    session_enter(s, SESSION_RCPT);
    session_say(s, r->reply.code ? r->reply : SMTP_REPLY(250, 2, 1, 5, "Recipient ok"));
}

void session_path_done(struct smtp_server *s, const struct smtp_result *r)
{
    if (s->state == SESSION_READY)
        mail_done(s, r);
    else
        rcpt_done(s, r);
}
