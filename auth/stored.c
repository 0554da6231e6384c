/*
 * stored.c - stored values of several forms.
 */
#include "auth/stored.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Digests of password and salt. */
static const struct scheme {
    const char *name;
    const EVP_MD *(*digest)(void);
} digests[] = {
    {"SHA", EVP_sha1},       {"SSHA", EVP_sha1},     {"SHA256", EVP_sha256},
    {"SSHA256", EVP_sha256}, {"SHA512", EVP_sha512}, {"SSHA512", EVP_sha512},
};

/* The costliest setting of a whole hash of crypt, for those who have none. */
static struct {
    pthread_mutex_t lock;
    char setting[CRYPT_OUTPUT_SIZE]; /* empty: none yet */
    uint64_t cost_ns;
} costliest = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- forms --- */

/* The NAME of "{NAME}rest", and rest; empty if it does not begin so. */
static struct sv scheme_of(struct sv *value)
{
    size_t end = sv_find(*value, '}');
    struct sv name;

    if (value->len == 0 || value->ptr[0] != '{' || end == value->len || end < 2)
        return SV_NONE;
    name = (struct sv){value->ptr + 1, end - 1};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!ascii_digit(c) && !ascii_alpha(c) && c != '-' && c != '.' && c != '_')
            return SV_NONE;
    }
    *value = sv_skip(*value, end + 1);
    return name;
}

/* "$id$..." */
static bool is_crypt(struct sv value)
{
    size_t end = value.len > 1 && value.ptr[0] == '$' ? 1 + sv_find(sv_skip(value, 1), '$') : 0;

    if (end < 2 || end >= value.len)
        return false;
    for (size_t i = 1; i < end; i++) {
        char c = value.ptr[i];

        if (!ascii_digit(c) && !ascii_alpha(c) && c != '-')
            return false;
    }
    return true;
}

static const struct scheme *digest_of(struct sv name)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        if (sv_ieq(name, sv_of(digests[i].name)))
            return &digests[i];
    }
    return NULL;
}

/* What a value is worth: more is better. */
enum worth {
    WORTH_NOTHING,
    WORTH_UNUSABLE,
    WORTH_OTHER_VERIFIER,
    WORTH_HASHED,
    WORTH_CLEARTEXT,
    WORTH_VERIFIER
};

static enum worth worth_of(const struct auth_secret *secret, enum auth_scram_hash hash)
{
    switch (secret->kind) {
    case AUTH_SECRET_CLEARTEXT:
        return WORTH_CLEARTEXT;
    case AUTH_SECRET_VERIFIER:
        return secret->verifier.hash == hash ? WORTH_VERIFIER : WORTH_OTHER_VERIFIER;
    case AUTH_SECRET_HASHED:
        return WORTH_HASHED;
    case AUTH_SECRET_UNUSABLE:
        return WORTH_UNUSABLE;
    case AUTH_SECRET_NONE:
    case AUTH_SECRET_LOCKED:
    case AUTH_SECRET_ELSEWHERE:
        break;
    }
    return WORTH_NOTHING;
}

static void set_text(struct auth_secret *s, enum auth_secret_kind kind, struct sv text)
{
    s->kind = text.len == 0 ? AUTH_SECRET_LOCKED : AUTH_SECRET_UNUSABLE;
    if (text.len == 0 || text.len > sizeof(s->password))
        return;
    s->kind = kind;
    memcpy(s->password, text.ptr, text.len);
    s->password_len = text.len;
}

/* As usermod -L and others lock an account, and where passwd(5) points elsewhere. */
static bool is_locked(struct sv value)
{
    return value.len == 0 || sv_starts(value, SV("!")) || sv_starts(value, SV("*")) ||
           sv_eq(value, SV("x"));
}

static void read_bare(struct auth_secret *s, struct sv value, bool is_cleartext)
{
    if (auth_scram_read(value, &s->verifier) == 0)
        s->kind = AUTH_SECRET_VERIFIER;
    else if (is_crypt(value))
        set_text(s, AUTH_SECRET_HASHED, value);
    else if (is_cleartext && !is_locked(value))
        set_text(s, AUTH_SECRET_CLEARTEXT, value);
    else
        s->kind = AUTH_SECRET_LOCKED;
}

static void read_value(struct auth_secret *s, struct sv value, bool bare_is_cleartext)
{
    struct sv rest = value, name = scheme_of(&rest);

    if (name.len == 0)
        read_bare(s, value, bare_is_cleartext);
    else if (sv_ieq(name, SV("PLAIN")) || sv_ieq(name, SV("CLEARTEXT")))
        set_text(s, AUTH_SECRET_CLEARTEXT, rest);
    else if (is_locked(rest))
        s->kind = AUTH_SECRET_LOCKED;
    else if (sv_ieq(name, SV("CRYPT")) || sv_iends(name, SV("-CRYPT")))
        set_text(s, AUTH_SECRET_HASHED, rest);
    else if (digest_of(name) != NULL)
        set_text(s, AUTH_SECRET_HASHED, value);
    else
        s->kind = AUTH_SECRET_UNUSABLE;
}

