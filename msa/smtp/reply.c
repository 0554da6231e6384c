#include "msa/smtp/reply.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <string.h>

/* "250-" and "5.1.3 ", then text, then CRLF */
#define PREFIX_MAX (4 + SMTP_STATUS_TEXT_MAX)

static char clean(char c)
{
    unsigned char u = (unsigned char)c;
    return u < 0x20 || u == 0x7f ? ' ' : u > 0x7e ? '?' : c;
}

/* Takes the text of the next line from *rest: up to "\n" or to what fits. */
static struct sv next_line(struct sv *rest, size_t room)
{
    struct sv line = sv_first(*rest, sv_find(*rest, '\n'));
    if (line.len <= room) {
        *rest = sv_skip(*rest, line.len + 1);
        return line;
    }
    line = sv_first(line, room);
    size_t space = sv_rfind(line, ' ');
    if (space > 0 && space < line.len) {
        *rest = sv_skip(*rest, space + 1);
        return sv_first(line, space);
    }
    *rest = sv_skip(*rest, room);
    return line;
}

int smtp_reply_write(struct buf *out, const struct smtp_reply *r)
{
    char code[SMTP_STATUS_TEXT_MAX], line[SMTP_REPLY_LINE_MAX];
    size_t before = buf_len(out);
    struct sv rest = r->text;
    bool last;
    REQUIRE(r->code >= 200 && r->code < 600);
    REQUIRE(r->enhanced.class == 0 || r->enhanced.class == r->code / 100);
    smtp_status_text(r->enhanced, code);
    do {
        struct sv text = next_line(&rest, SMTP_REPLY_LINE_MAX - 2 - PREFIX_MAX);
        last = rest.len == 0;
        int n = snprintf(line, sizeof line, "%03d%c%s%s", r->code, last ? ' ' : '-', code,
                         code[0] ? " " : "");
        REQUIRE(n > 0 && n < PREFIX_MAX + 1);
        size_t len = (size_t)n;
        for (size_t i = 0; i < text.len; i++)
            line[len++] = clean(text.ptr[i]);
        line[len++] = '\r';
        line[len++] = '\n';
        int err = buf_append(out, line, len);
        if (err < 0) {
            buf_truncate(out, before);
            return err;
        }
    } while (!last);
    return 0;
}
