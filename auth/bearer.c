#include "auth/bearer.h"

#include "auth/claim.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR '\001'

bool auth_bearer_is(struct sv mechanism)
{
    return sv_ieq(mechanism, SV("OAUTHBEARER")) || sv_ieq(mechanism, SV("XOAUTH2"));
}

bool auth_bearer_is_token(struct sv text)
{
    size_t i = 0;

    while (i < text.len && (ascii_alpha(text.ptr[i]) || ascii_digit(text.ptr[i]) ||
                            memchr("-._~+/", text.ptr[i], 6) != NULL))
        i++;
    if (i == 0)
        return false;
    while (i < text.len && text.ptr[i] == '=')
        i++;
    return i == text.len;
}

/* "Bearer" SP token */
static bool read_auth(struct sv value, struct sv *token_out)
{
    struct sv scheme = sv_split(&value, ' ');

    while (value.len > 0 && value.ptr[0] == ' ')
        value = sv_skip(value, 1);
    *token_out = value;
    return sv_ieq(scheme, SV("Bearer")) && auth_bearer_is_token(value);
}

/* *( key "=" value kvsep ) kvsep; other keys than auth are for other schemes. */
static bool read_pairs(struct sv rest, struct auth_bearer *out)
{
    bool found = false;

    while (rest.len > 0 && rest.ptr[0] != SEPARATOR) {
        struct sv value, key;

        if (sv_find(rest, SEPARATOR) == rest.len)
            return false;
        value = sv_split(&rest, SEPARATOR);
        key = sv_split(&value, '=');
        if (!sv_eq(key, SV("auth")))
            continue;
        if (found || !read_auth(value, &out->token))
            return false;
        found = true;
    }
    return found && rest.len == 1;
}

/* gs2-header: no channel binding is defined for it; then the pairs. */
static bool read_oauthbearer(struct sv message, struct auth_bearer *out)
{
    struct sv head = sv_split(&message, SEPARATOR), flag = sv_split(&head, ','), name;

    if (!sv_eq(flag, SV("n")) && !sv_eq(flag, SV("y")))
        return false;
    name = sv_split(&head, ',');
    if (head.len > 0 || (name.len > 0 && !sv_starts(name, SV("a="))))
        return false;
    (void)auth_claim_saslname(sv_skip(name, 2), out->name);
    return sv_find(name, '\0') == name.len && read_pairs(message, out);
}

static bool read_xoauth2(struct sv message, struct auth_bearer *out)
{
    struct sv name = sv_split(&message, SEPARATOR);

    if (!sv_starts(name, SV("user=")) || name.len > AUTH_NAME_MAX)
        return false;
    name = sv_skip(name, 5);
    memcpy(out->name, name.ptr, name.len);
    out->name[name.len] = '\0';
    return sv_find(name, '\0') == name.len && read_pairs(message, out);
}

bool auth_bearer_read(struct sv mechanism, struct sv message, struct auth_bearer *out)
{
    *out = (struct auth_bearer){.token = SV_NONE};
    return sv_ieq(mechanism, SV("XOAUTH2")) ? read_xoauth2(message, out)
                                            : read_oauthbearer(message, out);
}

void auth_bearer_refusal(struct sv mechanism, bool malformed, const char *scope,
                         const char *discovery, struct buf *out)
{
    bool old = sv_ieq(mechanism, SV("XOAUTH2"));
    const char *status = old         ? (malformed ? "400" : "401")
                         : malformed ? "invalid_request"
                                     : "invalid_token";
    json_t *all = json_object();
    char *text;
    int err;

    json_object_set_new(all, "status", json_string(status));
    if (old)
        json_object_set_new(all, "schemes", json_string("bearer"));
    if (*scope != '\0')
        json_object_set_new(all, "scope", json_string(scope));
    if (*discovery != '\0')
        json_object_set_new(all, "openid-configuration", json_string(discovery));
    text = json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER);
    err = buf_put(out, sv_of(text));
    if (err < 0)
        buf_reset(out);
    free(text);
    json_decref(all);
}

/* ---- the client's side ---- */

/* RFC 5801 4: "," and "=" of a name are written "=2C" and "=3D". */
static int put_saslname(struct buf *out, struct sv name)
{
    int err = 0;

    for (size_t i = 0; i < name.len && err == 0; i++) {
        char c = name.ptr[i];

        err = c == ','   ? buf_put(out, SV("=2C"))
              : c == '=' ? buf_put(out, SV("=3D"))
                         : buf_append(out, &c, 1);
    }
    return err;
}

int auth_bearer_write(struct buf *out, struct sv mechanism, struct sv user, struct sv host,
                      struct sv token)
{
    int err;

    if (sv_ieq(mechanism, SV("XOAUTH2")))
        return buf_printf(out, "user=%.*s\001auth=Bearer %.*s\001\001", SV_ARG(user),
                          SV_ARG(token));
    err = buf_put(out, SV("n,a="));
    if (err == 0)
        err = put_saslname(out, user);
    if (err == 0)
        err = buf_printf(out, ",\001host=%.*s\001auth=Bearer %.*s\001\001", SV_ARG(host),
                         SV_ARG(token));
    return err;
}

struct sv auth_bearer_assent(struct sv mechanism)
{
    return sv_ieq(mechanism, SV("XOAUTH2")) ? SV("") : SV("\001");
}

void auth_bearer_status(struct sv refusal, char out[AUTH_BEARER_STATUS_MAX + 1])
{
    json_t *all = refusal.len > 0 ? json_loadb(refusal.ptr, refusal.len, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(all, "status"));
    size_t len = text != NULL ? strlen(text) : 0;

    if (len > AUTH_BEARER_STATUS_MAX)
        len = 0;
    for (size_t i = 0; i < len; i++) {
        if (!ascii_alpha(text[i]) && !ascii_digit(text[i]) && text[i] != '_')
            len = 0;
    }
    snprintf(out, AUTH_BEARER_STATUS_MAX + 1, "%.*s", (int)len, len > 0 ? text : "");
    json_decref(all);
}