void auth_stored_take(struct auth_secret *secret, struct sv value, enum auth_scram_hash hash,
                      bool bare_is_cleartext)
{
    struct auth_secret fresh = {0};

    read_value(&fresh, value, bare_is_cleartext);
    if (secret->kind == AUTH_SECRET_NONE || worth_of(&fresh, hash) > worth_of(secret, hash))
        *secret = fresh;
    mem_wipe(&fresh, sizeof(fresh));
}

/* --- passwords --- */

static bool digest_matches(const struct scheme *scheme, struct sv stored, struct sv password)
{
    unsigned char made[EVP_MAX_MD_SIZE];
    size_t bytes = (size_t)EVP_MD_get_size(scheme->digest());
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct buf value;
    bool same = false;

    REQUIRE(ctx != NULL);
    buf_init(&value, AUTH_PASSWORD_MAX, BUF_SECRET);
    if (b64_decode(&value, stored) == 0 && buf_len(&value) >= bytes) {
        struct sv salt = sv_skip(buf_view(&value), bytes);

        REQUIRE(EVP_DigestInit_ex(ctx, scheme->digest(), NULL) == 1 &&
                EVP_DigestUpdate(ctx, password.ptr, password.len) == 1 &&
                EVP_DigestUpdate(ctx, salt.ptr, salt.len) == 1 &&
                EVP_DigestFinal_ex(ctx, made, NULL) == 1);
        same = mem_equal_ct(made, buf_view(&value).ptr, bytes) != 0;
    }
    EVP_MD_CTX_free(ctx);
    mem_wipe(made, sizeof(made));
    buf_deinit(&value);
    return same;
}

/* How much of what crypt has made is its setting: all but the digest. */
static size_t setting_len(const char *stored)
{
    if (strncmp(stored, "$2", 2) == 0)
        return strnlen(stored, 29); /* nothing stands between its salt and digest */
    if (stored[0] == '$')
        return (size_t)(strrchr(stored, '$') - stored) + 1;
    return strnlen(stored, stored[0] == '_' ? 9 : 2);
}

/* What a setting costs is the least that was measured of it, for it may have been disturbed. */
static void remember_setting(const char *stored, uint64_t cost_ns)
{
    size_t len = setting_len(stored);

    pthread_mutex_lock(&costliest.lock);
    if (sv_eq(sv_of(costliest.setting), (struct sv){stored, len})) {
        if (cost_ns < costliest.cost_ns)
            costliest.cost_ns = cost_ns;
    } else if (cost_ns > costliest.cost_ns && len < sizeof(costliest.setting)) {
        memcpy(costliest.setting, stored, len);
        costliest.setting[len] = '\0';
        costliest.cost_ns = cost_ns;
    }
    pthread_mutex_unlock(&costliest.lock);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    REQUIRE(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* *whole_out: it is a hash as crypt makes them, so that this was the work of one. */
static bool crypt_matches(const char *stored, const char *password, bool *whole_out)
{
    struct crypt_data *data = NEW(struct crypt_data);
    uint64_t began_ns = cpu_ns();
    const char *made = crypt_r(password, stored, data);
    bool is_taken = made != NULL && made[0] != '*', same;
    size_t len = strlen(stored);

    *whole_out = is_taken && strlen(made) == len;
    if (*whole_out)
        remember_setting(stored, cpu_ns() - began_ns);
    same = *whole_out && mem_equal_ct(made, stored, len) != 0;
    mem_wipe(data, sizeof(*data));
    free(data);
    return same;
}

static void pretend(const char *password)
{
    char setting[sizeof(costliest.setting)];
    bool whole;

    pthread_mutex_lock(&costliest.lock);
    memcpy(setting, costliest.setting, sizeof(setting));
    pthread_mutex_unlock(&costliest.lock);
    if (setting[0] != '\0')
        (void)crypt_matches(setting, password, &whole);
}

void auth_stored_forget(void)
{
    pthread_mutex_lock(&costliest.lock);
    mem_wipe(costliest.setting, sizeof(costliest.setting));
    costliest.cost_ns = 0;
    pthread_mutex_unlock(&costliest.lock);
}

bool auth_stored_matches(const struct auth_secret *secret, struct sv password)
{
    char tried[AUTH_PASSWORD_MAX + 1] = {0}, stored[AUTH_PASSWORD_MAX + 1] = {0};
    struct sv rest;
    bool right = false, has_worked = false;

    REQUIRE(password.len <= AUTH_PASSWORD_MAX);
    memcpy(tried, password.ptr, password.len);
    if (secret->kind == AUTH_SECRET_HASHED) {
        const struct scheme *scheme;

        memcpy(stored, secret->password, secret->password_len);
        rest = sv_of(stored);
        scheme = digest_of(scheme_of(&rest));
        if (scheme != NULL)
            right = digest_matches(scheme, rest, password);
        else
            right = crypt_matches(stored, tried, &has_worked);
    }
    if (!has_worked)
        pretend(tried);
    mem_wipe(tried, sizeof(tried));
    mem_wipe(stored, sizeof(stored));
    return right && sv_find(password, '\0') == password.len;
}
