#include "msa/ctl/extensions.h"

#include <stdio.h>
#include <string.h>

#define SMTP_PORT 25

static bool is_offered(const struct smtp_ext *x, const struct smtp_ext_offer *offer)
{
    return !x->offered || x->offered(offer);
}

enum extension_state extension_state(const struct msa_options *o,
                                     const struct msa_listen_options *l, const struct smtp_ext *x)
{
    uint32_t off = options_extensions_off(&o->extensions);
    struct sv mechanisms = o->auth.mechanisms.count ? SV("some") : SV_NONE;
    /* the two ends of a session: as it begins, and under TLS */
    struct smtp_ext_offer clear = {
        .config = {.off = off,
                   .messages = (uint32_t)o->limits.messages_per_session,
                   .recipients = (uint32_t)o->limits.recipients},
        .starttls = l->tls == MSA_LISTEN_STARTTLS,
        .mechanisms = o->auth.require_tls ? SV_NONE : mechanisms,
    };
    struct smtp_ext_offer secure = clear;
    secure.tls = true;
    secure.starttls = false;
    secure.mechanisms = mechanisms;
    if (off & SMTP_EXT_BIT(x->id)) {
        for (size_t i = 0; i < o->extensions.off.count; i++)
            if (sv_ieq(x->keyword, sv_of(o->extensions.off.items[i])))
                return EXTENSION_OFF;
        return EXTENSION_NEEDS;
    }
    if (x->id == SMTP_EXT_FUTURERELEASE && l->port == SMTP_PORT)
        return EXTENSION_IDLE; /* RFC 4865 3 */
    bool tls = l->tls == MSA_LISTEN_IMPLICIT ||
               (clear.starttls && !(off & SMTP_EXT_BIT(SMTP_EXT_STARTTLS)));
    bool on =
        (l->tls != MSA_LISTEN_IMPLICIT && is_offered(x, &clear)) || (tls && is_offered(x, &secure));
    return on ? EXTENSION_ON : EXTENSION_IDLE;
}

/* What the configuration lacks for an extension's own rule. */
static const char *idle_words(enum smtp_ext_id id)
{
    switch (id) {
    case SMTP_EXT_STARTTLS:
        return "only where listen[].tls is \"starttls\"";
    case SMTP_EXT_AUTH:
    case SMTP_EXT_REQUIRETLS:
        return "only where listen[].tls is not \"none\"";
    case SMTP_EXT_FUTURERELEASE:
        return "not on port 25";
    default:
        return "not under this configuration";
    }
}

/* The first of what x needs that is off. */
static const char *missing_keyword(const struct msa_options *o, const struct smtp_ext *x)
{
    uint32_t off = options_extensions_off(&o->extensions);
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++)
        if (x->needs & off & SMTP_EXT_BIT(i))
            return smtp_exts[i]->keyword.ptr; /* a literal of the table */
    return "";
}

static json_t *why_text(const struct msa_options *o, const struct smtp_ext *x,
                        enum extension_state state)
{
    switch (state) {
    case EXTENSION_OFF:
        return json_string("extensions.off");
    case EXTENSION_NEEDS:
        return json_sprintf("needs %s (extensions.off)", missing_keyword(o, x));
    case EXTENSION_IDLE:
        return json_string(idle_words(x->id));
    default:
        return json_string("");
    }
}

static json_t *extension_line(const struct msa_options *o, const struct smtp_ext *x)
{
    json_t *ports = json_array();
    enum extension_state worst = EXTENSION_ON;
    for (size_t i = 0; i < o->listen.count; i++) {
        const struct msa_listen_options *l =
            CONF_ITEM(o->listen, i, const struct msa_listen_options);
        enum extension_state state = extension_state(o, l, x);
        if (state == EXTENSION_ON)
            json_array_append_new(ports, json_integer(l->port));
        else
            worst = state;
    }
    const char *here = json_array_size(ports) ? "on" : "off";
    return json_pack("{s:s%, s:s, s:s, s:s, s:o, s:o, s:s}", "keyword", x->keyword.ptr,
                     x->keyword.len, "rfc", x->rfc, "draft", smtp_ext_word_text(x->draft), "here",
                     here, "ports", ports, "why", why_text(o, x, worst), "without", x->lacking);
}

void extensions_show(const struct msa_options *o, struct show *show)
{
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        json_t *line = extension_line(o, smtp_exts[i]);
        show_line(show, line);
        json_decref(line);
    }
    for (const struct smtp_ext_never *n = smtp_exts_never; n->keyword; n++) {
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:s, s:[], s:s, s:s}", "keyword", n->keyword, "rfc", n->rfc,
                      "draft", n->draft, "here", "never", "ports", "why", n->why, "without", "-");
        show_line(show, line);
        json_decref(line);
    }
}

void show_extension(struct show *s, json_t *line)
{
    const char *why = json_string_value(json_object_get(line, "why"));
    const char *here = json_string_value(json_object_get(line, "here"));
    if (s->lines == 0)
        printf("%-20s %-9s %-8s %-6s %s\n", "EXTENSION", "RFC", "DRAFT", "HERE",
               "MAIL TO A NEXT HOP WITHOUT IT");
    printf("%-20s %-9s %-8s %-6s %s\n", json_string_value(json_object_get(line, "keyword")),
           json_string_value(json_object_get(line, "rfc")),
           json_string_value(json_object_get(line, "draft")), here,
           json_string_value(json_object_get(line, "without")));
    if (*why)
        printf("%-45s  (%s: %s)\n", "", here, why);
}
