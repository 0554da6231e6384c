#include "auth/token.h"

#include "auth/bearer.h"
#include "auth/fetch.h"
#include "msa/base/mem.h"

#include <jansson.h>
#include <string.h>

#define WORD_MAX  40 /* characters of an error's name */
#define WORDS_MAX 300

void auth_token_init(struct auth_token *t)
{
    buf_init(&t->access, AUTH_TOKEN_ACCESS_MAX, BUF_SECRET);
    buf_init(&t->refresh, AUTH_TOKEN_REFRESH_MAX, BUF_SECRET);
    t->life_s = 0;
}

void auth_token_deinit(struct auth_token *t)
{
    buf_deinit(&t->access);
    buf_deinit(&t->refresh);
}

/* ---- the request ---- */

static int put_pair(struct buf *out, struct sv name, struct sv value)
{
    int err;

    if (value.len == 0)
        return 0;
    if (buf_room(out) < name.len + 3 * value.len + 2)
        return ERR_FULL;
    err = buf_len(out) > 0 ? buf_append(out, "&", 1) : 0;
    if (err == 0)
        err = buf_put(out, name);
    auth_fetch_encode(out, value);
    return err;
}

int auth_token_form(struct buf *out, const struct auth_token_issuer *issuer,
                    struct sv refresh_token)
{
    struct sv grant = refresh_token.len > 0 ? SV("grant_type=refresh_token")
                                            : SV("grant_type=client_credentials");
    int err = buf_put(out, grant);

    if (err == 0)
        err = put_pair(out, SV("refresh_token="), refresh_token);
    if (err == 0)
        err = put_pair(out, SV("scope="), issuer->scope);
    if (err == 0)
        err = put_pair(out, SV("client_id="), issuer->client_id);
    if (err == 0)
        err = put_pair(out, SV("client_secret="), issuer->client_secret);
    return err < 0 ? err : buf_append(out, "", 1);
}

/* ---- the answer ---- */

static struct sv text_of(const json_t *value)
{
    return json_is_string(value) ? (struct sv){json_string_value(value), json_string_length(value)}
                                 : SV_NONE;
}

/* Some write the number as a string. */
static uint32_t life_of(const json_t *value)
{
    struct sv text = text_of(value);
    uint64_t seconds = AUTH_TOKEN_LIFE_S;

    if (json_is_integer(value) && json_integer_value(value) > 0)
        seconds = (uint64_t)json_integer_value(value);
    else if (text.len > 0 && !sv_u64(text, AUTH_TOKEN_LIFE_MAX_S, &seconds))
        seconds = AUTH_TOKEN_LIFE_S;
    return seconds > AUTH_TOKEN_LIFE_MAX_S ? AUTH_TOKEN_LIFE_MAX_S : (uint32_t)seconds;
}

/* RFC 6749 A.17: printable, without controls, so that it stays one line of a file. */
static bool is_printable(struct sv text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 32 || (unsigned char)text.ptr[i] > 126)
            return false;
    }
    return true;
}

static const char *take(const json_t *all, struct auth_token *out)
{
    const json_t *type = json_object_get(all, "token_type");
    const json_t *refresh = json_object_get(all, "refresh_token");
    struct sv access = text_of(json_object_get(all, "access_token"));

    if (access.len == 0)
        return "it has no access_token";
    if (!auth_bearer_is_token(access))
        return "its access_token has characters that a token may not have";
    if (type != NULL && !sv_ieq(text_of(type), SV("Bearer")))
        return "its token_type is not Bearer";
    if (refresh != NULL && !json_is_null(refresh) &&
        (!json_is_string(refresh) || !is_printable(text_of(refresh))))
        return "its refresh_token is none";
    if (buf_put(&out->access, access) < 0 || buf_put(&out->refresh, text_of(refresh)) < 0)
        return "its token is too long";
    out->life_s = life_of(json_object_get(all, "expires_in"));
    return NULL;
}

/* Memory of the parser keeps what was written in it: at least what it gives out is wiped. */
static void wipe_strings(json_t *all)
{
    const char *key;
    json_t *value;

    json_object_foreach(all, key, value)
    {
        if (json_is_string(value))
            mem_wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
}

static json_t *read_object(struct sv json)
{
    json_t *all =
        json.len > 0 ? json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (json_is_object(all))
        return all;
    json_decref(all);
    return NULL;
}

int auth_token_read(struct sv json, struct auth_token *out, struct buf *why)
{
    json_t *all = read_object(json);
    const char *wrong = "it is no JSON object";
    int cut;

    buf_reset(&out->access);
    buf_reset(&out->refresh);
    if (all != NULL) {
        wrong = take(all, out);
        wipe_strings(all);
        json_decref(all);
    }
    if (wrong == NULL)
        return 0;
    buf_reset(&out->access);
    buf_reset(&out->refresh);
    cut = buf_printf(why, "its answer is no token: %s", wrong);
    (void)cut;
    return ERR_SYNTAX;
}

static bool has(struct sv text, struct sv secret)
{
    return secret.len > 0 && text.len > 0 &&
           memmem(text.ptr, text.len, secret.ptr, secret.len) != NULL;
}

/* As it is, or as our form says it. */
static bool tells(struct sv text, struct sv secret)
{
    struct buf encoded;
    bool found;

    buf_init(&encoded, 3 * secret.len, BUF_SECRET);
    auth_fetch_encode(&encoded, secret);
    found = has(text, secret) || has(text, buf_view(&encoded));
    buf_deinit(&encoded);
    return found;
}

void auth_token_refusal(struct sv json, const struct auth_token_issuer *issuer,
                        struct sv refresh_token, struct buf *why)
{
    json_t *all = read_object(json);
    struct sv word = text_of(json_object_get(all, "error"));
    struct sv words = text_of(json_object_get(all, "error_description"));
    /* Of all of it: what is cut below may end in the midst of a secret. */
    bool is_secret = tells(words, issuer->client_secret) || tells(words, refresh_token);
    int cut = 0;

    word = sv_first(word, WORD_MAX);
    words = sv_first(words, sv_find(words, '\r'));
    words = sv_first(sv_first(words, sv_find(words, '\n')), WORDS_MAX);
    if (is_secret || !is_printable(words))
        words = SV_NONE;
    for (size_t i = 0; i < word.len; i++) {
        if (!ascii_alpha(word.ptr[i]) && word.ptr[i] != '_')
            word.len = 0;
    }
    if (word.len > 0)
        cut = buf_printf(why, "%.*s%s%.*s%s", SV_ARG(word), words.len > 0 ? " (" : "",
                         SV_ARG(words), words.len > 0 ? ")" : "");
    (void)cut;
    json_decref(all);
}
