/*
 * name.c - names and passwords of users.
 */
#include "auth/name.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"

#include <string.h>

/* Valid UTF-8 without control characters and without spaces if they are not allowed. */
static bool is_printable(struct sv text, bool spaces)
{
    return utf8_is_printable(text) && (spaces || sv_find(text, ' ') == text.len);
}

static const char *find_realm(const struct conf_strings *realms, struct sv text)
{
    for (size_t i = 0; i < realms->count; i++) {
        if (sv_ieq(sv_of(realms->items[i]), text))
            return realms->items[i];
    }
    return NULL;
}

enum auth_name_fault auth_name_parse(const struct conf_strings *realms, struct sv text,
                                     struct auth_name *out)
{
    size_t at = sv_find(text, '@');
    struct sv user = sv_first(text, at);
    const char *realm;

    REQUIRE(realms->count > 0);
    if (user.len == 0)
        return AUTH_NAME_EMPTY;
    if (text.len > AUTH_NAME_MAX)
        return AUTH_NAME_LONG;
    if (!is_printable(text, false) || sv_rfind(text, '@') != at)
        return AUTH_NAME_CHARACTER;
    realm = at == text.len ? realms->items[0] : find_realm(realms, sv_skip(text, at + 1));
    if (realm == NULL)
        return AUTH_NAME_REALM;
    if (user.len + 1 + strlen(realm) > AUTH_NAME_MAX)
        return AUTH_NAME_LONG;
    memcpy(out->text, user.ptr, user.len);
    out->text[user.len] = '@';
    memcpy(out->text + user.len + 1, realm, strlen(realm) + 1);
    out->user_len = user.len;
    return AUTH_NAME_OK;
}

const char *auth_name_fault_text(enum auth_name_fault fault)
{
    switch (fault) {
    case AUTH_NAME_OK:
        return "the name is good";
    case AUTH_NAME_EMPTY:
        return "the name is empty";
    case AUTH_NAME_LONG:
        return "the name with its realm is longer than 255 bytes";
    case AUTH_NAME_CHARACTER:
        return "the name has a space, a control character, a second '@' or is not UTF-8";
    case AUTH_NAME_REALM:
        return "the realm after '@' is not one of auth.realms";
    case AUTH_NAME_FOREIGN:
        return "with this auth.database a name has ASCII letters, digits and - . _ + only";
    }
    return "the name is bad";
}

struct sv auth_name_view(const struct auth_name *name)
{
    return sv_of(name->text);
}

struct sv auth_name_user(const struct auth_name *name)
{
    return (struct sv){name->text, name->user_len};
}

struct sv auth_name_realm(const struct auth_name *name)
{
    return sv_of(name->text + name->user_len + 1);
}

const char *auth_password_fault(struct sv password)
{
    if (password.len == 0)
        return "the password is empty";
    if (password.len > AUTH_PASSWORD_MAX)
        return "the password is longer than 1024 bytes";
    if (!is_printable(password, true))
        return "the password has a control character or is not UTF-8";
    return NULL;
}
