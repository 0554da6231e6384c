#include "msa/server/refused.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/queue/history.h"

#include <stdio.h>

#define WORDS_MAX 600 /* bytes of a reply's words that are kept */
#define FIELD_MAX 320 /* bytes of a path, a login, as a peer gave them */

const char *refused_text(char out[REFUSED_TEXT_MAX], const struct smtp_reply *r, struct sv setting,
                         struct sv session)
{
    char status[SMTP_STATUS_TEXT_MAX];
    smtp_status_text(r->enhanced, status);
    int len =
        snprintf(out, REFUSED_TEXT_MAX, "%d %s%s%.*s%s%.*s%s%s%.*s%s", r->code, status,
                 *status ? " " : "", SV_ARG(sv_first(r->text, WORDS_MAX)), setting.len ? " (" : "",
                 SV_ARG(sv_first(setting, 64)), setting.len ? ")" : "", session.len ? " [" : "",
                 SV_ARG(sv_first(session, 20)), session.len ? "]" : "");
    REQUIRE(len > 0 && len < REFUSED_TEXT_MAX);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = ' ';
    return out;
}

/* As text of the arena, without control characters, cut. */
static const char *clean(struct arena *a, struct sv text)
{
    char *copy = arena_str(a, sv_first(text, FIELD_MAX));
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
    return copy;
}

static const char *recipients_text(struct arena *a, const struct refused *r)
{
    struct buf all;
    buf_init(&all, REFUSED_RECIPIENTS_MAX * (FIELD_MAX + 1) + 40, 0);
    int err = 0;
    for (size_t i = 0; i < r->nrecipients && i < REFUSED_RECIPIENTS_MAX && err == 0; i++)
        err = buf_printf(&all, "%s%s", i ? "\n" : "", clean(a, r->recipients[i]));
    if (r->nrecipients > REFUSED_RECIPIENTS_MAX && err == 0)
        err = buf_printf(&all, "\n(%zu more)", r->nrecipients - REFUSED_RECIPIENTS_MAX);
    REQUIRE(err == 0); /* each part is bounded */
    const char *text = arena_str(a, buf_view(&all));
    buf_deinit(&all);
    return text;
}

void refused_note(struct store *store, const struct refused *r)
{
    char status[SMTP_STATUS_TEXT_MAX];
    struct arena a;
    arena_init(&a);
    struct history_event e = {
        .time_ms = clock_wall_ms(),
        .kind = r->discarded ? HISTORY_DISCARDED : HISTORY_REFUSED,
        .id = clean(&a, r->id),
        .login = clean(&a, r->login),
        .reverse_path = clean(&a, r->reverse_path),
        .address = recipients_text(&a, r),
        .client = clean(&a, r->client),
        .status = smtp_status_text(r->status, status),
        .text = r->text,
    };
    store_note(store, &e);
    arena_deinit(&a);
}
