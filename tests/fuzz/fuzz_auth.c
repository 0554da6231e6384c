/*
 * What clients and issuers of tokens say before anything is proved: names in SASL messages, bearer
 * messages, tokens, key sets, and the frames between server and keeper. Whatever is read stays in
 * its bounds, and no token is good under keys that signed none.
 */
#include "auth/bearer.h"
#include "auth/blocks.h"
#include "auth/bound.h"
#include "auth/claim.h"
#include "auth/client/wire.h"
#include "auth/jwt.h"
#include "msa/base/require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_messages(struct sv text)
{
    static const char *const names[] = {"PLAIN",   "LOGIN",       "SCRAM-SHA-256", "CRAM-MD5",
                                        "XOAUTH2", "OAUTHBEARER", "EXTERNAL"};
    struct auth_channel channel = {.certificate = SV_NONE};
    enum auth_binding type;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[AUTH_NAME_MAX + 1];
        struct sv claimed = auth_claim_name(sv_of(names[i]), text, name);
        struct auth_bearer b;
        REQUIRE(claimed.len <= AUTH_NAME_MAX && name[claimed.len] == '\0');
        if (auth_bearer_read(sv_of(names[i]), text, &b))
            REQUIRE(b.token.len > 0 && b.token.ptr >= text.ptr &&
                    b.token.ptr + b.token.len <= text.ptr + text.len &&
                    strlen(b.name) <= AUTH_NAME_MAX);
    }
    /* there is no binding, so none is found */
    REQUIRE(auth_bound_judge(SV("SCRAM-SHA-256-PLUS"), true, text, &channel, &type) ==
            AUTH_BOUND_REFUSED);
}

/* Keys of nobody: nothing is signed by them. */
static void check_token(struct sv text)
{
    static struct auth_jwks *keys;
    static const char *audience[] = {"mail"};
    static const struct auth_token_rules rules = {
        .issuer = "i", .audience = {audience, 1}, .claim = "email", .scope = "", .skew_s = 60};
    static const char set[] =
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"; /* RFC 8037 A.2 */
    struct buf login, why;
    buf_init(&login, AUTH_NAME_MAX, 0);
    buf_init(&why, 1024, 0);
    if (!keys)
        REQUIRE(auth_jwks_new(sv_of(set), &keys, &why) == 0);
    REQUIRE(auth_jwt_check(keys, &rules, text, 1000, &login) != AUTH_TOKEN_GOOD);
    enum auth_token_fault fault = auth_claims_check(&rules, text, 1000, &login);
    REQUIRE((fault == AUTH_TOKEN_GOOD) == (buf_len(&login) > 0));
    buf_deinit(&login);
    buf_deinit(&why);
}

static void check_set(struct sv text)
{
    struct auth_jwks *k;
    struct buf why;
    buf_init(&why, 1024, 0);
    if (auth_jwks_new(text, &k, &why) == 0) {
        REQUIRE(k->count > 0 && k->count <= AUTH_JWKS_MAX);
        auth_jwks_free(k);
    } else {
        REQUIRE(buf_len(&why) > 0);
    }
    buf_deinit(&why);
}

/* What reads well is written as the same bytes. */
static void check_frames(uint32_t type, struct sv text)
{
    struct auth_wire m;
    struct auth_blocks blocks;
    struct auth_channel channel;
    struct buf back;
    buf_init(&back, AUTH_WIRE_FRAME_MAX + text.len, 0);
    if (auth_wire_read(type, text, &m) == 0) {
        auth_wire_write(&back, &m);
        REQUIRE(sv_eq(buf_view(&back), text));
    }
    buf_reset(&back);
    if (text.len > 0 && auth_channel_read(text, &channel) == 0) {
        auth_channel_write(&back, &channel);
        REQUIRE(sv_eq(buf_view(&back), text));
    }
    buf_deinit(&back);
    auth_blocks_init(&blocks);
    if (auth_blocks_read(text, &blocks) == 0)
        REQUIRE(blocks.count <= AUTH_BLOCKS_MAX);
    auth_blocks_deinit(&blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sv text = {(const char *)data + 1, size - 1};
    check_messages(text);
    check_token(text);
    check_set(text);
    check_frames(data[0], text);
    return 0;
}
