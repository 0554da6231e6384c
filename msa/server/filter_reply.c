#include "msa/server/filter_reply.h"
#include "msa/smtp/reply_parse.h"

#include <stdlib.h>

#define MILTERS SV("policy.milters")
#define SERVICE SV("policy.service")

static struct smtp_reply refused(void)
{
    return SMTP_REPLY(550, 5, 7, 0, "The policy of this site refuses it");
}

static struct smtp_reply deferred(void)
{
    return SMTP_REPLY(451, 4, 7, 1, "The policy of this site takes it later, try again");
}

/* Two percent signs stand for one, as libmilter's callers have to write it. */
static struct sv unescape(struct sv text, struct arena *a)
{
    struct sv out = arena_sv(a, text);
    char *to = (char *)out.ptr;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        to[n++] = text.ptr[i];
        if (text.ptr[i] == '%' && i + 1 < text.len && text.ptr[i + 1] == '%')
            i++;
    }
    return (struct sv){out.ptr, n};
}

bool filter_reply_text(struct sv text, struct arena *a, struct smtp_reply *out)
{
    struct smtp_reply_parser *p = arena_alloc(a, sizeof *p);
    enum smtp_reply_progress state;
    size_t used;
    smtp_reply_parse_init(p);
    state = smtp_reply_parse_feed(p, text, &used);
    if (state == SMTP_REPLY_MORE)
        state = smtp_reply_parse_feed(p, SV("\r\n"), &used);
    if (state != SMTP_REPLY_DONE || p->reply.code < 400)
        return false;
    *out = p->reply;
    if (out->code == 421)
        out->code = 451;
    if (out->enhanced.class == 0)
        out->enhanced = smtp_reply_is_permanent(out) ? refused().enhanced : deferred().enhanced;
    if (!out->text.len)
        out->text = smtp_reply_is_permanent(out) ? refused().text : deferred().text;
    return true;
}

struct smtp_reply filter_reply_milter(const struct milter_event *e, struct arena *a)
{
    struct smtp_reply r = e->verdict == MILTER_REJECT ? refused() : deferred();
    if (e->verdict == MILTER_REPLY && !filter_reply_text(unescape(e->text, a), a, &r))
        r = e->text.ptr[0] == '5' ? refused() : deferred();
    r.setting = MILTERS;
    return r;
}

struct smtp_reply filter_reply_service(const struct delegation_answer *answer, struct arena *a)
{
    struct smtp_reply r = answer->action == DELEGATION_REFUSE ? refused() : deferred();
    struct sv text = answer->text;
    if (text.len && answer->action != DELEGATION_REPLY)
        text = sv_of(arena_printf(a, "%d %.*s", r.code, SV_ARG(text)));
    if (text.len && !filter_reply_text(text, a, &r))
        r = text.ptr[0] == '5' ? refused() : deferred();
    r.setting = SERVICE;
    return r;
}

struct smtp_reply filter_reply_failed(enum policy_on_error on_error, bool service)
{
    struct smtp_reply r =
        on_error == POLICY_ON_ERROR_REJECT
            ? SMTP_REPLY(550, 5, 7, 0, "It cannot be checked as the policy of this site demands")
            : SMTP_REPLY(451, 4, 7, 1,
                         "It cannot be checked now as the policy of this site demands, try later");
    r.setting = service ? SERVICE : MILTERS;
    return r;
}
