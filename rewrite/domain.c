#include "rewrite/domain.h"

#include "rewrite/cfws.h"

#include <string.h>

bool rewrite_domain_make(struct sv written, char out[SMTP_DOMAIN_MAX + 1])
{
    char plain[4 * SMTP_DOMAIN_MAX]; /* U-labels are longer */
    size_t len = 0, plain_len = 0;
    if (!rewrite_cfws_strip(written, plain, sizeof plain, &plain_len))
        return false;
    struct sv text = {plain, plain_len};
    while (text.len) {
        char label[SMTP_LABEL_MAX];
        struct sv part = sv_split(&text, '.');
        size_t n = part.len;
        if (smtp_idn_concerns(part)) {
            if (smtp_idn_label(part, label, &n) < 0)
                return false;
        } else if (n > 0 && n <= sizeof label) {
            for (size_t i = 0; i < n; i++)
                label[i] = ascii_lower(part.ptr[i]);
        } else {
            return false;
        }
        if (len + n + 1 > SMTP_DOMAIN_MAX)
            return false;
        memcpy(out + len, label, n);
        len += n;
        out[len++] = '.';
    }
    out[len ? len - 1 : 0] = '\0';
    return len > 0;
}

bool rewrite_domain_is_within(struct sv name, struct sv domain)
{
    return sv_ieq(name, domain) || (name.len > domain.len && sv_iends(name, domain) &&
                                    name.ptr[name.len - domain.len - 1] == '.');
}
