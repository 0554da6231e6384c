#include "rewrite/results.h"

#include "rewrite/cfws.h"
#include "rewrite/domain.h"

#include <string.h>

#define ID_MAX (4 * SMTP_DOMAIN_MAX) /* bytes: no domain name is longer, with U-labels */

/* A token of RFC 2045 5.1, or what stands in quotes, into out. */
static struct sv read_id(struct sv value, char out[ID_MAX])
{
    size_t n = 0;
    bool quoted;
    if (!rewrite_cfws_skip(&value))
        return SV_NONE;
    quoted = value.len && value.ptr[0] == '"';
    for (size_t i = quoted; i < value.len && n < ID_MAX; i++) {
        char c = value.ptr[i];
        if (quoted ? c == '"' : (unsigned char)c <= 32 || strchr("()<>@,;:\\\"/[]?=", c) != NULL)
            break;
        if (c != '\\')
            out[n++] = c;
    }
    return (struct sv){out, n};
}

bool rewrite_results_are_ours(struct sv value, struct sv host, const struct sv *domains,
                              size_t count)
{
    char text[ID_MAX], name[SMTP_DOMAIN_MAX + 1];
    struct sv id = read_id(value, text);
    while (id.len && id.ptr[id.len - 1] == '.')
        id.len--;
    if (rewrite_domain_make(id, name))
        id = sv_of(name);
    bool ours = id.len && sv_ieq(id, host);
    for (size_t i = 0; i < count && !ours; i++)
        ours = rewrite_domain_is_within(id, domains[i]);
    return ours;
}
