#include "msa/smtp/status.h"

#include <stdio.h>

/* RFC 3463 and the registry of RFC 5248; detail 0 is the subject itself. */
static const struct meaning {
    uint16_t subject, detail;
    const char *text;
} meanings[] = {
    {0, 0, "other undefined status"},
    {1, 0, "other address status"},
    {1, 1, "bad destination mailbox address"},
    {1, 2, "bad destination system address"},
    {1, 3, "bad destination mailbox address syntax"},
    {1, 4, "destination mailbox address ambiguous"},
    {1, 5, "destination address valid"},
    {1, 6, "destination mailbox has moved"},
    {1, 7, "bad sender's mailbox address syntax"},
    {1, 8, "bad sender's system address"},
    {1, 9, "message relayed to non-compliant mailer"},
    {1, 10, "recipient address has null MX"},
    {2, 0, "other or undefined mailbox status"},
    {2, 1, "mailbox disabled, not accepting messages"},
    {2, 2, "mailbox full"},
    {2, 3, "message length exceeds administrative limit"},
    {2, 4, "mailing list expansion problem"},
    {3, 0, "other or undefined mail system status"},
    {3, 1, "mail system full"},
    {3, 2, "system not accepting network messages"},
    {3, 3, "system not capable of selected features"},
    {3, 4, "message too big for system"},
    {3, 5, "system incorrectly configured"},
    {4, 0, "other or undefined network or routing status"},
    {4, 1, "no answer from host"},
    {4, 2, "bad connection"},
    {4, 3, "directory server failure"},
    {4, 4, "unable to route"},
    {4, 5, "mail system congestion"},
    {4, 6, "routing loop detected"},
    {4, 7, "delivery time expired"},
    {5, 0, "other or undefined protocol status"},
    {5, 1, "invalid command"},
    {5, 2, "syntax error"},
    {5, 3, "too many recipients"},
    {5, 4, "invalid command arguments"},
    {5, 5, "wrong protocol version"},
    {5, 6, "authentication exchange line is too long"},
    {6, 0, "other or undefined media error"},
    {6, 1, "media not supported"},
    {6, 2, "conversion required and prohibited"},
    {6, 3, "conversion required but not supported"},
    {6, 4, "conversion with loss performed"},
    {6, 5, "conversion failed"},
    {6, 7, "non-ASCII addresses not permitted"},
    {7, 0, "other or undefined security status"},
    {7, 1, "delivery not authorized, message refused"},
    {7, 2, "mailing list expansion prohibited"},
    {7, 3, "security conversion required but not possible"},
    {7, 4, "security features not supported"},
    {7, 5, "cryptographic failure"},
    {7, 6, "cryptographic algorithm not supported"},
    {7, 7, "message integrity failure"},
    {7, 8, "authentication credentials invalid"},
    {7, 9, "authentication mechanism is too weak"},
    {7, 10, "encryption needed"},
    {7, 11, "encryption required for requested authentication mechanism"},
    {7, 12, "a password transition is needed"},
    {7, 13, "user account disabled"},
    {7, 14, "trust relationship required"},
    {7, 26, "multiple authentication checks failed"},
    {7, 27, "sender address has null MX"},
};

/* Up to three digits without a leading zero (RFC 3463 section 2); the rest stays in *text. */
static bool read_number(struct sv *text, uint16_t *out)
{
    size_t n = 0;
    uint16_t value = 0;
    while (n < text->len && n < 3 && ascii_digit(text->ptr[n]))
        value = (uint16_t)(value * 10 + (text->ptr[n++] - '0'));
    if (n == 0 || (n > 1 && text->ptr[0] == '0'))
        return false;
    *out = value;
    *text = sv_skip(*text, n);
    return true;
}

static bool read_dot(struct sv *text)
{
    if (text->len == 0 || text->ptr[0] != '.')
        return false;
    *text = sv_skip(*text, 1);
    return true;
}

bool smtp_status_parse(struct sv text, struct smtp_status *out, struct sv *rest_out)
{
    struct smtp_status s = {0};
    uint16_t class;
    if (!read_number(&text, &class) || (class != 2 && class != 4 && class != 5) ||
        !read_dot(&text) || !read_number(&text, &s.subject) || !read_dot(&text) ||
        !read_number(&text, &s.detail))
        return false;
    if (text.len && text.ptr[0] != ' ' && text.ptr[0] != '\t')
        return false;
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = sv_skip(text, 1);
    s.class = (uint8_t) class;
    *out = s;
    if (rest_out)
        *rest_out = text;
    return true;
}

const char *smtp_status_text(struct smtp_status s, char buf[SMTP_STATUS_TEXT_MAX])
{
    buf[0] = '\0';
    if (s.class)
        snprintf(buf, SMTP_STATUS_TEXT_MAX, "%u.%u.%u", s.class, s.subject, s.detail);
    return buf;
}

bool smtp_status_eq(struct smtp_status a, struct smtp_status b)
{
    return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}

const char *smtp_status_meaning(struct smtp_status s)
{
    const char *found = meanings[0].text;
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].subject != s.subject)
            continue;
        if (meanings[i].detail == s.detail)
            return meanings[i].text;
        if (meanings[i].detail == 0)
            found = meanings[i].text;
    }
    return found;
}
