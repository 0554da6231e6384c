/*
 * app.c - app passwords. Letters and digits that look alike (i l o, 0 1) are left out.
 */
#include "auth/app.h"

#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <openssl/evp.h>
#include <string.h>

#define GROUPS      4
#define GROUP_CHARS 5
#define PURPOSE     "msad app password"

static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
#define ALPHABET (sizeof(alphabet) - 1)

/* Without a bias: bytes beyond the largest multiple of the alphabet's length are thrown away. */
static char random_char(void)
{
    uint8_t byte;

    do
        random_fill(&byte, 1);
    while (byte >= 256 / ALPHABET * ALPHABET);
    return alphabet[byte % ALPHABET];
}

void auth_app_secret(char out[AUTH_APP_SECRET_MAX])
{
    char *at = out;

    for (unsigned g = 0; g < GROUPS; g++) {
        for (unsigned i = 0; i < GROUP_CHARS; i++)
            *at++ = random_char();
        *at++ = g + 1 < GROUPS ? '-' : '\0';
    }
    REQUIRE(at == out + AUTH_APP_SECRET_MAX);
}

void auth_app_digest(struct sv login, struct sv secret, uint8_t out[AUTH_APP_DIGEST_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    /* neither purpose nor login holds a NUL, so that the parts cannot be mixed up */
    REQUIRE(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
            EVP_DigestUpdate(ctx, PURPOSE, sizeof(PURPOSE)) == 1 &&
            EVP_DigestUpdate(ctx, login.ptr, login.len) == 1 && EVP_DigestUpdate(ctx, "", 1) == 1 &&
            EVP_DigestUpdate(ctx, secret.ptr ? secret.ptr : "", secret.len) == 1 &&
            EVP_DigestFinal_ex(ctx, out, NULL) == 1);
    EVP_MD_CTX_free(ctx);
}

const char *auth_app_label_fault(struct sv label)
{
    if (label.len == 0)
        return "the label is empty";
    if (label.len > AUTH_LABEL_MAX)
        return "the label is longer than 64 bytes";
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];

        if (!ascii_alpha(c) && !ascii_digit(c) && c != '.' && c != '_' && c != '-')
            return "a label has letters, digits, '.', '_' and '-' only";
    }
    return NULL;
}

bool auth_app_split(struct sv user, struct sv *owner_out, struct sv *label_out)
{
    size_t at = sv_rfind(user, '/');

    if (at == user.len || at == 0 || auth_app_label_fault(sv_skip(user, at + 1)) != NULL)
        return false;
    *owner_out = sv_first(user, at);
    *label_out = sv_skip(user, at + 1);
    return true;
}
