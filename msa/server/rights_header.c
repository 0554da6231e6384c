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

/* Or below it. */
static bool is_at(struct sv domain, struct sv ours)
{
    return sv_ieq(domain, ours) || (domain.len > ours.len && sv_iends(domain, ours) &&
                                    domain.ptr[domain.len - ours.len - 1] == '.');
}

static bool is_ours(const struct conf_strings *ours, struct sv domain)
{
    for (size_t i = 0; i < ours->count; i++)
        if (is_at(domain, sv_of(ours->items[i])))
            return true;
    return false;
}

/* Where letters of ASCII alone make it look like ours, it may be somebody's honest domain: that
 * counts only if it is allowed by nothing but "*". */
static bool looks_like(struct judging *j, const struct rewrite_author *author, struct sv ours)
{
    struct sv domain = smtp_path_domain(&author->path);
    return smtp_lookalike_of(domain, ours) ||
           (smtp_lookalike_of_loosely(domain, ours) && !rights_are_named(j->h, &author->path));
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
    for (size_t i = 0; i < ours->count && !is_ours(ours, domain); i++)
        if (looks_like(j, author, sv_of(ours->items[i])))
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

/* ---- fields that are added ---- */

/* RFC 6409 8.1: a valid address of whoever sends. The login is one if it may send as itself. */
static bool is_allowed(struct judging *j, struct sv address)
{
    struct smtp_path path;
    return smtp_path_parse_address(j->a, address, SMTP_PATH_FORWARD, &path) == SMTP_PATH_OK &&
           path.text.len && rights_may_send_as(j->h, &path);
}

/* What needs a Sender and has none gets one, or is refused. */
static bool find_sender(struct judging *j, struct sv login, struct sv *sender_out)
{
    if (j->in->options->rewrite.add_sender == REWRITE_SENDER_NEVER)
        return refuse(j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "rewrite.add_sender"),
                      "From is sent on behalf of another and needs a Sender field");
    if (j->in->authors->sender_fields)
        return refuse(j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions"),
                      "From is sent on behalf of another, and the Sender field holds no address");
    *sender_out = login.len ? login : j->in->reverse_path;
    return sender_out->len ||
           refuse(j, SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions"),
                  "From is sent on behalf of another and needs a Sender field, and there is no "
                  "address for it");
}

/* Whether both stand in the header as the same address. */
static bool same_author(struct judging *j, struct sv a, struct sv b)
{
    char a_text[REWRITE_RULES_TEXT], b_text[REWRITE_RULES_TEXT];
    struct smtp_path a_path, b_path;
    struct sv a_to = rewrite_readdress_text(j->in->rules, a, a_text);
    struct sv b_to = rewrite_readdress_text(j->in->rules, b, b_text);
    return smtp_path_parse_address(j->a, a_to, SMTP_PATH_FORWARD, &a_path) == SMTP_PATH_OK &&
           smtp_path_parse_address(j->a, b_to, SMTP_PATH_FORWARD, &b_path) == SMTP_PATH_OK &&
           smtp_path_same(&a_path, &b_path);
}

/* Whether the fields of a kind name this address and nobody else. */
static bool names_only(struct judging *j, enum rewrite_field_kind kind, struct sv address)
{
    const struct rewrite_authors *authors = j->in->authors;
    size_t same = 0, all = 0;
    for (size_t i = 0; i < authors->count; i++) {
        const struct rewrite_author *author = &authors->list[i];
        if (author->field != kind || author->shown)
            continue;
        all++;
        same += !author->fault && same_author(j, author->path.text, address);
    }
    return all == 1 && same == 1;
}

/* add_sender = "always": the login stands in Sender, unless From is that already. */
static bool wants_sender(struct judging *j, struct sv login, struct sv added_from)
{
    if (j->in->options->rewrite.add_sender != REWRITE_SENDER_ALWAYS || j->resent_only)
        return false;
    if (added_from.len)
        return !same_author(j, added_from, login);
    return !names_only(j, REWRITE_FIELD_SENDER, login) && !names_only(j, REWRITE_FIELD_FROM, login);
}

static bool find_named(struct judging *j, struct rewrite_named *out)
{
    const struct rewrite_authors *authors = j->in->authors;
    struct sv login = is_allowed(j, j->h->login) ? j->h->login : SV_NONE;
    bool lacks_from = !authors->from_fields && !j->resent_only;
    *out = (struct rewrite_named){SV_NONE, SV_NONE};
    if (lacks_from && j->in->options->rewrite.add_from)
        out->from = j->in->reverse_path.len ? j->in->reverse_path : login;
    if (j->needs_sender && !authors->has_sender && !find_sender(j, login, &out->sender))
        return false;
    if (login.len && wants_sender(j, login, out->from))
        out->sender = login;
    return true;
}

bool rights_header(const struct rights_holder *h, const struct rights_header *in, struct arena *a,
                   struct rewrite_named *named_out, struct smtp_reply *reply_out)
{
    const struct rewrite_authors *authors = in->authors;
    struct judging j = {.h = h, .in = in, .a = a, .reply = reply_out};
    j.resent_only = rights_allow_resent(h) && authors->has_resent_from;
    for (size_t i = 0; i < authors->count; i++)
        if (is_judged(&j, &authors->list[i]) && !judge_author(&j, &authors->list[i]))
            return false;
    return find_named(&j, named_out); /* a Sender that is there has been judged */
}
