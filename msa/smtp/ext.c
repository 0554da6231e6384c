#include "msa/smtp/ext.h"
#include "msa/base/require.h"
#include "msa/smtp/ext_list.h"
#include "msa/smtp/param.h"

const struct smtp_ext *const smtp_exts[SMTP_EXT_COUNT] = {
    [SMTP_EXT_PIPELINING] = &smtp_ext_pipelining,
    [SMTP_EXT_SIZE] = &smtp_ext_size,
    [SMTP_EXT_8BITMIME] = &smtp_ext_8bitmime,
    [SMTP_EXT_STARTTLS] = &smtp_ext_starttls,
    [SMTP_EXT_AUTH] = &smtp_ext_auth,
    [SMTP_EXT_ENHANCEDSTATUSCODES] = &smtp_ext_enhanced,
    [SMTP_EXT_DSN] = &smtp_ext_dsn,
    [SMTP_EXT_CHUNKING] = &smtp_ext_chunking,
};

/* keyword and extension of each slot, for the writers */
struct slot {
    struct sv keyword;
    enum smtp_ext_id ext;
};
#define ROW(name, keyword, ext) {{keyword, sizeof(keyword) - 1}, SMTP_EXT_##ext},
static const struct slot mail_slots[SMTP_MAIL_SLOTS] = {SMTP_MAIL_PARAMS(ROW)};
static const struct slot rcpt_slots[SMTP_RCPT_SLOTS] = {SMTP_RCPT_PARAMS(ROW)};
#undef ROW

#define KEYWORD_SHOWN 40 /* octets of a keyword in a refusal */

int smtp_ext_write_ehlo(const struct smtp_ext_offer *o, struct buf *out)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        const struct smtp_ext *x = smtp_exts[i];
        if (x->offered && !x->offered(o))
            continue;
        int err = buf_printf(out, "\n%.*s", SV_ARG(x->keyword));
        if (err == 0 && x->ehlo_args)
            err = x->ehlo_args(o, out);
        if (err < 0)
            return err;
    }
    return 0;
}

static const struct smtp_param_rule *find_rule(struct sv keyword, bool mail)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        const struct smtp_param_rule *r =
            mail ? smtp_exts[i]->mail_params : smtp_exts[i]->rcpt_params;
        for (; r && r->keyword.len; r++)
            if (sv_ieq(r->keyword, keyword))
                return r;
    }
    return NULL;
}

static struct smtp_reply refuse_param(struct arena *a, int code, const char *what,
                                      const struct smtp_param *p)
{
    struct sv shown = sv_first(p->keyword, KEYWORD_SHOWN);
    return (struct smtp_reply){
        code, {5, 5, 4}, sv_of(arena_printf(a, "%s %.*s", what, SV_ARG(shown)))};
}

static struct smtp_reply parse_params(struct arena *a, struct sv params, bool mail,
                                      struct smtp_value *values)
{
    struct smtp_param p;
    int n;
    while ((n = smtp_param_next(&params, &p)) == 1) {
        const struct smtp_param_rule *rule = find_rule(p.keyword, mail);
        if (!rule)
            return refuse_param(a, 555, "Unknown parameter", &p);
        struct smtp_value *v = &values[rule->slot];
        if (v->text.ptr)
            return refuse_param(a, 501, "Repeated parameter", &p);
        if (!rule->parse(a, p.value, p.has_value, v))
            return refuse_param(a, 501, "Bad value of parameter", &p);
        REQUIRE(v->text.ptr != NULL);
    }
    return n < 0 ? SMTP_REPLY(501, 5, 5, 4, "Bad syntax of parameters") : SMTP_REPLY_NONE;
}

struct smtp_reply smtp_ext_parse_mail(struct arena *a, struct sv params,
                                      struct smtp_value values[SMTP_MAIL_SLOTS])
{
    return parse_params(a, params, true, values);
}

struct smtp_reply smtp_ext_parse_rcpt(struct arena *a, struct sv params,
                                      struct smtp_value values[SMTP_RCPT_SLOTS])
{
    return parse_params(a, params, false, values);
}

struct smtp_reply smtp_ext_check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    struct smtp_reply r = SMTP_REPLY_NONE;
    for (size_t i = 0; i < SMTP_EXT_COUNT && r.code == 0; i++)
        if (smtp_exts[i]->check_mail)
            r = smtp_exts[i]->check_mail(o, e);
    return r;
}

static int write_params(const struct smtp_value *values, const struct slot *slots, size_t count,
                        uint32_t exts, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!values[i].text.ptr || !(exts & SMTP_EXT_BIT(slots[i].ext)))
            continue;
        int err = buf_printf(out, " %.*s=%.*s", SV_ARG(slots[i].keyword), SV_ARG(values[i].text));
        if (err < 0)
            return err;
    }
    return 0;
}

int smtp_ext_write_mail(const struct smtp_value values[SMTP_MAIL_SLOTS], uint32_t exts,
                        struct buf *out)
{
    return write_params(values, mail_slots, SMTP_MAIL_SLOTS, exts, out);
}

int smtp_ext_write_rcpt(const struct smtp_value values[SMTP_RCPT_SLOTS], uint32_t exts,
                        struct buf *out)
{
    return write_params(values, rcpt_slots, SMTP_RCPT_SLOTS, exts, out);
}

void smtp_ext_read_ehlo(struct smtp_peer *p, struct sv line)
{
    line = sv_trim(line);
    struct sv keyword = sv_split(&line, ' ');
    /* "AUTH=LOGIN" is what servers wrote before RFC 2554 and some still add: it is no keyword */
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        if (!sv_ieq(smtp_exts[i]->keyword, keyword))
            continue;
        p->exts |= SMTP_EXT_BIT(smtp_exts[i]->id);
        if (smtp_exts[i]->parse_args)
            smtp_exts[i]->parse_args(p, sv_trim(line));
    }
}

uint32_t smtp_ext_missing(const struct smtp_peer *p, const struct smtp_envelope *e)
{
    uint32_t missing = 0;
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++)
        if (smtp_exts[i]->required_by && smtp_exts[i]->required_by(e))
            missing |= SMTP_EXT_BIT(smtp_exts[i]->id);
    return missing & ~p->exts;
}

bool smtp_mechanism_listed(struct sv mechanisms, struct sv name)
{
    while (name.len && mechanisms.len)
        if (sv_ieq(sv_split(&mechanisms, ' '), name))
            return true;
    return false;
}
