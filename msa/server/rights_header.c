#include "msa/server/rights_header.h"

#include "msa/smtp/lookalike.h"

struct judging {
    const struct rights_holder *h;
    const struct rights_header *in;
    struct arena *a;
    struct smtp_reply *reply;
    bool resent_only;  /* judged by the topmost Resent block */
    bool needs_sender; /* a From is allowed on behalf only */
};

static bool refuse(struct judging *j, struct smtp_reply reply, const char *text)
{
    *j->reply = reply;
    j->reply->text = sv_of(text);
    return false;
}

static bool is_judged(const struct judging *j, const struct rewrite_author *author)
{
    return !j->resent_only || author->topmost;
}

/* ---- one author ---- */

static bool judge_fault(struct judging *j, const struct rewrite_author *author)
{
    if (j->in->options->rewrite.header_errors == REWRITE_ERRORS_ACCEPT &&
        rights_may_send_as_all(j->h))
        return true; /* whatever it means is allowed */
    return refuse(j, SMTP_REPLY_SETTING(554, 5, 6, 0, "", "permissions"),
                  arena_printf(j->a, "Header field %s %s", rewrite_fields_name(author->field),
                               rewrite_author_words(author->fault)));
}

/* "in From", or where else it stands. */
static const char *place_of(struct judging *j, const struct rewrite_author *author)
{
    return arena_printf(j->a, "in %s%s", author->shown ? "a name or comment of " : "",
                        rewrite_fields_name(author->field));
}

/* An address is allowed, but a reader would take it for another. */
static bool judge_looks(struct judging *j, const struct rewrite_author *author)
{
    struct smtp_reply reply = SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions");
    const struct conf_strings *ours = &j->in->options->domains;
    struct sv text = author->path.text, domain = smtp_path_domain(&author->path);
    if (author->path.kind != SMTP_PATH_MAILBOX)
        return true;
    if (smtp_lookalike_mixed(domain) ||
        smtp_lookalike_mixed_text(sv_first(text, author->path.local_len)))
        return refuse(j, reply,
                      arena_printf(j->a, "<%.*s> %s mixes scripts and looks like what it is not",
                                   SV_ARG(text), place_of(j, author)));
    for (size_t i = 0; i < ours->count; i++)
        if (smtp_lookalike_of(domain, sv_of(ours->items[i])))
            return refuse(j, reply,
                          arena_printf(j->a, "<%.*s> %s looks like %s and is another domain",
                                       SV_ARG(text), place_of(j, author), ours->items[i]));
    return true;
}

/* What may be named with a Sender beside it. */
static bool is_on_behalf(struct judging *j, const struct rewrite_author *author)
{
    return author->field == REWRITE_FIELD_FROM && rights_may_send_on_behalf_of(j->h, &author->path);
}

static bool judge_author(struct judging *j, const struct rewrite_author *author)
{
    if (author->fault)
        return judge_fault(j, author);
    if (!rights_may_send_as(j->h, &author->path)) {
        if (!is_on_behalf(j, author))
            return refuse(
                j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions"),
                arena_printf(j->a, "<%.*s> %s is not an address that %s", SV_ARG(author->path.text),
                             place_of(j, author),
                             rights_words(j->h, author->field == REWRITE_FIELD_FROM, j->a)));
        j->needs_sender |= !author->shown;
    }
    return judge_looks(j, author);
}

/* ---- Sender ---- */

static bool is_allowed(struct judging *j, struct sv address)
{
    struct smtp_path path;
    return smtp_path_parse_address(j->a, address, SMTP_PATH_FORWARD, &path) == SMTP_PATH_OK &&
           rights_may_send_as(j->h, &path);
}

/* RFC 6409 8.1: a valid address of whoever sends. The login is one if it may send as itself. */
static bool find_sender(struct judging *j, struct sv *sender_out)
{
    struct sv reverse = j->in->reverse_path;
    if (j->in->options->rewrite.add_sender == REWRITE_SENDER_NEVER)
        return refuse(j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "rewrite.add_sender"),
                      "From is sent on behalf of another and needs a Sender field");
    if (j->in->authors->sender_fields)
        return refuse(j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions"),
                      "From is sent on behalf of another, and the Sender field holds no address");
    *sender_out = is_allowed(j, j->h->login) ? j->h->login : reverse;
    return sender_out->len ||
           refuse(j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions"),
                  "From is sent on behalf of another and needs a Sender field, and there is no "
                  "address for it");
}

bool rights_header(const struct rights_holder *h, const struct rights_header *in, struct arena *a,
                   struct sv *sender_out, struct smtp_reply *reply_out)
{
    const struct rewrite_authors *authors = in->authors;
    struct judging j = {.h = h, .in = in, .a = a, .reply = reply_out};
    j.resent_only = rights_allow_resent(h) && authors->has_resent_from;
    *sender_out = SV_NONE;
    for (size_t i = 0; i < authors->count; i++)
        if (is_judged(&j, &authors->list[i]) && !judge_author(&j, &authors->list[i]))
            return false;
    /* a Sender that is there has been judged */
    return !j.needs_sender || authors->has_sender || find_sender(&j, sender_out);
}
