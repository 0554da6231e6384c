#include "msa/smtp/ext.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"
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
    [SMTP_EXT_BINARYMIME] = &smtp_ext_binarymime,
    [SMTP_EXT_SMTPUTF8] = &smtp_ext_smtputf8,
    [SMTP_EXT_CHECKPOINT] = &smtp_ext_checkpoint,
    [SMTP_EXT_NO_SOLICITING] = &smtp_ext_no_soliciting,
    [SMTP_EXT_MTRK] = &smtp_ext_mtrk,
    [SMTP_EXT_FUTURERELEASE] = &smtp_ext_futurerelease,
    [SMTP_EXT_DELIVERBY] = &smtp_ext_deliverby,
    [SMTP_EXT_MT_PRIORITY] = &smtp_ext_mt_priority,
    [SMTP_EXT_REQUIRETLS] = &smtp_ext_requiretls,
    [SMTP_EXT_LIMITS] = &smtp_ext_limits,
    [SMTP_EXT_RRVS] = &smtp_ext_rrvs,
    [SMTP_EXT_XRETURN] = &smtp_ext_xreturn,
};

const struct smtp_ext_never smtp_exts_never[] = {
    {"ETRN", "RFC 1985", "MUST NOT", "starts a mail server's queue: none of an MSA's business"},
    {"ATRN", "RFC 2645", "-", "RFC 6409 says MUST NOT: fetches mail"},
    {"521", "RFC 1846", "MUST NOT", "the reply of a host without mail"},
    {"BURL", "RFC 4468", "-", "left out: the server would log in elsewhere for its users"},
    {NULL, NULL, NULL, NULL},
};

/* keyword of each slot, for the queue's form */
#define ROW(name, keyword, ext) {keyword, sizeof(keyword) - 1},
static const struct sv mail_keywords[SMTP_MAIL_SLOTS] = {SMTP_MAIL_PARAMS(ROW)};
static const struct sv rcpt_keywords[SMTP_RCPT_SLOTS] = {SMTP_RCPT_PARAMS(ROW)};
#undef ROW

#define KEYWORD_SHOWN 40 /* octets of a keyword in a refusal */

const struct smtp_ext *smtp_ext_find(struct sv keyword)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++)
        if (sv_ieq(smtp_exts[i]->keyword, keyword))
            return smtp_exts[i];
    return NULL;
}

uint32_t smtp_ext_off(uint32_t off)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) /* what is needed stands before what needs it */
        if (smtp_exts[i]->needs & off)
            off |= SMTP_EXT_BIT(smtp_exts[i]->id);
    return off;
}

const char *smtp_ext_word_text(enum smtp_ext_word w)
{
    static const char *const texts[] = {"-", "MUST", "SHOULD", "MAY"};
    return texts[w];
}

/* ---- server ---- */

static bool is_offered(const struct smtp_ext *x, const struct smtp_ext_offer *o)
{
    return !(o->config.off & SMTP_EXT_BIT(x->id)) && (!x->offered || x->offered(o));
}

int smtp_ext_write_ehlo(const struct smtp_ext_offer *o, struct buf *out)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        const struct smtp_ext *x = smtp_exts[i];
        if (!is_offered(x, o))
            continue;
        int err = buf_printf(out, "\n%.*s", SV_ARG(x->keyword));
        if (err == 0 && x->ehlo_args)
            err = x->ehlo_args(o, out);
        if (err < 0)
            return err;
    }
    return 0;
}

static const struct smtp_param_rule *find_rule(struct sv keyword, bool mail, uint32_t off)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        const struct smtp_param_rule *r =
            mail ? smtp_exts[i]->mail_params : smtp_exts[i]->rcpt_params;
        for (; r && r->keyword.len && !(off & SMTP_EXT_BIT(i)); r++)
            if (sv_ieq(r->keyword, keyword))
                return r;
    }
    return NULL;
}

