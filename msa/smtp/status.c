#include "msa/smtp/status.h"

#include <stdio.h>

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
