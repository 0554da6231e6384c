/*
 * What a directory says of a recipient: certificates, of which the best is taken. Nothing but a
 * certificate that can be used and names the address is; and the input as an
 * address makes one filter of a URL, with nothing in it that means anything there.
 */
#include "auth/directory.h"
#include "msa/base/require.h"
#include "rewrite/smime_found.h"

#include <string.h>

#define NOW_S   1800000000
#define ADDRESS SV("bob@example.org")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct rewrite_smime *set, struct sv packed)
{
    struct rewrite_smime_found f;
    rewrite_smime_found_read(set, packed, ADDRESS, NOW_S, &f);
    REQUIRE(!packed.len || f.cert || f.fault);
    REQUIRE(!f.cert || (rewrite_smime_cert_has(f.cert, ADDRESS) &&
                        !rewrite_smime_recipient_fault(set, f.cert, NOW_S)));
    rewrite_smime_found_free(&f);
}

static void check_address(struct sv address)
{
    const struct sv before = SV("ldap://x/?a?sub?(mail=");
    struct buf url;
    buf_init(&url, 8192, 0);
    REQUIRE(auth_directory_url(&url, SV("ldap://x/?a?sub?(mail=%s)"), address) == 0);
    struct sv text = buf_view(&url);
    REQUIRE(sv_starts(text, before) && text.ptr[text.len - 1] == ')');
    text = sv_skip(sv_first(text, text.len - 1), before.len);
    for (size_t i = 0; i < text.len; i++)
        REQUIRE(ascii_alpha(text.ptr[i]) || ascii_digit(text.ptr[i]) ||
                memchr("-._~@%", text.ptr[i], 6) != NULL);
    buf_deinit(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rewrite_encrypt_options rules[] = {{"*", REWRITE_SMIME_REQUIRE}};
    static const char *paths[] = {"ldaps://x/"};
    static struct rewrite_smime *set;
    struct rewrite_options o = {.encrypt = {rules, 1}, .certificates = {paths, 1}};
    struct sv text = {(const char *)data, size};
    if (!set)
        set = rewrite_smime_new(&(struct rewrite_smime_config){.options = &o, .now_s = NOW_S});
    check_answer(set, text);
    check_address(sv_first(text, AUTH_DIRECTORY_ADDRESS_MAX));
    return 0;
}
