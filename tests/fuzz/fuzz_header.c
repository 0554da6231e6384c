/*
 * Header fields of submitted messages. The input as the value of an address field: ranges lie in
 * order inside of it, an address that was read is read again when it stands alone, and the bytes
 * looked at are few.
 */
#include "msa/base/buf.h"
#include "msa/base/require.h"
#include "rewrite/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAILBOXES 1000

static void check_alone(struct sv text, const struct rewrite_address *a)
{
    struct rewrite_addresses w;
    struct rewrite_address again;
    rewrite_addresses_init(&w, text, a->local, a->domain_end, 1);
    REQUIRE(rewrite_addresses_next(&w, &again) == REWRITE_ADDRESS_MAILBOX);
    REQUIRE(again.local == a->local && again.local_end == a->local_end);
    REQUIRE(again.domain == a->domain && again.domain_end == a->domain_end);
    REQUIRE(again.domain_kind == a->domain_kind && again.has_cfws == a->has_cfws);
    REQUIRE(rewrite_addresses_next(&w, &again) == REWRITE_ADDRESS_END);
}

static void check_addresses(struct sv text)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    enum rewrite_address_step step;
    size_t last = 0, count = 0;
    rewrite_addresses_init(&w, text, 0, text.len, MAILBOXES);
    while ((step = rewrite_addresses_next(&w, &a)) == REWRITE_ADDRESS_MAILBOX) {
        REQUIRE(last <= a.local && a.local < a.local_end && a.local_end < a.domain);
        REQUIRE(a.domain < a.domain_end && a.domain_end <= text.len);
        REQUIRE(++count <= MAILBOXES);
        check_alone(text, &a);
        last = a.domain_end;
    }
    REQUIRE(w.walked <= 3 * text.len + 3);
    REQUIRE((step == REWRITE_ADDRESS_FAULT) == (w.fault != REWRITE_ADDRESS_OK));
    REQUIRE(w.fault_at <= text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = {(const char *)data, size};
    check_addresses(text);
    return 0;
}