static struct smtp_reply refuse_param(struct arena *a, int code, const char *what,
                                      const struct smtp_param *p)
{
    struct sv shown = sv_first(p->keyword, KEYWORD_SHOWN);
    return (struct smtp_reply){.code = code,
                               .enhanced = {5, 5, 4},
                               .text = sv_of(arena_printf(a, "%s %.*s", what, SV_ARG(shown)))};
}

static struct smtp_reply parse_params(struct arena *a, struct sv params, uint32_t off, bool mail,
                                      struct smtp_value *values)
{
    struct smtp_param p;
    int n;
    while ((n = smtp_param_next(&params, &p)) == 1) {
        const struct smtp_param_rule *rule = find_rule(p.keyword, mail, off);
        if (!rule) {
            struct smtp_reply r = refuse_param(a, 555, "Unknown parameter", &p);
            if (find_rule(p.keyword, mail, 0))
                r.setting = SV("extensions.off");
            return r;
        }
        struct smtp_value *v = &values[rule->slot];
        if (v->text.ptr)
            return refuse_param(a, 501, "Repeated parameter", &p);
        bool is_readable = !(off & SMTP_EXT_BIT(SMTP_EXT_SMTPUTF8)) || utf8_is_ascii(p.value);
        if (!is_readable || !rule->parse(a, p.value, p.has_value, v))
            return refuse_param(a, 501, "Bad value of parameter", &p);
        REQUIRE(v->text.ptr != NULL);
    }
    return n < 0 ? SMTP_REPLY(501, 5, 5, 4, "Bad syntax of parameters") : SMTP_REPLY_NONE;
}

struct smtp_reply smtp_ext_parse_mail(struct arena *a, struct sv params, uint32_t off,
                                      struct smtp_value values[SMTP_MAIL_SLOTS])
{
    return parse_params(a, params, off, true, values);
}

struct smtp_reply smtp_ext_parse_rcpt(struct arena *a, struct sv params, uint32_t off,
                                      struct smtp_value values[SMTP_RCPT_SLOTS])
{
    return parse_params(a, params, off, false, values);
}

struct smtp_reply smtp_ext_check_mail(const struct smtp_ext_offer *o, struct smtp_envelope *e,
                                      struct smtp_reply *ok)
{
    struct smtp_reply r = SMTP_REPLY_NONE;
    *ok = SMTP_REPLY_NONE;
    for (size_t i = 0; i < SMTP_EXT_COUNT && r.code == 0; i++)
        if (smtp_exts[i]->check_mail)
            r = smtp_exts[i]->check_mail(o, e);
    for (size_t i = 0; i < SMTP_EXT_COUNT && r.code == 0; i++)
        if (smtp_exts[i]->settle_mail)
            smtp_exts[i]->settle_mail(o, e, ok);
    return r;
}

/* ---- queue ---- */

static int write_params(const struct smtp_value *values, const struct sv *keywords, size_t count,
                        struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!values[i].text.ptr)
            continue;
        int err = buf_printf(out, " %.*s%s%.*s", SV_ARG(keywords[i]), values[i].text.len ? "=" : "",
                             SV_ARG(values[i].text));
        if (err < 0)
            return err;
    }
    return 0;
}

int smtp_ext_write_mail(const struct smtp_value values[SMTP_MAIL_SLOTS], struct buf *out)
{
    return write_params(values, mail_keywords, SMTP_MAIL_SLOTS, out);
}

int smtp_ext_write_rcpt(const struct smtp_value values[SMTP_RCPT_SLOTS], struct buf *out)
{
    return write_params(values, rcpt_keywords, SMTP_RCPT_SLOTS, out);
}

/* ---- client ---- */

