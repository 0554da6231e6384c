/* STARTTLS, RFC 3207: not offered once TLS is on (section 4.2). */
#include "msa/smtp/ext_list.h"

static bool offered(const struct smtp_ext_offer *o)
{
    return o->starttls;
}

const struct smtp_ext smtp_ext_starttls = {
    .id = SMTP_EXT_STARTTLS,
    .keyword = {"STARTTLS", 8},
    .rfc = "RFC 3207",
    .draft = SMTP_EXT_MAY,
    .lacking = "sent in clear, unless the route or the author forbids it",
    .offered = offered,
};