void smtp_ext_read_ehlo(struct smtp_peer *p, struct sv line)
{
    line = sv_trim(line);
    /* "AUTH=LOGIN" is what servers wrote before RFC 2554 and some still add: it is no keyword */
    struct sv keyword = sv_split(&line, ' ');
    const struct smtp_ext *x = smtp_ext_find(keyword);
    p->demands_mtep = p->demands_mtep || sv_ieq(keyword, SV("X-MTEP"));
    if (!x)
        return;
    p->exts |= SMTP_EXT_BIT(x->id);
    if (x->parse_args)
        x->parse_args(p, sv_trim(line));
}

int smtp_ext_hop_same(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    (void)h;
    int err = buf_put(out, v->text);
    return err < 0 ? err : 1;
}

/* " KEYWORD=value" by one rule, where it has something to say. */
static int hop_param(const struct smtp_hop *h, const struct smtp_param_rule *rule,
                     const struct smtp_value *v, struct buf *out)
{
    size_t before = buf_len(out);
    int err = buf_printf(out, " %.*s=", SV_ARG(rule->keyword));
    if (err < 0)
        return err;
    size_t value = buf_len(out);
    int said = rule->hop(h, v, out);
    if (said <= 0)
        buf_truncate(out, before);
    else if (buf_len(out) == value)
        buf_truncate(out, value - 1); /* a keyword alone has no "=" */
    return said < 0 ? said : 0;
}

static int hop_params(const struct smtp_hop *h, const struct smtp_value *values, bool mail,
                      struct buf *out)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        const struct smtp_param_rule *r =
            mail ? smtp_exts[i]->mail_params : smtp_exts[i]->rcpt_params;
        if (!smtp_hop_has(h, (enum smtp_ext_id)i))
            continue;
        for (; r && r->keyword.len; r++) {
            const struct smtp_value *v = &values[r->slot];
            int err = r->hop && (v->text.ptr || r->made) ? hop_param(h, r, v, out) : 0;
            if (err < 0)
                return err;
        }
    }
    return 0;
}

int smtp_ext_hop_mail(const struct smtp_hop *h, struct buf *out)
{
    return hop_params(h, h->envelope->values, true, out);
}

int smtp_ext_hop_rcpt(const struct smtp_hop *h, const struct smtp_recipient *r, struct buf *out)
{
    return hop_params(h, r->values, false, out);
}

struct smtp_reply smtp_ext_refuse_mail(const struct smtp_hop *h)
{
    struct smtp_reply r = SMTP_REPLY_NONE;
    for (size_t i = 0; i < SMTP_EXT_COUNT && r.code == 0; i++)
        if (smtp_exts[i]->refuse_mail)
            r = smtp_exts[i]->refuse_mail(h);
    return r;
}

unsigned smtp_ext_convert_mail(const struct smtp_hop *h)
{
    unsigned set = 0;
    if (h->envelope->reverse.utf8 && !smtp_hop_has(h, SMTP_EXT_SMTPUTF8))
        return 0; /* it cannot go there */
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++)
        if (smtp_exts[i]->convert_mail)
            set |= smtp_exts[i]->convert_mail(h);
    return set;
}

struct smtp_reply smtp_ext_refuse_rcpt(const struct smtp_hop *h, const struct smtp_recipient *rcpt)
{
    struct smtp_reply r = SMTP_REPLY_NONE;
    for (size_t i = 0; i < SMTP_EXT_COUNT && r.code == 0; i++)
        if (smtp_exts[i]->refuse_rcpt)
            r = smtp_exts[i]->refuse_rcpt(h, rcpt);
    return r;
}

/* ---- reports ---- */

int smtp_ext_report(const struct smtp_envelope *e, int64_t received_s, struct buf *out)
{
    int err = 0;
    for (size_t i = 0; i < SMTP_EXT_COUNT && err == 0; i++)
        if (smtp_exts[i]->report)
            err = smtp_exts[i]->report(e, received_s, out);
    return err;
}

/* ---- */

bool smtp_mechanism_listed(struct sv mechanisms, struct sv name)
{
    while (name.len && mechanisms.len)
        if (sv_ieq(sv_split(&mechanisms, ' '), name))
            return true;
    return false;
}
